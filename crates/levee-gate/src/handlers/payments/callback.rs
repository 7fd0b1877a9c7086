//! Callbacks as the sandbox sends them: JSON, signed after Standard Webhooks.

use bytes::Bytes;
use hyper::header::HeaderValue;
use levee_api::problem::Code;
use levee_api::strict::parse;
use levee_api::trade::trade_of;
use levee_api::types::PaymentEvent;
use levee_api::webhook::WebhookError;
use levee_api::wire::{PaymentNotice, PaymentNoticeEvent};
use levee_pay::Distrust;

use super::Sender;
use crate::call::Call;
use crate::config::Provider;
use crate::handlers::vouchers::forged;
use crate::reply::{Answer, Reply};
use crate::signed::verify;
use crate::trouble::Trouble;

pub(super) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// What a provider waits for before it stops repeating itself.
const ACKNOWLEDGED: &[u8] = b"success";

pub(super) async fn take(call: &Call, sender: Sender, provider: &Provider, body: &[u8]) -> Answer {
    match verify(call, &provider.secret, body) {
        Ok(()) => sender.is_genuine(call),
        Err(error) => {
            let distrust = match error {
                WebhookError::Missing(name) | WebhookError::Malformed(name) => {
                    Distrust::Malformed(name)
                }
                WebhookError::OutsideWindow => Distrust::TooOld,
                WebhookError::Mismatch => Distrust::Tampered,
            };
            return Err(sender.is_distrusted(call, distrust, error));
        }
    }
    let notice: PaymentNotice = parse(body)?;
    let event = event(&notice)?;
    let success = Reply::bytes(200, TEXT, Bytes::from_static(ACKNOWLEDGED));
    let codes = &call.worker.hub.ports.codes;
    let order = codes.parse_payment(&notice.payment);
    let order = order.ok_or_else(|| forged(call, Code::PaymentNotFound))?;
    // However it was written.
    let trade = trade_of(&codes.payment(order));
    let occurred_ms = notice.occurred_at.map(|at| at.ms);
    super::record(call, &provider.name, (order, trade), event, occurred_ms, success).await
}

fn event(notice: &PaymentNotice) -> Result<PaymentEvent, Trouble> {
    let event = match (notice.event, notice.captured_minor) {
        (PaymentNoticeEvent::Succeeded, Some(captured_minor)) => {
            PaymentEvent::Succeeded { captured_minor }
        }
        (PaymentNoticeEvent::Succeeded, None) => {
            return Err(Trouble::field("captured_minor", "is needed with succeeded"));
        }
        (_, Some(_)) => {
            return Err(Trouble::field("captured_minor", "belongs to succeeded alone"));
        }
        (PaymentNoticeEvent::Pending, None) => PaymentEvent::Pending,
        (PaymentNoticeEvent::Failed, None) => PaymentEvent::Failed,
        (PaymentNoticeEvent::Closed, None) => PaymentEvent::Closed,
    };
    Ok(event)
}
