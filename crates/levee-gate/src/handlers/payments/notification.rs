//! Notifications of Alipay, WeChat Pay and Stripe: verified and read by `levee-pay`, and answered as
//! each of them wants.

use bytes::Bytes;
use levee_api::types::PaymentEvent;
use levee_pay::{Currency, Notification, NotifyError, State};

use super::callback::TEXT;
use super::refund;
use crate::call::Call;
use crate::config::Wire;
use crate::reply::{Answer, Reply};
use crate::signed::{now_s, unsigned};

pub(super) async fn take(call: &Call, wire: &Wire, body: &[u8]) -> Answer {
    let acknowledged = wire.provider.success_reply();
    let success =
        Reply::bytes(acknowledged.status, TEXT, Bytes::from_static(acknowledged.body.as_bytes()));
    let read = match wire.provider.verify(&call.head.headers, body, now_s()) {
        Ok(read) => read,
        // Genuine and not for us; refused, it would come for days.
        Err(NotifyError::OtherEvent(_)) => return Ok(success),
        Err(NotifyError::Distrust(distrust)) => {
            call.worker.lane().stats.add_distrusted(distrust);
            return Err(unsigned(format!("It is not taken, since {distrust}.")));
        }
    };
    if let Some(number) = &read.out_refund_no {
        return refund::take(call, wire, &read, number, success).await;
    }
    let Some(event) = event(&read, wire.currency) else { return Ok(success) };
    super::record(call, &wire.name, &read.out_trade_no, event, success).await
}

/// What the rules are told; none where there is nothing to tell.
fn event(read: &Notification, currency: Currency) -> Option<PaymentEvent> {
    match read.state {
        State::Pending => Some(PaymentEvent::Pending),
        // What went back was paid before, and the notification of that may be lost.
        State::Succeeded | State::Refunding | State::Refunded => {
            // A wrong amount is for the rules, which put it on record as disputed; and of another
            // currency nothing was to be paid.
            let is_ours = read.money.currency == currency;
            let captured_minor = if is_ours { read.money.amount_minor } else { 0 };
            Some(PaymentEvent::Succeeded { captured_minor })
        }
        State::Failed => Some(PaymentEvent::Failed),
        State::Closed => Some(PaymentEvent::Closed),
        State::Created | State::Unknown => None,
    }
}
