//! How users pay their orders, as providers said when payments were made. Known beside the engine
//! alone and for as long as it runs: a provider says it again when it is asked under the same number.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use levee_core::types::OrderNo;

use crate::port::PayBy;

/// Orders in one of the two halves; the older half goes when the newer one is full. So that of half a
/// million at least, each is known whose payment was made last, in about 150 MB.
const HALF_MAX: usize = 500_000;

/// Ways to pay, by order.
#[derive(Debug, Default)]
pub struct PayLinks(Mutex<Halves>);

#[derive(Debug, Default)]
struct Halves {
    newer: HashMap<OrderNo, PayBy>,
    older: HashMap<OrderNo, PayBy>,
}

impl PayLinks {
    /// The way to pay an order, if it is known.
    #[must_use]
    pub fn get(&self, order: OrderNo) -> Option<PayBy> {
        self.with(|halves| halves.newer.get(&order).or_else(|| halves.older.get(&order)).cloned())
    }

    /// Keeps the way to pay an order.
    pub fn put(&self, order: OrderNo, pay_by: PayBy) {
        self.put_within(order, pay_by, HALF_MAX);
    }

    fn put_within(&self, order: OrderNo, pay_by: PayBy, half_max: usize) {
        self.with(|halves| {
            if halves.newer.len() >= half_max {
                halves.older = std::mem::take(&mut halves.newer);
            }
            halves.newer.insert(order, pay_by);
        });
    }

    /// It cannot be paid any more.
    pub fn remove(&self, order: OrderNo) {
        self.with(|halves| {
            halves.newer.remove(&order);
            halves.older.remove(&order);
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut Halves) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_known_and_there_are_never_too_many() {
        let links = PayLinks::default();
        let link = |number: u32| PayBy::Link(format!("https://pay.example/{number}"));
        for number in 0..25 {
            links.put_within(OrderNo(number), link(number), 10);
        }
        assert_eq!(links.get(OrderNo(9)), None);
        for number in 10..25 {
            assert_eq!(links.get(OrderNo(number)), Some(link(number)));
        }
        links.put_within(OrderNo(24), link(7), 10);
        assert_eq!(links.get(OrderNo(24)), Some(link(7)));
        links.remove(OrderNo(24));
        links.remove(OrderNo(11));
        assert_eq!((links.get(OrderNo(24)), links.get(OrderNo(11))), (None, None));
    }
}
