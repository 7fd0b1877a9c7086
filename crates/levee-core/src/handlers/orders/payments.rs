//! What providers say of payments and refunds, and refunds that somebody asks for.
//!
//! Callbacks come late, doubled and in any order. What counts is which came first, the payment's
//! success or the order's end: a success that comes second is given back, once.

use super::changed;
use crate::handlers::{EventKind, check_reason, event_key};
use crate::state::{Effect, State};
use crate::tables::Order;
use crate::types::{
    OrderState, Outcome, Party, PaymentEvent, PaymentState, RecordPayment, RecordRefund,
    RefundOrder, RefundResult, Refusal,
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
        let parts: [&[u8]; 3] = [&provider.0.to_le_bytes(), &trade.0, &[event.kind()]];
        let key = event_key(EventKind::Payment, &parts);
        if let Some(repeat) = self.answered(key, body)? {
            return Ok(repeat);
        }
        let mut order = self.order_at(now_ms, number)?;
        let payment = order.payment().ok_or(Refusal::PaymentNotFound)?;
        if order.trade().is_some_and(|known| known != (provider, trade)) {
            return Err(Refusal::TradeConflict);
        }
        let is_new = order.trade().is_none();
        order.set_trade(provider, trade);
        match event {
            PaymentEvent::Succeeded { captured_minor } => {
                if order.captured_minor() > 0 {
                    return Err(Refusal::Unchanged);
                }
                if captured_minor != order.payable_minor() {
                    return Err(Refusal::CapturedAmountWrong);
                }
                let accepts_until_ms = self.outlet_accepts_until_ms(now_ms, order.outlet);
                order.succeed(accepts_until_ms);
            }
            _ => match payment_after(payment, event) {
                Some(after) => order.set_payment(Some(after)),
                // That the provider has it is news, too.
                None if is_new => {}
                None => return Err(Refusal::Unchanged),
            },
        }

        let change = self.keep_order(now_ms, seq, number, order, None);
        let outcome = Outcome::OrderChanged(change);
        self.remember(key, body, (seq, now_ms), &outcome);
        Ok(Effect::Done(outcome))
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
        order.end_refund(result);

        let change = self.keep_order(now_ms, seq, number, order, None);
        let outcome = Outcome::OrderChanged(change);
        self.remember(key, body, (seq, now_ms), &outcome);
        Ok(Effect::Done(outcome))
    }

    /// Gives money back, whatever becomes of the order.
    pub(crate) fn refund_order(
        &mut self,
        now_ms: u64,
        seq: u64,
        refund: &RefundOrder,
    ) -> Result<Effect, Refusal> {
        check_reason(&refund.reason)?;
        if matches!(refund.by, Party::User(_)) {
            return Err(Refusal::InvalidField("by"));
        }
        if refund.amount_minor == 0 {
            return Err(Refusal::InvalidField("amount_minor"));
        }
        let mut order = self.order_at(now_ms, refund.order)?;
        order.check_party(refund.by)?;
        if refund.amount_minor > order.captured_minor() - order.refund_asked_minor {
            return Err(Refusal::RefundTooLarge);
        }
        order.ask_for_refund(refund.amount_minor);

        Ok(changed(self.keep_order(now_ms, seq, refund.order, order, None)))
    }
}

/// What an event other than success makes of a payment; `None` when it changes nothing.
fn payment_after(payment: PaymentState, event: PaymentEvent) -> Option<PaymentState> {
    use PaymentState::{Closed, Created, Failed, Pending, Unknown};
    match (event, payment) {
        (PaymentEvent::Pending, Created | Failed) => Some(Pending),
        (PaymentEvent::Failed, Created | Pending | Unknown) => Some(Failed),
        (PaymentEvent::Closed, Created | Pending | Failed | Unknown) => Some(Closed),
        _ => None,
    }
}

impl Order {
    /// The provider has the money. An order that awaits it is paid; one that has ended gives it
    /// back.
    fn succeed(&mut self, accepts_until_ms: u64) {
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
