//! Webhooks in their binary form.

use super::super::*;
use super::{DecodeError, Reader, Wire};
use alloc::vec::Vec;

wire_struct! {
    PutWebhook { id, document }
    RemoveWebhook { id }
    ReplayWebhook { request, id, after_seq }
    EventNo { seq, index }
    DeadLetter { event, kind, tries, error }
    RecordDeadLetter { id, letter }
    RetryDeadLetter { request, id, event }
    SettleDeadLetter { id, event }
    Webhook { document, version, created_seq, dead, dead_dropped }
    VoucherFacts { voucher, user, campaign, face_minor }
    OrderFacts { user, total_minor, discount_minor, payable_minor, voucher, end }
}

wire_enum! {
    Subject {
        1 => Voucher(number), 2 => Redemption(number), 3 => Lock(number), 4 => Order(number),
        5 => Outlet(number),
    }
    Known { 0 => Nothing, 1 => Voucher(facts), 2 => Order(facts), 3 => Outlet(id), 4 => Lock { voucher, is_over } }
}
