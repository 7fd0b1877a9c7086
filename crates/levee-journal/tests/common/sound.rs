//! A sound journal to be damaged, and what must follow from damage to it.

use std::fs::{File, OpenOptions};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use levee_journal::{
    FileJournal, Log, OpenError, Options, OwnedRecord, Reader, TornTail, record_bytes,
};
use tempfile::{TempDir, tempdir};

use super::{SEGMENT, append, copy_dir, create, options_with_segments, read, segment};

pub(crate) const SECTOR: u64 = 512;
/// Two segments with records and a spare.
pub(crate) const SEGMENTS: u64 = 3;
/// Payload lengths of the batches; the fifth does not fit in the first segment any more.
pub(crate) const LENGTHS: [usize; 6] = [0, 700, 20_000, 30_000, 20_000, 2_300];

pub(crate) fn options() -> Options {
    options_with_segments(SEGMENTS)
}

/// A sound journal, and where its records are.
pub(crate) struct Sound {
    pub(crate) dir: TempDir,
    pub(crate) records: Vec<OwnedRecord>,
    /// Segment and bytes of each record.
    pub(crate) places: Vec<(u64, Range<u64>)>,
}

/// What a damaged journal must do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// This many records, and whether there is a torn tail and where: segment, offset.
    Opens(usize, Option<(u64, u64)>),
    /// Refused, with segment and offset.
    Refused(u64, u64),
}

impl Sound {
    pub(crate) fn new() -> Self {
        let dir = tempdir().unwrap();
        let mut journal = create(dir.path(), options());
        for (seq, len) in (1..).zip(LENGTHS) {
            append(&mut journal, seq, 1, len).unwrap();
        }
        // Until the spare is there.
        while !journal.room().is_exhausted() {
            std::thread::yield_now();
        }
        drop(journal);
        let records = read(dir.path()).unwrap();
        let mut places: Vec<(u64, Range<u64>)> = Vec::new();
        let (mut ordinal, mut at) = (1, SECTOR);
        for record in &records {
            let bytes = record_bytes(record.payload.len());
            if at + bytes > SEGMENT {
                (ordinal, at) = (ordinal + 1, SECTOR);
            }
            places.push((ordinal, at..at + bytes));
            at += bytes;
        }
        assert_eq!((records.len(), ordinal), (LENGTHS.len() + 1, 2));
        Self { dir, records, places }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn file(&self, ordinal: u64) -> File {
        OpenOptions::new().read(true).write(true).open(segment(self.path(), ordinal)).unwrap()
    }

    pub(crate) fn last(&self) -> (u64, Range<u64>) {
        self.places.last().unwrap().clone()
    }

    /// Where the records of a segment end.
    pub(crate) fn end_of(&self, ordinal: u64) -> u64 {
        let places = self.places.iter().filter(|(segment, _)| *segment == ordinal);
        places.map(|(_, bytes)| bytes.end).max().unwrap_or(SECTOR)
    }

    /// What must follow from damage to one byte that was not there by chance.
    pub(crate) fn expected(&self, ordinal: u64, offset: u64) -> Outcome {
        if offset < SECTOR {
            return Outcome::Refused(ordinal, 0);
        }
        let last = self.places.len() - 1;
        let hit = self
            .places
            .iter()
            .position(|(segment, bytes)| *segment == ordinal && bytes.contains(&offset));
        match hit {
            Some(index) if index == last => {
                Outcome::Opens(last, Some((ordinal, self.places[last].1.start)))
            }
            Some(index) => Outcome::Refused(ordinal, self.places[index].1.start),
            None if ordinal < self.last().0 => Outcome::Refused(ordinal, self.end_of(ordinal)),
            // Behind the last record, also in the spare: the torn tail begins in the first
            // sector that is not as it should be, or where the last record ends.
            None => Outcome::Opens(last + 1, Some((ordinal, self.end_of(ordinal)))),
        }
    }

    /// What a reader makes of the folder; wrong records fail the test here.
    #[track_caller]
    pub(crate) fn outcome(&self) -> Outcome {
        let mut reader = Reader::open(self.path()).unwrap();
        let mut count = 0;
        loop {
            match reader.next_record() {
                Ok(Some(record)) => {
                    // No assert_eq: the payload would fill the screen.
                    let is_same = self.records.get(count) == Some(&record.to_owned());
                    assert!(is_same, "record {count} is not what was appended");
                    count += 1;
                }
                Ok(None) => break,
                Err(error) => return refused(&error),
            }
        }
        Outcome::Opens(count, reader.torn().map(torn_place))
    }

    /// Opens for writing too: must agree with the reader, go on, and leave nothing torn.
    #[track_caller]
    pub(crate) fn check_recovery(&self, expected: &Outcome) {
        let copy = tempdir().unwrap();
        copy_dir(self.path(), copy.path());
        let opened = FileJournal::open(copy.path(), options());
        let (count, torn) = match (opened, expected) {
            (Ok((mut journal, recovered)), Outcome::Opens(count, torn)) => {
                assert_eq!(recovered.torn.as_ref().map(torn_place), *torn);
                let last_seq = u64::try_from(*count).unwrap() - 1;
                assert_eq!(recovered.last_seq, last_seq);
                append(&mut journal, last_seq + 1, 1, 100).unwrap();
                (*count, torn)
            }
            (Err(OpenError::NotCreated { .. }), Outcome::Opens(0, _)) => return,
            (Err(error), Outcome::Refused(..)) => return assert_eq!(refused(&error), *expected),
            (result, _) => panic!("{expected:?}, but {result:?}"),
        };
        let (_, again) = FileJournal::open(copy.path(), options()).unwrap();
        assert_eq!(again.torn, None, "torn before: {torn:?}");
        let records = read(copy.path()).unwrap();
        assert_eq!(records.len(), count + 1);
        assert_eq!(records[..count], self.records[..count]);
    }

    /// Puts the folder back as it was.
    pub(crate) fn restored(
        &self,
        ordinal: u64,
        original: &[u8],
        damage: impl FnOnce(&File),
    ) -> Outcome {
        let file = self.file(ordinal);
        damage(&file);
        let outcome = self.outcome();
        file.write_all_at(original, 0).unwrap();
        file.set_len(original.len() as u64).unwrap();
        outcome
    }
}

pub(crate) fn torn_place(torn: &TornTail) -> (u64, u64) {
    (ordinal_of(&torn.file), torn.offset)
}

pub(crate) fn ordinal_of(file: &Path) -> u64 {
    file.file_stem().unwrap().to_str().unwrap().parse().unwrap()
}

#[track_caller]
pub(crate) fn refused(error: &OpenError) -> Outcome {
    let OpenError::Corrupt { file, offset, .. } = error else { panic!("{error}") };
    let text = error.to_string();
    assert!(text.contains(&file.display().to_string()) && text.contains(&offset.to_string()));
    Outcome::Refused(ordinal_of(file), *offset)
}

pub(crate) fn contents(path: PathBuf) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

impl Sound {
    /// The same records with another genesis.
    pub(crate) fn new_of_another_installation() -> Self {
        let sound = Self::new();
        let dir = tempdir().unwrap();
        let mut journal =
            FileJournal::create(dir.path(), options(), [3; 16], b"another", 1_000).unwrap();
        for (seq, len) in (1..).zip(LENGTHS) {
            append(&mut journal, seq, 1, len).unwrap();
        }
        while !journal.room().is_exhausted() {
            std::thread::yield_now();
        }
        drop(journal);
        let records = read(dir.path()).unwrap();
        Self { dir, records, places: sound.places }
    }
}
