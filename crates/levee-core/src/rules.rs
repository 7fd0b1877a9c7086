//! What may differ between versions of the rules, and which versions this build knows.
//!
//! A journal names the rules that each of its batches was decided by; rules that a kept journal
//! needs stay here for as long as it is kept.

use crate::pacing::{Experience, Pace};
use crate::types::{VoucherKind, VoucherTerms};

/// One version of the rules.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Counts up from 1.
    pub version: u16,
    /// The discount in minor units for a bill in minor units; at most the voucher's face and the
    /// bill.
    pub discount_minor: fn(&VoucherTerms, u64) -> u64,
    /// How kitchens promise and learn, by what they have taught so far.
    pub pace: fn(Experience) -> Pace,
}

/// All versions that this build can decide by.
#[derive(Clone, Copy, Debug)]
pub struct RuleBook(&'static [Rules]);

static RELEASED: [Rules; 1] =
    [Rules { version: 1, discount_minor: discount_v1, pace: Pace::expecting }];

impl RuleBook {
    /// The rules as released.
    pub const RELEASED: Self = Self(&RELEASED);

    /// A book of one's own, ascending by version and not empty: to rehearse a change of rules on a
    /// kept journal before it is released.
    #[must_use]
    pub const fn new(rules: &'static [Rules]) -> Self {
        Self(rules)
    }

    /// The version that a new journal starts with.
    #[must_use]
    pub fn first(self) -> &'static Rules {
        self.0.first().expect("a book has at least one version")
    }

    /// The newest version.
    #[must_use]
    pub fn newest(self) -> &'static Rules {
        self.0.last().expect("a book has at least one version")
    }

    /// `None` when this build does not know the version.
    #[must_use]
    pub fn get(self, version: u16) -> Option<&'static Rules> {
        self.0.iter().find(|rules| rules.version == version)
    }
}

/// Percentages are rounded down, in favour of the budget.
fn discount_v1(terms: &VoucherTerms, bill_minor: u64) -> u64 {
    match terms.kind {
        VoucherKind::AmountOff { face_minor } => u64::from(face_minor).min(bill_minor),
        VoucherKind::PercentOff { percent, max_minor } => {
            let share =
                bill_minor.checked_mul(u64::from(percent)).expect("bills are bounded") / 100;
            share.min(u64::from(max_minor))
        }
    }
}
