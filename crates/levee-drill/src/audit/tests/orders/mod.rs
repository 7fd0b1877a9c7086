//! Outlets and orders, doctored in one place at a time: what the stories are made of, and one in
//! which orders go all ways.

mod compensation;
mod deadlines;
mod disputes;
mod moves;
mod outlets;
mod payments;
mod places;
mod quotes;
mod tickets;

use super::*;
use OrderState::{Accepted, AwaitingPayment, Cancelled, Collected, Paid, Refunded, Refunding};
use PaymentState::{Created, Pending, Succeeded, Unknown};
use VoucherState::{Expired, Live};

fn outlet(name: &str, number: u32, version: u32) -> (Command, Outcome) {
    let put = PutOutlet {
        id: OutletId::new(name).unwrap(),
        document: vec![u8::try_from(version).unwrap()],
        brand: NameHash::of("heytea"),
        vendor: NameHash::of("till"),
        stations: 2,
        unit_ms: 100,
        accept_within_ms: 300,
        ready_within_ms: 8_000,
        opening: Opening::default(),
    };
    let outcome = Outcome::OutletPut { outlet: OutletNo(number), version };
    (Command::PutOutlet(Box::new(put)), outcome)
}

fn pause(request: u8, until_ms: Option<u64>) -> (Command, Outcome) {
    let (outlet, reason) = (OutletId::new("tea").unwrap(), "ice".to_owned());
    let pause = PauseOutlet { request: key(request), outlet, until_ms, reason };
    (Command::PauseOutlet(Box::new(pause)), Outcome::OutletPaused)
}

fn resume_outlet(request: u8) -> (Command, Outcome) {
    let (outlet, reason) = (OutletId::new("tea").unwrap(), "over".to_owned());
    let resume = ResumeOutlet { request: key(request), outlet, reason };
    (Command::ResumeOutlet(Box::new(resume)), Outcome::OutletResumed)
}

/// An order of a total of 3,000, of which the merchant takes 200; promised for 9,000.
fn place(
    request: u8,
    of: u8,
    voucher: Option<u32>,
    order: u32,
    (lock, due_ms): (Option<u32>, u64),
) -> (Command, Outcome) {
    let place = PlaceOrder {
        request: key(request),
        asked: 0,
        user: user(of),
        outlet: OutletNo(0),
        outlet_version: 1,
        lines: vec![OrderLine { item: 0, quantity: 1 }],
        categories: Categories::new(&[NameHash::of("milk-tea")]).unwrap(),
        total_minor: 3_000,
        merchant_discount_minor: 200,
        voucher: voucher.map(VoucherNo),
        offer: None,
        ready_by_ms: None,
        courier_ms: None,
        work: 1_000,
        pay_within_ms: 500,
        others: Vec::new(),
        campaign: None,
    };
    let outcome = Outcome::OrderPlaced {
        order: OrderNo(order),
        promised_at_ms: 9_000,
        subsidy_minor: if voucher.is_some() { 2_500 } else { 0 },
        held: lock.map_or(Held::Nothing, |lock| Held::Lock(LockNo(lock))),
        due_ms,
    };
    (Command::PlaceOrder(Box::new(place)), outcome)
}

fn change(state: OrderState, payment: PaymentState, version: u32) -> OrderChange {
    let (payment, ended) = (Some(payment), false);
    OrderChange { state, payment, version, redemption: None, voucher: None, ended }
}

fn ending(change: OrderChange) -> OrderChange {
    OrderChange { ended: true, ..change }
}

fn changed(change: OrderChange) -> Outcome {
    Outcome::OrderChanged(change)
}

fn said(order: u32, trade: u8, event: PaymentEvent) -> Command {
    let (order, provider) = (OrderNo(order), NameHash::of("sandbox"));
    let trade = TradeKey([trade; 16]);
    Command::RecordPayment(RecordPayment { order, provider, trade, event })
}

fn payment(order: u32, event: PaymentEvent, after: OrderChange) -> (Command, Outcome) {
    (said(order, u8::try_from(order).unwrap(), event), changed(after))
}

fn pay(order: u32, captured_minor: u64, after: OrderChange) -> (Command, Outcome) {
    payment(order, PaymentEvent::Succeeded { captured_minor }, after)
}

fn ticket(order: u32, step: TicketStep, version: u32, after: OrderChange) -> (Command, Outcome) {
    let (order, outlet) = (OrderNo(order), OutletNo(0));
    let ended = matches!(step, TicketStep::Reject | TicketStep::Collect);
    let after = OrderChange { ended, ..after };
    (Command::MoveTicket(MoveTicket { order, outlet, version, step }), changed(after))
}

fn cancel(request: u8, order: u32, by: Party, after: OrderChange) -> (Command, Outcome) {
    let (order, reason) = (OrderNo(order), String::new());
    let cancel = CancelOrder { request: key(request), order, by, reason };
    (Command::CancelOrder(Box::new(cancel)), changed(ending(after)))
}

/// The same for an order that had ended.
fn again((command, outcome): (Command, Outcome)) -> (Command, Outcome) {
    let Outcome::OrderChanged(change) = outcome else { panic!("other") };
    (command, changed(OrderChange { ended: false, ..change }))
}

fn refunded(order: u32, refund: u32, amount_minor: u64, change: OrderChange) -> (Command, Outcome) {
    let (order, result) = (OrderNo(order), RefundResult::Done);
    let outcome = Outcome::RefundEnded { change, amount_minor };
    (Command::RecordRefund(RecordRefund { order, refund, result }), outcome)
}

fn refund(request: u8, order: u32, amount_minor: u64, after: OrderChange) -> (Command, Outcome) {
    let (order, by, reason) = (OrderNo(order), Party::Operator, "spilt".to_owned());
    let refund = RefundOrder {
        request: key(request),
        order,
        by,
        reference: reference(&format!("refund {request}")),
        amount_minor,
        reason,
    };
    (Command::RefundOrder(Box::new(refund)), changed(after))
}

/// A tick that ends orders and pauses.
fn swept(expired: &[u32], resumed: &[u32]) -> (Command, Outcome) {
    ticked(SweptOrders {
        expired: expired.iter().copied().map(OrderNo).collect(),
        resumed: resumed.iter().copied().map(OutletNo).collect(),
        ..SweptOrders::default()
    })
}

fn ticked(orders: SweptOrders) -> (Command, Outcome) {
    let (swept, orders) = (Box::default(), Box::new(orders));
    (Command::Tick(Tick { limit: 4 }), Outcome::TickedWithOrders { swept, orders })
}

fn with_use(change: OrderChange, redemption: u32) -> OrderChange {
    OrderChange { redemption: Some(RedemptionNo(redemption)), ..change }
}

fn with_voucher(change: OrderChange, voucher: VoucherState) -> OrderChange {
    OrderChange { voucher: Some(voucher), ..change }
}

/// Behind the first seven commands of the clean story: a campaign of 11,000, and vouchers 0 to 2 of
/// users 1 to 3.
fn after_claims(steps: impl IntoIterator<Item = (u64, (Command, Outcome))>) -> Story {
    let mut story = clean_story();
    story.end(7);
    for (at_ms, (command, outcome)) in steps {
        story.add(at_ms, command, outcome);
    }
    story
}

/// Orders that go all ways, without a fault. The comments are sequence numbers.
fn ordered() -> Story {
    let user_1 = Party::User(user(1));
    after_claims([
        (1_100, outlet("tea", 0, 1)), // 8
        (1_101, place(11, 1, Some(0), 0, (Some(0), 1_601))),
        (1_102, place(12, 2, Some(1), 1, (Some(1), 1_602))), // 10
        (1_103, place(13, 3, None, 2, (None, 1_603))),
        (1_104, payment(0, PaymentEvent::Created, change(AwaitingPayment, Created, 0))),
        (1_105, payment(0, PaymentEvent::Pending, change(AwaitingPayment, Pending, 0))),
        (1_110, pay(0, 300, with_use(change(Paid, Succeeded, 1), 0))),
        (1_111, ticket(0, TicketStep::Accept, 1, change(Accepted, Succeeded, 2))), // 15
        (1_112, cancel(20, 1, Party::Operator, with_voucher(change(Cancelled, Unknown, 0), Live))),
        (1_113, pay(1, 300, change(Refunding, PaymentState::Refunding, 0))),
        (1_114, refunded(1, 1, 300, change(Refunded, PaymentState::Refunded, 0))),
        (1_115, refund(21, 0, 100, change(Accepted, PaymentState::Refunding, 2))),
        (1_116, refunded(0, 1, 100, change(Accepted, Succeeded, 2))), // 20
        (1_117, ticket(0, TicketStep::Collect, 2, change(Collected, Succeeded, 3))),
        (1_120, place(14, 2, Some(1), 3, (Some(2), 1_620))),
        (1_121, pay(3, 300, with_use(change(Paid, Succeeded, 1), 1))),
        (1_122, pause(22, Some(1_500))),
        (1_603, swept(&[3, 2], &[0])), // 25
        (1_604, refunded(3, 1, 300, change(Refunded, PaymentState::Refunded, 2))),
        (1_605, ticket(3, TicketStep::Withdraw, 2, change(Refunded, PaymentState::Refunded, 3))),
        (1_606, pause(23, None)),
        (1_607, resume_outlet(24)),
        (1_610, place(15, 1, None, 4, (None, 2_110))), // 30
        (1_611, cancel(25, 4, user_1, change(Cancelled, Unknown, 0))),
        (1_612, payment(4, PaymentEvent::Closed, change(Cancelled, PaymentState::Closed, 0))),
    ])
}

#[track_caller]
fn check(name: &str, doctor: impl FnOnce(&mut Story), expected: &[(u64, &str)]) {
    let mut story = ordered();
    doctor(&mut story);
    check_story(name, &story, expected);
}

/// The story up to this command, and then this.
#[track_caller]
fn ends_with(end: usize, at_ms: u64, then: (Command, Outcome), expected: &str) {
    story_ends_with(ordered(), end, at_ms, then, expected);
}

#[track_caller]
fn story_ends_with(
    mut story: Story,
    end: usize,
    at_ms: u64,
    (command, outcome): (Command, Outcome),
    expected: &str,
) {
    story.end(end);
    story.add(at_ms, command, outcome);
    check_story(expected, &story, &[(end as u64 + 1, expected)]);
}

fn placed(story: &mut Story, seq: usize) -> &mut PlaceOrder {
    let Command::PlaceOrder(place) = &mut story.step(seq).command else { panic!("no order") };
    place
}

fn promised(story: &mut Story, seq: usize) -> &mut u64 {
    let Outcome::OrderPlaced { promised_at_ms, .. } = &mut story.step(seq).outcome else {
        panic!("no order")
    };
    promised_at_ms
}

fn after(story: &mut Story, seq: usize) -> &mut OrderChange {
    match &mut story.step(seq).outcome {
        Outcome::OrderChanged(change) | Outcome::RefundEnded { change, .. } => change,
        other => panic!("{other:?}"),
    }
}

fn swept_by(story: &mut Story, seq: usize) -> &mut SweptOrders {
    let Outcome::TickedWithOrders { orders, .. } = &mut story.step(seq).outcome else {
        panic!("no tick")
    };
    orders
}

#[test]
fn clean_orders_are_reported() {
    let report = ordered().audit();
    assert_eq!(report.differences, []);
    let orders = serde_json::to_value(report.orders).unwrap();
    let expected = serde_json::json!({
        "outlets": 1, "staffing_changes": 0, "walk_in_work": 0, "breakers_opened": 0,
        "quotes": 0, "offers": 0, "offers_taken": 0,
        "placed": 5,
        "states": {
            "awaiting_payment": 0, "paid": 0, "sent": 0, "accepted": 0, "making": 0, "ready": 0,
            "collected": 1, "expired": 1, "cancelled": 1, "rejected": 0, "refunding": 0,
            "refunded": 2
        },
        "paid": 2, "made": 1, "late": 0, "late_share_ppm": 0, "promised_anew": 0, "moved": 0,
        "subsidy_minor": 2_500, "captured_minor": 900, "refunded_minor": 700,
        "to_refund_minor": 0,
        "disputes": {"recorded": 0, "recorded_minor": 0, "open_orders": 0}
    });
    assert_eq!(orders, expected);
    let named = report.orders.states.named();
    assert_eq!(named.map(|(_, count)| count).iter().sum::<u64>(), report.orders.placed);
    assert_eq!((named[0].0, named[11].0), ("awaiting_payment", "refunded"));
    let money = report.campaigns[0].money;
    assert_eq!((money.spent_minor, money.in_flight_minor), (2_500, 0));
    check("the end is never the success", |s| s.end(17), &[]);
}
