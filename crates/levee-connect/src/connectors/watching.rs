//! Watching open breakers: one call now and then, until somebody answers or an operator closes it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use levee_api::types::{
    Action, Breaker, BreakerOf, BreakerState, ChangeBreaker, Command, OutletNo,
};
use tokio::time::{Instant, sleep};

use super::carrier::{ENGINE_PAUSE_FIRST, Shared, Undone};
use super::desks::Of;

/// Between two looks at what the engine says of an open breaker, by its clock: an operator may have
/// closed it.
const LOOK: Duration = Duration::from_secs(5);

/// Why a breaker closes whose vendor has gone.
pub(super) const NOBODY: &str = "no outlet has this vendor";

/// What came of one call while a breaker was open.
enum Tried {
    Answered,
    /// How long the other side asks to be left alone.
    InVain(Duration),
    /// Nobody was called, which says nothing of those who would have been; how long to wait at least.
    NotCalled(Duration),
    /// There is nobody to call.
    Nobody,
}

impl Shared {
    /// Watches an open breaker until it is closed: has the engine know that it opened, if it did just
    /// now, and tries later and later.
    pub(super) async fn watch(self: Rc<Self>, of: Of, why: Option<String>) {
        tracing::warn!(?of, why = why.as_deref().unwrap_or("was so"), "a breaker is open");
        if let Some(why) = why {
            // Refused where an operator was first.
            let _ = self.set_breaker(&of, BreakerState::Open, why).await;
        }
        let mut asked = Duration::ZERO;
        loop {
            let wait = self.scaled(Duration::from_millis(self.desks.wait_ms(&of))).max(asked);
            if self.is_closed_within(&of, wait).await {
                break;
            }
            let why = match self.try_again(&of).await {
                Tried::Answered => "it answers again",
                Tried::Nobody => NOBODY,
                Tried::InVain(pause) => {
                    self.desks.tried_in_vain(&of);
                    asked = pause;
                    continue;
                }
                Tried::NotCalled(pause) => {
                    asked = pause;
                    continue;
                }
            };
            asked = Duration::ZERO;
            // Where it is refused an operator holds it, or has closed it.
            if self.set_breaker(&of, BreakerState::Closed, why.to_owned()).await.is_ok() {
                break;
            }
        }
        tracing::warn!(?of, "a breaker is closed");
        self.desks.close(&of);
    }

    /// Waits, and for as long as an operator keeps it open; whether an operator has closed it, or lets
    /// what there is go out.
    async fn is_closed_within(&self, of: &Of, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            sleep(left.min(self.scaled(LOOK))).await;
            let held = match self.said_of(of).await {
                None => false,
                Some(None) => return true,
                Some(Some(Breaker { state: BreakerState::Draining, .. })) => return true,
                Some(Some(said)) => said.by_hand,
            };
            if !held && Instant::now() >= until {
                return false;
            }
        }
    }

    /// What the engine has of a breaker; nothing while it does not answer.
    async fn said_of(&self, of: &Of) -> Option<Option<Breaker>> {
        match of {
            Of::Outlet(outlet) => Some(self.engine.outlet(*outlet).await.ok()??.breaker),
            Of::Vendor(vendor) => self.engine.breaker_of(vendor).await.ok(),
        }
    }

    /// One call, with a ticket that waits for it or, without one, just to see whether anybody answers.
    async fn try_again(self: &Rc<Self>, of: &Of) -> Tried {
        let (outlet, action) = self.desks.to_try(of);
        let outlet = match (outlet, of) {
            (Some(outlet), _) => outlet,
            (None, Of::Outlet(outlet)) => *outlet,
            (None, Of::Vendor(vendor)) => {
                match self.engine.outlet_of(vendor, &self.outlets).await {
                    Ok(Some(outlet)) => outlet,
                    Ok(None) => return Tried::Nobody,
                    Err(_) => return Tried::NotCalled(ENGINE_PAUSE_FIRST),
                }
            }
        };
        let action = Cell::new(action);
        let tried = self.try_with(of, &action, outlet).await;
        let again = action.take().filter(|_| !matches!(tried, Tried::Answered));
        again.inspect(|action| {
            self.desks.park(of, *action);
        });
        tried
    }

    /// What is still to wait stays in `action`.
    async fn try_with(
        self: &Rc<Self>,
        of: &Of,
        action: &Cell<Option<Action>>,
        outlet: OutletNo,
    ) -> Tried {
        let Ok(target) = self.target(outlet).await else {
            return Tried::NotCalled(ENGINE_PAUSE_FIRST);
        };
        match (of, self.desks.blocked_by(outlet, target.vendor())) {
            // It has another vendor by now.
            (Of::Vendor(vendor), _) if vendor != target.vendor() => {
                self.desks.forget(vendor, outlet);
                action.take().inspect(|action| self.desks.put_ready(*action));
                return Tried::NotCalled(Duration::ZERO);
            }
            // Behind a vendor that is gone nobody looks for single outlets.
            (Of::Outlet(_), Some(Of::Vendor(_))) => return Tried::NotCalled(Duration::ZERO),
            _ => {}
        }
        let turns = self.desks.outlet_turns(outlet);
        let _turn = turns.acquire().await.expect("it is never closed");
        let _both = self.turns_to_call(target.vendor(), outlet).await;
        let called = match action.get() {
            Some(action) => self.call_outlet(action, &target, &Cell::new(0)).await,
            None => Err(Undone::Unwanted),
        };
        match called {
            Ok(command) => {
                // Refused, something else came first: it is looked at again.
                match (self.say(command).await, action.take()) {
                    (Ok(()), Some(action)) => self.drop_parked(action),
                    (Err(()), Some(action)) => self.desks.put_ready(action),
                    (_, None) => {}
                }
                Tried::Answered
            }
            Err(Undone::Refused(_)) => {
                // Somebody is there; what is wrong with it is seen in its turn.
                action.take().inspect(|action| self.desks.put_ready(*action));
                Tried::Answered
            }
            Err(Undone::Outside(asked)) => Tried::InVain(asked),
            Err(Undone::Engine) => Tried::NotCalled(ENGINE_PAUSE_FIRST),
            Err(Undone::Unwanted | Undone::Parked | Undone::Unable) => {
                action.take().inspect(|action| self.drop_parked(*action));
                match target.look(&self.http).await {
                    Ok(()) => Tried::Answered,
                    Err(problem) => Tried::InVain(problem.retry_after()),
                }
            }
        }
    }

    /// Has the engine know. An error where it is refused: an operator who holds it is the one to say.
    pub(super) async fn set_breaker(
        &self,
        of: &Of,
        state: BreakerState,
        reason: String,
    ) -> Result<(), ()> {
        let of = match of {
            Of::Outlet(outlet) => BreakerOf::Outlet(*outlet),
            Of::Vendor(vendor) => BreakerOf::Vendor(vendor.to_string()),
        };
        let change = ChangeBreaker { request: None, of, state, by_hand: false, reason };
        self.say(Command::ChangeBreaker(Box::new(change))).await
    }
}
