//! Tests of the rules: tables in the language of [`script`], one file a subject; the same rules
//! against a naive model ([`property`]); and the binary form ([`wire`]).

mod breakers;
mod budget;
mod campaigns;
mod cancellation;
mod claims;
mod compensation;
mod conditions;
mod deadlines;
mod disputes;
mod expiry;
mod grace;
mod locks;
mod model;
mod money;
mod moves;
mod operations;
mod orders;
mod outlets;
mod permutations;
mod promises;
mod property;
mod queries;
mod quotes;
mod redemptions;
mod refunds;
mod repeats;
mod restore;
mod rules;
mod script;
mod statements;
mod terms;
mod undone;
mod webhooks;
mod wire;

use crate::pacing::Pace;
use crate::types::{
    CampaignId, Definition, Eligibility, RequestKey, Terms, UserKey, VoucherKind, VoucherTerms,
};
use crate::{RuleBook, Rules};

pub(crate) const SECOND: u64 = 1_000;
pub(crate) const MINUTE: u64 = 60 * SECOND;
pub(crate) const HOUR: u64 = 60 * MINUTE;
pub(crate) const DAY: u64 = 24 * HOUR;

/// Open from 0 to day 30, one voucher of 2,500 a user, valid for 10 days, with a week to undo.
pub(crate) fn terms() -> Terms {
    Terms {
        currency: *b"CNY",
        opens_at_ms: 0,
        closes_at_ms: 30 * DAY,
        offsets: Vec::new(),
        eligibility: Eligibility::default(),
        voucher: VoucherTerms {
            kind: VoucherKind::AmountOff { face_minor: 2_500 },
            min_spend_minor: 0,
            brands: Vec::new(),
            categories: Vec::new(),
            hours: Vec::new(),
            valid_for_ms: 10 * DAY,
            per_user: 1,
            rollback_within_ms: 7 * DAY,
        },
        invites: None,
        envelopes: None,
        prize_max_minor: None,
        per_user_total_minor: None,
        compensation: None,
    }
}

/// Kitchens that take exactly their outlets' figures, and learn nothing: one station that makes a unit
/// in four minutes has one order ready after four, and each that waits behind it 4.6 minutes later.
static EXACT_RULES: [Rules; 1] = [Rules {
    version: 1,
    discount_minor: |terms, bill_minor| bill_minor.min(terms.kind.face_minor().into()),
    pace: |expected| Pace {
        cv: 0.0,
        doubt: 0.0,
        gamma: 0.0,
        unit_gain: 0.0,
        queue_gain: 0.0,
        late_gain: 0.0,
        expected,
        ..Pace::DEFAULT
    },
}];

pub(crate) const EXACT: RuleBook = RuleBook::new(&EXACT_RULES);

/// [`terms`] with a change.
pub(crate) fn with(change: impl FnOnce(&mut Terms)) -> Terms {
    let mut changed = terms();
    change(&mut changed);
    changed
}

pub(crate) fn definition(id: &str, terms: Terms) -> Definition {
    let id = CampaignId::new(id).expect("a campaign id");
    Definition { id, document: b"{}".to_vec(), terms }
}

pub(crate) fn user(number: u8) -> UserKey {
    UserKey([number; 16])
}

pub(crate) fn request(number: u64) -> RequestKey {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&number.to_le_bytes());
    RequestKey(key)
}
