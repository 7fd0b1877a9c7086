//! Watching open breakers: one call now and then, until somebody answers or an operator closes it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use levee_api::types::{
    Action, Breaker, BreakerOf, BreakerState, ChangeBreaker, Command, OutletNo,
};
use tokio::time::sleep;

use super::carrier::{ENGINE_PAUSE_FIRST, Shared, Undone};
use super::desks::Of;

/// Between two looks at what the engine says of an open breaker, by its clock: an operator may have
/// closed it.
const LOOK: Duration = Duration::from_secs(5);

/// What came of one call while a breaker was open.
enum Tried {
    Answered,
    /// How long the other side asks to be left alone.
    InVain(Duration),
}

impl Shared {
    /// Watches an open breaker until it is closed: has the engine know that it opened, if it did just
    /// now, and tries later and later.
    pub(super) async fn watch(self: Rc<Self>, of: Of, why: Option<String>) {
        tracing::warn!(?of, why = why.as_deref().unwrap_or("was so"), "a breaker is open");
        if let Some(why) = why {
            self.set_breaker(&of, BreakerState::Open, why).await;
        }
        let mut asked = Duration::ZERO;
        loop {
            let wait = self.scaled(Duration::from_millis(self.desks.wait_ms(&of))).max(asked);
            if self.is_closed_within(&of, wait).await {
                break;
            }
            match self.try_again(&of).await {
                Tried::Answered => {
                    let why = "it answers again".to_owned();
                    self.set_breaker(&of, BreakerState::Closed, why).await;
                    break;
                }
                Tried::InVain(pause) => {
                    self.desks.tried_in_vain(&of);
                    asked = pause;
                }
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
        let (action, outlet) = self.desks.to_try(of);
        let outlet = match (action.and_then(Action::outlet).or(outlet), of) {
            (Some(outlet), _) => Some(outlet),
            (None, Of::Vendor(vendor)) => {
                self.engine.outlet_of(vendor, &self.outlets).await.ok().flatten()
            }
            (None, Of::Outlet(_)) => None,
        };
        let Some(outlet) = outlet else { return Tried::InVain(Duration::ZERO) };
        let action = Cell::new(action);
        let tried = self.try_with(of, &action, outlet).await;
        let again = action.take().filter(|_| tried.is_err());
        again.inspect(|action| {
            self.desks.park(of, *action);
        });
        match tried {
            Ok(()) => Tried::Answered,
            Err(asked) => Tried::InVain(asked),
        }
    }

    /// An error says how long to wait, at least; what is to wait with it stays where it is.
    async fn try_with(
        self: &Rc<Self>,
        of: &Of,
        action: &Cell<Option<Action>>,
        outlet: OutletNo,
    ) -> Result<(), Duration> {
        let target = self.target(outlet).await.map_err(|_| Duration::ZERO)?;
        match (of, self.desks.blocked_by(outlet, target.vendor())) {
            // It has another vendor by now.
            (Of::Vendor(vendor), _) if vendor != target.vendor() => {
                self.desks.forget(vendor, outlet);
                action.take().inspect(|action| self.desks.put_ready(*action));
                return Err(Duration::ZERO);
            }
            // Behind a vendor that is gone nobody looks for single outlets.
            (Of::Outlet(_), Some(Of::Vendor(_))) => return Err(Duration::ZERO),
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
                // What it says to a repeat is the engine's affair.
                let _ = self.say(command).await;
                Ok(())
            }
            Err(Undone::Refused(_)) => {
                // Somebody is there; what is wrong with it is seen in its turn.
                action.take().inspect(|action| self.desks.put_ready(*action));
                Ok(())
            }
            Err(Undone::Outside(asked)) => Err(asked),
            Err(Undone::Engine) => Err(ENGINE_PAUSE_FIRST),
            Err(Undone::Unwanted | Undone::Parked | Undone::Unable) => {
                target.look(&self.http).await.map_err(|problem| problem.retry_after())
            }
        }
    }

    /// Has the engine know.
    pub(super) async fn set_breaker(&self, of: &Of, state: BreakerState, reason: String) {
        let of = match of {
            Of::Outlet(outlet) => BreakerOf::Outlet(*outlet),
            Of::Vendor(vendor) => BreakerOf::Vendor(vendor.to_string()),
        };
        let change = ChangeBreaker { request: None, of, state, by_hand: false, reason };
        // An operator who holds it is the one to say; so is one who has closed it meanwhile.
        let _ = self.say(Command::ChangeBreaker(change)).await;
    }
}
