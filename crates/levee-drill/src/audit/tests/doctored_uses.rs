//! Locks, redemptions, their undoing and revocations, doctored in one place at a time.

use super::*;
use VoucherState::{Expired, Live, Redeemed};

#[test]
fn locks() {
    check(
        "number",
        |s| {
            s.end(8);
            s.step(8).outcome = Outcome::Locked { lock: LockNo(1), until_ms: 1_503 };
        },
        &[(8, "lock 1 stands where 0 follows")],
    );
    // Ends behind, time, lock, expected.
    type Case = (usize, u64, (Command, Outcome), &'static str);
    let cases: [Case; 9] = [
        (7, 1_003, lock(90, 1, 0, 0, 0, 1_003), "a lock for 0 ms"),
        (7, 1_003, lock(90, 1, 0, 500, 0, 1_504), "lock 0 ends at 1504, asked for was 1503"),
        (7, 1_003, lock(90, 1, 3, 500, 0, 1_503), "there is no voucher 3"),
        (7, 1_003, lock(90, 2, 0, 500, 0, 1_503), "voucher 0 is another user's"),
        (7, 11_000, lock(90, 1, 0, 500, 0, 11_500), "voucher 0 was locked, though it was Expired"),
        (8, 1_004, lock(90, 2, 1, 500, 1, 1_504), "voucher 1 was locked, though it was Locked"),
        (9, 1_104, lock(90, 1, 0, 500, 1, 1_604), "voucher 0 was locked, though it was Redeemed"),
        (12, 1_404, lock(90, 3, 2, 500, 1, 1_904), "voucher 2 was locked, though it was Revoked"),
        (8, 12_000, lock(90, 2, 1, 500, 1, 12_500), "voucher 1 was locked, though it was Expired"),
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
        "reference",
        |s| {
            let Command::LockVoucher(ask) = &mut s.step(13).command else { panic!("no lock") };
            ask.reference = reference("lock 8");
        },
        &[(13, "Lock reference \"lock 8\" was used already")],
    );
}

#[test]
fn releases() {
    // Ends behind, time, release, expected.
    for (end, at_ms, (command, outcome), expected) in [
        (13, 1_600, release(2, Live), "there is no lock 2"),
        (14, 1_600, release(1, Live), "lock 1 held nothing any more: LetGo"),
        (10, 1_600, release(0, Live), "lock 0 held nothing any more: Used"),
        (13, 1_600, release(1, Expired), "voucher 0 is Live when let go, not Expired"),
        (13, 1_600, release(1, Redeemed), "voucher 0 is Live when let go, not Redeemed"),
        (13, 11_000, release(1, Live), "voucher 0 is Expired when let go, not Live"),
    ] {
        check(
            expected,
            |s| {
                s.end(end);
                s.add(at_ms, command, outcome);
            },
            &[(end as u64 + 1, expected)],
        );
    }
}

#[test]
fn redemptions() {
    check(
        "number",
        |s| {
            s.end(9);
            s.step(9).outcome = redeemed(1, 1_800, 700, 6_100);
        },
        &[(9, "redemption 1 stands where 0 follows")],
    );
    check(
        "no such voucher",
        |s| {
            s.end(9);
            s.redeem(9).bill.voucher = VoucherNo(3);
        },
        &[(9, "there is no voucher 3")],
    );
    check(
        "another user's",
        |s| s.redeem(9).bill.user = user(2),
        &[(9, "voucher 0 is another user's")],
    );
    check(
        "never locked",
        |s| s.redeem(9).lock = Some(LockNo(0)),
        &[(9, "lock 0 does not hold voucher 0 any more")],
    );
    check(
        "held by a lock",
        |s| s.redeem(10).lock = None,
        &[(10, "voucher 1 is held by lock 0, named was none")],
    );
    check(
        "held by another lock",
        |s| s.redeem(10).lock = Some(LockNo(1)),
        &[(10, "voucher 1 is held by lock 0, named was 1")],
    );
    check(
        "a lock that is over",
        |s| {
            s.end(10);
            s.step(10).at_ms = 1_503;
            s.step(10).outcome = redeemed(1, 2_500, 0, 6_503);
        },
        &[(10, "lock 0 does not hold voucher 1 any more")],
    );
    check(
        "expired, though no tick said so",
        |s| {
            s.end(9);
            s.step(9).at_ms = 11_000;
            s.step(9).outcome = redeemed(0, 1_800, 700, 16_000);
        },
        &[(9, "voucher 0 was redeemed, though it was Expired")],
    );
    check(
        "used twice",
        |s| {
            s.end(9);
            let again = Command::RedeemVoucher(Box::new(redeem(90, 1, 0, 1_800, None)));
            s.add(1_200, again, redeemed(1, 1_800, 700, 6_200));
        },
        &[(10, "voucher 0 was redeemed, though it was Redeemed")],
    );
    check(
        "revoked",
        |s| {
            s.end(12);
            let again = Command::RedeemVoucher(Box::new(redeem(90, 3, 2, 1_800, None)));
            s.add(1_400, again, redeemed(2, 1_800, 700, 6_400));
        },
        &[(13, "voucher 2 was redeemed, though it was Revoked")],
    );
    check(
        "brand",
        |s| s.redeem(9).bill.brand = Some(NameHash::of("luckin")),
        &[(9, "the voucher is not for this brand")],
    );
    check(
        "no brand",
        |s| s.redeem(9).bill.brand = None,
        &[(9, "the voucher is not for this brand")],
    );
    check(
        "category",
        |s| s.redeem(9).bill.categories = Categories::default(),
        &[(9, "the voucher is not for this category")],
    );
    check(
        "hour",
        |s| {
            s.end(9);
            s.terms().voucher.hours = vec![DayPart { from_minute: 481, until_minute: 480 }];
        },
        &[(9, "the voucher is not for this hour")],
    );
    check(
        "reference",
        |s| s.redeem(10).reference = reference("order 9"),
        &[(10, "Redemption reference \"order 9\" was used already")],
    );
}

#[test]
fn discounts() {
    // Bill, outcome, expected.
    let too_much = BILL_MINOR_MAX + 1;
    for (bill, outcome, expected) in [
        (999, redeemed(0, 999, 1_501, 6_100), "a bill of 999, where 1000 is the least"),
        (too_much, redeemed(0, 2_500, 0, 6_100), "a bill of 281474976710657 is out of bounds"),
        (1_800, redeemed(0, 0, 2_500, 6_100), "0 off a bill of 1800"),
        (1_800, redeemed(0, 1_801, 699, 6_100), "1801 off a bill of 1800"),
        (
            1_800,
            redeemed(0, 1_799, 701, 6_100),
            "1799 off a bill of 1800, where the terms give 1800",
        ),
        (1_800, redeemed(0, 1_800, 701, 6_100), "700 of the face are left, not 701"),
        (1_800, redeemed(0, 1_800, 700, 6_101), "it can be undone until 6100, not 6101"),
    ] {
        check(
            expected,
            |s| {
                s.end(9);
                s.redeem(9).bill.order_minor = bill;
                s.step(9).outcome = outcome;
            },
            &[(9, expected)],
        );
    }
    check(
        "more than the face",
        |s| {
            s.end(9);
            s.redeem(9).bill.order_minor = 9_000;
            s.step(9).outcome = redeemed(0, 2_600, 0, 6_100);
        },
        &[
            (9, "2600 off a bill of 9000, where the terms give 2500"),
            (9, "2600 off with a voucher of 2500"),
        ],
    );
    check(
        "a percentage rounded up",
        |s| {
            s.terms().voucher.kind = VoucherKind::PercentOff { percent: 33, max_minor: 2_500 };
            s.end(9);
            s.redeem(9).bill.order_minor = 1_003;
            s.step(9).outcome = redeemed(0, 331, 2_169, 6_100);
        },
        &[(9, "331 off a bill of 1003, where the terms give 330")],
    );
    check(
        "by rules that the audit does not know, only the bounds count",
        |s| {
            s.end(8);
            let (command, outcome) = activate(2);
            s.add(1_050, command, outcome);
            let used = Command::RedeemVoucher(Box::new(redeem(90, 1, 0, 1_800, None)));
            s.add(1_100, used, redeemed(0, 900, 1_600, 6_100));
            s.step(10).rules_version = 2;
        },
        &[(9, "rules 2 are none that this audit can count by")],
    );
}

#[test]
fn rollbacks() {
    // Ends behind, time, rollback, expected.
    for (end, at_ms, (command, outcome), expected) in [
        (10, 1_300, roll_back(90, 2, Live), "there is no redemption 2"),
        (11, 1_300, roll_back(90, 0, Live), "redemption 0 was undone already"),
        (
            10,
            6_100,
            roll_back(90, 0, Live),
            "redemption 0 was undone, though that was over at 6100",
        ),
        (10, 1_300, roll_back(90, 0, Expired), "voucher 0 is Live after that, not Expired"),
        (10, 1_300, roll_back(90, 0, Redeemed), "voucher 0 is Live after that, not Redeemed"),
    ] {
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
        "settled already",
        |s| {
            let (command, outcome) = roll_back(90, 1, Expired);
            s.add(13_000, command, outcome);
        },
        &[(23, "redemption 1 was undone, though that was over at 6200")],
    );
    check(
        "live beyond its own end",
        |s| {
            s.step(9).at_ms = 10_900;
            s.step(9).outcome = redeemed(0, 1_800, 700, 15_900);
            s.end(9);
            let (command, outcome) = roll_back(11, 0, Live);
            s.add(12_000, command, outcome);
        },
        &[(10, "voucher 0 is Expired after that, not Live")],
    );
}

#[test]
fn revocations() {
    // Ends behind, time, revocation, expected.
    for (end, at_ms, (command, outcome), expected) in [
        (7, 1_300, revoke(90, 3, 2_500), "there is no voucher 3"),
        (8, 1_300, revoke(90, 1, 2_500), "voucher 1 was revoked, though it was Locked"),
        (9, 1_300, revoke(90, 0, 2_500), "voucher 0 was revoked, though it was Redeemed"),
        (12, 1_400, revoke(90, 2, 2_500), "voucher 2 was revoked, though it was Revoked"),
        (7, 11_000, revoke(90, 0, 2_500), "voucher 0 was revoked, though it was Expired"),
        (7, 1_300, revoke(90, 0, 2_499), "revoking gives 2499 back, and the face is 2500"),
    ] {
        check(
            expected,
            |s| {
                s.end(end);
                s.add(at_ms, command, outcome);
            },
            &[(end as u64 + 1, expected)],
        );
    }
}
