//! The model's opinion on outlets and orders. An order is what was said of it; where it stands is
//! worked out anew at every question.

use super::*;

pub(crate) struct Outlet {
    pub put: PutOutlet,
    pub version: u32,
    /// Until when, where that ends by itself, and why.
    pub pause: Option<(Option<u64>, String)>,
}

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
    placed_ms: u64,
    lock: Option<u32>,
    redemption: Option<u32>,
    /// When it was paid; when it was placed, where nothing was to be paid.
    paid_ms: Option<u64>,
    /// The outlet's time to accept, as it was when the order was paid.
    accept_within_ms: u64,
    captured: bool,
    /// What the provider said last that still counts, while there is no money.
    said: PaymentState,
    trade: Option<(NameHash, TradeKey)>,
    /// How far the ticket has come.
    reached: OrderState,
    pub end: Option<OrderEnd>,
    withdrawn: bool,
    pub version: u32,
    last: Option<(TicketStep, u64, u64, OrderChange)>,
    asked: u64,
    refunds: Vec<Refund>,
}

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

    fn under_way(&self) -> u64 {
        let under_way = self.refunds.iter().filter(|refund| refund.done.is_none());
        under_way.map(|refund| refund.minor).sum()
    }

    pub(crate) fn state(&self) -> OrderState {
        let Some(end) = self.end else { return self.reached };
        match end {
            _ if self.refunded() < self.captured() => OrderState::Refunding,
            _ if self.captured => OrderState::Refunded,
            OrderEnd::NotPaid | OrderEnd::NotAccepted => OrderState::Expired,
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

    fn ask(&mut self, minor: u64) {
        self.asked += minor;
        self.next_refund();
    }

    fn next_refund(&mut self) {
        let minor = self.asked - self.refunded();
        if self.under_way() == 0 && minor > 0 {
            self.refunds.push(Refund { minor, done: None });
        }
    }

    fn finish(&mut self, end: OrderEnd) {
        self.end = Some(end);
        self.last = None;
        self.version += u32::from(self.version > 0);
        if !self.captured && self.said != PaymentState::Closed {
            self.said = PaymentState::Unknown;
        }
        self.ask(self.captured() - self.asked);
    }

    pub(crate) fn to_do(&self, order: OrderNo) -> Vec<Action> {
        let (outlet, version) = (self.place.outlet, self.version);
        let mut to_do = Vec::new();
        if self.payment() == Some(PaymentState::Created) && self.trade.is_none() {
            to_do.push(Action::CreatePayment { order, payable_minor: self.payable() });
        }
        if self.payment() == Some(PaymentState::Unknown) {
            to_do.push(Action::ClosePayment { order });
        }
        if self.state() == OrderState::Paid {
            to_do.push(Action::SendTicket { order, outlet, version });
        }
        let known = self.end == Some(OrderEnd::Rejected) || self.withdrawn;
        if self.end.is_some() && self.paid_ms.is_some() && !known {
            to_do.push(Action::CancelTicket { order, outlet, version });
        }
        if self.under_way() > 0 {
            let refund = count(self.refunds.len());
            to_do.push(Action::Refund { order, refund, amount_minor: self.under_way() });
        }
        to_do
    }
}

impl Model {
    fn outlet(&self, id: &OutletId) -> Option<usize> {
        self.outlets.iter().position(|outlet| outlet.put.id == *id)
    }

    pub(crate) fn pause_at(&self, now: u64, outlet: usize) -> Option<&(Option<u64>, String)> {
        let pause = self.outlets[outlet].pause.as_ref();
        pause.filter(|(until, _)| until.is_none_or(|until| until > now))
    }

    pub(super) fn put_outlet(&mut self, put: &PutOutlet) -> Came {
        for (right, field) in [
            (put.document.len() <= DOCUMENT_LEN_MAX, "document"),
            (put.stations > 0 && put.stations <= STATIONS_MAX, "stations"),
            (
                put.accept_within_ms > 0 && put.accept_within_ms <= ACCEPT_WITHIN_MS_MAX,
                "accept_within",
            ),
        ] {
            if !right {
                return Err(Refusal::InvalidField(field));
            }
        }
        let number = self.outlet(&put.id).unwrap_or(self.outlets.len());
        match self.outlets.get_mut(number) {
            Some(outlet) if outlet.put == *put => return Err(Refusal::Unchanged),
            Some(outlet) => {
                outlet.put = put.clone();
                outlet.version += 1;
            }
            None => self.outlets.push(Outlet { put: put.clone(), version: 1, pause: None }),
        }
        let version = self.outlets[number].version;
        Ok(Ok(Outcome::OutletPut { outlet: OutletNo(count(number)), version }))
    }

    pub(super) fn pause(&mut self, now: u64, ask: &PauseOutlet) -> Came {
        if ask.reason.is_empty() || ask.reason.len() > REASON_LEN_MAX {
            return Err(Refusal::InvalidField("reason"));
        }
        if ask.until_ms.is_some_and(|until| until <= now || until - now > DURATION_MS_MAX) {
            return Err(Refusal::InvalidField("until"));
        }
        let number = self.outlet(&ask.outlet).ok_or(Refusal::OutletNotFound)?;
        if self.pause_at(now, number).is_some_and(|(until, _)| *until == ask.until_ms) {
            return Err(Refusal::Unchanged);
        }
        self.outlets[number].pause = Some((ask.until_ms, ask.reason.clone()));
        Ok(Ok(Outcome::OutletPaused))
    }

    pub(super) fn resume_outlet(&mut self, now: u64, ask: &ResumeOutlet) -> Came {
        if ask.reason.is_empty() || ask.reason.len() > REASON_LEN_MAX {
            return Err(Refusal::InvalidField("reason"));
        }
        let number = self.outlet(&ask.outlet).ok_or(Refusal::OutletNotFound)?;
        if self.pause_at(now, number).is_none() {
            return Err(Refusal::Unchanged);
        }
        self.outlets[number].pause = None;
        Ok(Ok(Outcome::OutletResumed))
    }

    pub(super) fn place(&mut self, now: u64, place: &PlaceOrder) -> Came {
        let lines = place.lines.len();
        let promised = place.promised_at_ms;
        for (wrong, field) in [
            (lines == 0 || lines > LINES_MAX, "lines"),
            (place.lines.iter().any(|line| line.quantity == 0), "lines"),
            (place.total_minor == 0 || place.total_minor > BILL_MINOR_MAX, "total_minor"),
            (place.merchant_discount_minor > place.total_minor, "merchant_discount_minor"),
            (promised < now || promised > now + PROMISED_AHEAD_MS_MAX, "promised_at"),
            (place.work == 0 || place.work > WORK_MAX, "work"),
            (place.pay_within_ms == 0 || place.pay_within_ms > PAY_WITHIN_MS_MAX, "pay_within"),
        ] {
            if wrong {
                return Err(Refusal::InvalidField(field));
            }
        }
        let number = place.outlet.index();
        let outlet = self.outlets.get(number).ok_or(Refusal::OutletNotFound)?;
        if self.pause_at(now, number).is_some() {
            return Err(Refusal::OutletPaused);
        }
        let accept_within_ms = outlet.put.accept_within_ms;
        let left = place.total_minor - place.merchant_discount_minor;
        let mut subsidy = 0;
        if let Some(voucher) = place.voucher {
            let bill = Bill {
                voucher,
                user: place.user,
                order_minor: left,
                brand: Some(outlet.put.brand),
                categories: place.categories,
            };
            subsidy = self.discount(now, &bill, None)?;
        }
        let number = count(self.orders.len());
        let mut order = Order {
            place: place.clone(),
            seq: self.seq + 1,
            subsidy,
            placed_ms: now,
            lock: None,
            redemption: None,
            paid_ms: None,
            accept_within_ms,
            captured: false,
            said: PaymentState::Created,
            trade: None,
            reached: OrderState::AwaitingPayment,
            end: None,
            withdrawn: false,
            version: 0,
            last: None,
            asked: 0,
            refunds: Vec::new(),
        };
        let mut due_ms = now + place.pay_within_ms;
        if left == subsidy {
            (order.paid_ms, order.reached, order.version) = (Some(now), OrderState::Paid, 1);
            due_ms = now + accept_within_ms;
            order.redemption = place.voucher.map(|v| self.use_up(now, v.0, left, subsidy, true));
        } else {
            order.lock = place.voucher.map(|voucher| self.hold(now, voucher.0, due_ms));
        }
        if let Some(lock) = order.lock {
            self.locks.get_mut(&lock).expect("made just now").of_order = true;
        }
        let (lock, redemption) = (order.lock.map(LockNo), order.redemption.map(RedemptionNo));
        self.orders.insert(number, order);
        Ok(Ok(Outcome::OrderPlaced {
            order: OrderNo(number),
            subsidy_minor: face(subsidy),
            lock,
            redemption,
            due_ms,
        }))
    }

    pub(crate) fn due(&self, order: &Order) -> Option<u64> {
        match (order.state(), order.paid_ms) {
            (OrderState::AwaitingPayment, _) => {
                Some(self.graced(order.placed_ms, order.placed_ms + order.place.pay_within_ms))
            }
            (OrderState::Paid | OrderState::Sent, Some(paid_ms)) => {
                Some(self.graced(paid_ms, paid_ms + order.accept_within_ms))
            }
            _ => None,
        }
    }

    pub(crate) fn order_now(&self, now: u64, number: OrderNo) -> Result<Order, Refusal> {
        let mut order = self.orders.get(&number.0).ok_or(Refusal::OrderNotFound)?.clone();
        if self.due(&order).is_some_and(|due| due <= now) {
            let paid = order.paid_ms.is_some();
            order.finish(if paid { OrderEnd::NotAccepted } else { OrderEnd::NotPaid });
        }
        Ok(order)
    }

    /// The voucher follows the order.
    fn keep(&mut self, now: u64, number: OrderNo, mut order: Order) -> OrderChange {
        let (mut redemption, mut voucher) = (None, None);
        if order.end.is_some() {
            let lock = order.lock.take().filter(|lock| self.locks[lock].held);
            voucher = lock.map(|lock| self.let_go(now, lock));
            if let Some(used) = order.redemption.take() {
                voucher = Some(self.roll_back(now, used));
            }
        } else if order.paid_ms.is_some() && order.lock.take().is_some() {
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
        };
        let collected = order.reached == OrderState::Collected;
        if let Some(used) = order.redemption.filter(|_| collected)
            && self.undo_end(&self.redemptions[&used]) <= now
        {
            self.redemptions.get_mut(&used).expect("known").settled = true;
        }
        self.orders.insert(number.0, order);
        change
    }

    pub(super) fn said_before(&self, command: &Command) -> Result<Option<Said>, Refusal> {
        let Some(said) = event(command).and_then(|name| self.events.get(&name)) else {
            return Ok(None);
        };
        if said.body == *command { Ok(Some(said.clone())) } else { Err(Refusal::ReferenceReused) }
    }

    pub(super) fn payment(&mut self, now: u64, ask: &RecordPayment, command: &Command) -> Came {
        if let Some(said) = self.said_before(command)? {
            return Ok(Err(said));
        }
        let mut order = self.order_now(now, ask.order)?;
        let Some(payment) = order.payment() else { return Err(Refusal::PaymentNotFound) };
        let trade = (ask.provider, ask.trade);
        if order.trade.is_some_and(|known| known != trade) {
            return Err(Refusal::TradeConflict);
        }
        let is_news = order.trade.replace(trade).is_none();
        if let PaymentEvent::Succeeded { captured_minor } = ask.event {
            if order.captured {
                return Err(Refusal::Unchanged);
            }
            if captured_minor != order.payable() {
                return Err(Refusal::CapturedAmountWrong);
            }
            order.captured = true;
            if order.end.is_some() {
                order.ask(captured_minor);
            } else {
                (order.paid_ms, order.reached, order.version) = (Some(now), OrderState::Paid, 1);
                let outlet = &self.outlets[order.place.outlet.index()];
                order.accept_within_ms = outlet.put.accept_within_ms;
            }
        } else {
            let (from, to): (&[PaymentState], _) = match ask.event {
                PaymentEvent::Pending => {
                    (&[PaymentState::Created, PaymentState::Failed], PaymentState::Pending)
                }
                PaymentEvent::Failed => (
                    &[PaymentState::Created, PaymentState::Pending, PaymentState::Unknown],
                    PaymentState::Failed,
                ),
                PaymentEvent::Closed => (
                    &[
                        PaymentState::Created,
                        PaymentState::Pending,
                        PaymentState::Failed,
                        PaymentState::Unknown,
                    ],
                    PaymentState::Closed,
                ),
                _ => (&[], payment),
            };
            if from.contains(&payment) {
                order.said = to;
            } else if !is_news {
                return Err(Refusal::Unchanged);
            }
        }
        Ok(Ok(Outcome::OrderChanged(self.keep(now, ask.order, order))))
    }

    pub(super) fn refund_result(&mut self, now: u64, ask: RecordRefund, command: &Command) -> Came {
        if let Some(said) = self.said_before(command)? {
            return Ok(Err(said));
        }
        let begun = self.orders.get(&ask.order.0).map_or(0, |order| order.refunds.len());
        let mut order = self.order_now(now, ask.order)?;
        let latest = order.refunds.len();
        if count(latest) != ask.refund || latest > begun || order.under_way() == 0 {
            return Err(Refusal::RefundNotFound);
        }
        order.refunds[latest - 1].done = Some(ask.result == RefundResult::Done);
        order.next_refund();
        Ok(Ok(Outcome::OrderChanged(self.keep(now, ask.order, order))))
    }

    pub(super) fn ticket(&mut self, now: u64, ask: MoveTicket) -> Came {
        let mut order = self.order_now(now, ask.order)?;
        if order.place.outlet != ask.outlet {
            return Err(Refusal::OrderOfAnotherOutlet);
        }
        if let Some((step, seq, at_ms, change)) = order.last
            && step == ask.step
            && change.version == order.version
            && u64::from(ask.version) + 1 == u64::from(order.version)
        {
            let body = Command::MoveTicket(ask);
            return Ok(Err(Said { body, seq, at_ms, outcome: Outcome::OrderChanged(change) }));
        }
        let state = order.state();
        let conflict = Err(Refusal::OrderStateConflict(state));
        if order.version == 0 {
            return conflict;
        }
        if order.version != ask.version {
            return Err(Refusal::TicketVersionConflict);
        }
        let to_do = order.to_do(ask.order);
        match ask.step {
            TicketStep::Reject if state <= OrderState::Accepted => {
                order.finish(OrderEnd::Rejected);
            }
            TicketStep::Withdraw
                if to_do.iter().any(|action| matches!(action, Action::CancelTicket { .. })) =>
            {
                order.withdrawn = true;
                order.version += 1;
            }
            TicketStep::Reject | TicketStep::Withdraw => return conflict,
            step => {
                let to = match step {
                    TicketStep::Send => OrderState::Sent,
                    TicketStep::Accept => OrderState::Accepted,
                    TicketStep::Start => OrderState::Making,
                    TicketStep::Ready => OrderState::Ready,
                    _ => OrderState::Collected,
                };
                if order.end.is_some() || order.reached >= to {
                    return conflict;
                }
                order.reached = to;
                order.version += 1;
            }
        }
        let change = self.keep(now, ask.order, order);
        let order = self.orders.get_mut(&ask.order.0).expect("known");
        order.last = Some((ask.step, self.seq + 1, now, change));
        Ok(Ok(Outcome::OrderChanged(change)))
    }

    fn check_party(order: &Order, by: Party) -> Result<(), Refusal> {
        match by {
            Party::User(user) if user != order.place.user => Err(Refusal::OrderOfAnotherUser),
            Party::Outlet(outlet) if outlet != order.place.outlet => {
                Err(Refusal::OrderOfAnotherOutlet)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn cancel(&mut self, now: u64, ask: &CancelOrder) -> Came {
        if ask.reason.len() > REASON_LEN_MAX {
            return Err(Refusal::InvalidField("reason"));
        }
        let mut order = self.order_now(now, ask.order)?;
        Self::check_party(&order, ask.by)?;
        let is_made = matches!(order.reached, OrderState::Making | OrderState::Ready);
        let too_late =
            order.reached == OrderState::Collected || is_made && matches!(ask.by, Party::User(_));
        if order.end.is_some() || too_late {
            return Err(Refusal::OrderStateConflict(order.state()));
        }
        order.finish(match ask.by {
            Party::User(_) => OrderEnd::ByUser,
            Party::Outlet(_) => OrderEnd::ByOutlet,
            Party::Operator => OrderEnd::ByOperator,
        });
        Ok(Ok(Outcome::OrderChanged(self.keep(now, ask.order, order))))
    }

    pub(super) fn refund(&mut self, now: u64, ask: &RefundOrder) -> Came {
        if ask.reason.is_empty() || ask.reason.len() > REASON_LEN_MAX {
            return Err(Refusal::InvalidField("reason"));
        }
        if matches!(ask.by, Party::User(_)) {
            return Err(Refusal::InvalidField("by"));
        }
        if ask.amount_minor == 0 {
            return Err(Refusal::InvalidField("amount_minor"));
        }
        let mut order = self.order_now(now, ask.order)?;
        Self::check_party(&order, ask.by)?;
        if u128::from(ask.amount_minor) + u128::from(order.asked) > order.captured().into() {
            return Err(Refusal::RefundTooLarge);
        }
        order.ask(ask.amount_minor);
        Ok(Ok(Outcome::OrderChanged(self.keep(now, ask.order, order))))
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
            let order = self.order_now(now, number).expect("known");
            self.keep(now, number, order);
            swept.expired.push(number);
        }
        let pauses = self.outlets.iter().enumerate();
        let ends = pauses.filter_map(|(number, outlet)| Some((outlet.pause.as_ref()?.0?, number)));
        let mut over: Vec<(u64, usize)> = ends.filter(|(end, _)| *end <= now).collect();
        over.sort_unstable();
        for (_, number) in over.into_iter().take(limit - swept.expired.len()) {
            self.outlets[number].pause = None;
            swept.resumed.push(OutletNo(count(number)));
        }
        swept
    }
}

/// What an event is known by.
pub(super) fn event(command: &Command) -> Option<(u8, u32, [u8; 16])> {
    match command {
        Command::RecordPayment(ask) => {
            let kind = match ask.event {
                PaymentEvent::Created => 1,
                PaymentEvent::Pending => 2,
                PaymentEvent::Succeeded { .. } => 3,
                PaymentEvent::Failed => 4,
                PaymentEvent::Closed => 5,
            };
            Some((kind, ask.provider.0, ask.trade.0))
        }
        Command::RecordRefund(ask) => {
            let mut order = [0; 16];
            order[..4].copy_from_slice(&ask.order.0.to_be_bytes());
            Some((6, ask.refund, order))
        }
        _ => None,
    }
}
