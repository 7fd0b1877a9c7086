//! What clients send.

use levee_core::types::{BILL_MINOR_MAX, Purpose};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::strict::{IdempotencyKey, Name, Pairs, Reason, ReferenceText, UserId};
use crate::time::Duration;

/// Declares request bodies: strict, and naming every field.
macro_rules! requests {
    ($($(#[$doc:meta])* $name:ident {
        $($(#[$field_doc:meta])* $field:ident: $kind:ty,)*
    })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $kind,)*
        }
    )*};
}

/// A bill in minor units: 0 to 2^48.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "u64", into = "u64")]
#[schemars(with = "u64", extend("maximum" = BILL_MINOR_MAX))]
pub struct BillMinor(u64);

impl BillMinor {
    /// In minor units.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }
}

impl TryFrom<u64> for BillMinor {
    type Error = String;

    fn try_from(minor: u64) -> Result<Self, String> {
        if minor > BILL_MINOR_MAX {
            return Err(format!("{minor} is over {BILL_MINOR_MAX}"));
        }
        Ok(Self(minor))
    }
}

impl From<BillMinor> for u64 {
    fn from(bill: BillMinor) -> Self {
        bill.0
    }
}

/// Up to five categories of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "Vec<Name>", into = "Vec<Name>")]
#[schemars(with = "Vec<Name>", extend("maxItems" = levee_core::types::Categories::MAX))]
pub struct CategoryNames(Vec<Name>);

impl CategoryNames {
    /// In the order given.
    #[must_use]
    pub fn as_slice(&self) -> &[Name] {
        &self.0
    }
}

impl TryFrom<Vec<Name>> for CategoryNames {
    type Error = String;

    fn try_from(names: Vec<Name>) -> Result<Self, String> {
        let most = levee_core::types::Categories::MAX;
        if names.len() > most {
            return Err(format!("at most {most} categories"));
        }
        Ok(Self(names))
    }
}

impl From<CategoryNames> for Vec<Name> {
    fn from(names: CategoryNames) -> Self {
        names.0
    }
}

/// Which part of a budget; `vouchers` if absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PurposeName {
    /// All that is not set aside for anything else.
    #[default]
    Vouchers,
    /// Rewards for bringing in others.
    Invites,
    /// Red envelopes.
    Envelopes,
    /// Apologies and payments to outlets.
    Compensation,
}

impl From<PurposeName> for Purpose {
    fn from(name: PurposeName) -> Self {
        match name {
            PurposeName::Vouchers => Self::Vouchers,
            PurposeName::Invites => Self::Invites,
            PurposeName::Envelopes => Self::Envelopes,
            PurposeName::Compensation => Self::Compensation,
        }
    }
}

requests! {
    /// Adds to or takes from a budget.
    BudgetRequest {
        /// At least 1.
        #[schemars(range(min = 1))]
        amount_minor: u64,
        /// The sponsor's own number for the transfer, unique per campaign and direction.
        reference: ReferenceText,
        /// Which part.
        #[serde(default)]
        purpose: PurposeName,
    }
    /// Opens, pauses, resumes or closes a campaign. The body may be left out.
    StateRequest {
        /// For the record.
        #[serde(default)]
        reason: Option<Reason>,
    }
    /// Claims a voucher.
    ClaimRequest {
        /// For whom.
        user_id: UserId,
        /// What the campaign's conditions are looked up in.
        #[serde(default)]
        attributes: Pairs,
        /// How the user came; counts as the attribute `channel`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel: Option<Name>,
        /// Where the user is; counts as the attribute `region`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        region: Option<Name>,
        /// In a batch: the pass of whoever was told to wait; a single claim has the header
        /// `Levee-Pass` for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pass: Option<Name>,
        /// In a batch, where the campaign allows several vouchers for one user; a single claim has
        /// the header for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        idempotency_key: Option<IdempotencyKey>,
    }
    /// Asks what a voucher would take off a bill.
    ValidateRequest {
        /// Whose voucher it must be.
        user_id: UserId,
        /// The bill.
        order_minor: BillMinor,
        /// Where.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        brand: Option<Name>,
        /// What for.
        #[serde(default)]
        categories: CategoryNames,
    }
    /// Holds a voucher.
    LockRequest {
        /// Whose voucher it must be.
        user_id: UserId,
        /// How long.
        ttl: Duration,
        /// The app's own number for what it is held for, unique per campaign.
        reference: ReferenceText,
    }
    /// Uses a voucher on a bill.
    RedemptionRequest {
        /// Which voucher.
        voucher_code: String,
        /// Whose voucher it must be.
        user_id: UserId,
        /// The bill.
        order_minor: BillMinor,
        /// The app's own number for the bill, unique per campaign.
        reference: ReferenceText,
        /// The lock that holds the voucher, if one does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lock: Option<String>,
        /// Where.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        brand: Option<Name>,
        /// What for.
        #[serde(default)]
        categories: CategoryNames,
    }
    /// Says why.
    ReasonRequest {
        /// For the record.
        reason: Reason,
    }
}
