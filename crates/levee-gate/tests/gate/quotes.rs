//! Quotes over real sockets: what is offered, what it costs, and the orders that take it.

use serde_json::{Value, json};

use crate::bench::{Bench, wait_until};
use crate::outlets::{outlet, put};
use crate::shop::{grape, shop, text, with};
use crate::wire::Got;

fn quote(bench: &Bench, key: &str, fields: Value) -> Got {
    let body = json!({"outlet_id": "sh-1", "items": [{"sku": "grape", "quantity": 1}]});
    bench.post("/v1/orders/quote", "app", key, &with(body, fields).to_string())
}

fn offers(got: &Got) -> Vec<Value> {
    assert_eq!(got.status, 201, "{got:?}");
    got.json()["offers"].as_array().unwrap().clone()
}

/// Waits until the gate knows what is near.
fn known(bench: &Bench) {
    let near = "GET /v1/outlets?near=31.2304,121.4737";
    wait_until("the outlets are known", || bench.ask(near, "app", "", "").status == 200);
}

#[test]
fn an_offer_is_held_and_taken_once() {
    let bench = shop();
    let first = quote(&bench, "q1", json!({}));
    let [offer] = &offers(&first)[..] else { panic!("{first:?}") };
    assert_eq!((&offer["outlet_id"], &offer["distance_m"]), (&json!("sh-1"), &json!(0)));
    assert_eq!(
        (&offer["total_minor"], &offer["discount_minor"], &offer["payable_minor"]),
        (&json!(1_900), &json!(0), &json!(1_900))
    );
    let again = quote(&bench, "q1", json!({}));
    assert_eq!((again.status, again.replayed(), &again.body), (201, true, &first.body));
    assert_eq!(
        quote(&bench, "q1", json!({"outlet_id": "sh-2"})).brief(),
        "422 idempotency_key_reused"
    );
    let taking = with(grape(), json!({"offer": offer["offer"]}));
    // For other items, or elsewhere, it is no offer.
    let more = with(taking.clone(), json!({"items": [{"sku": "grape", "quantity": 2}]}));
    assert_eq!(bench.order("o0", &more).brief(), "409 offer_of_another_order");
    let there = with(taking.clone(), json!({"outlet_id": "sh-2"}));
    assert_eq!(bench.order("o0", &there).brief(), "409 offer_of_another_order");
    let order = bench.placed("o1", &taking);
    assert_eq!(order["ready_at"], offer["ready_at"]);
    assert_eq!(bench.order("o2", &taking).brief(), "409 offer_expired");
    // Nor is one taken that nobody holds any more.
    let late = offers(&quote(&bench, "q2", json!({})))[0]["offer"].clone();
    bench.engine.pass_ms(3 * 60_000);
    assert_eq!(
        bench.order("o3", &with(grape(), json!({"offer": late}))).brief(),
        "409 offer_expired"
    );
}

#[test]
fn offers_of_a_user_are_theirs_and_a_fourth_quote_ends_the_first() {
    let bench = shop();
    let asked =
        |key, user: &str| offers(&quote(&bench, key, json!({"user_id": user})))[0]["offer"].clone();
    let first = asked("q1", "u1");
    let of_another = asked("q2", "u2");
    let held = ["q3", "q4"].map(|key| asked(key, "u1"));
    let order = |key, offer: &Value| bench.order(key, &with(grape(), json!({"offer": offer})));
    let take = |key, offer: &Value| order(key, offer).brief();
    assert_eq!(take("o1", &of_another), "409 offer_of_another_order");
    asked("q5", "u1");
    assert_eq!(take("o2", &first), "409 offer_expired");
    assert_eq!(order("o3", &held[0]).status, 201);
    assert_eq!(asked("q1", "u1"), first, "a repeat is answered as before");
    assert_eq!(take("o4", &first), "409 offer_expired");
}

#[test]
fn a_full_kitchen_offers_a_later_slot_or_another_outlet() {
    let bench = shop();
    known(&bench);
    let busy = json!({"units": 60}).to_string();
    let got = bench.post("/v1/outlets/sh-1/walk-ins", "outlet", "w", &busy);
    assert_eq!(got.status, 200, "{got:?}");
    assert_eq!(bench.order("o1", &grape()).brief(), "409 outlet_busy");
    let here = offers(&quote(&bench, "q1", json!({})));
    assert_eq!(here.len(), 1, "the first free slot");
    let place = json!({"lat": 31.2310, "lng": 121.4740});
    let both = offers(&quote(&bench, "q2", json!({"allow_other_outlet": true, "near": place})));
    let found: Vec<(&str, u64)> = both
        .iter()
        .map(|offer| (text(&offer["outlet_id"]), offer["distance_m"].as_u64().unwrap()))
        .collect();
    let [("sh-2", 0), ("sh-1", from)] = found[..] else { panic!("{both:?}") };
    assert!((60..90).contains(&from), "seventy metres from where the user is: {from}");
    let taking = with(grape(), json!({"outlet_id": "sh-2", "offer": both[0]["offer"]}));
    bench.placed("o2", &taking);
    // Not one that is dearer, nor of another brand, nor out of reach.
    let mut dearer = outlet("dev", 31.2310, 121.4740);
    dearer["menu"][0]["price_minor"] = json!(2_000);
    put(&bench, "sh-2", "operator", &dearer);
    put(&bench, "far", "operator", &outlet("dev", 31.26, 121.4740));
    let alone = offers(&quote(&bench, "q3", json!({"allow_other_outlet": true})));
    assert_eq!(alone.len(), 1, "{alone:?}");
}

#[test]
fn a_voucher_takes_its_part_off() {
    let bench = shop();
    bench.campaign("spring", 10, ",\"min_spend_minor\":2000", "");
    let code = bench.claim("spring", "u1");
    let items = json!([{"sku": "grape", "quantity": 2}]);
    let with_voucher = |fields: Value| with(json!({"voucher_code": code, "items": items}), fields);
    let offer = offers(&quote(&bench, "q1", with_voucher(json!({"user_id": "u1"})))).remove(0);
    assert_eq!(
        (&offer["total_minor"], &offer["discount_minor"], &offer["payable_minor"]),
        (&json!(3_800), &json!(2_500), &json!(1_300))
    );
    for (fields, expected) in [
        (with_voucher(json!({})), "400 invalid_field user_id"),
        (with_voucher(json!({"user_id": "u2"})), "403 voucher_of_another_user"),
        (json!({"voucher_code": code, "user_id": "u1"}), "409 min_spend_not_met"),
        (json!({"voucher_code": "x", "user_id": "u1"}), "404 voucher_not_found"),
    ] {
        assert_eq!(quote(&bench, "q2", fields.clone()).brief(), expected, "{fields}");
    }
}

#[test]
fn what_is_wrong_with_a_quote_is_named() {
    let bench = shop();
    for (fields, expected) in [
        (json!({"outlet_id": "none"}), "404 outlet_not_found"),
        (json!({"items": [{"sku": "tea", "quantity": 1}]}), "400 invalid_field items[0].sku"),
        (json!({"near": {"lat": 91, "lng": 0}}), "400 invalid_field near.lat"),
        (json!({"near": {"lat": 0}}), "400 invalid_field near.lng"),
        (json!({"near": {"lat": 0, "lng": 0, "alt": 0}}), "400 invalid_field near.alt"),
        (json!({"pickup_by": "2026-02-01T00:00:00Z"}), "400 invalid_field pickup_by"),
        (json!({"allow_other_outlet": "yes"}), "400 invalid_field allow_other_outlet"),
        (json!({"x": 1}), "400 invalid_field x"),
    ] {
        assert_eq!(quote(&bench, "q", fields.clone()).brief(), expected, "{fields}");
    }
    assert_eq!(quote(&bench, "", json!({})).brief(), "400 idempotency_key_missing");
    let body = json!({"outlet_id": "sh-1", "items": []}).to_string();
    let got = bench.post("/v1/orders/quote", "outlet", "q", &body);
    assert_eq!(got.brief(), "403 forbidden");
    bench.post("/v1/outlets/sh-1/pause", "outlet", "p", r#"{"reason": "r"}"#);
    assert_eq!(quote(&bench, "q", json!({})).brief(), "409 no_offers");
}
