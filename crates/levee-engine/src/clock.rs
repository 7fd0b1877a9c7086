//! Where the engine's time comes from. Only the engine asks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A clock in milliseconds since 1970. It may go back; journal time does not.
pub trait Clock: Send {
    /// The time now.
    fn now_ms(&self) -> u64;

    /// How many times faster than real it runs.
    fn speed(&self) -> f64 {
        1.0
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A clock for rehearsals: from an instant of one's choice, at a multiple of real time.
#[derive(Clone, Copy, Debug)]
pub struct ScaledClock {
    start_ms: u64,
    started: Instant,
    speed: f64,
}

impl ScaledClock {
    /// Starts now. The speed is above 0.
    #[must_use]
    pub fn new(start_ms: u64, speed: f64) -> Self {
        Self { start_ms, started: Instant::now(), speed }
    }
}

impl Clock for ScaledClock {
    fn now_ms(&self) -> u64 {
        let ms = self.started.elapsed().as_secs_f64() * 1_000.0 * self.speed;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "casts of floats saturate, and elapsed time is not negative"
        )]
        self.start_ms.saturating_add(ms as u64)
    }

    fn speed(&self) -> f64 {
        self.speed
    }
}
