//! `levee audit`: recount everything from the journal alone.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use levee_drill::audit::{AuditError, AuditReport, audit};
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
    for campaign in &report.campaigns {
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
            "  vouchers claimed {} = live {} + locked {} + redeemed {} + expired {} + revoked {}",
            counts.claims,
            counts.vouchers_live,
            counts.vouchers_locked,
            counts.vouchers_redeemed,
            counts.vouchers_expired,
            counts.vouchers_revoked
        );
    }
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
