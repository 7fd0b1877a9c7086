//! Where a campaign's money is, in integer minor units, and how many vouchers are in which state.

/// What a part of the budget is set aside for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Purpose {
    /// Vouchers by claim: all that is not set aside for anything else.
    Vouchers,
    /// Rewards for bringing in others.
    Invites,
    /// Red envelopes of the campaign.
    Envelopes,
    /// Apologies to users and payments to outlets.
    Compensation,
}

/// The buckets of one campaign, all in minor units of its currency.
///
/// `funded = available + reserved + in_flight + escrowed + owed + spent + returned` after every
/// command; the rules assert it, the audit recounts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Money {
    /// All top-ups.
    pub funded_minor: u64,
    /// Free for new vouchers, or set aside for a purpose.
    pub available_minor: u64,
    /// Face of live vouchers and the unused rest of redemptions that can still be rolled back.
    pub reserved_minor: u64,
    /// Face of locked vouchers, and payouts sent but unsettled.
    pub in_flight_minor: u64,
    /// What remains in open envelopes.
    pub escrowed_minor: u64,
    /// Won by users and not yet paid out.
    pub owed_minor: u64,
    /// Settled minus reversed.
    pub spent_minor: u64,
    /// Withdrawn by the sponsor.
    pub returned_minor: u64,
}

impl Money {
    /// Whether the buckets sum up to what was funded. `false` on overflow as well.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        let parts = [
            self.available_minor,
            self.reserved_minor,
            self.in_flight_minor,
            self.escrowed_minor,
            self.owed_minor,
            self.spent_minor,
            self.returned_minor,
        ];
        let sum = parts.iter().try_fold(0_u64, |sum, part| sum.checked_add(*part));
        sum == Some(self.funded_minor)
    }
}

/// How many vouchers of one campaign are in which state.
///
/// `issued = live + locked + redeemed + expired + revoked` after every command, where issued are
/// those for a claim and [`Compensated::apologies`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Counts {
    /// Vouchers given for a claim.
    pub claims: u64,
    /// Redeemable now.
    pub live: u64,
    /// Held by an app's lock.
    pub locked: u64,
    /// Used; a rolled-back redemption counts as live (or expired) again.
    pub redeemed: u64,
    /// Their time ran out.
    pub expired: u64,
    /// Taken back by the operator.
    pub revoked: u64,
}

impl Counts {
    /// Whether every issued voucher is in exactly one state; `apologies`: those not for a claim.
    #[must_use]
    pub fn add_up(&self, apologies: u64) -> bool {
        let parts = [self.live, self.locked, self.redeemed, self.expired, self.revoked];
        let sum = parts.iter().try_fold(0_u64, |sum, part| sum.checked_add(*part));
        sum == self.claims.checked_add(apologies)
    }
}

/// What one campaign has given for orders that ended without the fault of those who get it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Compensated {
    /// Vouchers given to users.
    pub apologies: u64,
    /// Their faces, in minor units.
    pub apologies_minor: u64,
    /// Paid to outlets, in minor units.
    pub outlets_minor: u64,
    /// What should have been given, and what was set aside did not cover, in minor units.
    pub unpaid_minor: u64,
}
