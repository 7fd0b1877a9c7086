//! Claims over real sockets.

use std::thread;

use crate::bench::{Bench, document};
use crate::wire::{Got, Wire};

const PATH: &str = "/v1/campaigns/spring/claims";

fn claim(bench: &Bench, key: &str, body: &str) -> Got {
    bench.post(PATH, "app", key, body)
}

#[test]
fn a_repeated_claim_is_answered_with_the_same_bytes() {
    let bench = Bench::new();
    bench.campaign("spring", 2, "", "");
    let first = claim(&bench, "", "{\"user_id\":\"u1\"}");
    assert_eq!((first.status, first.replayed()), (201, false), "{first:?}");
    let voucher = &first.json()["voucher"];
    assert_eq!(voucher["valid_from"], "2026-02-06T17:46:40.000Z");
    assert_eq!(voucher["valid_until"], "2026-02-13T17:46:40.000Z");
    let again = claim(&bench, "", "{\"user_id\":\"u1\"}");
    assert_eq!((again.status, again.replayed(), again.body), (200, true, first.body));
    assert_eq!(claim(&bench, "", "{\"user_id\":\"u2\"}").status, 201);
    assert_eq!(claim(&bench, "", "{\"user_id\":\"u3\"}").brief(), "409 budget_exhausted");
    assert_eq!(
        bench.post("/v1/campaigns/none/claims", "app", "", "{\"user_id\":\"u\"}").brief(),
        "404 campaign_not_found"
    );
}

#[test]
fn several_vouchers_for_one_user_need_keys() {
    let bench = Bench::new();
    bench.campaign("spring", 9, ",\"per_user\":2", "");
    let body = "{\"user_id\":\"u1\"}";
    assert_eq!(claim(&bench, "", body).brief(), "400 idempotency_key_missing");
    let first = claim(&bench, "a", body);
    let again = claim(&bench, "a", body);
    assert_eq!((first.status, again.status, again.replayed()), (201, 200, true));
    assert_eq!(first.body, again.body);
    assert_eq!(claim(&bench, "a", "{\"user_id\":\"u2\"}").brief(), "422 idempotency_key_reused");
    assert_eq!(claim(&bench, "b", body).status, 201);
    assert_eq!(claim(&bench, "c", body).brief(), "409 user_limit_reached");
}

#[test]
fn conditions_are_looked_up_in_what_the_app_states() {
    let bench = Bench::new();
    let eligibility = r#","eligibility":{"all":[{"attribute":"app_version","at_least":"6.0"},
        {"attribute":"region","one_of":["CN"]},{"attribute":"channel","one_of":["push"]}]}"#;
    bench.campaign("spring", 9, "", eligibility);
    for (user, body, expected) in [
        ("1", r#""attributes":{"app_version":"6.1","region":"CN","channel":"push"}"#, "201"),
        ("2", r#""attributes":{"app_version":"6.1"},"region":"CN","channel":"push""#, "201"),
        (
            "3",
            r#""attributes":{"app_version":"5.9"},"region":"CN","channel":"push""#,
            "409 not_eligible",
        ),
        ("4", r#""attributes":{"app_version":"6.1"},"channel":"push""#, "409 not_eligible"),
        // What is stated as an attribute counts.
        (
            "5",
            r#""attributes":{"app_version":"6.1","region":"US"},"region":"CN","channel":"push""#,
            "409 not_eligible",
        ),
        ("6", r#""region":"CN""#, "409 not_eligible"),
    ] {
        let got = claim(&bench, "", &format!("{{\"user_id\":\"{user}\",{body}}}"));
        assert_eq!(got.brief(), expected, "{body}");
    }
}

#[test]
fn newer_terms_are_taken_up_without_the_client_noticing() {
    let bench = Bench::new();
    let conditions = |version: &str| {
        let all = format!(r#"[{{"attribute":"v","at_least":"{version}"}}]"#);
        document("spring", "", &format!(",\"eligibility\":{{\"all\":{all}}}"))
    };
    bench.post("/v1/campaigns", "operator", "c", &conditions("9"));
    let fund = "{\"amount_minor\":100000,\"reference\":\"r\"}";
    bench.post("/v1/campaigns/spring/fund", "operator", "f", fund);
    // Every worker has now seen the draft.
    let body = r#"{"user_id":"u","attributes":{"v":"7"}}"#;
    for _ in 0..8 {
        assert_eq!(claim(&bench, "", body).brief(), "409 campaign_not_open");
    }
    let newer = conditions("7").replace("P7D", "P1D");
    let put = bench.ask("PUT /v1/campaigns/spring", "operator", "If-Match: \"1\"\r\n", &newer);
    assert_eq!(put.status, 200, "{put:?}");
    bench.post("/v1/campaigns/spring/open", "operator", "o", "");
    let got = claim(&bench, "", body);
    assert_eq!(got.status, 201, "{got:?}");
    assert_eq!(got.json()["voucher"]["valid_until"], "2026-02-07T17:46:40.000Z");
}

#[test]
fn terms_without_conditions_that_changed_before_the_opening_are_taken_up_too() {
    let bench = Bench::new();
    bench.post("/v1/campaigns", "operator", "c", &document("spring", "", ""));
    let fund = "{\"amount_minor\":100000,\"reference\":\"r\"}";
    bench.post("/v1/campaigns/spring/fund", "operator", "f", fund);
    for _ in 0..8 {
        assert_eq!(claim(&bench, "", "{\"user_id\":\"u\"}").brief(), "409 campaign_not_open");
    }
    let newer = document("spring", "", "").replace("P7D", "P1D");
    bench.ask("PUT /v1/campaigns/spring", "operator", "If-Match: \"1\"\r\n", &newer);
    bench.post("/v1/campaigns/spring/open", "operator", "o", "");
    for (status, _) in [(201, ()), (200, ()), (200, ())] {
        let got = claim(&bench, "", "{\"user_id\":\"u\"}");
        assert_eq!(got.status, status);
        assert_eq!(got.json()["voucher"]["valid_until"], "2026-02-07T17:46:40.000Z");
    }
}

#[test]
fn many_connections_at_once_never_overspend() {
    let bench = Bench::new();
    bench.campaign("spring", 150, "", "");
    let issued: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let address = bench.address;
                scope.spawn(move || {
                    let mut wires: Vec<Wire> = (0..8).map(|_| Wire::open(address)).collect();
                    let mut issued = 0;
                    for round in 0..5 {
                        for (place, wire) in wires.iter_mut().enumerate() {
                            let user = format!("{{\"user_id\":\"{thread}-{place}-{round}\"}}");
                            let line = format!("POST {PATH}");
                            wire.send(&crate::bench::request(&line, "app", "", &user));
                        }
                        for wire in &mut wires {
                            let got = wire.receive().unwrap();
                            assert!([201, 409].contains(&got.status), "{got:?}");
                            issued += usize::from(got.status == 201);
                        }
                    }
                    issued
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(issued, 150);
    let money = &bench.ask("GET /v1/campaigns/spring", "app", "", "").json()["money"];
    assert_eq!(
        (money["available_minor"].as_u64(), money["reserved_minor"].as_u64()),
        (Some(0), Some(375_000))
    );
}
