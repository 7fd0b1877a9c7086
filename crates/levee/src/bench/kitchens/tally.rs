//! What is counted of a day.

use std::ops::AddAssign;

/// Hours of which the use of stations is kept.
pub(super) const HOURS: usize = 9;

/// How an order was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// At once, where it was asked for.
    Now,
    /// At once, at a near outlet.
    Near,
    /// For a later slot.
    Later,
}

/// Orders of one way, and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// Made, and judged below.
    pub(super) made: u64,
    /// Ready after their promise.
    pub(super) late: u64,
    /// Sum of the times that were promised, from the ask.
    pub(super) promised_ms: u64,
    /// Sum of the times by which they were ready before their promise.
    pub(super) early_ms: u64,
    /// Sum of the times by which they were ready after it.
    pub(super) late_ms: u64,
}

/// One day of some outlets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) asked: u64,
    pub(super) now: Taken,
    pub(super) near: Taken,
    pub(super) later: Taken,
    /// Of held offers that nobody paid for.
    pub(super) lapsed: u64,
    /// Users who keep their voucher for another day.
    pub(super) kept: u64,
    /// Made, but promised while the kitchens had become slower and could not know.
    pub(super) while_learning: u64,
    pub(super) sent_to_paused: u64,
    pub(super) walk_ins: u64,
    /// Hours of outlets in which more was asked for than could be made.
    pub(super) full_hours: u64,
    /// Time of all stations in these hours, and how much of it they were at work.
    pub(super) full_ms: u64,
    pub(super) full_busy_ms: u64,
}

impl Tally {
    pub(super) fn way(&mut self, way: Way) -> &mut Taken {
        match way {
            Way::Now => &mut self.now,
            Way::Near => &mut self.near,
            Way::Later => &mut self.later,
        }
    }
}

impl AddAssign for Taken {
    fn add_assign(&mut self, other: Self) {
        self.made += other.made;
        self.late += other.late;
        self.promised_ms += other.promised_ms;
        self.early_ms += other.early_ms;
        self.late_ms += other.late_ms;
    }
}

impl AddAssign<&Tally> for Tally {
    fn add_assign(&mut self, other: &Tally) {
        self.asked += other.asked;
        self.now += other.now;
        self.near += other.near;
        self.later += other.later;
        self.lapsed += other.lapsed;
        self.kept += other.kept;
        self.while_learning += other.while_learning;
        self.sent_to_paused += other.sent_to_paused;
        self.walk_ins += other.walk_ins;
        self.full_hours += other.full_hours;
        self.full_ms += other.full_ms;
        self.full_busy_ms += other.full_busy_ms;
    }
}

/// What was asked of one outlet and what its stations did, by hour.
#[derive(Clone, Debug, Default)]
pub(super) struct Hours {
    asked_ms: [u64; HOURS],
    busy_ms: [u64; HOURS],
}

impl Hours {
    /// Work that somebody wanted at this time, in ms of one station.
    pub(super) fn ask(&mut self, at_ms: u64, work_ms: u64) {
        if let Some(asked_ms) = self.asked_ms.get_mut(hour_of(at_ms)) {
            *asked_ms += work_ms;
        }
    }

    /// A station worked from then until then.
    pub(super) fn work(&mut self, from_ms: u64, until_ms: u64) {
        let mut at_ms = from_ms;
        while at_ms < until_ms {
            let hour = hour_of(at_ms);
            let end_ms = until_ms.min((hour as u64 + 1) * super::HOUR_MS);
            if let Some(busy_ms) = self.busy_ms.get_mut(hour) {
                *busy_ms += end_ms - at_ms;
            }
            at_ms = end_ms;
        }
    }

    /// Adds the hours in which more was asked for than these stations can make.
    pub(super) fn add_full(&self, stations: u16, tally: &mut Tally) {
        let can_ms = u64::from(stations) * super::HOUR_MS;
        for (asked_ms, busy_ms) in self.asked_ms.iter().zip(self.busy_ms) {
            if *asked_ms > can_ms {
                tally.full_hours += 1;
                tally.full_ms += can_ms;
                tally.full_busy_ms += busy_ms;
            }
        }
    }
}

/// Counted from the start of the day.
fn hour_of(at_ms: u64) -> usize {
    usize::try_from(at_ms / super::HOUR_MS).unwrap_or(usize::MAX)
}
