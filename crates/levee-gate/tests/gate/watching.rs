//! Health, numbers, the interface's description and the journal, over real sockets.

use std::sync::atomic::Ordering::Relaxed;

use levee_api::port::{Failure, Submit};
use levee_api::problem::Code;
use levee_api::vitals::Phase;
use serde_json::{Value, json};

use crate::bench::{Bench, request, wait_until};
use crate::engine::ENDLESS;
use crate::wire::Wire;

#[test]
fn health_and_readiness_are_told_apart() {
    let bench = Bench::new();
    assert_eq!(bench.ask("GET /readyz", "", "", "").json()["ready"], true);
    bench.engine.set_phase(Phase::Recovering);
    let vitals = bench.engine.vitals();
    vitals.restore_bytes.store(4_000, Relaxed);
    vitals.restored_bytes.store(3_000, Relaxed);
    vitals.replayed.store(7, Relaxed);
    let got = bench.ask("GET /readyz", "", "", "");
    assert_eq!(got.status, 503);
    let progress = json!({"restored_bytes": 3_000, "restore_bytes": 4_000, "replayed": 7});
    let expected =
        json!({"ready": false, "phase": "recovering", "progress": progress, "durable_seq": 0});
    assert_eq!(got.json(), expected);
    assert_eq!(bench.ask("GET /healthz", "", "", "").status, 200);
    // Numbers can be had meanwhile.
    let got = bench.ask("GET /metrics", "", "", "");
    assert!(got.body.contains("levee_engine_phase{phase=\"recovering\"} 1\n"));
    assert!(got.body.contains("levee_engine_restored_bytes 3000\n"));
}

#[test]
fn who_comes_while_the_engine_recovers_is_told_when_to_come_again() {
    let bench = Bench::new();
    bench.engine.set_phase(Phase::Recovering);
    *bench.engine.refuses.lock().unwrap() = Some(Failure::Recovering);
    let claim = "{\"user_id\":\"u\"}";
    for (line, role, body) in [
        ("POST /v1/campaigns/spring/claims", "app", claim),
        ("POST /v1/campaigns/spring/claims/batch", "app", claim),
        ("GET /v1/campaigns/spring", "viewer", ""),
        ("GET /v1/wallet", "app", ""),
        // It has none to show yet, which is not the same as an empty one.
        ("GET /v1/audit/export", "operator", ""),
    ] {
        let kind = if line.ends_with("batch") { "x-ndjson" } else { "json" };
        let headers = format!("Content-Type: application/{kind}\r\nLevee-User: u\r\n");
        let got = bench.ask(line, role, &headers, body);
        let retry = got.header("retry-after");
        assert_eq!((got.brief().as_str(), retry), ("503 unavailable", Some("1")), "{line}");
    }
    *bench.engine.refuses.lock().unwrap() = None;
    bench.engine.set_phase(Phase::Ready);
    assert_eq!(bench.ask("GET /v1/audit/export", "operator", "", "").status, 200);
}

#[test]
fn metrics_are_prometheus_text() {
    let bench = Bench::new();
    bench.campaign("spring", 10, "", "");
    bench.claim("spring", "u1");
    bench.post("/v1/campaigns/spring/claims", "app", "", "{}");
    let got = bench.ask("GET /metrics", "viewer", "", "");
    assert_eq!(got.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    for line in [
        "levee_gate_requests_total{method=\"POST\",route=\"/v1/campaigns/{id}/claims\",status=\"2xx\"} 1",
        "levee_gate_requests_total{method=\"POST\",route=\"/v1/campaigns/{id}/claims\",status=\"4xx\"} 1",
        "levee_gate_requests_in_flight 1",
        "levee_engine_phase{phase=\"ready\"} 1",
        "levee_engine_oldest_waiting_us{lane=\"redeem\"} 0",
        "levee_engine_expired_total{lane=\"claim\"} 0",
        "levee_engine_queue_delay_seconds_bucket{lane=\"claim\",le=\"0.000001\"} 0",
        "levee_engine_queue_delay_seconds_bucket{lane=\"claim\",le=\"1.048576\"} 0",
        "levee_engine_queue_delay_seconds_count{lane=\"browse\"} 0",
        "levee_engine_sync_seconds_bucket{le=\"+Inf\"} 0",
        "levee_campaign_money_minor{campaign=\"spring\",currency=\"CNY\",bucket=\"reserved\"} 2500",
        "levee_campaign_vouchers{campaign=\"spring\",state=\"live\"} 1",
    ] {
        assert!(got.body.lines().any(|other| other == line), "{line}\n{}", got.body);
    }
    for line in got.body.lines() {
        let comment = line.starts_with("# HELP ") || line.starts_with("# TYPE ");
        let sample = line.rsplit_once(' ').is_some_and(|(_, value)| value.parse::<f64>().is_ok());
        assert!(comment || sample, "{line}");
    }
    for role in ["", "app", "outlet"] {
        let got = bench.ask("GET /metrics", role, "", "");
        assert!(got.body.contains("levee_gate_connections "), "everyone sees how it runs");
        assert!(!got.body.contains("levee_campaign_"), "{role} does not see whose money is where");
    }
    // Money is looked at once a second at most.
    let asked = bench.engine.asked();
    for _ in 0..50 {
        bench.ask("GET /metrics", "viewer", "", "");
    }
    assert!(bench.engine.asked() < asked + 25, "{} {asked}", bench.engine.asked());
}

#[test]
fn the_openapi_document_says_it_all() {
    let bench = Bench::new();
    let got = bench.ask("GET /openapi.json", "", "", "");
    let document = got.json();
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 64, "{:?}", paths.keys().collect::<Vec<_>>());
    for (path, line) in [
        ("/v1/campaigns/{id}/claims", "post"),
        ("/v1/campaigns/{id}", "put"),
        ("/v1/locks/{id}", "delete"),
        ("/v1/wallet", "get"),
        ("/v1/audit/export", "get"),
        ("/v1/outlets/{id}", "put"),
    ] {
        assert!(document["paths"][path][line]["responses"].is_object(), "{line} {path}");
    }
    // Every error code is known, is in the enum, and some operation may answer with it, save those
    // that belong to no operation.
    let text = &got.body;
    for code in Code::ALL {
        // What came of a refund is told by connectors alone.
        let of_none = [Code::MethodNotAllowed, Code::HeadersTooLarge, Code::RefundNotFound];
        let is_alone = of_none.contains(code);
        let expected = if is_alone { 1 } else { 2 };
        let count = text.matches(&format!("\"{}\"", code.as_str())).count();
        assert!(count >= expected, "{} stands {count} times", code.as_str());
    }
    // Every reference leads somewhere.
    check_references(&document, &document);
    let ids: Vec<&str> = paths
        .values()
        .flat_map(|path| path.as_object().unwrap().values())
        .map(|operation| operation["operationId"].as_str().unwrap())
        .collect();
    let mut unique = ids.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), ids.len());
}

#[track_caller]
fn check_references(document: &Value, part: &Value) {
    match part {
        Value::Object(fields) => {
            if let Some(path) = fields.get("$ref") {
                let pointer = path.as_str().unwrap().strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{pointer}");
            }
            fields.values().for_each(|value| check_references(document, value));
        }
        Value::Array(values) => values.iter().for_each(|value| check_references(document, value)),
        _ => {}
    }
}

#[test]
fn the_documentation_needs_nothing_from_elsewhere() {
    let bench = Bench::new();
    let got = bench.ask("GET /docs", "", "", "");
    assert_eq!(got.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(got.header("content-security-policy").unwrap().contains("default-src 'none'"));
    for code in Code::ALL {
        assert!(got.body.contains(&format!("id=\"{}\"", code.as_str())), "{}", code.as_str());
    }
    for no in ["http://", "https://", "<script", "src="] {
        assert!(!got.body.contains(no), "{no}");
    }
    for link in got.body.split("href=\"#").skip(1) {
        let anchor = link.split('"').next().unwrap();
        assert!(got.body.contains(&format!("id=\"{anchor}\"")), "{anchor}");
    }
    assert!(bench.ask("GET /", "", "", "").body.contains("href=\"/docs\""));
}

#[test]
fn the_journal_is_streamed() {
    let bench = Bench::new();
    let got = bench.ask("GET /v1/audit/export?after=97", "operator", "", "");
    assert_eq!(got.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(got.body, "{\"seq\":98}\n{\"seq\":99}\n{\"seq\":100}\n");
    let all = bench.ask("GET /v1/audit/export", "operator", "", "");
    assert_eq!(all.body.lines().count(), 100);
    let none = bench.ask("GET /v1/audit/export?after=100", "operator", "", "");
    assert_eq!((none.status, none.body.as_str()), (200, ""));
    let got = bench.ask("GET /v1/audit/export?after=666", "operator", "", "");
    assert_eq!(got.brief(), "500 internal_error");
}

#[test]
fn an_export_waits_for_its_reader_and_ends_with_it() {
    let bench = Bench::new();
    let line = format!("GET /v1/audit/export?after={ENDLESS}");
    let mut readers: Vec<Wire> = (0..4).map(|_| Wire::open(bench.address)).collect();
    for wire in &mut readers {
        wire.send(&request(&line, "operator", "", ""));
        assert_eq!(wire.head().0, 200);
    }
    assert_eq!(bench.ask(&line, "operator", "", "").brief(), "503 overloaded");
    // Nobody reads on, so the sockets fill up and reading stops.
    let read = || bench.journal.read.load(Relaxed);
    let mut before = u64::MAX;
    wait_until("the export waits", || std::mem::replace(&mut before, read()) == read());
    assert!(read() < 4 * 1_000, "{}", read());
    drop(readers);
    wait_until("the export ends", || bench.journal.reading.load(Relaxed) == 0);
    assert_eq!(bench.ask("GET /v1/audit/export?after=99", "operator", "", "").status, 200);
}
