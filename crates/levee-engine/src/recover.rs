//! From a data folder back to the state: the newest good snapshot, and every command of the journal
//! after it applied again, every outcome compared.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use levee_api::vitals::Vitals;
use levee_core::types::{BatchReader, Command, Outcome};
use levee_core::{Restore, RuleBook, State, Verdict};
use levee_journal::{Kind, OpenError, OwnedRecord, SnapshotHead, SnapshotReader, Snapshots};

use crate::memory::ready_chunk;
use crate::snapshots::REST_TAG;
use crate::{SnapshotTrouble, StartError};

/// Records that are decoded ahead of the one that is applied.
const RECORDS_AHEAD: usize = 4;

/// As in the sequencer: how far ahead memory is brought near.
const INDEX_AHEAD: usize = 24;
const FOUND_AHEAD: usize = 10;

/// Replays records on top of a state, which is empty or a snapshot's.
///
/// # Errors
/// The first record that cannot be read, or the first outcome that differs.
pub fn replay(
    records: impl Iterator<Item = Result<OwnedRecord, OpenError>> + Send,
    state: State,
    vitals: &Vitals,
) -> Result<State, StartError> {
    let after_seq = state.last_seq();
    // Reading and decoding on one thread, deciding on another.
    let (to_apply, decoded) = sync_channel(RECORDS_AHEAD);
    thread::scope(|scope| {
        let decoder = thread::Builder::new().name("levee-decode".into());
        let decoder = decoder.spawn_scoped(scope, move || {
            for record in records {
                // Whoever applies is gone after an error of its own.
                let Some(batch) = decode(record, after_seq).transpose() else { continue };
                let is_last = batch.is_err();
                if to_apply.send(batch).is_err() || is_last {
                    return;
                }
            }
        });
        decoder.map_err(|cause| StartError::File { path: "thread decode".into(), cause })?;
        let applied = apply_all(&decoded, state, vitals);
        // After an error the other thread must not wait for room.
        drop(decoded);
        applied
    })
}

/// The commands of one record, with what came of them.
struct Decoded {
    first_seq: u64,
    time_ms: u64,
    rules_version: u16,
    entries: Vec<(Command, Outcome)>,
}

fn decode(
    record: Result<OwnedRecord, OpenError>,
    after_seq: u64,
) -> Result<Option<Decoded>, StartError> {
    let record = record?;
    let last_seq = record.first_seq + u64::from(record.count);
    if record.kind != Kind::Batch || last_seq <= after_seq + 1 {
        return Ok(None);
    }
    let OwnedRecord { first_seq, time_ms, .. } = record;
    let payload = |cause| StartError::Payload { first_seq, cause };
    let batch = BatchReader::new(&record.payload).map_err(payload)?;
    let rules_version = batch.rules_version();
    let mut entries = Vec::with_capacity(record.count as usize);
    for entry in batch {
        entries.push(entry.map_err(payload)?);
    }
    Ok(Some(Decoded { first_seq, time_ms, rules_version, entries }))
}

fn apply_all(
    decoded: &Receiver<Result<Decoded, StartError>>,
    mut state: State,
    vitals: &Vitals,
) -> Result<State, StartError> {
    while let Ok(batch) = decoded.recv() {
        let batch = batch?;
        if batch.rules_version != state.rules_version() {
            return Err(StartError::Rules {
                seq: batch.first_seq,
                recorded: batch.rules_version,
                active: state.rules_version(),
            });
        }
        apply_again(&mut state, &batch)?;
        vitals.replayed.fetch_add(batch.entries.len() as u64, Relaxed);
    }
    Ok(state)
}

fn apply_again(state: &mut State, batch: &Decoded) -> Result<(), StartError> {
    let entries = &batch.entries;
    let differs = |seq, recorded: &Outcome, replayed: String| {
        Err(StartError::Differs { seq, recorded: format!("{recorded:?}"), replayed })
    };
    if state.last_seq() + 1 != batch.first_seq {
        // The journal's own checks, and the way in which a snapshot is chosen, exclude it.
        return Err(StartError::Gap { seq: batch.first_seq, expected: state.last_seq() + 1 });
    }
    entries.iter().take(INDEX_AHEAD).for_each(|(command, _)| state.prefetch(command));
    let current = Cell::new(0);
    // The state is given up after a panic: nothing can see it half-changed.
    let applied = catch_unwind(AssertUnwindSafe(|| {
        for (place, (command, outcome)) in entries.iter().enumerate() {
            current.set(place);
            if let Some((ahead, _)) = entries.get(place + INDEX_AHEAD) {
                state.prefetch(ahead);
            }
            if let Some((ahead, _)) = entries.get(place + FOUND_AHEAD) {
                state.prefetch_records(ahead);
            }
            let seq = state.last_seq() + 1;
            match state.apply(batch.time_ms, seq, command) {
                Verdict::Done(replayed) if replayed == *outcome => {}
                verdict => return differs(seq, outcome, format!("{verdict:?}")),
            }
        }
        Ok(())
    }));
    applied.unwrap_or_else(|_| {
        let place = current.get();
        let seq = batch.first_seq + place as u64;
        differs(seq, &entries[place].1, "a broken invariant".to_owned())
    })
}

/// The newest snapshot that is whole and of this build, with the state in it. Those that are not are
/// named and passed over.
///
/// # Errors
/// The folder cannot be listed.
pub fn newest_snapshot(
    snapshots: &Snapshots,
    book: RuleBook,
    vitals: &Vitals,
) -> Result<Option<(SnapshotHead, State)>, StartError> {
    for last_seq in snapshots.list()? {
        vitals.restored_bytes.store(0, Relaxed);
        match restore(snapshots, last_seq, book, vitals) {
            Ok(found) => {
                vitals.snapshot_seq.store(last_seq, Relaxed);
                vitals.snapshot_bytes.store(snapshots.bytes(last_seq)?, Relaxed);
                return Ok(Some(found));
            }
            Err(error) => {
                tracing::warn!(
                    seq = last_seq,
                    %error,
                    "a snapshot cannot be used; going on with the one before it, or the journal alone"
                );
            }
        }
    }
    vitals.restore_bytes.store(0, Relaxed);
    Ok(None)
}

fn restore(
    snapshots: &Snapshots,
    last_seq: u64,
    book: RuleBook,
    vitals: &Vitals,
) -> Result<(SnapshotHead, State), SnapshotTrouble> {
    let bytes = snapshots.bytes(last_seq)?;
    vitals.restore_bytes.store(bytes, Relaxed);
    let mut reader = snapshots.open(last_seq)?;
    let head = reader.head().clone();
    // Checksums tell damage, not a fault of whoever wrote it; that must not stop a start.
    let read = || read_state(&mut reader, empty_state(book), bytes, vitals);
    let state = catch_unwind(AssertUnwindSafe(read)).unwrap_or(Err(SnapshotTrouble::Contents))?;
    if state.last_seq() != last_seq || state.last_ms() != head.time_ms {
        return Err(SnapshotTrouble::Order);
    }
    Ok((head, state))
}

/// A state without anything, whose memory is made ready before it is used.
pub(crate) fn empty_state(book: RuleBook) -> State {
    let mut state = State::new(book);
    state.make_chunks_with(ready_chunk);
    state
}

fn read_state(
    reader: &mut SnapshotReader,
    state: State,
    bytes_max: u64,
    vitals: &Vitals,
) -> Result<State, SnapshotTrouble> {
    let mut rest = Vec::new();
    let mut empty = Some(state);
    let mut restore = None;
    while let Some(block) = reader.next_block()? {
        vitals.restored_bytes.fetch_add(block.payload.len() as u64, Relaxed);
        if block.tag == REST_TAG {
            rest.extend_from_slice(block.payload);
            continue;
        }
        // The rest stands before all pages.
        if let Some(state) = empty.take() {
            restore = Some(Restore::new(state, &rest, bytes_max)?);
        }
        let restore = restore.as_mut().ok_or(SnapshotTrouble::Order)?;
        let table = u8::try_from(block.tag).map_err(|_| SnapshotTrouble::Order)?;
        let (first, bytes) = block.payload.split_first_chunk().ok_or(SnapshotTrouble::Order)?;
        restore.put(table, u32::from_le_bytes(*first), bytes)?;
    }
    let restore = match (restore, empty) {
        (Some(restore), _) => restore,
        // Without users there are no pages.
        (None, Some(state)) => Restore::new(state, &rest, bytes_max)?,
        (None, None) => return Err(SnapshotTrouble::Order),
    };
    Ok(restore.finish()?)
}
