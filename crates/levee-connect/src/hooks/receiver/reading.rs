//! From the journal into the lanes: what is read becomes events, as far as this webhook is told of
//! them.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use levee_api::port::{Fact, FactsError, FollowFacts, LIST_MAX};
use levee_api::types::{Command, EventNo, Known, Subject};
use tokio::time::sleep;

use super::{LOOK, Letter, Receiver};
use crate::hooks::events::{Draft, drafts, event};

/// How many commands are read at once, at least.
const READ_MIN: usize = 256;

/// Between two tries to read a journal that cannot be read.
const READ_AGAIN: Duration = Duration::from_secs(10);

/// Of a dead letter whose entry is gone and that was listed before the last start: what it was of is not
/// known any more.
const KIND_UNKNOWN: u8 = u8::MAX;

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
            if !has_news {
                sleep(LOOK).await;
                continue;
            }
            match self.read_on(&mut place, read_seq, READ_MIN).await {
                Ok(facts) => self.take(facts).await,
                Err(FactsError::Removed { first_seq }) => {
                    let passed_over = self.progress.borrow_mut().pass_over(first_seq);
                    self.vitals.passed_over.fetch_add(passed_over, Relaxed);
                    tracing::warn!(
                        webhook = %self.id, after_seq = read_seq, first_seq, passed_over,
                        "the journal does not reach back so far: what was deleted is told to nobody"
                    );
                }
                Err(error @ FactsError::Unreadable(_)) => self.pause(read_seq, &error).await,
            }
        }
    }

    async fn pause(&self, after_seq: u64, error: &FactsError) {
        tracing::error!(webhook = %self.id, after_seq, %error, "the journal cannot be read");
        sleep(READ_AGAIN).await;
    }

    /// Reads on behind `after_seq`: from where the last read ended, or from a new place.
    async fn read_on(
        &self,
        place: &mut Option<Place>,
        after_seq: u64,
        count_min: usize,
    ) -> Result<Vec<Fact>, FactsError> {
        let journal = Arc::clone(&self.shared.journal);
        let known = place.take().filter(|place| place.after_seq == after_seq);
        let read = tokio::task::spawn_blocking(move || {
            let mut facts = match known {
                Some(place) => place.facts,
                None => journal.follow(after_seq)?,
            };
            facts.next(count_min).map(|read| (read, facts))
        });
        let (read, facts) = read.await.map_err(io::Error::other)??;
        let after_seq = read.last().map_or(after_seq, |fact| fact.seq);
        *place = Some(Place { after_seq, facts });
        Ok(read)
    }

    /// Puts the events of what was read into their lanes, as there is room.
    async fn take(self: &Rc<Self>, facts: Vec<Fact>) {
        let Some(letters) = self.letters(&facts).await else { return };
        let mut letters = letters.into_iter().peekable();
        for fact in facts {
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
                Command::RetryDeadLetter(retry)
                    if retry.id == self.id && !self.again(seq, retry.event).await =>
                {
                    return;
                }
                _ => {}
            }
            while let Some(letter) = letters.next_if(|letter| letter.number.seq == seq) {
                if !self.push(letter).await {
                    return;
                }
            }
            self.progress.borrow_mut().read_up_to(seq);
        }
    }

    /// Puts one earlier event into its lane again, or back among the dead letters where its entry is not
    /// kept any more; `false` where the webhook is gone.
    async fn again(self: &Rc<Self>, asked_seq: u64, number: EventNo) -> bool {
        while !self.stopped.get() {
            match self.read_on(&mut None, number.seq - 1, 1).await {
                Ok(facts) => {
                    let of_it = facts.into_iter().filter(|fact| fact.seq == number.seq);
                    let Some(letters) = self.letters(&of_it.collect::<Vec<_>>()).await else {
                        return false;
                    };
                    let wanted = letters.into_iter().find(|letter| letter.number == number);
                    let Some(letter) = wanted else {
                        let (kind, tries) = self.listed_as(number);
                        let why = "this webhook is not told of such events any more";
                        return self.record(number, kind, tries, why).await;
                    };
                    return self.push(Letter { settles_seq: asked_seq, ..letter }).await;
                }
                Err(error @ FactsError::Removed { .. }) => {
                    let (kind, tries) = self.listed_as(number);
                    return self.record(number, kind, tries, &error.to_string()).await;
                }
                Err(error @ FactsError::Unreadable(_)) => self.pause(number.seq - 1, &error).await,
            }
        }
        false
    }

    /// A dead letter's kind and tries, as it was listed before it was to be sent again.
    fn listed_as(&self, number: EventNo) -> (u8, u32) {
        self.listed.borrow().get(&number).copied().unwrap_or((KIND_UNKNOWN, 0))
    }

    /// The events of commands that this webhook is told of, in order; `None` where the webhook is gone.
    async fn letters(&self, facts: &[Fact]) -> Option<Vec<Letter>> {
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
            let known = self.known(asked.flatten().collect()).await?;
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
        Some(letters)
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
