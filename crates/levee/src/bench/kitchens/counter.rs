//! What an outlet's stations really do with the tickets that were sent to them.

use std::collections::VecDeque;

use fastrand::Rng;
use levee_core::pacing::{Kitchen, Pace, Work};

use super::draw::{about_one, whole};
use super::tally::Hours;
use super::town::Outlet;

/// One outlet in the course of a day.
pub(super) struct Counter {
    pub(super) outlet: Outlet,
    /// What the engine knows of it.
    pub(super) kitchen: Kitchen,
    pub(super) hours: Hours,
    free: u16,
    /// Tickets with units that no station has taken yet, first come first served.
    waiting: VecDeque<u32>,
}

impl Counter {
    pub(super) fn new(outlet: Outlet) -> Self {
        let kitchen = Kitchen::new(outlet.stations_stated, outlet.unit_ms_stated);
        let free = outlet.stations;
        Self { outlet, kitchen, hours: Hours::default(), free, waiting: VecDeque::new() }
    }

    /// A ticket goes into the kitchen.
    pub(super) fn send(&mut self, order: u32) {
        self.waiting.push_back(order);
    }

    /// The ticket that a free station takes a unit of next.
    pub(super) fn next(&self) -> Option<u32> {
        if self.free == 0 { None } else { self.waiting.front().copied() }
    }

    /// A station takes a unit of the next ticket, the last one or not; when it will be done.
    pub(super) fn start(&mut self, now_ms: u64, last: bool, slower: f64, rng: &mut Rng) -> u64 {
        if last {
            self.waiting.pop_front();
        }
        self.free -= 1;
        let took = self.outlet.unit_ms * slower * about_one(rng, self.outlet.unit_sigma);
        now_ms + whole(took).max(1)
    }

    pub(super) fn done(&mut self) {
        self.free += 1;
    }

    /// So many units are wanted, whatever becomes of them.
    pub(super) fn want(&mut self, of_day_ms: u64, units: u32, slower: f64) {
        let work_ms = whole(f64::from(units) * self.outlet.unit_ms * slower);
        self.hours.ask(of_day_ms, work_ms);
    }

    pub(super) fn walk_in(&mut self, now_ms: u64, units: u32, pace: &Pace) {
        if self.outlet.reports_walk_ins {
            self.kitchen.walk_in(now_ms, Work::units(units), pace);
        }
    }
}
