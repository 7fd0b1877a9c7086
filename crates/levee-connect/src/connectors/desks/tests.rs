//! What is parked, where it is tried, and how fast it goes out again.

use std::time::Duration;

use levee_api::types::{NameHash, OrderNo, OutletId};
use tokio::time::advance;

use super::*;
use crate::connectors::breaker::Ended::{Answered, Failed};

const KITCHEN: Kitchen = Kitchen { unit_ms: 30_000, stations: 2 };

fn ticket(order: u32, outlet: u32) -> Action {
    Action::SendTicket { order: OrderNo(order), outlet: OutletNo(outlet), version: 1 }
}

fn vendor() -> Rc<str> {
    "till".into()
}

/// A call to each of these outlets failed.
fn fail(desks: &Desks, outlets: impl IntoIterator<Item = u32>) -> Vec<Of> {
    let failed = outlets.into_iter().flat_map(|outlet| {
        desks.with_outlet(OutletNo(outlet), |desk| desk.kitchen = Some(KITCHEN));
        desks.ended(OutletNo(outlet), &vendor(), Failed)
    });
    failed.map(|(of, _)| of).collect()
}

fn ready(desks: &Desks) -> Vec<u32> {
    std::iter::from_fn(|| desks.next_ready()).map(|action| action.order().0).collect()
}

/// A ticket at the head of its outlet's line goes as soon as it may; after how many milliseconds.
async fn send(desks: &Desks, outlet: u32) -> u64 {
    let began_ms = desks.now_ms();
    let line = desks.outlet_line(OutletNo(outlet));
    let _line = line.acquire().await.expect("it is never closed");
    while let wait_ms @ 1.. = desks.pace_wait_ms(OutletNo(outlet)) {
        advance(Duration::from_millis(wait_ms)).await;
    }
    desks.sent(OutletNo(outlet), &vendor(), 1_000);
    desks.now_ms() - began_ms
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_an_outlet_goes_out_oldest_first() {
    let desks = Desks::new(1.0);
    let of = Of::Outlet(OutletNo(7));
    assert_eq!(fail(&desks, [7, 7]), []);
    assert_eq!(fail(&desks, [7]), std::slice::from_ref(&of));
    assert_eq!(desks.blocked_by(OutletNo(7), &vendor()), Some(of.clone()));
    assert_eq!(desks.blocked_by(OutletNo(8), &vendor()), None);
    for order in [5, 3, 9, 3] {
        assert!(!desks.park(&of, ticket(order, 7)), "it is watched since it opened");
    }
    assert_eq!(desks.parked(), 3);
    let (outlet, Some(tried)) = desks.to_try(&of) else { panic!("nothing to try with") };
    assert_eq!((outlet, desks.parked()), (Some(OutletNo(7)), 2));
    desks.park(&of, tried);
    desks.close(&of);
    assert_eq!((ready(&desks), desks.parked()), (vec![3, 5, 9], 0));
    assert_eq!(desks.blocked_by(OutletNo(7), &vendor()), None);
}

/// Asked for again, a ticket may wait for its outlet and for the vendor.
#[tokio::test(start_paused = true)]
async fn what_waits_twice_is_taken_back_twice() {
    let desks = Desks::new(1.0);
    let (own, of) = (Of::Outlet(OutletNo(7)), Of::Vendor(vendor()));
    assert_eq!(fail(&desks, [7, 7, 7]), std::slice::from_ref(&own));
    desks.park(&own, ticket(1, 7));
    assert!(fail(&desks, 8..30).contains(&of));
    desks.park(&of, ticket(1, 7));
    assert_eq!(desks.parked(), 2);
    desks.unpark(ticket(1, 7));
    assert_eq!(desks.parked(), 0);
}

/// One outlet that is dead for itself keeps nobody from finding out that the vendor answers again.
#[tokio::test(start_paused = true)]
async fn a_vendor_is_tried_at_each_of_its_outlets_alike() {
    let desks = Desks::new(1.0);
    let of = Of::Vendor(vendor());
    assert!(fail(&desks, 0..20).contains(&of));
    for order in 0..500 {
        desks.park(&of, ticket(order, 100));
    }
    desks.park(&of, ticket(900, 101));
    let mut tried = HashMap::<u32, u32>::new();
    for _ in 0..2_000 {
        let (Some(outlet), action) = desks.to_try(&of) else { panic!("nowhere to try") };
        *tried.entry(outlet.0).or_default() += 1;
        action.inspect(|action| {
            assert_eq!(action.outlet(), Some(outlet));
            desks.park(&of, *action);
        });
    }
    // Sixteen that were called last, and two for which something waits.
    assert_eq!(tried.len(), OUTLETS_MAX + 2);
    assert!(tried.values().all(|times| (50..200).contains(times)), "{tried:?}");
    desks.unpark(ticket(499, 100));
    desks.unpark(ticket(499, 100));
    assert_eq!(desks.parked(), 500);
    // It is another vendor's by now.
    desks.forget(&vendor(), OutletNo(100));
    assert_eq!((ready(&desks).len(), desks.parked()), (499, 1));
    desks.close(&of);
    assert_eq!((ready(&desks), desks.parked()), (vec![900], 0));
}

/// As many as there are stations, and then one as often as one is made; also after a second outage.
#[tokio::test(start_paused = true)]
async fn after_each_outage_a_kitchen_gets_what_it_makes() {
    let desks = Desks::new(1.0);
    let of = Of::Outlet(OutletNo(7));
    assert_eq!([send(&desks, 7).await, send(&desks, 7).await, send(&desks, 7).await], [0; 3]);
    for quiet_s in [0, 10, 200] {
        advance(Duration::from_secs(quiet_s)).await;
        fail(&desks, [7, 7, 7]);
        (0..4).for_each(|order| {
            desks.park(&of, ticket(order, 7));
        });
        // Longer than any catching up.
        advance(Duration::from_secs(300)).await;
        desks.close(&of);
        let mut waits = Vec::new();
        for _ in ready(&desks) {
            waits.push(send(&desks, 7).await);
        }
        assert_eq!(waits, [0, 0, 1, 30_000], "an outage after {quiet_s} s");
    }
    advance(Duration::from_secs(200)).await;
    assert_eq!([send(&desks, 7).await, send(&desks, 7).await, send(&desks, 7).await], [0; 3]);
}

#[tokio::test(start_paused = true)]
async fn desks_that_know_nothing_are_let_go() {
    let desks = Desks::new(1.0);
    desks.desks_max.set(4);
    fail(&desks, [0, 1, 1, 1]);
    for outlet in 2..4 {
        desks.ended(OutletNo(outlet), &vendor(), Answered { after_ms: 1 });
    }
    desks.ended(OutletNo(9), &vendor(), Answered { after_ms: 1 });
    let known: BTreeSet<u32> = desks.outlets.borrow().keys().map(|outlet| outlet.0).collect();
    assert_eq!(known, [0, 1, 9].into(), "one that failed, one that is open, and the new one");
    // What it knows of a failure is old, and its pace is not needed any more.
    desks.close(&Of::Outlet(OutletNo(1)));
    advance(Duration::from_secs(3_600)).await;
    desks.desks_max.set(3);
    desks.ended(OutletNo(5), &vendor(), Answered { after_ms: 1 });
    let known: BTreeSet<u32> = desks.outlets.borrow().keys().map(|outlet| outlet.0).collect();
    assert_eq!(known, [0, 5].into(), "one failure in a row counts until a call succeeds");
}

/// At night hardly anybody is called but outlets that are gone.
#[tokio::test(start_paused = true)]
async fn tries_at_outlets_that_are_gone_are_no_outage_of_the_vendor() {
    let desks = Desks::new(1.0);
    let gone = fail(&desks, (0..6).flat_map(|outlet| [outlet; 3]));
    assert_eq!(gone.len(), 6);
    for _ in 0..100 {
        advance(Duration::from_secs(5)).await;
        assert_eq!(fail(&desks, 0..6), []);
    }
    assert_eq!(desks.blocked_by(OutletNo(100), &vendor()), None);
    // Others that fail are.
    assert_eq!(fail(&desks, 6..12), []);
    assert!(fail(&desks, 12..26).contains(&Of::Vendor(vendor())));
}

/// The ticket that found out that somebody answers is one of those that the kitchen can make.
#[tokio::test(start_paused = true)]
async fn what_was_tried_with_counts() {
    let desks = Desks::new(1.0);
    let of = Of::Outlet(OutletNo(7));
    fail(&desks, [7, 7, 7]);
    (0..4).for_each(|order| {
        desks.park(&of, ticket(order, 7));
    });
    // It has had a pace for long.
    desks.with_outlet(OutletNo(7), |desk| desk.pace = Some(Pace::unknown(0)));
    advance(Duration::from_secs(300)).await;
    let (_, tried) = desks.to_try(&of);
    assert_eq!(tried, Some(ticket(0, 7)));
    desks.sent(OutletNo(7), &vendor(), 1_000);
    desks.close(&of);
    let mut waits = Vec::new();
    for _ in ready(&desks) {
        waits.push(send(&desks, 7).await);
    }
    assert_eq!(waits, [0, 1, 30_000]);
}

/// What is undone at a start may be what nobody could send for hours.
#[tokio::test(start_paused = true)]
async fn after_a_start_a_kitchen_gets_what_it_makes() {
    let desks = Desks::new(1.0);
    desks.catch_up(OutletNo(7));
    let view = OutletView {
        number: OutletNo(7),
        id: OutletId::new("tea").expect("an id"),
        document: Vec::new(),
        version: 1,
        brand: NameHash::of("tea"),
        put_seq: 1,
        stations: 2,
        accept_within_ms: 1,
        pause: None,
        breaker: None,
        vendor_breaker: None,
        eta_ms: None,
        pace_ms: 30_000,
        unfinished: 0,
        untold: 4,
        untold_since_ms: None,
        promised: Vec::new(),
    };
    desks.heed(&vendor(), &view);
    let mut waits = Vec::new();
    for _ in 0..4 {
        waits.push(send(&desks, 7).await);
        desks.heed(&vendor(), &view);
    }
    assert_eq!(waits, [0, 29_971, 30_000, 30_000]);
    advance(Duration::from_secs(200)).await;
    assert_eq!([send(&desks, 7).await, send(&desks, 7).await, send(&desks, 7).await], [0; 3]);
}
