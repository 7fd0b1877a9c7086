//! Running a block's commands in one bash, with the output of each kept apart.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::block::{Command, quoted, with_binary};
use crate::process;

/// How long a block may take.
pub(super) const LIMIT: Duration = Duration::from_secs(600);

/// Between two looks at a child.
const POLL: Duration = Duration::from_millis(20);

/// Where commands run, and with which program.
pub(super) struct Place<'a> {
    pub(super) root: &'a Path,
    pub(super) scratch: &'a Path,
    pub(super) binary: &'a Path,
}

impl Place<'_> {
    /// A bash in the scratch folder that finds the built program first.
    pub(super) fn bash(&self) -> std::process::Command {
        let mut bash = process::command(self.scratch, "bash");
        let folder = self.binary.parent().unwrap_or(self.root);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(folder.to_path_buf()).chain(std::env::split_paths(&path));
        if let Ok(path) = std::env::join_paths(path) {
            bash.env("PATH", path);
        }
        bash
    }
}

/// Runs the commands; the first that fails or does not print what it should is the error.
pub(super) fn run(place: &Place<'_>, commands: &[Command]) -> Result<()> {
    let outputs = place.scratch.join(".outputs");
    std::fs::create_dir_all(&outputs)?;
    let script = script_of(place, commands, &outputs);
    let file = outputs.join("script");
    std::fs::write(&file, script)?;

    let mut bash = place.bash().arg(&file).spawn().context("could not run bash")?;
    let ended = wait(&mut bash, LIMIT)?;
    if ended.is_none() {
        bash.kill()?;
        bash.wait()?;
    }

    for (index, command) in commands.iter().enumerate() {
        let name = |index: usize| outputs.join(index.to_string());
        let last = !name(index + 1).exists();
        let output =
            String::from_utf8_lossy(&std::fs::read(name(index)).unwrap_or_default()).into_owned();
        let problem = match ended {
            None if last => format!("is not done after {} s", LIMIT.as_secs()),
            Some(status) if last && !status.success() => format!("ended with {status}"),
            _ => match command.expected.iter().find(|text| !output.contains(text.as_str())) {
                Some(text) => format!("does not print `{text}`"),
                None => continue,
            },
        };
        bail!(
            "README.md:{}: `{}` {problem}; it printed:\n{}",
            command.line,
            command.text,
            output.trim_end()
        );
    }
    Ok(())
}

/// One script in which each command writes to a file with its number.
fn script_of(place: &Place<'_>, commands: &[Command], outputs: &Path) -> String {
    let mut script = "set -euo pipefail\n".to_owned();
    // Cargo's own commands need the workspace, not links to it.
    let root = quoted(&place.root.to_string_lossy());
    let _ = writeln!(script, "cargo() {{ (cd {root} && command cargo \"$@\"); }}");
    for (index, command) in commands.iter().enumerate() {
        let output = outputs.join(index.to_string());
        let _ = writeln!(script, "exec >{} 2>&1", quoted(&output.to_string_lossy()));
        let _ = writeln!(script, "{}", with_binary(&command.text, &place.binary.to_string_lossy()));
    }
    script
}

/// Waits for a child to end, for so long at most.
pub(super) fn wait(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() >= limit {
            return Ok(None);
        }
        std::thread::sleep(POLL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `commands` (text, expected) in a new folder; the program is `/bin/echo`.
    fn run_all(name: &str, commands: &[(&str, &[&str])]) -> Result<()> {
        let scratch = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&scratch).unwrap();
        let commands: Vec<Command> = (1..)
            .zip(commands)
            .map(|(line, (text, expected))| Command {
                line,
                text: (*text).to_owned(),
                expected: expected.iter().map(|text| (*text).to_owned()).collect(),
            })
            .collect();
        let place =
            Place { root: Path::new("/"), scratch: &scratch, binary: Path::new("/bin/echo") };
        let done = run(&place, &commands);
        std::fs::remove_dir_all(&scratch).unwrap();
        done
    }

    #[track_caller]
    fn check_error(name: &str, commands: &[(&str, &[&str])], part: &str) {
        let error = run_all(name, commands).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }

    #[test]
    fn outputs_are_compared() {
        run_all(
            "good",
            &[
                ("A=1", &[]),
                ("echo one $A \\\n two", &["one 1", "two"]),
                ("cargo run --release -- hello", &["hello"]),
                ("echo error >&2", &["error"]),
            ],
        )
        .unwrap();
        check_error(
            "part",
            &[("echo one", &["two"])],
            "README.md:1: `echo one` does not print `two`",
        );
        // The output of another command does not count.
        check_error("other", &[("echo two", &[]), ("echo one", &["two"])], "README.md:2");
    }

    #[test]
    fn failures_are_named() {
        check_error(
            "fail",
            &[("true", &[]), ("false", &[]), ("true", &[])],
            "README.md:2: `false` ended",
        );
        check_error("pipe", &[("false | cat", &[])], "ended with exit status: 1");
        check_error("unset", &[("echo $NOT_SET_ANYWHERE", &[])], "README.md:1");
    }
}
