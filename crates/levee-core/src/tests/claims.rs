//! Claims: one voucher or a few for a user, as long as the campaign is open and has money.

use super::script::check;
use super::{terms, with};
use crate::types::{Condition, Test};

#[test]
fn a_budget_is_never_overspent() {
    check(
        &[("c", with(|terms| terms.closes_at_ms = 90))],
        "
        0   ready c 5000   -> open
        10  claim c 7      -> v0 2500
        11  claim c 7      -> again v0 2500
        12  claim c 8      -> v1 2500
        13  claim c 9      -> budget_exhausted
        90  claim c 9      -> campaign_closed
        91  claim c 7      -> again v0 2500
        91  money c        -> reserved 5000
        ",
    );
}

#[test]
fn what_comes_back_can_be_claimed_by_others() {
    check(
        &[("c", terms())],
        "
        0  ready c 2500   -> open
        0  claim c 7      -> v0 2500
        1  claim c 8      -> budget_exhausted
        2  revoke v0      -> 2500
        3  claim c 8      -> v1 2500
        4  claim c 7      -> again v0 2500
        5  fund c 2499    -> available 2499
        6  claim c 9      -> budget_exhausted
        7  fund c 1       -> available 2500
        8  claim c 9      -> v2 2500
        ",
    );
}

#[test]
fn claims_are_taken_from_opens_at_and_before_closes_at() {
    let terms = with(|terms| {
        terms.opens_at_ms = 10_000;
        terms.closes_at_ms = 20_000;
    });
    check(
        &[("c", terms)],
        "
        0       create c      -> c0
        0       fund c 9000   -> available 9000
        0       claim c 1     -> campaign_not_open
        10s     claim c 1     -> campaign_not_open
        10s     open c        -> open
        10s     claim c 1     -> v0 2500
        19s+999 claim c 2     -> v1 2500
        20s     campaign c    -> closed version 1
        20s     claim c 3     -> campaign_closed
        20s     claim d 3     -> campaign_not_found
        ",
    );
    check(
        &[("c", with(|terms| terms.opens_at_ms = 10_000))],
        "
        0       ready c 9000  -> open
        9s+999  claim c 1     -> campaign_not_open
        10s     claim c 1     -> v0 2500
        ",
    );
}

#[test]
fn where_a_user_may_have_a_few_every_claim_needs_its_own_key() {
    check(
        &[("c", with(|terms| terms.voucher.per_user = 3))],
        "
        0  ready c 20000          -> open
        1  claim c 7              -> idempotency_key_missing
        1  claim c 7 key=1        -> v0 2500
        2  claim c 7 key=1        -> again v0 2500
        3  claim c 8 key=1        -> idempotency_key_reused
        4  claim c 7 key=2        -> v1 2500
        5  claim c 7 key=3        -> v2 2500
        6  claim c 7 key=4        -> user_limit_reached
        7  revoke v1              -> 2500
        8  claim c 7 key=4        -> user_limit_reached
        9  claim c 8 key=4        -> v3 2500
        9  wallet 7               -> v2 live, v1 revoked, v0 live
        9  wallet 7 1 before=v2   -> v1 revoked
        ",
    );
}

#[test]
fn where_a_user_may_have_one_the_key_is_not_looked_at() {
    check(
        &[("c", terms()), ("d", terms())],
        "
        0  ready c 20000          -> open
        0  ready d 20000          -> open
        1  claim c 7 key=1        -> v0 2500
        1  claim c 8 key=1        -> v1 2500
        1  claim d 7 key=1        -> v2 2500
        2  claim c 7 key=2        -> again v0 2500
        2  claim d 7              -> again v2 2500
        ",
    );
}

#[test]
fn one_user_gets_at_most_a_total() {
    let terms = with(|terms| {
        terms.voucher.per_user = 5;
        terms.per_user_total_minor = Some(7_499);
    });
    check(
        &[("c", terms)],
        "
        0  ready c 20000          -> open
        1  claim c 7 key=1        -> v0 2500
        1  claim c 7 key=2        -> v1 2500
        1  claim c 7 key=3        -> user_limit_reached
        1  claim c 8 key=3        -> v2 2500
        ",
    );
}

#[test]
fn every_condition_must_hold_under_the_terms_of_now() {
    let terms = |closes_at_ms| {
        with(|terms| {
            terms.closes_at_ms = closes_at_ms;
            let at_least = Test::AtLeast("6.0".into());
            let one_of = Test::OneOf(vec!["CN".into()]);
            terms.eligibility.all = vec![
                Condition { attribute: "app_version".into(), test: at_least },
                Condition { attribute: "region".into(), test: one_of },
            ];
        })
    };
    check(
        &[("c", terms(1_000)), ("longer", terms(2_000))],
        "
        0   ready c 20000              -> open
        1   claim c 7                  -> not_eligible
        1   claim c 7 met=01           -> not_eligible
        1   claim c 7 met=10           -> not_eligible
        1   claim c 7 met=11           -> v0 2500
        2   replace c 1 as=longer      -> version 2
        3   claim c 8 met=11           -> terms_changed
        3   claim c 8 met=11 terms=2   -> v1 2500
        3   claim c 9 met=00 terms=2   -> not_eligible
        3   claim c 7                  -> again v0 2500
        ",
    );
}

#[test]
fn without_conditions_any_version_of_the_terms_will_do() {
    check(
        &[("c", with(|terms| terms.closes_at_ms = 1_000)), ("longer", terms())],
        "
        0   ready c 20000              -> open
        2   replace c 1 as=longer      -> version 2
        3   claim c 8                  -> v0 2500
        ",
    );
}

#[test]
fn campaigns_know_nothing_of_one_another() {
    check(
        &[("a", terms()), ("b", with(|terms| terms.voucher.valid_for_ms = 5_000))],
        "
        0   ready a 5000               -> open
        0   ready b 2500               -> open
        1   claim b 7                  -> v0 2500
        1   claim a 7                  -> v1 2500
        2   claim b 8                  -> budget_exhausted
        2   claim a 8                  -> v2 2500
        3   redeem v1 7 1000 ref=O     -> r0 1000+1500 until 7d+3
        3   redeem v0 7 1000 ref=O     -> r1 1000+1500 until 7d+3
        4   pause a                    -> paused
        6s  claim b 8                  -> budget_exhausted
        6s  wallet 7                   -> v1 redeemed, v0 redeemed
        6s  tick                       -> nothing
        6s  money a                    -> reserved 4000 spent 1000
        6s  money b                    -> reserved 1500 spent 1000
        6s  campaigns                  -> a b
        6s  campaigns after=a          -> b
        6s  campaigns 1                -> a
        7d+4 tick                      -> r0 r1
        ",
    );
}
