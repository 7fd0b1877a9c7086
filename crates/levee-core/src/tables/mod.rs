//! Where records live. Handlers and queries know these names and nothing of the layout.
//!
//! Records are dense: a record's number is its place, so a number leads to it without a look-up.
//! Nothing here is ever removed, except answers after their time; a state is a field.

mod answers;
mod chunk;
mod index;
mod orders;
mod outlets;
mod prefetch;
mod quotes;
mod rows;
mod table;
mod users;

#[cfg(test)]
mod tests;

pub(crate) use answers::{Answer, Answers, Budgets};
pub(crate) use chunk::Store;
pub use chunk::{CHUNK_BYTES, Chunk};
pub(crate) use orders::Order;
pub(crate) use outlets::{Outlet, Texts};
pub(crate) use prefetch::{prefetch, prefetch_all};
pub(crate) use quotes::Quote;
pub(crate) use rows::{Lock, LockState, Redemption, RedemptionState, Undone, Voucher, put_all};
pub(crate) use table::{Capture, Table};
pub use table::{PAGE_BYTES, Pages};
pub(crate) use users::UserIndex;

/// Version of the layout of records in snapshots. Raised with every change of it, and where a field comes
/// to mean something else.
pub(crate) const LAYOUT: u16 = 4;
