//! Who is let in: what is shown, what operators change, and what each brownout level gives up.

use levee_api::intake::{GateReport, OPEN};
use levee_api::port::Submit;
use levee_api::types::Level;
use levee_api::wire::IntakeBody;
use serde_json::{Value, json};

use crate::bench::Bench;
use crate::engine::NOW_MS;

const LEVEL: &str = "/v1/intake/level";
const RELEASE: &str = "/v1/intake/level/release";
const LIMITS: &str = "/v1/intake/limits";

fn shown(bench: &Bench, role: &str) -> Value {
    let got = bench.ask("GET /v1/intake", role, "", "");
    assert_eq!(got.status, 200, "{got:?}");
    got.json()
}

#[track_caller]
fn check(bench: &Bench, path: &str, role: &str, key: &str, body: &str, expected: &str) {
    let got = bench.post(path, role, key, body);
    assert_eq!(got.brief(), expected, "{path} {body}\n{got:?}");
}

#[test]
fn an_operator_fixes_the_level_and_gives_it_back() {
    let bench = Bench::new();
    let never = json!({"level": "normal", "reason": "", "by_hand": false, "since": null});
    assert_eq!(shown(&bench, "viewer")["level"], never);

    let body = r#"{"level":"deferred","reason":"storm"}"#;
    let got = bench.post(LEVEL, "operator", "k1", body);
    let at = "2026-02-06T17:46:40.000Z";
    let expected = json!({
        "before": {"level": "normal", "by_hand": false},
        "after": {"level": "deferred", "by_hand": true},
        "reason": "storm", "at": at, "seq": 1,
    });
    assert_eq!((got.status, got.json(), got.replayed()), (200, expected, false));
    let again = bench.post(LEVEL, "operator", "k1", body);
    assert_eq!((again.status, again.json(), again.replayed()), (200, got.json(), true));
    let held = json!({"level": "deferred", "reason": "storm", "by_hand": true, "since": at});
    assert_eq!(shown(&bench, "app")["level"], held);

    check(&bench, LEVEL, "operator", "k2", body, "409 unchanged");
    let other = r#"{"level":"lean","reason":"storm"}"#;
    check(&bench, LEVEL, "operator", "k1", other, "422 idempotency_key_reused");
    bench.engine.now_ms.store(NOW_MS + 1, std::sync::atomic::Ordering::Relaxed);
    let got = bench.post(RELEASE, "operator", "k3", r#"{"reason":"over"}"#);
    assert_eq!(got.json()["after"], json!({"level": "deferred", "by_hand": false}));
    // The key that fixed it still gets its first answer, and does not fix it again.
    let late = bench.post(LEVEL, "operator", "k1", body);
    assert_eq!((late.json()["seq"].as_u64(), late.replayed()), (Some(1), true));
    assert_eq!(shown(&bench, "outlet")["level"]["by_hand"], false);
    check(&bench, RELEASE, "operator", "k4", r#"{"reason":"over"}"#, "409 unchanged");
}

#[test]
fn an_operator_limits_claims() {
    let bench = Bench::new();
    let none = json!({"claims_per_s": null, "by_hand": false, "reason": "", "since": null});
    assert_eq!(shown(&bench, "viewer")["limit"], none);
    let got = bench.post(LIMITS, "operator", "k1", r#"{"claims_per_s":5000,"reason":"disk"}"#);
    assert_eq!((got.status, &got.json()["before"]), (200, &Value::Null));
    assert_eq!(got.json()["after"], 5_000);
    let limit = shown(&bench, "viewer")["limit"].clone();
    assert_eq!((&limit["claims_per_s"], &limit["by_hand"]), (&json!(5_000), &json!(true)));
    assert_eq!(limit["reason"], "disk");
    let got = bench.post(LIMITS, "operator", "k2", r#"{"claims_per_s":null,"reason":"over"}"#);
    assert_eq!((&got.json()["before"], &got.json()["after"]), (&json!(5_000), &Value::Null));
    assert_eq!(shown(&bench, "viewer")["limit"]["claims_per_s"], Value::Null);
}

#[test]
fn wrong_changes_name_their_field() {
    let bench = Bench::new();
    let long = format!(r#"{{"level":"lean","reason":"{}"}}"#, "r".repeat(201));
    for (path, body, expected) in [
        (LEVEL, r#"{"level":"lean"}"#, "400 invalid_field reason"),
        (LEVEL, r#"{"level":"lean","reason":""}"#, "400 invalid_field reason"),
        (LEVEL, r#"{"level":"lean","reason":" "}"#, "400 invalid_field reason"),
        (LEVEL, r#"{"level":"lean","reason":null}"#, "400 invalid_field reason"),
        (LEVEL, &long, "400 invalid_field reason"),
        (LEVEL, r#"{"reason":"r"}"#, "400 invalid_field level"),
        (LEVEL, r#"{"level":"Lean","reason":"r"}"#, "400 invalid_field level"),
        (LEVEL, r#"{"level":1,"reason":"r"}"#, "400 invalid_field level"),
        (LEVEL, r#"{"level":"lean","reason":"r","by_hand":false}"#, "400 invalid_field by_hand"),
        (LEVEL, "", "415 unsupported_media_type"),
        (RELEASE, r#"{"reason":""}"#, "400 invalid_field reason"),
        (RELEASE, r#"{"reason":"\t"}"#, "400 invalid_field reason"),
        (RELEASE, "{}", "400 invalid_field reason"),
        (RELEASE, "", "415 unsupported_media_type"),
        // Left out by mistake, it must not lift the limit.
        (LIMITS, r#"{"reason":"r"}"#, "400 invalid_field claims_per_s"),
        (LIMITS, r#"{"claims_per_s":0,"reason":"r"}"#, "400 invalid_field claims_per_s"),
        (LIMITS, r#"{"claims_per_s":-1,"reason":"r"}"#, "400 invalid_field claims_per_s"),
        (LIMITS, r#"{"claims_per_s":4294967296,"reason":"r"}"#, "400 invalid_field claims_per_s"),
        (LIMITS, r#"{"claims_per_s":1.5,"reason":"r"}"#, "400 invalid_field claims_per_s"),
        (LIMITS, r#"{"claims_per_s":null,"reason":""}"#, "400 invalid_field reason"),
        (LIMITS, r#"{"claims_per_s":null}"#, "400 invalid_field reason"),
        (LIMITS, r#"{"claims_per_s":null,"reason":"r"}"#, "409 unchanged"),
    ] {
        check(&bench, path, "operator", "k", body, expected);
    }
    let body = r#"{"level":"lean","reason":"r"}"#;
    check(&bench, LEVEL, "operator", "", body, "400 idempotency_key_missing");
    for role in ["app", "viewer", "outlet"] {
        check(&bench, LEVEL, role, "k", body, "403 forbidden");
        check(&bench, RELEASE, role, "k", r#"{"reason":"r"}"#, "403 forbidden");
        check(&bench, LIMITS, role, "k", r#"{"claims_per_s":1,"reason":"r"}"#, "403 forbidden");
    }
    check(&bench, LEVEL, "", "k", body, "401 unauthorized");
    assert_eq!(bench.ask("GET /v1/intake", "", "", "").brief(), "401 unauthorized");
    assert_eq!(shown(&bench, "viewer")["level"]["level"], "normal");
}

#[test]
fn the_waiting_room_and_the_gates_are_shown() {
    let bench = Bench::new();
    let intake = bench.engine.intake();
    let open = &shown(&bench, "viewer")["waiting"];
    assert_eq!((&open["open"], &open["people"]), (&json!(true), &json!(0)));

    let now_us = intake.now_us();
    intake.set_watermark_us(now_us - 5_000_000);
    // One is through already.
    for before_s in [6, 5, 4, 3] {
        intake.count_pass(now_us - before_s * 1_000_000);
    }
    intake.set_released_per_ks(2_500_000);
    let report = GateReport {
        name: "gate-1".into(),
        region: "east".into(),
        arrived: [1, 2, 3, 40, 5],
        admitted: [1, 2, 3, 30, 4],
        shed: [0, 0, 0, 10, 1],
        told_to_wait: 7,
        queue_delay_us: [900, 20_000],
        ..GateReport::default()
    };
    let number = intake.register_gate();
    intake.report(number, report);
    let body: IntakeBody = serde_json::from_value(shown(&bench, "viewer")).expect("as documented");
    assert!(!body.waiting.open);
    assert_eq!(body.waiting.people, 3);
    assert!(body.waiting.lag_ms >= 5_000, "{}", body.waiting.lag_ms);
    assert!((body.waiting.released_per_s - 2_500.0).abs() < f64::EPSILON);
    let gate = &body.gates[0];
    assert_eq!((gate.gate, gate.name.as_str(), gate.region.as_str()), (number, "gate-1", "east"));
    let claim = gate.lanes.claim;
    assert_eq!((claim.arrived, claim.admitted, claim.shed), (40, 30, 10));
    assert_eq!((gate.told_to_wait, gate.queue_delay_p99_us), (7, 20_000));
    intake.set_watermark_us(OPEN);
}

/// What a level promises: a row is a request, and the first level at which it is given up.
#[test]
fn each_level_gives_up_what_it_says_and_nothing_else() {
    let bench = Bench::new();
    bench.campaign("spring", 100, "", "");
    let code = bench.claim("spring", "u");
    let bill = r#"{"user_id":"u","order_minor":5000}"#;
    let validate = format!("POST /v1/vouchers/{code}/validate");
    let voucher = format!("GET /v1/vouchers/{code}");
    // Claimed while everyone is let in.
    let codes = Level::ALL.map(|level| bench.claim("spring", &format!("user-{}", level.name())));
    let never = None;
    let rows = [
        ("GET /v1/campaigns", "app", "", Some(Level::Lean)),
        ("GET /v1/campaigns?limit=1", "operator", "", Some(Level::Lean)),
        ("GET /v1/redemptions", "operator", "", Some(Level::Lean)),
        ("GET /v1/campaigns/spring", "app", "", Some(Level::Essential)),
        (&voucher, "app", "", Some(Level::Essential)),
        ("GET /v1/wallet", "app", "", Some(Level::Essential)),
        (&validate, "app", bill, Some(Level::Essential)),
        // Operators see what is so and set it, at every level.
        ("GET /v1/intake", "viewer", "", never),
        ("GET /metrics", "", "", never),
        ("GET /readyz", "", "", never),
        ("GET /v1/audit/export", "operator", "", never),
        ("POST /v1/campaigns/spring/pause", "operator", "", never),
        ("POST /v1/campaigns/spring/resume", "operator", "", never),
    ];
    for level in Level::ALL {
        let name = level.name();
        if level > Level::Normal {
            let body = json!({"level": name, "reason": "drill"}).to_string();
            assert_eq!(bench.post(LEVEL, "operator", name, &body).status, 200);
        }
        for (line, role, body, given_up_at) in rows {
            let headers = format!("Levee-User: u\r\nIdempotency-Key: {name}{line}\r\n");
            let got = bench.ask(line, role, &headers, body);
            if given_up_at.is_some_and(|from| level >= from) {
                assert_eq!(got.brief(), "503 overloaded", "{line} at {name}: {got:?}");
                assert_eq!(got.header("retry-after"), Some("10"), "{line} at {name}");
                let detail = got.json()["detail"].as_str().unwrap().to_owned();
                assert!(detail.contains(&format!("level is {name}:")), "{detail}");
            } else {
                assert_eq!(got.status, 200, "{line} at {name}: {got:?}");
            }
        }
        redeem_and_undo(&bench, name, &codes[level as usize]);
    }
    // And it all comes back.
    let body = json!({"level": "normal", "reason": "over"}).to_string();
    assert_eq!(bench.post(LEVEL, "operator", "back", &body).status, 200);
    assert_eq!(bench.ask("GET /v1/campaigns", "app", "", "").status, 200);
    // Who may not ask at all is told that, whatever the level.
    bench.engine.intake().set_level(Level::Essential, levee_api::intake::Why::default());
    assert_eq!(bench.ask("GET /v1/campaigns", "", "", "").brief(), "401 unauthorized");
    assert_eq!(bench.ask("GET /v1/redemptions", "outlet", "", "").brief(), "403 forbidden");
}

/// Redemptions, locks and their undoing go on at every level.
fn redeem_and_undo(bench: &Bench, level: &str, code: &str) {
    let user = format!("user-{level}");
    let lock = json!({"user_id": user, "ttl": "PT1H", "reference": format!("l-{level}")});
    let path = format!("/v1/vouchers/{code}/lock");
    let got = bench.post(&path, "app", &format!("l-{level}"), &lock.to_string());
    assert_eq!(got.status, 201, "a lock at {level}: {got:?}");
    let lock = got.json()["lock"]["id"].as_str().unwrap().to_owned();
    let bill = json!({"voucher_code": code, "user_id": user, "order_minor": 5_000,
        "reference": format!("r-{level}"), "lock": lock});
    let got = bench.post("/v1/redemptions", "app", &format!("r-{level}"), &bill.to_string());
    assert_eq!(got.status, 201, "a redemption at {level}: {got:?}");
    let id = got.json()["redemption"]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/redemptions/{id}/rollback");
    let got = bench.post(&path, "app", &format!("b-{level}"), r#"{"reason":"drill"}"#);
    assert_eq!(got.status, 200, "a rollback at {level}: {got:?}");
}

#[test]
fn the_interface_says_what_each_level_gives_up() {
    let bench = Bench::new();
    let document = bench.ask("GET /openapi.json", "", "", "").json();
    let about = |path: &str, method: &str| {
        document["paths"][path][method]["description"].as_str().unwrap().to_owned()
    };
    assert!(about("/v1/campaigns", "get").contains("At the level lean and above"));
    assert!(about("/v1/wallet", "get").contains("At the level essential"));
    assert!(!about("/v1/campaigns", "post").contains("level"));
    let docs = bench.ask("GET /docs", "", "", "").body;
    assert!(docs.contains("At the level lean and above"), "for people, too");
}

#[test]
fn levels_are_named_alike_everywhere() {
    let bench = Bench::new();
    let document = bench.ask("GET /openapi.json", "", "", "").json();
    let text = document["components"]["schemas"]["LevelName"].to_string();
    for level in Level::ALL {
        assert!(text.contains(&format!("\"{}\"", level.name())), "{text}");
    }
}
