//! The independent audit: recounts everything from the journal alone.
//!
//! It knows the rules as they are documented and shares nothing with the core but the types of
//! commands and outcomes, so an error in a handler shows as a difference here. It takes what the
//! journal says as what happened, checks that it was allowed to happen, and goes on.
//!
//! | file | what is counted there |
//! |---|---|
//! | `recount.rs` | order of records and commands, rules, request keys; the command's checks by kind |
//! | `campaigns.rs` | documents, budgets, states |
//! | `vouchers.rs` | claims, locks, releases, revocations |
//! | `redemptions.rs` | redemptions and their undoing |
//! | `operations.rs` | the brownout level and the limit of claims |
//! | `outlets.rs`, `hours.rs` | documents, pauses, staff of outlets; when they are open |
//! | `orders/` | quotes, orders, payments, tickets, refunds, compensation |
//! | `time.rs`, `line.rs` | ticks, outages and grace; what is due next |
//! | `terms.rs` | what the terms say: discount, hours, what is frozen |
//! | `ledger.rs` | the buckets of a campaign, and the recount at the end |
//! | `tables.rs` | what was issued, by number |
//! | `keys.rs`, `keyed.rs` | which names were used, and the table that remembers them |
//! | `stream.rs`, `ahead.rs` | the journal read on a thread of its own; looking ahead in tables |
//! | `report.rs` | what comes out |

mod ahead;
mod campaigns;
mod hours;
mod keyed;
mod keys;
mod ledger;
mod line;
mod operations;
mod orders;
mod outlets;
mod recount;
mod redemptions;
mod report;
mod stream;
mod tables;
mod terms;
mod time;
mod vouchers;
mod webhooks;

#[cfg(test)]
mod tests;

use std::path::Path;

use levee_core::types::{Command, Outcome};
use levee_journal::Reader;

pub use orders::{DisputesReport, OrdersReport, StatesReport};
pub use report::{
    AuditError, AuditReport, CampaignReport, CompensationReport, CountsReport, Difference,
    MoneyReport, OperationsReport, SetAsideReport, TornTailReport,
};

use ahead::LOOK_AHEAD_EVENTS;
use recount::Recount;
use stream::Stream;

/// One command of the journal with what came of it.
#[derive(Clone, Copy, Debug)]
pub struct Fact<'a> {
    /// Its place in the journal.
    pub seq: u64,
    /// Time of its record, in milliseconds since 1970.
    pub at_ms: u64,
    /// What was asked.
    pub command: &'a Command,
    /// What the journal says came of it.
    pub outcome: &'a Outcome,
}

/// Recounts a journal from its genesis, archived segments included. Every command is shown to
/// `visit`, so that a caller can compare the answers it got with what the journal holds.
///
/// A torn tail is reported and is no difference: it was never acknowledged. On the folder of a
/// live server use [`audit_until`].
///
/// # Errors
/// When the journal cannot be read to its end; a difference is no error.
pub fn audit(dir: &Path, visit: &mut dyn FnMut(&Fact<'_>)) -> Result<AuditReport, AuditError> {
    read(Reader::open(dir)?, visit)
}

/// As [`audit`], but ends with the record that holds `last_seq`: for the folder of a live server,
/// where `last_seq` is durable already.
///
/// # Errors
/// As [`audit`].
pub fn audit_until(
    dir: &Path,
    last_seq: u64,
    visit: &mut dyn FnMut(&Fact<'_>),
) -> Result<AuditReport, AuditError> {
    read(Reader::open(dir)?.up_to_seq(last_seq), visit)
}

fn read(reader: Reader, visit: &mut dyn FnMut(&Fact<'_>)) -> Result<AuditReport, AuditError> {
    let mut recount = Recount::default();
    let ending = std::thread::scope(|scope| {
        Stream::of(reader, scope).each_chunk(|events| {
            for events in events.chunks(LOOK_AHEAD_EVENTS) {
                recount.look_ahead(events);
                events.iter().for_each(|event| recount.event(event, visit));
            }
        })
    })?;
    Ok(recount.finish(ending))
}
