//! Payments: from Levee to a provider, and the callbacks that come back.

use levee_api::time::Instant;
use serde::{Deserialize, Serialize};

/// Largest amount of one payment, in minor units.
pub const AMOUNT_MINOR_MAX: u64 = 1_000_000_000_000;

/// What a callback must be answered with, beside status 200.
pub const ACKNOWLEDGED: &[u8] = b"success";

/// `POST {provider}/payments`: a user is to pay.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CreatePayment {
    /// Levee's id of it; the same one again is the same payment.
    pub payment: String,
    /// From 1 to [`AMOUNT_MINOR_MAX`].
    pub amount_minor: u64,
    /// ISO 4217.
    pub currency: String,
    /// Where callbacks go.
    pub notify_url: String,
}

/// The state of a payment at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentState {
    /// Nobody did anything about it.
    Created,
    /// Its user has, and the result takes a while.
    Pending,
    /// It was paid.
    Succeeded,
    /// It was turned down.
    Failed,
    /// It cannot be paid any more.
    Closed,
}

/// The answer to a creation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct PaymentCreated {
    /// Levee's id.
    pub payment: String,
    /// The provider's own number.
    pub trade: String,
    /// `created`, or what has become of it meanwhile.
    pub state: PaymentState,
    /// Where its user pays.
    pub pay_url: String,
}

/// What is asked for with `GET {provider}/payments/{payment}`; `.../close` answers it, too.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct PaymentNow {
    /// Levee's id.
    pub payment: String,
    /// The provider's own number.
    pub trade: String,
    /// Now.
    pub state: PaymentState,
    /// What was paid: 0, or the whole amount.
    pub captured_minor: u64,
    /// What was given back of it.
    pub refunded_minor: u64,
}

/// `POST {provider}/payments/{payment}/refunds`: something is to be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RefundRequest {
    /// Its number within the payment; the same one again is the same refund.
    pub refund: u32,
    /// From 1 to what is left of what was captured.
    pub amount_minor: u64,
}

/// How a refund did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundState {
    /// The user has it.
    Done,
    /// Nothing was given back. Trying again is another refund.
    Failed,
}

/// The answer to a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct RefundReply {
    /// Its number.
    pub refund: u32,
    /// How it did.
    pub state: RefundState,
}

/// What a callback is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentEvent {
    /// The user has done something, and the result takes a while.
    Pending,
    /// It was paid.
    Succeeded,
    /// It was turned down.
    Failed,
    /// It cannot be paid any more.
    Closed,
}

impl PaymentEvent {
    /// As it stands in the callback.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Closed => "closed",
        }
    }
}

/// `POST {notify_url}`: something happened. Acknowledged with status 200 and [`ACKNOWLEDGED`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Callback {
    /// Levee's id.
    pub payment: String,
    /// The provider's own number.
    pub trade: String,
    /// What.
    pub event: PaymentEvent,
    /// With `succeeded`: what was paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured_minor: Option<u64>,
    /// When it happened.
    pub occurred_at: Instant,
}
