//! The single writer: it gives commands their order and their time, applies them, makes them
//! durable, and only then lets anyone know.
//!
//! - [`Sequencer`]: one step over commands, without I/O, clock or threads.
//! - [`Engine`]: the step under real threads, over a journal and a clock; a [`levee_api::port`].
//! - [`recover`]: from snapshot and journal back to the state, with every outcome compared.
//!
//! What must not live here: rules about money or vouchers, HTTP, files other than `crash/`.

mod arrivals;
mod clock;
mod decider;
mod engine;
mod error;
mod export;
mod finisher;
mod lanes;
mod memory;
mod origins;
mod quarantine;
mod queue;
pub mod recover;
mod sequencer;
mod shared;
mod snapshots;
mod ticker;
mod tokens;

pub use clock::{Clock, ScaledClock, SystemClock};
pub use engine::{Engine, EngineConfig, Keys};
pub use error::{Fault, SnapshotTrouble, StartError};
pub use export::JournalExport;
pub use lanes::Handover;
pub use sequencer::{Batch, Sequencer};
pub use snapshots::SnapshotPlan;
