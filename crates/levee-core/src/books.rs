//! Outlets and orders with all that follows from their records: by name, by time, by outlet, and
//! what is still to be done outside. None of that is in snapshots; it is made anew from the records.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::tables::{Order, Outlet, Store, Table, Texts, UserIndex};
use crate::types::{
    Action, OrderEnd, OrderNo, OrderState, OutletId, OutletNo, PaymentState, UserKey,
};

/// Outlets by number and by name.
#[derive(Debug)]
pub(crate) struct OutletBook {
    pub(crate) rows: Table<Outlet>,
    pub(crate) texts: Texts,
    by_id: BTreeMap<OutletId, OutletNo>,
    /// Paused ones by the time at which that ends, where it ends by itself.
    paused: BTreeSet<(u64, OutletNo)>,
}

impl OutletBook {
    pub(crate) fn new(rows: u8, texts: u8) -> Self {
        let (by_id, paused) = (BTreeMap::new(), BTreeSet::new());
        Self { rows: Table::new(rows), texts: Texts::new(texts), by_id, paused }
    }

    pub(crate) fn number(&self, id: &OutletId) -> Option<OutletNo> {
        self.by_id.get(id).copied()
    }

    pub(crate) fn get(&self, number: OutletNo) -> Option<&Outlet> {
        self.rows.get(number.index())
    }

    pub(crate) fn push(&mut self, outlet: Outlet, store: &mut Store) -> OutletNo {
        let number = OutletNo(self.rows.push(outlet, store));
        self.by_id.insert(outlet.id(), number);
        number
    }

    /// Puts a record in the place of the one before.
    pub(crate) fn set(&mut self, number: OutletNo, outlet: Outlet) {
        let row = &mut self.rows[number.index()];
        let (before, after) = (row.pause_ends_ms(), outlet.pause_ends_ms());
        *row = outlet;
        before.map(|ends_ms| self.paused.remove(&(ends_ms, number)));
        after.map(|ends_ms| self.paused.insert((ends_ms, number)));
    }

    /// Pauses in the order in which they end, each with that time.
    pub(crate) fn pauses(&self) -> impl Iterator<Item = (u64, OutletNo)> {
        self.paused.iter().copied()
    }

    /// Makes all that follows from the records.
    pub(crate) fn rebuild(&mut self) {
        for (number, outlet) in (0..).map(OutletNo).zip(self.rows.iter()) {
            self.by_id.insert(outlet.id(), number);
            outlet.pause_ends_ms().map(|ends_ms| self.paused.insert((ends_ms, number)));
        }
    }
}

/// Orders by number, user, time and outlet.
#[derive(Debug)]
pub(crate) struct OrderBook {
    pub(crate) rows: Table<Order>,
    users: UserIndex,
    /// Those that await something, by the time at which they expire without it.
    due: BTreeSet<(u64, OrderNo)>,
    /// Those that an outlet has to make.
    open: BTreeSet<(OutletNo, OrderNo)>,
    /// Those for which something is to be done outside.
    undone: BTreeSet<OrderNo>,
}

impl OrderBook {
    pub(crate) fn new(rows: u8) -> Self {
        Self {
            rows: Table::new(rows),
            users: UserIndex::default(),
            due: BTreeSet::new(),
            open: BTreeSet::new(),
            undone: BTreeSet::new(),
        }
    }

    pub(crate) fn get(&self, number: OrderNo) -> Option<&Order> {
        self.rows.get(number.index())
    }

    pub(crate) fn newest_of(&self, user: UserKey) -> Option<OrderNo> {
        self.users.newest(user, &self.rows).map(OrderNo)
    }

    pub(crate) fn push(&mut self, order: Order, store: &mut Store) {
        let number = OrderNo(self.rows.push(order, store));
        self.users.set(number.0, &self.rows, store);
        self.list(number, &order);
    }

    /// Puts a record in the place of the one before.
    pub(crate) fn set(&mut self, number: OrderNo, order: Order) {
        let before = core::mem::replace(&mut self.rows[number.index()], order);
        before.awaits_until_ms().map(|due_ms| self.due.remove(&(due_ms, number)));
        self.open.remove(&(before.outlet, number));
        self.undone.remove(&number);
        self.list(number, &order);
    }

    fn list(&mut self, number: OrderNo, order: &Order) {
        order.awaits_until_ms().map(|due_ms| self.due.insert((due_ms, number)));
        if order.state().is_open() {
            self.open.insert((order.outlet, number));
        }
        if !order.actions(number).is_empty() {
            self.undone.insert(number);
        }
    }

    /// Those that await something in the order in which they expire, each with that time.
    pub(crate) fn awaiting(&self) -> impl Iterator<Item = (u64, OrderNo)> {
        self.due.iter().copied()
    }

    /// Open ones of an outlet after this one, oldest first.
    pub(crate) fn open_of(
        &self,
        outlet: OutletNo,
        after: Option<OrderNo>,
    ) -> impl Iterator<Item = OrderNo> {
        let first = after.map_or(0, |after| after.0.saturating_add(1));
        let range = (outlet, OrderNo(first))..=(outlet, OrderNo(u32::MAX));
        self.open.range(range).map(|(_, order)| *order)
    }

    /// Those with something undone after this one, oldest first.
    pub(crate) fn undone_after(&self, after: Option<OrderNo>) -> impl Iterator<Item = OrderNo> {
        let first = after.map_or(0, |after| after.0.saturating_add(1));
        self.undone.range(OrderNo(first)..).copied()
    }

    /// Moves the time at which orders expire that await something.
    pub(crate) fn move_due(&mut self, moved_ms: impl Fn(u64) -> u64) {
        let due = core::mem::take(&mut self.due).into_iter();
        self.due = due
            .map(|(due_ms, order)| {
                let due_ms = moved_ms(due_ms);
                self.rows[order.index()].due_ms = due_ms;
                (due_ms, order)
            })
            .collect();
    }

    /// Makes all that follows from the records.
    pub(crate) fn rebuild(&mut self, store: &mut Store) {
        self.users.rebuild(&self.rows, store);
        for number in (0..self.rows.len()).map(OrderNo) {
            let order = self.rows[number.index()];
            self.list(number, &order);
        }
    }
}

impl Order {
    /// When it expires, while it awaits its payment or that it is accepted.
    pub(crate) fn awaits_until_ms(&self) -> Option<u64> {
        let awaits = matches!(
            self.state(),
            OrderState::AwaitingPayment | OrderState::Paid | OrderState::Sent
        );
        awaits.then_some(self.due_ms)
    }

    /// Whether the outlet is to be told that its ticket is cancelled. An outlet that rejected it
    /// knows.
    pub(crate) fn cancels_ticket(&self) -> bool {
        let ended = self.end().is_some_and(|end| end != OrderEnd::Rejected);
        ended && self.version > 0 && !self.is_withdrawn()
    }

    /// What is to be done outside, as it follows from the record.
    pub(crate) fn actions(&self, order: OrderNo) -> Vec<Action> {
        let (outlet, version) = (self.outlet, self.version);
        let creates = self.payment() == Some(PaymentState::Created) && self.trade().is_none();
        let all = [
            (creates, Action::CreatePayment { order, payable_minor: self.payable_minor() }),
            (self.payment() == Some(PaymentState::Unknown), Action::ClosePayment { order }),
            (self.state() == OrderState::Paid, Action::SendTicket { order, outlet, version }),
            (self.cancels_ticket(), Action::CancelTicket { order, outlet, version }),
            (
                self.refund_under_way_minor > 0,
                Action::Refund {
                    order,
                    refund: self.refund,
                    amount_minor: self.refund_under_way_minor,
                },
            ),
        ];
        all.into_iter().filter(|(is_due, _)| *is_due).map(|(_, action)| action).collect()
    }
}
