//! Answers by the key that asked: a repeat of a request gets the first answer again.

use alloc::collections::VecDeque;

use hashbrown::HashMap;

use core::hash::{BuildHasherDefault, Hasher};

use crate::types::Outcome;

/// What a request was, and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// [`crate::types::Command::body_digest`] of the request.
    pub body: u64,
    pub seq: u64,
    pub at_ms: u64,
    pub outcome: Outcome,
}

/// Keys are hashes already, so the map takes their first bytes.
#[derive(Clone, Copy, Debug, Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        if let Some(head) = bytes.first_chunk::<8>() {
            self.0 = u64::from_le_bytes(*head);
        }
    }
    fn write_usize(&mut self, _len: usize) {}
}

/// Answers by 16-byte key. Never iterated in hash order: `order` keeps the order of arrival.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers {
    by_key: HashMap<[u8; 16], Answer, BuildHasherDefault<FirstBytes>>,
    order: VecDeque<[u8; 16]>,
}

impl Answers {
    pub(crate) fn get(&self, key: [u8; 16]) -> Option<&Answer> {
        self.by_key.get(&key)
    }

    pub(crate) fn insert(&mut self, key: [u8; 16], answer: Answer) {
        let before = self.by_key.insert(key, answer);
        assert!(before.is_none(), "a key is answered once, until it is forgotten");
        self.order.push_back(key);
    }

    /// Forgets up to `limit` answers given before `before_ms`; oldest first.
    pub(crate) fn forget(&mut self, before_ms: u64, limit: usize) {
        for _ in 0..limit {
            let Some(oldest) = self.order.front() else { return };
            if self.by_key[oldest].at_ms >= before_ms {
                return;
            }
            self.by_key.remove(oldest);
            self.order.pop_front();
        }
    }

    /// In the order of arrival.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8; 16], &Answer)> {
        self.order.iter().map(|key| (key, &self.by_key[key]))
    }
}
