//! gRPC: gates in processes of their own, and what an autoscaler asks.
//!
//! - [`engine`]: takes gates in, beside an engine.
//! - [`gate`]: the port of an engine in another process.
//! - `message` says what the two tell each other, `framing` how that travels.
//!
//! What must not live here: rules, files, HTTP for users.

pub mod engine;
mod framing;
pub mod gate;
mod limits;
mod message;
mod proof;
pub mod scaler;
#[cfg(test)]
mod tests;

pub use message::{ApiKey, Installation};
pub use proof::{SharedKey, SharedKeyError};
