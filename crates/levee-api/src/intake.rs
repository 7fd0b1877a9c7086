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
//! anyone waits, so no pass is admitted before an earlier one could have been. Newcomers without a
//! pass may go in before those who wait only where these are let in and do not come.
//!
//! A place is the beginning of its slot, in microseconds since 1970 on the intake's clock, and the
//! number of passes that were given in the slot before it. So the watermark can go through exactly
//! as many passes as are wanted; were a place a moment, then a thousand users whose requests are
//! read at once, after a pause of the gate, would be let in at once as well. A gate in a process of
//! its own knows what the others gave out some milliseconds ago, so to that extent numbers are given
//! twice, and as many go in at the beginning of a slot. Places that are drawn before an opening are
//! moments, spread over the second before it.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use levee_core::types::Level;
use serde::{Deserialize, Serialize};

use crate::advice::Advice;
use crate::port::Priority;

mod openings;
mod places;

pub use self::places::SeenSlots;

use self::openings::Openings;

/// How long a slot of places is.
pub const SLOT_US: u64 = 100_000;

/// Slots that are kept: places of the last and next 54 minutes.
pub const SLOTS: usize = 1 << 16;

/// Drawn places lie in so much time before the opening: whoever comes after it is behind them all.
pub const DRAWN_US: u64 = 1_000_000;

/// Slots that share one count of changes.
pub const CHUNK: usize = 1 << 10;

/// While users wait to be let in, the engine waits so long at the most for more claims to decide at once.
pub const GATHERED_MAX: Duration = Duration::from_millis(1);

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
    openings: Openings,
    window: AtomicU64,
    idle_window: AtomicU64,
    shares: [AtomicU32; Priority::COUNT],
    /// Passes a thousand seconds.
    released_per_ks: AtomicU64,
    /// How far bounds are from estimates, in thousandths of the spread of waits.
    margin_permille: AtomicU64,
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
    /// How late the latest callback of a payment provider was that had an effect in the last minute or
    /// two, in milliseconds of journal time from what it tells until it was taken.
    pub callback_lag_ms: u64,
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
            openings: Openings::default(),
            window: AtomicU64::new(u64::MAX),
            idle_window: AtomicU64::new(0),
            shares: std::array::from_fn(|_| AtomicU32::new(WHOLE)),
            released_per_ks: AtomicU64::new(0),
            margin_permille: AtomicU64::new(3_000),
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
        self.openings.note(opens_us);
        self.hold_until_us.fetch_min(opens_us, Relaxed);
    }

    /// Openings with drawn places, past and ahead: as many as are remembered.
    #[must_use]
    pub fn openings(&self) -> Vec<u64> {
        self.openings.all()
    }

    /// An opening that has drawn places, as others know.
    pub fn note_opening(&self, opens_us: u64) {
        self.openings.note(opens_us);
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

    /// Claims that all gates together may have with the engine before newcomers wait; a worker of a gate
    /// whose event loop is late adds to its part.
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

    /// What is added to an estimate for it to be kept in nine cases of ten, in thousandths of the spread
    /// of waits: see `within_us` of the gate.
    #[must_use]
    pub fn margin_permille(&self) -> u64 {
        self.margin_permille.load(Relaxed)
    }

    /// For the steward and mirrors.
    pub fn set_margin_permille(&self, permille: u64) {
        self.margin_permille.store(permille, Relaxed);
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

    /// Passes that were admitted.
    #[must_use]
    pub fn shown(&self) -> u64 {
        self.shown.load(Relaxed)
    }

    /// So many more were admitted.
    pub fn add_shown(&self, passes: u64) {
        self.shown.fetch_add(passes, Relaxed);
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
