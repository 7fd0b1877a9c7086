//! What the crowd stands before: one engine, and the scenario's gates in processes of their own.

use std::fmt::Write;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use hyper::Method;
use levee_api::client::Client;
use levee_drill::crowd::ServerAccess;
use levee_drill::plan::FestivalPlan;
use levee_drill::scenario::GatePlan;
use rustix::process::{Pid, Signal, kill_process};

use super::killer::Engine;
use crate::server::Server;

/// A congested gate is stopped for so long of every period, as a virtual machine is whose host is
/// overbooked. Rarer than its loop looks at its own lateness: one that is late at most looks turns
/// users away unread, which is another matter.
const PERIOD: Duration = Duration::from_millis(240);
const STOPPED: Duration = Duration::from_millis(60);

/// How often a gate is asked whether it has found its engine, and how many times.
const READY_LOOK: Duration = Duration::from_millis(50);
const READY_LOOKS_MAX: u32 = 600;

/// A day of this many real seconds has the usual rules of levels; shorter ones have faster rules.
const RULES_S: f64 = 240.0;
const RULES_SHARE_MIN: f64 = 0.1;

/// Where outlets and the payment provider will be, and where they reach Levee.
pub(super) struct Outside {
    /// `host:port` of the sandbox.
    pub(super) sandbox: String,
    /// `host:port` of the gate that takes what they say.
    gate: String,
}

impl Outside {
    /// Of two ports that are free now.
    pub(super) fn reserve() -> Result<Self> {
        let [sandbox, gate] = [free_address()?, free_address()?];
        Ok(Self { sandbox, gate })
    }

    /// The section of a configuration.
    fn section(&self) -> String {
        let Self { sandbox, gate } = self;
        format!(
            "[connect]\nallow = [\"127.0.0.0/8\"]\n[sandbox]\nurl = \"http://{sandbox}\"\n\
             notify_url = \"http://{gate}/v1/payments/sandbox/notify\"\n"
        )
    }
}

/// An address of loopback that nobody listens on.
fn free_address() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// An engine with its gates, or a server with a gate of its own where the scenario names none.
pub(super) struct Town {
    engine: Core,
    gates: Vec<Gate>,
    access: ServerAccess,
}

/// What the day is decided by.
enum Core {
    /// A server with a gate of its own.
    Whole(Server),
    /// An engine behind gates.
    Behind(Arc<Engine>),
}

/// One gate's process.
struct Gate {
    // Before the process: it must run to end in order.
    throttle: Option<Throttle>,
    server: Server,
}

impl Town {
    /// Starts all of it over a fresh data folder. `folder` takes configuration and socket; `flags`
    /// go to `levee serve`.
    pub(super) fn start(
        plan: &FestivalPlan,
        outside: Option<&Outside>,
        folder: &Path,
        data: &Path,
        flags: &[&str],
        clock: &levee_api::time::Instant,
    ) -> Result<Self> {
        let config = write_config(plan, outside, folder)?;
        let config = config.to_str().context("a temporary folder's name is text")?;
        let flags: Vec<&str> = flags.iter().copied().chain(["--config", config]).collect();
        let planned = &plan.scenario().gates;
        if planned.is_empty() {
            let listen = outside.map_or("127.0.0.1:0", |outside| &outside.gate);
            let clock = clock.to_string();
            let flags: Vec<&str> = flags.into_iter().chain(["--clock", &clock]).collect();
            let server = Server::start_at(listen, data, &flags)?;
            let access = super::access(&server);
            return Ok(Self { engine: Core::Whole(server), gates: Vec::new(), access });
        }
        let socket = folder.join("gates.sock");
        let unix = format!("unix:{}", socket.to_str().context("a socket's name is text")?);
        let data = data.to_str().context("a data folder's name is text")?;
        let arguments = ["serve", "--listen", "none", "--gates", &unix, "--data", data];
        let arguments = arguments.into_iter().chain(flags).map(str::to_owned).collect();
        let engine = Engine::start(arguments, socket, clock)?;
        // Operator and those outside come through a gate that has time.
        let calm = planned.iter().position(|gate| !gate.congested).unwrap_or(0);
        let gates = planned.iter().enumerate().map(|(place, gate)| {
            let own = outside.filter(|_| place == calm);
            let listen = own.map_or("127.0.0.1:0", |outside| &outside.gate);
            Gate::start(gate, listen, outside, folder, &unix)
        });
        let gates = gates.collect::<Result<Vec<_>>>()?;
        let addresses: Vec<String> = gates.iter().map(|gate| gate.server.address.clone()).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        addresses.iter().try_for_each(|address| runtime.block_on(ready(address)))?;
        let access = ServerAccess {
            address: addresses[calm].clone(),
            gates: addresses,
            operator_key: "dev-operator".to_owned(),
            app_key: "dev-app".to_owned(),
        };
        Ok(Self { engine: Core::Behind(engine), gates, access })
    }

    /// The engine behind the gates, where there are gates.
    pub(super) fn engine(&self) -> Option<&Arc<Engine>> {
        match &self.engine {
            Core::Whole(_) => None,
            Core::Behind(engine) => Some(engine),
        }
    }

    /// How to reach it.
    pub(super) fn access(&self) -> &ServerAccess {
        &self.access
    }

    /// From here on the congested gates are so.
    pub(super) fn congest(&mut self, plan: &FestivalPlan) -> Result<()> {
        for (gate, planned) in self.gates.iter_mut().zip(&plan.scenario().gates) {
            if planned.congested {
                gate.throttle = Some(Throttle::start(gate.server.pid())?);
            }
        }
        Ok(())
    }

    /// Stops gates and engine in order.
    pub(super) fn stop(self) -> Result<()> {
        for mut gate in self.gates {
            gate.throttle = None;
            ensure!(gate.server.stop()?.success(), "a gate did not end well; see above");
        }
        let ended = match self.engine {
            Core::Whole(server) => server.stop()?,
            Core::Behind(engine) => engine.stop()?,
        };
        ensure!(ended.success(), "the server did not end well; what it said is above");
        Ok(())
    }
}

impl Gate {
    fn start(
        gate: &GatePlan,
        listen: &str,
        outside: Option<&Outside>,
        folder: &Path,
        engine: &str,
    ) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["gate", "--engine", engine, "--listen", listen, "--log", "warn"]);
        command.args(["--name", &gate.name, "--region", &gate.region, "--tier", &gate.tier]);
        let mut text = outside.map(Outside::section).unwrap_or_default();
        if gate.congested {
            text += "[gate]\nworkers = 1\n";
        }
        let config = folder.join(format!("{}.toml", gate.name));
        fs::write(&config, text)?;
        command.arg("--config").arg(config);
        Ok(Self { throttle: None, server: Server::spawn(command)? })
    }
}

/// The server's configuration for the run; where the scenario has neither an opening nor orders, it
/// is empty.
fn write_config(plan: &FestivalPlan, outside: Option<&Outside>, folder: &Path) -> Result<PathBuf> {
    let mut text = outside.map(Outside::section).unwrap_or_default();
    if let Some(limit) = plan.claims_limit_per_s() {
        writeln!(text, "[engine]\nclaims_per_s = {limit}")?;
        // The crowd's day takes seconds, so what takes minutes elsewhere is over before the usual
        // rules would have noticed it.
        let share = (f64::from(plan.seconds()) / RULES_S).clamp(RULES_SHARE_MIN, 1.0);
        for (level, signal, enter, enter_after, leave, leave_after) in [
            ("lean", "claim_delay_ms", 50.0, 1_000.0, 20.0, 5_000.0),
            ("waiting", "wait_ms", 1_000.0, 2_000.0, 200.0, 1_000.0),
            ("essential", "redeem_delay_ms", 1_000.0, 2_000.0, 100.0, 5_000.0),
        ] {
            // Only a wait grows with the length of the day.
            let size = if signal == "wait_ms" { share } else { 1.0 };
            writeln!(
                text,
                "[[brownout.rules]]\nlevel = \"{level}\"\nsignal = \"{signal}\"\n\
                 enter_ms = {:.0}\nenter_after_ms = {:.0}\nleave_ms = {:.0}\nleave_after_ms = {:.0}",
                enter * size,
                enter_after * share,
                leave * size,
                leave_after * share
            )?;
        }
    }
    let file = folder.join("levee.toml");
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
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
    bail!("the gate at {address} is not ready after {READY_LOOKS_MAX} looks")
}

/// Stops and continues a process until it is dropped; then the process runs.
struct Throttle {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Throttle {
    fn start(pid: u32) -> Result<Self> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let pid = pid.context("a process has an id")?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let thread = thread::Builder::new().name("throttle".to_owned()).spawn(move || {
            while !stopping.load(Ordering::Relaxed) {
                // The process is this one's child and not waited for yet, so the id is its own; an
                // ended one takes signals without effect.
                let _ = kill_process(pid, Signal::STOP);
                thread::sleep(STOPPED);
                let _ = kill_process(pid, Signal::CONT);
                thread::sleep(PERIOD - STOPPED);
            }
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Throttle {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A thread that only sleeps and sends signals does not panic.
            let _ = thread.join();
        }
    }
}
