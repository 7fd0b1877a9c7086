//! Where a server listens: a port, or a Unix socket.

use std::fs::{self, File, Metadata, Permissions, TryLockError};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use levee_api::stream::socket_path;
use levee_gate::Listener;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// Clients show keys, so anyone may connect, as on a port of loopback; a folder's mode can say less.
const MODE: u32 = 0o666;

/// How often a folder is tried to be locked, and how many times.
const LOCK_LOOK: Duration = Duration::from_millis(10);
const LOCK_LOOKS: u32 = 50;

/// Where it is, once it is bound.
#[derive(Debug)]
pub(crate) enum At {
    Port(SocketAddr),
    Socket(SocketFile),
}

/// A socket in its place, taken away when dropped, unless another one is there by then.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and number: what it is told by.
    id: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _lock = lock(folder_of(&self.path));
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
pub(crate) fn bind(listen: &str) -> Result<(At, Listener)> {
    let said = || format!("cannot listen on {listen}");
    if let Some(path) = socket_path(listen) {
        let (file, listener) = bind_socket(Path::new(path), MODE).with_context(said)?;
        return Ok((At::Socket(file), Listener::Unix(listener)));
    }
    let listener = TcpListener::bind(listen).with_context(said)?;
    let address = listener.local_addr().with_context(said)?;
    Ok((At::Port(address), Listener::Tcp(listener)))
}

/// Binds a socket of this mode, in the place of one that a server left behind.
pub(crate) fn bind_socket(path: &Path, mode: u32) -> Result<(SocketFile, UnixListener)> {
    ensure!(path.file_name().is_some(), "unix: must be followed by the path of a socket");
    // In a folder that nobody else may enter until its mode is right, so that nobody connects before
    // and nothing else can be put where it is.
    let folder = folder_of(path);
    let own = tempfile::Builder::new().prefix(".levee").rand_bytes(4).tempdir_in(folder)?;
    let beside = own.path().join("s");
    let listener = UnixListener::bind(&beside)?;
    fs::set_permissions(&beside, Permissions::from_mode(mode))?;
    let id = id(&fs::symlink_metadata(&beside)?);
    {
        // What is looked at must be what is replaced, whoever else looks at the same time.
        let _lock = lock(folder);
        ensure_free(path)?;
        fs::rename(&beside, path)?;
    }
    Ok((SocketFile { path: path.to_owned(), id }, listener))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Held by a server for the moment in which it puts its socket into this folder, or takes it away. Whoever
/// may read a folder may lock it: what stays locked, or cannot be, keeps no server from its place.
fn lock(folder: &Path) -> Option<File> {
    let file = File::open(folder).ok()?;
    for _ in 0..LOCK_LOOKS {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_LOOK),
            done => return done.is_ok().then_some(file),
        }
    }
    tracing::warn!(folder = %folder.display(), "another process keeps the folder locked");
    None
}

/// Nothing is there, or a socket on which nobody listens any more.
fn ensure_free(path: &Path) -> Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    ensure!(found.file_type().is_socket(), "{} is no socket", path.display());
    // Not to be waited for: one that takes nobody in may have a full queue before it.
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let probe = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match net::connect(&probe, &SocketAddrUnix::new(path)?) {
        Err(Errno::CONNREFUSED) => Ok(()),
        Ok(()) | Err(Errno::AGAIN) => bail!("another server listens there"),
        Err(error) => Err(error).context("the socket that is there is not ours"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixDatagram, UnixStream};
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn of_those_who_take_a_place_at_once_one_has_it_and_the_others_leave_it_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        for turn in 0..200 {
            // Every other time there is one that was left behind.
            if turn % 2 == 1 {
                drop(UnixListener::bind(&path).expect("free"));
            }
            let start = Barrier::new(4);
            let take = || {
                start.wait();
                bind_socket(&path, MODE)
            };
            let taken: Vec<_> = thread::scope(|scope| {
                let takers: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
                let taken = takers.into_iter().map(|taker| taker.join().expect("no panic"));
                taken.filter_map(Result::ok).collect()
            });
            assert_eq!(taken.len(), 1);
            UnixStream::connect(&path).expect("the one who has it listens there");
            drop(taken);
            assert!(!path.exists());
        }
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 0);
    }

    #[test]
    fn a_socket_that_takes_nobody_in_is_not_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let listener =
            net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None);
        let listener = listener.expect("a socket");
        net::bind(&listener, &SocketAddrUnix::new(&path).expect("short")).expect("free");
        net::listen(&listener, 0).expect("listens");
        let _queue = UnixStream::connect(&path).expect("the queue takes one");
        let said = bind_socket(&path, MODE).expect_err("there is one").to_string();
        assert!(said.contains("another server listens there"), "{said}");
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let said = || bind_socket(&path, MODE).expect_err("something is there").to_string();
        let _datagrams = UnixDatagram::bind(&path).expect("free");
        assert_eq!(said(), "the socket that is there is not ours");
        fs::remove_file(&path).expect("there");
        // A lock that somebody keeps is no reason not to begin.
        let held = File::open(folder.path()).expect("readable");
        held.lock().expect("nobody else has it");
        drop(bind_socket(&path, MODE).expect("free"));
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 0);
    }

    #[test]
    fn only_its_own_is_taken_away() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let (file, _listener) = bind_socket(&path, MODE).expect("free");
        fs::remove_file(&path).expect("there");
        let other = bind_socket(&path, MODE).expect("free");
        drop(file);
        UnixStream::connect(&path).expect("the other is there");
        drop(other);
        assert!(!path.exists());
    }
}
