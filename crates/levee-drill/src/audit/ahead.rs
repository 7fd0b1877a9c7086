//! What a chunk of commands will look up is looked at before, all of it at once.
//!
//! The tables of a long journal are far larger than any cache, so almost every look-up waits for
//! memory. Command by command these waits would stand in a row; here they overlap, because no
//! look depends on another. Nothing is changed or decided.

use std::hint::black_box;

use levee_core::types::{Command, OrderNo, TicketStep, VoucherNo};

use super::keys::ReferenceKind;
use super::orders::Order;
use super::outlets::Outlet;
use super::recount::Recount;
use super::stream::{Entry, Event};
use super::tables::Voucher;

/// So many events are looked ahead at a time: enough looks that do not wait for each other, and
/// few enough that what was brought near is near still when its command's turn comes.
pub(super) const LOOK_AHEAD_EVENTS: usize = 128;

impl Recount {
    /// Brings near what these events will look up.
    pub(super) fn look_ahead(&self, events: &[Event]) {
        let glance = |look: fn(&Self, &Entry) -> u64| {
            let entries = events.iter().filter_map(|event| match event {
                Event::Command(entry) => Some(entry),
                _ => None,
            });
            // Some use must be made of what was read, or the compiler would not read it.
            black_box(entries.fold(0, |sum, entry| sum ^ look(self, entry)));
        };
        glance(Self::glance_names);
        // A reference belongs to a campaign, which the voucher knows; and what an order holds stands in
        // the order.
        glance(Self::glance_behind);
    }

    fn glance_names(&self, entry: &Entry) -> u64 {
        let request = entry.command.request().map_or(0, |_| self.requests.glance(entry.names));
        request
            ^ match &entry.command {
                Command::ClaimVoucher(ask) => {
                    self.campaign(ask.campaign).map_or(0, |found| found.users.glance(entry.names))
                }
                Command::RedeemVoucher(ask) => self.glance_voucher(ask.bill.voucher),
                Command::LockVoucher(ask) => self.glance_voucher(ask.voucher),
                Command::RevokeVoucher(ask) => self.glance_voucher(ask.voucher),
                Command::PlaceOrder(ask) => {
                    ask.voucher.map_or(0, |voucher| self.glance_voucher(voucher))
                        ^ self.outlets.get(ask.outlet).map_or(0, Outlet::glance)
                }
                Command::RecordPayment(ask) => self.glance_order(ask.order),
                Command::MoveTicket(ask) => self.glance_order(ask.order),
                _ => 0,
            }
    }

    fn glance_voucher(&self, number: VoucherNo) -> u64 {
        self.vouchers.get(number.0).map_or(0, Voucher::glance)
    }

    /// What an order that is paid brings with it.
    fn glance_around(&self, order: &Order) -> u64 {
        let voucher = order.voucher().map_or(0, |voucher| self.glance_voucher(voucher));
        let outlet = self.outlets.get(order.outlet()).map_or(0, Outlet::glance);
        voucher ^ outlet ^ self.glance_held(order)
    }

    /// The lock or redemption that an order's voucher has for it.
    fn glance_held(&self, order: &Order) -> u64 {
        let lock = order.lock().and_then(|lock| self.locks.get(lock.0));
        let redemption = order.redemption().and_then(|used| self.redemptions.get(used.0));
        lock.map_or(0, |lock| lock.at_ms) ^ redemption.map_or(0, |redemption| redemption.at_ms)
    }

    fn glance_order(&self, number: OrderNo) -> u64 {
        self.orders.get(number.0).map_or(0, Order::glance)
    }

    fn glance_behind(&self, entry: &Entry) -> u64 {
        let (kind, number) = match &entry.command {
            Command::RedeemVoucher(ask) => (ReferenceKind::Redemption, ask.bill.voucher),
            Command::LockVoucher(ask) => (ReferenceKind::Lock, ask.voucher),
            Command::RecordPayment(ask) => {
                let (text, order) = (entry.names.reference, self.orders.get(ask.order.0));
                let reference = self.references.glance(ReferenceKind::Payment, 0, text);
                return reference ^ order.map_or(0, |order| self.glance_around(order));
            }
            Command::MoveTicket(ask) if ask.step == TicketStep::Collect => {
                let order = self.orders.get(ask.order.0);
                return order.map_or(0, |order| self.glance_held(order));
            }
            _ => return 0,
        };
        let voucher = self.vouchers.get(number.0);
        let text = entry.names.reference;
        voucher.map_or(0, |voucher| self.references.glance(kind, voucher.campaign, text))
    }
}
