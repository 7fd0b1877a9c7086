//! One ticket as its outlet knows it.

use levee_api::time::Instant;
use serde::Serialize;

use crate::sandbox::effects::Life;
use crate::wire::pos::{Step, Ticket};

/// How far a ticket is at its outlet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TicketState {
    /// It came, and nobody has answered it yet.
    Received,
    /// It came, and nobody ever looks at it.
    Ignored,
    /// It waits for a station.
    Accepted,
    /// A station makes it.
    Making,
    /// It is made.
    Ready,
    /// It was fetched, and Levee knows.
    Collected,
    /// The outlet turned it down, and Levee knows.
    Rejected,
    /// Levee took it away.
    Cancelled,
    /// Levee refused a step for a reason that no outlet can do anything about.
    Refused,
}

/// Steps in their order; a rejected ticket has [`Step::Reject`] instead of the first.
const STEPS: [Step; 4] = [Step::Accept, Step::Start, Step::Ready, Step::Collect];

/// A ticket.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) id: Box<str>,
    /// Empty where the cancellation came first.
    pub(super) order: Box<str>,
    pub(super) kitchen: u32,
    pub(super) version: u32,
    pub(super) ready_at_ms: u64,
    pub(super) courier_at_ms: Option<u64>,
    pub(super) work: u32,
    pub(super) state: TicketState,
    pub(super) life: u32,
    /// Turned down when it is looked at.
    pub(super) rejects: bool,
    /// From when it may be begun; the queue's name for it.
    pub(super) from_ms: u64,
    /// Where it is made.
    pub(super) station: usize,
    /// In this life a station began it, as Levee agreed or as it is made already.
    pub(super) begun: bool,
    /// Steps that have happened, and steps that Levee knows of.
    pub(super) reached_count: usize,
    pub(super) told_count: usize,
    /// A step is under way, or waits to be said again.
    pub(super) telling: bool,
    pub(super) tries_count: u32,
    /// In all lives.
    pub(super) begun_count: u32,
    pub(super) made_count: u32,
}

impl Record {
    pub(super) fn new(kitchen: u32, ticket: &Ticket) -> Self {
        Self {
            order: ticket.order.as_str().into(),
            ready_at_ms: ticket.ready_at.ms,
            courier_at_ms: ticket.courier_at.map(|at| at.ms),
            work: ticket.work,
            state: TicketState::Received,
            ..Self::cancelled(kitchen, &ticket.ticket, ticket.version)
        }
    }

    /// One that was cancelled before it came.
    pub(super) fn cancelled(kitchen: u32, id: &str, version: u32) -> Self {
        Self {
            id: id.into(),
            order: "".into(),
            kitchen,
            version,
            ready_at_ms: 0,
            courier_at_ms: None,
            work: 0,
            state: TicketState::Cancelled,
            life: 0,
            rejects: false,
            from_ms: 0,
            station: 0,
            begun: false,
            reached_count: 0,
            told_count: 0,
            telling: false,
            tries_count: 0,
            begun_count: 0,
            made_count: 0,
        }
    }

    /// Takes over a newer version. One that had ended lives again.
    pub(super) fn renew(&mut self, ticket: &Ticket) -> bool {
        self.version = ticket.version;
        self.order = ticket.order.as_str().into();
        self.ready_at_ms = ticket.ready_at.ms;
        self.courier_at_ms = ticket.courier_at.map(|at| at.ms);
        self.work = ticket.work;
        let over = self.is_over();
        if over {
            self.state = TicketState::Received;
            self.begun = false;
            (self.reached_count, self.told_count) = (0, 0);
            self.end_life();
        }
        over
    }

    /// Nothing that was planned for it has a meaning any more.
    pub(super) fn end_life(&mut self) {
        self.life += 1;
        self.telling = false;
        self.tries_count = 0;
    }

    /// Whether nothing more will happen to it by itself.
    pub(super) fn is_over(&self) -> bool {
        matches!(
            self.state,
            TicketState::Ignored
                | TicketState::Collected
                | TicketState::Rejected
                | TicketState::Cancelled
                | TicketState::Refused
        )
    }

    pub(super) fn life(&self, ticket: u32) -> Life {
        Life { ticket, number: self.life }
    }

    /// The next step that Levee does not know of.
    pub(super) fn untold(&self) -> Option<Step> {
        if self.told_count >= self.reached_count {
            return None;
        }
        match STEPS[self.told_count] {
            Step::Accept if self.rejects => Some(Step::Reject),
            step => Some(step),
        }
    }
}

/// A ticket as an audit reads it: one line of `tickets.ndjson`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TicketLine<'a> {
    /// Its id.
    pub ticket: &'a str,
    /// The order that it is for; empty where only its cancellation came.
    pub order: &'a str,
    /// Of the outlet.
    pub vendor: &'a str,
    /// Who had it.
    pub outlet_id: &'a str,
    /// The last that the outlet knows.
    pub version: u32,
    /// How far it is.
    pub state: TicketState,
    /// How many times a station began it.
    pub begun_count: u32,
    /// How many times it was made.
    pub made_count: u32,
    /// When its courier is called, as the last version says; null where none takes it.
    pub courier_at: Option<Instant>,
}
