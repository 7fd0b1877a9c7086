//! The policy by which kitchens promise.

use super::Experience;

/// How carefully kitchens promise and how fast they learn; one for an installation or a brand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// The share of orders that are to be ready when promised, 0.5 to 0.999.
    pub q: f64,
    /// Standard deviation of the making time of a unit, as a share of its mean; 0 to 2.
    pub cv: f64,
    /// By what share the learned speed of a queue may be wrong, as a standard deviation; 0 to 1.
    pub doubt: f64,
    /// By how much a promise that was kept or missed moves the next ones, as a share of the making
    /// time of a unit: a missed one by `gamma * q` up, a kept one by `gamma * (1 - q)` down. 0 never
    /// moves them.
    pub gamma: f64,
    /// The weight of the last order in the making time of a unit, 0 (never learned) to 1.
    pub unit_gain: f64,
    /// The weight of the last unit in how fast the queue moves, 0 (never learned) to 1.
    pub queue_gain: f64,
    /// Making times of a unit that are believed, in ms.
    pub unit_ms_min: f64,
    /// See `unit_ms_min`.
    pub unit_ms_max: f64,
    /// What promises may be moved by for all that was missed, in ms up to 2^31; kept ones move them
    /// back, but never below `-unit_ms`. A kitchen that has nothing to do must be able to promise: it
    /// has to be shorter than what users will wait.
    pub delta_ms_max: f64,
    /// At which quantile of an order's readiness its courier is to be there, 0.1 to 0.9: the cost
    /// of a minute in which a courier waits, as a share of that and the cost of a minute in which a
    /// finished order ages (the newsvendor's quantile).
    pub courier_q: f64,
    /// The weight of the last order in how late orders are, 0 (never learned) to 1.
    pub late_gain: f64,
    /// How long before its time an order may be made; the kitchen has it from then on.
    pub ahead_ms: u64,
    /// No slot is later than this after the ask.
    pub horizon_ms: u64,
    /// What is expected of a kitchen that has not finished an order.
    pub expected: Experience,
}

impl Pace {
    /// Nine of ten promises are kept. A making time follows about the last ten orders, the speed of the
    /// queue about the last fifty units. Orders are made half an hour ahead at most, and promised three
    /// hours ahead.
    pub const DEFAULT: Self = Self {
        q: 0.9,
        cv: 0.5,
        doubt: 0.15,
        gamma: 0.2,
        unit_gain: 0.1,
        queue_gain: 0.02,
        unit_ms_min: 10_000.0,
        unit_ms_max: 3_600_000.0,
        delta_ms_max: 15.0 * 60_000.0,
        courier_q: 0.6,
        late_gain: 0.05,
        ahead_ms: 30 * 60_000,
        horizon_ms: 3 * 3_600_000,
        expected: Experience::DEFAULT,
    };

    /// [`Self::DEFAULT`], with what is expected of a kitchen that has not finished an order.
    #[must_use]
    pub fn expecting(expected: Experience) -> Self {
        Self { expected, ..Self::DEFAULT }
    }

    /// The quantile of the standard normal distribution at [`Self::q`].
    pub(super) fn z(&self) -> f64 {
        quantile(self.q)
    }
}

/// The quantile of the standard normal distribution at `q`, 0.075 to 0.999: M. J. Wichura,
/// "Algorithm AS 241: The Percentage Points of the Normal Distribution", Applied Statistics 37, 1988,
/// the form of seven digits without its far tails.
pub(super) fn quantile(q: f64) -> f64 {
    let from_middle = q - 0.5;
    if from_middle.abs() <= 0.425 {
        let r = 0.180_625 - from_middle * from_middle;
        let above =
            ((59.109_374_720 * r + 159.291_132_02) * r + 50.434_271_938) * r + 3.387_132_717_9;
        let below = ((67.187_563_600 * r + 78.757_757_664) * r + 17.895_169_469) * r + 1.0;
        return from_middle * above / below;
    }
    let r = libm::sqrt(-libm::log(1.0 - q)) - 1.6;
    let above =
        ((0.170_238_211_03 * r + 1.306_728_481_6) * r + 2.756_815_390_0) * r + 1.423_437_277_7;
    above / ((0.120_211_329_75 * r + 0.737_001_642_50) * r + 1.0)
}

impl Default for Pace {
    fn default() -> Self {
        Self::DEFAULT
    }
}
