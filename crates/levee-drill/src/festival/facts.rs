//! The facts of a drill, as `--json` writes them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{OrderingSummary, OverloadSummary};
use crate::audit::{CampaignReport, Difference};

/// Claims of a drill: `attempted = acked + replayed + refused + unknown`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ClaimsSummary {
    /// Requests sent.
    pub attempted: u64,
    /// Users who were told of a voucher.
    pub acked: u64,
    /// Turned down.
    pub refused: u64,
    /// Answers that told a user of the same voucher again.
    pub replayed: u64,
    /// Broken off; each was tried once more.
    pub unknown: u64,
    /// Acknowledged and not in the journal.
    pub lost: u64,
    /// Two effects for one user.
    pub doubled: u64,
}

/// Redemptions of a drill: `attempted = acked + replayed + refused + unknown`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RedemptionsSummary {
    /// Requests sent.
    pub attempted: u64,
    /// Vouchers that were used.
    pub acked: u64,
    /// Turned down.
    pub refused: u64,
    /// Answers that told of the same redemption again.
    pub replayed: u64,
    /// Broken off; each was tried once more.
    pub unknown: u64,
    /// Undone again.
    pub rolled_back: u64,
    /// Acknowledged, or acknowledged as undone, and not in the journal.
    pub lost: u64,
    /// Two effects for one voucher or one redemption.
    pub doubled: u64,
}

/// Requests of another kind.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RequestsSummary {
    /// Requests sent.
    pub attempted: u64,
    /// Good answers.
    pub acked: u64,
    /// Turned down.
    pub refused: u64,
    /// Broken off.
    pub unknown: u64,
}

/// Made-up codes.
#[derive(Clone, Debug, Default, Serialize)]
pub struct GuessesSummary {
    /// Tried.
    pub attempted: u64,
    /// Taken for real; must be 0.
    pub found: u64,
}

/// What the audit says.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AuditSummary {
    /// Whether the journal could be recounted without a difference.
    pub ok: bool,
    /// Commands in the journal.
    pub commands: u64,
    /// The first differences.
    pub differences: Vec<Difference>,
    /// How many there are.
    pub difference_count: u64,
    /// Why the journal could not be audited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Latencies of one kind of request in milliseconds, each from the instant at which its user meant
/// to send it.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct LatencySummary {
    /// Half are not longer.
    pub p50: f64,
    /// 99% are not longer.
    pub p99: f64,
    /// 99.9% are not longer.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

/// Latencies by kind of request.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct LatenciesSummary {
    /// Of claims.
    pub claim: LatencySummary,
    /// Of redemptions.
    pub redeem: LatencySummary,
    /// Of quotes.
    pub quote: LatencySummary,
    /// Of orders.
    pub order: LatencySummary,
    /// Of looks at orders.
    pub look: LatencySummary,
    /// Of cancellations.
    pub cancel: LatencySummary,
}

/// Users of one city tier.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TierSummary {
    /// The tier.
    pub name: String,
    /// Who came.
    pub users: u64,
    /// Who got a voucher.
    pub claims_acked: u64,
    /// Who used it.
    pub redemptions_acked: u64,
    /// Claims turned down.
    pub refused: u64,
    /// Of their claims, in milliseconds.
    pub p50_ms: f64,
    /// Of their claims, in milliseconds.
    pub p99_ms: f64,
}

/// One stretch of the day.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TimelinePoint {
    /// Its start, in hours of the day.
    pub hour: f64,
    /// Users who came.
    pub arrivals: u64,
    /// Requests of all kinds that were meant for it.
    pub requests: u64,
    /// Vouchers that users were told of.
    pub claims_acked: u64,
    /// Redemptions that users were told of.
    pub redemptions_acked: u64,
    /// Orders that users were told of.
    pub orders_acked: u64,
    /// Requests turned down.
    pub refused: u64,
    /// Of its requests, in milliseconds; 0 without any.
    pub p50_ms: f64,
    /// Likewise.
    pub p99_ms: f64,
    /// Likewise.
    pub p999_ms: f64,
    /// What the campaign had left at its end.
    pub budget_left_minor: u64,
    /// Then reserved.
    pub reserved_minor: u64,
    /// Then in flight.
    pub in_flight_minor: u64,
    /// Then spent.
    pub spent_minor: u64,
}

/// A published total, scaled.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct KnownPoint {
    /// Hours of the day.
    pub hour: f64,
    /// On the reference day.
    pub total: u64,
    /// In this drill.
    pub scaled: u64,
}

/// All facts of a drill.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// Whether everything acknowledged was found exactly once, and all counts agree.
    pub ok: bool,
    /// Why not.
    pub failures: Vec<String>,
    /// The scenario's name.
    pub scenario: String,
    /// The crowd's campaign.
    pub campaign: String,
    /// Its currency.
    pub currency: String,
    /// When its day started, by its own clock.
    pub starts_at: String,
    /// Hours of the day.
    pub hours: f64,
    /// What the crowd was drawn by.
    pub seed: u64,
    /// Share of the day's users.
    pub scale: f64,
    /// Real length.
    pub seconds: u32,
    /// How long the engine was gone after each kill, in real milliseconds.
    pub kills: Vec<f64>,
    /// Times real time.
    pub speed: f64,
    /// Real seconds until the last answer.
    pub took_s: f64,
    /// Users who came.
    pub users: u32,
    /// Claims.
    pub claims: ClaimsSummary,
    /// Redemptions.
    pub redemptions: RedemptionsSummary,
    /// Locks.
    pub locks: RequestsSummary,
    /// Rollbacks.
    pub rollbacks: RequestsSummary,
    /// Orders, payments, outlets, couriers, compensation, and the same day without pacing; absent
    /// where nobody orders.
    #[serde(flatten)]
    pub ordering: Option<OrderingSummary>,
    /// All campaigns of the journal, by the audit.
    pub campaigns: Vec<CampaignReport>,
    /// The audit.
    pub audit: AuditSummary,
    /// Latencies.
    pub latency_ms: LatenciesSummary,
    /// Vouchers that users were told of in the best second of real time.
    pub peak_claims_per_s: u64,
    /// Requests of all kinds, a second of real time, in the busiest stretch.
    pub peak_requests_per_s: u64,
    /// Made-up codes.
    pub guesses: GuessesSummary,
    /// Requests of all kinds that broke off.
    pub unknown: u64,
    /// Effects in the journal of which no answer arrived.
    pub unacknowledged: u64,
    /// Requests that never left: the crowd was too far behind.
    pub unsent: u64,
    /// By kind of request and code.
    pub refusals: BTreeMap<String, BTreeMap<String, u64>>,
    /// By city tier.
    pub tiers: Vec<TierSummary>,
    /// Published totals.
    pub known: Vec<KnownPoint>,
    /// Minutes of the day in one stretch of the timeline.
    pub bucket_minutes: u32,
    /// Stretches of the day.
    pub timeline: Vec<TimelinePoint>,
    /// The opening and what it led to.
    pub overload: OverloadSummary,
    /// The first unexpected things.
    pub oddities: Vec<String>,
    /// The machine.
    pub machine: String,
    /// The command line.
    pub command: String,
    /// The product's version.
    pub version: String,
}
