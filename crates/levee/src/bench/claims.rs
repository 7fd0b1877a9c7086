//! `levee bench claims`: a generator in this process, the real engine, a real journal, and no reply
//! before its sync; on demand with a snapshot in the middle.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;
use levee_api::port::Submit;
use levee_api::vitals::Vitals;
use levee_engine::SnapshotPlan;
use serde::Serialize;

use super::rush::Rush;
use super::slow_disk::SlowDisk;
use super::stage::{Campaign, Folder, Stage, config, no_snapshots};
use super::{AckMs, each_of, latencies, per_s, report, resident_bytes};
use crate::Ending;

/// What a voucher is worth; the sums play no part here.
const FACE_MINOR: u32 = 1;

/// A longer sync needs more claims under way: with fewer, every claim waits for one sync and the
/// engine for the claims.
const IN_FLIGHT: u32 = 16_384;
const IN_FLIGHT_DELAYED: u32 = 65_536;

/// Rounds of claims before the campaign is open, each as many as may be under way and all refused:
/// vectors and replies have their memory then, and nothing is in the tables yet.
const WARM_UP_ROUNDS: u32 = 8;

/// What a claim takes in the journal, about: tells when half of them are in it.
const JOURNAL_BYTES_PER_CLAIM: u64 = 27;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Distinct users, each claiming once.
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    users: u32,
    /// Claims handed over at a time, as a gate thread does once a turn.
    #[arg(long, default_value_t = 512)]
    vector: u32,
    /// Claims under way at most [default: 16384, or 65536 with --sync-delay-ms].
    #[arg(long)]
    in_flight: Option<u32>,
    /// Let each sync of the journal take at least so long, as on a slower disk or behind a
    /// replication.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=60_000))]
    sync_delay_ms: u64,
    /// Take a snapshot in the middle of the run, and tell how long claims took during it.
    #[arg(long)]
    snapshot: bool,
    /// Where the journal is written [default: a temporary folder].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Write the figures as JSON.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Figures {
    users: u32,
    sync_delay_ms: u64,
    seconds: f64,
    claims_per_s: f64,
    ack_ms: AckMs,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    snapshot: Option<SnapshotFigures>,
    /// Growth of the resident memory from before the campaign is funded. In it: records of vouchers,
    /// the index of users, which is made with the funding, marks of the tables' pages, and buffers
    /// for three records of the journal, which do not grow with claims but have no size before.
    /// Not in it: queue, replies and this bench, which have theirs by then, and the pieces of memory
    /// that stand ready for the tables before and after.
    bytes_per_claim: f64,
    journal_bytes_per_claim: f64,
    records: u64,
}

/// How the snapshot in the middle showed.
#[derive(Debug, Serialize)]
struct SnapshotFigures {
    before_snapshot_ms: AckMs,
    during_snapshot_ms: AckMs,
    claims_during_snapshot: u64,
    /// From its beginning to when its file was whole and verified.
    snapshot_seconds: f64,
    snapshot_bytes: u64,
    /// It was whole before the last claim; otherwise it went on after the run.
    snapshot_within_run: bool,
}

pub(super) fn run(args: &Args) -> Result<Ending> {
    let delayed = args.sync_delay_ms > 0;
    let in_flight = if delayed { IN_FLIGHT_DELAYED } else { IN_FLIGHT };
    let in_flight = args.in_flight.unwrap_or(in_flight);
    ensure!(args.vector > 0 && in_flight >= args.vector, "--in-flight is below --vector");
    let folder = Folder::new(args.data.as_ref())?;
    let plan = if args.snapshot {
        let journal_bytes = u64::from(args.users / 2) * JOURNAL_BYTES_PER_CLAIM;
        SnapshotPlan { journal_bytes, at_stop: false, ..SnapshotPlan::default() }
    } else {
        no_snapshots()
    };
    let mut config = config(&folder.path, in_flight, plan);
    if delayed {
        config.disk = Arc::new(SlowDisk::new(Duration::from_millis(args.sync_delay_ms)));
    }
    let stage = Stage::start(&config)?;
    let vitals = stage.engine.vitals();
    let campaign = Campaign {
        id: "bench",
        face_minor: FACE_MINOR,
        rollback_within: "PT0S",
        users: args.users,
        request: 1,
    };
    let rush = Rush {
        stage: &stage,
        campaign: stage.create_campaign(&campaign)?,
        face_minor: FACE_MINOR,
        vector: args.vector,
        in_flight,
    };
    for _ in 0..WARM_UP_ROUNDS {
        rush.knock()?;
    }

    let memory_before = resident_bytes("self")?;
    stage.fund_and_open(&campaign)?;
    let journal_before = vitals.journal_bytes.load(Relaxed);
    let records_before = vitals.records.load(Relaxed);
    let mut seen = Seen::new(plan.journal_bytes);
    let seconds = rush.run(0..args.users, |us, count| seen.note(vitals, us, count))?;
    let snapshot_within_run = vitals.snapshots.load(Relaxed) > 0;

    let memory = resident_bytes("self")?.saturating_sub(memory_before);
    let journal = vitals.journal_bytes.load(Relaxed) - journal_before;
    let records = vitals.records.load(Relaxed) - records_before;
    stage.engine.stop()?;
    let mut snapshot = None;
    if args.snapshot {
        ensure!(
            vitals.snapshots_failed.load(Relaxed) == 0,
            "the snapshot failed, as the log above says: give --data a disk with more room"
        );
        ensure!(vitals.snapshots.load(Relaxed) > 0, "no snapshot was taken: use more users");
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a snapshot")]
        let snapshot_seconds = vitals.snapshot_ms.load(Relaxed) as f64 / 1_000.0;
        snapshot = Some(SnapshotFigures {
            before_snapshot_ms: AckMs::of(&seen.before),
            during_snapshot_ms: AckMs::of(&seen.during),
            claims_during_snapshot: seen.during.len(),
            snapshot_seconds,
            snapshot_bytes: vitals.snapshot_bytes.load(Relaxed),
            snapshot_within_run,
        });
    }
    let figures = Figures {
        users: args.users,
        sync_delay_ms: args.sync_delay_ms,
        seconds,
        claims_per_s: per_s(u64::from(args.users), seconds),
        ack_ms: AckMs::of(&seen.all()?),
        snapshot,
        bytes_per_claim: each_of(memory, args.users),
        journal_bytes_per_claim: each_of(journal, args.users),
        records,
    };
    report(args.json.as_ref(), &figures, print)?;
    Ok(Ending::Good)
}

fn print(figures: &Figures) {
    println!(
        "{} users in {:.2} s: {:.0} durable claims/s in {} records",
        figures.users, figures.seconds, figures.claims_per_s, figures.records
    );
    if figures.sync_delay_ms > 0 {
        println!("every sync took {} ms or more, by request", figures.sync_delay_ms);
    }
    println!("acknowledged after {}", figures.ack_ms);
    if let Some(snapshot) = &figures.snapshot {
        println!("  before the snapshot {}", snapshot.before_snapshot_ms);
        println!(
            "  during the snapshot {}, {} claims",
            snapshot.during_snapshot_ms, snapshot.claims_during_snapshot
        );
        println!(
            "a snapshot of {} bytes in {:.2} s{}",
            snapshot.snapshot_bytes,
            snapshot.snapshot_seconds,
            if snapshot.snapshot_within_run { "" } else { ", which ended after the run" }
        );
    } else {
        println!("no snapshot was taken (--snapshot takes one)");
    }
    println!(
        "{:.1} bytes of memory and {:.1} bytes of journal a claim",
        figures.bytes_per_claim, figures.journal_bytes_per_claim
    );
}

/// Latencies by where the snapshot stood when the replies were looked at.
struct Seen {
    before: Histogram<u64>,
    during: Histogram<u64>,
    after: Histogram<u64>,
    /// The engine begins the snapshot with the first batch behind so many bytes of journal.
    due_bytes: u64,
}

impl Seen {
    fn new(due_bytes: u64) -> Self {
        Self { before: latencies(), during: latencies(), after: latencies(), due_bytes }
    }

    /// Once a run of replies: three loads, and one place in a histogram.
    fn note(&mut self, vitals: &Vitals, us: u64, count: u64) {
        let begun = vitals.snapshot_queued_bytes.load(Relaxed) > 0
            || vitals.journal_bytes.load(Relaxed) >= self.due_bytes;
        let histogram = if vitals.snapshots.load(Relaxed) > 0 {
            &mut self.after
        } else if begun {
            &mut self.during
        } else {
            &mut self.before
        };
        histogram.saturating_record_n(us, count);
    }

    fn all(&self) -> Result<Histogram<u64>> {
        let mut all = latencies();
        for part in [&self.before, &self.during, &self.after] {
            all.add(part)?;
        }
        Ok(all)
    }
}
