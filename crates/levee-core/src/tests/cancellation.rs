//! The table of cancellation in `docs/orders.md`, row by row: who ends an order, when, and what
//! becomes of the money and of the voucher.

use super::script::check;
use super::terms;

/// An order of 3,000 with a voucher of 2,500 is brought to a state, and then somebody ends it.
#[track_caller]
fn row(before: &str, end: &str, after: &str) {
    let steps = [
        ("awaiting_payment", ""),
        ("paid", "2 pay o0 500 -> paid succeeded 1 r0"),
        ("sent", "3 ticket o0 send 1 -> sent succeeded 1"),
        ("accepted", "4 ticket o0 accept 1 -> accepted succeeded 2"),
        ("making", "5 ticket o0 start 2 -> making succeeded 3"),
        ("ready", "6 ticket o0 ready 3 -> ready succeeded 4"),
        ("collected", "7 ticket o0 collect 4 -> collected succeeded 5"),
    ];
    let last = steps.iter().position(|(state, _)| *state == before).expect("a state");
    let mut script = "
        0    ready c 9000                 -> open
        0    claim c 7                    -> v0 2500
        0    outlet tea 10m               -> s0 version 1
        1    order s0 7 3000 v0           -> o0 2500 off l0 until 15m+1
    "
    .to_owned();
    for (_, step) in &steps[..=last] {
        script += step;
        script.push('\n');
    }
    script += &format!("{end}\n{after}");
    check(&[("c", terms())], &script);
}

const LIVE: &str = "voucher v0 -> live until 10d\nmoney c -> available 6500 reserved 2500\n";
const USED: &str = "counts c -> claims 1 redeemed 1\nmoney c -> available 6500 spent 2500\n";

#[test]
fn before_it_is_paid_nothing_is_given_back_and_a_late_payment_is_once() {
    let closing = format!("{LIVE} todo o0 -> o0 close payment\n");
    let late = format!(
        "{closing}
        9s pay o0 500 -> refunding refunding 0
        9s pay o0 500 -> again refunding refunding 0
        9s todo o0 -> o0 refund 1 of 500
        9s refunded o0 1 -> refunded refunded 0
        9s todo o0 -> nothing
        {LIVE}"
    );
    row("awaiting_payment", "8s cancel o0 by=7 -> cancelled unknown 0 live", &late);
    row("awaiting_payment", "8s cancel o0 by=s0 -> cancelled unknown 0 live", &late);
    row("awaiting_payment", "8s cancel o0 -> cancelled unknown 0 live", &late);
    let late = late.replace("9s", "20m");
    row("awaiting_payment", "16m tick -> l0 o0", &late);
}

#[test]
fn until_it_is_made_anybody_ends_it_and_all_is_given_back() {
    for (state, version) in [("paid", 1), ("sent", 1), ("accepted", 2)] {
        let next = version + 1;
        let after = format!(
            "{LIVE}
            todo o0 -> o0 cancel ticket {next} at s0, o0 refund 1 of 500
            9s refunded o0 1 -> refunded refunded {next}
            9s ticket o0 withdraw {next} -> refunded refunded {}
            9s todo o0 -> nothing
            {LIVE}",
            next + 1
        );
        for by in ["by=7", "by=s0", ""] {
            let end = format!("8s cancel o0 {by} -> refunding refunding {next} live");
            row(state, &end, &after);
        }
        // The outlet knows what it has rejected.
        let after = format!(
            "{LIVE}
            todo o0 -> o0 refund 1 of 500
            9s refunded o0 1 -> refunded refunded {next}
            9s todo o0 -> nothing"
        );
        let end = format!("8s ticket o0 reject {version} -> refunding refunding {next} live");
        row(state, &end, &after);
    }
}

#[test]
fn what_is_not_accepted_in_time_is_given_back() {
    for state in ["paid", "sent"] {
        let version = 2;
        let after =
            format!("{LIVE} todo o0 -> o0 cancel ticket {version} at s0, o0 refund 1 of 500");
        row(state, "11m tick -> o0", &after);
    }
    row("accepted", "11m tick -> nothing", USED);
}

#[test]
fn what_is_being_made_is_ended_by_the_outlet_or_an_operator_alone() {
    for (state, version) in [("making", 3), ("ready", 4)] {
        let conflict = format!("order_state_conflict({state})");
        row(state, &format!("8s cancel o0 by=7 -> {conflict}"), USED);
        row(state, &format!("8s ticket o0 reject {version} -> {conflict}"), USED);
        let next = version + 1;
        let after = format!("{LIVE} todo o0 -> o0 cancel ticket {next} at s0, o0 refund 1 of 500");
        for by in ["by=s0", ""] {
            let end = format!("8s cancel o0 {by} -> refunding refunding {next} live");
            row(state, &end, &after);
        }
    }
}

#[test]
fn what_was_collected_is_not_ended_but_money_may_be_given_back() {
    for by in ["by=7", "by=s0", ""] {
        let end = format!("8s cancel o0 {by} -> order_state_conflict(collected)");
        row("collected", &end, USED);
    }
    for by in ["by=s0", ""] {
        let end = format!("8s refund o0 200 {by} -> collected refunding 5");
        let after = format!("9s refunded o0 1 -> collected succeeded 5\n{USED}");
        row("collected", &end, &after);
    }
}

#[test]
fn nobody_ends_the_order_of_another() {
    row("paid", "8s cancel o0 by=8 -> order_of_another_user", USED);
    row("paid", "8s cancel o0 by=s1 -> order_of_another_outlet", USED);
    row("paid", "8s cancel o1 -> order_not_found", USED);
}

/// The order of the two is all that counts: an end that comes after the success is not the end of a
/// payment that is under way.
#[test]
fn a_cancellation_that_was_refused_changes_nothing() {
    row(
        "making",
        "8s cancel o0 by=7 -> order_state_conflict(making)",
        "9s ticket o0 ready 3 -> ready succeeded 4
         9s ticket o0 collect 4 -> collected succeeded 5
         9s todo o0 -> nothing",
    );
}
