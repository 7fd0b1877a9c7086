//! One step of the engine, without I/O, clock or threads: commands in, one record and the replies
//! that depend on it out. The same code runs under real threads and under a simulator.

use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use levee_api::paying::PayLinks;
use levee_api::port::{Answer, Ask, AskBody, Failure, Origin, Priority, Reply};
use levee_core::types::{Command, Operations, Refusal, put_batch_start, put_entry};
use levee_core::{State, Verdict};
use levee_journal::{BatchHead, RecordBuffer};

use crate::lanes::{Handover, has_lapsed, whole_ms};
use crate::quarantine::Quarantine;

/// How many asks ahead of the one that is decided what it names is brought near, then its index
/// entries, and then its records: about as many as fit the processor's queue of loads.
const NAMED_AHEAD: usize = 40;
const INDEX_AHEAD: usize = 24;
const RECORDS_AHEAD: usize = 10;

/// One batch: a record to be made durable, and replies that must wait for that.
#[derive(Debug, Default)]
pub struct Batch {
    /// Sequence number of the first command in the record.
    pub first_seq: u64,
    /// Commands in the record; 0 where none had an effect and no record is needed.
    pub count: u32,
    /// Journal time.
    pub time_ms: u64,
    /// The record's payload.
    pub payload: RecordBuffer,
    /// By origin, in the order of the asks.
    pub replies: Vec<(Origin, Vec<(u64, Reply)>)>,
    /// How the asks ended.
    pub tally: Tally,
    /// What [`State::undone_changes`] says after it.
    pub undone_changes: u64,
    /// What is set for the whole installation from this batch on, if it changed.
    pub operations: Option<Operations>,
}

/// How the asks of a batch ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Had an effect.
    pub done: u64,
    /// Had it before.
    pub repeated: u64,
    /// Were turned down.
    pub refused: u64,
    /// Questions.
    pub answered: u64,
    /// Found no room on the disk.
    pub storage_full: u64,
    /// Had no time left, by lane.
    pub expired: [u64; Priority::COUNT],
}

impl Batch {
    /// Ready for the next step, memory kept.
    pub fn clear(&mut self) {
        self.count = 0;
        self.payload.clear();
        self.replies.clear();
        self.tally = Tally::default();
        self.operations = None;
    }

    /// What the journal needs beside the payload.
    #[must_use]
    pub fn head(&self) -> BatchHead {
        BatchHead { first_seq: self.first_seq, count: self.count, time_ms: self.time_ms }
    }

    /// The list of an origin's replies, with room for all of these handovers' at once.
    fn replies_of(
        &mut self,
        origin: Origin,
        handovers: &VecDeque<Handover>,
    ) -> &mut Vec<(u64, Reply)> {
        // Gates have a few threads each.
        let place = self.replies.iter().position(|(other, _)| *other == origin);
        let place = place.unwrap_or_else(|| {
            let own = handovers.iter().filter(|handover| handover.origin == origin);
            let count = own.map(|handover| handover.asks.len()).sum();
            self.replies.push((origin, Vec::with_capacity(count)));
            self.replies.len() - 1
        });
        &mut self.replies[place].1
    }
}

/// A command broke an invariant: the state must not be used any more, and nothing of the batch be
/// acknowledged.
#[derive(Debug)]
pub struct Broken {
    /// The number that the command would have got.
    pub seq: u64,
    /// The command.
    pub command: Command,
    /// The assertion.
    pub message: String,
}

/// Gives commands their order and their time.
#[derive(Debug)]
pub struct Sequencer {
    state: State,
    quarantine: Quarantine,
    /// The latest time that anybody was told; a clock that steps back does not undo it.
    told_ms: u64,
    /// What is set, as the last batch that changed it said.
    told_operations: Operations,
    /// A batch is closed when its payload has this length.
    payload_len_max: usize,
    entries: Vec<u8>,
    /// What answers show besides the rules' own.
    pay_links: Arc<PayLinks>,
}

impl Sequencer {
    /// Goes on from a state; batches are closed when their payload reaches a length in bytes.
    #[must_use]
    pub fn new(state: State, payload_len_max: usize) -> Self {
        let quarantine = Quarantine::default();
        let told_operations = state.operations().clone();
        let (entries, pay_links) = (Vec::new(), Arc::default());
        Self { state, quarantine, told_ms: 0, told_operations, payload_len_max, entries, pay_links }
    }

    pub(crate) fn with_pay_links(mut self, pay_links: Arc<PayLinks>) -> Self {
        self.pay_links = pay_links;
        self
    }

    pub(crate) fn with_quarantine(mut self, quarantine: Quarantine) -> Self {
        self.quarantine = quarantine;
        self
    }

    /// The state after the last step.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// For snapshots and memory, which change nothing that commands depend on.
    pub(crate) fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }

    /// Decides over the engine's own commands and then over what was handed over, at one time, until
    /// all are through or the batch is full. Returns how many asks were decided; the others wait for
    /// the next step.
    ///
    /// An ask that has waited for longer than it may, by what its handover says, has no effect.
    ///
    /// With `storage_full` set, commands are turned away undecided, unless they were done before;
    /// questions are answered.
    ///
    /// # Errors
    /// A command broke an invariant.
    pub fn step(
        &mut self,
        clock_ms: u64,
        storage_full: bool,
        own: &[Command],
        handovers: &VecDeque<Handover>,
        batch: &mut Batch,
    ) -> Result<usize, Box<Broken>> {
        let now_ms = clock_ms.max(self.state.last_ms()).max(self.told_ms);
        self.told_ms = now_ms;
        batch.clear();
        batch.first_seq = self.state.last_seq() + 1;
        batch.time_ms = now_ms;
        self.entries.clear();
        put_batch_start(self.state.rules_version(), &mut self.entries);

        let current = Cell::new(None);
        // The state is given up after a panic: nothing can see it half-changed.
        let decided = catch_unwind(AssertUnwindSafe(|| {
            self.decide(storage_full, own, handovers, &current, batch)
        }));
        let decided = decided.map_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let message = text.or_else(|| panic.downcast_ref::<&str>().copied());
            let message = message.unwrap_or("panic without a message").to_owned();
            let command: &Command = current.get().expect("only commands can panic");
            Box::new(Broken { seq: self.state.last_seq() + 1, command: command.clone(), message })
        })?;
        if batch.count > 0 {
            batch.payload.extend_from_slice(&self.entries);
        }
        batch.undone_changes = self.state.undone_changes();
        if *self.state.operations() != self.told_operations {
            self.told_operations.clone_from(self.state.operations());
            batch.operations = Some(self.told_operations.clone());
        }
        Ok(decided)
    }

    /// `current` is the command that is being applied.
    fn decide<'a>(
        &mut self,
        storage_full: bool,
        own: &'a [Command],
        handovers: &'a VecDeque<Handover>,
        current: &Cell<Option<&'a Command>>,
        batch: &mut Batch,
    ) -> usize {
        let now_ms = batch.time_ms;
        let rules_version = self.state.rules_version();
        for command in own {
            current.set(Some(command));
            let seq = self.state.last_seq() + 1;
            if let Verdict::Done(outcome) = self.state.apply(now_ms, seq, command) {
                put_entry(command, &outcome, &mut self.entries);
                batch.count += 1;
                batch.tally.done += 1;
            }
        }
        let mut decided = 0;
        // A record names one version of the rules: behind a change of them a new one begins.
        if self.state.rules_version() != rules_version {
            return decided;
        }
        let (mut count, mut tally) = (batch.count, batch.tally);
        for Handover { origin, priority, waited_us, asks, .. } in handovers {
            let waited_ms = whole_ms(*waited_us);
            let replies = batch.replies_of(*origin, handovers);
            for place in 0..NAMED_AHEAD {
                self.near(asks.get(place), State::prefetch_named);
            }
            for place in 0..INDEX_AHEAD {
                self.near(asks.get(place), State::prefetch);
            }
            for (place, ask) in asks.iter().enumerate() {
                self.near(asks.get(place + NAMED_AHEAD), State::prefetch_named);
                self.near(asks.get(place + INDEX_AHEAD), State::prefetch);
                self.near(asks.get(place + RECORDS_AHEAD), State::prefetch_records);
                let reply = match &ask.body {
                    _ if has_lapsed(ask, waited_ms) => {
                        tally.expired[*priority as usize] += 1;
                        Reply::Failed(Failure::Expired)
                    }
                    AskBody::Query(query) => {
                        tally.answered += 1;
                        let mut answer = self.state.answer(now_ms, query);
                        if let Answer::Order(Some(view)) = &mut answer {
                            view.pay_by = self.pay_links.get(view.number);
                        }
                        Reply::Answer(Box::new(answer))
                    }
                    AskBody::Command(command) if storage_full => {
                        let earlier = self.state.earlier(command);
                        tally.storage_full += u64::from(earlier.is_none());
                        earlier.map_or(Reply::Failed(Failure::StorageFull), |verdict| {
                            told(verdict, &mut tally)
                        })
                    }
                    AskBody::Command(command) if self.quarantine.holds(command) => {
                        Reply::Failed(Failure::Quarantined)
                    }
                    AskBody::Command(command) => {
                        current.set(Some(command));
                        assert!(!command.is_internal(), "the engine's own, not a gate's");
                        let seq = self.state.last_seq() + 1;
                        match self.state.apply(now_ms, seq, command) {
                            Verdict::Done(outcome) => {
                                put_entry(command, &outcome, &mut self.entries);
                                count += 1;
                                tally.done += 1;
                                Reply::Done { seq, at_ms: now_ms, outcome, repeated: false }
                            }
                            verdict => told(verdict, &mut tally),
                        }
                    }
                };
                replies.push((ask.ticket, reply));
                decided += 1;
                if self.entries.len() >= self.payload_len_max {
                    (batch.count, batch.tally) = (count, tally);
                    return decided;
                }
            }
        }
        (batch.count, batch.tally) = (count, tally);
        decided
    }

    /// Brings near what an ask will need, if there is one.
    #[inline]
    fn near(&self, ask: Option<&Ask>, bring: impl Fn(&State, &Command)) {
        if let Some(Ask { body: AskBody::Command(command), .. }) = ask {
            bring(&self.state, command);
        }
    }
}

/// The reply to a command that changed nothing.
fn told(verdict: Verdict, tally: &mut Tally) -> Reply {
    match verdict {
        Verdict::Done(_) => unreachable!("an effect is sequenced where it is decided"),
        Verdict::Repeat { seq, at_ms, outcome } => {
            tally.repeated += 1;
            Reply::Done { seq, at_ms, outcome, repeated: true }
        }
        Verdict::Refused(refusal) => {
            tally.refused += u64::from(refusal != Refusal::TermsChanged);
            Reply::Refused(refusal)
        }
    }
}
