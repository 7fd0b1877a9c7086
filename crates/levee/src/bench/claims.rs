//! `levee bench claims`: a generator in this process, the real engine, a real journal, and no reply
//! before its sync; on demand with a snapshot in the middle.

use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;
use levee_api::port::Submit;
use levee_api::vitals::Vitals;
use levee_engine::SnapshotPlan;
use serde::Serialize;

use super::rush::Rush;
use super::stage::{Campaign, Folder, Stage, config, no_snapshots};
use super::{AckMs, each_of, latencies, per_s, report, resident_bytes};
use crate::Ending;

/// What a voucher is worth; the sums play no part here.
const FACE_MINOR: u32 = 1;

/// Claims of a campaign of its own that go before, in multiples of what may be under way: buffers
/// have their size then, and what grows afterwards grows with claims.
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
    /// Claims under way at most.
    #[arg(long, default_value_t = 16_384)]
    in_flight: u32,
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
    seconds: f64,
    claims_per_s: f64,
    ack_ms: AckMs,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    snapshot: Option<SnapshotFigures>,
    /// Records of vouchers, the index of users that is made when the campaign is funded, marks of
    /// the tables' pages: everything that is in memory because there are claims. Buffers of the
    /// journal, the queue and this bench have their size before, and are not in it; a table grows by
    /// 2 MiB, and eight such pieces stand ready before and after.
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
    ensure!(args.vector > 0 && args.in_flight >= args.vector, "--in-flight is below --vector");
    let folder = Folder::new(args.data.as_ref())?;
    let warm_up = args.users.min(args.in_flight.saturating_mul(WARM_UP_ROUNDS));
    let plan = if args.snapshot {
        let claims = u64::from(args.users / 2 + warm_up);
        let journal_bytes = claims * JOURNAL_BYTES_PER_CLAIM;
        SnapshotPlan { journal_bytes, at_stop: false, ..SnapshotPlan::default() }
    } else {
        no_snapshots()
    };
    let stage = Stage::start(&config(&folder.path, args.in_flight, plan))?;
    let vitals = stage.engine.vitals();

    let before = Campaign {
        id: "warm-up",
        face_minor: FACE_MINOR,
        rollback_within: "PT0S",
        users: warm_up,
        request: 1,
    };
    let campaign = Campaign { id: "bench", users: args.users, request: 11, ..before };
    let (vector, in_flight) = (args.vector, args.in_flight);
    let number = stage.create_campaign(&before)?;
    let mut rush =
        Rush { stage: &stage, campaign: number, face_minor: FACE_MINOR, vector, in_flight };
    stage.fund_and_open(&before)?;
    rush.run(args.users..args.users + warm_up, 0, |_, _| {})?;

    rush.campaign = stage.create_campaign(&campaign)?;
    let memory_before = resident_bytes("self")?;
    stage.fund_and_open(&campaign)?;
    let journal_before = vitals.journal_bytes.load(Relaxed);
    let records_before = vitals.records.load(Relaxed);
    let mut seen = Seen::new(plan.journal_bytes);
    let seconds = rush.run(0..args.users, warm_up, |us, count| seen.note(vitals, us, count))?;
    let snapshot_within_run = vitals.snapshots.load(Relaxed) > 0;

    let memory = resident_bytes("self")?.saturating_sub(memory_before);
    let journal = vitals.journal_bytes.load(Relaxed) - journal_before;
    let records = vitals.records.load(Relaxed) - records_before;
    stage.engine.stop()?;
    let mut snapshot = None;
    if args.snapshot {
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
