//! Payments and refunds.

use super::*;

#[test]
fn payments() {
    let open = change(AwaitingPayment, Pending, 0);
    check(
        "one event twice",
        |s| {
            s.end(13);
            let (command, outcome) = payment(0, PaymentEvent::Pending, open);
            s.add(1_106, command, outcome);
        },
        &[
            (14, "Pending of this trade was taken already"),
            (14, "Pending says nothing new of a payment that is Pending"),
        ],
    );
    ends_with(13, 1_106, payment(9, PaymentEvent::Failed, open), "there is no order 9");
    check(
        "the wrong amount",
        |s| {
            s.end(14);
            let Command::RecordPayment(ask) = &mut s.step(14).command else { panic!("other") };
            ask.event = PaymentEvent::Succeeded { captured_minor: 299 };
        },
        &[(14, "299 were captured of 300")],
    );
    check(
        "another trade",
        |s| {
            s.end(14);
            let Command::RecordPayment(ask) = &mut s.step(14).command else { panic!("other") };
            ask.trade = TradeKey([77; 16]);
        },
        &[(14, "order 0 is paid under another trade number")],
    );
    check(
        "a success that was not given back",
        |s| {
            s.end(17);
            *after(s, 17) = change(Cancelled, Succeeded, 0);
        },
        &[(17, "order 1 became OrderChange { state: Cancelled, payment: Some(Succeeded)")],
    );
    check(
        "a success that was given back, though it came first",
        |s| {
            s.end(14);
            *after(s, 14) = with_use(change(Refunding, PaymentState::Refunding, 0), 0);
        },
        &[(14, "order 0 became OrderChange { state: Refunding")],
    );
    check(
        "a use that was left out",
        |s| {
            s.end(14);
            after(s, 14).redemption = None;
        },
        &[(14, "order 0 is paid, and its voucher is not used")],
    );
    check(
        "a use of another number",
        |s| {
            s.end(14);
            after(s, 14).redemption = Some(RedemptionNo(1));
        },
        &[(14, "redemption 1 stands where 0 follows")],
    );
    check(
        "paid after its time",
        |s| {
            s.end(14);
            s.step(14).at_ms = 1_601;
        },
        &[(14, "order 0 became OrderChange { state: Paid")],
    );
    let closed = change(Cancelled, PaymentState::Closed, 0);
    ends_with(
        32,
        1_700,
        payment(4, PaymentEvent::Failed, closed),
        "Failed says nothing new of a payment that is Closed",
    );
    ends_with(32, 1_700, payment(4, PaymentEvent::Created, closed), "order 4 had a payment");
}

/// Placed at 1,101, and paid then without a word of another promise.
#[test]
fn what_is_paid_late_is_not_promised_for_before() {
    for (paid_at_ms, told_ms, expected) in [
        (61_101, 9_000, None),
        (61_102, 61_103, None),
        (61_102, 61_102, Some("order 0 was paid late and is still promised for 61102")),
        (61_102, 9_000, Some("order 0 was paid late and is still promised for 9000")),
    ] {
        let (mut command, mut outcome) = place(11, 1, None, 0, (None, 121_101));
        let Command::PlaceOrder(ask) = &mut command else { panic!("no order") };
        (ask.pay_within_ms, ask.ready_by_ms) = (120_000, Some(70_000));
        let Outcome::OrderPlaced { promised_at_ms, .. } = &mut outcome else { panic!("no order") };
        *promised_at_ms = told_ms;
        let event = PaymentEvent::Succeeded { captured_minor: 2_800 };
        let paid = payment(0, event, change(Paid, Succeeded, 1));
        let expected = expected.map(|expected| (10, expected));
        let story = [(1_100, outlet("tea", 0, 1)), (1_101, (command, outcome)), (paid_at_ms, paid)];
        check_story(&format!("paid at {paid_at_ms}"), &after_claims(story), expected.as_slice());
    }
}

/// Placed at 1,101, and promised for 9,000 if it is paid within a minute.
#[test]
fn what_is_paid_late_is_promised_anew() {
    let story = |paid_at_ms, promised_at_ms, event, change| {
        let (mut command, outcome) = place(11, 1, None, 0, (None, 121_101));
        let Command::PlaceOrder(ask) = &mut command else { panic!("no order") };
        ask.pay_within_ms = 120_000;
        let anew = Outcome::PromisedAnew { change, promised_at_ms };
        after_claims([
            (1_100, outlet("tea", 0, 1)),
            (1_101, (command, outcome)),
            (paid_at_ms, (said(0, 0, event), anew)),
        ])
    };
    let paid = PaymentEvent::Succeeded { captured_minor: 2_800 };
    for (paid_at_ms, promised_at_ms, expected) in [
        (61_102, 70_000, None),
        (61_101, 70_000, Some("order 0 is promised anew, though it was paid within 60000 ms")),
        (61_102, 9_000, Some("order 0 is promised anew for 9000, and was for 9000")),
        (61_102, 61_102, Some("order 0 is promised anew for 61102, and was for 9000")),
    ] {
        let story = story(paid_at_ms, promised_at_ms, paid, change(Paid, Succeeded, 1));
        let expected: Vec<(u64, &str)> = expected.into_iter().map(|what| (10, what)).collect();
        check_story("paid late", &story, &expected);
        assert_eq!(story.audit().orders.promised_anew, 1);
    }
    let open = change(AwaitingPayment, Pending, 0);
    check_story(
        "not paid",
        &story(61_102, 70_000, PaymentEvent::Pending, open),
        &[(10, "Pending of order 0 promises it anew")],
    );
}

#[test]
fn refunds() {
    let refunding = change(Collected, PaymentState::Refunding, 3);
    ends_with(21, 1_200, refund(90, 0, 201, refunding), "201 are given back of 200 that are left");
    ends_with(
        21,
        1_200,
        refunded(0, 2, 0, change(Collected, Succeeded, 3)),
        "refund 2 of order 0 was not under way",
    );
    ends_with(
        18,
        1_200,
        refunded(1, 1, 0, change(Refunded, PaymentState::Refunded, 0)),
        "refund 1 of order 1 was not under way",
    );
    check(
        "a user's",
        |s| {
            let Command::RefundOrder(ask) = &mut s.step(19).command else { panic!("other") };
            ask.by = Party::User(user(1));
        },
        &[(19, "a user gives 100 back")],
    );
    check(
        "another amount",
        |s| {
            let Outcome::RefundEnded { amount_minor, .. } = &mut s.step(20).outcome else {
                panic!("other")
            };
            *amount_minor = 99;
        },
        &[(20, "refund 1 was of 100, and not of 99")],
    );
    check(
        "twice what was asked for is said to be done",
        |s| {
            s.end(20);
            *after(s, 20) = change(Accepted, PaymentState::Refunded, 2);
        },
        &[(20, "order 0 became OrderChange { state: Accepted, payment: Some(Refunded)")],
    );
}

#[test]
fn what_can_no_longer_be_paid_is_not_waited_for() {
    let closed = || {
        let ended = with_voucher(change(Cancelled, PaymentState::Closed, 0), Live);
        payment(
            0,
            PaymentEvent::Closed,
            ending(OrderChange { state: OrderState::Expired, ..ended }),
        )
    };
    check(
        "it ends the order",
        |s| {
            s.end(13);
            let (command, outcome) = closed();
            s.add(1_106, command, outcome);
        },
        &[],
    );
    check(
        "the order goes on",
        |s| {
            s.end(13);
            let (command, outcome) = closed();
            s.add(1_106, command, outcome);
            *after(s, 14) = change(AwaitingPayment, PaymentState::Closed, 0);
        },
        &[(14, "order 0 became OrderChange { state: AwaitingPayment, payment: Some(Closed)")],
    );
    ends_with(
        16,
        1_200,
        payment(1, PaymentEvent::Failed, change(Cancelled, PaymentState::Failed, 0)),
        "order 1 became OrderChange { state: Cancelled, payment: Some(Failed)",
    );
}

#[test]
fn a_reference_names_one_refund_of_an_order() {
    fn asked(story: &mut Story, seq: usize) -> &mut RefundOrder {
        let Command::RefundOrder(ask) = &mut story.step(seq).command else { panic!("other") };
        ask
    }
    let again = |story: &mut Story| {
        story.end(20);
        let (command, outcome) = refund(90, 0, 50, change(Accepted, PaymentState::Refunding, 2));
        story.add(1_200, command, outcome);
    };
    check("each its own", again, &[]);
    check(
        "the same twice",
        |s| {
            again(s);
            asked(s, 21).reference = asked(s, 19).reference;
        },
        &[(21, "Refund reference \"refund 21\" was used already")],
    );
    check(
        "the same of two orders",
        |s| {
            s.end(23);
            let (command, outcome) = refund(90, 3, 50, change(Paid, PaymentState::Refunding, 1));
            s.add(1_200, command, outcome);
            asked(s, 24).reference = asked(s, 19).reference;
        },
        &[],
    );
    check("no reason", |s| asked(s, 19).reason.clear(), &[(19, "a reason of 0 bytes")]);
}
