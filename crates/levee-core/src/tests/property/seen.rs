//! Everything that can be seen of outlets and orders, beside what the model says.

use std::collections::BTreeMap;

use super::{Both, user};
use crate::State;
use crate::query::{Answer, OrderView, Query};
use crate::tests::DAY;
use crate::tests::model::{Model, Order};
use crate::types::*;

/// Asks what is to be done outside, as a connector does: for what has changed since it asked last.
#[derive(Default)]
pub(super) struct Connector {
    change: u64,
    known: BTreeMap<OrderNo, Vec<Action>>,
}

impl Connector {
    /// Whatever is to be done is known then, and nothing was told again that is as it was.
    pub(super) fn ask(&mut self, state: &State, model: &Model) {
        loop {
            let query = Query::Undone { after_change: self.change, limit: 3 };
            let Answer::Undone { actions, change } = state.answer(0, &query) else {
                unreachable!()
            };
            if actions.is_empty() {
                assert_eq!(change, self.change);
                break;
            }
            assert!(change > self.change);
            self.change = change;
            let mut told: BTreeMap<OrderNo, Vec<Action>> = BTreeMap::new();
            for action in actions {
                told.entry(action.order()).or_default().push(action);
            }
            assert!(told.len() <= 3);
            for (order, actions) in told {
                let before = self.known.insert(order, actions.clone());
                assert_ne!(before, Some(actions), "told again: {order}");
            }
        }
        let all = model.orders.iter().map(|(number, order)| {
            let number = OrderNo(*number);
            (number, order.to_do(number))
        });
        let left: BTreeMap<OrderNo, Vec<Action>> =
            all.filter(|(_, actions)| !actions.is_empty()).collect();
        // Whoever does something knows itself that it is done.
        self.known.retain(|order, _| left.contains_key(order));
        assert_eq!(self.known, left);
    }
}

impl Both {
    pub(super) fn compare_orders(&self) {
        self.compare_outlets();
        for (number, order) in &self.model.orders {
            self.compare_order(OrderNo(*number), order);
        }
        self.compare_lists();
    }

    fn compare_outlets(&self) {
        let now = self.now_ms;
        let mut etas = Vec::new();
        for (number, outlet) in self.model.outlets.iter().enumerate() {
            let query = Query::Outlet(outlet.put.id.clone());
            let Answer::Outlet(Some(view)) = self.state.answer(now, &query) else {
                panic!("an outlet is missing");
            };
            assert_eq!((view.number.index(), view.version), (number, outlet.version));
            let by_number = self.state.answer(now, &Query::OutletNumbered(view.number));
            assert_eq!(by_number, Answer::Outlet(Some(view.clone())));
            assert_eq!((&view.document, view.put_seq), (&outlet.put.document, outlet.put_seq));
            let pause = self.model.pause_at(now, number).cloned();
            assert_eq!(view.pause.map(|pause| (pause.until_ms, pause.reason)), pause);
            let vendor = self.model.breaker_of_vendor(outlet.put.vendor).cloned();
            let own = self.model.breaker(&BreakerOf::Outlet(view.number)).cloned();
            let breakers = [own, vendor];
            assert_eq!([view.breaker, view.vendor_breaker], breakers);
            assert_eq!(view.eta_ms, self.model.eta(now, number, 1_000));
            etas.push(self.model.eta(now, number, 2_500));
            assert_eq!(*self.state.outlets.kitchen(view.number), outlet.kitchen);
            // Who has its capacity is told by the list alone.
            let of = self.model.promised.iter().filter(|promised| promised.outlet == number);
            let works = of.map(|promised| (promised.begun_ms, u64::from(promised.ticket.work.0)));
            let (begun, waiting): (Vec<_>, Vec<_>) = works.partition(|(begun, _)| begun.is_some());
            let sum = |works: Vec<(Option<u64>, u64)>| works.iter().map(|(_, w)| *w).sum::<u64>();
            let (begun, waiting) = (sum(begun), sum(waiting));
            assert_eq!(view.promised.iter().map(|(_, work)| work).sum::<u64>(), waiting);
            assert!(view.unfinished >= begun + waiting);
            let untold = self.model.orders.values().filter(|order| {
                order.outlet.index() == number && order.state() == OrderState::Paid
            });
            let since_ms = untold.clone().map(|order| order.placed_ms).min();
            assert_eq!((view.untold as usize, view.untold_since_ms), (untold.count(), since_ms));
        }
        let query = Query::Breakers { after: None, limit: 9 };
        let Answer::Breakers(breakers) = self.state.answer(now, &query) else { unreachable!() };
        assert_eq!(breakers.len(), self.model.breakers.len());
        assert!(breakers.iter().all(|breaker| self.model.breakers.contains(breaker)));
        let all = (0..).map(OutletNo).take(etas.len() + 1);
        etas.push(None);
        let query = Query::Etas { outlets: all.collect(), work: 2_500 };
        assert_eq!(self.state.answer(now, &query), Answer::Etas(etas));
        let after_seq = self.model.outlets.iter().map(|outlet| outlet.put_seq).min().unwrap_or(0);
        let query = Query::Outlets { after_seq, limit: 9 };
        let Answer::Outlets(views) = self.state.answer(now, &query) else { unreachable!() };
        let mut put: Vec<u64> = self.model.outlets.iter().map(|outlet| outlet.put_seq).collect();
        put.sort_unstable();
        assert!(views.iter().map(|view| view.put_seq).eq(put.into_iter().skip(1)));
    }

    fn compare_order(&self, number: OrderNo, stored: &Order) {
        let now = self.now_ms;
        let Answer::Order(Some(view)) = self.state.answer(now, &Query::Order(number)) else {
            panic!("an order is missing");
        };
        let order = self.model.order_now(now, number).expect("known");
        assert_eq!((view.state, view.payment), (order.state(), order.payment()), "{number}");
        assert_eq!((view.end, view.version), (order.end, order.version));
        assert_eq!((view.seq, view.due_ms), (order.seq, self.model.due(&order)));
        assert_eq!((view.outlet, view.promised_at_ms), (order.outlet, order.promised_ms));
        assert_eq!(view.moved_from, order.left.map(|(outlet, ..)| outlet));
        assert_eq!((view.stages_at_ms, &view.others[..]), (order.stages, order.others()));
        assert_eq!((view.disputed, view.work), (order.disputed, order.place.work));
        assert_eq!((view.apology, view.outlet_paid_minor), order.given);
        assert_eq!(view.courier_at_ms.is_some(), order.place.courier_ms.is_some());
        assert_eq!(u64::from(view.subsidy_minor), order.subsidy);
        let (total, off) = (order.place.total_minor, order.place.merchant_discount_minor);
        assert_eq!(view.payable_minor + order.subsidy + off, total);
        assert_eq!(view.payable_minor, order.payable());
        assert_eq!(view.captured_minor, order.captured());
        assert_eq!(view.refund_asked_minor, order.asked());
        assert_eq!(view.refunded_minor, order.refunded());
        assert_eq!((&view.lines, view.user), (&order.place.lines, order.place.user));
        let outlet = &self.model.outlets[order.place.outlet.index()];
        let (before, since) = outlet
            .documents
            .split_at(outlet.documents.partition_point(|(put_seq, _)| *put_seq < order.seq));
        let version = since.is_empty().then_some(order.place.outlet_version);
        assert_eq!(view.outlet_version, version);
        let document = before.last().map(|(_, document)| document.clone());
        let answer = self.state.answer(now, &Query::DocumentOf(number));
        assert_eq!(answer, Answer::Document(document));
        assert_eq!(view.actions, stored.to_do(number));
    }

    fn compare_lists(&self) {
        let now = self.now_ms;
        let list = |query: Query| -> Vec<OrderView> {
            let Answer::Orders(views) = self.state.answer(now, &query) else { unreachable!() };
            views
        };
        let numbers =
            |views: &[OrderView]| -> Vec<u32> { views.iter().map(|view| view.number.0).collect() };
        for outlet in (0..3).map(OutletNo) {
            let open = list(Query::OpenOrders { outlet, after: None, limit: 1_000 });
            let is_open = |number: &u32| {
                let order = self.model.order_now(now, OrderNo(*number)).expect("known");
                order.outlet == outlet && order.state().is_open()
            };
            let expected: Vec<u32> = self.model.orders.keys().copied().filter(is_open).collect();
            assert_eq!(numbers(&open), expected);
            // The statement of the last day, by pages.
            let (from_ms, until_ms) = (now - DAY, now);
            let (mut statement, mut before) = (Vec::new(), None);
            loop {
                let limit = 2;
                let page = list(Query::Statement { outlet, from_ms, until_ms, before, limit });
                let Some(last) = page.last() else { break };
                before = Some(last.number);
                statement.extend(numbers(&page));
            }
            let orders = self.model.orders.iter().rev();
            let of = orders.filter(|(_, order)| {
                order.outlet == outlet && (from_ms..until_ms).contains(&order.placed_ms)
            });
            assert!(of.map(|(number, _)| *number).eq(statement));
        }
        for number in 0..6 {
            let query = Query::Orders { user: user(number), before: None, limit: 1_000 };
            let orders = self.model.orders.iter().rev();
            let theirs = orders.filter(|(_, order)| order.place.user == user(number));
            assert!(theirs.map(|(number, _)| *number).eq(numbers(&list(query))));
        }
    }
}
