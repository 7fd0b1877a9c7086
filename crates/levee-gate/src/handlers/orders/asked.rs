//! What a request asks for, by which a repeat is known.
//!
//! Prices, work and places of the menu are not in it: they follow from the outlet's document, which
//! may change between a request and its repeat.

use std::sync::Arc;

use levee_api::port::{Priority, Reply as Said};
use levee_api::types::{Command, OfferNo, Refusal, RequestKey, UserKey, VoucherNo, Wire};
use levee_api::wire::{ItemRequest, OrderRequest, QuoteRequest};
use sha2::{Digest, Sha256};

use crate::call::Call;
use crate::outlets::Listing;
use crate::trouble::Trouble;

/// A fingerprint under way: SHA-256, cut to 64 bits, over the parts in their binary form, which says
/// where each of them ends. Users stand in it by their pseudonyms, as everywhere in the journal.
struct Asked(Vec<u8>);

impl Asked {
    fn to(what: &str) -> Self {
        Self(Vec::new()).with(&what.to_owned())
    }

    fn with(mut self, part: &impl Wire) -> Self {
        part.put(&mut self.0);
        self
    }

    fn with_items(self, items: &[ItemRequest]) -> Self {
        let part =
            |ItemRequest { sku, quantity }: &ItemRequest| (sku.as_str().to_owned(), *quantity);
        self.with(&items.iter().map(part).collect::<Vec<_>>())
    }

    fn fingerprint(&self) -> u64 {
        let digest = Sha256::digest(&self.0);
        u64::from_le_bytes(*digest.first_chunk().expect("32 bytes have 8"))
    }
}

/// What an order asks for.
pub(super) fn of_order(
    body: &OrderRequest,
    user: UserKey,
    voucher: Option<VoucherNo>,
    offer: Option<OfferNo>,
) -> u64 {
    Asked::to("order")
        .with(&user)
        .with(&body.outlet_id)
        .with_items(&body.items)
        .with(&voucher)
        .with(&offer)
        .with(&body.campaign)
        .with(&body.expected_total_minor)
        .with(&body.pickup_by.map(|by| by.ms))
        .with(&body.fulfilment.map(|way| format!("{way:?}")))
        .with(&body.allow_other_outlet)
        .fingerprint()
}

/// What a quote asks for.
pub(super) fn of_quote(
    body: &QuoteRequest,
    user: Option<UserKey>,
    voucher: Option<VoucherNo>,
) -> u64 {
    let degrees = |degrees: f64| degrees.to_bits();
    Asked::to("quote")
        .with(&user)
        .with(&body.outlet_id)
        .with_items(&body.items)
        .with(&voucher)
        .with(&body.pickup_by.map(|by| by.ms))
        .with(&body.allow_other_outlet)
        .with(&body.near.map(|near| (degrees(near.lat.degrees()), degrees(near.lng.degrees()))))
        .fingerprint()
}

/// How a request went that is priced by an outlet's document.
pub(super) struct Went {
    pub(super) said: Said,
    /// As it was priced by.
    pub(super) listing: Arc<Listing>,
}

/// Makes a command by the outlet's document and gives it.
///
/// What this gate knows of an outlet may be older by moments: where the engine knows another
/// document, or where the request does not go with this one, it is tried once more with the
/// latest. A request that goes with no document may still be a repeat, which only the engine
/// knows: it is asked with `again`, a command without effect.
pub(super) async fn by_document(
    call: &Call,
    mut listing: Arc<Listing>,
    again: impl Fn(RequestKey) -> Command,
    make: impl AsyncFn(&Arc<Listing>) -> Result<Command, Trouble>,
) -> Result<Went, Trouble> {
    let request = call.request_key()?;
    let mut is_latest = false;
    loop {
        let trouble = match make(&listing).await {
            Ok(command) => match call.command(Priority::Redeem, command).await? {
                Said::Refused(Refusal::OutletChanged) if !is_latest => {
                    Trouble::from(Refusal::OutletChanged)
                }
                said => return Ok(Went { said, listing }),
            },
            Err(trouble) => {
                match call.command(Priority::Redeem, again(request)).await? {
                    // It is none, or one that nobody knows any more.
                    Said::Refused(Refusal::InvalidField(_)) => trouble,
                    said => return Ok(Went { said, listing }),
                }
            }
        };
        if is_latest {
            return Err(trouble);
        }
        let before = listing.version;
        listing = call.worker.outlet_anew(Priority::Redeem, listing.number).await?;
        if listing.version == before {
            return Err(trouble);
        }
        is_latest = true;
    }
}
