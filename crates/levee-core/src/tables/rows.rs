//! The records of the tables, as plain bytes of fixed size. A snapshot holds them as they are: their
//! layout is part of its format, see [`super::LAYOUT`].
//!
//! Enums stand as bytes here and come out through methods, so that handlers see types.

use alloc::vec::Vec;

use bytemuck::{Pod, Zeroable};

use crate::types::{
    CampaignNo, LockNo, OrderNo, RedemptionNo, Reference, UserKey, VoucherNo, VoucherState, Wire,
};

/// Stands for no number.
pub(super) const NONE: u32 = u32::MAX;

pub(super) fn some(number: u32) -> Option<u32> {
    (number != NONE).then_some(number)
}

/// One issued voucher.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Voucher {
    pub user: UserKey,
    /// Sequence number of the claim.
    pub seq: u64,
    pub issued_at_ms: u64,
    pub valid_until_ms: u64,
    pub campaign: CampaignNo,
    /// What is reserved while it is live.
    pub face_minor: u32,
    previous_of_user: u32,
    next_in_campaign: u32,
    /// The lock that holds it while it is locked, the redemption that used it while it is redeemed.
    holder: u32,
    state: u8,
    /// 0 for a claim, 1 for an apology.
    kind: u8,
    unused: [u8; 2],
}

impl Voucher {
    /// A live one for a claim.
    pub(crate) fn new(
        user: UserKey,
        (seq, issued_at_ms): (u64, u64),
        valid_until_ms: u64,
        campaign: CampaignNo,
        face_minor: u32,
        previous_of_user: Option<VoucherNo>,
    ) -> Self {
        Self {
            user,
            seq,
            issued_at_ms,
            valid_until_ms,
            campaign,
            face_minor,
            previous_of_user: previous_of_user.map_or(NONE, |number| number.0),
            next_in_campaign: NONE,
            holder: NONE,
            state: state_code(VoucherState::Live),
            kind: 0,
            unused: [0; 2],
        }
    }

    /// One that was not claimed.
    pub(crate) fn as_apology(self) -> Self {
        Self { kind: 1, ..self }
    }

    /// Whether it was given for an order that ended without its user's fault.
    pub(crate) fn is_apology(&self) -> bool {
        self.kind == 1
    }

    /// The voucher that the same user got before this one, in whichever campaign.
    pub(crate) fn previous_of_user(&self) -> Option<VoucherNo> {
        some(self.previous_of_user).map(VoucherNo)
    }

    /// The voucher that the same campaign issued next: the order in which they expire.
    pub(crate) fn next_in_campaign(&self) -> Option<VoucherNo> {
        some(self.next_in_campaign).map(VoucherNo)
    }

    pub(crate) fn set_next_in_campaign(&mut self, next: VoucherNo) {
        self.next_in_campaign = next.0;
    }

    pub(crate) fn state(&self) -> VoucherState {
        state_of(self.state)
    }

    /// Live, expired or revoked: held by nothing.
    pub(crate) fn set_free(&mut self, state: VoucherState) {
        assert!(!matches!(state, VoucherState::Locked | VoucherState::Redeemed), "needs a holder");
        (self.state, self.holder) = (state_code(state), NONE);
    }

    pub(crate) fn set_locked(&mut self, lock: LockNo) {
        (self.state, self.holder) = (state_code(VoucherState::Locked), lock.0);
    }

    pub(crate) fn set_redeemed(&mut self, redemption: RedemptionNo) {
        (self.state, self.holder) = (state_code(VoucherState::Redeemed), redemption.0);
    }

    /// The lock that holds it, while it is locked.
    pub(crate) fn lock(&self) -> Option<LockNo> {
        (self.state() == VoucherState::Locked).then_some(LockNo(self.holder))
    }

    /// The redemption that used it, while it is redeemed.
    pub(crate) fn redemption(&self) -> Option<RedemptionNo> {
        (self.state() == VoucherState::Redeemed).then_some(RedemptionNo(self.holder))
    }

    pub(crate) fn put_digest(&self, out: &mut Vec<u8>) {
        self.user.put(out);
        put_all(&[self.seq, self.issued_at_ms, self.valid_until_ms], out);
        self.campaign.put(out);
        self.face_minor.put(out);
        self.previous_of_user().put(out);
        self.state().put(out);
        self.lock().put(out);
        self.redemption().put(out);
        // Claimed ones have the digest of builds that knew no others.
        if self.is_apology() {
            out.push(self.kind);
        }
    }
}

/// Where a lock stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockState {
    Held,
    /// Let go, by the app or by time. Keeps what a repeated release is told.
    Released(Undone),
    /// Ended by the redemption that it was made for.
    Used,
}

/// Where a redemption stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RedemptionState {
    /// Can be rolled back; its rest is reserved.
    Open,
    /// For good; its rest is available again.
    Settled,
    /// Undone. Keeps what a repeated rollback is told.
    RolledBack(Undone),
}

/// When something was undone, and what became of its voucher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Undone {
    pub seq: u64,
    pub at_ms: u64,
    pub voucher_state: VoucherState,
}

/// [`Undone`] in a record; `kind` says whether it is.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
struct End {
    seq: u64,
    at_ms: u64,
    kind: u8,
    voucher_state: u8,
    unused: [u8; 6],
}

/// Kinds of [`End`]: the states of locks and redemptions as bytes.
const OPEN: u8 = 0;
const UNDONE: u8 = 1;
const OVER: u8 = 2;

impl End {
    fn of(kind: u8) -> Self {
        Self { kind, ..Self::zeroed() }
    }

    fn undone(undone: Undone) -> Self {
        let Undone { seq, at_ms, voucher_state } = undone;
        let voucher_state = state_code(voucher_state);
        Self { seq, at_ms, kind: UNDONE, voucher_state, unused: [0; 6] }
    }

    fn as_undone(&self) -> Option<Undone> {
        let Self { seq, at_ms, kind, voucher_state, .. } = *self;
        (kind == UNDONE).then(|| Undone { seq, at_ms, voucher_state: state_of(voucher_state) })
    }
}

/// One lock, held or ended.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Lock {
    pub at_ms: u64,
    /// Moved by outages while it is held: grace included.
    pub until_ms: u64,
    end: End,
    pub voucher: VoucherNo,
    reference: Text,
    order: ByOrder,
    unused: [u8; 31],
}

impl Lock {
    /// Whether it holds its voucher until just that instant.
    pub(crate) fn is_held_until(&self, until_ms: u64) -> bool {
        self.state() == LockState::Held && self.until_ms == until_ms
    }

    /// `order`: the order that it is for; the app's own without one.
    pub(crate) fn held(
        voucher: VoucherNo,
        at_ms: u64,
        until_ms: u64,
        name: &Reference,
        order: Option<OrderNo>,
    ) -> Self {
        let (reference, order) = (Text::of(name), ByOrder::of(order));
        Self { at_ms, until_ms, end: End::of(OPEN), voucher, reference, order, unused: [0; 31] }
    }

    /// The order that it is for.
    pub(crate) fn order(&self) -> Option<OrderNo> {
        self.order.get()
    }

    pub(crate) fn state(&self) -> LockState {
        match self.end.as_undone() {
            Some(undone) => LockState::Released(undone),
            None if self.end.kind == OPEN => LockState::Held,
            None => LockState::Used,
        }
    }

    pub(crate) fn release(&mut self, undone: Undone) {
        self.end = End::undone(undone);
    }

    pub(crate) fn use_up(&mut self) {
        self.end = End::of(OVER);
    }

    pub(crate) fn put_digest(&self, out: &mut Vec<u8>) {
        self.voucher.put(out);
        put_all(&[self.at_ms, self.until_ms], out);
        self.reference.get().put(out);
        put_end(&self.end, out, [0, 1, 2]);
        // Locks of apps have the digest of builds that knew no others.
        if let Some(order) = self.order() {
            order.put(out);
        }
    }
}

/// One redemption.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Redemption {
    pub seq: u64,
    pub at_ms: u64,
    pub order_minor: u64,
    pub rollback_until_ms: u64,
    end: End,
    pub voucher: VoucherNo,
    pub discount_minor: u32,
    pub rest_minor: u32,
    next_in_campaign: u32,
    reference: Text,
    order: ByOrder,
    unused: [u8; 3],
}

impl Redemption {
    /// One that can be rolled back.
    pub(crate) fn open(
        voucher: VoucherNo,
        (seq, at_ms): (u64, u64),
        order_minor: u64,
        (discount_minor, rest_minor): (u32, u32),
        rollback_until_ms: u64,
        name: &Reference,
        order: Option<OrderNo>,
    ) -> Self {
        Self {
            seq,
            at_ms,
            order_minor,
            rollback_until_ms,
            end: End::of(OPEN),
            voucher,
            discount_minor,
            rest_minor,
            next_in_campaign: NONE,
            reference: Text::of(name),
            order: ByOrder::of(order),
            unused: [0; 3],
        }
    }

    /// The order that it is for.
    pub(crate) fn order(&self) -> Option<OrderNo> {
        self.order.get()
    }

    pub(crate) fn state(&self) -> RedemptionState {
        match self.end.as_undone() {
            Some(undone) => RedemptionState::RolledBack(undone),
            None if self.end.kind == OPEN => RedemptionState::Open,
            None => RedemptionState::Settled,
        }
    }

    pub(crate) fn settle(&mut self) {
        self.end = End::of(OVER);
    }

    pub(crate) fn roll_back(&mut self, undone: Undone) {
        self.end = End::undone(undone);
    }

    /// The redemption that the same campaign saw next: the order in which they settle.
    pub(crate) fn next_in_campaign(&self) -> Option<RedemptionNo> {
        some(self.next_in_campaign).map(RedemptionNo)
    }

    pub(crate) fn set_next_in_campaign(&mut self, next: RedemptionNo) {
        self.next_in_campaign = next.0;
    }

    pub(crate) fn reference(&self) -> Reference {
        self.reference.get()
    }

    pub(crate) fn put_digest(&self, out: &mut Vec<u8>) {
        self.voucher.put(out);
        put_all(&[self.seq, self.at_ms, self.order_minor, self.rollback_until_ms], out);
        self.discount_minor.put(out);
        self.rest_minor.put(out);
        self.reference.get().put(out);
        put_end(&self.end, out, [0, 2, 1]);
    }
}

/// The order that a record belongs to, if it belongs to one. All zeros without one: earlier builds
/// had nothing in this place. Digests leave it out, because the order's own record names the lock or
/// redemption.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(transparent)]
struct ByOrder([u8; 4]);

impl ByOrder {
    fn of(order: Option<OrderNo>) -> Self {
        Self(order.map_or(0, |order| order.0 + 1).to_le_bytes())
    }

    fn get(self) -> Option<OrderNo> {
        u32::from_le_bytes(self.0).checked_sub(1).map(OrderNo)
    }
}

/// A [`Reference`] in a record.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
struct Text {
    len: u8,
    bytes: [u8; Reference::LEN_MAX],
}

impl Text {
    fn of(reference: &Reference) -> Self {
        let text = reference.as_str().as_bytes();
        let mut bytes = [0; Reference::LEN_MAX];
        bytes[..text.len()].copy_from_slice(text);
        Self { len: u8::try_from(text.len()).expect("at most LEN_MAX"), bytes }
    }

    fn get(&self) -> Reference {
        let text = self.bytes.get(..usize::from(self.len));
        let text = text.and_then(|text| core::str::from_utf8(text).ok());
        text.and_then(Reference::new).expect("made of a reference")
    }
}

fn state_code(state: VoucherState) -> u8 {
    match state {
        VoucherState::Live => 0,
        VoucherState::Locked => 1,
        VoucherState::Redeemed => 2,
        VoucherState::Expired => 3,
        VoucherState::Revoked => 4,
    }
}

fn state_of(code: u8) -> VoucherState {
    match code {
        0 => VoucherState::Live,
        1 => VoucherState::Locked,
        2 => VoucherState::Redeemed,
        3 => VoucherState::Expired,
        4 => VoucherState::Revoked,
        _ => unreachable!("only state_code writes it, and snapshots are checksummed"),
    }
}

/// Several integers one after another.
pub(crate) fn put_all(values: &[u64], out: &mut Vec<u8>) {
    values.iter().for_each(|value| value.put(out));
}

/// `codes` are the digest's for open, undone and over.
fn put_end(end: &End, out: &mut Vec<u8>, codes: [u8; 3]) {
    out.push(codes[usize::from(end.kind)]);
    if let Some(Undone { seq, at_ms, voucher_state }) = end.as_undone() {
        put_all(&[seq, at_ms], out);
        voucher_state.put(out);
    }
}
