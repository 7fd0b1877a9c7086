//! Openings that places were drawn for: in the second before one, places are moments.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::{DRAWN_US, SLOT_US};

/// As many are remembered; of more, the latest.
pub(super) const OPENINGS_MAX: usize = 16;

/// When they are, in microseconds since 1970; 0: none.
#[derive(Debug, Default)]
pub(super) struct Openings([AtomicU64; OPENINGS_MAX]);

impl Openings {
    /// Remembers one.
    pub(super) fn note(&self, opens_us: u64) {
        loop {
            let mut earliest = (u64::MAX, &self.0[0]);
            for place in &self.0 {
                let known_us = place.load(Relaxed);
                if known_us == opens_us {
                    return;
                }
                if known_us < earliest.0 {
                    earliest = (known_us, place);
                }
            }
            let (earliest_us, place) = earliest;
            let is_older = opens_us < earliest_us;
            if is_older || place.compare_exchange(earliest_us, opens_us, Relaxed, Relaxed).is_ok() {
                return;
            }
        }
    }

    pub(super) fn all(&self) -> Vec<u64> {
        let mut all: Vec<_> = self.0.iter().map(|place| place.load(Relaxed)).collect();
        all.retain(|opens_us| *opens_us > 0);
        all.sort_unstable();
        all
    }

    /// Whether a slot lies, in part at least, in the second before one of them.
    pub(super) fn drew(&self, slot_us: u64) -> bool {
        self.0.iter().any(|place| {
            let opens_us = place.load(Relaxed);
            slot_us < opens_us && slot_us + SLOT_US > opens_us.saturating_sub(DRAWN_US)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_openings_are_remembered_each_once() {
        let openings = Openings::default();
        for number in (1..=40).rev().chain(1..=40) {
            openings.note(number * 60_000_000);
        }
        let latest: Vec<_> = (25..=40).map(|number| number * 60_000_000).collect();
        assert_eq!(openings.all(), latest);
        for (slot_us, drew) in [
            (40 * 60_000_000 - DRAWN_US - SLOT_US, false),
            (40 * 60_000_000 - DRAWN_US, true),
            (40 * 60_000_000 - SLOT_US, true),
            (40 * 60_000_000, false),
            (30 * 60_000_000 - SLOT_US, true),
            (3 * 60_000_000 - SLOT_US, false),
        ] {
            assert_eq!(openings.drew(slot_us), drew, "{slot_us}");
        }
    }
}
