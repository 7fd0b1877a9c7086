//! Vouchers and redemptions over real sockets.

use serde_json::{Value, json};

use crate::bench::Bench;
use crate::wire::Got;

fn bench() -> Bench {
    let bench = Bench::new();
    bench.campaign("spring", 100, ",\"brands\":[\"heytea\"],\"min_spend_minor\":1000", "");
    bench
}

fn post(bench: &Bench, path: &str, key: &str, body: &Value) -> Got {
    bench.post(path, "app", key, &body.to_string())
}

fn bill(code: &str, user: &str, order_minor: u64, reference: &str) -> Value {
    json!({"voucher_code": code, "user_id": user, "order_minor": order_minor,
           "reference": reference, "brand": "heytea"})
}

#[test]
fn a_redemption_is_made_and_undone_once() {
    let bench = bench();
    let code = bench.claim("spring", "u1");
    let body = bill(&code, "u1", 1_800, "r1");
    let first = post(&bench, "/v1/redemptions", "k1", &body);
    assert_eq!((first.status, first.replayed()), (201, false), "{first:?}");
    let redemption = first.json()["redemption"].clone();
    assert_eq!(redemption["discount_minor"], 1_800);
    assert_eq!(redemption["payable_minor"], 0);
    assert_eq!(redemption["voucher_code"], json!(code));
    // By its key and, with another key, by its reference; also with the code written otherwise.
    let written = bill(&code.replace('-', "").to_lowercase(), "u1", 1_800, "r1");
    for (key, body) in [("k1", &body), ("k2", &body), ("k3", &written)] {
        let again = post(&bench, "/v1/redemptions", key, body);
        assert_eq!((again.status, again.replayed(), &again.body), (201, true, &first.body));
    }
    let other = bill(&code, "u1", 1_900, "r1");
    assert_eq!(post(&bench, "/v1/redemptions", "k1", &other).brief(), "422 idempotency_key_reused");
    assert_eq!(post(&bench, "/v1/redemptions", "k4", &other).brief(), "409 reference_reused");
    let second = bill(&code, "u1", 1_800, "r2");
    assert_eq!(post(&bench, "/v1/redemptions", "k5", &second).brief(), "409 voucher_not_live");

    let id = redemption["id"].as_str().unwrap();
    let path = format!("/v1/redemptions/{id}/rollback");
    let undone = post(&bench, &path, "u1", &json!({"reason": "cancelled"}));
    assert_eq!((undone.status, undone.replayed()), (200, false), "{undone:?}");
    assert_eq!(undone.json()["voucher_state"], "live");
    let again = post(&bench, &path, "u2", &json!({"reason": "cancelled"}));
    assert_eq!((again.status, again.replayed(), &again.body), (200, true, &undone.body));

    let listed = bench.ask("GET /v1/redemptions", "operator", "", "").json();
    assert_eq!(listed["items"][0]["id"], redemption["id"]);
    assert_eq!(listed["items"][0]["state"], "rolled_back");
    assert_eq!(listed["items"][0]["campaign"], "spring");
    assert!(listed["next"].is_null());
}

#[test]
fn a_lock_holds_a_voucher_for_its_holder() {
    let bench = bench();
    let code = bench.claim("spring", "u1");
    let path = format!("/v1/vouchers/{code}/lock");
    let lock = |key: &str, user: &str, ttl: &str, reference: &str| {
        let body = json!({"user_id": user, "ttl": ttl, "reference": reference});
        post(&bench, &path, key, &body)
    };
    assert_eq!(lock("a", "u1", "PT0.5S", "l").brief(), "400 invalid_field ttl");
    assert_eq!(lock("a", "u1", "P8D", "l").brief(), "400 invalid_field ttl");
    assert_eq!(lock("a", "u2", "PT1M", "l").brief(), "403 voucher_of_another_user");
    let held = lock("a", "u1", "PT1M", "l");
    assert_eq!(held.status, 201, "{held:?}");
    let again = lock("a", "u1", "PT1M", "l");
    assert_eq!((again.status, again.replayed(), &again.body), (201, true, &held.body));
    assert_eq!(lock("b", "u1", "PT1M", "m").brief(), "409 voucher_locked");
    let id = held.json()["lock"]["id"].as_str().unwrap().to_owned();

    let mut body = bill(&code, "u1", 9_000, "r1");
    assert_eq!(post(&bench, "/v1/redemptions", "r1", &body).brief(), "409 voucher_locked");
    let shown = bench.ask(&format!("GET /v1/vouchers/{code}"), "app", "", "").json();
    assert_eq!(
        (shown["state"].as_str(), shown["lock"]["id"].as_str()),
        (Some("locked"), Some(&*id))
    );

    let let_go = bench.ask(&format!("DELETE /v1/locks/{id}"), "app", "", "");
    assert_eq!((let_go.status, let_go.json()["voucher_state"].as_str()), (200, Some("live")));
    let again = bench.ask(&format!("DELETE /v1/locks/{id}"), "app", "", "");
    assert_eq!((again.status, again.replayed(), again.body), (200, true, let_go.body));

    let held = lock("c", "u1", "PT1M", "n");
    body["lock"] = held.json()["lock"]["id"].clone();
    assert_eq!(post(&bench, "/v1/redemptions", "r2", &body).status, 201);
    let id = body["lock"].as_str().unwrap();
    let late = bench.ask(&format!("DELETE /v1/locks/{id}"), "app", "", "");
    assert_eq!(late.brief(), "409 lock_not_held");
}

#[test]
fn validation_says_what_a_redemption_would_get() {
    let bench = bench();
    let code = bench.claim("spring", "u1");
    let path = format!("/v1/vouchers/{code}/validate");
    for (user, order_minor, brand, expected) in [
        ("u1", 9_000, "heytea", json!({"valid": true, "discount_minor": 2_500})),
        (
            "u1",
            9_000,
            "luckin",
            json!({"valid": false, "discount_minor": 0, "reason": "voucher_not_applicable"}),
        ),
        (
            "u1",
            999,
            "heytea",
            json!({"valid": false, "discount_minor": 0, "reason": "min_spend_not_met"}),
        ),
        (
            "u2",
            9_000,
            "heytea",
            json!({"valid": false, "discount_minor": 0, "reason": "voucher_of_another_user"}),
        ),
    ] {
        let body = json!({"user_id": user, "order_minor": order_minor, "brand": brand});
        let got = post(&bench, &path, "", &body);
        assert_eq!((got.status, got.json()), (200, expected), "{body}");
    }
    let body = json!({"user_id": "u1", "order_minor": 1_u64 << 50});
    assert_eq!(post(&bench, &path, "", &body).brief(), "400 invalid_field order_minor");
    let body =
        json!({"user_id": "u1", "order_minor": 1, "categories": ["a", "b", "c", "d", "e", "f"]});
    assert_eq!(post(&bench, &path, "", &body).brief(), "400 invalid_field categories");
}

#[test]
fn a_wallet_comes_newest_first_and_in_pages() {
    let bench = bench();
    bench.campaign("extra", 100, "", "");
    bench.campaign("more", 100, "", "");
    for campaign in ["spring", "extra", "more"] {
        bench.claim(campaign, "u1");
    }
    bench.claim("spring", "u2");
    let page = |query: &str| {
        let line = format!("GET /v1/wallet{query}");
        let json = bench.ask(&line, "app", "Levee-User: u1\r\n", "").json();
        let vouchers = json["vouchers"].as_array().unwrap().iter();
        let campaigns: Vec<String> =
            vouchers.map(|voucher| voucher["campaign"].as_str().unwrap().to_owned()).collect();
        (campaigns.join(" "), json["next"].as_str().map(str::to_owned))
    };
    assert_eq!(page(""), ("more extra spring".to_owned(), None));
    let (first, next) = page("?limit=2");
    assert_eq!(first, "more extra");
    assert_eq!(page(&format!("?limit=2&after={}", next.unwrap())), ("spring".to_owned(), None));
    let line = "GET /v1/wallet";
    let none = bench.ask(line, "app", "Levee-User: nobody\r\n", "");
    assert_eq!(none.json()["vouchers"], json!([]));
    assert_eq!(none.header("cache-control"), Some("no-store"));
}

#[test]
fn an_operator_takes_a_voucher_back() {
    let bench = bench();
    let code = bench.claim("spring", "u1");
    let path = format!("/v1/vouchers/{code}/revoke");
    let revoke = |key: &str| bench.post(&path, "operator", key, "{\"reason\":\"fraud\"}");
    let first = revoke("a");
    assert_eq!(first.json()["released_minor"], 2_500, "{first:?}");
    let again = revoke("a");
    assert_eq!((again.status, again.replayed(), again.body), (200, true, first.body));
    assert_eq!(revoke("b").brief(), "409 voucher_not_live");
    let shown = bench.ask(&format!("GET /v1/vouchers/{code}"), "app", "", "").json();
    assert_eq!(shown["state"], "revoked");
}
