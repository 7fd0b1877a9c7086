//! What outlets do with tickets, and the end of orders before they are collected.

use super::changed;
use crate::state::{Effect, State};
use crate::tables::Order;
use crate::types::{
    COLLECTED_WITHIN_MS, CancelOrder, MADE_WITHIN_MS, MoveTicket, OrderEnd, OrderState, Outcome,
    Party, REASON_LEN_MAX, Refusal, TicketStep,
};

impl State {
    /// A ticket goes on. The step that led to the present version is answered as before; any other
    /// one must name the present version, so that what crosses on the way is told apart.
    pub(crate) fn move_ticket(
        &mut self,
        now_ms: u64,
        seq: u64,
        ask: MoveTicket,
    ) -> Result<Effect, Refusal> {
        let mut order = self.order_at(now_ms, ask.order)?;
        if ask.step == TicketStep::Withdraw
            && order.left_to_tell() == Some((ask.outlet, ask.version))
        {
            order.set_left_knows();
            return Ok(changed(self.keep_order(now_ms, seq, ask.order, order, None)));
        }
        order.check_outlet(ask.outlet)?;
        if ask.version.checked_add(1) == Some(order.version)
            && let Some((seq, at_ms, change)) = order.moved(ask.step)
        {
            return Ok(Effect::Repeat { seq, at_ms, outcome: Outcome::OrderChanged(change) });
        }
        if order.version == 0 {
            return Err(Refusal::OrderStateConflict(order.state()));
        }
        if ask.version != order.version {
            return Err(Refusal::TicketVersionConflict);
        }
        if ask.step == TicketStep::Reject
            && order.state() <= OrderState::Accepted
            && let Some(moved) = self.move_order(now_ms, ask.order, &mut order, true)
        {
            self.keep_order(now_ms, seq, ask.order, order, None);
            return Ok(Effect::Done(Outcome::OrderMoved(moved)));
        }
        order.step(now_ms, ask.step)?;
        if ask.step == TicketStep::Send {
            let outlet = self.outlets.get(order.outlet).expect("an order is at an outlet");
            order.due_ms = order.due_ms.min(now_ms.saturating_add(outlet.accept_within_ms));
        }

        let kept = Some(ask.step).filter(|step| *step != TicketStep::Send);
        Ok(changed(self.keep_order(now_ms, seq, ask.order, order, kept)))
    }

    /// Ends an order before it is collected. The table of who may, when, and what becomes of money
    /// and voucher is in `docs/orders.md`.
    pub(crate) fn cancel_order(
        &mut self,
        now_ms: u64,
        seq: u64,
        cancel: &CancelOrder,
    ) -> Result<Effect, Refusal> {
        if cancel.reason.len() > REASON_LEN_MAX {
            return Err(Refusal::InvalidField("reason"));
        }
        let mut order = self.order_at(now_ms, cancel.order)?;
        order.check_party(cancel.by)?;
        // What is being made for a user is not the outlet's loss.
        let (last, end) = match cancel.by {
            Party::User(_) => (OrderState::Accepted, OrderEnd::ByUser),
            Party::Outlet(_) => (OrderState::Ready, OrderEnd::ByOutlet),
            Party::Operator => (OrderState::Ready, OrderEnd::ByOperator),
        };
        if order.state() > last {
            return Err(Refusal::OrderStateConflict(order.state()));
        }
        order.end_by(end);

        Ok(changed(self.keep_order(now_ms, seq, cancel.order, order, None)))
    }
}

impl Order {
    fn step(&mut self, now_ms: u64, step: TicketStep) -> Result<(), Refusal> {
        let conflict = Refusal::OrderStateConflict(self.state());
        let to = match step {
            TicketStep::Send => OrderState::Sent,
            TicketStep::Accept => OrderState::Accepted,
            TicketStep::Start => OrderState::Making,
            TicketStep::Ready => OrderState::Ready,
            TicketStep::Collect => OrderState::Collected,
            TicketStep::Reject if self.state() <= OrderState::Accepted => {
                self.end_by(OrderEnd::Rejected);
                return Ok(());
            }
            TicketStep::Withdraw if self.cancels_ticket() => {
                self.set_withdrawn();
                self.version += 1;
                return Ok(());
            }
            TicketStep::Reject | TicketStep::Withdraw => return Err(conflict),
        };
        // A later step says that the earlier ones have been; none leads back, or out of an end.
        if self.state() >= to {
            return Err(conflict);
        }
        match to {
            OrderState::Ready => self.due_ms = now_ms.saturating_add(COLLECTED_WITHIN_MS),
            _ if to >= OrderState::Accepted && self.state() < OrderState::Accepted => {
                self.due_ms = self.promised_at_ms().max(now_ms).saturating_add(MADE_WITHIN_MS);
            }
            _ => {}
        }
        self.set_state(to);
        // That its system has the ticket changes nothing for the outlet: its steps name the version
        // that it was sent.
        if step != TicketStep::Send {
            self.version += 1;
        }
        self.reach_stage(step, now_ms);
        Ok(())
    }
}
