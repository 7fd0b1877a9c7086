//! What an answer means: for the tally, for the ledger, and for what its user does next.

mod ordering;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use fastrand::Rng;
use levee_api::problem::Code as ProblemCode;

use super::Op;
use super::connection::{Reply, number_field, text_field};
use super::generator::{After, Harvest, Work};
use super::progress::Shared;
use super::requests::{Held, Requests};
use super::tally::Tally;
use crate::ledger::{ClaimAck, Code, Ledger, Noted, RedemptionAck};
use crate::plan::{FestivalPlan, Script};

/// Tries after the first of a request that broke off, as an app makes them.
const RETRIES_AFTER_BREAK: u8 = 1;

/// Tries after the first of a request that was turned away by an overloaded server.
const RETRIES_AFTER_OVERLOAD: u8 = 10;

/// Wait before a retry where the server names none, in real microseconds.
const RETRY_AFTER_US: u32 = 100_000;

/// Longest wait before a retry, in real microseconds.
const RETRY_AFTER_US_MAX: u32 = 10_000_000;

/// An app asks for a code no sooner than this, however near it is.
const CODE_AFTER_US_MIN: u32 = 5_000;

/// The same request once more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retry {
    pub(crate) after_us: u32,
}

/// What became of a request that was to be written.
pub(crate) enum Built {
    /// It is to be sent.
    Ready,
    /// Its user has nothing to send it with, or waits already.
    Nothing,
}

/// A user in the waiting room, as the app keeps it: one place, however often the user asks.
struct Room {
    pass: Box<[u8]>,
    first_asked_us: u64,
    /// By when the user was told to be let in, in nine cases of ten.
    bound_us: u64,
    /// Claims that the user meant to send meanwhile; they go out once the user is in.
    held_back: u32,
}

/// Keeps what one generator's users were told.
pub(crate) struct Answers {
    plan: Arc<FestivalPlan>,
    shared: Arc<Shared>,
    tally: Tally,
    ledger: Ledger,
    locks: HashMap<u32, Code>,
    rooms: HashMap<u32, Room>,
    orderings: HashMap<u32, ordering::Ordering>,
    random: Rng,
    window: super::progress::Window,
}

impl Answers {
    pub(crate) fn new(plan: Arc<FestivalPlan>, shared: Arc<Shared>) -> Self {
        let buckets = super::bucket_count(&plan);
        Self {
            tally: Tally::new(buckets, plan.scenario().tiers.len()),
            ledger: Ledger::default(),
            locks: HashMap::new(),
            rooms: HashMap::new(),
            orderings: HashMap::new(),
            random: Rng::with_seed(plan.seed() ^ 0x0067_7565_7373),
            window: super::progress::Window::default(),
            plan,
            shared,
        }
    }

    pub(crate) fn into_harvest(self) -> Harvest {
        Harvest { tally: self.tally, ledger: self.ledger }
    }

    /// A user is there.
    pub(crate) fn arrived(&mut self, script: &Script, intended_us: u32) {
        self.tally.tiers[script.tier].users += 1;
        let bucket = self.bucket(u64::from(intended_us));
        self.tally.buckets[bucket].arrivals += 1;
        self.tally.arrived_at(intended_us.into());
    }

    /// Requests that never left.
    pub(crate) fn unsent(&mut self, count: usize) {
        self.tally.unsent += count as u64;
    }

    /// From time to time: tells the watcher.
    pub(crate) fn tick(&mut self, now_us: u64) {
        let claims = self.tally.of(Op::Claim).acked;
        let redemptions = self.tally.of(Op::Redeem).acked;
        self.window.publish(now_us, claims, redemptions, &self.shared);
    }

    /// Writes a request's bytes.
    pub(crate) fn build(
        &mut self,
        work: &Work,
        requests: &mut Requests,
        out: &mut Vec<u8>,
    ) -> Built {
        let user = work.user;
        let script = self.plan.script(user);
        let bytes = match work.op {
            Op::Claim => {
                let room = self.rooms.get_mut(&user);
                if let Some(room) = room.filter(|_| !work.polls) {
                    room.held_back += 1;
                    return Built::Nothing;
                }
                let pass = self.rooms.get(&user).map(|room| &*room.pass);
                requests.claim(&self.plan, user, &script, pass)
            }
            Op::GuessLookUp | Op::GuessRedeem => {
                requests.guess(work.op, &self.plan, user, &mut self.random)
            }
            Op::Lock | Op::Redeem | Op::Rollback => {
                let Some(claim) = self.ledger.claims.get(&user) else { return Built::Nothing };
                let Some(redemption) = &script.redemption else { return Built::Nothing };
                let held = Held {
                    code: claim.code,
                    lock: self.locks.get(&user).copied(),
                    redemption: self.ledger.redemptions.get(&user).map(|ack| ack.id),
                };
                requests.about(work.op, &self.plan, user, redemption, &held)
            }
            Op::Quote | Op::Order | Op::Look | Op::Cancel => {
                let Some(order) = &script.order else { return Built::Nothing };
                let Some(bytes) = self.build_order(work, order, requests) else {
                    return Built::Nothing;
                };
                bytes
            }
        };
        out.clear();
        out.extend_from_slice(bytes);
        self.tally.of_mut(work.op).attempted += 1;
        if work.retries == 0 {
            let bucket = self.bucket(u64::from(work.intended_us));
            self.tally.buckets[bucket].requests += 1;
        }
        Built::Ready
    }

    /// No answer: whether the request had an effect is not known, so the app asks again.
    pub(crate) fn broke_off(&mut self, work: &Work, why: &str) -> After {
        self.order_landed(work);
        self.tally.of_mut(work.op).unknown += 1;
        self.tally.odd(|| format!("{} of user {}: {why}", work.op.name(), work.user));
        let retry = work.retries < RETRIES_AFTER_BREAK;
        let mut after = After {
            retry: retry.then_some(Retry { after_us: RETRY_AFTER_US }),
            ..After::default()
        };
        if !retry {
            self.leave_room(work, &mut after, None);
        }
        after
    }

    /// An answer, whatever it says.
    pub(crate) fn answered(&mut self, work: &Work, reply: &Reply<'_>, now_us: u64) -> After {
        self.order_landed(work);
        let latency_us = now_us.saturating_sub(u64::from(work.intended_us));
        self.measure(work, latency_us);
        if work.op == Op::Claim && reply.status == 202 {
            return self.code_later(work, reply, now_us);
        }
        if reply.status < 300 {
            let mut after = self.succeeded(work, reply, now_us);
            self.leave_room(work, &mut after, Some(now_us));
            return after;
        }
        let code = text_field(reply.body, "code").and_then(known_code);
        let Some(code) = code else { return self.odd(work, reply) };
        if work.op == Op::Claim && code == "waiting" {
            return self.told_to_wait(work, reply, now_us);
        }
        let counted = self.tally.of_mut(work.op);
        counted.refused += 1;
        *self.tally.refusals.entry((work.op, code)).or_default() += 1;
        let bucket = self.bucket(now_us);
        self.tally.buckets[bucket].refused += 1;
        if work.op == Op::Claim {
            let tier = self.plan.script(work.user).tier;
            self.tally.tiers[tier].refused += 1;
        }
        let overloaded = matches!(reply.status, 429 | 503);
        let retry = overloaded && work.retries < RETRIES_AFTER_OVERLOAD;
        let after_us = number_field(reply.body, "retry_after_ms")
            .map_or(RETRY_AFTER_US, |ms| crate::numbers::narrow(ms.saturating_mul(1_000)));
        let after_us = after_us.min(RETRY_AFTER_US_MAX);
        let mut after = After { retry: retry.then_some(Retry { after_us }), ..After::default() };
        if !retry && matches!(work.op, Op::Order | Op::Quote) {
            after = self.order_refused(work, code, now_us);
        }
        if !retry {
            let admitted = !overloaded;
            self.leave_room(work, &mut after, admitted.then_some(now_us));
        }
        after
    }

    /// The user has a place: asks again when told to, with the newest pass. The claim is counted
    /// once it is decided.
    fn told_to_wait(&mut self, work: &Work, reply: &Reply<'_>, now_us: u64) -> After {
        let pass = text_field(reply.body, "pass");
        let poll_ms = number_field(reply.body, "poll_after_ms");
        let eta_ms = number_field(reply.body, "eta_ms");
        let bound_ms = number_field(reply.body, "eta_p90_ms");
        let (Some(pass), Some(poll_ms), Some(eta_ms), Some(bound_ms)) =
            (pass, poll_ms, eta_ms, bound_ms)
        else {
            return self.odd(work, reply);
        };
        self.tally.of_mut(Op::Claim).attempted -= 1;
        self.tally.told_to_wait += 1;
        match self.rooms.entry(work.user) {
            Entry::Occupied(mut room) if work.polls => room.get_mut().pass = pass.into(),
            Entry::Occupied(mut room) => {
                // Two asks at once were given a place each: the app keeps the first.
                room.get_mut().held_back += 1;
                return After::default();
            }
            Entry::Vacant(room) => {
                self.tally.estimates.record(eta_ms.saturating_mul(1_000));
                room.insert(Room {
                    pass: pass.into(),
                    first_asked_us: u64::from(work.intended_us),
                    bound_us: now_us.saturating_add(bound_ms.saturating_mul(1_000)),
                    held_back: 0,
                });
            }
        }
        let at_us = crate::numbers::narrow(now_us.saturating_add(poll_ms.saturating_mul(1_000)));
        After { poll_at_us: Some(at_us), ..After::default() }
    }

    /// Let in, if it is known when; or given up. Either way the place is gone, and what the user
    /// meant to send meanwhile goes out.
    fn leave_room(&mut self, work: &Work, after: &mut After, admitted_us: Option<u64>) {
        if work.op != Op::Claim || !work.polls {
            return;
        }
        let Some(room) = self.rooms.remove(&work.user) else { return };
        if let Some(now_us) = admitted_us {
            let wait_us = now_us.saturating_sub(room.first_asked_us);
            let second = room.first_asked_us / 1_000_000;
            self.tally.waited(second, wait_us, now_us <= room.bound_us);
        }
        let at_us = admitted_us.map_or(work.intended_us, crate::numbers::narrow);
        after.next.extend((0..room.held_back).map(|_| (Op::Claim, at_us)));
    }

    /// The claim is taken and durable: from here on it counts as acknowledged. The same claim asks
    /// for the code.
    fn code_later(&mut self, work: &Work, reply: &Reply<'_>, now_us: u64) -> After {
        let seq = number_field(reply.body, "seq");
        let after_ms = number_field(reply.body, "code_after_ms");
        let (Some(seq), Some(after_ms)) = (seq, after_ms) else { return self.odd(work, reply) };
        let noted = self.ledger.accepted(work.user, seq);
        self.count(work, reply, noted);
        self.tally.codes_later += 1;
        if noted == Noted::First {
            self.acked(work.user, now_us);
        }
        let mut after = After::default();
        self.leave_room(work, &mut after, Some(now_us));
        // The time is the journal's, which runs faster here.
        let real_us = crate::numbers::real(after_ms) * 1_000.0 / self.plan.speed();
        let real_us = crate::numbers::narrow(crate::numbers::whole(real_us)).max(CODE_AFTER_US_MIN);
        let at_us = crate::numbers::narrow(now_us).saturating_add(real_us);
        if !self.ledger.claims.contains_key(&work.user) {
            after.next.push((Op::Claim, at_us));
        }
        after
    }

    fn measure(&mut self, work: &Work, latency_us: u64) {
        let bucket = self.bucket(u64::from(work.intended_us));
        self.tally.latencies[work.op as usize].record(latency_us);
        if work.op == Op::Claim {
            let tier = self.plan.script(work.user).tier;
            self.tally.tiers[tier].latencies.record(latency_us);
        }
        self.tally.buckets[bucket].latencies.record(latency_us);
        self.window.record(latency_us);
    }

    fn succeeded(&mut self, work: &Work, reply: &Reply<'_>, now_us: u64) -> After {
        let noted = match work.op {
            Op::Claim => self.claimed(work, reply, now_us),
            Op::Redeem => self.redeemed(work, reply, now_us),
            Op::Rollback => number_field(reply.body, "seq").map(|seq| {
                let noted = self.ledger.rollback(work.user, seq);
                (noted, After::default())
            }),
            Op::Lock => self.locked(work, reply, now_us),
            Op::GuessLookUp | Op::GuessRedeem => {
                self.tally.guesses_found += 1;
                self.tally.odd(|| "a made-up code was taken for a real one".to_owned());
                Some((Noted::First, After::default()))
            }
            Op::Quote | Op::Order | Op::Look | Op::Cancel => {
                self.order_succeeded(work, reply, now_us)
            }
        };
        let Some((noted, after)) = noted else { return self.odd(work, reply) };
        self.count(work, reply, noted);
        after
    }

    fn count(&mut self, work: &Work, reply: &Reply<'_>, noted: Noted) {
        let counted = self.tally.of_mut(work.op);
        match noted {
            Noted::First => counted.acked += 1,
            Noted::Same => counted.replayed += 1,
            Noted::Different => {
                counted.replayed += 1;
                let (op, user, replayed) = (work.op.name(), work.user, reply.replayed);
                self.tally
                    .odd(|| format!("{op} of user {user} had two effects (replayed: {replayed})"));
            }
        }
    }

    /// A user was told of a claim that is durable.
    fn acked(&mut self, user: u32, now_us: u64) {
        let bucket = self.bucket(now_us);
        self.tally.buckets[bucket].claims_acked += 1;
        self.tally.tiers[self.plan.script(user).tier].claims_acked += 1;
        self.tally.acked_at(now_us);
    }

    fn claimed(&mut self, work: &Work, reply: &Reply<'_>, now_us: u64) -> Option<(Noted, After)> {
        let ack = ClaimAck {
            seq: number_field(reply.body, "seq")?,
            code: Code::new(text_field(reply.body, "code")?)?,
            face_minor: u32::try_from(number_field(reply.body, "face_minor")?).ok()?,
        };
        let had_code = self.ledger.claims.contains_key(&work.user);
        let told_before = self.ledger.accepted.contains_key(&work.user);
        let mut noted = self.ledger.claim(work.user, ack);
        let mut after = After::default();
        if noted == Noted::First {
            if told_before {
                noted = Noted::Same;
            } else {
                self.acked(work.user, now_us);
            }
        }
        if !had_code {
            let script = self.plan.script(work.user);
            if let Some(redemption) = script.redemption {
                let meant_us = self.plan.arrival_us(work.user).saturating_add(redemption.after_us);
                let first = if redemption.locked_for_us.is_some() { Op::Lock } else { Op::Redeem };
                after.next.push((first, not_before(meant_us, now_us)));
                if first == Op::Redeem && redemption.repeated {
                    after.next.push((Op::Redeem, not_before(meant_us, now_us)));
                }
            }
            if let Some(order) = &script.order {
                after = self.will_order(work.user, order, now_us);
            }
        }
        Some((noted, after))
    }

    fn locked(&mut self, work: &Work, reply: &Reply<'_>, now_us: u64) -> Option<(Noted, After)> {
        let id = text_field(reply.body, "id")?.strip_prefix(b"lck_")?;
        let before = self.locks.insert(work.user, Code::new(id)?);
        let script = self.plan.script(work.user);
        let mut after = After::default();
        if let Some(redemption) = script.redemption.filter(|_| before.is_none()) {
            let held_us = redemption.locked_for_us.unwrap_or_default();
            let meant_us = not_before(work.intended_us.saturating_add(held_us), now_us);
            after.next.push((Op::Redeem, meant_us));
            if redemption.repeated {
                after.next.push((Op::Redeem, meant_us));
            }
        }
        Some((if before.is_none() { Noted::First } else { Noted::Same }, after))
    }

    fn redeemed(&mut self, work: &Work, reply: &Reply<'_>, now_us: u64) -> Option<(Noted, After)> {
        let id = text_field(reply.body, "id")?.strip_prefix(b"red_")?;
        let ack = RedemptionAck {
            seq: number_field(reply.body, "seq")?,
            id: Code::new(id)?,
            discount_minor: u32::try_from(number_field(reply.body, "discount_minor")?).ok()?,
        };
        let noted = self.ledger.redemption(work.user, ack);
        let mut after = After::default();
        if noted == Noted::First {
            let script = self.plan.script(work.user);
            let bucket = self.bucket(now_us);
            self.tally.buckets[bucket].redemptions_acked += 1;
            self.tally.tiers[script.tier].redemptions_acked += 1;
            let undo = script.redemption.and_then(|redemption| redemption.rolled_back_after_us);
            if let Some(after_us) = undo {
                let meant_us = work.intended_us.saturating_add(after_us);
                after.next.push((Op::Rollback, not_before(meant_us, now_us)));
            }
        }
        Some((noted, after))
    }

    /// An answer that the interface does not have.
    fn odd(&mut self, work: &Work, reply: &Reply<'_>) -> After {
        self.tally.of_mut(work.op).unknown += 1;
        let body = String::from_utf8_lossy(&reply.body[..reply.body.len().min(120)]).into_owned();
        let (op, status) = (work.op.name(), reply.status);
        self.tally.odd(|| format!("{op}: unexpected answer with status {status}: {body}"));
        let mut after = After::default();
        self.leave_room(work, &mut after, None);
        after
    }

    fn bucket(&self, at_us: u64) -> usize {
        super::bucket_of(&self.plan, at_us, self.tally.buckets.len())
    }
}

/// Nobody can use a voucher before being told of it.
fn not_before(meant_us: u32, now_us: u64) -> u32 {
    meant_us.max(u32::try_from(now_us).unwrap_or(u32::MAX))
}

fn known_code(text: &[u8]) -> Option<&'static str> {
    ProblemCode::ALL.iter().map(|code| code.as_str()).find(|code| code.as_bytes() == text)
}
