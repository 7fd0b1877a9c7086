//! How outcomes and refusals are written.

use super::*;

pub(super) fn show_ms(ms: u64) -> String {
    let units = [(DAY, "d"), (HOUR, "h"), (MINUTE, "m"), (SECOND, "s"), (1, "")];
    let mut rest = ms;
    let mut parts = Vec::new();
    for (unit, name) in units {
        if rest >= unit {
            parts.push(format!("{}{name}", rest / unit));
            rest %= unit;
        }
    }
    if parts.is_empty() { "0".into() } else { parts.join("+") }
}

/// The names of those that are not 0.
pub(super) fn show_nonzero<T: Copy + PartialEq + std::fmt::Display + Default>(
    parts: &[(&str, T)],
) -> String {
    let parts = parts.iter().filter(|(_, value)| *value != T::default());
    let words: Vec<String> = parts.map(|(name, value)| format!("{name} {value}")).collect();
    if words.is_empty() { "nothing".into() } else { words.join(" ") }
}

pub(crate) fn show_refusal(refusal: Refusal) -> String {
    match refusal {
        Refusal::VoucherNotLive(state) => format!("{refusal}({})", state.name()),
        Refusal::CampaignStateConflict(state) => format!("{refusal}({})", state.name()),
        Refusal::OrderStateConflict(state) => format!("{refusal}({})", state.name()),
        Refusal::TermsFrozen(field) | Refusal::InvalidField(field) => format!("{refusal}({field})"),
        _ => refusal.to_string(),
    }
}

pub(super) fn show_outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Claimed { voucher, face_minor } => format!("v{voucher} {face_minor}"),
        Outcome::Locked { lock, until_ms } => format!("l{lock} until {}", show_ms(*until_ms)),
        Outcome::Released { voucher_state } | Outcome::RolledBack { voucher_state } => {
            voucher_state.name().into()
        }
        Outcome::Redeemed { redemption, discount_minor, rest_minor, rollback_until_ms } => {
            let until = show_ms(*rollback_until_ms);
            format!("r{redemption} {discount_minor}+{rest_minor} until {until}")
        }
        Outcome::Revoked { face_minor } => face_minor.to_string(),
        Outcome::CampaignCreated { campaign } => format!("c{campaign}"),
        Outcome::CampaignReplaced { version } => format!("version {version}"),
        Outcome::BudgetMoved(money) => format!("available {}", money.available_minor),
        Outcome::CampaignStateChanged { state } => state.name().into(),
        Outcome::Ticked(swept) => show_swept(swept, &SweptOrders::default()),
        Outcome::TickedWithOrders { swept, orders } => show_swept(swept, orders),
        Outcome::ServiceResumed { outage_ms } => format!("gone {}", show_ms(*outage_ms)),
        Outcome::RulesActivated => "activated".into(),
        Outcome::LevelChanged { before, after } => {
            format!("{}, {}", show_setting(*before), show_setting(*after))
        }
        Outcome::LimitChanged { before, after } => {
            format!("{}, {}", show_limit(*before), show_limit(*after))
        }
        Outcome::OutletPut { outlet, version } => format!("s{outlet} version {version}"),
        Outcome::OutletPaused => "paused".into(),
        Outcome::OutletResumed => "resumed".into(),
        Outcome::OrderPlaced { .. } => orders::show_placed(outcome),
        Outcome::OrderChanged(change) | Outcome::RefundEnded { change, .. } => {
            orders::show_change(change)
        }
        Outcome::PromisedAnew { change, promised_at_ms } => {
            format!("{}, ready {}", orders::show_change(change), show_ms(*promised_at_ms))
        }
        Outcome::OrderMoved(moved) => show_move(moved),
        Outcome::PaymentDisputed => "disputed".into(),
        Outcome::DisputeSettled => "settled".into(),
        Outcome::WebhookPut { .. }
        | Outcome::WebhookRemoved
        | Outcome::WebhookReplayed
        | Outcome::DeadLetterRecorded
        | Outcome::DeadLetterRetried
        | Outcome::DeadLetterSettled => unreachable!("scripts ask nothing of webhooks"),
        Outcome::BreakerChanged { before } => format!("was {}", before.name()),
        Outcome::StaffingSet => "staffed".into(),
        Outcome::WalkInsRecorded => "noted".into(),
        Outcome::Quoted(quoted) => outlets::show_quoted(quoted),
    }
}

pub(super) fn show_swept(swept: &Swept, orders: &SweptOrders) -> String {
    let locks = swept.locks.iter().map(|lock| format!("l{lock}"));
    let expired = orders.expired.iter().map(|order| format!("o{order}"));
    let moved = orders.moved.iter().map(show_move);
    let collected = orders.collected.iter().map(|order| format!("o{order} collected"));
    let compensated = orders.compensated.iter().map(show_compensation);
    let released = orders.released.iter().map(|quote| format!("q{quote}"));
    let resumed = orders.resumed.iter().map(|outlet| format!("s{outlet}"));
    let vouchers = swept.vouchers.iter().map(|voucher| format!("v{voucher}"));
    let rests = swept.redemptions.iter().map(|redemption| format!("r{redemption}"));
    let of_orders = expired.chain(moved).chain(collected).chain(compensated);
    let of_orders = of_orders.chain(released).chain(resumed);
    let words = locks.chain(of_orders).chain(vouchers).chain(rests);
    let words: Vec<String> = words.collect();
    if words.is_empty() { "nothing".into() } else { words.join(" ") }
}

fn show_move(moved: &OrderMove) -> String {
    let OrderMove { order, outlet, promised_at_ms, version } = moved;
    format!("o{order} to s{outlet} {version} at {}", show_ms(*promised_at_ms))
}

fn show_compensation(given: &Compensation) -> String {
    let Compensation { order, apology, apology_minor, outlet_minor, unpaid_minor } = given;
    let apology = apology.map(|voucher| format!(" v{voucher} {apology_minor}"));
    let sums = show_nonzero(&[("outlet", *outlet_minor), ("unpaid", *unpaid_minor)]);
    format!("o{order} owed{} {sums}", apology.unwrap_or_default())
}

pub(super) fn show_setting(setting: LevelSetting) -> String {
    let LevelSetting { level, by_hand } = setting;
    format!("{} by {}", level.name(), if by_hand { "hand" } else { "rule" })
}

pub(super) fn show_limit(claims_per_s: Option<u32>) -> String {
    claims_per_s.map_or("limit none".into(), |claims| format!("limit {claims}"))
}
