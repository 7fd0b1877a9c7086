//! How the three providers answer and notify: each checks what it would check, with keys of
//! `levee-pay`'s tests and with ring, and without any of Levee's code.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{
    KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use serde_json::{Value, json};

use super::stand_in::{Answer, Books, Kind, Payment, Request};

pub(crate) const APP: &str = "2021000000000001";
pub(crate) const SELLER: &str = "2088000000000001";
pub(crate) const API_V3: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const ENDPOINT: &str = "whsec_the_secret_of_the_endpoint";
pub(crate) const API_KEY: &str = "sk_test_levee";

macro_rules! golden {
    ($name:literal) => {
        include_str!(concat!("../../../../levee-pay/tests/pay/golden/", $name))
    };
}

fn pair(base64: &str) -> RsaKeyPair {
    let text: String = base64.split_whitespace().collect();
    RsaKeyPair::from_pkcs8(&STANDARD.decode(text).expect("base64")).expect("a key")
}

/// A signature of the provider's, in base64.
pub(super) fn sign(message: &str) -> String {
    let pair = pair(golden!("provider.pkcs8.base64.txt"));
    let mut signature = vec![0; pair.public().modulus_len()];
    let random = SystemRandom::new();
    pair.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).expect("signed");
    STANDARD.encode(signature)
}

/// Whether the merchant has signed this.
fn is_signed(message: &str, signature: &str) -> bool {
    let pair = pair(golden!("merchant.pkcs8.base64.txt"));
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
    let signature = STANDARD.decode(signature).unwrap_or_default();
    key.verify(message.as_bytes(), &signature).is_ok()
}

/// Fields of a form or a query.
fn fields(text: &str) -> Vec<(String, String)> {
    let plain = |text: &str| {
        let (mut bytes, mut plain) = (text.bytes(), Vec::new());
        while let Some(byte) = bytes.next() {
            plain.push(match byte {
                b'+' => b' ',
                b'%' => {
                    let hex = [bytes.next(), bytes.next()].map(|digit| digit.expect("two digits"));
                    let hex = std::str::from_utf8(&hex).expect("digits").to_owned();
                    u8::from_str_radix(&hex, 16).expect("digits")
                }
                byte => byte,
            });
        }
        String::from_utf8(plain).expect("text")
    };
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (plain(name), plain(value))).collect()
}

fn field<'f>(fields: &'f [(String, String)], name: &str) -> &'f str {
    fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

pub(crate) fn yuan(fen: u64) -> String {
    format!("{}.{:02}", fen / 100, fen % 100)
}

fn fen(yuan: &str) -> u64 {
    yuan.replace('.', "").parse().expect("two decimals")
}

pub(crate) fn answer(kind: Kind, books: &mut Books, request: &Request) -> Answer {
    match kind {
        Kind::Alipay => alipay(books, request),
        Kind::Wechat => wechat(books, request),
        Kind::Stripe => stripe(books, request),
    }
}

pub(crate) fn unavailable() -> Answer {
    Answer { status: 503, headers: Vec::new(), body: "later".to_owned() }
}

fn fault() -> Answer {
    Answer { status: 500, headers: Vec::new(), body: "a fault".to_owned() }
}

fn alipay(books: &mut Books, request: &Request) -> Answer {
    let mut all = fields(request.path.split_once('?').map_or("", |(_, query)| query));
    all.extend(fields(&request.body));
    all.sort();
    let signed: Vec<String> = all
        .iter()
        .filter(|(name, _)| name != "sign")
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    if !is_signed(&signed.join("&"), field(&all, "sign")) || field(&all, "app_id") != APP {
        books.wrong.push(request.path.clone());
    }
    let content: Value = serde_json::from_str(field(&all, "biz_content")).expect("JSON");
    let (number, back) = (text(&content, "out_trade_no"), text(&content, "out_request_no"));
    let method = field(&all, "method");
    books.asked.push(format!("{method} {number}"));
    let good = |mut more: Value| {
        more["code"] = json!("10000");
        more["msg"] = json!("Success");
        more["out_trade_no"] = json!(number);
        more
    };
    let none = json!({"code": "40004", "msg": "no", "sub_code": "ACQ.TRADE_NOT_EXIST"});
    let known = books.payments.get(number).cloned();
    let inner = match (method, known) {
        ("alipay.trade.precreate", _) => {
            let made = books.make(number, fen(text(&content, "total_amount")));
            good(json!({"qr_code": format!("https://qr.example/{}", made.trade)}))
        }
        (_, None) => none,
        ("alipay.trade.query", Some(paid)) if paid.is_paid => good(json!({
            "trade_no": paid.trade, "trade_status": "TRADE_SUCCESS",
            "total_amount": yuan(paid.amount), "send_pay_date": "2026-02-06 09:00:00",
        })),
        ("alipay.trade.query" | "alipay.trade.close", Some(paid)) if !paid.is_paid => {
            // Nobody has scanned it.
            if method == "alipay.trade.close" {
                books.payments.get_mut(number).expect("known").is_closed = true;
            }
            none
        }
        ("alipay.trade.close", Some(_)) => {
            json!({"code": "40004", "msg": "no", "sub_code": "ACQ.TRADE_STATUS_ERROR"})
        }
        ("alipay.trade.refund", Some(_)) => {
            if books.give_back(number, back, fen(text(&content, "refund_amount"))) {
                return fault();
            }
            good(json!({"fund_change": "Y"}))
        }
        (_, Some(paid)) => match paid.refund(back) {
            Some((back, amount, true)) => good(json!({
                "out_request_no": back, "refund_status": "REFUND_SUCCESS",
                "refund_amount": yuan(*amount),
            })),
            _ => json!({"code": "10000", "msg": "Success"}),
        },
    };
    let name = method.replace('.', "_");
    let body = format!(r#"{{"{name}_response":{inner},"sign":"{}"}}"#, sign(&inner.to_string()));
    Answer { status: 200, headers: Vec::new(), body }
}

fn wechat(books: &mut Books, request: &Request) -> Answer {
    let Request { method, path, headers, body } = request;
    let authorization = headers.get("authorization").map_or("", String::as_str);
    let of = |name: &str| {
        let (_, rest) = authorization.split_once(&format!("{name}=\"")).unwrap_or_default();
        rest.split('"').next().unwrap_or_default().to_owned()
    };
    let (at, nonce) = (of("timestamp"), of("nonce_str"));
    if !is_signed(&format!("{method}\n{path}\n{at}\n{nonce}\n{body}\n"), &of("signature")) {
        books.wrong.push(path.clone());
    }
    books.asked.push(format!("{method} {path}"));
    let said: Value = serde_json::from_str(body).unwrap_or_default();
    let word = path.rsplit('/').next().unwrap_or_default();
    let (status, inner) = if path == "/v3/pay/transactions/native" {
        let amount = said["amount"]["total"].as_u64().expect("fen");
        let made = books.make(text(&said, "out_trade_no"), amount);
        (200, json!({"code_url": format!("weixin://pay/{}", made.trade)}).to_string())
    } else if path == "/v3/refund/domestic/refunds" {
        let (number, back) = (text(&said, "out_trade_no"), text(&said, "out_refund_no"));
        if books.give_back(number, back, said["amount"]["refund"].as_u64().expect("fen")) {
            return fault();
        }
        (200, wechat_refund(number, &books.payments[number], back))
    } else if path.starts_with("/v3/refund/") {
        let holder = books.payments.iter().find(|(_, one)| one.refund(word).is_some());
        holder.map_or((404, json!({"code": "RESOURCE_NOT_EXISTS"}).to_string()), |(number, one)| {
            (200, wechat_refund(number, one, word))
        })
    } else if word == "close" {
        let number = path.rsplit('/').nth(1).unwrap_or_default();
        match books.payments.get_mut(number) {
            None => (404, json!({"code": "ORDER_NOT_EXIST"}).to_string()),
            Some(one) if one.is_paid => (400, json!({"code": "ORDERPAID"}).to_string()),
            Some(one) => {
                one.is_closed = true;
                (204, String::new())
            }
        }
    } else {
        let number = word.split('?').next().unwrap_or_default();
        match books.payments.get(number) {
            None => (404, json!({"code": "ORDER_NOT_EXIST"}).to_string()),
            Some(one) => (200, wechat_payment(number, one).to_string()),
        }
    };
    Answer { status, headers: wechat_headers(&inner), body: inner }
}

pub(super) fn wechat_headers(body: &str) -> Vec<(&'static str, String)> {
    let at = crate::providers::now_s();
    vec![
        ("Wechatpay-Serial", "PUB_KEY_ID_01".to_owned()),
        ("Wechatpay-Nonce", "N".to_owned()),
        ("Wechatpay-Timestamp", at.to_string()),
        ("Wechatpay-Signature", sign(&format!("{at}\nN\n{body}\n"))),
    ]
}

pub(super) fn wechat_payment(number: &str, one: &Payment) -> Value {
    let state = match one {
        _ if !one.refunds.is_empty() => "REFUND",
        _ if one.is_paid => "SUCCESS",
        _ if one.is_closed => "CLOSED",
        _ => "NOTPAY",
    };
    json!({
        "appid": "wx1", "mchid": "1900000001", "out_trade_no": number,
        "transaction_id": one.trade, "trade_state": state,
        "amount": {"total": one.amount, "currency": "CNY"},
    })
}

fn wechat_refund(number: &str, one: &Payment, back: &str) -> String {
    let (_, amount, done) = one.refund(back).expect("known");
    let status = if *done { "SUCCESS" } else { "PROCESSING" };
    json!({
        "out_trade_no": number, "out_refund_no": back, "transaction_id": one.trade,
        "status": status, "amount": {"total": one.amount, "refund": amount, "currency": "CNY"},
    })
    .to_string()
}

fn stripe(books: &mut Books, request: &Request) -> Answer {
    let Request { method, path, headers, body } = request;
    if headers.get("authorization").map(String::as_str) != Some("Bearer sk_test_levee") {
        books.wrong.push(path.clone());
    }
    books.asked.push(format!("{method} {path}"));
    let good = |body: Value| Answer { status: 200, headers: Vec::new(), body: body.to_string() };
    let key = headers.get("idempotency-key");
    if let Some(first) = key.and_then(|key| books.keys.get(key)) {
        return Answer { status: 200, headers: Vec::new(), body: first.clone() };
    }
    let form = fields(body);
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let by_trade = |books: &Books, trade: &str| {
        let mut all = books.payments.iter();
        all.find(|(_, one)| one.trade == trade).map(|(number, _)| number.clone()).expect("known")
    };
    let said = match path {
        "/v1/payment_intents" => {
            let number = field(&form, "metadata[out_trade_no]");
            let made = books.make(number, field(&form, "amount").parse().expect("cents"));
            stripe_intent(number, &made)
        }
        "/v1/payment_intents/search" => {
            let query = fields(query);
            let number = field(&query, "query").split('\'').nth(3).unwrap_or_default();
            let found = books.payments.get(number).map(|one| stripe_intent(number, one));
            json!({"data": found.into_iter().collect::<Vec<_>>()})
        }
        "/v1/refunds" if method == "POST" => {
            let number = by_trade(books, field(&form, "payment_intent"));
            let back = field(&form, "metadata[out_refund_no]");
            // A key that is not known is another refund, whatever number it has.
            let one = books.payments.get_mut(&number).expect("known");
            if one.refund(back).is_some() {
                one.refunds.push((format!("{back} again"), one.amount, true));
            }
            if books.give_back(&number, back, field(&form, "amount").parse().expect("cents")) {
                return fault();
            }
            stripe_refunds(&number, &books.payments[&number])[0].clone()
        }
        "/v1/refunds" => {
            let number = by_trade(books, field(&fields(query), "payment_intent"));
            json!({"data": stripe_refunds(&number, &books.payments[&number])})
        }
        _ => {
            let trade = path.split('/').nth(3).unwrap_or_default();
            let number = by_trade(books, trade);
            let one = books.payments.get_mut(&number).expect("known");
            if path.ends_with("/cancel") {
                if one.is_paid {
                    let error = json!({"type": "invalid_request_error", "code": "no",
                        "payment_intent": stripe_intent(&number, one)});
                    let body = json!({"error": error}).to_string();
                    return Answer { status: 400, headers: Vec::new(), body };
                }
                one.is_closed = true;
            }
            stripe_intent(&number, one)
        }
    };
    if let Some(key) = key {
        books.keys.insert(key.clone(), said.to_string());
    }
    good(said)
}

pub(super) fn stripe_intent(number: &str, one: &Payment) -> Value {
    let status = match one {
        _ if one.is_paid => "succeeded",
        _ if one.is_closed => "canceled",
        _ => "requires_payment_method",
    };
    let received = if one.is_paid { one.amount } else { 0 };
    json!({
        "id": one.trade, "status": status, "amount": one.amount, "amount_received": received,
        "currency": "cny", "livemode": false, "client_secret": format!("{}_secret", one.trade),
        "metadata": {"out_trade_no": number},
    })
}

/// Newest first.
pub(super) fn stripe_refunds(number: &str, one: &Payment) -> Vec<Value> {
    let shown = |(back, amount, done): &(String, u64, bool)| {
        let status = if *done { "succeeded" } else { "pending" };
        json!({
            "payment_intent": one.trade, "amount": amount, "currency": "cny", "status": status,
            "metadata": {"out_trade_no": number, "out_refund_no": back},
        })
    };
    one.refunds.iter().rev().map(shown).collect()
}
