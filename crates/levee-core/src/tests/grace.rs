//! What would have ended while the service was not there gets the outage's length as grace.

use super::script::check;
use super::{DAY, HOUR, MINUTE, terms, with};
use crate::types::Terms;

fn short() -> Terms {
    with(|terms| {
        terms.voucher.valid_for_ms = HOUR;
        terms.voucher.rollback_within_ms = HOUR;
    })
}

#[test]
fn what_would_have_ended_in_an_outage_gets_its_length_as_grace() {
    check(
        &[("c", short())],
        "
        0        ready c 90000           -> open
        0        claim c 1               -> v0 2500
        0        claim c 2               -> v1 2500
        0        redeem v1 2 100         -> r0 100+2400 until 1h
        0        claim c 3               -> v2 2500
        0        lock v2 3 40m           -> l0 until 40m
        30m      tick                    -> nothing
        2h       resume-service 30m      -> gone 1h+30m
        2h       voucher v0              -> live until 3h+30m
        2h       voucher v2              -> locked until 3h+30m l0 until 3h+30m
        2h       due                     -> 3h+30m
        3h       tick                    -> nothing
        3h       redeem v0 1 100         -> r1 100+2400 until 4h
        3h       rollback r0             -> live
        3h       redeem v2 3 100 lock=l0 -> r2 100+2400 until 4h
        3h+30m   tick                    -> v1
        ",
    );
}

#[test]
fn a_grace_ends_too() {
    check(
        &[("c", short())],
        "
        0        ready c 90000           -> open
        0        claim c 1               -> v0 2500
        0        claim c 2               -> v1 2500
        0        lock v1 2 2h            -> l0 until 2h
        1m       claim c 3               -> v2 2500
        1m       redeem v2 3 100         -> r0 100+2400 until 1h+1m
        2h       resume-service 1m       -> gone 1h+59m
        3h+58m   rollback r0             -> live
        3h+59m   voucher v0              -> expired until 3h+59m
        3h+59m   redeem v0 1 100         -> voucher_not_live(expired)
        3h+59m   tick                    -> l0 v0 v2
        3h+59m   money c                 -> available 90000
        ",
    );
}

#[test]
fn what_ended_before_or_well_after_the_outage_gets_nothing() {
    check(
        &[("c", short())],
        "
        0        ready c 90000           -> open
        0        claim c 1               -> v0 2500
        1h       claim c 2               -> v1 2500
        1h       resume-service 1h       -> gone 0
        1h+10m   resume-service 1h       -> gone 10m
        1h+10m   voucher v0              -> expired until 1h
        1h+10m   voucher v1              -> live until 2h
        1h+10m   tick                    -> v0
        ",
    );
}

#[test]
fn an_outage_shorter_than_a_second_is_none() {
    check(
        &[("c", with(|terms| terms.voucher.valid_for_ms = 1_500))],
        "
        0        ready c 90000           -> open
        0        claim c 1               -> v0 2500
        999      resume-service 0        -> gone 999
        999      voucher v0              -> live until 1s+500
        1s+999   resume-service 999      -> gone 1s
        1s+999   voucher v0              -> live until 2s+999
        ",
    );
}

/// Forgetting the first outage when its own grace is over would have ended this voucher at 1h.
#[test]
fn a_grace_reaches_into_the_next_outage() {
    check(
        &[("c", short())],
        "
        0        ready c 90000           -> open
        0        claim c 1               -> v0 2500
        0        claim c 2               -> v1 2500
        0        lock v1 2 10m           -> l0 until 10m
        2h       resume-service 0        -> gone 2h
        2h       voucher v0              -> live until 4h
        3h       tick                    -> nothing
        5h       resume-service 3h       -> gone 2h
        5h       voucher v0              -> live until 7h
        5h       tick                    -> nothing
        5h       voucher v0              -> live until 7h
        5h       voucher v1              -> locked until 7h l0 until 7h
        7h       tick                    -> l0 v0
        7h       counts c                -> claims 2 expired 2
        ",
    );
}

/// Locks made after the return may end before those that were graced.
#[test]
fn locks_end_in_the_order_of_their_ends() {
    check(
        &[("c", with(|terms| terms.voucher.valid_for_ms = 2 * DAY))],
        "
        0        ready c 90000           -> open
        0        claim c 1               -> v0 2500
        0        claim c 2               -> v1 2500
        0        lock v0 1 1m            -> l0 until 1m
        2h       resume-service 0        -> gone 2h
        2h       due                     -> 4h
        2h       lock v1 2 1h            -> l1 until 3h
        2h       due                     -> 3h
        3h       tick                    -> l1
        4h       tick                    -> l0
        ",
    );
}

/// A voucher that lives shorter than the outage was long can end before those made earlier; its
/// money waits for theirs.
#[test]
fn short_lives_wait_in_line_behind_a_long_grace() {
    check(
        &[("c", with(|terms| terms.voucher.valid_for_ms = MINUTE))],
        "
        0        ready c 90000           -> open
        0        claim c 1               -> v0 2500
        1h       resume-service 0        -> gone 1h
        1h       claim c 2               -> v1 2500
        1h+1m    tick                    -> nothing
        1h+1m    voucher v1              -> expired until 1h+1m
        1h+1m    redeem v1 2 100         -> voucher_not_live(expired)
        1h+1m    money c                 -> available 85000 reserved 5000
        2h       tick                    -> v0 v1
        ",
    );
}

/// What a tick has let pass stays over, whatever the command says.
#[test]
fn nothing_was_down_while_it_was_at_work() {
    check(
        &[("c", short())],
        "
        0        ready c 90000           -> open
        0        claim c 1               -> v0 2500
        0        lock v0 1 2h            -> l0 until 2h
        1h       tick                    -> nothing
        1h+1s    resume-service 30m      -> gone 1s
        1h+1s    release l0              -> expired
        1h+1s    money c                 -> available 90000
        ",
    );
}

#[test]
fn a_campaign_gets_no_grace() {
    check(
        &[("c", with(|terms| terms.closes_at_ms = HOUR)), ("other", terms())],
        "
        0        ready c 90000           -> open
        2h       resume-service 0        -> gone 2h
        2h       claim c 1               -> campaign_closed
        ",
    );
}
