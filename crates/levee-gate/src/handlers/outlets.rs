//! Outlets, one at a time: documents, pauses, staffing, work of other channels.

use std::sync::Arc;

use hyper::header::{ETAG, HeaderValue};
use levee_api::outlet::{OutletDocument, compile, opening};
use levee_api::port::{Answer as EngineAnswer, OutletView, Priority, Query, Reply as Said};
use levee_api::problem::Code;
use levee_api::strict::parse;
use levee_api::time::Instant;
use levee_api::types::{
    Command, Outcome, OutletId, OutletNo, PauseOutlet, RecordWalkIns, Refusal, ResumeOutlet,
    SetStaffing,
};
use levee_api::wire::{
    BreakerBody, OutletBody, OutletPauseBody, OutletPausedBody, OutletState, PauseRequest,
    PromisedBody, QueueBody, ReasonRequest, StaffingBody, StaffingRequest, Units, WalkInsBody,
    WalkInsRequest,
};

use crate::call::{Call, unexpected};
use crate::outlets::{Listing, Outlets, is_open_at};
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
    let written = match call.command(Priority::Status, put).await? {
        Said::Done { seq, outcome: Outcome::OutletPut { outlet, version }, .. } => {
            call.worker.outlets().put(outlet, version, id.clone(), &document)?;
            Some((seq, version))
        }
        // A PUT that is sent again is as good as one.
        Said::Refused(Refusal::Unchanged) => None,
        Said::Refused(refusal) => return Err(refusal.into()),
        other => return Err(unexpected(&other)),
    };
    let view = call.worker.outlet_view(&id).await?;
    let mut body = body(&call.worker, &view)?;
    if let Some((seq, version)) = written {
        // The kitchen is that of now; document and version are those of this write, whoever came
        // after it.
        let document = OutletDocument { id: Some(id.to_string()), ..document };
        body = OutletBody { seq: Some(seq), version, document: document.without_secret(), ..body };
    }
    let status = if written.is_some() && body.version == 1 { 201 } else { 200 };
    Ok(Reply::json(status, &body).with(ETAG, etag(body.version)))
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
    match call.command(Priority::Status, Command::PauseOutlet(Box::new(pause))).await? {
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
    match call.command(Priority::Status, Command::ResumeOutlet(Box::new(resume))).await? {
        Said::Done { seq, outcome: Outcome::OutletResumed, repeated, .. } => {
            let body = OutletPausedBody { outlet: id, paused: false, seq };
            Ok(Reply::json(200, &body).repeated(repeated))
        }
        Said::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
}

/// `POST /v1/outlets/{id}/staffing`
pub(crate) async fn set_staffing(call: &mut Call) -> Answer {
    let request = call.request_key()?;
    let StaffingRequest { stations } = call.json().await?;
    let outlet = own_listing(call).await?;
    let staffing = SetStaffing { request, outlet: outlet.number, stations };
    match call.command(Priority::Status, Command::SetStaffing(staffing)).await? {
        Said::Done { seq, outcome: Outcome::StaffingSet, repeated, .. } => {
            let body = StaffingBody { outlet: outlet.id.to_string(), stations, seq };
            Ok(Reply::json(200, &body).repeated(repeated))
        }
        Said::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
}

/// `POST /v1/outlets/{id}/walk-ins`
pub(crate) async fn record_walk_ins(call: &mut Call) -> Answer {
    let request = call.request_key()?;
    let WalkInsRequest { units } = call.json().await?;
    let outlet = own_listing(call).await?;
    let record = RecordWalkIns { request, outlet: outlet.number, work: units.thousandths() };
    match call.command(Priority::Status, Command::RecordWalkIns(record)).await? {
        Said::Done { seq, outcome: Outcome::WalkInsRecorded, repeated, .. } => {
            let body = WalkInsBody { outlet: outlet.id.to_string(), units, seq };
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
    if brand_of_key(call).is_some() {
        return Ok(own_listing(call).await?.id.clone());
    }
    outlet_id(call)
}

/// As this gate knows it.
pub(super) async fn own_listing(call: &Call) -> Result<Arc<Listing>, Trouble> {
    let listing = call.worker.outlet(&outlet_id(call)?).await?;
    check_brand(call, &listing.brand)?;
    Ok(listing)
}

/// Of an outlet's key; other keys are for all brands.
fn brand_of_key(call: &Call) -> Option<&str> {
    call.key.as_ref()?.brand.as_deref()
}

pub(super) fn check_brand(call: &Call, brand: &str) -> Result<(), Trouble> {
    match brand_of_key(call) {
        Some(own) if own != brand => {
            let detail = format!("The key is for outlets of {own} alone.");
            Err(Trouble::new(Code::Forbidden).with_detail(detail))
        }
        _ => Ok(()),
    }
}

/// As it was given.
pub(super) fn document_of(view: &OutletView) -> Result<OutletDocument, Trouble> {
    parse(&view.document).map_err(|error| unexpected(&error))
}

/// An outlet as it is, for those who may see it.
pub(super) fn body(worker: &Worker, view: &OutletView) -> Result<OutletBody, Trouble> {
    let document = document_of(view)?;
    let state = match &view.pause {
        Some(_) => OutletState::Paused,
        None if view.breaker.is_some() || view.vendor_breaker.is_some() => OutletState::Unreachable,
        None if is_open_at(&opening(&document)?, worker.journal_ms()) => OutletState::Open,
        None => OutletState::Closed,
    };
    let promised = view.promised.iter().map(|(ready_at_ms, work)| PromisedBody {
        ready_at: Instant { ms: *ready_at_ms },
        units: units(*work),
    });
    let queue = QueueBody {
        units: units(view.unfinished),
        untold: view.untold,
        untold_since: view.untold_since_ms.map(|ms| Instant { ms }),
        promised: promised.collect(),
    };
    let pause = view.pause.as_ref().map(|pause| OutletPauseBody {
        until: pause.until_ms.map(|ms| Instant { ms }),
        reason: pause.reason.clone(),
    });
    Ok(OutletBody {
        id: view.id.to_string(),
        state,
        pause,
        breaker: view.breaker.clone().map(BreakerBody::from),
        vendor_breaker: view.vendor_breaker.clone().map(BreakerBody::from),
        // What is ordered while it is closed is made once it opens.
        eta_ms: view.eta_ms,
        pace_ms: view.pace_ms,
        queue,
        stations: view.stations,
        version: view.version,
        document: document.without_secret(),
        seq: None,
    })
}

/// Work as replies have it; more than they can say is as good as that.
fn units(work: u64) -> Units {
    let work = u32::try_from(work).unwrap_or(u32::MAX);
    Units::of_thousandths(work).expect("any number")
}

fn etag(version: u32) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{version}\"")).expect("digits and quotes are ASCII")
}

impl Worker {
    /// The outlets that this gate knows.
    pub(crate) fn outlets(&self) -> &Outlets {
        &self.hub.outlets
    }

    /// Whether what is near can be said: a gate that has just started does not know all outlets.
    pub(crate) fn check_outlets_filled(&self) -> Result<(), Trouble> {
        if self.outlets().is_filled() {
            return Ok(());
        }
        let detail = "This gate still learns which outlets there are.";
        Err(Trouble::new(Code::Unavailable).with_detail(detail))
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

    /// An outlet as it is now: what this gate knows of it may be older by moments.
    pub(crate) async fn outlet_anew(
        &self,
        priority: Priority,
        number: OutletNo,
    ) -> Result<Arc<Listing>, Trouble> {
        let view = self.outlet_view_numbered(priority, number).await?;
        self.outlets().put(view.number, view.version, view.id.clone(), &document_of(&view)?)?;
        self.outlets().by_number(number).ok_or_else(|| Trouble::new(Code::OutletNotFound))
    }

    /// As [`Self::outlet`], by its number.
    pub(crate) async fn outlet_numbered(
        &self,
        priority: Priority,
        number: OutletNo,
    ) -> Result<Arc<Listing>, Trouble> {
        match self.outlets().by_number(number) {
            Some(listing) => Ok(listing),
            None => self.outlet_anew(priority, number).await,
        }
    }

    /// All of an outlet by its number, as it is now.
    pub(crate) async fn outlet_view_numbered(
        &self,
        priority: Priority,
        number: OutletNo,
    ) -> Result<Box<OutletView>, Trouble> {
        match self.query(priority, Query::OutletNumbered(number)).await? {
            EngineAnswer::Outlet(view) => view.ok_or_else(|| Trouble::new(Code::OutletNotFound)),
            other => Err(unexpected(&other)),
        }
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
