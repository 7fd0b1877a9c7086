//! What users do with what they are offered.

use fastrand::Rng;

use super::MINUTE_MS;

/// Longest promise that a user takes without being asked.
pub(super) const WITHIN_MS: u64 = 30 * MINUTE_MS;

/// From one outlet to the next.
pub(super) const TRAVEL_MS: u64 = 3 * MINUTE_MS;

/// How long an offer is held for a user who has not paid.
pub(super) const HELD_MS: u64 = 3 * MINUTE_MS;

/// Share of users who go to a near outlet where one can make it in time.
const TAKES_NEAR: f64 = 0.5;

/// Share of the others who come later; all others keep their voucher for another day.
const TAKES_LATER: f64 = 0.6;

/// Share of those who come later who do not pay for it in time.
const LETS_LAPSE: f64 = 0.05;

/// One user's mind, which does not depend on what is offered.
#[derive(Clone, Copy, Debug)]
pub(super) struct User {
    pub(super) takes_near: bool,
    pub(super) takes_later: bool,
    pub(super) lets_lapse: bool,
}

impl User {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        Self {
            takes_near: rng.f64() < TAKES_NEAR,
            takes_later: rng.f64() < TAKES_LATER,
            lets_lapse: rng.f64() < LETS_LAPSE,
        }
    }
}
