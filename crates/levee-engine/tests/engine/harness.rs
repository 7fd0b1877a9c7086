//! One client of an engine, and the few commands that every test gives.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use levee_api::document::compile_json;
use levee_api::port::{
    Answer, Ask, AskBody, CampaignView, Deliver, Failure, Origin, Priority, Query, Reply, Submit,
};
use levee_core::RuleBook;
use levee_core::types::*;
use levee_engine::{Clock, Engine, EngineConfig, Keys, StartError};
use levee_journal::Options;

pub(crate) const KEYS: Keys<'static> = Keys { pseudonym: &[1; 32], code: &[2; 32] };

/// A clock that a test turns by hand.
#[derive(Clone, Default)]
pub(crate) struct HandClock(Arc<AtomicU64>);

impl HandClock {
    pub(crate) fn at(ms: u64) -> Self {
        let clock = Self::default();
        clock.set(ms);
        clock
    }

    pub(crate) fn set(&self, ms: u64) {
        self.0.store(ms, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Where replies arrive.
struct Inbox(Mutex<Sender<(u64, Reply)>>);

impl Deliver for Inbox {
    fn deliver(&self, replies: Vec<(u64, Reply)>) {
        let sender = self.0.lock().expect("nothing panics with it");
        for reply in replies {
            // A test that has what it wants is gone.
            let _ = sender.send(reply);
        }
    }
}

/// An engine with one client.
pub(crate) struct Bench {
    pub(crate) engine: Engine,
    pub(crate) clock: HandClock,
    origin: Origin,
    replies: Receiver<(u64, Reply)>,
}

pub(crate) fn config(data: &Path) -> EngineConfig {
    let mut config = EngineConfig::new(data, [3; 16]);
    config.journal = Options { segment_bytes: 256 * 1024, reserve_bytes: 0, ..Options::default() };
    // Tests of the journal replay all of it.
    config.snapshots.at_stop = false;
    config
}

/// Starts on a data folder, the clock at a time.
pub(crate) fn start(config: &EngineConfig, now_ms: u64) -> Result<Bench, StartError> {
    let clock = HandClock::at(now_ms);
    let engine = Engine::start(config, KEYS, |_| clock.clone())?;
    let (sender, replies) = channel();
    let origin = engine.register(Arc::new(Inbox(Mutex::new(sender))));
    Ok(Bench { engine, clock, origin, replies })
}

impl Bench {
    pub(crate) fn submit(&self, body: AskBody) -> Result<(), Failure> {
        let priority = Priority::Claim;
        let ask = Ask { ticket: 0, within_ms: u32::MAX, body };
        self.engine.submit(self.origin, priority, Instant::now(), &mut vec![ask])
    }

    /// Hands over asks that arrive now; with a failure come those that were not taken.
    pub(crate) fn hand_over(
        &self,
        lane: Priority,
        asks: Vec<Ask>,
    ) -> Result<(), (Failure, Vec<Ask>)> {
        self.hand_over_at(Instant::now(), lane, asks)
    }

    pub(crate) fn hand_over_at(
        &self,
        arrived: Instant,
        lane: Priority,
        mut asks: Vec<Ask>,
    ) -> Result<(), (Failure, Vec<Ask>)> {
        let taken = self.engine.submit(self.origin, lane, arrived, &mut asks);
        taken.map_err(|failure| (failure, asks))
    }

    /// The next reply with its ticket.
    pub(crate) fn next(&self) -> (u64, Reply) {
        self.replies.recv().expect("the engine answers")
    }

    pub(crate) fn reply(&self) -> Reply {
        self.next().1
    }

    pub(crate) fn command(&self, command: Command) -> Reply {
        self.submit(AskBody::Command(command)).expect("there is room");
        self.reply()
    }

    #[track_caller]
    pub(crate) fn done(&self, command: Command) -> (u64, Outcome) {
        match self.command(command) {
            Reply::Done { seq, outcome, repeated: false, .. } => (seq, outcome),
            other => panic!("not done: {other:?}"),
        }
    }

    pub(crate) fn campaign(&self) -> CampaignView {
        self.submit(AskBody::Query(Box::new(Query::Campaign(id())))).expect("there is room");
        match self.reply() {
            Reply::Answer(answer) => match *answer {
                Answer::Campaign(Some(view)) => view,
                other => panic!("no campaign: {other:?}"),
            },
            other => panic!("no answer: {other:?}"),
        }
    }

    /// Adds to the campaign's budget; an amount is added once.
    pub(crate) fn fund(&self, amount_minor: u64) {
        let mut request = [2; 16];
        request[..8].copy_from_slice(&amount_minor.to_be_bytes());
        self.done(Command::MoveBudget(Box::new(MoveBudget {
            request: RequestKey(request),
            campaign: id(),
            direction: Direction::Fund,
            purpose: Purpose::Vouchers,
            amount_minor,
            reference: Reference::new(&format!("budget-{amount_minor}")).expect("short"),
        })));
    }

    /// A percent campaign, funded and open.
    pub(crate) fn open_campaign(&self) {
        let document = serde_json::json!({
            "id": "spring", "name": "Spring", "currency": "CNY",
            "opens_at": "1970-01-01T00:00:00Z", "closes_at": "1971-01-01T00:00:00Z",
            "voucher": {"kind": "percent_off", "percent": 10, "max_minor": 500,
                        "valid_for": "PT1H", "rollback_within": "PT1H"}
        });
        let definition = compile_json(document.to_string().as_bytes()).expect("good");
        let request = RequestKey([1; 16]);
        self.done(Command::CreateCampaign(Box::new(CreateCampaign { request, definition })));
        self.fund(1_000_000);
        self.done(Command::ChangeCampaignState(Box::new(ChangeCampaignState {
            request: RequestKey([3; 16]),
            campaign: id(),
            change: StateChange::Open,
            reason: String::new(),
        })));
    }
}

pub(crate) fn id() -> CampaignId {
    CampaignId::new("spring").expect("a good id")
}

pub(crate) fn user(number: u8) -> UserKey {
    UserKey([number; 16])
}

pub(crate) fn claim(number: u8) -> Command {
    Command::ClaimVoucher(ClaimVoucher {
        campaign: CampaignNo(0),
        terms_version: 1,
        conditions_met: 0,
        user: user(number),
        request: None,
    })
}

/// A bill of an odd amount, so that rounding matters.
pub(crate) fn redeem(voucher: u32, number: u8) -> Command {
    Command::RedeemVoucher(Box::new(RedeemVoucher {
        request: RequestKey([100 + number; 16]),
        bill: Bill {
            voucher: VoucherNo(voucher),
            user: user(number),
            order_minor: 1_009,
            brand: None,
            categories: Categories::default(),
        },
        lock: None,
        reference: Reference::new(&format!("bill-{number}")).expect("short"),
    }))
}

/// A book whose only rules compute discounts in another way.
pub(crate) fn planted(discount_minor: fn(&VoucherTerms, u64) -> u64) -> RuleBook {
    let rules = vec![levee_core::Rules {
        version: 1,
        discount_minor,
        pace: levee_core::pacing::Pace::expecting,
    }];
    RuleBook::new(rules.leak())
}

pub(crate) fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    (folder, data)
}
