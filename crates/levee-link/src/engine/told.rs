//! What one gate was told of the engine's vitals and intake, so that it is told changes only.

use levee_api::intake::{Intake, SeenSlots};
use levee_api::vitals::Vitals;

use crate::limits::{INTAKE_LOOKS_MAX, VITALS_LOOKS};
use crate::message::{IntakeState, ToGate};

/// What a gate knows.
pub(super) struct Told {
    vitals: Vec<u64>,
    intake: Option<IntakeState>,
    slots: SeenSlots,
    looks: u32,
    intake_silent: u32,
}

impl Told {
    /// Nothing.
    pub(super) fn new() -> Self {
        Self {
            vitals: Vec::new(),
            intake: None,
            slots: SeenSlots::default(),
            looks: 0,
            intake_silent: 0,
        }
    }

    /// What there is to tell now, and at first in any case; `counted` is the last of the gate's counts that is merged.
    pub(super) fn look(&mut self, vitals: &Vitals, intake: &Intake, counted: u64) -> Vec<ToGate> {
        let mut messages = Vec::new();
        messages.extend(self.look_at_intake(intake, counted));
        if self.looks.is_multiple_of(VITALS_LOOKS) {
            messages.extend(self.look_at_vitals(vitals));
        }
        self.looks = self.looks.wrapping_add(1);
        messages
    }

    fn look_at_intake(&mut self, intake: &Intake, counted: u64) -> Option<ToGate> {
        let mut state = IntakeState::of(intake, counted);
        let changed = self.intake.as_ref() != Some(&state);
        intake.changed_slots(&mut self.slots, |slot, _, passes| {
            state.slots.push((slot_number(slot), passes));
        });
        self.intake_silent += 1;
        if !changed && state.slots.is_empty() && self.intake_silent < INTAKE_LOOKS_MAX {
            return None;
        }
        self.intake_silent = 0;
        // What is compared next has no slots either.
        self.intake = Some(IntakeState { slots: Vec::new(), ..state.clone() });
        Some(ToGate::Intake(Box::new(state)))
    }

    fn look_at_vitals(&mut self, vitals: &Vitals) -> Option<ToGate> {
        let numbers = vitals.numbers();
        let first = self.vitals.is_empty();
        self.vitals.resize(numbers.len(), 0);
        let mut changed = Vec::new();
        for (place, (now, told)) in (0..).zip(numbers.iter().zip(&mut self.vitals)) {
            if now != told {
                *told = *now;
                changed.push((place, *now));
            }
        }
        (first || !changed.is_empty()).then_some(ToGate::Vitals(changed))
    }
}

fn slot_number(slot: usize) -> u32 {
    u32::try_from(slot).expect("below SLOTS")
}

#[cfg(test)]
mod tests {
    use levee_api::intake::SLOT_US;
    use std::sync::atomic::Ordering::Relaxed;

    use levee_api::vitals::Phase;

    use super::*;

    #[test]
    fn only_changes_are_told_and_silence_is_broken() {
        let (vitals, intake) = (Vitals::default(), Intake::default());
        vitals.set_phase(Phase::Ready);
        let mut told = Told::new();
        let first = told.look(&vitals, &intake, 0);
        assert!(matches!(&first[..], [ToGate::Intake(_), ToGate::Vitals(numbers)]
            if numbers[..] == [(0, Phase::Ready as u64)]));
        // Nothing new: silence, until it has lasted long enough.
        for _ in 1..INTAKE_LOOKS_MAX {
            assert!(told.look(&vitals, &intake, 0).is_empty());
        }
        assert!(matches!(&told.look(&vitals, &intake, 0)[..], [ToGate::Intake(_)]));
        // Passes of a slot are told as a total, once.
        intake.count_pass(7 * SLOT_US);
        intake.count_pass(7 * SLOT_US);
        let changed = told.look(&vitals, &intake, 0);
        assert!(matches!(&changed[..], [ToGate::Intake(state)] if state.slots == [(7, 2)]));
        assert!(told.look(&vitals, &intake, 0).is_empty());
        // That a gate's counts are merged is told as well.
        assert!(matches!(&told.look(&vitals, &intake, 5)[..], [ToGate::Intake(state)]
            if state.counted == 5));
        vitals.durable_seq.store(9, Relaxed);
        let looks = (0..VITALS_LOOKS).flat_map(|_| told.look(&vitals, &intake, 5));
        let numbers = looks.filter(|message| matches!(message, ToGate::Vitals(_))).count();
        assert_eq!(numbers, 1);
    }
}
