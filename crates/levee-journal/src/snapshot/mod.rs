//! The snapshots of a data folder: whole states of the caller's, each as of one sequence number,
//! from which a replay can begin. What is in them is the caller's affair; here they are blocks of
//! bytes that are all there and unchanged, or refused.
//!
//! # How durability works here
//!
//! - A snapshot is written under a temporary name. [`SnapshotWriter::finish`] syncs the file,
//!   renames it and syncs the folder, so what has a final name is whole, on the disk, and stays.
//! - Each block carries its number and a CRC32C of itself that begins with the checksum of the
//!   file's head, so that no block can be missing, moved, or another snapshot's.
//! - The last block says how many there are and how long the file is: a file that was cut is
//!   never taken for a smaller snapshot.
//! - Keep two that were read back ([`KeptSnapshots`]). A disk may damage a file at any time, and the
//!   journal reaches back to the older.

mod error;
mod format;
mod kept;
mod reader;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use error::SnapshotError;
pub use format::{BLOCK_BYTES_MAX, Block, SnapshotHead};
pub use kept::KeptSnapshots;
pub use reader::SnapshotReader;
pub use writer::SnapshotWriter;

use crate::disk::{Access, Disk, RealDisk};
use error::io_error;

const SUFFIX: &str = ".snap";
const UNFINISHED_SUFFIX: &str = ".snap.tmp";

/// The snapshots of one data folder, whether there are any or not.
///
/// One process at a time may write and prune: the one that holds the journal. Reading takes no
/// lock.
#[derive(Clone, Debug)]
pub struct Snapshots {
    disk: Arc<dyn Disk>,
    data: PathBuf,
}

impl Snapshots {
    /// The snapshots of a data folder; `dir` is the folder that has `journal/` in it.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self::new_on(Arc::new(RealDisk), dir)
    }

    /// [`Snapshots::new`] on another disk.
    #[must_use]
    pub fn new_on(disk: Arc<dyn Disk>, dir: &Path) -> Self {
        Self { disk, data: dir.to_path_buf() }
    }

    fn dir(&self) -> PathBuf {
        self.data.join("snapshots")
    }

    fn path(&self, last_seq: u64, suffix: &str) -> PathBuf {
        self.dir().join(format!("{last_seq:020}{suffix}"))
    }

    /// The last sequence numbers of all finished snapshots, newest first; none when the folder
    /// does not exist. What is in them was not looked at.
    ///
    /// # Errors
    /// [`SnapshotError::Io`].
    pub fn list(&self) -> Result<Vec<u64>, SnapshotError> {
        self.list_with(SUFFIX)
    }

    /// Names that this crate would not have written are not its own and are left alone.
    fn list_with(&self, suffix: &str) -> Result<Vec<u64>, SnapshotError> {
        let dir = self.dir();
        let names = match self.disk.list(&dir) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(SnapshotError::Io { action: "list", file: dir, source }),
        };
        let mut seqs: Vec<u64> = names
            .iter()
            .filter_map(|name| {
                let digits = name.strip_suffix(suffix)?;
                digits.parse().ok().filter(|seq: &u64| format!("{seq:020}") == digits)
            })
            .collect();
        seqs.sort_unstable_by(|a, b| b.cmp(a));
        Ok(seqs)
    }

    /// Begins a snapshot, of which `bytes_expected` bytes of disk are taken at once: no limit,
    /// only so that a full disk shows now and the file is in few pieces. A finished snapshot with
    /// the same last sequence number stays until this one is finished and takes its place.
    /// `bytes_left` must still be free behind that, for the journal.
    ///
    /// # Errors
    /// [`SnapshotError::NoSpace`], [`SnapshotError::GenesisTooLarge`] or [`SnapshotError::Io`];
    /// nothing is left behind.
    pub fn create(
        &self,
        head: &SnapshotHead,
        bytes_expected: u64,
        bytes_left: u64,
    ) -> Result<SnapshotWriter, SnapshotError> {
        let dir = self.dir();
        self.disk.create_dirs(&dir).map_err(io_error("create the folder", &dir))?;
        // Also when the folder was there: an earlier sync may have failed.
        self.disk.sync_dir(&self.data).map_err(io_error("sync the folder", &self.data))?;
        let unfinished = self.path(head.last_seq, UNFINISHED_SUFFIX);
        let finished = self.path(head.last_seq, SUFFIX);
        let free = self.disk.free_bytes(&dir).map_err(io_error("measure the space of", &dir))?;
        let needed = bytes_expected.saturating_add(bytes_left);
        if free < needed {
            let reason = format!("{needed} bytes must be free, and {free} are");
            let source = io::Error::new(io::ErrorKind::StorageFull, reason);
            return Err(SnapshotError::NoSpace { file: unfinished, source });
        }
        SnapshotWriter::create(Arc::clone(&self.disk), unfinished, finished, head, bytes_expected)
    }

    /// Opens a finished snapshot and verifies its head.
    ///
    /// # Errors
    /// [`SnapshotError::NotFound`], [`SnapshotError::Damaged`],
    /// [`SnapshotError::UnknownVersion`] or [`SnapshotError::Io`].
    pub fn open(&self, last_seq: u64) -> Result<SnapshotReader, SnapshotError> {
        let path = self.path(last_seq, SUFFIX);
        match self.disk.open(&path, Access::Read) {
            Ok(file) => SnapshotReader::open(file, path, last_seq),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(SnapshotError::NotFound { file: path })
            }
            Err(source) => Err(SnapshotError::Io { action: "open", file: path, source }),
        }
    }

    /// Reads a whole snapshot back, and makes sure that its name is durable. Only when this
    /// succeeded may anything be given up that the snapshot replaces: older snapshots, or the
    /// journal before it.
    ///
    /// # Errors
    /// As [`Snapshots::open`] and [`SnapshotReader::next_block`].
    pub fn verify(&self, last_seq: u64) -> Result<SnapshotHead, SnapshotError> {
        let mut reader = self.open(last_seq)?;
        while reader.next_block()?.is_some() {}
        // Whoever wrote it may have died before the folder was synced.
        let dir = self.dir();
        self.disk.sync_dir(&dir).map_err(io_error("sync the folder", &dir))?;
        Ok(reader.head().clone())
    }

    /// Deletes what interrupted snapshots left. Not while one is being written: its file would go
    /// too.
    ///
    /// # Errors
    /// [`SnapshotError::Io`] naming the first that could not be deleted.
    pub fn clear_unfinished(&self) -> Result<(), SnapshotError> {
        let left = self.list_with(UNFINISHED_SUFFIX)?;
        left.into_iter().try_for_each(|seq| self.remove(seq, UNFINISHED_SUFFIX))
    }

    /// Deletes all finished snapshots but these, oldest first; returns how many went.
    ///
    /// After a crash one that was deleted may be there again; the next call deletes it again.
    ///
    /// # Errors
    /// [`SnapshotError::Io`] naming the first that could not be deleted; newer ones are all there.
    pub fn prune(&self, kept: &[u64]) -> Result<usize, SnapshotError> {
        let mut gone = 0;
        for seq in self.list()?.into_iter().rev().filter(|seq| !kept.contains(seq)) {
            self.remove(seq, SUFFIX)?;
            gone += 1;
        }
        Ok(gone)
    }

    fn remove(&self, last_seq: u64, suffix: &str) -> Result<(), SnapshotError> {
        let path = self.path(last_seq, suffix);
        self.disk.remove(&path).map_err(io_error("delete", &path))
    }

    /// Length of a finished snapshot's file in bytes.
    ///
    /// # Errors
    /// [`SnapshotError::NotFound`] or [`SnapshotError::Io`].
    pub fn bytes(&self, last_seq: u64) -> Result<u64, SnapshotError> {
        let path = self.path(last_seq, SUFFIX);
        match self.disk.open(&path, Access::Read).and_then(|file| file.bytes()) {
            Ok(bytes) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(SnapshotError::NotFound { file: path })
            }
            Err(source) => Err(SnapshotError::Io { action: "measure", file: path, source }),
        }
    }
}
