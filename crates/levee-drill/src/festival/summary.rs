//! From what a crowd, an audit and a comparison found to the facts of a drill.

use std::collections::BTreeMap;

use super::Found;
use super::facts::*;
use super::ordering::OrderingSummary;
use crate::crowd::{Counted, CrowdResult, Latencies, Op, bucket_minutes};
use crate::numbers::{narrow, real, whole};

/// The processor's name, where the system tells it, and the number of cores.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = cpus.lines().find(|line| line.starts_with("model name"));
    let name = name.and_then(|line| line.split(": ").nth(1)).unwrap_or(std::env::consts::ARCH);
    format!("{}, {cores} cores", name.trim())
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
    found: Found<'_>,
    ordering: Option<OrderingSummary>,
    failures: Vec<String>,
) -> Summary {
    let Found { report, findings, orders: order_findings, differences, .. } = found;
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
    oddities.extend(order_findings.words);
    oddities.extend(differences.words);
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
        kills: Vec::new(),
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
        ordering,
        campaigns,
        audit,
        latency_ms: LatenciesSummary {
            claim: latency(tally.latencies_of(Op::Claim)),
            redeem: latency(tally.latencies_of(Op::Redeem)),
            quote: latency(tally.latencies_of(Op::Quote)),
            order: latency(tally.latencies_of(Op::Order)),
            look: latency(tally.latencies_of(Op::Look)),
            cancel: latency(tally.latencies_of(Op::Cancel)),
        },
        peak_claims_per_s: tally.acked_by_second.iter().copied().max().unwrap_or(0),
        peak_requests_per_s: whole(real(busiest) / bucket_s),
        guesses: GuessesSummary {
            attempted: guesses.iter().map(|op| tally.of(*op).attempted).sum(),
            found: tally.guesses_found,
        },
        unknown: tally.ops.iter().map(|counted| counted.unknown).sum(),
        unacknowledged: findings.unacknowledged + order_findings.unacknowledged,
        unsent: tally.unsent,
        refusals,
        tiers: tiers(result),
        known: known(result),
        bucket_minutes: bucket_minutes(plan),
        timeline,
        overload: super::overload::overload(result),
        oddities,
        machine: machine(),
        command: std::env::args().collect::<Vec<_>>().join(" "),
        version: env!("CARGO_PKG_VERSION").to_owned(),
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
                orders_acked: bucket.orders_acked,
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
