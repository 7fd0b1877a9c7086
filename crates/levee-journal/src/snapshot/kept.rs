//! Which snapshots are kept.

use std::collections::VecDeque;

use super::{SUFFIX, SnapshotError, Snapshots};

/// The newest two snapshots that were seen to be good, restored or read back by this process. Only
/// they count: whatever else has a snapshot's name may be damaged, unreadable or another version's,
/// and nothing is given up for its sake.
#[derive(Debug)]
pub struct KeptSnapshots {
    snapshots: Snapshots,
    /// Newest first.
    good: VecDeque<u64>,
}

impl KeptSnapshots {
    /// Begins with the one from which the state was restored, if it was.
    #[must_use]
    pub fn new(snapshots: Snapshots, restored: Option<u64>) -> Self {
        Self { snapshots, good: restored.into_iter().collect() }
    }

    /// Reads a finished snapshot back and keeps it from now on. One that cannot be read back is
    /// deleted: what it replaces is all there.
    ///
    /// # Errors
    /// As [`Snapshots::verify`].
    pub fn admit(&mut self, last_seq: u64) -> Result<(), SnapshotError> {
        self.good.retain(|seq| *seq != last_seq);
        if let Err(error) = self.snapshots.verify(last_seq) {
            // What cannot be deleted now goes with the next that are.
            let _ = self.snapshots.remove(last_seq, SUFFIX);
            return Err(error);
        }
        self.good.push_front(last_seq);
        self.good.truncate(2);
        Ok(())
    }

    /// Deletes all others once two are kept. Returns from where on the journal is needed; None
    /// while fewer are kept and all of it is.
    ///
    /// # Errors
    /// As [`Snapshots::prune`].
    pub fn clear_away(&mut self) -> Result<Option<u64>, SnapshotError> {
        let good = self.good.make_contiguous();
        let [_, older] = *good else { return Ok(None) };
        self.snapshots.prune(good)?;
        Ok(Some(older + 1))
    }
}
