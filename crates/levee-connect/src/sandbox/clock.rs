//! The sandbox's time: from an instant of one's choice, at a multiple of real time.

use std::time::Duration;

use tokio::time::Instant;

use super::draw::{real, whole};

/// No wait is shorter than this in real time: timers are no finer.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// A clock in milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    epoch_ms: u64,
    started: Instant,
    /// Above 0.
    speed: f64,
}

impl Clock {
    /// Starts now.
    pub(super) fn start(epoch_ms: u64, speed: f64) -> Self {
        Self { epoch_ms, started: Instant::now(), speed }
    }

    pub(super) fn now_ms(self) -> u64 {
        self.epoch_ms.saturating_add(self.of_real(self.started.elapsed()))
    }

    /// How much of the day passes in this real time, in milliseconds.
    pub(super) fn of_real(self, real: Duration) -> u64 {
        whole(real.as_secs_f64() * 1_000.0 * self.speed)
    }

    /// How long so much of the day takes in real time.
    pub(super) fn to_real(self, ms: u64) -> Duration {
        let real_s = real(ms) / 1_000.0 / self.speed;
        Duration::try_from_secs_f64(real_s).map_or(Duration::MAX, |real| real.max(WAIT_MIN))
    }

    /// The real wait until a moment of the day.
    pub(super) fn until(self, due_ms: u64) -> Duration {
        self.to_real(due_ms.saturating_sub(self.now_ms()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(speed: f64, day_ms: u64, real: Duration) {
        let clock = Clock::start(0, speed);
        assert_eq!(clock.to_real(day_ms), real);
        assert_eq!(clock.of_real(real), if real == WAIT_MIN { 540 } else { day_ms });
    }

    #[test]
    fn a_day_runs_faster_and_no_wait_is_below_a_millisecond() {
        check(540.0, 540_000, Duration::from_secs(1));
        check(540.0, 540, WAIT_MIN);
        check(540.0, 1, WAIT_MIN);
        check(540.0, 0, WAIT_MIN);
        check(1.0, 1_500, Duration::from_millis(1_500));
        check(0.5, 500, Duration::from_secs(1));
        let clock = Clock::start(1_770_336_000_000, 1e6);
        assert!(clock.now_ms() >= 1_770_336_000_000);
        assert_eq!(clock.until(0), WAIT_MIN);
    }
}
