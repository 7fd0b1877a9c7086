//! One step of the engine, without I/O, clock or threads: commands in, one record and the replies
//! that depend on it out. The same code runs under real threads and under a simulator.

use std::panic::{AssertUnwindSafe, catch_unwind};

use levee_api::port::{Ask, AskBody, Failure, Origin, Reply};
use levee_core::types::{Command, Refusal, put_batch_start, put_entry};
use levee_core::{State, Verdict};
use levee_journal::{BatchHead, RecordBuffer};

use crate::quarantine::Quarantine;

/// An ask, and who waits for its reply.
#[derive(Debug)]
pub struct Queued {
    /// Who waits.
    pub origin: Origin,
    /// What is asked.
    pub ask: Ask,
}

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
}

impl Batch {
    /// Ready for the next step, memory kept.
    pub fn clear(&mut self) {
        self.count = 0;
        self.payload.clear();
        self.replies.clear();
        self.tally = Tally::default();
    }

    /// What the journal needs beside the payload.
    #[must_use]
    pub fn head(&self) -> BatchHead {
        BatchHead { first_seq: self.first_seq, count: self.count, time_ms: self.time_ms }
    }

    fn reply(&mut self, origin: Origin, ticket: u64, reply: Reply) {
        // Asks come in runs of one origin.
        match self.replies.last_mut() {
            Some((last, replies)) if *last == origin => replies.push((ticket, reply)),
            _ => self.replies.push((origin, vec![(ticket, reply)])),
        }
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
    /// A batch is closed when its payload has this length.
    payload_len_max: usize,
    entries: Vec<u8>,
}

impl Sequencer {
    /// Goes on from a state; batches are closed when their payload reaches a length in bytes.
    #[must_use]
    pub fn new(state: State, payload_len_max: usize) -> Self {
        let quarantine = Quarantine::default();
        Self { state, quarantine, told_ms: 0, payload_len_max, entries: Vec::new() }
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

    /// Decides over the engine's own commands and then over `asks`, at one time, until all are
    /// through or the batch is full. Returns how many asks were decided; the others wait for the
    /// next step.
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
        asks: &[Queued],
        batch: &mut Batch,
    ) -> Result<usize, Box<Broken>> {
        let now_ms = clock_ms.max(self.state.last_ms()).max(self.told_ms);
        self.told_ms = now_ms;
        batch.clear();
        batch.first_seq = self.state.last_seq() + 1;
        batch.time_ms = now_ms;
        self.entries.clear();
        let rules_version = self.state.rules_version();
        put_batch_start(rules_version, &mut self.entries);

        for command in own {
            self.apply(now_ms, command, batch)?;
        }
        let mut decided = 0;
        // A record names one version of the rules: behind a change of them a new one begins.
        let asks = if self.state.rules_version() == rules_version { asks } else { &[] };
        for Queued { origin, ask } in asks {
            let reply = match &ask.body {
                AskBody::Query(query) => {
                    batch.tally.answered += 1;
                    Reply::Answer(Box::new(self.state.answer(now_ms, query)))
                }
                AskBody::Command(command) if storage_full => {
                    let earlier = self.state.earlier(command);
                    batch.tally.storage_full += u64::from(earlier.is_none());
                    earlier.map_or(Reply::Failed(Failure::StorageFull), |verdict| {
                        told(verdict, &mut batch.tally)
                    })
                }
                AskBody::Command(command) if self.quarantine.holds(command) => {
                    Reply::Failed(Failure::Quarantined)
                }
                AskBody::Command(command) => {
                    assert!(!command.is_internal(), "gates do not give the engine's own commands");
                    self.apply(now_ms, command, batch)?
                }
            };
            batch.reply(*origin, ask.ticket, reply);
            decided += 1;
            if self.entries.len() >= self.payload_len_max {
                break;
            }
        }
        if batch.count > 0 {
            batch.payload.extend_from_slice(&self.entries);
        }
        Ok(decided)
    }

    fn apply(
        &mut self,
        now_ms: u64,
        command: &Command,
        batch: &mut Batch,
    ) -> Result<Reply, Box<Broken>> {
        let seq = self.state.last_seq() + 1;
        let state = &mut self.state;
        // The state is given up after a panic: nothing can see it half-changed.
        let verdict = catch_unwind(AssertUnwindSafe(|| state.apply(now_ms, seq, command)));
        let verdict = verdict.map_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let message = text.or_else(|| panic.downcast_ref::<&str>().copied());
            let message = message.unwrap_or("panic without a message").to_owned();
            Box::new(Broken { seq, command: command.clone(), message })
        })?;
        Ok(match verdict {
            Verdict::Done(outcome) => {
                put_entry(command, &outcome, &mut self.entries);
                batch.count += 1;
                batch.tally.done += 1;
                Reply::Done { seq, at_ms: now_ms, outcome, repeated: false }
            }
            verdict => told(verdict, &mut batch.tally),
        })
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
