//! A request that comes whole is read by the gate itself, any other by hyper: nobody must be able to
//! tell from the answers.

use crate::bench::{Bench, request};
use crate::wire::{Got, Wire};

/// Without what differs from answer to answer.
fn comparable(mut got: Got) -> Got {
    let date = got.headers.iter_mut().find(|(name, _)| name == "date").expect("a date");
    assert!(date.1.ends_with(" GMT") && date.1.len() == 29, "{}", date.1);
    date.1.clear();
    got.headers.sort();
    if let Some((start, rest)) = got.body.split_once("\"request_id\":\"req_") {
        got.body = format!("{start}{}", rest.split_once('"').expect("an id").1);
        got.headers.retain(|(name, _)| name != "content-length");
    }
    got
}

#[test]
fn both_ways_give_the_same_answers() {
    let bench = Bench::new();
    bench.campaign("spring", 10, "", "");
    bench.claim("spring", "u1");
    let claims = "POST /v1/campaigns/spring/claims";
    let long = format!("{{\"user_id\":\"{}\"}}", "u".repeat(15_000));
    for (line, role, headers, body) in [
        // A repeat, so that it may be asked twice.
        (claims, "app", "", "{\"user_id\":\"u1\"}"),
        (claims, "app", "Connection: keep-alive\r\n", "{\"user_id\":\"u1\"}"),
        (claims, "app", "Connection: close\r\n", "{\"user_id\":\"u1\"}"),
        (claims, "app", "", "{\"user_id\":\"u1\",\"user_id\":\"u2\"}"),
        (claims, "app", "", &long),
        (claims, "app", "", "[]"),
        (claims, "viewer", "", "{\"user_id\":\"u1\"}"),
        (claims, "", "", "{\"user_id\":\"u1\"}"),
        (claims, "app", "Authorization: Bearer dev-app\r\n", "{\"user_id\":\"u1\"}"),
        (claims, "app", "Content-Type: text/plain\r\n", "{\"user_id\":\"u1\"}"),
        (claims, "app", "Content-Length: 0\r\n", ""),
        ("POST /v1/campaigns/spring/claims?x=y", "app", "", "{\"user_id\":\"u1\"}"),
        ("POST /v1/campaigns/none/claims", "app", "", "{\"user_id\":\"u1\"}"),
        ("POST /v1/campaigns/spring/pause", "operator", "", "{}"),
        ("POST /v1/campaigns/spring/resume", "operator", "Idempotency-Key: k\r\n", "{}"),
        ("POST /v1/nothing", "app", "", "{}"),
        ("POST /healthz", "", "", "{}"),
    ] {
        let request = request(line, role, headers, body);
        let mut answers = Vec::new();
        // An empty line in front is allowed, and nothing that the short way takes.
        for front in ["", "\r\n"] {
            let mut wire = Wire::open(bench.address);
            wire.send(&format!("{front}{request}"));
            let got = wire.receive().expect("an answer");
            if got.header("connection") == Some("close") {
                assert!(wire.is_closed(), "{request}");
            }
            answers.push(comparable(got));
        }
        assert_eq!(answers[0], answers[1], "{request}");
    }
}

#[test]
fn a_connection_goes_from_the_short_way_to_the_long_one() {
    let bench = Bench::new();
    bench.campaign("spring", 10, "", "");
    let mut wire = Wire::open(bench.address);
    let claim = |user: &str| {
        let body = format!("{{\"user_id\":\"{user}\"}}");
        request("POST /v1/campaigns/spring/claims", "app", "", &body)
    };
    for user in ["a", "b"] {
        wire.send(&claim(user));
        assert_eq!(wire.receive().expect("an answer").status, 201);
    }
    // Two at once, and then one in two pieces.
    wire.send(&(claim("a") + &claim("c")));
    let (head, body) =
        claim("d").split_once("{").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    assert_eq!(wire.receive().expect("an answer").status, 200);
    assert_eq!(wire.receive().expect("an answer").status, 201);
    wire.send(&head);
    wire.send(&format!("{{{body}"));
    assert_eq!(wire.receive().expect("an answer").status, 201);
    // What hyper would overlook is refused, on this connection too.
    let smuggled = "Transfer-Encoding: chunked\r\n";
    wire.send(&request("POST /v1/campaigns/spring/claims", "app", smuggled, "{}"));
    assert_eq!(wire.receive().expect("an answer").brief(), "400 bad_request");
    assert!(wire.is_closed());
    let got = bench.ask("GET /v1/campaigns/spring", "viewer", "", "");
    assert_eq!(got.json()["counts"]["vouchers_live"], 4);
}
