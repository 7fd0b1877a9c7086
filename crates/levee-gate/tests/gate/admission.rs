//! Who is let in, who waits, and what a place is worth.

use std::sync::Arc;
use std::time::Duration;

use levee_api::intake::{ClockFace, Intake, OPEN, SLOT_US};
use levee_api::port::Submit;
use levee_gate::{AdmissionConfig, GateConfig, KeyRing};
use serde_json::Value;

use crate::bench::{Bench, document, wait_until};
use crate::engine::NOW_MS;
use crate::wire::Got;

const OPENS_AT: &str = "2026-02-06T18:00:00Z";
const OPENS_MS: u64 = 1_770_400_800_000;

const SPRING: &str = "/v1/campaigns/spring/claims";

fn config() -> GateConfig {
    GateConfig { workers: 1, ..GateConfig::default() }
}

/// An open campaign behind a room that is closed before the places of this moment's slot.
fn closed() -> (Bench, Arc<Intake>) {
    let bench = Bench::with(config(), KeyRing::dev());
    bench.campaign("spring", 100, "", "");
    let intake = Arc::clone(bench.engine.intake());
    let now_us = intake.now_us();
    assert!(intake.close_at(now_us - now_us % SLOT_US));
    (bench, intake)
}

fn claim(bench: &Bench, user: &str, pass: &str) -> Got {
    if pass.is_empty() {
        return bench.post(SPRING, "app", "", &format!("{{\"user_id\":\"{user}\"}}"));
    }
    bench.claim_with(SPRING, user, pass)
}

/// The problem of a claim that has to wait.
#[track_caller]
fn waits(got: &Got) -> Value {
    assert_eq!(got.brief(), "429 waiting", "{got:?}");
    let problem = got.json();
    assert!(got.header("retry-after").is_some_and(|value| value != "0"), "{got:?}");
    assert!(problem["eta_p90_ms"].as_u64() >= problem["eta_ms"].as_u64(), "{problem}");
    problem
}

fn pass_of(problem: &Value) -> String {
    problem["pass"].as_str().expect("a pass").to_owned()
}

/// An operator sets the level.
fn set_level(bench: &Bench, level: &str) {
    let body = format!(r#"{{"level":"{level}","reason":"a test"}}"#);
    let got = bench.post("/v1/intake/level", "operator", &format!("to-{level}"), &body);
    assert_eq!(got.status, 200, "{got:?}");
}

/// Until the pass may be shown.
fn sit_out(problem: &Value) {
    let ms = problem["poll_after_ms"].as_u64().expect("a time");
    std::thread::sleep(Duration::from_millis(ms));
}

#[test]
fn a_pass_is_let_in_when_the_watermark_is_behind_its_place_on_any_gate() {
    let (bench, intake) = closed();
    let first = waits(&claim(&bench, "u1", ""));
    let second = waits(&claim(&bench, "u2", ""));
    let ahead = |problem: &Value| problem["position_ahead"].as_u64().expect("a number");
    assert_eq!(ahead(&second), ahead(&first) + 1);
    sit_out(&first);
    // Not yet: the place is the same, however often it is asked for.
    let again = waits(&claim(&bench, "u1", &pass_of(&first)));
    sit_out(&again);
    // Another gate before the same engine, and a restart, know it as well.
    let other = bench.beside(config());
    intake.set_watermark_us(intake.now_us());
    assert_eq!(other.claim_with(SPRING, "u1", &pass_of(&again)).status, 201);
    // Who comes now is behind all who wait, and who waits is let in when all are.
    intake.set_watermark_us(OPEN);
    sit_out(&second);
    assert_eq!(claim(&bench, "u2", &pass_of(&second)).status, 201);
    // The pass has done its work; the claim is answered again all the same.
    assert_eq!(claim(&bench, "u2", &pass_of(&second)).status, 200);
}

#[test]
fn a_place_lasts_as_long_as_the_wait_does() {
    let (bench, intake) = closed();
    let problem = waits(&claim(&bench, "u1", ""));
    // Told to come in eleven minutes, and there then: the wait was long, and nobody's fault.
    let eleven_us = 11 * 60_000_000;
    intake.set_offset_us(-eleven_us);
    let long_ago = waits(&claim(&bench, "u2", ""));
    intake.set_offset_us(0);
    let began_us = intake.now_us() - eleven_us.unsigned_abs();
    intake.set_watermark_us(began_us - began_us % 100_000 - 100_000);
    // The first text is too old by now, and leads to no place that was let in long ago.
    let again = waits(&claim(&bench, "u2", &pass_of(&long_ago)));
    sit_out(&again);
    set_level(&bench, "waiting");
    intake.set_watermark_us(intake.now_us());
    assert_eq!(claim(&bench, "u2", &pass_of(&again)).status, 201, "with the newest text");
    waits(&claim(&bench, "u3", ""));
    sit_out(&problem);
    assert_eq!(claim(&bench, "u1", &pass_of(&problem)).status, 201);
}

#[test]
fn a_pass_is_good_for_one_user_and_only_as_it_was_given() {
    let (bench, intake) = closed();
    let problem = waits(&claim(&bench, "u1", ""));
    intake.set_watermark_us(OPEN);
    let pass = pass_of(&problem);
    let forged = |pass: &str, user: &str| {
        let got = claim(&bench, user, pass);
        assert_eq!(got.brief(), "400 invalid_field Levee-Pass", "{got:?}");
    };
    forged(&pass, "u2");
    forged(&pass[1..], "u1");
    forged("x", "u1");
    // Near the end is the signature: a day that has no key would only be taken as long ago.
    let other = if &pass[60..61] == "A" { "B" } else { "A" };
    forged(&format!("{}{other}{}", &pass[..60], &pass[61..]), "u1");
}

#[test]
fn who_comes_back_too_soon_falls_behind_and_gains_nothing() {
    let (bench, intake) = closed();
    waits(&claim(&bench, "u0", ""));
    let problem = waits(&claim(&bench, "u1", ""));
    // The turn has come, but not the moment that was told.
    intake.set_watermark_us(intake.now_us());
    let early = waits(&claim(&bench, "u1", &pass_of(&problem)));
    wait_until("the early poll is counted", || intake.sum_of_gates(|gate| gate.polled_early) == 1);
    // Whoever goes on with the new pass has a later place,
    sit_out(&early);
    let watermark_us = intake.now_us().saturating_sub(500_000);
    intake.set_watermark_us(watermark_us);
    waits(&claim(&bench, "u1", &pass_of(&early)));
    // and the old one is as good as it was.
    let _ = waits(&claim(&bench, "u2", ""));
    sit_out(&problem);
    intake.set_watermark_us(intake.now_us());
    assert_eq!(claim(&bench, "u1", &pass_of(&problem)).status, 201);
}

#[test]
fn a_full_window_closes_the_room_and_newcomers_wait() {
    let bench = Bench::with(config(), KeyRing::dev());
    bench.campaign("spring", 100, "", "");
    let intake = bench.engine.intake();
    intake.set_window(1);
    assert_eq!(claim(&bench, "u0", "").status, 201, "one at a time is within the window");
    bench.engine.hold();
    let asked = bench.engine.asked();
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| claim(&bench, "u1", ""));
        wait_until("the claim is inside", || bench.engine.asked() > asked);
        // A question would wait behind the held claim; newcomers are told at once.
        waits(&claim(&bench, "u2", ""));
        assert_ne!(intake.watermark_us(), OPEN);
        bench.engine.release();
        assert_eq!(inside.join().expect("no panic").status, 201);
    });
}

#[test]
fn newcomers_go_in_where_too_few_of_those_who_wait_are_there() {
    let (bench, intake) = closed();
    waits(&claim(&bench, "u1", ""));
    intake.set_idle_window(1);
    assert_eq!(claim(&bench, "u2", "").status, 201);
    // Not where an operator holds them.
    set_level(&bench, "waiting");
    waits(&claim(&bench, "u4", ""));
    set_level(&bench, "normal");
    assert_eq!(claim(&bench, "u5", "").status, 201);
}

#[test]
fn before_the_opening_places_are_drawn_and_one_user_has_one() {
    let bench = Bench::with(config(), KeyRing::dev());
    let intake = Arc::clone(bench.engine.intake());
    let document = document("spring", "", "").replace("2026-02-06T00:00:00+08:00", OPENS_AT);
    assert_eq!(bench.post("/v1/campaigns", "operator", "c", &document).status, 201);
    let fund = r#"{"amount_minor":250000,"reference":"first"}"#;
    assert_eq!(bench.post("/v1/campaigns/spring/fund", "operator", "f", fund).status, 200);
    assert_eq!(bench.post("/v1/campaigns/spring/open", "operator", "o", "").status, 200);
    let opens_ms = OPENS_MS;
    let face = |journal_ms| ClockFace { at_us: intake.now_us(), journal_ms, speed: 1.0 };

    // An hour before, the room is not open yet: the rules refuse.
    intake.set_clock(face(opens_ms - 3_600_000));
    assert_eq!(claim(&bench, "u1", "").brief(), "409 campaign_not_open");
    // Nor while others wait: a place of now would come before all that will be drawn.
    intake.close_at(intake.now_us());
    assert_eq!(claim(&bench, "u1", "").brief(), "409 campaign_not_open");
    intake.set_watermark_us(OPEN);
    // A minute before, everyone gets a drawn place, and no other by asking again.
    intake.set_clock(face(opens_ms - 60_000));
    let first = waits(&claim(&bench, "u1", ""));
    assert_eq!(first["opens_at"], "2026-02-06T18:00:00.000Z");
    let again = waits(&claim(&bench, "u1", ""));
    assert_eq!(again["draw_ticket"], first["draw_ticket"]);
    let draw = bench.ask("GET /v1/campaigns/spring/draw", "viewer", "", "").json();
    assert_eq!(draw["seed"], Value::Null);
    // Whoever comes back is told the truth about the opening.
    assert!(first["eta_ms"].as_u64().is_some_and(|ms| (58_000..=62_000).contains(&ms)));

    // It opens: with the seed everybody can see that the commitment was kept.
    intake.set_clock(face(opens_ms));
    bench.engine.now_ms.store(opens_ms.max(NOW_MS), std::sync::atomic::Ordering::Relaxed);
    let opened = bench.ask("GET /v1/campaigns/spring/draw", "viewer", "", "").json();
    assert_eq!(opened["commitment"], draw["commitment"]);
    assert!(opened["seed"].as_str().is_some_and(|seed| seed.len() == 64));
}

#[test]
fn deferred_codes_come_within_their_time() {
    let bench = Bench::with(config(), KeyRing::dev());
    bench.campaign("spring", 100, "", "");
    let intake = bench.engine.intake();
    intake.set_clock(ClockFace { at_us: intake.now_us(), journal_ms: NOW_MS, speed: 1.0 });
    intake.set_codes_within_ms(60_000);
    assert_eq!(claim(&bench, "u0", "").status, 201, "nothing is deferred at normal");
    set_level(&bench, "deferred");
    let got = claim(&bench, "u1", "");
    assert_eq!(got.status, 202, "{got:?}");
    let accepted = got.json();
    let after_ms = accepted["code_after_ms"].as_u64().expect("a time");
    assert!(after_ms <= 60_000, "{accepted}");
    // Durable: asked again in between it is the same claim, and later it has its code.
    assert_eq!(claim(&bench, "u1", "").json()["seq"], accepted["seq"]);
    let journal_ms = NOW_MS + 60_000;
    intake.set_clock(ClockFace { at_us: intake.now_us(), journal_ms, speed: 1.0 });
    let got = claim(&bench, "u1", "");
    assert_eq!((got.status, &got.json()["seq"]), (200, &accepted["seq"]), "{got:?}");
    // Back at normal nothing is held back.
    intake.set_clock(ClockFace { at_us: intake.now_us(), journal_ms: NOW_MS, speed: 1.0 });
    set_level(&bench, "normal");
    assert_eq!(claim(&bench, "u1", "").status, 200);
}

#[test]
fn levels_keep_newcomers_and_then_everyone_waiting() {
    let bench = Bench::with(config(), KeyRing::dev());
    bench.campaign("spring", 100, "", "");
    let code = bench.claim("spring", "u0");
    let intake = bench.engine.intake();
    set_level(&bench, "waiting");
    let problem = waits(&claim(&bench, "u1", ""));
    sit_out(&problem);
    intake.set_watermark_us(intake.now_us());
    set_level(&bench, "essential");
    let problem = waits(&claim(&bench, "u1", &pass_of(&problem)));
    // Redemptions go on.
    let body = format!(
        r#"{{"voucher_code":"{code}","user_id":"u0","order_minor":3000,"reference":"r1"}}"#
    );
    assert_eq!(bench.post("/v1/redemptions", "app", "r1", &body).status, 201);
    set_level(&bench, "normal");
    sit_out(&problem);
    assert_eq!(claim(&bench, "u1", &pass_of(&problem)).status, 201);
}

#[test]
fn the_rates_of_users_and_keys_are_limited() {
    let admission = AdmissionConfig { user_per_s: 1, ..AdmissionConfig::default() };
    let bench = Bench::with(GateConfig { admission, ..config() }, KeyRing::dev());
    bench.campaign("spring", 100, "", "");
    assert_eq!(claim(&bench, "u1", "").status, 201);
    assert_eq!(claim(&bench, "u1", "").status, 200);
    let got = claim(&bench, "u1", "");
    assert_eq!(got.brief(), "429 rate_limited");
    assert!(got.json()["retry_after_ms"].as_u64().is_some_and(|ms| (1..=1_000).contains(&ms)));
    assert_eq!(claim(&bench, "u2", "").status, 201);

    let admission = AdmissionConfig { key_per_s: 5, ..AdmissionConfig::default() };
    let bench = Bench::with(GateConfig { admission, ..config() }, KeyRing::dev());
    let statuses: Vec<u16> =
        (0..20).map(|_| bench.ask("GET /v1/campaigns", "viewer", "", "").status).collect();
    assert!(statuses.contains(&429) && statuses[..10].iter().all(|status| *status == 200));
    assert_eq!(bench.ask("GET /v1/campaigns", "operator", "", "").status, 200, "another key");
}

#[test]
fn the_page_shows_a_place_without_a_script_and_lets_nobody_in() {
    let (bench, intake) = closed();
    let problem = waits(&claim(&bench, "u1", ""));
    let page = problem["page"].as_str().expect("a path");
    let got = bench.ask(&format!("GET {page}"), "", "", "");
    assert_eq!(got.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(got.body.contains("http-equiv=\"refresh\"") && !got.body.contains("<script"));
    let json = bench.ask(&format!("GET {page}"), "", "Accept: application/json\r\n", "").json();
    assert_eq!(json["your_turn"], false);
    intake.set_watermark_us(OPEN);
    let json = bench.ask(&format!("GET {page}"), "", "Accept: application/json\r\n", "").json();
    assert_eq!(json["your_turn"], true);
    assert_eq!(bench.ask("GET /wait/nonsense", "", "", "").brief(), "404 pass_not_found");
}

#[test]
fn batches_wait_line_by_line() {
    let (bench, intake) = closed();
    let path = "POST /v1/campaigns/spring/claims/batch";
    let ndjson = "Content-Type: application/x-ndjson\r\n";
    let got = bench.ask(path, "app", ndjson, "{\"user_id\":\"u1\"}\n{\"user_id\":\"u2\"}\n");
    let lines: Vec<Value> =
        got.body.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 2, "{got:?}");
    for line in &lines {
        assert!(line.to_string().contains("\"waiting\""), "{line}");
    }
    intake.set_watermark_us(OPEN);
    let got = bench.ask(path, "app", ndjson, "{\"user_id\":\"u1\"}\n");
    assert!(got.body.contains("voucher"), "{got:?}");
}
