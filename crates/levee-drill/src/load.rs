//! How much of what kitchens can make was wanted, and how much of it was made, by outlet and hour.

use levee_api::scenario::WalkIns;

use crate::market::Kitchen;
use crate::numbers::{narrow, place, real};

const HOUR_MS: u64 = 3_600_000;

/// Station time of orders, in milliseconds, by outlet and hour of the day.
#[derive(Clone, Debug)]
pub struct Load {
    hours: usize,
    cells_ms: Vec<f64>,
}

impl Load {
    /// Nothing yet. The last hour may be a part of one.
    #[must_use]
    pub fn new(outlets: usize, day_hours: f64) -> Self {
        let hours = place(day_hours.ceil(), 1_000).max(1);
        Self { hours, cells_ms: vec![0.0; outlets * hours] }
    }

    /// A station works from one moment of the day to another; what lies beyond the day is left out.
    pub fn add(&mut self, outlet: usize, from_ms: u64, until_ms: u64) {
        let mut from_ms = from_ms;
        while from_ms < until_ms {
            let end_ms = (from_ms / HOUR_MS + 1) * HOUR_MS;
            self.add_at(outlet, from_ms, real(until_ms.min(end_ms) - from_ms));
            from_ms = end_ms;
        }
    }

    /// So much work is wanted at one moment of the day.
    pub fn add_at(&mut self, outlet: usize, at_ms: u64, work_ms: f64) {
        let hour = usize::try_from(at_ms / HOUR_MS).unwrap_or(usize::MAX);
        if hour < self.hours {
            self.cells_ms[outlet * self.hours + hour] += work_ms;
        }
    }

    fn of(&self, outlet: usize) -> &[f64] {
        &self.cells_ms[outlet * self.hours..][..self.hours]
    }
}

/// How long a kitchen's stations are free of walk-ins in an hour, on average, in milliseconds.
#[must_use]
pub fn free_ms_per_hour(kitchen: Kitchen, walk_ins: &WalkIns) -> f64 {
    let busy = walk_ins.per_station_hour * walk_ins.units * real(kitchen.unit_ms);
    f64::from(kitchen.stations) * (real(HOUR_MS) - busy).max(0.0)
}

/// What one group of outlets was asked for and made.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Group {
    /// How many they are.
    pub outlets: u64,
    /// Station time that walk-ins leave, in milliseconds.
    pub free_ms: f64,
    /// Station time that was wanted.
    pub wanted_ms: f64,
    /// Station time of what was made.
    pub made_ms: f64,
}

impl Group {
    /// Made, as a share of what is free; 0 where nothing is.
    #[must_use]
    pub fn utilisation(&self) -> f64 {
        if self.free_ms > 0.0 { self.made_ms / self.free_ms } else { 0.0 }
    }

    fn add(&mut self, free_ms: f64, wanted_ms: f64, made_ms: f64) {
        self.free_ms += free_ms;
        self.wanted_ms += wanted_ms;
        self.made_ms += made_ms;
    }
}

/// Upper ends of the classes of outlets, by what was wanted of each as a share of what it can make
/// on the day; the last class has none.
pub const CLASSES: [f64; 3] = [0.25, 0.75, 1.0];

/// All outlets, those hours in which more was wanted than an outlet can make, and the classes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Utilisation {
    /// All of them, the whole day.
    pub all: Group,
    /// Outlets with such hours, and those hours.
    pub busy: Group,
    /// By [`CLASSES`].
    pub classes: [Group; CLASSES.len() + 1],
}

impl Utilisation {
    /// Of what was wanted and what was made. `kitchens` and loads have the same order.
    #[must_use]
    pub fn of(kitchens: &[Kitchen], walk_ins: &WalkIns, wanted: &Load, made: &Load) -> Self {
        let mut found = Self::default();
        for (outlet, kitchen) in kitchens.iter().enumerate() {
            let free_ms = free_ms_per_hour(*kitchen, walk_ins);
            let (wanted, made) = (wanted.of(outlet), made.of(outlet));
            let hours = f64::from(narrow(wanted.len() as u64));
            let (all_wanted, all_made) = (wanted.iter().sum::<f64>(), made.iter().sum::<f64>());
            let share = if free_ms > 0.0 { all_wanted / (free_ms * hours) } else { f64::INFINITY };
            let class = CLASSES.iter().position(|end| share <= *end).unwrap_or(CLASSES.len());
            for group in [&mut found.all, &mut found.classes[class]] {
                group.outlets += 1;
                group.add(free_ms * hours, all_wanted, all_made);
            }
            let mut has_busy = false;
            for (wanted, made) in wanted.iter().zip(made).filter(|(wanted, _)| **wanted > free_ms) {
                found.busy.add(free_ms, *wanted, *made);
                has_busy = true;
            }
            found.busy.outlets += u64::from(has_busy);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALK_INS: WalkIns = WalkIns { per_station_hour: 12.0, units: 1.5 };
    const KITCHEN: Kitchen = Kitchen { stations: 2, unit_ms: 60_000 };

    #[test]
    fn walk_ins_leave_a_part() {
        // 18 minutes of each station's hour.
        assert!((free_ms_per_hour(KITCHEN, &WALK_INS) - 84.0 * 60_000.0).abs() < 1e-6);
        let slow = Kitchen { unit_ms: 250_000, ..KITCHEN };
        assert!(free_ms_per_hour(slow, &WALK_INS) < 1e-6);
    }

    #[test]
    fn work_is_cut_at_hours_and_at_the_days_end() {
        let mut load = Load::new(2, 1.5);
        load.add(1, HOUR_MS - 10, HOUR_MS + 30);
        load.add(1, 2 * HOUR_MS - 5, 9 * HOUR_MS);
        load.add_at(0, 2 * HOUR_MS, 7.0);
        assert_eq!(load.of(0), [0.0, 0.0]);
        assert_eq!(load.of(1), [10.0, 35.0]);
    }

    #[test]
    fn busy_hours_are_those_in_which_more_is_wanted_than_can_be_made() {
        let free_ms = free_ms_per_hour(KITCHEN, &WALK_INS);
        let (mut wanted, mut made) = (Load::new(3, 2.0), Load::new(3, 2.0));
        // The first is busy in one hour, the second never, the third has nothing to do.
        wanted.add_at(0, 0, 3.0 * free_ms);
        made.add_at(0, 0, 0.9 * free_ms);
        made.add_at(0, HOUR_MS, 0.5 * free_ms);
        wanted.add_at(1, 0, 0.8 * free_ms);
        made.add_at(1, 0, 0.8 * free_ms);
        let found = Utilisation::of(&[KITCHEN; 3], &WALK_INS, &wanted, &made);
        assert_eq!((found.all.outlets, found.busy.outlets), (3, 1));
        assert!((found.busy.utilisation() - 0.9).abs() < 1e-9);
        assert!((found.all.utilisation() - 2.2 / 6.0).abs() < 1e-9);
        let outlets = found.classes.map(|class| class.outlets);
        assert_eq!(outlets, [1, 1, 0, 1]);
        assert!(Group::default().utilisation().abs() < 1e-9);
    }
}
