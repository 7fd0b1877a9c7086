//! Campaigns: states, documents and versions, and terms that are frozen once users rely on them.

use super::script::check;
use super::{DAY, HOUR, terms, with};
use crate::types::{
    Condition, DayPart, EnvelopeTerms, InviteTerms, InviteTier, Terms, Test, VoucherKind,
    ZoneOffset,
};

#[test]
fn states_follow_one_another() {
    check(
        &[("c", terms())],
        "
        0   open c        -> campaign_not_found
        0   create c      -> c0
        0   campaign c    -> draft version 1
        0   pause c       -> campaign_state_conflict(draft)
        0   resume c      -> campaign_state_conflict(draft)
        0   open c        -> open
        0   open c        -> campaign_state_conflict(open)
        0   resume c      -> campaign_state_conflict(open)
        0   pause c       -> paused
        0   pause c       -> campaign_state_conflict(paused)
        0   open c        -> campaign_state_conflict(paused)
        0   claim c 7     -> campaign_not_open
        0   resume c      -> open
        0   close c       -> closed
        0   claim c 7     -> campaign_closed
        0   close c       -> campaign_state_conflict(closed)
        0   open c        -> campaign_state_conflict(closed)
        0   resume c      -> campaign_state_conflict(closed)
        0   pause c       -> campaign_state_conflict(closed)
        ",
    );
    check(
        &[("c", terms())],
        "
        0   create c      -> c0
        0   close c       -> closed
        0   claim c 7     -> campaign_closed
        0   fund c 7      -> available 7
        0   withdraw c 7  -> available 0
        ",
    );
}

#[test]
fn closes_at_closes_open_and_paused_campaigns() {
    check(
        &[
            ("a", with(|terms| terms.closes_at_ms = DAY)),
            ("b", with(|terms| terms.closes_at_ms = DAY)),
            ("c", with(|terms| terms.closes_at_ms = DAY)),
        ],
        "
        0   ready a 5000  -> open
        0   ready b 5000  -> open
        0   pause b       -> paused
        0   create c      -> c2
        1d  campaign a    -> closed version 1
        1d  campaign b    -> closed version 1
        1d  pause a       -> campaign_state_conflict(closed)
        1d  resume b      -> campaign_state_conflict(closed)
        1d  close a       -> campaign_state_conflict(closed)
        1d  open c        -> campaign_closed
        1d  close c       -> closed
        ",
    );
}

#[test]
fn a_draft_may_change_and_only_by_who_has_seen_it() {
    let dearer = with(|terms| terms.voucher.kind = VoucherKind::AmountOff { face_minor: 3_000 });
    let dollars = with(|terms| terms.currency = *b"USD");
    check(
        &[("c", terms()), ("dearer", dearer), ("dollars", dollars)],
        "
        0   replace c 1 as=dearer    -> campaign_not_found
        0   create c                 -> c0
        0   create c                 -> campaign_exists
        0   replace c 2 as=dearer    -> version_conflict
        0   replace c 1 as=dearer    -> version 2
        0   replace c 1 as=dearer    -> version_conflict
        0   replace c 2 as=dollars   -> version 3
        0   replace c 3              -> version 4
        0   fund c 6000              -> available 6000
        0   replace c 4 as=dollars   -> terms_frozen(currency)
        0   replace c 4 as=dearer    -> version 5
        0   open c                   -> open
        0   claim c 7                -> v0 3000
        0   replace c 5              -> terms_frozen(voucher.kind)
        0   campaign c               -> open version 5
        ",
    );
}

#[test]
fn the_closing_time_may_move_and_only_later() {
    check(
        &[("c", terms()), ("later", with(|terms| terms.closes_at_ms = 31 * DAY))],
        "
        0     ready c 9000             -> open
        0     replace c 1 as=later     -> version 2
        0     replace c 2              -> terms_frozen(closes_at)
        0     replace c 2 as=later     -> version 3
        30d   claim c 7                -> v0 2500
        31d   claim c 8                -> campaign_closed
        ",
    );
}

/// One change each, and the field that it is refused for in an open campaign.
fn frozen() -> Vec<(&'static str, Terms)> {
    let condition = Condition { attribute: "a".into(), test: Test::AtLeast("1".into()) };
    let tiers = vec![InviteTier { invites: 1, face_minor: 1 }];
    let invites = InviteTerms { budget_minor: 1, tiers, max_per_user: 1 };
    let envelopes = EnvelopeTerms {
        budget_minor: 1,
        share_min_minor: 1,
        share_max_minor: 1,
        shares_max: 1,
        expires_after_ms: HOUR,
    };
    vec![
        ("currency", with(|terms| terms.currency = *b"USD")),
        ("opens_at", with(|terms| terms.opens_at_ms += 1)),
        ("closes_at", with(|terms| terms.closes_at_ms -= 1)),
        ("eligibility", with(|terms| terms.eligibility.all.push(condition))),
        (
            "voucher.kind",
            with(|terms| terms.voucher.kind = VoucherKind::AmountOff { face_minor: 1 }),
        ),
        ("voucher.min_spend_minor", with(|terms| terms.voucher.min_spend_minor = 1)),
        ("voucher.brands", with(|terms| terms.voucher.brands.push("a".into()))),
        ("voucher.categories", with(|terms| terms.voucher.categories.push("a".into()))),
        (
            "voucher.hours",
            with(|terms| terms.voucher.hours.push(DayPart { from_minute: 0, until_minute: 1 })),
        ),
        ("voucher.valid_for", with(|terms| terms.voucher.valid_for_ms += 1)),
        ("voucher.per_user", with(|terms| terms.voucher.per_user += 1)),
        ("voucher.rollback_within", with(|terms| terms.voucher.rollback_within_ms += 1)),
        ("invites", with(|terms| terms.invites = Some(invites))),
        ("envelopes", with(|terms| terms.envelopes = Some(envelopes))),
        ("limits.prize_max_minor", with(|terms| terms.prize_max_minor = Some(9_999))),
        ("limits.per_user_total_minor", with(|terms| terms.per_user_total_minor = Some(9_999))),
    ]
}

#[test]
fn what_users_rely_on_is_frozen_once_open() {
    for (field, changed) in frozen() {
        for state in ["open", "pause", "close"] {
            let change = if state == "open" {
                "campaign c -> open version 1".into()
            } else {
                format!("{state} c -> {state}d")
            };
            check(
                &[("c", terms()), ("changed", changed.clone())],
                &format!(
                    "
                    0   ready c 9000             -> open
                    0   {change}
                    0   replace c 1 as=changed   -> terms_frozen({field})
                    0   replace c 1              -> version 2
                    "
                ),
            );
        }
    }
}

#[test]
fn the_hours_that_vouchers_live_by_are_frozen_with_their_zone() {
    let zone = |offsets: &[(u64, i16)], closes_at_ms| {
        with(|terms| {
            terms.closes_at_ms = closes_at_ms;
            terms.voucher.hours.push(DayPart { from_minute: 600, until_minute: 1_320 });
            let offsets = offsets.iter();
            terms.offsets = offsets
                .map(|(from_ms, minutes)| ZoneOffset { from_ms: *from_ms, minutes: *minutes })
                .collect();
        })
    };
    check(
        &[
            ("c", zone(&[(0, 480)], 30 * DAY)),
            ("elsewhere", zone(&[(0, 540)], 30 * DAY)),
            ("changing", zone(&[(0, 480), (39 * DAY, 540)], 30 * DAY)),
            ("changing-later", zone(&[(0, 480), (40 * DAY, 540)], 50 * DAY)),
            ("same", zone(&[(0, 480), (DAY, 480)], 50 * DAY)),
        ],
        "
        0   ready c 9000                   -> open
        0   replace c 1 as=elsewhere       -> terms_frozen(time_zone)
        0   replace c 1 as=changing        -> terms_frozen(time_zone)
        0   replace c 1 as=changing-later  -> version 2
        0   replace c 2 as=same            -> terms_frozen(time_zone)
        ",
    );
}
