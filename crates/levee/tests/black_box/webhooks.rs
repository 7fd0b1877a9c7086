//! Webhooks against real processes: who verifies signatures hears of everything, in order for each
//! user; a receiver that is slow or dead delays no other; a kill loses nothing.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::Method;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use levee_api::webhook::{REPLAY_WINDOW_S, WebhookSecrets};
use serde_json::{Value, json};

use crate::harness::{Address, Place, SMALL_SEGMENTS, run};
use crate::orders::{ask, grape, notify, open_outlets, place, place_order};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Longest wait for what must come.
const WAIT: Duration = Duration::from_secs(30);

/// The app's back end: keeps what is signed, and answers as it is told.
struct Receiver {
    url: String,
    status: AtomicU16,
    delay_ms: AtomicU64,
    /// How often it was called.
    calls: AtomicU64,
    heard: Mutex<Vec<Value>>,
}

impl Receiver {
    fn open() -> Arc<Self> {
        // All of loopback leads there.
        let listener = TcpListener::bind("0.0.0.0:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let url = format!("http://127.0.0.1:{port}/levee");
        let (status, delay_ms) = (AtomicU16::new(204), AtomicU64::new(0));
        let (calls, heard) = (AtomicU64::new(0), Mutex::default());
        let receiver = Arc::new(Self { url, status, delay_ms, calls, heard });
        let shared = Arc::clone(&receiver);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let receiver = Arc::clone(&shared);
                thread::spawn(move || receiver.serve(stream));
            }
        });
        receiver
    }

    fn heard(&self) -> Vec<Value> {
        self.heard.lock().expect("no panic").clone()
    }

    /// Requests of one connection, until it ends. What is not signed well panics and is never heard.
    fn serve(&self, stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
        let mut writer = stream;
        loop {
            let mut first = String::new();
            if reader.read_line(&mut first).ok()? == 0 {
                return None;
            }
            let (mut headers, mut length) = (HeaderMap::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).ok()?;
                let Some((name, value)) = line.trim().split_once(": ") else { break };
                if name.eq_ignore_ascii_case("content-length") {
                    length = value.parse().expect("a length");
                }
                let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
                headers.append(name, HeaderValue::from_str(value).expect("a value"));
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).ok()?;
            let now_s = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
            let secret = WebhookSecrets::from_text(SECRET).expect("a secret");
            let id = secret.verify(&headers, &body, now_s, REPLAY_WINDOW_S).expect("signed");
            let event: Value = serde_json::from_slice(&body).expect("JSON");
            assert_eq!(event["id"], id);
            self.calls.fetch_add(1, Relaxed);
            thread::sleep(Duration::from_millis(self.delay_ms.load(Relaxed)));
            let status = self.status.load(Relaxed);
            if status < 300 {
                self.heard.lock().expect("no panic").push(event);
            }
            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
            writer.write_all(answer.as_bytes()).ok()?;
        }
    }

    /// Waits until it has heard so many different messages.
    #[track_caller]
    fn wait_for(&self, count: usize) -> BTreeMap<String, Value> {
        let began = Instant::now();
        loop {
            let heard = self.heard().into_iter();
            let id = |event: &Value| event["id"].as_str().expect("an id").to_owned();
            let unique: BTreeMap<_, _> = heard.map(|event| (id(&event), event)).collect();
            if unique.len() >= count {
                return unique;
            }
            assert!(began.elapsed() < WAIT, "{} of {count} messages came", unique.len());
            thread::sleep(Duration::from_millis(20));
        }
    }
}

async fn put(address: &Address, id: &str, receiver: &Receiver, tries: u32) {
    put_at(address, id, &receiver.url, tries).await;
}

async fn put_at(address: &Address, id: &str, url: &str, tries: u32) {
    let document = json!({
        "url": url, "secret": SECRET, "tries": tries,
        "events": ["voucher.claimed", "voucher.redeemed", "voucher.rolled_back"],
    });
    let path = format!("/v1/webhooks/{id}");
    let (status, body) = ask(address, "operator", Method::PUT, &path, &document).await;
    assert_eq!(status, 201, "{body}");
    assert!(!body.to_string().contains("whsec_"));
}

/// A user claims, uses the voucher, and takes that back: three events.
async fn live_through(address: &Address, user: &str) {
    let mut app = address.app().await;
    let claim = app.post("/v1/campaigns/tea/claims", None, &json!({"user_id": user})).await;
    let claim: Value = claim.expect("answered").json().expect("done");
    let redeem = json!({"voucher_code": claim["voucher"]["code"], "user_id": user,
        "order_minor": 1_800, "reference": user});
    let redeemed = app.post("/v1/redemptions", Some(&format!("r-{user}")), &redeem).await;
    let redeemed: Value = redeemed.expect("answered").json().expect("done");
    let id = redeemed["redemption"]["id"].as_str().expect("an id");
    let (path, reason) = (format!("/v1/redemptions/{id}/rollback"), json!({"reason": "test"}));
    let undone = app.post(&path, Some(&format!("b-{user}")), &reason).await;
    undone.expect("answered").json::<Value>().expect("done");
}

/// First hearings of each voucher's events are in the order of their making.
#[track_caller]
fn check_order(heard: &[Value]) {
    let mut of_voucher: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
    for event in heard {
        let code = event["data"]["voucher"]["code"].as_str().expect("a code").to_owned();
        let one = (event["seq"].as_u64().expect("a seq"), event["type"].to_string());
        let events = of_voucher.entry(code).or_default();
        if !events.contains(&one) {
            events.push(one);
        }
    }
    for (code, events) in of_voucher {
        let kinds: Vec<_> = events.iter().map(|(_, kind)| kind.trim_matches('"')).collect();
        assert_eq!(kinds, ["voucher.claimed", "voucher.redeemed", "voucher.rolled_back"], "{code}");
    }
}

#[test]
fn a_slow_and_a_dead_receiver_delay_no_other_and_a_kill_loses_nothing() {
    run(async {
        let place = Place::new(SMALL_SEGMENTS);
        let server = place.start();
        server.open_campaign("tea", 2_500, 2_500_000).await;
        let (good, slow, dead) = (Receiver::open(), Receiver::open(), Receiver::open());
        slow.delay_ms.store(400, Relaxed);
        dead.status.store(500, Relaxed);
        put(&server, "good", &good, 12).await;
        put(&server, "slow", &slow, 12).await;
        put(&server, "dead", &dead, 150).await;
        for user in 0..20 {
            live_through(&server, &format!("u{user}")).await;
        }
        let told = good.wait_for(60);
        check_order(&good.heard());
        assert!(dead.heard().is_empty() && slow.heard().len() < 60, "{}", slow.heard().len());
        assert!(told.keys().all(|id| id.starts_with("good_")));
        let dead_is =
            ["deliveries_total{webhook=\"dead\",result=\"taken\"} 0", "down{webhook=\"dead\"} 1"];
        let good_is = [
            "deliveries_total{webhook=\"good\",result=\"taken\"} 60",
            "lag_ms{webhook=\"good\"} 0",
        ];
        let metrics = metrics_with(&server, &[dead_is, good_is].concat()).await;
        assert!(!metrics.contains("levee_webhooks_lag_ms{webhook=\"dead\"} 0\n"), "{metrics}");
        // Twenty events wait for it, and one of them tries it, later and later.
        let before = dead.calls.load(Relaxed);
        thread::sleep(Duration::from_secs(3));
        let tried = dead.calls.load(Relaxed) - before;
        assert!(tried < 10, "{tried} calls");

        server.kill();
        dead.status.store(204, Relaxed);
        slow.delay_ms.store(0, Relaxed);
        let server = place.start();
        slow.wait_for(60);
        dead.wait_for(60);
        check_order(&slow.heard());
        check_order(&dead.heard());
        // What is told again is the same to the letter.
        for event in good.heard() {
            assert_eq!(told.get(event["id"].as_str().expect("an id")), Some(&event));
        }
        server.stop();
        place.audit_is_clean();
    });
}

/// What a server shows of itself, once these lines about webhooks are in it.
async fn metrics_with(address: &Address, lines: &[&str]) -> String {
    let began = Instant::now();
    loop {
        let mut client = address.client("dev-viewer").await;
        let raw = client.send(Method::GET, "/metrics", &[], Bytes::new()).await.expect("answered");
        let text = String::from_utf8(raw.body.to_vec()).expect("text");
        let is_in = |line: &&str| text.contains(&format!("\nlevee_webhooks_{line}\n"));
        if lines.iter().all(is_in) {
            return text;
        }
        assert!(began.elapsed() < WAIT, "{text}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The only dead letter of a webhook, once there is one.
async fn dead_letter(address: &Address, id: &str) -> Value {
    let began = Instant::now();
    loop {
        let path = format!("/v1/webhooks/{id}/dead");
        let (_, page) = ask(address, "operator", Method::GET, &path, &Value::Null).await;
        if let [letter] = &page["items"].as_array().expect("a list")[..] {
            return letter.clone();
        }
        assert!(began.elapsed() < WAIT, "{page}");
    }
}

#[test]
fn only_those_are_called_that_the_configuration_allows() {
    run(async {
        let place = Place::new(&format!("{SMALL_SEGMENTS}[connect]\nallow = [\"127.0.0.2\"]\n"));
        let server = place.start();
        server.open_campaign("tea", 2_500, 2_500_000).await;
        let (receiver, moved) = (Receiver::open(), Receiver::open());
        let allowed = receiver.url.replace("127.0.0.1", "127.0.0.2");
        let port = receiver.url.rsplit_once(':').expect("a port").1;
        moved.status.store(302, Relaxed);
        let webhooks = [
            ("literal", receiver.url.clone(), "127.0.0.1 is a loopback address"),
            ("mapped", format!("http://[::ffff:127.0.0.1]:{port}"), "is a loopback address"),
            ("name", format!("http://localhost:{port}"), "is a loopback address"),
            ("private", "http://10.0.0.1/levee".to_owned(), "10.0.0.1 is a private address"),
        ];
        for (id, url, _) in &webhooks {
            put_at(&server, id, url, 1).await;
        }
        put_at(&server, "allowed", &allowed, 1).await;
        put_at(&server, "moved", &moved.url.replace("127.0.0.1", "127.0.0.2"), 1).await;
        let mut app = server.app().await;
        let claim = json!({"user_id": "u1"});
        app.post("/v1/campaigns/tea/claims", None, &claim).await.expect("answered");
        let heard = receiver.wait_for(1);
        assert!(heard.keys().all(|id| id.starts_with("allowed_")), "{heard:?}");
        for (id, _, why) in &webhooks {
            let letter = dead_letter(&server, id).await;
            let error = letter["error"].as_str().expect("a text");
            assert!(error.contains(why) && error.contains("`allow`"), "{id}: {error}");
        }
        let letter = dead_letter(&server, "moved").await;
        let error = letter["error"].as_str().expect("a text");
        assert!(error.contains("302") && error.contains("redirects are not followed"), "{error}");
        server.stop();
    });
}

/// A quarter of an hour, in which an order is to be paid, is a second.
const FAST: [&str; 4] = ["--listen", "127.0.0.1:0", "--speed", "900"];

#[test]
fn an_order_that_ends_by_the_clock_is_told_of_once_whatever_is_heard_then() {
    const ORDERS: usize = 16;
    run(async {
        let place = place();
        let server = place.start_with(&FAST);
        open_outlets(&server, 40).await;
        let receiver = Receiver::open();
        let document = json!({"url": receiver.url, "secret": SECRET,
            "events": ["order.placed", "order.paid", "order.expired"]});
        let path = "/v1/webhooks/app";
        let (status, body) = ask(&server, "operator", Method::PUT, path, &document).await;
        assert_eq!(status, 201, "{body}");
        let mut threads = Vec::new();
        for number in 0..ORDERS {
            let (status, placed) = place_order(&server, &format!("k{number}"), &grape()).await;
            assert_eq!(status, 201, "{placed}");
            // Their provider says so around the time at which they end; nobody accepts those that
            // were paid before it.
            let address = (*server).clone();
            threads.push(thread::spawn(move || {
                thread::sleep(Duration::from_millis(920 + 10 * number as u64));
                let payment = &placed["order"]["payment"]["id"];
                notify(&address, payment, "succeeded", Some(3_800));
                notify(&address, payment, "closed", None);
            }));
        }
        threads.into_iter().for_each(|thread| thread.join().expect("told"));
        let began = Instant::now();
        let of = |kind: &str| -> BTreeMap<String, BTreeMap<String, Value>> {
            let mut of: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
            for event in receiver.heard().into_iter().filter(|event| event["type"] == kind) {
                let text = |value: &Value| value.as_str().expect("a text").to_owned();
                let (order, id) = (text(&event["data"]["order"]["id"]), text(&event["id"]));
                of.entry(order).or_default().insert(id, event);
            }
            of
        };
        while of("order.expired").len() < ORDERS {
            assert!(began.elapsed() < WAIT, "{:?}", receiver.heard());
            thread::sleep(Duration::from_millis(20));
        }
        // Whatever would be told twice has been, by then.
        thread::sleep(Duration::from_secs(1));
        for kind in ["order.placed", "order.expired"] {
            let once = of(kind).values().map(BTreeMap::len).collect::<Vec<_>>();
            assert_eq!(once, [1; ORDERS], "{kind}");
        }
        let paid = of("order.paid");
        for (order, events) in of("order.expired") {
            let event = events.values().next().expect("one");
            let end = if paid.contains_key(&order) { "not_accepted" } else { "not_paid" };
            assert_eq!(event["data"]["order"]["end"], end, "{event}");
        }
        server.stop();
        place.audit_is_clean();
    });
}

#[test]
fn dead_letters_are_listed_delivered_again_and_replayed() {
    run(async {
        let place = Place::new(SMALL_SEGMENTS);
        let server = place.start();
        server.open_campaign("tea", 2_500, 2_500_000).await;
        let receiver = Receiver::open();
        receiver.status.store(410, Relaxed);
        put(&server, "app", &receiver, 1).await;
        live_through(&server, "u1").await;
        let began = Instant::now();
        let letters = loop {
            let path = "/v1/webhooks/app/dead";
            let (status, page) = ask(&server, "operator", Method::GET, path, &Value::Null).await;
            assert_eq!(status, 200, "{page}");
            let items = page["items"].as_array().expect("a list").clone();
            if items.len() == 3 {
                break items;
            }
            assert!(began.elapsed() < WAIT, "{page}");
        };
        let first = &letters[0];
        assert_eq!((&first["event"], &first["tries"]), (&json!("voucher.claimed"), &json!(1)));
        assert!(first["error"].as_str().expect("a text").contains("410"), "{first}");

        receiver.status.store(204, Relaxed);
        let mut operator = server.client("dev-operator").await;
        let message = json!({"message": first["message"]});
        let path = "/v1/webhooks/app/redeliver";
        let again = operator.post(path, Some("k1"), &message).await.expect("answered");
        again.json::<Value>().expect("done");
        let heard = receiver.wait_for(1);
        assert_eq!(heard.keys().next().map(String::as_str), first["message"].as_str());

        let all = json!({"after_seq": 0});
        let replay = operator.post("/v1/webhooks/app/replay", Some("k2"), &all).await;
        replay.expect("answered").json::<Value>().expect("done");
        receiver.wait_for(3);
        // What was delivered after all is none any more.
        no_dead_letters(&server, "app").await;
        server.stop();
        place.audit_is_clean();
    });
}

async fn no_dead_letters(address: &Address, id: &str) {
    let (path, began) = (format!("/v1/webhooks/{id}/dead"), Instant::now());
    loop {
        let (_, page) = ask(address, "operator", Method::GET, &path, &Value::Null).await;
        if page["items"] == json!([]) {
            return;
        }
        assert!(began.elapsed() < WAIT, "{page}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A number that a server shows of itself, once it is not 0.
async fn metric(address: &Address, name: &str) -> u64 {
    let began = Instant::now();
    loop {
        let mut client = address.client("dev-viewer").await;
        let raw = client.send(Method::GET, "/metrics", &[], Bytes::new()).await.expect("answered");
        let text = String::from_utf8(raw.body.to_vec()).expect("text");
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        match line.map(|value| value.parse().expect("a number")) {
            Some(value) if value > 0 => return value,
            other => assert!(began.elapsed() < WAIT, "{name} {other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn a_deleted_archive_stops_no_webhook() {
    run(async {
        let place = Place::new(&format!("{SMALL_SEGMENTS}[snapshots]\nevery_s = 10\n"));
        let server = place.start();
        server.open_campaign("tea", 2_500, 250_000_000).await;
        let receiver = Receiver::open();
        put(&server, "app", &receiver, 12).await;
        let mut app = server.app().await;
        for user in 0..800 {
            let claim = json!({"user_id": format!("u{user}")});
            let claimed = app.post("/v1/campaigns/tea/claims", None, &claim).await;
            claimed.expect("answered").json::<Value>().expect("done");
        }
        receiver.wait_for(800);
        // A segment is archived once no kept snapshot needs it.
        let archive = place.data().join("archive");
        let segments =
            || std::fs::read_dir(&archive).expect("there").map(|file| file.expect("one"));
        let began = Instant::now();
        while segments().count() == 0 {
            assert!(began.elapsed() < 3 * WAIT, "nothing is archived");
            let claim = json!({"user_id": format!("later-{}", began.elapsed().as_millis())});
            app.post("/v1/campaigns/tea/claims", None, &claim).await.expect("answered");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server.stop();
        segments().for_each(|file| std::fs::remove_file(file.path()).expect("deleted"));
        // All would be told again.
        std::fs::remove_file(place.data().join("webhooks.json")).expect("there");
        let server = place.start();
        let first_seq = metric(&server, "levee_engine_first_seq").await;
        assert!(first_seq > 2, "{first_seq}");
        let passed_over =
            metric(&server, "levee_webhooks_passed_over_total{webhook=\"app\"}").await;
        assert!(passed_over < first_seq, "{passed_over}");
        let mut app = server.app().await;
        let claim = json!({"user_id": "another"});
        let claimed = app.post("/v1/campaigns/tea/claims", None, &claim).await.expect("answered");
        let claimed: Value = claimed.json().expect("done");
        let began = Instant::now();
        // What is told again of other users may come after it.
        let is_it = |heard: &Value| heard["data"]["voucher"]["code"] == claimed["voucher"]["code"];
        while !receiver.heard().iter().any(is_it) {
            assert!(began.elapsed() < WAIT, "it is told of what comes");
            thread::sleep(Duration::from_millis(20));
        }

        let mut operator = server.client("dev-operator").await;
        let path = "/v1/webhooks/app/replay";
        let replay = |after_seq: u64| json!({"after_seq": after_seq});
        let gone = operator.post(path, Some("k1"), &replay(0)).await.expect("answered");
        let text = String::from_utf8(gone.body.to_vec()).expect("text");
        let first = format!("the first seq that is still kept is {first_seq}");
        assert_eq!(gone.status, 400, "{text}");
        assert!(text.contains("after_seq") && text.contains(&first), "{text}");
        let kept = operator.post(path, Some("k2"), &replay(first_seq - 1)).await;
        kept.expect("answered").json::<Value>().expect("done");
        server.stop();
    });
}
