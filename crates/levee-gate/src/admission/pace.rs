//! How many passes a second are let in, as estimates take it.
//!
//! A wait of many seconds follows the mean of many seconds: an estimate by the rate of the moment
//! is off by a tenth whenever the engine or the machine paused a little. So a slow mean is taken.
//! Where a quick one is far from it, this is no pause but another rate, and the slow one begins
//! anew from there.

use std::time::Duration;

/// Over which times the means are taken, once there is as much to take.
const SLOW: Duration = Duration::from_secs(10);
const QUICK: Duration = Duration::from_secs(1);

/// The guess of the beginning counts as if it had been seen for so long.
const GUESSED: Duration = Duration::from_millis(300);

/// Means that differ by more than this part of the slow one, and by more than two passes, are of
/// different rates. A pause of an eighth of the quick time seems one as well, until it is over.
const CHANGED: f64 = 0.125;
const CHANGED_PASSES: f64 = 2.0;

#[derive(Debug, Default)]
pub(super) struct Pace {
    slow: f64,
    quick: f64,
    /// For how long it was seen, in seconds; zero: it begins with a guess.
    seen_s: f64,
}

impl Pace {
    /// What was seen says nothing of what comes: it begins with a guess again.
    pub(super) fn forget(&mut self) {
        self.seen_s = 0.0;
    }

    /// It was this for a while already, and goes on from there.
    pub(super) fn change(&mut self, per_s: f64) {
        *self = Self { slow: per_s, quick: per_s, seen_s: QUICK.as_secs_f64() };
    }

    /// So many passes in this time, which is not zero. `guess_per_s` is what it begins with.
    pub(super) fn add(&mut self, passes: f64, step_s: f64, guess_per_s: f64) {
        if self.seen_s == 0.0 {
            *self = Self { slow: guess_per_s, quick: guess_per_s, seen_s: GUESSED.as_secs_f64() };
        }
        self.seen_s = (self.seen_s + step_s).min(SLOW.as_secs_f64());
        let now = passes / step_s;
        let weigh = |time: Duration| step_s / self.seen_s.min(time.as_secs_f64());
        self.slow += (now - self.slow) * weigh(SLOW);
        self.quick += (now - self.quick) * weigh(QUICK);
        let noise = CHANGED_PASSES / QUICK.as_secs_f64();
        if (self.quick - self.slow).abs() > (self.slow * CHANGED).max(noise) {
            self.change(self.quick);
        }
    }

    /// Passes a second; None before anything was seen.
    pub(super) fn per_s(&self) -> Option<f64> {
        (self.seen_s > 0.0).then_some(self.slow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP_S: f64 = 0.005;

    /// So many seconds at a rate, as whole passes in bunches.
    fn run(pace: &mut Pace, seconds: f64, per_s: f64) {
        let mut owed = 0.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "steps")]
        for step in 0..(seconds / STEP_S) as u64 {
            owed += per_s * STEP_S;
            let passes = if step % 3 == 0 { f64::trunc(owed) } else { 0.0 };
            owed -= passes;
            pace.add(passes, STEP_S, 1_000.0);
        }
    }

    #[track_caller]
    fn check(pace: &Pace, wanted: f64, tolerance: f64) {
        let per_s = pace.per_s().expect("seen");
        assert!((per_s / wanted - 1.0).abs() < tolerance, "{per_s} of {wanted}");
    }

    #[test]
    fn it_begins_with_the_guess() {
        let mut pace = Pace::default();
        assert_eq!(pace.per_s(), None);
        run(&mut pace, 0.05, 900.0);
        check(&pace, 1_000.0, 0.02);
        pace.forget();
        assert_eq!(pace.per_s(), None);
    }

    #[test]
    fn pauses_hardly_move_it() {
        let mut pace = Pace::default();
        run(&mut pace, 20.0, 4_750.0);
        check(&pace, 4_750.0, 0.01);
        run(&mut pace, 0.1, 0.0);
        check(&pace, 4_750.0, 0.02);
        run(&mut pace, 0.1, 9_500.0);
        check(&pace, 4_750.0, 0.01);
    }

    #[test]
    fn it_follows_another_rate_within_seconds() {
        let mut pace = Pace::default();
        run(&mut pace, 20.0, 4_750.0);
        for per_s in [1_200.0, 20_000.0, 3_000.0] {
            run(&mut pace, 5.0, per_s);
            check(&pace, per_s, 0.1);
            run(&mut pace, 15.0, per_s);
            check(&pace, per_s, 0.05);
        }
    }
}
