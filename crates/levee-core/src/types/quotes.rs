//! Quotes: offers that an order may take while they are held.

use alloc::vec::Vec;

use super::{OutletNo, QuoteNo, RequestKey};

/// Most outlets of one quote.
pub const QUOTE_OUTLETS_MAX: usize = 8;

/// Most offers of one quote.
pub const OFFERS_MAX: usize = 4;

/// Longest time for which offers are held, in milliseconds: a quarter of an hour. What is held
/// cannot be promised to others.
pub const HOLD_MS_MAX: u64 = 15 * 60_000;

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

/// An outlet would have the order ready then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Offer {
    /// Which.
    pub outlet: OutletNo,
    /// Milliseconds since 1970.
    pub ready_at_ms: u64,
}

/// Where and when an order can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Quoted {
    /// The new quote.
    pub quote: QuoteNo,
    /// Held until then, in milliseconds since 1970.
    pub until_ms: u64,
    /// Best first; at most [`OFFERS_MAX`].
    pub offers: Vec<Offer>,
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
