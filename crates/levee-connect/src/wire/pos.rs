//! Tickets: from Levee to an outlet's system, and the steps that come back.

use levee_api::time::Instant;
use serde::{Deserialize, Serialize};

/// Most lines of one ticket.
pub const ITEMS_MAX: usize = 100;

/// Largest ticket, in thousandths of a unit of work.
pub const WORK_MAX: u32 = 10_000_000;

/// The header in which an outlet says who it is.
pub const OUTLET_HEADER: &str = "levee-outlet";

/// `POST {pos}/tickets`: something is to be made.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Ticket {
    /// Its id, the same in every version.
    pub ticket: String,
    /// The order that it is for.
    pub order: String,
    /// Grows with every change; an outlet ignores what is not newer than what it has. From 1.
    pub version: u32,
    /// Who shall make it.
    pub outlet_id: String,
    /// What; 1 to [`ITEMS_MAX`].
    pub items: Vec<Item>,
    /// How much work it is, in thousandths of a unit; 1 to [`WORK_MAX`].
    pub work: u32,
    /// When it was promised.
    pub ready_at: Instant,
    /// When a courier comes, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub courier_at: Option<Instant>,
    /// Who has not accepted by then has it taken away.
    pub accept_by: Instant,
}

/// One line of a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// As in the outlet's menu.
    pub sku: String,
    /// For people.
    pub name: String,
    /// How many, from 1.
    pub quantity: u32,
}

/// The answer to a ticket that was taken, or was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Received {
    /// Always true.
    pub received: bool,
}

/// `POST {pos}/tickets/{ticket}/cancel`: it is not to be made any more.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// Which.
    pub ticket: String,
    /// That of the cancellation: above that of every step before it.
    pub version: u32,
    /// For people.
    pub reason: String,
}

/// What an outlet does with a ticket: `POST {levee}/v1/tickets/{ticket}/{step}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// It will make it.
    Accept,
    /// It will not.
    Reject,
    /// It begins.
    Start,
    /// It is made.
    Ready,
    /// It was fetched.
    Collect,
}

impl Step {
    /// As it stands in the path.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::Start => "start",
            Self::Ready => "ready",
            Self::Collect => "collect",
        }
    }
}

/// The body of a step.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StepRequest {
    /// Who says so.
    pub outlet_id: String,
    /// The version that the outlet knows.
    pub version: u32,
}

/// What an outlet reads of the answer to a step; there may be more in it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct StepReply {
    /// As it is now.
    pub ticket: TicketNow,
}

/// The part of it that is the ticket.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct TicketNow {
    /// Its id.
    pub id: String,
    /// For people.
    pub state: String,
    /// What the next step names.
    pub version: u32,
}
