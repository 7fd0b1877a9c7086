//! The machine's disk, but no sync is over before its time: what a claim takes where a sync is slow,
//! measured on a machine where it is fast. Everything else is the real disk's.

use std::fs::TryLockError;
use std::io;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use levee_journal::disk::{Access, Disk, DiskFile, DiskLock, RealDisk};

#[derive(Debug)]
pub(super) struct SlowDisk {
    sync_least: Duration,
}

impl SlowDisk {
    pub(super) fn new(sync_least: Duration) -> Self {
        Self { sync_least }
    }
}

#[derive(Debug)]
struct SlowFile {
    file: Box<dyn DiskFile>,
    sync_least: Duration,
}

impl SlowFile {
    fn slowly(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let started = Instant::now();
        sync()?;
        sleep(self.sync_least.saturating_sub(started.elapsed()));
        Ok(())
    }
}

impl Disk for SlowDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let file = RealDisk.open(path, access)?;
        Ok(Box::new(SlowFile { file, sync_least: self.sync_least }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn create_dirs(&self, dir: &Path) -> io::Result<()> {
        RealDisk.create_dirs(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.sync_dir(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(dir)
    }

    fn is_dir(&self, path: &Path) -> bool {
        RealDisk.is_dir(path)
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        RealDisk.free_bytes(dir)
    }

    fn lock(&self, path: &Path) -> Result<DiskLock, TryLockError> {
        RealDisk.lock(path)
    }
}

impl DiskFile for SlowFile {
    fn bytes(&self) -> io::Result<u64> {
        self.file.bytes()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        self.file.allocate(bytes)
    }

    fn set_bytes(&self, bytes: u64) -> io::Result<()> {
        self.file.set_bytes(bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.slowly(|| self.file.sync_data())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.slowly(|| self.file.sync_all())
    }
}
