//! Damaged journals: every byte flipped, every cut, every torn append. Whatever happens to the
//! files, a journal opens with all records, or with all but the torn last one, or is refused by
//! file and offset.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

mod common;

use std::fs::{File, OpenOptions};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use common::sound::{Outcome, SECTOR, SEGMENTS, Sound, contents, options, refused, torn_place};
use common::{GENESIS, INSTALLATION, SEGMENT, create, read, segment};
use levee_journal::{FileJournal, OpenError};
use tempfile::tempdir;

/// All bytes of headers and records; of the zeros behind them one in 61, so that every place
/// within a sector has its turn.
#[test]
fn every_byte_flipped() {
    let sound = Sound::new();
    for ordinal in 1..=SEGMENTS {
        let file = sound.file(ordinal);
        let end = sound.end_of(ordinal);
        let zeros = (end..SEGMENT).step_by(61);
        for offset in (0..end).chain(zeros) {
            let mut byte = [0];
            file.read_exact_at(&mut byte, offset).unwrap();
            let flipped = byte[0] ^ (1 << (offset % 8));
            file.write_all_at(&[flipped], offset).unwrap();
            let expected = sound.expected(ordinal, offset);
            assert_eq!(sound.outcome(), expected, "segment {ordinal}, offset {offset}");
            if offset % 769 == 0 {
                sound.check_recovery(&expected);
            }
            file.write_all_at(&byte, offset).unwrap();
        }
    }
    assert_eq!(sound.outcome(), Outcome::Opens(sound.records.len(), None));
}

/// A crash never shortens a segment, so a shorter file is refused, however much it holds.
#[test]
fn every_cut() {
    let sound = Sound::new();
    for ordinal in 1..=SEGMENTS {
        let original = contents(segment(sound.path(), ordinal));
        let file = sound.file(ordinal);
        let end = sound.end_of(ordinal);
        // From the end, so that each cut shortens what the one before left.
        let mut lengths: Vec<u64> = (0..end).chain((end..SEGMENT).step_by(61)).collect();
        lengths.reverse();
        for len in lengths {
            file.set_len(len).unwrap();
            let outcome = sound.outcome();
            assert_eq!(outcome, Outcome::Refused(ordinal, len), "segment {ordinal}, {len} bytes");
        }
        file.write_all_at(&original, 0).unwrap();
        file.set_len(SEGMENT + 1).unwrap();
        assert_eq!(sound.outcome(), Outcome::Refused(ordinal, SEGMENT));
        file.set_len(SEGMENT).unwrap();
    }
    assert_eq!(sound.outcome(), Outcome::Opens(sound.records.len(), None));
}

/// From every byte of the records on, the rest of the segment never reached the disk.
#[test]
fn every_end_that_stayed_zero() {
    let sound = Sound::new();
    let whole = sound.records.len();
    for ordinal in 1..=2 {
        let original = contents(segment(sound.path(), ordinal));
        let file = sound.file(ordinal);
        for from in (SECTOR..sound.end_of(ordinal)).rev() {
            file.write_all_at(&[0], from).unwrap();
            let changed = original[usize::try_from(from).unwrap()..].iter().any(|byte| *byte != 0);
            let (index, (_, place)) = sound
                .places
                .iter()
                .enumerate()
                .find(|(_, (segment, place))| *segment == ordinal && place.contains(&from))
                .unwrap();
            let expected = if !changed {
                Outcome::Opens(whole, None)
            } else if ordinal == 1 {
                // The first record of the second segment is whole and follows nothing, or is the
                // proof that the cut record is no torn tail.
                let outcome = sound.outcome();
                let at_cut = Outcome::Refused(1, place.start);
                assert!([at_cut, Outcome::Refused(2, SECTOR)].contains(&outcome), "{outcome:?}");
                continue;
            } else {
                let rest = &original[usize::try_from(place.start).unwrap()..];
                let kept = usize::try_from(from - place.start).unwrap();
                let untouched = rest[kept..record_len(place)].iter().all(|byte| *byte == 0);
                match (untouched, rest[..kept].iter().all(|byte| *byte == 0)) {
                    (true, _) => Outcome::Opens(index + 1, None),
                    (false, true) => Outcome::Opens(index, None),
                    (false, false) => Outcome::Opens(index, Some((ordinal, place.start))),
                }
            };
            assert_eq!(sound.outcome(), expected, "segment {ordinal} is zero from {from}");
            if from % 769 == 0 {
                sound.check_recovery(&expected);
            }
        }
        file.write_all_at(&original, 0).unwrap();
    }
}

fn record_len(place: &Range<u64>) -> usize {
    usize::try_from(place.end - place.start).unwrap()
}

/// Any subset of the sectors of the last record reached the disk, in whatever order.
#[test]
fn every_way_to_tear_the_last_record() {
    let sound = Sound::new();
    let (ordinal, place) = sound.last();
    let original = contents(segment(sound.path(), ordinal));
    let sectors = (place.end - place.start) / SECTOR;
    assert_eq!(sectors, 5);
    let file = sound.file(ordinal);
    for kept in 0..1_u32 << sectors {
        for sector in (0..sectors).filter(|sector| kept & (1 << sector) == 0) {
            file.write_all_at(&[0; 512], place.start + sector * SECTOR).unwrap();
        }
        let count = sound.records.len();
        let expected = match kept {
            0 => Outcome::Opens(count - 1, None),
            0b11111 => Outcome::Opens(count, None),
            _ => Outcome::Opens(count - 1, Some((ordinal, place.start))),
        };
        assert_eq!(sound.outcome(), expected, "sectors kept: {kept:05b}");
        sound.check_recovery(&expected);
        file.write_all_at(&original, 0).unwrap();
    }
}

/// What counts as a torn tail and what as corruption.
#[test]
fn torn_or_corrupt() {
    let sound = Sound::new();
    let count = sound.records.len();
    let (ordinal, last) = sound.last();
    let first_in_2 = sound.places[5].1.clone();
    assert_eq!(first_in_2.start, SECTOR);
    let second = contents(segment(sound.path(), 2));
    let record = |place: &Range<u64>| {
        second[usize::try_from(place.start).unwrap()..][..record_len(place)].to_vec()
    };
    let other = Sound::new_of_another_installation();
    let others_last = {
        let bytes = contents(segment(other.path(), ordinal));
        bytes[usize::try_from(last.start).unwrap()..][..record_len(&last)].to_vec()
    };
    let end = last.end;
    let cases: [(&str, u64, u64, Vec<u8>, Outcome); 9] = [
        ("garbage follows", 2, end, vec![1; 700], Outcome::Opens(count, Some((2, end)))),
        (
            "garbage follows after zeros",
            2,
            SEGMENT - 1,
            vec![1],
            Outcome::Opens(count, Some((2, end))),
        ),
        ("garbage in the spare", 3, 5_000, vec![1], Outcome::Opens(count, Some((3, SECTOR)))),
        // A whole record that does not follow is never the work of a crash.
        ("the last record twice", 2, end, record(&last), Outcome::Refused(2, end)),
        ("an old record again", 2, end, record(&first_in_2), Outcome::Refused(2, end)),
        ("a record after a gap", 2, end + SECTOR, record(&last), Outcome::Refused(2, end)),
        ("a record in the spare", 3, SECTOR, record(&last), Outcome::Refused(3, SECTOR)),
        (
            "a whole record behind garbage in the spare",
            3,
            SECTOR,
            [vec![1; 512], record(&last)].concat(),
            Outcome::Refused(3, SECTOR),
        ),
        (
            "another journal's record of equal sequence",
            2,
            last.start,
            others_last,
            Outcome::Refused(2, last.start),
        ),
    ];
    for (what, ordinal, offset, bytes, expected) in cases {
        let original = contents(segment(sound.path(), ordinal));
        let damage = |file: &File| file.write_all_at(&bytes, offset).unwrap();
        assert_eq!(sound.restored(ordinal, &original, damage), expected, "{what}");
        damage(&sound.file(ordinal));
        sound.check_recovery(&expected);
        sound.file(ordinal).write_all_at(&original, 0).unwrap();
    }
}

#[test]
fn whole_segments_in_the_wrong_place_are_refused() {
    let (sound, other) = (Sound::new(), Sound::new_of_another_installation());
    for (from, to) in [
        (segment(other.path(), 2), 2),
        (segment(other.path(), 3), 3),
        (segment(sound.path(), 2), 3),
        (segment(sound.path(), 3), 2),
    ] {
        let original = contents(segment(sound.path(), to));
        let bytes = contents(from.clone());
        let outcome = sound.restored(to, &original, |file| file.write_all_at(&bytes, 0).unwrap());
        assert_eq!(outcome, Outcome::Refused(to, 0), "{} as {to}", from.display());
    }
}

#[test]
fn a_torn_tail_is_erased() {
    let sound = Sound::new();
    let end = sound.last().1.end;
    sound.file(2).write_all_at(&[0xAB; 5_000], end + 100).unwrap();
    sound.file(3).write_all_at(&[0xCD; 700], SEGMENT - 700).unwrap();
    let (journal, recovered) = FileJournal::open(sound.path(), options()).unwrap();
    let torn = recovered.torn.unwrap();
    assert_eq!(torn_place(&torn), (2, end));
    assert_eq!(torn.bytes, SEGMENT - end + SEGMENT - SECTOR);
    drop(journal);
    for (ordinal, from) in [(2, end), (3, SECTOR)] {
        let bytes = contents(segment(sound.path(), ordinal));
        assert!(bytes[usize::try_from(from).unwrap()..].iter().all(|byte| *byte == 0));
    }
    let (_, again) = FileJournal::open(sound.path(), options()).unwrap();
    assert_eq!(again.torn, None);
}

/// Each is sound by itself, but the second is not the first one's.
#[test]
fn another_journals_first_segment_is_refused() {
    let (sound, other) = (Sound::new(), Sound::new_of_another_installation());
    let bytes = contents(segment(other.path(), 1));
    sound.file(1).write_all_at(&bytes, 0).unwrap();
    assert_eq!(refused(&read(sound.path()).unwrap_err()), Outcome::Refused(2, 0));
}

/// Until the genesis record is whole nothing was acknowledged, and creation may begin anew.
#[test]
fn an_interrupted_creation_begins_anew() {
    // What is written over the genesis record.
    for remains in [vec![0; 512], vec![0xEE; 512], vec![0; 40], b"half".to_vec()] {
        let dir = tempdir().unwrap();
        drop(create(dir.path(), options()));
        let file = OpenOptions::new().write(true).open(segment(dir.path(), 1)).unwrap();
        file.write_all_at(&remains, SECTOR).unwrap();
        assert!(!FileJournal::exists(dir.path()));
        let error = FileJournal::open(dir.path(), options()).unwrap_err();
        assert!(matches!(error, OpenError::NotCreated { .. }), "{error}");
        let journal =
            FileJournal::create(dir.path(), options(), INSTALLATION, GENESIS, 5_000).unwrap();
        drop(journal);
        let records = read(dir.path()).unwrap();
        assert_eq!((records.len(), records[0].time_ms), (1, 5_000));
    }
}

/// With records behind it, a damaged genesis record is corruption, and nothing is created over it.
#[test]
fn a_damaged_genesis_is_not_created_over() {
    let sound = Sound::new();
    sound.file(1).write_all_at(&[0; 512], SECTOR).unwrap();
    assert!(FileJournal::exists(sound.path()));
    for error in [
        FileJournal::open(sound.path(), options()).map(|_| ()).unwrap_err(),
        FileJournal::create(sound.path(), options(), INSTALLATION, GENESIS, 0)
            .map(|_| ())
            .unwrap_err(),
    ] {
        assert_eq!(refused(&error), Outcome::Refused(1, SECTOR));
    }
}

/// Files of arbitrary bytes, with and without a sound header in front: never a panic.
#[test]
fn garbage_is_refused() {
    let sound = Sound::new();
    let header = contents(segment(sound.path(), 1))[..512].to_vec();
    for seed in 0..200 {
        let dir = tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("journal")).unwrap();
        let mut bytes = common::payload(seed, usize::try_from(SEGMENT).unwrap());
        if seed % 2 == 0 {
            bytes[..512].copy_from_slice(&header);
        }
        if seed % 4 == 0 {
            // Everywhere the beginning of a record, of impossible lengths.
            bytes[512..].chunks_mut(512).for_each(|at| at[..4].copy_from_slice(b"\xFELV\xFF"));
        }
        std::fs::write(segment(dir.path(), 1), &bytes).unwrap();
        let error = FileJournal::open(dir.path(), options()).unwrap_err();
        match error {
            OpenError::Corrupt { offset: 0, .. } if seed % 2 == 1 => {}
            OpenError::NotCreated { .. } if seed % 2 == 0 => {}
            error => panic!("seed {seed}: {error}"),
        }
    }
}
