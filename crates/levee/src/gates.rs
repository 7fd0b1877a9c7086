//! The engine's door for gates in processes of their own.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use levee_api::stream::socket_path;
use levee_engine::Engine;
use levee_gate::KeyRing;
use levee_link::engine::{KeySource, Listener, Ports, Server};
use levee_link::{ApiKey, Installation, SharedKey};

use crate::config::GatesSection;
use crate::listen::{At, bind_socket};
use crate::secrets::check_private;

/// Gates get the keys of the engine: only this user's may connect.
const MODE: u32 = 0o600;

/// A bound door; nobody is served yet.
pub(crate) struct Door {
    at: At,
    listener: Listener,
}

impl Door {
    /// Binds `unix:PATH` or `host:port`.
    pub(crate) fn bind(address: &str, section: &GatesSection, dev: bool) -> Result<Self> {
        let shared_key = section.shared_key.as_deref().map(read_shared_key).transpose()?;
        if let Some(path) = socket_path(address) {
            let (file, listener) = bind_socket(Path::new(path), MODE)
                .with_context(|| format!("cannot take gates in on {address}"))?;
            return Ok(Self {
                listener: Listener::Unix { listener, shared_key },
                at: At::Socket(file),
            });
        }
        let (Some(cert), Some(key), Some(shared_key)) =
            (&section.tls_cert, &section.tls_key, shared_key)
        else {
            bail!(
                "gates on {address} need TLS and a shared key: name gates.tls_cert, gates.tls_key \
                 and gates.shared_key in the configuration, or take unix:PATH on one machine"
            );
        };
        check_private(key)?;
        let read =
            |file: &Path| fs::read(file).with_context(|| format!("cannot read {}", file.display()));
        let listener = TcpListener::bind(address)
            .with_context(|| format!("cannot take gates in on {address}"))?;
        let at = listener.local_addr()?;
        ensure!(
            !dev || at.ip().is_loopback(),
            "--dev has well-known keys and takes gates in on loopback only, not on {at}"
        );
        let (cert_pem, key_pem) = (read(cert)?, read(key)?);
        Ok(Self {
            listener: Listener::Tls { listener, cert_pem, key_pem, shared_key },
            at: At::Port(at),
        })
    }

    /// As gates name it.
    pub(crate) fn address(&self) -> String {
        self.at.url("https")
    }

    /// Serves gates from now on, before an engine that is open.
    pub(crate) fn open(
        self,
        engine: &Arc<Engine>,
        ring: &Arc<KeyRing>,
        installation: Installation,
    ) -> Result<OpenDoor> {
        let ports = Ports {
            submit: Arc::<Engine>::clone(engine),
            export: Arc::new(engine.export()),
            keys: Arc::new(Ring(Arc::clone(ring))),
            installation,
        };
        let server = levee_link::engine::start(self.listener, ports)?;
        Ok(OpenDoor { at: self.at, server })
    }
}

/// A door that gates come through.
pub(crate) struct OpenDoor {
    at: At,
    server: Server,
}

impl OpenDoor {
    /// Gives gates their last replies and closes. The engine has stopped.
    pub(crate) fn close(self) {
        drop(self.at);
        self.server.stop();
    }
}

/// The server's keys, as gates get them.
struct Ring(Arc<KeyRing>);

impl KeySource for Ring {
    fn generation(&self) -> u64 {
        // Without a gate of its own nobody else looks at the file.
        self.0.refresh();
        self.0.generation()
    }

    fn keys(&self) -> Vec<ApiKey> {
        let key = |entry: levee_gate::KeyEntry| ApiKey {
            sha256: entry.sha256,
            id: entry.id,
            role: entry.role.name().to_owned(),
            brand: entry.brand,
        };
        self.0.entries().into_iter().map(key).collect()
    }
}

/// What a file of this name holds. Its owner alone may read it.
pub(crate) fn read_shared_key(file: &Path) -> Result<SharedKey> {
    check_private(file)?;
    let text = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    SharedKey::new(&text).with_context(|| format!("{} holds no shared key", file.display()))
}
