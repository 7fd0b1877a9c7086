//! Whether a batch that could begin should let a moment pass first.
//!
//! A batch costs three wakes of threads, a write and a sync, whatever its size: about what thirty
//! claims cost by themselves. Where asks come so densely that a moment brings several more, waiting
//! for them gains more than it delays; where they do not, nobody waits. Far from full load it gains
//! most: there every batch would be of a few asks, and a machine that is half asked would be wholly
//! busy with wakes and syncs, so that whoever shares it (a host with its own limit of processor
//! time, for one) stops it for milliseconds.

use std::time::Duration;

use levee_api::intake::GATHERED_MAX;

/// How long a batch waits for more: little beside what a reply takes when so much arrives.
const MOMENT: Duration = Duration::from_micros(600);

/// As many asks must be likely to come within the moment.
const WORTH: u64 = 8;

/// As many claims must be likely to come within [`GATHERED_MAX`] while users wait to be let in: every
/// claim's reply is later by up to the time that they take.
const WORTH_CROWDED: u64 = 4;

/// How densely asks arrived lately.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    /// Sums over the last few batches; older ones count less and less.
    asks: u64,
    /// Those of claims.
    claims: u64,
    ns: u64,
}

impl Arrivals {
    /// So many asks were taken, so many of them claims, so long after those before.
    pub(crate) fn note(&mut self, asks: usize, claims: usize, since: Duration) {
        let faded = |sum: u64| sum - sum / 8;
        self.asks = faded(self.asks).saturating_add(asks as u64 * 8);
        self.claims = faded(self.claims).saturating_add(claims as u64 * 8);
        let ns = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        self.ns = faded(self.ns).saturating_add(ns.saturating_mul(8));
    }

    /// How long a batch should wait for more; `crowded` where users wait to be let in.
    ///
    /// A crowd's claims come whether or not others have been answered, so that none of them is held up
    /// by waiting for longer, and the processors have much else to do then. What else is asked waits
    /// with them. Where the crowd is held its claims do not come, and nothing waits for them.
    pub(crate) fn gather(&self, crowded: bool) -> Duration {
        if self.worth(WORTH, self.asks) <= MOMENT {
            return MOMENT;
        }
        let worth = self.worth(WORTH_CROWDED, self.claims);
        if crowded && worth <= GATHERED_MAX { worth.max(MOMENT) } else { Duration::ZERO }
    }

    /// In which time as many come as it is worth waiting for.
    fn worth(&self, wanted: u64, came: u64) -> Duration {
        let ns = wanted.saturating_mul(self.ns).checked_div(came);
        ns.map_or(Duration::MAX, Duration::from_nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Batches of so many claims every so many microseconds; how long the next waits, in microseconds,
    /// and how long while users wait to be let in.
    #[track_caller]
    fn check(batches: &[(usize, u64)], expected: [u64; 2]) {
        let mut arrivals = Arrivals::default();
        for _ in 0..50 {
            for (asks, us) in batches {
                arrivals.note(*asks, *asks, Duration::from_micros(*us));
            }
        }
        for (crowded, us) in [(false, expected[0]), (true, expected[1])] {
            let (gathers, us) = (arrivals.gather(crowded), Duration::from_micros(us));
            let is_near = gathers.abs_diff(us) <= Duration::from_micros(40);
            assert!(is_near, "{batches:?}, {crowded}: {gathers:?}, {arrivals:?}");
        }
    }

    #[test]
    fn only_where_much_arrives_a_batch_waits() {
        check(&[], [0, 0]);
        check(&[(1, 300)], [0, 0]);
        check(&[(7, 600)], [0, 600]);
        check(&[(9, 600)], [600, 600]);
        check(&[(40, 500)], [600, 600]);
        check(&[(5, 1_000)], [0, 800]);
        check(&[(5, 1_300)], [0, 0]);
        // Two who ask shortly after each other are not many.
        check(&[(1, 10), (1, 1_300)], [0, 0]);
        // A burst long ago does not count.
        check(&[(500, 300), (0, 1_000_000)], [0, 0]);
    }

    #[test]
    fn nothing_else_waits_long_because_a_crowd_is_held() {
        let mut arrivals = Arrivals::default();
        for _ in 0..50 {
            arrivals.note(5, 0, Duration::from_millis(1));
        }
        assert_eq!(arrivals.gather(true), Duration::ZERO);
        for _ in 0..50 {
            arrivals.note(9, 0, Duration::from_micros(600));
        }
        assert_eq!(arrivals.gather(true), MOMENT);
    }
}
