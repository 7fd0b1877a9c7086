//! Who runs when, and what the samples say: pure sums, without a process or a clock.

/// What one run of one system gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    pub(super) per_s: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

/// The order of a round. The first one to run changes from pair to pair of rounds, and the second
/// round of a pair is the first one backwards, so that a machine that drifts favours nobody.
pub(super) fn order(count: usize, round: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    if count > 0 {
        order.rotate_left(round / 2 % count);
    }
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

/// Of no values it is not a number.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => values[len / 2],
        len => f64::midpoint(values[len / 2 - 1], values[len / 2]),
    }
}

/// The smallest value that so large a share of all is not above; each value comes with how often
/// it was seen.
pub(super) fn quantile(values: &mut [(u64, u64)], share: f64) -> u64 {
    values.sort_unstable();
    let all: u64 = values.iter().map(|(_, count)| count).sum();
    #[expect(clippy::cast_precision_loss, reason = "counts of one run")]
    let wanted = all as f64 * share;
    let mut seen = 0;
    for (value, count) in values.iter() {
        seen += count;
        #[expect(clippy::cast_precision_loss, reason = "counts of one run")]
        let reached = seen as f64 >= wanted;
        if reached {
            return *value;
        }
    }
    0
}

/// What Levee is expected to reach beside one system.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Aim {
    pub(super) goal: f64,
    pub(super) must: f64,
}

impl Aim {
    pub(super) fn verdict(self, ratio: f64) -> &'static str {
        if ratio >= self.goal {
            "goal reached"
        } else if ratio >= self.must {
            "must reached"
        } else {
            "missed"
        }
    }
}

/// Levee's ratio to another system, in each round and over all.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ratio {
    pub(super) rounds: Vec<f64>,
    pub(super) median: f64,
    pub(super) lowest: f64,
    pub(super) highest: f64,
}

impl Ratio {
    pub(super) fn of(levee: &[Sample], other: &[Sample]) -> Self {
        let rounds: Vec<f64> = levee.iter().zip(other).map(|(a, b)| a.per_s / b.per_s).collect();
        Self {
            median: median(rounds.iter().copied()),
            lowest: rounds.iter().copied().fold(f64::INFINITY, f64::min),
            highest: rounds.iter().copied().fold(0.0, f64::max),
            rounds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_takes_every_place() {
        let orders: Vec<Vec<usize>> = (0..5).map(|round| order(4, round)).collect();
        assert_eq!(orders, [[0, 1, 2, 3], [3, 2, 1, 0], [1, 2, 3, 0], [0, 3, 2, 1], [2, 3, 0, 1]]);
        assert!(order(0, 3).is_empty());
    }

    #[test]
    fn medians_are_in_the_middle() {
        for (values, expected) in
            [(vec![3.0, 1.0, 2.0], 2.0), (vec![4.0, 1.0], 2.5), (vec![7.0], 7.0)]
        {
            assert!((median(values.clone()) - expected).abs() < 1e-9, "{values:?}");
        }
        assert!(median([]).is_nan());
    }

    #[test]
    fn quantiles_count_how_often() {
        let mut values = [(30, 1), (10, 98), (20, 1)];
        let got = [0.0, 0.5, 0.98, 0.99, 1.0].map(|share| quantile(&mut values, share));
        assert_eq!(got, [10, 10, 10, 20, 30]);
        assert_eq!(quantile(&mut [], 0.5), 0);
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let samples =
            |rates: [f64; 3]| rates.map(|per_s| Sample { per_s, p50_ms: 1.0, p99_ms: 2.0 });
        // The machine's mood halves both in the second round; the ratio does not see it.
        let ratio = Ratio::of(&samples([40.0, 20.0, 60.0]), &samples([20.0, 10.0, 20.0]));
        assert_eq!(ratio.rounds, [2.0, 2.0, 3.0]);
        assert_eq!((ratio.median, ratio.lowest, ratio.highest), (2.0, 2.0, 3.0));
    }

    #[test]
    fn verdicts_are_plain() {
        let aim = Aim { goal: 2.0, must: 1.5 };
        let got = [2.0, 1.99, 1.5, 1.49, f64::NAN].map(|ratio| aim.verdict(ratio));
        assert_eq!(got, ["goal reached", "must reached", "must reached", "missed", "missed"]);
    }
}
