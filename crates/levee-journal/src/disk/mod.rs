//! The port through which this crate uses a file system. Everything that durability rests on goes
//! through it, so that the same code runs on a real disk ([`RealDisk`]) and on a simulated one
//! ([`sim`](crate::sim)) that fails and loses power wherever a test wants. No rule about
//! journals or snapshots lives here.
//!
//! Calls cost microseconds at least, so they go through `dyn`.

mod real;

use std::fmt::Debug;
use std::fs::TryLockError;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use real::RealDisk;

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading; the file must exist.
    Read,
    /// Reading and writing; the file must exist.
    Write,
    /// Reading and writing an empty file: created, or emptied if it exists.
    Create,
}

/// A lock that is held until the last copy of it is dropped.
pub type DiskLock = Arc<dyn Debug + Send + Sync>;

/// A file system. Errors are the system's own.
pub trait Disk: Debug + Send + Sync {
    /// Opens a file.
    ///
    /// # Errors
    /// `NotFound` when it does not exist and is not to be created, or the system's refusal.
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>>;

    /// Gives a file another name; a file that has that name already is replaced in one step.
    /// Durable after a [`Disk::sync_dir`] of both folders.
    ///
    /// # Errors
    /// The system's refusal.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Deletes a file. Durable after a [`Disk::sync_dir`] of its folder.
    ///
    /// # Errors
    /// The system's refusal.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Creates a folder and those above it, as far as they are missing.
    ///
    /// # Errors
    /// The system's refusal.
    fn create_dirs(&self, dir: &Path) -> io::Result<()>;

    /// Makes creations, renames and removals in a folder durable.
    ///
    /// # Errors
    /// The system's refusal; whether they are durable is then unknown.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Names of what is in a folder, in no order; those that are not UTF-8 are left out.
    ///
    /// # Errors
    /// `NotFound` when there is no such folder, or the system's refusal.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Whether there is such a folder.
    fn is_dir(&self, path: &Path) -> bool;

    /// Bytes that this process may still allocate in the file system of a folder.
    ///
    /// # Errors
    /// The system's refusal.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;

    /// Takes a file, created if it is missing, as a lock against other processes and against
    /// other parts of this one.
    ///
    /// # Errors
    /// `WouldBlock` when somebody holds it, or the system's refusal.
    fn lock(&self, path: &Path) -> Result<DiskLock, TryLockError>;

    /// Whether segments may be made ready by a thread of their own. A simulated disk says no, so
    /// that what happens on it has one order.
    fn has_threads(&self) -> bool {
        true
    }
}

/// An open file. Positions and lengths are in bytes from its start.
pub trait DiskFile: Debug + Send + Sync {
    /// Length of the file in bytes.
    ///
    /// # Errors
    /// The system's refusal.
    fn bytes(&self) -> io::Result<u64>;

    /// Reads at most as much as `buffer` takes; 0 at the end of the file.
    ///
    /// # Errors
    /// The system's refusal.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all bytes, and lengthens the file if they reach beyond its end.
    ///
    /// # Errors
    /// The system's refusal; any part of the bytes may then be written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Takes space for a file of this length, and lengthens it with zeros as far as the file
    /// system can. Where it cannot, nothing happens: writing takes the space.
    ///
    /// # Errors
    /// `StorageFull`, or another refusal of the system's.
    fn allocate(&self, bytes: u64) -> io::Result<()>;

    /// Cuts the file, or lengthens it with zeros. Durable after [`DiskFile::sync_all`].
    ///
    /// # Errors
    /// The system's refusal.
    fn set_bytes(&self, bytes: u64) -> io::Result<()>;

    /// Makes what was written durable, with as much of the length as reading it again takes.
    ///
    /// # Errors
    /// The system's refusal. What was written may be lost then, and a second call may say that
    /// all is well: never repeat it.
    fn sync_data(&self) -> io::Result<()>;

    /// Makes what was written durable, and all that the file system knows of the file besides its
    /// name.
    ///
    /// # Errors
    /// As [`DiskFile::sync_data`].
    fn sync_all(&self) -> io::Result<()>;

    /// Fills the buffer.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file ends before, or the system's refusal.
    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read_at(buffer, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    buffer = &mut buffer[read..];
                    offset += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
