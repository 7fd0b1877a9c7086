//! Quotes: where and when something can be made, and what it costs.

use std::sync::Arc;

use levee_api::port::{Answer as EngineAnswer, Priority, Query, Reply as Said};
use levee_api::problem::Code;
use levee_api::types::{
    Bill, Candidate, Command, OfferNo, Outcome, OutletNo, QUOTE_OUTLETS_MAX, QuoteOrder, Quoted,
    UserKey, VoucherNo,
};
use levee_api::wire::{OfferBody, QuoteBody, QuoteRequest};

use super::asked;
use super::cart::{Cart, fulfilment, walk_ms, walked_m};
use super::words::instant;
use super::{outlet_named, voucher_named};
use crate::call::{Call, unexpected};
use crate::handlers::vouchers::pseudonym;
use crate::outlets::{Listing, Place};
use crate::reply::{Answer, Reply};
use crate::trouble::Trouble;

/// How long offers are held, in milliseconds: three minutes, in which a user looks at them and
/// orders. What is held cannot be promised to others.
const HOLD_MS: u64 = 3 * 60_000;

/// `POST /v1/orders/quote`
pub(crate) async fn quote(call: &mut Call) -> Answer {
    let request = call.request_key()?;
    let body: QuoteRequest = call.json().await?;
    let user = body.user_id.as_ref().map(|user| pseudonym(call, user));
    if let Some(user) = user {
        call.worker.admit_user(Priority::Redeem, user)?;
    }
    let code = body.voucher_code.as_deref();
    let voucher = code.map(|code| voucher_named(call, code)).transpose()?;
    let listing = outlet_named(call, &body.outlet_id).await?;
    let asked = asked::of_quote(&body, user, voucher);
    let again = |request| Command::QuoteOrder(Box::new(QuoteOrder::again(request, asked)));
    let question = async |listing: &Arc<Listing>| {
        let cart = Cart::of(&listing.menu, &body.items)?;
        // Before anything is held: who cannot use the voucher is told so.
        let discount_minor = match voucher {
            Some(voucher) => discount_minor(call, voucher, user, listing, &cart).await?,
            None => 0,
        };
        Ok(Command::QuoteOrder(Box::new(QuoteOrder {
            request,
            asked,
            user,
            outlet_version: listing.version,
            total_minor: cart.total_minor,
            discount_minor,
            work: cart.work,
            candidates: candidates(call, &body, listing, &cart)?,
            ready_by_ms: body.pickup_by.map(|by| by.ms),
            hold_ms: HOLD_MS,
        })))
    };
    match asked::by_document(call, listing, again, question).await?.said {
        Said::Done { seq, outcome: Outcome::Quoted(quoted), repeated, .. } => {
            let offers = offers(call, &quoted).await?;
            Ok(Reply::json(201, &QuoteBody { offers, seq }).repeated(repeated))
        }
        Said::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
}

/// The outlet that is wanted, and those that would do.
fn candidates(
    call: &Call,
    body: &QuoteRequest,
    listing: &Listing,
    cart: &Cart,
) -> Result<Vec<Candidate>, Trouble> {
    let from = body.near.map_or(listing.place, |near| Place { lat: near.lat, lng: near.lng });
    let mut candidates = vec![candidate(listing.number, listing.place.distance_m(from))];
    if body.allow_other_outlet {
        call.worker.check_outlets_filled()?;
        let way = fulfilment(listing, None)?;
        let outlets = call.worker.outlets();
        let others = cart.others(outlets, listing, from, way, QUOTE_OUTLETS_MAX - 1);
        candidates
            .extend(others.into_iter().map(|near| candidate(near.listing.number, near.distance_m)));
    }
    Ok(candidates)
}

fn candidate(outlet: OutletNo, distance_m: u32) -> Candidate {
    Candidate { outlet, travel_ms: walk_ms(distance_m) }
}

/// What the voucher would take off.
async fn discount_minor(
    call: &Call,
    voucher: VoucherNo,
    user: Option<UserKey>,
    listing: &Listing,
    cart: &Cart,
) -> Result<u64, Trouble> {
    let user = user.ok_or_else(|| {
        Trouble::field("user_id", "is needed with a voucher, which is good for its user alone")
    })?;
    let bill = Bill {
        voucher,
        user,
        order_minor: cart.total_minor,
        brand: Some(listing.brand_hash),
        categories: cart.categories(true)?,
    };
    match call.query(Priority::Redeem, Query::Validate(bill)).await? {
        EngineAnswer::Validated(Ok(discount_minor)) => Ok(discount_minor),
        EngineAnswer::Validated(Err(refusal)) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
}

/// Offers as they were made: from the outcome alone, so that a repeat is answered the same.
async fn offers(call: &Call, quoted: &Quoted) -> Result<Vec<OfferBody>, Trouble> {
    let Quoted { total_minor, discount_minor, .. } = *quoted;
    let codes = &call.worker.hub.ports.codes;
    let mut bodies = Vec::new();
    for (place, offer) in (0_u8..).zip(&quoted.offers) {
        let listing = call.worker.outlet_numbered(Priority::Redeem, offer.outlet).await?;
        bodies.push(OfferBody {
            offer: codes.offer(OfferNo { quote: quoted.quote, place }),
            outlet_id: listing.id.to_string(),
            distance_m: walked_m(offer.travel_ms),
            ready_at: instant(offer.ready_at_ms),
            total_minor,
            discount_minor,
            payable_minor: total_minor - discount_minor,
            hold_until: instant(quoted.until_ms),
        });
    }
    if bodies.is_empty() {
        return Err(Trouble::new(Code::OfferExpired));
    }
    Ok(bodies)
}
