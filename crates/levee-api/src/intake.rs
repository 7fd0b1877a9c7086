//! The intake: who is let in at present.
//!
//! The engine's side (the steward) writes it a few dozen times a second, gates read it with every
//! request: plain atomics. A gate in a process of its own has a mirror of it, kept by the link.
//!
//! # The waiting room
//!
//! A pass holds a place: a number that orders users by their arrival. The room needs no memory for
//! a user, only a count of passes for each [`SLOT_US`] of arrival times, and one watermark: a pass
//! is admitted when the watermark has gone beyond its place. The watermark never goes back while
//! anyone waits, so nobody is admitted before somebody with an earlier place could have been.
//!
//! A place is the beginning of its slot, in microseconds since 1970 on the intake's clock, and the
//! number of passes that were given in the slot before it. So the watermark can go through exactly
//! as many passes as are wanted; were a place a moment, then a thousand users whose requests are
//! read at once, after a pause of the gate, would be let in at once as well. Places that are drawn
//! before an opening are moments, spread over the second before it.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use levee_core::types::Level;
use serde::{Deserialize, Serialize};

use crate::advice::Advice;
use crate::port::Priority;

/// How long a slot of places is.
pub const SLOT_US: u64 = 100_000;

/// Slots that are kept: places of the last and next 54 minutes.
pub const SLOTS: usize = 1 << 16;

/// Drawn places lie in so much time before the opening: whoever comes after it is behind them all.
pub const DRAWN_US: u64 = 1_000_000;

/// Slots that share one count of changes.
pub const CHUNK: usize = 1 << 10;

/// The watermark while nobody waits.
pub const OPEN: u64 = u64::MAX;

/// One that is let in whole, in [`Intake::share`].
pub const WHOLE: u32 = 1 << 16;

/// Who is let in at present.
#[derive(Debug)]
pub struct Intake {
    level: AtomicU8,
    holds_newcomers: AtomicBool,
    why: Mutex<Why>,
    watermark_us: AtomicU64,
    /// The watermark stops here until this moment is past; [`OPEN`] where nothing holds it.
    hold_until_us: AtomicU64,
    /// The last opening with drawn places, past or ahead; 0 without one.
    drawn_until_us: AtomicU64,
    window: AtomicU64,
    idle_window: AtomicU64,
    shares: [AtomicU32; Priority::COUNT],
    /// Passes a thousand seconds.
    released_per_ks: AtomicU64,
    /// By which an estimate is multiplied to be kept in nine cases of ten, in thousandths.
    bound_permille: AtomicU64,
    codes_within_ms: AtomicU64,
    claims_per_s: AtomicU64,
    slots: Box<[AtomicU32]>,
    /// Changes of the slots, a chunk each: who looks for changes need not look at all slots.
    changes: [AtomicU32; SLOTS / CHUNK],
    shown: AtomicU64,
    gates: Mutex<BTreeMap<u32, GateReport>>,
    gate_count: AtomicU64,
    /// In a mirror: before the engine.
    gates_in_all: AtomicU64,
    next_gate: AtomicU32,
    advice: Mutex<BTreeMap<String, Advice>>,
    /// What is added to the machine's clock; not 0 in mirrors only.
    offset_us: AtomicI64,
    clock: Mutex<ClockFace>,
}

/// Why the level is what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// The rule's or the operator's words.
    pub reason: String,
    /// Set by an operator; rules do not change it.
    pub by_hand: bool,
    /// Journal time of the change, in milliseconds since 1970.
    pub since_ms: u64,
}

/// How journal time follows from the intake's clock.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClockFace {
    /// At this moment of the intake's clock, in microseconds since 1970,
    pub at_us: u64,
    /// journal time was this, in milliseconds since 1970,
    pub journal_ms: u64,
    /// and it runs so many times faster.
    pub speed: f64,
}

/// What a gate has counted since its start, and what it measures now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GateReport {
    /// Its name in metrics.
    pub name: String,
    /// Where its users are.
    pub region: String,
    /// The tier of their cities.
    pub tier: String,
    /// Requests for the engine, by lane.
    pub arrived: [u64; Priority::COUNT],
    /// Of them, those that were let in.
    pub admitted: [u64; Priority::COUNT],
    /// Of them, those that were turned away (429 `rate_limited`, 503).
    pub shed: [u64; Priority::COUNT],
    /// Answers 429 `waiting`.
    pub told_to_wait: u64,
    /// Passes given to users who had none.
    pub passes_issued: u64,
    /// Passes that were let in.
    pub passes_admitted: u64,
    /// Of them, those let in within the bound that they were told first.
    pub within_bound: u64,
    /// Passes that were let in within the bound as it would be told now, for what it learns.
    pub bound_kept: u64,
    /// Passes that were let in later than that.
    pub bound_missed: u64,
    /// Passes shown before the time that they were told.
    pub polled_early: u64,
    /// Connections that are open.
    pub connections: u64,
    /// Connections that it takes at most.
    pub connections_max: u64,
    /// Processor time that the process has used, in microseconds.
    pub cpu_us: u64,
    /// How late its event loops are, in microseconds: the worst of the last report's time.
    pub loop_delay_us: u64,
    /// From being let in to the engine's reply, of claims: p50 and p99 of the last second, in
    /// microseconds.
    pub queue_delay_us: [u64; 2],
}

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

impl Default for Intake {
    fn default() -> Self {
        let face = ClockFace { at_us: 0, journal_ms: 0, speed: 1.0 };
        Self {
            level: AtomicU8::new(Level::Normal as u8),
            holds_newcomers: AtomicBool::new(false),
            why: Mutex::default(),
            watermark_us: AtomicU64::new(OPEN),
            hold_until_us: AtomicU64::new(OPEN),
            drawn_until_us: AtomicU64::new(0),
            window: AtomicU64::new(u64::MAX),
            idle_window: AtomicU64::new(0),
            shares: std::array::from_fn(|_| AtomicU32::new(WHOLE)),
            released_per_ks: AtomicU64::new(0),
            bound_permille: AtomicU64::new(1_500),
            codes_within_ms: AtomicU64::new(0),
            claims_per_s: AtomicU64::new(0),
            slots: (0..SLOTS).map(|_| AtomicU32::new(0)).collect(),
            changes: std::array::from_fn(|_| AtomicU32::new(0)),
            shown: AtomicU64::new(0),
            gates: Mutex::default(),
            gate_count: AtomicU64::new(0),
            gates_in_all: AtomicU64::new(0),
            next_gate: AtomicU32::new(0),
            advice: Mutex::default(),
            offset_us: AtomicI64::new(0),
            clock: Mutex::new(face),
        }
    }
}

impl Intake {
    /// The intake's clock, in microseconds since 1970: the machine's, and in a mirror the engine's.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let us = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
        us.saturating_add_signed(self.offset_us.load(Relaxed))
    }

    /// For mirrors: what to add to the machine's clock.
    pub fn set_offset_us(&self, offset_us: i64) {
        self.offset_us.store(offset_us, Relaxed);
    }

    /// The brownout level.
    #[must_use]
    pub fn level(&self) -> Level {
        Level::of(self.level.load(Relaxed))
    }

    /// Why it is so.
    #[must_use]
    pub fn why(&self) -> Why {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A change of the level that is durable.
    pub fn set_level(&self, level: Level, why: Why) {
        let holds = level == Level::Essential || (level == Level::Waiting && why.by_hand);
        self.holds_newcomers.store(holds, Relaxed);
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = why;
        self.level.store(level as u8, Relaxed);
    }

    /// Newcomers wait even where nobody waits before them: at `essential`, and at `waiting` if an
    /// operator set it. A rule sets `waiting` because somebody waits; where nobody does any more,
    /// capacity that nobody used would be lost.
    #[must_use]
    pub fn holds_newcomers(&self) -> bool {
        self.holds_newcomers.load(Relaxed)
    }

    /// Passes with an earlier place are admitted; [`OPEN`] while nobody waits.
    #[must_use]
    pub fn watermark_us(&self) -> u64 {
        self.watermark_us.load(Acquire)
    }

    /// Closes the room at a place, if it is open; whether it was.
    pub fn close_at(&self, place_us: u64) -> bool {
        self.watermark_us.compare_exchange(OPEN, place_us, AcqRel, Acquire).is_ok()
    }

    /// For the steward and mirrors: moves the watermark on, or opens the room.
    pub fn set_watermark_us(&self, place_us: u64) {
        self.watermark_us.store(place_us, Release);
    }

    /// For mirrors: as [`Self::set_watermark_us`], unless a gate has closed the room meanwhile.
    /// Whether it was set.
    pub fn follow_watermark_us(&self, seen_us: u64, place_us: u64) -> bool {
        self.watermark_us.compare_exchange(seen_us, place_us, AcqRel, Acquire).is_ok()
    }

    /// Until when the watermark is held; [`OPEN`] where nothing holds it.
    #[must_use]
    pub fn hold_until_us(&self) -> u64 {
        self.hold_until_us.load(Relaxed)
    }

    /// Somebody waits for an opening at this moment: the watermark must not go through the places
    /// before it. The earliest such moment counts.
    pub fn hold_until(&self, opens_us: u64) {
        let before = self.hold_until_us.fetch_min(opens_us, Relaxed);
        if opens_us < before {
            self.drawn_until_us.store(opens_us, Relaxed);
        }
    }

    /// The last opening with drawn places, past or ahead; 0 without one.
    #[must_use]
    pub fn drawn_until_us(&self) -> u64 {
        self.drawn_until_us.load(Relaxed)
    }

    /// For mirrors.
    pub fn set_drawn_until_us(&self, opens_us: u64) {
        self.drawn_until_us.store(opens_us, Relaxed);
    }

    /// Whether places of this one's slot are moments.
    #[must_use]
    pub fn is_drawn(&self, place_us: u64) -> bool {
        let until_us = self.drawn_until_us();
        let slot_us = place_us - place_us % SLOT_US;
        slot_us < until_us && slot_us + SLOT_US > until_us.saturating_sub(DRAWN_US)
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

    /// The place in a slot that so many of its passes come before; none where it has not more.
    #[must_use]
    pub fn place_in_slot(&self, slot_us: u64, passes: u64) -> Option<u64> {
        let here = u64::from(self.passes_in_slot(slot_us));
        if passes >= here {
            return None;
        }
        let at_us = if self.is_drawn(slot_us) { passes * SLOT_US / here } else { passes };
        (at_us < SLOT_US).then_some(slot_us + at_us)
    }

    /// For the steward and mirrors.
    pub fn set_hold_until_us(&self, hold_us: u64) {
        self.hold_until_us.store(hold_us, Relaxed);
    }

    /// For mirrors: as [`Self::set_hold_until_us`], unless a gate has set it meanwhile. Whether it
    /// was set.
    pub fn follow_hold_until_us(&self, seen_us: u64, hold_us: u64) -> bool {
        self.hold_until_us.compare_exchange(seen_us, hold_us, AcqRel, Acquire).is_ok()
    }

    /// Claims that all gates together may have with the engine before newcomers wait.
    #[must_use]
    pub fn window(&self) -> u64 {
        self.window.load(Relaxed)
    }

    /// For the steward and mirrors.
    pub fn set_window(&self, window: u64) {
        self.window.store(window, Relaxed);
    }

    /// The same while somebody waits but too few of those who wait are there; 0 while enough are.
    #[must_use]
    pub fn idle_window(&self) -> u64 {
        self.idle_window.load(Relaxed)
    }

    /// For the steward and mirrors.
    pub fn set_idle_window(&self, window: u64) {
        self.idle_window.store(window, Relaxed);
    }

    /// Of [`WHOLE`] users so many may use this lane.
    #[must_use]
    pub fn share(&self, lane: Priority) -> u32 {
        self.shares[lane as usize].load(Relaxed)
    }

    /// For the steward and mirrors.
    pub fn set_share(&self, lane: Priority, share: u32) {
        self.shares[lane as usize].store(share.min(WHOLE), Relaxed);
    }

    /// Passes that the watermark goes through in a thousand seconds.
    #[must_use]
    pub fn released_per_ks(&self) -> u64 {
        self.released_per_ks.load(Relaxed)
    }

    /// For the steward and mirrors.
    pub fn set_released_per_ks(&self, passes: u64) {
        self.released_per_ks.store(passes, Relaxed);
    }

    /// By what an estimate is multiplied to be kept in nine cases of ten, in thousandths.
    #[must_use]
    pub fn bound_permille(&self) -> u64 {
        self.bound_permille.load(Relaxed)
    }

    /// For the steward and mirrors.
    pub fn set_bound_permille(&self, permille: u64) {
        self.bound_permille.store(permille, Relaxed);
    }

    /// At the level `deferred` and above codes come within this time; 0: at once at every level.
    #[must_use]
    pub fn codes_within_ms(&self) -> u64 {
        self.codes_within_ms.load(Relaxed)
    }

    /// For the steward and mirrors.
    pub fn set_codes_within_ms(&self, ms: u64) {
        self.codes_within_ms.store(ms, Relaxed);
    }

    /// Claims that the engine decides in a second at most; 0: as many as it can.
    #[must_use]
    pub fn claims_per_s(&self) -> u64 {
        self.claims_per_s.load(Relaxed)
    }

    /// For the engine and mirrors.
    pub fn set_claims_per_s(&self, claims: u64) {
        self.claims_per_s.store(claims, Relaxed);
    }

    /// The slot of a place.
    #[must_use]
    pub fn slot_of(place_us: u64) -> usize {
        usize::try_from(place_us / SLOT_US % SLOTS as u64).expect("below SLOTS")
    }

    /// Passes that were admitted.
    #[must_use]
    pub fn shown(&self) -> u64 {
        self.shown.load(Relaxed)
    }

    /// So many more were admitted.
    pub fn add_shown(&self, passes: u64) {
        self.shown.fetch_add(passes, Relaxed);
    }

    /// Counts one pass with this place.
    pub fn count_pass(&self, place_us: u64) {
        self.add_passes(place_us, 1);
    }

    /// Counts passes with this place that were counted elsewhere. In mirrors the sum may also go
    /// down: `passes` is added without regard to overflow.
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

    /// A number for a gate that begins.
    pub fn register_gate(&self) -> u32 {
        self.next_gate.fetch_add(1, Relaxed)
    }

    /// What a gate counts and measures; replaces what it said before.
    pub fn report(&self, gate: u32, report: GateReport) {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.insert(gate, report);
        self.gate_count.store(gates.len() as u64, Relaxed);
    }

    /// A gate is gone.
    pub fn forget_gate(&self, gate: u32) {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.remove(&gate);
        self.gate_count.store(gates.len() as u64, Relaxed);
    }

    /// How many gates there are.
    #[must_use]
    pub fn gate_count(&self) -> u64 {
        self.gate_count.load(Relaxed).max(self.gates_in_all.load(Relaxed))
    }

    /// For mirrors.
    pub fn set_gate_count(&self, gates: u64) {
        self.gates_in_all.store(gates, Relaxed);
    }

    /// Shows all gates, by their numbers.
    pub fn each_gate(&self, mut see: impl FnMut(u32, &GateReport)) {
        let gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.iter().for_each(|(number, gate)| see(*number, gate));
    }

    /// A sum over all gates.
    pub fn sum_of_gates(&self, count: impl Fn(&GateReport) -> u64) -> u64 {
        let gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.values().map(count).sum()
    }

    /// All gates, by their numbers.
    #[must_use]
    pub fn gates(&self) -> Vec<(u32, GateReport)> {
        let gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.iter().map(|(gate, report)| (*gate, report.clone())).collect()
    }

    /// What the scaler says about one object; `None`: nobody asks about it any more.
    pub fn advise(&self, object: &str, advice: Option<Advice>) {
        let mut all = self.advice.lock().unwrap_or_else(PoisonError::into_inner);
        match advice {
            Some(advice) => all.insert(object.to_owned(), advice),
            None => all.remove(object),
        };
    }

    /// What the scaler says, by the objects' names.
    #[must_use]
    pub fn advice(&self) -> Vec<(String, Advice)> {
        let all = self.advice.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(object, advice)| (object.clone(), *advice)).collect()
    }

    /// How journal time follows from the clock.
    #[must_use]
    pub fn clock(&self) -> ClockFace {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the engine and mirrors.
    pub fn set_clock(&self, face: ClockFace) {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner) = face;
    }
}

impl ClockFace {
    /// When, on the intake's clock, it is this journal time.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "estimates for people, in a range where doubles are exact to a millisecond"
    )]
    pub fn us_of(&self, journal_ms: u64) -> u64 {
        let ahead_ms = journal_ms.wrapping_sub(self.journal_ms).cast_signed() as f64;
        self.at_us.saturating_add_signed((ahead_ms * 1_000.0 / self.speed) as i64)
    }

    /// Journal time at a moment of the intake's clock.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "estimates for people, in a range where doubles are exact to a millisecond"
    )]
    pub fn journal_ms_at(&self, us: u64) -> u64 {
        let ahead_us = us.wrapping_sub(self.at_us).cast_signed() as f64;
        self.journal_ms.saturating_add_signed((ahead_us * self.speed / 1_000.0) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        intake.set_watermark_us(OPEN);
        assert_eq!(intake.passes_waiting(now_us), 0);
    }
}
