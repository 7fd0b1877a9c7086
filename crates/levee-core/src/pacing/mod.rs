//! How fast one outlet's kitchen is, what it has promised, and when the next order will be ready.
//!
//! | file | what is there |
//! |---|---|
//! | `experience.rs` | what is expected of a kitchen that nobody knows yet |
//! | `pace.rs` | the policy: which share of promises is to be kept, and how fast to learn |
//! | `kitchen.rs` | one outlet: what was learned, what is promised and being made |
//! | `estimate.rs` | how long so much work takes, with the wanted certainty |
//! | `later.rs` | promised work by the time at which it must be ready |
//! | `learned.rs` | a kitchen as plain bytes |
//!
//! A kitchen is told what happens to each order and remembers none of them: whoever keeps the orders
//! says work and promised time again at every step. Opening hours and pauses are not known here.
//!
//! Only IEEE basic operations and `libm`, so that every build comes to the same numbers.

mod estimate;
mod experience;
mod kitchen;
mod later;
mod learned;
mod pace;

#[cfg(test)]
mod tests;

pub use experience::{Experience, Lesson};
pub use kitchen::{Ask, Kitchen, Ticket};
pub use later::SLOT_MS;
pub use learned::Learned;
pub use pace::Pace;

/// Work in thousandths of a unit; a unit is what one station makes in one go, such as one drink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Work(pub u32);

impl Work {
    /// Thousandths in one unit.
    pub const UNIT: u32 = 1_000;

    /// Whole units.
    #[must_use]
    pub const fn units(units: u32) -> Self {
        Self(units.saturating_mul(Self::UNIT))
    }
}
