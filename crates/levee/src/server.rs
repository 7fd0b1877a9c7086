//! A real server as a child process, for rehearsals and benchmarks.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// A server that makes a socket does so within this time.
const SOCKET_WITHIN: Duration = Duration::from_secs(30);

/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(20);

/// A running `levee serve`. Ended when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
}

impl Server {
    /// Starts this same binary with these arguments of `serve`, on a free port of loopback, and
    /// returns once it listens.
    pub(crate) fn start(data: &Path, arguments: &[&str]) -> Result<Self> {
        Self::start_at("127.0.0.1:0", data, arguments)
    }

    /// The same at an address of one's choice.
    pub(crate) fn start_at(listen: &str, data: &Path, arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", "--listen", listen, "--data"]).arg(data).args(arguments);
        Self::spawn(command)
    }

    /// Starts any command that says `listens on http://HOST:PORT` or `listens on unix:PATH` first.
    pub(crate) fn spawn(mut command: Command) -> Result<Self> {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot start")?;
        let mut output = BufReader::new(child.stdout.take().context("the output is piped")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        // What else it prints goes nowhere, but must not fill the pipe.
        thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        let address = line.split_once("listens on ").map(|(_, rest)| rest);
        let address = address.and_then(|rest| rest.split_whitespace().next());
        let address = address.map(|url| url.strip_prefix("http://").unwrap_or(url));
        let Some(address) = address else {
            let status = child.wait()?;
            bail!("the server did not start ({status}); what it said is above");
        };
        Ok(Self { address: address.to_owned(), child })
    }

    /// Starts any command that has no address of its own, and returns once this socket is there.
    pub(crate) fn spawn_behind(mut command: Command, socket: &Path) -> Result<Self> {
        // What it prints would mix with the caller's.
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().context("cannot start")?;
        let until = Instant::now() + SOCKET_WITHIN;
        while !socket.exists() {
            if let Some(status) = child.try_wait()? {
                bail!("the server did not start ({status}); what it said is above");
            }
            if Instant::now() > until {
                let _ = child.kill();
                bail!("the server made no {} within {SOCKET_WITHIN:?}", socket.display());
            }
            thread::sleep(LOOK);
        }
        Ok(Self { address: String::new(), child })
    }

    /// The process's id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, as an operator would, and waits until it has.
    pub(crate) fn stop(mut self) -> Result<ExitStatus> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.context("a process has an id")?, Signal::TERM)?;
        Ok(self.child.wait()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already ended, if it was stopped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
