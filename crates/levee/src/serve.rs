//! `levee serve`: engine, journal and a gate in one process, and gates in others.

use std::io::{self, IsTerminal, stderr};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use levee_api::code::Codes;
use levee_api::nice;
use levee_api::port::Submit;
use levee_api::pseudonym::PseudonymKey;
use levee_api::time::Instant;
use levee_connect::connectors::Connectors;
use levee_connect::hooks::Hooks;
use levee_engine::{Clock, Engine, EngineConfig, Keys, ScaledClock, SystemClock};
use levee_gate::{Gate, GateConfig, KeyRing, Listener, Ports, Steward, keys};
use levee_journal::FileJournal;
use levee_link::Installation;
use levee_link::scaler::Scaler;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::Config;
use crate::gates::{Door, OpenDoor};
use crate::listen::At;
use crate::outside::Outside;
use crate::secrets::Secrets;
use crate::{Ending, key, listen};

/// Where the server keeps its data if nothing else is said.
const DATA_DEFAULT: &str = "levee-data";

/// Where it listens if nothing else is said.
pub(crate) const LISTEN_DEFAULT: &str = "127.0.0.1:8080";

/// How far webhooks are, in the data folder.
const HOOKS_FILE: &str = "webhooks.json";

/// Says that only gates in processes of their own listen.
const LISTEN_NONE: &str = "none";

/// Segments of a throw-away server: small, because they are made for nothing.
const SEGMENT_BYTES_DEV: u64 = 8 * 1024 * 1024;

/// Open files that are not connections: segments, keys, exports, what the runtime needs.
const FILES_RESERVED: u64 = 128;

/// By how much the engine's threads are less nice than the gate's: they get about three times as
/// much of a processor that both want.
const NICE: i32 = 5;

/// How often the end of the recovery and a fault of the engine are looked for.
const LOOK: Duration = Duration::from_millis(20);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The data folder: journal, keys, crash reports [default: levee-data; with --dev a temporary
    /// one, removed at the end].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where to listen: HOST:PORT, of which port 0 takes a free one, or unix:PATH; none leaves it to
    /// gates in processes of their own [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Take gates in here: a socket as unix:PATH, or host:port with the files that the section gates
    /// of the configuration names.
    #[arg(long, value_name = "ADDRESS")]
    gates: Option<String>,
    /// For trying things out: loopback only, with the keys dev-operator, dev-app, dev-outlet and
    /// dev-viewer.
    #[arg(long)]
    dev: bool,
    /// Answer KEDA's questions of how many gates should run here, as plain gRPC; port 0 takes a free
    /// one [default: not at all].
    #[arg(long, value_name = "HOST:PORT")]
    scaler: Option<String>,
    /// A TOML file with sections journal, engine, snapshots, gate, gates, admission, brownout, scaler
    /// and sandbox; flags go before it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Let journal time run so many times faster than real time, for rehearsals.
    #[arg(long, default_value_t = 1.0, value_name = "TIMES", value_parser = parse_speed)]
    speed: f64,
    /// Let journal time begin at this instant, for rehearsals.
    #[arg(long, value_name = "INSTANT", value_parser = parse_instant)]
    clock: Option<Instant>,
    /// What to log: error, warn, info, debug or trace.
    #[arg(long, value_name = "LEVEL", default_value_t = tracing::Level::INFO)]
    log: tracing::Level,
    /// Take a jump of the clock of over 24 hours, at start or while running.
    #[arg(long)]
    accept_time: bool,
}

pub(crate) fn parse_instant(text: &str) -> Result<Instant, String> {
    Instant::try_from(text.to_owned())
}

pub(crate) fn parse_speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed| *speed > 0.0 && *speed <= 1e6);
    speed.ok_or_else(|| "must be above 0 and at most 1000000".to_owned())
}

/// Rehearsals and real data do not mix: well-known keys would open a real campaign, and a clock that
/// runs ahead would expire it.
fn check_rehearsal(args: &Args, data: &Path) -> Result<()> {
    ensure!(
        !args.dev || !key::file(data).exists(),
        "--dev has well-known keys, and {} has keys of its own: leave --dev away",
        data.display()
    );
    ensure!(
        args.dev || !args.is_rehearsal() || !FileJournal::exists(data),
        "--speed and --clock are for rehearsals: with the journal in {} they need --dev",
        data.display()
    );
    Ok(())
}

impl Args {
    /// Whether journal time is not the machine's.
    fn is_rehearsal(&self) -> bool {
        self.clock.is_some() || (self.speed - 1.0).abs() > f64::EPSILON
    }
}

/// Logs to the standard error from now on.
pub(crate) fn log(level: tracing::Level) {
    tracing_subscriber::fmt()
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .with_target(false)
        .with_max_level(level)
        .init();
}

/// Binds where clients connect; nothing with `none`.
fn bind(listen: &str, dev: bool) -> Result<Option<(At, Listener)>> {
    if listen == LISTEN_NONE {
        return Ok(None);
    }
    let (at, listener) = listen::bind(listen)?;
    ensure!(
        !dev || at.is_local(),
        "--dev has well-known keys and listens on loopback only, not on {listen}"
    );
    Ok(Some((at, listener)))
}

pub(crate) fn run(args: &Args) -> Result<Ending> {
    log(args.log);
    let mut config = Config::load(args.config.as_deref())?;
    let temporary = match (&args.data, &config.data, args.dev) {
        (None, None, true) => Some(tempfile::Builder::new().prefix("levee-dev-").tempdir()?),
        _ => None,
    };
    let data = match &temporary {
        Some(folder) => folder.path().to_path_buf(),
        None => {
            let configured = args.data.clone().or(config.data.take());
            configured.unwrap_or_else(|| PathBuf::from(DATA_DEFAULT))
        }
    };
    // Port or socket is taken first: two servers started by mistake then fail before they touch data.
    let listen = args.listen.clone().or(config.listen.take());
    let listen = listen.unwrap_or_else(|| LISTEN_DEFAULT.to_owned());
    let listener = bind(&listen, args.dev)?;
    let scaler = match args.scaler.clone().or(config.scaler.listen.take()) {
        Some(listen) => Some(
            TcpListener::bind(&listen)
                .with_context(|| format!("the scaler cannot listen on {listen}"))?,
        ),
        None => None,
    };
    check_rehearsal(args, &data)?;
    let gates = args.gates.as_ref().or(config.gates.listen.as_ref());
    let door = gates.map(|address| Door::bind(address, &config.gates, args.dev)).transpose()?;
    ensure!(
        listener.is_some() || door.is_some(),
        "--listen {LISTEN_NONE} leaves nobody to serve: name --gates as well"
    );
    let mut signals = Signals::take()?;
    let secrets = Secrets::load_or_create(&data)?;
    let mut installation = [0; 16];
    getrandom::fill(&mut installation).context("the system gives no randomness")?;
    let mut engine_config = EngineConfig::new(&data, installation);
    engine_config.journal = config.journal_options();
    engine_config.snapshots = config.snapshot_plan()?;
    engine_config.claims_per_s = config.claims_per_s()?;
    if temporary.is_some() {
        engine_config.journal.segment_bytes = SEGMENT_BYTES_DEV;
        // Its data is gone at the end.
        engine_config.snapshots.at_stop = false;
    }
    engine_config.accept_time = args.accept_time;
    if let Some(capacity) = config.engine.queue_capacity {
        engine_config.queue_capacity = capacity.max(1);
    }
    let (engine_nice, gate_nice) = niceness();
    engine_config.nice = engine_nice;
    let engine = Arc::new(Engine::new(engine_config));

    let key_file = key::file(&data);
    let ring = Arc::new(if args.dev { KeyRing::dev() } else { KeyRing::open(&key_file)? });
    let ports = Ports {
        submit: Arc::clone(&engine) as Arc<dyn Submit>,
        export: Arc::new(engine.export()),
        codes: Arc::new(Codes::new(&secrets.code, 0)),
        pseudonyms: PseudonymKey::new(&secrets.pseudonym),
        keys: Arc::clone(&ring),
    };
    let outside = Outside::load(&mut config, args.dev)?;
    let port = listener.as_ref().and_then(|(at, _)| at.port());
    let connectors = outside.connectors(args.speed, port)?;
    let mut gate_config = config.gate_config()?;
    gate_config.nice = gate_nice;
    gate_config.signers = outside.signers();
    limit_connections(&mut gate_config);
    let submit = Arc::clone(&engine) as Arc<dyn Submit>;
    let _steward = Steward::start(submit, &config.steward_config()?)?;
    // Before the engine, so that whoever asks is told how far it is.
    let gate = listener
        .map(|(at, listener)| {
            Ok::<_, io::Error>((at, levee_gate::start(listener, gate_config, ports)?))
        })
        .transpose()?;
    let (code_key, pseudonym_key) = (secrets.code, secrets.pseudonym);
    let codes = Arc::new(Codes::new(&secrets.code, 0));
    // It waits until the engine has recovered.
    let submit = Arc::clone(&engine) as Arc<dyn Submit>;
    let hooks = {
        let (submit, journal) = (Arc::clone(&submit), Arc::new(engine.export()));
        Hooks::start(submit, journal, Arc::clone(&codes), data.join(HOOKS_FILE), outside.reach())?
    };
    let connectors = Connectors::start(submit, codes, connectors)?;
    let scaler = match scaler {
        Some(listener) => Some(Scaler::start(listener, Arc::clone(engine.intake()))?),
        None => None,
    };
    let opening = {
        let (engine, speed, start_at) = (Arc::clone(&engine), args.speed, args.clock);
        let rehearsal = args.is_rehearsal().then_some((speed, start_at));
        thread::spawn(move || open_engine(&engine, &secrets, rehearsal))
    };
    let signalled = signals.come_before(|| opening.is_finished());
    if signalled && !opening.is_finished() {
        // Nothing was promised to anyone, and reading may take long.
        tracing::info!("stopped while recovering; nothing is lost");
        close(gate);
        drop((door, temporary));
        std::process::exit(0);
    }
    opening.join().map_err(|_| anyhow!("the thread that recovers has panicked"))??;
    let takes_gates_in = door.as_ref().map(|door| {
        let address = door.address();
        format!("takes gates in on {address} with data in {}", data.display())
    });
    let id = engine.installation().context("an engine that is open has a journal")?;
    let installation = Installation { id, code_key, pseudonym_key, dev: args.dev };
    let door = door.map(|door| door.open(&engine, &ring, installation)).transpose()?;
    if let Some((at, _)) = &gate {
        println!("levee listens on {} with data in {}", at.url("http"), data.display());
    }
    if let Some(takes_gates_in) = takes_gates_in {
        println!("levee {takes_gates_in}");
    }
    if args.dev {
        println!("keys: dev-operator, dev-app, dev-outlet, dev-viewer");
    } else if keys::list(&key_file)?.is_empty() {
        println!("no API keys yet: levee key create --role operator --data {}", data.display());
    }
    if let Some(scaler) = &scaler {
        println!("the scaler listens on {}", scaler.local_addr());
    }
    let ending = wait(&engine, gate, (connectors, hooks), door, signals, signalled);
    if let Some(scaler) = scaler {
        scaler.stop();
    }
    Ok(ending)
}

/// How much nicer the engine's and the gate's threads shall be. A gate that has much to read would
/// otherwise take the processor from those that everyone waits for.
fn niceness() -> (i32, i32) {
    // In a thread of its own, with which it ends.
    let raised = thread::spawn(|| nice::add(-NICE)).join();
    let plan = if matches!(raised, Ok(Ok(()))) { (-NICE, 0) } else { (0, NICE) };
    tracing::debug!(engine = plan.0, gate = plan.1, "niceness of threads");
    plan
}

/// The signals that end a process, taken before it says that it is there.
pub(crate) struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn take() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let guard = runtime.enter();
        let (terminate, interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        drop(guard);
        Ok(Self { runtime, terminate, interrupt })
    }

    /// Waits for a signal or until `is_over`; whether a signal came.
    pub(crate) fn come_before(&mut self, is_over: impl Fn() -> bool) -> bool {
        let Self { runtime, terminate, interrupt } = self;
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = terminate.recv() => return true,
                    _ = interrupt.recv() => return true,
                    () = tokio::time::sleep(LOOK) => {
                        if is_over() {
                            return false;
                        }
                    }
                }
            }
        })
    }
}

/// Raises the limit of open files to what is allowed, and keeps connections so far below it that
/// the journal and the keys always find a file of theirs.
pub(crate) fn limit_connections(config: &mut GateConfig) {
    config.connections_max = connections_within(config.connections_max);
}

/// The same for any number of connections: as many as wanted, or as are possible.
pub(crate) fn connections_within(wanted: usize) -> usize {
    let limits = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limits.maximum, ..limits };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let most = usize::try_from(files.saturating_sub(FILES_RESERVED)).unwrap_or(usize::MAX).max(1);
    if most < wanted {
        tracing::warn!(
            connections_max = wanted,
            taken = most,
            "the limit of open files allows fewer connections than configured"
        );
    }
    wanted.min(most)
}

/// Recovers what is there and starts to work.
fn open_engine(
    engine: &Engine,
    secrets: &Secrets,
    rehearsal: Option<(f64, Option<Instant>)>,
) -> Result<()> {
    let started = std::time::Instant::now();
    let keys = Keys { pseudonym: &secrets.pseudonym, code: &secrets.code };
    if let Some((speed, start_at)) = rehearsal {
        engine.open(keys, |last_ms| {
            let start_ms = start_at.map_or_else(|| SystemClock.now_ms(), |clock| clock.ms);
            ScaledClock::new(start_ms.max(last_ms), speed)
        })?;
    } else {
        engine.open(keys, |_| SystemClock)?;
    }
    let vitals = engine.vitals();
    let (snapshot, replayed) = (vitals.snapshot_seq.load(Relaxed), vitals.replayed.load(Relaxed));
    if snapshot > 0 || replayed > 0 {
        tracing::info!(
            snapshot,
            replayed,
            elapsed = ?started.elapsed(),
            "recovered from a snapshot and the commands after it, every outcome the same"
        );
    }
    Ok(())
}

/// Takes no more connections and finishes what is under way.
fn close(gate: Option<(At, Gate)>) {
    if let Some((at, gate)) = gate {
        drop(at);
        gate.drain();
    }
}

/// Until a signal or a fault; then in order: no new connections, requests under way, the queue, the
/// journal's end.
fn wait(
    engine: &Engine,
    gate: Option<(At, Gate)>,
    outside: (Connectors, Hooks),
    door: Option<OpenDoor>,
    mut signals: Signals,
    signalled: bool,
) -> Ending {
    if !signalled && !signals.come_before(|| engine.fault().is_some()) {
        // Requests that wait for the engine will never be answered: the end must be at once. The
        // fault has been logged where it happened.
        return Ending::Failed;
    }
    tracing::info!("stopping: finishing what is under way");
    close(gate);
    // What it leaves undone is undone at the next start.
    drop(outside);
    // A fault has been logged where it happened.
    if engine.stop().is_err() {
        return Ending::Failed;
    }
    // Behind the engine: gates still get the replies to what it had taken.
    door.into_iter().for_each(OpenDoor::close);
    tracing::info!("stopped; the journal is closed");
    Ending::Good
}
