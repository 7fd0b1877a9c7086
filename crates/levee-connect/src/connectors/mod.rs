//! Connectors: do outside what orders ask for, and say to the engine what came of it.
//!
//! What is to be done follows from the orders themselves ([`Action`]), so nothing is kept here that
//! a restart could lose: a connector asks the engine what is undone, and then for what has changed.
//! Everything is done at least once, under numbers by which the other side knows a repeat, and tried
//! again, later and later, for as long as the engine still wants it.
//!
//! | file | what is there |
//! |---|---|
//! | `breaker.rs`, `pace.rs` | who is left alone for a while, and how much an outlet gets at a time; pure |
//! | `desks.rs` | breakers, paces and turns of outlets and vendors; what waits for them |
//! | `watching.rs` | who is left alone is tried now and then |
//! | `rooms.rs` | which actions wait for their time, and which are under way, within what memory; pure |
//! | `carrier.rs` | actions are tried, and when one is tried again |
//! | `engine.rs` | asking the engine |
//! | `teller.rs` | when a payment provider may be called; pure |
//! | `payments/` | payment providers |
//! | `tickets.rs` | outlets' point-of-sale systems |

mod ages;
mod breaker;
mod calls;
mod carrier;
mod desks;
mod engine;
mod pace;
mod payments;
mod rooms;
mod teller;
mod tickets;
mod watching;

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use levee_api::code::Codes;
use levee_api::port::Submit;
use levee_api::webhook::WebhookSecrets;
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::task::LocalSet;

use carrier::Carrier;

use crate::http::Party;

use crate::reach::Reach;

/// Whom connectors talk to.
#[derive(Clone, Debug)]
pub struct ConnectorsConfig {
    /// How many times faster than real time the engine's clock runs. Waits toward others follow it,
    /// but none becomes shorter than a quarter of a second, and calls are given up after ten seconds
    /// of it, but not before a real one.
    pub speed: f64,
    /// Payment providers; new orders are paid at the first.
    pub payments: Vec<PaymentsConfig>,
    /// The sandbox that stands in for the systems of outlets which have none.
    pub outlets: Option<OutletsConfig>,
    /// Which of all these may be called, and which outlets' systems.
    pub reach: Reach,
    /// Most payments to make that are known here at once, and likewise to ask for, to close, and
    /// refunds; what is beyond is asked for again once half of that room is free. About 400 bytes each.
    pub payments_known_max: usize,
}

/// What [`ConnectorsConfig::payments_known_max`] usually is. A quarter of a million payments are open at
/// once when a million orders an hour are left unpaid for 15 minutes.
pub const PAYMENTS_KNOWN_MAX: usize = 250_000;

/// A payment provider.
#[derive(Clone, Debug)]
pub struct PaymentsConfig {
    /// Its name, as callbacks' paths have it.
    pub name: String,
    /// Where it sends its callbacks.
    pub notify_url: String,
    /// How it is spoken to.
    pub protocol: Protocol,
}

/// How a payment provider is spoken to.
#[derive(Clone, Debug)]
pub enum Protocol {
    /// As the sandbox.
    Sandbox(SandboxConfig),
    /// As it is itself.
    Wire(WireConfig),
}

/// A provider that speaks the sandbox's protocol.
#[derive(Clone, Debug)]
pub struct SandboxConfig {
    /// Payments are made at `{url}/payments`.
    pub url: String,
    /// ISO 4217.
    pub currency: String,
}

/// A provider with a protocol of its own.
#[derive(Clone, Debug)]
pub struct WireConfig {
    /// Builds what is sent, and reads what comes back.
    pub provider: Arc<dyn levee_pay::Provider>,
    /// What orders are paid with.
    pub currency: levee_pay::Currency,
    /// What users see that they pay for; 1 to 40 characters.
    pub subject: String,
    /// Most calls a second, by real time; none: only how many are under way is limited.
    pub calls_per_s: Option<u32>,
}

/// The sandbox of outlets.
#[derive(Clone, Debug)]
pub struct OutletsConfig {
    /// Tickets go to `{url}/{vendor}/{outlet_id}/tickets`.
    pub url: String,
    /// Signs them.
    pub secret: WebhookSecrets,
}

/// Connectors at work. They stop when dropped; what is undone then is undone at the next start.
#[derive(Debug)]
pub struct Connectors {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Connectors {
    /// Starts them beside an engine, which may still be recovering.
    ///
    /// # Errors
    /// The system gives no thread or no event loop.
    pub fn start(
        submit: Arc<dyn Submit>,
        codes: Arc<Codes>,
        config: ConnectorsConfig,
    ) -> io::Result<Self> {
        let (stop, mut stopping) = watch::channel(false);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let thread = thread::Builder::new().name("connectors".to_owned()).spawn(move || {
            let carrier = Carrier::new(submit, codes, config, None);
            let local = LocalSet::new();
            local.block_on(&runtime, async {
                tokio::select! {
                    // An error is that the other side is gone, which is as good.
                    _ = stopping.changed() => {}
                    () = carrier.run() => {}
                }
            });
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

/// Connectors at work in a [`LocalSet`], for ever, which ask `party` and nobody else. All their waits
/// are tokio's; they end with the `LocalSet`, wherever they are.
pub async fn play(
    submit: Arc<dyn Submit>,
    codes: Arc<Codes>,
    config: ConnectorsConfig,
    party: Arc<dyn Party>,
) {
    Carrier::new(submit, codes, config, Some(party)).run().await;
}

impl Drop for Connectors {
    fn drop(&mut self) {
        // A thread that has ended hears nothing any more.
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
