//! Locks: held for an order; let go by the app, by time, by the next use, or by redeeming.

use super::script::check;
use super::{HOUR, terms, with};

#[test]
fn a_locked_voucher_is_used_by_nothing_but_its_lock() {
    check(
        &[("c", terms())],
        "
        0  ready c 9000               -> open
        0  claim c 7                  -> v0 2500
        0  claim c 8                  -> v1 2500
        1  lock v0 7 1h               -> l0 until 1h+1
        1  lock v1 8 1h               -> l1 until 1h+1
        2  lock v0 7 1h               -> voucher_locked
        2  redeem v0 7 3000           -> voucher_locked
        2  redeem v0 7 3000 lock=l1   -> lock_not_held
        2  redeem v0 7 3000 lock=l9   -> lock_not_held
        2  revoke v0                  -> voucher_locked
        2  validate v0 7 3000         -> 2500
        3  redeem v0 7 3000 lock=l0   -> r0 2500+0 until 7d+3
        3  counts c                   -> claims 2 locked 1 redeemed 1
        4  release l0                 -> lock_not_held
        4  lock v0 7 1h               -> voucher_not_live(redeemed)
        4  redeem v0 7 3000 lock=l0   -> voucher_not_live(redeemed)
        5  rollback r0                -> live
        6  redeem v0 7 3000 lock=l0   -> lock_not_held
        7  release l9                 -> lock_not_found
        ",
    );
}

#[test]
fn whose_voucher_and_which() {
    check(
        &[("c", terms())],
        "
        0  ready c 9000               -> open
        0  claim c 7                  -> v0 2500
        1  lock v0 8 1h               -> voucher_of_another_user
        1  redeem v0 8 100            -> voucher_of_another_user
        1  validate v0 8 100          -> voucher_of_another_user
        1  lock v1 7 1h               -> voucher_not_found
        1  redeem v1 7 100            -> voucher_not_found
        1  validate v1 7 100          -> voucher_not_found
        1  revoke v1                  -> voucher_not_found
        1  voucher v1                 -> none
        1  rollback r0                -> redemption_not_found
        ",
    );
}

#[test]
fn a_release_is_told_again() {
    check(
        &[("c", terms())],
        "
        0  ready c 9000               -> open
        0  claim c 7                  -> v0 2500
        1  lock v0 7 1h               -> l0 until 1h+1
        2  release l0                 -> live
        3  release l0                 -> again live
        4  lock v0 7 1h               -> l1 until 1h+4
        5  release l0                 -> again live
        5  voucher v0                 -> locked until 10d l1 until 1h+4
        ",
    );
}

#[test]
fn a_tick_lets_go_of_locks_whose_time_is_over() {
    check(
        &[("c", with(|terms| terms.voucher.valid_for_ms = HOUR))],
        "
        0      ready c 9000           -> open
        0      claim c 7              -> v0 2500
        0      claim c 8              -> v1 2500
        0      lock v0 7 2m           -> l0 until 2m
        0      lock v1 8 2h           -> l1 until 2h
        0      due                    -> 2m
        2m     voucher v0             -> live until 1h
        2m     tick                   -> l0
        2m     release l0             -> again live
        2m     voucher v0             -> live until 1h
        2m     counts c               -> claims 2 live 1 locked 1
        2h     tick                   -> l1 v0
        2h     release l1             -> again expired
        2h     counts c               -> claims 2 expired 2
        2h     money c                -> available 9000
        ",
    );
}

/// No tick has seen the lock's end; the next command on the voucher lets go of it.
#[test]
fn an_overdue_lock_does_not_stand_in_the_way() {
    check(
        &[("c", terms())],
        "
        0      ready c 20000          -> open
        0      claim c 1              -> v0 2500
        0      claim c 2              -> v1 2500
        0      claim c 3              -> v2 2500
        0      claim c 4              -> v3 2500
        0      lock v0 1 1m           -> l0 until 1m
        0      lock v1 2 1m           -> l1 until 1m
        0      lock v2 3 1m           -> l2 until 1m
        0      lock v3 4 1m           -> l3 until 1m
        1m     redeem v0 1 99 lock=l0 -> lock_not_held
        1m     money c                -> available 10000 in_flight 10000
        1m     redeem v0 1 2600       -> r0 2500+0 until 7d+1m
        1m     money c                -> available 10000 in_flight 7500 spent 2500
        1m     lock v1 2 1h           -> l4 until 1h+1m
        1m     money c                -> available 10000 in_flight 7500 spent 2500
        1m     revoke v2              -> 2500
        1m     money c                -> available 12500 in_flight 5000 spent 2500
        1m     release l3             -> live
        1m     release l0             -> again live
        1m     release l1             -> again live
        1m     release l2             -> again live
        1m     counts c               -> claims 4 live 1 locked 1 redeemed 1 revoked 1
        1m     tick                   -> nothing
        1h+1m  tick                   -> l4
        ",
    );
    check(
        &[("c", with(|terms| terms.voucher.valid_for_ms = HOUR))],
        "
        0      ready c 20000          -> open
        0      claim c 1              -> v0 2500
        0      lock v0 1 2h           -> l0 until 2h
        2h     voucher v0             -> expired until 1h
        2h     redeem v0 1 2600       -> voucher_not_live(expired)
        2h     redeem v0 1 99 lock=l0 -> voucher_not_live(expired)
        2h     lock v0 1 1m           -> voucher_not_live(expired)
        2h     revoke v0              -> voucher_not_live(expired)
        2h     money c                -> available 17500 in_flight 2500
        2h     tick 1                 -> l0
        2h     money c                -> available 20000
        ",
    );
}
