//! The state, and the one way to change it.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use crate::books::{OrderBook, OutletBook, QuoteBook};
use crate::deadlines::Deadlines;
use crate::pacing::{Experience, Pace};
use crate::rules::{RuleBook, Rules};
use crate::tables::{
    Answer, Answers, Budgets, Lock, Redemption, Store, Table, UserIndex, Voucher, put_all,
};
use crate::types::{
    CampaignId, CampaignNo, CampaignState, Command, Compensated, Counts, Definition, LockNo, Money,
    Operations, Outcome, Purpose, RedemptionNo, Refusal, RequestKey, VoucherNo, Webhook, WebhookId,
    Wire,
};

/// Most campaigns of one installation; bounds the work of a tick.
pub const CAMPAIGNS_MAX: usize = 10_000;

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It had an effect: the journal must keep it.
    Done(Outcome),
    /// It had this effect before; nothing changed now.
    Repeat {
        /// Sequence number of the first time.
        seq: u64,
        /// Time of the first time.
        at_ms: u64,
        /// What came of it then.
        outcome: Outcome,
    },
    /// It had none, and left no trace.
    Refused(Refusal),
}

/// What a handler returns when it does not refuse.
pub(crate) enum Effect {
    Done(Outcome),
    Repeat { seq: u64, at_ms: u64, outcome: Outcome },
}

/// Parts of `available` that are set aside for a purpose, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetAside {
    /// For invite rewards.
    pub invites_minor: u64,
    /// For red envelopes.
    pub envelopes_minor: u64,
    /// For apologies and payments to outlets.
    pub compensation_minor: u64,
}

impl SetAside {
    fn sum(&self) -> u64 {
        let parts = [self.invites_minor, self.envelopes_minor, self.compensation_minor];
        parts.iter().try_fold(0_u64, |sum, part| sum.checked_add(*part)).expect("within available")
    }

    /// The part for a purpose; none for vouchers, which take what is not set aside.
    pub(crate) fn part(&mut self, purpose: Purpose) -> Option<&mut u64> {
        match purpose {
            Purpose::Vouchers => None,
            Purpose::Invites => Some(&mut self.invites_minor),
            Purpose::Envelopes => Some(&mut self.envelopes_minor),
            Purpose::Compensation => Some(&mut self.compensation_minor),
        }
    }
}

/// One campaign with its money.
#[derive(Clone, Debug)]
pub(crate) struct Campaign {
    pub definition: Arc<Definition>,
    pub version: u32,
    pub state: CampaignState,
    pub created_at_ms: u64,
    pub money: Money,
    pub set_aside: SetAside,
    pub counts: Counts,
    pub compensated: Compensated,
    /// Sums kept beside the buckets, so that a slip in one of them is seen at once.
    pub live_face_minor: u64,
    pub locked_face_minor: u64,
    pub open_rests_minor: u64,
    /// Front of the line in which vouchers expire, and its end.
    pub next_to_expire: Option<VoucherNo>,
    pub last_issued: Option<VoucherNo>,
    /// Front of the line in which redemptions settle, and its end.
    pub next_to_settle: Option<RedemptionNo>,
    pub last_redeemed: Option<RedemptionNo>,
}

impl Campaign {
    /// Free for new vouchers.
    pub(crate) fn available_for_vouchers_minor(&self) -> u64 {
        let free = self.money.available_minor.checked_sub(self.set_aside.sum());
        free.expect("what is set aside is a part of what is available")
    }

    /// The money invariants of one campaign; a broken one must stop the engine.
    #[track_caller]
    pub(crate) fn assert_sound(&self) {
        let money = &self.money;
        assert!(money.adds_up(), "buckets must sum up to what was funded: {money:?}");
        assert_eq!(
            money.reserved_minor,
            self.live_face_minor + self.open_rests_minor,
            "reserved must be the face of live vouchers and the open rests"
        );
        assert_eq!(
            money.in_flight_minor, self.locked_face_minor,
            "in flight must be the face of locked vouchers"
        );
        assert!(self.set_aside.sum() <= money.available_minor, "set aside must be available");
        assert!(
            self.counts.add_up(self.compensated.apologies),
            "a voucher is in one state: {:?}",
            self.counts
        );
    }
}

/// Moves an amount between two buckets; a bucket that does not hold it breaks an invariant.
#[track_caller]
pub(crate) fn shift(from: &mut u64, to: &mut u64, amount_minor: u64) {
    take(from, amount_minor);
    *to = to.checked_add(amount_minor).expect("buckets are bounded by what was funded");
}

#[track_caller]
pub(crate) fn take(from: &mut u64, amount_minor: u64) {
    *from = from.checked_sub(amount_minor).expect("a bucket must hold what is taken from it");
}

/// A time in which the service was not there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outage {
    pub from_ms: u64,
    pub until_ms: u64,
}

impl Outage {
    /// End of the grace that it gives: as long again after the return as the service was gone.
    pub(crate) fn grace_until_ms(self) -> u64 {
        self.until_ms.saturating_add(self.until_ms - self.from_ms)
    }

    /// The end, with this outage's grace, of what was made before it.
    pub(crate) fn graced_ms(self, end_ms: u64) -> u64 {
        if end_ms > self.from_ms { end_ms.max(self.grace_until_ms()) } else { end_ms }
    }
}

/// Everything that the rules know. Made by applying commands, and by nothing else.
#[derive(Debug)]
pub struct State {
    pub(crate) book: RuleBook,
    pub(crate) rules: &'static Rules,
    pub(crate) last_seq: u64,
    pub(crate) last_ms: u64,
    pub(crate) campaigns: Vec<Campaign>,
    pub(crate) by_id: BTreeMap<CampaignId, CampaignNo>,
    pub(crate) vouchers: Table<Voucher>,
    pub(crate) users: UserIndex,
    pub(crate) redemptions: Table<Redemption>,
    pub(crate) locks: Table<Lock>,
    /// Held locks by the time at which they end, [`Lock::until_ms`].
    pub(crate) held: Deadlines<LockNo, 1>,
    pub(crate) requests: Answers,
    pub(crate) references: Answers,
    pub(crate) budgets: Budgets,
    pub(crate) outlets: OutletBook,
    pub(crate) orders: OrderBook,
    pub(crate) quotes: QuoteBook,
    /// Memory that tables and indexes will grow into.
    pub(crate) store: Store,
    /// Whose grace may still matter, in the order in which they were.
    pub(crate) outages: Vec<Outage>,
    pub(crate) operations: Operations,
    pub(crate) webhooks: BTreeMap<WebhookId, Webhook>,
    /// What kitchens have taught about new ones.
    pub(crate) experience: Experience,
    /// Where a command's bytes are put to be digested.
    scratch: Vec<u8>,
}

impl State {
    /// Nothing yet, under the first rules of the book.
    #[must_use]
    pub fn new(book: RuleBook) -> Self {
        Self {
            book,
            rules: book.first(),
            last_seq: 0,
            last_ms: 0,
            campaigns: Vec::new(),
            by_id: BTreeMap::new(),
            vouchers: Table::new(0),
            users: UserIndex::default(),
            redemptions: Table::new(1),
            locks: Table::new(2),
            held: Deadlines::new(),
            requests: Answers::new(3),
            references: Answers::new(4),
            budgets: Budgets::new(),
            outlets: OutletBook::new(5, 6),
            orders: OrderBook::new(7),
            quotes: QuoteBook::new(8),
            store: Store::default(),
            outages: Vec::new(),
            operations: Operations::default(),
            webhooks: BTreeMap::new(),
            experience: Experience::DEFAULT,
            scratch: Vec::new(),
        }
    }

    /// Sequence number of the last command that had an effect; 0 before the first.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// How often what is to be done outside for an order has changed to something, orders of a restored
    /// state counted once each. Where it is the same as before,
    /// [`Query::Undone`](crate::query::Query::Undone) has nothing new.
    #[must_use]
    pub fn undone_changes(&self) -> u64 {
        self.orders.lists.undone_changes()
    }

    /// Time of the last command that had an effect, in milliseconds since 1970.
    #[must_use]
    pub fn last_ms(&self) -> u64 {
        self.last_ms
    }

    /// Version of the rules that hold now.
    #[must_use]
    pub fn rules_version(&self) -> u16 {
        self.rules.version
    }

    /// How kitchens promise by the rules that hold now, and by what kitchens have taught.
    pub(crate) fn pace(&self) -> Pace {
        (self.rules.pace)(self.experience)
    }

    /// What is set for the whole installation.
    #[must_use]
    pub fn operations(&self) -> &Operations {
        &self.operations
    }

    /// Decides over one command at `now_ms`, and takes `seq` if it has an effect.
    ///
    /// All checks precede the first write, the look-up of repeats first of all, so a refusal leaves
    /// no trace.
    ///
    /// # Panics
    /// When an invariant breaks, when `seq` is not the next one, or when time goes back: the state
    /// must not be used, and nothing of it acknowledged, after that.
    pub fn apply(&mut self, now_ms: u64, seq: u64, command: &Command) -> Verdict {
        assert_eq!(seq, self.last_seq + 1, "sequence numbers are dense");
        assert!(now_ms >= self.last_ms, "journal time never goes back");

        let request = command.request().filter(|_| self.is_keyed(command));
        let body = request.map_or(0, |_| command.body_digest_in(&mut self.scratch));
        if let Some(verdict) = request.and_then(|request| self.answered_request(request, body)) {
            return verdict;
        }
        match self.decide(now_ms, seq, body, command) {
            Err(refusal) => Verdict::Refused(refusal),
            Ok(Effect::Repeat { seq, at_ms, outcome }) => Verdict::Repeat { seq, at_ms, outcome },
            Ok(Effect::Done(outcome)) => {
                self.last_seq = seq;
                self.last_ms = now_ms;
                if let Some(request) = request {
                    let answer = Answer { body, seq, at_ms: now_ms, outcome: outcome.clone() };
                    let (budgets, store) = (&mut self.budgets, &mut self.store);
                    self.requests.insert(request.0, &answer, budgets, store);
                }
                Verdict::Done(outcome)
            }
        }
    }

    /// What a command is told that was done before, looked up without deciding anything: for an
    /// engine that cannot write just now. Knows request keys, and claims where a user may have one.
    #[must_use]
    pub fn earlier(&self, command: &Command) -> Option<Verdict> {
        match (command, command.request().filter(|_| self.is_keyed(command))) {
            (_, Some(request)) => self.answered_request(request, command.body_digest()),
            (Command::ClaimVoucher(claim), None) => match self.claimed_before(claim)? {
                Effect::Repeat { seq, at_ms, outcome } => {
                    Some(Verdict::Repeat { seq, at_ms, outcome })
                }
                Effect::Done(_) => None,
            },
            _ => None,
        }
    }

    fn answered_request(&self, request: RequestKey, body: u64) -> Option<Verdict> {
        let answer = self.requests.get(request.0, &self.budgets)?;
        if answer.body != body {
            return Some(Verdict::Refused(Refusal::IdempotencyKeyReused));
        }
        let Answer { seq, at_ms, mut outcome, .. } = answer;
        if let Outcome::Quoted(quoted) = &mut outcome {
            let Some(quote) = self.quotes.get(quoted.quote) else {
                return Some(Verdict::Refused(Refusal::OfferExpired));
            };
            quoted.offers = quote.offers();
            (quoted.total_minor, quoted.discount_minor) = (quote.total_minor, quote.discount_minor);
        }
        Some(Verdict::Repeat { seq, at_ms, outcome })
    }

    /// `body` is the command's digest, where it is keyed.
    fn decide(
        &mut self,
        now_ms: u64,
        seq: u64,
        body: u64,
        command: &Command,
    ) -> Result<Effect, Refusal> {
        match command {
            Command::ClaimVoucher(claim) => self.claim_voucher(now_ms, seq, claim),
            Command::LockVoucher(lock) => self.lock_voucher(now_ms, seq, lock, body),
            Command::ReleaseLock(release) => self.release_lock(now_ms, seq, *release),
            Command::RedeemVoucher(redeem) => self.redeem_voucher(now_ms, seq, redeem, body),
            Command::RollBackRedemption(undo) => self.roll_back(now_ms, seq, undo),
            Command::RevokeVoucher(revoke) => self.revoke_voucher(now_ms, revoke),
            Command::CreateCampaign(create) => self.create_campaign(now_ms, create),
            Command::ReplaceCampaign(replace) => self.replace_campaign(replace),
            Command::MoveBudget(budget) => self.move_budget(now_ms, seq, budget, body),
            Command::ChangeCampaignState(change) => self.change_campaign_state(now_ms, change),
            Command::Tick(tick) => Ok(self.tick(now_ms, seq, *tick)),
            Command::ResumeService(resume) => Ok(self.resume_service(now_ms, *resume)),
            Command::ActivateRules(activate) => self.activate_rules(*activate),
            Command::ChangeLevel(change) => self.change_level(now_ms, change),
            Command::ReleaseLevel(release) => self.release_level(now_ms, release),
            Command::ChangeLimit(change) => self.change_limit(now_ms, change),
            Command::PutOutlet(put) => self.put_outlet(seq, put),
            Command::PauseOutlet(pause) => self.pause_outlet(now_ms, pause),
            Command::ResumeOutlet(resume) => self.resume_outlet(now_ms, resume),
            Command::PlaceOrder(place) => self.place_order(now_ms, seq, place),
            Command::RecordPayment(record) => {
                let body = command.body_digest_in(&mut self.scratch);
                self.record_payment(now_ms, seq, record, body)
            }
            Command::RecordRefund(record) => {
                let body = command.body_digest_in(&mut self.scratch);
                self.record_refund(now_ms, seq, *record, body)
            }
            Command::MoveTicket(step) => self.move_ticket(now_ms, seq, *step),
            Command::CancelOrder(cancel) => self.cancel_order(now_ms, seq, cancel),
            Command::RefundOrder(refund) => self.refund_order(now_ms, seq, refund, body),
            Command::SetStaffing(staffing) => self.set_staffing(*staffing),
            Command::RecordWalkIns(record) => self.record_walk_ins(now_ms, *record),
            Command::QuoteOrder(quote) => self.quote_order(now_ms, quote),
            Command::SettleDispute(settle) => self.settle_dispute(settle),
            Command::ChangeBreaker(change) => self.change_breaker(now_ms, change),
            Command::PutWebhook(put) => self.put_webhook(seq, put),
            Command::RemoveWebhook(remove) => self.remove_webhook(remove),
            Command::ReplayWebhook(replay) => self.replay_webhook(replay),
            Command::RecordDeadLetter(record) => self.record_dead_letter(record),
            Command::RetryDeadLetter(retry) => self.retry_dead_letter(retry),
            Command::SettleDeadLetter(settle) => self.settle_dead_letter(settle),
        }
    }

    /// A claim is idempotent by nature where a user may have one voucher; its key is not looked at.
    fn is_keyed(&self, command: &Command) -> bool {
        let Command::ClaimVoucher(claim) = command else { return true };
        let campaign = self.campaigns.get(claim.campaign.index());
        campaign.is_some_and(|campaign| campaign.definition.terms.voucher.per_user > 1)
    }

    /// A digest of everything that later commands depend on, the same on every build: SHA-256 over
    /// the tables in the order of their numbers.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        let mut bytes = Vec::new();
        let mut add = |bytes: &mut Vec<u8>| {
            digest.update(&bytes);
            bytes.clear();
        };
        put_all(&[self.last_seq, self.last_ms, u64::from(self.rules.version)], &mut bytes);
        for campaign in &self.campaigns {
            campaign.definition.put(&mut bytes);
            campaign.version.put(&mut bytes);
            campaign.state.put(&mut bytes);
            campaign.money.put(&mut bytes);
            let aside = campaign.set_aside;
            put_all(
                &[
                    campaign.created_at_ms,
                    aside.invites_minor,
                    aside.envelopes_minor,
                    aside.compensation_minor,
                ],
                &mut bytes,
            );
            campaign.next_to_expire.put(&mut bytes);
            campaign.next_to_settle.put(&mut bytes);
            // Without compensation the digest is that of builds which knew none.
            if campaign.compensated != Compensated::default() {
                campaign.compensated.put(&mut bytes);
            }
            add(&mut bytes);
        }
        for voucher in self.vouchers.iter() {
            voucher.put_digest(&mut bytes);
            add(&mut bytes);
        }
        for redemption in self.redemptions.iter() {
            redemption.put_digest(&mut bytes);
            add(&mut bytes);
        }
        for lock in self.locks.iter() {
            lock.put_digest(&mut bytes);
            add(&mut bytes);
        }
        let answers = self.requests.iter(&self.budgets).chain(self.references.iter(&self.budgets));
        for (key, answer) in answers {
            key.put(&mut bytes);
            put_all(&[answer.body, answer.seq, answer.at_ms], &mut bytes);
            answer.outcome.put(&mut bytes);
            add(&mut bytes);
        }
        for outage in &self.outages {
            put_all(&[outage.from_ms, outage.until_ms], &mut bytes);
            add(&mut bytes);
        }
        // Without outlets, and so without orders, the digest is that of builds which knew neither.
        for outlet in self.outlets.rows.iter() {
            outlet.put_digest(&self.outlets.texts, &mut bytes);
            add(&mut bytes);
        }
        for order in self.orders.rows.iter() {
            order.put_digest(&mut bytes);
            add(&mut bytes);
        }
        for quote in self.quotes.rows.iter() {
            quote.put_digest(&mut bytes);
            add(&mut bytes);
        }
        for (vendor, breaker) in self.outlets.vendors.values() {
            vendor.put(&mut bytes);
            breaker.put(&mut bytes);
            add(&mut bytes);
        }
        // As long as no kitchen has taught anything, the digest is that of builds which knew no orders.
        if self.experience.lessons > 0 {
            bytes.extend_from_slice(bytemuck::bytes_of(&self.experience));
            add(&mut bytes);
        }
        // As long as nothing was ever set, the digest is that of builds which knew no settings.
        if self.operations != Operations::default() {
            self.operations.put(&mut bytes);
            add(&mut bytes);
        }
        for (id, webhook) in &self.webhooks {
            id.put(&mut bytes);
            webhook.put(&mut bytes);
            add(&mut bytes);
        }
        digest.finalize().into()
    }
}
