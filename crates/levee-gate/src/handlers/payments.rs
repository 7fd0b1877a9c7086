//! What payment providers say: callbacks, verified over the body as it came.

use bytes::Bytes;
use hyper::header::HeaderValue;
use levee_api::port::{Priority, Reply as Said};
use levee_api::problem::Code;
use levee_api::strict::parse;
use levee_api::trade::trade_of;
use levee_api::types::{Command, NameHash, PaymentEvent, RecordPayment, Refusal};
use levee_api::wire::{PaymentNotice, PaymentNoticeEvent};

use crate::call::{Call, unexpected};
use crate::handlers::vouchers::forged;
use crate::reply::{Answer, Reply};
use crate::signed::check_signature;
use crate::trouble::Trouble;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// What a provider waits for before it stops repeating itself.
const ACKNOWLEDGED: &[u8] = b"success";

/// `POST /v1/payments/{provider}/notify`
pub(crate) async fn notify(call: &mut Call) -> Answer {
    let body = call.bytes().await?;
    let hub = &call.worker.hub;
    let providers = &hub.config.signers.providers;
    let provider = providers.iter().find(|provider| provider.name == call.param());
    let provider = provider.ok_or_else(|| Trouble::new(Code::NotFound))?;
    check_signature(call, &provider.secret, &body)?;
    let notice: PaymentNotice = parse(&body)?;
    let event = event(&notice)?;
    let order = hub.ports.codes.parse_payment(&notice.payment);
    let order = order.ok_or_else(|| forged(call, Code::PaymentNotFound))?;
    let record = RecordPayment {
        order,
        provider: NameHash::of(&provider.name),
        // However it was written.
        trade: trade_of(&hub.ports.codes.payment(order)),
        event,
    };
    match call.command(Priority::Callback, Command::RecordPayment(record)).await? {
        Said::Done { repeated, .. } => Ok(acknowledged().repeated(repeated)),
        // It says what is known, or what something later has overtaken.
        Said::Refused(Refusal::Unchanged) => Ok(acknowledged()),
        Said::Refused(Refusal::OrderNotFound) => Err(Trouble::new(Code::PaymentNotFound)),
        Said::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
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

fn acknowledged() -> Reply {
    Reply::bytes(200, TEXT, Bytes::from_static(ACKNOWLEDGED))
}
