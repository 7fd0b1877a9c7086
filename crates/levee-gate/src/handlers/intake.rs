//! Who is let in: what holds, and the changes that operators make.

use levee_api::port::{Answer as EngineAnswer, Priority, Query, Reply as Said};
use levee_api::strict::Reason;
use levee_api::time::Instant;
use levee_api::types::{ChangeLevel, ChangeLimit, Command, Outcome, ReleaseLevel, RequestKey};
use levee_api::wire::{
    GateBody, IntakeBody, LevelBody, LevelChangeBody, LevelRequest, LimitBody, LimitChangeBody,
    LimitsRequest, ReasonRequest, WaitingBody,
};

use crate::call::{Call, unexpected};
use crate::reply::{Answer, Reply};
use crate::trouble::Trouble;

/// `GET /v1/intake`
pub(crate) async fn get(call: &mut Call) -> Answer {
    // The limit's reason is known to the engine alone; nothing else here depends on it.
    let operations = match call.query(Priority::Status, Query::Operations).await? {
        EngineAnswer::Operations(operations) => operations,
        other => return Err(unexpected(&other)),
    };
    let intake = call.worker.hub.ports.submit.intake();
    let now_us = intake.now_us();
    let gates = intake.gates().into_iter();
    let body = IntakeBody {
        as_of: Instant { ms: now_us / 1_000 },
        level: LevelBody::of(intake.level(), intake.why()),
        limit: LimitBody::of(operations, intake.claims_per_s()),
        waiting: WaitingBody::at(now_us, intake),
        gates: gates.map(|(gate, report)| GateBody::of(gate, report)).collect(),
    };
    Ok(Reply::json(200, &body))
}

/// `POST /v1/intake/level`
pub(crate) async fn set_level(call: &mut Call) -> Answer {
    let request = call.request_key()?;
    let LevelRequest { level, reason } = call.json().await?;
    let change = |request: RequestKey, reason: String| {
        let (request, level) = (Some(request), level.into());
        Command::ChangeLevel(Box::new(ChangeLevel { request, level, by_hand: true, reason }))
    };
    change_level(call, request, &reason, change).await
}

/// `POST /v1/intake/level/release`
pub(crate) async fn release_level(call: &mut Call) -> Answer {
    let request = call.request_key()?;
    let ReasonRequest { reason } = call.json().await?;
    let change = |request, reason| Command::ReleaseLevel(ReleaseLevel { request, reason });
    change_level(call, request, &reason, change).await
}

async fn change_level(
    call: &Call,
    request: RequestKey,
    reason: &Reason,
    change: impl FnOnce(RequestKey, String) -> Command,
) -> Answer {
    let reason = said(reason)?;
    match call.command(Priority::Status, change(request, reason.clone())).await? {
        Said::Done { seq, at_ms, outcome: Outcome::LevelChanged { before, after }, repeated } => {
            let (before, after, at) = (before.into(), after.into(), Instant { ms: at_ms });
            let body = LevelChangeBody { before, after, reason, at, seq };
            Ok(Reply::json(200, &body).repeated(repeated))
        }
        Said::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
}

/// `POST /v1/intake/limits`
pub(crate) async fn set_limits(call: &mut Call) -> Answer {
    let request = call.request_key()?;
    let LimitsRequest { claims_per_s, reason } = call.json().await?;
    let reason = said(&reason)?;
    if claims_per_s == Some(0) {
        let detail = "must be at least 1; to take no claims at all, pause the campaigns";
        return Err(Trouble::field("claims_per_s", detail));
    }
    let change = ChangeLimit { request, claims_per_s, reason: reason.clone() };
    match call.command(Priority::Status, Command::ChangeLimit(Box::new(change))).await? {
        Said::Done { seq, at_ms, outcome: Outcome::LimitChanged { before, after }, repeated } => {
            let body = LimitChangeBody { before, after, reason, at: Instant { ms: at_ms }, seq };
            Ok(Reply::json(200, &body).repeated(repeated))
        }
        Said::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
}

/// A reason that says something: all who see the level read it.
fn said(reason: &Reason) -> Result<String, Trouble> {
    if reason.as_str().trim().is_empty() {
        return Err(Trouble::field("reason", "must not be blank"));
    }
    Ok(reason.as_str().to_owned())
}
