//! The thread that fills a gate's directory of outlets and keeps it fresh.
//!
//! The engine is asked for the documents that were put after the last one that is known, in pages,
//! and only when it has written something since. So a gate in a process of its own learns of every
//! outlet, whichever gate it was put through, and an idle installation asks for nothing.

use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use levee_api::port::{
    Answer, Ask, AskBody, Deliver, Origin, OutletView, Priority, Query, Reply, Submit,
};
use levee_api::vitals::Phase;

use super::{Listing, Outlets};

/// From one look for something new to the next: so long an outlet that was put through another
/// gate is not found near a place.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Outlets of one page: enough to fill a directory in seconds, and not so many that the engine's
/// other work waits for them.
const PAGE_LEN: u32 = 256;

/// A page that takes longer is asked for again.
const PAGE_TIME_MAX: Duration = Duration::from_secs(10);

/// What the thread waits for.
enum News {
    Replies(Vec<(u64, Reply)>),
    Stop,
}

/// Where the engine leaves replies.
struct Inbox(Mutex<Sender<News>>);

impl Inbox {
    fn tell(&self, news: News) {
        // Fails once the thread has ended, when nobody wants it.
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).send(news);
    }
}

impl Deliver for Inbox {
    fn deliver(&self, replies: Vec<(u64, Reply)>) {
        self.tell(News::Replies(replies));
    }
}

/// The thread, until it is dropped.
pub(crate) struct Feed {
    inbox: Arc<Inbox>,
    thread: Option<JoinHandle<()>>,
}

impl Feed {
    pub(crate) fn start(submit: Arc<dyn Submit>, outlets: Arc<Outlets>) -> io::Result<Self> {
        let (sender, news) = channel();
        let inbox = Arc::new(Inbox(Mutex::new(sender)));
        let deliver: Arc<Inbox> = Arc::clone(&inbox);
        let feeder = move || {
            let origin = submit.register(deliver);
            let feeder = Feeder {
                submit: Arc::clone(&submit),
                origin,
                news,
                outlets,
                ticket: 0,
                known_seq: 0,
                looked_seq: None,
                first: Some(Vec::new()),
            };
            feeder.run();
            submit.release(origin);
        };
        let thread = thread::Builder::new().name("outlets".to_owned()).spawn(feeder)?;
        Ok(Self { inbox, thread: Some(thread) })
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.inbox.tell(News::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the outlets panicked");
        }
    }
}

struct Feeder {
    submit: Arc<dyn Submit>,
    origin: Origin,
    news: Receiver<News>,
    outlets: Arc<Outlets>,
    /// Number of the last question; older replies are not looked at.
    ticket: u64,
    /// Of the last document that is known.
    known_seq: u64,
    /// How far the engine was before the last look; none where that did not see all.
    looked_seq: Option<u64>,
    /// What was read so far, until everything was.
    first: Option<Vec<Arc<Listing>>>,
}

/// How a wait ended.
enum Waited {
    Page(Vec<OutletView>),
    /// The time is over, or there was no page.
    Nothing,
    Stopped,
}

impl Feeder {
    fn run(mut self) {
        let began = Instant::now();
        loop {
            let vitals = self.submit.vitals();
            let now_seq = vitals.durable_seq.load(Relaxed);
            let is_ready = vitals.phase() == Phase::Ready;
            let is_news = is_ready && self.looked_seq != Some(now_seq);
            let waited =
                if is_news && self.ask() { self.wait(PAGE_TIME_MAX) } else { Waited::Nothing };
            let views = match waited {
                Waited::Page(views) => views,
                Waited::Stopped => return,
                Waited::Nothing => {
                    if matches!(self.wait(LOOK_EVERY), Waited::Stopped) {
                        return;
                    }
                    continue;
                }
            };
            let is_last = views.len() < PAGE_LEN as usize;
            self.take(&views);
            if !is_last {
                continue;
            }
            self.looked_seq = Some(now_seq);
            if let Some(listings) = self.first.take() {
                let count = listings.len();
                self.outlets.fill(listings);
                let ms = began.elapsed().as_millis();
                tracing::info!(count, ms, "the gate knows the outlets");
            }
            if matches!(self.wait(LOOK_EVERY), Waited::Stopped) {
                return;
            }
        }
    }

    /// Whether the question is on its way.
    fn ask(&mut self) -> bool {
        self.ticket += 1;
        let within_ms = u32::try_from(PAGE_TIME_MAX.as_millis()).unwrap_or(u32::MAX);
        let query = Query::Outlets { after_seq: self.known_seq, limit: PAGE_LEN };
        let ask = Ask { ticket: self.ticket, within_ms, body: AskBody::Query(Box::new(query)) };
        let (now, mut asks) = (Instant::now(), vec![ask]);
        let outcome = self.submit.submit(self.origin, Priority::Status, now, &mut asks);
        if let Err(failure) = outcome {
            tracing::debug!(?failure, "the outlets are looked at again in a moment");
        }
        outcome.is_ok()
    }

    /// Waits for the page that was asked for, and for nothing else.
    fn wait(&self, time: Duration) -> Waited {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.news.recv_timeout(left) {
                Ok(News::Stop) | Err(RecvTimeoutError::Disconnected) => return Waited::Stopped,
                Err(RecvTimeoutError::Timeout) => return Waited::Nothing,
                Ok(News::Replies(replies)) => {
                    for (ticket, reply) in replies {
                        if ticket != self.ticket {
                            continue;
                        }
                        let Reply::Answer(answer) = reply else { return Waited::Nothing };
                        let Answer::Outlets(views) = *answer else { return Waited::Nothing };
                        return Waited::Page(views);
                    }
                }
            }
        }
    }

    fn take(&mut self, views: &[OutletView]) {
        for view in views {
            self.known_seq = self.known_seq.max(view.put_seq);
            // Mostly this gate has put it itself.
            if self.outlets.knows(view.number, view.version) {
                continue;
            }
            let OutletView { number, version, id, document, .. } = view;
            match self.outlets.listing_of_json(*number, *version, id.clone(), document) {
                Ok(listing) => match &mut self.first {
                    Some(first) => first.push(Arc::new(listing)),
                    None => self.outlets.take(Arc::new(listing)),
                },
                Err(malformed) => {
                    tracing::warn!(%id, %malformed, "an outlet's document is not understood");
                }
            }
        }
    }
}
