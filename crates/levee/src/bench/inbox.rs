//! Where a bench's replies arrive: the engine's thread leaves whole deliveries, the one thread of the
//! bench takes them. One lock a batch, none a reply.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use levee_api::port::{Deliver, Reply};
use levee_engine::Engine;

/// How often a bench that waits looks whether the engine has failed.
const FAULT_LOOK: Duration = Duration::from_millis(100);

/// The replies of one batch.
pub(super) struct Delivery {
    /// When the engine let know: what follows is the bench's own time, not the engine's.
    pub(super) at: Instant,
    pub(super) replies: Vec<(u64, Reply)>,
}

/// Deliveries that nobody has looked at yet.
#[derive(Default)]
pub(super) struct Inbox {
    waiting: Mutex<Vec<Delivery>>,
    came: Condvar,
}

impl Deliver for Inbox {
    fn deliver(&self, replies: Vec<(u64, Reply)>) {
        let at = Instant::now();
        self.lock().push(Delivery { at, replies });
        self.came.notify_one();
    }
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Vec<Delivery>> {
        // Nothing panics with it.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is something, and moves all of it to `into`, which is empty.
    ///
    /// # Errors
    /// The engine failed: nothing more will come.
    pub(super) fn wait(&self, engine: &Engine, into: &mut Vec<Delivery>) -> Result<()> {
        let mut waiting = self.lock();
        while waiting.is_empty() {
            if let Some(fault) = engine.fault() {
                return Err(fault.into());
            }
            let waited = self.came.wait_timeout(waiting, FAULT_LOOK);
            waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        std::mem::swap(&mut *waiting, into);
        Ok(())
    }
}
