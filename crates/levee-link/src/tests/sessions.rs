//! What crosses, and how connections end.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use levee_api::port::{Answer, Ask, AskBody, Export, Failure, Priority, Query, Reply, Submit};
use levee_api::types::{CampaignId, Outcome, Refusal};
use levee_api::vitals::Phase;

use super::bench::{Bench, api_key, create, terms, until};
use super::engine::{BROKEN, ENDLESS};
use crate::gate::LinkError;

fn spring() -> AskBody {
    AskBody::Query(Box::new(Query::Campaign(CampaignId::new("spring").unwrap())))
}

#[test]
fn asks_and_replies_cross_with_their_age_and_lane() {
    let bench = Bench::start(None);
    let gate = bench.gate();
    let made = gate.ask(AskBody::Command(create(terms())));
    assert!(matches!(
        made,
        Reply::Done { seq: 1, outcome: Outcome::CampaignCreated { .. }, repeated: false, .. }
    ));
    let again = gate.ask(AskBody::Command(create(terms())));
    assert!(matches!(again, Reply::Done { repeated: true, .. }), "{again:?}");
    let Reply::Answer(answer) = gate.ask(spring()) else { panic!("a question has an answer") };
    let Answer::Campaign(Some(view)) = *answer else { panic!("it was made: {answer:?}") };
    assert_eq!(view.definition.terms, terms());

    let hour = Duration::from_secs(3_600);
    let arrived = Instant::now().checked_sub(hour).expect("the machine runs that long");
    let mut asks = vec![Ask { ticket: 9, within_ms: 1, body: spring() }];
    gate.engine.submit(gate.origin, Priority::Browse, arrived, &mut asks).expect("taken");
    assert_eq!(gate.replies.recv().expect("answered").0, 9);
    let (arrived, lane) = bench.engine.last.lock().unwrap().expect("asked");
    assert!(arrived.elapsed() >= hour && lane == Priority::Browse);

    *bench.engine.refuses.lock().unwrap() = Some(Failure::Overloaded);
    assert!(matches!(gate.ask(spring()), Reply::Failed(Failure::Overloaded)));
}

#[test]
fn thousands_at_once_are_answered_each_once() {
    let bench = Bench::start(None);
    let gate = bench.gate();
    let mut asks =
        (0..20_000).map(|ticket| Ask { ticket, within_ms: u32::MAX, body: spring() }).collect();
    gate.engine.submit(gate.origin, Priority::Claim, Instant::now(), &mut asks).expect("room");
    assert!(asks.is_empty());
    let mut tickets: Vec<_> = (0..20_000).map(|_| gate.replies.recv().unwrap().0).collect();
    tickets.sort_unstable();
    assert!(tickets.into_iter().eq(0..20_000));
    assert!(gate.replies.try_recv().is_err());
}

#[test]
fn when_the_engine_is_gone_the_gate_says_so_and_goes_on_by_itself() {
    let mut bench = Bench::start(None);
    let gate = bench.gate();
    assert!(matches!(gate.ask(AskBody::Command(create(terms()))), Reply::Done { seq: 1, .. }));
    until(|| gate.engine.vitals().durable_seq.load(Relaxed) == 1);
    bench.engine.silent.store(true, Relaxed);
    gate.submit(1, spring()).expect("taken");
    until(|| bench.engine.asked.load(Relaxed) == 2);
    bench.close();
    // What was under way is answered, what comes now is turned away at once.
    let (ticket, reply) = gate.replies.recv().expect("answered");
    assert!(ticket == 1 && matches!(reply, Reply::Failed(Failure::Lost)), "{reply:?}");
    assert_eq!(gate.engine.vitals().phase(), Phase::Unreachable);
    assert_eq!(gate.submit(2, spring()), Err(Failure::Unreachable));
    assert!(gate.engine.export(0).is_err());
    assert!(bench.is_free());
    bench.engine.silent.store(false, Relaxed);
    bench.open();
    until(|| gate.link.is_connected());
    assert!(matches!(
        gate.ask(AskBody::Command(create(terms()))),
        Reply::Done { repeated: true, .. }
    ));
}

#[test]
fn a_gate_ends_when_the_engine_is_another_or_knows_less() {
    let mut bench = Bench::start(None);
    let (one, two) = (bench.gate(), bench.gate());
    assert!(matches!(one.ask(AskBody::Command(create(terms()))), Reply::Done { seq: 1, .. }));
    until(|| two.engine.vitals().durable_seq.load(Relaxed) == 1);
    until(|| one.engine.vitals().durable_seq.load(Relaxed) == 1);
    bench.close();
    bench.engine.vitals().durable_seq.store(0, Relaxed);
    bench.open();
    until(|| one.link.ended().is_some() && two.link.ended().is_some());
    assert_eq!(one.link.ended(), Some(&LinkError::Older { told: 1, now: 0 }));
    assert_eq!(one.submit(1, spring()), Err(Failure::Unreachable));

    let three = bench.gate();
    bench.close();
    bench.installation.code_key = [9; 32];
    bench.open();
    until(|| three.link.ended().is_some());
    assert_eq!(three.link.ended(), Some(&LinkError::OtherInstallation));
}

#[test]
fn both_sides_must_know_the_shared_key() {
    let right = b"0123456789abcdef0123456789abcdef";
    let bench = Bench::start(Some(right));
    for wrong in [None, Some(&b"0123456789abcdef0123456789abcdeX"[..])] {
        let gate = bench.unready_gate(wrong);
        until(|| gate.link.ended().is_some());
        assert!(matches!(gate.link.ended(), Some(LinkError::SharedKey(_))));
        assert!(gate.link.installation().is_none() && gate.keys.lock().unwrap().is_empty());
    }
    let gate = bench.unready_gate(Some(right));
    until(|| gate.link.is_connected());
    assert_eq!(gate.link.installation(), Some(&bench.installation));
    // An engine that asks for none cannot show that it knows it.
    let open = Bench::start(None);
    let gate = open.unready_gate(Some(right));
    until(|| gate.link.ended().is_some());
    assert!(matches!(gate.link.ended(), Some(LinkError::SharedKey(_))));
}

#[test]
fn changed_keys_are_told() {
    let bench = Bench::start(None);
    let gate = bench.gate();
    until(|| gate.keys.lock().unwrap()[..] == [api_key("a")]);
    bench.keys.set(&["b", "c"]);
    until(|| gate.keys.lock().unwrap()[..] == [api_key("b"), api_key("c")]);
}

#[test]
fn what_a_gate_had_is_free_when_it_is_gone() {
    let bench = Bench::start(None);
    let (one, two) = (bench.gate(), bench.gate());
    one.engine.intake().report(0, levee_api::intake::GateReport::default());
    until(|| bench.engine.intake().gates().len() == 1);
    assert_eq!(bench.engine.origins.lock().unwrap().len(), 2);
    drop(one.link);
    until(|| bench.engine.origins.lock().unwrap().len() == 1);
    until(|| bench.engine.intake().gates().is_empty());
    assert!(matches!(two.ask(spring()), Reply::Answer(_)), "the other goes on");
    drop(two.link);
    until(|| bench.is_free());
}

#[test]
fn an_export_is_read_as_fast_as_it_is_taken() {
    let bench = Bench::start(None);
    let gate = bench.gate();
    let chunks = gate.engine.export(90).expect("it can be read");
    let text: Vec<u8> = chunks.flat_map(|chunk| chunk.expect("whole")).collect();
    assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 10);
    let error = gate.engine.export(BROKEN).err().expect("it cannot");
    assert!(error.to_string().contains("the disk is gone"), "{error}");

    bench.engine.read.store(0, Relaxed);
    let mut endless = gate.engine.export(ENDLESS).expect("it can be read");
    for _ in 0..100 {
        assert_eq!(endless.next().expect("endless").expect("whole").len(), 64 * 1024);
    }
    // Beside it, everything else goes on; and it waits for its reader: what stands between them is
    // bounded by windows and queues.
    let mut before = 0;
    loop {
        for _ in 0..50 {
            assert!(matches!(gate.ask(spring()), Reply::Answer(_)));
        }
        let now = bench.engine.read.load(Relaxed);
        if now == before {
            break;
        }
        before = now;
    }
    assert!(before < 100 + 64, "{before} chunks were read, 100 taken");
    drop(endless);
    // It no longer reads, and its place is free again: as many as there are places follow.
    for _ in 0..3 * crate::limits::EXPORTS_MAX {
        until(|| gate.engine.export(99).is_ok_and(|chunks| chunks.count() == 1));
    }
}

#[test]
fn refusals_cross() {
    let bench = Bench::start(None);
    let gate = bench.gate();
    gate.ask(AskBody::Command(create(terms())));
    let mut other = create(terms());
    if let levee_api::types::Command::CreateCampaign(create) = &mut other {
        create.request = levee_api::types::RequestKey([2; 16]);
    }
    let reply = gate.ask(AskBody::Command(other));
    assert!(matches!(reply, Reply::Refused(Refusal::CampaignExists)), "{reply:?}");
}
