//! From a request to its answer.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Body;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use levee_api::strict::{Malformed, parse};
use levee_api::webhook::REPLAY_WINDOW_S;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::config::is_http;
use super::kitchens::{Conduct, Receipt};
use super::provider::Unwilling;
use super::records::{Kind, Lines};
use super::world::{Shared, World, unix_now};
use crate::wire::is_id;
use crate::wire::pay::{AMOUNT_MINOR_MAX, CreatePayment, RefundRequest};
use crate::wire::pos::{Cancel, ITEMS_MAX, Received, Ticket, WORK_MAX};

/// Longest body that is read.
const BODY_LEN_MAX: usize = 64 * 1024;

/// How long a body may take, in real time.
const BODY_MAX: Duration = Duration::from_secs(10);

/// Longest address of callbacks.
const URL_LEN_MAX: usize = 512;

/// How long a black hole holds a connection, in real time; whoever still waits is cut off.
const SILENT_MAX: Duration = Duration::from_secs(600);

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
const NDJSON: HeaderValue = HeaderValue::from_static("application/x-ndjson");

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Reply = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// Nothing is answered, and the connection closed.
#[derive(Debug, thiserror::Error)]
#[error("an outlet that never answers")]
pub(super) struct Silence;

/// What is wrong with a request, or with whom it is for.
#[derive(Debug)]
struct Trouble {
    status: u16,
    code: &'static str,
    detail: String,
    field: Option<String>,
}

#[derive(Serialize)]
struct Problem<'a> {
    status: u16,
    code: &'a str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
}

impl Trouble {
    fn new(status: u16, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), field: None }
    }

    fn field(field: &str, detail: impl Into<String>) -> Self {
        let field = Some(field.to_owned());
        Self { field, ..Self::new(400, "malformed", detail) }
    }

    fn reply(&self) -> Reply {
        let body = Problem {
            status: self.status,
            code: self.code,
            detail: &self.detail,
            field: self.field.as_deref(),
        };
        let mut reply = whole(self.status, PROBLEM, &body);
        if self.status == 503 {
            reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        reply
    }
}

impl From<Malformed> for Trouble {
    fn from(malformed: Malformed) -> Self {
        let Malformed { field, detail } = malformed;
        Self { field, ..Self::new(400, "malformed", detail) }
    }
}

impl From<Unwilling> for Trouble {
    fn from(unwilling: Unwilling) -> Self {
        let (status, code) = match unwilling {
            Unwilling::Reused => (409, "payment_reused"),
            Unwilling::NotFound => (404, "payment_not_found"),
            Unwilling::NotOpen => (409, "payment_not_open"),
            Unwilling::RefundReused => (409, "refund_reused"),
            Unwilling::RefundExceeds => (409, "refund_exceeds_captured"),
            Unwilling::Full => (503, "sandbox_full"),
        };
        Self::new(status, code, unwilling.to_string())
    }
}

fn whole(status: u16, kind: HeaderValue, body: &impl Serialize) -> Reply {
    let bytes = serde_json::to_vec(body).expect("wire types have only string keys");
    let mut reply = Response::new(Full::new(Bytes::from(bytes)).boxed_unsync());
    *reply.status_mut() = StatusCode::from_u16(status).expect("statuses are constants");
    reply.headers_mut().insert(CONTENT_TYPE, kind);
    reply
}

fn good(body: &impl Serialize) -> Reply {
    whole(200, JSON, body)
}

/// Answers one request.
pub(super) async fn answer<B: Body<Data = Bytes>>(
    shared: Arc<Shared>,
    request: Request<B>,
) -> Result<Reply, Silence>
where
    B::Error: Into<BoxError>,
{
    let (head, body) = request.into_parts();
    let segments: Vec<&str> = head.uri.path().split('/').skip(1).collect();
    let headers = &head.headers;
    let answered = match (&head.method, segments.as_slice()) {
        (&Method::GET, ["healthz"]) => Ok(good(&serde_json::json!({ "ok": true }))),
        (&Method::GET, ["stats"]) => Ok(good(&shared.stats())),
        (&Method::GET, ["tickets.ndjson"]) => Ok(lines(&shared, Kind::Tickets)),
        (&Method::GET, ["payments.ndjson"]) => Ok(lines(&shared, Kind::Payments)),
        (method, ["pos", vendor, outlet_id, path @ ..]) => {
            // Who is dark is so for every request; nothing is there but for POST.
            let path = if method == Method::POST { path } else { &[] };
            at_outlet(&shared, (vendor, outlet_id), path, headers, body).await?
        }
        (method, ["pay", "payments", path @ ..]) => at_provider(&shared, method, path, body).await,
        _ => Err(not_found()),
    };
    Ok(answered.unwrap_or_else(|trouble| trouble.reply()))
}

fn not_found() -> Trouble {
    Trouble::new(404, "not_found", "there is nothing at this path for this method")
}

fn lines(shared: &Arc<Shared>, kind: Kind) -> Reply {
    let mut reply = Response::new(Lines::new(Arc::clone(shared), kind).boxed_unsync());
    reply.headers_mut().insert(CONTENT_TYPE, NDJSON);
    reply
}

/// A whole body, and what is wrong with it counted.
async fn read<T: DeserializeOwned, B: Body<Data = Bytes>>(
    shared: &Shared,
    body: B,
    headers: Option<&HeaderMap>,
) -> Result<T, Trouble>
where
    B::Error: Into<BoxError>,
{
    let collected = tokio::time::timeout(BODY_MAX, Limited::new(body, BODY_LEN_MAX).collect());
    let Ok(Ok(collected)) = collected.await else {
        shared.with(|world, _| world.requests.malformed += 1);
        let detail = format!("the body must be whole and of at most {BODY_LEN_MAX} bytes");
        return Err(Trouble::new(413, "too_large", detail));
    };
    let bytes = collected.to_bytes();
    if let Some(headers) = headers {
        let now_s = unix_now().as_secs();
        let secret = &shared.secrets.outlets;
        if let Err(error) = secret.verify(headers, &bytes, now_s, REPLAY_WINDOW_S) {
            shared.with(|world, _| world.requests.unsigned += 1);
            return Err(Trouble::new(401, "unsigned", error.to_string()));
        }
    }
    parse(&bytes).map_err(|malformed| {
        shared.with(|world, _| world.requests.malformed += 1);
        malformed.into()
    })
}

/// Says that a field is wrong, and counts it.
fn wrong<T>(shared: &Shared, field: &str, detail: impl Into<String>) -> Result<T, Trouble> {
    shared.with(|world, _| world.requests.malformed += 1);
    Err(Trouble::field(field, detail))
}

async fn at_outlet<B: Body<Data = Bytes>>(
    shared: &Shared,
    outlet: (&str, &str),
    path: &[&str],
    headers: &HeaderMap,
    body: B,
) -> Result<Result<Reply, Trouble>, Silence>
where
    B::Error: Into<BoxError>,
{
    let (vendor, outlet_id) = outlet;
    if !is_id(vendor) || !is_id(outlet_id) {
        return Ok(Err(not_found()));
    }
    let conduct = shared.with(|world, now_ms| {
        let conduct = world.kitchens.conduct(vendor, outlet_id, now_ms);
        let requests = &mut world.requests;
        match conduct {
            Conduct::Prompt => {}
            Conduct::Late => requests.late += 1,
            Conduct::Failing => requests.failing += 1,
            Conduct::Down => requests.down += 1,
            Conduct::Silent => requests.silent += 1,
        }
        conduct
    });
    match conduct {
        Conduct::Prompt => {}
        Conduct::Failing => {
            return Ok(Err(Trouble::new(500, "outlet_failing", "this outlet's system fails")));
        }
        Conduct::Down => {
            return Ok(Err(Trouble::new(503, "outlet_down", "this outlet's system is down")));
        }
        Conduct::Silent => {
            tokio::time::sleep(SILENT_MAX).await;
            return Err(Silence);
        }
        // Taken first: whoever does not wait for the answer cannot know.
        Conduct::Late => {
            let answered = ticket_at(shared, outlet, path, headers, body).await;
            tokio::time::sleep(shared.late).await;
            return Ok(answered);
        }
    }
    Ok(ticket_at(shared, outlet, path, headers, body).await)
}

async fn ticket_at<B: Body<Data = Bytes>>(
    shared: &Shared,
    outlet: (&str, &str),
    path: &[&str],
    headers: &HeaderMap,
    body: B,
) -> Result<Reply, Trouble>
where
    B::Error: Into<BoxError>,
{
    let (vendor, outlet_id) = outlet;
    let receipt = match path {
        ["tickets"] => {
            let ticket: Ticket = read(shared, body, Some(headers)).await?;
            check_ticket(shared, outlet_id, &ticket)?;
            shared.with(|world, now_ms| {
                let World { kitchens, effects, .. } = world;
                kitchens.receive(effects, now_ms, vendor, &ticket)
            })
        }
        ["tickets", id, "cancel"] => {
            let cancel: Cancel = read(shared, body, Some(headers)).await?;
            if cancel.ticket != *id || !is_id(id) {
                return wrong(shared, "ticket", "must be an id, and the one in the path");
            }
            shared.with(|world, now_ms| {
                let World { kitchens, effects, .. } = world;
                kitchens.cancel(effects, now_ms, outlet, &cancel)
            })
        }
        _ => return Err(not_found()),
    };
    match receipt {
        Receipt::Received => Ok(good(&Received { received: true })),
        Receipt::Full => {
            shared.with(|world, _| world.requests.full += 1);
            Err(Trouble::new(503, "sandbox_full", "there are too many tickets already"))
        }
    }
}

fn check_ticket(shared: &Shared, outlet_id: &str, ticket: &Ticket) -> Result<(), Trouble> {
    if ticket.outlet_id != outlet_id {
        return wrong(shared, "outlet_id", "must be the one in the path");
    }
    for (field, id) in [("ticket", &ticket.ticket), ("order", &ticket.order)] {
        if !is_id(id) {
            return wrong(shared, field, "must be 1 to 64 letters, digits, dashes, underscores");
        }
    }
    if ticket.version == 0 {
        return wrong(shared, "version", "must be at least 1");
    }
    if !(1..=WORK_MAX).contains(&ticket.work) {
        return wrong(shared, "work", format!("must be 1 to {WORK_MAX} thousandths"));
    }
    if !(1..=ITEMS_MAX).contains(&ticket.items.len()) {
        return wrong(shared, "items", format!("must be 1 to {ITEMS_MAX}"));
    }
    if ticket.items.iter().any(|item| item.quantity == 0) {
        return wrong(shared, "items.quantity", "must be at least 1");
    }
    Ok(())
}

async fn at_provider<B: Body<Data = Bytes>>(
    shared: &Shared,
    method: &Method,
    path: &[&str],
    body: B,
) -> Result<Reply, Trouble>
where
    B::Error: Into<BoxError>,
{
    let out = shared.with(|world, now_ms| {
        let out = world.provider.outage_over_ms(now_ms, true).is_some();
        world.requests.outage += u64::from(out);
        out
    });
    if out {
        return Err(Trouble::new(503, "provider_outage", "the provider is out of order"));
    }
    if path.first().is_some_and(|id| !is_id(id)) {
        return Err(not_found());
    }
    let done = match (method, path) {
        (&Method::POST, []) => {
            let ask: CreatePayment = read(shared, body, None).await?;
            check_payment(shared, &ask)?;
            shared.with(|world, now_ms| {
                let created = world.provider.create(&mut world.effects, now_ms, &ask)?;
                let (new, created) = created;
                Ok(whole(if new { 201 } else { 200 }, JSON, &created))
            })
        }
        (&Method::GET, [id]) => shared.with(|world, _| Ok(good(&world.provider.now(id)?))),
        (&Method::POST, [id, "close"]) => shared.with(|world, now_ms| {
            Ok(good(&world.provider.close(&mut world.effects, now_ms, id)?))
        }),
        (&Method::POST, [id, "pay"]) => shared
            .with(|world, now_ms| Ok(good(&world.provider.pay(&mut world.effects, now_ms, id)?))),
        (&Method::POST, [id, "refunds"]) => {
            let ask: RefundRequest = read(shared, body, None).await?;
            if !(1..=AMOUNT_MINOR_MAX).contains(&ask.amount_minor) {
                let detail = format!("must be 1 to {AMOUNT_MINOR_MAX}");
                return wrong(shared, "amount_minor", detail);
            }
            shared.with(|world, _| Ok(good(&world.provider.refund(id, ask)?)))
        }
        _ => return Err(not_found()),
    };
    done.map_err(|unwilling: Unwilling| {
        shared.with(|world, _| match unwilling {
            Unwilling::Full => world.requests.full += 1,
            _ => world.requests.unwilling += 1,
        });
        unwilling.into()
    })
}

fn check_payment(shared: &Shared, ask: &CreatePayment) -> Result<(), Trouble> {
    if !is_id(&ask.payment) {
        return wrong(shared, "payment", "must be 1 to 64 letters, digits, dashes, underscores");
    }
    if !(1..=AMOUNT_MINOR_MAX).contains(&ask.amount_minor) {
        return wrong(shared, "amount_minor", format!("must be 1 to {AMOUNT_MINOR_MAX}"));
    }
    let upper = |byte: u8| byte.is_ascii_uppercase();
    if ask.currency.len() != 3 || !ask.currency.bytes().all(upper) {
        return wrong(shared, "currency", "must be a code of ISO 4217 such as CNY");
    }
    if ask.notify_url.len() > URL_LEN_MAX || is_http(&ask.notify_url).is_none() {
        let detail = format!("must be an http address of at most {URL_LEN_MAX} bytes");
        return wrong(shared, "notify_url", detail);
    }
    Ok(())
}
