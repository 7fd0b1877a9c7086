//! Notifications of Alipay, WeChat Pay and Stripe: verified and read by `levee-pay`, and answered as
//! each of them wants.

use bytes::Bytes;
use levee_api::time::now_s;
use levee_api::trade::trade_of;
use levee_api::types::PaymentEvent;
use levee_pay::{Currency, Notification, NotifyError, State, Trade};

use super::callback::TEXT;
use super::{Sender, refund};
use crate::call::Call;
use crate::config::Wire;
use crate::reply::{Answer, Reply};

pub(super) async fn take(call: &Call, sender: Sender, wire: &Wire, body: &[u8]) -> Answer {
    let acknowledged = wire.provider.success_reply();
    let success =
        Reply::bytes(acknowledged.status, TEXT, Bytes::from_static(acknowledged.body.as_bytes()));
    let ignored = |what: Ignored, id: &str| {
        call.worker.lane().stats.ignored[what as usize].add(1);
        tracing::info!(
            provider = wire.name,
            id,
            what = what.name(),
            "a notification is left alone"
        );
    };
    let read = match wire.provider.verify(&call.head.headers, body, now_s()) {
        Ok(read) => read,
        // Genuine and not for us; refused, it would come for days.
        Err(NotifyError::OtherEvent(event)) => {
            sender.is_genuine(call);
            ignored(Ignored::OtherEvent, &event);
            return Ok(success);
        }
        Err(NotifyError::Distrust(distrust)) => {
            return Err(sender.is_distrusted(call, distrust, distrust));
        }
    };
    sender.is_genuine(call);
    // Other software of the same merchant has numbers of its own.
    let codes = &call.worker.hub.ports.codes;
    let Some(order) = codes.parse_payment(&read.out_trade_no) else {
        ignored(Ignored::Foreign, &read.id);
        return Ok(success);
    };
    if let Some(number) = &read.out_refund_no {
        return match refund::number(call, order, number) {
            Some(number) => refund::take(call, wire, &read, (order, number), success).await,
            // Somebody gave it back on the provider's own page: a reconciliation shows it.
            None => {
                ignored(Ignored::Foreign, &read.id);
                Ok(success)
            }
        };
    }
    let Some(event) = event(&read, wire.currency) else {
        ignored(Ignored::Undecided, &read.id);
        return Ok(success);
    };
    // Ours, however it was written.
    let trade = Trade { out_trade_no: codes.payment(order), trade_no: read.trade_no };
    let trade = trade_of(wire.provider.distinct(&trade));
    let occurred_ms = read.occurred_s.map(|at_s| at_s.saturating_mul(1_000));
    super::record(call, &wire.name, (order, trade), event, occurred_ms, success).await
}

/// Why a genuine notification has no effect.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ignored {
    /// It is about something that nobody here waits for.
    OtherEvent = 0,
    /// The payment, or the refund, is not Levee's.
    Foreign = 1,
    /// It says that nothing is decided.
    Undecided = 2,
}

impl Ignored {
    pub(crate) const ALL: [Self; 3] = [Self::OtherEvent, Self::Foreign, Self::Undecided];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OtherEvent => "other_event",
            Self::Foreign => "foreign",
            Self::Undecided => "undecided",
        }
    }
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
