//! What an engine counts and measures about itself: plain atomics that a watcher reads at any time
//! and the hot path only ever adds to.

mod hooks;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::paying::PayLinks;
use crate::port::Priority;

pub use hooks::{HookVitals, HooksVitals};

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

    /// The bucket of an observation; see [`Self::counts`].
    #[must_use]
    pub fn bucket(us: u64) -> usize {
        ((u64::BITS - us.leading_zeros()) as usize).min(Self::LEN - 1)
    }

    /// Adds `count` observations of the same length.
    pub fn add(&self, us: u64, count: u64) {
        self.buckets[Self::bucket(us)].fetch_add(count, Relaxed);
        self.sum_us.fetch_add(us.saturating_mul(count), Relaxed);
    }

    /// Adds observations that were counted by bucket, and their sum.
    pub fn add_all(&self, counts: &[u64; Self::LEN], sum_us: u64) {
        for (bucket, count) in self.buckets.iter().zip(counts).filter(|(_, count)| **count > 0) {
            bucket.fetch_add(*count, Relaxed);
        }
        self.sum_us.fetch_add(sum_us, Relaxed);
    }

    /// How many observations there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts().iter().sum()
    }

    /// Observations by bucket: bucket `i` holds those below `2^i` us that no lower one holds.
    #[must_use]
    pub fn counts(&self) -> [u64; Self::LEN] {
        std::array::from_fn(|bucket| self.buckets[bucket].load(Relaxed))
    }

    /// The end of the bucket in which so many of a hundred of these observations are reached, in
    /// microseconds; none without any.
    #[must_use]
    pub fn quantile_us(counts: &[u64; Self::LEN], percent: u64) -> Option<u64> {
        let total: u64 = counts.iter().sum();
        let wanted = total.saturating_mul(percent).div_ceil(100);
        let mut sum = 0;
        let bucket = counts.iter().position(|count| {
            sum += count;
            sum >= wanted
        });
        bucket.filter(|_| total > 0).map(|bucket| 1 << bucket)
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
    /// First sequence number that the journal still has, its archive included, as of a second ago; 0
    /// where it is not known.
    pub first_seq: AtomicU64,
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
    /// Asks whose time was over before they could be decided, by lane.
    pub expired: [AtomicU64; Priority::COUNT],
    /// Records written.
    pub records: AtomicU64,
    /// Bytes of records written.
    pub journal_bytes: AtomicU64,
    /// Bytes that the journal can surely still take.
    pub room_bytes: AtomicU64,
    /// Asks that wait now, by lane.
    pub waiting: [AtomicU64; Priority::COUNT],
    /// How long the oldest ask has waited, in microseconds, by lane; 0 where none waits. As of the
    /// beginning of the last batch or the last handover, whichever came later, so that an engine
    /// that stands still shows while anything arrives.
    pub oldest_us: [AtomicU64; Priority::COUNT],
    /// From arrival to the decision, by lane. Those whose time was over count as well: without them
    /// the worst overload would look like none.
    pub queue_delay: [Histogram; Priority::COUNT],
    /// Write and sync of one record.
    pub sync_time: Histogram,
    /// What connectors do outside.
    pub outside: OutsideVitals,
    /// What is told to the app's back end.
    pub hooks: HooksVitals,
}

/// What connectors count: calls to outlets' systems and to payment providers.
#[derive(Debug, Default)]
pub struct OutsideVitals {
    /// The rules' count of what has come up to be done outside, set by whoever decides once it is durable
    /// and before it replies: connectors ask what it was only when this has changed. They run beside the
    /// engine, so that no mirror has it.
    pub undone_changes: AtomicU64,
    /// Actions that are under way now.
    pub under_way: AtomicU64,
    /// Tickets that wait for a breaker to close.
    pub parked: AtomicU64,
    /// For how long the oldest ticket has been left to send or to cancel, in milliseconds by the
    /// machine's clock and since the last start at most; 0 where there is none.
    pub tickets_oldest_ms: AtomicU64,
    /// The same of payments: those of which a provider has not told or confirmed the end.
    pub payments_oldest_ms: AtomicU64,
    /// Outlets' breakers that are open now, and vendors'.
    pub outlets_open: AtomicU64,
    /// See [`Self::outlets_open`].
    pub vendors_open: AtomicU64,
    /// How often a breaker opened by itself.
    pub opened: AtomicU64,
    /// Calls to outlets' systems that were answered, and those that failed.
    pub tickets_answered: AtomicU64,
    /// See [`Self::tickets_answered`].
    pub tickets_failed: AtomicU64,
    /// Of all of these, those that were repeats.
    pub tickets_repeated: AtomicU64,
    /// Calls to payment providers that were answered, and those that failed.
    pub payments_answered: AtomicU64,
    /// See [`Self::payments_answered`].
    pub payments_failed: AtomicU64,
    /// Payment providers that are left alone for a while.
    pub providers_open: AtomicU64,
    /// Calls to payment providers that wait for their turn.
    pub payments_waiting: AtomicU64,
    /// How users pay: no number, and so in no mirror; the engine's answers have it.
    pub pay_links: Arc<PayLinks>,
    /// From a ticket's first try on: how long until its outlet's system had it, by the machine's clock.
    pub ticket_delay: Histogram,
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

    /// Asks of a lane that were decided in time.
    #[must_use]
    pub fn decided(&self, lane: Priority) -> u64 {
        let expired = self.expired[lane as usize].load(Relaxed);
        // Delays are counted before a batch is durable, what expired afterwards.
        self.queue_delay[lane as usize].count().saturating_sub(expired)
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
            first_seq,
            journal_ms,
            done,
            repeated,
            refused,
            answered,
            overloaded,
            storage_full,
            expired,
            records,
            journal_bytes,
            room_bytes,
            waiting,
            oldest_us,
            queue_delay,
            sync_time,
            outside,
            hooks,
        } = self;
        let OutsideVitals {
            undone_changes: _,
            under_way,
            parked,
            tickets_oldest_ms,
            payments_oldest_ms,
            outlets_open,
            vendors_open,
            opened,
            tickets_answered,
            tickets_failed,
            tickets_repeated,
            payments_answered,
            payments_failed,
            providers_open,
            payments_waiting,
            pay_links: _,
            ticket_delay,
        } = outside;
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
            first_seq,
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
            under_way,
            parked,
            tickets_oldest_ms,
            payments_oldest_ms,
            outlets_open,
            vendors_open,
            opened,
            tickets_answered,
            tickets_failed,
            tickets_repeated,
            payments_answered,
            payments_failed,
            providers_open,
            payments_waiting,
        ];
        cells.extend(waiting);
        cells.extend(expired);
        cells.extend(oldest_us);
        for Histogram { buckets, sum_us } in queue_delay.iter().chain([sync_time, ticket_delay]) {
            cells.extend(buckets);
            cells.push(sum_us);
        }
        cells.extend(hooks.cells());
        cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observations_added_one_by_one_or_at_once_are_the_same() {
        let (single, whole) = (Histogram::default(), Histogram::default());
        let (mut counts, mut sum_us) = ([0; Histogram::LEN], 0);
        // The last lies beyond the last bucket's lower end.
        for (us, count) in [(0, 3), (1, 1), (1_000, 2), (1_023, 5), (1_024, 1), (1 << 40, 1)] {
            single.add(us, count);
            counts[Histogram::bucket(us)] += count;
            sum_us += us * count;
        }
        whole.add_all(&counts, sum_us);
        assert_eq!(whole.counts(), single.counts());
        assert_eq!((whole.sum_us(), whole.count()), (single.sum_us(), 13));
        assert_eq!(whole.sum_us(), 1 + 2_000 + 5_115 + 1_024 + (1 << 40));
    }

    #[test]
    fn a_quantile_is_the_end_of_its_bucket() {
        let of = |counts: &[(usize, u64)], percent| {
            let mut all = [0; Histogram::LEN];
            counts.iter().for_each(|(bucket, count)| all[*bucket] = *count);
            Histogram::quantile_us(&all, percent)
        };
        assert_eq!(of(&[], 50), None);
        assert_eq!(of(&[(0, 1)], 50), Some(1));
        assert_eq!(of(&[(3, 1), (9, 1)], 50), Some(8));
        assert_eq!(of(&[(3, 1), (9, 1)], 99), Some(512));
        assert_eq!(of(&[(3, 99), (9, 1)], 99), Some(8));
        assert_eq!(of(&[(3, 98), (9, 2)], 99), Some(512));
        assert_eq!(of(&[(Histogram::LEN - 1, 1)], 99), Some(1 << 26));
    }
}
