//! Outlets, one at a time: documents, pauses.

use std::sync::Arc;

use hyper::header::{ETAG, HeaderValue};
use levee_api::outlet::{OutletDocument, compile, opening};
use levee_api::port::{Answer as EngineAnswer, OutletView, Priority, Query, Reply as Said};
use levee_api::problem::Code;
use levee_api::strict::parse;
use levee_api::time::Instant;
use levee_api::types::{Command, Outcome, OutletId, PauseOutlet, Refusal, ResumeOutlet};
use levee_api::wire::{
    OutletBody, OutletPauseBody, OutletPausedBody, OutletState, PauseRequest, ReasonRequest,
};

use crate::call::{Call, unexpected};
use crate::outlets::{Listing, Outlets};
use crate::reply::{Answer, Reply};
use crate::trouble::Trouble;
use crate::worker::Worker;

/// `PUT /v1/outlets/{id}`
pub(crate) async fn put(call: &mut Call) -> Answer {
    let id = OutletId::new(call.param())
        .ok_or_else(|| Trouble::field("id", "must be 1 to 64 of a-z, 0-9 and -"))?;
    let document: OutletDocument = parse(&call.bytes().await?)?;
    check_brand(call, document.brand.as_str())?;
    // Nobody takes over another brand's outlet by giving it a document.
    if brand_of_key(call).is_some()
        && let Some(view) = call.worker.outlet_view_if_any(&id).await?
    {
        check_brand(call, document_of(&view)?.brand.as_str())?;
    }
    let put = compile(&id, document.clone())?;
    let put = Command::PutOutlet(Box::new(put));
    let seq = match call.command(Priority::Status, put).await? {
        Said::Done { seq, outcome: Outcome::OutletPut { outlet, version }, .. } => {
            call.worker.outlets().put(outlet, version, id.clone(), &document)?;
            Some(seq)
        }
        // A PUT that is sent again is as good as one.
        Said::Refused(Refusal::Unchanged) => None,
        Said::Refused(refusal) => return Err(refusal.into()),
        other => return Err(unexpected(&other)),
    };
    let view = call.worker.outlet_view(&id).await?;
    let status = if seq.is_some() && view.version == 1 { 201 } else { 200 };
    let body = OutletBody { seq, ..body(&call.worker, &view)? };
    Ok(Reply::json(status, &body).with(ETAG, etag(view.version)))
}

/// `GET /v1/outlets/{id}`
pub(crate) async fn get(call: &mut Call) -> Answer {
    let id = outlet_id(call)?;
    let view = call.worker.outlet_view(&id).await?;
    let body = body(&call.worker, &view)?;
    check_brand(call, body.document.brand.as_str())?;
    Ok(Reply::json(200, &body).with(ETAG, etag(view.version)))
}

/// `POST /v1/outlets/{id}/pause`
pub(crate) async fn pause(call: &mut Call) -> Answer {
    let request = call.request_key()?;
    let PauseRequest { until, reason } = call.json().await?;
    let outlet = own_outlet(call).await?;
    let id = outlet.to_string();
    let (until_ms, reason) = (until.map(|until| until.ms), reason.into());
    let pause = PauseOutlet { request, outlet, until_ms, reason };
    match call.command(Priority::Status, Command::PauseOutlet(pause)).await? {
        Said::Done { seq, outcome: Outcome::OutletPaused, repeated, .. } => {
            let body = OutletPausedBody { outlet: id, paused: true, seq };
            Ok(Reply::json(200, &body).repeated(repeated))
        }
        Said::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
}

/// `POST /v1/outlets/{id}/resume`
pub(crate) async fn resume(call: &mut Call) -> Answer {
    let request = call.request_key()?;
    let ReasonRequest { reason } = call.json().await?;
    let outlet = own_outlet(call).await?;
    let id = outlet.to_string();
    let resume = ResumeOutlet { request, outlet, reason: reason.into() };
    match call.command(Priority::Status, Command::ResumeOutlet(resume)).await? {
        Said::Done { seq, outcome: Outcome::OutletResumed, repeated, .. } => {
            let body = OutletPausedBody { outlet: id, paused: false, seq };
            Ok(Reply::json(200, &body).repeated(repeated))
        }
        Said::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
}

fn outlet_id(call: &Call) -> Result<OutletId, Trouble> {
    OutletId::new(call.param()).ok_or_else(|| Trouble::new(Code::OutletNotFound))
}

/// The outlet in the path, if the key may act for it.
async fn own_outlet(call: &Call) -> Result<OutletId, Trouble> {
    let id = outlet_id(call)?;
    if brand_of_key(call).is_some() {
        let listing = call.worker.outlet(&id).await?;
        check_brand(call, &listing.brand)?;
    }
    Ok(id)
}

/// Of an outlet's key; other keys are for all brands.
fn brand_of_key(call: &Call) -> Option<&str> {
    call.key.as_ref()?.brand.as_deref()
}

fn check_brand(call: &Call, brand: &str) -> Result<(), Trouble> {
    match brand_of_key(call) {
        Some(own) if own != brand => {
            let detail = format!("The key is for outlets of {own} alone.");
            Err(Trouble::new(Code::Forbidden).with_detail(detail))
        }
        _ => Ok(()),
    }
}

/// As it was given.
fn document_of(view: &OutletView) -> Result<OutletDocument, Trouble> {
    parse(&view.document).map_err(|error| unexpected(&error))
}

/// An outlet as it is, for those who may see it.
fn body(worker: &Worker, view: &OutletView) -> Result<OutletBody, Trouble> {
    let document = document_of(view)?;
    let state = match &view.pause {
        Some(_) => OutletState::Paused,
        None if opening(&document)?.holds(worker.journal_ms()) => OutletState::Open,
        None => OutletState::Closed,
    };
    let pause = view.pause.as_ref().map(|pause| OutletPauseBody {
        until: pause.until_ms.map(|ms| Instant { ms }),
        reason: pause.reason.clone(),
    });
    Ok(OutletBody {
        id: view.id.to_string(),
        state,
        pause,
        version: view.version,
        document: document.without_secret(),
        seq: None,
    })
}

fn etag(version: u32) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{version}\"")).expect("digits and quotes are ASCII")
}

impl Worker {
    /// The outlets that this gate knows.
    pub(crate) fn outlets(&self) -> &Outlets {
        &self.hub.outlets
    }

    /// An outlet as this gate knows it; one that it has not heard of yet is asked for.
    pub(crate) async fn outlet(&self, id: &OutletId) -> Result<Arc<Listing>, Trouble> {
        if let Some(listing) = self.outlets().by_id(id.as_str()) {
            return Ok(listing);
        }
        let view = self.outlet_view(id).await?;
        self.outlets().put(view.number, view.version, view.id.clone(), &document_of(&view)?)?;
        self.outlets().by_number(view.number).ok_or_else(|| Trouble::new(Code::OutletNotFound))
    }

    /// All of an outlet, as it is now.
    pub(crate) async fn outlet_view(&self, id: &OutletId) -> Result<Box<OutletView>, Trouble> {
        let view = self.outlet_view_if_any(id).await?;
        view.ok_or_else(|| Trouble::new(Code::OutletNotFound))
    }

    async fn outlet_view_if_any(&self, id: &OutletId) -> Result<Option<Box<OutletView>>, Trouble> {
        match self.query(Priority::Browse, Query::Outlet(id.clone())).await? {
            EngineAnswer::Outlet(view) => Ok(view),
            other => Err(unexpected(&other)),
        }
    }

    /// The journal's time, as this gate knows it.
    pub(crate) fn journal_ms(&self) -> u64 {
        let intake = self.hub.ports.submit.intake();
        intake.clock().journal_ms_at(intake.now_us())
    }
}
