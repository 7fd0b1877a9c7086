//! What providers say of payments and refunds, refunds that somebody asks for, and disputes.

use levee_core::types::{
    OrderChange, OrderEnd, OrderNo, OrderState, PAID_WITHIN_MS, Party, PaymentEvent, PaymentState,
    RecordPayment, RecordRefund, RefundOrder, RefundResult, SettleDispute,
};

use super::order::{Order, comes_after};
use crate::audit::keys::{Fingerprint, Names, ReferenceKind};
use crate::audit::recount::Recount;

impl Recount {
    pub(in crate::audit) fn payment(
        &mut self,
        ask: &RecordPayment,
        names: Names,
        said: &OrderChange,
        promised_anew_ms: Option<u64>,
    ) {
        let is_new = self.references.is_new(ReferenceKind::Payment, 0, names.reference);
        self.notes.check(is_new, || format!("{:?} of this trade was taken already", ask.event));
        let Some((before, mut order)) = self.order_now(ask.order) else { return };
        let payable_minor = order.payable_minor;
        self.notes.check(payable_minor > 0, || {
            format!("a payment of order {}, where nothing is to be paid", ask.order)
        });
        let trade = (ask.provider, ask.trade);
        let is_first = order.trade.is_none();
        self.notes.check(is_first || order.trade == Some(trade), || {
            format!("order {} is paid under another trade number", ask.order)
        });
        order.trade.get_or_insert(trade);
        let pays = matches!(ask.event, PaymentEvent::Succeeded { .. })
            && order.state() == OrderState::AwaitingPayment;
        self.notes.check(promised_anew_ms.is_none() || pays, || {
            format!("{:?} of order {} promises it anew", ask.event, ask.order)
        });
        let was = order.said;
        match ask.event {
            PaymentEvent::Succeeded { captured_minor } => {
                self.notes.check(captured_minor == payable_minor, || {
                    format!("{captured_minor} were captured of {payable_minor}")
                });
                self.notes.check(!order.captured, || format!("order {} is paid twice", ask.order));
                order.captured = true;
                if order.end.is_some() {
                    order.give_back(payable_minor.saturating_sub(order.asked_minor));
                } else if order.reached == OrderState::AwaitingPayment
                    && let Some(outlet) = self.outlets.get(order.outlet)
                {
                    let accepts_until =
                        |promised_ms| outlet.accepts_until(self.now_ms, promised_ms);
                    let due = accepts_until(promised_anew_ms.unwrap_or(order.promised_at_ms));
                    match promised_anew_ms {
                        Some(promised_ms) => self.promise_anew(ask.order, &mut order, promised_ms),
                        None => self.keep_promise(ask.order, &order),
                    }
                    order.pay(due);
                }
            }
            PaymentEvent::Created => {
                self.notes.check(is_first, || format!("order {} had a payment", ask.order));
            }
            PaymentEvent::Pending | PaymentEvent::Failed | PaymentEvent::Closed => {
                let to = match ask.event {
                    PaymentEvent::Pending => PaymentState::Pending,
                    PaymentEvent::Failed => PaymentState::Failed,
                    _ => PaymentState::Closed,
                };
                let follows = !order.captured && comes_after(was, to);
                if follows {
                    order.said = to;
                }
                // Nobody waits for what can no longer be paid.
                if follows && to == PaymentState::Closed && order.end.is_none() {
                    order.finish(OrderEnd::NotPaid);
                }
                self.notes.check(follows || is_first, || {
                    format!("{to:?} says nothing new of a payment that is {was:?}")
                });
            }
        }
        self.follow(ask.order, &before, order, Some(said));
    }

    /// An order that was paid later than its promise counted on is promised for later. By how much is
    /// not recomputed; see `place.rs`.
    fn promise_anew(&mut self, number: OrderNo, order: &mut Order, promised_ms: u64) {
        let (placed_ms, _) = order.due;
        let held_until_ms = placed_ms.saturating_add(PAID_WITHIN_MS);
        let now_ms = self.now_ms;
        self.notes.check(now_ms > held_until_ms, || {
            format!(
                "order {number} is promised anew, though it was paid within {PAID_WITHIN_MS} ms"
            )
        });
        let before_ms = order.promised_at_ms;
        self.notes.check(promised_ms > before_ms.max(now_ms), || {
            format!("order {number} is promised anew for {promised_ms}, and was for {before_ms}")
        });
        order.promised_at_ms = promised_ms;
        self.tally.promised_anew += 1;
    }

    /// An order that is not promised anew was paid in time, or can still be made by its promise. What a
    /// promise has room for ends 49 days after the placing.
    fn keep_promise(&mut self, number: OrderNo, order: &Order) {
        let (placed_ms, _) = order.due;
        let gone_ms = self.now_ms.saturating_sub(placed_ms);
        let is_late = (PAID_WITHIN_MS + 1..u64::from(u32::MAX)).contains(&gone_ms);
        self.notes.check(!is_late || order.promised_at_ms > self.now_ms, || {
            let promised_ms = order.promised_at_ms;
            format!("order {number} was paid late and is still promised for {promised_ms}")
        });
    }

    /// A provider took what it should not have: another amount than was to be paid, or under another
    /// trade number, or under one that has paid another order. Nothing else becomes of the order, even
    /// where its time is over.
    pub(in crate::audit) fn dispute(&mut self, ask: &RecordPayment, names: Names) {
        let PaymentEvent::Succeeded { captured_minor } = ask.event else {
            self.notes.note(format!("{:?} of a payment is disputed", ask.event));
            return;
        };
        let event = names.reference.with(captured_minor);
        let is_new = self.references.is_new(ReferenceKind::Dispute, ask.order.0, event);
        self.notes.check(is_new, || {
            format!("{:?} of this trade for order {} was on record", ask.event, ask.order)
        });
        let has_paid = self.references.is_known(ReferenceKind::Payment, 0, names.reference);
        let Some(order) = self.orders.get_mut(ask.order.0) else {
            self.notes.note(format!("there is no order {}", ask.order));
            return;
        };
        let payable_minor = order.payable_minor;
        self.notes.check(payable_minor > 0, || {
            format!("a payment of order {}, where nothing is to be paid", ask.order)
        });
        let trade = (ask.provider, ask.trade);
        let known = *order.trade.get_or_insert(trade);
        let is_wrong = known != trade || captured_minor != payable_minor || has_paid;
        self.notes.check(is_wrong, || {
            format!("{captured_minor} are disputed, and were to be paid under this trade number")
        });
        order.disputed = true;
        self.tally.disputes += 1;
        self.tally.disputed_minor += i128::from(captured_minor);
    }

    pub(in crate::audit) fn settle_dispute(&mut self, ask: &SettleDispute) {
        self.check_reason(&ask.reason);
        let Some(order) = self.orders.get_mut(ask.order.0) else {
            self.notes.note(format!("there is no order {}", ask.order));
            return;
        };
        let was_disputed = order.settle();
        self.notes.check(was_disputed, || format!("order {} is not disputed", ask.order));
    }

    pub(in crate::audit) fn refund_result(
        &mut self,
        ask: RecordRefund,
        names: Names,
        said: &OrderChange,
        amount_minor: u64,
    ) {
        let (kind, text) = (ReferenceKind::RefundResult, result_of(names, ask.result));
        self.references.is_new(kind, ask.order.0, text);
        let Some((before, mut order)) = self.order_now(ask.order) else { return };
        let (refund, under_way_minor) = (ask.refund, before.under_way_minor);
        self.notes.check(under_way_minor > 0 && before.refunds == refund, || {
            format!("refund {refund} of order {} was not under way", ask.order)
        });
        self.notes.check(amount_minor == under_way_minor, || {
            format!("refund {refund} was of {under_way_minor}, and not of {amount_minor}")
        });
        order.end_refund(ask.result == RefundResult::Done);
        self.follow(ask.order, &before, order, Some(said));
    }

    /// A provider said something else of a refund than it did before. What was recorded stays.
    pub(in crate::audit) fn dispute_refund(&mut self, ask: RecordRefund, names: Names) {
        let (refund, number) = (ask.refund, ask.order.0);
        let other = match ask.result {
            RefundResult::Done => RefundResult::Failed,
            RefundResult::Failed => RefundResult::Done,
        };
        let (kind, text) = (ReferenceKind::RefundResult, result_of(names, other));
        let was_other = self.references.is_known(kind, number, text);
        self.notes.check(was_other, || {
            format!("refund {refund} of order {} was not {other:?} before", ask.order)
        });
        let is_new = self.references.is_new(kind, number, result_of(names, ask.result));
        self.notes.check(is_new, || {
            format!("refund {refund} of order {} was {:?} before", ask.order, ask.result)
        });
        let Some(order) = self.orders.get_mut(number) else { return };
        order.doubt_refund(ask.result == RefundResult::Done);
        self.tally.disputes += 1;
    }

    pub(in crate::audit) fn refund(&mut self, ask: &RefundOrder, names: Names, said: &OrderChange) {
        self.check_reason(&ask.reason);
        let kind = ReferenceKind::Refund;
        self.reference(kind, ask.order.0, &ask.reference, names.reference);
        let Some((before, mut order)) = self.order_now(ask.order) else { return };
        self.check_party(ask.order, &order, ask.by);
        self.notes.check(!matches!(ask.by, Party::User(_)), || {
            format!("a user gives {} back", ask.amount_minor)
        });
        let amount_minor = ask.amount_minor;
        let left_minor = order.captured_minor().saturating_sub(order.asked_minor);
        self.notes.check(amount_minor > 0 && amount_minor <= left_minor, || {
            format!("{amount_minor} are given back of {left_minor} that are left")
        });
        order.give_back(amount_minor);
        self.follow(ask.order, &before, order, Some(said));
    }
}

/// By which what came of a refund is known.
fn result_of(names: Names, result: RefundResult) -> Fingerprint {
    names.reference.with(u64::from(result == RefundResult::Done))
}
