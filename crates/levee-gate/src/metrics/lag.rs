//! How long payment providers take to tell what has happened.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{Count, Text};

/// Ends of buckets, in seconds: from a second to a day, for which providers repeat themselves.
const ENDS_S: [u64; 9] = [1, 5, 15, 60, 300, 900, 3_600, 14_400, 86_400];

/// Callbacks that had an effect, by how long after the fact they were taken. One worker's; only that
/// worker adds to it.
#[derive(Debug, Default)]
pub(crate) struct Lag {
    counts: [Count; ENDS_S.len() + 1],
    sum_ms: Count,
    /// Since somebody took it.
    longest_ms: AtomicU64,
}

impl Lag {
    pub(crate) fn add(&self, ms: u64) {
        let bucket = ENDS_S.iter().position(|end_s| ms <= end_s * 1_000);
        self.counts[bucket.unwrap_or(ENDS_S.len())].add(1);
        self.sum_ms.add(ms);
        self.longest_ms.fetch_max(ms, Relaxed);
    }

    /// The longest since the last time that this was asked.
    pub(crate) fn take_longest_ms(&self) -> u64 {
        self.longest_ms.swap(0, Relaxed)
    }
}

impl Text {
    /// The sum of all workers'.
    pub(super) fn lag<'l>(&mut self, lags: impl Iterator<Item = &'l Lag> + Clone) {
        let name = "levee_gate_callback_lag_seconds";
        self.head(name, "histogram", "From what a payment provider tells until it was taken.");
        let mut count = 0;
        for bucket in 0..=ENDS_S.len() {
            count += lags.clone().map(|lag| lag.counts[bucket].get()).sum::<u64>();
            let mut end = "+Inf".to_owned();
            if let Some(end_s) = ENDS_S.get(bucket) {
                end.clear();
                let _ = write!(end, "{end_s}");
            }
            self.sample(&format!("{name}_bucket"), &format!("le=\"{end}\""), count);
        }
        let sum_ms = lags.map(|lag| lag.sum_ms.get()).sum();
        self.fraction(&format!("{name}_sum"), "", sum_ms, 1_000);
        self.sample(&format!("{name}_count"), "", count);
    }
}

/// The longest of the last one to two minutes, of what is given every 100 ms.
#[derive(Debug, Default)]
pub(crate) struct Longest {
    turn: u32,
    this_ms: u64,
    last_ms: u64,
}

impl Longest {
    const TURNS: u32 = 600;

    pub(crate) fn add(&mut self, ms: u64) -> u64 {
        self.turn += 1;
        if self.turn == Self::TURNS {
            (self.turn, self.last_ms, self.this_ms) = (0, self.this_ms, 0);
        }
        self.this_ms = self.this_ms.max(ms);
        self.this_ms.max(self.last_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lags_are_counted_up_to_the_ends_of_buckets_over_all_workers() {
        let [one, other] = [Lag::default(), Lag::default()];
        for ms in [0, 1_000, 1_001, 60_000] {
            one.add(ms);
        }
        other.add(86_400_001);
        let mut text = Text(String::new());
        text.lag([&one, &other].into_iter());
        for line in [
            "_bucket{le=\"1\"} 2\n",
            "_bucket{le=\"5\"} 3\n",
            "_bucket{le=\"15\"} 3\n",
            "_bucket{le=\"60\"} 4\n",
            "_bucket{le=\"86400\"} 4\n",
            "_bucket{le=\"+Inf\"} 5\n",
            "_sum 86462.002\n",
            "_count 5\n",
        ] {
            assert!(text.0.contains(&format!("levee_gate_callback_lag_seconds{line}")), "{line}");
        }
        assert_eq!([one.take_longest_ms(), one.take_longest_ms()], [60_000, 0]);
    }

    #[test]
    fn the_longest_is_forgotten_after_a_minute_or_two() {
        let mut longest = Longest::default();
        assert_eq!(longest.add(7_000), 7_000);
        for _ in 2..2 * Longest::TURNS {
            assert_eq!(longest.add(0), 7_000);
        }
        assert_eq!(longest.add(0), 0);
        assert_eq!(longest.add(3), 3);
    }
}
