//! A journal in good order, read: from any place, across segments and the archive, while
//! it is written, and in old formats.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

mod common;

use common::{
    SEGMENT, append, append_up_to, create, names, options, options_with_segments, payload, read,
};
use levee_journal::{FileJournal, Follow, Kind, Log, OpenError, Options, Reader, first_kept_seq};
use tempfile::tempdir;

#[test]
fn segments_roll_over_and_are_read_from_anywhere() {
    let dir = tempdir().unwrap();
    let mut journal = create(dir.path(), options());
    // Three of them fill most of a segment; what the fourth would need stays zero.
    append_up_to(&mut journal, 40, 20_000);
    assert!(names(&dir.path().join("journal")).len() >= 14);
    for seq in [0, 1, 2, 3, 4, 20, 39, 40, 41, 1_000] {
        let found: Vec<u64> = journal
            .read_from(seq)
            .unwrap()
            .map(Result::unwrap)
            .filter(|record| record.kind == Kind::Batch)
            .map(|record| {
                assert_eq!(record.payload, payload(record.first_seq, 20_000));
                record.first_seq
            })
            .collect();
        assert_eq!(found, (seq.max(1)..=40).collect::<Vec<_>>(), "from {seq}");
    }
    // Records that come later are not part of it.
    let mut records = journal.read_from(39).unwrap();
    append(&mut journal, 41, 1, 20_000).unwrap();
    assert_eq!(records.by_ref().map(|record| record.unwrap().first_seq).last(), Some(40));
    drop(journal);
    let (_, recovered) = FileJournal::open(dir.path(), options()).unwrap();
    assert_eq!((recovered.last_seq, recovered.torn), (41, None));
}

#[test]
fn a_batch_is_found_by_each_of_its_commands() {
    let dir = tempdir().unwrap();
    let mut journal = create(dir.path(), options());
    for first_seq in [1, 11, 21] {
        append(&mut journal, first_seq, 10, 30_000).unwrap();
    }
    for seq in 11..=20 {
        let first = journal.read_from(seq).unwrap().next().unwrap().unwrap();
        assert_eq!(first.first_seq, 11, "from {seq}");
    }
    let bounded = |up_to| -> Vec<u64> {
        let reader = Reader::open(dir.path()).unwrap().up_to_seq(up_to);
        reader.map(|record| record.unwrap().first_seq).collect()
    };
    assert_eq!(bounded(0), [1]);
    assert_eq!(bounded(1), [1, 1]);
    assert_eq!(bounded(10), [1, 1]);
    assert_eq!(bounded(11), [1, 1, 11]);
    assert_eq!(bounded(99), [1, 1, 11, 21]);
}

#[test]
fn segments_of_other_sizes_stay_readable() {
    let dir = tempdir().unwrap();
    let mut journal = create(dir.path(), options());
    append_up_to(&mut journal, 5, 20_000);
    drop(journal);
    // Larger than the spares that are there, which are passed over.
    let larger = Options { segment_bytes: 4 * SEGMENT, ..options() };
    let (mut journal, _) = FileJournal::open(dir.path(), larger).unwrap();
    append_up_to(&mut journal, 8, 100_000);
    drop(journal);
    let (mut journal, recovered) = FileJournal::open(dir.path(), options()).unwrap();
    assert_eq!(recovered.last_seq, 8);
    append_up_to(&mut journal, 12, 60_000);
    drop(journal);
    assert_eq!(read(dir.path()).unwrap().len(), 13);
}

#[test]
fn archived_segments_are_read_too() {
    let dir = tempdir().unwrap();
    let mut journal = create(dir.path(), options());
    append_up_to(&mut journal, 12, 20_000);
    let (archive, current) = (dir.path().join("archive"), dir.path().join("journal"));
    // Sequence number, segments moved. The genesis record leaves room for three records still.
    for (seq, moved) in [(0, 0), (3, 0), (4, 1), (4, 0), (6, 0), (10, 2), (99, 0)] {
        assert_eq!(journal.trimmer().truncate_before(seq).unwrap(), moved, "before {seq}");
    }
    assert_eq!(names(&archive).len(), 3);
    assert_eq!(names(&current)[0], "0000000004.seg");
    assert_eq!(journal.read_from(2).unwrap().count(), 11);
    drop(journal);
    assert_eq!(read(dir.path()).unwrap().len(), 13);

    let (mut journal, recovered) = FileJournal::open(dir.path(), options()).unwrap();
    assert_eq!((recovered.first_seq, recovered.last_seq), (1, 12));
    append_up_to(&mut journal, 14, 20_000);
    drop(journal);

    // A gap is refused; deleting from the beginning is the operator's right.
    std::fs::rename(archive.join("0000000002.seg"), dir.path().join("aside")).unwrap();
    for error in [read(dir.path()).unwrap_err(), open_error(dir.path())] {
        assert!(matches!(error, OpenError::Missing { ordinal: 2, .. }), "{error}");
    }
    std::fs::remove_file(archive.join("0000000001.seg")).unwrap();
    let (journal, recovered) = FileJournal::open(dir.path(), options()).unwrap();
    assert_eq!((recovered.genesis, recovered.first_seq, recovered.last_seq), (None, 7, 14));
    assert_eq!(journal.read_from(7).unwrap().count(), 8);
    let error = journal.read_from(6).unwrap().next().unwrap().unwrap_err();
    assert!(matches!(error, OpenError::Removed { seq: 6, first_seq: 7 }), "{error}");
    assert!(FileJournal::exists(dir.path()));
}

/// An export reads what is durable while the server goes on, rolls over and archives.
#[test]
fn a_live_journal_is_read_from_another_thread() {
    let dir = tempdir().unwrap();
    let mut journal = create(dir.path(), options());
    let (durable, last) = (journal.durable(), 300);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut next = 1;
            while next <= last {
                // Before opening: what is durable now is in the files that are there then.
                let up_to = durable.get();
                let reader = Reader::open(dir.path()).unwrap().from_seq(next).unwrap();
                for record in reader.up_to_seq(up_to) {
                    let record = record.unwrap();
                    if record.kind == Kind::Batch && record.first_seq == next {
                        assert_eq!(record.payload, payload(next, 9_000));
                        next += 1;
                    }
                }
                assert!(next > up_to);
            }
        });
        for seq in 1..=last {
            append(&mut journal, seq, 1, 9_000).unwrap();
            if seq % 25 == 0 {
                journal.trimmer().truncate_before(seq).unwrap();
            }
        }
    });
}

/// A journal of format version 1 as it was written when that was the newest. It must stay
/// readable; a new format gets a new fixture beside it.
#[test]
fn the_fixture_of_version_1_is_read_and_written() {
    let fixture = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1");
    let write = |dir: &std::path::Path| {
        let mut journal = create(dir, options_with_segments(1));
        append(&mut journal, 1, 2, 700).unwrap();
        append(&mut journal, 3, 1, 0).unwrap();
        journal.close(2_000).unwrap();
    };
    let records = read(&fixture).unwrap();
    let heads: Vec<_> = records.iter().map(|record| (record.kind, record.first_seq)).collect();
    let expected = [(Kind::Genesis, 1), (Kind::Batch, 1), (Kind::Batch, 3), (Kind::Closed, 4)];
    assert_eq!(heads, expected);
    assert_eq!(records[1].payload, payload(1, 700));

    let dir = tempdir().unwrap();
    write(dir.path());
    let name = "journal/0000000001.seg";
    let (old, new) = (std::fs::read(fixture.join(name)), std::fs::read(dir.path().join(name)));
    assert!(old.unwrap() == new.unwrap(), "the format changed without a new version");
}

#[track_caller]
fn open_error(dir: &std::path::Path) -> OpenError {
    FileJournal::open(dir, options()).map(|_| ()).unwrap_err()
}

/// Everything that a place hands over up to a number, at most so many records.
fn followed(place: &mut Follow, up_to_seq: u64, most: usize) -> Result<Vec<u64>, OpenError> {
    let mut found = Vec::new();
    place.read(up_to_seq, |record| {
        assert_eq!(record.payload, payload(record.first_seq, record.payload.len()));
        found.push(record.first_seq);
        found.len() < most
    })?;
    Ok(found)
}

#[test]
fn a_place_is_read_on_from_while_the_journal_grows() {
    let dir = tempdir().unwrap();
    let mut journal = create(dir.path(), options());
    // Three a segment, each longer than a piece.
    append_up_to(&mut journal, 20, 20_000);
    for seq in [1, 2, 3, 4, 12, 20] {
        let mut place = Follow::open(dir.path(), seq).unwrap();
        let expected = (seq..=20).collect::<Vec<_>>();
        let (first, rest) = expected.split_at(expected.len().min(2));
        assert_eq!(followed(&mut place, 20, 2).unwrap(), first, "from {seq}");
        assert_eq!(followed(&mut place, 20, 100).unwrap(), rest, "from {seq}");
        assert_eq!(followed(&mut place, 20, 100).unwrap(), [] as [u64; 0], "from {seq}");
    }
    let mut places = [1, 21].map(|seq| Follow::open(dir.path(), seq).unwrap());
    assert_eq!(followed(&mut places[0], 10, 100).unwrap(), (1..=10).collect::<Vec<_>>());
    assert_eq!(followed(&mut places[1], 20, 100).unwrap(), [] as [u64; 0]);
    append_up_to(&mut journal, 22, 100);
    append(&mut journal, 23, 1, 55_000).unwrap();
    append_up_to(&mut journal, 25, 100);
    assert_eq!(followed(&mut places[0], 25, 100).unwrap(), (11..=25).collect::<Vec<_>>());
    assert_eq!(followed(&mut places[1], 25, 100).unwrap(), [21, 22, 23, 24, 25]);
}

#[test]
fn a_place_that_is_no_longer_kept_or_damaged_is_told() {
    let dir = tempdir().unwrap();
    append_up_to(&mut create(dir.path(), options()), 9, 20_000);
    let journal = dir.path().join("journal");
    let mut place = Follow::open(dir.path(), 1).unwrap();
    assert_eq!(followed(&mut place, 2, 100).unwrap(), [1, 2]);
    // A byte of the third record's payload.
    let file = common::segment(dir.path(), 1);
    let mut bytes = std::fs::read(&file).unwrap();
    let third = bytes.windows(9).position(|window| window == &payload(3, 20_000)[..9]).unwrap();
    bytes[third] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    for _ in 0..2 {
        let wrong = followed(&mut place, 9, 100).unwrap_err();
        assert!(matches!(wrong, OpenError::Corrupt { .. }), "{wrong}");
    }
    std::fs::remove_file(file).unwrap();
    assert!(names(&journal).len() > 1);
    let wrong = Follow::open(dir.path(), 2).and_then(|mut place| followed(&mut place, 9, 100));
    let Err(OpenError::Removed { seq: 2, first_seq }) = wrong else { panic!("{wrong:?}") };
    // What it names can be read, and is what the folder begins with.
    assert_eq!(first_kept_seq(dir.path()).unwrap(), Some(first_seq));
    let mut place = Follow::open(dir.path(), first_seq).unwrap();
    assert_eq!(followed(&mut place, 9, 1).unwrap(), [first_seq]);
}
