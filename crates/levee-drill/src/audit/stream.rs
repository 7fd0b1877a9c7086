//! The journal as a stream of events: read, verified and decoded on a thread of its own, while
//! another recounts what came before. Nothing is judged here.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use levee_core::types::{BatchReader, Command, Outcome};
use levee_journal::{Kind, Reader, Record};

use super::keys::{Namer, Names};
use super::report::{AuditError, TornTailReport};

/// Events that are handed over at a time: enough to make the handing over cheap, and few enough to
/// stay in the processor's cache until they are looked at.
const CHUNK_EVENTS: usize = 512;

/// Chunks that wait at most; the faster thread waits for the slower one.
const CHUNKS_MAX: usize = 8;

/// What stands in a journal, in its order.
#[derive(Debug)]
pub(super) enum Event {
    RecordBegins {
        first_seq: u64,
        at_ms: u64,
    },
    BatchBegins {
        rules_version: u16,
    },
    Command(Entry),
    /// By its head the record holds this many commands.
    RecordEnds {
        count: u32,
    },
}

/// One command with what came of it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) command: Command,
    pub(super) outcome: Outcome,
    /// Hashed here already, because the recount has more to do than the reading.
    pub(super) names: Names,
}

impl Entry {
    pub(super) fn of(command: Command, outcome: Outcome, namer: &Namer) -> Self {
        let names = namer.names(&command);
        Self { command, outcome, names }
    }
}

/// What is known once everything is read.
#[derive(Debug, Default)]
pub(super) struct Ending {
    pub(super) records: u64,
    pub(super) closed_cleanly: bool,
    pub(super) torn_tail: Option<TornTailReport>,
}

/// A journal that is being read.
pub(super) struct Stream<'scope> {
    full: Receiver<Vec<Event>>,
    seen: SyncSender<Vec<Event>>,
    thread: ScopedJoinHandle<'scope, Result<Ending, AuditError>>,
}

impl<'scope> Stream<'scope> {
    /// Begins to read.
    pub(super) fn of(reader: Reader, scope: &'scope Scope<'scope, '_>) -> Self {
        let (full_tx, full) = sync_channel(CHUNKS_MAX);
        let (seen, seen_rx) = sync_channel(CHUNKS_MAX);
        let chunks = Chunks { filling: Vec::new(), full: full_tx, seen: seen_rx };
        let thread = std::thread::Builder::new()
            .name("audit-read".into())
            .spawn_scoped(scope, move || read(reader, chunks))
            .expect("the system has a thread to spare");
        Self { full, seen, thread }
    }

    /// Shows every event to `look`, some at a time. An error comes after everything that stands
    /// before its place.
    pub(super) fn each_chunk(self, mut look: impl FnMut(&[Event])) -> Result<Ending, AuditError> {
        for chunk in self.full {
            look(&chunk);
            // To be emptied and filled again: what it holds was made by that thread, which gives memory
            // back sooner, and has less to do. At the end nobody wants it any more.
            let _ = self.seen.try_send(chunk);
        }
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// The writing end.
struct Chunks {
    filling: Vec<Event>,
    full: SyncSender<Vec<Event>>,
    seen: Receiver<Vec<Event>>,
}

impl Chunks {
    fn push(&mut self, event: Event) {
        if self.filling.len() == CHUNK_EVENTS {
            self.hand_over();
        }
        self.filling.push(event);
    }

    fn hand_over(&mut self) {
        let seen = self.seen.try_recv();
        let mut next = seen.unwrap_or_else(|_| Vec::with_capacity(CHUNK_EVENTS));
        next.clear();
        let chunk = std::mem::replace(&mut self.filling, next);
        self.full.send(chunk).expect("somebody listens to the end, unless that thread panics");
    }
}

fn read(mut reader: Reader, mut chunks: Chunks) -> Result<Ending, AuditError> {
    let ending = read_records(&mut reader, &mut chunks);
    // What stands before an error is recounted, too.
    chunks.hand_over();
    ending
}

fn read_records(reader: &mut Reader, chunks: &mut Chunks) -> Result<Ending, AuditError> {
    let namer = Namer::default();
    let mut ending = Ending::default();
    while let Some(record) = reader.next_record()? {
        if ending.records == 0 && record.kind != Kind::Genesis {
            return Err(AuditError::NotFromGenesis { first_seq: record.first_seq });
        }
        ending.records += 1;
        ending.closed_cleanly = record.kind == Kind::Closed;
        chunks.push(Event::RecordBegins { first_seq: record.first_seq, at_ms: record.time_ms });
        let holds_commands =
            record.kind == Kind::Batch && (record.count > 0 || !record.payload.is_empty());
        if holds_commands {
            decode(&record, &namer, chunks)?;
        }
        chunks.push(Event::RecordEnds { count: record.count });
    }
    if ending.records == 0 {
        return Err(AuditError::Empty);
    }
    ending.torn_tail = reader.torn().map(TornTailReport::of);
    Ok(ending)
}

fn decode(record: &Record<'_>, namer: &Namer, chunks: &mut Chunks) -> Result<(), AuditError> {
    let undecodable = |source| AuditError::Undecodable { first_seq: record.first_seq, source };
    let batch = BatchReader::new(record.payload).map_err(undecodable)?;
    chunks.push(Event::BatchBegins { rules_version: batch.rules_version() });
    for entry in batch {
        let (command, outcome) = entry.map_err(undecodable)?;
        chunks.push(Event::Command(Entry::of(command, outcome, namer)));
    }
    Ok(())
}
