//! Which actions are under way, and when one is tried again.

use std::borrow::Borrow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hash;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use levee_api::code::Codes;
use levee_api::port::{OrderView, Submit};
use levee_api::types::{Action, Command, OutletNo};
use tokio::sync::Semaphore;
use tokio::task::spawn_local;
use tokio::time::sleep;

use super::ConnectorsConfig;
use super::engine::Engine;
use super::payments::Provider;
use super::tickets::{Ids, Outlets};
use crate::http::{Http, Trouble};

/// Between two looks at what is undone, while nothing is.
const LOOK: Duration = Duration::from_millis(10);

/// Between two tries to ask an engine that takes nothing; it doubles with each.
const ENGINE_PAUSE_FIRST: Duration = Duration::from_millis(250);
const ENGINE_PAUSE_MAX: Duration = Duration::from_secs(10);

/// No wait toward others is shorter, however fast the engine's clock runs.
const PAUSE_MIN: Duration = Duration::from_millis(250);

/// The pause before an action is tried again, by the engine's clock; it doubles with each try.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// A payment of which nothing was heard is asked for after this time, by the engine's clock, and
/// again later and later.
const LOOK_AT_PAYMENT_AFTER: Duration = Duration::from_secs(5);

/// Calls to outlets that are under way at once, and to those of one vendor: one whose systems are
/// silent leaves room for the others. An outlet is called by one at a time.
const TICKET_CALLS_MAX: usize = 256;
const VENDOR_CALLS_MAX: usize = 32;

/// Calls to the provider that are under way at once, for new payments, and for all else.
const CREATE_CALLS_MAX: usize = 64;
const PAYMENT_CALLS_MAX: usize = 64;

/// Most actions under way; what is undone beyond waits in the engine.
const RUNNING_MAX: usize = 100_000;

/// After so many tries somebody should know.
const TRIES_WARN: u32 = 6;

/// Carries actions out.
pub(super) struct Carrier(Rc<Shared>);

struct Shared {
    engine: Engine,
    codes: Arc<Codes>,
    http: Http,
    provider: Option<Provider>,
    outlets: Outlets,
    speed: f64,
    /// Those under way, and whether each was asked for again meanwhile.
    running: RefCell<HashMap<Action, bool>>,
    ticket_calls: Semaphore,
    vendor_calls: RefCell<HashMap<String, Rc<Semaphore>>>,
    outlet_calls: RefCell<HashMap<OutletNo, Rc<Semaphore>>>,
    create_calls: Semaphore,
    payment_calls: Semaphore,
}

/// An action under way; no longer, whatever ends its task.
struct Running {
    shared: Rc<Shared>,
    action: Action,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.running.borrow_mut().remove(&self.action);
    }
}

/// Why there is nothing to tell the engine yet.
enum Undone {
    /// The other side; how long it asks to be left alone.
    Outside(Duration),
    /// The engine takes nothing just now.
    Engine,
    /// It is not wanted any more.
    Unwanted,
}

impl Carrier {
    pub(super) fn new(
        submit: Arc<dyn Submit>,
        codes: Arc<Codes>,
        config: ConnectorsConfig,
    ) -> Self {
        Self(Rc::new(Shared {
            engine: Engine::new(submit),
            codes,
            http: Http::new(),
            provider: config.payments.map(Provider::new),
            outlets: Outlets::new(config.outlets),
            speed: config.speed,
            running: RefCell::default(),
            ticket_calls: Semaphore::new(TICKET_CALLS_MAX),
            vendor_calls: RefCell::default(),
            outlet_calls: RefCell::default(),
            create_calls: Semaphore::new(CREATE_CALLS_MAX),
            payment_calls: Semaphore::new(PAYMENT_CALLS_MAX),
        }))
    }

    /// Takes up what is undone, for ever.
    pub(super) async fn run(&self) {
        let mut change = 0;
        loop {
            if self.0.running.borrow().len() >= RUNNING_MAX {
                sleep(LOOK).await;
                continue;
            }
            match self.0.engine.undone(change).await {
                Ok((actions, last)) => {
                    actions.into_iter().for_each(|action| self.take_up(action));
                    if last == change {
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

    fn take_up(&self, action: Action) {
        // People do that.
        if matches!(action, Action::ReviewPayment { .. }) {
            return;
        }
        if let Some(again) = self.0.running.borrow_mut().get_mut(&action) {
            *again = true;
            return;
        }
        self.0.running.borrow_mut().insert(action, false);
        let running = Running { shared: Rc::clone(&self.0), action };
        spawn_local(async move {
            loop {
                running.shared.carry(action).await;
                // What was asked for again meanwhile is looked at again.
                let again = running.shared.running.borrow_mut().insert(action, false);
                if again != Some(true) {
                    return;
                }
            }
        });
    }
}

impl Shared {
    /// Tries until it is done, or not wanted any more.
    async fn carry(&self, action: Action) {
        sleep(self.wait_before(action)).await;
        let mut tries = 0;
        loop {
            let pause = match self.attempt(action).await {
                Ok(command) => match self.say(command).await {
                    Ok(()) => return,
                    // Something else came first. The next look says whether it is still wanted.
                    Err(()) => self.pause(action, tries),
                },
                Err(Undone::Unwanted) => return,
                Err(Undone::Engine) => engine_pause(tries),
                Err(Undone::Outside(asked)) => self.pause(action, tries).max(asked),
            };
            tries += 1;
            if tries == TRIES_WARN && !matches!(action, Action::LookAtPayment { .. }) {
                let order = self.codes.order(action.order());
                tracing::warn!(%order, ?action, tries, "is not done yet, and is tried again");
            }
            sleep(pause).await;
        }
    }

    /// Does it once, and returns what the engine is to be told.
    async fn attempt(&self, action: Action) -> Result<Command, Undone> {
        let (Action::SendTicket { outlet, .. } | Action::CancelTicket { outlet, .. }) = action
        else {
            return self.attempt_in_turn(action).await;
        };
        // First of all: an outlet that is silent keeps one call waiting, and all others of its own.
        let calls = turns(&self.outlet_calls, &outlet, 1);
        let _turn = calls.acquire().await.expect("it is never closed");
        let done = self.attempt_in_turn(action).await;
        // The map has one, this call another: nobody else waits.
        if Rc::strong_count(&calls) == 2 {
            self.outlet_calls.borrow_mut().remove(&outlet);
        }
        done
    }

    async fn attempt_in_turn(&self, action: Action) -> Result<Command, Undone> {
        // Whatever was so when it was taken up, this is what is wanted now.
        let order = self.engine.order(action.order()).await.map_err(|_| Undone::Engine)?;
        let order = order.filter(|order| order.actions.contains(&action));
        let order = order.ok_or(Undone::Unwanted)?;
        let done = match action {
            Action::SendTicket { .. } | Action::CancelTicket { .. } => {
                self.tell_outlet(action, &order).await
            }
            _ => self.ask_provider(action, &order).await,
        };
        done.map_err(|problem| {
            tracing::debug!(?action, %problem, "an action is not done yet");
            Undone::Outside(problem.retry_after())
        })
    }

    async fn tell_outlet(&self, action: Action, order: &OrderView) -> Result<Command, Trouble> {
        let (order_id, ticket) = (self.codes.order(order.number), self.codes.ticket(order.number));
        let ids = Ids { order: &order_id, ticket: &ticket };
        let (Action::SendTicket { outlet, .. } | Action::CancelTicket { outlet, .. }) = action
        else {
            unreachable!("outlets are told of tickets alone")
        };
        let target = self.outlets.target(&self.engine, outlet).await.map_err(Trouble::Malformed)?;
        // The vendor's turn first: whoever waits for a silent one keeps nobody else waiting.
        let of_vendor = turns(&self.vendor_calls, target.vendor(), VENDOR_CALLS_MAX);
        let _vendors = of_vendor.acquire().await.expect("it is never closed");
        let _all = self.ticket_calls.acquire().await.expect("it is never closed");
        match action {
            Action::CancelTicket { order: number, outlet, version } => {
                let reason = order.end.map_or("moved to another outlet", |end| end.name());
                target.cancel(&self.http, ids, (number, outlet, version), reason).await
            }
            _ => target.send(&self.http, &self.engine, ids, order).await,
        }
    }

    async fn ask_provider(&self, action: Action, order: &OrderView) -> Result<Command, Trouble> {
        let none = || Trouble::Malformed("no payment provider is configured".to_owned());
        let provider = self.provider.as_ref().ok_or_else(none)?;
        let (http, number) = (&self.http, order.number);
        let payment = self.codes.payment(number);
        let creates = matches!(action, Action::CreatePayment { .. });
        let calls = if creates { &self.create_calls } else { &self.payment_calls };
        let _turn = calls.acquire().await.expect("it is never closed");
        match action {
            Action::CreatePayment { .. } => provider.create(http, &payment, order).await,
            Action::LookAtPayment { .. } => provider.look(http, &payment, number).await,
            Action::ClosePayment { .. } => provider.close(http, &payment, number).await,
            Action::Refund { refund, amount_minor, .. } => {
                provider.refund(http, &payment, number, (refund, amount_minor)).await
            }
            _ => unreachable!("providers are asked for payments alone"),
        }
    }

    /// Says what was done until the engine has decided over it: what was done outside is not done
    /// again because the engine takes nothing just now. An error where it is refused.
    async fn say(&self, command: Command) -> Result<(), ()> {
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
    /// that follows on others may follow on failed ones.
    fn wait_before(&self, action: Action) -> Duration {
        match action {
            Action::LookAtPayment { .. } => self.scaled(LOOK_AT_PAYMENT_AFTER),
            Action::Refund { refund, .. } if refund > 1 => self.pause(action, refund - 2),
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
        let whole = first.saturating_mul(1 << tries.min(16)).min(PAUSE_MAX);
        self.scaled(whole).mul_f64(0.5 + fastrand::f64() / 2.0).max(PAUSE_MIN)
    }

    /// By the engine's clock; one that hardly moves makes no wait longer than a real one.
    fn scaled(&self, wait: Duration) -> Duration {
        wait.div_f64(self.speed.max(1.0)).max(PAUSE_MIN)
    }
}

fn engine_pause(tries: u32) -> Duration {
    ENGINE_PAUSE_FIRST.saturating_mul(1 << tries.min(16)).min(ENGINE_PAUSE_MAX)
}

/// Who takes turns with all others that have the same key.
fn turns<K, Q>(all: &RefCell<HashMap<K, Rc<Semaphore>>>, key: &Q, at_once: usize) -> Rc<Semaphore>
where
    K: Borrow<Q> + Eq + Hash,
    Q: ToOwned<Owned = K> + Eq + Hash + ?Sized,
{
    let mut all = all.borrow_mut();
    if let Some(turns) = all.get(key) {
        return Rc::clone(turns);
    }
    let turns = Rc::new(Semaphore::new(at_once));
    all.insert(key.to_owned(), Rc::clone(&turns));
    turns
}
