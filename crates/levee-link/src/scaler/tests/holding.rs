//! From needs to the number that is answered.

use levee_api::advice::Reason;

use crate::scaler::held::Held;
use crate::scaler::need::Need;
use crate::scaler::targets::Targets;

fn need(there: u32, gates: u32) -> Need {
    Need { there, gates, most: Reason::Arrivals, enough: gates, engine_full: false }
}

/// Steps of second, gates needed and gates answered, beginning with `there`.
#[track_caller]
fn check(there: u32, steps: &[(u64, u32, u32)]) {
    let targets = Targets { fall_after_ms: 300_000, ..Targets::default() };
    let mut held = Held::new(0, &need(there, 1), &targets);
    for (second, gates, answer) in steps {
        let advice = held.follow(second * 1_000, &need(there, *gates), &targets);
        assert_eq!(advice.gates, *answer, "at {second} s");
    }
}

#[test]
fn it_begins_with_what_is_there() {
    check(5, &[(0, 1, 5), (299, 1, 5)]);
    check(100_000, &[(0, 1, 1_000)]);
}

#[test]
fn it_rises_at_once_by_more_than_kubernetes_ignores() {
    check(1, &[(0, 3, 3), (1, 4, 4), (2, 4, 4)]);
    // 11 of 10 would be within the tolerance of a tenth.
    check(10, &[(0, 11, 12)]);
    check(100, &[(0, 101, 111)]);
    check(1, &[(0, u32::MAX, 1_000), (1, u32::MAX, 1_000)]);
}

#[test]
fn it_falls_slowly() {
    // After five minutes without need of it one gate, then one a minute.
    check(3, &[(0, 1, 3), (299, 1, 3), (300, 1, 2), (301, 1, 2), (359, 1, 2), (360, 1, 1)]);
    check(3, &[(0, 1, 3), (600, 1, 2), (601, 1, 2), (661, 1, 1), (9_999, 1, 1)]);
    // One busy moment, and five minutes have to go by again.
    check(3, &[(0, 1, 3), (200, 3, 3), (300, 1, 3), (500, 1, 3), (501, 1, 2)]);
    // Growth begins them anew, too.
    check(1, &[(0, 1, 1), (290, 2, 2), (300, 1, 2), (589, 1, 2), (591, 1, 1)]);
    // A step within Kubernetes' tolerance is none.
    check(10, &[(0, 9, 10), (300, 9, 10), (900, 9, 10), (1_300, 8, 8)]);
}

#[test]
fn it_does_not_flap() {
    let targets = Targets::default();
    let mut held = Held::new(0, &need(2, 2), &targets);
    // A need that swings between two and three each second.
    let answers: Vec<u32> = (0..3_600_u64)
        .map(|second| {
            let gates = if second % 2 == 0 { 2 } else { 3 };
            held.follow(second * 1_000, &need(3, gates), &targets).gates
        })
        .collect();
    assert_eq!(answers.windows(2).filter(|pair| pair[0] != pair[1]).count(), 1);
}

#[test]
fn it_says_why() {
    let targets = Targets::default();
    let mut held = Held::new(0, &need(2, 2), &targets);
    let mut reason = |need: &Need| held.follow(0, need, &targets).reason;
    assert_eq!(reason(&need(2, 2)), Reason::Enough);
    assert_eq!(reason(&Need { engine_full: true, ..need(2, 2) }), Reason::Engine);
    let loops = Need { most: Reason::LoopDelay, engine_full: true, ..need(2, 3) };
    assert_eq!(reason(&loops), Reason::LoopDelay);
    // Asked for, and not there yet.
    assert_eq!(reason(&need(2, 3)), Reason::Arrivals);
    assert_eq!(reason(&need(3, 3)), Reason::Enough);
}
