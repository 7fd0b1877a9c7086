//! Whether a batch that could begin should let a moment pass first.
//!
//! A batch costs three wakes of threads, a write and a sync, whatever its size: about what thirty
//! claims cost by themselves. Where asks come so densely that a moment brings several more, waiting
//! for them gains more than it delays; where they do not, nobody waits. Far from full load it gains
//! most: there every batch would be of a few asks, and a machine that is half asked would be wholly
//! busy with wakes and syncs, so that whoever shares it (a host with its own limit of processor
//! time, for one) stops it for milliseconds.

use std::time::Duration;

/// How long a batch waits for more at most: little beside what a reply takes when so much arrives.
const MOMENT: Duration = Duration::from_micros(600);

/// As many asks must be likely to come within the moment.
const WORTH: u64 = 8;

/// How densely asks arrived lately.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    /// Sums over the last few batches; older ones count less and less.
    asks: u64,
    ns: u64,
}

impl Arrivals {
    /// So many asks were taken, so long after those before.
    pub(crate) fn note(&mut self, asks: usize, since: Duration) {
        let faded = |sum: u64| sum - sum / 8;
        self.asks = faded(self.asks).saturating_add(asks as u64 * 8);
        let ns = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        self.ns = faded(self.ns).saturating_add(ns.saturating_mul(8));
    }

    /// How long a batch should wait for more.
    pub(crate) fn gather(&self) -> Duration {
        let moment_ns = MOMENT.as_nanos();
        let likely = u128::from(self.asks) * moment_ns / u128::from(self.ns.max(1));
        if likely >= u128::from(WORTH) { MOMENT } else { Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Batches of so many asks every so many microseconds; whether the next waits.
    #[track_caller]
    fn check(batches: &[(usize, u64)], waits: bool) {
        let mut arrivals = Arrivals::default();
        for _ in 0..50 {
            for (asks, us) in batches {
                arrivals.note(*asks, Duration::from_micros(*us));
            }
        }
        assert_eq!(!arrivals.gather().is_zero(), waits, "{batches:?}: {arrivals:?}");
    }

    #[test]
    fn only_where_much_arrives_a_batch_waits() {
        check(&[], false);
        check(&[(1, 300)], false);
        check(&[(7, 600)], false);
        check(&[(9, 600)], true);
        check(&[(40, 500)], true);
        // Two who ask shortly after each other are not many.
        check(&[(1, 10), (1, 400)], false);
        // A burst long ago does not count.
        check(&[(5_000, 300), (0, 1_000_000)], false);
    }
}
