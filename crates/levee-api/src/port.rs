//! The port through which gates reach an engine, wherever it runs.
//!
//! A gate hands over a vector of asks a turn of its event loop, or a few in a long one, and gets one delivery a batch; no
//! channel, lock or wake for a single request.

use std::io;
use std::sync::Arc;
use std::time::Instant;

pub use levee_core::SetAside;
pub use levee_core::query::{
    Answer, CampaignView, LIST_MAX, OrderView, OutletView, PayBy, Query, RedemptionView,
    VoucherView,
};
use levee_core::types::{Command, Outcome, Refusal};

use crate::intake::Intake;
use crate::vitals::Vitals;

/// What goes first when not everything can. The discriminant is the lane's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Payment and POS callbacks; the engine's own ticks.
    Callback = 0,
    /// Operators' doings, order status, cancellation.
    Status = 1,
    /// Redeeming, locking, ordering.
    Redeem = 2,
    /// Claiming, opening.
    Claim = 3,
    /// Browsing.
    Browse = 4,
}

impl Priority {
    /// How many lanes there are.
    pub const COUNT: usize = 5;

    /// All of them, first to last.
    pub const ALL: [Self; Self::COUNT] =
        [Self::Callback, Self::Status, Self::Redeem, Self::Claim, Self::Browse];

    /// The lane's name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Callback => "callback",
            Self::Status => "status",
            Self::Redeem => "redeem",
            Self::Claim => "claim",
            Self::Browse => "browse",
        }
    }
}

/// One thing asked of the engine.
#[derive(Debug)]
pub struct Ask {
    /// The gate's own number for it; comes back with the reply.
    pub ticket: u64,
    /// How long after its arrival it may still be decided, in milliseconds; later it is answered
    /// [`Failure::Expired`] and has no effect.
    pub within_ms: u32,
    /// What is asked.
    pub body: AskBody,
}

// The deciding thread waits for the cache lines of asks from another core: each is as long as one.
const _: () = assert!(size_of::<Ask>() <= 64);

/// A change or a question.
#[derive(Debug)]
pub enum AskBody {
    /// Journaled if it has an effect.
    Command(Command),
    /// Never journaled.
    Query(Box<Query>),
}

/// What the engine says, once everything that it depends on is durable.
#[derive(Clone, Debug)]
pub enum Reply {
    /// The command had this effect, now or, if `repeated`, before.
    Done {
        /// Its place in the journal.
        seq: u64,
        /// Its journal time, in milliseconds since 1970.
        at_ms: u64,
        /// What came of it.
        outcome: Outcome,
        /// The effect is an earlier one.
        repeated: bool,
    },
    /// The command had none.
    Refused(Refusal),
    /// To a question.
    Answer(Box<Answer>),
    /// No decision; nothing happened, save after [`Failure::Lost`].
    Failed(Failure),
}

/// Why there is no decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The queue has no room.
    Overloaded,
    /// Its time was over before it could be decided.
    Expired,
    /// The disk's reserve is reached.
    StorageFull,
    /// The engine is stopping and takes no more.
    Stopping,
    /// The engine reads its journal and takes nothing yet.
    Recovering,
    /// The same command broke an invariant before; it is kept for those who mend it.
    Quarantined,
    /// There is no connection to the engine at present; it was not asked.
    Unreachable,
    /// The connection to the engine broke before its reply: whether there was an effect is not
    /// known.
    Lost,
}

/// A gate thread, as the engine knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(pub u32);

/// Where an engine leaves replies for one origin. Called from the engine's threads: must not block.
pub trait Deliver: Send + Sync {
    /// Replies of one batch, with the tickets of their asks.
    fn deliver(&self, replies: Vec<(u64, Reply)>);
}

/// How a gate reaches an engine.
pub trait Submit: Send + Sync {
    /// Makes a place for replies known, until [`Self::release`].
    fn register(&self, deliver: Arc<dyn Deliver>) -> Origin;

    /// Nobody waits at this place any more: what was asked from it is decided all the same, and the
    /// replies are dropped. The number is not given away again. Where all origins live as long as
    /// the engine, there is nothing to do.
    fn release(&self, _origin: Origin) {}

    /// Takes asks of one lane over, all of which `arrived` at this moment or later: the queue delay
    /// counts from there. Leaves an empty vector to fill next. What finds no room in the queue, or
    /// comes too early or too late, stays in it, and the reason is returned.
    ///
    /// # Errors
    /// [`Failure::Overloaded`], [`Failure::Recovering`], [`Failure::Stopping`] or
    /// [`Failure::Unreachable`], with the asks that were not taken.
    fn submit(
        &self,
        origin: Origin,
        priority: Priority,
        arrived: Instant,
        asks: &mut Vec<Ask>,
    ) -> Result<(), Failure>;

    /// What the engine counts and measures about itself.
    fn vitals(&self) -> &Vitals;

    /// Who is let in at present, and how gates say what they see.
    fn intake(&self) -> &Arc<Intake>;
}

/// How a gate reads the journal for those who want to check it.
pub trait Export: Send + Sync {
    /// All durable commands after `after_seq` as NDJSON, in chunks of whole lines. Blocks: call it,
    /// and the iterator, from a thread that may wait for a disk.
    ///
    /// # Errors
    /// The journal cannot be read.
    fn export(&self, after_seq: u64) -> io::Result<ExportChunks>;
}

/// Chunks of whole lines.
pub type ExportChunks = Box<dyn Iterator<Item = io::Result<Vec<u8>>> + Send>;

/// One durable command with what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Its place in the journal.
    pub seq: u64,
    /// Its journal time, in milliseconds since 1970.
    pub at_ms: u64,
    /// What was asked.
    pub command: Command,
    /// What came of it.
    pub outcome: Outcome,
}

/// Why durable commands could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// The next one is not kept any more: its archived segment was deleted.
    #[error(
        "the journal is kept from seq {first_seq} on; what came before was archived and deleted"
    )]
    Removed {
        /// The first that is kept.
        first_seq: u64,
    },
    /// The journal cannot be read.
    #[error(transparent)]
    Unreadable(#[from] io::Error),
}

/// How those who tell others of it read the journal beside the engine. It blocks, as reading does:
/// call it from a thread that may wait for a disk.
pub trait Facts: Send + Sync {
    /// A place behind `after_seq`, from which durable commands are read on.
    ///
    /// # Errors
    /// As [`FollowFacts::next`].
    fn follow(&self, after_seq: u64) -> Result<Box<dyn FollowFacts>, FactsError>;

    /// The first command that is kept, archived ones included; `None` where none is.
    ///
    /// # Errors
    /// The journal cannot be read.
    fn first_seq(&self) -> io::Result<Option<u64>>;
}

/// A place in the journal.
pub trait FollowFacts: Send {
    /// The durable commands that come next, in order: at least `count_min` of them, and a few more
    /// where a record holds more; fewer only where there are no more yet.
    ///
    /// # Errors
    /// [`FactsError::Removed`] where the journal does not reach back so far, and
    /// [`FactsError::Unreadable`]. The place may be lost then.
    fn next(&mut self, count_min: usize) -> Result<Vec<Fact>, FactsError>;
}
