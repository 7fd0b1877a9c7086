//! Outlets whose systems cannot be reached: what is promised there, and what becomes of orders that
//! they have.

use super::script::check_with;
use super::{EXACT, terms};

/// Two outlets of one vendor, one of another; each of one station that makes a unit in four minutes.
#[track_caller]
fn check(script: &str) {
    let start = "
        0    outlet tea 10m unit=4m stations=1 ready=30m              -> s0 version 1
        0    outlet milk 10m unit=4m stations=1 ready=30m             -> s1 version 1
        0    outlet leaf 10m unit=4m stations=1 ready=30m vendor=desk -> s2 version 1
    ";
    check_with(EXACT, &[("c", terms())], &format!("{start}{script}"));
}

#[test]
fn an_outlet_that_cannot_be_reached_takes_no_orders() {
    check(
        "
        1m   break s0 open reason=silent          -> was closed
        1m   order s0 7 500                       -> outlet_unreachable
        1m   etas s0,s1                           -> never, 5m
        1m   quote s0 others=s1 hold=2m           -> q0 until 3m: s1 at 8m
        1m   break s0 open                        -> unchanged
        1m   breakers                             -> s0 open since 1m, silent
        1m   restart                              -> as before
        1m   breakers                             -> s0 open since 1m, silent
        2m   outlet tea 10m unit=4m stations=2    -> s0 version 2
        2m   order s0 7 500 version=2             -> outlet_unreachable
        2m   break s9 open                        -> outlet_not_found
        3m   break s0 closed                      -> was open
        3m   break s0 closed                      -> unchanged
        3m   order s0 7 500 version=2             -> o0 0 off until 18m
        3m   breakers                             -> none
        ",
    );
}

#[test]
fn a_vendors_breaker_is_that_of_all_its_outlets() {
    check(
        "
        1m   break till open reason=dark          -> was closed
        1m   etas s0,s1,s2                        -> never, never, 5m
        1m   quote s0 others=s1,s2 hold=2m        -> q0 until 3m: s2 at 8m
        1m   quote s0 others=s1 hold=2m           -> no_offers
        1m   break s0 open                        -> was closed
        1m   breakers                             -> till open since 1m, dark; s0 open since 1m, because
        1m   breakers after=s0                    -> none
        1m   breakers 0                           -> till open since 1m, dark
        1m   restart                              -> as before
        2m   outlet milk 10m unit=4m stations=1 ready=30m vendor=desk -> s1 version 2
        2m   etas s0,s1,s2                        -> never, 5m, 8m+36s
        3m   break till closed                    -> was open
        3m   order s0 7 500                       -> outlet_unreachable
        ",
    );
}

#[test]
fn what_an_operator_opens_an_operator_closes() {
    check(
        "
        1m   break s0 open                        -> was closed
        2m   break s0 open hand=1 reason=works    -> was open
        3m   break s0 open hand=1                 -> unchanged
        3m   break s0 closed                      -> breaker_by_hand
        3m   break s0 open                        -> breaker_by_hand
        3m   breakers                             -> s0 open by hand since 2m, works
        4m   break s0 draining                    -> invalid_field(state)
        4m   break s0 draining hand=1             -> was open
        4m   restart                              -> as before
        4m   breakers                             -> s0 draining by hand since 4m, because
        4m   order s0 7 500                       -> outlet_unreachable
        5m   break s0 closed hand=1 key=1         -> was draining
        6m   break s0 open                        -> was closed
        6m   break s0 closed hand=1 key=1         -> again was draining
        7m   break s0 open reason=                -> invalid_field(reason)
        ",
    );
}

#[test]
fn nothing_is_moved_to_where_nobody_can_be_told() {
    check(
        "
        0    order s0 7 500 others=s1,s2          -> o0 0 off until 15m
        1m   pay o0 500                           -> paid succeeded 1
        1m   break s1 open                        -> was closed
        2m   ticket o0 reject 1                   -> o0 to s2 2 at 6m
        ",
    );
}

/// One whose outlet cannot be told of it in the ordinary time can still be made if it is promised
/// for later. Once its system has the ticket, the outlet has the ordinary time to accept it.
#[test]
fn an_order_for_later_waits_for_its_outlet_for_longer() {
    check(
        "
        0    order s2 7 500 work=6000 by=2h       -> o0 0 off until 15m
        0    promised o0                          -> s2 at 28m
        0    order s2 7 500 work=6000 by=2h       -> o1 0 off until 15m
        0    promised o1                          -> s2 at 54m+36s
        1m   break desk open                      -> was closed
        1m   pay o0 500                           -> paid succeeded 1
        1m   pay o1 500                           -> paid succeeded 1
        1m   show o0                              -> paid succeeded 1 until 11m: payable 500 captured 500
        1m   show o1                              -> paid succeeded 1 until 24m+36s: payable 500 captured 500
        12m  tick                                 -> o0
        12m  show o0                              -> refunding refunding 2 not_accepted: payable 500 captured 500 asked 500
        13m  break desk closed                    -> was open
        14m  ticket o1 send 1 at=s2               -> sent succeeded 1
        14m  show o1                              -> sent succeeded 1 until 24m: payable 500 captured 500
        23m  tick                                 -> nothing
        24m  tick                                 -> o1
        ",
    );
    // A ticket that comes late leaves what is left.
    check(
        "
        0    order s2 7 500 work=6000 by=2h       -> o0 0 off until 15m
        1m   pay o0 500                           -> paid succeeded 1
        9m   ticket o0 send 1 at=s2               -> sent succeeded 1
        9m   show o0                              -> sent succeeded 1 until 11m: payable 500 captured 500
        ",
    );
}
