//! Who may be called now: one desk an outlet and one a vendor, with breaker, pace and turns. What may
//! not go is parked here until it may.

use std::cell::{Cell, RefCell};
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use levee_api::port::OutletView;
use levee_api::types::{Action, Breaker, BreakerState, OutletNo};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::breaker::{Breaker as Measured, Ended, OUTLET, VENDOR};
use super::pace::{Kitchen, Pace, RetryBudget};

/// Calls to the outlets of one vendor that are under way at once: one whose systems are silent leaves
/// room for the others. An outlet is called by one at a time.
const VENDOR_CALLS_MAX: usize = 32;

/// Most tickets that are parked; what is beyond is asked for again when something opens up.
const PARKED_MAX: usize = 1_000_000;

/// Fewer desks of outlets than these are not looked at for whether they are still needed.
const DESKS_MAX: usize = 20_000;

/// Outlets of a vendor that are remembered to see how it is.
const OUTLETS_MAX: usize = 16;

/// Whose breaker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Of {
    Outlet(OutletNo),
    Vendor(Rc<str>),
}

struct Desk {
    breaker: Measured,
    /// Somebody tries now and then.
    is_watched: bool,
    kitchen: Option<Kitchen>,
    /// While it catches up on what waited for a breaker; at other times what kitchens promise is pace
    /// enough.
    pace: Option<Pace>,
    /// It will have one once its kitchen is known.
    catches_up: bool,
    /// For calls, and before them a line for tickets.
    turns: Rc<Semaphore>,
    line: Rc<Semaphore>,
    parked: HashSet<Action>,
}

struct VendorDesk {
    breaker: Measured,
    is_watched: bool,
    calls: Arc<Semaphore>,
    budget: RetryBudget,
    parked: HashMap<OutletNo, HashSet<Action>>,
    /// Some of its outlets, to see how it is; the last that was called at the end.
    outlets: VecDeque<OutletNo>,
}

/// All desks.
pub(super) struct Desks {
    outlets: RefCell<HashMap<OutletNo, Desk>>,
    vendors: RefCell<HashMap<Rc<str>, VendorDesk>>,
    /// What may go again.
    ready: RefCell<VecDeque<Action>>,
    parked: Cell<usize>,
    /// Something was not parked for want of room.
    missed: Cell<bool>,
    /// Desks that there may be until those are let go that nobody needs.
    desks_max: Cell<usize>,
    started: Instant,
    speed: f64,
}

impl Desks {
    pub(super) fn new(speed: f64) -> Self {
        Self {
            outlets: RefCell::default(),
            vendors: RefCell::default(),
            ready: RefCell::default(),
            parked: Cell::new(0),
            missed: Cell::new(false),
            desks_max: Cell::new(DESKS_MAX),
            started: Instant::now(),
            speed: speed.max(1.0),
        }
    }

    /// By a clock that runs as fast as the engine's.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "far within 64 bits"
    )]
    pub(super) fn now_ms(&self) -> u64 {
        (self.started.elapsed().as_secs_f64() * 1_000.0 * self.speed) as u64
    }

    /// What the engine says of an outlet is heeded: what an operator has opened is open. What opened by
    /// itself is known here; a reading of some moments ago says nothing new of it.
    pub(super) fn heed(&self, vendor: &Rc<str>, view: &OutletView) {
        let opens = |breaker: &Option<Breaker>| {
            let is_open =
                |breaker: &Breaker| breaker.state == BreakerState::Open && breaker.by_hand;
            breaker.as_ref().is_some_and(is_open)
        };
        let now_ms = self.now_ms();
        let kitchen = Kitchen { unit_ms: view.pace_ms, stations: view.stations };
        self.with_outlet(view.number, |desk| {
            if opens(&view.breaker) && !desk.breaker.is_open() {
                desk.breaker = Measured::opened();
            }
            desk.kitchen = Some(kitchen);
            if std::mem::take(&mut desk.catches_up) {
                desk.pace = Some(Pace::unknown(now_ms));
            }
        });
        self.with_vendor(vendor, view.number, |desk| {
            if opens(&view.vendor_breaker) && !desk.breaker.is_open() {
                desk.breaker = Measured::opened();
            }
        });
    }

    /// Whose breaker keeps calls away, if one does: the vendor's first.
    pub(super) fn blocked_by(&self, outlet: OutletNo, vendor: &Rc<str>) -> Option<Of> {
        if self.vendors.borrow().get(vendor).is_some_and(|desk| desk.breaker.is_open()) {
            return Some(Of::Vendor(Rc::clone(vendor)));
        }
        let is_open = self.outlets.borrow().get(&outlet).is_some_and(|desk| desk.breaker.is_open());
        is_open.then_some(Of::Outlet(outlet))
    }

    /// Keeps a ticket until that breaker closes. Whether somebody has to watch the breaker.
    pub(super) fn park(&self, of: &Of, action: Action) -> bool {
        let has_room = self.parked.get() < PARKED_MAX;
        self.missed.set(self.missed.get() || !has_room);
        let keep = |parked: &mut HashSet<Action>| {
            if has_room && parked.insert(action) {
                self.parked.set(self.parked.get() + 1);
            }
        };
        let outlet = action.outlet().expect("what is parked is for an outlet");
        match of {
            Of::Outlet(outlet) => self.with_outlet(*outlet, |desk| {
                keep(&mut desk.parked);
                !std::mem::replace(&mut desk.is_watched, true)
            }),
            Of::Vendor(vendor) => {
                let mut vendors = self.vendors.borrow_mut();
                let desk = vendors.get_mut(vendor).expect("its breaker was looked at");
                keep(desk.parked.entry(outlet).or_default());
                !std::mem::replace(&mut desk.is_watched, true)
            }
        }
    }

    /// Where to try, and one of the tickets that wait for it, taken out. Of a vendor any outlet that is
    /// known, however many tickets wait for it: one may be dead for itself.
    pub(super) fn to_try(&self, of: &Of) -> (Option<OutletNo>, Option<Action>) {
        let take = |parked: &mut HashSet<Action>| {
            let action = parked.iter().min_by_key(|action| action.order()).copied()?;
            parked.remove(&action);
            self.parked.set(self.parked.get() - 1);
            Some(action)
        };
        match of {
            Of::Outlet(outlet) => {
                (Some(*outlet), self.with_outlet(*outlet, |desk| take(&mut desk.parked)))
            }
            Of::Vendor(vendor) => {
                let mut vendors = self.vendors.borrow_mut();
                let Some(desk) = vendors.get_mut(vendor) else { return (None, None) };
                let known = desk.parked.keys().chain(&desk.outlets).copied();
                let known = known.collect::<BTreeSet<_>>();
                let Some(outlet) = known.iter().nth(fastrand::usize(..known.len().max(1))) else {
                    return (None, None);
                };
                let Entry::Occupied(mut parked) = desk.parked.entry(*outlet) else {
                    return (Some(*outlet), None);
                };
                let action = take(parked.get_mut());
                if parked.get().is_empty() {
                    parked.remove();
                }
                (Some(*outlet), action)
            }
        }
    }

    /// A call ended. Whose breakers open for it, and why.
    pub(super) fn ended(
        &self,
        outlet: OutletNo,
        vendor: &Rc<str>,
        ended: Ended,
    ) -> Vec<(Of, String)> {
        let now_ms = self.now_ms();
        let (was_open, own) = self.with_outlet(outlet, |desk| {
            let was_open = desk.breaker.is_open();
            let why = desk.breaker.ended(&OUTLET, now_ms, outlet.0, ended);
            (was_open, why.inspect(|_| desk.is_watched = true))
        });
        // Tries at a few outlets that are gone say nothing of a vendor that is hardly called otherwise.
        if was_open {
            return Vec::new();
        }
        let of_vendor = self.with_vendor(vendor, outlet, |desk| {
            desk.breaker.ended(&VENDOR, now_ms, outlet.0, ended).inspect(|_| desk.is_watched = true)
        });
        let own = own.map(|why| (Of::Outlet(outlet), why));
        own.into_iter().chain(of_vendor.map(|why| (Of::Vendor(Rc::clone(vendor)), why))).collect()
    }

    /// For how long an open breaker is left alone.
    pub(super) fn wait_ms(&self, of: &Of) -> u64 {
        let drawn = fastrand::f64();
        match of {
            Of::Outlet(outlet) => {
                self.with_outlet(*outlet, |desk| desk.breaker.wait_ms(&OUTLET, drawn))
            }
            Of::Vendor(vendor) => {
                let vendors = self.vendors.borrow();
                vendors.get(vendor).map_or(0, |desk| desk.breaker.wait_ms(&VENDOR, drawn))
            }
        }
    }

    /// A try did not succeed.
    pub(super) fn tried_in_vain(&self, of: &Of) {
        match of {
            Of::Outlet(outlet) => self.with_outlet(*outlet, |desk| {
                desk.breaker.tried(false);
            }),
            Of::Vendor(vendor) => {
                if let Some(desk) = self.vendors.borrow_mut().get_mut(vendor) {
                    desk.breaker.tried(false);
                }
            }
        }
    }

    /// A breaker is closed: what waited for it may go, oldest first and at its outlets' pace.
    pub(super) fn close(&self, of: &Of) {
        let release = |parked: &mut HashSet<Action>| {
            self.parked.set(self.parked.get() - parked.len());
            parked.drain().collect::<Vec<_>>()
        };
        let mut actions = match of {
            Of::Outlet(outlet) => self.with_outlet(*outlet, |desk| {
                desk.is_watched = false;
                desk.breaker.close();
                release(&mut desk.parked)
            }),
            Of::Vendor(vendor) => match self.vendors.borrow_mut().get_mut(vendor) {
                Some(desk) => {
                    desk.is_watched = false;
                    desk.breaker.close();
                    desk.parked.drain().flat_map(|(_, mut parked)| release(&mut parked)).collect()
                }
                None => Vec::new(),
            },
        };
        let is_cancelled = |action: &Action| matches!(action, Action::CancelTicket { .. });
        actions.sort_unstable_by_key(|action| (action.order(), is_cancelled(action)));
        let now_ms = self.now_ms();
        for outlet in actions.iter().filter_map(|action| action.outlet()) {
            self.with_outlet(outlet, |desk| match (&mut desk.pace, desk.kitchen) {
                (Some(pace), _) => pace.begin_again(now_ms),
                (None, Some(kitchen)) => desk.pace = Some(Pace::new(kitchen, now_ms)),
                // Of many outlets it may have been forgotten meanwhile.
                (None, None) => desk.catches_up = true,
            });
        }
        self.ready.borrow_mut().extend(actions);
    }

    /// Tickets wait for this outlet since before a start: nobody knows for how long.
    pub(super) fn catch_up(&self, outlet: OutletNo) {
        self.with_outlet(outlet, |desk| desk.catches_up = true);
    }

    /// A breaker that the engine has as open from before a start. Whether somebody has to watch it.
    pub(super) fn open(&self, of: &Of, outlet: OutletNo) -> bool {
        let open = |breaker: &mut Measured, is_watched: &mut bool| {
            if !breaker.is_open() {
                *breaker = Measured::opened();
            }
            !std::mem::replace(is_watched, true)
        };
        match of {
            Of::Outlet(outlet) => {
                self.with_outlet(*outlet, |desk| open(&mut desk.breaker, &mut desk.is_watched))
            }
            Of::Vendor(vendor) => self
                .with_vendor(vendor, outlet, |desk| open(&mut desk.breaker, &mut desk.is_watched)),
        }
    }

    /// Waits for no breaker any more.
    pub(super) fn unpark(&self, action: Action) {
        let outlet = action.outlet().expect("what is parked is for an outlet");
        // For its outlet and, since that was asked for again, for its vendor, too.
        let own = self.with_outlet(outlet, |desk| desk.parked.remove(&action));
        let mut count = usize::from(own);
        for vendor in self.vendors.borrow_mut().values_mut() {
            if let Entry::Occupied(mut parked) = vendor.parked.entry(outlet) {
                count += usize::from(parked.get_mut().remove(&action));
                if parked.get().is_empty() {
                    parked.remove();
                }
            }
        }
        self.parked.set(self.parked.get() - count);
    }

    /// It may go again.
    pub(super) fn put_ready(&self, action: Action) {
        self.ready.borrow_mut().push_back(action);
    }

    /// An outlet is none of this vendor any more: its tickets wait for this one no longer.
    pub(super) fn forget(&self, vendor: &Rc<str>, outlet: OutletNo) {
        if let Some(desk) = self.vendors.borrow_mut().get_mut(vendor) {
            desk.outlets.retain(|other| *other != outlet);
            let parked = desk.parked.remove(&outlet).unwrap_or_default();
            self.parked.set(self.parked.get() - parked.len());
            self.ready.borrow_mut().extend(parked);
        }
    }

    /// What may go again.
    pub(super) fn next_ready(&self) -> Option<Action> {
        self.ready.borrow_mut().pop_front()
    }

    /// Whether all that is undone has to be asked for again, because something was not parked and
    /// there is room now.
    pub(super) fn take_missed(&self) -> bool {
        self.parked.get() < PARKED_MAX / 2 && self.missed.replace(false)
    }

    pub(super) fn parked(&self) -> usize {
        self.parked.get()
    }

    /// Open breakers of outlets and of vendors.
    pub(super) fn open_counts(&self) -> (usize, usize) {
        let (outlets, vendors) = (self.outlets.borrow(), self.vendors.borrow());
        let outlets = outlets.values().filter(|desk| desk.breaker.is_open()).count();
        (outlets, vendors.values().filter(|desk| desk.breaker.is_open()).count())
    }

    /// In how many milliseconds of the engine's clock the next ticket may go to an outlet; asked by the
    /// one at the head of its line.
    pub(super) fn pace_wait_ms(&self, outlet: OutletNo) -> u64 {
        let now_ms = self.now_ms();
        self.with_outlet(outlet, |desk| {
            let (Some(pace), Some(kitchen)) = (&mut desk.pace, desk.kitchen) else { return 0 };
            // Whoever stands in line has a hand on it, and so has the desk.
            let is_last = Rc::strong_count(&desk.line) <= 2;
            if is_last && pace.has_caught_up(kitchen, now_ms) {
                desk.pace = None;
                return 0;
            }
            pace.wait_ms(kitchen, now_ms)
        })
    }

    /// A ticket of so many thousandths of work has gone; where a breaker is open it was tried with it,
    /// and is the first of what is caught up on.
    pub(super) fn sent(&self, outlet: OutletNo, vendor: &Rc<str>, work: u32) {
        let now_ms = self.now_ms();
        let was_tried = self.blocked_by(outlet, vendor).is_some();
        self.with_outlet(outlet, |desk| {
            if let (None, Some(kitchen), true) = (&desk.pace, desk.kitchen, was_tried) {
                desk.pace = Some(Pace::new(kitchen, now_ms));
            }
            if let (Some(pace), Some(kitchen)) = (&mut desk.pace, desk.kitchen) {
                pace.take(kitchen, now_ms, work);
            }
        });
    }

    /// Counts a call, or takes one from what may be repeated; in how many milliseconds it may be, if
    /// not now.
    pub(super) fn take_try(
        &self,
        outlet: OutletNo,
        vendor: &Rc<str>,
        tries: u32,
    ) -> Result<(), u64> {
        let now_ms = self.now_ms();
        self.with_vendor(vendor, outlet, |desk| {
            if tries == 0 {
                desk.budget.call();
                return Ok(());
            }
            desk.budget.repeat(now_ms)
        })
    }

    pub(super) fn outlet_line(&self, outlet: OutletNo) -> Rc<Semaphore> {
        self.with_outlet(outlet, |desk| Rc::clone(&desk.line))
    }

    pub(super) fn outlet_turns(&self, outlet: OutletNo) -> Rc<Semaphore> {
        self.with_outlet(outlet, |desk| Rc::clone(&desk.turns))
    }

    pub(super) fn vendor_calls(&self, vendor: &Rc<str>, outlet: OutletNo) -> Arc<Semaphore> {
        self.with_vendor(vendor, outlet, |desk| Arc::clone(&desk.calls))
    }

    fn with_outlet<T>(&self, outlet: OutletNo, change: impl FnOnce(&mut Desk) -> T) -> T {
        let mut outlets = self.outlets.borrow_mut();
        if outlets.len() >= self.desks_max.get() && !outlets.contains_key(&outlet) {
            let now_ms = self.now_ms();
            outlets.retain(|_, desk| desk.is_needed(now_ms));
            self.desks_max.set(DESKS_MAX.max(2 * outlets.len()));
        }
        let desk = outlets.entry(outlet).or_insert_with(|| Desk {
            breaker: Measured::default(),
            is_watched: false,
            kitchen: None,
            pace: None,
            catches_up: false,
            turns: Rc::new(Semaphore::new(1)),
            line: Rc::new(Semaphore::new(1)),
            parked: HashSet::new(),
        });
        change(desk)
    }

    fn with_vendor<T>(
        &self,
        vendor: &Rc<str>,
        outlet: OutletNo,
        change: impl FnOnce(&mut VendorDesk) -> T,
    ) -> T {
        let mut vendors = self.vendors.borrow_mut();
        let desk = vendors.entry(Rc::clone(vendor)).or_insert_with(|| VendorDesk {
            breaker: Measured::default(),
            is_watched: false,
            calls: Arc::new(Semaphore::new(VENDOR_CALLS_MAX)),
            budget: RetryBudget::default(),
            parked: HashMap::new(),
            outlets: VecDeque::new(),
        });
        if desk.outlets.back() != Some(&outlet) {
            desk.outlets.retain(|other| *other != outlet);
            desk.outlets.push_back(outlet);
            if desk.outlets.len() > OUTLETS_MAX {
                desk.outlets.pop_front();
            }
        }
        change(desk)
    }
}

impl Desk {
    /// Whether it knows something that a new one would not.
    fn is_needed(&mut self, now_ms: u64) -> bool {
        let is_paced = match (&mut self.pace, self.kitchen) {
            (Some(pace), Some(kitchen)) => !pace.has_caught_up(kitchen, now_ms),
            _ => false,
        };
        let is_used = Rc::strong_count(&self.turns) > 1 || Rc::strong_count(&self.line) > 1;
        !self.breaker.is_spotless(&OUTLET, now_ms)
            || self.is_watched
            || is_paced
            || self.catches_up
            || is_used
            || !self.parked.is_empty()
    }
}

#[cfg(test)]
mod tests;
