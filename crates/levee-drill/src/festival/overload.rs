//! The opening's facts: who was made to wait, for how long, and what each gate went through.

use serde::Serialize;

use crate::crowd::{CrowdResult, IntakeSample};
use crate::numbers::{ms, real};

/// From when on a brownout level held, as a gate told it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LevelPoint {
    /// Real milliseconds after the start of the day.
    pub at_ms: u64,
    /// The level.
    pub level: String,
    /// Why.
    pub reason: String,
}

/// Waits from the first ask to being let in, in real milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct WaitSummary {
    /// Half are not longer.
    pub p50: f64,
    /// 99% are not longer.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// The waiting room at one moment.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct RoomPoint {
    /// Real milliseconds after the start of the day.
    pub at_ms: u64,
    /// Passes that wait.
    pub people: u64,
    /// How long those who are let in have waited, in real milliseconds.
    pub lag_ms: u64,
    /// Passes that are let in, a second.
    pub released_per_s: f64,
}

/// One gate.
#[derive(Clone, Debug, Default, Serialize)]
pub struct GateSummary {
    /// Its name.
    pub name: String,
    /// Where its users are.
    pub region: String,
    /// The tier of their cities.
    pub tier: String,
    /// Its process was stopped for a part of the time.
    pub congested: bool,
    /// Claims that came, polls included.
    pub arrived: u64,
    /// Of them, those that were let in.
    pub admitted: u64,
    /// Answers that told a user to wait.
    pub told_to_wait: u64,
    /// When the following were so, in real milliseconds after the start of the day.
    pub at_ms: Vec<u64>,
    /// From being let in to the engine's reply, of claims: p99 of the last second.
    pub queue_delay_p99_ms: Vec<f64>,
    /// How late its event loops were.
    pub loop_delay_ms: Vec<f64>,
}

/// The opening and what it led to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct OverloadSummary {
    /// Most claims a second that the engine was set to; null: no limit.
    pub limit_claims_per_s: Option<u32>,
    /// How long the surge lasted, in real milliseconds; null: there was none.
    pub opening_ms: Option<u64>,
    /// Changes of the brownout level; the first is what held at the start.
    pub levels: Vec<LevelPoint>,
    /// Users who had to wait and were let in.
    pub waited: u64,
    /// How long.
    pub wait_ms: WaitSummary,
    /// The share of them who were let in within the bound that they were told first, which is to
    /// hold in nine cases of ten; null where nobody waited.
    pub estimate_within_p90: Option<f64>,
    /// What they were told first as the likely wait.
    pub estimate_ms: WaitSummary,
    /// Answers that told a user to wait.
    pub told_to_wait: u64,
    /// Claims that were taken, with a code that came later.
    pub codes_later: u64,
    /// Vouchers that users were told of, by real second.
    pub goodput_per_s: Vec<u64>,
    /// The same by tenths of a real second.
    pub goodput_by_tenth: Vec<u64>,
    /// Users who came, by tenths of a real second.
    pub arrivals_by_tenth: Vec<u64>,
    /// The p99 wait of the users who came in each real second, in milliseconds; 0 without any.
    pub wait_p99_ms_by_second: Vec<f64>,
    /// The waiting room.
    pub room: Vec<RoomPoint>,
    /// The gates, as the scenario lists them.
    pub gates: Vec<GateSummary>,
}

pub(super) fn overload(result: &CrowdResult) -> OverloadSummary {
    let (plan, tally) = (&result.plan, &result.tally);
    let waits = |latencies: &crate::crowd::Latencies| WaitSummary {
        p50: latencies.ms_at(0.5),
        p99: latencies.ms_at(0.99),
        max: latencies.ms_max(),
    };
    let waited = tally.waits.count();
    let first = result.intake.first().map_or(&[][..], Vec::as_slice);
    OverloadSummary {
        limit_claims_per_s: plan.claims_limit_per_s(),
        opening_ms: plan.surge_us().map(|us| u64::from(us) / 1_000),
        levels: levels(first),
        waited,
        wait_ms: waits(&tally.waits),
        estimate_within_p90: (waited > 0).then(|| real(tally.waits_within_bound) / real(waited)),
        estimate_ms: waits(&tally.estimates),
        told_to_wait: tally.told_to_wait,
        codes_later: tally.codes_later,
        goodput_per_s: tally.acked_by_second.clone(),
        goodput_by_tenth: tally.acked_by_tenth.clone(),
        arrivals_by_tenth: tally.arrived_by_tenth.clone(),
        wait_p99_ms_by_second: tally.waits_by_second.iter().map(|w| w.ms_at(0.99)).collect(),
        room: first.iter().map(room).collect(),
        gates: gates(result),
    }
}

fn room(sample: &IntakeSample) -> RoomPoint {
    RoomPoint {
        at_ms: sample.at_us / 1_000,
        people: sample.people,
        lag_ms: sample.lag_ms,
        released_per_s: sample.released_per_s,
    }
}

/// Where a sample's level is another than before.
fn levels(samples: &[IntakeSample]) -> Vec<LevelPoint> {
    let mut levels: Vec<LevelPoint> = Vec::new();
    for sample in samples {
        if levels.last().is_none_or(|last| last.level != sample.level) {
            levels.push(LevelPoint {
                at_ms: sample.at_us / 1_000,
                level: sample.level.to_owned(),
                reason: sample.reason.clone(),
            });
        }
    }
    levels
}

fn gates(result: &CrowdResult) -> Vec<GateSummary> {
    let planned = &result.plan.scenario().gates;
    let gates = result.intake.iter().enumerate();
    gates
        .filter_map(|(place, samples)| {
            let mut summary = GateSummary {
                congested: planned.get(place).is_some_and(|gate| gate.congested),
                ..GateSummary::default()
            };
            for sample in samples {
                let Some(gate) = &sample.gate else { continue };
                summary.at_ms.push(sample.at_us / 1_000);
                summary.queue_delay_p99_ms.push(ms(gate.queue_delay_p99_us));
                summary.loop_delay_ms.push(ms(gate.loop_delay_us));
            }
            let last = samples.iter().rev().find_map(|sample| sample.gate.as_ref())?;
            Some(GateSummary {
                name: last.name.clone(),
                region: last.region.clone(),
                tier: last.tier.clone(),
                arrived: last.lanes.claim.arrived,
                admitted: last.lanes.claim.admitted,
                told_to_wait: last.told_to_wait,
                ..summary
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_told_once_for_each_change() {
        let sample = |at_us, level| IntakeSample {
            at_us,
            level,
            reason: format!("why {level}"),
            people: 0,
            lag_ms: 0,
            released_per_s: 0.0,
            gate: None,
        };
        let names = ["normal", "normal", "waiting", "waiting", "normal"];
        let samples: Vec<_> =
            names.iter().zip(0..).map(|(level, at)| sample(at * 50_000, *level)).collect();
        let found: Vec<_> =
            levels(&samples).into_iter().map(|p| (p.at_ms, p.level, p.reason)).collect();
        let point = |at_ms, level: &str| (at_ms, level.to_owned(), format!("why {level}"));
        assert_eq!(found, [point(0, "normal"), point(100, "waiting"), point(200, "normal")]);
    }
}
