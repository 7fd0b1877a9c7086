//! An order's whole life over HTTP, against real processes: those who sign do so as they would, and
//! nobody else is there. Restarts, races, gates of their own, and the audit at the end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::Method;
use levee_api::webhook::{DEV_OUTLETS_SECRET, DEV_PAYMENTS_SECRET, WebhookSecrets};
use serde_json::{Value, json};

use crate::breakers::Till;
use crate::harness::{Address, Place, SMALL_SEGMENTS, Server, run};

/// Whoever listens there answers and does nothing: the tests themselves are outlet and provider.
pub(crate) fn place() -> Place {
    let url = Till::open().url().to_owned();
    let sandbox = format!("[sandbox]\nurl = \"{url}\"\nnotify_url = \"{url}/notify\"\n");
    Place::new(&format!("{SMALL_SEGMENTS}{sandbox}"))
}

/// Status and body of a signed POST, without an API key.
fn signed(
    address: &Address,
    path: &str,
    secret: &str,
    outlet: &str,
    body: &Value,
) -> (u16, String) {
    let body = body.to_string();
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let secret = WebhookSecrets::from_text(secret).expect("a secret");
    let mut head = format!(
        "POST {path} HTTP/1.1\r\nHost: levee\r\nContent-Type: application/json\r\n\
         Levee-Outlet: {outlet}\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in secret.headers("msg_1", now_s, body.as_bytes()) {
        head += &format!("{name}: {value}\r\n");
    }
    let mut stream = TcpStream::connect(address.name()).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time");
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("a whole answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
    (status, body.to_owned())
}

pub(crate) fn notify(
    address: &Address,
    payment: &Value,
    event: &str,
    minor: Option<u64>,
) -> (u16, String) {
    let mut body = json!({"payment": payment, "trade": "T-1", "event": event});
    if let Some(minor) = minor {
        body["captured_minor"] = json!(minor);
    }
    signed(address, "/v1/payments/sandbox/notify", DEV_PAYMENTS_SECRET, "", &body)
}

fn step(address: &Address, ticket: &Value, step: &str, version: &Value) -> (u16, Value) {
    let path = format!("/v1/tickets/{}/{step}", ticket.as_str().expect("an id"));
    let body = json!({"outlet_id": "sh-1", "version": version});
    let (status, body) = signed(address, &path, DEV_OUTLETS_SECRET, "sh-1", &body);
    (status, serde_json::from_str(&body).expect("JSON"))
}

pub(crate) async fn ask(
    address: &Address,
    role: &str,
    method: Method,
    path: &str,
    body: &Value,
) -> (u16, Value) {
    let mut client = address.client(&format!("dev-{role}")).await;
    let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
    let key = format!("{method} {path} {}", body.len());
    let headers = [("idempotency-key", key.as_str()), ("levee-user", "u1")];
    let raw = client.send(method, path, &headers, body).await.expect("answered");
    (raw.status, serde_json::from_slice(&raw.body).unwrap_or(Value::Null))
}

async fn get(address: &Address, path: &str) -> Value {
    let (status, body) = ask(address, "app", Method::GET, path, &Value::Null).await;
    assert_eq!(status, 200, "{path}: {body}");
    body
}

/// An outlet of the brand that the well-known key is for, and one of another.
pub(crate) async fn open_outlets(address: &Address, stations: u32) {
    for (id, brand) in [("sh-1", "dev"), ("x-1", "luckin")] {
        let document = json!({
            "brand": brand, "vendor": "pos-a", "name": "People's Square",
            "lat": 31.2304, "lng": 121.4737, "stations": stations, "minutes_per_unit": 1.5,
            "menu": [
                {"sku": "grape", "name": "Grape", "category": "milk-tea", "price_minor": 1900},
                {"sku": "oat", "name": "Oat", "category": "coffee", "price_minor": 2100},
            ],
            "pos": {"sandbox": true},
        });
        let path = format!("/v1/outlets/{id}");
        let (status, body) = ask(address, "operator", Method::PUT, &path, &document).await;
        assert_eq!(status, 201, "{body}");
    }
}

pub(crate) async fn place_order(address: &Address, key: &str, body: &Value) -> (u16, Value) {
    let mut app = address.app().await;
    let raw = app.post("/v1/orders", Some(key), body).await.expect("answered");
    (raw.status, serde_json::from_slice(&raw.body).expect("JSON"))
}

pub(crate) fn grape() -> Value {
    json!({"user_id": "u1", "outlet_id": "sh-1", "items": [{"sku": "grape", "quantity": 2}]})
}

fn path_of(order: &Value, rest: &str) -> String {
    format!("/v1/orders/{}{rest}", order["id"].as_str().expect("an id"))
}

#[test]
fn an_order_is_quoted_placed_paid_made_and_survives_a_restart() {
    let place = place();
    let server = place.start();
    let (order, before) = run(async {
        open_outlets(&server, 2).await;
        server.open_campaign("spring", 2_500, 25_000).await;
        let mut app = server.app().await;
        let claim = json!({"user_id": "u1"});
        let raw = app.post("/v1/campaigns/spring/claims", None, &claim).await.expect("answered");
        let code = raw.json::<Value>().expect("claimed")["voucher"]["code"].clone();

        let mut quote = grape();
        quote["voucher_code"] = code.clone();
        let (status, quoted) = ask(&server, "app", Method::POST, "/v1/orders/quote", &quote).await;
        assert_eq!(status, 201, "{quoted}");
        let offer = &quoted["offers"][0];
        assert_eq!(
            (&offer["total_minor"], &offer["payable_minor"]),
            (&json!(3_800), &json!(1_300))
        );
        let mut body = quote.clone();
        body["offer"] = offer["offer"].clone();
        body["expected_total_minor"] = json!(3_800);
        let (status, placed) = place_order(&server, "k1", &body).await;
        assert_eq!(status, 201, "{placed}");
        let order = placed["order"].clone();
        assert_eq!(order["ready_at"], offer["ready_at"]);

        let payment = &order["payment"]["id"];
        let bad = signed(
            &server,
            "/v1/payments/sandbox/notify",
            DEV_OUTLETS_SECRET,
            "",
            &json!({"payment": payment, "trade": "T", "event": "pending"}),
        );
        assert_eq!(bad.0, 401, "{}", bad.1);
        for _ in 0..2 {
            let heard = notify(&server, payment, "succeeded", Some(1_300));
            assert_eq!(heard, (200, "success".to_owned()));
        }
        // Its ticket goes to the outlet by itself, sooner or later than it is looked at.
        let shown = loop {
            let shown = get(&server, &path_of(&order, "")).await;
            assert_eq!(shown["captured_minor"], 1_300, "{shown}");
            if shown["state"] != "paid" {
                break shown;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        assert_eq!(shown["state"], "sent", "{shown}");

        let mut ticket = shown["ticket"].clone();
        for (name, state) in [
            ("accept", "accepted"),
            ("start", "making"),
            ("ready", "ready"),
            ("collect", "collected"),
        ] {
            let version = ticket["version"].clone();
            let (status, first) = step(&server, &ticket["id"], name, &version);
            assert_eq!((status, &first["ticket"]["state"]), (200, &json!(state)), "{first}");
            assert_eq!(step(&server, &ticket["id"], name, &version), (200, first.clone()));
            ticket = first["ticket"].clone();
        }
        let shown = get(&server, &path_of(&order, "")).await;
        assert_eq!(shown["state"], "collected");
        (order, shown)
    });
    server.stop();

    let server = place.start();
    run(async {
        assert_eq!(get(&server, &path_of(&order, "")).await, before);
        // Heard again after the restart, it still is one payment.
        let heard = notify(&server, &order["payment"]["id"], "succeeded", Some(1_300));
        assert_eq!(heard, (200, "success".to_owned()));
        let day = &order["placed_at"].as_str().expect("an instant")[..10];
        let path = format!("/v1/outlets/sh-1/statement?day={day}");
        let (status, statement) = ask(&server, "outlet", Method::GET, &path, &Value::Null).await;
        assert_eq!(status, 200, "{statement}");
        let totals = &statement["totals"];
        assert_eq!(
            [&totals["gross_minor"], &totals["subsidy_minor"], &totals["captured_minor"]],
            [&json!(3_800), &json!(2_500), &json!(1_300)]
        );
        assert_eq!(totals["net_due_minor"], 3_800);
        let money = server.campaign("spring").await.money;
        assert_eq!((money.spent_minor, money.in_flight_minor), (2_500, 0));
    });
    server.stop();
    place.audit_is_clean();
}

#[test]
fn a_success_that_races_with_a_cancellation_is_paid_or_given_back_once() {
    let place = place();
    let server = place.start();
    run(async {
        open_outlets(&server, 2).await;
        for number in 0..20 {
            let (status, placed) = place_order(&server, &format!("k{number}"), &grape()).await;
            assert_eq!(status, 201, "{placed}");
            let order = placed["order"].clone();
            let payment = order["payment"]["id"].clone();
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let (address, payment) = ((*server).clone(), payment.clone());
                    thread::spawn(move || notify(&address, &payment, "succeeded", Some(3_800)))
                })
                .collect();
            let cancel = json!({"user_id": "u1", "reason": "too slow"});
            let path = path_of(&order, "/cancel");
            let (status, _) = ask(&server, "app", Method::POST, &path, &cancel).await;
            assert_eq!(status, 200, "a user may cancel what is not being made");
            for thread in threads {
                assert_eq!(thread.join().expect("answered"), (200, "success".to_owned()));
            }
            let shown = get(&server, &path_of(&order, "")).await;
            assert_eq!(shown["state"], "refunding", "paid before or after, all is given back");
            let path = format!("/v1/payments/{}", payment.as_str().expect("an id"));
            let seen = get(&server, &path).await;
            assert_eq!(
                (&seen["captured_minor"], &seen["refund_asked_minor"]),
                (&json!(3_800), &json!(3_800))
            );
        }
    });
    server.stop();
    place.audit_is_clean();
}

#[test]
fn nobody_acts_for_another() {
    let place = place();
    let server = place.start();
    run(async {
        open_outlets(&server, 2).await;
        let mut foreign = grape();
        foreign["outlet_id"] = json!("x-1");
        let (_, placed) = place_order(&server, "k1", &foreign).await;
        let order = placed["order"].clone();
        notify(&server, &order["payment"]["id"], "succeeded", Some(3_800));
        let shown = get(&server, &path_of(&order, "")).await;
        let ticket = shown["ticket"].clone();
        // The signature of one outlet moves no ticket of another.
        let (status, body) = step(&server, &ticket["id"], "accept", &ticket["version"]);
        assert_eq!((status, &body["code"]), (403, &json!("order_of_another_outlet")));
        let reason = json!({"reason": "r"});
        let refund = json!({"amount_minor": 1, "reason": "r", "reference": "a"});
        let accept = json!({"outlet_id": "x-1", "version": 1});
        let ticket = ticket["id"].as_str().expect("an id");
        for (role, method, path, body, expected) in [
            (
                "outlet",
                Method::GET,
                "/v1/outlets/x-1/tickets".to_owned(),
                &Value::Null,
                "forbidden",
            ),
            ("outlet", Method::POST, format!("/v1/tickets/{ticket}/accept"), &accept, "forbidden"),
            ("outlet", Method::POST, path_of(&order, "/cancel"), &reason, "forbidden"),
            ("outlet", Method::POST, path_of(&order, "/refunds"), &refund, "forbidden"),
            ("app", Method::POST, path_of(&order, "/refunds"), &refund, "forbidden"),
            ("outlet", Method::POST, path_of(&order, "/settle-dispute"), &reason, "forbidden"),
            ("viewer", Method::POST, "/v1/orders".to_owned(), &foreign, "forbidden"),
            ("outlet", Method::GET, path_of(&order, ""), &Value::Null, "forbidden"),
        ] {
            let (status, answer) = ask(&server, role, method, &path, body).await;
            assert_eq!((status, &answer["code"]), (403, &json!(expected)), "{role} {path}");
        }
    });
    server.stop();
    place.audit_is_clean();
}

/// What a stream of events says until it ends; its first event has come already.
fn follow(address: &Address, path: &str) -> thread::JoinHandle<Vec<Value>> {
    let stream = TcpStream::connect(address.name()).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time");
    let request = format!(
        "GET {path} HTTP/1.0\r\nHost: levee\r\nAuthorization: Bearer dev-app\r\nLevee-User: u1\r\n\r\n"
    );
    (&stream).write_all(request.as_bytes()).expect("sent");
    let lines = BufReader::new(stream).lines().map(|line| line.expect("a line"));
    let mut data = lines.filter_map(|line| {
        let data = line.strip_prefix("data: ")?;
        Some(serde_json::from_str(data).expect("JSON"))
    });
    // Without it, what the test does next might come before the question.
    let first: Value = data.next().expect("an event");
    thread::spawn(move || std::iter::once(first).chain(data).collect())
}

#[test]
fn gates_of_their_own_take_orders_callbacks_and_listeners() {
    let place = place();
    let socket = format!("unix:{}", place.beside("gates.sock").display());
    let engine = place.start_with(&["--listen", "none", "--gates", &socket]);
    let gate = || Server::start_gate(&["--engine", &socket]).expect("it connects");
    let (east, west) = (gate(), gate());
    run(async {
        open_outlets(&east, 2).await;
        // An outlet that was put through the other gate, at once.
        let (status, placed) = place_order(&west, "k1", &grape()).await;
        assert_eq!(status, 201, "{placed}");
        let order = placed["order"].clone();
        let events = follow(&east, &path_of(&order, "/events"));
        let payment = &order["payment"]["id"];
        assert_eq!(notify(&east, payment, "succeeded", Some(3_800)), (200, "success".to_owned()));
        let shown = get(&west, &path_of(&order, "")).await;
        let mut ticket = shown["ticket"].clone();
        for (gate, name) in [(&west, "accept"), (&east, "ready"), (&west, "collect")] {
            let (status, body) = step(gate, &ticket["id"], name, &ticket["version"]);
            assert_eq!(status, 200, "{body}");
            ticket = body["ticket"].clone();
        }
        let seen = events.join().expect("the stream ends");
        assert_eq!(seen[0]["state"], "awaiting_payment");
        assert_eq!(seen[seen.len() - 2]["state"], "collected");
        assert_eq!(seen[seen.len() - 1], json!({"reason": "the order is over"}));
    });
    east.stop();
    west.stop();
    engine.stop();
    place.audit_is_clean();
}
