//! The facts of a drill, as `--json` writes them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Circumstances;
use crate::audit::{AuditError, AuditReport, CampaignReport, Difference};
use crate::crowd::{Counted, CrowdResult, Latencies, Op, bucket_minutes};
use crate::ledger::Findings;
use crate::numbers::{narrow, real, whole};

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
    /// The first unexpected things.
    pub oddities: Vec<String>,
    /// The machine.
    pub machine: String,
    /// The command line.
    pub command: String,
    /// The product's version.
    pub version: String,
}

fn latency(latencies: &Latencies) -> LatencySummary {
    LatencySummary {
        p50: latencies.ms_at(0.5),
        p99: latencies.ms_at(0.99),
        p999: latencies.ms_at(0.999),
        max: latencies.ms_max(),
    }
}

fn requests(counted: &Counted) -> RequestsSummary {
    RequestsSummary {
        attempted: counted.attempted,
        acked: counted.acked + counted.replayed,
        refused: counted.refused,
        unknown: counted.unknown,
    }
}

pub(super) fn summary(
    result: &CrowdResult,
    report: Result<AuditReport, AuditError>,
    findings: Findings,
    failures: Vec<String>,
    circumstances: &Circumstances,
) -> Summary {
    let (plan, tally) = (&result.plan, &result.tally);
    let scenario = plan.scenario();
    let (claims, redemptions) = (tally.of(Op::Claim), tally.of(Op::Redeem));
    let mut refusals = BTreeMap::<String, BTreeMap<String, u64>>::new();
    for ((op, code), count) in &tally.refusals {
        refusals.entry(op.name().to_owned()).or_default().insert((*code).to_owned(), *count);
    }
    let (audit, campaigns) = match report {
        Ok(report) => (
            AuditSummary {
                ok: report.ok,
                commands: report.commands,
                differences: report.differences,
                difference_count: report.difference_count,
                error: None,
            },
            report.campaigns,
        ),
        Err(error) => {
            (AuditSummary { error: Some(error.to_string()), ..AuditSummary::default() }, Vec::new())
        }
    };
    let guesses = [Op::GuessLookUp, Op::GuessRedeem];
    let timeline = timeline(result);
    let busiest = timeline.iter().map(|point| point.requests).max().unwrap_or(0);
    let bucket_s = f64::from(bucket_minutes(plan)) * 60.0 / plan.speed();
    let mut oddities = tally.oddities.clone();
    oddities.extend(findings.words);
    Summary {
        ok: failures.is_empty(),
        failures,
        scenario: scenario.name.clone(),
        campaign: scenario.campaign.id.clone(),
        currency: scenario.campaign.currency.clone(),
        starts_at: scenario.day.starts_at.to_string(),
        hours: scenario.day.hours,
        seed: plan.seed(),
        scale: plan.scale(),
        seconds: plan.seconds(),
        speed: plan.speed(),
        took_s: result.took_s,
        users: plan.users(),
        claims: ClaimsSummary {
            attempted: claims.attempted,
            acked: claims.acked,
            refused: claims.refused,
            replayed: claims.replayed,
            unknown: claims.unknown,
            lost: findings.claims_lost,
            doubled: findings.claims_doubled,
        },
        redemptions: RedemptionsSummary {
            attempted: redemptions.attempted,
            acked: redemptions.acked,
            refused: redemptions.refused,
            replayed: redemptions.replayed,
            unknown: redemptions.unknown,
            rolled_back: tally.of(Op::Rollback).acked,
            lost: findings.redemptions_lost,
            doubled: findings.redemptions_doubled,
        },
        locks: requests(tally.of(Op::Lock)),
        rollbacks: requests(tally.of(Op::Rollback)),
        campaigns,
        audit,
        latency_ms: LatenciesSummary {
            claim: latency(&tally.claim_latencies),
            redeem: latency(&tally.redeem_latencies),
        },
        peak_claims_per_s: tally.acked_by_second.iter().copied().max().unwrap_or(0),
        peak_requests_per_s: whole(real(busiest) / bucket_s),
        guesses: GuessesSummary {
            attempted: guesses.iter().map(|op| tally.of(*op).attempted).sum(),
            found: tally.guesses_found,
        },
        unknown: tally.ops.iter().map(|counted| counted.unknown).sum(),
        unacknowledged: findings.unacknowledged,
        unsent: tally.unsent,
        refusals,
        tiers: tiers(result),
        known: known(result),
        bucket_minutes: bucket_minutes(plan),
        timeline,
        oddities,
        machine: circumstances.machine.clone(),
        command: circumstances.command.clone(),
        version: circumstances.version.clone(),
    }
}

fn tiers(result: &CrowdResult) -> Vec<TierSummary> {
    let names = result.plan.scenario().tiers.iter().map(|tier| tier.name.clone());
    let pairs = names.zip(&result.tally.tiers);
    pairs
        .map(|(name, tier)| TierSummary {
            name,
            users: tier.users,
            claims_acked: tier.claims_acked,
            redemptions_acked: tier.redemptions_acked,
            refused: tier.refused,
            p50_ms: tier.latencies.ms_at(0.5),
            p99_ms: tier.latencies.ms_at(0.99),
        })
        .collect()
}

fn known(result: &CrowdResult) -> Vec<KnownPoint> {
    let points = result.plan.scenario().day.bookings.iter();
    points
        .map(|known| KnownPoint {
            hour: known.hour,
            total: known.total,
            scaled: whole(real(known.total) * result.plan.scale()),
        })
        .collect()
}

fn timeline(result: &CrowdResult) -> Vec<TimelinePoint> {
    let width = f64::from(bucket_minutes(&result.plan)) / 60.0;
    let points = result.tally.buckets.iter().enumerate();
    points
        .map(|(place, bucket)| {
            let hour = width * f64::from(narrow(place as u64));
            let samples = result.money.partition_point(|sample| sample.hour <= hour + width);
            let money = samples.checked_sub(1).map(|last| &result.money[last].money);
            let budget_left_minor = money.map_or(result.plan.budget_minor(), |m| m.available_minor);
            TimelinePoint {
                hour,
                arrivals: bucket.arrivals,
                requests: bucket.requests,
                claims_acked: bucket.claims_acked,
                redemptions_acked: bucket.redemptions_acked,
                refused: bucket.refused,
                p50_ms: bucket.latencies.ms_at(0.5),
                p99_ms: bucket.latencies.ms_at(0.99),
                p999_ms: bucket.latencies.ms_at(0.999),
                budget_left_minor,
                reserved_minor: money.map_or(0, |money| money.reserved_minor),
                in_flight_minor: money.map_or(0, |money| money.in_flight_minor),
                spent_minor: money.map_or(0, |money| money.spent_minor),
            }
        })
        .collect()
}
