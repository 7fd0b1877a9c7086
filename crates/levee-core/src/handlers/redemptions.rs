//! Redemptions: a voucher is used on a bill, and the use can be undone for a while.

use super::{ReferenceKind, reference_key};
use crate::state::{Campaign, Effect, State, shift, take};
use crate::tables::{Redemption, RedemptionState, Undone};
use crate::types::{
    BILL_MINOR_MAX, Bill, LockNo, NameHash, OrderNo, Outcome, RedeemVoucher, RedemptionNo,
    Reference, Refusal, RollBackRedemption, Terms, VoucherState,
};

impl State {
    /// Uses a voucher on a bill. What the bill leaves of the face stays reserved until the use can
    /// no longer be undone.
    pub(crate) fn redeem_voucher(
        &mut self,
        now_ms: u64,
        seq: u64,
        redeem: &RedeemVoucher,
        body: u64,
    ) -> Result<Effect, Refusal> {
        let bill = &redeem.bill;
        let voucher = self.voucher_of(bill.voucher, bill.user)?;
        let key = reference_key(ReferenceKind::Redemption, voucher.campaign, &redeem.reference);
        if let Some(repeat) = self.answered(key, body)? {
            // A bill whose discount was undone must not be told again that it has one.
            if let Effect::Repeat { outcome: Outcome::Redeemed { redemption, .. }, .. } = &repeat
                && let RedemptionState::RolledBack(_) = self.redemptions[redemption.index()].state()
            {
                return Err(Refusal::ReferenceReused);
            }
            return Ok(repeat);
        }
        let discount_minor = self.discount_at(now_ms, bill, redeem.lock)?;

        if redeem.lock.is_some_and(|lock| self.locks[lock.index()].order().is_some()) {
            return Err(Refusal::HeldByOrder);
        }

        let outcome = self.use_up(now_ms, seq, bill, discount_minor, &redeem.reference, None);
        self.remember(key, body, (seq, now_ms), &outcome);
        Ok(Effect::Done(outcome))
    }

    /// Uses a voucher that the caller found usable, and ends the lock that holds it; for an order,
    /// if one is named. An order's use can be undone for as long as the order is under way.
    pub(super) fn use_up(
        &mut self,
        now_ms: u64,
        seq: u64,
        bill: &Bill,
        discount_minor: u64,
        reference: &Reference,
        order: Option<OrderNo>,
    ) -> Outcome {
        self.unlock_if_over(bill.voucher, now_ms);
        let number = RedemptionNo(self.redemptions.len());
        let voucher = &mut self.vouchers[bill.voucher.index()];
        let face_minor = u64::from(voucher.face_minor);
        let rest_minor = face_minor.checked_sub(discount_minor);
        let rest_minor = rest_minor.expect("a discount is at most the face");
        let held_by = voucher.lock();
        voucher.set_redeemed(number);
        let campaign = &mut self.campaigns[voucher.campaign.index()];
        if let Some(lock) = held_by {
            let lock_record = &mut self.locks[lock.index()];
            lock_record.use_up();
            campaign.unlock(face_minor);
        }
        let money = &mut campaign.money;
        shift(&mut money.reserved_minor, &mut money.spent_minor, discount_minor);
        take(&mut campaign.live_face_minor, face_minor);
        campaign.open_rests_minor += rest_minor;
        campaign.counts.live -= 1;
        campaign.counts.redeemed += 1;
        let rollback_until_ms = campaign.definition.terms.voucher.rollback_until_ms(now_ms);
        let settled = rollback_until_ms <= now_ms && order.is_none();
        if settled {
            campaign.free_rest(rest_minor);
        }
        campaign.next_to_settle.get_or_insert(number);
        let before = campaign.last_redeemed.replace(number);
        campaign.assert_sound();
        if let Some(before) = before {
            self.redemptions[before.index()].set_next_in_campaign(number);
        }
        let narrow = |minor: u64| u32::try_from(minor).expect("at most the face, which is 32 bits");
        let (discount_minor, rest_minor) = (narrow(discount_minor), narrow(rest_minor));
        let mut redemption = Redemption::open(
            bill.voucher,
            (seq, now_ms),
            bill.order_minor,
            (discount_minor, rest_minor),
            rollback_until_ms,
            reference,
            order,
        );
        if settled {
            redemption.settle();
        }
        self.redemptions.push(redemption, &mut self.store);
        held_by.inspect(|lock| self.settle_held(*lock));
        Outcome::Redeemed { redemption: number, discount_minor, rest_minor, rollback_until_ms }
    }

    /// The discount that a bill would get now, in minor units, or why it would get none. Changes
    /// nothing: validation asks this, and redeeming asks it first.
    pub(crate) fn discount_at(
        &self,
        now_ms: u64,
        bill: &Bill,
        lock: Option<LockNo>,
    ) -> Result<u64, Refusal> {
        let voucher = self.voucher_of(bill.voucher, bill.user)?;
        let terms = &self.campaigns[voucher.campaign.index()].definition.terms;
        match (self.voucher_state_at(now_ms, voucher), lock) {
            (VoucherState::Live, None) => {}
            (VoucherState::Locked, lock) if lock == voucher.lock() => {}
            (VoucherState::Locked, None) => return Err(Refusal::VoucherLocked),
            (VoucherState::Live | VoucherState::Locked, Some(_)) => {
                return Err(Refusal::LockNotHeld);
            }
            (state, _) => return Err(Refusal::VoucherNotLive(state)),
        }
        if bill.order_minor > BILL_MINOR_MAX {
            return Err(Refusal::AmountTooLarge);
        }
        if !applies(terms, now_ms, bill) {
            return Err(Refusal::VoucherNotApplicable);
        }
        let (discount_minor, least_minor) = if voucher.is_apology() {
            (u64::from(voucher.face_minor).min(bill.order_minor), 0)
        } else {
            let discount_minor = (self.rules.discount_minor)(&terms.voucher, bill.order_minor);
            (discount_minor, terms.voucher.min_spend_minor)
        };
        if bill.order_minor < least_minor || discount_minor == 0 {
            return Err(Refusal::MinSpendNotMet);
        }
        Ok(discount_minor)
    }

    /// Undoes a redemption: the voucher is live with its full face, or expired if its time is over.
    pub(crate) fn roll_back(
        &mut self,
        now_ms: u64,
        seq: u64,
        undo: &RollBackRedemption,
    ) -> Result<Effect, Refusal> {
        let redemption =
            self.redemptions.get(undo.redemption.index()).ok_or(Refusal::RedemptionNotFound)?;
        if redemption.order().is_some() {
            return Err(Refusal::HeldByOrder);
        }
        // A redemption is undone once, whoever asks again and with whichever key.
        if let RedemptionState::RolledBack(undone) = redemption.state() {
            let Undone { seq, at_ms, voucher_state } = undone;
            let outcome = Outcome::RolledBack { voucher_state };
            return Ok(Effect::Repeat { seq, at_ms, outcome });
        }
        if redemption.state() == RedemptionState::Settled
            || self.rollback_end_ms(redemption) <= now_ms
        {
            return Err(Refusal::RollbackWindowOver);
        }

        let voucher_state = self.undo(now_ms, seq, undo.redemption);
        Ok(Effect::Done(Outcome::RolledBack { voucher_state }))
    }

    /// Undoes an open redemption, whether or not its time for that is over.
    pub(super) fn undo(&mut self, now_ms: u64, seq: u64, number: RedemptionNo) -> VoucherState {
        let redemption = &self.redemptions[number.index()];
        assert_eq!(redemption.state(), RedemptionState::Open, "only an open one can be undone");
        let voucher = &self.vouchers[redemption.voucher.index()];
        let over = self.voucher_end_ms(voucher) <= now_ms;
        let voucher_state = if over { VoucherState::Expired } else { VoucherState::Live };
        let redemption = &mut self.redemptions[number.index()];
        redemption.roll_back(Undone { seq, at_ms: now_ms, voucher_state });
        let discount_minor = u64::from(redemption.discount_minor);
        let rest_minor = u64::from(redemption.rest_minor);
        let voucher = &mut self.vouchers[redemption.voucher.index()];
        voucher.set_free(voucher_state);
        let campaign = &mut self.campaigns[voucher.campaign.index()];
        let money = &mut campaign.money;
        shift(&mut money.spent_minor, &mut money.reserved_minor, discount_minor);
        take(&mut campaign.open_rests_minor, rest_minor);
        campaign.live_face_minor += discount_minor + rest_minor;
        campaign.counts.redeemed -= 1;
        campaign.counts.live += 1;
        if over {
            campaign.end_live(discount_minor + rest_minor);
            campaign.counts.expired += 1;
        }
        campaign.assert_sound();
        voucher_state
    }

    /// Settles an order's redemption once nothing holds it open any more, if its time was over
    /// before: the line of redemptions has passed it then.
    pub(super) fn settle_if_over(&mut self, now_ms: u64, number: RedemptionNo) {
        if self.rollback_end_ms(&self.redemptions[number.index()]) <= now_ms {
            let redemption = &mut self.redemptions[number.index()];
            assert_eq!(redemption.state(), RedemptionState::Open, "an order has held it open");
            redemption.settle();
            let rest_minor = u64::from(redemption.rest_minor);
            let voucher = &self.vouchers[redemption.voucher.index()];
            let campaign = &mut self.campaigns[voucher.campaign.index()];
            campaign.free_rest(rest_minor);
            campaign.assert_sound();
        }
    }

    /// Whether a redemption may still be undone by its order, whatever its own time says.
    pub(super) fn is_kept_open(&self, redemption: &Redemption) -> bool {
        let order = redemption.order().and_then(|order| self.orders.get(order));
        order.is_some_and(|order| order.state().is_open())
    }
}

impl Campaign {
    /// A redemption can no longer be undone: its rest is available again.
    pub(super) fn free_rest(&mut self, rest_minor: u64) {
        take(&mut self.open_rests_minor, rest_minor);
        shift(&mut self.money.reserved_minor, &mut self.money.available_minor, rest_minor);
    }
}

/// Whether brand, category and hour are among those that the terms allow.
fn applies(terms: &Terms, now_ms: u64, bill: &Bill) -> bool {
    let voucher = &terms.voucher;
    let brand = voucher.brands.is_empty()
        || voucher.brands.iter().any(|name| bill.brand == Some(NameHash::of(name)));
    let category = voucher.categories.is_empty()
        || voucher
            .categories
            .iter()
            .map(|name| NameHash::of(name))
            .any(|allowed| bill.categories.iter().any(|category| category == allowed));
    let minute = terms.minute_of_day(now_ms);
    let hour = voucher.hours.is_empty() || voucher.hours.iter().any(|part| part.holds(minute));
    brand && category && hour
}
