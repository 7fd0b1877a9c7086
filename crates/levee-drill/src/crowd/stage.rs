//! Before and after the crowd: the operator's part.

use std::time::{Duration, Instant};

use bytes::Bytes;
use levee_api::client::{Client, ClientError};
use levee_api::import::{ImportFormat, import};
use levee_api::wire::{CampaignBody, ImportLineBody};
use serde_json::json;
use tokio::sync::mpsc::channel;

use super::{CrowdError, ServerAccess};
use crate::numbers::{real, whole};
use crate::plan::FestivalPlan;

/// Longest wait for the server's clock to reach the start of the day, in real milliseconds.
const WAIT_MS_MAX: u64 = 30_000;

/// Between the opening and the first arrival, for the generators to be ready.
const READY: Duration = Duration::from_millis(50);

/// Outlets that are written at a time, and how many such pieces wait for the server.
const PIECE_OUTLETS: usize = 100;
const PIECES_MAX: usize = 4;

/// Tries of the last look, and the time between two.
const LAST_LOOKS_MAX: u32 = 20;
const LAST_LOOK_AGAIN: Duration = Duration::from_millis(500);

pub(super) async fn operator(access: &ServerAccess) -> Result<Client, CrowdError> {
    let client = Client::connect(&access.address, &access.operator_key).await;
    client.map_err(|source| CrowdError::Server { what: "connecting as operator", source })
}

/// Posts an operator's request and takes a good answer.
pub(super) async fn post(
    operator: &mut Client,
    what: &'static str,
    path: &str,
    body: &serde_json::Value,
) -> Result<serde_json::Value, CrowdError> {
    let answer = operator.post(path, Some(&format!("drill: {what}")), body).await;
    answer
        .and_then(|raw| raw.json())
        .map_err(|source: ClientError| CrowdError::Server { what, source })
}

/// Makes, funds and opens the campaign. Returns the real instant at which the server's clock shows
/// the start of the day.
pub(super) async fn set(operator: &mut Client, plan: &FestivalPlan) -> Result<Instant, CrowdError> {
    let scenario = plan.scenario();
    let document = serde_json::to_value(&scenario.campaign).expect("only string keys");
    let id = &scenario.campaign.id;
    let asked = Instant::now();
    let made = post(operator, "making the campaign", "/v1/campaigns", &document).await?;
    let made: CampaignBody = serde_json::from_value(made)
        .map_err(|error| unexpected("making the campaign", &error.to_string()))?;
    let fund = json!({"amount_minor": plan.budget_minor(), "reference": "drill"});
    post(operator, "funding the campaign", &format!("/v1/campaigns/{id}/fund"), &fund).await?;
    if let Some(amount_minor) = plan.compensation_minor() {
        let fund = json!({"amount_minor": amount_minor, "reference": "drill-compensation",
            "purpose": "compensation"});
        let what = "setting money aside for compensation";
        post(operator, what, &format!("/v1/campaigns/{id}/fund"), &fund).await?;
    }
    post(operator, "opening the campaign", &format!("/v1/campaigns/{id}/open"), &json!({})).await?;
    let starts_at_ms = scenario.starts_at_ms();
    let early_ms = starts_at_ms.saturating_sub(made.created_at.ms);
    let wait_ms = whole(real(early_ms) / plan.speed());
    if wait_ms > WAIT_MS_MAX || made.created_at >= scenario.campaign.closes_at {
        let starts = levee_api::time::Instant { ms: starts_at_ms };
        return Err(CrowdError::Clock {
            shown: made.created_at.to_string(),
            starts: starts.to_string(),
        });
    }
    Ok((asked + Duration::from_millis(wait_ms)).max(Instant::now() + READY))
}

/// Imports the plan's outlets, if it has any.
pub(super) async fn import_outlets(
    access: &ServerAccess,
    plan: &FestivalPlan,
) -> Result<(), CrowdError> {
    let Some(market) = plan.market() else { return Ok(()) };
    let count = market.outlets().len();
    let (pieces, sent) = channel(PIECES_MAX);
    let write = async move {
        for from in (0..count).step_by(PIECE_OUTLETS) {
            let mut piece = String::new();
            for place in from..count.min(from + PIECE_OUTLETS) {
                piece += &market.document(plan.scenario(), place).to_string();
                piece.push('\n');
            }
            // Whoever reads has an error to tell.
            if pieces.send(Ok(Bytes::from(piece))).await.is_err() {
                return;
            }
        }
    };
    let (mut taken, mut refused) = (0, None);
    let each = |line: ImportLineBody| match line.problem {
        None => taken += 1,
        Some(problem) => {
            let said = problem.detail.unwrap_or(problem.title);
            let field = problem.field.unwrap_or_default();
            refused.get_or_insert(format!("line {}: {field} {said}", line.line));
        }
    };
    let read = import(&access.address, &access.operator_key, ImportFormat::Ndjson, sent, each);
    let ((), done) = tokio::join!(write, read);
    done.map_err(|source| CrowdError::Server { what: "importing the outlets", source })?;
    if taken < count {
        let first = refused.unwrap_or_else(|| "there is no answer to the last lines".to_owned());
        return Err(CrowdError::Outlets { taken, count, first });
    }
    Ok(())
}

/// The campaign after everything, over a connection of its own. A server that was restarted during
/// the drill may need a while.
pub(super) async fn last_look(access: &ServerAccess, id: &str) -> Result<CampaignBody, CrowdError> {
    let mut tries = 1;
    loop {
        let looked = match operator(access).await {
            Ok(mut operator) => operator.campaign(id).await.map_err(|source| CrowdError::Server {
                what: "a last look at the campaign",
                source,
            }),
            Err(error) => Err(error),
        };
        if looked.is_ok() || tries == LAST_LOOKS_MAX {
            return looked;
        }
        tries += 1;
        tokio::time::sleep(LAST_LOOK_AGAIN).await;
    }
}

fn unexpected(what: &'static str, body: &str) -> CrowdError {
    let source = ClientError::Unexpected { status: 200, body: body.to_owned() };
    CrowdError::Server { what, source }
}
