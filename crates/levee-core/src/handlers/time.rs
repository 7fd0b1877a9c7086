//! Time: expiries in bounded batches, grace for our own outages, and changes of the rules.

use alloc::boxed::Box;
use core::mem;

use crate::deadlines::Deadlines;
use crate::state::{Effect, Outage, State};
use crate::tables::{Redemption, RedemptionState, Voucher};
use crate::types::{ActivateRules, Outcome, Refusal, ResumeService, Swept, Tick, VoucherState};

/// How long a request's answer is remembered, at least.
const REQUESTS_REMEMBERED_MS: u64 = 72 * 3_600_000;

/// Gaps shorter than this are not worth a grace.
const OUTAGE_MS_MIN: u64 = 1_000;

impl State {
    /// Lets expire what is due: at most `limit` locks by their end, then at most `limit` orders,
    /// compensations, quotes and pauses of outlets, then at most `limit` vouchers and rests together,
    /// campaign by campaign in the order of their making. One that ended in another way takes a step
    /// as well, so a tick that swept nothing may still have work left; [`Self::next_due_ms`] knows.
    pub(crate) fn tick(&mut self, now_ms: u64, seq: u64, tick: Tick) -> Effect {
        let limit = tick.limit as usize;
        let mut swept = Swept::default();
        let ended = self.locks_over(now_ms, limit).into_iter();
        swept.locks = ended.map(|(_, lock)| lock).collect();
        for lock in &swept.locks {
            self.let_go(now_ms, seq, *lock);
        }
        let orders = self.sweep_orders(now_ms, seq, limit);
        let mut campaigns = mem::take(&mut self.campaigns);
        let mut steps = limit;
        for campaign in &mut campaigns {
            while steps > 0
                && let Some(number) = campaign.next_to_expire
                && self.voucher_end_ms(&self.vouchers[number.index()]) <= now_ms
            {
                let voucher = &mut self.vouchers[number.index()];
                // A locked voucher expires when it is let go, a redeemed one if it is rolled back.
                if voucher.state() == VoucherState::Live {
                    voucher.set_free(VoucherState::Expired);
                    campaign.end_live(u64::from(voucher.face_minor));
                    campaign.counts.expired += 1;
                    swept.vouchers.push(number);
                }
                campaign.next_to_expire = voucher.next_in_campaign();
                steps -= 1;
            }
            while steps > 0
                && let Some(number) = campaign.next_to_settle
                && self.rollback_end_ms(&self.redemptions[number.index()]) <= now_ms
            {
                // One that an order may still undo settles when the order is collected.
                let kept_open = self.is_kept_open(&self.redemptions[number.index()]);
                let redemption = &mut self.redemptions[number.index()];
                if redemption.state() == RedemptionState::Open && !kept_open {
                    redemption.settle();
                    campaign.free_rest(u64::from(redemption.rest_minor));
                    swept.redemptions.push(number);
                }
                campaign.next_to_settle = redemption.next_in_campaign();
                steps -= 1;
            }
            campaign.assert_sound();
        }
        self.campaigns = campaigns;
        let before_ms = now_ms.saturating_sub(REQUESTS_REMEMBERED_MS);
        self.requests.forget(before_ms, limit, &mut self.store);
        self.quotes.forget(limit, &mut self.store);
        // One grace can reach into the next outage, so they are forgotten together.
        if self.outages.iter().all(|outage| outage.grace_until_ms() <= now_ms) {
            self.outages.clear();
        }
        let swept = Box::new(swept);
        Effect::Done(if orders.is_empty() {
            Outcome::Ticked(swept)
        } else {
            Outcome::TickedWithOrders { swept, orders: Box::new(orders) }
        })
    }

    /// When the next tick will have something to do, in milliseconds since 1970.
    #[must_use]
    pub fn next_due_ms(&self) -> Option<u64> {
        let lock = self.held.first_ms();
        let others = self.campaigns.iter().flat_map(|campaign| {
            let voucher = campaign.next_to_expire;
            let redemption = campaign.next_to_settle;
            [
                voucher.map(|number| self.voucher_end_ms(&self.vouchers[number.index()])),
                redemption.map(|number| self.rollback_end_ms(&self.redemptions[number.index()])),
            ]
        });
        let order = self.orders.lists.first_due_ms();
        let quote = self.quotes.held().next().map(|(until_ms, _)| until_ms);
        let pause = self.outlets.pauses().next().map(|(ends_ms, _)| ends_ms);
        let owed = self.orders.lists.owed().next().map(|_| self.last_ms());
        others.chain([lock, order, quote, pause, owed]).flatten().min()
    }

    pub(crate) fn resume_service(&mut self, now_ms: u64, resume: ResumeService) -> Effect {
        // Nothing was down while it was at work: what a tick has let pass must stay over.
        let from_ms = resume.stopped_at_ms.max(self.last_ms());
        let outage_ms = now_ms.saturating_sub(from_ms);
        if outage_ms >= OUTAGE_MS_MIN {
            let outage = Outage { from_ms, until_ms: now_ms };
            // Held locks move at once, so that their order is that of their ends. They were all
            // made before the outage.
            let held = self.locks_over(u64::MAX, usize::MAX);
            self.held = Deadlines::new();
            for (end_ms, lock) in held {
                let end_ms = outage.graced_ms(end_ms);
                self.locks[lock.index()].until_ms = end_ms;
                self.held.put(0, end_ms, lock);
            }
            self.settle_all_held();
            // Orders, too: one that awaits its payment ends with its lock.
            self.orders.move_due(|due_ms| outage.graced_ms(due_ms));
            self.quotes.move_until(|until_ms| outage.graced_ms(until_ms));
            self.outages.push(outage);
        }
        Effect::Done(Outcome::ServiceResumed { outage_ms })
    }

    /// The end of what was made before an outage of ours and would have ended in it, or so shortly
    /// after it that less than the outage's length is left, moves to one such length after our
    /// return. This keeps the order of the ends of all that was made before. What is made after it
    /// may end sooner, if it lives shorter than the outage was long; its money then waits in line
    /// behind the graced.
    fn graced_ms(&self, made_at_ms: u64, end_ms: u64) -> u64 {
        let before = self.outages.iter().filter(|outage| made_at_ms <= outage.from_ms);
        before.fold(end_ms, |end_ms, outage| outage.graced_ms(end_ms))
    }

    /// When a voucher ends, grace included.
    pub(crate) fn voucher_end_ms(&self, voucher: &Voucher) -> u64 {
        self.graced_ms(voucher.issued_at_ms, voucher.valid_until_ms)
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
