//! More orders than ever that nobody pays: each of them is asked for again and again, and what is new
//! goes at once all the same.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hyper::Request;
use levee_api::code::Codes;
use levee_api::port::{Answer, OrderView, Query, Submit};
use levee_api::types::{CancelOrder, Command, OrderNo, OrderState, Party as By, RequestKey};
use levee_connect::connectors::ConnectorsConfig;
use levee_connect::played::{Outside, Party, connect};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep};

use crate::cases::{kitchens, payments};
use crate::crowd::{open, place, place_all};
use crate::door::Door;
use crate::play::{Place, Plan, STARTS_AT_MS, Wish, config, sandbox};
use crate::rules::Rules;

/// With them come one that is paid later, and one that is new then.
const UNPAID: usize = 60_000;
const PLACES: usize = 20;

/// So many orders at once, of which such a share is never paid.
fn plan(orders: usize, never: f64) -> Plan {
    let mut payments = payments();
    payments.never = never;
    let wish = |number: usize| Wish {
        at_ms: STARTS_AT_MS,
        place: number % PLACES,
        work: 1_000,
        within_ms: 3_600_000,
        moves: false,
    };
    let place = |number: usize| Place {
        id: format!("outlet-{number}"),
        vendor: "till".to_owned(),
        stations: 1_000,
        unit_ms: 1_000,
        accept_within_ms: 600_000,
    };
    Plan {
        seed: 1,
        places: (0..PLACES).map(place).collect(),
        wishes: (0..orders).map(wish).collect(),
        kitchens: kitchens(),
        payments,
        ends_at_ms: STARTS_AT_MS + 3_600_000,
        kills_ms: Vec::new(),
    }
}

fn order(rules: &Rules, number: OrderNo) -> OrderView {
    match rules.answer(&Query::Order(number)) {
        Answer::Order(Some(view)) => *view,
        other => panic!("order {number} is {other:?}"),
    }
}

/// How long it takes until an order is as it should be.
async fn until(rules: &Rules, number: OrderNo, is_so: impl Fn(&OrderView) -> bool) -> Duration {
    let began = Instant::now();
    while !is_so(&order(rules, number)) {
        assert!(began.elapsed() < Duration::from_secs(120), "{:?}", order(rules, number));
        sleep(Duration::from_millis(1)).await;
    }
    began.elapsed()
}

struct World {
    rules: Arc<Rules>,
    codes: Arc<Codes>,
    outside: Outside,
}

/// Everything but users, at work in the `LocalSet` around it.
fn start(plan: &Plan, config: ConnectorsConfig) -> World {
    let rules = Arc::new(Rules::new(STARTS_AT_MS));
    let codes = Arc::new(Codes::new(&[7; 32], 0));
    let outlets = open(&rules, plan);
    let door: Arc<dyn Party> = Arc::new(Door {
        rules: Arc::clone(&rules),
        codes: Arc::clone(&codes),
        outlets,
        ready: Arc::new(Mutex::default()),
    });
    let outside = Outside::start(sandbox(plan), &door).expect("it can be played");
    let (submit, party) = (Arc::clone(&rules) as Arc<dyn Submit>, Arc::new(outside.clone()));
    tokio::task::spawn_local(connect(submit, Arc::clone(&codes), config, party));
    World { rules, codes, outside }
}

async fn many_unpaid() {
    let plan = plan(UNPAID + 2, 1.0);
    let World { rules, codes, outside } = start(&plan, config());
    let (new, others) = plan.wishes.split_last().expect("there are some");
    let numbers = place_all(Arc::clone(&rules), others.to_vec(), PLACES).await;
    let numbers: Vec<OrderNo> = numbers.into_iter().map(|number| number.expect("taken")).collect();
    let paid = *numbers.last().expect("there are some");
    sleep(Duration::from_secs(10)).await;
    let is_made = |number: &&OrderNo| order(&rules, **number).trade.is_some();
    assert_eq!(numbers.iter().filter(is_made).count(), UNPAID + 1, "all were made");
    assert!(rules.vitals().outside.under_way.load(Relaxed) > UNPAID as u64);

    // A user who comes now can pay at once.
    let number = place(&rules, new, UNPAID as u64 + 1, PLACES).expect("taken");
    let made_after = until(&rules, number, |view| view.trade.is_some()).await;
    assert!(made_after < Duration::from_millis(500), "made after {made_after:?}");

    // Another one pays, and has the money back as soon as an operator cancels the order.
    let pay = format!("/pay/payments/{}/pay", codes.payment(paid));
    let pay = Request::post(pay).body(Bytes::new()).expect("a path");
    let answer = outside.answer(pay).await.expect("it answers");
    assert!(answer.status().is_success(), "{answer:?}");
    until(&rules, paid, |view| view.captured_minor > 0).await;
    rules.done(&Command::CancelOrder(Box::new(CancelOrder {
        request: RequestKey([9; 16]),
        order: paid,
        by: By::Operator,
        reason: String::new(),
    })));
    let back_after = until(&rules, paid, |view| view.state == OrderState::Refunded).await;
    assert!(back_after < Duration::from_millis(500), "given back after {back_after:?}");
}

/// Of a thousand questions at a time each finds its answer, though no callback ever comes.
async fn more_than_are_known() {
    const KNOWN_MAX: usize = 1_000;
    let mut plan = plan(5 * KNOWN_MAX, 0.0);
    plan.payments.callbacks.lost_for_good = 1.0;
    let mut config = config();
    config.payments_known_max = KNOWN_MAX;
    let World { rules, .. } = start(&plan, config);
    let numbers = place_all(Arc::clone(&rules), plan.wishes.clone(), PLACES).await;
    let numbers: Vec<OrderNo> = numbers.into_iter().map(|number| number.expect("taken")).collect();
    let paid = || numbers.iter().filter(|number| order(&rules, **number).captured_minor > 0);
    // They have 15 minutes to pay.
    let (mut known_most, mut minutes) = (0, 0);
    while paid().count() < numbers.len() {
        assert!(minutes < 14, "{} are paid", paid().count());
        minutes += 1;
        for _ in 0..60 {
            sleep(Duration::from_secs(1)).await;
            // Tickets, of which none is known yet while nothing is paid, are counted as well.
            let known = rules.vitals().outside.under_way.load(Relaxed);
            known_most = if paid().next().is_none() { known_most.max(known) } else { known_most };
        }
    }
    // Payments to make, and to ask for.
    assert!((1..=2 * KNOWN_MAX as u64).contains(&known_most), "{known_most} were known");
}

fn run(what: impl Future<Output = ()>) {
    fastrand::seed(1);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without sockets");
    LocalSet::new().block_on(&runtime, what);
}

#[test]
fn orders_that_nobody_pays_keep_no_new_payment_and_no_refund_waiting() {
    run(many_unpaid());
}

#[test]
fn what_finds_no_room_is_asked_for_again_once_there_is_some() {
    run(more_than_are_known());
}
