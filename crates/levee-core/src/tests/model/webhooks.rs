//! Webhooks, from the design's words.

use super::{Came, Model};
use crate::types::*;

impl Model {
    pub(super) fn webhook(&mut self, command: &Command) -> Came {
        let seq = self.seq + 1;
        match command {
            Command::PutWebhook(put) => {
                if put.document.len() > WEBHOOK_LEN_MAX {
                    return Err(Refusal::InvalidField("document"));
                }
                let is_full = self.webhooks.len() == WEBHOOKS_MAX;
                match self.webhooks.get_mut(&put.id) {
                    Some(webhook) if webhook.document == put.document => Err(Refusal::Unchanged),
                    Some(webhook) => {
                        webhook.document = put.document.clone();
                        webhook.version += 1;
                        Ok(Ok(Outcome::WebhookPut { version: webhook.version }))
                    }
                    None if is_full => Err(Refusal::WebhookLimitReached),
                    None => {
                        let (document, dead) = (put.document.clone(), Vec::new());
                        let (version, created_seq, dead_dropped) = (1, seq, 0);
                        let made = Webhook { document, version, created_seq, dead, dead_dropped };
                        self.webhooks.insert(put.id.clone(), made);
                        Ok(Ok(Outcome::WebhookPut { version }))
                    }
                }
            }
            Command::RemoveWebhook(remove) => match self.webhooks.remove(&remove.id) {
                Some(_) => Ok(Ok(Outcome::WebhookRemoved)),
                None => Err(Refusal::WebhookNotFound),
            },
            Command::ReplayWebhook(replay) if !self.webhooks.contains_key(&replay.id) => {
                Err(Refusal::WebhookNotFound)
            }
            Command::ReplayWebhook(replay) if replay.after_seq >= seq => {
                Err(Refusal::InvalidField("after_seq"))
            }
            Command::ReplayWebhook(_) => Ok(Ok(Outcome::WebhookReplayed)),
            Command::RecordDeadLetter(record) => {
                let letter = &record.letter;
                if !(1..=REASON_LEN_MAX).contains(&letter.error.len()) {
                    return Err(Refusal::InvalidField("error"));
                }
                if letter.event.seq == 0 || letter.event.seq >= seq {
                    return Err(Refusal::InvalidField("event"));
                }
                let webhook = self.webhooks.get_mut(&record.id);
                let webhook = webhook.ok_or(Refusal::WebhookNotFound)?;
                if webhook.dead.iter().any(|dead| dead.event == letter.event) {
                    return Err(Refusal::Unchanged);
                }
                webhook.dead.push(letter.clone());
                webhook.dead.sort_by_key(|dead| dead.event);
                if webhook.dead.len() > DEAD_LETTERS_MAX {
                    webhook.dead.remove(0);
                    webhook.dead_dropped += 1;
                }
                Ok(Ok(Outcome::DeadLetterRecorded))
            }
            Command::RetryDeadLetter(retry) => {
                let webhook = self.webhooks.get_mut(&retry.id);
                let webhook = webhook.ok_or(Refusal::WebhookNotFound)?;
                let before = webhook.dead.len();
                webhook.dead.retain(|dead| dead.event != retry.event);
                if webhook.dead.len() == before {
                    return Err(Refusal::DeadLetterNotFound);
                }
                Ok(Ok(Outcome::DeadLetterRetried))
            }
            Command::SettleDeadLetter(settle) => {
                let webhook = self.webhooks.get_mut(&settle.id);
                let webhook = webhook.ok_or(Refusal::WebhookNotFound)?;
                let before = webhook.dead.len();
                webhook.dead.retain(|dead| dead.event != settle.event);
                if webhook.dead.len() == before {
                    return Err(Refusal::DeadLetterNotFound);
                }
                Ok(Ok(Outcome::DeadLetterSettled))
            }
            other => unreachable!("not about webhooks: {other:?}"),
        }
    }
}
