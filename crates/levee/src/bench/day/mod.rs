//! `levee bench day`: day one of a campaign, from the first claim to a clean audit. Everyone claims
//! and redeems, many ask again, every answer is compared with what must come, and in the end the
//! journal is recounted and compared with the answers.

mod expect;
mod play;
mod shape;
mod tally;

use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use anyhow::{Result, ensure};
use levee_api::port::Submit;
use levee_drill::audit::{AuditReport, CountsReport, audit};
use levee_engine::SnapshotPlan;
use serde::Serialize;

use self::play::{Play, Seen};
use self::shape::{FACE_MINOR, ROLLBACK_WITHIN};
use self::tally::{Tally, mark};
use super::stage::{Campaign, Folder, Stage, config, no_snapshots};
use super::{AckMs, each_of, latencies, per_s, report, resident_bytes};
use crate::Ending;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Users, each of whom claims and redeems.
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    users: u32,
    /// Draws who asks again, and the order of the redemptions.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Asks under way at most.
    #[arg(long, default_value_t = 32_768, value_parser = clap::value_parser!(u32).range(1_024..=1_048_576))]
    in_flight: u32,
    /// Take snapshots as a server does.
    #[arg(long)]
    snapshots: bool,
    /// Where the journal is written [default: a temporary folder].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Write the figures as JSON.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Figures {
    /// From the first ask to the end of the audit.
    seconds: f64,
    users: u32,
    seed: u64,
    /// Asked and answered.
    commands: u64,
    /// Of them, asks for what was answered before, which must be answered with the same.
    retries: u64,
    wrong_answers: u64,
    /// The first of them in full.
    wrong: Vec<String>,
    audit: AuditFigures,
    /// From the first ask to the last acknowledgement.
    play_seconds: f64,
    stop_seconds: f64,
    commands_per_s: f64,
    ack_ms: AckMs,
    /// Memory that the engine took from before the campaign was funded to the last answer. The
    /// bench's own has its size before, apart from the line of those who ask again later, which is
    /// below a byte a user.
    bytes_per_user: f64,
    journal_bytes_per_user: f64,
}

#[derive(Debug, Serialize)]
struct AuditFigures {
    /// The recount finds nothing wrong, comes to the counts of this day, and the journal holds the
    /// answers that were given and no others.
    ok: bool,
    seconds: f64,
    /// In the journal.
    commands: u64,
    counts: CountsReport,
    spent_minor: i128,
    difference_count: u64,
    /// The journal holds what was answered.
    answers_match: bool,
}

pub(super) fn run(args: &Args) -> Result<Ending> {
    let folder = Folder::new(args.data.as_ref())?;
    let plan = if args.snapshots { SnapshotPlan::default() } else { no_snapshots() };
    let stage = Stage::start(&config(&folder.path, args.in_flight, plan))?;
    let campaign = Campaign {
        id: "day-one",
        face_minor: FACE_MINOR,
        rollback_within: ROLLBACK_WITHIN,
        users: args.users,
        request: 1,
    };
    let number = stage.create_campaign(&campaign)?;
    let play = Play::new(&stage, args.users, args.in_flight, args.seed);
    let memory_before = resident_bytes("self")?;
    stage.fund_and_open(&campaign)?;
    let journal_before = stage.engine.vitals().journal_bytes.load(Relaxed);

    let started = Instant::now();
    let mut seen = play.run(number)?;
    let memory = resident_bytes("self")?.saturating_sub(memory_before);
    let journal = stage.engine.vitals().journal_bytes.load(Relaxed) - journal_before;
    let stopping = Instant::now();
    stage.engine.stop()?;
    let stop_seconds = stopping.elapsed().as_secs_f64();
    drop(stage);

    let auditing = Instant::now();
    let mut journaled = Tally::default();
    let found = audit(&folder.path, &mut |fact| {
        if let Some(mark) = mark(fact.seq, fact.at_ms, fact.outcome) {
            journaled.add(mark);
        }
    })?;
    let audit = judge(&found, &seen, args.users, journaled, auditing.elapsed().as_secs_f64())?;
    let latencies = std::mem::replace(&mut seen.latencies, latencies());
    let figures = Figures {
        seconds: started.elapsed().as_secs_f64(),
        users: args.users,
        seed: args.seed,
        commands: seen.asked,
        retries: seen.retries,
        wrong_answers: seen.wrong,
        wrong: seen.wrong_kept,
        audit,
        play_seconds: seen.seconds,
        stop_seconds,
        commands_per_s: per_s(seen.asked, seen.seconds),
        ack_ms: AckMs::of(&latencies),
        bytes_per_user: each_of(memory, args.users),
        journal_bytes_per_user: each_of(journal, args.users),
    };
    report(args.json.as_ref(), &figures, print)?;
    Ok(if figures.audit.ok && figures.wrong_answers == 0 { Ending::Good } else { Ending::Failed })
}

/// Compares the recount with what this day must come to.
fn judge(
    found: &AuditReport,
    seen: &Seen,
    users: u32,
    journaled: Tally,
    seconds: f64,
) -> Result<AuditFigures> {
    ensure!(found.campaigns.len() == 1, "the journal holds {} campaigns", found.campaigns.len());
    let (counts, money) = (found.campaigns[0].counts, found.campaigns[0].money);
    let expected = CountsReport {
        claims: u64::from(users),
        vouchers_live: seen.rolled_back,
        vouchers_redeemed: u64::from(users) - seen.rolled_back,
        ..CountsReport::default()
    };
    let answers_match = journaled == seen.acknowledged;
    let ok = found.ok
        && found.closed_cleanly
        && answers_match
        && counts == expected
        && money.spent_minor == i128::from(seen.spent_minor);
    Ok(AuditFigures {
        ok,
        seconds,
        commands: found.commands,
        counts,
        spent_minor: money.spent_minor,
        difference_count: found.difference_count,
        answers_match,
    })
}

fn print(figures: &Figures) {
    let audit = &figures.audit;
    println!(
        "{} users in {:.2} s: played in {:.2} s, stopped in {:.2} s, audited in {:.2} s",
        figures.users, figures.seconds, figures.play_seconds, figures.stop_seconds, audit.seconds
    );
    println!(
        "{} commands, {} of them retries: {:.0} durable answers/s",
        figures.commands, figures.retries, figures.commands_per_s
    );
    println!("acknowledged after {}", figures.ack_ms);
    println!(
        "{:.1} bytes of memory and {:.1} bytes of journal a user",
        figures.bytes_per_user, figures.journal_bytes_per_user
    );
    for wrong in &figures.wrong {
        println!("WRONG ANSWER: {wrong}");
    }
    println!(
        "{} wrong answers; audit of {} commands: {}",
        figures.wrong_answers,
        audit.commands,
        if audit.ok { "clean" } else { "NOT clean" }
    );
    if !audit.ok {
        println!(
            "  {} differences; the journal {} the answers; counts {:?}",
            audit.difference_count,
            if audit.answers_match { "holds" } else { "does NOT hold" },
            audit.counts
        );
    }
}
