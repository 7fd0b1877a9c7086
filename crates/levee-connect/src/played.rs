//! Connectors, and the sandbox that they talk to, without sockets and in one thread.
//!
//! All their waits are tokio's, so in a runtime whose clock is paused hours of outages take as long as
//! there is something to do in them, and the same seed plays the same. What they do is what they do
//! over a network; the network itself is not played.

pub use crate::connectors::play as connect;
pub use crate::http::{Answering, Party};
pub use crate::sandbox::Outside;
