//! Chance that depends on nothing but the seed and what it is about, never on what came first.

use fastrand::Rng;
use levee_api::scenario::Lasting;
use sha2::{Digest, Sha256};

/// Nothing here takes longer: a week of the day, in milliseconds.
const LASTING_MS_MAX: f64 = 7.0 * 86_400_000.0;

/// The seed that everything is drawn by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draw {
    seed: u64,
}

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// First 8 bytes of a hash of what it is about. Ids hold no byte 0.
    pub(super) fn hash(self, about: &str, ids: &[&str]) -> u64 {
        let mut hash = Sha256::new().chain_update(self.seed.to_le_bytes()).chain_update(about);
        for id in ids {
            hash.update([0]);
            hash.update(id);
        }
        u64::from_le_bytes(*hash.finalize().first_chunk().expect("32 bytes have 8"))
    }

    /// A stream of draws of its own.
    pub(super) fn about(self, about: &str, ids: &[&str]) -> Rng {
        Rng::with_seed(self.hash(about, ids))
    }

    /// Whether it falls into a share of all.
    pub(super) fn falls_into(self, share: f64, about: &str, ids: &[&str]) -> bool {
        self.about(about, ids).f64() < share
    }

    /// A length of time, in milliseconds of the day.
    pub(super) fn lasting_ms(self, lasting: Lasting, about: &str, ids: &[&str]) -> u64 {
        lasting_ms(&mut self.about(about, ids), lasting)
    }
}

/// A log-normal draw, in milliseconds of the day.
pub(super) fn lasting_ms(random: &mut Rng, lasting: Lasting) -> u64 {
    whole((lasting.median_s * 1_000.0 * spread(random, lasting.sigma)).min(LASTING_MS_MAX))
}

/// A log-normal draw with median 1.
pub(super) fn spread(random: &mut Rng, sigma: f64) -> f64 {
    (normal(random) * sigma).exp()
}

/// The time to the next of independent arrivals that are 1 apart on average.
pub(super) fn gap(random: &mut Rng) -> f64 {
    -(1.0 - random.f64()).ln()
}

/// A standard normal draw (Box and Muller).
fn normal(random: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.f64()).cos()
}

/// A real as a count: rounded, and 0 for what is negative or no number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
pub(super) fn whole(value: f64) -> u64 {
    value.round() as u64
}

/// A count as a real. Counts and times here are far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts and times here are far below 2^53")]
pub(super) fn real(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_from_seed_and_id_alone() {
        let (draw, other) = (Draw::new(1), Draw::new(2));
        let first = draw.about("user", &["pay_1"]).u64(..);
        let _ = draw.about("user", &["pay_2"]).u64(..);
        assert_eq!(draw.about("user", &["pay_1"]).u64(..), first);
        for different in [
            draw.about("user", &["pay_2"]).u64(..),
            draw.about("refund", &["pay_1"]).u64(..),
            draw.about("user", &["pay", "_1"]).u64(..),
            other.about("user", &["pay_1"]).u64(..),
        ] {
            assert_ne!(different, first);
        }
    }

    /// The share of 20,000 ids for which something holds.
    #[track_caller]
    fn check(expected: f64, holds: impl Fn(&str) -> bool) {
        let count = (0..20_000).filter(|id| holds(&format!("id-{id}"))).count();
        let share = real(count as u64) / 20_000.0;
        assert!((share - expected).abs() < 0.012, "{share} instead of {expected}");
    }

    #[test]
    fn shares_and_medians_are_met() {
        let draw = Draw::new(7);
        check(0.2, |id| draw.falls_into(0.2, "share", &[id]));
        check(0.0, |id| draw.falls_into(0.0, "share", &[id]));
        check(1.0, |id| draw.falls_into(1.0, "share", &[id]));
        let lasting = Lasting { median_s: 30.0, sigma: 0.5 };
        let ms = |id: &str| draw.lasting_ms(lasting, "lasting", &[id]);
        check(0.5, |id| ms(id) < 30_000);
        // One sigma above the median.
        check(0.841, |id| ms(id) < 49_462);
        let exact = Lasting { median_s: 30.0, sigma: 0.0 };
        check(1.0, |id| draw.lasting_ms(exact, "lasting", &[id]) == 30_000);
        // Half of the gaps are below ln 2.
        check(0.5, |id| gap(&mut draw.about("gap", &[id])) < std::f64::consts::LN_2);
    }
}
