//! The `levee` binary: serving, rehearsing, checking, measuring.
//!
//! Exit status: 0 good, 1 a threshold or an audit failed or the server stopped by a fault, 2 usage,
//! 3 could not run.

mod audit;
mod bench;
mod campaign;
mod config;
mod festival;
mod gate;
mod gates;
mod intake;
mod key;
mod listen;
mod outlets;
mod outside;
mod payments;
mod reconcile;
mod remote;
mod sandbox;
mod secrets;
mod serve;
mod server;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// An engine for giveaways the size of a festival.
#[derive(Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Cmd,
}

#[derive(Subcommand)]
enum Cmd {
    /// Run the server: gate, engine and journal in one process.
    Serve(serve::Args),
    /// Run a gate in a process of its own, before an engine in another.
    Gate(gate::Args),
    /// Play the reference day against a real server, audit it, and write a report.
    Festival(festival::Args),
    /// Play outlets and a payment provider, for trying things out and for rehearsals.
    Sandbox(sandbox::Args),
    /// Recount everything from a journal alone.
    Audit(audit::Args),
    /// Compare a payment provider's bill of a day with the journal.
    Reconcile(reconcile::Args),
    /// Measure on this machine.
    Bench(bench::Args),
    /// Make, list and revoke API keys.
    Key(key::Args),
    /// Check, apply and show campaign documents.
    Campaign(campaign::Args),
    /// Import outlets from a file.
    Outlets(outlets::Args),
    /// Show and change who is let in: brownout level, limit of claims.
    Intake(intake::Args),
}

/// How a command ended.
pub(crate) enum Ending {
    Good,
    /// A threshold was missed, or an audit found a difference.
    Failed,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Cmd::Serve(args) => serve::run(&args),
        Cmd::Gate(args) => gate::run(&args),
        Cmd::Festival(args) => festival::run(&args),
        Cmd::Sandbox(args) => sandbox::run(&args),
        Cmd::Audit(args) => audit::run(&args),
        Cmd::Reconcile(args) => reconcile::run(&args),
        Cmd::Bench(args) => bench::run(&args),
        Cmd::Key(args) => key::run(&args),
        Cmd::Campaign(args) => campaign::run(&args),
        Cmd::Outlets(args) => outlets::run(&args),
        Cmd::Intake(args) => intake::run(&args),
    };
    match result {
        Ok(Ending::Good) => ExitCode::SUCCESS,
        Ok(Ending::Failed) => ExitCode::from(1),
        Err(error) => {
            eprintln!("levee: {error:#}");
            ExitCode::from(3)
        }
    }
}
