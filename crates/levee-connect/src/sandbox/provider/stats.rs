//! Counts of payments, refunds and callbacks.

use serde::Serialize;

/// Counts of payments and what belongs to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PaymentStats {
    /// Made.
    pub created: u64,
    /// Asked for again.
    pub repeated: u64,
    /// Paid, by their users or by hand.
    pub paid: u64,
    /// Turned down by the user's bank.
    pub failed: u64,
    /// Closed before they were paid, those included that were never made.
    pub closed: u64,
    /// All that was paid.
    pub captured_minor: u64,
    /// Refunds done.
    pub refunds_done: u64,
    /// Refunds that failed.
    pub refunds_failed: u64,
    /// Refunds that would have given back more than was paid, refused.
    pub refunds_refused: u64,
    /// All that was given back.
    pub refunded_minor: u64,
    /// Callbacks, and what became of them.
    pub callbacks: CallbackStats,
}

/// Counts of callbacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CallbackStats {
    /// Events to be told.
    pub events: u64,
    /// Sends, repeats and second copies included.
    pub sent: u64,
    /// Sends that were lost on purpose, and events that are never told.
    pub lost: u64,
    /// Second copies, sent at the same time as the first.
    pub doubled: u64,
    /// Held up, so that others overtake them.
    pub late: u64,
    /// Acknowledged.
    pub acknowledged: u64,
    /// Answered otherwise, or not at all.
    pub unacknowledged: u64,
    /// Given up after the last repeat.
    pub gave_up: u64,
}
