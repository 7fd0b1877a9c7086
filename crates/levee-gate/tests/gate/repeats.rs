//! Orders and quotes that are repeated after the outlet's document was replaced, or that meet a gate
//! which has not heard of it yet.

use levee_gate::GateConfig;
use serde_json::{Value, json};

use crate::bench::{Bench, wait_until};
use crate::outlets::{outlet, put};
use crate::shop::{shop, with};

/// The document of `sh-2`, where drinks are picked up and delivered.
fn both_ways() -> Value {
    let mut document = outlet("dev", 31.2310, 121.4740);
    document["pos"] = json!({"sandbox": true});
    document["fulfilment"] = json!(["pickup", "delivery"]);
    document
}

type Change = fn(&mut Value);

/// What becomes of a document; none of it may reach what was ordered before.
const CHANGES: [(&str, Change); 9] = [
    ("an item is gone", |document| {
        document["menu"].as_array_mut().unwrap().remove(0);
    }),
    ("sorted anew", |document| document["menu"].as_array_mut().unwrap().reverse()),
    ("the price", |document| document["menu"][0]["price_minor"] = json!(2_000)),
    ("a category", |document| document["menu"][0]["category"] = json!("tea")),
    ("the work", |document| document["menu"][0]["work"] = json!(2.5)),
    ("the courier's way", |document| document["courier_travel"] = json!("PT20M")),
    ("no couriers", |document| document["fulfilment"] = json!(["pickup"])),
    ("the place", |document| document["lat"] = json!(31.3)),
    ("the brand", |document| document["brand"] = json!("luckin")),
];

fn items(grapes: u16) -> Value {
    json!([{"sku": "grape", "quantity": grapes}, {"sku": "oat", "quantity": 1}])
}

/// A first answer, the same after each change, and another body under its key.
#[track_caller]
fn check(path: &str, body: impl Fn(&Bench) -> Value, others: &[Value]) {
    for (name, change) in CHANGES {
        let bench = shop();
        let near = "GET /v1/outlets?near=31.2304,121.4737";
        wait_until("the outlets are known", || bench.ask(near, "app", "", "").status == 200);
        let body = body(&bench);
        let post = |body: &Value| bench.post(path, "app", "k1", &body.to_string());
        let first = post(&body);
        assert_eq!((first.status, first.replayed()), (201, false), "{first:?}");
        let mut document = both_ways();
        change(&mut document);
        assert_eq!(put(&bench, "sh-2", "operator", &document).status, 200);
        let again = post(&body);
        assert_eq!((again.status, again.replayed()), (201, true), "{name}: {again:?}");
        assert_eq!(again.body, first.body, "{name}");
        for other in others {
            let got = post(&with(body.clone(), other.clone()));
            assert_eq!(got.brief(), "422 idempotency_key_reused", "{name}: {other}");
        }
    }
}

#[test]
fn an_order_is_repeated_whatever_became_of_the_document() {
    let body = |bench: &Bench| {
        bench.campaign("spring", 10, ",\"categories\":[\"milk-tea\"]", "");
        let code = bench.claim("spring", "u1");
        json!({
            "user_id": "u1", "outlet_id": "sh-2", "items": items(1), "voucher_code": code,
            "fulfilment": "delivery", "allow_other_outlet": true, "expected_total_minor": 4_000,
        })
    };
    let others = [
        json!({"items": items(2)}),
        json!({"items": [{"sku": "grape", "quantity": 1}]}),
        json!({"user_id": "u2"}),
        json!({"outlet_id": "sh-1"}),
        json!({"voucher_code": null}),
        json!({"campaign": "spring"}),
        json!({"fulfilment": "pickup"}),
        json!({"allow_other_outlet": false}),
        json!({"expected_total_minor": 4_001}),
        json!({"expected_total_minor": null}),
        json!({"pickup_by": "2026-02-06T19:00:00Z"}),
    ];
    check("/v1/orders", body, &others);
}

#[test]
fn a_quote_is_repeated_whatever_became_of_the_document() {
    let body = |bench: &Bench| {
        bench.campaign("spring", 10, ",\"categories\":[\"milk-tea\"]", "");
        let code = bench.claim("spring", "u1");
        json!({
            "user_id": "u1", "outlet_id": "sh-2", "items": items(1), "voucher_code": code,
            "allow_other_outlet": true, "near": {"lat": 31.2320, "lng": 121.4740},
        })
    };
    let others = [
        // The same work and price, of other things.
        json!({"items": [{"sku": "oat", "quantity": 1}, {"sku": "grape", "quantity": 1}]}),
        json!({"items": items(2)}),
        json!({"user_id": "u2"}),
        json!({"outlet_id": "sh-1"}),
        json!({"voucher_code": null}),
        json!({"near": null}),
        json!({"near": {"lat": 31.2321, "lng": 121.4740}}),
        json!({"allow_other_outlet": false}),
        json!({"pickup_by": "2026-02-06T19:00:00Z"}),
    ];
    check("/v1/orders/quote", body, &others);
}

#[test]
fn a_gate_that_has_not_heard_of_a_document_orders_by_it() {
    let bench = shop();
    let beside = bench.beside(GateConfig::default());
    let order = |key: &str, fields: Value| {
        let body = json!({"user_id": "u1", "outlet_id": "sh-2", "items": items(1)});
        bench.order(key, &with(body, fields))
    };
    let quoted = |key: &str| {
        let body = json!({"outlet_id": "sh-2", "items": items(1)}).to_string();
        bench.post("/v1/orders/quote", "app", key, &body).json()["offers"][0].clone()
    };
    let mut total_minor =
        order("first", json!({})).json()["order"]["total_minor"].as_u64().unwrap();
    let mut document = both_ways();
    for turn in 0..8_u32 {
        total_minor += 100;
        document["menu"][0]["price_minor"] =
            json!(document["menu"][0]["price_minor"].as_u64().unwrap() + 100);
        document["menu"].as_array_mut().unwrap().reverse();
        document["menu"].as_array_mut().unwrap().swap(0, 1);
        // Through the other gate: this one hears of it within a quarter of a second.
        assert_eq!(put(&beside, "sh-2", "operator", &document).status, 200);
        let body = json!({"expected_total_minor": total_minor});
        let got = match turn % 3 {
            0 => order(&format!("k{turn}"), json!({})).json()["order"].clone(),
            1 => order(&format!("k{turn}"), body).json()["order"].clone(),
            _ => quoted(&format!("k{turn}")),
        };
        assert_eq!(got["total_minor"], total_minor, "{turn}: {got}");
    }
    // What only the new document has.
    document["menu"]
        .as_array_mut()
        .unwrap()
        .push(json!({"sku": "plum", "name": "Plum", "category": "tea", "price_minor": 900}));
    assert_eq!(put(&beside, "sh-2", "operator", &document).status, 200);
    let plum = json!({"items": [{"sku": "plum", "quantity": 1}]});
    assert_eq!(order("plum", plum.clone()).status, 201);
    document["menu"].as_array_mut().unwrap().pop();
    assert_eq!(put(&beside, "sh-2", "operator", &document).status, 200);
    assert_eq!(order("plum-2", plum).brief(), "400 invalid_field items[0].sku");
}

#[test]
fn a_menu_that_is_sorted_anew_changes_no_order() {
    let bench = shop();
    let body = json!({"user_id": "u1", "outlet_id": "sh-2", "items": items(3)});
    let order = bench.placed("k1", &body);
    bench.pay(&order);
    let tickets =
        || bench.ask("GET /v1/outlets/sh-2/tickets", "operator", "", "").json()["items"].clone();
    let before = (bench.shown(&order)["items"].clone(), tickets());
    assert_eq!(before.0, json!([{"sku": "grape", "quantity": 3}, {"sku": "oat", "quantity": 1}]));
    assert_eq!(before.1[0]["items"][0], json!({"sku": "grape", "name": "Grape", "quantity": 3}));
    for change in [CHANGES[1].1, CHANGES[0].1] {
        let mut document = both_ways();
        change(&mut document);
        assert_eq!(put(&bench, "sh-2", "operator", &document).status, 200);
        assert_eq!((bench.shown(&order)["items"].clone(), tickets()), before);
    }
}
