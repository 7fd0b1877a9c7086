//! What the metrics say about the intake and about each gate.

use std::collections::BTreeSet;

use levee_api::advice::{Advice, Reason};
use levee_api::intake::{GateReport, OPEN, SLOT_US, WHOLE, Why};
use levee_api::port::{Priority, Submit};
use levee_api::types::{Level, WebhookId};

use crate::bench::{Bench, wait_until};

fn scrape(bench: &Bench) -> String {
    bench.ask("GET /metrics", "", "", "").body
}

#[track_caller]
fn check(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|other| other == *line), "{line}\n{text}");
    }
}

/// A sample's value.
#[track_caller]
fn value(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.expect(name).parse().expect("a number")
}

#[test]
fn every_gate_shows_what_it_reports() {
    let bench = Bench::new();
    let intake = bench.engine.intake();
    let report = GateReport {
        name: "east-1".to_owned(),
        region: "cn-east".to_owned(),
        tier: "1".to_owned(),
        arrived: [1, 2, 3, 40, 5],
        admitted: [1, 2, 3, 30, 4],
        shed: [0, 0, 0, 10, 1],
        told_to_wait: 7,
        passes_issued: 6,
        passes_admitted: 5,
        within_bound: 4,
        bound_kept: 0,
        bound_missed: 0,
        polled_early: 3,
        connections: 900,
        connections_max: 16_384,
        cpu_us: 12_345_678,
        loop_delay_us: 1_500,
        callback_lag_ms: 0,
        queue_delay_us: [2_000, 19_000],
    };
    let gate = intake.register_gate();
    intake.report(gate, report);
    check(
        &scrape(&bench),
        &[
            r#"levee_gate_arrivals_total{gate="east-1",region="cn-east",tier="1",lane="claim"} 40"#,
            r#"levee_gate_admitted_total{gate="east-1",region="cn-east",tier="1",lane="claim"} 30"#,
            r#"levee_gate_shed_total{gate="east-1",region="cn-east",tier="1",lane="claim"} 10"#,
            r#"levee_gate_shed_total{gate="east-1",region="cn-east",tier="1",lane="browse"} 1"#,
            r#"levee_gate_told_to_wait_total{gate="east-1",region="cn-east",tier="1"} 7"#,
            r#"levee_gate_passes_issued_total{gate="east-1",region="cn-east",tier="1"} 6"#,
            r#"levee_gate_passes_admitted_total{gate="east-1",region="cn-east",tier="1"} 5"#,
            r#"levee_gate_passes_within_bound_total{gate="east-1",region="cn-east",tier="1"} 4"#,
            r#"levee_gate_passes_polled_early_total{gate="east-1",region="cn-east",tier="1"} 3"#,
            r#"levee_gate_sockets{gate="east-1",region="cn-east",tier="1"} 900"#,
            r#"levee_gate_sockets_max{gate="east-1",region="cn-east",tier="1"} 16384"#,
            r#"levee_gate_cpu_seconds_total{gate="east-1",region="cn-east",tier="1"} 12.345678"#,
            r#"levee_gate_loop_delay_seconds{gate="east-1",region="cn-east",tier="1"} 0.001500"#,
            r#"levee_gate_queue_delay_seconds{gate="east-1",region="cn-east",tier="1",quantile="0.5"} 0.002000"#,
            r#"levee_gate_queue_delay_seconds{gate="east-1",region="cn-east",tier="1",quantile="0.99"} 0.019000"#,
        ],
    );
    intake.forget_gate(gate);
    let text = scrape(&bench);
    assert!(!text.contains("east-1"), "a gate that is gone is not shown");
}

#[test]
fn no_two_series_are_the_same_whatever_gates_call_themselves() {
    let bench = Bench::new();
    let intake = bench.engine.intake();
    let long = "x".repeat(10_000);
    for name in ["twin", "twin", "", "", "twin_3", "a\"b\\c\nd", &long, &long] {
        let report = GateReport { name: name.to_owned(), ..GateReport::default() };
        intake.report(intake.register_gate(), report);
    }
    let text = scrape(&bench);
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').expect("a value");
        assert!(seen.insert(series), "{series} is there twice");
    }
    let gates = ["twin", "twin#2", "#3", "#4", "twin_3", "a_b_c_d"];
    for gate in gates {
        check(&text, &[&format!(r#"levee_gate_sockets{{gate="{gate}",region="",tier=""}} 0"#)]);
    }
    assert!(text.lines().all(|line| line.len() < 300), "labels are bounded");

    for _ in 0..400 {
        intake.report(intake.register_gate(), GateReport::default());
    }
    // And the gate that is asked.
    wait_until("the gate reports", || scrape(&bench).contains("levee_intake_gates 409\n"));
    let text = scrape(&bench);
    assert_eq!(text.lines().filter(|line| line.starts_with("levee_gate_sockets{")).count(), 200);
}

#[test]
fn the_intake_shows_who_is_let_in() {
    let bench = Bench::new();
    let intake = bench.engine.intake();
    check(
        &scrape(&bench),
        &[
            r#"levee_intake_level{level="normal"} 1"#,
            r#"levee_intake_level{level="waiting"} 0"#,
            "levee_intake_level_by_hand 0",
            "levee_intake_room_closed 0",
            "levee_intake_watermark_lag_seconds 0.000000",
            "levee_intake_waiting 0",
            "levee_intake_window +Inf",
            r#"levee_intake_share{lane="claim"} 1.000000"#,
            "levee_intake_bound_margin 3.000",
        ],
    );

    let why = Why { reason: "by the operator".to_owned(), by_hand: true, since_ms: 1 };
    intake.set_level(Level::Waiting, why);
    let now_us = intake.now_us();
    intake.set_watermark_us(now_us - 20_000_000);
    for _ in 0..3 {
        intake.count_pass(now_us - 5 * SLOT_US);
    }
    intake.set_released_per_ks(1_234_500);
    intake.set_window(4_096);
    intake.set_claims_per_s(50_000);
    intake.set_share(Priority::Browse, WHOLE / 4);
    let text = scrape(&bench);
    check(
        &text,
        &[
            r#"levee_intake_level{level="normal"} 0"#,
            r#"levee_intake_level{level="waiting"} 1"#,
            "levee_intake_level_by_hand 1",
            "levee_intake_room_closed 1",
            "levee_intake_waiting 3",
            "levee_intake_released_per_second 1234.500",
            "levee_intake_window 4096",
            "levee_intake_claims_per_second_max 50000",
            r#"levee_intake_share{lane="browse"} 0.250000"#,
        ],
    );
    assert!(value(&text, "levee_intake_watermark_lag_seconds") >= 20.0);

    // A watermark ahead of now (an opening that is waited for) is no lag.
    intake.set_watermark_us(now_us + 3_600_000_000);
    let text = scrape(&bench);
    check(&text, &["levee_intake_watermark_lag_seconds 0.000000", "levee_intake_room_closed 1"]);
    intake.set_watermark_us(OPEN);
    check(&scrape(&bench), &["levee_intake_room_closed 0"]);
}

#[test]
fn what_an_autoscaler_is_told_is_shown() {
    let bench = Bench::new();
    let intake = bench.engine.intake();
    intake.advise("shop/gates", Some(Advice { gates: 7, reason: Reason::Engine }));
    check(
        &scrape(&bench),
        &[
            r#"levee_scaler_gates_wanted{object="shop/gates"} 7"#,
            r#"levee_scaler_reason{object="shop/gates",reason="engine"} 1"#,
            r#"levee_scaler_reason{object="shop/gates",reason="enough"} 0"#,
        ],
    );
    intake.advise("shop/gates", None);
    assert!(!scrape(&bench).contains("shop/gates"));
}

/// Every word of `text` that begins like this and goes on with letters, digits, `_` and `:`.
fn words<'t>(text: &'t str, start: &'t str) -> BTreeSet<&'t str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let begin = text.match_indices(start).map(|(at, _)| at);
    begin
        // Not in the middle of a longer word.
        .filter(|at| !text[..*at].ends_with(is_part))
        .map(|at| {
            let rest = &text[at..];
            &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())]
        })
        .collect()
}

#[test]
fn rules_and_dashboard_use_what_is_served() {
    let bench = Bench::new();
    bench.campaign("spring", 10, "", "");
    let intake = bench.engine.intake();
    intake.report(intake.register_gate(), GateReport::default());
    intake.advise("shop/gates", Some(Advice { gates: 1, reason: Reason::Enough }));
    let _ = bench.engine.vitals().hooks.of(&WebhookId::new("app").unwrap());
    let text = bench.ask("GET /metrics", "viewer", "", "").body;
    let served: BTreeSet<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();

    let rules = include_str!("../../../../deploy/prometheus/rules.yml");
    let tests = include_str!("../../../../deploy/prometheus/rules_test.yml");
    let board = include_str!("../../../../deploy/grafana/levee.json");
    let recorded: BTreeSet<&str> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- record: ")).collect();
    assert!(recorded.len() > 8, "{recorded:?}");
    for (file, text) in [("rules.yml", rules), ("rules_test.yml", tests), ("levee.json", board)] {
        let names = words(text, "levee_");
        assert!(names.len() > 8, "{file}: {names:?}");
        for name in names {
            assert!(served.contains(name), "{file} uses {name}, which /metrics does not serve");
        }
        for name in words(text, "levee:") {
            assert!(recorded.contains(name), "{file} uses {name}, which rules.yml does not record");
        }
    }
    for name in recorded {
        let used = words(board, "levee:").contains(name) || rules.matches(name).count() > 1;
        assert!(used, "{name} is recorded for nobody");
    }
    // Every alert has a test.
    for alert in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(tests.matches(&format!("alertname: {alert}\n")).count() > 0, "{alert} never fires");
    }
    // The dashboard is JSON, and no panel is without a query.
    let board: serde_json::Value = serde_json::from_str(board).expect("JSON");
    for panel in board["panels"].as_array().expect("panels") {
        let queries = panel["targets"].as_array().map_or(0, Vec::len);
        assert!(panel["type"] == "row" || queries > 0, "{panel}");
    }
}
