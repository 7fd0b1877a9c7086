//! What gates, engines, clients and drills agree on.
//!
//! - [`port`]: how a gate hands commands and questions to an engine, and gets replies.
//! - [`intake`], [`vitals`], [`advice`]: who is let in, and what engine, gates and scaler say of
//!   themselves.
//! - [`wire`], [`document`], [`outlet`], [`problem`]: the JSON of requests, of campaigns' and outlets'
//!   documents, and of errors.
//! - [`code`], [`pseudonym`]: how numbers and user ids look outside and inside.
//! - [`intake`], [`pass`]: who is let in, and places in the waiting room.
//! - [`paying`]: how users pay, as long as it is known.
//! - [`client`], [`import`]: the typed client, and its way to import a file of outlets.
//! - [`stream`]: connections over TCP and over Unix sockets.
//! - [`scenario`]: how outlets and the payment provider behave in a rehearsal.
//! - [`webhook`]: signatures of what travels between Levee, outlets and payment providers.
//!
//! What must not live here: sockets of a server, files, rules.

pub mod advice;
pub mod client;
pub mod code;
pub mod document;
pub mod hook;
pub mod import;
pub mod intake;
pub mod nice;
pub mod outlet;
pub mod pass;
pub mod paying;
pub mod port;
pub mod problem;
pub mod pseudonym;
pub mod retry;
pub mod scenario;
pub mod stream;
pub mod strict;
pub mod time;
pub mod trade;
pub mod vitals;
pub mod webhook;
pub mod wire;

pub use levee_core::types;
