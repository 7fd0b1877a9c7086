//! Claims, one at a time: the path that everybody takes at once.

use std::rc::Rc;

use levee_api::port::{AskBody, Priority, Reply as Said};
use levee_api::strict::{Name, parse};
use levee_api::types::{ClaimVoucher, Command, Outcome, Refusal, RequestKey, UserKey};
use levee_api::wire::ClaimRequest;

use crate::call::{Call, unexpected};
use crate::desk::Waiting;
use crate::directory::Entry;
use crate::json::{self, ClaimFacts};
use crate::reply::{Answer, JSON, Reply};
use crate::trouble::Trouble;
use crate::worker::Worker;

/// How often a claim is made again with newer terms before the client is told to.
const TERMS_CHANGES_MAX: u32 = 3;

/// `POST /v1/campaigns/{id}/claims`
pub(crate) async fn claim(call: &mut Call) -> Answer {
    let request = call.request_key_if_any()?;
    let body = call.bytes().await?;
    let claim: ClaimRequest = parse(&body)?;
    if claim.idempotency_key.is_some() {
        let detail = "belongs to batches: a single claim has the header Idempotency-Key";
        return Err(Trouble::field("idempotency_key", detail));
    }
    let user = call.worker.hub.ports.pseudonyms.of(claim.user_id.as_str());
    let entry = call.worker.campaign(call.param()).await?;
    let attempt = Attempt::new(&call.worker, entry, Asked { claim, user, request });
    let (facts, repeated) = attempt.settle(&call.worker).await?;
    let body = json::claim(&facts, &call.worker.hub.ports.codes);
    let status = if repeated { 200 } else { 201 };
    Ok(Reply::bytes(status, JSON, body.into()).repeated(repeated))
}

/// What was asked for.
pub(crate) struct Asked {
    pub(crate) claim: ClaimRequest,
    pub(crate) user: UserKey,
    pub(crate) request: Option<RequestKey>,
}

impl Asked {
    /// An attribute as stated; `region` and `channel` count as attributes of these names.
    fn attribute(&self, name: &str) -> Option<&str> {
        let stated = self.claim.attributes.0.get(name).map(String::as_str);
        stated.or_else(|| match name {
            "region" => self.claim.region.as_ref().map(Name::as_str),
            "channel" => self.claim.channel.as_ref().map(Name::as_str),
            _ => None,
        })
    }
}

/// A claim that is with the engine.
pub(crate) struct Attempt {
    asked: Asked,
    entry: Rc<Entry>,
    waiting: Waiting,
}

impl Attempt {
    /// Goes out at the end of this turn.
    pub(crate) fn new(worker: &Worker, entry: Rc<Entry>, asked: Asked) -> Self {
        let waiting = Self::send(worker, &entry, &asked);
        Self { asked, entry, waiting }
    }

    fn send(worker: &Worker, entry: &Entry, asked: &Asked) -> Waiting {
        let eligibility = &entry.definition.terms.eligibility;
        let command = Command::ClaimVoucher(ClaimVoucher {
            campaign: entry.number,
            terms_version: entry.version,
            conditions_met: eligibility.met(|name| asked.attribute(name)),
            user: asked.user,
            request: asked.request,
        });
        worker.ask(Priority::Claim, AskBody::Command(command))
    }

    /// Waits until it is durable, and says whether it had been before.
    pub(crate) async fn settle(self, worker: &Worker) -> Result<(ClaimFacts, bool), Trouble> {
        let Self { asked, mut entry, mut waiting } = self;
        for _ in 0..TERMS_CHANGES_MAX {
            match worker.settle(waiting).await? {
                Said::Refused(Refusal::TermsChanged) => {
                    entry = worker.campaign_now(entry.definition.id.as_str()).await?;
                    waiting = Self::send(worker, &entry, &asked);
                }
                said => return facts(worker, entry, said).await,
            }
        }
        let said = worker.settle(waiting).await?;
        facts(worker, entry, said).await
    }
}

async fn facts(
    worker: &Worker,
    mut entry: Rc<Entry>,
    said: Said,
) -> Result<(ClaimFacts, bool), Trouble> {
    let (seq, at_ms, voucher, face_minor, repeated) = match said {
        Said::Done { seq, at_ms, outcome: Outcome::Claimed { voucher, face_minor }, repeated } => {
            (seq, at_ms, voucher, face_minor, repeated)
        }
        Said::Refused(refusal) => return Err(refusal.into()),
        other => return Err(unexpected(&other)),
    };
    if !entry.frozen {
        // Opened since this worker looked, perhaps with other terms.
        entry = worker.campaign_now(entry.definition.id.as_str()).await?;
    }
    let valid_until_ms = entry.definition.terms.voucher.valid_until_ms(at_ms);
    Ok((ClaimFacts { voucher, face_minor, valid_from_ms: at_ms, valid_until_ms, seq }, repeated))
}
