//! Which actions are under way, and when one is tried again.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use levee_api::code::Codes;
use levee_api::port::{OrderView, Submit};
use levee_api::types::{Action, Command, OrderNo, PaymentState};
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

/// Between two tries to ask an engine that takes nothing.
const ENGINE_PAUSE: Duration = Duration::from_millis(250);

/// No wait toward others is shorter, however fast the engine's clock runs.
const PAUSE_MIN: Duration = Duration::from_millis(250);

/// The pause before an action is tried again, by the engine's clock; it doubles with each try.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// A payment of which nothing was heard is asked for after this time, by the engine's clock, and
/// again later and later.
const LOOK_AT_PAYMENT_AFTER: Duration = Duration::from_secs(5);

/// Calls to outlets that are under way at once, and to the provider.
const TICKET_CALLS_MAX: usize = 256;
const PAYMENT_CALLS_MAX: usize = 128;

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
    payment_calls: Semaphore,
}

/// Why an action is not done yet.
#[derive(Debug)]
enum Undone {
    /// The other side; how long it asks to be left alone.
    Outside(Duration),
    /// The engine takes nothing just now.
    Engine,
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
            payment_calls: Semaphore::new(PAYMENT_CALLS_MAX),
        }))
    }

    /// Takes up what is undone, for ever.
    pub(super) async fn run(&self) {
        let mut change = 0;
        loop {
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
                    sleep(ENGINE_PAUSE).await;
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
        let shared = Rc::clone(&self.0);
        spawn_local(async move {
            loop {
                shared.carry(action).await;
                let mut running = shared.running.borrow_mut();
                if running.insert(action, false) != Some(true) {
                    running.remove(&action);
                    return;
                }
            }
        });
    }
}

impl Shared {
    /// Tries until it is done, or not wanted any more.
    async fn carry(self: &Rc<Self>, action: Action) {
        let mut tries = 0;
        loop {
            let pause = match self.attempt(action).await {
                Ok(()) => return,
                Err(Undone::Engine) => ENGINE_PAUSE,
                Err(Undone::Outside(asked)) => self.pause(tries).max(asked),
            };
            tries += 1;
            sleep(pause).await;
        }
    }

    async fn attempt(self: &Rc<Self>, action: Action) -> Result<(), Undone> {
        let calls = match action {
            Action::SendTicket { .. } | Action::CancelTicket { .. } => &self.ticket_calls,
            _ => &self.payment_calls,
        };
        let _turn = calls.acquire().await.expect("it is never closed");
        // Whatever was so when it was taken up, this is what is wanted now.
        let number = action.order();
        let order = self.engine.order(number).await.map_err(|_| Undone::Engine)?;
        let Some(order) = order.filter(|order| order.actions.contains(&action)) else {
            return Ok(());
        };
        let command = self.act(action, &order).await.map_err(|problem| {
            tracing::debug!(?action, %problem, "an action is not done yet");
            Undone::Outside(problem.retry_after())
        })?;
        self.say(command).await?;
        if matches!(action, Action::CreatePayment { .. }) {
            let shared = Rc::clone(self);
            spawn_local(async move { shared.watch_payment(number).await });
        }
        Ok(())
    }

    /// Does it, and returns what the engine is to be told.
    async fn act(&self, action: Action, order: &OrderView) -> Result<Command, Trouble> {
        let payment = || self.codes.payment(order.number);
        let (order_id, ticket) = (self.codes.order(order.number), self.codes.ticket(order.number));
        let ids = Ids { order: &order_id, ticket: &ticket };
        match action {
            Action::CreatePayment { .. } => {
                self.provider()?.create(&self.http, &payment(), order).await
            }
            Action::ClosePayment { order } => {
                self.provider()?.close(&self.http, &payment(), order).await
            }
            Action::Refund { order, refund, amount_minor } => {
                let refund = (refund, amount_minor);
                self.provider()?.refund(&self.http, &payment(), order, refund).await
            }
            Action::SendTicket { outlet, .. } => {
                let target = self.outlets.target(&self.engine, outlet).await;
                target.map_err(Trouble::Malformed)?.send(&self.http, ids, order).await
            }
            Action::CancelTicket { order: number, outlet, version } => {
                let target = self.outlets.target(&self.engine, outlet).await;
                let target = target.map_err(Trouble::Malformed)?;
                let reason = order.end.map_or("moved to another outlet", |end| end.name());
                target.cancel(&self.http, ids, (number, outlet, version), reason).await
            }
            Action::ReviewPayment { .. } => unreachable!("people do that"),
        }
    }

    fn provider(&self) -> Result<&Provider, Trouble> {
        let none = || Trouble::Malformed("no payment provider is configured".to_owned());
        self.provider.as_ref().ok_or_else(none)
    }

    async fn say(&self, command: Command) -> Result<(), Undone> {
        match self.engine.say(command).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(refusal)) => {
                // Something else came first. The next look says whether it is still wanted.
                tracing::debug!(%refusal, "what was done is refused");
                Err(Undone::Outside(Duration::ZERO))
            }
            Err(_) => Err(Undone::Engine),
        }
    }

    /// Callbacks get lost: a payment of which nothing is heard is asked for.
    async fn watch_payment(&self, number: OrderNo) {
        let mut after = LOOK_AT_PAYMENT_AFTER;
        loop {
            sleep(self.scaled(after)).await;
            after = (after * 2).min(PAUSE_MAX);
            let order = match self.engine.order(number).await {
                Ok(Some(order)) => order,
                Ok(None) => return,
                Err(_) => continue,
            };
            let open = matches!(
                order.payment,
                Some(PaymentState::Created | PaymentState::Pending | PaymentState::Failed)
            );
            if !open || order.end.is_some() {
                return;
            }
            let Ok(provider) = self.provider() else { return };
            let _turn = self.payment_calls.acquire().await.expect("it is never closed");
            match provider.look(&self.http, &self.codes.payment(number), number).await {
                Ok(Some(command)) => {
                    // Where the engine takes nothing now, the next look finds the same.
                    let _ = self.say(command).await;
                }
                Ok(None) => {}
                Err(problem) => tracing::debug!(%problem, "a payment cannot be asked for"),
            }
        }
    }

    /// Half to the whole of a pause that doubles with each try, so that those who failed together
    /// do not come back together.
    fn pause(&self, tries: u32) -> Duration {
        let whole = PAUSE_FIRST.saturating_mul(1 << tries.min(16)).min(PAUSE_MAX);
        self.scaled(whole).mul_f64(0.5 + fastrand::f64() / 2.0).max(PAUSE_MIN)
    }

    fn scaled(&self, wait: Duration) -> Duration {
        wait.div_f64(self.speed).max(PAUSE_MIN)
    }
}
