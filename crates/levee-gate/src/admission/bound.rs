//! By what an estimate is multiplied to be kept in nine cases of ten.
//!
//! What users are told at one moment comes true almost alike for all of them: nine of ten lie within
//! a percent. A step that is in proportion to how many were missed then swings between far too wide
//! and just too narrow. So the step depends only on the direction (Rprop, Riedmiller and Braun
//! 1993): it grows while the direction stays and shrinks where it turns.

/// Of those who are let in, this share may come later than its bound.
const MISSED_SHARE: f64 = 0.1;

/// So many are counted before it is seen which way to go.
const COUNTED_MIN: u64 = 50;

/// Steps, in parts of the bound.
const STEP_FIRST: f64 = 0.05;
const STEP_MIN: f64 = 0.001;
const STEP_MAX: f64 = 0.1;
const GROWTH: f64 = 1.5;
const SHRINKAGE: f64 = 0.5;

/// Where it begins, and how far it may go.
const FIRST: f64 = 1.5;
const LEAST: f64 = 0.3;
const MOST: f64 = 20.0;

#[derive(Debug)]
pub(super) struct Bound {
    factor: f64,
    step: f64,
    rises: bool,
    kept: u64,
    missed: u64,
}

impl Default for Bound {
    fn default() -> Self {
        Self { factor: FIRST, step: STEP_FIRST, rises: false, kept: 0, missed: 0 }
    }
}

impl Bound {
    /// So many more were let in within the bound as it is now, and so many later. What it is from
    /// now on.
    #[expect(clippy::cast_precision_loss, reason = "counts of some seconds")]
    pub(super) fn learn(&mut self, kept: u64, missed: u64) -> f64 {
        self.kept += kept;
        self.missed += missed;
        let counted = self.kept + self.missed;
        if counted >= COUNTED_MIN {
            let rises = self.missed as f64 > counted as f64 * MISSED_SHARE;
            let change = if rises == self.rises { GROWTH } else { SHRINKAGE };
            self.step = (self.step * change).clamp(STEP_MIN, STEP_MAX);
            self.rises = rises;
            let factor = if rises {
                self.factor * (1.0 + self.step)
            } else {
                self.factor / (1.0 + self.step)
            };
            self.factor = factor.clamp(LEAST, MOST);
            (self.kept, self.missed) = (0, 0);
        }
        self.factor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Users whose waits are the estimate times a factor, evenly between two: of the last nine
    /// tenths of them, the share that is within the bound as it then is.
    #[track_caller]
    fn check(least: f64, most: f64, each: u64) {
        let (mut bound, mut now) = (Bound::default(), FIRST);
        let (mut kept_in_all, mut all) = (0, 0);
        let mut place = 0_u64;
        for turn in 0..4_000 {
            let mut kept = 0;
            for _ in 0..each {
                place = (place + 61) % 100;
                #[expect(clippy::cast_precision_loss, reason = "below 100")]
                let wait = least + (most - least) * place as f64 / 100.0;
                kept += u64::from(wait <= now);
            }
            if turn >= 400 {
                kept_in_all += kept;
                all += each;
            }
            now = bound.learn(kept, each - kept);
        }
        #[expect(clippy::cast_precision_loss, reason = "counts of a test")]
        let share = kept_in_all as f64 / all as f64;
        assert!((0.86..0.94).contains(&share), "{share} between {least} and {most}, {each} each");
    }

    #[test]
    fn nine_of_ten_are_within_it_however_alike_they_are() {
        for (least, most) in [(0.99, 1.01), (0.5, 1.5), (0.9, 4.0), (3.0, 3.1)] {
            for each in [7, 100, 475] {
                check(least, most, each);
            }
        }
    }

    #[test]
    fn with_nobody_it_stays() {
        let mut bound = Bound::default();
        for _ in 0..1_000 {
            assert_eq!(bound.learn(0, 0), FIRST);
        }
    }
}
