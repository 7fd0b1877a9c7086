//! Places and the counts of them, slot by slot.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::{CHUNK, Intake, SLOT_US, SLOTS};

/// What somebody has seen of all slots; at first that all are empty.
#[derive(Debug)]
pub struct SeenSlots {
    /// Passes by slot.
    pub slots: Box<[u32]>,
    changes: [u32; SLOTS / CHUNK],
}

impl Default for SeenSlots {
    fn default() -> Self {
        Self { slots: vec![0; SLOTS].into(), changes: [0; SLOTS / CHUNK] }
    }
}

impl Intake {
    /// The slot of a place.
    #[must_use]
    pub fn slot_of(place_us: u64) -> usize {
        usize::try_from(place_us / SLOT_US % SLOTS as u64).expect("below SLOTS")
    }

    /// Whether places of this one's slot are moments.
    #[must_use]
    pub fn is_drawn(&self, place_us: u64) -> bool {
        self.openings.drew(place_us - place_us % SLOT_US)
    }

    /// Gives out a place to who comes now, and counts it.
    pub fn take_place(&self, now_us: u64) -> u64 {
        let before = self.add_passes(now_us, 1);
        let slot_us = now_us - now_us % SLOT_US;
        if self.is_drawn(now_us) { now_us } else { slot_us + u64::from(before).min(SLOT_US - 1) }
    }

    /// Passes of its slot that come before a place, of as many as there are by now.
    #[must_use]
    pub fn before_in_slot(&self, place_us: u64) -> u64 {
        let (here, at_us) = (u64::from(self.passes_in_slot(place_us)), place_us % SLOT_US);
        if self.is_drawn(place_us) { here * at_us / SLOT_US } else { at_us.min(here) }
    }

    /// Goes on through the slot of a place for so many passes: to this place, or, where no more
    /// than that are left in the slot, how many are.
    ///
    /// # Errors
    /// The slot ends before; what is left in it.
    pub fn go_through(&self, place_us: u64, passes: u64) -> Result<u64, u64> {
        let here = u64::from(self.passes_in_slot(place_us));
        let before = self.before_in_slot(place_us);
        let left = here.saturating_sub(before);
        let slot_us = place_us - place_us % SLOT_US;
        let at_us = if self.is_drawn(place_us) {
            ((before + passes) * SLOT_US).div_ceil(here.max(1))
        } else {
            before + passes
        };
        // The last number of a slot is that of all who come after it.
        if passes >= left || at_us >= SLOT_US - 1 { Err(left) } else { Ok(slot_us + at_us) }
    }

    /// Counts one pass with this place.
    pub fn count_pass(&self, place_us: u64) {
        self.add_passes(place_us, 1);
    }

    /// Counts passes with this place that were counted elsewhere. In mirrors the sum may also go
    /// down: `passes` is added without regard to overflow.
    ///
    /// Returns how many there were in its slot.
    pub fn add_passes(&self, place_us: u64, passes: u32) -> u32 {
        let slot = Self::slot_of(place_us);
        let before = self.slots[slot].fetch_add(passes, Relaxed);
        self.changes[slot / CHUNK].fetch_add(1, Release);
        before
    }

    /// Looks for slots that are not as they were: `seen` has what was seen of each slot and, per
    /// chunk, of its changes; both are brought up to date, and `each` is told of every slot with
    /// what it held before and holds now.
    pub fn changed_slots(&self, seen: &mut SeenSlots, mut each: impl FnMut(usize, u32, u32)) {
        for (chunk, (changes, known)) in self.changes.iter().zip(&mut seen.changes).enumerate() {
            let now = changes.load(Acquire);
            if now == *known {
                continue;
            }
            *known = now;
            for slot in chunk * CHUNK..(chunk + 1) * CHUNK {
                let passes = self.slots[slot].load(Relaxed);
                let before = std::mem::replace(&mut seen.slots[slot], passes);
                if before != passes {
                    each(slot, before, passes);
                }
            }
        }
    }

    /// Passes in the slot of this place.
    #[must_use]
    pub fn passes_in_slot(&self, place_us: u64) -> u32 {
        self.slots[Self::slot_of(place_us)].load(Relaxed)
    }

    /// For the steward and mirrors.
    pub fn set_passes_in_slot(&self, place_us: u64, passes: u32) {
        let slot = Self::slot_of(place_us);
        if self.slots[slot].swap(passes, Relaxed) != passes {
            self.changes[slot / CHUNK].fetch_add(1, Release);
        }
    }

    /// Passes that wait at this moment: those whose places lie between the watermark and now. 0
    /// while the room is open.
    #[must_use]
    pub fn passes_waiting(&self, now_us: u64) -> u64 {
        let from_us = self.watermark_us();
        if from_us >= now_us {
            return 0;
        }
        // Older places have lost their slots to newer ones.
        let oldest = (now_us / SLOT_US).saturating_sub(SLOTS as u64 - 1);
        let slots = (from_us / SLOT_US).max(oldest)..=now_us / SLOT_US;
        let sum: u64 = slots.map(|slot| u64::from(self.passes_in_slot(slot * SLOT_US))).sum();
        if from_us / SLOT_US < oldest { sum } else { sum - sum.min(self.before_in_slot(from_us)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::OPEN;

    #[test]
    fn who_waits_is_counted_from_the_watermark_to_now() {
        let intake = Intake::default();
        let now_us = 1_770_000_000_000_000;
        for ago in [1, 5, 5, 20] {
            intake.count_pass(now_us - ago * SLOT_US);
        }
        // The watermark so many slots ago, and who waits then.
        for (ago, waiting) in [(0, 0), (1, 1), (4, 1), (5, 3), (20, 4), (1_000_000, 4)] {
            intake.set_watermark_us(now_us - ago * SLOT_US);
            assert_eq!(intake.passes_waiting(now_us), waiting, "{ago}");
        }
        // Of the two in its slot the watermark has gone through one.
        intake.set_watermark_us(now_us - 5 * SLOT_US + 1);
        assert_eq!(intake.passes_waiting(now_us), 2);
        intake.set_watermark_us(OPEN);
        assert_eq!(intake.passes_waiting(now_us), 0);
    }

    /// Goes through a slot that has so many passes from a place on.
    #[track_caller]
    fn check(drawn: bool, here: u32, from: u64, passes: u64, expected: Result<u64, u64>) {
        let intake = Intake::default();
        let slot_us = 700 * SLOT_US;
        if drawn {
            intake.note_opening(slot_us + SLOT_US);
        }
        intake.add_passes(slot_us, here);
        let reached = intake.go_through(slot_us + from, passes).map(|place_us| place_us - slot_us);
        assert_eq!(reached, expected, "{drawn} {here} {from} {passes}");
    }

    #[test]
    fn a_slot_is_gone_through_pass_by_pass() {
        check(false, 0, 0, 3, Err(0));
        check(false, 10, 0, 3, Ok(3));
        check(false, 10, 3, 3, Ok(6));
        check(false, 10, 6, 4, Err(4));
        check(false, 10, 50, 4, Err(0));
        // Numbers end before passes do: those who share the last one go together.
        check(false, 150_000, 99_990, 8, Ok(99_998));
        check(false, 150_000, 99_990, 9, Err(50_010));
        // Drawn places are spread over the slot.
        check(true, 10, 0, 3, Ok(30_000));
        check(true, 10, 30_000, 3, Ok(60_000));
        check(true, 60_000, 1, 1, Ok(2));
        check(true, 10, 60_000, 4, Err(4));
    }

    #[test]
    fn places_of_two_openings_stay_what_they_are() {
        let intake = Intake::default();
        let (first_us, second_us) = (600 * SLOT_US, 3_600 * SLOT_US);
        intake.hold_until(first_us);
        intake.set_hold_until_us(OPEN);
        intake.hold_until(second_us);
        for opens_us in [first_us, second_us] {
            assert!(intake.is_drawn(opens_us - 1) && intake.is_drawn(opens_us - 999_999));
            assert!(!intake.is_drawn(opens_us));
        }
        let now_us = first_us + SLOT_US / 2;
        assert_eq!(intake.take_place(now_us), first_us);
        assert_eq!(intake.take_place(now_us + 7), first_us + 1);
        let drawn_us = second_us - SLOT_US / 2;
        assert_eq!(intake.take_place(drawn_us), drawn_us);
    }

    #[test]
    fn every_change_of_a_slot_is_seen_once() {
        let intake = Intake::default();
        let mut seen = SeenSlots::default();
        let mut changes = || {
            let mut all = Vec::new();
            intake.changed_slots(&mut seen, |slot, before, now| all.push((slot, before, now)));
            all
        };
        assert!(changes().is_empty());
        intake.count_pass(5 * SLOT_US);
        intake.add_passes(5_000 * SLOT_US, 3);
        assert_eq!(changes(), [(5, 0, 1), (5_000, 0, 3)]);
        assert!(changes().is_empty());
        intake.set_passes_in_slot(5 * SLOT_US, 0);
        intake.set_passes_in_slot(6 * SLOT_US, 0);
        assert_eq!(changes(), [(5, 1, 0)]);
    }
}
