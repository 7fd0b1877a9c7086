//! How a journal comes to be open: created, or opened and verified, wholly or behind a snapshot.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::archive::{ArchiveOwner, Finished};
use crate::disk::{Disk, DiskLock, RealDisk};
use crate::file::Acceptance;
use crate::folder::Folder;
use crate::format::{Kind, SECTOR, SegmentHeader};
use crate::prepare::{Preparer, Spare, make_segment};
use crate::recover::{Current, erase_torn, remove_empty, settle, take_over};
use crate::segment::{peek_first_seq, read_genesis};
use crate::walk::{Chain, Walk};
use crate::{
    BatchHead, DurableSeq, FileJournal, InstallationId, OpenError, Options, RecordBuffer,
    Recovered, Room,
};

impl FileJournal {
    /// Whether the folder holds a journal, so that [`FileJournal::open`] is the call to make, be
    /// it only to learn what is wrong; [`FileJournal::create`] otherwise. A folder whose creation
    /// was interrupted before its genesis record was whole holds none.
    #[must_use]
    pub fn exists(dir: &Path) -> bool {
        Self::exists_on(Arc::new(RealDisk), dir)
    }

    /// [`FileJournal::exists`] on another disk.
    #[must_use]
    pub fn exists_on(disk: Arc<dyn Disk>, dir: &Path) -> bool {
        let folder = Folder::new(disk, dir);
        match Walk::new(folder.clone()) {
            Ok(walk) if walk.segments.is_empty() => false,
            Ok(_) if read_genesis(&folder).is_ok() => true,
            // What else there is, only a walk can tell.
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
        Self::create_on(Arc::new(RealDisk), dir, options, installation, genesis, time_ms)
    }

    /// [`FileJournal::create`] on another disk.
    ///
    /// # Errors
    /// As [`FileJournal::create`].
    pub fn create_on(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: Options,
        installation: InstallationId,
        genesis: &[u8],
        time_ms: u64,
    ) -> Result<Self, OpenError> {
        options.check()?;
        let folder = Folder::new(disk, dir);
        folder.create()?;
        let lock = folder.lock()?;
        folder.remove_unfinished()?;
        remove_empty(&folder)?;

        let header =
            SegmentHeader { ordinal: 1, segment_bytes: options.segment_bytes, installation };
        let first = make_segment(&folder, &options, &header, &AtomicBool::new(false))
            .map_err(|error| error.into_open_error(&folder))?;
        let parts = Parts {
            folder,
            options,
            installation,
            current: Some(Current { segment: first, at: SECTOR as u64 }),
            finished: VecDeque::new(),
            spares: VecDeque::new(),
            next_ordinal: 2,
            chain: None,
            lock,
        };
        let mut journal = parts.assemble()?;
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
        Self::open_on(Arc::new(RealDisk), dir, options)
    }

    /// [`FileJournal::open`] on another disk.
    ///
    /// # Errors
    /// As [`FileJournal::open`].
    pub fn open_on(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: Options,
    ) -> Result<(Self, Recovered), OpenError> {
        open(Folder::new(disk, dir), options, None)
    }

    /// Opens a journal for a caller that has a snapshot up to `seq` (0: of nothing yet): as
    /// [`FileJournal::open`], but verifies only from the segment on that holds `seq + 1`, or may
    /// hold it next. Of what is before, archived or not, only the genesis record is read, and
    /// verified, if it is still there. So the time this takes does not grow with the journal.
    ///
    /// # Errors
    /// [`OpenError::Behind`] when the journal ends before `seq`, [`OpenError::Removed`] when
    /// records after `seq` are gone, and those of [`FileJournal::open`]. Nothing was changed then.
    pub fn open_after(
        dir: &Path,
        options: Options,
        seq: u64,
    ) -> Result<(Self, Recovered), OpenError> {
        Self::open_after_on(Arc::new(RealDisk), dir, options, seq)
    }

    /// [`FileJournal::open_after`] on another disk.
    ///
    /// # Errors
    /// As [`FileJournal::open_after`].
    pub fn open_after_on(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: Options,
        seq: u64,
    ) -> Result<(Self, Recovered), OpenError> {
        open(Folder::new(disk, dir), options, Some(seq))
    }
}

fn open(
    folder: Folder,
    options: Options,
    after: Option<u64>,
) -> Result<(FileJournal, Recovered), OpenError> {
    options.check()?;
    let not_created = || OpenError::NotCreated { dir: folder.dir.clone() };
    if !folder.disk.is_dir(&folder.journal()) {
        return Err(not_created());
    }
    folder.create()?;
    let lock = folder.lock()?;
    folder.remove_unfinished()?;
    // The process before may have died between the renaming of a new segment and this.
    folder.sync(&folder.journal())?;

    let mut walk = Walk::new(folder.clone())?;
    if let Some(seq) = after {
        walk.seek(seq.saturating_add(1))?;
    }
    let mut genesis = None;
    while let Some(found) = walk.next()? {
        if found.head.kind == Kind::Genesis {
            genesis = Some(walk.record(&found).payload.to_vec());
        }
    }
    let (Some(chain), Some(last), Some(installation)) =
        (walk.chain, walk.last.clone(), walk.installation)
    else {
        return Err(match after {
            // Not a folder to create a journal in.
            Some(seq @ 1..) => OpenError::Behind { seq, last_seq: 0 },
            _ => not_created(),
        });
    };
    let mut first_seq = walk.first_seq.unwrap_or(1);
    if walk.start > 0 {
        (genesis, first_seq) = look_before(&folder, &walk, installation, first_seq)?;
    }
    let last_seq = chain.next_seq - 1;
    if let Some(seq) = after.filter(|seq| *seq > last_seq) {
        return Err(OpenError::Behind { seq, last_seq });
    }

    erase_torn(&folder, &walk)?;
    settle(&folder, walk.segments[last.segment].ordinal, &last)?;
    let (finished, current, spares) = take_over(&folder, &walk, &last)?;
    let recovered = Recovered {
        installation,
        genesis,
        first_seq,
        last_seq,
        last_time_ms: chain.time_ms,
        closed_cleanly: chain.kind == Kind::Closed,
        torn: walk.torn,
    };
    let next_ordinal = walk.segments.last().map_or(1, |segment| segment.ordinal + 1);
    let chain = Some(chain);
    let parts = Parts {
        folder,
        options,
        installation,
        current,
        finished,
        spares,
        next_ordinal,
        chain,
        lock,
    };
    Ok((parts.assemble()?, recovered))
}

/// What there is to know of the segments that a walk left out: the genesis record, if it is there,
/// and the first sequence number.
fn look_before(
    folder: &Folder,
    walk: &Walk,
    installation: InstallationId,
    first_seq: u64,
) -> Result<(Option<Vec<u8>>, u64), OpenError> {
    let first = walk.segments[0].ordinal;
    if first > 1 {
        // Unverified: nothing is built on it, and damage so far back must not prevent a start.
        let claimed = peek_first_seq(folder, first)?.unwrap_or(first_seq);
        return Ok((None, claimed.clamp(1, first_seq)));
    }
    let genesis = read_genesis(folder)?;
    if genesis.installation != installation {
        return Err(OpenError::Corrupt {
            file: folder.segment(1),
            offset: 0,
            reason: "it belongs to another installation than the last segments".to_owned(),
        });
    }
    Ok((Some(genesis.payload), 1))
}

/// What an open journal is made of.
struct Parts {
    folder: Folder,
    options: Options,
    installation: InstallationId,
    current: Option<Current>,
    finished: VecDeque<Finished>,
    spares: VecDeque<Spare>,
    /// Number of the next segment to be made.
    next_ordinal: u64,
    chain: Option<Chain>,
    lock: DiskLock,
}

impl Parts {
    fn assemble(self) -> Result<FileJournal, OpenError> {
        let room = Room::empty();
        if let Some(current) = &self.current {
            room.add_segment(current.segment.bytes - current.at);
        }
        let preparer = Preparer::start(
            self.folder.clone(),
            self.options,
            self.installation,
            room.clone(),
            self.spares,
            self.next_ordinal,
        )?;
        let archive = ArchiveOwner::new(self.folder.clone(), preparer.freed(), self.finished);
        let last_seq = self.chain.map_or(0, |chain| chain.next_seq - 1);
        Ok(FileJournal {
            folder: self.folder,
            options: self.options,
            current: self.current,
            left: Vec::new(),
            archive,
            chain: self.chain,
            state: Acceptance::Open,
            durable: DurableSeq::new(last_seq),
            room,
            preparer,
            lock: self.lock,
        })
    }
}
