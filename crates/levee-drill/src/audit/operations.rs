//! The brownout level and the limit of claims: changes are chained, each says why, and no rule
//! overrides an operator.

use levee_core::types::{
    ChangeLevel, ChangeLimit, Level, LevelSetting, REASON_LEN_MAX, ReleaseLevel,
};

use super::recount::Recount;
use super::report::OperationsReport;

/// What the journal has said of the level and the limit so far.
#[derive(Debug)]
pub(super) struct Operations {
    level: LevelSetting,
    claims_per_s: Option<u32>,
    level_changes: u64,
    limit_changes: u64,
}

impl Default for Operations {
    /// Before the first change the rules hold the level, nothing is given up, and nobody has set a
    /// limit.
    fn default() -> Self {
        let level = LevelSetting { level: Level::Normal, by_hand: false };
        Self { level, claims_per_s: None, level_changes: 0, limit_changes: 0 }
    }
}

impl Operations {
    pub(super) fn report(&self) -> OperationsReport {
        OperationsReport {
            level: self.level.level,
            by_hand: self.level.by_hand,
            claims_per_s: self.claims_per_s,
            level_changes: self.level_changes,
            limit_changes: self.limit_changes,
        }
    }
}

impl Recount {
    pub(super) fn change_level(
        &mut self,
        ask: &ChangeLevel,
        before: LevelSetting,
        after: LevelSetting,
    ) {
        let fixed = self.operations.level.by_hand;
        self.notes.check(ask.by_hand || !fixed, || {
            format!("a rule makes the level {:?}, which an operator had set", ask.level)
        });
        self.notes.check(ask.request.is_some() || !ask.by_hand, || {
            "an operator changes the level without a request key".into()
        });
        self.take_level(&ask.reason, before, after, (ask.level, ask.by_hand));
    }

    pub(super) fn release_level(
        &mut self,
        ask: &ReleaseLevel,
        before: LevelSetting,
        after: LevelSetting,
    ) {
        let level = self.operations.level.level;
        self.take_level(&ask.reason, before, after, (level, false));
    }

    /// `asked`: the level, and whether an operator sets it.
    fn take_level(
        &mut self,
        reason: &str,
        before: LevelSetting,
        after: LevelSetting,
        asked: (Level, bool),
    ) {
        self.check_reason(reason);
        let was = self.operations.level;
        self.notes.check(before == was, || format!("the level was {was:?}, not {before:?}"));
        let now = (after.level, after.by_hand);
        self.notes
            .check(now == asked, || format!("{asked:?} was asked for, and it became {now:?}"));
        self.notes.check(after != was, || format!("the level is {was:?} already"));
        self.operations.level = after;
        self.operations.level_changes += 1;
    }

    pub(super) fn change_limit(
        &mut self,
        ask: &ChangeLimit,
        before: Option<u32>,
        after: Option<u32>,
    ) {
        self.check_reason(&ask.reason);
        let (was, asked) = (self.operations.claims_per_s, ask.claims_per_s);
        self.notes.check(before == was, || format!("the limit was {was:?}, not {before:?}"));
        self.notes.check(after == asked, || {
            format!("a limit of {asked:?} was asked for, and it became {after:?}")
        });
        self.notes.check(after != was, || format!("the limit is {was:?} already"));
        self.notes.check(after != Some(0), || "a limit of no claims at all".into());
        self.operations.claims_per_s = after;
        self.operations.limit_changes += 1;
    }

    pub(super) fn check_reason(&mut self, reason: &str) {
        let len = reason.len();
        self.notes
            .check((1..=REASON_LEN_MAX).contains(&len), || format!("a reason of {len} bytes"));
    }
}
