//! Claims, one at a time: the path that everybody takes at once.

use std::rc::Rc;

use levee_api::port::{AskBody, Priority, Reply as Said};
use levee_api::strict::{Name, parse};
use levee_api::time::Instant;
use levee_api::types::{ClaimVoucher, Command, Level, Outcome, Refusal, RequestKey, UserKey};
use levee_api::wire::{ClaimRequest, DeferredClaimBody};

use crate::admission::Admitted;
use crate::call::{Call, LEVEE_PASS, unexpected};
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
    if claim.pass.is_some() {
        let detail = "belongs to batches: a single claim has the header Levee-Pass";
        return Err(Trouble::field("pass", detail));
    }
    let user = call.worker.hub.ports.pseudonyms.of(claim.user_id.as_str());
    let entry = call.worker.campaign(call.param()).await?;
    let pass = call.header(&LEVEE_PASS)?;
    let admitted = call.worker.admit_claim(&entry, user, pass)?;
    let attempt = Attempt::new(&call.worker, entry, Asked { claim, user, request }, admitted);
    let (facts, repeated) = attempt.settle(&call.worker).await?;
    if let Some(later) = deferred(&call.worker, &facts) {
        return Ok(Reply::json(202, &later));
    }
    let body = json::claim(&facts, &call.worker.hub.ports.codes);
    let status = if repeated { 200 } else { 201 };
    Ok(Reply::bytes(status, JSON, body.into()).repeated(repeated))
}

/// While codes are deferred: when this one can be had, if that is still ahead. Codes are spread over
/// the time within which they are promised, so that what they lead to is spread as well. Nothing is
/// kept for it: the moment follows from the voucher, and the level may end sooner.
fn deferred(worker: &Worker, facts: &ClaimFacts) -> Option<DeferredClaimBody> {
    let intake = worker.hub.ports.submit.intake();
    let within_ms = intake.codes_within_ms();
    if within_ms == 0 || intake.level() < Level::Deferred {
        return None;
    }
    let mixed = u64::from(facts.voucher.0).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let spread_ms = (u128::from(mixed) * u128::from(within_ms)) >> 64;
    let code_at_ms = facts.valid_from_ms + u64::try_from(spread_ms).expect("below the time");
    let now_ms = intake.clock().journal_ms_at(intake.now_us());
    (now_ms < code_at_ms).then(|| DeferredClaimBody {
        state: "accepted".to_owned(),
        code_at: Instant { ms: code_at_ms },
        code_after_ms: code_at_ms - now_ms,
        seq: facts.seq,
    })
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
    _admitted: Admitted,
}

impl Attempt {
    /// Goes out with the next asks of this worker.
    pub(crate) fn new(worker: &Worker, entry: Rc<Entry>, asked: Asked, admitted: Admitted) -> Self {
        let waiting = Self::send(worker, &entry, &asked);
        Self { asked, entry, waiting, _admitted: admitted }
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
        let Self { asked, mut entry, mut waiting, _admitted } = self;
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
