//! What is set for the whole installation: the brownout level and the limit of claims.

use super::check_reason;
use crate::state::{Effect, State};
use crate::types::{ChangeLevel, ChangeLimit, LevelSetting, Outcome, Refusal, ReleaseLevel};

impl State {
    /// A change that changes nothing is refused, not answered as a repeat: its reason would stand
    /// nowhere, and whoever gave it should know.
    pub(crate) fn change_level(
        &mut self,
        now_ms: u64,
        change: &ChangeLevel,
    ) -> Result<Effect, Refusal> {
        check_reason(&change.reason)?;
        if change.by_hand && change.request.is_none() {
            return Err(Refusal::IdempotencyKeyMissing);
        }
        if self.operations.setting.by_hand && !change.by_hand {
            return Err(Refusal::LevelByHand);
        }
        let after = LevelSetting { level: change.level, by_hand: change.by_hand };
        self.set_level(now_ms, after, &change.reason)
    }

    pub(crate) fn release_level(
        &mut self,
        now_ms: u64,
        release: &ReleaseLevel,
    ) -> Result<Effect, Refusal> {
        check_reason(&release.reason)?;
        let after = LevelSetting { by_hand: false, ..self.operations.setting };
        self.set_level(now_ms, after, &release.reason)
    }

    fn set_level(
        &mut self,
        now_ms: u64,
        after: LevelSetting,
        reason: &str,
    ) -> Result<Effect, Refusal> {
        let before = self.operations.setting;
        if after == before {
            return Err(Refusal::Unchanged);
        }
        self.operations.setting = after;
        self.operations.reason = reason.into();
        self.operations.since_ms = now_ms;
        Ok(Effect::Done(Outcome::LevelChanged { before, after }))
    }

    pub(crate) fn change_limit(
        &mut self,
        now_ms: u64,
        change: &ChangeLimit,
    ) -> Result<Effect, Refusal> {
        check_reason(&change.reason)?;
        let (before, after) = (self.operations.claims_per_s, change.claims_per_s);
        if after == Some(0) {
            return Err(Refusal::InvalidField("claims_per_s"));
        }
        if after == before {
            return Err(Refusal::Unchanged);
        }
        self.operations.claims_per_s = after;
        self.operations.limit_reason.clone_from(&change.reason);
        self.operations.limit_since_ms = now_ms;
        Ok(Effect::Done(Outcome::LimitChanged { before, after }))
    }
}
