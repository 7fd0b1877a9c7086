//! Outlets and orders with all that follows from their records: by name, by time, by outlet, and
//! what is still to be done outside. None of that is in snapshots; it is made anew from the records.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use crate::lists::Lists;
use crate::pacing::{Kitchen, Ticket};
use crate::tables::{Order, Outlet, Quote, Store, Table, Texts, UserIndex, prefetch};
use crate::types::{
    Action, Breaker, BreakerOf, NameHash, OrderEnd, OrderNo, OrderState, OutletId, OutletNo,
    PaymentState, QUOTES_HELD_MAX, QuoteNo, UserKey,
};

/// Outlets by number and by name.
#[derive(Debug)]
pub(crate) struct OutletBook {
    pub(crate) rows: Table<Outlet>,
    pub(crate) texts: Texts,
    by_id: BTreeMap<OutletId, OutletNo>,
    /// By number. Records have what was learned; what is promised follows from orders and quotes.
    kitchens: Vec<Kitchen>,
    /// In the order in which their documents were put.
    put: BTreeSet<(u64, OutletNo)>,
    /// Those whose own breakers are not closed.
    broken: BTreeSet<OutletNo>,
    /// Vendors' breakers that are not closed.
    pub(crate) vendors: BTreeMap<NameHash, (String, Breaker)>,
    /// Paused ones by the time at which that ends, where it ends by itself.
    paused: BTreeSet<(u64, OutletNo)>,
}

impl OutletBook {
    pub(crate) fn new(rows: u8, texts: u8) -> Self {
        let (by_id, put, paused) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        let (rows, texts) = (Table::new(rows), Texts::new(texts));
        let (broken, vendors, kitchens) = (BTreeSet::new(), BTreeMap::new(), Vec::new());
        Self { rows, texts, by_id, kitchens, put, broken, vendors, paused }
    }

    pub(crate) fn number(&self, id: &OutletId) -> Option<OutletNo> {
        self.by_id.get(id).copied()
    }

    pub(crate) fn get(&self, number: OutletNo) -> Option<&Outlet> {
        self.rows.get(number.index())
    }

    pub(crate) fn push(&mut self, mut outlet: Outlet, store: &mut Store) -> OutletNo {
        let kitchen = Kitchen::new(outlet.stations, outlet.unit_ms);
        outlet.learned = kitchen.learned();
        let number = OutletNo(self.rows.push(outlet, store));
        self.by_id.insert(outlet.id(), number);
        self.put.insert((outlet.put_seq, number));
        self.kitchens.push(kitchen);
        number
    }

    pub(crate) fn kitchen(&self, number: OutletNo) -> &Kitchen {
        &self.kitchens[number.index()]
    }

    /// Begins to bring an outlet and its kitchen near.
    #[inline]
    pub(crate) fn prefetch(&self, number: OutletNo) {
        self.rows.prefetch(number.0);
        self.kitchens.get(number.index()).inspect(|kitchen| {
            prefetch(*kitchen);
            kitchen.prefetch_end();
        });
    }

    /// Begins to bring near what a kitchen has promised, once the kitchen is there.
    #[inline]
    pub(crate) fn prefetch_promised(&self, number: OutletNo) {
        self.kitchens.get(number.index()).inspect(|kitchen| kitchen.prefetch_promised());
    }

    /// Changes a kitchen, and what the record has of it.
    pub(crate) fn with_kitchen<T>(
        &mut self,
        number: OutletNo,
        change: impl FnOnce(&mut Kitchen) -> T,
    ) -> T {
        let kitchen = &mut self.kitchens[number.index()];
        let result = change(kitchen);
        self.rows[number.index()].learned = kitchen.learned();
        result
    }

    /// Puts a record in the place of the one before.
    pub(crate) fn set(&mut self, number: OutletNo, outlet: Outlet) {
        let row = &mut self.rows[number.index()];
        let (before, after) = (row.pause_ends_ms(), outlet.pause_ends_ms());
        if row.put_seq != outlet.put_seq {
            self.put.remove(&(row.put_seq, number));
            self.put.insert((outlet.put_seq, number));
        }
        *row = outlet;
        before.map(|ends_ms| self.paused.remove(&(ends_ms, number)));
        after.map(|ends_ms| self.paused.insert((ends_ms, number)));
    }

    /// A breaker, unless it is closed.
    pub(crate) fn breaker(&self, of: &BreakerOf) -> Option<Breaker> {
        match of {
            BreakerOf::Outlet(number) => self.get(*number)?.breaker(&self.texts),
            BreakerOf::Vendor(vendor) => self.breaker_of_vendor(NameHash::of(vendor)),
        }
    }

    /// A vendor's, unless it is closed.
    pub(crate) fn breaker_of_vendor(&self, vendor: NameHash) -> Option<Breaker> {
        self.vendors.get(&vendor).map(|(_, breaker)| breaker.clone())
    }

    /// Whether neither its own breaker nor its vendor's keeps orders away.
    pub(crate) fn is_reachable(&self, outlet: &Outlet) -> bool {
        !outlet.is_broken() && !self.vendors.contains_key(&outlet.vendor())
    }

    /// `None` closes it.
    pub(crate) fn set_breaker(
        &mut self,
        of: &BreakerOf,
        breaker: Option<Breaker>,
        store: &mut Store,
    ) {
        match (of, breaker) {
            (BreakerOf::Outlet(number), breaker) => {
                let row = &mut self.rows[number.index()];
                row.set_breaker(breaker.as_ref(), &mut self.texts, store);
                match breaker {
                    Some(_) => self.broken.insert(*number),
                    None => self.broken.remove(number),
                };
            }
            (BreakerOf::Vendor(vendor), Some(breaker)) => {
                self.vendors.insert(NameHash::of(vendor), (vendor.clone(), breaker));
            }
            (BreakerOf::Vendor(vendor), None) => {
                self.vendors.remove(&NameHash::of(vendor));
            }
        }
    }

    /// Outlets whose own breakers are not closed, after this one, by number.
    pub(crate) fn broken_after(&self, after: Option<OutletNo>) -> impl Iterator<Item = OutletNo> {
        let first = after.map_or(0, |after| after.0.saturating_add(1));
        self.broken.range(OutletNo(first)..).copied()
    }

    /// Those whose documents were put after `seq`, in that order.
    pub(crate) fn put_after(&self, seq: u64) -> impl Iterator<Item = OutletNo> {
        self.put.range((seq.saturating_add(1), OutletNo(0))..).map(|(_, number)| *number)
    }

    /// Pauses in the order in which they end, each with that time.
    pub(crate) fn pauses(&self) -> impl Iterator<Item = (u64, OutletNo)> {
        self.paused.iter().copied()
    }

    /// Makes all that follows from the records, with those of what was promised.
    pub(crate) fn rebuild(&mut self, promised: impl Iterator<Item = (OutletNo, Ticket)>) {
        for (number, outlet) in (0..).map(OutletNo).zip(self.rows.iter()) {
            self.by_id.insert(outlet.id(), number);
            self.put.insert((outlet.put_seq, number));
            self.kitchens.push(Kitchen::restored(&outlet.learned));
            outlet.pause_ends_ms().map(|ends_ms| self.paused.insert((ends_ms, number)));
            outlet.is_broken().then(|| self.broken.insert(number));
        }
        for (outlet, ticket) in promised {
            self.kitchens[outlet.index()].restore_promise(ticket);
        }
    }
}

/// Quotes by number and by time.
#[derive(Debug)]
pub(crate) struct QuoteBook {
    pub(crate) rows: Table<Quote>,
    /// Those whose offers are held, by the time at which that ends.
    held: BTreeSet<(u64, QuoteNo)>,
    /// Those of them of which it is known whose they are.
    held_by: BTreeSet<(UserKey, QuoteNo)>,
}

impl QuoteBook {
    pub(crate) fn new(rows: u8) -> Self {
        Self { rows: Table::new(rows), held: BTreeSet::new(), held_by: BTreeSet::new() }
    }

    pub(crate) fn get(&self, number: QuoteNo) -> Option<&Quote> {
        self.rows.get(number.index())
    }

    pub(crate) fn push(&mut self, quote: Quote, store: &mut Store) -> QuoteNo {
        let number = QuoteNo(self.rows.push(quote, store));
        self.held.insert((quote.until_ms, number));
        self.held_by.extend(quote.user().map(|user| (user, number)));
        number
    }

    /// The oldest of a user's that are held, if they are as many as there may be; one that is over by the
    /// clock before all others.
    pub(crate) fn in_the_way_of(&self, user: UserKey, now_ms: u64) -> Option<QuoteNo> {
        let of_user = (user, QuoteNo(0))..=(user, QuoteNo(u32::MAX));
        let held = self.held_by.range(of_user).map(|(_, number)| *number);
        let is_over = |number: &QuoteNo| self.rows[number.index()].until_ms <= now_ms;
        let is_full = held.clone().count() >= QUOTES_HELD_MAX;
        held.clone().find(is_over).or_else(|| held.min()).filter(|_| is_full)
    }

    /// A quote's offers are held no longer.
    pub(crate) fn end(&mut self, number: QuoteNo) {
        let quote = &mut self.rows[number.index()];
        quote.set_over();
        self.held.remove(&(quote.until_ms, number));
        if let Some(user) = quote.user() {
            self.held_by.remove(&(user, number));
        }
    }

    /// Those whose offers are held, in the order in which that ends, each with that time.
    pub(crate) fn held(&self) -> impl Iterator<Item = (u64, QuoteNo)> {
        self.held.iter().copied()
    }

    /// Forgets the oldest that are over, up to `limit` of them.
    pub(crate) fn forget(&mut self, limit: usize, store: &mut Store) {
        let first = self.rows.first();
        let over = self.rows.iter().take(limit).take_while(|quote| !quote.is_held()).count();
        self.rows.forget_before(first + u32::try_from(over).expect("a table's length"), store);
    }

    /// Moves the time until which offers are held.
    pub(crate) fn move_until(&mut self, moved_ms: impl Fn(u64) -> u64) {
        let held = core::mem::take(&mut self.held).into_iter();
        self.held = held
            .map(|(before_ms, quote)| {
                let until_ms = moved_ms(before_ms);
                if until_ms != before_ms {
                    self.rows[quote.index()].grace_until(until_ms);
                }
                (until_ms, quote)
            })
            .collect();
    }

    /// What kitchens hold for quotes.
    pub(crate) fn promised(&self) -> impl Iterator<Item = (OutletNo, Ticket)> {
        self.rows.iter().filter(|quote| quote.is_held()).flat_map(Quote::tickets)
    }

    /// Makes all that follows from the records.
    pub(crate) fn rebuild(&mut self) {
        let numbers = (self.rows.first()..).map(QuoteNo);
        let held = numbers.zip(self.rows.iter()).filter(|(_, quote)| quote.is_held());
        (self.held, self.held_by) = Default::default();
        for (number, quote) in held {
            self.held.insert((quote.until_ms, number));
            self.held_by.extend(quote.user().map(|user| (user, number)));
        }
    }
}

/// Orders by number and user, and in lists.
#[derive(Debug)]
pub(crate) struct OrderBook {
    pub(crate) rows: Table<Order>,
    users: UserIndex,
    pub(crate) lists: Lists,
}

impl OrderBook {
    pub(crate) fn new(rows: u8) -> Self {
        Self { rows: Table::new(rows), users: UserIndex::default(), lists: Lists::new() }
    }

    pub(crate) fn get(&self, number: OrderNo) -> Option<&Order> {
        self.rows.get(number.index())
    }

    pub(crate) fn newest_of(&self, user: UserKey) -> Option<OrderNo> {
        self.users.newest(user, &self.rows).map(OrderNo)
    }

    /// Begins to bring near what [`Self::newest_of`] will look at first.
    #[inline]
    pub(crate) fn prefetch_user(&self, user: UserKey) {
        self.users.prefetch(user);
    }

    pub(crate) fn push(&mut self, order: Order, store: &mut Store) {
        let number = OrderNo(self.rows.push(order, store));
        self.users.set(number.0, &self.rows, store);
        self.lists.put(number, None, &order);
        self.lists.settle(number, &self.rows);
    }

    /// Puts a record in the place of the one before.
    pub(crate) fn set(&mut self, number: OrderNo, order: Order) {
        self.lists.put(number, self.rows.get(number.index()), &order);
        self.rows[number.index()] = order;
        self.lists.settle(number, &self.rows);
    }

    /// What kitchens have promised to orders that are not begun.
    pub(crate) fn promised(&self) -> impl Iterator<Item = (OutletNo, Ticket)> {
        let waiting = self.rows.iter().filter(|order| order.at_kitchen() == AtKitchen::Promised);
        waiting.map(|order| (order.outlet, order.ticket()))
    }

    /// The first `limit` of those that await something, and expire by then without it, in the order in
    /// which they do, each with that time.
    pub(crate) fn over(&self, until_ms: u64, limit: usize) -> Vec<(u64, OrderNo)> {
        self.lists.over(until_ms, limit, &self.rows)
    }

    /// Moves the time at which orders expire that await something.
    pub(crate) fn move_due(&mut self, moved_ms: impl Fn(u64) -> u64) {
        let mut due = self.over(u64::MAX, usize::MAX);
        for (due_ms, order) in &mut due {
            *due_ms = moved_ms(*due_ms);
            self.rows[order.index()].due_ms = *due_ms;
        }
        self.lists.replace_due(&due, &self.rows);
    }

    /// Makes all that follows from the records.
    pub(crate) fn rebuild(&mut self, store: &mut Store) {
        self.users.rebuild(&self.rows, store);
        for (number, order) in (0..).map(OrderNo).zip(self.rows.iter()) {
            self.lists.put(number, None, order);
        }
        self.lists.settle_all(&self.rows);
    }
}

/// What an order's kitchen has to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtKitchen {
    /// Capacity is taken for it.
    Promised,
    /// It is being made.
    Making,
    /// Nothing any more.
    Nothing,
}

impl Order {
    /// Until when what it awaits must be: that it is paid, accepted, made or collected.
    pub(crate) fn awaits_until_ms(&self) -> Option<u64> {
        (self.state() <= OrderState::Ready).then_some(self.due_ms)
    }

    pub(crate) fn at_kitchen(&self) -> AtKitchen {
        match self.state() {
            OrderState::AwaitingPayment
            | OrderState::Paid
            | OrderState::Sent
            | OrderState::Accepted => AtKitchen::Promised,
            OrderState::Making => AtKitchen::Making,
            _ => AtKitchen::Nothing,
        }
    }

    /// Whether the outlet is to be told that its ticket is cancelled. An outlet that rejected it
    /// knows.
    pub(crate) fn cancels_ticket(&self) -> bool {
        let ended = self.end().is_some_and(|end| end != OrderEnd::Rejected);
        ended && self.version > 0 && !self.is_withdrawn()
    }

    /// Which things are to be done outside, as it follows from the record: a bit for each of those in
    /// [`Self::actions`].
    pub(crate) fn undone(&self) -> u8 {
        let is_known = self.trade().is_some();
        let all = [
            self.payment() == Some(PaymentState::Created) && !is_known,
            self.state() == OrderState::AwaitingPayment && is_known,
            self.payment() == Some(PaymentState::Unknown),
            self.state() == OrderState::Paid,
            self.cancels_ticket(),
            self.refund_under_way_minor > 0 && !self.is_refund_held(),
            self.is_disputed(),
            self.left_to_tell().is_some(),
        ];
        (0..).zip(all).fold(0, |bits, (place, is_due)| bits | (u8::from(is_due) << place))
    }

    /// What is to be done outside.
    pub(crate) fn actions(&self, order: OrderNo) -> impl Iterator<Item = Action> {
        let (outlet, version, undone) = (self.outlet, self.version, self.undone());
        let all = [
            Some(Action::CreatePayment { order, payable_minor: self.payable_minor() }),
            Some(Action::LookAtPayment { order }),
            Some(Action::ClosePayment { order }),
            Some(Action::SendTicket { order, outlet, version }),
            Some(Action::CancelTicket { order, outlet, version }),
            Some(Action::Refund {
                order,
                refund: self.refund,
                amount_minor: self.refund_under_way_minor,
                from_ms: self.refund_from_ms(),
            }),
            Some(Action::ReviewPayment { order }),
            self.left_to_tell().map(|(outlet, version)| Action::CancelTicket {
                order,
                outlet,
                version,
            }),
        ];
        let due = (0..).zip(all).filter(move |(place, _)| undone & (1 << place) != 0);
        due.filter_map(|(_, action)| action)
    }

    /// Whether what is to be done outside is something else than it was `before`.
    pub(crate) fn is_undone_otherwise(&self, before: &Self, order: OrderNo) -> bool {
        let (was, is) = (before.undone(), self.undone());
        was != is || is != 0 && !before.actions(order).eq(self.actions(order))
    }
}
