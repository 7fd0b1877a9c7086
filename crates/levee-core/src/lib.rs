//! The rules of Levee: one deterministic state machine, command in, outcome out.
//!
//! What lives here: every rule about money, vouchers, locks, redemptions, outlets and orders. What must not: I/O,
//! clocks, randomness, threads, async, floating point in money, iteration in hash order. Time enters
//! with the journal's record, so replaying a journal on any machine gives the same state.
//!
//! - [`types`]: commands, outcomes, terms, and their binary encoding; shared with the audit.
//! - [`State`]: the state and [`State::apply`], the only way to change it.
//! - [`query`]: questions that change nothing.
//! - [`pacing`]: what an outlet's kitchen can promise.
#![cfg_attr(not(test), no_std)]
extern crate alloc;

mod ahead;
mod books;
mod deadlines;
mod handlers;
mod hash;
mod lists;
pub mod pacing;
pub mod query;
mod rules;
mod snapshot;
mod state;
mod tables;
pub mod types;
mod undone;

#[cfg(test)]
mod tests;

pub use rules::{RuleBook, Rules};
pub use snapshot::{Rest, Restore, RestoreError};
pub use state::{CAMPAIGNS_MAX, SetAside, State, Verdict};
pub use tables::{CHUNK_BYTES, Chunk, PAGE_BYTES, Pages};
