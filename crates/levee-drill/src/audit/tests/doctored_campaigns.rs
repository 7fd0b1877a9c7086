//! Campaigns, budgets and states, doctored in one place at a time.

use super::*;
use {Direction::Fund, Direction::Withdraw};

#[test]
fn campaigns() {
    check(
        "number",
        |s| {
            s.end(1);
            s.step(1).outcome = Outcome::CampaignCreated { campaign: CampaignNo(1) };
        },
        &[(1, "campaign 1 stands where 0 follows")],
    );
    check(
        "made twice",
        |s| {
            let (command, outcome) = create(90, definition(terms()), 1);
            s.add(13_000, command, outcome);
        },
        &[(23, "campaign new-year exists already")],
    );
    check(
        "unsound terms",
        |s| s.terms().currency = *b"cny",
        &[
            (1, "the terms are not sound: currency"),
            (18, "currency changed after users could rely on it"),
        ],
    );
    check(
        "unsound new terms",
        |s| {
            let (command, outcome) = replace(2, Terms { closes_at_ms: u64::MAX, ..terms() }, 3);
            s.add(13_000, command, outcome);
        },
        &[(23, "the terms are not sound: closes_at")],
    );
    check(
        "no such campaign",
        |s| s.0.drain(..1).for_each(drop),
        &[
            (1, "there is no campaign new-year"),
            (2, "there is no campaign new-year"),
            (3, "there is no campaign new-year"),
            (4, "a claim of campaign 0, which does not exist"),
            (5, "a claim of campaign 0, which does not exist"),
            (6, "a claim of campaign 0, which does not exist"),
            (7, "there is no voucher 1"),
            (8, "there is no voucher 0"),
            (9, "there is no voucher 1"),
            (10, "there is no redemption 0"),
            (11, "there is no voucher 2"),
            (12, "there is no voucher 0"),
            (13, "there is no lock 1"),
            (14, "there is no voucher 0"),
            (15, "there is no lock 2"),
            (16, "there is no campaign new-year"),
            (17, "there is no campaign new-year"),
            (18, "there is no campaign new-year"),
            (19, "there is no campaign new-year"),
            (20, "there is no voucher 0"),
            (20, "there is no redemption 1"),
            (21, "there is no campaign new-year"),
        ],
    );
    check(
        "replaced unseen",
        |s| {
            let (command, outcome) = replace(1, Terms { closes_at_ms: 300_000, ..terms() }, 3);
            s.add(13_000, command, outcome);
        },
        &[(23, "version 2 was replaced by somebody who saw 1")],
    );
    check(
        "version left out",
        |s| {
            s.step(18).outcome = Outcome::CampaignReplaced { version: 3 };
        },
        &[(18, "version 3 follows 1")],
    );
    check(
        "another currency for the same money",
        |s| {
            s.end(3);
            let (command, outcome) = replace(1, Terms { currency: *b"EUR", ..terms() }, 2);
            s.add(31, command, outcome);
        },
        &[(4, "currency changed")],
    );
}

#[test]
fn frozen_terms() {
    type Change = (&'static str, fn(&mut Terms));
    let changes: [Change; 18] = [
        ("currency changed", |t| t.currency = *b"EUR"),
        ("opens_at changed", |t| t.opens_at_ms = 999),
        ("closes_at changed", |t| t.closes_at_ms = 99_999),
        ("eligibility changed", |t| t.eligibility.all.clear()),
        ("voucher changed", |t| t.voucher.kind = VoucherKind::AmountOff { face_minor: 2_499 }),
        ("voucher changed", |t| t.voucher.min_spend_minor = 1_001),
        ("voucher changed", |t| t.voucher.brands.clear()),
        ("voucher changed", |t| t.voucher.categories.clear()),
        ("voucher changed", |t| t.voucher.hours.clear()),
        ("voucher changed", |t| t.voucher.valid_for_ms = 9_999),
        ("voucher changed", |t| t.voucher.per_user = 2),
        ("voucher changed", |t| t.voucher.rollback_within_ms = 4_999),
        ("time_zone changed", |t| t.offsets[0].minutes = 479),
        ("time_zone changed", |t| {
            t.offsets.push(ZoneOffset { from_ms: 109_999, minutes: 540 });
        }),
        ("invites changed", |t| {
            let tiers = vec![InviteTier { invites: 1, face_minor: 1 }];
            t.invites = Some(InviteTerms { budget_minor: 1, tiers, max_per_user: 1 });
        }),
        ("envelopes changed", |t| {
            t.envelopes = Some(EnvelopeTerms {
                budget_minor: 1,
                share_min_minor: 1,
                share_max_minor: 1,
                shares_max: 1,
                expires_after_ms: 1_000,
            });
        }),
        ("limits.prize_max_minor changed", |t| t.prize_max_minor = Some(2_500)),
        ("limits.per_user_total_minor changed", |t| t.per_user_total_minor = Some(2_500)),
    ];
    for (what, change) in changes {
        check(
            what,
            |s| {
                s.end(4);
                let mut changed = terms();
                change(&mut changed);
                let (command, outcome) = replace(1, changed, 2);
                s.add(50, command, outcome);
            },
            &[(5, what)],
        );
    }
}

#[test]
fn states_of_campaigns() {
    use {CampaignState as State, StateChange as Change};
    // Story ends behind, time, change, state written down, expected.
    for (end, at_ms, change, becomes, expected) in [
        (3, 50, Change::Pause, State::Paused, "Pause of a campaign that is Draft"),
        (3, 50, Change::Resume, State::Open, "Resume of a campaign that is Draft"),
        (4, 50, Change::Open, State::Open, "Open of a campaign that is Open"),
        (4, 50, Change::Resume, State::Open, "Resume of a campaign that is Open"),
        (19, 3_300, Change::Pause, State::Paused, "Pause of a campaign that is Paused"),
        (4, 100_000, Change::Pause, State::Paused, "Pause of a campaign that is Closed"),
        (22, 13_001, Change::Close, State::Closed, "Close of a campaign that is Closed"),
        (22, 13_001, Change::Resume, State::Open, "Resume of a campaign that is Closed"),
        (4, 50, Change::Pause, State::Closed, "Pause makes a campaign Paused, not Closed"),
    ] {
        check(
            expected,
            |s| {
                s.end(end);
                let (command, outcome) = state(90, change, becomes);
                s.add(at_ms, command, outcome);
            },
            &[(end as u64 + 1, expected)],
        );
    }
}

#[test]
fn budgets() {
    // Direction, purpose, amount, reference, buckets behind it, expected.
    type Case = (Direction, Purpose, u64, &'static str, [u64; 6], &'static str);
    let cases: [Case; 6] = [
        (Fund, Purpose::Vouchers, 0, "c", [11_000, 11_000, 0, 0, 0, 0], "nothing is moved"),
        (Fund, Purpose::Vouchers, 5, "c", [11_005, 11_004, 0, 0, 0, 0], "the journal says Money"),
        (
            Fund,
            Purpose::Vouchers,
            5,
            "b",
            [11_005, 11_005, 0, 0, 0, 0],
            "Funding reference \"b\" was used already",
        ),
        (
            Withdraw,
            Purpose::Vouchers,
            10_001,
            "c",
            [11_000, 999, 0, 0, 0, 10_001],
            "10001 are withdrawn of 10000 that are free for Vouchers",
        ),
        (
            Withdraw,
            Purpose::Invites,
            1_001,
            "c",
            [11_000, 9_999, 0, 0, 0, 1_001],
            "1001 are withdrawn of 1000 that are free for Invites",
        ),
        (
            Withdraw,
            Purpose::Compensation,
            1,
            "c",
            [11_000, 10_999, 0, 0, 0, 1],
            "1 are withdrawn of 0 that are free for Compensation",
        ),
    ];
    for (direction, purpose, amount, name, after, expected) in cases {
        check(
            expected,
            |s| {
                s.end(3);
                let (command, outcome) = budget(90, direction, purpose, amount, name, money(after));
                s.add(31, command, outcome);
            },
            &[(4, expected)],
        );
    }
    check(
        "withdrawn twice",
        |s| {
            let after = money([11_000, 7_499, 0, 0, 2_500, 1_001]);
            let (command, outcome) = budget(90, Withdraw, Purpose::Vouchers, 1, "a", after);
            s.add(13_000, command, outcome);
        },
        &[(23, "Withdrawal reference \"a\" was used already")],
    );
}
