//! A dense, append-only table in pages, and copies of its pages as they were when a snapshot began.
//!
//! Each page has a byte that names the last snapshot which has it. While one runs, the first write
//! to a page that it has not yet copies the page out, and the sweep copies the others in their
//! order; so the snapshot sees every page as it was at its beginning, and nothing is shared.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::marker::PhantomData;
use core::ops::{Index, IndexMut};

use bytemuck::Pod;

use super::chunk::{CHUNK_BYTES, Chunk, Store};
use super::prefetch::prefetch_all;

/// Size of a page in bytes: what is copied when it is written to while a snapshot runs.
pub const PAGE_BYTES: usize = 1 << 12;

const PAGES_PER_CHUNK: usize = CHUNK_BYTES / PAGE_BYTES;

/// Most pages of one table in a row that one copy holds: 256 KiB, a piece of the snapshot's file.
const RUN_PAGES_MAX: usize = 64;

/// Pages of one table, as a snapshot keeps them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pages {
    /// Which table.
    pub table: u8,
    /// Number of the first page.
    pub first: u32,
    /// A multiple of [`PAGE_BYTES`].
    pub bytes: Vec<u8>,
}

/// Records by number, from 0. A record is plain bytes of a size that divides a page's.
pub(crate) struct Table<T> {
    /// The number in copies of pages.
    number: u8,
    /// Without those that hold only forgotten records.
    chunks: VecDeque<Chunk>,
    /// Chunks that went.
    gone: usize,
    len: u32,
    /// Records below this are forgotten.
    first: u32,
    /// The last snapshot that has each page.
    epochs: Vec<u8>,
    /// Changes with every snapshot; a page that has it is copied, or younger than the snapshot.
    epoch: u8,
    /// Pages below this are part of the running snapshot; 0 while none runs.
    captured: usize,
    /// How far the sweep has come.
    swept: usize,
    copies: Vec<Pages>,
    of: PhantomData<T>,
}

impl<T: Pod> Table<T> {
    const PER_PAGE: usize = PAGE_BYTES / size_of::<T>();
    const PER_CHUNK: usize = CHUNK_BYTES / size_of::<T>();

    pub(crate) fn new(number: u8) -> Self {
        const { assert!(PAGE_BYTES.is_multiple_of(size_of::<T>())) };
        Self {
            number,
            chunks: VecDeque::new(),
            gone: 0,
            len: 0,
            first: 0,
            epochs: Vec::new(),
            epoch: 0,
            captured: 0,
            swept: 0,
            copies: Vec::new(),
            of: PhantomData,
        }
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// The first record that is not forgotten.
    pub(crate) fn first(&self) -> u32 {
        self.first
    }

    /// Appends a record and returns its number.
    pub(crate) fn push(&mut self, record: T, store: &mut Store) -> u32 {
        let number = self.len;
        // The last number means none.
        assert!(number < u32::MAX - 1, "fewer than 2^32 records");
        self.len = number + 1;
        let place = number as usize;
        if place.is_multiple_of(Self::PER_CHUNK) {
            self.chunks.push_back(store.take());
        }
        if place.is_multiple_of(Self::PER_PAGE) {
            self.epochs.push(self.epoch);
        }
        *self.row_mut(place) = record;
        number
    }

    pub(crate) fn get(&self, place: usize) -> Option<&T> {
        (place < self.len as usize && place >= self.first as usize).then(|| self.row(place))
    }

    /// Begins to bring a record near, all of its cache lines.
    #[inline]
    pub(crate) fn prefetch(&self, number: u32) {
        self.get(number as usize).inspect(|row| prefetch_all(*row));
    }

    /// In the order of their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        (self.first as usize..self.len as usize).map(|place| self.row(place))
    }

    #[inline]
    fn row(&self, place: usize) -> &T {
        let chunk = place / Self::PER_CHUNK - self.gone;
        &self.chunks[chunk].rows()[place % Self::PER_CHUNK]
    }

    #[inline]
    fn row_mut(&mut self, place: usize) -> &mut T {
        let page = place / Self::PER_PAGE;
        if page < self.captured {
            self.keep(page);
        }
        let chunk = place / Self::PER_CHUNK - self.gone;
        &mut self.chunks[chunk].rows_mut()[place % Self::PER_CHUNK]
    }

    /// Forgets the records below a number. Their memory is used again once no snapshot needs it.
    pub(crate) fn forget_before(&mut self, number: u32, store: &mut Store) {
        assert!(self.first <= number && number <= self.len, "only what is there can be forgotten");
        self.first = number;
        while self.captured == 0 && (self.gone + 1) * Self::PER_CHUNK <= number as usize {
            let chunk = self.chunks.pop_front().expect("a chunk before the first record");
            store.give_back(chunk);
            self.gone += 1;
        }
    }

    fn page(&self, page: usize) -> &[u8] {
        let from = page % PAGES_PER_CHUNK * PAGE_BYTES;
        &self.chunks[page / PAGES_PER_CHUNK - self.gone].bytes()[from..from + PAGE_BYTES]
    }

    /// Copies a page out that the running snapshot needs and has not yet.
    #[cold]
    fn keep(&mut self, page: usize) {
        if self.epochs[page] == self.epoch {
            return;
        }
        self.epochs[page] = self.epoch;
        let bytes = self.page(page).to_vec();
        self.copies.push(Pages { table: self.number, first: narrow(page), bytes });
    }

    /// Makes an empty table one of the records from `first` to `len`, to be filled by
    /// [`Capture::put_pages`].
    pub(crate) fn begin_restore(&mut self, (first, len): (u32, u32), store: &mut Store) {
        assert!(self.len == 0 && first <= len && len < u32::MAX, "checked by the caller");
        (self.first, self.len) = (first, len);
        self.gone = first as usize / Self::PER_CHUNK;
        let chunks = (len as usize).div_ceil(Self::PER_CHUNK);
        self.chunks = (self.gone..chunks).map(|_| store.take()).collect();
        // Pages that are not there yet have another byte than the coming epoch.
        self.epoch = 1;
        self.epochs.resize((len as usize).div_ceil(Self::PER_PAGE), 0);
        let gone = self.epochs.len().min(self.gone * PAGES_PER_CHUNK);
        self.epochs[..gone].fill(self.epoch);
    }
}

/// The part of a table that snapshots need, whatever its records are.
pub(crate) trait Capture {
    /// A snapshot of all records that are here now begins. Returns how many pages it has.
    fn begin(&mut self) -> u32;

    /// First record and number of records.
    fn span(&self) -> (u32, u32);

    /// How many bytes the pages of a table of such records take.
    fn bytes_of(&self, span: (u32, u32)) -> u64;

    /// Copies up to `limit` further pages out; returns what is left of the limit.
    fn sweep(&mut self, limit: u32) -> u32;

    /// Whether every page of the running snapshot has been copied out.
    fn is_swept(&self) -> bool;

    /// Moves the copies that were made to `out`.
    fn take_copies(&mut self, out: &mut Vec<Pages>);

    /// The running snapshot has all it needs, or is given up.
    fn end(&mut self);

    /// Puts copied pages into a table that is being restored; false when they are none of it, or
    /// there already.
    fn put_pages(&mut self, first: u32, bytes: &[u8]) -> bool;

    /// Whether all pages of a table that is being restored are there.
    fn end_restore(&self) -> bool;
}

impl<T: Pod> Capture for Table<T> {
    fn begin(&mut self) -> u32 {
        assert_eq!(self.captured, 0, "one snapshot at a time");
        self.epoch = self.epoch.wrapping_add(1);
        self.captured = self.epochs.len();
        // Without as many chunks as a restored table will do without.
        self.swept = self.first as usize / Self::PER_CHUNK * PAGES_PER_CHUNK;
        narrow(self.captured - self.swept.min(self.captured))
    }

    fn span(&self) -> (u32, u32) {
        (self.first, self.len)
    }

    fn bytes_of(&self, (first, len): (u32, u32)) -> u64 {
        let gone = first as usize / Self::PER_CHUNK * PAGES_PER_CHUNK;
        let pages = (len as usize).div_ceil(Self::PER_PAGE).saturating_sub(gone);
        (pages * PAGE_BYTES) as u64
    }

    fn sweep(&mut self, mut limit: u32) -> u32 {
        while limit > 0 && self.swept < self.captured {
            let first = self.swept;
            let most = (limit as usize).min(RUN_PAGES_MAX);
            let run = self.epochs[first..self.captured.min(first + most)].iter();
            let run = run.take_while(|epoch| **epoch != self.epoch).count();
            self.swept += run.max(1);
            if run == 0 {
                continue;
            }
            let mut bytes = Vec::with_capacity(run * PAGE_BYTES);
            (first..first + run).for_each(|page| bytes.extend_from_slice(self.page(page)));
            self.epochs[first..first + run].fill(self.epoch);
            self.copies.push(Pages { table: self.number, first: narrow(first), bytes });
            limit -= narrow(run);
        }
        limit
    }

    fn is_swept(&self) -> bool {
        self.swept >= self.captured
    }

    fn take_copies(&mut self, out: &mut Vec<Pages>) {
        out.append(&mut self.copies);
    }

    fn end(&mut self) {
        self.captured = 0;
        self.epochs.fill(self.epoch);
        self.copies.clear();
    }

    fn put_pages(&mut self, first: u32, bytes: &[u8]) -> bool {
        let first = first as usize;
        let count = bytes.len() / PAGE_BYTES;
        let missing = |epochs: &[u8]| epochs.iter().all(|epoch| *epoch != self.epoch);
        if !bytes.len().is_multiple_of(PAGE_BYTES)
            || !self.epochs.get(first..first + count).is_some_and(missing)
        {
            return false;
        }
        self.epochs[first..first + count].fill(self.epoch);
        for (page, copy) in (first..).zip(bytes.chunks_exact(PAGE_BYTES)) {
            let from = page % PAGES_PER_CHUNK * PAGE_BYTES;
            let chunk = &mut self.chunks[page / PAGES_PER_CHUNK - self.gone];
            chunk.bytes_mut()[from..from + PAGE_BYTES].copy_from_slice(copy);
        }
        true
    }

    fn end_restore(&self) -> bool {
        self.epochs.iter().all(|epoch| *epoch == self.epoch)
    }
}

/// Pages are fewer than records.
fn narrow(pages: usize) -> u32 {
    u32::try_from(pages).expect("fewer pages than records")
}

impl<T: Pod> Index<usize> for Table<T> {
    type Output = T;

    fn index(&self, place: usize) -> &T {
        self.get(place).expect("a record that is there")
    }
}

impl<T: Pod> IndexMut<usize> for Table<T> {
    fn index_mut(&mut self, place: usize) -> &mut T {
        assert!(
            place < self.len as usize && place >= self.first as usize,
            "a record that is there"
        );
        self.row_mut(place)
    }
}

impl<T> core::fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "table {} of {} records from {}", self.number, self.len, self.first)
    }
}
