//! Which names were used: request keys for a while, references for good, and what each user got.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};

use levee_core::types::{Command, Reference, RequestKey, UserKey};

use super::keyed::{Keyed, Tag};

/// How long a request key must not come again, in milliseconds.
pub(super) const REQUEST_KEPT_MS: u64 = 72 * 3_600_000;

/// Request keys of the last 72 hours at least, with the time at which each was used. Two
/// generations, so that memory follows the traffic of six days and not the journal's length.
#[derive(Debug, Default)]
pub(super) struct Requests {
    young: Keyed<u64>,
    old: Keyed<u64>,
    young_since_ms: u64,
}

impl Requests {
    /// Remembers a key; returns when it was used last, if that is too short a time ago.
    pub(super) fn used(&mut self, key: RequestKey, names: Names, now_ms: u64) -> Option<u64> {
        if now_ms.saturating_sub(self.young_since_ms) > REQUEST_KEPT_MS {
            self.old = std::mem::take(&mut self.young);
            self.young_since_ms = now_ms;
        }
        let (used_ms, is_known) = self.young.entry(names.request, key.0);
        let before_ms = std::mem::replace(used_ms, now_ms);
        let before =
            if is_known { Some(before_ms) } else { self.old.get(names.request, &key.0).copied() };
        before.filter(|before_ms| now_ms.saturating_sub(*before_ms) <= REQUEST_KEPT_MS)
    }

    /// Brings near what [`Self::used`] will look at.
    pub(super) fn glance(&self, names: Names) -> u64 {
        self.young.glance(names.request) ^ self.old.glance(names.request)
    }
}

/// What a reference names; the same text may stand for one of each in one scope: a campaign, or an
/// order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum ReferenceKind {
    Redemption,
    Lock,
    Funding,
    Withdrawal,
    /// Of an order.
    Refund,
    /// What a provider said; in one scope for all, because a trade number is of one order.
    Payment,
    /// What a provider said, as put on record for somebody to look at; of an order.
    Dispute,
    /// What came of a refund; of an order.
    RefundResult,
}

/// 128 bits that stand for the text of a reference. Two texts that shared them would show as a
/// difference where there is none, and hide nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fingerprint {
    head: u64,
    tail: u64,
}

impl Fingerprint {
    /// Of the same name with an amount.
    pub(super) fn with(self, amount_minor: u64) -> Self {
        Self { tail: self.tail.wrapping_add(amount_minor), ..self }
    }
}

/// Hashes of the names that a command carries; anything where it carries none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Names {
    request: Tag,
    user: Tag,
    pub(super) reference: Fingerprint,
}

/// Hashes names, by keys that are drawn anew in every run: nobody can write a journal whose names
/// all fall into one place, or two texts that have the same fingerprint.
#[derive(Debug)]
pub(super) struct Namer {
    seeds: [u64; 2],
    texts: [RandomState; 2],
}

impl Default for Namer {
    fn default() -> Self {
        let texts = [RandomState::new(), RandomState::new()];
        let seeds = [texts[0].hash_one(0), texts[1].hash_one(0)];
        Self { seeds, texts }
    }
}

impl Namer {
    pub(super) fn names(&self, command: &Command) -> Names {
        let mut names = Names::default();
        if let Some(key) = command.request() {
            names.request = self.tag(&key.0);
        }
        match command {
            Command::ClaimVoucher(ask) => names.user = self.tag(&ask.user.0),
            Command::RedeemVoucher(ask) => names.reference = self.fingerprint(&ask.reference),
            Command::LockVoucher(ask) => names.reference = self.fingerprint(&ask.reference),
            Command::MoveBudget(ask) => names.reference = self.fingerprint(&ask.reference),
            Command::RefundOrder(ask) => names.reference = self.fingerprint(&ask.reference),
            Command::RecordPayment(ask) => {
                let event = (ask.provider, ask.trade, ask.event.kind());
                names.reference = self.fingerprint_of(&event);
            }
            Command::RecordRefund(ask) => names.reference = self.fingerprint_of(&ask.refund),
            _ => {}
        }
        names
    }

    /// The product of both halves, folded, as wyhash does (Wang Yi, 2019).
    fn tag(&self, key: &[u8; 16]) -> Tag {
        let (head, tail) = key.split_at(8);
        let half = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("half of 16 bytes"));
        let (head, tail) = (half(head) ^ self.seeds[0], half(tail) ^ self.seeds[1]);
        let product = u128::from(head) * u128::from(tail);
        let folded = (product ^ (product >> 64)) & 0xffff_ffff;
        Tag(u32::try_from(folded).expect("masked to 32 bits"))
    }

    fn fingerprint(&self, reference: &Reference) -> Fingerprint {
        self.fingerprint_of(reference.as_str())
    }

    fn fingerprint_of(&self, name: &(impl Hash + ?Sized)) -> Fingerprint {
        Fingerprint { head: self.texts[0].hash_one(name), tail: self.texts[1].hash_one(name) }
    }
}

/// All references by their fingerprints.
#[derive(Debug, Default)]
pub(super) struct References(Keyed<()>);

impl References {
    /// Remembers a reference; returns whether it is new.
    pub(super) fn is_new(&mut self, kind: ReferenceKind, scope: u32, text: Fingerprint) -> bool {
        let (tag, key) = Self::key(kind, scope, text);
        let (_, is_known) = self.0.entry(tag, key);
        !is_known
    }

    /// Whether a reference is remembered.
    pub(super) fn is_known(&self, kind: ReferenceKind, scope: u32, text: Fingerprint) -> bool {
        let (tag, key) = Self::key(kind, scope, text);
        self.0.get(tag, &key).is_some()
    }

    /// Brings near what [`Self::is_new`] will look at.
    pub(super) fn glance(&self, kind: ReferenceKind, scope: u32, text: Fingerprint) -> u64 {
        self.0.glance(Self::key(kind, scope, text).0)
    }

    /// One text gives another key for each kind and scope.
    fn key(kind: ReferenceKind, scope: u32, text: Fingerprint) -> (Tag, [u8; 16]) {
        let scope = u64::from(scope) << 8 | kind as u64;
        // An odd factor keeps scopes apart and spreads them over the bits that become the tag.
        let head = text.head ^ scope.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let tag = Tag(u32::try_from(head >> 32).expect("the upper half"));
        (tag, (u128::from(head) << 64 | u128::from(text.tail)).to_le_bytes())
    }
}

/// What one user got of one campaign by claims.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    pub(super) vouchers: u32,
    pub(super) face_minor: u64,
}

/// What every user got of one campaign.
#[derive(Debug, Default)]
pub(super) struct Users(Keyed<Held>);

impl Users {
    /// Counts one more voucher; returns what the user has with it.
    pub(super) fn give(&mut self, user: UserKey, names: Names, face_minor: u32) -> Held {
        let (held, _) = self.0.entry(names.user, user.0);
        held.vouchers = held.vouchers.saturating_add(1);
        held.face_minor = held.face_minor.saturating_add(face_minor.into());
        *held
    }

    /// Brings near what [`Self::give`] will look at.
    pub(super) fn glance(&self, names: Names) -> u64 {
        self.0.glance(names.user)
    }
}
