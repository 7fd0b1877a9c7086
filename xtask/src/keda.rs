//! The scaler, asked by Google's gRPC in Python what KEDA asks: the same wire, none of our code.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::{process, python};

/// The packages, with their versions.
const PACKAGES: &str = "peers/keda/requirements.txt";
const SCRIPT: &str = "peers/keda/ask.py";
const PROTO_FOLDER: &str = "deploy/keda";
const PROTO: &str = "deploy/keda/externalscaler.proto";

const PYTHON_FOLDER: &str = "target/keda";
const STUBS: &str = "target/keda/stubs";

/// How long a server may take to end when asked to.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// Asks; `false` where Python or its packages are not to be had.
pub(crate) fn run(root: &Path) -> Result<bool> {
    let Some(python) = python::with_packages(root, PACKAGES, PYTHON_FOLDER)? else {
        return Ok(false);
    };
    std::fs::create_dir_all(root.join(STUBS)).context("cannot make the folder for stubs")?;
    process::check(process::command(root, &python).args([
        "-m",
        "grpc_tools.protoc",
        &format!("--proto_path={PROTO_FOLDER}"),
        &format!("--python_out={STUBS}"),
        &format!("--grpc_python_out={STUBS}"),
        PROTO,
    ]))?;
    process::check(process::cargo(root).args(["build", "--package", "levee"]))?;
    process::check(process::cargo(root).args([
        "build",
        "--package",
        "levee-link",
        "--example",
        "scaler",
    ]))?;

    let target = root.join("target/debug");
    let example = Server::start(&mut process::command(root, target.join("examples/scaler")))?;
    let mut serve = process::command(root, target.join("levee"));
    serve.args(["serve", "--dev", "--listen", "127.0.0.1:0", "--scaler", "127.0.0.1:0"]);
    let server = Server::start(serve.args(["--log", "warn"]))?;
    process::check(process::command(root, &python).args([
        SCRIPT,
        STUBS,
        &example.address,
        &server.address,
    ]))?;
    server.terminate()?;
    example.close()?;
    Ok(true)
}

/// A process that says where its scaler listens. Ended when dropped.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(command: &mut Command) -> Result<Self> {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        // From here on `drop` ends it.
        let mut server = Self { child, address: String::new() };
        let output = server.child.stdout.take().context("the output is piped")?;
        for line in BufReader::new(output).lines() {
            if let Some((_, address)) = line?.split_once("the scaler listens on ") {
                server.address = address.trim().to_owned();
                return Ok(server);
            }
        }
        bail!("a server ended before it said where its scaler listens; its messages are above")
    }

    /// Sends SIGTERM, and expects an orderly end.
    fn terminate(self) -> Result<()> {
        let line = format!("kill -TERM {}", self.child.id());
        process::check(Command::new("sh").args(["-c", &line]))?;
        self.ended()
    }

    /// Ends its input, and expects an orderly end.
    fn close(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        self.ended()
    }

    fn ended(mut self) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < STOP_LIMIT {
            if let Some(status) = self.child.try_wait()? {
                if !status.success() {
                    bail!("a server ended with {status}");
                }
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("a server runs on {} s after it was to end", STOP_LIMIT.as_secs())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already ended, if it was stopped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
