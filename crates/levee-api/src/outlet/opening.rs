//! When an outlet is open: hours of every day in its own time zone.

use levee_core::types::{DayPart, Terms, ZoneOffset};

use super::OutletDocument;
use crate::document::day_parts;
use crate::strict::{Malformed, wrong};
use crate::time::offsets;

/// Offsets of time zones are looked up from 2026 on, in milliseconds since 1970: nobody orders
/// earlier.
const ZONE_FROM_MS: u64 = 1_767_225_600_000;

/// And for twenty years; a document that is put again gets further ones.
const ZONE_UNTIL_MS: u64 = ZONE_FROM_MS + 20 * 366 * 86_400_000;

/// Hours of every day, with what is needed to compare the clock with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opening {
    /// The time zone's offsets, ascending, the first from 0; empty where there are no hours.
    pub offsets: Vec<ZoneOffset>,
    /// Parts of the day; empty: always open.
    pub hours: Vec<DayPart>,
}

impl Opening {
    /// Whether it is open at an instant, in milliseconds since 1970.
    #[must_use]
    pub fn holds(&self, at_ms: u64) -> bool {
        let after = self.offsets.partition_point(|offset| offset.from_ms <= at_ms);
        let minutes = after.checked_sub(1).map_or(0, |last| self.offsets[last].minutes);
        let utc = i64::try_from(at_ms / 60_000).unwrap_or(0);
        let local = (utc + i64::from(minutes)).rem_euclid(1_440);
        let local = u16::try_from(local).expect("a remainder of 1,440");
        self.hours.is_empty() || self.hours.iter().any(|part| part.holds(local))
    }
}

/// When the outlet of a document is open.
///
/// # Errors
/// Hours or time zone are wrong.
pub fn opening(document: &OutletDocument) -> Result<Opening, Malformed> {
    let hours = day_parts("hours", &document.hours)?;
    if hours.len() > Terms::LIST_MAX {
        return Err(wrong("hours", format!("must have at most {} parts", Terms::LIST_MAX)));
    }
    if hours.iter().any(|part| part.from_minute == part.until_minute) {
        return Err(wrong("hours", "a part of the day must not be empty"));
    }
    if hours.iter().any(|part| part.from_minute == 1_440) {
        return Err(wrong("hours", "a part of the day must begin before 24:00"));
    }
    let offsets = offsets(&document.time_zone, ZONE_FROM_MS, ZONE_UNTIL_MS)
        .map_err(|detail| wrong("time_zone", detail))?;
    // Whatever the zone, without hours it makes no difference.
    let offsets = if hours.is_empty() { Vec::new() } else { offsets };
    Ok(Opening { offsets, hours })
}
