//! What a batch will look at is brought near before its turn comes. Nothing is changed or decided.

use crate::handlers::payment_key;
use crate::state::State;
use crate::tables::{Order, prefetch_all};
use crate::types::{Command, Held, MoveTicket, RecordPayment, TicketStep};

impl State {
    /// Begins to bring near what needs no look-up: what stands beside a command in memory, which another
    /// thread has written just now, and the order that it names by number. A batch does this before
    /// [`Self::prefetch`], for which it is needed.
    #[inline]
    pub fn prefetch_named(&self, command: &Command) {
        match command {
            Command::RedeemVoucher(redeem) => prefetch_all(&**redeem),
            Command::LockVoucher(lock) => prefetch_all(&**lock),
            Command::PlaceOrder(place) => prefetch_all(&**place),
            Command::MoveTicket(MoveTicket { order, .. })
            | Command::RecordPayment(RecordPayment { order, .. }) => {
                self.orders.rows.prefetch(order.0);
                self.orders.lists.prefetch_undone(*order);
            }
            _ => {}
        }
    }

    /// Begins to bring near the index entries that a command will look at, and what its order names. A
    /// batch does this some commands ahead, and [`Self::prefetch_records`] a few commands ahead.
    #[inline]
    pub fn prefetch(&self, command: &Command) {
        match command {
            Command::ClaimVoucher(claim) => self.users.prefetch(claim.user),
            Command::RedeemVoucher(redeem) => {
                self.vouchers.prefetch(redeem.bill.voucher.0);
                self.requests.prefetch(redeem.request.0);
            }
            Command::LockVoucher(lock) => {
                self.vouchers.prefetch(lock.voucher.0);
                self.requests.prefetch(lock.request.0);
            }
            Command::PlaceOrder(place) => {
                place.voucher.inspect(|voucher| self.vouchers.prefetch(voucher.0));
                self.requests.prefetch(place.request.0);
                self.orders.prefetch_user(place.user);
                self.outlets.prefetch(place.outlet);
            }
            Command::RecordPayment(record) => {
                // Digested here and once more in its turn, which is less than the wait for the bucket.
                self.references.prefetch(payment_key(record));
                // A success uses the voucher, and its outlet has a time to accept.
                if let Some(order) = self.orders.get(record.order) {
                    order.voucher().inspect(|voucher| self.vouchers.prefetch(voucher.0));
                    if let Held::Lock(lock) = order.holder() {
                        self.locks.prefetch(lock.0);
                    }
                    self.outlets.rows.prefetch(order.outlet.0);
                    self.orders.lists.prefetch_open(order.outlet);
                }
            }
            Command::MoveTicket(step) => match step.step {
                TicketStep::Send | TicketStep::Accept => {}
                // What is collected may settle.
                TicketStep::Collect => {
                    let order = self.orders.get(step.order);
                    if let Some(Held::Redemption(used)) = order.map(Order::holder) {
                        self.redemptions.prefetch(used.0);
                    }
                    self.orders.lists.prefetch_open(step.outlet);
                }
                _ => self.outlets.prefetch(step.outlet),
            },
            _ => {}
        }
    }

    /// Begins to bring near the records that a command will look at, as far as the index shows them, and
    /// lists, as far as it is known where they stand.
    #[inline]
    pub fn prefetch_records(&self, command: &Command) {
        match command {
            Command::ClaimVoucher(claim) => {
                self.users.prefetch_record(claim.user, &self.vouchers);
            }
            Command::RedeemVoucher(redeem) => self.requests.prefetch_row(redeem.request.0),
            Command::LockVoucher(lock) => self.requests.prefetch_row(lock.request.0),
            Command::PlaceOrder(place) => {
                self.requests.prefetch_row(place.request.0);
                self.outlets.prefetch_promised(place.outlet);
            }
            Command::RecordPayment(record) => {
                let order = self.orders.get(record.order);
                order.inspect(|order| self.orders.lists.prefetch_open_list(order.outlet));
            }
            Command::MoveTicket(step) => match step.step {
                TicketStep::Send | TicketStep::Accept => {}
                TicketStep::Collect => self.orders.lists.prefetch_open_list(step.outlet),
                _ => self.outlets.prefetch_promised(step.outlet),
            },
            _ => {}
        }
    }
}
