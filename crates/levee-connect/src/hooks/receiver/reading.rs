//! From the journal into the lanes: what is read becomes events, as far as this webhook is told of
//! them.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use levee_api::port::{Fact, FollowFacts, LIST_MAX};
use levee_api::types::{Command, EventNo, Known, Subject};
use tokio::time::sleep;

use super::{EVENTS_MAX, LOOK, Letter, Receiver};
use crate::hooks::events::{Draft, drafts, event};

/// How many commands are read at once, at least.
const READ_MIN: usize = 256;

/// Between two tries to read a journal that cannot be read.
const READ_AGAIN: Duration = Duration::from_secs(10);

/// Where in the journal it reads on.
struct Place {
    after_seq: u64,
    facts: Box<dyn FollowFacts>,
}

impl Receiver {
    /// Reads, until it is stopped.
    pub(in crate::hooks) async fn run(self: Rc<Self>) {
        let mut place = None;
        while !self.stopped.get() {
            let read_seq = self.progress.borrow().read_seq();
            let has_news = self.shared.engine.vitals().durable_seq.load(Relaxed) > read_seq;
            if !has_news || self.progress.borrow().open_count() >= EVENTS_MAX {
                sleep(LOOK).await;
                continue;
            }
            match self.read_on(&mut place, read_seq, READ_MIN).await {
                Some(facts) => self.take(facts).await,
                None => sleep(READ_AGAIN).await,
            }
        }
    }

    /// Reads on behind `after_seq`: from where the last read ended, or from a new place.
    async fn read_on(
        &self,
        place: &mut Option<Place>,
        after_seq: u64,
        count_min: usize,
    ) -> Option<Vec<Fact>> {
        let journal = Arc::clone(&self.shared.journal);
        let known = place.take().filter(|place| place.after_seq == after_seq);
        let read = tokio::task::spawn_blocking(move || {
            let mut facts = match known {
                Some(place) => place.facts,
                None => journal.follow(after_seq)?,
            };
            facts.next(count_min).map(|read| (read, facts))
        });
        match read.await {
            Ok(Ok((read, facts))) => {
                let after_seq = read.last().map_or(after_seq, |fact| fact.seq);
                *place = Some(Place { after_seq, facts });
                Some(read)
            }
            Ok(Err(error)) => {
                tracing::error!(webhook = %self.id, after_seq, %error, "the journal cannot be read");
                None
            }
            Err(_) => None,
        }
    }

    /// Puts the events of what was read into their lanes, while there is room.
    async fn take(self: &Rc<Self>, facts: Vec<Fact>) {
        let mut letters = self.letters(&facts).await.into_iter().peekable();
        for fact in facts {
            while self.progress.borrow().open_count() >= EVENTS_MAX {
                if self.stopped.get() {
                    return;
                }
                sleep(LOOK).await;
            }
            let seq = fact.seq;
            match &fact.command {
                // One that has been gone back for before is over.
                Command::ReplayWebhook(replay)
                    if replay.id == self.id
                        && self.progress.borrow_mut().replay(seq, replay.after_seq) =>
                {
                    tracing::info!(webhook = %self.id, replay.after_seq, "a replay begins");
                    return;
                }
                Command::RetryDeadLetter(retry) if retry.id == self.id => {
                    self.again(seq, retry.event).await;
                }
                _ => {}
            }
            while let Some(letter) = letters.next_if(|letter| letter.number.seq == seq) {
                self.push(letter);
            }
            self.progress.borrow_mut().read_up_to(seq);
        }
    }

    /// Puts one earlier event into its lane again.
    async fn again(self: &Rc<Self>, asked_seq: u64, number: EventNo) {
        while !self.stopped.get() {
            if let Some(facts) = self.read_on(&mut None, number.seq - 1, 1).await {
                let of_it = facts.into_iter().filter(|fact| fact.seq == number.seq);
                let letters = self.letters(&of_it.collect::<Vec<_>>()).await;
                let wanted = letters.into_iter().find(|letter| letter.number == number);
                let again = wanted.map(|letter| Letter { settles_seq: asked_seq, ..letter });
                again.into_iter().for_each(|letter| self.push(letter));
                return;
            }
            sleep(READ_AGAIN).await;
        }
    }

    /// The events of commands that this webhook is told of, in order.
    async fn letters(&self, facts: &[Fact]) -> Vec<Letter> {
        let target = Rc::clone(&self.target.borrow());
        let wanted = |draft: &Draft| target.document.events.contains(&draft.kind);
        let drafts = facts.iter().flat_map(|fact| {
            let numbered = (0..).zip(drafts(fact, &self.shared.codes));
            numbered
                .filter(|(_, draft)| wanted(draft))
                .map(move |(index, draft)| (EventNo { seq: fact.seq, index }, fact.at_ms, draft))
        });
        let drafts = drafts.collect::<Vec<_>>();
        let mut letters = Vec::with_capacity(drafts.len());
        // Two may be asked of each.
        for drafts in drafts.chunks(LIST_MAX as usize / 2) {
            let asked = drafts.iter().flat_map(|(_, _, draft)| [Some(draft.subject), draft.outlet]);
            let Some(known) = self.known(asked.flatten().collect()).await else {
                return Vec::new();
            };
            let mut known = known.iter();
            for (number, at_ms, draft) in drafts {
                let subject = known.next().unwrap_or(&Known::Nothing);
                let outlet = draft.outlet.and_then(|_| known.next());
                let event = event(draft, number.index, (subject, outlet), &self.shared.codes);
                let (number, at_ms) = (*number, *at_ms);
                letters.extend(event.map(|event| Letter {
                    number,
                    at_ms,
                    event,
                    settles_seq: number.seq,
                }));
            }
        }
        letters
    }

    /// `None` where the webhook is gone before the engine could say.
    async fn known(&self, subjects: Vec<Subject>) -> Option<Vec<Known>> {
        while !self.stopped.get() {
            // It is stopping otherwise, or has too much to do for this just now.
            if let Ok(known) = self.shared.engine.known(subjects.clone()).await {
                return Some(known);
            }
            sleep(10 * LOOK).await;
        }
        None
    }
}
