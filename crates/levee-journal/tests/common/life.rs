//! A caller's life on a simulated disk, and what must be found of it after a crash.

use std::path::Path;

use levee_journal::disk::Disk;
use levee_journal::sim::SimDisk;

use super::caller::{Caller, DIR, Entry, snapshots};

/// What the caller of a journal does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    Create,
    /// A batch with this many bytes of payload.
    Append(usize),
    /// A snapshot with this many bytes of padding, its verification, pruning and archiving.
    Snapshot(usize),
    Close,
    /// Nothing is closed or dropped in order.
    Die,
    Reopen,
}

/// Segments are of 64 KiB: the larger batches fill them by two or three, and each snapshot lets
/// some be archived from the second on.
pub(crate) const LIFE: &[Action] = &[
    Action::Create,
    Action::Append(0),
    Action::Append(700),
    Action::Append(30_000),
    Action::Append(30_000),
    Action::Append(20_000),
    Action::Snapshot(1_000),
    Action::Append(44_000),
    Action::Append(2_300),
    Action::Append(60_000),
    Action::Snapshot(300_000),
    Action::Append(900),
    Action::Die,
    Action::Reopen,
    Action::Append(63_000),
    Action::Append(100),
    Action::Snapshot(0),
    Action::Append(5_000),
    Action::Close,
    Action::Reopen,
    Action::Append(30_000),
    Action::Append(31_000),
    Action::Snapshot(10),
    Action::Append(400),
];

/// What must be found after a crash.
#[derive(Clone, Debug, Default)]
pub(crate) struct Truth {
    /// Creation was acknowledged.
    pub(crate) is_created: bool,
    /// All that was ever handed over, in order; of the last one nobody may know.
    pub(crate) appended: Vec<Entry>,
    /// How many of them were acknowledged.
    pub(crate) acknowledged: usize,
    /// Last sequence numbers of the finished snapshots, newest first.
    pub(crate) snapshots: Vec<u64>,
    /// How many segments were archived.
    pub(crate) archived: usize,
}

/// One caller's life, and what is known of it.
pub(crate) struct Life {
    pub(crate) disk: SimDisk,
    pub(crate) caller: Option<Caller>,
    pub(crate) truth: Truth,
    /// The step of the disk that fails.
    fails_at: u64,
}

impl Life {
    pub(crate) fn new(fails_at: u64) -> Self {
        let disk = SimDisk::new();
        disk.fail_at(fails_at);
        Self { disk, caller: None, truth: Truth::default(), fails_at }
    }

    /// Does one action. After a failure the process has ended, or may try the same again.
    pub(crate) fn act(&mut self, action: Action) -> Result<(), Box<dyn std::error::Error>> {
        match (action, self.caller.as_mut()) {
            (Action::Create, _) => {
                self.caller = Some(Caller::create(&self.disk)?);
                self.truth.is_created = true;
            }
            (Action::Append(len), Some(caller)) => {
                let batch = caller.batch(len, 1);
                self.truth.appended.push(batch.entry);
                caller.append(batch)?;
                self.truth.acknowledged = self.truth.appended.len();
            }
            (Action::Snapshot(padding), Some(caller)) => {
                caller.snapshot(padding)?;
                self.truth.snapshots = snapshots(&self.disk).list()?;
                self.truth.archived = archived(&self.disk);
            }
            (Action::Close, Some(caller)) => {
                caller.close()?;
                self.caller = None;
            }
            (Action::Die, Some(_)) => {
                // What it had open still belongs to the old disk.
                let disk = self.disk.after_kill();
                disk.fail_at(self.fails_at);
                self.disk = disk;
                self.caller = None;
            }
            (Action::Reopen, None) => {
                let caller = Caller::recover(&self.disk)?.expect("a journal was created");
                self.truth.is_found(&caller);
                self.caller = Some(caller);
            }
            (action, _) => panic!("{action:?} at the wrong time"),
        }
        Ok(())
    }
}

impl Truth {
    /// Compares what recovery found; from then on all of it was told to somebody.
    #[track_caller]
    pub(crate) fn is_found(&mut self, caller: &Caller) {
        let found = &caller.state;
        let (least, most) = (self.acknowledged, self.appended.len());
        assert!(found.len() >= least, "{least} were acknowledged, {} found", found.len());
        assert!(found.len() <= most, "{most} were appended, {} found", found.len());
        assert!(*found == self.appended[..found.len()], "not what was appended");
        self.appended.truncate(found.len());
        self.acknowledged = found.len();
    }

    /// Compares what is there besides the records. Of the snapshots the oldest may have had to go,
    /// if there is a newer one.
    #[track_caller]
    pub(crate) fn is_kept(&self, disk: &SimDisk) {
        let found = snapshots(disk).list().unwrap();
        let newest = self.snapshots.first();
        assert!(newest.is_none_or(|newest| found.contains(newest)), "the last snapshot is gone");
        let (least, most) = (self.snapshots.len(), found.len());
        assert!(most >= least, "there were {least} snapshots, and {most} are left");
        assert!(archived(disk) >= self.archived, "segments have left the archive");
    }
}

fn archived(disk: &SimDisk) -> usize {
    disk.list(&Path::new(DIR).join("archive")).map_or(0, |names| names.len())
}
