//! Gates in processes of their own before one engine: real sockets, real keys, killed and restarted.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use bytes::Bytes;
use levee_api::client::Raw;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::crashes::{Acked, all_there, load};
use crate::harness::{Address, Place, SMALL_SEGMENTS, Server, at_once, levee, path, run, text};

const SHARED_KEY: &str = "0123456789abcdef0123456789abcdef\n";

impl Place {
    fn socket(&self) -> String {
        format!("unix:{}", self.beside("gates.sock").display())
    }

    /// An engine without a gate of its own.
    fn start_engine(&self) -> Server {
        let socket = self.socket();
        self.start_with(&["--listen", "none", "--gates", &socket])
    }

    fn start_gate(&self, name: &str) -> Server {
        Server::start_gate(&["--engine", &self.socket(), "--name", name]).expect("it connects")
    }

    /// A file that only its owner reads.
    fn private(&self, name: &str, content: &str) -> PathBuf {
        let file = self.beside(name);
        fs::write(&file, content).expect("written");
        fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("it is ours");
        file
    }
}

async fn claim(address: &Address, user: &str) -> Raw {
    let body = json!({"user_id": user});
    let mut client = address.app().await;
    client.post("/v1/campaigns/crash/claims", None, &body).await.expect("answered")
}

/// Claims until the engine is there.
async fn claim_until_done(address: &Address, user: &str) -> Raw {
    loop {
        let raw = claim(address, user).await;
        if raw.status != 503 {
            return raw;
        }
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_gate_of_its_own_serves_what_a_server_does() {
    let place = Place::new(SMALL_SEGMENTS);
    let engine = place.start_engine();
    let gate = place.start_gate("east");
    run(async {
        gate.open_campaign("crash", 5, 10).await;
        let raw = claim(&gate, "user").await;
        assert_eq!(raw.status, 201);
        let again = claim(&gate, "user").await;
        assert_eq!((again.status, &again.body), (200, &raw.body));
        assert_eq!(claim(&gate, "second").await.status, 201);
        let refused: Value =
            serde_json::from_slice(&claim(&gate, "third").await.body).expect("JSON");
        assert_eq!(refused["code"], "budget_exhausted");

        let body: Value = raw.json().expect("a claim");
        let code = body["voucher"]["code"].as_str().expect("a code");
        let redeem = json!({
            "voucher_code": code, "user_id": "user", "order_minor": 100, "reference": "bill-1"
        });
        let mut app = gate.app().await;
        let redeemed = app.post("/v1/redemptions", Some("redeem-1"), &redeem).await;
        assert_eq!(redeemed.expect("answered").status, 201);

        let mut operator = gate.client("dev-operator").await;
        let get = hyper::Method::GET;
        let export = operator.send(get, "/v1/audit/export", &[], Bytes::new()).await;
        let export = export.expect("answered").body;
        let lines = String::from_utf8_lossy(&export).lines().count() as u64;
        let last: Value = serde_json::from_slice(
            export.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty()).expect("a line"),
        )
        .expect("JSON");
        assert_eq!(last["seq"], lines, "every command, from the first");
        let ready: Value = operator.get("/readyz").await.expect("ready");
        assert_eq!(ready["phase"], "ready");
    });
    gate.stop();
    engine.stop();
    place.audit_is_clean();
}

/// Sends until the answer is as it should be: gates learn of each other's outlets in a moment.
async fn until(address: &Address, key: &str, path: &str, is_so: impl Fn(&Value) -> bool) {
    let mut client = address.client(key).await;
    loop {
        let raw = client.send(hyper::Method::GET, path, &[], Bytes::new()).await;
        let raw = raw.expect("answered");
        if raw.status == 200 && is_so(&raw.json().expect("JSON")) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[test]
fn an_outlet_that_was_put_at_one_gate_is_found_at_the_other() {
    let place = Place::new(SMALL_SEGMENTS);
    let engine = place.start_engine();
    let gates = [place.start_gate("east"), place.start_gate("west")];
    let document = |brand: &str, lng: f64| {
        let document = json!({
            "brand": brand, "vendor": "v", "name": "N", "lat": 31.2, "lng": lng, "stations": 2,
            "minutes_per_unit": 1.5, "pos": {"sandbox": true}, "menu": [],
        });
        Bytes::from(document.to_string())
    };
    run(async {
        let put = async |id: &str, body: Bytes| {
            let mut client = gates[0].client("dev-outlet").await;
            let path = format!("/v1/outlets/{id}");
            client.send(hyper::Method::PUT, &path, &[], body).await.expect("answered").status
        };
        // A gate in a process of its own knows whose a key is.
        assert_eq!(put("a", document("heytea", 121.4)).await, 403);
        assert_eq!(put("a", document("dev", 121.4)).await, 201);
        assert_eq!(put("b", document("dev", 121.3)).await, 201);
        let near = "/v1/outlets?near=31.2,121.41&limit=5";
        let ids = |found: &Value, expected: &[&str]| {
            let items = found["items"].as_array().expect("a list");
            items.iter().map(|item| &item["id"]).eq(expected)
        };
        for gate in &gates {
            until(gate, "dev-app", near, |found| ids(found, &["a", "b"])).await;
        }
        assert_eq!(put("a", document("dev", 121.2)).await, 200);
        until(&gates[1], "dev-app", near, |found| ids(found, &["b", "a"])).await;
    });
    for gate in gates {
        gate.stop();
    }
    engine.stop();
    place.audit_is_clean();
}

#[test]
fn a_user_who_claims_at_two_gates_at_once_gets_one_voucher() {
    let place = Place::new(SMALL_SEGMENTS);
    let engine = place.start_engine();
    let gates = [place.start_gate("east"), place.start_gate("west")];
    run(async {
        gates[0].open_campaign("crash", 1, 1_000).await;
        let mut claims = JoinSet::new();
        for gate in &gates {
            let address = Address::clone(gate);
            claims.spawn_local(async move {
                let claim = |number: usize| {
                    let body = json!({"user_id": format!("user-{number}")});
                    ("/v1/campaigns/crash/claims".to_owned(), None, body)
                };
                at_once(&address, 4, 200, claim).await
            });
        }
        let answers: Vec<Raw> = claims.join_all().await.into_iter().flatten().collect();
        let mut vouchers = BTreeMap::<Bytes, usize>::new();
        for raw in &answers {
            assert!(raw.status == 200 || raw.status == 201, "{raw:?}");
            *vouchers.entry(raw.body.clone()).or_default() += 1;
        }
        assert_eq!(vouchers.len(), 200);
        assert!(vouchers.values().all(|gates| *gates == 2), "the same answer at both gates");
        assert_eq!(gates[0].campaign("crash").await.counts.claims, 200);
    });
    gates.into_iter().for_each(Server::stop);
    engine.stop();
    place.audit_is_clean();
}

#[test]
fn a_gate_that_is_killed_loses_nothing_and_leaves_the_other_alone() {
    let place = Place::new(SMALL_SEGMENTS);
    let engine = place.start_engine();
    let (doomed, other) = (place.start_gate("doomed"), place.start_gate("other"));
    run(async {
        other.open_campaign("crash", 1, 1_000_000).await;
        let (lost, kept) = (Acked::default(), Acked::default());
        let mut dying = load(&doomed, 1, &lost, 100).await;
        let living = load(&other, 2, &kept, 100).await;
        doomed.kill();
        while let Some(ended) = dying.join_next().await {
            ended.expect("they end when the gate is gone");
        }
        let before = kept.borrow().len();
        while kept.borrow().len() < before + 200 {
            tokio::task::yield_now().await;
        }
        drop(living);
        all_there(&other, &lost.take()).await;
        all_there(&other, &kept.take()).await;
    });
    other.stop();
    engine.stop();
    place.audit_is_clean();
}

/// Sets the brownout level by hand.
async fn set_level(address: &Address, level: &str) {
    let mut operator = address.client("dev-operator").await;
    let body = json!({"level": level, "reason": "a test"});
    let set = operator.post("/v1/intake/level", Some(&format!("level-{level}")), &body).await;
    assert_eq!(set.expect("answered").status, 200);
}

/// Claims with a pass, if there is one.
async fn claim_with(address: &Address, user: &str, pass: Option<&str>) -> Raw {
    let headers: Vec<_> = pass.map(|pass| ("levee-pass", pass)).into_iter().collect();
    let body = json!({"user_id": user}).to_string();
    let mut app = address.app().await;
    let path = "/v1/campaigns/crash/claims";
    let raw = app.send(hyper::Method::POST, path, &headers, Bytes::from(body)).await;
    raw.expect("answered")
}

/// How many are before the owner of this pass.
async fn ahead(address: &Address, waiting: &Value) -> u64 {
    let mut anyone = address.app().await;
    let page = waiting["page"].as_str().expect("a page");
    let accept = [("accept", "application/json")];
    let raw = anyone.send(hyper::Method::GET, page, &accept, Bytes::new()).await;
    let shown: Value = raw.expect("answered").json().expect("JSON");
    shown["position_ahead"].as_u64().unwrap_or_else(|| panic!("a place: {shown}"))
}

#[test]
fn places_in_the_waiting_room_survive_the_gate_that_gave_them() {
    const USERS: usize = 20;
    let place = Place::new(SMALL_SEGMENTS);
    let engine = place.start_engine();
    let (doomed, other) = (place.start_gate("doomed"), place.start_gate("other"));
    run(async {
        other.open_campaign("crash", 1, 1_000_000).await;
        // Everyone waits.
        set_level(&other, "essential").await;
        let mut waiting = Vec::new();
        // Gates hear of a level a moment later.
        while claim_with(&doomed, "early", None).await.status != 429 {}
        while waiting.len() < USERS {
            let raw = claim_with(&doomed, &format!("user-{}", waiting.len()), None).await;
            assert_eq!(raw.status, 429, "{raw:?}");
            waiting.push(serde_json::from_slice::<Value>(&raw.body).expect("JSON"));
        }
        // One was there before them.
        let in_order: Vec<u64> = (1..=USERS as u64).collect();
        let mut places = Vec::new();
        // What the gate has counted is with the others in a moment, too.
        for _ in 0..500 {
            places.clear();
            for one in &waiting {
                places.push(ahead(&other, one).await);
            }
            if places == in_order {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(places, in_order, "at the other gate");
        doomed.kill();
        let doomed = place.start_gate("again");
        for gate in [&other, &doomed] {
            for (one, place) in waiting.iter().zip(&in_order) {
                assert_eq!(ahead(gate, one).await, *place, "after the kill, at {}", gate.name());
            }
        }
        set_level(&other, "normal").await;
        // The last first: nobody needs the gate, nor the connection, where the place was given.
        for (number, one) in waiting.iter().enumerate().rev() {
            let gate = if number % 2 == 0 { &other } else { &doomed };
            let (user, mut pass) = (format!("user-{number}"), one["pass"].clone());
            let mut raw = claim_with(gate, &user, pass.as_str()).await;
            while raw.status == 429 {
                let told: Value = serde_json::from_slice(&raw.body).expect("JSON");
                let poll_after_ms = told["poll_after_ms"].as_u64().expect("a time");
                tokio::time::sleep(std::time::Duration::from_millis(poll_after_ms)).await;
                pass = told["pass"].clone();
                raw = claim_with(gate, &user, pass.as_str()).await;
            }
            assert_eq!(raw.status, 201, "{raw:?}");
        }
        doomed.stop();
    });
    other.stop();
    engine.stop();
    place.audit_is_clean();
}

#[test]
fn a_gate_goes_on_by_itself_when_the_engine_is_back() {
    let place = Place::new(SMALL_SEGMENTS);
    let mut engine = place.start_engine();
    let gate = place.start_gate("east");
    run(async {
        gate.open_campaign("crash", 1, 1_000_000).await;
        for (round, killed) in [true, false, true].into_iter().enumerate() {
            let acked = Acked::default();
            let mut tasks = load(&gate, round, &acked, 100).await;
            if killed {
                engine.kill();
            } else {
                engine.stop();
            }
            while let Some(ended) = tasks.join_next().await {
                ended.expect("they end with an answer");
            }
            let mut viewer = gate.client("dev-viewer").await;
            let ready = viewer.send(hyper::Method::GET, "/readyz", &[], Bytes::new()).await;
            assert_eq!(ready.expect("the gate lives").status, 503);
            engine = place.start_engine();
            let raw = claim_until_done(&gate, "who waited").await;
            assert!(raw.status == 200 || raw.status == 201, "{raw:?}");
            all_there(&gate, &acked.take()).await;
        }
        engine.stop();
    });
    gate.stop();
    place.audit_is_clean();
}

#[test]
fn a_gate_ends_when_another_installation_answers() {
    let place = Place::new(SMALL_SEGMENTS);
    let engine = place.start_engine();
    let mut gate = place.start_gate("east");
    engine.stop();
    fs::rename(place.data(), place.beside("aside")).expect("moved");
    let other = place.start_engine();
    assert_eq!(gate.wait().code(), Some(1));
    place.start_gate("again").stop();
    other.stop();
}

#[test]
fn keys_are_the_engines() {
    let place = Place::new(SMALL_SEGMENTS);
    let socket = place.socket();
    let engine = place.start_without_dev_with(&["--listen", "none", "--gates", &socket]);
    let gate = place.start_gate("east");
    let data = place.data();
    let created = levee(&["key", "create", "--role", "operator", "--data", path(&data)]);
    let secret = String::from_utf8(created.stdout).expect("text");
    run(gate.until_status(secret.trim(), 200));
    let listed = text(&levee(&["key", "list", "--data", path(&data)]));
    let id = listed.split_whitespace().next().expect("one key");
    levee(&["key", "revoke", id, "--data", path(&data)]);
    run(gate.until_status(secret.trim(), 401));
    gate.stop();
    engine.stop();
}

#[test]
fn what_is_not_protected_is_refused_and_secrets_are_not_shown() {
    let place = Place::new(SMALL_SEGMENTS);
    let key = place.private("shared.key", SHARED_KEY);
    let socket = place.socket();
    place.configure(&format!("{SMALL_SEGMENTS}[gates]\nshared_key = {key:?}\n"));
    let engine = place.start_engine();
    let other = place.private("other.key", "abcdef0123456789abcdef0123456789\n");
    let short = place.private("short.key", "short\n");
    let open = place.private("open.key", SHARED_KEY);
    fs::set_permissions(&open, Permissions::from_mode(0o644)).expect("it is ours");
    let (key, other, short, open) = (path(&key), path(&other), path(&short), path(&open));
    let gate = ["gate", "--listen", "127.0.0.1:0", "--engine"];
    for (arguments, said) in [
        (&[&socket as &str][..], "shared key"),
        (&[&socket, "--shared-key", other], "shared key"),
        (&[&socket, "--shared-key", short], "this one has 5"),
        (&[&socket, "--shared-key", open], "chmod 600"),
        (&["http://127.0.0.1:1"], "TLS only"),
        (&["https://127.0.0.1:1"], "--ca FILE and --shared-key FILE"),
        (&[&socket, "--name", "a b"], "letters, digits"),
    ] {
        let output = levee(&[&gate[..], arguments].concat());
        let all = text(&output);
        assert!(matches!(output.status.code(), Some(2 | 3)), "{arguments:?}: {all}");
        assert!(all.contains(said), "{arguments:?}: {all}");
        assert!(!all.contains("0123456789abcdef"), "{all}");
    }
    // Everyone knows the keys of --dev.
    let everywhere = ["gate", "--listen", "0.0.0.0:0", "--engine", &socket, "--shared-key", key];
    let output = levee(&everywhere);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("loopback only"), "{}", text(&output));
    let gate = Server::start_gate(&["--engine", &socket, "--shared-key", key]);
    gate.expect("it knows the key").stop();
    engine.stop();

    let data = place.data();
    let serve = ["serve", "--data", path(&data), "--listen"];
    for (arguments, said) in
        [(&["127.0.0.1:0", "--gates", "127.0.0.1:0"][..], "gates.tls_cert"), (&["none"], "--gates")]
    {
        let output = levee(&[&serve[..], arguments].concat());
        assert_eq!(output.status.code(), Some(3), "{}", text(&output));
        assert!(text(&output).contains(said), "{}", text(&output));
    }
}

/// Runs openssl, which the checks install.
fn openssl(folder: &Place, arguments: &str) {
    let arguments = arguments.split_whitespace();
    let output = Command::new("openssl").args(arguments).current_dir(folder.beside("")).output();
    let output = output.expect("openssl is installed by the checks");
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn between_machines_a_gate_speaks_tls() {
    let place = Place::new("");
    let curve = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    openssl(&place, &format!("req -x509 {curve} -keyout ca.key -out ca.pem -subj /CN=authority"));
    openssl(
        &place,
        "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout tls.key -out tls.csr \
         -subj /CN=engine",
    );
    fs::write(place.beside("names"), "subjectAltName=IP:127.0.0.1\n").expect("written");
    openssl(
        &place,
        "x509 -req -in tls.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out tls.pem \
         -extfile names",
    );
    let key = place.private("shared.key", SHARED_KEY);
    let (cert, tls_key) = (place.beside("tls.pem"), place.beside("tls.key"));
    fs::set_permissions(&tls_key, Permissions::from_mode(0o600)).expect("it is ours");
    place.configure(&format!(
        "{SMALL_SEGMENTS}[gates]\nlisten = \"127.0.0.1:0\"\ntls_cert = {cert:?}\n\
         tls_key = {tls_key:?}\nshared_key = {key:?}\n"
    ));
    let engine = place.start_with(&["--listen", "none"]);
    let url = format!("https://{}", engine.name());
    let ca = place.beside("ca.pem");
    let gate = ["--engine", &url, "--ca", path(&ca), "--shared-key"];
    let other = place.private("other.key", "abcdef0123456789abcdef0123456789\n");
    let refused = Server::start_gate(&[&gate[..], &[path(&other)]].concat());
    assert!(refused.is_err(), "another shared key");
    let gate = Server::start_gate(&[&gate[..], &[path(&key)]].concat()).expect("it connects");
    run(async {
        gate.open_campaign("crash", 1, 10).await;
        assert_eq!(claim(&gate, "user").await.status, 201);
    });
    gate.stop();
    engine.stop();
    place.audit_is_clean();
}
