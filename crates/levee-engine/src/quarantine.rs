//! Commands that broke an invariant: kept for those who mend it, and refused from then on.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use levee_core::types::{Command, Wire};
use sha2::{Digest, Sha256};

use crate::StartError;

/// The folder beside the journal.
const FOLDER: &str = "crash";
const EXTENSION: &str = "command";

/// Digests of commands that are not tried again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Quarantine {
    digests: BTreeSet<[u8; 32]>,
}

impl Quarantine {
    /// Those left by earlier runs.
    pub(crate) fn load(data: &Path) -> Result<Self, StartError> {
        let folder = data.join(FOLDER);
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |cause| StartError::File { path, cause }
        };
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(failed(&folder)(error)),
        };
        let mut digests = BTreeSet::new();
        for entry in entries {
            let path = entry.map_err(failed(&folder))?.path();
            if path.extension().is_some_and(|extension| extension == EXTENSION) {
                let bytes = fs::read(&path).map_err(failed(&path))?;
                digests.insert(Sha256::digest(&bytes).into());
            }
        }
        Ok(Self { digests })
    }

    pub(crate) fn holds(&self, command: &Command) -> bool {
        if self.digests.is_empty() {
            return false;
        }
        let mut bytes = Vec::new();
        command.put(&mut bytes);
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        self.digests.contains(&digest)
    }
}

/// Leaves a command and what it broke in `crash/`, durably.
pub(crate) fn keep(data: &Path, command: &Command, message: &str) -> io::Result<PathBuf> {
    let folder = data.join(FOLDER);
    fs::create_dir_all(&folder)?;
    let mut bytes = Vec::new();
    command.put(&mut bytes);
    // Named by what it is: another command never takes its place.
    let digest: [u8; 32] = Sha256::digest(&bytes).into();
    let name: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let path = folder.join(&name).with_extension(EXTENSION);
    let mut file = File::create(&path)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::write(path.with_extension("txt"), format!("{message}\n\n{command:#?}\n"))?;
    File::open(&folder)?.sync_all()?;
    Ok(path)
}
