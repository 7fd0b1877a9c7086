//! Where records live. Handlers and queries know these names and nothing of the layout.
//!
//! Records are dense: a record's number is its place, so a number leads to it without a look-up.
//! Nothing here is ever removed; a state is a field.

mod answers;
mod dense;
mod users;

pub(crate) use answers::{Answer, Answers};
pub(crate) use dense::Dense;
pub(crate) use users::UserIndex;

use alloc::vec::Vec;

use crate::types::{
    CampaignNo, LockNo, RedemptionNo, Reference, UserKey, VoucherNo, VoucherState, Wire,
};

/// One issued voucher.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Voucher {
    pub user: UserKey,
    /// Sequence number of the claim.
    pub seq: u64,
    pub issued_at_ms: u64,
    pub valid_until_ms: u64,
    pub campaign: CampaignNo,
    /// What is reserved while it is live.
    pub face_minor: u32,
    /// The voucher that the same user got before this one, in whichever campaign.
    pub previous_of_user: Option<VoucherNo>,
    /// The voucher that the same campaign issued next: the order in which they expire.
    pub next_in_campaign: Option<VoucherNo>,
    pub state: VoucherState,
    /// The lock that holds it, while it is locked.
    pub lock: Option<LockNo>,
    /// The redemption that used it, while it is redeemed.
    pub redemption: Option<RedemptionNo>,
}

/// Where a lock stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockState {
    Held,
    /// Let go, by the app or by time. Keeps what a repeated release is told.
    Released {
        seq: u64,
        at_ms: u64,
        voucher_state: VoucherState,
    },
    /// Ended by the redemption that it was made for.
    Used,
}

/// One lock, held or ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lock {
    pub voucher: VoucherNo,
    pub at_ms: u64,
    /// Moved by outages while it is held: grace included.
    pub until_ms: u64,
    pub reference: Reference,
    pub state: LockState,
}

/// Where a redemption stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RedemptionState {
    /// Can be rolled back; its rest is reserved.
    Open,
    /// For good; its rest is available again.
    Settled,
    /// Undone. Keeps what a repeated rollback is told.
    RolledBack { seq: u64, at_ms: u64, voucher_state: VoucherState },
}

/// One redemption.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Redemption {
    pub voucher: VoucherNo,
    pub seq: u64,
    pub at_ms: u64,
    pub order_minor: u64,
    pub discount_minor: u32,
    pub rest_minor: u32,
    pub rollback_until_ms: u64,
    /// The redemption that the same campaign saw next: the order in which they settle.
    pub next_in_campaign: Option<RedemptionNo>,
    pub reference: Reference,
    pub state: RedemptionState,
}

// What the state's digest covers of each record.

/// Several integers one after another.
pub(crate) fn put_all(values: &[u64], out: &mut Vec<u8>) {
    values.iter().for_each(|value| value.put(out));
}

impl Voucher {
    pub(crate) fn put_digest(&self, out: &mut Vec<u8>) {
        self.user.put(out);
        put_all(&[self.seq, self.issued_at_ms, self.valid_until_ms], out);
        self.campaign.put(out);
        self.face_minor.put(out);
        self.previous_of_user.put(out);
        self.state.put(out);
        self.lock.put(out);
        self.redemption.put(out);
    }
}

impl Lock {
    pub(crate) fn put_digest(&self, out: &mut Vec<u8>) {
        self.voucher.put(out);
        put_all(&[self.at_ms, self.until_ms], out);
        self.reference.put(out);
        match self.state {
            LockState::Held => out.push(0),
            LockState::Released { seq, at_ms, voucher_state } => {
                out.push(1);
                put_all(&[seq, at_ms], out);
                voucher_state.put(out);
            }
            LockState::Used => out.push(2),
        }
    }
}

impl Redemption {
    pub(crate) fn put_digest(&self, out: &mut Vec<u8>) {
        self.voucher.put(out);
        put_all(&[self.seq, self.at_ms, self.order_minor, self.rollback_until_ms], out);
        self.discount_minor.put(out);
        self.rest_minor.put(out);
        self.reference.put(out);
        match self.state {
            RedemptionState::Open => out.push(0),
            RedemptionState::Settled => out.push(1),
            RedemptionState::RolledBack { seq, at_ms, voucher_state } => {
                out.push(2);
                put_all(&[seq, at_ms], out);
                voucher_state.put(out);
            }
        }
    }
}
