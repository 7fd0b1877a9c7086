//! Payments at providers with protocols of their own, each played on loopback: made, paid, found,
//! closed and given back, with notifications that get lost, answers that get lost, and kills between.

mod apart;
mod bills;
mod notices;
mod stand_in;
mod wires;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hyper::Method;
use serde_json::{Value, json};

use self::notices::notification;
use self::stand_in::{Kind, Payment, StandIn};
use self::wires::{API_KEY, API_V3, APP, ENDPOINT, SELLER};
use crate::breakers::Till;
use crate::harness::{Address, Place, SMALL_SEGMENTS, Server, run};
use crate::orders::{ask, place_order};

/// Longest wait for what must come.
const WAIT: Duration = Duration::from_secs(30);

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../levee-pay/tests/pay/golden");

/// What each waits for after a notification.
fn acknowledged(kind: Kind) -> (u16, &'static str) {
    match kind {
        Kind::Alipay => (200, "success"),
        Kind::Wechat => (204, ""),
        Kind::Stripe => (200, ""),
    }
}

pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// The time of day in Beijing.
pub(crate) fn beijing(now_s: u64) -> String {
    let at = jiff::Timestamp::from_second(i64::try_from(now_s).expect("soon")).expect("a time");
    at.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(8))).strftime("%F %T").to_string()
}

/// A server's place, with the provider's section and its keys in files.
fn place(provider: &StandIn) -> Place {
    place_with(provider, 200)
}

fn place_with(provider: &StandIn, calls_per_s: u32) -> Place {
    let till = Till::open().url().to_owned();
    let sandbox = format!("[sandbox]\nurl = \"{till}\"\nnotify_url = \"{till}/notify\"\n");
    let place = Place::new("");
    let key = fs::read_to_string(Path::new(GOLDEN).join("merchant.pkcs8.pem")).expect("there");
    for (name, text) in [
        ("merchant.pem", key.as_str()),
        ("api-v3.txt", API_V3),
        ("endpoint.txt", ENDPOINT),
        ("api-key.txt", API_KEY),
    ] {
        fs::write(place.beside(name), text).expect("written");
        let owner = fs::Permissions::from_mode(0o600);
        fs::set_permissions(place.beside(name), owner).expect("changed");
    }
    let file = |name: &str| format!("\"{}\"", place.beside(name).display());
    let public = format!("\"{GOLDEN}/provider.public.pem\"");
    let section = match provider.kind {
        Kind::Alipay => format!(
            "provider = \"alipay\"\napp_id = \"{APP}\"\nseller_id = \"{SELLER}\"\n\
             app_key_file = {}\nalipay_key_files = [{public}]\n\
             gateway = \"{}/gateway.do\"\n",
            file("merchant.pem"),
            provider.url
        ),
        Kind::Wechat => format!(
            "provider = \"wechat\"\napp_id = \"wx1\"\nmerchant_id = \"1900000001\"\n\
             merchant_serial = \"5F00AB\"\nmerchant_key_file = {}\n\
             platform_keys = [{{ file = {public}, id = \"PUB_KEY_ID_01\" }}]\n\
             api_v3_key_files = [{}]\ngateway = \"{}\"\n",
            file("merchant.pem"),
            file("api-v3.txt"),
            provider.url
        ),
        Kind::Stripe => format!(
            "provider = \"stripe\"\napi_key_file = {}\nendpoint_secret_files = [{}]\n\
             live = false\ncurrency = \"CNY\"\ngateway = \"{}\"\n",
            file("api-key.txt"),
            file("endpoint.txt"),
            provider.url
        ),
    };
    place.configure(&format!(
        "{SMALL_SEGMENTS}{sandbox}[payments.real]\n{section}calls_per_s = {calls_per_s}\n"
    ));
    place
}

/// The day runs so fast that a payment is asked for after half a second.
fn start(place: &Place) -> Server {
    let clock = ["--speed", "10", "--clock", "2026-02-06T02:00:00Z"];
    place.start_with(&[["--listen", "127.0.0.1:0"].as_slice(), &clock].concat())
}

async fn open_outlet(server: &Address) {
    let document = json!({
        "brand": "dev", "vendor": "pos-a", "name": "People's Square", "lat": 31.2, "lng": 121.4,
        "stations": 9, "minutes_per_unit": 1.0, "accept_within": "PT4H",
        "menu": [{"sku": "grape", "name": "Grape", "category": "milk-tea", "price_minor": 1900}],
        "pos": {"sandbox": true},
    });
    let (status, body) = ask(server, "operator", Method::PUT, "/v1/outlets/sh-1", &document).await;
    assert_eq!(status, 201, "{body}");
}

/// A new order's ids: its own, and its payment's.
async fn order(server: &Address, key: &str) -> (String, String) {
    let body =
        json!({"user_id": "u1", "outlet_id": "sh-1", "items": [{"sku": "grape", "quantity": 2}]});
    let (status, placed) = place_order(server, key, &body).await;
    assert_eq!(status, 201, "{placed}");
    let order = &placed["order"];
    assert_eq!(order["payment"]["provider"], "real", "{order}");
    let text = |value: &Value| value.as_str().expect("an id").to_owned();
    (text(&order["id"]), text(&order["payment"]["id"]))
}

async fn metrics(server: &Address) -> String {
    let mut viewer = server.client("dev-viewer").await;
    let raw = viewer.send(Method::GET, "/metrics", &[], Vec::new().into()).await;
    String::from_utf8(raw.expect("answered").body.to_vec()).expect("text")
}

/// Looks at a payment until it is so.
async fn until(
    server: &Address,
    payment: &str,
    what: &str,
    is_so: impl Fn(&Value) -> bool,
) -> Value {
    let (path, began) = (format!("/v1/payments/{payment}"), Instant::now());
    loop {
        let (status, seen) = ask(server, "app", Method::GET, &path, &Value::Null).await;
        assert_eq!(status, 200, "{seen}");
        if is_so(&seen) {
            return seen;
        }
        assert!(began.elapsed() < WAIT, "{what}: {seen}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn until_payable(server: &Address, provider: &StandIn, payment: &str) {
    let link = match provider.kind {
        Kind::Stripe => "client_secret",
        Kind::Alipay | Kind::Wechat => "pay_url",
    };
    let seen = until(server, payment, "how it is paid", |seen| seen[link].is_string()).await;
    let there = provider.payment(payment);
    assert_eq!(there.amount, 3_800);
    assert!(seen[link].as_str().is_some_and(|text| text.contains(&there.trade)), "{seen}");
}

/// Status and body of the answer to a notification.
fn post(server: &Address, (headers, body): &(String, String)) -> (u16, String) {
    let mut stream = TcpStream::connect(server.name()).expect("the server listens");
    stream.set_read_timeout(Some(WAIT)).expect("a time");
    let head = format!(
        "POST /v1/payments/real/notify HTTP/1.1\r\nHost: levee\r\nConnection: close\r\n\
         Content-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("a whole answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
    (status, body.to_owned())
}

fn said(provider: &StandIn, payment: &str, refund: Option<&str>) -> (String, String) {
    notification(provider.kind, payment, &provider.payment(payment), refund)
}

#[track_caller]
fn notify(server: &Address, provider: &StandIn, payment: &str, refund: Option<&str>) {
    let (status, body) = post(server, &said(provider, payment, refund));
    assert_eq!((status, body.as_str()), acknowledged(provider.kind));
}

fn is(state: &'static str) -> impl Fn(&Value) -> bool {
    move |seen| seen["state"] == state
}

async fn pay(server: &Address, provider: &StandIn, key: &str) -> (String, String) {
    let (order, payment) = order(server, key).await;
    until_payable(server, provider, &payment).await;
    provider.change(&payment, |one| one.is_paid = true);
    (order, payment)
}

async fn refund(server: &Address, order: &str, amount_minor: u64, reference: &str) {
    let path = format!("/v1/orders/{order}/refunds");
    let body = json!({"amount_minor": amount_minor, "reason": "r", "reference": reference});
    let mut operator = server.client("dev-operator").await;
    let raw = operator.post(&path, Some(reference), &body).await.expect("answered");
    assert!(raw.status < 300, "{}", String::from_utf8_lossy(&raw.body));
}

fn life(kind: Kind) {
    let provider = StandIn::open(kind);
    let place = place(&provider);
    let server = start(&place);
    let (by_notice, lost) = run(async {
        open_outlet(&server).await;
        // Paid, and the notification comes; also a second time.
        let by_notice = pay(&server, &provider, "k1").await;
        for _ in 0..2 {
            notify(&server, &provider, &by_notice.1, None);
        }
        until(&server, &by_notice.1, "paid", is("succeeded")).await;
        // Paid, and the notification is lost.
        let (_, lost) = pay(&server, &provider, "k2").await;
        until(&server, &lost, "found by a question", is("succeeded")).await;
        // It can be paid, and the server dies.
        let (_, open) = order(&server, "k3").await;
        until_payable(&server, &provider, &open).await;
        (by_notice, open)
    });
    server.kill();
    let server = start(&place);
    run(async {
        until_payable(&server, &provider, &lost).await;
        provider.change(&lost, |one| one.is_paid = true);
        until(&server, &lost, "found after a kill", is("succeeded")).await;
        // Money goes back; the provider has done it, and its answer is lost. Then the server dies.
        provider.books().lost_refunds = 1;
        provider.books().slow_refunds = kind == Kind::Wechat;
        refund(&server, &by_notice.0, 1_000, "r1").await;
        let began = Instant::now();
        while provider.payment(&by_notice.1).refunds.is_empty() {
            assert!(began.elapsed() < WAIT, "no refund was asked for");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    server.kill();
    let server = start(&place);
    let (paid, payment) = by_notice;
    run(async {
        let number = format!("{payment}_1");
        if kind == Kind::Wechat {
            // On its way until it is said to be done, and then not asked for any more.
            notify(&server, &provider, &payment, Some(&number));
        }
        let back = |seen: &Value| seen["refunded_minor"] == 1_000;
        until(&server, &payment, "given back", back).await;
        let expected = [(number.clone(), 1_000, kind != Kind::Wechat)];
        assert_eq!(provider.payment(&payment).refunds, expected, "under one number, and once");
        // Late, and again.
        notify(&server, &provider, &payment, Some(&number));
        // The rest, of which nothing but a question tells.
        provider.books().slow_refunds = false;
        refund(&server, &paid, 2_800, "r2").await;
        until(&server, &payment, "all given back", is("refunded")).await;
        assert_eq!(provider.payment(&payment).refunds.len(), 2);
    });
    let unpaid = run(async { order(&server, "k4").await.1 });
    assert_eq!(provider.books().wrong, Vec::<String>::new());
    server.stop();
    place.audit_is_clean();
    bills::check(&place, &provider, &unpaid);
}

#[test]
fn at_alipay_orders_are_paid_found_and_given_back() {
    life(Kind::Alipay);
}

#[test]
fn at_wechat_pay_orders_are_paid_found_and_given_back() {
    life(Kind::Wechat);
}

#[test]
fn at_stripe_orders_are_paid_found_and_given_back() {
    life(Kind::Stripe);
}

/// Cancelled orders are closed at the provider; where somebody was faster, the money goes back.
#[test]
fn what_is_cancelled_is_closed_and_what_is_paid_all_the_same_goes_back() {
    for kind in [Kind::Alipay, Kind::Wechat, Kind::Stripe] {
        let provider = StandIn::open(kind);
        let place = place(&provider);
        let server = start(&place);
        run(async {
            open_outlet(&server).await;
            let (unpaid, nothing) = order(&server, "k1").await;
            until_payable(&server, &provider, &nothing).await;
            let (paid, something) = pay(&server, &provider, "k2").await;
            for order in [unpaid, paid] {
                let path = format!("/v1/orders/{order}/cancel");
                let reason = json!({"user_id": "u1", "reason": "changed my mind"});
                let (status, body) = ask(&server, "app", Method::POST, &path, &reason).await;
                assert_eq!(status, 200, "{body}");
            }
            until(&server, &nothing, "closed", is("closed")).await;
            assert!(provider.payment(&nothing).is_closed);
            until(&server, &something, "given back", is("refunded")).await;
            let expected = [(format!("{something}_1"), 3_800, true)];
            assert_eq!(provider.payment(&something).refunds, expected);
        });
        server.stop();
        place.audit_is_clean();
    }
}

#[test]
fn what_is_forged_old_foreign_or_over_another_amount_is_seen() {
    for kind in [Kind::Alipay, Kind::Wechat, Kind::Stripe] {
        let provider = StandIn::open(kind);
        let place = place(&provider);
        let server = start(&place);
        run(async {
            open_outlet(&server).await;
            let (_, payment) = order(&server, "k1").await;
            until_payable(&server, &provider, &payment).await;
            let paid = Payment { is_paid: true, ..provider.payment(&payment) };
            let (headers, body) = notification(kind, &payment, &paid, None);
            // A byte is another.
            let forged = (headers.clone(), body.replacen("1", "7", 1));
            assert_eq!(post(&server, &forged).0, 401, "{kind:?}");
            // Signed with a key that is not the provider's.
            let broken = match kind {
                Kind::Alipay => (headers.clone(), body.replace("sign=", "sign=AAAA")),
                _ => (headers.replace("ignature: ", "ignature: t=1,v1=00,"), body.clone()),
            };
            assert_eq!(post(&server, &broken).0, 401, "{kind:?}");
            // Another amount: somebody has to look, and the order is not paid by it.
            let wrong = Payment { amount: 1, ..paid };
            let notice = notification(kind, &payment, &wrong, None);
            assert_eq!(post(&server, &notice).0, acknowledged(kind).0);
            let seen = until(&server, &payment, "disputed", |seen| seen["disputed"] == true).await;
            assert_eq!(seen["captured_minor"], 0);
            let metrics = metrics(&server).await;
            let refused: u64 = metrics
                .lines()
                .filter(|line| line.starts_with("levee_gate_notifications_refused_total"))
                .map(|line| line.rsplit(' ').next().expect("a value").parse::<u64>())
                .map(|count| count.expect("a number"))
                .sum();
            assert_eq!(refused, 2, "{kind:?} {metrics}");
            assert!(metrics.contains("levee_gate_notifications_disputed_total 1\n"), "{metrics}");
        });
        server.stop();
        place.audit_is_clean();
    }
}

/// No second has more calls than the provider takes, and what was saved up before it.
#[test]
fn a_provider_is_asked_as_often_as_it_takes_and_left_alone_while_it_is_gone() {
    const CALLS_PER_S: u32 = 6;
    let provider = StandIn::open(Kind::Wechat);
    let place = place_with(&provider, CALLS_PER_S);
    let server = start(&place);
    run(async {
        open_outlet(&server).await;
        provider.books().is_down = true;
        let mut payments = Vec::new();
        for number in 0..12 {
            payments.push(order(&server, &format!("k{number}")).await.1);
        }
        let began = Instant::now();
        let gone = "levee_outside_breakers_open{of=\"provider\"} 1\n";
        while !metrics(&server).await.contains(gone) {
            assert!(began.elapsed() < WAIT, "it is not noticed");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        provider.books().is_down = false;
        for payment in &payments {
            until_payable(&server, &provider, payment).await;
        }
        assert!(!metrics(&server).await.contains(gone));
    });
    let books = provider.books();
    assert_eq!(books.payments.len(), 12);
    let most = books.asked_at.iter().map(|from| {
        let second = |at: &&Instant| **at >= *from && at.duration_since(*from).as_millis() < 900;
        books.asked_at.iter().filter(second).count()
    });
    let most = most.max().expect("it was asked");
    assert!(most <= 2 * CALLS_PER_S as usize, "{most} calls within a second");
    assert_eq!(books.wrong, Vec::<String>::new());
}
