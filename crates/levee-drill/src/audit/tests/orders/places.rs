//! Placing: ranges, promises, and what the voucher pays.

use super::*;

#[test]
fn places() {
    ends_with(8, 1_200, place(90, 1, None, 1, (None, 1_700)), "order 1 stands where 0 follows");
    ends_with(8, 1_200, place(90, 1, None, 0, (None, 1_701)), "order 0 is due at 1700, not 1701");
    type Doctor = fn(&mut PlaceOrder);
    let cases: [(Doctor, &str); 19] = [
        (|ask| ask.outlet = OutletNo(1), "there is no outlet 1"),
        (|ask| ask.outlet_version = 2, "priced by version 2 of outlet 0, where 1 is the latest"),
        (|ask| ask.lines.clear(), "an order with lines out of bounds"),
        (|ask| ask.lines[0].quantity = 0, "an order with lines out of bounds"),
        (|ask| ask.ready_by_ms = Some(1_100), "an order with a wanted time out of bounds"),
        (|ask| ask.ready_by_ms = Some(8_999), "a promise for 9000, where 8999 is the latest"),
        (|ask| ask.courier_ms = Some(TRAVEL_MS_MAX + 1), "an order with a courier's way out of"),
        (|ask| ask.others = vec![OutletNo(0)], "an order with other outlets out of bounds"),
        (|ask| ask.others = vec![OutletNo(7)], "there is no outlet 7"),
        (|ask| ask.campaign = Some(CampaignNo(7)), "there is no campaign 7"),
        (|ask| ask.work = 0, "an order with work out of bounds"),
        (|ask| ask.work = WORK_MAX + 1, "an order with work out of bounds"),
        (|ask| ask.user = user(2), "voucher 0 is another user's"),
        (|ask| ask.voucher = Some(VoucherNo(9)), "there is no voucher 9"),
        (|ask| ask.categories = Categories::default(), "the voucher is not for this category"),
        (|ask| ask.total_minor = 1_100, "a subsidy of 2500 for a bill of 900"),
        (|ask| ask.merchant_discount_minor = 3_001, "an order with a merchant's discount out of"),
        (|ask| ask.voucher = None, "order 0 of 300 with voucher None has Lock(LockNo(0))"),
        (|ask| ask.pay_within_ms = 0, "an order with a time to pay out of bounds"),
    ];
    for (doctor, expected) in cases {
        let mut story = ordered();
        story.end(9);
        doctor(placed(&mut story, 9));
        let found = story.audit().differences;
        assert!(
            found.iter().any(|found| found.seq == 9 && found.what.starts_with(expected)),
            "{expected}: {found:#?}"
        );
    }
    for (promised_ms, expected) in [
        (1_100, "a promise for 1100, when outlet 0 is closed or has been"),
        (9_102, "a promise for 9102, where 9101 is the latest"),
    ] {
        check(
            expected,
            |s| {
                s.end(9);
                *promised(s, 9) = promised_ms;
            },
            &[(9, expected)],
        );
    }
    check(
        "a subsidy that the terms do not give",
        |s| {
            s.end(9);
            let Outcome::OrderPlaced { subsidy_minor, .. } = &mut s.step(9).outcome else {
                panic!("other");
            };
            *subsidy_minor = 2_400;
        },
        &[(9, "2400 off a bill of 2800, where the terms give 2500")],
    );
    // A voucher that another order holds, or has used.
    ends_with(
        9,
        1_200,
        place(90, 1, Some(0), 1, (Some(1), 1_700)),
        "voucher 0 pays for an order, though it was Locked",
    );
    ends_with(
        14,
        1_200,
        place(90, 1, Some(0), 3, (Some(2), 1_700)),
        "voucher 0 pays for an order, though it was Redeemed",
    );
}

#[test]
fn what_an_order_holds_is_no_apps() {
    ends_with(9, 1_200, release(0, Live), "lock 0 is an order's");
    ends_with(14, 1_200, roll_back(90, 0, Live), "redemption 0 is an order's");
    check(
        "used by an app",
        |s| {
            s.end(9);
            let used = Command::RedeemVoucher(Box::new(redeem(90, 1, 0, 3_000, Some(0))));
            s.add(1_200, used, redeemed(0, 2_500, 0, 6_200));
        },
        &[(10, "voucher 0 is used by an app, and locked by an order")],
    );
}

#[test]
fn promises_within_opening_hours() {
    // 08:00 to 08:01 by local time; the story plays just after 08:00.
    let closes_soon = |story: &mut Story| {
        let Command::PutOutlet(put) = &mut story.step(8).command else { panic!("no outlet") };
        put.opening.offsets = vec![ZoneOffset { from_ms: 0, minutes: 480 }];
        put.opening.hours = vec![DayPart { from_minute: 480, until_minute: 481 }];
        put.ready_within_ms = READY_WITHIN_MS_MAX;
        story.end(9);
    };
    check("before it closes", closes_soon, &[]);
    check(
        "at the moment in which it closes",
        |s| {
            closes_soon(s);
            *promised(s, 9) = 60_000;
        },
        &[],
    );
    check(
        "after it has closed",
        |s| {
            closes_soon(s);
            *promised(s, 9) = 60_001;
        },
        &[(9, "a promise for 60001, when outlet 0 is closed or has been")],
    );
    check(
        "on the next day",
        |s| {
            closes_soon(s);
            *promised(s, 9) = 86_401_000;
        },
        &[(9, "a promise for 86401000, when outlet 0 is closed or has been")],
    );
}
