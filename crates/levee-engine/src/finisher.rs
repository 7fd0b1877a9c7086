//! The thread that makes batches durable and lets know.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Instant;

use levee_journal::{AppendError, Log};

use crate::Fault;
use crate::origins::KnownOrigins;
use crate::sequencer::Batch;
use crate::shared::Shared;

/// The thread that makes durable and lets know.
pub(crate) struct Finisher<L> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) log: L,
    pub(crate) batches: Receiver<Batch>,
    pub(crate) recycle: Sender<Batch>,
    /// Journal time so far.
    pub(crate) last_ms: u64,
}

impl<L: Log> Finisher<L> {
    /// Runs until the other thread has ended; then closes the journal, unless there was a fault.
    pub(crate) fn run(mut self) {
        let mut origins = KnownOrigins::default();
        while let Some(mut batch) = self.next() {
            if let Err(fault) = self.append(&mut batch) {
                // Nothing of this batch, nor of any that follows, is ever told to anyone.
                return self.shared.fail(fault);
            }
            self.last_ms = batch.time_ms;
            self.tally(&batch);
            self.shared.vitals.outside.undone_changes.store(batch.undone_changes, Relaxed);
            if let Some(operations) = &batch.operations {
                self.shared.show(operations);
            }
            self.shared.origins.look(&mut origins);
            for (origin, replies) in batch.replies.drain(..) {
                if let Some(deliver) = origins.get(origin) {
                    deliver.deliver(replies);
                }
            }
            // When the other thread is gone, the batch's memory goes with it.
            let _ = self.recycle.send(batch);
        }
        if self.shared.has_failed() {
            return;
        }
        match self.log.close(self.last_ms) {
            Ok(()) => {}
            // Everything that was acknowledged is there; only the mark of an orderly end is not.
            Err(error @ AppendError::Full { .. }) => tracing::warn!("{error}"),
            Err(error) => self.shared.fail(error.into()),
        }
    }

    fn next(&self) -> Option<Batch> {
        self.batches.try_recv().ok().or_else(|| {
            self.shared.queue.set_idle();
            self.batches.recv().ok()
        })
    }

    fn append(&mut self, batch: &mut Batch) -> Result<(), Fault> {
        if batch.count == 0 {
            return Ok(());
        }
        let started = Instant::now();
        let durable_seq = self.log.append(batch.head(), &mut batch.payload)?;
        let took = started.elapsed();
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let before = self.shared.sync_ns.load(Relaxed);
        self.shared.sync_ns.store(before - before / 8 + ns / 8, Relaxed);
        let vitals = &self.shared.vitals;
        vitals.sync_time.add(us, 1);
        vitals.records.fetch_add(1, Relaxed);
        vitals.journal_bytes.fetch_add(batch.payload.record_bytes(), Relaxed);
        vitals.journal_ms.store(batch.time_ms, Relaxed);
        vitals.durable_seq.store(durable_seq, Relaxed);
        Ok(())
    }

    fn tally(&self, batch: &Batch) {
        let vitals = &self.shared.vitals;
        let tally = batch.tally;
        let expired = vitals.expired.iter().zip(tally.expired);
        let counts = [
            (&vitals.done, tally.done),
            (&vitals.repeated, tally.repeated),
            (&vitals.refused, tally.refused),
            (&vitals.answered, tally.answered),
            (&vitals.storage_full, tally.storage_full),
        ];
        for (counter, count) in counts.into_iter().chain(expired) {
            if count > 0 {
                counter.fetch_add(count, Relaxed);
            }
        }
    }
}
