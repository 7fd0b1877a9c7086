//! The frames of the live stream: what an installation does, put together once for all who watch.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ByLane, CountsBody, GateBody, LevelBody, MoneyBody, WaitingBody};
use crate::time::Instant;

/// A part of a frame, with the time at which it was so.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct Tile<T> {
    /// By the machine's clock.
    pub as_of: Instant,
    /// What was so.
    #[serde(flatten)]
    pub is: T,
}

/// One frame; a newer one replaces it whole.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct LiveFrame {
    /// What arrived, was let in and was decided.
    pub admission: Tile<AdmissionBody>,
    /// The waiting room.
    pub waiting: Tile<WaitingBody>,
    /// The brownout level.
    pub level: Tile<LevelBody>,
    /// Campaigns; null until the engine has answered once. Up to a second older than the rest, and
    /// more where the engine does not answer.
    pub money: Option<Tile<CampaignsBody>>,
    /// What gates report.
    pub gates: Tile<GatesBody>,
    /// Outlets' systems and payment providers.
    pub outside: Tile<OutsideBody>,
}

/// What connectors have to do with those outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct OutsideBody {
    /// Actions that are under way: tickets, payments, refunds.
    pub under_way: u64,
    /// Tickets that wait for a breaker to close.
    pub parked: u64,
    /// For how long the oldest ticket has been left to send or to cancel, in milliseconds of real time.
    pub tickets_oldest_ms: u64,
    /// The same of payments of which a provider has not told or confirmed the end.
    pub payments_oldest_ms: u64,
    /// How late the latest callback of a payment provider was that had an effect at any gate in the last
    /// minute or two, in milliseconds of journal time from what it tells until it was taken.
    pub callback_lag_ms: u64,
    /// Outlets whose own breaker is open.
    pub outlets_open: u64,
    /// Vendors whose breaker is open.
    pub vendors_open: u64,
}

/// What arrived, was let in and was decided, in the last second.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct AdmissionBody {
    /// How long the counts were taken over, in milliseconds: about a second, less while the stream
    /// begins.
    pub over_ms: u64,
    /// By lane.
    pub lanes: ByLane<LaneBody>,
}

/// One lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct LaneBody {
    /// Requests that arrived at any gate.
    pub arrived: u64,
    /// Of them, those that were let in.
    pub admitted: u64,
    /// Of them, those that were turned away.
    pub shed: u64,
    /// Asks that the engine decided.
    pub decided: u64,
    /// Half of them waited shorter than this, in microseconds, a power of two; null where none was
    /// decided.
    pub queue_delay_p50_us: Option<u64>,
    /// As before, for 99 of a hundred.
    pub queue_delay_p99_us: Option<u64>,
}

/// Campaigns that have money: the first hundred by id.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct CampaignsBody {
    /// By their ids.
    pub campaigns: Vec<CampaignTile>,
}

/// One campaign's money and things.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct CampaignTile {
    /// Its id.
    pub id: String,
    /// `draft`, `open`, `paused` or `closed`.
    pub state: String,
    /// ISO 4217.
    pub currency: String,
    /// Its buckets.
    pub money: MoneyBody,
    /// Its things.
    pub counts: CountsBody,
}

/// All gates.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct GatesBody {
    /// By their numbers.
    pub gates: Vec<GateBody>,
}

/// Why a stream ends before its listener does: the data of the event `closed`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct ClosedBody {
    /// For people.
    pub reason: String,
}
