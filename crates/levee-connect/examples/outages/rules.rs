//! The real rules by tokio's clock, in place of an engine. What was applied is kept as a journal would,
//! and after a kill the state is made of it again.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use levee_api::intake::{ClockFace, Intake};
use levee_api::port::{
    Answer, Ask, AskBody, Deliver, Failure, Origin, Priority, Query, Reply, Submit,
};
use levee_api::types::{BreakerOf, BreakerState, Command, Outcome, Tick};
use levee_api::vitals::Vitals;
use levee_core::{RuleBook, State, Verdict};
use tokio::time::Instant;

/// Most that one tick sweeps.
const SWEPT_MAX: u32 = 100_000;

pub(crate) struct Rules {
    started: Instant,
    starts_at_ms: u64,
    inner: Mutex<Inner>,
    places: Mutex<Vec<Arc<dyn Deliver>>>,
    vitals: Vitals,
    intake: Arc<Intake>,
}

struct Inner {
    state: State,
    journal: Vec<(u64, Command)>,
    breakers: Vec<(u64, BreakerOf, bool)>,
}

impl Inner {
    fn new() -> Self {
        let state = State::new(RuleBook::RELEASED);
        Self { state, journal: Vec::new(), breakers: Vec::new() }
    }
}

impl Rules {
    pub(crate) fn new(starts_at_ms: u64) -> Self {
        Self {
            started: Instant::now(),
            starts_at_ms,
            inner: Mutex::new(Inner::new()),
            places: Mutex::default(),
            vitals: Vitals::default(),
            intake: Arc::default(),
        }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        let since = u64::try_from(self.started.elapsed().as_millis()).expect("hours");
        self.starts_at_ms + since
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn apply(&self, command: &Command) -> Verdict {
        self.inner().apply(self.now_ms(), command)
    }

    /// What must not be refused.
    pub(crate) fn done(&self, command: &Command) -> Outcome {
        match self.apply(command) {
            Verdict::Done(outcome) => outcome,
            other => panic!("{command:?} was {other:?}"),
        }
    }

    pub(crate) fn answer(&self, query: &Query) -> Answer {
        self.inner().state.answer(self.now_ms(), query)
    }

    /// When breakers were changed, whose, and whether to open.
    pub(crate) fn breaker_changes(&self) -> Vec<(u64, BreakerOf, bool)> {
        self.inner().breakers.clone()
    }

    pub(crate) fn tick(&self) {
        self.apply(&Command::Tick(Tick { limit: SWEPT_MAX }));
    }

    /// Forgets everything but what was applied, and those who wait for replies.
    pub(crate) fn kill(&self) {
        let mut inner = self.inner();
        let before = inner.state.digest();
        let mut again = Inner::new();
        for (at_ms, command) in std::mem::take(&mut inner.journal) {
            let verdict = again.apply(at_ms, &command);
            assert!(
                matches!(verdict, Verdict::Done(_)),
                "{command:?} is {verdict:?} when replayed"
            );
        }
        assert_eq!(again.state.digest(), before, "the journal makes the same state");
        *inner = again;
    }
}

impl Inner {
    fn apply(&mut self, now_ms: u64, command: &Command) -> Verdict {
        let seq = self.state.last_seq() + 1;
        let verdict = self.state.apply(now_ms, seq, command);
        if let Verdict::Done(_) = verdict {
            if let Command::ChangeBreaker(change) = command {
                let is_open = change.state == BreakerState::Open;
                self.breakers.push((now_ms, change.of.clone(), is_open));
            }
            self.journal.push((now_ms, command.clone()));
        }
        verdict
    }
}

impl Submit for Rules {
    fn register(&self, deliver: Arc<dyn Deliver>) -> Origin {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.push(deliver);
        Origin(u32::try_from(places.len() - 1).expect("a few"))
    }

    fn submit(
        &self,
        origin: Origin,
        _: Priority,
        _: std::time::Instant,
        asks: &mut Vec<Ask>,
    ) -> Result<(), Failure> {
        let now_ms = self.now_ms();
        let face = ClockFace { at_us: self.intake.now_us(), journal_ms: now_ms, speed: 1.0 };
        self.intake.set_clock(face);
        let replies = asks.drain(..).map(|ask| (ask.ticket, self.reply(now_ms, &ask.body)));
        let replies = replies.collect();
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places[origin.0 as usize].deliver(replies);
        Ok(())
    }

    fn vitals(&self) -> &Vitals {
        // What is applied here is durable at once.
        self.vitals.outside.undone_changes.store(self.inner().state.undone_changes(), Relaxed);
        &self.vitals
    }

    fn intake(&self) -> &Arc<Intake> {
        &self.intake
    }
}

impl Rules {
    fn reply(&self, now_ms: u64, body: &AskBody) -> Reply {
        let mut inner = self.inner();
        match body {
            AskBody::Query(query) => Reply::Answer(Box::new(inner.state.answer(now_ms, query))),
            AskBody::Command(command) => match inner.apply(now_ms, command) {
                Verdict::Done(outcome) => {
                    let seq = inner.state.last_seq();
                    Reply::Done { seq, at_ms: now_ms, outcome, repeated: false }
                }
                Verdict::Repeat { seq, at_ms, outcome } => {
                    Reply::Done { seq, at_ms, outcome, repeated: true }
                }
                Verdict::Refused(refusal) => Reply::Refused(refusal),
            },
        }
    }
}
