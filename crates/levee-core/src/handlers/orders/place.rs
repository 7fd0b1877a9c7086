//! Placing an order.

use super::reference_of_orders;
use crate::handlers::check_fields;
use crate::pacing::{Ask, Work};
use crate::state::{Effect, State};
use crate::tables::Order;
use crate::types::{
    BILL_MINOR_MAX, Bill, Held, LINES_MAX, OTHER_OUTLETS_MAX, OrderNo, OrderState, Outcome,
    PAY_WITHIN_MS_MAX, PROMISED_AHEAD_MS_MAX, PlaceOrder, Refusal, TRAVEL_MS_MAX, WORK_MAX,
};

impl State {
    /// Places an order: prices are fixed, its kitchen's capacity is taken, and the voucher is locked
    /// until it is paid, or used at once where it leaves nothing to pay.
    pub(crate) fn place_order(
        &mut self,
        now_ms: u64,
        seq: u64,
        place: &PlaceOrder,
    ) -> Result<Effect, Refusal> {
        check_ranges(now_ms, place)?;
        self.outlets.get(place.outlet).ok_or(Refusal::OutletNotFound)?;
        if place.others.iter().any(|other| self.outlets.get(*other).is_none()) {
            return Err(Refusal::OutletNotFound);
        }
        self.check_version(place.outlet, place.outlet_version)?;
        if place.campaign.is_some_and(|number| self.campaigns.get(number.index()).is_none()) {
            return Err(Refusal::CampaignNotFound);
        }
        let outlet = self.outlet_taking_orders(now_ms, place.outlet)?;
        let mut subsidy_minor = 0;
        if let Some(voucher) = place.voucher {
            let bill = Bill {
                voucher,
                user: place.user,
                order_minor: place.total_minor - place.merchant_discount_minor,
                brand: Some(outlet.brand()),
                categories: place.categories,
            };
            subsidy_minor = self.discount_at(now_ms, &bill, None)?;
        }

        let work = Work(place.work);
        let bill_minor = place.total_minor - place.merchant_discount_minor;
        // Its ticket goes to the outlet when it is paid.
        let asked = Ask::of(work, bill_minor > subsidy_minor);
        let offer = self.offer_for(now_ms, place, asked)?;
        let ready_at_ms = match offer {
            Some((_, ready_at_ms)) => ready_at_ms,
            None => self
                .ready_in_time(now_ms, place.outlet, asked, place.ready_by_ms)
                .ok_or(Refusal::OutletBusy)?,
        };

        let ticket = match (offer, place.offer) {
            (Some((ticket, _)), Some(offer)) if ticket.ready_at_ms == ready_at_ms => {
                self.end_quote(now_ms, offer.quote, Some(offer.place));
                ticket
            }
            (_, Some(offer)) => {
                self.end_quote(now_ms, offer.quote, None);
                self.promise(now_ms, place.outlet, work, ready_at_ms)
            }
            _ => self.promise(now_ms, place.outlet, work, ready_at_ms),
        };
        let number = OrderNo(self.orders.rows.len());
        let subsidy_minor = u32::try_from(subsidy_minor).expect("at most the face: 32 bits");
        let outlet = &mut self.outlets.rows[place.outlet.index()];
        let previous = (self.orders.newest_of(place.user), outlet.newest_order());
        outlet.set_newest_order(number);
        let mut order = Order::placed(place, (seq, now_ms), ticket, subsidy_minor, previous);
        let mut held = Held::Nothing;
        if order.payable_minor() == 0 {
            order.set_payment(None);
            order.set_state(OrderState::Paid);
            order.version = 1;
            order.due_ms = self.accepts_until_ms(now_ms, &order);
            if place.voucher.is_some() {
                held = Held::Redemption(self.use_for(now_ms, seq, number, &order));
            }
        } else if let Some(voucher) = place.voucher {
            let (until_ms, name) = (order.due_ms, reference_of_orders());
            held = Held::Lock(self.hold(now_ms, voucher, until_ms, &name, Some(number)));
        }
        order.set_holder(held);
        order.assert_sound();
        self.orders.push(order, &mut self.store);
        let due_ms = order.due_ms;
        Ok(Effect::Done(Outcome::OrderPlaced {
            order: number,
            promised_at_ms: ready_at_ms,
            subsidy_minor,
            held,
            due_ms,
        }))
    }
}

fn check_ranges(now_ms: u64, place: &PlaceOrder) -> Result<(), Refusal> {
    let ahead = now_ms..=now_ms.saturating_add(PROMISED_AHEAD_MS_MAX);
    let others = place.others.len() <= OTHER_OUTLETS_MAX && !place.others.contains(&place.outlet);
    let courier = place.courier_ms.is_none_or(|courier_ms| courier_ms <= TRAVEL_MS_MAX);
    let some_of_each = place.lines.iter().all(|line| line.quantity > 0);
    check_fields([
        (some_of_each && (1..=LINES_MAX).contains(&place.lines.len()), "lines"),
        ((1..=BILL_MINOR_MAX).contains(&place.total_minor), "total_minor"),
        (place.merchant_discount_minor <= place.total_minor, "merchant_discount_minor"),
        (place.ready_by_ms.is_none_or(|by_ms| ahead.contains(&by_ms)), "pickup_by"),
        (courier, "fulfilment"),
        (others, "allow_other_outlet"),
        ((1..=WORK_MAX).contains(&place.work), "work"),
        ((1..=PAY_WITHIN_MS_MAX).contains(&place.pay_within_ms), "pay_within"),
    ])
}
