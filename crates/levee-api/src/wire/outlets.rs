//! Outlets: what is sent about them and answered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::outlet::{Decimal, Degrees, Fulfilment, OutletDocument};
use crate::problem::Problem;
use crate::strict::Reason;
use crate::time::Instant;
use levee_core::types::{Breaker, BreakerState, STATIONS_MAX, WORK_MAX};

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

/// Says how many make at an outlet from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StaffingRequest {
    /// Staff or machines that make drinks at the same time.
    #[schemars(range(min = 1, max = STATIONS_MAX))]
    pub stations: u16,
}

/// Says that an outlet has work for customers of another channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WalkInsRequest {
    /// How much, in units with up to three decimals.
    pub units: Decimal<1, WORK_MAX>,
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
    /// Its system, or its vendor's, cannot be reached, or is kept from new orders by hand.
    Unreachable,
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

/// What a breaker lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BreakerSetting {
    /// Orders, and tickets to the outlet.
    Closed,
    /// Neither; but one call now and then, to see whether it can be reached again.
    Open,
    /// Tickets of the orders that there are, and no new orders. Only operators set it.
    Draining,
}

impl From<BreakerSetting> for BreakerState {
    fn from(setting: BreakerSetting) -> Self {
        match setting {
            BreakerSetting::Closed => Self::Closed,
            BreakerSetting::Open => Self::Open,
            BreakerSetting::Draining => Self::Draining,
        }
    }
}

impl From<BreakerState> for BreakerSetting {
    fn from(state: BreakerState) -> Self {
        match state {
            BreakerState::Closed => Self::Closed,
            BreakerState::Open => Self::Open,
            BreakerState::Draining => Self::Draining,
        }
    }
}

/// Sets a breaker by hand. What is opened or drained so stays so until it is closed by hand; from
/// then on it opens and closes by itself again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BreakerRequest {
    /// To this.
    pub state: BreakerSetting,
    /// For the record, and for all who see it.
    pub reason: Reason,
}

/// To a change of a breaker.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct BreakerChangeBody {
    /// The outlet's id, for an outlet's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outlet: Option<String>,
    /// The vendor, for that of all its outlets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// From this.
    pub before: BreakerSetting,
    /// To this.
    pub state: BreakerSetting,
    /// Place in the journal.
    pub seq: u64,
}

/// A breaker that is not closed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct BreakerBody {
    /// Whose, in a list: the outlet's id, for an outlet's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outlet: Option<String>,
    /// In a list: the vendor, for that of all its outlets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// Open or draining.
    pub state: BreakerSetting,
    /// An operator made it so, and an operator ends it.
    pub by_hand: bool,
    /// Since when.
    pub since: Instant,
    /// Why.
    pub reason: String,
}

impl From<Breaker> for BreakerBody {
    fn from(breaker: Breaker) -> Self {
        Self {
            outlet: None,
            vendor: None,
            state: breaker.state.into(),
            by_hand: breaker.by_hand,
            since: Instant { ms: breaker.since_ms },
            reason: breaker.reason,
        }
    }
}

/// Any amount of work, in units.
pub type Units = Decimal<0, { u32::MAX }>;

/// What a kitchen has to do.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct QueueBody {
    /// What is not done, of all channels.
    pub units: Units,
    /// Orders whose ticket the outlet's system does not have yet: because a breaker is open, or because
    /// they are for later.
    pub untold: u32,
    /// When the oldest of these was placed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untold_since: Option<Instant>,
    /// Of that, what is promised and not begun, by the time at which it is to be ready.
    pub promised: Vec<PromisedBody>,
}

/// Work that is promised for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct PromisedBody {
    /// When it is to be ready.
    pub ready_at: Instant,
    /// How much.
    pub units: Units,
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
    /// While its system cannot be reached, or is kept from new orders by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakerBody>,
    /// The same of all outlets of its vendor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_breaker: Option<BreakerBody>,
    /// In how many milliseconds one unit of work that is ordered now, and paid within a minute, is
    /// ready; absent where it takes
    /// no orders now, or none that soon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta_ms: Option<u64>,
    /// How long its whole kitchen takes for one unit of work, in milliseconds, as it was learned.
    pub pace_ms: u64,
    /// What its kitchen has to do.
    pub queue: QueueBody,
    /// Staff or machines that make, as last told.
    pub stations: u16,
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

/// To a change of staffing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct StaffingBody {
    /// Its id.
    pub outlet: String,
    /// So many make from now on.
    pub stations: u16,
    /// Place in the journal.
    pub seq: u64,
}

/// To work of another channel.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct WalkInsBody {
    /// Its id.
    pub outlet: String,
    /// How much was added.
    pub units: Decimal<1, WORK_MAX>,
    /// Place in the journal.
    pub seq: u64,
}

/// An outlet near a place.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct NearBody {
    /// Its id.
    pub id: String,
    /// Whose shop it is.
    pub brand: String,
    /// For people.
    pub name: String,
    /// Latitude in degrees.
    pub lat: Degrees<90>,
    /// Longitude in degrees.
    pub lng: Degrees<180>,
    /// From the place that was asked about, along the great circle, in metres.
    pub distance_m: u32,
    /// How drinks leave it.
    pub fulfilment: Vec<Fulfilment>,
    /// In how many milliseconds one unit of work that is ordered now, and paid within a minute, is
    /// ready; absent where it takes
    /// no orders now, or none that soon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta_ms: Option<u64>,
}

/// One of a list: near a place with its distance, or as it is with its document.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum OutletItem {
    /// To a search with `near`.
    Near(NearBody),
    /// To a list of all.
    Listed(Box<OutletBody>),
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
