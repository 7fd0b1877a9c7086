//! Where a server listens: a port, or a Unix socket.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use levee_api::stream::socket_path;
use levee_gate::Listener;

/// Clients show keys, so anyone may connect, as on a port of loopback; a folder's mode can say less.
const MODE: u32 = 0o666;

/// Where it is, once it is bound.
#[derive(Clone, Debug)]
pub(crate) enum At {
    Port(SocketAddr),
    Socket(PathBuf),
}

impl At {
    /// As others name it: `scheme://HOST:PORT`, or `unix:PATH`.
    pub(crate) fn url(&self, scheme: &str) -> String {
        match self {
            Self::Port(address) => format!("{scheme}://{address}"),
            Self::Socket(path) => format!("unix:{}", path.display()),
        }
    }

    pub(crate) fn port(&self) -> Option<SocketAddr> {
        match self {
            Self::Port(address) => Some(*address),
            Self::Socket(_) => None,
        }
    }

    /// Nobody from elsewhere gets there.
    pub(crate) fn is_local(&self) -> bool {
        self.port().is_none_or(|address| address.ip().is_loopback())
    }

    /// Takes the socket away. To be called while it is listened on still: afterwards another server
    /// may have put its own there.
    pub(crate) fn remove(&self) {
        if let Self::Socket(path) = self
            && let Err(error) = fs::remove_file(path)
        {
            tracing::warn!(%error, socket = %path.display(), "the socket was not removed");
        }
    }
}

/// Binds `HOST:PORT` or `unix:PATH` for clients.
pub(crate) fn bind(listen: &str) -> Result<(Listener, At)> {
    let said = || format!("cannot listen on {listen}");
    if let Some(path) = socket_path(listen) {
        let listener = bind_socket(Path::new(path), MODE).with_context(said)?;
        return Ok((Listener::Unix(listener), At::Socket(path.into())));
    }
    let listener = TcpListener::bind(listen).with_context(said)?;
    let address = listener.local_addr().with_context(said)?;
    Ok((Listener::Tcp(listener), At::Port(address)))
}

/// Binds a socket of this mode, in the place of one that a server left behind.
pub(crate) fn bind_socket(path: &Path, mode: u32) -> Result<UnixListener> {
    ensure!(path.file_name().is_some(), "unix: must be followed by the path of a socket");
    match fs::symlink_metadata(path) {
        Ok(found) => {
            ensure!(found.file_type().is_socket(), "{} is no socket", path.display());
            ensure!(UnixStream::connect(path).is_err(), "another server listens there");
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    // Beside its place until its mode is right, so that nobody connects before.
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&beside)?;
    fs::set_permissions(&beside, Permissions::from_mode(mode))?;
    fs::rename(&beside, path)?;
    Ok(listener)
}
