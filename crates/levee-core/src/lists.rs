//! Lists of orders that follow from their records: by time, by outlet, by what is still to be done.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::deadlines::Deadlines;
use crate::tables::{Order, Table, prefetch};
use crate::types::{OrderNo, OrderState, OutletNo};
use crate::undone::Undone;

/// All of them.
#[derive(Debug)]
pub(crate) struct Lists {
    /// Those that await something, by the time at which they expire without it.
    due: Deadlines<OrderNo, 4>,
    /// Those that each outlet has to make, by outlet, oldest first. An outlet has few at a time.
    open: Vec<Vec<OrderNo>>,
    undone: Undone,
    /// Those for which somebody is to be compensated.
    owed: BTreeSet<OrderNo>,
    /// Those that an outlet has from another one.
    moved: BTreeSet<(OutletNo, OrderNo)>,
}

impl Lists {
    pub(crate) fn new() -> Self {
        Self {
            due: Deadlines::new(),
            open: Vec::new(),
            undone: Undone::default(),
            owed: BTreeSet::new(),
            moved: BTreeSet::new(),
        }
    }

    /// Moves an order from where it stood to where it belongs. [`Self::settle`] follows, once its
    /// record is in its place.
    pub(crate) fn put(&mut self, number: OrderNo, before: Option<&Order>, order: &Order) {
        let (due_before, due) = (before.and_then(Order::awaits_until_ms), order.awaits_until_ms());
        if let Some(due_ms) = due
            && due_before != due
        {
            self.due.put(lane(order), due_ms, number);
        }
        let open = |order: &Order| order.state().is_open().then_some(order.outlet);
        let (open_before, open) = (before.and_then(open), open(order));
        if open_before != open {
            open_before.inspect(|outlet| self.close(*outlet, number));
            open.inspect(|outlet| self.open(*outlet, number));
        }
        if before.is_none_or(|before| order.is_undone_otherwise(before, number)) {
            self.undone.change(number, order.undone() != 0);
        }
        let owed = |order: &Order| order.is_owed().then_some(number);
        relist(&mut self.owed, before.and_then(owed), owed(order));
        let moved = |order: &Order| order.left().map(|_| (order.outlet, number));
        relist(&mut self.moved, before.and_then(moved), moved(order));
    }

    /// To be called when a record has changed.
    pub(crate) fn settle(&mut self, changed: OrderNo, rows: &Table<Order>) {
        let counts = |due_ms, number| awaits(rows, due_ms, number);
        self.due.settle(changed, counts, |number| rows.prefetch(number.0));
    }

    /// To be called when any records have changed.
    pub(crate) fn settle_all(&mut self, rows: &Table<Order>) {
        self.due.settle_all(|due_ms, number| awaits(rows, due_ms, number));
    }

    fn open(&mut self, outlet: OutletNo, number: OrderNo) {
        if self.open.len() <= outlet.index() {
            self.open.resize_with(outlet.index() + 1, Vec::new);
        }
        let orders = &mut self.open[outlet.index()];
        let place = orders.partition_point(|other| *other < number);
        orders.insert(place, number);
    }

    fn close(&mut self, outlet: OutletNo, number: OrderNo) {
        let orders = &mut self.open[outlet.index()];
        let place = orders.binary_search(&number).expect("what is open is listed");
        orders.remove(place);
    }

    /// The first `limit` of those that await something, and expire by then without it, in the order in
    /// which they do, each with that time.
    pub(crate) fn over(
        &self,
        until_ms: u64,
        limit: usize,
        rows: &Table<Order>,
    ) -> Vec<(u64, OrderNo)> {
        self.due.over(until_ms, limit, |due_ms, number| awaits(rows, due_ms, number))
    }

    /// When the first of them expires.
    pub(crate) fn first_due_ms(&self) -> Option<u64> {
        self.due.first_ms()
    }

    /// All that awaits something does so until other instants.
    pub(crate) fn replace_due(&mut self, due: &[(u64, OrderNo)], rows: &Table<Order>) {
        self.due = Deadlines::new();
        for (due_ms, number) in due {
            self.due.put(lane(&rows[number.index()]), *due_ms, *number);
        }
        self.settle_all(rows);
    }

    /// Open ones of an outlet after this one, oldest first.
    pub(crate) fn open_of(
        &self,
        outlet: OutletNo,
        after: Option<OrderNo>,
    ) -> impl Iterator<Item = OrderNo> {
        let open = self.open.get(outlet.index()).map_or(&[][..], Vec::as_slice);
        let first = open.partition_point(|order| after.is_some_and(|after| *order <= after));
        open[first..].iter().copied()
    }

    /// Begins to bring near what is known of an order's last change.
    #[inline]
    pub(crate) fn prefetch_undone(&self, number: OrderNo) {
        self.undone.prefetch(number);
    }

    /// Begins to bring near where an outlet's open orders are listed.
    #[inline]
    pub(crate) fn prefetch_open(&self, outlet: OutletNo) {
        self.open.get(outlet.index()).inspect(|orders| prefetch(*orders));
    }

    /// Begins to bring the list itself near, once it is known where it stands.
    #[inline]
    pub(crate) fn prefetch_open_list(&self, outlet: OutletNo) {
        let orders = self.open.get(outlet.index());
        orders.and_then(|orders| orders.last()).inspect(|last| prefetch(*last));
    }

    /// Those for which somebody is to be compensated, oldest first.
    pub(crate) fn owed(&self) -> impl Iterator<Item = OrderNo> {
        self.owed.iter().copied()
    }

    /// Those that an outlet has from another one, oldest first.
    pub(crate) fn moved_to(&self, outlet: OutletNo) -> impl Iterator<Item = OrderNo> {
        let range = (outlet, OrderNo(0))..=(outlet, OrderNo(u32::MAX));
        self.moved.range(range).map(|(_, order)| *order)
    }

    /// See [`Undone::changes`].
    pub(crate) fn undone_changes(&self) -> u64 {
        self.undone.changes()
    }

    /// Those with something undone that changed after this change, in the order in which it did,
    /// each with its change.
    pub(crate) fn undone_after(&self, change: u64) -> impl Iterator<Item = (u64, OrderNo)> {
        self.undone.after(change)
    }
}

/// Orders that await the same have the same time for it, but for those that are to be made.
fn lane(order: &Order) -> usize {
    match order.state() {
        OrderState::AwaitingPayment => 0,
        OrderState::Paid | OrderState::Sent => 1,
        OrderState::Ready => 2,
        _ => 3,
    }
}

/// Whether an order awaits something that must be by just that instant.
fn awaits(rows: &Table<Order>, due_ms: u64, number: OrderNo) -> bool {
    rows.get(number.index()).and_then(Order::awaits_until_ms) == Some(due_ms)
}

/// Moves an entry of a list.
fn relist<T: Ord>(list: &mut BTreeSet<T>, before: Option<T>, after: Option<T>) {
    if before != after {
        before.map(|before| list.remove(&before));
        after.map(|after| list.insert(after));
    }
}
