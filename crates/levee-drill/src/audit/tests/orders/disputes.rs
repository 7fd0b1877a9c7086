//! Money that a provider took and that is not what was to be paid.

use super::*;

fn dispute(order: u32, trade: u8, captured_minor: u64) -> (Command, Outcome) {
    (said(order, trade, PaymentEvent::Succeeded { captured_minor }), Outcome::PaymentDisputed)
}

fn settle(request: u8, order: u32) -> (Command, Outcome) {
    let (order, reason) = (OrderNo(order), "given back by hand".to_owned());
    let settle = SettleDispute { request: key(request), order, reason };
    (Command::SettleDispute(Box::new(settle)), Outcome::DisputeSettled)
}

/// An order whose provider takes too little, then what was to be paid, then all of it again.
fn disputed() -> Story {
    after_claims([
        (1_100, outlet("tea", 0, 1)), // 8
        (1_110, place(30, 1, None, 0, (None, 1_610))),
        (1_120, dispute(0, 0, 2_000)), // 10
        (1_121, settle(31, 0)),
        (1_122, pay(0, 2_800, change(Paid, Succeeded, 1))),
        (1_123, dispute(0, 9, 2_800)),
        (1_124, ticket(0, TicketStep::Collect, 1, change(Collected, Succeeded, 2))),
    ])
}

#[track_caller]
fn ends_with(end: usize, at_ms: u64, then: (Command, Outcome), expected: &str) {
    story_ends_with(disputed(), end, at_ms, then, expected);
}

#[test]
fn clean_disputes_are_reported() {
    let report = disputed().audit();
    assert_eq!(report.differences, []);
    let orders = report.orders;
    let disputes = (orders.disputes.recorded, orders.disputes.recorded_minor);
    assert_eq!((disputes, orders.disputes.open_orders), ((2, 4_800), 1));
    assert_eq!((orders.captured_minor, orders.states.collected), (2_800, 1));
}

#[test]
fn disputes() {
    ends_with(
        9,
        1_120,
        dispute(0, 0, 2_800),
        "2800 are disputed, and were to be paid under this trade number",
    );
    ends_with(
        10,
        1_121,
        dispute(0, 0, 2_000),
        "Succeeded { captured_minor: 2000 } of this trade for order 0 was on record",
    );
    ends_with(9, 1_120, dispute(9, 0, 1), "there is no order 9");
    ends_with(
        9,
        1_120,
        (said(0, 0, PaymentEvent::Failed), Outcome::PaymentDisputed),
        "Failed of a payment is disputed",
    );
    ends_with(11, 1_122, settle(90, 0), "order 0 is not disputed");
    let mut story = disputed();
    let Command::SettleDispute(ask) = &mut story.step(11).command else { panic!("other") };
    ask.reason.clear();
    check_story("no reason", &story, &[(11, "a reason of 0 bytes")]);
}

#[test]
fn one_trade_pays_one_order() {
    let mut story = disputed();
    let (command, outcome) = place(90, 2, None, 1, (None, 1_630));
    story.add(1_130, command, outcome);
    let success = said(1, 0, PaymentEvent::Succeeded { captured_minor: 2_800 });
    story.add(1_131, success, changed(change(Paid, Succeeded, 1)));
    let expected = "Succeeded { captured_minor: 2800 } of this trade was taken already";
    check_story("twice", &story, &[(16, expected)]);
    // So the rules dispute it.
    story.step(16).outcome = Outcome::PaymentDisputed;
    check_story("disputed", &story, &[]);
    // What was said of the wrong order first is on record there, and taken for the right one.
    let mut story = disputed();
    let (command, outcome) = place(90, 2, None, 1, (None, 1_630));
    story.add(1_130, command, outcome);
    let success = said(1, 9, PaymentEvent::Succeeded { captured_minor: 2_800 });
    story.add(1_131, success, changed(change(Paid, Succeeded, 1)));
    check_story("its own", &story, &[]);
    // Said of another order, it is put on record there.
    let mut story = disputed();
    let (command, outcome) = place(90, 2, None, 1, (None, 1_630));
    story.add(1_130, command, outcome);
    let (command, outcome) = dispute(1, 0, 2_800);
    story.add(1_131, command, outcome);
    check_story("another's", &story, &[]);
}

fn refused(order: u32, refund: u32, amount_minor: u64, change: OrderChange) -> (Command, Outcome) {
    let (order, result) = (OrderNo(order), RefundResult::Failed);
    let outcome = Outcome::RefundEnded { change, amount_minor };
    (Command::RecordRefund(RecordRefund { order, refund, result }), outcome)
}

fn doubted(order: u32, refund: u32, result: RefundResult) -> (Command, Outcome) {
    let record = RecordRefund { order: OrderNo(order), refund, result };
    (Command::RecordRefund(record), Outcome::PaymentDisputed)
}

/// A collected order of which 100 are to be given back, which the provider refuses so many times.
fn refused_times(times: u32) -> Story {
    let mut story = after_claims([
        (1_100, outlet("tea", 0, 1)), // 8
        (1_110, place(30, 1, None, 0, (None, 1_610))),
        (1_122, pay(0, 2_800, change(Paid, Succeeded, 1))), // 10
        (1_124, ticket(0, TicketStep::Collect, 1, change(Collected, Succeeded, 2))),
        (1_130, refund(32, 0, 100, change(Collected, PaymentState::Refunding, 2))),
    ]);
    for number in 1..=times {
        let (command, outcome) =
            refused(0, number, 100, change(Collected, PaymentState::Refunding, 2));
        story.add(1_130 + u64::from(number), command, outcome);
    }
    story
}

#[track_caller]
fn check_refused(times: u32, then: &[(Command, Outcome)], expected: &[&str]) {
    let mut story = refused_times(times);
    for ((command, outcome), at_ms) in then.iter().cloned().zip(1_200..) {
        story.add(at_ms, command, outcome);
    }
    let last = 12 + u64::from(times) + then.len() as u64;
    let expected: Vec<(u64, &str)> = expected.iter().map(|text| (last, *text)).collect();
    check_story("refused", &story, &expected);
}

#[test]
fn somebody_looks_at_a_refund_that_was_refused_too_often() {
    let at_last = || refused(0, 13, 100, change(Collected, PaymentState::Refunding, 2));
    check_refused(11, &[settle(90, 0)], &["order 0 is not disputed"]);
    check_refused(12, &[settle(90, 0)], &[]);
    check_refused(12, &[settle(90, 0), settle(91, 0)], &["order 0 is not disputed"]);
    // Then it is refused anew, and counts anew.
    check_refused(12, &[settle(90, 0), at_last(), settle(91, 0)], &["order 0 is not disputed"]);
    assert_eq!(refused_times(12).audit().orders.disputes.open_orders, 1);
    assert_eq!(refused_times(11).audit().orders.disputes.open_orders, 0);
}

#[test]
fn a_refund_of_which_one_thing_and_then_the_other_is_said() {
    use RefundResult::{Done, Failed};
    let done = || refunded(0, 1, 100, change(Collected, Succeeded, 2));
    check_refused(0, &[done(), doubted(0, 1, Failed)], &[]);
    check_refused(0, &[done(), doubted(0, 1, Failed), settle(90, 0)], &[]);
    check_refused(1, &[doubted(0, 1, Done), settle(90, 0)], &[]);
    check_refused(0, &[doubted(0, 1, Failed)], &["refund 1 of order 0 was not Done before"]);
    let twice = [done(), doubted(0, 1, Failed), doubted(0, 1, Failed)];
    check_refused(0, &twice, &["refund 1 of order 0 was Failed before"]);
    check_refused(1, &[doubted(0, 2, Done)], &["refund 2 of order 0 was not Failed before"]);
    let again = [done(), doubted(0, 1, Done)];
    let known =
        ["refund 1 of order 0 was not Failed before", "refund 1 of order 0 was Done before"];
    check_refused(0, &again, &known);
}
