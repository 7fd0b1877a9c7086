//! What delivery asks the engine.

use std::sync::Arc;

use levee_api::port::{Answer, Failure, Priority, Query, Submit};
use levee_api::types::{
    Command, EventNo, Known, RecordDeadLetter, SettleDeadLetter, Subject, WEBHOOKS_MAX, Webhook,
    WebhookId,
};
use levee_api::vitals::Vitals;

use crate::asking::Asking;

/// The engine, as delivery sees it.
pub(super) struct Engine(Asking);

impl Engine {
    pub(super) fn new(submit: Arc<dyn Submit>) -> Self {
        Self(Asking::new(submit))
    }

    /// Nobody waits for webhooks, so users' own asks go before these.
    async fn query(&self, query: Query) -> Result<Answer, Failure> {
        self.0.query(Priority::Browse, query).await
    }

    pub(super) async fn webhooks(&self) -> Result<Vec<(WebhookId, Webhook)>, Failure> {
        let limit = u32::try_from(WEBHOOKS_MAX).expect("few");
        match self.query(Query::Webhooks { after: None, limit }).await? {
            Answer::Webhooks(webhooks) => Ok(webhooks),
            other => unreachable!("an answer to another question: {other:?}"),
        }
    }

    /// What is fixed of these, each in its place; at most [`levee_api::port::LIST_MAX`].
    pub(super) async fn known(&self, subjects: Vec<Subject>) -> Result<Vec<Known>, Failure> {
        match self.query(Query::Known(subjects)).await? {
            Answer::Known(known) => Ok(known),
            other => unreachable!("an answer to another question: {other:?}"),
        }
    }

    /// Puts a dead letter on the list. A refusal says that it is there, or its webhook gone.
    pub(super) async fn record(&self, record: RecordDeadLetter) -> Result<(), Failure> {
        self.0.say(Command::RecordDeadLetter(Box::new(record))).await.map(|_| ())
    }

    /// Takes an event off the list that was delivered after all. A refusal says that it is not there, or
    /// its webhook gone.
    pub(super) async fn settle(&self, id: &WebhookId, event: EventNo) -> Result<(), Failure> {
        let settle = SettleDeadLetter { id: id.clone(), event };
        self.0.say(Command::SettleDeadLetter(settle)).await.map(|_| ())
    }

    pub(super) fn vitals(&self) -> &Vitals {
        self.0.vitals()
    }

    pub(super) fn journal_ms(&self) -> u64 {
        self.0.journal_ms()
    }
}
