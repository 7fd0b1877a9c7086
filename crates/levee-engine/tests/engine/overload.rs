//! What an engine promises when more arrives than it can take.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use levee_api::port::{Ask, AskBody, Deliver, Failure, Priority, Query, Reply, Submit};
use levee_core::types::*;
use levee_journal::Reader;

use crate::harness::{Bench, claim, config, folder, id, start};

/// A place for replies that holds the engine's second thread until it is told to go on. The port
/// forbids it, and so does a disk that stands still for a while.
struct Held {
    reached: Mutex<Sender<()>>,
    go_on: Mutex<Receiver<()>>,
}

impl Deliver for Held {
    fn deliver(&self, _: Vec<(u64, Reply)>) {
        self.reached.lock().expect("one thread").send(()).expect("the test waits for it");
        // An error is a test that failed.
        let _ = self.go_on.lock().expect("one thread").recv();
    }
}

/// Holds the engine; it goes on when the sender is used or dropped.
fn hold(bench: &Bench) -> Sender<()> {
    let (reached, is_reached) = channel();
    let (release, go_on) = channel();
    let held = Held { reached: Mutex::new(reached), go_on: Mutex::new(go_on) };
    let origin = bench.engine.register(Arc::new(held));
    let mut asks = vec![question(0)];
    bench.engine.submit(origin, Priority::Status, Instant::now(), &mut asks).expect("room");
    is_reached.recv().expect("it answers");
    release
}

fn question(ticket: u64) -> Ask {
    Ask { ticket, within_ms: u32::MAX, body: AskBody::Query(Box::new(Query::Campaign(id()))) }
}

/// A claim of a user of its own.
fn crowd_claim(ticket: u64) -> Ask {
    let claim = Command::ClaimVoucher(ClaimVoucher {
        campaign: CampaignNo(0),
        terms_version: 1,
        conditions_met: 0,
        user: UserKey(u128::from(ticket).to_be_bytes()),
        request: None,
    });
    Ask { ticket, within_ms: u32::MAX, body: AskBody::Command(claim) }
}

const URGENT: [Priority; 3] = [Priority::Callback, Priority::Status, Priority::Redeem];

/// Tickets from here on are those of urgent asks.
const URGENT_TICKET: u64 = 1 << 40;

/// Hands one question over in each of the lanes before claims.
fn ask_urgently(bench: &Bench) {
    for (ticket, lane) in (URGENT_TICKET..).zip(URGENT) {
        bench.hand_over(lane, vec![question(ticket)]).expect("always finds room");
    }
}

/// Fills the lane of claims to the brim; returns how many the engine took in.
fn flood(bench: &Bench, first_ticket: u64) -> u64 {
    let mut tickets = first_ticket..;
    loop {
        let asks = tickets.by_ref().take(50).map(crowd_claim).collect();
        if let Err((failure, left)) = bench.hand_over(Priority::Claim, asks) {
            assert_eq!(failure, Failure::Overloaded);
            return tickets.start - first_ticket - left.len() as u64;
        }
    }
}

#[test]
fn what_comes_too_late_has_no_effect() {
    let (_folder, data) = folder();
    let bench = start(&config(&data), 1_000).expect("starts");
    bench.open_campaign();
    let long_ago = Instant::now().checked_sub(Duration::from_secs(9)).expect("up for longer");
    let (before, _) = bench.done(claim(1));
    let command = Ask { ticket: 1, within_ms: 8_999, body: AskBody::Command(claim(2)) };
    let query = Ask { within_ms: 0, ..question(2) };
    // A minute more than it can possibly have waited.
    let in_time = Ask { ticket: 3, within_ms: 69_000, body: AskBody::Command(claim(3)) };
    bench.hand_over_at(long_ago, Priority::Redeem, vec![command, query, in_time]).expect("room");
    for ticket in [1, 2] {
        let (told, reply) = bench.next();
        assert_eq!(told, ticket);
        assert!(matches!(reply, Reply::Failed(Failure::Expired)), "{reply:?}");
    }
    let seq = match bench.next() {
        (3, Reply::Done { seq, repeated: false, .. }) => seq,
        other => panic!("{other:?}"),
    };
    let chunks = bench.engine.export();
    let chunks = levee_api::port::Export::export(&chunks, before).expect("readable");
    let lines = String::from_utf8(chunks.flat_map(|chunk| chunk.expect("good")).collect());
    let lines = lines.expect("text");
    assert_eq!(lines.matches("claim_voucher").count(), 1, "{lines}");
    // The user may claim later all the same.
    let (later, _) = bench.done(claim(2));
    assert!(later > seq);
    let vitals = bench.engine.vitals();
    let expired = Priority::ALL.map(|lane| vitals.expired[lane as usize].load(Relaxed));
    assert_eq!(expired, [0, 0, 2, 0, 0]);
    assert_eq!(vitals.decided(Priority::Redeem), 1);
    // Each of the three waited for nine seconds and a little.
    let delay = &vitals.queue_delay[Priority::Redeem as usize];
    assert_eq!(delay.count(), 3);
    assert!((27_000_000..100_000_000).contains(&delay.sum_us()), "{}", delay.sum_us());
    bench.engine.stop().expect("ends well");
}

#[test]
fn what_is_urgent_goes_before_a_crowd_in_the_very_next_batch() {
    let (_folder, data) = folder();
    let mut config = config(&data);
    config.queue_capacity = 4_096;
    let bench = start(&config, 1_000).expect("starts");
    bench.open_campaign();
    let release = hold(&bench);
    let waiting = &bench.engine.vitals().waiting[Priority::Claim as usize];
    let claims = flood(&bench, 0);
    ask_urgently(&bench);
    // Only now is it known what the batches before can hold.
    let before_them = claims - waiting.load(Relaxed);
    release.send(()).expect("the engine waits");
    let mut urgent = Vec::new();
    for place in 0..claims + 3 {
        let (ticket, _) = bench.next();
        if ticket >= URGENT_TICKET {
            assert!(place - urgent.len() as u64 <= before_them, "{place} of {before_them}");
            urgent.push(ticket - URGENT_TICKET);
        }
    }
    assert_eq!(urgent, [0, 1, 2], "in the order of the lanes");
    bench.engine.stop().expect("ends well");
}

#[test]
fn what_is_urgent_goes_before_claims_that_did_not_fit_a_record() {
    let (_folder, data) = folder();
    let bench = start(&config(&data), 1_000).expect("starts");
    bench.open_campaign();
    bench.fund(50_000 * 500);
    let release = hold(&bench);
    // About ten records of the smallest segments.
    let claims = 20_000;
    bench.hand_over(Priority::Claim, (0..claims).map(crowd_claim).collect()).expect("room");
    while bench.engine.vitals().waiting[Priority::Claim as usize].load(Relaxed) > 0 {
        std::thread::yield_now();
    }
    ask_urgently(&bench);
    release.send(()).expect("the engine waits");
    let order: Vec<_> = (0..claims + 3).map(|_| bench.next().0).collect();
    let place = |ticket| order.iter().position(|other| *other == ticket).expect("answered");
    for (ticket, _) in (URGENT_TICKET..).zip(URGENT) {
        assert!(place(ticket) < 12_000, "{} of {claims}", place(ticket));
    }
    let of_crowd: Vec<_> = order.iter().filter(|ticket| **ticket < URGENT_TICKET).collect();
    assert!(of_crowd.is_sorted(), "nothing is left out or done twice");
    bench.engine.stop().expect("ends well");
}

#[test]
fn claims_over_the_limit_wait_and_nothing_else_does() {
    let (_folder, data) = folder();
    let mut config = config(&data);
    config.queue_capacity = 1_024;
    let bench = start(&config, 1_000).expect("starts");
    bench.open_campaign();
    let intake = Arc::clone(bench.engine.intake());
    intake.set_claims_per_s(1);
    let claims = flood(&bench, 0);
    ask_urgently(&bench);
    let mut answered = Vec::new();
    while answered.iter().filter(|ticket| **ticket >= URGENT_TICKET).count() < 3 {
        answered.push(bench.next().0);
    }
    let waiting = bench.engine.vitals().waiting[Priority::Claim as usize].load(Relaxed);
    // One a second: this is over long before the crowd is.
    assert!(waiting > 1_024 / 2, "{waiting}");
    // A higher limit holds from now on, and none at the end.
    intake.set_claims_per_s(2_000);
    while (answered.len() as u64) < 300 {
        answered.push(bench.next().0);
    }
    intake.set_claims_per_s(0);
    while (answered.len() as u64) < claims + 3 {
        answered.push(bench.next().0);
    }
    answered.sort_unstable();
    answered.dedup();
    assert_eq!(answered.len() as u64, claims + 3);
    bench.engine.stop().expect("ends well");
}

#[test]
fn claims_that_wait_for_the_limit_make_large_batches() {
    let (_folder, data) = folder();
    let bench = start(&config(&data), 1_000).expect("starts");
    bench.open_campaign();
    bench.fund(5_000 * 500);
    bench.engine.intake().set_claims_per_s(50_000);
    bench.hand_over(Priority::Claim, (0..5_000).map(crowd_claim).collect()).expect("room");
    for _ in 0..5_000 {
        bench.next();
    }
    bench.engine.stop().expect("ends well");
    let records = Reader::open(&data).expect("there");
    let counts: Vec<_> = records.map(|record| record.expect("good").count).collect();
    // A millisecond's worth of tokens at a time, or more; ticks and the set-up stand alone. The last
    // may be smaller, and waits for no more than it needs.
    let large = counts.iter().filter(|count| **count >= 50).sum::<u32>();
    assert!((4_951..=5_000).contains(&large), "{counts:?}");
}

#[test]
fn an_engine_that_stops_answers_what_waits_for_the_limit() {
    let (_folder, data) = folder();
    let bench = start(&config(&data), 1_000).expect("starts");
    bench.open_campaign();
    bench.engine.intake().set_claims_per_s(1);
    bench.hand_over(Priority::Claim, (0..1_000).map(crowd_claim).collect()).expect("room");
    bench.engine.stop().expect("ends well");
    let mut tickets: Vec<_> = (0..1_000).map(|_| bench.next().0).collect();
    tickets.sort_unstable();
    assert!((0..1_000).eq(tickets));
}

#[test]
fn who_waits_for_the_limit_too_long_is_told_so() {
    let (_folder, data) = folder();
    let bench = start(&config(&data), 1_000).expect("starts");
    bench.open_campaign();
    bench.engine.intake().set_claims_per_s(1);
    let late = |ticket| Ask { within_ms: 1, ..crowd_claim(ticket) };
    bench.hand_over(Priority::Claim, (0..1_000).map(late).collect()).expect("room");
    // At this rate it would take a quarter of an hour to decide over them.
    for _ in 0..1_000 {
        bench.next();
    }
    let vitals = bench.engine.vitals();
    assert!(vitals.expired[Priority::Claim as usize].load(Relaxed) > 900);
    assert_eq!(vitals.waiting[Priority::Claim as usize].load(Relaxed), 0);
    bench.engine.stop().expect("ends well");
}

#[test]
fn niceness_is_that_of_the_threads_that_decide_and_make_durable() {
    let niceness = |task: &std::path::Path| {
        // None of a thread that has just ended.
        let stat = std::fs::read_to_string(task.join("stat")).ok()?;
        // Behind the name, which ends with a bracket, the 17th field.
        let fields = stat.rsplit_once(") ").expect("a name").1;
        Some(fields.split(' ').nth(16).expect("Linux").parse::<i32>().expect("a number"))
    };
    let (_folder, data) = folder();
    let mut config = config(&data);
    // Upwards, which is always permitted.
    config.nice = 3;
    let bench = start(&config, 1_000).expect("starts");
    bench.open_campaign();
    let before = niceness("/proc/thread-self".as_ref()).expect("this one runs");
    for (name, nice) in [("levee-engine", 3), ("levee-journal", 3), ("levee-snapshot", 0)] {
        // Other tests may run in this process, and a thread names itself when it first runs.
        let is_there = || {
            let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
            tasks.map(|task| task.expect("readable").path()).any(|task| {
                let comm = std::fs::read_to_string(task.join("comm")).unwrap_or_default();
                comm.trim() == name && niceness(&task) == Some(before + nice)
            })
        };
        let until = Instant::now() + Duration::from_secs(10);
        while !is_there() {
            assert!(Instant::now() < until, "{name}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    bench.engine.stop().expect("ends well");
}
