//! WeChat Pay.

use http::HeaderMap;
use levee_pay::{
    ApiV3Key, Asked, Op, PayBy, PlatformKey, Provider, Reply, SigningKey, State, Wechat,
    WechatConfig,
};

use crate::support::{
    STAMP, check_every_byte, check_limits, check_order, headers, money, order, refund,
    signed_by_provider, trade,
};
use crate::{BACK, NOW_S, NUMBER, golden};

const ID: &str = "PUB_KEY_ID_0119000000012026020600000001";
const SERIAL: &str = "0B6F2A1900000000000000000000000000C0FFEE";
const TRADE: &str = "4200000000202602060000000001";
const AT: &str = "1770339601";
const NONCE: &str = "593BEC0C930BF1AFEB40B4A08C8FB242";
const API_KEY: &str = "0123456789abcdef0123456789abcdef";

struct Setup<'t> {
    app_id: &'t str,
    merchant_id: &'t str,
    merchant_key: &'t str,
    platform: &'t [(&'t str, Option<&'t str>)],
    api_keys: &'t [&'t str],
}

const USUAL: Setup<'_> = Setup {
    app_id: "wx0000000000000001",
    merchant_id: "1900000001",
    merchant_key: golden!("merchant.pkcs8.pem"),
    platform: &[(golden!("provider.public.pem"), Some(ID))],
    api_keys: &[API_KEY],
};

impl Setup<'_> {
    fn wechat(&self) -> Wechat {
        let platform = self.platform.iter();
        let key = |text: &&str| ApiV3Key::from_text(text).expect("32 bytes");
        Wechat::new(WechatConfig {
            gateway: "https://api.mch.weixin.qq.com".to_owned(),
            app_id: self.app_id.to_owned(),
            merchant_id: self.merchant_id.to_owned(),
            merchant_serial: "5F00AB".to_owned(),
            merchant_key: SigningKey::from_text(self.merchant_key).expect("a key"),
            platform_keys: platform
                .map(|(text, id)| PlatformKey::from_text(text, *id).expect("a key"))
                .collect(),
            api_v3_keys: self.api_keys.iter().map(key).collect(),
        })
        .expect("a good configuration")
    }
}

#[test]
fn a_question_is_signed_as_openssl_signs_it() {
    let signature = golden!("wechat.query.signature.txt");
    for merchant_key in [golden!("merchant.pkcs8.pem"), golden!("merchant.pkcs1.pem")] {
        let wechat = Setup { merchant_key, ..USUAL }.wechat();
        let request = wechat.query(&trade(None), &STAMP).expect("a request").http;
        let path = "v3/pay/transactions/out-trade-no/pay_0123456789abcdef?mchid=1900000001";
        assert_eq!(request.uri().to_string(), format!("https://api.mch.weixin.qq.com/{path}"));
        assert_eq!(request.method(), "GET");
        assert!(request.body().is_empty());
        let expected = format!(
            "WECHATPAY2-SHA256-RSA2048 mchid=\"1900000001\",\
             nonce_str=\"000102030405060708090a0b0c0d0e0f\",signature=\"{signature}\",\
             timestamp=\"1770339601\",serial_no=\"5F00AB\""
        );
        assert_eq!(request.headers()["authorization"], expected.as_str());
        assert_eq!(request.headers()["wechatpay-serial"], ID);
    }
    let platform = &[(golden!("provider.certificate.pem"), None)];
    let wechat = Setup { platform, ..USUAL }.wechat();
    let request = wechat.query(&trade(None), &STAMP).expect("a request").http;
    assert!(!request.headers().contains_key("wechatpay-serial"));
}

#[test]
fn what_is_no_payment_is_not_sent() {
    let wechat = USUAL.wechat();
    check_limits(&wechat, "CNY");
    check_order(&wechat, &order(money(2_147_483_647, "CNY")), None);
    let amount = Some("the provider does not take this amount");
    check_order(&wechat, &order(money(2_147_483_648, "CNY")), amount);
    let currency = Some("the provider does not take this currency");
    check_order(&wechat, &order(money(2_500, "HKD")), currency);
    let error = wechat.refund(&refund("HKD", None), &STAMP).expect_err("refused");
    assert_eq!(Some(error.to_string().as_str()), currency);
}

/// The headers of a message, with one of them changed.
fn vouched(signature: &str, change: Option<(&str, &str)>) -> HeaderMap {
    let mut all = [
        ("wechatpay-serial", ID),
        ("wechatpay-signature", signature),
        ("wechatpay-timestamp", AT),
        ("wechatpay-nonce", NONCE),
        ("wechatpay-signature-type", "WECHATPAY2-SHA256-RSA2048"),
    ];
    if let Some((name, value)) = change {
        let field = all.iter_mut().find(|(known, _)| *known == name).expect("a header of it");
        field.1 = value;
    }
    headers(&all)
}

/// How a notification is taken: what it says in short, or the reason's name.
fn taken(wechat: &Wechat, headers: &HeaderMap, body: &str, now_s: u64) -> String {
    match wechat.verify(headers, body.as_bytes(), now_s) {
        Ok(read) => format!("{} {:?} {:?}", read.out_trade_no, read.state, read.money),
        Err(error) => error.name().to_owned(),
    }
}

const PAID: &str = "pay_0123456789abcdef Succeeded Money { amount_minor: 2534, currency: CNY }";
const GENUINE: &str = golden!("wechat.signature.txt");
const BODY: &str = golden!("wechat.body.json");

#[test]
fn a_notification_is_genuine_or_refused() {
    let good = vouched(GENUINE, None);
    for (now_s, expected) in [
        (NOW_S, PAID),
        (NOW_S - 1 + 300, PAID),
        (NOW_S - 1 - 300, PAID),
        (NOW_S - 1 + 301, "too_old"),
        (NOW_S - 1 - 301, "too_old"),
        (0, "too_old"),
        (u64::MAX, "too_old"),
    ] {
        assert_eq!(taken(&USUAL.wechat(), &good, BODY, now_s), expected, "{now_s}");
    }
    let read = USUAL.wechat().verify(&good, BODY.as_bytes(), NOW_S).expect("genuine");
    assert_eq!(read.occurred_s, Some(NOW_S - 2));
    check_every_byte(&USUAL.wechat(), &good, BODY);
    let probe = format!("WECHATPAY/SIGNTEST/{GENUINE}");
    for (name, value, expected) in [
        ("wechatpay-serial", "PUB_KEY_ID_02", "unknown_key"),
        ("wechatpay-signature", "", "tampered"),
        ("wechatpay-signature", "AAAA", "tampered"),
        ("wechatpay-signature", "not base64", "tampered"),
        ("wechatpay-signature", probe.as_str(), "probe"),
        ("wechatpay-timestamp", "1770339602", "tampered"),
        ("wechatpay-timestamp", "01770339601", "malformed"),
        ("wechatpay-timestamp", "now", "malformed"),
        ("wechatpay-nonce", "", "tampered"),
        ("wechatpay-signature-type", "WECHATPAY2-SM2-WITH-SM3", "malformed"),
    ] {
        let headers = vouched(GENUINE, Some((name, value)));
        assert_eq!(taken(&USUAL.wechat(), &headers, BODY, NOW_S), expected, "{name}: {value}");
    }
    for name in
        ["wechatpay-serial", "wechatpay-signature", "wechatpay-timestamp", "wechatpay-nonce"]
    {
        let mut headers = good.clone();
        headers.remove(name);
        assert_eq!(taken(&USUAL.wechat(), &headers, BODY, NOW_S), "malformed", "without {name}");
        let mut headers = good.clone();
        headers.append(name, good[name].clone());
        assert_eq!(taken(&USUAL.wechat(), &headers, BODY, NOW_S), "malformed", "two {name}");
    }
    for body in [format!("{BODY} "), BODY.replace("EV-", "EW-"), String::new()] {
        assert_eq!(taken(&USUAL.wechat(), &good, &body, NOW_S), "tampered", "{body}");
    }
    let success = USUAL.wechat().success_reply();
    assert_eq!((success.status, success.body), (204, ""));
}

#[test]
fn keys_and_owners_are_those_of_the_configuration() {
    let public = golden!("provider.public.pem");
    let next = "fedcba9876543210fedcba9876543210";
    let certificate = (golden!("provider.certificate.pem"), None);
    let stranger = (golden!("merchant.public.pem"), Some(ID));
    for (what, setup, serial, expected) in [
        ("as it is", USUAL, ID, PAID),
        ("a certificate", Setup { platform: &[certificate], ..USUAL }, SERIAL, PAID),
        (
            "both, while they change",
            Setup { platform: &[(public, Some(ID)), certificate], ..USUAL },
            SERIAL,
            PAID,
        ),
        ("two API keys", Setup { api_keys: &[next, API_KEY], ..USUAL }, ID, PAID),
        ("the next API key", Setup { api_keys: &[next], ..USUAL }, ID, "undecryptable"),
        ("another's key", Setup { platform: &[stranger], ..USUAL }, ID, "tampered"),
        ("another app", Setup { app_id: "wx2", ..USUAL }, ID, "wrong_app"),
        ("another merchant", Setup { merchant_id: "2", ..USUAL }, ID, "wrong_merchant"),
    ] {
        // Zeros in front are no part of a serial number.
        let plain = serial.trim_start_matches('0');
        for serial in [plain, &format!("0{plain}"), &plain.to_ascii_lowercase()] {
            let headers = vouched(GENUINE, Some(("wechatpay-serial", serial)));
            assert_eq!(taken(&setup.wechat(), &headers, BODY, NOW_S), expected, "{what}");
        }
    }
    assert!(ApiV3Key::from_text("0123456789abcdef0123456789abcde").is_none());
}

/// What is read of an answer about the usual payment.
fn read(op: Op, status: u16, headers: &HeaderMap, body: &str) -> Result<Reply, String> {
    let asked = Asked { op, trade: trade(None), out_refund_no: Some(BACK.to_owned()) };
    USUAL
        .wechat()
        .read_reply(&asked, status, headers, body.as_bytes(), NOW_S)
        .map_err(|error| error.to_string())
}

#[track_caller]
fn check(op: Op, status: u16, body: &str, expected: Result<Reply, &str>) {
    let signature = signed_by_provider(&format!("{AT}\n{NONCE}\n{body}\n"));
    let headers = vouched(&signature, None);
    assert_eq!(read(op, status, &headers, body), expected.map_err(str::to_owned), "{body}");
    if (200..300).contains(&status) {
        let probe = vouched("WECHATPAY/SIGNTEST/AAAA", None);
        let wrong = "it is a probe with a wrong signature".to_owned();
        assert_eq!(read(op, status, &probe, body), Err(wrong));
        let wrong = "wechatpay-signature is missing or malformed".to_owned();
        assert_eq!(read(op, status, &HeaderMap::new(), body), Err(wrong));
    }
}

fn unknown() -> Reply {
    Reply { state: State::Unknown, trade_no: None, money: None, pay_by: None }
}

#[test]
fn answers_say_what_is_known() {
    let is = |state| Reply { state, trade_no: Some(TRADE.to_owned()), ..unknown() };
    let paid = |state| Reply { money: Some(money(2_534, "CNY")), ..is(state) };
    let link = PayBy::Link("weixin://wxpay/1".to_owned());
    let made = Reply { state: State::Created, pay_by: Some(link), ..unknown() };
    check(Op::Create, 200, r#"{"code_url":"weixin://wxpay/1"}"#, Ok(made));
    check(Op::Create, 200, "{}", Err("body is missing or malformed"));
    let payment = |owner: &str, state: &str| {
        format!(
            r#"{{{owner},"transaction_id":"{TRADE}","trade_state":"{state}","amount":{{"total":2534}}}}"#
        )
    };
    let ours = r#""appid":"wx0000000000000001","mchid":"1900000001""#;
    let number = format!(r#"{ours},"out_trade_no":"{NUMBER}""#);
    for (word, expected) in [
        ("SUCCESS", paid(State::Succeeded)),
        ("REFUND", paid(State::Refunding)),
        ("NOTPAY", is(State::Created)),
        ("USERPAYING", is(State::Pending)),
        ("CLOSED", is(State::Closed)),
        ("REVOKED", is(State::Closed)),
        ("PAYERROR", is(State::Failed)),
        ("DREAMING", is(State::Unknown)),
    ] {
        check(Op::Query, 200, &payment(&number, word), Ok(expected));
    }
    for (owner, expected) in [
        (format!(r#"{ours},"out_trade_no":"pay_2""#), "it is about another payment or refund"),
        (number.replace("wx0", "wx1"), "it is about another app"),
        (number.replace("19000", "29000"), "it is about another merchant"),
    ] {
        check(Op::Query, 200, &payment(&owner, "SUCCESS"), Err(expected));
    }
    check(Op::Close, 204, "", Ok(Reply { state: State::Closed, ..unknown() }));
    let back = |number: &str, status: &str| {
        format!(
            r#"{{"out_trade_no":"{NUMBER}","out_refund_no":"{number}","transaction_id":"{TRADE}",
                "status":"{status}","amount":{{"total":2534,"refund":1200,"currency":"CNY"}}}}"#
        )
    };
    for (word, state) in [
        ("SUCCESS", State::Refunded),
        ("PROCESSING", State::Refunding),
        ("ABNORMAL", State::Refunding),
        ("CLOSED", State::Failed),
        ("DREAMING", State::Unknown),
    ] {
        let given_back = Reply { money: Some(money(1_200, "CNY")), ..is(state) };
        for op in [Op::Refund, Op::RefundQuery] {
            check(op, 200, &back(BACK, word), Ok(given_back.clone()));
        }
    }
    let other = "it is about another payment or refund";
    check(Op::RefundQuery, 200, &back("pay_another", "SUCCESS"), Err(other));
}

#[test]
fn a_refusal_is_no_failure() {
    let closed = Reply { state: State::Closed, ..unknown() };
    for (op, status, code, expected) in [
        (Op::Query, 404, "ORDER_NOT_EXIST", Ok(unknown())),
        (Op::RefundQuery, 404, "RESOURCE_NOT_EXISTS", Ok(unknown())),
        (Op::Close, 404, "ORDERNOTEXIST", Ok(closed.clone())),
        (Op::Create, 400, "ORDER_CLOSED", Ok(closed)),
        (Op::Close, 400, "ORDERPAID", Ok(unknown())),
        (Op::Refund, 403, "NOT_ENOUGH", Err("refused with NOT_ENOUGH: no")),
        (Op::Refund, 400, "SYSTEM_ERROR", Ok(unknown())),
        (Op::Refund, 429, "FREQUENCY_LIMITED", Ok(unknown())),
        (Op::Refund, 500, "SYSTEM_ERROR", Ok(unknown())),
    ] {
        check(op, status, &format!(r#"{{"code":"{code}","message":"no"}}"#), expected);
    }
    let body = r#"{"code":"ORDERNOTEXIST","message":"no"}"#;
    // Anybody on the way could say so.
    for (status, body) in [(408, body), (425, body), (403, "<html>"), (400, "{}")] {
        assert_eq!(read(Op::Close, status, &HeaderMap::new(), body), Ok(unknown()), "{status}");
    }
    for op in [Op::Create, Op::Close, Op::Refund] {
        for (status, headers, why) in [
            (404, HeaderMap::new(), "wechatpay-signature is missing or malformed"),
            (400, vouched(&signed_by_provider("another"), None), "the signature does not match"),
        ] {
            let expected =
                format!("refused without a good signature ({why}), with ORDERNOTEXIST: no");
            assert_eq!(read(op, status, &headers, body), Err(expected), "{op:?}");
        }
    }
}
