//! One order as the audit knows it, and where it stands by what was said of it.

use levee_core::types::{
    LockNo, NameHash, OrderEnd, OrderState, OutletNo, PaymentState, RedemptionNo, TradeKey,
    UserKey, VoucherNo,
};

/// One order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    pub(super) user: UserKey,
    pub(super) outlet: OutletNo,
    pub(super) voucher: Option<VoucherNo>,
    pub(super) subsidy_minor: u32,
    pub(super) payable_minor: u64,
    pub(super) lock: Option<LockNo>,
    pub(super) redemption: Option<RedemptionNo>,
    /// What it awaits was asked for then, and is due then; without grace.
    pub(super) due: (u64, u64),
    /// How far its ticket has come.
    pub(super) reached: OrderState,
    pub(super) end: Option<OrderEnd>,
    /// What the provider said, while there is no money.
    pub(super) said: PaymentState,
    pub(super) trade: Option<(NameHash, TradeKey)>,
    pub(super) captured: bool,
    pub(super) asked_minor: u64,
    pub(super) refunded_minor: u64,
    /// Of the refund under way; 0 without one.
    pub(super) under_way_minor: u64,
    pub(super) refunds: u32,
    pub(super) version: u32,
    pub(super) withdrawn: bool,
}

impl Order {
    pub(super) fn captured_minor(&self) -> u64 {
        if self.captured { self.payable_minor } else { 0 }
    }

    pub(super) fn state(&self) -> OrderState {
        match self.end {
            None => self.reached,
            Some(_) if self.captured && self.refunded_minor < self.payable_minor => {
                OrderState::Refunding
            }
            Some(_) if self.captured => OrderState::Refunded,
            Some(OrderEnd::NotPaid | OrderEnd::NotAccepted | OrderEnd::NotMade) => {
                OrderState::Expired
            }
            Some(OrderEnd::Rejected) => OrderState::Rejected,
            Some(OrderEnd::ByUser | OrderEnd::ByOutlet | OrderEnd::ByOperator) => {
                OrderState::Cancelled
            }
        }
    }

    pub(super) fn payment(&self) -> Option<PaymentState> {
        if self.payable_minor == 0 {
            None
        } else if !self.captured {
            Some(self.said)
        } else if self.under_way_minor > 0 {
            Some(PaymentState::Refunding)
        } else if self.refunded_minor == self.payable_minor {
            Some(PaymentState::Refunded)
        } else {
            Some(PaymentState::Succeeded)
        }
    }

    /// Whether its end may still give its voucher's use back.
    pub(super) fn is_open(&self) -> bool {
        self.end.is_none() && (OrderState::Paid..=OrderState::Ready).contains(&self.reached)
    }

    pub(super) fn awaits(&self) -> bool {
        self.end.is_none() && self.reached <= OrderState::Sent
    }

    pub(super) fn has_ticket(&self) -> bool {
        self.version > 0
    }

    pub(super) fn give_back(&mut self, minor: u64) {
        self.asked_minor = self.asked_minor.saturating_add(minor);
        self.next_refund();
    }

    pub(super) fn next_refund(&mut self) {
        if self.under_way_minor == 0 && self.asked_minor > self.refunded_minor {
            self.under_way_minor = self.asked_minor - self.refunded_minor;
            self.refunds += 1;
        }
    }

    pub(super) fn pay(&mut self, now_ms: u64, accept_within_ms: u64) {
        self.reached = OrderState::Paid;
        self.version = 1;
        self.due = (now_ms, now_ms.saturating_add(accept_within_ms));
    }

    pub(super) fn finish(&mut self, end: OrderEnd) {
        self.end = Some(end);
        if self.has_ticket() {
            self.version += 1;
        }
        if self.captured {
            self.give_back(self.payable_minor.saturating_sub(self.asked_minor));
        } else if self.said != PaymentState::Closed {
            self.said = PaymentState::Unknown;
        }
    }
}

/// How many orders there were, and their money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct OrdersReport {
    /// Outlets that were put.
    pub outlets: u64,
    /// Orders that were placed.
    pub placed: u64,
    /// Under way at the end of the journal, as far as it has recorded ends.
    pub under_way: u64,
    /// Collected.
    pub collected: u64,
    /// Ended without being collected.
    pub ended: u64,
    /// What vouchers have paid of orders that did not end so, in minor units.
    pub subsidy_minor: i128,
    /// What providers have taken, in minor units.
    pub captured_minor: i128,
    /// What was given back of that, in minor units.
    pub refunded_minor: i128,
    /// What is still to be given back, in minor units.
    pub to_refund_minor: i128,
}
