//! The installation's secrets in its data folder: made once, never changed, part of every backup.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use levee_journal::FileJournal;

/// Both keys.
pub(crate) struct Secrets {
    /// Makes pseudonyms of user ids.
    pub(crate) pseudonym: [u8; 32],
    /// Makes codes of numbers.
    pub(crate) code: [u8; 32],
}

impl Secrets {
    /// Those of a data folder; made if the folder has no journal yet.
    pub(crate) fn load_or_create(data: &Path) -> Result<Self> {
        fs::create_dir_all(data.join("keys"))
            .with_context(|| format!("cannot make {}", data.join("keys").display()))?;
        let fresh = !FileJournal::exists(data);
        Ok(Self {
            pseudonym: load(&path(data, "pseudonym"), fresh)?,
            code: load(&path(data, "code"), fresh)?,
        })
    }

    /// Those of a data folder that has them.
    pub(crate) fn load(data: &Path) -> Result<Self> {
        Ok(Self {
            pseudonym: load(&path(data, "pseudonym"), false)?,
            code: load(&path(data, "code"), false)?,
        })
    }
}

fn path(data: &Path, name: &str) -> PathBuf {
    data.join("keys").join(format!("{name}.key"))
}

fn load(path: &Path, make: bool) -> Result<[u8; 32]> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound && make => return create(path),
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(
            "{} is missing, but there is a journal that was made with it: put it back from the \
             backup",
            path.display()
        ),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let mode = fs::metadata(path)?.permissions().mode() & 0o777;
    ensure!(
        mode.trailing_zeros() >= 6,
        "{} can be read by others (mode {mode:o}): chmod 600 it",
        path.display()
    );
    parse(text.trim()).with_context(|| format!("{} is not 64 hexadecimal digits", path.display()))
}

fn parse(text: &str) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (place, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(key)
}

fn create(path: &Path) -> Result<[u8; 32]> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).context("the system gives no randomness")?;
    let text: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    // Written beside and renamed, so that a crash leaves no half key.
    let beside = path.with_extension("tmp");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)
        .with_context(|| format!("cannot make {}", beside.display()))?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    let folder = path.parent().context("a key file lies in a folder")?;
    fs::File::open(folder)?.sync_all()?;
    Ok(key)
}
