//! Replies on their way to one gate. The engine's threads leave them here in their own form; they
//! become bytes on the thread that serves gates.

use std::sync::{Mutex, PoisonError};

use levee_api::port::{Deliver, Reply};
use levee_api::types::Wire;
use tokio::sync::Notify;

use crate::limits::FRAME_LEN;
use crate::message::{REPLIES, put_reply};

/// Replies of one batch, or of asks that the queue did not take.
type Batch = Vec<(u64, Reply)>;

/// Bounded by the asks that a gate may have under way.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    batches: Mutex<Vec<Batch>>,
    pub(super) filled: Notify,
}

impl Deliver for Outbox {
    fn deliver(&self, replies: Batch) {
        if replies.is_empty() {
            return;
        }
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        batches.push(replies);
        let first = batches.len() == 1;
        drop(batches);
        if first {
            self.filled.notify_one();
        }
    }
}

impl Outbox {
    /// Everything that is there.
    pub(super) fn take(&self) -> Vec<Batch> {
        std::mem::take(&mut *self.batches.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Replies as messages of a bounded length, with how many each holds.
pub(super) struct Messages<R> {
    replies: R,
    scratch: Vec<u8>,
}

impl<R: Iterator<Item = (u64, Reply)>> Messages<R> {
    pub(super) fn new(replies: R) -> Self {
        Self { replies, scratch: Vec::new() }
    }
}

impl<R: Iterator<Item = (u64, Reply)>> Iterator for Messages<R> {
    type Item = (Vec<u8>, usize);

    fn next(&mut self) -> Option<(Vec<u8>, usize)> {
        self.scratch.clear();
        let mut count = 0_usize;
        while self.scratch.len() < FRAME_LEN
            && let Some((number, reply)) = self.replies.next()
        {
            put_reply(number, &reply, &mut self.scratch);
            count += 1;
        }
        if count == 0 {
            return None;
        }
        let mut message = Vec::with_capacity(self.scratch.len() + 16);
        message.push(REPLIES);
        count.put(&mut message);
        message.extend_from_slice(&self.scratch);
        Some((message, count))
    }
}
