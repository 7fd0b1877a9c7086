//! Between counts and reals, in one place, so that each conversion says why it is sound.

/// A count as a real. Counts here are far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts of a drill are far below 2^53")]
pub(crate) fn real(count: u64) -> f64 {
    count as f64
}

/// A real as a count: rounded, and 0 for what is negative or no number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
pub(crate) fn whole(value: f64) -> u64 {
    value.round() as u64
}

/// A real as a place in a table that ends at `last`.
pub(crate) fn place(value: f64, last: usize) -> usize {
    usize::try_from(whole(value)).map_or(last, |place| place.min(last))
}

/// A part of a whole; 0 where there is none.
pub(crate) fn share(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { real(part) / real(all) }
}

/// Microseconds as milliseconds.
pub(crate) fn ms(micros: u64) -> f64 {
    real(micros) / 1_000.0
}

/// Narrows what cannot be larger: users of one crowd, microseconds of one drill.
pub(crate) fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
