//! Snapshots while the engine works, and starts from them.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use levee_api::port::{Reply, Submit};
use levee_api::vitals::Vitals;
use levee_core::types::{ClaimVoucher, Command, UserKey};
use levee_core::{RuleBook, State};
use levee_engine::recover::{newest_snapshot, replay};
use levee_engine::{EngineConfig, Keys, StartError};
use levee_journal::{OpenError, Reader, Snapshots};

use crate::harness::{Bench, HandClock, KEYS, claim, config, folder, redeem, start};

/// A snapshot whenever the smallest amount of journal was written.
fn often(data: &Path) -> EngineConfig {
    let mut config = config(data);
    config.snapshots.journal_bytes = 1;
    config.snapshots.at_stop = true;
    config
}

fn claim_of(number: u32) -> Command {
    let Command::ClaimVoucher(claim) = claim(0) else { unreachable!() };
    let mut user = [7; 16];
    user[..4].copy_from_slice(&number.to_le_bytes());
    Command::ClaimVoucher(ClaimVoucher { user: UserKey(user), ..claim })
}

fn wait_for_snapshots(bench: &Bench, count: u64) {
    while bench.engine.vitals().snapshots.load(Relaxed) < count {
        assert!(bench.engine.fault().is_none(), "{:?}", bench.engine.fault());
        std::thread::yield_now();
    }
}

/// Claims, a redemption, and three snapshots with claims between them.
fn make_snapshots(data: &Path) {
    let bench = start(&often(data), 1_000).expect("starts");
    bench.open_campaign();
    let mut user = 0;
    for count in 1..=3 {
        for _ in 0..200 {
            bench.done(claim_of(user));
            user += 1;
        }
        wait_for_snapshots(&bench, count);
    }
    bench.done(claim(1));
    bench.done(redeem(600, 1));
    bench.engine.stop().expect("ends well");
}

fn genesis_digest(data: &Path) -> [u8; 32] {
    let records = Reader::open(data).expect("there");
    let state = State::new(RuleBook::RELEASED);
    replay(records, state, &Vitals::default()).expect("replays").digest()
}

/// Through the newest snapshot that is good, and the number of commands after it.
fn snapshot_digest(data: &Path) -> ([u8; 32], u64, u64) {
    let vitals = Vitals::default();
    let found = newest_snapshot(&Snapshots::new(data), RuleBook::RELEASED, &vitals);
    let (head, state) = found.expect("can be listed").expect("one is good");
    let records = Reader::open(data).and_then(|reader| reader.from_seq(head.last_seq + 1));
    let state = replay(records.expect("there"), state, &vitals).expect("replays");
    (state.digest(), head.last_seq, vitals.replayed.load(Relaxed))
}

#[test]
fn a_snapshot_and_the_rest_make_the_state_that_the_whole_journal_makes() {
    let (_folder, data) = folder();
    make_snapshots(&data);
    let (digest, seq, replayed) = snapshot_digest(&data);
    assert_eq!(digest, genesis_digest(&data));
    assert_eq!(replayed, 0, "the one of the stop has all");
    assert_eq!(Snapshots::new(&data).list().expect("there").len(), 2, "two are kept");

    let bench = start(&often(&data), 2_000).expect("starts");
    assert_eq!(bench.engine.vitals().snapshot_seq.load(Relaxed), seq);
    assert_eq!(bench.engine.vitals().replayed.load(Relaxed), 0);
    match bench.command(claim(1)) {
        Reply::Done { repeated: true, .. } => {}
        other => panic!("a claim is known: {other:?}"),
    }
    match bench.command(redeem(600, 1)) {
        Reply::Done { repeated: true, .. } => {}
        other => panic!("a request is known: {other:?}"),
    }
    bench.done(claim(2));
    bench.engine.stop().expect("ends well");
    assert_eq!(snapshot_digest(&data).0, genesis_digest(&data));
}

#[test]
fn a_damaged_snapshot_falls_back_to_the_older_and_then_to_the_journal() {
    let (_folder, data) = folder();
    make_snapshots(&data);
    let expected = genesis_digest(&data);
    let [newest, older] = Snapshots::new(&data).list().expect("there")[..] else {
        panic!("two are kept")
    };
    damage(&data, newest);
    let (digest, seq, replayed) = snapshot_digest(&data);
    assert_eq!((digest, seq), (expected, older));
    assert!(replayed > 0, "what the older one lacks is replayed");
    start(&config(&data), 2_000).expect("starts").engine.stop().expect("ends well");

    damage(&data, older);
    let bench = start(&config(&data), 3_000).expect("starts from the journal alone");
    assert_eq!(bench.engine.vitals().snapshot_seq.load(Relaxed), 0);
    assert!(bench.engine.vitals().replayed.load(Relaxed) > 600);
    match bench.command(claim(1)) {
        Reply::Done { repeated: true, .. } => {}
        other => panic!("a claim is known: {other:?}"),
    }
}

#[test]
fn a_damaged_snapshot_does_not_count_as_one_that_is_kept() {
    let (_folder, data) = folder();
    make_snapshots(&data);
    let listed = || Snapshots::new(&data).list().expect("there");
    let [newest, older] = listed()[..] else { panic!("two are kept") };
    damage(&data, newest);
    let bench = start(&often(&data), 2_000).expect("starts");
    assert_eq!(listed(), [newest, older], "a start gives nothing up");
    for user in 10_000..10_200 {
        bench.done(claim_of(user));
    }
    bench.engine.stop().expect("ends well");
    let [new, kept] = listed()[..] else { panic!("two are kept") };
    assert!(new > newest && kept != newest, "{new} and {kept} beside the damaged {newest}");
    assert_eq!(snapshot_digest(&data).0, genesis_digest(&data));
    damage(&data, new);
    assert_eq!(snapshot_digest(&data).0, genesis_digest(&data), "through the other one");
}

fn damage(data: &Path, seq: u64) {
    let path = data.join("snapshots").join(format!("{seq:020}.snap"));
    let mut bytes = fs::read(&path).expect("there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).expect("written");
}

#[test]
fn without_its_archive_a_journal_goes_on_from_the_snapshot() {
    let (_folder, data) = folder();
    let mut plan = often(&data);
    // As small as an engine takes, so that some segments are full.
    plan.snapshots.journal_bytes = 64 * 1024;
    let bench = start(&plan, 1_000).expect("starts");
    bench.open_campaign();
    for user in 0..1_900 {
        bench.done(claim_of(user));
    }
    bench.engine.stop().expect("ends well");
    let archive = data.join("archive");
    let archived = fs::read_dir(&archive).expect("there").count();
    assert!(archived > 0, "what no snapshot needs is archived");
    fs::remove_dir_all(&archive).expect("the operator's to delete");

    let wrong = Keys { code: &[9; 32], ..KEYS };
    let refused = levee_engine::Engine::start(&plan, wrong, |_| HandClock::at(2_000)).err();
    assert!(matches!(refused, Some(StartError::WrongKey { which: "code" })), "{refused:?}");
    let bench = start(&plan, 2_000).expect("starts");
    match bench.command(claim_of(3)) {
        Reply::Done { repeated: true, .. } => {}
        other => panic!("a claim is known: {other:?}"),
    }
    bench.done(claim_of(5_000));
}

#[test]
fn a_snapshot_that_knows_more_than_the_journal_is_no_start() {
    let (_folder, data) = folder();
    make_snapshots(&data);
    fs::rename(data.join("journal"), data.join("kept")).expect("renamed");
    let lost = start(&config(&data), 2_000).err();
    assert!(matches!(lost, Some(StartError::JournalLost { .. })), "{lost:?}");

    // An older copy of the same journal: a shorter one with the same genesis.
    let (_other_folder, other) = folder();
    let bench = start(&config(&other), 1_000).expect("starts");
    bench.open_campaign();
    bench.engine.stop().expect("ends well");
    fs::rename(other.join("journal"), data.join("journal")).expect("renamed");
    let behind = start(&config(&data), 2_000).err();
    let behind = matches!(behind, Some(StartError::Journal(OpenError::Behind { .. })));
    assert!(behind, "what was acknowledged is not in this journal");
}

#[test]
fn a_snapshot_that_fails_costs_nothing_else() {
    let (_folder, data) = folder();
    fs::create_dir_all(&data).expect("made");
    // No folder can be made where a file is.
    fs::write(data.join("snapshots"), "in the way").expect("written");
    let mut plan = often(&data);
    plan.snapshots.at_stop = false;
    // The folder is listed at a start; the file comes in the way afterwards.
    fs::remove_file(data.join("snapshots")).expect("removed");
    let bench = start(&plan, 1_000).expect("starts");
    fs::write(data.join("snapshots"), "in the way").expect("written");
    bench.open_campaign();
    while bench.engine.vitals().snapshots_failed.load(Relaxed) == 0 {
        std::thread::yield_now();
    }
    for user in 0..100 {
        bench.done(claim_of(user));
    }
    bench.engine.stop().expect("ends well");
    assert_eq!(bench.engine.vitals().snapshots_failed.load(Relaxed), 1, "the next try is later");
    fs::remove_file(data.join("snapshots")).expect("removed");
    start(&often(&data), 2_000).expect("starts").engine.stop().expect("ends well");
}

#[test]
fn a_full_queue_makes_the_engine_wait_and_loses_nothing() {
    let (_folder, data) = folder();
    let mut plan = often(&data);
    plan.snapshots.queue_bytes = 1;
    plan.snapshots.bytes_per_s = 1 << 20;
    plan.snapshots.every = Duration::from_secs(3_600);
    let bench = start(&plan, 1_000).expect("starts");
    bench.open_campaign();
    for user in 0..1_900 {
        bench.done(claim_of(user));
        let queued = bench.engine.vitals().snapshot_queued_bytes.load(Relaxed);
        // What the sweep of one round and one batch copy, at the most.
        assert!(queued <= 1 << 20, "{queued} bytes wait");
    }
    wait_for_snapshots(&bench, 2);
    bench.engine.stop().expect("ends well");
    assert_eq!(snapshot_digest(&data).0, genesis_digest(&data));
}
