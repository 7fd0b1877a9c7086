//! A disk without room: refused before the end, and nothing lost.

use levee_api::client::Client;
use serde_json::{Value, json};

use crate::harness::{Place, run};

/// Claims for new users until the journal has no room; returns the bodies.
async fn claim_until_full(client: &mut Client, prefix: &str) -> Vec<(String, bytes::Bytes)> {
    let mut acked = Vec::new();
    loop {
        assert!(acked.len() < 100_000, "the quota is never reached");
        let user = format!("{prefix}-{}", acked.len());
        let body = json!({"user_id": user});
        let raw = client.post("/v1/campaigns/disk/claims", None, &body).await.expect("answered");
        match raw.status {
            201 => acked.push((user, raw.body)),
            503 => {
                let problem: Value = serde_json::from_slice(&raw.body).expect("JSON");
                assert_eq!(problem["code"], "storage_full");
                assert!(raw.headers.contains_key("retry-after"));
                return acked;
            }
            _ => panic!("{raw:?}"),
        }
    }
}

#[test]
fn a_full_disk_refuses_before_the_end_and_loses_nothing() {
    let quota = |bytes: u64| {
        format!("[journal]\nsegment_bytes = 262144\nreserve_bytes = 0\nquota_bytes = {bytes}\n")
    };
    let place = Place::new(&quota(3 << 20));
    let server = place.start();
    let mut acked = run(async {
        server.open_campaign("disk", 1, 1_000_000).await;
        let mut client = server.app().await;
        let acked = claim_until_full(&mut client, "a").await;
        assert!(acked.len() > 100, "{}", acked.len());
        // Questions are answered, and so is who asks again for what was acknowledged.
        let (user, body) = &acked[0];
        let asked_again = json!({"user_id": user});
        let raw = client.post("/v1/campaigns/disk/claims", None, &asked_again).await;
        let raw = raw.expect("answered");
        assert_eq!((raw.status, &raw.body), (200, body));
        assert_eq!(server.campaign("disk").await.counts.claims, acked.len() as u64);
        acked
    });
    server.stop();
    place.audit_is_clean();

    // As full as before after a restart; with more room it goes on.
    let server = place.start();
    run(async {
        let mut client = server.app().await;
        let more = claim_until_full(&mut client, "b").await;
        acked.extend(more);
    });
    server.stop();
    place.configure(&quota(8 << 20));
    let server = place.start();
    run(async {
        let mut client = server.app().await;
        for (user, body) in &acked {
            let body_again = json!({"user_id": user});
            let raw = client.post("/v1/campaigns/disk/claims", None, &body_again).await;
            let raw = raw.expect("answered");
            assert_eq!((raw.status, &raw.body), (200, body));
        }
        let body = json!({"user_id": "late"});
        let raw = client.post("/v1/campaigns/disk/claims", None, &body).await.expect("answered");
        assert_eq!(raw.status, 201);
    });
    server.stop();
    place.audit_is_clean();
}
