//! The gate's side: the port of an engine in another process.
//!
//! One thread with an event loop keeps one connection. While there is none, asks are turned away at
//! once and `/readyz` says so; it is made again by itself. Only where the engine is not the one that
//! this gate began with does the gate end, see [`LinkError`].

mod connect;
mod desk;
mod export;
mod mirror;
mod session;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use levee_api::intake::Intake;
use levee_api::port::{
    Ask, Deliver, Export, ExportChunks, Failure, Origin, Priority, Reply, Submit,
};
use levee_api::vitals::{Phase, Vitals};
use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;
use tonic::transport::Channel;

use self::desk::{ByOrigin, Desk};
use crate::message::Installation;
use crate::proof::Nonce;
use crate::{ApiKey, SharedKey};

/// Where an engine takes gates in.
#[derive(Clone, Debug)]
pub enum Address {
    /// A socket on this machine.
    Unix {
        /// Its path.
        path: PathBuf,
        /// Where the engine asks for one.
        shared_key: Option<SharedKey>,
    },
    /// TLS over TCP.
    Tls {
        /// `https://host:port`.
        url: String,
        /// The certificate authority that vouches for the engine, as PEM.
        ca_pem: Vec<u8>,
        /// What the engine asks for.
        shared_key: SharedKey,
    },
}

/// Why a gate must end. Its codes, its pseudonyms and what it remembers of campaigns are those of
/// the engine that it began with; a new process begins with none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// One of the sides has another shared key.
    #[error("gate and engine do not have the same shared key: {0}")]
    SharedKey(String),
    /// Gate and engine are of different builds.
    #[error("{0}")]
    Protocol(String),
    /// The address names none.
    #[error("{0}")]
    Address(String),
    /// Another installation answers, or the same with other keys.
    #[error(
        "the engine is another installation's now, or its keys are others: this gate ends, since \
         its codes and pseudonyms would not fit; start it again"
    )]
    OtherInstallation,
    /// The journal is an older copy.
    #[error(
        "the engine knows less than it did: its journal ends at {now}, and had reached {told}. \
         This gate ends, since it may remember what is gone; check the journal, then start it again"
    )]
    Older {
        /// Durable when the connection was lost.
        told: u64,
        /// Durable now.
        now: u64,
    },
}

/// An engine in another process.
pub struct RemoteEngine {
    shared: Arc<Shared>,
    runtime: Handle,
}

/// What the link's thread shares with the gate.
struct Shared {
    desk: Desk,
    vitals: Vitals,
    intake: Arc<Intake>,
    origins: Mutex<Vec<Arc<dyn Deliver>>>,
    /// The connection as it is now, and what opens exports on it.
    channel: Mutex<Option<(Channel, Nonce)>>,
    /// Of the first connection.
    installation: OnceLock<Installation>,
    ended: OnceLock<LinkError>,
    keys: Box<dyn Fn(Vec<ApiKey>) + Send + Sync>,
    name: String,
}

/// A running link. Ends when dropped.
pub struct Link {
    remote: Arc<RemoteEngine>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// Starts a link on a thread of its own. It connects by itself, and shows the engine's log its name
/// of up to 128 bytes; `keys` is given all API keys at the
/// first connection, and whenever they change.
///
/// # Errors
/// A thread or an event loop cannot be started.
pub fn start(
    address: Address,
    name: &str,
    keys: impl Fn(Vec<ApiKey>) + Send + Sync + 'static,
) -> io::Result<Link> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let shared = Arc::new(Shared {
        desk: Desk::default(),
        vitals: Vitals::default(),
        intake: Arc::default(),
        origins: Mutex::default(),
        channel: Mutex::default(),
        installation: OnceLock::new(),
        ended: OnceLock::new(),
        keys: Box::new(keys),
        name: name.to_owned(),
    });
    shared.vitals.set_phase(Phase::Unreachable);
    let (stop, mut stopping) = watch::channel(false);
    let remote = RemoteEngine { shared: Arc::clone(&shared), runtime: runtime.handle().clone() };
    let thread = thread::Builder::new().name("levee-link".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                ended = session::connect_forever(&shared, &address) => {
                    tracing::error!("{ended}");
                    let _ = shared.ended.set(ended);
                }
                // As good when the sender is gone.
                _ = stopping.wait_for(|stop| *stop) => {}
            }
            shared.close();
        });
    })?;
    Ok(Link { remote: Arc::new(remote), stop, thread: Some(thread) })
}

impl Link {
    /// The engine's port.
    #[must_use]
    pub fn engine(&self) -> Arc<RemoteEngine> {
        Arc::clone(&self.remote)
    }

    /// Whose engine it is, once there was a connection.
    #[must_use]
    pub fn installation(&self) -> Option<&Installation> {
        self.remote.shared.installation.get()
    }

    /// Whether there is a connection now, and the engine has said how it is.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.remote.shared.desk.is_open()
    }

    /// Why the gate must end, if it must.
    #[must_use]
    pub fn ended(&self) -> Option<&LinkError> {
        self.remote.shared.ended.get()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the link's thread panicked");
        }
    }
}

impl Shared {
    /// There is no connection: nobody waits for anything of it.
    fn close(&self) {
        self.vitals.set_phase(Phase::Unreachable);
        self.channel.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.deliver(self.desk.close());
    }

    fn deliver(&self, by_origin: ByOrigin) {
        let origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        for (origin, replies) in by_origin {
            if let Some(deliver) = origins.get(origin.0 as usize) {
                deliver.deliver(replies);
            }
        }
    }
}

impl Submit for RemoteEngine {
    fn register(&self, deliver: Arc<dyn Deliver>) -> Origin {
        let mut origins = self.shared.origins.lock().unwrap_or_else(PoisonError::into_inner);
        let origin = Origin(u32::try_from(origins.len()).expect("a gate has a few workers"));
        origins.push(deliver);
        origin
    }

    fn submit(
        &self,
        origin: Origin,
        priority: Priority,
        arrived: Instant,
        asks: &mut Vec<Ask>,
    ) -> Result<(), Failure> {
        self.shared.desk.hand_over(origin, priority, arrived, asks)
    }

    fn vitals(&self) -> &Vitals {
        &self.shared.vitals
    }

    fn intake(&self) -> &Arc<Intake> {
        &self.shared.intake
    }
}

impl Export for RemoteEngine {
    fn export(&self, after_seq: u64) -> io::Result<ExportChunks> {
        let channel = self.shared.channel.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (channel, token) =
            channel.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected))?;
        export::begin(&self.runtime, channel, token, after_seq)
    }
}

/// A reply is moved between threads once more than it must be; it should stay small.
const _: () = assert!(size_of::<(u64, Reply)>() <= 64);
