//! One payment as the provider knows it.

use serde::Serialize;

use crate::wire::pay::{PaymentState, RefundState};

/// Most refunds of one payment.
pub(super) const REFUNDS_MAX: usize = 100;

/// A payment.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) id: Box<str>,
    pub(super) currency: Box<str>,
    /// 0 where only its closing was asked for.
    pub(super) amount_minor: u64,
    /// Empty where only its closing was asked for.
    pub(super) notify_url: Box<str>,
    pub(super) state: PaymentState,
    pub(super) refunds: Vec<Refund>,
}

/// A refund that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refund {
    pub(super) number: u32,
    pub(super) amount_minor: u64,
    pub(super) state: RefundState,
}

impl Record {
    /// Nothing, or the whole amount.
    pub(super) fn captured_minor(&self) -> u64 {
        if self.state == PaymentState::Succeeded { self.amount_minor } else { 0 }
    }

    pub(super) fn refunded_minor(&self) -> u64 {
        let done = self.refunds.iter().filter(|refund| refund.state == RefundState::Done);
        done.map(|refund| refund.amount_minor).sum()
    }

    /// Whether it can still be paid.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, PaymentState::Created | PaymentState::Pending)
    }
}

/// A payment as an audit reads it: one line of `payments.ndjson`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PaymentLine<'a> {
    /// Levee's id.
    pub payment: &'a str,
    /// The provider's own number.
    pub trade: String,
    /// How far it is.
    pub state: PaymentState,
    /// ISO 4217; empty where only its closing was asked for.
    pub currency: &'a str,
    /// What was to be paid.
    pub amount_minor: u64,
    /// What was paid.
    pub captured_minor: u64,
    /// What was given back.
    pub refunded_minor: u64,
    /// How many refunds were done.
    pub refunds_done: u64,
    /// How many failed.
    pub refunds_failed: u64,
}
