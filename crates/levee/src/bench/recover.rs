//! `levee bench recover`: how long an engine takes to come back, from its journal alone and from a
//! snapshot, and whether it still knows what it said.

use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use levee_api::port::{Reply, Submit};
use levee_core::types::{CampaignNo, Outcome, VoucherNo};
use levee_engine::SnapshotPlan;
use serde::Serialize;

use super::cold::drop_from_page_cache;
use super::rush::{Rush, claim};
use super::stage::{Campaign, Folder, Stage, config, no_snapshots};
use super::{narrow, per_s, report, resident_bytes};
use crate::Ending;

const FACE_MINOR: u32 = 1;
const VECTOR: u32 = 512;
const IN_FLIGHT: u32 = 16_384;

/// So many claims, spread over all users, are asked again after the restart.
const REPEATS_MAX: u32 = 1_000;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Users who have claimed before the engine stops.
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    users: u32,
    /// Drop the files from the page cache before each start, as after a restart of the machine.
    #[arg(long)]
    cold: bool,
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
    cold: bool,
    fill_seconds: f64,
    /// From the start to ready, all outcomes compared, without a snapshot.
    replay_seconds: f64,
    replay_commands: u64,
    replay_commands_per_s: f64,
    /// From its beginning to when its file was whole and verified, while nothing else was done.
    snapshot_seconds: f64,
    snapshot_bytes: u64,
    /// From the start to ready, out of the snapshot.
    restart_ms: f64,
    /// Commands behind the snapshot that the restart replayed.
    restart_commands: u64,
    /// Resident afterwards.
    memory_bytes: u64,
    /// Claims asked again after the restart, each answered as the first time.
    repeats_checked: u32,
}

pub(super) fn run(args: &Args) -> Result<Ending> {
    let folder = Folder::new(args.data.as_ref())?;
    let plain = config(&folder.path, IN_FLIGHT, no_snapshots());
    let mut with_snapshot = plain.clone();
    with_snapshot.snapshots = SnapshotPlan { at_stop: true, ..no_snapshots() };
    let campaign = Campaign {
        id: "bench",
        face_minor: FACE_MINOR,
        rollback_within: "PT0S",
        // One more may come after the restart.
        users: args.users + 1,
        request: 1,
    };
    let chill = || if args.cold { drop_from_page_cache(&folder.path) } else { Ok(()) };

    let stage = Stage::start(&plain)?;
    let number = stage.create_campaign(&campaign)?;
    stage.fund_and_open(&campaign)?;
    let rush = Rush {
        stage: &stage,
        campaign: number,
        face_minor: FACE_MINOR,
        vector: VECTOR,
        in_flight: IN_FLIGHT,
    };
    let fill_seconds = rush.run(0..args.users, |_, _| {})?;
    let before = ask_again(&stage, number, args.users)?;
    stage.engine.stop()?;
    drop(stage);

    chill()?;
    let started = Instant::now();
    let stage = Stage::start(&with_snapshot)?;
    let replay_seconds = started.elapsed().as_secs_f64();
    let replay_commands = stage.engine.vitals().replayed.load(Relaxed);
    ensure!(replay_commands > u64::from(args.users), "only {replay_commands} were replayed");
    stage.engine.stop()?;
    let vitals = stage.engine.vitals();
    ensure!(vitals.snapshots.load(Relaxed) == 1, "no snapshot was taken at the stop");
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a snapshot")]
    let snapshot_seconds = vitals.snapshot_ms.load(Relaxed) as f64 / 1_000.0;
    let snapshot_bytes = vitals.snapshot_bytes.load(Relaxed);
    drop(stage);

    chill()?;
    let started = Instant::now();
    let stage = Stage::start(&plain)?;
    let restart_ms = started.elapsed().as_secs_f64() * 1_000.0;
    let vitals = stage.engine.vitals();
    ensure!(vitals.snapshot_seq.load(Relaxed) > 0, "the restart did not use the snapshot");
    let restart_commands = vitals.replayed.load(Relaxed);
    let memory_bytes = resident_bytes("self")?;
    let known = still_knows(&stage, number, args.users, &before)?;
    stage.engine.stop()?;

    let figures = Figures {
        users: args.users,
        cold: args.cold,
        fill_seconds,
        replay_seconds,
        replay_commands,
        replay_commands_per_s: per_s(replay_commands, replay_seconds),
        snapshot_seconds,
        snapshot_bytes,
        restart_ms,
        restart_commands,
        memory_bytes,
        repeats_checked: known.repeats,
    };
    report(args.json.as_ref(), &figures, print)?;
    for wrong in &known.wrong {
        eprintln!("WRONG ANSWER after the restart: {wrong}");
    }
    Ok(if known.wrong.is_empty() { Ending::Good } else { Ending::Failed })
}

struct Known {
    repeats: u32,
    wrong: Vec<String>,
}

/// What a user is told of the claim that was answered before.
#[derive(Debug, PartialEq)]
struct Repeat {
    user: u32,
    seq: u64,
    at_ms: u64,
    voucher: VoucherNo,
}

/// The claims of some users, evenly from the first to the last, asked once more. Which voucher a
/// user has is the engine's choice: it takes the newest first while its queue is long.
fn ask_again(stage: &Stage, campaign: CampaignNo, users: u32) -> Result<Vec<Repeat>> {
    let repeats = users.min(REPEATS_MAX);
    let asked = (0..repeats).map(|place| {
        let user = narrow(u64::from(place) * u64::from(users) / u64::from(repeats));
        match stage.ask(claim(campaign, user))? {
            Reply::Done {
                seq,
                at_ms,
                outcome: Outcome::Claimed { voucher, face_minor: FACE_MINOR },
                repeated: true,
            } => Ok(Repeat { user, seq, at_ms, voucher }),
            reply => bail!("user {user} asks again and is told {reply:?}"),
        }
    });
    asked.collect()
}

/// A claim of before is repeated as it was before the restart; a new one gets the next number.
fn still_knows(
    stage: &Stage,
    campaign: CampaignNo,
    users: u32,
    before: &[Repeat],
) -> Result<Known> {
    let mut wrong: Vec<_> = ask_again(stage, campaign, users)?
        .iter()
        .zip(before)
        .filter(|(after, before)| after != before)
        .map(|(after, before)| format!("{after:?} instead of {before:?}"))
        .collect();
    let new = stage.ask(claim(campaign, users))?;
    let is_next = matches!(
        new,
        Reply::Done { outcome: Outcome::Claimed { voucher, .. }, repeated: false, .. }
            if voucher.0 == users
    );
    if !is_next {
        wrong.push(format!("a new user is told {new:?}"));
    }
    Ok(Known { repeats: narrow(before.len() as u64), wrong })
}

fn print(figures: &Figures) {
    println!(
        "{} users in {:.2} s{}",
        figures.users,
        figures.fill_seconds,
        if figures.cold { "; the page cache is emptied before each start" } else { "" }
    );
    println!(
        "replayed {} commands in {:.2} s: {:.0} a second, every outcome compared",
        figures.replay_commands, figures.replay_seconds, figures.replay_commands_per_s
    );
    println!("a snapshot of {} bytes in {:.2} s", figures.snapshot_bytes, figures.snapshot_seconds);
    println!(
        "ready again after {:.0} ms, with {} bytes resident; {} claims asked again",
        figures.restart_ms, figures.memory_bytes, figures.repeats_checked
    );
}
