//! Snapshots while the engine works: the deciding thread copies pages into a bounded queue, another
//! thread writes them out at a steady pace.
//!
//! When the queue is full the deciding thread waits: memory is bounded, and what is copied because a
//! command writes to it is at most what one batch touches.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use levee_core::{PAGE_BYTES, Pages, Rest, State};
use levee_journal::disk::DiskLock;
use levee_journal::{BLOCK_BYTES_MAX, KeptSnapshots, SnapshotError, SnapshotHead, Snapshots, Trim};

use crate::shared::Shared;

/// Block of the file that holds what is not in pages; others have the number of their table.
pub(crate) const REST_TAG: u32 = u32::MAX;

/// The deciding thread copies so many pages after a batch by itself, while the queue is short: twice
/// what is written in the time since it last did, so that neither is the writing held up nor a batch
/// by more than it must. The least is worth the lock that it costs, the most takes half a millisecond.
const SWEEP_PAGES_MIN: u64 = 16;
const SWEEP_PAGES_MAX: u64 = 512;
const QUEUE_SHORT_BYTES: usize = 4 << 20;

/// After a failure the next snapshot is tried this much later.
const RETRY: Duration = Duration::from_secs(60);

/// So many commands replayed at a start call for a snapshot.
const REPLAYED_MANY: u64 = 1_000_000;

/// How often the writing thread looks whether the snapshot's last command is durable.
const DURABLE_LOOK: Duration = Duration::from_millis(1);

/// When snapshots are taken, and what they may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotPlan {
    /// After so many bytes of journal since the last one. Bounds how long a restart replays.
    /// Default: 1 GiB.
    pub journal_bytes: u64,
    /// After this time since the last one, if anything was journaled. Default: 15 minutes.
    pub every: Duration,
    /// One more at an orderly stop, if anything was journaled. Default: yes.
    pub at_stop: bool,
    /// Most bytes a second that are written while the engine works. Default: 128 MiB.
    pub bytes_per_s: u64,
    /// Most bytes of copied pages that wait to be written; a batch may add what it touches.
    /// Default: 64 MiB.
    pub queue_bytes: usize,
}

impl Default for SnapshotPlan {
    fn default() -> Self {
        Self {
            journal_bytes: 1 << 30,
            every: Duration::from_secs(15 * 60),
            at_stop: true,
            bytes_per_s: 128 << 20,
            queue_bytes: 64 << 20,
        }
    }
}

enum Piece {
    Begin(Box<Rest>),
    Pages(Pages),
    End,
}

#[derive(Default)]
struct Waiting {
    pieces: VecDeque<Piece>,
    bytes: usize,
    /// A snapshot was begun and is neither whole in its file nor given up.
    busy: bool,
    /// The last one failed.
    failed: bool,
    /// The engine is stopping: what is left is written without pause.
    ending: bool,
    /// Nothing more comes.
    closed: bool,
}

/// Between the two threads.
struct Outbox {
    waiting: Mutex<Waiting>,
    filled: Condvar,
    emptied: Condvar,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing in here panics between two states.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The deciding thread's side.
pub(crate) struct Snapshotter {
    shared: Arc<Shared>,
    plan: SnapshotPlan,
    outbox: Arc<Outbox>,
    /// Pages are being copied.
    running: bool,
    next_at: Instant,
    next_bytes: u64,
    last_seq: u64,
    pages: Vec<Pages>,
    /// When pages were last copied without being asked for.
    swept_at: Instant,
}

/// How many pages are copied so many microseconds after the last ones.
fn pages_due(us: u64, bytes_per_s: u64) -> u32 {
    let bytes = us.saturating_mul(bytes_per_s) / 1_000_000 * 2;
    let pages = (bytes / PAGE_BYTES as u64).clamp(SWEEP_PAGES_MIN, SWEEP_PAGES_MAX);
    u32::try_from(pages).expect("a few hundred")
}

/// The writing thread's side.
pub(crate) struct SnapshotWriting {
    pub(crate) shared: Arc<Shared>,
    store: Store,
    plan: SnapshotPlan,
    outbox: Arc<Outbox>,
}

/// Where snapshots go, and what they need of the journal.
pub(crate) struct Store {
    pub(crate) snapshots: Snapshots,
    pub(crate) kept: KeptSnapshots,
    /// With the sequence number and time of each snapshot filled in.
    pub(crate) head: SnapshotHead,
    /// Bytes of disk that stay free: the journal's reserve, and segments for the time until this
    /// snapshot is whole.
    pub(crate) bytes_left: u64,
    pub(crate) trim: Arc<dyn Trim>,
    /// The one of the stop is written when the journal is closed already; until then the folder is
    /// nobody else's.
    pub(crate) _lock: DiskLock,
}

/// Both sides. `last_seq` is that of the newest snapshot, 0 without one; `replayed` is how many
/// commands the start replayed.
pub(crate) fn snapshots(
    shared: &Arc<Shared>,
    plan: SnapshotPlan,
    (last_seq, replayed): (u64, u64),
    store: Store,
) -> (Snapshotter, SnapshotWriting) {
    let outbox = Arc::new(Outbox {
        waiting: Mutex::default(),
        filled: Condvar::new(),
        emptied: Condvar::new(),
    });
    let snapshotter = Snapshotter {
        shared: Arc::clone(shared),
        plan,
        outbox: Arc::clone(&outbox),
        running: false,
        // A start that had much to replay is followed by a snapshot, so that a server which is
        // killed again and again does not replay more and more.
        next_at: Instant::now()
            + if replayed > REPLAYED_MANY { Duration::ZERO } else { plan.every },
        next_bytes: plan.journal_bytes,
        last_seq,
        pages: Vec::new(),
        swept_at: Instant::now(),
    };
    let writing = SnapshotWriting { shared: Arc::clone(shared), store, plan, outbox };
    (snapshotter, writing)
}

impl Snapshotter {
    pub(crate) fn is_running(&self) -> bool {
        self.running
    }

    /// Waits while the queue is full. False when the engine has failed meanwhile.
    pub(crate) fn wait_for_room(&self) -> bool {
        if !self.running {
            return true;
        }
        let mut waiting = self.outbox.lock();
        while waiting.bytes >= self.plan.queue_bytes && !waiting.failed {
            if self.shared.has_failed() {
                return false;
            }
            let waited = self.outbox.emptied.wait_timeout(waiting, Duration::from_millis(100));
            waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Between two batches: begins a snapshot that is due, or goes on with the one that runs.
    pub(crate) fn go_on(&mut self, state: &mut State) {
        if self.has_failed(state) {
            return;
        }
        if !self.running {
            if self.is_due(state) {
                self.begin(state);
            }
            return;
        }
        state.take_pages(&mut self.pages);
        let queued = self.hand_over();
        if queued < QUEUE_SHORT_BYTES {
            let whole = state.sweep(self.pages_due());
            state.take_pages(&mut self.pages);
            self.hand_over();
            if whole {
                self.end(state);
            }
        }
    }

    fn pages_due(&mut self) -> u32 {
        let now = Instant::now();
        let since = now - std::mem::replace(&mut self.swept_at, now);
        let us = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
        pages_due(us, self.plan.bytes_per_s)
    }

    /// Whether the last one failed, at whatever point; then the next is tried later.
    fn has_failed(&mut self, state: &mut State) -> bool {
        if !std::mem::take(&mut self.outbox.lock().failed) {
            return false;
        }
        if std::mem::take(&mut self.running) {
            state.end_snapshot();
            self.pages.clear();
        }
        self.next_at = Instant::now() + RETRY;
        self.next_bytes = u64::MAX;
        self.last_seq = 0;
        true
    }

    fn is_due(&self, state: &State) -> bool {
        let bytes = self.shared.vitals.journal_bytes.load(Relaxed);
        (bytes >= self.next_bytes || Instant::now() >= self.next_at)
            && state.last_seq() > self.last_seq
            && !self.outbox.lock().busy
    }

    fn begin(&mut self, state: &mut State) {
        let rest = state.begin_snapshot();
        self.last_seq = rest.last_seq();
        self.next_at = Instant::now() + self.plan.every;
        let bytes = self.shared.vitals.journal_bytes.load(Relaxed);
        self.next_bytes = bytes.saturating_add(self.plan.journal_bytes);
        self.running = true;
        let mut waiting = self.outbox.lock();
        (waiting.busy, waiting.failed) = (true, false);
        waiting.pieces.push_back(Piece::Begin(Box::new(rest)));
        drop(waiting);
        self.outbox.filled.notify_one();
    }

    /// Hands the copied pages over; returns how many bytes wait.
    fn hand_over(&mut self) -> usize {
        let mut waiting = self.outbox.lock();
        if waiting.failed {
            self.pages.clear();
        }
        for pages in self.pages.drain(..) {
            waiting.bytes += pages.bytes.len();
            waiting.pieces.push_back(Piece::Pages(pages));
        }
        let bytes = waiting.bytes;
        drop(waiting);
        self.shared.vitals.snapshot_queued_bytes.store(bytes as u64, Relaxed);
        self.outbox.filled.notify_one();
        bytes
    }

    fn end(&mut self, state: &mut State) {
        state.end_snapshot();
        self.running = false;
        self.outbox.lock().pieces.push_back(Piece::End);
        self.outbox.filled.notify_one();
    }

    /// The last call: ends the running snapshot, and takes another one of the end if the plan says
    /// so.
    pub(crate) fn finish(mut self, state: &mut State) {
        self.outbox.lock().ending = true;
        self.outbox.filled.notify_one();
        self.drive(state);
        if self.shared.has_failed() || self.running {
            return;
        }
        if self.plan.at_stop && state.last_seq() > self.last_seq {
            let mut waiting = self.outbox.lock();
            while waiting.busy && !self.shared.has_failed() {
                let waited = self.outbox.emptied.wait_timeout(waiting, Duration::from_millis(100));
                waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            drop(waiting);
            if !self.shared.has_failed() {
                self.begin(state);
                self.drive(state);
            }
        }
    }

    fn drive(&mut self, state: &mut State) {
        while self.running && !self.shared.has_failed() && self.wait_for_room() {
            self.go_on(state);
            if self.running && self.outbox.lock().bytes >= QUEUE_SHORT_BYTES {
                std::thread::sleep(DURABLE_LOOK);
            }
        }
    }
}

impl Drop for Snapshotter {
    fn drop(&mut self) {
        let mut waiting = self.outbox.lock();
        waiting.closed = true;
        if self.running {
            // The end of it will not come.
            waiting.pieces.clear();
        }
        drop(waiting);
        self.outbox.filled.notify_one();
    }
}

impl SnapshotWriting {
    /// Runs until the deciding thread has ended and all it left is written.
    pub(crate) fn run(mut self) {
        while let Some(piece) = self.next() {
            let Piece::Begin(rest) = piece else { continue };
            let started = Instant::now();
            let written = self.write(&rest);
            let vitals = &self.shared.vitals;
            match written {
                Ok(Some(bytes)) => {
                    let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                    vitals.snapshot_seq.store(rest.last_seq(), Relaxed);
                    vitals.snapshot_bytes.store(bytes, Relaxed);
                    vitals.snapshot_ms.store(ms, Relaxed);
                    vitals.snapshots.fetch_add(1, Relaxed);
                    tracing::info!(seq = rest.last_seq(), bytes, ms, "a snapshot was taken");
                }
                Ok(None) => {}
                Err(error) => {
                    vitals.snapshots_failed.fetch_add(1, Relaxed);
                    tracing::warn!(%error, "a snapshot failed; the journal has everything, and the next one is tried in a minute");
                }
            }
            let failed = vitals.snapshot_seq.load(Relaxed) != rest.last_seq();
            let mut waiting = self.outbox.lock();
            waiting.busy = false;
            if failed {
                waiting.failed = true;
                waiting.bytes = 0;
                waiting.pieces.clear();
            }
            drop(waiting);
            self.outbox.emptied.notify_all();
        }
    }

    /// The next piece; None when none will come.
    fn next(&self) -> Option<Piece> {
        let mut waiting = self.outbox.lock();
        loop {
            if let Some(piece) = waiting.pieces.pop_front() {
                return Some(piece);
            }
            if waiting.closed {
                return None;
            }
            waiting = self.outbox.filled.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Writes one snapshot. `None` when the engine ended before it was whole.
    fn write(&mut self, rest: &Rest) -> Result<Option<u64>, SnapshotError> {
        let Store { snapshots, head, bytes_left, .. } = &mut self.store;
        (head.last_seq, head.time_ms) = (rest.last_seq(), rest.last_ms());
        // What a killed process left half-written takes space, and this one needs as much.
        snapshots.clear_unfinished()?;
        let encoded = rest.encode();
        let expected = rest.pages() * PAGE_BYTES as u64 + encoded.len() as u64;
        let mut writer = snapshots.create(head, expected, *bytes_left)?;
        for part in encoded.chunks(BLOCK_BYTES_MAX / 2) {
            writer.block(REST_TAG, &[part])?;
        }
        let pace = Pace::new(self.plan.bytes_per_s);
        loop {
            match self.next() {
                Some(Piece::Pages(pages)) => {
                    let Pages { table, first, bytes } = &pages;
                    writer.block((*table).into(), &[&first.to_le_bytes(), bytes])?;
                    let mut waiting = self.outbox.lock();
                    waiting.bytes -= bytes.len();
                    // With a long queue the engine would soon have to wait, which is worse.
                    let hurry = waiting.ending || waiting.bytes > self.plan.queue_bytes / 2;
                    drop(waiting);
                    self.outbox.emptied.notify_all();
                    if !hurry {
                        pace.wait(writer.written_bytes());
                    }
                }
                Some(Piece::End) => break,
                Some(Piece::Begin(_)) | None => return Ok(None),
            }
        }
        // What is not durable must not be in a snapshot: it may never have been.
        while self.shared.durable_seq() < rest.last_seq() {
            if self.shared.has_failed() {
                return Ok(None);
            }
            std::thread::sleep(DURABLE_LOOK);
        }
        let bytes = writer.finish()?;
        self.store.kept.admit(rest.last_seq())?;
        if let Err(error) = self.clear_away() {
            tracing::warn!(%error, "older snapshots and segments stay where they are");
        }
        Ok(Some(bytes))
    }

    /// The older of two snapshots needs all that follows it; what lies before goes.
    fn clear_away(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        if let Some(from_seq) = self.store.kept.clear_away()? {
            self.store.trim.truncate_before(from_seq)?;
        }
        Ok(())
    }
}

/// Keeps writing at a rate.
struct Pace {
    started: Instant,
    bytes_per_s: u64,
}

impl Pace {
    fn new(bytes_per_s: u64) -> Self {
        Self { started: Instant::now(), bytes_per_s: bytes_per_s.max(1) }
    }

    fn wait(&self, written_bytes: u64) {
        let due_ms = written_bytes.saturating_mul(1_000) / self.bytes_per_s;
        let due = self.started + Duration::from_millis(due_ms);
        let early = due.saturating_duration_since(Instant::now());
        if early > Duration::from_millis(1) {
            std::thread::sleep(early);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_the_pace_of_the_writing() {
        // 128 MiB a second are 33 pages a millisecond.
        assert_eq!(pages_due(1_000, 128 << 20), 65);
        assert_eq!(pages_due(5_000, 128 << 20), 327);
        assert_eq!(pages_due(1_000, 1 << 30), 512);
        // Neither none, nor so many that a batch waits for long.
        assert_eq!(pages_due(0, 128 << 20), 16);
        assert_eq!(pages_due(u64::MAX, u64::MAX), 512);
    }
}
