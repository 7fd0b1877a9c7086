//! The bounded queue between gates and the engine: one lane a priority, whole vectors at a time.
//!
//! The engine waits here for a reason to begin a batch: something waits and the journal has nothing
//! to do, or so much waits that deciding over it takes about as long as the sync under way. So a
//! slow disk makes batches larger, and never many small ones behind each other. A fast one would
//! make them small, and every batch costs its wakes, a write and a sync: where much arrives, the
//! engine therefore lets a moment pass before it begins (see `arrivals`), and where much waits
//! already, it takes more than it waits for.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use levee_api::intake::{Intake, OPEN};
use levee_api::port::{Ask, Failure, Origin, Priority};
use levee_api::vitals::Vitals;

use crate::lanes::{Handover, Lanes};

/// Vectors that are kept for gates to fill. What was asked stands in them until then: its memory came
/// from a gate's thread and goes back there, not on the thread that everyone waits for.
const SPENT_MAX: usize = 256;

struct Inside {
    lanes: Lanes,
    taking: Taking,
    /// The journal has nothing to do.
    idle: bool,
    /// It has nothing to do, but what arrives in a moment is waited for.
    gathering: bool,
    /// As many asks make a batch while it has; None while nobody waits here.
    wanted: Option<usize>,
    /// Whoever waits here wakes by itself when tokens make claims ready.
    timed: bool,
    spent: Vec<Vec<Ask>>,
}

/// What makes a batch.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    /// As many asks are a reason for one while the journal has something to do.
    pub(crate) enough: usize,
    /// About as many are taken where they wait.
    pub(crate) most: usize,
    /// How long an idle journal waits for more.
    pub(crate) gather: Duration,
    /// When the engine has a reason of its own.
    pub(crate) until: Instant,
}

/// Whether asks are taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taking {
    NotYet,
    Yes,
    NoMore,
}

impl Inside {
    fn is_enough(&self, wanted: usize) -> bool {
        let ready = self.lanes.ready();
        ready >= wanted || self.idle && ready > 0 && !self.gathering
    }

    /// Takes what waits, up to about the most that is wanted, if it is enough; says whether that was
    /// the end.
    fn take(
        &mut self,
        now: Instant,
        wanted: Wanted,
        taken: &mut VecDeque<Handover>,
        vitals: &Vitals,
    ) -> bool {
        let stopped = self.taking == Taking::NoMore;
        // Before anything is decided: a pause of the engine shows even if it was the only one.
        for priority in Priority::ALL {
            publish_oldest(&self.lanes, priority, now, vitals);
        }
        self.lanes.take_lapsed(now, taken);
        if stopped || self.is_enough(wanted.enough) {
            self.lanes.take(now, wanted.most, taken, &mut self.spent);
        }
        self.idle &= taken.is_empty();
        publish_counts(&self.lanes, vitals);
        stopped && self.lanes.is_empty() && taken.is_empty()
    }

    /// Whether whoever waits here has reason to look. Tokens are counted only by them: where claims
    /// came that may have to wait for tokens, they must know.
    fn wakes(&self) -> bool {
        self.wanted.is_some_and(|wanted| {
            let unknown = self.idle && !self.gathering && !self.timed && self.lanes.is_held();
            unknown || self.is_enough(wanted)
        })
    }
}

/// What waits for the engine.
pub(crate) struct Queue {
    inside: Mutex<Inside>,
    filled: Condvar,
    intake: Arc<Intake>,
}

impl Queue {
    /// Takes nothing before [`Self::open`], and then at most `capacity` asks at a time. Claims leave
    /// it no faster than the intake says.
    pub(crate) fn new(capacity: usize, intake: Arc<Intake>) -> Self {
        let inside = Inside {
            lanes: Lanes::new(capacity, Instant::now()),
            taking: Taking::NotYet,
            idle: true,
            gathering: false,
            wanted: None,
            timed: false,
            spent: Vec::new(),
        };
        Self { inside: Mutex::new(inside), filled: Condvar::new(), intake }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        // Nothing in here panics between two states; a poisoned lock still holds whole lanes.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what finds room out of `asks`, and leaves an empty vector where all did.
    pub(crate) fn push(
        &self,
        origin: Origin,
        priority: Priority,
        arrived: Instant,
        asks: &mut Vec<Ask>,
        vitals: &Vitals,
    ) -> Result<(), Failure> {
        let mut inside = self.lock();
        match inside.taking {
            Taking::NotYet => return Err(Failure::Recovering),
            Taking::NoMore => return Err(Failure::Stopping),
            Taking::Yes => {}
        }
        let taken = asks.len().min(inside.lanes.room(priority));
        let all_taken = taken == asks.len();
        if taken > 0 {
            let left = asks.split_off(taken);
            let left = if left.is_empty() { inside.spent.pop().unwrap_or(left) } else { left };
            let asks = std::mem::replace(asks, left);
            inside.lanes.push(Handover { origin, priority, arrived, waited_us: 0, asks });
            publish_counts(&inside.lanes, vitals);
            // Shows an engine that stands still, to which nobody else could tell.
            publish_oldest(&inside.lanes, priority, arrived, vitals);
        }
        let wake = inside.wakes();
        drop(inside);
        if wake {
            self.filled.notify_one();
        }
        if all_taken {
            asks.clear();
            Ok(())
        } else {
            vitals.overloaded.fetch_add(asks.len() as u64, Relaxed);
            Err(Failure::Overloaded)
        }
    }

    /// Waits until there is reason for a batch, the queue is stopped, or the engine has a reason of
    /// its own; where the reason is an idle journal, for the moment of gathering as well. Then takes
    /// what waits, up to about the most that is wanted, and in any case what may have lost its turn.
    /// Gives the vectors of `spent` back to gates. Says whether the queue is stopped and empty.
    pub(crate) fn take(
        &self,
        wanted: Wanted,
        taken: &mut VecDeque<Handover>,
        spent: &mut Vec<Vec<Ask>>,
        vitals: &Vitals,
    ) -> bool {
        let mut inside = self.lock();
        let room = SPENT_MAX.saturating_sub(inside.spent.len());
        inside.spent.extend(spent.drain(..room.min(spent.len())));
        let Wanted { enough, gather, until, .. } = wanted;
        let (mut inside, mut now) = self.wait(inside, enough, until);
        if !gather.is_zero() && inside.is_enough(enough) {
            inside.gathering = true;
            (inside, now) = self.wait(inside, enough, now + gather);
            inside.gathering = false;
        }
        let ended = inside.take(now, wanted, taken, vitals);
        drop(inside);
        // More than gates can use: freed here, but while nobody waits for the lock.
        spent.clear();
        ended
    }

    /// Without waiting: what goes before claims and browsing, up to `wanted` asks.
    pub(crate) fn take_urgent(
        &self,
        wanted: usize,
        taken: &mut VecDeque<Handover>,
        vitals: &Vitals,
    ) {
        let mut inside = self.lock();
        inside.lanes.take_urgent(wanted, taken);
        publish_counts(&inside.lanes, vitals);
    }

    /// Until there is reason for a batch, the queue is stopped, or `until`. Says when that was.
    fn wait<'q>(
        &'q self,
        mut inside: MutexGuard<'q, Inside>,
        wanted: usize,
        until: Instant,
    ) -> (MutexGuard<'q, Inside>, Instant) {
        loop {
            let now = Instant::now();
            let stopped = inside.taking == Taking::NoMore;
            // What was taken in is answered before the end, however much it is.
            inside.lanes.limit_claims(now, if stopped { 0 } else { self.intake.claims_per_s() });
            if stopped || now >= until || inside.is_enough(wanted) {
                return (inside, now);
            }
            let any = inside.idle && !inside.gathering;
            let ready_after = inside.lanes.ready_after(if any { None } else { Some(wanted) });
            let left = ready_after.map_or(until - now, |after| after.min(until - now));
            inside.timed = ready_after.is_some();
            inside.wanted = Some(wanted);
            let waited = self.filled.wait_timeout(inside, left);
            inside = waited.unwrap_or_else(PoisonError::into_inner).0;
            inside.wanted = None;
        }
    }

    /// Users wait to be let in.
    pub(crate) fn is_crowded(&self) -> bool {
        self.intake.watermark_us() != OPEN
    }

    /// The journal has nothing to do.
    pub(crate) fn set_idle(&self) {
        let mut inside = self.lock();
        inside.idle = true;
        // What was waited for while it had is not what is waited for now.
        inside.timed = false;
        let wake = inside.wakes();
        drop(inside);
        if wake {
            self.filled.notify_one();
        }
    }

    /// From now on asks are taken.
    pub(crate) fn open(&self) {
        let mut inside = self.lock();
        if inside.taking == Taking::NotYet {
            inside.taking = Taking::Yes;
        }
    }

    /// Takes no more; what is in it can still be taken out.
    pub(crate) fn stop(&self) {
        self.lock().taking = Taking::NoMore;
        self.filled.notify_all();
    }
}

fn publish_counts(lanes: &Lanes, vitals: &Vitals) {
    for (count, waiting) in lanes.counts().iter().zip(&vitals.waiting) {
        waiting.store(*count as u64, Relaxed);
    }
}

fn publish_oldest(lanes: &Lanes, priority: Priority, now: Instant, vitals: &Vitals) {
    vitals.oldest_us[priority as usize].store(lanes.oldest_us(priority, now), Relaxed);
}

#[cfg(test)]
mod tests {
    use levee_api::port::{AskBody, Query};

    use super::*;

    fn ask(ticket: u64) -> Ask {
        let query = Query::Campaigns { after: None, limit: 1 };
        Ask { ticket, within_ms: u32::MAX, body: AskBody::Query(Box::new(query)) }
    }

    /// So many asks in vectors of two, of which a batch that wants 3 to `most` takes `expected`.
    #[track_caller]
    fn check_taken(asks: u64, most: usize, idle: bool, expected: usize) {
        let (queue, vitals) = (Queue::new(100, Arc::default()), Vitals::default());
        queue.open();
        queue.lock().idle = idle;
        for _ in 0..asks / 2 {
            let mut two = vec![ask(0), ask(0)];
            let pushed = queue.push(Origin(0), Priority::Claim, Instant::now(), &mut two, &vitals);
            pushed.expect("room");
        }
        let (mut taken, until) = (VecDeque::new(), Instant::now());
        let wanted = Wanted { enough: 3, most, gather: Duration::ZERO, until };
        assert!(!queue.take(wanted, &mut taken, &mut Vec::new(), &vitals));
        let count = taken.iter().map(|handover| handover.asks.len()).sum::<usize>();
        assert_eq!(count, expected, "{asks} asks, most {most}, idle {idle}");
    }

    #[test]
    fn enough_begins_a_batch_and_the_most_bounds_it() {
        check_taken(2, 10, false, 0);
        check_taken(2, 10, true, 2);
        check_taken(4, 10, false, 4);
        check_taken(8, 10, false, 8);
        check_taken(20, 10, false, 10);
        check_taken(20, 10, true, 10);
        // Whole vectors.
        check_taken(20, 3, false, 4);
    }

    #[test]
    fn gathering_ends_when_enough_waits_or_the_queue_stops() {
        let hour = Duration::from_secs(3_600);
        for stopped in [false, true] {
            let (queue, vitals) = (Queue::new(10, Arc::default()), Vitals::default());
            queue.open();
            let push = |count: u64| {
                let mut asks = (0..count).map(ask).collect();
                queue.push(Origin(0), Priority::Claim, Instant::now(), &mut asks, &vitals)
            };
            push(1).expect("room");
            let mut taken = VecDeque::new();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let until = Instant::now() + hour;
                    let wanted = Wanted { enough: 4, most: 4, gather: hour, until };
                    queue.take(wanted, &mut taken, &mut Vec::new(), &vitals)
                });
                // Only what comes while it gathers shows when it stops gathering.
                while !queue.lock().gathering {
                    std::thread::yield_now();
                }
                push(1).expect("room");
                if stopped {
                    queue.stop();
                } else {
                    push(2).expect("room");
                }
            });
            let asks = taken.iter().map(|handover| handover.asks.len()).sum::<usize>();
            assert_eq!(asks, if stopped { 2 } else { 4 });
        }
    }
}
