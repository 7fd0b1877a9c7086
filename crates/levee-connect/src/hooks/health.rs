//! Whether a receiver takes anything at all. One that takes nothing is tried by one event at a time,
//! later and later, however many events wait for it; pure.

use std::collections::BTreeSet;
use std::time::Duration;

use levee_api::types::EventNo;
use tokio::time::Instant;

use super::receiver::pause;

/// So many different events must have failed with none taken between. One event that its receiver
/// cannot take delays no other one.
const DOWN_AFTER: usize = 3;

/// Longest pause between two tries of a receiver that takes nothing: so late is it known to be back.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// What became of the last tries.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// Events that have failed since one was taken; no more than make it down.
    failed: BTreeSet<EventNo>,
    /// How often it was tried since it is down, and when it is tried again.
    down: Option<(u32, Instant)>,
}

impl Health {
    /// It takes events.
    pub(super) fn taken(&mut self) {
        *self = Self::default();
    }

    /// An event has failed. `drawn` is from 0 to 1.
    pub(super) fn failed(&mut self, event: EventNo, now: Instant, drawn: f64) {
        if self.failed.len() < DOWN_AFTER {
            self.failed.insert(event);
        }
        let tries = match self.down {
            // It was under way when the last pause began.
            Some((_, again_at)) if now < again_at => return,
            Some((tries, _)) => tries + 1,
            None if self.failed.len() >= DOWN_AFTER => 1,
            None => return,
        };
        self.down = Some((tries, now + pause(tries, drawn).min(PAUSE_MAX)));
    }

    /// When it may be tried by one event again; `None` while it takes events.
    pub(super) fn again_at(&self) -> Option<Instant> {
        self.down.map(|(_, again_at)| again_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `+N` an event is taken, `-N` one fails, after so many seconds; then how long it is left alone.
    #[track_caller]
    fn check(steps: &[(u64, i64)], expected_s: Option<u64>) {
        let began = Instant::now();
        let (mut health, mut now) = (Health::default(), began);
        for (after_s, event) in steps {
            now += Duration::from_secs(*after_s);
            match event {
                1.. => health.taken(),
                _ => health.failed(EventNo { seq: event.unsigned_abs(), index: 0 }, now, 1.0),
            }
        }
        let left = health.again_at().map(|at| at.saturating_duration_since(now).as_secs());
        assert_eq!(left, expected_s, "{steps:?}");
    }

    #[test]
    fn three_events_in_a_row_make_it_down_and_one_brings_it_back() {
        check(&[(0, -1), (1, -1), (2, -1), (4, -1)], None);
        check(&[(0, -1), (0, -2), (0, 3), (0, -4), (0, -5)], None);
        check(&[(0, -1), (0, -2), (0, -3)], Some(1));
        // Others were under way: they count once.
        check(&[(0, -1), (0, -2), (0, -3), (0, -4), (0, -5)], Some(1));
        check(&[(0, -1), (0, -2), (0, -3), (1, -4)], Some(2));
        check(&[(0, -1), (0, -2), (0, -3), (1, -4), (2, -1)], Some(4));
        check(&[(0, -1), (0, -2), (0, -3), (1, 4)], None);
        let day = [[(0, -1), (0, -2), (0, -3)].as_slice(), &[(60, -4); 50]].concat();
        check(&day, Some(60));
    }
}
