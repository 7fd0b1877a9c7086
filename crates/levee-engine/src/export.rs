//! The journal as NDJSON: what it holds, for those who want to check it with their own tools.

use std::io;
use std::sync::Arc;

use levee_api::port::{Export, ExportChunks, Fact, Facts, FactsError, FollowFacts};
use levee_api::time::Instant;
use levee_core::types::{BatchReader, Command, DecodeError, Outcome};
use levee_journal::{Follow, Kind, OpenError, OwnedRecord, Reader, first_kept_seq};
use serde::Serialize;

use crate::shared::Shared;

/// About how long a chunk gets, in bytes.
const CHUNK_LEN: usize = 64 * 1024;

/// Reads a journal beside the engine that writes it, up to what is durable.
#[derive(Clone)]
pub struct JournalExport {
    shared: Arc<Shared>,
}

#[derive(Serialize)]
struct Line<'a> {
    seq: u64,
    at: Instant,
    rules_version: u16,
    command: &'a Command,
    outcome: &'a Outcome,
}

impl JournalExport {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

impl Export for JournalExport {
    fn export(&self, after_seq: u64) -> io::Result<ExportChunks> {
        let up_to_seq = self.shared.durable_seq();
        if after_seq >= up_to_seq {
            return Ok(Box::new(std::iter::empty()));
        }
        let mut reader = Reader::open(&self.shared.data)
            .and_then(|reader| reader.from_seq(after_seq + 1))
            .map_err(io::Error::other)?
            .up_to_seq(up_to_seq);
        Ok(Box::new(std::iter::from_fn(move || {
            let mut chunk = Vec::with_capacity(2 * CHUNK_LEN);
            while chunk.len() < CHUNK_LEN {
                match reader.next() {
                    None if chunk.is_empty() => return None,
                    None => break,
                    Some(Err(error)) => return Some(Err(io::Error::other(error))),
                    Some(Ok(record)) => {
                        if let Err(error) = put_lines(&record, after_seq, &mut chunk) {
                            return Some(Err(error));
                        }
                    }
                }
            }
            Some(Ok(chunk))
        })))
    }
}

impl Facts for JournalExport {
    fn follow(&self, after_seq: u64) -> Result<Box<dyn FollowFacts>, FactsError> {
        let place = Follow::open(&self.shared.data, after_seq + 1).map_err(unread)?;
        Ok(Box::new(FactsOn { shared: Arc::clone(&self.shared), place, after_seq }))
    }

    fn first_seq(&self) -> io::Result<Option<u64>> {
        first_kept_seq(&self.shared.data).map_err(io::Error::other)
    }
}

/// A place in the journal, and the last command that was read.
struct FactsOn {
    shared: Arc<Shared>,
    place: Follow,
    after_seq: u64,
}

impl FollowFacts for FactsOn {
    fn next(&mut self, count_min: usize) -> Result<Vec<Fact>, FactsError> {
        let (mut facts, mut wrong) = (Vec::new(), None);
        let after_seq = self.after_seq;
        self.place
            .read(self.shared.durable_seq(), |record| {
                wrong = put_facts(&record, after_seq, &mut facts).err();
                wrong.is_none() && facts.len() < count_min
            })
            .map_err(unread)?;
        if let Some(wrong) = wrong {
            return Err(io::Error::other(wrong).into());
        }
        self.after_seq = facts.last().map_or(after_seq, |fact| fact.seq);
        Ok(facts)
    }
}

fn unread(error: OpenError) -> FactsError {
    match error {
        OpenError::Removed { first_seq, .. } => FactsError::Removed { first_seq },
        other => io::Error::other(other).into(),
    }
}

/// Adds the commands of a batch that come after `after_seq`.
fn put_facts(
    record: &OwnedRecord,
    after_seq: u64,
    facts: &mut Vec<Fact>,
) -> Result<(), DecodeError> {
    for (seq, entry) in (record.first_seq..).zip(BatchReader::new(&record.payload)?) {
        let (command, outcome) = entry?;
        if seq > after_seq {
            facts.push(Fact { seq, at_ms: record.time_ms, command, outcome });
        }
    }
    Ok(())
}

fn put_lines(record: &OwnedRecord, after_seq: u64, chunk: &mut Vec<u8>) -> io::Result<()> {
    if record.kind != Kind::Batch {
        return Ok(());
    }
    let batch = BatchReader::new(&record.payload).map_err(io::Error::other)?;
    let rules_version = batch.rules_version();
    for (seq, entry) in (record.first_seq..).zip(batch) {
        let (command, outcome) = entry.map_err(io::Error::other)?;
        if seq <= after_seq {
            continue;
        }
        let at = Instant { ms: record.time_ms };
        let line = Line { seq, at, rules_version, command: &command, outcome: &outcome };
        serde_json::to_writer(&mut *chunk, &line).map_err(io::Error::other)?;
        chunk.push(b'\n');
    }
    Ok(())
}
