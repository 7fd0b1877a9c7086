//! A second, naive opinion on the rules, written from the design's words: plain maps, everything
//! recounted from scratch at every question. It is slow, and shares nothing with the handlers but
//! the types.

mod commands;
mod compensation;
mod orders;
mod outlets;
mod payments;
mod tickets;
mod webhooks;

use std::collections::BTreeMap;

pub(crate) use self::orders::Order;
use self::outlets::{Outlet, Promised, Quote};
use crate::pacing::Experience;
use crate::types::*;
use crate::{SetAside, Verdict};

const THREE_DAYS_MS: u64 = 3 * 24 * 3_600_000;

pub(crate) struct Campaign {
    pub definition: Definition,
    pub version: u32,
    pub state: CampaignState,
    funded: u64,
    returned: u64,
    pub aside: SetAside,
    pub compensated: Compensated,
}

pub(crate) struct Voucher {
    pub user: UserKey,
    pub campaign: usize,
    pub seq: u64,
    pub at_ms: u64,
    pub face: u64,
    pub apology: bool,
    until_ms: u64,
    /// As the last effective command left it; a live one may be overdue.
    state: VoucherState,
    pub lock: Option<u32>,
    pub redemption: Option<u32>,
    /// A tick has had it in hand after its time.
    swept: bool,
}

struct Lock {
    voucher: u32,
    at_ms: u64,
    until_ms: u64,
    held: bool,
    /// What a repeated release is told.
    released: Option<(u64, u64, VoucherState)>,
    of_order: bool,
}

pub(crate) struct Redemption {
    pub voucher: u32,
    pub seq: u64,
    pub at_ms: u64,
    pub bill: u64,
    pub discount: u64,
    pub until_ms: u64,
    settled: bool,
    swept: bool,
    pub undone: Option<(u64, u64, VoucherState)>,
    of_order: bool,
}

#[derive(Clone)]
struct Said {
    body: Command,
    seq: u64,
    at_ms: u64,
    outcome: Outcome,
}

#[derive(Default)]
pub(crate) struct Model {
    seq: u64,
    last_ms: u64,
    pub campaigns: Vec<Campaign>,
    pub vouchers: BTreeMap<u32, Voucher>,
    locks: BTreeMap<u32, Lock>,
    pub redemptions: BTreeMap<u32, Redemption>,
    requests: BTreeMap<RequestKey, Said>,
    references: BTreeMap<(&'static str, usize, String), Said>,
    /// By what tells an event from all others.
    events: BTreeMap<String, Said>,
    pub outlets: Vec<Outlet>,
    /// Those that are not closed.
    pub breakers: Vec<(BreakerOf, Breaker)>,
    /// Which order or offer has which kitchen's capacity.
    pub promised: Vec<Promised>,
    pub quotes: BTreeMap<u32, Quote>,
    pub orders: BTreeMap<u32, Order>,
    pub operations: Operations,
    pub webhooks: BTreeMap<WebhookId, Webhook>,
    /// What kitchens have taught.
    experience: Experience,
    /// From when until when; never forgotten.
    outages: Vec<(u64, u64)>,
}

/// What a handler comes to: an outcome, or a repeat of one.
type Came = Result<Result<Outcome, Said>, Refusal>;

fn count(len: usize) -> u32 {
    u32::try_from(len).expect("few")
}

fn face(minor: u64) -> u32 {
    u32::try_from(minor).expect("faces are small")
}

impl Model {
    pub(crate) fn apply(&mut self, now: u64, command: &Command) -> Verdict {
        let key = match command {
            Command::ClaimVoucher(claim) => {
                let campaign = self.campaigns.get(claim.campaign.index());
                let several = campaign.is_some_and(|c| c.definition.terms.voucher.per_user > 1);
                claim.request.filter(|_| several)
            }
            other => other.request(),
        };
        let body = body(command);
        let came = match key.and_then(|key| self.requests.get(&key)) {
            Some(said) if said.body == body => self.said_again(said).map(Err),
            Some(_) => Err(Refusal::IdempotencyKeyReused),
            None => self.decide(now, command),
        };
        match came {
            Err(refusal) => Verdict::Refused(refusal),
            Ok(Err(Said { seq, at_ms, outcome, .. })) => Verdict::Repeat { seq, at_ms, outcome },
            Ok(Ok(outcome)) => {
                self.seq += 1;
                self.last_ms = now;
                let said = Said { body, seq: self.seq, at_ms: now, outcome: outcome.clone() };
                if let Some(key) = key {
                    self.requests.insert(key, said.clone());
                }
                if let Some(name) = payments::event(command, &outcome) {
                    self.events.insert(name, Said { body: command.clone(), ..said.clone() });
                }
                if let Some(name) = self.reference(command) {
                    self.references.insert(name, said);
                }
                Verdict::Done(outcome)
            }
        }
    }

    fn decide(&mut self, now: u64, command: &Command) -> Came {
        match command {
            Command::ClaimVoucher(claim) => self.claim(now, claim),
            Command::LockVoucher(lock) => self.lock(now, lock, command),
            Command::ReleaseLock(release) => self.release(now, release.lock.0),
            Command::RedeemVoucher(redeem) => self.redeem(now, redeem, command),
            Command::RollBackRedemption(undo) => self.undo(now, undo.redemption.0),
            Command::RevokeVoucher(revoke) => self.revoke(now, revoke.voucher.0),
            Command::CreateCampaign(create) => {
                let definition = create.definition.clone();
                if self.campaigns.iter().any(|c| c.definition.id == definition.id) {
                    return Err(Refusal::CampaignExists);
                }
                self.campaigns.push(Campaign {
                    definition,
                    version: 1,
                    state: CampaignState::Draft,
                    funded: 0,
                    returned: 0,
                    aside: SetAside::default(),
                    compensated: Compensated::default(),
                });
                let campaign = CampaignNo(count(self.campaigns.len() - 1));
                Ok(Ok(Outcome::CampaignCreated { campaign }))
            }
            Command::ReplaceCampaign(replace) => self.replace(replace),
            Command::MoveBudget(budget) => self.budget(now, budget, command),
            Command::ChangeCampaignState(change) => {
                let number = self.by_id(&change.campaign)?;
                let is = self.state_of(now, number);
                let over = now >= self.campaigns[number].definition.terms.closes_at_ms;
                let state = match (change.change, is) {
                    (StateChange::Open, CampaignState::Draft) if over => {
                        return Err(Refusal::CampaignClosed);
                    }
                    (StateChange::Open, CampaignState::Draft) => CampaignState::Open,
                    (StateChange::Resume, CampaignState::Paused) => CampaignState::Open,
                    (StateChange::Pause, CampaignState::Open) => CampaignState::Paused,
                    (StateChange::Close, is) if is != CampaignState::Closed => {
                        CampaignState::Closed
                    }
                    _ => return Err(Refusal::CampaignStateConflict(is)),
                };
                self.campaigns[number].state = state;
                Ok(Ok(Outcome::CampaignStateChanged { state }))
            }
            Command::Tick(tick) => Ok(Ok(self.tick(now, tick.limit as usize))),
            Command::ResumeService(resume) => {
                // It was there at its last effective command.
                let from = resume.stopped_at_ms.max(self.last_ms);
                let outage_ms = now - from;
                if outage_ms >= 1_000 {
                    self.outages.push((from, now));
                }
                Ok(Ok(Outcome::ServiceResumed { outage_ms }))
            }
            Command::ActivateRules(_) => Err(Refusal::RulesUnknown),
            Command::ChangeLevel(change) => {
                let after = LevelSetting { level: change.level, by_hand: change.by_hand };
                let fixed = self.operations.setting.by_hand;
                match (change.by_hand, change.request) {
                    _ if !(1..=REASON_LEN_MAX).contains(&change.reason.len()) => {
                        Err(Refusal::InvalidField("reason"))
                    }
                    (true, None) => Err(Refusal::IdempotencyKeyMissing),
                    (false, _) if fixed => Err(Refusal::LevelByHand),
                    _ => self.set_level(now, after, &change.reason),
                }
            }
            Command::ReleaseLevel(release) => {
                if !(1..=REASON_LEN_MAX).contains(&release.reason.len()) {
                    return Err(Refusal::InvalidField("reason"));
                }
                let level = self.operations.setting.level;
                self.set_level(now, LevelSetting { level, by_hand: false }, &release.reason)
            }
            Command::ChangeLimit(change) => {
                let (before, after) = (self.operations.claims_per_s, change.claims_per_s);
                if !(1..=REASON_LEN_MAX).contains(&change.reason.len()) {
                    return Err(Refusal::InvalidField("reason"));
                }
                if after == Some(0) {
                    return Err(Refusal::InvalidField("claims_per_s"));
                }
                if before == after {
                    return Err(Refusal::Unchanged);
                }
                let limit_reason = change.reason.clone();
                let is = &mut self.operations;
                (is.claims_per_s, is.limit_since_ms, is.limit_reason) = (after, now, limit_reason);
                Ok(Ok(Outcome::LimitChanged { before, after }))
            }
            Command::PutOutlet(put) => self.put_outlet(put),
            Command::PauseOutlet(ask) => self.pause(now, ask),
            Command::ResumeOutlet(ask) => self.resume_outlet(now, ask),
            Command::PlaceOrder(place) => self.place(now, place),
            Command::RecordPayment(ask) => self.payment(now, ask, command),
            Command::RecordRefund(ask) => self.refund_result(now, *ask, command),
            Command::MoveTicket(ask) => self.ticket(now, *ask),
            Command::CancelOrder(ask) => self.cancel(now, ask),
            Command::RefundOrder(ask) => self.refund(now, ask, command),
            Command::SetStaffing(ask) => self.staff(*ask),
            Command::RecordWalkIns(ask) => self.walk_ins(now, *ask),
            Command::QuoteOrder(ask) => self.quote(now, ask),
            Command::SettleDispute(ask) => self.settle(ask),
            Command::ChangeBreaker(ask) => self.change_breaker(now, ask),
            Command::PutWebhook(_)
            | Command::RemoveWebhook(_)
            | Command::ReplayWebhook(_)
            | Command::RecordDeadLetter(_)
            | Command::RetryDeadLetter(_)
            | Command::SettleDeadLetter(_) => self.webhook(command),
        }
    }

    fn set_level(&mut self, now: u64, after: LevelSetting, reason: &str) -> Came {
        let before = self.operations.setting;
        if before == after {
            return Err(Refusal::Unchanged);
        }
        let is = &mut self.operations;
        (is.setting, is.since_ms, is.reason) = (after, now, reason.into());
        Ok(Ok(Outcome::LevelChanged { before, after }))
    }

    // Time.

    /// The end of what was made at an instant, with the grace of every outage that touched it.
    fn graced(&self, made_ms: u64, end_ms: u64) -> u64 {
        let mut end_ms = end_ms;
        for (from, until) in &self.outages {
            if made_ms <= *from && end_ms > *from && end_ms < until + (until - from) {
                end_ms = until + (until - from);
            }
        }
        end_ms
    }

    pub(crate) fn voucher_end(&self, voucher: &Voucher) -> u64 {
        self.graced(voucher.at_ms, voucher.until_ms)
    }

    pub(crate) fn lock_count(&self) -> usize {
        self.locks.len()
    }

    pub(crate) fn is_of_order(&self, lock: u32) -> bool {
        self.locks[&lock].of_order
    }

    pub(crate) fn lock_end(&self, number: u32) -> u64 {
        let lock = &self.locks[&number];
        self.graced(lock.at_ms, lock.until_ms)
    }

    pub(crate) fn undo_end(&self, redemption: &Redemption) -> u64 {
        self.graced(redemption.at_ms, redemption.until_ms)
    }

    pub(crate) fn voucher_state(&self, now: u64, voucher: &Voucher) -> VoucherState {
        let live = || match self.voucher_end(voucher) > now {
            true => VoucherState::Live,
            false => VoucherState::Expired,
        };
        match (voucher.state, voucher.lock) {
            (VoucherState::Locked, Some(lock)) if self.lock_end(lock) > now => VoucherState::Locked,
            (VoucherState::Locked | VoucherState::Live, _) => live(),
            (state, _) => state,
        }
    }

    pub(crate) fn state_of(&self, now: u64, number: usize) -> CampaignState {
        let campaign = &self.campaigns[number];
        let over = now >= campaign.definition.terms.closes_at_ms;
        match campaign.state {
            CampaignState::Open | CampaignState::Paused if over => CampaignState::Closed,
            state => state,
        }
    }

    /// Instants to come at which something ends or begins, soonest first.
    pub(crate) fn ends_after(&self, now: u64) -> Vec<u64> {
        let mut ends: Vec<u64> = Vec::new();
        for campaign in &self.campaigns {
            let terms = &campaign.definition.terms;
            ends.extend([terms.opens_at_ms, terms.closes_at_ms]);
        }
        let live = |voucher: &&Voucher| voucher.state == VoucherState::Live;
        ends.extend(self.vouchers.values().filter(live).map(|voucher| self.voucher_end(voucher)));
        let held = self.locks.iter().filter(|(_, lock)| lock.held);
        ends.extend(held.map(|(number, _)| self.lock_end(*number)));
        let lasting = self.redemptions.values().filter(|redemption| redemption.undone.is_none());
        ends.extend(lasting.map(|redemption| self.undo_end(redemption)));
        ends.extend(self.orders.values().filter_map(|order| self.due(order)));
        ends.extend(self.outlets.iter().filter_map(|outlet| outlet.pause.as_ref()?.0));
        let held = self.quotes.values().filter(|quote| !quote.over);
        ends.extend(held.map(|quote| self.quote_end(quote)));
        ends.extend(self.requests.values().map(|said| said.at_ms + THREE_DAYS_MS));
        ends.retain(|end| *end > now);
        ends.sort_unstable();
        ends
    }

    fn tick(&mut self, now: u64, limit: usize) -> Outcome {
        let mut swept = Swept::default();
        let held = self.locks.iter().filter(|(_, lock)| lock.held).map(|(number, _)| *number);
        let mut due: Vec<(u64, u32)> = held.map(|number| (self.lock_end(number), number)).collect();
        due.retain(|(end, _)| *end <= now);
        due.sort_unstable();
        for (_, number) in due.into_iter().take(limit) {
            self.let_go(now, number);
            swept.locks.push(LockNo(number));
        }
        let orders = self.tick_orders(now, limit);
        let mut steps = 0;
        for campaign in 0..self.campaigns.len() {
            for number in 0..count(self.vouchers.len()) {
                let voucher = &self.vouchers[&number];
                if voucher.campaign != campaign || voucher.swept {
                    continue;
                }
                if steps == limit || self.voucher_end(voucher) > now {
                    break;
                }
                steps += 1;
                let voucher = self.vouchers.get_mut(&number).expect("known");
                voucher.swept = true;
                if voucher.state == VoucherState::Live {
                    voucher.state = VoucherState::Expired;
                    swept.vouchers.push(VoucherNo(number));
                }
            }
            for number in 0..count(self.redemptions.len()) {
                let redemption = &self.redemptions[&number];
                let of = self.vouchers[&redemption.voucher].campaign;
                if of != campaign || redemption.swept {
                    continue;
                }
                if steps == limit || self.undo_end(redemption) > now {
                    break;
                }
                steps += 1;
                let kept_open = self.is_kept_open(number);
                let redemption = self.redemptions.get_mut(&number).expect("known");
                redemption.swept = true;
                if !redemption.settled && redemption.undone.is_none() && !kept_open {
                    redemption.settled = true;
                    swept.redemptions.push(RedemptionNo(number));
                }
            }
        }
        let mut old: Vec<(u64, RequestKey)> =
            self.requests.iter().map(|(key, said)| (said.seq, *key)).collect();
        old.retain(|(_, key)| self.requests[key].at_ms + THREE_DAYS_MS < now);
        old.sort_unstable();
        for (_, key) in old.into_iter().take(limit) {
            self.requests.remove(&key);
        }
        self.forget_quotes(limit);
        let swept = Box::new(swept);
        match orders.is_empty() {
            true => Outcome::Ticked(swept),
            false => Outcome::TickedWithOrders { swept, orders: Box::new(orders) },
        }
    }

    // Money, recounted.

    pub(crate) fn money(&self, number: usize) -> Money {
        let campaign = &self.campaigns[number];
        let of = |voucher: &&Voucher| voucher.campaign == number;
        let in_state = |state: VoucherState| -> u64 {
            let vouchers = self.vouchers.values().filter(of);
            vouchers.filter(|voucher| voucher.state == state).map(|voucher| voucher.face).sum()
        };
        let lasting = self.redemptions.values().filter(|redemption| {
            redemption.undone.is_none() && self.vouchers[&redemption.voucher].campaign == number
        });
        let (mut spent, mut rests) = (campaign.compensated.outlets_minor, 0);
        for redemption in lasting {
            spent += redemption.discount;
            if !redemption.settled {
                rests += self.vouchers[&redemption.voucher].face - redemption.discount;
            }
        }
        let reserved = in_state(VoucherState::Live) + rests;
        let in_flight = in_state(VoucherState::Locked);
        Money {
            funded_minor: campaign.funded,
            available_minor: campaign.funded - campaign.returned - reserved - in_flight - spent,
            reserved_minor: reserved,
            in_flight_minor: in_flight,
            escrowed_minor: 0,
            owed_minor: 0,
            spent_minor: spent,
            returned_minor: campaign.returned,
        }
    }

    pub(crate) fn counts(&self, number: usize) -> Counts {
        let of: Vec<VoucherState> =
            self.vouchers.values().filter(|v| v.campaign == number).map(|v| v.state).collect();
        let in_state = |state| of.iter().filter(|is| **is == state).count() as u64;
        Counts {
            claims: of.len() as u64 - self.campaigns[number].compensated.apologies,
            live: in_state(VoucherState::Live),
            locked: in_state(VoucherState::Locked),
            redeemed: in_state(VoucherState::Redeemed),
            expired: in_state(VoucherState::Expired),
            revoked: in_state(VoucherState::Revoked),
        }
    }

    fn free_minor(&self, number: usize) -> u64 {
        let aside = &self.campaigns[number].aside;
        let set_aside = aside.invites_minor + aside.envelopes_minor + aside.compensation_minor;
        self.money(number).available_minor - set_aside
    }
}

/// What was asked, without the key that it was asked under and without what a gate adds.
fn body(command: &Command) -> Command {
    let mut body = command.clone();
    let none = RequestKey([0; 16]);
    match &mut body {
        Command::ClaimVoucher(claim) => {
            claim.request = None;
            claim.terms_version = 0;
        }
        Command::LockVoucher(lock) => lock.request = none,
        Command::RedeemVoucher(redeem) => redeem.request = none,
        Command::RollBackRedemption(undo) => undo.request = none,
        Command::RevokeVoucher(revoke) => revoke.request = none,
        Command::CreateCampaign(create) => create.request = none,
        Command::MoveBudget(budget) => budget.request = none,
        Command::ChangeCampaignState(change) => change.request = none,
        Command::ChangeLevel(change) => change.request = None,
        Command::ReleaseLevel(release) => release.request = none,
        Command::ChangeLimit(change) => change.request = none,
        Command::PauseOutlet(pause) => pause.request = none,
        Command::ResumeOutlet(resume) => resume.request = none,
        Command::PlaceOrder(place) => **place = PlaceOrder::again(none, place.asked),
        Command::CancelOrder(cancel) => cancel.request = none,
        Command::RefundOrder(refund) => refund.request = none,
        Command::SetStaffing(staffing) => staffing.request = none,
        Command::RecordWalkIns(record) => record.request = none,
        Command::QuoteOrder(quote) => **quote = QuoteOrder::again(none, quote.asked),
        Command::SettleDispute(settle) => settle.request = none,
        Command::ReplayWebhook(replay) => replay.request = none,
        Command::RetryDeadLetter(retry) => retry.request = none,
        _ => {}
    }
    body
}
