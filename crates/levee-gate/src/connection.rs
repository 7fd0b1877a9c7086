//! One connection: what it is doing, and how long it may.
//!
//! Time limits are looked at by the worker's ticker, so a request costs no timer of its own.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use levee_api::stream::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::config::{GateConfig, HEAD_LEN_MAX, HEADERS_MAX};
use crate::framing::{Framing, Smuggling};
use crate::serve::serve;
use crate::socket::Socket;
use crate::whole::{Onward, serve_whole};
use crate::worker::Worker;

/// What is read of a client that does not stop sending, in pieces of 4 KiB.
const LINGER_READS_MAX: usize = 1_024;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Waiting for a request, or sending the rest of an answer.
    Idle,
    /// Receiving a head.
    Head,
    /// Receiving a body that a handler waits for.
    Body,
    /// Answering. Limited only while the client takes nothing of the answer.
    Busy,
}

/// How long phases and replies may take, in ticks: divided once, not by every request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeLimits {
    pub(crate) idle: u32,
    pub(crate) head: u32,
    pub(crate) body: u32,
    pub(crate) reply: u32,
}

impl TimeLimits {
    pub(crate) fn of(config: &GateConfig) -> Self {
        let ticks = |time: Duration| {
            // One more, since the tick under way is partly over.
            let ticks = time.as_nanos().div_ceil(config.tick().as_nanos().max(1)) + 1;
            u32::try_from(ticks).unwrap_or(u32::MAX)
        };
        Self {
            idle: ticks(config.idle_timeout),
            head: ticks(config.header_timeout),
            body: ticks(config.body_timeout),
            reply: ticks(config.reply_timeout),
        }
    }
}

/// What the parts of one connection share.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Here, so that it can outlive hyper's part.
    pub(crate) stream: RefCell<Stream>,
    phase: Cell<Phase>,
    /// Of the phase.
    deadline_tick: Cell<u32>,
    overdue: Cell<bool>,
    closing: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    framing: RefCell<Framing>,
    requests: Cell<u64>,
}

impl Connection {
    fn new(stream: Stream) -> Self {
        Self {
            stream: RefCell::new(stream),
            phase: Cell::new(Phase::Idle),
            deadline_tick: Cell::new(u32::MAX),
            overdue: Cell::new(false),
            closing: Cell::new(false),
            waker: RefCell::new(None),
            framing: RefCell::new(Framing::new()),
            requests: Cell::new(0),
        }
    }

    pub(crate) fn enter(&self, phase: Phase, worker: &Worker) {
        self.phase.set(phase);
        self.overdue.set(false);
        self.deadline_tick.set(worker.deadline_of(phase));
    }

    /// The answer is on its way.
    pub(crate) fn answered(&self, worker: &Worker) {
        let next = if self.framing.borrow().in_head() { Phase::Head } else { Phase::Idle };
        self.enter(next, worker);
    }

    /// Takes in what was read.
    pub(crate) fn has_read(&self, bytes: &[u8], worker: &Worker) {
        worker.lane().stats.add_read(bytes.len());
        let mut framing = self.framing.borrow_mut();
        framing.feed(bytes);
        if framing.in_head() && self.phase.get() == Phase::Idle {
            self.enter(Phase::Head, worker);
        }
    }

    /// The client takes what it is sent.
    pub(crate) fn has_written(&self, len: usize, worker: &Worker) {
        worker.lane().stats.add_written(len);
        match self.phase.get() {
            phase @ (Phase::Idle | Phase::Busy) => self.enter(phase, worker),
            Phase::Head | Phase::Body => {}
        }
    }

    /// The client takes nothing at the moment.
    pub(crate) fn is_stalled(&self, worker: &Worker) {
        if self.phase.get() == Phase::Busy && self.deadline_tick.get() == u32::MAX {
            self.deadline_tick.set(worker.deadline_of(Phase::Idle));
        }
    }

    /// Counts one request, and says whether its head is one to refuse.
    pub(crate) fn next_request(&self) -> Option<Smuggling> {
        self.requests.set(self.requests.get() + 1);
        self.framing.borrow().wrong(self.requests.get())
    }

    /// Whether the phase's time is over.
    pub(crate) fn overdue(&self) -> bool {
        self.overdue.get()
    }

    /// To be closed as soon as no request is under way.
    pub(crate) fn close_soon(&self) {
        self.closing.set(true);
        self.wake();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// Ends a phase whose time is over.
    pub(crate) fn look_at_clock(&self, tick: u32) {
        if self.deadline_tick.get() <= tick {
            self.overdue.set(true);
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    pub(crate) fn keep_waker(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }
}

/// Serves one connection to its end.
pub(crate) async fn serve_connection(worker: Rc<Worker>, stream: Stream) {
    let connection = Rc::new(Connection::new(stream));
    connection.enter(Phase::Idle, &worker);
    let place = worker.connections.borrow_mut().insert(Rc::clone(&connection));
    let _listed = Listed { worker: Rc::clone(&worker), place };
    // A connection that was accepted while the gate began to stop.
    connection.closing.set(worker.hub.draining.load(Relaxed));

    let ended = match serve_whole(&worker, &connection).await {
        Onward::Ended(ended) => ended,
        Onward::Hyper(read) => speak_http(&worker, &connection, read).await,
    };
    // Closed with unread bytes, it would be reset, and the last answer with it.
    if matches!(ended, Ended::Broken) || connection.framing.borrow().in_body() {
        linger(&worker, &connection).await;
    }
}

/// Takes a connection off the worker's list when it ends, however it does.
struct Listed {
    worker: Rc<Worker>,
    place: usize,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.worker.connections.borrow_mut().remove(self.place);
        self.worker.lane().open.fetch_sub(1, Relaxed);
    }
}

/// How speaking HTTP came to an end.
pub(crate) enum Ended {
    /// As it should.
    Well,
    /// With something that is no HTTP, or a fault of the socket.
    Broken,
    /// Its time was over.
    Overdue,
}

async fn speak_http(worker: &Rc<Worker>, connection: &Rc<Connection>, read: Bytes) -> Ended {
    let socket = Socket::new(Rc::clone(connection), Rc::clone(worker), read);
    let service = service_fn(|request| serve(Rc::clone(worker), Rc::clone(connection), request));
    let mut http = pin!(
        http1::Builder::new()
            // Who has said all still waits for the answer.
            .half_close(true)
            .keep_alive(true)
            // With it, the answer to a request would wait for the rest of the next one.
            .pipeline_flush(false)
            // Small answers are sent faster in one piece, as measured.
            .writev(false)
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEAD_LEN_MAX)
            .serve_connection(TokioIo::new(socket), service)
    );
    let mut told = false;
    poll_fn(|cx| {
        connection.keep_waker(cx);
        if connection.closing.get() && !told {
            told = true;
            http.as_mut().graceful_shutdown();
        }
        // Who reads a body ends that phase with an answer.
        if connection.overdue() && connection.phase.get() != Phase::Body {
            return Poll::Ready(Ended::Overdue);
        }
        http.as_mut().poll(cx).map(|ended| match ended {
            Ok(()) => Ended::Well,
            Err(error) => {
                tracing::debug!(%error, "a connection broke");
                Ended::Broken
            }
        })
    })
    .await
}

/// Tells the client that nothing more comes, and reads on for a while, so that the last answer
/// reaches a client that is still sending.
async fn linger(worker: &Worker, connection: &Connection) {
    connection.enter(Phase::Body, worker);
    let shutdown = poll_fn(|cx| {
        connection.keep_waker(cx);
        if connection.overdue() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut *connection.stream.borrow_mut()).poll_shutdown(cx)
    });
    if shutdown.await.is_err() {
        return;
    }
    let mut scratch = [0; 4096];
    // Bounded in time by the ticker, and in bytes here.
    for _ in 0..LINGER_READS_MAX {
        let read = poll_fn(|cx| {
            connection.keep_waker(cx);
            if connection.overdue() {
                return Poll::Ready(Ok(0));
            }
            let mut buffer = ReadBuf::new(&mut scratch);
            let mut stream = connection.stream.borrow_mut();
            let read = Pin::new(&mut *stream).poll_read(cx, &mut buffer);
            read.map_ok(|()| buffer.filled().len())
        });
        if read.await.unwrap_or(0) == 0 {
            return;
        }
    }
}
