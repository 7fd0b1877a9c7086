//! The live stream: one frame every quarter of a second, made on a thread of its own and shared by
//! all who listen.
//!
//! What gates and engine count is read, never asked for, save for the campaigns' money: one
//! question a second. No request touches anything here, and nothing is made while nobody listens.
//! A listener that does not keep up misses frames; none waits for it.

mod frame;
mod money;

use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use levee_api::port::Submit;
use levee_api::types::Level;
use levee_api::wire::ClosedBody;
use tokio::sync::{mpsc, watch};

use self::frame::Frames;
use self::money::Money;
use crate::follow::KEY_REVOKED;
use crate::keys::Key;
use crate::worker::Worker;

/// From one frame to the next.
const FRAME_EVERY: Duration = Duration::from_millis(250);

/// Most listeners of one gate: each takes a connection and some hundred kilobytes a second.
const LISTENERS_MAX: usize = 64;

/// Frames that wait for a listener beside the one that is being sent to it.
const FRAMES_WAITING_MAX: usize = 1;

/// What listeners are shown.
#[derive(Clone, Debug)]
enum Shown {
    /// A frame, as an event.
    Frame(Bytes),
    /// The last event.
    Closed(Bytes),
}

/// A gate's live stream.
pub(crate) struct Live {
    shared: Arc<Shared>,
    shown: watch::Receiver<Shown>,
    maker: Mutex<Option<JoinHandle<()>>>,
}

/// What the maker shares with those who listen.
#[derive(Debug, Default)]
struct Shared {
    listeners: AtomicUsize,
    stopping: AtomicBool,
}

impl Live {
    /// Starts the thread, which sleeps until somebody listens.
    pub(crate) fn start(submit: Arc<dyn Submit>) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (show, shown) = watch::channel(Shown::Frame(Bytes::new()));
        let maker = Maker { shared: Arc::clone(&shared), submit, show };
        let maker = thread::Builder::new().name("live".into()).spawn(move || maker.run())?;
        Ok(Self { shared, shown, maker: Mutex::new(Some(maker)) })
    }

    /// One more listener, if there may be one more.
    pub(crate) fn listen(&self) -> Option<Listener> {
        let listener = Listener { shared: Arc::clone(&self.shared), shown: self.shown.clone() };
        // The listener's end takes this back.
        let before = self.shared.listeners.fetch_add(1, SeqCst);
        if before >= LISTENERS_MAX {
            return None;
        }
        let maker = self.maker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(maker) = &*maker {
            maker.thread().unpark();
        }
        Some(listener)
    }

    /// Ends all streams, and the thread. A second call changes nothing.
    pub(crate) fn stop(&self) {
        self.shared.stopping.store(true, SeqCst);
        let maker = self.maker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(maker) = maker {
            maker.thread().unpark();
            if maker.join().is_err() {
                tracing::error!("the thread of the live stream panicked");
            }
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.stop();
    }
}

/// One who listens, until dropped.
pub(crate) struct Listener {
    shared: Arc<Shared>,
    shown: watch::Receiver<Shown>,
}

impl Listener {
    /// The stream's events, which another task fills in for as long as the key holds.
    pub(crate) fn events(
        self,
        worker: &Rc<Worker>,
        key: Option<Rc<Key>>,
    ) -> mpsc::Receiver<io::Result<Bytes>> {
        let (events, answer) = mpsc::channel(FRAMES_WAITING_MAX);
        tokio::task::spawn_local(self.forward(events, Rc::clone(worker), key));
        answer
    }

    /// Forwards the newest frame whenever there is room for it.
    async fn forward(
        mut self,
        events: mpsc::Sender<io::Result<Bytes>>,
        worker: Rc<Worker>,
        key: Option<Rc<Key>>,
    ) {
        let mut keys_seen = None;
        // What was shown before is old.
        self.shown.mark_unchanged();
        loop {
            let changed = tokio::select! {
                changed = self.shown.changed() => changed,
                () = events.closed() => return,
            };
            let shown = match changed {
                Ok(()) => self.shown.borrow_and_update().clone(),
                // The maker is gone.
                Err(_) => closed("the gate stops"),
            };
            let generation = Some(worker.keys_generation());
            let is_revoked = keys_seen != generation && !worker.holds(key.as_deref());
            keys_seen = generation;
            let (event, last) = match shown {
                Shown::Frame(_) if is_revoked => match closed(KEY_REVOKED) {
                    Shown::Frame(event) | Shown::Closed(event) => (event, true),
                },
                Shown::Frame(event) => (event, false),
                Shown::Closed(event) => (event, true),
            };
            if events.send(Ok(event)).await.is_err() || last {
                return;
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.shared.listeners.fetch_sub(1, SeqCst);
    }
}

/// The thread that makes frames.
struct Maker {
    shared: Arc<Shared>,
    submit: Arc<dyn Submit>,
    show: watch::Sender<Shown>,
}

impl Maker {
    fn run(self) {
        let mut frames = Frames::default();
        let mut money = Money::new(Arc::clone(&self.submit));
        let mut next = Instant::now();
        while self.wait_until(next) {
            if self.shared.listeners.load(SeqCst) == 0 {
                // Rates over the time in which nobody listened would say nothing.
                frames.forget();
                thread::park();
                next = Instant::now();
                continue;
            }
            // Not `+=`: after a stop of the machine, frames do not come in a heap.
            next = Instant::now() + FRAME_EVERY;
            let level = self.submit.intake().level();
            if level > Level::Normal {
                // Said again at every turn: who began to listen a moment ago is told, too.
                let reason = format!("the brownout level is {}", level.name());
                self.show.send_replace(closed(&reason));
                continue;
            }
            money.look();
            let frame = frames.next(self.submit.vitals(), self.submit.intake(), money.tile());
            self.show.send_replace(Shown::Frame(frame));
        }
    }

    /// Whether there is anything more to do then.
    fn wait_until(&self, then: Instant) -> bool {
        loop {
            if self.shared.stopping.load(SeqCst) {
                return false;
            }
            let left = then.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            thread::park_timeout(left);
        }
    }
}

/// The last event of a stream.
fn closed(reason: &str) -> Shown {
    let data = serde_json::to_string(&ClosedBody { reason: reason.to_owned() });
    let data = data.expect("a text has no keys");
    Shown::Closed(format!("event: closed\ndata: {data}\n\n").into())
}
