//! Random commands, put to the rules and to the naive model: verdicts, money, counts and views must
//! agree after every one. A failure prints the shortest sequence found and its seed.

use proptest::prelude::*;

use super::model::Model;
use super::{DAY, HOUR, MINUTE, SECOND, definition, request, user, with};
use crate::query::{Answer, Query};
use crate::types::*;
use crate::{RuleBook, State, Verdict};

const START_MS: u64 = 1_770_000_000_000;

/// What is asked next; numbers pick among what is there when it is asked.
#[derive(Clone, Debug)]
enum Ask {
    Claim {
        campaign: u32,
        user: u8,
        key: Option<u64>,
        met: u16,
    },
    Lock {
        voucher: Pick,
        key: u64,
        reference: u16,
        ttl_ms: u64,
    },
    Release {
        lock: Pick,
    },
    Redeem {
        voucher: Pick,
        key: u64,
        reference: u16,
        order_minor: u64,
        with_lock: bool,
        place: u8,
    },
    /// As before, under another key and reference or under the same.
    Again {
        back: usize,
        key: Option<u64>,
    },
    RollBack {
        redemption: Pick,
        key: u64,
    },
    Revoke {
        voucher: Pick,
        key: u64,
    },
    Create {
        campaign: u8,
        key: u64,
    },
    Replace {
        campaign: u8,
        closes_later_ms: i64,
        min_spend_minor: u64,
        seen: u32,
    },
    Budget {
        campaign: u8,
        key: u64,
        reference: u16,
        fund: bool,
        purpose: u8,
        amount_minor: u64,
    },
    Change {
        campaign: u8,
        key: u64,
        change: u8,
    },
    Tick {
        limit: u32,
    },
    Outage,
}

/// The newest ones most often, one that is not there now and then.
#[derive(Clone, Copy, Debug)]
struct Pick {
    back: u32,
    missing: bool,
    wrong_user: bool,
}

impl Pick {
    fn of(self, len: usize) -> u32 {
        let len = u32::try_from(len).expect("few");
        if self.missing || len == 0 { len + 7 } else { len - 1 - self.back % len }
    }
}

fn pick() -> impl Strategy<Value = Pick> {
    let rarely = || prop::bool::weighted(0.02);
    (prop_oneof![3 => 0..3_u32, 2 => 0..40_u32], rarely(), rarely())
        .prop_map(|(back, missing, wrong_user)| Pick { back, missing, wrong_user })
}

fn gap_ms() -> impl Strategy<Value = u64> {
    prop_oneof![
        40 => Just(0),
        20 => 1..5_u64,
        20 => 1..SECOND,
        10 => (1..60_u64).prop_map(|seconds| seconds * SECOND),
        8 => 1..40 * MINUTE,
        4 => (1..20_u64).prop_map(|hours| hours * HOUR),
        1 => 1..4 * DAY,
        1 => 1..10 * DAY,
    ]
}

fn ask() -> impl Strategy<Value = Ask> {
    // Keys are rarely the same by chance; references are few.
    let key = || prop_oneof![20 => any::<u64>(), 1 => 0..6_u64];
    let reference = || prop_oneof![10 => any::<u16>(), 1 => 0..4_u16];
    let met = prop_oneof![5 => Just(1_u16), 1 => Just(0)];
    let claim = (
        prop_oneof![40 => 0..4_u32, 1 => Just(4)],
        0..6_u8,
        prop::option::weighted(0.9, key()),
        met,
    )
        .prop_map(|(campaign, user, key, met)| Ask::Claim { campaign, user, key, met });
    let ttl = prop_oneof![1..SECOND, 1..HOUR, 1..3 * DAY, Just(DURATION_MS_MAX)];
    let lock = (pick(), key(), reference(), ttl).prop_map(|(voucher, key, reference, ttl_ms)| {
        Ask::Lock { voucher, key, reference, ttl_ms }
    });
    let order = prop_oneof![
        8 => 1..6_000_u64,
        1 => 0..5_u64,
        1 => prop::sample::select(vec![BILL_MINOR_MAX, BILL_MINOR_MAX + 1, u64::MAX]),
    ];
    let redeem = (pick(), key(), reference(), order, any::<bool>(), 0..6_u8).prop_map(
        |(voucher, key, reference, order_minor, with_lock, place)| Ask::Redeem {
            voucher,
            key,
            reference,
            order_minor,
            with_lock,
            place,
        },
    );
    let again =
        (1..8_usize, prop::option::of(key())).prop_map(|(back, key)| Ask::Again { back, key });
    let replace =
        (0..4_u8, -2..3_i64, 0..8_u64, 0..3_u32).prop_map(|(campaign, closes, min_spend, seen)| {
            Ask::Replace {
                campaign,
                closes_later_ms: closes * 1_000,
                min_spend_minor: if min_spend == 0 { 77 } else { 0 },
                seen,
            }
        });
    let amount = prop_oneof![12 => 1..9_000_u64, 1 => (1_u64 << 59)..=u64::MAX];
    let place = || prop_oneof![40 => 0..4_u8, 1 => Just(4)];
    let budget = (place(), key(), reference(), any::<bool>(), 0..6_u8, amount).prop_map(
        |(campaign, key, reference, fund, purpose, amount_minor)| Ask::Budget {
            campaign,
            key,
            reference,
            fund,
            purpose,
            amount_minor,
        },
    );
    let limit = prop_oneof![Just(u32::MAX), 0..4_u32, Just(1_000)];
    prop_oneof![
        30 => claim,
        12 => lock,
        6 => pick().prop_map(|lock| Ask::Release { lock }),
        24 => redeem,
        8 => again,
        14 => (pick(), key()).prop_map(|(redemption, key)| Ask::RollBack { redemption, key }),
        4 => (pick(), key()).prop_map(|(voucher, key)| Ask::Revoke { voucher, key }),
        1 => (0..4_u8, key()).prop_map(|(campaign, key)| Ask::Create { campaign, key }),
        3 => replace,
        8 => budget,
        4 => (place(), key(), 0..24_u8)
            .prop_map(|(campaign, key, change)| Ask::Change { campaign, key, change }),
        12 => limit.prop_map(|limit| Ask::Tick { limit }),
        3 => Just(Ask::Outage),
    ]
}

/// Four campaigns that differ in all that the rules look at, with lives short enough to end.
fn documents() -> [Definition; 4] {
    let hours =
        |from: u16, until: u16| vec![DayPart { from_minute: from * 60, until_minute: until * 60 }];
    let one = |terms: &mut Terms| {
        terms.opens_at_ms = START_MS;
        terms.closes_at_ms = START_MS + 30 * DAY;
    };
    [
        definition(
            "a",
            with(|terms| {
                one(terms);
                terms.voucher.valid_for_ms = 2 * HOUR;
                terms.voucher.rollback_within_ms = HOUR;
            }),
        ),
        definition(
            "b",
            with(|terms| {
                one(terms);
                terms.voucher.kind = VoucherKind::PercentOff { percent: 30, max_minor: 900 };
                terms.voucher.min_spend_minor = 500;
                terms.voucher.per_user = 4;
                terms.voucher.rollback_within_ms = 0;
                terms.per_user_total_minor = Some(2_800);
            }),
        ),
        definition(
            "c",
            with(|terms| {
                one(terms);
                terms.opens_at_ms += 10 * MINUTE;
                terms.closes_at_ms = START_MS + 5 * DAY;
                terms.voucher.valid_for_ms = MINUTE;
                terms.voucher.rollback_within_ms = 20 * DAY;
                terms.voucher.per_user = 100;
                let at_least = Test::AtLeast("6".into());
                terms.eligibility.all = vec![Condition { attribute: "v".into(), test: at_least }];
            }),
        ),
        definition(
            "d",
            with(|terms| {
                one(terms);
                terms.voucher.valid_for_ms = 3 * DAY;
                terms.voucher.rollback_within_ms = MINUTE;
                terms.voucher.per_user = 2;
                terms.voucher.brands = vec!["tea".into()];
                terms.voucher.categories = vec!["milk".into(), "leaf".into()];
                terms.voucher.hours = [hours(22, 6), hours(9, 15)].concat();
                terms.offsets = vec![
                    ZoneOffset { from_ms: 0, minutes: -210 },
                    ZoneOffset { from_ms: START_MS + 2 * DAY, minutes: 480 },
                ];
            }),
        ),
    ]
}

struct Both {
    state: State,
    model: Model,
    now_ms: u64,
    asked: Vec<Command>,
    accepted: Vec<(u64, Command, Outcome)>,
    digest: [u8; 32],
    fresh: u64,
}

impl Both {
    fn new() -> Self {
        let state = State::new(RuleBook::RELEASED);
        let digest = state.digest();
        let model = Model::default();
        let (asked, accepted) = (Vec::new(), Vec::new());
        Self { state, model, now_ms: START_MS, asked, accepted, digest, fresh: 1 << 40 }
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
                both.give(Command::ChangeCampaignState(open));
            }
        }
        both
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
                Command::LockVoucher(LockVoucher {
                    request: request(*key),
                    voucher: VoucherNo(number),
                    user: self.owner(number, voucher.wrong_user),
                    ttl_ms: *ttl_ms,
                    reference: Reference::new(&reference.to_string()).expect("fits"),
                })
            }
            Ask::Release { lock } => {
                Command::ReleaseLock(ReleaseLock { lock: LockNo(lock.of(self.model.lock_count())) })
            }
            Ask::Redeem { voucher, key, reference, order_minor, with_lock, place } => {
                let number = voucher.of(vouchers);
                let holder = self.model.vouchers.get(&number).and_then(|voucher| voucher.lock);
                Command::RedeemVoucher(RedeemVoucher {
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
                })
            }
            Ask::Again { back, key } => {
                let Some(place) = self.asked.len().checked_sub(*back) else {
                    return Command::Tick(Tick { limit: 1 });
                };
                under_key(self.asked[place].clone(), *key)
            }
            Ask::RollBack { redemption, key } => Command::RollBackRedemption(RollBackRedemption {
                request: request(*key),
                redemption: RedemptionNo(redemption.of(self.model.redemptions.len())),
                reason: String::new(),
            }),
            Ask::Revoke { voucher, key } => Command::RevokeVoucher(RevokeVoucher {
                request: request(*key),
                voucher: VoucherNo(voucher.of(vouchers)),
                reason: String::new(),
            }),
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
                Command::ChangeCampaignState(ChangeCampaignState {
                    request: request(*key),
                    campaign: id(*campaign),
                    change,
                    reason: String::new(),
                })
            }
            Ask::Tick { limit } => Command::Tick(Tick { limit: *limit }),
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

    fn compare(&self) {
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
        }
        for (number, voucher) in &self.model.vouchers {
            let query = Query::Voucher(VoucherNo(*number));
            let Answer::Voucher(Some(view)) = self.state.answer(now, &query) else {
                panic!("a voucher is missing");
            };
            let state = self.model.voucher_state(now, voucher);
            assert_eq!((view.state, view.seq), (state, voucher.seq), "voucher {number}");
            assert_eq!(view.user, voucher.user);
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
            let expected = self.model.discount(now, &redeem.bill, holder);
            let answer = self.state.answer(now, &Query::Validate(redeem.bill));
            let Answer::Validated(validated) = answer else { unreachable!() };
            assert_eq!(validated, expected);
        }
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

    /// Once all times are over, one tick after another, nothing is held back.
    fn end(&mut self) {
        self.now_ms += 2 * DURATION_MS_MAX;
        for limit in [0, 1, 2, 3, u32::MAX] {
            self.give(Command::Tick(Tick { limit }));
        }
        assert_eq!(self.state.next_due_ms(), None);
        for number in 0..self.model.campaigns.len() {
            let money = self.model.money(number);
            assert_eq!((money.reserved_minor, money.in_flight_minor), (0, 0));
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
    Command::MoveBudget(MoveBudget {
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
    })
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
        _ => {}
    }
    command
}

proptest! {
    #![proptest_config(ProptestConfig {
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_rules_and_the_model_agree(asks in prop::collection::vec((gap_ms(), ask()), 1..250)) {
        let mut both = Both::opened();
        for (gap_ms, ask) in &asks {
            both.now_ms += gap_ms;
            let command = both.command(ask);
            both.give(command);
        }
        both.end();
        prop_assert_eq!(both.replay().digest(), both.state.digest());
        prop_assert_eq!(both.replay().digest(), both.replay().digest());
    }
}
