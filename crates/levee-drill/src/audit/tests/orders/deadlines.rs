//! What orders await must come in time: ticks end exactly what is due by the clock, in order.

use super::*;

const MADE_BY_MS: u64 = 9_000 + MADE_WITHIN_MS;

fn collected(orders: &[u32]) -> (Command, Outcome) {
    let collected = orders.iter().copied().map(OrderNo).collect();
    ticked(SweptOrders { collected, ..SweptOrders::default() })
}

/// One order that is not made, one that is made and not fetched, one that is not paid.
fn waiting() -> Story {
    after_claims([
        (1_100, outlet("tea", 0, 1)), // 8
        (1_110, place(30, 1, None, 0, (None, 1_610))),
        (1_111, place(31, 2, None, 1, (None, 1_611))), // 10
        (1_112, place(32, 3, None, 2, (None, 1_612))),
        (1_120, pay(0, 2_800, change(Paid, Succeeded, 1))),
        (1_121, pay(1, 2_800, change(Paid, Succeeded, 1))),
        (1_130, ticket(0, TicketStep::Start, 1, change(OrderState::Making, Succeeded, 2))),
        (1_131, ticket(1, TicketStep::Accept, 1, change(Accepted, Succeeded, 2))), // 15
        (9_001, ticket(1, TicketStep::Ready, 2, change(OrderState::Ready, Succeeded, 3))),
        (MADE_BY_MS, swept(&[2, 0], &[])),
        (9_001 + COLLECTED_WITHIN_MS, collected(&[1])),
    ])
}

#[track_caller]
fn check(name: &str, doctor: impl FnOnce(&mut Story), expected: &[(u64, &str)]) {
    let mut story = waiting();
    doctor(&mut story);
    check_story(name, &story, expected);
}

#[track_caller]
fn ends_with(end: usize, at_ms: u64, then: (Command, Outcome), expected: &str) {
    story_ends_with(waiting(), end, at_ms, then, expected);
}

#[test]
fn clean_ends_are_reported() {
    let report = waiting().audit();
    assert_eq!(report.differences, []);
    let orders = report.orders;
    let states = orders.states;
    assert_eq!((states.expired, states.refunding, states.collected), (1, 1, 1));
    // Ready 1 ms after it was promised, and that counts, not when it was fetched.
    assert_eq!((orders.made, orders.late, orders.late_share_ppm), (1, 1, 1_000_000));
}

#[test]
fn nothing_ends_before_its_time() {
    ends_with(16, MADE_BY_MS - 1, swept(&[2, 0], &[]), "order 0 ended 1 ms early");
    ends_with(17, 9_001 + COLLECTED_WITHIN_MS - 1, collected(&[1]), "order 1 ended 1 ms early");
    ends_with(11, 1_500, swept(&[9], &[]), "there is no order 9");
    ends_with(17, MADE_BY_MS, swept(&[2], &[]), "order 2 expires, though it was Expired");
    ends_with(11, 1_500, swept(&[], &[]), "no order or pause ended");
}

#[test]
fn nothing_that_is_due_is_left_out() {
    ends_with(16, MADE_BY_MS, swept(&[2], &[]), "a tick leaves out order 0, which is due");
    ends_with(16, MADE_BY_MS, swept(&[0], &[]), "a tick leaves out order 2, which is due");
    check(
        "all of it",
        |s| {
            s.end(16);
            let (command, outcome) = tick(&[], &[], &[]);
            s.add(MADE_BY_MS, command, outcome);
        },
        &[
            (17, "a tick leaves out order 2, which is due"),
            (17, "a tick leaves out order 0, which is due"),
        ],
    );
    check(
        "all that the limit allows",
        |s| {
            s.end(16);
            let (_, outcome) = swept(&[2], &[]);
            s.add(MADE_BY_MS, Command::Tick(Tick { limit: 1 }), outcome);
            let (command, outcome) = swept(&[0], &[]);
            s.add(MADE_BY_MS, command, outcome);
        },
        &[],
    );
    check(
        "more than the limit",
        |s| s.step(17).command = Command::Tick(Tick { limit: 1 }),
        &[(17, "2 orders, quotes and pauses ended at a limit of 1")],
    );
    check(
        "in another order",
        |s| swept_by(s, 17).expired.reverse(),
        &[(17, "orders end in another order than they are due")],
    );
    check(
        "in another list",
        |s| {
            s.end(18);
            let swept = swept_by(s, 18);
            swept.expired = std::mem::take(&mut swept.collected);
        },
        &[(18, "order 1 is Collected now, and stands in Expired")],
    );
    check(
        "twice",
        |s| swept_by(s, 17).expired.push(OrderNo(0)),
        &[(17, "a tick lists order 0 twice"), (17, "order 0 expires, though it was Refunding")],
    );
    check(
        "a voucher whose time is not over",
        |s| swept_by(s, 17).vouchers.push(VoucherNo(0)),
        &[(17, "vouchers [] expire with their orders, and not [VoucherNo(0)]")],
    );
}

#[test]
fn what_is_over_is_over_without_a_tick() {
    check(
        "made too late",
        |s| {
            s.end(16);
            let ready = change(OrderState::Ready, Succeeded, 3);
            let (command, outcome) = ticket(0, TicketStep::Ready, 2, ready);
            s.add(MADE_BY_MS, command, outcome);
        },
        &[
            (17, "Ready follows on version 2, the ticket's is 3"),
            (17, "Ready of an order that is Refunding"),
            (17, "order 0 became OrderChange { state: Ready"),
        ],
    );
    check(
        "a refund of what counts as collected",
        |s| {
            s.end(17);
            let after = ending(change(Collected, PaymentState::Refunding, 4));
            let (command, outcome) = refund(90, 1, 100, after);
            s.add(9_001 + COLLECTED_WITHIN_MS, command, outcome);
        },
        &[],
    );
    check(
        "nobody is told that it counts as collected",
        |s| {
            s.end(17);
            let after = change(Collected, PaymentState::Refunding, 4);
            let (command, outcome) = refund(90, 1, 100, after);
            s.add(9_001 + COLLECTED_WITHIN_MS, command, outcome);
        },
        &[(18, "order 1 became OrderChange { state: Collected")],
    );
    check(
        "an outage of ours gives grace",
        |s| {
            s.end(16);
            let (command, outcome) = resume(9_001, MADE_BY_MS);
            s.add(9_001 + MADE_BY_MS, command, outcome);
            let ready = change(OrderState::Ready, Succeeded, 3);
            let (command, outcome) = ticket(0, TicketStep::Ready, 2, ready);
            s.add(9_000 + 2 * MADE_BY_MS, command, outcome);
        },
        &[],
    );
}

#[test]
fn a_rest_stays_while_the_order_may_give_it_back() {
    let mut story = ordered();
    story.end(15);
    let (_, outcome) = tick(&[], &[], &[0]);
    // The other orders are due by then; the limit of nothing leaves all of them.
    story.add(6_110, Command::Tick(Tick { limit: 0 }), outcome);
    let expected = [
        (16, "1 things expired at a limit of 0"),
        (16, "redemption 0 settles, though its order is under way"),
    ];
    check_story("settled", &story, &expected);
}
