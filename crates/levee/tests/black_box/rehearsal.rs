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
    let html = fs::read_to_string(&report).expect("written");
    assert!(html.contains("<svg") && !html.contains("http://") && !html.contains("<script"));
    // What it kept can be audited by anyone.
    assert!(levee(&["audit", path(&data)]).status.success());
}
