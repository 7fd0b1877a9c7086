//! One receiver, the real rules and an app, by a clock that goes on only when everybody waits.

mod rules;

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use levee_api::hook::{EventKind, HookDocument, compile};
use levee_api::types::*;
use serde_json::json;
use tokio::task::LocalSet;
use tokio::time::sleep;

use self::rules::{App, Rules};
use super::progress::Cursor;
use super::*;
use crate::http::Http;

/// Longest wait for what must come, by the clock that does not wait.
const WAIT: Duration = Duration::from_secs(86_400);

/// One webhook, told of claims.
struct Bench {
    rules: Arc<Rules>,
    app: Arc<App>,
    shared: Rc<Shared>,
    id: WebhookId,
    created_seq: u64,
}

impl Bench {
    fn new() -> Self {
        let (rules, app) = (Rules::new(), Arc::<App>::default());
        let shared = Rc::new(Shared {
            engine: Engine::new(Arc::clone(&rules) as Arc<dyn Submit>),
            journal: Arc::clone(&rules) as Arc<dyn Facts>,
            codes: Arc::new(Codes::new(&[1; 32], 0)),
            http: Http::to(CALL_MAX, Arc::clone(&app) as Arc<dyn crate::http::Party>),
        });
        let id = WebhookId::new("app").expect("an id");
        let document: HookDocument = serde_json::from_value(json!({
            "url": "http://app.example/levee", "events": ["voucher.claimed"], "tries": 3,
            "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        }))
        .expect("good");
        let put = compile(&id, &document).expect("good");
        let created_seq = rules.done(Command::PutWebhook(Box::new(put)));
        Self { rules, app, shared, id, created_seq }
    }

    /// Starts as a server would with this cursor in its file.
    fn start_at(&self, after_seq: u64) -> Rc<Receiver> {
        let cursor = Cursor { created_seq: self.created_seq, after_seq, replays_until_seq: 0 };
        let webhook = self.rules.webhook(&self.id);
        let receiver = Receiver::new(&self.shared, &self.id, &webhook, cursor).expect("readable");
        tokio::task::spawn_local(Rc::clone(&receiver).run());
        receiver
    }

    fn start(&self) -> Rc<Receiver> {
        self.start_at(self.created_seq)
    }

    /// The dead letters: what they are of, how often each was sent, and why they are.
    fn dead(&self) -> Vec<(u64, u32, String)> {
        let dead = self.rules.webhook(&self.id).dead.into_iter();
        dead.map(|letter| (letter.event.seq, letter.tries, letter.error)).collect()
    }

    fn dead_seqs(&self) -> Vec<u64> {
        self.dead().into_iter().map(|(seq, ..)| seq).collect()
    }

    fn retry(&self, seq: u64) -> u64 {
        self.rules.done(Command::RetryDeadLetter(Box::new(RetryDeadLetter {
            request: RequestKey([100 + u8::try_from(self.dead().len()).expect("few"); 16]),
            id: self.id.clone(),
            event: EventNo { seq, index: 0 },
        })))
    }

    fn bury(&self, seq: u64) {
        let event = EventNo { seq, index: 0 };
        let kind = EventKind::VoucherClaimed.number();
        let letter = DeadLetter { event, kind, tries: 3, error: "status 500".to_owned() };
        let record = RecordDeadLetter { id: self.id.clone(), letter };
        self.rules.done(Command::RecordDeadLetter(Box::new(record)));
    }
}

#[track_caller]
fn run(test: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
    LocalSet::new().block_on(&runtime.expect("an event loop"), test);
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = tokio::time::Instant::now();
    while !is_so() {
        assert!(began.elapsed() < WAIT, "{what}");
        sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn what_the_journal_has_no_more_is_passed_over_and_counted() {
    run(async {
        let bench = Bench::new();
        let claims = (0..10).map(|user| bench.rules.claim(user)).collect::<Vec<_>>();
        bench.rules.keep_from(claims[6]);
        let receiver = bench.start();
        until("what is kept is told", || bench.app.heard().len() == 4).await;
        assert_eq!(bench.app.heard(), claims[6..]);
        let hooks = &bench.shared.engine.vitals().hooks;
        let passed_over = || hooks.of(&bench.id).passed_over.load(Relaxed);
        assert_eq!(passed_over(), 6);
        // A replay that the gate could not know to reach too far.
        let last_seq = bench.rules.done(Command::ReplayWebhook(Box::new(ReplayWebhook {
            request: RequestKey([9; 16]),
            id: bench.id.clone(),
            after_seq: claims[2],
        })));
        until("it is replayed", || receiver.cursor().after_seq == last_seq).await;
        assert_eq!(bench.app.heard(), [&claims[6..], &claims[6..]].concat());
        assert_eq!(passed_over(), 6 + 3);
        show_first_seq(&bench.shared).await;
        assert_eq!(bench.shared.engine.vitals().first_seq.load(Relaxed), claims[6]);
    });
}

#[test]
fn a_dead_letter_whose_entry_is_gone_goes_back_with_the_reason() {
    run(async {
        let bench = Bench::new();
        let claims = (0..4).map(|user| bench.rules.claim(user)).collect::<Vec<_>>();
        claims[..2].iter().for_each(|seq| bench.bury(*seq));
        bench.rules.keep_from(claims[2]);
        let receiver = bench.start_at(claims[1]);
        until("what is kept is told", || bench.app.heard() == claims[2..]).await;
        let asked_seq = bench.retry(claims[1]);
        until("it is read", || receiver.cursor().after_seq >= asked_seq).await;
        let why = format!("the journal is kept from seq {} on; ", claims[2]);
        let back = &bench.rules.webhook(&bench.id).dead[1];
        let kind = EventKind::VoucherClaimed.number();
        assert_eq!((back.event.seq, back.kind, back.tries), (claims[1], kind, 3));
        assert!(back.error.starts_with(&why), "{back:?}");
        // Others go on.
        let next = bench.rules.claim(9);
        until("the next is told", || bench.app.heard().last() == Some(&next)).await;
        assert_eq!(bench.dead_seqs(), claims[..2]);
    });
}

#[test]
fn a_user_whose_events_all_fail_stops_nobody_else() {
    run(async {
        let bench = Bench::new();
        let failing = (0..500).map(|_| bench.rules.claim(1)).collect::<Vec<_>>();
        bench.app.fail(failing.clone());
        let others = (2..42).map(|user| bench.rules.claim(user)).collect::<Vec<_>>();
        let receiver = bench.start();
        let began = tokio::time::Instant::now();
        until("the others are told", || bench.app.heard().len() == others.len()).await;
        assert!(began.elapsed() < Duration::from_secs(120), "{:?}", began.elapsed());
        let early = bench.dead();
        assert!(early.iter().any(|(.., error)| error.starts_with("given up early")), "{early:?}");
        // None is lost: what still waits is told where it can be taken.
        bench.app.fail([]);
        until("all are told or dead letters", || {
            let Webhook { dead, dead_dropped, .. } = bench.rules.webhook(&bench.id);
            let told = bench.app.heard().len() - others.len();
            (told + dead.len()) as u64 + dead_dropped == failing.len() as u64
        })
        .await;
        let last_seq = || bench.shared.engine.vitals().durable_seq.load(Relaxed);
        until("all is settled", || receiver.cursor().after_seq == last_seq()).await;
    });
}

#[test]
fn a_user_is_told_in_order_where_some_were_given_up() {
    run(async {
        let bench = Bench::new();
        let all = (0..200).map(|_| bench.rules.claim(1)).collect::<Vec<_>>();
        bench.app.fail(all[..120].to_vec());
        bench.start();
        until("the last is told", || bench.app.heard().last() == all.last()).await;
        let heard = bench.app.heard();
        assert!(heard.is_sorted(), "{heard:?}");
        let mut told_or_dead = [bench.dead_seqs(), heard].concat();
        told_or_dead.sort_unstable();
        assert_eq!(told_or_dead, all);
    });
}

#[test]
fn an_outage_has_nothing_given_up_early() {
    run(async {
        let bench = Bench::new();
        let all = (0..1_000_u32).map(|number| bench.rules.claim((number % 250) as u8));
        let all = all.collect::<Vec<_>>();
        bench.app.fail(all.clone());
        bench.start();
        sleep(Duration::from_secs(9 * 3_600)).await;
        bench.app.fail([]);
        until("all are told", || bench.app.heard().len() + bench.dead().len() >= all.len()).await;
        let dead = bench.dead();
        // One try a minute: a few have had all of theirs.
        assert!(dead.len() < 60, "{dead:?}");
        let has_had_all =
            |(_, tries, error): &(u64, u32, String)| *tries == 3 && error.starts_with("status 500");
        assert!(dead.iter().all(has_had_all), "{dead:?}");
    });
}

#[test]
fn what_is_delivered_after_all_is_no_dead_letter_any_more() {
    run(async {
        let bench = Bench::new();
        let claims = (0..3).map(|user| bench.rules.claim(user)).collect::<Vec<_>>();
        // It was listed, and a crash came before the cursor was written.
        claims[..2].iter().for_each(|seq| bench.bury(*seq));
        bench.app.fail([claims[0]]);
        let receiver = bench.start();
        let last_seq = || bench.shared.engine.vitals().durable_seq.load(Relaxed);
        until("all is settled", || receiver.cursor().after_seq == last_seq()).await;
        assert_eq!(bench.app.heard(), claims[1..]);
        assert_eq!(bench.dead_seqs(), claims[..1], "one failed again, and is listed once");
        assert_eq!(bench.app.calls(claims[0]), 3);
        // A replay has it delivered.
        bench.app.fail([]);
        bench.rules.done(Command::ReplayWebhook(Box::new(ReplayWebhook {
            request: RequestKey([9; 16]),
            id: bench.id.clone(),
            after_seq: 0,
        })));
        until("it is replayed", || bench.app.heard().len() == 5).await;
        until("all is settled", || receiver.cursor().after_seq == last_seq()).await;
        assert_eq!(bench.dead(), []);
    });
}

#[test]
fn a_redelivery_that_a_crash_repeats_leaves_nothing_on_the_list() {
    run(async {
        let bench = Bench::new();
        let claim = bench.rules.claim(1);
        bench.bury(claim);
        let asked_seq = bench.retry(claim);
        // The redelivery failed and was listed, and a crash came before the cursor was written.
        bench.bury(claim);
        let receiver = bench.start_at(asked_seq - 1);
        until("it is told", || bench.app.heard() == [claim]).await;
        until("it is settled", || receiver.cursor().after_seq > asked_seq).await;
        assert_eq!(bench.dead(), []);
    });
}

#[test]
fn a_cursor_stays_where_the_engine_stops() {
    run(async {
        let bench = Bench::new();
        let claim = bench.rules.claim(1);
        bench.rules.is_stopping.store(true, Relaxed);
        let receiver = bench.start();
        until("the engine was asked", || bench.rules.turned_away.load(Relaxed) > 0).await;
        receiver.stop();
        sleep(Duration::from_secs(60)).await;
        assert_eq!(receiver.cursor().after_seq, bench.created_seq);
        // At the next start it is told.
        bench.rules.is_stopping.store(false, Relaxed);
        bench.start_at(receiver.cursor().after_seq);
        until("it is told", || bench.app.heard() == [claim]).await;
    });
}
