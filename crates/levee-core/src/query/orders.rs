//! Questions about outlets and orders.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use super::{Answer, bounded};
use crate::pacing::{Ask, Work};
use crate::state::State;
use crate::tables::{Order, Outlet};
use crate::types::{
    Action, Breaker, BreakerOf, Held, LockNo, NameHash, OrderEnd, OrderLine, OrderNo, OrderState,
    OutletId, OutletNo, PaymentState, RedemptionNo, TradeKey, UserKey, VoucherNo,
};

/// One outlet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutletView {
    /// Its number.
    pub number: OutletNo,
    /// The operator's name for it.
    pub id: OutletId,
    /// As given.
    pub document: Vec<u8>,
    /// Counts up with every document, from 1.
    pub version: u32,
    /// Whose shop it is.
    pub brand: NameHash,
    /// Sequence number of the document.
    pub put_seq: u64,
    /// Staff or machines that make, as last told.
    pub stations: u16,
    /// Orders expire that it has not accepted after this time.
    pub accept_within_ms: u64,
    /// The pause, if it takes no orders now.
    pub pause: Option<PauseView>,
    /// Its own breaker, unless that is closed.
    pub breaker: Option<Breaker>,
    /// Its vendor's, unless that is closed.
    pub vendor_breaker: Option<Breaker>,
    /// In how many milliseconds one unit of work that is ordered now, and paid within a minute, is ready;
    /// `None` where it takes no orders now.
    pub eta_ms: Option<u64>,
    /// How long the kitchen needs for a unit of work while it is busy, all stations together, in
    /// milliseconds, as it was learned, or as is expected of a new one; at least 1.
    pub pace_ms: u64,
    /// Work that is not done, on all channels, in thousandths of a unit.
    pub unfinished: u64,
    /// Orders whose ticket its system does not have yet.
    pub untold: u32,
    /// When the oldest of these was placed, in milliseconds since 1970.
    pub untold_since_ms: Option<u64>,
    /// Promised and not begun, by the time at which it is to be ready: milliseconds since 1970, and
    /// thousandths of a unit.
    pub promised: Vec<(u64, u64)>,
}

/// A pause of an outlet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PauseView {
    /// When it ends by itself, if it does, in milliseconds since 1970.
    pub until_ms: Option<u64>,
    /// Why.
    pub reason: String,
}

/// How a user pays, as the provider said when the payment was made.
#[derive(Clone, PartialEq, Eq)]
pub enum PayBy {
    /// An address that a browser or the provider's app opens.
    Link(String),
    /// What the provider's components in a page or app are given.
    ClientSecret(String),
}

impl fmt::Debug for PayBy {
    /// Never shows the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(link) => f.debug_tuple("Link").field(link).finish(),
            Self::ClientSecret(_) => f.debug_tuple("ClientSecret").finish_non_exhaustive(),
        }
    }
}

/// One order with its payment and its ticket, as the clock has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderView {
    /// Its number.
    pub number: OrderNo,
    /// Who ordered.
    pub user: UserKey,
    /// Where.
    pub outlet: OutletNo,
    /// What, by the menu of the document by which it was placed.
    pub lines: Vec<OrderLine>,
    /// That document's version, as long as it is the latest of the outlet at which the order was
    /// placed; the document itself is the answer to [`super::Query::DocumentOf`].
    pub outlet_version: Option<u32>,
    /// Where it stands.
    pub state: OrderState,
    /// Why it ended, once it did without being collected.
    pub end: Option<OrderEnd>,
    /// Sequence number of the placing.
    pub seq: u64,
    /// Milliseconds since 1970.
    pub placed_at_ms: u64,
    /// While it awaits payment or acceptance: when it expires, grace included.
    pub due_ms: Option<u64>,
    /// When it can be collected, as promised.
    pub promised_at_ms: u64,
    /// When it was accepted, begun, ready and collected, as far as it was.
    pub stages_at_ms: [Option<u64>; 4],
    /// In thousandths of a unit.
    pub work: u32,
    /// When its courier is to set out, where one is to take it.
    pub courier_at_ms: Option<u64>,
    /// Outlets that may still make it instead.
    pub others: Vec<OutletNo>,
    /// The outlet that it was moved away from.
    pub moved_from: Option<OutletNo>,
    /// The ticket's version; 0 before there is one.
    pub version: u32,
    /// Price of all lines.
    pub total_minor: u64,
    /// What the merchant takes off.
    pub merchant_discount_minor: u64,
    /// What the voucher pays; reversed with an order that ends without being collected.
    pub subsidy_minor: u32,
    /// What the user pays.
    pub payable_minor: u64,
    /// What the provider has taken: nothing, or all of it.
    pub captured_minor: u64,
    /// All that is to be given back, done or not.
    pub refund_asked_minor: u64,
    /// Of that, what was given back.
    pub refunded_minor: u64,
    /// Whether somebody must look at what the provider says that it took.
    pub disputed: bool,
    /// The voucher that its user got because it ended.
    pub apology: Option<VoucherNo>,
    /// What its outlet was paid for what it had made, besides.
    pub outlet_paid_minor: u64,
    /// Where the payment stands; `None` where nothing is to be paid.
    pub payment: Option<PaymentState>,
    /// Provider and number under which it is paid, once one has said so.
    pub trade: Option<(NameHash, TradeKey)>,
    /// How its user pays, where connectors know. The rules do not: whoever answers in their name adds
    /// it.
    pub pay_by: Option<PayBy>,
    /// The voucher that pays a part, whether or not the order has let go of it since.
    pub voucher: Option<VoucherNo>,
    /// The lock that holds the voucher.
    pub lock: Option<LockNo>,
    /// The use of the voucher.
    pub redemption: Option<RedemptionNo>,
    /// What is to be done outside.
    pub actions: Vec<Action>,
}

impl State {
    /// For an order that has something to pay, as most have: none is refused for what was shown here.
    pub(super) fn eta_ms(&self, now_ms: u64, number: OutletNo, work: u32) -> Option<u64> {
        let outlet = self.outlet_taking_orders(now_ms, number).ok()?;
        let most_ms = self.pace().horizon_ms.max(outlet.ready_within_ms);
        let until_ms = now_ms.saturating_add(most_ms);
        let asked = Ask::of(Work(work), true);
        let ready_at_ms = self.ready_by(now_ms, number, asked, until_ms)?;
        Some(ready_at_ms - now_ms)
    }

    pub(super) fn outlet_view(&self, now_ms: u64, number: OutletNo) -> OutletView {
        let outlet = &self.outlets.rows[number.index()];
        let kitchen = self.outlets.kitchen(number);
        let (texts, pace) = (&self.outlets.texts, self.pace());
        let pause = outlet.is_paused_at(now_ms).then(|| PauseView {
            until_ms: outlet.pause_ends_ms(),
            reason: String::from_utf8(outlet.reason(texts)).expect("kept from a text"),
        });
        let open = self.orders.lists.open_of(number, None);
        let open = open.map(|number| &self.orders.rows[number.index()]);
        let untold = open.filter(|order| order.state() == OrderState::Paid).collect::<Vec<_>>();
        OutletView {
            number,
            id: outlet.id(),
            document: outlet.document(texts),
            version: outlet.version,
            brand: outlet.brand(),
            put_seq: outlet.put_seq,
            stations: kitchen.stations(),
            accept_within_ms: outlet.accept_within_ms,
            pause,
            breaker: outlet.breaker(texts),
            vendor_breaker: self.outlets.breaker_of_vendor(outlet.vendor()),
            eta_ms: self.eta_ms(now_ms, number, Work::UNIT),
            pace_ms: kitchen.pace_ms(&pace),
            unfinished: kitchen.unfinished(now_ms, &pace),
            untold_since_ms: untold.first().map(|order| order.placed_at_ms),
            untold: u32::try_from(untold.len()).expect("no more than orders"),
            promised: kitchen.promised().collect(),
        }
    }

    pub(super) fn order_view(&self, now_ms: u64, number: OrderNo) -> Option<OrderView> {
        let order: Order = self.order_at(now_ms, number).ok()?;
        // An order that is over by the clock holds nothing any more.
        let holder = if order.end().is_some() { Held::Nothing } else { order.holder() };
        Some(OrderView {
            number,
            user: order.user,
            outlet: order.outlet,
            lines: order.lines().to_vec(),
            outlet_version: {
                let outlet = self.outlets.get(order.placed_at());
                outlet.filter(|outlet| outlet.put_seq < order.seq).map(|outlet| outlet.version)
            },
            state: order.state(),
            end: order.end(),
            seq: order.seq,
            placed_at_ms: order.placed_at_ms,
            due_ms: order.awaits_until_ms(),
            promised_at_ms: order.promised_at_ms(),
            stages_at_ms: order.stages_at_ms(),
            work: order.work,
            courier_at_ms: order.courier_ms().map(|courier_ms| {
                let kitchen = self.outlets.kitchen(order.outlet);
                let promised_at_ms = order.promised_at_ms();
                kitchen.courier_at_ms(promised_at_ms, courier_ms.into(), &self.pace())
            }),
            others: order.others().collect(),
            moved_from: order.left(),
            version: order.version,
            total_minor: order.total_minor,
            merchant_discount_minor: order.merchant_discount_minor,
            subsidy_minor: order.subsidy_minor,
            payable_minor: order.payable_minor(),
            captured_minor: order.captured_minor(),
            refund_asked_minor: order.refund_asked_minor,
            refunded_minor: order.refunded_minor,
            disputed: order.is_disputed(),
            apology: order.apology(),
            outlet_paid_minor: order.outlet_paid_minor,
            payment: order.payment(),
            trade: order.trade(),
            pay_by: None,
            voucher: order.voucher(),
            lock: if let Held::Lock(lock) = holder { Some(lock) } else { None },
            redemption: if let Held::Redemption(used) = holder { Some(used) } else { None },
            actions: self.actions_of(number),
        })
    }

    pub(super) fn document_of(&self, number: OrderNo) -> Option<Vec<u8>> {
        let order = self.orders.get(number)?;
        self.outlets.get(order.placed_at())?.document_at(order.seq, &self.outlets.texts)
    }

    /// A user's orders, newest first.
    pub(super) fn orders_of(
        &self,
        now_ms: u64,
        user: UserKey,
        before: Option<OrderNo>,
        limit: u32,
    ) -> Answer {
        let older = |number: &OrderNo| self.orders.get(*number).and_then(Order::previous_of_user);
        // A page goes on where the one before ended, if that was the user's.
        let first = match before {
            None => self.orders.newest_of(user),
            Some(before) => {
                let is_theirs = self.orders.get(before).is_some_and(|order| order.user == user);
                if is_theirs { older(&before) } else { None }
            }
        };
        let numbers = core::iter::successors(first, older).take(bounded(limit));
        Answer::Orders(numbers.filter_map(|number| self.order_view(now_ms, number)).collect())
    }

    /// What an outlet has to make, oldest first; what has expired by the clock is left out.
    pub(super) fn open_orders(
        &self,
        now_ms: u64,
        outlet: OutletNo,
        after: Option<OrderNo>,
        limit: u32,
    ) -> Answer {
        let numbers = self.orders.lists.open_of(outlet, after);
        let views = numbers.filter_map(|number| self.order_view(now_ms, number));
        let open = views.filter(|view| view.state.is_open());
        Answer::Orders(open.take(bounded(limit)).collect())
    }

    /// An outlet's orders that were placed within some time, newest first; those that it has from
    /// another outlet, too, but none that another one has from it.
    pub(super) fn statement(
        &self,
        now_ms: u64,
        outlet: OutletNo,
        placed_ms: Range<u64>,
        before: Option<OrderNo>,
        limit: u32,
    ) -> Answer {
        let older = |number: &OrderNo| self.orders.get(*number).and_then(Order::previous_at_outlet);
        // A page goes on where the one before ended, if that order was placed here.
        let is_own = |number: &OrderNo| {
            let order = self.orders.get(*number);
            order.is_some_and(|order| order.left().unwrap_or(order.outlet) == outlet)
        };
        let first = match before.filter(is_own) {
            Some(before) => older(&before),
            None => self.outlets.get(outlet).and_then(Outlet::newest_order),
        };
        let own = core::iter::successors(first, older).take_while(|number| {
            self.orders.get(*number).is_some_and(|order| order.placed_at_ms >= placed_ms.start)
        });
        let mut numbers = own.chain(self.orders.lists.moved_to(outlet)).collect::<Vec<_>>();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        let is_of = |number: &OrderNo| {
            before.is_none_or(|before| *number < before)
                && self.orders.get(*number).is_some_and(|order| {
                    order.outlet == outlet && placed_ms.contains(&order.placed_at_ms)
                })
        };
        let numbers = numbers.into_iter().filter(is_of).take(bounded(limit));
        Answer::Orders(numbers.filter_map(|number| self.order_view(now_ms, number)).collect())
    }

    /// Breakers that are not closed: vendors' with the first page, then outlets' by number.
    pub(super) fn breakers(&self, after: Option<OutletNo>, limit: u32) -> Answer {
        let vendors = self.outlets.vendors.values().filter(|_| after.is_none());
        let vendors =
            vendors.cloned().map(|(vendor, breaker)| (BreakerOf::Vendor(vendor), breaker));
        let outlets = self.outlets.broken_after(after).take(bounded(limit)).filter_map(|outlet| {
            let of = BreakerOf::Outlet(outlet);
            let breaker = self.outlets.breaker(&of)?;
            Some((of, breaker))
        });
        Answer::Breakers(vendors.chain(outlets).collect())
    }

    /// What is to be done outside, for up to `limit` orders.
    pub(super) fn undone(&self, after_change: u64, limit: u32) -> Answer {
        let (mut actions, mut change) = (Vec::new(), after_change);
        for (changed, order) in self.orders.lists.undone_after(after_change).take(bounded(limit)) {
            actions.extend(self.actions_of(order));
            change = changed;
        }
        Answer::Undone { actions, change }
    }
}
