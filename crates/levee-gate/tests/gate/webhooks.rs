//! Webhooks over real sockets: documents, replays, dead letters, and never a secret.

use std::sync::atomic::Ordering::Relaxed;

use levee_api::port::Submit;
use levee_api::types::{Command, DeadLetter, EventNo, RecordDeadLetter, WebhookId};
use serde_json::json;

use crate::bench::Bench;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn document() -> serde_json::Value {
    json!({"url": "https://app.example/levee", "events": ["order.paid"], "secret": SECRET})
}

#[test]
fn a_webhook_is_put_shown_and_removed_and_its_secret_never_shown() {
    let bench = Bench::new();
    let put = |document: &serde_json::Value| {
        bench.ask("PUT /v1/webhooks/app", "operator", "", &document.to_string())
    };
    let got = put(&document());
    assert_eq!((got.status, got.header("etag")), (201, Some("\"1\"")), "{got:?}");
    let shown = json!({"url": "https://app.example/levee", "events": ["order.paid"], "tries": 12});
    assert_eq!((&got.json()["document"], &got.json()["seq"]), (&shown, &json!(1)));
    assert!(!got.body.contains("whsec_"));
    let again = put(&document());
    assert_eq!((again.status, again.json().get("seq")), (200, None));
    let mut other = document();
    other["secret"] = json!("whsec_YW5vdGhlciBzZWNyZXQsIGxvbmcgZW5vdWdo");
    assert_eq!((put(&other).status, &put(&other).json()["version"]), (200, &json!(2)));
    for path in ["/v1/webhooks/app", "/v1/webhooks"] {
        let got = bench.ask(&format!("GET {path}"), "operator", "", "");
        assert_eq!(got.status, 200, "{got:?}");
        assert!(got.body.contains("app.example") && !got.body.contains("whsec_"), "{got:?}");
        for role in ["app", "viewer", "outlet"] {
            assert_eq!(bench.ask(&format!("GET {path}"), role, "", "").brief(), "403 forbidden");
        }
    }
    for (field, value) in [("url", json!("ftp://a")), ("events", json!([])), ("tries", json!(0))] {
        let mut wrong = document();
        wrong[field] = value;
        let got = put(&wrong);
        assert_eq!((got.status, &got.json()["field"]), (400, &json!(field)));
    }
    assert_eq!(bench.ask("DELETE /v1/webhooks/app", "operator", "", "").status, 200);
    let gone = "404 webhook_not_found";
    assert_eq!(bench.ask("DELETE /v1/webhooks/app", "operator", "", "").brief(), gone);
    assert_eq!(bench.ask("GET /v1/webhooks/app", "operator", "", "").brief(), gone);
}

#[test]
fn dead_letters_are_listed_and_delivered_again() {
    let bench = Bench::new();
    let id = WebhookId::new("app").unwrap();
    bench.ask("PUT /v1/webhooks/app", "operator", "", &document().to_string());
    let dead = |index| {
        let letter = DeadLetter {
            event: EventNo { seq: 1, index },
            kind: 6,
            tries: 3,
            error: "status 500".to_owned(),
        };
        Command::RecordDeadLetter(Box::new(RecordDeadLetter { id: id.clone(), letter }))
    };
    bench.engine.give([dead(0), dead(1)]);
    let page = bench.ask("GET /v1/webhooks/app/dead?limit=1", "operator", "", "").json();
    let first = json!({"message": "app_1_0", "seq": 1, "event": "order.paid",
        "error": "status 500", "tries": 3});
    assert_eq!(page, json!({"items": [first], "next": "app_1_0"}));
    let page = bench.ask("GET /v1/webhooks/app/dead?after=app_1_0", "operator", "", "").json();
    assert_eq!((&page["items"][0]["message"], &page["next"]), (&json!("app_1_1"), &json!(null)));
    let post = |path: &str, key: &str, body: serde_json::Value| {
        bench.post(&format!("/v1/webhooks/app/{path}"), "operator", key, &body.to_string())
    };
    let message = || json!({"message": "app_1_0"});
    assert_eq!(post("redeliver", "", message()).brief(), "400 idempotency_key_missing");
    assert_eq!(post("redeliver", "k1", message()).json(), json!({"id": "app", "seq": 4}));
    let again = post("redeliver", "k1", message());
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")));
    assert_eq!(post("redeliver", "k2", message()).brief(), "404 dead_letter_not_found");
    assert_eq!(post("replay", "k3", json!({"after_seq": 0})).json()["seq"], 5);
    // Segments were deleted. The webhook needs nothing from before it was made.
    let first_seq = |seq| bench.engine.vitals().first_seq.store(seq, Relaxed);
    first_seq(2);
    assert_eq!(post("replay", "k5", json!({"after_seq": 0})).status, 200);
    first_seq(4);
    for after_seq in [0, 2] {
        let gone = post("replay", "k6", json!({"after_seq": after_seq})).json();
        assert_eq!((&gone["code"], &gone["field"]), (&json!("invalid_field"), &json!("after_seq")));
        let detail = "must be 3 or later: the first seq that is still kept is 4";
        assert_eq!(gone["detail"], detail);
    }
    assert_eq!(post("replay", "k7", json!({"after_seq": 3})).status, 200);
    let beyond = post("replay", "k4", json!({"after_seq": 99}));
    assert_eq!((beyond.status, &beyond.json()["field"]), (400, &json!("after_seq")));
}
