//! When users arrive: at a rate, each once, whatever becomes of those before.

use super::super::stage::mix;

/// How arrivals at a rate are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spread {
    /// Each by itself, as independent people come (a Poisson process).
    Independent,
    /// One like the other, so that short windows can be compared with what was offered.
    Even,
}

/// Arrivals still to come. The same seed gives the same ones.
#[derive(Debug)]
pub(super) struct Plan {
    per_s: f64,
    spread: Spread,
    /// Microseconds on the crowd's clock; exact beyond any run's length.
    next_us: f64,
    draws: u64,
}

impl Plan {
    /// From this moment on.
    pub(super) fn new(per_s: f64, spread: Spread, from_us: u32) -> Self {
        let mut plan = Self { per_s, spread, next_us: f64::from(from_us), draws: 0 };
        plan.step();
        plan
    }

    /// The next arrival that is due by now.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not above now, which has 32 bits"
    )]
    pub(super) fn due_by(&mut self, now_us: u32) -> Option<u32> {
        if self.next_us > f64::from(now_us) {
            return None;
        }
        let due_us = self.next_us as u32;
        self.step();
        Some(due_us)
    }

    fn step(&mut self) {
        let gaps = match self.spread {
            Spread::Even => 1.0,
            Spread::Independent => {
                self.draws += 1;
                #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
                let below_one = (mix(self.draws.wrapping_mul(0x9e37_79b9_7f4a_7c15)) >> 11) as f64
                    / (1_u64 << 53) as f64;
                -(1.0 - below_one).ln()
            }
        };
        self.next_us += gaps * 1e6 / self.per_s;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(spread: Spread, tolerance: i64) {
        let mut plan = Plan::new(10_000.0, spread, 500);
        let (mut count, mut last) = (0_i64, 0);
        while let Some(due) = plan.due_by(10_000_500) {
            assert!(due >= last && due >= 500);
            (count, last) = (count + 1, due);
        }
        assert!((count - 100_000).abs() <= tolerance, "{count} arrivals");
        // What is not due yet is not lost.
        assert!(plan.due_by(10_001_500).is_some());
    }

    #[test]
    fn arrivals_come_at_their_rate() {
        check(Spread::Even, 1);
        // Three standard deviations of a Poisson count.
        check(Spread::Independent, 950);
    }
}
