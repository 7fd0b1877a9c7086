//! `levee bench kitchens`: a day of orders at many outlets, in virtual time. The same demand is
//! played with kitchens that promise what they can make, with kitchens that are asked for everything,
//! and once more with kitchens that become slower at noon and do not say so.
//!
//! | file | what is there |
//! |---|---|
//! | `draw.rs` | random draws |
//! | `town.rs`, `users.rs` | outlets as they are and as they say they are; what users do |
//! | `counter.rs`, `play.rs` | one outlet's stations; one neighbourhood's day |
//! | `tally.rs`, `figures.rs` | what is counted, and what comes out |
//!
//! Neighbourhoods have nothing to do with each other, so each is played by itself, from a seed of
//! its own: results depend on the arguments alone.

mod counter;
mod draw;
mod figures;
mod play;
mod tally;
mod town;
mod users;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use levee_core::pacing::Pace;
use levee_drill::curve::Curve;
use levee_drill::scenario::Scenario;

use self::figures::{Figures, Play, print};
use self::play::{Manner, Neighbourhood, Plan, Slower};
use self::tally::Tally;
use self::town::NEIGHBOURS;
use super::report;
use crate::Ending;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// 08:00 of the day; kitchens know only their own time.
const START_MS: u64 = 1_770_336_000_000;

/// When all stations become slower, in the play in which they do: 12:00, in the steepest hours of
/// the day.
const NOON_MS: u64 = START_MS + 4 * HOUR_MS;

/// How long kitchens may take to notice it. Orders that were promised before are not judged if they
/// were due or done after noon.
const LEARNING_MS: u64 = 30 * MINUTE_MS;

/// Outlets from which on a must that is missed is a failure; fewer are too few for shares.
const OUTLETS_JUDGED: u32 = 300_000;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Outlets, in neighbourhoods of eight.
    #[arg(long, default_value_t = OUTLETS_JUDGED, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    outlets: u32,
    /// Demand of the app's users, in multiples of the usual.
    #[arg(long, default_value_t = 5.0, value_parser = times)]
    times: f64,
    /// Draws the outlets, their customers and the making times.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the figures as JSON.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,
}

fn times(text: &str) -> Result<f64, String> {
    let times = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.01..=100.0).contains(&times) { Ok(times) } else { Err("not in 0.01 to 100".to_owned()) }
}

pub(super) fn run(args: &Args) -> Result<Ending> {
    let started = Instant::now();
    let plan = Plan {
        seed: args.seed,
        times: args.times,
        curve: Curve::new(&Scenario::reference().day, args.seed),
        pace: Pace::DEFAULT,
    };
    let slower = Slower { from_ms: NOON_MS, learned_ms: NOON_MS + LEARNING_MS };
    let play = |paced, slower| Play::of(&play_all(&plan, args.outlets, Manner { paced, slower }));
    let figures = Figures {
        outlets: args.outlets,
        times: args.times,
        seed: args.seed,
        learning_minutes: LEARNING_MS / MINUTE_MS,
        paced: play(true, None),
        control: play(false, None),
        slower_at_noon: play(true, Some(slower)),
        seconds: started.elapsed().as_secs_f64(),
    };
    report(args.json.as_ref(), &figures, print)?;
    let judged = args.outlets >= OUTLETS_JUDGED;
    Ok(if judged && !figures.musts_hold() { Ending::Failed } else { Ending::Good })
}

/// Neighbourhood by neighbourhood, so that all of one stays in the processor's cache.
fn play_all(plan: &Plan, outlets: u32, manner: Manner) -> Tally {
    let mut tally = Tally::default();
    for number in 0..outlets.div_ceil(NEIGHBOURS) {
        let here = NEIGHBOURS.min(outlets - number * NEIGHBOURS);
        tally += &Neighbourhood::new(plan, number, here, manner).play();
    }
    tally
}
