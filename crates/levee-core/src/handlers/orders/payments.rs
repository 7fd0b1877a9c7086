//! What providers say of payments and refunds, and refunds that somebody asks for.
//!
//! Callbacks come late, doubled and in any order. What counts is which came first, the payment's
//! success or the order's end: a success that comes second is given back, once.

use crate::handlers::{EventKind, check_reason, event_key};
use crate::state::{Effect, State};
use crate::tables::Order;
use crate::types::{
    OrderEnd, OrderState, Outcome, Party, PaymentEvent, PaymentState, RecordPayment, RecordRefund,
    RefundOrder, RefundResult, Refusal, SettleDispute,
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

    /// Takes what came of the refund that is under way.
    pub(crate) fn record_refund(
        &mut self,
        now_ms: u64,
        seq: u64,
        record: RecordRefund,
        body: u64,
    ) -> Result<Effect, Refusal> {
        let RecordRefund { order: number, refund, result } = record;
        let parts: [&[u8]; 2] = [&number.0.to_le_bytes(), &refund.to_le_bytes()];
        let key = event_key(EventKind::Refund, &parts);
        if let Some(repeat) = self.answered(key, body)? {
            return Ok(repeat);
        }
        let mut order = self.order_at(now_ms, number)?;
        // An order that expires just now may begin a refund; nobody can have been asked for it yet.
        let asked = self.orders.get(number).is_some_and(|asked| asked.refund >= refund);
        if order.refund_under_way_minor == 0 || order.refund != refund || !asked {
            return Err(Refusal::RefundNotFound);
        }
        let amount_minor = order.refund_under_way_minor;
        order.end_refund(result);

        let change = self.keep_order(now_ms, seq, number, order, None);
        let outcome = Outcome::RefundEnded { change, amount_minor };
        self.remember(key, body, (seq, now_ms), &outcome);
        Ok(Effect::Done(outcome))
    }

    /// Gives money back, whatever becomes of the order.
    pub(crate) fn refund_order(
        &mut self,
        now_ms: u64,
        seq: u64,
        refund: &RefundOrder,
        body: u64,
    ) -> Result<Effect, Refusal> {
        check_reason(&refund.reason)?;
        if matches!(refund.by, Party::User(_)) {
            return Err(Refusal::InvalidField("by"));
        }
        if refund.amount_minor == 0 {
            return Err(Refusal::InvalidField("amount_minor"));
        }
        let parts: [&[u8]; 2] =
            [&refund.order.0.to_le_bytes(), refund.reference.as_str().as_bytes()];
        let key = event_key(EventKind::RefundAsk, &parts);
        let mut order = self.order_at(now_ms, refund.order)?;
        order.check_party(refund.by)?;
        if let Some(repeat) = self.answered(key, body)? {
            return Ok(repeat);
        }
        if refund.amount_minor > order.captured_minor() - order.refund_asked_minor {
            return Err(Refusal::RefundTooLarge);
        }
        order.ask_for_refund(refund.amount_minor);

        let change = self.keep_order(now_ms, seq, refund.order, order, None);
        let outcome = Outcome::OrderChanged(change);
        self.remember(key, body, (seq, now_ms), &outcome);
        Ok(Effect::Done(outcome))
    }

    /// Somebody has seen to what a provider took and should not have.
    pub(crate) fn settle_dispute(&mut self, settle: &SettleDispute) -> Result<Effect, Refusal> {
        check_reason(&settle.reason)?;
        let mut order = *self.orders.get(settle.order).ok_or(Refusal::OrderNotFound)?;
        if !order.is_disputed() {
            return Err(Refusal::Unchanged);
        }
        order.set_disputed(false);

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

    /// The refund under way is over. What failed, and what was asked for meanwhile, is the next one.
    fn end_refund(&mut self, result: RefundResult) {
        if result == RefundResult::Done {
            self.refunded_minor += self.refund_under_way_minor;
        }
        self.refund_under_way_minor = 0;
        let all = self.refunded_minor == self.captured_minor();
        self.set_payment(Some(if all { PaymentState::Refunded } else { PaymentState::Succeeded }));
        self.begin_refund();
        self.settle_end();
    }
}
