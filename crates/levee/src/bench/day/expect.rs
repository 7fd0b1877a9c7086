//! What must be answered to each kind of ask.

use levee_api::port::Reply;
use levee_core::types::{
    Held, OrderChange, OrderState, Outcome, PaymentState, Refusal, TicketStep, VoucherState,
};

use super::shape::{FACE_MINOR, PAY_WITHIN_MS};
use super::tally::mark;
use super::town::READY_WITHIN_MS;

/// What an ask is to its user, or to whoever asks about the user's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Claim,
    ClaimAgain,
    Place,
    PlaceAgain,
    /// Another order with a voucher that is held or used.
    OtherOrder,
    Pay,
    PayAgain,
    Accept,
    AcceptAgain,
    Ready,
    Collect,
}

impl Kind {
    /// Whether it asks for what was answered already.
    pub(super) fn is_retry(self) -> bool {
        matches!(self, Self::ClaimAgain | Self::PlaceAgain | Self::PayAgain | Self::AcceptAgain)
    }

    /// The step of a ticket, and the version that it follows on.
    pub(super) fn step(self) -> Option<(TicketStep, u32)> {
        match self {
            Self::Accept | Self::AcceptAgain => Some((TicketStep::Accept, 1)),
            Self::Ready => Some((TicketStep::Ready, 2)),
            Self::Collect => Some((TicketStep::Collect, 3)),
            _ => None,
        }
    }
}

/// What a right answer says.
pub(super) enum Told {
    /// A new voucher or order.
    New { number: u32, mark: u64 },
    /// The order has gone on.
    On { mark: u64 },
    /// The outlet cannot have it ready in time.
    Busy,
    /// What was known before.
    Nothing,
}

/// What a reply tells, or `None` when it is not the one that must come. `first` is the mark of the
/// first answer to what is asked again.
pub(super) fn told(kind: Kind, first: u64, reply: &Reply) -> Option<Told> {
    let (seq, at_ms, outcome, repeated) = match reply {
        Reply::Done { seq, at_ms, outcome, repeated } => (*seq, *at_ms, outcome, *repeated),
        Reply::Refused(Refusal::OutletBusy) => return (kind == Kind::Place).then_some(Told::Busy),
        Reply::Refused(
            Refusal::VoucherLocked | Refusal::VoucherNotLive(VoucherState::Redeemed),
        ) => return (kind == Kind::OtherOrder).then_some(Told::Nothing),
        _ => return None,
    };
    let mark = mark(seq, at_ms, outcome)?;
    if kind.is_retry() {
        return (repeated && mark == first).then_some(Told::Nothing);
    }
    if repeated {
        return None;
    }
    match (kind, outcome) {
        (Kind::Claim, Outcome::Claimed { voucher, face_minor: FACE_MINOR }) => {
            Some(Told::New { number: voucher.0, mark })
        }
        (
            Kind::Place,
            Outcome::OrderPlaced {
                order,
                promised_at_ms,
                subsidy_minor: FACE_MINOR,
                held: Held::Lock(_),
                due_ms,
            },
        ) => {
            let right = (at_ms..=at_ms + READY_WITHIN_MS).contains(promised_at_ms)
                && *due_ms == at_ms + PAY_WITHIN_MS;
            right.then_some(Told::New { number: order.0, mark })
        }
        (_, Outcome::OrderChanged(change)) => is_next(kind, change).then_some(Told::On { mark }),
        // It is paid a minute and more after it was placed.
        (Kind::Pay, Outcome::PromisedAnew { change, promised_at_ms }) => {
            let right = *promised_at_ms > at_ms && is_next(kind, change);
            right.then_some(Told::On { mark })
        }
        _ => None,
    }
}

fn is_next(kind: Kind, change: &OrderChange) -> bool {
    let (state, version) = match kind {
        Kind::Pay => (OrderState::Paid, 1),
        Kind::Accept => (OrderState::Accepted, 2),
        Kind::Ready => (OrderState::Ready, 3),
        Kind::Collect => (OrderState::Collected, 4),
        _ => return false,
    };
    let is_used = change.redemption.is_some();
    (change.state, change.version) == (state, version)
        && change.payment == Some(PaymentState::Succeeded)
        && is_used == (kind == Kind::Pay)
        && change.voucher.is_none()
}
