//! What the tests of this folder share: a small journal and ways to look at it.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

pub(crate) mod caller;
pub(crate) mod life;
pub(crate) mod sound;

use std::fs;
use std::path::{Path, PathBuf};

use levee_journal::{
    AppendError, BatchHead, FileJournal, InstallationId, Log, OpenError, Options, OwnedRecord,
    Reader, RecordBuffer,
};

pub(crate) const SEGMENT: u64 = 64 * 1024;
pub(crate) const INSTALLATION: InstallationId = *b"an installation!";
pub(crate) const GENESIS: &[u8] = b"what the caller must find again";

pub(crate) fn options() -> Options {
    Options { segment_bytes: SEGMENT, reserve_bytes: 0, quota_bytes: None }
}

/// No spares are made, so that a test's folder holds what the test put there.
pub(crate) fn options_with_segments(segments: u64) -> Options {
    Options { quota_bytes: Some(segments * SEGMENT), ..options() }
}

pub(crate) fn create(dir: &Path, options: Options) -> FileJournal {
    FileJournal::create(dir, options, INSTALLATION, GENESIS, 1_000).unwrap()
}

/// Bytes that are different in every record, and at every place of it.
pub(crate) fn payload(seq: u64, len: usize) -> Vec<u8> {
    let mut state = seq.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Appends one batch of `count` commands with `len` bytes of payload.
pub(crate) fn append(
    journal: &mut FileJournal,
    first_seq: u64,
    count: u32,
    len: usize,
) -> Result<u64, AppendError> {
    let mut buffer = RecordBuffer::new();
    buffer.extend_from_slice(&payload(first_seq, len));
    journal.append(BatchHead { first_seq, count, time_ms: 1_000 + first_seq }, &mut buffer)
}

/// Appends batches of one command each until the given sequence number is durable.
pub(crate) fn append_up_to(journal: &mut FileJournal, seq: u64, len: usize) {
    for next in journal.durable().get() + 1..=seq {
        assert_eq!(append(journal, next, 1, len).unwrap(), next);
    }
}

pub(crate) fn read(dir: &Path) -> Result<Vec<OwnedRecord>, OpenError> {
    Reader::open(dir)?.collect()
}

pub(crate) fn segment(dir: &Path, ordinal: u64) -> PathBuf {
    dir.join(format!("journal/{ordinal:010}.seg"))
}

/// Names in a folder, sorted.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

pub(crate) fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in names(from) {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() {
            copy_dir(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap();
        }
    }
}
