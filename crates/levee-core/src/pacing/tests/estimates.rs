//! How long an order takes, and the slots that are free.

use super::super::SLOT_MS;
use super::*;

#[test]
fn the_quantile_is_the_normal_one() {
    for (q, z) in [
        (0.5, 0.0),
        (0.75, 0.674_490),
        (0.9, 1.281_552),
        (0.925, 1.439_531),
        (0.95, 1.644_854),
        (0.99, 2.326_348),
        (0.999, 3.090_232),
    ] {
        let found = Pace { q, ..Pace::DEFAULT }.z();
        assert!((found - z).abs() < 2e-6, "{q}: {found}");
    }
}

/// `promised` of one unit each, an hour ago, and an order of so many units: minutes until ready.
#[track_caller]
fn check_eta(stations: u16, unit_minutes: u32, promised: u32, units: u32, expected: f64) {
    check_eta_with(&STATIC, kitchen(stations, unit_minutes), promised, units, expected);
}

#[track_caller]
fn check_eta_with(pace: &Pace, mut kitchen: Kitchen, promised: u32, units: u32, expected: f64) {
    for _ in 0..promised {
        kitchen.promise(START_MS, Work::units(1), START_MS - 60 * MINUTE, &STATIC);
    }
    let found = minutes(kitchen.eta_ms(START_MS, at_once(Work::units(units)), pace));
    assert!((found - expected).abs() < 0.001, "{found}");
}

#[test]
fn an_estimate_is_making_time_queue_and_spread() {
    // While there is a station for every unit: 3 * (1 + 1.2816 * 0.4).
    check_eta(2, 3, 0, 1, 4.537_86);
    check_eta(2, 3, 0, 2, 4.537_86);
    check_eta(2, 3, 1, 1, 4.537_86);
    // Eight units beyond two stations: 3 * (1 + 8 / 2) + 1.5379 * sqrt(1 + 8 / 4).
    check_eta(2, 3, 8, 2, 17.663_65);
    check_eta(2, 3, 0, 10, 17.663_65);
    // One station: 4 * (1 + 9) + 2.0505 * sqrt(1 + 9).
    check_eta(1, 4, 9, 1, 46.484_2);
}

#[test]
fn an_estimate_doubts_what_was_learned() {
    let doubting = Pace { doubt: 0.2, ..STATIC };
    let slow = |drag, delta_ms| Kitchen { drag, delta_ms, ..kitchen(2, 3) };
    // Nothing to doubt where nothing waits.
    check_eta_with(&doubting, slow(1.5, 0), 0, 2, 4.537_86);
    // Half as slow again: 3 + 8 * 3 * 1.5 / 2 = 21, and 1.2816 * sqrt(1.2^2 * 3 + (0.2 * 18)^2).
    check_eta_with(&STATIC, slow(1.5, 0), 8, 2, 23.663_65);
    check_eta_with(&doubting, slow(1.5, 0), 8, 2, 26.327_31);
    // What was missed moves every promise, and so does what was kept; but nothing takes no time.
    check_eta_with(&STATIC, slow(1.0, 90_000), 0, 2, 6.037_86);
    check_eta_with(&STATIC, slow(1.0, -180_000), 0, 2, 1.537_86);
    check_eta_with(&STATIC, slow(1.0, -3_600_000), 0, 2, 1.5);
}

#[test]
fn what_one_station_makes_of_an_order_is_made_one_after_another() {
    let in_series = |stations, series| Kitchen { series, ..kitchen(stations, 3) };
    // A free station for every unit, and all of them at one: 3 * 3, with the spread of three.
    check_eta_with(&STATIC, in_series(3, 0.0), 0, 3, 4.537_86);
    check_eta_with(&STATIC, in_series(3, 1.0), 0, 3, 11.663_65);
    check_eta_with(&STATIC, in_series(3, 0.5), 0, 3, 8.174_87);
    // One station makes everything one after another, whatever is said of it.
    check_eta_with(&STATIC, in_series(1, 0.0), 2, 3, 18.438_75);
    check_eta_with(&STATIC, in_series(1, 1.0), 2, 3, 18.438_75);
}

/// What is expected holds until an order is finished, and is where learning begins.
#[test]
fn a_new_kitchen_is_what_others_were() {
    let expected = Experience { unit_times: 1.5, series: 1.0, start: 0.4, lessons: 7 };
    let pace = Pace { expected, ..STATIC };
    let mut kitchen = Kitchen { drag: 1.0, ..Kitchen::new(2, 2 * 60_000) };
    let eta = |kitchen: &Kitchen| minutes(kitchen.eta_ms(START_MS, at_once(Work::units(2)), &pace));
    // 3 * 2 + 1.2816 * 1.2 * sqrt(2) + 0.4 * 3.
    assert!((eta(&kitchen) - 9.374_86).abs() < 0.001, "{}", eta(&kitchen));
    let ticket = kitchen.promise(START_MS, Work::units(1), START_MS + 6 * MINUTE, &pace);
    assert_eq!(ticket.delta_ms, 72_000);
    kitchen.begin(START_MS, ticket, &pace);
    let lesson = kitchen.finish(START_MS + 4 * MINUTE, ticket, START_MS, &pace);
    let lesson = lesson.expect("it is the first");
    assert_eq!((lesson.unit_times, lesson.series, lesson.late), (Some(2.0), None, false));
    // Others expect something else by now; this one has its own figures.
    let wiser = Pace { expected: Experience { start: 9.0, ..expected }, ..pace };
    let later = minutes(kitchen.eta_ms(START_MS, at_once(Work::units(2)), &wiser));
    assert!((later - 9.374_86).abs() < 0.001, "{later}");
}

#[test]
fn half_units_and_figures_out_of_range_are_taken() {
    let kitchen = Kitchen::new(0, 0);
    assert_eq!(kitchen, Kitchen::new(1, 1));
    let mut half = super::kitchen(1, 4);
    half.promise(START_MS, Work(500), START_MS, &STATIC);
    // Half a unit more than the station takes: 4 * 1.5 + 2.0505 * sqrt(1.5).
    let found = minutes(half.eta_ms(START_MS, at_once(Work(1_000)), &STATIC));
    assert!((found - 8.511_3).abs() < 0.001, "{found}");
    // The end of time is a time.
    half.promise(START_MS, Work(u32::MAX), u64::MAX, &STATIC);
    half.walk_in(u64::MAX, Work(u32::MAX), &STATIC);
    let late = half.slot_at(u64::MAX, at_once(Work(1)), u64::MAX, &Pace::DEFAULT);
    assert_eq!((late, half.eta_ms(u64::MAX, at_once(Work(1)), &Pace::DEFAULT)), (None, 0));
}

/// A kitchen of one station and four minutes a unit that takes every unit for sure (no spread), with
/// promises `units@minute`. Asks for `units` not before a minute: the eta, and the slot or `-`.
#[track_caller]
fn check_slots(promises: &str, units: u32, not_before: u64, eta: f64, slot: Option<u64>) {
    let pace = Pace { cv: 0.0, ..STATIC };
    let mut kitchen = kitchen(1, 4);
    for promised in promises.split_whitespace() {
        let (units, minute) = promised.split_once('@').expect("units@minute");
        promise(&mut kitchen, units.parse().unwrap(), minute.parse().unwrap());
    }
    let work = Work::units(units);
    let found = minutes(kitchen.eta_ms(START_MS, at_once(work), &pace));
    assert!((found - eta).abs() < 0.001, "ready after {found}");
    let slot_ms = kitchen.slot_at(START_MS, at_once(work), START_MS + not_before * MINUTE, &pace);
    assert_eq!(slot_ms.map(|at_ms| (at_ms - START_MS) / MINUTE), slot);
    assert!(slot_ms.is_none_or(|at_ms| at_ms.is_multiple_of(SLOT_MS)));
}

#[test]
fn a_slot_is_free_for_the_whole_making_time() {
    //           promised     ask  from eta    slot
    check_slots("", 1, 0, 4.0, Some(5));
    check_slots("", 5, 0, 20.0, Some(20));
    check_slots("", 5, 31, 20.0, Some(35));
    // Ten units until minute 60 leave twenty minutes before it.
    check_slots("10@60", 5, 0, 20.0, Some(20));
    check_slots("10@60", 6, 0, 64.0, Some(65));
    check_slots("10@60", 1, 60, 4.0, Some(60));
    // What was promised for the same time is in front.
    check_slots("15@60", 1, 0, 64.0, Some(65));
    check_slots("8@60 7@60", 1, 0, 64.0, Some(65));
    // Half an hour ahead the kitchen has it already, and makes it first.
    check_slots("5@30", 1, 0, 24.0, Some(25));
    check_slots("2@10 2@20 2@30", 1, 0, 28.0, Some(30));
    check_slots("2@10 3@20 10@60", 1, 0, 64.0, Some(65));
    // Between two promises, where there is room for it.
    check_slots("5@35 5@60", 3, 0, 12.0, Some(15));
    check_slots("5@35 5@60", 4, 0, 36.0, Some(40));
    check_slots("5@35 5@60", 6, 0, 64.0, Some(65));
    // What is late already is in front, and is not made later.
    check_slots("10@5", 1, 0, 44.0, Some(45));
    check_slots("15@50", 1, 0, 64.0, Some(65));
    // Nothing is promised beyond the horizon of three hours.
    check_slots("44@180", 1, 0, 4.0, Some(5));
    check_slots("45@180", 1, 0, 184.0, None);
    check_slots("", 1, 181, 4.0, None);
}

#[test]
fn walk_ins_drain_as_they_are_made() {
    // Units at the counter, minutes later, units that are left; two stations, four minutes a unit.
    for (units, later, left) in [(10, 0, 10.0), (10, 4, 8.1), (10, 20, 2.7), (10, 240, 0.0)] {
        let mut kitchen = kitchen(2, 4);
        kitchen.walk_in(START_MS, Work::units(units), &STATIC);
        let found = kitchen.unfinished(START_MS + later * MINUTE, &STATIC) as f64 / 1_000.0;
        assert!((found - left).abs() < 0.2, "{units} after {later} minutes: {found}");
    }
    // Beside as much work of ours they take twice as long.
    let mut kitchen = kitchen(2, 4);
    promise(&mut kitchen, 10, 0);
    kitchen.walk_in(START_MS, Work::units(10), &STATIC);
    let left = kitchen.unfinished(START_MS + 4 * MINUTE, &STATIC) as f64 / 1_000.0;
    assert!((left - 19.0).abs() < 0.2, "{left}");
    // A clock that steps back changes nothing.
    let before = kitchen.clone();
    kitchen.walk_in(START_MS - MINUTE, Work(0), &STATIC);
    assert_eq!(kitchen, before);
}

/// Nobody has seen how fast it is: what is promised, what is caught up on and what walk-ins take is by
/// the same speed.
#[test]
fn a_new_kitchen_has_one_speed() {
    let expected = Experience { unit_times: 2.0, ..Experience::DEFAULT };
    let slower = Pace { expected, ..STATIC };
    let left = |mut kitchen: Kitchen, pace: &Pace| {
        kitchen.walk_in(START_MS, Work::units(10), pace);
        (kitchen.pace_ms(pace), kitchen.unfinished(START_MS + 20 * MINUTE, pace))
    };
    let new = |unit_minutes: u32| Kitchen { drag: 1.0, ..Kitchen::new(2, unit_minutes * 60_000) };
    assert_eq!(left(new(4), &slower), left(kitchen(2, 8), &slower));
    assert_eq!(left(new(4), &slower).0, 4 * MINUTE);
    // Once it is seen, its own speed counts.
    assert_eq!(left(kitchen(2, 4), &slower), left(new(4), &STATIC));
}

#[test]
fn a_kitchen_is_small() {
    assert!(size_of::<Kitchen>() <= 104, "{}", size_of::<Kitchen>());
}

/// What stands in an outlet's record is all of a kitchen but its promises.
#[test]
fn a_kitchen_comes_back_from_its_record_and_its_promises() {
    let mut kitchen = kitchen(3, 4);
    let first = promise(&mut kitchen, 2, 40);
    let second = promise(&mut kitchen, 1, 20);
    kitchen.walk_in(START_MS, Work(1_500), &STATIC);
    kitchen.begin(START_MS, second, &Pace::DEFAULT);
    kitchen.finish(START_MS + 9 * MINUTE, second, START_MS, &Pace::DEFAULT);
    let restored = Kitchen::restored(&kitchen.learned());
    assert_eq!(restored.promised().count(), 0);
    assert_eq!(
        restored.unfinished(START_MS, &STATIC) + 2_000,
        kitchen.unfinished(START_MS, &STATIC)
    );
    let mut whole = restored;
    whole.restore_promise(first);
    assert_eq!(whole, kitchen);
    whole.take_back(START_MS, first, &Pace::DEFAULT);
    assert_eq!(whole.promised().count(), 0);
}
