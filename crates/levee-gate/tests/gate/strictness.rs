//! What a gate refuses, and how: raw requests in; status, code and field out.

use levee_gate::{GateConfig, KeyRing};

use crate::bench::{Bench, document, request};
use crate::wire::Wire;

const CLAIMS: &str = "POST /v1/campaigns/spring/claims";

/// Sends the bytes on a connection of their own. An empty expectation is a closed connection.
#[track_caller]
fn check(bench: &Bench, raw: &str, expected: &str) {
    let mut wire = Wire::open(bench.address);
    wire.send(raw);
    let got = wire.receive();
    let brief = got.as_ref().map_or(String::new(), crate::wire::Got::brief);
    let shown: String = raw.chars().take(300).collect();
    assert_eq!(brief, expected, "{shown}\n{got:?}");
    if let Some(got) = got.filter(|got| got.status >= 400 && !got.body.is_empty()) {
        let json = got.json();
        assert_eq!(got.header("content-type"), Some("application/problem+json"), "{got:?}");
        assert_eq!(json["status"], got.status, "{got:?}");
        let kind = format!("/docs#{}", json["code"].as_str().unwrap());
        assert_eq!(json["type"], kind, "{got:?}");
        assert!(json["request_id"].as_str().unwrap().starts_with("req_"), "{got:?}");
        assert!(json["title"].is_string(), "{got:?}");
    }
}

fn bench() -> Bench {
    let bench = Bench::new();
    bench.campaign("spring", 100, "", "");
    bench
}

#[test]
fn bodies_are_read_strictly() {
    let bench = bench();
    let nested = format!("{{\"user_id\":\"u\",\"attributes\":{}", "{\"a\":".repeat(3_000));
    let pairs: Vec<String> = (0..21).map(|n| format!("\"k{n}\":\"v\"")).collect();
    let many = format!("{{\"user_id\":\"u\",\"attributes\":{{{}}}}}", pairs.join(","));
    let long = format!("{{\"user_id\":\"{}\"}}", "u".repeat(129));
    for (body, expected) in [
        ("{", "400 bad_request"),
        ("null", "400 bad_request"),
        ("[]", "400 bad_request"),
        ("{} x", "400 invalid_field user_id"),
        ("{\"user_id\":\"u\"} x", "400 bad_request"),
        ("{\"user_id\":7}", "400 invalid_field user_id"),
        ("{\"user_id\":null}", "400 invalid_field user_id"),
        ("{\"user_id\":\"\"}", "400 invalid_field user_id"),
        (&long, "400 invalid_field user_id"),
        ("{\"user_id\":\"u\",\"user_id\":\"v\"}", "400 invalid_field user_id"),
        ("{\"user_id\":\"u\",\"invite_code\":\"x\"}", "400 invalid_field invite_code"),
        ("{\"user_id\":\"u\",\"region\":\"\"}", "400 invalid_field region"),
        ("{\"user_id\":\"u\",\"attributes\":[]}", "400 invalid_field attributes"),
        ("{\"user_id\":\"u\",\"attributes\":{\"a\":1}}", "400 invalid_field attributes.a"),
        (
            "{\"user_id\":\"u\",\"attributes\":{\"a\":\"1\",\"a\":\"2\"}}",
            "400 invalid_field attributes",
        ),
        (&many, "400 invalid_field attributes"),
        (&nested, "400 invalid_field attributes.a"),
        ("{\"user_id\":\"u\",\"idempotency_key\":\"k\"}", "400 invalid_field idempotency_key"),
        ("{\"user_id\":\"\\ud800\"}", "400 invalid_field user_id"),
    ] {
        check(&bench, &request(CLAIMS, "app", "", body), expected);
    }
    check(
        &bench,
        &request(CLAIMS, "app", "Content-Type: application/json\r\n", ""),
        "400 bad_request",
    );
}

#[test]
fn sizes_and_types_are_limited() {
    let bench = bench();
    let head = |headers: &str| {
        format!("{CLAIMS} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer dev-app\r\n{headers}\r\n")
    };
    let json = "Content-Type: application/json\r\n";
    let body = "{\"user_id\":\"u\"}";
    // Refused before the body is sent, and after too much of it arrived.
    check(&bench, &head(&format!("{json}Content-Length: 16385\r\n")), "413 content_too_large");
    check(
        &bench,
        &head(&format!("{json}Content-Length: 99999999999\r\n")),
        "413 content_too_large",
    );
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(4096));
    let chunked = head(&format!("{json}Transfer-Encoding: chunked\r\n"));
    check(&bench, &(chunked.clone() + &chunk.repeat(5)), "413 content_too_large");
    check(&bench, &format!("{chunked}f\r\n{body}\r\n0\r\n\r\n"), "201");
    check(&bench, &format!("{chunked}xyz\r\n"), "400 bad_request");
    for (kind, expected) in [
        ("", "415 unsupported_media_type"),
        ("Content-Type: text/plain\r\n", "415 unsupported_media_type"),
        ("Content-Type: application/jsonx\r\n", "415 unsupported_media_type"),
        ("Content-Type: application/x-ndjson\r\n", "415 unsupported_media_type"),
        ("Content-Type: application/json\r\nContent-Type: application/json\r\n", "400 bad_request"),
        ("Content-Type: application/json; charset=utf-8\r\n", "200"),
        ("Content-Type: Application/JSON\r\n", "200"),
    ] {
        let head = head(&format!("{kind}Content-Length: {}\r\n", body.len()));
        check(&bench, &(head + body), expected);
    }
    let big = format!("X-Big: {}\r\n", "x".repeat(17 * 1024));
    check(&bench, &head(&big), "431 headers_too_large");
    check(&bench, &head(&"X-Many: x\r\n".repeat(100)), "431 headers_too_large");
}

#[test]
fn what_proxies_understand_differently_is_refused() {
    let bench = bench();
    let body = "{\"user_id\":\"u\"}";
    let chunks = "f\r\n{\"user_id\":\"u\"}\r\n0\r\n\r\n";
    let head = |headers: &str| {
        let always = "Authorization: Bearer dev-app\r\nContent-Type: application/json\r\n";
        format!("{CLAIMS} HTTP/1.1\r\n{always}{headers}\r\n")
    };
    for (headers, body) in [
        ("Host: a\r\nContent-Length: 15\r\nTransfer-Encoding: chunked\r\n", chunks),
        ("Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 15\r\n", chunks),
        ("Host: a\r\nContent-Length: 15\r\nContent-Length: 15\r\n", body),
        ("Host: a\r\nHost: a\r\nContent-Length: 15\r\n", body),
        ("Content-Length: 15\r\n", body),
    ] {
        let mut wire = Wire::open(bench.address);
        wire.send(&(head(headers) + body));
        let got = wire.receive().expect("an answer");
        assert_eq!(got.brief(), "400 bad_request", "{headers}");
        assert!(wire.is_closed(), "{headers}");
    }
    // hyper itself refuses these.
    for headers in [
        "Host: a\r\nContent-Length: 15\r\nContent-Length: 16\r\n",
        "Host: a\r\nContent-Length: +15\r\n",
        "Host: a\r\nContent-Length: 15, 15\r\n",
        "Host: a\r\nTransfer-Encoding: gzip\r\n",
        "Host: a\r\nTransfer-Encoding: chunked, gzip\r\n",
        "Host: a\r\nContent-Length : 15\r\n",
        "Host: a\r\n folded: x\r\nContent-Length: 15\r\n",
    ] {
        check(&bench, &(head(headers) + body), "400 bad_request");
    }
    check(&bench, "GET /healthz HTTP/1.0\r\n\r\n", "200");
    check(&bench, "not http at all\r\n\r\n", "400 bad_request");
    check(&bench, "GET /healthz HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n", "400 bad_request");
}

#[test]
fn keys_roles_paths_and_methods_are_checked() {
    let bench = bench();
    let claim = "{\"user_id\":\"u\"}";
    let with = |authorization: &str| request(CLAIMS, "", authorization, claim);
    check(&bench, &with(""), "401 unauthorized");
    check(&bench, &with("Authorization: Bearer dev-ap\r\n"), "401 unauthorized");
    check(&bench, &with("Authorization: Bearer\r\n"), "401 unauthorized");
    check(&bench, &with("Authorization: Basic ZGV2LWFwcA==\r\n"), "401 unauthorized");
    check(
        &bench,
        &with("Authorization: Bearer dev-app\r\nAuthorization: Bearer dev-app\r\n"),
        "400 bad_request",
    );
    check(&bench, &with("Authorization: bearer  dev-app\r\n"), "201");
    for role in ["operator", "outlet", "viewer"] {
        check(&bench, &request(CLAIMS, role, "", claim), "403 forbidden");
    }
    for line in [
        "POST /v1/campaigns",
        "POST /v1/campaigns/spring/open",
        "PUT /v1/campaigns/spring",
        "GET /v1/audit/export",
        "POST /v1/vouchers/x/revoke",
    ] {
        check(&bench, &request(line, "app", "", ""), "403 forbidden");
    }
    for line in [
        "GET /v1",
        "GET /v1/",
        "GET /v1/campaigns/",
        "GET /v1/live/",
        "POST /v1/nothing",
        "GET //healthz",
        "GET /healthz/",
        "OPTIONS *",
        "GET /v1/campaigns/spring/envelopes",
    ] {
        check(&bench, &request(line, "operator", "", ""), "404 not_found");
    }
    let got = bench.ask("DELETE /v1/campaigns/spring", "operator", "", "");
    assert_eq!((got.status, got.header("allow")), (405, Some("GET, HEAD, PUT")));
    check(&bench, &request("PATCH /healthz", "", "", ""), "405 method_not_allowed");
    let got = bench.ask("GET /v1/campaigns/spring", "", "", "");
    assert_eq!(got.header("www-authenticate"), Some("Bearer"));
}

#[test]
fn idempotency_keys_are_checked() {
    let bench = bench();
    let fund = "{\"amount_minor\":1,\"reference\":\"r\"}";
    let long = format!("Idempotency-Key: {}\r\n", "k".repeat(256));
    for (headers, expected) in [
        ("", "400 idempotency_key_missing"),
        ("Idempotency-Key: \r\n", "400 idempotency_key_missing"),
        (&long, "400 idempotency_key_missing"),
        ("Idempotency-Key: a\r\nIdempotency-Key: a\r\n", "400 bad_request"),
        ("Idempotency-Key: a\r\n", "200"),
    ] {
        check(
            &bench,
            &request("POST /v1/campaigns/spring/fund", "operator", headers, fund),
            expected,
        );
    }
    for path in ["vouchers/x/lock", "redemptions", "redemptions/x/rollback"] {
        let line = format!("POST /v1/{path}");
        check(&bench, &request(&line, "app", "", "{}"), "400 idempotency_key_missing");
    }
}

#[test]
fn queries_and_cursors_are_checked() {
    let bench = bench();
    for (path, field) in [
        ("/v1/campaigns?limit=0", "limit"),
        ("/v1/campaigns?limit=1001", "limit"),
        ("/v1/campaigns?limit=+5", "limit"),
        ("/v1/campaigns?limit=", "limit"),
        ("/v1/campaigns?limit=5&limit=5", "limit"),
        ("/v1/campaigns?limit=99999999999999999999", "limit"),
        ("/v1/campaigns?after=A", "after"),
        ("/v1/campaigns?page=2", "page"),
        ("/v1/campaigns/spring?x=1", "x"),
        ("/v1/audit/export?after=-1", "after"),
        ("/v1/audit/export?after=x", "after"),
        ("/v1/redemptions?after=red_00000000000000", "after"),
    ] {
        let line = format!("GET {path}");
        let expected = format!("400 invalid_field {field}");
        check(&bench, &request(&line, "operator", "", ""), &expected);
    }
    let wallet = |query: &str, headers: &str, expected: &str| {
        check(&bench, &request(&format!("GET /v1/wallet{query}"), "app", headers, ""), expected);
    };
    wallet("", "", "400 invalid_field Levee-User");
    wallet("", "Levee-User: \r\n", "400 invalid_field Levee-User");
    wallet("", &format!("Levee-User: {}\r\n", "u".repeat(129)), "400 invalid_field Levee-User");
    wallet("", "Levee-User: a\r\nLevee-User: b\r\n", "400 bad_request");
    wallet("?after=ABCD", "Levee-User: u\r\n", "400 invalid_field after");
    wallet("", "Levee-User: \u{5c0f}\u{738b}\r\n", "200");
}

#[test]
fn ids_values_and_preconditions_are_checked() {
    let bench = bench();
    let key = "Idempotency-Key: k\r\n";
    let operator = |line: &str, headers: &str, body: &str, expected: &str| {
        check(&bench, &request(line, "operator", headers, body), expected);
    };
    operator("GET /v1/campaigns/none", "", "", "404 campaign_not_found");
    operator("GET /v1/campaigns/%73pring", "", "", "404 campaign_not_found");
    operator("GET /v1/campaigns/SPRING", "", "", "404 campaign_not_found");
    operator("POST /v1/campaigns/none/open", key, "", "404 campaign_not_found");
    operator(
        "POST /v1/campaigns/spring/fund",
        key,
        "{\"amount_minor\":0,\"reference\":\"r\"}",
        "400 invalid_field amount_minor",
    );
    operator(
        "POST /v1/campaigns/spring/close",
        key,
        "{\"reason\":\"\"}",
        "400 invalid_field reason",
    );
    operator(
        "POST /v1/campaigns/spring/open",
        "Idempotency-Key: j\r\n",
        "",
        "409 campaign_state_conflict",
    );

    let good = document("spring", "", "");
    let put = |headers: &str, body: &str, expected: &str| {
        operator("PUT /v1/campaigns/spring", headers, body, expected);
    };
    put("", &good, "428 precondition_required");
    put("If-Match: *\r\n", &good, "400 bad_request");
    put("If-Match: W/\"1\"\r\n", &good, "400 bad_request");
    put("If-Match: \"1\", \"2\"\r\n", &good, "400 bad_request");
    put("If-Match: 1\r\n", &good, "400 bad_request");
    put("If-Match: \"2\"\r\n", &good, "412 version_conflict");
    put("If-Match: \"x\"\r\n", &good, "412 version_conflict");
    put("If-Match: \"1\"\r\n", &document("other", "", ""), "400 invalid_field id");
    let frozen = document("spring", ",\"min_spend_minor\":1", "");
    put("If-Match: \"1\"\r\n", &frozen, "409 terms_frozen voucher.min_spend_minor");
    put("If-Match: \"1\"\r\n", "{\"id\":\"spring\"}", "400 invalid_field name");
}

#[test]
fn a_forged_code_never_reaches_the_engine() {
    let bench = bench();
    let asked = bench.engine.asked();
    let key = "Idempotency-Key: k\r\n";
    let redeem = |code: &str, lock: &str| {
        format!(
            "{{\"voucher_code\":\"{code}\",\"user_id\":\"u\",\"order_minor\":1,\"reference\":\"r\"{lock}}}"
        )
    };
    let good = bench.codes.voucher(levee_api::types::VoucherNo(0));
    for (line, body, expected) in [
        ("GET /v1/vouchers/ABCD-EFGH-JKMN-PQ", String::new(), "404 voucher_not_found"),
        ("GET /v1/vouchers/%41", String::new(), "404 voucher_not_found"),
        (
            "POST /v1/vouchers/x/validate",
            "{\"user_id\":\"u\",\"order_minor\":1}".to_owned(),
            "404 voucher_not_found",
        ),
        (
            "POST /v1/vouchers/x/lock",
            "{\"user_id\":\"u\",\"ttl\":\"PT1M\",\"reference\":\"r\"}".to_owned(),
            "404 voucher_not_found",
        ),
        ("DELETE /v1/locks/lck_00000000000000", String::new(), "404 lock_not_found"),
        ("POST /v1/redemptions", redeem("nope", ""), "404 voucher_not_found"),
        ("POST /v1/redemptions", redeem(&good, ",\"lock\":\"lck_x\""), "404 lock_not_found"),
        (
            "POST /v1/redemptions/red_x/rollback",
            "{\"reason\":\"r\"}".to_owned(),
            "404 redemption_not_found",
        ),
    ] {
        check(&bench, &request(line, "app", key, &body), expected);
    }
    assert_eq!(bench.engine.asked(), asked);
    let metrics = bench.ask("GET /metrics", "", "", "").body;
    assert!(metrics.contains("levee_gate_forged_codes_total 8\n"), "{metrics}");
}

#[test]
fn a_refusal_keeps_the_connection_where_the_body_is_short() {
    let bench = bench();
    let mut wire = Wire::open(bench.address);
    for _ in 0..3 {
        let got = bench.on(&mut wire, "POST /v1/nothing", "app", "", &"x".repeat(9_000));
        assert_eq!(got.brief(), "404 not_found");
    }
    assert_eq!(bench.on(&mut wire, CLAIMS, "app", "", "{\"user_id\":\"u\"}").status, 201);
    // A long one is not read: the answer arrives all the same, and the connection ends.
    let got = bench.on(&mut wire, "POST /v1/nothing", "app", "", &"x".repeat(3_000_000));
    assert_eq!((got.brief().as_str(), got.header("connection")), ("404 not_found", Some("close")));
    assert!(wire.is_closed());
    // Who asks first need not send it.
    let mut wire = Wire::open(bench.address);
    wire.send(&format!(
        "{CLAIMS} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer dev-app\r\n\
         Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 20000\r\n\r\n"
    ));
    assert_eq!(wire.receive().expect("an answer").brief(), "413 content_too_large");
    assert!(wire.is_closed());
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let bench = bench();
    let mut wire = Wire::open(bench.address);
    let claims: Vec<String> = (0..20)
        .map(|user| request(CLAIMS, "app", "", &format!("{{\"user_id\":\"p{user}\"}}")))
        .collect();
    wire.send(&(claims.concat() + &request("GET /healthz", "", "", "")));
    let seqs: Vec<u64> =
        (0..20).map(|_| wire.receive().unwrap().json()["seq"].as_u64().unwrap()).collect();
    assert!(seqs.is_sorted_by(|a, b| a < b), "{seqs:?}");
    assert_eq!(wire.receive().unwrap().status, 200);
}

#[test]
fn a_body_that_does_not_come_ends_in_408() {
    let body_timeout = std::time::Duration::from_millis(100);
    let config = GateConfig { workers: 1, body_timeout, ..GateConfig::default() };
    let bench = Bench::with(config, KeyRing::dev());
    let mut wire = Wire::open(bench.address);
    wire.send(
        "POST /v1/campaigns/x/claims HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer dev-app\r\n\
         Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{\"user",
    );
    let got = wire.receive().expect("an answer");
    assert_eq!(
        (got.brief().as_str(), got.header("connection")),
        ("408 request_timeout", Some("close"))
    );
    assert!(wire.is_closed());
}
