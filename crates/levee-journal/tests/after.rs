//! Opening a journal behind a snapshot: what is verified, what is left alone, what is refused, and
//! that archiving goes on as if all had been read.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

mod common;

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use common::{
    GENESIS, INSTALLATION, SEGMENT, append, append_up_to, create, names, options,
    options_with_segments, segment,
};
use levee_journal::{FileJournal, Log, OpenError, Options, Recovered};
use tempfile::{TempDir, tempdir};

/// Sequence numbers 1 to 12, three to a segment: the genesis record leaves room for three too.
fn twelve() -> TempDir {
    let dir = tempdir().unwrap();
    append_up_to(&mut create(dir.path(), options()), 12, 20_000);
    dir
}

fn open_after(dir: &Path, seq: u64) -> Result<(FileJournal, Recovered), OpenError> {
    FileJournal::open_after(dir, options(), seq)
}

fn overwrite(path: PathBuf, offset: u64, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(bytes, offset).unwrap();
}

#[test]
fn only_what_follows_is_verified() {
    // The snapshot's last sequence number, the segment from which all is verified.
    let cases =
        [(0, 1), (1, 1), (2, 1), (3, 2), (4, 2), (5, 2), (6, 3), (8, 3), (9, 4), (11, 4), (12, 4)];
    for (seq, first) in cases {
        let dir = twelve();
        let check = |what: &str| {
            let (journal, recovered) = open_after(dir.path(), seq).unwrap();
            assert_eq!((recovered.installation, recovered.torn), (INSTALLATION, None), "{what}");
            assert_eq!(recovered.genesis.as_deref(), Some(GENESIS), "{what}");
            assert_eq!((recovered.first_seq, recovered.last_seq), (1, 12), "{what}");
            assert_eq!((recovered.last_time_ms, recovered.closed_cleanly), (1_012, false));
            assert_eq!(journal.durable().get(), 12);
            let following = journal.read_from(seq + 1).unwrap();
            let found: Vec<u64> = following.map(|record| record.unwrap().first_seq).collect();
            let expected = (seq + 1..=12).collect::<Vec<_>>();
            assert!(found.ends_with(&expected), "{what}: {found:?}");
        };
        check("sound");
        for ordinal in 1..first {
            overwrite(segment(dir.path(), ordinal), 30_000, &[1; 2_000]);
        }
        check("damaged before");
        overwrite(segment(dir.path(), first), 30_000, &[1; 2_000]);
        let error = open_after(dir.path(), seq).map(|_| ()).unwrap_err();
        let OpenError::Corrupt { file, .. } = &error else { panic!("after {seq}: {error}") };
        assert_eq!(*file, segment(dir.path(), first), "after {seq}");
    }
}

#[test]
fn a_journal_that_is_behind_is_refused_and_left_alone() {
    let dir = twelve();
    overwrite(segment(dir.path(), 4), SEGMENT - 600, b"torn");
    for seq in [13, 14, 1_000, u64::MAX] {
        let error = open_after(dir.path(), seq).map(|_| ()).unwrap_err();
        assert!(
            matches!(&error, OpenError::Behind { seq: seen, last_seq: 12, .. } if *seen == seq),
            "{error}"
        );
    }
    let (_, recovered) = open_after(dir.path(), 12).unwrap();
    assert!(recovered.torn.is_some(), "the torn tail was erased by a start that was refused");

    // A folder whose journal is lost, and not the snapshot, is none to begin a journal in.
    let dir = tempdir().unwrap();
    std::fs::create_dir(dir.path().join("journal")).unwrap();
    let error = open_after(dir.path(), 7).map(|_| ()).unwrap_err();
    assert!(matches!(error, OpenError::Behind { seq: 7, last_seq: 0, .. }), "{error}");
    let error = open_after(dir.path(), 0).map(|_| ()).unwrap_err();
    assert!(matches!(error, OpenError::NotCreated { .. }), "{error}");
}

#[test]
fn archived_segments_may_be_gone_if_the_snapshot_has_what_was_in_them() {
    let dir = twelve();
    let (journal, _) = open_after(dir.path(), 7).unwrap();
    assert_eq!(journal.trimmer().truncate_before(8).unwrap(), 2);
    drop(journal);
    for name in names(&dir.path().join("archive")) {
        std::fs::remove_file(dir.path().join("archive").join(name)).unwrap();
    }
    for seq in [6, 7, 12] {
        let (_, recovered) = open_after(dir.path(), seq).unwrap();
        assert_eq!((recovered.genesis, recovered.first_seq, recovered.last_seq), (None, 7, 12));
    }
    for seq in [0, 1, 5] {
        let error = open_after(dir.path(), seq).map(|_| ()).unwrap_err();
        let expected = matches!(
            error,
            OpenError::Removed { seq: asked, first_seq: 7 } if asked == seq + 1
        );
        assert!(expected, "after {seq}: {error}");
    }
}

/// Though the segments before were not read, archiving knows where each of them ends.
#[test]
fn archiving_goes_on() {
    // Opened behind, truncated before, segments that move.
    for (seq, before, moved) in
        [(12, 3, 0), (12, 4, 1), (12, 9, 2), (12, 10, 3), (5, 6, 1), (5, 10, 3), (0, 10, 3)]
    {
        let dir = twelve();
        let (mut journal, _) = open_after(dir.path(), seq).unwrap();
        let trimmer = journal.trimmer();
        assert_eq!(trimmer.truncate_before(before).unwrap(), moved, "{seq}, {before}");
        assert_eq!(names(&dir.path().join("archive")).len(), moved);
        append_up_to(&mut journal, 16, 20_000);
        assert_eq!(trimmer.truncate_before(13).unwrap(), 4 - moved);
        // Of a journal that is gone nothing is moved: it may have another writer.
        drop(journal);
        assert_eq!(trimmer.truncate_before(99).unwrap(), 0);
        let (_, recovered) = open_after(dir.path(), 16).unwrap();
        assert_eq!((recovered.first_seq, recovered.last_seq), (1, 16));
    }
}

/// Spares of another size that no record fitted in are passed over; such a segment ends where the
/// one before it does.
#[test]
fn segments_without_records_are_archived_too() {
    let dir = tempdir().unwrap();
    let mut journal = create(dir.path(), options());
    let room = journal.room();
    while room.bytes(1) <= 2 * (SEGMENT - 512) {
        std::thread::yield_now();
    }
    append_up_to(&mut journal, 2, 20_000);
    drop(journal);
    let larger = Options { segment_bytes: 4 * SEGMENT, ..options() };
    let (mut journal, _) = FileJournal::open(dir.path(), larger).unwrap();
    append_up_to(&mut journal, 5, 100_000);
    drop(journal);
    // 1, 2 in the first; 2 and 3 are empty; 3, 4 in the fourth; 5 in the fifth.
    for (seq, before, moved) in [(5, 2, 0), (5, 3, 3), (5, 5, 4), (2, 3, 3)] {
        let copy = tempdir().unwrap();
        common::copy_dir(dir.path(), copy.path());
        let (journal, recovered) = FileJournal::open_after(copy.path(), larger, seq).unwrap();
        assert_eq!((recovered.first_seq, recovered.last_seq), (1, 5));
        assert_eq!(journal.trimmer().truncate_before(before).unwrap(), moved, "{seq}, {before}");
    }
}

/// Of the record that a crash interrupted any bytes may be there, also a number that is too small:
/// such a segment is no place to begin.
#[test]
fn a_torn_record_is_no_place_to_begin() {
    let dir = tempdir().unwrap();
    let mut journal = create(dir.path(), options_with_segments(2));
    append_up_to(&mut journal, 3, 20_000);
    append(&mut journal, 4, 1, 20_000).unwrap();
    drop(journal);
    // Record 4 begins segment 2. Its number reads 0, then as it was; its payload is not there.
    for number in [0_u64, 1, 3, 4] {
        let path = segment(dir.path(), 2);
        overwrite(path.clone(), 512 + 16, &number.to_le_bytes());
        overwrite(path.clone(), 2_048, &[0; 1_000]);
        for seq in [0, 2, 3] {
            let copy = tempdir().unwrap();
            common::copy_dir(dir.path(), copy.path());
            let options = options_with_segments(2);
            let (mut journal, recovered) =
                FileJournal::open_after(copy.path(), options, seq).unwrap();
            assert_eq!(recovered.last_seq, 3);
            assert!(recovered.torn.is_some());
            assert_eq!(journal.read_from(3).unwrap().count(), 1);
            append(&mut journal, 4, 1, 100).unwrap();
        }
    }
}

#[test]
fn the_genesis_record_is_verified_wherever_the_walk_begins() {
    let dir = twelve();
    let (journal, _) = open_after(dir.path(), 12).unwrap();
    journal.trimmer().truncate_before(12).unwrap();
    drop(journal);
    let first = dir.path().join("archive/0000000001.seg");
    let original = std::fs::read(&first).unwrap();
    let other = tempdir().unwrap();
    drop(FileJournal::create(other.path(), options(), [3; 16], b"another", 1).unwrap());
    let others = std::fs::read(segment(other.path(), 1)).unwrap();
    for (what, offset, bytes) in [
        ("its payload", 512 + 50, &b"x"[..]),
        ("its magic", 512, b"x"),
        ("its length", 512 + 11, &[0xFF]),
        ("the segment's header", 20, b"x"),
        ("another journal's", 0, &others),
    ] {
        overwrite(first.clone(), offset, bytes);
        let error = open_after(dir.path(), 12).map(|_| ()).unwrap_err();
        assert!(matches!(error, OpenError::Corrupt { .. }), "{what}: {error}");
        overwrite(first.clone(), 0, &original);
    }
    assert!(open_after(dir.path(), 12).is_ok());
}

/// The appender goes on while another thread archives behind it.
#[test]
fn archiving_on_another_thread() {
    let dir = tempdir().unwrap();
    let mut journal = create(dir.path(), options());
    let (trimmer, durable, last) = (journal.trimmer(), journal.durable(), 200);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while durable.get() < last {
                trimmer.truncate_before(durable.get() + 1).unwrap();
                std::thread::yield_now();
            }
        });
        append_up_to(&mut journal, last, 9_000);
    });
    drop(journal);
    let (_, recovered) = FileJournal::open(dir.path(), options()).unwrap();
    assert_eq!((recovered.first_seq, recovered.last_seq, recovered.torn), (1, last, None));
}
