//! Outlets: what is sent about them and answered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::outlet::OutletDocument;
use crate::problem::Problem;
use crate::strict::Reason;
use crate::time::Instant;

/// Stops an outlet from taking orders for a while.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseRequest {
    /// It takes orders again then; absent: when somebody resumes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Instant>,
    /// For those who see the outlet.
    pub reason: Reason,
}

/// What an outlet does at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutletState {
    /// It takes orders.
    Open,
    /// It is outside its hours.
    Closed,
    /// Somebody stopped it for a while.
    Paused,
}

/// A pause of an outlet.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct OutletPauseBody {
    /// When it ends by itself; absent: when somebody resumes the outlet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Instant>,
    /// Why.
    pub reason: String,
}

/// An outlet as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct OutletBody {
    /// Its id.
    pub id: String,
    /// Whether it takes orders.
    pub state: OutletState,
    /// While it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<OutletPauseBody>,
    /// Counts up with every replaced document; the `ETag`.
    pub version: u32,
    /// As given, without the secret of its point-of-sale system.
    pub document: OutletDocument,
    /// In replies to writes that changed something: the place in the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
}

/// To a pause and its end.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct OutletPausedBody {
    /// Its id.
    pub outlet: String,
    /// Whether it takes no orders from now on.
    pub paused: bool,
    /// Place in the journal.
    pub seq: u64,
}

/// What became of one line of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImportOutcome {
    /// The outlet was not there before.
    Created,
    /// It has another document now.
    Replaced,
    /// It had this document already.
    Unchanged,
}

/// One line of the answer to an import: what became of a line, or a problem.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct ImportLineBody {
    /// The line of the file, from 1; where a row of a spreadsheet has several, its first.
    pub line: u64,
    /// What a PUT of the outlet alone would have been answered with: 201, 200, or an error.
    pub status: u16,
    /// The outlet's id, if it can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// For 200 and 201.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<ImportOutcome>,
    /// The document's version, where it was put.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Place in the journal, where something changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// Otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}
