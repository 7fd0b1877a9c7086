//! Which names were used: request keys for a while, references for good, and what each user got.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};

use levee_core::types::{Reference, RequestKey, UserKey};

/// How long a request key must not come again, in milliseconds.
pub(super) const REQUEST_KEPT_MS: u64 = 72 * 3_600_000;

/// For keys that are the output of a keyed hash already: folds their words together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for word in bytes.chunks(8) {
            let mut padded = [0; 8];
            padded[..word.len()].copy_from_slice(word);
            self.write_u64(u64::from_le_bytes(padded));
        }
    }
    fn write_u64(&mut self, word: u64) {
        // The odd constant is the golden ratio's; it spreads small campaign numbers over all bits.
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }
    fn write_usize(&mut self, _len: usize) {}
}

type FoldMap<K, V> = HashMap<K, V, BuildHasherDefault<Fold>>;

/// Request keys of the last 72 hours at least, with the time at which each was used. Two
/// generations, so that memory follows the traffic of six days and not the journal's length.
#[derive(Debug, Default)]
pub(super) struct Requests {
    young: FoldMap<[u8; 16], u64>,
    old: FoldMap<[u8; 16], u64>,
    young_since_ms: u64,
}

impl Requests {
    /// Remembers a key; returns when it was used last, if that is too short a time ago.
    pub(super) fn used(&mut self, key: RequestKey, now_ms: u64) -> Option<u64> {
        if now_ms.saturating_sub(self.young_since_ms) > REQUEST_KEPT_MS {
            self.old = std::mem::take(&mut self.young);
            self.young_since_ms = now_ms;
        }
        let before = self.young.insert(key.0, now_ms).or_else(|| self.old.get(&key.0).copied());
        before.filter(|before_ms| now_ms.saturating_sub(*before_ms) <= REQUEST_KEPT_MS)
    }
}

/// What a reference names; the same text may stand for one of each in one campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum ReferenceKind {
    Redemption,
    Lock,
    Funding,
    Withdrawal,
}

/// All references, as 128 bits each of a hash that is keyed anew in every run.
#[derive(Debug, Default)]
pub(super) struct References {
    used: HashSet<[u64; 2], BuildHasherDefault<Fold>>,
    hashers: [RandomState; 2],
}

impl References {
    /// Remembers a reference; returns whether it is new.
    pub(super) fn is_new(
        &mut self,
        kind: ReferenceKind,
        campaign: u32,
        reference: &Reference,
    ) -> bool {
        let name = (kind, campaign, reference.as_str());
        self.used.insert([self.hashers[0].hash_one(name), self.hashers[1].hash_one(name)])
    }
}

/// What one user got of one campaign by claims.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    pub(super) vouchers: u32,
    pub(super) face_minor: u64,
}

/// What every user got, by campaign.
#[derive(Debug, Default)]
pub(super) struct Users(FoldMap<(u32, [u8; 16]), Held>);

impl Users {
    /// Counts one more voucher; returns what the user has with it.
    pub(super) fn give(&mut self, campaign: u32, user: UserKey, face_minor: u32) -> Held {
        let held = self.0.entry((campaign, user.0)).or_default();
        held.vouchers = held.vouchers.saturating_add(1);
        held.face_minor = held.face_minor.saturating_add(face_minor.into());
        *held
    }
}
