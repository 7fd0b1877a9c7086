//! The live stream, over real sockets.

use levee_api::intake::{GateReport, Why};
use levee_api::port::Submit;
use levee_api::types::Level;
use levee_api::wire::LiveFrame;

use crate::bench::{Bench, request, wait_until};
use crate::wire::Wire;

/// As many as a gate takes.
const LISTENERS: usize = 64;

fn listen(bench: &Bench) -> Wire {
    let mut wire = Wire::open(bench.address);
    wire.send(&request("GET /v1/live", "viewer", "", ""));
    let (status, headers) = wire.head();
    let kind = ("content-type".to_owned(), "text/event-stream".to_owned());
    assert!(status == 200 && headers.contains(&kind), "{status} {headers:?}");
    wire
}

/// The next event: its name, its id, its data.
fn event(wire: &mut Wire) -> (String, u64, String) {
    let text = wire.chunk();
    let body = text.strip_suffix("\n\n").expect("an event ends with an empty line");
    let field = |name: &str| body.lines().find_map(|line| line.strip_prefix(name));
    let id = field("id: ").map_or(0, |id| id.parse().unwrap());
    (field("event: ").unwrap().to_owned(), id, field("data: ").unwrap().to_owned())
}

fn frame(wire: &mut Wire) -> (u64, LiveFrame) {
    let (name, id, data) = event(wire);
    assert_eq!(name, "frame", "{data}");
    (id, serde_json::from_str(&data).expect("as documented"))
}

/// The stream's last event, after any number of frames; nothing comes behind it.
fn ending(wire: &mut Wire) -> String {
    loop {
        let (name, _, data) = event(wire);
        if name == "closed" {
            assert_eq!(wire.chunk(), "", "the end of the stream");
            return data;
        }
    }
}

#[test]
fn a_frame_shows_what_the_installation_does() {
    let bench = Bench::new();
    bench.campaign("spring", 10, "", "");
    bench.campaign("unfunded", 0, "", "");
    bench.claim("spring", "u");
    let intake = bench.engine.intake();
    let report = |claims| GateReport {
        name: "elsewhere".into(),
        // A lane that no request of this test is in: the gate reports as well.
        arrived: [claims, 0, 0, 0, 0],
        ..GateReport::default()
    };
    let number = intake.register_gate();
    intake.report(number, report(100));
    let mut wire = listen(&bench);
    let (first, shown) = frame(&mut wire);
    assert_eq!(
        shown.admission.is.lanes.callback.arrived, 0,
        "what was before is not of this second"
    );
    assert!(shown.gates.is.gates.iter().any(|gate| gate.name == "elsewhere"));
    assert!(shown.waiting.is.open);
    intake.report(number, report(175));
    let (second, shown) = frame(&mut wire);
    assert_eq!(second, first + 1);
    assert_eq!(shown.admission.is.lanes.callback.arrived, 75);
    assert!(shown.admission.as_of.ms > 0 && shown.level.is.reason.is_empty());
    // The engine's answer comes with a later frame, and nothing waits for it.
    let money = (0..20).find_map(|_| frame(&mut wire).1.money).expect("an answer");
    let [spring] = &money.is.campaigns[..] else { panic!("{money:?}") };
    assert_eq!((spring.id.as_str(), spring.currency.as_str()), ("spring", "CNY"));
    assert_eq!((spring.money.reserved_minor, spring.counts.claims), (2_500, 1));
}

#[test]
fn all_listeners_share_one_frame_and_the_engine_is_asked_once_a_second() {
    let bench = Bench::new();
    let mut wires: Vec<Wire> = (0..8).map(|_| listen(&bench)).collect();
    wires.iter_mut().for_each(|wire| drop(frame(wire)));
    let asked = bench.engine.asked();
    let (_, last, _) = event(&mut wires[0]);
    let wanted = last + 8;
    let mut of_id = Vec::new();
    for wire in &mut wires {
        // Whoever is told of this frame is told the same.
        let found =
            std::iter::repeat_with(|| event(wire)).find(|(_, id, _)| *id >= wanted).unwrap();
        assert_eq!(found.1, wanted, "nobody missed one who reads");
        of_id.push(found.2);
    }
    assert!(of_id.iter().all(|data| *data == of_id[0]), "{of_id:?}");
    // Nine frames are 2.25 seconds.
    assert!(bench.engine.asked() <= asked + 4, "{} {asked}", bench.engine.asked());
}

#[test]
fn a_level_ends_streams_and_they_come_back() {
    let bench = Bench::new();
    let mut wires: Vec<Wire> = (0..3).map(|_| listen(&bench)).collect();
    frame(&mut wires[0]);
    let intake = bench.engine.intake();
    for level in [Level::Lean, Level::Essential] {
        intake.set_level(level, Why::default());
        for wire in &mut wires {
            let expected = format!("{{\"reason\":\"the brownout level is {}\"}}", level.name());
            assert_eq!(ending(wire), expected);
        }
        let got = bench.ask("GET /v1/live", "operator", "", "");
        assert_eq!(
            (got.brief().as_str(), got.header("retry-after")),
            ("503 overloaded", Some("10"))
        );
        intake.set_level(Level::Normal, Why::default());
        wires = (0..3).map(|_| listen(&bench)).collect();
        frame(&mut wires[2]);
    }
}

/// Who passes the check just before the level rises must not wait for a frame that never comes.
#[test]
fn who_begins_to_listen_as_the_level_rises_is_told() {
    let bench = Bench::new();
    let intake = bench.engine.intake();
    for _ in 0..10 {
        let mut wire = Wire::open(bench.address);
        std::thread::scope(|scope| {
            scope.spawn(|| intake.set_level(Level::Lean, Why::default()));
            wire.send(&request("GET /v1/live", "viewer", "", ""));
        });
        let (status, _) = wire.head();
        if status == 200 {
            assert!(ending(&mut wire).contains("lean"));
        } else {
            assert_eq!(status, 503);
        }
        intake.set_level(Level::Normal, Why::default());
    }
}

#[test]
fn a_gate_takes_so_many_listeners_and_no_more() {
    let bench = Bench::new();
    let mut wires: Vec<Wire> = (0..LISTENERS).map(|_| listen(&bench)).collect();
    assert_eq!(bench.ask("GET /v1/live", "viewer", "", "").brief(), "503 overloaded");
    frame(&mut wires[LISTENERS - 1]);
    drop(wires.pop());
    // Noticed at once, or with the next frame.
    wait_until("a place is free", || takes_one_more(&bench));
}

#[test]
fn a_slow_listener_misses_frames() {
    let bench = Bench::new();
    let intake = bench.engine.intake();
    // Longer than what sockets take without being read.
    let report = GateReport { name: "x".repeat(8 << 20), ..GateReport::default() };
    intake.report(intake.register_gate(), report);
    let (mut slow, mut quick) = (listen(&bench), listen(&bench));
    let (from, _) = frame(&mut quick);
    while frame(&mut quick).0 < from + 8 {}
    let mut seen = Vec::new();
    while seen.last().is_none_or(|last| *last < from + 8) {
        seen.push(frame(&mut slow).0);
    }
    // One under way, one behind it, one in between: no more than a few are kept for anyone.
    assert!(seen.len() <= 6, "{seen:?} from {from}");
}

#[test]
fn a_gate_that_stops_ends_its_streams() {
    let bench = Bench::new();
    let mut wires: Vec<Wire> = (0..4).map(|_| listen(&bench)).collect();
    wires.iter_mut().for_each(|wire| drop(frame(wire)));
    bench.gate.drain();
    for wire in &mut wires {
        assert_eq!(ending(wire), "{\"reason\":\"the gate stops\"}");
    }
}

#[test]
fn the_stream_is_for_those_who_watch() {
    let bench = Bench::new();
    for (role, expected) in [("", "401 unauthorized"), ("app", "403 forbidden")] {
        assert_eq!(bench.ask("GET /v1/live", role, "", "").brief(), expected);
    }
    assert_eq!(bench.ask("HEAD /v1/live", "operator", "", "").status, 200);
    assert_eq!(bench.ask("POST /v1/live", "operator", "", "").status, 405);
    // The gate takes nobody for a listener who does not read a stream.
    let mut wires: Vec<Wire> = (1..LISTENERS).map(|_| listen(&bench)).collect();
    wait_until("all places are free", || takes_one_more(&bench));
    frame(&mut wires[0]);
}

/// Whether there is room for one more listener, who leaves at once.
fn takes_one_more(bench: &Bench) -> bool {
    let mut wire = Wire::open(bench.address);
    wire.send(&request("GET /v1/live", "viewer", "", ""));
    wire.head().0 == 200
}
