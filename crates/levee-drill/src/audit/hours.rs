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
        let begins_ms = self.by_the_clocks(at_ms, |hours, at_ms| Some(hours.opens_ms(at_ms)));
        let begins_ms = begins_ms.unwrap_or(at_ms);
        (begins_ms, self.by_the_clocks(begins_ms, Self::closes_ms))
    }

    /// Whether it is open at this instant.
    pub(super) fn is_open_at(&self, at_ms: u64) -> bool {
        self.stretches.is_empty() || self.holding(self.minute(at_ms)).is_some()
    }

    /// What `find` finds from an instant on as long as the clocks stay as they are; where they are set
    /// before that, it is looked for again from there.
    fn by_the_clocks(&self, at_ms: u64, find: impl Fn(&Self, u64) -> Option<u64>) -> Option<u64> {
        let set_ms = self.offsets.iter().map(|offset| offset.from_ms);
        let mut from_ms = at_ms;
        for next_ms in set_ms.filter(|set_ms| *set_ms > at_ms) {
            let found_ms = find(self, from_ms)?;
            if found_ms < next_ms {
                return Some(found_ms);
            }
            from_ms = next_ms;
        }
        find(self, from_ms)
    }

    fn opens_ms(&self, at_ms: u64) -> u64 {
        let minute = self.minute(at_ms);
        let Some(first) = self.stretches.first().filter(|_| !self.is_open_at(at_ms)) else {
            return at_ms;
        };
        let next = self.stretches.iter().find(|(from, _)| *from > minute);
        after(at_ms, next.map_or(first.0 + DAY, |(from, _)| *from) - minute)
    }

    /// `None` where it never closes.
    fn closes_ms(&self, at_ms: u64) -> Option<u64> {
        let (first, last) = (self.stretches.first()?, self.stretches.last()?);
        let minute = self.minute(at_ms);
        let Some((_, until)) = self.holding(minute) else { return Some(at_ms) };
        let mut left = until - minute;
        if until == DAY && first.0 == 0 {
            if first == last {
                return None;
            }
            left += first.1;
        }
        Some(after(at_ms, left))
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
