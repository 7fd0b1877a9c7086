//! When an outlet's system, or a vendor's, is left alone, and when it is tried again.
//!
//! After the failure accrual of linkerd2-proxy (`linkerd/app/outbound`, "consecutive failures") and the
//! circuit breaker of M. Nygard's "Release It!": closed until so many calls in a row fail, or so large a
//! share of those in a window fails or is slow; then open, with one call now and then, later and later,
//! until one succeeds. Told the time, does no I/O.

use std::collections::VecDeque;
use std::time::Duration;

use crate::backoff::pause;

/// What opens a breaker, and how long it stays open. Times are in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    /// So many failures in a row open it; 0: they do not.
    pub(super) failures_in_row: u32,
    /// Shares are of calls that ended within this time.
    pub(super) window_ms: u64,
    /// Of fewer calls no share is taken.
    pub(super) calls_min: usize,
    /// This share of failed and slow calls opens it, in percent.
    pub(super) bad_percent: usize,
    /// Calls of so many different parties must have been bad.
    pub(super) parties_min: usize,
    /// A call that takes longer is slow.
    pub(super) slow_ms: u64,
    /// The first time it stays open; it doubles with each try that fails.
    pub(super) open_ms_first: u64,
    pub(super) open_ms_max: u64,
}

/// An outlet's breaker; times are of the engine's clock.
pub(super) const OUTLET: Policy = Policy {
    failures_in_row: 3,
    window_ms: 30_000,
    calls_min: 10,
    bad_percent: 50,
    parties_min: 1,
    slow_ms: 2_000,
    open_ms_first: 5_000,
    open_ms_max: 60_000,
};

/// A vendor's: a few dead outlets of a vendor are no outage of the vendor. Where it is called often the
/// window is the last [`CALLS_MAX`] calls; one that is hardly called is seen to be gone, too.
pub(super) const VENDOR: Policy = Policy {
    failures_in_row: 0,
    window_ms: 300_000,
    calls_min: 20,
    bad_percent: 80,
    parties_min: 10,
    ..OUTLET
};

/// Calls that are remembered, beyond what any policy asks for.
const CALLS_MAX: usize = 256;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// With an answer, whatever it says about what was asked.
    Answered {
        /// How long it took.
        after_ms: u64,
    },
    /// Without one, or with one that says that it cannot answer now.
    Failed,
}

/// One breaker.
#[derive(Clone, Debug, Default)]
pub(super) struct Breaker {
    failed_in_row: u32,
    /// When a call ended, whose it was, and whether it was bad; oldest first.
    calls: VecDeque<(u64, u32, bool)>,
    /// While it is open: how often it was tried.
    tries: Option<u32>,
}

impl Breaker {
    /// One that is open already, as of a start.
    pub(super) fn opened() -> Self {
        Self { tries: Some(0), ..Self::default() }
    }

    pub(super) fn is_open(&self) -> bool {
        self.tries.is_some()
    }

    /// Whether nothing is known against it.
    pub(super) fn is_spotless(&self, policy: &Policy, now_ms: u64) -> bool {
        let first_ms = now_ms.saturating_sub(policy.window_ms);
        let is_bad = |(at_ms, _, bad): &(u64, u32, bool)| *bad && *at_ms >= first_ms;
        !self.is_open() && self.failed_in_row == 0 && !self.calls.iter().any(is_bad)
    }

    /// A call to `party` ended while it was closed; why it opens now, if it does.
    pub(super) fn ended(
        &mut self,
        policy: &Policy,
        now_ms: u64,
        party: u32,
        ended: Ended,
    ) -> Option<String> {
        if self.is_open() {
            return None;
        }
        let (failed, slow) = match ended {
            Ended::Answered { after_ms } => (false, after_ms > policy.slow_ms),
            Ended::Failed => (true, false),
        };
        self.failed_in_row = if failed { self.failed_in_row + 1 } else { 0 };
        let first_ms = now_ms.saturating_sub(policy.window_ms);
        while self.calls.front().is_some_and(|(at_ms, ..)| *at_ms < first_ms)
            || self.calls.len() >= CALLS_MAX
        {
            self.calls.pop_front();
        }
        self.calls.push_back((now_ms, party, failed || slow));
        let why = self.why(policy)?;
        (self.failed_in_row, self.tries) = (0, Some(0));
        self.calls.clear();
        Some(why)
    }

    fn why(&self, policy: &Policy) -> Option<String> {
        if policy.failures_in_row > 0 && self.failed_in_row >= policy.failures_in_row {
            return Some(format!("{} calls in a row failed", self.failed_in_row));
        }
        let calls = self.calls.len();
        let bad = self.calls.iter().filter(|(.., bad)| *bad);
        let bad_count = bad.clone().count();
        let mut parties = bad.map(|(_, party, _)| *party).collect::<Vec<_>>();
        parties.sort_unstable();
        parties.dedup();
        let is_bad = calls >= policy.calls_min
            && bad_count * 100 >= calls * policy.bad_percent
            && parties.len() >= policy.parties_min;
        is_bad.then(|| format!("{bad_count} of {calls} calls failed or were slow"))
    }

    /// For how long it is left alone before the next try, by a number from 0 to 1 that is drawn: those
    /// who failed together do not come back together.
    pub(super) fn wait_ms(&self, policy: &Policy, drawn: f64) -> u64 {
        let [first, longest] =
            [policy.open_ms_first, policy.open_ms_max].map(Duration::from_millis);
        let wait = pause(first, longest, self.tries.unwrap_or(0), drawn);
        u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
    }

    /// A try while it was open; whether it is closed now.
    pub(super) fn tried(&mut self, answered: bool) -> bool {
        self.tries = if answered { None } else { self.tries.map(|tries| tries.saturating_add(1)) };
        answered
    }

    /// Somebody else has closed it.
    pub(super) fn close(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls by when they end, whose they are, and how: `g`ood, `s`low or `f`ailed; the last one opens
    /// it with these words.
    #[track_caller]
    fn check(policy: &Policy, calls: &[(u64, u32, char)], expected: Option<&str>) {
        let mut breaker = Breaker::default();
        for (place, (at_ms, party, how)) in calls.iter().enumerate() {
            let ended = match how {
                'g' => Ended::Answered { after_ms: 20 },
                's' => Ended::Answered { after_ms: 2_001 },
                _ => Ended::Failed,
            };
            let opened = breaker.ended(policy, *at_ms, *party, ended);
            let is_last = place + 1 == calls.len();
            assert_eq!(opened.as_deref(), expected.filter(|_| is_last), "call {place}");
        }
        assert_eq!(breaker.is_open(), expected.is_some());
    }

    fn all(how: char, count: u32) -> Vec<(u64, u32, char)> {
        (0..count).map(|place| (u64::from(place) * 100, place, how)).collect()
    }

    #[test]
    fn the_third_failure_in_a_row_opens_it() {
        check(&OUTLET, &[(0, 0, 'f'), (900_000, 0, 'f')], None);
        check(&OUTLET, &[(0, 0, 'f'), (1, 0, 'f'), (2, 0, 'f')], Some("3 calls in a row failed"));
        check(&OUTLET, &[(0, 0, 'f'), (1, 0, 'f'), (2, 0, 'g'), (3, 0, 'f'), (4, 0, 'f')], None);
    }

    #[test]
    fn half_of_ten_calls_within_the_window_open_it() {
        let mixed = |pattern: &str| -> Vec<(u64, u32, char)> {
            pattern.chars().enumerate().map(|(at, how)| (at as u64 * 1_000, 0, how)).collect()
        };
        check(&OUTLET, &mixed("gsgfgsgfgs"), Some("5 of 10 calls failed or were slow"));
        check(&OUTLET, &mixed("gsgfgsgfgg"), None);
        check(&OUTLET, &mixed("gsgfgsgfs"), None);
        // What ended before the window counts no more.
        let mut calls = mixed("sssss");
        calls.extend((0..9).map(|at| (100_000 + at, 0, 'g')));
        check(&OUTLET, &calls, None);
    }

    #[test]
    fn a_vendors_opens_only_when_many_outlets_are_gone() {
        check(&VENDOR, &all('f', 19), None);
        check(&VENDOR, &all('f', 20), Some("20 of 20 calls failed or were slow"));
        let few = (0..60).map(|at| (at * 10, u32::try_from(at % 9).expect("below 9"), 'f'));
        check(&VENDOR, &few.collect::<Vec<_>>(), None);
        let mixed = (0..60_u32).map(|at| (u64::from(at), at, if at % 4 == 0 { 'g' } else { 'f' }));
        check(&VENDOR, &mixed.collect::<Vec<_>>(), None);
    }

    #[test]
    fn it_is_tried_later_and_later_until_it_answers() {
        let mut breaker = Breaker::opened();
        for (drawn, expected) in
            [(1.0, 5_000), (0.0, 5_000), (1.0, 20_000), (0.5, 30_000), (1.0, 60_000)]
        {
            assert_eq!(breaker.wait_ms(&OUTLET, drawn), expected);
            assert!(!breaker.tried(false));
        }
        let late = Ended::Answered { after_ms: 1 };
        assert_eq!(breaker.ended(&OUTLET, 0, 0, late), None, "of before it opened");
        assert!(breaker.is_open());
        assert!(breaker.tried(true));
        assert!(!breaker.is_open() && breaker.is_spotless(&OUTLET, 0));
    }
}
