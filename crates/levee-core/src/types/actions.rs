//! What is to be done outside for an order.

use super::{OrderNo, OutletNo};
#[cfg(doc)]
use super::{PaymentEvent, RecordRefund, SettleDispute, TicketStep};

/// Something that is to be done outside for an order, until somebody records that it was.
///
/// Actions follow from an order's record alone, so they are the same after a restart. Whoever does
/// them may do them more than once, and tells the other side the order with the version or number
/// given here: what has the same numbers is the same action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Action {
    /// Make the payment at a provider. Done by [`PaymentEvent::Created`], or by any later event.
    CreatePayment {
        /// For which order.
        order: OrderNo,
        /// How much, in minor units.
        payable_minor: u64,
    },
    /// Ask the provider how the payment stands, since callbacks get lost. Done by whatever ends the
    /// wait for it.
    LookAtPayment {
        /// Of which order.
        order: OrderNo,
    },
    /// See that the payment can no longer be paid. Done by [`PaymentEvent::Closed`], or when the
    /// provider says that it succeeded.
    ClosePayment {
        /// Of which order.
        order: OrderNo,
    },
    /// Send the ticket to the outlet. Done by [`TicketStep::Send`], or by any later step.
    SendTicket {
        /// Of which order.
        order: OrderNo,
        /// Where to.
        outlet: OutletNo,
        /// The ticket's version.
        version: u32,
    },
    /// Tell the outlet that the ticket is cancelled. Done by [`TicketStep::Withdraw`].
    CancelTicket {
        /// Of which order.
        order: OrderNo,
        /// Where to.
        outlet: OutletNo,
        /// The ticket's version.
        version: u32,
    },
    /// Give money back. Done by [`RecordRefund`]; one that the provider refused is followed by the next
    /// number, after a pause, and after [`super::REFUSALS_MAX`] of them by [`Self::ReviewPayment`].
    Refund {
        /// Of which order.
        order: OrderNo,
        /// Counts an order's refunds from 1.
        refund: u32,
        /// How much, in minor units.
        amount_minor: u64,
        /// Not before, in milliseconds since 1970; 0 is at once.
        from_ms: u64,
    },
    /// Look at what the provider took and should not have, or does not give back. Done by
    /// [`SettleDispute`].
    ReviewPayment {
        /// Of which order.
        order: OrderNo,
    },
}

impl Action {
    /// Which outlet is to be told, if one is.
    #[must_use]
    pub fn outlet(self) -> Option<OutletNo> {
        match self {
            Self::SendTicket { outlet, .. } | Self::CancelTicket { outlet, .. } => Some(outlet),
            _ => None,
        }
    }

    /// For which order.
    #[must_use]
    pub fn order(self) -> OrderNo {
        match self {
            Self::CreatePayment { order, .. }
            | Self::ClosePayment { order }
            | Self::LookAtPayment { order }
            | Self::ReviewPayment { order }
            | Self::SendTicket { order, .. }
            | Self::CancelTicket { order, .. }
            | Self::Refund { order, .. } => order,
        }
    }
}
