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

use std::fmt::Display;
use std::net::IpAddr;
use std::sync::Arc;

use levee_api::port::{Priority, Reply as Said};
use levee_api::problem::Code;
use levee_api::types::{
    Command, NameHash, OrderNo, Outcome, PaymentEvent, RecordPayment, Refusal, TradeKey,
};
use levee_pay::Distrust;

pub(crate) use self::notification::Ignored;
use crate::call::{Call, unexpected};
use crate::reply::{Answer, Reply};
use crate::sender::sender;
use crate::signed::unsigned;
use crate::trouble::Trouble;

/// `POST /v1/payments/{provider}/notify`
pub(crate) async fn notify(call: &mut Call) -> Answer {
    let hub = Arc::clone(&call.worker.hub);
    let signers = &hub.config.signers;
    let provider = signers.providers.iter().find(|one| one.name == call.param());
    let wire = signers.wires.iter().find(|wire| wire.name == call.param());
    if provider.is_none() && wire.is_none() {
        return Err(Trouble::new(Code::NotFound));
    }
    let sender = Sender::look(call)?;
    let body = call.bytes().await?;
    match (provider, wire) {
        (Some(provider), _) => callback::take(call, sender, provider, &body).await,
        (None, Some(wire)) => notification::take(call, sender, wire, &body).await,
        (None, None) => unreachable!("one of them was found"),
    }
}

/// Who sends a notification. To look at one costs a check of its signature over the whole body, which
/// whoever forges pays for with a limit of its own.
#[derive(Clone, Copy)]
struct Sender(Option<IpAddr>);

impl Sender {
    /// Refuses, before the body is read, an address that has forged too many.
    fn look(call: &Call) -> Result<Self, Trouble> {
        let sender = sender(call);
        let Some(ip) = sender else { return Ok(Self(None)) };
        call.worker.door.limits.look(ip, now_us(call)).map_err(|wait_us| {
            call.worker.lane().stats.unread.add(1);
            Trouble::new(Code::RateLimited)
                .with_detail("Too much of what this address sends has no good signature.")
                .after_ms(wait_us.div_ceil(1_000))
        })?;
        Ok(Self(sender))
    }

    /// What it sent is the provider's.
    fn is_genuine(self, call: &Call) {
        if let Some(ip) = self.0 {
            call.worker.door.limits.forgive(ip);
        }
    }

    /// What it sent is not taken.
    fn is_distrusted(self, call: &Call, distrust: Distrust, detail: impl Display) -> Trouble {
        call.worker.lane().stats.add_distrusted(distrust);
        let forged = match distrust {
            Distrust::Tampered | Distrust::TooOld => true,
            // Seen before anything is computed, or after the signature was found to be good.
            Distrust::Malformed(_)
            | Distrust::UnknownKey
            | Distrust::Probe
            | Distrust::WrongApp
            | Distrust::WrongMerchant
            | Distrust::Undecryptable => false,
        };
        if let Some(ip) = self.0.filter(|_| forged)
            && call.worker.door.limits.forged(ip, now_us(call))
        {
            tracing::warn!(
                %ip,
                provider = call.param(),
                %detail,
                "notifications of an address are refused unread for a while: too many were not \
                 signed by the provider. A proxy that adds senders to X-Forwarded-For belongs in \
                 gate.proxies; before any other, set admission.forged_per_s to 0"
            );
        }
        unsigned(format!("It is not taken, since {detail}."))
    }
}

/// What a provider says had an effect; how long after it had happened, where that is known.
fn count_lag(call: &Call, occurred_ms: Option<u64>) {
    if let Some(occurred_ms) = occurred_ms {
        let lag_ms = call.worker.journal_ms().saturating_sub(occurred_ms);
        call.worker.lane().stats.lag.add(lag_ms);
    }
}

fn now_us(call: &Call) -> u64 {
    call.worker.hub.ports.submit.intake().now_us()
}

/// Puts on record what a provider says of an order's payment. Answered with `success` also
/// where it says what is known, or what something later has overtaken.
async fn record(
    call: &Call,
    provider: &str,
    (order, trade): (OrderNo, TradeKey),
    event: PaymentEvent,
    occurred_ms: Option<u64>,
    success: Reply,
) -> Answer {
    let record = RecordPayment { order, provider: NameHash::of(provider), trade, event };
    match call.command(Priority::Callback, Command::RecordPayment(record)).await? {
        Said::Done { repeated, outcome, .. } => {
            count_lag(call, occurred_ms.filter(|_| !repeated));
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
