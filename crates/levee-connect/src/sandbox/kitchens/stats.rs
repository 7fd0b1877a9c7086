//! Counts of tickets and of what stations did.

use serde::Serialize;

use super::profile::Class;

/// Counts of tickets. Unless it says otherwise, a ticket counts once in each life: a newer version
/// of one that had ended begins another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TicketStats {
    /// Came, and were new.
    pub received: u64,
    /// Came again in a version that was known or older.
    pub repeated: u64,
    /// Came in a newer version while they were under way.
    pub changed: u64,
    /// Accepted, as Levee agreed.
    pub accepted: u64,
    /// Turned down, as Levee agreed.
    pub rejected: u64,
    /// Never looked at.
    pub ignored: u64,
    /// Begun, as Levee agreed.
    pub started: u64,
    /// Made, as Levee agreed.
    pub ready: u64,
    /// Fetched, as Levee agreed.
    pub collected: u64,
    /// Taken away by a cancellation, or by Levee's refusal of a step with status 409.
    pub cancelled: u64,
    /// Cancellations of what had ended already.
    pub cancelled_late: u64,
    /// Of those taken away, those that had been begun.
    pub made_for_nothing: u64,
    /// Begun although their order had been begun before, by the same outlet or another.
    pub double_made: u64,
    /// Given up because Levee refused a step with another status than 409.
    pub refused: u64,
    /// Given up because Levee took a step at none of many tries.
    pub gave_up: u64,
    /// Steps said to Levee, every try counted.
    pub steps_sent: u64,
    /// Steps that are said again because there was no answer, or one that asks to wait.
    pub steps_repeated: u64,
}

/// What the stations of one class of outlets did, in milliseconds of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ClassStats {
    /// Which.
    pub class: Class,
    /// Outlets that had a ticket.
    pub outlets: u64,
    /// Their stations.
    pub stations: u64,
    /// Making tickets, those included that were taken away while they were made.
    pub busy_ms: u64,
    /// Making what walk-ins asked for, as far as tickets waited behind them.
    pub walk_in_ms: u64,
}

impl ClassStats {
    pub(super) fn new(class: Class) -> Self {
        Self { class, outlets: 0, stations: 0, busy_ms: 0, walk_in_ms: 0 }
    }
}
