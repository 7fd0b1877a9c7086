//! Orders: their states, the commands that move them, what comes of those, and what connectors have
//! to do about it.

use alloc::string::String;
use alloc::vec::Vec;

use super::{
    CampaignNo, Categories, LockNo, NameHash, OfferNo, OrderNo, OutletNo, QuoteNo, RedemptionNo,
    Reference, RequestKey, TradeKey, UserKey, VoucherNo, VoucherState,
};

/// Most lines of one order: they are kept inline in its record.
pub const LINES_MAX: usize = 10;

/// Most other outlets that may make an order.
pub const OTHER_OUTLETS_MAX: usize = 2;

/// An accepted order that is not ready so long after it was promised is over, in milliseconds: two
/// hours. Nobody waits longer, and what is paid must not stay with an outlet that is gone.
pub const MADE_WITHIN_MS: u64 = 2 * 3_600_000;

/// An order that is ready and was not collected after this time counts as collected, in
/// milliseconds: twelve hours. It was made, and is paid for.
pub const COLLECTED_WITHIN_MS: u64 = 12 * 3_600_000;

/// Longest time in which an order may be paid, in milliseconds: a day.
pub const PAY_WITHIN_MS_MAX: u64 = 24 * 3_600_000;

/// What is to be paid is promised as if it could be begun after this time at the earliest, in
/// milliseconds: a minute. The promise holds for a payment within it; an order that is paid later is
/// promised anew.
pub const PAID_WITHIN_MS: u64 = 60_000;

/// How far ahead an order may be promised, in milliseconds: thirty days.
pub const PROMISED_AHEAD_MS_MAX: u64 = 30 * 24 * 3_600_000;

/// Most work of one order, in thousandths of a unit: a thousand units.
pub const WORK_MAX: u32 = 1_000_000;

/// So many refusals in a row, and a refund goes out no more by itself: somebody must look. With the
/// pauses between them that is after twenty hours and a half.
pub const REFUSALS_MAX: u8 = 12;

/// The pause after the first refusal of a refund, in milliseconds: a minute. It doubles with each.
pub const REFUND_PAUSE_MS_FIRST: u64 = 60_000;

/// The longest of these pauses, in milliseconds: six hours.
pub const REFUND_PAUSE_MS_MAX: u64 = 6 * 3_600_000;

/// How long to wait before a refund goes out again that was refused so many times in a row, at least
/// once, in milliseconds.
#[must_use]
pub fn refund_pause_ms(refusals: u8) -> u64 {
    let doubled = u32::from(refusals.saturating_sub(1)).min(16);
    (REFUND_PAUSE_MS_FIRST << doubled).min(REFUND_PAUSE_MS_MAX)
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum OrderState {
    /// Placed; its voucher is locked.
    AwaitingPayment,
    /// Paid, or nothing was left to pay; its ticket is to be sent.
    Paid,
    /// The outlet's system has the ticket.
    Sent,
    /// The outlet will make it.
    Accepted,
    /// It is being made.
    Making,
    /// It can be collected.
    Ready,
    /// It was collected: the good end.
    Collected,
    /// It was not paid, or not accepted, in time; nothing is to be given back.
    Expired,
    /// A user, outlet or operator ended it; nothing is to be given back.
    Cancelled,
    /// The outlet would not make it; nothing is to be given back.
    Rejected,
    /// It ended, and what was paid is being given back.
    Refunding,
    /// It ended, and all that was paid was given back.
    Refunded,
}

impl OrderState {
    /// The public name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AwaitingPayment => "awaiting_payment",
            Self::Paid => "paid",
            Self::Sent => "sent",
            Self::Accepted => "accepted",
            Self::Making => "making",
            Self::Ready => "ready",
            Self::Collected => "collected",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Rejected => "rejected",
            Self::Refunding => "refunding",
            Self::Refunded => "refunded",
        }
    }

    /// Whether the outlet has a ticket to work on, or will have it shortly.
    #[must_use]
    pub fn is_open(self) -> bool {
        (Self::Paid..=Self::Ready).contains(&self)
    }
}

/// Where an order's payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum PaymentState {
    /// It is to be made at a provider, or was.
    Created,
    /// The user is at it.
    Pending,
    /// The provider has the money.
    Succeeded,
    /// It did not work; the user may try again.
    Failed,
    /// It can no longer be paid.
    Closed,
    /// Money is being given back.
    Refunding,
    /// All of it was given back.
    Refunded,
    /// The order ended before the provider said how the payment did: it is being closed, and may
    /// still succeed.
    Unknown,
}

impl PaymentState {
    /// The public name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Closed => "closed",
            Self::Refunding => "refunding",
            Self::Refunded => "refunded",
            Self::Unknown => "unknown",
        }
    }
}

/// Why an order ended without being collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum OrderEnd {
    /// It was not paid in time.
    NotPaid,
    /// The outlet did not accept it in time.
    NotAccepted,
    /// The outlet rejected its ticket.
    Rejected,
    /// The outlet accepted it and did not have it ready, [`MADE_WITHIN_MS`] after the promise.
    NotMade,
    /// Its user cancelled it.
    ByUser,
    /// The outlet cancelled it.
    ByOutlet,
    /// An operator cancelled it.
    ByOperator,
}

impl OrderEnd {
    /// The public name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotPaid => "not_paid",
            Self::NotAccepted => "not_accepted",
            Self::Rejected => "rejected",
            Self::NotMade => "not_made",
            Self::ByUser => "by_user",
            Self::ByOutlet => "by_outlet",
            Self::ByOperator => "by_operator",
        }
    }
}

/// One line of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[repr(C)]
pub struct OrderLine {
    /// Place of the item in the menu of the outlet's document.
    pub item: u16,
    /// At least 1.
    pub quantity: u16,
}

/// Orders at an outlet. Prices, the subsidy and the merchant's discount are fixed here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PlaceOrder {
    /// Makes a repeat harmless.
    pub request: RequestKey,
    /// A fingerprint of all that the client asked for: under the same key the same fingerprint is the
    /// same request, whatever the outlet's document has made of it meanwhile.
    pub asked: u64,
    /// Who orders.
    pub user: UserKey,
    /// Where.
    pub outlet: OutletNo,
    /// Version of the outlet's document that lines, price and work are of: it must be the latest.
    pub outlet_version: u32,
    /// What; 1 to [`LINES_MAX`] lines.
    pub lines: Vec<OrderLine>,
    /// Categories of what is ordered; a voucher may be for some only.
    pub categories: Categories,
    /// Price of all lines, in minor units; 1 to [`super::BILL_MINOR_MAX`].
    pub total_minor: u64,
    /// What the merchant takes off, at most the total. The voucher counts on what is left.
    pub merchant_discount_minor: u64,
    /// Pays a part; locked until the order is paid, used then.
    pub voucher: Option<VoucherNo>,
    /// The offer that it takes, of a quote for the same work, at the same outlet. Without one the
    /// kitchen is asked now.
    pub offer: Option<OfferNo>,
    /// Where it takes no offer: wanted by then, in milliseconds since 1970, at most
    /// [`PROMISED_AHEAD_MS_MAX`] ahead; without it, within the outlet's
    /// [`super::PutOutlet::ready_within_ms`].
    pub ready_by_ms: Option<u64>,
    /// A courier takes it, and needs so long to the outlet, in milliseconds; at most
    /// [`super::TRAVEL_MS_MAX`].
    pub courier_ms: Option<u32>,
    /// What it costs the kitchen, in thousandths of a unit; 1 to [`WORK_MAX`].
    pub work: u32,
    /// It expires when it is not paid after this time, in milliseconds; 1 to
    /// [`PAY_WITHIN_MS_MAX`].
    pub pay_within_ms: u64,
    /// Outlets that may make it where this one does not, the same items at the same places of their
    /// menus; at most [`OTHER_OUTLETS_MAX`].
    pub others: Vec<OutletNo>,
    /// Whose compensation rules hold for it; without one, those of its voucher's campaign, if it
    /// has one.
    pub campaign: Option<CampaignNo>,
}

impl PlaceOrder {
    /// An order of nothing, which is refused. Only where an order was placed under this key and with
    /// this fingerprint it is answered: as that order was.
    #[must_use]
    pub fn again(request: RequestKey, asked: u64) -> Self {
        Self {
            request,
            asked,
            user: UserKey([0; 16]),
            outlet: OutletNo(0),
            outlet_version: 0,
            lines: Vec::new(),
            categories: Categories::default(),
            total_minor: 0,
            merchant_discount_minor: 0,
            voucher: None,
            offer: None,
            ready_by_ms: None,
            courier_ms: None,
            work: 0,
            pay_within_ms: 0,
            others: Vec::new(),
            campaign: None,
        }
    }
}

/// What a provider says of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum PaymentEvent {
    /// It was made and can be paid.
    Created,
    /// The user is at it.
    Pending,
    /// It was paid.
    Succeeded {
        /// What the provider took, in minor units. Another amount than was to be paid is put on
        /// record, and somebody must look.
        captured_minor: u64,
    },
    /// It did not work.
    Failed,
    /// It can no longer be paid.
    Closed,
}

impl PaymentEvent {
    /// Tells kinds apart, whatever else an event says.
    #[must_use]
    pub fn kind(self) -> u8 {
        match self {
            Self::Created => 0,
            Self::Pending => 1,
            Self::Succeeded { .. } => 2,
            Self::Failed => 3,
            Self::Closed => 4,
        }
    }
}

/// What a provider says of an order's payment; heard from it, or asked of it. One kind of event of
/// one trade number has one effect at most, so callbacks may come late, doubled and in any order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RecordPayment {
    /// Of which order.
    pub order: OrderNo,
    /// Which provider.
    pub provider: NameHash,
    /// The number under which it was made there.
    pub trade: TradeKey,
    /// What it says.
    pub event: PaymentEvent,
}

/// What came of a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum RefundResult {
    /// The user has the money.
    Done,
    /// The provider has refused it, and nothing was given back: it is to be made again, under the next
    /// number.
    Failed,
}

/// What came of a refund that an [`Action::Refund`] asked for. Another result than is known of its
/// number is put on record, and somebody must look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RecordRefund {
    /// Of which order.
    pub order: OrderNo,
    /// The action's number.
    pub refund: u32,
    /// What came of it.
    pub result: RefundResult,
}

/// A step of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum TicketStep {
    /// The outlet's system has it.
    Send,
    /// The outlet will make it.
    Accept,
    /// The outlet will not make it.
    Reject,
    /// The outlet begins to make it.
    Start,
    /// It can be collected.
    Ready,
    /// It was collected.
    Collect,
    /// The outlet's system knows that it was cancelled.
    Withdraw,
}

/// A ticket goes on at the outlet. A later step says that the earlier ones have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MoveTicket {
    /// Of which order.
    pub order: OrderNo,
    /// Whose ticket it must be.
    pub outlet: OutletNo,
    /// The ticket's version that this follows on. Every step but [`TicketStep::Send`] leads to the
    /// next one. The same step on the same version is a repeat; any other step on a version that is
    /// over is refused.
    pub version: u32,
    /// Which step.
    pub step: TicketStep,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Party {
    /// Whoever ordered.
    User(UserKey),
    /// Whoever makes it.
    Outlet(OutletNo),
    /// An operator.
    Operator,
}

/// Ends an order before it is collected. All that was paid is given back, and the voucher.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct CancelOrder {
    /// Makes a repeat harmless.
    pub request: RequestKey,
    /// Which order.
    pub order: OrderNo,
    /// Who cancels it; users only until it is being made.
    pub by: Party,
    /// For the record; at most [`super::REASON_LEN_MAX`] bytes.
    pub reason: String,
}

/// Gives money back without ending the order; also after it was collected. The voucher stays used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RefundOrder {
    /// Makes a repeat harmless.
    pub request: RequestKey,
    /// Of which order.
    pub order: OrderNo,
    /// Who gives it back: the outlet or an operator.
    pub by: Party,
    /// The caller's own number for it, unique among the order's refunds; makes a repeat harmless for
    /// good.
    pub reference: Reference,
    /// At least 1, and at most what was paid and is not being given back already.
    pub amount_minor: u64,
    /// For the record; 1 to [`super::REASON_LEN_MAX`] bytes.
    pub reason: String,
}

/// Somebody has looked at money that a provider took and should not have, or does not give back, and
/// seen to it. A refund that was held goes out again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SettleDispute {
    /// Makes a repeat harmless.
    pub request: RequestKey,
    /// Of which order.
    pub order: OrderNo,
    /// What was done; 1 to [`super::REASON_LEN_MAX`] bytes.
    pub reason: String,
}

/// Another outlet makes an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct OrderMove {
    /// Which order.
    pub order: OrderNo,
    /// Where to.
    pub outlet: OutletNo,
    /// When it will be ready there, in milliseconds since 1970.
    pub promised_at_ms: u64,
    /// Its ticket's version there.
    pub version: u32,
}

/// What an order has of its voucher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Held {
    /// Nothing: it has none, or it let go of it.
    Nothing,
    /// It is locked until the order is paid.
    Lock(LockNo),
    /// It is used.
    Redemption(RedemptionNo),
}

/// What was given for an order that ended without the fault of those who get it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Compensation {
    /// For which order.
    pub order: OrderNo,
    /// The user's new voucher.
    pub apology: Option<VoucherNo>,
    /// Its face, in minor units; 0 without one.
    pub apology_minor: u32,
    /// Paid to the outlet, in minor units.
    pub outlet_minor: u64,
    /// What the rules promise and the money set aside does not cover, in minor units.
    pub unpaid_minor: u64,
}

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct OrderChange {
    /// The order's state now.
    pub state: OrderState,
    /// Its payment's; `None` where nothing was to be paid.
    pub payment: Option<PaymentState>,
    /// Its ticket's version; 0 before there is one.
    pub version: u32,
    /// The use of the voucher, where this made one.
    pub redemption: Option<RedemptionNo>,
    /// What became of the voucher, where this let go of it or undid its use.
    pub voucher: Option<VoucherState>,
    /// Whether it was under way before and is over now: this ended it, or this was the first to see
    /// that its time is over. Where a tick comes first, the tick says so.
    pub ended: bool,
}

/// Which orders, quotes and pauses one tick let end, in the order in which it did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SweptOrders {
    /// Not paid, accepted or made in time; their vouchers are live again, or expired with them.
    pub expired: Vec<OrderNo>,
    /// Not accepted in time, and made by another outlet now.
    pub moved: Vec<OrderMove>,
    /// Ready, and not collected in time: they count as collected.
    pub collected: Vec<OrderNo>,
    /// What was given for orders that ended, before this tick or in it.
    pub compensated: Vec<Compensation>,
    /// Quotes whose offers are no longer held.
    pub released: Vec<QuoteNo>,
    /// Outlets whose pause is over.
    pub resumed: Vec<OutletNo>,
    /// Of the vouchers of those that expired: whose time was over as well.
    pub vouchers: Vec<VoucherNo>,
}

impl SweptOrders {
    /// How many things ended.
    #[must_use]
    pub fn len(&self) -> usize {
        let orders = self.expired.len() + self.moved.len() + self.collected.len();
        orders + self.compensated.len() + self.released.len() + self.resumed.len()
    }

    /// Whether nothing did.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
