//! Outlets and the payment provider beside a festival: `levee sandbox` in a process of its own, with
//! the same scenario, seed and clock.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use hyper::Method;
use levee_api::client::Client;
use levee_api::time::Instant as Moment;
use levee_drill::crowd::Beside;
use levee_drill::festival::outside::Outside;
use levee_drill::plan::FestivalPlan;
use serde_json::Value;

use crate::server::Server;

/// Between two looks at what is still under way.
const LOOK: Duration = Duration::from_millis(250);

/// A process needs so long until its clock runs.
const SPAWN: Duration = Duration::from_millis(15);

/// Where nothing happens for so long beyond the time that outlets have to accept an order, nothing
/// is under way, in real time and in milliseconds of the day.
const QUIET_MIN: Duration = Duration::from_millis(1_500);
const QUIET_DAY_MS: f64 = 5.0 * 60_000.0;

/// The sandbox of a festival.
pub(super) struct Players {
    plan: Arc<FestivalPlan>,
    /// As the festival was given it; none: the reference day.
    scenario: Option<PathBuf>,
    /// Where it will listen.
    address: String,
    /// Where outlets say their steps.
    levee: String,
    server: Option<Server>,
}

impl Players {
    pub(super) fn new(
        plan: &Arc<FestivalPlan>,
        scenario: Option<PathBuf>,
        address: String,
        levee: String,
    ) -> Self {
        Self { plan: Arc::clone(plan), scenario, address, levee, server: None }
    }

    /// All that it says happened.
    pub(super) fn account(&self) -> Result<Outside> {
        let [stats, payments, tickets] =
            ["/stats", "/payments.ndjson", "/tickets.ndjson"].map(|path| self.get(path));
        let outside = Outside::read(&stats?, &payments?[..], &tickets?[..]);
        outside.context("the sandbox says something else than it should")
    }

    pub(super) fn stop(self) -> Result<()> {
        let Some(server) = self.server else { return Ok(()) };
        ensure!(server.stop()?.success(), "the sandbox did not end well; see above");
        Ok(())
    }

    fn start(&mut self, begin: Instant) -> Result<()> {
        let (plan, speed) = (&self.plan, self.plan.speed());
        let lead = begin.saturating_duration_since(Instant::now()).saturating_sub(SPAWN);
        let Moment { ms } = plan.clock_start(lead);
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("sandbox").args(&self.scenario).args(["--listen", &self.address]);
        command.args(["--levee", &format!("http://{}", self.levee), "--log", "warn"]);
        command.args(["--speed", &speed.to_string(), "--seed", &plan.seed().to_string()]);
        command.args(["--clock", &Moment { ms }.to_string()]);
        self.server = Some(Server::spawn(command)?);
        Ok(())
    }

    fn wait(&self) -> Result<()> {
        let scenario = self.plan.scenario();
        let (Some(orders), Some(outlets)) = (&scenario.orders, &scenario.outlets) else {
            return Ok(());
        };
        let real = |day_ms: f64| Duration::from_secs_f64(day_ms / 1_000.0 / self.plan.speed());
        let quiet = real(outlets.accept_within_minutes * 60_000.0 + QUIET_DAY_MS).max(QUIET_MIN);
        let until = Instant::now() + real(orders.drain_minutes * 60_000.0).max(quiet * 2);
        let (mut last, mut since) = (Value::Null, Instant::now());
        while Instant::now() < until {
            let mut stats: Value = serde_json::from_slice(&self.get("/stats")?)?;
            let open = ["tickets", "payments"].map(|kind| stats["open"][kind].as_u64());
            // What the clock shows is no news.
            let counts = ["tickets", "payments"].map(|kind| stats[kind].take());
            let counts = Value::from(counts.to_vec());
            if counts != last || open != [Some(0); 2] {
                (last, since) = (counts, Instant::now());
            } else if since.elapsed() >= quiet {
                return Ok(());
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    fn get(&self, path: &str) -> Result<Bytes> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut client = Client::connect(&self.address, "none").await?;
            let answer = client.send(Method::GET, path, &[], Bytes::new()).await?;
            ensure!(answer.status == 200, "the sandbox answers {} to {path}", answer.status);
            Ok(answer.body)
        })
    }
}

impl Beside for Players {
    fn begin(&mut self, begin: Instant) -> Result<(), String> {
        self.start(begin).map_err(|error| format!("{error:#}"))
    }

    fn drain(&mut self) -> Result<(), String> {
        // The crowd's thread has an event loop already, and a thread has one at most.
        let waited = thread::scope(|scope| scope.spawn(|| self.wait()).join());
        waited.expect("waiting does not panic").map_err(|error| format!("{error:#}"))
    }
}
