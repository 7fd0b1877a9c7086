//! Alipay.

use http::HeaderMap;
use levee_pay::{
    Alipay, AlipayConfig, Asked, Op, PayBy, Provider, Reply, SigningKey, State, VerifyingKey,
};

use crate::support::{
    STAMP, check_every_byte, check_limits, check_order, money, order, refund, signed_by_provider,
    trade,
};
use crate::{BACK, NOW_S, NUMBER, golden};

const TRADE: &str = "2026020622001400000000000001";

fn alipay(app_key: &str, alipay_keys: &[&str]) -> Alipay {
    owned("2021000000000001", "2088000000000001", app_key, alipay_keys)
}

fn owned(app_id: &str, seller_id: &str, app_key: &str, alipay_keys: &[&str]) -> Alipay {
    let keys = alipay_keys.iter().map(|text| VerifyingKey::from_text(text).expect("a key"));
    Alipay::new(AlipayConfig {
        gateway: "https://openapi.alipay.com/gateway.do".to_owned(),
        app_id: app_id.to_owned(),
        seller_id: seller_id.to_owned(),
        app_key: SigningKey::from_text(app_key).expect("a key"),
        alipay_keys: keys.collect(),
    })
    .expect("a good configuration")
}

fn usual() -> Alipay {
    alipay(golden!("merchant.pkcs8.pem"), &[golden!("provider.public.pem")])
}

#[test]
fn a_question_is_signed_as_openssl_signs_it() {
    let signature = golden!("alipay.query.signature.txt");
    for key in [golden!("merchant.pkcs8.pem"), golden!("merchant.pkcs1.base64.txt")] {
        let alipay = alipay(key, &[golden!("provider.public.pem")]);
        let request = alipay.query(&trade(None), &STAMP).expect("a request").http;
        assert_eq!(request.method(), "POST");
        let escaped = signature.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let query = "app_id=2021000000000001&charset=utf-8&format=JSON&method=alipay.trade.query\
                     &sign_type=RSA2&timestamp=2026-02-06%2009%3A00%3A01&version=1.0&sign=";
        assert_eq!(
            request.uri().to_string(),
            format!("https://openapi.alipay.com/gateway.do?{query}{escaped}")
        );
        let body = "biz_content=%7B%22out_trade_no%22%3A%22pay_0123456789abcdef%22%7D";
        assert_eq!(std::str::from_utf8(request.body()), Ok(body));
    }
}

#[test]
fn what_is_no_payment_is_not_sent() {
    check_limits(&usual(), "CNY");
    check_order(&usual(), &order(money(10_000_000_000, "CNY")), None);
    let amount = Some("the provider does not take this amount");
    check_order(&usual(), &order(money(10_000_000_001, "CNY")), amount);
    let currency = Some("the provider does not take this currency");
    for code in ["USD", "JPY", "KWD"] {
        check_order(&usual(), &order(money(2_500, code)), currency);
        let error = usual().refund(&refund(code, None), &STAMP).expect_err("refused");
        assert_eq!(Some(error.to_string().as_str()), currency);
    }
}

/// The kept notification with changes, `name=value` each; its signature is that of what was kept.
fn notification(changes: &[(&str, &str)]) -> String {
    let mut fields: Vec<(&str, &str)> = golden!("alipay.fields.txt")
        .lines()
        .map(|line| line.split_once('=').expect("name=value"))
        .collect();
    fields.push(("sign_type", "RSA2"));
    fields.push(("sign", golden!("alipay.signature.txt")));
    for (name, value) in changes {
        fields.retain(|(known, _)| known != name);
        fields.push((name, value));
    }
    let escape = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let pairs = fields.iter().map(|(name, value)| format!("{name}={}", escape(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// How a notification is taken: what it says in short, or the reason's name.
fn taken(alipay: &Alipay, body: &str, now_s: u64) -> String {
    match alipay.verify(&HeaderMap::new(), body.as_bytes(), now_s) {
        Ok(read) => format!("{} {:?} {:?}", read.out_trade_no, read.state, read.money),
        Err(error) => error.name().to_owned(),
    }
}

#[test]
fn a_notification_is_genuine_or_refused() {
    let paid = "pay_0123456789abcdef Succeeded Money { amount_minor: 2534, currency: CNY }";
    let genuine = notification(&[]);
    let stranger = alipay(golden!("merchant.pkcs8.pem"), &[golden!("merchant.public.pem")]);
    let rotating = alipay(
        golden!("merchant.pkcs8.pem"),
        &[golden!("merchant.public.pem"), golden!("provider.certificate.pem")],
    );
    assert_eq!(taken(&usual(), &genuine, NOW_S), paid);
    let read = usual().verify(&HeaderMap::new(), genuine.as_bytes(), NOW_S).expect("genuine");
    assert_eq!(read.occurred_s, Some(NOW_S - 2));
    assert_eq!(taken(&rotating, &genuine, NOW_S), paid);
    assert_eq!(taken(&stranger, &genuine, NOW_S), "tampered");
    for (app_id, seller_id, expected) in [
        ("2021000000000002", "2088000000000001", "wrong_app"),
        ("2021000000000001", "2088000000000002", "wrong_merchant"),
    ] {
        let keys = (golden!("merchant.pkcs8.pem"), golden!("provider.public.pem"));
        let other = owned(app_id, seller_id, keys.0, &[keys.1]);
        assert_eq!(taken(&other, &genuine, NOW_S), expected);
    }
    check_every_byte(&usual(), &HeaderMap::new(), &genuine);
    for (now_s, expected) in [
        (NOW_S + 26 * 3_600 - 1, paid),
        (NOW_S + 26 * 3_600, "too_old"),
        (NOW_S - 1 - 300, paid),
        (NOW_S - 1 - 301, "too_old"),
        (0, "too_old"),
        (u64::MAX, "too_old"),
    ] {
        assert_eq!(taken(&usual(), &genuine, now_s), expected, "{now_s}");
    }
    for (name, value) in [
        ("total_amount", "0.01"),
        ("trade_status", "TRADE_FINISHED"),
        ("out_trade_no", "pay_another"),
        ("app_id", "2021000000000002"),
        ("seller_id", "2088000000000002"),
        ("extra", ""),
        ("sign", ""),
        ("sign", "AAAA"),
        ("sign", "not base64"),
    ] {
        let body = notification(&[(name, value)]);
        assert_eq!(taken(&usual(), &body, NOW_S), "tampered", "{name}={value}");
    }
    for body in [
        "",
        "sign_type=RSA2",
        "%",
        &notification(&[("sign_type", "RSA")]),
        &format!("{genuine}&total_amount=0.01"),
        &genuine.replace("sign_type", "sign_kind"),
    ] {
        assert_eq!(taken(&usual(), body, NOW_S), "malformed", "{body}");
    }
    let success = usual().success_reply();
    assert_eq!((success.status, success.body), (200, "success"));
}

/// What is read of a signed answer with these fields, about the usual payment.
#[track_caller]
fn check(op: Op, fields: &str, expected: Result<Reply, &str>) {
    let method = match op {
        Op::Create => "alipay_trade_precreate",
        Op::Query => "alipay_trade_query",
        Op::Close => "alipay_trade_close",
        Op::Refund => "alipay_trade_refund",
        Op::RefundQuery => "alipay_trade_fastpay_refund_query",
    };
    let inner = format!("{{{fields}}}");
    let sign = signed_by_provider(&inner);
    let body = format!(r#"{{"{method}_response":{inner},"sign":"{sign}"}}"#);
    let read = |body: &str, status| {
        let asked = Asked { op, trade: trade(None), out_refund_no: Some(BACK.to_owned()) };
        usual()
            .read_reply(&asked, status, &HeaderMap::new(), body.as_bytes(), NOW_S)
            .map_err(|error| error.to_string())
    };
    assert_eq!(read(&body, 200), expected.map_err(str::to_owned), "{fields}");
    // The same with a byte changed, without a signature where it counts, and from a gateway in need.
    let tampered = Err("the signature does not match".to_owned());
    assert_eq!(read(&body.replacen("{\"code", "{ \"code", 1), 200), tampered);
    for status in [503, 429, 408, 425] {
        assert_eq!(read(&body, status), Ok(unknown()));
    }
    if fields.contains("10000") {
        assert_eq!(read(&format!(r#"{{"{method}_response":{inner}}}"#), 200), tampered);
    }
}

fn unknown() -> Reply {
    Reply { state: State::Unknown, trade_no: None, money: None, pay_by: None }
}

#[test]
fn answers_say_what_is_known() {
    let number = format!(r#""code":"10000","msg":"Success","out_trade_no":"{NUMBER}""#);
    let found = format!(r#"{number},"trade_no":"{TRADE}","total_amount":"25.34""#);
    let is = |state| Reply { state, trade_no: Some(TRADE.to_owned()), ..unknown() };
    let paid = |state| Reply { money: Some(money(2_534, "CNY")), ..is(state) };
    let link = PayBy::Link("https://qr.example/1".to_owned());
    let made = Reply { state: State::Created, pay_by: Some(link), ..unknown() };
    check(Op::Create, &format!(r#"{number},"qr_code":"https://qr.example/1""#), Ok(made));
    check(Op::Create, &number, Err("qr_code is missing or malformed"));
    for (status, expected) in [
        ("WAIT_BUYER_PAY", is(State::Pending)),
        ("TRADE_SUCCESS", paid(State::Succeeded)),
        ("TRADE_FINISHED", paid(State::Succeeded)),
        ("TRADE_CLOSED", is(State::Closed)),
        ("TRADE_DREAMS", is(State::Unknown)),
    ] {
        check(Op::Query, &format!(r#"{found},"trade_status":"{status}""#), Ok(expected));
    }
    let closed = r#""trade_status":"TRADE_CLOSED","send_pay_date":"2026-02-06 09:00:00""#;
    check(Op::Query, &format!("{found},{closed}"), Ok(paid(State::Refunded)));
    let other = r#""code":"10000","out_trade_no":"pay_another","trade_status":"TRADE_SUCCESS""#;
    check(Op::Query, other, Err("it is about another payment or refund"));
    check(Op::Close, &found, Ok(is(State::Closed)));
    check(Op::Refund, &format!(r#"{found},"fund_change":"Y""#), Ok(is(State::Refunded)));
    check(Op::Refund, &format!(r#"{found},"fund_change":"N""#), Ok(is(State::Refunding)));
    let back = r#""refund_status":"REFUND_SUCCESS","refund_amount":"12.00""#;
    let given_back = Reply { money: Some(money(1_200, "CNY")), ..is(State::Refunded) };
    let of = |number| format!(r#"{found},{back},"out_request_no":"{number}""#);
    check(Op::RefundQuery, &of(BACK), Ok(given_back));
    check(Op::RefundQuery, &of("pay_another"), Err("it is about another payment or refund"));
    check(Op::RefundQuery, r#""code":"10000","msg":"Success""#, Ok(unknown()));
}

#[test]
fn a_refusal_is_no_failure() {
    let closed = Reply { state: State::Closed, ..unknown() };
    for (op, code, sub_code, expected) in [
        (Op::Query, "40004", "ACQ.TRADE_NOT_EXIST", Ok(unknown())),
        (Op::Close, "40004", "ACQ.TRADE_NOT_EXIST", Ok(closed.clone())),
        (Op::Create, "40004", "ACQ.TRADE_HAS_CLOSE", Ok(closed)),
        (Op::Create, "40004", "ACQ.TRADE_HAS_SUCCESS", Ok(unknown())),
        (Op::Close, "40004", "ACQ.TRADE_STATUS_ERROR", Ok(unknown())),
        (Op::Refund, "40004", "ACQ.SYSTEM_ERROR", Ok(unknown())),
        (Op::Refund, "20000", "isp.unknow-error", Ok(unknown())),
        (Op::Close, "", "", Ok(unknown())),
        (Op::Refund, "40004", "ACQ.TRADE_NOT_EXIST", Err("refused with ACQ.TRADE_NOT_EXIST: no")),
        (Op::Create, "40001", "isv.missing-sign", Err("refused with isv.missing-sign: no")),
    ] {
        let fields = format!(r#""code":"{code}","msg":"m","sub_code":"{sub_code}","sub_msg":"no""#);
        check(op, &fields, expected);
    }
    // Anybody on the way could say so.
    for (op, code) in [
        (Op::Close, "ACQ.TRADE_NOT_EXIST"),
        (Op::Create, "ACQ.TRADE_HAS_CLOSE"),
        (Op::Refund, "ACQ.TRADE_NOT_EXIST"),
        (Op::Create, "isv.missing-sign"),
    ] {
        let fields = format!(r#""code":"40004","msg":"m","sub_code":"{code}","sub_msg":"no""#);
        let body = format!(r#"{{"error_response":{{{fields}}}}}"#);
        let asked = Asked { op, trade: trade(None), out_refund_no: Some(BACK.to_owned()) };
        let read = usual().read_reply(&asked, 400, &HeaderMap::new(), body.as_bytes(), NOW_S);
        let why = "refused without a good signature (sign is missing or malformed)";
        let expected = format!("{why}, with {code}: no");
        assert_eq!(read.expect_err("nobody vouches for it").to_string(), expected);
    }
}
