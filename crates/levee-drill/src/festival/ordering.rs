//! The facts of a drill's orders, as `--json` writes them: what became of them, what kitchens and
//! couriers went through, and the same day without pacing.

use std::collections::{BTreeMap, BTreeSet};

use levee_api::types::{BreakerOf, OrderEnd, OrderState};
use serde::Serialize;

use super::book::{Book, BreakerOpen, Standing, Story};
use super::demand::Demand;
use super::outside::{ClassThere, Differences, Outside};
use crate::audit::OrdersReport;
use crate::crowd::{CrowdResult, Op};
use crate::ledger::OrderFindings;
use crate::load::{CLASSES, Load, Utilisation};
use crate::numbers::{real, share};
use crate::unpaced::{Terms, Unpaced, after, play};

/// Where the first and the last bin of lateness begin, in minutes.
const FIRST_BIN: i64 = -40;
const LAST_BIN: i64 = 60;

/// What is later than this annoys, in milliseconds.
const LATE_MS: i64 = 5 * 60_000;

/// How promises were kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Promises {
    /// Orders of which it can be said: made, or paid and ended after their promise.
    pub judged: u64,
    /// Of these, not ready when it was promised.
    pub late_share: f64,
    /// Of these, not ready five minutes later, either.
    pub late_over_5_min_share: f64,
    /// Nine of ten are not later than this, in milliseconds of the day.
    pub late_p90_ms: u64,
}

impl Promises {
    fn of(late_ms: &[i64]) -> Self {
        let judged = late_ms.len() as u64;
        let above = |ms: i64| late_ms.iter().filter(|late_ms| **late_ms > ms).count() as u64;
        let clipped = late_ms.iter().map(|ms| clipped(*ms)).collect();
        Self {
            judged,
            late_share: share(above(0), judged),
            late_over_5_min_share: share(above(LATE_MS), judged),
            late_p90_ms: quantile(clipped, 0.9),
        }
    }
}

/// How promises were kept to a part of the orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct PromiseGroup {
    /// Which orders: with `nothing_to_pay`, those that were `to_be_paid` and were not, or were,
    /// `promised_anew` when they were paid, an outlet's `first_ten`, and its `later_ones`. And all of
    /// them by what was promised first: `as_first_told`.
    pub orders: &'static str,
    /// How they were kept.
    #[serde(flatten)]
    pub promises: Promises,
}

/// Orders whose promise was moved because they were paid late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PromisedAnew {
    /// How many.
    pub orders: u64,
    /// By how much on average, in milliseconds of the day.
    pub by_mean_ms: u64,
    /// Nine of ten by at most this, in milliseconds of the day.
    pub by_p90_ms: u64,
}

impl PromisedAnew {
    fn of(stories: &[Story]) -> Self {
        let by_ms: Vec<u64> =
            stories.iter().filter_map(|story| story.promised_anew_by_ms).collect();
        let orders = by_ms.len() as u64;
        let by_mean_ms = by_ms.iter().sum::<u64>() / orders.max(1);
        Self { orders, by_mean_ms, by_p90_ms: quantile(by_ms, 0.9) }
    }
}

/// Orders that were ready so long after their promise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LatenessBin {
    /// From this minute after the promise on, five minutes; the first and last hold all beyond them.
    pub from_minutes: i64,
    /// In this drill.
    pub with_pacing: u64,
    /// In the same day without pacing.
    pub without_pacing: u64,
}

impl LatenessBin {
    /// How wide it is.
    pub const MINUTES: i64 = 5;
}

/// Orders under way at the end of a stretch of the day, and those that are over by then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OrdersPoint {
    /// To be paid.
    pub awaiting: u64,
    /// Paid, and not being made yet.
    pub in_line: u64,
    /// Being made.
    pub making: u64,
    /// Made, and not collected yet.
    pub ready: u64,
    /// Collected so far.
    pub collected: u64,
    /// Ended without being collected, so far.
    pub ended: u64,
    /// Orders that were promised for this stretch of the day, and of which it can be said how that
    /// was kept.
    pub promised: u64,
    /// Of these, late by more than five minutes.
    pub late: u64,
    /// Outlets whose own breaker was open in it.
    pub breakers_open: u64,
}

impl From<&Standing> for OrdersPoint {
    fn from(now: &Standing) -> Self {
        Self {
            awaiting: now.awaiting,
            in_line: now.in_line,
            making: now.making,
            ready: now.ready,
            collected: now.collected,
            ended: now.ended,
            ..Self::default()
        }
    }
}

/// Orders of a drill.
#[derive(Clone, Debug, Default, Serialize)]
pub struct OrdersSummary {
    /// Users who wanted to order.
    pub wanted: u64,
    /// Placed.
    pub placed: u64,
    /// Of these, paid, or nothing was left to pay.
    pub paid: u64,
    /// Collected.
    pub collected: u64,
    /// Ended by their users, outlets or operators.
    pub cancelled: u64,
    /// Turned down by their outlets, with no other to make them.
    pub rejected: u64,
    /// Not paid, not accepted or not made in time.
    pub expired: u64,
    /// Of those that ended, given back all that was paid.
    pub refunded: u64,
    /// Of those that ended, still being given back when the drill ended.
    pub refunding: u64,
    /// Neither collected nor ended when the drill ended.
    pub open: u64,
    /// Why orders ended.
    pub ends: BTreeMap<&'static str, u64>,
    /// Given to another outlet.
    pub moved: u64,
    /// Acknowledged, or acknowledged as cancelled, and not in the journal.
    pub lost: u64,
    /// In the journal with other amounts or another promise than was acknowledged.
    pub wrong: u64,
    /// Two orders of one user, or made twice.
    pub doubled: u64,
    /// How promises were kept.
    #[serde(flatten)]
    pub promises: Promises,
    /// Those that were moved: promises are judged as they were told last.
    pub promised_anew: PromisedAnew,
    /// The same, of parts of them.
    pub promises_by: Vec<PromiseGroup>,
    /// How late or early they were.
    pub lateness: Vec<LatenessBin>,
    /// Orders turned down because their outlet was busy.
    pub refused_busy: u64,
    /// Quotes that were answered.
    pub quotes: u64,
    /// What they offered.
    pub offers: u64,
    /// Orders that took an offer.
    pub offers_taken: u64,
    /// Times that a user kept the voucher instead.
    pub kept_voucher: u64,
    /// Looks at or after the promised time that found nothing ready.
    pub looked_in_vain: u64,
    /// By stretch of the day.
    pub timeline: Vec<OrdersPoint>,
}

/// Payments of a drill, in minor units.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PaymentsSummary {
    /// Paid, by the journal.
    pub captured_minor: i128,
    /// Given back, by the journal.
    pub refunded_minor: i128,
    /// Still to be given back when the drill ended.
    pub to_refund_minor: i128,
    /// Paid, by the provider.
    pub captured_outside_minor: u64,
    /// Given back, by the provider.
    pub refunded_outside_minor: u64,
    /// Payments of which more was given back than was paid.
    pub doubled: u64,
    /// Payments that somebody must look at.
    pub disputed: u64,
    /// Where both sides differ.
    pub differences: Differences,
}

/// Outlets of one class, by what was wanted of them as a share of what they can make on the day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct OutletClass {
    /// Above this share of what they can make.
    pub wanted_above: f64,
    /// Up to this share; null: the last class.
    pub wanted_until: Option<f64>,
    /// How many.
    pub outlets: u64,
    /// Share of the time that walk-ins leave in which stations made orders.
    pub utilisation: f64,
    /// The same without pacing.
    pub utilisation_without_pacing: f64,
}

/// A time for which the breaker of a vendor was open, in hours of the day.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct VendorOpen {
    /// Whose.
    pub vendor: String,
    /// Since then.
    pub from_hour: f64,
    /// Until then; null: it was open at the end.
    pub until_hour: Option<f64>,
}

/// Outlets of a drill.
#[derive(Clone, Debug, Default, Serialize)]
pub struct OutletsSummary {
    /// All.
    pub count: u64,
    /// Those of which more was wanted in some hour than they can make.
    pub busy: u64,
    /// Times that one was paused.
    pub paused: u64,
    /// Times that the breaker of one opened.
    pub breakers_opened: u64,
    /// When the breakers of vendors were open.
    pub vendors_open: Vec<VendorOpen>,
    /// Share of the time that walk-ins leave in which stations made orders. Above 1 orders took what
    /// walk-ins would have had, who wait in the same queue.
    pub utilisation: f64,
    /// The same in those hours in which more was wanted than the outlet can make.
    pub utilisation_of_busy: f64,
    /// Begun, and taken away then.
    pub made_for_nothing: u64,
    /// By how much they were wanted.
    pub classes: Vec<OutletClass>,
    /// By how their systems behaved, as the sandbox says.
    pub systems: Vec<ClassThere>,
}

/// Couriers of a drill, in milliseconds of the day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CouriersSummary {
    /// Called for orders that were made.
    pub called: u64,
    /// How long they waited at the counter, on average.
    pub waited_mean_ms: u64,
    /// Nine of ten waited no longer.
    pub waited_p90_ms: u64,
    /// How long what was made waited for them, on average.
    pub aged_mean_ms: u64,
    /// Nine of ten waited no longer.
    pub aged_p90_ms: u64,
}

/// What was given for orders that ended, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CompensationSummary {
    /// Vouchers for users.
    pub apologies: u64,
    /// Their faces.
    pub apology_minor: u64,
    /// Paid to outlets.
    pub outlets_minor: u64,
    /// Not covered by what was set aside.
    pub unpaid_minor: u64,
}

/// The same demand at the same kitchens, all of it taken at once.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct WithoutPacing {
    /// Taken.
    pub orders: u64,
    /// How promises were kept.
    #[serde(flatten)]
    pub promises: Promises,
    /// Share of the time that walk-ins leave in which stations made orders.
    pub utilisation: f64,
    /// The same in those hours in which more was wanted than the outlet can make.
    pub utilisation_of_busy: f64,
    /// Cancelled by users who had changed their minds.
    pub cancelled: u64,
    /// Given up by users who looked, and found nothing ready.
    pub given_up: u64,
    /// Not begun two hours after the promise.
    pub not_made: u64,
}

/// Everything about orders.
#[derive(Clone, Debug, Default, Serialize)]
pub struct OrderingSummary {
    /// Orders.
    pub orders: OrdersSummary,
    /// Payments.
    pub payments: PaymentsSummary,
    /// Outlets.
    pub outlets: OutletsSummary,
    /// Couriers.
    pub couriers: CouriersSummary,
    /// Compensation.
    pub compensation: CompensationSummary,
    /// The same day without pacing.
    pub without_pacing: WithoutPacing,
}

/// What the facts are made of.
pub(super) struct Sources<'a> {
    pub(super) result: &'a CrowdResult,
    pub(super) book: &'a Book<'a>,
    pub(super) findings: &'a OrderFindings,
    /// `None` where the journal could not be audited.
    pub(super) audited: Option<&'a OrdersReport>,
    pub(super) outside: &'a Outside,
    pub(super) differences: &'a Differences,
    /// Orders by number, and when their couriers are called.
    pub(super) couriers: &'a BTreeMap<usize, u64>,
}

pub(super) fn ordering(sources: &Sources<'_>) -> Option<OrderingSummary> {
    let (result, book) = (sources.result, sources.book);
    let scenario = result.plan.scenario();
    let kitchens = scenario.kitchens.as_ref()?;
    let demand = Demand::of(result)?;
    let terms = Terms { kitchens, hours: scenario.day.hours, seed: result.plan.seed() };
    let unpaced = play(&demand.kitchens, demand.wishes.clone(), terms);
    let made = made(book, demand.kitchens.len(), scenario.starts_at_ms(), scenario.day.hours);
    let utilisation =
        |made: &Load| Utilisation::of(&demand.kitchens, &kitchens.walk_ins, &demand.load, made);
    let (with, without) = (utilisation(&made), utilisation(&unpaced.made));
    let late_ms: Vec<i64> = book.orders.iter().filter_map(Story::late_ms).collect();
    let mut orders = orders(sources);
    orders.wanted = demand.wishes.len() as u64;
    orders.promises = Promises::of(&late_ms);
    orders.promised_anew = PromisedAnew::of(&book.orders);
    orders.promises_by = promises_by(&book.orders);
    orders.lateness = lateness(&late_ms, &unpaced.late_ms);
    Some(OrderingSummary {
        orders,
        payments: payments(sources),
        outlets: outlets(sources, &with, &without),
        couriers: couriers(book, sources.couriers),
        compensation: CompensationSummary {
            apologies: book.given.apologies,
            apology_minor: book.given.apology_minor,
            outlets_minor: book.given.outlets_minor,
            unpaid_minor: book.given.unpaid_minor,
        },
        without_pacing: without_pacing(&demand, &unpaced, &without),
    })
}

/// An outlet's kitchen is learned from its orders: these are its first.
const FIRST_ORDERS: u32 = 10;

/// A promise counts on being paid within a minute, and an order goes to its outlet when it is paid.
fn promises_by(stories: &[Story]) -> Vec<PromiseGroup> {
    let group = |orders: &'static str, holds: fn(&Story) -> bool| {
        let stories = stories.iter().filter(|story| holds(story));
        let late_ms: Vec<i64> = stories.filter_map(Story::late_ms).collect();
        PromiseGroup { orders, promises: Promises::of(&late_ms) }
    };
    let told_ms: Vec<i64> = stories.iter().filter_map(Story::late_as_told_ms).collect();
    vec![
        group("nothing_to_pay", |story| story.payable_minor == 0),
        group("to_be_paid", |story| story.payable_minor > 0 && story.promised_anew_by_ms.is_none()),
        group("promised_anew", |story| story.promised_anew_by_ms.is_some()),
        group("first_ten", |story| story.place_at_outlet <= FIRST_ORDERS),
        group("later_ones", |story| story.place_at_outlet > FIRST_ORDERS),
        PromiseGroup { orders: "as_first_told", promises: Promises::of(&told_ms) },
    ]
}

/// When stations made orders, by the journal.
fn made(book: &Book<'_>, outlets: usize, starts_at_ms: u64, hours: f64) -> Load {
    let mut made = Load::new(outlets, hours);
    for story in &book.orders {
        if let (Some(outlet), Some(begun_ms), Some(ready_ms)) =
            (story.outlet, story.begun_ms, story.ready_ms)
        {
            let since = |at_ms: u64| at_ms.saturating_sub(starts_at_ms);
            made.add(outlet, since(begun_ms), since(ready_ms));
        }
    }
    made
}

fn orders(sources: &Sources<'_>) -> OrdersSummary {
    let (book, tally) = (sources.book, &sources.result.tally);
    let mut ends = BTreeMap::<&'static str, u64>::new();
    for (_, end) in book.orders.iter().filter_map(|story| story.ended) {
        *ends.entry(end.name()).or_default() += 1;
    }
    let ended = |kinds: &[OrderEnd]| -> u64 {
        kinds.iter().map(|end| ends.get(end.name()).copied().unwrap_or(0)).sum()
    };
    let in_state =
        |state: OrderState| book.orders.iter().filter(|story| story.state == state).count() as u64;
    let standing = book.standing;
    let busy = tally.refusals.get(&(Op::Order, "outlet_busy"));
    OrdersSummary {
        placed: book.orders.len() as u64,
        paid: book.orders.iter().filter(|story| story.is_paid()).count() as u64,
        collected: standing.collected,
        cancelled: ended(&[OrderEnd::ByUser, OrderEnd::ByOutlet, OrderEnd::ByOperator]),
        rejected: ended(&[OrderEnd::Rejected]),
        expired: ended(&[OrderEnd::NotPaid, OrderEnd::NotAccepted, OrderEnd::NotMade]),
        refunded: in_state(OrderState::Refunded),
        refunding: in_state(OrderState::Refunding),
        open: standing.awaiting + standing.in_line + standing.making + standing.ready,
        ends,
        moved: book.moves,
        lost: sources.findings.lost,
        wrong: sources.findings.wrong,
        doubled: sources.findings.doubled + sources.differences.made_twice,
        refused_busy: busy.copied().unwrap_or(0),
        quotes: book.quotes,
        offers: tally.orders.offers,
        offers_taken: tally.orders.offers_taken,
        kept_voucher: tally.orders.kept_voucher,
        looked_in_vain: tally.orders.looked_in_vain,
        timeline: timeline(book),
        ..OrdersSummary::default()
    }
}

fn timeline(book: &Book<'_>) -> Vec<OrdersPoint> {
    let mut points: Vec<OrdersPoint> = book.timeline.iter().map(OrdersPoint::from).collect();
    for story in &book.orders {
        let point = points.get_mut(book.stretch(story.promised_ms));
        if let (Some(point), Some(late_ms)) = (point, story.late_ms()) {
            point.promised += 1;
            point.late += u64::from(late_ms > LATE_MS);
        }
    }
    let mut open = vec![BTreeSet::new(); points.len()];
    for BreakerOpen { of, from_ms, until_ms } in &book.breakers {
        let until = until_ms.map_or(points.len(), |until_ms| book.stretch(until_ms) + 1);
        let stretches = open.iter_mut().take(until).skip(book.stretch(*from_ms));
        if let BreakerOf::Outlet(outlet) = of {
            stretches.for_each(|outlets| {
                outlets.insert(outlet.0);
            });
        }
    }
    for (point, outlets) in points.iter_mut().zip(open) {
        point.breakers_open = outlets.len() as u64;
    }
    points
}

fn is_outlets(open: &BreakerOpen) -> bool {
    matches!(open.of, BreakerOf::Outlet(_))
}

fn vendors_open(book: &Book<'_>) -> Vec<VendorOpen> {
    let vendors = book.breakers.iter().filter_map(|open| match &open.of {
        BreakerOf::Vendor(vendor) => Some(VendorOpen {
            vendor: vendor.clone(),
            from_hour: book.hour(open.from_ms),
            until_hour: open.until_ms.map(|until_ms| book.hour(until_ms)),
        }),
        BreakerOf::Outlet(_) => None,
    });
    vendors.collect()
}

fn payments(sources: &Sources<'_>) -> PaymentsSummary {
    let there = &sources.outside.payments;
    let audited = sources.audited;
    PaymentsSummary {
        captured_minor: audited.map_or(0, |report| report.captured_minor),
        refunded_minor: audited.map_or(0, |report| report.refunded_minor),
        to_refund_minor: audited.map_or(0, |report| report.to_refund_minor),
        captured_outside_minor: there.iter().map(|payment| payment.captured_minor).sum(),
        refunded_outside_minor: there.iter().map(|payment| payment.refunded_minor).sum(),
        doubled: sources.differences.overpaid,
        disputed: audited.map_or(0, |report| report.disputes.open_orders),
        differences: sources.differences.clone(),
    }
}

fn outlets(sources: &Sources<'_>, with: &Utilisation, without: &Utilisation) -> OutletsSummary {
    let classes = with.classes.iter().zip(&without.classes).enumerate();
    let classes = classes.map(|(place, (with, without))| OutletClass {
        wanted_above: place.checked_sub(1).map_or(0.0, |before| CLASSES[before]),
        wanted_until: CLASSES.get(place).copied(),
        outlets: with.outlets,
        utilisation: with.utilisation(),
        utilisation_without_pacing: without.utilisation(),
    });
    OutletsSummary {
        count: with.all.outlets,
        busy: with.busy.outlets,
        paused: sources.book.pauses,
        breakers_opened: sources.book.breakers.iter().filter(|open| is_outlets(open)).count()
            as u64,
        vendors_open: vendors_open(sources.book),
        utilisation: with.all.utilisation(),
        utilisation_of_busy: with.busy.utilisation(),
        made_for_nothing: sources.outside.stats.tickets.made_for_nothing,
        classes: classes.collect(),
        systems: sources.outside.stats.kitchens.clone(),
    }
}

fn couriers(book: &Book<'_>, called: &BTreeMap<usize, u64>) -> CouriersSummary {
    let (mut waited_ms, mut aged_ms) = (Vec::new(), Vec::new());
    for (order, called_ms) in called {
        let Some(story) = book.orders.get(*order) else { continue };
        let (Some(ready_ms), Some(way_ms)) = (story.ready_ms, story.courier_ms) else { continue };
        // A courier cannot set out before the order was placed.
        let there_ms = (*called_ms).max(story.placed_ms) + u64::from(way_ms);
        let ready_after_ms = after(ready_ms, there_ms);
        waited_ms.push(clipped(ready_after_ms));
        aged_ms.push(clipped(-ready_after_ms));
    }
    let mean = |all: &[u64]| all.iter().sum::<u64>() / (all.len() as u64).max(1);
    CouriersSummary {
        called: waited_ms.len() as u64,
        waited_mean_ms: mean(&waited_ms),
        aged_mean_ms: mean(&aged_ms),
        waited_p90_ms: quantile(waited_ms, 0.9),
        aged_p90_ms: quantile(aged_ms, 0.9),
    }
}

fn without_pacing(demand: &Demand, day: &Unpaced, used: &Utilisation) -> WithoutPacing {
    WithoutPacing {
        orders: demand.wishes.len() as u64,
        promises: Promises::of(&day.late_ms),
        utilisation: used.all.utilisation(),
        utilisation_of_busy: used.busy.utilisation(),
        cancelled: day.cancelled,
        given_up: day.given_up,
        not_made: day.not_made,
    }
}

fn lateness(with: &[i64], without: &[i64]) -> Vec<LatenessBin> {
    let count = usize::try_from((LAST_BIN - FIRST_BIN) / LatenessBin::MINUTES + 1).expect("a few");
    let mut bins: Vec<LatenessBin> = (FIRST_BIN..=LAST_BIN)
        .step_by(usize::try_from(LatenessBin::MINUTES).expect("small"))
        .map(|from_minutes| LatenessBin { from_minutes, ..LatenessBin::default() })
        .collect();
    let bin_of = |late_ms: i64| {
        let bin =
            late_ms.div_euclid(LatenessBin::MINUTES * 60_000) - FIRST_BIN / LatenessBin::MINUTES;
        usize::try_from(bin).unwrap_or(0).min(count - 1)
    };
    with.iter().for_each(|late_ms| bins[bin_of(*late_ms)].with_pacing += 1);
    without.iter().for_each(|late_ms| bins[bin_of(*late_ms)].without_pacing += 1);
    bins
}

/// Below 0 is 0.
fn clipped(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0)
}

/// The value that this share of all does not exceed; 0 without any.
fn quantile(mut values: Vec<u64>, at: f64) -> u64 {
    values.sort_unstable();
    let rank = real(values.len() as u64) * at;
    let place = crate::numbers::place(rank.ceil(), values.len()).saturating_sub(1);
    values.get(place).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests;
