//! Asking the engine.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use levee_api::port::{
    Answer, Ask, AskBody, Deliver, Failure, Origin, Priority, Query, Reply, Submit,
};
use levee_api::types::{
    Command, Known, RecordDeadLetter, Subject, WEBHOOKS_MAX, Webhook, WebhookId,
};
use levee_api::vitals::Vitals;
use tokio::sync::oneshot;

/// Nobody waits longer than this for an ask; it is asked again then.
const WITHIN_MS: u32 = 30_000;

type Waiting = Mutex<HashMap<u64, oneshot::Sender<Reply>>>;

/// Replies on their way to those who asked.
#[derive(Default)]
struct Replies(Waiting);

impl Deliver for Replies {
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

/// The engine, as delivery sees it.
pub(super) struct Engine {
    submit: Arc<dyn Submit>,
    origin: Origin,
    replies: Arc<Replies>,
    next: AtomicU64,
}

impl Engine {
    pub(super) fn new(submit: Arc<dyn Submit>) -> Self {
        let replies = Arc::new(Replies::default());
        let origin = submit.register(Arc::clone(&replies) as Arc<dyn Deliver>);
        Self { submit, origin, replies, next: AtomicU64::new(0) }
    }

    async fn ask(&self, priority: Priority, body: AskBody) -> Reply {
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        let (asker, reply) = oneshot::channel();
        let waiting = || self.replies.0.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// Nobody waits for webhooks, so users' own asks go before these.
    async fn query(&self, query: Query) -> Result<Answer, Failure> {
        match self.ask(Priority::Browse, AskBody::Query(query)).await {
            Reply::Answer(answer) => Ok(*answer),
            Reply::Failed(failure) => Err(failure),
            Reply::Done { .. } | Reply::Refused(_) => {
                unreachable!("a question changes nothing and is not refused")
            }
        }
    }

    pub(super) async fn webhooks(&self) -> Result<Vec<(WebhookId, Webhook)>, Failure> {
        let limit = u32::try_from(WEBHOOKS_MAX).expect("few");
        match self.query(Query::Webhooks { after: None, limit }).await? {
            Answer::Webhooks(webhooks) => Ok(webhooks),
            other => unreachable!("an answer to another question: {other:?}"),
        }
    }

    pub(super) async fn known(&self, subjects: Vec<Subject>) -> Result<Vec<Known>, Failure> {
        match self.query(Query::Known(subjects)).await? {
            Answer::Known(known) => Ok(known),
            other => unreachable!("an answer to another question: {other:?}"),
        }
    }

    /// Puts a dead letter on the list. A refusal says that it is there, or its webhook gone.
    pub(super) async fn record(&self, record: RecordDeadLetter) -> Result<(), Failure> {
        let command = Command::RecordDeadLetter(Box::new(record));
        match self.ask(Priority::Callback, AskBody::Command(command)).await {
            Reply::Done { .. } | Reply::Refused(_) => Ok(()),
            Reply::Failed(failure) => Err(failure),
            Reply::Answer(_) => unreachable!("a command is not answered as a question"),
        }
    }

    pub(super) fn vitals(&self) -> &Vitals {
        self.submit.vitals()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.submit.release(self.origin);
    }
}
