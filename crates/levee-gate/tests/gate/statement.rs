//! What an outlet is due, over real sockets.

use levee_api::types::{Command, OrderLine, OutletNo, PlaceOrder, RequestKey};
use serde_json::{Value, json};

use crate::shop::{grape, shop, text, with};

/// The engine's day in UTC, in which outlets without a time zone count.
const DAY: &str = "2026-02-06";

#[test]
fn a_day_adds_up() {
    let bench = shop();
    let rules =
        ",\"compensation\":{\"budget_minor\":100000,\"apology_minor\":0,\"outlet_percent\":50}";
    bench.campaign("spring", 10, "", rules);
    let fund = json!({"amount_minor": 100_000, "reference": "c", "purpose": "compensation"});
    bench.post("/v1/campaigns/spring/fund", "operator", "fc", &fund.to_string());
    let code = bench.claim("spring", "u1");

    // Collected, a part of it paid by a voucher: 3,800 = 2,500 + 1,300.
    let two = json!([{"sku": "grape", "quantity": 2}]);
    let first = bench.placed("k1", &with(grape(), json!({"voucher_code": code, "items": two})));
    bench.pay(&first);
    bench.steps(&first, "sh-1", &["accept", "ready", "collect"]);
    // Collected, and 500 given back.
    let second = bench.placed("k2", &grape());
    bench.pay(&second);
    bench.steps(&second, "sh-1", &["ready", "collect"]);
    let path = format!("/v1/orders/{}/refunds", text(&second["id"]));
    let refund = json!({"amount_minor": 500, "reason": "melted", "reference": "a"}).to_string();
    assert_eq!(bench.post(&path, "outlet", "r", &refund).status, 201);
    // Made in vain: an operator cancels what was begun, and the campaign pays half.
    let third = bench.placed("k3", &with(grape(), json!({"campaign": "spring"})));
    bench.pay(&third);
    bench.steps(&third, "sh-1", &["accept", "start"]);
    let path = format!("/v1/orders/{}/cancel", text(&third["id"]));
    assert_eq!(bench.post(&path, "operator", "c", r#"{"reason": "fraud"}"#).status, 200);
    // Not paid.
    bench.placed("k4", &grape());
    // What is given for orders that ended comes with a tick.
    bench.engine.pass_ms(1);

    let line = format!("GET /v1/outlets/sh-1/statement?day={DAY}");
    let statement = bench.ask(&line, "outlet", "", "").json();
    assert_eq!(
        statement["orders"],
        json!({"placed": 4, "awaiting_payment": 1, "open": 0, "collected": 2, "ended": 1})
    );
    assert_eq!(
        statement["totals"],
        json!({
            "gross_minor": 5_700, "merchant_discount_minor": 0, "subsidy_minor": 2_500,
            "captured_minor": 5_100, "refund_minor": 1_900, "adjustment_minor": -500,
            "compensation_minor": 950, "net_due_minor": 6_150,
        })
    );
    assert_eq!(statement["from"], "2026-02-06T00:00:00.000Z");
    assert_eq!(statement["until"], "2026-02-07T00:00:00.000Z");

    // What is paid for is paid by users and campaigns; the lines add up to the totals.
    let totals = &statement["totals"];
    let minor = |of: &Value, name: &str| of[name].as_i64().unwrap();
    let sum = |names: &[&str]| names.iter().map(|name| minor(totals, name)).sum::<i64>();
    assert_eq!(
        sum(&["gross_minor"]) - sum(&["merchant_discount_minor"]),
        sum(&["subsidy_minor", "captured_minor"]) - sum(&["refund_minor"])
    );
    for (name, total) in totals.as_object().unwrap() {
        let lines = statement["items"].as_array().unwrap();
        let of_lines: i64 = lines.iter().map(|line| minor(line, name)).sum();
        assert_eq!(Some(of_lines), total.as_i64(), "{name}");
    }
}

#[test]
fn a_statement_comes_in_pages_with_all_totals_on_each() {
    let bench = shop();
    let placed: Vec<Value> = ["a", "b", "c"]
        .iter()
        .map(|key| {
            let order = bench.placed(key, &grape());
            bench.pay(&order);
            order["id"].clone()
        })
        .collect();
    let page = |query: &str| {
        let line = format!("GET /v1/outlets/sh-1/statement?day={DAY}{query}");
        let page = bench.ask(&line, "operator", "", "").json();
        assert_eq!(page["totals"]["gross_minor"], 5_700);
        let ids: Vec<Value> =
            page["items"].as_array().unwrap().iter().map(|item| item["order"].clone()).collect();
        (ids, page["next"].as_str().map(str::to_owned))
    };
    let newest = [&placed[2], &placed[1], &placed[0]].map(Clone::clone);
    assert_eq!(page(""), (newest.to_vec(), None));
    let (first, next) = page("&limit=2");
    assert_eq!(first, newest[..2]);
    assert_eq!(page(&format!("&limit=2&after={}", next.unwrap())), (newest[2..].to_vec(), None));
    let other = bench.ask("GET /v1/outlets/sh-1/statement?day=2026-02-05", "operator", "", "");
    assert_eq!(other.json()["orders"]["placed"], 0);
}

#[test]
fn a_day_is_the_outlets_own() {
    let bench = shop();
    let mut document = crate::outlets::outlet("dev", 31.2304, 121.4737);
    document["time_zone"] = json!("Asia/Shanghai");
    document["hours"] = json!(["00:00-24:00"]);
    assert_eq!(crate::outlets::put(&bench, "sh-1", "operator", &document).status, 200);
    bench.placed("a", &grape());
    // A quarter to two at night in Shanghai is the day before in Greenwich.
    let count = |day: &str| {
        let line = format!("GET /v1/outlets/sh-1/statement?day={day}");
        bench.ask(&line, "operator", "", "").json()["orders"]["placed"].clone()
    };
    assert_eq!((count("2026-02-06"), count("2026-02-07")), (json!(0), json!(1)));
}

#[test]
fn what_is_wrong_is_named() {
    let bench = shop();
    for (query, expected) in [
        ("", "400 invalid_field day"),
        ("?day=", "400 invalid_field day"),
        ("?day=2026-02-30", "400 invalid_field day"),
        ("?day=20260206", "400 invalid_field day"),
        ("?day=2026-02-06&limit=0", "400 invalid_field limit"),
        ("?day=2026-02-06&after=x", "400 invalid_field after"),
        ("?day=2026-02-06&x=1", "400 invalid_field x"),
    ] {
        let line = format!("GET /v1/outlets/sh-1/statement{query}");
        assert_eq!(bench.ask(&line, "operator", "", "").brief(), expected, "{query}");
    }
    let line = "GET /v1/outlets/sh-1/statement?day=2026-02-06";
    for role in ["app", "viewer"] {
        assert_eq!(bench.ask(line, role, "", "").brief(), "403 forbidden", "{role}");
    }
    let line = "GET /v1/outlets/x-1/statement?day=2026-02-06";
    assert_eq!(bench.ask(line, "outlet", "", "").brief(), "403 forbidden");
    let line = "GET /v1/outlets/none/statement?day=2026-02-06";
    assert_eq!(bench.ask(line, "operator", "", "").brief(), "404 outlet_not_found");
}

/// Totals of a part of a day would be worse than none.
#[test]
fn a_day_of_too_many_orders_is_refused() {
    let bench = shop();
    let order = |number: u128| {
        let place = PlaceOrder {
            outlet: OutletNo(0),
            outlet_version: 1,
            lines: vec![OrderLine { item: 0, quantity: 1 }],
            total_minor: 1_900,
            work: 1,
            pay_within_ms: 60_000,
            ..PlaceOrder::again(RequestKey(number.to_le_bytes()), 0)
        };
        Command::PlaceOrder(Box::new(place))
    };
    let line = format!("GET /v1/outlets/sh-1/statement?day={DAY}&limit=1");
    bench.engine.give((1..20_000).map(order));
    let got = bench.ask(&line, "outlet", "", "");
    assert_eq!((got.status, &got.json()["orders"]["placed"]), (200, &json!(19_999)), "{got:?}");
    bench.engine.give([order(20_000)]);
    assert_eq!(bench.ask(&line, "outlet", "", "").brief(), "400 invalid_field day");
}
