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
use levee_api::trade::trade_of;
use levee_api::types::{Command, NameHash, Outcome, PaymentEvent, RecordPayment, Refusal};

use crate::call::{Call, unexpected};
use crate::handlers::vouchers::forged;
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

/// Puts on record what a provider says of a payment by our number. Answered with `success` also
/// where it says what is known, or what something later has overtaken.
async fn record(
    call: &Call,
    provider: &str,
    payment: &str,
    event: PaymentEvent,
    success: Reply,
) -> Answer {
    let codes = &call.worker.hub.ports.codes;
    let order = codes.parse_payment(payment);
    let order = order.ok_or_else(|| forged(call, Code::PaymentNotFound))?;
    let record = RecordPayment {
        order,
        provider: NameHash::of(provider),
        // However it was written.
        trade: trade_of(&codes.payment(order)),
        event,
    };
    match call.command(Priority::Callback, Command::RecordPayment(record)).await? {
        Said::Done { repeated, outcome, .. } => {
            if outcome == Outcome::PaymentDisputed && !repeated {
                call.worker.lane().stats.disputed.add(1);
            }
            Ok(success.repeated(repeated))
        }
        Said::Refused(Refusal::Unchanged) => Ok(success),
        Said::Refused(Refusal::OrderNotFound) => Err(Trouble::new(Code::PaymentNotFound)),
        Said::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
}
