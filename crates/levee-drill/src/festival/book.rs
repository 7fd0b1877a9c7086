//! Every order's story, read from the journal's facts: who made it, when it was promised, begun and
//! ready, how it ended, and what was paid. Nothing is checked here; that is the audit's part.

use std::collections::BTreeMap;

use levee_api::types::*;

use crate::audit::Fact;
use crate::market::Market;
use crate::numbers::real;
use crate::unpaced::after;

/// Where orders stand, as a chart shows them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// To be paid.
    pub awaiting: u64,
    /// Paid, and not being made yet.
    pub in_line: u64,
    /// Being made.
    pub making: u64,
    /// Made, and not collected yet.
    pub ready: u64,
    /// Collected.
    pub collected: u64,
    /// Ended without being collected.
    pub ended: u64,
}

impl Standing {
    fn of(&mut self, state: OrderState) -> &mut u64 {
        match state {
            OrderState::AwaitingPayment => &mut self.awaiting,
            OrderState::Paid | OrderState::Sent | OrderState::Accepted => &mut self.in_line,
            OrderState::Making => &mut self.making,
            OrderState::Ready => &mut self.ready,
            OrderState::Collected => &mut self.collected,
            OrderState::Expired
            | OrderState::Cancelled
            | OrderState::Rejected
            | OrderState::Refunding
            | OrderState::Refunded => &mut self.ended,
        }
    }
}

/// One order. Instants are in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Story {
    /// Place of the outlet that has it now; `None` where the market does not know it.
    pub outlet: Option<usize>,
    /// When it was placed.
    pub placed_ms: u64,
    /// When it was promised first.
    pub told_ms: u64,
    /// When it is promised, by the outlet that has it now and since it was paid.
    pub promised_ms: u64,
    /// By how much its promise was moved because it was paid late, in milliseconds.
    pub promised_anew_by_ms: Option<u64>,
    /// How long a courier needs to the outlet, where one takes it.
    pub courier_ms: Option<u32>,
    /// To be paid, in minor units; 0: nothing.
    pub payable_minor: u64,
    /// Where it stands.
    pub state: OrderState,
    /// When a station began.
    pub begun_ms: Option<u64>,
    /// When it was made.
    pub ready_ms: Option<u64>,
    /// When it ended without being collected, and why.
    pub ended: Option<(u64, OrderEnd)>,
    /// What a provider has taken.
    pub captured_minor: u64,
    /// Of that, what was given back.
    pub refunded_minor: u64,
    /// A provider has said something that somebody must look at.
    pub disputed: bool,
    /// Another outlet than the first has it.
    pub moved: bool,
    /// It is this outlet's so manieth order through Levee, from 1; of the outlet that had it first.
    pub place_at_outlet: u32,
}

impl Story {
    /// Whether it was paid, or nothing was left to pay.
    #[must_use]
    pub fn is_paid(&self) -> bool {
        self.payable_minor == 0 || self.captured_minor > 0
    }

    /// How long after its promise it was ready, in milliseconds, below 0 if before; or ended after it.
    /// `None` where that cannot be said, because it ended before its time or is still under way; or
    /// because it was never paid, so that no kitchen had heard of it.
    #[must_use]
    pub fn late_ms(&self) -> Option<i64> {
        self.after_ms(self.promised_ms)
    }

    /// [`Self::late_ms`] by what was promised first, whatever was promised since.
    #[must_use]
    pub fn late_as_told_ms(&self) -> Option<i64> {
        self.after_ms(self.told_ms)
    }

    fn after_ms(&self, promised_ms: u64) -> Option<i64> {
        if let Some(ready_ms) = self.ready_ms {
            return Some(after(ready_ms, promised_ms));
        }
        let (ended_ms, _) = self.ended.filter(|(_, end)| *end != OrderEnd::NotPaid)?;
        Some(after(ended_ms, promised_ms)).filter(|late_ms| *late_ms > 0)
    }
}

/// A time for which a breaker kept orders away, in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerOpen {
    /// Whose.
    pub of: BreakerOf,
    /// Since then.
    pub from_ms: u64,
    /// Until then; `None` where it was open at the end.
    pub until_ms: Option<u64>,
}

/// What was given for orders that ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// Vouchers for users.
    pub apologies: u64,
    /// Their faces, in minor units.
    pub apology_minor: u64,
    /// Paid to outlets, in minor units.
    pub outlets_minor: u64,
    /// Promised by the rules and not covered by what was set aside, in minor units.
    pub unpaid_minor: u64,
}

/// All orders of a journal.
#[derive(Clone, Debug)]
pub struct Book<'a> {
    market: &'a Market,
    /// By their numbers.
    pub orders: Vec<Story>,
    /// Where they stand now.
    pub standing: Standing,
    /// Where they stood at the end of each stretch of the day.
    pub timeline: Vec<Standing>,
    starts_at_ms: u64,
    bucket_ms: u64,
    buckets: usize,
    /// Places of outlets in the market, by their numbers.
    outlets: BTreeMap<u32, usize>,
    /// How many orders were placed at each outlet, by their numbers.
    placed: BTreeMap<u32, u32>,
    /// Quotes that were answered.
    pub quotes: u64,
    /// How often an outlet was paused.
    pub pauses: u64,
    /// When breakers were open, in the order in which they opened.
    pub breakers: Vec<BreakerOpen>,
    /// How often another outlet was given an order.
    pub moves: u64,
    /// What was given for orders that ended.
    pub given: Given,
}

impl<'a> Book<'a> {
    /// An empty one, for a day of so many stretches.
    #[must_use]
    pub fn new(market: &'a Market, starts_at_ms: u64, bucket_ms: u64, buckets: usize) -> Self {
        Self {
            market,
            orders: Vec::new(),
            standing: Standing::default(),
            timeline: Vec::new(),
            starts_at_ms,
            bucket_ms: bucket_ms.max(1),
            buckets,
            outlets: BTreeMap::new(),
            placed: BTreeMap::new(),
            quotes: 0,
            pauses: 0,
            breakers: Vec::new(),
            moves: 0,
            given: Given::default(),
        }
    }

    /// The journal has no more: the rest of the day saw no change.
    pub fn close(&mut self) {
        self.timeline.resize(self.buckets, self.standing);
    }

    /// Takes in the next fact of the journal.
    pub fn visit(&mut self, fact: &Fact<'_>) {
        let passed = self.stretch(fact.at_ms);
        if self.timeline.len() < passed {
            self.timeline.resize(passed, self.standing);
        }
        match (fact.command, fact.outcome) {
            (Command::PutOutlet(put), Outcome::OutletPut { outlet, .. }) => {
                if let Some(place) = self.market.place_of(put.id.as_str()) {
                    self.outlets.insert(outlet.0, place);
                }
            }
            (Command::PauseOutlet(_), Outcome::OutletPaused) => self.pauses += 1,
            (Command::ChangeBreaker(change), Outcome::BreakerChanged { .. }) => {
                self.change_breaker(change, fact.at_ms);
            }
            (Command::QuoteOrder(_), Outcome::Quoted(_)) => self.quotes += 1,
            (Command::PlaceOrder(place), outcome @ Outcome::OrderPlaced { .. }) => {
                self.place(place, outcome, fact.at_ms);
            }
            (Command::RecordPayment(payment), outcome) => self.pay(payment, outcome),
            (Command::RecordRefund(refund), Outcome::RefundEnded { change, .. }) => {
                if let Some(story) = self.orders.get_mut(refund.order.index())
                    && refund.result == RefundResult::Done
                {
                    // Users of a crowd are given back all of it, when their order ends.
                    story.refunded_minor = story.captured_minor;
                }
                self.change(refund.order, change.state);
            }
            (Command::MoveTicket(ticket), outcome) => self.step(ticket, outcome, fact.at_ms),
            (Command::CancelOrder(cancel), Outcome::OrderChanged(change)) => {
                let end = match cancel.by {
                    Party::User(_) => OrderEnd::ByUser,
                    Party::Outlet(_) => OrderEnd::ByOutlet,
                    Party::Operator => OrderEnd::ByOperator,
                };
                self.end(cancel.order, fact.at_ms, end);
                self.change(cancel.order, change.state);
            }
            (_, Outcome::TickedWithOrders { orders, .. }) => self.tick(orders, fact.at_ms),
            _ => {}
        }
    }

    fn change_breaker(&mut self, change: &ChangeBreaker, at_ms: u64) {
        let mut open = self.breakers.iter_mut().rev().filter(|open| open.until_ms.is_none());
        let open = open.find(|open| open.of == change.of);
        match (open, change.state) {
            (Some(open), BreakerState::Closed) => open.until_ms = Some(at_ms),
            (None, BreakerState::Open | BreakerState::Draining) => {
                let of = change.of.clone();
                self.breakers.push(BreakerOpen { of, from_ms: at_ms, until_ms: None });
            }
            _ => {}
        }
    }

    /// The hour of the day at a moment.
    pub(super) fn hour(&self, at_ms: u64) -> f64 {
        real(at_ms.saturating_sub(self.starts_at_ms)) / 3_600_000.0
    }

    /// The stretch of the day that a moment lies in, or the number of them where it is later.
    pub(super) fn stretch(&self, at_ms: u64) -> usize {
        let passed = at_ms.saturating_sub(self.starts_at_ms) / self.bucket_ms;
        usize::try_from(passed).map_or(self.buckets, |place| place.min(self.buckets))
    }

    fn place(&mut self, place: &PlaceOrder, outcome: &Outcome, at_ms: u64) {
        let Outcome::OrderPlaced { order, promised_at_ms, subsidy_minor, .. } = outcome else {
            return;
        };
        let off_minor = place.merchant_discount_minor + u64::from(*subsidy_minor);
        let payable_minor = place.total_minor.saturating_sub(off_minor);
        let is_paid = payable_minor == 0;
        let state = if is_paid { OrderState::Paid } else { OrderState::AwaitingPayment };
        // An order's number is its place: the audit says so where it is not.
        if order.index() != self.orders.len() {
            return;
        }
        *self.standing.of(state) += 1;
        let place_at_outlet = self.placed.entry(place.outlet.0).or_default();
        *place_at_outlet += 1;
        self.orders.push(Story {
            outlet: self.outlets.get(&place.outlet.0).copied(),
            placed_ms: at_ms,
            told_ms: *promised_at_ms,
            promised_ms: *promised_at_ms,
            promised_anew_by_ms: None,
            courier_ms: place.courier_ms,
            payable_minor,
            state,
            begun_ms: None,
            ready_ms: None,
            ended: None,
            captured_minor: 0,
            refunded_minor: 0,
            disputed: false,
            moved: false,
            place_at_outlet: *place_at_outlet,
        });
    }

    fn pay(&mut self, payment: &RecordPayment, outcome: &Outcome) {
        let Some(story) = self.orders.get_mut(payment.order.index()) else { return };
        if let Outcome::PromisedAnew { promised_at_ms, .. } = outcome {
            story.promised_anew_by_ms = Some(promised_at_ms.saturating_sub(story.promised_ms));
            story.promised_ms = *promised_at_ms;
        }
        match outcome {
            Outcome::OrderChanged(change) | Outcome::PromisedAnew { change, .. } => {
                if let PaymentEvent::Succeeded { captured_minor } = payment.event {
                    story.captured_minor += captured_minor;
                }
                self.change(payment.order, change.state);
            }
            Outcome::PaymentDisputed => story.disputed = true,
            _ => {}
        }
    }

    fn step(&mut self, ticket: &MoveTicket, outcome: &Outcome, at_ms: u64) {
        match outcome {
            Outcome::OrderMoved(moved) => self.move_to(moved),
            Outcome::OrderChanged(change) => {
                if let Some(story) = self.orders.get_mut(ticket.order.index()) {
                    match ticket.step {
                        TicketStep::Start => story.begun_ms = Some(at_ms),
                        TicketStep::Ready => story.ready_ms = Some(at_ms),
                        TicketStep::Collect => {
                            story.ready_ms.get_or_insert(at_ms);
                        }
                        _ => {}
                    }
                }
                if ticket.step == TicketStep::Reject {
                    self.end(ticket.order, at_ms, OrderEnd::Rejected);
                }
                self.change(ticket.order, change.state);
            }
            _ => {}
        }
    }

    fn tick(&mut self, swept: &SweptOrders, at_ms: u64) {
        for order in &swept.expired {
            let Some(story) = self.orders.get(order.index()) else { continue };
            let end = match story.state {
                OrderState::AwaitingPayment => OrderEnd::NotPaid,
                OrderState::Paid | OrderState::Sent => OrderEnd::NotAccepted,
                _ => OrderEnd::NotMade,
            };
            let to_refund = story.captured_minor > story.refunded_minor;
            self.end(*order, at_ms, end);
            self.change(
                *order,
                if to_refund { OrderState::Refunding } else { OrderState::Expired },
            );
        }
        swept.moved.iter().for_each(|moved| self.move_to(moved));
        swept.collected.iter().for_each(|order| self.change(*order, OrderState::Collected));
        for given in &swept.compensated {
            self.given.apologies += u64::from(given.apology.is_some());
            self.given.apology_minor += u64::from(given.apology_minor);
            self.given.outlets_minor += given.outlet_minor;
            self.given.unpaid_minor += given.unpaid_minor;
        }
    }

    fn move_to(&mut self, moved: &OrderMove) {
        let place = self.outlets.get(&moved.outlet.0).copied();
        let Some(story) = self.orders.get_mut(moved.order.index()) else { return };
        story.outlet = place;
        story.promised_ms = moved.promised_at_ms;
        story.moved = true;
        self.moves += 1;
        self.change(moved.order, OrderState::Paid);
    }

    fn end(&mut self, order: OrderNo, at_ms: u64, end: OrderEnd) {
        if let Some(story) = self.orders.get_mut(order.index()) {
            story.ended.get_or_insert((at_ms, end));
        }
    }

    fn change(&mut self, order: OrderNo, state: OrderState) {
        let Some(story) = self.orders.get_mut(order.index()) else { return };
        *self.standing.of(story.state) -= 1;
        story.state = state;
        *self.standing.of(state) += 1;
    }
}

#[cfg(test)]
pub(crate) mod tests;
