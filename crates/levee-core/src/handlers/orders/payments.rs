//! What providers say of payments, and disputes.
//!
//! Callbacks come late, doubled and in any order. What counts is which came first, the payment's
//! success or the order's end: a success that comes second is given back, once.

use crate::handlers::{EventKind, check_reason, event_key};
use crate::state::{Effect, State};
use crate::tables::Order;
use crate::types::{
    OrderEnd, OrderState, Outcome, PaymentEvent, PaymentState, RecordPayment, Refusal,
    SettleDispute,
};

impl State {
    /// Takes what a provider says of a payment. What is known already, or was overtaken by something
    /// later, is refused as unchanged.
    pub(crate) fn record_payment(
        &mut self,
        now_ms: u64,
        seq: u64,
        record: &RecordPayment,
        body: u64,
    ) -> Result<Effect, Refusal> {
        let RecordPayment { order: number, provider, trade, event } = *record;
        let key = payment_key(record);
        let before = match (self.answered(key, body), event) {
            (Ok(Some(repeat)), _) => return Ok(repeat),
            // It has paid another order, or another amount.
            (Err(_), PaymentEvent::Succeeded { captured_minor }) => {
                return self.dispute(now_ms, seq, record, captured_minor, body);
            }
            (Err(refusal), _) => return Err(refusal),
            (Ok(None), _) => self.order_at(now_ms, number)?,
        };
        let payment = before.payment().ok_or(Refusal::PaymentNotFound)?;
        let is_other = before.trade().is_some_and(|known| known != (provider, trade));
        let is_new = before.trade().is_none();
        let mut order = before;
        let mut promised_at_ms = None;
        match event {
            PaymentEvent::Succeeded { captured_minor }
                if is_other || captured_minor != order.payable_minor() =>
            {
                return self.dispute(now_ms, seq, record, captured_minor, body);
            }
            _ if is_other => return Err(Refusal::TradeConflict),
            PaymentEvent::Succeeded { .. } => {
                if order.state() == OrderState::AwaitingPayment {
                    promised_at_ms = self.promise_anew(now_ms, &mut order);
                }
                let accepts_until_ms = self.accepts_until_ms(now_ms, &order);
                order.succeed(accepts_until_ms);
            }
            _ => match payment_after(payment, event) {
                Some(after) => {
                    order.set_payment(Some(after));
                    // What can no longer be paid need not be waited for.
                    if after == PaymentState::Closed && order.end().is_none() {
                        order.end_by(OrderEnd::NotPaid);
                    }
                }
                // That the provider has it is news, too.
                None if is_new => {}
                None => return Err(Refusal::Unchanged),
            },
        }
        order.set_trade(provider, trade);

        let change = self.keep_order(now_ms, seq, number, order, None);
        let outcome = match promised_at_ms {
            Some(promised_at_ms) => Outcome::PromisedAnew { change, promised_at_ms },
            None => Outcome::OrderChanged(change),
        };
        self.remember(key, body, (seq, now_ms), &outcome);
        Ok(Effect::Done(outcome))
    }

    /// Puts money on record that should not be there: its order cannot count on it, and must not lose
    /// it. Nothing else becomes of the order, even where its time is over: a tick ends it.
    fn dispute(
        &mut self,
        now_ms: u64,
        seq: u64,
        record: &RecordPayment,
        captured_minor: u64,
        body: u64,
    ) -> Result<Effect, Refusal> {
        let RecordPayment { order: number, provider, trade, .. } = *record;
        let parts: [&[u8]; 4] = [
            &number.0.to_le_bytes(),
            &provider.0.to_le_bytes(),
            &trade.0,
            &captured_minor.to_le_bytes(),
        ];
        let key = event_key(EventKind::Dispute, &parts);
        if let Some(repeat) = self.answered(key, body)? {
            return Ok(repeat);
        }
        let mut order = *self.orders.get(number).ok_or(Refusal::OrderNotFound)?;
        order.payment().ok_or(Refusal::PaymentNotFound)?;
        if order.trade().is_none() {
            order.set_trade(provider, trade);
        }
        order.set_disputed(true);

        self.orders.set(number, order);
        self.remember(key, body, (seq, now_ms), &Outcome::PaymentDisputed);
        Ok(Effect::Done(Outcome::PaymentDisputed))
    }

    /// Somebody has seen to what a provider took and should not have, or does not give back: that is
    /// tried again.
    pub(crate) fn settle_dispute(&mut self, settle: &SettleDispute) -> Result<Effect, Refusal> {
        check_reason(&settle.reason)?;
        let mut order = *self.orders.get(settle.order).ok_or(Refusal::OrderNotFound)?;
        if !order.is_disputed() {
            return Err(Refusal::Unchanged);
        }
        order.set_disputed(false);
        if order.is_refund_held() {
            order.forget_refusals();
        }

        self.orders.set(settle.order, order);
        Ok(Effect::Done(Outcome::DisputeSettled))
    }
}

/// Under which an event of a payment is remembered.
pub(crate) fn payment_key(record: &RecordPayment) -> [u8; 16] {
    let RecordPayment { provider, trade, event, .. } = record;
    event_key(EventKind::Payment, &[&provider.0.to_le_bytes(), &trade.0, &[event.kind()]])
}

/// What an event other than success makes of a payment; `None` when it changes nothing.
fn payment_after(payment: PaymentState, event: PaymentEvent) -> Option<PaymentState> {
    use PaymentState::{Closed, Created, Failed, Pending, Unknown};
    match (event, payment) {
        (PaymentEvent::Pending, Created | Failed) => Some(Pending),
        // The user may try again: what is to be closed is closed only by `Closed`.
        (PaymentEvent::Failed, Created | Pending) => Some(Failed),
        (PaymentEvent::Closed, Created | Pending | Failed | Unknown) => Some(Closed),
        _ => None,
    }
}

impl Order {
    /// The provider has the money. An order that awaits it is paid; one that has ended gives it
    /// back.
    fn succeed(&mut self, accepts_until_ms: u64) {
        assert_eq!(self.captured_minor(), 0, "one trade number succeeds, and once");
        self.set_captured();
        self.set_payment(Some(PaymentState::Succeeded));
        if self.state() == OrderState::AwaitingPayment {
            self.set_state(OrderState::Paid);
            self.version = 1;
            self.due_ms = accepts_until_ms;
        } else {
            self.ask_for_refund(self.captured_minor());
            self.settle_end();
        }
    }
}
