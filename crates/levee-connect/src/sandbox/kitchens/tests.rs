//! The life of tickets at one outlet, as tables: what happens at which second, and what the outlet
//! says.

use levee_api::scenario::{Kitchens as Terms, Lasting, OutletFaults, Stations};
use levee_api::time::Instant;

use super::{Heard, Kitchens, Receipt, Telling, TicketStats};
use crate::sandbox::draw::Draw;
use crate::sandbox::effects::Effects;
use crate::sandbox::tests::{DAY_STARTS_AT_MS, kitchens};
use crate::wire::pos::{Cancel, Item, Ticket};

fn exactly(median_s: f64) -> Lasting {
    Lasting { median_s, sigma: 0.0 }
}

/// One station, a minute a unit, an answer after ten seconds, fetched after a hundred.
fn terms() -> Terms {
    let mut faults: OutletFaults = kitchens().faults;
    (faults.slow.share, faults.failing, faults.flapping.share, faults.black_hole) =
        (0.0, 0.0, 0.0, 0.0);
    let mut terms = Terms {
        stations: vec![Stations { count: 1, share: 1.0 }],
        unit: exactly(60.0),
        making_sigma: 0.0,
        accept_after: exactly(10.0),
        collect_after: exactly(100.0),
        ahead_minutes: 15.0,
        rejected: 0.0,
        ignored: 0.0,
        faults,
        ..kitchens()
    };
    terms.walk_ins.per_station_hour = 0.0;
    terms
}

struct Play {
    kitchens: Kitchens,
    effects: Effects,
    /// Steps that wait for what Levee says.
    said: Vec<Telling>,
}

impl Play {
    fn run_to(&mut self, now_ms: u64) {
        while let Some((due_ms, due)) = self.effects.agenda.take(now_ms) {
            self.kitchens.due(&mut self.effects, due_ms, due_ms, due);
        }
    }

    fn hear(&mut self, now_ms: u64, ticket: &str, heard: Heard) {
        let place = self.said.iter().position(|telling| telling.ticket == ticket);
        let telling = self.said.remove(place.unwrap_or_else(|| panic!("{ticket} says nothing")));
        let key = (telling.life, telling.step);
        self.kitchens.heard(&mut self.effects, now_ms, key, heard);
    }

    fn says(&mut self) -> String {
        let mut new = Vec::new();
        while let Some(life) = self.effects.steps.pop_front() {
            let Some(telling) = self.kitchens.telling(life) else { continue };
            new.push(format!("{}:{}@{}", telling.ticket, telling.step.name(), telling.version));
            self.said.push(telling);
        }
        new.join(" ")
    }
}

fn ticket(id: &str, order: &str, version: u32, ready_at_s: u64) -> Ticket {
    let instant = |s: u64| Instant { ms: DAY_STARTS_AT_MS + s * 1_000 };
    Ticket {
        ticket: id.to_owned(),
        order: order.to_owned(),
        version,
        outlet_id: "o".to_owned(),
        items: vec![Item { sku: "s".to_owned(), name: "n".to_owned(), quantity: 1 }],
        work: 1_000,
        ready_at: instant(ready_at_s),
        courier_at: None,
        accept_by: instant(ready_at_s),
    }
}

/// Lines `SECOND ticket ID ORDER VERSION READY_AT`, `cancel ID VERSION`, `agree ID VERSION`, `taken
/// ID`, `refuse ID`, `again ID SECONDS`, or `says`; behind an arrow what the outlet says from then
/// on. At the end the counts that are not 0.
#[track_caller]
fn check(terms: Terms, script: &str, expected: &str) {
    let mut play = Play {
        kitchens: Kitchens::new(Draw::new(1), terms, DAY_STARTS_AT_MS),
        effects: Effects::new(),
        said: Vec::new(),
    };
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (line_words, says) = line.split_once(" -> ").unwrap_or((line, ""));
        let words: Vec<&str> = line_words.split(' ').collect();
        let number = |place: usize| words[place].parse::<u64>().expect("a number");
        let version = |place: usize| u32::try_from(number(place)).expect("a version");
        let now_ms = DAY_STARTS_AT_MS + number(0) * 1_000;
        play.run_to(now_ms);
        match words[1] {
            "ticket" => {
                let ticket = ticket(words[2], words[3], version(4), number(5));
                let receipt = play.kitchens.receive(&mut play.effects, now_ms, "v", &ticket);
                assert_eq!(receipt, Receipt::Received);
            }
            "cancel" => {
                let cancel = Cancel {
                    ticket: words[2].to_owned(),
                    version: version(3),
                    reason: String::new(),
                };
                play.kitchens.cancel(&mut play.effects, now_ms, ("v", "o"), &cancel);
            }
            "agree" => play.hear(now_ms, words[2], Heard::Agreed { version: version(3) }),
            "taken" => play.hear(now_ms, words[2], Heard::Taken),
            "refuse" => play.hear(now_ms, words[2], Heard::Refused),
            "again" => {
                play.hear(now_ms, words[2], Heard::Again { after_ms: number(3) * 1_000 });
            }
            "says" => {}
            other => panic!("{other}"),
        }
        play.run_to(now_ms);
        assert_eq!(play.says(), says, "{line}");
    }
    assert_eq!(counts(play.kitchens.stats().0), expected);
}

fn counts(stats: TicketStats) -> String {
    let json = serde_json::to_value(stats).expect("counts");
    let counts = json.as_object().expect("an object").iter();
    let some = counts.filter(|(name, count)| **count != 0 && *name != "steps_sent");
    some.map(|(name, count)| format!("{name}={count}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_ticket_is_accepted_made_and_fetched() {
    check(
        terms(),
        "
        0 ticket a x 1 60
        9 says
        10 says -> a:accept@1
        11 agree a 2 -> a:start@2
        12 agree a 3
        70 says
        71 says -> a:ready@3
        72 agree a 4
        171 says -> a:collect@4
        172 agree a 5
        900 says
        ",
        "received=1 accepted=1 started=1 ready=1 collected=1",
    );
}

#[test]
fn tickets_wait_for_their_time_and_for_a_station() {
    check(
        terms(),
        "
        0 ticket late x 1 1800
        0 ticket a y 1 60
        0 ticket b z 1 60
        10 says -> late:accept@1 a:accept@1 b:accept@1
        10 agree b 2 -> b:start@2
        11 agree a 2
        11 agree late 2
        12 agree b 3
        70 says -> b:ready@3 a:start@2
        130 says
        899 agree b 4 -> b:collect@4
        900 says -> late:start@2
        ",
        "received=3 accepted=3 started=1 ready=1",
    );
}

#[test]
fn the_kitchen_does_not_wait_for_levee() {
    check(
        terms(),
        "
        0 ticket a x 1 60
        10 says -> a:accept@1
        10 again a 5
        14 says
        15 says -> a:accept@1
        15 agree a 2 -> a:start@2
        15 again a 300
        300 says
        315 says -> a:start@2
        315 agree a 3 -> a:ready@3
        316 agree a 4 -> a:collect@4
        317 agree a 5
        ",
        "received=1 accepted=1 started=1 ready=1 collected=1 steps_repeated=2",
    );
}

#[test]
fn what_is_known_is_ignored_and_a_newer_version_counts() {
    check(
        terms(),
        "
        0 ticket a x 2 60
        1 ticket a x 2 60
        1 ticket a x 1 60
        2 ticket a x 3 60
        10 says -> a:accept@3
        10 agree a 4 -> a:start@4
        11 ticket a x 4 60
        11 cancel a 3
        12 agree a 5
        70 says -> a:ready@5
        ",
        "received=1 repeated=4 changed=1 accepted=1 started=1",
    );
}

#[test]
fn what_is_taken_away_is_dropped_and_counted_where_it_was_begun() {
    // Before anybody looked, while it waits, while it is made, and when it is ready.
    check(
        terms(),
        "
        0 ticket a x 1 60
        5 cancel a 2
        10 says
        20 ticket b y 1 60
        20 ticket c z 1 60
        30 says -> b:accept@1 c:accept@1
        30 agree b 2 -> b:start@2
        30 agree c 2
        31 agree b 3
        40 cancel c 3
        50 cancel b 4
        200 says
        200 ticket d w 1 60
        210 says -> d:accept@1
        210 agree d 2 -> d:start@2
        210 agree d 3
        270 says -> d:ready@3
        270 taken d
        999 says
        ",
        "received=4 accepted=3 started=2 cancelled=4 made_for_nothing=2",
    );
    // A start that Levee did not agree to gives the station to the next at once.
    check(
        terms(),
        "
        0 ticket a x 1 60
        0 ticket b y 1 60
        10 says -> a:accept@1 b:accept@1
        10 agree a 2 -> a:start@2
        10 agree b 2
        12 taken a -> b:start@2
        ",
        "received=2 accepted=2 cancelled=1",
    );
    // An acceptance that came too late, and one that Levee cannot understand.
    check(
        terms(),
        "
        0 ticket a x 1 60
        0 ticket b y 1 60
        10 says -> a:accept@1 b:accept@1
        10 taken a
        10 refuse b
        999 says
        ",
        "received=2 cancelled=1 refused=1",
    );
}

#[test]
fn cancellations_may_come_before_the_ticket_or_too_late() {
    check(
        terms(),
        "
        0 cancel a 3
        1 ticket a x 2 60
        999 says
        1000 ticket b y 1 1000
        1010 says -> b:accept@1
        1010 agree b 2 -> b:start@2
        1010 agree b 3
        1070 says -> b:ready@3
        1070 agree b 4
        1170 says -> b:collect@4
        1170 agree b 5
        1171 cancel b 6
        1172 cancel b 6
        ",
        "received=1 repeated=1 accepted=1 started=1 ready=1 collected=1 cancelled=1 \
         cancelled_late=2",
    );
}

#[test]
fn an_order_that_is_begun_twice_is_counted() {
    // A newer version of what was made already, and another ticket for the same order.
    check(
        terms(),
        "
        0 ticket a x 1 60
        10 says -> a:accept@1
        10 agree a 2 -> a:start@2
        11 agree a 3
        12 cancel a 4
        100 ticket a x 5 160
        110 says -> a:accept@5
        110 agree a 6 -> a:start@6
        111 agree a 7
        112 ticket b x 1 160
        122 says -> b:accept@1
        123 agree b 2
        170 says -> a:ready@7 b:start@2
        171 agree b 3
        ",
        "received=3 accepted=3 started=3 cancelled=1 made_for_nothing=1 double_made=2",
    );
}

#[test]
fn some_are_turned_down_and_some_never_looked_at() {
    let all_rejected = Terms { rejected: 1.0, ..terms() };
    let script = "
        0 ticket a x 1 60
        10 says -> a:reject@1
        10 agree a 2
        999 says
        ";
    check(all_rejected, script, "received=1 rejected=1");
    let all_ignored = Terms { ignored: 1.0, ..terms() };
    let script = "
        0 ticket a x 1 60
        999 says
        1000 cancel a 2
        1001 cancel a 2
        ";
    check(all_ignored, script, "received=1 repeated=1 ignored=1 cancelled=1");
}

#[test]
fn a_dark_vendor_says_nothing_until_it_is_over() {
    let mut terms = terms();
    terms.dark[0].vendor = "v".to_owned();
    terms.dark[0].from_hour = 0.0;
    terms.dark[0].hours = 0.5;
    check(
        terms,
        "
        0 ticket a x 1 60
        1799 says
        1800 says -> a:accept@1
        ",
        "received=1",
    );
}

#[test]
fn stations_are_busy_for_as_long_as_they_make() {
    let mut kitchens = Kitchens::new(Draw::new(1), terms(), DAY_STARTS_AT_MS);
    let mut effects = Effects::new();
    let ticket = Ticket { work: 1_500, ..ticket("a", "x", 1, 60) };
    kitchens.receive(&mut effects, DAY_STARTS_AT_MS, "v", &ticket);
    let mut play = Play { kitchens, effects, said: Vec::new() };
    play.run_to(DAY_STARTS_AT_MS + 10_000);
    play.says();
    play.hear(DAY_STARTS_AT_MS + 10_000, "a", Heard::Agreed { version: 2 });
    let (_, classes) = play.kitchens.stats();
    assert_eq!((classes[0].outlets, classes[0].stations, classes[0].busy_ms), (1, 1, 90_000));
    // Not agreed to: the rest of it is not done.
    play.says();
    play.hear(DAY_STARTS_AT_MS + 20_000, "a", Heard::Taken);
    assert_eq!(play.kitchens.stats().1[0].busy_ms, 10_000);
}
