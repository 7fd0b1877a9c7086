//! Webhooks: tell the app's back end what has happened.
//!
//! What there is to tell follows from the journal: each webhook reads durable commands with their
//! outcomes from its cursor on, turns them into events, and sends these at least once. Events of one
//! user go one after the other, those of others do not wait for them, and no webhook waits for
//! another. How far each has come is kept in a small file; dead letters are the engine's.
//!
//! | file | what is there |
//! |---|---|
//! | `events.rs` | which events follow from a command, and what they say; pure |
//! | `health.rs` | whether a receiver takes anything at all; pure |
//! | `lanes.rs` | events under way, and which is given up where places run short; pure |
//! | `progress.rs` | what is not settled yet, and the cursor that follows; pure |
//! | `cursors.rs` | the file |
//! | `engine.rs` | what is asked of the engine |
//! | `receiver.rs` | one webhook: tries, and what came of them |
//! | `receiver/reading.rs` | from the journal into the lanes |

mod cursors;
mod engine;
mod events;
mod health;
mod lanes;
mod progress;
mod receiver;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use levee_api::code::Codes;
use levee_api::port::{Facts, Submit};
use levee_api::types::WebhookId;
use levee_api::vitals::Phase;
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::task::LocalSet;
use tokio::time::sleep;

use self::cursors::Cursors;
use self::engine::Engine;
use self::receiver::Receiver;
use crate::http::{CALL_MAX, Http};
use crate::reach::Reach;

/// Between two looks at which webhooks there are, and two writes of cursors.
const LOOK: Duration = Duration::from_secs(1);

/// Delivery at work. It stops when dropped, and goes on at the next start where it was.
#[derive(Debug)]
pub struct Hooks {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// What all webhooks share.
struct Shared {
    engine: Engine,
    journal: Arc<dyn Facts>,
    codes: Arc<Codes>,
    http: Http,
}

impl Hooks {
    /// Starts beside an engine, which may still be recovering. Cursors are kept in `file`; receivers
    /// are where `reach` allows.
    ///
    /// # Errors
    /// The system gives no thread or no event loop.
    pub fn start(
        submit: Arc<dyn Submit>,
        journal: Arc<dyn Facts>,
        codes: Arc<Codes>,
        file: PathBuf,
        reach: Reach,
    ) -> io::Result<Self> {
        let (stop, mut stopping) = watch::channel(false);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let thread = thread::Builder::new().name("webhooks".to_owned()).spawn(move || {
            let engine = Engine::new(submit);
            let http = Http::new(CALL_MAX, reach);
            let shared = Rc::new(Shared { engine, journal, codes, http });
            let receivers = RefCell::default();
            let local = LocalSet::new();
            let cursors = local.block_on(&runtime, async {
                while shared.engine.vitals().phase() != Phase::Ready {
                    tokio::select! {
                        _ = stopping.changed() => return None,
                        () = sleep(LOOK / 10) => {}
                    }
                }
                let mut cursors = Cursors::load(file);
                tokio::select! {
                    // An error is that the other side is gone, which is as good.
                    _ = stopping.changed() => {}
                    () = look(&shared, &receivers, &mut cursors) => {}
                }
                Some(cursors)
            });
            if let Some(mut cursors) = cursors {
                keep(&receivers, &mut cursors);
            }
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Hooks {
    fn drop(&mut self) {
        // A thread that has ended hears nothing any more.
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

type Receivers = RefCell<BTreeMap<WebhookId, Rc<Receiver>>>;

/// Begins and ends receivers as webhooks are put and removed, for ever.
async fn look(shared: &Rc<Shared>, receivers: &Receivers, cursors: &mut Cursors) {
    let mut looked_at_seq = None;
    loop {
        let seq = shared.engine.vitals().durable_seq.load(Relaxed);
        if looked_at_seq != Some(seq)
            && let Ok(webhooks) = shared.engine.webhooks().await
        {
            let mut running = receivers.borrow_mut();
            running.retain(|id, receiver| {
                let is = webhooks.iter().find(|(other, _)| other == id);
                let goes_on = is.is_some_and(|(_, is)| is.created_seq == receiver.created_seq());
                if !goes_on {
                    receiver.stop();
                }
                goes_on
            });
            for (id, webhook) in &webhooks {
                if let Some(receiver) = running.get(id) {
                    receiver.put(webhook);
                    continue;
                }
                let cursor = cursors.of(id, webhook.created_seq, seq);
                if let Some(receiver) = Receiver::new(shared, id, webhook, cursor) {
                    tokio::task::spawn_local(Rc::clone(&receiver).run());
                    running.insert(id.clone(), receiver);
                }
            }
            cursors.forget_others(&webhooks.iter().map(|(id, _)| id.as_str()).collect());
            looked_at_seq = Some(seq);
        }
        show_first_seq(shared).await;
        receivers.borrow().values().for_each(|receiver| receiver.measure());
        keep(receivers, cursors);
        sleep(LOOK).await;
    }
}

/// Shows from where on the journal is kept, so that gates refuse replays of what is not. Whoever deletes
/// archived segments tells nobody.
async fn show_first_seq(shared: &Shared) {
    let journal = Arc::clone(&shared.journal);
    match tokio::task::spawn_blocking(move || journal.first_seq()).await {
        Ok(Ok(first_seq)) => {
            shared.engine.vitals().first_seq.store(first_seq.unwrap_or(0), Relaxed);
        }
        Ok(Err(error)) => tracing::error!(%error, "the journal's first seq cannot be read"),
        // It has panicked, or there is no event loop any more.
        Err(_) => {}
    }
}

fn keep(receivers: &Receivers, cursors: &mut Cursors) {
    let now = receivers.borrow();
    cursors.keep(now.iter().map(|(id, receiver)| (id.to_string(), receiver.cursor())).collect());
}

#[cfg(test)]
mod tests;
