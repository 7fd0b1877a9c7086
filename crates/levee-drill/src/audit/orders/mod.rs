//! Orders: where one stands is worked out here from what was said of it, and its voucher follows.
//!
//! | file | what is counted there |
//! |---|---|
//! | `order.rs` | one order, without anything around it |
//! | `quotes.rs` | what may be offered, and which offer an order takes |
//! | `place.rs` | placing |
//! | `payments.rs` | what providers say, refunds, disputes |
//! | `tickets.rs` | steps of tickets, moves, cancellation |
//! | `sweeps.rs` | what ticks end, and that they end what is due |
//! | `compensation.rs` | what is given for orders that ended |
//! | `report.rs` | what comes out |

mod compensation;
mod order;
mod payments;
mod place;
mod quotes;
mod report;
mod sweeps;
mod tickets;

use levee_core::types::{
    CampaignNo, Held, LockNo, OrderChange, OrderNo, OrderState, RedemptionNo, VoucherNo,
    VoucherState,
};

use super::recount::Recount;
use super::tables::{Lock, LockState, Redemption, RedemptionState};
use super::vouchers::or_expected;

pub(super) use order::Order;
pub(super) use quotes::Quote;
pub(super) use report::Tally;
pub use report::{DisputesReport, OrdersReport, StatesReport};

impl Recount {
    /// An order's voucher is used: its rest stays reserved while the order is under way.
    fn use_for(&mut self, redemption: RedemptionNo, number: OrderNo, order: &Order) {
        if let Some(what) = self.redemptions.misnumbered(redemption.0) {
            self.notes.note(what);
        }
        let Some(voucher_no) = order.voucher else { return };
        let Some(voucher) = self.vouchers.get(voucher_no.0).copied() else {
            self.redemptions.put(redemption.0, None);
            return;
        };
        let campaign = &self.campaigns[CampaignNo(voucher.campaign).index()];
        let within_ms = campaign.terms.voucher.rollback_within_ms;
        let record = Redemption {
            voucher: voucher_no,
            at_ms: self.now_ms,
            rollback_until_ms: self.now_ms.saturating_add(within_ms),
            discount_minor: order.subsidy_minor,
            rest_minor: voucher.face_minor.saturating_sub(order.subsidy_minor),
            state: RedemptionState::Open,
            order: Some(number),
        };
        self.use_up(redemption, &record);
        self.check_sums(voucher.campaign);
    }

    /// An order as the journal left it.
    fn order(&mut self, number: OrderNo) -> Option<Order> {
        let order = self.orders.get(number.0).copied();
        self.notes.check(order.is_some(), || format!("there is no order {number}"));
        order
    }

    /// The order that a command names, as the clock has it: what it awaited is over when its time
    /// is. A difference when there is none.
    fn order_now(&mut self, number: OrderNo) -> Option<(Order, Order)> {
        let before = self.order(number)?;
        let mut order = before;
        if order.awaits() && self.order_end_ms(&order) <= self.now_ms {
            order.run_out();
        }
        Some((before, order))
    }

    /// Takes what became of an order: its voucher follows, and the journal must say the same. Says
    /// what became of the voucher, where the order let go of it.
    fn follow(
        &mut self,
        number: OrderNo,
        before: &Order,
        after: Order,
        said: Option<&OrderChange>,
    ) -> Option<VoucherState> {
        let (mut after, mut used, mut voucher_state) = (after, None, None);
        if after.end.is_some() && before.end.is_none() {
            voucher_state = self.let_go_of(before, said.and_then(|said| said.voucher));
            after.held = Held::Nothing;
        } else if before.lock().is_some() && after.reached != OrderState::AwaitingPayment {
            // The number is the journal's to give; that it is the next one is checked with it.
            used = said.and_then(|said| said.redemption);
            self.notes.check(used.is_some(), || {
                format!("order {number} is paid, and its voucher is not used")
            });
            if let Some(used) = used {
                self.use_for(used, number, &after);
            }
            after.held = used.map_or(Held::Nothing, Held::Redemption);
        } else if after.reached == OrderState::Collected && before.reached != after.reached {
            self.settle_if_over(after.redemption());
        }
        if let Some(said) = said {
            let expected = OrderChange {
                state: after.state(),
                payment: after.payment(),
                version: after.version,
                redemption: used,
                voucher: voucher_state,
                ended: before.awaits() && !after.awaits(),
            };
            self.notes.check(*said == expected, || {
                format!("order {number} became {said:?}, counted was {expected:?}")
            });
        }
        let explained = self.is_explained();
        if let Some(what) = after.fault().filter(|_| !explained) {
            self.notes.note(format!("order {number}: {what}: {after:?}"));
        }
        if after.end.is_some() && before.end.is_none() && self.is_owed_for(&after) {
            self.owed.insert(number.0);
        }
        if after.awaits() && after.due != before.due {
            self.due_orders.push(number.0, self.order_end_ms(&after));
        }
        if let Some(order) = self.orders.get_mut(number.0) {
            *order = after;
        }
        voucher_state
    }

    /// The voucher of an order that ends: unlocked, or its use undone. `None` when its lock had let
    /// go of it before.
    fn let_go_of(&mut self, order: &Order, stated: Option<VoucherState>) -> Option<VoucherState> {
        let number = order.voucher?;
        let voucher = self.vouchers.get(number.0).copied()?;
        let expected = self.state_when_let_go(&voucher);
        let to = or_expected(stated.unwrap_or(expected), expected);
        if let Some(lock) = order.lock() {
            let is_held = self.locks.get(lock.0)?.state == LockState::Held;
            if !is_held {
                return None;
            }
            self.turn(number, to);
        } else {
            let redemption = order.redemption()?;
            let record = self.redemptions.get_mut(redemption.0)?;
            let voucher = self.vouchers.get_mut(number.0)?;
            let campaign = &mut self.campaigns[CampaignNo(voucher.campaign).index()];
            campaign.roll_back(voucher, record, to);
        }
        self.check_sums(voucher.campaign);
        Some(expected)
    }

    /// A use whose time for rollback passed while its order was under way settles with it.
    fn settle_if_over(&mut self, redemption: Option<RedemptionNo>) {
        let Some(number) = redemption else { return };
        let Some(record) = self.redemptions.get(number.0).copied() else { return };
        let is_open = record.state == RedemptionState::Open;
        if !is_open || self.redemption_end_ms(&record) > self.now_ms {
            return;
        }
        let Some(voucher) = self.vouchers.get(record.voucher.0) else { return };
        let campaign = CampaignNo(voucher.campaign);
        if let Some(record) = self.redemptions.get_mut(number.0) {
            self.campaigns[campaign.index()].settle(record);
        }
        self.check_sums(campaign.0);
    }

    /// When an order is over by the clock, unless something is heard of it.
    fn order_end_ms(&self, order: &Order) -> u64 {
        let (asked_at_ms, due_ms) = order.due;
        self.graced_ms(asked_at_ms, due_ms)
    }

    /// Whether the end of an order may still undo this redemption.
    pub(super) fn is_kept_open(&self, redemption: &Redemption) -> bool {
        let order = redemption.order.and_then(|order| self.orders.get(order.0));
        order.is_some_and(Order::is_open)
    }

    /// Locks of apps and of orders: a lock is put into the table, and its voucher is locked.
    pub(super) fn hold(
        &mut self,
        number: LockNo,
        voucher: VoucherNo,
        until_ms: u64,
        order: Option<OrderNo>,
    ) {
        if let Some(what) = self.locks.misnumbered(number.0) {
            self.notes.note(what);
        }
        let at_ms = self.now_ms;
        let lock = Lock { voucher, at_ms, until_ms, state: LockState::Held, order };
        let Some(campaign) = self.vouchers.get(voucher.0).map(|voucher| voucher.campaign) else {
            self.locks.put(number.0, None);
            return;
        };
        // A second lock of a locked voucher, if the journal says so, takes the first one's place.
        if self.locks.put(number.0, Some(lock)) {
            self.turn(voucher, VoucherState::Locked);
            if let Some(voucher) = self.vouchers.get_mut(voucher.0) {
                voucher.lock = Some(number);
            }
        }
        self.check_sums(campaign);
    }
}
