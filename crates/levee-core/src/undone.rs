//! Orders for which something is to be done outside, in the order in which that changed last. Most
//! are done with soon: they are taken off a queue's front, where a tree would be rebalanced twice a
//! step.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::tables::prefetch;
use crate::types::OrderNo;

/// Entries that may be out of date before the queue is gone through, besides as many as are not.
const STALE_MAX: usize = 4_096;

/// Changes count from 1. Anew after a restart, as do those who ask.
#[derive(Debug, Default)]
pub(crate) struct Undone {
    /// Ascending by change. An entry counts as long as it is its order's last change.
    queue: VecDeque<(u64, OrderNo)>,
    last: Changes,
    changes: u64,
    /// Entries that count.
    count: usize,
}

impl Undone {
    /// What is to be done for an order has changed: to something, or to nothing.
    pub(crate) fn change(&mut self, number: OrderNo, is_undone: bool) {
        let last = self.last.of_mut(number);
        self.count -= usize::from(*last > 0);
        *last = 0;
        if is_undone {
            self.changes += 1;
            *last = self.changes;
            self.count += 1;
            self.queue.push_back((self.changes, number));
        }
        while self.queue.front().is_some_and(|entry| !self.last.is(*entry)) {
            self.queue.pop_front();
        }
        if self.queue.len() > 2 * self.count + STALE_MAX {
            let last = &self.last;
            self.queue.retain(|entry| last.is(*entry));
        }
    }

    /// How many changes there were to something that is to be done.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// Begins to bring an order's last change near.
    #[inline]
    pub(crate) fn prefetch(&self, number: OrderNo) {
        self.last.of(number).inspect(|last| prefetch(*last));
    }

    /// Those that changed after this change, each with its change.
    pub(crate) fn after(&self, change: u64) -> impl Iterator<Item = (u64, OrderNo)> {
        let first = self.queue.partition_point(|(before, _)| *before <= change);
        self.queue.range(first..).copied().filter(|entry| self.last.is(*entry))
    }
}

/// The last change of each order; 0 while nothing is to be done. In pieces, because a list of all
/// orders would be copied whenever it grows.
#[derive(Debug, Default)]
struct Changes(Vec<Box<[u64; Self::PIECE]>>);

impl Changes {
    const PIECE: usize = 4_096;

    fn of_mut(&mut self, number: OrderNo) -> &mut u64 {
        let (piece, place) = (number.index() / Self::PIECE, number.index() % Self::PIECE);
        while self.0.len() <= piece {
            self.0.push(Box::new([0; Self::PIECE]));
        }
        &mut self.0[piece][place]
    }

    /// Whether this is the last change of its order.
    fn is(&self, (change, number): (u64, OrderNo)) -> bool {
        self.of(number) == Some(&change)
    }

    fn of(&self, number: OrderNo) -> Option<&u64> {
        let (piece, place) = (number.index() / Self::PIECE, number.index() % Self::PIECE);
        self.0.get(piece).map(|piece| &piece[place])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Orders in the order of their changes: `+` something is to be done, `-` nothing any more.
    #[track_caller]
    fn check(changes: &[(char, u32)], after: u64, expected: &[(u64, u32)]) {
        let mut undone = Undone::default();
        for (kind, number) in changes {
            undone.change(OrderNo(*number), *kind == '+');
        }
        let found = undone.after(after).map(|(change, number)| (change, number.0));
        assert_eq!(found.collect::<Vec<_>>(), expected, "{changes:?} after {after}");
        assert_eq!(undone.after(0).count(), undone.count, "{changes:?}");
    }

    #[test]
    fn each_order_stands_at_its_last_change() {
        let all = [('+', 1), ('+', 2), ('+', 1), ('+', 5_000), ('-', 2), ('-', 9)];
        check(&all, 0, &[(3, 1), (4, 5_000)]);
        check(&all, 3, &[(4, 5_000)]);
        check(&all, 4, &[]);
        check(&all[..2], 0, &[(1, 1), (2, 2)]);
        check(&[('+', 1), ('-', 1), ('+', 1)], 0, &[(2, 1)]);
    }

    #[test]
    fn what_is_out_of_date_does_not_pile_up() {
        let mut undone = Undone::default();
        // One stays in front of all others.
        undone.change(OrderNo(0), true);
        for number in 1..100_000 {
            undone.change(OrderNo(number), true);
            undone.change(OrderNo(number), false);
            assert!(undone.queue.len() <= 2 + STALE_MAX + 1);
        }
        assert_eq!(undone.after(0).collect::<Vec<_>>(), [(1, OrderNo(0))]);
    }
}
