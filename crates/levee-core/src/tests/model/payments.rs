//! The model's opinion on payments, refunds and disputes.

use super::*;

impl Model {
    fn said_before(&self, command: &Command) -> Result<Option<Said>, Refusal> {
        let said = event(command, &Outcome::RulesActivated).and_then(|name| self.events.get(&name));
        let Some(said) = said else { return Ok(None) };
        if said.body == *command { Ok(Some(said.clone())) } else { Err(Refusal::ReferenceReused) }
    }

    pub(super) fn payment(&mut self, now: u64, ask: &RecordPayment, command: &Command) -> Came {
        let mut is_odd = false;
        if let PaymentEvent::Succeeded { .. } = ask.event {
            let odd = event(command, &Outcome::PaymentDisputed).expect("a payment's event");
            if let Some(said) = self.events.get(&odd) {
                return Ok(Err(said.clone()));
            }
            match self.said_before(command) {
                Ok(Some(said)) => return Ok(Err(said)),
                // The same number has paid something else.
                Err(_) => is_odd = true,
                Ok(None) => {}
            }
        } else if let Some(said) = self.said_before(command)? {
            return Ok(Err(said));
        }
        let mut order = self.order_now(now, ask.order)?;
        let Some(payment) = order.payment() else { return Err(Refusal::PaymentNotFound) };
        let trade = (ask.provider, ask.trade);
        let is_other = order.trade.is_some_and(|known| known != trade);
        if let PaymentEvent::Succeeded { captured_minor } = ask.event
            && (is_odd || is_other || captured_minor != order.payable())
        {
            // Nothing else becomes of the order, even where its time is over.
            let order = self.orders.get_mut(&ask.order.0).expect("known");
            order.disputed = true;
            order.trade.get_or_insert(trade);
            return Ok(Ok(Outcome::PaymentDisputed));
        }
        if is_other {
            return Err(Refusal::TradeConflict);
        }
        let mut promised_at_ms = None;
        let is_news = order.trade.replace(trade).is_none();
        if let PaymentEvent::Succeeded { captured_minor } = ask.event {
            order.captured = true;
            if order.end.is_none() && !order.paid {
                promised_at_ms = self.promise_again(now, ask.order.0, &order);
                order.promised_ms = promised_at_ms.unwrap_or(order.promised_ms);
            }
            if order.end.is_some() {
                order.ask(captured_minor);
            } else {
                (order.paid, order.reached, order.version) = (true, OrderState::Paid, 1);
                order.due = (now, self.accepts_until(now, order.outlet, order.promised_ms));
            }
        } else {
            let (from, to): (&[PaymentState], _) = match ask.event {
                PaymentEvent::Pending => {
                    (&[PaymentState::Created, PaymentState::Failed], PaymentState::Pending)
                }
                PaymentEvent::Failed => {
                    (&[PaymentState::Created, PaymentState::Pending], PaymentState::Failed)
                }
                PaymentEvent::Closed => (
                    &[
                        PaymentState::Created,
                        PaymentState::Pending,
                        PaymentState::Failed,
                        PaymentState::Unknown,
                    ],
                    PaymentState::Closed,
                ),
                _ => (&[], payment),
            };
            if from.contains(&payment) {
                order.said = to;
                if to == PaymentState::Closed && order.end.is_none() {
                    order.finish(OrderEnd::NotPaid);
                }
            } else if !is_news {
                return Err(Refusal::Unchanged);
            }
        }
        let change = self.keep(now, ask.order, order);
        Ok(Ok(match promised_at_ms {
            Some(promised_at_ms) => Outcome::PromisedAnew { change, promised_at_ms },
            None => Outcome::OrderChanged(change),
        }))
    }

    pub(super) fn refund_result(&mut self, now: u64, ask: RecordRefund, command: &Command) -> Came {
        match self.said_before(command) {
            Ok(Some(said)) => return Ok(Err(said)),
            Ok(None) => {}
            // It was said to have gone the other way.
            Err(_) => {
                let odd = event(command, &Outcome::PaymentDisputed).expect("a refund's event");
                if let Some(said) = self.events.get(&odd) {
                    return Ok(Err(said.clone()));
                }
                let order = self.orders.get_mut(&ask.order.0).expect("known");
                order.doubt(ask.result == RefundResult::Done);
                return Ok(Ok(Outcome::PaymentDisputed));
            }
        }
        let begun = self.orders.get(&ask.order.0).map_or(0, Order::refunds);
        let mut order = self.order_now(now, ask.order)?;
        let latest = order.refunds();
        if latest != ask.refund || latest > begun || order.under_way() == 0 {
            return Err(Refusal::RefundNotFound);
        }
        let amount_minor = order.under_way();
        order.refund_came(now, ask.result == RefundResult::Done);
        let change = self.keep(now, ask.order, order);
        Ok(Ok(Outcome::RefundEnded { change, amount_minor }))
    }

    pub(super) fn refund(&mut self, now: u64, ask: &RefundOrder, command: &Command) -> Came {
        if ask.reason.is_empty() || ask.reason.len() > REASON_LEN_MAX {
            return Err(Refusal::InvalidField("reason"));
        }
        if matches!(ask.by, Party::User(_)) {
            return Err(Refusal::InvalidField("by"));
        }
        if ask.amount_minor == 0 {
            return Err(Refusal::InvalidField("amount_minor"));
        }
        let mut order = self.order_now(now, ask.order)?;
        order.check_party(ask.by)?;
        if let Some(said) = self.said(now, command)? {
            return Ok(Err(said));
        }
        if u128::from(ask.amount_minor) + u128::from(order.asked()) > order.captured().into() {
            return Err(Refusal::RefundTooLarge);
        }
        order.ask(ask.amount_minor);
        Ok(Ok(Outcome::OrderChanged(self.keep(now, ask.order, order))))
    }

    pub(super) fn settle(&mut self, ask: &SettleDispute) -> Came {
        if ask.reason.is_empty() || ask.reason.len() > REASON_LEN_MAX {
            return Err(Refusal::InvalidField("reason"));
        }
        let order = self.orders.get_mut(&ask.order.0).ok_or(Refusal::OrderNotFound)?;
        if !order.disputed {
            return Err(Refusal::Unchanged);
        }
        order.look();
        Ok(Ok(Outcome::DisputeSettled))
    }
}

/// What an event is known by. Money that should not be there is known by its order and amount, too.
pub(super) fn event(command: &Command, outcome: &Outcome) -> Option<String> {
    match command {
        Command::RecordPayment(ask) => {
            let kind = ask.event.kind();
            let name = format!("payment {kind} {:?} {}", ask.provider, ask.trade);
            let is_odd = *outcome == Outcome::PaymentDisputed;
            let odd = format!("{name} of {} {:?}", ask.order, ask.event);
            Some(if is_odd { odd } else { name })
        }
        Command::RecordRefund(ask) => {
            let name = format!("refund {} of {}", ask.refund, ask.order);
            let is_odd = *outcome == Outcome::PaymentDisputed;
            Some(if is_odd { format!("{name} {:?}", ask.result) } else { name })
        }
        _ => None,
    }
}
