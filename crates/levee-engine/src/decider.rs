//! The thread that decides.
//!
//! The channel to the other thread is the window of batches in flight: while one record is being
//! synced, the next is being decided, and when the window is full this thread waits, so that a slow
//! disk makes batches larger instead of the queue deeper.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

use levee_api::port::{Ask, Priority};
use levee_api::vitals::{Histogram, Vitals};
use levee_core::types::{Command, Tick};
use levee_core::{Chunk, State};
use levee_journal::Room;

use crate::arrivals::Arrivals;
use crate::lanes::Handover;
use crate::queue::Wanted;
use crate::sequencer::{Batch, Broken, Sequencer};
use crate::shared::Shared;
use crate::snapshots::Snapshotter;
use crate::ticker::Ticker;
use crate::{Clock, Fault, quarantine};

/// Least and most asks that a batch waits for while a sync is under way. In between it is as many
/// as can be decided during a sync: fewer would leave the disk idle, more would only wait longer.
const BATCH_MIN: usize = 512;
const BATCH_MAX: usize = 1 << 16;

/// Where more waits than that, a batch takes what can be decided in about this time: every batch
/// costs its wakes, a write and a sync, and what is urgent waits for the rest of it. And no more than
/// so many times what is enough, because what waits may cost more than what was decided lately.
const BATCH_NS: u64 = 500_000;
const BATCH_TIMES: usize = 4;

/// Fewer asks do not tell what one costs: the batch's own cost is in it. They tell when it is more
/// than was thought.
const TELLING: usize = 64;

/// What an ask costs to decide, in nanoseconds, before it has been measured.
const ASK_NS_GUESSED: u64 = 150;

/// Most things that one tick lets expire.
const TICK_LIMIT: u32 = 4_096;

/// Memory that tables may grow into during one batch, in chunks.
const CHUNKS_MIN: usize = 8;

/// How long an idle engine waits before it copies further pages of a running snapshot.
const SWEEP_PAUSE: Duration = Duration::from_millis(1);

/// A larger step of the clock needs `--accept-time`.
pub(crate) const JUMP_MS_MAX: u64 = 24 * 3_600_000;

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
    /// Memory made ready by another thread.
    pub(crate) chunks: Receiver<Chunk>,
    pub(crate) snapshots: Snapshotter,
}

/// What was taken out of the queue and is not decided yet.
#[derive(Default)]
struct Taken {
    handovers: VecDeque<Handover>,
    /// Vectors that are through, to be emptied by a gate and filled again.
    spent: Vec<Vec<Ask>>,
}

impl Taken {
    fn is_empty(&self) -> bool {
        self.handovers.is_empty()
    }

    /// A batch begins.
    fn set_waited(&mut self, now: Instant) {
        for handover in &mut self.handovers {
            handover.set_waited(now);
        }
    }

    /// So many asks are decided.
    fn advance(&mut self, decided: usize) {
        let mut left = decided;
        while let Some(first) = self.handovers.front()
            && first.asks.len() <= left
        {
            left -= first.asks.len();
            if let Some(Handover { asks, .. }) = self.handovers.pop_front() {
                self.spent.push(asks);
            }
        }
        if let Some(first) = self.handovers.front_mut() {
            first.asks.drain(..left);
        }
    }
}

impl<C: Clock> Decider<C> {
    /// Runs until the queue is stopped and empty, or a fault.
    pub(crate) fn run(mut self) {
        let mut taken = Taken::default();
        let mut delays = Delays::default();
        let (mut arrivals, mut taken_at) = (Arrivals::default(), Instant::now());
        let mut ask_ns = ASK_NS_GUESSED;
        let mut ticker = Ticker::new(Instant::now());
        let mut last_clock_ms = self.clock.now_ms();
        let mut storage_full = false;
        loop {
            // Commands of the engine's own do not wait for anyone, if there is room for them.
            if taken.is_empty() && (self.first.is_empty() || storage_full) {
                let mut until = ticker.wake_at(storage_full);
                if self.snapshots.is_running() {
                    until = until.min(Instant::now() + SWEEP_PAUSE);
                }
                let wanted =
                    self.wanted(ask_ns, arrivals.gather(self.shared.queue.is_crowded()), until);
                let Taken { handovers, spent, .. } = &mut taken;
                let (queue, vitals) = (&self.shared.queue, &self.shared.vitals);
                if queue.take(wanted, handovers, spent, vitals) {
                    return self.snapshots.finish(self.sequencer.state_mut());
                }
                let count = |handover: &Handover| handover.asks.len();
                let is_claims = |handover: &&Handover| handover.priority == Priority::Claim;
                let asks = handovers.iter().map(count).sum();
                let claims = handovers.iter().filter(is_claims).map(count).sum();
                let now = Instant::now();
                arrivals.note(asks, claims, now - std::mem::replace(&mut taken_at, now));
            } else if !taken.is_empty() {
                // Left over when a record was full: what is urgent still goes before.
                let vitals = &self.shared.vitals;
                self.shared.queue.take_urgent(BATCH_MAX, &mut taken.handovers, vitals);
                taken.handovers.make_contiguous().sort_by_key(|handover| handover.priority);
            }
            // Before the clock is read: what is decided afterwards is decided at that time.
            if !self.snapshots.wait_for_room() {
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
            if own.is_empty() && taken.is_empty() {
                self.snapshots.go_on(self.sequencer.state_mut());
                continue;
            }
            give_chunks(&self.chunks, self.sequencer.state_mut());
            let mut batch = self.recycled.try_recv().unwrap_or_default();
            taken.set_waited(now);
            let step =
                self.sequencer.step(clock_ms, storage_full, &own, &taken.handovers, &mut batch);
            let decided = match step {
                Ok(decided) => decided,
                Err(broken) => return self.shared.fail(keep(&self.shared.data, *broken)),
            };
            delays.note(&taken.handovers, decided);
            taken.advance(decided);
            delays.publish(&self.shared.vitals);
            let expired: u64 = batch.tally.expired.iter().sum();
            if decided >= TELLING && expired == 0 {
                let ns = u64::try_from(now.elapsed().as_nanos()).unwrap_or(u64::MAX);
                let each_ns = ns / decided as u64;
                if decided >= BATCH_MIN || each_ns > ask_ns {
                    ask_ns = (ask_ns * 7 + each_ns) / 8;
                }
            }
            // A tick follows what was journaled; questions and refusals leave nothing to follow.
            ticker.touched |= batch.count as usize > own.len();
            if self.to_log.send(batch).is_err() {
                // The other thread has said why.
                return;
            }
            self.snapshots.go_on(self.sequencer.state_mut());
        }
    }

    /// As many asks are enough as can be decided while a record is written and synced.
    fn wanted(&self, ask_ns: u64, gather: Duration, until: Instant) -> Wanted {
        let asks_in = |ns: u64| {
            let asks = usize::try_from(ns / ask_ns.max(1)).unwrap_or(BATCH_MAX);
            asks.clamp(BATCH_MIN, BATCH_MAX)
        };
        let sync_ns = self.shared.sync_ns.load(Relaxed);
        let enough = asks_in(sync_ns);
        let most = asks_in(sync_ns.max(BATCH_NS)).min(enough * BATCH_TIMES);
        Wanted { enough, most, gather, until }
    }
}

fn give_chunks(ready: &Receiver<Chunk>, state: &mut State) {
    while state.spare_chunks() < CHUNKS_MIN
        && let Ok(chunk) = ready.try_recv()
    {
        state.give_chunk(chunk);
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

/// How long the asks of one batch waited, by lane; added to the vitals once a batch.
#[derive(Default)]
struct Delays {
    lanes: [Delay; Priority::COUNT],
}

#[derive(Default)]
struct Delay {
    counts: [u64; Histogram::LEN],
    sum_us: u64,
}

impl Delays {
    fn note(&mut self, handovers: &VecDeque<Handover>, mut decided: usize) {
        for handover in handovers {
            let count = decided.min(handover.asks.len());
            if count == 0 {
                break;
            }
            decided -= count;
            let (us, count) = (handover.waited_us, count as u64);
            let delay = &mut self.lanes[handover.priority as usize];
            delay.counts[Histogram::bucket(us)] += count;
            delay.sum_us = delay.sum_us.saturating_add(us.saturating_mul(count));
        }
    }

    fn publish(&mut self, vitals: &Vitals) {
        for (delay, histogram) in self.lanes.iter_mut().zip(&vitals.queue_delay) {
            if delay.counts.iter().any(|count| *count > 0) {
                histogram.add_all(&delay.counts, delay.sum_us);
                *delay = Delay::default();
            }
        }
    }
}
