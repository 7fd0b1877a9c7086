//! The model's opinion on tickets: their steps, orders that another outlet makes, and cancellation.

use super::outlets::{Holder, asked};
use super::*;

impl Model {
    pub(super) fn ticket(&mut self, now: u64, ask: MoveTicket) -> Came {
        let mut order = self.order_now(now, ask.order)?;
        if let Some((outlet, version, knows)) = &mut order.left
            && !*knows
            && (ask.step, ask.outlet, ask.version) == (TicketStep::Withdraw, *outlet, *version)
        {
            *knows = true;
            return Ok(Ok(Outcome::OrderChanged(self.keep(now, ask.order, order))));
        }
        if order.outlet != ask.outlet {
            return Err(Refusal::OrderOfAnotherOutlet);
        }
        if let Some((step, seq, at_ms, change)) = order.last
            && step == ask.step
            && change.version == order.version
            && u64::from(ask.version) + 1 == u64::from(order.version)
        {
            let body = Command::MoveTicket(ask);
            return Ok(Err(Said { body, seq, at_ms, outcome: Outcome::OrderChanged(change) }));
        }
        let state = order.state();
        let conflict = Err(Refusal::OrderStateConflict(state));
        if order.version == 0 {
            return conflict;
        }
        if order.version != ask.version {
            return Err(Refusal::TicketVersionConflict);
        }
        let MoveTicket { outlet, version, .. } = ask;
        let cancelled = Action::CancelTicket { order: ask.order, outlet, version };
        match ask.step {
            TicketStep::Reject if state <= OrderState::Accepted => {
                if let Some(moved) = self.move_order(now, ask.order, &mut order, true) {
                    self.keep(now, ask.order, order);
                    return Ok(Ok(Outcome::OrderMoved(moved)));
                }
                order.finish(OrderEnd::Rejected);
            }
            TicketStep::Withdraw if order.to_do(ask.order).contains(&cancelled) => {
                order.withdrawn = true;
                order.version += 1;
            }
            TicketStep::Reject | TicketStep::Withdraw => return conflict,
            step => {
                let to = match step {
                    TicketStep::Send => OrderState::Sent,
                    TicketStep::Accept => OrderState::Accepted,
                    TicketStep::Start => OrderState::Making,
                    TicketStep::Ready => OrderState::Ready,
                    _ => OrderState::Collected,
                };
                if order.end.is_some() || order.reached >= to {
                    return conflict;
                }
                if to == OrderState::Sent {
                    let within = self.outlets[order.outlet.index()].put.accept_within_ms;
                    let due = self.due(&order).expect("it awaits acceptance");
                    order.due = (now, due.min(now + within));
                }
                if to == OrderState::Ready {
                    order.due = (now, now + COLLECTED_WITHIN_MS);
                } else if to >= OrderState::Accepted && order.reached < OrderState::Accepted {
                    order.due = (now, order.promised_ms.max(now) + MADE_WITHIN_MS);
                }
                let stage = [TicketStep::Accept, TicketStep::Start, TicketStep::Ready];
                let stage = stage.iter().position(|stage| *stage == step);
                if let Some(stage) = stage.or((step == TicketStep::Collect).then_some(3)) {
                    // Records reach no further than 49 days; one that may be moved can wait longer.
                    let last_ms = order.placed_ms + u64::from(u32::MAX - 1);
                    order.stages[stage] = Some(now.min(last_ms));
                }
                order.reached = to;
                order.version += u32::from(step != TicketStep::Send);
            }
        }
        let change = self.keep(now, ask.order, order);
        if ask.step == TicketStep::Send {
            return Ok(Ok(Outcome::OrderChanged(change)));
        }
        let order = self.orders.get_mut(&ask.order.0).expect("known");
        order.last = Some((ask.step, self.seq + 1, now, change));
        Ok(Ok(Outcome::OrderChanged(change)))
    }

    /// The first of the other outlets that can have it ready in time, with nobody at the counter
    /// before the time that was promised first.
    pub(super) fn move_order(
        &mut self,
        now: u64,
        number: OrderNo,
        order: &mut Order,
        knows: bool,
    ) -> Option<OrderMove> {
        let (work, first_ms) = (order.place.work, order.promised_ms);
        let mut best: Option<(u64, OutletNo)> = None;
        for other in order.others() {
            let at = other.index();
            let asked = asked(work, 0, false);
            let own = self.ready(now, at, asked, None);
            let Some(ready) = own.or_else(|| self.ready(now, at, asked, Some(first_ms))) else {
                continue;
            };
            let promised = ready.max(first_ms);
            let is_there = ready >= first_ms || self.is_open_at(at, promised);
            let is_there = is_there && promised - order.placed_ms <= u32::MAX.into();
            if is_there && best.is_none_or(|best| (promised, *other) < best) {
                best = Some((promised, *other));
            }
        }
        let (promised_at_ms, outlet) = best?;
        self.take_back(now, Holder::Order(number.0));
        self.promise(now, Holder::Order(number.0), outlet.index(), work, promised_at_ms);
        order.version += 1;
        order.left = Some((order.outlet, order.version, knows));
        (order.outlet, order.promised_ms) = (outlet, promised_at_ms);
        (order.reached, order.stages, order.last) = (OrderState::Paid, [None; 4], None);
        order.due = (now, self.accepts_until(now, outlet, promised_at_ms));
        Some(OrderMove { order: number, outlet, promised_at_ms, version: order.version })
    }

    pub(super) fn cancel(&mut self, now: u64, ask: &CancelOrder) -> Came {
        if ask.reason.len() > REASON_LEN_MAX {
            return Err(Refusal::InvalidField("reason"));
        }
        let mut order = self.order_now(now, ask.order)?;
        order.check_party(ask.by)?;
        let is_made = matches!(order.reached, OrderState::Making | OrderState::Ready);
        let too_late =
            order.reached == OrderState::Collected || is_made && matches!(ask.by, Party::User(_));
        if order.end.is_some() || too_late {
            return Err(Refusal::OrderStateConflict(order.state()));
        }
        order.finish(match ask.by {
            Party::User(_) => OrderEnd::ByUser,
            Party::Outlet(_) => OrderEnd::ByOutlet,
            Party::Operator => OrderEnd::ByOperator,
        });
        Ok(Ok(Outcome::OrderChanged(self.keep(now, ask.order, order))))
    }
}
