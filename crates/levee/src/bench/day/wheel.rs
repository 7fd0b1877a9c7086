//! What will be asked later, by the second of the day.

use std::collections::BTreeMap;

const SPAN_MS: u64 = 1_000;

/// Things to be done at some time of the day.
pub(super) struct Wheel<T>(BTreeMap<u64, Vec<T>>);

impl<T> Wheel<T> {
    pub(super) fn new() -> Self {
        Self(BTreeMap::new())
    }

    pub(super) fn push(&mut self, at_ms: u64, thing: T) {
        self.0.entry(at_ms.div_ceil(SPAN_MS)).or_default().push(thing);
    }

    /// The first time at which there is something, in ms of the day.
    pub(super) fn next_ms(&self) -> Option<u64> {
        self.0.first_key_value().map(|(span, _)| span * SPAN_MS)
    }

    /// The first things whose time has come.
    pub(super) fn pop(&mut self, now_ms: u64) -> Option<Vec<T>> {
        let first = self.0.first_entry()?;
        (first.key() * SPAN_MS <= now_ms).then(|| first.remove())
    }
}
