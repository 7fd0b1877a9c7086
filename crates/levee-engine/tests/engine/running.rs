//! What a running engine promises.

use std::sync::atomic::Ordering::Relaxed;

use levee_api::port::{
    AskBody, Export, Facts, FactsError, Failure, FollowFacts, Query, Reply, Submit,
};
use levee_api::vitals::Phase;
use levee_core::types::{Command, Outcome, Refusal, Tick};
use levee_engine::Fault;
use levee_journal::Reader;

use crate::harness::{claim, config, folder, id, planted, redeem, start};

#[test]
fn a_reply_is_never_ahead_of_the_journal() {
    let (_folder, data) = folder();
    let bench = start(&config(&data), 1_000).expect("starts");
    bench.open_campaign();
    for number in 0..100 {
        let (seq, _) = bench.done(claim(number));
        let records = Reader::open(&data).expect("there").up_to_seq(seq);
        let last = records.map(|record| record.expect("good")).last().expect("some");
        assert!(last.first_seq + u64::from(last.count) > seq, "the record of {seq} is there");
    }
    bench.engine.stop().expect("ends well");
}

#[test]
fn repeats_and_refusals_are_not_journaled() {
    let (_folder, data) = folder();
    let bench = start(&config(&data), 1_000).expect("starts");
    bench.open_campaign();
    let (first, _) = bench.done(claim(1));
    for _ in 0..10 {
        match bench.command(claim(1)) {
            Reply::Done { seq, repeated: true, .. } => assert_eq!(seq, first),
            other => panic!("{other:?}"),
        }
        let refused = bench.command(redeem(77, 1));
        assert!(matches!(refused, Reply::Refused(Refusal::VoucherNotFound)), "{refused:?}");
    }
    // The next effect has the next number, ticks of the engine aside.
    let export = bench.engine.export();
    bench.done(claim(2));
    let chunks = export.export(first).expect("readable").map(|chunk| chunk.expect("good"));
    let lines = String::from_utf8(chunks.flatten().collect()).expect("text");
    assert!(lines.lines().all(|line| line.contains("\"tick\"") || line.contains("claim_voucher")));
    assert_eq!(lines.lines().filter(|line| line.contains("claim_voucher")).count(), 1);
    let vitals = bench.engine.vitals();
    assert_eq!((vitals.repeated.load(Relaxed), vitals.refused.load(Relaxed)), (10, 10));
}

#[test]
fn facts_are_read_on_from_any_command() {
    let (_folder, data) = folder();
    let bench = start(&config(&data), 1_000).expect("starts");
    bench.open_campaign();
    let claims = |range: std::ops::Range<u8>| -> Vec<u64> {
        range.map(|number| bench.done(claim(number)).0).collect()
    };
    let first = claims(0..20);
    let journal = bench.engine.export();
    // Ticks of the engine stand between them.
    let read = |place: &mut Box<dyn FollowFacts>, count_min| -> Vec<u64> {
        let facts = place.next(count_min).expect("readable").into_iter();
        facts
            .filter(|fact| matches!(fact.command, Command::ClaimVoucher(_)))
            .map(|fact| fact.seq)
            .collect()
    };
    for (index, seq) in first.iter().enumerate() {
        let mut place = journal.follow(*seq).expect("there");
        assert_eq!(read(&mut place, 1_000), first[index + 1..], "after {seq}");
    }
    let mut place = journal.follow(first[9]).expect("there");
    // One record at a time, where none must be.
    let one = read(&mut place, 0);
    assert!(one.len() <= 1, "{one:?}");
    assert_eq!([one, read(&mut place, 1_000)].concat(), first[10..]);
    let second = claims(20..30);
    assert_eq!(read(&mut place, 1_000), second);
    assert_eq!(read(&mut place, 1_000), [] as [u64; 0]);
    bench.engine.stop().expect("ends well");
}

#[test]
fn facts_that_are_not_kept_any_more_are_told_apart() {
    let (_folder, data) = folder();
    let bench = start(&config(&data), 1_000).expect("starts");
    bench.open_campaign();
    (1..=1_000).for_each(|amount_minor| bench.fund(amount_minor));
    let journal = bench.engine.export();
    assert_eq!(journal.first_seq().expect("readable"), Some(1));
    let segment = |ordinal: u32| data.join(format!("journal/{ordinal:010}.seg"));
    assert!(segment(3).exists(), "the engine writes to a later one");
    std::fs::remove_file(segment(1)).expect("there");
    let kept = journal.first_seq().expect("readable").expect("some are");
    assert!(kept > 1);
    let next = |after_seq| journal.follow(after_seq).and_then(|mut place| place.next(1));
    for after_seq in [0, kept - 2] {
        match next(after_seq) {
            Err(FactsError::Removed { first_seq }) => assert_eq!(first_seq, kept),
            other => panic!("after {after_seq}: {other:?}"),
        }
    }
    assert_eq!(next(kept - 1).expect("kept")[0].seq, kept);
}

#[test]
fn questions_and_refusals_leave_no_record() {
    let (_folder, data) = folder();
    let bench = start(&config(&data), 1_000).expect("starts");
    bench.open_campaign();
    let vitals = bench.engine.vitals();
    // The tick behind the last effect comes by itself; then there is nothing to follow.
    let effects = vitals.records.load(Relaxed);
    while vitals.records.load(Relaxed) == effects {}
    let after_tick = vitals.records.load(Relaxed);
    let asked = std::time::Instant::now();
    // Longer than a tick takes to follow; asking goes on all the time.
    while asked.elapsed() < std::time::Duration::from_millis(1_200) {
        bench.campaign();
        bench.command(redeem(77, 1));
    }
    assert_eq!(vitals.records.load(Relaxed), after_tick);
}

#[test]
fn a_full_queue_hands_back_what_it_cannot_take() {
    let (_folder, data) = folder();
    let mut config = config(&data);
    config.queue_capacity = 0;
    let bench = start(&config, 1_000).expect("starts");
    assert_eq!(
        bench.submit(AskBody::Query(Box::new(Query::Campaign(id())))),
        Err(Failure::Overloaded)
    );
    assert_eq!(bench.engine.vitals().overloaded.load(Relaxed), 1);
}

#[test]
fn a_stopped_engine_takes_no_more() {
    let (_folder, data) = folder();
    let bench = start(&config(&data), 1_000).expect("starts");
    bench.submit(AskBody::Query(Box::new(Query::Campaign(id())))).expect("there is room");
    bench.engine.stop().expect("ends well");
    assert!(matches!(bench.reply(), Reply::Answer(_)), "what was taken is answered");
    assert_eq!(
        bench.submit(AskBody::Query(Box::new(Query::Campaign(id())))),
        Err(Failure::Stopping)
    );
}

#[test]
fn an_engine_that_is_stopped_at_once_ends_well_every_time() {
    let (_folder, data) = folder();
    let bench = start(&config(&data), 1_000).expect("starts");
    bench.open_campaign();
    bench.engine.stop().expect("ends well");
    drop(bench);
    for round in 0..5 {
        let bench = start(&config(&data), 2_000 + round).expect("starts");
        bench.engine.stop().expect("ends well");
    }
}

#[test]
fn what_is_due_expires_without_being_asked() {
    let (_folder, data) = folder();
    let bench = start(&config(&data), 1_000).expect("starts");
    bench.open_campaign();
    bench.done(claim(1));
    bench.done(claim(2));
    bench.done(redeem(1, 2));
    bench.clock.set(1_000 + 3_600_000);
    // Ticks come by themselves; questions only wait for them.
    while bench.campaign().counts.expired == 0 || bench.campaign().money.reserved_minor > 0 {}
    let money = bench.campaign().money;
    assert_eq!((money.available_minor, money.spent_minor), (999_900, 100));
}

#[test]
fn journal_time_never_goes_back() {
    let (_folder, data) = folder();
    let bench = start(&config(&data), 50_000).expect("starts");
    bench.open_campaign();
    bench.clock.set(10);
    match bench.command(claim(1)) {
        Reply::Done { at_ms, .. } => assert_eq!(at_ms, 50_000),
        other => panic!("{other:?}"),
    }
    bench.engine.stop().expect("ends well");
    let bench = start(&config(&data), 10).expect("starts");
    match bench.command(claim(2)) {
        Reply::Done { at_ms, .. } => assert_eq!(at_ms, 50_000),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_jump_of_the_clock_stops_the_engine() {
    let (_folder, data) = folder();
    let bench = start(&config(&data), 1_000).expect("starts");
    bench.open_campaign();
    bench.clock.set(25 * 3_600_000 + 1_000);
    while bench.engine.fault().is_none() {
        std::thread::yield_now();
    }
    assert!(matches!(bench.engine.fault(), Some(Fault::ClockJump { hours: 25 })));
    assert_eq!(bench.engine.vitals().phase(), Phase::Failed);
}

#[test]
fn a_command_that_breaks_an_invariant_is_kept_and_refused_from_then_on() {
    let (_folder, data) = folder();
    let mut config = config(&data);
    // A discount over the face cannot be paid from what is reserved.
    config.rules = planted(|_, bill_minor| bill_minor);
    let bench = start(&config, 1_000).expect("starts");
    bench.open_campaign();
    bench.done(claim(1));
    let (last, _) = bench.done(claim(2));
    bench.submit(AskBody::Command(redeem(0, 1))).expect("there is room");
    while bench.engine.fault().is_none() {
        std::thread::yield_now();
    }
    let fault = bench.engine.fault().expect("just seen");
    assert!(matches!(&fault, Fault::Invariant { seq, .. } if *seq > last), "{fault}");
    assert!(bench.engine.stop().is_err());
    drop(bench);
    let kept = std::fs::read_dir(data.join("crash")).expect("made").count();
    assert_eq!(kept, 2, "the command, and what it broke");

    let bench = start(&config, 2_000).expect("starts again");
    let reply = bench.command(redeem(0, 1));
    assert!(matches!(reply, Reply::Failed(Failure::Quarantined)), "{reply:?}");
    let (_, outcome) = bench.done(claim(3));
    assert!(matches!(outcome, Outcome::Claimed { .. }), "others go on: {outcome:?}");
    bench.engine.stop().expect("ends well");
}

#[test]
fn gates_cannot_give_the_engines_own_commands() {
    let (_folder, data) = folder();
    let bench = start(&config(&data), 1_000).expect("starts");
    let tick = Command::Tick(Tick { limit: 1 });
    bench.submit(AskBody::Command(tick)).expect("there is room");
    while bench.engine.fault().is_none() {
        std::thread::yield_now();
    }
    assert!(matches!(bench.engine.fault(), Some(Fault::Invariant { .. })));
}
