//! The installation's secrets in its data folder: made once, never changed, part of every backup.

use std::fs::{self, DirBuilder};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
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
        // Pseudonyms, references and reasons are nobody else's business.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(data.join("keys"))
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
    check_private(path)?;
    parse(text.trim()).with_context(|| format!("{} is not 64 hexadecimal digits", path.display()))
}

/// A file with a secret can be read by its owner only.
pub(crate) fn check_private(path: &Path) -> Result<()> {
    let metadata = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mode = metadata.permissions().mode() & 0o777;
    ensure!(
        mode.trailing_zeros() >= 6,
        "{} can be read by others (mode {mode:o}): chmod 600 it",
        path.display()
    );
    Ok(())
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

/// Makes a key, unless another process does so at the same time: then that one's key counts.
fn create(path: &Path) -> Result<[u8; 32]> {
    let mut key = [0_u8; 32];
    getrandom::fill(&mut key).context("the system gives no randomness")?;
    let text: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let folder = path.parent().context("a key file lies in a folder")?;
    let made = || format!("cannot make {}", path.display());
    // Written beside and linked: a crash leaves no half key, and the first of two wins.
    let mut beside =
        tempfile::Builder::new().prefix("new-").tempfile_in(folder).with_context(made)?;
    writeln!(beside, "{text}").with_context(made)?;
    beside.as_file().sync_all().with_context(made)?;
    match beside.persist_noclobber(path) {
        Ok(_) => {}
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error.error).with_context(made),
    }
    fs::File::open(folder).and_then(|folder| folder.sync_all()).with_context(made)?;
    load(path, false)
}
