//! What a gate is started with.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use levee_api::code::Codes;
use levee_api::port::{Export, Submit};
use levee_api::pseudonym::PseudonymKey;
use levee_api::webhook::WebhookSecrets;

use crate::keys::KeyRing;

/// Largest request head in bytes; a larger one gets 431.
pub(crate) const HEAD_LEN_MAX: usize = 16 * 1024;

/// Most headers of one request; more get 431.
pub(crate) const HEADERS_MAX: usize = 64;

/// Limits of a gate. Every time is a limit on something that a client could otherwise hold forever.
#[derive(Clone, Debug)]
pub struct GateConfig {
    /// Its name in metrics.
    pub name: String,
    /// Where its users are; may be empty.
    pub region: String,
    /// The tier of their cities; may be empty.
    pub tier: String,
    /// Threads, each with an event loop of its own.
    pub workers: usize,
    /// From the first byte of a request's head to its last.
    pub header_timeout: Duration,
    /// From the end of the head to the end of the body.
    pub body_timeout: Duration,
    /// Without a request, or without taking anything of an answer.
    pub idle_timeout: Duration,
    /// For the engine's reply; then the answer is 503 `unavailable`.
    pub reply_timeout: Duration,
    /// Open at the same time, over all workers; further ones are answered 503 and closed.
    pub connections_max: usize,
    /// For requests under way when the gate stops.
    pub drain: Duration,
    /// Proxies of one's own.
    pub proxies: Proxies,
    /// Who is let in.
    pub admission: AdmissionConfig,
    /// Added to the workers' niceness; above 0 they go behind others, such as an engine beside them.
    pub nice: i32,
    /// Whose messages are taken without an API key.
    pub signers: Signers,
}

/// Proxies whose `X-Forwarded-For` is believed.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// Where they are.
    pub ranges: Vec<IpNet>,
    /// Whether whoever connects over a Unix socket is one.
    pub socket: bool,
}

/// Those who sign what they send, instead of showing an API key. Outlets with a point-of-sale system
/// of their own have their secrets in their documents.
#[derive(Clone, Debug, Default)]
pub struct Signers {
    /// Payment providers that speak the sandbox's protocol.
    pub providers: Vec<Provider>,
    /// Payment providers with protocols of their own.
    pub wires: Vec<Wire>,
    /// The name of the one where new orders are paid; none: they cannot be.
    pub new_orders: Option<String>,
    /// The sandbox that stands in for the systems of outlets.
    pub sandbox_outlets: Option<WebhookSecrets>,
}

/// A payment provider with a protocol of its own.
#[derive(Clone, Debug)]
pub struct Wire {
    /// Its name in paths and replies; no other provider has it.
    pub name: String,
    /// Verifies its notifications.
    pub provider: Arc<dyn levee_pay::Provider>,
    /// What orders are paid with.
    pub currency: levee_pay::Currency,
}

/// A payment provider that speaks the sandbox's protocol.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Its name in paths and replies.
    pub name: String,
    /// Users pay at `{url}/payments/{payment}/pay`.
    pub url: String,
    /// Its callbacks are signed with it.
    pub secret: WebhookSecrets,
}

/// How a gate lets in.
#[derive(Clone, Debug)]
pub struct AdmissionConfig {
    /// Off, everyone is let in until the engine's queue is full.
    pub enabled: bool,
    /// The waiting room takes people so long before a campaign opens; 50 minutes at most.
    pub opens_before: Duration,
    /// Requests a second of one user, with twice as many at once; 0 is no limit.
    pub user_per_s: u32,
    /// Requests a second under one API key, with twice as many at once; 0 is no limit.
    pub key_per_s: u32,
    /// Notifications of payment providers a second that nobody has signed and one address may send to a
    /// worker, with twice as many at once; then its notifications are refused unread. 0 is no limit.
    pub forged_per_s: u32,
}

impl Default for AdmissionConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            opens_before: Duration::from_secs(600),
            user_per_s: 0,
            key_per_s: 0,
            forged_per_s: 10,
        }
    }
}

impl Default for GateConfig {
    fn default() -> Self {
        Self {
            name: "gate".to_owned(),
            region: String::new(),
            tier: String::new(),
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            reply_timeout: Duration::from_secs(30),
            connections_max: 16_384,
            drain: Duration::from_secs(5),
            proxies: Proxies::default(),
            admission: AdmissionConfig::default(),
            nice: 0,
            signers: Signers::default(),
        }
    }
}

impl GateConfig {
    /// How often time limits are looked at: fine against the shortest of them, and rare.
    pub(crate) fn tick(&self) -> Duration {
        let times = [self.header_timeout, self.body_timeout, self.idle_timeout, self.reply_timeout];
        let shortest = times.into_iter().min().unwrap_or_default();
        (shortest / 8).clamp(Duration::from_millis(5), Duration::from_millis(250))
    }
}

/// What a gate speaks to.
#[derive(Clone)]
pub struct Ports {
    /// The engine.
    pub submit: Arc<dyn Submit>,
    /// The journal, for those who check it.
    pub export: Arc<dyn Export>,
    /// How numbers look outside.
    pub codes: Arc<Codes>,
    /// How users look inside.
    pub pseudonyms: PseudonymKey,
    /// Who may do what.
    pub keys: Arc<KeyRing>,
}
