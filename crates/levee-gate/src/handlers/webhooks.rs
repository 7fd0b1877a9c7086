//! Webhooks: their documents, what could not be delivered, and delivering again.

use std::sync::atomic::Ordering::Relaxed;

use hyper::header::{ETAG, HeaderValue};
use levee_api::hook::{EventKind, HookDocument, compile, message_id, parse_message_id};
use levee_api::port::{Answer as EngineAnswer, Priority, Query, Reply as Said};
use levee_api::problem::Code;
use levee_api::strict::parse;
use levee_api::types::{
    Command, Outcome, Refusal, RemoveWebhook, ReplayWebhook, RetryDeadLetter, WEBHOOKS_MAX,
    Webhook, WebhookId,
};
use levee_api::wire::{
    DeadLetterBody, Page, RedeliverRequest, ReplayBody, ReplayRequest, WebhookBody,
    WebhookRemovedBody,
};

use crate::call::{Call, unexpected};
use crate::reply::{Answer, Reply};
use crate::trouble::Trouble;

/// `PUT /v1/webhooks/{id}`
pub(crate) async fn put(call: &mut Call) -> Answer {
    let id = WebhookId::new(call.param())
        .ok_or_else(|| Trouble::field("id", "must be 1 to 64 of a-z, 0-9 and -"))?;
    let document: HookDocument = call.json().await?;
    let put = Command::PutWebhook(Box::new(compile(&id, &document)?));
    let written = match call.command(Priority::Status, put).await? {
        Said::Done { seq, outcome: Outcome::WebhookPut { version }, .. } => Some((seq, version)),
        // A PUT that is sent again is as good as one.
        Said::Refused(Refusal::Unchanged) => None,
        Said::Refused(refusal) => return Err(refusal.into()),
        other => return Err(unexpected(&other)),
    };
    let mut body = body(&id, &webhook(call, &id).await?)?;
    if let Some((seq, version)) = written {
        // Those of this write, whoever came after it.
        let document = document.without_secret();
        body = WebhookBody { seq: Some(seq), version, document, ..body };
    }
    let status = if written.is_some() && body.version == 1 { 201 } else { 200 };
    Ok(shown(status, &body))
}

/// `GET /v1/webhooks/{id}`
pub(crate) async fn get(call: &mut Call) -> Answer {
    let id = named(call)?;
    Ok(shown(200, &body(&id, &webhook(call, &id).await?)?))
}

/// `GET /v1/webhooks`
pub(crate) async fn list(call: &mut Call) -> Answer {
    let (limit, after) = call.page()?;
    let wrong = || Trouble::field("after", "is no cursor of this list");
    let after = after.map(|text| WebhookId::new(&text).ok_or_else(wrong)).transpose()?;
    let found = webhooks(call, after, limit).await?;
    let last = found.last().map(|(id, _)| id.to_string());
    let next = last.filter(|_| found.len() >= limit as usize);
    let items = found.iter().map(|(id, webhook)| body(id, webhook)).collect::<Result<_, _>>()?;
    Ok(Reply::json(200, &Page::<WebhookBody> { items, next }))
}

/// `DELETE /v1/webhooks/{id}`
pub(crate) async fn remove(call: &mut Call) -> Answer {
    let id = named(call)?;
    let remove = Command::RemoveWebhook(RemoveWebhook { id: id.clone() });
    match call.command(Priority::Status, remove).await? {
        Said::Done { seq, outcome: Outcome::WebhookRemoved, .. } => {
            Ok(Reply::json(200, &WebhookRemovedBody { id: id.to_string(), seq }))
        }
        Said::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
}

/// `GET /v1/webhooks/{id}/dead`
pub(crate) async fn dead(call: &mut Call) -> Answer {
    let (limit, after) = call.page()?;
    let id = named(call)?;
    let wrong = || Trouble::field("after", "is no cursor of this list");
    let after = after.map(|text| parse_message_id(&id, &text).ok_or_else(wrong)).transpose()?;
    let webhook = webhook(call, &id).await?;
    let later = webhook.dead.iter().filter(|letter| after.is_none_or(|after| letter.event > after));
    let mut items: Vec<_> = later
        .take(limit as usize + 1)
        .map(|letter| DeadLetterBody {
            message: message_id(&id, letter.event),
            seq: letter.event.seq,
            event: EventKind::ALL.get(usize::from(letter.kind)).copied(),
            error: letter.error.clone(),
            tries: letter.tries,
        })
        .collect();
    let has_more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next = items.last().map(|last| last.message.clone()).filter(|_| has_more);
    Ok(Reply::json(200, &Page { items, next }))
}

/// `POST /v1/webhooks/{id}/replay`
pub(crate) async fn replay(call: &mut Call) -> Answer {
    let request = call.request_key()?;
    let ReplayRequest { after_seq } = call.json().await?;
    let id = named(call)?;
    let first_seq = call.worker.hub.ports.submit.vitals().first_seq.load(Relaxed);
    // A webhook is told of nothing before its first document, so that need not be kept for it.
    if after_seq.saturating_add(1) < first_seq
        && webhook(call, &id).await?.created_seq.saturating_add(1) < first_seq
    {
        let after_min = first_seq - 1;
        return Err(Trouble::field(
            "after_seq",
            format!(
                "must be {after_min} or later: the first seq that is still kept is {first_seq}"
            ),
        ));
    }
    let replay = ReplayWebhook { request, id: id.clone(), after_seq };
    again(call, &id, Command::ReplayWebhook(Box::new(replay))).await
}

/// `POST /v1/webhooks/{id}/redeliver`
pub(crate) async fn redeliver(call: &mut Call) -> Answer {
    let request = call.request_key()?;
    let RedeliverRequest { message } = call.json().await?;
    let id = named(call)?;
    let event = parse_message_id(&id, &message);
    let event = event.ok_or_else(|| Trouble::new(Code::DeadLetterNotFound))?;
    let retry = RetryDeadLetter { request, id: id.clone(), event };
    again(call, &id, Command::RetryDeadLetter(Box::new(retry))).await
}

async fn again(call: &Call, id: &WebhookId, command: Command) -> Answer {
    match call.command(Priority::Status, command).await? {
        Said::Done {
            seq,
            outcome: Outcome::WebhookReplayed | Outcome::DeadLetterRetried,
            repeated,
            ..
        } => Ok(Reply::json(200, &ReplayBody { id: id.to_string(), seq }).repeated(repeated)),
        Said::Refused(Refusal::InvalidField("after_seq")) => {
            Err(Trouble::field("after_seq", "must not be beyond the journal's last seq"))
        }
        Said::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
}

fn named(call: &Call) -> Result<WebhookId, Trouble> {
    WebhookId::new(call.param()).ok_or_else(|| Trouble::new(Code::WebhookNotFound))
}

async fn webhooks(
    call: &Call,
    after: Option<WebhookId>,
    limit: u32,
) -> Result<Vec<(WebhookId, Webhook)>, Trouble> {
    match call.query(Priority::Status, Query::Webhooks { after, limit }).await? {
        EngineAnswer::Webhooks(webhooks) => Ok(webhooks),
        other => Err(unexpected(&other)),
    }
}

/// There are few, so all are asked for.
async fn webhook(call: &Call, id: &WebhookId) -> Result<Webhook, Trouble> {
    let limit = u32::try_from(WEBHOOKS_MAX).expect("few");
    let mut all = webhooks(call, None, limit).await?.into_iter();
    let found = all.find(|(other, _)| other == id);
    found.map(|(_, webhook)| webhook).ok_or_else(|| Trouble::new(Code::WebhookNotFound))
}

fn body(id: &WebhookId, webhook: &Webhook) -> Result<WebhookBody, Trouble> {
    let document: HookDocument = parse(&webhook.document).map_err(|error| unexpected(&error))?;
    Ok(WebhookBody {
        id: id.to_string(),
        version: webhook.version,
        created_seq: webhook.created_seq,
        document: document.without_secret(),
        dead: webhook.dead.len() as u64,
        dead_dropped: webhook.dead_dropped,
        seq: None,
    })
}

fn shown(status: u16, body: &WebhookBody) -> Reply {
    let etag = HeaderValue::from_str(&format!("\"{}\"", body.version)).expect("digits");
    Reply::json(status, body).with(ETAG, etag)
}
