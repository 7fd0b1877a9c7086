//! What is given for orders that ended without the fault of those who get it.

use super::*;

fn given(order: u32, apology: Option<u32>, minor: [u64; 3]) -> Compensation {
    let [apology_minor, outlet_minor, unpaid_minor] = minor;
    Compensation {
        order: OrderNo(order),
        apology: apology.map(VoucherNo),
        apology_minor: u32::try_from(apology_minor).unwrap(),
        outlet_minor,
        unpaid_minor,
    }
}

fn compensated(given: &[Compensation]) -> (Command, Outcome) {
    ticked(SweptOrders { compensated: given.to_vec(), ..SweptOrders::default() })
}

fn for_campaign(mut ask: (Command, Outcome)) -> (Command, Outcome) {
    let Command::PlaceOrder(place) = &mut ask.0 else { panic!("no order") };
    place.campaign = Some(CampaignNo(0));
    ask
}

/// 1,500 are set aside. An outlet rejects, an operator cancels what was begun, and an outlet cancels
/// when nothing is left; the apology is used for less than the smallest bill of claimed vouchers.
fn compensating() -> Story {
    let by_outlet = Party::Outlet(OutletNo(0));
    let refunding = |version| change(Refunding, PaymentState::Refunding, version);
    let mut use_it = place(35, 1, Some(3), 3, (Some(0), 2_100));
    let Command::PlaceOrder(ask) = &mut use_it.0 else { panic!("no order") };
    ask.total_minor = 500;
    let Outcome::OrderPlaced { subsidy_minor, held, .. } = &mut use_it.1 else { panic!("other") };
    (*subsidy_minor, *held) = (300, Held::Redemption(RedemptionNo(0)));
    let Outcome::OrderPlaced { due_ms, .. } = &mut use_it.1 else { panic!("other") };
    *due_ms = 1_900;
    let after = money([12_500, 5_000, 7_500, 0, 0, 0]);
    let mut story = after_claims([
        (1_090, budget(29, Direction::Fund, Purpose::Compensation, 1_500, "c", after)), // 8
        (1_100, outlet("tea", 0, 1)),
        (1_110, for_campaign(place(30, 1, None, 0, (None, 1_610)))), // 10
        (1_111, for_campaign(place(31, 2, None, 1, (None, 1_611)))),
        (1_112, for_campaign(place(32, 3, None, 2, (None, 1_612)))),
        (1_120, pay(0, 2_800, change(Paid, Succeeded, 1))),
        (1_121, pay(1, 2_800, change(Paid, Succeeded, 1))),
        (1_122, pay(2, 2_800, change(Paid, Succeeded, 1))), // 15
        (1_130, ticket(0, TicketStep::Reject, 1, refunding(2))),
        (1_131, ticket(1, TicketStep::Start, 1, change(OrderState::Making, Succeeded, 2))),
        (1_132, cancel(33, 1, Party::Operator, refunding(3))),
        (1_133, cancel(34, 2, by_outlet, refunding(2))),
        (
            1_140,
            compensated(&[
                given(0, Some(3), [600, 0, 0]),
                given(1, None, [0, 840, 0]),
                given(2, None, [0, 0, 600]),
            ]),
        ), // 20
        (1_600, use_it),
    ]);
    story.terms().compensation =
        Some(CompensationTerms { budget_minor: 1_500, apology_minor: 600, outlet_percent: 30 });
    story
}

#[track_caller]
fn check(name: &str, doctor: impl FnOnce(&mut Story), expected: &[(u64, &str)]) {
    let mut story = compensating();
    doctor(&mut story);
    check_story(name, &story, expected);
}

#[test]
fn clean_compensation_is_reported() {
    let report = compensating().audit();
    assert_eq!(report.differences, []);
    let campaign = &report.campaigns[0];
    let given = serde_json::to_value(campaign.compensation).unwrap();
    let expected = serde_json::json!({
        "apologies": 1, "apologies_minor": 600, "outlets_minor": 840, "unpaid_minor": 600
    });
    assert_eq!(given, expected);
    let (money, counts) = (campaign.money, campaign.counts);
    assert_eq!((money.available_minor, campaign.set_aside.compensation_minor), (3_560, 60));
    // 840 to the outlet, and 300 by the apology; its rest of 300 stays reserved.
    assert_eq!((money.spent_minor, money.reserved_minor), (1_140, 7_800));
    // An apology is no claim.
    assert_eq!((counts.claims, counts.vouchers_live, counts.vouchers_redeemed), (3, 3, 1));
}

#[test]
fn what_is_given_follows_from_the_terms() {
    type Case = (fn(&mut Compensation), usize, &'static str);
    let cases: [Case; 5] = [
        (|given| given.apology_minor = 500, 0, "for order 0 (true, 500, 0, 0) is given, and (true"),
        (
            |given| (given.apology, given.apology_minor) = (None, 0),
            0,
            "for order 0 (false, 0, 0, 0) is given, and (true",
        ),
        (
            |given| given.outlet_minor = 841,
            1,
            "for order 1 (false, 0, 841, 0) is given, and (false",
        ),
        (|given| given.unpaid_minor = 0, 2, "for order 2 (false, 0, 0, 0) is given, and (false, 0"),
        (
            |given| given.outlet_minor = 60,
            2,
            "for order 2 (false, 0, 60, 600) is given, and (false",
        ),
    ];
    for (doctor, place, expected) in cases {
        check(
            expected,
            |s| {
                s.end(20);
                doctor(&mut swept_by(s, 20).compensated[place]);
                swept_by(s, 20).compensated.truncate(place + 1);
                // Those behind are left to the next tick.
                let limit = u32::try_from(place + 1).unwrap();
                s.step(20).command = Command::Tick(Tick { limit });
            },
            &[(20, expected)],
        );
    }
    check(
        "the number of another voucher",
        |s| {
            s.end(20);
            swept_by(s, 20).compensated[0].apology = Some(VoucherNo(4));
        },
        &[(20, "voucher 4 stands where 3 follows")],
    );
}

#[test]
fn who_is_given_something() {
    check(
        "nobody is left out",
        |s| {
            s.end(20);
            swept_by(s, 20).compensated.remove(0);
        },
        &[
            (20, "a tick leaves out compensation of order 0, which is due"),
            (20, "for order 2 (false, 0, 0, 600) is given, and (true, 600, 0, 0) should be"),
        ],
    );
    check(
        "in another order",
        |s| {
            s.end(20);
            swept_by(s, 20).compensated.swap(0, 1);
        },
        &[(20, "a tick lists what is over in another order: compensation of order [1, 0, 2]")],
    );
    check(
        "nobody twice",
        |s| {
            s.end(20);
            let (command, outcome) = compensated(&[given(0, Some(4), [0, 0, 0])]);
            s.add(1_200, command, outcome);
            swept_by(s, 21).compensated[0].apology = None;
        },
        &[
            (21, "nothing is owed for order 0"),
            (21, "for order 0 (false, 0, 0, 0) is given, and (false, 0, 0, 600) should be"),
        ],
    );
    check(
        "not for what a user cancels",
        |s| {
            s.end(15);
            let user_1 = Party::User(user(1));
            let (command, outcome) =
                cancel(90, 0, user_1, change(Refunding, PaymentState::Refunding, 2));
            s.add(1_130, command, outcome);
            let (command, outcome) = compensated(&[given(0, None, [0, 0, 0])]);
            s.add(1_140, command, outcome);
        },
        &[(17, "nothing is owed for order 0")],
    );
    check(
        "not where nothing was begun",
        |s| {
            s.end(15);
            let (command, outcome) =
                cancel(90, 0, Party::Operator, change(Refunding, PaymentState::Refunding, 2));
            s.add(1_130, command, outcome);
            let (command, outcome) = tick(&[], &[], &[]);
            s.add(1_140, command, outcome);
        },
        &[],
    );
    check(
        "not where the terms give nothing",
        |s| {
            s.terms().compensation = None;
            s.end(19);
            let (command, outcome) = tick(&[], &[], &[]);
            s.add(1_140, command, outcome);
        },
        &[],
    );
    check(
        "what the terms give when it is given",
        |s| {
            s.end(16);
            let mut later = terms();
            later.compensation = None;
            let (command, outcome) = replace(1, later, 2);
            s.add(1_135, command, outcome);
            let (command, outcome) = compensated(&[given(0, None, [0, 0, 0])]);
            s.add(1_140, command, outcome);
        },
        &[],
    );
}

#[test]
fn an_apology_needs_no_smallest_bill() {
    check(
        "a claimed voucher does",
        |s| {
            s.end(20);
            let (command, outcome) = place(90, 1, Some(0), 3, (None, 1_900));
            s.add(1_600, command, outcome);
            placed(s, 21).total_minor = 500;
            let Outcome::OrderPlaced { subsidy_minor, held, .. } = &mut s.step(21).outcome else {
                panic!("other")
            };
            (*subsidy_minor, *held) = (300, Held::Redemption(RedemptionNo(0)));
        },
        &[(21, "a bill of 300, where 1000 is the least")],
    );
    check(
        "more than its face",
        |s| {
            placed(s, 21).total_minor = 2_000;
            let Outcome::OrderPlaced { subsidy_minor, held, due_ms, .. } = &mut s.step(21).outcome
            else {
                panic!("other")
            };
            (*subsidy_minor, *held, *due_ms) = (601, Held::Lock(LockNo(0)), 2_100);
        },
        &[(21, "601 off a bill of 1800, where the terms give 600")],
    );
}
