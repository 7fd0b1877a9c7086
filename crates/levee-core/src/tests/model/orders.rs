//! The model's opinion on orders. An order is what was said of it; where it stands is worked out anew
//! at every question.

use super::outlets::{Holder, asked};
use super::*;

/// A refund: how much, and whether it was done once its result is known.
#[derive(Clone)]
struct Refund {
    minor: u64,
    done: Option<bool>,
}

#[derive(Clone)]
pub(crate) struct Order {
    pub place: PlaceOrder,
    pub seq: u64,
    pub subsidy: u64,
    /// Who makes it.
    pub outlet: OutletNo,
    /// Who had it before, from which of the ticket's versions on it is not theirs, and whether they
    /// know.
    pub left: Option<(OutletNo, u32, bool)>,
    pub placed_ms: u64,
    pub promised_ms: u64,
    /// When it was accepted, begun, ready and collected.
    pub stages: [Option<u64>; 4],
    pub lock: Option<u32>,
    pub redemption: Option<u32>,
    /// It was, or nothing was to be paid.
    pub paid: bool,
    /// Since when it awaits something, and until when.
    pub due: (u64, u64),
    pub captured: bool,
    pub disputed: bool,
    /// What the provider said last that still counts, while there is no money.
    pub said: PaymentState,
    pub trade: Option<(NameHash, TradeKey)>,
    /// How far the ticket has come.
    pub reached: OrderState,
    pub end: Option<OrderEnd>,
    /// Somebody is to be compensated.
    pub owed: bool,
    /// The user's voucher and the outlet's money.
    pub given: (Option<VoucherNo>, u64),
    pub withdrawn: bool,
    pub version: u32,
    pub last: Option<(TicketStep, u64, u64, OrderChange)>,
    asked: u64,
    refunds: Vec<Refund>,
    /// How many of them somebody has looked at, and when the last one was refused.
    looked_at: usize,
    refused_ms: u64,
    /// One that was refused came all the same.
    doubted: bool,
}

/// Pauses before a refund goes out again, in minutes; after the last one it does not.
const PAUSES_MIN: [u64; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360];

impl Order {
    pub(crate) fn payable(&self) -> u64 {
        self.place.total_minor - self.place.merchant_discount_minor - self.subsidy
    }

    pub(crate) fn captured(&self) -> u64 {
        if self.captured { self.payable() } else { 0 }
    }

    pub(crate) fn refunded(&self) -> u64 {
        let done = self.refunds.iter().filter(|refund| refund.done == Some(true));
        done.map(|refund| refund.minor).sum()
    }

    pub(crate) fn asked(&self) -> u64 {
        self.asked
    }

    /// How many refunds were begun.
    pub(crate) fn refunds(&self) -> u32 {
        count(self.refunds.len())
    }

    pub(super) fn under_way(&self) -> u64 {
        let under_way = self.refunds.iter().filter(|refund| refund.done.is_none());
        under_way.map(|refund| refund.minor).sum()
    }

    pub(crate) fn state(&self) -> OrderState {
        let Some(end) = self.end else { return self.reached };
        match end {
            _ if self.refunded() < self.captured() => OrderState::Refunding,
            _ if self.captured => OrderState::Refunded,
            OrderEnd::NotPaid | OrderEnd::NotAccepted | OrderEnd::NotMade => OrderState::Expired,
            OrderEnd::Rejected => OrderState::Rejected,
            _ => OrderState::Cancelled,
        }
    }

    pub(crate) fn payment(&self) -> Option<PaymentState> {
        if self.payable() == 0 {
            return None;
        }
        Some(match () {
            () if self.under_way() > 0 => PaymentState::Refunding,
            () if self.captured && self.refunded() == self.payable() => PaymentState::Refunded,
            () if self.captured => PaymentState::Succeeded,
            () => self.said,
        })
    }

    pub(super) fn ask(&mut self, minor: u64) {
        self.asked += minor;
        self.next_refund();
    }

    fn next_refund(&mut self) {
        let minor = self.asked - self.refunded();
        if self.under_way() == 0 && minor > 0 {
            self.refunds.push(Refund { minor, done: None });
        }
    }

    pub(super) fn refund_came(&mut self, now: u64, done: bool) {
        self.refunds.last_mut().expect("one is under way").done = Some(done);
        if !done {
            self.refused_ms = now;
            self.disputed |= self.is_held();
        }
        self.doubted &= !done;
        self.next_refund();
    }

    /// How often in a row what is to be given back was refused.
    fn refusals(&self) -> usize {
        let known = self.refunds[self.looked_at..].iter().filter_map(|refund| refund.done);
        known.rev().take_while(|done| !done).count()
    }

    fn is_held(&self) -> bool {
        self.doubted || self.refusals() > PAUSES_MIN.len()
    }

    /// What came of a refund is not what was said before.
    pub(super) fn doubt(&mut self, done: bool) {
        self.disputed = true;
        self.doubted |= done && self.under_way() > 0;
    }

    /// From when on the refund under way may be sent; in whole seconds of the order's life.
    fn refund_from_ms(&self) -> u64 {
        match self.refusals() {
            0 => 0,
            refusals => {
                let from_ms = self.refused_ms + PAUSES_MIN[refusals - 1] * 60_000;
                self.placed_ms + (from_ms - self.placed_ms).div_ceil(1_000) * 1_000
            }
        }
    }

    /// Somebody has.
    pub(super) fn look(&mut self) {
        self.disputed = false;
        if self.is_held() {
            self.looked_at = self.refunds.iter().filter(|refund| refund.done.is_some()).count();
            self.doubted = false;
        }
    }

    /// Outlets that may make it instead: once.
    pub(crate) fn others(&self) -> &[OutletNo] {
        if self.left.is_some() { &[] } else { &self.place.others }
    }

    pub(super) fn check_party(&self, by: Party) -> Result<(), Refusal> {
        match by {
            Party::User(user) if user != self.place.user => Err(Refusal::OrderOfAnotherUser),
            Party::Outlet(outlet) if outlet != self.outlet => Err(Refusal::OrderOfAnotherOutlet),
            _ => Ok(()),
        }
    }

    pub(super) fn finish(&mut self, end: OrderEnd) {
        self.end = Some(end);
        self.last = None;
        self.version += u32::from(self.version > 0);
        if !self.captured && self.said != PaymentState::Closed {
            self.said = PaymentState::Unknown;
        }
        self.ask(self.captured() - self.asked);
    }

    pub(crate) fn to_do(&self, order: OrderNo) -> Vec<Action> {
        let (outlet, version) = (self.outlet, self.version);
        let mut to_do = Vec::new();
        if self.payment() == Some(PaymentState::Created) && self.trade.is_none() {
            to_do.push(Action::CreatePayment { order, payable_minor: self.payable() });
        }
        if self.trade.is_some() && self.state() == OrderState::AwaitingPayment {
            to_do.push(Action::LookAtPayment { order });
        }
        if self.payment() == Some(PaymentState::Unknown) {
            to_do.push(Action::ClosePayment { order });
        }
        if self.state() == OrderState::Paid {
            to_do.push(Action::SendTicket { order, outlet, version });
        }
        let known = self.end == Some(OrderEnd::Rejected) || self.withdrawn;
        if self.end.is_some() && self.paid && !known {
            to_do.push(Action::CancelTicket { order, outlet, version });
        }
        if self.under_way() > 0 && !self.is_held() {
            let (refund, amount_minor) = (count(self.refunds.len()), self.under_way());
            let from_ms = self.refund_from_ms();
            to_do.push(Action::Refund { order, refund, amount_minor, from_ms });
        }
        if self.disputed {
            to_do.push(Action::ReviewPayment { order });
        }
        if let Some((outlet, version, false)) = self.left {
            to_do.push(Action::CancelTicket { order, outlet, version });
        }
        to_do
    }
}

impl Model {
    pub(super) fn place(&mut self, now: u64, place: &PlaceOrder) -> Came {
        let lines = place.lines.len();
        let by = |by: u64| by < now || by > now + PROMISED_AHEAD_MS_MAX;
        let others = &place.others;
        for (wrong, field) in [
            (lines == 0 || lines > LINES_MAX, "lines"),
            (place.lines.iter().any(|line| line.quantity == 0), "lines"),
            (place.total_minor == 0 || place.total_minor > BILL_MINOR_MAX, "total_minor"),
            (place.merchant_discount_minor > place.total_minor, "merchant_discount_minor"),
            (place.ready_by_ms.is_some_and(by), "pickup_by"),
            (place.courier_ms.is_some_and(|way| way > TRAVEL_MS_MAX), "fulfilment"),
            (others.len() > 2 || others.contains(&place.outlet), "allow_other_outlet"),
            (place.work == 0 || place.work > WORK_MAX, "work"),
            (place.pay_within_ms == 0 || place.pay_within_ms > PAY_WITHIN_MS_MAX, "pay_within"),
        ] {
            if wrong {
                return Err(Refusal::InvalidField(field));
            }
        }
        let at = place.outlet.index();
        if others.iter().chain([&place.outlet]).any(|o| o.index() >= self.outlets.len()) {
            return Err(Refusal::OutletNotFound);
        }
        if self.outlets[at].version != place.outlet_version {
            return Err(Refusal::OutletChanged);
        }
        if place.campaign.is_some_and(|campaign| campaign.index() >= self.campaigns.len()) {
            return Err(Refusal::CampaignNotFound);
        }
        if self.pause_at(now, at).is_some() {
            return Err(Refusal::OutletPaused);
        }
        if self.is_broken(at) {
            return Err(Refusal::OutletUnreachable);
        }
        let brand = self.outlets[at].put.brand;
        let left = place.total_minor - place.merchant_discount_minor;
        let mut subsidy = 0;
        if let Some(voucher) = place.voucher {
            let bill = Bill {
                voucher,
                user: place.user,
                order_minor: left,
                brand: Some(brand),
                categories: place.categories,
            };
            subsidy = self.discount(now, &bill, None)?;
        }
        let is_paid = subsidy == left;
        let asked = asked(place.work, 0, !is_paid);
        let offer = self.offer(now, place, asked)?;
        let free = || self.ready(now, at, asked, place.ready_by_ms);
        let promised_ms = offer.map(|(_, ready_ms)| ready_ms).or_else(free);
        let promised_ms = promised_ms.ok_or(Refusal::OutletBusy)?;
        let is_as_offered = offer.is_some_and(|(offered_ms, _)| offered_ms == promised_ms);
        let number = count(self.orders.len());
        let holder = Holder::Order(number);
        if let Some(OfferNo { quote, place }) = place.offer.filter(|_| is_as_offered) {
            let taken = self.promised_to(Holder::Offer(quote.0, place)).expect("it is held");
            self.promised[taken].holder = holder;
            self.end_quote(now, quote.0, Some(place));
        } else {
            // What was offered for too early a time has capacity of its own.
            if let Some(offer) = place.offer {
                self.end_quote(now, offer.quote.0, None);
            }
            self.promise(now, holder, at, place.work, promised_ms);
        }
        let mut order = Order {
            place: place.clone(),
            seq: self.seq + 1,
            subsidy,
            outlet: place.outlet,
            left: None,
            placed_ms: now,
            promised_ms,
            stages: [None; 4],
            lock: None,
            redemption: None,
            paid: false,
            due: (now, now + place.pay_within_ms),
            captured: false,
            disputed: false,
            said: PaymentState::Created,
            trade: None,
            reached: OrderState::AwaitingPayment,
            end: None,
            owed: false,
            given: (None, 0),
            withdrawn: false,
            version: 0,
            last: None,
            asked: 0,
            refunds: Vec::new(),
            looked_at: 0,
            refused_ms: 0,
            doubted: false,
        };
        let mut held = Held::Nothing;
        if left == subsidy {
            (order.paid, order.reached, order.version) = (true, OrderState::Paid, 1);
            order.due = (now, self.accepts_until(now, place.outlet, promised_ms));
            order.redemption = place.voucher.map(|v| self.use_up(now, v.0, left, subsidy, true));
        } else {
            order.lock = place.voucher.map(|voucher| self.hold(now, voucher.0, order.due.1));
        }
        if let Some(lock) = order.lock {
            self.locks.get_mut(&lock).expect("made just now").of_order = true;
            held = Held::Lock(LockNo(lock));
        }
        held = order.redemption.map_or(held, |used| Held::Redemption(RedemptionNo(used)));
        let due_ms = order.due.1;
        self.orders.insert(number, order);
        Ok(Ok(Outcome::OrderPlaced {
            order: OrderNo(number),
            promised_at_ms: promised_ms,
            subsidy_minor: face(subsidy),
            held,
            due_ms,
        }))
    }

    /// Until when what it awaits must be.
    pub(crate) fn due(&self, order: &Order) -> Option<u64> {
        (order.state() <= OrderState::Ready).then(|| self.graced(order.due.0, order.due.1))
    }

    pub(crate) fn order_now(&self, now: u64, number: OrderNo) -> Result<Order, Refusal> {
        let mut order = self.orders.get(&number.0).ok_or(Refusal::OrderNotFound)?.clone();
        if self.due(&order).is_some_and(|due| due <= now) {
            match order.state() {
                OrderState::AwaitingPayment => order.finish(OrderEnd::NotPaid),
                // Until somebody has asked the others.
                OrderState::Paid | OrderState::Sent if !order.others().is_empty() => {}
                OrderState::Paid | OrderState::Sent => order.finish(OrderEnd::NotAccepted),
                OrderState::Ready => {
                    order.reached = OrderState::Collected;
                    order.version += 1;
                    order.last = None;
                }
                _ => order.finish(OrderEnd::NotMade),
            }
        }
        Ok(order)
    }

    /// The kitchen has its capacity back once the order is being made no more.
    fn follow_at_kitchen(&mut self, now: u64, number: u32, order: &Order) {
        let Some(place) = self.promised_to(Holder::Order(number)) else { return };
        let Promised { outlet, ticket, begun_ms, .. } = self.promised[place];
        let pace = self.pace();
        let kitchen = &mut self.outlets[outlet].kitchen;
        let lesson = match (order.state(), begun_ms) {
            (state, _) if state < OrderState::Making => return,
            (OrderState::Making, None) => {
                kitchen.begin(now, ticket, &pace);
                self.promised[place].begun_ms = Some(now);
                return;
            }
            (OrderState::Making, Some(_)) => return,
            (OrderState::Ready | OrderState::Collected, None) => {
                kitchen.finish_unbegun(now, ticket, &pace)
            }
            (OrderState::Ready | OrderState::Collected, Some(begun_ms)) => {
                kitchen.finish(now, ticket, begun_ms, &pace)
            }
            (_, None) => {
                kitchen.take_back(now, ticket, &pace);
                None
            }
            (_, Some(_)) => {
                kitchen.give_up(now, ticket, &pace);
                None
            }
        };
        if let Some(lesson) = lesson {
            self.experience.learn(lesson, &pace);
        }
        self.promised.remove(place);
    }

    /// The voucher follows the order.
    pub(super) fn keep(&mut self, now: u64, number: OrderNo, mut order: Order) -> OrderChange {
        self.follow_at_kitchen(now, number.0, &order);
        let (mut redemption, mut voucher) = (None, None);
        if order.end.is_some() && self.orders[&number.0].end.is_none() {
            order.owed = self.is_owed_for(&order);
        }
        if order.end.is_some() {
            let lock = order.lock.take().filter(|lock| self.locks[lock].held);
            voucher = lock.map(|lock| self.let_go(now, lock));
            if let Some(used) = order.redemption.take() {
                voucher = Some(self.roll_back(now, used));
            }
        } else if order.paid && order.lock.take().is_some() {
            let bill = order.place.total_minor - order.place.merchant_discount_minor;
            let used = order.place.voucher.expect("was locked");
            redemption = Some(self.use_up(now, used.0, bill, order.subsidy, true));
            order.redemption = redemption;
        }
        let change = OrderChange {
            state: order.state(),
            payment: order.payment(),
            version: order.version,
            redemption: redemption.map(RedemptionNo),
            voucher,
            ended: order.state() >= OrderState::Collected
                && self.orders[&number.0].state() < OrderState::Collected,
        };
        let was_collected = self.orders[&number.0].reached == OrderState::Collected;
        let collected = order.reached == OrderState::Collected && !was_collected;
        if let Some(used) = order.redemption.filter(|_| collected)
            && self.undo_end(&self.redemptions[&used]) <= now
        {
            self.redemptions.get_mut(&used).expect("known").settled = true;
        }
        self.orders.insert(number.0, order);
        change
    }

    /// Whether a redemption is of an order that may still end without being collected.
    pub(super) fn is_kept_open(&self, redemption: u32) -> bool {
        let mut orders = self.orders.values();
        orders.any(|order| order.redemption == Some(redemption) && order.state().is_open())
    }

    pub(super) fn tick_orders(&mut self, now: u64, limit: usize) -> SweptOrders {
        let mut swept = SweptOrders::default();
        let awaiting = self.orders.iter();
        let due = awaiting.filter_map(|(number, order)| Some((self.due(order)?, *number)));
        let mut due: Vec<(u64, u32)> = due.filter(|(due, _)| *due <= now).collect();
        due.sort_unstable();
        for (_, number) in due.into_iter().take(limit) {
            let number = OrderNo(number);
            let mut order = self.order_now(now, number).expect("known");
            let moved = match order.state() {
                OrderState::Paid | OrderState::Sent => {
                    self.move_order(now, number, &mut order, false)
                }
                _ => None,
            };
            match (moved, order.state()) {
                (Some(moved), _) => swept.moved.push(moved),
                (None, OrderState::Collected) => swept.collected.push(number),
                (None, OrderState::Paid | OrderState::Sent) => {
                    order.finish(OrderEnd::NotAccepted);
                    swept.expired.push(number);
                }
                (None, _) => swept.expired.push(number),
            }
            let voucher = order.place.voucher;
            let change = self.keep(now, number, order);
            let is_over = change.voucher == Some(VoucherState::Expired);
            swept.vouchers.extend(voucher.filter(|_| is_over));
        }
        let owed = self.orders.iter().filter(|(_, order)| order.owed).map(|(number, _)| *number);
        let owed: Vec<u32> = owed.take(limit - swept.len()).collect();
        for number in owed {
            let given = self.compensate(now, number);
            swept.compensated.push(given);
        }
        for number in self.quotes_due(now).into_iter().take(limit - swept.len()) {
            self.end_quote(now, number, None);
            swept.released.push(QuoteNo(number));
        }
        let pauses = self.outlets.iter().enumerate();
        let ends = pauses.filter_map(|(number, outlet)| Some((outlet.pause.as_ref()?.0?, number)));
        let mut over: Vec<(u64, usize)> = ends.filter(|(end, _)| *end <= now).collect();
        over.sort_unstable();
        for (_, number) in over.into_iter().take(limit - swept.len()) {
            self.outlets[number].pause = None;
            swept.resumed.push(OutletNo(count(number)));
        }
        swept
    }
}
