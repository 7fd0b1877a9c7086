//! Which terms a campaign may have: every bound that the rules rely on.

use super::{DAY, terms, with};
use crate::types::*;

#[track_caller]
fn check(expected: &str, change: impl FnOnce(&mut Terms)) {
    let field = with(change).check().map_or_else(|error| error.field, |()| "fine".into());
    assert_eq!(field, expected);
}

#[test]
fn terms_in_bounds_are_fine() {
    assert_eq!(terms().check(), Ok(()));
    check("fine", |terms| {
        terms.opens_at_ms = INSTANT_MS_MAX - 1;
        terms.closes_at_ms = INSTANT_MS_MAX;
        terms.voucher.kind = VoucherKind::PercentOff { percent: 100, max_minor: u32::MAX };
        terms.voucher.min_spend_minor = BILL_MINOR_MAX;
        terms.voucher.valid_for_ms = DURATION_MS_MAX;
        terms.voucher.rollback_within_ms = DURATION_MS_MAX;
        terms.voucher.per_user = VoucherTerms::PER_USER_MAX;
        terms.voucher.hours = vec![DayPart { from_minute: 1_439, until_minute: 0 }];
        terms.prize_max_minor = Some(u64::from(u32::MAX));
        terms.per_user_total_minor = Some(u64::from(u32::MAX));
    });
}

#[test]
fn terms_out_of_bounds_name_their_field() {
    check("currency", |terms| terms.currency = *b"cny");
    check("opens_at", |terms| terms.opens_at_ms = INSTANT_MS_MAX + 1);
    check("closes_at", |terms| terms.closes_at_ms = INSTANT_MS_MAX + 1);
    check("closes_at", |terms| terms.closes_at_ms = terms.opens_at_ms);
    check("time_zone", |terms| terms.offsets = vec![ZoneOffset { from_ms: 0, minutes: 1_441 }]);
    check("time_zone", |terms| terms.offsets = vec![ZoneOffset { from_ms: 0, minutes: 0 }; 2]);
    check("voucher.face_minor", |terms| {
        terms.voucher.kind = VoucherKind::AmountOff { face_minor: 0 };
    });
    check("voucher.percent", |terms| {
        terms.voucher.kind = VoucherKind::PercentOff { percent: 101, max_minor: 1 };
    });
    check("voucher.percent", |terms| {
        terms.voucher.kind = VoucherKind::PercentOff { percent: 0, max_minor: 1 };
    });
    check("voucher.max_minor", |terms| {
        terms.voucher.kind = VoucherKind::PercentOff { percent: 1, max_minor: 0 };
    });
    check("voucher.face_minor", |terms| terms.prize_max_minor = Some(2_499));
    check("voucher.face_minor", |terms| terms.per_user_total_minor = Some(2_499));
    check("voucher.min_spend_minor", |terms| terms.voucher.min_spend_minor = BILL_MINOR_MAX + 1);
    check("voucher.brands", |terms| terms.voucher.brands = vec!["a".into(), "a".into()]);
    check("voucher.categories", |terms| terms.voucher.categories = vec![String::new()]);
    check("voucher.hours", |terms| {
        terms.voucher.hours = vec![DayPart { from_minute: 7, until_minute: 7 }];
    });
    check("voucher.hours", |terms| {
        terms.voucher.hours = vec![DayPart { from_minute: 0, until_minute: 1_441 }];
    });
    check("voucher.valid_for", |terms| terms.voucher.valid_for_ms = 999);
    check("voucher.valid_for", |terms| terms.voucher.valid_for_ms = DURATION_MS_MAX + 1);
    check("voucher.per_user", |terms| terms.voucher.per_user = 0);
    check("voucher.per_user", |terms| terms.voucher.per_user = VoucherTerms::PER_USER_MAX + 1);
    check("voucher.rollback_within", |terms| {
        terms.voucher.rollback_within_ms = DURATION_MS_MAX + 1;
    });
}

#[test]
fn conditions_invites_and_envelopes_have_bounds() {
    let condition = |attribute: &str, test| Condition { attribute: attribute.into(), test };
    let invites = |tiers: &[(u32, u32)]| InviteTerms {
        budget_minor: 0,
        tiers: tiers
            .iter()
            .map(|(invites, face)| InviteTier { invites: *invites, face_minor: *face })
            .collect(),
        max_per_user: 10,
    };
    let envelopes = |least, most| EnvelopeTerms {
        budget_minor: 0,
        share_min_minor: least,
        share_max_minor: most,
        shares_max: 10,
        expires_after_ms: DAY,
    };
    check("eligibility.all[0].attribute", |terms| {
        terms.eligibility.all = vec![condition("", Test::AtLeast("1".into()))];
    });
    check("eligibility.all[0].at_least", |terms| {
        terms.eligibility.all = vec![condition("a", Test::AtLeast("1.x".into()))];
    });
    check("eligibility.all[0].one_of", |terms| {
        terms.eligibility.all = vec![condition("a", Test::OneOf(Vec::new()))];
    });
    check("eligibility.all", |terms| {
        terms.eligibility.all = vec![condition("a", Test::AtLeast("1".into())); 17];
    });
    check("fine", |terms| terms.invites = Some(invites(&[(1, 1), (2, 1)])));
    check("invites.tiers", |terms| terms.invites = Some(invites(&[])));
    check("invites.tiers", |terms| terms.invites = Some(invites(&[(2, 1), (2, 1)])));
    check("invites.tiers.invites", |terms| terms.invites = Some(invites(&[(11, 1)])));
    check("invites.tiers.face_minor", |terms| terms.invites = Some(invites(&[(1, 0)])));
    check("fine", |terms| terms.envelopes = Some(envelopes(1, 1)));
    check("envelopes.share_min_minor", |terms| terms.envelopes = Some(envelopes(0, 1)));
    check("envelopes.share_max_minor", |terms| terms.envelopes = Some(envelopes(2, 1)));
}
