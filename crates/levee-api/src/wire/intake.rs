//! Who is let in: the brownout level, the limit of claims, the waiting room, what gates report; and
//! the changes that operators make.

use levee_core::types::{Level, LevelSetting, Operations};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::intake::{GateReport, Intake, OPEN, SLOT_US, SLOTS, Why};
use crate::port::Priority;
use crate::strict::Reason;
use crate::time::Instant;

/// A brownout level. Each one gives up what the ones before it do, and more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LevelName {
    /// Nothing is given up.
    Normal,
    /// No live feeds and no lists.
    Lean,
    /// Claims are taken and durable; their codes arrive later.
    Deferred,
    /// Who is new waits; who is inside finishes.
    Waiting,
    /// Only payments, callbacks, redemptions and their undoing.
    Essential,
}

impl From<Level> for LevelName {
    fn from(level: Level) -> Self {
        match level {
            Level::Normal => Self::Normal,
            Level::Lean => Self::Lean,
            Level::Deferred => Self::Deferred,
            Level::Waiting => Self::Waiting,
            Level::Essential => Self::Essential,
        }
    }
}

impl From<LevelName> for Level {
    fn from(name: LevelName) -> Self {
        match name {
            LevelName::Normal => Self::Normal,
            LevelName::Lean => Self::Lean,
            LevelName::Deferred => Self::Deferred,
            LevelName::Waiting => Self::Waiting,
            LevelName::Essential => Self::Essential,
        }
    }
}

/// Sets the brownout level by hand.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LevelRequest {
    /// To this; no rule changes it until it is released.
    pub level: LevelName,
    /// For the record, and for all who see the level.
    pub reason: Reason,
}

/// Sets or lifts the limit of claims.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsRequest {
    /// Most claims that are decided in a second, at least 1; null: the configuration's limit holds.
    // Left out, it would lift the limit by mistake.
    #[serde(deserialize_with = "given")]
    #[schemars(required, range(min = 1))]
    pub claims_per_s: Option<u32>,
    /// For the record.
    pub reason: Reason,
}

/// A field that may be null, but not left out.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    Option::deserialize(deserializer)
}

/// A level, and who holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct LevelSettingBody {
    /// The level.
    pub level: LevelName,
    /// Set by an operator: rules do not change it.
    pub by_hand: bool,
}

impl From<LevelSetting> for LevelSettingBody {
    fn from(setting: LevelSetting) -> Self {
        Self { level: setting.level.into(), by_hand: setting.by_hand }
    }
}

/// A change of the level, or of who holds it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct LevelChangeBody {
    /// How it was.
    pub before: LevelSettingBody,
    /// How it became.
    pub after: LevelSettingBody,
    /// As given.
    pub reason: String,
    /// When, in journal time.
    pub at: Instant,
    /// Place in the journal.
    pub seq: u64,
}

/// A change of the limit of claims.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct LimitChangeBody {
    /// Claims a second before; null: the configuration's limit.
    pub before: Option<u32>,
    /// Claims a second now; null: the configuration's limit.
    pub after: Option<u32>,
    /// As given.
    pub reason: String,
    /// When, in journal time.
    pub at: Instant,
    /// Place in the journal.
    pub seq: u64,
}

/// The brownout level that holds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct LevelBody {
    /// The level.
    pub level: LevelName,
    /// Why, in the words of the rule or the operator; empty where it was never changed.
    pub reason: String,
    /// Set by an operator: rules do not change it.
    pub by_hand: bool,
    /// Since when, in journal time; null where it was never changed.
    pub since: Option<Instant>,
}

impl LevelBody {
    /// As gates see it.
    #[must_use]
    pub fn of(level: Level, why: Why) -> Self {
        let Why { reason, by_hand, since_ms } = why;
        Self { level: level.into(), reason, by_hand, since: since(since_ms) }
    }
}

/// The limit of claims that holds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct LimitBody {
    /// Most claims that are decided in a second; null: as many as the engine can.
    pub claims_per_s: Option<u64>,
    /// Set by an operator; otherwise it is the configuration's.
    pub by_hand: bool,
    /// Why it was changed last; empty where it never was.
    pub reason: String,
    /// When it was changed last, in journal time; null where it never was.
    pub since: Option<Instant>,
}

impl LimitBody {
    /// From what is set and from what holds, 0 being no limit.
    #[must_use]
    pub fn of(operations: Operations, claims_per_s: u64) -> Self {
        Self {
            claims_per_s: Some(claims_per_s).filter(|claims| *claims > 0),
            by_hand: operations.claims_per_s.is_some(),
            reason: operations.limit_reason,
            since: since(operations.limit_since_ms),
        }
    }
}

fn since(ms: u64) -> Option<Instant> {
    Some(Instant { ms }).filter(|since| since.ms > 0)
}

/// The waiting room.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct WaitingBody {
    /// Nobody has to wait.
    pub open: bool,
    /// Passes whose turn has not come, those of people who went away included.
    pub people: u64,
    /// How far the watermark is behind the clock, in milliseconds: how long ago those came who are
    /// let in now.
    pub lag_ms: u64,
    /// Passes that the watermark goes through in a second.
    pub released_per_s: f64,
    /// What is added to an estimate for it to be kept in nine cases of ten, in thousandths of 25 ms and a
    /// four-thousandth of the estimate.
    pub margin_permille: u64,
}

impl WaitingBody {
    /// As it is at this moment of the intake's clock.
    #[must_use]
    pub fn at(now_us: u64, intake: &Intake) -> Self {
        let watermark_us = intake.watermark_us();
        let open = watermark_us == OPEN;
        let released = u32::try_from(intake.released_per_ks()).unwrap_or(u32::MAX);
        Self {
            open,
            people: if open { 0 } else { passes_between(watermark_us, now_us, intake) },
            lag_ms: if open { 0 } else { now_us.saturating_sub(watermark_us) / 1_000 },
            released_per_s: f64::from(released) / 1_000.0,
            margin_permille: intake.margin_permille(),
        }
    }
}

/// Passes in the slots from one place to another, both included. Of the watermark's own slot some
/// may be through: they count until it has left the slot.
fn passes_between(from_us: u64, to_us: u64, intake: &Intake) -> u64 {
    let slots = (from_us / SLOT_US..=to_us / SLOT_US).take(SLOTS);
    slots.map(|slot| u64::from(intake.passes_in_slot(slot * SLOT_US))).sum()
}

/// What a gate did with the requests of one lane, since its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct LaneCounts {
    /// Requests for the engine.
    pub arrived: u64,
    /// Of them, those that were let in.
    pub admitted: u64,
    /// Of them, those that were turned away.
    pub shed: u64,
}

/// One of a kind for each lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct ByLane<T> {
    /// Payment and POS callbacks.
    pub callback: T,
    /// Operators' doings, order status, cancellation.
    pub status: T,
    /// Redeeming, locking, ordering.
    pub redeem: T,
    /// Claiming, opening.
    pub claim: T,
    /// Browsing.
    pub browse: T,
}

impl<T> ByLane<T> {
    /// Makes each of them.
    #[must_use]
    pub fn of(mut make: impl FnMut(Priority) -> T) -> Self {
        Self {
            callback: make(Priority::Callback),
            status: make(Priority::Status),
            redeem: make(Priority::Redeem),
            claim: make(Priority::Claim),
            browse: make(Priority::Browse),
        }
    }
}

/// What a gate has counted since its start, and what it measures.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct GateBody {
    /// Its number.
    pub gate: u32,
    /// Its name in metrics.
    pub name: String,
    /// Where its users are.
    pub region: String,
    /// The tier of their cities.
    pub tier: String,
    /// Requests by lane.
    pub lanes: ByLane<LaneCounts>,
    /// Answers 429 `waiting`.
    pub told_to_wait: u64,
    /// Passes given to users who had none.
    pub passes_issued: u64,
    /// Passes that were let in.
    pub passes_admitted: u64,
    /// Of them, those let in within the bound that they were told first.
    pub within_bound: u64,
    /// Passes shown before the time that they were told.
    pub polled_early: u64,
    /// Connections that are open.
    pub connections: u64,
    /// Connections that it takes at most.
    pub connections_max: u64,
    /// Processor time that the process has used, in microseconds.
    pub cpu_us: u64,
    /// How late its event loops are, in microseconds.
    pub loop_delay_us: u64,
    /// Queue delay in the engine of what it let in, in microseconds: half waited no longer.
    pub queue_delay_p50_us: u64,
    /// As before, for 99 of a hundred.
    pub queue_delay_p99_us: u64,
}

impl GateBody {
    /// A gate's report.
    #[must_use]
    pub fn of(gate: u32, report: GateReport) -> Self {
        let [queue_delay_p50_us, queue_delay_p99_us] = report.queue_delay_us;
        Self {
            gate,
            lanes: ByLane::of(|lane| LaneCounts {
                arrived: report.arrived[lane as usize],
                admitted: report.admitted[lane as usize],
                shed: report.shed[lane as usize],
            }),
            name: report.name,
            region: report.region,
            tier: report.tier,
            told_to_wait: report.told_to_wait,
            passes_issued: report.passes_issued,
            passes_admitted: report.passes_admitted,
            within_bound: report.within_bound,
            polled_early: report.polled_early,
            connections: report.connections,
            connections_max: report.connections_max,
            cpu_us: report.cpu_us,
            loop_delay_us: report.loop_delay_us,
            queue_delay_p50_us,
            queue_delay_p99_us,
        }
    }
}

/// Who is let in at present.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct IntakeBody {
    /// When this was so, by the machine's clock.
    pub as_of: Instant,
    /// The brownout level.
    pub level: LevelBody,
    /// The limit of claims.
    pub limit: LimitBody,
    /// The waiting room.
    pub waiting: WaitingBody,
    /// All gates, by their numbers.
    pub gates: Vec<GateBody>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Places in seconds with their passes, watermark and clock in seconds; people who wait.
    #[track_caller]
    fn check(passes: &[(u64, u32)], watermark_s: u64, now_s: u64, people: u64) {
        let intake = Intake::default();
        for (place_s, count) in passes {
            intake.set_passes_in_slot(place_s * 1_000_000, *count);
        }
        intake.set_watermark_us(watermark_s * 1_000_000);
        let waiting = WaitingBody::at(now_s * 1_000_000, &intake);
        assert_eq!((waiting.open, waiting.people), (false, people), "{passes:?}");
        assert_eq!(waiting.lag_ms, now_s.saturating_sub(watermark_s) * 1_000);
    }

    #[test]
    fn those_wait_whose_place_is_between_watermark_and_clock() {
        let passes = [(1_000, 5), (1_001, 7), (1_002, 11), (1_003, 13)];
        check(&passes, 1_001, 1_002, 18);
        check(&passes, 1_000, 1_003, 36);
        check(&passes, 1_002, 1_002, 11);
        // The watermark is ahead of the clock, as it may be for a moment.
        check(&passes, 1_003, 1_002, 0);
        // A watermark that stands still for longer than places are kept counts no slot twice.
        check(&passes, 1_000, 1_000_000, 36);
    }

    #[test]
    fn nobody_waits_in_an_open_room() {
        let intake = Intake::default();
        intake.set_passes_in_slot(1_000, 9);
        intake.set_released_per_ks(1_500);
        let waiting = WaitingBody::at(2_000, &intake);
        let expected = WaitingBody {
            open: true,
            people: 0,
            lag_ms: 0,
            released_per_s: 1.5,
            margin_permille: 3_000,
        };
        assert_eq!(waiting, expected);
    }

    #[test]
    fn levels_have_one_name_each() {
        for level in Level::ALL {
            let name = serde_json::to_value(LevelName::from(level)).expect("a text");
            assert_eq!(name, level.name());
            assert_eq!(Level::from(LevelName::from(level)), level);
        }
    }
}
