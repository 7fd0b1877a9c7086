//! What the audit says of outlets and orders at the end of a journal.

use levee_core::types::OrderState;
use serde::Serialize;

use super::order::Order;
use crate::audit::recount::Recount;

/// Outlets and orders, and their money. Signed and wide, as all sums of reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OrdersReport {
    /// Outlets that were put.
    pub outlets: u64,
    /// How often an outlet said how many work there.
    pub staffing_changes: u64,
    /// Work of other channels that outlets reported, in thousandths of a unit.
    pub walk_in_work: u64,
    /// How often a breaker was opened or drained, an outlet's or a vendor's.
    pub breakers_opened: u64,
    /// Quotes that were asked for.
    pub quotes: u64,
    /// What they offered.
    pub offers: u64,
    /// Of these, taken by an order.
    pub offers_taken: u64,
    /// Orders that were placed.
    pub placed: u64,
    /// Of these, by the state at the end of the journal, as far as it has recorded ends.
    pub states: StatesReport,
    /// Paid, or nothing was left to pay.
    pub paid: u64,
    /// Ready, or collected where nobody had said that they are ready.
    pub made: u64,
    /// Of these, later than promised.
    pub late: u64,
    /// Late ones of those made, in millionths.
    pub late_share_ppm: u64,
    /// Paid later than their promises counted on, and promised for later.
    pub promised_anew: u64,
    /// Made by another outlet than the first.
    pub moved: u64,
    /// What vouchers have paid of orders that did not end without being collected, in minor units.
    pub subsidy_minor: i128,
    /// What providers have taken as was to be paid, in minor units.
    pub captured_minor: i128,
    /// What was given back of that, in minor units.
    pub refunded_minor: i128,
    /// What is still to be given back, in minor units.
    pub to_refund_minor: i128,
    /// What providers have taken besides.
    pub disputes: DisputesReport,
}

/// Money that a provider took, and that is not what was to be paid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DisputesReport {
    /// How often one said so.
    pub recorded: u64,
    /// How much it was, in minor units.
    pub recorded_minor: i128,
    /// Orders that somebody has still to look at.
    pub open_orders: u64,
}

/// Orders by their states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "states are described where they are defined")]
pub struct StatesReport {
    pub awaiting_payment: u64,
    pub paid: u64,
    pub sent: u64,
    pub accepted: u64,
    pub making: u64,
    pub ready: u64,
    pub collected: u64,
    pub expired: u64,
    pub cancelled: u64,
    pub rejected: u64,
    pub refunding: u64,
    pub refunded: u64,
}

impl StatesReport {
    fn of(&mut self, state: OrderState) -> &mut u64 {
        match state {
            OrderState::AwaitingPayment => &mut self.awaiting_payment,
            OrderState::Paid => &mut self.paid,
            OrderState::Sent => &mut self.sent,
            OrderState::Accepted => &mut self.accepted,
            OrderState::Making => &mut self.making,
            OrderState::Ready => &mut self.ready,
            OrderState::Collected => &mut self.collected,
            OrderState::Expired => &mut self.expired,
            OrderState::Cancelled => &mut self.cancelled,
            OrderState::Rejected => &mut self.rejected,
            OrderState::Refunding => &mut self.refunding,
            OrderState::Refunded => &mut self.refunded,
        }
    }

    /// Public names and counts, in the order of an order's life.
    #[must_use]
    pub fn named(mut self) -> [(&'static str, u64); 12] {
        [
            OrderState::AwaitingPayment,
            OrderState::Paid,
            OrderState::Sent,
            OrderState::Accepted,
            OrderState::Making,
            OrderState::Ready,
            OrderState::Collected,
            OrderState::Expired,
            OrderState::Cancelled,
            OrderState::Rejected,
            OrderState::Refunding,
            OrderState::Refunded,
        ]
        .map(|state| (state.name(), *self.of(state)))
    }
}

/// What is counted as it happens, because nothing of it stays in an order's or outlet's record.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::audit) struct Tally {
    pub(in crate::audit) staffing_changes: u64,
    pub(in crate::audit) walk_in_work: u64,
    pub(in crate::audit) breakers_opened: u64,
    pub(in crate::audit) offers: u64,
    pub(in crate::audit) offers_taken: u64,
    pub(super) promised_anew: u64,
    pub(super) disputes: u64,
    pub(super) disputed_minor: i128,
}

impl Recount {
    pub(in crate::audit) fn orders_report(&self) -> OrdersReport {
        let tally = &self.tally;
        let mut report = OrdersReport {
            outlets: self.outlets.len() as u64,
            staffing_changes: tally.staffing_changes,
            walk_in_work: tally.walk_in_work,
            breakers_opened: tally.breakers_opened,
            quotes: self.quotes.iter().count() as u64,
            offers: tally.offers,
            offers_taken: tally.offers_taken,
            promised_anew: tally.promised_anew,
            ..OrdersReport::default()
        };
        report.disputes.recorded = tally.disputes;
        report.disputes.recorded_minor = tally.disputed_minor;
        self.orders.iter().for_each(|order| report.add(order));
        report.late_share_ppm = (report.late * 1_000_000).checked_div(report.made).unwrap_or(0);
        report
    }
}

impl OrdersReport {
    fn add(&mut self, order: &Order) {
        self.placed += 1;
        *self.states.of(order.state()) += 1;
        self.paid += u64::from(order.has_ticket());
        self.made += u64::from(order.late.is_some());
        self.late += u64::from(order.late == Some(true));
        self.moved += u64::from(order.left.is_some());
        if order.redemption().is_some() {
            self.subsidy_minor += i128::from(order.subsidy_minor);
        }
        self.captured_minor += i128::from(order.captured_minor());
        self.refunded_minor += i128::from(order.refunded_minor);
        self.to_refund_minor += i128::from(order.asked_minor.saturating_sub(order.refunded_minor));
        self.disputes.open_orders += u64::from(order.disputed);
    }
}
