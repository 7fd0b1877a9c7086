//! Kills the engine while the day goes on, as a power cut would, and starts it again.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use levee_drill::plan::FestivalPlan;

use crate::server::Server;

/// Share of the day at its beginning and end in which nobody is killed: a day that is not set up, or
/// already judged, says nothing.
const QUIET: f64 = 0.1;

/// How often a moment is looked for.
const LOOK: Duration = Duration::from_millis(5);

/// An engine, and how to start it again behind the same socket.
pub(super) struct Engine {
    server: Mutex<Option<Server>>,
    socket: PathBuf,
    /// The arguments of `levee`, without the clock's.
    arguments: Vec<String>,
    started: Instant,
}

impl Engine {
    /// Starts it for the first time.
    pub(super) fn start(
        arguments: Vec<String>,
        socket: PathBuf,
        clock: &levee_api::time::Instant,
    ) -> Result<Arc<Self>> {
        let engine = Self { server: Mutex::default(), socket, arguments, started: Instant::now() };
        engine.spawn(clock)?;
        Ok(Arc::new(engine))
    }

    fn spawn(&self, clock: &levee_api::time::Instant) -> Result<()> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(&self.arguments).arg("--clock").arg(clock.to_string());
        *self.server() = Some(Server::spawn_behind(command, &self.socket)?);
        Ok(())
    }

    fn server(&self) -> std::sync::MutexGuard<'_, Option<Server>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Kills it without a word, and starts it again at once, with its clock where it would be.
    /// Returns how long there was nobody to connect to.
    fn kill(&self, plan: &FestivalPlan, first: &levee_api::time::Instant) -> Result<Duration> {
        let since = Instant::now();
        drop(self.server().take());
        // A killed process leaves its socket behind.
        std::fs::remove_file(&self.socket).context("the socket of a killed engine")?;
        let passed_ms = self.started.elapsed().as_secs_f64() * 1_000.0 * plan.speed();
        let passed = Duration::from_secs_f64(passed_ms / 1_000.0);
        let passed_ms = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        self.spawn(&levee_api::time::Instant { ms: first.ms.saturating_add(passed_ms) })?;
        Ok(since.elapsed())
    }

    /// Asks it to end, as an operator would.
    pub(super) fn stop(&self) -> Result<std::process::ExitStatus> {
        self.server().take().context("it runs")?.stop()
    }
}

/// Kills an engine at moments of the day that the seed draws.
pub(super) struct Killer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Vec<Duration>>>,
}

impl Killer {
    /// From now on; the day begins `lead` after the engine was started.
    pub(super) fn start(
        engine: &Arc<Engine>,
        plan: &Arc<FestivalPlan>,
        first: levee_api::time::Instant,
        lead: Duration,
    ) -> Result<Self> {
        let mut random = fastrand::Rng::with_seed(plan.seed() ^ 0x6b69_6c6c);
        let day_s = f64::from(plan.seconds());
        let mut moments: Vec<Duration> = (0..plan.kills())
            .map(|_| {
                let share = QUIET + (1.0 - 2.0 * QUIET) * random.f64();
                lead + Duration::from_secs_f64(day_s * share)
            })
            .collect();
        moments.sort();
        let stop = Arc::new(AtomicBool::new(false));
        let (stopping, engine, plan) = (Arc::clone(&stop), Arc::clone(engine), Arc::clone(plan));
        let run = move || {
            let mut gone = Vec::new();
            for moment in moments {
                while engine.started.elapsed() < moment {
                    if stopping.load(Ordering::Relaxed) {
                        return Ok(gone);
                    }
                    thread::sleep(LOOK);
                }
                gone.push(engine.kill(&plan, &first)?);
            }
            Ok(gone)
        };
        let thread = thread::Builder::new().name("killer".to_owned()).spawn(run)?;
        Ok(Self { stop, thread })
    }

    /// No more kills. Returns how long the engine was gone each time.
    pub(super) fn finish(self) -> Result<Vec<Duration>> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the thread that kills has panicked"))?
    }
}
