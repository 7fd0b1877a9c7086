//! `cargo xtask test`: everything the build server runs, in the order in which a mistake is
//! cheapest to find.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::{keda, process, promtool, readme, repo, sdk, tidy, tools};

/// How a step went, other than by failing.
pub(crate) enum Done {
    Passed,
    /// With the reason and what to do.
    Skipped(&'static str),
}

pub(crate) type Step = fn(&Path) -> Result<Done>;

const STEPS: &[(&str, Step)] = &[
    ("format", format),
    ("clippy", clippy),
    ("tidy", |_| tidy::run().map(|()| Done::Passed)),
    ("dependencies", dependencies),
    ("alert rules", alert_rules),
    ("tests", tests),
    ("sanitizer", sanitizer),
    ("doc tests", doc_tests),
    ("outages", outages),
    ("KEDA's questions", keda_questions),
    ("providers' libraries", libraries),
    ("README", |_| readme::run().map(|()| Done::Passed)),
];

/// Runs the steps up to the first that fails. The last line is `N passed, N failed`, with
/// `, N skipped` where a step was left out.
pub(crate) fn run() -> Result<ExitCode> {
    let root = repo::root()?;
    tools::prepare(&root);

    let mut lines = Vec::new();
    let mut tally = Tally::default();
    let mut failed = None;
    for (name, step) in STEPS {
        if failed.is_some() {
            lines.push(format!("not run  {name}"));
            tally.skipped += 1;
            continue;
        }
        println!("==> {name}");
        let start = Instant::now();
        let done = step(&root);
        let seconds = start.elapsed().as_secs_f64();
        let line = match done {
            Ok(Done::Passed) => {
                tally.passed += 1;
                format!("passed   {name} ({seconds:.1} s)")
            }
            Ok(Done::Skipped(why)) => {
                tally.skipped += 1;
                format!("skipped  {name}: {why}")
            }
            Err(error) => {
                tally.failed += 1;
                eprintln!("error: {error:#}");
                failed = Some(*name);
                format!("FAILED   {name} ({seconds:.1} s)")
            }
        };
        println!("{line}");
        lines.push(line);
    }

    println!("\n{}", lines.join("\n"));
    if let Some(name) = failed {
        println!("the step `{name}` failed; its messages are above this summary");
    }
    println!("{}", tally.line());
    Ok(if failed.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs one step by itself; one that would be skipped fails.
pub(crate) fn alone(step: Step) -> Result<ExitCode> {
    match step(&repo::root()?)? {
        Done::Passed => Ok(ExitCode::SUCCESS),
        Done::Skipped(why) => bail!("not done: {why}"),
    }
}

/// The counts of the summary.
#[derive(Default)]
struct Tally {
    passed: u32,
    failed: u32,
    skipped: u32,
}

impl Tally {
    fn line(&self) -> String {
        let Tally { passed, failed, skipped } = self;
        let rest = if *skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
        format!("{passed} passed, {failed} failed{rest}")
    }
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<Done> {
    process::check(process::cargo(root).args(arguments)).map(|()| Done::Passed)
}

fn format(root: &Path) -> Result<Done> {
    cargo(root, &["fmt", "--all", "--", "--check"])?;
    // A workspace of its own; it is compiled by `cargo xtask peers` alone, for its dependencies.
    cargo(root, &["fmt", "--manifest-path", "peers/axum-redis/Cargo.toml", "--", "--check"])
}

fn clippy(root: &Path) -> Result<Done> {
    cargo(root, &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])
}

/// Licences, duplicates and sources. Advisories come from a database on the network, and a new
/// one must not turn yesterday's good commit red, so they are asked for apart.
fn dependencies(root: &Path) -> Result<Done> {
    if !tools::has_cargo_tool(root, "deny") {
        return Ok(Done::Skipped(
            "cargo-deny is missing; install it with `cargo install --locked cargo-deny`",
        ));
    }
    println!("advisories need a database from the network: `cargo deny check advisories`");
    cargo(root, &["deny", "--log-level", "warn", "check", "licenses", "bans", "sources"])
}

pub(crate) fn alert_rules(root: &Path) -> Result<Done> {
    if promtool::run(root)? {
        return Ok(Done::Passed);
    }
    Ok(Done::Skipped(
        "promtool is missing; on Debian it is in the package prometheus, whose server need not run",
    ))
}

pub(crate) fn keda_questions(root: &Path) -> Result<Done> {
    if keda::run(root)? {
        return Ok(Done::Passed);
    }
    Ok(Done::Skipped(
        "python3 with venv, or grpcio from PyPI, is missing; on Debian: `sudo apt-get install -y \
         python3-venv`, and a network",
    ))
}

pub(crate) fn libraries(root: &Path) -> Result<Done> {
    if sdk::run(root)? {
        return Ok(Done::Passed);
    }
    Ok(Done::Skipped(
        "node 20 with npm, python3 with venv, or their packages from npm and PyPI are missing; on \
         Debian: `sudo apt-get install -y nodejs npm python3-venv`, and a network",
    ))
}

fn tests(root: &Path) -> Result<Done> {
    if tools::has_cargo_tool(root, "nextest") {
        return cargo(root, &["nextest", "run", "--workspace"]);
    }
    cargo(root, &["test", "--workspace", "--lib", "--bins", "--tests", "--examples"])
}

/// The page store, which has `unsafe` in it, with every access to memory checked.
fn sanitizer(root: &Path) -> Result<Done> {
    const TARGET: &str = "x86_64-unknown-linux-gnu";
    if !cfg!(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")) {
        return Ok(Done::Skipped("it is run on x86_64 Linux"));
    }
    let mut command = process::cargo(root);
    // The flag is no stable one; the compiler is, and its sanitizer comes with it.
    command.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Zsanitizer=address");
    command.env("CARGO_TARGET_DIR", root.join("target/sanitizer"));
    command.args(["test", "--package", "levee-core", "--lib", "--target", TARGET, "tables::"]);
    process::check(&mut command).map(|()| Done::Passed)
}

/// Examples in documentation, which nextest does not run.
fn doc_tests(root: &Path) -> Result<Done> {
    cargo(root, &["test", "--doc", "--workspace"])
}

/// A small town and country of outages in virtual time.
fn outages(root: &Path) -> Result<Done> {
    let example = ["run", "--quiet", "-p", "levee-connect", "--example", "outages", "--"];
    let size = ["--outlets", "100", "--dark", "240", "--kills", "3", "--seed", "3"];
    cargo(root, &[example.as_slice(), &size].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_plain() {
        let mut tally = Tally { passed: 6, failed: 0, skipped: 0 };
        assert_eq!(tally.line(), "6 passed, 0 failed");
        tally.skipped = 1;
        assert_eq!(tally.line(), "6 passed, 0 failed, 1 skipped");
    }
}
