//! The commands that are not `serve`, and what they say when something is wrong.

use std::fs;

use serde_json::Value;

use crate::harness::{Place, SMALL_SEGMENTS, levee, path, run, text};

#[track_caller]
fn check(arguments: &[&str], status: i32, says: &str) {
    let output = levee(arguments);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
    assert!(said.contains(says), "{arguments:?}: {said}");
}

#[test]
fn usage_is_2_and_what_cannot_run_is_3() {
    check(&["--version"], 0, env!("CARGO_PKG_VERSION"));
    check(&[], 2, "Usage");
    check(&["surf"], 2, "surf");
    check(&["serve", "--speed", "fast"], 2, "--speed");
    check(&["serve", "--speed", "0", "--dev"], 2, "--speed");
    check(&["serve", "--dev", "--listen", "0.0.0.0:0"], 3, "loopback");
    check(&["serve", "--dev", "--listen", "nowhere"], 3, "nowhere");
    let scaler = ["serve", "--dev", "--listen", "127.0.0.1:0", "--scaler", "elsewhere"];
    check(&scaler, 3, "the scaler cannot listen on elsewhere");
    check(&["serve", "--config", "/nonexistent"], 3, "/nonexistent");
    check(&["audit", "/nonexistent"], 3, "/nonexistent");
    check(&["campaign", "check", "/nonexistent"], 3, "/nonexistent");
    check(&["key", "create", "--role", "outlet"], 2, "--brand");
    check(&["festival", "--scale", "2"], 2, "--scale");
    check(&["key", "create", "--role", "king"], 2, "king");
    check(&["key", "list", "--data", "/nonexistent"], 3, "/nonexistent");
    check(&["intake", "level", "mean", "--reason", "r", "--key", "k"], 2, "normal, lean");
    check(&["intake", "level", "lean", "--key", "k"], 2, "--reason");
    check(&["intake", "level", "lean", "--reason", "", "--key", "k"], 2, "1 to 200 bytes");
    check(&["intake", "limit", "0", "--reason", "r", "--key", "k"], 2, "must be none, or 1 to");
    check(&["festival", "/nonexistent"], 3, "cannot read /nonexistent");
}

#[test]
fn a_document_is_checked_with_its_field_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("campaign.toml");
    let good = r#"
        id = "spring"
        name = "Spring"
        currency = "CNY"
        opens_at = 2026-02-06T00:00:00+08:00
        closes_at = 2026-02-24T00:00:00+08:00
        time_zone = "Asia/Shanghai"
        [voucher]
        kind = "percent_off"
        percent = 20
        max_minor = 2_500
        valid_for = "P7D"
    "#;
    fs::write(&file, good).expect("written");
    check(&["campaign", "check", path(&file)], 0, "spring");
    fs::write(&file, good.replace("percent = 20", "percent = 120")).expect("written");
    check(&["campaign", "check", path(&file)], 3, "voucher.percent");
    fs::write(&file, good.replace("valid_for", "valid")).expect("written");
    check(&["campaign", "check", path(&file)], 3, "voucher.valid");
    fs::write(&file, "id = ").expect("written");
    check(&["campaign", "check", path(&file)], 3, "campaign.toml");
}

#[test]
fn keys_are_made_listed_and_revoked_beside_a_running_server() {
    let place = Place::new(SMALL_SEGMENTS);
    // Without --dev: no key but those that are made.
    let server = place.start_without_dev();
    let data = place.data();
    let made = levee(&["key", "create", "--role", "viewer", "--data", path(&data)]);
    assert!(made.status.success(), "{}", text(&made));
    let secret = String::from_utf8(made.stdout).expect("text").trim().to_owned();
    let stored = fs::read_to_string(data.join("keys.json")).expect("made");
    assert!(!stored.contains(&secret), "only the hash is kept");

    run(server.until_status(&secret, 200));
    run(server.until_status("dev-viewer", 401));
    let listed = text(&levee(&["key", "list", "--data", path(&data)]));
    let id = listed.split_whitespace().next().expect("one key").to_owned();
    check(&["key", "revoke", &id, "--data", path(&data)], 0, "revoked");
    check(&["key", "revoke", &id, "--data", path(&data)], 3, "no key");
    run(server.until_status(&secret, 401));
    server.stop();
}

#[test]
fn a_campaign_file_is_applied_and_shown() {
    let place = Place::new(SMALL_SEGMENTS);
    let server = place.start();
    let file =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/campaigns/lunar-new-year-2026.toml");
    let address = &server.name().to_owned();
    let apply = ["campaign", "apply", file, "--server", address, "--key", "dev-operator"];
    let made: Value = serde_json::from_slice(&levee(&apply).stdout).expect("JSON");
    assert_eq!((&made["state"], &made["version"]), (&"draft".into(), &1.into()));
    let again: Value = serde_json::from_slice(&levee(&apply).stdout).expect("JSON");
    assert_eq!(again["version"], 2);
    let id = made["id"].as_str().expect("an id");
    check(&["campaign", "show", id, "--server", address, "--key", "dev-viewer"], 0, "draft");
    check(&["campaign", "show", "none", "--server", address, "--key", "dev-viewer"], 3, "404");
    check(&["campaign", "show", id, "--server", address, "--key", "wrong"], 3, "401");
    server.stop();
    check(&["campaign", "show", id, "--server", address, "--key", "dev-viewer"], 3, "connection");
}

#[test]
fn a_level_and_a_limit_set_by_hand_outlive_a_restart() {
    let place = Place::new(&format!("{SMALL_SEGMENTS}[engine]\nclaims_per_s = 900\n"));
    let server = place.start();
    let ask = |server: &str, words: &[&str]| -> Value {
        let to = ["--server", server, "--key", "dev-operator"];
        let output = levee(&[&["intake"], words, &to].concat());
        assert!(output.status.success(), "{}", text(&output));
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let name = server.name().to_owned();
    assert_eq!(ask(&name, &["show"])["limit"]["claims_per_s"], 900);
    let changed = ask(&name, &["level", "lean", "--reason", "a drill"]);
    assert_eq!(changed["after"], serde_json::json!({"level": "lean", "by_hand": true}));
    assert_eq!(ask(&name, &["limit", "5000", "--reason", "a drill"])["after"], 5_000);
    let again = ["intake", "level", "lean", "--reason", "r", "--server", &name];
    check(&[&again[..], &["--key", "dev-operator"]].concat(), 3, "409 unchanged");
    check(&[&again[..], &["--key", "dev-viewer"]].concat(), 3, "403 forbidden");
    server.stop();

    let server = place.start();
    let name = server.name().to_owned();
    let shown = ask(&name, &["show"]);
    let level = &shown["level"];
    assert_eq!((&level["level"], &level["reason"]), (&"lean".into(), &"a drill".into()));
    assert_eq!(shown["limit"]["claims_per_s"], 5_000);
    assert_eq!(ask(&name, &["release", "--reason", "over"])["after"]["by_hand"], false);
    assert_eq!(ask(&name, &["limit", "none", "--reason", "over"])["before"], 5_000);
    assert_eq!(ask(&name, &["show"])["limit"]["claims_per_s"], 900, "the configuration's again");
    server.stop();
    place.audit_is_clean();
    let said = text(&levee(&["audit", path(&place.data())]));
    // A rule may have left the level since it was released, where the machine is slow.
    assert!(said.contains("by rule after"), "{said}");
    assert!(said.contains("limit of claims none after 2 changes"), "{said}");

    place.configure("[engine]\nclaims_per_s = 0\n");
    let said = text(&place.fail_to_start());
    assert!(said.contains("engine.claims_per_s is 0"), "{said}");
}
