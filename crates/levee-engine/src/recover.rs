//! From a journal back to the state: every command applied again, every outcome compared.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;

use levee_api::vitals::Vitals;
use levee_core::types::{BatchReader, Command, Outcome};
use levee_core::{RuleBook, State, Verdict};
use levee_journal::{Kind, OpenError, OwnedRecord};

use crate::StartError;

/// Replays records from the first on, under a book of rules.
///
/// # Errors
/// The first record that cannot be read, or the first outcome that differs.
pub fn replay(
    records: impl Iterator<Item = Result<OwnedRecord, OpenError>>,
    book: RuleBook,
    vitals: &Vitals,
) -> Result<State, StartError> {
    let mut state = State::new(book);
    for record in records {
        let record = record?;
        if record.kind != Kind::Batch {
            continue;
        }
        let first_seq = record.first_seq;
        let payload = |cause| StartError::Payload { first_seq, cause };
        let batch = BatchReader::new(&record.payload).map_err(payload)?;
        if batch.rules_version() != state.rules_version() {
            return Err(StartError::Rules {
                seq: first_seq,
                recorded: batch.rules_version(),
                active: state.rules_version(),
            });
        }
        for entry in batch {
            let (command, outcome) = entry.map_err(payload)?;
            apply_again(&mut state, record.time_ms, &command, &outcome)?;
        }
        vitals.replayed.fetch_add(u64::from(record.count), Relaxed);
    }
    Ok(state)
}

fn apply_again(
    state: &mut State,
    time_ms: u64,
    command: &Command,
    recorded: &Outcome,
) -> Result<(), StartError> {
    let seq = state.last_seq() + 1;
    let differs =
        |replayed: String| StartError::Differs { seq, recorded: format!("{recorded:?}"), replayed };
    // The state is given up after a panic: nothing can see it half-changed.
    let verdict = catch_unwind(AssertUnwindSafe(|| state.apply(time_ms, seq, command)))
        .map_err(|_| differs("a broken invariant".to_owned()))?;
    if verdict == Verdict::Done(recorded.clone()) {
        Ok(())
    } else {
        Err(differs(format!("{verdict:?}")))
    }
}
