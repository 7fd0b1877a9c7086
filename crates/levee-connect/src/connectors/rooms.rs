//! Which actions are known here: those that wait for their time, and those under way. Told the time,
//! does no I/O.
//!
//! Each kind has room of its own, so that fifty thousand questions about payments that nobody pays keep
//! neither a new payment nor a refund nor a ticket waiting. What waits for its time takes no place of
//! those under way; what finds no room is asked for again once there is some.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};

use levee_api::types::Action;
use tokio::time::Instant;

/// What kind of action it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ticket = 0,
    Create = 1,
    Look = 2,
    Close = 3,
    Refund = 4,
}

impl Kind {
    const COUNT: usize = 5;

    pub(super) fn of(action: Action) -> Self {
        match action {
            Action::CreatePayment { .. } => Self::Create,
            Action::LookAtPayment { .. } => Self::Look,
            Action::ClosePayment { .. } => Self::Close,
            Action::Refund { .. } => Self::Refund,
            Action::SendTicket { .. } | Action::CancelTicket { .. } => Self::Ticket,
            Action::ReviewPayment { .. } => unreachable!("people do that"),
        }
    }
}

/// How much room a kind has.
#[derive(Clone, Copy, Debug)]
struct Limit {
    /// Actions under way at once: each is a task, of some kilobytes.
    under_way_max: usize,
    /// With those that wait for their time: each takes about 400 bytes, its age included.
    known_max: usize,
}

/// Tickets stand in line for their outlets, each of which gets one at a time.
const TICKETS: Limit = Limit { under_way_max: 100_000, known_max: 200_000 };

/// So many of one kind keep all calls to a provider busy. They are not counted by provider: where more
/// than these are due at one that is silent, those of another wait behind them until it is back.
const PAYMENTS_UNDER_WAY_MAX: usize = 10_000;

/// An action, and how often it was tried.
#[derive(Debug)]
pub(super) struct Try {
    pub(super) action: Action,
    /// When it was to be done first.
    pub(super) since: Instant,
    pub(super) tries: u32,
    /// Calls that were made for it.
    pub(super) calls: Cell<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waits,
    /// Whether it was asked for again meanwhile.
    UnderWay {
        again: bool,
    },
}

#[derive(Debug)]
struct Room {
    limit: Limit,
    known: HashMap<Action, Stage>,
    /// By time, then by the number under which it came.
    waiting: BTreeMap<(Instant, u64), Try>,
    /// Something was not taken up for want of room.
    is_missed: bool,
}

/// All that is known, by kind.
#[derive(Debug)]
pub(super) struct Rooms {
    rooms: [Room; Kind::COUNT],
    added: u64,
}

impl Rooms {
    /// With room for so many of each kind of payments' actions.
    pub(super) fn new(known_max: usize) -> Self {
        let payments = Limit { under_way_max: PAYMENTS_UNDER_WAY_MAX, known_max };
        Self::within(TICKETS, payments)
    }

    fn within(tickets: Limit, payments: Limit) -> Self {
        let room = |limit| Room {
            limit,
            known: HashMap::new(),
            waiting: BTreeMap::new(),
            is_missed: false,
        };
        let payments = || room(payments);
        Self { rooms: [room(tickets), payments(), payments(), payments(), payments()], added: 0 }
    }

    /// It is to be done from then on. Whether that is news, and there was room for it.
    pub(super) fn add(&mut self, action: Action, at: Instant) -> bool {
        let room = &mut self.rooms[Kind::of(action) as usize];
        match room.known.get_mut(&action) {
            Some(Stage::UnderWay { again }) => {
                *again = true;
                return false;
            }
            // What has changed of its order is seen when its time comes.
            Some(Stage::Waits) => return false,
            None => {}
        }
        if !room.has_room() {
            room.is_missed = true;
            return false;
        }
        self.wait(Try { action, since: at, tries: 0, calls: Cell::new(0) }, at);
        true
    }

    /// What was under way, or is new, waits until then.
    pub(super) fn wait(&mut self, next: Try, at: Instant) {
        let room = &mut self.rooms[Kind::of(next.action) as usize];
        self.added += 1;
        room.known.insert(next.action, Stage::Waits);
        room.waiting.insert((at, self.added), next);
    }

    /// One whose time has come, under way from now on; of kinds that have a place for it.
    pub(super) fn next(&mut self, now: Instant) -> Option<Try> {
        self.rooms.iter_mut().find_map(|room| room.next(now))
    }

    /// It is not under way any more, and is forgotten, unless it waits by now. Whether it was asked for
    /// again meanwhile.
    pub(super) fn end(&mut self, action: Action) -> bool {
        let known = &mut self.rooms[Kind::of(action) as usize].known;
        let Some(Stage::UnderWay { again }) = known.get(&action).copied() else { return false };
        known.remove(&action);
        again
    }

    pub(super) fn knows(&self, action: Action) -> bool {
        self.rooms[Kind::of(action) as usize].known.contains_key(&action)
    }

    pub(super) fn has_room(&self, kind: Kind) -> bool {
        self.rooms[kind as usize].has_room()
    }

    /// Whether all that is undone has to be asked for again, because something was not taken up and
    /// there is room for its kind now.
    pub(super) fn take_missed(&mut self) -> bool {
        self.rooms.each_mut().map(Room::take_missed).contains(&true)
    }

    /// How many are known.
    pub(super) fn count(&self) -> usize {
        self.rooms.iter().map(|room| room.known.len()).sum()
    }
}

impl Room {
    fn has_room(&self) -> bool {
        self.known.len() < self.limit.known_max
    }

    fn next(&mut self, now: Instant) -> Option<Try> {
        let under_way = self.known.len() - self.waiting.len();
        let first = self.waiting.first_entry()?;
        if under_way >= self.limit.under_way_max || first.key().0 > now {
            return None;
        }
        let next = first.remove();
        self.known.insert(next.action, Stage::UnderWay { again: false });
        Some(next)
    }

    /// Half of the room has to be free, or all that is undone would be gone through for a few.
    fn take_missed(&mut self) -> bool {
        self.known.len() <= self.limit.known_max / 2 && std::mem::take(&mut self.is_missed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use levee_api::types::{OrderNo, OutletNo};

    use super::*;

    const SMALL: Limit = Limit { under_way_max: 2, known_max: 4 };

    fn action(kind: Kind, order: u32) -> Action {
        let order = OrderNo(order);
        match kind {
            Kind::Ticket => Action::SendTicket { order, outlet: OutletNo(0), version: 1 },
            Kind::Create => Action::CreatePayment { order, payable_minor: 500 },
            Kind::Look => Action::LookAtPayment { order },
            Kind::Close => Action::ClosePayment { order },
            Kind::Refund => Action::Refund { order, refund: 1, amount_minor: 500, from_ms: 0 },
        }
    }

    const ALL: [Kind; Kind::COUNT] =
        [Kind::Ticket, Kind::Create, Kind::Look, Kind::Close, Kind::Refund];

    /// Orders whose time has come, as they are begun.
    fn begun(rooms: &mut Rooms, now: Instant) -> Vec<u32> {
        std::iter::from_fn(|| rooms.next(now)).map(|next| next.action.order().0).collect()
    }

    #[test]
    fn what_waits_for_its_time_takes_no_place_of_those_under_way() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let look = |order| action(Kind::Look, order);
        let mut rooms = Rooms::within(SMALL, SMALL);
        for (order, ms) in [(1, 30), (2, 10), (3, 20), (4, 20)] {
            assert!(rooms.add(look(order), after(ms)));
        }
        assert!(begun(&mut rooms, start).is_empty());
        assert_eq!(begun(&mut rooms, after(30)), [2, 3], "two places");
        // One is to be looked at again later, and leaves its place to the next.
        let again = Try { action: look(2), since: start, tries: 1, calls: Cell::new(1) };
        rooms.wait(again, after(90));
        assert!(!rooms.end(look(2)), "it waits");
        assert_eq!(begun(&mut rooms, after(30)), [4]);
        assert!(!rooms.end(look(3)));
        assert!(!rooms.end(look(4)));
        assert_eq!(begun(&mut rooms, after(89)), [1]);
        let tried = rooms.next(after(90)).expect("its time has come");
        assert_eq!((tried.action, tried.tries, tried.calls.get()), (look(2), 1, 1));
        assert_eq!(rooms.count(), 2);
    }

    #[test]
    fn what_is_asked_for_again_while_it_is_under_way_is_done_again() {
        let now = Instant::now();
        let mut rooms = Rooms::within(SMALL, SMALL);
        assert!(rooms.add(action(Kind::Look, 1), now));
        assert!(!rooms.add(action(Kind::Look, 1), now), "it is to be done already");
        assert_eq!(begun(&mut rooms, now), [1]);
        assert!(rooms.knows(action(Kind::Look, 1)));
        assert!(!rooms.add(action(Kind::Look, 1), now));
        assert!(rooms.end(action(Kind::Look, 1)));
        assert!(!rooms.end(action(Kind::Look, 1)), "once");
        assert!(!rooms.knows(action(Kind::Look, 1)));
    }

    #[test]
    fn each_kind_has_room_of_its_own_and_misses_for_itself() {
        let now = Instant::now();
        for full in ALL {
            let mut rooms = Rooms::within(SMALL, SMALL);
            let added = (0..6).filter(|order| rooms.add(action(full, *order), now)).count();
            assert_eq!((added, rooms.has_room(full)), (4, false), "{full:?}");
            assert_eq!(begun(&mut rooms, now), [0, 1], "{full:?}");
            for other in ALL.into_iter().filter(|other| *other != full) {
                assert!(rooms.has_room(other));
                assert!(rooms.add(action(other, 9), now), "{other:?} beside {full:?}");
                assert_eq!(begun(&mut rooms, now), [9], "{other:?} beside {full:?}");
            }
            // It is asked for again once half of its room is free, and once.
            assert!(!rooms.take_missed(), "{full:?}");
            rooms.end(action(full, 0));
            assert!(!rooms.take_missed(), "{full:?}");
            rooms.end(action(full, 1));
            assert!(rooms.take_missed() && !rooms.take_missed(), "{full:?}");
        }
    }
}
