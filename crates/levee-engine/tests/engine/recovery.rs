//! From a journal back to the same state, or to a refusal that says why not.

use std::fs;
use std::path::{Path, PathBuf};

use levee_api::port::Reply;
use levee_api::vitals::Vitals;
use levee_core::types::{BatchReader, Command, LockVoucher, Reference, RequestKey, VoucherNo};
use levee_core::{RuleBook, State};
use levee_engine::recover::replay;
use levee_engine::{Engine, Keys, StartError};
use levee_journal::Reader;

use crate::harness::{KEYS, claim, config, folder, planted, redeem, start, user};

/// A journal with claims, a lock, a redemption and a restart in it.
fn make_journal(data: &Path) {
    let bench = start(&config(data), 1_000).expect("starts");
    bench.open_campaign();
    for number in 0..5 {
        bench.done(claim(number));
    }
    bench.done(redeem(2, 2));
    bench.engine.stop().expect("ends well");
    drop(bench);
    let bench = start(&config(data), 60_000).expect("starts again");
    bench.done(Command::LockVoucher(Box::new(LockVoucher {
        request: RequestKey([50; 16]),
        voucher: VoucherNo(3),
        user: user(3),
        ttl_ms: 600_000,
        reference: Reference::new("order").expect("short"),
    })));
    bench.done(redeem(4, 4));
    bench.engine.stop().expect("ends well");
}

fn digest(data: &Path, book: RuleBook) -> Result<String, StartError> {
    let records = Reader::open(data)?;
    let state = replay(records, State::new(book), &Vitals::default())?;
    Ok(state.digest().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[test]
fn the_same_journal_gives_the_same_state_every_time() {
    let (_folder, data) = folder();
    make_journal(&data);
    let first = digest(&data, RuleBook::RELEASED).expect("replays");
    assert_eq!(digest(&data, RuleBook::RELEASED).expect("replays"), first);
    // And answers as before the restart: a repeat of what was done finds it done.
    let bench = start(&config(&data), 61_000).expect("starts");
    match bench.command(redeem(4, 4)) {
        Reply::Done { repeated: true, .. } => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_change_of_the_rules_stops_at_the_first_outcome_that_differs() {
    let (_folder, data) = folder();
    make_journal(&data);
    let redemption = first_redemption(&data);
    // Rounds up where the released rules round down.
    let rounded_up = planted(|_, bill_minor| bill_minor.div_ceil(10));
    match digest(&data, rounded_up) {
        Err(StartError::Differs { seq, recorded, replayed }) => {
            assert_eq!(seq, redemption);
            assert!(recorded.contains("discount_minor: 100"), "{recorded}");
            assert!(replayed.contains("discount_minor: 101"), "{replayed}");
        }
        other => panic!("{other:?}"),
    }
    // Rules that break an invariant are a difference, too, not a crash.
    let broken = planted(|_, bill_minor| bill_minor);
    assert!(
        matches!(digest(&data, broken), Err(StartError::Differs { seq, .. }) if seq == redemption)
    );
    let mut other = config(&data);
    other.rules = rounded_up;
    assert!(matches!(start(&other, 61_000).err(), Some(StartError::Differs { .. })));
    start(&config(&data), 61_000).expect("the right rules still start");
}

/// However much follows: whoever reads ahead must not keep a start from failing.
#[test]
fn a_difference_ends_a_long_replay() {
    let (_folder, data) = folder();
    make_journal(&data);
    for time in 0..30 {
        let bench = start(&config(&data), 100_000 + time * 1_000).expect("starts");
        bench.engine.stop().expect("ends well");
    }
    let rounded_up = planted(|_, bill_minor| bill_minor.div_ceil(10));
    assert!(matches!(digest(&data, rounded_up), Err(StartError::Differs { .. })));
}

fn first_redemption(data: &Path) -> u64 {
    for record in Reader::open(data).expect("there") {
        let record = record.expect("good");
        if record.count == 0 {
            continue;
        }
        let batch = BatchReader::new(&record.payload).expect("good");
        for (seq, entry) in (record.first_seq..).zip(batch) {
            if matches!(entry.expect("good").0, Command::RedeemVoucher(_)) {
                return seq;
            }
        }
    }
    panic!("no redemption in the journal");
}

#[test]
fn a_change_of_the_rules_ends_its_record() {
    let (_folder, data) = folder();
    make_journal(&data);
    let first = RuleBook::RELEASED.first().discount_minor;
    let rules = [1, 2].map(|version| levee_core::Rules {
        version,
        discount_minor: first,
        pace: levee_core::pacing::Pace::expecting,
    });
    let mut newer = config(&data);
    newer.rules = RuleBook::new(Box::leak(Box::new(rules)));
    let bench = start(&newer, 61_000).expect("starts");
    bench.done(claim(9));
    bench.engine.stop().expect("ends well");
    let mut changes = 0;
    for record in Reader::open(&data).expect("there") {
        let record = record.expect("good");
        if record.count == 0 {
            continue;
        }
        let batch = BatchReader::new(&record.payload).expect("good");
        let commands: Vec<Command> = batch.map(|entry| entry.expect("good").0).collect();
        let place = commands.iter().position(|c| matches!(c, Command::ActivateRules(_)));
        changes += u32::from(place.is_some());
        assert!(place.is_none_or(|place| place + 1 == commands.len()), "{commands:?}");
    }
    assert_eq!(changes, 1);
    let state =
        replay(Reader::open(&data).expect("there"), State::new(newer.rules), &Vitals::default());
    assert_eq!(state.expect("replays").rules_version(), 2);
}

#[test]
fn segments_that_a_batch_might_not_fit_are_refused() {
    let (_folder, data) = folder();
    let mut small = config(&data);
    small.journal.segment_bytes = 64 * 1024;
    assert!(matches!(start(&small, 1).err(), Some(StartError::SegmentTooSmall { .. })));
    assert!(!data.exists(), "nothing was made");
}

#[test]
fn other_keys_are_refused() {
    let (_folder, data) = folder();
    make_journal(&data);
    for (keys, wrong) in [
        (Keys { pseudonym: &[9; 32], ..KEYS }, "pseudonym"),
        (Keys { code: &[9; 32], ..KEYS }, "code"),
    ] {
        let clock = |_| crate::harness::HandClock::at(61_000);
        match Engine::start(&config(&data), keys, clock).err() {
            Some(StartError::WrongKey { which }) => assert_eq!(which, wrong),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_wrong_clock_at_the_start_needs_leave() {
    let (_folder, data) = folder();
    make_journal(&data);
    let late = 60_000 + 25 * 3_600_000;
    let refused = start(&config(&data), late).err();
    assert!(matches!(refused, Some(StartError::ClockJump { hours: 25 })), "{refused:?}");
    let mut leave = config(&data);
    leave.accept_time = true;
    start(&leave, late).expect("starts");
}

/// A journal that an earlier build wrote; this build must come to the same state.
fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/journal-v1")
}

#[test]
fn journals_of_version_1_stay_readable() {
    let expected = fs::read_to_string(fixture().join("digest")).expect("kept beside it");
    assert_eq!(digest(&fixture(), RuleBook::RELEASED).expect("replays"), expected.trim());
}

#[test]
#[ignore = "writes the fixture anew: run it only for a new version of the format"]
fn write_the_fixture() {
    let _ = fs::remove_dir_all(fixture());
    make_journal(&fixture());
    fs::remove_file(fixture().join("LOCK")).expect("there");
    let digest = digest(&fixture(), RuleBook::RELEASED).expect("replays");
    fs::write(fixture().join("digest"), digest + "\n").expect("written");
}
