//! What the cases do not show: a step, a server that stands still, a million who wait, and what a
//! refusal costs.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::process::Signal;

use super::Args;
use super::crowd::{Arrivals, Crowd, Manner};
use super::delay::{Watch, settled_after};
use super::plan::{Plan, Spread};
use super::report::{
    EstimateFigures, RecoveryFigures, RefusalFigures, StepFigures, WaitingFigures,
};
use super::tally::{Share, WINDOW_US};
use super::venue::{Setup, Venue};

/// The load before a step, and beside a stop.
const BEFORE: f64 = 0.7;

/// The load after a step.
const AFTER: f64 = 10.0;

/// The waves of which estimates are told.
const WAVES: [f64; 4] = [10.0, 3.0, 10.0, 5.0];

/// The load before a wave lasts so long: the room is empty by then.
const BETWEEN: Duration = Duration::from_secs(1);

/// The load behind a wave.
const EBB: f64 = 0.5;

/// The mean queue delay that counts as settled.
const SETTLED_MS: f64 = 20.0;

/// Goodput that counts as recovered, as a share of what is offered.
const RECOVERED: f64 = 0.95;

/// How long the load goes on before something happens to it.
const WARM_UP: Duration = Duration::from_secs(3);

/// How long the waiting are watched.
const WAIT: Duration = Duration::from_secs(20);

/// The engine's limit while so many wait.
const WAITING_CLAIMS_PER_S: u32 = 200;

/// In which everyone gets a place, or the bench gives up.
const GATHER_WITHIN: Duration = Duration::from_secs(300);

/// Requests over which costs are measured: at 10 us each the kernel's ticks are half a percent.
const REQUESTS: u32 = 200_000;

/// Tries of a hammering user, the first among them.
const TRIES: u32 = 4;

/// A step from 0.7 to 10 times the capacity.
pub(super) fn step(args: &Args, setup: &Setup, capacity_per_s: f64) -> Result<StepFigures> {
    let venue = Venue::start(setup)?;
    let mut crowd = Crowd::connect(venue.address(), args.connections)?;
    let before = Plan::new(capacity_per_s * BEFORE, Spread::Independent, crowd.now_us());
    crowd.begin(Manner::Cooperating, Arrivals::Open(before), Duration::ZERO);
    crowd.run(WARM_UP)?;
    crowd.checked()?;
    let watch = Watch::start(venue.address())?;
    let stepped = Instant::now();
    let after = Plan::new(capacity_per_s * AFTER, Spread::Independent, crowd.now_us());
    crowd.begin(Manner::Cooperating, Arrivals::Open(after), Duration::ZERO);
    crowd.run(Duration::from_secs_f64(args.seconds))?;
    let looks = watch.end()?;
    let tally = crowd.checked()?;
    Ok(StepFigures {
        settle_ms: settled_after(&looks, stepped, SETTLED_MS).map(ms),
        worst_ms: looks.iter().map(|look| look.mean_ms).fold(0.0, f64::max),
        looks: looks.len(),
        due_per_s: tally.per_s(tally.due),
        offered_per_s: tally.per_s(tally.sent),
        generator_limited: tally.generator_limited(),
    })
}

/// A server that stands still at 0.7 of its capacity while its users try again and again.
pub(super) fn stop(args: &Args, setup: &Setup, capacity_per_s: f64) -> Result<RecoveryFigures> {
    let venue = Venue::start(setup)?;
    let mut crowd = Crowd::connect(venue.address(), args.connections)?;
    let per_s = capacity_per_s * BEFORE;
    let plan = |crowd: &Crowd| Arrivals::Open(Plan::new(per_s, Spread::Even, crowd.now_us()));
    let arrivals = plan(&crowd);
    crowd.begin(Manner::Hammering, arrivals, Duration::ZERO);
    crowd.run(WARM_UP)?;
    venue.signal(Signal::STOP)?;
    crowd.run(Duration::from_secs_f64(args.stopped_seconds))?;
    venue.signal(Signal::CONT)?;
    // The windows begin here.
    let arrivals = plan(&crowd);
    crowd.begin(Manner::Hammering, arrivals, Duration::ZERO);
    crowd.run(Duration::from_secs_f64(args.seconds))?;
    let tally = crowd.checked()?;
    let window_s = f64::from(WINDOW_US) / 1e6;
    let whole = ((tally.until_us - tally.from_us) / WINDOW_US) as usize;
    ensure!(whole > 0, "--seconds must be a quarter or more");
    let mut windows = tally.windows.clone();
    windows.resize(whole, 0);
    let enough = RECOVERED * per_s * window_s;
    let last_low = windows.iter().rposition(|count| f64::from(*count) < enough);
    let recovered_at = last_low.map_or(0, |low| low + 1);
    #[expect(clippy::cast_precision_loss, reason = "windows of a few seconds")]
    let recovery_ms = recovered_at as f64 * window_s * 1e3;
    let figures = RecoveryFigures {
        recovery_ms: (recovered_at < whole).then_some(recovery_ms),
        users_per_s: per_s,
        offered_per_s: tally.per_s(tally.sent),
        generator_limited: tally.generator_limited(),
        windows_share: windows.iter().map(|count| f64::from(*count) / per_s / window_s).collect(),
        lost: 0,
    };
    let lost = venue.close()?.missing(crowd.acknowledged());
    Ok(RecoveryFigures { lost, ..figures })
}

/// Waves that ebb away, each until everyone who came is in: what a user was told at first is compared
/// with what came of it, for all of them.
pub(super) fn estimate(args: &Args, setup: &Setup, capacity_per_s: f64) -> Result<EstimateFigures> {
    let venue = Venue::start(setup)?;
    let mut crowd = Crowd::connect(venue.address(), args.connections)?;
    let load = |crowd: &Crowd, share: f64| {
        Arrivals::Open(Plan::new(capacity_per_s * share, Spread::Independent, crowd.now_us()))
    };
    let length = Duration::from_secs_f64(args.seconds / 8.0);
    let mut shares = Vec::new();
    let (mut waited, mut fairness_inversions, mut generator_limited) = (0, 0, false);
    for height in WAVES {
        let before = load(&crowd, BEFORE);
        crowd.begin(Manner::Cooperating, before, Duration::ZERO);
        crowd.run(BETWEEN)?;
        let wave = load(&crowd, height);
        crowd.begin(Manner::Cooperating, wave, Duration::ZERO);
        crowd.run(length)?;
        let ebb = load(&crowd, EBB);
        crowd.change(ebb);
        crowd.run(length.mul_f64((height - 1.0) / (1.0 - EBB)))?;
        crowd.change(Arrivals::Nobody);
        ensure!(crowd.finish(GATHER_WITHIN)?, "not everyone was in within {GATHER_WITHIN:?}");
        let tally = crowd.checked()?;
        waited += tally.waited;
        fairness_inversions += tally.fairness_inversions;
        generator_limited |= tally.generator_limited();
        shares.push(crowd.within_p90());
    }
    Ok(EstimateFigures {
        waited,
        within_p90: shares.iter().copied().sum::<Share>().value(),
        waves_within_p90: shares.iter().map(Share::value).collect(),
        fairness_inversions,
        generator_limited,
    })
}

/// A million users with a pass each, who poll as told.
pub(super) fn waiting(args: &Args) -> Result<WaitingFigures> {
    let limit = Some(WAITING_CLAIMS_PER_S);
    let venue = Venue::start(&Setup { claims_per_s: limit, ..Setup::over(args.over) })?;
    let mut crowd = Crowd::connect(venue.address(), args.connections)?;
    // Connections and caches are there before anyone waits, and nobody waits of those who made them.
    crowd.begin(Manner::Cooperating, Arrivals::Closed { left: 1_000 }, Duration::ZERO);
    ensure!(crowd.finish(GATHER_WITHIN)?, "not everyone was in within {GATHER_WITHIN:?}");
    // As many claims as there will be beside those who wait.
    let plan = Plan::new(f64::from(WAITING_CLAIMS_PER_S) * 0.9, Spread::Even, crowd.now_us());
    crowd.begin(Manner::Cooperating, Arrivals::Open(plan), Duration::ZERO);
    let (began, cpu_before) = (Instant::now(), venue.cpu_us()?);
    crowd.run(WAIT / 4)?;
    let core_share_before = (venue.cpu_us()? - cpu_before) / 1e6 / began.elapsed().as_secs_f64();
    let memory_before = venue.resident_bytes()?;
    crowd.begin(Manner::Cooperating, Arrivals::Closed { left: args.users }, Duration::ZERO);
    ensure!(crowd.gather(GATHER_WITHIN)?, "not everyone had come within {GATHER_WITHIN:?}");
    let waited = crowd.checked()?.waited;

    crowd.begin(Manner::Cooperating, Arrivals::Nobody, Duration::ZERO);
    let (began, cpu_before) = (Instant::now(), venue.cpu_us()?);
    crowd.run(WAIT)?;
    let core_share = (venue.cpu_us()? - cpu_before) / 1e6 / began.elapsed().as_secs_f64();
    let grown = venue.resident_bytes()?.saturating_sub(memory_before);
    let tally = crowd.checked()?;
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let bytes_each = (waited > 0).then(|| grown as f64 / waited as f64);
    Ok(WaitingFigures {
        users: waited,
        waiting_at_end: crowd.waiting(),
        core_share,
        core_share_before,
        bytes_each,
        polls_per_s: tally.per_s(tally.sent),
        due_per_s: tally.per_s(tally.due),
        generator_limited: tally.generator_limited(),
        unsent: tally.unsent,
        fairness_inversions: tally.fairness_inversions,
    })
}

/// Processor time of the server for a refusal, and for a claim.
pub(super) fn refusal(args: &Args) -> Result<RefusalFigures> {
    // As close to nobody as a limit goes.
    let setup = Setup { claims_per_s: Some(1), ..Setup::over(args.over) };
    let (refusal_us, admitted, requests) = cost(args, &setup, Manner::Hammering, REQUESTS / TRIES)?;
    ensure!(admitted * 100 < requests, "{admitted} of {requests} were not refused");
    // Nobody is kept out, so that every request is a claim.
    let setup = Setup { admission: false, ..Setup::over(args.over) };
    let (claim_us, admitted, requests) = cost(args, &setup, Manner::Cooperating, REQUESTS)?;
    ensure!(admitted * 100 > requests * 99, "only {admitted} of {requests} were claims");
    Ok(RefusalFigures { ratio: refusal_us / claim_us, refusal_us, claim_us })
}

/// Microseconds of the server for a request of so many users in a closed loop; how many were
/// admitted, of how many requests.
fn cost(args: &Args, setup: &Setup, manner: Manner, users: u32) -> Result<(f64, u64, u64)> {
    let venue = Venue::start(setup)?;
    let mut crowd = Crowd::connect(venue.address(), args.connections)?;
    crowd.begin(manner, Arrivals::Closed { left: users / 10 }, Duration::ZERO);
    crowd.finish(GATHER_WITHIN)?;
    let before = venue.cpu_us()?;
    crowd.begin(manner, Arrivals::Closed { left: users }, Duration::ZERO);
    ensure!(crowd.finish(GATHER_WITHIN)?, "not everyone was answered within {GATHER_WITHIN:?}");
    let spent_us = venue.cpu_us()? - before;
    let tally = crowd.checked()?;
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let each_us = spent_us / tally.sent_in_all as f64;
    Ok((each_us, tally.admitted, tally.sent_in_all))
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
