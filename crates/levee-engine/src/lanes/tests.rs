use std::collections::VecDeque;
use std::time::{Duration, Instant};

use levee_api::port::{Ask, AskBody, Origin, Priority, Query};

use super::{Handover, LAPSED_MAX, LOOKED_AT_MAX, Lanes, is_crowd};
use crate::tokens::Tokens;

fn ask(ticket: u64, within_ms: u32) -> Ask {
    let body = AskBody::Query(Box::new(Query::Campaigns { after: None, limit: 1 }));
    Ask { ticket, within_ms, body }
}

fn handover(priority: Priority, arrived: Instant, asks: Vec<Ask>) -> Handover {
    Handover { origin: Origin(0), priority, arrived, waited_us: 0, asks }
}

/// Tickets, in the order in which they are decided.
fn tickets(taken: &VecDeque<Handover>) -> Vec<u64> {
    taken.iter().flat_map(|handover| handover.asks.iter().map(|ask| ask.ticket)).collect()
}

/// The rules in their plainest form: lists, no counts.
struct Model {
    lanes: [Vec<ModelHandover>; Priority::COUNT],
    capacity: usize,
    tokens: Tokens,
}

#[derive(Clone)]
struct ModelHandover {
    arrived: Instant,
    /// Ticket and time limit.
    asks: Vec<(u64, u32)>,
}

impl Model {
    fn waiting(&self, lanes: &[Priority]) -> usize {
        let of = |lane: &Priority| {
            self.lanes[*lane as usize].iter().map(|h| h.asks.len()).sum::<usize>()
        };
        lanes.iter().map(of).sum()
    }

    fn room(&self, lane: Priority) -> usize {
        let left = self.capacity - self.waiting(&Priority::ALL);
        let crowd = self.waiting(&[Priority::Claim, Priority::Browse]);
        let seven_eighths = self.capacity - self.capacity / 8;
        if is_crowd(lane) { left.min(seven_eighths.saturating_sub(crowd)) } else { left }
    }

    fn is_old(handover: &ModelHandover, now: Instant) -> bool {
        now - handover.arrived >= Duration::from_micros(100_001)
    }

    fn take_lapsed(&mut self, now: Instant) -> Vec<u64> {
        let mut tickets = Vec::new();
        for lane in [Priority::Claim, Priority::Browse] {
            let mut crowd = true;
            self.lanes[lane as usize].retain(|handover| {
                let waited_ms = (now - handover.arrived).as_millis();
                let lapsed = handover.asks.iter().all(|(_, within)| waited_ms > (*within).into());
                if crowd && lapsed {
                    tickets.extend(handover.asks.iter().map(|(ticket, _)| *ticket));
                    return false;
                }
                crowd &= Self::is_old(handover, now);
                true
            });
        }
        tickets
    }

    fn take(&mut self, now: Instant, wanted: usize, lanes: &[Priority]) -> Vec<u64> {
        let mut tickets = Vec::new();
        for lane in lanes {
            let waiting = &mut self.lanes[*lane as usize];
            let old = waiting.first().is_some_and(|first| Self::is_old(first, now));
            let newest_first = old && is_crowd(*lane);
            while tickets.len() < wanted && !waiting.is_empty() {
                let place = if newest_first { waiting.len() - 1 } else { 0 };
                let mut count = waiting[place].asks.len();
                if *lane == Priority::Claim {
                    count = count.min(self.tokens.available());
                    self.tokens.spend(count);
                }
                if count == 0 {
                    break;
                }
                tickets.extend(waiting[place].asks.drain(..count).map(|(ticket, _)| ticket));
                if waiting[place].asks.is_empty() {
                    waiting.remove(place);
                }
            }
        }
        tickets
    }
}

/// A generator of Knuth's; good enough to choose steps.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % end
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.below(choices.len() as u64)).expect("small")]
    }
}

/// Random steps on the lanes and on the model.
fn play(seed: u64) {
    let mut random = Random(seed);
    let mut now = Instant::now();
    let capacity = random.one_of(&[1, 7, 64, 300]);
    let mut lanes = Lanes::new(capacity, now);
    let tokens = Tokens::new(now);
    let mut model = Model { lanes: Default::default(), capacity, tokens };
    let (mut per_s, mut next_ticket) = (0, 0);
    for step in 0..400 {
        let context = format!("seed {seed}, step {step}");
        match random.below(10) {
            0..5 => {
                let lane = random.one_of(&Priority::ALL);
                let room = lanes.room(lane);
                assert_eq!(room, model.room(lane), "{context}: room of {lane:?}");
                let count = room.min(usize::try_from(random.below(20)).expect("small"));
                if count > 0 {
                    let withins = (0..count).map(|_| random.one_of(&[5, 50, 250, u32::MAX]));
                    let asks: Vec<_> = (next_ticket..).zip(withins).collect();
                    next_ticket += count as u64;
                    let of_engine = asks.iter().map(|(ticket, within)| ask(*ticket, *within));
                    lanes.push(handover(lane, now, of_engine.collect()));
                    model.lanes[lane as usize].push(ModelHandover { arrived: now, asks });
                }
            }
            5 => per_s = random.one_of(&[0, 0, 1, 150, 1_000, 40_000]),
            6..8 => now += Duration::from_micros(random.one_of(&[1, 300, 1_000, 60_000, 150_000])),
            8 => {
                let (wanted, mut taken) = (random.one_of(&[1, 8, 500]), VecDeque::new());
                lanes.take_urgent(wanted, &mut taken);
                let urgent = [Priority::Callback, Priority::Status, Priority::Redeem];
                assert_eq!(tickets(&taken), model.take(now, wanted, &urgent), "{context}: urgent");
            }
            _ => {
                lanes.limit_claims(now, per_s);
                model.tokens.refill(now, per_s);
                let mut taken = VecDeque::new();
                lanes.take_lapsed(now, &mut taken);
                assert_eq!(tickets(&taken), model.take_lapsed(now), "{context}: lapsed");
                let wanted = random.one_of(&[1, 8, 40, 500]);
                taken.clear();
                let count = lanes.take(now, wanted, &mut taken, &mut Vec::new());
                assert_eq!(tickets(&taken), model.take(now, wanted, &Priority::ALL), "{context}");
                assert_eq!(tickets(&taken).len(), count, "{context}");
            }
        }
        for lane in Priority::ALL {
            let waiting = lanes.counts()[lane as usize];
            assert_eq!(waiting, model.waiting(&[lane]), "{context}: {lane:?}");
            let oldest = model.lanes[lane as usize].first().map(|first| now - first.arrived);
            let oldest_us = oldest.unwrap_or_default().as_micros();
            assert_eq!(u128::from(lanes.oldest_us(lane, now)), oldest_us, "{context}: {lane:?}");
        }
        assert_eq!(lanes.is_empty(), model.waiting(&Priority::ALL) == 0, "{context}");
    }
}

#[test]
fn lanes_do_what_the_plainest_form_of_their_rules_says() {
    for seed in 0..300 {
        play(seed);
    }
}

/// Moments in milliseconds at which single claims arrive, each with its time limit; when it is
/// taken; the order in which they come out, those whose time is over first.
#[track_caller]
fn check(arrivals: &[(u64, u32)], at_ms: u64, expected: &[u64]) {
    let start = Instant::now();
    let mut lanes = Lanes::new(1_000, start);
    for (ticket, (ms, within_ms)) in (0..).zip(arrivals) {
        let arrived = start + Duration::from_millis(*ms);
        lanes.push(handover(Priority::Claim, arrived, vec![ask(ticket, *within_ms)]));
    }
    let (now, mut taken) = (start + Duration::from_millis(at_ms), VecDeque::new());
    lanes.take_lapsed(now, &mut taken);
    lanes.take(now, usize::MAX, &mut taken, &mut Vec::new());
    assert_eq!(tickets(&taken), expected);
}

#[test]
fn the_newest_goes_first_only_when_the_oldest_waited_long() {
    const ANY: u32 = u32::MAX;
    check(&[(0, ANY), (50, ANY), (99, ANY)], 100, &[0, 1, 2]);
    check(&[(0, ANY), (50, ANY), (99, ANY)], 101, &[2, 1, 0]);
    // What nobody needs any more is out of the way, wherever it stands, and does not count as old.
    check(&[(0, 20), (50, ANY), (99, ANY)], 101, &[0, 1, 2]);
    check(&[(0, ANY), (10, 20), (50, ANY), (60, 20)], 200, &[1, 3, 2, 0]);
    // In time to the millisecond.
    check(&[(0, 60), (50, ANY)], 60, &[0, 1]);
}

#[test]
fn clearing_out_is_bounded() {
    let start = Instant::now();
    let later = start + Duration::from_secs(9);
    let mut lanes = Lanes::new(100_000, start);
    for ticket in 0..10_000 {
        lanes.push(handover(Priority::Browse, start, vec![ask(ticket, 1)]));
    }
    for left in [10_000 - LAPSED_MAX, 0] {
        lanes.take_lapsed(later, &mut VecDeque::new());
        assert_eq!(lanes.counts()[Priority::Browse as usize], left);
    }
    // Behind many that are in time it looks no further.
    for ticket in 0..LOOKED_AT_MAX as u64 + 1 {
        let within_ms = if ticket < LOOKED_AT_MAX as u64 { u32::MAX } else { 1 };
        lanes.push(handover(Priority::Browse, start, vec![ask(ticket, within_ms)]));
    }
    let mut taken = VecDeque::new();
    lanes.take_lapsed(later, &mut taken);
    assert!(taken.is_empty());
    // One fewer before it, and it is found.
    let front = lanes.lanes[Priority::Browse as usize].pop_front();
    assert!(front.is_some());
    lanes.take_lapsed(later, &mut taken);
    assert_eq!(tickets(&taken), [LOOKED_AT_MAX as u64]);
}

#[test]
fn claims_without_tokens_are_no_reason_for_a_batch() {
    let start = Instant::now();
    let at = |us| start + Duration::from_micros(us);
    let mut lanes = Lanes::new(100_000, start);
    lanes.limit_claims(start, 100_000);
    lanes.push(handover(Priority::Claim, start, (0..5_000).map(|n| ask(n, u32::MAX)).collect()));
    assert_eq!((lanes.ready(), lanes.is_held()), (0, true));
    assert_eq!(lanes.ready_after(None), Some(Duration::from_millis(1)), "a hundred at a time");
    assert_eq!(lanes.ready_after(Some(512)), Some(Duration::from_micros(5_120)));
    assert_eq!(lanes.ready_after(Some(2_001)), None, "more than ever add up");
    // Some tokens are there, but not a millisecond's worth.
    lanes.limit_claims(at(900), 100_000);
    assert_eq!(lanes.ready(), 0);
    // What goes before needs none, and takes those along that have tokens.
    lanes.push(handover(Priority::Status, start, vec![ask(7_000, u32::MAX)]));
    assert_eq!(lanes.ready(), 1);
    let (mut taken, mut spare) = (VecDeque::new(), vec![Vec::with_capacity(9)]);
    assert_eq!(lanes.take(at(900), 512, &mut taken, &mut spare), 91);
    assert_eq!(tickets(&taken)[..3], [7_000, 0, 1]);
    assert!(spare.is_empty(), "what is left stands in a vector that was there");
    assert_eq!(taken[1].arrived, start);
    // A divided vector goes on where it stopped, and has waited since it arrived.
    lanes.limit_claims(at(2_000), 100_000);
    assert_eq!(lanes.ready(), 110);
    taken.clear();
    assert_eq!(lanes.take(at(2_000), 512, &mut taken, &mut spare), 110);
    assert_eq!((tickets(&taken)[0], taken[0].arrived), (90, start));
    // Without a limit all are ready at once.
    lanes.limit_claims(at(2_001), 0);
    assert_eq!((lanes.ready(), lanes.is_held()), (4_800, false));
}
