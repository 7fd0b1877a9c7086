//! Between Levee and those outside: outlets' systems and payment providers.
//!
//! - [`wire`]: what both sides of such a connection say to each other, as JSON.
//! - [`connectors`]: do outside what orders ask for, and say to the engine what came of it.
//! - [`hooks`]: tell the app's back end what has happened.
//! - [`reach`]: whom Levee calls at all.
//! - [`played`]: connectors and the sandbox without sockets, by a clock that stands still.
//! - [`sandbox`]: outlets and a payment provider that stand in for real ones.
//!
//! What must not live here: rules about money, vouchers and orders, and anything of the engine's.

mod asking;
mod backoff;
pub mod connectors;
pub mod hooks;
mod http;
pub mod played;
pub mod reach;
pub mod sandbox;
mod trust;
pub mod wire;
