//! Moves segments that are no longer needed out of the way, on any thread.
//!
//! The appender only puts a finished segment on a list; renames and folder syncs, which may take as
//! long as a disk is busy, are the caller's of [`Trim`].

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::folder::Folder;
use crate::prepare::Freed;
use crate::{ArchiveError, Trim};

/// A segment that takes no more records and is not archived yet.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) ordinal: u64,
    /// The sequence number after its last record.
    pub(crate) next_seq: u64,
}

/// The finished segments of a journal.
#[derive(Debug)]
pub(crate) struct Archive {
    folder: Folder,
    freed: Freed,
    /// Oldest first. Locked for moments only: the appender waits for it.
    finished: Mutex<VecDeque<Finished>>,
    moves: Mutex<Moves>,
}

/// Locked while segments move.
#[derive(Debug, Default)]
struct Moves {
    /// The journal was dropped.
    is_over: bool,
    /// Segments have moved, and their folders were not synced: a sync may have failed.
    is_unsynced: bool,
}

impl Archive {
    fn finished(&self) -> MutexGuard<'_, VecDeque<Finished>> {
        self.finished.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn moves(&self) -> MutexGuard<'_, Moves> {
        self.moves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn oldest_before(&self, seq: u64) -> Option<u64> {
        let finished = self.finished();
        finished.front().filter(|oldest| oldest.next_seq <= seq).map(|oldest| oldest.ordinal)
    }
}

impl Trim for Archive {
    fn truncate_before(&self, seq: u64) -> Result<usize, ArchiveError> {
        let mut moves = self.moves();
        if moves.is_over {
            return Ok(0);
        }
        let mut moved = 0;
        let mut result = Ok(());
        while let Some(ordinal) = self.oldest_before(seq) {
            let file = self.folder.segment(ordinal);
            let archived = self.folder.archived_segment(ordinal);
            if let Err(source) = self.folder.disk.rename(&file, &archived) {
                result = Err(ArchiveError { file, source });
                break;
            }
            self.finished().pop_front();
            moves.is_unsynced = true;
            moved += 1;
        }
        if moved > 0 {
            self.freed.retry_now();
        }
        if moves.is_unsynced {
            // What is told to be archived stays there. A rename is one step on the file systems
            // that we know, so either sync would do; POSIX promises each for its own folder only.
            for dir in [self.folder.archive(), self.folder.journal()] {
                let synced = self.folder.disk.sync_dir(&dir);
                synced.map_err(|source| ArchiveError { file: dir, source })?;
            }
            moves.is_unsynced = false;
        }
        result.map(|()| moved)
    }
}

/// The journal's own handle. When it is dropped, those of others do nothing any more: another
/// writer may have the folder then.
#[derive(Debug)]
pub(crate) struct ArchiveOwner(Arc<Archive>);

impl ArchiveOwner {
    pub(crate) fn new(folder: Folder, freed: Freed, finished: VecDeque<Finished>) -> Self {
        let finished = Mutex::new(finished);
        Self(Arc::new(Archive { folder, freed, finished, moves: Mutex::default() }))
    }

    /// Adds a segment behind which a durable record stands.
    pub(crate) fn add(&self, finished: Finished) {
        self.0.finished().push_back(finished);
    }

    pub(crate) fn trimmer(&self) -> Arc<dyn Trim> {
        Arc::<Archive>::clone(&self.0)
    }
}

impl Drop for ArchiveOwner {
    fn drop(&mut self) {
        // Waits for one that is moving segments now.
        self.0.moves().is_over = true;
    }
}
