//! What the tests share: orders, headers, and the provider's own signature where one is needed that
//! is not kept.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use levee_pay::{Currency, Money, Order, Provider, Refund, Stamp, Trade};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;

use crate::{BACK, NOW_S, NUMBER, golden};

pub(crate) const STAMP: Stamp =
    Stamp { now_s: NOW_S - 1, nonce: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15] };

pub(crate) fn money(amount_minor: u64, code: &str) -> Money {
    Money { amount_minor, currency: Currency::new(code).expect("a code") }
}

pub(crate) fn order(money: Money) -> Order {
    Order {
        out_trade_no: NUMBER.to_owned(),
        money,
        subject: "奶茶 & 礼品".to_owned(),
        notify_url: "https://shop.example/notify".to_owned(),
        expires_at_s: NOW_S + 900,
    }
}

pub(crate) fn trade(trade_no: Option<&str>) -> Trade {
    Trade { out_trade_no: NUMBER.to_owned(), trade_no: trade_no.map(str::to_owned) }
}

/// 12.00 of 25.34.
pub(crate) fn refund(code: &str, trade_no: Option<&str>) -> Refund {
    Refund {
        out_refund_no: BACK.to_owned(),
        trade: trade(trade_no),
        money: money(1_200, code),
        total_minor: 2_534,
        reason: None,
        notify_url: None,
    }
}

pub(crate) fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in all {
        let value = HeaderValue::from_str(value).expect("a value");
        headers.append(HeaderName::from_static(name), value);
    }
    headers
}

/// The provider's signature, in base64.
pub(crate) fn signed_by_provider(message: &str) -> String {
    let der = PrivatePkcs8KeyDer::from_pem_slice(golden!("provider.pkcs8.pem").as_bytes());
    let pair = RsaKeyPair::from_pkcs8(der.expect("PEM").secret_pkcs8_der()).expect("a key");
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature)
        .expect("it signs");
    STANDARD.encode(signature)
}

/// Why a payment of so much is not made; none where it is.
#[track_caller]
pub(crate) fn check_order(provider: &dyn Provider, order: &Order, expected: Option<&str>) {
    let error = provider.create(order, &STAMP).err().map(|error| error.to_string());
    assert_eq!(error.as_deref(), expected, "{order:?}");
}

/// What no provider takes.
#[track_caller]
pub(crate) fn check_limits(provider: &dyn Provider, code: &str) {
    let numbers = "numbers of payments and refunds are 6 to 32 letters, digits and underscores";
    let texts = "subject and reason have 1 to 40 characters";
    let amounts = "the provider does not take this amount";
    let good = order(money(1, code));
    check_order(provider, &good, None);
    check_order(provider, &Order { money: money(0, code), ..good.clone() }, Some(amounts));
    for wrong in ["", "pay_1", "pay/../../x", "pay_1?x=1", "奶茶奶茶奶茶", &"p".repeat(33)] {
        let order = Order { out_trade_no: wrong.to_owned(), ..good.clone() };
        check_order(provider, &order, Some(numbers));
        let back = Refund { out_refund_no: wrong.to_owned(), ..refund(code, Some("pi_1")) };
        assert_eq!(provider.refund(&back, &STAMP).expect_err("refused").to_string(), numbers);
    }
    for wrong in [String::new(), "a\nb".to_owned(), "茶".repeat(41)] {
        check_order(provider, &Order { subject: wrong, ..good.clone() }, Some(texts));
    }
    check_order(provider, &Order { subject: "茶".repeat(40), ..good }, None);
    let back = Refund { money: money(2_535, code), ..refund(code, Some("pi_1")) };
    assert_eq!(provider.refund(&back, &STAMP).expect_err("refused").to_string(), amounts);
}

/// A genuine notification is refused whichever byte of it is another, and wherever it breaks off.
#[track_caller]
pub(crate) fn check_every_byte(provider: &dyn Provider, headers: &HeaderMap, body: &str) {
    let takes = |body: &[u8]| provider.verify(headers, body, NOW_S).is_ok();
    assert!(takes(body.as_bytes()));
    for at in 0..body.len() {
        let mut changed = body.as_bytes().to_vec();
        changed[at] ^= 1;
        assert!(!takes(&changed), "another byte at {at}");
        assert!(!takes(&body.as_bytes()[..at]), "the first {at} bytes");
    }
}
