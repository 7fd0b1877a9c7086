//! Orders: what may be placed, what payments, tickets and refunds make of it, and what becomes of
//! the voucher. Where an order stands is worked out here from what was said of it.

use levee_core::types::{
    BILL_MINOR_MAX, Bill, CampaignNo, CancelOrder, Held, LINES_MAX, LockNo, MoveTicket,
    OrderChange, OrderEnd, OrderNo, OrderState, Outcome, PAY_WITHIN_MS_MAX, PROMISED_AHEAD_MS_MAX,
    Party, PaymentEvent, PaymentState, PlaceOrder, REASON_LEN_MAX, RecordPayment, RecordRefund,
    RedemptionNo, RefundOrder, RefundResult, TicketStep, VoucherNo, VoucherState, WORK_MAX,
};

use super::order::{Order, OrdersReport};
use super::recount::Recount;
use super::tables::{Lock, LockState, Redemption, RedemptionState};
use super::vouchers::or_expected;

impl Recount {
    pub(super) fn place(&mut self, ask: &PlaceOrder, outcome: &Outcome) {
        let Outcome::OrderPlaced { order: number, promised_at_ms, subsidy_minor, held, due_ms } =
            *outcome
        else {
            return;
        };
        let (lock, redemption) = match held {
            Held::Nothing => (None, None),
            Held::Lock(lock) => (Some(lock), None),
            Held::Redemption(redemption) => (None, Some(redemption)),
        };
        if let Some(what) = self.orders.misnumbered(number.0) {
            self.notes.note(what);
        }
        self.check_ask(ask, promised_at_ms);
        let now_ms = self.now_ms;
        let Some(outlet) = self.outlets.get(ask.outlet).copied() else {
            self.notes.note(format!("there is no outlet {}", ask.outlet));
            self.orders.put(number.0, None);
            return;
        };
        let is_paused = outlet.is_paused_at(now_ms);
        self.notes
            .check(!is_paused, || format!("an order at outlet {}, which is paused", ask.outlet));
        let bill_minor = ask.total_minor.saturating_sub(ask.merchant_discount_minor);
        let subsidy = u64::from(subsidy_minor);
        self.notes.check(subsidy <= bill_minor, || {
            format!("a subsidy of {subsidy} for a bill of {bill_minor}")
        });
        let payable_minor = bill_minor.saturating_sub(subsidy);
        let mut order = Order {
            user: ask.user,
            outlet: ask.outlet,
            voucher: ask.voucher,
            subsidy_minor,
            payable_minor,
            lock: None,
            redemption: None,
            due: (now_ms, now_ms.saturating_add(ask.pay_within_ms)),
            reached: OrderState::AwaitingPayment,
            end: None,
            said: PaymentState::Created,
            trade: None,
            captured: false,
            asked_minor: 0,
            refunded_minor: 0,
            under_way_minor: 0,
            refunds: 0,
            version: 0,
            withdrawn: false,
        };
        if payable_minor == 0 {
            order.pay(now_ms, outlet.accept_within_ms);
        }
        let (_, expected_ms) = order.due;
        self.notes.check(due_ms == expected_ms, || {
            format!("order {number} is due at {expected_ms}, not {due_ms}")
        });
        let is_paid = payable_minor == 0;
        let has = (lock.is_some(), redemption.is_some());
        let expected = (ask.voucher.is_some() && !is_paid, ask.voucher.is_some() && is_paid);
        self.notes.check(has == expected, || {
            format!("order {number} has lock {lock:?} and redemption {redemption:?}")
        });
        self.notes.check(ask.voucher.is_some() || subsidy == 0, || {
            format!("a subsidy of {subsidy} without a voucher")
        });
        if let Some(voucher) = ask.voucher {
            let bill = Bill {
                voucher,
                user: ask.user,
                order_minor: bill_minor,
                brand: Some(outlet.brand),
                categories: ask.categories,
            };
            self.check_voucher(&bill, subsidy_minor);
            if let Some(lock) = lock {
                order.lock = Some(lock);
                self.hold(lock, voucher, due_ms, Some(number));
            }
            if let Some(redemption) = redemption {
                order.redemption = Some(redemption);
                self.use_for(redemption, number, &order);
            }
        }
        self.orders.put(number.0, Some(order));
    }

    /// Ranges of what may be asked for.
    fn check_ask(&mut self, ask: &PlaceOrder, promised_ms: u64) {
        let now_ms = self.now_ms;
        let lines = ask.lines.len();
        let some_of_each = ask.lines.iter().all(|line| line.quantity > 0);
        let ahead_ms = promised_ms.checked_sub(now_ms);
        for (holds, what) in [
            ((1..=LINES_MAX).contains(&lines) && some_of_each, "lines"),
            (ask.total_minor >= 1 && ask.total_minor <= BILL_MINOR_MAX, "a total"),
            (ask.merchant_discount_minor <= ask.total_minor, "a merchant's discount"),
            (ahead_ms.is_some_and(|ahead_ms| ahead_ms <= PROMISED_AHEAD_MS_MAX), "a promise"),
            (ask.work >= 1 && ask.work <= WORK_MAX, "work"),
            (ask.pay_within_ms >= 1 && ask.pay_within_ms <= PAY_WITHIN_MS_MAX, "a time to pay"),
        ] {
            self.notes.check(holds, || format!("an order with {what} out of bounds"));
        }
    }

    /// A voucher that an order names is live, its user's, and pays what the terms say.
    fn check_voucher(&mut self, bill: &Bill, subsidy_minor: u32) {
        let Some(voucher) = self.voucher_now(bill.voucher) else { return };
        self.check_owner(bill.voucher, &voucher, bill.user);
        let state = self.state_now(&voucher);
        self.notes.check(state == VoucherState::Live, || {
            format!("voucher {} pays for an order, though it was {state:?}", bill.voucher)
        });
        self.check_bill(bill, &voucher, subsidy_minor);
    }

    /// An order's voucher is used: its rest stays reserved while the order is under way.
    fn use_for(&mut self, redemption: RedemptionNo, number: OrderNo, order: &Order) {
        if let Some(what) = self.redemptions.misnumbered(redemption.0) {
            self.notes.note(what);
        }
        let Some(voucher_no) = order.voucher else { return };
        let Some(voucher) = self.vouchers.get(voucher_no.0).copied() else {
            self.redemptions.put(redemption.0, None);
            return;
        };
        let campaign = &self.campaigns[CampaignNo(voucher.campaign).index()];
        let within_ms = campaign.terms.voucher.rollback_within_ms;
        let record = Redemption {
            voucher: voucher_no,
            at_ms: self.now_ms,
            rollback_until_ms: self.now_ms.saturating_add(within_ms),
            discount_minor: order.subsidy_minor,
            rest_minor: voucher.face_minor.saturating_sub(order.subsidy_minor),
            state: RedemptionState::Open,
            order: Some(number),
        };
        self.use_up(redemption, &record);
        self.check_sums(voucher.campaign);
    }

    /// The order that a command names, as the clock has it: what it awaited is over when its time
    /// is. A difference when there is none.
    fn order_now(&mut self, number: OrderNo) -> Option<(Order, Order)> {
        let Some(before) = self.orders.get(number.0).copied() else {
            self.notes.note(format!("there is no order {number}"));
            return None;
        };
        let mut order = before;
        if order.awaits() && self.order_end_ms(&order) <= self.now_ms {
            let is_paid = order.has_ticket();
            order.finish(if is_paid { OrderEnd::NotAccepted } else { OrderEnd::NotPaid });
        }
        Some((before, order))
    }

    /// Takes what became of an order: its voucher follows, and the journal must say the same.
    fn follow(
        &mut self,
        number: OrderNo,
        before: &Order,
        after: Order,
        said: Option<&OrderChange>,
    ) {
        let (mut after, mut used, mut voucher_state) = (after, None, None);
        if after.end.is_some() && before.end.is_none() {
            voucher_state = self.let_go_of(before, said.and_then(|said| said.voucher));
            (after.lock, after.redemption) = (None, None);
        } else if before.lock.is_some() && after.reached != OrderState::AwaitingPayment {
            // The number is the journal's to give; that it is the next one is checked with it.
            used = said.and_then(|said| said.redemption);
            self.notes.check(used.is_some(), || {
                format!("order {number} is paid, and its voucher is not used")
            });
            if let Some(used) = used {
                self.use_for(used, number, &after);
            }
            (after.lock, after.redemption) = (None, used);
        } else if after.reached == OrderState::Collected && before.reached != after.reached {
            self.settle_if_over(after.redemption);
        }
        if let Some(said) = said {
            let expected = OrderChange {
                state: after.state(),
                payment: after.payment(),
                version: after.version,
                redemption: used,
                voucher: voucher_state,
            };
            self.notes.check(*said == expected, || {
                format!("order {number} became {said:?}, counted was {expected:?}")
            });
        }
        if let Some(order) = self.orders.get_mut(number.0) {
            *order = after;
        }
    }

    /// The voucher of an order that ends: unlocked, or its use undone. `None` when its lock had let
    /// go of it before.
    fn let_go_of(&mut self, order: &Order, stated: Option<VoucherState>) -> Option<VoucherState> {
        let number = order.voucher?;
        let voucher = self.vouchers.get(number.0).copied()?;
        let expected = self.state_when_let_go(&voucher);
        let to = or_expected(stated.unwrap_or(expected), expected);
        if let Some(lock) = order.lock {
            let is_held = self.locks.get(lock.0)?.state == LockState::Held;
            if !is_held {
                return None;
            }
            self.turn(number, to);
        } else {
            let redemption = order.redemption?;
            let record = self.redemptions.get_mut(redemption.0)?;
            let voucher = self.vouchers.get_mut(number.0)?;
            let campaign = &mut self.campaigns[CampaignNo(voucher.campaign).index()];
            campaign.roll_back(voucher, record, to);
        }
        self.check_sums(voucher.campaign);
        Some(expected)
    }

    /// A use whose time for rollback passed while its order was under way settles with it.
    fn settle_if_over(&mut self, redemption: Option<RedemptionNo>) {
        let Some(number) = redemption else { return };
        let Some(record) = self.redemptions.get(number.0).copied() else { return };
        let is_open = record.state == RedemptionState::Open;
        if !is_open || self.redemption_end_ms(&record) > self.now_ms {
            return;
        }
        let Some(voucher) = self.vouchers.get(record.voucher.0) else { return };
        let campaign = CampaignNo(voucher.campaign);
        if let Some(record) = self.redemptions.get_mut(number.0) {
            self.campaigns[campaign.index()].settle(record);
        }
        self.check_sums(campaign.0);
    }

    pub(super) fn payment(&mut self, ask: &RecordPayment, said: &OrderChange) {
        let event = (ask.provider.0, ask.trade.0, ask.event.kind());
        let is_new = self.payment_events.insert(event);
        self.notes.check(is_new, || format!("{:?} of this trade was taken already", ask.event));
        let Some((before, mut order)) = self.order_now(ask.order) else { return };
        let payable_minor = order.payable_minor;
        self.notes.check(payable_minor > 0, || {
            format!("a payment of order {}, where nothing is to be paid", ask.order)
        });
        let trade = (ask.provider, ask.trade);
        let is_first = order.trade.is_none();
        self.notes.check(is_first || order.trade == Some(trade), || {
            format!("order {} is paid under another trade number", ask.order)
        });
        order.trade.get_or_insert(trade);
        let was = order.said;
        match ask.event {
            PaymentEvent::Succeeded { captured_minor } => {
                self.notes.check(captured_minor == payable_minor, || {
                    format!("{captured_minor} were captured of {payable_minor}")
                });
                self.notes.check(!order.captured, || format!("order {} is paid twice", ask.order));
                order.captured = true;
                if order.end.is_some() {
                    order.give_back(payable_minor.saturating_sub(order.asked_minor));
                } else if order.reached == OrderState::AwaitingPayment {
                    let outlet = self.outlets.get(order.outlet);
                    let within_ms = outlet.map_or(0, |outlet| outlet.accept_within_ms);
                    order.pay(self.now_ms, within_ms);
                }
            }
            PaymentEvent::Created => {
                self.notes.check(is_first, || format!("order {} had a payment", ask.order));
            }
            PaymentEvent::Pending | PaymentEvent::Failed | PaymentEvent::Closed => {
                let to = match ask.event {
                    PaymentEvent::Pending => PaymentState::Pending,
                    PaymentEvent::Failed => PaymentState::Failed,
                    _ => PaymentState::Closed,
                };
                let follows = !order.captured && comes_after(was, to);
                if follows {
                    order.said = to;
                }
                self.notes.check(follows || is_first, || {
                    format!("{to:?} says nothing new of a payment that is {was:?}")
                });
            }
        }
        self.follow(ask.order, &before, order, Some(said));
    }

    pub(super) fn refund_result(&mut self, ask: RecordRefund, said: &OrderChange) {
        let Some((before, mut order)) = self.order_now(ask.order) else { return };
        let (refund, under_way_minor) = (ask.refund, before.under_way_minor);
        self.notes.check(under_way_minor > 0 && before.refunds == refund, || {
            format!("refund {refund} of order {} was not under way", ask.order)
        });
        if ask.result == RefundResult::Done {
            order.refunded_minor += order.under_way_minor;
        }
        order.under_way_minor = 0;
        order.next_refund();
        self.follow(ask.order, &before, order, Some(said));
    }

    pub(super) fn ticket(&mut self, ask: MoveTicket, said: &OrderChange) {
        let Some((before, mut order)) = self.order_now(ask.order) else { return };
        let (version, state) = (order.version, order.state());
        self.notes.check(order.outlet == ask.outlet, || {
            format!("the ticket of order {} is another outlet's", ask.order)
        });
        self.notes.check(order.has_ticket() && version == ask.version, || {
            format!("{:?} follows on version {}, the ticket's is {version}", ask.step, ask.version)
        });
        let rank = |step| match step {
            TicketStep::Send => Some(OrderState::Sent),
            TicketStep::Accept => Some(OrderState::Accepted),
            TicketStep::Start => Some(OrderState::Making),
            TicketStep::Ready => Some(OrderState::Ready),
            TicketStep::Collect => Some(OrderState::Collected),
            TicketStep::Reject | TicketStep::Withdraw => None,
        };
        let allowed = match ask.step {
            TicketStep::Reject => order.end.is_none() && state <= OrderState::Accepted,
            TicketStep::Withdraw => {
                order.end.is_some_and(|end| end != OrderEnd::Rejected) && !order.withdrawn
            }
            step => order.end.is_none() && rank(step).is_some_and(|to| to > order.reached),
        };
        self.notes.check(allowed, || format!("{:?} of an order that is {state:?}", ask.step));
        match (ask.step, rank(ask.step)) {
            (TicketStep::Reject, _) if order.end.is_none() => order.finish(OrderEnd::Rejected),
            (_, Some(to)) => {
                order.reached = to;
                order.version += 1;
            }
            _ => {
                order.withdrawn = true;
                order.version += 1;
            }
        }
        self.follow(ask.order, &before, order, Some(said));
    }

    fn check_party(&mut self, number: OrderNo, order: &Order, by: Party) {
        let is_theirs = match by {
            Party::User(user) => user == order.user,
            Party::Outlet(outlet) => outlet == order.outlet,
            Party::Operator => true,
        };
        self.notes.check(is_theirs, || format!("order {number} is not of {by:?}"));
    }

    pub(super) fn cancel(&mut self, ask: &CancelOrder, said: &OrderChange) {
        let len = ask.reason.len();
        self.notes.check(len <= REASON_LEN_MAX, || format!("a reason of {len} bytes"));
        let Some((before, mut order)) = self.order_now(ask.order) else { return };
        self.check_party(ask.order, &order, ask.by);
        let state = order.state();
        let (last, end) = match ask.by {
            Party::User(_) => (OrderState::Accepted, OrderEnd::ByUser),
            Party::Outlet(_) => (OrderState::Ready, OrderEnd::ByOutlet),
            Party::Operator => (OrderState::Ready, OrderEnd::ByOperator),
        };
        self.notes.check(order.end.is_none() && state <= last, || {
            format!("{:?} cancels an order that is {state:?}", ask.by)
        });
        if order.end.is_none() && order.reached != OrderState::Collected {
            order.finish(end);
        }
        self.follow(ask.order, &before, order, Some(said));
    }

    pub(super) fn refund(&mut self, ask: &RefundOrder, said: &OrderChange) {
        self.check_reason(&ask.reason);
        let Some((before, mut order)) = self.order_now(ask.order) else { return };
        self.check_party(ask.order, &order, ask.by);
        self.notes.check(!matches!(ask.by, Party::User(_)), || {
            format!("a user gives {} back", ask.amount_minor)
        });
        let amount_minor = ask.amount_minor;
        let left_minor = order.captured_minor().saturating_sub(order.asked_minor);
        self.notes.check(amount_minor > 0 && amount_minor <= left_minor, || {
            format!("{amount_minor} are given back of {left_minor} that are left")
        });
        order.give_back(amount_minor);
        self.follow(ask.order, &before, order, Some(said));
    }

    /// A tick says that an order was not paid, or not accepted, in time.
    pub(super) fn sweep_order(&mut self, number: OrderNo) {
        let Some(before) = self.orders.get(number.0).copied() else {
            self.notes.note(format!("there is no order {number}"));
            return;
        };
        if !before.awaits() {
            let state = before.state();
            self.notes.note(format!("order {number} expires, though it was {state:?}"));
            return;
        }
        self.check_due("order", number.0, self.order_end_ms(&before));
        let mut order = before;
        let is_paid = order.has_ticket();
        order.finish(if is_paid { OrderEnd::NotAccepted } else { OrderEnd::NotPaid });
        self.follow(number, &before, order, None);
    }

    fn order_end_ms(&self, order: &Order) -> u64 {
        let (asked_at_ms, due_ms) = order.due;
        self.graced_ms(asked_at_ms, due_ms)
    }

    /// Whether the end of an order may still undo this redemption.
    pub(super) fn is_kept_open(&self, redemption: &Redemption) -> bool {
        let order = redemption.order.and_then(|order| self.orders.get(order.0));
        order.is_some_and(Order::is_open)
    }

    /// Locks of apps and of orders: a lock is put into the table, and its voucher is locked.
    pub(super) fn hold(
        &mut self,
        number: LockNo,
        voucher: VoucherNo,
        until_ms: u64,
        order: Option<OrderNo>,
    ) {
        if let Some(what) = self.locks.misnumbered(number.0) {
            self.notes.note(what);
        }
        let at_ms = self.now_ms;
        let lock = Lock { voucher, at_ms, until_ms, state: LockState::Held, order };
        let Some(campaign) = self.vouchers.get(voucher.0).map(|voucher| voucher.campaign) else {
            self.locks.put(number.0, None);
            return;
        };
        // A second lock of a locked voucher, if the journal says so, takes the first one's place.
        if self.locks.put(number.0, Some(lock)) {
            self.turn(voucher, VoucherState::Locked);
            if let Some(voucher) = self.vouchers.get_mut(voucher.0) {
                voucher.lock = Some(number);
            }
        }
        self.check_sums(campaign);
    }

    pub(super) fn orders_report(&self) -> OrdersReport {
        let mut report =
            OrdersReport { outlets: self.outlets.len() as u64, ..OrdersReport::default() };
        for order in self.orders.iter() {
            report.placed += 1;
            let is_collected = order.end.is_none() && order.reached == OrderState::Collected;
            match order.end {
                Some(_) => report.ended += 1,
                None if is_collected => report.collected += 1,
                None => report.under_way += 1,
            }
            if order.redemption.is_some() {
                report.subsidy_minor += i128::from(order.subsidy_minor);
            }
            report.captured_minor += i128::from(order.captured_minor());
            report.refunded_minor += i128::from(order.refunded_minor);
            report.to_refund_minor += i128::from(order.asked_minor - order.refunded_minor);
        }
        report
    }
}

/// Whether news of a payment without money may follow on what was said of it before.
fn comes_after(was: PaymentState, to: PaymentState) -> bool {
    match to {
        PaymentState::Pending => matches!(was, PaymentState::Created | PaymentState::Failed),
        PaymentState::Failed => {
            matches!(was, PaymentState::Created | PaymentState::Pending | PaymentState::Unknown)
        }
        _ => was != PaymentState::Closed,
    }
}
