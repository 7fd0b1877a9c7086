//! What the engine's threads share with its handle.

use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use levee_api::intake::{Intake, Why};
use levee_api::vitals::{Phase, Vitals};
use levee_core::types::Operations;
use levee_journal::{DurableSeq, InstallationId};

use crate::Fault;
use crate::origins::Origins;
use crate::queue::Queue;

/// What the threads share with the handle.
pub(crate) struct Shared {
    pub(crate) queue: Queue,
    pub(crate) vitals: Vitals,
    pub(crate) intake: Arc<Intake>,
    /// Most claims a second where no operator set a limit; 0: none.
    pub(crate) claims_per_s: u64,
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

    /// Shows gates what is set for the whole installation, once it is durable.
    pub(crate) fn show(&self, operations: &Operations) {
        let Operations { setting, reason, since_ms, claims_per_s, .. } = operations;
        if *operations != Operations::default() {
            let (level, by_hand) = (setting.level.name(), setting.by_hand);
            tracing::info!(level, by_hand, ?reason, ?claims_per_s, "what is set for who is let in");
        }
        let (reason, by_hand, since_ms) = (reason.clone(), setting.by_hand, *since_ms);
        self.intake.set_level(setting.level, Why { reason, by_hand, since_ms });
        self.intake.set_claims_per_s(claims_per_s.map_or(self.claims_per_s, u64::from));
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
