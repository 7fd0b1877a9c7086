//! Placing an order.

use levee_api::outlet::Fulfilment;
use levee_api::port::{Priority, Reply as Said};
use levee_api::problem::Code;
use levee_api::types::{
    Command, OTHER_OUTLETS_MAX, OfferNo, OrderNo, OrderState, Outcome, OutletNo, PaymentState,
    PlaceOrder, Refusal,
};
use levee_api::wire::{
    OrderBody, OrderPlacedBody, OrderRequest, PaymentRef, TicketRef, order_state,
};

use super::cart::{Cart, fulfilment};
use super::words::instant;
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
    let listing = outlet_named(call, &body.outlet_id).await?;
    let cart = Cart::of(&listing.menu, &body.items)?;
    let is_price_right = body.expected_total_minor.is_none_or(|minor| minor == cart.total_minor);
    let way = fulfilment(&listing, body.fulfilment)?;
    let campaign = match &body.campaign {
        Some(id) => Some(call.worker.campaign(id).await?.number),
        None => None,
    };
    let code = body.voucher_code.as_deref();
    let voucher = code.map(|code| voucher_named(call, code)).transpose()?;
    let place = PlaceOrder {
        request,
        user,
        outlet: listing.number,
        lines: cart.lines.clone(),
        categories: cart.categories(voucher.is_some())?,
        // An order for nothing is refused, unless it was placed before: the key is looked up first,
        // and whoever repeats an order after prices have changed must be told of it.
        total_minor: if is_price_right { cart.total_minor } else { 0 },
        merchant_discount_minor: 0,
        voucher,
        offer: body.offer.as_deref().map(|id| offer_named(call, id)).transpose()?,
        ready_by_ms: body.pickup_by.map(|by| by.ms),
        courier_ms: (way == Fulfilment::Delivery).then_some(listing.courier_travel_ms),
        work: cart.work,
        pay_within_ms: PAY_WITHIN_MS,
        others: others(call, &body, &listing, &cart, way)?,
        campaign,
    };
    match call.command(Priority::Redeem, Command::PlaceOrder(Box::new(place))).await? {
        Said::Done {
            seq,
            at_ms,
            outcome: Outcome::OrderPlaced { order, promised_at_ms, subsidy_minor, due_ms, .. },
            repeated,
        } => {
            // Prices were fixed when it was placed.
            let total_minor = if repeated {
                call.worker.order_view(Priority::Redeem, order).await?.total_minor
            } else {
                cart.total_minor
            };
            let placed =
                Placed { order, at_ms, promised_at_ms, total_minor, subsidy_minor, due_ms };
            let order = placed.body(call, &body, &listing, &cart, way);
            Ok(Reply::json(201, &OrderPlacedBody { order, seq }).repeated(repeated))
        }
        Said::Refused(Refusal::InvalidField(_)) if !is_price_right => {
            let detail = format!("The items cost {}.", cart.total_minor);
            Err(Trouble::new(Code::PriceChanged).with_detail(detail))
        }
        Said::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
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

/// What the engine says of a new order.
struct Placed {
    order: OrderNo,
    at_ms: u64,
    promised_at_ms: u64,
    total_minor: u64,
    subsidy_minor: u32,
    due_ms: u64,
}

impl Placed {
    /// From the request and the outcome alone, so that a repeat is answered the same.
    fn body(
        &self,
        call: &Call,
        asked: &OrderRequest,
        listing: &Listing,
        cart: &Cart,
        way: Fulfilment,
    ) -> OrderBody {
        let hub = &call.worker.hub;
        let codes = &hub.ports.codes;
        let payable_minor = self.total_minor - u64::from(self.subsidy_minor);
        let is_paid = payable_minor == 0;
        let state = if is_paid { OrderState::Paid } else { OrderState::AwaitingPayment };
        let payment = PaymentRef {
            id: codes.payment(self.order),
            provider: hub.config.signers.providers.first().map(|provider| provider.name.clone()),
            state: PaymentState::Created.name().to_owned(),
            pay_url: None,
        };
        OrderBody {
            id: codes.order(self.order),
            state: order_state(state),
            end: None,
            outlet_id: listing.id.to_string(),
            items: cart.bodies(&listing.menu),
            fulfilment: way,
            total_minor: self.total_minor,
            merchant_discount_minor: 0,
            discount_minor: self.subsidy_minor.into(),
            payable_minor,
            captured_minor: 0,
            refunded_minor: 0,
            payment: (!is_paid).then_some(payment),
            voucher_code: asked
                .voucher_code
                .as_deref()
                .and_then(|code| codes.parse_voucher(code))
                .map(|number| codes.voucher(number)),
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
