//! How money moves: the steps of the table in the design, at a face of 2,500.

use super::script::check;
use super::{DAY, HOUR, terms, with};

#[test]
fn a_claim_reserves_and_a_lock_takes_in_flight() {
    check(
        &[("c", terms())],
        "
        0  create c                -> c0
        0  fund c 10000            -> available 10000
        0  money c                 -> available 10000
        0  withdraw c 1000         -> available 9000
        0  money c                 -> available 9000 returned 1000
        0  open c                  -> open
        1  claim c 7               -> v0 2500
        1  money c                 -> available 6500 reserved 2500 returned 1000
        2  lock v0 7 1h            -> l0 until 1h+2
        2  money c                 -> available 6500 in_flight 2500 returned 1000
        2  counts c                -> claims 1 locked 1
        3  release l0              -> live
        3  money c                 -> available 6500 reserved 2500 returned 1000
        3  counts c                -> claims 1 live 1
        ",
    );
}

#[test]
fn locked_vouchers_do_not_expire_and_are_expired_at_once_when_let_go_after_their_time() {
    check(
        &[("c", with(|terms| terms.voucher.valid_for_ms = HOUR))],
        "
        0     ready c 2500            -> open
        0     claim c 7               -> v0 2500
        1m    lock v0 7 2h            -> l0 until 2h+1m
        1h    tick                    -> nothing
        1h    voucher v0              -> locked until 1h l0 until 2h+1m
        1h    money c                 -> in_flight 2500
        90m   release l0              -> expired
        90m   money c                 -> available 2500
        90m   counts c                -> claims 1 expired 1
        ",
    );
    check(
        &[("c", with(|terms| terms.voucher.valid_for_ms = HOUR))],
        "
        0     ready c 2500            -> open
        0     claim c 7               -> v0 2500
        1m    lock v0 7 2h            -> l0 until 2h+1m
        2h    redeem v0 7 9900 lock=l0 -> r0 2500+0 until 7d+2h
        2h    money c                 -> spent 2500
        3h    tick                    -> nothing
        3h    rollback r0             -> expired
        3h    money c                 -> available 2500
        ",
    );
}

#[test]
fn the_unused_rest_of_a_redemption_stays_reserved_until_it_cannot_be_undone() {
    check(
        &[("c", terms())],
        "
        0       ready c 2500            -> open
        0       claim c 7               -> v0 2500
        1s      redeem v0 7 1800        -> r0 1800+700 until 7d+1s
        1s      money c                 -> reserved 700 spent 1800
        1s      counts c                -> claims 1 redeemed 1
        7d      tick                    -> nothing
        7d+1s   money c                 -> reserved 700 spent 1800
        7d+1s   tick                    -> r0
        7d+1s   money c                 -> available 700 spent 1800
        ",
    );
}

#[test]
fn a_rollback_in_time_makes_the_voucher_live_with_its_full_face() {
    check(
        &[("c", terms())],
        "
        0       ready c 2500            -> open
        0       claim c 7               -> v0 2500
        1s      redeem v0 7 1800        -> r0 1800+700 until 7d+1s
        2s      rollback r0             -> live
        2s      money c                 -> reserved 2500
        2s      counts c                -> claims 1 live 1
        3s      redeem v0 7 5000        -> r1 2500+0 until 7d+3s
        3s      money c                 -> spent 2500
        7d+3s   rollback r1             -> rollback_window_over
        7d+3s   tick                    -> r1
        7d+3s   money c                 -> spent 2500
        ",
    );
}

#[test]
fn a_rollback_after_the_vouchers_own_time_makes_all_available() {
    check(
        &[("c", with(|terms| terms.voucher.valid_for_ms = DAY))],
        "
        0       ready c 2500            -> open
        0       claim c 7               -> v0 2500
        1s      redeem v0 7 1800        -> r0 1800+700 until 7d+1s
        1d      tick                    -> nothing
        1d      rollback r0             -> expired
        1d      money c                 -> available 2500
        1d      counts c                -> claims 1 expired 1
        8d      tick                    -> nothing
        8d      money c                 -> available 2500
        ",
    );
}

#[test]
fn expiry_and_revocation_make_the_face_available() {
    check(
        &[("c", terms())],
        "
        0       ready c 5000            -> open
        0       claim c 7               -> v0 2500
        0       claim c 8               -> v1 2500
        1       revoke v1               -> 2500
        1       money c                 -> available 2500 reserved 2500
        1       counts c                -> claims 2 live 1 revoked 1
        10d     money c                 -> available 2500 reserved 2500
        10d     tick                    -> v0
        10d     money c                 -> available 5000
        10d     counts c                -> claims 2 expired 1 revoked 1
        ",
    );
}

#[test]
fn without_a_window_for_rollback_the_rest_is_available_at_once() {
    check(
        &[("c", with(|terms| terms.voucher.rollback_within_ms = 0))],
        "
        0       ready c 2500            -> open
        0       claim c 7               -> v0 2500
        1s      redeem v0 7 1800        -> r0 1800+700 until 1s
        1s      money c                 -> available 700 spent 1800
        1s      rollback r0             -> rollback_window_over
        2s      tick                    -> nothing
        2s      money c                 -> available 700 spent 1800
        ",
    );
}
