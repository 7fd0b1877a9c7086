//! What a crowd counts in one phase.

use std::iter::Sum;

use hdrhistogram::Histogram;

use super::super::{latencies, median};

/// Length of the windows in which recovery is seen.
pub(super) const WINDOW_US: u32 = 250_000;

/// Length of the parts of a phase whose latencies count by themselves: long enough for a p99, and
/// short enough that a pause spoils few of them.
const PART_US: u32 = 500_000;

/// A part with fewer latencies has no p99: hardly anybody was let in.
const PART_MIN: u64 = 100;

/// The fewest parts of which a median says something.
const PARTS_MIN: usize = 3;

/// Latencies of the steady part of a phase.
#[derive(Debug)]
pub(super) struct Latencies {
    from_us: u32,
    all: Histogram<u64>,
    /// By the moment of the acknowledgement, from the beginning on.
    parts: Vec<Histogram<u64>>,
}

impl Latencies {
    fn new(from_us: u32) -> Self {
        Self { from_us, all: latencies(), parts: Vec::new() }
    }

    /// One that ended at this moment.
    pub(super) fn add(&mut self, now_us: u32, took_us: u32) {
        let part = ((now_us - self.from_us) / PART_US) as usize;
        while self.parts.len() <= part {
            self.parts.push(latencies());
        }
        let took_us = u64::from(took_us).max(1);
        self.all.saturating_record(took_us);
        self.parts[part].saturating_record(took_us);
    }

    /// Milliseconds within which 99 of 100 were acknowledged; None if nobody was.
    pub(super) fn p99_ms(&self) -> Option<f64> {
        (!self.all.is_empty()).then(|| p99_ms(&self.all))
    }

    /// The median of the p99s of all whole parts up to a moment. A part in which hardly anybody was
    /// acknowledged counts as the worst of all. None where it would be one of these, or of too few.
    pub(super) fn median_p99_ms(&self, until_us: u32) -> Option<f64> {
        let whole = (until_us.saturating_sub(self.from_us) / PART_US) as usize;
        let p99s = (0..whole).map(|part| match self.parts.get(part) {
            Some(part) if part.len() >= PART_MIN => p99_ms(part),
            _ => f64::INFINITY,
        });
        let median = (whole >= PARTS_MIN).then(|| median(p99s.collect()));
        median.filter(|ms| ms.is_finite())
    }
}

fn p99_ms(histogram: &Histogram<u64>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "microseconds of a minute")]
    let us = histogram.value_at_quantile(0.99) as f64;
    us / 1_000.0
}

/// Promises that were kept, of all.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Share {
    pub(super) kept: u32,
    pub(super) all: u32,
}

impl Share {
    /// None of nothing.
    pub(super) fn value(&self) -> Option<f64> {
        (self.all > 0).then(|| f64::from(self.kept) / f64::from(self.all))
    }
}

impl Sum for Share {
    fn sum<I: Iterator<Item = Self>>(shares: I) -> Self {
        shares.fold(Self::default(), |sum, share| Self {
            kept: sum.kept + share.kept,
            all: sum.all + share.all,
        })
    }
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
            latencies: Latencies::new(steady_from_us),
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

    /// A thousand acknowledgements in each part, after so many milliseconds, or none where it is 0;
    /// the median of the p99s at the end, in milliseconds.
    #[track_caller]
    fn check(parts: &[u32], expected: Option<f64>) {
        let from_us = 1_234_567;
        let mut latencies = Latencies::new(from_us);
        for (part, ms) in parts.iter().enumerate().filter(|(_, ms)| **ms > 0) {
            let at_us = from_us + u32::try_from(part).expect("few") * PART_US + PART_US - 1;
            for _ in 0..1_000 {
                latencies.add(at_us, ms * 1_000);
            }
        }
        let until_us = from_us + u32::try_from(parts.len()).expect("few") * PART_US;
        let near = |ms: f64, expected: f64| (ms / expected - 1.0).abs() < 0.01;
        let seen = latencies.median_p99_ms(until_us);
        assert_eq!(seen.is_some(), expected.is_some(), "{parts:?}: {seen:?}");
        assert!(seen.zip(expected).is_none_or(|(ms, expected)| near(ms, expected)), "{seen:?}");
        // A part that is not over does not count.
        let before = latencies.median_p99_ms(until_us - 1);
        let shorter = latencies.median_p99_ms(until_us - PART_US);
        assert_eq!(before, shorter, "{parts:?}");
        let worst = parts.iter().max().filter(|worst| **worst > 0);
        let p99 = latencies.p99_ms();
        assert!(p99.zip(worst).is_none_or(|(ms, worst)| near(ms, f64::from(*worst))), "{p99:?}");
    }

    #[test]
    fn a_pause_spoils_the_p99_of_the_parts_it_lies_in() {
        check(&[], None);
        check(&[1, 2], None);
        check(&[1, 50, 2], Some(2.0));
        check(&[1, 4, 2, 50], Some(3.0));
        // Parts without anybody are the worst ones, also at the end.
        check(&[1, 0, 2], Some(2.0));
        check(&[1, 2, 0], Some(2.0));
        check(&[1, 0, 0, 2], None);
        check(&[1, 2, 0, 0, 0], None);
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
