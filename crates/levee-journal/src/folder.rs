//! The data folder: names, the lock, the list of segments. What is in a segment is not known here.

use std::collections::BTreeSet;
use std::fs::TryLockError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::OpenError;
use crate::disk::{Access, Disk, DiskFile, DiskLock};

const SUFFIX: &str = ".seg";
const UNFINISHED_SUFFIX: &str = ".seg.tmp";

/// Wraps the system's answer; to be used with `map_err`.
pub(crate) fn io_error(action: &'static str, file: &Path) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Io { action, file: file.to_path_buf(), source }
}

/// A data folder, whether it exists or not.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
}

impl Folder {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: &Path) -> Self {
        Self { disk, dir: dir.to_path_buf() }
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.dir.join("journal")
    }

    pub(crate) fn archive(&self) -> PathBuf {
        self.dir.join("archive")
    }

    pub(crate) fn segment(&self, ordinal: u64) -> PathBuf {
        self.journal().join(format!("{ordinal:010}{SUFFIX}"))
    }

    pub(crate) fn archived_segment(&self, ordinal: u64) -> PathBuf {
        self.archive().join(format!("{ordinal:010}{SUFFIX}"))
    }

    pub(crate) fn unfinished_segment(&self, ordinal: u64) -> PathBuf {
        self.journal().join(format!("{ordinal:010}{UNFINISHED_SUFFIX}"))
    }

    /// Creates the folders that are missing and makes that durable.
    pub(crate) fn create(&self) -> Result<(), OpenError> {
        for dir in [self.journal(), self.archive()] {
            self.disk.create_dirs(&dir).map_err(io_error("create the folder", &dir))?;
        }
        let parent = self.dir.parent().filter(|parent| !parent.as_os_str().is_empty());
        for dir in [Some(self.dir.as_path()), parent].into_iter().flatten() {
            self.sync(dir)?;
        }
        Ok(())
    }

    /// Makes renames, creations and removals in a folder durable.
    pub(crate) fn sync(&self, dir: &Path) -> Result<(), OpenError> {
        self.disk.sync_dir(dir).map_err(io_error("sync the folder", dir))
    }

    /// Takes the folder for this process until the returned lock is dropped.
    pub(crate) fn lock(&self) -> Result<DiskLock, OpenError> {
        let path = self.dir.join("LOCK");
        match self.disk.lock(&path) {
            Ok(lock) => Ok(lock),
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked { dir: self.dir.clone() }),
            Err(TryLockError::Error(source)) => {
                Err(OpenError::Io { action: "lock", file: path, source })
            }
        }
    }

    /// The numbers of all segments, archived ones included: ascending, without gaps.
    pub(crate) fn segments(&self) -> Result<Vec<u64>, OpenError> {
        // A live server may make segments while the folder is being listed, and a listing may
        // then show a later one only; the next listing shows both.
        self.list_segments().or_else(|_| self.list_segments())
    }

    fn list_segments(&self) -> Result<Vec<u64>, OpenError> {
        // The journal's first: one that moves to the archive meanwhile is then seen twice, not
        // never.
        let mut ordinals = self.ordinals_in(&self.journal(), SUFFIX)?;
        ordinals.append(&mut self.ordinals_in(&self.archive(), SUFFIX)?);
        let ordinals: Vec<u64> = ordinals.into_iter().collect();
        for pair in ordinals.windows(2) {
            if pair[0] + 1 != pair[1] {
                let ordinal = pair[0] + 1;
                return Err(OpenError::Missing { ordinal, file: self.segment(ordinal) });
            }
        }
        Ok(ordinals)
    }

    /// The numbers of the segments that are not archived, ascending.
    pub(crate) fn segments_in_journal(&self) -> Result<BTreeSet<u64>, OpenError> {
        self.ordinals_in(&self.journal(), SUFFIX)
    }

    /// Opens a segment wherever it is.
    pub(crate) fn open_segment(
        &self,
        ordinal: u64,
        access: Access,
    ) -> Result<(PathBuf, Box<dyn DiskFile>), OpenError> {
        let path = self.segment(ordinal);
        match self.disk.open(&path, access) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(OpenError::Io { action: "open", file: path, source }),
        }
        // It may have been archived since it was listed.
        let archived = self.archived_segment(ordinal);
        let file = self.disk.open(&archived, access).map_err(io_error("open", &archived))?;
        Ok((archived, file))
    }

    /// Deletes segments whose preparation a crash interrupted. Only for the holder of the lock.
    pub(crate) fn remove_unfinished(&self) -> Result<(), OpenError> {
        for ordinal in self.ordinals_in(&self.journal(), UNFINISHED_SUFFIX)? {
            let path = self.unfinished_segment(ordinal);
            self.disk.remove(&path).map_err(io_error("delete", &path))?;
        }
        Ok(())
    }

    /// The numbers of files with this suffix; a folder that does not exist has none. Names that
    /// this crate would not have written are not its own and are left alone.
    fn ordinals_in(&self, dir: &Path, suffix: &str) -> Result<BTreeSet<u64>, OpenError> {
        let mut ordinals = BTreeSet::new();
        let names = match self.disk.list(dir) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ordinals),
            Err(source) => {
                return Err(OpenError::Io { action: "list", file: dir.to_path_buf(), source });
            }
        };
        for name in names {
            let Some(digits) = name.strip_suffix(suffix) else { continue };
            if let Ok(ordinal @ 1..=9_999_999_999) = digits.parse::<u64>()
                && format!("{ordinal:010}") == digits
            {
                ordinals.insert(ordinal);
            }
        }
        Ok(ordinals)
    }
}
