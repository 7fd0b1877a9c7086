//! The server of a block: started, awaited, and ended by its process id whatever happens.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::PORT;
use super::block::{Command, with_binary};
use super::script::{self, Place};

/// How long the server may take until `/readyz` answers 200.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long it may take to end after SIGTERM.
pub(super) const STOP_LIMIT: Duration = Duration::from_secs(30);
/// For one request to `/readyz`.
const REQUEST_LIMIT: Duration = Duration::from_secs(2);

pub(super) struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts the command on this port and returns when the server is ready.
    pub(super) fn start(place: &Place<'_>, command: &Command, port: u16) -> Result<Server> {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            bail!("something answers on port {port} already; name another in LEVEE_README_PORT");
        }
        let log = place.scratch.join(".server");
        let output = std::fs::File::create(&log)?;
        let child = place
            .bash()
            .args(["-c", &server_line(command, &place.binary.to_string_lossy(), port)])
            .stdout(Stdio::from(output.try_clone()?))
            .stderr(Stdio::from(output))
            .spawn()
            .context("could not run bash")?;
        // From here on `drop` ends the process.
        let mut server = Server { child, log };
        let start = Instant::now();
        loop {
            if let Some(status) = server.child.try_wait()? {
                bail!("the server ended at once, with {status}; it printed:\n{}", server.printed());
            }
            if is_ready(port) {
                return Ok(server);
            }
            if start.elapsed() > START_LIMIT {
                let limit = START_LIMIT.as_secs();
                bail!("the server is not ready after {limit} s; it printed:\n{}", server.printed());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Sends SIGTERM and expects an orderly end.
    pub(super) fn stop(mut self) -> Result<()> {
        // The standard library can only kill; bash's own `kill` knows every signal.
        let line = format!("kill -TERM {}", self.child.id());
        crate::process::check(std::process::Command::new("bash").args(["-c", &line]))?;
        match script::wait(&mut self.child, STOP_LIMIT)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => bail!(
                "the server ended with {status} after SIGTERM; it printed:\n{}",
                self.printed()
            ),
            None => bail!("the server runs on {} s after SIGTERM", STOP_LIMIT.as_secs()),
        }
    }

    fn printed(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).trim_end().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// What bash runs. With `exec` the process id is the server's own.
fn server_line(command: &Command, binary: &str, port: u16) -> String {
    let moved = command.with_port(port);
    let mut line = format!("exec {}", with_binary(&moved.text, binary));
    if port != PORT && !line.contains("--listen") {
        line.push_str(&format!(" --listen 127.0.0.1:{port}"));
    }
    line
}

/// Whether `/readyz` answers 200.
fn is_ready(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(REQUEST_LIMIT))?;
        stream.set_write_timeout(Some(REQUEST_LIMIT))?;
        let head =
            format!("GET /readyz HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        Ok(status == *b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_gets_its_port() {
        let command = |text: &str| Command { line: 1, text: text.to_owned(), expected: Vec::new() };
        let table = [
            ("cargo run -- serve --dev", 8080, "exec 'b' serve --dev"),
            ("cargo run -- serve --dev", 9000, "exec 'b' serve --dev --listen 127.0.0.1:9000"),
            (
                "cargo run -- serve --listen 127.0.0.1:8080",
                9000,
                "exec 'b' serve --listen 127.0.0.1:9000",
            ),
        ];
        for (text, port, expected) in table {
            assert_eq!(server_line(&command(text), "b", port), expected);
        }
    }
}
