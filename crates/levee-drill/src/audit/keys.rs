//! Which names were used: request keys for a while, references for good, and what each user got.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use levee_core::types::{Command, Reference, RequestKey, UserKey};

use super::keyed::Keyed;

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
    pub(super) fn used(&mut self, key: RequestKey, now_ms: u64) -> Option<u64> {
        if now_ms.saturating_sub(self.young_since_ms) > REQUEST_KEPT_MS {
            self.old = std::mem::take(&mut self.young);
            self.young_since_ms = now_ms;
        }
        let (used_ms, is_known) = self.young.entry(key.0);
        let before_ms = std::mem::replace(used_ms, now_ms);
        let before = if is_known { Some(before_ms) } else { self.old.get(&key.0).copied() };
        before.filter(|before_ms| now_ms.saturating_sub(*before_ms) <= REQUEST_KEPT_MS)
    }

    /// Brings near what [`Self::used`] will look at.
    pub(super) fn glance(&self, key: RequestKey) -> u64 {
        self.young.glance(&key.0) ^ self.old.glance(&key.0)
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

/// 128 bits that stand for the text of a reference. Two texts that shared them would show as a
/// difference where there is none, and hide nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint([u64; 2]);

/// Makes fingerprints by a hash that is keyed anew in every run, so that nobody can write two
/// texts with the same.
#[derive(Debug, Default)]
pub(super) struct Fingerprints([RandomState; 2]);

impl Fingerprints {
    /// Of the reference that a command carries, if it does.
    pub(super) fn of(&self, command: &Command) -> Option<Fingerprint> {
        let reference = match command {
            Command::RedeemVoucher(ask) => &ask.reference,
            Command::LockVoucher(ask) => &ask.reference,
            Command::MoveBudget(ask) => &ask.reference,
            _ => return None,
        };
        Some(self.of_reference(reference))
    }

    fn of_reference(&self, reference: &Reference) -> Fingerprint {
        let text = reference.as_str();
        Fingerprint([self.0[0].hash_one(text), self.0[1].hash_one(text)])
    }
}

/// All references by their fingerprints.
#[derive(Debug, Default)]
pub(super) struct References(Keyed<()>);

impl References {
    /// Remembers a reference; returns whether it is new.
    pub(super) fn is_new(&mut self, kind: ReferenceKind, campaign: u32, text: Fingerprint) -> bool {
        let (_, is_known) = self.0.entry(Self::key(kind, campaign, text));
        !is_known
    }

    /// Brings near what [`Self::is_new`] will look at.
    pub(super) fn glance(&self, kind: ReferenceKind, campaign: u32, text: Fingerprint) -> u64 {
        self.0.glance(&Self::key(kind, campaign, text))
    }

    /// One text gives another key for each kind and campaign.
    fn key(kind: ReferenceKind, campaign: u32, Fingerprint([head, tail]): Fingerprint) -> [u8; 16] {
        let scope = u64::from(campaign) << 8 | kind as u64;
        (u128::from(head ^ scope) << 64 | u128::from(tail)).to_le_bytes()
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
    pub(super) fn give(&mut self, user: UserKey, face_minor: u32) -> Held {
        let (held, _) = self.0.entry(user.0);
        held.vouchers = held.vouchers.saturating_add(1);
        held.face_minor = held.face_minor.saturating_add(face_minor.into());
        *held
    }

    /// Brings near what [`Self::give`] will look at.
    pub(super) fn glance(&self, user: UserKey) -> u64 {
        self.0.glance(&user.0)
    }
}
