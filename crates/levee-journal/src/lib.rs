//! A durable, ordered log of opaque records.
//!
//! One record is one batch of commands; what its payload means is the caller's affair. [`Log`] is
//! the port that the engine writes through, [`FileJournal`] its backend on a local disk, and
//! [`Reader`] and [`Follow`] read the same files without the right to write, for audits, exports and
//! those who tell others of it.
//!
//! # How durability works here
//!
//! - Segment files are created, zero-filled and synced ahead of time by a background thread, so
//!   an append is one positioned write and one `fdatasync` of blocks that exist already.
//! - Appends are strictly write, sync, write, sync: at most one record is ever unsynced, so after
//!   a crash at most the last record can be damaged, and that one was not acknowledged.
//! - Records begin on sector boundaries and own their sectors: a torn write cannot touch an
//!   earlier record.
//! - Each record carries a CRC32C of itself and the CRC of the record before it. A bad record
//!   with no good one behind it is a **torn tail** and is dropped; a bad record with a good one
//!   behind it is **corruption**, and opening is refused with file and offset.
//! - After a failed write or sync the journal is poisoned: the kernel may have dropped the data
//!   and answer OK the second time, so a sync is never retried.
//!
//! # Layout of a data folder
//!
//! ```text
//! LOCK                      held by the one process that may write
//! journal/0000000002.seg    the segments, numbered without gaps; the last ones may be empty spares
//! journal/0000000004.seg.tmp  a segment being prepared
//! archive/0000000001.seg    segments moved out by `truncate_before`; the operator's to delete
//! snapshots/00000000000000000042.snap      the caller's state as of sequence number 42
//! snapshots/00000000000000000077.snap.tmp  one that is being written
//! ```
//!
//! [`KeptSnapshots`] keeps the last two: how, stands in `snapshot/mod.rs`.

mod archive;
mod buffer;
pub mod disk;
mod error;
mod file;
mod folder;
mod follow;
mod format;
mod log;
mod open;
mod options;
mod prepare;
mod reader;
mod recover;
mod segment;
pub mod sim;
mod snapshot;
mod walk;

#[cfg(test)]
mod tests;

pub use buffer::RecordBuffer;
pub use error::{AppendError, ArchiveError, OpenError};
pub use file::FileJournal;
pub use follow::{Follow, first_kept_seq};
pub use format::{InstallationId, Kind, OwnedRecord, Record, record_bytes};
pub use log::{BatchHead, DurableSeq, Log, Records, Room, Trim};
pub use options::Options;
pub use reader::Reader;
pub use recover::Recovered;
pub use snapshot::{
    BLOCK_BYTES_MAX, Block, KeptSnapshots, SnapshotError, SnapshotHead, SnapshotReader,
    SnapshotWriter, Snapshots,
};
pub use walk::TornTail;
