//! Notifications of providers with protocols of their own, over real sockets. The keys are those of
//! `levee-pay`'s tests; what each provider signs is signed here with ring.

use std::sync::Arc;

use levee_gate::{AdmissionConfig, GateConfig, KeyRing, Proxies, Wire};
use levee_pay::{
    Alipay, AlipayConfig, ApiV3Key, Currency, PlatformKey, Provider, SigningKey, Stripe,
    StripeConfig, StripeSecret, VerifyingKey, Wechat, WechatConfig,
};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

use crate::bench::Bench;
use crate::shop::{grape, now_s, shop, shop_at, text};

macro_rules! golden {
    ($name:literal) => {
        include_str!(concat!("../../../levee-pay/tests/pay/golden/", $name))
    };
}

const SECRET: &str = "whsec_the_secret_of_the_endpoint";
const API_KEY: &str = "0123456789abcdef0123456789abcdef";
const KEY_ID: &str = "PUB_KEY_ID_01";
const APP: &str = "2021000000000001";
const SELLER: &str = "2088000000000001";

/// Alipay, WeChat Pay and Stripe.
pub(crate) fn wires() -> Vec<Wire> {
    let merchant = || SigningKey::from_text(golden!("merchant.pkcs8.pem")).unwrap();
    let public = golden!("provider.public.pem");
    let alipay = Alipay::new(AlipayConfig {
        gateway: "https://openapi.alipay.com/gateway.do".to_owned(),
        app_id: APP.to_owned(),
        seller_id: SELLER.to_owned(),
        app_key: merchant(),
        alipay_keys: vec![VerifyingKey::from_text(public).unwrap()],
    });
    let wechat = Wechat::new(WechatConfig {
        gateway: "https://api.mch.weixin.qq.com".to_owned(),
        app_id: "wx1".to_owned(),
        merchant_id: "1900000001".to_owned(),
        merchant_serial: "5F00AB".to_owned(),
        merchant_key: merchant(),
        platform_keys: vec![PlatformKey::from_text(public, Some(KEY_ID)).unwrap()],
        api_v3_keys: vec![ApiV3Key::from_text(API_KEY).unwrap()],
    });
    let stripe = Stripe::new(StripeConfig {
        gateway: "https://api.stripe.com".to_owned(),
        api_key: "sk_test_levee".to_owned(),
        endpoint_secrets: vec![StripeSecret::from_text(SECRET).unwrap()],
        live: false,
        account: None,
    });
    let wire = |name: &str, provider: Arc<dyn Provider>| Wire {
        name: name.to_owned(),
        provider,
        currency: Currency::CNY,
    };
    vec![
        wire("alipay", Arc::new(alipay.unwrap())),
        wire("wechat", Arc::new(wechat.unwrap())),
        wire("stripe", Arc::new(stripe.unwrap())),
    ]
}

/// A signature of the provider's key, in base64.
fn rsa(message: &str) -> String {
    let der = golden!("provider.pkcs8.base64.txt");
    let pair = RsaKeyPair::from_pkcs8(&from_base64(der)).unwrap();
    let mut signature = vec![0; pair.public().modulus_len()];
    let random = SystemRandom::new();
    pair.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).unwrap();
    to_base64(&signature)
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn to_base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for piece in bytes.chunks(3) {
        let bits = piece.iter().enumerate().map(|(at, byte)| u32::from(*byte) << (16 - 8 * at));
        let bits: u32 = bits.sum();
        for digit in 0..4 {
            let value = bits >> (18 - 6 * digit) & 63;
            let is_padding = digit > piece.len();
            text.push(if is_padding { '=' } else { char::from(DIGITS[value as usize]) });
        }
    }
    text
}

fn from_base64(text: &str) -> Vec<u8> {
    let values: Vec<u32> = text
        .bytes()
        .filter_map(|byte| DIGITS.iter().position(|digit| *digit == byte))
        .map(|value| u32::try_from(value).unwrap())
        .collect();
    let pieces = values.chunks(4).flat_map(|piece| {
        let places = piece.iter().enumerate();
        let bits: u32 = places.map(|(at, value)| value << (18 - 6 * at)).sum();
        bits.to_be_bytes()[1..piece.len()].to_vec()
    });
    pieces.collect()
}

/// Header lines and body of a payment of so many fen, as a provider says it.
fn said(provider: &str, payment: &str, total: u64) -> (String, String) {
    match provider {
        "alipay" => alipay(payment, total),
        "wechat" => wechat(payment, total),
        _ => stripe(payment, total, "cny", now_s()),
    }
}

pub(crate) fn alipay(payment: &str, total: u64) -> (String, String) {
    alipay_with(payment, total, &[])
}

fn alipay_with(payment: &str, total: u64, more: &[(&str, &str)]) -> (String, String) {
    let now = beijing(now_s());
    let amount = format!("{}.{:02}", total / 100, total % 100);
    let mut fields = vec![
        ("app_id", APP),
        ("notify_id", "1"),
        ("notify_time", &now),
        ("notify_type", "trade_status_sync"),
        ("out_trade_no", payment),
        ("seller_id", SELLER),
        ("total_amount", &amount),
        ("trade_no", "2026"),
        ("trade_status", "TRADE_SUCCESS"),
    ];
    fields.extend(more);
    fields.sort_unstable();
    let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let sign = rsa(&pairs.join("&")).replace('+', "%2B");
    let body = format!("{}&sign_type=RSA2&sign={sign}", pairs.join("&").replace(' ', "+"));
    ("Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n".to_owned(), body)
}

/// The time of day in Beijing; days since 1970 to a date after Howard Hinnant's `civil_from_days`.
fn beijing(now_s: u64) -> String {
    let there = now_s + 8 * 3_600;
    let (days, second) = (there / 86_400 + 719_468, there % 86_400);
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{:02}", second % 60)
}

fn wechat(payment: &str, total: u64) -> (String, String) {
    let sealed = json!({
        "appid": "wx1", "mchid": "1900000001", "out_trade_no": payment, "transaction_id": "42",
        "trade_state": "SUCCESS", "amount": {"total": total, "currency": "CNY"},
    });
    sealed_in_wechat("TRANSACTION.SUCCESS", &sealed)
}

fn sealed_in_wechat(event: &str, sealed: &Value) -> (String, String) {
    let mut sealed = sealed.to_string().into_bytes();
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, API_KEY.as_bytes()).unwrap());
    let nonce = Nonce::assume_unique_for_key(*b"fdasflkja484");
    key.seal_in_place_append_tag(nonce, Aad::from(b"transaction"), &mut sealed).unwrap();
    let body = json!({
        "id": "EV-1", "event_type": event, "resource": {
            "algorithm": "AEAD_AES_256_GCM", "ciphertext": to_base64(&sealed),
            "associated_data": "transaction", "nonce": "fdasflkja484",
        },
    })
    .to_string();
    let at = now_s();
    let signature = rsa(&format!("{at}\nN\n{body}\n"));
    let headers = format!(
        "Wechatpay-Serial: {KEY_ID}\r\nWechatpay-Nonce: N\r\nWechatpay-Timestamp: {at}\r\n\
         Wechatpay-Signature: {signature}\r\n\
         Wechatpay-Signature-Type: WECHATPAY2-SHA256-RSA2048\r\n"
    );
    (headers, body)
}

fn stripe(payment: &str, total: u64, currency: &str, at_s: u64) -> (String, String) {
    stripe_event("pi_1", "succeeded", payment, total, currency, at_s)
}

fn stripe_event(
    intent: &str,
    status: &str,
    payment: &str,
    total: u64,
    currency: &str,
    at_s: u64,
) -> (String, String) {
    let object = json!({
        "id": intent, "status": status, "amount": total, "amount_received": total,
        "currency": currency, "livemode": false, "metadata": {"out_trade_no": payment},
    });
    signed_by_stripe(&format!("payment_intent.{status}"), &object, at_s)
}

fn signed_by_stripe(event: &str, object: &Value, at_s: u64) -> (String, String) {
    let body = json!({
        "id": "evt_1", "type": event, "created": at_s, "livemode": false,
        "data": {"object": object},
    })
    .to_string();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let mac = hmac::sign(&key, format!("{at_s}.{body}").as_bytes());
    let hex: String = mac.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    (format!("Stripe-Signature: t={at_s},v1={hex}\r\n"), body)
}

fn payment(bench: &Bench, id: &str) -> Value {
    bench.ask(&format!("GET /v1/payments/{id}"), "operator", "", "").json()
}

#[test]
fn each_provider_pays_an_order_and_gets_its_own_reply() {
    let bench = shop();
    for (provider, reply) in
        [("alipay", (200, "success")), ("wechat", (204, "")), ("stripe", (200, ""))]
    {
        let order = bench.placed(provider, &grape());
        let id = text(&order["payment"]["id"]);
        let (headers, body) = said(provider, id, 1_900);
        let line = format!("POST /v1/payments/{provider}/notify");
        // Also a second time, and in pieces.
        for _ in 0..2 {
            let got = bench.ask(&line, "", &headers, &body);
            assert_eq!((got.status, got.body.as_str()), reply, "{provider}: {got:?}");
        }
        let mut wire = crate::wire::Wire::open(bench.address);
        wire.send(&format!(
            "{line} HTTP/1.1\r\nHost: a\r\n{headers}Transfer-Encoding: chunked\r\n\r\n\
             {:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        ));
        let got = wire.receive().expect("an answer");
        assert_eq!((got.status, got.body.as_str()), reply, "{provider}: {got:?}");
        let paid = payment(&bench, id);
        assert_eq!((text(&paid["state"]), text(&paid["provider"])), ("succeeded", provider));
        assert_eq!(paid["disputed"], false);
        // Paid again at another provider: somebody has to see to it.
        let (headers, body) = stripe(id, 1_900, "cny", now_s());
        assert_eq!(bench.ask("POST /v1/payments/stripe/notify", "", &headers, &body).status, 200);
        assert_eq!(payment(&bench, id)["disputed"], provider != "stripe", "{provider}");
    }
    // Those of Stripe that had an effect, since they alone say here when it was.
    let metrics = bench.ask("GET /metrics", "", "", "").body;
    assert!(metrics.contains("levee_gate_callback_lag_seconds_count 3\n"), "{metrics}");
}

#[test]
fn a_wrong_amount_is_disputed_and_so_is_another_currency() {
    let bench = shop();
    for provider in ["alipay", "wechat", "stripe"] {
        let order = bench.placed(provider, &grape());
        let (headers, body) = said(provider, text(&order["payment"]["id"]), 1);
        let line = format!("POST /v1/payments/{provider}/notify");
        assert!(bench.ask(&line, "", &headers, &body).status < 300);
        let shown = bench.shown(&order);
        let said = (&shown["disputed"], &shown["state"]);
        assert_eq!(said, (&json!(true), &json!("awaiting_payment")), "{provider}");
    }
    let order = bench.placed("k", &grape());
    let id = text(&order["payment"]["id"]);
    let (headers, body) = stripe(id, 1_900, "usd", now_s());
    let got = bench.ask("POST /v1/payments/stripe/notify", "", &headers, &body);
    assert_eq!(got.status, 200);
    let seen = payment(&bench, id);
    assert_eq!((&seen["disputed"], &seen["state"]), (&json!(true), &json!("created")));
    let metrics = bench.ask("GET /metrics", "", "", "").body;
    assert!(metrics.contains("levee_gate_notifications_disputed_total 4\n"), "{metrics}");
}

/// Two payments under one number of ours, which Stripe alone makes.
#[test]
fn a_second_payment_of_an_order_at_stripe_is_disputed() {
    let bench = shop();
    let order = bench.placed("k", &grape());
    let id = text(&order["payment"]["id"]);
    let (headers, body) = stripe(id, 1_900, "cny", now_s());
    let line = "POST /v1/payments/stripe/notify";
    for _ in 0..2 {
        assert_eq!(bench.ask(line, "", &headers, &body).status, 200);
    }
    assert_eq!(payment(&bench, id)["disputed"], false, "said twice, and paid once");
    // One that nobody paid ends, and ends nothing else.
    let (headers, body) = stripe_event("pi_2", "canceled", id, 1_900, "cny", now_s());
    assert_eq!(bench.ask(line, "", &headers, &body).status, 200);
    let seen = payment(&bench, id);
    assert_eq!((text(&seen["state"]), &seen["disputed"]), ("succeeded", &json!(false)));
    let (headers, body) = stripe_event("pi_3", "succeeded", id, 1_900, "cny", now_s());
    assert_eq!(bench.ask(line, "", &headers, &body).status, 200);
    assert_eq!(payment(&bench, id)["disputed"], true);
}

/// A refund, as each provider says it: before and after the connector's own answer, and again.
#[test]
fn a_refund_is_heard_of_once_and_only_as_it_was_asked_for() {
    for provider in ["alipay", "wechat", "stripe"] {
        let bench = shop();
        let order = bench.placed("k", &grape());
        let id = text(&order["payment"]["id"]);
        let line = format!("POST /v1/payments/{provider}/notify");
        let (headers, body) = said(provider, id, 1_900);
        assert!(bench.ask(&line, "", &headers, &body).status < 300);
        let ask = json!({"amount_minor": 700, "reason": "r", "reference": "a"}).to_string();
        let path = format!("POST /v1/orders/{}/refunds", text(&order["id"]));
        let got = bench.ask(&path, "operator", "Idempotency-Key: r\r\n", &ask);
        assert!(got.status < 300, "{got:?}");

        let number = format!("{id}_1");
        let hear = |number: &str, amount: u64, done: bool| {
            let (headers, body) = refunded(provider, id, number, amount, done);
            bench.ask(&line, "", &headers, &body)
        };
        assert_eq!(hear(&number, 701, true).brief(), "409 trade_conflict", "{provider}");
        assert!(hear("somebody_elses_1", 700, true).status < 300);
        assert_eq!(payment(&bench, id)["refunded_minor"], 0);
        for _ in 0..2 {
            assert!(hear(&number, 700, true).status < 300, "{provider}");
            assert_eq!(payment(&bench, id)["refunded_minor"], 700, "{provider}");
        }
        let unknown = hear(&format!("{id}_2"), 700, true);
        assert_eq!(unknown.brief(), "404 refund_not_found", "{provider}");
        if provider != "alipay" {
            // It was done, and came back: somebody must look, and the provider need not say it again.
            for _ in 0..2 {
                assert!(hear(&number, 700, false).status < 300, "{provider}");
                let seen = payment(&bench, id);
                assert_eq!(
                    (&seen["refunded_minor"], &seen["disputed"]),
                    (&json!(700), &json!(true))
                );
            }
        }
        let metrics = bench.ask("GET /metrics", "", "", "").body;
        let disputed = usize::from(provider != "alipay");
        for line in [
            "refused_total{reason=\"conflicting\"} 1\n".to_owned(),
            format!("levee_gate_notifications_disputed_total {disputed}\n"),
            "ignored_total{reason=\"foreign\"} 1\n".to_owned(),
        ] {
            assert!(metrics.contains(&line), "{line}{metrics}");
        }
    }
}

fn refunded(
    provider: &str,
    payment: &str,
    number: &str,
    amount: u64,
    done: bool,
) -> (String, String) {
    match provider {
        "alipay" => {
            let at = beijing(now_s());
            let fee = format!("{}.{:02}", amount / 100, amount % 100);
            alipay_with(
                payment,
                1_900,
                &[("gmt_refund", &at), ("out_biz_no", number), ("refund_fee", &fee)],
            )
        }
        "wechat" => {
            let status = if done { "SUCCESS" } else { "CLOSED" };
            let sealed = json!({
                "mchid": "1900000001", "out_trade_no": payment, "transaction_id": "42",
                "out_refund_no": number, "refund_status": status,
                "amount": {"total": 1_900, "refund": amount},
            });
            sealed_in_wechat("REFUND.SUCCESS", &sealed)
        }
        _ => {
            let status = if done { "succeeded" } else { "failed" };
            let object = json!({
                "payment_intent": "pi_1", "amount": amount, "currency": "cny", "status": status,
                "metadata": {"out_trade_no": payment, "out_refund_no": number},
            });
            signed_by_stripe("refund.updated", &object, now_s())
        }
    }
}

#[test]
fn what_is_not_taken_is_counted_by_reason() {
    let bench = shop();
    let order = bench.placed("k", &grape());
    let id = text(&order["payment"]["id"]);
    let refused = |provider: &str, (headers, body): (String, String)| {
        let line = format!("POST /v1/payments/{provider}/notify");
        let got = bench.ask(&line, "", &headers, &body);
        assert_eq!(got.brief(), "401 signature_invalid", "{provider} {headers} {body}");
    };
    refused("stripe", stripe(id, 1_900, "cny", now_s() - 301));
    refused("stripe", (String::new(), stripe(id, 1_900, "cny", now_s()).1));
    for provider in ["alipay", "wechat", "stripe"] {
        let (headers, body) = said(provider, id, 1_900);
        refused(provider, (headers, body.replacen("1", "2", 1)));
    }
    let (headers, body) = wechat(id, 1_900);
    refused("wechat", (headers.replace(KEY_ID, "PUB_KEY_ID_02"), body.clone()));
    let probe = headers.replace("Signature: ", "Signature: WECHATPAY/SIGNTEST/");
    refused("wechat", (probe, body));
    assert_eq!(payment(&bench, id)["state"], "created");
    let metrics = bench.ask("GET /metrics", "", "", "").body;
    for (reason, count) in [
        ("malformed", 1),
        ("tampered", 3),
        ("too_old", 1),
        ("unknown_key", 1),
        ("probe", 1),
        ("wrong_app", 0),
        ("wrong_merchant", 0),
        ("undecryptable", 0),
    ] {
        let line =
            format!("levee_gate_notifications_refused_total{{reason=\"{reason}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
    let (headers, body) = stripe("pay_somebody_elses", 1_900, "cny", now_s());
    let got = bench.ask("POST /v1/payments/stripe/notify", "", &headers, &body);
    // Other software of the same account has payments, too.
    assert_eq!(got.status, 200);
    let metrics = bench.ask("GET /metrics", "", "", "").body;
    let line = "levee_gate_notifications_ignored_total{reason=\"foreign\"} 1\n";
    assert!(metrics.contains(line), "{metrics}");
}

#[test]
fn an_address_that_forges_is_refused_unread_until_it_sends_something_genuine() {
    let ranges = vec!["127.0.0.0/8".parse().unwrap()];
    let proxies = Proxies { ranges, socket: false };
    let admission = AdmissionConfig { forged_per_s: 1, ..AdmissionConfig::default() };
    let config = GateConfig { workers: 1, proxies, admission, ..GateConfig::default() };
    let bench = shop_at(Bench::with(config, KeyRing::dev()));
    let order = bench.placed("k", &grape());
    let id = text(&order["payment"]["id"]);
    let send = |from: &str, provider: &str, (headers, body): (String, String)| {
        let line = format!("POST /v1/payments/{provider}/notify");
        let headers = format!("X-Forwarded-For: 1.1.1.1, {from}\r\n{headers}");
        bench.ask(&line, "", &headers, &body).brief()
    };
    let forged = || {
        let (headers, body) = alipay(id, 1_900);
        (headers, body.replacen('1', "2", 1))
    };
    let (forger, shared) = ("198.51.100.7", "198.51.100.8");
    // The worker's clock goes on meanwhile, and gives back one look a second.
    let mut looked_at = 0;
    while send(forger, "alipay", forged()) == "401 signature_invalid" {
        looked_at += 1;
        assert!(looked_at < 1_000, "a forger without a limit");
    }
    assert!(looked_at >= 2, "{looked_at}");
    // Whoever it pretends to be: the limit is the address's.
    assert_eq!(send(forger, "sandbox", forged()), "429 rate_limited");
    // Its neighbours go on, also one whose address somebody genuine has, too.
    for _ in 0..25 {
        assert_eq!(send(shared, "alipay", forged()), "401 signature_invalid");
        let foreign = alipay("pay_somebody_elses", 1);
        assert_eq!(send(shared, "alipay", foreign), "200");
    }
    assert_eq!(send(shared, "wechat", wechat(id, 1_900)), "204");
    assert_eq!(payment(&bench, id)["state"], "succeeded");
    let metrics = bench.ask("GET /metrics", "", "", "").body;
    let line = "levee_gate_notifications_refused_total{reason=\"unread\"} 2\n";
    assert!(metrics.contains(line), "{metrics}");
}
