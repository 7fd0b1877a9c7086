//! Outlets near a place, and lists of all, over real sockets.

use levee_gate::GateConfig;
use serde_json::{Value, json};

use crate::bench::{Bench, wait_until};
use crate::outlets::{outlet, put};
use crate::wire::Got;

/// Ids in the order of the answer.
#[track_caller]
fn ids(got: &Got) -> Vec<String> {
    let items = got.json()["items"].as_array().unwrap_or_else(|| panic!("{got:?}")).clone();
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

fn near(bench: &Bench, query: &str) -> Got {
    bench.ask(&format!("GET /v1/outlets?{query}"), "app", "", "")
}

/// Four outlets to the east of a place, a kilometre apart.
fn street() -> Bench {
    let bench = Bench::new();
    for (id, brand, lng) in [
        ("c", "dev", 121.43),
        ("a", "dev", 121.41),
        ("d", "heytea", 121.44),
        ("b", "heytea", 121.42),
    ] {
        assert_eq!(put(&bench, id, "operator", &outlet(brand, 31.2, lng)).status, 201);
    }
    wait_until("the gate knows its outlets", || near(&bench, "near=0,0").status == 200);
    bench
}

#[test]
fn the_nearest_come_first_with_distance_and_eta() {
    let bench = street();
    let got = near(&bench, "near=31.2,121.4");
    assert_eq!(ids(&got), ["a", "b", "c", "d"]);
    let first = &got.json()["items"][0];
    let eta_ms = bench.ask("GET /v1/outlets/a", "viewer", "", "").json()["eta_ms"].clone();
    let expected = json!({
        "id": "a", "brand": "dev", "name": "People's Square", "lat": 31.2, "lng": 121.41,
        "distance_m": 951, "fulfilment": ["pickup"], "eta_ms": eta_ms,
    });
    assert_eq!(first, &expected);
    assert_eq!(ids(&near(&bench, "near=31.2,121.45")), ["d", "c", "b", "a"]);
    assert_eq!(ids(&near(&bench, "near=31.2,121.4&limit=2")), ["a", "b"]);
    assert_eq!(ids(&near(&bench, "near=31.2,121.4&brand=heytea")), ["b", "d"]);
    assert_eq!(ids(&near(&bench, "near=31.2,121.4&brand=none")), Vec::<String>::new());
    assert_eq!(ids(&near(&bench, "near=31.2%2C%20121.4&limit=1")), ["a"]);
}

#[test]
fn who_takes_no_orders_now_is_left_out_unless_asked_for() {
    let bench = street();
    bench.post("/v1/outlets/a/pause", "operator", "1", r#"{"reason": "r"}"#);
    assert_eq!(ids(&near(&bench, "near=31.2,121.4&limit=2")), ["b", "c"]);
    let all = near(&bench, "near=31.2,121.4&limit=2&all=true");
    assert_eq!(ids(&all), ["a", "b"]);
    assert_eq!(all.json()["items"][0].get("eta_ms"), None);
    // The tests' time is a quarter to six in the evening in Greenwich.
    let mut closed = outlet("heytea", 31.2, 121.42);
    closed["hours"] = json!(["09:00-12:00"]);
    put(&bench, "b", "operator", &closed);
    let shown = bench.ask("GET /v1/outlets/b", "viewer", "", "").json();
    assert_eq!(shown["state"], "closed");
    assert_eq!(ids(&near(&bench, "near=31.2,121.4")), ["c", "d"]);
    assert_eq!(ids(&near(&bench, "near=31.2,121.4&all=true")), ["a", "b", "c", "d"]);
}

#[test]
fn an_outlet_that_was_put_through_another_gate_is_found() {
    let bench = street();
    let beside = bench.beside(GateConfig { workers: 1, ..GateConfig::default() });
    wait_until("the second gate has filled", || near(&beside, "near=0,0").status == 200);
    assert_eq!(ids(&near(&beside, "near=31.2,121.4")), ["a", "b", "c", "d"]);
    put(&bench, "e", "operator", &outlet("dev", 31.2, 121.401));
    put(&bench, "a", "operator", &outlet("dev", 31.2, 121.45));
    let moved = ["e", "b", "c", "d", "a"];
    assert_eq!(ids(&near(&bench, "near=31.2,121.4")), moved);
    wait_until("the second gate learns", || ids(&near(&beside, "near=31.2,121.4")) == moved);
    // One that it has not heard of yet is asked for.
    put(&bench, "f", "operator", &outlet("dev", 31.2, 121.5));
    assert_eq!(
        beside.post("/v1/outlets/f/staffing", "outlet", "1", r#"{"stations": 1}"#).status,
        200
    );
}

#[test]
fn all_are_listed_by_pages_for_those_who_may_see_documents() {
    let bench = street();
    let list = |query: &str| bench.ask(&format!("GET /v1/outlets{query}"), "viewer", "", "");
    let all = list("");
    assert_eq!(
        (ids(&all), &all.json()["next"]),
        (vec!["c".into(), "a".into(), "d".into(), "b".into()], &Value::Null)
    );
    assert_eq!(all.json()["items"][0], bench.ask("GET /v1/outlets/c", "viewer", "", "").json());
    assert!(!all.body.contains("whsec_"));
    let first = list("?limit=3").json();
    let next = first["next"].as_str().unwrap();
    let rest = list(&format!("?limit=3&after={next}"));
    assert_eq!((ids(&rest), &rest.json()["next"]), (vec!["b".into()], &Value::Null));
    assert_eq!(list("?limit=4").json()["next"], Value::Null);
}

#[test]
fn searches_that_say_nothing_are_told_why() {
    let bench = street();
    for (query, role, expected) in [
        ("", "app", "403 forbidden"),
        ("?near=1,2", "outlet", "403 forbidden"),
        ("?near=31.2", "app", "400 invalid_field near"),
        ("?near=91,0", "app", "400 invalid_field near"),
        ("?near=nan,0", "app", "400 invalid_field near"),
        ("?near=1,2&limit=0", "app", "400 invalid_field limit"),
        ("?near=1,2&limit=101", "app", "400 invalid_field limit"),
        ("?near=1,2&all=yes", "app", "400 invalid_field all"),
        ("?near=1,2&after=1", "app", "400 invalid_field after"),
        ("?brand=dev", "operator", "400 invalid_field brand"),
        ("?after=x", "operator", "400 invalid_field after"),
        ("?limit=1001", "operator", "400 invalid_field limit"),
    ] {
        let got = bench.ask(&format!("GET /v1/outlets{query}"), role, "", "");
        assert_eq!(got.brief(), expected, "{query}");
    }
}
