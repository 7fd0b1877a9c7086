//! Who reads outcomes alone, as those do who tell others of them, learns of each end exactly once:
//! of every order that it is over, and of every voucher whose time is over that it expired. Whether a
//! tick comes first, or a command to what is over already.

use std::collections::BTreeMap;

use super::Both;
use crate::tables::{LockState, Undone};
use crate::types::*;

impl Both {
    /// How often it was said of each order that it is over, and of each voucher that it expired.
    fn told(&self) -> (BTreeMap<u32, usize>, BTreeMap<u32, usize>) {
        let (mut orders, mut vouchers) = (BTreeMap::new(), BTreeMap::new());
        let mut over = |order: OrderNo| *orders.entry(order.0).or_default() += 1;
        let mut expired = |voucher: VoucherNo| *vouchers.entry(voucher.0).or_default() += 1;
        for (_, command, outcome) in &self.accepted {
            let swept = match outcome {
                Outcome::Ticked(swept) | Outcome::TickedWithOrders { swept, .. } => swept,
                Outcome::Released { voucher_state: VoucherState::Expired } => {
                    let Command::ReleaseLock(ask) = command else { panic!("{command:?}") };
                    expired(self.state.locks[ask.lock.index()].voucher);
                    continue;
                }
                Outcome::RolledBack { voucher_state: VoucherState::Expired } => {
                    let Command::RollBackRedemption(ask) = command else { panic!("{command:?}") };
                    expired(self.state.redemptions[ask.redemption.index()].voucher);
                    continue;
                }
                Outcome::OrderChanged(change)
                | Outcome::PromisedAnew { change, .. }
                | Outcome::RefundEnded { change, .. } => {
                    let order = order_of(command);
                    if change.ended {
                        over(order);
                    }
                    if change.voucher == Some(VoucherState::Expired) {
                        let row = self.state.orders.get(order).expect("known");
                        expired(row.voucher().expect("it let go of it"));
                    }
                    continue;
                }
                _ => continue,
            };
            swept.vouchers.iter().copied().for_each(&mut expired);
            for lock in &swept.locks {
                let lock = &self.state.locks[lock.index()];
                let is_over = |undone: Undone| undone.voucher_state == VoucherState::Expired;
                if matches!(lock.state(), LockState::Released(undone) if is_over(undone)) {
                    expired(lock.voucher);
                }
            }
            if let Outcome::TickedWithOrders { orders, .. } = outcome {
                orders.expired.iter().chain(&orders.collected).copied().for_each(&mut over);
                orders.vouchers.iter().copied().for_each(&mut expired);
            }
        }
        (orders, vouchers)
    }

    /// Everything is over by now.
    pub(super) fn check_told(&self) {
        let (orders, vouchers) = self.told();
        let once = |numbers: Vec<u32>| numbers.into_iter().map(|number| (number, 1)).collect();
        let placed = (0..self.state.orders.rows.len()).collect();
        assert_eq!(orders, once(placed), "every order ends once");
        let expired = self.model.vouchers.iter();
        let expired = expired.filter(|(number, _)| {
            self.state.vouchers[**number as usize].state() == VoucherState::Expired
        });
        let expired = expired.map(|(number, _)| *number).collect();
        assert_eq!(vouchers, once(expired), "every voucher expires once");
    }
}

fn order_of(command: &Command) -> OrderNo {
    match command {
        Command::RecordPayment(ask) => ask.order,
        Command::RecordRefund(ask) => ask.order,
        Command::MoveTicket(ask) => ask.order,
        Command::CancelOrder(ask) => ask.order,
        Command::RefundOrder(ask) => ask.order,
        other => panic!("an order changed by {other:?}"),
    }
}
