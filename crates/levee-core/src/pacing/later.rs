//! Promised work that is not begun yet, by the slot at whose start it is to be ready.
//!
//! A promise between two slots counts as due at the earlier one: what comes after it then never
//! takes what it needs.

use alloc::vec::Vec;
use core::slice;

use super::Work;

/// Width of a slot, in ms. Later times are offered at multiples of it.
pub const SLOT_MS: u64 = 5 * 60_000;

/// Work that is due in one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// It starts at this multiple of [`SLOT_MS`].
    pub(super) slot: u32,
    /// In thousandths, more than 0.
    pub(super) work: u64,
}

impl Due {
    pub(super) fn at_ms(self) -> u64 {
        u64::from(self.slot) * SLOT_MS
    }
}

/// By slot, ascending; a slot without work has no entry. An idle kitchen keeps the memory that it had:
/// most are idle between any two orders, and would ask for it anew each time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Later(Vec<Due>);

impl Later {
    pub(super) fn iter(&self) -> slice::Iter<'_, Due> {
        self.0.iter()
    }

    /// The earliest.
    pub(super) fn first(&self) -> Option<Due> {
        self.0.first().copied()
    }

    /// In thousandths.
    pub(super) fn sum(&self) -> u64 {
        self.0.iter().map(|due| due.work).sum()
    }

    pub(super) fn add(&mut self, ready_at_ms: u64, work: Work) {
        if work.0 == 0 {
            return;
        }
        let slot = slot_of(ready_at_ms);
        match self.0.binary_search_by_key(&slot, |due| due.slot) {
            Ok(place) => self.0[place].work += u64::from(work.0),
            Err(place) => self.0.insert(place, Due { slot, work: work.0.into() }),
        }
    }

    /// Takes out what was added for the same time.
    ///
    /// # Panics
    /// It was not added, or has been taken out.
    pub(super) fn remove(&mut self, ready_at_ms: u64, work: Work) {
        if work.0 == 0 {
            return;
        }
        let slot = slot_of(ready_at_ms);
        let place = self.0.binary_search_by_key(&slot, |due| due.slot);
        let place = place.expect("work of this slot was promised");
        let due = &mut self.0[place];
        due.work = due.work.checked_sub(work.0.into()).expect("so much was promised");
        if due.work == 0 {
            self.0.remove(place);
        }
    }
}

/// The slot that this time is in.
fn slot_of(at_ms: u64) -> u32 {
    u32::try_from(at_ms / SLOT_MS).unwrap_or(u32::MAX)
}
