//! What ends by the clock, in the order in which it does: a tick must take the front of such a line.

use std::collections::{BTreeMap, BTreeSet};

/// Things by number that end by the clock. An entry says when to look at a thing, not when it ends:
/// that is asked for at the front, because most things go on, or end in another way, before.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Numbers by the span of time in which to look at them.
    waiting: BTreeMap<u64, Vec<u32>>,
    /// What has ended by the last look, with that time.
    over: BTreeSet<(u64, u32)>,
}

/// Things whose time is in the same span are looked at together; 1.024 s.
fn span(at_ms: u64) -> u64 {
    at_ms >> 10
}

impl Line {
    /// A thing ends at this time, if nothing happens to it. Entries of before may stay.
    pub(super) fn push(&mut self, number: u32, end_ms: u64) {
        self.waiting.entry(span(end_ms)).or_default().push(number);
    }

    /// The first `limit` things that have ended by now, in the order of their ends and numbers, each
    /// with its end. `end_ms_of`: when a thing ends; `None` when it no longer will.
    pub(super) fn over(
        &mut self,
        now_ms: u64,
        limit: usize,
        end_ms_of: impl Fn(u32) -> Option<u64>,
    ) -> Vec<(u64, u32)> {
        let later = self.waiting.split_off(&(span(now_ms) + 1));
        let come = std::mem::replace(&mut self.waiting, later);
        let stale = self.over.iter().filter(|(end_ms, number)| end_ms_of(*number) != Some(*end_ms));
        let stale = stale.copied().collect::<Vec<_>>();
        stale.iter().for_each(|entry| {
            self.over.remove(entry);
        });
        let moved = stale.into_iter().map(|(_, number)| number);
        for number in come.into_values().flatten().chain(moved) {
            match end_ms_of(number) {
                Some(end_ms) if end_ms <= now_ms => {
                    self.over.insert((end_ms, number));
                }
                Some(end_ms) => self.push(number, end_ms),
                None => {}
            }
        }
        self.over.iter().take(limit).copied().collect()
    }
}
