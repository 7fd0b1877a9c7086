//! Placing: ranges, what was promised, and what the voucher pays.

use levee_core::types::{
    BILL_MINOR_MAX, Bill, Held, LINES_MAX, OTHER_OUTLETS_MAX, OrderNo, Outcome, OutletNo,
    PAY_WITHIN_MS_MAX, PROMISED_AHEAD_MS_MAX, PlaceOrder, TRAVEL_MS_MAX, VoucherState, WORK_MAX,
};

use super::order::Order;
use crate::audit::recount::Recount;

impl Recount {
    pub(in crate::audit) fn place(&mut self, ask: &PlaceOrder, outcome: &Outcome) {
        let Outcome::OrderPlaced { order: number, promised_at_ms, subsidy_minor, held, due_ms } =
            *outcome
        else {
            return;
        };
        if let Some(what) = self.orders.misnumbered(number.0) {
            self.notes.note(what);
        }
        self.check_ranges(ask);
        let now_ms = self.now_ms;
        let Some(outlet) = self.outlets.get(ask.outlet) else {
            self.notes.note(format!("there is no outlet {}", ask.outlet));
            self.orders.put(number.0, None);
            return;
        };
        let brand = outlet.brand;
        let accepts = outlet.accepts_until(now_ms, promised_at_ms);
        let by_ms = ask.ready_by_ms.unwrap_or(now_ms.saturating_add(outlet.ready_within_ms));
        self.check_version(ask.outlet, ask.outlet_version);
        let turned_away = self.outlets.turns_away(ask.outlet, now_ms);
        if let Some(why) = turned_away {
            self.notes.note(format!("an order at outlet {}, which {why}", ask.outlet));
        }
        for other in &ask.others {
            let is_known = self.outlets.get(*other).is_some();
            self.notes.check(is_known, || format!("there is no outlet {other}"));
        }
        if let Some(campaign) = ask.campaign {
            let is_known = self.campaign(campaign).is_some();
            self.notes.check(is_known, || format!("there is no campaign {campaign}"));
        }
        let bill_minor = ask.total_minor.saturating_sub(ask.merchant_discount_minor);
        let subsidy = u64::from(subsidy_minor);
        self.notes.check(subsidy <= bill_minor, || {
            format!("a subsidy of {subsidy} for a bill of {bill_minor}")
        });
        let payable_minor = bill_minor.saturating_sub(subsidy);
        match ask.offer {
            Some(offer) => self.take_offer(ask, offer, promised_at_ms, payable_minor > 0),
            None => self.check_promise(ask.outlet, promised_at_ms, by_ms),
        }
        let mut order = Order::placed(ask, now_ms, promised_at_ms, (subsidy_minor, payable_minor));
        if payable_minor == 0 {
            order.pay(accepts);
        }
        let (_, expected_ms) = order.due;
        self.notes.check(due_ms == expected_ms, || {
            format!("order {number} is due at {expected_ms}, not {due_ms}")
        });
        self.check_held(number, ask, payable_minor, held);
        self.notes.check(ask.voucher.is_some() || subsidy == 0, || {
            format!("a subsidy of {subsidy} without a voucher")
        });
        if let Some(voucher) = ask.voucher {
            let bill = Bill {
                voucher,
                user: ask.user,
                order_minor: bill_minor,
                brand: Some(brand),
                categories: ask.categories,
            };
            self.check_voucher(&bill, subsidy_minor);
            order.held = held;
            match held {
                Held::Nothing => {}
                Held::Lock(lock) => self.hold(lock, voucher, due_ms, Some(number)),
                Held::Redemption(redemption) => self.use_for(redemption, number, &order),
            }
        }
        self.due_orders.push(number.0, self.order_end_ms(&order));
        self.orders.put(number.0, Some(order));
    }

    /// Ranges of what may be asked for.
    fn check_ranges(&mut self, ask: &PlaceOrder) {
        let now_ms = self.now_ms;
        let lines = ask.lines.len();
        let some_of_each = ask.lines.iter().all(|line| line.quantity > 0);
        let ahead = now_ms..=now_ms.saturating_add(PROMISED_AHEAD_MS_MAX);
        let others = ask.others.len() <= OTHER_OUTLETS_MAX && !ask.others.contains(&ask.outlet);
        for (holds, what) in [
            ((1..=LINES_MAX).contains(&lines) && some_of_each, "lines"),
            ((1..=BILL_MINOR_MAX).contains(&ask.total_minor), "a total"),
            (ask.merchant_discount_minor <= ask.total_minor, "a merchant's discount"),
            (ask.ready_by_ms.is_none_or(|by_ms| ahead.contains(&by_ms)), "a wanted time"),
            (ask.courier_ms.is_none_or(|way_ms| way_ms <= TRAVEL_MS_MAX), "a courier's way"),
            ((1..=WORK_MAX).contains(&ask.work), "work"),
            ((1..=PAY_WITHIN_MS_MAX).contains(&ask.pay_within_ms), "a time to pay"),
            (others, "other outlets"),
        ] {
            self.notes.check(holds, || format!("an order with {what} out of bounds"));
        }
    }

    /// A promise that the kitchen was asked for now: while the outlet is open without a break from
    /// now or its next opening on, and by the wanted time.
    ///
    /// How long the kitchen needs cannot be recomputed here: it follows from all that the kitchen has
    /// learned, by real numbers, and the audit shares none of that. That promises are kept is
    /// counted instead, and reported.
    pub(super) fn check_promise(&mut self, number: OutletNo, promised_ms: u64, by_ms: u64) {
        let Some(outlet) = self.outlets.get(number) else { return };
        let (from_ms, until_ms) = outlet.hours.stretch_from(self.now_ms);
        let is_open = promised_ms >= from_ms && until_ms.is_none_or(|end_ms| promised_ms <= end_ms);
        self.notes.check(is_open, || {
            format!("a promise for {promised_ms}, when outlet {number} is closed or has been")
        });
        self.notes.check(promised_ms <= by_ms, || {
            format!("a promise for {promised_ms}, where {by_ms} is the latest")
        });
    }

    /// It has of its voucher what its payment asks for.
    fn check_held(&mut self, number: OrderNo, ask: &PlaceOrder, payable_minor: u64, held: Held) {
        let is_right = match held {
            Held::Nothing => ask.voucher.is_none(),
            Held::Lock(_) => ask.voucher.is_some() && payable_minor > 0,
            Held::Redemption(_) => ask.voucher.is_some() && payable_minor == 0,
        };
        self.notes.check(is_right, || {
            let voucher = ask.voucher;
            format!("order {number} of {payable_minor} with voucher {voucher:?} has {held:?}")
        });
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
}
