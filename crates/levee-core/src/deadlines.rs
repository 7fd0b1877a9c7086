//! What ends by the clock, in the order in which it does.
//!
//! Nearly all deadlines are met, and then replaced by another one. Most come in the order in which
//! they end, because all of a kind are as long: those are put at the end of their lane, and whether an
//! entry still counts is asked of its record when it has come to the front. A tree would be searched
//! and rebalanced twice a step, far apart in memory. The others stand in slots of about a second, as in
//! a calendar queue (R. Brown, "Calendar queues", CACM 31, 1988), with the same question when their
//! slot is the first one.
//!
//! What is out of date costs 16 bytes until its time has come; a record has a few deadlines in its
//! life, so that is bounded by what there is.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

/// Instants of one slot differ in so many low bits of their milliseconds.
const SLOT_BITS: u32 = 10;

/// Entries of a lane that stand in one piece of memory: a lane is never moved when it grows.
const PIECE: usize = 4_096;

/// When an entry is asked of its record, that of the one so many places behind it is brought near:
/// entries leave in rows.
const NEAR: usize = 16;

/// Numbers of records with the instants at which they end, in lanes by kind. Whoever keeps it says
/// whether an entry counts: that is so while the record awaits just that instant. Entries in front
/// always count, so nothing is asked as long as the records in front are not the ones that change.
#[derive(Debug)]
pub(crate) struct Deadlines<N, const LANES: usize> {
    lanes: [Lane<N>; LANES],
    slots: Slots<N>,
}

impl<N: Copy + Ord, const LANES: usize> Deadlines<N, LANES> {
    pub(crate) fn new() -> Self {
        Self { lanes: core::array::from_fn(|_| Lane::default()), slots: Slots::default() }
    }

    /// A record ends then, instead of whenever it did before.
    pub(crate) fn put(&mut self, lane: usize, at_ms: u64, number: N) {
        let entry = (at_ms, number);
        if self.lanes[lane].last.is_none_or(|last| last <= entry) {
            self.lanes[lane].push(entry);
        } else {
            self.slots.put(entry);
        }
    }

    /// Takes what does not count any more away from the front; to be called after every change of a
    /// record, and after everything that was put for it. `near` begins to bring a record near.
    pub(crate) fn settle(
        &mut self,
        changed: N,
        counts: impl Fn(u64, N) -> bool + Copy,
        near: impl Fn(N) + Copy,
    ) {
        let is_it = |first: Option<(u64, N)>| first.is_some_and(|(_, number)| number == changed);
        for lane in &mut self.lanes {
            if is_it(lane.first()) {
                lane.settle(counts, near);
            }
        }
        if self.slots.first().is_none() || is_it(self.slots.first()) {
            self.slots.settle(counts, near);
        }
    }

    /// As [`Self::settle`], whatever records have changed.
    pub(crate) fn settle_all(&mut self, counts: impl Fn(u64, N) -> bool + Copy) {
        self.lanes.iter_mut().for_each(|lane| lane.settle(counts, |_| {}));
        self.slots.settle(counts, |_| {});
    }

    /// When the first one ends.
    pub(crate) fn first_ms(&self) -> Option<u64> {
        let lanes = self.lanes.iter().filter_map(Lane::first);
        lanes.chain(self.slots.first()).map(|(at_ms, _)| at_ms).min()
    }

    /// The first `limit` of those that count and end by `until_ms`, in the order in which they do, each
    /// with that instant.
    pub(crate) fn over(
        &self,
        until_ms: u64,
        limit: usize,
        counts: impl Fn(u64, N) -> bool + Copy,
    ) -> Vec<(u64, N)> {
        let mut over = Vec::new();
        let is_over = |entry: &(u64, N)| entry.0 <= until_ms;
        let is_live = |entry: &(u64, N)| counts(entry.0, entry.1);
        // One that came back to an instant stands there twice, and counts once.
        for lane in &self.lanes {
            let mut last = None;
            let is_new = |entry: &(u64, N)| last.replace(*entry) != Some(*entry);
            let due = lane.iter().take_while(is_over).filter(is_live).filter({
                let mut is_new = is_new;
                move |entry| is_new(entry)
            });
            over.extend(due.take(limit));
        }
        over.extend(self.slots.over(until_ms, limit, is_live));
        over.sort_unstable();
        over.dedup();
        over.truncate(limit);
        over
    }
}

/// Entries in the order of their coming, which is that of their ends.
#[derive(Debug)]
struct Lane<N> {
    pieces: VecDeque<Vec<(u64, N)>>,
    /// Of the first piece, so many are gone.
    gone: usize,
    last: Option<(u64, N)>,
}

impl<N> Default for Lane<N> {
    fn default() -> Self {
        Self { pieces: VecDeque::new(), gone: 0, last: None }
    }
}

impl<N: Copy + Ord> Lane<N> {
    fn push(&mut self, entry: (u64, N)) {
        self.last = Some(entry);
        match self.pieces.back_mut().filter(|piece| piece.len() < PIECE) {
            Some(piece) => piece.push(entry),
            None => {
                let mut piece = Vec::with_capacity(PIECE);
                piece.push(entry);
                self.pieces.push_back(piece);
            }
        }
    }

    fn first(&self) -> Option<(u64, N)> {
        self.pieces.front()?.get(self.gone).copied()
    }

    fn iter(&self) -> impl Iterator<Item = (u64, N)> {
        self.pieces.iter().flatten().copied().skip(self.gone)
    }

    fn settle(&mut self, counts: impl Fn(u64, N) -> bool, near: impl Fn(N)) {
        while let Some((at_ms, number)) = self.first()
            && !counts(at_ms, number)
        {
            let ahead = self.pieces.front().and_then(|piece| piece.get(self.gone + NEAR));
            ahead.inspect(|(_, number)| near(*number));
            self.gone += 1;
            if self.gone == PIECE {
                self.pieces.pop_front();
                self.gone = 0;
            }
        }
        // A lane that ran empty begins anew, with whatever comes.
        if self.first().is_none() {
            *self = Self::default();
        }
    }
}

/// Entries that came out of order, by slot.
#[derive(Debug)]
struct Slots<N> {
    /// Entries of the earliest slot, last first; the last one in the list counts once
    /// [`Self::settle`] was called.
    first: Vec<(u64, N)>,
    first_slot: u64,
    /// Entries of later slots, in the order of their coming.
    later: BTreeMap<u64, Vec<(u64, N)>>,
}

impl<N> Default for Slots<N> {
    fn default() -> Self {
        Self { first: Vec::new(), first_slot: 0, later: BTreeMap::new() }
    }
}

impl<N: Copy + Ord> Slots<N> {
    fn put(&mut self, entry: (u64, N)) {
        let slot = entry.0 >> SLOT_BITS;
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

    fn settle(&mut self, counts: impl Fn(u64, N) -> bool, near: impl Fn(N)) {
        loop {
            while let Some((at_ms, number)) = self.first.last() {
                if counts(*at_ms, *number) {
                    return;
                }
                self.first.pop();
            }
            let Some((slot, entries)) = self.later.pop_first() else { return };
            let live = entries.iter().enumerate().filter(|(place, (at_ms, number))| {
                entries.get(place + NEAR).inspect(|(_, ahead)| near(*ahead));
                counts(*at_ms, *number)
            });
            let mut live = live.map(|(_, entry)| *entry).collect::<Vec<_>>();
            live.sort_unstable_by(|one, other| other.cmp(one));
            (self.first, self.first_slot) = (live, slot);
        }
    }

    fn first(&self) -> Option<(u64, N)> {
        self.first.last().copied()
    }

    /// The first `limit` of those that end by an instant, and maybe some more.
    fn over(
        &self,
        until_ms: u64,
        limit: usize,
        is_live: impl Fn(&(u64, N)) -> bool,
    ) -> Vec<(u64, N)> {
        let is_wanted = |entry: &(u64, N)| entry.0 <= until_ms && is_live(entry);
        let mut over = self.first.iter().rev().copied().filter(&is_wanted).collect::<Vec<_>>();
        over.dedup();
        for (_, entries) in self.later.range(..=until_ms >> SLOT_BITS) {
            if over.len() >= limit {
                break;
            }
            // All of a slot, because it is in no order.
            let before = over.len();
            over.extend(entries.iter().copied().filter(&is_wanted));
            over[before..].sort_unstable();
            over.dedup();
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;

    /// The same as a tree of what counts, whatever comes in which order.
    #[test]
    fn they_are_a_tree_of_what_counts() {
        let mut deadlines = Deadlines::<usize, 2>::new();
        let mut due: Vec<Option<u64>> = alloc::vec![None; 50];
        let mut random = 1_u64;
        let mut draw = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % below
        };
        for step in 0..20_000_u64 {
            let number = usize::try_from(draw(50)).expect("small");
            // Mostly as long as all others.
            let after = [0, 3_000, 3_000, draw(100_000), draw(5)];
            let after = after[usize::try_from(draw(5)).expect("small")];
            // Instants come back.
            let at_ms = (step * 7 + after) / 700 * 700;
            due[number] = (draw(3) > 0).then_some(at_ms);
            if let Some(at_ms) = due[number] {
                deadlines.put(number % 2, at_ms, number);
            }
            let counts = |at_ms: u64, number: usize| due[number] == Some(at_ms);
            deadlines.settle(number, counts, |_| {});
            let tree: BTreeSet<(u64, usize)> =
                due.iter().enumerate().filter_map(|(number, at)| Some(((*at)?, number))).collect();
            for (until_ms, limit) in [(u64::MAX, 100), (step * 7 + 900, 100), (u64::MAX, 3)] {
                let expected = tree.iter().copied().take_while(|(at_ms, _)| *at_ms <= until_ms);
                let expected = expected.take(limit).collect::<Vec<_>>();
                assert_eq!(deadlines.over(until_ms, limit, counts), expected, "after step {step}");
            }
            assert_eq!(deadlines.first_ms(), tree.first().map(|(at_ms, _)| *at_ms));
        }
    }
}
