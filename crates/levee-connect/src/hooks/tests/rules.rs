//! The real rules in place of an engine, their journal in memory, and an app that is told.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::{Request, Response};
use levee_api::document::compile_json;
use levee_api::intake::Intake;
use levee_api::port::{
    Ask, AskBody, Deliver, Fact, Facts, FactsError, Failure, FollowFacts, Origin, Priority, Query,
    Reply, Submit,
};
use levee_api::types::*;
use levee_api::vitals::{Phase, Vitals};
use levee_core::{RuleBook, State, Verdict};
use serde_json::{Value, json};

use crate::http::{Answering, Party};

const NOW_MS: u64 = 1_000;

/// How long the app takes for an answer.
const ANSWER: Duration = Duration::from_millis(20);

const CAMPAIGNS: u8 = 6;

/// Most vouchers of one campaign that a user may have.
const PER_USER: u32 = 100;

/// An engine that decides at once.
pub(super) struct Rules {
    inner: Arc<Mutex<Inner>>,
    places: Mutex<Vec<Arc<dyn Deliver>>>,
    vitals: Vitals,
    intake: Arc<Intake>,
    /// Questions are answered as by an engine that stops.
    pub(super) is_stopping: AtomicBool,
    /// Such questions.
    pub(super) turned_away: AtomicUsize,
}

struct Inner {
    state: State,
    facts: Vec<Fact>,
    first_seq: u64,
    claims: BTreeMap<u8, u32>,
}

impl Rules {
    /// With open campaigns, so that users may have many vouchers.
    pub(super) fn new() -> Arc<Self> {
        let state = State::new(RuleBook::RELEASED);
        let (facts, first_seq, claims) = (Vec::new(), 1, BTreeMap::new());
        let inner = Arc::new(Mutex::new(Inner { state, facts, first_seq, claims }));
        let rules = Arc::new(Self {
            inner,
            places: Mutex::default(),
            vitals: Vitals::default(),
            intake: Arc::default(),
            is_stopping: AtomicBool::new(false),
            turned_away: AtomicUsize::new(0),
        });
        rules.vitals.set_phase(Phase::Ready);
        (0..CAMPAIGNS).for_each(|number| rules.open_campaign(number));
        rules
    }

    fn open_campaign(&self, number: u8) {
        let document = json!({
            "id": format!("tea-{number}"), "name": "Tea", "currency": "CNY",
            "opens_at": "1970-01-01T00:00:00Z", "closes_at": "1971-01-01T00:00:00Z",
            "voucher": {"kind": "amount_off", "face_minor": 1, "valid_for": "P7D",
                        "per_user": PER_USER},
        });
        let definition = compile_json(document.to_string().as_bytes()).expect("good");
        let campaign = definition.id.clone();
        let request = |what| RequestKey([what, number, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
        let create = CreateCampaign { request: request(1), definition };
        self.done(Command::CreateCampaign(Box::new(create)));
        self.done(Command::MoveBudget(Box::new(MoveBudget {
            request: request(2),
            campaign: campaign.clone(),
            direction: Direction::Fund,
            purpose: Purpose::Vouchers,
            amount_minor: 1_000_000,
            reference: Reference::new("first").expect("short"),
        })));
        self.done(Command::ChangeCampaignState(Box::new(ChangeCampaignState {
            request: request(3),
            campaign,
            change: StateChange::Open,
            reason: String::new(),
        })));
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no panic")
    }

    /// What must not be refused; its place in the journal.
    #[track_caller]
    pub(super) fn done(&self, command: Command) -> u64 {
        match self.reply(&AskBody::Command(command)) {
            Reply::Done { seq, .. } => seq,
            other => panic!("not done: {other:?}"),
        }
    }

    /// A user claims a voucher: one event.
    pub(super) fn claim(&self, user: u8) -> u64 {
        let mut inner = self.inner();
        let before = inner.claims.entry(user).or_default();
        let campaign = CampaignNo(*before / PER_USER);
        *before += 1;
        let mut request = [user; 16];
        request[..8].copy_from_slice(&inner.state.last_seq().to_be_bytes());
        drop(inner);
        self.done(Command::ClaimVoucher(ClaimVoucher {
            campaign,
            terms_version: 1,
            conditions_met: 0,
            user: UserKey([user; 16]),
            request: Some(RequestKey(request)),
        }))
    }

    pub(super) fn webhook(&self, id: &WebhookId) -> Webhook {
        let inner = self.inner();
        match inner.state.answer(NOW_MS, &Query::Webhooks { after: None, limit: 9 }) {
            levee_api::port::Answer::Webhooks(all) => {
                all.into_iter().find(|(other, _)| other == id).expect("it is there").1
            }
            other => panic!("{other:?}"),
        }
    }

    /// Whoever has archived segments deletes them.
    pub(super) fn keep_from(&self, first_seq: u64) {
        self.inner().first_seq = first_seq;
    }

    fn reply(&self, body: &AskBody) -> Reply {
        let mut inner = self.inner();
        let command = match body {
            AskBody::Query(query) => {
                return Reply::Answer(Box::new(inner.state.answer(NOW_MS, query)));
            }
            AskBody::Command(command) => command,
        };
        let seq = inner.state.last_seq() + 1;
        match inner.state.apply(NOW_MS, seq, command) {
            Verdict::Done(outcome) => {
                let (command, at_ms) = (command.clone(), NOW_MS);
                inner.facts.push(Fact { seq, at_ms, command, outcome: outcome.clone() });
                self.vitals.durable_seq.store(seq, Relaxed);
                Reply::Done { seq, at_ms, outcome, repeated: false }
            }
            Verdict::Repeat { seq, at_ms, outcome } => {
                Reply::Done { seq, at_ms, outcome, repeated: true }
            }
            Verdict::Refused(refusal) => Reply::Refused(refusal),
        }
    }
}

impl Submit for Rules {
    fn register(&self, deliver: Arc<dyn Deliver>) -> Origin {
        let mut places = self.places.lock().expect("no panic");
        places.push(deliver);
        Origin(u32::try_from(places.len() - 1).expect("a few"))
    }

    fn submit(
        &self,
        origin: Origin,
        _: Priority,
        _: Instant,
        asks: &mut Vec<Ask>,
    ) -> Result<(), Failure> {
        if self.is_stopping.load(Relaxed) {
            self.turned_away.fetch_add(1, Relaxed);
            return Err(Failure::Stopping);
        }
        let replies = asks.drain(..).map(|ask| (ask.ticket, self.reply(&ask.body))).collect();
        self.places.lock().expect("no panic")[origin.0 as usize].deliver(replies);
        Ok(())
    }

    fn vitals(&self) -> &Vitals {
        &self.vitals
    }

    fn intake(&self) -> &Arc<Intake> {
        &self.intake
    }
}

impl Facts for Rules {
    fn follow(&self, after_seq: u64) -> Result<Box<dyn FollowFacts>, FactsError> {
        Ok(Box::new(Place { inner: Arc::clone(&self.inner), after_seq }))
    }

    fn first_seq(&self) -> io::Result<Option<u64>> {
        Ok(Some(self.inner().first_seq))
    }
}

struct Place {
    inner: Arc<Mutex<Inner>>,
    after_seq: u64,
}

impl FollowFacts for Place {
    fn next(&mut self, count_min: usize) -> Result<Vec<Fact>, FactsError> {
        let inner = self.inner.lock().expect("no panic");
        if self.after_seq + 1 < inner.first_seq {
            return Err(FactsError::Removed { first_seq: inner.first_seq });
        }
        let later = inner.facts.iter().filter(|fact| fact.seq > self.after_seq);
        let facts = later.take(count_min.max(1)).cloned().collect::<Vec<_>>();
        self.after_seq = facts.last().map_or(self.after_seq, |fact| fact.seq);
        Ok(facts)
    }
}

/// The app's back end.
#[derive(Default)]
pub(super) struct App {
    /// Places in the journal whose events it cannot take.
    fails: Mutex<Vec<u64>>,
    /// What it was told, in order.
    heard: Mutex<Vec<u64>>,
    /// How often it was called for each.
    calls: Mutex<BTreeMap<u64, u32>>,
}

impl App {
    pub(super) fn fail(&self, seqs: impl IntoIterator<Item = u64>) {
        *self.fails.lock().expect("no panic") = seqs.into_iter().collect();
    }

    pub(super) fn heard(&self) -> Vec<u64> {
        self.heard.lock().expect("no panic").clone()
    }

    pub(super) fn calls(&self, seq: u64) -> u32 {
        self.calls.lock().expect("no panic").get(&seq).copied().unwrap_or(0)
    }
}

impl Party for App {
    fn answer(&self, request: Request<Bytes>) -> Answering {
        let event: Value = serde_json::from_slice(request.body()).expect("JSON");
        let seq = event["seq"].as_u64().expect("a number");
        *self.calls.lock().expect("no panic").entry(seq).or_default() += 1;
        let fails = self.fails.lock().expect("no panic").contains(&seq);
        if !fails {
            self.heard.lock().expect("no panic").push(seq);
        }
        let status = if fails { 500 } else { 204 };
        let answer = Response::builder().status(status).body(Bytes::new()).expect("good");
        Box::pin(async move {
            tokio::time::sleep(ANSWER).await;
            Some(answer)
        })
    }
}
