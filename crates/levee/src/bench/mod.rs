//! `levee bench`: figures of this machine, as text and as JSON.

mod against;
mod callbacks;
mod claims;
mod cold;
mod day;
mod http;
mod inbox;
mod kitchens;
mod load;
mod outlets;
mod overload;
mod pace;
mod recover;
mod rush;
mod slow_disk;
mod stage;

use std::fmt;
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
    /// Day one: everyone claims, orders, pays and collects, with retries; the journal is audited.
    Day(day::Args),
    /// A restart after so many claims: from the journal alone, and from a snapshot.
    Recover(recover::Args),
    /// Claims a second over HTTP on loopback, interleaved with a bare hyper hello.
    Http(http::Args),
    /// Payments' callbacks until they are applied, under claims and beside forged ones.
    Callbacks(callbacks::Args),
    /// More users than there is room for, who come whether or not they are answered.
    Overload(overload::Args),
    /// Outlets that promise only what they can make, beside outlets that promise everything.
    Kitchens(kitchens::Args),
    /// An installation's outlets: imported, kept in a gate's directory, searched by place.
    Outlets(outlets::Args),
    /// The load of `bench http` on any server, for comparisons.
    #[command(hide = true)]
    Against(against::Args),
    /// The bare hyper hello that `bench http` compares with.
    #[command(hide = true)]
    Hello,
}

pub(crate) fn run(args: &Args) -> Result<Ending> {
    match &args.command {
        Cmd::Claims(args) => claims::run(args),
        Cmd::Day(args) => day::run(args),
        Cmd::Recover(args) => recover::run(args),
        Cmd::Http(args) => http::run(args),
        Cmd::Callbacks(args) => callbacks::run(args),
        Cmd::Overload(args) => overload::run(args),
        Cmd::Kitchens(args) => kitchens::run(args),
        Cmd::Outlets(args) => outlets::run(args),
        Cmd::Against(args) => against::run(args),
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

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
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

impl fmt::Display for AckMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50, p99, p999, max } = self;
        write!(f, "{p50:.3} ms (p50), {p99:.3} (p99), {p999:.3} (p999), {max:.3} (max)")
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn each_of(bytes: u64, users: u32) -> f64 {
    bytes as f64 / f64::from(users)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn per_s(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds
}

/// A number that was made of 32 bits.
fn narrow(number: u64) -> u32 {
    u32::try_from(number).expect("made of 32 bits")
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

/// Processor time of the whole machine, in the kernel's ticks: all of it, and what the host of a
/// virtual machine kept to itself.
#[derive(Clone, Copy, Debug, Default)]
struct Stolen {
    stolen: u64,
    all: u64,
}

impl Stolen {
    /// Since the machine began.
    fn so_far() -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat")?;
        // All processors; behind the name user, nice, system, idle, iowait, irq, softirq, steal.
        let ticks = stat.lines().next().unwrap_or("").split_whitespace().skip(1).take(8);
        let ticks: Vec<u64> = ticks.map(str::parse).collect::<Result<_, _>>()?;
        Ok(Self { stolen: ticks.get(7).copied().unwrap_or(0), all: ticks.iter().sum() })
    }

    fn add(&mut self, before: Self, after: Self) {
        self.stolen += after.stolen - before.stolen;
        self.all += after.all - before.all;
    }

    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    fn share(self) -> f64 {
        self.stolen as f64 / self.all.max(1) as f64
    }
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

/// As JSON alone where it goes to the output, as text and perhaps as a file otherwise.
fn report<F: Serialize>(json: Option<&PathBuf>, figures: &F, print: fn(&F)) -> Result<()> {
    if json.is_some_and(|file| file.as_os_str() == "-") {
        println!("{}", serde_json::to_string_pretty(figures)?);
        return Ok(());
    }
    write_json(json, figures)?;
    print(figures);
    Ok(())
}
