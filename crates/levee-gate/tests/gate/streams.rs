//! Streams of one order and of an outlet's tickets, over real sockets.

use levee_api::intake::Why;
use levee_api::port::Submit;
use levee_api::types::Level;
use levee_gate::keys::{create, revoke};
use levee_gate::{GateConfig, KeyRing, Role};
use serde_json::{Value, json};

use crate::bench::{Bench, request, wait_until};
use crate::outlets::outlet;
use crate::shop::{grape, shop, text};
use crate::wire::Wire;

fn follow(bench: &Bench, path: &str, role: &str) -> Wire {
    let mut wire = Wire::open(bench.address);
    wire.send(&request(&format!("GET {path}"), role, "Levee-User: u1\r\n", ""));
    let (status, headers) = wire.head();
    let kind = ("content-type".to_owned(), "text/event-stream".to_owned());
    assert!(status == 200 && headers.contains(&kind), "{status} {headers:?}");
    let at_once = ("x-accel-buffering".to_owned(), "no".to_owned());
    assert!(headers.contains(&at_once), "{headers:?}");
    wire
}

/// The next event, signs of life left out: its name and its data.
fn event(wire: &mut Wire) -> (String, Value) {
    loop {
        let text = wire.chunk();
        let body = text.strip_suffix("\n\n").expect("an event ends with an empty line");
        if body.starts_with(": ") {
            continue;
        }
        let field = |name: &str| body.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let data = serde_json::from_str(field("data: ")).expect("JSON");
        return (field("event: ").to_owned(), data);
    }
}

/// Events until one has this state.
fn until_state(wire: &mut Wire, state: &str) -> Value {
    loop {
        let (name, order) = event(wire);
        assert_eq!(name, "order", "{order}");
        if order["state"] == state {
            return order;
        }
    }
}

fn order_path(order: &Value) -> String {
    format!("/v1/orders/{}/events", text(&order["id"]))
}

#[test]
fn an_order_is_shown_as_it_changes_until_it_is_over() {
    let bench = shop();
    let order = bench.placed("k1", &grape());
    let mut wire = follow(&bench, &order_path(&order), "app");
    let (name, first) = event(&mut wire);
    assert_eq!((name.as_str(), &first), ("order", &bench.shown(&order)));
    bench.pay(&order);
    until_state(&mut wire, "paid");
    bench.steps(&order, "sh-1", &["accept"]);
    until_state(&mut wire, "accepted");
    assert_eq!(bench.step(&order, "sh-1", "ready", 2).status, 200);
    until_state(&mut wire, "ready");
    assert_eq!(bench.step(&order, "sh-1", "collect", 3).status, 200);
    assert_eq!(until_state(&mut wire, "collected"), bench.shown(&order));
    assert_eq!(event(&mut wire), ("closed".to_owned(), json!({"reason": "the order is over"})));
    assert_eq!(wire.chunk(), "", "the end of the stream");
}

#[test]
fn many_who_follow_one_order_cost_one_question() {
    let bench = shop();
    let order = bench.placed("k1", &grape());
    let mut wires: Vec<Wire> =
        (0..20).map(|_| follow(&bench, &order_path(&order), "app")).collect();
    wires.iter_mut().for_each(|wire| drop(event(wire)));
    let before = bench.engine.asked();
    bench.pay(&order);
    for wire in &mut wires {
        until_state(wire, "paid");
    }
    // One callback, one question a worker and look, with a look to spare.
    assert!(bench.engine.asked() <= before + 1 + 2 * 2, "{} {before}", bench.engine.asked());
    // While nothing is written, nothing is asked.
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let before = bench.engine.asked();
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    assert!(bench.engine.asked() <= before + 1, "{} {before}", bench.engine.asked());
}

#[test]
fn only_those_who_may_see_an_order_follow_it() {
    let bench = shop();
    bench.campaign("spring", 1, "", "");
    let code = bench.claim("spring", "u1");
    let body = crate::shop::with(grape(), json!({"voucher_code": code}));
    let order = bench.placed("k1", &body);
    let line = format!("GET {}", order_path(&order));
    let ask = |role: &str, headers: &str| bench.ask(&line, role, headers, "").brief();
    assert_eq!(ask("app", "Levee-User: u2\r\n"), "403 order_of_another_user");
    assert_eq!(ask("app", ""), "400 invalid_field Levee-User");
    assert_eq!(ask("outlet", ""), "403 forbidden");
    let none = bench.ask("GET /v1/orders/ord_1/events", "viewer", "", "");
    assert_eq!(none.brief(), "404 order_not_found");
    // Two who see the same order see what each may.
    let mut app = follow(&bench, &order_path(&order), "app");
    let mut viewer = follow(&bench, &order_path(&order), "viewer");
    assert_eq!(event(&mut app).1["voucher_code"], json!(code));
    assert_eq!(event(&mut viewer).1.get("voucher_code"), None);
    bench.steps(&order, "sh-1", &["accept"]);
    assert_eq!(until_state(&mut app, "accepted")["voucher_code"], json!(code));
    assert_eq!(until_state(&mut viewer, "accepted").get("voucher_code"), None);
}

#[test]
fn an_outlet_sees_its_tickets_come_and_go() {
    let bench = shop();
    let mut wire = follow(&bench, "/v1/outlets/sh-1/tickets/events", "outlet");
    assert_eq!(event(&mut wire), ("tickets".to_owned(), json!({"tickets": []})));
    let order = bench.placed("k1", &grape());
    bench.pay(&order);
    let (_, seen) = event(&mut wire);
    assert_eq!(seen["tickets"][0]["order"], order["id"]);
    assert_eq!(seen["tickets"][0]["items"][0]["name"], "Grape");
    assert_eq!(bench.step(&order, "sh-1", "reject", 1).status, 200);
    assert_eq!(event(&mut wire).1, json!({"tickets": []}));
    let line = "GET /v1/outlets/x-1/tickets/events";
    assert_eq!(bench.ask(line, "outlet", "", "").brief(), "403 forbidden");
}

#[test]
fn a_level_ends_streams_and_a_listener_that_is_gone_leaves_its_place() {
    let bench = Bench::beside(&shop(), GateConfig { workers: 1, ..Default::default() });
    let path = "/v1/outlets/sh-1/tickets/events";
    let mut wires: Vec<Wire> = (0..256).map(|_| follow(&bench, path, "outlet")).collect();
    let line = format!("GET {path}");
    assert_eq!(bench.ask(&line, "outlet", "", "").brief(), "503 overloaded");
    wires.truncate(255);
    wait_until("a place is free", || {
        let mut wire = Wire::open(bench.address);
        wire.send(&request(&line, "outlet", "", ""));
        wire.head().0 == 200
    });
    bench.engine.intake().set_level(Level::Lean, Why::default());
    let closed = json!({"reason": "the brownout level is lean"});
    event(&mut wires[0]);
    assert_eq!(event(&mut wires[0]), ("closed".to_owned(), closed));
    assert_eq!(bench.ask(&line, "outlet", "", "").brief(), "503 overloaded");
    bench.engine.intake().set_level(Level::Normal, Why::default());
    event(&mut follow(&bench, path, "outlet"));
}

#[test]
fn a_gate_that_stops_says_so() {
    let bench = shop();
    let order = bench.placed("k1", &grape());
    let mut wire = follow(&bench, &order_path(&order), "app");
    event(&mut wire);
    let gate = bench.gate;
    let stopping = std::thread::spawn(move || gate.drain());
    assert_eq!(event(&mut wire), ("closed".to_owned(), json!({"reason": "the gate stops"})));
    stopping.join().unwrap();
}

#[test]
fn a_revoked_key_ends_its_streams_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let (_, operator) = create(&path, Role::Operator, None).unwrap();
    let (outlet_id, outlet_key) = create(&path, Role::Outlet, Some("dev")).unwrap();
    let (viewer_id, viewer) = create(&path, Role::Viewer, None).unwrap();
    let bench = Bench::with(GateConfig::default(), KeyRing::open(&path).unwrap());
    let key = |secret: &str| format!("Authorization: Bearer {secret}\r\n");
    let document = outlet("dev", 31.2304, 121.4737).to_string();
    let got = bench.ask("PUT /v1/outlets/sh-1", "", &key(&operator), &document);
    assert_eq!(got.status, 201, "{got:?}");
    let open = |path: &str, secret: &str| {
        let mut wire = Wire::open(bench.address);
        wire.send(&request(&format!("GET {path}"), "", &key(secret), ""));
        assert_eq!(wire.head().0, 200);
        assert_ne!(event(&mut wire).0, "closed");
        wire
    };
    let tickets = "/v1/outlets/sh-1/tickets/events";
    // The live stream first: it has four frames a second, so it cannot be waited for in vain.
    let mut revoked = [open("/v1/live", &viewer), open(tickets, &outlet_key)];
    let mut live = open("/v1/live", &operator);
    let mut kept = open(tickets, &operator);
    revoke(&path, &outlet_id).unwrap();
    revoke(&path, &viewer_id).unwrap();
    for wire in &mut revoked {
        let mut events = (0..60).map(|_| event(wire));
        let last = events.find(|(name, _)| name == "closed");
        let (_, last) = last.expect("a stream ends within some seconds");
        assert_eq!(last, json!({"reason": "the key was revoked"}));
    }
    for _ in 0..8 {
        assert_ne!(event(&mut live).0, "closed");
    }
    bench.engine.intake().set_level(Level::Lean, Why::default());
    let (name, data) = event(&mut kept);
    assert_eq!((name.as_str(), &data["reason"]), ("closed", &json!("the brownout level is lean")));
}
