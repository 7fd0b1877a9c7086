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
use super::prefetch::prefetch;

/// Size of a page in bytes: what is copied when it is written to while a snapshot runs.
pub const PAGE_BYTES: usize = 1 << 12;

const PAGES_PER_CHUNK: usize = CHUNK_BYTES / PAGE_BYTES;

/// Most pages of one table in a row that one copy holds: 256 KiB, a piece of the snapshot's file.
const RUN_PAGES_MAX: u32 = 64;

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

/// The part of a table that a running snapshot needs.
#[derive(Debug, Default)]
struct Capture {
    /// Changes with every snapshot; a page that has it is copied, or younger than the snapshot.
    epoch: u8,
    /// Pages below this are part of the running snapshot; 0 while none runs.
    until: u32,
    /// The sweep has been here.
    swept: u32,
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
    /// The snapshot that each page is in.
    epochs: Vec<u8>,
    capture: Capture,
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
            capture: Capture::default(),
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
            self.epochs.push(self.capture.epoch);
        }
        *self.row_mut(place) = record;
        number
    }

    pub(crate) fn get(&self, place: usize) -> Option<&T> {
        (place < self.len as usize && place >= self.first as usize).then(|| self.row(place))
    }

    /// Begins to bring a record near.
    #[inline]
    pub(crate) fn prefetch(&self, number: u32) {
        if let Some(row) = self.get(number as usize) {
            prefetch(row);
        }
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
        if page < self.capture.until as usize {
            self.keep(page);
        }
        let chunk = place / Self::PER_CHUNK - self.gone;
        &mut self.chunks[chunk].rows_mut()[place % Self::PER_CHUNK]
    }

    /// Forgets the records below a number. Their memory is used again once no snapshot needs it.
    pub(crate) fn forget_before(&mut self, number: u32, store: &mut Store) {
        assert!(self.first <= number && number <= self.len, "only what is there can be forgotten");
        self.first = number;
        while self.capture.until == 0 && (self.gone + 1) * Self::PER_CHUNK <= number as usize {
            let chunk = self.chunks.pop_front().expect("a chunk before the first record");
            store.give_back(chunk);
            self.gone += 1;
        }
    }

    fn pages(&self) -> u32 {
        u32::try_from(self.epochs.len()).expect("fewer pages than records")
    }

    fn page(&self, page: usize) -> &[u8] {
        let from = page % PAGES_PER_CHUNK * PAGE_BYTES;
        &self.chunks[page / PAGES_PER_CHUNK - self.gone].bytes()[from..from + PAGE_BYTES]
    }

    /// Copies a page out that the running snapshot needs and has not yet.
    #[cold]
    fn keep(&mut self, page: usize) {
        if self.epochs[page] == self.capture.epoch {
            return;
        }
        self.epochs[page] = self.capture.epoch;
        let bytes = self.page(page).to_vec();
        let first = u32::try_from(page).expect("fewer pages than records");
        self.copies.push(Pages { table: self.number, first, bytes });
    }

    /// A snapshot of all records that are here now begins. Returns how many pages it has.
    pub(crate) fn begin_capture(&mut self) -> u32 {
        assert_eq!(self.capture.until, 0, "one snapshot at a time");
        let epoch = self.capture.epoch.wrapping_add(1);
        // As many chunks as a restored table will do without.
        let gone = self.first as usize / Self::PER_CHUNK;
        let swept = u32::try_from(gone * PAGES_PER_CHUNK).expect("fewer pages than records");
        self.capture = Capture { epoch, until: self.pages(), swept };
        self.pages() - swept
    }

    /// Copies up to `limit` further pages out; returns how many of them are left in the limit.
    pub(crate) fn sweep(&mut self, mut limit: u32) -> u32 {
        while limit > 0 && self.capture.swept < self.capture.until {
            let first = self.capture.swept;
            let missing = |page: &u32| self.epochs[*page as usize] != self.capture.epoch;
            let until = self.capture.until.min(first.saturating_add(limit.min(RUN_PAGES_MAX)));
            let run = (first..until).take_while(missing).count();
            if run == 0 {
                self.capture.swept += 1;
                continue;
            }
            let pages = first as usize..first as usize + run;
            let mut bytes = Vec::with_capacity(run * PAGE_BYTES);
            pages.clone().for_each(|page| bytes.extend_from_slice(self.page(page)));
            self.epochs[pages].fill(self.capture.epoch);
            self.copies.push(Pages { table: self.number, first, bytes });
            let run = u32::try_from(run).expect("at most the limit");
            self.capture.swept += run;
            limit -= run;
        }
        limit
    }

    /// Whether every page of the running snapshot has been copied out.
    pub(crate) fn is_swept(&self) -> bool {
        self.capture.swept >= self.capture.until
    }

    /// The running snapshot has all it needs, or is given up.
    pub(crate) fn end_capture(&mut self) {
        self.capture.until = 0;
        self.epochs.fill(self.capture.epoch);
        self.copies.clear();
    }

    /// Moves the copies that were made to `out`.
    pub(crate) fn take_copies(&mut self, out: &mut Vec<Pages>) {
        out.append(&mut self.copies);
    }

    /// Makes an empty table one of `len` records of which the first are forgotten, to be filled by
    /// [`Self::put_pages`]. Returns how many pages that takes.
    pub(crate) fn begin_restore(&mut self, first: u32, len: u32, store: &mut Store) -> u32 {
        assert!(self.len == 0 && first <= len && len < u32::MAX, "checked by the caller");
        (self.first, self.len) = (first, len);
        let chunks = (len as usize).div_ceil(Self::PER_CHUNK);
        // A table whose records are all forgotten keeps the chunk that the next one goes to.
        self.gone = (first as usize / Self::PER_CHUNK).min(chunks);
        self.chunks = (self.gone..chunks).map(|_| store.take()).collect();
        self.epochs.resize((len as usize).div_ceil(Self::PER_PAGE), self.capture.epoch);
        self.pages() - u32::try_from(self.gone * PAGES_PER_CHUNK).unwrap_or(0).min(self.pages())
    }

    /// Puts copied pages back; `None` when they are none of this table.
    pub(crate) fn put_pages(&mut self, first: u32, bytes: &[u8]) -> Option<u32> {
        let mut page = first as usize;
        let begin = self.gone * PAGES_PER_CHUNK;
        let count = bytes.len() / PAGE_BYTES;
        if !bytes.len().is_multiple_of(PAGE_BYTES)
            || page < begin
            || page + count > self.epochs.len()
        {
            return None;
        }
        for copy in bytes.chunks_exact(PAGE_BYTES) {
            let from = page % PAGES_PER_CHUNK * PAGE_BYTES;
            let chunk = &mut self.chunks[page / PAGES_PER_CHUNK - self.gone];
            chunk.bytes_mut()[from..from + PAGE_BYTES].copy_from_slice(copy);
            page += 1;
        }
        u32::try_from(count).ok()
    }
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
