//! Reading a journal without the right to write: for audits of a copied folder and exports from
//! a live server's. Changes nothing and takes no lock.

use std::path::Path;
use std::sync::Arc;

use crate::disk::{Disk, RealDisk};
use crate::folder::Folder;
use crate::walk::{Bound, TornTail, Walk};
use crate::{InstallationId, OpenError, OwnedRecord, Record};

/// A pass over the records of a journal, archived ones included, each verified: checksum, chain,
/// dense sequence numbers, time.
///
/// On a live server's folder set [`Reader::up_to_seq`] to a [`DurableSeq`](crate::DurableSeq)
/// that was read **before** opening; else a record that is just being written can look torn.
///
/// It holds one segment in memory.
#[derive(Debug)]
pub struct Reader {
    walk: Walk,
    from_seq: u64,
}

impl Reader {
    /// Begins at the first record that is there.
    ///
    /// # Errors
    /// [`OpenError::NotCreated`] when there are no segments, [`OpenError::Missing`] when one is
    /// missing in the middle.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        Self::open_on(Arc::new(RealDisk), dir)
    }

    /// [`Reader::open`] on another disk.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn open_on(disk: Arc<dyn Disk>, dir: &Path) -> Result<Self, OpenError> {
        let walk = Walk::new(Folder::new(disk, dir))?;
        if walk.segments.is_empty() {
            return Err(OpenError::NotCreated { dir: dir.to_path_buf() });
        }
        Ok(Self { walk, from_seq: 0 })
    }

    /// Begins with the first record that reaches `seq` or lies beyond it instead, without reading
    /// the segments before. Of records without commands directly before `seq` the last ones may
    /// be there too. Call it before the first record is read.
    ///
    /// # Errors
    /// When a segment cannot be read. That `seq` is no longer kept comes as the first item.
    pub fn from_seq(mut self, seq: u64) -> Result<Self, OpenError> {
        // From the first command on is from the genesis record on.
        if seq > 1 {
            self.walk.seek(seq)?;
        }
        self.from_seq = seq;
        Ok(self)
    }

    /// Ends with the record that holds `seq`, and does not look at what follows.
    #[must_use]
    pub fn up_to_seq(self, seq: u64) -> Self {
        self.bounded(Bound::Seq(seq))
    }

    pub(crate) fn bounded(mut self, bound: Bound) -> Self {
        self.walk.set_bound(bound);
        self
    }

    /// The next record, borrowed; None at the end, and after an error.
    ///
    /// # Errors
    /// What is wrong with the journal, naming file and offset; no record follows.
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, OpenError> {
        while let Some(found) = self.walk.next()? {
            let head = &found.head;
            let last_seq_after = head.first_seq.saturating_add(head.count.into());
            if last_seq_after > self.from_seq || head.first_seq >= self.from_seq {
                return Ok(Some(self.walk.record(&found)));
            }
        }
        Ok(None)
    }

    /// The torn tail, known once all records have been read without a bound.
    #[must_use]
    pub fn torn(&self) -> Option<&TornTail> {
        self.walk.torn.as_ref()
    }

    /// The installation that wrote the journal, known once a record has been read.
    #[must_use]
    pub fn installation(&self) -> Option<InstallationId> {
        self.walk.installation
    }
}

impl Iterator for Reader {
    type Item = Result<OwnedRecord, OpenError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_record().map(|record| record.map(|record| record.to_owned())).transpose()
    }
}
