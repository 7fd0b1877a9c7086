//! Segments made ahead of time, in the background: created, zero-filled, synced and renamed, so
//! that an append only overwrites blocks that exist already.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::disk::{Access, DiskFile};
use crate::folder::Folder;
use crate::format::{SECTOR, SegmentHeader, encode_segment_header};
use crate::{InstallationId, OpenError, Options, Room};

/// How many empty segments to keep ahead of the current one. Two: while one is taken into use
/// and the next is being filled, a full one still stands by.
const SPARES: usize = 2;
/// Zeros are written in pieces, each waited for: filling at full speed would hold up appends.
/// (Measured on 2 shared cores, 64 KiB records at full rate: the slowest append took 5 to 10 ms
/// with pieces of 1 MiB, 27 ms with one sync at the end, at the same throughput.)
const FILL_BYTES: usize = 1024 * 1024;
/// How long to wait before looking again whether there is space.
const RETRY: Duration = Duration::from_millis(500);

/// A segment without records.
#[derive(Debug)]
pub(crate) struct Spare {
    pub(crate) ordinal: u64,
    pub(crate) bytes: u64,
    pub(crate) path: PathBuf,
    pub(crate) file: Box<dyn DiskFile>,
}

/// Why a segment was not made.
#[derive(Debug)]
pub(crate) enum NotMade {
    NoSpace(String),
    Io { action: &'static str, file: PathBuf, source: io::Error },
    Open(OpenError),
    Stopped,
}

impl NotMade {
    fn reason(&self) -> String {
        match self {
            NotMade::NoSpace(reason) => reason.clone(),
            NotMade::Io { action, file, source } => {
                format!("could not {action} {}: {source}", file.display())
            }
            NotMade::Open(error) => error.to_string(),
            NotMade::Stopped => "the journal is being closed".to_owned(),
        }
    }

    pub(crate) fn into_open_error(self, folder: &Folder) -> OpenError {
        match self {
            NotMade::Io { action, file, source } => OpenError::Io { action, file, source },
            NotMade::Open(error) => error,
            NotMade::NoSpace(_) | NotMade::Stopped => {
                OpenError::NoSpace { dir: folder.dir.clone(), reason: self.reason() }
            }
        }
    }
}

/// Makes one segment, or leaves nothing behind.
pub(crate) fn make_segment(
    folder: &Folder,
    options: &Options,
    header: &SegmentHeader,
    stop: &AtomicBool,
) -> Result<Spare, NotMade> {
    check_space(folder, options)?;
    let unfinished = folder.unfinished_segment(header.ordinal);
    let disk = &*folder.disk;
    let made = fill(folder, &unfinished, header, stop).and_then(|file| {
        let path = folder.segment(header.ordinal);
        let failed = |action| {
            move |source| NotMade::Io { action, file: folder.segment(header.ordinal), source }
        };
        disk.rename(&unfinished, &path).map_err(failed("rename a new segment to"))?;
        disk.sync_dir(&folder.journal()).map_err(failed("sync the folder of"))?;
        Ok(Spare { ordinal: header.ordinal, bytes: header.segment_bytes, path, file })
    });
    if made.is_err() {
        // Whatever is left of it is deleted at the next start.
        let _ = disk.remove(&unfinished);
    }
    made.map_err(|error| match error {
        NotMade::Io { source, .. } if is_no_space(&source) => {
            NotMade::NoSpace(format!("the disk is full ({source}); free some space"))
        }
        error => error,
    })
}

fn is_no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Whether another segment would keep the reserve and the quota.
fn check_space(folder: &Folder, options: &Options) -> Result<(), NotMade> {
    let dir = folder.journal();
    if let Some(quota_bytes) = options.quota_bytes {
        let mut used = options.segment_bytes;
        for ordinal in folder.segments_in_journal().map_err(NotMade::Open)? {
            let file = folder.segment(ordinal);
            match folder.disk.open(&file, Access::Read).and_then(|file| file.bytes()) {
                Ok(bytes) => used = used.saturating_add(bytes),
                // Archived since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(NotMade::Io { action: "measure", file, source }),
            }
        }
        if used > quota_bytes {
            return Err(NotMade::NoSpace(format!(
                "another segment would bring the journal to {used} bytes, over its quota of \
                 {quota_bytes}; archive segments or raise the quota"
            )));
        }
    }
    let free = folder.disk.free_bytes(&dir).map_err(|source| NotMade::Io {
        action: "measure the free space of",
        file: dir.clone(),
        source,
    })?;
    if free.saturating_sub(options.segment_bytes) < options.reserve_bytes {
        return Err(NotMade::NoSpace(format!(
            "the disk of {} has {free} bytes free, and a segment of {} would leave less than the \
             reserve of {}; free some space",
            dir.display(),
            options.segment_bytes,
            options.reserve_bytes
        )));
    }
    Ok(())
}

fn fill(
    folder: &Folder,
    path: &Path,
    header: &SegmentHeader,
    stop: &AtomicBool,
) -> Result<Box<dyn DiskFile>, NotMade> {
    let failed =
        |action| move |source: io::Error| NotMade::Io { action, file: path.to_path_buf(), source };
    let file = folder.disk.open(path, Access::Create).map_err(failed("create"))?;
    file.allocate(header.segment_bytes).map_err(failed("allocate"))?;
    file.write_all_at(&encode_segment_header(header), 0).map_err(failed("write"))?;
    let zeros = vec![0; FILL_BYTES];
    let mut at = SECTOR as u64;
    while at < header.segment_bytes {
        if stop.load(Ordering::Relaxed) {
            return Err(NotMade::Stopped);
        }
        let piece = usize::try_from(header.segment_bytes - at)
            .map_or(FILL_BYTES, |rest| rest.min(FILL_BYTES));
        file.write_all_at(&zeros[..piece], at).map_err(failed("write"))?;
        at += piece as u64;
        if at < header.segment_bytes {
            // For the pace alone; the last piece's comes below.
            file.sync_data().map_err(failed("sync"))?;
        }
    }
    file.sync_all().map_err(failed("sync"))?;
    Ok(file)
}

/// The thread that makes segments, and what it shares with the appender.
#[derive(Debug)]
pub(crate) struct Preparer {
    shared: Arc<Shared>,
    /// None on a disk without threads, where segments are made by whoever asks for one.
    thread: Option<JoinHandle<()>>,
}

/// Tells a [`Preparer`] that space was freed, from any thread, as long as it lives.
#[derive(Clone, Debug)]
pub(crate) struct Freed(Weak<Shared>);

#[derive(Debug)]
struct Shared {
    folder: Folder,
    options: Options,
    installation: InstallationId,
    room: Room,
    state: Mutex<State>,
    changed: Condvar,
    stop: AtomicBool,
}

#[derive(Debug)]
struct State {
    spares: VecDeque<Spare>,
    next_ordinal: u64,
    /// Why the last try failed, while no later one succeeded.
    blocked: Option<String>,
    /// Space may have been freed since the running try began.
    retry_now: bool,
}

impl Preparer {
    /// Starts with the spares that are there already.
    pub(crate) fn start(
        folder: Folder,
        options: Options,
        installation: InstallationId,
        room: Room,
        spares: VecDeque<Spare>,
        next_ordinal: u64,
    ) -> Result<Self, OpenError> {
        for spare in &spares {
            room.add_segment(spare.bytes - SECTOR as u64);
        }
        let dir = folder.dir.clone();
        let has_threads = folder.disk.has_threads();
        let state = State { spares, next_ordinal, blocked: None, retry_now: false };
        let shared = Arc::new(Shared {
            folder,
            options,
            installation,
            room,
            state: Mutex::new(state),
            changed: Condvar::new(),
            stop: AtomicBool::new(false),
        });
        if !has_threads {
            return Ok(Self { shared, thread: None });
        }
        let thread = std::thread::Builder::new()
            .name("journal-prepare".into())
            .spawn({
                let shared = Arc::clone(&shared);
                move || shared.run()
            })
            .map_err(|source| OpenError::Io {
                action: "start the thread that prepares segments for",
                file: dir,
                source,
            })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// The next empty segment; waits while one is being made. `Err` says why none can be made.
    pub(crate) fn take(&self) -> Result<Spare, String> {
        let mut state = self.shared.lock();
        if self.thread.is_none() && state.spares.is_empty() {
            let mut is_made = true;
            while is_made && state.spares.len() < SPARES {
                (state, is_made) = self.shared.make_next(state);
            }
        }
        loop {
            if let Some(spare) = state.spares.pop_front() {
                self.shared.changed.notify_all();
                return Ok(spare);
            }
            if let Some(reason) = &state.blocked {
                return Err(reason.clone());
            }
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(crate) fn freed(&self) -> Freed {
        Freed(Arc::downgrade(&self.shared))
    }
}

impl Freed {
    /// Space was freed: try again at once.
    pub(crate) fn retry_now(&self) {
        let Some(shared) = self.0.upgrade() else { return };
        let mut state = shared.lock();
        state.retry_now = true;
        state.blocked = None;
        shared.room.set_exhausted(false);
        shared.changed.notify_all();
    }
}

impl Drop for Preparer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // The lock orders this after a check of `stop` that is about to wait.
        drop(self.shared.lock());
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // Its panic was reported when it happened, and it has nothing left to do.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// No code panics while holding this lock in a half-changed state.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn run(&self) {
        // Even a panic must not leave an appender waiting for ever.
        let _ended = Ended(self);
        let mut state = self.lock();
        while !self.is_stopped() {
            if state.spares.len() >= SPARES {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let is_made;
            (state, is_made) = self.make_next(state);
            if !is_made && !state.retry_now {
                let idle = |state: &mut State| !state.retry_now && !self.is_stopped();
                (state, _) = self
                    .changed
                    .wait_timeout_while(state, RETRY, idle)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Tries to make one more segment, without holding the lock meanwhile; returns whether it did.
    fn make_next<'a>(&'a self, mut state: MutexGuard<'a, State>) -> (MutexGuard<'a, State>, bool) {
        let header = SegmentHeader {
            ordinal: state.next_ordinal,
            segment_bytes: self.options.segment_bytes,
            installation: self.installation,
        };
        state.retry_now = false;
        drop(state);
        let made = make_segment(&self.folder, &self.options, &header, &self.stop);
        let mut state = self.lock();
        let is_made = made.is_ok();
        match made {
            Ok(spare) => {
                self.room.add_segment(spare.bytes - SECTOR as u64);
                self.room.set_exhausted(false);
                state.blocked = None;
                state.spares.push_back(spare);
                state.next_ordinal += 1;
                self.changed.notify_all();
            }
            Err(_) if state.retry_now => {}
            Err(error) => {
                let reason = error.reason();
                if state.blocked.is_none() && !self.is_stopped() {
                    tracing::warn!(reason, "no further journal segment can be made");
                }
                state.blocked = Some(reason);
                self.room.set_exhausted(true);
                self.changed.notify_all();
            }
        }
        (state, is_made)
    }
}

/// Tells whoever waits for a segment that none will come.
struct Ended<'a>(&'a Shared);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.lock().blocked = Some("the thread that prepares segments has ended".to_owned());
        self.0.room.set_exhausted(true);
        self.0.changed.notify_all();
    }
}
