//! What must be answered to each kind of ask.

use levee_api::port::Reply;
use levee_core::types::{Outcome, Refusal, VoucherState};

use super::shape::{FACE_MINOR, ROLLBACK_WITHIN_MS, Shape};
use super::tally::mark;

/// What an ask is to its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Claim,
    ClaimAgain,
    Redeem,
    RedeemAgain,
    /// The same bill under another request key.
    OtherKey,
    /// Another bill for a voucher that is used.
    OtherBill,
    RollBack,
}

impl Kind {
    /// Whether it asks for what was answered already.
    pub(super) fn is_retry(self) -> bool {
        matches!(self, Self::ClaimAgain | Self::RedeemAgain | Self::OtherKey)
    }
}

/// What a right answer says.
pub(super) enum Told {
    Claimed {
        voucher: u32,
        mark: u64,
    },
    Redeemed {
        redemption: u32,
        mark: u64,
    },
    RolledBack {
        mark: u64,
    },
    /// What was known before.
    Nothing,
}

/// What a reply tells, or `None` when it is not the one that must come. `first` is the mark of the
/// first answer to what is asked again.
pub(super) fn told(kind: Kind, first: u64, shape: Shape, reply: &Reply) -> Option<Told> {
    let (seq, at_ms, outcome, repeated) = match reply {
        Reply::Done { seq, at_ms, outcome, repeated } => (*seq, *at_ms, outcome, *repeated),
        Reply::Refused(Refusal::VoucherNotLive(VoucherState::Redeemed)) => {
            return (kind == Kind::OtherBill).then_some(Told::Nothing);
        }
        _ => return None,
    };
    let mark = mark(seq, at_ms, outcome)?;
    if kind.is_retry() {
        return (repeated && mark == first).then_some(Told::Nothing);
    }
    match (kind, outcome) {
        (Kind::Claim, Outcome::Claimed { voucher, face_minor: FACE_MINOR }) => {
            Some(Told::Claimed { voucher: voucher.0, mark })
        }
        (
            Kind::Redeem,
            Outcome::Redeemed { redemption, discount_minor, rest_minor, rollback_until_ms },
        ) => {
            let right = *discount_minor == shape.discount_minor()
                && *rest_minor == FACE_MINOR - discount_minor
                && *rollback_until_ms == at_ms + ROLLBACK_WITHIN_MS;
            right.then_some(Told::Redeemed { redemption: redemption.0, mark })
        }
        (Kind::RollBack, Outcome::RolledBack { voucher_state: VoucherState::Live }) => {
            Some(Told::RolledBack { mark })
        }
        _ => None,
    }
    .filter(|_| !repeated)
}
