//! What ends by time: an order that is not made, and one that is not collected.

use super::script::check_with;
use super::{EXACT, terms};

#[track_caller]
fn check(script: &str) {
    let start = "
        0    ready c 9000                                  -> open
        0    claim c 7                                     -> v0 2500
        0    outlet tea 10m unit=4m stations=1             -> s0 version 1
        0    order s0 7 3000 v0                            -> o0 2500 off l0 until 15m
        0    pay o0 500                                    -> paid succeeded 1 r0
    ";
    check_with(EXACT, &[("c", terms())], &format!("{start}{script}"));
}

/// Two hours after the promise, or after the acceptance if that came later.
#[test]
fn what_was_accepted_and_is_not_made_ends() {
    for (step, state) in [("accept", "accepted"), ("start", "making")] {
        check(&format!(
            "
            1m       ticket o0 {step} 1           -> {state} succeeded 2
            1m       show o0                      -> {state} succeeded 2 until 2h+5m: payable 500 captured 500
            1m       due                          -> 2h+5m
            2h       ticket o0 {step} 1           -> again {state} succeeded 2
            2h+4m    tick                         -> nothing
            2h+5m    ticket o0 ready 2            -> ticket_version_conflict
            2h+5m    ticket o0 ready 3            -> order_state_conflict(refunding)
            2h+5m    restart                      -> as before
            2h+5m    tick                         -> o0
            2h+5m    show o0                      -> refunding refunding 3 not_made: payable 500 captured 500 asked 500
            2h+5m    todo o0                      -> o0 cancel ticket 3 at s0, o0 refund 1 of 500
            2h+5m    voucher v0                   -> live until 10d
            2h+5m    kitchen tea                  -> stations 1 eta 5m work 0
            2h+6m    refunded o0 1                -> refunded refunded 3
            "
        ));
    }
    check(
        "
        9m       ticket o0 accept 1           -> accepted succeeded 2
        9m       ticket o0 start 2            -> making succeeded 3
        9m       show o0                      -> making succeeded 3 until 2h+9m: payable 500 captured 500
        2h+8m    ticket o0 ready 3            -> ready succeeded 4
        2h+9m    tick                         -> nothing
        ",
    );
}

/// Twelve hours after it was ready; it was made, and is paid for.
#[test]
fn what_was_made_and_is_not_collected_counts_as_collected() {
    check(
        "
        1m       ticket o0 ready 1            -> ready succeeded 2
        1m       kitchen tea                  -> stations 1 eta 5m work 0
        1m       show o0                      -> ready succeeded 2 until 12h+1m: payable 500 captured 500
        12h      tick                         -> nothing
        12h+1m   show o0                      -> collected succeeded 3: payable 500 captured 500
        12h+1m   cancel o0                    -> order_state_conflict(collected)
        12h+1m   ticket o0 collect 2          -> ticket_version_conflict
        12h+1m   ticket o0 collect 3          -> order_state_conflict(collected)
        12h+1m   tick                         -> o0 collected
        12h+1m   made o0                      -> - - 1m - nothing
        12h+1m   voucher v0                   -> redeemed until 10d r0
        12h+2m   todo o0                      -> nothing
        7d       tick                         -> r0
        7d       money c                      -> available 6500 spent 2500
        ",
    );
    // Something else may see it first: it is kept as what it is, and the rest of its voucher settles.
    check(
        "
        1m       ticket o0 ready 1            -> ready succeeded 2
        13h      refund o0 100                -> collected refunding 3
        13h      tick                         -> nothing
        13h      refunded o0 1                -> collected succeeded 3
        ",
    );
}

#[test]
fn an_outage_of_ours_gives_outlets_and_users_grace() {
    check(
        "
        1m       ticket o0 accept 1           -> accepted succeeded 2
        2h       tick                         -> nothing
        3h       resume-service 2h            -> gone 1h
        3h       show o0                      -> accepted succeeded 2 until 4h: payable 500 captured 500
        3h+59m   ticket o0 ready 2            -> ready succeeded 3
        3h+59m   due                          -> 15h+59m
        15h      tick                         -> nothing
        16h      resume-service 15h           -> gone 1h
        16h      show o0                      -> ready succeeded 3 until 17h: payable 500 captured 500
        17h      tick                         -> o0 collected
        ",
    );
}

#[test]
fn a_courier_sets_out_so_as_to_be_there_when_it_is_ready() {
    check_with(
        EXACT,
        &[],
        "
        0    outlet tea 10m unit=4m stations=1    -> s0 version 1
        0    order s0 7 500 courier=3m            -> o0 0 off until 15m
        0    promised o0                          -> s0 at 5m courier at 3m+16s+206
        0    order s0 7 500                       -> o1 0 off until 15m
        0    promised o1                          -> s0 at 8m+36s
        ",
    );
}
