//! Records by 128-bit keys: an index of eight bytes a slot over a list in the order of arrival. A
//! new key costs one look into memory that is not at hand yet, and growing reads and writes from
//! front to back.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// Slots that a table begins with, as a power of two.
const BITS_MIN: u32 = 4;

/// The index keeps 32 bits of a hash, which must name a slot.
const BITS_MAX: u32 = 32;

/// Records by key. Nothing is ever taken out.
#[derive(Debug)]
pub(super) struct Keyed<V> {
    /// An open-addressed table with linear probing. The upper half of a slot is the key's tag, the
    /// lower half one more than its place in `records`; a free slot is 0.
    slots: Vec<u64>,
    /// The table has this power of two of slots, once it has any.
    bits: u32,
    records: Vec<([u8; 16], V)>,
    seeds: [u64; 2],
}

impl<V> Default for Keyed<V> {
    fn default() -> Self {
        // Anew in every run, so that no journal can be made to fill one corner of the table.
        let random = RandomState::new();
        let seeds = [random.hash_one(0), random.hash_one(1)];
        Self { slots: Vec::new(), bits: BITS_MIN, records: Vec::new(), seeds }
    }
}

impl<V: Default> Keyed<V> {
    /// The record of a key and whether it was there already; one that was not is there now.
    pub(super) fn entry(&mut self, key: [u8; 16]) -> (&mut V, bool) {
        if self.records.len() >= self.slots.len() / 4 * 3 {
            self.grow();
        }
        let tag = self.tag(&key);
        let mut at = self.home(tag);
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                self.slots[at] = u64::from(tag) << 32 | next_number(self.records.len());
                self.records.push((key, V::default()));
                let (_, value) = self.records.last_mut().expect("pushed just now");
                return (value, false);
            }
            if let Some(place) = place_if_tagged(slot, tag)
                && self.records[place].0 == key
            {
                return (&mut self.records[place].1, true);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }
}

impl<V> Keyed<V> {
    /// The record of a key.
    pub(super) fn get(&self, key: &[u8; 16]) -> Option<&V> {
        if self.slots.is_empty() {
            return None;
        }
        let tag = self.tag(key);
        let mut at = self.home(tag);
        while self.slots[at] != 0 {
            if let Some(place) = place_if_tagged(self.slots[at], tag)
                && self.records[place].0 == *key
            {
                return Some(&self.records[place].1);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
        None
    }

    /// Some bits of where a look for this key begins. They mean nothing; reading them brings that
    /// place near.
    pub(super) fn glance(&self, key: &[u8; 16]) -> u64 {
        self.slots.get(self.home(self.tag(key))).copied().unwrap_or(0)
    }

    /// 32 bits of a hash: the product of both halves, folded, as wyhash does (Wang Yi, 2019).
    fn tag(&self, key: &[u8; 16]) -> u32 {
        let (head, tail) = key.split_at(8);
        let half = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("half of 16 bytes"));
        let (head, tail) = (half(head) ^ self.seeds[0], half(tail) ^ self.seeds[1]);
        let product = u128::from(head) * u128::from(tail);
        let folded = (product ^ (product >> 64)) & 0xffff_ffff;
        u32::try_from(folded).expect("masked to 32 bits")
    }

    /// Where the look for a tag begins: its highest bits, so that tags lie in their own order and
    /// a table that grows is written from front to back.
    fn home(&self, tag: u32) -> usize {
        place(u64::from(tag) >> (BITS_MAX - self.bits))
    }

    fn grow(&mut self) {
        self.bits = if self.slots.is_empty() { BITS_MIN } else { self.bits + 1 };
        assert!(self.bits < BITS_MAX, "more keys than the index can name");
        let before = std::mem::replace(&mut self.slots, vec![0; 1 << self.bits]);
        for slot in before.into_iter().filter(|slot| *slot != 0) {
            let tag = u32::try_from(slot >> 32).expect("the upper half");
            let mut at = self.home(tag);
            while self.slots[at] != 0 {
                at = (at + 1) & (self.slots.len() - 1);
            }
            self.slots[at] = slot;
        }
    }
}

/// The place in the list that a slot names, if it carries this tag.
fn place_if_tagged(slot: u64, tag: u32) -> Option<usize> {
    let number = slot & 0xffff_ffff;
    (slot >> 32 == u64::from(tag)).then(|| place(number - 1))
}

fn next_number(records: usize) -> u64 {
    // `grow` has seen to it that this fits 32 bits.
    records as u64 + 1
}

fn place(number: u64) -> usize {
    usize::try_from(number).expect("below 2^32")
}
