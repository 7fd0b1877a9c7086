//! A worker's dealings with the engine: asks go out in a vector a turn of the event loop, or a few in a long one, replies
//! come back in one a batch, and each wakes the request that waits for it.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use levee_api::port::{Ask, AskBody, Deliver, Origin, Priority, Reply, Submit};
use tokio::sync::Notify;

use crate::slab::Slab;

/// So many requests begin before what is under way is looked after: about half a millisecond of them.
const LOOK_EVERY: u32 = 32;

/// What a request gets of the engine.
#[derive(Debug)]
pub(crate) enum Said {
    /// Its reply.
    Reply(Reply),
    /// Nothing within the time that a request waits: whether it took effect is not known.
    Nothing,
}

/// Where the engine's threads leave replies.
#[derive(Debug, Default)]
struct Inbox {
    batches: Mutex<Vec<Vec<(u64, Reply)>>>,
    arrived: Notify,
}

impl Deliver for Inbox {
    fn deliver(&self, replies: Vec<(u64, Reply)>) {
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        batches.push(replies);
        let first = batches.len() == 1;
        drop(batches);
        if first {
            self.arrived.notify_one();
        }
    }
}

/// Where one ask stands; its place in the table is its ticket, and stays taken until the reply is
/// here, even when nobody waits for it any more.
#[derive(Debug)]
enum Slot {
    Waiting { waker: Option<Waker>, deadline_tick: u32 },
    Said(Said),
    Abandoned,
}

/// One worker's desk.
pub(crate) struct Desk {
    submit: Arc<dyn Submit>,
    /// Nobody waits longer for a reply, so nothing is decided later.
    within_ms: u32,
    origin: Origin,
    inbox: Arc<Inbox>,
    /// By lane.
    outgoing: RefCell<[Vec<Ask>; Priority::COUNT]>,
    /// Asks in all lanes.
    waiting: Cell<usize>,
    flusher: Cell<Option<Waker>>,
    slots: RefCell<Slab<Slot>>,
    /// When the first ask of this turn came.
    first_at: Cell<Instant>,
    /// Requests begun since the last look.
    begun: Cell<u32>,
}

impl Desk {
    pub(crate) fn new(submit: Arc<dyn Submit>, reply_timeout: Duration) -> Self {
        let inbox = Arc::new(Inbox::default());
        let origin = submit.register(Arc::<Inbox>::clone(&inbox));
        Self {
            submit,
            within_ms: u32::try_from(reply_timeout.as_millis()).unwrap_or(u32::MAX),
            origin,
            inbox,
            outgoing: RefCell::default(),
            waiting: Cell::new(0),
            flusher: Cell::new(None),
            slots: RefCell::new(Slab::new()),
            first_at: Cell::new(Instant::now()),
            begun: Cell::new(0),
        }
    }

    /// A request begins. Where hundreds are ready a turn takes milliseconds: asks do not wait for its end
    /// then, nor replies for the loop to look, and whoever else is to run on this processor does, which
    /// the system may leave to its next tick.
    pub(crate) fn begin_request(&self) {
        let begun = self.begun.get() + 1;
        self.begun.set(begun % LOOK_EVERY);
        if begun == LOOK_EVERY {
            self.flush();
            self.receive();
            thread::yield_now();
        }
    }

    /// Puts an ask among those that go out next: at the end of this turn, or within it if it is long.
    pub(crate) fn ask(
        self: &Rc<Self>,
        priority: Priority,
        body: AskBody,
        deadline_tick: u32,
    ) -> Waiting {
        let slot = Slot::Waiting { waker: None, deadline_tick };
        let place = self.slots.borrow_mut().insert(slot);
        self.outgoing.borrow_mut()[priority as usize].push(Ask {
            ticket: place as u64,
            within_ms: self.within_ms,
            body,
        });
        self.waiting.set(self.waiting.get() + 1);
        if self.waiting.get() == 1 {
            // The clock is read once a turn.
            self.first_at.set(Instant::now());
            if let Some(flusher) = self.flusher.take() {
                flusher.wake();
            }
        }
        Waiting { desk: Rc::clone(self), place, over: false }
    }

    /// Hands over what has gathered, once a turn, for as long as the worker lives.
    pub(crate) async fn flush_forever(self: Rc<Self>) {
        loop {
            poll_fn(|cx| {
                if self.waiting.get() > 0 {
                    return Poll::Ready(());
                }
                self.flusher.set(Some(cx.waker().clone()));
                Poll::Pending
            })
            .await;
            // Woken by the first ask, this runs behind all requests that were ready then; to wait
            // for those of another turn was measured to be slower.
            self.flush();
        }
    }

    fn flush(&self) {
        if self.waiting.replace(0) == 0 {
            return;
        }
        for priority in Priority::ALL {
            let mut asks = mem::take(&mut self.outgoing.borrow_mut()[priority as usize]);
            if asks.is_empty() {
                continue;
            }
            let arrived = self.first_at.get();
            if let Err(failure) = self.submit.submit(self.origin, priority, arrived, &mut asks) {
                for ask in asks.drain(..) {
                    self.complete(ask.ticket, Reply::Failed(failure));
                }
            }
            // Nothing asks meanwhile: completing only wakes.
            self.outgoing.borrow_mut()[priority as usize] = asks;
        }
    }

    /// Gives replies to those who wait for them, for as long as the worker lives.
    pub(crate) async fn receive_forever(self: Rc<Self>) {
        loop {
            self.inbox.arrived.notified().await;
            self.receive();
        }
    }

    fn receive(&self) {
        let batches = {
            let mut batches = self.inbox.batches.lock().unwrap_or_else(PoisonError::into_inner);
            mem::take(&mut *batches)
        };
        for (ticket, reply) in batches.into_iter().flatten() {
            self.complete(ticket, reply);
        }
    }

    fn complete(&self, ticket: u64, reply: Reply) {
        let mut slots = self.slots.borrow_mut();
        let place = usize::try_from(ticket).unwrap_or(usize::MAX);
        match slots.get_mut(place) {
            Some(slot @ Slot::Waiting { .. }) => {
                let before = mem::replace(slot, Slot::Said(Said::Reply(reply)));
                if let Slot::Waiting { waker: Some(waker), .. } = before {
                    waker.wake();
                }
            }
            Some(Slot::Abandoned) => drop(slots.remove(place)),
            Some(Slot::Said(_)) | None => {
                tracing::warn!(ticket, "the engine replied to something that nobody asked");
            }
        }
    }

    /// Lets go those who have waited until this tick. Their places stay taken for the reply.
    pub(crate) fn sweep(&self, tick: u32) {
        for slot in self.slots.borrow_mut().iter_mut() {
            if let Slot::Waiting { waker, deadline_tick } = slot
                && *deadline_tick <= tick
            {
                // Who waits finds its deadline over and abandons the place.
                *deadline_tick = 0;
                if let Some(waker) = waker.take() {
                    waker.wake();
                }
            }
        }
    }
}

/// One ask's reply, when it comes. Dropped before, it leaves the place to be cleared by the reply.
pub(crate) struct Waiting {
    desk: Rc<Desk>,
    place: usize,
    over: bool,
}

impl Future for Waiting {
    type Output = Said;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Said> {
        let desk = Rc::clone(&self.desk);
        let mut slots = desk.slots.borrow_mut();
        let said = match slots.get_mut(self.place) {
            Some(Slot::Waiting { deadline_tick: 0, .. }) => Said::Nothing,
            Some(Slot::Waiting { waker, .. }) => {
                if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                    *waker = Some(cx.waker().clone());
                }
                return Poll::Pending;
            }
            Some(Slot::Said(_)) => {
                self.over = true;
                match slots.remove(self.place) {
                    Some(Slot::Said(said)) => return Poll::Ready(said),
                    _ => unreachable!("just seen"),
                }
            }
            Some(Slot::Abandoned) | None => unreachable!("a place is its waiter's own"),
        };
        drop(slots);
        Poll::Ready(said)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let mut slots = self.desk.slots.borrow_mut();
        match slots.get_mut(self.place) {
            Some(slot @ Slot::Waiting { .. }) => *slot = Slot::Abandoned,
            Some(Slot::Said(_)) => drop(slots.remove(self.place)),
            Some(Slot::Abandoned) | None => {}
        }
    }
}
