//! Judges a drill: what the crowd was told, what the journal holds, and what the server says of
//! itself must be one and the same.

pub mod book;
mod demand;
mod facts;
mod ordering;
pub mod outside;
mod overload;
mod summary;
mod text;

use std::path::Path;

use levee_api::code::Codes;
use levee_api::pseudonym::PseudonymKey;
use levee_api::wire::{CampaignBody, MoneyBody};

pub use facts::*;
pub use ordering::*;
pub use overload::*;
pub(crate) use text::acknowledged;
pub use text::{grouped, money};

use ordering::Sources;

use crate::audit::{AuditError, AuditReport, CampaignReport, MoneyReport, audit};
use crate::crowd::{CrowdResult, bucket_count, bucket_minutes};
use crate::ledger::{Comparison, Findings, OrderComparison, OrderFindings};
use crate::plan::FestivalPlan;
use book::Book;
use outside::{Differences, Outside};

/// What a journal was found to hold beside what a crowd and those outside say.
struct Found<'a> {
    report: Result<AuditReport, AuditError>,
    findings: Findings,
    orders: OrderFindings,
    differences: Differences,
    /// `None` where nobody orders.
    book: Option<Book<'a>>,
}

/// Audits the journal of a stopped server, and compares every answer of the crowd with it, and what
/// outlets and the payment provider say, where there were any. A journal that cannot be read is a
/// failure like any other: what was acknowledged is not there.
#[must_use]
pub fn judge(
    result: &CrowdResult,
    data_dir: &Path,
    codes: &Codes,
    pseudonyms: &PseudonymKey,
    outside: Option<&Outside>,
) -> Summary {
    let plan = &result.plan;
    let scenario = plan.scenario();
    let user_id = |user| plan.user_id(user);
    let ledger = &result.ledger;
    let mut comparison = Comparison::new(ledger, &scenario.campaign.id, user_id, codes, pseudonyms);
    let mut orders = OrderComparison::new(&ledger.orders, user_id, codes, pseudonyms);
    let bucket_ms = u64::from(bucket_minutes(plan)) * 60_000;
    let mut book = plan
        .market()
        .map(|market| Book::new(market, scenario.starts_at_ms(), bucket_ms, bucket_count(plan)));
    let report = audit(data_dir, &mut |fact| {
        comparison.visit(fact);
        orders.visit(fact);
        if let Some(book) = &mut book {
            book.visit(fact);
        }
    });
    if let Some(book) = &mut book {
        book.close();
    }
    let differences = match (&book, outside) {
        (Some(book), Some(outside)) => outside::compare(book, outside, codes),
        _ => Differences::default(),
    };
    let (findings, orders) = (comparison.finish(), orders.finish());
    let found = Found { report, findings, orders, differences, book };
    let failures = failures(result, &found);
    let couriers = outside.map(|outside| outside::couriers(outside, codes)).unwrap_or_default();
    let nobody = Outside::default();
    let ordering = found.book.as_ref().and_then(|book| {
        ordering(&Sources {
            result,
            book,
            findings: &found.orders,
            audited: found.report.as_ref().ok().map(|report| &report.orders),
            outside: outside.unwrap_or(&nobody),
            differences: &found.differences,
            couriers: &couriers,
        })
    });
    summary::summary(result, found, ordering, failures)
}

/// Everything that makes a drill fail, in words.
fn failures(result: &CrowdResult, found: &Found<'_>) -> Vec<String> {
    let findings = &found.findings;
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
    fail(found.orders.lost, "acknowledged orders or cancellations are not in the journal");
    fail(found.orders.wrong, "acknowledged orders are in the journal with other figures");
    fail(found.orders.doubled, "orders or cancellations had two effects");
    for (count, what) in found.differences.counts() {
        fail(count, what);
    }
    fail(result.tally.guesses_found, "made-up codes were taken for real ones");
    let tally = &result.tally;
    fail(tally.oddities.len() as u64, "answers or more are not what the interface says");
    // An engine that is killed answers nobody for a while; what it had acknowledged counts all the
    // same.
    if result.plan.kills() == 0 {
        fail(tally.ops.iter().map(|counted| counted.unknown).sum(), "requests got no answer");
        fail(tally.unsent, "requests were never sent");
        let faults = tally.refusals.iter().filter(|((_, code), _)| FAULTS.contains(code));
        fail(faults.map(|(_, count)| *count).sum(), "requests met a fault of the server");
        let due = vouchers_due(&result.plan);
        fail(
            due.saturating_sub(result.ledger.claimed_count()),
            "users who were to get a voucher got none",
        );
    }
    match &found.report {
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
