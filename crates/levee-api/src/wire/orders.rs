//! Orders, their payments and tickets: what is sent about them and answered.

use levee_core::types::{LINES_MAX, OrderState};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::outlet::{Degrees, Fulfilment};
use crate::strict::{Name, Reason, ReferenceText, UserId};
use crate::time::Instant;
use crate::wire::Units;

/// Most of one item in one order.
pub const QUANTITY_MAX: u16 = 999;

/// One line of what is ordered.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ItemRequest {
    /// As on the outlet's menu; each at most once.
    pub sku: Name,
    /// How many.
    #[schemars(range(min = 1, max = QUANTITY_MAX))]
    pub quantity: u16,
}

/// Where a user is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlaceRequest {
    /// Latitude in degrees (WGS 84).
    pub lat: Degrees<90>,
    /// Longitude in degrees (WGS 84).
    pub lng: Degrees<180>,
}

/// Asks where and when something can be made, and what it costs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuoteRequest {
    /// Where it is wanted.
    pub outlet_id: String,
    /// What.
    #[schemars(length(min = 1, max = LINES_MAX))]
    pub items: Vec<ItemRequest>,
    /// What it would take off the price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voucher_code: Option<String>,
    /// Whose order it will be: offers are that user's alone then, and those of three quotes are held
    /// at most. Needed with a voucher, which is good for its user alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// Wanted by then; absent: within the time that the outlet promises by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pickup_by: Option<Instant>,
    /// Where the outlet cannot have it ready in time: other outlets of the brand within two
    /// kilometres that have the same items for the same prices.
    #[serde(default)]
    pub allow_other_outlet: bool,
    /// Where the user is, from which ways are counted; absent: from the outlet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub near: Option<PlaceRequest>,
}

/// Orders something.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderRequest {
    /// Whose compensation rules hold for it; absent: those of the voucher's campaign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<String>,
    /// For whom.
    pub user_id: UserId,
    /// Where; with an offer, the offer's outlet.
    pub outlet_id: String,
    /// What.
    #[schemars(length(min = 1, max = LINES_MAX))]
    pub items: Vec<ItemRequest>,
    /// Pays a part; locked until the order is paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voucher_code: Option<String>,
    /// Of a quote for the same items; absent: the kitchen is asked now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<String>,
    /// What the user was shown for all items; refused with `price_changed` where they cost something
    /// else by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_total_minor: Option<u64>,
    /// Without an offer: wanted by then; absent: within the time that the outlet promises by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pickup_by: Option<Instant>,
    /// How it leaves the outlet; absent: picked up where that is possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fulfilment: Option<Fulfilment>,
    /// Another outlet of the brand within two kilometres, with the same items for the same prices,
    /// may make it where this one rejects it or does not accept it in time.
    #[serde(default)]
    pub allow_other_outlet: bool,
}

/// Ends an order.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelRequest {
    /// From apps alone, which cancel for the user whose order it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// For the record.
    pub reason: Reason,
}

/// Gives money back.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RefundRequest {
    /// At least 1, and at most what was paid and is not being given back already.
    #[schemars(range(min = 1))]
    pub amount_minor: u64,
    /// For the record.
    pub reason: Reason,
    /// The caller's own number for it, unique among the order's refunds.
    pub reference: ReferenceText,
}

/// A ticket goes on at the outlet.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TicketStepRequest {
    /// Who says so.
    pub outlet_id: String,
    /// The ticket's version that the outlet knows. The same step on the same version is a repeat.
    pub version: u32,
    /// Why, for the gate's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// What a callback of a payment provider is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentNoticeEvent {
    /// The user is at it.
    Pending,
    /// It was paid.
    Succeeded,
    /// It did not work; the user may try again.
    Failed,
    /// It can no longer be paid.
    Closed,
}

/// A callback of a payment provider.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PaymentNotice {
    /// Our id of the payment, under which it was made at the provider.
    pub payment: String,
    /// The provider's own number for it.
    pub trade: ReferenceText,
    /// What happened.
    pub event: PaymentNoticeEvent,
    /// With `succeeded`, and with that alone: what was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured_minor: Option<u64>,
    /// When it happened, for the metrics of how late callbacks are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurred_at: Option<Instant>,
}

/// Declares reply bodies: clients of an older version ignore fields that they do not know.
macro_rules! replies {
    ($($(#[$doc:meta])* $name:ident {
        $($(#[$field_doc:meta])* $field:ident: $kind:ty,)*
    })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $kind,)*
        }
    )*};
}

replies! {
    /// Where and when an order can be made.
    OfferBody {
        /// For the order that takes it.
        offer: String,
        /// Where.
        outlet_id: String,
        /// The way there, in metres along the great circle: from the user, or from the outlet that
        /// was asked for; at most 115,200, a day on foot.
        distance_m: u32,
        /// When it can be collected.
        ready_at: Instant,
        /// Price of all items.
        total_minor: u64,
        /// What the voucher takes off.
        discount_minor: u64,
        /// What is left to pay.
        payable_minor: u64,
        /// The kitchen keeps its time until then.
        hold_until: Instant,
    }
    /// To a quote.
    QuoteBody {
        /// Best first.
        offers: Vec<OfferBody>,
        /// Place in the journal.
        seq: u64,
    }
    /// One line of an order.
    LineBody {
        /// As on the menu of the outlet that makes it; absent where its menu has become shorter.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sku: Option<String>,
        /// How many.
        quantity: u16,
    }
    /// The payment of an order.
    PaymentRef {
        /// Its id.
        id: String,
        /// Where it is paid; absent where no provider is set up.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        provider: Option<String>,
        /// `created`, `pending`, `succeeded`, `failed`, `closed`, `refunding`, `refunded` or
        /// `unknown`.
        state: String,
        /// Where the user pays, once the provider has it and as long as it may be paid: a page, or an
        /// address that the provider's app opens, also from a QR code.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pay_url: Option<String>,
        /// What Stripe's components are given instead; only for apps and operators.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_secret: Option<String>,
    }
    /// The ticket of an order.
    TicketRef {
        /// Its id.
        id: String,
        /// Grows with every step.
        version: u32,
    }
    /// What a user got for an order that ended.
    CompensationBody {
        /// A new voucher; only for apps and operators.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        voucher_code: Option<String>,
        /// Its face.
        face_minor: u32,
    }
    /// An order.
    OrderBody {
        /// Its id.
        id: String,
        /// `awaiting_payment`, `paid`, `sent`, `accepted`, `making`, `ready`, `collected`,
        /// `expired`, `cancelled`, `rejected`, `refunding` or `refunded`.
        state: String,
        /// Why it ended without being collected: `not_paid`, `not_accepted`, `rejected`,
        /// `not_made`, `by_user`, `by_outlet` or `by_operator`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        end: Option<String>,
        /// Who makes it.
        outlet_id: String,
        /// What.
        items: Vec<LineBody>,
        /// How it leaves the outlet.
        fulfilment: Fulfilment,
        /// Price of all items.
        total_minor: u64,
        /// What the merchant takes off.
        merchant_discount_minor: u64,
        /// What the voucher takes off.
        discount_minor: u64,
        /// What is left to pay.
        payable_minor: u64,
        /// What the provider has taken of it: nothing, or all.
        captured_minor: u64,
        /// What was given back.
        refunded_minor: u64,
        /// Null where nothing was left to pay.
        payment: Option<PaymentRef>,
        /// The voucher that pays a part; only for apps and operators.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        voucher_code: Option<String>,
        /// When it was placed.
        placed_at: Instant,
        /// When it can be collected, as promised: for a payment within a minute. An order that is paid
        /// later may be promised for later.
        ready_at: Instant,
        /// When its courier is to set out; not in the answer to the order itself, since it moves
        /// with what the kitchen learns.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        courier_at: Option<Instant>,
        /// While it awaits payment or acceptance: it expires then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        due_at: Option<Instant>,
        /// When the outlet accepted it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        accepted_at: Option<Instant>,
        /// When the outlet began to make it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        started_at: Option<Instant>,
        /// When it was made.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        made_at: Option<Instant>,
        /// When it was collected.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        collected_at: Option<Instant>,
        /// Null before it is paid.
        ticket: Option<TicketRef>,
        /// The outlet that did not make it, where another one does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        moved_from: Option<String>,
        /// The provider took something else than it should have, or does not give back what it should, and
        /// somebody must look.
        #[serde(default)]
        disputed: bool,
        /// What its user got because it ended.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        compensation: Option<CompensationBody>,
    }
    /// To an order.
    OrderPlacedBody {
        /// As it was placed, and the same at every repeat.
        order: OrderBody,
        /// Place in the journal.
        seq: u64,
    }
    /// What became of an order.
    OrderNow {
        /// Its id.
        id: String,
        /// The state after it.
        state: String,
        /// Its payment's; absent where nothing was left to pay.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payment_state: Option<String>,
        /// Its ticket's version; absent before there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ticket_version: Option<u32>,
        /// What became of its voucher, where it let go of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        voucher_state: Option<String>,
    }
    /// To a cancellation.
    CancelledBody {
        /// The order.
        order: OrderNow,
        /// Place in the journal.
        seq: u64,
    }
    /// To a refund.
    RefundBody {
        /// The order.
        order: OrderNow,
        /// What is given back.
        amount_minor: u64,
        /// The caller's own number for it.
        reference: String,
        /// Place in the journal.
        seq: u64,
    }
    /// To the end of a dispute.
    DisputeBody {
        /// The order.
        order: String,
        /// False from now on.
        disputed: bool,
        /// Place in the journal.
        seq: u64,
    }
    /// A payment.
    PaymentBody {
        /// Its id, under which it is made at the provider.
        id: String,
        /// The order that it pays.
        order: String,
        /// Where it is paid; absent where no provider is set up.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        provider: Option<String>,
        /// `created`, `pending`, `succeeded`, `failed`, `closed`, `refunding`, `refunded` or
        /// `unknown`.
        state: String,
        /// Where the user pays, once the provider has it and as long as it may be paid: a page, or an
        /// address that the provider's app opens, also from a QR code.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pay_url: Option<String>,
        /// What Stripe's components are given instead; only for apps and operators.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_secret: Option<String>,
        /// What is to be paid.
        amount_minor: u64,
        /// What was: nothing, or all.
        captured_minor: u64,
        /// All that is to be given back, done or not.
        refund_asked_minor: u64,
        /// Of that, what was given back.
        refunded_minor: u64,
        /// The provider took something else than it should have, or does not give back what it should, and
        /// somebody must look.
        disputed: bool,
    }
    /// A ticket after a step.
    TicketNow {
        /// Its id.
        id: String,
        /// As the order's state.
        state: String,
        /// What the next step names.
        version: u32,
    }
    /// To a step of a ticket.
    TicketStepBody {
        /// As it is now.
        ticket: TicketNow,
        /// Place in the journal.
        seq: u64,
    }
    /// One line of a ticket.
    TicketLineBody {
        /// As on the outlet's menu; absent where the menu has become shorter.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sku: Option<String>,
        /// For people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// How many.
        quantity: u16,
    }
    /// What an outlet has to make.
    TicketBody {
        /// Its id.
        id: String,
        /// What the next step names.
        version: u32,
        /// `paid`, `sent`, `accepted`, `making` or `ready`.
        state: String,
        /// The order that it is for.
        order: String,
        /// What.
        items: Vec<TicketLineBody>,
        /// How much work it is.
        units: Units,
        /// When it was placed.
        placed_at: Instant,
        /// When it was promised.
        ready_at: Instant,
        /// When its courier is called, where one takes it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        courier_at: Option<Instant>,
        /// Not accepted by then, it is taken away.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        accept_by: Option<Instant>,
    }
    /// One event of an outlet's stream: what it has to make now.
    TicketsFrame {
        /// Oldest first; the first two hundred.
        tickets: Vec<TicketBody>,
    }
    /// One order of a statement, or their sum.
    StatementSums {
        /// Price of all items; 0 while it is not paid, and once it has ended without being
        /// collected.
        gross_minor: u64,
        /// What the merchant took off, of that.
        merchant_discount_minor: u64,
        /// What the campaign pays, of that.
        subsidy_minor: u64,
        /// What users paid, also for orders that ended.
        captured_minor: u64,
        /// What is given back because an order ended.
        refund_minor: u64,
        /// What is given back of orders that did not end, as a negative number.
        adjustment_minor: i64,
        /// What the campaign pays for what was made in vain.
        compensation_minor: u64,
        /// Subsidy, captured, compensation and adjustment, less refunds.
        net_due_minor: i64,
    }
    /// One order of a statement.
    StatementLine {
        /// Its id.
        order: String,
        /// When it was placed.
        placed_at: Instant,
        /// Its state now.
        state: String,
        /// Why it ended without being collected.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        end: Option<String>,
        /// Its money.
        #[serde(flatten)]
        sums: StatementSums,
    }
    /// How many orders a statement has.
    StatementCounts {
        /// All that were placed on the day.
        placed: u64,
        /// Not paid yet.
        awaiting_payment: u64,
        /// Paid, and not collected yet.
        open: u64,
        /// Collected.
        collected: u64,
        /// Ended without being collected.
        ended: u64,
    }
    /// What an outlet is due for one day.
    StatementBody {
        /// Which outlet.
        outlet_id: String,
        /// The day in the outlet's time zone.
        day: String,
        /// The outlet's time zone.
        time_zone: String,
        /// Its first instant.
        from: Instant,
        /// The first instant of the next day.
        until: Instant,
        /// How many orders.
        orders: StatementCounts,
        /// Of all orders of the day, on every page.
        totals: StatementSums,
        /// One page of orders, newest first.
        items: Vec<StatementLine>,
        /// For the next page.
        next: Option<String>,
    }
}

/// An order's state by its public name.
#[must_use]
pub fn order_state(state: OrderState) -> String {
    state.name().to_owned()
}
