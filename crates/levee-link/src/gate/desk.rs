//! Asks on their way to the engine, and who waits for which reply.
//!
//! Workers put asks into their binary form themselves and leave them here; the link's thread sends
//! what is there once a turn. An ask has a number of the link's own, its place in the table of
//! those under way: what the connection's end leaves unanswered can be answered from there.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use levee_api::port::{Ask, Failure, Origin, Priority, Reply};
use tokio::sync::Notify;

use crate::limits::{FRAME_LEN, IN_FLIGHT_MAX};
use crate::message::{put_ask, put_asks_head};

/// Asks of one lane in their binary form.
#[derive(Debug)]
pub(super) struct HandedOver {
    priority: Priority,
    arrived: Instant,
    count: usize,
    bytes: Vec<u8>,
}

/// Replies by origin.
pub(super) type ByOrigin = Vec<(Origin, Vec<(u64, Reply)>)>;

/// A reply to something that nobody waits for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NobodyAsked(pub(super) u64);

#[derive(Default)]
struct Inner {
    open: bool,
    /// Which connection it is.
    session: u64,
    under_way: UnderWay,
    outgoing: Vec<HandedOver>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Desk {
    inner: Mutex<Inner>,
    pub(super) filled: Notify,
}

/// Who waits, by the link's number.
#[derive(Debug, Default)]
struct UnderWay {
    places: Vec<Option<(Origin, u64)>>,
    free: Vec<u64>,
}

impl UnderWay {
    fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    fn insert(&mut self, origin: Origin, ticket: u64) -> u64 {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() as u64 - 1
        });
        self.places[index(place)] = Some((origin, ticket));
        place
    }

    fn remove(&mut self, place: u64) -> Option<(Origin, u64)> {
        let waiting = self.places.get_mut(index(place))?.take()?;
        self.free.push(place);
        Some(waiting)
    }

    fn drain(&mut self) -> impl Iterator<Item = (Origin, u64)> + use<> {
        std::mem::take(self).places.into_iter().flatten()
    }
}

fn index(place: u64) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics between two states.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on asks are taken.
    pub(super) fn open(&self) {
        self.lock().open = true;
    }

    pub(super) fn is_open(&self) -> bool {
        self.lock().open
    }

    /// Takes what finds room; the others stay.
    pub(super) fn hand_over(
        &self,
        origin: Origin,
        priority: Priority,
        arrived: Instant,
        asks: &mut Vec<Ask>,
    ) -> Result<(), Failure> {
        let (numbers, session) = {
            let mut inner = self.lock();
            if !inner.open {
                return Err(Failure::Unreachable);
            }
            let room = IN_FLIGHT_MAX - inner.under_way.len();
            let taken = asks.iter().take(room);
            let number = |ask: &Ask| inner.under_way.insert(origin, ask.ticket);
            (taken.map(number).collect::<Vec<_>>(), inner.session)
        };
        // Not under the lock: other workers hand over meanwhile.
        let mut handed_over = Vec::new();
        let mut bytes = Vec::with_capacity(numbers.len() * 64);
        let mut count = 0;
        let mut close = |bytes: &mut Vec<u8>, count: &mut usize| {
            let (bytes, count) = (std::mem::take(bytes), std::mem::take(count));
            handed_over.push(HandedOver { priority, arrived, count, bytes });
        };
        for (number, ask) in numbers.iter().zip(asks.drain(..numbers.len())) {
            put_ask(*number, &ask, &mut bytes);
            count += 1;
            if bytes.len() >= FRAME_LEN {
                close(&mut bytes, &mut count);
            }
        }
        if count > 0 {
            close(&mut bytes, &mut count);
        }
        let mut inner = self.lock();
        // The connection may have ended: then they are answered already.
        if inner.session == session && !handed_over.is_empty() {
            let first = inner.outgoing.is_empty();
            inner.outgoing.append(&mut handed_over);
            drop(inner);
            if first {
                self.filled.notify_one();
            }
        }
        if asks.is_empty() { Ok(()) } else { Err(Failure::Overloaded) }
    }

    /// All that is to be sent now, as frames; how old asks are is said as of now.
    pub(super) fn take_frames(&self) -> Vec<Vec<u8>> {
        let outgoing = std::mem::take(&mut self.lock().outgoing);
        let mut frames: Vec<Vec<u8>> = Vec::new();
        for HandedOver { priority, arrived, count, bytes } in outgoing {
            if frames.last().is_none_or(|frame| frame.len() + bytes.len() > FRAME_LEN) {
                frames.push(Vec::with_capacity(bytes.len() + 16));
            }
            let frame = frames.last_mut().expect("there is one now");
            let age_us = u64::try_from(arrived.elapsed().as_micros()).unwrap_or(u64::MAX);
            put_asks_head(priority, age_us, count, frame);
            frame.extend_from_slice(&bytes);
        }
        frames
    }

    /// Finds out who waits for these replies.
    pub(super) fn complete(&self, replies: Vec<(u64, Reply)>) -> Result<ByOrigin, NobodyAsked> {
        let mut by_origin = ByOrigin::new();
        let mut inner = self.lock();
        for (number, reply) in replies {
            let (origin, ticket) = inner.under_way.remove(number).ok_or(NobodyAsked(number))?;
            put(&mut by_origin, origin, ticket, reply);
        }
        Ok(by_origin)
    }

    /// The connection is over: takes no more, and gives everyone who waits an answer.
    pub(super) fn close(&self) -> ByOrigin {
        let mut by_origin = ByOrigin::new();
        let mut inner = self.lock();
        inner.open = false;
        inner.session += 1;
        inner.outgoing.clear();
        for (origin, ticket) in inner.under_way.drain() {
            put(&mut by_origin, origin, ticket, Reply::Failed(Failure::Lost));
        }
        by_origin
    }
}

fn put(by_origin: &mut ByOrigin, origin: Origin, ticket: u64, reply: Reply) {
    // A gate has a few workers.
    match by_origin.iter_mut().find(|(other, _)| *other == origin) {
        Some((_, replies)) => replies.push((ticket, reply)),
        None => by_origin.push((origin, vec![(ticket, reply)])),
    }
}

#[cfg(test)]
mod tests {
    use levee_api::port::{AskBody, Query};

    use super::*;

    fn asks(tickets: std::ops::Range<u64>) -> Vec<Ask> {
        let ask = |ticket| {
            let body = AskBody::Query(Box::new(Query::Campaigns { after: None, limit: 1 }));
            Ask { ticket, within_ms: u32::MAX, body }
        };
        tickets.map(ask).collect()
    }

    fn hand_over(desk: &Desk, origin: u32, asks: &mut Vec<Ask>) -> Result<(), Failure> {
        desk.hand_over(Origin(origin), Priority::Browse, Instant::now(), asks)
    }

    fn tickets(by_origin: &ByOrigin) -> Vec<(u32, Vec<u64>)> {
        let of = |replies: &[(u64, Reply)]| replies.iter().map(|(ticket, _)| *ticket).collect();
        by_origin.iter().map(|(origin, replies)| (origin.0, of(replies))).collect()
    }

    #[test]
    fn whatever_the_end_of_a_connection_leaves_is_answered_once() {
        let desk = Desk::default();
        let mut early = asks(0..2);
        assert_eq!(hand_over(&desk, 0, &mut early), Err(Failure::Unreachable));
        assert_eq!(early.len(), 2, "they stay with who asked");
        desk.open();
        hand_over(&desk, 0, &mut asks(10..12)).expect("room");
        hand_over(&desk, 1, &mut asks(10..11)).expect("room");
        let reply = || Reply::Failed(Failure::Overloaded);
        let told = desk.complete(vec![(2, reply()), (0, reply())]).expect("asked");
        assert_eq!(tickets(&told), [(1, vec![10]), (0, vec![10])]);
        assert_eq!(desk.complete(vec![(0, reply())]).expect_err("answered"), NobodyAsked(0));
        let lost = desk.close();
        assert_eq!(tickets(&lost), [(0, vec![11])]);
        assert!(matches!(lost[0].1[0].1, Reply::Failed(Failure::Lost)));
        assert!(desk.close().is_empty() && desk.take_frames().is_empty());
        assert_eq!(hand_over(&desk, 0, &mut asks(0..1)), Err(Failure::Unreachable));
    }

    #[test]
    fn what_has_no_room_stays() {
        let desk = Desk::default();
        desk.open();
        let mut many = asks(0..IN_FLIGHT_MAX as u64 + 3);
        assert_eq!(hand_over(&desk, 0, &mut many), Err(Failure::Overloaded));
        assert_eq!(many.len(), 3);
        let frames = desk.take_frames();
        assert!(frames.iter().all(|frame| frame.len() < FRAME_LEN + 1_024));
        assert!(frames.len() > 1, "they are split");
    }
}
