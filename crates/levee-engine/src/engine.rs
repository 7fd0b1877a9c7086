//! The engine's handle: starts it from a data folder, takes asks, stops it.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{channel, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use levee_api::intake::{ClockFace, Intake};
use levee_api::nice;
use levee_api::port::{Ask, Deliver, Failure, Origin, Priority, Submit};
use levee_api::pseudonym::fingerprint;
use levee_api::vitals::{Phase, Vitals};
use levee_core::types::{ActivateRules, Command, ResumeService};
use levee_core::{RuleBook, State};
use levee_journal::disk::{Disk, RealDisk};
use levee_journal::{
    FileJournal, InstallationId, KeptSnapshots, Log, OpenError, Options, SnapshotHead, Snapshots,
};

use crate::decider::{Decider, JUMP_MS_MAX};
use crate::finisher::Finisher;
use crate::origins::Origins;
use crate::quarantine::Quarantine;
use crate::queue::Queue;
use crate::recover::{empty_state, newest_snapshot, replay};
use crate::sequencer::Sequencer;
use crate::shared::Shared;
use crate::snapshots::{Store, snapshots};
use crate::{Clock, Fault, JournalExport, SnapshotPlan, StartError, memory};

/// Room beside a batch's payload for its last command and the record's own bytes: a campaign with
/// its document and terms, or a full tick, is smaller.
const LAST_COMMAND_BYTES: u64 = 192 * 1024;

/// Largest payload of one record: as many claims as a batch may have.
const PAYLOAD_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// Smallest segments: one holds a full tick, what may stand before the last command of a batch, and
/// that command.
const SEGMENT_BYTES_MIN: u64 = LAST_COMMAND_BYTES + 64 * 1024;

/// Form of the genesis payload: this byte, then the fingerprints of both keys.
const GENESIS_FORMAT: u8 = 1;

/// The installation's secrets, as far as the engine checks them.
#[derive(Clone, Copy)]
pub struct Keys<'a> {
    /// Key of the pseudonyms.
    pub pseudonym: &'a [u8; 32],
    /// Key of the codes.
    pub code: &'a [u8; 32],
}

/// How an engine runs.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The data folder.
    pub data: PathBuf,
    /// The file system that the journal is on.
    pub disk: Arc<dyn Disk>,
    /// How the journal uses its disk.
    pub journal: Options,
    /// Most asks that wait, of which claims and browsing may be seven eighths; more are turned away.
    pub queue_capacity: usize,
    /// Most claims that are decided in a second, while no operator sets another limit; `None`: as
    /// many as it can.
    pub claims_per_s: Option<u32>,
    /// Take any jump of the clock.
    pub accept_time: bool,
    /// The rules that this build has.
    pub rules: RuleBook,
    /// For a new journal.
    pub installation: InstallationId,
    /// When snapshots are taken.
    pub snapshots: SnapshotPlan,
    /// Added to the niceness of the threads that decide and make durable; below 0 they go before
    /// others, where the system permits it.
    pub nice: i32,
}

impl EngineConfig {
    /// The defaults for a data folder, and a random installation id of 16 bytes.
    #[must_use]
    pub fn new(data: &Path, installation: InstallationId) -> Self {
        Self {
            data: data.to_path_buf(),
            disk: Arc::new(RealDisk),
            journal: Options::default(),
            queue_capacity: 1 << 16,
            claims_per_s: None,
            accept_time: false,
            rules: RuleBook::RELEASED,
            installation,
            snapshots: SnapshotPlan::default(),
            nice: 0,
        }
    }
}

/// An engine: it exists, it recovers, it runs, it has stopped.
pub struct Engine {
    config: EngineConfig,
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// A journal that is open, and the state that it leads to.
struct Opened {
    journal: FileJournal,
    state: State,
    head: SnapshotHead,
    first: Vec<Command>,
    last_ms: u64,
}

impl Engine {
    /// An engine that takes nothing yet, so that gates can say so: [`Self::open`] follows.
    #[must_use]
    pub fn new(config: EngineConfig) -> Self {
        let intake = Arc::<Intake>::default();
        let shared = Shared {
            queue: Queue::new(config.queue_capacity, Arc::clone(&intake)),
            vitals: Vitals::default(),
            intake,
            claims_per_s: config.claims_per_s.map_or(0, u64::from),
            origins: Origins::default(),
            fault: Mutex::new(None),
            data: config.data.clone(),
            durable: OnceLock::new(),
            installation: OnceLock::new(),
            sync_ns: AtomicU64::new(0),
        };
        Self { config, shared: Arc::new(shared), threads: Mutex::new(Vec::new()) }
    }

    /// [`Self::new`] and [`Self::open`] in one.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start<C: Clock + 'static>(
        config: &EngineConfig,
        keys: Keys<'_>,
        clock: impl FnOnce(u64) -> C,
    ) -> Result<Self, StartError> {
        let engine = Self::new(config.clone());
        engine.open(keys, clock)?;
        Ok(engine)
    }

    /// Opens or creates the journal, recovers the state, and starts the threads. Progress shows in
    /// the vitals. `clock` is made once the journal's last time is known (0 for a new journal).
    ///
    /// # Errors
    /// Why it cannot start; see [`StartError`].
    ///
    /// # Panics
    /// When it was opened before.
    pub fn open<C: Clock + 'static>(
        &self,
        keys: Keys<'_>,
        clock: impl FnOnce(u64) -> C,
    ) -> Result<(), StartError> {
        let (config, shared) = (&self.config, &self.shared);
        let bytes = config.journal.segment_bytes;
        if bytes < SEGMENT_BYTES_MIN {
            return Err(StartError::SegmentTooSmall { bytes, least: SEGMENT_BYTES_MIN });
        }
        let genesis = genesis(keys);
        let opened = if FileJournal::exists_on(Arc::clone(&config.disk), &config.data) {
            open(config, genesis, &shared.vitals)?
        } else if let Some(seq) = Snapshots::new(&config.data).list()?.first() {
            return Err(StartError::JournalLost { seq: *seq });
        } else {
            create(config, genesis)?
        };
        let Opened { journal, state, head, first, last_ms } = opened;
        let clock = clock(last_ms);
        check_clock(&clock, last_ms, config.accept_time)?;
        shared.intake.set_clock(ClockFace {
            at_us: shared.intake.now_us(),
            journal_ms: clock.now_ms(),
            speed: clock.speed(),
        });
        shared.show(state.operations());
        let quarantine = Quarantine::load(&config.data)?;
        shared.vitals.durable_seq.store(state.last_seq(), Relaxed);
        shared.vitals.journal_ms.store(last_ms, Relaxed);
        shared.durable.set(journal.durable()).expect("an engine is opened once");
        shared.installation.set(head.installation).expect("an engine is opened once");

        let record_bytes_max =
            journal.payload_bytes_max().min(PAYLOAD_BYTES_MAX + LAST_COMMAND_BYTES);
        let payload_len_max = record_bytes_max.saturating_sub(LAST_COMMAND_BYTES).max(1);
        let payload_len_max = usize::try_from(payload_len_max).unwrap_or(usize::MAX);
        let window = journal.window();
        // One is synced, the others are decided and wait.
        let (to_log, batches) = sync_channel(window.saturating_sub(1));
        let (recycle, recycled) = channel();
        let (chunks, memory) = memory::start()?;
        let vitals = &shared.vitals;
        let files = Snapshots::new(&config.data);
        let restored = Some(vitals.snapshot_seq.load(Relaxed)).filter(|seq| *seq > 0);
        let store = Store {
            kept: KeptSnapshots::new(files.clone(), restored),
            snapshots: files,
            head,
            bytes_left: config.journal.reserve_bytes + 2 * config.journal.segment_bytes,
            trim: journal.trimmer(),
            _lock: journal.lock(),
        };
        let known = (vitals.snapshot_seq.load(Relaxed), vitals.replayed.load(Relaxed));
        let (snapshots, writing) = snapshots(shared, config.snapshots, known, store);
        let decider = Decider {
            shared: Arc::clone(shared),
            clock,
            accept_time: config.accept_time,
            sequencer: Sequencer::new(state, payload_len_max)
                .with_quarantine(quarantine)
                .with_pay_links(Arc::clone(&shared.vitals.outside.pay_links)),
            room: journal.room(),
            record_bytes_max,
            // Those in flight, the one being decided, and the tick and the end that follow.
            records_reserved: window as u64 + 4,
            first,
            to_log,
            recycled,
            chunks,
            snapshots,
        };
        let shared_too = Arc::clone(shared);
        let finisher = Finisher { shared: shared_too, log: journal, batches, recycle, last_ms };
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let nice = config.nice;
        threads.push(spawn(shared, "engine", move || {
            add_nice(nice);
            decider.run();
        })?);
        threads.push(spawn(shared, "journal", move || {
            add_nice(nice);
            finisher.run();
        })?);
        threads.push(spawn(shared, "snapshot", move || writing.run())?);
        threads.push(memory);
        shared.queue.open();
        shared.vitals.set_phase(Phase::Ready);
        Ok(())
    }

    /// Reads the engine's journal, up to what is durable.
    #[must_use]
    pub fn export(&self) -> JournalExport {
        JournalExport::new(Arc::clone(&self.shared))
    }

    /// Whose journal it is, once it is open.
    #[must_use]
    pub fn installation(&self) -> Option<InstallationId> {
        self.shared.installation.get().copied()
    }

    /// Why the engine stopped by itself, if it did.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.shared.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes no more, finishes what it has, takes a snapshot, and closes the journal. A second call
    /// changes nothing.
    ///
    /// # Errors
    /// The engine had stopped by itself, or did now.
    pub fn stop(&self) -> Result<(), Fault> {
        if self.fault().is_none() {
            self.shared.vitals.set_phase(Phase::Stopping);
        }
        self.shared.queue.stop();
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A panic was noted when it happened.
            let _ = thread.join();
        }
        self.fault().map_or(Ok(()), Err)
    }
}

fn check_clock(clock: &impl Clock, last_ms: u64, accept_time: bool) -> Result<(), StartError> {
    let gap_ms = clock.now_ms().saturating_sub(last_ms);
    if last_ms > 0 && gap_ms > JUMP_MS_MAX && !accept_time {
        return Err(StartError::ClockJump { hours: gap_ms / 3_600_000 });
    }
    if clock.now_ms() + 1_000 < last_ms {
        tracing::warn!(
            behind_ms = last_ms - clock.now_ms(),
            "the clock is behind the journal: its time stands still until the clock has caught up"
        );
    }
    Ok(())
}

impl Submit for Engine {
    fn register(&self, deliver: Arc<dyn Deliver>) -> Origin {
        self.shared.origins.register(deliver)
    }

    fn release(&self, origin: Origin) {
        self.shared.origins.release(origin);
    }

    fn submit(
        &self,
        origin: Origin,
        priority: Priority,
        arrived: Instant,
        asks: &mut Vec<Ask>,
    ) -> Result<(), Failure> {
        self.shared.queue.push(origin, priority, arrived, asks, &self.shared.vitals)
    }

    fn vitals(&self) -> &Vitals {
        &self.shared.vitals
    }

    fn intake(&self) -> &Arc<Intake> {
        &self.shared.intake
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Whoever wants to know how it ended calls `stop`.
        let _ = self.stop();
    }
}

fn genesis(keys: Keys<'_>) -> Vec<u8> {
    let fingerprints =
        [fingerprint("pseudonym", keys.pseudonym), fingerprint("code", keys.code)].concat();
    [&[GENESIS_FORMAT], fingerprints.as_slice()].concat()
}

fn create(config: &EngineConfig, genesis: Vec<u8>) -> Result<Opened, StartError> {
    // The genesis record has no time of its own: journal time begins with the first command.
    let installation = config.installation;
    let (disk, data) = (Arc::clone(&config.disk), &config.data);
    let journal = FileJournal::create_on(disk, data, config.journal, installation, &genesis, 0)?;
    let state = empty_state(config.rules);
    let first = activation(&state, config.rules).into_iter().collect();
    let head = SnapshotHead { installation, last_seq: 0, time_ms: 0, genesis };
    Ok(Opened { journal, state, head, first, last_ms: 0 })
}

fn open(config: &EngineConfig, genesis: Vec<u8>, vitals: &Vitals) -> Result<Opened, StartError> {
    let snapshots = Snapshots::new(&config.data);
    // Before hours of replay: with other keys nothing of it is of use.
    for last_seq in snapshots.list()? {
        if let Ok(reader) = snapshots.open(last_seq) {
            check_keys(&reader.head().genesis, &genesis)?;
        }
    }
    let found = newest_snapshot(&snapshots, config.rules, vitals)?;
    let after_seq = found.as_ref().map_or(0, |(head, _)| head.last_seq);
    let (disk, data) = (Arc::clone(&config.disk), &config.data);
    let opened = FileJournal::open_after_on(disk, data, config.journal, after_seq);
    let (journal, recovered) = opened.map_err(|error| match error {
        OpenError::NotCreated { .. } if after_seq > 0 => StartError::JournalLost { seq: after_seq },
        error => error.into(),
    })?;
    let installation = recovered.installation;
    let first_genesis = recovered.genesis.as_ref();
    let first_genesis = first_genesis.or(found.as_ref().map(|(head, _)| &head.genesis));
    check_keys(first_genesis.ok_or(StartError::Genesis)?, &genesis)?;
    let state = match found {
        Some((head, _)) if head.installation != installation => {
            return Err(StartError::OtherInstallation);
        }
        Some((_, state)) => state,
        None => empty_state(config.rules),
    };
    let state = replay(journal.read_from(after_seq + 1)?, state, vitals)?;
    let last_ms = recovered.last_time_ms.max(state.last_ms());
    let mut first = Vec::new();
    if state.last_seq() > 0 {
        first.push(Command::ResumeService(ResumeService { stopped_at_ms: last_ms }));
    }
    first.extend(activation(&state, config.rules));
    let head = SnapshotHead { installation, last_seq: 0, time_ms: 0, genesis };
    Ok(Opened { journal, state, head, first, last_ms })
}

/// Whether the journal was made with the keys that are here.
fn check_keys(found: &[u8], genesis: &[u8]) -> Result<(), StartError> {
    if found.len() != genesis.len() || found[0] != GENESIS_FORMAT {
        return Err(StartError::Genesis);
    }
    if found[1..17] != genesis[1..17] {
        return Err(StartError::WrongKey { which: "pseudonym" });
    }
    if found[17..] != genesis[17..] {
        return Err(StartError::WrongKey { which: "code" });
    }
    Ok(())
}

/// The newest rules of this build, unless they hold already.
fn activation(state: &State, rules: RuleBook) -> Option<Command> {
    let version = rules.newest().version;
    (version > state.rules_version()).then_some(Command::ActivateRules(ActivateRules { version }))
}

/// Whoever configured it has seen whether it is permitted; all works without.
fn add_nice(nice: i32) {
    if nice != 0
        && let Err(error) = nice::add(nice)
    {
        tracing::debug!(nice, "niceness stays as it is: {error}");
    }
}

/// Starts a thread whose end by a panic is a fault of the engine.
fn spawn(
    shared: &Arc<Shared>,
    name: &'static str,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, StartError> {
    struct Watch(Arc<Shared>, &'static str);
    impl Drop for Watch {
        fn drop(&mut self) {
            if thread::panicking() {
                self.0.fail(Fault::Thread(self.1));
            }
        }
    }
    let watch = Watch(Arc::clone(shared), name);
    thread::Builder::new()
        .name(format!("levee-{name}"))
        .spawn(move || {
            let _watch = watch;
            run();
        })
        .map_err(|cause| StartError::File { path: format!("thread {name}").into(), cause })
}
