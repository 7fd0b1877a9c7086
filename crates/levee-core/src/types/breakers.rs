//! Breakers: whether an outlet's system, or that of all outlets of a vendor, can be reached.
//! Connectors measure it; the rules need it, so that nobody is promised what nobody can be told of.

use alloc::string::String;

use super::{OutletNo, RequestKey};

/// Longest name of a vendor, in bytes.
pub const VENDOR_LEN_MAX: usize = 64;

/// Whose system it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum BreakerOf {
    /// One outlet's.
    Outlet(OutletNo),
    /// That of all outlets whose documents name this vendor; 1 to [`VENDOR_LEN_MAX`] bytes.
    Vendor(String),
}

/// What a breaker lets through. That it tries one call now and then while it is open is its own
/// affair: no rule depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum BreakerState {
    /// Orders, and tickets to the outlet.
    #[default]
    Closed,
    /// Neither.
    Open,
    /// Tickets of the orders that there are, and no new orders.
    Draining,
}

impl BreakerState {
    /// The public name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::Draining => "draining",
        }
    }
}

/// A breaker changes. What an operator opens or drains stays so until an operator closes it;
/// everything else is the connector's to change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ChangeBreaker {
    /// Makes a repeat harmless; needed of operators, while connectors look at the state first.
    pub request: Option<RequestKey>,
    /// Whose.
    pub of: BreakerOf,
    /// To this.
    pub state: BreakerState,
    /// By an operator. Only operators drain.
    pub by_hand: bool,
    /// For the record and for all who see it; 1 to [`super::REASON_LEN_MAX`] bytes.
    pub reason: String,
}

/// A breaker that is not closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// Open or draining.
    pub state: BreakerState,
    /// An operator made it so: only an operator closes it.
    pub by_hand: bool,
    /// Since when, in milliseconds since 1970.
    pub since_ms: u64,
    /// Why.
    pub reason: String,
}
