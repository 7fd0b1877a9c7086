//! `levee bench against`: the load of `bench http`, on any server that answers the same request.
//! `cargo xtask peers` drives Levee and its peers with it, so that all meet the same generator.

use std::cell::Cell;
use std::io::Write;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Serialize;

use super::load::{Load, Seen};
use super::pace::Pace;
use super::{AckMs, report};
use crate::Ending;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Where the server listens.
    #[arg(long, value_name = "HOST:PORT")]
    address: String,
    /// Ask for `/` instead of claiming.
    #[arg(long)]
    hello: bool,
    /// The status that every answer must have.
    #[arg(long, default_value_t = 201)]
    status: u16,
    /// Keep-alive connections.
    #[arg(long, default_value_t = 256)]
    connections: usize,
    /// Length of the run; a quarter of it goes before as a warm-up.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Number of the first user; each claim is made by the next one.
    #[arg(long, default_value_t = 0)]
    first_user: u64,
    /// Write the figures as JSON.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Figures {
    /// During the measured run.
    answers: u64,
    /// With the warm-up: so many users claimed.
    answers_in_all: u64,
    seconds: f64,
    answers_per_s: f64,
    ack_ms: AckMs,
}

pub(super) fn run(args: &Args) -> Result<Ending> {
    ensure!(args.seconds > 0.0, "--seconds must be above 0");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (warm_up, seen) = runtime.block_on(drive(args))?;
    let figures = Figures {
        answers: seen.answers,
        answers_in_all: warm_up.answers + seen.answers,
        seconds: seen.seconds,
        answers_per_s: seen.per_s(),
        ack_ms: AckMs::of(&seen.latencies),
    };
    report(args.json.as_ref(), &figures, |figures| {
        println!("{:.0} answers/s after {}", figures.answers_per_s, figures.ack_ms);
    })?;
    Ok(Ending::Good)
}

async fn drive(args: &Args) -> Result<(Seen, Seen)> {
    // The load wants a text that lives as long as the program, which ends right after the load.
    let status: &'static str = format!("HTTP/1.1 {}", args.status).leak();
    let mut load = Load::connect(&args.address, args.connections, status).await?;
    let user = Rc::new(Cell::new(args.first_user));
    let (host, hello) = (args.address.clone(), args.hello);
    let request = move |out: &mut Vec<u8>| {
        if hello {
            write_hello(out, &host);
        } else {
            write_claim(out, &host, user.get());
            user.set(user.get() + 1);
        }
    };
    let length = Duration::from_secs_f64(args.seconds);
    let warm_up = load.run(Pace::closed(length / 4), &request).await?;
    Ok((warm_up, load.run(Pace::closed(length), &request).await?))
}

/// A claim by the user of this number.
pub(super) fn write_claim(out: &mut Vec<u8>, host: &str, number: u64) {
    let body = format!("{{\"user_id\":\"user-{number:012}\"}}");
    let written = write!(
        out,
        "POST /v1/campaigns/bench/claims HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer \
         dev-app\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    written.expect("writing to memory");
}

/// A request that needs nothing but an answer.
pub(super) fn write_hello(out: &mut Vec<u8>, host: &str) {
    write!(out, "GET / HTTP/1.1\r\nhost: {host}\r\n\r\n").expect("writing to memory");
}
