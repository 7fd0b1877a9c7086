//! What is to be done outside, as connectors ask for it: by what has changed since they asked last.

use super::script::check;
use super::terms;

#[test]
fn nothing_is_missed_and_nothing_is_told_twice_without_a_change() {
    check(
        &[("c", terms())],
        "
        0    undone                       -> 0: nothing
        0    outlet tea 10m               -> s0 version 1
        0    order s0 7 500               -> o0 0 off until 15m
        0    order s0 8 500 off=500       -> o1 0 off until 10m
        0    order s0 9 500               -> o2 0 off until 15m
        0    undone                       -> 3: o0 create payment of 500, o1 send ticket 1 to s0, o2 create payment of 500
        0    undone 2                     -> 2: o0 create payment of 500, o1 send ticket 1 to s0
        0    undone 2 after=2             -> 3: o2 create payment of 500
        0    undone after=3               -> 3: nothing
        1    payment o0 created           -> awaiting_payment created 0
        1    undone after=3               -> 4: o0 look at payment
        1    payment o0 pending           -> awaiting_payment pending 0
        1    undone after=4               -> 4: nothing
        2    pay o0 500                   -> paid succeeded 1
        2    undone after=4               -> 5: o0 send ticket 1 to s0
        3    refund o0 100                -> paid refunding 1
        3    undone after=5               -> 6: o0 send ticket 1 to s0, o0 refund 1 of 100
        4    refund o0 100                -> paid refunding 1
        4    undone after=6               -> 6: nothing
        5    ticket o0 send 1             -> sent refunding 1
        5    undone after=6               -> 7: o0 refund 1 of 100
        6    refund-failed o0 1           -> sent refunding 1
        6    undone after=7               -> 8: o0 refund 2 of 200 from 1m+1s
        6    undone                       -> 8: o1 send ticket 1 to s0, o2 create payment of 500, o0 refund 2 of 200 from 1m+1s
        7    refunded o0 2                -> sent succeeded 1
        7    undone after=8               -> 8: nothing
        10m  tick                         -> o1
        10m  undone after=8               -> 9: o1 cancel ticket 2 at s0
        11m  tick                         -> o0
        11m  undone after=9               -> 10: o0 cancel ticket 2 at s0, o0 refund 3 of 300
        ",
    );
}

/// Changes are counted anew, and so do those ask who start with the engine.
#[test]
fn after_a_restart_all_that_is_left_is_told_again() {
    check(
        &[],
        "
        0    outlet tea 10m               -> s0 version 1
        0    order s0 7 500               -> o0 0 off until 15m
        0    order s0 8 500               -> o1 0 off until 15m
        0    order s0 9 500               -> o2 0 off until 15m
        1    pay o0 500                   -> paid succeeded 1
        1    payment o1 created           -> awaiting_payment created 0
        1    undone                       -> 5: o2 create payment of 500, o0 send ticket 1 to s0, o1 look at payment
        1    restart                      -> as before
        1    undone                       -> 3: o0 send ticket 1 to s0, o1 look at payment, o2 create payment of 500
        1    cancel o1                    -> cancelled unknown 0
        1    undone after=3               -> 4: o1 close payment
        ",
    );
}
