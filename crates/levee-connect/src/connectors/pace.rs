//! How fast tickets go to one outlet, and how often calls to one vendor are repeated. Told the time,
//! does no I/O.

/// What an outlet's kitchen can take: as much work at once as it has stations, and then as much as it
/// makes. A token bucket that may go below nothing by one ticket, so that large ones go as well.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// In thousandths of a unit of work.
    tokens: f64,
    at_ms: u64,
    began_ms: u64,
}

/// Nobody has caught up before this time: what waited comes out of the engine a little at a time, and
/// a kitchen whose stations are all free may only not have heard of it yet.
const CATCH_UP_MS: u64 = 60_000;

/// What one kitchen makes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kitchen {
    /// In milliseconds, for all stations together.
    pub(super) unit_ms: u64,
    pub(super) stations: u16,
}

impl Kitchen {
    fn burst(self) -> f64 {
        f64::from(self.stations) * 1_000.0
    }

    /// Thousandths of a unit in a millisecond.
    #[expect(clippy::cast_precision_loss, reason = "a pace needs no more")]
    fn rate(self) -> f64 {
        1_000.0 / self.unit_ms.max(1) as f64
    }
}

impl Pace {
    /// All of its stations are free.
    pub(super) fn new(kitchen: Kitchen, now_ms: u64) -> Self {
        Self { tokens: kitchen.burst(), at_ms: now_ms, began_ms: now_ms }
    }

    /// Nobody knows whether any of its stations is free: one ticket goes, and what it makes from then on.
    pub(super) fn unknown(now_ms: u64) -> Self {
        Self { tokens: 1.0, at_ms: now_ms, began_ms: now_ms }
    }

    #[expect(clippy::cast_precision_loss, reason = "a pace needs no more")]
    fn refill(&mut self, kitchen: Kitchen, now_ms: u64) {
        let since_ms = now_ms.saturating_sub(self.at_ms);
        self.tokens = (self.tokens + since_ms as f64 * kitchen.rate()).min(kitchen.burst());
        self.at_ms = self.at_ms.max(now_ms);
    }

    /// In how many milliseconds the next ticket may go.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rounded up from 0"
    )]
    pub(super) fn wait_ms(&mut self, kitchen: Kitchen, now_ms: u64) -> u64 {
        self.refill(kitchen, now_ms);
        if self.tokens > 0.0 { 0 } else { (-self.tokens / kitchen.rate()).floor() as u64 + 1 }
    }

    /// A ticket of so many thousandths goes.
    pub(super) fn take(&mut self, kitchen: Kitchen, now_ms: u64, work: u32) {
        self.refill(kitchen, now_ms);
        self.tokens -= f64::from(work);
    }

    /// It begins again, with the stations that are free now.
    pub(super) fn begin_again(&mut self, now_ms: u64) {
        self.began_ms = now_ms;
    }

    /// Whether all of its stations are free again, some time after it began.
    pub(super) fn has_caught_up(&mut self, kitchen: Kitchen, now_ms: u64) -> bool {
        self.refill(kitchen, now_ms);
        self.tokens >= kitchen.burst() && now_ms >= self.began_ms.saturating_add(CATCH_UP_MS)
    }
}

/// How many calls of one party may be repeats: a tenth of the first ones, and one a second, so that
/// one who is hardly called is tried again, too.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RetryBudget {
    /// In tenths of a repeat.
    tenths: u64,
    at_ms: u64,
}

/// Repeats in tenths: what a first call adds, what a repeat takes, what a second adds, and most that
/// are kept for later.
const ADDED_BY_CALL: u64 = 1;
const TAKEN: u64 = 10;
const ADDED_EACH_S: u64 = 10;
const KEPT_MAX: u64 = 1_000;

impl RetryBudget {
    fn refill(&mut self, now_ms: u64) {
        let since_ms = now_ms.saturating_sub(self.at_ms);
        // What is less than a tenth is counted later.
        let added = since_ms.saturating_mul(ADDED_EACH_S) / 1_000;
        if added > 0 {
            self.tenths = (self.tenths + added).min(KEPT_MAX);
            self.at_ms = now_ms;
        }
    }

    /// A call that is none's repeat.
    pub(super) fn call(&mut self) {
        self.tenths = (self.tenths + ADDED_BY_CALL).min(KEPT_MAX);
    }

    /// Takes a repeat; if there is none, in how many milliseconds to ask again.
    pub(super) fn repeat(&mut self, now_ms: u64) -> Result<(), u64> {
        self.refill(now_ms);
        match self.tenths.checked_sub(TAKEN) {
            Some(left) => {
                self.tenths = left;
                Ok(())
            }
            None => Err((TAKEN - self.tenths) * 1_000 / ADDED_EACH_S),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KITCHEN: Kitchen = Kitchen { unit_ms: 30_000, stations: 2 };

    /// As many as there are stations at once, then one each time that one is made.
    #[test]
    fn an_outlet_gets_what_it_can_make() {
        let mut pace = Pace::new(KITCHEN, 0);
        let mut sent = Vec::new();
        let mut now_ms = 0;
        for _ in 0..6 {
            now_ms += pace.wait_ms(KITCHEN, now_ms);
            pace.take(KITCHEN, now_ms, 1_000);
            sent.push(now_ms);
        }
        assert_eq!(sent, [0, 0, 1, 30_001, 60_001, 90_001]);
        assert!(!pace.has_caught_up(KITCHEN, 120_000));
        assert!(pace.has_caught_up(KITCHEN, 190_000));
    }

    /// What waited comes out of the engine some moments after the breaker has closed.
    #[test]
    fn one_that_has_hardly_begun_has_not_caught_up() {
        let mut pace = Pace::new(KITCHEN, 500);
        assert!(!pace.has_caught_up(KITCHEN, 500));
        assert!(!pace.has_caught_up(KITCHEN, 60_499));
        pace.take(KITCHEN, 60_499, 2_000);
        assert!(!pace.has_caught_up(KITCHEN, 60_500));
        assert!(pace.has_caught_up(KITCHEN, 120_499));
        assert!(Pace::new(KITCHEN, 500).has_caught_up(KITCHEN, 60_500));
    }

    #[test]
    fn a_large_ticket_goes_and_what_comes_after_it_waits() {
        let mut pace = Pace::new(KITCHEN, 1_000);
        assert_eq!(pace.wait_ms(KITCHEN, 1_000), 0);
        pace.take(KITCHEN, 1_000, 12_000);
        assert_eq!(pace.wait_ms(KITCHEN, 1_000), 300_001);
        assert_eq!(pace.wait_ms(KITCHEN, 301_001), 0);
        // Nothing is saved up beyond what it can begin at once.
        assert!(pace.has_caught_up(KITCHEN, 10_000_000));
        pace.take(KITCHEN, 10_000_000, 2_000);
        assert_eq!(pace.wait_ms(KITCHEN, 10_000_000), 1);
    }

    #[test]
    fn a_tenth_of_all_calls_are_repeats() {
        let mut budget = RetryBudget::default();
        assert_eq!(budget.repeat(0), Err(1_000));
        for _ in 0..10 {
            budget.call();
        }
        assert_eq!(budget.repeat(0), Ok(()));
        assert_eq!(budget.repeat(0), Err(1_000));
        assert_eq!(budget.repeat(999), Err(100));
        assert_eq!(budget.repeat(1_999), Ok(()), "one a second");
        for _ in 0..100_000 {
            budget.call();
        }
        let repeats = (0..1_000).filter(|_| budget.repeat(2_000).is_ok()).count();
        assert_eq!(repeats, 100, "no more are kept");
    }
}
