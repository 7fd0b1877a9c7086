//! A journal in good order, written: appends, one writer at a time, spares, space that
//! runs out and comes back.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

mod common;

use common::{
    GENESIS, INSTALLATION, SEGMENT, append, append_up_to, create, names, options,
    options_with_segments, payload, read,
};
use levee_journal::{
    AppendError, BatchHead, FileJournal, Kind, Log, OpenError, Options, RecordBuffer, record_bytes,
};
use tempfile::tempdir;

#[test]
fn what_is_appended_is_read_again() {
    let dir = tempdir().unwrap();
    assert!(!FileJournal::exists(dir.path()));
    let mut journal = create(dir.path(), options());
    assert!(FileJournal::exists(dir.path()));
    // First sequence number, count, length.
    let batches = [(1, 1, 0), (2, 5, 464), (7, 0, 465), (7, 1_000, 20_000), (1_007, 1, 1)];
    for (first_seq, count, len) in batches {
        let durable = append(&mut journal, first_seq, count, len).unwrap();
        assert_eq!(durable, first_seq + u64::from(count) - 1);
        assert_eq!(journal.durable().get(), durable);
    }
    journal.close(9_000).unwrap();
    assert!(matches!(append(&mut journal, 1_008, 1, 1), Err(AppendError::Closed)));
    drop(journal);

    let records = read(dir.path()).unwrap();
    assert_eq!(records.len(), batches.len() + 2);
    assert_eq!((records[0].kind, records[0].payload.as_slice()), (Kind::Genesis, GENESIS));
    for (record, (first_seq, count, len)) in records[1..].iter().zip(batches) {
        assert_eq!((record.kind, record.first_seq, record.count), (Kind::Batch, first_seq, count));
        assert_eq!(record.time_ms, 1_000 + first_seq);
        assert_eq!(record.payload, payload(first_seq, len));
    }
    let closed = records.last().unwrap();
    assert_eq!((closed.kind, closed.first_seq, closed.time_ms), (Kind::Closed, 1_008, 9_000));

    let (mut journal, recovered) = FileJournal::open(dir.path(), options()).unwrap();
    assert_eq!(recovered.installation, INSTALLATION);
    assert_eq!(recovered.genesis.as_deref(), Some(GENESIS));
    assert_eq!((recovered.first_seq, recovered.last_seq), (1, 1_007));
    assert_eq!((recovered.last_time_ms, recovered.closed_cleanly), (9_000, true));
    assert_eq!(recovered.torn, None);

    let mut buffer = RecordBuffer::new();
    let head = BatchHead { first_seq: 1_008, count: 1, time_ms: 9_000 };
    assert_eq!(journal.append(head, &mut buffer).unwrap(), 1_008);
    drop(journal);
    let (_, recovered) = FileJournal::open(dir.path(), options()).unwrap();
    assert_eq!((recovered.last_seq, recovered.closed_cleanly), (1_008, false));
}

#[test]
fn what_does_not_follow_is_refused_and_leaves_no_trace() {
    let dir = tempdir().unwrap();
    let mut journal = create(dir.path(), options());
    append_up_to(&mut journal, 3, 100);
    let payload_bytes_max = usize::try_from(journal.payload_bytes_max()).unwrap();
    let mut check = |first_seq, count, time_ms, len, expected: &str| {
        let mut buffer = RecordBuffer::new();
        buffer.extend_from_slice(&vec![7; len]);
        let head = BatchHead { first_seq, count, time_ms };
        let error = journal.append(head, &mut buffer).unwrap_err();
        assert!(format!("{error:?}").starts_with(expected), "{error:?}");
        assert_eq!(buffer.len(), len);
    };
    check(3, 1, 2_000, 1, "OutOfOrder { expected: 4, got: 3 }");
    check(5, 1, 2_000, 1, "OutOfOrder { expected: 4, got: 5 }");
    check(4, 1, 1_002, 1, "TimeWentBack { last_ms: 1003, got_ms: 1002 }");
    check(4, 1, 2_000, payload_bytes_max + 1, "TooLarge { bytes: 65536, bytes_max: 65024 }");
    append(&mut journal, 4, 1, payload_bytes_max).unwrap();
    drop(journal);
    assert_eq!(read(dir.path()).unwrap().len(), 5);
}

#[test]
fn options_are_checked() {
    let dir = tempdir().unwrap();
    for segment_bytes in [0, 60 * 1024, 64 * 1024 + 512, 2 << 30, u64::MAX] {
        let options = Options { segment_bytes, ..options() };
        let error = FileJournal::create(dir.path(), options, INSTALLATION, GENESIS, 0).unwrap_err();
        assert!(matches!(error, OpenError::Options { .. }), "{segment_bytes}: {error}");
    }
}

#[test]
fn a_journal_is_created_once() {
    let dir = tempdir().unwrap();
    let open = FileJournal::open(dir.path(), options()).unwrap_err();
    assert!(matches!(open, OpenError::NotCreated { .. }), "{open}");
    assert!(matches!(read(dir.path()), Err(OpenError::NotCreated { .. })));
    drop(create(dir.path(), options()));
    let again = FileJournal::create(dir.path(), options(), INSTALLATION, b"other", 0).unwrap_err();
    assert!(matches!(again, OpenError::AlreadyCreated { .. }), "{again}");
    assert_eq!(read(dir.path()).unwrap()[0].payload, GENESIS);
}

#[test]
fn one_writer_at_a_time() {
    let dir = tempdir().unwrap();
    let journal = create(dir.path(), options());
    for result in [
        FileJournal::open(dir.path(), options()).map(|_| ()),
        FileJournal::create(dir.path(), options(), INSTALLATION, b"", 0).map(|_| ()),
    ] {
        let error = result.unwrap_err();
        assert!(matches!(error, OpenError::Locked { .. }), "{error}");
        assert!(error.to_string().contains("another server uses the data folder"));
    }
    drop(journal);
    FileJournal::open(dir.path(), options()).unwrap();
}

/// Not a test by itself: the other process of the next one.
#[test]
fn other_process() {
    if let Some(dir) = std::env::var_os("LEVEE_JOURNAL_TEST_DIR") {
        let error = open_error(dir.as_ref());
        assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    }
}

#[test]
fn one_writer_among_all_processes() {
    let dir = tempdir().unwrap();
    let _journal = create(dir.path(), options());
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "other_process"])
        .env("LEVEE_JOURNAL_TEST_DIR", dir.path())
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn spares_are_made_in_the_background() {
    let dir = tempdir().unwrap();
    let journal = create(dir.path(), options());
    let room = journal.room();
    // Two whole ones beside the rest of the first.
    while room.bytes(1) <= 2 * (SEGMENT - 512) {
        std::thread::yield_now();
    }
    let spares = ["0000000001.seg", "0000000002.seg", "0000000003.seg"];
    assert_eq!(names(&dir.path().join("journal")), spares);
    drop(journal);
    FileJournal::open(dir.path(), options()).unwrap();
    assert_eq!(names(&dir.path().join("journal")), spares);
}

#[test]
fn unfinished_segments_are_deleted() {
    let dir = tempdir().unwrap();
    drop(create(dir.path(), options_with_segments(1)));
    let unfinished = dir.path().join("journal/0000000002.seg.tmp");
    let foreign = dir.path().join("journal/notes.txt");
    for path in [&unfinished, &foreign] {
        std::fs::write(path, b"half").unwrap();
    }
    FileJournal::open(dir.path(), options_with_segments(1)).unwrap();
    assert_eq!(names(&dir.path().join("journal")), ["0000000001.seg", "notes.txt"]);
}

#[test]
fn a_quota_stops_appends_before_anything_is_written() {
    let dir = tempdir().unwrap();
    let mut journal = create(dir.path(), options_with_segments(3));
    let room = journal.room();
    let bytes = record_bytes(20_000);
    let mut next = 1;
    loop {
        let could = room.can_take(bytes, bytes);
        match append(&mut journal, next, 1, 20_000) {
            Ok(_) => next += 1,
            Err(AppendError::Full { bytes: asked, reason }) => {
                assert!(!could, "room was promised");
                assert_eq!(asked, bytes);
                assert!(reason.contains("quota"), "{reason}");
                break;
            }
            Err(error) => panic!("{error}"),
        }
    }
    // Three records in each of three segments.
    assert_eq!(next, 10);
    assert!(room.is_exhausted());
    assert_eq!(names(&dir.path().join("journal")).len(), 3);
    // A smaller one still fits in the rest.
    append(&mut journal, next, 1, 10).unwrap();

    // Space comes back while the journal is open.
    assert_eq!(journal.trimmer().truncate_before(4).unwrap(), 1);
    append(&mut journal, 11, 1, 20_000).unwrap();
    append_up_to(&mut journal, 13, 20_000);
    assert!(matches!(append(&mut journal, 14, 1, 20_000), Err(AppendError::Full { .. })));
    drop(journal);

    // Or with a larger quota.
    let (mut journal, recovered) = FileJournal::open(dir.path(), options_with_segments(4)).unwrap();
    assert_eq!(recovered.last_seq, 13);
    append_up_to(&mut journal, 16, 20_000);
    drop(journal);
    assert_eq!(read(dir.path()).unwrap().len(), 17);
}

#[test]
fn a_full_disk_refuses_a_new_journal() {
    let dir = tempdir().unwrap();
    for options in [
        Options { reserve_bytes: u64::MAX, ..options() },
        Options { quota_bytes: Some(SEGMENT - 1), ..options() },
    ] {
        let error = FileJournal::create(dir.path(), options, INSTALLATION, GENESIS, 0).unwrap_err();
        assert!(matches!(error, OpenError::NoSpace { .. }), "{error}");
        assert!(!FileJournal::exists(dir.path()));
    }
    drop(create(dir.path(), options()));
}

#[track_caller]
fn open_error(dir: &std::path::Path) -> OpenError {
    FileJournal::open(dir, options()).map(|_| ()).unwrap_err()
}
