//! Batches of claims over real sockets.

use serde_json::Value;

use crate::bench::{Bench, request};
use crate::wire::{Got, Wire};

const LINE: &str = "POST /v1/campaigns/spring/claims/batch";
const NDJSON: &str = "Content-Type: application/x-ndjson\r\n";

fn lines(got: &Got) -> Vec<Value> {
    got.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn briefs(got: &Got) -> Vec<String> {
    let brief = |line: &Value| {
        let problem = line["problem"]["code"].as_str().unwrap_or("");
        format!("{} {problem}", line["status"]).trim_end().to_owned()
    };
    lines(got).iter().map(brief).collect()
}

#[test]
fn every_line_has_its_own_outcome_in_order() {
    let bench = Bench::new();
    bench.campaign("spring", 3, "", "");
    let long = format!("{{\"user_id\":\"{}\"}}", "x".repeat(20_000));
    let body = [
        r#"{"user_id":"a"}"#,
        "{oops",
        "",
        r#"{"user_id":"a"}"#,
        r#"{"user_id":"b","surprise":1}"#,
        &long,
        r#"{"user_id":"b"}"#,
        "   ",
        r#"{"user_id":"c"}"#,
        r#"{"user_id":"d"}"#,
    ]
    .join("\n");
    let got = bench.ask(LINE, "app", NDJSON, &body);
    assert_eq!((got.status, got.header("content-type")), (200, Some("application/x-ndjson")));
    let expected = [
        "201",
        "400 bad_request",
        "200",
        "400 invalid_field",
        "413 content_too_large",
        "201",
        "201",
        "409 budget_exhausted",
    ];
    assert_eq!(briefs(&got), expected);
    let lines = lines(&got);
    assert_eq!(lines[0]["voucher"], lines[2]["voucher"]);
    assert_eq!(lines[3]["problem"]["field"], "surprise");
    // The same as alone.
    let alone = bench.post("/v1/campaigns/spring/claims", "app", "", r#"{"user_id":"b"}"#).json();
    assert_eq!((&alone["voucher"], &alone["seq"]), (&lines[5]["voucher"], &lines[5]["seq"]));
}

#[test]
fn lines_carry_their_own_keys() {
    let bench = Bench::new();
    bench.campaign("spring", 9, ",\"per_user\":3", "");
    let body = r#"{"user_id":"a","idempotency_key":"1"}
{"user_id":"a","idempotency_key":"2"}
{"user_id":"a","idempotency_key":"1"}
{"user_id":"a"}
{"user_id":"b","idempotency_key":"1"}
"#;
    let got = bench.ask(LINE, "app", NDJSON, body);
    let expected =
        ["201", "201", "200", "400 idempotency_key_missing", "422 idempotency_key_reused"];
    assert_eq!(briefs(&got), expected);
    // The same key as in a header.
    let alone = bench.post("/v1/campaigns/spring/claims", "app", "2", r#"{"user_id":"a"}"#);
    assert_eq!(alone.status, 200);
}

#[test]
fn a_batch_has_at_most_ten_thousand_lines() {
    let bench = Bench::new();
    bench.campaign("spring", 20_000, "", "");
    let body: String = (0..10_002).map(|user| format!("{{\"user_id\":\"{user}\"}}\n")).collect();
    let got = bench.ask(LINE, "app", NDJSON, &body);
    let briefs = briefs(&got);
    assert_eq!(briefs.len(), 10_001);
    assert!(briefs[..10_000].iter().all(|brief| brief == "201"));
    assert_eq!(briefs[10_000], "413 content_too_large");
    let seqs: Vec<u64> = lines(&got)[..10_000].iter().map(|l| l["seq"].as_u64().unwrap()).collect();
    assert!(seqs.is_sorted_by(|a, b| a < b));
}

#[test]
fn who_sends_far_too_much_before_reading_loses_no_answer() {
    let bench = Bench::new();
    bench.campaign("spring", 20_000, "", "");
    let channel = "x".repeat(60);
    let line = |user| format!("{{\"user_id\":\"{user}\",\"channel\":\"{channel}\"}}\n");
    // Twenty times the lines that are taken, and far more than sockets hold.
    let body: String = (0..200_000).map(line).collect();
    let briefs = briefs(&bench.ask(LINE, "app", NDJSON, &body));
    assert_eq!(briefs.len(), 10_001);
    assert!(briefs[..10_000].iter().all(|brief| brief == "201"));
    assert_eq!(briefs[10_000], "413 content_too_large");
}

#[test]
fn answers_come_while_lines_are_still_to_be_sent() {
    let bench = Bench::new();
    bench.campaign("spring", 9, "", "");
    let mut wire = Wire::open(bench.address);
    wire.send(&format!(
        "{LINE} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer dev-app\r\n{NDJSON}\
         Transfer-Encoding: chunked\r\n\r\n"
    ));
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    wire.send(&chunk("{\"user_id\":\"a\"}\n{\"user"));
    assert_eq!(wire.head().0, 200);
    let first = wire.chunk();
    assert!(first.starts_with("{\"status\":201,\"voucher\":"), "{first}");
    wire.send(&chunk("_id\":\"b\"}"));
    wire.send("0\r\n\r\n");
    assert!(wire.chunk().starts_with("{\"status\":201,"));
    assert_eq!(wire.chunk(), "");
    // And the connection goes on.
    wire.send(&request("GET /healthz", "", "", ""));
    assert_eq!(wire.receive().unwrap().status, 200);
}

#[test]
fn a_batch_is_refused_as_a_whole_where_it_must_be() {
    let bench = Bench::new();
    let got = bench.ask(LINE, "app", NDJSON, "{\"user_id\":\"a\"}");
    assert_eq!(got.brief(), "404 campaign_not_found");
    bench.campaign("spring", 9, "", "");
    assert_eq!(bench.ask(LINE, "operator", NDJSON, "{}").brief(), "403 forbidden");
    assert_eq!(bench.ask(LINE, "app", "", "{}").brief(), "415 unsupported_media_type");
    let empty = bench.ask(LINE, "app", NDJSON, "\n\n");
    assert_eq!((empty.status, empty.body.as_str()), (200, ""));
}
