//! Bodies of lines, answered with a line each, in order, while both are under way.
//!
//! Lines are put on their way as they arrive, up to a window at a time, and answers go out as they
//! become due. Reading does not wait for the client to read until a good deal of answers waits,
//! because many clients send everything first; what is kept for such a client is bounded.

mod cut;
mod rows;

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::mem;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use levee_api::problem::Code;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::call::RequestBody;
use crate::trouble::Trouble;

pub(crate) use cut::{Cut, LINE_LEN_MAX, Line, Lines};
pub(crate) use rows::{ReadRow, Rows};

/// Answers between two looks for more to read.
const ANSWERS_A_LOOK: usize = 64;
/// Answers go out in pieces of about this size.
const PIECE_LEN: usize = 32 * 1024;

/// What is done with each line.
pub(crate) trait Work {
    /// A line that is under way.
    type Due;

    /// Puts a line on its way.
    async fn begin(&mut self, line: Line) -> Self::Due;

    /// Waits for what becomes of a line, and writes its answer with the end of the line.
    async fn finish(&mut self, due: Self::Due, out: &mut Vec<u8>);

    /// What is wrong with the body as a whole stands behind all answers.
    fn write_trouble(&mut self, trouble: Trouble, out: &mut Vec<u8>);
}

/// How much of what is allowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Most lines of one body.
    pub(crate) lines_max: usize,
    /// Most lines that are under way at the same time.
    pub(crate) window: usize,
    /// Most pieces of answers that wait for the client; then reading does, too.
    pub(crate) pieces_max: usize,
    /// Without a further piece of the body it is over.
    pub(crate) piece_time_max: Duration,
    /// From the first to the last byte of the body: places for such bodies are few.
    pub(crate) body_time_max: Duration,
}

/// Answers a body of lines on a task of its own. `running` is dropped at its end.
pub(crate) fn answer(
    body: Option<RequestBody>,
    cut: impl Cut + 'static,
    work: impl Work + 'static,
    limits: Limits,
    running: impl Sized + 'static,
) -> mpsc::Receiver<io::Result<Bytes>> {
    let (pieces, answer) = mpsc::channel(limits.pieces_max);
    let until = Instant::now() + limits.body_time_max;
    let lines = 0;
    let stream =
        Stream { cut, work, limits, pieces, due: VecDeque::new(), out: Vec::new(), lines, until };
    tokio::task::spawn_local(async move {
        let _running = running;
        // Bodies of lines are never waited for whole.
        if let Some(RequestBody::Coming(body)) = body {
            stream.run(body).await;
        }
    });
    answer
}

struct Stream<C, W: Work> {
    cut: C,
    work: W,
    limits: Limits,
    pieces: mpsc::Sender<io::Result<Bytes>>,
    due: VecDeque<W::Due>,
    out: Vec<u8>,
    lines: usize,
    /// The body has to be here by then.
    until: Instant,
}

/// What became of reading.
enum Step {
    More(Bytes),
    End,
    Broken(Trouble),
}

impl<C: Cut, W: Work> Stream<C, W> {
    async fn run(mut self, mut body: Incoming) {
        loop {
            let (piece, last) = match self.next_piece(&mut body).await {
                Step::More(piece) => (piece, None),
                Step::End => (Bytes::new(), Some(None)),
                Step::Broken(trouble) => (Bytes::new(), Some(Some(trouble))),
            };
            self.cut.add(&piece);
            // Of a body that breaks off, the part behind the last whole line is none: half a row of
            // a sheet can look like a whole one.
            let is_whole = matches!(last, Some(None));
            while let Some(line) = self.cut.next(is_whole) {
                if self.lines == self.limits.lines_max {
                    // Said once. The rest is read and thrown away, because many clients send
                    // everything before they read anything.
                    self.discard(&mut body).await;
                    let detail =
                        format!("At most {} lines are taken: the rest is not read.", self.lines);
                    let trouble = Trouble::new(Code::ContentTooLarge).with_detail(detail);
                    self.end(Some(trouble)).await;
                    return;
                }
                self.lines += 1;
                while self.due.len() >= self.limits.window {
                    self.answer_first().await;
                }
                let due = self.work.begin(line).await;
                self.due.push_back(due);
            }
            if let Some(broken) = last {
                self.end(broken).await;
                return;
            }
            if self.pieces.is_closed() {
                return;
            }
        }
    }

    /// The next piece of the body. While it does not come, answers go out.
    async fn next_piece(&mut self, body: &mut Incoming) -> Step {
        let limit = self.limits.piece_time_max;
        let limit = limit.min(self.until.saturating_duration_since(Instant::now()));
        loop {
            let frame = {
                let mut reading = pin!(read_within(limit, body));
                // What can be read is read first, so that the engine gets much at once.
                match poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx))).await {
                    Poll::Ready(step) => Some(step),
                    Poll::Pending if self.due.is_empty() => {
                        self.send().await;
                        Some(reading.await)
                    }
                    Poll::Pending => None,
                }
            };
            match frame {
                Some(step) => return step,
                // Some at once: looking for more after each would cost more than it gains.
                None => {
                    for _ in 0..ANSWERS_A_LOOK {
                        self.answer_first().await;
                    }
                }
            }
        }
    }

    /// Writes the answer that is due first, when it is there.
    async fn answer_first(&mut self) {
        let Some(due) = self.due.pop_front() else { return };
        self.work.finish(due, &mut self.out).await;
        if self.out.len() >= PIECE_LEN {
            self.send().await;
        }
    }

    /// As many bytes as all lines that are taken could have.
    async fn discard(&mut self, body: &mut Incoming) {
        let mut left = self.limits.lines_max * LINE_LEN_MAX;
        while let Step::More(piece) = self.next_piece(body).await {
            match left.checked_sub(piece.len()) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    }

    async fn end(&mut self, broken: Option<Trouble>) {
        while !self.due.is_empty() {
            self.answer_first().await;
        }
        if let Some(trouble) = broken {
            self.work.write_trouble(trouble, &mut self.out);
        }
        self.send().await;
    }

    async fn send(&mut self) {
        if !self.out.is_empty() {
            // Fails only when nobody reads any more, which ends the body at its next piece.
            let _ = self.pieces.send(Ok(mem::take(&mut self.out).into())).await;
        }
    }
}

async fn read_within(limit: Duration, body: &mut Incoming) -> Step {
    let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx));
    match timeout(limit, frame).await {
        Err(_) => Step::Broken(Trouble::new(Code::RequestTimeout)),
        Ok(None) => Step::End,
        Ok(Some(Ok(frame))) => Step::More(frame.into_data().unwrap_or_default()),
        Ok(Some(Err(error))) => {
            let detail = format!("The body broke off: {error}.");
            Step::Broken(Trouble::new(Code::BadRequest).with_detail(detail))
        }
    }
}
