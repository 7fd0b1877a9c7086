//! Answers on their way out.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{HeaderName, HeaderValue};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::connection::{Connection, Phase};
use crate::trouble::Trouble;
use crate::worker::Worker;

/// What a handler answers.
pub(crate) type Answer = Result<Reply, Trouble>;

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(crate) const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
pub(crate) const NDJSON: HeaderValue = HeaderValue::from_static("application/x-ndjson");

/// An answer that is no problem.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: HeaderValue,
    pub(crate) body: ReplyBody,
    /// Says `Idempotent-Replayed: true`.
    pub(crate) replayed: bool,
    /// Further headers; hardly any answer has some.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Reply {
    pub(crate) fn bytes(status: u16, content_type: HeaderValue, body: Bytes) -> Self {
        let body = ReplyBody::Whole(body);
        Self { status, content_type, body, replayed: false, headers: Vec::new() }
    }

    pub(crate) fn json(status: u16, body: &impl Serialize) -> Self {
        let json = serde_json::to_vec(body).expect("replies have only string keys");
        Self::bytes(status, JSON, json.into())
    }

    /// An answer that goes out as it is made.
    pub(crate) fn stream(
        content_type: HeaderValue,
        chunks: mpsc::Receiver<io::Result<Bytes>>,
    ) -> Self {
        let body = ReplyBody::Stream { chunks, under_way: None };
        // A proxy such as nginx would otherwise hold the parts back until it has enough of them.
        let headers = vec![(UNBUFFERED, HeaderValue::from_static("no"))];
        Self { status: 200, content_type, body, replayed: false, headers }
    }

    pub(crate) fn repeated(mut self, repeated: bool) -> Self {
        self.replayed = repeated;
        self
    }

    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The body of an answer.
pub(crate) enum ReplyBody {
    /// All of it; empty once it is handed over.
    Whole(Bytes),
    /// As it is made. A dropped answer closes the channel.
    Stream {
        chunks: mpsc::Receiver<io::Result<Bytes>>,
        /// Lasts as long as the answer.
        under_way: Option<UnderWay>,
    },
}

impl ReplyBody {
    /// All of it, unless it is still being made.
    pub(crate) fn whole(&self) -> Option<&Bytes> {
        match self {
            Self::Whole(bytes) => Some(bytes),
            Self::Stream { .. } => None,
        }
    }
}

/// A request that is being answered: counted, and known to its connection, until it is dropped.
pub(crate) struct UnderWay {
    connection: Rc<Connection>,
    worker: Rc<Worker>,
}

impl UnderWay {
    pub(crate) fn new(connection: Rc<Connection>, worker: Rc<Worker>) -> Self {
        connection.enter(Phase::Busy, &worker);
        worker.lane().stats.begun.add(1);
        worker.desk.begin_request();
        worker.lane().stats.in_flight.add(1);
        Self { connection, worker }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.connection.answered(&self.worker);
        self.worker.lane().stats.in_flight.sub(1);
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Stream { chunks, .. } => {
                chunks.poll_recv(cx).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream { .. } => SizeHint::default(),
        }
    }
}
