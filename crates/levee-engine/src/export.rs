//! The journal as NDJSON: what it holds, for those who want to check it with their own tools.

use std::io;
use std::sync::Arc;

use levee_api::port::{Export, ExportChunks, Fact, Facts};
use levee_api::time::Instant;
use levee_core::types::{BatchReader, Command, Outcome};
use levee_journal::{Kind, OwnedRecord, Reader};
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
    fn facts(&self, after_seq: u64, count_min: usize) -> io::Result<Vec<Fact>> {
        let up_to_seq = self.shared.durable_seq();
        let mut facts = Vec::new();
        if after_seq >= up_to_seq {
            return Ok(facts);
        }
        let reader = Reader::open(&self.shared.data)
            .and_then(|reader| reader.from_seq(after_seq + 1))
            .map_err(io::Error::other)?
            .up_to_seq(up_to_seq);
        for record in reader {
            let record = record.map_err(io::Error::other)?;
            if record.kind != Kind::Batch {
                continue;
            }
            let batch = BatchReader::new(&record.payload).map_err(io::Error::other)?;
            for (seq, entry) in (record.first_seq..).zip(batch) {
                let (command, outcome) = entry.map_err(io::Error::other)?;
                if seq > after_seq {
                    facts.push(Fact { seq, at_ms: record.time_ms, command, outcome });
                }
            }
            if facts.len() >= count_min {
                break;
            }
        }
        Ok(facts)
    }
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
