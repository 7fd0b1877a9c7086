//! The recount's state, and what holds for every record and every command, whatever its kind.

use std::collections::{BTreeMap, BTreeSet};

use levee_core::types::{CampaignId, CampaignNo, Command, Outcome, QuoteNo, SweptOrders, UserKey};

use super::Fact;
use super::keys::{Names, References, Requests};
use super::ledger::{Campaign, recount_at_the_end};
use super::line::Line;
use super::operations::Operations;
use super::orders::{Order, Quote, Tally};
use super::outlets::Outlets;
use super::report::{AuditReport, Notes};
use super::stream::{Ending, Entry, Event};
use super::tables::{Lock, Redemption, Table, Voucher};
use super::time::Outage;
use super::webhooks::Webhooks;

/// The rules that this audit can count by.
const RULES_KNOWN: std::ops::RangeInclusive<u16> = 1..=1;

/// Everything that the journal has said so far.
#[derive(Debug)]
pub(super) struct Recount {
    pub(super) notes: Notes,
    pub(super) campaigns: Vec<Campaign>,
    pub(super) by_id: BTreeMap<CampaignId, u32>,
    pub(super) vouchers: Table<Voucher>,
    pub(super) locks: Table<Lock>,
    pub(super) redemptions: Table<Redemption>,
    pub(super) requests: Requests,
    pub(super) references: References,
    pub(super) outages: Vec<Outage>,
    pub(super) operations: Operations,
    pub(super) outlets: Outlets,
    pub(super) webhooks: Webhooks,
    pub(super) orders: Table<Order>,
    pub(super) quotes: Table<Quote>,
    /// What ends by the clock: orders under way, quotes that hold offers, pauses of outlets.
    pub(super) due_orders: Line,
    pub(super) held_quotes: Line,
    /// Users' quotes that hold something, oldest first.
    pub(super) quotes_of: BTreeMap<UserKey, Vec<QuoteNo>>,
    pub(super) pauses: Line,
    /// Orders for which something is to be given, by number.
    pub(super) owed: BTreeSet<u32>,
    pub(super) tally: Tally,
    /// Time of the record that is being looked at.
    pub(super) now_ms: u64,
    /// Times of the last record before it, and of the last with commands.
    pub(super) record_before_ms: u64,
    pub(super) commands_before_ms: u64,
    /// Time of the last command, be it in the same record.
    pub(super) last_command_ms: u64,
    pub(super) rules_version: u16,
    next_seq: u64,
    commands: u64,
    record_seq: u64,
    in_record: u32,
    /// A batch ends with a change of the rules.
    rules_changed_in_record: bool,
    /// Differences before the command that is being looked at.
    noted_before: u64,
}

impl Default for Recount {
    fn default() -> Self {
        Self {
            notes: Notes::default(),
            campaigns: Vec::new(),
            by_id: BTreeMap::new(),
            vouchers: Table::new("voucher"),
            locks: Table::new("lock"),
            redemptions: Table::new("redemption"),
            references: References::default(),
            outages: Vec::new(),
            operations: Operations::default(),
            outlets: Outlets::default(),
            webhooks: Webhooks::default(),
            orders: Table::new("order"),
            quotes: Table::new("quote"),
            due_orders: Line::default(),
            held_quotes: Line::default(),
            quotes_of: BTreeMap::new(),
            pauses: Line::default(),
            owed: BTreeSet::new(),
            tally: Tally::default(),
            now_ms: 0,
            record_before_ms: 0,
            commands_before_ms: 0,
            last_command_ms: 0,
            rules_version: 1,
            requests: Requests::default(),
            next_seq: 1,
            commands: 0,
            record_seq: 1,
            in_record: 0,
            rules_changed_in_record: false,
            noted_before: 0,
        }
    }
}

impl Recount {
    /// Takes the next event of the journal; a command is shown to `visit`, too.
    pub(super) fn event(&mut self, event: &Event, visit: &mut dyn FnMut(&Fact<'_>)) {
        match event {
            Event::RecordBegins { first_seq, at_ms } => self.begin_record(*first_seq, *at_ms),
            Event::BatchBegins { rules_version } => self.begin_batch(*rules_version),
            Event::Command(entry) => {
                let seq = self.command(entry);
                let Entry { command, outcome, .. } = entry;
                visit(&Fact { seq, at_ms: self.now_ms, command, outcome });
            }
            Event::RecordEnds { count } => self.end_record(*count),
        }
    }

    /// The reader refuses what is out of order already; counted here once more.
    pub(super) fn begin_record(&mut self, first_seq: u64, at_ms: u64) {
        self.notes.seq = first_seq;
        let (expected, before_ms) = (self.next_seq, self.now_ms);
        self.notes.check(first_seq == expected, || {
            format!("the record begins with {first_seq} where {expected} follows")
        });
        self.notes
            .check(at_ms >= before_ms, || format!("time goes back from {before_ms} to {at_ms}"));
        (self.next_seq, self.record_seq) = (first_seq, first_seq);
        self.record_before_ms = before_ms;
        self.now_ms = at_ms;
        self.in_record = 0;
        self.rules_changed_in_record = false;
    }

    fn begin_batch(&mut self, rules_version: u16) {
        let expected = self.rules_version;
        self.notes.check(rules_version == expected, || {
            format!("decided by rules {rules_version}, though rules {expected} hold")
        });
    }

    pub(super) fn end_record(&mut self, count: u32) {
        let found = self.in_record;
        self.notes.check(found == count, || {
            format!("the record should hold {count} commands and holds {found}")
        });
        if found > 0 {
            self.commands_before_ms = self.now_ms;
        }
        // What follows is numbered by what the record says.
        self.next_seq = self.record_seq.saturating_add(count.into());
    }

    /// Looks at one command and takes its outcome as what happened. Returns its place.
    pub(super) fn command(&mut self, entry: &Entry) -> u64 {
        let seq = self.next_seq;
        self.notes.seq = seq;
        self.noted_before = self.notes.count;
        self.notes.check(!self.rules_changed_in_record, || {
            "stands behind a change of the rules in one record".into()
        });
        self.next_seq = seq.saturating_add(1);
        self.commands += 1;
        self.in_record = self.in_record.saturating_add(1);
        self.request(&entry.command, entry.names);
        self.by_kind(entry);
        self.last_command_ms = self.now_ms;
        seq
    }

    fn by_kind(&mut self, entry: &Entry) {
        let Entry { command, outcome, names } = entry;
        let names = *names;
        match (command, outcome) {
            (Command::ClaimVoucher(claim), Outcome::Claimed { voucher, face_minor }) => {
                self.claim(claim, names, *voucher, *face_minor);
            }
            (Command::LockVoucher(ask), Outcome::Locked { lock, until_ms }) => {
                self.lock(ask, names, *lock, *until_ms);
            }
            (Command::ReleaseLock(ask), Outcome::Released { voucher_state }) => {
                self.release(ask.lock, *voucher_state);
            }
            (Command::RedeemVoucher(ask), Outcome::Redeemed { .. }) => {
                self.redeem(ask, names, outcome);
            }
            (Command::RollBackRedemption(ask), Outcome::RolledBack { voucher_state }) => {
                self.roll_back(ask.redemption, *voucher_state);
            }
            (Command::RevokeVoucher(ask), Outcome::Revoked { face_minor }) => {
                self.revoke(ask.voucher, *face_minor);
            }
            (Command::CreateCampaign(ask), Outcome::CampaignCreated { campaign }) => {
                self.create(ask, *campaign);
            }
            (Command::ReplaceCampaign(ask), Outcome::CampaignReplaced { version }) => {
                self.replace(ask, *version);
            }
            (Command::MoveBudget(ask), Outcome::BudgetMoved(money)) => {
                self.move_budget(ask, names, money);
            }
            (Command::ChangeCampaignState(ask), Outcome::CampaignStateChanged { state }) => {
                self.change_state(ask, *state);
            }
            (Command::Tick(tick), Outcome::Ticked(swept)) => {
                self.tick(*tick, swept, &SweptOrders::default());
            }
            (Command::Tick(tick), Outcome::TickedWithOrders { swept, orders }) => {
                self.notes.check(!orders.is_empty(), || "no order or pause ended".into());
                self.tick(*tick, swept, orders);
            }
            (Command::ResumeService(ask), Outcome::ServiceResumed { outage_ms }) => {
                self.resume(*ask, *outage_ms);
            }
            (Command::ActivateRules(ask), Outcome::RulesActivated) => {
                self.activate_rules(ask.version);
            }
            (Command::ChangeLevel(ask), Outcome::LevelChanged { before, after }) => {
                self.change_level(ask, *before, *after);
            }
            (Command::ReleaseLevel(ask), Outcome::LevelChanged { before, after }) => {
                self.release_level(ask, *before, *after);
            }
            (Command::ChangeLimit(ask), Outcome::LimitChanged { before, after }) => {
                self.change_limit(ask, *before, *after);
            }
            (Command::PutOutlet(ask), Outcome::OutletPut { outlet, version }) => {
                self.put_outlet(ask, *outlet, *version);
            }
            (Command::PauseOutlet(ask), Outcome::OutletPaused) => self.pause_outlet(ask),
            (Command::ResumeOutlet(ask), Outcome::OutletResumed) => self.resume_outlet(ask),
            (Command::SetStaffing(ask), Outcome::StaffingSet) => self.set_staffing(*ask),
            (Command::RecordWalkIns(ask), Outcome::WalkInsRecorded) => self.walk_ins(*ask),
            (Command::ChangeBreaker(ask), Outcome::BreakerChanged { before }) => {
                self.change_breaker(ask, *before);
            }
            _ => self.of_orders(entry),
        }
    }

    fn of_orders(&mut self, entry: &Entry) {
        let Entry { command, outcome, names } = entry;
        let names = *names;
        match (command, outcome) {
            (Command::QuoteOrder(ask), Outcome::Quoted(quoted)) => self.quote(ask, quoted),
            (Command::PlaceOrder(ask), Outcome::OrderPlaced { .. }) => self.place(ask, outcome),
            (Command::RecordPayment(ask), Outcome::OrderChanged(change)) => {
                self.payment(ask, names, change, None);
            }
            (Command::RecordPayment(ask), Outcome::PromisedAnew { change, promised_at_ms }) => {
                self.payment(ask, names, change, Some(*promised_at_ms));
            }
            (Command::RecordPayment(ask), Outcome::PaymentDisputed) => self.dispute(ask, names),
            (Command::SettleDispute(ask), Outcome::DisputeSettled) => self.settle_dispute(ask),
            (Command::RecordRefund(ask), Outcome::RefundEnded { change, amount_minor }) => {
                self.refund_result(*ask, names, change, *amount_minor);
            }
            (Command::RecordRefund(ask), Outcome::PaymentDisputed) => {
                self.dispute_refund(*ask, names);
            }
            (Command::MoveTicket(ask), Outcome::OrderChanged(change)) => self.ticket(*ask, change),
            (Command::MoveTicket(ask), Outcome::OrderMoved(moved)) => {
                self.reject_and_move(*ask, *moved);
            }
            (Command::CancelOrder(ask), Outcome::OrderChanged(change)) => self.cancel(ask, change),
            (Command::RefundOrder(ask), Outcome::OrderChanged(change)) => {
                self.refund(ask, names, change);
            }
            _ if self.webhook(self.next_seq - 1, command, outcome) => {}
            _ => self.notes.note(format!("{outcome:?} cannot come of {command:?}")),
        }
    }

    /// Where one claim is all a user has, claims are idempotent by nature and their key is not
    /// looked at.
    fn request(&mut self, command: &Command, names: Names) {
        if let Command::ClaimVoucher(claim) = command {
            let campaign = self.campaign(claim.campaign);
            if campaign.is_none_or(|campaign| campaign.terms.voucher.per_user == 1) {
                return;
            }
        }
        let Some(key) = command.request() else { return };
        if let Some(before_ms) = self.requests.used(key, names, self.now_ms) {
            self.notes.note(format!("request key {key} was used at {before_ms} already"));
        }
    }

    fn activate_rules(&mut self, version: u16) {
        let before = self.rules_version;
        self.notes.check(version > before, || {
            format!("rules {version} are activated, though rules {before} hold")
        });
        self.notes.check(RULES_KNOWN.contains(&version), || {
            format!("rules {version} are none that this audit can count by")
        });
        self.rules_version = version;
        self.rules_changed_in_record = true;
    }

    pub(super) fn knows_rules(&self) -> bool {
        RULES_KNOWN.contains(&self.rules_version)
    }

    pub(super) fn campaign(&self, number: CampaignNo) -> Option<&Campaign> {
        self.campaigns.get(number.index())
    }

    /// Whether the command that is looked at has a difference already, which explains others.
    pub(super) fn is_explained(&self) -> bool {
        self.notes.count > self.noted_before
    }

    /// What must add up in a campaign that a fact has touched.
    pub(super) fn check_sums(&mut self, campaign: u32) {
        let explained = self.is_explained();
        if let Some(campaign) = self.campaigns.get_mut(CampaignNo(campaign).index()) {
            campaign.check_sums(&mut self.notes, explained);
        }
    }

    pub(super) fn finish(mut self, ending: Ending) -> AuditReport {
        let last_seq = self.next_seq.saturating_sub(1);
        self.notes.seq = last_seq;
        let orders = self.orders_report();
        let mut notes = std::mem::take(&mut self.notes);
        let by_campaign = self.orders.iter();
        let by_campaign = by_campaign.filter_map(|order| Some((self.campaign_of(order)?.0, order)));
        let (vouchers, redemptions) = (&self.vouchers, &self.redemptions);
        recount_at_the_end(&self.campaigns, vouchers, redemptions, by_campaign, &mut notes);
        AuditReport {
            ok: notes.count == 0,
            commands: self.commands,
            differences: notes.kept,
            difference_count: notes.count,
            from: "genesis",
            campaigns: self.campaigns.iter().map(|campaign| campaign.report(self.now_ms)).collect(),
            operations: self.operations.report(),
            orders,
            last_seq,
            records: ending.records,
            closed_cleanly: ending.closed_cleanly,
            torn_tail: ending.torn_tail,
        }
    }
}
