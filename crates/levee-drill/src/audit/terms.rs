//! What terms say, read independently: who meets them, when and where a voucher may be used, what
//! it takes off a bill, and what may no longer change.

use levee_core::types::{Bill, NameHash, Terms, VoucherKind, VoucherTerms, ZoneOffset};

const MINUTES_A_DAY: i64 = 24 * 60;

/// Whether every condition has its bit; the first condition's is the lowest.
pub(super) fn all_conditions_met(terms: &Terms, bits: u16) -> bool {
    let conditions = terms.eligibility.all.len();
    u32::try_from(conditions).is_ok_and(|conditions| bits.trailing_ones() >= conditions)
}

/// Why a bill is none that these vouchers are for, if it is not.
pub(super) fn not_applicable(terms: &VoucherTerms, bill: &Bill) -> Option<&'static str> {
    let allows = |names: &[String], name: NameHash| {
        names.iter().any(|allowed| NameHash::of(allowed) == name)
    };
    if !terms.brands.is_empty() && !bill.brand.is_some_and(|brand| allows(&terms.brands, brand)) {
        return Some("brand");
    }
    let mut categories = bill.categories.iter();
    if !terms.categories.is_empty() && !categories.any(|name| allows(&terms.categories, name)) {
        return Some("category");
    }
    None
}

/// Whether vouchers may be used at this instant, by the campaign's local time.
pub(super) fn is_in_hours(terms: &Terms, at_ms: u64) -> bool {
    if terms.voucher.hours.is_empty() {
        return true;
    }
    let Ok(utc) = i64::try_from(at_ms / 60_000) else { return false };
    let minute = (utc + minutes_ahead(&terms.offsets, at_ms)).rem_euclid(MINUTES_A_DAY);
    terms.voucher.hours.iter().any(|part| {
        let (from, until) = (i64::from(part.from_minute), i64::from(part.until_minute));
        let passes_midnight = until <= from;
        if passes_midnight {
            minute >= from || minute < until
        } else {
            from <= minute && minute < until
        }
    })
}

/// How far local time is ahead of UTC: by the last offset that has begun.
pub(super) fn minutes_ahead(offsets: &[ZoneOffset], at_ms: u64) -> i64 {
    let begun = offsets.iter().rev().find(|offset| offset.from_ms <= at_ms);
    begun.map_or(0, |offset| i64::from(offset.minutes))
}

/// Whether local time is the same by both, from the opening to the end of the last voucher that
/// could be claimed by the older terms. Before and after that, offsets may be resolved anew.
fn is_same_zone(was: &Terms, is: &Terms) -> bool {
    let over_ms = was.closes_at_ms.saturating_add(was.voucher.valid_for_ms);
    let changes = was.offsets.iter().chain(&is.offsets).map(|offset| offset.from_ms);
    let changes = changes.filter(|at_ms| (was.opens_at_ms..over_ms).contains(at_ms));
    let mut instants = changes.chain([was.opens_at_ms]);
    instants.all(|at_ms| minutes_ahead(&was.offsets, at_ms) == minutes_ahead(&is.offsets, at_ms))
}

/// What a voucher takes off a bill by rules 1: the face or the bill, whichever is less; of a
/// percentage nothing beyond its maximum, and fractions in favour of the budget.
pub(super) fn discount_minor(kind: VoucherKind, bill_minor: u64) -> u64 {
    match kind {
        VoucherKind::AmountOff { face_minor } => bill_minor.min(face_minor.into()),
        VoucherKind::PercentOff { percent, max_minor } => {
            let share = u128::from(bill_minor) * u128::from(percent) / 100;
            u64::try_from(share).map_or(u64::from(max_minor), |share| share.min(max_minor.into()))
        }
    }
}

/// The first field that users rely on and that is not as it was when the campaign opened. The
/// closing time may move, but only later, and the time zone only where no hours depend on it.
pub(super) fn broken_promise(was: &Terms, is: &Terms) -> Option<&'static str> {
    // Taken apart, so that a new field cannot be forgotten here.
    let Terms {
        currency,
        opens_at_ms,
        closes_at_ms,
        // Compared where they matter, below.
        offsets: _,
        eligibility,
        voucher,
        invites,
        envelopes,
        prize_max_minor,
        per_user_total_minor,
        // Nobody relies on what is given of grace.
        compensation: _,
    } = is;
    if *closes_at_ms < was.closes_at_ms {
        return Some("closes_at");
    }
    [
        (*currency == was.currency, "currency"),
        (*opens_at_ms == was.opens_at_ms, "opens_at"),
        (*eligibility == was.eligibility, "eligibility"),
        (*voucher == was.voucher, "voucher"),
        (voucher.hours.is_empty() || is_same_zone(was, is), "time_zone"),
        (*invites == was.invites, "invites"),
        (*envelopes == was.envelopes, "envelopes"),
        (*prize_max_minor == was.prize_max_minor, "limits.prize_max_minor"),
        (*per_user_total_minor == was.per_user_total_minor, "limits.per_user_total_minor"),
    ]
    .into_iter()
    .find_map(|(kept, field)| (!kept).then_some(field))
}
