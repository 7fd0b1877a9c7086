//! Notifications of Alipay, WeChat Pay and Stripe: verified and read by `levee-pay`, and answered as
//! each of them wants.

use bytes::Bytes;
use levee_api::problem::Code;
use levee_api::types::PaymentEvent;
use levee_pay::{Notification, NotifyError, State};

use super::callback::TEXT;
use crate::call::Call;
use crate::config::Wire;
use crate::reply::{Answer, Reply};
use crate::signed::{now_s, unsigned};
use crate::trouble::Trouble;

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
    // What becomes of a refund is asked for by whoever has sent it.
    if read.out_refund_no.is_some() {
        return Ok(success);
    }
    let Some(event) = event(&read) else { return Ok(success) };
    // An amount means nothing in another currency; a wrong amount is for the rules.
    if read.money.currency != wire.currency {
        let detail =
            format!("It is in {}, and orders are in {}.", read.money.currency, wire.currency);
        return Err(Trouble::new(Code::TradeConflict).with_detail(detail));
    }
    super::record(call, &wire.name, &read.out_trade_no, event, success).await
}

/// What the rules are told; none where there is nothing to tell.
fn event(read: &Notification) -> Option<PaymentEvent> {
    match read.state {
        State::Pending => Some(PaymentEvent::Pending),
        // What went back was paid before, and the notification of that may be lost.
        State::Succeeded | State::Refunding | State::Refunded => {
            Some(PaymentEvent::Succeeded { captured_minor: read.money.amount_minor })
        }
        State::Failed => Some(PaymentEvent::Failed),
        State::Closed => Some(PaymentEvent::Closed),
        State::Created | State::Unknown => None,
    }
}
