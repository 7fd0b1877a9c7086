//! From the hash of a key to the number of its record. Holds no keys: those stand in the records.
//!
//! Extendible hashing (Fagin, Nievergelt, Pippenger, Strong 1979) over segments of 64 KiB: when one
//! is full it alone is split in two, so growing never moves more than nine thousand entries at a
//! time. The directory begins with as many segments as a budget allows users, and need not be a
//! power of two: a hash's upper bits are taken as a fraction of the directory. Within a segment,
//! buckets of one cache line hold ten entries each, with 16 bits of the hash before the number.
//!
//! An index is not part of snapshots; it is made anew from the records. Never iterated, except to
//! split a segment.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use bytemuck::{Pod, Zeroable};

use super::chunk::{CHUNK_BYTES, Chunk, Store};
use super::prefetch::prefetch;

const SLOTS: usize = 10;

/// One cache line. `tags` and `numbers` hold `len` entries; `passed` counts those that would be
/// here if there had been room and went on to a later bucket.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Bucket {
    tags: [u16; SLOTS],
    len: u16,
    passed: u16,
    numbers: [u32; SLOTS],
}

const BUCKETS: usize = 1 << 10;
const SEGMENT_BYTES: usize = BUCKETS * size_of::<Bucket>();
const SEGMENTS_PER_CHUNK: usize = CHUNK_BYTES / SEGMENT_BYTES;

/// Entries of one segment that a presized index is made for: 8 bytes an entry. Segments differ by
/// chance, hardly by more than four percent.
const PLANNED: usize = BUCKETS * SLOTS * 4 / 5;

/// A segment with so many entries is split before it takes another one.
const FULL: u32 = 9_216;
const _: () = assert!(FULL as usize == BUCKETS * SLOTS * 9 / 10);

/// An index with at most so many entries is made anew when more are planned: some tens of
/// milliseconds. A larger one grows a segment at a time.
const REPLANNED_MAX: usize = 1 << 20;

/// How far ahead records are brought near while entries move.
const AHEAD: usize = 16;

/// Longest directory, in segments. Keys whose hashes agree in more bits than it can tell apart are
/// kept aside; with keyed hashes that never comes.
const DIRECTORY_MAX: usize = 1 << 22;

/// The records whose numbers an index holds.
pub(crate) trait Keys {
    /// The hash of a record's key.
    fn hash(&self, number: u32) -> u64;

    /// Begins to bring a record near.
    fn prefetch(&self, number: u32);
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the lowest bits are meant")]
fn home(hash: u64) -> usize {
    hash as usize % BUCKETS
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "sixteen bits are meant")]
fn tag(hash: u64) -> u16 {
    (hash >> 10) as u16
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    len: u32,
    /// Bits by which it is finer than the first directory.
    depth: u32,
}

/// Numbers by hash.
pub(crate) struct HashIndex {
    /// Segment by fraction of the hash.
    directory: Vec<u32>,
    /// Bits by which the directory is finer than the first one.
    depth: u32,
    segments: Vec<Segment>,
    chunks: Vec<Chunk>,
    aside: BTreeSet<(u64, u32)>,
    directory_max: usize,
}

impl Default for HashIndex {
    fn default() -> Self {
        Self::with_directory_max(DIRECTORY_MAX)
    }
}

impl HashIndex {
    pub(super) fn with_directory_max(directory_max: usize) -> Self {
        Self {
            directory: Vec::new(),
            depth: 0,
            segments: Vec::new(),
            chunks: Vec::new(),
            aside: BTreeSet::new(),
            directory_max,
        }
    }

    /// Makes room for so many entries in all, if there are not many yet; an index with many grows by
    /// itself, a segment at a time.
    pub(crate) fn plan(&mut self, entries: usize, keys: &impl Keys, store: &mut Store) {
        let segments = entries.div_ceil(PLANNED).clamp(1, self.directory_max);
        if segments <= self.segments.len() || self.len() > REPLANNED_MAX || !self.aside.is_empty() {
            return;
        }
        let mut planned = Self::with_directory_max(self.directory_max);
        while planned.segments.len() < segments {
            planned.add_segment(0, store);
        }
        planned.directory = (0..number_of(segments)).collect();
        let numbers = (0..number_of(self.segments.len())).flat_map(|old| self.numbers_in(old));
        let numbers: Vec<u32> = numbers.collect();
        for (place, number) in numbers.iter().enumerate() {
            numbers.get(place + AHEAD).inspect(|ahead| keys.prefetch(**ahead));
            planned.insert(keys.hash(*number), *number, keys, store);
        }
        core::mem::swap(self, &mut planned);
        planned.chunks.into_iter().for_each(|chunk| store.give_back(chunk));
    }

    fn numbers_in(&self, segment: u32) -> impl Iterator<Item = u32> {
        let buckets = self.buckets(segment).iter();
        buckets.flat_map(|bucket| bucket.numbers[..usize::from(bucket.len)].iter().copied())
    }

    pub(crate) fn len(&self) -> usize {
        let in_segments: usize = self.segments.iter().map(|segment| segment.len as usize).sum();
        in_segments + self.aside.len()
    }

    fn add_segment(&mut self, depth: u32, store: &mut Store) -> u32 {
        let number = self.segments.len();
        if number.is_multiple_of(SEGMENTS_PER_CHUNK) {
            self.chunks.push(store.take());
        }
        self.segments.push(Segment { len: 0, depth });
        number_of(number)
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "below the directory's length")]
    fn place(&self, hash: u64) -> usize {
        ((u128::from(hash) * self.directory.len() as u128) >> 64) as usize
    }

    #[inline]
    fn buckets(&self, segment: u32) -> &[Bucket] {
        let segment = segment as usize;
        let from = segment % SEGMENTS_PER_CHUNK * BUCKETS;
        &self.chunks[segment / SEGMENTS_PER_CHUNK].rows()[from..from + BUCKETS]
    }

    #[inline]
    fn buckets_mut(&mut self, segment: u32) -> &mut [Bucket] {
        let segment = segment as usize;
        let from = segment % SEGMENTS_PER_CHUNK * BUCKETS;
        &mut self.chunks[segment / SEGMENTS_PER_CHUNK].rows_mut()[from..from + BUCKETS]
    }

    /// Begins to bring the bucket of a hash near.
    #[inline]
    pub(crate) fn prefetch(&self, hash: u64) {
        if let Some(segment) = self.directory.get(self.place(hash)) {
            prefetch(&self.buckets(*segment)[home(hash)]);
        }
    }

    /// Numbers in the first bucket of a hash that may be what is looked for.
    #[inline]
    pub(crate) fn candidates(&self, hash: u64) -> impl Iterator<Item = u32> {
        let segment = self.directory.get(self.place(hash));
        let bucket = segment.map(|segment| &self.buckets(*segment)[home(hash)]);
        bucket.into_iter().flat_map(move |bucket| bucket.matches(tag(hash)))
    }

    /// The number under this hash that `is_it`.
    #[inline]
    pub(crate) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let segment = *self.directory.get(self.place(hash))?;
        let buckets = self.buckets(segment);
        let tag = tag(hash);
        let mut at = home(hash);
        for _ in 0..BUCKETS {
            let bucket = &buckets[at];
            if let Some(number) = bucket.matches(tag).find(|number| is_it(*number)) {
                return Some(number);
            }
            if bucket.passed == 0 {
                break;
            }
            at = (at + 1) % BUCKETS;
        }
        if self.aside.is_empty() {
            return None;
        }
        let mut aside = self.aside.range((hash, 0)..=(hash, u32::MAX));
        aside.find(|(_, number)| is_it(*number)).map(|(_, number)| *number)
    }

    /// Adds a number under a hash.
    pub(crate) fn insert(&mut self, hash: u64, number: u32, keys: &impl Keys, store: &mut Store) {
        if self.directory.is_empty() {
            self.plan(1, keys, store);
        }
        let segment = loop {
            let segment = self.directory[self.place(hash)];
            if self.segments[segment as usize].len < FULL {
                break segment;
            }
            if !self.split(hash, keys, store) {
                self.aside.insert((hash, number));
                return;
            }
        };
        self.segments[segment as usize].len += 1;
        put(self.buckets_mut(segment), hash, number);
    }

    /// Puts `to` in the place of `from`, which is here under this hash.
    pub(crate) fn replace(&mut self, hash: u64, from: u32, to: u32) {
        if let Some((segment, at, slot)) = self.slot_of(hash, from) {
            self.buckets_mut(segment)[at].numbers[slot] = to;
        } else {
            assert!(self.aside.remove(&(hash, from)), "what is replaced is here");
            self.aside.insert((hash, to));
        }
    }

    /// Takes a number out that is here under this hash.
    pub(crate) fn remove(&mut self, hash: u64, number: u32) {
        let Some((segment, found, slot)) = self.slot_of(hash, number) else {
            assert!(self.aside.remove(&(hash, number)), "what is removed is here");
            return;
        };
        self.segments[segment as usize].len -= 1;
        let buckets = self.buckets_mut(segment);
        let mut at = home(hash);
        while at != found {
            buckets[at].passed -= 1;
            at = (at + 1) % BUCKETS;
        }
        let bucket = &mut buckets[found];
        let last = usize::from(bucket.len) - 1;
        bucket.tags[slot] = bucket.tags[last];
        bucket.numbers[slot] = bucket.numbers[last];
        bucket.len -= 1;
    }

    fn slot_of(&self, hash: u64, number: u32) -> Option<(u32, usize, usize)> {
        let segment = *self.directory.get(self.place(hash))?;
        let buckets = self.buckets(segment);
        let mut at = home(hash);
        for _ in 0..BUCKETS {
            let bucket = &buckets[at];
            let taken = &bucket.numbers[..usize::from(bucket.len)];
            // Numbers are unique, so the tag need not be looked at.
            if let Some(slot) = taken.iter().position(|other| *other == number) {
                return Some((segment, at, slot));
            }
            if bucket.passed == 0 {
                return None;
            }
            at = (at + 1) % BUCKETS;
        }
        None
    }

    /// Splits the segment of a hash; false where the directory cannot tell more hashes apart.
    #[cold]
    fn split(&mut self, hash: u64, keys: &impl Keys, store: &mut Store) -> bool {
        let old = self.directory[self.place(hash)];
        let depth = self.segments[old as usize].depth;
        if depth == self.depth {
            if self.directory.len() * 2 > self.directory_max {
                return false;
            }
            self.directory = self.directory.iter().flat_map(|segment| [*segment; 2]).collect();
            self.depth += 1;
        }
        let new = self.add_segment(depth + 1, store);
        self.segments[old as usize].depth = depth + 1;
        // The part of the directory that was the old segment's: its upper half is the new one's.
        let span = 1_usize << (self.depth - depth);
        let from = self.place(hash) / span * span;
        let middle = from + span / 2;
        self.directory[middle..from + span].fill(new);

        let numbers: Vec<u32> = self.numbers_in(old).collect();
        self.buckets_mut(old).fill(Bucket::zeroed());
        let mut lens = [0; 2];
        for (place, number) in numbers.iter().copied().enumerate() {
            numbers.get(place + AHEAD).inspect(|ahead| keys.prefetch(**ahead));
            let hash = keys.hash(number);
            let upper = self.place(hash) >= middle;
            lens[usize::from(upper)] += 1;
            put(self.buckets_mut(if upper { new } else { old }), hash, number);
        }
        self.segments[old as usize].len = lens[0];
        self.segments[new as usize].len = lens[1];
        true
    }
}

impl Bucket {
    #[inline]
    fn matches(&self, tag: u16) -> impl Iterator<Item = u32> {
        // One bit a slot, without a branch for each: compilers make vector instructions of it.
        let mut mask = 0_u32;
        for (slot, other) in self.tags.iter().enumerate() {
            mask |= u32::from(*other == tag) << slot;
        }
        mask &= (1 << self.len) - 1;
        core::iter::from_fn(move || {
            let slot = (mask != 0).then(|| mask.trailing_zeros() as usize)?;
            mask &= mask - 1;
            Some(self.numbers[slot])
        })
    }
}

/// Puts an entry into a segment that is not full.
fn put(buckets: &mut [Bucket], hash: u64, number: u32) {
    let mut at = home(hash);
    while usize::from(buckets[at].len) == SLOTS {
        buckets[at].passed += 1;
        at = (at + 1) % BUCKETS;
    }
    let bucket = &mut buckets[at];
    let slot = usize::from(bucket.len);
    bucket.tags[slot] = tag(hash);
    bucket.numbers[slot] = number;
    bucket.len += 1;
}

fn number_of(segment: usize) -> u32 {
    u32::try_from(segment).expect("fewer segments than entries")
}

impl core::fmt::Debug for HashIndex {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "index of {} segments", self.segments.len())
    }
}
