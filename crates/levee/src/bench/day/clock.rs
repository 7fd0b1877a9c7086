//! The day's clock: the play says what time it is, so that the same day passes whatever the machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use levee_engine::Clock;

/// The reference day began at midnight in Shanghai, 6 February 2026.
const BEGINS_MS: u64 = 1_770_307_200_000;

/// Shared by the play, which moves it on, and the engine, which reads it.
#[derive(Clone)]
pub(super) struct DayClock(Arc<AtomicU64>);

impl DayClock {
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(BEGINS_MS)))
    }

    /// So much of the day has passed, in ms. It never goes back.
    pub(super) fn move_to(&self, passed_ms: u64) {
        self.0.fetch_max(BEGINS_MS + passed_ms, Relaxed);
    }

    /// How much of the day has passed, in ms.
    pub(super) fn passed_ms(&self) -> u64 {
        self.0.load(Relaxed) - BEGINS_MS
    }
}

impl Clock for DayClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
