//! What can go wrong with a snapshot, and what to do.

use std::io;
use std::path::{Path, PathBuf};

/// Why a snapshot could not be written, read or deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// There is no finished snapshot of this name.
    #[error("there is no snapshot {}; list those that there are", file.display())]
    NotFound {
        /// Where it should be.
        file: PathBuf,
    },
    /// Bytes that are not as they were written. An older snapshot and the journal after it hold
    /// the same.
    #[error(
        "the snapshot {} is damaged at offset {offset}: {reason}; start from an older snapshot or \
         from the whole journal",
        file.display()
    )]
    Damaged {
        /// The damaged file.
        file: PathBuf,
        /// Where the block or head that is not sound begins, in bytes from the start of the file.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// Written by a newer version of this software.
    #[error(
        "the snapshot {} has format version {version}, which this version cannot read; use the \
         version of Levee that wrote it, or a newer one, or start from the whole journal",
        file.display()
    )]
    UnknownVersion {
        /// The file.
        file: PathBuf,
        /// The version that it names.
        version: u16,
    },
    /// The disk is full.
    #[error("the disk has no room for the snapshot {} ({source}); free some space", file.display())]
    NoSpace {
        /// The file, which is not finished.
        file: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A block is larger than a reader would take. Nothing of it was written.
    #[error("a block of {bytes} bytes exceeds the {bytes_max} allowed; split it")]
    BlockTooLarge {
        /// Length of the payload in bytes.
        bytes: u64,
        /// The largest allowed.
        bytes_max: u64,
    },
    /// The head's genesis payload is larger than a reader would take. Nothing was written.
    #[error("a genesis payload of {bytes} bytes exceeds the {bytes_max} that a snapshot may hold")]
    GenesisTooLarge {
        /// Length of the genesis payload in bytes.
        bytes: u64,
        /// The largest allowed.
        bytes_max: u64,
    },
    /// An earlier call on this writer or reader failed, so nothing can follow.
    #[error(
        "writing or reading the snapshot {} failed before; drop this pass and begin another",
        file.display()
    )]
    Failed {
        /// The file.
        file: PathBuf,
    },
    /// The system refused.
    #[error("could not {action} {}", file.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// The file or folder.
        file: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// Wraps the system's answer; to be used with `map_err`.
pub(super) fn io_error(
    action: &'static str,
    file: &Path,
) -> impl FnOnce(io::Error) -> SnapshotError {
    move |source| {
        let file = file.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                SnapshotError::NoSpace { file, source }
            }
            _ => SnapshotError::Io { action, file, source },
        }
    }
}
