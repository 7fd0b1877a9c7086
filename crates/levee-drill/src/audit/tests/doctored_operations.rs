//! The brownout level and the limit of claims, doctored in one place at a time.

use super::*;

const fn by_rule(level: Level) -> LevelSetting {
    LevelSetting { level, by_hand: false }
}

const fn by_hand(level: Level) -> LevelSetting {
    LevelSetting { level, by_hand: true }
}

fn level(
    request: Option<u8>,
    before: LevelSetting,
    after: LevelSetting,
    reason: &str,
) -> (Command, Outcome) {
    let LevelSetting { level, by_hand } = after;
    let (request, reason) = (request.map(key), reason.to_owned());
    let command = ChangeLevel { request, level, by_hand, reason };
    (Command::ChangeLevel(Box::new(command)), Outcome::LevelChanged { before, after })
}

fn release_level(request: u8, before: LevelSetting, after: LevelSetting) -> (Command, Outcome) {
    let command = ReleaseLevel { request: key(request), reason: "over".into() };
    (Command::ReleaseLevel(command), Outcome::LevelChanged { before, after })
}

fn limit(request: u8, before: Option<u32>, after: Option<u32>, why: &str) -> (Command, Outcome) {
    let command =
        ChangeLimit { request: key(request), claims_per_s: after, reason: why.to_owned() };
    (Command::ChangeLimit(Box::new(command)), Outcome::LimitChanged { before, after })
}

/// A day's changes without a fault.
fn operated() -> Story {
    use Level::{Deferred, Lean, Normal};
    let steps = [
        level(None, by_rule(Normal), by_rule(Lean), "delay"), // 1
        level(Some(2), by_rule(Lean), by_hand(Lean), "drill"),
        level(Some(3), by_hand(Lean), by_hand(Deferred), "drill"),
        limit(4, None, Some(5_000), "disk"),
        release_level(5, by_hand(Deferred), by_rule(Deferred)), // 5
        level(None, by_rule(Deferred), by_rule(Normal), "quiet"),
        limit(7, Some(5_000), None, "over"),
    ];
    let mut story = Story::default();
    for (at_ms, (command, outcome)) in (10..).zip(steps) {
        story.add(at_ms, command, outcome);
    }
    story
}

#[track_caller]
fn check(name: &str, doctor: impl FnOnce(&mut Story), expected: &[(u64, &str)]) {
    let mut story = operated();
    doctor(&mut story);
    check_story(name, &story, expected);
}

fn change(story: &mut Story, seq: usize) -> &mut ChangeLevel {
    let Command::ChangeLevel(change) = &mut story.step(seq).command else { panic!("other") };
    change
}

fn ends_with(story: &mut Story, seq: usize, (command, outcome): (Command, Outcome)) {
    story.end(seq - 1);
    story.add(90, command, outcome);
}

#[test]
fn a_clean_day_is_reported() {
    let mut story = operated();
    story.end(4);
    let report = story.audit();
    assert_eq!(report.differences, []);
    let operations = serde_json::to_value(report.operations).unwrap();
    let expected = serde_json::json!({"level": "deferred", "by_hand": true, "claims_per_s": 5_000,
        "level_changes": 3, "limit_changes": 1});
    assert_eq!(operations, expected);
    check("clean to the end", |_| {}, &[]);
}

#[test]
fn levels() {
    use Level::{Deferred, Essential, Lean, Normal, Waiting};
    check(
        "a change left out",
        |s| s.0.drain(2..3).for_each(drop),
        &[
            (4, "the level was LevelSetting { level: Lean, by_hand: true }, not"),
            (4, "(Lean, false) was asked for, and it became (Deferred, false)"),
        ],
    );
    check(
        "a rule overrides an operator",
        |s| ends_with(s, 4, level(None, by_hand(Deferred), by_rule(Waiting), "delay")),
        &[(4, "a rule makes the level Waiting, which an operator had set")],
    );
    check(
        "an operator without a key",
        |s| change(s, 3).request = None,
        &[(3, "an operator changes the level without a request key")],
    );
    check(
        "asked for another",
        |s| change(s, 6).level = Essential,
        &[(6, "(Essential, false) was asked for, and it became (Normal, false)")],
    );
    check(
        "nothing changed",
        |s| ends_with(s, 2, level(None, by_rule(Lean), by_rule(Lean), "delay")),
        &[(2, "the level is LevelSetting { level: Lean, by_hand: false } already")],
    );
    check(
        "released to another level",
        |s| ends_with(s, 5, release_level(5, by_hand(Deferred), by_rule(Normal))),
        &[(5, "(Deferred, false) was asked for, and it became (Normal, false)")],
    );
    check(
        "released twice",
        |s| ends_with(s, 6, release_level(6, by_rule(Deferred), by_rule(Deferred))),
        &[(6, "the level is LevelSetting { level: Deferred, by_hand: false } already")],
    );
    check("no reason", |s| change(s, 1).reason.clear(), &[(1, "a reason of 0 bytes")]);
    check(
        "a reason without an end",
        |s| change(s, 1).reason = "r".repeat(REASON_LEN_MAX + 1),
        &[(1, "a reason of 201 bytes")],
    );
    check(
        "another command's outcome",
        |s| s.step(1).outcome = Outcome::LimitChanged { before: None, after: None },
        &[
            (1, "LimitChanged { before: None, after: None } cannot come of ChangeLevel"),
            (2, "the level was LevelSetting { level: Normal, by_hand: false }, not"),
        ],
    );
}

#[test]
fn limits() {
    check(
        "a change left out",
        |s| s.0.drain(3..4).for_each(drop),
        &[(6, "the limit was None, not Some(5000)"), (6, "the limit is None already")],
    );
    check(
        "no claims at all",
        |s| ends_with(s, 7, limit(8, Some(5_000), Some(0), "stop")),
        &[(7, "a limit of no claims at all")],
    );
    check(
        "asked for another",
        |s| s.step(4).outcome = Outcome::LimitChanged { before: None, after: Some(4_000) },
        &[
            (4, "a limit of Some(5000) was asked for, and it became Some(4000)"),
            (7, "the limit was Some(4000), not Some(5000)"),
        ],
    );
    check(
        "no reason",
        |s| ends_with(s, 7, limit(8, Some(5_000), Some(1), "")),
        &[(7, "a reason of 0 bytes")],
    );
    check(
        "a key used before",
        |s| ends_with(s, 7, limit(4, Some(5_000), Some(1), "disk")),
        &[(7, "request key 0404")],
    );
}
