//! Time: expiries in bounded batches, grace for our own outages, and changes of the rules.

use alloc::boxed::Box;
use core::mem;

use crate::state::{Effect, Outage, State, shift, take};
use crate::tables::{Redemption, RedemptionState, Voucher};
use crate::types::{
    ActivateRules, LockNo, Outcome, Refusal, ResumeService, Swept, Tick, VoucherState,
};

/// How long a request's answer is remembered, at least.
const REQUESTS_REMEMBERED_MS: u64 = 72 * 3_600_000;

/// Gaps shorter than this are not worth a grace.
const OUTAGE_MS_MIN: u64 = 1_000;

impl State {
    /// Lets expire what is due, at most `limit` of each kind: locks by their end, then vouchers and
    /// rests campaign by campaign in the order of their making.
    pub(crate) fn tick(&mut self, now_ms: u64, seq: u64, tick: Tick) -> Effect {
        let limit = tick.limit as usize;
        let mut swept = Swept::default();
        let ended = self.held.iter().take_while(|(until_ms, _)| *until_ms <= now_ms);
        let ended = ended.filter(|(_, lock)| self.lock_end_ms(*lock) <= now_ms);
        swept.locks = ended.map(|(_, lock)| *lock).take(limit).collect();
        for lock in &swept.locks {
            self.let_go(now_ms, seq, *lock);
        }
        let mut campaigns = mem::take(&mut self.campaigns);
        let mut steps = limit;
        for campaign in &mut campaigns {
            while steps > 0
                && let Some(number) = campaign.next_to_expire
                && self.voucher_end_ms(&self.vouchers[number.index()]) <= now_ms
            {
                let voucher = &mut self.vouchers[number.index()];
                // A locked voucher expires when it is let go, a redeemed one if it is rolled back.
                if voucher.state == VoucherState::Live {
                    voucher.state = VoucherState::Expired;
                    campaign.end_live(u64::from(voucher.face_minor));
                    campaign.counts.expired += 1;
                    swept.vouchers.push(number);
                }
                campaign.next_to_expire = voucher.next_in_campaign;
                steps -= 1;
            }
            while steps > 0
                && let Some(number) = campaign.next_to_settle
                && self.rollback_end_ms(&self.redemptions[number.index()]) <= now_ms
            {
                let redemption = &mut self.redemptions[number.index()];
                if redemption.state == RedemptionState::Open {
                    redemption.state = RedemptionState::Settled;
                    let rest_minor = u64::from(redemption.rest_minor);
                    let money = &mut campaign.money;
                    take(&mut campaign.open_rests_minor, rest_minor);
                    shift(&mut money.reserved_minor, &mut money.available_minor, rest_minor);
                    swept.redemptions.push(number);
                }
                campaign.next_to_settle = redemption.next_in_campaign;
                steps -= 1;
            }
            campaign.assert_sound();
        }
        self.campaigns = campaigns;
        self.requests.forget(now_ms.saturating_sub(REQUESTS_REMEMBERED_MS), limit);
        self.outages.retain(|outage| now_ms < outage.grace_until_ms());
        Effect::Done(Outcome::Ticked(Box::new(swept)))
    }

    /// When the next tick will have something to do, in milliseconds since 1970.
    #[must_use]
    pub fn next_due_ms(&self) -> Option<u64> {
        let lock = self.held.first().map(|(_, lock)| self.lock_end_ms(*lock));
        let others = self.campaigns.iter().flat_map(|campaign| {
            let voucher = campaign.next_to_expire;
            let redemption = campaign.next_to_settle;
            [
                voucher.map(|number| self.voucher_end_ms(&self.vouchers[number.index()])),
                redemption.map(|number| self.rollback_end_ms(&self.redemptions[number.index()])),
            ]
        });
        others.chain([lock]).flatten().min()
    }

    pub(crate) fn resume_service(&mut self, now_ms: u64, resume: ResumeService) -> Effect {
        let outage_ms = now_ms.saturating_sub(resume.stopped_at_ms);
        if outage_ms >= OUTAGE_MS_MIN {
            self.outages.push(Outage { from_ms: resume.stopped_at_ms, until_ms: now_ms });
        }
        Effect::Done(Outcome::ServiceResumed { outage_ms })
    }

    /// The end of what was made before an outage of ours and would have ended in it, or so shortly
    /// after it that less than the outage's length is left, moves to one such length after our
    /// return. This keeps the order of the ends of all that was made before.
    fn graced_ms(&self, made_at_ms: u64, end_ms: u64) -> u64 {
        self.outages.iter().fold(end_ms, |end_ms, outage| {
            let touched = made_at_ms <= outage.from_ms && end_ms > outage.from_ms;
            if touched { end_ms.max(outage.grace_until_ms()) } else { end_ms }
        })
    }

    /// When a voucher ends, grace included.
    pub(crate) fn voucher_end_ms(&self, voucher: &Voucher) -> u64 {
        self.graced_ms(voucher.issued_at_ms, voucher.valid_until_ms)
    }

    /// When a lock ends, grace included.
    pub(crate) fn lock_end_ms(&self, lock: LockNo) -> u64 {
        let lock = &self.locks[lock.index()];
        self.graced_ms(lock.at_ms, lock.until_ms)
    }

    /// When a redemption can no longer be undone, grace included.
    pub(crate) fn rollback_end_ms(&self, redemption: &Redemption) -> u64 {
        self.graced_ms(redemption.at_ms, redemption.rollback_until_ms)
    }

    pub(crate) fn activate_rules(&mut self, activate: ActivateRules) -> Result<Effect, Refusal> {
        let rules = self.book.get(activate.version).ok_or(Refusal::RulesUnknown)?;
        if rules.version <= self.rules.version {
            return Err(Refusal::RulesUnknown);
        }
        self.rules = rules;
        Ok(Effect::Done(Outcome::RulesActivated))
    }
}
