//! Quotes, and orders that take an offer.

use super::*;

/// Candidates are outlet and way.
fn quote(
    request: u8,
    candidates: &[(u32, u32)],
    number: u32,
    until_ms: u64,
    offers: &[(u32, u64)],
) -> (Command, Outcome) {
    let candidate = |(outlet, travel_ms)| Candidate { outlet: OutletNo(outlet), travel_ms };
    let offer = |(outlet, ready_at_ms)| {
        let way = candidates.iter().find(|(candidate, _)| *candidate == outlet);
        let travel_ms = way.map_or(0, |(_, travel_ms)| *travel_ms);
        Offer { outlet: OutletNo(outlet), ready_at_ms, travel_ms }
    };
    let ask = QuoteOrder {
        request: key(request),
        asked: 0,
        user: None,
        outlet_version: 1,
        total_minor: 3_000,
        discount_minor: 2_500,
        work: 1_000,
        candidates: candidates.iter().copied().map(candidate).collect(),
        ready_by_ms: None,
        hold_ms: 400,
    };
    let offers = offers.iter().copied().map(offer).collect();
    let (quote, total_minor, discount_minor) = (QuoteNo(number), 3_000, 2_500);
    let quoted = Quoted { quote, until_ms, total_minor, discount_minor, offers, released: None };
    (Command::QuoteOrder(Box::new(ask)), Outcome::Quoted(Box::new(quoted)))
}

fn taking(
    quote: u32,
    place: u8,
    (mut command, mut outcome): (Command, Outcome),
) -> (Command, Outcome) {
    let (Command::PlaceOrder(ask), Outcome::OrderPlaced { promised_at_ms, .. }) =
        (&mut command, &mut outcome)
    else {
        panic!("no order")
    };
    ask.offer = Some(OfferNo { quote: QuoteNo(quote), place });
    *promised_at_ms = 69_000;
    (command, outcome)
}

fn released(quotes: &[u32]) -> (Command, Outcome) {
    let released = quotes.iter().copied().map(QuoteNo).collect();
    ticked(SweptOrders { released, ..SweptOrders::default() })
}

/// One that has orders ready within 68,000: eight seconds after the minute for payment.
fn outlet(id: &str, number: u32, version: u32) -> (Command, Outcome) {
    let (mut command, outcome) = super::outlet(id, number, version);
    let Command::PutOutlet(put) = &mut command else { panic!("no outlet") };
    put.ready_within_ms = 68_000;
    (command, outcome)
}

/// Three outlets; one offer as wanted, which an order takes, and one quote that ends by the clock.
fn quoted() -> Story {
    after_claims([
        (1_100, outlet("tea", 0, 1)), // 8
        (1_101, outlet("cake", 1, 1)),
        (1_102, outlet("ice", 2, 1)), // 10
        (1_110, quote(30, &[(0, 0), (1, 100)], 0, 1_510, &[(0, 69_000)])),
        (1_120, taking(0, 0, place(31, 3, None, 0, (None, 1_620)))),
        // The wanted one has a slot alone, the others are in time.
        (
            1_130,
            quote(
                32,
                &[(0, 0), (1, 100), (2, 0)],
                1,
                1_530,
                &[(2, 68_000), (1, 67_950), (0, 70_000)],
            ),
        ),
        (1_530, released(&[1])),
    ])
}

#[track_caller]
fn check(name: &str, doctor: impl FnOnce(&mut Story), expected: &[(u64, &str)]) {
    let mut story = quoted();
    doctor(&mut story);
    check_story(name, &story, expected);
}

#[track_caller]
fn ends_with(end: usize, at_ms: u64, then: (Command, Outcome), expected: &str) {
    story_ends_with(quoted(), end, at_ms, then, expected);
}

fn asked(story: &mut Story, seq: usize) -> &mut QuoteOrder {
    let Command::QuoteOrder(ask) = &mut story.step(seq).command else { panic!("no quote") };
    ask
}

fn answered(story: &mut Story, seq: usize) -> &mut Quoted {
    let Outcome::Quoted(quoted) = &mut story.step(seq).outcome else { panic!("no quote") };
    quoted
}

#[test]
fn clean_quotes_are_reported() {
    let report = quoted().audit();
    assert_eq!(report.differences, []);
    let orders = report.orders;
    assert_eq!((orders.quotes, orders.offers, orders.offers_taken), (2, 4, 1));
}

#[test]
fn what_is_asked() {
    type Doctor = fn(&mut QuoteOrder);
    let cases: [(Doctor, &str); 11] = [
        (|ask| ask.outlet_version = 2, "priced by version 2 of outlet 0, where 1 is the latest"),
        (|ask| ask.total_minor = 0, "a quote with a total out of bounds"),
        (|ask| ask.discount_minor = 3_001, "a quote with a discount out of bounds"),
        (|ask| ask.work = 0, "a quote with work out of bounds"),
        (|ask| ask.work = WORK_MAX + 1, "a quote with work out of bounds"),
        (|ask| ask.candidates[1].travel_ms = TRAVEL_MS_MAX + 1, "a quote with candidates out of"),
        (|ask| ask.ready_by_ms = Some(1_109), "a quote with a wanted time out of bounds"),
        (|ask| ask.hold_ms = 0, "a quote with a time to hold out of bounds"),
        (|ask| ask.hold_ms = HOLD_MS_MAX + 1, "a quote with a time to hold out of bounds"),
        (|ask| ask.candidates[1].outlet = OutletNo(9), "there is no outlet 9"),
        (|ask| ask.candidates[1].outlet = OutletNo(0), "outlet 0 is asked twice"),
    ];
    for (doctor, expected) in cases {
        let mut story = quoted();
        story.end(11);
        doctor(asked(&mut story, 11));
        let found = story.audit().differences;
        assert!(
            found.iter().any(|found| found.seq == 11 && found.what.starts_with(expected)),
            "{expected}: {found:#?}"
        );
    }
    ends_with(
        10,
        1_110,
        quote(30, &[(0, 0)], 1, 1_510, &[(0, 69_000)]),
        "quote 1 stands where 0 follows",
    );
    ends_with(
        10,
        1_110,
        quote(30, &[(0, 0)], 0, 1_511, &[(0, 69_000)]),
        "offers are held until 1511, asked for was 1510",
    );
}

#[test]
fn what_is_offered() {
    let all = [(0, 0), (1, 100), (2, 0)];
    let one = |offers: &[(u32, u64)]| quote(90, &all, 0, 1_510, offers);
    ends_with(10, 1_110, one(&[]), "0 offers");
    ends_with(10, 1_110, one(&[(0, 69_000), (2, 69_000)]), "offers besides one that is as wanted");
    ends_with(10, 1_110, one(&[(1, 68_000), (2, 68_099)]), "the offer of outlet 2 is not the next");
    ends_with(10, 1_110, one(&[(0, 70_000), (2, 68_000)]), "the offer of outlet 2 is not the next");
    ends_with(10, 1_110, one(&[(1, 68_000), (1, 68_001)]), "an offer of outlet 1 for 68001");
    ends_with(10, 1_110, one(&[(1, 69_111)]), "an offer of outlet 1 for 69111");
    ends_with(10, 1_110, one(&[(1, 61_510)]), "an offer for 61510 of what may be begun at 61510");
    ends_with(10, 1_110, one(&[(0, 1_110 + PROMISED_AHEAD_MS_MAX + 1)]), "an offer for 2592001111");
    ends_with(
        10,
        1_110,
        quote(90, &[(0, 0), (1, 0)], 0, 1_510, &[(2, 68_000)]),
        "an offer of outlet 2, which nobody asked",
    );
    let other = |change: fn(&mut Quoted)| {
        let (ask, mut outcome) = one(&[(1, 68_000)]);
        let Outcome::Quoted(quoted) = &mut outcome else { panic!("no quote") };
        change(quoted);
        (ask, outcome)
    };
    let dearer = other(|quoted| quoted.total_minor += 1);
    ends_with(10, 1_110, dearer, "a quote of (3001, 2500) minor units where (3000, 2500) was");
    let nearer = other(|quoted| quoted.offers[0].travel_ms = 99);
    ends_with(10, 1_110, nearer, "an offer of outlet 1 with another way");
    check(
        "a paused outlet",
        |s| {
            let (command, outcome) = pause(91, None);
            s.end(10);
            s.add(1_105, command, outcome);
            let (command, outcome) = one(&[(0, 69_000)]);
            s.add(1_110, command, outcome);
        },
        &[(12, "an offer of outlet 0, which is paused")],
    );
}

#[test]
fn slots_within_opening_hours() {
    // 08:00 to 08:02 and 09:00 to 09:02 by local time; the story plays just after 08:00.
    let hours = [(480, 482), (540, 542)];
    let slot_at = |ready_at_ms| {
        let mut story = quoted();
        story.end(10);
        let Command::PutOutlet(put) = &mut story.step(8).command else { panic!("no outlet") };
        put.opening.offsets = vec![ZoneOffset { from_ms: 0, minutes: 480 }];
        let part = |(from_minute, until_minute)| DayPart { from_minute, until_minute };
        put.opening.hours = hours.map(part).to_vec();
        let (command, outcome) = quote(90, &[(0, 0)], 0, 1_510, &[(0, ready_at_ms)]);
        story.add(1_110, command, outcome);
        story
    };
    for ready_at_ms in [70_000, 120_000, 3_600_000, 3_720_000] {
        check_story("open", &slot_at(ready_at_ms), &[]);
    }
    // Closed, and open again only after the next hours.
    for ready_at_ms in [120_001, 3_599_999, 3_720_001, 86_400_000] {
        let expected = format!("an offer for {ready_at_ms}, when outlet 0 is closed or has been");
        check_story("closed", &slot_at(ready_at_ms), &[(11, &expected)]);
    }
}

#[test]
fn orders_take_what_is_held() {
    type Doctor = fn(&mut PlaceOrder);
    let cases: [(Doctor, &str); 4] = [
        (|ask| ask.offer = Some(OfferNo { quote: QuoteNo(9), place: 0 }), "there is no quote 9"),
        (|ask| ask.offer = Some(OfferNo { quote: QuoteNo(0), place: 1 }), "quote 0 has no offer 1"),
        (|ask| ask.outlet = OutletNo(1), "offer 0 of quote 0 is for OutletNo(0) and 1000"),
        (|ask| ask.work = 1_001, "offer 0 of quote 0 is for OutletNo(0) and 1000"),
    ];
    for (doctor, expected) in cases {
        check(
            expected,
            |s| {
                s.end(12);
                doctor(placed(s, 12));
            },
            &[(12, expected)],
        );
    }
    check(
        "another promise",
        |s| {
            s.end(12);
            *promised(s, 12) = 68_999;
        },
        &[(12, "68999 is promised where 69000 was offered")],
    );
    check(
        "too late",
        |s| {
            s.end(11);
            let (command, outcome) = taking(0, 0, place(31, 3, None, 0, (None, 2_010)));
            s.add(1_510, command, outcome);
        },
        &[(12, "quote 0 holds nothing any more")],
    );
    ends_with(
        12,
        1_130,
        taking(0, 0, place(90, 2, None, 1, (None, 1_630))),
        "quote 0 holds nothing any more",
    );
    check(
        "an offer that counts on no payment",
        |s| {
            s.end(12);
            asked(s, 11).discount_minor = 3_000;
            answered(s, 11).discount_minor = 3_000;
        },
        &[(12, "quote 0 counts on no payment, and its order has one")],
    );
    // Held for longer because of an outage of ours: until 5,110, and the order is paid at 64,000.
    for (offered_ms, promised_ms, expected) in [
        (69_000, 69_000, None),
        (69_000, 70_000, None),
        (62_000, 64_001, None),
        (62_000, 64_000, Some("64000 is promised where 62000 was offered")),
        (69_000, 68_999, Some("68999 is promised where 69000 was offered")),
    ] {
        let expected = expected.map(|expected| (13, expected));
        check(
            "an offer that is older than its time",
            |s| {
                s.end(11);
                answered(s, 11).offers[0].ready_at_ms = offered_ms;
                let (command, outcome) = resume(1_110, 2_000);
                s.add(3_110, command, outcome);
                let (command, outcome) = taking(0, 0, place(31, 3, None, 0, (None, 4_500)));
                s.add(4_000, command, outcome);
                *promised(s, 13) = promised_ms;
            },
            expected.as_slice(),
        );
    }
}

#[test]
fn what_is_not_taken_is_released_by_the_clock() {
    ends_with(12, 1_530, released(&[0]), "quote 0 held nothing any more");
    ends_with(13, 1_529, released(&[1]), "quote 1 ended 1 ms early");
    ends_with(13, 1_529, released(&[9]), "there is no quote 9");
    check(
        "left out",
        |s| {
            s.end(13);
            let (command, outcome) = tick(&[], &[], &[]);
            s.add(1_530, command, outcome);
        },
        &[(14, "a tick leaves out quote 1, which is due")],
    );
    check(
        "beyond the limit",
        |s| {
            s.end(13);
            let (_, outcome) = tick(&[], &[], &[]);
            s.add(1_530, Command::Tick(Tick { limit: 0 }), outcome);
        },
        &[],
    );
    check(
        "twice",
        |s| swept_by(s, 14).released.push(QuoteNo(1)),
        &[(14, "a tick lists quote 1 twice"), (14, "quote 1 held nothing any more")],
    );
    check(
        "in another order",
        |s| {
            s.end(13);
            // Asked for later, and held for a shorter time.
            let (command, outcome) = quote(90, &[(1, 0)], 2, 1_525, &[(1, 68_000)]);
            s.add(1_131, command, outcome);
            asked(s, 14).hold_ms = 394;
            let (command, outcome) = released(&[1, 2]);
            s.add(1_600, command, outcome);
        },
        &[(15, "a tick lists what is over in another order: quote [1, 2]")],
    );
    check(
        "an outage of ours gives grace",
        |s| {
            s.end(13);
            let (command, outcome) = resume(1_130, 1_000);
            s.add(2_130, command, outcome);
            let (command, outcome) = taking(1, 0, place(90, 2, None, 1, (None, 3_629)));
            s.add(3_129, command, outcome);
            placed(s, 15).outlet = OutletNo(2);
            *promised(s, 15) = 68_000;
        },
        &[],
    );
}

/// A user's quote, and which one it released.
fn of_user(
    who: u8,
    number: u32,
    released: Option<u32>,
    (mut command, mut outcome): (Command, Outcome),
) -> (Command, Outcome) {
    let (Command::QuoteOrder(ask), Outcome::Quoted(quoted)) = (&mut command, &mut outcome) else {
        panic!("no quote")
    };
    ask.user = Some(user(who));
    (quoted.quote, quoted.released) = (QuoteNo(number), released.map(QuoteNo));
    (command, outcome)
}

#[test]
fn a_users_fourth_quote_releases_the_first() {
    let asked = |number: u8| quote(40 + number, &[(0, 0)], number.into(), 1_999, &[(0, 69_000)]);
    let story = |fourth: Option<u32>, then: (Command, Outcome)| {
        let mut story = quoted();
        for (number, released) in [(2, None), (3, None), (4, None), (5, fourth)] {
            let (mut command, outcome) = of_user(1, number.into(), released, asked(number));
            let Command::QuoteOrder(ask) = &mut command else { panic!("no quote") };
            ask.hold_ms = 1_999 - 1_600;
            story.add(1_600, command, outcome);
        }
        story.add(1_700, then.0, then.1);
        story
    };
    let take = |quote| taking(quote, 0, place(50, 1, None, 1, (None, 2_200)));
    let found = |fourth, then| story(fourth, then).audit().differences;
    assert_eq!(found(Some(2), take(3)), []);
    let words = |found: Vec<crate::audit::report::Difference>| {
        found.into_iter().map(|found| found.what).collect::<Vec<_>>()
    };
    let wrong = words(found(None, take(3)));
    assert!(wrong[0].starts_with("a quote released None where Some(QuoteNo(2))"), "{wrong:?}");
    let wrong = words(found(Some(3), take(4)));
    assert!(wrong[0].starts_with("a quote released Some(QuoteNo(3)) where"), "{wrong:?}");
    let wrong = words(found(Some(2), take(2)));
    assert_eq!(wrong, ["quote 2 holds nothing any more"]);
    let other = taking(3, 0, place(50, 2, None, 1, (None, 2_200)));
    assert_eq!(words(found(Some(2), other)), ["quote 3 is of another user"]);
}

/// The second one is over by the clock when the fourth is made, and no tick has come since.
#[test]
fn what_is_over_makes_room_before_what_is_held() {
    for (fourth, expected) in [
        (Some(3), None),
        (Some(2), Some("a quote released Some(QuoteNo(2)) where Some(QuoteNo(3)) follows")),
        (None, Some("a quote released None where Some(QuoteNo(3)) follows")),
    ] {
        let expected = expected.map(|expected| (18, expected));
        check(
            "the fourth",
            |s| {
                let holds = [(1_600, 300), (1_600, 100), (1_600, 300), (1_700, 300)];
                for (number, (at_ms, hold_ms)) in (2_u8..).zip(holds) {
                    let released = if number == 5 { fourth } else { None };
                    let one = quote(40 + number, &[(0, 0)], 0, at_ms + hold_ms, &[(0, 69_000)]);
                    let (mut command, outcome) = of_user(1, number.into(), released, one);
                    let Command::QuoteOrder(ask) = &mut command else { panic!("no quote") };
                    ask.hold_ms = hold_ms;
                    s.add(at_ms, command, outcome);
                }
            },
            expected.as_slice(),
        );
    }
}
