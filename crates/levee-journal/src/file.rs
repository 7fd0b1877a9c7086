//! The journal on a local disk: creation, recovery, appends, archiving.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use crate::folder::{Folder, sync_dir};
use crate::format::{HEADER, Head, Kind, SECTOR, SegmentHeader};
use crate::prepare::{Preparer, make_segment};
use crate::recover::{Current, Finished, erase_torn, remove_empty, settle, take_over};
use crate::walk::{Bound, Chain, Walk};
use crate::{
    AppendError, ArchiveError, BatchHead, DurableSeq, InstallationId, Log, OpenError, Options,
    Reader, RecordBuffer, Records, Recovered, Room,
};

/// A local disk acknowledges in order and quickly: one batch syncs while the next is applied.
const WINDOW: usize = 2;

/// A journal in segment files of a data folder, locked against other writers while it lives.
#[derive(Debug)]
pub struct FileJournal {
    folder: Folder,
    options: Options,
    /// None until a segment is needed, after all with records were archived by hand.
    current: Option<Current>,
    /// The segments before the current one that are not archived, oldest first.
    finished: VecDeque<Finished>,
    /// None before the genesis record.
    chain: Option<Chain>,
    state: Acceptance,
    durable: DurableSeq,
    room: Room,
    preparer: Preparer,
    #[cfg(test)]
    pub(crate) fault: Option<Fault>,
    /// Last, so that the folder is free only when all else is done.
    _lock: File,
}

/// Whether appends are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Acceptance {
    Open,
    Closed,
    Poisoned,
}

/// The system call that the next append lets fail.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Write,
    Sync,
}

impl FileJournal {
    /// Whether the folder holds a journal, so that [`FileJournal::open`] is the call to make, be
    /// it only to learn what is wrong; [`FileJournal::create`] otherwise. A folder whose creation
    /// was interrupted before its genesis record was whole holds none.
    #[must_use]
    pub fn exists(dir: &Path) -> bool {
        match Walk::new(Folder::new(dir)) {
            Ok(mut walk) => !matches!(walk.next(), Ok(None)),
            Err(_) => true,
        }
    }

    /// Creates a journal whose genesis record holds `genesis`, durably, with its folders.
    ///
    /// # Errors
    /// [`OpenError::AlreadyCreated`], [`OpenError::Locked`], [`OpenError::NoSpace`], wrong
    /// options, damage in what is there already, or the system's refusal.
    pub fn create(
        dir: &Path,
        options: Options,
        installation: InstallationId,
        genesis: &[u8],
        time_ms: u64,
    ) -> Result<Self, OpenError> {
        options.check()?;
        let folder = Folder::new(dir);
        folder.create()?;
        let lock = folder.lock()?;
        folder.remove_unfinished()?;
        remove_empty(&folder)?;

        let header =
            SegmentHeader { ordinal: 1, segment_bytes: options.segment_bytes, installation };
        let first = make_segment(&folder, &options, &header, &AtomicBool::new(false))
            .map_err(|error| error.into_open_error(&folder))?;
        let room = Room::empty();
        room.add_segment(first.bytes - SECTOR as u64);
        let preparer = Preparer::start(
            folder.clone(),
            options,
            installation,
            room.clone(),
            VecDeque::new(),
            2,
        )?;
        let mut journal = Self {
            folder,
            options,
            current: Some(Current { segment: first, at: SECTOR as u64 }),
            finished: VecDeque::new(),
            chain: None,
            state: Acceptance::Open,
            durable: DurableSeq::default(),
            room,
            preparer,
            #[cfg(test)]
            fault: None,
            _lock: lock,
        };
        let mut payload = RecordBuffer::with_capacity(genesis.len());
        payload.extend_from_slice(genesis);
        let head = BatchHead { first_seq: 1, count: 0, time_ms };
        journal.append_record(Kind::Genesis, head, &mut payload).map_err(OpenError::Genesis)?;
        Ok(journal)
    }

    /// Opens a journal: verifies every record, archived ones included, and erases a torn tail.
    ///
    /// # Errors
    /// [`OpenError::NotCreated`], [`OpenError::Locked`], damage naming file and offset, wrong
    /// options, or the system's refusal.
    pub fn open(dir: &Path, options: Options) -> Result<(Self, Recovered), OpenError> {
        options.check()?;
        let folder = Folder::new(dir);
        let not_created = || OpenError::NotCreated { dir: dir.to_path_buf() };
        if !folder.journal().is_dir() {
            return Err(not_created());
        }
        folder.create()?;
        let lock = folder.lock()?;
        folder.remove_unfinished()?;

        let mut genesis = None;
        let mut walk = Walk::new(folder.clone())?;
        while let Some(found) = walk.next()? {
            if found.head.kind == Kind::Genesis {
                genesis = Some(walk.record(&found).payload.to_vec());
            }
        }
        let (Some(chain), Some(last), Some(installation)) =
            (walk.chain, walk.last.clone(), walk.installation)
        else {
            return Err(not_created());
        };
        erase_torn(&folder, &walk)?;
        settle(&folder, walk.segments[last.segment].ordinal, &last)?;

        let room = Room::empty();
        let (finished, current, spares) = take_over(&folder, &walk, &last)?;
        if let Some(current) = &current {
            room.add_segment(current.segment.bytes - current.at);
        }
        let next_ordinal = walk.segments.last().map_or(1, |segment| segment.ordinal + 1);
        let preparer = Preparer::start(
            folder.clone(),
            options,
            installation,
            room.clone(),
            spares,
            next_ordinal,
        )?;
        let recovered = Recovered {
            installation,
            genesis,
            first_seq: walk.first_seq.unwrap_or(1),
            last_seq: chain.next_seq - 1,
            last_time_ms: chain.time_ms,
            closed_cleanly: chain.kind == Kind::Closed,
            torn: walk.torn,
        };
        let journal = Self {
            folder,
            options,
            current,
            finished,
            chain: Some(chain),
            state: Acceptance::Open,
            durable: DurableSeq::new(recovered.last_seq),
            room,
            preparer,
            #[cfg(test)]
            fault: None,
            _lock: lock,
        };
        Ok((journal, recovered))
    }

    /// The most payload that one record can hold, in bytes.
    #[must_use]
    pub fn payload_bytes_max(&self) -> u64 {
        self.record_bytes_max() - HEADER as u64
    }

    fn record_bytes_max(&self) -> u64 {
        self.options.segment_bytes - SECTOR as u64
    }

    fn append_record(
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
        #[cfg(test)]
        let fault = self.fault.take();

        // Poisoned until all went well: nothing after a failure may count on what is on disk.
        self.state = Acceptance::Poisoned;
        let path = || current.segment.path.clone();
        let crc = payload
            .sealed(&head, |record, crc| {
                #[cfg(test)]
                if fault == Some(Fault::Write) {
                    let source = std::io::Error::other("injected");
                    return Err(AppendError::Write { file: path(), offset, source });
                }
                file.write_all_at(record, offset).map_err(|source| AppendError::Write {
                    file: path(),
                    offset,
                    source,
                })?;
                #[cfg(test)]
                if fault == Some(Fault::Sync) {
                    let source = std::io::Error::other("injected");
                    return Err(AppendError::Sync { file: path(), offset, source });
                }
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
                self.finished.push_back(Finished { ordinal: left.segment.ordinal, next_seq });
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
        let reader = Reader::open(&self.folder.dir)?.from_seq(seq)?;
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

    fn truncate_before(&mut self, seq: u64) -> Result<usize, ArchiveError> {
        let mut moved = 0;
        let mut result = Ok(());
        while let Some(oldest) = self.finished.front() {
            if oldest.next_seq > seq {
                break;
            }
            let file = self.folder.segment(oldest.ordinal);
            let archived = self.folder.archived_segment(oldest.ordinal);
            if let Err(source) = fs::rename(&file, archived) {
                result = Err(ArchiveError { file, source });
                break;
            }
            self.finished.pop_front();
            moved += 1;
        }
        if moved > 0 {
            self.preparer.retry_now();
            for dir in [self.folder.archive(), self.folder.journal()] {
                sync_dir(&dir).map_err(|source| ArchiveError { file: dir, source })?;
            }
        }
        result.map(|()| moved)
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
