//! For how long something has been left to do. Told the time, does no I/O.

use std::collections::{HashMap, VecDeque};

use levee_api::types::Action;
use tokio::time::Instant;

/// Entries that may be out of date before the line is gone through, besides as many as are not.
const STALE_MAX: usize = 4_096;

/// Since when each action has been known here, whether it is under way or waits for a breaker.
#[derive(Debug, Default)]
pub(super) struct Ages {
    since: HashMap<Action, Instant>,
    /// Oldest first. An entry counts as long as it is what `since` has of its action.
    line: VecDeque<(Instant, Action)>,
}

impl Ages {
    /// It is to be done, if that is news.
    pub(super) fn begin(&mut self, action: Action, now: Instant) {
        if self.since.contains_key(&action) {
            return;
        }
        self.since.insert(action, now);
        self.line.push_back((now, action));
        if self.line.len() > 2 * self.since.len() + STALE_MAX {
            let since = &self.since;
            self.line.retain(|(at, action)| since.get(action) == Some(at));
        }
    }

    /// It is done, or not wanted any more.
    pub(super) fn end(&mut self, action: Action) {
        self.since.remove(&action);
    }

    /// The one that has been known for longest, and since when.
    pub(super) fn oldest(&mut self) -> Option<(Instant, Action)> {
        while let Some((at, action)) = self.line.front() {
            if self.since.get(action) == Some(at) {
                return Some((*at, *action));
            }
            self.line.pop_front();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use levee_api::types::OrderNo;

    use super::*;

    fn look(order: u32) -> Action {
        Action::LookAtPayment { order: OrderNo(order) }
    }

    #[test]
    fn the_oldest_is_the_one_that_was_known_first_of_those_that_are_left() {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let mut ages = Ages::default();
        assert_eq!(ages.oldest(), None);
        (1..=3).for_each(|order| ages.begin(look(order), at(order.into())));
        ages.begin(look(1), at(9));
        assert_eq!(ages.oldest(), Some((at(1), look(1))));
        ages.end(look(2));
        assert_eq!(ages.oldest(), Some((at(1), look(1))));
        ages.end(look(1));
        assert_eq!(ages.oldest(), Some((at(3), look(3))));
        // What is to be done once more is as old as that.
        ages.begin(look(1), at(10));
        ages.end(look(3));
        assert_eq!(ages.oldest(), Some((at(10), look(1))));
        ages.end(look(1));
        assert_eq!((ages.oldest(), ages.line.len()), (None, 0));
    }

    #[test]
    fn what_is_over_takes_no_room_behind_one_that_stays() {
        let now = Instant::now();
        let mut ages = Ages::default();
        ages.begin(look(0), now);
        for order in 1..100_000 {
            ages.begin(look(order), now);
            ages.end(look(order));
        }
        assert!(ages.line.len() <= STALE_MAX + 4, "{}", ages.line.len());
        assert_eq!(ages.oldest(), Some((now, look(0))));
    }
}
