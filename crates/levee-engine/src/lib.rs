//! The single writer: it gives commands their order and their time, applies them, makes them
//! durable, and only then lets anyone know.
//!
//! - [`Sequencer`]: one step over commands, without I/O, clock or threads.
//! - [`Engine`]: the step under real threads, over a journal and a clock; a [`levee_api::port`].
//! - [`recover`]: from a journal back to the state, with every outcome compared.
//!
//! What must not live here: rules about money or vouchers, HTTP, files other than `crash/`.

mod clock;
mod engine;
mod error;
mod export;
mod quarantine;
mod queue;
pub mod recover;
mod sequencer;
mod threads;

pub use clock::{Clock, ScaledClock, SystemClock};
pub use engine::{Engine, EngineConfig, Keys};
pub use error::{Fault, StartError};
pub use export::JournalExport;
pub use sequencer::{Batch, Queued, Sequencer};
