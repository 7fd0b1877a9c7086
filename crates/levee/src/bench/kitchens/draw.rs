//! What is drawn, each from a seed of its own, so that the same demand meets every way of promising.

use fastrand::Rng;

use super::super::stage::mix;

/// A stream of draws for one purpose in one neighbourhood.
pub(super) fn stream(seed: u64, purpose: u64, neighbourhood: u32) -> Rng {
    let place = purpose << 32 | u64::from(neighbourhood);
    Rng::with_seed(mix(mix(seed.wrapping_add(1)) ^ place.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

/// Above 0, so that its logarithm is finite.
fn above_zero(rng: &mut Rng) -> f64 {
    1.0 - rng.f64()
}

/// Exponential with mean 1.
pub(super) fn gap(rng: &mut Rng) -> f64 {
    -above_zero(rng).ln()
}

/// Standard normal (G. E. P. Box and M. E. Muller, 1958).
pub(super) fn normal(rng: &mut Rng) -> f64 {
    (-2.0 * above_zero(rng).ln()).sqrt() * (std::f64::consts::TAU * rng.f64()).cos()
}

/// Log-normal with mean 1; `sigma` is of the logarithm.
pub(super) fn about_one(rng: &mut Rng, sigma: f64) -> f64 {
    (sigma * normal(rng) - sigma * sigma / 2.0).exp()
}

/// The place that a draw from 0 to 1 has among weights that sum up to 1; the last one takes the
/// rounding.
pub(super) fn among(weights: &[f64], mut drawn: f64) -> usize {
    for (place, weight) in weights.iter().enumerate() {
        if drawn < *weight {
            return place;
        }
        drawn -= weight;
    }
    weights.len() - 1
}

/// Milliseconds of a real, rounded; 0 for what is negative.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
pub(super) fn whole(value: f64) -> u64 {
    value.round() as u64
}
