//! The festival, small: played, audited, judged.

use std::fs;

use serde_json::Value;

use crate::harness::{levee, path, text};

#[test]
fn a_small_festival_is_played_and_proved() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let json = folder.path().join("out.json");
    let report = folder.path().join("report.html");
    let data = folder.path().join("data");
    let output = levee(&[
        "festival",
        "--seconds",
        "4",
        "--scale",
        "0.0002",
        "--seed",
        "7",
        "--json",
        path(&json),
        "--report",
        path(&report),
        "--data",
        path(&data),
    ]);
    assert!(output.status.success(), "{}", text(&output));
    let out: Value = serde_json::from_slice(&fs::read(&json).expect("written")).expect("JSON");
    let count = |pointer: &str| {
        out.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {pointer}"))
    };
    for kind in ["claims", "redemptions"] {
        assert_eq!((count(&format!("/{kind}/lost")), count(&format!("/{kind}/doubled"))), (0, 0));
        for name in ["attempted", "acked", "refused", "replayed"] {
            count(&format!("/{kind}/{name}"));
        }
    }
    assert!(count("/claims/acked") > 1_000, "{out}");
    assert!(count("/claims/replayed") > 0, "some users retry");
    assert!(count("/redemptions/acked") > 0, "some users redeem");
    assert_eq!(out["audit"]["ok"], true);
    let money = &out["campaigns"][0]["money"];
    let bucket = |name: &str| money[name].as_u64().unwrap_or_else(|| panic!("no {name}"));
    let parts = ["available", "reserved", "in_flight", "escrowed", "owed", "spent", "returned"];
    let sum: u64 = parts.iter().map(|name| bucket(&format!("{name}_minor"))).sum();
    assert_eq!(sum, bucket("funded_minor"));
    for quantile in ["p50", "p99", "p999", "max"] {
        assert!(out["latency_ms"]["claim"][quantile].is_number());
        assert!(out["latency_ms"]["redeem"][quantile].is_number());
    }
    assert!(out["peak_claims_per_s"].is_number());
    check_orders(&out);
    let html = fs::read_to_string(&report).expect("written");
    assert!(html.contains("<svg") && !html.contains("http://") && !html.contains("<script"));
    // What it kept can be audited by anyone.
    assert!(levee(&["audit", path(&data)]).status.success());
}

/// Users order, the outlets and the provider of the sandbox do their part, and both sides agree.
fn check_orders(out: &Value) {
    let count = |pointer: &str| {
        out.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {pointer}"))
    };
    assert!(count("/orders/placed") > 0 && count("/orders/paid") > 0, "{out}");
    for name in ["lost", "doubled", "wrong"] {
        assert_eq!(count(&format!("/orders/{name}")), 0, "{name}");
    }
    for name in ["captured", "refunded", "overpaid", "made_twice", "forgotten"] {
        assert_eq!(count(&format!("/payments/differences/{name}")), 0, "{name}");
    }
}

#[test]
fn a_festival_whose_engine_is_killed_loses_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let json = folder.path().join("out.json");
    let report = folder.path().join("report.html");
    let args = ["festival", "--seconds", "6", "--scale", "0.0002", "--seed", "11", "--kills", "2"];
    let files = ["--json", path(&json), "--report", path(&report)];
    let output = levee(&[&args[..], &files[..]].concat());
    assert!(output.status.success(), "{}", text(&output));
    let out: Value = serde_json::from_slice(&fs::read(&json).expect("written")).expect("JSON");
    assert_eq!(out["kills"].as_array().map(Vec::len), Some(2), "both came before the end");
    assert_eq!(out["audit"]["ok"], true);
    check_orders(&out);
}
