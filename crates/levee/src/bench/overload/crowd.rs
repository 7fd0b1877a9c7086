//! The crowd: users who arrive by a plan, ask, and do with the answer what their manner says.
//!
//! One thread turns a loop: who is due joins the queue, free connections take from it, answers are
//! read, and for the rest of the turn it sleeps. Latencies count from the moment at which a request
//! was due, however late it went out.
//!
//! # Newest due first
//!
//! When more is due than connections take, the newest goes first. Users are independent: nobody's
//! request queues behind those of others on its way to a server, so those that a slow server has
//! not taken must not make all later ones late. Oldest first would turn every overload into a
//! queue in the generator, with no request in time. What has found no connection after
//! [`TIMEOUT_US`] has failed.

use std::collections::VecDeque;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use levee_api::stream::host_of;

use super::connections::{Pool, Sent};
use super::plan::Plan;
use super::tally::{Share, Tally};
use super::users::{State, Users};
use super::wheel::Wheel;
use super::wire::{self, Answer, Template};

/// How long a user waits for an answer before it is too late.
pub(super) const TIMEOUT_US: u32 = 1_000_000;

/// Times that a hammering user asks again.
const RETRIES_MAX: u8 = 3;

/// A turn of the loop takes this long at least: shorter ones would cost the processors that are
/// being measured, and sleeping is hardly finer.
const TURN: Duration = Duration::from_micros(200);

/// How often requests are looked at whose users may have given up.
const SWEEP_US: u32 = 20_000;

/// What users do when they are not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// As told: the same request after `poll_after_ms` with the newest pass, or after `Retry-After`.
    /// Nobody gives up before the run ends.
    Cooperating,
    /// At once, without any pass, [`RETRIES_MAX`] times: after a refusal, and after [`TIMEOUT_US`].
    Hammering,
}

/// Who comes next.
#[derive(Debug)]
pub(super) enum Arrivals {
    Nobody,
    Open(Plan),
    /// So many, each as soon as a connection is free.
    Closed {
        left: u32,
    },
}

/// A crowd before one server.
#[derive(Debug)]
pub(super) struct Crowd {
    pool: Pool,
    template: Template,
    arrivals: Arrivals,
    minds: Minds,
}

/// Everything but the connections.
#[derive(Debug)]
struct Minds {
    started: Instant,
    manner: Manner,
    users: Users,
    /// Who is due, in order of time.
    due: VecDeque<u32>,
    /// Who will be.
    later: Wheel,
    tally: Tally,
    /// When requests are looked at next whose users may have given up.
    sweep_us: u32,
    /// The latest first request among users who were admitted with a pass.
    admitted_us: u32,
    /// Acknowledged after they had given up.
    too_late: Vec<u32>,
}

impl Crowd {
    pub(super) fn connect(address: &str, connections: usize) -> Result<Self> {
        let minds = Minds {
            started: Instant::now(),
            manner: Manner::Cooperating,
            users: Users::default(),
            due: VecDeque::new(),
            later: Wheel::default(),
            tally: Tally::new(0, 0),
            sweep_us: 0,
            admitted_us: 0,
            too_late: Vec::new(),
        };
        Ok(Self {
            pool: Pool::open(address, connections)?,
            template: Template::new(host_of(address)),
            arrivals: Arrivals::Nobody,
            minds,
        })
    }

    pub(super) fn now_us(&self) -> u32 {
        self.minds.now_us()
    }

    /// Counts anew from here; the steady part begins so much later.
    pub(super) fn begin(&mut self, manner: Manner, arrivals: Arrivals, ramp: Duration) {
        let now_us = self.now_us();
        let ramp_us = u32::try_from(ramp.as_micros()).expect("a ramp of seconds");
        self.minds.manner = manner;
        self.minds.tally = Tally::new(now_us, now_us + ramp_us);
        self.arrivals = arrivals;
    }

    /// The arrivals change; counting goes on.
    pub(super) fn change(&mut self, arrivals: Arrivals) {
        self.arrivals = arrivals;
    }

    /// Lets it go on for so long.
    pub(super) fn run(&mut self, length: Duration) -> Result<()> {
        let until = Instant::now() + length;
        while Instant::now() < until {
            self.turn()?;
        }
        self.minds.tally.until_us = self.now_us();
        Ok(())
    }

    /// Until all who came have been answered to the end, or the limit; whether they have.
    pub(super) fn finish(&mut self, limit: Duration) -> Result<bool> {
        let until = Instant::now() + limit;
        while !self.is_quiet() && Instant::now() < until {
            self.turn()?;
        }
        self.minds.tally.until_us = self.now_us();
        Ok(self.is_quiet())
    }

    /// Until all of a closed crowd have come, or the limit; whether they have.
    pub(super) fn gather(&mut self, limit: Duration) -> Result<bool> {
        let until = Instant::now() + limit;
        let all_came = |arrivals: &Arrivals| !matches!(arrivals, Arrivals::Closed { left: 1.. });
        while !all_came(&self.arrivals) && Instant::now() < until {
            self.turn()?;
        }
        self.minds.tally.until_us = self.now_us();
        Ok(all_came(&self.arrivals))
    }

    /// The phase so far.
    pub(super) fn tally(&self) -> &Tally {
        &self.minds.tally
    }

    /// The phase so far; an error if an answer was none that a claim should get.
    pub(super) fn checked(&self) -> Result<&Tally> {
        let tally = self.tally();
        let first = tally.first_wrong.as_deref().unwrap_or("");
        ensure!(tally.wrong == 0, "{} unexpected answers, the first: {first}", tally.wrong);
        Ok(tally)
    }

    /// Users whose claims were acknowledged, in time or not.
    pub(super) fn acknowledged(&self) -> impl Iterator<Item = u32> {
        let users = self.minds.users.all().iter().zip(0..);
        let admitted = users.filter(|(user, _)| user.state == State::Admitted);
        admitted.map(|(_, number)| number).chain(self.minds.too_late.iter().copied())
    }

    /// Users who hold a pass now.
    pub(super) fn waiting(&self) -> usize {
        self.minds.later.len()
    }

    /// Of the users who were told a bound in this phase that is past, those who were admitted by then,
    /// and all. Those who gave up before are left out.
    pub(super) fn within_p90(&self) -> Share {
        let mut share = Share::default();
        let tally = &self.minds.tally;
        for user in self.minds.users.all() {
            // Who hammers has no bound.
            let told = user.told_us > tally.from_us && user.bound_us > 0;
            if !told || user.bound_us > tally.until_us || user.state == State::Gone {
                continue;
            }
            share.all += 1;
            share.kept += u32::from(user.state == State::Admitted && user.at_us <= user.bound_us);
        }
        share
    }

    fn is_quiet(&self) -> bool {
        let nobody = matches!(self.arrivals, Arrivals::Nobody | Arrivals::Closed { left: 0 });
        let minds = &self.minds;
        nobody && minds.due.is_empty() && minds.later.len() == 0 && self.pool.under_way() == 0
    }

    fn turn(&mut self) -> Result<()> {
        let began = Instant::now();
        let Self { pool, template, arrivals, minds } = self;
        let now_us = minds.now_us();
        if let Arrivals::Open(plan) = arrivals {
            while let Some(due_us) = plan.due_by(now_us) {
                let user = minds.users.arrive(due_us);
                minds.tally.arrived += 1;
                minds.is_due(user, now_us);
            }
        }
        minds.wake(now_us);
        minds.expire(now_us);
        let mut request = Vec::with_capacity(512);
        while pool.has_idle() {
            let user = match (minds.due.pop_back(), &mut *arrivals) {
                (Some(user), _) => user,
                (None, Arrivals::Closed { left }) if *left > 0 => {
                    *left -= 1;
                    minds.arrive_now()
                }
                _ => break,
            };
            let sent = minds.send(user);
            let pass = sent.with_pass.then(|| minds.users.pass(user)).flatten();
            template.write(&mut request, user, pass);
            pool.send(&request, sent)?;
        }
        pool.take(|sent, answer| minds.answered(sent, answer))?;
        if minds.manner == Manner::Hammering && now_us >= minds.sweep_us {
            minds.sweep_us = now_us + SWEEP_US;
            pool.abandon(now_us.saturating_sub(TIMEOUT_US), |sent| minds.abandoned(sent));
        }
        if let Some(rest) = TURN.checked_sub(began.elapsed()) {
            let asleep = Instant::now();
            thread::sleep(rest);
            if minds.tally.is_steady(now_us) {
                let slept = u64::try_from(asleep.elapsed().as_micros()).unwrap_or(u64::MAX);
                minds.tally.slept_us += slept;
            }
        } else {
            // Without it the system would let it run on until a tick, and the server it measures wait.
            thread::yield_now();
        }
        Ok(())
    }
}

impl Minds {
    fn now_us(&self) -> u32 {
        // 71 minutes: longer than any bench.
        u32::try_from(self.started.elapsed().as_micros()).unwrap_or(u32::MAX)
    }

    fn is_due(&mut self, user: u32, now_us: u32) {
        self.tally.due += u64::from(self.tally.is_steady(now_us));
        self.due.push_back(user);
    }

    fn arrive_now(&mut self) -> u32 {
        let now_us = self.now_us();
        self.tally.arrived += 1;
        self.tally.due += u64::from(self.tally.is_steady(now_us));
        self.users.arrive(now_us)
    }

    fn wake(&mut self, now_us: u32) {
        let mut woken = Vec::new();
        self.later.take(now_us, &mut woken);
        for user in woken {
            let due_us = self.users.get(user).at_us;
            if due_us > now_us {
                self.later.add(user, due_us);
            } else {
                self.is_due(user, now_us);
            }
        }
    }

    /// Fails what has found no connection in time.
    fn expire(&mut self, now_us: u32) {
        while let Some(&user) = self.due.front()
            && self.users.get(user).at_us + TIMEOUT_US < now_us
        {
            self.due.pop_front();
            self.tally.unsent += 1;
            match self.manner {
                Manner::Cooperating => {
                    self.users.leave(user, State::Gone);
                }
                Manner::Hammering => self.retry(user),
            }
        }
    }

    fn send(&mut self, user: u32) -> Sent {
        let now_us = self.now_us();
        self.tally.sent += u64::from(self.tally.is_steady(now_us));
        self.tally.sent_in_all += 1;
        let with_pass = self.users.pass(user).is_some();
        let one = self.users.get(user);
        if one.first_sent_us == 0 {
            one.first_sent_us = now_us;
        }
        let due_us = one.at_us;
        let admitted_us = self.admitted_us;
        Sent { user, due_us, with_pass, admitted_us, abandoned: false }
    }

    /// An answer; None where the connection broke.
    fn answered(&mut self, sent: Sent, answer: Option<&[u8]>) {
        let now_us = self.now_us();
        let read = answer.map(wire::read);
        if sent.abandoned {
            // Its user has asked again or gone; the claim must be durable all the same.
            if read == Some(Answer::Admitted) {
                self.too_late.push(sent.user);
            }
            return;
        }
        match read {
            Some(Answer::Admitted) => self.admitted(sent, now_us),
            Some(Answer::Waiting { pass, eta_p90_ms, poll_after_ms }) => {
                self.tally.told += 1;
                let waits_first = self.users.get(sent.user).told_us == 0;
                self.tally.waited += u64::from(waits_first);
                if self.manner == Manner::Hammering {
                    self.users.get(sent.user).told_us = now_us;
                    return self.retry(sent.user);
                }
                if let Err(error) = self.users.keep_pass(sent.user, pass) {
                    return self.wrong(error.to_string());
                }
                let one = self.users.get(sent.user);
                if waits_first {
                    one.told_us = now_us;
                    one.bound_us = now_us.saturating_add(eta_p90_ms.saturating_mul(1_000));
                }
                // Everybody's place lies between their first request's sending and its answer. Who
                // was admitted before this request went out, and came first after this user had
                // been told to wait, has a later place for certain.
                let inverted = sent.with_pass && sent.admitted_us > one.told_us;
                self.tally.fairness_inversions += u64::from(inverted);
                self.ask_later(sent.user, now_us, poll_after_ms);
            }
            Some(Answer::Refused { retry_after_ms }) => {
                self.tally.shed += 1;
                match self.manner {
                    Manner::Cooperating => self.ask_later(sent.user, now_us, retry_after_ms),
                    Manner::Hammering => self.retry(sent.user),
                }
            }
            Some(Answer::Other) => {
                let text = String::from_utf8_lossy(answer.unwrap_or_default()).into_owned();
                self.users.leave(sent.user, State::Gone);
                self.wrong(text);
            }
            None => {
                self.tally.broken += 1;
                match self.manner {
                    Manner::Cooperating => self.ask_later(sent.user, now_us, 0),
                    Manner::Hammering => self.retry(sent.user),
                }
            }
        }
    }

    fn admitted(&mut self, sent: Sent, now_us: u32) {
        let one = self.users.get(sent.user);
        let (first_due_us, first_sent_us) = (one.first_due_us, one.first_sent_us);
        // From here on: when it was told.
        one.at_us = now_us;
        self.users.leave(sent.user, State::Admitted);
        if sent.with_pass {
            self.admitted_us = self.admitted_us.max(first_sent_us);
        }
        let tally = &mut self.tally;
        tally.admitted += 1;
        let took_us = now_us - sent.due_us;
        if took_us <= TIMEOUT_US {
            tally.count_window(now_us);
        }
        if tally.is_steady(now_us) {
            tally.latencies.add(now_us, took_us);
            let of_this_phase = first_due_us >= tally.from_us;
            tally.in_time += u64::from(of_this_phase && took_us <= TIMEOUT_US);
        }
    }

    fn abandoned(&mut self, sent: Sent) {
        self.tally.abandoned += 1;
        self.retry(sent.user);
    }

    fn ask_later(&mut self, user: u32, now_us: u32, after_ms: u32) {
        let due_us = now_us.saturating_add(after_ms.saturating_mul(1_000));
        self.users.get(user).at_us = due_us;
        self.later.add(user, due_us);
    }

    /// At once, or never again.
    fn retry(&mut self, user: u32) {
        let now_us = self.now_us();
        let one = self.users.get(user);
        if one.retries < RETRIES_MAX {
            one.retries += 1;
            one.at_us = now_us;
            self.is_due(user, now_us);
        } else {
            self.users.leave(user, State::Gone);
        }
    }

    fn wrong(&mut self, text: String) {
        self.tally.wrong += 1;
        self.tally.first_wrong.get_or_insert(text);
    }
}
