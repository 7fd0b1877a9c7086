//! The port that the engine writes through, and the handles that other threads may hold. Nothing
//! here may assume a local file: the next backend is a replicated stream.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::{AppendError, ArchiveError, OpenError, OwnedRecord, RecordBuffer};

/// What a batch's record says besides its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHead {
    /// Sequence number of the first command; must follow the last command of the record before.
    /// The first command of a journal has 1.
    pub first_seq: u64,
    /// How many commands; 0 is allowed, for a record that only moves time on.
    pub count: u32,
    /// Journal time in milliseconds since the Unix epoch; never below that of the record before.
    pub time_ms: u64,
}

/// Durable records in order. After an error it ends.
pub type Records = Box<dyn Iterator<Item = Result<OwnedRecord, OpenError>> + Send>;

/// A durable, ordered log with one writer.
pub trait Log: Send {
    /// Appends one batch and returns when it is durable, with the last durable sequence number.
    ///
    /// The buffer's payload is unchanged afterwards; clear it before building the next record.
    ///
    /// # Errors
    /// [`AppendError::Full`], [`AppendError::TooLarge`], [`AppendError::OutOfOrder`] and
    /// [`AppendError::TimeWentBack`] leave the log as it was. After any other error nothing can
    /// be appended any more, and whether this record is durable is unknown.
    fn append(&mut self, head: BatchHead, payload: &mut RecordBuffer) -> Result<u64, AppendError>;

    /// Writes the record that marks an orderly shutdown; later appends are refused.
    ///
    /// # Errors
    /// As [`Log::append`].
    fn close(&mut self, time_ms: u64) -> Result<(), AppendError>;

    /// The records that are durable now and reach sequence number `seq` or lie beyond it, those
    /// without commands (genesis, closed) included. What is wholly before `seq` is read as little
    /// as the backend can.
    ///
    /// # Errors
    /// [`OpenError::Removed`] when `seq` is no longer kept (it may also come as the first item),
    /// and what reading meets.
    fn read_from(&self, seq: u64) -> Result<Records, OpenError>;

    /// The handle through which what is no longer needed is given up.
    fn trimmer(&self) -> Arc<dyn Trim>;

    /// How many batches the caller should have in flight to keep this log busy.
    fn window(&self) -> usize;

    /// The position up to which commands are durable, readable from any thread.
    fn durable(&self) -> DurableSeq;

    /// How much can still be appended, readable from any thread.
    fn room(&self) -> Room;
}

/// Gives up the beginning of a log, on any thread: appends do not wait for it.
pub trait Trim: Debug + Send + Sync {
    /// Gives up what lies wholly before sequence number `seq`, as far as the backend can drop it
    /// in whole pieces; returns how many pieces went. 0 once the log is dropped.
    ///
    /// # Errors
    /// When a piece could not be moved away; the log stays usable.
    fn truncate_before(&self, seq: u64) -> Result<usize, ArchiveError>;
}

/// The last durable sequence number, 0 before the first command. Clones see the same value.
#[derive(Clone, Debug, Default)]
pub struct DurableSeq(Arc<AtomicU64>);

impl DurableSeq {
    /// A handle that starts at `seq`, for a backend to keep up to date.
    #[must_use]
    pub fn new(seq: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seq)))
    }

    /// The last durable sequence number.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// For a backend: all up to and including `seq` is durable.
    pub fn set(&self, seq: u64) {
        self.0.store(seq, Ordering::Release);
    }
}

/// How much can be appended without new space. Clones see the same value; reading is one or two
/// atomic loads.
#[derive(Clone, Debug)]
pub struct Room(Arc<RoomState>);

#[derive(Debug)]
struct RoomState {
    /// Bytes left in all segments in the lower 48 bits, number of those segments above them, so
    /// that both change at once.
    left: AtomicU64,
    /// The last try to make another segment failed.
    exhausted: AtomicBool,
}

const BYTES_BITS: u32 = 48;
const BYTES_MASK: u64 = (1 << BYTES_BITS) - 1;

impl Room {
    pub(crate) fn empty() -> Self {
        Self(Arc::new(RoomState { left: AtomicU64::new(0), exhausted: AtomicBool::new(false) }))
    }

    /// Whether `bytes` more will surely be taken, in records of at most `record_bytes_max` each
    /// (sizes on disk, see [`record_bytes`](crate::record_bytes)): false only when no more space
    /// can be made ready and what is ready falls short. Refuse work with `storage_full` then.
    #[must_use]
    pub fn can_take(&self, bytes: u64, record_bytes_max: u64) -> bool {
        !self.is_exhausted() || self.bytes(record_bytes_max) >= bytes
    }

    /// Bytes that can surely be appended to what is ready now, in records of at most
    /// `record_bytes_max` each. What a record leaves over at the end of a segment is lost, so the
    /// larger the records, the less is sure.
    #[must_use]
    pub fn bytes(&self, record_bytes_max: u64) -> u64 {
        let left = self.0.left.load(Ordering::Acquire);
        let (segments, bytes) = (left >> BYTES_BITS, left & BYTES_MASK);
        // A segment is left only when the next record does not fit, with less than one over.
        bytes.saturating_sub(segments.saturating_mul(record_bytes_max.saturating_sub(1)))
    }

    /// Whether the last try to make more space ready failed: disk, reserve or quota. There may
    /// still be much room in what is ready.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.0.exhausted.load(Ordering::Acquire)
    }

    pub(crate) fn set_exhausted(&self, exhausted: bool) {
        self.0.exhausted.store(exhausted, Ordering::Release);
    }

    pub(crate) fn add_segment(&self, bytes: u64) {
        self.0.left.fetch_add((1 << BYTES_BITS) | bytes, Ordering::AcqRel);
    }

    pub(crate) fn use_bytes(&self, bytes: u64) {
        self.0.left.fetch_sub(bytes, Ordering::AcqRel);
    }

    /// A segment is left with `bytes` unused.
    pub(crate) fn leave_segment(&self, bytes: u64) {
        self.0.left.fetch_sub((1 << BYTES_BITS) | bytes, Ordering::AcqRel);
    }
}
