//! Webhooks: their documents, replays, and what could not be delivered. What is sent, and when, is
//! not the rules' affair.

use super::check_reason;
use crate::query::Answer;
use crate::state::{Effect, State};
use crate::tables::{LockState, Order};
use crate::types::{
    DEAD_LETTERS_MAX, EventNo, Known, LockNo, OrderFacts, Outcome, PutWebhook, RecordDeadLetter,
    Refusal, RemoveWebhook, ReplayWebhook, RetryDeadLetter, SettleDeadLetter, Subject,
    VoucherFacts, VoucherNo, VoucherState, WEBHOOK_LEN_MAX, WEBHOOKS_MAX, Webhook, WebhookId,
};
use alloc::vec::Vec;

impl State {
    pub(crate) fn put_webhook(&mut self, seq: u64, put: &PutWebhook) -> Result<Effect, Refusal> {
        if put.document.len() > WEBHOOK_LEN_MAX {
            return Err(Refusal::InvalidField("document"));
        }
        let before = self.webhooks.get(&put.id);
        if before.is_some_and(|before| before.document == put.document) {
            return Err(Refusal::Unchanged);
        }
        if before.is_none() && self.webhooks.len() >= WEBHOOKS_MAX {
            return Err(Refusal::WebhookLimitReached);
        }

        let webhook = self.webhooks.entry(put.id.clone()).or_insert_with(|| Webhook {
            document: Vec::new(),
            version: 0,
            created_seq: seq,
            dead: Vec::new(),
            dead_dropped: 0,
        });
        webhook.version += 1;
        webhook.document.clone_from(&put.document);
        Ok(Effect::Done(Outcome::WebhookPut { version: webhook.version }))
    }

    pub(crate) fn remove_webhook(&mut self, remove: &RemoveWebhook) -> Result<Effect, Refusal> {
        self.webhooks.remove(&remove.id).ok_or(Refusal::WebhookNotFound)?;
        Ok(Effect::Done(Outcome::WebhookRemoved))
    }

    /// Nothing changes but the journal, in which whoever delivers finds it.
    pub(crate) fn replay_webhook(&mut self, replay: &ReplayWebhook) -> Result<Effect, Refusal> {
        self.webhooks.get(&replay.id).ok_or(Refusal::WebhookNotFound)?;
        if replay.after_seq > self.last_seq {
            return Err(Refusal::InvalidField("after_seq"));
        }
        Ok(Effect::Done(Outcome::WebhookReplayed))
    }

    pub(crate) fn record_dead_letter(
        &mut self,
        record: &RecordDeadLetter,
    ) -> Result<Effect, Refusal> {
        let RecordDeadLetter { id, letter } = record;
        if check_reason(&letter.error).is_err() {
            return Err(Refusal::InvalidField("error"));
        }
        if !(1..=self.last_seq).contains(&letter.event.seq) {
            return Err(Refusal::InvalidField("event"));
        }
        let webhook = self.webhooks.get_mut(id).ok_or(Refusal::WebhookNotFound)?;
        let place = webhook.dead.binary_search_by_key(&letter.event, |dead| dead.event);
        let Err(place) = place else { return Err(Refusal::Unchanged) };

        webhook.dead.insert(place, letter.clone());
        if webhook.dead.len() > DEAD_LETTERS_MAX {
            webhook.dead.remove(0);
            webhook.dead_dropped += 1;
        }
        Ok(Effect::Done(Outcome::DeadLetterRecorded))
    }

    pub(crate) fn retry_dead_letter(&mut self, retry: &RetryDeadLetter) -> Result<Effect, Refusal> {
        self.take_dead_letter(&retry.id, retry.event)?;
        Ok(Effect::Done(Outcome::DeadLetterRetried))
    }

    pub(crate) fn settle_dead_letter(
        &mut self,
        settle: &SettleDeadLetter,
    ) -> Result<Effect, Refusal> {
        self.take_dead_letter(&settle.id, settle.event)?;
        Ok(Effect::Done(Outcome::DeadLetterSettled))
    }

    fn take_dead_letter(&mut self, id: &WebhookId, event: EventNo) -> Result<(), Refusal> {
        let webhook = self.webhooks.get_mut(id).ok_or(Refusal::WebhookNotFound)?;
        let place = webhook.dead.binary_search_by_key(&event, |dead| dead.event);
        webhook.dead.remove(place.map_err(|_| Refusal::DeadLetterNotFound)?);
        Ok(())
    }

    pub(crate) fn webhooks_after(&self, after: Option<&WebhookId>, limit: usize) -> Answer {
        let later = self.webhooks.iter().filter(|(id, _)| Some(*id) > after);
        Answer::Webhooks(
            later.take(limit).map(|(id, webhook)| (id.clone(), webhook.clone())).collect(),
        )
    }

    pub(crate) fn known(&self, subject: Subject) -> Known {
        let voucher = |number| self.voucher_facts(number).map_or(Known::Nothing, Known::Voucher);
        match subject {
            Subject::Voucher(number) => voucher(number),
            Subject::Redemption(number) => self
                .redemptions
                .get(number.index())
                .map_or(Known::Nothing, |redemption| voucher(redemption.voucher)),
            Subject::Lock(number) => self.known_lock(number).unwrap_or(Known::Nothing),
            Subject::Order(number) => self
                .orders
                .get(number)
                .map_or(Known::Nothing, |order| Known::Order(self.order_facts(order))),
            Subject::Outlet(number) => {
                self.outlets.get(number).map_or(Known::Nothing, |outlet| Known::Outlet(outlet.id()))
            }
        }
    }

    fn known_lock(&self, number: LockNo) -> Option<Known> {
        let lock = self.locks.get(number.index())?;
        let expired = VoucherState::Expired;
        let is_over =
            matches!(lock.state(), LockState::Released(end) if end.voucher_state == expired);
        Some(Known::Lock { voucher: self.voucher_facts(lock.voucher)?, is_over })
    }

    fn voucher_facts(&self, number: VoucherNo) -> Option<VoucherFacts> {
        let voucher = self.vouchers.get(number.index())?;
        Some(VoucherFacts {
            voucher: number,
            user: voucher.user,
            campaign: self.campaigns[voucher.campaign.index()].definition.id.clone(),
            face_minor: voucher.face_minor,
        })
    }

    fn order_facts(&self, order: &Order) -> OrderFacts {
        OrderFacts {
            user: order.user,
            total_minor: order.total_minor,
            discount_minor: order.merchant_discount_minor + u64::from(order.subsidy_minor),
            payable_minor: order.payable_minor(),
            voucher: order.voucher().and_then(|voucher| self.voucher_facts(voucher)),
            end: order.end(),
        }
    }
}
