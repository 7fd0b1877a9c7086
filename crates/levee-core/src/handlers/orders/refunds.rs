//! Money that goes back: refunds that somebody asks for, and what providers say of them.
//!
//! A refund has a number and an amount that never change once it may have been sent. One that the
//! provider refuses is followed by the next number, later and later, and after many refusals only when
//! somebody has looked.

use crate::handlers::{EventKind, check_reason, event_key};
use crate::state::{Effect, State};
use crate::tables::Order;
use crate::types::{
    Outcome, Party, PaymentState, RecordRefund, RefundOrder, RefundResult, Refusal,
};

impl State {
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
        match self.answered(key, body) {
            Ok(None) => {}
            Ok(Some(repeat)) => return Ok(repeat),
            Err(_) => return self.dispute_refund(now_ms, seq, record, body),
        }
        let mut order = self.order_at(now_ms, number)?;
        // An order that expires just now may begin a refund; nobody can have been asked for it yet.
        let asked = self.orders.get(number).is_some_and(|asked| asked.refund >= refund);
        if order.refund_under_way_minor == 0 || order.refund != refund || !asked {
            return Err(Refusal::RefundNotFound);
        }
        let amount_minor = order.refund_under_way_minor;
        order.end_refund(now_ms, result);

        let change = self.keep_order(now_ms, seq, number, order, None);
        let outcome = Outcome::RefundEnded { change, amount_minor };
        self.remember(key, body, (seq, now_ms), &outcome);
        Ok(Effect::Done(outcome))
    }

    /// A provider says something else of a refund than it did before. What was recorded stays, and
    /// somebody looks: money that was given back is here again, or a refund came although it was
    /// refused, and the next one must not go out behind it.
    fn dispute_refund(
        &mut self,
        now_ms: u64,
        seq: u64,
        record: RecordRefund,
        body: u64,
    ) -> Result<Effect, Refusal> {
        let RecordRefund { order: number, refund, result } = record;
        let parts: [&[u8]; 3] = [
            &number.0.to_le_bytes(),
            &refund.to_le_bytes(),
            &[u8::from(result == RefundResult::Done)],
        ];
        let key = event_key(EventKind::Dispute, &parts);
        if let Some(repeat) = self.answered(key, body)? {
            return Ok(repeat);
        }
        let mut order = *self.orders.get(number).expect("one of its refunds is known");
        order.set_disputed(true);
        if result == RefundResult::Done && order.refund_under_way_minor > 0 {
            order.hold_refund();
        }

        self.orders.set(number, order);
        self.remember(key, body, (seq, now_ms), &Outcome::PaymentDisputed);
        Ok(Effect::Done(Outcome::PaymentDisputed))
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
}

impl Order {
    /// More is to be given back; with the refund under way, or as the next one.
    pub(super) fn ask_for_refund(&mut self, amount_minor: u64) {
        self.refund_asked_minor += amount_minor;
        self.begin_refund();
    }

    /// Begins the next refund, if there is something to give back and none is under way: what a
    /// refund gives back never changes once it was asked for.
    fn begin_refund(&mut self) {
        let left_minor = self.refund_asked_minor - self.refunded_minor;
        if self.refund_under_way_minor == 0 && left_minor > 0 {
            self.refund_under_way_minor = left_minor;
            self.refund += 1;
            self.set_payment(Some(PaymentState::Refunding));
        }
    }

    /// The refund under way is over. What failed, and what was asked for meanwhile, is the next one.
    fn end_refund(&mut self, now_ms: u64, result: RefundResult) {
        match result {
            RefundResult::Done => {
                self.refunded_minor += self.refund_under_way_minor;
                self.forget_refusals();
            }
            RefundResult::Failed => self.refuse_refund(now_ms),
        }
        self.refund_under_way_minor = 0;
        let all = self.refunded_minor == self.captured_minor();
        self.set_payment(Some(if all { PaymentState::Refunded } else { PaymentState::Succeeded }));
        self.begin_refund();
        self.settle_end();
    }
}
