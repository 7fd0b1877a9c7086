//! What a crowd counts in one phase.

use hdrhistogram::Histogram;

use super::super::{latencies, median};

/// Length of the windows in which recovery is seen.
pub(super) const WINDOW_US: u32 = 250_000;

/// Length of the parts of a phase whose latencies count by themselves: long enough for a p99, and
/// short enough that a pause of the machine spoils few of them.
const PART_US: u32 = 500_000;

/// A part with fewer latencies has no p99.
const PART_MIN: u64 = 100;

/// Latencies of a phase: all of them, and the p99 of each part.
#[derive(Debug)]
pub(super) struct Latencies {
    all: Histogram<u64>,
    part: Histogram<u64>,
    /// The part under way, counted from the clock's beginning.
    number: u32,
    p99s_ms: Vec<f64>,
}

impl Latencies {
    fn new() -> Self {
        Self { all: latencies(), part: latencies(), number: 0, p99s_ms: Vec::new() }
    }

    /// One that ended at this moment.
    pub(super) fn add(&mut self, now_us: u32, took_us: u64) {
        let number = now_us / PART_US;
        if number != self.number {
            self.end_part();
            self.number = number;
        }
        self.all.saturating_record(took_us.max(1));
        self.part.saturating_record(took_us.max(1));
    }

    fn end_part(&mut self) {
        if self.part.len() >= PART_MIN {
            self.p99s_ms.push(p99_ms(&self.part));
        }
        self.part.reset();
    }

    /// Milliseconds within which 99 of 100 were acknowledged; None if nobody was.
    pub(super) fn p99_ms(&self) -> Option<f64> {
        (!self.all.is_empty()).then(|| p99_ms(&self.all))
    }

    /// The median of the parts that are over; None if there was none.
    pub(super) fn median_p99_ms(&self) -> Option<f64> {
        (!self.p99s_ms.is_empty()).then(|| median(self.p99s_ms.clone()))
    }
}

fn p99_ms(histogram: &Histogram<u64>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "microseconds of a minute")]
    let us = histogram.value_at_quantile(0.99) as f64;
    us / 1_000.0
}

/// Counts of one phase. Moments are microseconds on the crowd's clock.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) from_us: u32,
    /// The steady part begins here: rates and latencies count from then on.
    pub(super) steady_from_us: u32,
    pub(super) until_us: u32,
    /// Users who came.
    pub(super) arrived: u64,
    /// Requests that were due, and those sent, in the steady part.
    pub(super) due: u64,
    pub(super) sent: u64,
    /// Requests sent in the whole phase.
    pub(super) sent_in_all: u64,
    /// Claims acknowledged to users who waited for them.
    pub(super) admitted: u64,
    /// Of them, in time, in the steady part, to users of this phase.
    pub(super) in_time: u64,
    /// Answers 429 `waiting`.
    pub(super) told: u64,
    /// Users who got one.
    pub(super) waited: u64,
    /// 429 `rate_limited`, 503.
    pub(super) shed: u64,
    /// Due requests that found no connection within the timeout.
    pub(super) unsent: u64,
    /// Requests whose users no longer waited.
    pub(super) abandoned: u64,
    /// Requests whose connection broke.
    pub(super) broken: u64,
    pub(super) fairness_inversions: u64,
    /// Answers that a claim should not get, and the first of them.
    pub(super) wrong: u64,
    pub(super) first_wrong: Option<String>,
    /// From due to acknowledged, in the steady part.
    pub(super) latencies: Latencies,
    /// Time in which the generator had nothing to do, in the steady part.
    pub(super) slept_us: u64,
    /// Claims acknowledged within the timeout, by [`WINDOW_US`] from the beginning.
    pub(super) windows: Vec<u32>,
}

impl Tally {
    pub(super) fn new(from_us: u32, steady_from_us: u32) -> Self {
        Self {
            from_us,
            steady_from_us,
            until_us: steady_from_us,
            arrived: 0,
            due: 0,
            sent: 0,
            sent_in_all: 0,
            admitted: 0,
            in_time: 0,
            told: 0,
            waited: 0,
            shed: 0,
            unsent: 0,
            abandoned: 0,
            broken: 0,
            fairness_inversions: 0,
            wrong: 0,
            first_wrong: None,
            latencies: Latencies::new(),
            slept_us: 0,
            windows: Vec::new(),
        }
    }

    pub(super) fn is_steady(&self, now_us: u32) -> bool {
        now_us >= self.steady_from_us
    }

    pub(super) fn count_window(&mut self, now_us: u32) {
        let window = ((now_us - self.from_us) / WINDOW_US) as usize;
        if window >= self.windows.len() {
            self.windows.resize(window + 1, 0);
        }
        self.windows[window] += 1;
    }

    /// Length of the steady part.
    pub(super) fn steady_s(&self) -> f64 {
        f64::from(self.until_us.saturating_sub(self.steady_from_us).max(1)) / 1e6
    }

    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub(super) fn per_s(&self, count: u64) -> f64 {
        count as f64 / self.steady_s()
    }

    /// Whether the generator was what fell behind: it sent less than was due and never rested. One
    /// that rested while requests were due waited for connections, that is for the server.
    pub(super) fn generator_limited(&self) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "shares of a few seconds")]
        let (due, sent, slept) = (self.due as f64, self.sent as f64, self.slept_us as f64);
        sent < 0.95 * due && slept / 1e6 < 0.05 * self.steady_s()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_generator_that_never_rests_and_falls_behind_is_the_limit() {
        // Due, sent, and rest within two steady seconds.
        for (due, sent, slept_us, expected) in [
            (1_000, 1_000, 0, false),
            (1_000, 900, 0, true),
            (1_000, 900, 99_000, true),
            (1_000, 900, 101_000, false),
            (0, 0, 0, false),
        ] {
            let mut tally = Tally::new(0, 1_000_000);
            (tally.due, tally.sent, tally.slept_us) = (due, sent, slept_us);
            tally.until_us = 3_000_000;
            assert_eq!(tally.generator_limited(), expected, "{due} {sent} {slept_us}");
        }
    }

    #[test]
    fn a_pause_spoils_the_p99_of_its_part_alone() {
        let mut latencies = Latencies::new();
        assert_eq!((latencies.p99_ms(), latencies.median_p99_ms()), (None, None));
        // Four parts of a thousand; in the second everybody waits, the last has too few to count.
        for (part, took_us, count) in
            [(7, 1_000, 1_000), (8, 50_000, 1_000), (9, 2_000, 1_000), (10, 90_000, 99)]
        {
            for _ in 0..count {
                latencies.add(part * PART_US, took_us);
            }
        }
        latencies.add(11 * PART_US, 1_000);
        let near = |ms: Option<f64>, expected: f64| {
            assert!(
                ms.is_some_and(|ms| (ms / expected - 1.0).abs() < 0.01),
                "{ms:?}, not {expected}"
            );
        };
        assert_eq!(latencies.p99s_ms.len(), 3);
        near(latencies.median_p99_ms(), 2.0);
        near(latencies.p99_ms(), 90.0);
    }

    #[test]
    fn windows_count_from_the_phase_s_beginning() {
        let mut tally = Tally::new(1_000_000, 1_000_000);
        for at_us in [1_000_000, 1_249_999, 1_750_000] {
            tally.count_window(at_us);
        }
        assert_eq!(tally.windows, [2, 0, 0, 1]);
    }
}
