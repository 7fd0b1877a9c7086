//! Customers at the counter: independent arrivals, drawn an hour at a time from the outlet's id and
//! the hour, so that they are the same whenever a kitchen begins to look at them.

use std::collections::VecDeque;

use levee_api::scenario::{Kitchens, WalkIns as Terms};

use super::profile::Profile;
use crate::sandbox::draw::{Draw, gap, real, spread, whole};

const HOUR_MS: u64 = 3_600_000;

/// One customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WalkIn {
    pub(super) at_ms: u64,
    pub(super) making_ms: u64,
}

/// Those of one outlet, in order of time.
#[derive(Debug, Default)]
pub(super) struct WalkIns {
    /// The first hour since 1970 that is not drawn yet.
    hour: u64,
    coming: VecDeque<WalkIn>,
}

/// What they are drawn from.
#[derive(Clone, Copy)]
pub(super) struct Crowd<'a> {
    pub(super) draw: Draw,
    pub(super) kitchens: &'a Kitchens,
    pub(super) profile: Profile,
    pub(super) vendor: &'a str,
    pub(super) outlet_id: &'a str,
}

impl WalkIns {
    /// From the hour before a moment on: whoever came earlier is served by then, mostly.
    pub(super) fn before(now_ms: u64) -> Self {
        Self { hour: (now_ms / HOUR_MS).saturating_sub(1), coming: VecDeque::new() }
    }

    /// Leaves out what is long past, after a time in which nobody looked.
    pub(super) fn skip_to(&mut self, now_ms: u64) {
        if self.hour + 1 < now_ms / HOUR_MS {
            *self = Self::before(now_ms);
        }
    }

    /// The next one, if there is one by then.
    pub(super) fn peek(&mut self, until_ms: u64, crowd: Crowd<'_>) -> Option<WalkIn> {
        while self.coming.is_empty() && self.hour * HOUR_MS <= until_ms {
            self.draw_hour(crowd);
        }
        self.coming.front().copied().filter(|first| first.at_ms <= until_ms)
    }

    pub(super) fn take(&mut self) {
        self.coming.pop_front();
    }

    fn draw_hour(&mut self, crowd: Crowd<'_>) {
        let Terms { per_station_hour, units } = crowd.kitchens.walk_ins;
        let per_hour = per_station_hour * f64::from(crowd.profile.stations);
        let hour = self.hour.to_string();
        let mut random = crowd.draw.about("walk-ins", &[crowd.vendor, crowd.outlet_id, &hour]);
        self.hour += 1;
        if per_hour <= 0.0 {
            return;
        }
        let mut at = gap(&mut random) / per_hour;
        // Gaps are above 0 on average, and at most 64 * 200 come in an hour.
        while at < 1.0 {
            let mean_ms = units * real(crowd.profile.unit_ms);
            let making_ms = mean_ms * spread(&mut random, crowd.kitchens.making_sigma);
            self.coming.push_back(WalkIn {
                at_ms: (self.hour - 1) * HOUR_MS + whole(at * real(HOUR_MS)),
                making_ms: whole(making_ms).max(1),
            });
            at += gap(&mut random) / per_hour;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::tests::kitchens;

    fn all(from_ms: u64, until_ms: u64, kitchens: &Kitchens) -> Vec<WalkIn> {
        let draw = Draw::new(5);
        let profile = Profile::draw(kitchens, draw, "pos-a", "o");
        let crowd = Crowd { draw, kitchens, profile, vendor: "pos-a", outlet_id: "o" };
        let mut walk_ins = WalkIns::before(from_ms);
        let mut all = Vec::new();
        while let Some(walk_in) = walk_ins.peek(until_ms, crowd) {
            all.push(walk_in);
            walk_ins.take();
        }
        all
    }

    #[test]
    fn they_come_at_their_rate_and_do_not_depend_on_who_looks() {
        let kitchens = kitchens();
        let day = all(100 * HOUR_MS, 200 * HOUR_MS - 1, &kitchens);
        let stations = Profile::draw(&kitchens, Draw::new(5), "pos-a", "o").stations;
        // 101 hours: one before the first is looked at, too.
        let expected = 101.0 * 12.0 * f64::from(stations);
        let found = real(day.len() as u64);
        assert!((found - expected).abs() < 4.0 * expected.sqrt(), "{found}, not {expected}");
        assert!(day.is_sorted_by_key(|walk_in| walk_in.at_ms));
        let later = all(150 * HOUR_MS, 200 * HOUR_MS - 1, &kitchens);
        assert!(day.ends_with(&later));
        let mut none = kitchens.clone();
        none.walk_ins.per_station_hour = 0.0;
        assert_eq!(all(100 * HOUR_MS, 200 * HOUR_MS, &none), []);
    }

    #[test]
    fn what_is_long_past_is_left_out() {
        let mut walk_ins = WalkIns::before(100 * HOUR_MS);
        walk_ins.skip_to(100 * HOUR_MS + 1);
        assert_eq!(walk_ins.hour, 99);
        walk_ins.skip_to(150 * HOUR_MS);
        assert_eq!(walk_ins.hour, 149);
    }
}
