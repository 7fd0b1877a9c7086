//! One webhook: its events in lanes, one a user, and out of them. How they come there is in
//! `receiver/reading.rs`.

mod reading;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use levee_api::hook::{HookDocument, message_id};
use levee_api::time::now_s;
use levee_api::types::{
    DEAD_LETTERS_MAX, DeadLetter, EventNo, REASON_LEN_MAX, RecordDeadLetter, UserKey, Webhook,
    WebhookId,
};
use levee_api::vitals::HookVitals;
use levee_api::webhook::WebhookSecrets;
use serde_json::json;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, sleep_until};

use super::Shared;
use super::health::Health;
use super::lanes::{GivenUp, Lanes, Letter, Room};
use super::progress::{Cursor, Progress};
use crate::backoff;

/// Most calls of one webhook at a time.
const CALLS_MAX: usize = 16;

/// Between two looks at the journal where there was nothing new.
const LOOK: Duration = Duration::from_millis(100);

/// Before the second try of an event, at most; twice as long before each further one.
const PAUSE_FIRST: Duration = Duration::from_secs(1);

/// Longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(600);

/// Where its events go.
struct Target {
    document: HookDocument,
    secrets: WebhookSecrets,
    version: u32,
}

pub(super) struct Receiver {
    shared: Rc<Shared>,
    id: WebhookId,
    created_seq: u64,
    target: RefCell<Rc<Target>>,
    progress: RefCell<Progress>,
    lanes: RefCell<Lanes>,
    /// Dead letters that the engine may list, with their kinds and tries: what is delivered after all
    /// leaves the list. Those that are sent again stay here until they are delivered, since a crash may
    /// have come between.
    listed: RefCell<BTreeMap<EventNo, (u8, u32)>>,
    calls: Semaphore,
    health: RefCell<Health>,
    /// Whose turn it is while nothing is taken.
    probe: Semaphore,
    /// Of those that wait for it, one at a time is a repeat: what was never tried does not wait behind
    /// all that fail.
    repeats: Semaphore,
    /// Something was taken.
    is_back: Notify,
    vitals: Arc<HookVitals>,
    stopped: Cell<bool>,
}

/// The right to make one call.
struct Turn<'a> {
    _call: SemaphorePermit<'a>,
    /// Held while nothing is taken, so that nobody else tries.
    _probe: Option<SemaphorePermit<'a>>,
    _repeat: Option<SemaphorePermit<'a>>,
}

impl Receiver {
    /// `None` where this build cannot read the webhook's document.
    pub(super) fn new(
        shared: &Rc<Shared>,
        id: &WebhookId,
        webhook: &Webhook,
        cursor: Cursor,
    ) -> Option<Rc<Self>> {
        let listed = webhook.dead.iter().map(|dead| (dead.event, (dead.kind, dead.tries)));
        Some(Rc::new(Self {
            shared: Rc::clone(shared),
            id: id.clone(),
            created_seq: webhook.created_seq,
            target: RefCell::new(Rc::new(target(id, webhook)?)),
            progress: RefCell::new(Progress::new(cursor)),
            lanes: RefCell::default(),
            listed: RefCell::new(listed.collect()),
            calls: Semaphore::new(CALLS_MAX),
            health: RefCell::default(),
            probe: Semaphore::new(1),
            repeats: Semaphore::new(1),
            is_back: Notify::new(),
            vitals: shared.engine.vitals().hooks.of(id),
            stopped: Cell::new(false),
        }))
    }

    pub(super) fn created_seq(&self) -> u64 {
        self.created_seq
    }

    pub(super) fn cursor(&self) -> Cursor {
        self.progress.borrow().cursor()
    }

    /// Another document: what is tried from now on goes there.
    pub(super) fn put(&self, webhook: &Webhook) {
        if self.target.borrow().version != webhook.version
            && let Some(target) = target(&self.id, webhook)
        {
            self.target.replace(Rc::new(target));
            // It may lead to another receiver.
            self.health.borrow_mut().taken();
            self.lanes.borrow_mut().forgive();
            self.is_back.notify_waiters();
        }
    }

    /// It is gone: nothing more is sent.
    pub(super) fn stop(&self) {
        self.stopped.set(true);
        self.shared.engine.vitals().hooks.forget(&self.id);
    }

    /// Shows how far it is.
    pub(super) fn measure(&self) {
        let progress = self.progress.borrow();
        let durable_seq = self.shared.engine.vitals().durable_seq.load(Relaxed);
        let now_ms = self.shared.engine.journal_ms();
        let lag_ms = progress.oldest_ms().map_or(0, |oldest_ms| now_ms.saturating_sub(oldest_ms));
        self.vitals.lag_ms.store(lag_ms, Relaxed);
        self.vitals.waiting.store(progress.open_count() as u64, Relaxed);
        self.vitals.unread.store(durable_seq.saturating_sub(progress.read_seq()), Relaxed);
        self.vitals.down.store(self.health.borrow().again_at().is_some().into(), Relaxed);
    }

    fn is_down(&self) -> bool {
        self.health.borrow().again_at().is_some()
    }

    /// Puts an event into its lane once there is room; `false` where the webhook is gone.
    async fn push(self: &Rc<Self>, letter: Letter) -> bool {
        let user = letter.event.user;
        while !self.stopped.get() {
            let room = self.lanes.borrow_mut().room_for(user, self.is_down());
            match room {
                Room::Free => {
                    self.progress.borrow_mut().begin(letter.settles_seq, letter.at_ms);
                    if self.lanes.borrow_mut().push(letter) {
                        tokio::task::spawn_local(Rc::clone(self).empty(user));
                    }
                    return true;
                }
                Room::Wait => sleep(LOOK).await,
                Room::Instead(GivenUp { letter, tries, trouble }) => {
                    let error = format!(
                        "given up early: too many events wait for those that fail, the last with: \
                         {trouble}"
                    );
                    if !self.bury(&letter, tries, &error).await {
                        return false;
                    }
                }
            }
        }
        false
    }

    /// Delivers a user's events one after the other.
    async fn empty(self: Rc<Self>, user: UserKey) {
        loop {
            let first = self.lanes.borrow_mut().first(user);
            let Some((letter, changed)) = first else { break };
            if !self.deliver(&letter, &changed).await {
                break;
            }
        }
    }

    /// Sends one event until it is taken, or a dead letter, whoever gives it up; `false` where the
    /// webhook is gone.
    async fn deliver(&self, letter: &Rc<Letter>, changed: &Notify) -> bool {
        let user = letter.event.user;
        let message = message_id(&self.id, letter.number);
        let body = body(&message, letter);
        let mut is_repeat = false;
        loop {
            let turn = tokio::select! {
                turn = self.turn(is_repeat) => turn,
                () = self.given_up(letter, changed) => return true,
            };
            if self.stopped.get() {
                return false;
            }
            if !self.lanes.borrow_mut().call(letter) {
                return true;
            }
            let target = Rc::clone(&self.target.borrow());
            let headers = target.secrets.headers(&message, now_s(), &body);
            let url = &target.document.url;
            let sent = self.shared.http.send(Method::POST, url, &headers, body.clone()).await;
            self.note(letter.number, sent.is_ok());
            drop(turn);
            let Err(trouble) = sent else {
                self.lanes.borrow_mut().taken(user);
                return self.settle(letter).await;
            };
            let said = trouble.to_string();
            let tries = self.lanes.borrow_mut().failed(user, &said, self.is_down());
            if tries >= target.document.tries {
                self.lanes.borrow_mut().remove_first(user);
                return self.bury(letter, tries, &said).await;
            }
            is_repeat = true;
            tracing::debug!(webhook = %self.id, message, tries, %trouble, "is sent again");
            tokio::select! {
                () = sleep(pause(tries, fastrand::f64()).max(trouble.retry_after())) => {}
                // It has been given up, or it shall be tried at once.
                () = changed.notified() => {}
            }
        }
    }

    async fn given_up(&self, letter: &Rc<Letter>, changed: &Notify) {
        while self.lanes.borrow().is_first(letter) {
            changed.notified().await;
        }
    }

    /// Waits for its turn: with others, or alone and not before it is time, while nothing is taken.
    async fn turn(&self, is_repeat: bool) -> Turn<'_> {
        loop {
            let (mut probe, mut repeat) = (None, None);
            if self.is_down() {
                if is_repeat {
                    repeat = Some(self.repeats.acquire().await.expect("it is never closed"));
                }
                probe = Some(self.probe.acquire().await.expect("it is never closed"));
            }
            loop {
                let Some(again_at) = self.health.borrow().again_at() else {
                    (probe, repeat) = (None, None);
                    break;
                };
                if probe.is_none() || again_at <= Instant::now() {
                    break;
                }
                tokio::select! {
                    () = sleep_until(again_at) => {}
                    () = self.is_back.notified() => {}
                }
            }
            let call = self.calls.acquire().await.expect("it is never closed");
            if probe.is_some() || !self.is_down() {
                return Turn { _call: call, _probe: probe, _repeat: repeat };
            }
        }
    }

    /// Counts a call, and what it says of the receiver.
    fn note(&self, event: EventNo, is_taken: bool) {
        let mut health = self.health.borrow_mut();
        if is_taken {
            self.vitals.delivered.fetch_add(1, Relaxed);
            if health.again_at().is_some() {
                tracing::info!(webhook = %self.id, "takes events again");
                self.is_back.notify_waiters();
            }
            health.taken();
            return;
        }
        self.vitals.failed.fetch_add(1, Relaxed);
        let was_down = health.again_at().is_some();
        health.failed(event, Instant::now(), fastrand::f64());
        if !was_down && health.again_at().is_some() {
            tracing::warn!(webhook = %self.id, "takes nothing: it is tried by one event at a time");
        }
    }

    /// An event was taken: where it is listed as a dead letter it is none any more. `false` where the
    /// webhook is gone.
    async fn settle(&self, letter: &Letter) -> bool {
        let number = letter.number;
        if self.listed.borrow().contains_key(&number) {
            while self.shared.engine.settle(&self.id, number).await.is_err() {
                if self.stopped.get() {
                    return false;
                }
                sleep(10 * LOOK).await;
            }
            self.listed.borrow_mut().remove(&number);
        }
        self.progress.borrow_mut().settle(letter.settles_seq);
        true
    }

    /// An event is a dead letter; `false` where the webhook is gone.
    async fn bury(&self, letter: &Letter, tries: u32, error: &str) -> bool {
        if !self.record(letter.number, letter.event.kind.number(), tries, error).await {
            return false;
        }
        self.progress.borrow_mut().settle(letter.settles_seq);
        true
    }

    /// Puts an event on the list of dead letters; `false` where the webhook is gone.
    async fn record(&self, event: EventNo, kind: u8, tries: u32, error: &str) -> bool {
        let message = message_id(&self.id, event);
        tracing::warn!(webhook = %self.id, message, tries, error, "a dead letter");
        let error = error[..error.floor_char_boundary(REASON_LEN_MAX)].to_owned();
        let letter = DeadLetter { event, kind, tries, error };
        let record = RecordDeadLetter { id: self.id.clone(), letter };
        while self.shared.engine.record(record.clone()).await.is_err() {
            if self.stopped.get() {
                return false;
            }
            sleep(10 * LOOK).await;
        }
        self.vitals.dead.fetch_add(1, Relaxed);
        let mut listed = self.listed.borrow_mut();
        listed.insert(event, (kind, tries));
        if listed.len() > DEAD_LETTERS_MAX {
            // As the engine does.
            listed.pop_first();
        }
        true
    }
}

fn target(id: &WebhookId, webhook: &Webhook) -> Option<Target> {
    let read = serde_json::from_slice::<HookDocument>(&webhook.document);
    let document = read
        .inspect_err(|error| {
            tracing::error!(webhook = %id, %error, "this build cannot read the webhook's document");
        })
        .ok()?;
    let secrets = document.secret.as_ref()?.webhook();
    Some(Target { document, secrets, version: webhook.version })
}

fn body(message: &str, letter: &Letter) -> Bytes {
    let body = json!({
        "id": message,
        "type": letter.event.kind.name(),
        "version": 1,
        "seq": letter.number.seq,
        "at": levee_api::time::Instant { ms: letter.at_ms },
        "data": letter.event.data,
    });
    body.to_string().into()
}

/// Before the next try: half of the longest pause at least, so that many do not come at once.
pub(super) fn pause(tries: u32, drawn: f64) -> Duration {
    backoff::pause(PAUSE_FIRST, PAUSE_MAX, tries.saturating_sub(1), drawn)
}
