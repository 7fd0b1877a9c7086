//! From histories to needs.

use std::collections::{BTreeMap, BTreeSet};

use levee_api::advice::Reason;

use crate::scaler::need::{Gauge, History, Reading, need};
use crate::scaler::targets::Targets;

/// A quiet gate at a second of its life: 1,000 requests a second of 50 us each, 100 of 16,000
/// sockets, an engine that answers at once.
fn quiet(second: u64) -> Gauge {
    Gauge {
        arrived: second * 1_000,
        cpu_us: second * 50_000,
        loop_delay_us: 200,
        sockets: 100,
        sockets_max: 16_000,
        queue_delay_us: 1_500,
    }
}

/// A minute of so many gates, as they say by number and second.
fn minute(gates: u32, gauge: impl Fn(u32, u64) -> Gauge) -> History {
    let mut history = History::default();
    for second in 0..=60 {
        let gates: BTreeMap<u32, Gauge> =
            (0..gates).map(|gate| (gate, gauge(gate, second))).collect();
        history.push(Reading { at_ms: second * 1_000, room_closed: false, gates });
    }
    history
}

/// Gates needed, why, and whether the engine is full.
#[track_caller]
fn check(history: &History, targets: &Targets, gates: u32, most: Reason, engine_full: bool) {
    let of: BTreeSet<u32> = (0..1_000).collect();
    let need = need(history, &of, targets).expect("gates report");
    assert_eq!((need.gates, need.most, need.engine_full), (gates, most, engine_full), "{need:?}");
    assert!(need.enough >= need.gates, "{need:?}");
}

#[test]
fn a_quiet_gate_is_enough() {
    check(&minute(1, |_, second| quiet(second)), &Targets::default(), 1, Reason::Arrivals, false);
    // Three quiet ones are two too many: 3,000 a second of 14,000 that one is to take.
    check(&minute(3, |_, second| quiet(second)), &Targets::default(), 1, Reason::Arrivals, false);
}

#[test]
fn nobody_there_is_no_number() {
    let of = BTreeSet::from([7]);
    assert_eq!(need(&History::default(), &of, &Targets::default()), None);
    let others = minute(3, |_, second| quiet(second));
    assert_eq!(need(&others, &of, &Targets::default()), None);
    let none = minute(0, |_, second| quiet(second));
    assert_eq!(need(&none, &of, &Targets::default()), None);
}

#[test]
fn arrivals_beyond_what_a_gate_can_take_ask_for_more() {
    let steady = |per_s: u64| {
        minute(1, move |_, second| Gauge {
            arrived: second * per_s,
            cpu_us: second * per_s * 50,
            ..quiet(second)
        })
    };
    let targets = Targets::default();
    // 50 us each: one core takes 20,000 a second, and is to take 70% of it.
    check(&steady(13_900), &targets, 1, Reason::Arrivals, false);
    check(&steady(14_100), &targets, 2, Reason::Arrivals, false);
    check(
        &steady(19_000),
        &Targets { cores_per_gate: 2, ..targets.clone() },
        1,
        Reason::Arrivals,
        false,
    );
    // What the operator has measured goes before what is measured here.
    let stated = Targets { requests_per_gate: 5_000, ..targets.clone() };
    check(&steady(13_900), &stated, 4, Reason::Arrivals, false);
    // A few requests say nothing of what one costs.
    let few =
        minute(1, |_, second| Gauge { arrived: second, cpu_us: second * 900_000, ..quiet(second) });
    check(&few, &targets, 1, Reason::Sockets, false);
}

#[test]
fn what_rises_is_continued_to_when_a_new_gate_takes_part() {
    // From 4,000 a second, 200 more each second.
    let rising = minute(1, |_, second| {
        let arrived = second * 4_000 + 200 * second * second / 2;
        Gauge { arrived, cpu_us: arrived * 50, ..quiet(second) }
    });
    // 15,500 in the last five seconds, about 22,000 in thirty.
    check(&rising, &Targets { lead_ms: 0, ..Targets::default() }, 2, Reason::Arrivals, false);
    check(&rising, &Targets::default(), 2, Reason::Arrivals, false);
    check(&rising, &Targets { lead_ms: 90_000, ..Targets::default() }, 3, Reason::Arrivals, false);
    // A sudden wave is taken for twice itself at most.
    let wave = minute(1, |_, second| {
        let arrived = 1_000 * second + 20_000 * second.saturating_sub(55);
        Gauge { arrived, cpu_us: arrived * 50, ..quiet(second) }
    });
    check(&wave, &Targets::default(), 3, Reason::Arrivals, false);
    // What falls is not continued.
    let falling = minute(1, |_, second| {
        let arrived = 26_000 * second - 200 * second * second / 2;
        Gauge { arrived, cpu_us: arrived * 50, ..quiet(second) }
    });
    check(&falling, &Targets::default(), 2, Reason::Arrivals, false);
}

#[test]
fn late_loops_and_used_sockets_ask_for_more() {
    let targets = Targets::default();
    let late = |gates: u32, late: u32, since: u64| {
        minute(gates, move |gate, second| Gauge {
            loop_delay_us: if gate < late && second >= since { 20_001 } else { 20_000 },
            ..quiet(second)
        })
    };
    check(&late(4, 4, 58), &targets, 6, Reason::LoopDelay, false);
    check(&late(4, 1, 0), &targets, 5, Reason::LoopDelay, false);
    // Two late readings are no trend.
    check(&late(4, 4, 59), &targets, 1, Reason::Arrivals, false);

    let sockets = |sockets: u64| minute(2, move |_, second| Gauge { sockets, ..quiet(second) });
    check(&sockets(11_200), &targets, 2, Reason::Sockets, false);
    check(&sockets(11_201), &targets, 3, Reason::Sockets, false);
    let unlimited = minute(2, |_, second| Gauge { sockets_max: 0, ..quiet(second) });
    check(&unlimited, &targets, 1, Reason::Arrivals, false);
}

#[test]
fn a_full_engine_is_no_reason_for_more_gates() {
    let targets = Targets::default();
    let busy = |second: u64| Gauge {
        arrived: second * 19_000,
        cpu_us: second * 19_000 * 50,
        queue_delay_us: 20_001,
        ..quiet(second)
    };
    check(&minute(1, |_, second| busy(second)), &targets, 1, Reason::Arrivals, true);
    // But for what only gates relieve.
    let late = minute(1, |_, second| Gauge { loop_delay_us: 90_000, ..busy(second) });
    check(&late, &targets, 2, Reason::LoopDelay, true);
    let sockets = minute(1, |_, second| Gauge { sockets: 15_000, ..busy(second) });
    check(&sockets, &targets, 2, Reason::Sockets, true);
    // One gate far away is not the engine.
    let far = minute(3, |gate, second| Gauge {
        queue_delay_us: if gate == 0 { 200_000 } else { 1_500 },
        ..quiet(second)
    });
    check(&far, &targets, 1, Reason::Arrivals, false);

    let mut waiting = minute(1, |_, second| Gauge { queue_delay_us: 1_500, ..busy(second) });
    check(&waiting, &targets, 2, Reason::Arrivals, false);
    for second in 61..64 {
        let gates = BTreeMap::from([(0, Gauge { queue_delay_us: 1_500, ..busy(second) })]);
        waiting.push(Reading { at_ms: second * 1_000, room_closed: true, gates });
    }
    check(&waiting, &targets, 1, Reason::Arrivals, true);
}

#[test]
fn gates_that_come_go_or_begin_anew_are_no_growth() {
    let targets = Targets::default();
    // Its count begins at a hundred million, at the 58th second.
    let mut joins = History::default();
    for second in 0..=60 {
        let mut gates = BTreeMap::from([(0, quiet(second))]);
        if second >= 58 {
            let arrived = 100_000_000 + second * 1_000;
            gates.insert(1, Gauge { arrived, ..quiet(second) });
        }
        joins.push(Reading { at_ms: second * 1_000, room_closed: false, gates });
    }
    check(&joins, &targets, 1, Reason::Arrivals, false);
    // Same number, new process: the count begins at 0.
    let anew =
        minute(1, |_, second| quiet(if second < 58 { second + 100_000 } else { second - 58 }));
    check(&anew, &targets, 1, Reason::Arrivals, false);
    // Twice at the same time, and after a pause of the scaler's.
    let mut twice = minute(1, |_, second| quiet(second));
    for at_ms in [60_000, 60_000, 90_000] {
        let gates = BTreeMap::from([(0, quiet(at_ms / 1_000))]);
        twice.push(Reading { at_ms, room_closed: false, gates });
        check(&twice, &targets, 1, Reason::Arrivals, false);
    }
}
