//! Events under way: a lane a user, and whose turn it is to be given up where places run short; pure.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use levee_api::types::{EventNo, UserKey};
use tokio::sync::Notify;

use super::events::Event;

/// Most events of one webhook under way; then reading waits.
const EVENTS_MAX: usize = 400;

/// Most events of one user among them, so that no eight fill all places.
const LANE_MAX: usize = 50;

/// Most places that users hold whose events fail. The other half is for those that are taken.
const FAILING_MAX: usize = 200;

/// What stands in a lane.
#[derive(Debug)]
pub(super) struct Letter {
    pub number: EventNo,
    pub at_ms: u64,
    pub event: Event,
    /// The command that waits for it: its own, or the one that had it sent again.
    pub settles_seq: u64,
}

/// One user's events, in order. The first is sent until it is taken or given up.
#[derive(Debug, Default)]
struct Lane {
    letters: VecDeque<Rc<Letter>>,
    /// The first is in a call, and may be taken by it.
    is_called: bool,
    /// How often the first has failed.
    tries: u32,
    /// How the last try failed while the receiver took others' events; `None` since one was taken.
    trouble: Option<String>,
    /// The first has gone, or shall be tried at once.
    changed: Rc<Notify>,
}

/// All lanes of one webhook.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: BTreeMap<UserKey, Lane>,
    count: usize,
}

/// Whether a user's next event finds a place.
#[derive(Debug)]
pub(super) enum Room {
    Free,
    /// Not yet.
    Wait,
    /// Once this one is a dead letter.
    Instead(GivenUp),
}

/// A letter that is given up before its tries are over. It has left its lane.
#[derive(Debug)]
pub(super) struct GivenUp {
    pub letter: Rc<Letter>,
    /// How often it was sent.
    pub tries: u32,
    /// How the last one of its user failed.
    pub trouble: String,
}

impl Lane {
    /// Gives up the oldest that is not in a call.
    fn give_up(&mut self) -> Option<GivenUp> {
        let place = usize::from(self.is_called);
        let letter = self.letters.remove(place)?;
        let tries = if self.is_called { 0 } else { std::mem::take(&mut self.tries) };
        if !self.is_called {
            self.changed.notify_one();
        }
        let trouble = self.trouble.clone().unwrap_or_default();
        Some(GivenUp { letter, tries, trouble })
    }
}

impl Lanes {
    /// Whether the next event of a user finds a place. While the receiver takes nothing, nobody is
    /// given up for others: it is not their fault.
    pub(super) fn room_for(&mut self, user: UserKey, is_down: bool) -> Room {
        let given_up = match self.lanes.get_mut(&user) {
            // While nothing is taken nobody knows whose events fail: what was never tried is let in.
            Some(lane)
                if lane.letters.len() >= LANE_MAX && (!is_down || lane.trouble.is_some()) =>
            {
                if lane.trouble.is_none() {
                    if lane.tries > 0 && !lane.is_called {
                        // It failed when nothing was taken: whether it fails now is to be known.
                        lane.changed.notify_one();
                    }
                    return Room::Wait;
                }
                lane.give_up()
            }
            _ if is_down => None,
            _ => self.oldest_failing().and_then(Lane::give_up),
        };
        match given_up {
            Some(given_up) => {
                self.count -= 1;
                Room::Instead(given_up)
            }
            None if self.count < EVENTS_MAX => Room::Free,
            None => Room::Wait,
        }
    }

    /// The lane with the oldest letter that has failed and is not in a call, where those that fail hold
    /// too many places.
    fn oldest_failing(&mut self) -> Option<&mut Lane> {
        let failing = || self.lanes.values().filter(|lane| lane.trouble.is_some());
        if failing().map(|lane| lane.letters.len()).sum::<usize>() < FAILING_MAX {
            return None;
        }
        let failing = self.lanes.values_mut().filter(|lane| lane.trouble.is_some());
        let tried = failing.filter(|lane| lane.tries > 0 && !lane.is_called);
        tried.min_by_key(|lane| lane.letters.front().map(|first| (first.settles_seq, first.number)))
    }

    /// Puts a letter behind its user's others; whether its lane is a new one, which somebody must empty.
    pub(super) fn push(&mut self, letter: Letter) -> bool {
        self.count += 1;
        let user = letter.event.user;
        let is_new = !self.lanes.contains_key(&user);
        self.lanes.entry(user).or_default().letters.push_back(Rc::new(letter));
        is_new
    }

    /// The first of a lane and what tells that it has gone; a lane without one ends.
    pub(super) fn first(&mut self, user: UserKey) -> Option<(Rc<Letter>, Rc<Notify>)> {
        let lane = self.lanes.get(&user)?;
        let first = lane.letters.front().map(|first| (Rc::clone(first), Rc::clone(&lane.changed)));
        if first.is_none() {
            self.lanes.remove(&user);
        }
        first
    }

    /// Whether it has not been given up.
    pub(super) fn is_first(&self, letter: &Rc<Letter>) -> bool {
        let lane = self.lanes.get(&letter.event.user);
        let first = lane.and_then(|lane| lane.letters.front());
        first.is_some_and(|first| Rc::ptr_eq(first, letter))
    }

    /// The first of a lane is in a call from now on; `false` where it has been given up.
    pub(super) fn call(&mut self, letter: &Rc<Letter>) -> bool {
        let is_first = self.is_first(letter);
        if is_first && let Some(lane) = self.lanes.get_mut(&letter.event.user) {
            lane.is_called = true;
        }
        is_first
    }

    /// The call is over: the first of this lane was taken, and is gone.
    pub(super) fn taken(&mut self, user: UserKey) {
        if let Some(lane) = self.lanes.get_mut(&user) {
            lane.trouble = None;
        }
        self.remove_first(user);
    }

    /// The call is over, and failed; how often it has. Where the receiver takes nothing that says
    /// nothing of this user.
    pub(super) fn failed(&mut self, user: UserKey, trouble: &str, is_down: bool) -> u32 {
        let Some(lane) = self.lanes.get_mut(&user) else { return 0 };
        lane.is_called = false;
        lane.tries += 1;
        if !is_down {
            lane.trouble = Some(trouble.to_owned());
        }
        lane.tries
    }

    /// The first of this lane is a dead letter.
    pub(super) fn remove_first(&mut self, user: UserKey) {
        let Some(lane) = self.lanes.get_mut(&user) else { return };
        self.count -= usize::from(lane.letters.pop_front().is_some());
        (lane.is_called, lane.tries) = (false, 0);
    }

    /// What is sent goes elsewhere from now on, where nothing has failed yet.
    pub(super) fn forgive(&mut self) {
        self.lanes.values_mut().for_each(|lane| lane.trouble = None);
    }
}

#[cfg(test)]
mod tests {
    use levee_api::hook::EventKind;
    use serde_json::Value;

    use super::*;

    fn user(number: u16) -> UserKey {
        let [high, low] = number.to_be_bytes();
        let mut key = [0; 16];
        (key[0], key[1]) = (high, low);
        UserKey(key)
    }

    /// So many letters for each of these users, one user after the other.
    fn filled(users: impl IntoIterator<Item = u16>, count: usize) -> Lanes {
        let (mut lanes, mut seq) = (Lanes::default(), 0);
        for number in users {
            for place in 0..count {
                seq += 1;
                let (kind, user, data) = (EventKind::VoucherClaimed, user(number), Value::Null);
                let event = Event { kind, index: 0, user, data };
                let number = EventNo { seq, index: 0 };
                let is_new = lanes.push(Letter { number, at_ms: 0, event, settles_seq: seq });
                assert_eq!(is_new, place == 0);
            }
        }
        lanes
    }

    fn fail(lanes: &mut Lanes, users: impl IntoIterator<Item = u16>, is_down: bool) {
        for number in users {
            let (first, _) = lanes.first(user(number)).expect("a letter");
            assert!(lanes.call(&first));
            lanes.failed(user(number), "no", is_down);
        }
    }

    /// What the next event of a user finds: `free`, `wait`, or which letter is given up for it, and how
    /// often that was sent.
    #[track_caller]
    fn check(lanes: &mut Lanes, number: u16, is_down: bool, expected: &str) {
        let found = match lanes.room_for(user(number), is_down) {
            Room::Free => "free".to_owned(),
            Room::Wait => "wait".to_owned(),
            Room::Instead(GivenUp { letter, tries, trouble }) => {
                assert_eq!(trouble, "no");
                format!("{} after {tries}", letter.number.seq)
            }
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_user_has_so_many_places() {
        let mut lanes = filled([1], LANE_MAX);
        check(&mut lanes, 1, false, "wait");
        check(&mut lanes, 2, false, "free");
        // An outage is nobody's fault.
        fail(&mut lanes, [1], true);
        check(&mut lanes, 1, true, "free");
        check(&mut lanes, 1, false, "wait");
        fail(&mut lanes, [1], false);
        check(&mut lanes, 1, false, "1 after 2");
        check(&mut lanes, 1, false, "free");
    }

    #[test]
    fn what_is_in_a_call_is_not_given_up() {
        let mut lanes = filled([1], LANE_MAX + 1);
        fail(&mut lanes, [1], false);
        let (first, _) = lanes.first(user(1)).expect("a letter");
        assert!(lanes.call(&first));
        check(&mut lanes, 1, false, "2 after 0");
        assert!(lanes.is_first(&first));
        lanes.failed(user(1), "no", false);
        check(&mut lanes, 1, false, "1 after 2");
        assert!(!lanes.is_first(&first) && !lanes.call(&first));
        // One that is taken says that others will be.
        lanes.taken(user(1));
        check(&mut lanes, 1, false, "free");
    }

    #[test]
    fn half_of_the_places_are_for_those_that_are_taken() {
        let mut lanes = filled(0..400, 1);
        check(&mut lanes, 500, false, "wait");
        fail(&mut lanes, 100..299, false);
        check(&mut lanes, 500, false, "wait");
        fail(&mut lanes, 50..51, false);
        check(&mut lanes, 500, true, "wait");
        check(&mut lanes, 500, false, "51 after 1");
        check(&mut lanes, 500, false, "free");
        fail(&mut lanes, 300..301, false);
        check(&mut lanes, 500, false, "101 after 1");
        // Elsewhere they may be taken.
        fail(&mut lanes, 301..310, false);
        lanes.forgive();
        check(&mut lanes, 500, false, "free");
    }

    #[test]
    fn a_lane_ends_with_its_last_letter() {
        let mut lanes = filled([7], 1);
        lanes.remove_first(user(7));
        assert!(lanes.first(user(7)).is_none());
        assert!(lanes.lanes.is_empty() && lanes.count == 0);
    }
}
