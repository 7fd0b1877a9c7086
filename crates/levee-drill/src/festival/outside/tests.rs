//! Two sides that agree, and then one thing wrong at a time.

use levee_api::types::OrderNo;

use super::*;
use crate::festival::book::tests::{book, market, tell};

struct Sides {
    codes: Codes,
    outside: Outside,
    facts: String,
}

impl Sides {
    /// Order 0 was paid and collected, 1 paid and given back, 2 never paid, 3 needed no payment.
    fn new() -> Self {
        let codes = Codes::new(&[1; 32], 0);
        let payment = |order, captured_minor, refunded_minor| PaymentThere {
            payment: codes.payment(OrderNo(order)),
            captured_minor,
            refunded_minor,
        };
        let ticket = |order, made_count| TicketThere {
            order: codes.order(OrderNo(order)),
            begun_count: made_count,
            made_count,
            courier_at: None,
        };
        let outside = Outside {
            stats: StatsThere::default(),
            payments: vec![payment(0, 500, 0), payment(1, 500, 500), payment(2, 0, 0)],
            tickets: vec![ticket(0, 1), ticket(1, 0), ticket(3, 0)],
        };
        let facts = "
            0 place 0\n 1 place 1\n 2 place 2\n 3 free 3
            5 pay 0\n 6 send 0\n 7 ready 0\n 8 collect 0
            9 pay 1\n 10 send 1\n 11 reject 1\n 12 refund 1
            13 expire 2\n 14 send 3\n"
            .to_owned();
        Self { codes, outside, facts }
    }
}

/// Counts in the order of [`Differences::counts`], after one thing was made wrong.
#[track_caller]
fn check(wrong: impl FnOnce(&mut Sides), expected: [u64; 6], words: &str) {
    let mut sides = Sides::new();
    wrong(&mut sides);
    let market = market();
    let mut book = book(&market);
    tell(&mut book, &sides.facts);
    let found = compare(&book, &sides.outside, &sides.codes);
    assert_eq!(found.counts().map(|(count, _)| count), expected, "{:?}", found.words);
    assert!(found.words.join("; ").contains(words), "{words} is not in {:?}", found.words);
}

#[test]
fn two_sides_that_differ_are_found() {
    check(|_| (), [0; 6], "");
    let captured = "order 0: paid 400 there, 500 in the journal";
    check(|s| s.outside.payments[0].captured_minor = 400, [1, 0, 0, 0, 0, 0], captured);
    check(|s| drop(s.outside.payments.remove(0)), [1, 0, 0, 0, 0, 0], "paid 0 there");
    check(|s| s.outside.payments[2].captured_minor = 500, [1, 0, 0, 0, 0, 0], "order 2: paid 500");
    check(|s| s.outside.payments[1].refunded_minor = 0, [0, 1, 0, 0, 0, 0], "given back 0 there");
    check(|s| s.outside.payments[1].refunded_minor = 900, [0, 1, 1, 0, 0, 0], "given back 900 of");
    check(
        |s| {
            let again = s.outside.payments[1].clone();
            s.outside.payments.push(again);
        },
        [1, 1, 0, 0, 0, 0],
        "order 1: paid 1000 there",
    );
    check(|s| s.outside.tickets[0].made_count = 2, [0, 0, 0, 1, 0, 0], "order 0 was made 2 times");
    check(
        |s| {
            let elsewhere = s.outside.tickets[0].clone();
            s.outside.tickets.push(elsewhere);
        },
        [0, 0, 0, 1, 0, 0],
        "made 2 times",
    );
    // Unless the order went to another outlet while the first was silent.
    check(
        |s| {
            let elsewhere = s.outside.tickets[2].clone();
            s.outside.tickets.extend([elsewhere.clone(), elsewhere]);
            s.outside.tickets[3..].iter_mut().for_each(|ticket| ticket.made_count = 1);
            s.facts += "15 move 3\n 16 send 3\n";
        },
        [0; 6],
        "",
    );
    check(|s| drop(s.outside.tickets.remove(2)), [0, 0, 0, 0, 1, 0], "order 3 is sent");
    check(|s| s.facts += "20 free 4\n", [0, 0, 0, 0, 1, 0], "order 4 is paid");
    check(|s| s.facts += "20 place 4\n", [0; 6], "");
    check(|s| s.outside.payments[2].payment = "pay_1".into(), [0, 0, 0, 0, 0, 1], "pay_1 of no");
    check(
        |s| s.outside.tickets[1].order = s.codes.order(OrderNo(9)),
        [0, 0, 0, 0, 0, 1],
        "no order",
    );
    // Whoever cancels what never came has a record without an order.
    check(|s| s.outside.tickets[1].order.clear(), [0; 6], "");
    // What is disputed is on record.
    check(
        |s| {
            s.facts += "20 dispute 2\n";
            s.outside.payments[2].captured_minor = 9;
        },
        [0; 6],
        "",
    );
}

#[test]
fn what_the_sandbox_writes_is_read() {
    let stats =
        br#"{"at": "2026-02-06T00:00:00Z", "tickets": {"received": 7, "made_for_nothing": 2,
        "double_made": 0}, "kitchens": [{"class": "healthy", "outlets": 3, "stations": 5,
        "busy_ms": 9, "walk_in_ms": 1}], "payments": {}}"#;
    let payments = "{\"payment\":\"pay_1\",\"trade\":\"t\",\"state\":\"succeeded\",\
        \"captured_minor\":5,\"refunded_minor\":0}\n";
    let tickets = "{\"ticket\":\"tkt_1\",\"order\":\"ord_1\",\"begun_count\":1,\"made_count\":1,\
        \"courier_at\":null}\n{\"order\":\"\",\"begun_count\":0,\"made_count\":0,\
        \"courier_at\":\"2026-02-06T00:00:00Z\"}\n";
    let read = Outside::read(stats, payments.as_bytes(), tickets.as_bytes()).expect("well-formed");
    assert_eq!((read.stats.tickets.made_for_nothing, read.stats.kitchens[0].stations), (2, 5));
    assert_eq!((read.payments.len(), read.tickets.len()), (1, 2));
    assert!(read.tickets[1].courier_at.is_some());
    for broken in ["{\"payment\":", "\n", "[]\n"] {
        assert!(Outside::read(stats, broken.as_bytes(), &b""[..]).is_err(), "{broken}");
    }
}
