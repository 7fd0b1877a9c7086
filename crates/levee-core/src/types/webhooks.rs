//! Webhooks: where the app's back end is told of what has happened, and what could not be told.

use alloc::string::String;
use alloc::vec::Vec;

use super::{CampaignId, LockNo, OutletNo, RedemptionNo, WebhookId};
use super::{OrderEnd, OrderNo, OutletId, RequestKey, UserKey, VoucherNo};

/// Most webhooks of one installation: each reads the whole journal.
pub const WEBHOOKS_MAX: usize = 16;

/// Largest document of a webhook, in bytes of JSON.
pub const WEBHOOK_LEN_MAX: usize = 4 * 1024;

/// Most dead letters that are kept of one webhook; then the oldest goes, and is counted. A replay
/// still has it delivered.
pub const DEAD_LETTERS_MAX: usize = 500;

/// Makes a webhook, or replaces its document.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PutWebhook {
    /// The operator's name for it.
    pub id: WebhookId,
    /// The document as JSON, its secret included; never looked into by the rules. At most
    /// [`WEBHOOK_LEN_MAX`] bytes.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub document: Vec<u8>,
}

/// Ends a webhook, with its dead letters.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RemoveWebhook {
    /// Which.
    pub id: WebhookId,
}

/// Has all events delivered again that came after a sequence number.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ReplayWebhook {
    /// Makes a repeat harmless.
    pub request: RequestKey,
    /// Which.
    pub id: WebhookId,
    /// At most the last one at the time of asking.
    pub after_seq: u64,
}

/// One event: the command that it came of, and its place among that command's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct EventNo {
    /// Sequence number of the command.
    pub seq: u64,
    /// From 0 on.
    pub index: u32,
}

/// An event that could not be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct DeadLetter {
    /// Which; its content follows from the journal.
    pub event: EventNo,
    /// Its type, as a number that whoever delivers gave it.
    pub kind: u8,
    /// How often it was sent; 0 where it was given up before its turn came.
    pub tries: u32,
    /// What came of the last try, or why there was none; 1 to [`super::REASON_LEN_MAX`] bytes.
    pub error: String,
}

/// An event of a webhook could not be delivered. Only whoever delivers says so.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RecordDeadLetter {
    /// Of which webhook.
    pub id: WebhookId,
    /// Which event, and why.
    pub letter: DeadLetter,
}

/// Has a dead letter delivered again; it leaves the list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RetryDeadLetter {
    /// Makes a repeat harmless.
    pub request: RequestKey,
    /// Of which webhook.
    pub id: WebhookId,
    /// Which.
    pub event: EventNo,
}

/// A dead letter was delivered after all: by a replay, or again after a crash that came between its
/// recording and the note of how far the webhook is. Only whoever delivers says so.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SettleDeadLetter {
    /// Of which webhook.
    pub id: WebhookId,
    /// Which.
    pub event: EventNo,
}

/// A webhook as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// The document as JSON.
    pub document: Vec<u8>,
    /// Counts up with every document, from 1.
    pub version: u32,
    /// Sequence number of its first document: it is told of what comes after.
    pub created_seq: u64,
    /// In the order of events; at most [`DEAD_LETTERS_MAX`].
    pub dead: Vec<DeadLetter>,
    /// Dead letters that the list had no room for.
    pub dead_dropped: u64,
}

/// What an event is about, for whoever tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A voucher.
    Voucher(VoucherNo),
    /// The voucher of a redemption.
    Redemption(RedemptionNo),
    /// The voucher of a lock.
    Lock(LockNo),
    /// An order.
    Order(OrderNo),
    /// An outlet.
    Outlet(OutletNo),
}

/// What never changes of a subject any more, so that an event has the same content however late it
/// is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// There is no such thing.
    Nothing,
    /// A voucher.
    Voucher(VoucherFacts),
    /// The voucher of a lock.
    Lock {
        /// Which.
        voucher: VoucherFacts,
        /// Whether the voucher's own time was over when the lock let go of it.
        is_over: bool,
    },
    /// An order.
    Order(OrderFacts),
    /// An outlet's name.
    Outlet(OutletId),
}

/// What is fixed of a voucher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoucherFacts {
    /// Its number.
    pub voucher: VoucherNo,
    /// Whose.
    pub user: UserKey,
    /// Of which campaign.
    pub campaign: CampaignId,
    /// Largest discount, in minor units.
    pub face_minor: u32,
}

/// What is fixed of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderFacts {
    /// Who ordered.
    pub user: UserKey,
    /// Price of all lines, in minor units.
    pub total_minor: u64,
    /// What merchant and voucher take off, in minor units.
    pub discount_minor: u64,
    /// What the user pays, in minor units.
    pub payable_minor: u64,
    /// The voucher that pays a part.
    pub voucher: Option<VoucherFacts>,
    /// Why it ended; fixed once it has.
    pub end: Option<OrderEnd>,
}
