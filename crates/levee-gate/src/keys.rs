//! Who may do what: API keys by their hash, in a file that is read again when it changes, or as an
//! engine in another process says.
//!
//! Neither the file nor the memory holds a secret, only SHA-256 of it; secrets are random and long,
//! so a slow hash would protect nothing more.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use levee_api::time::Instant;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Largest file that is read: some tens of thousands of keys.
const FILE_LEN_MAX: u64 = 16 << 20;

/// What a key allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Runs campaigns.
    Operator,
    /// The app's back end, on behalf of its users.
    App,
    /// One brand's outlets.
    Outlet,
    /// A payment provider.
    Provider,
    /// Sees, changes nothing.
    Viewer,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Operator, Self::App, Self::Outlet, Self::Provider, Self::Viewer];

    /// The public name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::App => "app",
            Self::Outlet => "outlet",
            Self::Provider => "provider",
            Self::Viewer => "viewer",
        }
    }

    /// The role of this public name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// One key, as a request sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) role: Role,
    /// Of an outlet's key: whose outlets.
    pub(crate) brand: Option<String>,
}

/// One key without its secret, for gates in other processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEntry {
    /// Of the secret.
    pub sha256: [u8; 32],
    /// As it is listed.
    pub id: String,
    /// What it allows.
    pub role: Role,
    /// For outlets: whose.
    pub brand: Option<String>,
}

/// One key, as the file has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StoredKey {
    /// `key_` and random characters.
    pub id: String,
    /// What it allows.
    pub role: Role,
    /// For outlets: whose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// Of the secret, in hexadecimal digits.
    pub sha256: String,
    /// When it was made.
    pub created_at: Instant,
}

/// Why a key was not made, listed or revoked.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file or its folder.
    #[error("{path}: {cause}")]
    File {
        /// Which.
        path: PathBuf,
        /// What went wrong.
        cause: io::Error,
    },
    /// What the file says cannot be read.
    #[error("{path}: {detail}")]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// An outlet's key without a brand, or another one with it.
    #[error("a key has a brand if, and only if, its role is outlet")]
    Brand,
    /// No key of this id.
    #[error("there is no key {0}")]
    Unknown(String),
}

/// By what a file is known to have changed.
type Stamp = (u64, u64, Option<SystemTime>);

/// Keys by the hash of their secret.
type Table = Vec<([u8; 32], Key)>;

/// The keys that a gate takes.
#[derive(Debug)]
pub struct KeyRing {
    path: Option<PathBuf>,
    table: Mutex<(Option<Stamp>, Arc<Table>)>,
    generation: AtomicU64,
}

impl KeyRing {
    /// The keys of a file, which need not be there yet.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, KeysError> {
        let path = path.into();
        let table = Mutex::new((stamp(&path)?, Arc::new(load(&path)?)));
        Ok(Self { path: Some(path), table, generation: AtomicU64::new(0) })
    }

    /// `dev-operator`, `dev-app`, `dev-outlet` (of the brand `dev`) and `dev-viewer`, for a server
    /// that only this machine reaches.
    #[must_use]
    pub fn dev() -> Self {
        let roles = [Role::Operator, Role::App, Role::Outlet, Role::Viewer];
        let table = roles.map(|role| {
            let id = format!("dev-{}", role.name());
            let brand = (role == Role::Outlet).then(|| "dev".to_owned());
            (hash(id.as_bytes()), Key { id, role, brand })
        });
        let table = Mutex::new((None, Arc::new(table.into())));
        Self { path: None, table, generation: AtomicU64::new(0) }
    }

    /// No keys, until [`Self::replace`].
    #[must_use]
    pub fn fed() -> Self {
        Self { path: None, table: Mutex::default(), generation: AtomicU64::new(0) }
    }

    /// From now on these keys hold.
    pub fn replace(&self, entries: Vec<KeyEntry>) {
        let key = |KeyEntry { sha256, id, role, brand }| (sha256, Key { id, role, brand });
        let table = Arc::new(entries.into_iter().map(key).collect());
        self.table.lock().unwrap_or_else(PoisonError::into_inner).1 = table;
        self.generation.fetch_add(1, Relaxed);
    }

    /// All keys that hold now, without their secrets.
    #[must_use]
    pub fn entries(&self) -> Vec<KeyEntry> {
        let entry = |(sha256, key): &([u8; 32], Key)| KeyEntry {
            sha256: *sha256,
            id: key.id.clone(),
            role: key.role,
            brand: key.brand.clone(),
        };
        self.keys().iter().map(entry).collect()
    }

    /// Counts up with every change.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Relaxed)
    }

    pub(crate) fn keys(&self) -> Arc<Table> {
        Arc::clone(&self.table.lock().unwrap_or_else(PoisonError::into_inner).1)
    }

    /// Reads the file again if it has changed. A broken one is logged, and the keys stay.
    pub fn refresh(&self) {
        let Some(path) = &self.path else { return };
        let outcome = stamp(path).and_then(|stamp| {
            if self.table.lock().unwrap_or_else(PoisonError::into_inner).0 == stamp {
                return Ok(());
            }
            let loaded = load(path);
            let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
            // A broken file is not read, and complained about, every second.
            table.0 = stamp;
            table.1 = Arc::new(loaded?);
            drop(table);
            self.generation.fetch_add(1, Relaxed);
            tracing::info!(path = %path.display(), "the keys were read again");
            Ok(())
        });
        if let Err(error) = outcome {
            tracing::warn!(%error, "the keys were not read again: the old ones stay");
        }
    }
}

/// Looks at a ring's file once a second, on a thread of its own.
pub(crate) struct Watcher {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    pub(crate) fn start(ring: Arc<KeyRing>) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel::<()>();
        let thread = thread::Builder::new().name("gate-keys".to_owned()).spawn(move || {
            while stopped.recv_timeout(LOOK_EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
                ring.refresh();
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the watcher of the keys panicked");
        }
    }
}

/// Makes a key, and returns its id and its secret, which is shown once and kept nowhere.
///
/// # Errors
/// The role and the brand do not fit, or the file cannot be read or written.
pub fn create(path: &Path, role: Role, brand: Option<&str>) -> Result<(String, String), KeysError> {
    if brand.is_some() != (role == Role::Outlet) {
        return Err(KeysError::Brand);
    }
    let id = format!("key_{}", random(12).map_err(|cause| file_error(path, cause))?);
    let secret = random(32).map_err(|cause| file_error(path, cause))?;
    let secret = format!("lv_{}_{secret}", role.name());
    let sha256 = hash(secret.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let created_at = Instant { ms: u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX) };
    let brand = brand.map(str::to_owned);
    let key = StoredKey { id: id.clone(), role, brand, sha256, created_at };
    edit(path, |keys| {
        keys.push(key);
        Ok(())
    })?;
    Ok((id, secret))
}

/// All keys, without their secrets.
///
/// # Errors
/// The file cannot be read.
pub fn list(path: &Path) -> Result<Vec<StoredKey>, KeysError> {
    let len = match fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(file_error(path, cause)),
    };
    if len > FILE_LEN_MAX {
        let detail = format!("is larger than {FILE_LEN_MAX} bytes");
        return Err(KeysError::Malformed { path: path.to_owned(), detail });
    }
    let text = fs::read(path).map_err(|cause| file_error(path, cause))?;
    serde_json::from_slice(&text)
        .map_err(|error| KeysError::Malformed { path: path.to_owned(), detail: error.to_string() })
}

/// Takes a key away. A running gate refuses it within two seconds.
///
/// # Errors
/// There is no such key, or the file cannot be read or written.
pub fn revoke(path: &Path, id: &str) -> Result<(), KeysError> {
    edit(path, |keys| {
        let before = keys.len();
        keys.retain(|key| key.id != id);
        if keys.len() == before { Err(KeysError::Unknown(id.to_owned())) } else { Ok(()) }
    })
}

/// The hash by which a secret is known.
pub(crate) fn hash(secret: &[u8]) -> [u8; 32] {
    Sha256::digest(secret).into()
}

fn load(path: &Path) -> Result<Table, KeysError> {
    let keys = list(path)?.into_iter().map(|key| {
        let hash = unhex(&key.sha256).ok_or_else(|| KeysError::Malformed {
            path: path.to_owned(),
            detail: format!("{} has no sha256 of 64 hexadecimal digits", key.id),
        })?;
        if key.brand.is_some() != (key.role == Role::Outlet) {
            let detail = format!("{}: {}", key.id, KeysError::Brand);
            return Err(KeysError::Malformed { path: path.to_owned(), detail });
        }
        Ok((hash, Key { id: key.id, role: key.role, brand: key.brand }))
    });
    keys.collect()
}

fn unhex(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(bytes)
}

fn stamp(path: &Path) -> Result<Option<Stamp>, KeysError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some((metadata.ino(), metadata.len(), metadata.modified().ok()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(file_error(path, cause)),
    }
}

fn file_error(path: &Path, cause: io::Error) -> KeysError {
    KeysError::File { path: path.to_owned(), cause }
}

/// Changes the file as a whole: under a lock, written beside it, synced and put in its place.
fn edit(
    path: &Path,
    change: impl FnOnce(&mut Vec<StoredKey>) -> Result<(), KeysError>,
) -> Result<(), KeysError> {
    let failed = |cause| file_error(path, cause);
    let beside = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let private = |path: &Path| {
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
    };
    let lock = private(&beside(".lock")).map_err(failed)?;
    lock.lock().map_err(failed)?;

    let mut keys = list(path)?;
    change(&mut keys)?;
    let mut text = serde_json::to_vec_pretty(&keys).expect("keys have only string keys");
    text.push(b'\n');
    let new = beside(".new");
    let written = private(&new).and_then(|mut file| {
        file.write_all(&text)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&new, path)).map_err(failed)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = File::open(folder.unwrap_or(Path::new("."))).map_err(failed)?;
    folder.sync_all().map_err(failed)
}

/// So many random characters of 5 bits each.
fn random(len: usize) -> io::Result<String> {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut bytes = vec![0; len];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect())
}
