//! What happens to the files between the walk over a journal and its first append. The only code
//! that changes bytes which were there before.

use std::collections::VecDeque;

use crate::archive::Finished;
use crate::disk::Access;
use crate::folder::{Folder, io_error};
use crate::prepare::Spare;
use crate::segment::peek_first_seq;
use crate::walk::{Place, TornTail, Walk};
use crate::{InstallationId, OpenError};

/// What opening a journal found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The installation that the journal belongs to.
    pub installation: InstallationId,
    /// The payload of the genesis record; None when the first segments were archived and deleted.
    pub genesis: Option<Vec<u8>>,
    /// The first sequence number that can still be read: 1 unless the first segments were
    /// archived and deleted. The caller must then have a snapshot that reaches to `first_seq - 1`.
    pub first_seq: u64,
    /// The last sequence number, 0 when there are no commands yet.
    pub last_seq: u64,
    /// Time of the last record in milliseconds since the Unix epoch.
    pub last_time_ms: u64,
    /// Whether the last record is the mark of an orderly shutdown.
    pub closed_cleanly: bool,
    /// The remains of an interrupted append that were found and erased.
    pub torn: Option<TornTail>,
}

/// The segment that is appended to.
#[derive(Debug)]
pub(crate) struct Current {
    pub(crate) segment: Spare,
    /// Where the next record goes.
    pub(crate) at: u64,
}

/// Clears away what an interrupted creation left: segments, none with a whole record.
pub(crate) fn remove_empty(folder: &Folder) -> Result<(), OpenError> {
    let mut walk = Walk::new(folder.clone())?;
    if walk.next()?.is_some() {
        return Err(OpenError::AlreadyCreated { dir: folder.dir.clone() });
    }
    if let Some(torn) = &walk.torn {
        tracing::warn!(
            file = %torn.file.display(),
            offset = torn.offset,
            bytes = torn.bytes,
            reason = torn.reason,
            "the creation of this journal was interrupted; nothing was acknowledged; starting anew"
        );
    }
    // From the last, so that a crash meanwhile leaves no gap. What is deleted is durable together
    // with the first segment, which comes next in the same folder.
    for segment in walk.segments.iter().rev() {
        let (path, _) = folder.open_segment(segment.ordinal, Access::Read)?;
        folder.disk.remove(&path).map_err(io_error("delete", &path))?;
    }
    Ok(())
}

/// Zeroes a torn tail, so that its bytes can never be taken for part of a later record.
pub(crate) fn erase_torn(folder: &Folder, walk: &Walk) -> Result<(), OpenError> {
    let Some(torn) = &walk.torn else { return Ok(()) };
    tracing::warn!(
        file = %torn.file.display(),
        offset = torn.offset,
        bytes = torn.bytes,
        reason = torn.reason,
        "dropped a torn record at the end of the journal; it was never acknowledged"
    );
    for dirt in &walk.dirt {
        let (path, file) = folder.open_segment(dirt.ordinal, Access::Write)?;
        let len = usize::try_from(dirt.bytes.end - dirt.bytes.start)
            .expect("dirt lies within a segment that was held in memory");
        let mut remains = vec![0; len];
        file.read_exact_at(&mut remains, dirt.bytes.start).map_err(io_error("read", &path))?;
        let erased = file
            .write_all_at(&vec![0; len], dirt.bytes.start)
            .map_err(io_error("write", &path))
            .and_then(|()| file.sync_data().map_err(io_error("sync", &path)));
        if erased.is_err() {
            // The kernel may show zeros from now on where the disk holds the remains, and the next
            // start would leave them there. It must see them again.
            let _ = file.write_all_at(&remains, dirt.bytes.start);
        }
        erased?;
    }
    Ok(())
}

/// Makes the last record durable, which nobody may have done: the process that wrote it may have
/// died before its sync, or its sync may have failed, after which the kernel holds the bytes as
/// clean and a sync alone does nothing. So the same bytes are written once more.
pub(crate) fn settle(folder: &Folder, ordinal: u64, last: &Place) -> Result<(), OpenError> {
    let (path, file) = folder.open_segment(ordinal, Access::Write)?;
    let len = usize::try_from(last.bytes.end - last.bytes.start)
        .expect("a record lies within a segment that was held in memory");
    let mut record = vec![0; len];
    file.read_exact_at(&mut record, last.bytes.start).map_err(io_error("read", &path))?;
    file.write_all_at(&record, last.bytes.start).map_err(io_error("write", &path))?;
    file.sync_data().map_err(io_error("sync", &path))
}

/// What `take_over` returns.
type Segments = (VecDeque<Finished>, Option<Current>, VecDeque<Spare>);

/// Sorts the segments in `journal/` into those before, at and after the end of the records.
pub(crate) fn take_over(folder: &Folder, walk: &Walk, last: &Place) -> Result<Segments, OpenError> {
    let in_journal = folder.segments_in_journal()?;
    let (mut finished, mut current, mut spares) = (VecDeque::new(), None, VecDeque::new());
    // Those that the walk left out, from the last: each ends where the next one with records
    // begins, so a look at that one's first record is enough.
    let mut next_seq = walk.first_seq.unwrap_or(1);
    for segment in walk.segments[..walk.start].iter().rev() {
        if !in_journal.contains(&segment.ordinal) {
            continue;
        }
        finished.push_front(Finished { ordinal: segment.ordinal, next_seq });
        // Never more than before, whatever a damaged header claims: a segment must not be kept
        // for ever.
        let first_seq = peek_first_seq(folder, segment.ordinal)?;
        next_seq = first_seq.map_or(next_seq, |first_seq| first_seq.min(next_seq));
    }
    let mut next_seq = walk.first_seq.unwrap_or(1);
    for (index, segment) in walk.segments.iter().enumerate().skip(walk.start) {
        next_seq = segment.next_seq.unwrap_or(next_seq);
        if !in_journal.contains(&segment.ordinal) {
            continue;
        }
        if index < last.segment {
            finished.push_back(Finished { ordinal: segment.ordinal, next_seq });
            continue;
        }
        let (path, file) = folder.open_segment(segment.ordinal, Access::Write)?;
        let spare = Spare { ordinal: segment.ordinal, bytes: segment.bytes, path, file };
        if index == last.segment {
            current = Some(Current { segment: spare, at: last.bytes.end });
        } else {
            // An earlier recovery may have died between erasing something here and its sync.
            spare.file.sync_data().map_err(io_error("sync", &spare.path))?;
            spares.push_back(spare);
        }
    }
    Ok((finished, current, spares))
}
