//! Facts of a few orders, and of a crowd that wanted them.

use std::sync::Arc;

use levee_api::code::Codes;
use levee_api::types::OrderNo;

use super::*;
use crate::crowd::Tally;
use crate::festival::book::tests::{book, tell};
use crate::festival::outside::{PaymentThere, TicketThere};
use crate::ledger::Ledger;
use crate::market::any_kitchen;
use crate::plan::FestivalPlan;
use crate::scenario::Scenario;

/// A crowd of whom all wanted what they order when they came, at the same outlet.
fn result() -> CrowdResult {
    let mut scenario = Scenario::reference();
    let outlets = scenario.outlets.as_mut().expect("has outlets");
    (outlets.count, outlets.least) = (2, 2);
    outlets.hours.truncate(1);
    let plan = FestivalPlan::new(scenario, 60, 1, 1e-4).with_outlets(&any_kitchen);
    let plan = Arc::new(plan);
    let mut ledger = Ledger::default();
    for user in (0..plan.users()).filter(|user| plan.script(*user).order.is_some()) {
        ledger.orders.wanted.insert(user, plan.arrival_us(user));
    }
    let mut tally = Tally::new(6, 5);
    tally.refusals.insert((Op::Order, "outlet_busy"), 7);
    tally.orders.offers = 9;
    CrowdResult {
        campaign: crate::festival::tests::campaign(plan.scenario()),
        plan,
        tally,
        ledger,
        money: Vec::new(),
        intake: Vec::new(),
        took_s: 1.0,
    }
}

#[test]
fn orders_are_summed_up() {
    let result = result();
    let market = result.plan.market().expect("has outlets");
    let mut book = book(market);
    tell(
        &mut book,
        "
        0 place 0
        1 place 1
        2 free 2
        3 place 3
        4 place 4
        5 pay 0
        6 send 0
        300 start 0
        500 ready 0
        520 collect 0
        600 cancel 1
        610 start 2
        720 ready 2
        900 expire 3
        910 apologise 3
        950 pay 4
        960 move 4
        ",
    );
    book.close();
    let codes = Codes::new(&[1; 32], 0);
    let outside = Outside {
        payments: vec![PaymentThere {
            payment: codes.payment(OrderNo(0)),
            captured_minor: 500,
            refunded_minor: 20,
        }],
        tickets: vec![TicketThere {
            order: codes.order(OrderNo(0)),
            begun_count: 1,
            made_count: 1,
            courier_at: None,
        }],
        ..Outside::default()
    };
    // The courier of order 0 sets out at 400 and is there at 460; that of 2 at 720, and 780.
    let ms = |second: u64| Scenario::reference().starts_at_ms() + second * 1_000;
    let found = ordering(&Sources {
        result: &result,
        book: &book,
        findings: &OrderFindings { lost: 1, wrong: 2, doubled: 3, ..OrderFindings::default() },
        audited: None,
        outside: &outside,
        differences: &Differences { made_twice: 1, overpaid: 4, ..Differences::default() },
        couriers: &[(0, ms(400)), (2, ms(720)), (9, ms(1))].into(),
    })
    .expect("users order");
    let orders = &found.orders;
    assert_eq!((orders.placed, orders.paid, orders.collected), (5, 3, 1));
    assert_eq!((orders.cancelled, orders.rejected, orders.expired, orders.open), (1, 0, 1, 2));
    assert_eq!((orders.lost, orders.wrong, orders.doubled, orders.moved), (1, 2, 4, 1));
    assert_eq!((orders.refused_busy, orders.offers), (7, 9));
    assert_eq!(orders.ends, [("by_user", 1), ("not_paid", 1)].into());
    // Of the promises at second 600: kept, and missed by two minutes. One was never paid.
    assert_eq!((orders.promises.judged, orders.promises.late_p90_ms), (2, 120_000));
    assert!((orders.promises.late_share - 1.0 / 2.0).abs() < 1e-9);
    let groups = orders.promises_by.iter();
    let groups: Vec<_> = groups.map(|group| (group.orders, group.promises.judged)).collect();
    let expected = [
        ("nothing_to_pay", 1),
        ("to_be_paid", 1),
        ("promised_anew", 0),
        ("first_ten", 2),
        ("later_ones", 0),
        ("as_first_told", 2),
    ];
    assert_eq!(groups, expected);
    let bins: Vec<_> = orders.lateness.iter().filter(|bin| bin.with_pacing > 0).collect();
    let places: Vec<_> = bins.iter().map(|bin| (bin.from_minutes, bin.with_pacing)).collect();
    assert_eq!(places, [(-5, 1), (0, 1)]);
    assert_eq!(orders.timeline.len(), 6);
    assert_eq!((orders.timeline[1].making, orders.timeline[5].ended), (0, 2));

    let payments = &found.payments;
    assert_eq!((payments.captured_outside_minor, payments.refunded_outside_minor), (500, 20));
    assert_eq!((payments.doubled, payments.disputed), (4, 0));
    let expected = CouriersSummary {
        called: 2,
        waited_mean_ms: 20_000,
        waited_p90_ms: 40_000,
        aged_mean_ms: 30_000,
        aged_p90_ms: 60_000,
    };
    assert_eq!(found.couriers, expected);
    assert_eq!((found.compensation.apologies, found.compensation.unpaid_minor), (1, 5));
}

/// One of three is paid late, and promised for 900 instead of 600: ready in between it is late by
/// what was told first alone.
#[test]
fn promises_are_judged_as_told_last_and_as_told_first() {
    let result = result();
    let market = result.plan.market().expect("has outlets");
    let mut book = book(market);
    tell(
        &mut book,
        "
        0 place 0
        0 place 1
        0 free 2
        9 pay 0
        70 pay-anew 1
        590 ready 0
        590 ready 2
        800 ready 1
        ",
    );
    book.close();
    let anew = PromisedAnew::of(&book.orders);
    assert_eq!(anew, PromisedAnew { orders: 1, by_mean_ms: 300_000, by_p90_ms: 300_000 });
    let late = |orders: &str| {
        let groups = promises_by(&book.orders);
        let group = groups.iter().find(|group| group.orders == orders).expect("is one");
        (group.promises.judged, group.promises.late_share)
    };
    assert_eq!((late("to_be_paid"), late("promised_anew")), ((1, 0.0), (1, 0.0)));
    assert_eq!((late("nothing_to_pay"), late("as_first_told")), ((1, 0.0), (3, 1.0 / 3.0)));
}

#[test]
fn the_day_without_pacing_has_the_same_demand() {
    let result = result();
    let market = result.plan.market().expect("has outlets");
    let mut book = book(market);
    book.close();
    let (findings, differences) = (OrderFindings::default(), Differences::default());
    let found = ordering(&Sources {
        result: &result,
        book: &book,
        findings: &findings,
        audited: None,
        outside: &Outside::default(),
        differences: &differences,
        couriers: &BTreeMap::new(),
    })
    .expect("users order");
    let (without, wanted) = (found.without_pacing, result.ledger.orders.wanted.len() as u64);
    assert_eq!((found.orders.wanted, without.orders), (wanted, wanted));
    assert!(wanted > 400, "{wanted}");
    // Everything is taken: what did not leave early was made, or was late.
    assert!(without.promises.judged + without.cancelled >= wanted);
    // The one that most want cannot make it: those who come late wait, and give up.
    assert_eq!((found.outlets.count, found.outlets.busy), (2, 1));
    assert!(without.promises.late_share > 0.3, "{without:?}");
    assert!(without.given_up > 0 && without.not_made > 0, "{without:?}");
    assert!(without.utilisation_of_busy > 0.9, "{without:?}");
    assert!(found.outlets.utilisation.abs() < 1e-9);
    let outlets: u64 = found.outlets.classes.iter().map(|class| class.outlets).sum();
    assert_eq!(outlets, 2);
    assert_eq!(found.outlets.classes.last().map(|class| class.wanted_until), Some(None));
}

#[test]
fn quantiles_are_ranks() {
    for (values, at, expected) in
        [(vec![], 0.9, 0), (vec![7], 0.9, 7), ((1..=10).collect(), 0.9, 9), (vec![3, 1, 2], 0.5, 2)]
    {
        assert_eq!(quantile(values, at), expected);
    }
    let bins = lateness(&[i64::MIN, -2_400_000, -1, 0, i64::MAX], &[3_600_000]);
    let with: Vec<_> = bins.iter().map(|bin| bin.with_pacing).collect();
    assert_eq!((with[0], with[7], with[8], with[20], bins[20].without_pacing), (2, 1, 1, 1, 1));
    assert_eq!((bins[0].from_minutes, bins.len()), (-40, 21));
}

#[test]
fn breakers_and_promises_stand_in_the_same_stretches() {
    let market = crate::festival::book::tests::market();
    let mut book = book(&market);
    // Promised for second 600, the third stretch of five minutes.
    tell(
        &mut book,
        "
        0 free 0
        1 free 1
        2 free 2
        10 break 0
        20 mend 0
        290 break 0
        300 break-vendor 3
        350 break 1
        650 mend 0
        660 ready 0
        840 ready 1
        950 ready 2
        1200 mend-vendor 3
        ",
    );
    book.close();
    let points = timeline(&book);
    let found = |figure: fn(&OrdersPoint) -> u64| points.iter().map(figure).collect::<Vec<_>>();
    assert_eq!(found(|point| point.promised), [0, 0, 3, 0, 0, 0]);
    assert_eq!(found(|point| point.late), [0, 0, 1, 0, 0, 0]);
    assert_eq!(found(|point| point.breakers_open), [1, 2, 2, 1, 1, 1]);
    let vendor = "till-3".to_owned();
    let until_hour = Some(1.0 / 3.0);
    assert_eq!(vendors_open(&book), [VendorOpen { vendor, from_hour: 1.0 / 12.0, until_hour }]);
}
