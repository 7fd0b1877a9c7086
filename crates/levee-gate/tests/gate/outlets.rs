//! Outlets over real sockets: documents, pauses, and whose they are.

use levee_gate::keys::create;
use levee_gate::{GateConfig, KeyRing, Role};
use serde_json::{Value, json};

use crate::bench::Bench;
use crate::wire::Got;

/// An outlet's document.
pub(crate) fn outlet(brand: &str, lat: f64, lng: f64) -> Value {
    json!({
        "brand": brand, "vendor": "keruyun", "name": "People's Square", "lat": lat, "lng": lng,
        "stations": 2, "minutes_per_unit": 1.5,
        "menu": [
            {"sku": "grape", "name": "Grape", "category": "milk-tea", "price_minor": 1900},
            {"sku": "oat", "name": "Oat", "category": "coffee", "price_minor": 2100, "work": 1.25},
        ],
        "pos": {"url": "https://pos.example", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
    })
}

pub(crate) fn put(bench: &Bench, id: &str, role: &str, document: &Value) -> Got {
    bench.ask(&format!("PUT /v1/outlets/{id}"), role, "", &document.to_string())
}

#[test]
fn an_outlet_is_put_shown_and_put_again() {
    let bench = Bench::new();
    let mut document = outlet("dev", 31.2304, 121.4737);
    let got = put(&bench, "sh-1", "operator", &document);
    assert_eq!((got.status, got.header("etag")), (201, Some("\"1\"")), "{got:?}");
    let body = got.json();
    assert_eq!((&body["id"], &body["state"]), (&json!("sh-1"), &json!("open")));
    assert_eq!((&body["version"], &body["seq"]), (&json!(1), &json!(1)));
    // Defaults are shown, the secret is not.
    assert_eq!(body["document"]["fulfilment"], json!(["pickup"]));
    assert_eq!(body["document"]["accept_within"], "PT180S");
    assert_eq!(body["document"]["pos"], json!({"url": "https://pos.example"}));
    assert!(!got.body.contains("whsec_"));

    // The same again is no change, whoever left it out or in.
    document["id"] = json!("sh-1");
    let got = put(&bench, "sh-1", "operator", &document);
    assert_eq!((got.status, got.header("etag")), (200, Some("\"1\"")));
    assert_eq!(got.json().get("seq"), None);
    // Another secret is a change, though nobody sees it.
    document["pos"]["secret"] = json!("whsec_YW5vdGhlciBzZWNyZXQsIGxvbmcgZW5vdWdo");
    let got = put(&bench, "sh-1", "operator", &document);
    assert_eq!(
        (got.status, &got.json()["version"], &got.json()["seq"]),
        (200, &json!(2), &json!(2))
    );

    for role in ["operator", "viewer", "outlet"] {
        let got = bench.ask("GET /v1/outlets/sh-1", role, "", "");
        assert_eq!((got.status, got.header("etag")), (200, Some("\"2\"")), "{role}");
        assert!(!got.body.contains("whsec_"));
    }
    assert_eq!(bench.ask("GET /v1/outlets/sh-2", "viewer", "", "").brief(), "404 outlet_not_found");
    assert_eq!(bench.ask("GET /v1/outlets/SH", "viewer", "", "").brief(), "404 outlet_not_found");
}

#[test]
fn what_is_wrong_is_named() {
    let bench = Bench::new();
    let good = outlet("dev", 31.2304, 121.4737);
    for (id, path, value, expected) in [
        ("SH", "", json!(0), "400 invalid_field id"),
        ("import", "", json!(0), "400 invalid_field id"),
        ("sh-1", "/id", json!("sh-2"), "400 invalid_field id"),
        ("sh-1", "/pos", json!({"url": "https://pos.example"}), "400 invalid_field pos.secret"),
        ("sh-1", "/menu/0/work", json!(0.0005), "400 invalid_field menu[0].work"),
        ("sh-1", "/colour", json!("red"), "400 invalid_field colour"),
    ] {
        let mut document = good.clone();
        if let Some((parent, name)) = path.rsplit_once('/') {
            document.pointer_mut(parent).unwrap()[name] = value;
        }
        let got = put(&bench, id, "operator", &document);
        let expected = if id == "import" { "405 method_not_allowed" } else { expected };
        assert_eq!(got.brief(), expected, "{id} {path}");
    }
}

#[test]
fn an_outlet_is_paused_and_resumed() {
    let bench = Bench::new();
    put(&bench, "sh-1", "operator", &outlet("dev", 31.2304, 121.4737));
    let pause = |key: &str, body: &str| bench.post("/v1/outlets/sh-1/pause", "outlet", key, body);
    let resume = |key: &str| {
        bench.post("/v1/outlets/sh-1/resume", "operator", key, r#"{"reason": "milk is here"}"#)
    };
    assert_eq!(pause("", r#"{"reason": "no milk"}"#).brief(), "400 idempotency_key_missing");
    assert_eq!(pause("1", "{}").brief(), "400 invalid_field reason");
    let past = r#"{"reason": "no milk", "until": "2026-02-06T00:00:00Z"}"#;
    assert_eq!(pause("1", past).brief(), "400 invalid_field until");
    let later = r#"{"reason": "no milk", "until": "2026-02-08T00:00:00+08:00"}"#;
    let first = pause("1", later);
    assert_eq!(first.json(), json!({"outlet": "sh-1", "paused": true, "seq": 2}));
    let again = pause("1", later);
    assert!(again.replayed() && again.body == first.body);
    assert_eq!(pause("2", later).brief(), "409 unchanged");

    let shown = bench.ask("GET /v1/outlets/sh-1", "viewer", "", "").json();
    assert_eq!(shown["state"], "paused");
    let pause = json!({"until": "2026-02-07T16:00:00.000Z", "reason": "no milk"});
    assert_eq!(shown["pause"], pause);
    assert_eq!(resume("3").json(), json!({"outlet": "sh-1", "paused": false, "seq": 3}));
    assert_eq!(resume("4").brief(), "409 unchanged");
    let shown = bench.ask("GET /v1/outlets/sh-1", "viewer", "", "").json();
    assert_eq!((&shown["state"], shown.get("pause")), (&json!("open"), None));
    let none = bench.post("/v1/outlets/sh-2/resume", "operator", "5", r#"{"reason": "r"}"#);
    assert_eq!(none.brief(), "404 outlet_not_found");
}

#[test]
fn a_brands_key_is_for_its_own_outlets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let secret = |role, brand: Option<&str>| create(&path, role, brand).unwrap().1;
    let operator = secret(Role::Operator, None);
    let (ours, theirs) =
        (secret(Role::Outlet, Some("heytea")), secret(Role::Outlet, Some("luckin")));
    let bench = Bench::with(GateConfig::default(), KeyRing::open(&path).unwrap());
    let ask = |key: &str, line: &str, body: &str| {
        let headers = format!("Authorization: Bearer {key}\r\nIdempotency-Key: {line}\r\n");
        bench.ask(line, "", &headers, body)
    };
    let (line, document) = ("PUT /v1/outlets/sh-1", outlet("heytea", 31.2, 121.4).to_string());
    assert_eq!(ask(&theirs, line, &document).brief(), "403 forbidden");
    assert_eq!(ask(&ours, line, &document).status, 201);
    // Nor is it taken over with a document of one's own brand.
    let other = outlet("luckin", 31.2, 121.4).to_string();
    assert_eq!(ask(&theirs, line, &other).brief(), "403 forbidden");
    let reason = r#"{"reason": "r"}"#;
    for (line, body) in [
        ("GET /v1/outlets/sh-1", ""),
        ("POST /v1/outlets/sh-1/pause", reason),
        ("POST /v1/outlets/sh-1/resume", reason),
    ] {
        assert_eq!(ask(&theirs, line, body).brief(), "403 forbidden", "{line}");
        assert_eq!(ask(&ours, line, body).status, 200, "{line}");
    }
    // An operator is for all brands, and may move an outlet from one to another.
    assert_eq!(ask(&operator, line, &other).status, 200);
    assert_eq!(ask(&ours, "GET /v1/outlets/sh-1", "").brief(), "403 forbidden");
    assert_eq!(ask(&theirs, "GET /v1/outlets/sh-1", "").status, 200);
}

#[test]
fn staffing_and_walk_ins_change_when_a_drink_is_ready() {
    let bench = Bench::new();
    put(&bench, "sh-1", "operator", &outlet("dev", 31.2304, 121.4737));
    let shown = || bench.ask("GET /v1/outlets/sh-1", "outlet", "", "").json();
    let eta_ms = || shown()["eta_ms"].as_u64().unwrap();
    let first_ms = eta_ms();
    let walk_ins =
        |key: &str, body: &str| bench.post("/v1/outlets/sh-1/walk-ins", "outlet", key, body);
    let got = walk_ins("1", r#"{"units": 40.5}"#);
    assert_eq!(got.json(), json!({"outlet": "sh-1", "units": 40.5, "seq": 2}));
    assert!(walk_ins("1", r#"{"units": 40.5}"#).replayed());
    assert_eq!(shown()["queue"], json!({"units": 40.5, "untold": 0, "promised": []}));
    let busy_ms = eta_ms();
    assert!(busy_ms > first_ms, "{busy_ms} {first_ms}");
    let staffing =
        |key: &str, body: &str| bench.post("/v1/outlets/sh-1/staffing", "operator", key, body);
    assert_eq!(staffing("2", r#"{"stations": 20}"#).json()["stations"], 20);
    assert_eq!((&shown()["stations"], &shown()["document"]["stations"]), (&json!(20), &json!(2)));
    assert!(eta_ms() < busy_ms, "{} {busy_ms}", eta_ms());
    for (got, expected) in [
        (walk_ins("3", r#"{"units": 0}"#), "400 invalid_field units"),
        (walk_ins("3", r#"{"units": 1000.5}"#), "400 invalid_field units"),
        (staffing("3", r#"{"stations": 0}"#), "400 invalid_field stations"),
        (staffing("", r#"{"stations": 1}"#), "400 idempotency_key_missing"),
        (
            bench.post("/v1/outlets/sh-2/staffing", "operator", "4", r#"{"stations": 1}"#),
            "404 outlet_not_found",
        ),
    ] {
        assert_eq!(got.brief(), expected);
    }
}
