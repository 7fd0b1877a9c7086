//! An engine that takes gates in on a socket in a folder of its own, and gates before it.

use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Instant;

use levee_api::port::{Ask, AskBody, Deliver, Failure, Origin, Priority, Reply, Submit};
use levee_api::types::{
    Command, CreateCampaign, Definition, Eligibility, RequestKey, Terms, VoucherKind, VoucherTerms,
};
use tempfile::TempDir;

use super::engine::Engine;
use crate::engine::{KeySource, Listener, Ports, Server};
use crate::gate::{Address, Link, RemoteEngine};
use crate::{ApiKey, Installation, SharedKey};

/// The keys that the bench's gates take.
pub(super) struct Keys {
    generation: AtomicU64,
    keys: Mutex<Vec<ApiKey>>,
}

impl Keys {
    pub(super) fn set(&self, ids: &[&str]) {
        *self.keys.lock().unwrap() = ids.iter().map(|id| api_key(id)).collect();
        self.generation.fetch_add(1, Relaxed);
    }
}

pub(super) fn api_key(id: &str) -> ApiKey {
    ApiKey { sha256: [7; 32], id: id.to_owned(), role: "app".to_owned(), brand: None }
}

impl KeySource for Keys {
    fn generation(&self) -> u64 {
        self.generation.load(Relaxed)
    }

    fn keys(&self) -> Vec<ApiKey> {
        self.keys.lock().unwrap().clone()
    }
}

pub(super) struct Bench {
    folder: TempDir,
    pub(super) engine: Arc<Engine>,
    pub(super) keys: Arc<Keys>,
    pub(super) installation: Installation,
    shared_key: Option<SharedKey>,
    server: Option<Server>,
}

impl Bench {
    pub(super) fn start(shared_key: Option<&[u8]>) -> Self {
        let installation =
            Installation { id: [1; 16], code_key: [2; 32], pseudonym_key: [3; 32], dev: true };
        let keys = Keys { generation: AtomicU64::new(0), keys: Mutex::new(vec![api_key("a")]) };
        let mut bench = Self {
            folder: tempfile::tempdir().unwrap(),
            engine: Engine::new(),
            keys: Arc::new(keys),
            installation,
            shared_key: shared_key.map(|key| SharedKey::new(key).unwrap()),
            server: None,
        };
        bench.open();
        bench
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("levee.sock")
    }

    /// Takes gates in, in the place of what was there before.
    pub(super) fn open(&mut self) {
        let _ = std::fs::remove_file(self.path());
        let listener = UnixListener::bind(self.path()).unwrap();
        let listener = Listener::Unix { listener, shared_key: self.shared_key.clone() };
        let ports = Ports {
            submit: Arc::<Engine>::clone(&self.engine),
            export: Arc::<Engine>::clone(&self.engine),
            keys: Arc::<Keys>::clone(&self.keys),
            installation: self.installation.clone(),
        };
        self.server = Some(crate::engine::start(listener, ports).unwrap());
    }

    /// Takes no more gates in; those that are here are let go.
    pub(super) fn close(&mut self) {
        self.server.take().expect("it was open").stop();
    }

    /// A gate that is connected.
    pub(super) fn gate(&self) -> Gate {
        let gate = self.unready_gate(None);
        until(|| gate.link.is_connected());
        gate
    }

    pub(super) fn unready_gate(&self, shared_key: Option<&[u8]>) -> Gate {
        let shared_key = shared_key.map(|key| SharedKey::new(key).unwrap());
        let keys = Arc::new(Mutex::new(Vec::new()));
        let link = {
            let keys = Arc::clone(&keys);
            let address = Address::Unix { path: self.path(), shared_key };
            crate::gate::start(address, "test", move |now| *keys.lock().unwrap() = now).unwrap()
        };
        let engine = link.engine();
        let (inbox, replies) = mpsc::channel();
        let origin = engine.register(Arc::new(Inbox(inbox)));
        Gate { link, engine, origin, replies, keys }
    }

    /// Nothing is left of any gate.
    pub(super) fn is_free(&self) -> bool {
        self.engine.origins.lock().unwrap().is_empty() && self.engine.intake().gates().is_empty()
    }
}

struct Inbox(mpsc::Sender<(u64, Reply)>);

impl Deliver for Inbox {
    fn deliver(&self, replies: Vec<(u64, Reply)>) {
        for reply in replies {
            // A test that has ended listens no more.
            let _ = self.0.send(reply);
        }
    }
}

/// A gate with one worker.
pub(super) struct Gate {
    pub(super) link: Link,
    pub(super) engine: Arc<RemoteEngine>,
    pub(super) origin: Origin,
    pub(super) replies: mpsc::Receiver<(u64, Reply)>,
    pub(super) keys: Arc<Mutex<Vec<ApiKey>>>,
}

impl Gate {
    pub(super) fn submit(&self, ticket: u64, body: AskBody) -> Result<(), Failure> {
        let mut asks = vec![Ask { ticket, within_ms: u32::MAX, body }];
        self.engine.submit(self.origin, Priority::Claim, Instant::now(), &mut asks)
    }

    /// Asks, and waits for the reply.
    pub(super) fn ask(&self, body: AskBody) -> Reply {
        self.submit(5, body).expect("taken");
        let (ticket, reply) = self.replies.recv().expect("answered");
        assert_eq!(ticket, 5);
        reply
    }
}

/// Waits for a fact.
pub(super) fn until(fact: impl Fn() -> bool) {
    while !fact() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

pub(super) fn terms() -> Terms {
    Terms {
        currency: *b"CNY",
        opens_at_ms: 0,
        closes_at_ms: 1_000_000,
        offsets: Vec::new(),
        eligibility: Eligibility::default(),
        voucher: VoucherTerms {
            kind: VoucherKind::AmountOff { face_minor: 5 },
            min_spend_minor: 0,
            brands: Vec::new(),
            categories: Vec::new(),
            hours: Vec::new(),
            valid_for_ms: 10_000,
            per_user: 1,
            rollback_within_ms: 0,
        },
        invites: None,
        envelopes: None,
        compensation: None,
        prize_max_minor: None,
        per_user_total_minor: None,
    }
}

pub(super) fn create(terms: Terms) -> Command {
    let id = levee_api::types::CampaignId::new("spring").unwrap();
    let definition = Definition { id, document: b"{}".to_vec(), terms };
    Command::CreateCampaign(Box::new(CreateCampaign { request: RequestKey([1; 16]), definition }))
}
