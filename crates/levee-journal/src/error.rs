//! The errors of this crate: what happened, to which file and offset, and what to do.

use std::io;
use std::path::PathBuf;

/// Why a journal could not be created, opened or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another part of this one, writes to this folder.
    #[error(
        "another server uses the data folder {}; stop it, or choose another folder",
        dir.display()
    )]
    Locked {
        /// The data folder.
        dir: PathBuf,
    },
    /// The folder holds no journal: no segments, or none with a whole record. Nothing was ever
    /// acknowledged from here.
    #[error("{} holds no journal yet; create one", dir.display())]
    NotCreated {
        /// The data folder.
        dir: PathBuf,
    },
    /// A journal was to be created where one is.
    #[error("{} holds a journal already; open it instead", dir.display())]
    AlreadyCreated {
        /// The data folder.
        dir: PathBuf,
    },
    /// Bytes that no crash can explain.
    #[error(
        "the journal is damaged in {} at offset {offset}: {reason}; \
         restore this file from a backup or a peer, and do not delete it",
        file.display()
    )]
    Corrupt {
        /// The damaged file.
        file: PathBuf,
        /// Where the damage begins, in bytes from the start of the file.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// A segment in the middle is not there.
    #[error(
        "segment {ordinal} of the journal is missing: {} is not there, though later segments \
         are; restore it from a backup",
        file.display()
    )]
    Missing {
        /// The number of the first missing segment.
        ordinal: u64,
        /// Where it should be.
        file: PathBuf,
    },
    /// Written by a newer version of this software.
    #[error(
        "{} at offset {offset} has format version {version}, which this version cannot read; \
         use the version of Levee that wrote it, or a newer one",
        file.display()
    )]
    UnknownVersion {
        /// The file.
        file: PathBuf,
        /// Where the unknown header is, in bytes from the start of the file.
        offset: u64,
        /// The version that it names.
        version: u16,
    },
    /// The records asked for were in archived segments that have been deleted.
    #[error(
        "the journal begins with sequence {first_seq}; {seq} was archived and removed: \
         start from a snapshot, or put the archived segments back"
    )]
    Removed {
        /// The sequence asked for.
        seq: u64,
        /// The first sequence that is still there.
        first_seq: u64,
    },
    /// A snapshot contains more than the journal: the journal is older, or another one's, or its
    /// end was lost. Nothing was changed.
    #[error(
        "a snapshot has seen more than this journal: it contains sequence {seq}, and the journal \
         ends with {last_seq}; put the whole journal back, or if that is lost for good, move the \
         snapshot away and accept the loss"
    )]
    Behind {
        /// The sequence that the snapshot contains.
        seq: u64,
        /// The last one of the journal.
        last_seq: u64,
    },
    /// The first segment could not be made for lack of space.
    #[error("no room for a journal in {}: {reason}", dir.display())]
    NoSpace {
        /// The data folder.
        dir: PathBuf,
        /// What was short, and by how much.
        reason: String,
    },
    /// Options that make no sense.
    #[error("the journal's options are wrong: {reason}")]
    Options {
        /// Which one, and what is allowed.
        reason: String,
    },
    /// The genesis record could not be written.
    #[error("the journal's first record could not be written")]
    Genesis(#[source] AppendError),
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

/// Why a record was not appended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// A write failed: whether the record is on disk is unknown. The journal is poisoned.
    #[error(
        "writing to {} at offset {offset} failed; acknowledge nothing more and restart",
        file.display()
    )]
    Write {
        /// The segment.
        file: PathBuf,
        /// Where the record begins.
        offset: u64,
        /// The system's answer.
        source: io::Error,
    },
    /// A sync failed: whether the record is on disk is unknown. The journal is poisoned.
    #[error(
        "syncing {} after a write at offset {offset} failed; acknowledge nothing more and restart",
        file.display()
    )]
    Sync {
        /// The segment.
        file: PathBuf,
        /// Where the record begins.
        offset: u64,
        /// The system's answer.
        source: io::Error,
    },
    /// An earlier write or sync failed; a second try could falsely succeed, so there is none.
    #[error("an earlier write or sync of the journal failed; restart to recover what is on disk")]
    Poisoned,
    /// The journal was closed.
    #[error("the journal is closed; open it again")]
    Closed,
    /// No segment has room and no new one can be made. Nothing was written, and the same record
    /// may be appended again once there is space.
    #[error("no room for a record of {bytes} bytes: {reason}")]
    Full {
        /// Size of the record on disk.
        bytes: u64,
        /// Why no segment can be made.
        reason: String,
    },
    /// The record is larger than a segment. Nothing was written.
    #[error("a record of {bytes} bytes exceeds the {bytes_max} that a segment holds; split it")]
    TooLarge {
        /// Size of the record on disk.
        bytes: u64,
        /// The largest size that fits.
        bytes_max: u64,
    },
    /// Sequence numbers must be dense. Nothing was written.
    #[error("the record begins with sequence {got} where {expected} follows; nothing was written")]
    OutOfOrder {
        /// The next sequence number of this journal.
        expected: u64,
        /// The one that was given.
        got: u64,
    },
    /// Journal time never goes back. Nothing was written.
    #[error("the record's time {got_ms} ms is before the last one's, {last_ms} ms")]
    TimeWentBack {
        /// Time of the last record.
        last_ms: u64,
        /// Time that was given.
        got_ms: u64,
    },
}

/// Moving a segment to the archive failed. It is in one folder or the other, whole, and the
/// journal can go on; call again later.
#[derive(Debug, thiserror::Error)]
#[error("could not archive {}", file.display())]
pub struct ArchiveError {
    /// The segment, or the folder whose sync failed.
    pub file: PathBuf,
    /// The system's answer.
    pub source: io::Error,
}
