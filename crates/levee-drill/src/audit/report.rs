//! What the audit says: the recounted campaigns, and every difference with its place.

use levee_core::types::{CampaignState, DecodeError, Level};
use levee_journal::{OpenError, TornTail};
use serde::Serialize;

use super::orders::OrdersReport;

/// Differences that are kept in full; all are counted. One slip can echo through a whole journal.
pub(super) const DIFFERENCES_MAX: usize = 100;

/// Why a journal could not be audited.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// It cannot be read: damage, with file and offset, or the system's refusal.
    #[error(transparent)]
    Journal(#[from] OpenError),
    /// Its first records are not there.
    #[error(
        "the journal begins with sequence {first_seq}, and everything is recounted from the \
         first; put the archived segments back"
    )]
    NotFromGenesis {
        /// The first sequence number that is there.
        first_seq: u64,
    },
    /// There is no record in it.
    #[error("the journal holds no record, not even its first")]
    Empty,
    /// A record is whole, but its commands are none that this build can read.
    #[error(
        "the record from sequence {first_seq} on is whole, but what it holds is {source} of its \
         payload; audit with the version of Levee that wrote it"
    )]
    Undecodable {
        /// The record's first sequence number.
        first_seq: u64,
        /// What, and where in the record's payload.
        source: DecodeError,
    },
}

/// What was recounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditReport {
    /// Whether there is no difference.
    pub ok: bool,
    /// How many commands the journal holds.
    pub commands: u64,
    /// The first differences, in the order of the journal.
    pub differences: Vec<Difference>,
    /// How many there are altogether.
    pub difference_count: u64,
    /// Where the recount began.
    pub from: &'static str,
    /// In the order of their numbers.
    pub campaigns: Vec<CampaignReport>,
    /// What was set for the whole installation.
    pub operations: OperationsReport,
    /// Outlets and orders.
    pub orders: OrdersReport,
    /// The last command's place; 0 without commands.
    pub last_seq: u64,
    /// How many records the journal holds, those without commands included.
    pub records: u64,
    /// Whether the last record is the mark of an orderly shutdown.
    pub closed_cleanly: bool,
    /// The remains of an interrupted append, which was never acknowledged.
    pub torn_tail: Option<TornTailReport>,
}

/// Something that the journal says and that must not be so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The command's place; that of the last command for what shows only at the end.
    pub seq: u64,
    /// What is wrong with it.
    pub what: String,
}

/// One campaign at the end of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CampaignReport {
    /// The operator's name for it.
    pub id: String,
    /// At the time of the last record.
    pub state: CampaignState,
    /// Where its money is.
    pub money: MoneyReport,
    /// How many things it counts.
    pub counts: CountsReport,
    /// Parts of what is available.
    pub set_aside: SetAsideReport,
    /// What was given for orders that ended.
    pub compensation: CompensationReport,
}

/// What one campaign has given for orders that ended without the fault of those who get it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CompensationReport {
    /// Vouchers given to users; they are no claims.
    pub apologies: u64,
    /// Their faces, in minor units.
    pub apologies_minor: i128,
    /// Paid to outlets, in minor units.
    pub outlets_minor: i128,
    /// What the terms promise and what was set aside did not cover, in minor units.
    pub unpaid_minor: i128,
}

/// The buckets of one campaign in minor units. Signed and wide, so that an overspent budget can be
/// told as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MoneyReport {
    /// All top-ups.
    pub funded_minor: i128,
    /// Free for new vouchers, or set aside.
    pub available_minor: i128,
    /// Face of live vouchers, and rests that can still be rolled back.
    pub reserved_minor: i128,
    /// Face of locked vouchers.
    pub in_flight_minor: i128,
    /// What remains in open envelopes.
    pub escrowed_minor: i128,
    /// Won and not yet paid out.
    pub owed_minor: i128,
    /// Settled minus reversed.
    pub spent_minor: i128,
    /// Withdrawn by the sponsor.
    pub returned_minor: i128,
}

/// Counts of one campaign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CountsReport {
    /// Vouchers given for a claim.
    pub claims: u64,
    /// Not yet ended, as far as the journal has recorded ends.
    pub vouchers_live: u64,
    /// Held by a lock.
    pub vouchers_locked: u64,
    /// Used.
    pub vouchers_redeemed: u64,
    /// Their time ran out.
    pub vouchers_expired: u64,
    /// Taken back.
    pub vouchers_revoked: u64,
    /// None yet: there are no commands for them.
    pub envelopes_open: u64,
    /// None yet.
    pub envelope_openings: u64,
    /// None yet.
    pub invites_accepted: u64,
    /// None: orders are counted for the whole installation.
    pub orders: u64,
}

/// What was set for the whole installation, at the end of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OperationsReport {
    /// The brownout level.
    pub level: Level,
    /// Whether an operator holds it.
    pub by_hand: bool,
    /// Most claims a second, where an operator set it.
    pub claims_per_s: Option<u32>,
    /// How often the level, or who holds it, changed.
    pub level_changes: u64,
    /// How often the limit changed.
    pub limit_changes: u64,
}

/// Parts of `available` by purpose, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SetAsideReport {
    /// For invite rewards.
    pub invites_minor: i128,
    /// For red envelopes.
    pub envelopes_minor: i128,
    /// For apologies and payments to outlets.
    pub compensation_minor: i128,
}

/// The remains of an interrupted append.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TornTailReport {
    /// The segment that it begins in.
    pub file: String,
    /// Where, in bytes from the start of the file.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
    /// What is wrong with it.
    pub reason: String,
}

impl TornTailReport {
    pub(super) fn of(torn: &TornTail) -> Self {
        Self {
            file: torn.file.display().to_string(),
            offset: torn.offset,
            bytes: torn.bytes,
            reason: torn.reason.clone(),
        }
    }
}

/// Collects differences.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Of the command that is being looked at.
    pub(super) seq: u64,
    pub(super) kept: Vec<Difference>,
    pub(super) count: u64,
}

impl Notes {
    pub(super) fn note(&mut self, what: impl Into<String>) {
        self.count += 1;
        if self.kept.len() < DIFFERENCES_MAX {
            self.kept.push(Difference { seq: self.seq, what: what.into() });
        }
    }

    /// Notes `what` unless it holds.
    pub(super) fn check(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.note(what());
        }
    }
}
