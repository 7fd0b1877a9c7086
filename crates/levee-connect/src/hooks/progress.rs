//! What of one webhook is not settled yet, and from where a restart would go on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// From where a webhook goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cursor {
    /// Tells a webhook from another one that had its id before.
    pub created_seq: u64,
    /// All events up to here are delivered, or dead letters.
    pub after_seq: u64,
    /// Replays that were asked for up to here have begun.
    pub replays_until_seq: u64,
}

/// How far one webhook is.
#[derive(Debug)]
pub(super) struct Progress {
    at: Cursor,
    /// Events under way, by the command that waits for them.
    open: BTreeMap<u64, Open>,
}

/// Events that one command waits for.
#[derive(Clone, Copy, Debug)]
struct Open {
    count: usize,
    /// Since when they have been what they tell of, in milliseconds since 1970.
    at_ms: u64,
}

impl Progress {
    pub(super) fn new(cursor: Cursor) -> Self {
        Self { at: cursor, open: BTreeMap::new() }
    }

    /// The last command that was read.
    pub(super) fn read_seq(&self) -> u64 {
        self.at.after_seq
    }

    /// How many events are under way.
    pub(super) fn open_count(&self) -> usize {
        self.open.values().map(|open| open.count).sum()
    }

    /// When the oldest event was that is under way.
    pub(super) fn oldest_ms(&self) -> Option<u64> {
        self.open.values().map(|open| open.at_ms).min()
    }

    /// An event is under way for which this command waits.
    pub(super) fn begin(&mut self, seq: u64, at_ms: u64) {
        let open = self.open.entry(seq).or_insert(Open { count: 0, at_ms });
        open.count += 1;
    }

    /// One is delivered, or a dead letter.
    pub(super) fn settle(&mut self, seq: u64) {
        let open = self.open.get_mut(&seq).expect("it was under way");
        open.count -= 1;
        if open.count == 0 {
            self.open.remove(&seq);
        }
    }

    /// All events of commands up to here are under way or settled.
    pub(super) fn read_up_to(&mut self, seq: u64) {
        self.at.after_seq = seq;
    }

    /// Goes on at `first_seq`, since nothing before it is kept; how many commands are passed over.
    pub(super) fn pass_over(&mut self, first_seq: u64) -> u64 {
        let after_seq = self.at.after_seq.max(first_seq.saturating_sub(1));
        let passed = after_seq - self.at.after_seq;
        self.at.after_seq = after_seq;
        passed
    }

    /// Goes back for a replay; `false` where it has been gone back for before.
    pub(super) fn replay(&mut self, asked_seq: u64, after_seq: u64) -> bool {
        if asked_seq <= self.at.replays_until_seq {
            return false;
        }
        self.at.replays_until_seq = asked_seq;
        self.at.after_seq = self.at.after_seq.min(after_seq.max(self.at.created_seq));
        true
    }

    /// From where a restart goes on: nothing that is under way is behind it.
    pub(super) fn cursor(&self) -> Cursor {
        let first_open = self.open.keys().next().map(|seq| seq - 1);
        let after_seq = first_open.map_or(self.at.after_seq, |seq| seq.min(self.at.after_seq));
        Cursor { after_seq, ..self.at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_stays_before_what_is_under_way() {
        let begin = Cursor { created_seq: 4, after_seq: 4, replays_until_seq: 0 };
        let mut progress = Progress::new(begin);
        for seq in [5, 5, 7] {
            progress.begin(seq, 1_000 - seq);
        }
        progress.read_up_to(9);
        let after = |progress: &Progress| progress.cursor().after_seq;
        assert_eq!((after(&progress), progress.open_count()), (4, 3));
        assert_eq!(progress.oldest_ms(), Some(993));
        progress.settle(5);
        assert_eq!(after(&progress), 4);
        progress.settle(7);
        assert_eq!(after(&progress), 4);
        progress.settle(5);
        assert_eq!(after(&progress), 9);
        // What was told before goes back no further than the webhook itself, and once for each ask.
        assert!(progress.replay(9, 1));
        assert_eq!(progress.cursor(), Cursor { replays_until_seq: 9, ..begin });
        progress.read_up_to(9);
        assert!(!progress.replay(9, 1) && !progress.replay(8, 0));
        assert_eq!(after(&progress), 9);
        assert!(progress.replay(10, 6));
        assert_eq!(after(&progress), 6);
        assert_eq!((progress.pass_over(9), after(&progress)), (2, 8));
        assert_eq!((progress.pass_over(3), after(&progress)), (0, 8));
    }
}
