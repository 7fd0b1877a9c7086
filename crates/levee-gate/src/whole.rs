//! Requests that come whole: the short way from socket to handler.
//!
//! Nearly every request of an app is one piece: a POST with a small JSON body, sent and received in
//! one go. For such a request hyper's machinery (a channel for the body, four turns of its state
//! machine, a map of all headers) costs more than everything else that a claim needs, so it is read
//! here, with the same parser of heads. Whatever is less plain than that is hyper's, and so is the
//! rest of its connection: this file decides what is plain, and never what is wrong. It only takes
//! a request whose end nobody can understand differently.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Uri};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::sleep;

use crate::call::{Call, IDEMPOTENCY_KEY, LEVEE_PASS, RequestBody};
use crate::config::HEADERS_MAX;
use crate::connection::{Connection, Ended};
use crate::headers::HeaderMaps;
use crate::json::put_number;
use crate::reply::{ReplyBody, UnderWay};
use crate::routes::{Input, ROUTES};
use crate::sender::X_FORWARDED_FOR;
use crate::serve;
use crate::signed::{
    LEVEE_OUTLET, STRIPE_SIGNATURE, WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP,
    WECHATPAY_NONCE, WECHATPAY_SERIAL, WECHATPAY_SIGNATURE, WECHATPAY_SIGNATURE_TYPE,
    WECHATPAY_TIMESTAMP,
};
use crate::worker::Worker;

/// A connection's answers are put together in memory that all connections of a worker use in turn,
/// unless one was larger than this.
const KEPT_LEN_MAX: usize = 64 * 1024;

/// How a connection goes on.
pub(crate) enum Onward {
    /// Through hyper, which begins with what was read already.
    Hyper(Bytes),
    /// Not at all.
    Ended(Ended),
}

/// Answers requests for as long as each comes whole.
pub(crate) async fn serve_whole(worker: &Rc<Worker>, connection: &Rc<Connection>) -> Onward {
    loop {
        let mut call = match poll_fn(|cx| poll_call(worker, connection, cx)).await {
            Ok(call) => call,
            Err(onward) => return onward,
        };
        let under_way = UnderWay::new(Rc::clone(connection), Rc::clone(worker));
        let checked = serve::check(&mut call);
        let mut response = serve::answer(&mut call, checked).await;
        let close = connection.is_closing() || response.headers().contains_key("connection");
        let mut out = worker.out.take();
        put_response(&response, close, worker, &mut out);
        drop(under_way);
        worker.headers.keep(std::mem::take(response.headers_mut()));
        let status = response.status();
        drop((response, call));
        if let Err(ended) = send(worker, connection, &out).await {
            return Onward::Ended(ended);
        }
        if out.capacity() <= KEPT_LEN_MAX {
            out.clear();
            worker.out.set(out);
        }
        if close {
            return Onward::Ended(Ended::Well);
        }
        rest_if_refused(worker, status).await;
    }
}

/// While the gate's threads cannot keep up, a connection that was refused is not read for a moment:
/// what it sends next waits in the client's own buffers, where it costs nobody anything.
async fn rest_if_refused(worker: &Worker, status: StatusCode) {
    let rest = worker.door.rest();
    let refused =
        status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE;
    if refused && !rest.is_zero() {
        sleep(rest).await;
    }
}

/// Waits for the next request.
fn poll_call(
    worker: &Rc<Worker>,
    connection: &Rc<Connection>,
    cx: &mut Context<'_>,
) -> Poll<Result<Call, Onward>> {
    connection.keep_waker(cx);
    if connection.is_closing() {
        return Poll::Ready(Err(Onward::Ended(Ended::Well)));
    }
    if connection.overdue() {
        return Poll::Ready(Err(Onward::Ended(Ended::Overdue)));
    }
    let mut scratch = worker.scratch.borrow_mut();
    let mut buffer = ReadBuf::new(&mut scratch);
    let read = Pin::new(&mut *connection.stream.borrow_mut()).poll_read(cx, &mut buffer);
    Poll::Ready(match ready!(read) {
        Err(error) => {
            tracing::debug!(%error, "a connection broke");
            Err(Onward::Ended(Ended::Broken))
        }
        Ok(()) if buffer.filled().is_empty() => Err(Onward::Ended(Ended::Well)),
        Ok(()) => {
            let bytes = worker.keep(buffer.filled());
            call(worker, connection, &bytes).ok_or(Onward::Hyper(bytes))
        }
    })
}

/// The request, if the route is one that is answered in one piece.
fn call(worker: &Rc<Worker>, connection: &Rc<Connection>, bytes: &Bytes) -> Option<Call> {
    let (head, body) = parse(bytes, &worker.headers)?;
    let body = RequestBody::Whole(body);
    let mut call = Call::new(Rc::clone(worker), Rc::clone(connection), head, body);
    serve::find_route(&mut call).ok()?;
    let plain = matches!(
        ROUTES[call.route].input,
        Input::Json { .. } | Input::OptionalJson { .. } | Input::Signed { .. }
    );
    if plain {
        worker.lane().stats.add_read(bytes.len());
    }
    plain.then_some(call)
}

/// Head and body of a POST that these bytes hold from the first to the last.
fn parse(bytes: &Bytes, maps: &HeaderMaps) -> Option<(Parts, Bytes)> {
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(bytes, &mut headers).ok()?;
    let httparse::Status::Complete(head_len) = parsed else { return None };
    let path = request.path?;
    // hyper skips empty lines in front, and takes other forms of a target.
    if !bytes.starts_with(b"POST /") || request.version != Some(1) {
        return None;
    }
    let mut looked_at = maps.take();
    let (mut hosts, mut length) = (0, None);
    for header in &*request.headers {
        match Meaning::of(header.name) {
            Meaning::Nothing => {}
            Meaning::Host => hosts += 1,
            Meaning::Length => {
                if length.replace(decimal(header.value)?).is_some() {
                    return None;
                }
            }
            Meaning::Connection if header.value.eq_ignore_ascii_case(b"keep-alive") => {}
            Meaning::Connection | Meaning::Framing => return None,
            Meaning::LookedAt(name) => {
                let value = bytes.slice_ref(header.value);
                looked_at.append(name, HeaderValue::from_maybe_shared(value).ok()?);
            }
        }
    }
    if hosts != 1 || length? != bytes.len() - head_len {
        return None;
    }
    let mut head = Request::new(()).into_parts().0;
    head.method = Method::POST;
    head.uri = Uri::from_maybe_shared(bytes.slice_ref(path.as_bytes())).ok()?;
    head.headers = looked_at;
    Some((head, bytes.slice(head_len..)))
}

/// What a header is to this file.
enum Meaning {
    /// Nothing to anybody here.
    Nothing,
    Host,
    Length,
    Connection,
    /// May change where the request ends, or what is expected before it does.
    Framing,
    /// Something to a handler, or to the checks before it.
    LookedAt(HeaderName),
}

impl Meaning {
    fn of(name: &str) -> Self {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        match name.len() {
            4 if is("host") => Self::Host,
            14 if is("content-length") => Self::Length,
            10 if is("connection") => Self::Connection,
            12 if is("content-type") => Self::LookedAt(CONTENT_TYPE),
            13 if is("authorization") => Self::LookedAt(AUTHORIZATION),
            10 if is("levee-pass") => Self::LookedAt(LEVEE_PASS),
            15 if is("idempotency-key") => Self::LookedAt(IDEMPOTENCY_KEY),
            17 if is("transfer-encoding") => Self::Framing,
            10 if is("webhook-id") => Self::LookedAt(WEBHOOK_ID),
            17 if is("webhook-timestamp") => Self::LookedAt(WEBHOOK_TIMESTAMP),
            17 if is("webhook-signature") => Self::LookedAt(WEBHOOK_SIGNATURE),
            16 if is("stripe-signature") => Self::LookedAt(STRIPE_SIGNATURE),
            16 if is("wechatpay-serial") => Self::LookedAt(WECHATPAY_SERIAL),
            15 if is("wechatpay-nonce") => Self::LookedAt(WECHATPAY_NONCE),
            19 if is("wechatpay-timestamp") => Self::LookedAt(WECHATPAY_TIMESTAMP),
            19 if is("wechatpay-signature") => Self::LookedAt(WECHATPAY_SIGNATURE),
            24 if is("wechatpay-signature-type") => Self::LookedAt(WECHATPAY_SIGNATURE_TYPE),
            12 if is("levee-outlet") => Self::LookedAt(LEVEE_OUTLET),
            15 if is("x-forwarded-for") => Self::LookedAt(X_FORWARDED_FOR),
            6 if is("expect") => Self::Framing,
            7 if is("upgrade") => Self::Framing,
            _ => Self::Nothing,
        }
    }
}

/// Digits alone, and so few that nothing overflows.
fn decimal(digits: &[u8]) -> Option<usize> {
    let plain = (1..=7).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    plain.then(|| digits.iter().fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0')))
}

fn put_response(response: &Response<ReplyBody>, close: bool, worker: &Worker, out: &mut Vec<u8>) {
    let status = response.status();
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    for (name, value) in response.headers().iter().filter(|(name, _)| *name != "connection") {
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
    }
    if close {
        out.extend_from_slice(b"\r\nconnection: close");
    }
    let body = response.body().whole().expect("routes that take JSON answer in one piece");
    out.extend_from_slice(b"\r\ncontent-length: ");
    put_number(body.len() as u64, out);
    out.extend_from_slice(b"\r\ndate: ");
    out.extend_from_slice(worker.date.borrow().as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(body);
}

async fn send(worker: &Worker, connection: &Connection, mut bytes: &[u8]) -> Result<(), Ended> {
    poll_fn(|cx| {
        while !bytes.is_empty() {
            if connection.overdue() {
                return Poll::Ready(Err(Ended::Overdue));
            }
            connection.keep_waker(cx);
            let mut stream = connection.stream.borrow_mut();
            let written = ready!(Pin::new(&mut *stream).poll_write(cx, bytes));
            match written.and_then(|len| {
                if len == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(len) }
            }) {
                Ok(len) => {
                    bytes = &bytes[len..];
                    connection.has_written(len, worker);
                }
                Err(error) => {
                    tracing::debug!(%error, "a connection broke");
                    return Poll::Ready(Err(Ended::Broken));
                }
            }
        }
        Poll::Ready(Ok(()))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expects the request to be taken, with this body, or to be left to hyper.
    #[track_caller]
    fn check(request: &str, expected: Option<&str>) {
        let request_bytes = Bytes::copy_from_slice(request.as_bytes());
        let parsed = parse(&request_bytes, &HeaderMaps::default());
        let body = parsed.map(|(_, body)| String::from_utf8(body.to_vec()).expect("UTF-8"));
        assert_eq!(body.as_deref(), expected, "{request:?}");
    }

    #[test]
    fn only_what_cannot_be_understood_differently_is_taken() {
        let line = "POST /a?b HTTP/1.1\r\n";
        let plain = "Host: a\r\nContent-Length: 2\r\n";
        check(&format!("{line}{plain}\r\n{{}}"), Some("{}"));
        check(&format!("{line}{plain}Connection: Keep-Alive\r\nX: y\r\n\r\n{{}}"), Some("{}"));
        check(&format!("{line}Host: a\r\nContent-Length: 0\r\n\r\n"), Some(""));
        for end in ["", "{", "{}P", "{}\r\n"] {
            check(&format!("{line}{plain}\r\n{end}"), None);
        }
        for further in [
            "Host: a",
            "Content-Length: 2",
            "Transfer-Encoding: chunked",
            "transfer-encoding: identity",
            "Connection: close",
            "Connection: keep-alive, upgrade",
            "Expect: 100-continue",
            "Upgrade: h2c",
            " folded: 1",
            "space : 1",
        ] {
            check(&format!("{line}{plain}{further}\r\n\r\n{{}}"), None);
        }
        for length in ["+2", "2, 2", "0x2", "", "00000002", "-2", "2 2"] {
            check(&format!("{line}Host: a\r\nContent-Length: {length}\r\n\r\n{{}}"), None);
        }
        for other in [
            "POST /a HTTP/1.0\r\n",
            "PUT /a HTTP/1.1\r\n",
            "POST http://a/a HTTP/1.1\r\n",
            "POST * HTTP/1.1\r\n",
            "\r\nPOST /a HTTP/1.1\r\n",
            "POST  /a HTTP/1.1\r\n",
            "post /a HTTP/1.1\r\n",
        ] {
            check(&format!("{other}{plain}\r\n{{}}"), None);
        }
        check(&format!("{line}Content-Length: 2\r\n\r\n{{}}"), None);
        check(&format!("{line}Host: a\r\n\r\n"), None);
        let many = "X: y\r\n".repeat(HEADERS_MAX - 2);
        check(&format!("{line}{plain}{many}\r\n{{}}"), Some("{}"));
        check(&format!("{line}{plain}{many}X: y\r\n\r\n{{}}"), None);
    }
}
