//! The journal on a local disk: appends, and the handles that others may hold. How it comes to be
//! open stands in `open.rs`.

use std::sync::Arc;

use crate::archive::{ArchiveOwner, Finished};
use crate::disk::DiskLock;
use crate::folder::Folder;
use crate::format::{HEADER, Head, Kind, SECTOR};
use crate::prepare::Preparer;
use crate::recover::Current;
use crate::walk::{Bound, Chain};
use crate::{
    AppendError, BatchHead, DurableSeq, Log, OpenError, Options, Reader, RecordBuffer, Records,
    Room, Trim,
};

/// A local disk acknowledges in order and quickly: one batch syncs while the next is applied.
const WINDOW: usize = 2;

/// A journal in segment files of a data folder, locked against other writers while it lives.
#[derive(Debug)]
pub struct FileJournal {
    pub(crate) folder: Folder,
    pub(crate) options: Options,
    /// None until a segment is needed, after all with records were archived by hand.
    pub(crate) current: Option<Current>,
    /// The segments before the current one, while that has no durable record: only then may they
    /// be archived, so that `journal/` always holds the last record.
    pub(crate) left: Vec<Finished>,
    /// The segments before these that are not archived.
    pub(crate) archive: ArchiveOwner,
    /// None before the genesis record.
    pub(crate) chain: Option<Chain>,
    pub(crate) state: Acceptance,
    pub(crate) durable: DurableSeq,
    pub(crate) room: Room,
    pub(crate) preparer: Preparer,
    /// Last, so that the folder is free only when all else is done.
    pub(crate) lock: DiskLock,
}

/// Whether appends are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acceptance {
    Open,
    Closed,
    Poisoned,
}

impl FileJournal {
    /// Keeps others from the folder for as long as it lives, also when the journal is closed.
    #[must_use]
    pub fn lock(&self) -> DiskLock {
        DiskLock::clone(&self.lock)
    }

    /// The most payload that one record can hold, in bytes.
    #[must_use]
    pub fn payload_bytes_max(&self) -> u64 {
        self.record_bytes_max() - HEADER as u64
    }

    fn record_bytes_max(&self) -> u64 {
        self.options.segment_bytes - SECTOR as u64
    }

    pub(crate) fn append_record(
        &mut self,
        kind: Kind,
        head: BatchHead,
        payload: &mut RecordBuffer,
    ) -> Result<(), AppendError> {
        let bytes = payload.record_bytes();
        self.check(head, bytes)?;
        self.make_room(bytes)?;
        let current = self.current.as_mut().expect("make_room leaves a current segment");
        let (file, offset) = (&current.segment.file, current.at);
        let BatchHead { first_seq, count, time_ms } = head;
        let previous_crc = self.chain.map_or(0, |chain| chain.crc);
        let head = Head { kind, first_seq, count, time_ms, previous_crc };

        // Poisoned until all went well: nothing after a failure may count on what is on disk.
        self.state = Acceptance::Poisoned;
        let path = || current.segment.path.clone();
        let crc = payload
            .sealed(&head, |record, crc| {
                file.write_all_at(record, offset).map_err(|source| AppendError::Write {
                    file: path(),
                    offset,
                    source,
                })?;
                file.sync_data().map_err(|source| AppendError::Sync {
                    file: path(),
                    offset,
                    source,
                })?;
                Ok(crc)
            })
            .expect("check bounds the record by a segment's size, which fits 32 bits")?;
        self.state = if kind == Kind::Closed { Acceptance::Closed } else { Acceptance::Open };

        current.at += bytes;
        self.room.use_bytes(bytes);
        let next_seq = first_seq + u64::from(count);
        self.chain = Some(Chain { crc, next_seq, time_ms, kind });
        self.durable.set(next_seq - 1);
        for left in self.left.drain(..) {
            self.archive.add(left);
        }
        Ok(())
    }

    /// All that can be refused before anything is written.
    fn check(&self, head: BatchHead, bytes: u64) -> Result<(), AppendError> {
        match self.state {
            Acceptance::Open => {}
            Acceptance::Closed => return Err(AppendError::Closed),
            Acceptance::Poisoned => return Err(AppendError::Poisoned),
        }
        let bytes_max = self.record_bytes_max();
        if bytes > bytes_max {
            return Err(AppendError::TooLarge { bytes, bytes_max });
        }
        let (expected, last_ms) =
            self.chain.map_or((1, 0), |chain| (chain.next_seq, chain.time_ms));
        // A count that overflows would make the next record's number wrong.
        if head.first_seq != expected || head.first_seq.checked_add(head.count.into()).is_none() {
            return Err(AppendError::OutOfOrder { expected, got: head.first_seq });
        }
        if head.time_ms < last_ms {
            return Err(AppendError::TimeWentBack { last_ms, got_ms: head.time_ms });
        }
        Ok(())
    }

    /// Moves on to the next segment when the record does not fit in the rest of this one, which
    /// stays zero.
    fn make_room(&mut self, bytes: u64) -> Result<(), AppendError> {
        while self.current.as_ref().is_none_or(|current| current.segment.bytes - current.at < bytes)
        {
            let spare =
                self.preparer.take().map_err(|reason| AppendError::Full { bytes, reason })?;
            let next = Current { segment: spare, at: SECTOR as u64 };
            if let Some(left) = self.current.replace(next) {
                self.room.leave_segment(left.segment.bytes - left.at);
                let next_seq = self.chain.map_or(1, |chain| chain.next_seq);
                self.left.push(Finished { ordinal: left.segment.ordinal, next_seq });
            }
        }
        Ok(())
    }
}

impl Log for FileJournal {
    fn append(&mut self, head: BatchHead, payload: &mut RecordBuffer) -> Result<u64, AppendError> {
        self.append_record(Kind::Batch, head, payload)?;
        Ok(self.durable.get())
    }

    fn close(&mut self, time_ms: u64) -> Result<(), AppendError> {
        let first_seq = self.chain.map_or(1, |chain| chain.next_seq);
        let head = BatchHead { first_seq, count: 0, time_ms };
        self.append_record(Kind::Closed, head, &mut RecordBuffer::new())
    }

    fn read_from(&self, seq: u64) -> Result<Records, OpenError> {
        let reader =
            Reader::open_on(Arc::clone(&self.folder.disk), &self.folder.dir)?.from_seq(seq)?;
        Ok(match &self.current {
            Some(current) => {
                Box::new(reader.bounded(Bound::Position {
                    ordinal: current.segment.ordinal,
                    offset: current.at,
                }))
            }
            None => Box::new(reader),
        })
    }

    fn trimmer(&self) -> Arc<dyn Trim> {
        self.archive.trimmer()
    }

    fn window(&self) -> usize {
        WINDOW
    }

    fn durable(&self) -> DurableSeq {
        self.durable.clone()
    }

    fn room(&self) -> Room {
        self.room.clone()
    }
}
