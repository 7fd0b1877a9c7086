//! The benches, small: what they check holds, and their figures have the names that others read.
//! How fast they are is no test.

use serde_json::Value;

use crate::harness::{levee, path, text};

/// Runs a bench to a good end and returns its figures, which have these names.
#[track_caller]
fn check(arguments: &str, names: &[&str]) -> Value {
    let words: Vec<&str> = ["bench"].into_iter().chain(arguments.split(' ')).collect();
    let output = levee(&[&words[..], &["--json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{arguments}: {}", text(&output));
    let figures: Value = serde_json::from_slice(&output.stdout).expect("JSON alone");
    for name in names {
        let value = name.split('.').fold(&figures, |value, name| &value[name]);
        assert!(value.is_number() || value.is_boolean(), "{arguments}: {name} in {figures}");
    }
    figures
}

#[test]
fn a_day_comes_to_a_clean_audit_with_its_counts() {
    let figures = check(
        "day --users 20000 --outlets 3000 --seed 7",
        &[
            "seconds",
            "users",
            "commands",
            "retries",
            "audit.ok",
            "orders",
            "audit.commands",
            "stages.outlets_seconds",
            "stages.play_seconds",
            "stages.audit_seconds",
            "commands_per_s",
            "ack_ms.p50",
            "ack_ms.max",
            "bytes_per_user",
            "journal_bytes_per_user",
        ],
    );
    let audit = &figures["audit"];
    assert_eq!((&audit["ok"], &figures["wrong_answers"]), (&true.into(), &0.into()), "{figures}");
    let counts = &audit["counts"];
    let count = |name: &str| counts[name].as_u64().expect("a count");
    assert_eq!(count("claims"), 20_000);
    assert_eq!(count("vouchers_redeemed"), 20_000, "{counts}");
    assert_eq!(audit["orders"]["states"]["collected"], 20_000, "{audit}");
    // Some ask twice, at once or later: the seed decides which.
    let number = |name: &str| figures[name].as_u64().expect("a number");
    assert!((2_000..6_000).contains(&number("retries")), "{figures}");
    assert!(number("commands") > 120_000 + number("retries"), "{figures}");
}

#[test]
fn a_day_is_drawn_by_its_seed_and_its_journal_can_be_kept() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let arguments = format!("day --users 20000 --outlets 3000 --seed 5 --data {}", path(&data));
    let kept = check(&arguments, &[]);
    let drawn = check("day --users 20000 --outlets 3000 --seed 5", &[]);
    // How often an outlet is too busy also depends on what is under way beside.
    for name in ["orders", "retries"] {
        assert_eq!(kept[name], drawn[name], "{name}");
    }
    assert_eq!(kept["audit"]["counts"], drawn["audit"]["counts"]);
    let audit = levee(&["audit", path(&data)]);
    assert!(audit.status.success(), "{}", text(&audit));
    // Figures of somebody's journal would mean nothing.
    let again = levee(&["bench", "day", "--users", "20000", "--data", path(&data)]);
    assert_eq!(again.status.code(), Some(3), "{}", text(&again));
    assert!(text(&again).contains("holds a journal already"), "{}", text(&again));
}

#[test]
fn an_engine_comes_back_from_its_journal_and_from_a_snapshot() {
    let names = [
        "replay_commands_per_s",
        "snapshot_bytes",
        "snapshot_seconds",
        "restart_ms",
        "memory_bytes",
        "cold",
    ];
    for arguments in ["recover --users 20000", "recover --users 20000 --cold"] {
        let figures = check(arguments, &names);
        assert_eq!(figures["repeats_checked"], 1_000, "{figures}");
        assert!(figures["replay_commands"].as_u64() > Some(20_000), "{figures}");
        assert!(figures["restart_commands"].as_u64() < Some(100), "{figures}");
    }
}

#[test]
fn claims_are_measured_without_and_with_a_snapshot() {
    let names = [
        "claims_per_s",
        "ack_ms.p50",
        "ack_ms.p99",
        "ack_ms.p999",
        "ack_ms.max",
        "bytes_per_claim",
        "journal_bytes_per_claim",
    ];
    let figures = check("claims --users 20000", &names);
    assert!(figures["during_snapshot_ms"].is_null(), "{figures}");
    let figures = check("claims --users 20000 --sync-delay-ms 5", &names);
    // A claim waits for its sync, however fast the disk is.
    assert!(figures["ack_ms"]["p50"].as_f64() > Some(4.9), "{figures}");
    // Few under way, so that the middle of so short a run lies many batches before its end.
    let arguments = "claims --users 60000 --vector 256 --in-flight 1024 --snapshot";
    let figures = check(arguments, &names);
    for part in ["before_snapshot_ms", "during_snapshot_ms"] {
        assert!(figures[part]["p999"].is_number(), "{part} in {figures}");
    }
    assert!(figures["snapshot_bytes"].as_u64() > Some(0), "{figures}");
}

#[test]
fn an_open_loop_crowd_loses_no_claim() {
    let arguments = "overload --only cases --regime b --admission on --seconds 1 --connections 64 \
                     --factor 0.9 --gate-process";
    let peaks = ["capacity_per_s", "capacity_gate_process_per_s"];
    let figures = check(arguments, &peaks);
    let cases = figures["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 2, "{figures}");
    for ((case, cooperating), peak) in cases.iter().zip([true, false]).zip(peaks) {
        // Each is held against what its own set-up takes.
        assert_eq!(case["capacity_per_s"], figures[peak], "{case}");
        for name in [
            "factor",
            "goodput_share",
            "offered_per_s",
            "admitted_p99_ms",
            "admitted_p99_ratio",
            "redemptions_in_time",
            "shed",
            "waited",
        ] {
            assert!(case[name].is_number(), "{name} in {case}");
        }
        // A second has too few half seconds for a median.
        let medians = ["admitted_p99_median_ms", "half_load_p99_median_ms"];
        assert!(medians.iter().all(|name| case.get(name).is_some_and(Value::is_null)), "{case}");
        assert_eq!(case["cooperating"], cooperating, "{case}");
        assert_eq!((&case["lost"], &case["fairness_inversions"]), (&0.into(), &0.into()), "{case}");
        let count = |name: &str| case[name].as_u64().expect("a count");
        assert!((1..=count("arrived")).contains(&count("admitted")), "{case}");
    }
}

#[test]
fn a_step_and_a_stop_are_played_to_their_end() {
    let arguments = "overload --only step --regime b --seconds 1 --connections 64";
    let figures = check(arguments, &["step.worst_ms", "step.offered_per_s"]);
    assert!(figures["step"]["looks"].as_u64() > Some(1), "{figures}");
    assert!(figures["recovery"].is_null() && figures["cases"] == Value::Array(vec![]), "{figures}");
    let arguments =
        "overload --only stop --regime b --seconds 2 --stopped-seconds 1.5 --connections 64";
    let figures = check(arguments, &["recovery.users_per_s", "recovery.lost"]);
    let windows = figures["recovery"]["windows_share"].as_array().expect("windows");
    assert_eq!(windows.len(), 8, "{figures}");
}

#[test]
fn a_wave_lets_everyone_in_and_compares_what_they_were_told() {
    let arguments = "overload --only estimate --claims-per-s 200 --seconds 1 --connections 64";
    let figures = check(arguments, &["estimate.within_p90"]);
    assert!(figures["estimate"]["waited"].as_u64() > Some(100), "{figures}");
    assert_eq!(figures["estimate"]["fairness_inversions"], 0, "{figures}");
    assert_eq!(figures["estimate"]["waves_within_p90"].as_array().map(Vec::len), Some(4));
}

#[test]
fn kitchens_promise_what_they_make_and_nothing_goes_to_a_paused_outlet() {
    let arguments = "kitchens --outlets 160 --seed 3";
    let figures = check(arguments, &["outlets", "times", "seed", "learning_minutes", "seconds"]);
    for play in ["paced", "control", "slower_at_noon"] {
        for name in [
            "asked",
            "walk_ins",
            "taken_now",
            "taken_near",
            "taken_later",
            "lapsed",
            "refused",
            "not_judged",
            "eta_coverage",
            "late_share",
            "late_share_of_later",
            "promised_minutes_mean",
            "early_minutes_mean",
            "late_minutes_mean",
            "full_hours",
            "utilisation_when_full",
            "sent_to_paused",
        ] {
            assert!(figures[play][name].is_number(), "{play}.{name} in {figures}");
        }
    }
    let count = |play: &str, name: &str| figures[play][name].as_u64().expect("a count");
    let share = |play: &str, name: &str| figures[play][name].as_f64().expect("a share");
    for play in ["paced", "slower_at_noon"] {
        assert_eq!(count(play, "sent_to_paused"), 0, "{play} in {figures}");
        // Everyone who asked was served, refused, or let a held offer go.
        let names = ["taken_now", "taken_near", "taken_later", "lapsed", "refused", "not_judged"];
        let sum: u64 = names.iter().map(|name| count(play, name)).sum();
        assert_eq!(sum, count(play, "asked"), "{play} in {figures}");
        assert_eq!(count(play, "asked"), count("control", "asked"), "{figures}");
        assert!(share(play, "late_share") < share("control", "late_share") / 2.0, "{figures}");
    }
    // Without pacing nobody knows of a pause, and nobody is refused.
    assert!(count("control", "sent_to_paused") > 0, "{figures}");
    assert_eq!(count("control", "taken_now"), count("control", "asked"), "{figures}");
    let again = check(arguments, &[]);
    for play in ["paced", "control", "slower_at_noon"] {
        assert_eq!(figures[play], again[play], "{play}");
    }
}

#[test]
fn outlets_are_imported_and_found() {
    let arguments = "outlets --outlets 2000 --searches 500 --seconds 0.2 --connections 4";
    let figures = check(arguments, &["outlets"]);
    for directory in ["shared_menus", "own_menus"] {
        for name in ["puts_per_s", "bytes_per_outlet", "searches_per_s"] {
            assert!(figures[directory][name].is_number(), "{directory}.{name} in {figures}");
        }
    }
    for name in ["imports_per_s", "unchanged_per_s", "restart_s", "searches_per_s"] {
        let figure = figures["http"][name].as_f64();
        assert!(figure.is_some_and(|figure| figure > 0.0), "http.{name} in {figures}");
    }
}
