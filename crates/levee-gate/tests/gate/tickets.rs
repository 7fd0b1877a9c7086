//! Tickets over real sockets: by key and by signature, twice, late, and whose they are.

use levee_api::types::OrderNo;
use levee_api::webhook::{DEV_OUTLETS_SECRET, DEV_PAYMENTS_SECRET};
use levee_gate::keys::create;
use levee_gate::{GateConfig, KeyRing, Role};
use serde_json::{Value, json};

use crate::bench::Bench;
use crate::outlets::{outlet, put};
use crate::shop::{POS_SECRET, grape, now_s, shop, signed, text, with};
use crate::wire::Got;

fn paid(bench: &Bench, key: &str, body: &Value) -> Value {
    let order = bench.placed(key, body);
    bench.pay(&order);
    order
}

fn by_key(bench: &Bench, order: &Value, step: &str, body: &Value) -> Got {
    let line = format!("POST /v1/tickets/{}/{step}", bench.ticket(order));
    bench.ask(&line, "outlet", "", &body.to_string())
}

#[test]
fn a_step_is_taken_once_and_answered_again() {
    let bench = shop();
    let order = paid(&bench, "k1", &grape());
    let body = |version: u32| json!({"outlet_id": "sh-1", "version": version});
    let first = by_key(&bench, &order, "accept", &body(1));
    let ticket = json!({"id": bench.ticket(&order), "state": "accepted", "version": 2});
    assert_eq!((first.status, &first.json()["ticket"]), (200, &ticket), "{first:?}");
    let again = by_key(&bench, &order, "accept", &body(1));
    assert_eq!((again.status, again.replayed(), &again.body), (200, true, &first.body));
    // By signature it is the same step.
    let again = bench.step(&order, "sh-1", "accept", 1);
    assert_eq!((again.status, again.replayed(), &again.body), (200, true, &first.body));
    // Another one on a version that is over, or that is still to come.
    assert_eq!(by_key(&bench, &order, "reject", &body(1)).brief(), "409 ticket_version_conflict");
    assert_eq!(by_key(&bench, &order, "start", &body(3)).brief(), "409 ticket_version_conflict");
    // Back, or out of turn.
    assert_eq!(by_key(&bench, &order, "accept", &body(2)).brief(), "409 order_state_conflict");
    // A later step says that the earlier ones have been.
    let ready = by_key(&bench, &order, "ready", &with(body(2), json!({"reason": "early"})));
    assert_eq!(ready.json()["ticket"]["state"], "ready", "{ready:?}");
    let collected = by_key(&bench, &order, "collect", &body(3));
    assert_eq!(collected.json()["ticket"]["state"], "collected");
    assert_eq!(by_key(&bench, &order, "collect", &body(4)).brief(), "409 order_state_conflict");
}

#[test]
fn what_is_wrong_with_a_step_is_named() {
    let bench = shop();
    let order = bench.placed("k1", &grape());
    let good = json!({"outlet_id": "sh-1", "version": 0});
    assert_eq!(by_key(&bench, &order, "accept", &good).brief(), "409 order_state_conflict");
    bench.pay(&order);
    let good = json!({"outlet_id": "sh-1", "version": 1});
    for (fields, expected) in [
        (json!({"outlet_id": 1}), "400 invalid_field outlet_id"),
        (json!({"outlet_id": "nowhere"}), "404 outlet_not_found"),
        (json!({"outlet_id": "x-1"}), "403 forbidden"),
        (json!({"outlet_id": "sh-2"}), "403 order_of_another_outlet"),
        (json!({"version": "1"}), "400 invalid_field version"),
        (json!({"version": -1}), "400 invalid_field version"),
        (json!({"reason": ""}), "400 invalid_field reason"),
        (json!({"x": 1}), "400 invalid_field x"),
    ] {
        let got = by_key(&bench, &order, "accept", &with(good.clone(), fields.clone()));
        assert_eq!(got.brief(), expected, "{fields}");
    }
    for ticket in [bench.codes.ticket(OrderNo(9)).as_str(), "tkt_1", text(&order["id"])] {
        let got = bench.ask(
            &format!("POST /v1/tickets/{ticket}/accept"),
            "outlet",
            "",
            &good.to_string(),
        );
        assert_eq!(got.brief(), "404 ticket_not_found", "{ticket}");
    }
    let line = format!("POST /v1/tickets/{}/accept", bench.ticket(&order));
    for role in ["app", "operator", "viewer"] {
        assert_eq!(bench.ask(&line, role, "", &good.to_string()).brief(), "403 forbidden");
    }
    assert_eq!(bench.ask(&line, "", "", &good.to_string()).brief(), "401 unauthorized");
}

#[test]
fn a_signature_is_that_of_its_outlet() {
    let bench = shop();
    let order = paid(&bench, "k1", &grape());
    let line = format!("POST /v1/tickets/{}/accept", bench.ticket(&order));
    let body = json!({"outlet_id": "sh-1", "version": 1}).to_string();
    let ask = |secret: &str, outlet: &str| {
        let named =
            if outlet.is_empty() { String::new() } else { format!("Levee-Outlet: {outlet}\r\n") };
        bench.ask(&line, "", &(signed(secret, now_s(), &body) + &named), &body).brief()
    };
    for (secret, outlet, expected) in [
        (POS_SECRET, "", "401 signature_invalid"),
        (POS_SECRET, "SH", "401 signature_invalid"),
        (POS_SECRET, "nowhere", "401 signature_invalid"),
        (DEV_OUTLETS_SECRET, "sh-1", "401 signature_invalid"),
        (DEV_PAYMENTS_SECRET, "sh-2", "401 signature_invalid"),
        (POS_SECRET, "x-1", "401 signature_invalid"),
        (DEV_OUTLETS_SECRET, "sh-2", "400 invalid_field outlet_id"),
    ] {
        assert_eq!(ask(secret, outlet), expected, "{outlet}");
    }
    let old = signed(POS_SECRET, now_s() - 301, &body) + "Levee-Outlet: sh-1\r\n";
    assert_eq!(bench.ask(&line, "", &old, &body).brief(), "401 signature_invalid");
    // A key beside it is looked at alone.
    let signed = signed(POS_SECRET, now_s(), &body) + "Levee-Outlet: sh-1\r\n";
    assert_eq!(bench.ask(&line, "app", &signed, &body).brief(), "403 forbidden");
    assert_eq!(bench.ask(&line, "", &signed, &body).status, 200);
    // The sandbox signs for those whose tickets it has.
    let order = paid(&bench, "k2", &with(grape(), json!({"outlet_id": "sh-2"})));
    bench.steps(&order, "sh-2", &["accept", "start", "ready", "collect"]);
}

#[test]
fn a_cancellation_and_a_step_that_cross_are_told_apart() {
    let bench = shop();
    let order = paid(&bench, "k1", &grape());
    bench.steps(&order, "sh-1", &["accept"]);
    let path = format!("/v1/orders/{}/cancel", text(&order["id"]));
    let body = json!({"user_id": "u1", "reason": "r"}).to_string();
    assert_eq!(bench.post(&path, "app", "c", &body).status, 200);
    assert_eq!(bench.step(&order, "sh-1", "start", 2).brief(), "409 ticket_version_conflict");
    // Not accepted in time is over, too.
    let order = paid(&bench, "k2", &grape());
    bench.engine.pass_ms(3 * 60_000);
    assert_eq!(bench.step(&order, "sh-1", "accept", 1).brief(), "409 ticket_version_conflict");
}

#[test]
fn an_outlet_sees_what_it_has_to_make() {
    let bench = shop();
    let list =
        |query: &str| bench.ask(&format!("GET /v1/outlets/sh-1/tickets{query}"), "outlet", "", "");
    assert_eq!(list("").json(), json!({"items": [], "next": null}));
    let items = json!([{"sku": "oat", "quantity": 2}, {"sku": "grape", "quantity": 1}]);
    let first = paid(&bench, "k1", &with(grape(), json!({"items": items})));
    let second = paid(&bench, "k2", &grape());
    bench.placed("k3", &grape());
    let page = list("").json();
    let [one, two] = &page["items"].as_array().unwrap()[..] else { panic!("{page}") };
    assert_eq!((&one["order"], &two["order"]), (&first["id"], &second["id"]), "oldest first");
    assert_eq!(
        one["items"],
        json!([
            {"sku": "oat", "name": "Oat", "quantity": 2},
            {"sku": "grape", "name": "Grape", "quantity": 1},
        ])
    );
    assert_eq!((&one["units"], &one["state"]), (&json!(3.5), &json!("paid")));
    assert!(one["accept_by"].is_string(), "{one}");
    bench.steps(&first, "sh-1", &["accept"]);
    let accepted = list("").json()["items"][0].clone();
    assert_eq!((&accepted["version"], accepted.get("accept_by")), (&json!(2), None));
    let half = list("?limit=1").json();
    let after = format!("?after={}", text(&half["next"]));
    assert_eq!(list(&after).json()["items"], json!([two]));
    assert_eq!(list("?after=x").brief(), "400 invalid_field after");
    bench.step(&second, "sh-1", "reject", 1);
    assert_eq!(list("").json()["items"].as_array().unwrap().len(), 1);
    for role in ["operator", "viewer"] {
        assert_eq!(bench.ask("GET /v1/outlets/sh-1/tickets", role, "", "").status, 200);
    }
    assert_eq!(bench.ask("GET /v1/outlets/sh-1/tickets", "app", "", "").brief(), "403 forbidden");
    assert_eq!(bench.ask("GET /v1/outlets/x-1/tickets", "outlet", "", "").brief(), "403 forbidden");
    let none = bench.ask("GET /v1/outlets/none/tickets", "viewer", "", "");
    assert_eq!(none.brief(), "404 outlet_not_found");
}

#[test]
fn a_brands_key_moves_its_own_tickets_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let secret = |role, brand: Option<&str>| create(&path, role, brand).unwrap().1;
    let (operator, app) = (secret(Role::Operator, None), secret(Role::App, None));
    let (ours, theirs) =
        (secret(Role::Outlet, Some("heytea")), secret(Role::Outlet, Some("luckin")));
    let bench = Bench::with(GateConfig::default(), KeyRing::open(&path).unwrap());
    let ask = |key: &str, line: &str, body: &str| {
        let headers = format!("Authorization: Bearer {key}\r\nIdempotency-Key: {line}\r\n");
        bench.ask(line, "", &headers, body)
    };
    let document = outlet("heytea", 31.2, 121.4).to_string();
    assert_eq!(ask(&operator, "PUT /v1/outlets/sh-1", &document).status, 201);
    assert_eq!(put(&bench, "sh-2", "operator", &outlet("heytea", 31.2, 121.4)).status, 401);
    let placed = ask(&app, "POST /v1/orders", &grape().to_string());
    let order = placed.json()["order"].clone();
    bench.pay(&order);
    let line = format!("POST /v1/tickets/{}/accept", bench.ticket(&order));
    let body = json!({"outlet_id": "sh-1", "version": 1}).to_string();
    assert_eq!(ask(&theirs, &line, &body).brief(), "403 forbidden");
    assert_eq!(ask(&ours, &line, &body).status, 200);
    let refunds = format!("POST /v1/orders/{}/refunds", text(&order["id"]));
    let body = json!({"amount_minor": 1, "reason": "r", "reference": "a"}).to_string();
    assert_eq!(ask(&theirs, &refunds, &body).brief(), "403 forbidden");
    assert_eq!(ask(&ours, &refunds, &body).status, 201);
    for line in ["GET /v1/outlets/sh-1/tickets", "GET /v1/outlets/sh-1/statement?day=2026-02-07"] {
        assert_eq!(ask(&theirs, line, "").brief(), "403 forbidden", "{line}");
        assert_eq!(ask(&ours, line, "").status, 200, "{line}");
    }
}
