//! What was issued, by number. No rule lives here.

use levee_core::types::{LockNo, OrderNo, UserKey, VoucherNo, VoucherState};

/// A journal whose numbers leap further than this altogether is not followed: the table would eat
/// all memory.
const GAPS_MAX: usize = 1 << 16;

/// One voucher.
#[derive(Clone, Copy, Debug)]
pub(super) struct Voucher {
    pub(super) user: UserKey,
    pub(super) issued_at_ms: u64,
    /// Without grace.
    pub(super) valid_until_ms: u64,
    /// Place of its campaign, which exists.
    pub(super) campaign: u32,
    pub(super) face_minor: u32,
    /// Given for an order that ended, not for a claim.
    pub(super) is_apology: bool,
    /// The lock that holds it, while it is locked.
    pub(super) lock: Option<LockNo>,
    /// As the journal has recorded it.
    pub(super) state: VoucherState,
}

impl Voucher {
    /// Some of each of its cache lines: reading them brings it near.
    pub(super) fn glance(&self) -> u64 {
        let [first, ..] = self.user.0;
        let lock = self.lock.map_or(0, |lock| lock.0);
        u64::from(self.campaign ^ lock) ^ u64::from(first ^ u8::from(self.is_apology))
    }
}

/// One lock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lock {
    pub(super) voucher: VoucherNo,
    pub(super) at_ms: u64,
    /// Without grace.
    pub(super) until_ms: u64,
    pub(super) state: LockState,
    /// The order that it is for; an app's own without one.
    pub(super) order: Option<OrderNo>,
}

/// Where a lock stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LockState {
    Held,
    LetGo,
    Used,
}

/// One redemption.
#[derive(Clone, Copy, Debug)]
pub(super) struct Redemption {
    pub(super) voucher: VoucherNo,
    pub(super) at_ms: u64,
    /// Without grace.
    pub(super) rollback_until_ms: u64,
    pub(super) discount_minor: u32,
    pub(super) rest_minor: u32,
    pub(super) state: RedemptionState,
    /// The order that it is for; an app's bill without one.
    pub(super) order: Option<OrderNo>,
}

impl Redemption {
    /// Discount and rest, to be added and taken away.
    pub(super) fn parts(&self) -> (i128, i128) {
        (self.discount_minor.into(), self.rest_minor.into())
    }
}

/// Where a redemption stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RedemptionState {
    /// Can be rolled back; its rest is reserved.
    Open,
    /// For good; its rest is available again.
    Settled,
    RolledBack,
}

/// Records by number. A number that the journal skipped, or that stands for nothing usable, is
/// there as None.
#[derive(Debug)]
pub(super) struct Table<T> {
    /// What its records are called in differences.
    name: &'static str,
    records: Vec<Option<T>>,
    /// Numbers that were leapt over so far.
    gaps: usize,
}

impl<T> Table<T> {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, records: Vec::new(), gaps: 0 }
    }

    pub(super) fn get(&self, number: u32) -> Option<&T> {
        self.records.get(place(number))?.as_ref()
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.records.get_mut(place(number))?.as_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.records.iter().flatten()
    }

    /// What is wrong with giving the next record this number, if anything.
    pub(super) fn misnumbered(&self, number: u32) -> Option<String> {
        let expected = self.records.len();
        let name = self.name;
        (place(number) != expected)
            .then(|| format!("{name} {number} stands where {expected} follows"))
    }

    /// Adds the next record under the journal's number for it. Returns whether it is kept: a
    /// number that is taken keeps its first record, and numbers that leap too far are not followed.
    pub(super) fn put(&mut self, number: u32, record: Option<T>) -> bool {
        let (number, next) = (place(number), self.records.len());
        let gap = number.checked_sub(next).filter(|gap| self.gaps + gap <= GAPS_MAX);
        let Some(gap) = gap else {
            self.records.push(None);
            return false;
        };
        self.gaps += gap;
        self.records.resize_with(number, || None);
        let kept = record.is_some();
        self.records.push(record);
        kept
    }
}

fn place(number: u32) -> usize {
    usize::try_from(number).expect("an index has at least 32 bits here")
}
