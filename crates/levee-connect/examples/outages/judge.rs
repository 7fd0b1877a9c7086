//! What comes out of a run, and what must.

use std::collections::{BTreeMap, HashSet};

use levee_api::types::*;
use levee_connect::sandbox::{Class, Profile};

use crate::cases::{DARK, DARK_FOR, DARK_FROM};
use crate::crowd::{FACE_MINOR, PAYABLE_MINOR};
use crate::door::Call;
use crate::play::{Order, Plan, Played, STARTS_AT_MS};

/// Nobody has caught up before this time.
const CATCH_UP_MS: u64 = 60_000;

/// Calls are given up after this.
const CALL_MAX_MS: u64 = 10_000;

/// A vendor's breaker opens so long after it went dark at most: the window in which it counts calls.
const OPENS_WITHIN_S: i64 = 300;

/// And closes so long after it came back: it is tried once a minute at least.
const CLOSES_WITHIN_S: i64 = 75;

/// Lines for people; whether all that must hold does.
pub(crate) struct Judged {
    pub(crate) lines: Vec<String>,
    pub(crate) holds: bool,
}

impl Judged {
    fn new() -> Self {
        Self { lines: Vec::new(), holds: true }
    }

    fn say(&mut self, line: String) {
        self.lines.push(line);
    }

    fn must(&mut self, holds: bool, line: String) {
        self.holds &= holds;
        self.say(if holds { line } else { line + "   MISSED" });
    }
}

fn is_collected(order: Option<&Order>) -> bool {
    order.is_some_and(|order| order.view.state == OrderState::Collected)
}

/// How long after a promise an order was ready.
fn late_ms(order: &Order, promised_at_ms: u64) -> i64 {
    let ready_ms = order.ready_ms.unwrap_or(u64::MAX / 2).cast_signed();
    ready_ms - promised_at_ms.cast_signed()
}

/// Orders of healthy outlets, one by one, beside a run in which nothing went wrong.
pub(crate) fn town(plan: &Plan, clean: &Played, faulty: &Played) -> Judged {
    let mut judged = Judged::new();
    let class_of = |place: usize| {
        let place = &plan.places[place];
        Profile::of(&plan.kitchens, plan.seed, &place.vendor, &place.id).class
    };
    let classes: Vec<Class> = (0..plan.places.len()).map(class_of).collect();
    let mut counts = BTreeMap::<&str, usize>::new();
    for class in &classes {
        *counts.entry(name(*class)).or_default() += 1;
    }
    judged.say(format!("{counts:?} outlets, {} orders wanted", plan.wishes.len()));
    let (mut wanted, mut compared, mut lost, mut late, mut shift_max_ms) = (0, 0, 0, 0, 0);
    for ((wish, clean), faulty) in plan.wishes.iter().zip(&clean.orders).zip(&faulty.orders) {
        if classes[wish.place] != Class::Healthy {
            continue;
        }
        wanted += 1;
        let Some(clean) = clean.as_ref().filter(|order| is_collected(Some(order))) else {
            continue;
        };
        compared += 1;
        let Some(faulty) = faulty.as_ref().filter(|order| is_collected(Some(order))) else {
            lost += 1;
            continue;
        };
        // By what was promised without faults: one that is put off is late, too.
        let promised_at_ms = clean.view.promised_at_ms;
        let [with, without] = [faulty, clean].map(|order| late_ms(order, promised_at_ms));
        late += u64::from(with > 0 && without <= 0);
        let shift_ms = with - without;
        shift_max_ms = shift_max_ms.max(shift_ms);
    }
    // With few of them there would be little to lose.
    judged.must(
        compared * 10 >= wanted * 9 && compared > 0,
        format!("{compared} of {wanted} orders of healthy outlets were collected without faults"),
    );
    judged.must(lost == 0, format!("  of these lost with faults: {lost}"));
    judged.must(
        late == 0,
        format!("  late because of them: {late}; the most that one came later: {shift_max_ms} ms"),
    );
    // A black hole's third call fails ten seconds after it was made.
    let (mut opened, mut delay_max_ms, mut early, mut overdue) = (0, 0, 0, 0);
    for (place, _) in classes.iter().enumerate().filter(|(_, class)| **class == Class::BlackHole) {
        let Some(calls) = faulty.calls.get(&plan.places[place].id) else { continue };
        let Some(third) = calls.get(2) else { continue };
        let of = BreakerOf::Outlet(OutletNo(u32::try_from(place).expect("outlets")));
        let failed_ms = third.at_ms + CALL_MAX_MS;
        let open = faulty.breakers.iter().find(|(_, whose, is_open)| *whose == of && *is_open);
        let Some((opened_ms, ..)) = open else { continue };
        opened += 1;
        delay_max_ms = delay_max_ms.max(opened_ms.saturating_sub(failed_ms));
        // Then it is tried after at least half of each back-off, counted from the end of the try before.
        let mut backoff_ms = 5_000;
        for pair in calls[2..].windows(2) {
            let after_ms = pair[1].at_ms - pair[0].at_ms;
            early += u64::from(after_ms < CALL_MAX_MS + backoff_ms / 2);
            overdue += u64::from(after_ms > CALL_MAX_MS + backoff_ms + 1_000);
            backoff_ms = (2 * backoff_ms).min(60_000);
        }
        let last = calls.last().map_or(0, |call| call.at_ms);
        overdue += u64::from(plan.ends_at_ms - last > CALL_MAX_MS + backoff_ms + 1_000);
    }
    let holes = classes.iter().filter(|class| **class == Class::BlackHole).count();
    judged.must(
        opened == holes && holes > 0,
        format!("breakers of black holes that opened: {opened} of {holes}"),
    );
    judged.must(
        delay_max_ms <= 2_000,
        format!("  at most {delay_max_ms} ms after their third failure"),
    );
    judged.must(
        early + overdue == 0,
        format!("  tries before their back-off was over: {early}; a second after it: {overdue}"),
    );
    both(&mut judged, plan, faulty);
    judged
}

fn name(class: Class) -> &'static str {
    match class {
        Class::Healthy => "healthy",
        Class::Slow => "slow",
        Class::Failing => "failing",
        Class::Flapping => "flapping",
        Class::BlackHole => "black hole",
    }
}

/// What was sold before or while the vendor was dark, and what went out when it came back.
pub(crate) fn country(plan: &Plan, played: &Played) -> Judged {
    let mut judged = Judged::new();
    let is_dark = |place: usize| plan.places[place].vendor == DARK;
    let dark = (0..plan.places.len()).filter(|place| is_dark(*place)).count();
    judged.say(format!(
        "{dark} outlets of a vendor that is dark for {DARK_FOR} minutes, {} others; {} orders wanted, {} kills",
        plan.places.len() - dark,
        plan.wishes.len(),
        plan.kills_ms.len()
    ));
    let minute = |minute: u64| STARTS_AT_MS + minute * 60_000;
    let (from_ms, until_ms) = (minute(DARK_FROM), minute(DARK_FROM + DARK_FOR));
    let vendor = BreakerOf::Vendor(DARK.to_owned());
    let changes = played.breakers.iter().filter(|(_, of, _)| *of == vendor);
    let opened = changes.clone().find(|(at_ms, _, is_open)| *is_open && *at_ms >= from_ms);
    let closed = changes.clone().find(|(at_ms, _, is_open)| !is_open && *at_ms >= until_ms);
    let since_s = |ms: u64, from_ms: u64| (ms.cast_signed() - from_ms.cast_signed()) / 1_000;
    let opened_s = opened.map(|(at_ms, ..)| since_s(*at_ms, from_ms));
    judged.must(
        opened_s.is_some_and(|s| s <= OPENS_WITHIN_S),
        format!("its breaker opened {opened_s:?} s after it went dark"),
    );
    let closed_s = closed.map(|(at_ms, ..)| since_s(*at_ms, until_ms));
    judged.must(
        closed_s.is_some_and(|s| s <= CLOSES_WITHIN_S),
        format!("  and closed {closed_s:?} s after it came back"),
    );
    let too_early = changes.clone().filter(|(at_ms, _, is_open)| {
        !is_open && (from_ms..until_ms).contains(at_ms) && opened.is_some_and(|(o, ..)| at_ms > o)
    });
    let too_early = too_early.count();
    judged.must(too_early == 0, format!("  and {too_early} times before that"));
    let Some(closed_ms) = closed.map(|(at_ms, ..)| *at_ms) else { return judged };
    // Tickets of the gap: their outlet had not heard of them when the vendor came back, or went dark
    // before it could say so.
    let mut ends = BTreeMap::<&str, u64>::new();
    let mut gap = HashSet::new();
    for (wish, order) in plan.wishes.iter().zip(&played.orders) {
        let Some(order) = order.as_ref().filter(|_| is_dark(wish.place)) else { continue };
        if wish.at_ms + 20_000 < from_ms || wish.at_ms > until_ms {
            continue;
        }
        gap.insert(order.number);
        let (captured, refunded) = played.payments.get(&order.number).copied().unwrap_or_default();
        let end = match order.view.state {
            OrderState::Collected if order.view.moved_from.is_some() => "reassigned",
            OrderState::Collected => "made",
            OrderState::Refunded if captured == refunded => "refunded",
            OrderState::Expired | OrderState::Cancelled if captured == 0 => "never paid",
            _ => "unresolved",
        };
        *ends.entry(end).or_default() += 1;
    }
    judged.must(
        !ends.contains_key("unresolved")
            && ["made", "reassigned", "refunded"].iter().all(|end| ends.contains_key(end)),
        format!("{} orders of the gap: {ends:?}", gap.len()),
    );
    let (outlets, tickets, ahead) = ahead_of_pace(plan, played, &gap, closed_ms);
    judged.must(
        ahead <= 0.0 && tickets > 0,
        format!("{tickets} of their tickets went to {outlets} outlets after that; sent ahead of the pace: {ahead:.2} units at most"),
    );
    both(&mut judged, plan, played);
    judged
}

/// How far beyond its kitchen an outlet was sent tickets, in units: a kitchen can begin as many as it
/// has stations, and then as much as it makes; one ticket may be larger than what is free. Whoever has
/// caught up, and has all stations free a minute or more after that began, is sent tickets as ever.
fn ahead_of_pace(
    plan: &Plan,
    played: &Played,
    gap: &HashSet<OrderNo>,
    closed_ms: u64,
) -> (usize, usize, f64) {
    let (mut outlets, mut tickets, mut ahead) = (0, 0, f64::NEG_INFINITY);
    for place in plan.places.iter().filter(|place| place.vendor == DARK) {
        let Some(calls) = played.calls.get(&place.id) else { continue };
        let stations = f64::from(place.stations);
        let first_of_gap = |call: &Call| call.ticket.is_some_and(|(order, _)| gap.contains(&order));
        let Some(last) = calls.iter().rposition(first_of_gap) else { continue };
        let (mut free, mut at_ms, mut seen) = (stations, closed_ms, HashSet::new());
        let (mut pace_ms, mut strictly_free) = (None, stations);
        // Until the last of the gap has gone, whatever else goes in between.
        for call in calls[..=last].iter().filter(|call| call.at_ms > closed_ms) {
            let Some((order, work)) = call.ticket else { continue };
            if !seen.insert(order) {
                continue;
            }
            let pace_before_ms = pace_ms.unwrap_or(call.pace_ms);
            let since_ms = real(call.at_ms - at_ms);
            strictly_free =
                (strictly_free + since_ms / real(call.pace_ms.max(pace_before_ms))).min(stations);
            if strictly_free >= stations && call.at_ms >= closed_ms + CATCH_UP_MS {
                break;
            }
            // It may have been a little faster in between.
            let made = since_ms / real(call.pace_ms.min(pace_before_ms)) * 1.1;
            pace_ms = Some(call.pace_ms);
            free = (free + made).min(stations);
            // After a start one ticket goes at once.
            let was_killed = |kill_ms: &&u64| (at_ms..=call.at_ms).contains(*kill_ms);
            if plan.kills_ms.iter().any(|kill_ms| was_killed(&kill_ms)) {
                free = free.max(0.0);
            }
            ahead = ahead.max(-free - 0.01);
            free -= f64::from(work) / 1_000.0;
            strictly_free -= f64::from(work) / 1_000.0;
            at_ms = at_ms.max(call.at_ms);
        }
        outlets += usize::from(!seen.is_empty());
        tickets += seen.len();
    }
    (outlets, tickets, ahead)
}

fn real(number: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "hours in milliseconds")]
    let real = number as f64;
    real
}

/// What holds in every run: nothing is made twice, nothing is left, and money and vouchers are where
/// the table of ends has them.
fn both(judged: &mut Judged, plan: &Plan, played: &Played) {
    let mut states = BTreeMap::<String, u64>::new();
    let (mut wrong, mut twice) = (Vec::new(), 0);
    for order in played.orders.iter().flatten() {
        let state = order.view.state;
        *states.entry(state.name().to_owned()).or_default() += 1;
        let (captured, refunded) = played.payments.get(&order.number).copied().unwrap_or_default();
        let (begun, made) = played.made.get(&order.number).copied().unwrap_or_default();
        twice += u64::from(begun > 1 || made > 1);
        let holds = match state {
            OrderState::Collected => {
                (captured, refunded, order.voucher, made)
                    == (PAYABLE_MINOR, 0, VoucherState::Redeemed, 1)
            }
            OrderState::Refunded => {
                captured == PAYABLE_MINOR
                    && refunded == captured
                    && order.voucher == VoucherState::Live
            }
            OrderState::Expired | OrderState::Cancelled | OrderState::Rejected => {
                captured == 0 && order.voucher == VoucherState::Live
            }
            _ => false,
        };
        if !holds {
            wrong.push((order.number, state, captured, refunded, order.voucher, made));
        }
    }
    let refused = plan.wishes.len() - played.orders.iter().flatten().count();
    judged.say(format!("orders: {states:?}, {refused} turned away"));
    judged.must(
        wrong.is_empty(),
        format!(
            "orders whose money, voucher or drink is not where the table has it: {} {:?}",
            wrong.len(),
            &wrong[..wrong.len().min(3)]
        ),
    );
    judged.must(
        twice == 0 && played.stats.tickets.double_made == 0,
        format!("orders made twice: {twice}"),
    );
    // Who never answers is never told.
    let is_hole = |outlet: OutletNo| {
        let place = &plan.places[outlet.index()];
        let profile = Profile::of(&plan.kitchens, plan.seed, &place.vendor, &place.id);
        profile.class == Class::BlackHole
    };
    let left = |action: &&Action| !action.outlet().is_some_and(is_hole);
    let left = played.undone.iter().filter(left).count();
    judged.must(left == 0, format!("actions left undone, but for black holes': {left}"));
    let collected = states.get(OrderState::Collected.name()).copied().unwrap_or(0);
    let spent_minor = collected * u64::from(FACE_MINOR);
    judged.must(
        (played.money.spent_minor, played.money.in_flight_minor) == (spent_minor, 0),
        format!(
            "vouchers' money: {} spent of {spent_minor} for what was collected, {} in flight",
            played.money.spent_minor, played.money.in_flight_minor
        ),
    );
    let [outlet, vendor, all] = played.most_at_once;
    judged.must(
        outlet <= 1 && vendor <= 32 && all <= 256,
        format!(
            "calls at once: at most {outlet} to an outlet, {vendor} to a vendor's, {all} in all"
        ),
    );
    judged.say(format!(
        "at most {} actions under way and {} parked; tickets {} received, {} repeated, {} made for nothing",
        played.most_under_way,
        played.most_parked,
        played.stats.tickets.received,
        played.stats.tickets.repeated,
        played.stats.tickets.made_for_nothing
    ));
}
