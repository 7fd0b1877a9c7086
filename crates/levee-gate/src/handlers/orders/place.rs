//! Placing an order.

use std::sync::Arc;

use levee_api::outlet::Fulfilment;
use levee_api::port::{Priority, Reply as Said};
use levee_api::problem::Code;
use levee_api::types::{
    Command, OTHER_OUTLETS_MAX, OfferNo, OrderNo, OrderState, Outcome, OutletNo, PaymentState,
    PlaceOrder, VoucherNo,
};
use levee_api::wire::{
    LineBody, OrderBody, OrderPlacedBody, OrderRequest, PaymentRef, TicketRef, order_state,
};

use super::asked::{self, Went};
use super::cart::{Cart, fulfilment, line_bodies};
use super::words::{instant, way_of};
use super::{outlet_named, voucher_named};
use crate::call::{Call, unexpected};
use crate::handlers::vouchers::pseudonym;
use crate::outlets::Listing;
use crate::reply::{Answer, Reply};
use crate::trouble::Trouble;

/// How long a user has to pay, in milliseconds: a quarter of an hour. So long the kitchen keeps its
/// time, and the voucher is locked.
const PAY_WITHIN_MS: u64 = 15 * 60_000;

/// `POST /v1/orders`
pub(crate) async fn place(call: &mut Call) -> Answer {
    let request = call.request_key()?;
    let body: OrderRequest = call.json().await?;
    let user = pseudonym(call, &body.user_id);
    call.worker.admit_user(Priority::Redeem, user)?;
    let code = body.voucher_code.as_deref();
    let voucher = code.map(|code| voucher_named(call, code)).transpose()?;
    let offer = body.offer.as_deref().map(|id| offer_named(call, id)).transpose()?;
    let campaign = match &body.campaign {
        Some(id) => Some(call.worker.campaign(id).await?.number),
        None => None,
    };
    let listing = outlet_named(call, &body.outlet_id).await?;
    let asked = asked::of_order(&body, user, voucher, offer);
    let again = |request| Command::PlaceOrder(Box::new(PlaceOrder::again(request, asked)));
    let order = async |listing: &Arc<Listing>| {
        let (cart, way) = chosen(&body, listing)?;
        Ok(Command::PlaceOrder(Box::new(PlaceOrder {
            request,
            asked,
            user,
            outlet: listing.number,
            outlet_version: listing.version,
            categories: cart.categories(voucher.is_some())?,
            total_minor: cart.total_minor,
            merchant_discount_minor: 0,
            voucher,
            offer,
            ready_by_ms: body.pickup_by.map(|by| by.ms),
            courier_ms: (way == Fulfilment::Delivery).then_some(listing.courier_travel_ms),
            work: cart.work,
            pay_within_ms: PAY_WITHIN_MS,
            others: others(call, &body, listing, &cart, way)?,
            campaign,
            lines: cart.lines,
        })))
    };
    let Went { said, listing } = asked::by_document(call, listing, again, order).await?;
    match said {
        Said::Done {
            seq,
            at_ms,
            outcome: Outcome::OrderPlaced { order, promised_at_ms, subsidy_minor, due_ms, .. },
            repeated,
        } => {
            // What it was for stands in the order: the document may be another by now.
            let items = if repeated {
                Items::of_order(call, order).await?
            } else {
                let (cart, way) = chosen(&body, &listing)?;
                let lines = line_bodies(&cart.lines, &listing.menu);
                Items { lines, total_minor: cart.total_minor, way }
            };
            let placed = Placed { order, at_ms, promised_at_ms, items, subsidy_minor, due_ms };
            let order = placed.body(call, voucher, &listing);
            Ok(Reply::json(201, &OrderPlacedBody { order, seq }).repeated(repeated))
        }
        Said::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
}

/// What was chosen by an outlet's menu, for the price that its user was shown, and how it leaves.
fn chosen(body: &OrderRequest, listing: &Listing) -> Result<(Cart, Fulfilment), Trouble> {
    let cart = Cart::of(&listing.menu, &body.items)?;
    if body.expected_total_minor.is_some_and(|minor| minor != cart.total_minor) {
        let detail = format!("The items cost {}.", cart.total_minor);
        return Err(Trouble::new(Code::PriceChanged).with_detail(detail));
    }
    Ok((cart, fulfilment(listing, body.fulfilment)?))
}

fn offer_named(call: &Call, id: &str) -> Result<OfferNo, Trouble> {
    let offer = call.worker.hub.ports.codes.parse_offer(id);
    offer.ok_or_else(|| {
        call.worker.lane().stats.forged_codes.add(1);
        Trouble::field("offer", "is no offer of this installation")
    })
}

/// Who else may make it.
fn others(
    call: &Call,
    body: &OrderRequest,
    listing: &Listing,
    cart: &Cart,
    way: Fulfilment,
) -> Result<Vec<OutletNo>, Trouble> {
    if !body.allow_other_outlet {
        return Ok(Vec::new());
    }
    call.worker.check_outlets_filled()?;
    let outlets = call.worker.outlets();
    let near = cart.others(outlets, listing, listing.place, way, OTHER_OUTLETS_MAX);
    Ok(near.into_iter().map(|near| near.listing.number).collect())
}

/// What an order is for.
struct Items {
    lines: Vec<LineBody>,
    total_minor: u64,
    way: Fulfilment,
}

impl Items {
    /// As it was placed.
    async fn of_order(call: &Call, order: OrderNo) -> Result<Self, Trouble> {
        let view = call.worker.order_view(Priority::Redeem, order).await?;
        let menu = call.worker.menu_of(Priority::Redeem, &view).await?;
        Ok(Self {
            lines: line_bodies(&view.lines, &menu),
            total_minor: view.total_minor,
            way: way_of(&view),
        })
    }
}

/// What the engine says of a new order.
struct Placed {
    order: OrderNo,
    at_ms: u64,
    promised_at_ms: u64,
    items: Items,
    subsidy_minor: u32,
    due_ms: u64,
}

impl Placed {
    /// From the request, the outcome and what it is for alone, so that a repeat is answered the same.
    fn body(self, call: &Call, voucher: Option<VoucherNo>, listing: &Listing) -> OrderBody {
        let hub = &call.worker.hub;
        let codes = &hub.ports.codes;
        let Items { lines, total_minor, way } = self.items;
        let payable_minor = total_minor - u64::from(self.subsidy_minor);
        let is_paid = payable_minor == 0;
        let state = if is_paid { OrderState::Paid } else { OrderState::AwaitingPayment };
        let payment = PaymentRef {
            id: codes.payment(self.order),
            provider: hub.config.signers.new_orders.clone(),
            state: PaymentState::Created.name().to_owned(),
            pay_url: None,
            client_secret: None,
        };
        OrderBody {
            id: codes.order(self.order),
            state: order_state(state),
            end: None,
            outlet_id: listing.id.to_string(),
            items: lines,
            fulfilment: way,
            total_minor,
            merchant_discount_minor: 0,
            discount_minor: self.subsidy_minor.into(),
            payable_minor,
            captured_minor: 0,
            refunded_minor: 0,
            payment: (!is_paid).then_some(payment),
            voucher_code: voucher.map(|number| codes.voucher(number)),
            placed_at: instant(self.at_ms),
            ready_at: instant(self.promised_at_ms),
            courier_at: None,
            due_at: Some(instant(self.due_ms)),
            accepted_at: None,
            started_at: None,
            made_at: None,
            collected_at: None,
            // What is paid as soon as it is placed has its ticket from there on.
            ticket: is_paid.then(|| TicketRef { id: codes.ticket(self.order), version: 1 }),
            moved_from: None,
            disputed: false,
            compensation: None,
        }
    }
}
