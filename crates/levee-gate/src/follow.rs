//! Streams of single things: one order until it is over, or what one outlet has to make.
//!
//! Each worker asks the engine for all that its listeners follow, twice a second, in one vector, and
//! only when the engine has written something since: many who follow one thing cost one question.
//! A listener that does not keep up misses what was in between, and gets the newest; none waits for
//! it. The stream of the whole installation is another one, `live`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::Bytes;
use levee_api::port::{Answer, AskBody, OrderView, Priority, Query, Reply};
use levee_api::problem::Code;
use levee_api::types::{Level, OrderNo, OutletNo};
use levee_api::wire::{ClosedBody, TicketsFrame};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{MissedTickBehavior, interval};

use crate::call::unexpected;
use crate::desk::Waiting;
use crate::handlers::orders::{is_over, order_body};
use crate::keys::Key;
use crate::trouble::Trouble;
use crate::worker::Worker;

/// From one look to the next: soon enough for somebody who watches a drink being made.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Looks after which an order that is over is shown no longer: what its user gets for it comes with
/// the tick behind its end, a second later at the most.
const LOOKS_AFTER_END: u32 = 4;

/// Something is sent at least so often, so that nobody in between takes a connection for dead, and
/// that one which is dead gives its place away: who has said all may still wait for the answer, so
/// its end is only seen when something is sent.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// Most listeners of one worker: each takes a connection, and what it follows a question twice a
/// second. Apps with more users than that ask for an order when its user looks at it.
const LISTENERS_MAX: usize = 256;

/// Events that wait for a listener beside the one that is being sent to it.
const EVENTS_WAITING_MAX: usize = 1;

/// Most tickets of one event.
const TICKETS_MAX: u32 = 200;

/// Why a stream ends whose key was taken away meanwhile.
pub(crate) const KEY_REVOKED: &str = "the key was revoked";

/// Nothing, for those who wait.
const HEARTBEAT: &[u8] = b": still here\n\n";

/// What is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Topic {
    /// An order, shown with the codes of vouchers or without.
    Order { number: OrderNo, with_codes: bool },
    /// What an outlet has to make.
    Tickets(OutletNo),
}

impl Topic {
    fn query(self) -> Query {
        match self {
            Self::Order { number, .. } => Query::Order(number),
            Self::Tickets(outlet) => Query::OpenOrders { outlet, after: None, limit: TICKETS_MAX },
        }
    }
}

/// A topic at one moment.
#[derive(Debug)]
pub(crate) struct Seen {
    event: Bytes,
    /// Nothing more is to become of it.
    is_over: bool,
}

impl Seen {
    pub(crate) async fn of_order(
        worker: &Worker,
        view: &OrderView,
        with_codes: bool,
    ) -> Result<Self, Trouble> {
        let event = event("order", &order_body(worker, view, with_codes).await?);
        Ok(Self { event, is_over: is_over(view) })
    }

    pub(crate) async fn of_tickets(worker: &Worker, outlet: OutletNo) -> Result<Self, Trouble> {
        let views = worker.open_orders(outlet, None, TICKETS_MAX).await?;
        Self::of_open_orders(worker, outlet, &views).await
    }

    async fn of_open_orders(
        worker: &Worker,
        outlet: OutletNo,
        views: &[OrderView],
    ) -> Result<Self, Trouble> {
        let tickets = worker.ticket_bodies(outlet, views).await?;
        Ok(Self { event: event("tickets", &TicketsFrame { tickets }), is_over: false })
    }

    async fn of_answer(worker: &Worker, topic: Topic, answer: Answer) -> Result<Self, Trouble> {
        match (topic, answer) {
            (Topic::Order { with_codes, .. }, Answer::Order(Some(view))) => {
                Self::of_order(worker, &view, with_codes).await
            }
            (Topic::Tickets(outlet), Answer::Orders(views)) => {
                Self::of_open_orders(worker, outlet, &views).await
            }
            (_, other) => Err(unexpected(&other)),
        }
    }
}

fn event(name: &str, data: &impl Serialize) -> Bytes {
    let data = serde_json::to_string(data).expect("replies have only string keys");
    format!("event: {name}\ndata: {data}\n\n").into()
}

/// The last event of a stream.
fn closed(reason: &str) -> Bytes {
    event("closed", &ClosedBody { reason: reason.to_owned() })
}

/// One who listens.
#[derive(Debug)]
struct Listener {
    /// By which it may listen.
    key: Option<Rc<Key>>,
    events: mpsc::Sender<io::Result<Bytes>>,
    /// Has been sent the newest.
    is_current: bool,
    sent_at: Instant,
}

impl Listener {
    /// Whether it is sent now; else its connection does not keep up, or is gone.
    fn send(&mut self, event: &Bytes) -> bool {
        match self.events.try_send(Ok(event.clone())) {
            Ok(()) => {
                self.sent_at = Instant::now();
                true
            }
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => false,
        }
    }
}

/// A topic with those who follow it.
#[derive(Debug)]
struct Followed {
    newest: Bytes,
    /// Looks since it was over.
    looks_over: Option<u32>,
    listeners: Vec<Listener>,
}

impl Followed {
    fn take(&mut self, seen: Seen) {
        if self.newest != seen.event {
            self.newest = seen.event;
            self.listeners.iter_mut().for_each(|listener| listener.is_current = false);
        }
        self.looks_over = match (seen.is_over, self.looks_over) {
            (true, Some(looks)) => Some(looks + 1),
            (true, None) => Some(0),
            (false, _) => None,
        };
    }

    /// Sends what is new, or a sign of life.
    fn tell(&mut self) {
        for listener in &mut self.listeners {
            if !listener.is_current {
                listener.is_current = listener.send(&self.newest);
            } else if listener.sent_at.elapsed() >= SILENCE_MAX {
                listener.send(&Bytes::from_static(HEARTBEAT));
            }
        }
    }

    /// The streams of those who have seen all end here.
    fn end_if_over(&mut self) {
        if self.looks_over.is_some_and(|looks| looks >= LOOKS_AFTER_END) {
            let last = closed("the order is over");
            self.listeners.retain_mut(|listener| !(listener.is_current && listener.send(&last)));
        }
    }
}

/// What one worker's listeners follow.
#[derive(Debug, Default)]
pub(crate) struct Follow {
    topics: RefCell<BTreeMap<Topic, Followed>>,
    /// How far the engine was before the last look; none where that did not see all.
    looked_seq: Cell<Option<u64>>,
    /// The generation of the keys by which all listeners were looked at; none since one more came.
    keys_seen: Cell<Option<u64>>,
}

impl Follow {
    /// One more listener, beginning with what was seen just now.
    pub(crate) fn listen(
        &self,
        topic: Topic,
        seen: Seen,
        key: Option<Rc<Key>>,
    ) -> Result<mpsc::Receiver<io::Result<Bytes>>, Trouble> {
        self.forget_gone();
        let mut topics = self.topics.borrow_mut();
        let count: usize = topics.values().map(|followed| followed.listeners.len()).sum();
        if count >= LISTENERS_MAX {
            let detail = "As many listen as this gate takes.";
            return Err(Trouble::new(Code::Overloaded).with_detail(detail));
        }
        let (events, answer) = mpsc::channel(EVENTS_WAITING_MAX);
        let followed = topics.entry(topic).or_insert_with(|| Followed {
            newest: Bytes::new(),
            looks_over: None,
            listeners: Vec::new(),
        });
        followed.take(seen);
        let sent_at = Instant::now();
        followed.listeners.push(Listener { key, events, is_current: false, sent_at });
        self.keys_seen.set(None);
        followed.tell();
        Ok(answer)
    }

    /// Listeners whose connection is gone, and what nobody follows any more.
    fn forget_gone(&self) {
        let mut topics = self.topics.borrow_mut();
        topics.retain(|_, followed| {
            followed.listeners.retain(|listener| !listener.events.is_closed());
            !followed.listeners.is_empty()
        });
    }

    /// Ends the streams of those whose keys do not hold any more.
    fn close_revoked(&self, worker: &Worker) {
        let generation = Some(worker.keys_generation());
        if self.keys_seen.replace(generation) == generation {
            return;
        }
        let last = closed(KEY_REVOKED);
        self.for_each(|followed| {
            followed.listeners.retain_mut(|listener| {
                let holds = worker.holds(listener.key.as_deref());
                if !holds {
                    listener.send(&last);
                }
                holds
            });
        });
    }

    fn topics(&self) -> Vec<Topic> {
        self.topics.borrow().keys().copied().collect()
    }

    /// Ends all streams. Who does not keep up sees the connection's end alone.
    fn close_all(&self, reason: &str) {
        let last = closed(reason);
        for followed in std::mem::take(&mut *self.topics.borrow_mut()).values_mut() {
            followed.listeners.iter_mut().for_each(|listener| {
                listener.send(&last);
            });
        }
    }

    fn for_each(&self, act: impl FnMut(&mut Followed)) {
        self.topics.borrow_mut().values_mut().for_each(act);
    }
}

/// Looks for those who listen, for as long as the worker lives.
pub(crate) async fn look_forever(worker: Rc<Worker>) {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let follow = &worker.follow;
        follow.forget_gone();
        let level = worker.hub.ports.submit.intake().level();
        if worker.hub.draining.load(Relaxed) {
            follow.close_all("the gate stops");
        } else if level > Level::Normal {
            follow.close_all(&format!("the brownout level is {}", level.name()));
        } else {
            follow.close_revoked(&worker);
            look(&worker).await;
            follow.for_each(Followed::tell);
            follow.for_each(Followed::end_if_over);
        }
    }
}

/// Asks for everything that is followed, if the engine has written something since the last look.
async fn look(worker: &Worker) {
    let follow = &worker.follow;
    let seq = worker.hub.ports.submit.vitals().durable_seq.load(Relaxed);
    if follow.looked_seq.replace(None) == Some(seq) {
        follow.looked_seq.set(Some(seq));
        follow.for_each(|followed| {
            followed.looks_over = followed.looks_over.map(|looks| looks + 1);
        });
        return;
    }
    let asked: Vec<(Topic, Waiting)> = follow
        .topics()
        .into_iter()
        .map(|topic| (topic, worker.ask(Priority::Status, AskBody::Query(Box::new(topic.query())))))
        .collect();
    let mut has_seen_all = true;
    for (topic, waiting) in asked {
        let seen = match worker.settle(waiting).await {
            Ok(Reply::Answer(answer)) => Seen::of_answer(worker, topic, *answer).await,
            Ok(other) => Err(unexpected(&other)),
            Err(trouble) => Err(trouble),
        };
        match seen {
            Ok(seen) => {
                if let Some(followed) = follow.topics.borrow_mut().get_mut(&topic) {
                    followed.take(seen);
                }
            }
            // Looked at again in a moment.
            Err(_) => has_seen_all = false,
        }
    }
    if has_seen_all {
        follow.looked_seq.set(Some(seq));
    }
}
