//! Who is let in, and what gates count.

use levee_api::intake::{ClockFace, GateReport, Intake, SLOTS, Why};
use levee_api::port::Priority;
use levee_api::types::{DecodeError, Level, Reader, Wire};

use super::{not, wire_struct};
use crate::limits::{REPORT_TEXT_LEN_MAX, REPORTS_MAX};

/// The engine's word.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct IntakeState {
    /// The last of the gate's [`Counts`] that is in it; 0 before the first.
    pub(crate) counted: u64,
    pub(crate) level: u8,
    pub(crate) reason: String,
    pub(crate) by_hand: bool,
    pub(crate) since_ms: u64,
    pub(crate) watermark_us: u64,
    pub(crate) hold_until_us: u64,
    /// Openings that places were drawn for.
    pub(crate) openings: Vec<u64>,
    pub(crate) window: u64,
    pub(crate) idle_window: u64,
    pub(crate) gate_count: u64,
    pub(crate) shares: Shares,
    pub(crate) released_per_ks: u64,
    pub(crate) margin_permille: u64,
    pub(crate) codes_within_ms: u64,
    pub(crate) claims_per_s: u64,
    pub(crate) clock: Clock,
    /// Slots whose totals have changed, with the totals.
    pub(crate) slots: Vec<(u32, u32)>,
}

/// What a gate has counted since it said so last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Counts up by one.
    pub(crate) number: u64,
    /// Passes by slot.
    pub(crate) passes: Vec<(u32, u32)>,
    /// Passes that it admitted.
    pub(crate) shown: u64,
    /// It closed the room here.
    pub(crate) close_at_us: Option<u64>,
    /// Somebody waits for an opening at this moment.
    pub(crate) hold_until_us: Option<u64>,
    /// Openings that places were drawn for, if it knows of a new one.
    pub(crate) openings: Vec<u64>,
}

/// What one gate measures, by its number there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Report {
    pub(crate) gate: u32,
    pub(crate) report: GateReport,
}

/// By lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shares([u32; Priority::COUNT]);

/// A [`ClockFace`] that equals itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clock {
    at_us: u64,
    journal_ms: u64,
    /// Of a double.
    speed_bits: u64,
}

impl From<ClockFace> for Clock {
    fn from(face: ClockFace) -> Self {
        let ClockFace { at_us, journal_ms, speed } = face;
        Self { at_us, journal_ms, speed_bits: speed.to_bits() }
    }
}

impl From<Clock> for ClockFace {
    fn from(clock: Clock) -> Self {
        let Clock { at_us, journal_ms, speed_bits } = clock;
        Self { at_us, journal_ms, speed: f64::from_bits(speed_bits) }
    }
}

wire_struct! {
    IntakeState {
        counted, level, reason, by_hand, since_ms, watermark_us, hold_until_us, openings, window,
        idle_window, gate_count, shares, released_per_ks, margin_permille, codes_within_ms,
        claims_per_s, clock, slots,
    }
    Counts { number, passes, shown, close_at_us, hold_until_us, openings }
}

impl IntakeState {
    /// Everything but the slots, as it is now.
    pub(crate) fn of(intake: &Intake, counted: u64) -> Self {
        let Why { reason, by_hand, since_ms } = intake.why();
        Self {
            counted,
            level: intake.level() as u8,
            reason,
            by_hand,
            since_ms,
            watermark_us: intake.watermark_us(),
            hold_until_us: intake.hold_until_us(),
            openings: intake.openings(),
            window: intake.window(),
            idle_window: intake.idle_window(),
            gate_count: intake.gate_count(),
            shares: Shares(Priority::ALL.map(|lane| intake.share(lane))),
            released_per_ks: intake.released_per_ks(),
            margin_permille: intake.margin_permille(),
            codes_within_ms: intake.codes_within_ms(),
            claims_per_s: intake.claims_per_s(),
            clock: intake.clock().into(),
            slots: Vec::new(),
        }
    }

    /// Sets a mirror to it, save for what gates write too: watermark, hold and slots.
    pub(crate) fn apply(&self, mirror: &Intake) {
        let why =
            Why { reason: self.reason.clone(), by_hand: self.by_hand, since_ms: self.since_ms };
        mirror.set_level(Level::of(self.level), why);
        self.openings.iter().for_each(|opens_us| mirror.note_opening(*opens_us));
        mirror.set_window(self.window);
        mirror.set_idle_window(self.idle_window);
        mirror.set_gate_count(self.gate_count);
        for (lane, share) in Priority::ALL.into_iter().zip(self.shares.0) {
            mirror.set_share(lane, share);
        }
        mirror.set_released_per_ks(self.released_per_ks);
        mirror.set_margin_permille(self.margin_permille);
        mirror.set_codes_within_ms(self.codes_within_ms);
        mirror.set_claims_per_s(self.claims_per_s);
        mirror.set_clock(self.clock.into());
    }
}

/// The numbers of all slots lie below [`SLOTS`].
pub(crate) fn slots_exist(slots: &[(u32, u32)]) -> bool {
    slots.iter().all(|(slot, _)| (*slot as usize) < SLOTS)
}

impl Wire for Shares {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.iter().for_each(|share| share.put(out));
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut shares = Self([0; Priority::COUNT]);
        for share in &mut shares.0 {
            *share = Wire::get(reader)?;
        }
        Ok(shares)
    }
}

impl Wire for Clock {
    fn put(&self, out: &mut Vec<u8>) {
        self.at_us.put(out);
        self.journal_ms.put(out);
        self.speed_bits.put(out);
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let clock = Self {
            at_us: Wire::get(reader)?,
            journal_ms: Wire::get(reader)?,
            speed_bits: Wire::get(reader)?,
        };
        // Times are divided by it.
        let speed = f64::from_bits(clock.speed_bits);
        if speed.is_finite() && speed > 0.0 { Ok(clock) } else { Err(not(reader, "speed")) }
    }
}

impl Wire for Report {
    fn put(&self, out: &mut Vec<u8>) {
        self.gate.put(out);
        let report = &self.report;
        for text in [&report.name, &report.region, &report.tier] {
            text.put(out);
        }
        for count in numbers(&mut report.clone()) {
            count.put(out);
        }
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let gate = Wire::get(reader)?;
        let mut report = GateReport::default();
        for text in [&mut report.name, &mut report.region, &mut report.tier] {
            *text = Wire::get(reader)?;
            if text.len() > REPORT_TEXT_LEN_MAX {
                return Err(not(reader, "text of a report"));
            }
        }
        for count in numbers(&mut report) {
            *count = Wire::get(reader)?;
        }
        if gate as usize >= REPORTS_MAX {
            return Err(not(reader, "number of a gate"));
        }
        Ok(Self { gate, report })
    }
}

/// All numbers of a report, in a fixed order.
fn numbers(report: &mut GateReport) -> Vec<&mut u64> {
    // Without `..`, so that nothing new is forgotten.
    let GateReport {
        name: _,
        region: _,
        tier: _,
        arrived,
        admitted,
        shed,
        told_to_wait,
        passes_issued,
        passes_admitted,
        within_bound,
        bound_kept,
        bound_missed,
        polled_early,
        connections,
        connections_max,
        cpu_us,
        loop_delay_us,
        queue_delay_us,
        callback_lag_ms,
    } = report;
    let mut numbers: Vec<_> = arrived.iter_mut().chain(admitted).chain(shed).collect();
    numbers.extend([
        told_to_wait,
        passes_issued,
        passes_admitted,
        within_bound,
        bound_kept,
        bound_missed,
        polled_early,
        connections,
        connections_max,
        cpu_us,
        loop_delay_us,
        callback_lag_ms,
    ]);
    numbers.extend(queue_delay_us);
    numbers
}
