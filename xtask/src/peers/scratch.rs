//! The run's folder and processes, and that neither outlives the run.
//!
//! Values that are dropped clean up after an error, but not after Ctrl-C or a kill. So a small shell
//! is told of every process and waits for the end of its input, which comes however the run ends;
//! then it ends what is left and removes the folder.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process;

/// How long a server may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How long a process may take to end when asked to; then it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// How much of a log an error shows.
const LOG_LINES: usize = 12;

const WATCH: &str = r#"
trap '' INT TERM HUP
running=
while read -r sign pid; do
    case $sign in
        +) running="$running $pid" ;;
        -) rest=
           for one in $running; do [ "$one" = "$pid" ] || rest="$rest $one"; done
           running=$rest ;;
    esac
done
for pid in $running; do kill -TERM "$pid"; done
if [ -n "$running" ]; then
    sleep 2
    for pid in $running; do kill -KILL "$pid"; done
fi
rm -rf -- "$1"
"#;

/// A folder of this run's own.
pub(super) struct Scratch {
    path: PathBuf,
    watch: Child,
    /// Taken when the watch shall end.
    told: Option<ChildStdin>,
}

impl Scratch {
    pub(super) fn new() -> Result<Self> {
        let now = std::time::UNIX_EPOCH.elapsed()?.as_nanos();
        let path = std::env::temp_dir().join(format!("levee-peers-{}-{now}", std::process::id()));
        std::fs::create_dir(&path).with_context(|| format!("create {}", path.display()))?;
        let watch = Command::new("sh")
            .args(["-c", WATCH, "sh"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match watch {
            Ok(mut watch) => Ok(Self { path, told: watch.stdin.take(), watch }),
            Err(error) => {
                // Still empty.
                let _ = std::fs::remove_dir(&path);
                Err(error).context("could not run sh")
            }
        }
    }

    /// A folder inside that is new.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.path.join(name);
        std::fs::create_dir(&folder).with_context(|| format!("create {}", folder.display()))?;
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Tells the watch; a watch that is gone cannot be told, and only misses what it is for.
    fn tell(&self, sign: char, pid: u32) {
        if let Some(mut told) = self.told.as_ref() {
            let _ = writeln!(told, "{sign} {pid}");
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The end of its input is the watch's sign to clean up.
        drop(self.told.take());
        let _ = self.watch.wait();
        if self.path.exists() {
            eprintln!("could not remove {}; please do", self.path.display());
        }
    }
}

/// A server of this run. Ended when dropped.
pub(super) struct Running<'a> {
    scratch: &'a Scratch,
    name: String,
    child: Child,
    log: PathBuf,
}

impl<'a> Running<'a> {
    /// Starts a program; what it prints goes into a log of its own.
    pub(super) fn start(scratch: &'a Scratch, name: &str, mut command: Command) -> Result<Self> {
        let log = scratch.path.join(format!("{name}.log"));
        let output = File::create(&log).with_context(|| format!("create {}", log.display()))?;
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("could not run {program} for {name}"))?;
        scratch.tell('+', child.id());
        Ok(Self { scratch, name: name.to_owned(), child, log })
    }

    /// Asks again and again until there is an answer.
    pub(super) fn wait_for<T>(&mut self, mut ask: impl FnMut(&Self) -> Option<T>) -> Result<T> {
        let started = Instant::now();
        loop {
            if let Some(answer) = ask(self) {
                return Ok(answer);
            }
            self.check()?;
            if started.elapsed() > START_LIMIT {
                let limit = START_LIMIT.as_secs();
                bail!(
                    "{} does not answer after {limit} s; it printed:\n{}",
                    self.name,
                    self.said()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The address of a server that prints `listens on http://HOST:PORT`.
    pub(super) fn address(&mut self) -> Result<String> {
        self.wait_for(|server| {
            let log = server.log();
            let (_, rest) = log.split_once("listens on http://")?;
            // Not before the line is whole.
            rest.split_once(char::is_whitespace).map(|(address, _)| address.to_owned())
        })
    }

    /// An error when it runs no more.
    pub(super) fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => {
                bail!("{} ended early, with {status}; it printed:\n{}", self.name, self.said())
            }
        }
    }

    /// Waits for the end of a program that ends by itself, and not for longer than this.
    pub(super) fn finish(mut self, limit: Duration) -> Result<()> {
        let started = Instant::now();
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    bail!("{} ended with {status}; it printed:\n{}", self.name, self.said())
                }
                None if started.elapsed() > limit => {
                    bail!("{} did not end within {} s", self.name, limit.as_secs())
                }
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    fn log(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The end of its log, for an error.
    pub(super) fn said(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let pid = self.child.id();
        if matches!(self.child.try_wait(), Ok(None)) {
            // The standard library can only kill, and a master that is killed leaves its workers.
            process::succeeds(Command::new("sh").args(["-c", &format!("kill -TERM {pid}")]));
            let asked = Instant::now();
            while matches!(self.child.try_wait(), Ok(None)) && asked.elapsed() < STOP_LIMIT {
                std::thread::sleep(Duration::from_millis(10));
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        self.scratch.tell('-', pid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(text: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", text]);
        command
    }

    fn alive(pid: u32) -> bool {
        process::succeeds(&mut sh(&format!("kill -0 {pid}")))
    }

    #[test]
    fn nothing_stays() {
        let scratch = Scratch::new().unwrap();
        let path = scratch.path().to_owned();
        let mut server =
            Running::start(&scratch, "a", sh("echo a listens on http://b:1 c; exec sleep 60"))
                .unwrap();
        assert_eq!(server.address().unwrap(), "b:1");
        let pid = server.child.id();
        drop(server);
        assert!(!alive(pid));
        drop(scratch);
        assert!(!path.exists());
    }

    #[test]
    fn the_watch_ends_what_was_not_dropped() {
        let scratch = Scratch::new().unwrap();
        let server = Running::start(&scratch, "a", sh("exec sleep 60")).unwrap();
        let pid = server.child.id();
        std::mem::forget(server);
        drop(scratch);
        // It is our child still, so it stays as a zombie until we end; that counts as ended.
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "{state}");
    }

    #[test]
    fn an_early_end_is_told() {
        let scratch = Scratch::new().unwrap();
        let mut server = Running::start(&scratch, "a", sh("echo no luck; exit 3")).unwrap();
        let error = server.address().unwrap_err().to_string();
        assert!(error.starts_with("a ended early") && error.ends_with("no luck"), "{error}");
    }
}
