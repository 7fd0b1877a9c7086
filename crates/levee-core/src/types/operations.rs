//! How the installation is run: what operators and rules have set.

use alloc::string::String;

use super::Level;

/// A brownout level, and who holds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LevelSetting {
    /// The level.
    pub level: Level,
    /// Set by an operator: rules do not change it until an operator gives it back to them.
    pub by_hand: bool,
}

/// What is set for the whole installation. A restart keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operations {
    /// The level that holds.
    pub setting: LevelSetting,
    /// Why, in the words of the rule or the operator; empty where it was never changed.
    pub reason: String,
    /// Since when, in milliseconds since 1970; 0 where it was never changed.
    pub since_ms: u64,
    /// Most claims that are decided in a second, at least 1; `None`: nobody set a limit by hand,
    /// and the configuration's holds.
    pub claims_per_s: Option<u32>,
    /// Why; empty where it was never changed.
    pub limit_reason: String,
    /// Since when, in milliseconds since 1970; 0 where it was never changed.
    pub limit_since_ms: u64,
}
