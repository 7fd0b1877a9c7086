//! Outlets: where orders are made. Commands about them.

use alloc::string::String;
use alloc::vec::Vec;

use super::{NameHash, OutletId, RequestKey};

/// Most stations of one outlet: far more than any kitchen has.
pub const STATIONS_MAX: u16 = 10_000;

/// Longest time that an outlet may take to accept an order, in milliseconds: a day.
pub const ACCEPT_WITHIN_MS_MAX: u64 = 24 * 3_600_000;

/// Makes an outlet, or replaces its document. A document that stands there already is refused as
/// unchanged, so that an import can be run again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PutOutlet {
    /// The operator's name for it.
    pub id: OutletId,
    /// The document as JSON, at most [`super::DOCUMENT_LEN_MAX`] bytes; returned as given, never
    /// looked into by the rules.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub document: Vec<u8>,
    /// Whose shop it is; vouchers may be for some brands only.
    pub brand: NameHash,
    /// Staff or machines that make drinks, 1 to [`STATIONS_MAX`].
    pub stations: u16,
    /// An order that it has not accepted after this time expires, in milliseconds; 1 to
    /// [`ACCEPT_WITHIN_MS_MAX`].
    pub accept_within_ms: u64,
}

/// An outlet takes no orders for a while. Orders that it has go on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PauseOutlet {
    /// Makes a repeat harmless.
    pub request: RequestKey,
    /// Which outlet.
    pub outlet: OutletId,
    /// It takes orders again then, in milliseconds since 1970, at most
    /// [`super::DURATION_MS_MAX`] from now; `None`: when somebody resumes it.
    pub until_ms: Option<u64>,
    /// For those who see the outlet; 1 to [`super::REASON_LEN_MAX`] bytes.
    pub reason: String,
}

/// A paused outlet takes orders again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ResumeOutlet {
    /// Makes a repeat harmless.
    pub request: RequestKey,
    /// Which outlet.
    pub outlet: OutletId,
    /// For the record; 1 to [`super::REASON_LEN_MAX`] bytes.
    pub reason: String,
}
