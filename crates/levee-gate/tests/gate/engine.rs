//! An engine for tests: the state machine on a thread, without a journal.

use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::Instant;

use levee_api::intake::{ClockFace, Intake, Why};
use levee_api::port::{
    Ask, AskBody, Deliver, Export, ExportChunks, Failure, Origin, Priority, Reply, Submit,
};
use levee_api::types::{Command, Operations, Tick};
use levee_api::vitals::{Phase, Vitals};
use levee_core::{RuleBook, State, Verdict};

/// Time of the tests' engine: within the tests' campaigns.
pub(crate) const NOW_MS: u64 = 1_770_400_000_000;

/// The engine's side that gates see.
pub(crate) struct Engine {
    asks: mpsc::Sender<(Origin, Vec<Ask>)>,
    origins: Mutex<Vec<Arc<dyn Deliver>>>,
    vitals: Vitals,
    intake: Arc<Intake>,
    /// Commands and questions that arrived.
    pub(crate) asked: AtomicU64,
    /// What the next submission is refused with.
    pub(crate) refuses: Mutex<Option<Failure>>,
    /// What every command is answered with, instead of being applied.
    pub(crate) fails: Mutex<Option<Failure>>,
    pub(crate) now_ms: AtomicU64,
    /// Applied, but not answered yet.
    held: Mutex<bool>,
    released: Condvar,
    /// Replies never come.
    pub(crate) silent: AtomicBool,
}

/// Journal time at gates is that of the tests from the start, as a real engine sees to.
fn intake() -> Intake {
    let intake = Intake::default();
    intake.set_clock(ClockFace { at_us: intake.now_us(), journal_ms: NOW_MS, speed: 1.0 });
    intake
}

impl Engine {
    pub(crate) fn start() -> Arc<Self> {
        let (asks, asked) = mpsc::channel::<(Origin, Vec<Ask>)>();
        let engine = Arc::new(Self {
            asks,
            origins: Mutex::default(),
            vitals: Vitals::default(),
            intake: Arc::new(intake()),
            asked: AtomicU64::new(0),
            refuses: Mutex::default(),
            fails: Mutex::default(),
            now_ms: AtomicU64::new(NOW_MS),
            held: Mutex::new(false),
            released: Condvar::new(),
            silent: AtomicBool::new(false),
        });
        engine.vitals.set_phase(Phase::Ready);
        let weak = Arc::downgrade(&engine);
        thread::spawn(move || {
            let mut state = State::new(RuleBook::RELEASED);
            for (origin, asks) in asked {
                let Some(engine) = weak.upgrade() else { return };
                engine.work(&mut state, origin, &asks);
            }
        });
        engine
    }

    fn work(&self, state: &mut State, origin: Origin, asks: &[Ask]) {
        let replies: Vec<_> =
            asks.iter().map(|ask| (ask.ticket, self.reply(state, &ask.body))).collect();
        let held = self.held.lock().unwrap();
        drop(self.released.wait_while(held, |held| *held).unwrap());
        if !self.silent.load(Relaxed) {
            let origin = self.origins.lock().unwrap()[origin.0 as usize].clone();
            origin.deliver(replies);
        }
    }

    fn reply(&self, state: &mut State, body: &AskBody) -> Reply {
        let now_ms = self.now_ms.load(Relaxed);
        let command: &Command = match body {
            AskBody::Query(query) => return Reply::Answer(Box::new(state.answer(now_ms, query))),
            AskBody::Command(command) => command,
        };
        if let Some(failure) = *self.fails.lock().unwrap() {
            return Reply::Failed(failure);
        }
        let seq = state.last_seq() + 1;
        match state.apply(now_ms, seq, command) {
            Verdict::Done(outcome) => {
                self.vitals.durable_seq.store(seq, Relaxed);
                self.show(state.operations());
                Reply::Done { seq, at_ms: now_ms, outcome, repeated: false }
            }
            Verdict::Repeat { seq, at_ms, outcome } => {
                Reply::Done { seq, at_ms, outcome, repeated: true }
            }
            Verdict::Refused(refusal) => Reply::Refused(refusal),
        }
    }

    /// As the engine does it before it replies.
    fn show(&self, operations: &Operations) {
        let Operations { setting, reason, since_ms, claims_per_s, .. } = operations.clone();
        let (by_hand, claims_per_s) = (setting.by_hand, claims_per_s.map_or(0, u64::from));
        self.intake.set_level(setting.level, Why { reason, by_hand, since_ms });
        self.intake.set_claims_per_s(claims_per_s);
    }

    /// Lets so much time pass, with what ends in it.
    pub(crate) fn pass_ms(&self, ms: u64) {
        self.now_ms.fetch_add(ms, Relaxed);
        // One for what ends, and one for what follows from that.
        let tick = || Command::Tick(Tick { limit: 1_000 });
        self.give([tick(), tick()]);
    }

    /// Gives commands as another gate would, and waits until they are decided.
    pub(crate) fn give(&self, commands: impl IntoIterator<Item = Command>) {
        let (told, told_of) = mpsc::channel();
        let origin = self.register(Arc::new(Told(Mutex::new(told))));
        let ask =
            |(ticket, command)| Ask { ticket, within_ms: 1_000, body: AskBody::Command(command) };
        self.asks.send((origin, (1..).zip(commands).map(ask).collect())).unwrap();
        told_of.recv().unwrap();
    }

    /// Keeps replies back until [`Self::release`].
    pub(crate) fn hold(&self) {
        *self.held.lock().unwrap() = true;
    }

    pub(crate) fn release(&self) {
        *self.held.lock().unwrap() = false;
        self.released.notify_all();
    }

    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Relaxed)
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.vitals.set_phase(phase);
    }
}

/// Says that the engine has replied.
struct Told(Mutex<mpsc::Sender<()>>);

impl Deliver for Told {
    fn deliver(&self, _: Vec<(u64, Reply)>) {
        self.0.lock().unwrap().send(()).unwrap();
    }
}

impl Submit for Engine {
    fn register(&self, deliver: Arc<dyn Deliver>) -> Origin {
        let mut origins = self.origins.lock().unwrap();
        origins.push(deliver);
        Origin(u32::try_from(origins.len()).unwrap() - 1)
    }

    fn submit(
        &self,
        origin: Origin,
        _priority: Priority,
        _arrived: Instant,
        asks: &mut Vec<Ask>,
    ) -> Result<(), Failure> {
        self.asked.fetch_add(asks.len() as u64, Relaxed);
        if let Some(failure) = *self.refuses.lock().unwrap() {
            return Err(failure);
        }
        self.asks.send((origin, std::mem::take(asks))).map_err(|_| Failure::Stopping)
    }

    fn vitals(&self) -> &Vitals {
        &self.vitals
    }

    fn intake(&self) -> &Arc<Intake> {
        &self.intake
    }
}

/// A journal of a hundred chunks, without an end after [`ENDLESS`], or that cannot be read.
#[derive(Default)]
pub(crate) struct Journal {
    /// Chunks read by exports.
    pub(crate) read: Arc<AtomicU64>,
    /// Exports under way.
    pub(crate) reading: Arc<AtomicU64>,
}

pub(crate) const ENDLESS: u64 = 1_000;

struct Reading(Arc<AtomicU64>);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Export for Journal {
    fn export(&self, after_seq: u64) -> io::Result<ExportChunks> {
        if after_seq == 666 {
            return Err(io::Error::other("the disk is gone"));
        }
        self.reading.fetch_add(1, Relaxed);
        let reading = Reading(self.reading.clone());
        let read = self.read.clone();
        if after_seq == ENDLESS {
            return Ok(Box::new(std::iter::repeat_with(move || {
                let _reading = &reading;
                read.fetch_add(1, Relaxed);
                Ok(vec![b'\n'; 64 * 1024])
            })));
        }
        let lines = (after_seq + 1..=100).map(move |seq| {
            let _reading = &reading;
            Ok(format!("{{\"seq\":{seq}}}\n").into_bytes())
        });
        Ok(Box::new(lines))
    }
}
