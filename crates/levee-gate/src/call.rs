//! One request on its way through the gate, and what handlers may ask of it.

use std::future::poll_fn;
use std::ops::Range;
use std::pin::Pin;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use hyper::HeaderMap;
use hyper::body::{Body, Incoming};
use hyper::header::{HeaderName, HeaderValue};
use levee_api::port::{Answer, AskBody, LIST_MAX, Priority, Query, Reply};
use levee_api::problem::Code;
use levee_api::pseudonym::request_key;
use levee_api::strict::{IdempotencyKey, parse};
use levee_api::types::{Command, RequestKey};
use serde::de::DeserializeOwned;

use crate::connection::{Connection, Phase};
use crate::desk::{Said, Waiting};
use crate::keys::Key;
use crate::query::Queries;
use crate::routes::{Input, ROUTES, Route};
use crate::trouble::Trouble;
use crate::worker::Worker;

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The pass of whoever waits.
pub(crate) const LEVEE_PASS: HeaderName = HeaderName::from_static("levee-pass");

/// Items of a page where the request does not say.
pub(crate) const PAGE_DEFAULT: u32 = 100;

/// One request.
pub(crate) struct Call {
    pub(crate) worker: Rc<Worker>,
    pub(crate) connection: Rc<Connection>,
    pub(crate) head: hyper::http::request::Parts,
    pub(crate) body: Option<RequestBody>,
    /// Place in [`ROUTES`].
    pub(crate) route: usize,
    /// Where in the path its parameter is.
    pub(crate) param: Range<usize>,
    /// None on routes that need none.
    pub(crate) key: Option<Rc<Key>>,
}

/// What comes behind a head.
#[derive(Debug)]
pub(crate) enum RequestBody {
    /// All of it is here.
    Whole(Bytes),
    /// hyper has it, as it comes.
    Coming(Incoming),
}

impl RequestBody {
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Coming(body) => body.is_end_stream(),
        }
    }

    /// Its length in bytes is at least this.
    fn len_min(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Coming(body) => body.size_hint().lower(),
        }
    }
}

impl Call {
    pub(crate) fn new(
        worker: Rc<Worker>,
        connection: Rc<Connection>,
        head: hyper::http::request::Parts,
        body: RequestBody,
    ) -> Self {
        let route = ROUTES.len();
        Self { worker, connection, head, body: Some(body), route, param: 0..0, key: None }
    }

    pub(crate) fn route(&self) -> &'static Route {
        &ROUTES[self.route]
    }

    /// The path's parameter, as it stands there.
    pub(crate) fn param(&self) -> &str {
        &self.head.uri.path()[self.param.clone()]
    }

    /// A header that may stand once.
    pub(crate) fn header(&self, name: &HeaderName) -> Result<Option<&[u8]>, Trouble> {
        single(&self.head.headers, name)
    }

    /// The `Idempotency-Key` as the engine knows it, if there is one.
    pub(crate) fn request_key_if_any(&self) -> Result<Option<RequestKey>, Trouble> {
        let Some(value) = self.header(&IDEMPOTENCY_KEY)? else { return Ok(None) };
        let key = str::from_utf8(value).ok().map(str::to_owned).map(IdempotencyKey::try_from);
        match key {
            Some(Ok(key)) => Ok(Some(request_key(self.key_id(), key.as_str()))),
            Some(Err(detail)) => Err(Trouble::new(Code::IdempotencyKeyMissing).with_detail(detail)),
            None => {
                Err(Trouble::new(Code::IdempotencyKeyMissing).with_detail("must be UTF-8 text"))
            }
        }
    }

    /// The `Idempotency-Key` as the engine knows it.
    pub(crate) fn request_key(&self) -> Result<RequestKey, Trouble> {
        let key = self.request_key_if_any()?;
        key.ok_or_else(|| Trouble::new(Code::IdempotencyKeyMissing))
    }

    pub(crate) fn key_id(&self) -> &str {
        self.key.as_ref().map_or("", |key| &key.id)
    }

    /// The query's parameters, all of which the route knows.
    pub(crate) fn queries(&self) -> Result<Queries, Trouble> {
        Queries::parse(self.head.uri.query().unwrap_or(""), self.route().query)
    }

    /// `limit` and `after` of a list.
    pub(crate) fn page(&self) -> Result<(u32, Option<String>), Trouble> {
        let mut queries = self.queries()?;
        let limit = queries.take("limit");
        let limit = number_within("limit", limit.as_deref(), PAGE_DEFAULT, LIST_MAX)?;
        Ok((limit, queries.take("after")))
    }

    /// The whole body as the route takes it, within its time.
    pub(crate) async fn json<T: DeserializeOwned>(&mut self) -> Result<T, Trouble> {
        Ok(parse(&self.bytes().await?)?)
    }

    /// As [`Self::json`], where the body may be left out.
    pub(crate) async fn json_if_any<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Trouble> {
        let bytes = self.bytes().await?;
        if bytes.is_empty() { Ok(None) } else { Ok(Some(parse(&bytes)?)) }
    }

    /// The whole body within the route's limits of size and time.
    pub(crate) async fn bytes(&mut self) -> Result<Bytes, Trouble> {
        let len_max = match self.route().input {
            Input::Json { len_max }
            | Input::OptionalJson { len_max }
            | Input::Signed { len_max } => len_max,
            Input::Nothing | Input::Ndjson | Input::NdjsonOrCsv => 0,
        };
        let Some(body) = &mut self.body else { return Ok(Bytes::new()) };
        let too_large = || {
            let detail = format!("The limit is {len_max} bytes.");
            Trouble::new(Code::ContentTooLarge).with_detail(detail)
        };
        if body.len_min() > len_max as u64 {
            // Not begun: whoever waits for `100 Continue` keeps the body.
            return Err(too_large().closing());
        }
        let body = match body {
            RequestBody::Coming(body) => body,
            RequestBody::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                self.body = None;
                return Ok(bytes);
            }
        };
        self.connection.enter(Phase::Body, &self.worker);
        let mut first = Bytes::new();
        let mut all = BytesMut::new();
        while !body.is_end_stream() {
            let piece = poll_fn(|cx| {
                if self.connection.overdue() {
                    return std::task::Poll::Ready(Err(Code::RequestTimeout));
                }
                Pin::new(&mut *body).poll_frame(cx).map(Ok)
            });
            match piece.await.map_err(|code| Trouble::new(code).closing())? {
                None => break,
                Some(Ok(frame)) => {
                    let Ok(piece) = frame.into_data() else { continue };
                    if first.len() + all.len() + piece.len() > len_max {
                        return Err(too_large().closing());
                    }
                    // Nearly every body comes in one piece, which need not be copied.
                    if first.is_empty() && all.is_empty() {
                        first = piece;
                        continue;
                    }
                    all.extend_from_slice(&std::mem::take(&mut first));
                    all.extend_from_slice(&piece);
                }
                Some(Err(error)) => {
                    let detail = format!("The body broke off: {error}.");
                    return Err(Trouble::new(Code::BadRequest).with_detail(detail).closing());
                }
            }
        }
        self.body = None;
        self.connection.enter(Phase::Busy, &self.worker);
        Ok(if all.is_empty() { first } else { all.freeze() })
    }

    /// Asks the engine for a change; waits until it is durable.
    pub(crate) async fn command(
        &self,
        priority: Priority,
        command: Command,
    ) -> Result<Reply, Trouble> {
        self.worker.settle(self.worker.ask(priority, AskBody::Command(command))).await
    }

    /// Asks the engine.
    pub(crate) async fn query(&self, priority: Priority, query: Query) -> Result<Answer, Trouble> {
        self.worker.query(priority, query).await
    }
}

impl Worker {
    /// Hands something to the engine with what goes out next.
    pub(crate) fn ask(&self, priority: Priority, body: AskBody) -> Waiting {
        if priority != Priority::Claim {
            self.lane().tally.admit(priority);
        }
        self.desk.ask(priority, body, self.reply_deadline())
    }

    /// Waits for the engine.
    pub(crate) async fn settle(&self, waiting: Waiting) -> Result<Reply, Trouble> {
        match waiting.await {
            Said::Reply(Reply::Failed(failure)) => Err(failure.into()),
            Said::Reply(reply) => Ok(reply),
            Said::Nothing => {
                tracing::warn!("the engine has not replied in time");
                Err(Trouble::new(Code::Unavailable).with_detail(
                    "The engine has not replied in time. Whether the request took effect is not \
                     known: repeat it with the same Idempotency-Key, or the same claim.",
                ))
            }
        }
    }

    /// Asks a question.
    pub(crate) async fn query(&self, priority: Priority, query: Query) -> Result<Answer, Trouble> {
        match self.settle(self.ask(priority, AskBody::Query(Box::new(query)))).await? {
            Reply::Answer(answer) => Ok(*answer),
            other => Err(unexpected(&other)),
        }
    }
}

/// A reply that does not fit what was asked.
pub(crate) fn unexpected(reply: &impl std::fmt::Debug) -> Trouble {
    tracing::error!(?reply, "the engine's reply does not fit what was asked");
    Trouble::new(Code::InternalError)
}

/// A parameter that is a number from 1 on.
pub(crate) fn number_within(
    name: &str,
    text: Option<&str>,
    default: u32,
    most: u32,
) -> Result<u32, Trouble> {
    let Some(text) = text else { return Ok(default) };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| digits && (1..=most).contains(number));
    number.ok_or_else(|| Trouble::field(name, format!("must be a number from 1 to {most}")))
}

/// The value of a header that may stand once.
pub(crate) fn single<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h [u8]>, Trouble> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() {
        let detail = format!("There must be one {name}.");
        return Err(Trouble::new(Code::BadRequest).with_detail(detail));
    }
    Ok(value.map(HeaderValue::as_bytes))
}
