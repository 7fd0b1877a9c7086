//! When a payment provider may be called: no more often than it takes, new payments before refunds,
//! and not at all for a while when it does not answer. Told the time, does no I/O.

use super::breaker::{Breaker, Ended, Policy};

/// Calls to one provider that are under way at once.
const CALLS_MAX: usize = 64;

/// One turn in so many goes to those who would otherwise wait the longest: under a rush of new
/// payments refunds go on, slowly.
const LAST_FIRST_EACH: u32 = 8;

/// A provider is one party, and has one address for all: a few failures in a row say enough.
const PROVIDER: Policy = Policy {
    failures_in_row: 5,
    window_ms: 30_000,
    calls_min: 20,
    bad_percent: 50,
    parties_min: 1,
    slow_ms: 8_000,
    open_ms_first: 1_000,
    open_ms_max: 60_000,
};

/// What a call is for; earlier ones go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// A user waits to pay.
    Create = 0,
    /// What has become of a payment, or that it ends.
    Settle = 1,
    /// Money goes back.
    Refund = 2,
}

impl Lane {
    pub(super) const COUNT: usize = 3;
    const ALL: [Self; Self::COUNT] = [Self::Create, Self::Settle, Self::Refund];
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The first of this lane goes. A probe goes alone, and says whether the others may follow.
    Go { lane: Lane, is_probe: bool },
    /// Nobody goes for so many milliseconds.
    Wait(u64),
    /// Nobody goes before a call has ended.
    WhenEnded,
    /// Nobody waits.
    Nobody,
}

/// The one who calls the next.
#[derive(Debug)]
pub(super) struct Teller {
    /// Calls a second; without one, only how many are under way is limited.
    calls_per_s: Option<u32>,
    /// In thousandths of a call. Up to a second's worth is saved up.
    tokens: u64,
    at_ms: u64,
    turns: u32,
    under_way: usize,
    breaker: Breaker,
    is_probing: bool,
    /// Nobody goes before.
    closed_until_ms: u64,
}

impl Teller {
    pub(super) fn new(calls_per_s: Option<u32>) -> Self {
        Self {
            calls_per_s,
            tokens: u64::from(calls_per_s.unwrap_or(0)) * 1_000,
            at_ms: 0,
            turns: 0,
            under_way: 0,
            breaker: Breaker::default(),
            is_probing: false,
            closed_until_ms: 0,
        }
    }

    /// Whether it is left alone.
    pub(super) fn is_open(&self) -> bool {
        self.breaker.is_open()
    }

    /// Who goes now, of so many who wait in each lane.
    pub(super) fn next(&mut self, now_ms: u64, waiting: [usize; Lane::COUNT]) -> Next {
        let mut lanes = Lane::ALL.into_iter().filter(|lane| waiting[*lane as usize] > 0);
        let Some(first) = lanes.next() else { return Next::Nobody };
        let last = lanes.next_back().unwrap_or(first);
        if self.under_way >= CALLS_MAX || self.is_probing {
            return Next::WhenEnded;
        }
        if let wait_ms @ 1.. = self.closed_until_ms.saturating_sub(now_ms) {
            return Next::Wait(wait_ms);
        }
        if let wait_ms @ 1.. = self.token_in_ms(now_ms) {
            return Next::Wait(wait_ms);
        }
        self.tokens = self.tokens.saturating_sub(1_000);
        self.under_way += 1;
        self.turns = self.turns.wrapping_add(1);
        self.is_probing = self.is_open();
        let lane = if self.turns.is_multiple_of(LAST_FIRST_EACH) { last } else { first };
        Next::Go { lane, is_probe: self.is_probing }
    }

    fn token_in_ms(&mut self, now_ms: u64) -> u64 {
        let Some(calls_per_s) = self.calls_per_s.map(|calls| u64::from(calls.max(1))) else {
            return 0;
        };
        // A call a second is a thousandth of a call a millisecond.
        let added = now_ms.saturating_sub(self.at_ms).saturating_mul(calls_per_s);
        self.tokens = self.tokens.saturating_add(added).min(calls_per_s * 1_000);
        self.at_ms = self.at_ms.max(now_ms);
        1_000_u64.saturating_sub(self.tokens).div_ceil(calls_per_s)
    }

    /// A call ended; why the provider is left alone from now on, if it is. `asked_ms` is how long it
    /// asks to be, `drawn` a number from 0 to 1.
    pub(super) fn ended(
        &mut self,
        now_ms: u64,
        was_probe: bool,
        ended: Ended,
        asked_ms: u64,
        drawn: f64,
    ) -> Option<String> {
        self.under_way -= 1;
        let answered = matches!(ended, Ended::Answered { .. });
        let opened = self.breaker.ended(&PROVIDER, now_ms, 0, ended);
        let mut pause_ms = asked_ms;
        if was_probe {
            self.is_probing = false;
            self.breaker.tried(answered);
        }
        if self.is_open() && (was_probe || opened.is_some()) {
            pause_ms = pause_ms.max(self.breaker.wait_ms(&PROVIDER, drawn));
        }
        self.closed_until_ms = self.closed_until_ms.max(now_ms.saturating_add(pause_ms));
        opened
    }

    /// A turn that nobody took.
    pub(super) fn given_back(&mut self, was_probe: bool) {
        self.under_way -= 1;
        if was_probe {
            self.is_probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Ended = Ended::Answered { after_ms: 50 };

    fn go(lane: Lane) -> Next {
        Next::Go { lane, is_probe: false }
    }

    /// Those who go within a second, by when, each answered at once.
    fn gone(calls_per_s: u32, waiting: [usize; Lane::COUNT]) -> Vec<(u64, Lane)> {
        let (mut teller, mut waiting, mut gone) = (Teller::new(Some(calls_per_s)), waiting, vec![]);
        let mut now_ms = 0;
        while now_ms < 1_000 {
            match teller.next(now_ms, waiting) {
                Next::Go { lane, .. } => {
                    waiting[lane as usize] -= 1;
                    gone.push((now_ms, lane));
                    assert_eq!(teller.ended(now_ms, false, GOOD, 0, 0.5), None);
                }
                Next::Wait(wait_ms) => now_ms += wait_ms,
                Next::WhenEnded | Next::Nobody => break,
            }
        }
        gone
    }

    #[test]
    fn no_more_go_than_the_provider_takes() {
        // What was saved up while nobody came goes at once.
        let times: Vec<u64> = gone(4, [20, 0, 0]).into_iter().map(|(at_ms, _)| at_ms).collect();
        assert_eq!(times, [0, 0, 0, 0, 250, 500, 750]);
        assert_eq!(gone(1_000, [5, 0, 0]).len(), 5);
    }

    #[test]
    fn new_payments_go_first_and_refunds_do_not_starve() {
        let lanes: Vec<Lane> = gone(10, [9, 1, 9]).into_iter().map(|(_, lane)| lane).collect();
        let count = |lane| lanes.iter().filter(|one| **one == lane).count();
        assert_eq!((count(Lane::Create), count(Lane::Settle)), (9, 1));
        assert_eq!(lanes[7], Lane::Refund, "one turn in eight");
        assert_eq!(lanes[..7], [Lane::Create; 7]);
    }

    #[test]
    fn so_many_calls_are_under_way_and_no_more() {
        let mut teller = Teller::new(None);
        for _ in 0..CALLS_MAX {
            assert_eq!(teller.next(0, [9, 0, 0]), go(Lane::Create));
        }
        assert_eq!(teller.next(0, [9, 0, 0]), Next::WhenEnded);
        teller.ended(5, false, GOOD, 0, 0.5);
        assert_eq!(teller.next(5, [0, 0, 1]), go(Lane::Refund));
        teller.given_back(false);
        assert_eq!(teller.next(5, [0, 0, 0]), Next::Nobody);
    }

    #[test]
    fn one_that_does_not_answer_is_left_alone_and_tried_by_one_call() {
        let mut teller = Teller::new(None);
        for at_ms in 0..5 {
            assert_eq!(teller.next(at_ms, [1, 0, 0]), go(Lane::Create));
            let opened = teller.ended(at_ms, false, Ended::Failed, 0, 1.0);
            assert_eq!(opened.is_some(), at_ms == 4);
        }
        assert!(teller.is_open());
        assert_eq!(teller.next(4, [1, 0, 0]), Next::Wait(1_000));
        let probe = Next::Go { lane: Lane::Create, is_probe: true };
        assert_eq!(teller.next(1_004, [2, 0, 0]), probe);
        assert_eq!(teller.next(1_004, [1, 0, 0]), Next::WhenEnded);
        teller.ended(1_005, true, Ended::Failed, 0, 1.0);
        assert_eq!(teller.next(1_005, [1, 0, 0]), Next::Wait(2_000), "later and later");
        assert_eq!(teller.next(3_005, [1, 0, 0]), probe);
        teller.ended(3_006, true, GOOD, 0, 1.0);
        assert_eq!(teller.next(3_006, [1, 0, 0]), go(Lane::Create));
    }

    #[test]
    fn who_asks_for_a_pause_gets_it() {
        let mut teller = Teller::new(None);
        assert_eq!(teller.next(0, [1, 0, 0]), go(Lane::Create));
        teller.ended(10, false, Ended::Failed, 7_000, 0.5);
        assert_eq!(teller.next(10, [1, 0, 0]), Next::Wait(7_000));
        assert_eq!(teller.next(7_010, [1, 0, 0]), go(Lane::Create));
    }
}
