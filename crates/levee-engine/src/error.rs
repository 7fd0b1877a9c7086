//! Why an engine does not start, and why it stops.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use levee_core::RestoreError;
use levee_core::types::DecodeError;
use levee_journal::{AppendError, OpenError, SnapshotError};

/// Why an engine does not start. Nothing was changed, apart from a torn tail being dropped.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] OpenError),
    /// The folder of snapshots cannot be read.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// There are snapshots and no journal.
    #[error(
        "this data folder has a snapshot up to sequence number {seq} and no journal: put the journal \
         back. Begun anew, everyone could claim again"
    )]
    JournalLost {
        /// Of the newest snapshot.
        seq: u64,
    },
    /// A snapshot of another journal lies in the folder.
    #[error(
        "the snapshot in this data folder belongs to another installation than its journal: move \
         one of them away"
    )]
    OtherInstallation,
    /// The journal does not go on where the snapshot ends.
    #[error("the journal goes on with sequence number {seq}, where {expected} follows")]
    Gap {
        /// Of the record.
        seq: u64,
        /// After what is known.
        expected: u64,
    },
    /// The keys in the data folder are not those that the journal was made with.
    #[error(
        "the {which} key is not the one that this journal was made with: put the right key file \
         back. With another key, every user would count as new and no code would be valid"
    )]
    WrongKey {
        /// `pseudonym` or `code`.
        which: &'static str,
    },
    /// The genesis record has a form that this build does not know.
    #[error("the journal's first record is of an unknown format: use the build that wrote it")]
    Genesis,
    /// A record's payload cannot be read, though its checksum is right.
    #[error("record with sequence number {first_seq}: {cause}")]
    Payload {
        /// First sequence number of the record.
        first_seq: u64,
        /// What is wrong.
        cause: DecodeError,
    },
    /// The record says rules that do not hold there, or that this build does not have.
    #[error(
        "sequence number {seq} was decided by rules {recorded}, but rules {active} hold there: \
         use a build that has them"
    )]
    Rules {
        /// First sequence number of the record.
        seq: u64,
        /// Version in the record.
        recorded: u16,
        /// Version that the replay has.
        active: u16,
    },
    /// Replay came to another outcome than the journal holds.
    #[error(
        "replay differs at sequence number {seq}: the journal has {recorded}, these rules make \
         {replayed}. Nothing was changed; use the build that wrote the journal"
    )]
    Differs {
        /// The first sequence number that differs.
        seq: u64,
        /// What was acknowledged.
        recorded: String,
        /// What this build makes of it.
        replayed: String,
    },
    /// The clock is too far ahead of the journal.
    #[error(
        "the clock is {hours} hours ahead of the journal's last record: check the machine's clock, \
         and start with --accept-time if it is right. A wrong clock would expire the campaign"
    )]
    ClockJump {
        /// How far.
        hours: u64,
    },
    /// A batch might not fit a segment.
    #[error("segment_bytes is {bytes}, but an engine needs segments of at least {least} bytes")]
    SegmentTooSmall {
        /// As configured.
        bytes: u64,
        /// The least.
        least: u64,
    },
    /// A file of the engine cannot be read or written.
    #[error("{path}: {cause}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

/// Why a snapshot cannot be used. The one before it, or the journal alone, still can.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotTrouble {
    /// Its file is damaged, or cannot be read.
    #[error(transparent)]
    File(#[from] SnapshotError),
    /// It makes no state of this build.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// What it holds contradicts itself.
    #[error("its checksums are right, and its records contradict each other")]
    Contents,
    /// Its parts stand in no order that this build knows.
    #[error("its parts are in an order that this build does not know")]
    Order,
}

/// Why an engine stopped by itself. What it had not acknowledged may be lost; what it had is not.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Fault {
    /// The journal could not take a record.
    #[error("the journal failed: {0}")]
    Journal(String),
    /// A command broke an invariant.
    #[error(
        "a command broke an invariant at sequence number {seq}: {message}. It was not acknowledged \
         and is kept in {kept}; after a restart it is refused"
    )]
    Invariant {
        /// The number that it would have got.
        seq: u64,
        /// The assertion.
        message: String,
        /// Where the command was left.
        kept: String,
    },
    /// The clock jumped ahead.
    #[error(
        "the clock jumped {hours} hours ahead: check the machine's clock, and start with \
         --accept-time if it is right"
    )]
    ClockJump {
        /// How far.
        hours: u64,
    },
    /// A thread of the engine ended.
    #[error("the engine's {0} thread ended unexpectedly")]
    Thread(&'static str),
}

impl From<AppendError> for Fault {
    fn from(error: AppendError) -> Self {
        // The cause is told as well: what the system said is what an operator needs.
        let causes = std::iter::successors(error.source(), |cause| (*cause).source());
        let text = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
        Self::Journal(text)
    }
}
