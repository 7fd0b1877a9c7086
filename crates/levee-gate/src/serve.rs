//! From a request to its answer: the checks that hold for all routes, in their order.

use std::convert::Infallible;
use std::future::poll_fn;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use hyper::body::{Body, Incoming};
use hyper::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, EXPECT, HeaderMap, HeaderName,
    HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use hyper::{Method, Request, Response, StatusCode};
use levee_api::port::Priority;
use levee_api::problem::Code;
use levee_api::types::Level;

use crate::call::{Call, LEVEE_PASS, RequestBody};
use crate::connection::{Connection, Phase};
use crate::handlers;
use crate::keys::Key;
use crate::reply::{Answer, PROBLEM, Reply, ReplyBody, UnderWay};
use crate::routes::{Found, Handler, Idempotency, Input, ROUTES, Signature};
use crate::signed::is_signed;
use crate::trouble::Trouble;
use crate::worker::Worker;

/// What is read of an unwanted body so that the connection can be used again.
const DRAINED_MAX: u64 = 64 * 1024;

/// Of spreadsheets.
pub(crate) const CSV: &str = "text/csv";

const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Answers one request.
pub(crate) async fn serve(
    worker: Rc<Worker>,
    connection: Rc<Connection>,
    request: Request<Incoming>,
) -> Result<Response<ReplyBody>, Infallible> {
    let under_way = UnderWay::new(Rc::clone(&connection), Rc::clone(&worker));
    let (head, body) = request.into_parts();
    let mut call = Call::new(worker, connection, head, RequestBody::Coming(body));
    let admitted = admit(&mut call);
    let mut response = answer(&mut call, admitted).await;
    if let ReplyBody::Stream { under_way: lasting, .. } = response.body_mut() {
        *lasting = Some(under_way);
    }
    Ok(response)
}

/// Has the handler answer a request that passed the checks.
pub(crate) async fn answer(call: &mut Call, checked: Result<(), Trouble>) -> Response<ReplyBody> {
    let answer = match checked {
        Ok(()) => handlers::answer(call).await,
        Err(trouble) => Err(trouble),
    };
    let close = answer.as_ref().is_err_and(Trouble::closes) || !drained(call).await;
    respond(call, answer, close)
}

fn admit(call: &mut Call) -> Result<(), Trouble> {
    if let Some(wrong) = call.connection.next_request() {
        let trouble = Trouble::new(Code::BadRequest).with_detail(wrong.detail());
        return Err(trouble.closing());
    }
    find_route(call)?;
    check(call)
}

/// Which route it is, and where the path's parameter is.
pub(crate) fn find_route(call: &mut Call) -> Result<(), Trouble> {
    let path = call.head.uri.path();
    let (place, param) = match call.worker.hub.router.find(&call.head.method, path) {
        Found::Route(place, param) => (place, param),
        Found::OtherMethods(methods) => {
            return Err(Trouble::new(Code::MethodNotAllowed).with_allow(methods));
        }
        Found::Nothing => return Err(Trouble::new(Code::NotFound)),
    };
    let from = param.as_ptr().addr().saturating_sub(path.as_ptr().addr());
    call.param = if param.is_empty() { 0..0 } else { from..from + param.len() };
    call.route = place;
    Ok(())
}

/// Who asks, and whether the head is what the route takes.
pub(crate) fn check(call: &mut Call) -> Result<(), Trouble> {
    let route = call.route();

    let is_open = route.roles.is_empty();
    // Its handler looks at the signature, which is over the body.
    let by_signature = route.signature == Signature::InsteadOfKey && is_signed(call);
    if !is_open && !by_signature {
        let key = authenticate(call)?;
        check_key_limit(call, &key)?;
        if !route.roles.contains(&key.role) {
            let detail = format!("The key's role is {}.", key.role.name());
            return Err(Trouble::new(Code::Forbidden).with_detail(detail));
        }
        call.key = Some(key);
    }
    // Most routes are served at every level and need not look.
    if route.until < Level::Essential {
        let level = call.worker.hub.ports.submit.intake().level();
        if level > route.until {
            return Err(Trouble::given_up(level));
        }
    }
    if let Some(query) = call.head.uri.query()
        && route.query.is_empty()
        && !query.is_empty()
    {
        call.queries()?;
    }
    check_content_type(call)?;
    check_door(call)?;
    if route.idempotency == Idempotency::Needed {
        call.request_key()?;
    }
    Ok(())
}

fn check_key_limit(call: &Call, key: &Key) -> Result<(), Trouble> {
    let worker = &call.worker;
    if !worker.door.limits.limits_keys() {
        return Ok(());
    }
    let mut hasher = DefaultHasher::new();
    key.id.hash(&mut hasher);
    let now_us = worker.hub.ports.submit.intake().now_us();
    worker.door.limits.key(hasher.finish(), now_us).map_err(|wait_us| {
        Trouble::new(Code::RateLimited)
            .with_detail("This API key asks too often.")
            .after_ms(wait_us.div_ceil(1_000))
    })
}

/// A newcomer's claim, while the gate itself is what is overloaded.
fn check_door(call: &Call) -> Result<(), Trouble> {
    let worker = &call.worker;
    let claims = ROUTES[call.route].handler == Handler::Claim;
    let intake = worker.hub.ports.submit.intake();
    if claims && worker.door.refuses_unread(intake) && !call.head.headers.contains_key(LEVEE_PASS) {
        return Err(worker.turned_away(Priority::Claim, "This gate has more to do than it can."));
    }
    Ok(())
}

pub(crate) fn authenticate(call: &Call) -> Result<Rc<Key>, Trouble> {
    let unauthorized = || Trouble::new(Code::Unauthorized);
    let value = call.header(&AUTHORIZATION)?.ok_or_else(unauthorized)?;
    let (scheme, secret) = value.split_at_checked(7).ok_or_else(unauthorized)?;
    if !scheme.eq_ignore_ascii_case(b"bearer ") {
        return Err(unauthorized());
    }
    call.worker.key_of(secret.trim_ascii()).ok_or_else(unauthorized)
}

fn check_content_type(call: &Call) -> Result<(), Trouble> {
    let (expected, optional): (&[&str], bool) = match ROUTES[call.route].input {
        // The signature is over the bytes, whatever they are said to be.
        Input::Nothing | Input::Signed { .. } => return Ok(()),
        Input::Json { .. } => (&["application/json"], false),
        Input::OptionalJson { .. } => (&["application/json"], true),
        Input::Ndjson => (&["application/x-ndjson"], false),
        Input::NdjsonOrCsv => (&["application/x-ndjson", CSV], false),
    };
    let empty = call.body.as_ref().is_none_or(RequestBody::is_empty);
    let Some(value) = call.header(&CONTENT_TYPE)? else {
        if optional && empty {
            return Ok(());
        }
        let detail = format!("There is no Content-Type; it must be {}.", expected.join(" or "));
        return Err(Trouble::new(Code::UnsupportedMediaType).with_detail(detail));
    };
    let kind = value.split(|byte| *byte == b';').next().unwrap_or(value).trim_ascii();
    if expected.iter().any(|expected| kind.eq_ignore_ascii_case(expected.as_bytes())) {
        return Ok(());
    }
    let detail = format!("It must be {}.", expected.join(" or "));
    Err(Trouble::new(Code::UnsupportedMediaType).with_detail(detail))
}

/// Reads a body that no handler wanted, where it is short; whether the connection can go on.
async fn drained(call: &mut Call) -> bool {
    // What came whole is read already.
    let Some(RequestBody::Coming(mut body)) = call.body.take() else { return true };
    if body.is_end_stream() {
        return true;
    }
    let long = body.size_hint().upper().is_none_or(|upper| upper > DRAINED_MAX);
    if long || call.head.headers.contains_key(EXPECT) {
        return false;
    }
    call.connection.enter(Phase::Body, &call.worker);
    while !body.is_end_stream() {
        let piece = poll_fn(|cx| {
            if call.connection.overdue() {
                return Poll::Ready(None);
            }
            Pin::new(&mut body).poll_frame(cx)
        });
        match piece.await {
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return body.is_end_stream(),
        }
    }
    true
}

/// Puts the answer together, in the request's own header map: hyper takes it back for the next
/// request, so that neither allocates.
fn respond(call: &mut Call, answer: Answer, close: bool) -> Response<ReplyBody> {
    let mut headers = std::mem::take(&mut call.head.headers);
    headers.clear();
    if close {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let (status, body) = match answer {
        Ok(reply) => fill(&mut headers, &call.head.method, reply),
        Err(trouble) => fill_problem(&mut headers, call, trouble),
    };
    call.worker.lane().stats.count(call.route, status);
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).expect("statuses are constants");
    *response.headers_mut() = headers;
    response
}

fn fill(headers: &mut HeaderMap, method: &Method, reply: Reply) -> (u16, ReplyBody) {
    headers.insert(CONTENT_TYPE, reply.content_type);
    if reply.replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    if method == Method::GET {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    for (name, value) in reply.headers {
        headers.insert(name, value);
    }
    (reply.status, reply.body)
}

fn fill_problem(headers: &mut HeaderMap, call: &Call, trouble: Trouble) -> (u16, ReplyBody) {
    let code = trouble.code();
    let request_id = call.worker.request_id();
    headers.insert(CONTENT_TYPE, PROBLEM);
    if code == Code::Unauthorized {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(seconds) = trouble.retry_after_s() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(methods) = trouble.allow()
        && let Ok(methods) = HeaderValue::from_str(methods)
    {
        headers.insert(ALLOW, methods);
    }
    if code == Code::InternalError {
        tracing::warn!(%request_id, path = ROUTES.get(call.route).map_or("", |route| route.path), "a request met a fault of ours");
    }
    (code.status(), ReplyBody::Whole(trouble.body(request_id)))
}
