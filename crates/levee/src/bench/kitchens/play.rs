//! One neighbourhood's day, event by event.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use fastrand::Rng;
use levee_core::pacing::{Ask, Pace, Ticket, Work};
use levee_drill::curve::{Curve, Walk};

use super::counter::Counter;
use super::draw::{among, gap, stream, whole};
use super::tally::{Tally, Way};
use super::town::{NEIGHBOURS, Outlet, UNITS};
use super::users::{HELD_MS, TRAVEL_MS, User, WITHIN_MS};
use super::{HOUR_MS, START_MS};

/// The day that all neighbourhoods live through.
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) times: f64,
    pub(super) curve: Curve,
    pub(super) pace: Pace,
}

/// What is different from play to play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manner {
    /// Kitchens are asked; otherwise every order is taken and promised for [`WITHIN_MS`].
    pub(super) paced: bool,
    pub(super) slower: Option<Slower>,
}

/// All stations become 1.5 times slower, and nobody says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slower {
    pub(super) from_ms: u64,
    /// Promises from then on are judged again.
    pub(super) learned_ms: u64,
}

const SLOWER_TIMES: f64 = 1.5;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    UnitDone(u32),
    Lapse(u32),
    Send(u32),
    WalkIn,
    Ask,
}

struct Order {
    place: usize,
    units_to_start: u8,
    units_to_finish: u8,
    /// None of a walk-in.
    way: Option<Way>,
    ticket: Ticket,
    asked_ms: u64,
    begun_ms: u64,
}

pub(super) struct Neighbourhood<'a> {
    plan: &'a Plan,
    /// With what the kitchens of the neighbourhood have taught.
    pace: Pace,
    manner: Manner,
    counters: Vec<Counter>,
    orders: Vec<Order>,
    events: BinaryHeap<Reverse<(u64, Event)>>,
    demand: Demand<'a>,
    making: Rng,
    tally: Tally,
}

/// Who comes when, and where to: the same for every manner.
struct Demand<'a> {
    walk: Walk<'a>,
    share: f64,
    orders: f64,
    walk_in_ms: f64,
    walk_ins_every_ms: f64,
    asks_at: Vec<f64>,
    walks_in_at: Vec<f64>,
    asks: Rng,
    walk_ins: Rng,
}

impl<'a> Demand<'a> {
    fn new(plan: &'a Plan, number: u32, outlets: &[Outlet]) -> Self {
        let orders: f64 = outlets.iter().map(|outlet| outlet.orders).sum();
        let walk_ins: f64 = outlets.iter().map(|outlet| outlet.walk_ins).sum();
        Self {
            walk: plan.curve.walk(),
            share: 0.0,
            orders,
            walk_in_ms: 0.0,
            walk_ins_every_ms: plan.curve.hours() * HOUR_MS as f64 / walk_ins,
            asks_at: outlets.iter().map(|outlet| outlet.orders / orders).collect(),
            walks_in_at: outlets.iter().map(|outlet| outlet.walk_ins / walk_ins).collect(),
            asks: stream(plan.seed, 2, number),
            walk_ins: stream(plan.seed, 3, number),
        }
    }

    fn next_ask_ms(&mut self) -> Option<u64> {
        self.share += gap(&mut self.asks) / self.orders;
        (self.share < 1.0).then(|| START_MS + whole(self.walk.hour_of(self.share) * HOUR_MS as f64))
    }

    fn next_walk_in_ms(&mut self, hours: f64) -> Option<u64> {
        self.walk_in_ms += gap(&mut self.walk_ins) * self.walk_ins_every_ms;
        (self.walk_in_ms < hours * HOUR_MS as f64).then(|| START_MS + whole(self.walk_in_ms))
    }
}

impl<'a> Neighbourhood<'a> {
    pub(super) fn new(plan: &'a Plan, number: u32, outlets: u32, manner: Manner) -> Self {
        let mut places = stream(plan.seed, 1, number);
        let hours = plan.curve.hours();
        let draw = |_| Outlet::draw(&mut places, plan.times, hours, START_MS);
        let outlets: Vec<Outlet> = (0..outlets.min(NEIGHBOURS)).map(draw).collect();
        let demand = Demand::new(plan, number, &outlets);
        Self {
            plan,
            pace: plan.pace,
            manner,
            counters: outlets.into_iter().map(Counter::new).collect(),
            orders: Vec::new(),
            events: BinaryHeap::new(),
            demand,
            making: stream(plan.seed, 4, number),
            tally: Tally::default(),
        }
    }

    /// From the first ask until everything is made.
    pub(super) fn play(mut self) -> Tally {
        self.expect_ask();
        self.expect_walk_in();
        while let Some(Reverse((now_ms, event))) = self.events.pop() {
            match event {
                Event::Ask => {
                    self.ask(now_ms);
                    self.expect_ask();
                }
                Event::WalkIn => {
                    self.walk_in(now_ms);
                    self.expect_walk_in();
                }
                Event::Send(order) => self.send(now_ms, order),
                Event::Lapse(order) => self.lapse(now_ms, order),
                Event::UnitDone(order) => self.unit_done(now_ms, order),
            }
        }
        for counter in &self.counters {
            counter.hours.add_full(counter.outlet.stations, &mut self.tally);
        }
        self.tally
    }

    fn expect(&mut self, at_ms: u64, event: Event) {
        self.events.push(Reverse((at_ms, event)));
    }

    fn expect_ask(&mut self) {
        if let Some(at_ms) = self.demand.next_ask_ms() {
            self.expect(at_ms, Event::Ask);
        }
    }

    fn expect_walk_in(&mut self) {
        if let Some(at_ms) = self.demand.next_walk_in_ms(self.plan.curve.hours()) {
            self.expect(at_ms, Event::WalkIn);
        }
    }

    fn slower(&self, now_ms: u64) -> f64 {
        match self.manner.slower {
            Some(slower) if now_ms >= slower.from_ms => SLOWER_TIMES,
            _ => 1.0,
        }
    }

    fn ask(&mut self, now_ms: u64) {
        let rng = &mut self.demand.asks;
        let place = among(&self.demand.asks_at, rng.f64());
        let units = u8::try_from(among(&UNITS, rng.f64()) + 1).expect("few");
        let user = User::draw(rng);
        self.tally.asked += 1;
        let slower = self.slower(now_ms);
        self.counters[place].want(now_ms - START_MS, units.into(), slower);
        let work = Work::units(units.into());
        let offer = if self.manner.paced {
            self.offer(now_ms, place, work, user)
        } else {
            Some((Way::Now, place, now_ms + WITHIN_MS))
        };
        let Some((way, place, ready_at_ms)) = offer else {
            self.tally.kept += 1;
            return;
        };
        let ticket = if self.manner.paced {
            self.counters[place].kitchen.promise(now_ms, work, ready_at_ms, &self.pace)
        } else {
            Ticket { work, ready_at_ms, delta_ms: 0 }
        };
        let order = self.keep(place, units, Some(way), ticket, now_ms);
        match way {
            Way::Now | Way::Near => self.send(now_ms, order),
            Way::Later if user.lets_lapse => self.expect(now_ms + HELD_MS, Event::Lapse(order)),
            Way::Later => {
                let ahead_ms = ready_at_ms.saturating_sub(self.pace.ahead_ms);
                self.expect(ahead_ms.max(now_ms + HELD_MS), Event::Send(order));
            }
        }
    }

    /// What the user takes: at once where it was asked for, at once nearby, later, or nothing.
    fn offer(
        &self,
        now_ms: u64,
        place: usize,
        work: Work,
        user: User,
    ) -> Option<(Way, usize, u64)> {
        let (pace, counter) = (&self.pace, &self.counters[place]);
        let pause_end_ms = counter.outlet.pause_end_ms(now_ms);
        if pause_end_ms.is_none()
            && let Some(eta_ms) =
                counter.kitchen.eta_within(now_ms, Ask::of(work, false), WITHIN_MS, pace)
        {
            return Some((Way::Now, place, now_ms + eta_ms));
        }
        if user.takes_near
            && let Some((place, eta_ms)) = self.near(now_ms, place, work)
        {
            return Some((Way::Near, place, now_ms + eta_ms));
        }
        if !user.takes_later {
            return None;
        }
        let not_before_ms = pause_end_ms.unwrap_or(now_ms) + WITHIN_MS;
        let slot_ms = counter.kitchen.slot_at(now_ms, Ask::of(work, false), not_before_ms, pace)?;
        Some((Way::Later, place, slot_ms))
    }

    /// The outlet within two streets with the least time to make and to go there.
    fn near(&self, now_ms: u64, place: usize, work: Work) -> Option<(usize, u64)> {
        let last = self.counters.len() - 1;
        let mut best: Option<(u64, usize, u64)> = None;
        for near in place.saturating_sub(2)..=(place + 2).min(last) {
            let counter = &self.counters[near];
            if near == place || counter.outlet.is_paused(now_ms) {
                continue;
            }
            let travel_ms = near.abs_diff(place) as u64 * TRAVEL_MS;
            let within_ms = best.map_or(WITHIN_MS, |(total_ms, ..)| total_ms - 1);
            let Some(within_ms) = within_ms.checked_sub(travel_ms) else { continue };
            let pace = &self.pace;
            if let Some(eta_ms) =
                counter.kitchen.eta_within(now_ms, Ask::of(work, false), within_ms, pace)
            {
                best = Some((eta_ms + travel_ms, near, eta_ms));
            }
        }
        best.map(|(_, near, eta_ms)| (near, eta_ms))
    }

    fn keep(
        &mut self,
        place: usize,
        units: u8,
        way: Option<Way>,
        ticket: Ticket,
        now_ms: u64,
    ) -> u32 {
        let number = u32::try_from(self.orders.len()).expect("fewer than 2^32 a neighbourhood");
        self.orders.push(Order {
            place,
            units_to_start: units,
            units_to_finish: units,
            way,
            ticket,
            asked_ms: now_ms,
            begun_ms: 0,
        });
        number
    }

    fn walk_in(&mut self, now_ms: u64) {
        let place = among(&self.demand.walks_in_at, self.demand.walk_ins.f64());
        let slower = self.slower(now_ms);
        self.tally.walk_ins += 1;
        let counter = &mut self.counters[place];
        counter.want(now_ms - START_MS, 1, slower);
        counter.walk_in(now_ms, 1, &self.pace);
        let ticket = Ticket { work: Work::units(1), ready_at_ms: now_ms, delta_ms: 0 };
        let order = self.keep(place, 1, None, ticket, now_ms);
        self.counters[place].send(order);
        self.start(now_ms, place);
    }

    fn send(&mut self, now_ms: u64, order: u32) {
        let place = self.orders[order as usize].place;
        // The outlet's own word; without pacing nobody listens to it.
        let pause_end_ms = self.counters[place].outlet.pause_end_ms(now_ms);
        if let Some(end_ms) = pause_end_ms.filter(|_| self.manner.paced) {
            self.expect(end_ms, Event::Send(order));
            return;
        }
        let counter = &mut self.counters[place];
        self.tally.sent_to_paused += u64::from(counter.outlet.is_paused(now_ms));
        counter.send(order);
        self.start(now_ms, place);
    }

    fn lapse(&mut self, now_ms: u64, order: u32) {
        let Order { place, ticket, .. } = self.orders[order as usize];
        self.counters[place].kitchen.take_back(now_ms, ticket, &self.pace);
        self.tally.lapsed += 1;
    }

    /// Free stations take what waits.
    fn start(&mut self, now_ms: u64, place: usize) {
        let slower = self.slower(now_ms);
        let counter = &mut self.counters[place];
        while let Some(number) = counter.next() {
            let order = &mut self.orders[number as usize];
            if order.units_to_start == order.units_to_finish && order.begun_ms == 0 {
                order.begun_ms = now_ms;
                if order.way.is_some() && self.manner.paced {
                    counter.kitchen.begin(now_ms, order.ticket, &self.pace);
                }
            }
            order.units_to_start -= 1;
            let last = order.units_to_start == 0;
            let done_ms = counter.start(now_ms, last, slower, &mut self.making);
            counter.hours.work(now_ms - START_MS, done_ms - START_MS);
            self.events.push(Reverse((done_ms, Event::UnitDone(number))));
        }
    }

    fn unit_done(&mut self, now_ms: u64, number: u32) {
        let order = &mut self.orders[number as usize];
        let place = order.place;
        order.units_to_finish -= 1;
        self.counters[place].done();
        if order.units_to_finish == 0 && order.way.is_some() {
            self.finish(now_ms, number);
        }
        self.start(now_ms, place);
    }

    fn finish(&mut self, now_ms: u64, number: u32) {
        let Order { place, ticket, begun_ms, asked_ms, way, .. } = self.orders[number as usize];
        if self.manner.paced {
            let kitchen = &mut self.counters[place].kitchen;
            if let Some(lesson) = kitchen.finish(now_ms, ticket, begun_ms, &self.pace) {
                self.pace.expected.learn(lesson, &self.plan.pace);
            }
        }
        let learning = self.manner.slower.is_some_and(|slower| {
            asked_ms < slower.learned_ms && now_ms.max(ticket.ready_at_ms) >= slower.from_ms
        });
        if learning {
            self.tally.while_learning += 1;
            return;
        }
        let taken = self.tally.way(way.expect("walk-ins are not judged"));
        taken.made += 1;
        taken.promised_ms += ticket.ready_at_ms - asked_ms;
        taken.late += u64::from(now_ms > ticket.ready_at_ms);
        taken.early_ms += ticket.ready_at_ms.saturating_sub(now_ms);
        taken.late_ms += now_ms.saturating_sub(ticket.ready_at_ms);
    }
}
