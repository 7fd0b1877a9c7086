//! Rules that enter and leave brownout levels.

use std::time::Duration;

use levee_api::types::Level;

/// What a rule looks at, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Mean delay of claims in the engine's queue.
    ClaimDelay,
    /// Mean delay of redemptions in the engine's queue.
    RedeemDelay,
    /// How long the first in the waiting room has waited.
    Wait,
    /// How late the worst gate's event loop is.
    LoopDelay,
}

impl Signal {
    /// How many there are.
    pub(crate) const COUNT: usize = 4;

    /// All of them.
    pub const ALL: [Self; Self::COUNT] =
        [Self::ClaimDelay, Self::RedeemDelay, Self::Wait, Self::LoopDelay];

    /// Its name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ClaimDelay => "claim_delay_ms",
            Self::RedeemDelay => "redeem_delay_ms",
            Self::Wait => "wait_ms",
            Self::LoopDelay => "loop_delay_ms",
        }
    }
}

/// When a level is entered and left. Entering above one value and leaving below a lower one, each
/// only after a while, keeps levels from flapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which level.
    pub level: Level,
    /// By what.
    pub signal: Signal,
    /// Entered when the signal has been at this or above, in milliseconds,
    pub enter_ms: u64,
    /// for so long.
    pub enter_after: Duration,
    /// Left when the signal has been below this, in milliseconds,
    pub leave_ms: u64,
    /// for so long.
    pub leave_after: Duration,
}

impl Rule {
    /// What holds if the configuration says nothing.
    #[must_use]
    pub fn defaults() -> Vec<Self> {
        let rule = |level, signal, enter_ms, enter_after_ms, leave_ms, leave_after_ms| Self {
            level,
            signal,
            enter_ms,
            enter_after: Duration::from_millis(enter_after_ms),
            leave_ms,
            leave_after: Duration::from_millis(leave_after_ms),
        };
        vec![
            rule(Level::Lean, Signal::ClaimDelay, 50, 1_000, 20, 5_000),
            rule(Level::Lean, Signal::LoopDelay, 100, 1_000, 40, 5_000),
            rule(Level::Waiting, Signal::Wait, 1_000, 2_000, 200, 1_000),
            rule(Level::Essential, Signal::RedeemDelay, 1_000, 2_000, 100, 5_000),
        ]
    }
}

/// The rules at work.
#[derive(Debug)]
pub(crate) struct Rules {
    rules: Vec<(Rule, Standing)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    holds: bool,
    /// For how long the signal has asked for the other state.
    against: Duration,
}

impl Rules {
    pub(crate) fn new(rules: Vec<Rule>) -> Self {
        Self { rules: rules.into_iter().map(|rule| (rule, Standing::default())).collect() }
    }

    /// The level that the rules ask for after another `step`, and which rule does, in words.
    pub(crate) fn step(
        &mut self,
        step: Duration,
        signals_ms: [u64; Signal::COUNT],
    ) -> (Level, String) {
        for (rule, standing) in &mut self.rules {
            let now_ms = signals_ms[rule.signal as usize];
            let against =
                if standing.holds { now_ms < rule.leave_ms } else { now_ms >= rule.enter_ms };
            standing.against = if against { standing.against + step } else { Duration::ZERO };
            let after = if standing.holds { rule.leave_after } else { rule.enter_after };
            if against && standing.against >= after {
                *standing = Standing { holds: !standing.holds, against: Duration::ZERO };
            }
        }
        let holding = self.rules.iter().filter(|(_, standing)| standing.holds);
        match holding.max_by_key(|(rule, _)| rule.level) {
            None => (Level::Normal, "no rule asks for more".to_owned()),
            Some((rule, _)) => {
                let (name, now_ms) = (rule.signal.name(), signals_ms[rule.signal as usize]);
                let reason = format!("{name} is {now_ms}; the rule enters at {}", rule.enter_ms);
                (rule.level, reason)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps of 100 ms with this wait; the levels that follow, one letter a step.
    #[track_caller]
    fn check(waits_ms: &[u64], expected: &str) {
        let mut rules = Rules::new(vec![Rule {
            level: Level::Waiting,
            signal: Signal::Wait,
            enter_ms: 1_000,
            enter_after: Duration::from_millis(300),
            leave_ms: 500,
            leave_after: Duration::from_millis(200),
        }]);
        let levels: String = waits_ms
            .iter()
            .map(|wait| match rules.step(Duration::from_millis(100), [0, 0, *wait, 0]).0 {
                Level::Waiting => 'w',
                _ => '-',
            })
            .collect();
        assert_eq!(levels, expected, "{waits_ms:?}");
    }

    #[test]
    fn levels_are_entered_and_left_with_hysteresis() {
        check(&[999, 999, 999, 999], "----");
        check(&[1_000, 1_000, 1_000, 1_000], "--ww");
        check(&[1_000, 1_000, 0, 1_000, 1_000, 1_000], "-----w");
        check(&[2_000, 2_000, 2_000, 600, 600, 600, 499, 600, 499, 499, 499], "--wwwwwww--");
    }

    #[test]
    fn the_highest_level_asked_for_holds() {
        let mut rules = Rules::new(Rule::defaults());
        for _ in 0..50 {
            rules.step(Duration::from_millis(100), [80, 0, 5_000, 0]);
        }
        let (level, reason) = rules.step(Duration::from_millis(100), [80, 0, 5_000, 0]);
        assert_eq!(level, Level::Waiting);
        assert!(reason.contains("wait_ms is 5000"), "{reason}");
        for _ in 0..40 {
            rules.step(Duration::from_millis(100), [80, 0, 0, 0]);
        }
        assert_eq!(rules.step(Duration::from_millis(100), [80, 0, 0, 0]).0, Level::Lean);
    }
}
