//! The shape of the day: who asks for the same thing again, and how. Drawn from the seed and the
//! user's number alone, so that the same seed plays the same day.
//!
//! The shares are those of an app on crowded mobile networks, rather high than low: a retry is what
//! finds out whether an answer holds.

use levee_core::types::{
    Bill, Categories, Command, RedeemVoucher, RedemptionNo, Reference, RequestKey,
    RollBackRedemption, VoucherNo,
};

use super::super::stage::{key_bytes, mix, pseudonym};

/// Two taps on one button: the same ask twice in one vector, so mostly in one batch.
const TAPPED_TWICE_PER_MILLE: u64 = 20;

/// The answer was lost on its way, and the app asks again as soon as its connection is back.
const LOST_PER_MILLE: u64 = 20;

/// The app was closed before the answer came, and asks when it is opened again, much later.
const REOPENED_PER_MILLE: u64 = 20;

/// The till lost its request key and asks with another one for the same bill.
const OTHER_KEY_PER_MILLE: u64 = 5;

/// Somebody shows a used voucher for another bill.
const OTHER_BILL_PER_MILLE: u64 = 5;

/// A bill is cancelled soon after it was paid.
const ROLLED_BACK_PER_MILLE: u64 = 5;

/// What a voucher is worth.
pub(super) const FACE_MINOR: u32 = 2_500;

/// How long a redemption can be undone; longer than any bench.
pub(super) const ROLLBACK_WITHIN: &str = "PT24H";
pub(super) const ROLLBACK_WITHIN_MS: u64 = 24 * 3_600_000;

/// Bills, so that some are below the face and leave a rest.
const BILL_MINOR_MIN: u64 = 1_000;
const BILL_MINOR_MAX: u64 = 9_999;

/// How something is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Once,
    TappedTwice,
    Lost,
    Reopened,
    /// Redemptions only, from here on.
    OtherKey,
    OtherBill,
    RolledBack,
}

/// The day of one user.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    drawn: u64,
}

impl Shape {
    pub(super) fn of(seed: u64, user: u32) -> Self {
        Self { drawn: mix(seed ^ u64::from(user).wrapping_mul(0x9e37_79b9_7f4a_7c15)) }
    }

    pub(super) fn claim(self) -> Manner {
        manner(self.drawn & 0xffff, &MANNERS[..3])
    }

    pub(super) fn redemption(self) -> Manner {
        manner(self.drawn >> 16 & 0xffff, &MANNERS)
    }

    pub(super) fn order_minor(self) -> u64 {
        BILL_MINOR_MIN + (self.drawn >> 32) % (BILL_MINOR_MAX - BILL_MINOR_MIN + 1)
    }

    /// What the terms take off the bill.
    pub(super) fn discount_minor(self) -> u32 {
        u32::try_from(self.order_minor()).map_or(FACE_MINOR, |order| order.min(FACE_MINOR))
    }
}

const MANNERS: [(Manner, u64); 6] = [
    (Manner::TappedTwice, TAPPED_TWICE_PER_MILLE),
    (Manner::Lost, LOST_PER_MILLE),
    (Manner::Reopened, REOPENED_PER_MILLE),
    (Manner::OtherKey, OTHER_KEY_PER_MILLE),
    (Manner::OtherBill, OTHER_BILL_PER_MILLE),
    (Manner::RolledBack, ROLLED_BACK_PER_MILLE),
];

/// The manner that 16 drawn bits choose.
fn manner(drawn: u64, among: &[(Manner, u64)]) -> Manner {
    let mut place = (drawn * 1_000) >> 16;
    for (manner, per_mille) in among {
        if place < *per_mille {
            return *manner;
        }
        place -= per_mille;
    }
    Manner::Once
}

/// Which request and which bill of a user a redemption is; keys and references follow from it.
#[derive(Clone, Copy)]
pub(super) enum Try {
    First = 1,
    /// For the bill of the first.
    OtherKey = 2,
    OtherBill = 3,
}

pub(super) fn redeem(shape: Shape, user: u32, voucher: u32, which: Try) -> Command {
    let bill_of = if matches!(which, Try::OtherBill) { b'x' } else { b'b' };
    Command::RedeemVoucher(RedeemVoucher {
        request: request(user, which as u64),
        bill: Bill {
            voucher: VoucherNo(voucher),
            user: pseudonym(user),
            order_minor: shape.order_minor(),
            brand: None,
            categories: Categories::default(),
        },
        lock: None,
        reference: reference(bill_of, user),
    })
}

pub(super) fn roll_back(user: u32, redemption: u32) -> Command {
    Command::RollBackRedemption(RollBackRedemption {
        request: request(user, 4),
        redemption: RedemptionNo(redemption),
        reason: String::new(),
    })
}

/// Keys of users have 32 bits; those of requests have more.
fn request(user: u32, which: u64) -> RequestKey {
    RequestKey(key_bytes(which << 32 | u64::from(user)))
}

/// `b-0123456789`: no formatting, which would cost more than the rest of the ask.
fn reference(kind: u8, user: u32) -> Reference {
    let mut text = *b"?-0000000000";
    text[0] = kind;
    let mut rest = user;
    for digit in text[2..].iter_mut().rev() {
        *digit += u8::try_from(rest % 10).expect("a digit");
        rest /= 10;
    }
    let text = std::str::from_utf8(&text).expect("ASCII");
    Reference::new(text).expect("short")
}
