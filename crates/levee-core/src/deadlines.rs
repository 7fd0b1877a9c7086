//! What ends by the clock, in the order in which it does: a calendar queue (R. Brown, "Calendar
//! queues", CACM 31, 1988) with slots of about a second.
//!
//! Nearly all deadlines are met, and then replaced by another one: an entry is put in at the end of a
//! slot's list and never looked for again. Whether it still counts is asked of the record when its
//! slot is the first one. A tree would be searched and rebalanced twice a step, far apart in memory.
//! What is out of date costs 16 bytes until its time has come; a record has a few deadlines in its
//! life, so that is bounded by what there is.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Instants of one slot differ in so many low bits of their milliseconds.
const SLOT_BITS: u32 = 10;

/// Numbers of records with the instants at which they end. Whoever keeps it says whether an entry
/// counts: that is so while the record awaits just that instant.
#[derive(Debug)]
pub(crate) struct Deadlines<N> {
    /// Entries of the earliest slot, last first; the last one in the list counts once
    /// [`Self::settle`] was called.
    first: Vec<(u64, N)>,
    first_slot: u64,
    /// Entries of later slots, in the order of their coming.
    later: BTreeMap<u64, Vec<(u64, N)>>,
}

impl<N> Default for Deadlines<N> {
    fn default() -> Self {
        Self { first: Vec::new(), first_slot: 0, later: BTreeMap::new() }
    }
}

impl<N: Copy + Ord> Deadlines<N> {
    /// A record ends then, instead of whenever it did before.
    pub(crate) fn put(&mut self, at_ms: u64, number: N) {
        let (slot, entry) = (at_ms >> SLOT_BITS, (at_ms, number));
        if !self.first.is_empty() && slot == self.first_slot {
            let place = self.first.partition_point(|other| *other > entry);
            self.first.insert(place, entry);
            return;
        }
        if !self.first.is_empty() && slot < self.first_slot {
            let first = core::mem::take(&mut self.first);
            self.later.entry(self.first_slot).or_default().extend(first);
        }
        self.later.entry(slot).or_default().push(entry);
    }

    /// Makes the earliest that counts the first one; to be called after every change of what counts.
    pub(crate) fn settle(&mut self, counts: impl Fn(u64, N) -> bool) {
        loop {
            while let Some((at_ms, number)) = self.first.last() {
                if counts(*at_ms, *number) {
                    return;
                }
                self.first.pop();
            }
            let Some((slot, mut entries)) = self.later.pop_first() else { return };
            entries.retain(|(at_ms, number)| counts(*at_ms, *number));
            entries.sort_unstable_by(|one, other| other.cmp(one));
            entries.dedup();
            (self.first, self.first_slot) = (entries, slot);
        }
    }

    /// When the first one ends.
    pub(crate) fn first_ms(&self) -> Option<u64> {
        self.first.last().map(|(at_ms, _)| *at_ms)
    }

    /// Those that count, in the order in which they end, each with that instant.
    pub(crate) fn iter(
        &self,
        counts: impl Fn(u64, N) -> bool + Copy,
    ) -> impl Iterator<Item = (u64, N)> {
        let later = self.later.values().flat_map(move |entries| {
            let live = entries.iter().copied().filter(|(at_ms, number)| counts(*at_ms, *number));
            let mut live = live.collect::<Vec<_>>();
            live.sort_unstable();
            live.dedup();
            live
        });
        let mut first = self.first.clone();
        first.dedup();
        let first = first.into_iter().rev().filter(move |(at_ms, number)| counts(*at_ms, *number));
        first.chain(later)
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;

    /// The same as a tree of what counts, whatever comes in which order.
    #[test]
    fn it_is_a_tree_of_what_counts() {
        let mut deadlines = Deadlines::default();
        let mut due: Vec<Option<u64>> = alloc::vec![None; 50];
        let mut random = 1_u64;
        let mut draw = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % below
        };
        for step in 0..20_000_u64 {
            let number = usize::try_from(draw(50)).expect("small");
            let spread = [500, 3_000, 100_000, 5][usize::try_from(draw(4)).expect("small")];
            due[number] = (draw(3) > 0).then_some(step * 7 + draw(spread));
            if let Some(at_ms) = due[number] {
                deadlines.put(at_ms, number);
            }
            let counts = |at_ms: u64, number: usize| due[number] == Some(at_ms);
            deadlines.settle(counts);
            let tree: BTreeSet<(u64, usize)> =
                due.iter().enumerate().filter_map(|(number, at)| Some(((*at)?, number))).collect();
            assert!(deadlines.iter(counts).eq(tree.iter().copied()), "after step {step}");
            assert_eq!(deadlines.first_ms(), tree.first().map(|(at_ms, _)| *at_ms));
        }
    }
}
