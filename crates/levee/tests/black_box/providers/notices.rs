//! Notifications as each provider signs and seals them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hmac;
use serde_json::json;

use super::stand_in::{Kind, Payment};
use super::wires::{
    API_V3, APP, ENDPOINT, SELLER, sign, stripe_intent, stripe_refunds, wechat_headers,
    wechat_payment, yuan,
};

/// Header lines and body of a notification: of a refund of so much, or of the payment.
pub(crate) fn notification(
    kind: Kind,
    number: &str,
    one: &Payment,
    refund: Option<&str>,
) -> (String, String) {
    match kind {
        Kind::Alipay => alipay_notification(number, one, refund),
        Kind::Wechat => wechat_notification(number, one, refund),
        Kind::Stripe => {
            let (name, object) = match refund {
                Some(_) => ("refund.updated", stripe_refunds(number, one)[0].clone()),
                None => ("payment_intent.succeeded", stripe_intent(number, one)),
            };
            let event = json!({
                "id": "evt_1", "type": name, "livemode": false, "data": {"object": object},
            });
            let (at, body) = (crate::providers::now_s(), event.to_string());
            let key = hmac::Key::new(hmac::HMAC_SHA256, ENDPOINT.as_bytes());
            let mac = hmac::sign(&key, format!("{at}.{body}").as_bytes());
            let hex: String = mac.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            (format!("Stripe-Signature: t={at},v1={hex}\r\n"), body)
        }
    }
}

fn alipay_notification(number: &str, one: &Payment, refund: Option<&str>) -> (String, String) {
    let now = crate::providers::beijing(crate::providers::now_s());
    let given_back = one.refunds.iter().map(|(_, amount, _)| amount).sum();
    let mut all = vec![
        ("app_id", APP.to_owned()),
        ("gmt_payment", now.clone()),
        ("notify_id", "1".to_owned()),
        ("notify_time", now.clone()),
        ("notify_type", "trade_status_sync".to_owned()),
        ("out_trade_no", number.to_owned()),
        ("seller_id", SELLER.to_owned()),
        ("total_amount", yuan(one.amount)),
        ("trade_no", one.trade.clone()),
        ("trade_status", "TRADE_SUCCESS".to_owned()),
    ];
    if let Some(refund) = refund {
        all.push(("gmt_refund", now));
        all.push(("out_biz_no", refund.to_owned()));
        all.push(("refund_fee", yuan(given_back)));
    }
    all.sort();
    let pairs: Vec<String> = all.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let sign = sign(&pairs.join("&")).replace('+', "%2B").replace('=', "%3D");
    let body = format!("{}&sign_type=RSA2&sign={sign}", pairs.join("&").replace(' ', "+"));
    ("Content-Type: application/x-www-form-urlencoded\r\n".to_owned(), body)
}

fn wechat_notification(number: &str, one: &Payment, refund: Option<&str>) -> (String, String) {
    let (name, inner) = match refund {
        Some(back) => {
            let (_, amount, _) = one.refund(back).expect("known");
            let inner = json!({
                "mchid": "1900000001", "out_trade_no": number, "transaction_id": one.trade,
                "out_refund_no": back, "refund_status": "SUCCESS",
                "amount": {"total": one.amount, "refund": amount},
            });
            ("REFUND.SUCCESS", inner)
        }
        None => ("TRANSACTION.SUCCESS", wechat_payment(number, one)),
    };
    let mut sealed = inner.to_string().into_bytes();
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, API_V3.as_bytes()).expect("a key"));
    let nonce = Nonce::assume_unique_for_key(*b"fdasflkja484");
    key.seal_in_place_append_tag(nonce, Aad::from(b"data"), &mut sealed).expect("sealed");
    let body = json!({
        "id": "EV-1", "event_type": name, "resource": {
            "algorithm": "AEAD_AES_256_GCM", "ciphertext": STANDARD.encode(&sealed),
            "associated_data": "data", "nonce": "fdasflkja484",
        },
    })
    .to_string();
    let lines =
        wechat_headers(&body).into_iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    (lines.collect(), body)
}
