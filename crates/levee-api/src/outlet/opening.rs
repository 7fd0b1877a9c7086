//! When an outlet is open: hours of every day in its own time zone.

use levee_core::types::{Opening, Terms};

use super::OutletDocument;
use crate::document::day_parts;
use crate::strict::{Malformed, wrong};
use crate::time::offsets;

/// Offsets of time zones are looked up from 2026 on, in milliseconds since 1970: nobody orders
/// earlier.
const ZONE_FROM_MS: u64 = 1_767_225_600_000;

/// And for twenty years; a document that is put again gets further ones.
const ZONE_UNTIL_MS: u64 = ZONE_FROM_MS + 20 * 366 * 86_400_000;

/// When the outlet of a document is open.
///
/// # Errors
/// Hours or time zone are wrong.
pub fn opening(document: &OutletDocument) -> Result<Opening, Malformed> {
    let hours = day_parts("hours", &document.hours)?;
    if hours.len() > Terms::LIST_MAX {
        return Err(wrong("hours", format!("must have at most {} parts", Terms::LIST_MAX)));
    }
    let offsets = offsets(&document.time_zone, ZONE_FROM_MS, ZONE_UNTIL_MS)
        .map_err(|detail| wrong("time_zone", detail))?;
    // Whatever the zone, without hours it makes no difference.
    let offsets = if hours.is_empty() { Vec::new() } else { offsets };
    let opening = Opening { offsets, hours };
    if !opening.is_sound() {
        return Err(wrong("hours", "no part may be empty, or begin at 24:00"));
    }
    Ok(opening)
}
