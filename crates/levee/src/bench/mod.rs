//! `levee bench`: figures of this machine, as text and as JSON.

mod claims;
mod http;
mod load;
mod pace;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Subcommand;
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::Ending;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Cmd,
}

#[derive(Subcommand)]
enum Cmd {
    /// Durable claims a second through the engine in process, each user once.
    Claims(claims::Args),
    /// Claims a second over HTTP on loopback, interleaved with a bare hyper hello.
    Http(http::Args),
    /// The bare hyper hello that `bench http` compares with.
    #[command(hide = true)]
    Hello,
}

pub(crate) fn run(args: &Args) -> Result<Ending> {
    match &args.command {
        Cmd::Claims(args) => claims::run(args),
        Cmd::Http(args) => http::run(args),
        Cmd::Hello => http::hello(),
    }
}

/// Time from the ask to its acknowledgement, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
struct AckMs {
    p50: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

/// From 1 us to a minute with three digits.
fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("bounds that the library takes")
}

impl AckMs {
    fn of(histogram: &Histogram<u64>) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "microseconds of a minute")]
        let ms = |us: u64| us as f64 / 1_000.0;
        Self {
            p50: ms(histogram.value_at_quantile(0.5)),
            p99: ms(histogram.value_at_quantile(0.99)),
            p999: ms(histogram.value_at_quantile(0.999)),
            max: ms(histogram.max()),
        }
    }
}

/// Resident memory of a process in bytes.
fn resident_bytes(pid: &str) -> Result<u64> {
    let status = fs::read_to_string(Path::new("/proc").join(pid).join("status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    Ok(kib.context("no VmRSS in /proc/PID/status")? * 1_024)
}

/// Processor time of a process so far, in microseconds; the kernel counts in hundredths of a second.
fn cpu_us(pid: &str) -> Result<f64> {
    let stat = fs::read_to_string(Path::new("/proc").join(pid).join("stat"))?;
    // Behind the name, which may hold anything: state is the 3rd field, user and system time the
    // 14th and 15th.
    let fields = stat.rsplit(')').next().unwrap_or("").split_whitespace().skip(11).take(2);
    let ticks: Vec<u32> = fields.map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.into_iter().map(f64::from).sum::<f64>() * 10_000.0)
}

fn write_json(file: Option<&PathBuf>, figures: &impl Serialize) -> Result<()> {
    let json = serde_json::to_string_pretty(figures)?;
    match file {
        Some(file) => {
            fs::write(file, json).with_context(|| format!("cannot write {}", file.display()))
        }
        None => Ok(()),
    }
}
