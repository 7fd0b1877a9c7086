//! `levee intake`: who is let in, and the changes that operators make.

use anyhow::{Context, Result, anyhow};
use clap::builder::PossibleValuesParser;
use clap::{Subcommand, builder::TypedValueParser};
use levee_api::client::Raw;
use levee_api::strict::Reason;
use levee_api::types::Level;
use levee_api::wire::{
    IntakeBody, LevelChangeBody, LevelName, LevelRequest, LimitChangeBody, LimitsRequest,
    ReasonRequest,
};
use serde::Serialize;

use crate::Ending;
use crate::remote::{Server, block_on, print};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Cmd,
}

#[derive(Subcommand)]
enum Cmd {
    /// Show the brownout level, the limit of claims, the waiting room and the gates.
    Show {
        #[command(flatten)]
        server: Server,
    },
    /// Set the brownout level by hand; no rule changes it until it is released.
    Level {
        /// What to give up.
        #[arg(value_parser = level_parser())]
        level: LevelName,
        #[command(flatten)]
        why: Why,
        #[command(flatten)]
        server: Server,
    },
    /// Give the brownout level back to the rules.
    Release {
        #[command(flatten)]
        why: Why,
        #[command(flatten)]
        server: Server,
    },
    /// Set the most claims that are decided in a second.
    Limit {
        /// At least 1; `none`: the configuration's limit holds.
        #[arg(value_parser = parse_limit)]
        claims_per_s: Limit,
        #[command(flatten)]
        why: Why,
        #[command(flatten)]
        server: Server,
    },
}

#[derive(clap::Args)]
struct Why {
    /// For the record, and for all who see it.
    #[arg(long, value_name = "TEXT", value_parser = parse_reason)]
    reason: Reason,
}

/// Claims a second, or none of one's own. Not an `Option`, which would be an argument left out.
#[derive(Clone, Copy)]
struct Limit(Option<u32>);

fn level_parser() -> impl TypedValueParser<Value = LevelName> {
    PossibleValuesParser::new(Level::ALL.map(Level::name)).map(|name| {
        let level = Level::ALL.into_iter().find(|level| level.name() == name);
        LevelName::from(level.expect("one of the names"))
    })
}

fn parse_limit(text: &str) -> Result<Limit, String> {
    if text == "none" {
        return Ok(Limit(None));
    }
    let claims = text.parse().ok().filter(|claims| *claims > 0);
    let claims = claims.ok_or_else(|| format!("must be none, or 1 to {}", u32::MAX))?;
    Ok(Limit(Some(claims)))
}

fn parse_reason(text: &str) -> Result<Reason, String> {
    Reason::try_from(text.to_owned())
}

pub(crate) fn run(args: &Args) -> Result<Ending> {
    match &args.command {
        Cmd::Show { server } => {
            let body =
                block_on(async { server.connect().await?.get::<IntakeBody>("/v1/intake").await })??;
            print(&body)?;
        }
        Cmd::Level { level, why, server } => {
            let body = LevelRequest { level: *level, reason: why.reason.clone() };
            print(&post(server, "/v1/intake/level", &body)?.json::<LevelChangeBody>()?)?;
        }
        Cmd::Release { why, server } => {
            let body = ReasonRequest { reason: why.reason.clone() };
            print(&post(server, "/v1/intake/level/release", &body)?.json::<LevelChangeBody>()?)?;
        }
        Cmd::Limit { claims_per_s: Limit(claims_per_s), why, server } => {
            let (claims_per_s, reason) = (*claims_per_s, why.reason.clone());
            let body = LimitsRequest { claims_per_s, reason };
            print(&post(server, "/v1/intake/limits", &body)?.json::<LimitChangeBody>()?)?;
        }
    }
    Ok(Ending::Good)
}

/// Under a key of its own: who runs a command again means it again, and a change that is so already
/// is refused as `unchanged`.
fn post(server: &Server, path: &str, body: &impl Serialize) -> Result<Raw> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)
        .map_err(|error| anyhow!(error))
        .context("the system gives no randomness")?;
    let key = format!("intake-{:032x}", u128::from_le_bytes(random));
    let sent = block_on(async { server.connect().await?.post(path, Some(&key), body).await })?;
    Ok(sent?)
}
