//! The cases: so many times what there is room for, from users of either manner.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::super::{Stolen, cpu_us};
use super::crowd::{Arrivals, Crowd, Manner};
use super::plan::{Plan, Spread};
use super::redemptions::{self, Stream};
use super::report::CaseFigures;
use super::venue::{Setup, Venue};
use super::{Admission, Args, Regime};

/// Of the capacity, in regime a.
const FACTORS_LIMITED: [f64; 4] = [1.0, 2.0, 5.0, 10.0];

/// In regime b the generator reaches no further on the processors that it shares.
const FACTORS_FREE: [f64; 3] = [1.0, 2.0, 3.0];

/// Half of the capacity: what p99 is compared with.
const HALF: f64 = 0.5;

/// Runs of the closed loop, of which the best is the capacity: whatever else the machine does only
/// takes away.
const CAPACITY_RUNS: u32 = 4;

/// The part of a case that is left out at its beginning.
const RAMP: f64 = 0.2;

/// How long users of the half load may take to be done.
const DRAIN: Duration = Duration::from_secs(2);

/// One case.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    pub(super) regime: Regime,
    pub(super) factor: f64,
    pub(super) manner: Manner,
    pub(super) admission: bool,
    pub(super) gate_process: bool,
}

/// The cases of a regime that were asked for: all factors with admission, and beside the highest
/// one without.
pub(super) fn of(args: &Args, regime: Regime) -> Vec<Case> {
    let all: &[f64] = match regime {
        Regime::A => &FACTORS_LIMITED,
        Regime::B => &FACTORS_FREE,
    };
    let factors = args.factor.map_or_else(|| all.to_vec(), |factor| vec![factor]);
    let highest = factors.iter().copied().fold(0.0, f64::max);
    let mut cases = Vec::new();
    for admission in [true, false] {
        if args.admission.is_some_and(|only| (only == Admission::On) != admission) {
            continue;
        }
        let only_highest = !admission && args.admission.is_none();
        for &factor in factors.iter().filter(|factor| !only_highest || **factor >= highest) {
            for manner in [Manner::Cooperating, Manner::Hammering] {
                // Whoever hammers meets gates, which must keep it from the engine.
                let gate_process = args.gate_process && manner == Manner::Hammering;
                cases.push(Case { regime, factor, manner, admission, gate_process });
            }
        }
    }
    cases
}

/// What a free engine takes behind the same gate as in a case: a closed loop, each answer followed
/// by the next user.
pub(super) fn capacity(args: &Args, gate_process: bool) -> Result<f64> {
    let venue = Venue::start(&Setup { gate_process, ..Setup::over(args.over) })?;
    let mut crowd = Crowd::connect(venue.address(), args.connections)?;
    let length = Duration::from_secs_f64(args.seconds) / CAPACITY_RUNS;
    let mut best = 0.0_f64;
    for _ in 0..CAPACITY_RUNS {
        let everyone = Arrivals::Closed { left: u32::MAX };
        crowd.begin(Manner::Cooperating, everyone, length.mul_f64(RAMP));
        crowd.run(length)?;
        let tally = crowd.checked()?;
        best = best.max(tally.per_s(tally.in_time));
    }
    ensure!(best > 0.0, "no claim was acknowledged in the closed loop");
    Ok(best)
}

/// Plays one case before a server of its own.
pub(super) fn play(args: &Args, case: &Case, capacity_per_s: f64) -> Result<CaseFigures> {
    let venue = Venue::start(&Setup {
        claims_per_s: (case.regime == Regime::A).then_some(args.claims_per_s),
        admission: case.admission,
        gate_process: case.gate_process,
        over: args.over,
    })?;
    let length = Duration::from_secs_f64(args.seconds);
    let held = redemptions::prepare(venue.address(), length)?;
    let mut crowd = Crowd::connect(venue.address(), args.connections)?;

    let at_half = Plan::new(capacity_per_s * HALF, Spread::Independent, crowd.now_us());
    // Long enough for some parts with a p99 each.
    let half_length = (length / 2).max(Duration::from_secs(1));
    crowd.begin(case.manner, Arrivals::Open(at_half), half_length.mul_f64(RAMP));
    crowd.run(half_length)?;
    let half = crowd.checked()?;
    let nobody = "nobody was admitted at half of the load";
    let half_p99_ms = half.latencies.p99_ms().context(nobody)?;
    let half_median_ms = half.latencies.median_p99_ms(half.until_us);
    crowd.change(Arrivals::Nobody);
    crowd.finish(DRAIN)?;

    let stream = Stream::start(venue.address(), held, length);
    let rush = Plan::new(capacity_per_s * case.factor, Spread::Independent, crowd.now_us());
    let (began, cpu_before) = (Instant::now(), cpu_us("self")?);
    let (mut stolen, stolen_before) = (Stolen::default(), Stolen::so_far()?);
    crowd.begin(case.manner, Arrivals::Open(rush), length.mul_f64(RAMP));
    crowd.run(length)?;
    let generator_core_share = (cpu_us("self")? - cpu_before) / 1e6 / began.elapsed().as_secs_f64();
    stolen.add(stolen_before, Stolen::so_far()?);
    let redeemed = stream.end()?;
    let journal = venue.close()?;
    let lost = journal.missing(crowd.acknowledged());

    let tally = crowd.checked()?;
    // What is not durable was no claim.
    let goodput_per_s = tally.per_s(tally.in_time.saturating_sub(lost));
    let admitted_p99_ms = tally.latencies.p99_ms();
    let median_ms = tally.latencies.median_p99_ms(tally.until_us);
    Ok(CaseFigures {
        regime: case.regime,
        factor: case.factor,
        cooperating: case.manner == Manner::Cooperating,
        gate_process: case.gate_process,
        admission: case.admission,
        capacity_per_s,
        goodput_share: goodput_per_s / capacity_per_s,
        goodput_per_s,
        users_per_s: capacity_per_s * case.factor,
        due_per_s: tally.per_s(tally.due),
        offered_per_s: tally.per_s(tally.sent),
        generator_core_share,
        generator_limited: tally.generator_limited(),
        stolen_share: stolen.share(),
        admitted_p99_ms,
        half_load_p99_ms: half_p99_ms,
        admitted_p99_ratio: admitted_p99_ms.map(|ms| ms / half_p99_ms),
        admitted_p99_median_ms: median_ms,
        half_load_p99_median_ms: half_median_ms,
        admitted_p99_median_ratio: median_ms.zip(half_median_ms).map(|(ms, half)| ms / half),
        redemptions_in_time: redeemed.share(),
        arrived: tally.arrived,
        admitted: tally.admitted,
        shed: tally.shed,
        waited: tally.waited,
        told: tally.told,
        unsent: tally.unsent,
        abandoned: tally.abandoned,
        broken: tally.broken,
        lost,
        fairness_inversions: tally.fairness_inversions,
        estimate_within_p90: crowd.within_p90().value(),
    })
}
