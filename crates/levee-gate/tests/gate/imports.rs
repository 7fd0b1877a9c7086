//! Imports of outlets over real sockets.

use serde_json::{Value, json};

use crate::bench::{Bench, request};
use crate::outlets::{outlet, put};
use crate::wire::{Got, Wire};

const LINE: &str = "POST /v1/outlets/import";
const NDJSON: &str = "Content-Type: application/x-ndjson\r\n";
const CSV: &str = "Content-Type: text/csv; charset=utf-8\r\n";

fn line(id: &str) -> Value {
    let mut document = outlet("dev", 31.2, 121.4);
    document["id"] = json!(id);
    document
}

/// Line, status, id, and what became of it or which field is wrong.
#[track_caller]
fn briefs(got: &Got) -> Vec<String> {
    assert_eq!((got.status, got.header("content-type")), (200, Some("application/x-ndjson")));
    let lines = got.body.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .map(|line| {
            let outcome = line["outcome"].as_str();
            let problem = &line["problem"];
            let field = problem["field"].as_str().or(problem["code"].as_str());
            let id = line["id"].as_str().unwrap_or("-");
            let said = outcome.or(field).unwrap();
            format!("{} {} {id} {said}", line["line"], line["status"])
        })
        .collect()
}

#[test]
fn every_line_has_its_own_outcome_in_order() {
    let bench = Bench::new();
    put(&bench, "b", "operator", &line("b"));
    let mut changed = line("b");
    changed["stations"] = json!(5);
    let mut wrong = line("d");
    wrong["menu"][1]["work"] = json!(0);
    let mut nameless = line("e");
    nameless.as_object_mut().unwrap().remove("id");
    let long = format!("{{\"id\":\"{}\"}}", "x".repeat(70_000));
    let lines = [line("a"), line("b"), changed, line("a"), wrong, nameless, line("E")];
    let body: Vec<String> = lines.iter().map(Value::to_string).collect();
    let body = format!("{}\n\n{{oops\n{long}\n{}", body.join("\n"), line("f"));
    let got = bench.ask(LINE, "operator", NDJSON, &body);
    let expected = [
        "1 201 a created",
        "2 200 b unchanged",
        "3 200 b replaced",
        "4 200 a unchanged",
        "5 400 - menu[1].work",
        "6 400 - id",
        "7 400 E id",
        "9 400 - bad_request",
        "10 413 - content_too_large",
        "11 201 f created",
    ];
    assert_eq!(briefs(&got), expected);
    let first: Value = serde_json::from_str(got.body.lines().next().unwrap()).unwrap();
    let expected =
        json!({"line": 1, "status": 201, "id": "a", "outcome": "created", "version": 1, "seq": 2});
    assert_eq!(first, expected);
    // The same as alone.
    assert_eq!(put(&bench, "a", "operator", &line("a")).status, 200);
    assert!(!got.body.contains("whsec_"));
}

#[test]
fn a_spreadsheet_says_the_same_as_documents() {
    let bench = Bench::new();
    let menu = line("a")["menu"].to_string().replace('"', "\"\"");
    let head = "id,brand,vendor,name,lat,lng,stations,minutes_per_unit,menu,pos.url,pos.secret";
    let row = |id: &str, name: &str, menu: &str| {
        format!(
            "{id},dev,keruyun,\"{name}\",31.2,121.4,2,1.5,{menu},https://pos.example,\
             whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
        )
    };
    let body = [
        format!("\u{feff}{head}"),
        row("a", "People's Square", &format!("\"{menu}\"")),
        row("b", "Two\nlines, \"\"quoted\"\"", ""),
        row("c", "", ""),
        row("d", "Menu of its own", "[]"),
    ]
    .join("\r\n");
    let got = bench.ask(LINE, "operator", CSV, &body);
    let expected = ["2 201 a created", "3 201 b created", "5 400 - name", "6 201 d created"];
    assert_eq!(briefs(&got), expected);
    let shown = |id: &str| {
        let got = bench.ask(&format!("GET /v1/outlets/{id}"), "operator", "", "");
        got.json()["document"].clone()
    };
    assert_eq!(shown("b")["name"], "Two\nlines, \"quoted\"");
    assert_eq!(shown("b")["menu"], shown("a")["menu"]);
    assert_eq!(shown("d")["menu"], json!([]));
    // A document of the same outlet is no change.
    let again = bench.ask(LINE, "operator", NDJSON, &line("a").to_string());
    assert_eq!(briefs(&again), ["1 200 a unchanged"]);
    // A header that is not understood is one error.
    let wrong = body.replacen("lat", "latitude", 1);
    assert_eq!(briefs(&bench.ask(LINE, "operator", CSV, &wrong)), ["1 400 - latitude"]);
}

#[test]
fn an_import_is_refused_as_a_whole_where_it_must_be() {
    let bench = Bench::new();
    for role in ["app", "outlet", "viewer"] {
        assert_eq!(bench.ask(LINE, role, NDJSON, "{}").brief(), "403 forbidden", "{role}");
    }
    assert_eq!(bench.ask(LINE, "operator", "", "{}").brief(), "415 unsupported_media_type");
    let empty = bench.ask(LINE, "operator", NDJSON, "\n\n");
    assert_eq!((empty.status, empty.body.as_str()), (200, ""));
}

#[test]
fn who_sends_everything_before_reading_loses_no_answer() {
    let bench = Bench::new();
    let body: String =
        (0..5_000).map(|number| format!("{}\n", line(&format!("o-{number}")))).collect();
    let briefs = briefs(&bench.ask(LINE, "operator", NDJSON, &body));
    assert_eq!(briefs.len(), 5_000);
    for (number, brief) in briefs.iter().enumerate() {
        assert_eq!(*brief, format!("{} 201 o-{number} created", number + 1));
    }
}

#[test]
fn a_full_engine_is_waited_for() {
    let bench = Bench::new();
    *bench.engine.fails.lock().unwrap() = Some(levee_api::port::Failure::Overloaded);
    let mut wire = Wire::open(bench.address);
    wire.send(&request(LINE, "operator", NDJSON, &line("a").to_string()));
    crate::bench::wait_until("the line is tried again", || bench.engine.asked() > 3);
    *bench.engine.fails.lock().unwrap() = None;
    assert_eq!(briefs(&wire.receive().unwrap()), ["1 201 a created"]);
}

#[test]
fn few_imports_run_at_the_same_time() {
    let bench = Bench::new();
    let open = || {
        let mut wire = Wire::open(bench.address);
        wire.send(&format!(
            "{LINE} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer dev-operator\r\n{NDJSON}\
             Transfer-Encoding: chunked\r\n\r\n"
        ));
        assert_eq!(wire.head().0, 200);
        wire
    };
    let running = [open(), open()];
    assert_eq!(bench.ask(LINE, "operator", NDJSON, "").brief(), "503 overloaded");
    drop(running);
    crate::bench::wait_until("there is room again", || {
        bench.ask(LINE, "operator", NDJSON, "\n").status == 200
    });
}

/// Half a row may look like a whole one: twelve stations become one.
#[test]
fn the_row_at_which_a_body_breaks_off_is_not_taken() {
    let bench = Bench::new();
    let head = "id,brand,vendor,name,lat,lng,minutes_per_unit,menu,pos.url,pos.secret,stations";
    let row = |id: &str, stations: &str| {
        format!(
            "{id},dev,keruyun,Square,31.2,121.4,1.5,[],https://pos.example,\
             whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw,{stations}"
        )
    };
    let sheet = format!("{head}\n{}\n{}", row("a", "12"), row("b", "1"));
    let whole = |id: &str| line(id).to_string();
    // What is a whole line of JSON is one as well only with the line's end.
    for (kind, body, taken) in [
        (CSV, sheet, "2 201 a created"),
        (NDJSON, format!("{}\n{}", whole("c"), whole("d")), "1 201 c created"),
    ] {
        let mut wire = Wire::open(bench.address);
        wire.send(&format!(
            "{LINE} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer dev-operator\r\n{kind}\
             Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n",
            body.len()
        ));
        wire.send("no chunk\r\n");
        assert_eq!(wire.head().0, 200);
        let first = wire.chunk();
        let first: Value = serde_json::from_str(first.lines().next().unwrap()).unwrap();
        let said = [&first["line"], &first["status"], &first["id"], &first["outcome"]];
        let said = said.map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned));
        assert_eq!(said.join(" "), taken);
        drop(wire);
    }
    crate::bench::wait_until("no import runs any more", || {
        bench.ask(LINE, "operator", NDJSON, "\n").status == 200
    });
    for id in ["b", "d"] {
        let got = bench.ask(&format!("GET /v1/outlets/{id}"), "operator", "", "");
        assert_eq!(got.brief(), "404 outlet_not_found", "{id}");
    }
}
