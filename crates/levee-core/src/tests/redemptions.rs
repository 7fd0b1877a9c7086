//! Redemptions and rollbacks.

use super::script::check;
use super::{DAY, terms, with};
use crate::types::VoucherKind;

#[test]
fn a_voucher_is_used_once() {
    check(
        &[("c", terms())],
        "
        0      ready c 9000           -> open
        0      claim c 7              -> v0 2500
        1      redeem v0 7 2500       -> r0 2500+0 until 7d+1
        2      redeem v0 7 2500       -> voucher_not_live(redeemed)
        2      revoke v0              -> voucher_not_live(redeemed)
        2      voucher v0             -> redeemed until 10d r0
        10d    tick                   -> r0
        10d    voucher v0             -> redeemed until 10d r0
        10d    redemptions            -> r0 v0 2500 of 2500
        ",
    );
}

#[test]
fn a_redemption_is_undone_once_whoever_asks_again() {
    check(
        &[("c", terms())],
        "
        0      ready c 9000              -> open
        0      claim c 7                 -> v0 2500
        1      redeem v0 7 1000          -> r0 1000+1500 until 7d+1
        2      rollback r0 key=1         -> live
        3      rollback r0 key=1         -> again live
        4      rollback r0 key=2         -> again live
        5      rollback r0 key=1 reason=x -> idempotency_key_reused
        6      redeem v0 7 2000          -> r1 2000+500 until 7d+6
        7      rollback r0               -> again live
        7      voucher v0                -> redeemed until 10d r1
        8      redemptions               -> r0 v0 1000 of 1000 undone, r1 v0 2000 of 2000
        8      redemptions after=r0      -> r1 v0 2000 of 2000
        8      redemptions 1             -> r0 v0 1000 of 1000 undone
        8d     tick                      -> r1
        8d     rollback r0               -> again live
        8d     rollback r1               -> rollback_window_over
        ",
    );
}

#[test]
fn a_window_ends_with_its_instant_whether_or_not_a_tick_has_seen_it() {
    check(
        &[("c", with(|terms| terms.voucher.rollback_within_ms = 1_000))],
        "
        0      ready c 9000           -> open
        0      claim c 7              -> v0 2500
        0      claim c 8              -> v1 2500
        0      redeem v0 7 1000       -> r0 1000+1500 until 1s
        0      redeem v1 8 1000       -> r1 1000+1500 until 1s
        999    rollback r0            -> live
        1s     rollback r1            -> rollback_window_over
        1s     tick                   -> r1
        ",
    );
}

#[test]
fn percent_vouchers_have_a_cap_and_round_down() {
    let kind = VoucherKind::PercentOff { percent: 30, max_minor: 1_000 };
    check(
        &[("c", with(|terms| terms.voucher.kind = kind))],
        "
        0      ready c 9000                     -> open
        0      claim c 7                        -> v0 1000
        0      validate v0 7 0                  -> min_spend_not_met
        0      validate v0 7 3                  -> min_spend_not_met
        0      validate v0 7 4                  -> 1
        0      validate v0 7 999                -> 299
        0      validate v0 7 3333               -> 999
        0      validate v0 7 3334               -> 1000
        0      validate v0 7 281474976710656    -> 1000
        0      validate v0 7 281474976710657    -> amount_too_large
        0      validate v0 7 18446744073709551615 -> amount_too_large
        0      redeem v0 7 18446744073709551615 -> amount_too_large
        0      redeem v0 7 999                  -> r0 299+701 until 7d
        0      money c                          -> available 8000 reserved 701 spent 299
        ",
    );
}

#[test]
fn a_bill_must_be_large_enough() {
    check(
        &[("c", with(|terms| terms.voucher.min_spend_minor = 3_000))],
        "
        0      ready c 9000           -> open
        0      claim c 7              -> v0 2500
        0      redeem v0 7 2999       -> min_spend_not_met
        0      redeem v0 7 3000       -> r0 2500+0 until 7d
        ",
    );
    check(
        &[("c", terms())],
        "
        0      ready c 9000           -> open
        0      claim c 7              -> v0 2500
        0      redeem v0 7 0          -> min_spend_not_met
        0      redeem v0 7 1          -> r0 1+2499 until 7d
        ",
    );
}

#[test]
fn vouchers_outlive_pause_and_close() {
    check(
        &[("c", with(|terms| terms.closes_at_ms = DAY))],
        "
        0      ready c 9000           -> open
        0      claim c 7              -> v0 2500
        0      claim c 8              -> v1 2500
        1      pause c                -> paused
        1      redeem v0 7 2500       -> r0 2500+0 until 7d+1
        2d     rollback r0            -> live
        2d     lock v1 8 1h           -> l0 until 2d+1h
        2d     redeem v1 8 900 lock=l0 -> r1 900+1600 until 9d
        2d     redeem v0 7 900        -> r2 900+1600 until 9d
        ",
    );
}
