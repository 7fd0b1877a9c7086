//! Outlets whose systems do not answer, against real processes: breakers open, orders go elsewhere,
//! what was sold comes to the outlet once it can be reached again, and a kill in between loses nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Address, Place, SMALL_SEGMENTS, run};
use crate::orders::{ask, notify, place_order};
use hyper::Method;

/// Longest wait for what must come.
const WAIT: Duration = Duration::from_secs(30);

/// The system of one outlet, on this thread's side of a socket.
pub(crate) struct Till {
    url: String,
    answers: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<(String, Instant)>>>,
}

impl Till {
    /// One that answers with 200, or with 503 while it is told not to.
    pub(crate) fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let till = Self { url, answers: Arc::new(AtomicBool::new(true)), asked: Arc::default() };
        let (answers, asked) = (Arc::clone(&till.answers), Arc::clone(&till.asked));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answers, asked) = (Arc::clone(&answers), Arc::clone(&asked));
                thread::spawn(move || serve(stream, &answers, &asked));
            }
        });
        till
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    fn count(&self, wanted: impl Fn(&str) -> bool) -> usize {
        self.asked.lock().expect("no panic").iter().filter(|(path, _)| wanted(path)).count()
    }
}

/// Requests of one connection, until it ends.
fn serve(stream: TcpStream, answers: &AtomicBool, asked: &Mutex<Vec<(String, Instant)>>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut writer = stream;
    loop {
        let (mut first, mut length) = (String::new(), 0);
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let path = first.split(' ').nth(1).unwrap_or("").to_owned();
        let is_good = answers.load(Relaxed);
        asked.lock().expect("no panic").push((path, Instant::now()));
        let status = if is_good { "200 OK" } else { "503 Service Unavailable" };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\n{{}}");
        if writer.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

async fn open_outlet(address: &Address, id: &str, vendor: &str, till: &Till) {
    let document = json!({
        "brand": "dev", "vendor": vendor, "name": id, "lat": 31.2304, "lng": 121.4737,
        "stations": 4, "minutes_per_unit": 1.0, "accept_within": "PT30M",
        "menu": [{"sku": "grape", "name": "Grape", "category": "milk-tea", "price_minor": 1900}],
        "pos": {"url": till.url, "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
    });
    let path = format!("/v1/outlets/{id}");
    let (status, body) = ask(address, "operator", Method::PUT, &path, &document).await;
    assert_eq!(status, 201, "{body}");
}

/// Places an order and pays it.
async fn buy(address: &Address, key: &str, outlet: &str) -> (u16, Value) {
    let body =
        json!({"user_id": "u1", "outlet_id": outlet, "items": [{"sku": "grape", "quantity": 1}]});
    let (status, placed) = place_order(address, key, &body).await;
    if status == 201 {
        let heard = notify(address, &placed["order"]["payment"]["id"], "succeeded", Some(1_900));
        assert_eq!(heard, (200, "success".to_owned()));
    }
    (status, placed)
}

async fn outlet(address: &Address, id: &str) -> Value {
    let path = format!("/v1/outlets/{id}");
    let (status, body) = ask(address, "viewer", Method::GET, &path, &Value::Null).await;
    assert_eq!(status, 200, "{body}");
    body
}

#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < WAIT, "{what} does not come");
        thread::sleep(Duration::from_millis(20));
    }
}

fn is_ticket(path: &str) -> bool {
    path == "/tickets"
}

fn place() -> Place {
    let sandbox =
        "[sandbox]\nurl = \"http://127.0.0.1:1\"\nnotify_url = \"http://127.0.0.1:1/notify\"\n";
    Place::new(&format!("{SMALL_SEGMENTS}{sandbox}"))
}

/// Its clock runs ahead, so that nobody waits for long.
const FAST: [&str; 4] = ["--listen", "127.0.0.1:0", "--speed", "20"];

#[test]
fn an_outlet_that_does_not_answer_gets_no_orders_until_it_does_and_a_kill_loses_nothing() {
    let (good, bad) = (Till::open(), Till::open());
    bad.answers.store(false, Relaxed);
    let place = place();
    let server = place.start_with(&FAST);
    run(async {
        open_outlet(&server, "good", "pos-a", &good).await;
        open_outlet(&server, "bad", "pos-b", &bad).await;
        assert_eq!(buy(&server, "b1", "bad").await.0, 201);
        wait_until("the third failure", || bad.count(is_ticket) >= 3);
        let mut shown = Value::Null;
        for _ in 0..100 {
            shown = outlet(&server, "bad").await;
            if shown["state"] == "unreachable" {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(shown["breaker"]["state"], "open", "within two seconds: {shown}");
        let reason = "3 calls in a row failed; the last: status 503: {}";
        assert_eq!(shown["breaker"]["reason"], reason);
        assert_eq!(bad.count(is_ticket), 3);
        assert_eq!(shown["queue"]["untold"], 1, "{shown}");
        assert!(shown["queue"]["untold_since"].is_string() && shown["pace_ms"].as_u64() >= Some(1));
        let (status, refused) = buy(&server, "b2", "bad").await;
        assert_eq!((status, &refused["code"]), (409, &json!("outlet_unreachable")));
        // The other one has its orders as ever.
        for number in 0..3 {
            assert_eq!(buy(&server, &format!("g{number}"), "good").await.0, 201);
        }
        wait_until("tickets of the good one", || good.count(is_ticket) == 3);
        let (_, listed) = ask(&server, "viewer", Method::GET, "/v1/breakers", &Value::Null).await;
        assert_eq!(listed["items"].as_array().map(Vec::len), Some(1), "{listed}");
        assert_eq!(listed["items"][0]["outlet"], "bad");
    });
    server.kill();

    let server = place.start_with(&FAST);
    run(async {
        assert_eq!(outlet(&server, "bad").await["breaker"]["state"], "open");
        let before = bad.count(|_| true);
        wait_until("a try after the restart", || bad.count(|_| true) > before);
        bad.answers.store(true, Relaxed);
        let (before, mut closed) = (bad.count(is_ticket), false);
        for _ in 0..500 {
            closed = outlet(&server, "bad").await["state"] == "open";
            if closed {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        assert!(closed, "it takes orders again");
        wait_until("the ticket", || bad.count(is_ticket) > before);
        assert_eq!(buy(&server, "b3", "bad").await.0, 201);
        wait_until("the next ticket", || bad.count(is_ticket) > before + 1);
        // Each once: the one of before the kill, and the new one.
        thread::sleep(Duration::from_millis(500));
        assert_eq!(bad.count(is_ticket), before + 2);
        assert_eq!(outlet(&server, "bad").await["queue"]["untold"], 0);
    });
    server.stop();
    place.audit_is_clean();
}

#[test]
fn what_an_operator_opens_stays_open_and_a_vendors_breaker_is_for_all_its_outlets() {
    let (north, south) = (Till::open(), Till::open());
    let place = place();
    let server = place.start_with(&FAST);
    let set = async |address: &Address, path: &str, state: &str, reason: &str| {
        let body = json!({"state": state, "reason": reason});
        ask(address, "operator", Method::POST, path, &body).await
    };
    run(async {
        open_outlet(&server, "north", "pos-a", &north).await;
        open_outlet(&server, "south", "pos-a", &south).await;
        assert_eq!(buy(&server, "n0", "north").await.0, 201);
        wait_until("a ticket", || north.count(is_ticket) == 1);
        let (status, body) =
            set(&server, "/v1/outlets/north/breaker", "open", "their own wish").await;
        assert_eq!(
            (status, &body["before"], &body["state"]),
            (200, &json!("closed"), &json!("open"))
        );
        assert_eq!(buy(&server, "n1", "north").await.1["code"], "outlet_unreachable");
        assert_eq!(buy(&server, "s1", "south").await.0, 201);
        let (status, body) =
            set(&server, "/v1/vendors/pos-a/breaker", "draining", "a move tonight").await;
        assert_eq!((status, &body["vendor"]), (200, &json!("pos-a")));
        assert_eq!(buy(&server, "s2", "south").await.1["code"], "outlet_unreachable");
        // What was sold before still comes.
        wait_until("a ticket", || south.count(is_ticket) == 1);
        let (status, body) = set(&server, "/v1/vendors/a%2Fb/breaker", "open", "r").await;
        assert_eq!((status, &body["field"]), (400, &json!("vendor")), "{body}");
        let (status, body) = set(&server, "/v1/outlets/north/breaker", "half_open", "r").await;
        assert_eq!((status, &body["field"]), (400, &json!("state")), "{body}");
        let (status, body) = set(&server, "/v1/outlets/north/breaker", "open", "again").await;
        assert_eq!((status, &body["code"]), (409, &json!("unchanged")));
        let path = "/v1/outlets/north/breaker";
        let body = json!({"state": "closed", "reason": "r"});
        assert_eq!(ask(&server, "app", Method::POST, path, &body).await.0, 403);
    });
    server.kill();

    let server = place.start_with(&FAST);
    run(async {
        // Nobody but an operator closes it, though it would answer.
        thread::sleep(Duration::from_millis(1_500));
        let shown = outlet(&server, "north").await;
        assert_eq!(shown["breaker"]["by_hand"], json!(true));
        assert_eq!(shown["vendor_breaker"]["reason"], "a move tonight");
        assert_eq!(north.count(is_ticket), 1);
        let closed = set(&server, "/v1/vendors/pos-a/breaker", "closed", "moved").await;
        assert_eq!(closed.1["before"], "draining");
        assert_eq!(buy(&server, "s3", "south").await.0, 201);
        wait_until("a ticket", || south.count(is_ticket) == 2);
        set(&server, "/v1/outlets/north/breaker", "closed", "they are back").await;
        assert_eq!(buy(&server, "n2", "north").await.0, 201);
        wait_until("a ticket", || north.count(is_ticket) == 2);
    });
    server.stop();
    place.audit_is_clean();
}
