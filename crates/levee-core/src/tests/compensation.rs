//! What is given for orders that ended without the fault of those who get it.

use super::script::check_with;
use super::{EXACT, with};
use crate::types::{CompensationTerms, Terms, VoucherKind};

fn sorry(apology_minor: u32, outlet_percent: u8) -> impl FnOnce(&mut Terms) {
    move |terms| {
        let budget_minor = 0;
        terms.compensation =
            Some(CompensationTerms { budget_minor, apology_minor, outlet_percent });
    }
}

#[track_caller]
fn check(documents: &[(&str, Terms)], script: &str) {
    check_with(EXACT, documents, script);
}

/// An order of 3,001 with 200 off, at an outlet whose orders are the campaign's, ends in some way:
/// what a tick gives for it.
#[track_caller]
fn row(end: &str, given: &str) {
    let script = format!(
        "
        0    ready c 9000                         -> open
        0    fund c 3000 compensation             -> available 12000
        0    outlet tea 10m unit=4m stations=1    -> s0 version 1
        0    order s0 7 3001 off=200 of=c0        -> o0 0 off until 15m
        {end}
        9h   tick                                 -> {given}
        9h   tick                                 -> nothing
        "
    );
    check(&[("c", with(sorry(700, 33)))], &script);
}

/// Most ends are seen before, by a tick that gives nothing yet: `limit 1`.
#[test]
fn who_gets_what_for_which_end() {
    let apology = "o0 owed v0 700 nothing";
    let of_outlet = "o0 owed outlet 924";
    let paid = "1m pay o0 2801 -> paid succeeded 1\n";
    let accepted = format!("{paid} 2m ticket o0 accept 1 -> accepted succeeded 2\n");
    let making = format!("{paid} 2m ticket o0 start 1 -> making succeeded 2\n");
    let ready = format!("{paid} 2m ticket o0 ready 1 -> ready succeeded 2\n");
    let cancelled =
        |by: &str, version: u32| format!("3m cancel o0 {by} -> refunding refunding {version}\n");
    // Not paid: nobody lost anything.
    row("", "o0");
    row("3m cancel o0 by=s0 -> cancelled unknown 0", "nothing");
    row("3m payment o0 closed -> expired closed 0", "nothing");
    // The outlet did not make what was paid.
    row(paid, &format!("o0 {apology}"));
    row(&format!("{paid} 3m ticket o0 reject 1 -> refunding refunding 2"), apology);
    row(&accepted, &format!("o0 {apology}"));
    row(&format!("{accepted} 3m ticket o0 reject 2 -> refunding refunding 3"), apology);
    row(&making, &format!("o0 {apology}"));
    for (before, version) in [(paid, 2), (&accepted, 3), (&making, 3), (&ready, 3)] {
        row(&format!("{before} {}", cancelled("by=s0", version)), apology);
    }
    // Users get nothing for what they ended themselves, and outlets nothing for what they had not
    // begun.
    for (before, version) in [(paid, 2), (&accepted, 3)] {
        row(&format!("{before} {}", cancelled("by=7", version)), "nothing");
        row(&format!("{before} {}", cancelled("", version)), "nothing");
    }
    // A third of 2,801, rounded down in favour of the budget.
    for before in [&making, &ready] {
        row(&format!("{before} {}", cancelled("", 3)), of_outlet);
    }
    row(&format!("{ready} 3m ticket o0 collect 2 -> collected succeeded 3"), "nothing");
}

#[test]
fn what_the_money_set_aside_does_not_cover_is_unpaid_whole() {
    check(
        &[("c", with(sorry(700, 50)))],
        "
        0    ready c 9000                         -> open
        0    fund c 1000 compensation             -> available 10000
        0    outlet tea 10m unit=4m stations=1    -> s0 version 1
        0    order s0 7 500 of=c0                 -> o0 0 off until 15m
        0    order s0 8 500 of=c0                 -> o1 0 off until 15m
        0    order s0 9 500 of=c0                 -> o2 0 off until 15m
        0    order s0 9 802 of=c0                 -> o3 0 off until 15m
        1m   pay o0 500                           -> paid succeeded 1
        1m   pay o1 500                           -> paid succeeded 1
        1m   pay o2 500                           -> paid succeeded 1
        1m   pay o3 802                           -> paid succeeded 1
        2m   ticket o0 reject 1                   -> refunding refunding 2
        2m   due                                  -> 2m
        2m   tick 0                               -> nothing
        2m   ticket o1 reject 1                   -> refunding refunding 2
        2m   ticket o2 start 1                    -> making succeeded 2
        2m   cancel o2                            -> refunding refunding 3
        2m   ticket o3 start 1                    -> making succeeded 2
        2m   cancel o3                            -> refunding refunding 3
        2m   restart                              -> as before
        2m   due                                  -> 2m
        2m   tick 1                               -> o0 owed v0 700 nothing
        2m   aside c                              -> compensation 300
        2m   money c                              -> available 9300 reserved 700
        2m   tick 2                               -> o1 owed unpaid 700 o2 owed outlet 250
        2m   tick                                 -> o3 owed unpaid 401
        2m   aside c                              -> compensation 50
        2m   money c                              -> available 9050 reserved 700 spent 250
        2m   compensated c                        -> apologies 1 of 700 outlets 250 unpaid 1101
        2m   due                                  -> 10d+2m
        2m   made o0                              -> - - - - v0 nothing
        2m   made o2                              -> - 2m - - outlet 250
        2m   restart                              -> as before
        2m   compensated c                        -> apologies 1 of 700 outlets 250 unpaid 1101
        3m   withdraw c 51 compensation           -> budget_exhausted
        3m   withdraw c 50 compensation           -> available 9000
        ",
    );
}

/// It is no voucher of a claim: limits and repeats of claims do not see it.
#[test]
fn an_apology_is_used_without_a_smallest_bill_and_beside_claims() {
    let terms = with(|terms| {
        sorry(700, 0)(terms);
        terms.voucher.kind = VoucherKind::PercentOff { percent: 10, max_minor: 2_500 };
        terms.voucher.min_spend_minor = 5_000;
        terms.per_user_total_minor = Some(2_500);
    });
    check(
        &[("c", terms)],
        "
        0    ready c 9000                         -> open
        0    fund c 1000 compensation             -> available 10000
        0    outlet tea 10m unit=4m stations=1    -> s0 version 1
        0    order s0 7 500 of=c0                 -> o0 0 off until 15m
        0    pay o0 500                           -> paid succeeded 1
        1    ticket o0 reject 1                   -> refunding refunding 2
        2    tick                                 -> o0 owed v0 700 nothing
        2    voucher v0                           -> live until 10d+2
        2    counts c                             -> live 1
        3    claim c 7                            -> v1 2500
        3    claim c 7                            -> again v1 2500
        3    counts c                             -> claims 1 live 2
        3    wallet 7                             -> v1 live, v0 live
        4    validate v1 7 4999                   -> min_spend_not_met
        4    validate v0 7 300                    -> 300
        4    validate v0 7 90000                  -> 700
        5    order s0 7 400 v0                    -> o1 400 off r0 until 10m+5
        5    money c                              -> available 6800 reserved 2800 spent 400
        6    cancel o1                            -> cancelled - 2 live
        6    revoke v0                            -> 700
        6    aside c                              -> compensation 300
        6    money c                              -> available 7500 reserved 2500
        ",
    );
    // One that nobody uses goes back to what is free for vouchers.
    check(
        &[("c", with(sorry(700, 0)))],
        "
        0    ready c 100                          -> open
        0    fund c 700 compensation              -> available 800
        0    outlet tea 10m unit=4m stations=1    -> s0 version 1
        0    order s0 7 500 of=c0                 -> o0 0 off until 15m
        0    pay o0 500                           -> paid succeeded 1
        1    ticket o0 reject 1                   -> refunding refunding 2
        2    tick                                 -> o0 owed v0 700 nothing
        10d+2 tick                                -> v0
        10d+2 counts c                            -> expired 1
        10d+2 aside c                             -> nothing
        10d+2 money c                             -> available 800
        ",
    );
}

/// The campaign that the order names, or else its voucher's; by the rules of the moment at which it is
/// given.
#[test]
fn whose_rules_hold() {
    check(
        &[("none", with(|_| ())), ("c", with(sorry(700, 0))), ("more", with(sorry(900, 0)))],
        "
        0    ready none 9000                      -> open
        0    ready c 9000                         -> open
        0    fund none 2000 compensation          -> available 11000
        0    fund c 2000 compensation             -> available 11000
        0    claim none 7                         -> v0 2500
        0    claim c 8                            -> v1 2500
        0    claim c 9                            -> v2 2500
        0    outlet tea 10m unit=4m stations=1    -> s0 version 1
        0    order s0 7 2500 v0                   -> o0 2500 off r0 until 10m
        0    order s0 8 2500 v1                   -> o1 2500 off r1 until 10m
        0    order s0 9 2500 v2 of=c0             -> o2 2500 off r2 until 10m
        0    order s0 7 500 off=500               -> o3 0 off until 10m
        0    order s0 7 500 off=500 of=c1         -> o4 0 off until 10m
        1    ticket o0 reject 1                   -> rejected - 2 live
        1    ticket o1 reject 1                   -> rejected - 2 live
        1    ticket o2 reject 1                   -> rejected - 2 live
        1    ticket o3 reject 1                   -> rejected - 2
        1    ticket o4 reject 1                   -> rejected - 2
        2    tick 1                               -> o1 owed v3 700 nothing
        2    replace c 1 as=more                  -> version 2
        2    tick                                 -> o4 owed v4 900 nothing
        2    wallet 8                             -> v3 live, v1 live
        2    compensated none                     -> nothing
        2    compensated c                        -> apologies 2 of 1600
        ",
    );
}
