//! The payment provider over real HTTP.

use hyper::Method;
use levee_api::scenario::Outage;
use serde_json::{Value, json};

use super::levee::{Levee, Mood};
use super::{Player, healthy, run, until};
use crate::sandbox::{Sandbox, SandboxConfig};

async fn start(change: impl FnOnce(&mut SandboxConfig)) -> (Levee, Sandbox, Player) {
    let levee = Levee::start().await;
    let mut config = healthy(&levee.url);
    change(&mut config);
    let sandbox = Sandbox::start(config).expect("started");
    let player = Player::connect(&sandbox).await;
    (levee, sandbox, player)
}

fn payment(levee: &Levee, id: &str, amount_minor: u64) -> String {
    let notify_url = format!("{}/v1/payments/sandbox/notify", levee.url);
    json!({
        "payment": id, "amount_minor": amount_minor, "currency": "CNY", "notify_url": notify_url
    })
    .to_string()
}

/// Status and body of a request.
async fn ask(player: &mut Player, method: Method, path: &str, body: &str) -> (u16, Value) {
    let raw = player.send(method, path, &[], body.to_owned()).await;
    (raw.status, serde_json::from_slice(&raw.body).expect("JSON"))
}

#[test]
fn users_pay_and_levee_is_told() {
    run(async {
        let (levee, sandbox, mut player) = start(|_| ()).await;
        for number in 0..50 {
            let body = payment(&levee, &format!("pay_{number}"), 100 + number);
            let (status, made) = ask(&mut player, Method::POST, "/pay/payments", &body).await;
            assert_eq!((status, &made["state"]), (201, &json!("created")));
        }
        until(|| levee.with(|seen| seen.callbacks.len()) == 50).await;
        until(|| sandbox.stats().payments.callbacks.acknowledged == 50).await;
        levee.with(|seen| {
            assert_eq!(seen.unsigned, 0);
            for (message, body) in &seen.callbacks {
                assert!(message.starts_with("msg_"));
                let number: u64 = body["payment"].as_str().expect("text")[4..].parse().expect("it");
                assert_eq!(body["event"], "succeeded");
                assert_eq!(body["captured_minor"], 100 + number);
            }
        });
        let lines = player.lines("/payments.ndjson").await;
        assert_eq!(lines.len(), 50);
        assert_eq!(
            (&lines[7]["captured_minor"], &lines[7]["state"]),
            (&json!(107), &json!("succeeded"))
        );
        let stats = sandbox.shutdown().payments;
        let captured_minor = (100..150).sum::<u64>();
        assert_eq!((stats.paid, stats.captured_minor), (50, captured_minor));
    });
}

#[test]
fn payments_are_asked_for_closed_paid_by_hand_and_given_back() {
    run(async {
        // Nobody pays by themselves.
        let (levee, sandbox, mut player) = start(|config| config.payments.never = 1.0).await;
        let body = payment(&levee, "pay_1", 500);
        let (status, made) = ask(&mut player, Method::POST, "/pay/payments", &body).await;
        assert_eq!(status, 201);
        let again = ask(&mut player, Method::POST, "/pay/payments", &body).await;
        assert_eq!(again, (200, made.clone()));
        let other = payment(&levee, "pay_1", 501);
        let (status, problem) = ask(&mut player, Method::POST, "/pay/payments", &other).await;
        assert_eq!((status, &problem["code"]), (409, &json!("payment_reused")));
        let of = "/pay/payments/pay_1";
        let (status, now) = ask(&mut player, Method::GET, of, "").await;
        assert_eq!((status, &now["state"]), (200, &json!("created")));
        let (status, _) = ask(&mut player, Method::GET, "/pay/payments/pay_2", "").await;
        assert_eq!(status, 404);

        let url = made["pay_url"].as_str().expect("an address");
        let path = url.strip_prefix(&format!("http://{}", sandbox.addr())).expect("its own");
        let (status, now) = ask(&mut player, Method::POST, path, "").await;
        assert_eq!((status, &now["captured_minor"]), (200, &json!(500)));
        let (status, now) = ask(&mut player, Method::POST, &format!("{of}/close"), "").await;
        assert_eq!((status, &now["state"]), (200, &json!("succeeded")));
        let refunds = format!("{of}/refunds");
        for (body, status, answer) in [
            (r#"{"refund":1,"amount_minor":300}"#, 200, json!({"refund": 1, "state": "done"})),
            (r#"{"refund":1,"amount_minor":300}"#, 200, json!({"refund": 1, "state": "done"})),
            (r#"{"refund":1,"amount_minor":200}"#, 409, json!("refund_reused")),
            (r#"{"refund":2,"amount_minor":201}"#, 409, json!("refund_exceeds_captured")),
            (r#"{"refund":2,"amount_minor":0}"#, 400, json!("malformed")),
            (r#"{"refund":2}"#, 400, json!("malformed")),
        ] {
            let (found, said) = ask(&mut player, Method::POST, &refunds, body).await;
            assert_eq!(found, status, "{body}");
            assert!(said == answer || said["code"] == answer, "{body}: {said}");
        }
        let (_, now) = ask(&mut player, Method::GET, of, "").await;
        assert_eq!((&now["captured_minor"], &now["refunded_minor"]), (&json!(500), &json!(300)));

        // What nobody made is closed, and stays so.
        let of = "/pay/payments/pay_3";
        let (status, now) = ask(&mut player, Method::POST, &format!("{of}/close"), "").await;
        assert_eq!((status, &now["state"]), (200, &json!("closed")));
        let body = payment(&levee, "pay_3", 700);
        let (status, made) = ask(&mut player, Method::POST, "/pay/payments", &body).await;
        assert_eq!((status, &made["state"]), (200, &json!("closed")));
        let (status, _) = ask(&mut player, Method::POST, &format!("{of}/pay"), "").await;
        assert_eq!(status, 409);
        for (name, value) in [
            ("payment", json!("a/b")),
            ("amount_minor", json!(0)),
            ("amount_minor", json!(-5)),
            ("currency", json!("yuan")),
            ("notify_url", json!("https://levee/notify")),
            ("notify_url", json!("nowhere")),
        ] {
            let mut body: Value = serde_json::from_str(&payment(&levee, "pay_9", 5)).expect("JSON");
            body[name] = value;
            let asked = ask(&mut player, Method::POST, "/pay/payments", &body.to_string()).await;
            assert_eq!((asked.0, &asked.1["field"]), (400, &json!(name)), "{body}");
        }
        let stats = sandbox.shutdown();
        assert_eq!((stats.payments.refunds_done, stats.payments.refunded_minor), (1, 300));
        assert_eq!((stats.requests.malformed, stats.requests.unwilling), (8, 5));
    });
}

#[test]
fn callbacks_are_sent_again_until_they_are_acknowledged() {
    run(async {
        let (levee, sandbox, mut player) = start(|_| ()).await;
        levee.with(|seen| seen.moods.extend([Mood::Says(200), Mood::BreaksOff, Mood::Says(500)]));
        let body = payment(&levee, "pay_1", 500);
        ask(&mut player, Method::POST, "/pay/payments", &body).await;
        until(|| sandbox.stats().payments.callbacks.acknowledged == 1).await;
        let callbacks = sandbox.shutdown().payments.callbacks;
        assert_eq!((callbacks.events, callbacks.sent, callbacks.unacknowledged), (1, 4, 3));
        assert_eq!(levee.with(|seen| seen.callbacks.len()), 1);
    });
}

#[test]
fn doubled_callbacks_carry_one_id_and_lost_ones_come_later_or_never() {
    run(async {
        let (levee, sandbox, mut player) = start(|config| {
            config.payments.callbacks.doubled = 1.0;
        })
        .await;
        let body = payment(&levee, "pay_1", 500);
        ask(&mut player, Method::POST, "/pay/payments", &body).await;
        until(|| sandbox.stats().payments.callbacks.acknowledged == 2).await;
        drop(sandbox);
        levee.with(|seen| assert_eq!(seen.callbacks[0], seen.callbacks[1]));

        let (levee, sandbox, mut player) = start(|config| {
            config.payments.callbacks.lost = 0.5;
        })
        .await;
        for number in 0..40 {
            let body = payment(&levee, &format!("pay_{number}"), 500);
            ask(&mut player, Method::POST, "/pay/payments", &body).await;
        }
        let ended = |sandbox: &Sandbox| {
            let callbacks = sandbox.stats().payments.callbacks;
            callbacks.acknowledged + callbacks.gave_up
        };
        until(|| ended(&sandbox) == 40).await;
        let callbacks = sandbox.shutdown().payments.callbacks;
        assert!(callbacks.lost >= 20, "{callbacks:?}");
        assert!(callbacks.acknowledged >= 35, "{callbacks:?}");

        let (levee, sandbox, mut player) = start(|config| {
            config.payments.callbacks.lost_for_good = 1.0;
        })
        .await;
        let body = payment(&levee, "pay_1", 500);
        ask(&mut player, Method::POST, "/pay/payments", &body).await;
        until(|| sandbox.stats().payments.callbacks.lost == 1).await;
        // Whoever asks hears of it.
        let (_, now) = ask(&mut player, Method::GET, "/pay/payments/pay_1", "").await;
        assert_eq!(now["state"], "succeeded");
        assert_eq!(levee.with(|seen| seen.requests), 0);
    });
}

#[test]
fn during_an_outage_nobody_can_ask() {
    run(async {
        // The first six minutes of the day: 360 ms here.
        let (levee, sandbox, mut player) = start(|config| {
            config.payments.outages = vec![Outage { from_hour: 0.0, hours: 0.1, api: true }];
        })
        .await;
        let body = payment(&levee, "pay_1", 500);
        let raw = player.send(Method::POST, "/pay/payments", &[], body.clone()).await;
        assert_eq!((raw.status, player.code(&raw)), (503, "provider_outage".to_owned()));
        assert!(raw.headers.contains_key("retry-after"));
        until(|| sandbox.stats().elapsed_ms > 360_000).await;
        let (status, _) = ask(&mut player, Method::POST, "/pay/payments", &body).await;
        assert_eq!(status, 201);
        assert_eq!(sandbox.shutdown().requests.outage, 1);
    });
}
