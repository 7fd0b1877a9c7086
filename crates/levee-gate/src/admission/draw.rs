//! Places of those who come before the opening: drawn, not raced for.
//!
//! Everyone who is there before a campaign opens has an equal chance. The draw's seed is fixed by
//! the installation's key and the campaign's id; its SHA-256 is published beforehand and the seed
//! itself once the campaign is open, so anyone can compute the rank of a ticket and see that nobody
//! was preferred. A user has one ticket, however often and from wherever he asks.

use levee_api::intake::DRAWN_US;
use levee_api::pass::{PassSecret, draw_commitment, draw_rank};
use levee_api::time::Instant;
use levee_api::types::UserKey;
use levee_api::wire::DrawBody;

/// The place of a user who is there before the opening.
pub(crate) fn place_us(
    secret: &PassSecret,
    campaign: &str,
    user: UserKey,
    opens_us: u64,
) -> (u64, [u8; 8]) {
    let ticket = secret.draw_ticket(campaign, user);
    let rank = draw_rank(&secret.draw_seed(campaign), ticket);
    let within_us = (u128::from(rank) * u128::from(DRAWN_US)) >> 64;
    let within_us = u64::try_from(within_us).expect("below the span");
    (opens_us.saturating_sub(DRAWN_US) + within_us, ticket)
}

/// What everyone may know of a campaign's draw: the seed only once the campaign is open.
pub(crate) fn draw_of(
    secret: &PassSecret,
    campaign: &str,
    opens_at_ms: u64,
    journal_ms: u64,
) -> DrawBody {
    let seed = secret.draw_seed(campaign);
    DrawBody {
        commitment: hex(&draw_commitment(&seed)),
        seed: (journal_ms >= opens_at_ms).then(|| hex(&seed)),
        opens_at: Instant { ms: opens_at_ms },
        rule: "The commitment is the SHA-256 of the seed. A ticket's rank is the first 8 bytes, \
               big-endian, of SHA-256(seed || ticket), both as bytes; the lowest rank comes first."
            .to_owned(),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_places_are_before_the_opening_and_the_same_at_every_gate() {
        let secret = PassSecret::new(&[1; 32]);
        let opens_us = 50_000_000;
        for user in 0..200 {
            let user = UserKey([user; 16]);
            let (place, _) = place_us(&secret, "spring", user, opens_us);
            assert!((opens_us - DRAWN_US..opens_us).contains(&place), "{place}");
            let other_gate = PassSecret::new(&[1; 32]);
            assert_eq!(place_us(&other_gate, "spring", user, opens_us).0, place);
        }
    }

    #[test]
    fn the_seed_stays_secret_until_the_opening() {
        let secret = PassSecret::new(&[1; 32]);
        let before = draw_of(&secret, "spring", 1_000, 999);
        let after = draw_of(&secret, "spring", 1_000, 1_000);
        assert_eq!(before.seed, None);
        assert_eq!(before.commitment, after.commitment);
        assert_eq!(after.seed, Some(hex(&secret.draw_seed("spring"))));
    }
}
