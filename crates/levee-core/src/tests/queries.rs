//! Questions: bounded lists, and views as the clock has them.

use super::script::check;
use super::{HOUR, with};

#[test]
fn a_wallet_goes_over_all_campaigns_newest_first() {
    let terms = || {
        with(|terms| {
            terms.voucher.per_user = 5;
            terms.voucher.valid_for_ms = HOUR;
        })
    };
    check(
        &[("a", terms()), ("b", terms())],
        "
        0    ready a 90000         -> open
        0    ready b 90000         -> open
        0    wallet 7              -> empty
        0    claim a 7 key=1       -> v0 2500
        0    claim b 8 key=2       -> v1 2500
        1m   claim b 7 key=3       -> v2 2500
        1m   claim a 7 key=4       -> v3 2500
        1m   wallet 7              -> v3 live, v2 live, v0 live
        1m   wallet 7 2            -> v3 live, v2 live
        1m   wallet 7 0            -> empty
        1m   wallet 7 before=v2    -> v0 live
        1m   wallet 7 before=v0    -> empty
        1h   wallet 7              -> v3 live, v2 live, v0 expired
        1h   wallet 8              -> v1 expired
        ",
    );
}

#[test]
fn there_is_nothing_before_the_first_command() {
    check(
        &[],
        "
        0    campaign c            -> none
        0    campaigns             -> 
        0    voucher v0            -> none
        0    wallet 7              -> empty
        0    redemptions           -> none
        0    due                   -> never
        0    tick                  -> nothing
        ",
    );
}
