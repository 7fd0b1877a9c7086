//! What the engine's threads share with its handle.

use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use levee_api::intake::Intake;
use levee_api::vitals::{Phase, Vitals};
use levee_journal::{DurableSeq, InstallationId};

use crate::Fault;
use crate::origins::Origins;
use crate::queue::Queue;

/// What the threads share with the handle.
pub(crate) struct Shared {
    pub(crate) queue: Queue,
    pub(crate) vitals: Vitals,
    pub(crate) intake: Arc<Intake>,
    pub(crate) origins: Origins,
    pub(crate) fault: Mutex<Option<Fault>>,
    /// Where broken commands are left.
    pub(crate) data: PathBuf,
    /// Up to where the journal is durable; not there before it is open.
    pub(crate) durable: OnceLock<DurableSeq>,
    /// Whose journal it is; not there before it is open.
    pub(crate) installation: OnceLock<InstallationId>,
    /// How long a write with its sync takes, in nanoseconds; an average of the last few.
    pub(crate) sync_ns: AtomicU64,
}

impl Shared {
    pub(crate) fn durable_seq(&self) -> u64 {
        self.durable.get().map_or(0, DurableSeq::get)
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Stops taking asks; the first fault is the one that is told.
    pub(crate) fn fail(&self, fault: Fault) {
        tracing::error!("{fault}");
        self.vitals.set_phase(Phase::Failed);
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
        self.queue.stop();
    }
}
