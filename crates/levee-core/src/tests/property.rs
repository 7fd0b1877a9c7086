//! Random commands, put to the rules and to the naive model: verdicts, money, counts and views must
//! agree after every one. A failure prints the shortest sequence found; its seed is kept below
//! `proptest-regressions/` and tried first by the next run. `PROPTEST_CASES=10000` looks longer.

mod asks;
mod orders;
mod outlets;
mod seen;
mod told;
mod webhooks;

use proptest::prelude::*;

use self::asks::{Ask, Gap, START_MS, ask, documents, gap, order_ask, short_gap};
use self::seen::Connector;
use super::model::Model;
use super::restore::assert_same;
use super::{DAY, request, user};
use crate::query::{Answer, Query};
use crate::types::*;
use crate::{PAGE_BYTES, Restore, RestoreError, RuleBook, State, Verdict};

struct Both {
    state: State,
    model: Model,
    now_ms: u64,
    asked: Vec<Command>,
    accepted: Vec<(u64, Command, Outcome)>,
    digest: [u8; 32],
    fresh: u64,
    connector: Connector,
}

impl Both {
    fn new() -> Self {
        let state = State::new(RuleBook::RELEASED);
        let digest = state.digest();
        let model = Model::default();
        let (asked, accepted) = (Vec::new(), Vec::new());
        let connector = Connector::default();
        Self { state, model, now_ms: START_MS, asked, accepted, digest, fresh: 1 << 40, connector }
    }

    /// Four campaigns, three of them open, with money for a few vouchers each.
    fn opened() -> Self {
        let mut both = Self::new();
        for (place, definition) in documents().into_iter().enumerate() {
            let campaign = definition.id.clone();
            let create = CreateCampaign { request: both.fresh_key(), definition };
            both.give(Command::CreateCampaign(Box::new(create)));
            let request = both.fresh_key();
            both.give(budget(request, &campaign, true, 0, 30_000 + place as u64, "start"));
            if place != 1 {
                let (request, reason) = (both.fresh_key(), String::new());
                let change = StateChange::Open;
                let open = ChangeCampaignState { request, campaign, change, reason };
                both.give(Command::ChangeCampaignState(Box::new(open)));
            }
        }
        both.open_outlets();
        both
    }

    fn wait(&mut self, gap: Gap) {
        self.now_ms = match gap {
            Gap::Ms(gap_ms) => self.now_ms + gap_ms,
            Gap::ToEnd { place, beside_ms } => {
                let end_ms = self.model.ends_after(self.now_ms).get(place).copied();
                // What is held for years would end all else.
                let near_ms = end_ms.filter(|end_ms| *end_ms < self.now_ms + 30 * DAY);
                let there_ms = near_ms.unwrap_or(self.now_ms).saturating_add_signed(beside_ms);
                there_ms.max(self.now_ms)
            }
        };
    }

    fn fresh_key(&mut self) -> RequestKey {
        self.fresh += 1;
        request(self.fresh)
    }

    fn owner(&self, voucher: u32, wrong: bool) -> UserKey {
        let owner = self.model.vouchers.get(&voucher).map(|voucher| voucher.user);
        owner.filter(|_| !wrong).unwrap_or(user(77))
    }

    fn command(&mut self, ask: &Ask) -> Command {
        let vouchers = self.model.vouchers.len();
        match ask {
            Ask::Claim { campaign, user: number, key, met } => {
                Command::ClaimVoucher(ClaimVoucher {
                    campaign: CampaignNo(*campaign),
                    terms_version: self
                        .model
                        .campaigns
                        .get(*campaign as usize)
                        .map_or(1, |c| c.version),
                    conditions_met: *met,
                    user: user(*number),
                    request: key.map(request),
                })
            }
            Ask::Lock { voucher, key, reference, ttl_ms } => {
                let number = voucher.of(vouchers);
                Command::LockVoucher(Box::new(LockVoucher {
                    request: request(*key),
                    voucher: VoucherNo(number),
                    user: self.owner(number, voucher.wrong_user),
                    ttl_ms: *ttl_ms,
                    reference: Reference::new(&reference.to_string()).expect("fits"),
                }))
            }
            Ask::Release { lock } => {
                Command::ReleaseLock(ReleaseLock { lock: LockNo(lock.of(self.model.lock_count())) })
            }
            Ask::Redeem { voucher, key, reference, order_minor, with_lock, place } => {
                let number = voucher.of(vouchers);
                let holder = self.model.vouchers.get(&number).and_then(|voucher| voucher.lock);
                Command::RedeemVoucher(Box::new(RedeemVoucher {
                    request: request(*key),
                    bill: Bill {
                        voucher: VoucherNo(number),
                        user: self.owner(number, voucher.wrong_user),
                        order_minor: *order_minor,
                        brand: (*place > 0).then(|| NameHash::of("tea")),
                        categories: Categories::new(&[NameHash::of(if *place > 1 {
                            "leaf"
                        } else {
                            "cake"
                        })])
                        .expect("one"),
                    },
                    lock: holder.filter(|_| *with_lock).map(LockNo),
                    reference: Reference::new(&reference.to_string()).expect("fits"),
                }))
            }
            Ask::Again { back, key } => {
                let Some(place) = self.asked.len().checked_sub(*back) else {
                    return Command::Tick(Tick { limit: 1 });
                };
                under_key(self.asked[place].clone(), *key)
            }
            Ask::RollBack { redemption, key } => {
                Command::RollBackRedemption(Box::new(RollBackRedemption {
                    request: request(*key),
                    redemption: RedemptionNo(redemption.of(self.model.redemptions.len())),
                    reason: String::new(),
                }))
            }
            Ask::Revoke { voucher, key } => Command::RevokeVoucher(Box::new(RevokeVoucher {
                request: request(*key),
                voucher: VoucherNo(voucher.of(vouchers)),
                reason: String::new(),
            })),
            Ask::Create { campaign, key } => {
                let definition = documents()[usize::from(*campaign)].clone();
                Command::CreateCampaign(Box::new(CreateCampaign {
                    request: request(*key),
                    definition,
                }))
            }
            Ask::Replace { campaign, closes_later_ms, min_spend_minor, seen } => {
                let campaign = &self.model.campaigns[usize::from(*campaign)];
                let mut definition = campaign.definition.clone();
                let terms = &mut definition.terms;
                terms.closes_at_ms = terms.closes_at_ms.saturating_add_signed(*closes_later_ms);
                terms.voucher.min_spend_minor += min_spend_minor;
                let version_seen = campaign.version + u32::from(*seen == 0);
                Command::ReplaceCampaign(Box::new(ReplaceCampaign { version_seen, definition }))
            }
            Ask::Budget { campaign, key, reference, fund, purpose, amount_minor } => budget(
                request(*key),
                &id(*campaign),
                *fund,
                *purpose,
                *amount_minor,
                &reference.to_string(),
            ),
            Ask::Change { campaign, key, change } => {
                let change = match change {
                    0..8 => StateChange::Open,
                    8..12 => StateChange::Pause,
                    12..23 => StateChange::Resume,
                    _ => StateChange::Close,
                };
                Command::ChangeCampaignState(Box::new(ChangeCampaignState {
                    request: request(*key),
                    campaign: id(*campaign),
                    change,
                    reason: String::new(),
                }))
            }
            Ask::Tick { limit } => Command::Tick(Tick { limit: *limit }),
            Ask::Level { level, by_hand, key, reason } => {
                Command::ChangeLevel(Box::new(ChangeLevel {
                    request: key.map(request),
                    level: Level::of(*level),
                    by_hand: *by_hand,
                    reason: "r".repeat(*reason),
                }))
            }
            Ask::ReleaseLevel { key, reason } => Command::ReleaseLevel(ReleaseLevel {
                request: request(*key),
                reason: "r".repeat(*reason),
            }),
            Ask::Limit { claims_per_s, key, reason } => {
                Command::ChangeLimit(Box::new(ChangeLimit {
                    request: request(*key),
                    claims_per_s: *claims_per_s,
                    reason: "r".repeat(*reason),
                }))
            }
            Ask::Order(ask) => self.order_command(ask),
            Ask::Webhook(ask) => ask.command(self.state.last_seq()),
            Ask::Outage => {
                Command::ResumeService(ResumeService { stopped_at_ms: self.state.last_ms() })
            }
        }
    }

    /// Puts a command to both, and compares all that can be seen.
    fn give(&mut self, command: Command) {
        let verdict = self.state.apply(self.now_ms, self.state.last_seq() + 1, &command);
        let expected = self.model.apply(self.now_ms, &command);
        assert_eq!(verdict, expected, "left is the rules', right the model's: {command:?}");
        let digest = self.state.digest();
        if let Verdict::Done(outcome) = verdict {
            assert_ne!(digest, self.digest, "an effect is a change");
            self.accepted.push((self.now_ms, command.clone(), outcome));
        } else {
            assert_eq!(digest, self.digest, "a refusal or a repeat changes nothing");
        }
        self.digest = digest;
        self.asked.push(command);
        self.compare();
    }

    fn compare(&mut self) {
        self.connector.ask(&self.state, &self.model);
        let now = self.now_ms;
        for (number, campaign) in self.model.campaigns.iter().enumerate() {
            let query = Query::Campaign(campaign.definition.id.clone());
            let Answer::Campaign(Some(view)) = self.state.answer(now, &query) else {
                panic!("a campaign is missing");
            };
            assert_eq!(view.number.index(), number);
            assert_eq!(view.version, campaign.version);
            assert_eq!(view.state, self.model.state_of(now, number));
            assert_eq!(view.money, self.model.money(number));
            assert_eq!(view.counts, self.model.counts(number));
            assert_eq!(view.set_aside, campaign.aside);
            assert_eq!(view.compensated, campaign.compensated);
        }
        for (number, voucher) in &self.model.vouchers {
            let query = Query::Voucher(VoucherNo(*number));
            let Answer::Voucher(Some(view)) = self.state.answer(now, &query) else {
                panic!("a voucher is missing");
            };
            let state = self.model.voucher_state(now, voucher);
            assert_eq!((view.state, view.seq), (state, voucher.seq), "voucher {number}");
            assert_eq!((view.user, view.is_apology), (voucher.user, voucher.apology));
            assert_eq!(view.definition.id, self.model.campaigns[voucher.campaign].definition.id);
            assert_eq!(view.redemption.map(|redemption| redemption.0), voucher.redemption);
            let held = state == VoucherState::Locked;
            let lock = voucher.lock.filter(|_| held).map(|l| (LockNo(l), self.model.lock_end(l)));
            assert_eq!(view.lock, lock);
            if state == VoucherState::Live {
                assert_eq!(view.valid_until_ms, self.model.voucher_end(voucher));
            }
        }
        let all = Query::Redemptions { after: None, limit: 1_000 };
        let Answer::Redemptions(views) = self.state.answer(now, &all) else { unreachable!() };
        assert_eq!(views.len(), self.model.redemptions.len());
        for (view, redemption) in views.iter().zip(self.model.redemptions.values()) {
            assert_eq!((view.voucher.0, view.seq), (redemption.voucher, redemption.seq));
            assert_eq!((view.at_ms, view.order_minor), (redemption.at_ms, redemption.bill));
            assert_eq!(u64::from(view.discount_minor), redemption.discount);
            assert_eq!(view.rolled_back, redemption.undone.is_some());
        }
        if let Some(Command::RedeemVoucher(redeem)) = self.asked.last() {
            let holder = self.model.vouchers.get(&redeem.bill.voucher.0).and_then(|v| v.lock);
            let holder = holder.filter(|lock| self.model.lock_end(*lock) > now);
            // What an order holds, no other bill can use.
            let holder = holder.filter(|lock| !self.model.is_of_order(*lock));
            let expected = self.model.discount(now, &redeem.bill, holder);
            let answer = self.state.answer(now, &Query::Validate(redeem.bill));
            let Answer::Validated(validated) = answer else { unreachable!() };
            assert_eq!(validated, expected);
        }
        let Answer::Operations(is) = self.state.answer(now, &Query::Operations) else {
            unreachable!()
        };
        assert_eq!(is, self.model.operations);
        let webhooks = Query::Webhooks { after: None, limit: 1_000 };
        let Answer::Webhooks(webhooks) = self.state.answer(now, &webhooks) else { unreachable!() };
        assert!(webhooks.iter().map(|(id, webhook)| (id, webhook)).eq(&self.model.webhooks));
        self.compare_orders();
        for number in 0..6 {
            let wallet = Query::Wallet { user: user(number), before: None, limit: 1_000 };
            let Answer::Wallet(views) = self.state.answer(now, &wallet) else { unreachable!() };
            let mine = self.model.vouchers.iter().rev().filter(|(_, v)| v.user == user(number));
            assert!(views.iter().map(|view| view.number.0).eq(mine.map(|(number, _)| *number)));
        }
    }

    fn replay(&self) -> State {
        let mut anew = State::new(RuleBook::RELEASED);
        for (at_ms, command, outcome) in &self.accepted {
            let verdict = anew.apply(*at_ms, anew.last_seq() + 1, command);
            assert_eq!(verdict, Verdict::Done(outcome.clone()), "replayed: {command:?}");
        }
        anew
    }

    /// A snapshot of now, its pages copied while the asks that follow are given, one page each.
    fn snapshot_under(&mut self, asks: &[(Gap, Ask)]) {
        let (digest, given) = (self.digest, self.accepted.len());
        let rest = self.state.begin_snapshot();
        for (gap, ask) in asks {
            self.wait(*gap);
            let command = self.command(ask);
            self.give(command);
            self.state.sweep(1);
        }
        while !self.state.sweep(1) {}
        let mut pages = Vec::new();
        self.state.take_pages(&mut pages);
        self.state.end_snapshot();
        assert_eq!(rest.pages(), pages.iter().map(|p| (p.bytes.len() / PAGE_BYTES) as u64).sum());

        let (bytes, rest) = (rest.pages() * PAGE_BYTES as u64, rest.encode());
        let anew = |bytes_max| Restore::new(State::new(RuleBook::RELEASED), &rest, bytes_max);
        if bytes > 0 {
            assert!(matches!(anew(bytes - 1), Err(RestoreError::Rest(_))), "more than there is");
        }
        let mut restore = anew(bytes).expect("the rest of a snapshot");
        for pages in &pages {
            restore.put(pages.table, pages.first, &pages.bytes).expect("belongs there");
        }
        let mut restored = restore.finish().expect("whole");
        assert_eq!(restored.digest(), digest, "as it was when the snapshot began");
        for (at_ms, command, outcome) in &self.accepted[given..] {
            let verdict = restored.apply(*at_ms, restored.last_seq() + 1, command);
            assert_eq!(verdict, Verdict::Done(outcome.clone()), "replayed: {command:?}");
        }
        assert_eq!(restored.digest(), self.digest, "the same through snapshot and rest");
        assert_same(&restored, &self.state);
        // All that follows is asked of the restored state, by connectors that start as it does.
        self.state = restored;
        self.connector = Connector::default();
    }

    /// Once all times are over, one tick after another, nothing is held back.
    fn end(&mut self) {
        self.end_orders();
        // Whatever is owed for them, vouchers too, is given before those times are over.
        self.give(Command::Tick(Tick { limit: u32::MAX }));
        self.now_ms += 2 * DURATION_MS_MAX;
        for limit in [0, 1, 2, 3, u32::MAX] {
            self.give(Command::Tick(Tick { limit }));
        }
        assert_eq!(self.state.next_due_ms(), None);
        for number in 0..self.model.campaigns.len() {
            let money = self.model.money(number);
            assert_eq!((money.reserved_minor, money.in_flight_minor), (0, 0));
        }
        for number in (0..3).map(OutletNo) {
            assert_eq!(
                self.state.outlets.kitchen(number).unfinished(self.now_ms, &self.state.pace()),
                0
            );
        }
    }
}

fn id(number: u8) -> CampaignId {
    CampaignId::new(["a", "b", "c", "d", "nowhere"][usize::from(number)]).expect("an id")
}

fn budget(
    request: RequestKey,
    campaign: &CampaignId,
    fund: bool,
    purpose: u8,
    amount_minor: u64,
    reference: &str,
) -> Command {
    Command::MoveBudget(Box::new(MoveBudget {
        request,
        campaign: campaign.clone(),
        direction: if fund { Direction::Fund } else { Direction::Withdraw },
        purpose: match purpose {
            1 => Purpose::Invites,
            2 => Purpose::Envelopes,
            3 => Purpose::Compensation,
            _ => Purpose::Vouchers,
        },
        amount_minor,
        reference: Reference::new(reference).expect("fits"),
    }))
}

/// The command as it is, or under another key.
fn under_key(mut command: Command, key: Option<u64>) -> Command {
    let Some(key) = key.map(request) else { return command };
    match &mut command {
        Command::ClaimVoucher(claim) => claim.request = Some(key),
        Command::LockVoucher(lock) => lock.request = key,
        Command::RedeemVoucher(redeem) => redeem.request = key,
        Command::RollBackRedemption(undo) => undo.request = key,
        Command::RevokeVoucher(revoke) => revoke.request = key,
        Command::CreateCampaign(create) => create.request = key,
        Command::MoveBudget(budget) => budget.request = key,
        Command::ChangeCampaignState(change) => change.request = key,
        Command::ChangeLevel(change) => change.request = Some(key),
        Command::ReleaseLevel(release) => release.request = key,
        Command::ChangeLimit(change) => change.request = key,
        Command::PauseOutlet(pause) => pause.request = key,
        Command::ResumeOutlet(resume) => resume.request = key,
        Command::PlaceOrder(place) => place.request = key,
        Command::CancelOrder(cancel) => cancel.request = key,
        Command::RefundOrder(refund) => refund.request = key,
        Command::SetStaffing(staffing) => staffing.request = key,
        Command::RecordWalkIns(record) => record.request = key,
        Command::QuoteOrder(quote) => quote.request = key,
        Command::SettleDispute(settle) => settle.request = key,
        Command::ChangeBreaker(change) => change.request = Some(key),
        Command::ReplayWebhook(replay) => replay.request = key,
        Command::RetryDeadLetter(retry) => retry.request = key,
        _ => {}
    }
    command
}

/// Snapshots, some of them under way while asks come, and a replay of all at the end.
fn check(asks: &[(Gap, Ask)], under: usize) {
    let mut both = Both::opened();
    for (round, asks) in asks.chunks(under).enumerate() {
        if round % 3 == 1 {
            both.snapshot_under(asks);
            continue;
        }
        for (gap, ask) in asks {
            both.wait(*gap);
            let command = both.command(ask);
            both.give(command);
        }
    }
    both.end();
    both.check_told();
    assert_eq!(both.replay().digest(), both.state.digest());
    assert_eq!(both.replay().digest(), both.replay().digest());
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128,
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_rules_and_the_model_agree(
        asks in prop::collection::vec((gap(), ask()), 1..250),
        under in 1..60_usize,
    ) {
        check(&asks, under);
    }

    #[test]
    fn the_rules_and_the_model_agree_on_orders(
        asks in prop::collection::vec((short_gap(), order_ask()), 1..250),
        under in 1..60_usize,
    ) {
        check(&asks, under);
    }
}
