//! Which actions are under way, and when one is tried again.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use levee_api::code::Codes;
use levee_api::port::{OrderView, Submit};
use levee_api::types::{Action, BreakerState, Command, REFUND_PAUSE_MS_MAX};
use levee_api::vitals::OutsideVitals;
use tokio::sync::Semaphore;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

use super::ConnectorsConfig;
use super::ages::Ages;
use super::desks::Desks;
use super::engine::Engine;
use super::payments::Providers;
use super::rooms::{Kind, Rooms, Try};
use super::tickets::Outlets;
use super::watching::NOBODY;
use crate::backoff::pause;
use crate::http::{CALL_MAX, Http, Party};

/// Between two looks at what is undone, while nothing is.
const LOOK: Duration = Duration::from_millis(10);

/// Between two tries to ask an engine that takes nothing; it doubles with each.
pub(super) const ENGINE_PAUSE_FIRST: Duration = Duration::from_millis(250);
const ENGINE_PAUSE_MAX: Duration = Duration::from_secs(10);

/// Between two counts of what is under way.
const COUNT: Duration = Duration::from_millis(250);

/// No wait toward others is shorter, however fast the engine's clock runs.
const PAUSE_MIN: Duration = Duration::from_millis(250);

/// No call is given up earlier, likewise.
const CALL_MAX_LEAST: Duration = Duration::from_secs(1);

/// The pause before an action is tried again, by the engine's clock; it doubles with each try.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// A payment of which nothing was heard is asked for after this time, by the engine's clock, and
/// again later and later.
const LOOK_AT_PAYMENT_AFTER: Duration = Duration::from_secs(5);

/// Calls to outlets that are under way at once.
const TICKET_CALLS_MAX: usize = 256;

/// Most tickets that are looked at for whether they are still wanted, between two counts.
const WEEDED_MAX: usize = 256;

/// After so many tries somebody should know.
const TRIES_WARN: u32 = 6;

/// Carries actions out.
pub(super) struct Carrier(Rc<Shared>);

pub(super) struct Shared {
    pub(super) engine: Engine,
    pub(super) codes: Arc<Codes>,
    pub(super) http: Http,
    pub(super) payments_http: Http,
    pub(super) providers: Providers,
    pub(super) outlets: Outlets,
    speed: f64,
    rooms: RefCell<Rooms>,
    pub(super) desks: Desks,
    /// Of tickets, and of what providers are to be asked.
    ages: [RefCell<Ages>; 2],
    counted_at: Cell<Instant>,
    pub(super) ticket_calls: Arc<Semaphore>,
}

/// An action under way; not any more, whatever ends its task.
struct Running {
    shared: Rc<Shared>,
    action: Action,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.rooms.borrow_mut().end(self.action);
    }
}

/// Why there is nothing to tell the engine yet.
pub(super) enum Undone {
    /// The other side; how long it asks to be left alone.
    Outside(Duration),
    /// It said no: somebody is there.
    Refused(Duration),
    /// The engine takes nothing just now.
    Engine,
    /// It is not wanted any more.
    Unwanted,
    /// A breaker keeps it; it is taken up again when that closes.
    Parked,
    /// Nobody is configured who could do it; it is taken up again after a start.
    Unable,
}

/// What is left of an action that was tried.
enum Left {
    Nothing,
    Parked,
    /// It is tried again after this time.
    Waits(Duration),
}

impl Carrier {
    pub(super) fn new(
        submit: Arc<dyn Submit>,
        codes: Arc<Codes>,
        config: ConnectorsConfig,
        party: Option<Arc<dyn Party>>,
    ) -> Self {
        let call_max = scaled(CALL_MAX, config.speed, CALL_MAX_LEAST);
        let (http, payments_http) = match party {
            Some(party) => (Http::to(call_max, Arc::clone(&party)), Http::to(call_max, party)),
            None => (
                Http::new(call_max, config.reach.clone()),
                Http::new(call_max, config.reach.believing_the_system_alone()),
            ),
        };
        Self(Rc::new(Shared {
            providers: Providers::new(config.payments, &submit),
            engine: Engine::new(submit),
            codes,
            http,
            payments_http,
            outlets: Outlets::new(config.outlets),
            speed: config.speed,
            rooms: RefCell::new(Rooms::new(config.payments_known_max)),
            desks: Desks::new(config.speed),
            ages: Default::default(),
            counted_at: Cell::new(Instant::now()),
            ticket_calls: Arc::new(Semaphore::new(TICKET_CALLS_MAX)),
        }))
    }

    /// Takes up what is undone, for ever.
    pub(super) async fn run(&self) {
        self.find_breakers().await;
        let (mut change, mut is_first, mut nothing_at) = (0, true, None);
        loop {
            if self.0.counted_at.get().elapsed() >= COUNT {
                self.0.counted_at.set(Instant::now());
                self.0.weed().await;
                self.0.count();
            }
            while self.0.rooms.borrow().has_room(Kind::Ticket)
                && let Some(action) = self.0.desks.next_ready()
            {
                self.0.take_up(action);
            }
            self.0.begin_due();
            if self.0.desks.take_missed() || self.0.rooms.borrow_mut().take_missed() {
                (change, nothing_at) = (0, None);
            }
            // Read before it is asked: what comes up after that is asked for next time.
            let changes = Some(self.0.vitals().undone_changes.load(Relaxed));
            if changes == nothing_at {
                sleep(LOOK).await;
                continue;
            }
            match self.0.engine.undone(change).await {
                Ok((actions, last)) => {
                    if is_first {
                        let tickets = actions.iter().filter_map(|action| action.outlet());
                        tickets.for_each(|outlet| self.0.desks.catch_up(outlet));
                    }
                    actions.into_iter().for_each(|action| self.0.take_up(action));
                    self.0.begin_due();
                    if last == change {
                        (is_first, nothing_at) = (false, changes);
                        sleep(LOOK).await;
                    }
                    change = last;
                }
                Err(failure) => {
                    tracing::debug!(?failure, "the engine does not say what is undone");
                    sleep(ENGINE_PAUSE_FIRST).await;
                }
            }
        }
    }

    /// Breakers that were open before a start are watched again.
    async fn find_breakers(&self) {
        loop {
            match self.0.engine.breakers(&self.0.outlets).await {
                Ok(breakers) => {
                    for (of, outlet) in breakers {
                        match outlet {
                            Some(outlet) if self.0.desks.open(&of, outlet) => {
                                spawn_local(Rc::clone(&self.0).watch(of, None));
                            }
                            Some(_) => {}
                            // Nobody would ever find out that it answers again.
                            None => {
                                let why = NOBODY.to_owned();
                                let _ = self.0.set_breaker(&of, BreakerState::Closed, why).await;
                            }
                        }
                    }
                    return;
                }
                Err(failure) => {
                    tracing::debug!(?failure, "the engine does not say which breakers are open");
                    sleep(ENGINE_PAUSE_FIRST).await;
                }
            }
        }
    }
}

impl Shared {
    fn take_up(&self, action: Action) {
        if let Action::ReviewPayment { order } = action {
            let order = self.codes.order(order);
            tracing::warn!(%order, "is disputed: somebody must look, and settle it");
            return;
        }
        let now = Instant::now();
        if self.rooms.borrow_mut().add(action, now + self.wait_before(action)) {
            self.ages_of(action).borrow_mut().begin(action, now);
        }
    }

    /// Begins what has waited for its time.
    fn begin_due(self: &Rc<Self>) {
        let now = Instant::now();
        loop {
            let next = self.rooms.borrow_mut().next(now);
            let Some(next) = next else { return };
            spawn_local(Rc::clone(self).carry(next));
        }
    }

    fn ages_of(&self, action: Action) -> &RefCell<Ages> {
        &self.ages[usize::from(action.outlet().is_none())]
    }

    /// Tries it once, and keeps it for another time where it is not done then.
    async fn carry(self: Rc<Self>, mut next: Try) {
        let action = next.action;
        let _running = Running { shared: Rc::clone(&self), action };
        match self.carry_once(&mut next).await {
            Left::Waits(pause) => {
                self.rooms.borrow_mut().wait(next, Instant::now() + pause);
                return;
            }
            Left::Nothing => self.ages_of(action).borrow_mut().end(action),
            Left::Parked => {}
        }
        // What was asked for again meanwhile is looked at again.
        let again = self.rooms.borrow_mut().end(action);
        if again {
            self.take_up(action);
        }
    }

    async fn carry_once(self: &Rc<Self>, next: &mut Try) -> Left {
        let (action, tries) = (next.action, next.tries);
        let pause = match self.attempt(action, &next.calls).await {
            Ok(command) => match self.say(command).await {
                Ok(()) => {
                    if matches!(action, Action::SendTicket { .. }) {
                        let after = next.since.elapsed().as_micros();
                        let after_us = u64::try_from(after).unwrap_or(u64::MAX);
                        self.vitals().ticket_delay.add(after_us, 1);
                    }
                    return Left::Nothing;
                }
                // Something else came first. The next look says whether it is still wanted.
                Err(()) => self.pause(action, tries),
            },
            Err(Undone::Unwanted | Undone::Unable) => return Left::Nothing,
            Err(Undone::Parked) => return Left::Parked,
            Err(Undone::Engine) => engine_pause(tries),
            Err(Undone::Outside(asked) | Undone::Refused(asked)) => {
                self.pause(action, tries).max(asked)
            }
        };
        next.tries += 1;
        if next.tries == TRIES_WARN && !matches!(action, Action::LookAtPayment { .. }) {
            let order = self.codes.order(action.order());
            let tries = next.tries;
            tracing::warn!(%order, ?action, tries, "is not done yet, and is tried again");
        }
        Left::Waits(pause)
    }

    /// Does it once, and returns what the engine is to be told.
    async fn attempt(
        self: &Rc<Self>,
        action: Action,
        calls: &Cell<u32>,
    ) -> Result<Command, Undone> {
        match action {
            Action::SendTicket { outlet, .. } | Action::CancelTicket { outlet, .. } => {
                self.attempt_ticket(action, outlet, calls).await
            }
            _ => self.attempt_payment(action, calls).await,
        }
    }

    /// The order, if the action is still wanted: whatever was so when it was taken up.
    pub(super) async fn wanted(&self, action: Action) -> Result<Box<OrderView>, Undone> {
        let order = self.engine.order(action.order()).await.map_err(|_| Undone::Engine)?;
        order.filter(|order| order.actions.contains(&action)).ok_or(Undone::Unwanted)
    }

    pub(super) fn vitals(&self) -> &OutsideVitals {
        self.engine.vitals()
    }

    /// Lets go the oldest of those that wait for breakers, as long as nobody wants them any more: their
    /// orders have gone elsewhere, or ended.
    async fn weed(&self) {
        for _ in 0..WEEDED_MAX {
            let oldest = self.ages[0].borrow_mut().oldest();
            let Some((_, action)) = oldest else { return };
            let is_known = self.rooms.borrow().knows(action);
            if is_known || !matches!(self.wanted(action).await, Err(Undone::Unwanted)) {
                return;
            }
            self.drop_parked(action);
        }
    }

    /// It is not wanted any more.
    pub(super) fn drop_parked(&self, action: Action) {
        self.desks.unpark(action);
        self.ages_of(action).borrow_mut().end(action);
    }

    fn count(&self) {
        let vitals = self.vitals();
        let (outlets, vendors) = self.desks.open_counts();
        for (cell, count) in [
            (&vitals.under_way, self.rooms.borrow().count()),
            (&vitals.parked, self.desks.parked()),
            (&vitals.outlets_open, outlets),
            (&vitals.vendors_open, vendors),
        ] {
            cell.store(count as u64, Relaxed);
        }
        let cells = [&vitals.tickets_oldest_ms, &vitals.payments_oldest_ms];
        for (cell, ages) in cells.into_iter().zip(&self.ages) {
            let oldest = ages.borrow_mut().oldest();
            let oldest = oldest.map_or(Duration::ZERO, |(since, _)| since.elapsed());
            cell.store(u64::try_from(oldest.as_millis()).unwrap_or(u64::MAX), Relaxed);
        }
    }

    /// Says what was done until the engine has decided over it: what was done outside is not done
    /// again because the engine takes nothing just now. An error where it is refused.
    pub(super) async fn say(&self, command: Command) -> Result<(), ()> {
        let mut tries = 0;
        loop {
            match self.engine.say(command.clone()).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(refusal)) => {
                    tracing::debug!(%refusal, "what was done is refused");
                    return Err(());
                }
                Err(failure) => {
                    tracing::debug!(?failure, "the engine does not take what was done");
                    sleep(engine_pause(tries)).await;
                    tries += 1;
                }
            }
        }
    }

    /// How long an action is left alone at first: callbacks come by themselves, mostly, and a refund
    /// that was refused waits until the rules want it again.
    fn wait_before(&self, action: Action) -> Duration {
        match action {
            Action::LookAtPayment { .. } => self.scaled(LOOK_AT_PAYMENT_AFTER),
            Action::Refund { from_ms: from_ms @ 1.., .. } => {
                // A clock that is not known yet makes no wait longer than the rules do.
                let wait_ms = from_ms.saturating_sub(self.engine.journal_ms());
                self.scaled(Duration::from_millis(wait_ms.min(REFUND_PAUSE_MS_MAX)))
            }
            _ => Duration::ZERO,
        }
    }

    /// Half to the whole of a pause that doubles with each try, so that those who failed together
    /// do not come back together.
    fn pause(&self, action: Action, tries: u32) -> Duration {
        let first = match action {
            Action::LookAtPayment { .. } => LOOK_AT_PAYMENT_AFTER,
            _ => PAUSE_FIRST,
        };
        self.scaled(pause(first, PAUSE_MAX, tries, fastrand::f64())).max(PAUSE_MIN)
    }

    /// By the engine's clock, however short that is for us: what an outlet or a vendor can take.
    pub(super) fn paced(&self, wait_ms: u64) -> Duration {
        Duration::from_millis(wait_ms).div_f64(self.speed.max(1.0)).max(Duration::from_millis(1))
    }

    /// By the engine's clock; one that hardly moves makes no wait longer than a real one.
    pub(super) fn scaled(&self, wait: Duration) -> Duration {
        scaled(wait, self.speed, PAUSE_MIN)
    }
}

fn scaled(wait: Duration, speed: f64, least: Duration) -> Duration {
    wait.div_f64(speed.max(1.0)).max(least)
}

fn engine_pause(tries: u32) -> Duration {
    pause(ENGINE_PAUSE_FIRST, ENGINE_PAUSE_MAX, tries, 1.0)
}
