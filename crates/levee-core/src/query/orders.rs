//! Questions about outlets and orders.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Answer, bounded};
use crate::state::State;
use crate::tables::{Holder, Order};
use crate::types::{
    Action, LockNo, NameHash, OrderEnd, OrderLine, OrderNo, OrderState, OutletId, OutletNo,
    PaymentState, RedemptionNo, TradeKey, UserKey, VoucherNo,
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
    /// Staff or machines that make drinks.
    pub stations: u16,
    /// Orders expire that it has not accepted after this time.
    pub accept_within_ms: u64,
    /// The pause, if it takes no orders now.
    pub pause: Option<PauseView>,
}

/// A pause of an outlet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PauseView {
    /// When it ends by itself, if it does, in milliseconds since 1970.
    pub until_ms: Option<u64>,
    /// Why.
    pub reason: String,
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
    /// What.
    pub lines: Vec<OrderLine>,
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
    /// Whether another outlet may make it.
    pub allow_other_outlet: bool,
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
    /// Where the payment stands; `None` where nothing is to be paid.
    pub payment: Option<PaymentState>,
    /// Provider and number under which it is paid, once one has said so.
    pub trade: Option<(NameHash, TradeKey)>,
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
    pub(super) fn outlet_view(&self, now_ms: u64, id: &OutletId) -> Option<Box<OutletView>> {
        let number = self.outlets.number(id)?;
        let outlet = self.outlets.get(number)?;
        let texts = &self.outlets.texts;
        let pause = outlet.is_paused_at(now_ms).then(|| PauseView {
            until_ms: outlet.pause_ends_ms(),
            reason: String::from_utf8(outlet.reason(texts)).expect("kept from a text"),
        });
        Some(Box::new(OutletView {
            number,
            id: outlet.id(),
            document: outlet.document(texts),
            version: outlet.version,
            brand: outlet.brand(),
            stations: outlet.stations,
            accept_within_ms: outlet.accept_within_ms,
            pause,
        }))
    }

    pub(super) fn order_view(&self, now_ms: u64, number: OrderNo) -> Option<OrderView> {
        let order: Order = self.order_at(now_ms, number).ok()?;
        // An order that is over by the clock holds nothing any more.
        let holder = if order.end().is_some() { Holder::Nothing } else { order.holder() };
        Some(OrderView {
            number,
            user: order.user,
            outlet: order.outlet,
            lines: order.lines().to_vec(),
            state: order.state(),
            end: order.end(),
            seq: order.seq,
            placed_at_ms: order.placed_at_ms,
            due_ms: order.awaits_until_ms(),
            promised_at_ms: order.promised_at_ms,
            stages_at_ms: order.stages_at_ms(),
            work: order.work,
            allow_other_outlet: order.allows_other_outlet(),
            version: order.version,
            total_minor: order.total_minor,
            merchant_discount_minor: order.merchant_discount_minor,
            subsidy_minor: order.subsidy_minor,
            payable_minor: order.payable_minor(),
            captured_minor: order.captured_minor(),
            refund_asked_minor: order.refund_asked_minor,
            refunded_minor: order.refunded_minor,
            payment: order.payment(),
            trade: order.trade(),
            voucher: order.voucher(),
            lock: if let Holder::Lock(lock) = holder { Some(lock) } else { None },
            redemption: if let Holder::Redemption(used) = holder { Some(used) } else { None },
            actions: self.actions_of(number),
        })
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
        let numbers = self.orders.open_of(outlet, after);
        let views = numbers.filter_map(|number| self.order_view(now_ms, number));
        let open = views.filter(|view| view.state.is_open());
        Answer::Orders(open.take(bounded(limit)).collect())
    }

    /// What is to be done outside, for up to `limit` orders, oldest order first.
    pub(super) fn undone(&self, after: Option<OrderNo>, limit: u32) -> Answer {
        let orders = self.orders.undone_after(after).take(bounded(limit));
        Answer::Undone(orders.flat_map(|order| self.actions_of(order)).collect())
    }
}
