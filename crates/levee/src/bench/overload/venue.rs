//! What a crowd stands before: a real `levee serve`, or an engine and a gate in processes of their
//! own, over a folder that is audited at the end.

use std::collections::HashSet;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use hyper::Method;
use levee_api::client::Client;
use levee_api::pseudonym::PseudonymKey;
use levee_api::types::{Command as Journaled, Outcome, UserKey};
use levee_drill::audit::audit;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::super::http::open_campaign;
use super::super::{cpu_us, resident_bytes};
use super::Over;
use super::wire::user_name;
use crate::secrets::Secrets;
use crate::server::Server;

/// Vouchers that the budget covers: more than any crowd takes, and little enough that their index is
/// no burden.
const VOUCHERS: u32 = 10_000_000;

/// How often a server is asked whether it is ready, and how many times.
const READY_LOOK: Duration = Duration::from_millis(50);
const READY_LOOKS_MAX: u32 = 600;

/// How the server is set up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setup {
    /// The engine's limit; None: as fast as it goes.
    pub(super) claims_per_s: Option<u32>,
    /// Whether anyone is kept out at all.
    pub(super) admission: bool,
    /// A gate in a process of its own.
    pub(super) gate_process: bool,
    /// What the crowd's connections go over.
    pub(super) over: Over,
}

impl Setup {
    /// One process without a limit, with connections of this kind.
    pub(super) fn over(over: Over) -> Self {
        Self { claims_per_s: None, admission: true, gate_process: false, over }
    }

    /// The configuration file; empty for the defaults.
    fn config(&self) -> String {
        let mut text = String::new();
        if let Some(limit) = self.claims_per_s {
            let _ = writeln!(text, "[engine]\nclaims_per_s = {limit}");
        }
        if !self.admission {
            let _ = writeln!(text, "[admission]\nenabled = false");
        }
        text
    }
}

/// A running server with an open campaign.
pub(super) struct Venue {
    folder: TempDir,
    engine: Server,
    gate: Option<Server>,
}

impl Venue {
    pub(super) fn start(setup: &Setup) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("levee-overload-").tempdir()?;
        let config = folder.path().join("levee.toml");
        std::fs::write(&config, setup.config())?;
        let data = folder.path().join("data");
        let config = config.to_str().context("a temporary folder's name is text")?;
        let serve = ["--dev", "--log", "warn", "--config", config];
        let clients = folder.path().join("clients.sock");
        let listen = match setup.over {
            Over::Tcp => "127.0.0.1:0".to_owned(),
            Over::Unix => format!("unix:{}", clients.display()),
        };
        let (engine, gate) = if setup.gate_process {
            let socket = folder.path().join("gates.sock");
            let name = socket.to_str().context("a temporary folder's name is text")?;
            let unix = format!("unix:{name}");
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["serve", "--listen", "none", "--gates", &unix, "--data"]);
            command.arg(&data).args(serve);
            let engine = Server::spawn_behind(command, &socket)?;
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["gate", "--engine", &unix, "--listen", &listen, "--log", "warn"]);
            (engine, Some(Server::spawn(command)?))
        } else {
            (Server::start_at(&listen, &data, &serve)?, None)
        };
        let venue = Self { folder, engine, gate };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            ready(venue.address()).await?;
            open_campaign(venue.address(), VOUCHERS).await
        })?;
        Ok(venue)
    }

    /// Where the gate listens.
    pub(super) fn address(&self) -> &str {
        &self.gate.as_ref().unwrap_or(&self.engine).address
    }

    fn pids(&self) -> impl Iterator<Item = String> {
        [Some(&self.engine), self.gate.as_ref()]
            .into_iter()
            .flatten()
            .map(|server| server.pid().to_string())
    }

    /// Processor time so far, of engine and gate.
    pub(super) fn cpu_us(&self) -> Result<f64> {
        self.pids().map(|pid| cpu_us(&pid)).sum()
    }

    /// Resident memory, of engine and gate.
    pub(super) fn resident_bytes(&self) -> Result<u64> {
        self.pids().map(|pid| resident_bytes(&pid)).sum()
    }

    /// Sends the engine's process a signal: stop or continue.
    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.engine.pid()).ok().and_then(Pid::from_raw);
        Ok(kill_process(pid.context("a process has an id")?, signal)?)
    }

    /// Stops it in order and recounts its journal.
    pub(super) fn close(self) -> Result<Journal> {
        if let Some(gate) = self.gate {
            ensure!(gate.stop()?.success(), "the gate did not stop well");
        }
        ensure!(self.engine.stop()?.success(), "the server did not stop well");
        Journal::read(&self.folder.path().join("data"))
    }
}

/// A gate listens before it has found its engine.
async fn ready(address: &str) -> Result<()> {
    let mut client = Client::connect(address, "dev-operator").await?;
    for _ in 0..READY_LOOKS_MAX {
        if client.send(Method::GET, "/readyz", &[], Bytes::new()).await?.status == 200 {
            return Ok(());
        }
        tokio::time::sleep(READY_LOOK).await;
    }
    bail!("{address} is not ready after {READY_LOOKS_MAX} looks")
}

/// Whose claims are in a journal that the audit has found clean.
pub(super) struct Journal {
    users: HashSet<UserKey>,
    pseudonyms: PseudonymKey,
}

impl Journal {
    fn read(data: &Path) -> Result<Self> {
        let pseudonyms = PseudonymKey::new(&Secrets::load(data)?.pseudonym);
        let mut users = HashSet::new();
        let report = audit(data, &mut |fact| {
            if let (Journaled::ClaimVoucher(claim), Outcome::Claimed { .. }) =
                (fact.command, fact.outcome)
            {
                users.insert(claim.user);
            }
        })?;
        ensure!(report.ok, "the audit is not clean: {:?}", report.differences);
        Ok(Self { users, pseudonyms })
    }

    /// How many of these users' claims are missing.
    pub(super) fn missing(&self, acknowledged: impl Iterator<Item = u32>) -> u64 {
        let missing = acknowledged
            .filter(|user| !self.users.contains(&self.pseudonyms.of(&user_name(*user))));
        missing.count() as u64
    }
}
