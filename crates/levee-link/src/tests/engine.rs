//! An engine for tests: the state machine, without a journal, on the thread that asks.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use levee_api::intake::Intake;
use levee_api::port::{
    Ask, AskBody, Deliver, Export, ExportChunks, Failure, Origin, Priority, Reply, Submit,
};
use levee_api::vitals::{Phase, Vitals};
use levee_core::{RuleBook, State, Verdict};

/// Within the tests' campaigns.
const NOW_MS: u64 = 1_000;

pub(super) struct Engine {
    state: Mutex<State>,
    pub(super) origins: Mutex<BTreeMap<Origin, Arc<dyn Deliver>>>,
    next_origin: AtomicU32,
    vitals: Vitals,
    intake: Arc<Intake>,
    /// Replies never come.
    pub(super) silent: AtomicBool,
    /// When the last asks arrived at their gate, and on which lane.
    pub(super) last: Mutex<Option<(Instant, Priority)>>,
    pub(super) refuses: Mutex<Option<Failure>>,
    /// Asks that arrived.
    pub(super) asked: AtomicU64,
    /// Chunks that exports have read.
    pub(super) read: Arc<AtomicU64>,
}

impl Engine {
    pub(super) fn new() -> Arc<Self> {
        let engine = Self {
            state: Mutex::new(State::new(RuleBook::RELEASED)),
            origins: Mutex::default(),
            next_origin: AtomicU32::new(0),
            vitals: Vitals::default(),
            intake: Arc::default(),
            silent: AtomicBool::new(false),
            last: Mutex::default(),
            refuses: Mutex::default(),
            asked: AtomicU64::new(0),
            read: Arc::default(),
        };
        engine.vitals.set_phase(Phase::Ready);
        Arc::new(engine)
    }

    fn reply(&self, body: &AskBody) -> Reply {
        let mut state = self.state.lock().unwrap();
        let command = match body {
            AskBody::Query(query) => return Reply::Answer(Box::new(state.answer(NOW_MS, query))),
            AskBody::Command(command) => command,
        };
        let seq = state.last_seq() + 1;
        match state.apply(NOW_MS, seq, command) {
            Verdict::Done(outcome) => {
                self.vitals.durable_seq.store(seq, Relaxed);
                Reply::Done { seq, at_ms: NOW_MS, outcome, repeated: false }
            }
            Verdict::Repeat { seq, at_ms, outcome } => {
                Reply::Done { seq, at_ms, outcome, repeated: true }
            }
            Verdict::Refused(refusal) => Reply::Refused(refusal),
        }
    }
}

impl Submit for Engine {
    fn register(&self, deliver: Arc<dyn Deliver>) -> Origin {
        let origin = Origin(self.next_origin.fetch_add(1, Relaxed));
        self.origins.lock().unwrap().insert(origin, deliver);
        origin
    }

    fn release(&self, origin: Origin) {
        self.origins.lock().unwrap().remove(&origin);
    }

    fn submit(
        &self,
        origin: Origin,
        priority: Priority,
        arrived: Instant,
        asks: &mut Vec<Ask>,
    ) -> Result<(), Failure> {
        self.asked.fetch_add(asks.len() as u64, Relaxed);
        *self.last.lock().unwrap() = Some((arrived, priority));
        if let Some(failure) = *self.refuses.lock().unwrap() {
            return Err(failure);
        }
        let replies: Vec<_> =
            asks.drain(..).map(|ask| (ask.ticket, self.reply(&ask.body))).collect();
        if !self.silent.load(Relaxed) {
            let deliver = self.origins.lock().unwrap()[&origin].clone();
            deliver.deliver(replies);
        }
        Ok(())
    }

    fn vitals(&self) -> &Vitals {
        &self.vitals
    }

    fn intake(&self) -> &Arc<Intake> {
        &self.intake
    }
}

/// After this place the journal has no end.
pub(super) const ENDLESS: u64 = 1_000;
/// After this place it cannot be read.
pub(super) const BROKEN: u64 = 666;

impl Export for Engine {
    fn export(&self, after_seq: u64) -> io::Result<ExportChunks> {
        let read = Arc::clone(&self.read);
        match after_seq {
            BROKEN => Err(io::Error::other("the disk is gone")),
            ENDLESS => Ok(Box::new(std::iter::repeat_with(move || {
                read.fetch_add(1, Relaxed);
                Ok(vec![b'\n'; 64 * 1024])
            }))),
            _ => Ok(Box::new((after_seq + 1..=100).map(move |seq| {
                read.fetch_add(1, Relaxed);
                Ok(format!("{{\"seq\":{seq}}}\n").into_bytes())
            }))),
        }
    }
}
