//! The brownout level and the limit of claims: what gates see of them, and what a restart keeps.

use std::path::Path;

use levee_api::intake::Why;
use levee_api::port::{Answer, AskBody, Export, Query, Reply, Submit};
use levee_core::types::*;
use levee_engine::EngineConfig;

use crate::harness::{Bench, config, folder, start};

fn with_limit(data: &Path, claims_per_s: u32) -> EngineConfig {
    let mut config = config(data);
    config.claims_per_s = Some(claims_per_s);
    config
}

fn level(key: Option<u8>, level: Level, reason: &str) -> Command {
    let (request, by_hand) = (key.map(|key| RequestKey([key; 16])), key.is_some());
    Command::ChangeLevel(Box::new(ChangeLevel { request, level, by_hand, reason: reason.into() }))
}

fn limit(key: u8, claims_per_s: Option<u32>) -> Command {
    let (request, reason) = (RequestKey([key; 16]), "disk".into());
    Command::ChangeLimit(Box::new(ChangeLimit { request, claims_per_s, reason }))
}

#[track_caller]
fn check(bench: &Bench, level: Level, why: (&str, bool, u64), claims_per_s: u64) {
    let (reason, by_hand, since_ms) = why;
    let intake = bench.engine.intake();
    assert_eq!(intake.level(), level);
    assert_eq!(intake.why(), Why { reason: reason.into(), by_hand, since_ms });
    assert_eq!(intake.claims_per_s(), claims_per_s);
}

fn operations(bench: &Bench) -> Operations {
    bench.submit(AskBody::Query(Box::new(Query::Operations))).expect("there is room");
    let Reply::Answer(answer) = bench.reply() else { panic!("no answer") };
    let Answer::Operations(operations) = *answer else { panic!("another answer") };
    operations
}

#[test]
fn gates_see_a_change_once_it_is_durable_and_a_restart_keeps_it() {
    let (_folder, data) = folder();
    let bench = start(&with_limit(&data, 900), 1_000).expect("starts");
    check(&bench, Level::Normal, ("", false, 0), 900);
    bench.done(level(None, Level::Lean, "delay"));
    check(&bench, Level::Lean, ("delay", false, 1_000), 900);
    bench.clock.set(2_000);
    bench.done(level(Some(1), Level::Waiting, "storm"));
    bench.done(limit(2, Some(5_000)));
    check(&bench, Level::Waiting, ("storm", true, 2_000), 5_000);
    assert!(matches!(
        bench.command(level(None, Level::Normal, "quiet")),
        Reply::Refused(Refusal::LevelByHand)
    ));
    check(&bench, Level::Waiting, ("storm", true, 2_000), 5_000);
    let before = operations(&bench);
    bench.engine.stop().expect("ends well");
    drop(bench);

    // From the journal alone.
    let bench = start(&with_limit(&data, 700), 3_000).expect("starts again");
    check(&bench, Level::Waiting, ("storm", true, 2_000), 5_000);
    assert_eq!(operations(&bench), before);
    match bench.command(level(Some(1), Level::Waiting, "storm")) {
        Reply::Done { repeated: true, .. } => {}
        other => panic!("{other:?}"),
    }
    // Without a limit by hand, the configuration's of this start holds.
    bench.done(limit(3, None));
    check(&bench, Level::Waiting, ("storm", true, 2_000), 700);
}

#[test]
fn a_snapshot_keeps_what_was_set() {
    let (_folder, data) = folder();
    let mut config = config(&data);
    config.snapshots.at_stop = true;
    let bench = start(&config, 1_000).expect("starts");
    bench.done(level(Some(1), Level::Deferred, "storm"));
    bench.done(limit(2, Some(1)));
    let before = operations(&bench);
    bench.engine.stop().expect("ends well");
    drop(bench);
    let bench = start(&config, 2_000).expect("starts from a snapshot");
    let vitals = bench.engine.vitals();
    assert!(vitals.snapshot_seq.load(std::sync::atomic::Ordering::Relaxed) > 0);
    check(&bench, Level::Deferred, ("storm", true, 1_000), 1);
    assert_eq!(operations(&bench), before);
    let request = RequestKey([9; 16]);
    bench.done(Command::ReleaseLevel(ReleaseLevel { request, reason: "over".into() }));
    check(&bench, Level::Deferred, ("over", false, 2_000), 1);
}

#[test]
fn an_export_shows_who_changed_what_and_why() {
    let (_folder, data) = folder();
    let bench = start(&config(&data), 1_000).expect("starts");
    bench.done(level(Some(1), Level::Lean, "storm"));
    let (last, _) = bench.done(limit(2, Some(5_000)));
    let chunks = bench.engine.export().export(0).expect("readable");
    let text = chunks.flat_map(|chunk| chunk.expect("good")).collect();
    let text = String::from_utf8(text).expect("text");
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let (first, second) = (&lines[0], &lines[1]);
    assert_eq!(first["command"]["change_level"]["reason"], "storm");
    assert_eq!(
        first["outcome"]["level_changed"],
        serde_json::json!({
            "before": {"level": "normal", "by_hand": false},
            "after": {"level": "lean", "by_hand": true}
        })
    );
    assert_eq!(second["seq"], last);
    assert_eq!(second["outcome"]["limit_changed"]["after"], 5_000);
}
