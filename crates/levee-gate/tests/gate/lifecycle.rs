//! Time limits, overload, faults of the engine, and the stop.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use levee_api::port::Failure;
use levee_gate::{GateConfig, KeyRing};

use crate::bench::{Bench, request, wait_until};
use crate::wire::Wire;

const CLAIMS: &str = "POST /v1/campaigns/spring/claims";

fn with(change: impl FnOnce(&mut GateConfig)) -> Bench {
    let mut config = GateConfig { workers: 2, ..GateConfig::default() };
    change(&mut config);
    Bench::with(config, KeyRing::dev())
}

#[test]
fn a_head_that_drips_in_is_cut_off() {
    let bench = with(|config| config.header_timeout = Duration::from_millis(150));
    let mut wire = Wire::open(bench.address);
    let mut dripping = wire.0.get_ref().try_clone().unwrap();
    let dripper = thread::spawn(move || {
        // Every byte would renew a limit on silence alone.
        for byte in request("GET /healthz", "", &"X: y\r\n".repeat(40), "").bytes().take(300) {
            if dripping.write_all(&[byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    });
    assert!(wire.is_closed());
    dripper.join().unwrap();
}

#[test]
fn who_has_said_all_still_gets_the_answer() {
    let bench = Bench::new();
    bench.campaign("spring", 10, "", "");
    for user in 0..10 {
        let mut wire = Wire::open(bench.address);
        wire.send(&request(CLAIMS, "app", "", &format!("{{\"user_id\":\"u{user}\"}}")));
        wire.0.get_ref().shutdown(Shutdown::Write).unwrap();
        assert_eq!(wire.receive().expect("an answer").status, 201);
        assert!(wire.is_closed());
    }
}

#[test]
fn an_idle_connection_is_closed_in_the_end() {
    let bench = with(|config| config.idle_timeout = Duration::from_millis(150));
    let mut wire = Wire::open(bench.address);
    assert_eq!(bench.on(&mut wire, "GET /healthz", "", "", "").status, 200);
    assert!(wire.is_closed());
}

#[test]
fn connections_over_the_limit_are_told_so() {
    let bench = with(|config| config.connections_max = 2);
    let mut held: Vec<Wire> = (0..2).map(|_| Wire::open(bench.address)).collect();
    for wire in &mut held {
        assert_eq!(bench.on(wire, "GET /healthz", "", "", "").status, 200);
    }
    let over = bench.ask("GET /healthz", "", "", "");
    assert_eq!((over.brief().as_str(), over.header("retry-after")), ("503 overloaded", Some("1")));
    drop(held);
    wait_until("room again", || {
        let mut wire = Wire::open(bench.address);
        wire.send(&request("GET /healthz", "", "", ""));
        wire.receive().is_some_and(|got| got.status == 200)
    });
}

#[test]
fn the_engines_failures_have_their_codes() {
    let bench = with(|config| config.reply_timeout = Duration::from_millis(200));
    bench.campaign("spring", 10, "", "");
    let claim = || bench.ask(CLAIMS, "app", "", "{\"user_id\":\"u\"}");
    assert_eq!(claim().status, 201);
    for (failure, expected, retry) in [
        (Failure::Overloaded, "503 overloaded", Some("1")),
        (Failure::Stopping, "503 unavailable", Some("1")),
        (Failure::StorageFull, "503 storage_full", Some("30")),
        (Failure::Quarantined, "500 internal_error", None),
    ] {
        *bench.engine.fails.lock().unwrap() = Some(failure);
        let got = claim();
        assert_eq!((got.brief().as_str(), got.header("retry-after")), (expected, retry));
        if matches!(failure, Failure::Overloaded | Failure::Stopping) {
            *bench.engine.fails.lock().unwrap() = None;
            *bench.engine.refuses.lock().unwrap() = Some(failure);
            assert_eq!(claim().brief(), expected);
            assert_eq!(claim().json()["retry_after_ms"], 1_000);
            *bench.engine.refuses.lock().unwrap() = None;
        }
    }
    *bench.engine.fails.lock().unwrap() = None;
    assert_eq!(claim().status, 200);
    // An engine that never replies does not hold the client for ever.
    bench.engine.silent.store(true, Relaxed);
    assert_eq!(claim().brief(), "503 unavailable");
    bench.engine.silent.store(false, Relaxed);
    assert_eq!(claim().status, 200);
}

#[test]
fn a_client_that_leaves_does_no_harm() {
    let bench = with(|config| config.workers = 1);
    bench.campaign("spring", 100, "", "");
    // The worker knows the campaign, so that a claim is the first that it asks.
    bench.claim("spring", "w");
    bench.engine.hold();
    let before = bench.engine.asked();
    for user in 0..10 {
        let mut wire = Wire::open(bench.address);
        let body = format!("{{\"user_id\":\"{user}\"}}");
        wire.send(&request(CLAIMS, "app", "", &body));
        wait_until("asked", || bench.engine.asked() > before + user);
    }
    // All have left before the engine replies to the first.
    bench.engine.release();
    let mut wire = Wire::open(bench.address);
    for user in 0..10 {
        let body = format!("{{\"user_id\":\"{user}\"}}");
        let got = bench.on(&mut wire, CLAIMS, "app", "", &body);
        assert_eq!((got.status, got.replayed()), (200, true), "{got:?}");
    }
    wait_until("nothing in flight", || {
        let metrics = bench.ask("GET /metrics", "", "", "").body;
        metrics.contains("levee_gate_requests_in_flight 1\n")
    });
}

#[test]
fn a_drain_finishes_what_is_under_way() {
    let bench = Bench::new();
    bench.campaign("spring", 100, "", "");
    let address = bench.address;
    let mut idle = Wire::open(address);
    assert_eq!(bench.on(&mut idle, "GET /healthz", "", "", "").status, 200);
    let mut busy: Vec<Wire> = (0..6).map(|_| Wire::open(address)).collect();
    bench.engine.hold();
    let before = bench.engine.asked();
    for (user, wire) in busy.iter_mut().enumerate() {
        wire.send(&request(CLAIMS, "app", "", &format!("{{\"user_id\":\"{user}\"}}")));
    }
    wait_until("all asked", || bench.engine.asked() >= before + 6);
    let Bench { gate, engine, .. } = bench;
    let drained = thread::spawn(move || gate.drain());
    // Idle ones are closed at once, and new ones refused, while the others wait.
    assert!(idle.is_closed());
    wait_until("new connections are refused", || TcpStream::connect(address).is_err());
    assert!(!drained.is_finished());
    engine.release();
    for wire in &mut busy {
        let got = wire.receive().expect("the answer to a request under way");
        assert_eq!((got.status, got.header("connection")), (201, Some("close")), "{got:?}");
        assert!(wire.is_closed());
    }
    drained.join().unwrap();
}

#[test]
fn a_drain_does_not_wait_for_ever() {
    let bench = with(|config| config.drain = Duration::from_millis(100));
    bench.campaign("spring", 100, "", "");
    bench.engine.hold();
    let before = bench.engine.asked();
    let mut wire = Wire::open(bench.address);
    wire.send(&request(CLAIMS, "app", "", "{\"user_id\":\"u\"}"));
    wait_until("asked", || bench.engine.asked() > before);
    let Bench { gate, engine, .. } = bench;
    gate.drain();
    assert!(wire.receive().is_none());
    engine.release();
}

#[test]
fn a_client_that_takes_nothing_is_cut_off() {
    let bench = with(|config| config.idle_timeout = Duration::from_millis(150));
    let mut wire = Wire::open(bench.address);
    let line = format!("GET /v1/audit/export?after={}", crate::engine::ENDLESS);
    wire.send(&request(&line, "operator", "", ""));
    assert_eq!(wire.head().0, 200);
    // The export ends although the client keeps its connection.
    wait_until("cut off", || bench.journal.reading.load(Relaxed) == 0);
    drop(wire);
}
