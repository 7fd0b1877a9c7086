//! What the watermark should have gone through and has not.
//!
//! A pause of a moment holds some passes back. They are let in a little later on top of the others, so
//! that turns come when they were told; until then they count as let in, since that is what they
//! will have been. What is held back for longer is no pause but a lower rate.

use std::time::Duration;

/// As much as is let in within this time can be owed; what is more is lost, so that no burst follows.
const MOST: Duration = Duration::from_millis(200);

/// From this part of that on it is looked whether the rest comes to be owed as well.
const LOOKED_FROM: f64 = 0.5;

/// One pause and the queue that it leaves take less than this for the rest, or hardly more. What takes
/// longer is a rate that is up to a fifth lower, or several pauses within a second; a rate that is lower by
/// more shows sooner (see `pace`).
const LASTING: Duration = Duration::from_millis(500);

/// Passes that are owed.
#[derive(Debug, Default)]
pub(super) struct Arrears {
    passes: f64,
    /// As many were owed as can be, and not yet so few that it would be looked at again.
    was_full: bool,
    /// Since when more is owed than what is not looked at, in seconds, and passes let in since.
    since_s: f64,
    gone: f64,
}

/// A step as the pace is to take it.
#[derive(Debug, PartialEq)]
pub(super) struct Counted {
    /// Passes that are let in, or will be on top of others.
    pub(super) passes: f64,
    /// From now on as much is owed as can be: it has been so many a second for a while.
    pub(super) lasting_per_s: Option<f64>,
}

impl Arrears {
    /// Passes to be let in on top. The one less is a pass of which a part was let in.
    pub(super) fn passes(&self) -> f64 {
        (self.passes - 1.0).max(0.0)
    }

    /// In this time so many passes were let in; so many a second should have been.
    pub(super) fn add(&mut self, gone: f64, step_s: f64, per_s: f64) -> Counted {
        let most = per_s * MOST.as_secs_f64();
        let before = self.passes;
        self.passes = (before + per_s * step_s - gone).clamp(0.0, most);
        if self.passes < most * LOOKED_FROM {
            (self.since_s, self.gone, self.was_full) = (0.0, 0.0, false);
        } else {
            self.since_s += step_s;
            self.gone += gone;
        }
        let is_full = self.passes >= most;
        let lasts = is_full && !self.was_full && self.since_s >= LASTING.as_secs_f64();
        self.was_full |= is_full;
        Counted {
            passes: gone + self.passes - before,
            lasting_per_s: lasts.then(|| self.gone / self.since_s),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP_S: f64 = 0.005;

    /// For each of these times so many passes a second, of a thousand that should be. What is owed after the
    /// first of them, how many were counted in all, and the rates that were taken to last.
    #[track_caller]
    fn check(times: &[(f64, f64)], owed: &[f64], counted: f64, lasting: &[f64]) {
        let mut arrears = Arrears::default();
        let (mut sum, mut rates) = (0.0, Vec::new());
        for (number, (seconds, per_s)) in times.iter().enumerate() {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "steps")]
            for _ in 0..(seconds / STEP_S).round() as u64 {
                let counted = arrears.add(per_s * STEP_S, STEP_S, 1_000.0);
                sum += counted.passes;
                rates.extend(counted.lasting_per_s.map(f64::round));
            }
            if let Some(owed) = owed.get(number) {
                assert!((arrears.passes() + 1.0 - owed.max(1.0)).abs() < 0.01, "{arrears:?}");
            }
        }
        assert!(counted.is_nan() || (sum - counted).abs() < 0.01, "{sum}");
        assert_eq!(rates, lasting);
    }

    #[test]
    fn a_pause_is_owed_and_counts_once_it_is_made_up_for() {
        check(&[(1.0, 1_000.0), (0.05, 0.0)], &[0.0, 50.0], 1_050.0, &[]);
        check(&[(0.05, 0.0), (2.5, 1_020.0)], &[50.0, 0.0], 2_550.0, &[]);
        // More than can be owed is lost.
        check(&[(0.3, 0.0), (10.0, 1_020.0)], &[200.0, 0.0], 10_200.0, &[]);
        // What goes through besides is not kept for a pause to come.
        check(&[(1.0, 1_100.0), (0.05, 0.0)], &[0.0, 50.0], 1_150.0, &[]);
    }

    #[test]
    fn what_stays_below_what_should_be_is_another_rate() {
        check(&[(4.0, 900.0)], &[200.0], 3_800.0, &[900.0]);
        check(&[(6.0, 960.0)], &[200.0], 5_960.0, &[960.0]);
        // So much below that it needs nobody to tell.
        check(&[(4.0, 500.0)], &[200.0], 2_200.0, &[]);
        // Once, as long as it lasts, also where whole passes make it now a little less and now more.
        let unsteady = [(0.05, 1_050.0), (0.05, 750.0)].repeat(60);
        check(&[&[(4.0, 900.0)], &unsteady[..]].concat(), &[200.0], f64::NAN, &[900.0]);
        // And again once it was made up for.
        let times = [(4.0, 900.0), (11.0, 1_020.0), (4.0, 920.0)];
        check(&times, &[200.0, 0.0, 200.0], f64::NAN, &[900.0, 920.0]);
    }

    #[test]
    fn parts_of_a_pass_are_not_let_in_twice() {
        let mut arrears = Arrears::default();
        // Whole passes only, the rest kept for the next step, as the steward does.
        let (mut rest, mut gone) = (0.0, 0.0);
        for _ in 0..10_000 {
            let may: f64 = rest + 0.7 + arrears.passes().min(0.1);
            rest = may.fract();
            gone += may.trunc();
            arrears.add(may.trunc(), STEP_S, 140.0);
        }
        assert!((gone - 7_000.0).abs() <= 2.0, "{gone}");
    }
}
