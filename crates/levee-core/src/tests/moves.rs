//! Orders that another outlet makes: once, when the first one will not or says nothing.

use super::script::check_with;
use super::{EXACT, terms, with};
use crate::types::CompensationTerms;

/// Three outlets of one station that makes a unit in four minutes; they have ten minutes to accept.
#[track_caller]
fn check(script: &str) {
    let compensating = with(|terms| {
        let (budget_minor, apology_minor, outlet_percent) = (0, 700, 0);
        terms.compensation =
            Some(CompensationTerms { budget_minor, apology_minor, outlet_percent });
    });
    let start = "
        0    outlet tea 10m unit=4m stations=1 ready=30m   -> s0 version 1
        0    outlet milk 10m unit=4m stations=1 ready=30m  -> s1 version 1
        0    outlet leaf 10m unit=4m stations=1 ready=30m  -> s2 version 1
    ";
    let documents = [("c", terms()), ("sorry", compensating)];
    check_with(EXACT, &documents, &format!("{start}{script}"));
}

#[test]
fn what_an_outlet_rejects_another_one_makes_and_the_first_one_knows() {
    check(
        "
        0    order s0 7 500 others=s1,s2          -> o0 0 off until 15m
        1m   pay o0 500                           -> paid succeeded 1
        1m   ticket o0 send 1                     -> sent succeeded 1
        2m   ticket o0 reject 1                   -> o0 to s1 2 at 6m
        2m   todo o0                              -> o0 send ticket 2 to s1
        2m   show o0                              -> paid succeeded 2 until 12m: payable 500 captured 500
        2m   promised o0                          -> s1 at 6m
        2m   made o0                              -> - - - - from s0 nothing
        2m   kitchen tea                          -> stations 1 eta 5m work 0
        2m   kitchen milk                         -> stations 1 eta 8m+36s work 1000, 1000 by 5m
        2m   restart                              -> as before
        3m   ticket o0 accept 1                   -> order_of_another_outlet
        3m   ticket o0 reject 1                   -> order_of_another_outlet
        3m   cancel o0 by=s0                      -> order_of_another_outlet
        3m   open-orders s0                       -> none
        3m   open-orders s1                       -> o0 paid
        4m   ticket o0 accept 2 at=s1             -> accepted succeeded 3
        5m   ticket o0 ready 3 at=s1              -> ready succeeded 4
        5m   kitchen milk                         -> stations 1 eta 5m work 0
        ",
    );
}

#[test]
fn what_an_outlet_does_not_accept_in_time_another_one_makes_and_the_first_one_is_told() {
    check(
        "
        0    order s0 7 500 others=s1,s2          -> o0 0 off until 15m
        1m   pay o0 500                           -> paid succeeded 1
        11m  show o0                              -> paid succeeded 1 until 11m: payable 500 captured 500
        11m  tick                                 -> o0 to s1 2 at 15m
        11m  todo o0                              -> o0 send ticket 2 to s1, o0 cancel ticket 2 at s0
        11m  ticket o0 accept 1                   -> order_of_another_outlet
        11m  restart                              -> as before
        12m  ticket o0 send 2 at=s1               -> sent succeeded 2
        12m  todo o0                              -> o0 cancel ticket 2 at s0
        12m  ticket o0 withdraw 1                 -> order_of_another_outlet
        12m  ticket o0 withdraw 2                 -> sent succeeded 2
        12m  ticket o0 withdraw 2                 -> order_of_another_outlet
        12m  todo o0                              -> nothing
        13m  ticket o0 accept 2 at=s1             -> accepted succeeded 3
        13m  ticket o0 withdraw 3 at=s1           -> order_state_conflict(accepted)
        ",
    );
    // Until a tick has asked there, the first one may still accept.
    check(
        "
        0    order s0 7 500 others=s1             -> o0 0 off until 15m
        1m   pay o0 500                           -> paid succeeded 1
        11m  ticket o0 accept 1                   -> accepted succeeded 2
        11m  tick                                 -> nothing
        ",
    );
}

#[test]
fn an_order_is_moved_once() {
    check(
        "
        0    order s0 7 500 others=s1,s2          -> o0 0 off until 15m
        1m   pay o0 500                           -> paid succeeded 1
        2m   ticket o0 accept 1                   -> accepted succeeded 2
        2m   ticket o0 reject 2                   -> o0 to s1 3 at 6m
        3m   ticket o0 reject 3 at=s1             -> refunding refunding 4
        3m   todo o0                              -> o0 refund 1 of 500
        3m   kitchen milk                         -> stations 1 eta 5m work 0
        ",
    );
    check(
        "
        0    order s0 7 500 others=s1,s2          -> o0 0 off until 15m
        1m   pay o0 500                           -> paid succeeded 1
        11m  tick                                 -> o0 to s1 2 at 15m
        21m  tick                                 -> o0
        21m  show o0                              -> refunding refunding 3 not_accepted: payable 500 captured 500 asked 500
        21m  todo o0                              -> o0 cancel ticket 3 at s1, o0 refund 1 of 500, o0 cancel ticket 2 at s0
        22m  ticket o0 withdraw 2                 -> refunding refunding 3
        22m  ticket o0 withdraw 3 at=s1           -> refunding refunding 4
        22m  todo o0                              -> o0 refund 1 of 500
        ",
    );
}

#[test]
fn without_an_outlet_that_has_it_in_time_the_order_ends() {
    check(
        "
        0    order s0 7 500 others=s1,s2          -> o0 0 off until 15m
        1m   pay o0 500                           -> paid succeeded 1
        1m   walk-ins s1 9000                     -> noted
        1m   pause-outlet leaf                    -> paused
        2m   ticket o0 reject 1                   -> refunding refunding 2
        2m   show o0                              -> refunding refunding 2 rejected: payable 500 captured 500 asked 500
        3m   order s0 7 500 others=s1,s2          -> o1 0 off until 18m
        3m   pay o1 500                           -> paid succeeded 1
        13m  tick                                 -> o1
        13m  show o1                              -> refunding refunding 2 not_accepted: payable 500 captured 500 asked 500
        13m  kitchen tea                          -> stations 1 eta 5m work 0
        ",
    );
    // What is already being made, or was never paid, is not moved.
    check(
        "
        0    order s0 7 500 others=s1             -> o0 0 off until 15m
        0    order s0 7 500 others=s1             -> o1 0 off until 15m
        0    pay o0 500                           -> paid succeeded 1
        1m   ticket o0 start 1                    -> making succeeded 2
        1m   ticket o0 reject 2                   -> order_state_conflict(making)
        1m   ticket o1 reject 0                   -> order_state_conflict(awaiting_payment)
        15m  tick                                 -> o1
        ",
    );
}

#[test]
fn the_first_to_have_it_ready_makes_it_and_not_before_the_first_promise() {
    check(
        "
        0    walk-ins s1 1000                     -> noted
        0    order s0 7 500 others=s1,s2          -> o0 0 off until 15m
        0    pay o0 500                           -> paid succeeded 1
        0    ticket o0 reject 1                   -> o0 to s2 2 at 5m
        0    walk-ins s0 4000                     -> noted
        0    order s0 7 500 others=s2,s1          -> o1 0 off until 15m
        0    promised o1                          -> s0 at 22m+24s
        0    pay o1 500                           -> paid succeeded 1
        0    ticket o1 reject 1                   -> o1 to s1 2 at 22m+24s
        0    kitchen milk                         -> stations 1 eta 13m+12s work 2000, 1000 by 20m
        ",
    );
}

/// One opens and closes before the promised time, the other one is there.
#[test]
fn nobody_is_sent_to_a_closed_door() {
    check(
        "
        0    outlet short 10m unit=4m stations=1 open=0-20m  -> s3 version 1
        0    walk-ins s0 4000                     -> noted
        0    order s0 7 500 others=s3,s2          -> o0 0 off until 15m
        0    promised o0                          -> s0 at 22m+24s
        0    pay o0 500                           -> paid succeeded 1
        0    ticket o0 reject 1                   -> o0 to s2 2 at 22m+24s
        0    order s0 7 500 others=s3             -> o1 0 off until 15m
        0    promised o1                          -> s0 at 22m+24s
        0    pay o1 500                           -> paid succeeded 1
        0    ticket o1 reject 1                   -> refunding refunding 2
        ",
    );
}

/// The voucher stays used while the order goes on, and comes back when it ends at the second outlet.
#[test]
fn the_voucher_goes_with_the_order() {
    check(
        "
        0    ready sorry 9000                     -> open
        0    fund sorry 1000 compensation         -> available 10000
        0    claim sorry 7                        -> v0 2500
        0    order s0 7 3000 v0 others=s1         -> o0 2500 off l0 until 15m
        1m   pay o0 500                           -> paid succeeded 1 r0
        2m   ticket o0 reject 1                   -> o0 to s1 2 at 6m
        2m   voucher v0                           -> redeemed until 10d r0
        2m   tick                                 -> nothing
        12m  tick                                 -> o0 o0 owed v1 700 nothing
        12m  voucher v0                           -> live until 10d
        12m  compensated sorry                    -> apologies 1 of 700
        ",
    );
}

/// After a long outage an order would be promised later than its record can say: it ends.
#[test]
fn an_order_is_not_moved_to_a_time_beyond_its_record() {
    check(
        "
        0     order s0 7 500 others=s1            -> o0 0 off until 15m
        0     pay o0 500                          -> paid succeeded 1
        1m    tick                                -> nothing
        30d   resume-service 1m                   -> gone 29d+23h+59m
        60d   ticket o0 accept 1                  -> accepted succeeded 2
        60d   cancel o0                           -> refunding refunding 3
        60d   kitchen tea                         -> stations 1 eta 5m work 0
        ",
    );
    check(
        "
        0     order s0 7 500 others=s1            -> o0 0 off until 15m
        0     pay o0 500                          -> paid succeeded 1
        1m    tick                                -> nothing
        30d   resume-service 1m                   -> gone 29d+23h+59m
        60d   tick                                -> o0
        60d   kitchen tea                         -> stations 1 eta 5m work 0
        ",
    );
}
