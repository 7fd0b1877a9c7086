//! Commands: what may be asked of the state machine. Imperative names; one struct each.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::{
    CampaignId, CampaignNo, CancelOrder, ChangeBreaker, Level, LockNo, MoveTicket, NameHash,
    PauseOutlet, PlaceOrder, Purpose, PutOutlet, PutWebhook, QuoteOrder, RecordDeadLetter,
    RecordPayment, RecordRefund, RecordWalkIns, RedemptionNo, Reference, RefundOrder,
    RemoveWebhook, ReplayWebhook, RequestKey, ResumeOutlet, RetryDeadLetter, SetStaffing,
    SettleDeadLetter, SettleDispute, Terms, UserKey, VoucherNo, Wire,
};

/// Longest reason that an operator or app may give, in bytes.
pub const REASON_LEN_MAX: usize = 200;

/// Largest campaign document that is kept, in bytes of JSON.
pub const DOCUMENT_LEN_MAX: usize = 32 * 1024;

/// Largest bill, in minor units: far beyond any, and small enough that a percentage of it cannot
/// leave 64 bits.
pub const BILL_MINOR_MAX: u64 = 1 << 48;

/// One ask for a change. The engine gives it a time and, if it has an effect, a sequence number.
///
/// Only what is small stands in it; all else stands beside it, in a box.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Command {
    /// Give a user the campaign's voucher.
    ClaimVoucher(ClaimVoucher),
    /// Hold a voucher for an order.
    LockVoucher(Box<LockVoucher>),
    /// Let go of a held voucher.
    ReleaseLock(ReleaseLock),
    /// Use a voucher on a bill.
    RedeemVoucher(Box<RedeemVoucher>),
    /// Undo a redemption.
    RollBackRedemption(Box<RollBackRedemption>),
    /// Take a live voucher back.
    RevokeVoucher(Box<RevokeVoucher>),
    /// Make a campaign, as a draft.
    CreateCampaign(Box<CreateCampaign>),
    /// Replace a campaign's document.
    ReplaceCampaign(Box<ReplaceCampaign>),
    /// Add to or take from a campaign's budget.
    MoveBudget(Box<MoveBudget>),
    /// Open, pause, resume or close a campaign.
    ChangeCampaignState(Box<ChangeCampaignState>),
    /// Let time pass: expire what is due.
    Tick(Tick),
    /// The engine is back after it was stopped.
    ResumeService(ResumeService),
    /// From here on decide by these rules.
    ActivateRules(ActivateRules),
    /// Set the brownout level.
    ChangeLevel(Box<ChangeLevel>),
    /// Give the brownout level back to the rules.
    ReleaseLevel(ReleaseLevel),
    /// Set the limit of claims.
    ChangeLimit(Box<ChangeLimit>),
    /// Make an outlet, or replace its document.
    PutOutlet(Box<PutOutlet>),
    /// An outlet takes no orders for a while.
    PauseOutlet(Box<PauseOutlet>),
    /// A paused outlet takes orders again.
    ResumeOutlet(Box<ResumeOutlet>),
    /// Order at an outlet.
    PlaceOrder(Box<PlaceOrder>),
    /// What a provider says of an order's payment.
    RecordPayment(RecordPayment),
    /// What came of a refund.
    RecordRefund(RecordRefund),
    /// An order's ticket goes on at the outlet.
    MoveTicket(MoveTicket),
    /// End an order before it is collected.
    CancelOrder(Box<CancelOrder>),
    /// Give money back without ending the order.
    RefundOrder(Box<RefundOrder>),
    /// So many make at an outlet.
    SetStaffing(SetStaffing),
    /// An outlet has work of another channel.
    RecordWalkIns(RecordWalkIns),
    /// Ask where and when an order can be made, and hold what is offered.
    QuoteOrder(Box<QuoteOrder>),
    /// Somebody has seen to money that a provider took and should not have.
    SettleDispute(Box<SettleDispute>),
    /// An outlet's or a vendor's system can be reached, or cannot.
    ChangeBreaker(Box<ChangeBreaker>),
    /// Make a webhook, or replace its document.
    PutWebhook(Box<PutWebhook>),
    /// End a webhook.
    RemoveWebhook(RemoveWebhook),
    /// Deliver events again.
    ReplayWebhook(Box<ReplayWebhook>),
    /// An event could not be delivered.
    RecordDeadLetter(Box<RecordDeadLetter>),
    /// Deliver a dead letter again.
    RetryDeadLetter(Box<RetryDeadLetter>),
    /// A dead letter was delivered after all.
    SettleDeadLetter(SettleDeadLetter),
}

// Commands come to the deciding thread from another core, which it waits for line by line: with
// what a gate says beside it, each has to fit a cache line of 64 bytes.
const _: () = assert!(size_of::<Command>() <= 48);

/// Gives one voucher to a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ClaimVoucher {
    /// Of which campaign.
    pub campaign: CampaignNo,
    /// The version of the terms that `conditions_met` was made with.
    pub terms_version: u32,
    /// One bit a condition of the campaign's eligibility.
    pub conditions_met: u16,
    /// For whom.
    pub user: UserKey,
    /// Needed where a user may claim more than one; not looked at otherwise.
    pub request: Option<RequestKey>,
}

/// Holds a live voucher, so that it neither expires nor is used by anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LockVoucher {
    /// Makes a repeat harmless.
    pub request: RequestKey,
    /// Which voucher.
    pub voucher: VoucherNo,
    /// Whose it must be.
    pub user: UserKey,
    /// How long, in milliseconds; 1 to [`super::DURATION_MS_MAX`].
    pub ttl_ms: u64,
    /// The app's own number for what it is held for.
    pub reference: Reference,
}

/// Lets go of a held voucher. A repeat finds it let go already and changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ReleaseLock {
    /// Which lock.
    pub lock: LockNo,
}

/// Uses a voucher on a bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RedeemVoucher {
    /// Makes a repeat harmless.
    pub request: RequestKey,
    /// On what bill.
    pub bill: Bill,
    /// The lock that holds it, if one does.
    pub lock: Option<LockNo>,
    /// The app's own number for the bill.
    pub reference: Reference,
}

/// What a voucher is to be used on; also what a validation asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Bill {
    /// Which voucher.
    pub voucher: VoucherNo,
    /// Whose it must be.
    pub user: UserKey,
    /// The bill before the discount, in minor units.
    pub order_minor: u64,
    /// Where, if the app says so.
    pub brand: Option<NameHash>,
    /// What for.
    pub categories: Categories,
}

/// Up to [`Categories::MAX`] categories of one order, kept inline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Categories {
    len: u8,
    names: [u32; Self::MAX],
}

impl Categories {
    /// Keeps the redemption command within 128 bytes.
    pub const MAX: usize = 5;

    /// `None` when there are more than [`Self::MAX`].
    #[must_use]
    pub fn new(names: &[NameHash]) -> Option<Self> {
        let mut made = Self { len: u8::try_from(names.len()).ok()?, ..Self::default() };
        if names.len() > Self::MAX {
            return None;
        }
        for (place, name) in made.names.iter_mut().zip(names) {
            *place = name.0;
        }
        Some(made)
    }

    /// In the order given.
    pub fn iter(&self) -> impl Iterator<Item = NameHash> {
        self.names[..usize::from(self.len)].iter().map(|name| NameHash(*name))
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Categories {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// Undoes a redemption.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RollBackRedemption {
    /// Makes a repeat harmless.
    pub request: RequestKey,
    /// Which redemption.
    pub redemption: RedemptionNo,
    /// For the record.
    pub reason: String,
}

/// Takes a live voucher back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RevokeVoucher {
    /// Makes a repeat harmless.
    pub request: RequestKey,
    /// Which voucher.
    pub voucher: VoucherNo,
    /// For the record.
    pub reason: String,
}

/// Makes a campaign, as a draft without money.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct CreateCampaign {
    /// Makes a repeat harmless.
    pub request: RequestKey,
    /// What it is.
    pub definition: Definition,
}

/// A campaign's document as the operator wrote it, and the terms compiled from it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Definition {
    /// The operator's name for it.
    pub id: CampaignId,
    /// The document as JSON; returned as given, never looked into by the rules.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub document: Vec<u8>,
    /// What the rules need of it.
    pub terms: Terms,
}

/// Replaces a campaign's document.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ReplaceCampaign {
    /// The version that the operator has seen; another one refuses.
    pub version_seen: u32,
    /// What it is from now on.
    pub definition: Definition,
}

/// Whether money comes in or goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Direction {
    /// In, to `available`.
    Fund,
    /// Out of `available`.
    Withdraw,
}

/// Adds to or takes from a campaign's budget.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MoveBudget {
    /// Makes a repeat harmless.
    pub request: RequestKey,
    /// Which campaign.
    pub campaign: CampaignId,
    /// In or out.
    pub direction: Direction,
    /// Which part of the budget.
    pub purpose: Purpose,
    /// At least 1.
    pub amount_minor: u64,
    /// The sponsor's own number for the transfer.
    pub reference: Reference,
}

/// What an operator does to a campaign's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum StateChange {
    /// Draft to open.
    Open,
    /// Open to paused.
    Pause,
    /// Paused to open.
    Resume,
    /// Any to closed, for good.
    Close,
}

/// Opens, pauses, resumes or closes a campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ChangeCampaignState {
    /// Makes a repeat harmless.
    pub request: RequestKey,
    /// Which campaign.
    pub campaign: CampaignId,
    /// To what.
    pub change: StateChange,
    /// For the record; may be empty.
    pub reason: String,
}

/// Lets time pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Tick {
    /// Most things to expire at once.
    pub limit: u32,
}

/// The engine is back: what would have expired meanwhile gets that time as grace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ResumeService {
    /// Time of the last record before the stop, in milliseconds since 1970.
    pub stopped_at_ms: u64,
}

/// From here on decide by these rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ActivateRules {
    /// A version that this build has.
    pub version: u16,
}

/// Sets the brownout level, by rule or by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ChangeLevel {
    /// Makes a repeat harmless; needed of operators, while rules look at the level first.
    pub request: Option<RequestKey>,
    /// To this.
    pub level: Level,
    /// By an operator: rules do not change it from then on, until [`ReleaseLevel`].
    pub by_hand: bool,
    /// For the record and for all who see the level; 1 to [`REASON_LEN_MAX`] bytes.
    pub reason: String,
}

/// Gives the brownout level back to the rules. It stays as it is until one of them changes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ReleaseLevel {
    /// Makes a repeat harmless.
    pub request: RequestKey,
    /// For the record; 1 to [`REASON_LEN_MAX`] bytes.
    pub reason: String,
}

/// Sets how many claims are decided in a second at most.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ChangeLimit {
    /// Makes a repeat harmless.
    pub request: RequestKey,
    /// At least 1; `None`: no limit by hand, the configuration's holds.
    pub claims_per_s: Option<u32>,
    /// For the record; 1 to [`REASON_LEN_MAX`] bytes.
    pub reason: String,
}

impl Command {
    /// The key that makes a repeat harmless, where the command has one.
    #[must_use]
    pub fn request(&self) -> Option<RequestKey> {
        match self {
            Self::ClaimVoucher(claim) => claim.request,
            Self::LockVoucher(lock) => Some(lock.request),
            Self::RedeemVoucher(redeem) => Some(redeem.request),
            Self::RollBackRedemption(roll_back) => Some(roll_back.request),
            Self::RevokeVoucher(revoke) => Some(revoke.request),
            Self::CreateCampaign(create) => Some(create.request),
            Self::MoveBudget(budget) => Some(budget.request),
            Self::ChangeCampaignState(change) => Some(change.request),
            Self::ChangeLevel(change) => change.request,
            Self::ReleaseLevel(release) => Some(release.request),
            Self::ChangeLimit(change) => Some(change.request),
            Self::PauseOutlet(pause) => Some(pause.request),
            Self::ResumeOutlet(resume) => Some(resume.request),
            Self::PlaceOrder(place) => Some(place.request),
            Self::CancelOrder(cancel) => Some(cancel.request),
            Self::RefundOrder(refund) => Some(refund.request),
            Self::SetStaffing(staffing) => Some(staffing.request),
            Self::RecordWalkIns(record) => Some(record.request),
            Self::QuoteOrder(quote) => Some(quote.request),
            Self::SettleDispute(settle) => Some(settle.request),
            Self::ChangeBreaker(change) => change.request,
            Self::ReplayWebhook(replay) => Some(replay.request),
            Self::RetryDeadLetter(retry) => Some(retry.request),
            Self::ReleaseLock(_)
            | Self::ReplaceCampaign(_)
            | Self::Tick(_)
            | Self::ResumeService(_)
            | Self::ActivateRules(_)
            | Self::PutOutlet(_)
            | Self::PutWebhook(_)
            | Self::RemoveWebhook(_)
            | Self::RecordDeadLetter(_)
            | Self::SettleDeadLetter(_)
            | Self::RecordPayment(_)
            | Self::RecordRefund(_)
            | Self::MoveTicket(_) => None,
        }
    }

    /// Puts the same command under the key of all zeros, and without what the gate adds to it by
    /// itself: a retry after the campaign's or outlet's document was replaced is still the same
    /// request. Of orders and quotes nearly everything follows from the outlet's document, so the gate
    /// says by a fingerprint what was asked for.
    fn put_as_asked(&self, out: &mut Vec<u8>) {
        let none = RequestKey([0; 16]);
        match self {
            Self::ClaimVoucher(claim) => {
                let claim = ClaimVoucher { request: None, terms_version: 0, ..*claim };
                Self::ClaimVoucher(claim).put(out);
            }
            Self::ChangeLevel(change) => {
                let change = ChangeLevel { request: None, ..(**change).clone() };
                Self::ChangeLevel(Box::new(change)).put(out);
            }
            Self::ChangeBreaker(change) => {
                let change = ChangeBreaker { request: None, ..(**change).clone() };
                Self::ChangeBreaker(Box::new(change)).put(out);
            }
            // Nothing of their lists is looked at, so none is put.
            Self::PlaceOrder(place) => {
                Self::PlaceOrder(Box::new(PlaceOrder::again(none, place.asked))).put(out);
            }
            Self::QuoteOrder(quote) => {
                Self::QuoteOrder(Box::new(QuoteOrder::again(none, quote.asked))).put(out);
            }
            // Their key is the first field, raw behind the byte of the variant: it is made zeros in
            // the binary form, for which no command has to be copied with its box.
            Self::LockVoucher(_)
            | Self::RedeemVoucher(_)
            | Self::RollBackRedemption(_)
            | Self::RevokeVoucher(_)
            | Self::CreateCampaign(_)
            | Self::MoveBudget(_)
            | Self::ChangeCampaignState(_)
            | Self::ReleaseLevel(_)
            | Self::ChangeLimit(_)
            | Self::PauseOutlet(_)
            | Self::ResumeOutlet(_)
            | Self::CancelOrder(_)
            | Self::RefundOrder(_)
            | Self::SetStaffing(_)
            | Self::RecordWalkIns(_)
            | Self::SettleDispute(_)
            | Self::ReplayWebhook(_)
            | Self::RetryDeadLetter(_) => {
                let key_at = out.len() + 1;
                self.put(out);
                out[key_at..][..none.0.len()].copy_from_slice(&none.0);
            }
            Self::ReleaseLock(_)
            | Self::ReplaceCampaign(_)
            | Self::Tick(_)
            | Self::ResumeService(_)
            | Self::ActivateRules(_)
            | Self::PutOutlet(_)
            | Self::PutWebhook(_)
            | Self::RemoveWebhook(_)
            | Self::RecordDeadLetter(_)
            | Self::SettleDeadLetter(_)
            | Self::RecordPayment(_)
            | Self::RecordRefund(_)
            | Self::MoveTicket(_) => self.put(out),
        }
    }

    /// A 64-bit fingerprint of everything but the request key and what gates look up by themselves
    /// over the binary form: two requests under one key are the same request when this is equal.
    /// Snapshots hold it, so it never changes.
    #[must_use]
    pub fn body_digest(&self) -> u64 {
        self.body_digest_in(&mut Vec::new())
    }

    /// As [`Self::body_digest`], with memory to put the binary form into.
    pub(crate) fn body_digest_in(&self, scratch: &mut Vec<u8>) -> u64 {
        scratch.clear();
        self.put_as_asked(scratch);
        crate::hash::digest(scratch)
    }

    /// Whether only the engine itself may give this command.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        matches!(self, Self::Tick(_) | Self::ResumeService(_) | Self::ActivateRules(_))
    }
}
