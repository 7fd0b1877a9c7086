//! A token bucket that is told the time: how many claims may be taken out of the queue now.

use std::time::{Duration, Instant};

/// What one token is, so that every nanosecond's share of one is exact.
const TOKEN: u64 = 1_000_000_000;

/// A higher rate than this is as good as none, and burst times [`TOKEN`] stays within 64 bits.
const PER_S_MAX: u64 = 1_000_000_000;

/// Tokens that are left alone add up to what comes in a fiftieth of a second: what comes unevenly
/// seldom waits at 95% of the rate, a batch that was late catches up, and a pause makes no rush.
const BURSTS_PER_S: u64 = 50;

/// Whoever waits for tokens waits for a thousandth of a second's worth, so that batches stay large.
const TURNS_PER_S: u64 = 1_000;

/// The tokens of one lane.
#[derive(Debug)]
pub(crate) struct Tokens {
    /// 0: there is no limit.
    per_s: u64,
    /// In units of [`TOKEN`]ths.
    held: u64,
    at: Instant,
}

impl Tokens {
    /// No limit.
    pub(crate) fn new(now: Instant) -> Self {
        Self { per_s: 0, held: 0, at: now }
    }

    /// Adds what came since the last call, at the rate that held; from now on it is this one. A
    /// limit that begins has no tokens yet, so that switching it on and off gives none away.
    pub(crate) fn refill(&mut self, now: Instant, per_s: u64) {
        let ns = now.saturating_duration_since(self.at).as_nanos();
        let came = ns.saturating_mul(u128::from(self.per_s)).saturating_add(u128::from(self.held));
        self.at = self.at.max(now);
        self.per_s = per_s.min(PER_S_MAX);
        // A token that has begun to come is not lost when the others are many enough.
        let most = (self.burst() as u64 * TOKEN) + if self.per_s > 0 { TOKEN - 1 } else { 0 };
        self.held = u64::try_from(came).unwrap_or(u64::MAX).min(most);
    }

    /// So many may be taken now.
    pub(crate) fn available(&self) -> usize {
        if self.per_s == 0 { usize::MAX } else { as_count(self.held / TOKEN) }
    }

    /// So many were taken; not more than were available.
    pub(crate) fn spend(&mut self, count: usize) {
        if self.per_s > 0 {
            self.held -= count as u64 * TOKEN;
        }
    }

    /// Whether there is a limit at all.
    pub(crate) fn is_limited(&self) -> bool {
        self.per_s > 0
    }

    /// As many are worth a batch of their own.
    pub(crate) fn turn(&self) -> usize {
        as_count(self.per_s.div_ceil(TURNS_PER_S))
    }

    /// As many add up at most.
    pub(crate) fn burst(&self) -> usize {
        if self.per_s == 0 { 0 } else { as_count((self.per_s / BURSTS_PER_S).max(1)) }
    }

    /// How long it takes until so many are there; None where they never are.
    pub(crate) fn until(&self, count: usize) -> Option<Duration> {
        if self.per_s == 0 || count > self.burst() {
            return None;
        }
        let missing = (count as u64 * TOKEN).saturating_sub(self.held);
        Some(Duration::from_nanos(missing.div_ceil(self.per_s)))
    }
}

fn as_count(tokens: u64) -> usize {
    usize::try_from(tokens).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Moments in microseconds with the rate that is set then; what is taken at each, all of it.
    #[track_caller]
    fn check(steps: &[(u64, u64, usize)]) {
        let start = Instant::now();
        let mut tokens = Tokens::new(start);
        for (place, (us, per_s, expected)) in steps.iter().enumerate() {
            tokens.refill(start + Duration::from_micros(*us), *per_s);
            assert_eq!(tokens.available(), *expected, "step {place}: {tokens:?}");
            tokens.spend(*expected);
        }
    }

    #[test]
    fn tokens_come_with_time_and_add_up_to_a_burst() {
        check(&[(0, 0, usize::MAX), (5, 0, usize::MAX)]);
        check(&[(0, 100_000, 0), (1_000, 100_000, 100), (1_005, 100_000, 0), (1_010, 100_000, 1)]);
        // A long pause makes no rush.
        check(&[(0, 100_000, 0), (60_000_000, 100_000, 2_000), (60_000_001, 100_000, 1)]);
        // Rates below fifty a second still have one.
        check(&[(0, 2, 0), (499_999, 2, 0), (500_000, 2, 1), (9_000_000, 2, 1)]);
        // The old rate holds until the change; a lower limit cuts what was saved up.
        check(&[(0, 1_000, 0), (4_000, 100_000, 4), (4_010, 100_000, 1)]);
        let mut tokens = Tokens::new(Instant::now());
        tokens.refill(tokens.at, u64::MAX);
        tokens.refill(tokens.at + Duration::from_secs(9), 50);
        assert_eq!(tokens.available(), 1);
        // A clock that is read out of order gives nothing twice.
        check(&[(0, 1_000, 0), (5_000, 1_000, 5), (1_000, 1_000, 0), (5_000, 1_000, 0)]);
        // A limit that begins and ends gives nothing away.
        check(&[(0, 1_000, 0), (1, 0, usize::MAX), (2, 1_000, 0), (1_002, 1_000, 1)]);
    }

    #[test]
    fn over_any_time_no_more_than_the_rate_and_a_burst_are_taken() {
        for per_s in [1, 99, 101, 1_000, 33_333, 777_777, PER_S_MAX] {
            let start = Instant::now();
            let mut tokens = Tokens::new(start);
            let (mut us, mut taken) = (0, 0);
            for step in 0..10_000_u64 {
                tokens.refill(start + Duration::from_micros(us), per_s);
                let available = tokens.available();
                taken += available as u64;
                tokens.spend(available);
                us += step * 7_919 % 900;
            }
            // After any pause no more than a burst.
            tokens.refill(start + Duration::from_micros(us + 20_000_000), per_s);
            assert_eq!(tokens.available() as u64, (per_s / 50).max(1), "{per_s}: {tokens:?}");
            // All of it was taken within a burst's time, so nothing was lost either.
            let came = us * per_s / 1_000_000;
            assert!(taken <= came, "{per_s}: {taken} of {came}");
            assert!(taken + 2 + per_s / 1_000 >= came, "{per_s}: {taken} of {came}");
        }
    }

    #[test]
    fn the_moment_when_tokens_are_there_is_told() {
        let start = Instant::now();
        for per_s in [1, 3, 1_000, 99_999] {
            let mut tokens = Tokens::new(start);
            assert_eq!(tokens.until(1), None, "no limit");
            tokens.refill(start, per_s);
            let count = tokens.turn();
            let after = tokens.until(count).expect("fewer than a burst");
            tokens.refill(start + after - Duration::from_nanos(1), per_s);
            assert!(tokens.available() < count, "{per_s}: too early");
            tokens.refill(start + after, per_s);
            assert_eq!(tokens.available(), count, "{per_s}: at the moment");
            assert_eq!(tokens.until(count), Some(Duration::ZERO));
            assert_eq!(tokens.until(tokens.burst() + 1), None, "never so many");
        }
    }
}
