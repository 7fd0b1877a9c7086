//! The day's curve: how many have arrived by when.
//!
//! Through the known totals runs a monotone cubic (F. N. Fritsch and R. E. Carlson, "Monotone
//! Piecewise Cubic Interpolation", SIAM J. Numer. Anal. 17, 1980). The opening spike is taken out
//! of the totals before and added after, and bursts are weighed against the rest of their stretch,
//! so that the curve passes through the totals whatever its shape between them.

use crate::scenario::{Day, Surge};

/// Width of one step of the table, in hours: 10 seconds of the day.
const STEP_HOURS: f64 = 10.0 / 3_600.0;

/// Arrivals over one day, as shares of all of them.
#[derive(Clone, Debug)]
pub struct Curve {
    hours: f64,
    /// Share that has arrived by the end of each step; starts with 0, ends with 1.
    arrived: Vec<f64>,
}

impl Curve {
    /// The curve of a day. The seed places the bursts.
    #[must_use]
    pub fn new(day: &Day, seed: u64) -> Self {
        Self::with_surge(day, None, seed)
    }

    /// The curve of a day that begins with a surge. Who comes in it would have come later, before
    /// the first known total; where they are too few, it is as high as they allow.
    #[must_use]
    pub fn with_surge(day: &Day, surge: Option<Surge>, seed: u64) -> Self {
        let first = day.bookings.first().expect("a day has a known total");
        let spike = Spike {
            size: day.opening.share * to_f64(first.total),
            decay_hours: day.opening.decay_minutes / 60.0,
        };
        let mut at = vec![0.0];
        let mut totals = vec![0.0];
        for known in &day.bookings {
            at.push(known.hour);
            totals.push(to_f64(known.total) - spike.by(known.hour));
        }
        let cubic = Cubic::new(at.clone(), totals);
        let steps = crate::numbers::whole((day.hours / STEP_HOURS).ceil()).max(1);
        let by = |hour: f64| cubic.at(hour) + spike.by(hour);
        let hour_of = |step: u64| (to_f64(step) * STEP_HOURS).min(day.hours);
        let mut rates: Vec<f64> =
            (0..steps).map(|step| (by(hour_of(step + 1)) - by(hour_of(step))).max(0.0)).collect();
        let mut stretches: Vec<usize> =
            at.iter().map(|hour| crate::numbers::place(hour / STEP_HOURS, rates.len())).collect();
        stretches.push(rates.len());
        let lift = bursts(day, seed, rates.len());
        for stretch in stretches.windows(2) {
            weigh(&mut rates[stretch[0]..stretch[1]], &lift[stretch[0]..stretch[1]]);
        }
        if let Some(surge) = surge {
            let steps = surge.minutes / 60.0 / STEP_HOURS;
            let end = crate::numbers::place(steps, stretches[1]);
            bring_forward(&mut rates[..stretches[1]], end, surge.times);
        }
        let total: f64 = rates.iter().sum();
        let mut arrived = vec![0.0];
        let mut sum = 0.0;
        for rate in &rates {
            sum += rate;
            arrived.push((sum / total).min(1.0));
        }
        *arrived.last_mut().expect("has the start") = 1.0;
        Self { hours: day.hours, arrived }
    }

    /// How long the day is.
    #[must_use]
    pub fn hours(&self) -> f64 {
        self.hours
    }

    /// The share of all that has arrived by this hour of the day.
    #[must_use]
    pub fn arrived_by(&self, hour: f64) -> f64 {
        let steps = self.arrived.len() - 1;
        let step = (hour / STEP_HOURS).clamp(0.0, to_f64(steps as u64));
        let below = crate::numbers::place(step.floor(), steps);
        let above = (below + 1).min(steps);
        let (low, high) = (self.arrived[below], self.arrived[above]);
        low + (high - low) * (step - to_f64(below as u64))
    }

    /// The hours at which ascending shares have arrived.
    #[must_use]
    pub fn walk(&self) -> Walk<'_> {
        Walk { curve: self, step: 0 }
    }
}

/// Goes through a curve once, front to back.
#[derive(Debug)]
pub struct Walk<'a> {
    curve: &'a Curve,
    step: usize,
}

impl Walk<'_> {
    /// The hour by which `share` has arrived. Shares must not fall from call to call.
    pub fn hour_of(&mut self, share: f64) -> f64 {
        let arrived = &self.curve.arrived;
        while self.step + 2 < arrived.len() && arrived[self.step + 1] < share {
            self.step += 1;
        }
        let (low, high) = (arrived[self.step], arrived[self.step + 1]);
        let part = if high > low { ((share - low) / (high - low)).clamp(0.0, 1.0) } else { 1.0 };
        ((to_f64(self.step as u64) + part) * STEP_HOURS).min(self.curve.hours)
    }
}

/// Those who come at once at the start; fewer and fewer as time passes.
struct Spike {
    size: f64,
    decay_hours: f64,
}

impl Spike {
    fn by(&self, hour: f64) -> f64 {
        self.size * (1.0 - (-hour / self.decay_hours).exp())
    }
}

/// A monotone cubic through points.
struct Cubic {
    at: Vec<f64>,
    values: Vec<f64>,
    slopes: Vec<f64>,
}

impl Cubic {
    fn new(at: Vec<f64>, values: Vec<f64>) -> Self {
        let secants: Vec<f64> = (1..at.len())
            .map(|end| (values[end] - values[end - 1]) / (at[end] - at[end - 1]))
            .collect();
        let last = secants.len();
        let mut slopes = vec![secants[0]; last + 1];
        for point in 1..last {
            let (before, after) = (secants[point - 1], secants[point]);
            let turns = before * after <= 0.0;
            slopes[point] = if turns { 0.0 } else { f64::midpoint(before, after) };
        }
        // The first and the last piece are parabolas, but never fall to less than half their mean
        // at the ends: a campaign that is open is not left alone.
        if last > 1 {
            let end = |secant: f64, inner: f64| (1.5 * secant - 0.5 * inner).max(0.5 * secant);
            slopes[0] = end(secants[0], slopes[1]);
            slopes[last] = end(secants[last - 1], slopes[last - 1]);
        }
        // Pulls the slopes into the circle of radius 3 in which a piece is monotone.
        for (piece, secant) in secants.iter().enumerate() {
            if *secant == 0.0 {
                slopes[piece] = 0.0;
                slopes[piece + 1] = 0.0;
                continue;
            }
            let (a, b) = (slopes[piece] / secant, slopes[piece + 1] / secant);
            let length = a.hypot(b);
            if length > 3.0 {
                slopes[piece] = 3.0 * a / length * secant;
                slopes[piece + 1] = 3.0 * b / length * secant;
            }
        }
        Self { at, values, slopes }
    }

    fn at(&self, x: f64) -> f64 {
        let piece = self.at.partition_point(|start| *start <= x).clamp(1, self.at.len() - 1) - 1;
        let width = self.at[piece + 1] - self.at[piece];
        let t = ((x - self.at[piece]) / width).clamp(0.0, 1.0);
        let (t2, t3) = (t * t, t * t * t);
        (2.0 * t3 - 3.0 * t2 + 1.0) * self.values[piece]
            + (t3 - 2.0 * t2 + t) * width * self.slopes[piece]
            + (3.0 * t2 - 2.0 * t3) * self.values[piece + 1]
            + (t3 - t2) * width * self.slopes[piece + 1]
    }
}

/// What the rate of each step is multiplied with.
fn bursts(day: &Day, seed: u64, steps: usize) -> Vec<f64> {
    let mut random = fastrand::Rng::with_seed(seed ^ 0x6275_7273_7473);
    let mut lift = vec![1.0; steps];
    let count = crate::numbers::whole((day.bursts.per_hour * day.hours).round());
    let decay_steps = day.bursts.decay_minutes / 60.0 / STEP_HOURS;
    for _ in 0..count {
        let start = random.usize(..steps);
        let height = (day.bursts.height - 1.0) * (0.5 + random.f64());
        for (age, lift) in lift[start..].iter_mut().enumerate() {
            let more = height * (-to_f64(age as u64) / decay_steps).exp();
            if more < 0.01 {
                break;
            }
            *lift += more;
        }
    }
    lift
}

/// Of those who do not come in a surge, the share that comes after it at least.
const AFTER_SURGE_MIN: f64 = 0.05;

/// Multiplies the rates before `end`, and takes as much from those after it.
fn bring_forward(rates: &mut [f64], end: usize, times: f64) {
    let (surge, rest) = rates.split_at_mut(end);
    let (first, later) = (surge.iter().sum::<f64>(), rest.iter().sum::<f64>());
    if first <= 0.0 || later <= 0.0 {
        return;
    }
    let more = (first * (times - 1.0)).min(later * (1.0 - AFTER_SURGE_MIN));
    surge.iter_mut().for_each(|rate| *rate *= 1.0 + more / first);
    rest.iter_mut().for_each(|rate| *rate *= 1.0 - more / later);
}

/// Multiplies rates, keeping their sum.
fn weigh(rates: &mut [f64], lift: &[f64]) {
    let before: f64 = rates.iter().sum();
    rates.iter_mut().zip(lift).for_each(|(rate, lift)| *rate *= lift);
    let after: f64 = rates.iter().sum();
    if after > 0.0 {
        rates.iter_mut().for_each(|rate| *rate *= before / after);
    }
}

fn to_f64(count: u64) -> f64 {
    crate::numbers::real(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    #[track_caller]
    fn check_passes_known_totals(day: &Day, seed: u64) {
        let curve = Curve::new(day, seed);
        let all = to_f64(day.bookings.last().expect("known").total);
        for known in &day.bookings {
            let share = curve.arrived_by(known.hour);
            let wrong = (share * all - to_f64(known.total)).abs() / all;
            assert!(wrong < 1e-6, "seed {seed}: {share} by hour {}", known.hour);
        }
    }

    #[test]
    fn the_curve_passes_the_known_totals_and_never_falls() {
        let mut day = Scenario::reference().day;
        for seed in 0..20 {
            check_passes_known_totals(&day, seed);
        }
        day.opening.share = 0.0;
        day.bursts.per_hour = 0.0;
        check_passes_known_totals(&day, 1);
        let curve = Curve::new(&day, 1);
        assert!(curve.arrived.windows(2).all(|pair| pair[0] <= pair[1]));
        assert!((curve.arrived_by(0.0), curve.arrived_by(9.0)) == (0.0, 1.0));
        assert!((curve.arrived_by(-1.0), curve.arrived_by(99.0)) == (0.0, 1.0));
    }

    #[test]
    fn the_walk_is_the_curves_inverse() {
        let curve = Curve::new(&Scenario::reference().day, 7);
        let mut walk = curve.walk();
        let mut before = 0.0;
        for share in (0..=1_000_u32).map(|part| f64::from(part) / 1_000.0) {
            let hour = walk.hour_of(share);
            assert!(hour >= before, "{share}");
            assert!((curve.arrived_by(hour) - share).abs() < 1e-9, "{share} at {hour}");
            before = hour;
        }
    }

    #[test]
    fn the_opening_is_a_spike() {
        let curve = Curve::new(&Scenario::reference().day, 3);
        let minutes = |from: f64, until: f64| {
            (curve.arrived_by(until / 60.0) - curve.arrived_by(from / 60.0)) / (until - from)
        };
        assert!(minutes(0.0, 5.0) > 3.0 * minutes(60.0, 100.0));
    }

    #[test]
    fn a_surge_is_so_many_times_as_high_and_keeps_the_totals() {
        let day = Scenario::reference().day;
        for (times, found) in [(1.0, 1.0), (3.0, 3.0)] {
            let usual = Curve::new(&day, 3);
            let surge = Curve::with_surge(&day, Some(Surge { times, minutes: 8.0 }), 3);
            for hour in [2.0 / 60.0, 8.0 / 60.0] {
                let ratio = surge.arrived_by(hour) / usual.arrived_by(hour);
                assert!((ratio - found).abs() < 1e-9, "{ratio} by hour {hour}");
            }
            assert!((surge.arrived_by(3.0) - 0.1).abs() < 1e-6);
        }
        // More than there are: nearly all of them come, and the totals hold all the same.
        let all = Curve::with_surge(&day, Some(Surge { times: 900.0, minutes: 8.0 }), 3);
        let early = all.arrived_by(8.0 / 60.0);
        assert!((0.09..0.1).contains(&early), "{early}");
        assert!((all.arrived_by(3.0) - 0.1).abs() < 1e-6);
    }

    #[test]
    fn bursts_are_placed_by_the_seed() {
        let day = Scenario::reference().day;
        assert_eq!(Curve::new(&day, 5).arrived, Curve::new(&day, 5).arrived);
        assert_ne!(Curve::new(&day, 5).arrived, Curve::new(&day, 6).arrived);
    }
}
