//! One generator thread: sends every request at its intended instant, over whichever connection is
//! free.
//!
//! Open loop: a slow reply delays no other request, and a request's latency counts from the instant
//! at which its user meant to send it. So a stall of the server shows in full, with everybody who
//! came during it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use tokio::task::LocalSet;
use tokio::time::timeout;

use super::answers::{Answers, Built, Retry};
use super::connection::Connection;
use super::progress::Shared;
use super::requests::Requests;
use super::tally::Tally;
use super::{Op, ServerAccess};
use crate::ledger::Ledger;
use crate::plan::FestivalPlan;

/// Most connections of one generator to one gate. What comes while all are busy waits in the
/// generator, and its wait counts.
pub(crate) const CONNECTIONS_MAX: usize = 256;

/// Most requests waiting for a connection; what comes beyond is counted as unsent. A server that
/// is so far behind has failed the drill already.
const BACKLOG_MAX: usize = 2_000_000;

/// After which a request counts as unknown.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Between two looks at what is due, where no reply gives occasion.
const TICK: Duration = Duration::from_millis(1);

/// Longest wait for the last answers after the day is over.
const DRAIN: Duration = Duration::from_secs(30);

/// Microseconds of one slot of the timer wheel.
const SLOT_US: u32 = 1_000;

/// One request that a user means to send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    pub(crate) op: Op,
    pub(crate) user: u32,
    /// Earlier tries of the same request.
    pub(crate) retries: u8,
    /// Shows the pass of a user who waits.
    pub(crate) polls: bool,
    /// What its user had asked for before, where it is about an order.
    pub(crate) step: u8,
    /// In real microseconds after the start.
    pub(crate) intended_us: u32,
}

/// What a generator brings back.
pub(crate) struct Harvest {
    pub(crate) tally: Tally,
    pub(crate) ledger: Ledger,
}

/// Which users are a generator's: every `of`th, from `first` on.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    pub(crate) first: u32,
    pub(crate) of: u32,
}

/// A connection's task, as others see it.
#[derive(Default)]
struct Seat {
    work: Cell<Option<Work>>,
    waker: RefCell<Option<Waker>>,
}

/// The connections to one gate.
struct Pool {
    address: String,
    backlog: RefCell<VecDeque<Work>>,
    /// How many there are.
    seats: Cell<usize>,
    /// Seats whose tasks wait; the last to become idle is the first to work, so few stay warm.
    idle: RefCell<Vec<Rc<Seat>>>,
}

struct Generator {
    plan: Arc<FestivalPlan>,
    /// By the gates' places in the scenario; one where it has none.
    pools: Vec<Pool>,
    begin: Instant,
    part: Part,
    next_user: Cell<u32>,
    /// Follow-ups by the millisecond in which they are due, and how far it is emptied.
    wheel: RefCell<Vec<Vec<Work>>>,
    wheel_at: Cell<usize>,
    waiting: Cell<usize>,
    busy: Cell<usize>,
    requests: RefCell<Requests>,
    answers: RefCell<Answers>,
}

/// Runs one part of the crowd to its end. Blocks.
pub(crate) fn generate(
    plan: &Arc<FestivalPlan>,
    access: &ServerAccess,
    begin: Instant,
    part: Part,
    shared: &Arc<Shared>,
) -> std::io::Result<Harvest> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let campaign = plan.scenario().campaign.id.clone();
    // Who waits at the end of the day waits on.
    let slots = (plan.seconds() * 1_000_000 / SLOT_US) as usize + DRAIN.as_millis() as usize + 2;
    let generator = Rc::new(Generator {
        plan: Arc::clone(plan),
        pools: access.gates().map(Pool::new).collect(),
        begin,
        part,
        next_user: Cell::new(part.first),
        wheel: RefCell::new(vec![Vec::new(); slots]),
        wheel_at: Cell::new(0),
        waiting: Cell::new(0),
        busy: Cell::new(0),
        requests: RefCell::new(Requests::new(&access.address, &access.app_key, &campaign, plan)),
        answers: RefCell::new(Answers::new(Arc::clone(plan), Arc::clone(shared))),
    });
    let local = LocalSet::new();
    runtime.block_on(local.run_until(run(&generator)));
    // The tasks hold the generator; they go with the set that runs them.
    drop(local);
    generator.pools.iter().for_each(|pool| pool.idle.borrow_mut().clear());
    let generator = Rc::into_inner(generator).expect("its tasks are gone");
    Ok(generator.answers.into_inner().into_harvest())
}

async fn run(generator: &Rc<Generator>) {
    tokio::time::sleep_until(generator.begin.into()).await;
    let over_us = u64::from(generator.plan.seconds()) * 1_000_000;
    loop {
        generator.issue_due();
        generator.answers.borrow_mut().tick(generator.now_us());
        if generator.is_done() {
            return;
        }
        if generator.begin.elapsed() > Duration::from_micros(over_us) + DRAIN {
            let unsent = generator.backlog_len() + generator.busy.get() + generator.waiting.get();
            generator.answers.borrow_mut().unsent(unsent);
            return;
        }
        tokio::time::sleep(TICK).await;
    }
}

impl Pool {
    fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            backlog: RefCell::default(),
            seats: Cell::new(0),
            idle: RefCell::default(),
        }
    }
}

impl Generator {
    fn backlog_len(&self) -> usize {
        self.pools.iter().map(|pool| pool.backlog.borrow().len()).sum()
    }

    /// Where a user's requests go.
    fn place(&self, user: u32) -> usize {
        self.plan.gate(user).min(self.pools.len() - 1)
    }

    /// The last instant at which anything is sent.
    fn last_us(&self) -> u32 {
        self.over_us() + u32::try_from(DRAIN.as_micros()).expect("short")
    }

    /// The end of the day, in real microseconds after the start.
    fn over_us(&self) -> u32 {
        self.plan.seconds() * 1_000_000
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Hands out everything whose instant has come.
    fn issue_due(self: &Rc<Self>) {
        let now_us = u32::try_from(self.now_us()).unwrap_or(u32::MAX);
        while self.next_user.get() < self.plan.users() {
            let user = self.next_user.get();
            let intended_us = self.plan.arrival_us(user);
            if intended_us > now_us {
                break;
            }
            self.next_user.set(user.saturating_add(self.part.of));
            self.arrive(user, intended_us);
        }
        let due = (now_us / SLOT_US) as usize;
        while self.wheel_at.get() < due.min(self.wheel.borrow().len()) {
            let slot = self.wheel_at.get();
            self.wheel_at.set(slot + 1);
            let works = std::mem::take(&mut self.wheel.borrow_mut()[slot]);
            self.waiting.set(self.waiting.get() - works.len());
            works.into_iter().for_each(|work| self.hand_out(work));
        }
    }

    /// A user's claim, and what the user does regardless of its answer.
    fn arrive(self: &Rc<Self>, user: u32, intended_us: u32) {
        let script = self.plan.script(user);
        self.answers.borrow_mut().arrived(&script, intended_us);
        self.hand_out(Work { op: Op::Claim, user, retries: 0, polls: false, step: 0, intended_us });
        for after_us in &script.repeats_after_us {
            self.schedule(Op::Claim, user, intended_us.saturating_add(*after_us));
        }
        for _ in 0..script.guesses {
            self.schedule(Op::GuessLookUp, user, intended_us);
            self.schedule(Op::GuessRedeem, user, intended_us);
        }
    }

    /// For later today; what is due after the day is nobody's business any more.
    fn schedule(self: &Rc<Self>, op: Op, user: u32, intended_us: u32) {
        // What follows at once from the last answers still goes out.
        let now_us = u32::try_from(self.now_us()).unwrap_or(u32::MAX);
        if intended_us > self.over_us().max(now_us) {
            return;
        }
        let step = self.answers.borrow().step(user);
        self.put(Work { op, user, retries: 0, polls: false, step, intended_us }, intended_us);
    }

    fn put(self: &Rc<Self>, work: Work, at_us: u32) {
        // The millisecond's end: never before the intended instant.
        let slot = (at_us / SLOT_US) as usize;
        if slot < self.wheel_at.get() {
            self.hand_out(work);
        } else if let Some(slot) = self.wheel.borrow_mut().get_mut(slot) {
            slot.push(work);
            self.waiting.set(self.waiting.get() + 1);
        }
    }

    fn hand_out(self: &Rc<Self>, work: Work) {
        let place = self.place(work.user);
        let pool = &self.pools[place];
        let seat = pool.idle.borrow_mut().pop();
        if let Some(seat) = seat {
            self.busy.set(self.busy.get() + 1);
            seat.work.set(Some(work));
            if let Some(waker) = seat.waker.borrow_mut().take() {
                waker.wake();
            }
            return;
        }
        if pool.seats.get() < CONNECTIONS_MAX {
            let seat = Rc::new(Seat::default());
            seat.work.set(Some(work));
            self.busy.set(self.busy.get() + 1);
            pool.seats.set(pool.seats.get() + 1);
            tokio::task::spawn_local(serve(Rc::clone(self), place, seat));
            return;
        }
        let mut backlog = pool.backlog.borrow_mut();
        if backlog.len() < BACKLOG_MAX {
            backlog.push_back(work);
        } else {
            self.answers.borrow_mut().unsent(1);
        }
    }

    fn is_done(&self) -> bool {
        self.next_user.get() >= self.plan.users()
            && self.busy.get() == 0
            && self.waiting.get() == 0
            && self.backlog_len() == 0
    }

    /// The next request for a connection that has finished its last one.
    async fn next(&self, pool: &Pool, seat: &Rc<Seat>) -> Work {
        if let Some(work) = pool.backlog.borrow_mut().pop_front() {
            return work;
        }
        self.busy.set(self.busy.get() - 1);
        pool.idle.borrow_mut().push(Rc::clone(seat));
        poll_fn(|context| match seat.work.take() {
            Some(work) => Poll::Ready(work),
            None => {
                *seat.waker.borrow_mut() = Some(context.waker().clone());
                Poll::Pending
            }
        })
        .await
    }
}

/// One connection's life.
async fn serve(generator: Rc<Generator>, place: usize, seat: Rc<Seat>) {
    let pool = &generator.pools[place];
    let mut connection: Option<Connection> = None;
    let mut bytes = Vec::with_capacity(1_024);
    let mut work = seat.work.take().expect("a seat starts with work");
    loop {
        let built = generator.answers.borrow_mut().build(
            &work,
            &mut generator.requests.borrow_mut(),
            &mut bytes,
        );
        if matches!(built, Built::Ready) {
            let exchange = exchange(&generator, &pool.address, &mut connection, &work, &bytes);
            let answered = timeout(TIMEOUT, exchange).await;
            let after = match answered {
                Ok(Ok(after)) => after,
                Ok(Err(error)) => {
                    connection = None;
                    let why = error.to_string();
                    generator.answers.borrow_mut().broke_off(&work, &why)
                }
                Err(_) => {
                    connection = None;
                    generator.answers.borrow_mut().broke_off(&work, "no answer in time")
                }
            };
            follow_up(&generator, &work, &after);
        }
        generator.issue_due();
        work = generator.next(pool, &seat).await;
    }
}

/// What comes of an answer: further requests, and perhaps the same one again.
#[derive(Debug, Default)]
pub(crate) struct After {
    pub(crate) next: Vec<(Op, u32)>,
    pub(crate) retry: Option<Retry>,
    /// When the user asks again for being let in.
    pub(crate) poll_at_us: Option<u32>,
}

async fn exchange(
    generator: &Rc<Generator>,
    address: &str,
    connection: &mut Option<Connection>,
    work: &Work,
    bytes: &[u8],
) -> std::io::Result<After> {
    if connection.as_ref().is_some_and(Connection::is_over) {
        *connection = None;
    }
    if connection.is_none() {
        *connection = Some(Connection::open(address).await?);
    }
    let open = connection.as_mut().expect("just opened");
    let (reply, closes) = open.exchange(bytes).await?;
    let after = generator.answers.borrow_mut().answered(work, &reply, generator.now_us());
    if closes {
        *connection = None;
    }
    Ok(after)
}

fn follow_up(generator: &Rc<Generator>, work: &Work, after: &After) {
    for (op, intended_us) in &after.next {
        generator.schedule(*op, work.user, *intended_us);
    }
    if let Some(retry) = after.retry {
        let now_us = u32::try_from(generator.now_us()).unwrap_or(u32::MAX);
        let again = Work { retries: work.retries + 1, ..*work };
        // A retry goes out even when the day is over: its first try was in time.
        let at_us = now_us.saturating_add(retry.after_us);
        generator.put(again, at_us.min(generator.last_us()));
    }
    if let Some(at_us) = after.poll_at_us {
        let poll = Work { polls: true, retries: 0, intended_us: at_us, ..*work };
        generator.put(poll, at_us.min(generator.last_us()));
    }
}
