//! One outlet's kitchen: what was learned of it, what it has promised and what it makes.

use core::ops::RangeInclusive;

use super::estimate::{Estimate, ms, real, signed_ms};
use super::later::{Later, SLOT_MS};
use super::pace::quantile;
use super::{Lesson, Pace, Work};
use crate::tables::prefetch;
use crate::types::PAID_WITHIN_MS;

/// The kitchen of one outlet.
///
/// An order is promised, begun and finished; or promised and taken back; or begun and given up.
/// Whatever way it goes, the capacity that it took comes back once.
#[derive(Clone, Debug, PartialEq)]
pub struct Kitchen {
    /// Staff or machines that make, by the outlet's own figure; at least 1.
    pub(super) stations: u16,
    /// Orders that it has finished since its outlet stated another making time, as far as it matters.
    pub(super) seen: u8,
    /// Orders that it has finished at all, as far as others learn from them.
    pub(super) taught: u8,
    /// Making time of one unit, learned from start to done; its outlet's figure until there is one.
    pub(super) unit_ms: f64,
    /// Which share of an order's units beyond the first waits for the first one, 0 (each takes a
    /// station that is free) to 1 (one station makes all of them), learned from start to done.
    pub(super) series: f64,
    /// How many times slower the queue moves than stations and making time say, learned while work
    /// waits. It holds a wrong figure of stations, and customers whom nobody reports.
    pub(super) drag: f64,
    /// How much later than promised orders are ready on average, in ms; less than 0 where they are
    /// early.
    pub(super) late_ms: f64,
    /// How far orders are from that on average, in ms.
    pub(super) late_spread_ms: f64,
    /// What promises are moved by, learned from those kept and missed; 0 until there is one.
    pub(super) delta_ms: i32,
    /// Being made for us, in thousandths.
    pub(super) making: u64,
    /// Promised and not begun.
    pub(super) later: Later,
    /// Of customers on other channels, in thousandths, at `walk_ins_at_ms`.
    pub(super) walk_ins: f64,
    pub(super) walk_ins_at_ms: u64,
    /// The last order that was done, if work has been waiting ever since; 0 if not.
    pub(super) done_at_ms: u64,
}

/// What a kitchen is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// All of it.
    pub work: Work,
    /// It cannot be begun sooner after the ask, in ms: it is to be taken and paid before.
    pub begins_after_ms: u64,
}

impl Ask {
    /// Work of an order. What is to be paid goes to the outlet when it is; anything else could be begun at
    /// once.
    #[must_use]
    pub fn of(work: Work, is_to_be_paid: bool) -> Self {
        Self { work, begins_after_ms: if is_to_be_paid { PAID_WITHIN_MS } else { 0 } }
    }

    /// Of an offer, which somebody may take when it has been held for so long, in ms.
    #[must_use]
    pub fn held(self, hold_ms: u64) -> Self {
        Self { begins_after_ms: self.begins_after_ms.saturating_add(hold_ms), ..self }
    }

    /// What it is so long after it was asked, in ms.
    #[must_use]
    pub fn after(self, gone_ms: u64) -> Self {
        let begins_after_ms = self.begins_after_ms.saturating_sub(gone_ms);
        Self { begins_after_ms, ..self }
    }
}

/// A promised order, as its kitchen needs to know it at every later step; whoever keeps the order
/// keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// All of it.
    pub work: Work,
    /// The promise.
    pub ready_at_ms: u64,
    /// What the kitchen moved its promises by when it made this one.
    pub delta_ms: i32,
}

impl Kitchen {
    /// A kitchen of which nothing is known but its outlet's figures: `stations` that make, and the
    /// time that one of them needs for a unit, 1 ms or more.
    #[must_use]
    pub fn new(stations: u16, unit_ms: u32) -> Self {
        Self {
            stations: stations.max(1),
            seen: 0,
            taught: 0,
            unit_ms: f64::from(unit_ms.max(1)),
            series: 0.0,
            drag: DRAG_UNKNOWN,
            late_ms: 0.0,
            late_spread_ms: f64::from(unit_ms.max(1)),
            delta_ms: 0,
            making: 0,
            later: Later::default(),
            walk_ins: 0.0,
            walk_ins_at_ms: 0,
            done_at_ms: 0,
        }
    }

    /// Begins to bring its second half near.
    #[inline]
    pub(crate) fn prefetch_end(&self) {
        prefetch(&self.walk_ins_at_ms);
    }

    /// Begins to bring near what it has promised.
    #[inline]
    pub(crate) fn prefetch_promised(&self) {
        self.later.iter().as_slice().first().inspect(|due| prefetch(*due));
    }

    /// In how many ms from now an order that is placed now is ready, with the wanted certainty, so
    /// that no earlier promise is endangered.
    #[must_use]
    pub fn eta_ms(&self, now_ms: u64, ask: Ask, pace: &Pace) -> u64 {
        let ready_ms = self.ready_at_ms(now_ms, ask, now_ms..=u64::MAX, pace);
        ready_ms.map_or(u64::MAX - now_ms, |ready_ms| ready_ms - now_ms)
    }

    /// [`Self::eta_ms`] where it is no longer than `within_ms`; finds out sooner where it is.
    #[must_use]
    pub fn eta_within(&self, now_ms: u64, ask: Ask, within_ms: u64, pace: &Pace) -> Option<u64> {
        let range = now_ms..=now_ms.saturating_add(within_ms);
        self.ready_at_ms(now_ms, ask, range, pace).map(|ready_ms| ready_ms - now_ms)
    }

    /// The first multiple of [`SLOT_MS`], not before `not_before_ms`, for which capacity is free for
    /// the whole making time; none within the policy's horizon from now.
    #[must_use]
    pub fn slot_at(&self, now_ms: u64, ask: Ask, not_before_ms: u64, pace: &Pace) -> Option<u64> {
        let last_ms = now_ms.saturating_add(pace.horizon_ms);
        let range = not_before_ms.max(now_ms)..=last_ms;
        // Work of the slot itself is either in front already, or was found to be in time after it.
        let free_ms = self.ready_at_ms(now_ms, ask, range, pace)?;
        let slot_ms = free_ms.div_ceil(SLOT_MS).checked_mul(SLOT_MS)?;
        (slot_ms <= last_ms).then_some(slot_ms)
    }

    /// Work that is not done, on all channels, in thousandths of a unit.
    #[must_use]
    pub fn unfinished(&self, now_ms: u64, pace: &Pace) -> u64 {
        self.making + self.later.sum() + ms(self.walk_ins_left(now_ms, pace))
    }

    /// How long it needs for a unit of work while it is busy, all stations together, in milliseconds, as
    /// it was learned, or as it is expected; at least 1.
    #[must_use]
    pub fn pace_ms(&self, pace: &Pace) -> u64 {
        ms(self.unit_ms(pace) * self.drag / f64::from(self.stations)).max(1)
    }

    /// Staff or machines that make, by the outlet's own figure.
    #[must_use]
    pub fn stations(&self) -> u16 {
        self.stations
    }

    /// Work that is promised and not begun, in thousandths of a unit, by the start of the slot in
    /// which it is to be ready, in ms since 1970.
    pub fn promised(&self) -> impl Iterator<Item = (u64, u64)> {
        self.later.iter().map(|due| (due.at_ms(), due.work))
    }

    /// Takes capacity for an order. Whether there is any is asked before, with the same time.
    pub fn promise(&mut self, now_ms: u64, work: Work, ready_at_ms: u64, pace: &Pace) -> Ticket {
        self.drain(now_ms, pace);
        self.later.add(ready_at_ms, work);
        Ticket { work, ready_at_ms, delta_ms: self.delta_ms(pace) }
    }

    /// Gives back the capacity of an order that was promised and will not be begun.
    ///
    /// # Panics
    /// No such order is promised.
    pub fn take_back(&mut self, now_ms: u64, ticket: Ticket, pace: &Pace) {
        self.drain(now_ms, pace);
        self.later.remove(ticket.ready_at_ms, ticket.work);
        self.look_at_waiting(now_ms, pace);
    }

    /// A promised order is being made from now on.
    ///
    /// # Panics
    /// No such order is promised.
    pub fn begin(&mut self, now_ms: u64, ticket: Ticket, pace: &Pace) {
        self.later.remove(ticket.ready_at_ms, ticket.work);
        self.making += u64::from(ticket.work.0);
        self.look_at_waiting(now_ms, pace);
    }

    /// An order that was begun is ready; teaches how long a unit takes, how fast the queue moves,
    /// and whether promises are kept. The first ones have lessons for other kitchens, too.
    ///
    /// # Panics
    /// No such order is being made.
    pub fn finish(
        &mut self,
        now_ms: u64,
        ticket: Ticket,
        begun_at_ms: u64,
        pace: &Pace,
    ) -> Option<Lesson> {
        self.give_up(now_ms, ticket, pace);
        let took_ms = real(now_ms.saturating_sub(begun_at_ms));
        let lesson = self.lesson(now_ms, ticket, Some(took_ms), pace);
        self.take_up(pace);
        self.learn_unit(now_ms, ticket.work, took_ms, pace);
        self.learn_promise(now_ms, ticket, pace);
        lesson
    }

    /// A promised order is ready, and nobody said when it was begun.
    ///
    /// # Panics
    /// No such order is promised.
    pub fn finish_unbegun(&mut self, now_ms: u64, ticket: Ticket, pace: &Pace) -> Option<Lesson> {
        self.take_back(now_ms, ticket, pace);
        let lesson = self.lesson(now_ms, ticket, None, pace);
        self.take_up(pace);
        self.learn_promise(now_ms, ticket, pace);
        lesson
    }

    /// When a courier who needs `travel_ms` is to set out for an order, in ms since 1970: so that at
    /// the policy's quantile of its readiness, by what was learned of promises here, the courier is
    /// there.
    #[must_use]
    pub fn courier_at_ms(&self, ready_at_ms: u64, travel_ms: u64, pace: &Pace) -> u64 {
        // The mean distance of a normal distribution is its standard deviation times this root.
        let spread_ms = self.late_spread_ms * libm::sqrt(core::f64::consts::FRAC_PI_2);
        let moved_ms = signed_ms(self.late_ms + quantile(pace.courier_q) * spread_ms);
        ready_at_ms.saturating_add_signed(moved_ms.into()).saturating_sub(travel_ms)
    }

    /// An order that was begun will not be finished; nothing is learned from it.
    ///
    /// # Panics
    /// No such order is being made.
    pub fn give_up(&mut self, now_ms: u64, ticket: Ticket, pace: &Pace) {
        self.drain(now_ms, pace);
        let left = self.making.checked_sub(ticket.work.0.into());
        self.making = left.expect("so much is being made");
    }

    /// Work of customers on another channel, of whom nothing more is heard: it drains as time passes.
    pub fn walk_in(&mut self, now_ms: u64, work: Work, pace: &Pace) {
        self.drain(now_ms, pace);
        self.walk_ins += f64::from(work.0);
    }

    /// The outlet's figure of its stations changes, at least 1; what was learned stays.
    pub fn set_stations(&mut self, stations: u16) {
        self.stations = stations.max(1);
    }

    /// The outlet's figure of the making time changes, 1 ms or more: it is learned anew. What else was
    /// learned stays, and what others have learned from it, so that no document brings either back.
    pub fn set_unit_ms(&mut self, unit_ms: u32) {
        (self.unit_ms, self.seen) = (f64::from(unit_ms.max(1)), 0);
    }

    /// Making time of a unit, as far as it is known.
    pub(super) fn unit_ms(&self, pace: &Pace) -> f64 {
        if self.seen == 0 { self.unit_ms * pace.expected.unit_times } else { self.unit_ms }
    }

    /// Which share of an order's further units waits for the first one, as far as it is known.
    pub(super) fn series(&self, pace: &Pace) -> f64 {
        if self.taught == 0 { pace.expected.series } else { self.series }
    }

    /// What promises are moved by, as far as it is known.
    pub(super) fn delta_ms(&self, pace: &Pace) -> i32 {
        if self.taught > 0 {
            return self.delta_ms;
        }
        let start_ms = pace.expected.start * self.unit_ms(pace);
        signed_ms(start_ms.min(pace.delta_ms_max.max(0.0)))
    }

    /// When `work` is ready with the wanted certainty, if that is in time; not before the range.
    ///
    /// What the kitchen has been handed is made first, first. What it will be handed later must still
    /// be in time behind this order; where it would not, the order goes behind that too.
    fn ready_at_ms(
        &self,
        now_ms: u64,
        ask: Ask,
        range: RangeInclusive<u64>,
        pace: &Pace,
    ) -> Option<u64> {
        let estimate = Estimate::new(self, pace);
        let own = f64::from(ask.work.0);
        let after = |others: f64| now_ms.saturating_add(estimate.ms_of(others, own));
        // By the time that it can be begun, what is before it may be done.
        let alone_ms = after(0.0).saturating_add(ask.begins_after_ms);
        let handed_ms = now_ms.saturating_add(pace.ahead_ms);
        let mut dues = self.later.iter().peekable();
        let mut all = real(self.making) + self.walk_ins_left(now_ms, pace);
        while let Some(due) = dues.next_if(|due| due.at_ms() <= handed_ms) {
            all += real(due.work);
        }
        let mut ready_ms = after(all).max(alone_ms).max(*range.start());
        for due in dues {
            if ready_ms > *range.end() {
                return None;
            }
            all += real(due.work);
            let due_ms = now_ms.saturating_add(estimate.ms_of(all + own, 0.0));
            if due.at_ms() <= ready_ms || due_ms > due.at_ms() {
                ready_ms = ready_ms.max(after(all)).max(due_ms);
            }
        }
        (ready_ms <= *range.end()).then_some(ready_ms)
    }

    /// How fast walk-ins drain depends on our own work, so they do before it changes.
    fn drain(&mut self, now_ms: u64, pace: &Pace) {
        self.walk_ins = self.walk_ins_left(now_ms, pace);
        self.walk_ins_at_ms = now_ms.max(self.walk_ins_at_ms);
    }

    /// Walk-ins share the stations with all other work, so their part of it shrinks by their part of
    /// what is made.
    pub(super) fn walk_ins_left(&self, now_ms: u64, pace: &Pace) -> f64 {
        let gone_ms = now_ms.saturating_sub(self.walk_ins_at_ms);
        if self.walk_ins <= 0.0 || gone_ms == 0 {
            return self.walk_ins;
        }
        let ours = real(self.making + self.later.sum());
        let step_ms = real(gone_ms) / f64::from(DRAIN_STEPS);
        let capacity = f64::from(self.stations) * f64::from(Work::UNIT);
        let (unit_ms, mut left) = (self.unit_ms(pace), self.walk_ins);
        for _ in 0..DRAIN_STEPS {
            // Where there are fewer than stations, each takes its own time.
            let shared = (left + ours).max(capacity);
            left /= 1.0 + step_ms * capacity / (unit_ms * shared);
        }
        if left < DRAINED { 0.0 } else { left }
    }

    /// Notes when nothing more waits to be begun: the next order that is done says nothing about
    /// how fast a queue moves.
    fn look_at_waiting(&mut self, now_ms: u64, pace: &Pace) {
        if !self.waits(now_ms, pace) {
            self.done_at_ms = 0;
        }
    }

    /// Work waits that could be begun.
    fn waits(&self, now_ms: u64, pace: &Pace) -> bool {
        let first = self.later.first();
        first.is_some_and(|due| due.at_ms() <= now_ms.saturating_add(pace.ahead_ms))
    }

    fn learn_promise(&mut self, now_ms: u64, ticket: Ticket, pace: &Pace) {
        self.learn_queue(now_ms, ticket.work, pace);
        self.learn_delta(now_ms, ticket, pace);
        let late_ms = real(now_ms) - real(ticket.ready_at_ms);
        let off_ms = (late_ms - self.late_ms).abs();
        self.late_ms += pace.late_gain * (late_ms - self.late_ms);
        self.late_spread_ms += pace.late_gain * (off_ms - self.late_spread_ms);
    }

    /// Moves promises up by a missed one and down by a kept one, so that they settle where a share `q`
    /// is kept (stochastic approximation of a quantile; H. Robbins and S. Monro, 1951).
    ///
    /// All that were promised before the first miss was known miss for the same reason. So what is
    /// judged is the promise that the order would get now; otherwise promises would move by as many
    /// steps as orders were under way, and swing.
    fn learn_delta(&mut self, now_ms: u64, ticket: Ticket, pace: &Pace) {
        let step = if self.is_late(now_ms, ticket, pace) { pace.q } else { pace.q - 1.0 };
        let gain = pace.gamma * self.haste();
        let moved_ms = f64::from(self.delta_ms) + gain * self.unit_ms * step;
        self.delta_ms = signed_ms(moved_ms.clamp(-self.unit_ms, pace.delta_ms_max.max(0.0)));
    }

    /// Whether an order is ready later than it would be promised now.
    fn is_late(&self, now_ms: u64, ticket: Ticket, pace: &Pace) -> bool {
        let known_ms = i64::from(self.delta_ms(pace)) - i64::from(ticket.delta_ms);
        now_ms > ticket.ready_at_ms.saturating_add_signed(known_ms)
    }

    /// How many times longer so much work takes at an idle kitchen than a unit.
    fn rounds(&self, work: Work, pace: &Pace) -> f64 {
        let units = f64::from(work.0) / f64::from(Work::UNIT);
        let own = 1.0 + self.series(pace) * further(units);
        // Units beyond the stations wait for the first ones of the same order.
        let beyond = (units + 1.0 - own - f64::from(self.stations)).max(0.0);
        own + beyond * self.drag / f64::from(self.stations)
    }

    /// Both by the same error: making times by those of all orders, what is made in series by those
    /// of more than a unit (normalised least mean squares; B. Widrow and M. E. Hoff, 1960), if nothing
    /// waits: where it does, units wait for other orders' as well.
    fn learn_unit(&mut self, now_ms: u64, work: Work, took_ms: f64, pace: &Pace) {
        let gain = pace.unit_gain * self.haste();
        let rounds = self.rounds(work, pace);
        let further = further(f64::from(work.0) / f64::from(Work::UNIT));
        if !self.waits(now_ms, pace) {
            let off = took_ms / self.unit_ms - rounds;
            let moved = self.series + gain * off * further / (FURTHER_LEAST + further * further);
            self.series = moved.clamp(0.0, 1.0);
        }
        let moved_ms = self.unit_ms + gain * (took_ms / rounds - self.unit_ms);
        self.unit_ms = moved_ms.clamp(pace.unit_ms_min, pace.unit_ms_max);
    }

    /// What one of the first orders has to say of kitchens that are like this one was.
    fn lesson(
        &self,
        now_ms: u64,
        ticket: Ticket,
        took_ms: Option<f64>,
        pace: &Pace,
    ) -> Option<Lesson> {
        if self.taught >= LESSONS {
            return None;
        }
        let late = self.is_late(now_ms, ticket, pace);
        // What a unit takes is compared with what the outlet states, and later with what is learned.
        let took_ms = took_ms.filter(|_| self.taught == 0);
        let unit_times = took_ms.map(|ms| ms / self.rounds(ticket.work, pace) / self.unit_ms);
        let further = further(f64::from(ticket.work.0) / f64::from(Work::UNIT));
        let says = further * further >= FURTHER_LEAST && self.stations > 1;
        let beside = says && !self.waits(now_ms, pace);
        let series = took_ms.filter(|_| beside);
        let series = series.map(|ms| (ms / self.unit_ms(pace) - 1.0) / further);
        Some(Lesson { unit_times, series, late })
    }

    /// What was expected is where it begins to learn from.
    fn take_up(&mut self, pace: &Pace) {
        let (unit_ms, delta_ms) = (self.unit_ms(pace), self.delta_ms(pace));
        self.series = self.series(pace);
        (self.unit_ms, self.delta_ms) = (unit_ms, delta_ms);
        self.seen = self.seen.saturating_add(1).min(SEEN_MAX);
        self.taught = self.taught.saturating_add(1).min(LESSONS);
    }

    /// How many times faster than usual it learns: what was expected weighs as much as four orders.
    fn haste(&self) -> f64 {
        f64::from(SEEN_MAX) / (f64::from(self.seen) + 4.0).min(f64::from(SEEN_MAX))
    }

    fn learn_queue(&mut self, now_ms: u64, work: Work, pace: &Pace) {
        if self.done_at_ms != 0 {
            let units = f64::from(work.0) / f64::from(Work::UNIT);
            // How many units the stations would have made by the figures.
            let expected = real(now_ms.saturating_sub(self.done_at_ms)) * f64::from(self.stations)
                / self.unit_ms;
            // Both sides of the ratio are averaged, not the ratio: orders come in any size.
            let moved = self.drag + pace.queue_gain * (expected - units * self.drag);
            self.drag = moved.clamp(DRAG_MIN, DRAG_MAX);
        }
        self.done_at_ms = if self.waits(now_ms, pace) { now_ms } else { 0 };
    }
}

/// Keeps orders of little more than a unit, which say little of what is made in series, from saying too
/// much: others learn nothing from orders that are smaller; in squared units.
const FURTHER_LEAST: f64 = 0.25;

/// Units of an order beyond the first.
pub(super) fn further(units: f64) -> f64 {
    (units - 1.0).max(0.0)
}

/// So many first orders of a kitchen teach what is to be expected of others.
pub(super) const LESSONS: u8 = 5;

/// From so many orders on a kitchen is known.
const SEEN_MAX: u8 = 10;

/// Steps in which walk-ins drain between two events; more make it finer.
const DRAIN_STEPS: u32 = 4;

/// Walk-ins below this are gone, in thousandths.
const DRAINED: f64 = 10.0;

/// What is expected of a queue that was never seen: figures are rather too good than too bad, and
/// walk-ins come on top.
const DRAG_UNKNOWN: f64 = 1.15;

/// A queue moves at most so many times faster than the outlet's figures say.
pub(super) const DRAG_MIN: f64 = 0.125;

/// A queue moves at most so many times slower.
pub(super) const DRAG_MAX: f64 = 16.0;
