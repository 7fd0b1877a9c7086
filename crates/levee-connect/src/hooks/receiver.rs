//! One webhook: its events from the journal into lanes, one a user, and out of them.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::Method;
use levee_api::hook::{HookDocument, message_id};
use levee_api::port::{Fact, LIST_MAX};
use levee_api::types::{
    Command, DeadLetter, EventNo, REASON_LEN_MAX, RecordDeadLetter, UserKey, Webhook, WebhookId,
};
use levee_api::webhook::WebhookSecrets;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::Shared;
use super::events::{Draft, Event, drafts, event};
use super::progress::{Cursor, Progress};

/// Most events of one webhook under way; then reading waits.
const EVENTS_MAX: usize = 400;

/// Most calls of one webhook at a time.
const CALLS_MAX: usize = 16;

/// How many commands are read at once, at least.
const READ_MIN: usize = 256;

/// Between two looks at the journal where there was nothing new.
const LOOK: Duration = Duration::from_millis(100);

/// Reading takes this part of the time at most: each read goes over a whole segment.
const READ_PART: u32 = 20;

/// Before the second try of an event, at most; twice as long before each further one.
const PAUSE_FIRST: Duration = Duration::from_secs(1);

/// Longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(600);

/// What stands in a lane.
struct Letter {
    number: EventNo,
    at_ms: u64,
    event: Event,
    /// The command that waits for it: its own, or the one that had it sent again.
    settles_seq: u64,
}

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
    lanes: RefCell<HashMap<UserKey, VecDeque<Letter>>>,
    calls: Semaphore,
    stopped: Cell<bool>,
}

impl Receiver {
    /// `None` where this build cannot read the webhook's document.
    pub(super) fn new(
        shared: &Rc<Shared>,
        id: &WebhookId,
        webhook: &Webhook,
        cursor: Cursor,
    ) -> Option<Rc<Self>> {
        Some(Rc::new(Self {
            shared: Rc::clone(shared),
            id: id.clone(),
            created_seq: webhook.created_seq,
            target: RefCell::new(Rc::new(target(id, webhook)?)),
            progress: RefCell::new(Progress::new(cursor)),
            lanes: RefCell::default(),
            calls: Semaphore::new(CALLS_MAX),
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
        }
    }

    /// It is gone: nothing more is sent.
    pub(super) fn stop(&self) {
        self.stopped.set(true);
    }

    /// Reads, until it is stopped.
    pub(super) async fn run(self: Rc<Self>) {
        while !self.stopped.get() {
            let read_seq = self.progress.borrow().read_seq();
            let has_news = self.shared.engine.vitals().durable_seq.load(Relaxed) > read_seq;
            if !has_news || self.progress.borrow().open_count() >= EVENTS_MAX {
                sleep(LOOK).await;
                continue;
            }
            let began = Instant::now();
            let read = self.facts(read_seq, READ_MIN).await;
            let took = began.elapsed();
            match read {
                Some(facts) => self.take(facts).await,
                None => sleep(10 * LOOK).await,
            }
            sleep(LOOK.max(took * READ_PART)).await;
        }
    }

    async fn facts(&self, after_seq: u64, count_min: usize) -> Option<Vec<Fact>> {
        let journal = Arc::clone(&self.shared.journal);
        let read = tokio::task::spawn_blocking(move || journal.facts(after_seq, count_min));
        match read.await {
            Ok(Ok(facts)) => Some(facts),
            Ok(Err(error)) => {
                tracing::error!(webhook = %self.id, after_seq, %error, "the journal cannot be read");
                None
            }
            Err(_) => None,
        }
    }

    /// Puts the events of what was read into their lanes, while there is room.
    async fn take(self: &Rc<Self>, facts: Vec<Fact>) {
        for fact in facts {
            while self.progress.borrow().open_count() >= EVENTS_MAX {
                if self.stopped.get() {
                    return;
                }
                sleep(LOOK).await;
            }
            let seq = fact.seq;
            match &fact.command {
                Command::ReplayWebhook(replay) if replay.id == self.id => {
                    if self.progress.borrow_mut().replay(seq, replay.after_seq) {
                        tracing::info!(webhook = %self.id, replay.after_seq, "a replay begins");
                        return;
                    }
                }
                Command::RetryDeadLetter(retry) if retry.id == self.id => {
                    self.again(seq, retry.event).await;
                }
                _ => {
                    let letters = self.letters(&fact).await;
                    letters.into_iter().for_each(|letter| self.push(letter));
                }
            }
            self.progress.borrow_mut().read_up_to(seq);
        }
    }

    /// Puts one earlier event into its lane again.
    async fn again(self: &Rc<Self>, asked_seq: u64, number: EventNo) {
        loop {
            if let Some(facts) = self.facts(number.seq - 1, 1).await {
                if let Some(fact) = facts.iter().find(|fact| fact.seq == number.seq) {
                    let letters = self.letters(fact).await;
                    let wanted = letters.into_iter().find(|letter| letter.number == number);
                    let again = wanted.map(|letter| Letter { settles_seq: asked_seq, ..letter });
                    again.into_iter().for_each(|letter| self.push(letter));
                }
                return;
            }
            if self.stopped.get() {
                return;
            }
            sleep(10 * LOOK).await;
        }
    }

    /// The events of one command that this webhook is told of.
    async fn letters(&self, fact: &Fact) -> Vec<Letter> {
        let wanted = self.target.borrow().document.events.clone();
        let drafts: Vec<(u32, Draft)> = (0..).zip(drafts(fact, &self.shared.codes)).collect();
        let mut letters = Vec::new();
        // A tick tells of thousands, a question asks after two each.
        for drafts in drafts.chunks(LIST_MAX as usize / 2) {
            let subjects = drafts
                .iter()
                .flat_map(|(_, draft)| [draft.subject, draft.outlet.unwrap_or(draft.subject)]);
            let subjects: Vec<_> = subjects.collect();
            let known = loop {
                match self.shared.engine.known(subjects.clone()).await {
                    Ok(known) => break known,
                    // It is stopping, or has too much to do for this just now.
                    Err(_) if self.stopped.get() => return Vec::new(),
                    Err(_) => sleep(10 * LOOK).await,
                }
            };
            for ((index, draft), known) in drafts.iter().zip(known.chunks(2)) {
                let outlet = draft.outlet.map(|_| &known[1]);
                let codes = &self.shared.codes;
                let event = event(draft, *index, fact.at_ms, (&known[0], outlet), codes);
                letters.extend(event.filter(|event| wanted.contains(&event.kind)).map(|event| {
                    let number = EventNo { seq: fact.seq, index: *index };
                    Letter { number, at_ms: fact.at_ms, event, settles_seq: fact.seq }
                }));
            }
        }
        letters
    }

    fn push(self: &Rc<Self>, letter: Letter) {
        self.progress.borrow_mut().begin(letter.settles_seq);
        let user = letter.event.user;
        let mut lanes = self.lanes.borrow_mut();
        if let Some(lane) = lanes.get_mut(&user) {
            lane.push_back(letter);
            return;
        }
        lanes.insert(user, VecDeque::from([letter]));
        tokio::task::spawn_local(Rc::clone(self).empty(user));
    }

    /// Delivers a user's events one after the other.
    async fn empty(self: Rc<Self>, user: UserKey) {
        loop {
            let next = self.lanes.borrow_mut().get_mut(&user).and_then(VecDeque::pop_front);
            let Some(letter) = next else { break };
            if !self.deliver(&letter).await {
                return;
            }
            self.progress.borrow_mut().settle(letter.settles_seq);
        }
        self.lanes.borrow_mut().remove(&user);
    }

    /// Sends one event until it is taken, or a dead letter; `false` where the webhook is gone.
    async fn deliver(&self, letter: &Letter) -> bool {
        let message = message_id(&self.id, letter.number);
        let body = body(&message, letter);
        let mut tries = 0;
        loop {
            if self.stopped.get() {
                return false;
            }
            tries += 1;
            let target = Rc::clone(&self.target.borrow());
            let sent = {
                let _turn = self.calls.acquire().await.expect("it is never closed");
                let headers = target.secrets.headers(&message, now_s(), &body);
                let url = &target.document.url;
                self.shared.http.send(Method::POST, url, &headers, body.clone()).await
            };
            let trouble = match sent {
                Ok(_) => return true,
                Err(trouble) => trouble,
            };
            if tries >= target.document.tries {
                tracing::warn!(webhook = %self.id, message, tries, %trouble, "a dead letter");
                return self.bury(letter, tries, &trouble.to_string()).await;
            }
            tracing::debug!(webhook = %self.id, message, tries, %trouble, "is sent again");
            sleep(pause(tries, fastrand::f64()).max(trouble.retry_after())).await;
        }
    }

    async fn bury(&self, letter: &Letter, tries: u32, error: &str) -> bool {
        let error = error[..error.floor_char_boundary(REASON_LEN_MAX)].to_owned();
        let kind = letter.event.kind.number();
        let letter = DeadLetter { event: letter.number, kind, tries, error };
        let record = RecordDeadLetter { id: self.id.clone(), letter };
        while self.shared.engine.record(record.clone()).await.is_err() {
            if self.stopped.get() {
                return false;
            }
            sleep(10 * LOOK).await;
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
fn pause(tries: u32, drawn: f64) -> Duration {
    let longest = PAUSE_FIRST.saturating_mul(1 << (tries - 1).min(16)).min(PAUSE_MAX);
    longest.mul_f64(drawn.mul_add(0.5, 0.5))
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_ten_minutes() {
        for (tries, drawn, expected_ms) in
            [(1, 0.0, 500), (1, 1.0, 1_000), (2, 1.0, 2_000), (5, 0.0, 8_000), (150, 1.0, 600_000)]
        {
            assert_eq!(pause(tries, drawn), Duration::from_millis(expected_ms), "{tries} {drawn}");
        }
    }
}
