//! Request keys and references: whatever is asked twice happens once.

use super::script::check;
use super::{terms, with};

#[test]
fn a_key_answers_again_for_three_days_and_for_its_own_request_only() {
    check(
        &[("c", terms())],
        "
        0    create c key=1                    -> c0
        0    create c key=1                    -> again c0
        0    fund c 9000 key=2 ref=T           -> available 9000
        0    fund c 9001 key=2 ref=T           -> idempotency_key_reused
        0    open c key=3                      -> open
        0    pause c key=3                     -> idempotency_key_reused
        0    claim c 7                         -> v0 2500
        1    lock v0 7 1h key=4 ref=A          -> l0 until 1h+1
        2    lock v0 7 1h key=4 ref=A          -> again l0 until 1h+1
        2    lock v0 7 2h key=4 ref=A          -> idempotency_key_reused
        3    redeem v0 7 100 key=4 lock=l0     -> idempotency_key_reused
        3    redeem v0 7 100 key=5 lock=l0 ref=B -> r0 100+2400 until 7d+3
        4    redeem v0 7 100 key=5 lock=l0 ref=B -> again r0 100+2400 until 7d+3
        5    rollback r0 key=6                 -> live
        6    revoke v0 key=7                   -> 2500
        7    revoke v0 key=7                   -> again 2500
        7    revoke v0 key=8                   -> voucher_not_live(revoked)
        7    revoke v0 key=8                   -> voucher_not_live(revoked)
        8    open c key=3                      -> again open
        ",
    );
}

#[test]
fn a_refusal_does_not_use_up_its_key() {
    check(
        &[("c", with(|terms| terms.voucher.per_user = 2))],
        "
        0    create c                 -> c0
        0    claim c 7 key=1          -> campaign_not_open
        0    open c                   -> open
        0    claim c 7 key=1          -> budget_exhausted
        0    claim c 8 key=1          -> budget_exhausted
        0    fund c 5000              -> available 5000
        0    claim c 7 key=1          -> v0 2500
        0    claim c 8 key=1          -> idempotency_key_reused
        ",
    );
}

#[test]
fn a_forgotten_key_is_new_and_the_reference_still_prevents_doubling() {
    check(
        &[("c", with(|terms| terms.voucher.per_user = 3))],
        "
        0      create c                          -> c0
        0      open c                            -> open
        1      fund c 9000 key=1 ref=T           -> available 9000
        2      claim c 7 key=2                   -> v0 2500
        2      claim c 7 key=3                   -> v1 2500
        3      lock v1 7 1d key=4 ref=A          -> l0 until 1d+3
        4      redeem v0 7 100 key=5 ref=A       -> r0 100+2400 until 7d+4
        3d+4   tick                              -> l0
        3d+4   redeem v0 7 100 key=5 ref=A       -> again r0 100+2400 until 7d+4
        3d+4   redeem v1 7 100 key=5 ref=A       -> idempotency_key_reused
        3d+5   tick                              -> nothing
        3d+5   fund c 9000 key=1 ref=T           -> again available 9000
        3d+5   fund c 9000 key=9 ref=T           -> again available 9000
        3d+5   fund c 9001 key=1 ref=T           -> reference_reused
        3d+5   fund c 9000 key=9 ref=T2          -> available 13000
        3d+5   redeem v0 7 100 key=5 ref=A       -> again r0 100+2400 until 7d+4
        3d+5   redeem v1 7 100 key=5 ref=A       -> reference_reused
        3d+5   lock v1 7 1d key=4 ref=A          -> reference_reused
        3d+5   lock v1 7 2d key=4 ref=A          -> reference_reused
        3d+5   claim c 7 key=2                   -> v2 2500
        ",
    );
}

#[test]
fn keys_are_forgotten_in_bounded_batches() {
    check(
        &[("c", with(|terms| terms.voucher.per_user = 9))],
        "
        0      ready c 90000          -> open
        0      claim c 7 key=1        -> v0 2500
        0      claim c 7 key=2        -> v1 2500
        4d     tick 4                 -> nothing
        4d     claim c 7 key=2        -> again v1 2500
        4d     claim c 7 key=1        -> v2 2500
        4d     claim c 7 key=1        -> again v2 2500
        4d     tick 1                 -> nothing
        4d     claim c 7 key=2        -> v3 2500
        4d     claim c 7 key=1        -> again v2 2500
        ",
    );
}

#[test]
fn references_are_per_campaign_and_kind() {
    check(
        &[("a", terms()), ("b", terms())],
        "
        0    create a                          -> c0
        0    create b                          -> c1
        0    fund a 9000 ref=X                 -> available 9000
        0    fund b 8000 ref=X                 -> available 8000
        0    withdraw a 1000 ref=X             -> available 8000
        0    fund a 9000 invites ref=X         -> reference_reused
        0    withdraw a 1000 ref=X             -> again available 8000
        0    open a                            -> open
        0    claim a 7                         -> v0 2500
        0    lock v0 7 1h ref=X                -> l0 until 1h
        0    redeem v0 7 100 lock=l0 ref=X     -> r0 100+2400 until 7d
        0    redeem v0 7 100 lock=l0 ref=X     -> again r0 100+2400 until 7d
        0    redeem v0 7 100 ref=X             -> reference_reused
        ",
    );
}

/// A bill whose discount was undone must not be told again that it has one: it would be given a
/// discount that nobody pays. The first request itself is answered as it was.
#[test]
fn the_reference_of_an_undone_redemption_is_used_up() {
    check(
        &[("c", terms())],
        "
        0    ready c 9000                 -> open
        0    claim c 7                    -> v0 2500
        1    redeem v0 7 100 key=1 ref=X  -> r0 100+2400 until 7d+1
        2    redeem v0 7 100 key=2 ref=X  -> again r0 100+2400 until 7d+1
        3    rollback r0                  -> live
        4    redeem v0 7 100 key=3 ref=X  -> reference_reused
        5    redeem v0 7 100 key=1 ref=X  -> again r0 100+2400 until 7d+1
        6    redeem v0 7 100 key=4 ref=Y  -> r1 100+2400 until 7d+6
        ",
    );
}

/// The version of the terms is the gate's addition: a retry after the closing time was moved is the
/// same request.
#[test]
fn a_claim_asked_again_under_a_newer_document_is_the_same_request() {
    let early = |terms: &mut crate::types::Terms| terms.voucher.per_user = 2;
    let late = |terms: &mut crate::types::Terms| {
        terms.voucher.per_user = 2;
        terms.closes_at_ms += 1;
    };
    check(
        &[("c", with(early)), ("later", with(late))],
        "
        0    ready c 9000                 -> open
        0    claim c 7 key=1 terms=1      -> v0 2500
        1    replace c 1 as=later         -> version 2
        2    claim c 7 key=1 terms=2      -> again v0 2500
        2    claim c 7 key=1 met=1        -> idempotency_key_reused
        ",
    );
}
