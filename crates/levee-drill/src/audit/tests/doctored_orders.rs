//! Outlets and orders, doctored in one place at a time.

use super::*;
use OrderState::{Accepted, AwaitingPayment, Cancelled, Collected, Paid, Refunded, Refunding};
use PaymentState::{Created, Pending, Succeeded, Unknown};
use VoucherState::{Expired, Live};

fn outlet(name: &str, number: u32, version: u32) -> (Command, Outcome) {
    let put = PutOutlet {
        id: OutletId::new(name).unwrap(),
        document: vec![u8::try_from(version).unwrap()],
        brand: NameHash::of("heytea"),
        stations: 2,
        accept_within_ms: 300,
    };
    let outcome = Outcome::OutletPut { outlet: OutletNo(number), version };
    (Command::PutOutlet(Box::new(put)), outcome)
}

fn pause(request: u8, until_ms: Option<u64>) -> (Command, Outcome) {
    let (outlet, reason) = (OutletId::new("tea").unwrap(), "ice".to_owned());
    let pause = PauseOutlet { request: key(request), outlet, until_ms, reason };
    (Command::PauseOutlet(pause), Outcome::OutletPaused)
}

fn resume_outlet(request: u8) -> (Command, Outcome) {
    let (outlet, reason) = (OutletId::new("tea").unwrap(), "over".to_owned());
    let resume = ResumeOutlet { request: key(request), outlet, reason };
    (Command::ResumeOutlet(resume), Outcome::OutletResumed)
}

/// An order of a total of 3,000, of which the merchant takes 200.
fn place(
    request: u8,
    of: u8,
    voucher: Option<u32>,
    order: u32,
    (lock, due_ms): (Option<u32>, u64),
) -> (Command, Outcome) {
    let place = PlaceOrder {
        request: key(request),
        user: user(of),
        outlet: OutletNo(0),
        lines: vec![OrderLine { item: 0, quantity: 1 }],
        categories: Categories::new(&[NameHash::of("milk-tea")]).unwrap(),
        total_minor: 3_000,
        merchant_discount_minor: 200,
        voucher: voucher.map(VoucherNo),
        promised_at_ms: 9_000,
        work: 1_000,
        pay_within_ms: 500,
        allow_other_outlet: false,
    };
    let outcome = Outcome::OrderPlaced {
        order: OrderNo(order),
        subsidy_minor: if voucher.is_some() { 2_500 } else { 0 },
        lock: lock.map(LockNo),
        redemption: None,
        due_ms,
    };
    (Command::PlaceOrder(Box::new(place)), outcome)
}

fn change(state: OrderState, payment: PaymentState, version: u32) -> OrderChange {
    OrderChange { state, payment: Some(payment), version, redemption: None, voucher: None }
}

fn changed(change: OrderChange) -> Outcome {
    Outcome::OrderChanged(change)
}

fn payment(order: u32, event: PaymentEvent, after: OrderChange) -> (Command, Outcome) {
    let trade = TradeKey([u8::try_from(order).unwrap(); 16]);
    let (order, provider) = (OrderNo(order), NameHash::of("sandbox"));
    (Command::RecordPayment(RecordPayment { order, provider, trade, event }), changed(after))
}

fn pay(order: u32, captured_minor: u64, after: OrderChange) -> (Command, Outcome) {
    payment(order, PaymentEvent::Succeeded { captured_minor }, after)
}

fn ticket(order: u32, step: TicketStep, version: u32, after: OrderChange) -> (Command, Outcome) {
    let (order, outlet) = (OrderNo(order), OutletNo(0));
    (Command::MoveTicket(MoveTicket { order, outlet, version, step }), changed(after))
}

fn cancel(request: u8, order: u32, by: Party, after: OrderChange) -> (Command, Outcome) {
    let (order, reason) = (OrderNo(order), String::new());
    (Command::CancelOrder(CancelOrder { request: key(request), order, by, reason }), changed(after))
}

fn refunded(order: u32, refund: u32, after: OrderChange) -> (Command, Outcome) {
    let (order, result) = (OrderNo(order), RefundResult::Done);
    (Command::RecordRefund(RecordRefund { order, refund, result }), changed(after))
}

fn refund(request: u8, order: u32, amount_minor: u64, after: OrderChange) -> (Command, Outcome) {
    let (order, by, reason) = (OrderNo(order), Party::Operator, "spilt".to_owned());
    let refund = RefundOrder { request: key(request), order, by, amount_minor, reason };
    (Command::RefundOrder(refund), changed(after))
}

fn swept(locks: &[u32], expired: &[u32], resumed: &[u32]) -> (Command, Outcome) {
    let swept = Swept { locks: locks.iter().copied().map(LockNo).collect(), ..Swept::default() };
    let orders = SweptOrders {
        expired: expired.iter().copied().map(OrderNo).collect(),
        resumed: resumed.iter().copied().map(OutletNo).collect(),
    };
    let (swept, orders) = (Box::new(swept), Box::new(orders));
    (Command::Tick(Tick { limit: 4 }), Outcome::TickedWithOrders { swept, orders })
}

fn with_use(change: OrderChange, redemption: u32) -> OrderChange {
    OrderChange { redemption: Some(RedemptionNo(redemption)), ..change }
}

fn with_voucher(change: OrderChange, voucher: VoucherState) -> OrderChange {
    OrderChange { voucher: Some(voucher), ..change }
}

/// Orders that go all ways, without a fault. The first seven commands are the clean story's: a
/// campaign of 11,000, and vouchers 0 to 2 of users 1 to 3. The comments are sequence numbers.
fn ordered() -> Story {
    let user_1 = Party::User(user(1));
    let steps = [
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
        (1_114, refunded(1, 1, change(Refunded, PaymentState::Refunded, 0))),
        (1_115, refund(21, 0, 100, change(Accepted, PaymentState::Refunding, 2))),
        (1_116, refunded(0, 1, change(Accepted, Succeeded, 2))), // 20
        (1_117, ticket(0, TicketStep::Collect, 2, change(Collected, Succeeded, 3))),
        (1_120, place(14, 2, Some(1), 3, (Some(2), 1_620))),
        (1_121, pay(3, 300, with_use(change(Paid, Succeeded, 1), 1))),
        (1_122, pause(22, Some(1_500))),
        (1_603, swept(&[], &[3, 2], &[0])), // 25
        (1_604, refunded(3, 1, change(Refunded, PaymentState::Refunded, 2))),
        (1_605, ticket(3, TicketStep::Withdraw, 2, change(Refunded, PaymentState::Refunded, 3))),
        (1_606, pause(23, None)),
        (1_607, resume_outlet(24)),
        (1_610, place(15, 1, None, 4, (None, 2_110))), // 30
        (1_611, cancel(25, 4, user_1, change(Cancelled, Unknown, 0))),
        (1_612, payment(4, PaymentEvent::Closed, change(Cancelled, PaymentState::Closed, 0))),
    ];
    let mut story = clean_story();
    story.end(7);
    for (at_ms, (command, outcome)) in steps {
        story.add(at_ms, command, outcome);
    }
    story
}

#[track_caller]
fn check(name: &str, doctor: impl FnOnce(&mut Story), expected: &[(u64, &str)]) {
    let mut story = ordered();
    doctor(&mut story);
    check_story(name, &story, expected);
}

/// The story up to this command, and then this.
#[track_caller]
fn ends_with(end: usize, at_ms: u64, (command, outcome): (Command, Outcome), expected: &str) {
    check(
        expected,
        |s| {
            s.end(end);
            s.add(at_ms, command, outcome);
        },
        &[(end as u64 + 1, expected)],
    );
}

fn placed(story: &mut Story, seq: usize) -> &mut PlaceOrder {
    let Command::PlaceOrder(place) = &mut story.step(seq).command else { panic!("no order") };
    place
}

fn after(story: &mut Story, seq: usize) -> &mut OrderChange {
    let Outcome::OrderChanged(change) = &mut story.step(seq).outcome else { panic!("other") };
    change
}

#[test]
fn clean_orders_are_reported() {
    let report = ordered().audit();
    assert_eq!(report.differences, []);
    let orders = serde_json::to_value(report.orders).unwrap();
    let expected = serde_json::json!({"outlets": 1, "placed": 5, "under_way": 0, "collected": 1,
        "ended": 4, "subsidy_minor": 2_500, "captured_minor": 900, "refunded_minor": 700,
        "to_refund_minor": 0});
    assert_eq!(orders, expected);
    let money = report.campaigns[0].money;
    assert_eq!((money.spent_minor, money.in_flight_minor), (2_500, 0));
    check("the end is never the success", |s| s.end(17), &[]);
}

#[test]
fn outlets() {
    ends_with(8, 1_101, outlet("tea", 1, 2), "outlet 1 stands where 0 follows");
    ends_with(8, 1_101, outlet("milk", 0, 1), "outlet 0 stands where 1 follows");
    ends_with(8, 1_101, outlet("tea", 0, 3), "version 3 of outlet tea, where 2 follows");
    check(
        "put twice",
        |s| {
            s.end(8);
            let (command, _) = outlet("tea", 0, 1);
            s.add(1_101, command, Outcome::OutletPut { outlet: OutletNo(0), version: 2 });
        },
        &[(9, "outlet tea is put as it is already")],
    );
    fn put(story: &mut Story) -> &mut PutOutlet {
        let Command::PutOutlet(put) = &mut story.step(8).command else { panic!("other") };
        put
    }
    check(
        "a document",
        |s| {
            s.end(8);
            put(s).document = vec![0; DOCUMENT_LEN_MAX + 1];
        },
        &[(8, "a document of 32769 bytes")],
    );
    check("stations", |s| put(s).stations = 0, &[(8, "0 stations")]);
    check(
        "a time to accept",
        |s| {
            s.end(8);
            put(s).accept_within_ms = 0;
        },
        &[(8, "an outlet that accepts within 0 ms")],
    );
}

#[test]
fn pauses() {
    ends_with(24, 1_200, pause(90, Some(1_500)), "outlet tea is paused as it is already");
    ends_with(8, 1_200, pause(90, Some(1_200)), "a pause until Some(1200)");
    ends_with(8, 1_200, resume_outlet(90), "outlet tea is resumed, and was not paused");
    ends_with(24, 1_500, resume_outlet(90), "outlet tea is resumed, and was not paused");
    ends_with(
        24,
        1_200,
        place(90, 1, None, 4, (None, 1_700)),
        "an order at outlet 0, which is paused",
    );
    ends_with(24, 1_499, swept(&[], &[], &[0]), "the pause of outlet 0 ended 1 ms early");
    ends_with(28, 1_700, swept(&[], &[], &[0]), "the pause of outlet 0 is over at 1700, though it");
    ends_with(28, 1_700, swept(&[], &[], &[1]), "there is no outlet 1");
    check(
        "no reason",
        |s| {
            let Command::PauseOutlet(pause) = &mut s.step(24).command else { panic!("other") };
            pause.reason.clear();
        },
        &[(24, "a reason of 0 bytes")],
    );
    check(
        "no such outlet",
        |s| {
            s.end(24);
            let Command::PauseOutlet(pause) = &mut s.step(24).command else { panic!("other") };
            pause.outlet = OutletId::new("none").unwrap();
        },
        &[(24, "there is no outlet none")],
    );
}

#[test]
fn places() {
    ends_with(8, 1_200, place(90, 1, None, 1, (None, 1_700)), "order 1 stands where 0 follows");
    ends_with(8, 1_200, place(90, 1, None, 0, (None, 1_701)), "order 0 is due at 1700, not 1701");
    type Doctor = fn(&mut PlaceOrder);
    let cases: [(Doctor, &str); 13] = [
        (|ask| ask.outlet = OutletNo(1), "there is no outlet 1"),
        (|ask| ask.lines.clear(), "an order with lines out of bounds"),
        (|ask| ask.lines[0].quantity = 0, "an order with lines out of bounds"),
        (|ask| ask.promised_at_ms = 1_100, "an order with a promise out of bounds"),
        (|ask| ask.work = 0, "an order with work out of bounds"),
        (|ask| ask.work = WORK_MAX + 1, "an order with work out of bounds"),
        (|ask| ask.user = user(2), "voucher 0 is another user's"),
        (|ask| ask.voucher = Some(VoucherNo(9)), "there is no voucher 9"),
        (|ask| ask.categories = Categories::default(), "the voucher is not for this category"),
        (|ask| ask.total_minor = 1_100, "a subsidy of 2500 for a bill of 900"),
        (|ask| ask.merchant_discount_minor = 3_001, "an order with a merchant's discount out of"),
        (|ask| ask.voucher = None, "order 0 has lock Some(LockNo(0)) and redemption None"),
        (|ask| ask.pay_within_ms = 0, "an order with a time to pay out of bounds"),
    ];
    for (doctor, expected) in cases {
        let mut story = ordered();
        story.end(9);
        doctor(placed(&mut story, 9));
        let found = story.audit().differences;
        assert!(
            found.iter().any(|found| found.seq == 9 && found.what.starts_with(expected)),
            "{expected}: {found:#?}"
        );
    }
    check(
        "a subsidy that the terms do not give",
        |s| {
            s.end(9);
            let Outcome::OrderPlaced { subsidy_minor, .. } = &mut s.step(9).outcome else {
                panic!("other");
            };
            *subsidy_minor = 2_400;
        },
        &[(9, "2400 off a bill of 2800, where the terms give 2500")],
    );
    // A voucher that another order holds, or has used.
    ends_with(
        9,
        1_200,
        place(90, 1, Some(0), 1, (Some(1), 1_700)),
        "voucher 0 pays for an order, though it was Locked",
    );
    ends_with(
        14,
        1_200,
        place(90, 1, Some(0), 3, (Some(2), 1_700)),
        "voucher 0 pays for an order, though it was Redeemed",
    );
}

#[test]
fn what_an_order_holds_is_no_apps() {
    ends_with(9, 1_200, release(0, Live), "lock 0 is an order's");
    ends_with(14, 1_200, roll_back(90, 0, Live), "redemption 0 is an order's");
    check(
        "used by an app",
        |s| {
            s.end(9);
            let used = Command::RedeemVoucher(redeem(90, 1, 0, 3_000, Some(0)));
            s.add(1_200, used, redeemed(0, 2_500, 0, 6_200));
        },
        &[(10, "voucher 0 is used by an app, and locked by an order")],
    );
}

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
        cancel(90, 1, Party::Operator, change(Cancelled, Unknown, 0)),
        "Operator cancels an order that is Cancelled",
    );
    ends_with(
        21,
        1_200,
        cancel(90, 0, Party::Operator, change(Collected, Succeeded, 3)),
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

#[test]
fn refunds() {
    let refunding = change(Collected, PaymentState::Refunding, 3);
    ends_with(21, 1_200, refund(90, 0, 201, refunding), "201 are given back of 200 that are left");
    ends_with(
        21,
        1_200,
        refunded(0, 2, change(Collected, Succeeded, 3)),
        "refund 2 of order 0 was not under way",
    );
    ends_with(
        18,
        1_200,
        refunded(1, 1, change(Refunded, PaymentState::Refunded, 0)),
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
        "twice what was asked for is said to be done",
        |s| {
            s.end(20);
            *after(s, 20) = change(Accepted, PaymentState::Refunded, 2);
        },
        &[(20, "order 0 became OrderChange { state: Accepted, payment: Some(Refunded)")],
    );
}

#[test]
fn ticks() {
    ends_with(14, 1_409, swept(&[], &[0], &[]), "order 0 ended 1 ms early");
    ends_with(11, 1_602, swept(&[], &[2], &[]), "order 2 ended 1 ms early");
    ends_with(15, 1_700, swept(&[], &[0], &[]), "order 0 expires, though it was Accepted");
    ends_with(15, 1_700, swept(&[], &[9], &[]), "there is no order 9");
    ends_with(15, 1_700, swept(&[], &[], &[]), "no order or pause ended");
    check(
        "more than the limit",
        |s| s.step(25).command = Command::Tick(Tick { limit: 2 }),
        &[(25, "3 orders and pauses ended at a limit of 2")],
    );
    check(
        "a rest that is settled while the order may give it back",
        |s| {
            s.end(15);
            let (command, outcome) = tick(&[], &[], &[0]);
            s.add(6_110, command, outcome);
        },
        &[(16, "redemption 0 settles, though its order is under way")],
    );
}
