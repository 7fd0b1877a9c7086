//! How each user, provider and outlet goes on from an answer.

use levee_api::port::Reply;

use super::expect::Kind;
use super::lines::Next;
use super::play::{FETCHED_AFTER_MS, NONE, Play, Slot, WRONG_KEPT_MAX};
use super::shape::{Manner, Shape};

impl Play<'_> {
    /// A claim has a voucher, or an order is placed.
    pub(super) fn new_number(&mut self, slot: Slot, number: u32, mark: u64) {
        self.seen.acknowledged.add(mark);
        let shape = Shape::of(self.seed, slot.next.user);
        if slot.next.kind == Kind::Claim {
            self.through.push((slot.next.user, number));
            let again = Next { kind: Kind::ClaimAgain, first: mark, ..slot.next };
            match shape.claim() {
                Manner::Twice => self.expect_of_twin(slot, mark),
                Manner::Lost => self.claims.soon.push_back(again),
                Manner::Reopened => self.claims.later.push(again),
                _ => {}
            }
            return;
        }
        self.seen.placed += 1;
        let again = Next { kind: Kind::PlaceAgain, first: mark, ..slot.next };
        match shape.order() {
            Manner::Lost => self.orders.soon.push_back(again),
            Manner::Reopened => self.orders.later.push(again),
            Manner::OtherOrder => {
                self.orders.later.push(Next { kind: Kind::OtherOrder, ..slot.next });
            }
            _ => {}
        }
        self.callbacks.soon.push_back(Next { kind: Kind::Pay, number, ..slot.next });
    }

    /// An order has gone on.
    pub(super) fn on(&mut self, slot: Slot, mark: u64) {
        self.seen.acknowledged.add(mark);
        let next = slot.next;
        let shape = Shape::of(self.seed, next.user);
        let now_ms = self.clock.passed_ms();
        match next.kind {
            Kind::Pay => {
                self.seen.captured_minor += shape.payable_minor();
                let again = Next { kind: Kind::PayAgain, first: mark, ..next };
                match shape.payment() {
                    Manner::Twice => self.expect_of_twin(slot, mark),
                    Manner::Lost => self.callbacks.soon.push_back(again),
                    Manner::Reopened => self.callbacks.later.push(again),
                    _ => {}
                }
                self.callbacks.soon.push_back(Next { kind: Kind::Accept, ..next });
            }
            Kind::Accept => {
                self.expect_of_twin(slot, mark);
                let outlet = self.town.outlet(next.user, next.tries);
                let ready_ms = self.town.make(outlet, shape.units(), now_ms);
                self.wheel.push(ready_ms, Next { kind: Kind::Ready, ..next });
            }
            Kind::Ready => {
                let fetched_ms = now_ms + FETCHED_AFTER_MS;
                self.wheel.push(fetched_ms, Next { kind: Kind::Collect, ..next });
            }
            _ => self.seen.collected += 1,
        }
    }

    /// The second of two equal asks is answered after the first, with the same.
    fn expect_of_twin(&mut self, slot: Slot, mark: u64) {
        if slot.twin != NONE {
            self.slots[slot.twin as usize].next.first = mark;
        }
    }

    #[cold]
    pub(super) fn wrong(&mut self, next: Next, reply: &Reply) {
        self.seen.wrong += 1;
        if self.seen.wrong_kept.len() < WRONG_KEPT_MAX {
            let Next { kind, user, number, .. } = next;
            self.seen
                .wrong_kept
                .push(format!("user {user}, {kind:?} with number {number}: {reply:?}"));
        }
    }
}
