//! What is in one file of the simulated disk: what programs see, what is durable, and what may be.

use std::collections::BTreeMap;

use super::Survival;
use super::rng::Rng;
use crate::format::SECTOR;

type Sector = [u8; SECTOR];

/// A file without its name.
#[derive(Clone, Default)]
pub(super) struct Contents {
    /// What programs see.
    bytes: Vec<u8>,
    /// Durable sectors, also beyond the durable length; zero where this ends.
    durable: Vec<u8>,
    durable_len: usize,
    /// What each write since the last sync left in a sector, oldest first.
    pending: BTreeMap<usize, Vec<Sector>>,
    /// Lengths that the file had since its length was durable, oldest first.
    lens: Vec<usize>,
    /// The furthest that was written since the last sync.
    written_to: usize,
}

impl Contents {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Writes those sectors for which `is_written` says so.
    pub(super) fn write(
        &mut self,
        bytes: &[u8],
        offset: usize,
        mut is_written: impl FnMut(usize) -> bool,
    ) {
        let end = offset + bytes.len();
        if end > self.bytes.len() {
            self.set_len(end);
        }
        let mut at = offset;
        while at < end {
            let sector = at / SECTOR;
            let stop = end.min((sector + 1) * SECTOR);
            if is_written(sector) {
                self.bytes[at..stop].copy_from_slice(&bytes[at - offset..stop - offset]);
                self.note(sector);
                self.written_to = self.written_to.max(stop);
            }
            at = stop;
        }
    }

    /// Remembers what is in a sector now, unless that changes nothing.
    fn note(&mut self, sector: usize) {
        let now = sector_of(&self.bytes, sector);
        match self.pending.get_mut(&sector) {
            Some(versions) if versions.last() == Some(&now) => {}
            Some(versions) => versions.push(now),
            None if sector_of(&self.durable, sector) == now => {}
            None => {
                self.pending.insert(sector, vec![now]);
            }
        }
    }

    pub(super) fn set_len(&mut self, len: usize) {
        let before = self.bytes.len();
        if len == before {
            return;
        }
        self.bytes.resize(len, 0);
        self.lens.push(len);
        // What is cut off reads as zeros if the file grows over it again.
        for sector in len / SECTOR..before.div_ceil(SECTOR) {
            self.note(sector);
        }
    }

    pub(super) fn sync_data(&mut self) {
        let len = self.bytes.len().min(self.durable_len.max(self.written_to));
        self.settle(|_| true);
        if len > self.durable_len {
            self.durable_len = len;
        }
        // Reading takes no cut: a greater length that the file had may still be the one that is
        // found.
        self.lens.retain(|len| *len > self.durable_len);
    }

    pub(super) fn sync_all(&mut self) {
        self.settle(|_| true);
        self.durable_len = self.bytes.len();
        self.lens.clear();
    }

    /// A failed sync: any of the sectors are durable, and the others never will be.
    pub(super) fn forget(&mut self, rng: &mut Rng) {
        self.settle(|_| rng.below(2) == 0);
    }

    /// Makes the last version of some sectors durable, and forgets the others.
    fn settle(&mut self, mut is_kept: impl FnMut(usize) -> bool) {
        for (sector, versions) in std::mem::take(&mut self.pending) {
            if let Some(last) = versions.last().filter(|_| is_kept(sector)) {
                put_sector(&mut self.durable, sector, last);
            }
        }
        self.written_to = 0;
    }

    /// Whether nothing of it can be lost.
    pub(super) fn is_settled(&self) -> bool {
        let is_durable = self.durable_len == self.bytes.len();
        let has_pending = !self.pending.is_empty() || !self.lens.is_empty();
        // What a failed sync forgot is not pending, and still not durable.
        is_durable && !has_pending && self.durable.starts_with(&self.bytes)
    }

    /// The file after a loss of power.
    pub(super) fn survived(&self, survival: Survival, rng: &mut Rng) -> Self {
        let mut durable = self.durable.clone();
        for (sector, versions) in &self.pending {
            let before = sector_of(&self.durable, *sector);
            let mut any = || match rng.below(versions.len() + 1) {
                0 => before,
                version => versions[version - 1],
            };
            let survivor = match survival {
                Survival::Nothing => before,
                Survival::Everything => versions.last().copied().unwrap_or(before),
                Survival::Some => any(),
                Survival::Torn => {
                    let (one, other) = (any(), any());
                    torn(one, &other, rng)
                }
            };
            put_sector(&mut durable, *sector, &survivor);
        }
        let len = match survival {
            Survival::Nothing => self.durable_len,
            Survival::Everything => self.bytes.len(),
            Survival::Some | Survival::Torn => match rng.below(self.lens.len() + 1) {
                0 => self.durable_len,
                len => self.lens[len - 1],
            },
        };
        durable.resize(len, 0);
        Self { bytes: durable.clone(), durable, durable_len: len, ..Self::default() }
    }

    pub(super) fn flip_bit(&mut self, byte: usize, bit: u8) {
        for bytes in [&mut self.bytes, &mut self.durable] {
            if let Some(byte) = bytes.get_mut(byte) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }
}

/// A sector that is partly the one and partly the other: up to some byte, or here and there.
fn torn(mut one: Sector, other: &Sector, rng: &mut Rng) -> Sector {
    match rng.below(3) {
        0 => {}
        1 => {
            let at = rng.below(SECTOR);
            one[at..].copy_from_slice(&other[at..]);
        }
        _ => {
            for (byte, other) in one.iter_mut().zip(other) {
                if rng.below(2) == 0 {
                    *byte = *other;
                }
            }
        }
    }
    one
}

/// A sector with zeros behind the end.
fn sector_of(bytes: &[u8], sector: usize) -> Sector {
    let mut copy = [0; SECTOR];
    let rest = bytes.get(sector * SECTOR..).unwrap_or_default();
    let len = rest.len().min(SECTOR);
    copy[..len].copy_from_slice(&rest[..len]);
    copy
}

fn put_sector(bytes: &mut Vec<u8>, sector: usize, content: &Sector) {
    let end = (sector + 1) * SECTOR;
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[sector * SECTOR..end].copy_from_slice(content);
}
