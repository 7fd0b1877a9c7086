//! Webhooks: what is said of each one follows on what was said of it before.

use std::collections::{BTreeMap, BTreeSet};

use levee_core::types::{
    Command, DEAD_LETTERS_MAX, EventNo, Outcome, WEBHOOK_LEN_MAX, WEBHOOKS_MAX, WebhookId,
};

use super::recount::Recount;
use super::report::Notes;

/// One webhook, as far as the journal has told of it.
#[derive(Debug, Default)]
pub(super) struct Webhook {
    version: u32,
    document: Vec<u8>,
    dead: BTreeSet<EventNo>,
}

impl Webhook {
    /// What is delivered again, or was after all, is a dead letter no more.
    fn end_dead_letter(&mut self, event: EventNo, notes: &mut Notes) {
        let was_there = self.dead.remove(&event);
        notes.check(was_there, || format!("{event:?} is no dead letter"));
    }
}

pub(super) type Webhooks = BTreeMap<WebhookId, Webhook>;

impl Recount {
    /// Whether it was about webhooks.
    pub(super) fn webhook(&mut self, seq: u64, command: &Command, outcome: &Outcome) -> bool {
        let (webhooks, notes) = (&mut self.webhooks, &mut self.notes);
        let id = match (command, outcome) {
            (Command::PutWebhook(put), Outcome::WebhookPut { version }) => {
                let len = put.document.len();
                notes.check(len <= WEBHOOK_LEN_MAX, || {
                    format!("a webhook's document of {len} bytes")
                });
                let webhook = webhooks.entry(put.id.clone()).or_default();
                let expected = webhook.version + 1;
                notes.check(*version == expected, || {
                    format!("version {expected} of the webhook {} is called {version}", put.id)
                });
                notes.check(expected == 1 || webhook.document != put.document, || {
                    format!("the webhook {} has this document already", put.id)
                });
                webhook.version = expected;
                webhook.document.clone_from(&put.document);
                let count = webhooks.len();
                notes.check(count <= WEBHOOKS_MAX, || format!("{count} webhooks"));
                return true;
            }
            (Command::RemoveWebhook(remove), Outcome::WebhookRemoved) => &remove.id,
            (Command::ReplayWebhook(replay), Outcome::WebhookReplayed) => {
                notes.check(replay.after_seq < seq, || {
                    format!("a replay after {}, which is not there yet", replay.after_seq)
                });
                &replay.id
            }
            (Command::RecordDeadLetter(record), Outcome::DeadLetterRecorded) => &record.id,
            (Command::RetryDeadLetter(retry), Outcome::DeadLetterRetried) => &retry.id,
            (Command::SettleDeadLetter(settle), Outcome::DeadLetterSettled) => &settle.id,
            _ => return false,
        };
        let Some(webhook) = webhooks.get_mut(id) else {
            notes.note(format!("there is no webhook {id}"));
            return true;
        };
        match command {
            Command::RecordDeadLetter(record) => {
                let event = record.letter.event;
                notes.check((1..seq).contains(&event.seq), || {
                    format!("a dead letter of {event:?}, which is not there yet")
                });
                let is_new = webhook.dead.insert(event);
                notes.check(is_new, || format!("{event:?} is a dead letter already"));
                if webhook.dead.len() > DEAD_LETTERS_MAX {
                    webhook.dead.pop_first();
                }
            }
            Command::RetryDeadLetter(retry) => webhook.end_dead_letter(retry.event, notes),
            Command::SettleDeadLetter(settle) => webhook.end_dead_letter(settle.event, notes),
            Command::RemoveWebhook(remove) => drop(webhooks.remove(&remove.id)),
            _ => {}
        }
        true
    }
}
