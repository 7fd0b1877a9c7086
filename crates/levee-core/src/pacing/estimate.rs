//! How long work takes, with the wanted certainty.

use super::kitchen::further;
use super::{Kitchen, Pace, Work};

/// The kitchen's figures, ready to be used for several amounts of work.
pub(super) struct Estimate {
    stations: f64,
    unit_ms: f64,
    /// Share of an order's further units that waits for the first one.
    series: f64,
    /// A unit that waits costs those behind it so much.
    queue_ms: f64,
    /// Standard deviation of one unit.
    spread_ms: f64,
    /// Share by which the speed of the queue may be misjudged.
    doubt: f64,
    z: f64,
    delta_ms: f64,
}

impl Estimate {
    pub(super) fn new(kitchen: &Kitchen, pace: &Pace) -> Self {
        let (stations, unit_ms) = (f64::from(kitchen.stations), kitchen.unit_ms(pace));
        Self {
            stations,
            unit_ms,
            series: kitchen.series(pace),
            queue_ms: unit_ms * kitchen.drag / stations,
            spread_ms: pace.cv * unit_ms,
            doubt: pace.doubt,
            z: pace.z(),
            delta_ms: f64::from(kitchen.delta_ms(pace)),
        }
    }

    /// Until `own` thousandths are done behind `others`, in ms:
    /// `m * (1 + s * (k - 1) + r * x / b)`
    /// `+ z * sqrt((cv * m)^2 * (1 + s * (k - 1) + x / b^2) + (d * m * r * x / b)^2) + delta`
    /// with `k` units of its own, of which a share `s` of those beyond the first is made one after
    /// another, and `x = max(0, others + k - s * (k - 1) - b)`, where the queue moves `r` times slower
    /// than stations `b` and making time `m` say, and `r` is known but for a share `d`: the sum of so
    /// many making times varies with their root, what was learned wrongly is wrong for each of them.
    pub(super) fn ms_of(&self, others: f64, own: f64) -> u64 {
        let (others, own) = (others / f64::from(Work::UNIT), own / f64::from(Work::UNIT));
        let after_first = self.series * further(own);
        let beyond = (others + own - after_first - self.stations).max(0.0);
        let queue_ms = beyond * self.queue_ms;
        let units = self.spread_ms * self.spread_ms;
        let units = units * (1.0 + after_first + beyond / (self.stations * self.stations));
        let doubt_ms = self.doubt * queue_ms;
        let margin_ms = self.z * libm::sqrt(units + doubt_ms * doubt_ms) + self.delta_ms;
        let making_ms = self.unit_ms * (1.0 + after_first);
        // However fast promises were kept, nothing is made in no time.
        ms((making_ms + queue_ms + margin_ms).max(self.unit_ms * SHORTEST))
    }
}

/// The shortest estimate, as a share of the making time of a unit.
const SHORTEST: f64 = 0.5;

/// Rounded up, so that a promise is never shorter than its estimate.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
pub(super) fn ms(value: f64) -> u64 {
    let below = value as u64;
    if real(below) < value { below.saturating_add(1) } else { below }
}

/// To the nearest.
#[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
pub(super) fn signed_ms(value: f64) -> i32 {
    libm::round(value) as i32
}

/// A count or time span; far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
pub(super) fn real(count: u64) -> f64 {
    count as f64
}
