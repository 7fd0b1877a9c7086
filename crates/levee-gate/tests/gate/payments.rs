//! Payments and providers' callbacks, over real sockets: signed or not, late, doubled, out of order.

use levee_api::port::Submit;
use levee_api::time::Instant;
use levee_api::webhook::{DEV_OUTLETS_SECRET, DEV_PAYMENTS_SECRET};
use serde_json::{Value, json};

use crate::bench::{Bench, wait_until};
use crate::engine::NOW_MS;
use crate::shop::{grape, now_s, shop, signed, text};

/// A payment as the operator sees it.
fn payment(bench: &Bench, order: &Value) -> Value {
    let line = format!("GET /v1/payments/{}", text(&order["payment"]["id"]));
    let got = bench.ask(&line, "operator", "", "");
    assert_eq!(got.status, 200, "{got:?}");
    got.json()
}

#[test]
fn callbacks_are_taken_from_who_signs_them_alone() {
    let bench = shop();
    let order = bench.placed("k1", &grape());
    let id = text(&order["payment"]["id"]);
    let body = json!({"payment": id, "trade": "T", "event": "succeeded", "captured_minor": 1_900});
    let body = body.to_string();
    let line = "POST /v1/payments/sandbox/notify";
    let good = signed(DEV_PAYMENTS_SECRET, now_s(), &body);
    let without = |name: &str| {
        let lines = good.split_inclusive("\r\n").filter(|line| !line.starts_with(name));
        lines.collect::<String>()
    };
    for headers in [
        String::new(),
        signed(DEV_OUTLETS_SECRET, now_s(), &body),
        signed(DEV_PAYMENTS_SECRET, now_s() - 301, &body),
        signed(DEV_PAYMENTS_SECRET, now_s() + 302, &body),
        signed(DEV_PAYMENTS_SECRET, now_s(), &format!("{body} ")),
        good.replace("msg_1", "msg_2"),
        without("webhook-id"),
        without("webhook-timestamp"),
        without("webhook-signature"),
        good.clone() + &good,
    ] {
        let got = bench.ask(line, "", &headers, &body);
        assert_eq!(got.brief(), "401 signature_invalid", "{headers}");
    }
    // A key is no signature.
    assert_eq!(bench.ask(line, "operator", "", &body).brief(), "401 signature_invalid");
    assert_eq!(payment(&bench, &order)["state"], "created");
    // In pieces, too.
    let chunked = format!("{good}Transfer-Encoding: chunked\r\n");
    let mut wire = crate::wire::Wire::open(bench.address);
    wire.send(&format!(
        "{line} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n{chunked}\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    ));
    let got = wire.receive().expect("an answer");
    assert_eq!((got.status, got.body.as_str()), (200, "success"), "{got:?}");
    assert_eq!(got.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(payment(&bench, &order)["state"], "succeeded");
    let other = bench.ask("POST /v1/payments/nobody/notify", "", &good, &body);
    assert_eq!(other.brief(), "404 not_found");
}

#[test]
fn how_late_callbacks_are_is_counted_once_for_each_that_has_an_effect() {
    let bench = shop();
    let order = bench.placed("k1", &grape());
    let id = text(&order["payment"]["id"]);
    let at = |ms: u64| Instant { ms: NOW_MS - ms }.to_string();
    let send = |event: &str, more: Value| {
        let mut body = json!({"payment": id, "trade": "T", "event": event});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let body = body.to_string();
        let headers = signed(DEV_PAYMENTS_SECRET, now_s(), &body);
        let got = bench.ask("POST /v1/payments/sandbox/notify", "", &headers, &body);
        assert_eq!(got.status, 200, "{got:?}");
    };
    send("pending", json!({}));
    let paid = json!({"captured_minor": 1_900, "occurred_at": at(20 * 60_000)});
    send("succeeded", paid.clone());
    send("succeeded", paid);
    let metrics = bench.ask("GET /metrics", "", "", "").body;
    for line in ["_bucket{le=\"900\"} 0\n", "_bucket{le=\"3600\"} 1\n", "_count 1\n"] {
        let line = format!("levee_gate_callback_lag_seconds{line}");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
    let intake = bench.engine.intake();
    let lag_ms = || intake.gates().iter().map(|(_, report)| report.callback_lag_ms).max();
    wait_until("the gate reports it", || lag_ms().is_some_and(|ms| ms >= 20 * 60_000));
}

#[test]
fn what_is_wrong_with_a_callback_is_named() {
    let bench = shop();
    let order = bench.placed("k1", &grape());
    let id = text(&order["payment"]["id"]);
    let unknown = bench.codes.payment(levee_api::types::OrderNo(9));
    let order_id = text(&order["id"]);
    for (body, expected) in [
        (json!({"payment": id, "trade": "T", "event": "stolen"}), "400 invalid_field event"),
        (json!({"payment": id, "trade": "", "event": "failed"}), "400 invalid_field trade"),
        (json!({"payment": id, "event": "failed"}), "400 invalid_field trade"),
        (
            json!({"payment": id, "trade": "T", "event": "succeeded"}),
            "400 invalid_field captured_minor",
        ),
        (
            json!({"payment": id, "trade": "T", "event": "failed", "captured_minor": 1}),
            "400 invalid_field captured_minor",
        ),
        (json!({"payment": id, "trade": "T", "event": "failed", "x": 1}), "400 invalid_field x"),
        (json!({"payment": unknown, "trade": "T", "event": "failed"}), "404 payment_not_found"),
        (json!({"payment": "pay_1", "trade": "T", "event": "failed"}), "404 payment_not_found"),
        (json!({"payment": order_id, "trade": "T", "event": "failed"}), "404 payment_not_found"),
    ] {
        let body = body.to_string();
        let headers = signed(DEV_PAYMENTS_SECRET, now_s(), &body);
        let got = bench.ask("POST /v1/payments/sandbox/notify", "", &headers, &body);
        assert_eq!(got.brief(), expected, "{body}");
    }
}

#[test]
fn callbacks_may_come_late_doubled_and_in_any_order() {
    let bench = shop();
    // Events in the order in which they come, and what they make of payment and order; a success of
    // all, unless it says another amount. `x` is the user's cancellation.
    for (place, (events, payment_state, order_state)) in [
        ("pending succeeded", "succeeded", "paid"),
        ("succeeded pending", "succeeded", "paid"),
        ("succeeded succeeded succeeded", "succeeded", "paid"),
        ("failed pending succeeded", "succeeded", "paid"),
        ("pending failed failed", "failed", "awaiting_payment"),
        ("closed", "closed", "expired"),
        ("closed closed pending", "closed", "expired"),
        ("closed succeeded succeeded", "refunding", "refunding"),
        ("x", "unknown", "cancelled"),
        ("x closed closed", "closed", "cancelled"),
        ("x succeeded succeeded", "refunding", "refunding"),
        ("x closed succeeded", "refunding", "refunding"),
        ("succeeded x succeeded closed", "refunding", "refunding"),
    ]
    .into_iter()
    .enumerate()
    {
        let order = bench.placed(&format!("k{place}"), &grape());
        for event in events.split(' ') {
            if event == "x" {
                let path = format!("/v1/orders/{}/cancel", text(&order["id"]));
                let body = json!({"user_id": "u1", "reason": "r"}).to_string();
                assert_eq!(bench.post(&path, "app", &format!("x{place}"), &body).status, 200);
                continue;
            }
            let captured = (event == "succeeded").then_some(1_900);
            let got = bench.notify(text(&order["payment"]["id"]), event, captured);
            assert_eq!((got.status, got.body.as_str()), (200, "success"), "{events}: {event}");
        }
        let seen = payment(&bench, &order);
        let shown = bench.shown(&order);
        assert_eq!((&seen["state"], &shown["state"]), (&json!(payment_state), &json!(order_state)));
        let expected = if payment_state == "refunding" { 1_900 } else { 0 };
        assert_eq!(seen["refund_asked_minor"], expected, "{events}: given back once");
    }
}

#[test]
fn another_amount_is_put_on_record_until_somebody_has_seen_to_it() {
    let bench = shop();
    let order = bench.placed("k1", &grape());
    let id = text(&order["payment"]["id"]);
    let settle = |role: &str, key: &str| {
        let path = format!("/v1/orders/{}/settle-dispute", text(&order["id"]));
        bench.post(&path, role, key, r#"{"reason": "given back by hand"}"#)
    };
    assert_eq!(settle("operator", "s0").brief(), "409 unchanged");
    // The provider is told that it was heard: it can do no more.
    let got = bench.notify(id, "succeeded", Some(1_800));
    assert_eq!((got.status, got.body.as_str()), (200, "success"));
    let shown = bench.shown(&order);
    assert_eq!((&shown["state"], &shown["disputed"]), (&json!("awaiting_payment"), &json!(true)));
    assert_eq!(payment(&bench, &order)["disputed"], true);
    assert_eq!(settle("app", "s1").brief(), "403 forbidden");
    let first = settle("operator", "s1");
    assert_eq!((first.status, first.json()["disputed"].as_bool()), (200, Some(false)), "{first:?}");
    let again = settle("operator", "s1");
    assert_eq!((again.status, again.replayed(), &again.body), (200, true, &first.body));
    assert_eq!(settle("operator", "s2").brief(), "409 unchanged");
    // The right amount still pays it.
    bench.pay(&order);
    assert_eq!(bench.shown(&order)["state"], "paid");
}

#[test]
fn a_payment_is_shown_to_its_user() {
    let bench = shop();
    let order = bench.placed("k1", &grape());
    let line = format!("GET /v1/payments/{}", text(&order["payment"]["id"]));
    let as_user = |user: &str| bench.ask(&line, "app", &format!("Levee-User: {user}\r\n"), "");
    assert_eq!(
        as_user("u1").json(),
        json!({
            "id": order["payment"]["id"], "order": order["id"], "provider": "sandbox",
            "state": "created", "amount_minor": 1_900, "captured_minor": 0,
            "refund_asked_minor": 0, "refunded_minor": 0, "disputed": false,
        })
    );
    assert_eq!(as_user("u2").brief(), "403 order_of_another_user");
    assert_eq!(bench.ask(&line, "app", "", "").brief(), "400 invalid_field Levee-User");
    let none = bench.ask("GET /v1/payments/pay_1", "viewer", "", "");
    assert_eq!(none.brief(), "404 payment_not_found");
    // An order that its voucher pays has no payment.
    bench.campaign("spring", 1, "", "");
    let code = bench.claim("spring", "u1");
    let free = bench.placed("k2", &crate::shop::with(grape(), json!({"voucher_code": code})));
    let number = bench.codes.parse_order(text(&free["id"])).unwrap();
    let line = format!("GET /v1/payments/{}", bench.codes.payment(number));
    assert_eq!(bench.ask(&line, "viewer", "", "").brief(), "404 payment_not_found");
    let got = bench.notify(&bench.codes.payment(number), "pending", None);
    assert_eq!(got.brief(), "404 payment_not_found");
}
