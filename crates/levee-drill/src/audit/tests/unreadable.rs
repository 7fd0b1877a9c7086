//! Journals that cannot be read to their end, or not from their beginning.

use std::fs;
use std::path::PathBuf;

use super::super::AuditError;
use super::*;

/// Where a record stands in the first segment: behind the header and the genesis, one sector each
/// as long as commands are small.
const SECTOR: usize = 512;

fn journal() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    clean_story().write(dir.path());
    let first = dir.path().join("journal/0000000001.seg");
    (dir, first)
}

fn places(segment: &[u8]) -> Vec<usize> {
    let magic = [0xFE, b'L', b'V', 0xFF];
    (SECTOR..segment.len())
        .step_by(SECTOR)
        .filter(|at| segment[*at..].starts_with(&magic))
        .collect()
}

#[test]
fn damage_in_the_middle_is_named() {
    let (dir, file) = journal();
    let mut bytes = fs::read(&file).unwrap();
    let damaged = places(&bytes)[5];
    bytes[damaged + 60] ^= 1;
    fs::write(&file, bytes).unwrap();
    let error = audit(dir.path(), &mut |_| {}).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, AuditError::Journal(_)));
    assert!(text.contains("0000000001.seg") && text.contains(&damaged.to_string()), "{text}");
}

#[test]
fn a_torn_tail_is_no_difference() {
    let (dir, file) = journal();
    let mut bytes = fs::read(&file).unwrap();
    let last = *places(&bytes).last().unwrap();
    bytes[last + 30] ^= 1;
    fs::write(&file, bytes).unwrap();
    let report = audit(dir.path(), &mut |_| {}).unwrap();
    assert!(report.ok && !report.closed_cleanly);
    assert_eq!(report.torn_tail.unwrap().offset, last as u64);
    assert_eq!(report.last_seq, 22);
}

#[test]
fn nothing_there() {
    let dir = tempfile::tempdir().unwrap();
    let error = audit(dir.path(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, AuditError::Journal(_)), "{error}");
}

#[test]
fn bytes_that_are_no_commands() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { segment_bytes: 64 * 1024, reserve_bytes: 0, quota_bytes: None };
    let mut journal = FileJournal::create(dir.path(), options, [7; 16], b"", 1).unwrap();
    let mut buffer = RecordBuffer::new();
    put_batch_start(1, &mut Vec::new());
    buffer.extend_from_slice(&[CODEC_VERSION, 1, 255]);
    journal.append(BatchHead { first_seq: 1, count: 1, time_ms: 2 }, &mut buffer).unwrap();
    drop(journal);
    let error = audit(dir.path(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, AuditError::Undecodable { first_seq: 1, .. }), "{error}");
}

#[test]
fn records_that_only_move_time_on() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { segment_bytes: 64 * 1024, reserve_bytes: 0, quota_bytes: None };
    let mut journal = FileJournal::create(dir.path(), options, [7; 16], b"", 1).unwrap();
    let head = BatchHead { first_seq: 1, count: 0, time_ms: 2 };
    journal.append(head, &mut RecordBuffer::new()).unwrap();
    drop(journal);
    let report = audit(dir.path(), &mut |_| {}).unwrap();
    assert!(report.ok);
    assert_eq!((report.records, report.commands, report.last_seq), (2, 0, 0));
}

#[test]
fn the_first_segments_are_gone() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { segment_bytes: 64 * 1024, reserve_bytes: 0, quota_bytes: None };
    let mut journal = FileJournal::create(dir.path(), options, [7; 16], b"", 1).unwrap();
    let (command, outcome) = tick(&[], &[], &[]);
    for seq in 1..=300 {
        let mut payload = Vec::new();
        put_batch_start(1, &mut payload);
        put_entry(&command, &outcome, &mut payload);
        let mut buffer = RecordBuffer::new();
        buffer.extend_from_slice(&payload);
        journal.append(BatchHead { first_seq: seq, count: 1, time_ms: 2 }, &mut buffer).unwrap();
    }
    assert!(journal.trimmer().truncate_before(300).unwrap() > 0);
    drop(journal);
    let report = audit(dir.path(), &mut |_| {}).unwrap();
    assert!(report.ok && report.last_seq == 300, "the archive is read as well");
    fs::remove_dir_all(dir.path().join("archive")).unwrap();
    let error = audit(dir.path(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, AuditError::NotFromGenesis { .. }), "{error}");
}

/// A journal of more commands than any chunk holds, several a record; the last record is `bad`.
fn long_journal(dir: &Path, bad: &[u8]) -> u64 {
    const RECORDS: u32 = 40;
    const IN_RECORD: u32 = 50;
    let options = Options { segment_bytes: 256 * 1024, reserve_bytes: 0, quota_bytes: None };
    let mut journal = FileJournal::create(dir, options, [7; 16], b"", 1).unwrap();
    let (command, outcome) = tick(&[], &[], &[]);
    let mut first_seq = 1;
    for record in 0..=RECORDS {
        let mut payload = Vec::new();
        put_batch_start(1, &mut payload);
        (0..IN_RECORD).for_each(|_| put_entry(&command, &outcome, &mut payload));
        if record == RECORDS {
            payload.extend_from_slice(bad);
        }
        let mut buffer = RecordBuffer::new();
        buffer.extend_from_slice(&payload);
        let head = BatchHead { first_seq, count: IN_RECORD, time_ms: 2 };
        journal.append(head, &mut buffer).unwrap();
        first_seq += u64::from(IN_RECORD);
    }
    first_seq - 1
}

#[test]
fn everything_before_a_bad_place_is_shown() {
    // What is wrong, and the commands before it: those of the bad record count, too.
    let dir = tempfile::tempdir().unwrap();
    let commands = long_journal(dir.path(), &[255]);
    let mut seen = Vec::new();
    let error = audit(dir.path(), &mut |fact| seen.push(fact.seq)).unwrap_err();
    let first = commands - 49;
    assert!(matches!(error, AuditError::Undecodable { first_seq, .. } if first_seq == first));
    assert!(seen.iter().copied().eq(1..=commands), "{} of {commands}", seen.len());

    let dir = tempfile::tempdir().unwrap();
    let commands = long_journal(dir.path(), &[]);
    let file = dir.path().join("journal/0000000001.seg");
    let mut bytes = fs::read(&file).unwrap();
    let damaged = places(&bytes)[31];
    bytes[damaged + 60] ^= 1;
    fs::write(&file, bytes).unwrap();
    seen.clear();
    let error = audit(dir.path(), &mut |fact| seen.push(fact.seq)).unwrap_err();
    assert!(matches!(error, AuditError::Journal(_)), "{error}");
    // The genesis is the first record, so 30 with commands stand before the 32nd.
    assert!(seen.iter().copied().eq(1..=30 * 50), "{} of {commands}", seen.len());
}

#[test]
#[should_panic(expected = "enough seen")]
fn a_visitor_may_panic() {
    let dir = tempfile::tempdir().unwrap();
    long_journal(dir.path(), &[]);
    let _ = audit(dir.path(), &mut |fact| assert!(fact.seq < 700, "enough seen"));
}
