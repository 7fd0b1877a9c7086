//! Plays the day: many users at once, each of whom asks, waits for the answer and goes on from it.
//!
//! One thread asks and looks. What it knows of an ask under way stands in a slot, and the ticket is
//! the slot's number; what it knows of a user who is through with the claim are two numbers in a
//! pool. So nothing is searched for, and nothing allocated for an ask or an answer.

use std::time::Instant;

use anyhow::Result;
use hdrhistogram::Histogram;
use levee_api::port::{Ask, AskBody, Priority, Reply};
use levee_core::types::{CampaignNo, Command};

use super::super::inbox::Delivery;
use super::super::rush::claim;
use super::super::stage::{Stage, micros, mix};
use super::super::{latencies, narrow};
use super::expect::{Kind, Told, told};
use super::shape::{Manner, Shape, Try, redeem, roll_back};
use super::tally::Tally;

/// Asks handed over at a time, as a gate thread does once a turn.
const VECTOR: usize = 512;

/// While users still claim, every third vector redeems: the rush is for claims, and vouchers are
/// used from its first minute on.
const CLAIM_TURNS: u32 = 2;

/// Of those who ask again much later, a sixteenth of a vector asks now. More than come, so that the
/// line of those who wait stays at its least length.
const LATER_PER_VECTOR: usize = VECTOR / 16;

/// The least length of that line, as a share of all users: on average they wait for as many others
/// as there are in it, divided by the share of those who wait at all.
const LATER_SHARE: usize = 500;

/// How many wrong answers are told in full.
const WRONG_KEPT_MAX: usize = 5;

/// No slot.
const NONE: u32 = u32::MAX;

/// One ask under way.
#[derive(Clone, Copy)]
struct Slot {
    kind: Kind,
    user: u32,
    /// The voucher, or the redemption that is rolled back.
    number: u32,
    /// The slot of the same ask made a second time in this vector.
    twin: u32,
    /// When its vector was handed over.
    asked_us: u64,
    /// For what is asked again: the mark of the first answer.
    first: u64,
}

/// An ask to be made.
#[derive(Clone, Copy)]
struct Next {
    kind: Kind,
    user: u32,
    number: u32,
    first: u64,
}

/// What asks again, by lane.
#[derive(Default)]
struct Line {
    soon: Vec<Next>,
    later: Vec<Next>,
}

/// What was seen of the day.
pub(super) struct Seen {
    pub(super) seconds: f64,
    pub(super) latencies: Histogram<u64>,
    /// All asks.
    pub(super) asked: u64,
    /// Those of them that no new user and no new voucher made.
    pub(super) retries: u64,
    pub(super) acknowledged: Tally,
    pub(super) redeemed: u64,
    pub(super) rolled_back: u64,
    pub(super) spent_minor: u64,
    pub(super) wrong: u64,
    pub(super) wrong_kept: Vec<String>,
}

/// Between two states of the generator of the drawings (splitmix64).
const DRAW_STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A place below `len`, which is below 2^32 (Lemire 2019, without his last step: a bias of 2^-32 is
/// none here).
fn place_of(drawn: u64, len: usize) -> usize {
    let place = ((mix(drawn) >> 32) * len as u64) >> 32;
    usize::try_from(place).expect("below a length")
}

pub(super) struct Play<'a> {
    stage: &'a Stage,
    campaign: CampaignNo,
    users: u32,
    seed: u64,
    started: Instant,
    drawn: u64,
    turn: u32,
    next_user: u32,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Users with their vouchers, which they have not used.
    through: Vec<(u32, u32)>,
    claims: Line,
    redemptions: Line,
    asks: Vec<Ask>,
    seen: Seen,
}

impl<'a> Play<'a> {
    /// Its memory is there afterwards, so that what the engine takes can be told from it.
    pub(super) fn new(stage: &'a Stage, users: u32, in_flight: u32, seed: u64) -> Self {
        let slot =
            Slot { kind: Kind::Claim, user: 0, number: 0, twin: NONE, asked_us: 0, first: 0 };
        let mut through = vec![(NONE, NONE); users as usize];
        through.clear();
        let seen = Seen {
            seconds: 0.0,
            latencies: latencies(),
            asked: 0,
            retries: 0,
            acknowledged: Tally::default(),
            redeemed: 0,
            rolled_back: 0,
            spent_minor: 0,
            wrong: 0,
            wrong_kept: Vec::new(),
        };
        Self {
            stage,
            campaign: CampaignNo(0),
            users,
            seed,
            started: Instant::now(),
            drawn: seed,
            turn: 0,
            next_user: 0,
            slots: vec![slot; in_flight as usize],
            free: (0..in_flight).rev().collect(),
            through,
            claims: Line::default(),
            redemptions: Line::default(),
            asks: Vec::new(),
            seen,
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
            let claims_left = self.next_user < self.users || !self.claims.soon.is_empty();
            self.turn += 1;
            let redeems = !claims_left
                || self.turn.is_multiple_of(CLAIM_TURNS + 1) && self.through.len() >= VECTOR;
            let asked_us = micros(Instant::now(), self.started);
            self.asks.reserve(VECTOR);
            let priority = if redeems {
                self.fill_redemptions(asked_us);
                Priority::Redeem
            } else {
                self.fill_claims(asked_us);
                Priority::Claim
            };
            if self.asks.is_empty() && redeems {
                // Only those are left who come back to a claim of long ago.
                self.fill_claims(asked_us);
            }
            if self.asks.is_empty() {
                return Ok(());
            }
            self.seen.asked += self.asks.len() as u64;
            self.stage.submit(priority, Instant::now(), &mut self.asks)?;
        }
        Ok(())
    }

    fn fill_claims(&mut self, asked_us: u64) {
        while self.asks.len() < VECTOR
            && let Some(next) = self.claims.soon.pop()
        {
            self.put(next, asked_us);
        }
        self.fill_later(asked_us, self.next_user == self.users, |play| &mut play.claims);
        while self.asks.len() + 1 < VECTOR && self.next_user < self.users {
            let user = self.next_user;
            self.next_user += 1;
            let next = Next { kind: Kind::Claim, user, number: 0, first: 0 };
            let shape = Shape::of(self.seed, user);
            self.put_first(next, shape.claim(), Kind::ClaimAgain, asked_us);
        }
    }

    fn fill_redemptions(&mut self, asked_us: u64) {
        while self.asks.len() < VECTOR
            && let Some(next) = self.redemptions.soon.pop()
        {
            self.put(next, asked_us);
        }
        let over = self.next_user == self.users && self.through.is_empty();
        self.fill_later(asked_us, over, |play| &mut play.redemptions);
        // In no order that the claims had: any of those who may.
        self.look_ahead();
        while self.asks.len() + 1 < VECTOR && !self.through.is_empty() {
            let place = self.draw(self.through.len());
            let (user, number) = self.through.swap_remove(place);
            let next = Next { kind: Kind::Redeem, user, number, first: 0 };
            let shape = Shape::of(self.seed, user);
            self.put_first(next, shape.redemption(), Kind::RedeemAgain, asked_us);
        }
    }

    fn fill_later(&mut self, asked_us: u64, over: bool, line: fn(&mut Self) -> &mut Line) {
        let least = if over { 0 } else { self.users as usize / LATER_SHARE };
        let mut left = if over { VECTOR } else { LATER_PER_VECTOR };
        while left > 0 && self.asks.len() < VECTOR && line(self).later.len() > least {
            let len = line(self).later.len();
            let place = self.draw(len);
            let next = line(self).later.swap_remove(place);
            self.put(next, asked_us);
            left -= 1;
        }
    }

    fn draw(&mut self, len: usize) -> usize {
        self.drawn = self.drawn.wrapping_add(DRAW_STEP);
        place_of(self.drawn, len)
    }

    /// Looks at those who will be drawn next: loads that wait for nothing go on at once, while each
    /// drawing would wait for its own.
    fn look_ahead(&self) {
        let len = self.through.len();
        let mut drawn = self.drawn;
        let users = (0..len.min(VECTOR)).map(|taken| {
            drawn = drawn.wrapping_add(DRAW_STEP);
            self.through[place_of(drawn, len - taken)].0
        });
        std::hint::black_box(users.fold(0, |all, user| all ^ user));
    }

    /// An ask for the first time, and the same again if it is tapped twice.
    fn put_first(&mut self, next: Next, manner: Manner, again: Kind, asked_us: u64) {
        let slot = self.put(next, asked_us);
        if manner == Manner::TappedTwice {
            let twin = self.put(Next { kind: again, ..next }, asked_us);
            self.slots[slot as usize].twin = twin;
        }
    }

    fn put(&mut self, next: Next, asked_us: u64) -> u32 {
        let Next { kind, user, number, first } = next;
        let slot = self.free.pop().expect("a vector's worth was free");
        self.slots[slot as usize] = Slot { kind, user, number, twin: NONE, asked_us, first };
        self.seen.retries += u64::from(kind.is_retry());
        let ask = Ask {
            ticket: u64::from(slot),
            within_ms: u32::MAX,
            body: AskBody::Command(self.command(next)),
        };
        self.asks.push(ask);
        slot
    }

    fn command(&self, next: Next) -> Command {
        let Next { kind, user, number, .. } = next;
        let shape = Shape::of(self.seed, user);
        match kind {
            Kind::Claim | Kind::ClaimAgain => claim(self.campaign, user),
            Kind::Redeem | Kind::RedeemAgain => redeem(shape, user, number, Try::First),
            Kind::OtherKey => redeem(shape, user, number, Try::OtherKey),
            Kind::OtherBill => redeem(shape, user, number, Try::OtherBill),
            Kind::RollBack => roll_back(user, number),
        }
    }

    /// Looks at answers, each against what must come, and lets its user go on from it.
    fn look(&mut self, replies: impl Iterator<Item = (u64, Reply)>, now_us: u64) {
        let (mut run, mut run_asked_us) = (0, 0);
        for (ticket, reply) in replies {
            let place = narrow(ticket);
            let slot = self.slots[place as usize];
            self.free.push(place);
            let shape = Shape::of(self.seed, slot.user);
            match told(slot.kind, slot.first, shape, &reply) {
                Some(Told::Claimed { voucher, mark }) => self.claimed(slot, shape, voucher, mark),
                Some(Told::Redeemed { redemption, mark }) => {
                    self.redeemed(slot, shape, redemption, mark);
                }
                Some(Told::RolledBack { mark }) => {
                    self.seen.acknowledged.add(mark);
                    self.seen.rolled_back += 1;
                    self.seen.spent_minor -= u64::from(shape.discount_minor());
                }
                Some(Told::Nothing) => {}
                None => self.wrong(slot, &reply),
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

    fn claimed(&mut self, slot: Slot, shape: Shape, voucher: u32, mark: u64) {
        self.seen.acknowledged.add(mark);
        self.through.push((slot.user, voucher));
        let again = Next { kind: Kind::ClaimAgain, user: slot.user, number: voucher, first: mark };
        match shape.claim() {
            Manner::TappedTwice => self.expect_of_twin(slot, mark),
            Manner::Lost => self.claims.soon.push(again),
            Manner::Reopened => self.claims.later.push(again),
            _ => {}
        }
    }

    fn redeemed(&mut self, slot: Slot, shape: Shape, redemption: u32, mark: u64) {
        self.seen.acknowledged.add(mark);
        self.seen.redeemed += 1;
        self.seen.spent_minor += u64::from(shape.discount_minor());
        let Slot { user, number, .. } = slot;
        let again = |kind| Next { kind, user, number, first: mark };
        let line = &mut self.redemptions;
        match shape.redemption() {
            Manner::Once => {}
            Manner::TappedTwice => self.expect_of_twin(slot, mark),
            Manner::Lost => line.soon.push(again(Kind::RedeemAgain)),
            Manner::Reopened => line.later.push(again(Kind::RedeemAgain)),
            Manner::OtherKey => line.later.push(again(Kind::OtherKey)),
            Manner::OtherBill => line.later.push(again(Kind::OtherBill)),
            Manner::RolledBack => {
                line.soon.push(Next { number: redemption, ..again(Kind::RollBack) });
            }
        }
    }

    /// The second of two equal asks is answered after the first, with the same.
    fn expect_of_twin(&mut self, slot: Slot, mark: u64) {
        if slot.twin != NONE {
            self.slots[slot.twin as usize].first = mark;
        }
    }

    #[cold]
    fn wrong(&mut self, slot: Slot, reply: &Reply) {
        self.seen.wrong += 1;
        if self.seen.wrong_kept.len() < WRONG_KEPT_MAX {
            let Slot { kind, user, number, .. } = slot;
            self.seen
                .wrong_kept
                .push(format!("user {user}, {kind:?} with number {number}: {reply:?}"));
        }
    }
}
