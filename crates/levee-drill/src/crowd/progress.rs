//! How a running drill stands, for those who watch it.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use super::tally::Latencies;

/// Columns of the bar in a progress line.
const BAR_WIDTH: usize = 24;

/// Real microseconds over which rates and latencies are taken.
const WINDOW_US: u64 = 1_000_000;

/// How a running drill stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// Hours of the day so far.
    pub hour: f64,
    /// Hours of the whole day.
    pub hours: f64,
    /// Vouchers acknowledged in the last real second.
    pub claims_per_s: u64,
    /// Of all requests answered in the last real second, in milliseconds.
    pub p99_ms: f64,
    /// Vouchers acknowledged so far.
    pub claims_acked: u64,
    /// Redemptions acknowledged so far.
    pub redemptions_acked: u64,
    /// What the campaign has left, in minor units.
    pub budget_left_minor: u64,
    /// What it had.
    pub budget_minor: u64,
}

/// One line for a terminal: a bar of fixed width and the figures, about 100 columns.
#[must_use]
pub fn progress_line(progress: &Progress) -> String {
    let part =
        if progress.hours > 0.0 { (progress.hour / progress.hours).clamp(0.0, 1.0) } else { 0.0 };
    let full = crate::numbers::place(part * crate::numbers::real(BAR_WIDTH as u64), BAR_WIDTH);
    let left = crate::numbers::share(progress.budget_left_minor, progress.budget_minor) * 100.0;
    let mut line = format!("[{}{}]", "#".repeat(full), "-".repeat(BAR_WIDTH - full));
    let minutes = crate::numbers::whole(progress.hour.max(0.0) * 60.0);
    write!(
        line,
        " {:>2}:{:02} h {:>9} claims {:>7}/s  p99 {:>8.1} ms  {:>9} used  budget {:>5.1}%",
        minutes / 60,
        minutes % 60,
        progress.claims_acked,
        progress.claims_per_s,
        progress.p99_ms,
        progress.redemptions_acked,
        left,
    )
    .expect("memory");
    line
}

/// What generators tell the watcher.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) claims_acked: AtomicU64,
    pub(crate) redemptions_acked: AtomicU64,
    pub(crate) p99_us: AtomicU64,
}

/// One generator's last second.
#[derive(Debug, Default)]
pub(crate) struct Window {
    started_us: u64,
    latencies: Latencies,
    claims: u64,
    redemptions: u64,
}

impl Window {
    pub(crate) fn record(&mut self, latency_us: u64) {
        self.latencies.record(latency_us);
    }

    /// Adds what is new to what all share.
    pub(crate) fn publish(&mut self, now_us: u64, claims: u64, redemptions: u64, shared: &Shared) {
        shared.claims_acked.fetch_add(claims - self.claims, Ordering::Relaxed);
        shared.redemptions_acked.fetch_add(redemptions - self.redemptions, Ordering::Relaxed);
        (self.claims, self.redemptions) = (claims, redemptions);
        if now_us.saturating_sub(self.started_us) >= WINDOW_US {
            let p99_us = crate::numbers::whole(self.latencies.ms_at(0.99) * 1_000.0);
            shared.p99_us.store(p99_us, Ordering::Relaxed);
            self.latencies.clear();
            self.started_us = now_us;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_a_bar_of_fixed_width() {
        let mut progress = Progress { hours: 9.0, budget_minor: 1_000, ..Progress::default() };
        for (hour, bar) in [
            (-1.0, "------------------------"),
            (0.0, "------------------------"),
            (4.5, "############------------"),
            (99.0, "########################"),
        ] {
            progress.hour = hour;
            assert!(progress_line(&progress).starts_with(&format!("[{bar}]")), "{hour}");
        }
        let progress = Progress {
            hour: 4.52,
            claims_per_s: 31_250,
            p99_ms: 8.25,
            claims_acked: 1_234_567,
            redemptions_acked: 456_789,
            budget_left_minor: 505,
            ..progress
        };
        assert_eq!(
            progress_line(&progress),
            "[############------------]  4:31 h   1234567 claims   31250/s  p99      8.2 ms     \
             456789 used  budget  50.5%"
        );
        assert_eq!(progress_line(&Progress::default()).len(), progress_line(&progress).len());
    }
}
