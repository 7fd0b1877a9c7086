//! Orders: what holds for all of them. An order is read as the clock has it, changed as a copy, and
//! put back in one place, [`State::keep_order`], which moves its voucher along and asserts that its
//! money adds up.
//!
//! - `place.rs`: placing.
//! - `payments.rs`: what providers say of payments.
//! - `refunds.rs`: money that goes back.
//! - `tickets.rs`: what outlets do, cancellation.
//! - `compensation.rs`: what is given for orders that ended.

mod compensation;
mod payments;
mod place;
mod refunds;
mod tickets;

pub(crate) use self::payments::payment_key;

use alloc::vec::Vec;

use crate::books::AtKitchen;
use crate::pacing::Ask;
use crate::state::{Effect, State};
use crate::tables::{LockState, Order};
use crate::types::{
    Action, Bill, Categories, Held, OrderChange, OrderEnd, OrderMove, OrderNo, OrderState, Outcome,
    OutletNo, PAID_WITHIN_MS, Party, PaymentState, RedemptionNo, Reference, Refusal, SweptOrders,
    TicketStep, UserKey, VoucherState,
};

/// What locks and redemptions of orders have for the app's own number: orders are no bills of apps.
fn reference_of_orders() -> Reference {
    Reference::new("order").expect("a short text")
}

impl State {
    /// What is to be done outside for an order, as it follows from its record; nothing for an order
    /// that is not there.
    #[must_use]
    pub fn actions_of(&self, order: OrderNo) -> Vec<Action> {
        self.orders.get(order).map(|row| row.actions(order).collect()).unwrap_or_default()
    }

    /// A copy of an order as the clock has it: what is due has happened, whether or not a tick has
    /// seen it.
    pub(crate) fn order_at(&self, now_ms: u64, number: OrderNo) -> Result<Order, Refusal> {
        let mut order = *self.orders.get(number).ok_or(Refusal::OrderNotFound)?;
        order.expire_if_over(now_ms);
        Ok(order)
    }

    /// Puts a changed order in the place of the one before: its voucher is used when it was paid,
    /// and let go of or live again when it ended. A `step` of the ticket keeps its answer.
    fn keep_order(
        &mut self,
        now_ms: u64,
        seq: u64,
        number: OrderNo,
        mut order: Order,
        step: Option<TicketStep>,
    ) -> OrderChange {
        let before = *self.orders.get(number).expect("the caller has read it");
        self.move_at_kitchen(now_ms, &before, &order);
        let (mut redemption, mut voucher) = (None, None);
        match before.holder() {
            Held::Nothing => {}
            holder if order.end().is_some() => {
                order.set_holder(Held::Nothing);
                voucher = self.give_back(now_ms, seq, holder);
            }
            Held::Lock(_) if order.state() != OrderState::AwaitingPayment => {
                redemption = Some(self.use_for(now_ms, seq, number, &order));
            }
            Held::Redemption(used) if order.state() == OrderState::Collected => {
                if before.state() != OrderState::Collected {
                    self.settle_if_over(now_ms, used);
                }
            }
            Held::Lock(_) | Held::Redemption(_) => {}
        }
        if let Some(redemption) = redemption {
            order.set_holder(Held::Redemption(redemption));
        }
        if order.end().is_some() && before.end().is_none() {
            order.set_owed(self.owes_for(&order));
        }
        let (state, payment, version) = (order.state(), order.payment(), order.version);
        // The tables have what the last command or tick left: the clock alone changes nothing there.
        let ended = state >= OrderState::Collected && before.state() < OrderState::Collected;
        let change = OrderChange { state, payment, version, redemption, voucher, ended };
        if let Some(step) = step {
            order.set_moved(step, (seq, now_ms), &change);
        }
        order.assert_sound();
        self.orders.set(number, order);
        change
    }

    /// The kitchen learns what became of an order, and has its capacity back once.
    fn move_at_kitchen(&mut self, now_ms: u64, before: &Order, after: &Order) {
        // One that was moved has its capacity at the other outlet already.
        if before.outlet != after.outlet || before.at_kitchen() == after.at_kitchen() {
            return;
        }
        let (pace, ticket) = (self.pace(), before.ticket());
        let is_made = matches!(after.state(), OrderState::Ready | OrderState::Collected);
        let lesson = self.outlets.with_kitchen(after.outlet, |kitchen| {
            match (before.at_kitchen(), after.at_kitchen()) {
                (AtKitchen::Promised, AtKitchen::Making) => kitchen.begin(now_ms, ticket, &pace),
                (AtKitchen::Promised, AtKitchen::Nothing) if is_made => {
                    return kitchen.finish_unbegun(now_ms, ticket, &pace);
                }
                (AtKitchen::Promised, AtKitchen::Nothing) => {
                    kitchen.take_back(now_ms, ticket, &pace);
                }
                (AtKitchen::Making, AtKitchen::Nothing) if is_made => {
                    let begun_at_ms = before.begun_at_ms().expect("it is being made");
                    return kitchen.finish(now_ms, ticket, begun_at_ms, &pace);
                }
                (AtKitchen::Making, AtKitchen::Nothing) => {
                    kitchen.give_up(now_ms, ticket, &pace);
                }
                _ => {}
            }
            None
        });
        if let Some(lesson) = lesson {
            self.experience.learn(lesson, &pace);
        }
    }

    /// What was promised held for a payment within the policy's time. An order that is paid later is
    /// promised anew from now on, never for earlier, and whether or not the outlet is open then:
    /// nobody can order it elsewhere any more. Returns the new promise, if it is another.
    fn promise_anew(&mut self, now_ms: u64, order: &mut Order) -> Option<u64> {
        let told = order.ticket();
        let held_until_ms = order.placed_at_ms.saturating_add(PAID_WITHIN_MS);
        if now_ms <= held_until_ms {
            return None;
        }
        self.take_back(now_ms, order.outlet, told);
        let outlet = self.outlets.get(order.outlet).expect("an order is at an outlet");
        let from_ms = outlet.opening(&self.outlets.texts).open_from_ms(now_ms);
        let (kitchen, asked) = (self.outlets.kitchen(order.outlet), Ask::of(told.work, false));
        let ready_ms = from_ms.saturating_add(kitchen.eta_ms(from_ms, asked, &self.pace()));
        let ready_ms = ready_ms.min(order.promised_at_ms_max());
        let ticket = self.promise(now_ms, order.outlet, told.work, ready_ms.max(told.ready_at_ms));
        order.set_promise(ticket);
        (ticket.ready_at_ms > told.ready_at_ms).then_some(ticket.ready_at_ms)
    }

    /// Gives an order to the one of its other outlets at which it is ready first, and in time. What
    /// the first outlet held for it is free again; `is_told` says whether it knows.
    fn move_order(
        &mut self,
        now_ms: u64,
        number: OrderNo,
        order: &mut Order,
        is_told: bool,
    ) -> Option<OrderMove> {
        let ticket = order.ticket();
        let asked = Ask::of(ticket.work, false);
        let ready = order.others().filter_map(|other| {
            let by = |by_ms| self.ready_in_time(now_ms, other, asked, by_ms);
            let ready_ms = by(None).or_else(|| by(Some(ticket.ready_at_ms)))?;
            // Nobody comes for it before the time that was promised first.
            let promised_ms = ready_ms.max(ticket.ready_at_ms);
            let is_there = ready_ms == promised_ms || self.is_open_at(other, promised_ms);
            (is_there && promised_ms <= order.promised_at_ms_max()).then_some((promised_ms, other))
        });
        let (ready_at_ms, outlet) = ready.min()?;
        self.take_back(now_ms, order.outlet, ticket);
        let ticket = self.promise(now_ms, outlet, ticket.work, ready_at_ms);
        order.move_to(outlet, ticket, is_told);
        order.set_state(OrderState::Paid);
        order.due_ms = self.accepts_until_ms(now_ms, order);
        let version = order.version;
        Some(OrderMove { order: number, outlet, promised_at_ms: ready_at_ms, version })
    }

    /// An order lets go of its voucher. `None` when time has done so before: whoever came next may
    /// have used the voucher since.
    fn give_back(&mut self, now_ms: u64, seq: u64, holder: Held) -> Option<VoucherState> {
        match holder {
            Held::Lock(lock) => {
                let is_held = self.locks[lock.index()].state() == LockState::Held;
                is_held.then(|| self.let_go(now_ms, seq, lock))
            }
            Held::Redemption(redemption) => Some(self.undo(now_ms, seq, redemption)),
            Held::Nothing => None,
        }
    }

    /// Uses an order's voucher: for the subsidy that was fixed when the order was placed.
    fn use_for(&mut self, now_ms: u64, seq: u64, number: OrderNo, order: &Order) -> RedemptionNo {
        let bill = Bill {
            voucher: order.voucher().expect("what is held is a voucher"),
            user: order.user,
            order_minor: order.total_minor - order.merchant_discount_minor,
            brand: None,
            categories: Categories::default(),
        };
        let subsidy_minor = u64::from(order.subsidy_minor);
        let reference = reference_of_orders();
        let outcome = self.use_up(now_ms, seq, &bill, subsidy_minor, &reference, Some(number));
        let Outcome::Redeemed { redemption, .. } = outcome else { unreachable!("it was used") };
        redemption
    }

    /// Lets expire what is due: at most `limit` orders, compensations, quotes and pauses together, in
    /// this order, each in the order of their ends.
    pub(super) fn sweep_orders(&mut self, now_ms: u64, seq: u64, limit: usize) -> SweptOrders {
        let mut swept = SweptOrders::default();
        for (_, number) in self.orders.over(now_ms, limit) {
            let mut order = *self.orders.get(number).expect("it awaits something");
            if order.others().next().is_some() && order.awaits_acceptance() {
                match self.move_order(now_ms, number, &mut order, false) {
                    Some(moved) => swept.moved.push(moved),
                    None => {
                        order.end_by(OrderEnd::NotAccepted);
                        swept.expired.push(number);
                    }
                }
            } else {
                order.expire_if_over(now_ms);
                let is_good = order.state() == OrderState::Collected;
                if is_good { &mut swept.collected } else { &mut swept.expired }.push(number);
            }
            let change = self.keep_order(now_ms, seq, number, order, None);
            if change.voucher == Some(VoucherState::Expired) {
                swept.vouchers.extend(order.voucher());
            }
        }
        let owed = self.orders.lists.owed().take(limit - swept.len()).collect::<Vec<_>>();
        for number in owed {
            let given = self.compensate(now_ms, seq, number);
            swept.compensated.push(given);
        }
        let held = self.quotes.held().take_while(|(until_ms, _)| *until_ms <= now_ms);
        swept.released = held.map(|(_, quote)| quote).take(limit - swept.len()).collect();
        for number in &swept.released {
            self.end_quote(now_ms, *number, None);
        }
        let over = self.outlets.pauses().take_while(|(ends_ms, _)| *ends_ms <= now_ms);
        swept.resumed = over.map(|(_, outlet)| outlet).take(limit - swept.len()).collect();
        for number in &swept.resumed {
            let mut outlet = *self.outlets.get(*number).expect("it is paused");
            outlet.resume();
            self.outlets.set(*number, outlet);
        }
        swept
    }

    /// Until when an order's outlet may accept it that does not have the ticket yet. One that is
    /// promised for later waits for a system that cannot be reached until it would be one for now.
    fn accepts_until_ms(&self, now_ms: u64, order: &Order) -> u64 {
        let outlet = self.outlets.get(order.outlet).expect("an order is at an outlet");
        let now_from_ms = order.promised_at_ms().saturating_sub(outlet.ready_within_ms);
        now_ms.saturating_add(outlet.accept_within_ms).max(now_from_ms)
    }
}

impl Order {
    /// Ends in place when what it awaits did not come in time. One that another outlet may make goes
    /// on until a tick has asked there.
    fn expire_if_over(&mut self, now_ms: u64) {
        if self.awaits_until_ms().is_none_or(|due_ms| due_ms > now_ms) {
            return;
        }
        match self.state() {
            OrderState::AwaitingPayment => self.end_by(OrderEnd::NotPaid),
            OrderState::Paid | OrderState::Sent if self.others().next().is_some() => {}
            OrderState::Paid | OrderState::Sent => self.end_by(OrderEnd::NotAccepted),
            OrderState::Ready => {
                self.set_state(OrderState::Collected);
                self.version += 1;
                self.forget_moved();
            }
            _ => self.end_by(OrderEnd::NotMade),
        }
    }

    /// Whether its outlet has yet to say that it will make it.
    fn awaits_acceptance(&self) -> bool {
        matches!(self.state(), OrderState::Paid | OrderState::Sent)
    }

    /// Ends without being collected: what was paid is to be given back, what is not paid yet is to
    /// be closed, and the ticket, where there is one, has a new version.
    fn end_by(&mut self, end: OrderEnd) {
        assert!(self.end().is_none() && self.state() != OrderState::Collected, "it ends once");
        self.set_end(end);
        self.forget_moved();
        if self.version > 0 {
            self.version += 1;
        }
        match self.payment() {
            // It may have failed and be tried again at the provider.
            Some(PaymentState::Created | PaymentState::Pending | PaymentState::Failed) => {
                self.set_payment(Some(PaymentState::Unknown));
            }
            _ => self.ask_for_refund(self.captured_minor() - self.refund_asked_minor),
        }
        self.settle_end();
    }

    /// The state of an order that ended, by what was paid and given back.
    fn settle_end(&mut self) {
        let Some(end) = self.end() else { return };
        let captured_minor = self.captured_minor();
        self.set_state(match end {
            _ if captured_minor > self.refunded_minor => OrderState::Refunding,
            _ if captured_minor > 0 => OrderState::Refunded,
            OrderEnd::NotPaid | OrderEnd::NotAccepted | OrderEnd::NotMade => OrderState::Expired,
            OrderEnd::Rejected => OrderState::Rejected,
            OrderEnd::ByUser | OrderEnd::ByOutlet | OrderEnd::ByOperator => OrderState::Cancelled,
        });
    }

    /// Is it theirs? An operator's is every order.
    fn check_party(&self, by: Party) -> Result<(), Refusal> {
        match by {
            Party::User(user) => self.check_user(user),
            Party::Outlet(outlet) => self.check_outlet(outlet),
            Party::Operator => Ok(()),
        }
    }

    fn check_user(&self, user: UserKey) -> Result<(), Refusal> {
        if self.user == user { Ok(()) } else { Err(Refusal::OrderOfAnotherUser) }
    }

    fn check_outlet(&self, outlet: OutletNo) -> Result<(), Refusal> {
        if self.outlet == outlet { Ok(()) } else { Err(Refusal::OrderOfAnotherOutlet) }
    }

    /// The money invariants of one order; a broken one must stop the engine. That the total is the
    /// sum of its parts is how [`Order::payable_minor`] is computed.
    #[track_caller]
    fn assert_sound(&self) {
        let (captured_minor, asked_minor) = (self.captured_minor(), self.refund_asked_minor);
        assert!(captured_minor == 0 || captured_minor == self.payable_minor());
        assert!(asked_minor <= captured_minor, "no more is given back than was paid");
        let in_hand_minor = self.refunded_minor.checked_add(self.refund_under_way_minor);
        assert!(in_hand_minor.is_some_and(|minor| minor <= asked_minor), "refunds were asked for");
        let under_way = self.refund_under_way_minor > 0;
        assert_eq!(under_way, asked_minor > self.refunded_minor, "what is asked for is under way");
        assert_eq!(under_way, self.payment() == Some(PaymentState::Refunding));
        let is_paid = captured_minor == self.payable_minor();
        let has_voucher = self.voucher().is_some();
        let (paid_right, held_right) = match self.state() {
            OrderState::AwaitingPayment => {
                (captured_minor == 0, matches!(self.holder(), Held::Lock(_)))
            }
            state if state.is_open() || state == OrderState::Collected => {
                (is_paid, matches!(self.holder(), Held::Redemption(_)))
            }
            OrderState::Refunding => (asked_minor == captured_minor && under_way, false),
            OrderState::Refunded => {
                (captured_minor > 0 && self.refunded_minor == captured_minor, false)
            }
            _ => (captured_minor == 0, false),
        };
        assert!(paid_right, "the state is that of the money: {self:?}");
        assert_eq!(has_voucher && self.end().is_none(), held_right, "who holds the voucher");
        let is_over = self.state() > OrderState::Collected;
        assert_eq!(self.end().is_some(), is_over, "an end has a reason");
    }
}

/// The outcome of a change.
fn changed(change: OrderChange) -> Effect {
    Effect::Done(Outcome::OrderChanged(change))
}
