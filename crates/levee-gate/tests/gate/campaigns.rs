//! Campaigns over real sockets.

use crate::bench::{Bench, document};

#[test]
fn a_campaign_is_made_once() {
    let bench = Bench::new();
    let body = document("spring", "", ",\"metadata\":{\"team\":\"growth\"}");
    let made = bench.post("/v1/campaigns", "operator", "k1", &body);
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.header("location"), Some("/v1/campaigns/spring"));
    assert_eq!(made.header("etag"), Some("\"1\""));
    assert_eq!(
        (made.json()["state"].as_str(), made.json()["seq"].as_u64()),
        (Some("draft"), Some(1))
    );
    assert_eq!(made.json()["document"]["metadata"]["team"], "growth");

    // Also when the campaign has moved on meanwhile.
    bench.post("/v1/campaigns/spring/open", "operator", "o", "{\"reason\":\"now\"}");
    let again = bench.post("/v1/campaigns", "operator", "k1", &body);
    assert_eq!((again.status, again.replayed(), &again.body), (201, true, &made.body));
    let other = document("spring", "", "");
    let reused = bench.post("/v1/campaigns", "operator", "k1", &other);
    assert_eq!(reused.brief(), "422 idempotency_key_reused");
    let exists = bench.post("/v1/campaigns", "operator", "k2", &body);
    assert_eq!(exists.brief(), "409 campaign_exists");
    // Another API key's idempotency keys are others.
    let app = bench.post("/v1/campaigns/spring/claims", "app", "k1", "{\"user_id\":\"u\"}");
    assert_eq!(app.brief(), "409 budget_exhausted");
}

#[test]
fn money_moves_once() {
    let bench = Bench::new();
    bench.post("/v1/campaigns", "operator", "c", &document("spring", "", ""));
    let fund = |key: &str, amount: u64, reference: &str| {
        let body = format!("{{\"amount_minor\":{amount},\"reference\":\"{reference}\"}}");
        bench.post("/v1/campaigns/spring/fund", "operator", key, &body)
    };
    let first = fund("a", 500, "r1");
    assert_eq!((first.status, first.replayed()), (200, false), "{first:?}");
    assert_eq!(first.json()["money"]["available_minor"], 500);
    for repeat in [fund("a", 500, "r1"), fund("b", 500, "r1")] {
        assert_eq!((repeat.status, repeat.replayed(), &repeat.body), (200, true, &first.body));
    }
    assert_eq!(fund("c2", 600, "r1").brief(), "409 reference_reused");
    assert_eq!(fund("d", u64::MAX, "r2").brief(), "422 amount_too_large");
    let body = "{\"amount_minor\":600,\"reference\":\"w\"}";
    let withdraw = bench.post("/v1/campaigns/spring/withdraw", "operator", "w", body);
    assert_eq!(withdraw.brief(), "409 budget_exhausted");
    // A refusal is not remembered.
    fund("e", 100, "r3");
    let withdraw = bench.post("/v1/campaigns/spring/withdraw", "operator", "w", body);
    assert_eq!(withdraw.json()["money"]["returned_minor"], 600, "{withdraw:?}");
    let body = "{\"amount_minor\":9,\"reference\":\"i\",\"purpose\":\"invites\"}";
    bench.post("/v1/campaigns/spring/fund", "operator", "i", body);
    let shown = bench.ask("GET /v1/campaigns/spring", "viewer", "", "").json();
    assert_eq!(shown["set_aside"]["invites_minor"], 9);
}

#[test]
fn documents_are_replaced_under_their_version() {
    let bench = Bench::new();
    bench.post("/v1/campaigns", "operator", "c", &document("spring", "", ""));
    let body = document("spring", ",\"per_user\":2", "");
    let put = bench.ask("PUT /v1/campaigns/spring", "operator", "If-Match: \"1\"\r\n", &body);
    assert_eq!((put.status, put.header("etag")), (200, Some("\"2\"")), "{put:?}");
    assert_eq!(put.json()["document"]["voucher"]["per_user"], 2);
    assert!(put.json()["seq"].is_u64());
    let again = bench.ask("PUT /v1/campaigns/spring", "operator", "If-Match: \"1\"\r\n", &body);
    assert_eq!(again.brief(), "412 version_conflict");
    let shown = bench.ask("GET /v1/campaigns/spring", "outlet", "", "");
    assert_eq!((shown.header("etag"), shown.json()["seq"].is_null()), (Some("\"2\""), true));
    let head = bench.ask("HEAD /v1/campaigns/spring", "viewer", "", "");
    assert_eq!((head.status, head.header("etag")), (200, Some("\"2\"")));
    assert_eq!(head.header("content-length"), shown.header("content-length"));
}

#[test]
fn states_change_as_they_may() {
    let bench = Bench::new();
    bench.post("/v1/campaigns", "operator", "c", &document("spring", "", ""));
    let mut key = 0;
    let mut change = |to: &str| {
        key += 1;
        bench.post(&format!("/v1/campaigns/spring/{to}"), "operator", &format!("s{key}"), "{}")
    };
    for (to, expected) in [
        ("pause", "409"),
        ("open", "open"),
        ("open", "409"),
        ("pause", "paused"),
        ("resume", "open"),
        ("close", "closed"),
        ("resume", "409"),
    ] {
        let got = change(to);
        let is = got.json()["state"].as_str().map_or("409".to_owned(), str::to_owned);
        assert_eq!(is, expected, "{to}: {got:?}");
    }
    let got = bench.post("/v1/campaigns/spring/open", "operator", "s2", "{}");
    assert_eq!((got.status, got.replayed()), (200, true));
    assert_eq!(got.json()["state"], "open");
}

#[test]
fn lists_come_in_pages() {
    let bench = Bench::new();
    for id in ["a", "b", "c", "d"] {
        bench.post("/v1/campaigns", "operator", id, &document(id, "", ""));
    }
    let page = |query: &str| {
        let json = bench.ask(&format!("GET /v1/campaigns{query}"), "viewer", "", "").json();
        let items = json["items"].as_array().unwrap().iter();
        let ids: Vec<String> = items.map(|item| item["id"].as_str().unwrap().to_owned()).collect();
        (ids.concat(), json["next"].as_str().map(str::to_owned))
    };
    assert_eq!(page(""), ("abcd".to_owned(), None));
    assert_eq!(page("?limit=3"), ("abc".to_owned(), Some("c".to_owned())));
    assert_eq!(page("?limit=3&after=c"), ("d".to_owned(), None));
    assert_eq!(page("?limit=2&after=b"), ("cd".to_owned(), None));
    assert_eq!(page("?after=zzz"), (String::new(), None));
}
