//! Records by 128-bit keys: an index of eight bytes a slot over a list in the order of arrival. A
//! new key costs one look into memory that is not at hand yet, and growing reads and writes from
//! front to back.

/// A slot without a record; no place is that high. It is not zero, because memory of zeros costs
/// two page faults a page where it is read before it is written, as a table that grows does.
const FREE: u64 = u64::MAX;

/// Slots that a table begins with, as a power of two.
const BITS_MIN: u32 = 4;

/// 32 bits of a key's hash: its highest bits say where the look for the key begins, the others
/// spare most looks at keys that are not it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tag(pub(super) u32);

/// Records by key. Nothing is ever taken out. Tags are the caller's: one key comes with the same
/// tag always.
#[derive(Debug)]
pub(super) struct Keyed<V> {
    /// An open-addressed table with linear probing. The upper half of a slot is the key's tag, the
    /// lower half its place in `records`.
    slots: Vec<u64>,
    /// The table has this power of two of slots, once it has any.
    bits: u32,
    records: Vec<([u8; 16], V)>,
}

impl<V> Default for Keyed<V> {
    fn default() -> Self {
        Self { slots: Vec::new(), bits: BITS_MIN, records: Vec::new() }
    }
}

impl<V: Default> Keyed<V> {
    /// The record of a key and whether it was there already; one that was not is there now.
    pub(super) fn entry(&mut self, tag: Tag, key: [u8; 16]) -> (&mut V, bool) {
        if self.records.len() >= self.slots.len() / 4 * 3 {
            self.grow();
        }
        match self.find(tag, &key) {
            Ok(place) => (&mut self.records[place].1, true),
            Err(free) => {
                self.slots[free] = slot(tag, self.records.len());
                self.records.push((key, V::default()));
                let (_, value) = self.records.last_mut().expect("pushed just now");
                (value, false)
            }
        }
    }
}

impl<V> Keyed<V> {
    /// The record of a key.
    pub(super) fn get(&self, tag: Tag, key: &[u8; 16]) -> Option<&V> {
        if self.slots.is_empty() {
            return None;
        }
        self.find(tag, key).ok().map(|place| &self.records[place].1)
    }

    /// Bits of the slot in which a look for this tag begins. They mean nothing; reading them
    /// brings that slot near.
    pub(super) fn glance(&self, tag: Tag) -> u64 {
        self.slots.get(self.home(tag)).copied().unwrap_or(0)
    }

    /// The place of a key's record, or the free slot for it. The table has slots, and never are
    /// all of them taken.
    fn find(&self, tag: Tag, key: &[u8; 16]) -> Result<usize, usize> {
        let last = self.slots.len() - 1;
        let mut at = self.home(tag);
        loop {
            let slot = self.slots[at];
            if slot == FREE {
                return Err(at);
            }
            if tag_of(slot) == tag && self.records[place_of(slot)].0 == *key {
                return Ok(place_of(slot));
            }
            at = (at + 1) & last;
        }
    }

    /// Where the look for a tag begins: as tags lie in their own order, a table that grows is
    /// written from front to back.
    fn home(&self, tag: Tag) -> usize {
        tag.0 as usize >> (u32::BITS - self.bits)
    }

    fn grow(&mut self) {
        self.bits = if self.slots.is_empty() { BITS_MIN } else { self.bits + 1 };
        assert!(self.bits < u32::BITS, "more keys than a slot can name");
        let before = std::mem::replace(&mut self.slots, vec![FREE; 1 << self.bits]);
        let last = self.slots.len() - 1;
        for slot in before.into_iter().filter(|slot| *slot != FREE) {
            let mut at = self.home(tag_of(slot));
            while self.slots[at] != FREE {
                at = (at + 1) & last;
            }
            self.slots[at] = slot;
        }
    }
}

fn slot(tag: Tag, place: usize) -> u64 {
    // The table grows no further than to 31 bits, so this fits the lower half.
    u64::from(tag.0) << 32 | place as u64
}

fn tag_of(slot: u64) -> Tag {
    Tag(u32::try_from(slot >> 32).expect("the upper half"))
}

fn place_of(slot: u64) -> usize {
    usize::try_from(slot & 0xffff_ffff).expect("below 2^32")
}
