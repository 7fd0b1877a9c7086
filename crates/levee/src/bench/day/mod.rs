//! `levee bench day`: day one of a campaign, from the first claim to a clean audit. Everyone claims and
//! orders; orders are paid, accepted, made and collected, over hundreds of thousands of outlets and
//! nine hours of journal time; many ask again, every answer is compared with what must come, and in
//! the end the journal is recounted and compared with the answers.

mod clock;
mod expect;
mod goes_on;
mod lines;
mod play;
mod shape;
mod tally;
mod town;
mod wheel;

use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use anyhow::{Result, ensure};
use levee_api::port::Submit;
use levee_drill::audit::{AuditReport, CountsReport, OrdersReport, audit};
use levee_engine::SnapshotPlan;
use serde::Serialize;

use self::clock::DayClock;
use self::play::{Play, Seen};
use self::shape::FACE_MINOR;
use self::tally::{Tally, mark};
use self::town::Town;
use super::stage::{Campaign, Folder, Stage, config, no_snapshots};
use super::{AckMs, each_of, latencies, per_s, report, resident_bytes};
use crate::Ending;

/// How long a use can be undone; longer than the day.
const ROLLBACK_WITHIN: &str = "PT24H";

/// At most this part of all users have an ask under way, and at least so many: two vectors.
const UNDER_WAY_SHARE: u32 = 256;
const IN_FLIGHT_MIN: u32 = 1_024;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Users, each of whom claims and orders.
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u32).range(20_000..=1_000_000_000))]
    users: u32,
    /// Outlets that make the orders.
    #[arg(long, default_value_t = 300_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    outlets: u32,
    /// Draws who asks again, where and when users order, and what.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Asks under way at most; fewer where there are few users, so that an order does not take hours
    /// of the day from one step to the next.
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
    outlets: u32,
    seed: u64,
    /// Placed, paid, accepted, ready and collected.
    orders: u64,
    /// Asked and answered.
    commands: u64,
    /// Of them, asks for what was answered before, which must be answered with the same.
    retries: u64,
    /// Orders that an outlet was too busy for, and that went to another one.
    outlet_busy: u64,
    wrong_answers: u64,
    /// The first of them in full.
    wrong: Vec<String>,
    audit: AuditFigures,
    stages: Stages,
    commands_per_s: f64,
    ack_ms: AckMs,
    /// Memory that the engine took from before the campaign was funded to the last answer. The
    /// bench's own has its size before, apart from the line of those who ask again later, which is
    /// below a byte a user.
    bytes_per_user: f64,
    journal_bytes_per_user: f64,
}

/// Where the time went; the outlets' documents are put before the first claim.
#[derive(Debug, Serialize)]
struct Stages {
    outlets_seconds: f64,
    /// From the first ask to the last acknowledgement.
    play_seconds: f64,
    stop_seconds: f64,
    audit_seconds: f64,
}

#[derive(Debug, Serialize)]
struct AuditFigures {
    /// The recount finds nothing wrong, comes to the counts of this day, and the journal holds the
    /// answers that were given and no others.
    ok: bool,
    /// In the journal.
    commands: u64,
    counts: CountsReport,
    orders: OrdersReport,
    spent_minor: i128,
    difference_count: u64,
    /// The journal holds what was answered.
    answers_match: bool,
}

pub(super) fn run(args: &Args) -> Result<Ending> {
    let folder = Folder::new(args.data.as_ref())?;
    let plan = if args.snapshots { SnapshotPlan::default() } else { no_snapshots() };
    let clock = DayClock::new();
    let of_engine = clock.clone();
    let config = config(&folder.path, args.in_flight, plan);
    let stage = Stage::start_with(&config, |_| of_engine)?;
    let campaign = Campaign {
        id: "day-one",
        face_minor: FACE_MINOR,
        rollback_within: ROLLBACK_WITHIN,
        users: args.users,
        request: 1,
    };
    let number = stage.create_campaign(&campaign)?;
    let town = Town::new(args.seed, args.outlets);
    let opening = Instant::now();
    town.open(&stage)?;
    let outlets_seconds = opening.elapsed().as_secs_f64();
    let in_flight = args.in_flight.min(args.users / UNDER_WAY_SHARE).max(IN_FLIGHT_MIN);
    let play = Play::new(&stage, (clock, town), args.users, in_flight, args.seed);
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
    let audit_seconds = auditing.elapsed().as_secs_f64();
    let audit = judge(&found, &seen, args.users, journaled)?;
    let latencies = std::mem::replace(&mut seen.latencies, latencies());
    let play_seconds = seen.seconds;
    let figures = Figures {
        seconds: outlets_seconds + started.elapsed().as_secs_f64(),
        users: args.users,
        outlets: args.outlets,
        seed: args.seed,
        orders: seen.collected,
        commands: seen.asked,
        retries: seen.retries,
        outlet_busy: seen.busy,
        wrong_answers: seen.wrong,
        wrong: seen.wrong_kept,
        audit,
        stages: Stages { outlets_seconds, play_seconds, stop_seconds, audit_seconds },
        commands_per_s: per_s(seen.asked, play_seconds),
        ack_ms: AckMs::of(&latencies),
        bytes_per_user: each_of(memory, args.users),
        journal_bytes_per_user: each_of(journal, args.users),
    };
    report(args.json.as_ref(), &figures, print)?;
    Ok(if figures.audit.ok && figures.wrong_answers == 0 { Ending::Good } else { Ending::Failed })
}

/// Compares the recount with what this day must come to.
fn judge(found: &AuditReport, seen: &Seen, users: u32, journaled: Tally) -> Result<AuditFigures> {
    ensure!(found.campaigns.len() == 1, "the journal holds {} campaigns", found.campaigns.len());
    let (counts, money, orders) =
        (found.campaigns[0].counts, found.campaigns[0].money, found.orders);
    let users = u64::from(users);
    let expected =
        CountsReport { claims: users, vouchers_redeemed: users, ..CountsReport::default() };
    let answers_match = journaled == seen.acknowledged;
    let subsidy_minor = i128::from(FACE_MINOR) * i128::from(users);
    let ok = found.ok
        && found.closed_cleanly
        && answers_match
        && counts == expected
        && (seen.placed, seen.collected) == (users, users)
        && (orders.placed, orders.states.collected) == (users, users)
        && (money.spent_minor, orders.subsidy_minor) == (subsidy_minor, subsidy_minor)
        && orders.captured_minor == i128::from(seen.captured_minor);
    Ok(AuditFigures {
        ok,
        commands: found.commands,
        counts,
        orders,
        spent_minor: money.spent_minor,
        difference_count: found.difference_count,
        answers_match,
    })
}

fn print(figures: &Figures) {
    let (audit, stages) = (&figures.audit, &figures.stages);
    println!(
        "{} users, {} orders at {} outlets in {:.2} s: outlets {:.2} s, played in {:.2} s, stopped \
         in {:.2} s, audited in {:.2} s",
        figures.users,
        figures.orders,
        figures.outlets,
        figures.seconds,
        stages.outlets_seconds,
        stages.play_seconds,
        stages.stop_seconds,
        stages.audit_seconds
    );
    println!(
        "{} commands, {} of them retries: {:.0} durable answers/s",
        figures.commands, figures.retries, figures.commands_per_s
    );
    let orders = &audit.orders;
    println!(
        "outlets were too busy {} times; {} of {} orders later than promised",
        figures.outlet_busy, orders.late, orders.made
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
            "  {} differences; the journal {} the answers; counts {:?}, orders {:?}",
            audit.difference_count,
            if audit.answers_match { "holds" } else { "does NOT hold" },
            audit.counts,
            orders
        );
    }
}
