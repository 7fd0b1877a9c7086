//! Tests of the kitchens: tables of estimates and slots, what is learned, and random lives of orders.

mod estimates;
mod learning;
mod lives;

use super::kitchen::LESSONS;
use super::{Ask, Experience, Kitchen, Lesson, Pace, Ticket, Work};

pub(super) const MINUTE: u64 = 60_000;

/// A day on which all of this happens, at a multiple of the slots.
pub(super) const START_MS: u64 = 1_770_336_000_000;

/// Nothing is learned and nothing doubted: the bare formula.
pub(super) const STATIC: Pace =
    Pace { cv: 0.4, doubt: 0.0, gamma: 0.0, unit_gain: 0.0, queue_gain: 0.0, ..Pace::DEFAULT };

/// A kitchen whose figures are believed, and that is known well.
pub(super) fn kitchen(stations: u16, unit_minutes: u32) -> Kitchen {
    Kitchen {
        seen: 10,
        taught: LESSONS,
        drag: 1.0,
        ..Kitchen::new(stations, unit_minutes * 60_000)
    }
}

/// Nothing is to be paid before.
pub(super) fn at_once(work: Work) -> Ask {
    Ask::of(work, false)
}

/// Promises so many units for so many minutes after the start.
pub(super) fn promise(kitchen: &mut Kitchen, units: u32, ready_minutes: u64) -> Ticket {
    kitchen.promise(START_MS, Work::units(units), START_MS + ready_minutes * MINUTE, &Pace::DEFAULT)
}

pub(super) fn minutes(ms: u64) -> f64 {
    ms as f64 / MINUTE as f64
}
