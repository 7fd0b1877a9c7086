//! A gate's behaviour over real sockets, with a small engine behind it.

#![allow(clippy::unwrap_used, reason = "a panic in a test is the failure report")]

mod bench;
mod claims;
mod engine;
mod wire;
