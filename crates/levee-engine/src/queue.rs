//! The bounded queue between gates and the engine: one lane a priority, whole vectors at a time.
//!
//! The engine waits here for a reason to begin a batch: something waits and the journal has nothing
//! to do, or so much waits that deciding over it takes about as long as the sync under way. So a
//! slow disk makes batches larger, and never many small ones behind each other. A fast one would
//! make them small, and every batch costs its wakes, a write and a sync: where much arrives, the
//! engine therefore lets a moment pass before it begins (see `arrivals`).

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use levee_api::port::{Ask, Failure, Origin, Priority};
use levee_api::vitals::Vitals;

/// Empty vectors that are kept for gates to fill.
const SPENT_MAX: usize = 64;

/// Asks of one origin and one lane.
#[derive(Debug)]
pub struct Handover {
    /// Who waits for the replies.
    pub origin: Origin,
    /// From which lane.
    pub priority: Priority,
    /// When the first of them arrived.
    pub arrived: Instant,
    /// What is asked.
    pub asks: Vec<Ask>,
}

struct Lanes {
    lanes: [VecDeque<Handover>; Priority::COUNT],
    counts: [usize; Priority::COUNT],
    /// Sum of the counts.
    len: usize,
    taking: Taking,
    /// The journal has nothing to do.
    idle: bool,
    /// It has nothing to do, but what arrives in a moment is waited for.
    gathering: bool,
    /// As many asks make a batch while it has; None while nobody waits here.
    wanted: Option<usize>,
    spent: Vec<Vec<Ask>>,
}

/// Whether asks are taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taking {
    NotYet,
    Yes,
    NoMore,
}

impl Lanes {
    fn is_enough(&self, wanted: usize) -> bool {
        self.len >= wanted || self.idle && self.len > 0 && !self.gathering
    }
}

/// What waits for the engine.
pub(crate) struct Queue {
    lanes: Mutex<Lanes>,
    filled: Condvar,
    capacity: usize,
}

impl Queue {
    /// Takes nothing before [`Self::open`], and then at most `capacity` asks at a time.
    pub(crate) fn new(capacity: usize) -> Self {
        let lanes = Lanes {
            lanes: std::array::from_fn(|_| VecDeque::new()),
            counts: [0; Priority::COUNT],
            len: 0,
            taking: Taking::NotYet,
            idle: true,
            gathering: false,
            wanted: None,
            spent: Vec::new(),
        };
        Self { lanes: Mutex::new(lanes), filled: Condvar::new(), capacity }
    }

    fn lock(&self) -> MutexGuard<'_, Lanes> {
        // Nothing in here panics between two states; a poisoned lock still holds whole lanes.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut lanes = self.lock();
        match lanes.taking {
            Taking::NotYet => return Err(Failure::Recovering),
            Taking::NoMore => return Err(Failure::Stopping),
            Taking::Yes => {}
        }
        let taken = asks.len().min(self.capacity - lanes.len);
        if taken > 0 {
            let left = asks.split_off(taken);
            let left = if left.is_empty() { lanes.spent.pop().unwrap_or(left) } else { left };
            let asks = std::mem::replace(asks, left);
            lanes.len += taken;
            lanes.counts[priority as usize] += taken;
            lanes.lanes[priority as usize].push_back(Handover { origin, priority, arrived, asks });
            publish(&lanes, vitals);
        }
        let wake = lanes.wanted.is_some_and(|wanted| lanes.is_enough(wanted));
        drop(lanes);
        if wake {
            self.filled.notify_one();
        }
        if asks.is_empty() {
            Ok(())
        } else {
            vitals.overloaded.fetch_add(asks.len() as u64, Relaxed);
            Err(Failure::Overloaded)
        }
    }

    /// Waits until there is reason for a batch, the queue is stopped, or `until`; where the reason
    /// is an idle journal, for as long as `gather` says as well. Then takes whole vectors, first
    /// priority first, until they hold `wanted` asks. Gives the vectors of `spent` back to gates.
    /// Says whether the queue is stopped and empty.
    pub(crate) fn take(
        &self,
        wanted: usize,
        gather: Duration,
        until: Instant,
        taken: &mut VecDeque<Handover>,
        spent: &mut Vec<Vec<Ask>>,
        vitals: &Vitals,
    ) -> bool {
        let mut lanes = self.lock();
        let room = SPENT_MAX.saturating_sub(lanes.spent.len());
        lanes.spent.extend(spent.drain(..).take(room));
        lanes = self.wait(lanes, wanted, until);
        if !gather.is_zero() && lanes.is_enough(wanted) {
            lanes.gathering = true;
            lanes = self.wait(lanes, wanted, Instant::now() + gather);
            lanes.gathering = false;
        }
        if !lanes.is_enough(wanted) && lanes.taking != Taking::NoMore {
            return false;
        }
        let lanes = &mut *lanes;
        let mut count = 0;
        for (lane, waiting) in lanes.lanes.iter_mut().zip(&mut lanes.counts) {
            while count < wanted
                && let Some(handover) = lane.pop_front()
            {
                count += handover.asks.len();
                *waiting -= handover.asks.len();
                taken.push_back(handover);
            }
        }
        lanes.len -= count;
        lanes.idle &= count == 0;
        publish(lanes, vitals);
        lanes.taking == Taking::NoMore && lanes.len == 0 && taken.is_empty()
    }

    /// Until there is reason for a batch, the queue is stopped, or `until`.
    fn wait<'q>(
        &'q self,
        mut lanes: MutexGuard<'q, Lanes>,
        wanted: usize,
        until: Instant,
    ) -> MutexGuard<'q, Lanes> {
        while !lanes.is_enough(wanted) && lanes.taking != Taking::NoMore {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            lanes.wanted = Some(wanted);
            let waited = self.filled.wait_timeout(lanes, left);
            lanes = waited.unwrap_or_else(PoisonError::into_inner).0;
            lanes.wanted = None;
        }
        lanes
    }

    /// The journal has nothing to do.
    pub(crate) fn set_idle(&self) {
        let mut lanes = self.lock();
        lanes.idle = true;
        let wake = lanes.wanted.is_some_and(|wanted| lanes.is_enough(wanted));
        drop(lanes);
        if wake {
            self.filled.notify_one();
        }
    }

    /// From now on asks are taken.
    pub(crate) fn open(&self) {
        let mut lanes = self.lock();
        if lanes.taking == Taking::NotYet {
            lanes.taking = Taking::Yes;
        }
    }

    /// Takes no more; what is in it can still be taken out.
    pub(crate) fn stop(&self) {
        self.lock().taking = Taking::NoMore;
        self.filled.notify_all();
    }
}

fn publish(lanes: &Lanes, vitals: &Vitals) {
    for (count, waiting) in lanes.counts.iter().zip(&vitals.waiting) {
        waiting.store(*count as u64, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use levee_api::port::{AskBody, Query};

    use super::*;

    #[test]
    fn gathering_ends_when_enough_waits_or_the_queue_stops() {
        let hour = Duration::from_secs(3_600);
        for stopped in [false, true] {
            let (queue, vitals) = (Queue::new(10), Vitals::default());
            queue.open();
            let push = |count: u64| {
                let query = Query::Campaigns { after: None, limit: 1 };
                let ask = |ticket| Ask {
                    ticket,
                    within_ms: u32::MAX,
                    body: AskBody::Query(query.clone()),
                };
                let mut asks = (0..count).map(ask).collect();
                queue.push(Origin(0), Priority::Claim, Instant::now(), &mut asks, &vitals)
            };
            push(1).expect("room");
            let mut taken = VecDeque::new();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let until = Instant::now() + hour;
                    queue.take(4, hour, until, &mut taken, &mut Vec::new(), &vitals)
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
