//! Good requests with some bytes changed, doubled or left out: whatever comes of it is no fault of
//! the server, and the server lives on.

use std::io::Write;
use std::thread;
use std::time::Duration;

use levee_gate::{GateConfig, KeyRing};

use crate::bench::{Bench, document, request};
use crate::wire::Wire;

const BYTES: &[u8] = b" \r\n:{}[]\"\\%?&/0aZ\xff\x00";

fn seeds(code: &str) -> Vec<String> {
    let key = "Idempotency-Key: k\r\n";
    let put = "If-Match: \"1\"\r\n";
    let claim = "{\"user_id\":\"u\",\"attributes\":{\"a\":\"b\"}}";
    let bill = "{\"user_id\":\"mutant\",\"order_minor\":5}";
    let limit = "{\"claims_per_s\":50,\"reason\":\"disk\"}";
    let lines = "{\"user_id\":\"a\"}\n{\"user_id\":\"b\"}\n";
    let ndjson = "Content-Type: application/x-ndjson\r\n";
    let batch = "POST /v1/campaigns/spring/claims/batch";
    vec![
        request("POST /v1/campaigns/spring/claims", "app", "", claim),
        request("POST /v1/campaigns", "operator", key, &document("other", "", "")),
        request("PUT /v1/campaigns/spring", "operator", put, &document("spring", "", "")),
        request("GET /v1/campaigns?limit=5&after=a", "viewer", "", ""),
        request("GET /v1/wallet?limit=5", "app", "Levee-User: u\r\n", ""),
        request(&format!("POST /v1/vouchers/{code}/validate"), "app", "", bill),
        request(batch, "app", ndjson, lines),
        request("POST /v1/intake/limits", "operator", key, limit),
    ]
}

#[test]
fn mutilated_requests_never_make_a_fault() {
    // What lacks its end is not waited for.
    let soon = Duration::from_millis(40);
    let config = GateConfig {
        workers: 2,
        header_timeout: soon,
        body_timeout: soon,
        idle_timeout: soon,
        ..GateConfig::default()
    };
    let bench = Bench::with(config, KeyRing::dev());
    bench.campaign("spring", 100, "", "");
    let seeds = seeds(&bench.claim("spring", "mutant"));
    thread::scope(|scope| {
        for thread in 1..=8 {
            let (bench, seeds) = (&bench, &seeds);
            scope.spawn(move || (0..400).for_each(|n| mutate(bench, seeds, thread * 1_000 + n)));
        }
    });
    assert_eq!(bench.ask("GET /readyz", "", "", "").status, 200);
}

fn mutate(bench: &Bench, seeds: &[String], number: u64) {
    // Xorshift by Marsaglia; the same mutants in every run.
    let mut random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut below = |bound: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % bound as u64).unwrap()
    };
    let mut bytes = seeds[below(seeds.len())].clone().into_bytes();
    for _ in 0..=below(3) {
        let place = below(bytes.len());
        match below(3) {
            0 => bytes[place] = BYTES[below(BYTES.len())],
            1 => drop(bytes.remove(place)),
            _ => bytes.insert(place, bytes[place]),
        }
    }
    let mut wire = Wire::open(bench.address);
    let _ = wire.0.get_mut().write_all(&bytes);
    if let Some(got) = wire.receive() {
        let text = String::from_utf8_lossy(&bytes);
        assert!(got.status < 500, "mutant {number}: {got:?}\n{text}");
    }
}
