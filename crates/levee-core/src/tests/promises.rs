//! What promises count on: that an order is paid within a minute. What becomes of them when it is paid
//! later, and what is expected of a kitchen that nobody knows yet.

use super::script::check_with;
use super::{EXACT, terms};

/// One station that makes a unit in four minutes: one order is ready after four of them, and each
/// that waits behind it 4.6 later.
#[track_caller]
fn check(script: &str) {
    check_with(EXACT, &[], script);
}

#[test]
fn what_is_paid_within_a_minute_is_promised_once() {
    check(
        "
        0      outlet tea 10m unit=4m stations=1 ready=1h  -> s0 version 1
        0      outlet ice 10m unit=4m stations=1 ready=1h  -> s1 version 1
        0      order s0 7 500 off=500               -> o0 0 off until 10m
        0      promised o0                          -> s0 at 4m
        0      order s1 7 500                       -> o1 0 off until 15m
        0      promised o1                          -> s1 at 5m
        1m     pay o1 500                           -> paid succeeded 1
        1m     promised o1                          -> s1 at 5m
        1m     ticket o1 start 1 at=s1              -> making succeeded 2
        5m     ticket o1 ready 2 at=s1              -> ready succeeded 3
        ",
    );
}

/// Never for earlier than told, and where that is far enough ahead for the same time. Whoever pays late
/// comes behind those to whom something was promised meanwhile.
#[test]
fn what_is_paid_later_is_promised_anew() {
    check(
        "
        0      outlet tea 10m unit=4m stations=1 ready=1h  -> s0 version 1
        0      order s0 7 500                       -> o0 0 off until 15m
        0      order s0 8 500                       -> o1 0 off until 15m
        0      order s0 9 500 by=2h pay=1h          -> o2 0 off until 1h
        0      promised o1                          -> s0 at 8m+36s
        1m+1   pay o0 500                           -> paid succeeded 1, ready 14m+12s+1
        1m+1   promised o0                          -> s0 at 14m+12s+1
        1m+1   restart                              -> as before
        1m+1   pay o0 500                           -> again paid succeeded 1, ready 14m+12s+1
        2m     cancel o1                            -> cancelled unknown 0
        2m     pay o1 500                           -> refunding refunding 0
        2m     promised o1                          -> s0 at 8m+36s
        2m     cancel o0                            -> refunding refunding 2
        2m     kitchen tea                          -> stations 1 eta 8m+36s work 1000, 1000 by 10m
        4m     pay o2 500                           -> paid succeeded 1
        4m     promised o2                          -> s0 at 13m+12s
        ",
    );
}

/// What is paid is made, though the outlet closes before; and what is paid at night when it opens.
#[test]
fn what_is_paid_late_is_promised_beyond_the_hours() {
    check(
        "
        0        outlet day 10m unit=4m stations=1 open=9h-22h    -> s0 version 1
        21h+50m  order s0 7 500                     -> o0 0 off until 22h+5m
        21h+50m  order s0 8 500 pay=1h              -> o1 0 off until 22h+50m
        21h+58m  pay o0 500                         -> paid succeeded 1, ready 22h+6m+36s
        22h+1m   pay o1 500                         -> paid succeeded 1, ready 1d+9h+8m+36s
        ",
    );
}

/// A quote knows whether there is something to pay, and counts on an order at its last moment.
#[test]
fn an_offer_counts_on_a_payment_within_a_minute() {
    check(
        "
        0      outlet tea 10m unit=4m stations=1 ready=1h  -> s0 version 1
        0      outlet ice 10m unit=4m stations=1 ready=1h  -> s1 version 1
        0      quote s0 total=500 off=500           -> q0 for 500-500 until 2m: s0 at 6m
        0      quote s1 total=500 off=499           -> q1 for 500-499 until 2m: s1 at 7m
        30s    order s1 8 500 offer=q1.0            -> o0 0 off until 15m+30s
        1m+30s pay o0 500                           -> paid succeeded 1
        1m+30s promised o0                          -> s1 at 7m
        ",
    );
}

/// However late an offer is taken and paid, there is time to make what was promised.
#[test]
fn an_offer_that_is_taken_last_can_be_kept() {
    check(
        "
        0      outlet tea 10m unit=4m stations=1 ready=1h  -> s0 version 1
        0      quote s0 hold=3m                     -> q0 until 3m: s0 at 8m
        2m+59s order s0 7 500 offer=q0.0            -> o0 0 off until 17m+59s
        3m+58s pay o0 500                           -> paid succeeded 1
        3m+58s promised o0                          -> s0 at 8m
        3m+58s ticket o0 start 1 at=s0              -> making succeeded 2
        7m+58s ticket o0 ready 2 at=s0              -> ready succeeded 3
        10m    quote s0 hold=15m                    -> q1 until 25m: s0 at 30m
        ",
    );
}

/// What was offered for a voucher that pays everything is too early for an order that is paid first.
#[test]
fn an_offer_without_a_payment_is_for_orders_without_one() {
    check_with(
        EXACT,
        &[("c", terms())],
        "
        0      ready c 9000                         -> open
        0      claim c 7                            -> v0 2500
        0      outlet tea 10m unit=4m stations=1 ready=1h  -> s0 version 1
        0      quote s0 total=500 off=500           -> q0 for 500-500 until 2m: s0 at 6m
        1m     order s0 7 500 offer=q0.0            -> offer_of_another_order
        1m     order s0 7 500 v0 offer=q0.0 -> o0 500 off r0 until 11m
        1m     promised o0                          -> s0 at 6m
        ",
    );
}

/// After an outage an offer may be taken when its time was to begin already, or is over.
#[test]
fn an_offer_that_an_outage_made_too_early_is_moved() {
    check(
        "
        0      outlet tea 10m unit=4m stations=1 ready=1h  -> s0 version 1
        0      quote s0                             -> q0 until 2m: s0 at 7m
        1m     tick                                 -> nothing
        4m     resume-service 1m                    -> gone 3m
        6m     order s0 7 500 offer=q0.0            -> o0 0 off until 21m
        6m     promised o0                          -> s0 at 11m
        6m     restart                              -> as before
        ",
    );
}

/// What a search says is what an order is promised that has something to pay.
#[test]
fn what_is_shown_counts_on_a_payment() {
    check(
        "
        0      outlet tea 10m unit=4m stations=1 ready=4m+30s  -> s0 version 1
        0      etas s0                              -> 5m
        0      kitchen tea                          -> stations 1 eta 5m work 0
        0      order s0 7 500                       -> outlet_busy
        0      order s0 7 500 by=5m                 -> o0 0 off until 15m
        0      promised o0                          -> s0 at 5m
        ",
    );
}
