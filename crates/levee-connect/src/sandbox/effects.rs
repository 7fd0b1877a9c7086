//! What follows from what happened: things to do later, and calls to make now. The parts of the
//! sandbox put it down here; who waits and who sends is elsewhere.

use std::collections::VecDeque;

use super::agenda::Agenda;
use crate::wire::pay::PaymentEvent;

/// Something that is due at its time. Tickets are named with their life: what was planned for an
/// earlier one has no meaning any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Somebody looks at a ticket.
    Answer(Life),
    /// A station of a kitchen may be free, or a ticket's time come.
    Look { kitchen: u32 },
    /// A ticket is made.
    Made(Life),
    /// A ticket is fetched.
    Fetched(Life),
    /// A step is to be said, perhaps again.
    Tell(Life),
    /// A user does something about a payment.
    Think { payment: u32 },
    /// The result of a payment that was pending.
    Settle { payment: u32 },
    /// A callback is to be sent.
    Callback(CallbackTry),
}

/// One life of a ticket: a new version of one that had ended begins another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) ticket: u32,
    pub(super) number: u32,
}

/// One try of one callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CallbackTry {
    pub(super) payment: u32,
    pub(super) event: PaymentEvent,
    /// When it happened.
    pub(super) at_ms: u64,
    /// From 0.
    pub(super) attempt: u32,
    /// A second copy of a try, which is never repeated.
    pub(super) copy: bool,
}

/// All of it. Each queue is as long as there are tickets or callbacks under way at most, and those
/// are bounded by the records that are kept.
#[derive(Debug)]
pub(super) struct Effects {
    pub(super) agenda: Agenda<Due>,
    /// Steps to be said to Levee.
    pub(super) steps: VecDeque<Life>,
    /// Callbacks to be sent.
    pub(super) callbacks: VecDeque<CallbackTry>,
}

impl Effects {
    pub(super) fn new() -> Self {
        Self { agenda: Agenda::new(), steps: VecDeque::new(), callbacks: VecDeque::new() }
    }
}
