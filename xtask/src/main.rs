//! The project's own checks.
//!
//! `cargo xtask test` runs everything the build server runs; `cargo xtask tidy` is the part of it
//! that no standard tool does: who imports whom, commands and links in the documents, length of
//! files, `unsafe`, and words that must not be committed. Nothing of Levee is imported here, so
//! these checks still build when the code they check does not.

mod keda;
mod markdown;
mod peers;
mod process;
mod promtool;
mod python;
mod readme;
mod repo;
mod rust_text;
mod sdk;
mod test;
mod tidy;
mod tools;
mod workspace;

use std::process::ExitCode;

/// The commands, with a line on each. Tidy refuses documents that name any other.
pub(crate) const COMMANDS: &[(&str, &str)] = &[
    ("test", "everything the build server runs: format, lints, tidy, licences, tests, README"),
    ("tidy", "the project's own rules: imports, documents, file length, unsafe, words"),
    ("readme", "runs the marked commands of README.md against a freshly built server"),
    ("rules", "Prometheus' checks and tests of the alert rules in deploy/prometheus"),
    ("keda", "asks the scaler what KEDA asks, with a client in Python"),
    ("sdk", "payments and webhooks beside the providers' own libraries, in Node and Python"),
    ("peers", "Levee beside Redis, nginx and axum on this machine; `--help` says more"),
    ("help", "this text"),
];

fn main() -> ExitCode {
    let command = std::env::args().nth(1).unwrap_or_else(|| "help".to_owned());
    let done = match command.as_str() {
        "test" => test::run(),
        "tidy" => tidy::run().map(|()| ExitCode::SUCCESS),
        "readme" => readme::run().map(|()| ExitCode::SUCCESS),
        "rules" => test::alone(test::alert_rules),
        "keda" => test::alone(test::keda_questions),
        "sdk" => test::alone(test::libraries),
        "peers" => peers::run(std::env::args().skip(2)).map(|()| ExitCode::SUCCESS),
        "help" | "--help" | "-h" => {
            println!("{}", usage());
            Ok(ExitCode::SUCCESS)
        }
        other => {
            eprintln!("cargo xtask {other}: no such command\n\n{}", usage());
            return ExitCode::from(2);
        }
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn usage() -> String {
    let mut text = "usage: cargo xtask COMMAND\n".to_owned();
    for (name, purpose) in COMMANDS {
        text.push_str(&format!("\n  {name:<8}{purpose}"));
    }
    text
}
