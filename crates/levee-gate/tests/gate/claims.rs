//! Claims over real sockets.

use crate::bench::Bench;

#[test]
fn a_repeated_claim_is_answered_with_the_same_bytes() {
    let bench = Bench::new();
    bench.campaign("spring", 2, "", "");
    let claim = |user: &str| {
        bench.post("/v1/campaigns/spring/claims", "app", "", &format!("{{\"user_id\":\"{user}\"}}"))
    };
    let first = claim("u1");
    assert_eq!((first.status, first.replayed()), (201, false), "{first:?}");
    assert_eq!(first.json()["voucher"]["valid_until"], "2026-02-13T17:46:40.000Z");
    let again = claim("u1");
    assert_eq!((again.status, again.replayed()), (200, true));
    assert_eq!(again.body, first.body);
    assert_eq!(claim("u2").status, 201);
    assert_eq!(claim("u3").brief(), "409 budget_exhausted");
}
