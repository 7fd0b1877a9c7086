//! The terms of a campaign, compiled from the operator's document: what users rely on.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{BILL_MINOR_MAX, Eligibility, NameHash, Test};

/// Longest validity, lock or rollback window: ten years in milliseconds, so that sums of instants
/// and durations stay far from overflow.
pub const DURATION_MS_MAX: u64 = 10 * 366 * 24 * 3_600_000;

/// Latest instant that terms may name: the year 2200, in milliseconds since 1970.
pub const INSTANT_MS_MAX: u64 = 7_258_118_400_000;

/// What [`Terms::frozen_difference`] may name; a refusal that crosses a wire names one of them.
pub(super) const FROZEN_FIELDS: [&str; 17] = [
    "currency",
    "opens_at",
    "closes_at",
    "eligibility",
    "voucher.kind",
    "voucher.min_spend_minor",
    "voucher.brands",
    "voucher.categories",
    "voucher.hours",
    "time_zone",
    "voucher.valid_for",
    "voucher.per_user",
    "voucher.rollback_within",
    "invites",
    "envelopes",
    "limits.prize_max_minor",
    "limits.per_user_total_minor",
];

/// Everything that the rules need to know of a campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Terms {
    /// ISO 4217, three capital letters.
    pub currency: [u8; 3],
    /// Claims are taken from this instant on.
    pub opens_at_ms: u64,
    /// Claims are taken before this instant.
    pub closes_at_ms: u64,
    /// The campaign's time zone, resolved to offsets when the document was compiled, so that a
    /// newer time zone database never changes a replay. Ascending; the first from 0.
    pub offsets: Vec<ZoneOffset>,
    /// Who may claim.
    pub eligibility: Eligibility,
    /// What every user gets.
    pub voucher: VoucherTerms,
    /// Rewards for bringing in others.
    pub invites: Option<InviteTerms>,
    /// Red envelopes of the campaign.
    pub envelopes: Option<EnvelopeTerms>,
    /// Largest single prize in minor units, where the operator's policy has one.
    pub prize_max_minor: Option<u64>,
    /// Largest sum of faces one user may get in this campaign by claims, in minor units.
    pub per_user_total_minor: Option<u64>,
    /// What those get whose orders ended without their fault.
    pub compensation: Option<CompensationTerms>,
}

/// From an instant on, local time is this many minutes ahead of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ZoneOffset {
    /// Milliseconds since 1970.
    pub from_ms: u64,
    /// -1,440 to 1,440.
    pub minutes: i16,
}

/// How a voucher's discount is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum VoucherKind {
    /// A fixed amount, at most the bill.
    AmountOff {
        /// At least 1.
        face_minor: u32,
    },
    /// A share of the bill, at most `max_minor`.
    PercentOff {
        /// 1 to 100.
        percent: u8,
        /// At least 1; this much is reserved for every live voucher.
        max_minor: u32,
    },
}

impl VoucherKind {
    /// What a live voucher reserves, in minor units: its largest possible discount.
    #[must_use]
    pub fn face_minor(self) -> u32 {
        match self {
            Self::AmountOff { face_minor } => face_minor,
            Self::PercentOff { max_minor, .. } => max_minor,
        }
    }
}

/// A part of every day, in minutes of local time. `until` before `from` reaches past midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct DayPart {
    /// 0 to 1,439, included.
    pub from_minute: u16,
    /// 0 to 1,440, excluded.
    pub until_minute: u16,
}

impl DayPart {
    /// Whether a minute of the day lies in this part.
    #[must_use]
    pub fn holds(self, minute: u16) -> bool {
        if self.from_minute < self.until_minute {
            (self.from_minute..self.until_minute).contains(&minute)
        } else {
            minute >= self.from_minute || minute < self.until_minute
        }
    }
}

/// What every user gets, and where it may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct VoucherTerms {
    /// How the discount is computed.
    pub kind: VoucherKind,
    /// Smallest bill, in minor units; 0 for none.
    pub min_spend_minor: u64,
    /// Only with these brands; empty for all.
    pub brands: Vec<String>,
    /// Only for orders with one of these categories; empty for all.
    pub categories: Vec<String>,
    /// Only in these parts of the day; empty for all.
    pub hours: Vec<DayPart>,
    /// A voucher lives this long from its claim.
    pub valid_for_ms: u64,
    /// Vouchers by claim for one user, 1 to [`Self::PER_USER_MAX`].
    pub per_user: u16,
    /// A redemption can be rolled back this long; 0 for never.
    pub rollback_within_ms: u64,
}

impl VoucherTerms {
    /// Bounds the walk over one user's vouchers, per campaign.
    pub const PER_USER_MAX: u16 = 100;

    /// When a voucher claimed at `at_ms` ends.
    #[must_use]
    pub fn valid_until_ms(&self, at_ms: u64) -> u64 {
        at_ms.saturating_add(self.valid_for_ms)
    }

    /// When a redemption made at `at_ms` can no longer be rolled back.
    #[must_use]
    pub fn rollback_until_ms(&self, at_ms: u64) -> u64 {
        at_ms.saturating_add(self.rollback_within_ms)
    }
}

/// One step of the rewards for bringing in others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct InviteTier {
    /// So many accepted invites.
    pub invites: u32,
    /// A voucher of this face.
    pub face_minor: u32,
}

/// Rewards for bringing in others.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct InviteTerms {
    /// As planned; the money itself is set aside by funding with this purpose.
    pub budget_minor: u64,
    /// Ascending by `invites`.
    pub tiers: Vec<InviteTier>,
    /// Accepted invites that count for one user.
    pub max_per_user: u32,
}

/// What those get whose orders ended without their fault, out of money set aside for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct CompensationTerms {
    /// As planned; the money itself is set aside by funding with this purpose.
    pub budget_minor: u64,
    /// Face of the voucher that a user gets whose paid order the outlet did not make; 0: none. It
    /// has the campaign's terms, but for the smallest bill.
    pub apology_minor: u32,
    /// What an outlet gets for what it had begun to make when an operator cancelled it, as a share of
    /// the order's total without its own discount; 0 to 100.
    pub outlet_percent: u8,
}

/// Red envelopes of the campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct EnvelopeTerms {
    /// As planned; the money itself is set aside by funding with this purpose.
    pub budget_minor: u64,
    /// Smallest share, at least 1.
    pub share_min_minor: u32,
    /// Largest share.
    pub share_max_minor: u32,
    /// Most shares of one envelope.
    pub shares_max: u32,
    /// An envelope's rest returns after this time.
    pub expires_after_ms: u64,
}

/// What is wrong with terms, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct TermsError {
    /// Path in the campaign document, such as `voucher.face_minor`.
    pub field: String,
    /// What is wrong and what is allowed.
    pub problem: String,
}

fn wrong(field: &str, problem: impl Into<String>) -> TermsError {
    TermsError { field: field.into(), problem: problem.into() }
}

fn within<T: PartialOrd + Copy + core::fmt::Display>(
    field: &str,
    value: T,
    least: T,
    most: T,
) -> Result<(), TermsError> {
    if value < least || value > most {
        return Err(wrong(field, format!("{value} is not within {least} to {most}")));
    }
    Ok(())
}

/// Local minute of the day, 0 to 1,439, at an instant.
pub(super) fn minute_of_day(offsets: &[ZoneOffset], at_ms: u64) -> u16 {
    let utc = i64::try_from(at_ms / 60_000).unwrap_or(0);
    let local = (utc + i64::from(offset_minutes(offsets, at_ms))).rem_euclid(1_440);
    u16::try_from(local).expect("a remainder of 1,440")
}

fn offset_minutes(offsets: &[ZoneOffset], at_ms: u64) -> i16 {
    let after = offsets.partition_point(|offset| offset.from_ms <= at_ms);
    after.checked_sub(1).map_or(0, |last| offsets[last].minutes)
}

impl Terms {
    /// Longest list of brands, categories, parts of the day, tiers or texts of one condition.
    pub const LIST_MAX: usize = 256;

    /// Local minute of the day, 0 to 1,439, at an instant.
    #[must_use]
    pub fn minute_of_day(&self, at_ms: u64) -> u16 {
        minute_of_day(&self.offsets, at_ms)
    }

    fn offset_minutes(&self, at_ms: u64) -> i16 {
        offset_minutes(&self.offsets, at_ms)
    }

    /// Whether the hours of the day mean the same under both terms, for as long as vouchers of the
    /// `open` ones may live. Further offsets may come with a later closing time.
    fn same_hours(&self, open: &Self) -> bool {
        let until_ms = open.voucher.valid_until_ms(open.closes_at_ms);
        let changes = self.offsets.iter().chain(&open.offsets).map(|offset| offset.from_ms);
        let mut instants = changes.filter(|at_ms| *at_ms < until_ms).chain([open.opens_at_ms]);
        self.voucher.hours.is_empty()
            || instants.all(|at_ms| {
                at_ms < open.opens_at_ms || self.offset_minutes(at_ms) == open.offset_minutes(at_ms)
            })
    }

    /// Checks every bound that the rules rely on.
    ///
    /// # Errors
    /// The first field that is out of bounds, named as in the document.
    pub fn check(&self) -> Result<(), TermsError> {
        if !self.currency.iter().all(u8::is_ascii_uppercase) {
            return Err(wrong("currency", "must be three capital letters, as in ISO 4217"));
        }
        within("opens_at", self.opens_at_ms, 0, INSTANT_MS_MAX)?;
        within("closes_at", self.closes_at_ms, 0, INSTANT_MS_MAX)?;
        if self.closes_at_ms <= self.opens_at_ms {
            return Err(wrong("closes_at", "must be later than opens_at"));
        }
        let ascending = self.offsets.windows(2).all(|pair| pair[0].from_ms < pair[1].from_ms);
        let sane = self.offsets.iter().all(|offset| (-1_440..=1_440).contains(&offset.minutes));
        if !ascending || !sane || self.offsets.len() > Self::LIST_MAX {
            return Err(wrong("time_zone", "has no usable offsets"));
        }
        self.check_eligibility()?;
        self.check_voucher()?;
        self.check_extras()
    }

    fn check_eligibility(&self) -> Result<(), TermsError> {
        let conditions = &self.eligibility.all;
        within("eligibility.all", conditions.len(), 0, Eligibility::CONDITIONS_MAX)?;
        for (place, condition) in conditions.iter().enumerate() {
            let field = |name: &str| format!("eligibility.all[{place}].{name}");
            if condition.attribute.is_empty() || condition.attribute.len() > 64 {
                return Err(wrong(&field("attribute"), "must have 1 to 64 bytes"));
            }
            match &condition.test {
                Test::AtLeast(least) if super::eligibility::parts(least).is_none() => {
                    return Err(wrong(&field("at_least"), "must be a version such as 6.0"));
                }
                Test::OneOf(texts) if texts.is_empty() || texts.len() > Self::LIST_MAX => {
                    return Err(wrong(&field("one_of"), "must list 1 to 256 texts"));
                }
                Test::OneOf(texts) if texts.iter().any(|text| text.len() > 128) => {
                    return Err(wrong(&field("one_of"), "every text must have at most 128 bytes"));
                }
                Test::AtLeast(_) | Test::OneOf(_) => {}
            }
        }
        Ok(())
    }

    fn check_voucher(&self) -> Result<(), TermsError> {
        let voucher = &self.voucher;
        let prize_max = self.prize_max_minor.unwrap_or(u64::MAX);
        let face = u64::from(voucher.kind.face_minor());
        let (field, most) = match voucher.kind {
            VoucherKind::AmountOff { .. } => ("voucher.face_minor", u64::from(u32::MAX)),
            VoucherKind::PercentOff { percent, .. } => {
                within("voucher.percent", percent, 1, 100)?;
                ("voucher.max_minor", u64::from(u32::MAX))
            }
        };
        within(field, face, 1, most)?;
        if face > prize_max {
            return Err(wrong(field, format!("{face} is over limits.prize_max_minor {prize_max}")));
        }
        if self.per_user_total_minor.is_some_and(|total| face > total) {
            return Err(wrong(field, "is over limits.per_user_total_minor"));
        }
        within("voucher.min_spend_minor", voucher.min_spend_minor, 0, BILL_MINOR_MAX)?;
        check_names("voucher.brands", &voucher.brands)?;
        check_names("voucher.categories", &voucher.categories)?;
        within("voucher.hours", voucher.hours.len(), 0, Self::LIST_MAX)?;
        for part in &voucher.hours {
            within("voucher.hours", part.from_minute, 0, 1_439)?;
            within("voucher.hours", part.until_minute, 0, 1_440)?;
            if part.from_minute == part.until_minute {
                return Err(wrong("voucher.hours", "a part of the day must not be empty"));
            }
        }
        within("voucher.valid_for", voucher.valid_for_ms, 1_000, DURATION_MS_MAX)?;
        within("voucher.per_user", voucher.per_user, 1, VoucherTerms::PER_USER_MAX)?;
        within("voucher.rollback_within", voucher.rollback_within_ms, 0, DURATION_MS_MAX)
    }

    fn check_extras(&self) -> Result<(), TermsError> {
        if let Some(invites) = &self.invites {
            within("invites.tiers", invites.tiers.len(), 1, Self::LIST_MAX)?;
            within("invites.max_per_user", invites.max_per_user, 1, 1_000_000)?;
            if !invites.tiers.windows(2).all(|pair| pair[0].invites < pair[1].invites) {
                return Err(wrong("invites.tiers", "must ascend by invites"));
            }
            for tier in &invites.tiers {
                within("invites.tiers.invites", tier.invites, 1, invites.max_per_user)?;
                within("invites.tiers.face_minor", tier.face_minor, 1, u32::MAX)?;
            }
        }
        if let Some(compensation) = &self.compensation {
            within("compensation.outlet_percent", compensation.outlet_percent, 0, 100)?;
            if self.prize_max_minor.is_some_and(|most| most < compensation.apology_minor.into()) {
                let problem = "is larger than limits.prize_max_minor allows";
                return Err(wrong("compensation.apology_minor", problem));
            }
        }
        if let Some(envelopes) = &self.envelopes {
            within("envelopes.share_min_minor", envelopes.share_min_minor, 1, u32::MAX)?;
            let least = envelopes.share_min_minor;
            within("envelopes.share_max_minor", envelopes.share_max_minor, least, u32::MAX)?;
            within("envelopes.shares_max", envelopes.shares_max, 1, 10_000)?;
            within("envelopes.expires_after", envelopes.expires_after_ms, 1_000, DURATION_MS_MAX)?;
        }
        Ok(())
    }

    /// The first field that users rely on and that differs from the `open` campaign's terms. Only
    /// the closing time may move once a campaign is open, and only later.
    #[must_use]
    pub fn frozen_difference(&self, open: &Self) -> Option<&'static str> {
        let differs = self.frozen_differences(open);
        differs.iter().find(|(_, differs)| *differs).map(|(field, _)| *field)
    }

    fn frozen_differences(&self, open: &Self) -> [(&'static str, bool); FROZEN_FIELDS.len()] {
        let (a, b) = (&self.voucher, &open.voucher);
        [
            ("currency", self.currency != open.currency),
            ("opens_at", self.opens_at_ms != open.opens_at_ms),
            ("closes_at", self.closes_at_ms < open.closes_at_ms),
            ("eligibility", self.eligibility != open.eligibility),
            ("voucher.kind", a.kind != b.kind),
            ("voucher.min_spend_minor", a.min_spend_minor != b.min_spend_minor),
            ("voucher.brands", a.brands != b.brands),
            ("voucher.categories", a.categories != b.categories),
            ("voucher.hours", a.hours != b.hours),
            ("time_zone", !self.same_hours(open)),
            ("voucher.valid_for", a.valid_for_ms != b.valid_for_ms),
            ("voucher.per_user", a.per_user != b.per_user),
            ("voucher.rollback_within", a.rollback_within_ms != b.rollback_within_ms),
            ("invites", self.invites != open.invites),
            ("envelopes", self.envelopes != open.envelopes),
            ("limits.prize_max_minor", self.prize_max_minor != open.prize_max_minor),
            ("limits.per_user_total_minor", self.per_user_total_minor != open.per_user_total_minor),
        ]
    }
}

/// At most [`Terms::LIST_MAX`] names of 1 to 64 bytes, no two alike or alike when hashed.
fn check_names(field: &str, names: &[String]) -> Result<(), TermsError> {
    within(field, names.len(), 0, Terms::LIST_MAX)?;
    if names.iter().any(|name| name.is_empty() || name.len() > 64) {
        return Err(wrong(field, "every name must have 1 to 64 bytes"));
    }
    let mut hashes: Vec<NameHash> = names.iter().map(|name| NameHash::of(name)).collect();
    hashes.sort_unstable();
    if hashes.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(wrong(field, "names two that are the same, or too alike to be told apart"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frozen_field_can_be_named_on_a_wire() {
        let terms = crate::tests::terms();
        assert_eq!(terms.frozen_differences(&terms).map(|(field, _)| field), FROZEN_FIELDS);
    }

    #[test]
    fn parts_of_the_day_may_pass_midnight() {
        for (from, until, minute, expected) in [
            (600, 1_320, 600, true),
            (600, 1_320, 1_319, true),
            (600, 1_320, 1_320, false),
            (1_320, 120, 1_400, true),
            (1_320, 120, 119, true),
            (1_320, 120, 120, false),
            (0, 1_440, 1_439, true),
        ] {
            let part = DayPart { from_minute: from, until_minute: until };
            assert_eq!(part.holds(minute), expected, "{minute} in {from}-{until}");
        }
    }
}
