//! `levee sandbox`: outlets and a payment provider that stand in for real ones.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use levee_api::scenario::{Kitchens, Payments};
use levee_api::time::Instant;
use levee_connect::sandbox::{
    CONNECTIONS_MAX_DEFAULT, LISTEN_DEFAULT, Sandbox, SandboxConfig, Secrets,
};
use levee_drill::scenario::Scenario;
use serde::Deserialize;

use crate::Ending;
use crate::serve::{self, Signals};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A scenario file with the tables kitchens and payments [default: the reference day,
    /// examples/lunar-new-year-2026.toml].
    scenario: Option<PathBuf>,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT", default_value = LISTEN_DEFAULT)]
    listen: String,
    /// Where Levee is: outlets say their steps there.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    levee: String,
    /// Let the day run so many times faster than real time; the same as Levee's.
    #[arg(long, default_value_t = 1.0, value_name = "TIMES", value_parser = serve::parse_speed)]
    speed: f64,
    /// Let the clock begin at this instant; the same as Levee's [default: real time].
    #[arg(long, value_name = "INSTANT", value_parser = serve::parse_instant)]
    clock: Option<Instant>,
    /// Draws all that happens; the same seed draws the same.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A TOML file with the secrets `outlets` and `payments` [default: the well-known ones].
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// What to log: error, warn, info, debug or trace.
    #[arg(long, value_name = "LEVEL", default_value_t = tracing::Level::INFO)]
    log: tracing::Level,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretFile {
    outlets: String,
    payments: String,
}

/// Reads the secrets that a sandbox and its server share.
pub(crate) fn secrets(file: &Path) -> Result<Secrets> {
    let text = fs::read_to_string(file);
    let text = text.with_context(|| format!("cannot read {}", file.display()))?;
    // The parser's own message would show the line, and with it the secret.
    let texts: SecretFile = toml::from_str(&text).ok().with_context(|| {
        format!("{} must be TOML with the texts outlets and payments", file.display())
    })?;
    let secrets = Secrets::from_texts(&texts.outlets, &texts.payments);
    secrets.with_context(|| format!("a secret in {} is none", file.display()))
}

pub(crate) fn run(args: &Args) -> Result<Ending> {
    serve::log(args.log);
    let scenario = match &args.scenario {
        Some(file) => Scenario::load(file)?,
        None => Scenario::reference(),
    };
    let secrets = args.secret_file.as_deref().map_or_else(|| Ok(Secrets::dev()), secrets)?;
    let day_starts_at_ms = scenario.starts_at_ms();
    let kitchens = scenario.kitchens.context("the scenario has no table kitchens")?;
    let payments = scenario.payments.context("the scenario has no table payments")?;
    let (outlets_say, provider_says) = (describe_kitchens(&kitchens), describe_payments(&payments));
    // Before anyone is told that it is there.
    let mut signals = Signals::take()?;
    let sandbox = Sandbox::start(SandboxConfig {
        listen: args.listen.clone(),
        levee: args.levee.clone(),
        speed: args.speed,
        epoch_ms: args.clock.map(|clock| clock.ms),
        day_starts_at_ms,
        seed: args.seed,
        kitchens,
        payments,
        secrets,
        connections_max: serve::connections_within(CONNECTIONS_MAX_DEFAULT),
    })?;
    let address = sandbox.addr();
    println!("levee sandbox listens on http://{address} and says steps to {}", args.levee);
    println!("day: {}, {} times as fast, seed {}", scenario.name, args.speed, args.seed);
    println!("outlets at http://{address}/pos/VENDOR/OUTLET: {outlets_say}");
    println!("payments at http://{address}/pay: {provider_says}");
    println!("counts at http://{address}/stats, records at /tickets.ndjson and /payments.ndjson");
    if args.secret_file.is_none() {
        println!("secrets: the well-known ones, as in docs/sandbox.md");
    }
    signals.come_before(|| false);
    println!("{}", serde_json::to_string_pretty(&sandbox.shutdown())?);
    Ok(Ending::Good)
}

/// A share as a person reads it.
fn percent(share: f64) -> String {
    format!("{}%", (share * 1e4).round() / 1e2)
}

fn describe_kitchens(kitchens: &Kitchens) -> String {
    let faults = &kitchens.faults;
    let dark: Vec<&str> = kitchens.dark.iter().map(|dark| dark.vendor.as_str()).collect();
    let dark = if dark.is_empty() { "none".to_owned() } else { dark.join(", ") };
    format!(
        "{} s a unit, {} slow, {} failing, {} flapping, {} black holes; {} of tickets rejected, \
         {} ignored; dark for a while: {dark}",
        kitchens.unit.median_s,
        percent(faults.slow.share),
        percent(faults.failing),
        percent(faults.flapping.share),
        percent(faults.black_hole),
        percent(kitchens.rejected),
        percent(kitchens.ignored),
    )
}

fn describe_payments(payments: &Payments) -> String {
    let callbacks = &payments.callbacks;
    format!(
        "paid after {} s, {} never, {} failed; of callbacks {} lost, {} doubled, {} late; {} outages \
         a day",
        payments.think.median_s,
        percent(payments.never),
        percent(payments.failed),
        percent(callbacks.lost),
        percent(callbacks.doubled),
        percent(callbacks.late.share),
        payments.outages.len(),
    )
}
