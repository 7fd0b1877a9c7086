//! Stripe.

use http::HeaderMap;
use levee_pay::{Asked, Op, PayBy, Provider, Reply, State, Stripe, StripeConfig, StripeSecret};

use crate::support::{
    STAMP, check_every_byte, check_limits, check_order, headers, money, order, refund, trade,
};
use crate::{BACK, NOW_S, NUMBER, golden};

const SECRET: &str = "whsec_the_secret_of_the_endpoint";
const NEXT: &str = "whsec_the_secret_that_comes_next";
const BODY: &str = golden!("stripe.body.json");
const GENUINE: &str = golden!("stripe.signature.txt");

fn stripe(secrets: &[&str], live: bool, account: Option<&str>) -> Stripe {
    let secrets = secrets.iter().map(|text| StripeSecret::from_text(text).expect("a secret"));
    Stripe::new(StripeConfig {
        gateway: "https://api.stripe.com".to_owned(),
        api_key: "sk_test_levee".to_owned(),
        endpoint_secrets: secrets.collect(),
        live,
        account: account.map(str::to_owned),
    })
    .expect("a good configuration")
}

fn usual() -> Stripe {
    stripe(&[SECRET], false, None)
}

#[test]
fn keys_travel_by_tls_or_not_at_all() {
    for (gateway, is_good) in [
        ("https://api.stripe.com", true),
        ("https://api.stripe.com/", true),
        ("http://127.0.0.1:8080", true),
        ("http://localhost:8080", true),
        ("http://[::1]:8080", true),
        ("http://api.stripe.com", false),
        ("http://127.0.0.1.example.com", false),
        ("http://127.0.0.1@example.com", false),
        ("ftp://127.0.0.1", false),
        ("https://api.stripe.com/v1", false),
    ] {
        let made = Stripe::new(StripeConfig {
            gateway: gateway.to_owned(),
            api_key: "sk_test_levee".to_owned(),
            endpoint_secrets: vec![StripeSecret::from_text(SECRET).expect("a secret")],
            live: false,
            account: None,
        });
        assert_eq!(made.is_ok(), is_good, "{gateway}");
    }
    let made = usual().create(&order(money(2_534, "USD")), &STAMP).expect("a request").http;
    assert!(!format!("{made:?}").contains("sk_test_levee"), "{made:?}");
    let secret = PayBy::ClientSecret("pi_1_secret".to_owned());
    assert!(!format!("{secret:?}").contains("pi_1"), "{secret:?}");
}

/// Stripe counts them in other units: what it says would be read as a hundred times as much.
#[test]
fn amounts_in_other_units_are_not_read() {
    for code in ["isk", "ugx", "mga"] {
        let paid = intent("pi_1", "succeeded").replace("usd", code);
        check_reply(Op::Query, Some("pi_1"), 200, &paid, Err("currency is missing or malformed"));
        assert!(!Stripe::takes(levee_pay::Currency::new(code).expect("a code")));
    }
    assert!(Stripe::takes(levee_pay::Currency::CNY));
}

#[test]
fn requests_are_forms_with_a_key() {
    let made = usual().create(&order(money(2_534, "USD")), &STAMP).expect("a request").http;
    assert_eq!(made.uri(), "https://api.stripe.com/v1/payment_intents");
    assert_eq!(made.headers()["idempotency-key"], "create_pay_0123456789abcdef");
    assert_eq!(made.headers()["authorization"], "Bearer sk_test_levee");
    assert_eq!(
        std::str::from_utf8(made.body()),
        Ok("amount=2534&currency=usd&description=%E5%A5%B6%E8%8C%B6%20%26%20%E7%A4%BC%E5%93%81\
            &automatic_payment_methods%5Benabled%5D=true\
            &metadata%5Bout_trade_no%5D=pay_0123456789abcdef")
    );
    let connected = stripe(&[SECRET], false, Some("acct_1"));
    let back = connected.refund(&refund("USD", Some("pi_1")), &STAMP).expect("a request").http;
    assert_eq!(back.headers()["idempotency-key"], "refund_pay_0123456789abcdef_r1");
    assert_eq!(back.headers()["stripe-account"], "acct_1");
}

#[test]
fn what_is_no_payment_is_not_sent() {
    check_limits(&usual(), "EUR");
    let amount = Some("the provider does not take this amount");
    check_order(&usual(), &order(money(100_000_000, "JPY")), amount);
    let currency = Some("the provider does not take this currency");
    check_order(&usual(), &order(money(2_500, "ISK")), currency);
    for wrong in [None, Some(""), Some("pi_1/cancel"), Some("pi 1")] {
        let error = usual().close(&trade(wrong), &STAMP).expect_err("refused");
        assert_eq!(error.to_string(), "the provider's own number is needed", "{wrong:?}");
    }
}

/// How a notification is taken: what it says in short, or the reason's name.
#[track_caller]
fn check(stripe: &Stripe, signature: &str, body: &str, now_s: u64, expected: &str) {
    let headers = headers(&[("stripe-signature", signature)]);
    let said = match stripe.verify(&headers, body.as_bytes(), now_s) {
        Ok(read) => format!("{} {:?} {:?}", read.out_trade_no, read.state, read.money),
        Err(error) => error.name().to_owned(),
    };
    assert_eq!(said, expected, "{signature}");
}

#[test]
fn a_notification_is_genuine_or_refused() {
    let paid = "pay_0123456789abcdef Succeeded Money { amount_minor: 2534, currency: USD }";
    let good = format!("t=1770339601,v1={GENUINE}");
    let zeros = "0".repeat(64);
    for (now_s, expected) in [
        (NOW_S, paid),
        (NOW_S - 1 + 300, paid),
        (NOW_S - 1 - 300, paid),
        (NOW_S - 1 + 301, "too_old"),
        (NOW_S - 1 - 301, "too_old"),
        (0, "too_old"),
        (u64::MAX, "too_old"),
    ] {
        check(&usual(), &good, BODY, now_s, expected);
    }
    check_every_byte(&usual(), &headers(&[("stripe-signature", &good)]), BODY);
    let seven = format!("v1={zeros},").repeat(7);
    for (signature, expected) in [
        (format!("t=1770339601,v1={zeros},v1={GENUINE},v0={zeros}"), paid),
        (format!("t=1770339601,{seven}v1={GENUINE}"), paid),
        (format!("t=1770339601,v1={zeros},{seven}v1={GENUINE}"), "tampered"),
        (format!("t=1770339601,v1={zeros}"), "tampered"),
        (format!("t=1770339601,v0={GENUINE}"), "tampered"),
        (format!("t=1770339602,v1={GENUINE}"), "tampered"),
        (format!("t=1770339601,v1={}", &GENUINE[..62]), "tampered"),
        ("t=1770339601,v1=".to_owned(), "tampered"),
        (format!("t=1770339601,v1={GENUINE}00"), "tampered"),
        (format!("t=1770339601,v1=+{}", &GENUINE[1..]), "tampered"),
        ("t=1770339601".to_owned(), "tampered"),
        (format!("v1={GENUINE}"), "malformed"),
        (format!("t=01770339601,v1={GENUINE}"), "malformed"),
        (format!("t=1770339601,t=1770339602,v1={GENUINE}"), "malformed"),
        (String::new(), "malformed"),
    ] {
        check(&usual(), &signature, BODY, NOW_S, expected);
    }
    for body in [BODY.replace("2534", "1"), BODY.trim_end().to_owned(), String::new()] {
        check(&usual(), &good, &body, NOW_S, "tampered");
    }
    check(&stripe(&[NEXT], false, None), &good, BODY, NOW_S, "tampered");
    check(&stripe(&[NEXT, SECRET], false, None), &good, BODY, NOW_S, paid);
    check(&stripe(&[SECRET], true, None), &good, BODY, NOW_S, "wrong_app");
    check(&stripe(&[SECRET], false, Some("acct_1")), &good, BODY, NOW_S, "wrong_merchant");
    assert!(StripeSecret::from_text("whsec_short").is_none());
    assert!(StripeSecret::from_text("the_secret_of_the_endpoint").is_none());
}

/// What is read of an answer about the usual payment.
#[track_caller]
fn check_reply(
    op: Op,
    trade_no: Option<&str>,
    status: u16,
    body: &str,
    expected: Result<Reply, &str>,
) {
    let asked = Asked { op, trade: trade(trade_no), out_refund_no: Some(BACK.to_owned()) };
    let read = usual().read_reply(&asked, status, &HeaderMap::new(), body.as_bytes(), NOW_S);
    let read = read.map_err(|error| error.to_string());
    assert_eq!(read, expected.map_err(str::to_owned), "{body}");
}

fn intent(id: &str, status: &str) -> String {
    format!(
        r#"{{"id":"{id}","status":"{status}","amount":2534,"amount_received":2534,"currency":"usd",
            "client_secret":"{id}_secret","livemode":false,"metadata":{{"out_trade_no":"{NUMBER}"}}}}"#
    )
}

fn unknown() -> Reply {
    Reply { state: State::Unknown, trade_no: None, money: None, pay_by: None }
}

#[test]
fn answers_say_what_is_known() {
    let is = |state| Reply { state, trade_no: Some("pi_1".to_owned()), ..unknown() };
    let paid = Reply { money: Some(money(2_534, "USD")), ..is(State::Succeeded) };
    let secret = PayBy::ClientSecret("pi_1_secret".to_owned());
    let made = Reply { pay_by: Some(secret), ..is(State::Created) };
    let fresh = intent("pi_1", "requires_payment_method");
    check_reply(Op::Create, None, 200, &fresh, Ok(made));
    check_reply(Op::Create, None, 200, "{}", Err("body is missing or malformed"));
    for (status, expected) in [
        ("requires_payment_method", is(State::Created)),
        ("requires_action", is(State::Pending)),
        ("processing", is(State::Pending)),
        ("succeeded", paid.clone()),
        ("canceled", is(State::Closed)),
        ("dreaming", is(State::Unknown)),
    ] {
        let body = intent("pi_1", status);
        check_reply(Op::Query, Some("pi_1"), 200, &body, Ok(expected.clone()));
        check_reply(Op::Query, None, 200, &format!(r#"{{"data":[{body}]}}"#), Ok(expected));
    }
    let other = "it is about another payment or refund";
    check_reply(Op::Query, Some("pi_2"), 200, &fresh, Err(other));
    let foreign = fresh.replace(NUMBER, "pay_another");
    check_reply(Op::Query, Some("pi_1"), 200, &foreign, Err(other));
    let live = fresh.replace("\"livemode\":false", "\"livemode\":true");
    check_reply(Op::Query, Some("pi_1"), 200, &live, Err("it is about another app"));
    // Two of one number: the one that was paid, of two the older one.
    let two = |a, b| format!(r#"{{"data":[{},{}]}}"#, intent("pi_1", a), intent("pi_2", b));
    let older = Reply { trade_no: Some("pi_2".to_owned()), ..paid.clone() };
    check_reply(Op::Query, None, 200, r#"{"data":[]}"#, Ok(unknown()));
    check_reply(Op::Query, None, 200, &two("succeeded", "canceled"), Ok(paid.clone()));
    check_reply(Op::Query, None, 200, &two("succeeded", "succeeded"), Ok(older));
    let null = intent("pi_1", "succeeded").replace(r#"{"out_trade_no""#, r#"null,"x":{"x""#);
    check_reply(Op::Query, Some("pi_1"), 200, &null, Err(other));
    check_reply(Op::Query, None, 200, &two("processing", "canceled"), Ok(unknown()));
    let refusal = |fields: &str| format!(r#"{{"error":{{"type":"card_error",{fields}}}}}"#);
    let at = refusal(&format!(r#""payment_intent":{}"#, intent("pi_1", "succeeded")));
    check_reply(Op::Close, Some("pi_1"), 400, &at, Ok(paid));
    let body = refusal(r#""code":"charge_already_refunded","message":"no""#);
    let refused = "refused with charge_already_refunded: no";
    check_reply(Op::Refund, Some("pi_1"), 400, &body, Err(refused));
    for status in [409, 429, 500, 503] {
        check_reply(Op::Refund, Some("pi_1"), status, &body, Ok(unknown()));
    }
}

#[test]
fn refunds_are_found_by_our_number() {
    let back = |number: &str, status: &str| {
        format!(
            r#"{{"payment_intent":"pi_1","amount":1200,"currency":"usd","status":"{status}",
                "metadata":{{"out_trade_no":"{NUMBER}","out_refund_no":"{number}"}}}}"#
        )
    };
    for (status, state) in [
        ("pending", State::Refunding),
        ("requires_action", State::Refunding),
        ("succeeded", State::Refunded),
        ("failed", State::Failed),
        ("canceled", State::Failed),
        ("dreaming", State::Unknown),
    ] {
        let is = Reply {
            state,
            trade_no: Some("pi_1".to_owned()),
            money: Some(money(1_200, "USD")),
            pay_by: None,
        };
        check_reply(Op::Refund, Some("pi_1"), 200, &back(BACK, status), Ok(is.clone()));
        let list = format!(r#"{{"data":[{},{}]}}"#, back("r_2", "failed"), back(BACK, status));
        check_reply(Op::RefundQuery, Some("pi_1"), 200, &list, Ok(is));
    }
    let others = format!(r#"{{"data":[{}]}}"#, back("r_2", "succeeded"));
    check_reply(Op::RefundQuery, Some("pi_1"), 200, &others, Ok(unknown()));
    let other = Err("it is about another payment or refund");
    check_reply(Op::Refund, Some("pi_1"), 200, &back("r_2", "succeeded"), other);
}
