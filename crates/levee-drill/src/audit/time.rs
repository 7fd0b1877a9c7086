//! Time: what ticks let expire, our own outages and the grace that they give.

use levee_core::types::{
    CampaignNo, LockNo, RedemptionNo, ResumeService, Swept, SweptOrders, Tick, VoucherNo,
    VoucherState,
};

use super::recount::Recount;
use super::tables::{Redemption, RedemptionState, Voucher};

/// Shorter outages give no grace.
const OUTAGE_MS_MIN: u64 = 1_000;

/// A time in which the service was not there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outage {
    pub(super) from_ms: u64,
    /// As long after the return as the service was gone.
    pub(super) grace_until_ms: u64,
}

impl Recount {
    /// An end moves with every outage that the thing was made before and would not have outlived:
    /// to the end of that outage's grace at least.
    pub(super) fn graced_ms(&self, made_at_ms: u64, mut end_ms: u64) -> u64 {
        let from = self.outages.partition_point(|outage| outage.from_ms < made_at_ms);
        for outage in &self.outages[from..] {
            if outage.from_ms >= end_ms {
                break;
            }
            end_ms = end_ms.max(outage.grace_until_ms);
        }
        end_ms
    }

    pub(super) fn voucher_end_ms(&self, voucher: &Voucher) -> u64 {
        self.graced_ms(voucher.issued_at_ms, voucher.valid_until_ms)
    }

    pub(super) fn lock_end_ms(&self, lock: LockNo) -> Option<u64> {
        let lock = self.locks.get(lock.0)?;
        Some(self.graced_ms(lock.at_ms, lock.until_ms))
    }

    pub(super) fn redemption_end_ms(&self, redemption: &Redemption) -> u64 {
        self.graced_ms(redemption.at_ms, redemption.rollback_until_ms)
    }

    pub(super) fn resume(&mut self, ask: ResumeService, outage_ms: u64) {
        let (from_ms, now_ms) = (ask.stopped_at_ms, self.now_ms);
        // A record without commands, such as the mark of a shutdown, may or may not count as the
        // last sign of life.
        let allowed = self.commands_before_ms..=self.record_before_ms;
        self.notes.check(allowed.contains(&from_ms), || {
            format!("stopped at {from_ms}, though the last record is of {}", allowed.end())
        });
        // Nothing was gone while a command was at work.
        let from_ms = from_ms.max(self.last_command_ms);
        let expected = now_ms.saturating_sub(from_ms);
        self.notes.check(outage_ms == expected, || {
            format!("an outage of {expected} ms is written down as {outage_ms}")
        });
        if outage_ms >= OUTAGE_MS_MIN {
            let grace_until_ms = now_ms.saturating_add(outage_ms);
            self.outages.push(Outage { from_ms, grace_until_ms });
        }
    }

    /// Every listed thing was still there and its time was over. That nothing which is due stays
    /// unlisted is counted of orders, quotes and pauses alone: a limit of steps may end the sweep of
    /// vouchers and redemptions anywhere, and every use of a thing is checked by the clock.
    pub(super) fn tick(&mut self, tick: Tick, swept: &Swept, orders: &SweptOrders) {
        let limit = usize::try_from(tick.limit).unwrap_or(usize::MAX);
        self.notes.check(orders.len() <= limit, || {
            format!("{} orders, quotes and pauses ended at a limit of {limit}", orders.len())
        });
        let others = swept.vouchers.len().saturating_add(swept.redemptions.len());
        self.notes.check(swept.locks.len() <= limit && others <= limit, || {
            format!("{} things expired at a limit of {limit}", swept.len())
        });
        swept.locks.iter().for_each(|lock| self.sweep_lock(*lock));
        self.sweep_orders(limit, orders);
        swept.vouchers.iter().for_each(|voucher| self.sweep_voucher(*voucher));
        swept.redemptions.iter().for_each(|redemption| self.sweep_redemption(*redemption));
    }

    fn sweep_lock(&mut self, number: LockNo) {
        let Some((lock, voucher)) = self.held(number) else { return };
        let end_ms = self.lock_end_ms(number).unwrap_or(0);
        self.check_due("lock", number.0, end_ms);
        let to = self.state_when_let_go(&voucher);
        self.turn(lock.voucher, to);
        self.check_sums(voucher.campaign);
    }

    fn sweep_voucher(&mut self, number: VoucherNo) {
        let Some(voucher) = self.vouchers.get(number.0).copied() else {
            self.notes.note(format!("there is no voucher {number}"));
            return;
        };
        if voucher.state != VoucherState::Live {
            let state = voucher.state;
            self.notes.note(format!("voucher {number} expires, though it was {state:?}"));
            return;
        }
        self.check_due("voucher", number.0, self.voucher_end_ms(&voucher));
        self.turn(number, VoucherState::Expired);
        self.check_sums(voucher.campaign);
    }

    fn sweep_redemption(&mut self, number: RedemptionNo) {
        let Some(redemption) = self.redemptions.get(number.0).copied() else {
            self.notes.note(format!("there is no redemption {number}"));
            return;
        };
        if redemption.state != RedemptionState::Open {
            let state = redemption.state;
            self.notes.note(format!("redemption {number} settles, though it was {state:?}"));
            return;
        }
        self.check_due("redemption", number.0, self.redemption_end_ms(&redemption));
        let is_kept_open = self.is_kept_open(&redemption);
        self.notes.check(!is_kept_open, || {
            format!("redemption {number} settles, though its order is under way")
        });
        let Some(voucher) = self.vouchers.get(redemption.voucher.0) else { return };
        let campaign = CampaignNo(voucher.campaign);
        if let Some(redemption) = self.redemptions.get_mut(number.0) {
            self.campaigns[campaign.index()].settle(redemption);
        }
        self.check_sums(campaign.0);
    }

    pub(super) fn check_due(&mut self, what: &str, number: u32, end_ms: u64) {
        let now_ms = self.now_ms;
        self.notes.check(end_ms <= now_ms, || {
            format!("{what} {number} ended {} ms early", end_ms.saturating_sub(now_ms))
        });
    }
}
