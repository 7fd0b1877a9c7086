//! One worker's door: what becomes of a request for the engine, before it costs the engine anything.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use levee_api::intake::{DRAWN_US, Intake, OPEN, WHOLE};
use levee_api::pass::{Pass, PassError, PassKeys, PassSecret, Promise};
use levee_api::port::Priority;
use levee_api::problem::{Code, Place};
use levee_api::types::{CampaignNo, Level, UserKey};

use super::bound::within_us;
use super::draw;
use super::flow::DELAY_MAX;
use super::limits::Limits;
use super::places::{Places, time_us};
use crate::config::AdmissionConfig;
use crate::directory::Entry;
use crate::trouble::Trouble;
use crate::worker::Worker;

/// Nobody is asked to come back sooner.
const POLL_US_MIN: u64 = 20_000;

/// Nor later, unless so many wait that even this would be too often.
const POLL_US_MAX: u64 = 30_000_000;

/// Nobody is asked to come back sooner while nobody is let in.
const STANDING_US_MIN: u64 = 1_000_000;

/// Who comes so much later than told, though the turn has come, begins anew.
const STALE_US: u64 = 600_000_000;

/// Polls a second that a gate is willing to answer, of users who just wait.
const POLLS_PER_S: u64 = 2_000;

/// Who is this much too early is not held to it: clocks and networks are not exact.
const EARLY_US: u64 = 50_000;

/// What an early poll costs in places, in microseconds: so much, and as much as it came too early.
const FINE_US: u64 = 1_000_000;

/// Who comes so much later than told, the way of request and answer included, says nothing about the
/// estimate.
const LATE_US: u64 = 1_000_000;

/// Numbers of a slot may be ahead of the clock by so much, where many come in a moment.
const AHEAD_US: u64 = 10_000;

/// Event loops may be this late before refused connections are made to rest.
const LATE_MAX: Duration = Duration::from_millis(25);

/// Lateness beyond this widens the window no further.
const WIDENED_US_MAX: u64 = 50_000;

/// The longest rest of a connection that was refused.
const REST_MAX: Duration = Duration::from_millis(100);

/// Who rests so long is not worth reading a body for.
const REST_UNREAD: Duration = Duration::from_millis(50);

/// One worker's door.
pub(crate) struct Door {
    config: AdmissionConfig,
    workers: u64,
    keys: RefCell<PassKeys>,
    pub(crate) limits: Limits,
    pub(crate) places: Places,
    /// Claims of this worker that are with the engine.
    inside: Cell<u64>,
    /// How late the event loop was lately, in microseconds.
    late_us: Cell<u64>,
    last_place_us: Cell<u64>,
    /// How long a refused connection rests before it is read again.
    rest: Cell<Duration>,
    random: Cell<u64>,
}

/// A claim that was let in, until it is answered.
pub(crate) struct Admitted {
    worker: Rc<Worker>,
    since: Instant,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let inside = &self.worker.door.inside;
        inside.set(inside.get() - 1);
        let us = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.worker.lane().tally.claim_time.add(us, 1);
    }
}

impl Door {
    pub(crate) fn new(
        config: AdmissionConfig,
        workers: usize,
        secret: &PassSecret,
        seed: u64,
        now_us: u64,
    ) -> Self {
        let workers_u32 = u32::try_from(workers).unwrap_or(u32::MAX).max(1);
        // A key's connections are spread over the workers; a user's requests are mostly on one.
        let key_per_s = config.key_per_s.div_ceil(workers_u32);
        Self {
            limits: Limits::new(config.user_per_s, key_per_s, config.forged_per_s),
            config,
            workers: workers_u32.into(),
            keys: RefCell::new(PassKeys::new(secret.clone(), now_us)),
            places: Places::default(),
            inside: Cell::new(0),
            late_us: Cell::new(0),
            last_place_us: Cell::new(0),
            rest: Cell::new(Duration::ZERO),
            random: Cell::new(seed | 1),
        }
    }

    /// Takes up the next day's key when it is time.
    pub(crate) fn refresh(&self, now_us: u64) {
        self.keys.borrow_mut().refresh(now_us);
    }

    /// How late the event loop was: decides how long refused connections rest, and how much wider the
    /// window is.
    pub(crate) fn feel(&self, late: Duration) {
        let late_us = u64::try_from(late.as_micros()).unwrap_or(u64::MAX).min(WIDENED_US_MAX);
        // Of turns that are equally long, the moments of this are late by anything up to one.
        self.late_us.set(late_us.max(self.late_us.get() * 7 / 8));
        let rest = self.rest.get();
        let next = if late > LATE_MAX {
            (rest * 3 / 2 + Duration::from_millis(5)).min(REST_MAX)
        } else {
            rest * 4 / 5
        };
        self.rest.set(if next < Duration::from_millis(1) { Duration::ZERO } else { next });
    }

    /// How long a connection rests that was refused just now.
    pub(crate) fn rest(&self) -> Duration {
        self.rest.get()
    }

    /// Whether a newcomer's claim is refused before its body is looked at: the gate itself is what
    /// is overloaded, and not even a place in the waiting room can be given out.
    pub(crate) fn refuses_unread(&self, intake: &Intake) -> bool {
        self.config.enabled && self.rest.get() >= REST_UNREAD && intake.watermark_us() != OPEN
    }

    /// A number below `bound`, of the quality that spreading retries needs (xorshift64).
    pub(crate) fn random_below(&self, bound: u64) -> u64 {
        let mut random = self.random.get();
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        self.random.set(random);
        random % bound.max(1)
    }

    /// A newcomer may go in: nobody waits, or too few of those who wait are there.
    fn has_room(&self, intake: &Intake) -> bool {
        let window = match (intake.holds_newcomers(), intake.watermark_us()) {
            (true, _) => 0,
            (false, OPEN) => intake.window(),
            (false, _) => intake.idle_window(),
        };
        let share = window.div_ceil(intake.gate_count().max(1) * self.workers);
        self.inside.get() < share.saturating_add(self.decided_late(share))
    }

    /// A worker learns in one turn of its event loop what is through of what it let in in the one before.
    /// Where turns are long, its part goes in once more for every [`DELAY_MAX`] that the loop is late: one
    /// window a turn could be less than the engine decides.
    fn decided_late(&self, share: u64) -> u64 {
        let delay_us = u64::try_from(DELAY_MAX.as_micros()).unwrap_or(u64::MAX);
        share.saturating_mul(self.late_us.get()) / delay_us
    }
}

impl Worker {
    /// Lets a user's request into a lane other than that of claims, or turns it away. One user's
    /// whole task is let in or kept out, for an hour.
    pub(crate) fn admit_user(&self, lane: Priority, user: UserKey) -> Result<(), Trouble> {
        let intake = self.hub.ports.submit.intake();
        let share = intake.share(lane);
        if share < WHOLE {
            let hour = intake.now_us() / 3_600_000_000;
            let key = u64::from_le_bytes(*user.0.first_chunk().expect("16 bytes have 8"));
            let mixed = (key ^ hour).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
            if mixed >= u64::from(share) {
                return Err(self.turned_away(lane, "Too much of this is under way."));
            }
        }
        self.within_limit(lane, user, intake.now_us())
    }

    fn within_limit(&self, lane: Priority, user: UserKey, now_us: u64) -> Result<(), Trouble> {
        let key = u64::from_le_bytes(*user.0.first_chunk().expect("16 bytes have 8"));
        self.door.limits.user(key, now_us).map_err(|wait_us| {
            self.lane().tally.turn_away(lane);
            Trouble::new(Code::RateLimited)
                .with_detail("This user asks too often.")
                .after_ms(wait_us.div_ceil(1_000))
        })
    }

    /// 503, with a time to come back that differs from client to client.
    pub(crate) fn turned_away(&self, lane: Priority, detail: &str) -> Trouble {
        self.lane().tally.turn_away(lane);
        let spread_ms = 1_000 + self.door.random_below(4_000);
        Trouble::new(Code::Overloaded).with_detail(detail).after_ms(spread_ms)
    }

    /// Lets a user's claim in, or gives the user a place in the waiting room.
    pub(crate) fn admit_claim(
        self: &Rc<Self>,
        entry: &Entry,
        user: UserKey,
        pass: Option<&[u8]>,
    ) -> Result<Admitted, Trouble> {
        if self.door.config.enabled {
            let intake = self.hub.ports.submit.intake();
            let now_us = intake.now_us();
            self.within_limit(Priority::Claim, user, now_us)?;
            let visit = Visit { worker: self, intake, entry, user, now_us };
            visit.decide(pass)?;
        }
        self.lane().tally.admit(Priority::Claim);
        self.door.inside.set(self.door.inside.get() + 1);
        Ok(Admitted { worker: Rc::clone(self), since: Instant::now() })
    }
}

/// One user's claim at the door.
struct Visit<'a> {
    worker: &'a Worker,
    intake: &'a Intake,
    entry: &'a Entry,
    user: UserKey,
    now_us: u64,
}

impl Visit<'_> {
    fn campaign(&self) -> CampaignNo {
        self.entry.number
    }

    fn decide(&self, pass: Option<&[u8]>) -> Result<(), Trouble> {
        let pass = pass.map(|text| self.open(text)).transpose()?.flatten();
        let opens_us = self.opens_us();
        if let Some(ahead_us) = opens_us.checked_sub(self.now_us).filter(|ahead_us| *ahead_us > 0) {
            let before_us = self.worker.door.config.opens_before.as_micros();
            // Earlier there are no places; the rules say that it is not open.
            if !self.entry.frozen || u128::from(ahead_us) > before_us {
                return Ok(());
            }
            return Err(self.before_opening(pass, opens_us));
        }
        // A place from before the draw would come before all drawn ones.
        match pass.filter(|pass| pass.place_us >= opens_us.saturating_sub(DRAWN_US)) {
            Some(pass) => self.decide_pass(pass),
            None => self.decide_newcomer(),
        }
    }

    /// What the text says; nothing if it is so old that its user begins anew.
    fn open(&self, text: &[u8]) -> Result<Option<Pass>, Trouble> {
        match self.worker.door.keys.borrow().open(text, self.user, self.campaign()) {
            Ok(pass) => Ok(Some(pass)),
            Err(PassError::TooOld) => Ok(None),
            Err(error @ PassError::Forged) => {
                Err(Trouble::field("Levee-Pass", format!("is {error}")))
            }
        }
    }

    /// When the campaign opens, on the intake's clock.
    fn opens_us(&self) -> u64 {
        let known_us = self.entry.opened_us.get();
        if known_us > 0 {
            return known_us;
        }
        let opens_us = self.intake.clock().us_of(self.entry.definition.terms.opens_at_ms).max(1);
        if opens_us <= self.now_us && self.entry.frozen {
            self.entry.opened_us.set(opens_us);
        }
        opens_us
    }

    /// Everyone who is there has one place, drawn by the committed seed.
    fn before_opening(&self, pass: Option<Pass>, opens_us: u64) -> Trouble {
        let secret = self.worker.hub.ports.codes.passes();
        let id = self.entry.definition.id.as_str();
        let (place_us, ticket) = draw::place_us(secret, id, self.user, opens_us);
        self.intake.hold_until(opens_us);
        let known = pass.filter(|pass| pass.place_us == place_us);
        if known.is_none() {
            self.intake.count_pass(place_us);
            self.worker.lane().tally.passes_issued.add(1);
        }
        let first_us = opens_us - DRAWN_US;
        let ahead = self.worker.door.places.between(self.intake, first_us, place_us);
        let eta_us = opens_us - self.now_us + time_us(self.intake, ahead);
        let promise = known.map_or_else(|| self.silent(eta_us), |pass| pass.promise);
        let mut place = self.place(place_us, Some(promise), ahead, eta_us);
        place.opens_at = Some(rfc3339(self.entry.definition.terms.opens_at_ms));
        place.draw_ticket = Some(draw::hex(&ticket));
        self.waits(place)
    }

    fn decide_pass(&self, pass: Pass) -> Result<(), Trouble> {
        let tally = &self.worker.lane().tally;
        if self.now_us + EARLY_US < pass.due_us {
            tally.polled_early.add(1);
            // The old text still leads to the old place, but not before it is due; who asks in
            // between gains nothing, and who goes on with the new one falls back.
            let fine_us = FINE_US + (pass.due_us - self.now_us);
            let place_us = pass.place_us.saturating_add(fine_us);
            let ahead = self.worker.door.places.ahead(self.intake, self.now_us, place_us);
            let ahead_us = time_us(self.intake, ahead);
            // What was promised for the earlier place does not hold for the later one.
            return Err(self.wait_at(place_us, Some(self.silent(ahead_us))));
        }
        let passed = pass.place_us < self.intake.watermark_us();
        if !passed || self.intake.level() == Level::Essential {
            return Err(self.wait_at(pass.place_us, Some(pass.promise)));
        }
        // One that was let in long ago, and comes again and again, is no better than a newcomer.
        // Counted from when it was told to come, since the wait itself may have taken hours.
        if pass.due_us.saturating_add(STALE_US) < self.now_us {
            return self.decide_newcomer();
        }
        self.intake.add_shown(1);
        tally.passes_admitted.add(1);
        let in_time = self.now_us <= pass.due_us.saturating_add(LATE_US);
        tally.within_bound.add(u64::from(self.now_us <= pass.promise.bound_us));
        if in_time && pass.promise.eta_ms > 0 {
            let kept = self.kept_now(&pass);
            tally.bound_kept.add(u64::from(kept));
            tally.bound_missed.add(u64::from(!kept));
        }
        Ok(())
    }

    fn decide_newcomer(&self) -> Result<(), Trouble> {
        let door = &self.worker.door;
        if door.has_room(self.intake) {
            return Ok(());
        }
        // Never before one that this worker gave out earlier, though the clock step back.
        let last_us = door.last_place_us.get();
        let place_us = self.intake.take_place(self.now_us.max(last_us)).max(last_us + 1);
        door.last_place_us.set(place_us);
        self.intake.close_at(place_us);
        self.worker.lane().tally.passes_issued.add(1);
        Err(self.wait_at(place_us, None))
    }

    fn wait_at(&self, place_us: u64, promised: Option<Promise>) -> Trouble {
        let ahead = self.worker.door.places.ahead(self.intake, self.now_us, place_us);
        self.waits(self.place(place_us, promised, ahead, time_us(self.intake, ahead)))
    }

    /// `promised` is what was told first.
    fn place(&self, place_us: u64, promised: Option<Promise>, ahead: u64, eta_us: u64) -> Place {
        let door = &self.worker.door;
        // What was promised first stays the promise.
        let promise = promised.unwrap_or_else(|| self.promise(place_us, eta_us));
        let left_us = promise.bound_us.saturating_sub(self.now_us);
        let crowd_us = self.crowd_us(place_us);
        let poll_us_max = POLL_US_MAX.max(crowd_us);
        // While nobody is let in there is no reason to come soon.
        let stands =
            self.intake.level() == Level::Essential || place_us < self.intake.watermark_us();
        let poll_us_min = if stands { STANDING_US_MIN.max(crowd_us) } else { POLL_US_MIN };
        // A little before the turn, so that those who are let in come as evenly as they are: who
        // comes after it comes with all others who do. Spread, so that one moment's users do not
        // come back in one moment.
        let spread_us = (eta_us / 16).max(5_000);
        let poll_us =
            (eta_us - eta_us / 16).clamp(poll_us_min, poll_us_max) + door.random_below(spread_us);
        let nonce = u32::try_from(door.random_below(1 << 32)).expect("below 2^32");
        let due_us = self.now_us + poll_us;
        // What was promised before nobody was let in says nothing of the estimate.
        let eta_ms = if stands { 0 } else { promise.eta_ms };
        let promise = Promise { eta_ms, ..promise };
        let pass = Pass { place_us, due_us, promise, nonce };
        let pass = door.keys.borrow().today().sign(&pass, self.user, self.campaign());
        Place {
            page: ["/wait/", &pass].concat(),
            pass,
            position_ahead: ahead,
            eta_ms: eta_us.div_ceil(1_000),
            eta_p90_ms: left_us.max(eta_us).div_ceil(1_000),
            poll_after_ms: poll_us.div_ceil(1_000),
            opens_at: None,
            draw_ticket: None,
        }
    }

    /// What is promised for a turn that is estimated to come after this time.
    fn promise(&self, place_us: u64, eta_us: u64) -> Promise {
        let silent = self.silent(eta_us);
        let eta_ms = u32::try_from(eta_us.div_ceil(1_000)).unwrap_or(u32::MAX);
        match u8::try_from(self.now_us.saturating_sub(place_us) / 1_000) {
            Ok(told_ms) if place_us <= self.now_us + AHEAD_US => {
                Promise { eta_ms, told_ms, ..silent }
            }
            _ => silent,
        }
    }

    /// The same where nothing can be learned from it, because the place is of another moment.
    fn silent(&self, eta_us: u64) -> Promise {
        let bound_us = self.now_us.saturating_add(self.within_us(eta_us));
        Promise { bound_us, eta_ms: 0, told_ms: 0 }
    }

    /// Within which time a turn comes in nine cases of ten that is estimated to come after this one.
    fn within_us(&self, eta_us: u64) -> u64 {
        within_us(eta_us, self.intake.margin_permille())
    }

    /// Whether the bound that is told now would have been kept, had it been told to this user.
    fn kept_now(&self, pass: &Pass) -> bool {
        let told_us = pass.place_us + u64::from(pass.promise.told_ms) * 1_000;
        let took_us = self.now_us.saturating_sub(told_us);
        took_us <= self.within_us(u64::from(pass.promise.eta_ms) * 1_000)
    }

    /// How seldom users must come for all of them to be answered at a bearable rate.
    fn crowd_us(&self, place_us: u64) -> u64 {
        let places = &self.worker.door.places;
        let waiting = if place_us > self.now_us {
            // Before an opening: all drawn places are in its last second.
            let second_us = place_us - place_us % DRAWN_US;
            places.between(self.intake, second_us, second_us + DRAWN_US)
        } else {
            places.ahead(self.intake, self.now_us, self.now_us)
        };
        waiting * 1_000_000 / POLLS_PER_S
    }

    fn waits(&self, place: Place) -> Trouble {
        let tally = &self.worker.lane().tally;
        tally.arrived[Priority::Claim as usize].add(1);
        tally.told_to_wait.add(1);
        Trouble::new(Code::Waiting).after_ms(place.poll_after_ms).with_place(place)
    }
}

fn rfc3339(ms: u64) -> String {
    let mut text = Vec::with_capacity(24);
    crate::json::put_instant(ms, &mut text);
    String::from_utf8(text).expect("digits and ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_is_late_lets_in_what_is_decided_meanwhile() {
        let door = Door::new(AdmissionConfig::default(), 2, &PassSecret::new(&[1; 32]), 1, 0);
        let ms = Duration::from_millis;
        assert_eq!(door.decided_late(100), 0);
        // Of a window of 200, this one of two workers has used up its half.
        let intake = Intake::default();
        intake.set_window(200);
        door.inside.set(100);
        assert!(!door.has_room(&intake));
        door.feel(ms(25));
        assert_eq!(door.decided_late(100), 125);
        door.inside.set(224);
        assert!(door.has_room(&intake));
        door.inside.set(225);
        assert!(!door.has_room(&intake));
        // The next moments lie anywhere in a turn.
        door.feel(ms(3));
        assert!((100..125).contains(&door.decided_late(100)), "{}", door.decided_late(100));
        // A pause is over soon, and never counts for more than 50 ms.
        door.feel(ms(9_000));
        assert_eq!(door.decided_late(100), 250);
        // A window without an end is no fault.
        assert!(door.decided_late(u64::MAX) > 0);
        for _ in 0..20 {
            door.feel(Duration::ZERO);
        }
        assert!(door.decided_late(100) < 20, "{}", door.decided_late(100));
    }
}
