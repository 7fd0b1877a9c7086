//! Budgets: money in and out, and parts that are set aside for a purpose.

use super::script::check;
use super::terms;

#[test]
fn parts_are_set_aside_out_of_what_is_available() {
    check(
        &[("c", terms())],
        "
        0  create c                       -> c0
        0  fund c 3000 compensation       -> available 3000
        0  fund c 2000 envelopes          -> available 5000
        0  fund c 1000 invites            -> available 6000
        0  aside c                        -> invites 1000 envelopes 2000 compensation 3000
        0  open c                         -> open
        0  claim c 7                      -> budget_exhausted
        0  withdraw c 1                   -> budget_exhausted
        0  fund c 2600                    -> available 8600
        0  claim c 7                      -> v0 2500
        0  claim c 8                      -> budget_exhausted
        0  withdraw c 101                 -> budget_exhausted
        0  withdraw c 100                 -> available 6000
        0  withdraw c 3001 compensation   -> budget_exhausted
        0  withdraw c 3000 compensation   -> available 3000
        0  withdraw c 2001 envelopes      -> budget_exhausted
        0  withdraw c 500 envelopes       -> available 2500
        0  withdraw c 1000 invites        -> available 1500
        0  aside c                        -> envelopes 1500
        0  money c                        -> available 1500 reserved 2500 returned 4600
        0  revoke v0                      -> 2500
        0  claim c 8                      -> v1 2500
        ",
    );
}

#[test]
fn no_amount_leaves_the_range_of_the_sums() {
    // 2^60 is the most that a campaign is ever funded with, whatever was withdrawn.
    check(
        &[("c", terms())],
        "
        0  create c                              -> c0
        0  fund c 18446744073709551615           -> amount_too_large
        0  fund c 1152921504606846977            -> amount_too_large
        0  fund c 5000                           -> available 5000
        0  fund c 18446744073709551615 invites   -> amount_too_large
        0  withdraw c 18446744073709551615       -> budget_exhausted
        0  withdraw c 18446744073709551615 invites -> budget_exhausted
        0  fund c 1152921504606841976            -> available 1152921504606846976
        0  fund c 1                              -> amount_too_large
        0  withdraw c 1152921504606846976        -> available 0
        0  fund c 1                              -> amount_too_large
        0  fund d 1                              -> campaign_not_found
        ",
    );
}
