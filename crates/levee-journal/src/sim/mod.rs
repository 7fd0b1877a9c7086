//! A disk in memory that loses power, and whose calls fail, wherever a test wants: for the tests of
//! this crate and of what is built on it. Everything on it happens in one order and is decided by
//! seeds, so a run can be played again.
//!
//! # What survives a loss of power
//!
//! The model promises what POSIX, ext4 and xfs all promise, and nothing more:
//!
//! - **Contents.** A sector (512 bytes) that was written since the file's last sync may be as it
//!   was at that sync, or as any write since then left it, whatever became of other sectors; or
//!   torn, its bytes partly the one and partly the other. A sector that was not written is as it
//!   was: the sync of one record cannot damage its neighbour.
//! - **Lengths.** Until the next sync a file's length is any that it had since the last one. What
//!   was never written within it is zero: both file systems keep space that was only allocated
//!   apart from space that holds data. `sync_data` makes a length durable only as far as reading
//!   what was written takes; `sync_all` makes all of it durable.
//! - **Names.** Creating, renaming and deleting are each one step, also from folder to folder, for
//!   both file systems put each into one transaction. Of the steps that touch one folder a later
//!   one survives only if the earlier ones do; steps on different folders are independent of each
//!   other, although both file systems have only one log. `sync_dir` makes all steps on its
//!   folder durable, with the earlier ones that they need, but not the folder's own name: that is
//!   a step on the folder above it.
//! - A sync of a file says nothing of its name, nor a folder's of what is in its files.
//!
//! # What a failed call leaves
//!
//! A failed write has written any of its sectors. A failed sync has made any of the sectors durable
//! and **forgotten** the others: they can still be read, but no later sync writes them, as Linux
//! does it. All other failed calls have done nothing.

mod contents;
mod names;
mod rng;

use std::fmt;
use std::fs::TryLockError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Access, Disk, DiskFile, DiskLock};
use contents::Contents;
use names::{Names, Node};
use rng::Rng;

/// What survives a loss of power of all that was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    /// Nothing of it.
    Nothing,
    /// All of it.
    Everything,
    /// Any sectors, lengths and steps on names, as the seed decides.
    Some,
    /// As `Some`, and any of the sectors are torn.
    Torn,
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone)]
pub struct SimDisk(Arc<Mutex<State>>);

#[derive(Clone)]
struct State {
    names: Names,
    /// By the number that names refer to; also those that have no name any more.
    files: Vec<Arc<Contents>>,
    locked: Vec<PathBuf>,
    steps: u64,
    fails_at: Option<u64>,
    moments: Option<Vec<Moment>>,
}

/// The disk as it was after one step of the program that uses it.
#[derive(Clone, Debug)]
pub struct Moment {
    /// The step, in words.
    pub step: String,
    /// The disk right after it, not shared with that program.
    pub disk: SimDisk,
}

impl Default for SimDisk {
    fn default() -> Self {
        Self::new()
    }
}

/// A disk's contents would fill the screen.
impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimDisk").field("steps", &self.steps()).finish_non_exhaustive()
    }
}

impl SimDisk {
    /// An empty disk with the folder `/`.
    #[must_use]
    pub fn new() -> Self {
        Self::of(State {
            names: Names::new(),
            files: Vec::new(),
            locked: Vec::new(),
            steps: 0,
            fails_at: None,
            moments: None,
        })
    }

    fn of(state: State) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    /// Nothing panics here with the state half-changed.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disk that is found after a loss of power now. This one is not changed.
    #[must_use]
    pub fn after_power_loss(&self, survival: Survival, seed: u64) -> Self {
        let state = self.state();
        let mut rng = Rng::new(seed);
        let survived = |file: &Arc<Contents>| {
            // Most files of a disk: not to be copied each time.
            if file.is_settled() {
                return Arc::clone(file);
            }
            Arc::new(file.survived(survival, &mut rng))
        };
        let files = state.files.iter().map(survived).collect();
        let names = state.names.survived(survival, &mut rng);
        Self::of(State {
            names,
            files,
            locked: Vec::new(),
            steps: 0,
            fails_at: None,
            moments: None,
        })
    }

    /// The disk that is found after the program alone has died: all is there, but what was not
    /// synced can still be lost. This one is not changed.
    #[must_use]
    pub fn after_kill(&self) -> Self {
        let state = self.state();
        Self::of(State { locked: Vec::new(), fails_at: None, moments: None, ..state.clone() })
    }

    /// How many steps there were: calls that change something or make it durable.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.state().steps
    }

    /// Lets the step with this number fail, counted from 0 over the disk's life.
    pub fn fail_at(&self, step: u64) {
        self.state().fails_at = Some(step);
    }

    /// From now on a copy of the disk is kept after each step.
    pub fn keep_moments(&self) {
        self.state().moments = Some(Vec::new());
    }

    /// The copies since the last call.
    #[must_use]
    pub fn take_moments(&self) -> Vec<Moment> {
        self.state().moments.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Flips one bit of a file, on the disk and for its readers.
    ///
    /// # Errors
    /// `NotFound` when there is no such file.
    pub fn flip_bit(&self, path: &Path, byte: u64, bit: u8) -> io::Result<()> {
        let mut state = self.state();
        let Node::File(number) = state.names.get(path)? else { return Err(is_a_dir()) };
        Arc::make_mut(&mut state.files[number]).flip_bit(place(byte), bit);
        Ok(())
    }

    /// One step: `change` happens, unless it is the one that fails; then `fail` does.
    fn step<R>(
        &self,
        name: impl FnOnce() -> String,
        change: impl FnOnce(&mut State) -> io::Result<R>,
        fail: impl FnOnce(&mut State, &mut Rng),
    ) -> io::Result<R> {
        let mut state = self.state();
        let number = state.steps;
        state.steps += 1;
        let result = if state.fails_at == Some(number) {
            fail(&mut state, &mut Rng::new(number));
            Err(io::Error::other(format!("step {number} of the simulated disk fails")))
        } else {
            change(&mut state)
        };
        if state.moments.is_some() {
            let disk = Self::of(State {
                locked: Vec::new(),
                moments: None,
                fails_at: None,
                ..state.clone_without_moments()
            });
            let step = name();
            state.moments.get_or_insert_default().push(Moment { step, disk });
        }
        result
    }
}

impl State {
    /// The copies of one disk would otherwise hold those before them.
    fn clone_without_moments(&mut self) -> Self {
        let moments = self.moments.take();
        let copy = self.clone();
        self.moments = moments;
        copy
    }

    fn contents(&mut self, number: usize) -> &mut Contents {
        Arc::make_mut(&mut self.files[number])
    }
}

/// What fails without a trace.
fn nothing(_: &mut State, _: &mut Rng) {}

fn is_a_dir() -> io::Error {
    io::ErrorKind::IsADirectory.into()
}

/// A position in memory.
fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("simulated files fit the memory")
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let number = if access == Access::Create {
            let create = |state: &mut State| match state.names.get(path) {
                Ok(Node::File(number)) => {
                    state.contents(number).set_len(0);
                    Ok(number)
                }
                Ok(Node::Dir) => Err(is_a_dir()),
                Err(_) => {
                    let number = state.files.len();
                    state.names.add(path, Node::File(number))?;
                    state.files.push(Arc::new(Contents::default()));
                    Ok(number)
                }
            };
            self.step(|| format!("create {}", path.display()), create, nothing)?
        } else {
            match self.state().names.get(path)? {
                Node::File(number) => number,
                Node::Dir => return Err(is_a_dir()),
            }
        };
        Ok(Box::new(SimFile { disk: self.clone(), number, path: path.to_path_buf() }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let name = || format!("rename {} to {}", from.display(), to.display());
        self.step(name, |state| state.names.rename(from, to), nothing)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let name = || format!("remove {}", path.display());
        self.step(name, |state| state.names.remove(path), nothing)
    }

    fn create_dirs(&self, dir: &Path) -> io::Result<()> {
        let missing: Vec<&Path> = dir.ancestors().take_while(|path| !self.is_dir(path)).collect();
        for path in missing.into_iter().rev() {
            let name = || format!("create folder {}", path.display());
            self.step(name, |state| state.names.add(path, Node::Dir), nothing)?;
        }
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let name = || format!("sync folder {}", dir.display());
        self.step(name, |state| state.names.sync(dir), nothing)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.state().names.list(dir)
    }

    fn is_dir(&self, path: &Path) -> bool {
        matches!(self.state().names.get(path), Ok(Node::Dir))
    }

    /// So much that no reserve is touched.
    fn free_bytes(&self, _dir: &Path) -> io::Result<u64> {
        Ok(1 << 50)
    }

    fn lock(&self, path: &Path) -> Result<DiskLock, TryLockError> {
        let mut state = self.state();
        if state.locked.iter().any(|locked| locked == path) {
            return Err(TryLockError::WouldBlock);
        }
        state.locked.push(path.to_path_buf());
        Ok(Arc::new(SimLock { disk: self.clone(), path: path.to_path_buf() }))
    }

    fn has_threads(&self) -> bool {
        false
    }
}

#[derive(Debug)]
struct SimLock {
    disk: SimDisk,
    path: PathBuf,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.state().locked.retain(|locked| *locked != self.path);
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    number: usize,
    /// As it was when the file was opened: for the names of steps.
    path: PathBuf,
}

impl SimFile {
    fn change(&self, what: &str, change: impl FnOnce(&mut Contents)) -> io::Result<()> {
        let change = |state: &mut State| {
            change(state.contents(self.number));
            Ok(())
        };
        self.disk.step(|| format!("{what} {}", self.path.display()), change, nothing)
    }

    fn sync(&self, what: &str, sync: impl FnOnce(&mut Contents)) -> io::Result<()> {
        let change = |state: &mut State| {
            sync(state.contents(self.number));
            Ok(())
        };
        self.disk.step(
            || format!("{what} {}", self.path.display()),
            change,
            |state, rng| state.contents(self.number).forget(rng),
        )
    }
}

impl DiskFile for SimFile {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.disk.state().files[self.number].bytes().len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.state();
        let rest = state.files[self.number].bytes().get(place(offset)..).unwrap_or_default();
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.step(
            || format!("write {} bytes at {offset} of {}", bytes.len(), self.path.display()),
            |state| {
                state.contents(self.number).write(bytes, place(offset), |_| true);
                Ok(())
            },
            |state, rng| {
                let at = place(offset);
                state.contents(self.number).write(bytes, at, |_| rng.below(2) == 0);
            },
        )
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        self.change("allocate", |contents| {
            let len = contents.bytes().len().max(place(bytes));
            contents.set_len(len);
        })
    }

    fn set_bytes(&self, bytes: u64) -> io::Result<()> {
        self.change("set the length of", |contents| contents.set_len(place(bytes)))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync("sync data of", Contents::sync_data)
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync("sync", Contents::sync_all)
    }
}
