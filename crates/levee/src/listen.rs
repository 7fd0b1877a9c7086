//! Where a server listens: a port, or a Unix socket.

use std::fs::{self, Metadata, Permissions};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use levee_api::stream::socket_path;
use levee_gate::Listener;

/// Clients show keys, so anyone may connect, as on a port of loopback; a folder's mode can say less.
const MODE: u32 = 0o666;

/// Where it is, once it is bound.
#[derive(Debug)]
pub(crate) enum At {
    Port(SocketAddr),
    Socket(SocketFile),
}

/// A socket in its place, taken away when dropped, unless another one is there by then. To be dropped
/// while it is listened on still: nobody takes the place of such a one.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and number: what it is told by.
    id: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path).is_ok_and(|found| id(&found) == self.id);
        if is_ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, socket = %self.path.display(), "the socket was not removed");
        }
    }
}

fn id(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

impl At {
    /// As others name it: `scheme://HOST:PORT`, or `unix:PATH`.
    pub(crate) fn url(&self, scheme: &str) -> String {
        match self {
            Self::Port(address) => format!("{scheme}://{address}"),
            Self::Socket(file) => format!("unix:{}", file.path.display()),
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
}

/// Binds `HOST:PORT` or `unix:PATH` for clients.
pub(crate) fn bind(listen: &str) -> Result<(Listener, At)> {
    let said = || format!("cannot listen on {listen}");
    if let Some(path) = socket_path(listen) {
        let (listener, file) = bind_socket(Path::new(path), MODE).with_context(said)?;
        return Ok((Listener::Unix(listener), At::Socket(file)));
    }
    let listener = TcpListener::bind(listen).with_context(said)?;
    let address = listener.local_addr().with_context(said)?;
    Ok((Listener::Tcp(listener), At::Port(address)))
}

/// Binds a socket of this mode, in the place of one that a server left behind.
pub(crate) fn bind_socket(path: &Path, mode: u32) -> Result<(UnixListener, SocketFile)> {
    ensure!(path.file_name().is_some(), "unix: must be followed by the path of a socket");
    match fs::symlink_metadata(path) {
        Ok(found) => {
            ensure!(found.file_type().is_socket(), "{} is no socket", path.display());
            match UnixStream::connect(path) {
                // Nobody listens there any more.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Ok(_) => bail!("another server listens there"),
                Err(error) => return Err(error).context("the socket that is there is not ours"),
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    // In a folder that nobody else may enter until its mode is right, so that nobody connects before
    // and nothing else can be put where it is.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let own = tempfile::Builder::new().prefix(".levee").rand_bytes(4).tempdir_in(folder)?;
    let beside = own.path().join("s");
    let listener = UnixListener::bind(&beside)?;
    fs::set_permissions(&beside, Permissions::from_mode(mode))?;
    let id = id(&fs::symlink_metadata(&beside)?);
    fs::rename(&beside, path)?;
    Ok((listener, SocketFile { path: path.to_owned(), id }))
}
