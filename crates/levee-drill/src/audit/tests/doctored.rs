//! Records, claims, rules and time, doctored in one place at a time.

use super::super::recount::Recount;
use super::super::stream::Ending;
use super::*;

#[test]
fn records_and_keys() {
    check(
        "decided by other rules",
        |s| s.step(7).rules_version = 2,
        &[(7, "decided by rules 2, though rules 1 hold")],
    );
    check(
        "a command is missing",
        |s| s.step(22).count = 2,
        &[(22, "the record should hold 2 commands and holds 1")],
    );
    check(
        "another command's outcome",
        |s| s.step(22).outcome = Outcome::RulesActivated,
        &[(22, "RulesActivated cannot come of ChangeCampaignState")],
    );
    check(
        "a key within 72 hours",
        |s| {
            s.end(4);
            let after = money([11_001, 11_001, 0, 0, 0, 0]);
            let (command, outcome) = budget(4, Direction::Fund, Purpose::Vouchers, 1, "c", after);
            s.add(40 + 72 * 3_600_000, command, outcome);
        },
        &[(5, "request key 04040404040404040404040404040404 was used at 40")],
    );
    check(
        "a claim's key, where it counts",
        |s| {
            s.terms().voucher.per_user = 2;
            s.end(6);
            (s.claim(5).request, s.claim(6).request) = (Some(key(50)), Some(key(50)));
        },
        &[(6, "request key 3232")],
    );
    check(
        "rules that hold already",
        |s| {
            let (command, outcome) = activate(1);
            s.add(13_000, command, outcome);
        },
        &[(23, "rules 1 are activated, though rules 1 hold")],
    );
    check(
        "rules of the future",
        |s| {
            let (command, outcome) = activate(2);
            s.add(13_000, command, outcome);
        },
        &[(23, "rules 2 are none that this audit can count by")],
    );
}

#[test]
fn the_order_of_records() {
    // The journal's reader refuses such files before the audit sees them.
    let mut recount = Recount::default();
    recount.begin_record(1, 100);
    recount.end_record(0);
    recount.begin_record(3, 99);
    for entry in entries([activate(2), activate(3)]) {
        recount.command(&entry);
    }
    recount.end_record(2);
    let report = recount.finish(Ending::default());
    let whats: Vec<&str> = report.differences.iter().map(|found| found.what.as_str()).collect();
    assert_eq!(
        whats,
        [
            "the record begins with 3 where 1 follows",
            "time goes back from 100 to 99",
            "rules 2 are none that this audit can count by",
            "stands behind a change of the rules in one record",
            "rules 3 are none that this audit can count by",
        ]
    );
}

#[test]
fn claims() {
    check(
        "another campaign",
        |s| {
            s.end(5);
            s.claim(5).campaign = CampaignNo(1);
        },
        &[(5, "a claim of campaign 1, which does not exist")],
    );
    check(
        "numbers left out",
        |s| {
            s.end(5);
            s.step(5).outcome = Outcome::Claimed { voucher: VoucherNo(2), face_minor: 2_500 };
            let (command, outcome) = claim(2, 3);
            s.add(1_002, command, outcome);
        },
        &[(5, "voucher 2 stands where 0 follows")],
    );
    check(
        "a number twice",
        |s| {
            s.end(7);
            s.step(6).outcome = Outcome::Claimed { voucher: VoucherNo(0), face_minor: 2_500 };
        },
        &[(6, "voucher 0 stands where 1 follows")],
    );
    check(
        "a number out of this world",
        |s| {
            s.end(6);
            s.step(5).outcome =
                Outcome::Claimed { voucher: VoucherNo(u32::MAX), face_minor: 2_500 };
        },
        &[(5, "voucher 4294967295 stands where 0 follows")],
    );
    check(
        "a draft",
        |s| {
            s.0.remove(3);
            s.end(4);
        },
        &[(4, "a claim of a campaign that is Draft")],
    );
    check(
        "closed by time",
        |s| {
            s.end(5);
            s.step(5).at_ms = 100_000;
        },
        &[(5, "a claim of a campaign that is Closed")],
    );
    check(
        "paused",
        |s| {
            s.end(19);
            let (command, outcome) = claim(4, 3);
            s.add(3_200, command, outcome);
            s.claim(20).terms_version = 2;
        },
        &[(20, "a claim of a campaign that is Paused")],
    );
    check(
        "too early",
        |s| {
            s.end(5);
            s.step(5).at_ms = 999;
        },
        &[(5, "a claim 1 ms before the opening")],
    );
    check(
        "no key where a user may have several",
        |s| {
            s.terms().voucher.per_user = 2;
            s.end(5);
        },
        &[(5, "a claim without a request key")],
    );
    check(
        "old conditions",
        |s| s.claim(6).terms_version = 0,
        &[(6, "conditions of version 0 were looked at, though 1 holds")],
    );
    check(
        "not eligible",
        |s| s.claim(6).conditions_met = 0b10,
        &[(6, "conditions met are 0b10 of 1")],
    );
    check(
        "wrong face",
        |s| {
            s.end(5);
            s.step(5).outcome = Outcome::Claimed { voucher: VoucherNo(0), face_minor: 2_501 };
        },
        &[(5, "a face of 2501, where the terms say 2500")],
    );
    check(
        "doubled",
        |s| {
            s.end(6);
            s.claim(6).user = user(1);
        },
        &[(6, "voucher 2 of a user who may have 1")],
    );
    check(
        "over the user's total",
        |s| {
            s.terms().voucher.per_user = 2;
            s.terms().per_user_total_minor = Some(4_999);
            s.end(6);
            s.claim(5).request = Some(key(50));
            (s.claim(6).user, s.claim(6).request) = (user(1), Some(key(51)));
        },
        &[(6, "5000 for a user who may have 4999")],
    );
    check(
        "money that is set aside",
        |s| {
            s.end(7);
            let (command, outcome) = claim(4, 3);
            s.add(1_003, command, outcome);
            let (command, outcome) = claim(5, 4);
            s.add(1_004, command, outcome);
        },
        &[(9, "overspent: 2500 were promised and 0 were free")],
    );
}

#[test]
fn outages_and_ticks() {
    check(
        "stopped before its last command",
        |s| {
            let (command, outcome) = resume(12_999, 7_000);
            s.add(20_000, command, outcome);
        },
        &[(23, "stopped at 12999, though the last record is of 13000")],
    );
    check(
        "stopped after its last record",
        |s| {
            let (command, outcome) = resume(13_001, 6_999);
            s.add(20_000, command, outcome);
        },
        &[(23, "stopped at 13001, though the last record is of 13000")],
    );
    check(
        "a longer outage",
        |s| {
            let (command, outcome) = resume(13_000, 7_001);
            s.add(20_000, command, outcome);
        },
        &[(23, "an outage of 7000 ms is written down as 7001")],
    );
    // What the tick lists at which time, behind which command, expected.
    type Case = (usize, u64, (Command, Outcome), &'static str);
    let cases: [Case; 12] = [
        (15, 1_799, tick(&[2], &[], &[]), "lock 2 ended 1 ms early"),
        (16, 2_000, tick(&[2], &[], &[]), "lock 2 held nothing any more: LetGo"),
        (10, 2_000, tick(&[0], &[], &[]), "lock 0 held nothing any more: Used"),
        (16, 2_000, tick(&[3], &[], &[]), "there is no lock 3"),
        (7, 11_000, tick(&[], &[0, 1], &[]), "voucher 1 ended 1 ms early"),
        (7, 11_000, tick(&[], &[0, 0], &[]), "voucher 0 expires, though it was Expired"),
        (12, 20_000, tick(&[], &[2], &[]), "voucher 2 expires, though it was Revoked"),
        (7, 11_000, tick(&[], &[0, 9], &[]), "there is no voucher 9"),
        (10, 6_100, tick(&[], &[], &[0, 1]), "redemption 1 ended 100 ms early"),
        (10, 6_200, tick(&[], &[], &[0, 0]), "redemption 0 settles, though it was Settled"),
        (11, 6_200, tick(&[], &[], &[0]), "redemption 0 settles, though it was RolledBack"),
        (10, 6_200, tick(&[], &[], &[2]), "there is no redemption 2"),
    ];
    for (end, at_ms, (command, outcome), expected) in cases {
        check(
            expected,
            |s| {
                s.end(end);
                s.add(at_ms, command, outcome);
            },
            &[(end as u64 + 1, expected)],
        );
    }
    check(
        "more than the limit",
        |s| s.step(21).command = Command::Tick(Tick { limit: 1 }),
        &[(21, "2 things expired at a limit of 1")],
    );
    check(
        "expired in its grace",
        |s| {
            s.end(9);
            let (command, outcome) = resume(1_100, 11_950);
            s.add(13_050, command, outcome);
            let (command, outcome) = tick(&[0], &[0], &[0]);
            s.add(24_999, command, outcome);
        },
        &[
            (11, "lock 0 ended 1 ms early"),
            (11, "voucher 0 expires, though it was Redeemed"),
            (11, "redemption 0 ended 1 ms early"),
        ],
    );
}

#[test]
fn an_outage_ends_with_the_first_command() {
    // Two commands of one record, the second of which says that nothing was there before.
    let mut recount = Recount::default();
    recount.begin_record(1, 10_000);
    for entry in entries([tick(&[], &[], &[]), resume(0, 0), resume(0, 10_000)]) {
        recount.command(&entry);
    }
    recount.end_record(3);
    let report = recount.finish(Ending::default());
    let found: Vec<_> =
        report.differences.iter().map(|found| (found.seq, found.what.as_str())).collect();
    assert_eq!(found, [(3, "an outage of 0 ms is written down as 10000")]);
}
