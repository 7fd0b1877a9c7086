//! Opening hours of outlets, read independently: when the next stretch of them begins and ends.

use levee_core::types::{Opening, ZoneOffset};

use super::terms::minutes_ahead;

const DAY: u16 = 24 * 60;

const MINUTE_MS: u64 = 60_000;

/// When an outlet is open, every day.
#[derive(Debug, Default)]
pub(super) struct Hours {
    offsets: Box<[ZoneOffset]>,
    /// Of the local day in minutes, the end excluded; ascending, and none touches the next. None:
    /// always open.
    stretches: Box<[(u16, u16)]>,
}

impl Hours {
    pub(super) fn of(opening: &Opening) -> Self {
        let mut parts = Vec::new();
        for part in &opening.hours {
            if part.from_minute < part.until_minute {
                parts.push((part.from_minute, part.until_minute));
            } else {
                parts.extend([(part.from_minute, DAY), (0, part.until_minute)]);
            }
        }
        parts.retain(|(from, until)| from < until);
        parts.sort_unstable();
        let mut stretches: Vec<(u16, u16)> = Vec::new();
        for (from, until) in parts {
            match stretches.last_mut().filter(|(_, before)| *before >= from) {
                Some((_, before)) => *before = until.max(*before),
                None => stretches.push((from, until)),
            }
        }
        Self { offsets: opening.offsets.clone().into(), stretches: stretches.into() }
    }

    /// The stretch in which it is open at this instant, or else the next one: the first instant of it
    /// from this one on, and its end, if it has one.
    pub(super) fn stretch_from(&self, at_ms: u64) -> (u64, Option<u64>) {
        let begins_ms = self.first_from(at_ms, Self::minutes_closed).unwrap_or(at_ms);
        (begins_ms, self.first_from(begins_ms, Self::minutes_open))
    }

    /// The first instant that is so many minutes away, asked again whenever the clock is set before.
    fn first_from(&self, at_ms: u64, wait: fn(&Self, u16) -> Option<u16>) -> Option<u64> {
        let mut from_ms = at_ms;
        loop {
            let found_ms = match wait(self, self.minute(from_ms))? {
                0 => from_ms,
                minutes => after(from_ms, minutes),
            };
            let mut later = self.offsets.iter().map(|offset| offset.from_ms);
            match later.find(|set_ms| *set_ms > from_ms) {
                Some(set_ms) if set_ms <= found_ms => from_ms = set_ms,
                _ => return Some(found_ms),
            }
        }
    }

    /// For how long it is closed from a minute of the day on; none where it is never closed at all.
    fn minutes_closed(&self, minute: u16) -> Option<u16> {
        let first = self.stretches.first()?;
        if self.holding(minute).is_some() {
            return Some(0);
        }
        let next = self.stretches.iter().find(|(from, _)| *from > minute);
        Some(next.map_or(first.0 + DAY, |(from, _)| *from) - minute)
    }

    /// For how long it is open from a minute of the day on; none where it always is.
    fn minutes_open(&self, minute: u16) -> Option<u16> {
        let (first, last) = (self.stretches.first()?, self.stretches.last()?);
        let Some((_, until)) = self.holding(minute) else { return Some(0) };
        // A stretch that ends at midnight goes on in the one that begins there.
        match until {
            DAY if first.0 == 0 && first == last => None,
            DAY if first.0 == 0 => Some(DAY - minute + first.1),
            _ => Some(until - minute),
        }
    }

    fn minute(&self, at_ms: u64) -> u16 {
        let utc = i64::try_from(at_ms / MINUTE_MS).unwrap_or(0);
        let local = (utc + minutes_ahead(&self.offsets, at_ms)).rem_euclid(DAY.into());
        u16::try_from(local).expect("a minute of the day")
    }

    fn holding(&self, minute: u16) -> Option<(u16, u16)> {
        self.stretches.iter().copied().find(|(from, until)| (*from..*until).contains(&minute))
    }
}

/// The start of the minute that is so many minutes later.
fn after(at_ms: u64, minutes: u16) -> u64 {
    (at_ms / MINUTE_MS + u64::from(minutes)).saturating_mul(MINUTE_MS)
}
