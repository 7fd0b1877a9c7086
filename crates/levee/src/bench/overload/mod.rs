//! `levee bench overload`: more users than there is room for, who come whether or not they are
//! answered, before a real server.
//!
//! | file | what is there |
//! |---|---|
//! | `plan.rs`, `wheel.rs` | who is due when: arrivals, and polls of hundreds of thousands |
//! | `users.rs` | what is remembered of a user |
//! | `wire.rs`, `connections.rs` | requests and answers, and the connections that carry them |
//! | `crowd.rs`, `tally.rs` | the crowd's loop and manners, and what it counts |
//! | `redemptions.rs`, `delay.rs` | what is seen beside it: redemptions, the queue delay |
//! | `venue.rs` | the server, and the audit of its journal |
//! | `cases.rs`, `extremes.rs` | what is played |
//! | `report.rs` | what comes out |
//!
//! Two regimes: in *a* the engine has a limit far below what the machine can do, so that generator
//! and server do not compete for the processors; in *b* it has none, and overload is what is left
//! of the machine beside the generator.

mod cases;
mod connections;
mod crowd;
mod delay;
mod extremes;
mod plan;
mod redemptions;
mod report;
mod tally;
mod users;
mod venue;
mod wheel;
mod wire;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use serde::Serialize;

use super::report as write_report;
use crate::Ending;
use report::Figures;
use venue::Setup;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Length of one case, and of what follows a step or a stop.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Only this part.
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Only this regime; without it the step and the stop are played in regime a.
    #[arg(long, value_enum)]
    regime: Option<Regime>,
    /// Only this many times the capacity.
    #[arg(long)]
    factor: Option<f64>,
    /// Only with admission, or only without.
    #[arg(long, value_enum)]
    admission: Option<Admission>,
    /// The engine's limit in regime a.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..))]
    claims_per_s: u32,
    /// Users who hammer meet a gate in a process of its own.
    #[arg(long)]
    gate_process: bool,
    /// What connections go over: a Unix socket, as a proxy's on the same machine, or TCP of loopback.
    #[arg(long, value_enum, default_value_t = Over::Unix)]
    over: Over,
    /// Keep-alive connections.
    #[arg(long, default_value_t = 1_024)]
    connections: usize,
    /// Users in the waiting room.
    #[arg(long, default_value_t = 1_000_000)]
    users: u32,
    /// How long the server stands still.
    #[arg(long, default_value_t = 10.0)]
    stopped_seconds: f64,
    /// Write the figures as JSON.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Cases,
    Step,
    Stop,
    Waiting,
    Refusal,
    /// Whether the bounds that users are told are kept.
    Estimate,
}

/// What the crowd's connections go over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
enum Over {
    Tcp,
    #[default]
    Unix,
}

/// What the capacity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
enum Regime {
    /// The engine's limit.
    A,
    /// What the machine takes, measured first.
    B,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Admission {
    On,
    Off,
}

impl Over {
    fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP of loopback",
            Self::Unix => "a Unix socket",
        }
    }
}

impl Regime {
    fn name(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

pub(super) fn run(args: &Args) -> Result<Ending> {
    ensure!(args.seconds > 0.0, "--seconds must be above 0");
    ensure!(args.stopped_seconds > 0.0, "--stopped-seconds must be above 0");
    ensure!(args.connections > 0, "--connections must be above 0");
    ensure!(args.factor.is_none_or(|factor| factor > 0.0), "--factor must be above 0");
    let figures = measure(args)?;
    let ending = if figures.nothing_lost() { Ending::Good } else { Ending::Failed };
    write_report(args.json.as_ref(), &figures, report::print)?;
    Ok(ending)
}

fn measure(args: &Args) -> Result<Figures> {
    let asked = |part| args.only.is_none_or(|only| only == part);
    let mut figures =
        Figures { claims_per_s: args.claims_per_s, over: args.over, ..Figures::default() };
    let cases: Vec<_> = [Regime::A, Regime::B]
        .into_iter()
        .filter(|regime| asked(Part::Cases) && args.regime.is_none_or(|only| only == *regime))
        .flat_map(|regime| cases::of(args, regime))
        .collect();
    let regime = args.regime.unwrap_or(Regime::A);
    let free_cases = || cases.iter().filter(|case| case.regime == Regime::B);
    let free_extremes =
        regime == Regime::B && [Part::Step, Part::Stop, Part::Estimate].into_iter().any(asked);
    let measured =
        |gate_process| cases::capacity(args, gate_process).context("the capacity without a limit");
    if free_extremes || free_cases().any(|case| !case.gate_process) {
        figures.capacity_per_s = Some(measured(false)?);
    }
    if free_cases().any(|case| case.gate_process) {
        figures.capacity_gate_process_per_s = Some(measured(true)?);
    }
    let (one_process, two) = (figures.capacity_per_s, figures.capacity_gate_process_per_s);
    let capacity = |regime, gate_process| match (regime, gate_process) {
        (Regime::A, _) => f64::from(args.claims_per_s),
        (Regime::B, false) => one_process.expect("measured above"),
        (Regime::B, true) => two.expect("measured above"),
    };
    let mut played = Vec::new();
    for case in &cases {
        let figures = cases::play(args, case, capacity(case.regime, case.gate_process));
        played.push(figures.with_context(|| format!("{case:?}"))?);
    }
    let limit = (regime == Regime::A).then_some(args.claims_per_s);
    let setup = Setup { claims_per_s: limit, ..Setup::over(args.over) };
    if asked(Part::Step) {
        let step = extremes::step(args, &setup, capacity(regime, false)).context("the step")?;
        figures.step_settle_ms = step.settle_ms;
        figures.step = Some(step);
    }
    if asked(Part::Stop) {
        let recovery = extremes::stop(args, &setup, capacity(regime, false)).context("the stop")?;
        figures.recovery_ms = recovery.recovery_ms;
        figures.recovery = Some(recovery);
    }
    if asked(Part::Estimate) {
        let waves =
            extremes::estimate(args, &setup, capacity(regime, false)).context("the waves")?;
        figures.estimate = Some(waves);
    }
    if asked(Part::Waiting) {
        figures.waiting = Some(extremes::waiting(args).context("the waiting room")?);
    }
    if asked(Part::Refusal) {
        let refusal = extremes::refusal(args).context("the cost of a refusal")?;
        figures.refusal_cost_ratio = Some(refusal.ratio);
        figures.refusal = Some(refusal);
    }
    figures.cases = played;
    Ok(figures)
}
