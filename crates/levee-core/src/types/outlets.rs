//! Outlets: where orders are made. Commands about them.

use alloc::string::String;
use alloc::vec::Vec;

use super::{DayPart, NameHash, OutletId, OutletNo, RequestKey, Terms, ZoneOffset, minute_of_day};

/// Most stations of one outlet: far more than any kitchen has.
pub const STATIONS_MAX: u16 = 10_000;

/// Longest time that an outlet may take to accept an order, in milliseconds: a day.
pub const ACCEPT_WITHIN_MS_MAX: u64 = 24 * 3_600_000;

/// Longest making time of one unit of work, in milliseconds: an hour.
pub const UNIT_MS_MAX: u32 = 3_600_000;

/// Longest time within which an order counts as made at once, in milliseconds: a day.
pub const READY_WITHIN_MS_MAX: u64 = 24 * 3_600_000;

/// Minutes of a day.
const DAY: u16 = 1_440;

const MINUTE_MS: u64 = 60_000;

/// So many minutes after the beginning of the minute that `at_ms` is in.
fn start_of_minute_ms(at_ms: u64, later: u16) -> u64 {
    (at_ms / MINUTE_MS + u64::from(later)).saturating_mul(MINUTE_MS)
}

/// When an outlet is open, every day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Opening {
    /// Its time zone, as in [`Terms::offsets`].
    pub offsets: Vec<ZoneOffset>,
    /// Parts of the day; empty: always open. Parts that touch are one. At most
    /// [`Terms::LIST_MAX`].
    pub hours: Vec<DayPart>,
}

impl Opening {
    /// The earliest instant from `at_ms` on at which it is open.
    #[must_use]
    pub fn open_from_ms(&self, at_ms: u64) -> u64 {
        let mut from_ms = at_ms;
        loop {
            let found_ms = self.opens_ms(from_ms);
            // Clocks that change before that show another time then.
            match self.next_change_ms(from_ms) {
                Some(change_ms) if change_ms <= found_ms => from_ms = change_ms,
                _ => return found_ms,
            }
        }
    }

    /// The first instant from `at_ms` on at which it is closed; `None` where it always is open.
    #[must_use]
    pub fn open_until_ms(&self, at_ms: u64) -> Option<u64> {
        let mut from_ms = at_ms;
        loop {
            let found_ms = self.closes_ms(from_ms)?;
            match self.next_change_ms(from_ms) {
                Some(change_ms) if change_ms <= found_ms => from_ms = change_ms,
                _ => return Some(found_ms),
            }
        }
    }

    /// When its clocks change next.
    fn next_change_ms(&self, at_ms: u64) -> Option<u64> {
        let next = self.offsets.partition_point(|offset| offset.from_ms <= at_ms);
        self.offsets.get(next).map(|offset| offset.from_ms)
    }

    /// As [`Self::open_from_ms`], by the clocks as they are then.
    fn opens_ms(&self, at_ms: u64) -> u64 {
        let minute = minute_of_day(&self.offsets, at_ms);
        if self.hours.is_empty() || self.hours.iter().any(|part| part.holds(minute)) {
            return at_ms;
        }
        let waits = self.hours.iter().map(|part| (part.from_minute + DAY - minute) % DAY);
        start_of_minute_ms(at_ms, waits.min().expect("some hours"))
    }

    /// As [`Self::open_until_ms`], by the clocks as they are then.
    fn closes_ms(&self, at_ms: u64) -> Option<u64> {
        if self.hours.is_empty() {
            return None;
        }
        let first = minute_of_day(&self.offsets, at_ms);
        let mut gone = 0;
        // Each part that holds the end so far leads on to its own; a day without a gap has no end.
        while gone < DAY {
            let minute = (first + gone) % DAY;
            let parts = self.hours.iter().filter(|part| part.holds(minute));
            let left = parts.map(|part| match (part.until_minute + DAY - minute) % DAY {
                0 => DAY,
                left => left,
            });
            match left.max() {
                Some(left) => gone += left,
                None => return Some(at_ms.max(start_of_minute_ms(at_ms, gone))),
            }
        }
        None
    }

    /// Checks every bound that the rules rely on.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let ascending = self.offsets.windows(2).all(|pair| pair[0].from_ms < pair[1].from_ms);
        let offsets = self.offsets.iter().all(|offset| (-1_440..=1_440).contains(&offset.minutes));
        let hours = self.hours.iter().all(|part| {
            part.from_minute < DAY
                && part.until_minute <= DAY
                && part.from_minute != part.until_minute
        });
        let lens = [self.offsets.len(), self.hours.len()];
        ascending && offsets && hours && lens.iter().all(|len| *len <= Terms::LIST_MAX)
    }
}

/// Makes an outlet, or replaces its document. A document that stands there already is refused as
/// unchanged, so that an import can be run again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PutOutlet {
    /// The operator's name for it.
    pub id: OutletId,
    /// The document as JSON, at most [`super::DOCUMENT_LEN_MAX`] bytes; returned as given, never
    /// looked into by the rules.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub document: Vec<u8>,
    /// Whose shop it is; vouchers may be for some brands only.
    pub brand: NameHash,
    /// Whose system takes its tickets; outlets of one vendor share a breaker beside their own.
    pub vendor: NameHash,
    /// Staff or machines that make drinks, 1 to [`STATIONS_MAX`].
    pub stations: u16,
    /// What one of them needs for a unit of work, in milliseconds, by the outlet's own figure; 1 to
    /// [`UNIT_MS_MAX`]. The kitchen learns from it on.
    pub unit_ms: u32,
    /// An order that it has not accepted after this time expires, in milliseconds; 1 to
    /// [`ACCEPT_WITHIN_MS_MAX`].
    pub accept_within_ms: u64,
    /// An order that names no time of its own is taken if it can be ready within this time, in
    /// milliseconds; 1 to [`READY_WITHIN_MS_MAX`].
    pub ready_within_ms: u64,
    /// When it is open; orders are ready within these hours.
    pub opening: Opening,
}

/// So many make at an outlet from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SetStaffing {
    /// Makes a repeat harmless.
    pub request: RequestKey,
    /// Which outlet.
    pub outlet: OutletNo,
    /// Staff or machines that make, 1 to [`STATIONS_MAX`].
    pub stations: u16,
}

/// An outlet has work for customers of another channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RecordWalkIns {
    /// Makes a repeat harmless.
    pub request: RequestKey,
    /// Which outlet.
    pub outlet: OutletNo,
    /// In thousandths of a unit; 1 to [`super::WORK_MAX`].
    pub work: u32,
}

/// An outlet takes no orders for a while. Orders that it has go on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PauseOutlet {
    /// Makes a repeat harmless.
    pub request: RequestKey,
    /// Which outlet.
    pub outlet: OutletId,
    /// It takes orders again then, in milliseconds since 1970, at most
    /// [`super::DURATION_MS_MAX`] from now; `None`: when somebody resumes it.
    pub until_ms: Option<u64>,
    /// For those who see the outlet; 1 to [`super::REASON_LEN_MAX`] bytes.
    pub reason: String,
}

/// A paused outlet takes orders again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ResumeOutlet {
    /// Makes a repeat harmless.
    pub request: RequestKey,
    /// Which outlet.
    pub outlet: OutletId,
    /// For the record; 1 to [`super::REASON_LEN_MAX`] bytes.
    pub reason: String,
}
