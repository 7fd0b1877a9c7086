//! What can be asked of `cargo xtask peers`, and its help.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

pub(super) const HELP: &str = "\
usage: cargo xtask peers [--seconds S] [--rounds N] [--json FILE]

Runs Levee beside what it replaces, in turns on this machine, and prints Levee's ratio to each.

  --seconds S    length of one run (default 2)
  --rounds N     rounds, in each of which every system runs once (default 5)
  --json FILE    also write the figures, round by round

Durable claims without HTTP: Redis with a Lua function (appendfsync always, and everysec), with 512
claims under way on each of 4 connections, and of 32, which is what Levee has; `levee bench claims`.
One claim a request over 256 HTTP connections: Levee; nginx with Lua and Redis; axum with Redis; and
a bare hyper server that answers hello. All meet the load generator of `levee bench http`.

It builds Levee and the axum peer, installs redis-server, nginx and its Lua module from Debian when
it is root (no service is started), and runs instances of its own on loopback in a temporary
folder. TMPDIR says where that is: it should be the disk that counts. Processes and folder are gone
at the end, also after a failure.";

/// A round is short, so that all systems meet the same mood of the machine.
const SECONDS_MAX: f64 = 60.0;
const ROUNDS_MAX: usize = 100;

#[derive(Debug, PartialEq)]
pub(super) struct Options {
    /// Length of one run.
    pub(super) seconds: f64,
    pub(super) rounds: usize,
    pub(super) json: Option<PathBuf>,
}

impl Options {
    pub(super) fn length(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// Of a run that only finds the fastest settings.
    pub(super) fn trial_length(&self) -> Duration {
        Duration::from_secs_f64((self.seconds / 2.0).max(0.2))
    }
}

/// Nothing where help is wanted.
pub(super) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Option<Options>> {
    let mut options = Options { seconds: 2.0, rounds: 5, json: None };
    let mut arguments = arguments.into_iter();
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{name} needs a value"));
        match name.as_str() {
            "--help" | "-h" => return Ok(None),
            "--seconds" => {
                let text = value()?;
                let seconds: f64 = text.parse().with_context(|| format!("--seconds {text}"))?;
                ensure!(
                    (0.1..=SECONDS_MAX).contains(&seconds),
                    "--seconds {text}: between 0.1 and {SECONDS_MAX}"
                );
                options.seconds = seconds;
            }
            "--rounds" => {
                let text = value()?;
                let rounds: usize = text.parse().with_context(|| format!("--rounds {text}"))?;
                ensure!(
                    (1..=ROUNDS_MAX).contains(&rounds),
                    "--rounds {text}: between 1 and {ROUNDS_MAX}"
                );
                options.rounds = rounds;
            }
            "--json" => options.json = Some(PathBuf::from(value()?)),
            other => bail!("{other}: no such option; `cargo xtask peers --help` lists them"),
        }
    }
    Ok(Some(options))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let got = match parse(text.split_whitespace().map(str::to_owned)) {
            Ok(Some(options)) => {
                let json = options.json.map(|file| format!(" {}", file.display()));
                format!("{} {}{}", options.seconds, options.rounds, json.unwrap_or_default())
            }
            Ok(None) => "help".to_owned(),
            Err(error) => format!("{error}"),
        };
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn options_are_read() {
        check("", "2 5");
        check("--seconds 0.5 --rounds 7 --json a.json", "0.5 7 a.json");
        check("--rounds 3 --help", "help");
        check("--seconds", "--seconds needs a value");
        check("--seconds x", "--seconds x");
        check("--seconds NaN", "--seconds NaN: between 0.1 and 60");
        check("--rounds 0", "--rounds 0: between 1 and 100");
        check("--fast", "--fast: no such option; `cargo xtask peers --help` lists them");
    }
}
