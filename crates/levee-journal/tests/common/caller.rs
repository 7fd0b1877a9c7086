//! A caller of this crate in small, on a simulated disk: its state is what was in the records, it
//! takes snapshots of that, and it recovers from the newest that is sound and the journal after it.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use levee_journal::sim::{SimDisk, Survival};
use levee_journal::{
    AppendError, BatchHead, FileJournal, KeptSnapshots, Kind, Log, RecordBuffer, SnapshotError,
    SnapshotHead, Snapshots,
};

use super::{GENESIS, INSTALLATION, options, payload};

/// The data folder. What is above its parent is not for the journal to make durable.
pub(crate) const DIR: &str = "/data";

/// Commands of a batch; more than one, so that sequence numbers and batches differ.
const COUNT: u32 = 3;
/// Entries of one block of a snapshot.
const ENTRIES: usize = 8;
const ENTRY_BYTES: usize = 24;

/// Tags of a snapshot's blocks.
const STATE: u32 = 1;
const PADDING: u32 = 2;

/// What a caller knows of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    first_seq: u64,
    time_ms: u64,
    /// Of the payload.
    digest: u64,
}

impl Entry {
    fn new(first_seq: u64, time_ms: u64, payload: &[u8]) -> Self {
        let digest = (payload.len() as u64) << 32 | u64::from(crc32c::crc32c(payload));
        Self { first_seq, time_ms, digest }
    }

    fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        for (at, word) in bytes.chunks_mut(8).zip([self.first_seq, self.time_ms, self.digest]) {
            at.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        Self { first_seq: word(0), time_ms: word(8), digest: word(16) }
    }
}

/// A batch to be appended.
pub(crate) struct Batch {
    pub(crate) entry: Entry,
    head: BatchHead,
    buffer: RecordBuffer,
}

#[derive(Debug)]
pub(crate) struct Caller {
    disk: SimDisk,
    pub(crate) journal: FileJournal,
    snapshots: Snapshots,
    kept: KeptSnapshots,
    pub(crate) state: Vec<Entry>,
    /// Recovery dropped a torn record.
    pub(crate) was_torn: bool,
}

pub(crate) fn snapshots(disk: &SimDisk) -> Snapshots {
    Snapshots::new_on(Arc::new(disk.clone()), Path::new(DIR))
}

fn last_seq(state: &[Entry]) -> u64 {
    state.last().map_or(0, |entry| entry.first_seq + u64::from(COUNT) - 1)
}

impl Caller {
    pub(crate) fn create(disk: &SimDisk) -> Result<Self, Box<dyn Error>> {
        let port = Arc::new(disk.clone());
        let journal =
            FileJournal::create_on(port, Path::new(DIR), options(), INSTALLATION, GENESIS, 1_000)?;
        let (disk, snapshots) = (disk.clone(), snapshots(disk));
        let kept = KeptSnapshots::new(snapshots.clone(), None);
        Ok(Self { disk, journal, snapshots, kept, state: Vec::new(), was_torn: false })
    }

    /// None when there is no journal yet.
    pub(crate) fn recover(disk: &SimDisk) -> Result<Option<Self>, Box<dyn Error>> {
        let port = Arc::new(disk.clone());
        if !FileJournal::exists_on(port.clone(), Path::new(DIR)) {
            assert!(snapshots(disk).list()?.is_empty(), "a snapshot of nothing");
            return Ok(None);
        }
        let snapshots = snapshots(disk);
        let mut found = None;
        for seq in snapshots.list()? {
            match load(&snapshots, seq) {
                Ok(state) => {
                    found = Some(state);
                    break;
                }
                // The next older one.
                Err(SnapshotError::Damaged { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let kept = KeptSnapshots::new(snapshots.clone(), found.as_ref().map(|s| last_seq(s)));
        let mut state = found.unwrap_or_default();
        let last = last_seq(&state);
        let (journal, recovered) =
            FileJournal::open_after_on(port, Path::new(DIR), options(), last)?;
        assert_eq!(recovered.genesis.as_deref(), Some(GENESIS));
        for record in journal.read_from(last + 1)? {
            let record = record?;
            if record.kind == Kind::Batch && record.first_seq > last {
                assert_eq!(record.count, COUNT);
                state.push(Entry::new(record.first_seq, record.time_ms, &record.payload));
            }
        }
        assert_eq!(recovered.last_seq, last_seq(&state));
        assert_eq!(journal.durable().get(), recovered.last_seq);
        let was_torn = recovered.torn.is_some();
        Ok(Some(Self { disk: disk.clone(), journal, snapshots, kept, state, was_torn }))
    }

    /// The next batch; `salt` makes it one that was never appended before.
    pub(crate) fn batch(&self, len: usize, salt: u64) -> Batch {
        let first_seq = last_seq(&self.state) + 1;
        let time_ms = 1_000 + first_seq;
        let bytes = payload(first_seq ^ (salt << 20), len);
        let mut buffer = RecordBuffer::new();
        buffer.extend_from_slice(&bytes);
        let head = BatchHead { first_seq, count: COUNT, time_ms };
        Batch { entry: Entry::new(first_seq, time_ms, &bytes), head, buffer }
    }

    /// Appends; a journal without room is asked once more, and a poisoned one must say so.
    pub(crate) fn append(&mut self, mut batch: Batch) -> Result<(), AppendError> {
        let durable = self.journal.durable();
        let before = durable.get();
        let mut result = self.journal.append(batch.head, &mut batch.buffer);
        if matches!(result, Err(AppendError::Full { .. })) {
            assert_eq!(durable.get(), before);
            result = self.journal.append(batch.head, &mut batch.buffer);
        }
        if let Err(error) = result {
            assert_eq!(durable.get(), before);
            let again = self.journal.append(batch.head, &mut batch.buffer);
            assert!(matches!(again, Err(AppendError::Poisoned)), "{again:?} after {error}");
            return Err(error);
        }
        self.state.push(batch.entry);
        assert_eq!(durable.get(), last_seq(&self.state));
        Ok(())
    }

    pub(crate) fn close(&mut self) -> Result<(), AppendError> {
        self.journal.close(1_000 + last_seq(&self.state))
    }

    /// Takes a snapshot, verifies it, and gives up what two of them make needless.
    pub(crate) fn snapshot(&mut self, padding: usize) -> Result<(), Box<dyn Error>> {
        let seq = last_seq(&self.state);
        let head = SnapshotHead {
            installation: INSTALLATION,
            last_seq: seq,
            time_ms: 1_000 + seq,
            genesis: GENESIS.to_vec(),
        };
        self.snapshots.clear_unfinished()?;
        let mut writer = self.snapshots.create(&head, 100_000, 0)?;
        writer.block(PADDING, &[&payload(seq, padding)])?;
        for entries in self.state.chunks(ENTRIES) {
            let bytes: Vec<_> = entries.iter().map(|entry| entry.to_bytes()).collect();
            let pieces: Vec<&[u8]> = bytes.iter().map(<[u8; ENTRY_BYTES]>::as_slice).collect();
            writer.block(STATE, &pieces)?;
        }
        writer.finish()?;
        let disk = self.disk.after_power_loss(Survival::Nothing, 0);
        assert!(snapshots(&disk).verify(seq).is_ok(), "finished, but not durable");
        self.kept.admit(seq)?;
        if let Some(from_seq) = self.kept.clear_away()? {
            self.journal.trimmer().truncate_before(from_seq)?;
        }
        Ok(())
    }
}

fn load(snapshots: &Snapshots, seq: u64) -> Result<Vec<Entry>, SnapshotError> {
    let mut reader = snapshots.open(seq)?;
    assert_eq!((reader.head().installation, reader.head().last_seq), (INSTALLATION, seq));
    let mut state = Vec::new();
    while let Some(block) = reader.next_block()? {
        if block.tag == STATE {
            state.extend(block.payload.chunks(ENTRY_BYTES).map(Entry::from_bytes));
        }
    }
    assert_eq!(last_seq(&state), seq);
    Ok(state)
}
