//! `levee audit`: recount everything from the journal alone.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use levee_drill::audit::{
    AuditError, AuditReport, CampaignReport, CompensationReport, OrdersReport, audit,
};
use levee_journal::OpenError;

use crate::Ending;

/// How often a journal that looks damaged is looked at again.
const LOOKS_MAX: u32 = 3;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A data folder; a copy or a live server's will do.
    dir: PathBuf,
    /// Write the report as JSON, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<Ending> {
    let report = recount(&args.dir)?;
    if let Some(file) = &args.json {
        let json = serde_json::to_vec_pretty(&report)?;
        fs::write(file, json).with_context(|| format!("cannot write {}", file.display()))?;
    }
    print(&report);
    Ok(if report.ok { Ending::Good } else { Ending::Failed })
}

/// Beside a running server the end of the journal moves while it is read: what looks damaged may
/// have been a record in the making, so it is looked at again before it is called so.
fn recount(dir: &Path) -> Result<AuditReport> {
    let mut tries = 0;
    loop {
        match audit(dir, &mut |_| {}) {
            Err(AuditError::Journal(OpenError::Corrupt { .. })) if tries < LOOKS_MAX => tries += 1,
            result => return Ok(result?),
        }
    }
}

fn print(report: &AuditReport) {
    println!(
        "{} commands in {} records, from {}{}",
        report.commands,
        report.records,
        report.from,
        if report.closed_cleanly { "" } else { "; not closed (running, or ended by force)" }
    );
    if let Some(torn) = &report.torn_tail {
        println!(
            "torn tail: {} bytes at {} of {}: {}",
            torn.bytes, torn.offset, torn.file, torn.reason
        );
    }
    report.campaigns.iter().for_each(print_campaign);
    print_orders(&report.orders);
    let operations = &report.operations;
    if operations.level_changes + operations.limit_changes > 0 {
        println!(
            "level {} by {} after {} changes; limit of claims {} after {} changes",
            operations.level.name(),
            if operations.by_hand { "hand" } else { "rule" },
            operations.level_changes,
            operations.claims_per_s.map_or("none".into(), |claims| format!("{claims} a second")),
            operations.limit_changes
        );
    }
    for difference in &report.differences {
        println!("DIFFERENCE at sequence number {}: {}", difference.seq, difference.what);
    }
    let listed = report.differences.len() as u64;
    if report.difference_count > listed {
        println!("... and {} more", report.difference_count - listed);
    }
    println!("{}", if report.ok { "audit: clean" } else { "audit: NOT clean" });
}

fn print_campaign(campaign: &CampaignReport) {
    let (money, counts) = (&campaign.money, &campaign.counts);
    println!("campaign {} ({})", campaign.id, campaign.state.name());
    println!(
        "  money    funded {} = available {} + reserved {} + in flight {} + escrowed {} + owed \
         {} + spent {} + returned {}",
        money.funded_minor,
        money.available_minor,
        money.reserved_minor,
        money.in_flight_minor,
        money.escrowed_minor,
        money.owed_minor,
        money.spent_minor,
        money.returned_minor
    );
    println!(
        "  vouchers claimed {} + apologies {} = live {} + locked {} + redeemed {} + expired {} + \
         revoked {}",
        counts.claims,
        campaign.compensation.apologies,
        counts.vouchers_live,
        counts.vouchers_locked,
        counts.vouchers_redeemed,
        counts.vouchers_expired,
        counts.vouchers_revoked
    );
    let given = &campaign.compensation;
    if *given != CompensationReport::default() {
        println!(
            "  given    apologies {}, to outlets {}, unpaid {}",
            given.apologies_minor, given.outlets_minor, given.unpaid_minor
        );
    }
}

fn print_orders(orders: &OrdersReport) {
    if orders.outlets == 0 {
        return;
    }
    let states = orders.states.named();
    let states = states.iter().filter(|(_, count)| *count > 0);
    let states = states.map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>();
    println!(
        "{} orders at {} outlets: {}",
        orders.placed,
        orders.outlets,
        if states.is_empty() { "none".to_owned() } else { states.join(", ") }
    );
    println!(
        "  promises made {}, late {} ({}.{:02}%); moved {}; {} quotes, {} offers, {} taken",
        orders.made,
        orders.late,
        orders.late_share_ppm / 10_000,
        orders.late_share_ppm % 10_000 / 100,
        orders.moved,
        orders.quotes,
        orders.offers,
        orders.offers_taken
    );
    println!(
        "  money    paid {} orders, subsidy {}, captured {}, refunded {}, to be refunded {}",
        orders.paid,
        orders.subsidy_minor,
        orders.captured_minor,
        orders.refunded_minor,
        orders.to_refund_minor
    );
    let disputes = &orders.disputes;
    if disputes.recorded > 0 {
        println!(
            "  disputes {} of {} in all, {} orders still to be looked at",
            disputes.recorded, disputes.recorded_minor, disputes.open_orders
        );
    }
}
