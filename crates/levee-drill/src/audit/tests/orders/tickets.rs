//! Steps of tickets, and cancellation.

use super::*;

#[test]
fn tickets() {
    let accepted = change(Accepted, Succeeded, 3);
    ends_with(
        15,
        1_200,
        ticket(0, TicketStep::Accept, 2, accepted),
        "Accept of an order that is Accepted",
    );
    ends_with(
        15,
        1_200,
        ticket(0, TicketStep::Start, 1, change(OrderState::Making, Succeeded, 3)),
        "Start follows on version 1, the ticket's is 2",
    );
    ends_with(
        15,
        1_200,
        ticket(0, TicketStep::Start, 2, change(OrderState::Making, Succeeded, 4)),
        "order 0 became OrderChange { state: Making, payment: Some(Succeeded), version: 4",
    );
    ends_with(
        27,
        1_700,
        ticket(3, TicketStep::Withdraw, 3, change(Refunded, PaymentState::Refunded, 4)),
        "Withdraw of an order that is Refunded",
    );
    ends_with(21, 1_200, ticket(9, TicketStep::Accept, 1, accepted), "there is no order 9");
    let sent =
        |version| ticket(3, TicketStep::Send, 1, change(OrderState::Sent, Succeeded, version));
    check(
        "that it was sent changes no version",
        |s| {
            s.end(23);
            let (command, outcome) = sent(1);
            s.add(1_200, command, outcome);
            let (command, outcome) =
                ticket(3, TicketStep::Accept, 1, change(Accepted, Succeeded, 2));
            s.add(1_201, command, outcome);
        },
        &[],
    );
    ends_with(23, 1_200, sent(2), "order 3 became OrderChange { state: Sent");
    check(
        "another outlet",
        |s| {
            let Command::MoveTicket(ask) = &mut s.step(15).command else { panic!("other") };
            ask.outlet = OutletNo(1);
        },
        &[(15, "the ticket of order 0 is another outlet's")],
    );
}

#[test]
fn ends() {
    let late = with_voucher(change(Refunding, PaymentState::Refunding, 4), Live);
    let user_1 = Party::User(user(1));
    check(
        "a user cancels what is made",
        |s| {
            s.end(15);
            let (command, outcome) =
                ticket(0, TicketStep::Start, 2, change(OrderState::Making, Succeeded, 3));
            s.add(1_200, command, outcome);
            let (command, outcome) = cancel(90, 0, user_1, late);
            s.add(1_201, command, outcome);
        },
        &[(17, "User(")],
    );
    ends_with(
        15,
        1_200,
        cancel(
            90,
            0,
            Party::User(user(2)),
            with_voucher(change(Refunding, PaymentState::Refunding, 3), Live),
        ),
        "order 0 is not of User(",
    );
    ends_with(
        15,
        1_200,
        cancel(
            90,
            0,
            Party::Outlet(OutletNo(7)),
            with_voucher(change(Refunding, PaymentState::Refunding, 3), Live),
        ),
        "order 0 is not of Outlet(",
    );
    ends_with(
        16,
        1_200,
        again(cancel(90, 1, Party::Operator, change(Cancelled, Unknown, 0))),
        "Operator cancels an order that is Cancelled",
    );
    ends_with(
        21,
        1_200,
        again(cancel(90, 0, Party::Operator, change(Collected, Succeeded, 3))),
        "Operator cancels an order that is Collected",
    );
    check(
        "a voucher that is said to be over",
        |s| {
            s.end(16);
            after(s, 16).voucher = Some(Expired);
        },
        &[(16, "order 1 became OrderChange { state: Cancelled")],
    );
    check(
        "nothing is given back",
        |s| {
            s.end(15);
            let said = with_voucher(change(Cancelled, Succeeded, 3), Live);
            let (command, outcome) = cancel(90, 0, user_1, said);
            s.add(1_200, command, outcome);
        },
        &[(16, "order 0 became OrderChange { state: Cancelled, payment: Some(Succeeded)")],
    );
}
