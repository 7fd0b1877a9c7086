//! What ticks let expire, in bounded batches.

use super::script::check;
use super::{HOUR, MINUTE, with};

#[test]
fn a_voucher_ends_with_its_instant_whether_or_not_a_tick_has_seen_it() {
    check(
        &[("c", with(|terms| terms.voucher.valid_for_ms = HOUR))],
        "
        0          ready c 9000           -> open
        0          due                    -> never
        0          claim c 7              -> v0 2500
        0          due                    -> 1h
        59m+59s+999 tick                  -> nothing
        59m+59s+999 validate v0 7 3000    -> 2500
        1h         voucher v0             -> expired until 1h
        1h         validate v0 7 3000     -> voucher_not_live(expired)
        1h         redeem v0 7 3000       -> voucher_not_live(expired)
        1h         lock v0 7 1m           -> voucher_not_live(expired)
        1h         revoke v0              -> voucher_not_live(expired)
        1h         counts c               -> claims 1 live 1
        1h         tick                   -> v0
        1h         counts c               -> claims 1 expired 1
        1h         due                    -> never
        2h         claim c 7              -> again v0 2500
        ",
    );
}

#[test]
fn a_tick_does_a_bounded_part_and_the_next_ones_the_rest() {
    let terms = || with(|terms| terms.voucher.valid_for_ms = HOUR);
    check(
        &[("a", terms()), ("b", terms())],
        "
        0     ready a 90000           -> open
        0     ready b 90000           -> open
        0     claim a 1               -> v0 2500
        0     claim b 1               -> v1 2500
        0     claim a 2               -> v2 2500
        0     claim a 3               -> v3 2500
        0     claim b 4               -> v4 2500
        0     claim b 5               -> v5 2500
        0     lock v4 4 1h            -> l0 until 1h
        0     lock v5 5 1h            -> l1 until 1h
        1     redeem v0 1 100         -> r0 100+2400 until 7d+1
        1h    tick 0                  -> nothing
        1h    due                     -> 1h
        1h    tick 1                  -> l0
        1h    money b                 -> available 85000 reserved 2500 in_flight 2500
        1h    tick 2                  -> l1 v2 v3
        1h    due                     -> 1h
        1h    tick 1                  -> v1
        1h    due                     -> 1h
        1h    tick 2                  -> nothing
        1h    due                     -> 7d+1
        1h    counts a                -> claims 3 redeemed 1 expired 2
        1h    counts b                -> claims 3 expired 3
        7d+1  tick                    -> r0
        7d+1  due                     -> never
        ",
    );
}

#[test]
fn rests_settle_in_the_order_of_their_making() {
    let terms = with(|terms| {
        terms.voucher.rollback_within_ms = HOUR;
        terms.voucher.per_user = 10;
    });
    check(
        &[("c", terms)],
        "
        0     ready c 90000           -> open
        0     claim c 1 key=1         -> v0 2500
        0     claim c 1 key=2         -> v1 2500
        0     claim c 1 key=3         -> v2 2500
        0     redeem v2 1 500         -> r0 500+2000 until 1h
        1     redeem v0 1 2500        -> r1 2500+0 until 1h+1
        2     redeem v1 1 2500        -> r2 2500+0 until 1h+2
        3     rollback r1             -> live
        4     redeem v0 1 100         -> r3 100+2400 until 1h+4
        1h+2  tick                    -> r0 r2
        1h+2  due                     -> 1h+4
        1h+9  tick                    -> r3
        1h+9  money c                 -> available 86900 spent 3100
        ",
    );
}

/// The line empties and fills again; locks end in the order of their ends, not of their making.
#[test]
fn lines_that_ran_empty_go_on() {
    let terms = with(|terms| {
        terms.voucher.valid_for_ms = MINUTE;
        terms.voucher.rollback_within_ms = MINUTE;
    });
    check(
        &[("c", terms)],
        "
        0     ready c 90000           -> open
        0     claim c 1               -> v0 2500
        1m    tick                    -> v0
        1m    claim c 2               -> v1 2500
        1m    claim c 3               -> v2 2500
        1m    lock v1 2 50s           -> l0 until 1m+50s
        1m    lock v2 3 10s           -> l1 until 1m+10s
        1m    due                     -> 1m+10s
        1m+50s tick                   -> l1 l0
        1m+50s redeem v1 2 100        -> r0 100+2400 until 2m+50s
        2m    tick                    -> v2
        2m+50s tick                   -> r0
        3m    claim c 4               -> v3 2500
        3m    redeem v3 4 100         -> r1 100+2400 until 4m
        3m    due                     -> 4m
        4m    tick                    -> r1
        ",
    );
}
