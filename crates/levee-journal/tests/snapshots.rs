//! Snapshots in good order and damaged: written, listed, read back, pruned; every byte flipped and
//! every cut refused.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{INSTALLATION, names, payload};
use levee_journal::{
    BLOCK_BYTES_MAX, KeptSnapshots, SnapshotError, SnapshotHead, SnapshotReader, SnapshotWriter,
    Snapshots,
};
use tempfile::tempdir;

fn head(last_seq: u64) -> SnapshotHead {
    SnapshotHead {
        installation: INSTALLATION,
        last_seq,
        time_ms: 1_000 + last_seq,
        genesis: b"what the journal began with".to_vec(),
    }
}

/// Tag and length of the blocks.
type Shape = [(u32, usize)];

fn put(writer: &mut SnapshotWriter, shape: &Shape) {
    for (tag, len) in shape {
        let bytes = payload(u64::from(*tag), *len);
        // Gathered from pieces of uneven length, one of them empty.
        let (first, rest) = bytes.split_at(len / 3);
        writer.block(*tag, &[first, &[], rest]).unwrap();
    }
}

fn write(snapshots: &Snapshots, last_seq: u64, shape: &Shape) -> u64 {
    let mut writer = snapshots.create(&head(last_seq), 4_096, 0).unwrap();
    put(&mut writer, shape);
    writer.finish().unwrap()
}

fn read(mut reader: SnapshotReader) -> Result<Vec<(u32, Vec<u8>)>, SnapshotError> {
    let mut blocks = Vec::new();
    while let Some(block) = reader.next_block()? {
        blocks.push((block.tag, block.payload.to_vec()));
    }
    assert!(reader.next_block().unwrap().is_none());
    Ok(blocks)
}

fn path(dir: &Path, last_seq: u64) -> PathBuf {
    dir.join(format!("snapshots/{last_seq:020}.snap"))
}

#[test]
fn what_is_written_is_read_again() {
    let dir = tempdir().unwrap();
    let snapshots = Snapshots::new(dir.path());
    assert!(snapshots.list().unwrap().is_empty());
    snapshots.clear_unfinished().unwrap();
    assert_eq!(snapshots.prune(&[]).unwrap(), 0);
    let large: Vec<(u32, usize)> = (1..40).map(|tag| (tag, 256 * 1024)).collect();
    let shapes: [&Shape; 5] = [
        &[],
        &[(7, 0)],
        &[(1, 1), (1, 100), (u32::MAX, 3)],
        &[(1, BLOCK_BYTES_MAX), (2, 0), (3, BLOCK_BYTES_MAX), (4, 999)],
        &large,
    ];
    for (last_seq, shape) in (0..).zip(shapes) {
        let bytes = write(&snapshots, last_seq, shape);
        assert_eq!(fs::metadata(path(dir.path(), last_seq)).unwrap().len(), bytes);
        assert_eq!(snapshots.bytes(last_seq).unwrap(), bytes);
        assert_eq!(snapshots.verify(last_seq).unwrap(), head(last_seq));
        let reader = snapshots.open(last_seq).unwrap();
        assert_eq!(*reader.head(), head(last_seq));
        let expected: Vec<(u32, Vec<u8>)> =
            shape.iter().map(|(tag, len)| (*tag, payload(u64::from(*tag), *len))).collect();
        assert!(read(reader).unwrap() == expected, "snapshot {last_seq}");
    }
    assert_eq!(snapshots.list().unwrap(), [4, 3, 2, 1, 0]);
}

#[test]
fn only_finished_snapshots_are_there() {
    let dir = tempdir().unwrap();
    let snapshots = Snapshots::new(dir.path());
    let folder = dir.path().join("snapshots");
    let mut writer = snapshots.create(&head(5), 1 << 20, 0).unwrap();
    put(&mut writer, &[(1, 300_000)]);
    assert_eq!(names(&folder), ["00000000000000000005.snap.tmp"]);
    assert!(snapshots.list().unwrap().is_empty());
    for result in [snapshots.verify(5).map(|_| ()), snapshots.bytes(5).map(|_| ())] {
        assert!(matches!(result, Err(SnapshotError::NotFound { .. })));
    }
    drop(writer);
    assert!(names(&folder).is_empty());

    // One that is taken again replaces the first when it is finished, not before.
    let small = write(&snapshots, 5, &[(1, 10)]);
    let mut writer = snapshots.create(&head(5), 0, 0).unwrap();
    put(&mut writer, &[(1, 10), (2, 20)]);
    let written = writer.written_bytes();
    assert_eq!(snapshots.bytes(5).unwrap(), small);
    assert!(writer.finish().unwrap() > written);
    assert!(snapshots.bytes(5).unwrap() > small);
    assert_eq!(names(&folder), ["00000000000000000005.snap"]);
}

#[test]
fn the_others_and_the_unfinished_are_deleted() {
    let dir = tempdir().unwrap();
    let snapshots = Snapshots::new(dir.path());
    for last_seq in [9, 10, 1_000] {
        write(&snapshots, last_seq, &[(1, 10)]);
    }
    for name in ["00000000000000000001.snap.tmp", "notes.snap", "5.snap"] {
        fs::write(dir.path().join("snapshots").join(name), b"half").unwrap();
    }
    for (kept, pruned, left) in [
        (&[9, 10, 11, 1_000][..], 0, vec![1_000, 10, 9]),
        (&[1_000, 9], 1, vec![1_000, 9]),
        (&[], 2, vec![]),
    ] {
        assert_eq!(snapshots.prune(kept).unwrap(), pruned);
        assert_eq!(snapshots.list().unwrap(), left);
    }
    assert_eq!(names(&dir.path().join("snapshots")).len(), 3);
    snapshots.clear_unfinished().unwrap();
    assert_eq!(names(&dir.path().join("snapshots")), ["5.snap", "notes.snap"]);
}

#[test]
fn what_a_reader_would_not_take_is_refused() {
    let dir = tempdir().unwrap();
    let snapshots = Snapshots::new(dir.path());
    let genesis = vec![0; 1024 * 1024 + 1];
    let error = snapshots.create(&SnapshotHead { genesis, ..head(1) }, 0, 0).unwrap_err();
    assert!(matches!(error, SnapshotError::GenesisTooLarge { .. }), "{error}");
    let mut writer = snapshots.create(&head(1), 0, 0).unwrap();
    let half = vec![0; BLOCK_BYTES_MAX / 2];
    let error = writer.block(1, &[&half, &half, &[0]]).unwrap_err();
    assert!(matches!(error, SnapshotError::BlockTooLarge { .. }), "{error}");
    // It can go on.
    writer.block(1, &[&half, &half]).unwrap();
    writer.finish().unwrap();
    assert_eq!(read(snapshots.open(1).unwrap()).unwrap().len(), 1);
}

/// Verifies a changed file; it must be refused, whatever the change.
#[track_caller]
fn check_refused(snapshots: &Snapshots, file: &Path, bytes: &[u8], what: &str) {
    fs::write(file, bytes).unwrap();
    match snapshots.verify(3).unwrap_err() {
        SnapshotError::Damaged { file: named, offset, .. } => {
            assert!(named == file && offset <= bytes.len() as u64, "{what}");
        }
        SnapshotError::UnknownVersion { version, .. } => assert_ne!(version, 1, "{what}"),
        error => panic!("{what}: {error}"),
    }
}

#[test]
fn every_byte_flipped_and_every_cut() {
    let dir = tempdir().unwrap();
    let snapshots = Snapshots::new(dir.path());
    write(&snapshots, 3, &[(1, 700), (2, 0), (3, 300)]);
    let file = path(dir.path(), 3);
    let original = fs::read(&file).unwrap();
    for at in 0..original.len() {
        let mut bytes = original.clone();
        bytes[at] ^= 1 << (at % 8);
        check_refused(&snapshots, &file, &bytes, &format!("byte {at} flipped"));
        check_refused(&snapshots, &file, &original[..at], &format!("cut to {at} bytes"));
        let mut bytes = original.clone();
        bytes[at..].fill(0);
        if bytes != original {
            check_refused(&snapshots, &file, &bytes, &format!("zero from {at}"));
        }
    }
    check_refused(&snapshots, &file, &[&original[..], &[0]].concat(), "a byte more");
}

#[test]
fn only_what_was_read_back_is_kept() {
    let dir = tempdir().unwrap();
    let snapshots = Snapshots::new(dir.path());
    let all = [1, 2, 3, 4];
    for seq in all {
        write(&snapshots, seq, &[(1, 10)]);
    }
    let mut kept = KeptSnapshots::new(snapshots.clone(), Some(2));
    assert_eq!(kept.clear_away().unwrap(), None);
    assert_eq!(snapshots.list().unwrap(), [4, 3, 2, 1], "of the others nothing is known");

    write(&snapshots, 5, &[(1, 10)]);
    let file = path(dir.path(), 5);
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    assert!(matches!(kept.admit(5), Err(SnapshotError::Damaged { .. })));
    assert!(!file.exists(), "retries do not pile up");
    assert_eq!(kept.clear_away().unwrap(), None);
    assert_eq!(snapshots.list().unwrap(), [4, 3, 2, 1], "it replaces nothing");

    write(&snapshots, 6, &[(1, 10)]);
    kept.admit(6).unwrap();
    assert_eq!(kept.clear_away().unwrap(), Some(3));
    assert_eq!(snapshots.list().unwrap(), [6, 2], "the two that were seen to be good");
    write(&snapshots, 7, &[(1, 10)]);
    kept.admit(7).unwrap();
    assert_eq!(kept.clear_away().unwrap(), Some(7));
    assert_eq!(snapshots.list().unwrap(), [7, 6]);
}

#[test]
fn a_snapshot_leaves_the_journal_its_room() {
    let dir = tempdir().unwrap();
    let snapshots = Snapshots::new(dir.path());
    for (expected, left) in [(1 << 60, 0), (0, 1 << 60), (u64::MAX, u64::MAX)] {
        let refused = snapshots.create(&head(5), expected, left);
        assert!(matches!(refused, Err(SnapshotError::NoSpace { .. })), "{refused:?}");
    }
    assert!(names(&dir.path().join("snapshots")).is_empty());
}

/// Each block is whole, and stands where it does not belong.
#[test]
fn blocks_in_the_wrong_place_are_refused() {
    let dir = tempdir().unwrap();
    let snapshots = Snapshots::new(dir.path());
    let shape: &Shape = &[(1, 468), (2, 468), (3, 468)];
    write(&snapshots, 3, shape);
    write(&snapshots, 4, shape);
    let (file, other) = (path(dir.path(), 3), path(dir.path(), 4));
    let (original, other) = (fs::read(&file).unwrap(), fs::read(other).unwrap());
    // Blocks of 500 bytes follow the head.
    let begin = original.len() - 48 - 3 * 500;
    let block = |ordinal: usize| begin + ordinal * 500..begin + (ordinal + 1) * 500;
    let cases = [
        ("one missing", [&original[..block(1).start], &original[block(2).start..]].concat()),
        (
            "two exchanged",
            [
                &original[..block(0).start],
                &original[block(1)],
                &original[block(0)],
                &original[block(2).start..],
            ]
            .concat(),
        ),
        (
            "another snapshot's",
            [&original[..block(1).start], &other[block(1)], &original[block(2).start..]].concat(),
        ),
        ("another snapshot's end", [&original[..block(2).end], &other[block(2).end..]].concat()),
        ("another snapshot", other.clone()),
        ("no end", original[..block(2).end].to_vec()),
    ];
    for (what, bytes) in cases {
        check_refused(&snapshots, &file, &bytes, what);
    }
    fs::write(&file, &original).unwrap();
    assert_eq!(snapshots.verify(3).unwrap(), head(3));
}
