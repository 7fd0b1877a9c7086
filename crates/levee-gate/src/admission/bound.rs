//! What an estimate lacks to be kept in nine cases of ten.
//!
//! The watermark keeps to its rate, so a turn comes when it was estimated, give or take what pauses have
//! left to be made up for; and users come back within a few hundredths of a second after it, and what
//! their network takes. So what a bound adds is a time and hardly a part of the estimate: the
//! [spread](spread_us) of waits, times a margin that is learned. A factor of the estimate was tried: of
//! what was right for waits of ten seconds shorter ones missed two fifths, and the other way round.
//!
//! A quantile is tracked by the gradient of its pinball loss (the quantile tracker of Angelopoulos,
//! Candès and Tibshirani 2023): the margin grows by so much more with each wait that was longer than
//! it shrinks with each that was not, that in the long run the wanted share is within it. What users
//! are told at one moment comes true almost alike for all of them, so it counts for how long the
//! margin was too small, not how often: one late moment weighs as much as many of its length that
//! were in time.

use std::time::Duration;

/// Of the waits that are over, this share may be longer than the bound that is told now.
const MISSED_SHARE: f64 = 0.08;

/// The way of the poll after a turn: who is told to come a little before it comes again some 20 ms later.
const SPREAD_US: u64 = 25_000;

/// The part of an estimate by which a pause on the way may make it wrong.
const SPREAD_PARTS: u64 = 4_000;

/// So many are counted before it is seen which way to go.
const COUNTED_MIN: u64 = 50;

/// Where fewer come than that within this time, the rest of the time does not count.
const ELAPSED_MAX: Duration = Duration::from_millis(250);

/// How fast one more than the margin grows where all are missed, in parts of itself a second: at first, and
/// when it has turned often.
const SPEED_FIRST: f64 = 2.0;
const SPEED_MIN: f64 = 0.1;

/// The speed after each turn, and for how long it goes one way before it becomes faster again, by so
/// much a second.
const SHRINKAGE: f64 = 0.9;
const PATIENCE: Duration = Duration::from_secs(20);
const GROWTH: f64 = 0.2;

/// Where it begins, and how far it may go: by this much a bound is four times an estimate of half a
/// minute. It is never below the estimate.
const FIRST: f64 = 3.0;
const MOST: f64 = 3_000.0;

/// Whatever long waits have taught, a bound adds no more than so many times the estimate and this time.
const ADDED_TIMES_MAX: u64 = 3;
const ADDED_US_MAX: u64 = 1_000_000;

/// Within which time a turn comes in nine cases of ten that is estimated to come after `eta_us`, where the
/// margin is so many thousandths; microseconds.
pub(super) fn within_us(eta_us: u64, margin_permille: u64) -> u64 {
    let us = u128::from(spread_us(eta_us)) * u128::from(margin_permille) / 1_000;
    let most_us = eta_us.saturating_mul(ADDED_TIMES_MAX).saturating_add(ADDED_US_MAX);
    eta_us.saturating_add(u64::try_from(us).unwrap_or(u64::MAX).min(most_us))
}

/// By about how much waits of this estimate differ.
fn spread_us(eta_us: u64) -> u64 {
    SPREAD_US + eta_us / SPREAD_PARTS
}

#[derive(Debug)]
pub(super) struct Bound {
    margin: f64,
    speed: f64,
    rises: bool,
    /// For how long it has gone this way.
    straight: Duration,
    kept: u64,
    missed: u64,
    elapsed: Duration,
}

impl Default for Bound {
    fn default() -> Self {
        Self {
            margin: FIRST,
            speed: SPEED_FIRST,
            rises: false,
            straight: Duration::ZERO,
            kept: 0,
            missed: 0,
            elapsed: Duration::ZERO,
        }
    }
}

impl Bound {
    /// How many spreads are added to estimates now.
    pub(super) const fn margin(&self) -> f64 {
        self.margin
    }

    /// In this time so many more were let in within the bound as it is now, and so many later.
    #[expect(clippy::cast_precision_loss, reason = "counts of some seconds")]
    pub(super) fn learn(&mut self, step: Duration, kept: u64, missed: u64) {
        self.kept += kept;
        self.missed += missed;
        self.elapsed = (self.elapsed + step).min(ELAPSED_MAX);
        let counted = self.kept + self.missed;
        if counted >= COUNTED_MIN {
            let excess = self.missed as f64 / counted as f64 - MISSED_SHARE;
            let elapsed_s = self.elapsed.as_secs_f64();
            let rises = excess > 0.0;
            if rises != self.rises {
                self.speed = (self.speed * SHRINKAGE).max(SPEED_MIN);
                self.straight = Duration::ZERO;
            }
            self.rises = rises;
            self.straight += self.elapsed;
            if self.straight > PATIENCE {
                self.speed = (self.speed * (1.0 + GROWTH * elapsed_s)).min(SPEED_FIRST);
            }
            let change = self.speed * excess * elapsed_s;
            // From one spread to thousands in seconds, and in small steps below one.
            self.margin = ((self.margin + 1.0) * change.exp() - 1.0).clamp(0.0, MOST);
            (self.kept, self.missed, self.elapsed) = (0, 0, Duration::ZERO);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: Duration = Duration::from_millis(100);

    /// A thousand seconds of users whose waits are longer than estimated by so many spreads, which `of`
    /// says for a report's number and a user's place among 100: of the last nine tenths of them,
    /// the share that is within the bound as it then is.
    #[track_caller]
    fn check(each: u64, of: impl Fn(u32, u64) -> f64) {
        let (mut bound, mut now) = (Bound::default(), FIRST);
        let (mut kept_in_all, mut all) = (0_u32, 0_u32);
        for report in 0..10_000 {
            let places = (0..each).map(|user| (u64::from(report) + user * 61) % 100);
            let within = places.filter(|place| of(report, *place) <= now).count() as u64;
            if report >= 1_000 {
                kept_in_all += u32::try_from(within).expect("of some hundred");
                all += u32::try_from(each).expect("some hundred");
            }
            bound.learn(REPORT, within, each - within);
            now = bound.margin();
        }
        let missed = 1.0 - f64::from(kept_in_all) / f64::from(all);
        assert!((MISSED_SHARE * 0.6..MISSED_SHARE * 1.6).contains(&missed), "{missed}");
    }

    #[test]
    #[expect(clippy::cast_precision_loss, reason = "below 100")]
    fn the_wanted_share_is_within_it_however_alike_waits_are() {
        for (least, most) in [(0.99, 1.01), (0.5, 1.5), (0.9, 4.0), (3.0, 3.1)] {
            for each in [60, 475] {
                check(each, |_, place| least + (most - least) * place as f64 / 100.0);
            }
        }
    }

    #[test]
    fn it_is_so_where_all_of_a_moment_are_late_together() {
        // Up and down within 8, 30 and 60 s.
        for period in [80, 300, 600] {
            let of = |report: u32, _| {
                1.0 + 0.02
                    * (f64::from(report % period) / f64::from(period)).mul_add(2.0, -1.0).abs()
            };
            check(475, of);
        }
    }

    #[test]
    fn what_counts_is_how_long_and_not_how_many() {
        let mut few = Bound::default();
        let mut many = Bound::default();
        for report in 0..500 {
            let late = report % 7 == 0;
            let [few_now, many_now] =
                [(&mut few, 60), (&mut many, 60_000)].map(|(bound, count)| {
                    let (kept, missed) = if late { (0, count) } else { (count, 0) };
                    bound.learn(REPORT, kept, missed);
                    bound.margin()
                });
            assert_eq!(few_now, many_now);
        }
    }

    #[test]
    fn from_far_off_it_is_back_within_a_few_minutes() {
        let mut bound = Bound::default();
        let mut learn = |seconds: u32, wait: f64| {
            let mut now = FIRST;
            for _ in 0..seconds * 10 {
                let kept = if wait <= now { 475 } else { 0 };
                bound.learn(REPORT, kept, 475 - kept);
                now = bound.margin();
            }
            now
        };
        for _ in 0..2 {
            assert!((learn(300, 1.0) - 1.0).abs() < 0.03);
            assert!(learn(120, 2.0 * MOST) > MOST * 0.99);
        }
        assert!((learn(300, 1.0) - 1.0).abs() < 0.03);
    }

    #[test]
    fn a_bound_is_the_estimate_and_so_many_spreads() {
        for (eta_ms, margin_permille, expected_ms) in [
            (0, 1_000, 25),
            (0, 0, 0),
            (400, 2_000, 450),
            (40_000, 1_000, 40_035),
            (600_000, 3_000, 600_525),
            // Neither is a short wait told hours because long ones were off, nor does anything overflow.
            (0, 3_000_000, 1_000),
            (100, 3_000_000, 1_400),
            (32_000, 3_000_000, 129_000),
        ] {
            let within_ms = within_us(eta_ms * 1_000, margin_permille) / 1_000;
            assert_eq!(within_ms, expected_ms, "{eta_ms} ms, {margin_permille}");
        }
        assert_eq!(within_us(u64::MAX, u64::MAX), u64::MAX);
    }

    #[test]
    fn with_nobody_it_stays() {
        let mut bound = Bound::default();
        for _ in 0..1_000 {
            bound.learn(REPORT, 0, 0);
            assert_eq!(bound.margin(), FIRST);
        }
    }
}
