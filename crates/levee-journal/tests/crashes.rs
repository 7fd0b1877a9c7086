//! Loss of power, death of the process and failing calls at every step of a journal's life with
//! snapshots and archive, on a simulated disk: whatever survives, recovery finds all that was
//! acknowledged, in order, nothing that was not appended, and goes on. And again when the recovery
//! itself is interrupted.
//!
//! What the disk promises stands in `src/sim/mod.rs`. Seeds decide what survives: a failure prints
//! the seed, and `LEVEE_SEED=<seed>` plays it again.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::caller::{Caller, DIR, snapshots};
use common::life::{Action, LIFE, Life, Truth};
use common::{options, payload};
use levee_journal::sim::{Moment, SimDisk, Survival};
use levee_journal::{FileJournal, Log};

const SURVIVALS: [Survival; 4] =
    [Survival::Nothing, Survival::Everything, Survival::Some, Survival::Torn];

/// Chance for the checks; the disk has its own.
struct Chance {
    seed: u64,
    draws: u64,
    /// Of how many moments of a recovery one is a second crash.
    second_every: u64,
}

impl Chance {
    fn new(second_every: u64) -> Self {
        let seed = std::env::var("LEVEE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
        println!("LEVEE_SEED={seed} plays this again");
        Self { seed, draws: 0, second_every }
    }

    fn draw(&mut self) -> u64 {
        self.draws += 1;
        let bytes = payload(self.seed.wrapping_mul(1_000_003) + self.draws, 16);
        u64::from_le_bytes(bytes[8..].try_into().unwrap())
    }
}

/// What is left of a disk after each kind of crash.
fn crashes<'a>(
    disk: &'a SimDisk,
    chance: &mut Chance,
) -> impl Iterator<Item = (String, SimDisk)> + use<'a> {
    let seed = chance.draw();
    let lost = SURVIVALS.into_iter().map(move |survival| {
        let disk = disk.after_power_loss(survival, seed);
        (format!("power lost, {survival:?} survives by seed {seed}"), disk)
    });
    lost.chain(std::iter::once_with(|| ("the process dies".to_owned(), disk.after_kill())))
}

/// Recovers and goes on, on a disk after a crash. `depth`: how many crashes more may follow.
fn check(disk: &SimDisk, mut truth: Truth, depth: u32, chance: &mut Chance) {
    if depth > 0 {
        check_failing_recovery(disk, &truth, depth, chance);
        disk.keep_moments();
    }
    truth.is_kept(disk);
    truth.snapshots = snapshots(disk).list().unwrap();
    for seq in &truth.snapshots {
        let verified = snapshots(disk).verify(*seq);
        assert!(verified.is_ok(), "a finished snapshot is not whole: {verified:?}");
    }
    let recovered = Caller::recover(disk).unwrap();
    check_moments(disk, &truth, depth, chance);
    let mut caller = if let Some(caller) = recovered {
        truth.is_found(&caller);
        caller
    } else {
        assert!(!truth.is_created, "the journal is gone");
        let caller = Caller::create(disk).unwrap();
        check_moments(disk, &truth, depth, chance);
        truth = Truth { is_created: true, ..Truth::default() };
        caller
    };
    // What recovery found and did is on the disk before anything builds on it.
    let again = recover_after_power_loss(disk);
    assert!(again.state == caller.state && !again.was_torn, "recovery was not durable");
    // It goes on, in this segment and in the next.
    for len in [800, 50_000] {
        let batch = caller.batch(len, 2 + u64::from(depth));
        truth.appended.push(batch.entry);
        caller.append(batch).unwrap();
        check_moments(disk, &truth, depth, chance);
        truth.acknowledged = truth.appended.len();
    }
    drop(caller);
    truth.is_found(&recover_after_power_loss(disk));
    truth.is_kept(&disk.after_power_loss(Survival::Nothing, 0));
}

/// What is there without all that was not synced.
fn recover_after_power_loss(disk: &SimDisk) -> Caller {
    let disk = disk.after_power_loss(Survival::Nothing, 0);
    Caller::recover(&disk).unwrap().expect("there was a journal before")
}

/// A recovery of which one call fails, and then another on what it has left.
fn check_failing_recovery(disk: &SimDisk, truth: &Truth, depth: u32, chance: &mut Chance) {
    let disk = disk.after_kill();
    let step = disk.steps() + chance.draw() % 12;
    disk.fail_at(step);
    if let Err(error) = Caller::recover(&disk) {
        told(&format!("then recovery fails: {error}"), || {
            check(&disk, truth.clone(), depth - 1, chance);
        });
    }
}

/// The second crash: at some of the moments since the last call.
fn check_moments(disk: &SimDisk, truth: &Truth, depth: u32, chance: &mut Chance) {
    if depth == 0 {
        return;
    }
    for Moment { step, disk } in disk.take_moments() {
        if !chance.draw().is_multiple_of(chance.second_every) {
            continue;
        }
        let pick = usize::try_from(chance.draw() % 5).unwrap();
        let (what, disk) = crashes(&disk, chance).nth(pick).unwrap();
        told(&format!("then again after `{step}`: {what}"), || {
            check(&disk, truth.clone(), depth - 1, chance);
        });
    }
}

/// Says where in a life a check failed.
fn told(what: &str, check: impl FnOnce()) {
    struct Told<'a>(&'a str);
    impl Drop for Told<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("{}", self.0);
            }
        }
    }
    let told = Told(what);
    check();
    drop(told);
}

/// Plays a life and crashes after each of its steps; returns how many crashes that were.
fn crash_everywhere(chance: &mut Chance) -> usize {
    let mut life = Life::new(u64::MAX);
    let mut count = 0;
    for (index, action) in LIFE.iter().enumerate() {
        life.disk.keep_moments();
        let mut truth = life.truth.clone();
        life.act(*action).unwrap();
        // Nothing of this action was acknowledged before its last step.
        truth.appended.clone_from(&life.truth.appended);
        let mut moments = life.disk.take_moments();
        moments.push(Moment { step: "nothing more".to_owned(), disk: life.disk.clone() });
        let last = moments.len() - 1;
        for (place, Moment { step, disk }) in moments.into_iter().enumerate() {
            if place == last {
                truth = life.truth.clone();
            }
            for (what, disk) in crashes(&disk, chance) {
                let what = format!("action {index}, {action:?}, after `{step}`: {what}");
                told(&what, || check(&disk, truth.clone(), 1, chance));
                count += 1;
            }
        }
    }
    check_whole(&life);
    count
}

/// At the end of a life: the archive holds the rest, and snapshots that go bad take nothing along.
fn check_whole(life: &Life) {
    let disk = life.disk.after_kill();
    let (journal, recovered) =
        FileJournal::open_on(Arc::new(disk.clone()), Path::new(DIR), options()).unwrap();
    assert_eq!((recovered.first_seq, recovered.torn), (1, None));
    drop(journal);
    let kept = snapshots(&disk).list().unwrap();
    assert_eq!(kept.len(), 2);
    // First the newest goes bad, then both.
    for seq in kept {
        let path = PathBuf::from(DIR).join(format!("snapshots/{seq:020}.snap"));
        disk.flip_bit(&path, snapshots(&disk).bytes(seq).unwrap() / 2, 3).unwrap();
        assert!(snapshots(&disk).verify(seq).is_err());
        let caller = Caller::recover(&disk).unwrap().unwrap();
        life.truth.clone().is_found(&caller);
    }
}

#[test]
fn a_crash_after_every_step() {
    let count = crash_everywhere(&mut Chance::new(12));
    assert!(count > 800, "only {count} crashes");
}

#[test]
#[ignore = "slow: many seeds, and a second crash after every step of every recovery"]
fn many_crashes_after_every_step() {
    let mut chance = Chance::new(1);
    for _ in 0..3 {
        crash_everywhere(&mut chance);
        chance.seed += 1;
        println!("LEVEE_SEED={}", chance.seed);
    }
}

/// A record that was to be the first of its segment is torn, and the process dies at every step of
/// clearing it away: the next recovery sees what this one had written, and has to make it durable.
#[test]
fn a_recovery_that_dies_at_every_step() {
    let mut life = Life::new(u64::MAX);
    for action in [Action::Create, Action::Append(44_000)] {
        life.act(action).unwrap();
    }
    let mut truth = life.truth.clone();
    life.disk.keep_moments();
    life.act(Action::Append(31_000)).unwrap();
    truth.appended.clone_from(&life.truth.appended);
    let mut torn = 0;
    for Moment { step, disk } in life.disk.take_moments() {
        for seed in 0..4 {
            let disk = disk.after_power_loss(Survival::Torn, seed);
            disk.keep_moments();
            torn += usize::from(Caller::recover(&disk).unwrap().unwrap().was_torn);
            for Moment { step: again, disk } in disk.take_moments() {
                let what = format!("torn by seed {seed} after `{step}`, dies after `{again}`");
                told(&what, || check(&disk, truth.clone(), 0, &mut Chance::new(u64::MAX)));
            }
        }
    }
    assert_eq!(torn, 4, "not as many torn records as seeds");
}

/// A segment is not archived before a durable record stands behind it, so that the journal's
/// folder alone always tells where the journal ends.
#[test]
fn the_last_record_is_never_archived() {
    let mut failed = 0;
    for step in 0..20 {
        let mut life = Life::new(u64::MAX);
        life.act(Action::Create).unwrap();
        life.act(Action::Append(44_000)).unwrap();
        life.disk.fail_at(life.disk.steps() + step);
        if life.act(Action::Append(31_000)).is_err() {
            failed += 1;
            let caller = life.caller.unwrap();
            assert_eq!(caller.journal.trimmer().truncate_before(u64::MAX).unwrap(), 0);
        }
    }
    assert_eq!(failed, 2, "neither write nor sync failed");
}

/// Each call fails once. The journal is poisoned or goes on, and nothing acknowledged is lost,
/// then or when power is lost on top of it.
#[test]
fn a_failure_at_every_step() {
    let mut chance = Chance::new(u64::MAX);
    for step in 0.. {
        let mut life = Life::new(step);
        told(&format!("step {step} fails"), || live_with_a_failure(&mut life, &mut chance));
        if life.disk.steps() <= step {
            assert!(step > 140, "only {step} steps");
            break;
        }
    }
}

fn live_with_a_failure(life: &mut Life, chance: &mut Chance) {
    for action in LIFE {
        let Err(error) = life.act(*action) else { continue };
        told(&format!("in {action:?}, {error}"), || {
            for (what, disk) in crashes(&life.disk, chance) {
                told(&what, || check(&disk, life.truth.clone(), 0, chance));
            }
            match action {
                Action::Reopen | Action::Snapshot(_) => life.act(*action).unwrap(),
                Action::Create => match Caller::recover(&life.disk).unwrap() {
                    // All but the acknowledgement was there.
                    Some(caller) => {
                        life.truth.is_created = true;
                        life.caller = Some(caller);
                    }
                    None => life.act(Action::Create).unwrap(),
                },
                // Poisoned: only a restart helps.
                Action::Append(_) | Action::Close => {
                    life.caller = None;
                    life.act(Action::Reopen).unwrap();
                }
                Action::Die => panic!("dying cannot fail"),
            }
        });
        if let Action::Close = action {
            life.act(Action::Close).unwrap();
        }
    }
    for (what, disk) in crashes(&life.disk, chance) {
        told(&what, || check(&disk, life.truth.clone(), 0, chance));
    }
}
