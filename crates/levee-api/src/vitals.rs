//! What an engine counts and measures about itself: plain atomics that a watcher reads at any time
//! and the hot path only ever adds to.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::port::Priority;

/// Where an engine stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Phase {
    /// Reads its journal.
    Recovering = 0,
    /// Answers.
    Ready = 1,
    /// Finishes what it has, takes no more.
    Stopping = 2,
    /// Ended by a fault; nothing more is acknowledged.
    Failed = 3,
    /// In a gate's mirror: there is no connection to the engine.
    Unreachable = 4,
}

/// A histogram over powers of two of microseconds.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; Self::LEN],
    sum_us: AtomicU64,
}

impl Histogram {
    /// From below 1 us to over 33 s.
    pub const LEN: usize = 27;

    /// Adds `count` observations of the same length.
    pub fn add(&self, us: u64, count: u64) {
        let bucket = (u64::BITS - us.leading_zeros()) as usize;
        self.buckets[bucket.min(Self::LEN - 1)].fetch_add(count, Relaxed);
        self.sum_us.fetch_add(us.saturating_mul(count), Relaxed);
    }

    /// Observations by bucket: bucket `i` holds those below `2^i` us that no lower one holds.
    #[must_use]
    pub fn counts(&self) -> [u64; Self::LEN] {
        std::array::from_fn(|bucket| self.buckets[bucket].load(Relaxed))
    }

    /// Sum of all observations in microseconds.
    #[must_use]
    pub fn sum_us(&self) -> u64 {
        self.sum_us.load(Relaxed)
    }
}

/// Everything that an engine shows of itself.
#[derive(Debug, Default)]
pub struct Vitals {
    phase: AtomicU64,
    /// Commands replayed so far while recovering.
    pub replayed: AtomicU64,
    /// Bytes of a snapshot read so far while recovering, and of how many.
    pub restored_bytes: AtomicU64,
    /// See [`Self::restored_bytes`]; 0 without a snapshot.
    pub restore_bytes: AtomicU64,
    /// Last sequence number in the newest snapshot; 0 without one.
    pub snapshot_seq: AtomicU64,
    /// Its size.
    pub snapshot_bytes: AtomicU64,
    /// How long the last snapshot took, in milliseconds.
    pub snapshot_ms: AtomicU64,
    /// Snapshots taken since the start.
    pub snapshots: AtomicU64,
    /// Snapshots that failed since the start.
    pub snapshots_failed: AtomicU64,
    /// Copies of pages that wait for the snapshot's file, in bytes.
    pub snapshot_queued_bytes: AtomicU64,
    /// Last sequence number that is durable.
    pub durable_seq: AtomicU64,
    /// Journal time of the last batch, in milliseconds since 1970.
    pub journal_ms: AtomicU64,
    /// Commands that had an effect.
    pub done: AtomicU64,
    /// Commands that had been done before.
    pub repeated: AtomicU64,
    /// Commands that were refused.
    pub refused: AtomicU64,
    /// Questions answered.
    pub answered: AtomicU64,
    /// Asks turned away because the queue was full.
    pub overloaded: AtomicU64,
    /// Asks turned away because the disk's reserve was reached.
    pub storage_full: AtomicU64,
    /// Records written.
    pub records: AtomicU64,
    /// Bytes of records written.
    pub journal_bytes: AtomicU64,
    /// Bytes that the journal can surely still take.
    pub room_bytes: AtomicU64,
    /// Asks that wait now, by lane.
    pub waiting: [AtomicU64; Priority::COUNT],
    /// From arrival to application, by lane.
    pub queue_delay: [Histogram; Priority::COUNT],
    /// Write and sync of one record.
    pub sync_time: Histogram,
}

impl Vitals {
    /// Where the engine stands.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            0 => Phase::Recovering,
            1 => Phase::Ready,
            2 => Phase::Stopping,
            4 => Phase::Unreachable,
            _ => Phase::Failed,
        }
    }

    /// For the engine and mirrors: says where it stands.
    pub fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u64, Relaxed);
    }

    /// All numbers in a fixed order, the phase first: what a mirror is kept by.
    #[must_use]
    pub fn numbers(&self) -> Vec<u64> {
        self.cells().iter().map(|cell| cell.load(Relaxed)).collect()
    }

    /// For mirrors: sets the number at a place of [`Self::numbers`]; whether there is such a place.
    pub fn set_number(&self, place: usize, number: u64) -> bool {
        let cells = self.cells();
        let cell = cells.get(place);
        cell.inspect(|cell| cell.store(number, Relaxed)).is_some()
    }

    fn cells(&self) -> Vec<&AtomicU64> {
        // Without `..`, so that nothing new is forgotten.
        let Self {
            phase,
            replayed,
            restored_bytes,
            restore_bytes,
            snapshot_seq,
            snapshot_bytes,
            snapshot_ms,
            snapshots,
            snapshots_failed,
            snapshot_queued_bytes,
            durable_seq,
            journal_ms,
            done,
            repeated,
            refused,
            answered,
            overloaded,
            storage_full,
            records,
            journal_bytes,
            room_bytes,
            waiting,
            queue_delay,
            sync_time,
        } = self;
        let mut cells = vec![
            phase,
            replayed,
            restored_bytes,
            restore_bytes,
            snapshot_seq,
            snapshot_bytes,
            snapshot_ms,
            snapshots,
            snapshots_failed,
            snapshot_queued_bytes,
            durable_seq,
            journal_ms,
            done,
            repeated,
            refused,
            answered,
            overloaded,
            storage_full,
            records,
            journal_bytes,
            room_bytes,
        ];
        cells.extend(waiting);
        for Histogram { buckets, sum_us } in queue_delay.iter().chain([sync_time]) {
            cells.extend(buckets);
            cells.push(sum_us);
        }
        cells
    }
}
