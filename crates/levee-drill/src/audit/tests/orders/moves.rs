//! Orders that another outlet makes.

use super::*;

fn may_move(mut ask: (Command, Outcome)) -> (Command, Outcome) {
    let Command::PlaceOrder(place) = &mut ask.0 else { panic!("no order") };
    place.others = vec![OutletNo(1)];
    ask
}

fn to_cake(order: u32, version: u32) -> OrderMove {
    let (order, outlet) = (OrderNo(order), OutletNo(1));
    OrderMove { order, outlet, promised_at_ms: 9_000, version }
}

fn reject(order: u32, version: u32, moved: OrderMove) -> (Command, Outcome) {
    let (order, outlet) = (OrderNo(order), OutletNo(0));
    let step = MoveTicket { order, outlet, version, step: TicketStep::Reject };
    (Command::MoveTicket(step), Outcome::OrderMoved(moved))
}

fn at_cake(order: u32, step: TicketStep, version: u32, to: OrderChange) -> (Command, Outcome) {
    let (order, outlet) = (OrderNo(order), OutletNo(1));
    (Command::MoveTicket(MoveTicket { order, outlet, version, step }), changed(to))
}

fn moved(moves: &[OrderMove]) -> (Command, Outcome) {
    ticked(SweptOrders { moved: moves.to_vec(), ..SweptOrders::default() })
}

/// One order that is rejected and moved, and one that is not accepted in time and moved by a tick.
fn moving() -> Story {
    after_claims([
        (1_100, outlet("tea", 0, 1)), // 8
        (1_101, outlet("cake", 1, 1)),
        (1_110, may_move(place(30, 1, None, 0, (None, 1_610)))), // 10
        (1_111, may_move(place(31, 2, None, 1, (None, 1_611)))),
        (1_120, pay(0, 2_800, change(Paid, Succeeded, 1))),
        (1_121, pay(1, 2_800, change(Paid, Succeeded, 1))),
        (1_130, reject(0, 1, to_cake(0, 2))),
        (1_140, at_cake(0, TicketStep::Accept, 2, change(Accepted, Succeeded, 3))), // 15
        (1_421, moved(&[to_cake(1, 2)])),
        (1_430, ticket(1, TicketStep::Withdraw, 2, change(Paid, Succeeded, 2))),
        (1_440, at_cake(1, TicketStep::Collect, 2, ending(change(Collected, Succeeded, 3)))),
    ])
}

#[track_caller]
fn check(name: &str, doctor: impl FnOnce(&mut Story), expected: &[(u64, &str)]) {
    let mut story = moving();
    doctor(&mut story);
    check_story(name, &story, expected);
}

#[track_caller]
fn ends_with(end: usize, at_ms: u64, then: (Command, Outcome), expected: &str) {
    story_ends_with(moving(), end, at_ms, then, expected);
}

fn said(story: &mut Story, seq: usize) -> &mut OrderMove {
    match &mut story.step(seq).outcome {
        Outcome::OrderMoved(moved) => moved,
        Outcome::TickedWithOrders { orders, .. } => &mut orders.moved[0],
        other => panic!("{other:?}"),
    }
}

#[test]
fn clean_moves_are_reported() {
    let report = moving().audit();
    assert_eq!(report.differences, []);
    assert_eq!((report.orders.moved, report.orders.states.accepted), (2, 1));
}

#[test]
fn where_orders_may_go() {
    type Case = (fn(&mut OrderMove), &'static str);
    let cases: [Case; 5] = [
        (|moved| moved.outlet = OutletNo(0), "order 0 may not be moved to 0"),
        (|moved| moved.outlet = OutletNo(9), "order 0 may not be moved to 9"),
        (|moved| moved.promised_at_ms = 8_999, "order 0 is promised for 8999, and was for 9000"),
        (|moved| moved.promised_at_ms = 9_131, "a promise for 9131, where 9130 is the latest"),
        (|moved| moved.version = 3, "version 3 of the ticket of order 0, not 2"),
    ];
    for (doctor, expected) in cases {
        check(
            expected,
            |s| {
                s.end(14);
                doctor(said(s, 14));
            },
            &[(14, expected)],
        );
    }
    check(
        "by a tick, too",
        |s| {
            s.end(16);
            said(s, 16).outlet = OutletNo(0);
        },
        &[(16, "order 1 may not be moved to 0")],
    );
    check(
        "another order",
        |s| {
            s.end(14);
            said(s, 14).order = OrderNo(1);
        },
        &[(14, "order 1 is moved where 0 was rejected")],
    );
    check(
        "a paused outlet",
        |s| {
            s.end(13);
            let (mut command, outcome) = pause(90, None);
            let Command::PauseOutlet(ask) = &mut command else { panic!("other") };
            ask.outlet = OutletId::new("cake").unwrap();
            s.add(1_122, command, outcome);
            let (command, outcome) = reject(0, 1, to_cake(0, 2));
            s.add(1_130, command, outcome);
        },
        &[(15, "order 0 is moved to 1, which is paused")],
    );
    check(
        "an outlet that opens later",
        |s| {
            let Command::PutOutlet(put) = &mut s.step(9).command else { panic!("other") };
            put.opening.hours = vec![DayPart { from_minute: 60, until_minute: 120 }];
            s.end(14);
        },
        &[(14, "order 0 is moved to 1, which is closed until or at 9000")],
    );
}

#[test]
fn which_orders_may_go() {
    check(
        "one that no other outlet may make",
        |s| {
            s.end(14);
            placed(s, 10).others.clear();
        },
        &[(14, "order 0 may not be moved to 1")],
    );
    check(
        "one that was moved",
        |s| {
            s.end(14);
            let (mut command, outcome) = reject(0, 2, to_cake(0, 3));
            let Command::MoveTicket(ask) = &mut command else { panic!("other") };
            ask.outlet = OutletNo(1);
            s.add(1_135, command, outcome);
        },
        &[(15, "order 0 may not be moved to 1")],
    );
    check(
        "by another step",
        |s| {
            s.end(14);
            let Command::MoveTicket(ask) = &mut s.step(14).command else { panic!("other") };
            ask.step = TicketStep::Accept;
        },
        &[(14, "Accept of an order that is Paid moves it")],
    );
    check(
        "one that is being made",
        |s| {
            s.end(13);
            let making = change(OrderState::Making, Succeeded, 2);
            let (command, outcome) = ticket(0, TicketStep::Start, 1, making);
            s.add(1_125, command, outcome);
            let (command, outcome) = reject(0, 2, to_cake(0, 3));
            s.add(1_130, command, outcome);
        },
        &[(15, "Reject of an order that is Making moves it")],
    );
    ends_with(15, 1_420, moved(&[to_cake(1, 2)]), "order 1 ended 1 ms early");
    check(
        "one that was accepted",
        |s| {
            s.end(13);
            let (command, outcome) =
                ticket(0, TicketStep::Accept, 1, change(Accepted, Succeeded, 2));
            s.add(1_125, command, outcome);
            let (command, outcome) = moved(&[to_cake(0, 3)]);
            s.add(9_000 + MADE_WITHIN_MS - 1, command, outcome);
        },
        &[
            (15, "a tick leaves out order 1, which is due"),
            (15, "order 0 ended 1 ms early"),
            (15, "order 0 is moved, though it was Accepted"),
            (15, "order 0 is moved to 1, which is closed until or at 9000"),
        ],
    );
}

#[test]
fn an_order_that_may_be_moved_waits_for_a_tick() {
    check(
        "accepted late",
        |s| {
            s.end(15);
            let (command, outcome) =
                ticket(1, TicketStep::Accept, 1, change(Accepted, Succeeded, 2));
            s.add(1_500, command, outcome);
        },
        &[],
    );
    check(
        "nobody else had it in time",
        |s| {
            s.end(15);
            let (command, outcome) = swept(&[1], &[]);
            s.add(1_500, command, outcome);
        },
        &[],
    );
    check(
        "rejected, and nobody else had it in time",
        |s| {
            s.end(13);
            let ended = change(Refunding, PaymentState::Refunding, 2);
            let (command, outcome) = ticket(0, TicketStep::Reject, 1, ended);
            s.add(1_130, command, outcome);
        },
        &[],
    );
}

#[test]
fn the_first_outlet_is_told() {
    let paid = || change(Paid, Succeeded, 2);
    let refused = |seq, order: u32| {
        let became = format!("order {order} became OrderChange");
        let whose = format!("the ticket of order {order} is another outlet's");
        [(seq, whose), (seq, "Withdraw of an order that is Paid".to_owned()), (seq, became)]
    };
    let check_refused = |end: usize, at_ms, order: u32| {
        let mut story = moving();
        story.end(end);
        let (command, outcome) = ticket(order, TicketStep::Withdraw, 2, paid());
        story.add(at_ms, command, outcome);
        let expected = refused(end as u64 + 1, order);
        let expected = expected.each_ref().map(|(seq, what)| (*seq, what.as_str()));
        check_story("told again", &story, &expected);
    };
    check_refused(17, 1_435, 1);
    // Whoever rejected it knows.
    check_refused(14, 1_135, 0);
    check(
        "a later version",
        |s| {
            s.end(17);
            after(s, 17).version = 3;
        },
        &[(17, "order 1 became OrderChange { state: Paid, payment: Some(Succeeded), version: 3")],
    );
    ends_with(
        16,
        1_430,
        ticket(1, TicketStep::Accept, 2, change(Accepted, Succeeded, 3)),
        "the ticket of order 1 is another outlet's",
    );
}
