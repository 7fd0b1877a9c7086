//! A gate over a small engine, and requests to it over real sockets.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use levee_api::code::Codes;
use levee_api::pseudonym::PseudonymKey;
use levee_api::webhook::{DEV_OUTLETS_SECRET, DEV_PAYMENTS_SECRET, WebhookSecrets};
use levee_gate::{Gate, GateConfig, KeyRing, Listener, Ports, Provider, Signers, start};
use serde_json::json;

use crate::engine::{Engine, Journal};
use crate::notifications::wires;
use crate::wire::{Got, Wire};

pub(crate) struct Bench {
    pub(crate) gate: Gate,
    pub(crate) engine: Arc<Engine>,
    pub(crate) address: SocketAddr,
    pub(crate) codes: Arc<Codes>,
    pub(crate) journal: Arc<Journal>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(GateConfig { workers: 2, ..GateConfig::default() }, KeyRing::dev())
    }

    /// Another gate before the same engine.
    pub(crate) fn beside(&self, config: GateConfig) -> Self {
        Self::before(Arc::clone(&self.engine), config, KeyRing::dev())
    }

    pub(crate) fn with(config: GateConfig, keys: KeyRing) -> Self {
        Self::before(Engine::start(), config, keys)
    }

    /// Another gate before the same engine, on a Unix socket.
    pub(crate) fn beside_on(&self, socket: &Path, mut config: GateConfig) -> Gate {
        config.signers = signers();
        let ports = Ports {
            submit: self.engine.clone(),
            export: self.journal.clone(),
            codes: self.codes.clone(),
            pseudonyms: PseudonymKey::new(&[2; 32]),
            keys: Arc::new(KeyRing::dev()),
        };
        let listener = UnixListener::bind(socket).unwrap();
        start(Listener::Unix(listener), config, ports).unwrap()
    }

    fn before(engine: Arc<Engine>, mut config: GateConfig, keys: KeyRing) -> Self {
        config.signers = signers();
        let journal = Arc::new(Journal::default());
        let codes = Arc::new(Codes::new(&[1; 32], 0));
        let ports = Ports {
            submit: engine.clone(),
            export: journal.clone(),
            codes: codes.clone(),
            pseudonyms: PseudonymKey::new(&[2; 32]),
            keys: Arc::new(keys),
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let gate = start(Listener::Tcp(listener), config, ports).unwrap();
        Self { address, gate, engine, codes, journal }
    }

    /// One request on a connection of its own: `METHOD path`, role, further header lines, body.
    pub(crate) fn ask(&self, line: &str, role: &str, headers: &str, body: &str) -> Got {
        self.on(&mut Wire::open(self.address), line, role, headers, body)
    }

    pub(crate) fn on(
        &self,
        wire: &mut Wire,
        line: &str,
        role: &str,
        headers: &str,
        body: &str,
    ) -> Got {
        wire.send(&request(line, role, headers, body));
        let method = line.split(' ').next().unwrap();
        wire.receive_to(method).expect("an answer")
    }

    /// A POST of JSON under an idempotency key.
    pub(crate) fn post(&self, path: &str, role: &str, key: &str, body: &str) -> Got {
        let headers =
            if key.is_empty() { String::new() } else { format!("Idempotency-Key: {key}\r\n") };
        self.ask(&format!("POST {path}"), role, &headers, body)
    }

    /// An open campaign with money for so many vouchers, and these further fields.
    pub(crate) fn campaign(&self, id: &str, vouchers: u64, voucher: &str, more: &str) {
        let document = document(id, voucher, more);
        let got = self.post("/v1/campaigns", "operator", &format!("c-{id}"), &document);
        assert_eq!(got.status, 201, "{got:?}");
        if vouchers > 0 {
            let fund = json!({"amount_minor": vouchers * 2_500, "reference": "first"});
            let path = format!("/v1/campaigns/{id}/fund");
            let got = self.post(&path, "operator", &format!("f-{id}"), &fund.to_string());
            assert_eq!(got.status, 200, "{got:?}");
        }
        let path = format!("/v1/campaigns/{id}/open");
        let got = self.post(&path, "operator", &format!("o-{id}"), "");
        assert_eq!(got.status, 200, "{got:?}");
    }

    /// A claim with a pass of the waiting room.
    pub(crate) fn claim_with(&self, path: &str, user: &str, pass: &str) -> Got {
        let body = json!({"user_id": user}).to_string();
        self.ask(&format!("POST {path}"), "app", &format!("Levee-Pass: {pass}\r\n"), &body)
    }

    /// The code of a voucher claimed for a user.
    pub(crate) fn claim(&self, campaign: &str, user: &str) -> String {
        let body = json!({"user_id": user}).to_string();
        let got = self.post(&format!("/v1/campaigns/{campaign}/claims"), "app", "", &body);
        assert_eq!(got.status, 201, "{got:?}");
        got.json()["voucher"]["code"].as_str().unwrap().to_owned()
    }
}

/// The sandbox with its well-known secrets.
fn signers() -> Signers {
    let secret = |text| WebhookSecrets::from_text(text).unwrap();
    Signers {
        providers: vec![Provider {
            name: "sandbox".to_owned(),
            url: "http://sandbox.example/pay".to_owned(),
            secret: secret(DEV_PAYMENTS_SECRET),
        }],
        wires: wires(),
        new_orders: Some("sandbox".to_owned()),
        sandbox_outlets: Some(secret(DEV_OUTLETS_SECRET)),
    }
}

/// The whole text of a request.
pub(crate) fn request(line: &str, role: &str, headers: &str, body: &str) -> String {
    let mut text = format!("{line} HTTP/1.1\r\nHost: gate\r\n");
    if !role.is_empty() {
        text += &format!("Authorization: Bearer dev-{role}\r\n");
    }
    if !body.is_empty() {
        if !headers.to_ascii_lowercase().contains("content-type") {
            text += "Content-Type: application/json\r\n";
        }
        text += &format!("Content-Length: {}\r\n", body.len());
    }
    text + headers + "\r\n" + body
}

/// A campaign document; `voucher` and `more` are further fields, each with a comma before it.
pub(crate) fn document(id: &str, voucher: &str, more: &str) -> String {
    format!(
        r#"{{"id":"{id}","name":"Spring","currency":"CNY",
        "opens_at":"2026-02-06T00:00:00+08:00","closes_at":"2026-02-24T00:00:00+08:00",
        "voucher":{{"kind":"amount_off","face_minor":2500,"valid_for":"P7D"{voucher}}}{more}}}"#
    )
}

/// Waits for something that another thread does; fails after ten seconds.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("{what}");
}
