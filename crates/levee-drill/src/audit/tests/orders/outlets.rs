//! Outlets: documents, pauses, hours and work.

use super::super::super::hours::Hours;
use super::*;

#[test]
fn outlets() {
    ends_with(8, 1_101, outlet("tea", 1, 2), "outlet 1 stands where 0 follows");
    ends_with(8, 1_101, outlet("milk", 0, 1), "outlet 0 stands where 1 follows");
    ends_with(8, 1_101, outlet("tea", 0, 3), "version 3 of outlet tea, where 2 follows");
    check(
        "put twice",
        |s| {
            s.end(8);
            let (command, _) = outlet("tea", 0, 1);
            s.add(1_101, command, Outcome::OutletPut { outlet: OutletNo(0), version: 2 });
        },
        &[(9, "outlet tea is put as it is already")],
    );
    fn put(story: &mut Story) -> &mut PutOutlet {
        let Command::PutOutlet(put) = &mut story.step(8).command else { panic!("other") };
        put
    }
    check(
        "a document",
        |s| {
            s.end(8);
            put(s).document = vec![0; DOCUMENT_LEN_MAX + 1];
        },
        &[(8, "a document of 32769 bytes")],
    );
    check("stations", |s| put(s).stations = 0, &[(8, "0 stations")]);
    type Doctor = fn(&mut PutOutlet);
    let cases: [(Doctor, &str); 8] = [
        (|put| put.stations = STATIONS_MAX + 1, "10001 stations"),
        (|put| put.unit_ms = 0, "0 ms for a unit"),
        (|put| put.unit_ms = UNIT_MS_MAX + 1, "3600001 ms for a unit"),
        (|put| put.accept_within_ms = 0, "an outlet that accepts within 0 ms"),
        (|put| put.ready_within_ms = 0, "an outlet that is ready within 0 ms"),
        (|put| put.opening.hours = vec![part(60, 60)], "opening hours Opening"),
        (|put| put.opening.hours = vec![part(1_440, 60)], "opening hours Opening"),
        (
            |put| put.opening.offsets = vec![ZoneOffset { from_ms: 0, minutes: 1_441 }],
            "opening hours Opening",
        ),
    ];
    for (doctor, expected) in cases {
        check(
            expected,
            |s| {
                s.end(8);
                doctor(put(s));
            },
            &[(8, expected)],
        );
    }
}

#[test]
fn pauses() {
    ends_with(24, 1_200, pause(90, Some(1_500)), "outlet tea is paused as it is already");
    ends_with(8, 1_200, pause(90, Some(1_200)), "a pause until Some(1200)");
    ends_with(8, 1_200, resume_outlet(90), "outlet tea is resumed, and was not paused");
    ends_with(24, 1_500, resume_outlet(90), "outlet tea is resumed, and was not paused");
    ends_with(
        24,
        1_200,
        place(90, 1, None, 4, (None, 1_700)),
        "an order at outlet 0, which is paused",
    );
    ends_with(24, 1_499, swept(&[3], &[0]), "the pause of outlet 0 ended 1 ms early");
    ends_with(28, 1_700, swept(&[], &[0]), "the pause of outlet 0 is over at 1700, though it");
    ends_with(28, 1_700, swept(&[], &[1]), "there is no outlet 1");
    check(
        "no reason",
        |s| {
            let Command::PauseOutlet(pause) = &mut s.step(24).command else { panic!("other") };
            pause.reason.clear();
        },
        &[(24, "a reason of 0 bytes")],
    );
    check(
        "no such outlet",
        |s| {
            s.end(24);
            let Command::PauseOutlet(pause) = &mut s.step(24).command else { panic!("other") };
            pause.outlet = OutletId::new("none").unwrap();
        },
        &[(24, "there is no outlet none")],
    );
}

fn part(from_minute: u16, until_minute: u16) -> DayPart {
    DayPart { from_minute, until_minute }
}

#[test]
fn work() {
    fn staffing(outlet: u32, stations: u16) -> (Command, Outcome) {
        let (request, outlet) = (key(90), OutletNo(outlet));
        (Command::SetStaffing(SetStaffing { request, outlet, stations }), Outcome::StaffingSet)
    }
    fn walk_ins(outlet: u32, work: u32) -> (Command, Outcome) {
        let (request, outlet) = (key(91), OutletNo(outlet));
        let record = RecordWalkIns { request, outlet, work };
        (Command::RecordWalkIns(record), Outcome::WalkInsRecorded)
    }
    ends_with(8, 1_101, staffing(0, 0), "0 stations");
    ends_with(8, 1_101, staffing(0, STATIONS_MAX + 1), "10001 stations");
    ends_with(8, 1_101, staffing(1, 3), "there is no outlet 1");
    ends_with(8, 1_101, walk_ins(0, 0), "walk-ins with work 0");
    ends_with(8, 1_101, walk_ins(0, WORK_MAX + 1), "walk-ins with work 1000001");
    ends_with(8, 1_101, walk_ins(1, 1_000), "there is no outlet 1");
    let story = after_claims([
        (1_100, outlet("tea", 0, 1)),
        (1_101, staffing(0, 3)),
        (1_102, walk_ins(0, 2_500)),
        // What is put is compared with what was put, whoever works there since.
        (1_103, outlet("tea", 0, 2)),
    ]);
    let report = story.audit();
    assert_eq!(report.differences, []);
    assert_eq!((report.orders.staffing_changes, report.orders.walk_in_work), (1, 2_500));
}

/// When an outlet with these hours is open next, from this minute of 1970 by UTC on, where its clock
/// is so many minutes ahead: first and last minute of the stretch.
#[track_caller]
fn check_hours(hours: &[DayPart], ahead: i16, minute: u64, expected: (u64, Option<u64>)) {
    let offsets = vec![ZoneOffset { from_ms: 0, minutes: ahead }];
    let hours = Hours::of(&Opening { offsets, hours: hours.to_vec() });
    let (from_ms, until_ms) = hours.stretch_from(minute * 60_000);
    assert_eq!((from_ms / 60_000, until_ms.map(|ms| ms / 60_000)), expected, "from {minute}");
}

#[test]
fn opening_hours() {
    let night = [part(1_320, 120)];
    let lunch = [part(1_000, 1_200), part(600, 700), part(700, 800)];
    check_hours(&[], 0, 5, (5, None));
    check_hours(&[part(0, 1_440)], 0, 5, (5, None));
    check_hours(&[part(0, 700), part(600, 1_440)], 0, 5, (5, None));
    // Parts that touch are one, in whichever order.
    check_hours(&lunch, 0, 600, (600, Some(800)));
    check_hours(&lunch, 0, 799, (799, Some(800)));
    check_hours(&lunch, 0, 800, (1_000, Some(1_200)));
    check_hours(&lunch, 0, 1_200, (2_040, Some(2_240)));
    check_hours(&lunch, 0, 0, (600, Some(800)));
    check_hours(&night, 0, 1_300, (1_320, Some(1_560)));
    check_hours(&night, 0, 1_500, (1_500, Some(1_560)));
    check_hours(&night, 0, 100, (100, Some(120)));
    check_hours(&night, 0, 120, (1_320, Some(1_560)));
    check_hours(&night, 480, 840, (840, Some(1_080)));
    check_hours(&night, -60, 0, (0, Some(180)));
    // Clocks that are set an hour ahead at 08:30.
    let set = |hours: &[DayPart]| {
        let offsets = vec![
            ZoneOffset { from_ms: 0, minutes: 0 },
            ZoneOffset { from_ms: 510 * 60_000, minutes: 60 },
        ];
        Hours::of(&Opening { offsets, hours: hours.to_vec() })
    };
    let minutes = |hours: &Hours, minute: u64| {
        let (from_ms, until_ms) = hours.stretch_from(minute * 60_000);
        (from_ms / 60_000, until_ms.map(|ms| ms / 60_000))
    };
    // From 08:32 to 08:40, which there is not on that day.
    assert_eq!(minutes(&set(&[part(512, 520)]), 509), (1_892, Some(1_900)));
    // From 08:20 to 10:00: open for half an hour less.
    assert_eq!(minutes(&set(&[part(500, 600)]), 480), (500, Some(540)));
    assert!(set(&[part(500, 600)]).is_open_at(539 * 60_000));
    assert!(!set(&[part(500, 600)]).is_open_at(540 * 60_000));
    // From 09:00, which it is at once.
    assert_eq!(minutes(&set(&[part(540, 600)]), 505), (510, Some(540)));
}
