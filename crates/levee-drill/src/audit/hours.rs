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
    /// from this one on, and its end, if it has one. Each is counted by the offset that holds where
    /// the count begins.
    pub(super) fn stretch_from(&self, at_ms: u64) -> (u64, Option<u64>) {
        let (Some(first), Some(last)) = (self.stretches.first(), self.stretches.last()) else {
            return (at_ms, None);
        };
        let minute = self.minute(at_ms);
        let begins_ms = match self.holding(minute) {
            Some(_) => at_ms,
            None => {
                let next = self.stretches.iter().find(|(from, _)| *from > minute);
                let wait = next.map_or(first.0 + DAY, |(from, _)| *from) - minute;
                after(at_ms, wait)
            }
        };
        let minute = self.minute(begins_ms);
        let Some((_, until)) = self.holding(minute) else {
            // The clock was set in between, past this stretch.
            return (begins_ms, Some(begins_ms));
        };
        let mut left = until - minute;
        if until == DAY && first.0 == 0 {
            if first == last {
                return (begins_ms, None);
            }
            left += first.1;
        }
        (begins_ms, Some(after(begins_ms, left).max(begins_ms)))
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
