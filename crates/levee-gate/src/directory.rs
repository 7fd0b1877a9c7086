//! Campaigns as a worker knows them: enough to make a claim's command and its answer without asking
//! the engine first.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use levee_api::port::{Answer, CampaignView, Priority, Query};
use levee_api::problem::Code;
use levee_api::types::{CampaignId, CampaignNo, CampaignState, Definition};

use crate::call::unexpected;
use crate::trouble::Trouble;
use crate::worker::Worker;

/// A draft that was read longer ago is read again.
const DRAFT_AGE_MAX: Duration = Duration::from_millis(500);

/// One campaign, as of some moment.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) number: CampaignNo,
    pub(crate) version: u32,
    /// Seen when it was no draft any more: what a claim's answer needs of the terms cannot change.
    pub(crate) frozen: bool,
    pub(crate) definition: Arc<Definition>,
    /// When it opened, on the intake's clock, in microseconds since 1970; 0 before it has.
    pub(crate) opened_us: Cell<u64>,
    /// When this was read.
    read_at: Instant,
}

/// The campaigns that were asked for. Only such as exist are kept, so their number is bounded.
#[derive(Debug, Default)]
pub(crate) struct Directory(RefCell<HashMap<String, Rc<Entry>>>);

impl Directory {
    fn get(&self, id: &str) -> Option<Rc<Entry>> {
        self.0.borrow().get(id).cloned()
    }

    fn keep(&self, view: CampaignView) -> Rc<Entry> {
        let entry = Rc::new(Entry {
            number: view.number,
            version: view.version,
            frozen: view.state != CampaignState::Draft,
            definition: view.definition,
            opened_us: Cell::new(0),
            read_at: Instant::now(),
        });
        let id = entry.definition.id.as_str().to_owned();
        self.0.borrow_mut().insert(id, Rc::clone(&entry));
        entry
    }
}

impl Worker {
    /// A campaign, as it was when this worker last looked.
    pub(crate) async fn campaign(&self, id: &str) -> Result<Rc<Entry>, Trouble> {
        match self.directory.get(id) {
            // A draft may open any moment, and everything about it may change before.
            Some(entry) if entry.frozen || entry.read_at.elapsed() < DRAFT_AGE_MAX => Ok(entry),
            _ => self.campaign_now(id).await,
        }
    }

    /// A campaign as it is now.
    pub(crate) async fn campaign_now(&self, id: &str) -> Result<Rc<Entry>, Trouble> {
        Ok(self.directory.keep(self.campaign_view(id).await?))
    }

    /// All of a campaign, as it is now.
    pub(crate) async fn campaign_view(&self, id: &str) -> Result<CampaignView, Trouble> {
        let not_found = || Trouble::new(Code::CampaignNotFound);
        let id = CampaignId::new(id).ok_or_else(not_found)?;
        match self.query(Priority::Browse, Query::Campaign(id)).await? {
            Answer::Campaign(view) => view.ok_or_else(not_found),
            other => Err(unexpected(&other)),
        }
    }
}
