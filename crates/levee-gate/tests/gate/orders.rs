//! Orders over real sockets: placed, shown, paid, made, ended.

use serde_json::{Value, json};

use crate::bench::wait_until;
use crate::outlets::{outlet, put};
use crate::shop::{grape, shop, text, with};

#[test]
fn an_order_lives_from_its_placing_to_its_collection() {
    let bench = shop();
    let first = bench.order("k1", &grape());
    assert_eq!((first.status, first.replayed()), (201, false), "{first:?}");
    let order = first.json()["order"].clone();
    assert_eq!(order["state"], "awaiting_payment");
    assert_eq!(order["items"], json!([{"sku": "grape", "quantity": 1}]));
    assert_eq!(
        (&order["total_minor"], &order["discount_minor"], &order["payable_minor"]),
        (&json!(1_900), &json!(0), &json!(1_900))
    );
    assert_eq!(order["payment"]["provider"], "sandbox");
    assert_eq!(order["payment"]["state"], "created");
    assert_eq!(order["payment"].get("pay_url"), None, "nobody has made it yet");
    assert_eq!(order["fulfilment"], "pickup");
    assert!(order["ticket"].is_null());
    let again = bench.order("k1", &grape());
    assert_eq!((again.status, again.replayed(), &again.body), (201, true, &first.body));

    // As it is, it is the same, but for what the answer cannot say.
    assert_eq!(bench.shown(&order), order);
    let payment = text(&order["payment"]["id"]).to_owned();
    let pending = bench.notify(&payment, "pending", None);
    assert_eq!((pending.status, pending.body.as_str()), (200, "success"));
    let url = format!("http://sandbox.example/pay/payments/{payment}/pay");
    let shown = bench.shown(&order);
    assert_eq!(shown["payment"]["state"], "pending");
    assert_eq!(shown["payment"]["pay_url"], json!(url));
    bench.pay(&order);
    let shown = bench.shown(&order);
    assert_eq!((&shown["state"], &shown["captured_minor"]), (&json!("paid"), &json!(1_900)));
    assert_eq!(shown["ticket"], json!({"id": bench.ticket(&order), "version": 1}));
    assert_eq!(shown["payment"].get("pay_url"), None, "it is paid");

    bench.steps(&order, "sh-1", &["accept", "start", "ready", "collect"]);
    let shown = bench.shown(&order);
    assert_eq!(shown["state"], "collected");
    for stage in ["accepted_at", "started_at", "made_at", "collected_at"] {
        assert!(shown[stage].is_string(), "{stage}: {shown}");
    }
    // The answer to the order itself stays what it was.
    let again = bench.order("k1", &grape());
    assert_eq!((again.status, again.replayed(), &again.body), (201, true, &first.body));
}

#[test]
fn a_voucher_pays_a_part_or_all_of_it() {
    let bench = shop();
    bench.campaign("spring", 10, ",\"categories\":[\"milk-tea\"]", "");
    let code = bench.claim("spring", "u1");
    let body = with(grape(), json!({"voucher_code": code}));
    // 1,900 of 2,500: nothing is left to pay, so there is no payment and the ticket is there.
    let order = bench.placed("k1", &body);
    assert_eq!((&order["discount_minor"], &order["payable_minor"]), (&json!(1_900), &json!(0)));
    assert_eq!((&order["state"], &order["payment"]), (&json!("paid"), &Value::Null));
    assert_eq!(order["ticket"]["version"], 1);
    assert_eq!(order["voucher_code"], json!(code));
    assert_eq!(bench.shown(&order), order);
    assert_eq!(bench.order("k2", &body).brief(), "409 voucher_not_live");

    let code = bench.claim("spring", "u2");
    let items = json!([{"sku": "grape", "quantity": 1}, {"sku": "oat", "quantity": 2}]);
    let body = with(grape(), json!({"user_id": "u2", "voucher_code": code, "items": items}));
    let order = bench.placed("k3", &body);
    assert_eq!((&order["discount_minor"], &order["payable_minor"]), (&json!(2_500), &json!(3_600)));
    assert_eq!(bench.order("k4", &body).brief(), "409 voucher_locked");
    // Not for coffee alone, nor for another user.
    let code = bench.claim("spring", "u3");
    let coffee = json!([{"sku": "oat", "quantity": 1}]);
    let body = with(grape(), json!({"user_id": "u3", "voucher_code": code, "items": coffee}));
    assert_eq!(bench.order("k5", &body).brief(), "409 voucher_not_applicable");
    let body = with(grape(), json!({"voucher_code": code}));
    assert_eq!(bench.order("k6", &body).brief(), "403 voucher_of_another_user");
    let body = with(grape(), json!({"voucher_code": "ABCD-EFGH-JKMN-PQ"}));
    assert_eq!(bench.order("k7", &body).brief(), "404 voucher_not_found");
    bench.campaign("dear", 10, ",\"min_spend_minor\":1901", "");
    let body = with(grape(), json!({"voucher_code": bench.claim("dear", "u1")}));
    assert_eq!(bench.order("k8", &body).brief(), "409 min_spend_not_met");
}

#[test]
fn what_is_wrong_with_an_order_is_named() {
    let bench = shop();
    let item = |sku: &str, quantity: i64| json!({"sku": sku, "quantity": quantity});
    for (fields, expected) in [
        (json!({"user_id": ""}), "400 invalid_field user_id"),
        (json!({"user_id": null}), "400 invalid_field user_id"),
        (json!({"outlet_id": "nowhere"}), "404 outlet_not_found"),
        (json!({"outlet_id": "NOWHERE"}), "404 outlet_not_found"),
        (json!({"items": []}), "400 invalid_field items"),
        (json!({"items": [item("grape", 0)]}), "400 invalid_field items[0].quantity"),
        (json!({"items": [item("grape", -1)]}), "400 invalid_field items[0].quantity"),
        (json!({"items": [item("grape", 1), item("tea", 1)]}), "400 invalid_field items[1].sku"),
        (json!({"items": [item("grape", 1), item("grape", 1)]}), "400 invalid_field items[1].sku"),
        (
            json!({"items": [{"sku": "grape", "quantity": 1, "size": "L"}]}),
            "400 invalid_field items[0].size",
        ),
        (json!({"campaign": "none"}), "404 campaign_not_found"),
        (json!({"offer": "off_1"}), "400 invalid_field offer"),
        (json!({"fulfilment": "delivery"}), "400 invalid_field fulfilment"),
        (json!({"fulfilment": "drone"}), "400 invalid_field fulfilment"),
        (json!({"pickup_by": "soon"}), "400 invalid_field pickup_by"),
        (json!({"pickup_by": "2026-02-01T00:00:00Z"}), "400 invalid_field pickup_by"),
        (json!({"pickup_by": "2026-06-01T00:00:00Z"}), "400 invalid_field pickup_by"),
        (json!({"expected_total_minor": 1_899}), "409 price_changed"),
        (json!({"expected_total_minor": -1}), "400 invalid_field expected_total_minor"),
        (json!({"colour": "red"}), "400 invalid_field colour"),
        // Two minutes are no time for a drink of a minute and a half, come when it may.
        (json!({"pickup_by": "2026-02-06T17:46:41Z"}), "409 outlet_busy"),
    ] {
        let got = bench.order("k", &with(grape(), fields.clone()));
        assert_eq!(got.brief(), expected, "{fields}");
    }
    assert_eq!(bench.order("", &grape()).brief(), "400 idempotency_key_missing");
    for role in ["operator", "viewer", "outlet"] {
        let got = bench.post("/v1/orders", role, "k", &grape().to_string());
        assert_eq!(got.brief(), "403 forbidden", "{role}");
    }
    // Refusals are not remembered; an order is.
    assert_eq!(bench.order("k", &grape()).status, 201);
    let other = with(grape(), json!({"user_id": "u2"}));
    assert_eq!(bench.order("k", &other).brief(), "422 idempotency_key_reused");
    let reason = r#"{"reason": "no milk"}"#;
    assert_eq!(bench.post("/v1/outlets/sh-1/pause", "outlet", "p", reason).status, 200);
    assert_eq!(bench.order("k2", &grape()).brief(), "409 outlet_paused");
}

#[test]
fn an_order_that_is_repeated_after_prices_have_changed_is_the_first_one() {
    let bench = shop();
    let body = with(grape(), json!({"expected_total_minor": 1_900}));
    let first = bench.order("k1", &body);
    assert_eq!(first.status, 201, "{first:?}");
    let mut document = outlet("dev", 31.2304, 121.4737);
    document["menu"][0]["price_minor"] = json!(2_000);
    assert_eq!(put(&bench, "sh-1", "operator", &document).status, 200);
    let again = bench.order("k1", &body);
    assert_eq!((again.status, again.replayed(), &again.body), (201, true, &first.body));
    assert_eq!(bench.order("k2", &body).brief(), "409 price_changed");
    // What was placed keeps its price.
    assert_eq!(bench.shown(&first.json()["order"])["total_minor"], 1_900);
}

#[test]
fn orders_are_shown_to_their_user_and_to_those_who_see_all() {
    let bench = shop();
    bench.campaign("spring", 10, "", "");
    let code = bench.claim("spring", "u1");
    let order = bench.placed("k1", &with(grape(), json!({"voucher_code": code})));
    let line = format!("GET /v1/orders/{}", text(&order["id"]));
    let as_user = |user: &str| bench.ask(&line, "app", &format!("Levee-User: {user}\r\n"), "");
    assert_eq!(as_user("u1").status, 200);
    assert_eq!(as_user("u2").brief(), "403 order_of_another_user");
    assert_eq!(bench.ask(&line, "app", "", "").brief(), "400 invalid_field Levee-User");
    assert_eq!(bench.ask(&line, "outlet", "", "").brief(), "403 forbidden");
    // Whoever has a voucher's code can use it.
    let seen = |role: &str| bench.ask(&line, role, "", "").json()["voucher_code"].clone();
    assert_eq!((seen("operator"), seen("viewer")), (json!(code), Value::Null));
    let unknown = bench.codes.order(levee_api::types::OrderNo(9));
    for id in [unknown.as_str(), "ord_1", "pay_1"] {
        let got = bench.ask(&format!("GET /v1/orders/{id}"), "viewer", "", "");
        assert_eq!(got.brief(), "404 order_not_found", "{id}");
    }
}

#[test]
fn a_users_orders_come_newest_first_and_in_pages() {
    let bench = shop();
    let mut placed: Vec<Value> = Vec::new();
    for key in ["a", "b", "c"] {
        placed.push(bench.placed(key, &grape())["id"].clone());
    }
    bench.placed("d", &with(grape(), json!({"user_id": "u2"})));
    let page = |query: &str| {
        let line = format!("GET /v1/orders{query}");
        let page = bench.ask(&line, "app", "Levee-User: u1\r\n", "").json();
        let ids: Vec<Value> =
            page["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
        (ids, page["next"].as_str().map(str::to_owned))
    };
    placed.reverse();
    assert_eq!(page(""), (placed.clone(), None));
    let (first, next) = page("?limit=2");
    assert_eq!(first, placed[..2]);
    assert_eq!(page(&format!("?limit=2&after={}", next.unwrap())), (placed[2..].to_vec(), None));
    let got = bench.ask("GET /v1/orders?after=x", "app", "Levee-User: u1\r\n", "");
    assert_eq!(got.brief(), "400 invalid_field after");
    assert_eq!(bench.ask("GET /v1/orders", "app", "", "").brief(), "400 invalid_field Levee-User");
}

#[test]
fn a_delivery_has_a_courier() {
    let bench = shop();
    let body = with(grape(), json!({"outlet_id": "sh-2", "fulfilment": "delivery"}));
    let order = bench.placed("k1", &body);
    assert_eq!((&order["fulfilment"], order.get("courier_at")), (&json!("delivery"), None));
    let shown = bench.shown(&order);
    assert_eq!(shown["fulfilment"], "delivery");
    // It sets out so that it comes when the drink is ready, or at once.
    assert!(shown["courier_at"].is_string(), "{shown}");
    // Picked up where that is possible, if nothing is said.
    let order = bench.placed("k2", &with(grape(), json!({"outlet_id": "sh-2"})));
    assert_eq!(bench.shown(&order)["fulfilment"], "pickup");
}

#[test]
fn an_order_that_nobody_pays_expires_and_gives_its_voucher_back() {
    let bench = shop();
    bench.campaign("spring", 10, "", "");
    let code = bench.claim("spring", "u1");
    let items = json!([{"sku": "oat", "quantity": 2}]);
    let order = bench.placed("k1", &with(grape(), json!({"voucher_code": code, "items": items})));
    bench.engine.pass_ms(15 * 60_000);
    let shown = bench.shown(&order);
    assert_eq!((&shown["state"], &shown["end"]), (&json!("expired"), &json!("not_paid")));
    assert_eq!(shown["payment"]["state"], "unknown", "it is being closed");
    let voucher = bench.ask(&format!("GET /v1/vouchers/{code}"), "app", "", "").json();
    assert_eq!(voucher["state"], "live");
    // What comes too late is given back.
    bench.pay(&order);
    let shown = bench.shown(&order);
    assert_eq!((&shown["state"], &shown["captured_minor"]), (&json!("refunding"), &json!(1_700)));
}

#[test]
fn users_outlets_and_operators_cancel() {
    let bench = shop();
    let cancel = |order: &Value, role: &str, key: &str, body: Value| {
        let path = format!("/v1/orders/{}/cancel", text(&order["id"]));
        bench.post(&path, role, key, &body.to_string())
    };
    let of_user = |user: &str| json!({"user_id": user, "reason": "changed my mind"});
    let order = bench.placed("k1", &grape());
    for (role, body, expected) in [
        ("app", json!({"reason": "r"}), "400 invalid_field user_id"),
        ("operator", of_user("u1"), "400 invalid_field user_id"),
        ("outlet", of_user("u1"), "400 invalid_field user_id"),
        ("app", json!({"user_id": "u1"}), "400 invalid_field reason"),
        ("app", of_user("u2"), "403 order_of_another_user"),
        ("viewer", json!({"reason": "r"}), "403 forbidden"),
    ] {
        assert_eq!(cancel(&order, role, "c1", body.clone()).brief(), expected, "{role} {body}");
    }
    let first = cancel(&order, "app", "c1", of_user("u1"));
    assert_eq!(first.status, 200, "{first:?}");
    assert_eq!(first.json()["order"]["state"], "cancelled");
    let again = cancel(&order, "app", "c1", of_user("u1"));
    assert_eq!((again.status, again.replayed(), &again.body), (200, true, &first.body));
    let late = cancel(&order, "app", "c2", of_user("u1"));
    assert_eq!(late.brief(), "409 order_state_conflict");
    assert_eq!(late.json()["detail"], "The order is cancelled.");
    assert_eq!(bench.shown(&order)["end"], "by_user");

    // While it is being made, users cannot; the outlet can, and all is given back.
    let order = bench.placed("k2", &grape());
    bench.pay(&order);
    bench.steps(&order, "sh-1", &["accept", "start"]);
    assert_eq!(cancel(&order, "app", "c3", of_user("u1")).brief(), "409 order_state_conflict");
    let ended = cancel(&order, "outlet", "c4", json!({"reason": "out of grapes"})).json();
    assert_eq!(ended["order"]["state"], "refunding");
    assert_eq!(ended["order"]["payment_state"], "refunding");
    assert_eq!(bench.step(&order, "sh-1", "ready", 3).brief(), "409 ticket_version_conflict");

    let order = bench.placed("k3", &grape());
    assert_eq!(cancel(&order, "operator", "c5", json!({"reason": "r"})).status, 200);
    assert_eq!(bench.shown(&order)["end"], "by_operator");
    // The key is for the outlets of its brand.
    let order = bench.placed("k4", &with(grape(), json!({"outlet_id": "x-1"})));
    assert_eq!(cancel(&order, "outlet", "c6", json!({"reason": "r"})).brief(), "403 forbidden");
    let none = json!({"id": "ord_1"});
    assert_eq!(
        cancel(&none, "operator", "c7", json!({"reason": "r"})).brief(),
        "404 order_not_found"
    );
}

#[test]
fn money_is_given_back_up_to_what_was_paid() {
    let bench = shop();
    let order = bench.placed("k1", &grape());
    let refund = |role: &str, key: &str, amount_minor: u64, reference: &str| {
        let path = format!("/v1/orders/{}/refunds", text(&order["id"]));
        let body =
            json!({"amount_minor": amount_minor, "reason": "melted", "reference": reference});
        bench.post(&path, role, key, &body.to_string())
    };
    assert_eq!(refund("outlet", "r0", 1, "a").brief(), "409 refund_too_large");
    bench.pay(&order);
    assert_eq!(refund("app", "r0", 1, "a").brief(), "403 forbidden");
    assert_eq!(refund("outlet", "r0", 0, "a").brief(), "400 invalid_field amount_minor");
    assert_eq!(refund("outlet", "r0", 1, "").brief(), "400 invalid_field reference");
    let first = refund("outlet", "r1", 500, "a");
    assert_eq!(first.status, 201, "{first:?}");
    assert_eq!(first.json()["order"]["state"], "paid", "the order goes on");
    // By its key, and with another key by its reference.
    for key in ["r1", "r2"] {
        let again = refund("outlet", key, 500, "a");
        assert_eq!((again.status, again.replayed(), &again.body), (201, true, &first.body));
    }
    assert_eq!(refund("outlet", "r3", 400, "a").brief(), "409 reference_reused");
    assert_eq!(refund("operator", "r4", 1_401, "b").brief(), "409 refund_too_large");
    assert_eq!(refund("operator", "r4", 1_400, "b").status, 201);
}

#[test]
fn another_outlet_makes_what_the_first_one_rejects() {
    let bench = shop();
    // The gate must know what is near.
    let near = "GET /v1/outlets?near=31.2304,121.4737";
    wait_until("the outlets are known", || bench.ask(near, "app", "", "").status == 200);
    let order = bench.placed("k1", &with(grape(), json!({"allow_other_outlet": true})));
    bench.pay(&order);
    let rejected = bench.step(&order, "sh-1", "reject", 1);
    assert_eq!(rejected.json()["ticket"]["state"], "rejected", "{rejected:?}");
    let shown = bench.shown(&order);
    assert_eq!((&shown["outlet_id"], &shown["moved_from"]), (&json!("sh-2"), &json!("sh-1")));
    assert_eq!(shown["state"], "paid");
    // For the first one it is over, whatever it says.
    for step in ["reject", "accept"] {
        let late = bench.step(&order, "sh-1", step, 1);
        assert_eq!(late.brief(), "409 ticket_version_conflict", "{step}");
    }
    let version = shown["ticket"]["version"].as_u64().unwrap();
    assert_eq!(bench.step(&order, "sh-2", "accept", version).status, 200);
    // Without leave, a rejection is the end.
    let order = bench.placed("k2", &grape());
    bench.pay(&order);
    bench.step(&order, "sh-1", "reject", 1);
    let shown = bench.shown(&order);
    assert_eq!((&shown["state"], &shown["end"]), (&json!("refunding"), &json!("rejected")));
}

#[test]
fn who_waited_in_vain_is_compensated() {
    let bench = shop();
    let rules =
        ",\"compensation\":{\"budget_minor\":100000,\"apology_minor\":800,\"outlet_percent\":50}";
    bench.campaign("spring", 10, "", rules);
    let fund = json!({"amount_minor": 100_000, "reference": "c", "purpose": "compensation"});
    let got = bench.post("/v1/campaigns/spring/fund", "operator", "fc", &fund.to_string());
    assert_eq!(got.status, 200, "{got:?}");
    let order = bench.placed("k1", &with(grape(), json!({"campaign": "spring"})));
    bench.pay(&order);
    // Not accepted in time.
    bench.engine.pass_ms(3 * 60_000);
    let shown = bench.shown(&order);
    assert_eq!((&shown["state"], &shown["end"]), (&json!("refunding"), &json!("not_accepted")));
    assert_eq!(shown["compensation"]["face_minor"], 800);
    let code = text(&shown["compensation"]["voucher_code"]).to_owned();
    let voucher = bench.ask(&format!("GET /v1/vouchers/{code}"), "app", "", "").json();
    assert_eq!((&voucher["state"], &voucher["face_minor"]), (&json!("live"), &json!(800)));
    let line = format!("GET /v1/orders/{}", text(&order["id"]));
    let seen = bench.ask(&line, "viewer", "", "").json()["compensation"].clone();
    assert_eq!(seen, json!({"face_minor": 800}), "viewers see no codes");
}

#[test]
fn a_user_who_asks_at_once_gets_one_order() {
    let bench = shop();
    let answers: Vec<_> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..8).map(|_| scope.spawn(|| bench.order("k", &grape()))).collect();
        asked.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|got| got.status == 201 && got.body == answers[0].body));
    assert_eq!(answers.iter().filter(|got| !got.replayed()).count(), 1);
    let list = bench.ask("GET /v1/orders", "app", "Levee-User: u1\r\n", "").json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
}
