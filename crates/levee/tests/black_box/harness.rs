//! A server as a child process, and the few requests that every test makes.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use bytes::Bytes;
use levee_api::client::{Client, Raw};
use levee_api::wire::CampaignBody;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::{JoinSet, LocalSet};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_levee");

/// Small segments: tests fill them, and each takes no time to make.
pub(crate) const SMALL_SEGMENTS: &str = "[journal]\nsegment_bytes = 262144\nreserve_bytes = 0\n";

/// A data folder with a configuration beside it.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new(config: &str) -> Self {
        let place = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        place.configure(config);
        place
    }

    pub(crate) fn configure(&self, config: &str) {
        fs::write(self.folder.path().join("levee.toml"), config).expect("written");
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A file or folder beside the data.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn serve(&self) -> Command {
        self.serve_on(&["--dev", "--listen", "127.0.0.1:0"])
    }

    fn serve_on(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.arg("serve").args(arguments).arg("--data").arg(self.data());
        command.arg("--config").arg(self.beside("levee.toml"));
        command
    }

    /// Without the well-known keys.
    pub(crate) fn start_without_dev(&self) -> Server {
        self.start_without_dev_with(&["--listen", "127.0.0.1:0"])
    }

    /// The same with other arguments, where it listens among them.
    pub(crate) fn start_without_dev_with(&self, arguments: &[&str]) -> Server {
        let mut command = self.serve_on(&[]);
        command.args(arguments);
        Server::spawn(command).expect("the server starts")
    }

    /// With the well-known keys, and these arguments, where it listens among them.
    pub(crate) fn start_with(&self, arguments: &[&str]) -> Server {
        self.try_start_with(arguments).expect("the server starts")
    }

    pub(crate) fn try_start_with(&self, arguments: &[&str]) -> Result<Server, String> {
        let mut command = self.serve_on(&["--dev"]);
        command.args(arguments);
        Server::spawn(command)
    }

    /// A gate that says itself where it listens.
    pub(crate) fn start_gate_on(&self, arguments: &[&str]) -> Server {
        let mut command = Command::new(BINARY);
        command.arg("gate").args(arguments).arg("--config").arg(self.beside("levee.toml"));
        Server::spawn(command).expect("the gate starts")
    }

    pub(crate) fn try_start(&self) -> Result<Server, String> {
        Server::spawn(self.serve())
    }

    pub(crate) fn start(&self) -> Server {
        self.try_start().expect("the server starts")
    }

    /// What a server that must not start says, and its exit status.
    pub(crate) fn fail_to_start(&self) -> Output {
        self.serve().output().expect("the binary runs")
    }

    /// The audit finds nothing wrong.
    #[track_caller]
    pub(crate) fn audit_is_clean(&self) {
        let output = levee(&["audit", path(&self.data())]);
        assert!(output.status.success(), "{}", text(&output));
    }
}

/// Where a server listens.
#[derive(Clone)]
pub(crate) struct Address(String);

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    address: Address,
}

impl Deref for Server {
    type Target = Address;

    fn deref(&self) -> &Address {
        &self.address
    }
}

impl Server {
    /// A gate in a process of its own, on a free port.
    pub(crate) fn start_gate(arguments: &[&str]) -> Result<Self, String> {
        let mut command = Command::new(BINARY);
        command.args(["gate", "--listen", "127.0.0.1:0"]).args(arguments);
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Result<Self, String> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = child.spawn().map_err(|error| error.to_string())?;
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        output.read_line(&mut line).map_err(|error| error.to_string())?;
        std::thread::spawn(move || output.read_to_end(&mut Vec::new()));
        // An engine without a gate of its own says where it takes others in.
        let address = line.split_once(" on ").and_then(|(_, rest)| rest.split(' ').next());
        let address = address.map(|url| url.split_once("://").map_or(url, |(_, rest)| rest));
        match address {
            Some(address) => Ok(Self { address: Address(address.trim().to_owned()), child }),
            None => Err(format!("{line:?}, {:?}", child.wait())),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it was running");
        self.child.wait().expect("it ended");
    }

    pub(crate) fn terminate(&self) {
        let pid = i32::try_from(self.pid()).ok().and_then(rustix::process::Pid::from_raw);
        let pid = pid.expect("a process has an id");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it was running");
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("it ended")
    }

    /// Ends it as an operator would; it must end well.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        self.terminate();
        let status = self.wait();
        assert!(status.success(), "{status}");
    }
}

impl Address {
    /// `host:port` or `unix:path`.
    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// Asks with a key until the answer has this status: a change of keys is noticed within a
    /// second or two.
    pub(crate) async fn until_status(&self, key: &str, status: u16) {
        let mut client = self.client(key).await;
        loop {
            let get = client.send(hyper::Method::GET, "/v1/campaigns", &[], Bytes::new());
            if get.await.expect("answered").status == status {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn client(&self, key: &str) -> Client {
        Client::connect(&self.0, key).await.expect("the server listens")
    }

    pub(crate) async fn app(&self) -> Client {
        self.client("dev-app").await
    }

    /// An open campaign with this budget and face; as good when it is there already.
    pub(crate) async fn open_campaign(&self, id: &str, face_minor: u64, budget_minor: u64) {
        let mut operator = self.client("dev-operator").await;
        let document = json!({
            "id": id, "name": id, "currency": "CNY",
            "opens_at": "2020-01-01T00:00:00Z", "closes_at": "2100-01-01T00:00:00Z",
            "voucher": {"kind": "amount_off", "face_minor": face_minor, "valid_for": "P7D"}
        });
        let fund = json!({"amount_minor": budget_minor, "reference": "budget"});
        for (path, body) in [
            ("/v1/campaigns".to_owned(), document),
            (format!("/v1/campaigns/{id}/fund"), fund),
            (format!("/v1/campaigns/{id}/open"), json!({"reason": "test"})),
        ] {
            let key = format!("{id}{path}");
            let raw = operator.post(&path, Some(&key), &body).await.expect("answered");
            raw.json::<Value>().expect("done");
        }
    }

    pub(crate) async fn campaign(&self, id: &str) -> CampaignBody {
        self.client("dev-viewer").await.campaign(id).await.expect("there")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already ended, in most tests.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the binary to its end.
pub(crate) fn levee(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).output().expect("the binary runs")
}

pub(crate) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

pub(crate) fn path(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}

/// Runs a test's future where the client's connections can live.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime: Runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, future)
}

/// Sends the same kind of request over many connections at once, through the waiting room where it
/// is closed: `make(i)` gives path, idempotency key and body of the i-th of `count`.
pub(crate) async fn at_once(
    server: &Address,
    connections: usize,
    count: usize,
    make: impl Fn(usize) -> (String, Option<String>, Value) + Clone + 'static,
) -> Vec<Raw> {
    let mut tasks = JoinSet::new();
    for connection in 0..connections {
        let mut client = server.app().await;
        let make = make.clone();
        tasks.spawn_local(async move {
            let mut answers = Vec::new();
            for number in (connection..count).step_by(connections) {
                let (path, key, body) = make(number);
                let key = key.as_deref().map(|key| ("idempotency-key", key));
                let body = body.to_string().into();
                let sent =
                    client.send_with_retries(hyper::Method::POST, &path, key.as_slice(), body);
                let raw = sent.await.expect("answered");
                answers.push(raw);
            }
            answers
        });
    }
    tasks.join_all().await.into_iter().flatten().collect()
}
