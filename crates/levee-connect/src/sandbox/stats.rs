//! What the sandbox counted: `GET /stats`.

use levee_api::time::Instant;
use serde::Serialize;

use super::kitchens::{ClassStats, TicketStats};
use super::provider::PaymentStats;

/// All counts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stats {
    /// What its clock shows.
    pub at: Instant,
    /// How long it has run, in milliseconds of the day.
    pub elapsed_ms: u64,
    /// How many times faster than real time.
    pub speed: f64,
    /// What everything is drawn by.
    pub seed: u64,
    /// What is still under way.
    pub open: OpenStats,
    /// Tickets.
    pub tickets: TicketStats,
    /// What stations did, by how their outlet's system behaves; those with tickets only.
    pub kitchens: Vec<ClassStats>,
    /// Payments.
    pub payments: PaymentStats,
    /// Requests that did not get a good answer, and why.
    pub requests: RequestStats,
}

/// What is still under way: whoever ends a rehearsal waits until there is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OpenStats {
    /// Tickets to which something will still happen.
    pub tickets: u64,
    /// Payments that can still be paid.
    pub payments: u64,
}

/// Counts of requests that did not get a good answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RequestStats {
    /// Signatures that were missing or wrong: 401.
    pub unsigned: u64,
    /// Bodies that are not what the interface says: 400 or 413.
    pub malformed: u64,
    /// To slow outlets: answered, late.
    pub late: u64,
    /// To failing outlets: 500.
    pub failing: u64,
    /// To flapping outlets while they were down: 503.
    pub down: u64,
    /// To black holes and dark vendors: no answer.
    pub silent: u64,
    /// To the payment provider during an outage: 503.
    pub outage: u64,
    /// What the payment provider would not do: 404 or 409.
    pub unwilling: u64,
    /// There are too many tickets or payments already: 503.
    pub full: u64,
}
