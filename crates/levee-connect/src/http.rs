//! Calls over connections that are kept: of connectors, and of the sandbox.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use hyper::{HeaderMap, Method, Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use levee_pay::ReplyError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::reach::{Connector, Reach, Refused};

/// Longest call, by the clock of those who are called.
pub(crate) const CALL_MAX: Duration = Duration::from_secs(10);

/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(3);

/// Longest answer that is read, in bytes.
const ANSWER_LEN_MAX: usize = 64 * 1024;

/// Longest head of an answer, in bytes.
const HEAD_LEN_MAX: usize = 64 * 1024;

/// Connections that are kept to one party while idle.
const IDLE_MAX: usize = 64;

/// Whoever asks for a longer pause is asked again all the same.
const PAUSE_ASKED_S_MAX: u64 = 60;

/// What of a refusal is kept for the log, in bytes.
const SAID_LEN_MAX: usize = 200;

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// How long the other side asks to be left alone.
    pub(crate) retry_after: Duration,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why there is no good answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// No connection, or it broke.
    #[error("no answer: {0}")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Nothing within the time.
    #[error("no answer within {0:?}")]
    Silent(Duration),
    /// It may not be called.
    #[error(transparent)]
    NotAllowed(#[from] Refused),
    /// It sends elsewhere.
    #[error(
        "status {status} leads to {to}, and redirects are not followed: give that address instead"
    )]
    Redirect {
        /// Which.
        status: u16,
        /// Where.
        to: String,
    },
    /// It said no.
    #[error("status {status}: {said}")]
    Status {
        /// What.
        status: u16,
        /// The first of what it said.
        said: String,
        /// How long it asks to be left alone.
        retry_after: Duration,
    },
    /// It is not decided yet.
    #[error("not decided yet")]
    Open,
    /// It does not do that, and says why.
    #[error("{0}")]
    Refused(String),
    /// It may not be the other side's.
    #[error("an answer that is not taken: {0}")]
    Distrusted(String),
    /// Not what was agreed.
    #[error("an answer that is none: {0}")]
    Malformed(String),
}

impl From<ReplyError> for Trouble {
    fn from(error: ReplyError) -> Self {
        match error {
            ReplyError::Distrust(_) | ReplyError::Unsigned { .. } => {
                Self::Distrusted(error.to_string())
            }
            ReplyError::OtherTrade => Self::Malformed(error.to_string()),
            ReplyError::Refused { .. } => Self::Refused(error.to_string()),
        }
    }
}

impl Trouble {
    /// A status that is no good one.
    pub(crate) fn status(status: u16, body: &[u8], retry_after: Duration) -> Self {
        Self::Status { status, said: starting(body), retry_after }
    }

    /// How long the other side asks to be left alone.
    pub(crate) fn retry_after(&self) -> Duration {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => Duration::ZERO,
        }
    }
}

/// What comes of a request to a [`Party`]; nothing where it breaks off.
pub type Answering = Pin<Box<dyn Future<Output = Option<Response<Bytes>>> + Send>>;

/// Who answers requests without a network between, so that both sides can live by a clock that goes on
/// only when everybody waits.
pub trait Party: Send + Sync {
    /// Answers one.
    fn answer(&self, request: Request<Bytes>) -> Answering;
}

/// A client that keeps its connections.
#[derive(Clone)]
pub(crate) struct Http {
    line: Line,
    call_max: Duration,
}

#[derive(Clone)]
enum Line {
    Network(Box<Client<HttpsConnector<Connector>, Full<Bytes>>>),
    Party(Arc<dyn Party>),
}

impl Http {
    /// One whose calls take so long at most, to whom `reach` allows.
    pub(crate) fn new(call_max: Duration, reach: Reach) -> Self {
        let tls = reach.tls();
        let connector = Connector::new(reach, |connector| {
            connector.set_nodelay(true);
            connector.set_connect_timeout(Some(CONNECT_MAX));
            connector.enforce_http(false);
        });
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls);
        let connector = builder.https_or_http().enable_http1().wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(IDLE_MAX)
            .http1_max_buf_size(HEAD_LEN_MAX)
            .build(connector);
        Self { line: Line::Network(Box::new(client)), call_max }
    }

    /// One that asks nobody else.
    pub(crate) fn to(call_max: Duration, party: Arc<dyn Party>) -> Self {
        Self { line: Line::Party(party), call_max }
    }

    /// Sends bytes, with further headers, and reads whatever comes back.
    pub(crate) async fn exchange(
        &self,
        method: Method,
        url: &str,
        headers: &[(&'static str, String)],
        body: Bytes,
    ) -> Result<Answer, Trouble> {
        let mut request = Request::builder().method(method).uri(url);
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(body).map_err(|error| Trouble::Broken(error.into()))?;
        self.forward(request, ANSWER_LEN_MAX).await
    }

    /// Sends a request as it is, and reads an answer of so many bytes at most.
    pub(crate) async fn forward(
        &self,
        request: Request<Bytes>,
        answer_len_max: usize,
    ) -> Result<Answer, Trouble> {
        let exchange = async {
            let (head, body) = match &self.line {
                Line::Network(client) => {
                    let answer = client.request(request.map(Full::new)).await;
                    let (head, body) = answer.map_err(|error| broken(&error))?.into_parts();
                    let body = Limited::new(body, answer_len_max).collect().await;
                    (head, body.map_err(Trouble::Broken)?.to_bytes())
                }
                Line::Party(party) => {
                    let answer = party.answer(request).await;
                    answer.ok_or_else(|| Trouble::Broken("it broke off".into()))?.into_parts()
                }
            };
            let asked = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            let retry_after = asked.map_or(Duration::ZERO, |text| pause(text, SystemTime::now()));
            Ok(Answer { status: head.status.as_u16(), retry_after, headers: head.headers, body })
        };
        let silent = Err(Trouble::Silent(self.call_max));
        tokio::time::timeout(self.call_max, exchange).await.unwrap_or(silent)
    }

    /// As [`Self::exchange`], where only a status below 300 is good.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&'static str, String)],
        body: Bytes,
    ) -> Result<Bytes, Trouble> {
        let Answer { status, retry_after, headers, body } =
            self.exchange(method, url, headers, body).await?;
        match status {
            ..300 => Ok(body),
            300..400 => {
                let to = headers.get(LOCATION).map(|to| starting(to.as_bytes()));
                let to = to.unwrap_or_else(|| "no address".to_owned());
                Err(Trouble::Redirect { status, to })
            }
            _ => Err(Trouble::status(status, &body, retry_after)),
        }
    }

    /// Sends JSON and reads JSON.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        url: &str,
        body: &impl Serialize,
    ) -> Result<T, Trouble> {
        let body = serde_json::to_vec(body).expect("plain data").into();
        read(&self.send(Method::POST, url, &[], body).await?)
    }

    /// Reads JSON.
    pub(crate) async fn get<T: DeserializeOwned>(&self, url: &str) -> Result<T, Trouble> {
        read(&self.send(Method::GET, url, &[], Bytes::new()).await?)
    }
}

/// The pause that `Retry-After` asks for: seconds, or a date (RFC 9110, section 10.2.3).
fn pause(text: &str, now: SystemTime) -> Duration {
    let seconds = text.parse().ok().map(Duration::from_secs);
    let until = || httpdate::parse_http_date(text).ok()?.duration_since(now).ok();
    seconds.or_else(until).unwrap_or_default().min(Duration::from_secs(PAUSE_ASKED_S_MAX))
}

/// What of it is kept for the log, in one line: nobody outside writes lines of it.
fn starting(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(&said[..said.len().min(SAID_LEN_MAX)]);
    said.chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
}

/// Why there is no answer: the reasons in one line, or that it may not be called.
fn broken(error: &(dyn std::error::Error + 'static)) -> Trouble {
    let reasons = std::iter::successors(Some(error), |error| error.source());
    let mut words = Vec::new();
    for reason in reasons {
        if let Some(refused) = reason.downcast_ref::<Refused>() {
            return refused.clone().into();
        }
        words.push(reason.to_string());
    }
    Trouble::Broken(words.join(": ").into())
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Trouble> {
    serde_json::from_slice(bytes).map_err(|error| Trouble::Malformed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Listens on this machine, and gives everybody the same answer.
    fn answering(answer: String) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut request = [0; 1_024];
                let _ = stream.read(&mut request);
                // Who has heard enough hangs up.
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        port
    }

    /// How a call ends: `ok` and what came, or what the trouble says in part.
    #[track_caller]
    fn check(allowed: &[&'static str], host: &str, answer: &str, expected: &str) {
        let port = answering(answer.to_owned());
        let reach = Reach::allowing(allowed.iter().copied()).expect("ranges");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let called = runtime.expect("an event loop").block_on(async {
            let http = Http::new(Duration::from_secs(5), reach);
            http.send(Method::GET, &format!("http://{host}:{port}/"), &[], Bytes::new()).await
        });
        let said = match called {
            Ok(bytes) => format!("ok {}", String::from_utf8_lossy(&bytes)),
            Err(trouble) => trouble.to_string(),
        };
        assert!(said.contains(expected), "{host} {expected}: {said}");
    }

    #[test]
    fn only_those_are_called_that_may_be() {
        let good = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
        for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::1]"] {
            check(&[], host, good, "is a loopback address");
            check(&["10.0.0.0/8"], host, good, "is a loopback address");
        }
        check(&["127.0.0.0/8"], "127.0.0.1", good, "ok hi");
        check(&["127.0.0.1"], "localhost", good, "ok hi");
    }

    #[test]
    fn a_pause_is_asked_for_in_seconds_or_until_a_date() {
        let now = httpdate::parse_http_date("Fri, 06 Feb 2026 01:00:00 GMT").expect("a date");
        for (text, expected_s) in [
            ("7", 7),
            ("3600", PAUSE_ASKED_S_MAX),
            ("Fri, 06 Feb 2026 01:00:09 GMT", 9),
            ("Fri, 06 Feb 2026 00:59:59 GMT", 0),
            ("Sat, 07 Feb 2026 01:00:00 GMT", PAUSE_ASKED_S_MAX),
            ("-1", 0),
            ("soon", 0),
        ] {
            assert_eq!(pause(text, now), Duration::from_secs(expected_s), "{text}");
        }
    }

    #[test]
    fn redirects_and_endless_answers_are_failures() {
        let moved = "HTTP/1.1 307 Moved\r\nLocation: http://169.254.169.254/x\r\n\
                     Content-Length: 0\r\n\r\n";
        let leads = "status 307 leads to http://169.254.169.254/x, and redirects are not followed";
        check(&["127.0.0.1"], "127.0.0.1", moved, leads);
        let long = "x".repeat(ANSWER_LEN_MAX + 1);
        let length = long.len();
        let body = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{long}");
        check(&["127.0.0.1"], "127.0.0.1", &body, "length limit exceeded");
        let head = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(2 * HEAD_LEN_MAX));
        check(&["127.0.0.1"], "127.0.0.1", &head, "message head is too large");
    }
}
