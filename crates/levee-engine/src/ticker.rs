//! When the engine ticks by itself.

use std::time::{Duration, Instant};

/// A tick follows the last batch after this time, so that the last acknowledged record is soon not
/// the last record.
const TICK_AFTER: Duration = Duration::from_millis(500);

/// Ticks of an idle engine.
const TICK_IDLE: Duration = Duration::from_secs(60);

/// What is due is looked for this often; what uses it knows by itself that it is due.
const DUE_LOOK: Duration = Duration::from_millis(100);

/// When to tick.
pub(crate) struct Ticker {
    /// Something was decided after the last tick.
    pub(crate) touched: bool,
    last: Instant,
    next_look: Instant,
}

impl Ticker {
    pub(crate) fn new(now: Instant) -> Self {
        Self { touched: true, last: now, next_look: now }
    }

    /// When to look again if nobody asks. Without room there are no ticks, and room may come.
    pub(crate) fn wake_at(&self, storage_full: bool) -> Instant {
        if storage_full {
            return Instant::now() + DUE_LOOK;
        }
        let regular = self.last + if self.touched { TICK_AFTER } else { TICK_IDLE };
        regular.min(self.next_look.max(self.last + DUE_LOOK))
    }

    /// Whether to tick now.
    pub(crate) fn due(
        &mut self,
        now: Instant,
        next_due_ms: impl FnOnce() -> Option<u64>,
        clock_ms: u64,
    ) -> bool {
        let regular = self.last + if self.touched { TICK_AFTER } else { TICK_IDLE };
        let mut due = now >= regular;
        if !due && now >= self.next_look {
            self.next_look = now + DUE_LOOK;
            due = next_due_ms().is_some_and(|due_ms| due_ms <= clock_ms);
        }
        if due {
            // What is decided together with the tick touches again.
            self.touched = false;
            self.last = now;
        }
        due
    }
}
