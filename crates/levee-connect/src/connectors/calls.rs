//! One call to an outlet or to the payment provider, once its turn has come.

use std::cell::Cell;
use std::fmt::Write;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use levee_api::outlet::OutletDocument;
use levee_api::port::OrderView;
use levee_api::types::{Action, Command, OutletNo, REASON_LEN_MAX};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

use super::breaker::Ended;
use super::carrier::{Shared, Undone};
use super::tickets::{Ids, Target};
use crate::http::Trouble;

impl Shared {
    /// Tells an outlet once its turn has come: breakers first, then its own turn and pace, then the
    /// turn of its vendor. Whoever waits for a silent outlet or vendor keeps nobody else waiting.
    /// `calls` counts the calls that were made for the action.
    pub(super) async fn attempt_ticket(
        self: &Rc<Self>,
        action: Action,
        outlet: OutletNo,
        calls: &Cell<u32>,
    ) -> Result<Command, Undone> {
        let target = self.target(outlet).await?;
        let vendor = target.vendor();
        self.park_if_blocked(action, outlet, vendor)?;
        while let Err(wait_ms) = self.desks.take_try(outlet, vendor, calls.get()) {
            sleep(self.paced(wait_ms)).await;
        }
        // Tickets stand in line for the kitchen; what is to be cancelled does not.
        let line = self.desks.outlet_line(outlet);
        let _line = match action {
            Action::SendTicket { .. } => Some(line.acquire().await.expect("it is never closed")),
            _ => None,
        };
        while matches!(action, Action::SendTicket { .. })
            && let wait_ms @ 1.. = self.desks.pace_wait_ms(outlet)
        {
            self.park_if_blocked(action, outlet, vendor)?;
            sleep(self.paced(wait_ms)).await;
            // Its kitchen may be slower than was known when the wait began.
            self.target(outlet).await?;
        }
        let turns = self.desks.outlet_turns(outlet);
        let _turn = turns.acquire().await.expect("it is never closed");
        let _both = self.turns_to_call(vendor, outlet).await;
        // Whatever was so before all that waiting.
        let target = self.target(outlet).await?;
        self.park_if_blocked(action, outlet, target.vendor())?;
        self.vitals().tickets_repeated.fetch_add(u64::from(calls.get() > 0), Relaxed);
        self.call_outlet(action, &target, calls).await
    }

    /// A vendor's turn, and then one of all calls.
    pub(super) async fn turns_to_call(
        &self,
        vendor: &Rc<str>,
        outlet: OutletNo,
    ) -> [OwnedSemaphorePermit; 2] {
        let of_vendor = self.desks.vendor_calls(vendor, outlet);
        let vendors = of_vendor.acquire_owned().await.expect("it is never closed");
        let all = Arc::clone(&self.ticket_calls).acquire_owned().await;
        [vendors, all.expect("it is never closed")]
    }

    /// Calls an outlet now, and has breakers heed how that ended.
    pub(super) async fn call_outlet(
        self: &Rc<Self>,
        action: Action,
        target: &Target,
        calls: &Cell<u32>,
    ) -> Result<Command, Undone> {
        let order = self.wanted(action).await?;
        let menu = match action {
            Action::SendTicket { .. } => target.earlier_document(&self.engine, &order).await?,
            _ => None,
        };
        let (began, outlet) = (Instant::now(), target.outlet());
        calls.set(calls.get() + 1);
        let called = self.tell_outlet(action, &order, target, menu.as_ref()).await;
        let ended = ended(&called, began.elapsed());
        for (of, mut why) in self.desks.ended(outlet, target.vendor(), ended) {
            if let Err(problem) = &called {
                add_last(&mut why, problem);
            }
            self.vitals().opened.fetch_add(1, Relaxed);
            spawn_local(Rc::clone(self).watch(of, Some(why)));
        }
        let counted = match ended {
            Ended::Answered { .. } => &self.vitals().tickets_answered,
            Ended::Failed => &self.vitals().tickets_failed,
        };
        counted.fetch_add(1, Relaxed);
        if called.is_ok() && matches!(action, Action::SendTicket { .. }) {
            self.desks.sent(outlet, target.vendor(), order.work);
        }
        called.map_err(|problem| {
            tracing::debug!(?action, %problem, "an outlet is not told yet");
            match ended {
                Ended::Answered { .. } => Undone::Refused(problem.retry_after()),
                Ended::Failed => Undone::Outside(problem.retry_after()),
            }
        })
    }

    pub(super) async fn target(&self, outlet: OutletNo) -> Result<Rc<Target>, Undone> {
        let target = self.outlets.target(&self.engine, outlet).await.map_err(|problem| {
            tracing::debug!(%outlet, %problem, "an outlet is not to be reached");
            Undone::Outside(Duration::ZERO)
        })?;
        self.desks.heed(target.vendor(), target.view());
        Ok(target)
    }

    fn park_if_blocked(
        self: &Rc<Self>,
        action: Action,
        outlet: OutletNo,
        vendor: &Rc<str>,
    ) -> Result<(), Undone> {
        let Some(of) = self.desks.blocked_by(outlet, vendor) else { return Ok(()) };
        if self.desks.park(&of, action) {
            spawn_local(Rc::clone(self).watch(of, None));
        }
        Err(Undone::Parked)
    }

    /// Asks an order's payment provider once its turn has come.
    pub(super) async fn attempt_payment(
        &self,
        action: Action,
        calls: &Cell<u32>,
    ) -> Result<Command, Undone> {
        let undone = |problem: Trouble| {
            // Keys that do not match, or what the provider does not do: somebody must see to it.
            if matches!(problem, Trouble::Distrusted(_) | Trouble::Refused(_)) && calls.get() == 1 {
                let order = self.codes.order(action.order());
                tracing::warn!(%order, ?action, %problem, "a payment provider does not do it");
            }
            tracing::debug!(?action, %problem, "an action is not done yet");
            Undone::Outside(problem.retry_after())
        };
        let order = self.wanted(action).await?;
        let Some(provider) = self.providers.of(&order) else {
            return Err(Undone::Unable);
        };
        let allowed = provider.turn(action).await;
        // Whatever was so before all that waiting.
        let order = self.wanted(action).await?;
        calls.set(calls.get() + 1);
        let with = (&self.payments_http, &*self.codes, self.engine.journal_ms());
        let asked = provider.ask(allowed, action, &order, with).await;
        let counted = match &asked {
            Ok(_) | Err(Trouble::Open | Trouble::Refused(_)) => &self.vitals().payments_answered,
            Err(_) => &self.vitals().payments_failed,
        };
        counted.fetch_add(1, Relaxed);
        asked.map_err(undone)
    }

    async fn tell_outlet(
        &self,
        action: Action,
        order: &OrderView,
        target: &Target,
        menu: Option<&OutletDocument>,
    ) -> Result<Command, Trouble> {
        let (order_id, ticket) = (self.codes.order(order.number), self.codes.ticket(order.number));
        let ids = Ids { order: &order_id, ticket: &ticket };
        match action {
            Action::CancelTicket { order: number, outlet, version } => {
                let reason = order.end.map_or("moved to another outlet", |end| end.name());
                target.cancel(&self.http, ids, (number, outlet, version), reason).await
            }
            _ => {
                let now_ms = self.engine.journal_ms();
                target.send(&self.http, ids, order, menu, now_ms).await
            }
        }
    }
}

/// What was wrong with the last call is most of what an operator wants to know.
fn add_last(why: &mut String, problem: &Trouble) {
    let _ = write!(why, "; the last: {problem}");
    why.truncate(why.floor_char_boundary(REASON_LEN_MAX));
}

/// How a call ended, for a breaker. A refusal is an answer, too, unless it asks to be left alone.
fn ended(called: &Result<Command, Trouble>, took: Duration) -> Ended {
    let after_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    match called {
        Ok(_) | Err(Trouble::Open) => Ended::Answered { after_ms },
        Err(Trouble::Status { status, .. }) if *status < 500 && *status != 429 => {
            Ended::Answered { after_ms }
        }
        Err(_) => Ended::Failed,
    }
}
