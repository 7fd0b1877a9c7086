//! Campaigns: documents, budgets, states.

use hyper::header::{ETAG, HeaderValue, IF_MATCH, LOCATION};
use levee_api::document::{CampaignDocument, compile_json};
use levee_api::port::{Answer as EngineAnswer, CampaignView, Priority, Query, Reply as Said};
use levee_api::problem::Code;
use levee_api::strict::parse;
use levee_api::time::Instant;
use levee_api::types::{
    CampaignId, CampaignState, ChangeCampaignState, Command, Counts, CreateCampaign, Direction,
    Money, MoveBudget, Outcome, Reference, ReplaceCampaign, StateChange,
};
use levee_api::wire::{
    BudgetBody, BudgetRequest, CampaignBody, Page, StateBody, StateRequest, campaign_state,
};

use crate::admission::draw_of;
use crate::call::{Call, unexpected};
use crate::handlers::next_of_page;
use crate::reply::{Answer, Reply};
use crate::routes::Handler;
use crate::trouble::Trouble;

/// `POST /v1/campaigns`
pub(crate) async fn create(call: &mut Call) -> Answer {
    let request = call.request_key()?;
    let definition = compile_json(&call.bytes().await?)?;
    let id = definition.id.as_str().to_owned();
    let document: CampaignDocument = parse(&definition.document)?;
    let create = Command::CreateCampaign(Box::new(CreateCampaign { request, definition }));
    match call.command(Priority::Status, create).await? {
        Said::Done { seq, at_ms, outcome: Outcome::CampaignCreated { .. }, repeated } => {
            // As it was when it was made, so that a repeat is answered the same.
            let body = CampaignBody {
                id: id.clone(),
                state: campaign_state(CampaignState::Draft),
                version: 1,
                created_at: Instant { ms: at_ms },
                document,
                money: Money::default().into(),
                set_aside: levee_api::port::SetAside::default().into(),
                counts: Counts::default().into(),
                seq: Some(seq),
            };
            let location = HeaderValue::from_str(&format!("/v1/campaigns/{id}"));
            let location = location.expect("a campaign's id is ASCII");
            let reply = Reply::json(201, &body).repeated(repeated);
            Ok(reply.with(LOCATION, location).with(ETAG, etag(1)))
        }
        Said::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
}

/// `PUT /v1/campaigns/{id}`
pub(crate) async fn replace(call: &mut Call) -> Answer {
    let version_seen = version_seen(call)?;
    let definition = compile_json(&call.bytes().await?)?;
    let document: CampaignDocument = parse(&definition.document)?;
    if definition.id.as_str() != call.param() {
        return Err(Trouble::field("id", "must be the id in the path"));
    }
    let replace = ReplaceCampaign { version_seen, definition };
    let replace = Command::ReplaceCampaign(Box::new(replace));
    match call.command(Priority::Status, replace).await? {
        Said::Done { seq, outcome: Outcome::CampaignReplaced { version }, repeated, .. } => {
            let view = call.worker.campaign_view(call.param()).await?;
            // Money and counts are those of now; document and version are those of this write,
            // whoever came after it.
            let body = CampaignBody { document, version, ..body(&view, Some(seq))? };
            Ok(Reply::json(200, &body).repeated(repeated).with(ETAG, etag(version)))
        }
        Said::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
}

/// `GET /v1/campaigns/{id}`
pub(crate) async fn get(call: &mut Call) -> Answer {
    let view = call.worker.campaign_view(call.param()).await?;
    let version = view.version;
    Ok(Reply::json(200, &body(&view, None)?).with(ETAG, etag(version)))
}

/// `GET /v1/campaigns/{id}/draw`
pub(crate) async fn draw(call: &mut Call) -> Answer {
    let entry = call.worker.campaign_now(call.param()).await?;
    let intake = call.worker.hub.ports.submit.intake();
    let journal_ms = intake.clock().journal_ms_at(intake.now_us());
    let secret = call.worker.hub.ports.codes.passes();
    let (id, opens_at_ms) = (entry.definition.id.as_str(), entry.definition.terms.opens_at_ms);
    // A draft's opening may still be moved.
    let journal_ms = if entry.frozen { journal_ms } else { 0 };
    Ok(Reply::json(200, &draw_of(secret, id, opens_at_ms, journal_ms)))
}

/// `GET /v1/campaigns`
pub(crate) async fn list(call: &mut Call) -> Answer {
    let (limit, after) = call.page()?;
    let cursor = |text: &str| {
        CampaignId::new(text).ok_or_else(|| Trouble::field("after", "is no campaign id"))
    };
    let after = after.as_deref().map(cursor).transpose()?;
    let views = campaigns(call, after, limit).await?;
    let last = views.last().map(|view| view.definition.id.clone());
    let next = next_of_page(views.len(), limit, last, async |last: CampaignId| {
        let more = campaigns(call, Some(last.clone()), 1).await?;
        Ok((!more.is_empty()).then(|| last.to_string()))
    })
    .await?;
    let items = views.iter().map(|view| body(view, None)).collect::<Result<_, _>>()?;
    Ok(Reply::json(200, &Page::<CampaignBody> { items, next }))
}

async fn campaigns(
    call: &Call,
    after: Option<CampaignId>,
    limit: u32,
) -> Result<Vec<CampaignView>, Trouble> {
    match call.query(Priority::Browse, Query::Campaigns { after, limit }).await? {
        EngineAnswer::Campaigns(views) => Ok(views),
        other => Err(unexpected(&other)),
    }
}

/// `POST /v1/campaigns/{id}/fund` and `/withdraw`
pub(crate) async fn move_budget(call: &mut Call, handler: Handler) -> Answer {
    let request = call.request_key()?;
    let body: BudgetRequest = call.json().await?;
    if body.amount_minor == 0 {
        return Err(Trouble::field("amount_minor", "must be at least 1"));
    }
    let campaign = campaign_id(call)?;
    let id = campaign.to_string();
    let direction = if handler == Handler::Fund { Direction::Fund } else { Direction::Withdraw };
    let reference = Reference::new(body.reference.as_str())
        .ok_or_else(|| Trouble::field("reference", "is too long"))?;
    let budget = Command::MoveBudget(Box::new(MoveBudget {
        request,
        campaign,
        direction,
        purpose: body.purpose.into(),
        amount_minor: body.amount_minor,
        reference,
    }));
    match call.command(Priority::Status, budget).await? {
        Said::Done { seq, outcome: Outcome::BudgetMoved(money), repeated, .. } => {
            let body = BudgetBody { campaign: id, money: (*money).into(), seq };
            Ok(Reply::json(200, &body).repeated(repeated))
        }
        Said::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
}

/// `POST /v1/campaigns/{id}/open`, `/pause`, `/resume` and `/close`
pub(crate) async fn change_state(call: &mut Call, handler: Handler) -> Answer {
    let request = call.request_key()?;
    let body: Option<StateRequest> = call.json_if_any().await?;
    let campaign = campaign_id(call)?;
    let id = campaign.to_string();
    let change = match handler {
        Handler::Open => StateChange::Open,
        Handler::Pause => StateChange::Pause,
        Handler::Resume => StateChange::Resume,
        _ => StateChange::Close,
    };
    let reason = body.and_then(|body| body.reason).map_or(String::new(), String::from);
    let change = ChangeCampaignState { request, campaign, change, reason };
    match call.command(Priority::Status, Command::ChangeCampaignState(Box::new(change))).await? {
        Said::Done { seq, outcome: Outcome::CampaignStateChanged { state }, repeated, .. } => {
            let body = StateBody { campaign: id, state: campaign_state(state), seq };
            Ok(Reply::json(200, &body).repeated(repeated))
        }
        Said::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
}

fn campaign_id(call: &Call) -> Result<CampaignId, Trouble> {
    CampaignId::new(call.param()).ok_or_else(|| Trouble::new(Code::CampaignNotFound))
}

/// A campaign as it is.
fn body(view: &CampaignView, seq: Option<u64>) -> Result<CampaignBody, Trouble> {
    Ok(CampaignBody {
        id: view.definition.id.to_string(),
        state: campaign_state(view.state),
        version: view.version,
        created_at: Instant { ms: view.created_at_ms },
        document: parse(&view.definition.document).map_err(|error| unexpected(&error))?,
        money: view.money.into(),
        set_aside: view.set_aside.into(),
        counts: view.counts.into(),
        seq,
    })
}

fn etag(version: u32) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{version}\"")).expect("digits and quotes are ASCII")
}

/// The version in `If-Match`: one strong tag.
fn version_seen(call: &Call) -> Result<u32, Trouble> {
    let Some(value) = call.header(&IF_MATCH)? else {
        return Err(Trouble::new(Code::PreconditionRequired));
    };
    let value = value.trim_ascii();
    let tag = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    let Some(tag) = tag.filter(|tag| !tag.contains(&b'"')) else {
        let detail = "If-Match must be the ETag of the document that this one replaces.";
        return Err(Trouble::new(Code::BadRequest).with_detail(detail));
    };
    // Any other tag is of no version of this document.
    let version = str::from_utf8(tag).ok().filter(|tag| tag.bytes().all(|b| b.is_ascii_digit()));
    version.and_then(|tag| tag.parse().ok()).ok_or_else(|| Trouble::new(Code::VersionConflict))
}
