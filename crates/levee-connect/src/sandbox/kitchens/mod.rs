//! Outlets: tickets, kitchens, and what each outlet's system says to Levee and when.
//!
//! Told the time, does no I/O. An outlet has a place here from its first ticket on.

mod life;
mod profile;
mod queue;
mod stats;
#[cfg(test)]
mod tests;
mod ticket;
mod walk_ins;

use std::collections::HashMap;

use levee_api::scenario::Kitchens as Terms;
use levee_api::time::Instant;

pub(super) use life::{Heard, Receipt};
pub(super) use profile::Conduct;
use profile::Hours;
pub use profile::{Class, Profile};
use queue::Queue;
pub use stats::{ClassStats, TicketStats};
use ticket::Record;
pub use ticket::{TicketLine, TicketState};
use walk_ins::Crowd;

use super::draw::{Draw, real, spread, whole};
use super::effects::Life;
use crate::wire::pos::Step;

/// Most tickets that are remembered; about 250 bytes each.
pub(super) const TICKETS_MAX: usize = 10_000_000;

/// All outlets that have or had work.
#[derive(Debug)]
pub(super) struct Kitchens {
    draw: Draw,
    terms: Terms,
    hours: Hours,
    kitchens: Vec<Kitchen>,
    /// By vendor and id.
    by_outlet: HashMap<Box<str>, u32>,
    tickets: Vec<Record>,
    /// How many times each order was begun, by whoever.
    begun_orders: HashMap<Box<str>, u32>,
    stats: TicketStats,
    classes: [ClassStats; Class::ALL.len()],
}

/// One outlet.
#[derive(Debug)]
struct Kitchen {
    vendor: Box<str>,
    outlet_id: Box<str>,
    profile: Profile,
    queue: Queue,
    /// When the queue is looked at next.
    look_ms: Option<u64>,
    tickets: HashMap<Box<str>, u32>,
}

/// A step as it is to be said to Levee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Telling {
    pub(super) life: Life,
    pub(super) step: Step,
    pub(super) ticket: String,
    pub(super) outlet_id: String,
    pub(super) version: u32,
}

impl Kitchens {
    pub(super) fn new(draw: Draw, terms: Terms, day_starts_at_ms: u64) -> Self {
        Self {
            draw,
            hours: Hours::new(&terms, draw, day_starts_at_ms),
            terms,
            kitchens: Vec::new(),
            by_outlet: HashMap::new(),
            tickets: Vec::new(),
            begun_orders: HashMap::new(),
            stats: TicketStats::default(),
            classes: Class::ALL.map(ClassStats::new),
        }
    }

    /// What happens to a request to this outlet now.
    pub(super) fn conduct(&self, vendor: &str, outlet_id: &str, now_ms: u64) -> Conduct {
        let profile = Profile::draw(&self.terms, self.draw, vendor, outlet_id);
        self.hours.conduct(profile.class, vendor, outlet_id, now_ms)
    }

    pub(super) fn stats(&self) -> (TicketStats, Vec<ClassStats>) {
        (self.stats, self.classes.to_vec())
    }

    /// Tickets to which something will still happen.
    pub(super) fn open_count(&self) -> u64 {
        self.tickets.iter().filter(|record| !record.is_over()).count() as u64
    }

    /// The tickets from a number on, in order of arrival.
    pub(super) fn lines(&self, from: usize) -> impl Iterator<Item = TicketLine<'_>> {
        self.tickets.iter().skip(from).map(|record| {
            let kitchen = &self.kitchens[at(record.kitchen)];
            TicketLine {
                ticket: &record.id,
                order: &record.order,
                vendor: &kitchen.vendor,
                outlet_id: &kitchen.outlet_id,
                version: record.version,
                state: record.state,
                begun_count: record.begun_count,
                made_count: record.made_count,
                courier_at: record.courier_at_ms.map(|ms| Instant { ms }),
            }
        })
    }

    /// The outlet's number; it has a place from now on.
    fn kitchen(&mut self, vendor: &str, outlet_id: &str, now_ms: u64) -> u32 {
        let name = format!("{vendor}/{outlet_id}");
        if let Some(number) = self.by_outlet.get(name.as_str()) {
            return *number;
        }
        let profile = Profile::draw(&self.terms, self.draw, vendor, outlet_id);
        let number = u32::try_from(self.kitchens.len()).expect("fewer than tickets");
        self.kitchens.push(Kitchen {
            vendor: vendor.into(),
            outlet_id: outlet_id.into(),
            profile,
            queue: Queue::new(profile.stations, now_ms),
            look_ms: None,
            tickets: HashMap::new(),
        });
        self.by_outlet.insert(name.into(), number);
        let class = self.class(number);
        class.outlets += 1;
        class.stations += u64::from(profile.stations);
        number
    }

    fn class(&mut self, kitchen: u32) -> &mut ClassStats {
        &mut self.classes[self.kitchens[at(kitchen)].profile.class as usize]
    }

    /// How long a ticket takes at a station of its outlet.
    fn making_ms(&self, record: &Record) -> u64 {
        let kitchen = &self.kitchens[at(record.kitchen)];
        let mut random = self.draw.about("making", &[&record.id, &kitchen.outlet_id]);
        let units = f64::from(record.work) / 1_000.0;
        let mean_ms = units * real(kitchen.profile.unit_ms);
        whole(mean_ms * spread(&mut random, self.terms.making_sigma)).max(1)
    }

    fn crowd(&self, kitchen: u32) -> Crowd<'_> {
        let Kitchen { vendor, outlet_id, profile, .. } = &self.kitchens[at(kitchen)];
        Crowd { draw: self.draw, kitchens: &self.terms, profile: *profile, vendor, outlet_id }
    }
}

/// Numbers of records as places.
fn at(number: u32) -> usize {
    usize::try_from(number).expect("numbers are places of a list")
}
