//! Asking the engine, for connectors and webhooks: one ask at a time, each with its reply.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use levee_api::port::{
    Answer, Ask, AskBody, Deliver, Failure, Origin, Priority, Query, Reply, Submit,
};
use levee_api::types::{Command, Refusal};
use levee_api::vitals::Vitals;
use tokio::sync::oneshot;

/// Nobody waits longer than this for an ask; it is asked again then.
const WITHIN_MS: u32 = 30_000;

/// Those who wait, by the tickets of their asks.
#[derive(Default)]
struct Waiting(Mutex<HashMap<u64, oneshot::Sender<Reply>>>);

impl Deliver for Waiting {
    fn deliver(&self, replies: Vec<(u64, Reply)>) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (ticket, reply) in replies {
            if let Some(asker) = waiting.remove(&ticket) {
                // Who has given up waiting hears nothing.
                let _ = asker.send(reply);
            }
        }
    }
}

/// A place at an engine for asks and their replies.
pub(crate) struct Asking {
    submit: Arc<dyn Submit>,
    origin: Origin,
    waiting: Arc<Waiting>,
    next: AtomicU64,
}

impl Asking {
    pub(crate) fn new(submit: Arc<dyn Submit>) -> Self {
        let waiting = Arc::new(Waiting::default());
        let origin = submit.register(Arc::clone(&waiting) as Arc<dyn Deliver>);
        Self { submit, origin, waiting, next: AtomicU64::new(0) }
    }

    async fn ask(&self, priority: Priority, body: AskBody) -> Reply {
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        let (asker, reply) = oneshot::channel();
        let waiting = || self.waiting.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting().insert(ticket, asker);
        let mut asks = vec![Ask { ticket, within_ms: WITHIN_MS, body }];
        let submitted = self.submit.submit(self.origin, priority, Instant::now(), &mut asks);
        if let Err(failure) = submitted {
            waiting().remove(&ticket);
            return Reply::Failed(failure);
        }
        // An engine that is gone answers nothing more.
        reply.await.unwrap_or(Reply::Failed(Failure::Stopping))
    }

    /// Says what came of something: it goes before what users ask. It is not wanted any more where
    /// it is refused; that is no fault.
    pub(crate) async fn say(&self, command: Command) -> Result<Result<(), Refusal>, Failure> {
        match self.ask(Priority::Callback, AskBody::Command(command)).await {
            Reply::Done { .. } => Ok(Ok(())),
            Reply::Refused(refusal) => Ok(Err(refusal)),
            Reply::Failed(failure) => Err(failure),
            Reply::Answer(_) => unreachable!("a command is not answered as a question"),
        }
    }

    pub(crate) async fn query(&self, priority: Priority, query: Query) -> Result<Answer, Failure> {
        match self.ask(priority, AskBody::Query(Box::new(query))).await {
            Reply::Answer(answer) => Ok(*answer),
            Reply::Failed(failure) => Err(failure),
            Reply::Done { .. } | Reply::Refused(_) => {
                unreachable!("a question changes nothing and is not refused")
            }
        }
    }

    pub(crate) fn vitals(&self) -> &Vitals {
        self.submit.vitals()
    }

    /// Journal time, as far as it is known here, in milliseconds since 1970.
    pub(crate) fn journal_ms(&self) -> u64 {
        let intake = self.submit.intake();
        intake.clock().journal_ms_at(intake.now_us())
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.submit.release(self.origin);
    }
}
