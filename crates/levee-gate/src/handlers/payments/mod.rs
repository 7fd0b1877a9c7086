//! What payment providers say, verified over the body as it came.
//!
//! | file | what is there |
//! |---|---|
//! | `callback.rs` | the sandbox's protocol |
//! | `notification.rs` | providers with protocols of their own |
//! | `refund.rs` | what those say of refunds |

mod callback;
mod notification;
mod refund;

use std::sync::Arc;

use levee_api::port::{Priority, Reply as Said};
use levee_api::problem::Code;
use levee_api::types::{
    Command, NameHash, OrderNo, Outcome, PaymentEvent, RecordPayment, Refusal, TradeKey,
};

pub(crate) use self::notification::Ignored;
use crate::call::{Call, unexpected};
use crate::reply::{Answer, Reply};
use crate::trouble::Trouble;

/// `POST /v1/payments/{provider}/notify`
pub(crate) async fn notify(call: &mut Call) -> Answer {
    let body = call.bytes().await?;
    let hub = Arc::clone(&call.worker.hub);
    let signers = &hub.config.signers;
    if let Some(provider) = signers.providers.iter().find(|one| one.name == call.param()) {
        return callback::take(call, provider, &body).await;
    }
    if let Some(wire) = signers.wires.iter().find(|wire| wire.name == call.param()) {
        return notification::take(call, wire, &body).await;
    }
    Err(Trouble::new(Code::NotFound))
}

/// Puts on record what a provider says of an order's payment. Answered with `success` also
/// where it says what is known, or what something later has overtaken.
async fn record(
    call: &Call,
    provider: &str,
    (order, trade): (OrderNo, TradeKey),
    event: PaymentEvent,
    success: Reply,
) -> Answer {
    let record = RecordPayment { order, provider: NameHash::of(provider), trade, event };
    match call.command(Priority::Callback, Command::RecordPayment(record)).await? {
        Said::Done { repeated, outcome, .. } => {
            if outcome == Outcome::PaymentDisputed && !repeated {
                call.worker.lane().stats.disputed.add(1);
            }
            Ok(success.repeated(repeated))
        }
        Said::Refused(Refusal::Unchanged) => Ok(success),
        // Another payment of the same order has moved no money; told again, it would say no more.
        Said::Refused(Refusal::TradeConflict) => Ok(success),
        Said::Refused(Refusal::OrderNotFound) => Err(Trouble::new(Code::PaymentNotFound)),
        Said::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
}
