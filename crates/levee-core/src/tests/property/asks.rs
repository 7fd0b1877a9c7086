//! What random sequences are made of: a few users and campaigns, so that they often collide.

use proptest::prelude::*;

use super::orders::OrderAsk;
use super::webhooks::{WebhookAsk, webhook_ask};
use crate::tests::{DAY, HOUR, MINUTE, SECOND, definition, with};
use crate::types::*;

pub(super) const START_MS: u64 = 1_770_000_000_000;

/// What is asked next; numbers pick among what is there when it is asked.
#[derive(Clone, Debug)]
pub(super) enum Ask {
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
    Level {
        level: u8,
        by_hand: bool,
        key: Option<u64>,
        reason: usize,
    },
    ReleaseLevel {
        key: u64,
        reason: usize,
    },
    Limit {
        claims_per_s: Option<u32>,
        key: u64,
        reason: usize,
    },
    Outage,
    Order(OrderAsk),
    Webhook(WebhookAsk),
}

/// The newest ones most often, one that is not there now and then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pick {
    back: u32,
    missing: bool,
    pub wrong_user: bool,
}

impl Pick {
    pub(super) fn of(self, len: usize) -> u32 {
        let len = u32::try_from(len).expect("few");
        if self.missing || len == 0 { len + 7 } else { len - 1 - self.back % len }
    }
}

pub(super) fn pick() -> impl Strategy<Value = Pick> {
    let rarely = || prop::bool::weighted(0.02);
    (prop_oneof![3 => 0..3_u32, 2 => 0..40_u32], rarely(), rarely())
        .prop_map(|(back, missing, wrong_user)| Pick { back, missing, wrong_user })
}

/// How much time passes before the next ask.
#[derive(Clone, Copy, Debug)]
pub(super) enum Gap {
    Ms(u64),
    /// To this place among the coming ends of anything, or one millisecond beside it.
    ToEnd {
        place: usize,
        beside_ms: i64,
    },
}

pub(super) fn gap() -> impl Strategy<Value = Gap> {
    let gap_ms = prop_oneof![
        40 => Just(0),
        20 => 1..5_u64,
        20 => 1..SECOND,
        10 => (1..60_u64).prop_map(|seconds| seconds * SECOND),
        6 => 1..40 * MINUTE,
        3 => (1..20_u64).prop_map(|hours| hours * HOUR),
        1 => 1..4 * DAY,
        1 => 1..10 * DAY,
    ];
    let to_end = (prop_oneof![4 => Just(0), 1 => 0..6_usize], -1..2_i64);
    prop_oneof![
        12 => gap_ms.prop_map(Gap::Ms),
        1 => to_end.prop_map(|(place, beside_ms)| Gap::ToEnd { place, beside_ms }),
    ]
}

/// Short ones, in which orders are made and collected.
pub(super) fn short_gap() -> impl Strategy<Value = Gap> {
    let gap_ms = prop_oneof![
        30 => Just(0),
        40 => 1..90 * SECOND,
        12 => MINUTE..20 * MINUTE,
        1 => HOUR..14 * HOUR,
    ];
    prop_oneof![
        20 => gap_ms.prop_map(Gap::Ms),
        1 => (-1..2_i64).prop_map(|beside_ms| Gap::ToEnd { place: 0, beside_ms }),
    ]
}

/// Asks of orders and outlets, and what else it takes for them to have vouchers and compensation.
pub(super) fn order_ask() -> impl Strategy<Value = Ask> {
    let claim = (prop_oneof![Just(0), Just(3)], 0..6_u8, any::<u64>());
    let fund = (0..4_u8, any::<u64>(), 1..3_000_u64);
    prop_oneof![
        60 => super::orders::ask().prop_map(Ask::Order),
        60 => super::orders::onward().prop_map(Ask::Order),
        8 => claim.prop_map(|(campaign, user, key)| Ask::Claim {
            campaign,
            user,
            key: Some(key),
            met: 1,
        }),
        4 => fund.prop_map(|(campaign, key, amount_minor)| Ask::Budget {
            campaign,
            key,
            reference: (key % 60_000) as u16,
            fund: true,
            purpose: 3,
            amount_minor,
        }),
        10 => prop_oneof![Just(u32::MAX), 1..4_u32].prop_map(|limit| Ask::Tick { limit }),
        2 => Just(Ask::Outage),
        2 => (1..8_usize).prop_map(|back| Ask::Again { back, key: None }),
    ]
}

pub(super) fn ask() -> impl Strategy<Value = Ask> {
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
    let reason = || prop_oneof![20 => 1..4_usize, 1 => Just(0), 1 => Just(REASON_LEN_MAX + 1)];
    let level = (0..5_u8, prop::bool::weighted(0.3), prop::option::weighted(0.8, key()), reason())
        .prop_map(|(level, by_hand, key, reason)| Ask::Level { level, by_hand, key, reason });
    let most = prop_oneof![6 => 1..4_u32, 1 => Just(u32::MAX), 1 => Just(0)];
    let most = prop::option::weighted(0.8, most);
    let ceiling = (most, key(), reason()).prop_map(|(claims_per_s, key, reason)| Ask::Limit {
        claims_per_s,
        key,
        reason,
    });
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
        6 => webhook_ask().prop_map(Ask::Webhook),
        3 => Just(Ask::Outage),
        5 => level,
        3 => (key(), reason()).prop_map(|(key, reason)| Ask::ReleaseLevel { key, reason }),
        3 => ceiling,
        60 => super::orders::ask().prop_map(Ask::Order),
    ]
}

/// Four campaigns that differ in all that the rules look at, with lives short enough to end.
pub(super) fn documents() -> [Definition; 4] {
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
                terms.compensation = Some(CompensationTerms {
                    budget_minor: 3_000,
                    apology_minor: 700,
                    outlet_percent: 33,
                });
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
                terms.compensation = Some(CompensationTerms {
                    budget_minor: 0,
                    apology_minor: 0,
                    outlet_percent: 100,
                });
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
                terms.compensation = Some(CompensationTerms {
                    budget_minor: 1,
                    apology_minor: 1_000,
                    outlet_percent: 0,
                });
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
