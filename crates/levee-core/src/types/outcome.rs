//! What came of a command: the facts that the journal keeps, or a refusal that leaves no trace.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{
    BreakerState, CampaignNo, Held, LevelSetting, LockNo, Money, OrderChange, OrderMove, OrderNo,
    OrderState, OutletNo, Quoted, RedemptionNo, SweptOrders, VoucherNo,
};

/// The facts of a command that had an effect. The journal keeps them beside the command; replay
/// compares them, and the audit counts them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Outcome {
    /// A voucher was issued. It ends at [`super::VoucherTerms::valid_until_ms`] of this record's
    /// time.
    Claimed {
        /// The new voucher.
        voucher: VoucherNo,
        /// What was reserved for it.
        face_minor: u32,
    },
    /// A voucher is held.
    Locked {
        /// The new lock.
        lock: LockNo,
        /// Until then.
        until_ms: u64,
    },
    /// A held voucher was let go.
    Released {
        /// Live, or expired if its time was over.
        voucher_state: VoucherState,
    },
    /// A voucher was used.
    Redeemed {
        /// The new redemption.
        redemption: RedemptionNo,
        /// Taken off the bill.
        discount_minor: u32,
        /// Of the face, reserved until the rollback window is over.
        rest_minor: u32,
        /// End of that window.
        rollback_until_ms: u64,
    },
    /// A redemption was undone.
    RolledBack {
        /// Live, or expired if its time was over.
        voucher_state: VoucherState,
    },
    /// A voucher was taken back.
    Revoked {
        /// Released for new vouchers.
        face_minor: u32,
    },
    /// A campaign was made.
    CampaignCreated {
        /// Its number.
        campaign: CampaignNo,
    },
    /// A campaign's document was replaced.
    CampaignReplaced {
        /// Its new version.
        version: u32,
    },
    /// Money came in or went out.
    BudgetMoved(Box<Money>),
    /// A campaign changed its state.
    CampaignStateChanged {
        /// To this.
        state: CampaignState,
    },
    /// Time passed.
    Ticked(Box<Swept>),
    /// The engine is back.
    ServiceResumed {
        /// How long it was gone.
        outage_ms: u64,
    },
    /// Other rules hold.
    RulesActivated,
    /// The brownout level, or who holds it, changed.
    LevelChanged {
        /// From this.
        before: LevelSetting,
        /// To this.
        after: LevelSetting,
    },
    /// The limit of claims changed.
    LimitChanged {
        /// Claims a second; `None`: no limit by hand.
        before: Option<u32>,
        /// Claims a second; `None`: no limit by hand.
        after: Option<u32>,
    },
    /// An outlet was made, or its document replaced.
    OutletPut {
        /// Which.
        outlet: OutletNo,
        /// Counts up with every document, from 1.
        version: u32,
    },
    /// An outlet takes no orders.
    OutletPaused,
    /// An outlet takes orders again.
    OutletResumed,
    /// An order was placed. What is to be paid is its total without the merchant's discount and the
    /// subsidy; where that is nothing it is paid at once.
    OrderPlaced {
        /// The new order.
        order: OrderNo,
        /// When it will be ready, in milliseconds since 1970.
        promised_at_ms: u64,
        /// What the voucher pays, in minor units; 0 without one.
        subsidy_minor: u32,
        /// What it has of its voucher.
        held: Held,
        /// The order expires then, unless it is paid (accepted, where nothing is left to pay)
        /// before.
        due_ms: u64,
    },
    /// An order's payment, ticket or end changed.
    OrderChanged(OrderChange),
    /// Time passed, for orders or outlets as well. Where none of them ended it is
    /// [`Self::Ticked`].
    TickedWithOrders {
        /// As of any tick.
        swept: Box<Swept>,
        /// Not empty.
        orders: Box<SweptOrders>,
    },
    /// So many make at the outlet now.
    StaffingSet,
    /// The kitchen knows of other work.
    WalkInsRecorded,
    /// Where and when the order can be made; capacity is held for it.
    Quoted(Box<Quoted>),
    /// The outlet rejected the order, and another one makes it.
    OrderMoved(OrderMove),
    /// The provider took money that is not what was to be paid, or took it twice. The order stands
    /// as before, and somebody must look.
    PaymentDisputed,
    /// Somebody has seen to it.
    DisputeSettled,
    /// A breaker changed.
    BreakerChanged {
        /// From this.
        before: BreakerState,
    },
    /// An order was paid later than its promise counted on, and is promised for later.
    PromisedAnew {
        /// As of any payment.
        change: OrderChange,
        /// When it will be ready now, in milliseconds since 1970; later than before.
        promised_at_ms: u64,
    },
    /// A refund has come, or did not work.
    RefundEnded {
        /// What became of its order.
        change: OrderChange,
        /// What the refund was to give back, in minor units.
        amount_minor: u64,
    },
    /// A webhook was made, or its document replaced.
    WebhookPut {
        /// Counts up with every document, from 1.
        version: u32,
    },
    /// A webhook ended.
    WebhookRemoved,
    /// Its events are delivered again, up to this.
    WebhookReplayed,
    /// The event is on the list.
    DeadLetterRecorded,
    /// The event left the list, and is delivered again.
    DeadLetterRetried,
    /// The event left the list, since it was delivered after all.
    DeadLetterSettled,
}

/// What one tick let expire, in the order in which it did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Swept {
    /// Locks whose time was over; their vouchers are live again, or expired with them.
    pub locks: Vec<LockNo>,
    /// Live vouchers whose time was over.
    pub vouchers: Vec<VoucherNo>,
    /// Redemptions that can no longer be rolled back; their rest is available again.
    pub redemptions: Vec<RedemptionNo>,
}

impl Swept {
    /// How many things expired.
    #[must_use]
    pub fn len(&self) -> usize {
        self.locks.len() + self.vouchers.len() + self.redemptions.len()
    }

    /// Whether nothing did.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where a campaign stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum CampaignState {
    /// Takes money; its terms may still change.
    Draft,
    /// Takes claims from `opens_at` to `closes_at`.
    Open,
    /// Takes no claims; vouchers can be used.
    Paused,
    /// Takes no claims for good; vouchers can be used.
    Closed,
}

impl CampaignState {
    /// The public name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Open => "open",
            Self::Paused => "paused",
            Self::Closed => "closed",
        }
    }
}

/// Where a voucher stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum VoucherState {
    /// Can be used.
    Live,
    /// Held by a lock.
    Locked,
    /// Used.
    Redeemed,
    /// Its time ran out.
    Expired,
    /// Taken back.
    Revoked,
}

impl VoucherState {
    /// The public name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Locked => "locked",
            Self::Redeemed => "redeemed",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// Why a command was turned down. An expected answer, not a fault: it leaves no trace, and its text
/// is the public error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No campaign of that name or number.
    #[error("campaign_not_found")]
    CampaignNotFound,
    /// A campaign of that id exists.
    #[error("campaign_exists")]
    CampaignExists,
    /// The state machine holds as many campaigns as it may.
    #[error("campaign_limit_reached")]
    CampaignLimitReached,
    /// Draft, paused, or before `opens_at`.
    #[error("campaign_not_open")]
    CampaignNotOpen,
    /// Closed, or after `closes_at`.
    #[error("campaign_closed")]
    CampaignClosed,
    /// The campaign's state does not allow this change of state.
    #[error("campaign_state_conflict")]
    CampaignStateConflict(CampaignState),
    /// Another document came first.
    #[error("version_conflict")]
    VersionConflict,
    /// This field of an open campaign cannot change.
    #[error("terms_frozen")]
    TermsFrozen(&'static str),
    /// The claim's conditions were evaluated against another version of the terms: refresh and ask
    /// again. Gates do so themselves; no client sees it.
    #[error("terms_changed")]
    TermsChanged,
    /// A condition of the campaign does not hold.
    #[error("not_eligible")]
    NotEligible,
    /// As many vouchers, or as much money, as one user may get.
    #[error("user_limit_reached")]
    UserLimitReached,
    /// What is available does not cover it.
    #[error("budget_exhausted")]
    BudgetExhausted,
    /// The campaign's sums would leave the range of a 64-bit integer.
    #[error("amount_too_large")]
    AmountTooLarge,
    /// A request key is needed here.
    #[error("idempotency_key_missing")]
    IdempotencyKeyMissing,
    /// The request key belongs to another request.
    #[error("idempotency_key_reused")]
    IdempotencyKeyReused,
    /// The reference belongs to another request of this kind in this campaign, or to a redemption
    /// that was undone.
    #[error("reference_reused")]
    ReferenceReused,
    /// No such voucher.
    #[error("voucher_not_found")]
    VoucherNotFound,
    /// The voucher is another user's.
    #[error("voucher_of_another_user")]
    VoucherOfAnotherUser,
    /// A lock holds it.
    #[error("voucher_locked")]
    VoucherLocked,
    /// Redeemed, expired or revoked.
    #[error("voucher_not_live")]
    VoucherNotLive(VoucherState),
    /// Not for this brand, category or hour.
    #[error("voucher_not_applicable")]
    VoucherNotApplicable,
    /// The bill is too small.
    #[error("min_spend_not_met")]
    MinSpendNotMet,
    /// No such lock.
    #[error("lock_not_found")]
    LockNotFound,
    /// The lock no longer holds the voucher.
    #[error("lock_not_held")]
    LockNotHeld,
    /// No such redemption.
    #[error("redemption_not_found")]
    RedemptionNotFound,
    /// Too late to undo.
    #[error("rollback_window_over")]
    RollbackWindowOver,
    /// This build does not know these rules, or they hold already.
    #[error("rules_unknown")]
    RulesUnknown,
    /// A field is out of its range. Gates check first, so it is their own commands, or a rule's,
    /// that are refused so.
    #[error("invalid_field")]
    InvalidField(&'static str),
    /// It is so already: there is nothing to change, and nothing to put on record.
    #[error("unchanged")]
    Unchanged,
    /// An operator has set the level: rules do not change it.
    #[error("level_by_hand")]
    LevelByHand,
    /// An order holds the lock or redemption: it goes with the order alone.
    #[error("held_by_order")]
    HeldByOrder,
    /// No outlet of that name or number.
    #[error("outlet_not_found")]
    OutletNotFound,
    /// The state machine holds as many outlets as it may.
    #[error("outlet_limit_reached")]
    OutletLimitReached,
    /// The outlet takes no orders now.
    #[error("outlet_paused")]
    OutletPaused,
    /// The outlet's system, or its vendor's, cannot be reached now, or takes no new orders.
    #[error("outlet_unreachable")]
    OutletUnreachable,
    /// An operator holds the breaker: connectors do not change it.
    #[error("breaker_by_hand")]
    BreakerByHand,
    /// No such order.
    #[error("order_not_found")]
    OrderNotFound,
    /// The order is another user's.
    #[error("order_of_another_user")]
    OrderOfAnotherUser,
    /// The order is another outlet's.
    #[error("order_of_another_outlet")]
    OrderOfAnotherOutlet,
    /// The order's state does not allow this.
    #[error("order_state_conflict")]
    OrderStateConflict(OrderState),
    /// The order has no payment: nothing was left to pay.
    #[error("payment_not_found")]
    PaymentNotFound,
    /// The order's payment has another trade number: whoever talks to the provider must look.
    #[error("trade_conflict")]
    TradeConflict,
    /// The ticket has another version by now.
    #[error("ticket_version_conflict")]
    TicketVersionConflict,
    /// More than was paid and not given back yet.
    #[error("refund_too_large")]
    RefundTooLarge,
    /// No refund of this number is under way.
    #[error("refund_not_found")]
    RefundNotFound,
    /// The kitchen cannot have it ready by then: a quote says what it can.
    #[error("outlet_busy")]
    OutletBusy,
    /// No outlet of the quote can make it within the time that is promised ahead.
    #[error("no_offers")]
    NoOffers,
    /// The offer is no longer held, or was taken.
    #[error("offer_expired")]
    OfferExpired,
    /// The offer is for another outlet or other work.
    #[error("offer_of_another_order")]
    OfferOfAnotherOrder,
    /// The outlet has another document than the one by which it was priced.
    #[error("outlet_changed")]
    OutletChanged,
    /// No webhook of that name.
    #[error("webhook_not_found")]
    WebhookNotFound,
    /// The state machine holds as many webhooks as it may.
    #[error("webhook_limit_reached")]
    WebhookLimitReached,
    /// The list has no such dead letter.
    #[error("dead_letter_not_found")]
    DeadLetterNotFound,
}
