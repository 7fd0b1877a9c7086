//! The engine's side: takes gates in, hands their asks over and their replies back.
//!
//! One thread with an event loop serves all gates. A gate that breaks off takes nothing with it but
//! its replies: what it asked is decided and journaled, and its place is freed.

mod connections;
mod export;
mod outbox;
mod service;
mod session;
mod told;

use std::collections::HashMap;
use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use levee_api::port::{Export, Submit};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tonic::transport::server::Router;
use tonic::transport::{Identity, Server as Transport, ServerTlsConfig};

use self::connections::accept;
use self::service::Gates;
use crate::limits::{
    CONNECTION_WINDOW, HANDSHAKE_MAX, KEYS_EVERY, SILENCE_MAX, STOP_MAX, STREAM_WINDOW, STREAMS_MAX,
};
use crate::message::Installation;
use crate::proof::Nonce;
use crate::{ApiKey, SharedKey};

/// Where gates connect.
pub enum Listener {
    /// Its folder's permission says who may; a shared key is asked for where there is one.
    Unix {
        /// Bound.
        listener: UnixListener,
        /// What gates must know.
        shared_key: Option<SharedKey>,
    },
    /// Anyone may try: TLS, and a shared key.
    Tls {
        /// Bound.
        listener: TcpListener,
        /// The certificate and those that lead to its authority, as PEM.
        cert_pem: Vec<u8>,
        /// Its private key, as PEM.
        key_pem: Vec<u8>,
        /// What gates must know.
        shared_key: SharedKey,
    },
}

/// The API keys that gates take.
pub trait KeySource: Send + Sync {
    /// Another number after every change. May read a file.
    fn generation(&self) -> u64;

    /// All of them.
    fn keys(&self) -> Vec<ApiKey>;
}

/// What gates are served with.
#[derive(Clone)]
pub struct Ports {
    /// The engine.
    pub submit: Arc<dyn Submit>,
    /// The journal, for those who check it.
    pub export: Arc<dyn Export>,
    /// The API keys.
    pub keys: Arc<dyn KeySource>,
    /// Who the installation is.
    pub installation: Installation,
}

/// What all sessions share.
struct Hall {
    submit: Arc<dyn Submit>,
    export: Arc<dyn Export>,
    installation: Installation,
    shared_key: SharedKey,
    keys: watch::Receiver<Arc<Vec<ApiKey>>>,
    stopping: watch::Receiver<bool>,
    /// Streams that shake hands.
    handshakes: AtomicUsize,
    /// Gates.
    sessions: AtomicUsize,
    /// By token: exports under way of each session.
    exports: Mutex<HashMap<Nonce, Arc<AtomicUsize>>>,
}

/// A running server for gates. Dropped without [`Server::stop`], it stops at once.
pub struct Server {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// Why gates cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The certificate or its key is none, or they do not fit.
    #[error("the certificate for gates, or its key, cannot be used: {0}")]
    Tls(tonic::transport::Error),
    /// A thread or an event loop.
    #[error("gates cannot be served: {0}")]
    Io(#[from] io::Error),
}

/// Serves gates on a bound listener, on a thread of its own.
///
/// # Errors
/// See [`ServeError`].
pub fn start(listener: Listener, ports: Ports) -> Result<Server, ServeError> {
    let (stop, stopping) = watch::channel(false);
    let (keys_told, keys) = watch::channel(Arc::new(ports.keys.keys()));
    let mut transport = Transport::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS_MAX)
        .http2_keepalive_interval(Some(SILENCE_MAX))
        .http2_keepalive_timeout(Some(SILENCE_MAX));
    let shared_key = match &listener {
        Listener::Unix { shared_key, .. } => shared_key.clone().unwrap_or_else(SharedKey::none),
        Listener::Tls { cert_pem, key_pem, shared_key, .. } => {
            let identity = Identity::from_pem(cert_pem, key_pem);
            let tls = ServerTlsConfig::new().identity(identity).timeout(HANDSHAKE_MAX);
            transport = transport.tls_config(tls).map_err(ServeError::Tls)?;
            shared_key.clone()
        }
    };
    let hall = Arc::new(Hall {
        submit: ports.submit,
        export: ports.export,
        installation: ports.installation,
        shared_key,
        keys,
        stopping: stopping.clone(),
        handshakes: AtomicUsize::new(0),
        sessions: AtomicUsize::new(0),
        exports: Mutex::default(),
    });
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(32).build()?;
    let router = transport.add_service(Gates(Arc::clone(&hall)));
    // Within the runtime, so that a listener that cannot be used is told of here.
    let incoming = {
        let _inside = runtime.enter();
        Incoming::new(listener)?
    };
    runtime.spawn(watch_keys(ports.keys, keys_told));
    let thread = thread::Builder::new()
        .name("levee-gates".to_owned())
        .spawn(move || run(&runtime, router, incoming, stopping))?;
    Ok(Server { stop, thread: Some(thread) })
}

/// Bound listeners as the event loop has them.
enum Incoming {
    Unix(tokio::net::UnixListener),
    Tcp(tokio::net::TcpListener),
}

impl Incoming {
    fn new(listener: Listener) -> io::Result<Self> {
        match listener {
            Listener::Unix { listener, .. } => {
                listener.set_nonblocking(true)?;
                tokio::net::UnixListener::from_std(listener).map(Self::Unix)
            }
            Listener::Tls { listener, .. } => {
                listener.set_nonblocking(true)?;
                tokio::net::TcpListener::from_std(listener).map(Self::Tcp)
            }
        }
    }
}

fn run(runtime: &Runtime, router: Router, incoming: Incoming, mut stopping: watch::Receiver<bool>) {
    runtime.block_on(async move {
        let mut stopped = stopping.clone();
        let signal = async move {
            // As good when the sender is gone.
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        let served = async move {
            match incoming {
                Incoming::Unix(listener) => {
                    router.serve_with_incoming_shutdown(accept(listener), signal).await
                }
                Incoming::Tcp(listener) => {
                    router.serve_with_incoming_shutdown(accept(listener), signal).await
                }
            }
        };
        let given_up = async {
            let _ = stopping.wait_for(|stop| *stop).await;
            tokio::time::sleep(STOP_MAX).await;
        };
        tokio::select! {
            outcome = served => if let Err(error) = outcome {
                tracing::error!(%error, "gates are no longer served");
            },
            () = given_up => tracing::warn!("gates that did not take their last replies are cut"),
        }
    });
}

/// Looks for changes of the keys as long as anyone is served.
async fn watch_keys(source: Arc<dyn KeySource>, told: watch::Sender<Arc<Vec<ApiKey>>>) {
    let mut looks = interval(KEYS_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut known = None;
    loop {
        looks.tick().await;
        let source = Arc::clone(&source);
        // It may read a file.
        let look = tokio::task::spawn_blocking(move || {
            let generation = source.generation();
            let changed = known != Some(generation);
            (generation, changed.then(|| source.keys()))
        });
        let Ok((generation, changed)) = look.await else {
            tracing::error!("looking for changes of the keys panicked: the old ones stay");
            return;
        };
        known = Some(generation);
        if let Some(keys) = changed.filter(|keys| **told.borrow() != *keys) {
            told.send_replace(Arc::new(keys));
        }
    }
}

impl Server {
    /// Stops: gives gates the replies that are there, and closes. Stop the engine before, so that
    /// all of them are.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that serves gates panicked");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}
