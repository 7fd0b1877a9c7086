//! Judges a drill: what the crowd was told, what the journal holds, and what the server says of
//! itself must be one and the same.

mod facts;
mod overload;
mod summary;
mod text;

use std::path::Path;

use levee_api::code::Codes;
use levee_api::pseudonym::PseudonymKey;
use levee_api::wire::{CampaignBody, MoneyBody};

pub use facts::*;
pub use overload::*;
pub use text::{grouped, money};

use crate::audit::{AuditError, AuditReport, CampaignReport, MoneyReport, audit};
use crate::crowd::CrowdResult;
use crate::ledger::{Comparison, Findings};
use crate::plan::FestivalPlan;

/// Audits the journal of a stopped server, and compares every answer of the crowd with it. A
/// journal that cannot be read is a failure like any other: what was acknowledged is not there.
#[must_use]
pub fn judge(
    result: &CrowdResult,
    data_dir: &Path,
    codes: &Codes,
    pseudonyms: &PseudonymKey,
) -> Summary {
    let plan = &result.plan;
    let campaign_id = plan.scenario().campaign.id.as_str();
    let user_id = |user| plan.user_id(user);
    let mut comparison = Comparison::new(&result.ledger, campaign_id, user_id, codes, pseudonyms);
    let report = audit(data_dir, &mut |fact| comparison.visit(fact));
    let findings = comparison.finish();
    let failures = failures(result, &report, &findings);
    summary::summary(result, report, findings, failures)
}

/// Everything that makes a drill fail, in words.
fn failures(
    result: &CrowdResult,
    report: &Result<AuditReport, AuditError>,
    findings: &Findings,
) -> Vec<String> {
    let mut failures = Vec::new();
    let mut fail = |count: u64, what: &str| {
        if count > 0 {
            failures.push(format!("{count} {what}"));
        }
    };
    fail(findings.claims_lost, "acknowledged claims are not in the journal");
    fail(findings.claims_doubled, "claims had two effects");
    fail(findings.redemptions_lost, "acknowledged redemptions or rollbacks are not in the journal");
    fail(findings.redemptions_doubled, "redemptions or rollbacks had two effects");
    fail(result.tally.guesses_found, "made-up codes were taken for real ones");
    let tally = &result.tally;
    fail(tally.ops.iter().map(|counted| counted.unknown).sum(), "requests got no answer");
    fail(tally.unsent, "requests were never sent");
    fail(tally.oddities.len() as u64, "answers or more are not what the interface says");
    let faults = tally.refusals.iter().filter(|((_, code), _)| FAULTS.contains(code));
    fail(faults.map(|(_, count)| *count).sum(), "requests met a fault of the server");
    let due = vouchers_due(&result.plan);
    fail(
        due.saturating_sub(result.ledger.claimed_count()),
        "users who were to get a voucher got none",
    );
    match report {
        Err(error) => failures.push(format!("the journal could not be audited: {error}")),
        Ok(report) => {
            if report.difference_count > 0 {
                failures.push(format!("the audit found {} differences", report.difference_count));
            }
            failures.extend(disagreement(&result.campaign, report));
        }
    }
    failures
}

/// Codes that a server in good health does not answer with.
const FAULTS: [&str; 3] = ["internal_error", "storage_full", "unavailable"];

/// Users who must end up with a voucher: all who may claim, as far as the budget goes.
fn vouchers_due(plan: &FestivalPlan) -> u64 {
    let eligible = (0..plan.users()).filter(|user| plan.is_eligible(&plan.script(*user))).count();
    let affordable = plan.budget_minor() / u64::from(plan.scenario().face_minor());
    affordable.min(eligible as u64)
}

/// Where the server's own figures are not those of the audit.
fn disagreement(told: &CampaignBody, report: &AuditReport) -> Option<String> {
    let Some(found) = report.campaigns.iter().find(|campaign| campaign.id == told.id) else {
        return Some(format!("the journal has no campaign {}", told.id));
    };
    if as_report(&told.money) != found.money {
        return Some(format!(
            "the server's last money of campaign {} is not the audit's: {:?} and {:?}",
            told.id, told.money, found.money
        ));
    }
    counts_differ(told, found).then(|| {
        format!(
            "the server's last counts of campaign {} are not the audit's: {:?} and {:?}",
            told.id, told.counts, found.counts
        )
    })
}

fn counts_differ(told: &CampaignBody, found: &CampaignReport) -> bool {
    let (told, found) = (&told.counts, &found.counts);
    told.claims != found.claims
        || told.vouchers_live != found.vouchers_live
        || told.vouchers_locked != found.vouchers_locked
        || told.vouchers_redeemed != found.vouchers_redeemed
        || told.vouchers_expired != found.vouchers_expired
        || told.vouchers_revoked != found.vouchers_revoked
}

fn as_report(money: &MoneyBody) -> MoneyReport {
    MoneyReport {
        funded_minor: money.funded_minor.into(),
        available_minor: money.available_minor.into(),
        reserved_minor: money.reserved_minor.into(),
        in_flight_minor: money.in_flight_minor.into(),
        escrowed_minor: money.escrowed_minor.into(),
        owed_minor: money.owed_minor.into(),
        spent_minor: money.spent_minor.into(),
        returned_minor: money.returned_minor.into(),
    }
}

#[cfg(test)]
mod tests;
