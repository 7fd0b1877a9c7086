//! The engine's door for gates in processes of their own.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use levee_engine::Engine;
use levee_gate::KeyRing;
use levee_link::engine::{KeySource, Listener, Ports, Server};
use levee_link::{ApiKey, Installation, SharedKey};

use crate::config::GatesSection;
use crate::secrets::check_private;

/// A bound door; nobody is served yet.
pub(crate) struct Door {
    listener: Listener,
    at: At,
}

/// Where it is.
enum At {
    Socket(PathBuf),
    Port(SocketAddr),
}

impl Door {
    /// Binds `unix:PATH` or `host:port`.
    pub(crate) fn bind(address: &str, section: &GatesSection, dev: bool) -> Result<Self> {
        let shared_key = section.shared_key.as_deref().map(read_shared_key).transpose()?;
        if let Some(path) = address.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            let listener = bind_socket(&path)?;
            return Ok(Self {
                listener: Listener::Unix { listener, shared_key },
                at: At::Socket(path),
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
        match &self.at {
            At::Socket(path) => format!("unix:{}", path.display()),
            At::Port(address) => format!("https://{address}"),
        }
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
        let socket = match self.at {
            At::Socket(path) => Some(path),
            At::Port(_) => None,
        };
        Ok(OpenDoor { server, socket })
    }
}

/// A door that gates come through.
pub(crate) struct OpenDoor {
    server: Server,
    socket: Option<PathBuf>,
}

impl OpenDoor {
    /// Gives gates their last replies and closes. The engine has stopped.
    pub(crate) fn close(self) {
        if let Some(socket) = &self.socket
            && let Err(error) = fs::remove_file(socket)
        {
            tracing::warn!(%error, socket = %socket.display(), "the socket was not removed");
        }
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

/// Binds a socket that only this user may connect to, in the place of one that a server left behind.
fn bind_socket(path: &Path) -> Result<UnixListener> {
    let said = || format!("cannot take gates in on unix:{}", path.display());
    match fs::symlink_metadata(path) {
        Ok(found) => {
            ensure!(
                found.file_type().is_socket(),
                "{}: {} is there, and is no socket",
                said(),
                path.display()
            );
            ensure!(UnixStream::connect(path).is_err(), "{}: another server listens there", said());
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(said),
    }
    // Beside its place until its mode is right, so that nobody connects before.
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).with_context(said),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&beside).with_context(said)?;
    fs::set_permissions(&beside, Permissions::from_mode(0o600)).with_context(said)?;
    fs::rename(&beside, path).with_context(said)?;
    Ok(listener)
}
