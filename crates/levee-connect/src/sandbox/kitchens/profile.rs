//! What an outlet is like: drawn from its id, so it costs nothing until it has work.

use levee_api::scenario::Kitchens;
use serde::Serialize;

use crate::sandbox::day::Window;
use crate::sandbox::draw::{Draw, lasting_ms, whole};

/// How an outlet's system behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// As it should.
    Healthy,
    /// Takes tickets and answers late.
    Slow,
    /// Answers every request with an error.
    Failing,
    /// Up and down in turns.
    Flapping,
    /// Accepts connections and never answers.
    BlackHole,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Healthy, Self::Slow, Self::Failing, Self::Flapping, Self::BlackHole];
}

/// One outlet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// How its system behaves.
    pub class: Class,
    /// How many tickets it makes at once.
    pub stations: u32,
    /// How long one unit of work takes at one station, in milliseconds of the day.
    pub unit_ms: u64,
}

impl Profile {
    /// What the sandbox plays under this seed for this outlet. Who makes outlets' documents for a
    /// rehearsal takes stations and making times from here, true or wrong on purpose.
    #[must_use]
    pub fn of(kitchens: &Kitchens, seed: u64, vendor: &str, outlet_id: &str) -> Self {
        Self::draw(kitchens, Draw::new(seed), vendor, outlet_id)
    }

    pub(super) fn draw(kitchens: &Kitchens, draw: Draw, vendor: &str, outlet_id: &str) -> Self {
        let ids = [vendor, outlet_id];
        let mut random = draw.about("outlet", &ids);
        let (stations_at, class_at) = (random.f64(), random.f64());
        let mut until = 0.0;
        let stations = kitchens.stations.iter().find(|some| {
            until += some.share;
            stations_at < until
        });
        // The shares may add up to a little less than 1.
        let stations = stations.or(kitchens.stations.last()).map_or(1, |some| some.count);
        let unit_ms = lasting_ms(&mut random, kitchens.unit).max(1);
        Self { class: class(kitchens, class_at), stations, unit_ms }
    }
}

fn class(kitchens: &Kitchens, at: f64) -> Class {
    let faults = &kitchens.faults;
    let mut until = 0.0;
    [
        (faults.slow.share, Class::Slow),
        (faults.failing, Class::Failing),
        (faults.flapping.share, Class::Flapping),
        (faults.black_hole, Class::BlackHole),
    ]
    .into_iter()
    .find(|(share, _)| {
        until += share;
        at < until
    })
    .map_or(Class::Healthy, |(_, class)| class)
}

/// What an outlet's system does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sandbox) enum Conduct {
    /// Answers at once.
    Prompt,
    /// Does it at once and answers late.
    Late,
    /// Answers with an error of its own.
    Failing,
    /// Answers that it is not there.
    Down,
    /// Never answers.
    Silent,
}

/// When outlets' systems do not work.
#[derive(Clone, Debug)]
pub(super) struct Hours {
    draw: Draw,
    day_starts_at_ms: u64,
    /// By vendor; few.
    dark: Vec<(String, Window)>,
    flapping_period_ms: u64,
    flapping_down_ms: u64,
}

impl Hours {
    pub(super) fn new(kitchens: &Kitchens, draw: Draw, day_starts_at_ms: u64) -> Self {
        let dark = kitchens.dark.iter();
        let dark = dark.map(|dark| (dark.vendor.clone(), Window::new(dark.from_hour, dark.hours)));
        let flapping = kitchens.faults.flapping;
        let period_ms = flapping.period_minutes * 60_000.0;
        Self {
            draw,
            day_starts_at_ms,
            dark: dark.collect(),
            flapping_period_ms: whole(period_ms).max(1),
            flapping_down_ms: whole(period_ms * flapping.down),
        }
    }

    /// When an outlet's vendor is no longer dark, if it is.
    fn dark_until(&self, vendor: &str, now_ms: u64) -> Option<u64> {
        let windows = self.dark.iter().filter(|(name, _)| name == vendor);
        windows.filter_map(|(_, window)| window.over_ms(self.day_starts_at_ms, now_ms)).max()
    }

    /// When a flapping outlet is up again, if it is down. Each has a phase of its own.
    fn down_until(&self, vendor: &str, outlet_id: &str, now_ms: u64) -> Option<u64> {
        let phase_ms = self.draw.hash("flapping", &[vendor, outlet_id]) % self.flapping_period_ms;
        let at_ms = (now_ms + phase_ms) % self.flapping_period_ms;
        (at_ms < self.flapping_down_ms).then(|| now_ms + self.flapping_down_ms - at_ms)
    }

    /// What happens to a request to an outlet.
    pub(super) fn conduct(
        &self,
        class: Class,
        vendor: &str,
        outlet_id: &str,
        now_ms: u64,
    ) -> Conduct {
        if self.dark_until(vendor, now_ms).is_some() {
            return Conduct::Silent;
        }
        match class {
            Class::Healthy => Conduct::Prompt,
            Class::Slow => Conduct::Late,
            Class::Failing => Conduct::Failing,
            Class::BlackHole => Conduct::Silent,
            Class::Flapping if self.down_until(vendor, outlet_id, now_ms).is_some() => {
                Conduct::Down
            }
            Class::Flapping => Conduct::Prompt,
        }
    }

    /// Until when an outlet can say nothing, if it cannot now.
    pub(super) fn mute_until(
        &self,
        class: Class,
        vendor: &str,
        outlet_id: &str,
        now_ms: u64,
    ) -> Option<u64> {
        let flapping = (class == Class::Flapping)
            .then(|| self.down_until(vendor, outlet_id, now_ms))
            .flatten();
        self.dark_until(vendor, now_ms).max(flapping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::tests::{DAY_STARTS_AT_MS, kitchens};

    #[track_caller]
    fn check(expected: f64, holds: impl Fn(Profile) -> bool) {
        let kitchens = kitchens();
        let profiles =
            (0..20_000).map(|id| Profile::of(&kitchens, 3, "pos-a", &format!("outlet-{id}")));
        let share = profiles.filter(|profile| holds(*profile)).count() as f64 / 20_000.0;
        assert!((share - expected).abs() < 0.012, "{share} instead of {expected}");
    }

    #[test]
    fn outlets_are_the_scenarios() {
        check(0.02, |profile| profile.class == Class::Slow);
        check(0.005, |profile| profile.class == Class::Failing);
        check(0.01, |profile| profile.class == Class::Flapping);
        check(0.005, |profile| profile.class == Class::BlackHole);
        check(0.96, |profile| profile.class == Class::Healthy);
        check(0.35, |profile| profile.stations == 1);
        check(0.08, |profile| profile.stations == 5);
        check(0.5, |profile| profile.unit_ms < 60_000);
        let of = |seed, vendor| Profile::of(&kitchens(), seed, vendor, "outlet-1");
        assert_eq!(of(1, "pos-a"), of(1, "pos-a"));
        assert_ne!(of(1, "pos-a").unit_ms, of(2, "pos-a").unit_ms);
        assert_ne!(of(1, "pos-a").unit_ms, of(1, "pos-b").unit_ms);
    }

    #[test]
    fn a_dark_vendor_is_silent_in_both_directions_and_a_flapping_outlet_in_turns() {
        let hours = Hours::new(&kitchens(), Draw::new(3), DAY_STARTS_AT_MS);
        let at = |hour: u64| DAY_STARTS_AT_MS + hour * 3_600_000;
        for (vendor, hour, conduct, mute) in [
            ("pos-c", 3, Conduct::Prompt, None),
            ("pos-c", 4, Conduct::Silent, Some(at(4) + 2_401_200)),
            ("pos-c", 5, Conduct::Prompt, None),
            ("pos-a", 4, Conduct::Prompt, None),
        ] {
            assert_eq!(hours.conduct(Class::Healthy, vendor, "o", at(hour)), conduct, "{hour}");
            assert_eq!(hours.mute_until(Class::Healthy, vendor, "o", at(hour)), mute, "{hour}");
        }
        for (class, conduct) in [
            (Class::Slow, Conduct::Late),
            (Class::Failing, Conduct::Failing),
            (Class::BlackHole, Conduct::Silent),
        ] {
            assert_eq!(hours.conduct(class, "pos-a", "o", at(1)), conduct);
            assert_eq!(hours.mute_until(class, "pos-a", "o", at(1)), None);
        }
        // Six minutes in seconds: down for 40% of them, in one piece.
        let down = |second: u64| {
            hours.conduct(Class::Flapping, "pos-a", "o", at(1) + second * 1_000) == Conduct::Down
        };
        assert_eq!((0..360).filter(|second| down(*second)).count(), 144);
        assert_eq!((0..360).filter(|second| down(*second) != down(second + 1)).count(), 2);
        let first = (0..720).find(|second| down(*second)).expect("within a period");
        let now_ms = at(1) + first * 1_000;
        let until = hours.mute_until(Class::Flapping, "pos-a", "o", now_ms).expect("down");
        assert_eq!(hours.conduct(Class::Flapping, "pos-a", "o", until), Conduct::Prompt);
        assert_eq!(hours.conduct(Class::Flapping, "pos-a", "o", until - 1), Conduct::Down);
    }
}
