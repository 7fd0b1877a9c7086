//! Stories from facts in a table: `SECOND WHAT ORDER` lines.

use super::*;
use crate::market::any_kitchen;
use crate::scenario::Scenario;

pub(crate) fn market() -> Market {
    Market::draw(&Scenario::reference(), 1e-7, 1, &any_kitchen).expect("has outlets")
}

const STARTS_AT_MS: u64 = 1_770_336_000_000;

fn change(state: OrderState) -> Outcome {
    Outcome::OrderChanged(OrderChange {
        state,
        payment: None,
        version: 1,
        redemption: None,
        voucher: None,
        ended: state >= OrderState::Collected,
    })
}

fn key() -> RequestKey {
    RequestKey([0; 16])
}

/// A fact about an order. Orders cost 3,000, the voucher pays 2,500, the promise is second 600.
pub(crate) fn fact(what: &str, order: u32) -> (Command, Outcome) {
    let order = OrderNo(order);
    let step = |step, state| {
        let ticket = MoveTicket { order, outlet: OutletNo(0), version: 1, step };
        (Command::MoveTicket(ticket), change(state))
    };
    let pay = |event, outcome| {
        let (provider, trade) = (NameHash::of("sandbox"), TradeKey([0; 16]));
        (Command::RecordPayment(RecordPayment { order, provider, trade, event }), outcome)
    };
    let tick = |orders: SweptOrders| {
        let swept = Box::new(Swept::default());
        let outcome = Outcome::TickedWithOrders { swept, orders: Box::new(orders) };
        (Command::Tick(Tick { limit: 1 }), outcome)
    };
    let moved = || OrderMove {
        order,
        outlet: OutletNo(1),
        promised_at_ms: STARTS_AT_MS + 900_000,
        version: 3,
    };
    match what {
        "place" | "free" => {
            let total_minor = if what == "free" { 2_500 } else { 3_000 };
            let place = PlaceOrder {
                request: key(),
                asked: 0,
                user: UserKey([0; 16]),
                outlet: OutletNo(0),
                outlet_version: 1,
                lines: vec![OrderLine { item: 0, quantity: 2 }],
                categories: Categories::new(&[]).unwrap(),
                total_minor,
                merchant_discount_minor: 0,
                voucher: None,
                offer: None,
                ready_by_ms: None,
                courier_ms: Some(60_000),
                work: 2_000,
                pay_within_ms: 900_000,
                others: Vec::new(),
                campaign: None,
            };
            let outcome = Outcome::OrderPlaced {
                order,
                promised_at_ms: STARTS_AT_MS + 600_000,
                subsidy_minor: 2_500,
                held: Held::Nothing,
                due_ms: 0,
            };
            (Command::PlaceOrder(Box::new(place)), outcome)
        }
        "pay" => pay(PaymentEvent::Succeeded { captured_minor: 500 }, change(OrderState::Paid)),
        "pay-anew" => {
            let Outcome::OrderChanged(change) = change(OrderState::Paid) else { panic!("other") };
            let promised_at_ms = STARTS_AT_MS + 900_000;
            let anew = Outcome::PromisedAnew { change, promised_at_ms };
            pay(PaymentEvent::Succeeded { captured_minor: 500 }, anew)
        }
        "late-pay" => {
            pay(PaymentEvent::Succeeded { captured_minor: 500 }, change(OrderState::Refunding))
        }
        "dispute" => pay(PaymentEvent::Succeeded { captured_minor: 9 }, Outcome::PaymentDisputed),
        "refund" => {
            let refund = RecordRefund { order, refund: 1, result: RefundResult::Done };
            let Outcome::OrderChanged(change) = change(OrderState::Refunded) else {
                panic!("other")
            };
            (Command::RecordRefund(refund), Outcome::RefundEnded { change, amount_minor: 500 })
        }
        "send" => step(TicketStep::Send, OrderState::Sent),
        "accept" => step(TicketStep::Accept, OrderState::Accepted),
        "start" => step(TicketStep::Start, OrderState::Making),
        "ready" => step(TicketStep::Ready, OrderState::Ready),
        "collect" => step(TicketStep::Collect, OrderState::Collected),
        "reject" => step(TicketStep::Reject, OrderState::Refunding),
        "elsewhere" => {
            let (command, _) = step(TicketStep::Reject, OrderState::Paid);
            (command, Outcome::OrderMoved(moved()))
        }
        "cancel" => {
            let by = Party::User(UserKey([0; 16]));
            let cancel = CancelOrder { request: key(), order, by, reason: String::new() };
            (Command::CancelOrder(Box::new(cancel)), change(OrderState::Cancelled))
        }
        "expire" => tick(SweptOrders { expired: vec![order], ..SweptOrders::default() }),
        "move" => tick(SweptOrders { moved: vec![moved()], ..SweptOrders::default() }),
        "fetch" => tick(SweptOrders { collected: vec![order], ..SweptOrders::default() }),
        "apologise" => tick(SweptOrders {
            compensated: vec![Compensation {
                order,
                apology: Some(VoucherNo(7)),
                apology_minor: 300,
                outlet_minor: 40,
                unpaid_minor: 5,
            }],
            ..SweptOrders::default()
        }),
        // The number is an outlet's here.
        "break" | "drain" | "mend" | "break-vendor" | "mend-vendor" => {
            let is_vendors = what.ends_with("vendor");
            let vendor = || BreakerOf::Vendor(format!("till-{}", order.0));
            let change = ChangeBreaker {
                request: None,
                of: if is_vendors { vendor() } else { BreakerOf::Outlet(OutletNo(order.0)) },
                state: match what {
                    "drain" => BreakerState::Draining,
                    _ if what.starts_with("break") => BreakerState::Open,
                    _ => BreakerState::Closed,
                },
                by_hand: false,
                reason: String::new(),
            };
            let before = BreakerState::Closed;
            (Command::ChangeBreaker(Box::new(change)), Outcome::BreakerChanged { before })
        }
        other => panic!("{other} is no fact"),
    }
}

/// Shows a book the facts of a table.
pub(crate) fn tell(book: &mut Book<'_>, table: &str) {
    for (place, line) in table.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
        let mut words = line.split(' ');
        let mut word = || words.next().expect("three words");
        let (second, what) = (word().parse::<u64>().expect("a second"), word());
        let order = word().parse().expect("a number");
        let (command, outcome) = fact(what, order);
        let at_ms = STARTS_AT_MS + second * 1_000;
        let seq = place as u64 + 1;
        book.visit(&Fact { seq, at_ms, command: &command, outcome: &outcome });
    }
}

/// A book with two known outlets and stretches of five minutes.
pub(crate) fn book(market: &Market) -> Book<'_> {
    let mut book = Book::new(market, STARTS_AT_MS, 300_000, 6);
    for number in 0..2 {
        let outlet = &market.outlets()[number as usize];
        let put = PutOutlet {
            id: OutletId::new(&outlet.id).expect("an id"),
            document: Vec::new(),
            brand: NameHash::of("heytea"),
            vendor: NameHash::of("till"),
            stations: 1,
            unit_ms: 60_000,
            accept_within_ms: 1,
            ready_within_ms: 1,
            opening: Opening::default(),
        };
        let command = Command::PutOutlet(Box::new(put));
        let outcome = Outcome::OutletPut { outlet: OutletNo(number), version: 1 };
        book.visit(&Fact { seq: 0, at_ms: 0, command: &command, outcome: &outcome });
    }
    book
}

/// The state of the last order of a table, why it ended, and by how many seconds it is late.
#[track_caller]
fn check(table: &str, state: OrderState, end: Option<OrderEnd>, late_s: Option<i64>) -> Story {
    let market = market();
    let mut book = book(&market);
    tell(&mut book, table);
    let story = *book.orders.last().expect("an order");
    assert_eq!(story.state, state, "{table}");
    assert_eq!(story.ended.map(|(_, end)| end), end, "{table}");
    assert_eq!(story.late_ms().map(|ms| ms / 1_000), late_s, "{table}");
    story
}

#[test]
fn orders_are_followed_to_their_end() {
    let paid = "0 place 0\n 10 pay 0\n 20 send 0\n 30 accept 0\n";
    let good = check(
        &format!("{paid} 400 start 0\n 500 ready 0\n 700 collect 0"),
        OrderState::Collected,
        None,
        Some(-100),
    );
    assert_eq!((good.payable_minor, good.captured_minor, good.refunded_minor), (500, 500, 0));
    assert_eq!(good.begun_ms, Some(STARTS_AT_MS + 400_000));
    assert_eq!((good.outlet, good.is_paid()), (Some(0), true));
    check(&format!("{paid} 640 ready 0"), OrderState::Ready, None, Some(40));
    check(&format!("{paid} 640 collect 0"), OrderState::Collected, None, Some(40));
    check(&format!("{paid} 500 ready 0\n 9000 fetch 0"), OrderState::Collected, None, Some(-100));
    let free = check("0 free 0\n 9 send 0", OrderState::Sent, None, None);
    assert!(free.is_paid());
    // Ended before its promise it is not late, and after it is.
    let unpaid =
        check("0 place 0\n 90 expire 0", OrderState::Expired, Some(OrderEnd::NotPaid), None);
    assert!(!unpaid.is_paid());
    // Nobody missed a promise to who never paid.
    check("0 place 0\n 900 expire 0", OrderState::Expired, Some(OrderEnd::NotPaid), None);
    check("0 place 0\n 9 cancel 0", OrderState::Cancelled, Some(OrderEnd::ByUser), None);
    let refunded = check(
        "0 place 0\n 9 pay 0\n 10 send 0\n 99 expire 0\n 120 refund 0",
        OrderState::Refunded,
        Some(OrderEnd::NotAccepted),
        None,
    );
    assert_eq!((refunded.captured_minor, refunded.refunded_minor), (500, 500));
    let not_made = Some(OrderEnd::NotMade);
    check(&format!("{paid} 7800 expire 0"), OrderState::Refunding, not_made, Some(7_200));
    check(&format!("{paid} 40 reject 0"), OrderState::Refunding, Some(OrderEnd::Rejected), None);
    check(
        "0 place 0\n 9 cancel 0\n 10 late-pay 0\n 11 refund 0",
        OrderState::Refunded,
        Some(OrderEnd::ByUser),
        None,
    );
    assert!(check("0 place 0\n 9 dispute 0", OrderState::AwaitingPayment, None, None).disputed);
    // Paid late, it is promised for 900.
    let late =
        check("0 place 0\n 70 pay-anew 0\n 800 ready 0", OrderState::Ready, None, Some(-100));
    assert_eq!(late.late_as_told_ms(), Some(200_000));
    assert_eq!((late.promised_anew_by_ms, late.captured_minor), (Some(300_000), 500));
    // Another outlet promises anew.
    for moved in ["elsewhere", "move"] {
        let table = format!("{paid} 40 {moved} 0\n 950 ready 0");
        assert_eq!(check(&table, OrderState::Ready, None, Some(50)).outlet, Some(1));
    }
}

#[test]
fn the_day_is_told_by_stretches() {
    let market = market();
    let mut book = book(&market);
    tell(
        &mut book,
        "
        0 place 0
        10 free 1
        310 pay 0
        320 start 0
        600 ready 0
        605 collect 0
        606 expire 1
        950 apologise 1
        ",
    );
    book.close();
    let at = |awaiting, in_line, making, ready, collected, ended| Standing {
        awaiting,
        in_line,
        making,
        ready,
        collected,
        ended,
    };
    let ends = [at(1, 1, 0, 0, 0, 0), at(0, 1, 1, 0, 0, 0), at(0, 0, 0, 0, 1, 1)];
    assert_eq!(book.timeline[..3], ends);
    assert_eq!(book.timeline[3..], [ends[2]; 3]);
    let given = Given { apologies: 1, apology_minor: 300, outlets_minor: 40, unpaid_minor: 5 };
    assert_eq!((book.given, book.moves), (given, 0));
}

#[test]
fn breakers_are_open_from_one_moment_to_another() {
    let market = market();
    let mut book = book(&market);
    tell(
        &mut book,
        "
        10 break 0
        20 break-vendor 3
        30 drain 0
        40 break 1
        50 mend 0
        55 mend 0
        60 break 0
        70 mend-vendor 3
        ",
    );
    let seconds = |ms: u64| (ms - STARTS_AT_MS) / 1_000;
    let found: Vec<_> = book
        .breakers
        .iter()
        .map(|open| (open.of.clone(), seconds(open.from_ms), open.until_ms.map(seconds)))
        .collect();
    let outlet = |number| BreakerOf::Outlet(OutletNo(number));
    let expected = [
        (outlet(0), 10, Some(50)),
        (BreakerOf::Vendor("till-3".into()), 20, Some(70)),
        (outlet(1), 40, None),
        (outlet(0), 60, None),
    ];
    assert_eq!(found, expected);
}
