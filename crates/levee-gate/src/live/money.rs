//! The campaigns' money for the frames: asked of the engine once a second, and never waited for.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use levee_api::port::{
    Answer, Ask, AskBody, CampaignView, Deliver, LIST_MAX, Origin, Priority, Query, Reply, Submit,
};
use levee_api::wire::{CampaignTile, CampaignsBody, Tile, campaign_state};

use crate::metrics::CAMPAIGNS_SHOWN_MAX;

/// From one question to the next. A reply that takes longer is of no use, and is not waited for.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// What the engine said last, and who asks it.
pub(super) struct Money {
    submit: Arc<dyn Submit>,
    /// Known to the engine once there was a first question.
    origin: Option<Origin>,
    inbox: Arc<Inbox>,
    replies: Receiver<(u64, Reply)>,
    asked_at: Option<Instant>,
    /// Number of the last question; older replies are not looked at.
    ticket: u64,
    tile: Option<Tile<CampaignsBody>>,
}

/// Where the engine leaves replies.
struct Inbox(Mutex<Sender<(u64, Reply)>>);

impl Deliver for Inbox {
    fn deliver(&self, replies: Vec<(u64, Reply)>) {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for reply in replies {
            // Once the gate has stopped, nobody wants it.
            let _ = sender.send(reply);
        }
    }
}

impl Money {
    pub(super) fn new(submit: Arc<dyn Submit>) -> Self {
        let (sender, replies) = channel();
        let inbox = Arc::new(Inbox(Mutex::new(sender)));
        Self { submit, origin: None, inbox, replies, asked_at: None, ticket: 0, tile: None }
    }

    /// What is known; `None` until the engine has answered once.
    pub(super) fn tile(&self) -> Option<&Tile<CampaignsBody>> {
        self.tile.as_ref()
    }

    /// Takes what was answered, and asks again when it is time.
    pub(super) fn look(&mut self) {
        while let Ok((ticket, reply)) = self.replies.try_recv() {
            if let Reply::Answer(answer) = reply
                && let Answer::Campaigns(views) = *answer
                && ticket == self.ticket
            {
                self.tile = Some(tile(&views));
            }
        }
        if self.asked_at.is_none_or(|asked_at| asked_at.elapsed() >= ASK_EVERY) {
            self.ask();
        }
    }

    fn ask(&mut self) {
        let origin = *self.origin.get_or_insert_with(|| {
            let inbox: Arc<Inbox> = Arc::clone(&self.inbox);
            self.submit.register(inbox)
        });
        self.ticket += 1;
        // Also when it fails: an engine in trouble is not asked with every frame.
        let now = Instant::now();
        self.asked_at = Some(now);
        let query = Query::Campaigns { after: None, limit: LIST_MAX };
        let within_ms = u32::try_from(ASK_EVERY.as_millis()).unwrap_or(u32::MAX);
        let ask = Ask { ticket: self.ticket, within_ms, body: AskBody::Query(Box::new(query)) };
        if let Err(failure) = self.submit.submit(origin, Priority::Browse, now, &mut vec![ask]) {
            tracing::debug!(?failure, "the live stream goes on with the money of before");
        }
    }
}

fn tile(views: &[CampaignView]) -> Tile<CampaignsBody> {
    let shown = views.iter().filter(|view| view.money.funded_minor > 0).take(CAMPAIGNS_SHOWN_MAX);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    let campaigns = shown.map(|view| CampaignTile {
        id: view.definition.id.to_string(),
        state: campaign_state(view.state),
        currency: String::from_utf8_lossy(&view.definition.terms.currency).into_owned(),
        money: view.money.into(),
        counts: view.counts.into(),
    });
    let is = CampaignsBody { campaigns: campaigns.collect() };
    Tile { as_of: levee_api::time::Instant { ms }, is }
}
