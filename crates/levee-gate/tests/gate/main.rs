//! A gate's behaviour over real sockets, with a small engine behind it.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failure report")]

mod admission;
mod batch;
mod bench;
mod campaigns;
mod claims;
mod engine;
mod imports;
mod intake;
mod keys;
mod lifecycle;
mod live;
mod metrics;
mod mutants;
mod near;
mod notifications;
mod orders;
mod outlets;
mod payments;
mod quotes;
mod repeats;
mod shop;
mod sockets;
mod statement;
mod streams;
mod strictness;
mod tickets;
mod vouchers;
mod watching;
mod ways;
mod webhooks;
mod wire;
