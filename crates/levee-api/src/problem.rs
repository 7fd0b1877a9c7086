//! Errors as clients see them: one stable code each, as RFC 9457 problem documents.

use levee_core::types::Refusal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($variant:ident $code:literal $status:literal $title:literal;)*) => {
        /// A stable error code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Code {
            $(#[doc = $title] $variant,)*
        }

        impl Code {
            /// All codes, in the order of this list.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The code as clients see it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The HTTP status that goes with it.
            #[must_use]
            pub fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// What it means, for people.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

codes! {
    BadRequest "bad_request" 400 "The request is malformed.";
    InvalidField "invalid_field" 400 "A field is missing, unknown, doubled or wrong.";
    IdempotencyKeyMissing "idempotency_key_missing" 400 "This request needs an Idempotency-Key header of 1 to 255 bytes.";
    Unauthorized "unauthorized" 401 "A valid key is needed: Authorization: Bearer <key>.";
    SignatureInvalid "signature_invalid" 401 "The message is not signed, or not by whom it should be.";
    Forbidden "forbidden" 403 "The key's role does not allow this.";
    VoucherOfAnotherUser "voucher_of_another_user" 403 "The voucher is another user's.";
    OrderOfAnotherUser "order_of_another_user" 403 "The order is another user's.";
    OrderOfAnotherOutlet "order_of_another_outlet" 403 "The order is another outlet's.";
    NotFound "not_found" 404 "There is nothing at this path.";
    CampaignNotFound "campaign_not_found" 404 "There is no campaign of this id.";
    VoucherNotFound "voucher_not_found" 404 "There is no voucher of this code.";
    RedemptionNotFound "redemption_not_found" 404 "There is no redemption of this id.";
    LockNotFound "lock_not_found" 404 "There is no lock of this id.";
    OutletNotFound "outlet_not_found" 404 "There is no outlet of this id.";
    OrderNotFound "order_not_found" 404 "There is no order of this id.";
    PaymentNotFound "payment_not_found" 404 "The order has no payment: nothing was left to pay.";
    TicketNotFound "ticket_not_found" 404 "There is no ticket of this id.";
    RefundNotFound "refund_not_found" 404 "No refund of this number is under way.";
    WebhookNotFound "webhook_not_found" 404 "There is no webhook of this id.";
    DeadLetterNotFound "dead_letter_not_found" 404 "The webhook has no such dead letter.";
    PassNotFound "pass_not_found" 404 "This is no pass of the waiting room.";
    MethodNotAllowed "method_not_allowed" 405 "This path does not take this method.";
    RequestTimeout "request_timeout" 408 "The body did not arrive in time.";
    CampaignExists "campaign_exists" 409 "A campaign of this id exists.";
    CampaignLimitReached "campaign_limit_reached" 409 "The installation holds as many campaigns as it may.";
    CampaignNotOpen "campaign_not_open" 409 "The campaign takes no claims now: it is a draft, paused, or opens later.";
    CampaignClosed "campaign_closed" 409 "The campaign is closed.";
    CampaignStateConflict "campaign_state_conflict" 409 "The campaign's state does not allow this.";
    TermsFrozen "terms_frozen" 409 "Terms that users rely on cannot change once the campaign was opened.";
    NotEligible "not_eligible" 409 "The user does not meet the campaign's conditions.";
    UserLimitReached "user_limit_reached" 409 "The user has got as much as one user may.";
    BudgetExhausted "budget_exhausted" 409 "The budget does not cover this.";
    ReferenceReused "reference_reused" 409 "This reference belongs to another request.";
    VoucherLocked "voucher_locked" 409 "The voucher is locked.";
    VoucherNotLive "voucher_not_live" 409 "The voucher is no longer live.";
    VoucherNotApplicable "voucher_not_applicable" 409 "The voucher is not for this brand, category or hour.";
    MinSpendNotMet "min_spend_not_met" 409 "The bill is too small for the voucher.";
    LockNotHeld "lock_not_held" 409 "The lock no longer holds this voucher.";
    RollbackWindowOver "rollback_window_over" 409 "It is too late to roll this redemption back.";
    HeldByOrder "held_by_order" 409 "An order holds this: it goes with the order alone.";
    OutletLimitReached "outlet_limit_reached" 409 "The installation holds as many outlets as it may.";
    WebhookLimitReached "webhook_limit_reached" 409 "The installation holds as many webhooks as it may.";
    OutletPaused "outlet_paused" 409 "The outlet takes no orders now.";
    OutletUnreachable "outlet_unreachable" 409 "The outlet's system cannot be reached now, or takes no new orders: ask for a quote at others.";
    OrderStateConflict "order_state_conflict" 409 "The order's state does not allow this.";
    TradeConflict "trade_conflict" 409 "The order's payment has another trade number.";
    PriceChanged "price_changed" 409 "The items cost something else by now: show the user the new price.";
    OutletBusy "outlet_busy" 409 "The outlet cannot have it ready by then: ask for a quote.";
    NoOffers "no_offers" 409 "No outlet of the quote can make it within the time that is promised ahead.";
    OfferExpired "offer_expired" 409 "The offer is no longer held, or was taken.";
    OfferOfAnotherOrder "offer_of_another_order" 409 "The offer is for another outlet or other items.";
    OutletChanged "outlet_changed" 409 "The outlet's document has changed while the request was under way: send it again.";
    TicketVersionConflict "ticket_version_conflict" 409 "The ticket has another version by now.";
    RefundTooLarge "refund_too_large" 409 "This is more than was paid and is not being given back already.";
    Unchanged "unchanged" 409 "It is so already: there was nothing to change.";
    VersionConflict "version_conflict" 412 "The document has changed: get it again and use its ETag.";
    ContentTooLarge "content_too_large" 413 "The body is larger than this path takes.";
    UnsupportedMediaType "unsupported_media_type" 415 "The body must have the content type that this path takes.";
    IdempotencyKeyReused "idempotency_key_reused" 422 "This Idempotency-Key belongs to another request.";
    AmountTooLarge "amount_too_large" 422 "The amount is out of range.";
    PreconditionRequired "precondition_required" 428 "This request needs an If-Match header with the document's ETag.";
    Waiting "waiting" 429 "The user has a place in the waiting room: ask again after poll_after_ms with the header Levee-Pass.";
    RateLimited "rate_limited" 429 "This key, user or address asks too often.";
    HeadersTooLarge "headers_too_large" 431 "The request's headers are too large.";
    InternalError "internal_error" 500 "This request met a fault of ours.";
    Overloaded "overloaded" 503 "Too much at once: try again later.";
    StorageFull "storage_full" 503 "The journal has no room: nothing was changed.";
    Unavailable "unavailable" 503 "The engine is starting or stopping: try again.";
}

impl From<Refusal> for Code {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::CampaignNotFound => Self::CampaignNotFound,
            Refusal::CampaignExists => Self::CampaignExists,
            Refusal::CampaignLimitReached => Self::CampaignLimitReached,
            Refusal::CampaignNotOpen => Self::CampaignNotOpen,
            Refusal::CampaignClosed => Self::CampaignClosed,
            Refusal::CampaignStateConflict(_) => Self::CampaignStateConflict,
            Refusal::VersionConflict => Self::VersionConflict,
            Refusal::TermsFrozen(_) => Self::TermsFrozen,
            // Gates ask again with the new terms; if those keep changing, the client may.
            Refusal::TermsChanged => Self::Overloaded,
            Refusal::NotEligible => Self::NotEligible,
            Refusal::UserLimitReached => Self::UserLimitReached,
            Refusal::BudgetExhausted => Self::BudgetExhausted,
            Refusal::AmountTooLarge => Self::AmountTooLarge,
            Refusal::IdempotencyKeyMissing => Self::IdempotencyKeyMissing,
            Refusal::IdempotencyKeyReused => Self::IdempotencyKeyReused,
            Refusal::ReferenceReused => Self::ReferenceReused,
            Refusal::VoucherNotFound => Self::VoucherNotFound,
            Refusal::VoucherOfAnotherUser => Self::VoucherOfAnotherUser,
            Refusal::VoucherLocked => Self::VoucherLocked,
            Refusal::VoucherNotLive(_) => Self::VoucherNotLive,
            Refusal::VoucherNotApplicable => Self::VoucherNotApplicable,
            Refusal::MinSpendNotMet => Self::MinSpendNotMet,
            Refusal::LockNotFound => Self::LockNotFound,
            Refusal::LockNotHeld => Self::LockNotHeld,
            Refusal::RedemptionNotFound => Self::RedemptionNotFound,
            Refusal::RollbackWindowOver => Self::RollbackWindowOver,
            Refusal::InvalidField(_) => Self::InvalidField,
            Refusal::HeldByOrder => Self::HeldByOrder,
            Refusal::OutletNotFound => Self::OutletNotFound,
            Refusal::OutletLimitReached => Self::OutletLimitReached,
            Refusal::OutletPaused => Self::OutletPaused,
            Refusal::OutletUnreachable => Self::OutletUnreachable,
            Refusal::OrderNotFound => Self::OrderNotFound,
            Refusal::OrderOfAnotherUser => Self::OrderOfAnotherUser,
            Refusal::OrderOfAnotherOutlet => Self::OrderOfAnotherOutlet,
            Refusal::OrderStateConflict(_) => Self::OrderStateConflict,
            Refusal::PaymentNotFound => Self::PaymentNotFound,
            Refusal::TradeConflict => Self::TradeConflict,
            Refusal::OutletBusy => Self::OutletBusy,
            Refusal::NoOffers => Self::NoOffers,
            Refusal::OfferExpired => Self::OfferExpired,
            Refusal::OfferOfAnotherOrder => Self::OfferOfAnotherOrder,
            Refusal::OutletChanged => Self::OutletChanged,
            Refusal::TicketVersionConflict => Self::TicketVersionConflict,
            Refusal::RefundTooLarge => Self::RefundTooLarge,
            Refusal::RefundNotFound => Self::RefundNotFound,
            Refusal::Unchanged => Self::Unchanged,
            Refusal::WebhookNotFound => Self::WebhookNotFound,
            Refusal::WebhookLimitReached => Self::WebhookLimitReached,
            Refusal::DeadLetterNotFound => Self::DeadLetterNotFound,
            // Only the engine gives commands that are refused so.
            Refusal::RulesUnknown | Refusal::LevelByHand | Refusal::BreakerByHand => {
                Self::InternalError
            }
        }
    }
}

/// An error's body: `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct Problem {
    /// Where the code is explained, relative to the server.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the code means.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Stable, for programs.
    pub code: Code,
    /// Names this request in the server's log.
    pub request_id: String,
    /// When to try again, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// The field that is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// With `waiting`: the place.
    #[serde(default, flatten, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// A place in the waiting room.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct Place {
    /// For the header `Levee-Pass` of the next try; good on any device and at any gate, for this
    /// user alone.
    pub pass: String,
    /// Passes that come before.
    pub position_ahead: u64,
    /// When the turn comes, most likely, in milliseconds.
    pub eta_ms: u64,
    /// By when it comes in nine cases of ten, in milliseconds.
    pub eta_p90_ms: u64,
    /// When to ask again, in milliseconds. Who asks sooner falls back.
    pub poll_after_ms: u64,
    /// Before the opening: when it is, RFC 3339; places are then drawn by a seed committed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens_at: Option<String>,
    /// Before the opening: this user's ticket in the draw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draw_ticket: Option<String>,
    /// The page that shows the place to people.
    pub page: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_written_alike_everywhere() {
        for code in Code::ALL {
            let json = serde_json::to_string(code).expect("a text");
            assert_eq!(json, format!("\"{}\"", code.as_str()));
        }
        for refusal in [Refusal::BudgetExhausted, Refusal::NotEligible, Refusal::RollbackWindowOver]
        {
            assert_eq!(refusal.to_string(), Code::from(refusal).as_str());
        }
    }
}
