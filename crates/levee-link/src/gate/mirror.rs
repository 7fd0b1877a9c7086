//! A gate's mirror of the engine's intake, and what the gate itself counts in it.
//!
//! The gate's workers count passes, close the room and set holds in the mirror as if it were the
//! intake itself. What they did is sent in numbered [`Counts`]; the engine names the last one that
//! is in what it tells. Until it is, the mirror shows the engine's word and the gate's own on top.

use std::collections::VecDeque;
use std::sync::Arc;

use levee_api::intake::{Intake, OPEN, SLOT_US, SLOTS, SeenSlots};

use crate::limits::CLOCK_SAMPLES;
use crate::message::{Counts, IntakeState, slots_exist};

/// See the module.
pub(super) struct Mirror {
    intake: Arc<Intake>,
    /// Totals of slots as the engine told them.
    told: Vec<u32>,
    /// What the mirror had without what is not sent yet.
    base: SeenSlots,
    /// Passes that were sent, and that the engine's word does not have yet.
    unmerged: VecDeque<(u64, Vec<(u32, u32)>)>,
    /// Number of the last counts.
    number: u64,
    /// Of [`Intake::shown`], what is sent.
    shown: u64,
    /// The watermark and the hold as they were set last, and the counts that told the gate's own.
    watermark_us: u64,
    closed_in: u64,
    hold_us: u64,
    held_in: u64,
    /// Openings that both sides know of.
    openings: Vec<u64>,
    /// Nothing of this connection has come yet.
    first: bool,
}

impl Mirror {
    pub(super) fn new(intake: Arc<Intake>) -> Self {
        Self {
            intake,
            told: vec![0; SLOTS],
            base: SeenSlots::default(),
            unmerged: VecDeque::new(),
            number: 0,
            shown: 0,
            watermark_us: OPEN,
            closed_in: 0,
            hold_us: OPEN,
            held_in: 0,
            openings: Vec::new(),
            first: true,
        }
    }

    /// A new connection: numbers begin anew. Whether what was sent last arrived is not known; it is
    /// not sent again, since estimates suffer less from passes that are missing than from doubles.
    pub(super) fn begin(&mut self) {
        self.unmerged.clear();
        (self.number, self.closed_in, self.held_in) = (0, 0, 0);
        self.openings.clear();
        self.first = true;
    }

    /// What the gate's workers did since the last time.
    pub(super) fn count(&mut self) -> Option<Counts> {
        let number = self.number + 1;
        let mut counts = Counts { number, ..Counts::default() };
        self.intake.changed_slots(&mut self.base, |slot, base, now| {
            let slot = u32::try_from(slot).expect("below SLOTS");
            counts.passes.push((slot, now.wrapping_sub(base)));
        });
        let shown = self.intake.shown();
        counts.shown = shown - std::mem::replace(&mut self.shown, shown);
        let watermark_us = self.intake.watermark_us();
        if self.watermark_us == OPEN && watermark_us != OPEN {
            counts.close_at_us = Some(watermark_us);
            (self.watermark_us, self.closed_in) = (watermark_us, number);
        }
        let hold_us = self.intake.hold_until_us();
        if hold_us < self.hold_us {
            counts.hold_until_us = Some(hold_us);
            (self.hold_us, self.held_in) = (hold_us, number);
        }
        let openings = self.intake.openings();
        if openings != self.openings {
            counts.openings.clone_from(&openings);
            self.openings = openings;
        }
        let nothing = Counts { number, ..Counts::default() };
        if counts == nothing {
            return None;
        }
        self.number = number;
        self.unmerged.push_back((number, counts.passes.clone()));
        Some(counts)
    }

    /// Follows the engine's word; whether it can be one.
    pub(super) fn follow(&mut self, state: &IntakeState) -> bool {
        if state.counted > self.number || !slots_exist(&state.slots) {
            return false;
        }
        state.apply(&self.intake);
        self.follow_slots(state);

        // Until the engine knows that the room was closed here, it is not open.
        if state.counted >= self.closed_in || state.watermark_us != OPEN {
            let (seen, place) = (self.watermark_us, state.watermark_us);
            if self.intake.follow_watermark_us(seen, place) {
                self.watermark_us = place;
            }
        }
        let known = state.counted >= self.held_in;
        let hold_us =
            if known { state.hold_until_us } else { state.hold_until_us.min(self.hold_us) };
        if self.intake.follow_hold_until_us(self.hold_us, hold_us) {
            self.hold_us = hold_us;
        }
        true
    }

    fn follow_slots(&mut self, state: &IntakeState) {
        let mut touched: Vec<u32> = state.slots.iter().map(|(slot, _)| *slot).collect();
        if std::mem::take(&mut self.first) {
            // What it does not tell of is 0.
            self.told.fill(0);
            touched = (0..).take(SLOTS).collect();
        }
        while let Some((number, passes)) = self.unmerged.front()
            && *number <= state.counted
        {
            touched.extend(passes.iter().map(|(slot, _)| *slot));
            self.unmerged.pop_front();
        }
        for (slot, total) in &state.slots {
            self.told[*slot as usize] = *total;
        }
        for slot in touched {
            let unmerged = self.unmerged.iter().flat_map(|(_, passes)| passes);
            let own = unmerged.filter(|(other, _)| *other == slot).map(|(_, passes)| *passes);
            let total = own.fold(self.told[slot as usize], u32::wrapping_add);
            let base = &mut self.base.slots[slot as usize];
            if total != *base {
                // Added, not set: workers count meanwhile.
                let more = total.wrapping_sub(std::mem::replace(base, total));
                self.intake.add_passes(u64::from(slot) * SLOT_US, more);
            }
        }
    }
}

/// How far the engine's clock is ahead, by the exchange that took the least time of the last few:
/// the one whose two ways are the most alike.
#[derive(Debug, Default)]
pub(super) struct ClockOffset {
    /// Round trip and offset, both in microseconds.
    samples: VecDeque<(u64, i64)>,
}

impl ClockOffset {
    /// One exchange: sent and received by the own clock, answered by the other's.
    pub(super) fn note(&mut self, sent_us: u64, other_us: u64, received_us: u64) -> i64 {
        let round_us = received_us.saturating_sub(sent_us);
        let middle_us = sent_us.saturating_add(round_us / 2);
        if self.samples.len() == CLOCK_SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back((round_us, other_us.wrapping_sub(middle_us).cast_signed()));
        let best = self.samples.iter().min_by_key(|(round_us, _)| *round_us);
        best.map_or(0, |(_, offset_us)| *offset_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An engine's intake beside a mirror, and what travels between them.
    struct Pair {
        engine: Intake,
        mirror: Mirror,
        counted: u64,
    }

    impl Pair {
        fn new() -> Self {
            let mut mirror = Mirror::new(Arc::default());
            mirror.begin();
            Self { engine: Intake::default(), mirror, counted: 0 }
        }

        fn merge(&mut self, counts: &Counts) {
            for (slot, passes) in &counts.passes {
                self.engine.add_passes(u64::from(*slot) * SLOT_US, *passes);
            }
            self.engine.add_shown(counts.shown);
            counts.openings.iter().for_each(|opens_us| self.engine.note_opening(*opens_us));
            if let Some(place_us) = counts.close_at_us {
                self.engine.close_at(place_us);
            }
            if let Some(opens_us) = counts.hold_until_us {
                self.engine.hold_until(opens_us);
            }
            self.counted = counts.number;
        }

        /// The engine's word as of now, with these slots.
        fn state(&self, slots: &[u32]) -> IntakeState {
            let total =
                |slot: &u32| (*slot, self.engine.passes_in_slot(u64::from(*slot) * SLOT_US));
            let slots = slots.iter().map(total).collect();
            IntakeState { slots, ..IntakeState::of(&self.engine, self.counted) }
        }

        fn gate(&self) -> &Intake {
            &self.mirror.intake
        }
    }

    #[test]
    fn passes_count_once_wherever_they_are() {
        let mut pair = Pair::new();
        assert!(pair.mirror.follow(&pair.state(&[])));
        let place = 5 * SLOT_US;
        pair.gate().count_pass(place);
        let counts = pair.mirror.count().expect("one pass");
        assert_eq!(counts.passes, [(5, 1)]);
        // Another gate's two, before this one's is merged; and one more here meanwhile.
        pair.engine.add_passes(place, 2);
        pair.gate().count_pass(place);
        assert!(pair.mirror.follow(&pair.state(&[5])));
        assert_eq!(pair.gate().passes_in_slot(place), 4);
        pair.merge(&counts);
        assert!(pair.mirror.follow(&pair.state(&[5])));
        assert_eq!(pair.gate().passes_in_slot(place), 4);
        let counts = pair.mirror.count().expect("the second pass");
        assert_eq!(counts.passes, [(5, 1)]);
        pair.merge(&counts);
        // The steward clears the slot at the same time: its total is what it was told before.
        pair.engine.set_passes_in_slot(place, 3);
        assert!(pair.mirror.follow(&pair.state(&[])));
        assert_eq!(pair.gate().passes_in_slot(place), 3);
        assert_eq!(pair.mirror.count(), None);
        // A new engine knows of none.
        pair = Pair { engine: Intake::default(), counted: 0, ..pair };
        pair.mirror.begin();
        assert!(pair.mirror.follow(&pair.state(&[])));
        assert_eq!(pair.gate().passes_in_slot(place), 0);
    }

    #[test]
    fn a_room_that_was_closed_here_stays_closed_until_the_engine_says() {
        let mut pair = Pair::new();
        assert!(pair.mirror.follow(&pair.state(&[])));
        assert!(pair.gate().close_at(70));
        pair.gate().hold_until(90);
        // Before it is told, and before it is merged, the engine's word is older.
        assert!(pair.mirror.follow(&pair.state(&[])));
        assert_eq!(pair.gate().watermark_us(), 70);
        let counts = pair.mirror.count().expect("closed");
        assert_eq!((counts.close_at_us, counts.hold_until_us), (Some(70), Some(90)));
        assert!(pair.mirror.follow(&pair.state(&[])));
        assert_eq!((pair.gate().watermark_us(), pair.gate().hold_until_us()), (70, 90));
        pair.merge(&counts);
        pair.engine.set_watermark_us(80);
        assert!(pair.mirror.follow(&pair.state(&[])));
        assert_eq!((pair.gate().watermark_us(), pair.gate().hold_until_us()), (80, 90));
        // The engine opens it, and lets the hold go.
        pair.engine.set_watermark_us(OPEN);
        pair.engine.set_hold_until_us(OPEN);
        assert!(pair.mirror.follow(&pair.state(&[])));
        assert_eq!((pair.gate().watermark_us(), pair.gate().hold_until_us()), (OPEN, OPEN));
        assert_eq!(pair.mirror.count(), None);
        // Closed by another gate.
        pair.engine.close_at(99);
        assert!(pair.mirror.follow(&pair.state(&[])));
        assert_eq!((pair.gate().watermark_us(), pair.mirror.count()), (99, None));
    }

    #[test]
    fn an_engine_cannot_have_counted_what_was_not_sent() {
        let mut pair = Pair::new();
        pair.counted = 1;
        assert!(!pair.mirror.follow(&pair.state(&[])));
        pair.counted = 0;
        let mut state = pair.state(&[]);
        state.slots.push((u32::MAX, 1));
        assert!(!pair.mirror.follow(&state));
    }

    #[test]
    fn the_quickest_exchange_tells_the_time() {
        let mut offset = ClockOffset::default();
        assert_eq!(offset.note(1_000, 6_050, 1_100), 5_000);
        // A slow one says something else, and counts for nothing.
        assert_eq!(offset.note(2_000, 7_900, 3_000), 5_000);
        assert_eq!(offset.note(4_000, 1_010, 4_020), -3_000);
        for _ in 0..CLOCK_SAMPLES {
            offset.note(5_000, 5_050, 5_100);
        }
        assert_eq!(offset.note(5_000, 5_050, 5_100), 0);
    }
}
