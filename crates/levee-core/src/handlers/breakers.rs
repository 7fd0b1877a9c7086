//! Breakers: which outlets take no orders because their systems cannot be reached.

use super::check_reason;
use crate::state::{Effect, State};
use crate::tables::Outlet;
use crate::types::{
    Breaker, BreakerOf, BreakerState, ChangeBreaker, Outcome, OutletNo, Refusal, VENDOR_LEN_MAX,
};

impl State {
    /// A change that changes nothing is refused: its reason would stand nowhere.
    pub(crate) fn change_breaker(
        &mut self,
        now_ms: u64,
        change: &ChangeBreaker,
    ) -> Result<Effect, Refusal> {
        check_reason(&change.reason)?;
        if change.by_hand && change.request.is_none() {
            return Err(Refusal::IdempotencyKeyMissing);
        }
        if change.state == BreakerState::Draining && !change.by_hand {
            return Err(Refusal::InvalidField("state"));
        }
        match &change.of {
            BreakerOf::Outlet(outlet) => {
                self.outlets.get(*outlet).ok_or(Refusal::OutletNotFound)?;
            }
            BreakerOf::Vendor(vendor) if !(1..=VENDOR_LEN_MAX).contains(&vendor.len()) => {
                return Err(Refusal::InvalidField("vendor"));
            }
            BreakerOf::Vendor(_) => {}
        }
        let before = self.outlets.breaker(&change.of);
        if before.as_ref().is_some_and(|before| before.by_hand) && !change.by_hand {
            return Err(Refusal::BreakerByHand);
        }
        let before_state = before.as_ref().map_or(BreakerState::Closed, |before| before.state);
        let is_held = before.is_some_and(|before| before.by_hand);
        // Whoever opens by hand what is open already keeps it so.
        let takes_over = change.by_hand && change.state != BreakerState::Closed && !is_held;
        if change.state == before_state && !takes_over {
            return Err(Refusal::Unchanged);
        }

        let after = (change.state != BreakerState::Closed).then(|| Breaker {
            state: change.state,
            by_hand: change.by_hand,
            since_ms: now_ms,
            reason: change.reason.clone(),
        });
        self.outlets.set_breaker(&change.of, after, &mut self.store);
        Ok(Effect::Done(Outcome::BreakerChanged { before: before_state }))
    }

    /// The outlet, if it takes orders now.
    pub(crate) fn outlet_taking_orders(
        &self,
        now_ms: u64,
        number: OutletNo,
    ) -> Result<&Outlet, Refusal> {
        let outlet = self.outlets.get(number).ok_or(Refusal::OutletNotFound)?;
        if outlet.is_paused_at(now_ms) {
            return Err(Refusal::OutletPaused);
        }
        if !self.outlets.is_reachable(outlet) {
            return Err(Refusal::OutletUnreachable);
        }
        Ok(outlet)
    }
}
