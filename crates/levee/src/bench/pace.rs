//! When a load's requests are due: as soon as a connection is free, or at a rate of their own.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

/// How often the due requests of a rate are let go. Sleeping is not finer than about this, and a
/// finer one would cost the processors that are being measured.
const QUANTUM: Duration = Duration::from_micros(200);

/// When requests are due.
#[derive(Clone)]
pub(super) enum Pace {
    /// The next one as soon as the last is answered, until then.
    Closed { until: Instant },
    /// At a rate, whatever becomes of those before.
    Open(Rc<Open>),
}

/// Requests at a rate. Any free connection takes the next that is due; when all are busy it waits,
/// and its latency counts that.
pub(super) struct Open {
    started: Instant,
    every_s: f64,
    taken: Cell<u32>,
    /// So many are due by now.
    planned: Arc<AtomicU32>,
    due: Arc<Semaphore>,
}

impl Pace {
    pub(super) fn closed(length: Duration) -> Self {
        Self::Closed { until: Instant::now() + length }
    }

    /// So many requests a second.
    pub(super) fn open(length: Duration, per_s: f64) -> Self {
        let started = Instant::now();
        let due = Arc::new(Semaphore::new(0));
        let to_fill = Arc::clone(&due);
        let planned = Arc::new(AtomicU32::new(0));
        let to_count = Arc::clone(&planned);
        // Ends by itself: the semaphore is closed when the time is over.
        thread::spawn(move || {
            let mut let_go = 0;
            while started.elapsed() < length {
                thread::sleep(QUANTUM);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "requests of a few seconds"
                )]
                let now = (started.elapsed().as_secs_f64() * per_s) as usize;
                to_count.store(u32::try_from(now).unwrap_or(u32::MAX), Relaxed);
                to_fill.add_permits(now - let_go);
                let_go = now;
            }
            to_fill.close();
        });
        let open = Open { started, every_s: 1.0 / per_s, taken: Cell::new(0), planned, due };
        Self::Open(Rc::new(open))
    }

    /// Waits for the next request; when it should go out, by the plan. None at the end.
    pub(super) async fn next(&self) -> Option<Instant> {
        match self {
            Self::Closed { until } => {
                let now = Instant::now();
                (now < *until).then_some(now)
            }
            Self::Open(open) => {
                // Closed at the end; what was due before and found no free connection is still sent,
                // or a stall at the end would not be seen.
                match open.due.acquire().await {
                    Ok(permit) => permit.forget(),
                    Err(_) if open.taken.get() < open.planned.load(Relaxed) => {}
                    Err(_) => return None,
                }
                let number = open.taken.get() + 1;
                open.taken.set(number);
                Some(open.started + Duration::from_secs_f64(open.every_s * f64::from(number)))
            }
        }
    }
}
