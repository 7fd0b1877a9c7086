//! The number that is answered: it rises at once and falls slowly.

use std::collections::VecDeque;

use levee_api::advice::{Advice, Reason};

use super::need::Need;
use super::targets::Targets;

/// Gates that are asked for at most, whatever is reported.
pub(crate) const GATES_MAX: u32 = 1_000;

/// Between two steps down.
const FALL_EVERY_MS: u64 = 60_000;

/// The number of gates that is answered for one object.
#[derive(Debug)]
pub(crate) struct Held {
    gates: u32,
    /// What would have been enough, as long as no later need was higher: the first is the highest
    /// of the time that counts.
    needed: VecDeque<(u64, u32)>,
    /// No step down before.
    falls_at_ms: u64,
}

impl Held {
    /// Begins with what is there: a scaler that has just started knows no reason to stop a gate.
    pub(crate) fn new(now_ms: u64, need: &Need, targets: &Targets) -> Self {
        let falls_at_ms = now_ms + targets.fall_after_ms;
        Self { gates: need.there.clamp(1, GATES_MAX), needed: VecDeque::new(), falls_at_ms }
    }

    /// Follows what is needed now.
    pub(crate) fn follow(&mut self, now_ms: u64, need: &Need, targets: &Targets) -> Advice {
        // Only what no later need exceeds is kept: a sliding maximum.
        while self.needed.back().is_some_and(|(_, gates)| *gates <= need.enough) {
            self.needed.pop_back();
        }
        self.needed.push_back((now_ms, need.enough));
        let from_ms = now_ms.saturating_sub(targets.fall_after_ms);
        while self.needed.front().is_some_and(|(at_ms, _)| *at_ms < from_ms) {
            self.needed.pop_front();
        }

        let step = step(self.gates);
        if need.gates > self.gates {
            self.gates = need.gates.max(self.gates + step).min(GATES_MAX);
            self.falls_at_ms = now_ms + targets.fall_after_ms;
            return Advice { gates: self.gates, reason: need.most };
        }
        let highest = self.needed.front().map_or(need.enough, |(_, gates)| *gates);
        if now_ms >= self.falls_at_ms && highest.saturating_add(step) <= self.gates {
            self.gates -= step;
            self.falls_at_ms = now_ms + FALL_EVERY_MS;
        }
        let reason = match need {
            // Still on their way: the reason for which they were asked for is still there.
            _ if need.gates > need.there => need.most,
            _ if need.engine_full => Reason::Engine,
            _ => Reason::Enough,
        };
        Advice { gates: self.gates, reason }
    }
}

/// Kubernetes ignores a change within a tenth of what is there; a step is more than that.
fn step(gates: u32) -> u32 {
    gates / 10 + 1
}
