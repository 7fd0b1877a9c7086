//! Claims in batches: NDJSON in, NDJSON out in the same order, while both are under way.
//!
//! Lines go to the engine as they arrive, up to [`WINDOW`] at a time, and answers go out as they
//! become due. Reading never waits for the client to read, because many clients send everything
//! first; what is kept for such a client is bounded by the number of lines.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::mem;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use levee_api::problem::Code;
use levee_api::pseudonym::request_key;
use levee_api::strict::parse;
use levee_api::wire::ClaimRequest;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::call::{Call, RequestBody};
use crate::directory::Entry;
use crate::handlers::claims::{Asked, Attempt};
use crate::json;
use crate::reply::{Answer, NDJSON, Reply};
use crate::trouble::Trouble;
use crate::worker::Worker;

/// Most lines of one batch.
pub(crate) const LINES_MAX: usize = 10_000;
/// Longest line in bytes.
pub(crate) const LINE_LEN_MAX: usize = 16 * 1024;
/// Most claims of one batch that are with the engine at the same time.
const WINDOW: usize = 1_024;
/// Answers between two looks for more to read.
const ANSWERS_A_LOOK: usize = 64;
/// Answers go out in pieces of about this size.
const PIECE_LEN: usize = 32 * 1024;
/// Most batches of one worker at the same time; each may keep some megabytes.
const BATCHES_MAX: usize = 32;

/// From the first to the last byte of a batch: places for batches are few.
const BODY_TIME_MAX: Duration = Duration::from_secs(300);
/// Most bytes that are read and thrown away behind the last line that is taken.
const DISCARDED_MAX: usize = LINES_MAX * LINE_LEN_MAX;

/// `POST /v1/campaigns/{id}/claims/batch`
pub(crate) async fn claim_batch(call: &mut Call) -> Answer {
    // A batch to no campaign is one error, not thousands.
    call.worker.campaign(call.param()).await?;
    let running = &call.worker.batches;
    if running.get() >= BATCHES_MAX {
        return Err(Trouble::new(Code::Overloaded).with_detail("Too many batches are under way."));
    }
    running.set(running.get() + 1);
    let running = Running(Rc::clone(&call.worker));
    // As many pieces as a batch can have, so that sending one never waits.
    let (pieces, answer) = mpsc::channel(LINES_MAX + 2);
    let batch = Batch {
        worker: Rc::clone(&call.worker),
        campaign: call.param().to_owned(),
        key_id: call.key_id().to_owned(),
        pieces,
        due: VecDeque::new(),
        out: Vec::new(),
        lines: 0,
        until: Instant::now() + BODY_TIME_MAX,
    };
    let body = call.body.take();
    tokio::task::spawn_local(async move {
        let _running = running;
        // Bodies of lines are never waited for whole.
        if let Some(RequestBody::Coming(body)) = body {
            batch.run(body).await;
        }
    });
    Ok(Reply::stream(NDJSON, answer))
}

/// Counts a batch until it ends, however it does.
struct Running(Rc<Worker>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.batches.set(self.0.batches.get() - 1);
    }
}

/// An answer whose turn is still to come.
enum Due {
    Problem(Trouble),
    Claim(Box<Attempt>),
}

struct Batch {
    worker: Rc<Worker>,
    campaign: String,
    key_id: String,
    pieces: mpsc::Sender<io::Result<Bytes>>,
    due: VecDeque<Due>,
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

impl Batch {
    async fn run(mut self, mut body: Incoming) {
        let mut lines = Lines::default();
        loop {
            let step = self.next_piece(&mut body).await;
            let (piece, last) = match step {
                Step::More(piece) => (piece, None),
                Step::End => (Bytes::new(), Some(None)),
                Step::Broken(trouble) => (Bytes::new(), Some(Some(trouble))),
            };
            lines.add(&piece);
            while let Some(line) = lines.next(last.is_some()) {
                if !self.take_line(line).await {
                    // One line over the limit: said once. The rest is read and thrown away, because
                    // many clients send everything before they read anything.
                    self.discard(&mut body).await;
                    self.finish().await;
                    return;
                }
            }
            if let Some(broken) = last {
                if let Some(trouble) = broken {
                    self.due.push_back(Due::Problem(trouble));
                }
                self.finish().await;
                return;
            }
            if self.pieces.is_closed() {
                return;
            }
        }
    }

    /// The next piece of the body. While it does not come, answers go out.
    async fn next_piece(&mut self, body: &mut Incoming) -> Step {
        let limit = self.worker.hub.config.body_timeout;
        let limit = limit.min(self.until.saturating_duration_since(Instant::now()));
        loop {
            let frame = {
                let mut reading = pin!(read_within(limit, body));
                // What can be read is read first, so that the engine gets much at once.
                match poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx))).await {
                    Poll::Ready(step) => Some(step),
                    Poll::Pending if self.due.is_empty() => {
                        self.send();
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

    /// Puts a line's claim on its way. Returns whether the batch goes on.
    async fn take_line(&mut self, line: Result<Vec<u8>, Trouble>) -> bool {
        self.lines += 1;
        if self.lines > LINES_MAX {
            let detail = format!("A batch has at most {LINES_MAX} lines: the rest is not read.");
            let trouble = Trouble::new(Code::ContentTooLarge).with_detail(detail);
            self.due.push_back(Due::Problem(trouble));
            return false;
        }
        while self.due.len() >= WINDOW {
            self.answer_first().await;
        }
        let due = match line.and_then(|line| self.asked(&line)) {
            Err(trouble) => Due::Problem(trouble),
            Ok(asked) => match self.worker.campaign(&self.campaign).await {
                Err(trouble) => Due::Problem(trouble),
                Ok(entry) => self.at_door(entry, asked),
            },
        };
        self.due.push_back(due);
        true
    }

    fn at_door(&self, entry: Rc<Entry>, asked: Asked) -> Due {
        let pass = asked.claim.pass.as_ref().map(|pass| pass.as_str().as_bytes());
        match self.worker.admit_claim(&entry, asked.user, pass) {
            Ok(admitted) => {
                Due::Claim(Box::new(Attempt::new(&self.worker, entry, asked, admitted)))
            }
            Err(trouble) => Due::Problem(trouble),
        }
    }

    fn asked(&self, line: &[u8]) -> Result<Asked, Trouble> {
        let claim: ClaimRequest = parse(line)?;
        let request = claim.idempotency_key.as_ref();
        let request = request.map(|key| request_key(&self.key_id, key.as_str()));
        let user = self.worker.hub.ports.pseudonyms.of(claim.user_id.as_str());
        Ok(Asked { claim, user, request })
    }

    /// Writes the answer that is due first, when it is there.
    async fn answer_first(&mut self) {
        let Some(due) = self.due.pop_front() else { return };
        let outcome = match due {
            Due::Problem(trouble) => Err(trouble),
            Due::Claim(attempt) => attempt.settle(&self.worker).await,
        };
        match outcome {
            Ok((facts, repeated)) => {
                let status: &[u8] =
                    if repeated { b"{\"status\":200," } else { b"{\"status\":201," };
                self.out.extend_from_slice(status);
                json::put_claim_fields(&facts, &self.worker.hub.ports.codes, &mut self.out);
                self.out.extend_from_slice(b"}\n");
            }
            Err(trouble) => {
                self.out.extend_from_slice(b"{\"status\":");
                json::put_number(u64::from(trouble.code().status()), &mut self.out);
                self.out.extend_from_slice(b",\"problem\":");
                self.out.extend_from_slice(&trouble.body(self.worker.request_id()));
                self.out.extend_from_slice(b"}\n");
            }
        }
        if self.out.len() >= PIECE_LEN {
            self.send();
        }
    }

    async fn discard(&mut self, body: &mut Incoming) {
        let mut left = DISCARDED_MAX;
        while let Step::More(piece) = self.next_piece(body).await {
            match left.checked_sub(piece.len()) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    }

    async fn finish(&mut self) {
        while !self.due.is_empty() {
            self.answer_first().await;
        }
        self.send();
    }

    fn send(&mut self) {
        if !self.out.is_empty() {
            // Fails only when nobody reads any more, which ends the batch at its next piece.
            let _ = self.pieces.try_send(Ok(mem::take(&mut self.out).into()));
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

/// Cuts a body into its lines.
#[derive(Debug, Default)]
struct Lines {
    bytes: Vec<u8>,
    /// Where the next line starts.
    start: usize,
    /// The line that is being read is too long; it was answered, and its rest is skipped.
    skipping: bool,
}

impl Lines {
    fn add(&mut self, piece: &[u8]) {
        self.bytes.drain(..self.start);
        self.start = 0;
        self.bytes.extend_from_slice(piece);
    }

    /// The next line that is not blank. The last one needs no end once the body has ended.
    fn next(&mut self, ended: bool) -> Option<Result<Vec<u8>, Trouble>> {
        loop {
            let rest = &self.bytes[self.start..];
            let (line, taken) = match memchr::memchr(b'\n', rest) {
                Some(end) => (&rest[..end], end + 1),
                None if ended && !rest.is_empty() => (rest, rest.len()),
                None if rest.len() > LINE_LEN_MAX => {
                    self.start = self.bytes.len();
                    if !mem::replace(&mut self.skipping, true) {
                        return Some(Err(too_long()));
                    }
                    return None;
                }
                None => return None,
            };
            self.start += taken;
            if mem::take(&mut self.skipping) {
                continue;
            }
            if line.len() > LINE_LEN_MAX {
                return Some(Err(too_long()));
            }
            if !line.trim_ascii().is_empty() {
                return Some(Ok(line.to_vec()));
            }
        }
    }
}

fn too_long() -> Trouble {
    let detail = format!("A line has at most {LINE_LEN_MAX} bytes.");
    Trouble::new(Code::ContentTooLarge).with_detail(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the body in pieces of each size; expects these lines, `!` for one that is too long.
    #[track_caller]
    fn check(body: &[u8], expected: &[&str]) {
        for size in [1, 5, 1_000, body.len().max(1)] {
            let mut lines = Lines::default();
            let mut got = Vec::new();
            let pieces = body.chunks(size).map(|piece| (piece, false));
            for (piece, ended) in pieces.chain([(&b""[..], true)]) {
                lines.add(piece);
                while let Some(line) = lines.next(ended) {
                    got.push(
                        line.map_or("!".to_owned(), |line| String::from_utf8(line).expect("UTF-8")),
                    );
                }
            }
            assert_eq!(got, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn bodies_are_cut_into_lines() {
        check(b"", &[]);
        check(b"a\nb\n", &["a", "b"]);
        check(b"\n \r\na\n\nb", &["a", "b"]);
        let long = "x".repeat(LINE_LEN_MAX + 1);
        check(format!("a\n{long}\nb\n{long}").as_bytes(), &["a", "!", "b", "!"]);
        let just = "x".repeat(LINE_LEN_MAX);
        check(format!("{just}\nb").as_bytes(), &[&just, "b"]);
    }
}
