//! What is to happen when: one heap for everything, so that ten thousand tickets need no task each.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Things that are due, by time; those of one moment in the order in which they were put down.
#[derive(Debug)]
pub(super) struct Agenda<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    put_count: u64,
}

#[derive(Debug)]
struct Entry<T> {
    due_ms: u64,
    number: u64,
    what: T,
}

impl<T> Entry<T> {
    fn key(&self) -> (u64, u64) {
        (self.due_ms, self.number)
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl<T> Agenda<T> {
    pub(super) fn new() -> Self {
        Self { heap: BinaryHeap::new(), put_count: 0 }
    }

    pub(super) fn put(&mut self, due_ms: u64, what: T) {
        self.put_count += 1;
        self.heap.push(Reverse(Entry { due_ms, number: self.put_count, what }));
    }

    /// When the first thing is due.
    pub(super) fn next_ms(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse(entry)| entry.due_ms)
    }

    /// The first thing that is due by now, and since when.
    pub(super) fn take(&mut self, now_ms: u64) -> Option<(u64, T)> {
        if self.next_ms()? > now_ms {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| (entry.due_ms, entry.what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_come_up_when_they_are_due_and_in_order() {
        let mut agenda = Agenda::new();
        for (due_ms, what) in [(30, "c"), (10, "a"), (30, "d"), (20, "b"), (5, "early")] {
            agenda.put(due_ms, what);
        }
        assert_eq!(agenda.next_ms(), Some(5));
        assert_eq!(agenda.take(4), None);
        assert_eq!(agenda.take(5), Some((5, "early")));
        for expected in [(10, "a"), (20, "b"), (30, "c"), (30, "d")] {
            assert_eq!(agenda.take(100), Some(expected));
        }
        assert_eq!((agenda.take(100), agenda.next_ms()), (None, None));
    }
}
