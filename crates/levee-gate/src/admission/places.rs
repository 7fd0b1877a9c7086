//! Positions and estimates: how many passes come before a place, and when its turn is.

use std::cell::{Cell, RefCell};

use levee_api::intake::{Intake, OPEN, SLOT_US, SLOTS};

/// Sums over the slots between the watermark and now, as one worker made them when the slot under
/// way began: those before it do not change any more, and its own count is read as it is.
#[derive(Debug, Default)]
pub(crate) struct Places {
    made_in: Cell<u64>,
    /// Number of the first slot summed up: that of the watermark then.
    first: Cell<u64>,
    /// Passes before each slot from the first on, and behind the last.
    before: RefCell<Vec<u64>>,
}

impl Places {
    /// Passes that come before a place and are not admitted yet.
    pub(crate) fn ahead(&self, intake: &Intake, now_us: u64, place_us: u64) -> u64 {
        let watermark_us = intake.watermark_us();
        if watermark_us == OPEN || place_us <= watermark_us {
            return 0;
        }
        if now_us / SLOT_US != self.made_in.get() {
            self.make(intake, now_us, watermark_us);
        }
        let sum = self.up_to(intake, place_us);
        sum.saturating_sub(self.up_to(intake, watermark_us))
    }

    /// Passes between two places that are near each other.
    pub(crate) fn between(&self, intake: &Intake, from_us: u64, to_us: u64) -> u64 {
        let slots = from_us / SLOT_US..=to_us / SLOT_US;
        let whole: u64 = slots.map(|slot| u64::from(intake.passes_in_slot(slot * SLOT_US))).sum();
        let last = u64::from(intake.passes_in_slot(to_us));
        let (from, to) = (intake.before_in_slot(from_us), intake.before_in_slot(to_us));
        (whole + to).saturating_sub(last + from)
    }

    fn make(&self, intake: &Intake, now_us: u64, watermark_us: u64) {
        let first = watermark_us / SLOT_US;
        let last = (now_us.max(watermark_us) / SLOT_US).min(first + SLOTS as u64 - 1);
        let mut before = self.before.borrow_mut();
        before.clear();
        let mut sum = 0;
        for slot in first..=last {
            before.push(sum);
            sum += u64::from(intake.passes_in_slot(slot * SLOT_US));
        }
        before.push(sum);
        self.first.set(first);
        self.made_in.set(now_us / SLOT_US);
    }

    /// Passes from the first slot to a place.
    fn up_to(&self, intake: &Intake, place_us: u64) -> u64 {
        let before = self.before.borrow();
        let number = place_us / SLOT_US;
        let slot = usize::try_from(number.saturating_sub(self.first.get())).unwrap_or(usize::MAX);
        let Some(sum) = before.get(slot) else { return before.last().copied().unwrap_or(0) };
        sum + intake.before_in_slot(place_us)
    }
}

/// How long so many passes take at the present rate, in microseconds.
pub(crate) fn time_us(intake: &Intake, passes: u64) -> u64 {
    // Not yet measured: as if it were one a second, which nobody will hold against us for long.
    let per_ks = intake.released_per_ks().max(1_000);
    let us = u128::from(passes) * 1_000_000_000 / u128::from(per_ks);
    u64::try_from(us).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_the_number_of_passes_between_watermark_and_place() {
        let (intake, places) = (Intake::default(), Places::default());
        let start_us = 1_000 * SLOT_US;
        for slot in 0..50 {
            for _ in 0..(slot + 1) * 10 {
                intake.count_pass(start_us + slot * SLOT_US);
            }
        }
        let now_us = start_us + 50 * SLOT_US;
        assert_eq!(places.ahead(&intake, now_us, now_us), 0, "nobody waits");
        intake.set_watermark_us(start_us);
        let all = (1..=50).map(|slot| slot * 10).sum::<u64>();
        assert_eq!(places.ahead(&intake, now_us, now_us), all);
        assert_eq!(places.ahead(&intake, now_us, start_us), 0);
        assert_eq!(places.ahead(&intake, now_us, start_us + SLOT_US + 7), 10 + 7);
        // The watermark moves on while the sums are fresh.
        intake.set_watermark_us(start_us + SLOT_US);
        assert_eq!(places.ahead(&intake, now_us, now_us), all - 10);
        intake.set_released_per_ks(2_000_000);
        assert_eq!(time_us(&intake, 4_000), 2_000_000);
    }
}
