//! Whether an event loop that has nothing left to do lets a moment pass before it looks again.
//!
//! A loop that looks at once is woken by nearly every request, and the wake costs more than the
//! request: the sender pays for it, whoever runs on the woken thread's processor is put off, and
//! where processors are scarce every send ends in a change of threads. Then answers are late, more
//! requests are due at once, and a load that fits the machine no longer does. Cards for networks
//! hold interrupts back in the same way and for the same reason (interrupt coalescing). Where
//! requests are few, nobody waits; where they are dense, each waits for up to two such moments, and a
//! few dozen clients that all wait for their replies get a tenth fewer through.

use std::time::{Duration, Instant};

/// How long the moment is; the system's timers add their slack of 50 us.
const MOMENT: Duration = Duration::from_micros(100);

/// So many requests a millisecond must begin on one worker: the moment then brings about one.
const DENSE_PER_MS: u128 = 8;

/// Over which time requests are counted, at the least.
const SPAN: Duration = Duration::from_millis(1);

/// How densely requests came lately.
#[derive(Debug)]
pub(crate) struct Coalescing {
    since: Instant,
    begun: u64,
    dense: bool,
}

impl Coalescing {
    pub(crate) fn new(now: Instant) -> Self {
        Self { since: now, begun: 0, dense: false }
    }

    /// The loop has nothing to do, and so many requests have begun on it ever: how long it pauses.
    pub(crate) fn pause(&mut self, now: Instant, begun: u64) -> Duration {
        let span = now.saturating_duration_since(self.since);
        if span >= SPAN {
            let came = u128::from(begun.wrapping_sub(self.begun));
            self.dense = came * SPAN.as_nanos() >= DENSE_PER_MS * span.as_nanos();
            (self.since, self.begun) = (now, begun);
        }
        if self.dense { MOMENT } else { Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The loop becomes idle every so many microseconds, with so many more requests begun; whether
    /// it pauses after the last.
    #[track_caller]
    fn check(turns: &[(u64, u64)], pauses: bool) {
        let (mut now, mut begun) = (Instant::now(), u64::MAX - 20);
        let mut coalescing = Coalescing { begun, ..Coalescing::new(now) };
        let mut last = Duration::ZERO;
        for (us, requests) in turns {
            now += Duration::from_micros(*us);
            begun = begun.wrapping_add(*requests);
            last = coalescing.pause(now, begun);
        }
        assert_eq!(!last.is_zero(), pauses, "{turns:?}: {coalescing:?}");
    }

    #[test]
    fn a_loop_pauses_only_where_requests_are_dense() {
        check(&[(1_000, 7)], false);
        check(&[(1_000, 8)], true);
        check(&[(200, 2); 5], true);
        check(&[(200, 1); 10], false);
        // Not yet known: a burst is no rate.
        check(&[(100, 50)], false);
        check(&[(100, 50), (900, 0)], true);
        // A turn that takes long counts as long.
        check(&[(50_000, 399)], false);
        check(&[(50_000, 400)], true);
        // What was dense is so until something else is seen, and no longer.
        check(&[(1_000, 30), (999, 0)], true);
        check(&[(1_000, 30), (1_000, 0)], false);
        check(&[(1_000, 30), (60_000_000, 100)], false);
    }

    #[test]
    fn a_clock_that_steps_back_is_no_time() {
        let now = Instant::now() + Duration::from_secs(9);
        let mut coalescing = Coalescing::new(now);
        assert_eq!(coalescing.pause(now - Duration::from_secs(5), 1_000), Duration::ZERO);
        assert_eq!(coalescing.pause(now + SPAN, 1_000), MOMENT);
    }
}
