//! Tests that need the inside of the crate: failed writes and syncs.

use tempfile::tempdir;

use crate::file::Fault;
use crate::{AppendError, BatchHead, FileJournal, Log, Options, RecordBuffer};

/// After a failed call nothing is taken any more, and what was acknowledged is all there.
#[track_caller]
fn check(fault: Fault, expected: &str, last_seq_after: u64) {
    let dir = tempdir().unwrap();
    let options = Options { segment_bytes: 64 * 1024, reserve_bytes: 0, quota_bytes: None };
    let mut journal = FileJournal::create(dir.path(), options, [7; 16], b"", 1).unwrap();
    let mut payload = RecordBuffer::new();
    payload.extend_from_slice(&[9; 1_000]);
    let head = |first_seq| BatchHead { first_seq, count: 1, time_ms: 1 };
    assert_eq!(journal.append(head(1), &mut payload).unwrap(), 1);

    journal.fault = Some(fault);
    let error = journal.append(head(2), &mut payload).unwrap_err();
    assert!(format!("{error:?}").starts_with(expected), "{error:?}");
    assert_eq!(journal.durable().get(), 1);
    for result in [journal.append(head(2), &mut payload).map(|_| ()), journal.close(2)] {
        assert!(matches!(result, Err(AppendError::Poisoned)));
    }
    assert_eq!(journal.durable().get(), 1);
    drop(journal);

    let (mut journal, recovered) = FileJournal::open(dir.path(), options).unwrap();
    assert_eq!(recovered.last_seq, last_seq_after);
    journal.append(head(last_seq_after + 1), &mut payload).unwrap();
}

#[test]
fn a_failed_write_poisons() {
    check(Fault::Write, "Write", 1);
}

/// The record was written, so a restart may find it; nobody was told that it is not there.
#[test]
fn a_failed_sync_poisons() {
    check(Fault::Sync, "Sync", 2);
}
