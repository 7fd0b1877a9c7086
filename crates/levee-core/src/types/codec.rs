//! The binary form of commands and outcomes, as the journal keeps it.
//!
//! Integers are LEB128 varints, keys are raw, lists and texts carry their length; there is no
//! padding, so equal values have equal bytes. A layout never changes under the same
//! [`CODEC_VERSION`]; hot commands stay within 128 bytes. Decoding takes any bytes: it may refuse,
//! but never panics; it allocates a command's own box, and beyond that no more than the input is long.

use alloc::string::String;
use alloc::vec::Vec;

use super::terms::FROZEN_FIELDS;
use super::*;

/// Layout of everything below; each batch in the journal names the one it was written with.
pub const CODEC_VERSION: u8 = 1;

/// Fields in this order.
macro_rules! wire_struct {
    ($($name:ident { $($field:ident),* $(,)? })*) => {$(
        impl Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                $(self.$field.put(out);)*
            }
            #[inline]
            fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                $(let $field = Wire::get(reader)?;)*
                Ok(Self { $($field),* })
            }
        }
    )*};
}

/// One inner value.
macro_rules! wire_newtype {
    ($($name:ident)*) => {$(
        impl Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                self.0.put(out);
            }
            #[inline]
            fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Wire::get(reader).map(Self)
            }
        }
    )*};
}

/// A byte that names the variant, then its fields in this order. A number is never used again.
macro_rules! wire_enum {
    ($($name:ident { $($tag:literal => $variant:ident
        $(($inner:ident))? $({ $($field:ident),* })?),* $(,)? })*) => {$(
        impl Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant $(($inner))? $({ $($field),* })? => {
                        out.push($tag);
                        $($inner.put(out);)?
                        $($($field.put(out);)*)?
                    })*
                }
            }
            #[inline]
            fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                match u8::get(reader)? {
                    $($tag => {
                        $(let $inner = Wire::get(reader)?;)?
                        $($(let $field = Wire::get(reader)?;)*)?
                        Ok(Self::$variant $(($inner))? $({ $($field),* })?)
                    })*
                    _ => Err(reader.not(stringify!($name))),
                }
            }
        }
    )*};
}

pub(crate) use {wire_enum, wire_struct};

// Behind the macros that they use.
mod orders;
mod terms;
mod values;
mod webhooks;

pub use values::{DecodeError, Reader, Wire};

wire_newtype! { CampaignNo VoucherNo RedemptionNo LockNo UserKey RequestKey NameHash }

wire_enum! {
    Command {
        1 => ClaimVoucher(c), 2 => LockVoucher(c), 3 => ReleaseLock(c), 4 => RedeemVoucher(c),
        5 => RollBackRedemption(c), 6 => RevokeVoucher(c), 7 => CreateCampaign(c),
        8 => ReplaceCampaign(c), 9 => MoveBudget(c), 10 => ChangeCampaignState(c), 11 => Tick(c),
        12 => ResumeService(c), 13 => ActivateRules(c), 14 => ChangeLevel(c), 15 => ReleaseLevel(c),
        16 => ChangeLimit(c), 17 => PutOutlet(c), 18 => PauseOutlet(c), 19 => ResumeOutlet(c),
        20 => PlaceOrder(c), 21 => RecordPayment(c), 22 => RecordRefund(c), 23 => MoveTicket(c),
        24 => CancelOrder(c), 25 => RefundOrder(c), 26 => SetStaffing(c), 27 => RecordWalkIns(c),
        28 => QuoteOrder(c), 29 => SettleDispute(c), 30 => ChangeBreaker(c),
        40 => PutWebhook(c), 41 => RemoveWebhook(c), 42 => ReplayWebhook(c),
        43 => RecordDeadLetter(c), 44 => RetryDeadLetter(c), 45 => SettleDeadLetter(c),
    }
    Outcome {
        1 => Claimed { voucher, face_minor },
        2 => Locked { lock, until_ms },
        3 => Released { voucher_state },
        4 => Redeemed { redemption, discount_minor, rest_minor, rollback_until_ms },
        5 => RolledBack { voucher_state },
        6 => Revoked { face_minor },
        7 => CampaignCreated { campaign },
        8 => CampaignReplaced { version },
        9 => BudgetMoved(money),
        10 => CampaignStateChanged { state },
        11 => Ticked(swept),
        12 => ServiceResumed { outage_ms },
        13 => RulesActivated,
        14 => LevelChanged { before, after },
        15 => LimitChanged { before, after },
        16 => OutletPut { outlet, version },
        17 => OutletPaused,
        18 => OutletResumed,
        19 => OrderPlaced { order, promised_at_ms, subsidy_minor, held, due_ms },
        20 => OrderChanged(change),
        21 => TickedWithOrders { swept, orders },
        22 => StaffingSet,
        23 => WalkInsRecorded,
        24 => Quoted(quoted),
        25 => OrderMoved(moved),
        26 => PaymentDisputed,
        27 => DisputeSettled,
        28 => BreakerChanged { before },
        29 => PromisedAnew { change, promised_at_ms }, 45 => RefundEnded { change, amount_minor },
        40 => WebhookPut { version }, 41 => WebhookRemoved, 42 => WebhookReplayed,
        43 => DeadLetterRecorded, 44 => DeadLetterRetried, 46 => DeadLetterSettled,
    }
    Purpose { 0 => Vouchers, 1 => Invites, 2 => Envelopes, 3 => Compensation }
    Direction { 0 => Fund, 1 => Withdraw }
    StateChange { 0 => Open, 1 => Pause, 2 => Resume, 3 => Close }
    CampaignState { 0 => Draft, 1 => Open, 2 => Paused, 3 => Closed }
    VoucherState { 0 => Live, 1 => Locked, 2 => Redeemed, 3 => Expired, 4 => Revoked }
    VoucherKind { 0 => AmountOff { face_minor }, 1 => PercentOff { percent, max_minor } }
    Level { 0 => Normal, 1 => Lean, 2 => Deferred, 3 => Waiting, 4 => Essential }
    Test { 0 => AtLeast(least), 1 => OneOf(texts) }
}

wire_enum! {
    Refusal {
        1 => CampaignNotFound, 2 => CampaignExists, 3 => CampaignLimitReached,
        4 => CampaignNotOpen, 5 => CampaignClosed, 6 => CampaignStateConflict(state),
        7 => VersionConflict, 8 => TermsFrozen(field), 9 => TermsChanged, 10 => NotEligible,
        11 => UserLimitReached, 12 => BudgetExhausted, 13 => AmountTooLarge,
        14 => IdempotencyKeyMissing, 15 => IdempotencyKeyReused, 16 => ReferenceReused,
        17 => VoucherNotFound, 18 => VoucherOfAnotherUser, 19 => VoucherLocked,
        20 => VoucherNotLive(state), 21 => VoucherNotApplicable, 22 => MinSpendNotMet,
        23 => LockNotFound, 24 => LockNotHeld, 25 => RedemptionNotFound,
        26 => RollbackWindowOver, 27 => RulesUnknown, 28 => InvalidField(field), 29 => Unchanged,
        30 => LevelByHand, 31 => HeldByOrder, 32 => OutletNotFound, 33 => OutletLimitReached,
        34 => OutletPaused, 35 => OrderNotFound, 36 => OrderOfAnotherUser,
        37 => OrderOfAnotherOutlet, 38 => OrderStateConflict(state), 39 => PaymentNotFound,
        40 => TradeConflict, 42 => TicketVersionConflict, 43 => RefundTooLarge,
        44 => RefundNotFound, 45 => OutletBusy, 46 => NoOffers, 47 => OfferExpired,
        48 => OfferOfAnotherOrder, 49 => OutletUnreachable, 50 => BreakerByHand,
        51 => OutletChanged, 60 => WebhookNotFound, 61 => WebhookLimitReached,
        62 => DeadLetterNotFound,
    }
}

/// Fields of commands that the rules may find wrong, behind those of the terms. The place of a name
/// never changes.
const INVALID_FIELDS: [&str; 26] = [
    "reason",
    "claims_per_s",
    "document",
    "stations",
    "accept_within",
    "until",
    "lines",
    "total_minor",
    "merchant_discount_minor",
    "pickup_by",
    "work",
    "pay_within",
    "by",
    "amount_minor",
    "minutes_per_unit",
    "ready_within",
    "hours",
    "candidates",
    "hold",
    "allow_other_outlet",
    "fulfilment",
    "state",
    "vendor",
    "after_seq",
    "event",
    "error",
];

/// The name of a field, by its place among those that refusals name.
impl Wire for &'static str {
    fn put(&self, out: &mut Vec<u8>) {
        let mut fields = FROZEN_FIELDS.iter().chain(&INVALID_FIELDS);
        let place = fields.position(|field| field == self);
        place.expect("refusals name fields of this list").put(out);
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let place = usize::get(reader)?;
        let mut fields = FROZEN_FIELDS.iter().chain(&INVALID_FIELDS);
        fields.nth(place).copied().ok_or_else(|| reader.not("field of a refusal"))
    }
}

wire_struct! {
    ClaimVoucher { campaign, terms_version, conditions_met, user, request }
    LockVoucher { request, voucher, user, ttl_ms, reference }
    ReleaseLock { lock }
    RedeemVoucher { request, bill, lock, reference }
    Bill { voucher, user, order_minor, brand, categories }
    RollBackRedemption { request, redemption, reason }
    RevokeVoucher { request, voucher, reason }
    CreateCampaign { request, definition }
    Definition { id, document, terms }
    ReplaceCampaign { version_seen, definition }
    MoveBudget { request, campaign, direction, purpose, amount_minor, reference }
    ChangeCampaignState { request, campaign, change, reason }
    Tick { limit }
    ResumeService { stopped_at_ms }
    ActivateRules { version }
    ChangeLevel { request, level, by_hand, reason }
    ReleaseLevel { request, reason }
    ChangeLimit { request, claims_per_s, reason }
    LevelSetting { level, by_hand }
    Operations { setting, reason, since_ms, claims_per_s, limit_reason, limit_since_ms }
    Swept { locks, vouchers, redemptions }
}

impl Wire for Reference {
    fn put(&self, out: &mut Vec<u8>) {
        let text = self.as_str();
        text.len().put(out);
        out.extend_from_slice(text.as_bytes());
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let len = usize::get(reader)?;
        let text = core::str::from_utf8(reader.take(len)?).map_err(|_| reader.not("text"))?;
        Self::new(text).ok_or_else(|| reader.not("reference"))
    }
}

impl Wire for Categories {
    fn put(&self, out: &mut Vec<u8>) {
        self.iter().count().put(out);
        self.iter().for_each(|name| out.extend_from_slice(&name.0.to_le_bytes()));
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let len = usize::get(reader)?;
        if len > Self::MAX {
            return Err(reader.not("list of categories"));
        }
        let mut names = [NameHash(0); Self::MAX];
        for name in &mut names[..len] {
            *name = NameHash(u32::from_le_bytes(Wire::get(reader)?));
        }
        Ok(Self::new(&names[..len]).expect("checked just now"))
    }
}

macro_rules! wire_name {
    ($($name:ident $what:literal)*) => {$(
        impl Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                self.as_str().len().put(out);
                out.extend_from_slice(self.as_str().as_bytes());
            }
            fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                let text = String::get(reader)?;
                Self::new(&text).ok_or_else(|| reader.not($what))
            }
        }
    )*};
}

wire_name! { CampaignId "campaign id" OutletId "outlet id" WebhookId "webhook id" }

#[cfg(test)]
mod tests {
    use super::*;

    fn hot_commands() -> [Command; 3] {
        let key = [0xab; 16];
        let reference = Reference::new(&"r".repeat(Reference::LEN_MAX)).expect("fits");
        [
            Command::ClaimVoucher(ClaimVoucher {
                campaign: CampaignNo(u32::MAX),
                terms_version: u32::MAX,
                conditions_met: u16::MAX,
                user: UserKey(key),
                request: Some(RequestKey(key)),
            }),
            Command::LockVoucher(Box::new(LockVoucher {
                request: RequestKey(key),
                voucher: VoucherNo(u32::MAX),
                user: UserKey(key),
                ttl_ms: DURATION_MS_MAX,
                reference,
            })),
            Command::RedeemVoucher(Box::new(RedeemVoucher {
                request: RequestKey(key),
                bill: Bill {
                    voucher: VoucherNo(u32::MAX),
                    user: UserKey(key),
                    order_minor: BILL_MINOR_MAX,
                    brand: Some(NameHash(0x7fff_ffff)),
                    categories: Categories::new(&[NameHash(u32::MAX); Categories::MAX])
                        .expect("as many as fit"),
                },
                lock: Some(LockNo(u32::MAX)),
                reference,
            })),
        ]
    }

    #[test]
    fn the_largest_hot_commands_fit_128_bytes_and_come_back_the_same() {
        for command in hot_commands() {
            let mut bytes = Vec::new();
            command.put(&mut bytes);
            assert!(bytes.len() <= 128, "{} bytes: {command:?}", bytes.len());
            let mut reader = Reader::new(&bytes);
            assert_eq!(Command::get(&mut reader), Ok(command));
            assert_eq!(reader.remaining(), 0);
        }
    }

    #[test]
    fn cut_and_flipped_bytes_never_panic() {
        for command in hot_commands() {
            let mut bytes = Vec::new();
            command.put(&mut bytes);
            for len in 0..bytes.len() {
                assert!(Command::get(&mut Reader::new(&bytes[..len])).is_err(), "cut at {len}");
            }
            for place in 0..bytes.len() {
                let mut flipped = bytes.clone();
                flipped[place] ^= 0xff;
                let _ = Command::get(&mut Reader::new(&flipped));
            }
        }
    }
}
