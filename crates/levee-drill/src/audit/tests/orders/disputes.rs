//! Money that a provider took and that is not what was to be paid.

use super::*;

fn dispute(order: u32, trade: u8, captured_minor: u64) -> (Command, Outcome) {
    (said(order, trade, PaymentEvent::Succeeded { captured_minor }), Outcome::PaymentDisputed)
}

fn settle(request: u8, order: u32) -> (Command, Outcome) {
    let (order, reason) = (OrderNo(order), "given back by hand".to_owned());
    let settle = SettleDispute { request: key(request), order, reason };
    (Command::SettleDispute(settle), Outcome::DisputeSettled)
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
