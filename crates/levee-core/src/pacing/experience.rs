//! What all kitchens have taught about one of which nothing is known yet.
//!
//! An outlet's own figure of its making time says nothing of how long a ticket is on its way, of
//! customers at the counter, or of how its operator counts; and operators rather say too little. So
//! what the first orders at each kitchen showed is kept for the kitchens whose first orders are to come.

use core::ops::RangeInclusive;

use bytemuck::{Pod, Zeroable};

use super::Pace;

/// What is expected of a kitchen that has not finished an order.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Experience {
    /// How many times what its outlet states a unit takes.
    pub unit_times: f64,
    /// See [`super::Kitchen`]: which share of an order's further units waits for the first one.
    pub series: f64,
    /// By how much it moves its promises, in such making times; 0 or more.
    pub start: f64,
    /// How many orders have taught it.
    pub lessons: u64,
}

/// What one of the first orders that a kitchen finished has shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lesson {
    /// How many times what the outlet states a unit took: of the very first one, where it is known
    /// when it was begun.
    pub unit_times: Option<f64>,
    /// Which share of its further units waited for the first one: likewise, where it had any.
    pub series: Option<f64>,
    /// Whether it was ready later than it would be promised now.
    pub late: bool,
}

impl Experience {
    /// Before any kitchen was seen: figures are believed.
    pub const DEFAULT: Self = Self { unit_times: 1.0, series: 0.0, start: 0.0, lessons: 0 };

    /// A policy that learns nothing of kitchens learns nothing for others, either.
    ///
    /// The average of what units took, and that part of a unit by which promises must be moved so
    /// that a share `q` of first orders is kept (as a kitchen does for its own: H. Robbins and
    /// S. Monro, 1951). Both by steps that become smaller as lessons come.
    pub fn learn(&mut self, lesson: Lesson, pace: &Pace) {
        // Far below 2^53.
        let lessons = super::estimate::real(self.lessons) + LESSONS_BEFORE;
        let gain = (STEP / lessons).clamp(GAIN_MIN, GAIN_MAX);
        // Where staff say that it is begun when it is ready, the order's other units say nothing, either.
        let times = lesson.unit_times.filter(|times| pace.unit_gain > 0.0 && TIMES.contains(times));
        if let Some(times) = times {
            self.unit_times += gain * (times - self.unit_times);
            let series = lesson.series.map_or(self.series, |series| series.clamp(0.0, 1.0));
            self.series += gain * (series - self.series);
        }
        let step = if pace.gamma > 0.0 { (STEP / lessons).max(STEP_MIN) } else { 0.0 };
        self.start += step * if lesson.late { pace.q } else { pace.q - 1.0 };
        self.start = self.start.clamp(0.0, START_MAX);
        self.lessons += 1;
    }
}

impl Default for Experience {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What was believed before weighs as much as so many lessons.
const LESSONS_BEFORE: f64 = 20.0;

/// The weight of a first order in what units take: of the first ones and later on. The last two hundred
/// kitchens or so always count, as operators and systems change.
const GAIN_MAX: f64 = 0.05;
const GAIN_MIN: f64 = 0.005;

/// The step after the first lesson is this by [`LESSONS_BEFORE`]; those after many are the other.
const STEP: f64 = 5.0;
const STEP_MIN: f64 = 0.01;

/// A unit that takes less or more than so many times what is stated says nothing of others.
const TIMES: RangeInclusive<f64> = 0.125..=8.0;

/// Promises of new kitchens move by at most so many making times.
const START_MAX: f64 = 16.0;
