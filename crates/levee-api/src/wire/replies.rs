//! What servers answer.

use levee_core::SetAside;
use levee_core::types::{CampaignState, Counts, Money, VoucherState};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::CampaignDocument;
use crate::time::Instant;

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
    /// A campaign's buckets, in minor units; `funded` is the sum of the others.
    MoneyBody {
        /// All top-ups.
        funded_minor: u64,
        /// Free, or set aside.
        available_minor: u64,
        /// For live vouchers, and the rests of redemptions that can be rolled back.
        reserved_minor: u64,
        /// For locked vouchers, and payouts under way.
        in_flight_minor: u64,
        /// In open envelopes.
        escrowed_minor: u64,
        /// Won, not yet paid out.
        owed_minor: u64,
        /// Settled minus reversed.
        spent_minor: u64,
        /// Withdrawn.
        returned_minor: u64,
    }
    /// Parts of what is available.
    SetAsideBody {
        /// For invite rewards.
        invites_minor: u64,
        /// For envelopes.
        envelopes_minor: u64,
        /// For compensation.
        compensation_minor: u64,
    }
    /// A campaign's things, by state.
    CountsBody {
        /// Vouchers by claim.
        claims: u64,
        /// Usable.
        vouchers_live: u64,
        /// Held by a lock.
        vouchers_locked: u64,
        /// Used.
        vouchers_redeemed: u64,
        /// Over.
        vouchers_expired: u64,
        /// Taken back.
        vouchers_revoked: u64,
        /// Envelopes that can be opened.
        envelopes_open: u64,
        /// Shares given out.
        envelope_openings: u64,
        /// Users brought in.
        invites_accepted: u64,
        /// Orders placed.
        orders: u64,
    }
    /// A campaign.
    CampaignBody {
        /// Its id.
        id: String,
        /// `draft`, `open`, `paused` or `closed`.
        state: String,
        /// Counts up with every replaced document; the `ETag`.
        version: u32,
        /// When it was made.
        created_at: Instant,
        /// As given.
        document: CampaignDocument,
        /// Its buckets.
        money: MoneyBody,
        /// Parts of what is available.
        set_aside: SetAsideBody,
        /// Its things.
        counts: CountsBody,
        /// In replies to writes: the place in the journal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seq: Option<u64>,
    }
    /// To funding and withdrawing.
    BudgetBody {
        /// Its id.
        campaign: String,
        /// The buckets after it.
        money: MoneyBody,
        /// Place in the journal.
        seq: u64,
    }
    /// To a change of state.
    StateBody {
        /// Its id.
        campaign: String,
        /// The state now.
        state: String,
        /// Place in the journal.
        seq: u64,
    }
    /// A voucher as a claim's answer has it: as of the claim, and the same at every repeat.
    ClaimedVoucher {
        /// As shown to the user.
        code: String,
        /// Largest discount.
        face_minor: u32,
        /// From the claim on.
        valid_from: Instant,
        /// Until then.
        valid_until: Instant,
        /// `live`.
        state: String,
    }
    /// To a claim.
    ClaimBody {
        /// The voucher.
        voucher: ClaimedVoucher,
        /// Place in the journal.
        seq: u64,
    }
    /// One line of the answer to a batch of claims: a claim's answer or a problem.
    BatchLineBody {
        /// What the claim alone would have been answered with: 201, 200 for a repeat, or an error.
        status: u16,
        /// For 200 and 201.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        voucher: Option<ClaimedVoucher>,
        /// For 200 and 201.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seq: Option<u64>,
        /// Otherwise.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        problem: Option<crate::problem::Problem>,
    }
    /// A lock that holds a voucher.
    LockRef {
        /// `lck_...`.
        id: String,
        /// Until then.
        until: Instant,
    }
    /// A voucher as it is now.
    VoucherBody {
        /// As shown to the user.
        code: String,
        /// Its campaign.
        campaign: String,
        /// Why it was given: `claim`.
        kind: String,
        /// `live`, `locked`, `redeemed`, `expired` or `revoked`.
        state: String,
        /// Largest discount.
        face_minor: u32,
        /// For a share of the bill.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        percent: Option<u8>,
        /// Smallest bill.
        min_spend_minor: u64,
        /// From then on.
        valid_from: Instant,
        /// Until then.
        valid_until: Instant,
        /// What holds it.
        lock: Option<LockRef>,
        /// What used it.
        redemption: Option<String>,
        /// The order that it belongs to.
        order: Option<String>,
    }
    /// To a validation.
    ValidateBody {
        /// Whether a redemption would work now.
        valid: bool,
        /// What it would take off.
        discount_minor: u64,
        /// The error code that it would get.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<crate::problem::Code>,
    }
    /// What a user has.
    WalletBody {
        /// Newest first.
        vouchers: Vec<VoucherBody>,
        /// Red envelopes.
        envelopes: Vec<serde_json::Value>,
        /// Invites.
        invites: Vec<serde_json::Value>,
        /// Rewards.
        rewards: Vec<serde_json::Value>,
        /// For `after`, where there are more vouchers.
        next: Option<String>,
    }
    /// To a lock.
    LockBody {
        /// The lock.
        lock: LockRef,
        /// Place in the journal.
        seq: u64,
    }
    /// To letting go.
    ReleaseBody {
        /// The lock's id.
        lock: String,
        /// `live` or `expired`.
        voucher_state: String,
        /// Place in the journal.
        seq: u64,
    }
    /// A redemption.
    RedemptionInfo {
        /// `red_...`.
        id: String,
        /// The voucher used.
        voucher_code: String,
        /// The app's own number.
        reference: String,
        /// The bill.
        order_minor: u64,
        /// Taken off.
        discount_minor: u32,
        /// Left to pay.
        payable_minor: u64,
        /// It can be undone until then.
        rollback_until: Instant,
        /// When.
        redeemed_at: Instant,
        /// In lists: `redeemed` or `rolled_back`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<String>,
        /// In lists: its campaign.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        campaign: Option<String>,
    }
    /// To a redemption.
    RedemptionBody {
        /// The redemption.
        redemption: RedemptionInfo,
        /// Place in the journal.
        seq: u64,
    }
    /// To a rollback.
    RollbackBody {
        /// `red_...`.
        redemption: String,
        /// `live` or `expired`.
        voucher_state: String,
        /// Place in the journal.
        seq: u64,
    }
    /// To a revocation.
    RevocationBody {
        /// The voucher's code.
        voucher: String,
        /// Available again.
        released_minor: u32,
        /// Place in the journal.
        seq: u64,
    }
    /// To `/readyz`.
    ReadyBody {
        /// Whether commands are taken.
        ready: bool,
        /// `recovering`, `ready`, `stopping` or `failed`.
        phase: String,
        /// How far the engine's recovery is, or was when it ended.
        progress: RecoveryProgress,
        /// Last durable place in the journal.
        durable_seq: u64,
    }
    /// A claim that is durable, while codes are deferred (202): the same claim, sent again from
    /// `code_at` on, is answered with the voucher.
    DeferredClaimBody {
        /// `accepted`.
        state: String,
        /// From when the code can be had, in journal time.
        code_at: Instant,
        /// How long that is from now, in milliseconds.
        code_after_ms: u64,
        /// The claim's place in the journal.
        seq: u64,
    }
    /// Where a pass stands.
    WaitBody {
        /// The claim can be sent now.
        your_turn: bool,
        /// Passes that come before.
        position_ahead: u64,
        /// When the turn comes, most likely, in milliseconds.
        eta_ms: u64,
        /// By when it was told that it would come in nine cases of ten, in milliseconds from now.
        eta_p90_ms: u64,
        /// How long the claim should not be sent again, in milliseconds.
        poll_after_ms: u64,
    }
    /// A campaign's draw of the places of those who are there before it opens.
    DrawBody {
        /// SHA-256 of the seed, in hexadecimal digits.
        commitment: String,
        /// The seed, once the campaign is open.
        seed: Option<String>,
        /// When that is.
        opens_at: Instant,
        /// How to check a place.
        rule: String,
    }
    /// How far an engine's recovery is: first a snapshot is read, then what the journal holds after
    /// it.
    RecoveryProgress {
        /// Bytes of the snapshot read so far.
        restored_bytes: u64,
        /// Its size; 0 without one.
        restore_bytes: u64,
        /// Commands of the journal applied again so far.
        replayed: u64,
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct Page<T> {
    /// In the list's order.
    pub items: Vec<T>,
    /// For `after`, where there are more.
    pub next: Option<String>,
}

impl From<Money> for MoneyBody {
    fn from(money: Money) -> Self {
        Self {
            funded_minor: money.funded_minor,
            available_minor: money.available_minor,
            reserved_minor: money.reserved_minor,
            in_flight_minor: money.in_flight_minor,
            escrowed_minor: money.escrowed_minor,
            owed_minor: money.owed_minor,
            spent_minor: money.spent_minor,
            returned_minor: money.returned_minor,
        }
    }
}

impl From<SetAside> for SetAsideBody {
    fn from(aside: SetAside) -> Self {
        Self {
            invites_minor: aside.invites_minor,
            envelopes_minor: aside.envelopes_minor,
            compensation_minor: aside.compensation_minor,
        }
    }
}

impl From<Counts> for CountsBody {
    /// Envelopes, invites and orders have no commands in this version, so there are none.
    fn from(counts: Counts) -> Self {
        Self {
            claims: counts.claims,
            vouchers_live: counts.live,
            vouchers_locked: counts.locked,
            vouchers_redeemed: counts.redeemed,
            vouchers_expired: counts.expired,
            vouchers_revoked: counts.revoked,
            envelopes_open: 0,
            envelope_openings: 0,
            invites_accepted: 0,
            orders: 0,
        }
    }
}

/// The public name of a state.
#[must_use]
pub fn voucher_state(state: VoucherState) -> String {
    state.name().to_owned()
}

/// The public name of a state.
#[must_use]
pub fn campaign_state(state: CampaignState) -> String {
    state.name().to_owned()
}
