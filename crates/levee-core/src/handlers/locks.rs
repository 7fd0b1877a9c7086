//! Locks: a voucher is held for an order, and let go by the app, by time, or by its use.

use alloc::vec::Vec;

use super::{ReferenceKind, reference_key};
use crate::state::{Campaign, Effect, State, shift, take};
use crate::tables::{Lock, LockState, Undone, Voucher};
use crate::types::{
    LockNo, LockVoucher, OrderNo, Outcome, Reference, Refusal, ReleaseLock, UserKey, VoucherNo,
    VoucherState,
};

impl State {
    pub(crate) fn lock_voucher(
        &mut self,
        now_ms: u64,
        seq: u64,
        lock: &LockVoucher,
        body: u64,
    ) -> Result<Effect, Refusal> {
        let voucher = self.voucher_of(lock.voucher, lock.user)?;
        let key = reference_key(ReferenceKind::Lock, voucher.campaign, &lock.reference);
        if let Some(repeat) = self.answered(key, body)? {
            // An order must not be told that it holds what was let go since.
            if let Effect::Repeat { outcome: Outcome::Locked { lock, .. }, .. } = &repeat
                && !self.is_held_at(now_ms, *lock)
            {
                return Err(Refusal::ReferenceReused);
            }
            return Ok(repeat);
        }
        match self.voucher_state_at(now_ms, voucher) {
            VoucherState::Live => {}
            VoucherState::Locked => return Err(Refusal::VoucherLocked),
            state => return Err(Refusal::VoucherNotLive(state)),
        }

        let until_ms = now_ms.saturating_add(lock.ttl_ms);
        let number = self.hold(now_ms, lock.voucher, until_ms, &lock.reference, None);
        let outcome = Outcome::Locked { lock: number, until_ms };
        self.remember(key, body, (seq, now_ms), &outcome);
        Ok(Effect::Done(outcome))
    }

    /// Locks a voucher that the caller found live; for an order, if one is named.
    pub(super) fn hold(
        &mut self,
        now_ms: u64,
        held: VoucherNo,
        until_ms: u64,
        reference: &Reference,
        order: Option<OrderNo>,
    ) -> LockNo {
        self.unlock_if_over(held, now_ms);
        let record = Lock::held(held, now_ms, until_ms, reference, order);
        let number = LockNo(self.locks.push(record, &mut self.store));
        self.held.put(0, until_ms, number);
        self.settle_held(number);
        let voucher = &mut self.vouchers[held.index()];
        voucher.set_locked(number);
        let face_minor = u64::from(voucher.face_minor);
        let campaign = &mut self.campaigns[voucher.campaign.index()];
        let money = &mut campaign.money;
        shift(&mut money.reserved_minor, &mut money.in_flight_minor, face_minor);
        take(&mut campaign.live_face_minor, face_minor);
        campaign.locked_face_minor += face_minor;
        campaign.counts.live -= 1;
        campaign.counts.locked += 1;
        campaign.assert_sound();
        number
    }

    pub(crate) fn release_lock(
        &mut self,
        now_ms: u64,
        seq: u64,
        release: ReleaseLock,
    ) -> Result<Effect, Refusal> {
        let lock = self.locks.get(release.lock.index()).ok_or(Refusal::LockNotFound)?;
        if lock.order().is_some() {
            return Err(Refusal::HeldByOrder);
        }
        match lock.state() {
            LockState::Used => Err(Refusal::LockNotHeld),
            LockState::Released(Undone { seq, at_ms, voucher_state }) => {
                let outcome = Outcome::Released { voucher_state };
                Ok(Effect::Repeat { seq, at_ms, outcome })
            }
            LockState::Held => {
                let voucher_state = self.let_go(now_ms, seq, release.lock);
                Ok(Effect::Done(Outcome::Released { voucher_state }))
            }
        }
    }

    /// Ends a held lock: its voucher is live again, or expires at once if its time is over.
    pub(crate) fn let_go(&mut self, now_ms: u64, seq: u64, number: LockNo) -> VoucherState {
        let lock = &self.locks[number.index()];
        assert_eq!(lock.state(), LockState::Held, "only a held lock can be let go");
        let voucher = &self.vouchers[lock.voucher.index()];
        let over = self.voucher_end_ms(voucher) <= now_ms;
        let voucher_state = if over { VoucherState::Expired } else { VoucherState::Live };

        let lock = &mut self.locks[number.index()];
        lock.release(Undone { seq, at_ms: now_ms, voucher_state });
        let voucher = &mut self.vouchers[lock.voucher.index()];
        voucher.set_free(voucher_state);
        let face_minor = u64::from(voucher.face_minor);
        let campaign = &mut self.campaigns[voucher.campaign.index()];
        campaign.unlock(face_minor);
        if over {
            campaign.end_live(face_minor);
            campaign.counts.expired += 1;
        }
        campaign.assert_sound();
        self.settle_held(number);
        voucher_state
    }

    /// Ends the lock of a voucher when its time is over and no tick has seen that yet, so that what
    /// the caller checked with [`Self::voucher_state_at`] is also what the tables say.
    pub(super) fn unlock_if_over(&mut self, voucher: VoucherNo, now_ms: u64) {
        if let Some(lock) = self.vouchers[voucher.index()].lock()
            && self.locks[lock.index()].until_ms <= now_ms
        {
            // Ended by the command that is being applied.
            self.let_go(now_ms, self.last_seq() + 1, lock);
        }
    }

    /// The first `limit` held locks that end by then, in the order in which they do, each with that
    /// time.
    pub(crate) fn locks_over(&self, until_ms: u64, limit: usize) -> Vec<(u64, LockNo)> {
        let counts = |until_ms, lock: LockNo| self.locks[lock.index()].is_held_until(until_ms);
        self.held.over(until_ms, limit, counts)
    }

    /// To be called after every change of what a lock holds.
    pub(crate) fn settle_held(&mut self, changed: LockNo) {
        let counts = |until_ms, lock: LockNo| self.locks[lock.index()].is_held_until(until_ms);
        self.held.settle(changed, counts, |lock| self.locks.prefetch(lock.0));
    }

    /// To be called after changes of any locks.
    pub(crate) fn settle_all_held(&mut self) {
        self.held.settle_all(|until_ms, lock| self.locks[lock.index()].is_held_until(until_ms));
    }

    /// Whether a lock holds its voucher, as the clock has it.
    pub(crate) fn is_held_at(&self, now_ms: u64, lock: LockNo) -> bool {
        let lock = &self.locks[lock.index()];
        lock.state() == LockState::Held && lock.until_ms > now_ms
    }

    pub(super) fn voucher_of(&self, number: VoucherNo, user: UserKey) -> Result<&Voucher, Refusal> {
        let voucher = self.vouchers.get(number.index()).ok_or(Refusal::VoucherNotFound)?;
        if voucher.user != user {
            return Err(Refusal::VoucherOfAnotherUser);
        }
        Ok(voucher)
    }

    /// The state as the clock has it: what is due has happened, whether or not a tick has seen it.
    pub(crate) fn voucher_state_at(&self, now_ms: u64, voucher: &Voucher) -> VoucherState {
        let over = || self.voucher_end_ms(voucher) <= now_ms;
        match voucher.state() {
            VoucherState::Locked => {
                let lock = voucher.lock().expect("a locked voucher names its lock");
                if self.locks[lock.index()].until_ms > now_ms {
                    VoucherState::Locked
                } else if over() {
                    VoucherState::Expired
                } else {
                    VoucherState::Live
                }
            }
            VoucherState::Live if over() => VoucherState::Expired,
            state => state,
        }
    }
}

impl Campaign {
    /// A locked voucher becomes a live one.
    pub(super) fn unlock(&mut self, face_minor: u64) {
        shift(&mut self.money.in_flight_minor, &mut self.money.reserved_minor, face_minor);
        take(&mut self.locked_face_minor, face_minor);
        self.live_face_minor += face_minor;
        self.counts.locked -= 1;
        self.counts.live += 1;
    }

    /// A live voucher ends unused; the caller counts as what.
    pub(super) fn end_live(&mut self, face_minor: u64) {
        shift(&mut self.money.reserved_minor, &mut self.money.available_minor, face_minor);
        take(&mut self.live_face_minor, face_minor);
        self.counts.live -= 1;
    }
}
