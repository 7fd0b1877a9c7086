//! What ticks end of orders, quotes and pauses: exactly what is due by the clock, in order, and no
//! more than the limit.

use std::mem;

use levee_core::types::{
    OrderEnd, OrderMove, OrderNo, OrderState, OutletNo, QuoteNo, SweptOrders, VoucherNo,
    VoucherState,
};

use super::order::Order;
use crate::audit::recount::Recount;

/// Which list of a tick an order stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    Expired,
    Moved,
    Collected,
}

impl Recount {
    /// At most `limit` of everything together: orders first, then what is given for those that ended
    /// so far, then quotes, then pauses.
    pub(in crate::audit) fn sweep_orders(&mut self, limit: usize, swept: &SweptOrders) {
        let now_ms = self.now_ms;
        let mut line = mem::take(&mut self.due_orders);
        let due = line.over(now_ms, limit, |number| self.order_ends_ms(number));
        self.due_orders = line;
        let lists = [
            (List::Expired, swept.expired.clone()),
            (List::Moved, swept.moved.iter().map(|moved| moved.order).collect()),
            (List::Collected, swept.collected.clone()),
        ];
        let ends_ms = |order: &OrderNo| self.order_ends_ms(order.0);
        let in_order =
            lists.iter().all(|(_, list)| list.is_sorted_by_key(|order| (ends_ms(order), *order)));
        self.notes.check(in_order, || "orders end in another order than they are due".into());
        let listed = lists.iter().flat_map(|(_, list)| list).map(|order| order.0).collect();
        self.check_swept("order", &due, listed);
        let over = swept.expired.iter().filter_map(|order| self.sweep_order(*order, List::Expired));
        let over = over.collect::<Vec<_>>();
        self.notes.check(over == swept.vouchers, || {
            format!("vouchers {over:?} expire with their orders, and not {:?}", swept.vouchers)
        });
        swept.moved.iter().for_each(|moved| self.sweep_and_move(*moved));
        for order in &swept.collected {
            self.sweep_order(*order, List::Collected);
        }

        let ended = swept.expired.len() + swept.moved.len() + swept.collected.len();
        let left = limit.saturating_sub(ended);
        let owed = self.owed.iter().take(left).map(|number| (0, *number)).collect::<Vec<_>>();
        let given = swept.compensated.iter().map(|given| given.order.0).collect();
        self.check_listed("compensation of order", &owed, given);
        swept.compensated.iter().for_each(|given| self.compensate(given));

        let left = left.saturating_sub(swept.compensated.len());
        let mut line = mem::take(&mut self.held_quotes);
        let due = line.over(now_ms, left, |number| self.quote_ends_ms(number));
        self.held_quotes = line;
        self.check_listed("quote", &due, swept.released.iter().map(|quote| quote.0).collect());
        swept.released.iter().for_each(|quote: &QuoteNo| self.release_quote(*quote));

        let left = left.saturating_sub(swept.released.len());
        let mut line = mem::take(&mut self.pauses);
        let due = line.over(now_ms, left, |number| self.pause_ends_ms(OutletNo(number)));
        self.pauses = line;
        let resumed = swept.resumed.iter().map(|outlet| outlet.0).collect();
        self.check_listed("the pause of outlet", &due, resumed);
        swept.resumed.iter().for_each(|outlet| self.sweep_pause(*outlet));
    }

    /// What a tick lists is what is due, in the order in which it is.
    fn check_listed(&mut self, what: &str, due: &[(u64, u32)], listed: Vec<u32>) {
        let is_same = due.iter().map(|(_, number)| *number).eq(listed.iter().copied());
        let in_order = due.len() != listed.len() || is_same;
        let mut sorted = listed.clone();
        sorted.sort_unstable();
        let mut expected = due.iter().map(|(_, number)| *number).collect::<Vec<_>>();
        expected.sort_unstable();
        self.notes.check(in_order || sorted != expected, || {
            format!("a tick lists what is over in another order: {what} {listed:?}")
        });
        self.check_swept(what, due, listed);
    }

    /// What a tick lists is what is due, in whichever order. What is listed and not due at all is told
    /// by whoever takes it.
    fn check_swept(&mut self, what: &str, due: &[(u64, u32)], mut listed: Vec<u32>) {
        listed.sort_unstable();
        for (_, number) in due {
            let is_there = listed.binary_search(number).is_ok();
            self.notes
                .check(is_there, || format!("a tick leaves out {what} {number}, which is due"));
        }
        for pair in listed.windows(2) {
            self.notes
                .check(pair[0] < pair[1], || format!("a tick lists {what} {} twice", pair[0]));
        }
    }

    /// A tick says that what an order awaited did not come, or that it counts as collected. Its
    /// voucher, where that expires with it.
    fn sweep_order(&mut self, number: OrderNo, list: List) -> Option<VoucherNo> {
        let before = self.due_order(number)?;
        let mut order = before;
        // One that may be moved could not be, or the tick would say where to.
        if order.awaits_acceptance() {
            order.finish(OrderEnd::NotAccepted);
        } else {
            order.run_out();
        }
        let is_collected = order.state() == OrderState::Collected;
        self.notes.check(is_collected == (list == List::Collected), || {
            format!("order {number} is {:?} now, and stands in {list:?}", order.state())
        });
        let voucher_state = self.follow(number, &before, order, None);
        order.voucher.filter(|_| voucher_state == Some(VoucherState::Expired))
    }

    /// A tick says that an order was not accepted in time, and that another outlet makes it.
    fn sweep_and_move(&mut self, said: OrderMove) {
        let Some(before) = self.due_order(said.order) else { return };
        let state = before.state();
        self.notes.check(before.awaits_acceptance(), || {
            format!("order {} is moved, though it was {state:?}", said.order)
        });
        let mut order = before;
        self.move_order(said.order, &mut order, said);
        self.follow(said.order, &before, order, None);
    }

    /// An order that a tick names, under way and due; a difference when it is not.
    fn due_order(&mut self, number: OrderNo) -> Option<Order> {
        let Some(order) = self.orders.get(number.0).copied() else {
            self.notes.note(format!("there is no order {number}"));
            return None;
        };
        if !order.awaits() {
            let state = order.state();
            self.notes.note(format!("order {number} expires, though it was {state:?}"));
            return None;
        }
        self.check_due("order", number.0, self.order_end_ms(&order));
        Some(order)
    }

    /// When an order under way is over by the clock.
    pub(super) fn order_ends_ms(&self, number: u32) -> Option<u64> {
        let order = self.orders.get(number).filter(|order| order.awaits())?;
        Some(self.order_end_ms(order))
    }
}
