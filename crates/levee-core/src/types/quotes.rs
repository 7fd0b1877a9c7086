//! Quotes: offers that an order may take while they are held.

use alloc::vec::Vec;

use super::{OutletNo, QuoteNo, RequestKey, UserKey};

/// Most outlets of one quote.
pub const QUOTE_OUTLETS_MAX: usize = 8;

/// Most offers of one quote.
pub const OFFERS_MAX: usize = 4;

/// Longest time for which offers are held, in milliseconds: a quarter of an hour. What is held
/// cannot be promised to others.
pub const HOLD_MS_MAX: u64 = 15 * 60_000;

/// Most quotes of one user whose offers are held; the oldest makes room for another.
pub const QUOTES_HELD_MAX: usize = 3;

/// Longest way that counts, in milliseconds: a day.
pub const TRAVEL_MS_MAX: u32 = 24 * 3_600_000;

/// An outlet that may make the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Candidate {
    /// Which.
    pub outlet: OutletNo,
    /// How much longer the user's way to it is, in milliseconds; at most [`TRAVEL_MS_MAX`].
    pub travel_ms: u32,
}

/// Asks where and when an order can be made, and holds what is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct QuoteOrder {
    /// Makes a repeat harmless.
    pub request: RequestKey,
    /// A fingerprint of all that the client asked for, as in [`super::PlaceOrder::asked`].
    pub asked: u64,
    /// Who asks, where the app says so: no more than [`QUOTES_HELD_MAX`] quotes are held for a user,
    /// and nobody else's order takes an offer of theirs.
    pub user: Option<UserKey>,
    /// Version of the wanted outlet's document that price and work are of: it must be the latest.
    pub outlet_version: u32,
    /// Price of all that is asked for, in minor units, which a repeat is told again; 1 to
    /// [`super::BILL_MINOR_MAX`].
    pub total_minor: u64,
    /// What the voucher would take off, likewise; at most the total.
    pub discount_minor: u64,
    /// What it costs a kitchen, in thousandths of a unit; 1 to [`super::WORK_MAX`].
    pub work: u32,
    /// The outlet that is wanted first, then those that would do; 1 to [`QUOTE_OUTLETS_MAX`].
    pub candidates: Vec<Candidate>,
    /// Wanted by then, in milliseconds since 1970; without it, within the first outlet's
    /// [`super::PutOutlet::ready_within_ms`].
    pub ready_by_ms: Option<u64>,
    /// How long to hold the offers, in milliseconds; 1 to [`HOLD_MS_MAX`].
    pub hold_ms: u64,
}

impl QuoteOrder {
    /// A question for nothing, which is refused. Only where offers were held under this key and with
    /// this fingerprint it is answered: as that question was.
    #[must_use]
    pub fn again(request: RequestKey, asked: u64) -> Self {
        Self {
            request,
            asked,
            user: None,
            outlet_version: 0,
            total_minor: 0,
            discount_minor: 0,
            work: 0,
            candidates: Vec::new(),
            ready_by_ms: None,
            hold_ms: 0,
        }
    }
}

/// An outlet would have the order ready then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Offer {
    /// Which.
    pub outlet: OutletNo,
    /// Milliseconds since 1970.
    pub ready_at_ms: u64,
    /// The user's way to it, as the question had it.
    pub travel_ms: u32,
}

/// Where and when an order can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Quoted {
    /// The new quote.
    pub quote: QuoteNo,
    /// Held until then, in milliseconds since 1970.
    pub until_ms: u64,
    /// Price of all that was asked for, in minor units.
    pub total_minor: u64,
    /// What the voucher would take off, in minor units.
    pub discount_minor: u64,
    /// Best first; at most [`OFFERS_MAX`].
    pub offers: Vec<Offer>,
    /// The user's oldest, whose offers are held no longer because of this one.
    pub released: Option<QuoteNo>,
}

/// One offer of a quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct OfferNo {
    /// Which quote.
    pub quote: QuoteNo,
    /// Its place among the quote's offers, from 0.
    pub place: u8,
}
