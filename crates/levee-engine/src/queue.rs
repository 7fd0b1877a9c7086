//! The bounded queue between gates and the engine: one lane a priority, whole vectors at a time.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Instant;

use levee_api::port::{Ask, Failure, Origin, Priority};
use levee_api::vitals::Vitals;

use crate::sequencer::Queued;

struct Lanes {
    lanes: [VecDeque<Queued>; Priority::COUNT],
    len: usize,
    stopping: bool,
}

/// What waits for the engine.
pub(crate) struct Queue {
    lanes: Mutex<Lanes>,
    filled: Condvar,
    capacity: usize,
}

impl Queue {
    /// Takes at most `capacity` asks at a time.
    pub(crate) fn new(capacity: usize) -> Self {
        let lanes =
            Lanes { lanes: std::array::from_fn(|_| VecDeque::new()), len: 0, stopping: false };
        Self { lanes: Mutex::new(lanes), filled: Condvar::new(), capacity }
    }

    fn lock(&self) -> MutexGuard<'_, Lanes> {
        // Nothing in here panics between two states; a poisoned lock still holds whole lanes.
        self.lanes.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Takes what finds room out of `asks`.
    pub(crate) fn push(
        &self,
        origin: Origin,
        asks: &mut Vec<Ask>,
        vitals: &Vitals,
    ) -> Result<(), Failure> {
        let mut lanes = self.lock();
        if lanes.stopping {
            return Err(Failure::Stopping);
        }
        let taken = asks.len().min(self.capacity - lanes.len);
        lanes.len += taken;
        for ask in asks.drain(..taken) {
            lanes.lanes[ask.priority as usize].push_back(Queued { origin, ask });
        }
        publish(&lanes, vitals);
        drop(lanes);
        self.filled.notify_one();
        if asks.is_empty() {
            Ok(())
        } else {
            vitals.overloaded.fetch_add(asks.len() as u64, Relaxed);
            Err(Failure::Overloaded)
        }
    }

    /// Waits until something waits, the queue is stopped, or `until`; then takes up to `limit`,
    /// first priority first. Says whether the queue is stopped and empty.
    pub(crate) fn take(
        &self,
        limit: usize,
        until: Instant,
        taken: &mut Vec<Queued>,
        vitals: &Vitals,
    ) -> bool {
        let mut lanes = self.lock();
        while lanes.len == 0 && !lanes.stopping {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.filled.wait_timeout(lanes, left);
            lanes = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
        let mut room = limit;
        for lane in &mut lanes.lanes {
            let from_lane = room.min(lane.len());
            taken.extend(lane.drain(..from_lane));
            room -= from_lane;
        }
        lanes.len -= limit - room;
        publish(&lanes, vitals);
        lanes.stopping && lanes.len == 0 && taken.is_empty()
    }

    /// Takes no more; what is in it can still be taken out.
    pub(crate) fn stop(&self) {
        self.lock().stopping = true;
        self.filled.notify_all();
    }
}

fn publish(lanes: &Lanes, vitals: &Vitals) {
    for (lane, waiting) in lanes.lanes.iter().zip(&vitals.waiting) {
        waiting.store(lane.len() as u64, Relaxed);
    }
}
