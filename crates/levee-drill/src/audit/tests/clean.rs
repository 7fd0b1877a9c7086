//! Journals without a fault: what is allowed must not be called a difference.

use super::super::{
    CampaignReport, CompensationReport, CountsReport, MoneyReport, SetAsideReport, audit_until,
};
use super::*;

#[test]
fn a_clean_story_has_these_buckets() {
    let dir = tempfile::tempdir().unwrap();
    let story = clean_story();
    story.write(dir.path());
    let mut seen = Vec::new();
    let report = audit(dir.path(), &mut |fact| {
        seen.push((fact.seq, fact.at_ms, fact.command.clone(), fact.outcome.clone()));
    })
    .unwrap();
    let expected = CampaignReport {
        id: "new-year".into(),
        state: CampaignState::Closed,
        money: MoneyReport {
            funded_minor: 11_000,
            available_minor: 7_500,
            spent_minor: 2_500,
            returned_minor: 1_000,
            ..MoneyReport::default()
        },
        counts: CountsReport {
            claims: 3,
            vouchers_redeemed: 1,
            vouchers_expired: 1,
            vouchers_revoked: 1,
            ..CountsReport::default()
        },
        set_aside: SetAsideReport { invites_minor: 1_000, ..SetAsideReport::default() },
        compensation: CompensationReport::default(),
    };
    assert_eq!(report.differences, []);
    assert!(report.ok);
    assert_eq!(report.campaigns, [expected]);
    assert_eq!((report.commands, report.last_seq, report.records), (22, 22, 24));
    assert_eq!((report.from, report.closed_cleanly), ("genesis", true));
    assert_eq!(report.torn_tail, None);
    let steps = story.0.iter().zip(1..);
    let written: Vec<_> = steps
        .map(|(step, seq)| (seq, step.at_ms, step.command.clone(), step.outcome.clone()))
        .collect();
    assert_eq!(seen, written);

    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["campaigns"][0]["state"], "closed");
    assert_eq!(json["campaigns"][0]["money"]["available_minor"], 7_500);
    assert_eq!(json["campaigns"][0]["counts"]["vouchers_revoked"], 1);
}

#[test]
fn an_audit_can_end_early() {
    let dir = tempfile::tempdir().unwrap();
    clean_story().write(dir.path());
    let report = audit_until(dir.path(), 10, &mut |_| {}).unwrap();
    assert!(report.ok);
    assert_eq!((report.last_seq, report.closed_cleanly), (10, false));
    let money = report.campaigns[0].money;
    assert_eq!(
        (money.available_minor, money.reserved_minor, money.spent_minor),
        (3_500, 3_200, 4_300)
    );
}

#[test]
fn what_is_allowed_is_no_difference() {
    use VoucherState::{Expired, Live};
    check(
        "per_user 1 looks at no key",
        |s| {
            s.claim(5).request = Some(key(99));
            s.claim(6).request = Some(key(99));
        },
        &[],
    );
    check(
        "without conditions the version does not matter",
        |s| {
            s.terms().eligibility.all.clear();
            s.end(7);
            s.claim(5).terms_version = 0;
            s.claim(6).conditions_met = 0;
        },
        &[],
    );
    check(
        "several for one user, each with a key",
        |s| {
            s.terms().voucher.per_user = 2;
            s.terms().per_user_total_minor = Some(5_000);
            s.end(6);
            s.claim(5).request = Some(key(50));
            (s.claim(6).user, s.claim(6).request) = (user(1), Some(key(51)));
        },
        &[],
    );
    check(
        "a request key comes again after 72 hours",
        |s| {
            s.end(4);
            let after = money([11_001, 11_001, 0, 0, 0, 0]);
            let (command, outcome) = budget(4, Direction::Fund, Purpose::Vouchers, 1, "c", after);
            s.add(40 + 72 * 3_600_000 + 1, command, outcome);
        },
        &[],
    );
    check(
        "one text may be a reference of each kind",
        |s| {
            s.end(9);
            let Command::LockVoucher(ask) = &mut s.step(8).command else { panic!("no lock") };
            ask.reference = reference("a");
            s.redeem(9).reference = reference("a");
        },
        &[],
    );
    check(
        "a lock that is over lets go without a tick: lock",
        |s| {
            s.end(8);
            let (command, outcome) = lock(9, 2, 1, 10, 1, 1_513);
            s.add(1_503, command, outcome);
        },
        &[],
    );
    check(
        "a lock that is over lets go without a tick: redeem and revoke",
        |s| {
            s.end(8);
            s.add(
                1_503,
                Command::RedeemVoucher(Box::new(redeem(9, 2, 1, 3_000, None))),
                redeemed(0, 2_500, 0, 6_503),
            );
            let (command, outcome) = lock(10, 1, 0, 10, 1, 1_610);
            s.add(1_600, command, outcome);
            let (command, outcome) = revoke(11, 0, 2_500);
            s.add(1_610, command, outcome);
        },
        &[],
    );
    check(
        "locked vouchers end when let go",
        |s| {
            s.end(7);
            let (command, outcome) = lock(8, 1, 0, 20_000, 0, 21_003);
            s.add(1_003, command, outcome);
            let (command, outcome) = lock(9, 2, 1, 11_000, 1, 12_003);
            s.add(1_003, command, outcome);
            let (command, outcome) = tick(&[1], &[2], &[]);
            s.add(13_000, command, outcome);
            let (command, outcome) = release(0, Expired);
            s.add(20_000, command, outcome);
        },
        &[],
    );
    check(
        "undone after the voucher's own end",
        |s| {
            s.step(9).at_ms = 10_900;
            s.step(9).outcome = redeemed(0, 1_800, 700, 15_900);
            s.0.remove(9);
            s.end(9);
            let (command, outcome) = roll_back(11, 0, Expired);
            s.add(12_000, command, outcome);
        },
        &[],
    );
    check(
        "never to be undone",
        |s| {
            s.terms().voucher.rollback_within_ms = 0;
            s.step(9).outcome = redeemed(0, 1_800, 700, 1_100);
            s.end(9);
        },
        &[],
    );
    check(
        "a percentage, rounded down and capped",
        |s| {
            s.terms().voucher.kind = VoucherKind::PercentOff { percent: 33, max_minor: 2_500 };
            s.redeem(9).bill.order_minor = 1_003;
            s.step(9).outcome = redeemed(0, 330, 2_170, 6_100);
            s.redeem(10).bill.order_minor = 1_000_000;
            s.end(10);
        },
        &[],
    );
    check(
        "hours past midnight",
        |s| {
            s.terms().offsets = vec![
                ZoneOffset { from_ms: 0, minutes: 0 },
                ZoneOffset { from_ms: 500, minutes: -60 },
                ZoneOffset { from_ms: 50_000, minutes: 480 },
            ];
            s.terms().voucher.hours = vec![DayPart { from_minute: 1_380, until_minute: 10 }];
            s.end(10);
        },
        &[],
    );
    check(
        "a draft may change, and be closed",
        |s| {
            s.end(1);
            let other = Terms { currency: *b"EUR", opens_at_ms: 5, ..terms() };
            let (command, outcome) = replace(1, other, 2);
            s.add(11, command, outcome);
            let (command, outcome) = state(2, StateChange::Close, CampaignState::Closed);
            s.add(12, command, outcome);
        },
        &[],
    );
    check(
        "a later closing time opens again",
        |s| {
            s.end(7);
            let (command, outcome) = replace(1, Terms { closes_at_ms: 300_000, ..terms() }, 2);
            s.add(150_000, command, outcome);
            let (command, outcome) = claim(4, 3);
            s.add(150_001, command, outcome);
            s.claim(9).terms_version = 2;
        },
        &[],
    );
    check(
        "the time zone may change where no voucher sees it",
        |s| {
            s.end(4);
            let mut later = Terms { closes_at_ms: 300_000, ..terms() };
            later.offsets = vec![
                ZoneOffset { from_ms: 0, minutes: -60 },
                ZoneOffset { from_ms: 1_000, minutes: 480 },
                ZoneOffset { from_ms: 110_000, minutes: 540 },
            ];
            let (command, outcome) = replace(1, later, 2);
            s.add(50, command, outcome);
        },
        &[],
    );
    check(
        "an outage of ours gives grace",
        |s| {
            s.end(9);
            // Vouchers end at 11,000 and so on, the redemption at 6,100: all in the outage, which
            // gives until 25,000.
            let (command, outcome) = resume(1_100, 11_950);
            s.add(13_050, command, outcome);
            s.add(
                24_000,
                Command::RedeemVoucher(Box::new(redeem(10, 3, 2, 3_000, None))),
                redeemed(1, 2_500, 0, 29_000),
            );
            let (command, outcome) = roll_back(11, 0, Live);
            s.add(24_500, command, outcome);
            let (command, outcome) = tick(&[0], &[0], &[]);
            s.add(25_000, command, outcome);
        },
        &[],
    );
    check(
        "a short outage gives none",
        |s| {
            s.end(7);
            let (command, outcome) = tick(&[], &[], &[]);
            s.add(10_900, command, outcome);
            let (command, outcome) = resume(10_900, 999);
            s.add(11_899, command, outcome);
            let (command, outcome) = tick(&[], &[0, 1, 2], &[]);
            s.add(11_899, command, outcome);
        },
        &[],
    );
}

#[test]
fn differences_keep_their_order_over_many_chunks() {
    let mut story = clean_story();
    story.end(4);
    let total = 2_000;
    for number in 0..total {
        // Everyone has a voucher already from the second round on, and soon the budget is gone.
        let of = u8::try_from(number % 250).unwrap();
        let (command, outcome) = claim(of, number);
        story.add(1_000 + u64::from(number), command, outcome);
    }
    let report = story.audit();
    let seqs: Vec<u64> = report.differences.iter().map(|found| found.seq).collect();
    assert!(seqs.is_sorted() && seqs.len() == super::super::report::DIFFERENCES_MAX);
    // Four are affordable; each later claim overspends, and from the 251st on repeats.
    assert_eq!(seqs[0], 9);
    assert_eq!(report.difference_count, u64::from(total - 4) + u64::from(total - 250));
    assert_eq!(report.commands, 4 + u64::from(total));
}
