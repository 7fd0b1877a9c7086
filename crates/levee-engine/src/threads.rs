//! The engine's two threads: one decides, the other makes durable and lets know.
//!
//! The channel between them is the window of batches in flight: while one record is being synced,
//! the next is being decided, and when the window is full the first thread waits, so that a slow
//! disk makes batches larger instead of the queue deeper.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use levee_api::port::{Deliver, Priority};
use levee_api::vitals::{Histogram, Phase, Vitals};
use levee_core::types::{Command, Tick};
use levee_journal::{AppendError, Log, Room};

use crate::queue::Queue;
use crate::sequencer::{Batch, Broken, Queued, Sequencer};
use crate::{Clock, Fault, quarantine};

/// Most asks of one batch. Batches are as large as what waits, up to this.
const ASKS_MAX: usize = 4_096;

/// Most things that one tick lets expire.
const TICK_LIMIT: u32 = 4_096;

/// A tick follows the last batch after this time, so that the last acknowledged record is soon not
/// the last record.
const TICK_AFTER: Duration = Duration::from_millis(500);

/// Ticks of an idle engine.
const TICK_IDLE: Duration = Duration::from_secs(60);

/// What is due is looked for this often; what uses it knows by itself that it is due.
const DUE_LOOK: Duration = Duration::from_millis(100);

/// A larger step of the clock needs `--accept-time`.
pub(crate) const JUMP_MS_MAX: u64 = 24 * 3_600_000;

/// What both threads share with the handle.
pub(crate) struct Shared {
    pub(crate) queue: Queue,
    pub(crate) vitals: Vitals,
    pub(crate) delivers: Mutex<Vec<Arc<dyn Deliver>>>,
    pub(crate) fault: Mutex<Option<Fault>>,
    /// Where broken commands are left.
    pub(crate) data: PathBuf,
}

impl Shared {
    /// Stops taking asks; the first fault is the one that is told.
    pub(crate) fn fail(&self, fault: Fault) {
        tracing::error!("{fault}");
        self.vitals.set_phase(Phase::Failed);
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
        self.queue.stop();
    }
}

/// The thread that decides.
pub(crate) struct Decider<C> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) clock: C,
    pub(crate) accept_time: bool,
    pub(crate) sequencer: Sequencer,
    pub(crate) room: Room,
    /// Largest record in bytes, and how many must always fit.
    pub(crate) record_bytes_max: u64,
    pub(crate) records_reserved: u64,
    /// Commands of the engine's own for the first batch.
    pub(crate) first: Vec<Command>,
    pub(crate) to_log: SyncSender<Batch>,
    pub(crate) recycled: Receiver<Batch>,
}

/// When to tick.
struct Ticker {
    /// Something was decided after the last tick.
    touched: bool,
    last: Instant,
    next_look: Instant,
}

impl<C: Clock> Decider<C> {
    /// Runs until the queue is stopped and empty, or a fault.
    pub(crate) fn run(mut self) {
        let mut asks: Vec<Queued> = Vec::with_capacity(ASKS_MAX);
        let mut delays = Delays::default();
        let now = Instant::now();
        let mut ticker = Ticker { touched: true, last: now, next_look: now };
        let mut last_clock_ms = self.clock.now_ms();
        let mut storage_full = false;
        loop {
            // Commands of the engine's own do not wait for anyone, if there is room for them.
            let ended = if asks.is_empty() && (self.first.is_empty() || storage_full) {
                let until = ticker.wake_at(storage_full);
                self.shared.queue.take(ASKS_MAX, until, &mut asks, &self.shared.vitals)
            } else {
                false
            };
            if ended {
                return;
            }
            let clock_ms = self.clock.now_ms();
            let jump_ms = clock_ms.saturating_sub(last_clock_ms);
            if jump_ms > jump_ms_max(&self.clock) && !self.accept_time {
                return self.shared.fail(Fault::ClockJump { hours: jump_ms / 3_600_000 });
            }
            last_clock_ms = clock_ms;

            let reserved = self.record_bytes_max * self.records_reserved;
            storage_full = !self.room.can_take(reserved, self.record_bytes_max);
            self.shared.vitals.room_bytes.store(self.room.bytes(self.record_bytes_max), Relaxed);
            let now = Instant::now();
            let mut own = Vec::new();
            if !storage_full {
                own = std::mem::take(&mut self.first);
                let next_due_ms = || self.sequencer.state().next_due_ms();
                if own.is_empty() && ticker.due(now, next_due_ms, clock_ms) {
                    own.push(Command::Tick(Tick { limit: TICK_LIMIT }));
                }
            }
            if own.is_empty() && asks.is_empty() {
                continue;
            }
            let mut batch = self.recycled.try_recv().unwrap_or_default();
            let step = self.sequencer.step(clock_ms, storage_full, &own, &asks, &mut batch);
            let decided = match step {
                Ok(decided) => decided,
                Err(broken) => return self.shared.fail(keep(&self.shared.data, *broken)),
            };
            delays.note(now, &asks[..decided]);
            asks.drain(..decided);
            delays.publish(&self.shared.vitals);
            // A tick follows what was journaled; questions and refusals leave nothing to follow.
            ticker.touched |= batch.count as usize > own.len();
            if self.to_log.send(batch).is_err() {
                // The other thread has said why.
                return;
            }
        }
    }
}

/// Leaves a command that broke an invariant for those who mend it.
fn keep(data: &Path, broken: Broken) -> Fault {
    let Broken { seq, command, message } = broken;
    let kept = quarantine::keep(data, &command, &message);
    let kept =
        kept.map_or_else(|error| format!("no file ({error})"), |path| path.display().to_string());
    Fault::Invariant { seq, message, kept }
}

/// A clock that runs faster is allowed to step further.
fn jump_ms_max(clock: &impl Clock) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a bound, not a time; casts saturate"
    )]
    let scaled = (JUMP_MS_MAX as f64 * clock.speed()) as u64;
    scaled.max(JUMP_MS_MAX)
}

impl Ticker {
    /// When to look again if nobody asks. Without room there are no ticks, and room may come.
    fn wake_at(&self, storage_full: bool) -> Instant {
        if storage_full {
            return Instant::now() + DUE_LOOK;
        }
        let regular = self.last + if self.touched { TICK_AFTER } else { TICK_IDLE };
        regular.min(self.next_look.max(self.last + DUE_LOOK))
    }

    /// Whether to tick now.
    fn due(
        &mut self,
        now: Instant,
        next_due_ms: impl FnOnce() -> Option<u64>,
        clock_ms: u64,
    ) -> bool {
        let regular = self.last + if self.touched { TICK_AFTER } else { TICK_IDLE };
        let mut due = now >= regular;
        if !due && now >= self.next_look {
            self.next_look = now + DUE_LOOK;
            due = next_due_ms().is_some_and(|due_ms| due_ms <= clock_ms);
        }
        if due {
            // What is decided together with the tick touches again.
            self.touched = false;
            self.last = now;
        }
        due
    }
}

/// How long the asks of one batch waited, by lane; added to the vitals once a batch.
#[derive(Default)]
struct Delays {
    counts: [[u64; Histogram::LEN]; Priority::COUNT],
}

impl Delays {
    fn note(&mut self, now: Instant, asks: &[Queued]) {
        for queued in asks {
            let waited = now.saturating_duration_since(queued.ask.arrived);
            let us = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
            let bucket = (u64::BITS - us.leading_zeros()) as usize;
            self.counts[queued.ask.priority as usize][bucket.min(Histogram::LEN - 1)] += 1;
        }
    }

    fn publish(&mut self, vitals: &Vitals) {
        for (counts, histogram) in self.counts.iter_mut().zip(&vitals.queue_delay) {
            for (bucket, count) in counts.iter_mut().enumerate().filter(|(_, count)| **count > 0) {
                histogram.add((1_u64 << bucket) >> 1, std::mem::take(count));
            }
        }
    }
}

/// The thread that makes durable and lets know.
pub(crate) struct Finisher<L> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) log: L,
    pub(crate) batches: Receiver<Batch>,
    pub(crate) recycle: Sender<Batch>,
    /// Journal time so far.
    pub(crate) last_ms: u64,
}

impl<L: Log> Finisher<L> {
    /// Runs until the other thread has ended; then closes the journal, unless there was a fault.
    pub(crate) fn run(mut self) {
        let mut delivers = Vec::new();
        while let Ok(mut batch) = self.batches.recv() {
            if let Err(fault) = self.append(&mut batch) {
                // Nothing of this batch, nor of any that follows, is ever told to anyone.
                return self.shared.fail(fault);
            }
            self.last_ms = batch.time_ms;
            self.tally(&batch);
            for (origin, replies) in batch.replies.drain(..) {
                let place = origin.0 as usize;
                if place >= delivers.len() {
                    delivers = self.delivers();
                }
                if let Some(deliver) = delivers.get(place) {
                    deliver.deliver(replies);
                }
            }
            // When the other thread is gone, the batch's memory goes with it.
            let _ = self.recycle.send(batch);
        }
        if self.shared.fault.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            return;
        }
        match self.log.close(self.last_ms) {
            Ok(()) => {}
            // Everything that was acknowledged is there; only the mark of an orderly end is not.
            Err(error @ AppendError::Full { .. }) => tracing::warn!("{error}"),
            Err(error) => self.shared.fail(error.into()),
        }
    }

    fn delivers(&self) -> Vec<Arc<dyn Deliver>> {
        self.shared.delivers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn append(&mut self, batch: &mut Batch) -> Result<(), Fault> {
        if batch.count == 0 {
            return Ok(());
        }
        let started = Instant::now();
        let durable_seq = self.log.append(batch.head(), &mut batch.payload)?;
        let us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let vitals = &self.shared.vitals;
        vitals.sync_time.add(us, 1);
        vitals.records.fetch_add(1, Relaxed);
        vitals.journal_bytes.fetch_add(batch.payload.record_bytes(), Relaxed);
        vitals.journal_ms.store(batch.time_ms, Relaxed);
        vitals.durable_seq.store(durable_seq, Relaxed);
        Ok(())
    }

    fn tally(&self, batch: &Batch) {
        let vitals = &self.shared.vitals;
        let tally = batch.tally;
        for (counter, count) in [
            (&vitals.done, tally.done),
            (&vitals.repeated, tally.repeated),
            (&vitals.refused, tally.refused),
            (&vitals.answered, tally.answered),
            (&vitals.storage_full, tally.storage_full),
        ] {
            if count > 0 {
                counter.fetch_add(count, Relaxed);
            }
        }
    }
}
