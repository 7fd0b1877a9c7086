//! One worker: a thread with an event loop, and everything that its requests need within reach of
//! the thread.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use levee_api::problem::Code;
use levee_api::stream::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::admission::{Door, Tally, measure_forever, report_forever};
use crate::config::{GateConfig, HEAD_LEN_MAX, Ports};
use crate::connection::{Connection, Phase, TimeLimits, serve_connection};
use crate::desk::Desk;
use crate::directory::Directory;
use crate::follow::{Follow, look_forever};
use crate::headers::HeaderMaps;
use crate::json::put_hex;
use crate::keys::{Key, hash};
use crate::listener::{Incoming, Moving};
use crate::live::Live;
use crate::metrics::{MoneyCache, Stats};
use crate::outlets::Outlets;
use crate::routes::Router;
use crate::slab::Slab;
use crate::trouble::Trouble;

/// Connections over the limit that are told so at the same time; more are just closed.
const TURNED_AWAY_MAX: usize = 64;

/// Length of a request's name until a worker has had 16 million.
const REQUEST_ID_LEN: usize = 20;

/// Requests are kept in pieces of memory of this size.
const BLOCK_LEN: usize = 64 * 1024;

/// What the workers of one gate share. Nothing of it is locked or counted up by a request.
pub(crate) struct Hub {
    pub(crate) config: GateConfig,
    pub(crate) ports: Ports,
    pub(crate) router: Router,
    pub(crate) lanes: Vec<Lane>,
    pub(crate) draining: AtomicBool,
    /// Stop at once, without finishing anything.
    pub(crate) aborting: AtomicBool,
    pub(crate) exports: AtomicUsize,
    pub(crate) imports: AtomicUsize,
    pub(crate) live: Live,
    pub(crate) outlets: Arc<Outlets>,
    /// `/openapi.json` and `/docs`, made once.
    pub(crate) openapi: Bytes,
    pub(crate) docs: Bytes,
    /// Tells the request ids of this start from those of others.
    pub(crate) start_id: u32,
    /// The gate's number in the intake's reports.
    pub(crate) number: u32,
}

/// One worker as the others see it.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    /// Connections that are its own, those on their way to it included.
    pub(crate) open: AtomicUsize,
    /// Accepted by others for it.
    handed_over: Mutex<Vec<Moving>>,
    pub(crate) news: Notify,
    pub(crate) stats: Stats,
    pub(crate) tally: Tally,
}

/// One worker's own things.
pub(crate) struct Worker {
    pub(crate) hub: Arc<Hub>,
    number: usize,
    pub(crate) desk: Rc<Desk>,
    pub(crate) directory: Directory,
    pub(crate) keys: RefCell<HashMap<[u8; 32], Rc<Key>>>,
    keys_generation: Cell<u64>,
    pub(crate) connections: RefCell<Slab<Rc<Connection>>>,
    pub(crate) batches: Cell<usize>,
    pub(crate) money: MoneyCache,
    pub(crate) door: Door,
    /// Who follows an order or an outlet's tickets.
    pub(crate) follow: Follow,
    tick: Cell<u32>,
    time_limits: TimeLimits,
    /// What the names of this worker's requests begin with.
    request_prefix: String,
    /// The number of the last one.
    request_ids: Cell<u64>,
    turned_away: Cell<usize>,
    /// What is read goes here first, and what is written is put together here.
    pub(crate) scratch: RefCell<Vec<u8>>,
    pub(crate) out: Cell<Vec<u8>>,
    /// For the next requests' headers and their answers'.
    pub(crate) headers: HeaderMaps,
    /// Where requests are kept while they are answered, many in one piece of memory.
    block: RefCell<BytesMut>,
    /// The secret that was shown last, and whose it is: mostly it comes again.
    last_key: RefCell<Option<(Bytes, Rc<Key>)>>,
    /// As answers say it.
    pub(crate) date: RefCell<String>,
}

/// Compares secrets in a time that does not tell where they differ.
fn same(known: &[u8], shown: &[u8]) -> bool {
    let differing = known.iter().zip(shown).fold(0, |sum, (one, other)| sum | (one ^ other));
    known.len() == shown.len() && differing == 0
}

impl Worker {
    pub(crate) fn new(hub: Arc<Hub>, number: usize) -> Rc<Self> {
        let desk = Rc::new(Desk::new(Arc::clone(&hub.ports.submit), hub.config.reply_timeout));
        let intake = hub.ports.submit.intake();
        let now_us = intake.now_us();
        let seed = now_us ^ (number as u64 + 1) << 48 ^ u64::from(hub.start_id);
        let time_limits = TimeLimits::of(&hub.config);
        let (workers, passes) = (hub.lanes.len(), hub.ports.codes.passes());
        let door = Door::new(hub.config.admission.clone(), workers, passes, seed, now_us);
        let request_prefix = format!("req_{:08x}{number:02x}", hub.start_id);
        let worker = Self {
            hub,
            number,
            desk,
            directory: Directory::default(),
            keys: RefCell::default(),
            keys_generation: Cell::new(u64::MAX),
            connections: RefCell::new(Slab::new()),
            batches: Cell::new(0),
            money: MoneyCache::default(),
            door,
            follow: Follow::default(),
            tick: Cell::new(1),
            time_limits,
            request_prefix,
            request_ids: Cell::new(0),
            turned_away: Cell::new(0),
            scratch: RefCell::new(vec![0; HEAD_LEN_MAX]),
            out: Cell::default(),
            headers: HeaderMaps::default(),
            block: RefCell::default(),
            last_key: RefCell::default(),
            date: RefCell::default(),
        };
        worker.refresh_keys();
        worker.refresh_date();
        Rc::new(worker)
    }

    pub(crate) fn lane(&self) -> &Lane {
        &self.hub.lanes[self.number]
    }

    /// Names a request in problems and in the log. Put together by hand: every refusal has one.
    pub(crate) fn request_id(&self) -> String {
        let id = self.request_ids.get() + 1;
        self.request_ids.set(id);
        let mut text = String::with_capacity(REQUEST_ID_LEN);
        text.push_str(&self.request_prefix);
        put_hex(id, 6, &mut text);
        text
    }

    /// Keeps what was read.
    pub(crate) fn keep(&self, bytes: &[u8]) -> Bytes {
        let mut block = self.block.borrow_mut();
        if block.capacity() < bytes.len() {
            block.reserve(BLOCK_LEN.max(bytes.len()));
        }
        block.extend_from_slice(bytes);
        block.split().freeze()
    }

    /// Whose secret it is.
    pub(crate) fn key_of(&self, secret: &[u8]) -> Option<Rc<Key>> {
        let mut last = self.last_key.borrow_mut();
        if let Some((known, key)) = &*last
            && same(known, secret)
        {
            return Some(Rc::clone(key));
        }
        let key = self.keys.borrow().get(&hash(secret)).cloned()?;
        *last = Some((Bytes::copy_from_slice(secret), Rc::clone(&key)));
        Some(key)
    }

    pub(crate) fn deadline_of(&self, phase: Phase) -> u32 {
        let TimeLimits { idle, head, body, .. } = self.time_limits;
        match phase {
            Phase::Idle => self.tick_in(idle),
            Phase::Head => self.tick_in(head),
            Phase::Body => self.tick_in(body),
            Phase::Busy => u32::MAX,
        }
    }

    /// The tick by which the engine must have replied to what is asked now.
    pub(crate) fn reply_deadline(&self) -> u32 {
        self.tick_in(self.time_limits.reply)
    }

    fn tick_in(&self, ticks: u32) -> u32 {
        self.tick.get().saturating_add(ticks)
    }

    /// Counts up with every change of the keys.
    pub(crate) fn keys_generation(&self) -> u64 {
        self.keys_generation.get()
    }

    /// Whether a key that was taken still holds, as it was; so does none where none is needed.
    pub(crate) fn holds(&self, key: Option<&Key>) -> bool {
        let keys = self.keys.borrow();
        key.is_none_or(|key| keys.values().any(|known| **known == *key))
    }

    fn refresh_keys(&self) {
        let ring = &self.hub.ports.keys;
        let generation = ring.generation();
        if generation != self.keys_generation.get() {
            let keys = ring.keys();
            let by_hash = keys.iter().map(|(hash, key)| (*hash, Rc::new(key.clone())));
            *self.keys.borrow_mut() = by_hash.collect();
            *self.last_key.borrow_mut() = None;
            self.keys_generation.set(generation);
        }
    }

    /// Runs until the gate drains and the last request is answered, or the drain's time is over.
    pub(crate) async fn run(self: Rc<Self>, listener: Incoming) {
        tokio::task::spawn_local(Rc::clone(&self.desk).flush_forever());
        tokio::task::spawn_local(Rc::clone(&self.desk).receive_forever());
        tokio::task::spawn_local(Rc::clone(&self).tick_forever());
        tokio::task::spawn_local(measure_forever(Rc::clone(&self)));
        tokio::task::spawn_local(look_forever(Rc::clone(&self)));
        if self.number == 0 {
            tokio::task::spawn_local(report_forever(Rc::clone(&self)));
        }
        self.accept_until_drain(listener).await;

        for connection in self.connections.borrow().iter() {
            connection.close_soon();
        }
        let closed = async {
            while self.lane().open.load(Relaxed) > 0 && !self.hub.aborting.load(Relaxed) {
                self.take_handed_over();
                sleep(Duration::from_millis(2)).await;
            }
        };
        if timeout(self.hub.config.drain, closed).await.is_err() {
            let open = self.lane().open.load(Relaxed);
            tracing::warn!(open, "the drain's time is over: connections are cut");
        }
    }

    async fn tick_forever(self: Rc<Self>) {
        let mut ticks = interval(self.hub.config.tick());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let tick = self.tick.get() + 1;
            self.tick.set(tick);
            self.desk.sweep(tick);
            for connection in self.connections.borrow().iter() {
                connection.look_at_clock(tick);
            }
            self.refresh_keys();
            self.refresh_date();
            self.door.refresh(self.hub.ports.submit.intake().now_us());
        }
    }

    fn refresh_date(&self) {
        *self.date.borrow_mut() = httpdate::fmt_http_date(SystemTime::now());
    }

    async fn accept_until_drain(self: &Rc<Self>, listener: Incoming) {
        while !self.hub.draining.load(Relaxed) {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok(stream) => self.place(stream),
                    Err(error) => {
                        // Out of file descriptors, for one: leave the rest in the backlog a moment.
                        tracing::warn!(%error, "accepting a connection failed; trying again in a second");
                        sleep(Duration::from_secs(1)).await;
                    }
                },
                () = self.lane().news.notified() => self.take_handed_over(),
            }
        }
    }

    /// To the worker with the fewest connections: a burst of them would otherwise stay with the
    /// worker that happened to wake first.
    fn place(self: &Rc<Self>, stream: Stream) {
        let lanes = &self.hub.lanes;
        let open: usize = lanes.iter().map(|lane| lane.open.load(Relaxed)).sum();
        if open >= self.hub.config.connections_max {
            self.turn_away(stream);
            return;
        }
        let own = self.lane().open.load(Relaxed);
        let idlest = lanes.iter().min_by_key(|lane| lane.open.load(Relaxed));
        match idlest {
            Some(idlest) if idlest.open.load(Relaxed) < own => {
                idlest.open.fetch_add(1, Relaxed);
                if let Ok(stream) = Moving::out(stream) {
                    let mut inbox =
                        idlest.handed_over.lock().unwrap_or_else(PoisonError::into_inner);
                    inbox.push(stream);
                    drop(inbox);
                    idlest.news.notify_one();
                } else {
                    idlest.open.fetch_sub(1, Relaxed);
                }
            }
            _ => {
                self.lane().open.fetch_add(1, Relaxed);
                self.spawn(stream);
            }
        }
    }

    fn take_handed_over(self: &Rc<Self>) {
        let streams = {
            let lane = self.lane();
            let mut inbox = lane.handed_over.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *inbox)
        };
        for stream in streams {
            match stream.into_stream() {
                Ok(stream) => self.spawn(stream),
                Err(error) => {
                    self.lane().open.fetch_sub(1, Relaxed);
                    tracing::warn!(%error, "taking over a connection failed");
                }
            }
        }
    }

    fn spawn(self: &Rc<Self>, stream: Stream) {
        self.lane().stats.connections.add(1);
        tokio::task::spawn_local(serve_connection(Rc::clone(self), stream));
    }

    fn turn_away(self: &Rc<Self>, mut stream: Stream) {
        self.lane().stats.turned_away.add(1);
        if self.turned_away.get() >= TURNED_AWAY_MAX {
            return;
        }
        self.turned_away.set(self.turned_away.get() + 1);
        let worker = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let trouble = Trouble::new(Code::Overloaded)
                .with_detail("As many connections are open as this gate takes.");
            let body = trouble.body(worker.request_id());
            let head = format!(
                "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n\
                 retry-after: 1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            // Read first: an answer to an unread request would be lost in the reset.
            let polite = async {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await?;
                stream.write_all(head.as_bytes()).await?;
                stream.write_all(&body).await?;
                stream.shutdown().await
            };
            let outcome = timeout(Duration::from_secs(1), polite).await;
            tracing::debug!(?outcome, "a connection over the limit was turned away");
            worker.turned_away.set(worker.turned_away.get() - 1);
        });
    }
}
