//! Steps of tickets, orders that another outlet makes, and cancellation.

use levee_core::types::{
    CancelOrder, MoveTicket, OrderChange, OrderEnd, OrderMove, OrderNo, OrderState, Party,
    REASON_LEN_MAX, TicketStep,
};

use super::order::{Order, state_after};
use crate::audit::recount::Recount;

impl Recount {
    pub(in crate::audit) fn ticket(&mut self, ask: MoveTicket, said: &OrderChange) {
        let Some((before, mut order)) = self.order_now(ask.order) else { return };
        if let Some(left) = order.left.as_mut()
            && ask.step == TicketStep::Withdraw
            && !left.told
            && (ask.outlet, ask.version) == (left.outlet, left.version)
        {
            left.told = true;
            self.follow(ask.order, &before, order, Some(said));
            return;
        }
        self.check_ticket(ask, &order);
        let state = order.state();
        let to = state_after(ask.step);
        let allowed = match ask.step {
            TicketStep::Reject => order.end.is_none() && state <= OrderState::Accepted,
            TicketStep::Withdraw => {
                order.end.is_some_and(|end| end != OrderEnd::Rejected) && !order.withdrawn
            }
            _ => order.end.is_none() && to.is_some_and(|to| to > order.reached),
        };
        self.notes.check(allowed, || format!("{:?} of an order that is {state:?}", ask.step));
        match (ask.step, to) {
            (TicketStep::Reject, _) if order.end.is_none() => order.finish(OrderEnd::Rejected),
            (_, Some(to)) => {
                if to == OrderState::Sent {
                    self.send(ask.order, &mut order);
                }
                order.reach(self.now_ms, to);
            }
            _ => {
                order.withdrawn = true;
                order.version += 1;
            }
        }
        self.follow(ask.order, &before, order, Some(said));
    }

    /// From when its outlet has the ticket it has the ordinary time to accept it, if that is over
    /// before.
    fn send(&mut self, number: OrderNo, order: &mut Order) {
        let Some(outlet) = self.outlets.get(order.outlet) else { return };
        let accepts_ms = self.now_ms.saturating_add(outlet.accept_within_ms);
        let due_ms =
            self.order_ends_ms(number.0).map_or(accepts_ms, |due_ms| due_ms.min(accepts_ms));
        order.due = (self.now_ms, due_ms);
    }

    fn check_ticket(&mut self, ask: MoveTicket, order: &Order) {
        self.notes.check(order.outlet == ask.outlet, || {
            format!("the ticket of order {} is another outlet's", ask.order)
        });
        let version = order.version;
        self.notes.check(order.has_ticket() && version == ask.version, || {
            format!("{:?} follows on version {}, the ticket's is {version}", ask.step, ask.version)
        });
    }

    /// An outlet rejects an order, and another one makes it.
    pub(in crate::audit) fn reject_and_move(&mut self, ask: MoveTicket, said: OrderMove) {
        let Some((before, mut order)) = self.order_now(ask.order) else { return };
        self.check_ticket(ask, &order);
        let state = order.state();
        let allowed =
            ask.step == TicketStep::Reject && order.end.is_none() && state <= OrderState::Accepted;
        self.notes
            .check(allowed, || format!("{:?} of an order that is {state:?} moves it", ask.step));
        self.notes.check(said.order == ask.order, || {
            format!("order {} is moved where {} was rejected", said.order, ask.order)
        });
        self.move_order(ask.order, &mut order, said);
        if let Some(left) = order.left.as_mut() {
            left.told = true;
        }
        self.follow(ask.order, &before, order, None);
    }

    /// Another outlet makes an order: one of those that may, that takes orders, and in time by its
    /// own time or by what was promised first. Nobody comes for it before that. Which one is ready
    /// first is not recomputed; see `place.rs`.
    pub(super) fn move_order(&mut self, number: OrderNo, order: &mut Order, said: OrderMove) {
        let (to, promised_ms, now_ms) = (said.outlet, said.promised_at_ms, self.now_ms);
        let is_one_of_them = order.others().any(|other| other == to);
        self.notes.check(is_one_of_them, || format!("order {number} may not be moved to {to}"));
        let before_ms = order.promised_at_ms;
        self.notes.check(promised_ms >= before_ms, || {
            format!("order {number} is promised for {promised_ms}, and was for {before_ms}")
        });
        let version = order.version + 1;
        self.notes.check(said.version == version, || {
            format!("version {} of the ticket of order {number}, not {version}", said.version)
        });
        let Some(outlet) = self.outlets.get(to) else { return };
        let within_ms = outlet.ready_within_ms;
        let accepts = outlet.accepts_until(now_ms, promised_ms);
        let turned_away = self.outlets.turns_away(to, now_ms);
        let (from_ms, until_ms) = outlet.hours.stretch_from(now_ms);
        // Where it is ready before that, of which nothing is said, it can be fetched then.
        let can_be_fetched = outlet.hours.is_open_at(before_ms) || until_ms == Some(before_ms);
        if let Some(why) = turned_away {
            self.notes.note(format!("order {number} is moved to {to}, which {why}"));
        }
        if promised_ms > before_ms {
            self.check_promise(to, promised_ms, now_ms.saturating_add(within_ms).max(before_ms));
        } else {
            self.notes.check(from_ms <= before_ms && can_be_fetched, || {
                format!("order {number} is moved to {to}, which is closed until or at {before_ms}")
            });
        }
        order.move_to(to, promised_ms, accepts);
    }

    pub(super) fn check_party(&mut self, number: OrderNo, order: &Order, by: Party) {
        let is_theirs = match by {
            Party::User(user) => user == order.user,
            Party::Outlet(outlet) => outlet == order.outlet,
            Party::Operator => true,
        };
        self.notes.check(is_theirs, || format!("order {number} is not of {by:?}"));
    }

    pub(in crate::audit) fn cancel(&mut self, ask: &CancelOrder, said: &OrderChange) {
        let len = ask.reason.len();
        self.notes.check(len <= REASON_LEN_MAX, || format!("a reason of {len} bytes"));
        let Some((before, mut order)) = self.order_now(ask.order) else { return };
        self.check_party(ask.order, &order, ask.by);
        let state = order.state();
        let (last, end) = match ask.by {
            Party::User(_) => (OrderState::Accepted, OrderEnd::ByUser),
            Party::Outlet(_) => (OrderState::Ready, OrderEnd::ByOutlet),
            Party::Operator => (OrderState::Ready, OrderEnd::ByOperator),
        };
        self.notes.check(order.end.is_none() && state <= last, || {
            format!("{:?} cancels an order that is {state:?}", ask.by)
        });
        if order.end.is_none() && order.reached != OrderState::Collected {
            order.finish(end);
        }
        self.follow(ask.order, &before, order, Some(said));
    }
}
