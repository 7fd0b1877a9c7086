//! The sandbox as Levee meets it: real requests, and a small server that plays Levee.

mod levee;
mod outlets;
mod provider;

use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Method;
use levee_api::client::{Client, Raw};
use levee_api::scenario::{Kitchens, Payments};
use serde::Deserialize;
use serde_json::{Value, json};

use super::world::unix_now;
use super::{CONNECTIONS_MAX_DEFAULT, Sandbox, SandboxConfig, Secrets};

/// When the reference day starts.
pub(super) const DAY_STARTS_AT_MS: u64 = 1_770_336_000_000;

/// What is waited for comes within this time, or not at all.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
struct File {
    kitchens: Kitchens,
    payments: Payments,
}

fn reference() -> File {
    let text = include_str!("../../../../../examples/lunar-new-year-2026.toml");
    toml::from_str(text).expect("the reference day is good")
}

/// Outlets as in the reference day.
pub(super) fn kitchens() -> Kitchens {
    reference().kitchens
}

/// A provider as in the reference day.
pub(super) fn payments() -> Payments {
    reference().payments
}

/// The reference day, for this Levee.
pub(super) fn config(levee: &str) -> SandboxConfig {
    SandboxConfig {
        listen: "127.0.0.1:0".to_owned(),
        levee: levee.to_owned(),
        speed: 1_000.0,
        epoch_ms: Some(DAY_STARTS_AT_MS),
        day_starts_at_ms: DAY_STARTS_AT_MS,
        seed: 1,
        kitchens: kitchens(),
        payments: payments(),
        secrets: Secrets::dev(),
        connections_max: CONNECTIONS_MAX_DEFAULT,
    }
}

/// A day on which nothing goes wrong by itself.
fn healthy(levee: &str) -> SandboxConfig {
    let mut config = config(levee);
    let kitchens = &mut config.kitchens;
    (kitchens.rejected, kitchens.ignored) = (0.0, 0.0);
    kitchens.dark.clear();
    let faults = &mut kitchens.faults;
    (faults.slow.share, faults.failing, faults.flapping.share, faults.black_hole) =
        (0.0, 0.0, 0.0, 0.0);
    let payments = &mut config.payments;
    (payments.never, payments.failed, payments.refund_failed) = (0.0, 0.0, 0.0);
    payments.pending.share = 0.0;
    payments.outages.clear();
    let callbacks = &mut payments.callbacks;
    (callbacks.lost, callbacks.lost_for_good, callbacks.doubled) = (0.0, 0.0, 0.0);
    callbacks.late.share = 0.0;
    callbacks.peaks.clear();
    config
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(test);
}

async fn until(holds: impl Fn() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < PATIENCE, "it did not come to it");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn now_s() -> u64 {
    unix_now().as_secs()
}

/// What Levee signs a ticket with.
fn signed(body: &str) -> [(&'static str, String); 3] {
    Secrets::dev().outlets.headers("msg_1", now_s(), body.as_bytes())
}

fn ticket_body(outlet_id: &str, ticket: &str, version: u32) -> Value {
    json!({
        "ticket": ticket, "order": format!("ord_{ticket}"), "version": version,
        "outlet_id": outlet_id,
        "items": [{"sku": "milk-tea", "name": "Milk tea", "quantity": 1}],
        "work": 1_500, "ready_at": "2026-02-06T00:20:00Z", "accept_by": "2026-02-06T00:10:00Z"
    })
}

async fn post_ticket(
    player: &mut Player,
    vendor: &str,
    outlet_id: &str,
    ticket: &str,
    version: u32,
) -> Raw {
    let body = ticket_body(outlet_id, ticket, version).to_string();
    let path = format!("/pos/{vendor}/{outlet_id}/tickets");
    player.send(Method::POST, &path, &signed(&body), body).await
}

/// Whoever asks the sandbox.
struct Player(Client);

impl Player {
    async fn connect(sandbox: &Sandbox) -> Self {
        let address = sandbox.addr().to_string();
        Self(Client::connect(&address, "none").await.expect("it listens"))
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&'static str, String)],
        body: String,
    ) -> Raw {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.0.send(method, path, &headers, Bytes::from(body)).await.expect("answered")
    }

    /// The code of a problem.
    fn code(&self, raw: &Raw) -> String {
        let problem: Value = serde_json::from_slice(&raw.body).expect("a problem");
        problem["code"].as_str().expect("a code").to_owned()
    }

    async fn lines(&mut self, path: &str) -> Vec<Value> {
        let raw = self.send(Method::GET, path, &[], String::new()).await;
        assert_eq!(raw.status, 200);
        let text = std::str::from_utf8(&raw.body).expect("text");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}
