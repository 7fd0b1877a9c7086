//! How many gates are needed: a pure function of a short history of what gates reported.
//!
//! Three things of a gate run out, and each is asked by its own sign: the event loops (they are
//! late), the sockets (they are used up), and the capacity for requests (arrivals, continued to the
//! moment at which a new gate would take part, against what a gate can take). The processor's load
//! is no sign. It is an average of the past, it ends at 100% however many more wait, and the
//! autoscaler reads it late; what a request costs a processor, however, is measured, and says what
//! a gate can take.
//!
//! The engine is no gate: when it is what is full, its queue delay or the waiting room says so, and
//! arrivals ask for no further gates. Late loops and used sockets still do: nothing but gates can
//! relieve them, and who has no socket cannot even be told to wait.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use levee_api::advice::Reason;

use super::targets::Targets;

/// Readings that are kept.
pub(crate) const HISTORY_LEN: usize = 120;

/// Readings in a row that must agree before something counts as full: one late turn of a loop, or
/// one slow sync, is no reason for a gate.
const AGREEING_MIN: usize = 3;

/// Requests from which on what one costs is measured; with fewer, what runs in any case weighs more.
const REQUESTS_MIN: u64 = 1_000;

/// The continuation of arrivals is at most so many times what arrives now.
const CONTINUED_MAX: f64 = 2.0;

/// Fewer gates suffice only if they also could carry this much more.
const MARGIN: f64 = 1.15;

/// What one gate said at one time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gauge {
    pub(crate) arrived: u64,
    pub(crate) cpu_us: u64,
    pub(crate) loop_delay_us: u64,
    pub(crate) sockets: u64,
    pub(crate) sockets_max: u64,
    pub(crate) queue_delay_us: u64,
}

/// What all gates said at one time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading {
    /// Of a clock that never goes back.
    pub(crate) at_ms: u64,
    /// People wait because of the engine.
    pub(crate) room_closed: bool,
    pub(crate) gates: BTreeMap<u32, Gauge>,
}

/// The last readings, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct History(VecDeque<Reading>);

impl History {
    pub(crate) fn push(&mut self, reading: Reading) {
        if self.0.len() == HISTORY_LEN {
            self.0.pop_front();
        }
        self.0.push_back(reading);
    }
}

/// What is needed at present.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Need {
    /// Gates that report.
    pub(crate) there: u32,
    /// Gates that should be there.
    pub(crate) gates: u32,
    /// What asks for the most.
    pub(crate) most: Reason,
    /// Gates that would suffice with a margin; never below `gates`.
    pub(crate) enough: u32,
    /// The engine is what is full.
    pub(crate) engine_full: bool,
}

/// How many of the gates `of` are needed; `None` while none of them reports.
pub(crate) fn need(history: &History, of: &BTreeSet<u32>, targets: &Targets) -> Option<Need> {
    let newest = history.0.back()?;
    let gauges: Vec<&Gauge> =
        newest.gates.iter().filter(|(gate, _)| of.contains(gate)).map(|(_, gauge)| gauge).collect();
    if gauges.is_empty() {
        return None;
    }
    let there = gauges.len();
    let engine_full = engine_full(history, of, targets);
    let late = late_gates(history, of, targets);
    // Half as many again as are late: their loops do not say by how much they are short.
    let by_loops = if late == 0 { 0.0 } else { as_f64(there + late.div_ceil(2)) };
    let by_sockets = by_sockets(&gauges, targets);
    let mut by_arrivals = by_arrivals(history, of, targets).unwrap_or(0.0);
    if engine_full {
        by_arrivals = by_arrivals.min(as_f64(there));
    }
    let (load, most) = [
        (by_loops, Reason::LoopDelay),
        (by_sockets, Reason::Sockets),
        (by_arrivals, Reason::Arrivals),
    ]
    .into_iter()
    .fold((0.0, Reason::Enough), |most, one| if one.0 > most.0 { one } else { most });
    let gates = whole(load).max(1);
    // Loops have no measure with which a margin could be taken.
    let enough = whole(by_sockets.max(by_arrivals) * MARGIN).max(gates);
    Some(Need { there: whole(as_f64(there)), gates, most, enough, engine_full })
}

/// Gates whose loops were late in each of the last readings.
fn late_gates(history: &History, of: &BTreeSet<u32>, targets: &Targets) -> usize {
    let Some(last) = last_readings(history) else { return 0 };
    let is_late = |reading: &Reading, gate: u32| {
        reading.gates.get(&gate).is_some_and(|gauge| gauge.loop_delay_us > targets.loop_delay_us)
    };
    of.iter().filter(|gate| last.iter().all(|reading| is_late(reading, **gate))).count()
}

fn by_sockets(gauges: &[&Gauge], targets: &Targets) -> f64 {
    let used: u64 = gauges.iter().map(|gauge| gauge.sockets).sum();
    let most: u64 = gauges.iter().map(|gauge| gauge.sockets_max).sum();
    if most == 0 {
        return 0.0;
    }
    let each = count(most) / as_f64(gauges.len());
    count(used) / (each * count(targets.sockets_percent) / 100.0)
}

/// `None` while nothing is known of a gate's capacity.
fn by_arrivals(history: &History, of: &BTreeSet<u32>, targets: &Targets) -> Option<f64> {
    let capacity_per_s = if targets.requests_per_gate > 0 {
        count(targets.requests_per_gate)
    } else {
        let (first, last) = (history.0.front()?, history.0.back()?);
        let arrived: u64 = grown(first, last, of, |gauge| gauge.arrived);
        let cpu_us = grown(first, last, of, |gauge| gauge.cpu_us);
        if arrived < REQUESTS_MIN || cpu_us == 0 {
            return None;
        }
        count(targets.cores_per_gate) * 1_000_000.0 * count(arrived) / count(cpu_us)
    };
    let each = capacity_per_s * count(targets.load_percent) / 100.0;
    Some(continued_per_s(history, of, targets)? / each)
}

/// Arrivals a second at the moment at which a gate that is asked for now would take part. What
/// rises is continued; what falls is not, since it may rise again before then.
fn continued_per_s(history: &History, of: &BTreeSet<u32>, targets: &Targets) -> Option<f64> {
    let newest = history.0.back()?;
    let before = |ms: u64| {
        let to_ms = newest.at_ms.saturating_sub(ms);
        history.0.iter().rev().find(|reading| reading.at_ms <= to_ms).or(history.0.front())
    };
    let (start, middle) = (before(targets.window_ms)?, before(targets.window_ms / 2)?);
    let now_per_s = per_s(middle, newest, of)?;
    // A gate without a count at the start would look like growth.
    let known: BTreeSet<u32> =
        of.iter().copied().filter(|gate| start.gates.contains_key(gate)).collect();
    let (Some(early), Some(late)) = (per_s(start, middle, &known), per_s(middle, newest, &known))
    else {
        return Some(now_per_s);
    };
    let halves_apart_ms = (newest.at_ms - start.at_ms) / 2;
    // `late` is the mean of the window's second half: as of a quarter of the window ago.
    let ahead_ms = targets.lead_ms + targets.window_ms / 4;
    let rise_per_s = ((late - early) / count(halves_apart_ms) * count(ahead_ms)).max(0.0);
    Some((now_per_s + rise_per_s).min(now_per_s * CONTINUED_MAX))
}

fn per_s(from: &Reading, to: &Reading, of: &BTreeSet<u32>) -> Option<f64> {
    let ms = to.at_ms.checked_sub(from.at_ms).filter(|ms| *ms > 0)?;
    Some(count(grown(from, to, of, |gauge| gauge.arrived)) * 1_000.0 / count(ms))
}

/// By how much a count has grown between two readings, over gates that are in both. A count that
/// went back has begun anew.
fn grown(from: &Reading, to: &Reading, of: &BTreeSet<u32>, what: fn(&Gauge) -> u64) -> u64 {
    let of_gate = |gate: &u32| {
        let (before, after) = (what(from.gates.get(gate)?), what(to.gates.get(gate)?));
        Some(after.checked_sub(before).unwrap_or(after))
    };
    of.iter().filter_map(of_gate).sum()
}

fn engine_full(history: &History, of: &BTreeSet<u32>, targets: &Targets) -> bool {
    let is_full = |reading: &&Reading| {
        let mut delays: Vec<u64> = reading
            .gates
            .iter()
            .filter(|(gate, _)| of.contains(gate))
            .map(|(_, gauge)| gauge.queue_delay_us)
            .collect();
        delays.sort_unstable();
        let median = delays.get(delays.len() / 2);
        reading.room_closed || median.is_some_and(|us| *us > targets.queue_delay_us)
    };
    last_readings(history).is_some_and(|last| last.iter().all(is_full))
}

/// The last readings, if there are enough of them.
fn last_readings(history: &History) -> Option<Vec<&Reading>> {
    let last: Vec<_> = history.0.iter().rev().take(AGREEING_MIN).collect();
    (last.len() == AGREEING_MIN).then_some(last)
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn count(number: u64) -> f64 {
    number as f64
}

fn as_f64(number: usize) -> f64 {
    count(number as u64)
}

/// The next whole number of gates.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn whole(gates: f64) -> u32 {
    // What is exact but for rounding is not one more.
    (gates - 1e-9).ceil() as u32
}
