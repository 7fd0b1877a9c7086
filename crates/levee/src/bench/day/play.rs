//! Plays the day: many users at once, each of whom asks, waits for the answer and goes on from it;
//! and outlets and a payment provider that do the same for each order.
//!
//! One thread asks and looks. What it knows of an ask under way stands in a slot, and the ticket is
//! the slot's number; what it knows of a user who is through with the claim are two numbers in a
//! pool. So nothing is searched for, and nothing allocated for an answer.

use std::time::Instant;

use anyhow::Result;
use hdrhistogram::Histogram;
use levee_api::port::{Ask, AskBody, Priority, Reply};
use levee_core::types::{CampaignNo, Command};

use super::super::inbox::Delivery;
use super::super::rush::claim;
use super::super::stage::{Stage, micros};
use super::super::{latencies, narrow};
use super::clock::DayClock;
use super::expect::{Kind, Told, told};
use super::lines::{Draws, Line, Next};
use super::shape::{Manner, Shape, Try, pay, place, step};
use super::tally::Tally;
use super::town::Town;
use super::wheel::Wheel;

/// Asks handed over at a time, as a gate thread does once a turn.
pub(super) const VECTOR: usize = 512;

/// While users still claim, every third vector of users orders: the rush is for claims, and vouchers
/// are used from its first minute on.
const CLAIM_TURNS: u32 = 2;

/// Orders are placed over so much time of the day: the reference day had ten million before its
/// ninth hour.
const DAY_MS: u64 = 9 * 3_600_000;

/// When nobody asks any more, time goes on in such steps.
const STEP_MS: u64 = 60_000;

/// An order is fetched so long after it is ready.
pub(super) const FETCHED_AFTER_MS: u64 = 3 * 60_000;

/// Outlets that a user asks at most.
const TRIES_MAX: u8 = 32;

/// How many wrong answers are told in full.
pub(super) const WRONG_KEPT_MAX: usize = 5;

/// No slot.
pub(super) const NONE: u32 = u32::MAX;

/// One ask under way.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    pub(super) next: Next,
    /// The slot of the same ask made a second time in this vector.
    pub(super) twin: u32,
    /// When its vector was handed over.
    asked_us: u64,
}

/// What was seen of the day.
pub(super) struct Seen {
    pub(super) seconds: f64,
    pub(super) latencies: Histogram<u64>,
    /// All asks.
    pub(super) asked: u64,
    /// Those of them that nothing new made.
    pub(super) retries: u64,
    /// Orders that went to another outlet, because one could not have them ready in time.
    pub(super) busy: u64,
    pub(super) acknowledged: Tally,
    pub(super) placed: u64,
    pub(super) collected: u64,
    pub(super) captured_minor: u64,
    pub(super) wrong: u64,
    pub(super) wrong_kept: Vec<String>,
}

impl Seen {
    fn new() -> Self {
        Self {
            seconds: 0.0,
            latencies: latencies(),
            asked: 0,
            retries: 0,
            busy: 0,
            acknowledged: Tally::default(),
            placed: 0,
            collected: 0,
            captured_minor: 0,
            wrong: 0,
            wrong_kept: Vec::new(),
        }
    }
}

pub(super) struct Play<'a> {
    stage: &'a Stage,
    pub(super) clock: DayClock,
    pub(super) town: Town,
    campaign: CampaignNo,
    users: u32,
    pub(super) seed: u64,
    started: Instant,
    draws: Draws,
    turn: u32,
    next_user: u32,
    pub(super) slots: Vec<Slot>,
    free: Vec<u32>,
    /// Users with their vouchers, who have not ordered.
    pub(super) through: Vec<(u32, u32)>,
    /// How many of them have, whether or not it is answered.
    ordering: u32,
    pub(super) claims: Line,
    pub(super) orders: Line,
    /// Payments and tickets.
    pub(super) callbacks: Line,
    /// What outlets and users do with orders at some time.
    pub(super) wheel: Wheel<Next>,
    asks: Vec<Ask>,
    pub(super) seen: Seen,
}

impl<'a> Play<'a> {
    /// Its memory is there afterwards, so that what the engine takes can be told from it.
    pub(super) fn new(
        stage: &'a Stage,
        (clock, town): (DayClock, Town),
        users: u32,
        in_flight: u32,
        seed: u64,
    ) -> Self {
        let next = Next { kind: Kind::Claim, user: 0, number: 0, tries: 0, first: 0 };
        let slot = Slot { next, twin: NONE, asked_us: 0 };
        let mut through = vec![(NONE, NONE); users as usize];
        through.clear();
        Self {
            stage,
            clock,
            town,
            campaign: CampaignNo(0),
            users,
            seed,
            started: Instant::now(),
            draws: Draws(seed),
            turn: 0,
            next_user: 0,
            slots: vec![slot; in_flight as usize],
            free: (0..in_flight).rev().collect(),
            through,
            ordering: 0,
            claims: Line::default(),
            orders: Line::default(),
            callbacks: Line::default(),
            wheel: Wheel::new(),
            asks: Vec::new(),
            seen: Seen::new(),
        }
    }

    /// Plays until everyone is through with everything.
    ///
    /// # Errors
    /// The engine failed. A wrong answer is counted and is no error.
    pub(super) fn run(mut self, campaign: CampaignNo) -> Result<Seen> {
        self.campaign = campaign;
        self.started = Instant::now();
        let mut last = self.started;
        let mut came = Vec::new();
        self.ask()?;
        while self.free.len() < self.slots.len() {
            self.stage.inbox.wait(&self.stage.engine, &mut came)?;
            for Delivery { at, mut replies } in came.drain(..) {
                last = at;
                let now_us = micros(at, self.started);
                let mut rest = replies.drain(..);
                // A vector's worth at a time, so that the engine has something to do meanwhile.
                while rest.len() > 0 {
                    self.look(rest.by_ref().take(VECTOR), now_us);
                    self.ask()?;
                }
            }
        }
        self.seen.seconds = last.duration_since(self.started).as_secs_f64();
        Ok(self.seen)
    }

    /// Asks as much as may be under way, and as there is to ask.
    fn ask(&mut self) -> Result<()> {
        while self.free.len() >= VECTOR {
            self.move_on();
            let asked_us = micros(Instant::now(), self.started);
            self.asks.reserve(VECTOR);
            let Some(priority) = self.fill(asked_us) else {
                let waits = self.free.len() == self.slots.len();
                let Some(next_ms) = self.wheel.next_ms().filter(|_| waits) else { return Ok(()) };
                self.clock.move_to(next_ms + STEP_MS);
                continue;
            };
            self.seen.asked += self.asks.len() as u64;
            self.stage.submit(priority, Instant::now(), &mut self.asks)?;
        }
        Ok(())
    }

    /// It is as late as many orders have been placed; what is due by now comes into its line.
    fn move_on(&mut self) {
        let users = u64::from(self.users.max(1));
        self.clock.move_to(u64::from(self.ordering) * DAY_MS / users);
        let now_ms = self.clock.passed_ms();
        while let Some(due) = self.wheel.pop(now_ms) {
            self.callbacks.soon.extend(due);
        }
    }

    /// One vector of one lane, and which; `None` when there is nothing to ask.
    fn fill(&mut self, asked_us: u64) -> Option<Priority> {
        self.turn += 1;
        let claims_left = self.next_user < self.users || !self.claims.soon.is_empty();
        let orders = !claims_left
            || self.turn.is_multiple_of(CLAIM_TURNS + 1) && self.through.len() >= VECTOR;
        let users = if orders {
            [Priority::Redeem, Priority::Claim]
        } else {
            [Priority::Claim, Priority::Redeem]
        };
        let all = if self.callbacks.soon.len() >= VECTOR {
            [Priority::Callback, users[0], users[1]]
        } else {
            [users[0], users[1], Priority::Callback]
        };
        all.into_iter().find(|priority| {
            match priority {
                Priority::Claim => self.fill_claims(asked_us),
                Priority::Redeem => self.fill_orders(asked_us),
                _ => self.fill_callbacks(asked_us),
            }
            !self.asks.is_empty()
        })
    }

    fn fill_claims(&mut self, asked_us: u64) {
        let over = self.next_user == self.users;
        self.fill_line(asked_us, over, |play| &mut play.claims);
        while self.asks.len() + 1 < VECTOR && self.next_user < self.users {
            let user = self.next_user;
            self.next_user += 1;
            let next = Next { kind: Kind::Claim, user, number: 0, tries: 0, first: 0 };
            let twice = Shape::of(self.seed, user).claim() == Manner::Twice;
            self.put_first(next, twice.then_some(Kind::ClaimAgain), asked_us);
        }
    }

    fn fill_orders(&mut self, asked_us: u64) {
        let over = self.ordering == self.users;
        self.fill_line(asked_us, over, |play| &mut play.orders);
        // In no order that the claims had: any of those who may.
        self.look_ahead();
        while self.asks.len() < VECTOR && !self.through.is_empty() {
            let place = self.draws.below(self.through.len());
            let (user, number) = self.through.swap_remove(place);
            self.ordering += 1;
            self.put(Next { kind: Kind::Place, user, number, tries: 0, first: 0 }, asked_us);
        }
    }

    fn fill_callbacks(&mut self, asked_us: u64) {
        let over = self.ordering == self.users;
        self.fill_line(asked_us, over, |play| &mut play.callbacks);
    }

    /// Those of a line who ask soon, then some of those who ask later.
    fn fill_line(&mut self, asked_us: u64, over: bool, line: fn(&mut Self) -> &mut Line) {
        while self.asks.len() + 1 < VECTOR
            && let Some(next) = line(self).soon.pop_front()
        {
            let shape = Shape::of(self.seed, next.user);
            let twin = match next.kind {
                Kind::Pay if shape.payment() == Manner::Twice => Some(Kind::PayAgain),
                Kind::Accept if shape.acceptance() == Manner::Twice => Some(Kind::AcceptAgain),
                _ => None,
            };
            self.put_first(next, twin, asked_us);
        }
        let mut taken = 0;
        let mut draws = self.draws;
        let users = self.users;
        while self.asks.len() < VECTOR
            && let Some(next) = line(self).pop_later(taken, users, over, &mut draws)
        {
            self.put(next, asked_us);
            taken += 1;
        }
        self.draws = draws;
    }

    /// Looks at those who will be drawn next: loads that wait for nothing go on at once, while each
    /// drawing would wait for its own.
    fn look_ahead(&self) {
        let len = self.through.len();
        let mut draws = self.draws;
        let users = (0..len.min(VECTOR)).map(|taken| self.through[draws.below(len - taken)].0);
        std::hint::black_box(users.fold(0, |all, user| all ^ user));
    }

    /// An ask for the first time, and the same again if it comes twice.
    fn put_first(&mut self, next: Next, again: Option<Kind>, asked_us: u64) {
        let slot = self.put(next, asked_us);
        if let Some(kind) = again {
            self.slots[slot as usize].twin = self.put(Next { kind, ..next }, asked_us);
        }
    }

    fn put(&mut self, next: Next, asked_us: u64) -> u32 {
        let slot = self.free.pop().expect("a vector's worth was free");
        self.slots[slot as usize] = Slot { next, twin: NONE, asked_us };
        self.seen.retries += u64::from(next.kind.is_retry());
        let ask = Ask {
            ticket: u64::from(slot),
            within_ms: u32::MAX,
            body: AskBody::Command(self.command(next)),
        };
        self.asks.push(ask);
        slot
    }

    fn command(&self, next: Next) -> Command {
        let Next { kind, user, number, tries, .. } = next;
        let shape = Shape::of(self.seed, user);
        let outlet = self.town.outlet(user, tries);
        if let Some((taken, version)) = kind.step() {
            return step(number, outlet, taken, version);
        }
        match kind {
            Kind::Claim | Kind::ClaimAgain => claim(self.campaign, user),
            Kind::Pay | Kind::PayAgain => pay(shape, user, number),
            Kind::OtherOrder => place(shape, user, number, outlet, Try::Other),
            _ => place(shape, user, number, outlet, Try::First),
        }
    }

    /// Looks at answers, each against what must come, and goes on from it.
    fn look(&mut self, replies: impl Iterator<Item = (u64, Reply)>, now_us: u64) {
        let (mut run, mut run_asked_us) = (0, 0);
        for (ticket, reply) in replies {
            let place = narrow(ticket);
            let slot = self.slots[place as usize];
            self.free.push(place);
            match told(slot.next.kind, slot.next.first, &reply) {
                Some(Told::New { number, mark }) => self.new_number(slot, number, mark),
                Some(Told::On { mark }) => self.on(slot, mark),
                Some(Told::Busy) if slot.next.tries < TRIES_MAX => {
                    self.seen.busy += 1;
                    let tries = slot.next.tries + 1;
                    self.orders.soon.push_back(Next { tries, ..slot.next });
                }
                Some(Told::Nothing) => {}
                Some(Told::Busy) | None => self.wrong(slot.next, &reply),
            }
            // Most of a vector is answered in one batch: one place in the histogram for many.
            if slot.asked_us != run_asked_us && run > 0 {
                self.note(now_us, run_asked_us, std::mem::take(&mut run));
            }
            run_asked_us = slot.asked_us;
            run += 1;
        }
        self.note(now_us, run_asked_us, run);
    }

    fn note(&mut self, now_us: u64, asked_us: u64, count: u64) {
        let us = now_us.saturating_sub(asked_us).max(1);
        self.seen.latencies.saturating_record_n(us, count);
    }
}
