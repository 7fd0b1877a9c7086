//! What each command is told as: `INDEX TYPE` for each event.

use levee_api::types::{
    CampaignId, CancelOrder, Categories, LockNo, MoveTicket, NameHash, OrderLine, OutletId,
    OutletNo, Party, PaymentState, RecordPayment, RecordRefund, Reference, RefundOrder, RequestKey,
    Tick, TradeKey,
};

use super::*;

fn codes() -> Codes {
    Codes::new(&[7; 32], 0)
}

fn facts() -> VoucherFacts {
    VoucherFacts {
        voucher: VoucherNo(1),
        user: UserKey([1; 16]),
        campaign: CampaignId::new("tea").expect("an id"),
        face_minor: 2_500,
    }
}

fn order(end: Option<OrderEnd>) -> Known {
    Known::Order(OrderFacts {
        user: UserKey([2; 16]),
        total_minor: 1_900,
        discount_minor: 1_500,
        payable_minor: 400,
        voucher: Some(facts()),
        end,
    })
}

fn told(command: Command, outcome: Outcome, known: &Known) -> Vec<Event> {
    let fact = Fact { seq: 9, at_ms: 1_000, command, outcome };
    let outlet = Known::Outlet(OutletId::new("sh-1").expect("an id"));
    let drafts = (0..).zip(drafts(&fact, &codes()));
    let events = drafts.filter_map(|(index, draft)| {
        let known = (known, draft.outlet.map(|_| &outlet));
        event(&draft, index, known, &codes())
    });
    events.collect()
}

#[track_caller]
fn check(command: Command, outcome: Outcome, known: &Known, expected: &[&str]) {
    let asked = format!("{command:?} {outcome:?}");
    let told = told(command, outcome, known);
    let told = told.iter().map(|event| format!("{} {}", event.index, event.kind.name()));
    assert_eq!(told.collect::<Vec<_>>(), expected, "{asked}");
}

/// A change that did not end the order, of an order that had ended or goes on.
fn change(state: OrderState) -> OrderChange {
    let (payment, redemption) = (Some(PaymentState::Succeeded), None);
    OrderChange { state, payment, version: 1, redemption, voucher: None, ended: false }
}

fn changed(change: OrderChange) -> Outcome {
    Outcome::OrderChanged(change)
}

/// One that ended it, by the clock or by what the command says.
fn ending(state: OrderState) -> OrderChange {
    OrderChange { ended: true, ..change(state) }
}

fn pays(event: PaymentEvent) -> Command {
    let (provider, trade) = (NameHash(1), TradeKey([1; 16]));
    Command::RecordPayment(RecordPayment { order: OrderNo(3), provider, trade, event })
}

const SUCCEEDED: PaymentEvent = PaymentEvent::Succeeded { captured_minor: 400 };

fn refund(result: RefundResult, change: OrderChange) -> (Command, Outcome) {
    let command = Command::RecordRefund(RecordRefund { order: OrderNo(3), refund: 1, result });
    (command, Outcome::RefundEnded { change, amount_minor: 250 })
}

fn asked_for_refund() -> Command {
    Command::RefundOrder(Box::new(RefundOrder {
        request: RequestKey([0; 16]),
        order: OrderNo(3),
        by: Party::Operator,
        reference: Reference::new("r").expect("fits"),
        amount_minor: 1,
        reason: "late".to_owned(),
    }))
}

fn step(step: TicketStep) -> Command {
    Command::MoveTicket(MoveTicket { order: OrderNo(3), outlet: OutletNo(1), version: 1, step })
}

#[test]
fn placing_pays_where_nothing_is_to_be_paid() {
    let place = |total_minor| {
        Command::PlaceOrder(Box::new(PlaceOrder {
            lines: vec![OrderLine { item: 0, quantity: 1 }],
            categories: Categories::default(),
            total_minor,
            ..PlaceOrder::again(RequestKey([0; 16]), 0)
        }))
    };
    let placed = |held| Outcome::OrderPlaced {
        order: OrderNo(3),
        promised_at_ms: 2_000,
        subsidy_minor: 1_500,
        held,
        due_ms: 1_500,
    };
    let known = order(None);
    check(place(1_900), placed(Held::Lock(LockNo(1))), &known, &["0 order.placed"]);
    let all = ["0 order.placed", "1 order.paid", "2 voucher.redeemed"];
    check(place(1_500), placed(Held::Redemption(RedemptionNo(1))), &known, &all);
}

#[test]
fn payments_and_tickets() {
    let known = order(None);
    let awaits = || changed(change(OrderState::AwaitingPayment));
    check(pays(PaymentEvent::Created), awaits(), &known, &[]);
    check(pays(PaymentEvent::Pending), awaits(), &known, &[]);
    let paid = OrderChange { redemption: Some(RedemptionNo(4)), ..change(OrderState::Paid) };
    let expected = ["0 order.paid", "1 voucher.redeemed"];
    check(pays(SUCCEEDED), changed(paid), &known, &expected);
    let anew = Outcome::PromisedAnew { change: paid, promised_at_ms: 9_000 };
    check(pays(SUCCEEDED), anew, &known, &expected);
    for (of, expected) in [
        (TicketStep::Send, &[][..]),
        (TicketStep::Accept, &["0 order.accepted"]),
        (TicketStep::Start, &[]),
        (TicketStep::Ready, &["0 order.ready"]),
    ] {
        check(step(of), changed(change(OrderState::Accepted)), &known, expected);
    }
    let collected = changed(ending(OrderState::Collected));
    check(step(TicketStep::Collect), collected, &known, &["0 order.collected"]);
    let rejected = changed(ending(OrderState::Refunding));
    check(step(TicketStep::Reject), rejected, &known, &["0 order.rejected"]);
    let (request, reason) = (RequestKey([0; 16]), String::new());
    let cancel = CancelOrder { request, order: OrderNo(3), by: Party::Operator, reason };
    let over = Some(VoucherState::Expired);
    let ended = OrderChange { voucher: over, ..ending(OrderState::Cancelled) };
    let expected = ["0 order.cancelled", "1 voucher.expired"];
    check(Command::CancelOrder(Box::new(cancel)), changed(ended), &known, &expected);
}

#[test]
fn an_end_is_told_once_by_whoever_comes_first() {
    let known = order(Some(OrderEnd::NotPaid));
    let expired = ["0 order.expired"];
    // A tick came first: nothing that is heard later is its end.
    check(pays(SUCCEEDED), changed(change(OrderState::Refunding)), &known, &[]);
    check(pays(PaymentEvent::Closed), changed(change(OrderState::Expired)), &known, &[]);
    check(step(TicketStep::Withdraw), changed(change(OrderState::Refunding)), &known, &[]);
    let (command, outcome) = refund(RefundResult::Done, change(OrderState::Refunded));
    check(command, outcome, &known, &["0 refund.succeeded"]);
    let (command, outcome) = refund(RefundResult::Failed, change(OrderState::Refunding));
    check(command, outcome, &known, &["0 refund.failed"]);
    check(asked_for_refund(), changed(change(OrderState::Collected)), &known, &[]);
    // Its time is over, no tick has seen that, and this comes first; or it cannot be paid any more.
    check(pays(SUCCEEDED), changed(ending(OrderState::Refunding)), &known, &expired);
    check(pays(PaymentEvent::Pending), changed(ending(OrderState::Expired)), &known, &expired);
    check(pays(PaymentEvent::Closed), changed(ending(OrderState::Expired)), &known, &expired);
    check(step(TicketStep::Withdraw), changed(ending(OrderState::Refunding)), &known, &expired);
    let (command, outcome) = refund(RefundResult::Done, ending(OrderState::Refunding));
    check(command, outcome, &known, &["0 order.expired", "1 refund.succeeded"]);
    let (command, outcome) = refund(RefundResult::Done, ending(OrderState::Collected));
    check(command, outcome, &known, &["0 order.collected", "1 refund.succeeded"]);
    let collected = changed(ending(OrderState::Collected));
    check(asked_for_refund(), collected, &known, &["0 order.collected"]);
}

#[test]
fn a_tick_tells_of_what_it_ends() {
    let tick = || Command::Tick(Tick { limit: 9 });
    let swept = Swept { locks: vec![LockNo(1)], vouchers: vec![VoucherNo(1)], redemptions: vec![] };
    let lock = |is_over| Known::Lock { voucher: facts(), is_over };
    let ticked = || Outcome::Ticked(Box::new(swept.clone()));
    check(tick(), ticked(), &lock(true), &["0 voucher.expired", "1 voucher.expired"]);
    // What a lock held lives on; nothing else of a tick is told by what is known of locks.
    check(tick(), ticked(), &lock(false), &[]);
    check(tick(), ticked(), &Known::Voucher(facts()), &["0 voucher.expired", "1 voucher.expired"]);
    let orders = SweptOrders {
        expired: vec![OrderNo(3)],
        collected: vec![OrderNo(4)],
        vouchers: vec![VoucherNo(1)],
        ..SweptOrders::default()
    };
    let ended = Outcome::TickedWithOrders { swept: Box::default(), orders: Box::new(orders) };
    let expected = ["0 order.expired", "1 voucher.expired", "2 order.collected"];
    check(tick(), ended, &order(Some(OrderEnd::NotMade)), &expected);
}

#[test]
fn events_name_no_users_and_say_public_ids() {
    let rejected = changed(ending(OrderState::Refunding));
    let events = told(step(TicketStep::Reject), rejected, &order(Some(OrderEnd::Rejected)));
    let said = json!({
        "id": codes().order(OrderNo(3)), "total_minor": 1_900, "discount_minor": 1_500,
        "payable_minor": 400, "voucher_code": codes().voucher(VoucherNo(1)),
    });
    let mut rejected = said.clone();
    rejected["end"] = json!("rejected");
    assert_eq!(events[0].data, json!({"order": rejected, "order_state": "refunding"}));
    let (command, outcome) = refund(RefundResult::Done, change(OrderState::Refunded));
    let expected =
        json!({"order": said, "refund": 1, "amount_minor": 250, "order_state": "refunded"});
    assert_eq!(told(command, outcome, &order(None))[0].data, expected);
}
