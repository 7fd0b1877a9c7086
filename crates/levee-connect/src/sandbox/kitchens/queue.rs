//! One outlet's stations and the queue in front of them: first come, first served, whoever it is.

use std::collections::BTreeSet;

use super::walk_ins::{Crowd, WalkIns};

/// A ticket that a station has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) ticket: u32,
    pub(super) station: usize,
    pub(super) from_ms: u64,
    pub(super) until_ms: u64,
}

/// What a look at the queue came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Looked {
    pub(super) taken: Vec<Taken>,
    /// What stations do for walk-ins whom a ticket waited behind, in milliseconds.
    pub(super) walk_in_ms: u64,
    /// When to look again, while a ticket waits.
    pub(super) again_ms: Option<u64>,
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// For each station, when it is free.
    free_at_ms: Vec<u64>,
    /// Tickets by the moment from which they may be begun.
    waiting: BTreeSet<(u64, u32)>,
    walk_ins: WalkIns,
}

impl Queue {
    pub(super) fn new(stations: u32, now_ms: u64) -> Self {
        let stations = usize::try_from(stations).expect("bounded by the scenario");
        Self {
            free_at_ms: vec![0; stations],
            waiting: BTreeSet::new(),
            walk_ins: WalkIns::before(now_ms),
        }
    }

    /// A ticket waits.
    pub(super) fn join(&mut self, from_ms: u64, ticket: u32, now_ms: u64) {
        if self.waiting.is_empty() {
            self.walk_ins.skip_to(now_ms);
        }
        self.waiting.insert((from_ms, ticket));
    }

    /// A ticket waits no longer.
    pub(super) fn leave(&mut self, from_ms: u64, ticket: u32) {
        self.waiting.remove(&(from_ms, ticket));
    }

    /// A station stops what it was doing; how much of it is not done.
    pub(super) fn release(&mut self, station: usize, now_ms: u64) -> u64 {
        let free_at_ms = &mut self.free_at_ms[station];
        let left_ms = free_at_ms.saturating_sub(now_ms);
        *free_at_ms -= left_ms;
        left_ms
    }

    /// Lets stations take what they can by now. What nobody's ticket waits behind is not looked at.
    pub(super) fn look(
        &mut self,
        now_ms: u64,
        crowd: Crowd<'_>,
        making_ms: impl Fn(u32) -> u64,
    ) -> Looked {
        let mut looked = Looked::default();
        while let Some((from_ms, ticket)) = self.waiting.first().copied() {
            if from_ms > now_ms {
                looked.again_ms = Some(from_ms);
                return looked;
            }
            let before = self.walk_ins.peek(from_ms, crowd);
            let came_ms = before.map_or(from_ms, |walk_in| walk_in.at_ms);
            let (station, free_at_ms) = self.first_free();
            let start_ms = came_ms.max(free_at_ms);
            if start_ms > now_ms {
                looked.again_ms = Some(start_ms);
                return looked;
            }
            let until_ms = if let Some(walk_in) = before {
                self.walk_ins.take();
                looked.walk_in_ms += walk_in.making_ms;
                start_ms + walk_in.making_ms
            } else {
                self.waiting.pop_first();
                let until_ms = start_ms + making_ms(ticket);
                looked.taken.push(Taken { ticket, station, from_ms: start_ms, until_ms });
                until_ms
            };
            self.free_at_ms[station] = until_ms;
        }
        looked
    }

    fn first_free(&self) -> (usize, u64) {
        let stations = self.free_at_ms.iter().copied().enumerate();
        stations.min_by_key(|(_, free_at_ms)| *free_at_ms).expect("outlets have stations")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::draw::Draw;
    use crate::sandbox::kitchens::profile::Profile;
    use crate::sandbox::tests::kitchens;

    const NOON_MS: u64 = 1_770_350_400_000;

    /// Lines of what happens at which second: `join FROM TICKET`, `leave FROM TICKET`,
    /// `release STATION` or `look`; every look says who began where, and when to look again. A
    /// ticket takes as many seconds as its number.
    #[track_caller]
    fn check(stations: u32, per_station_hour: f64, script: &str) {
        let mut kitchens = kitchens();
        kitchens.walk_ins.per_station_hour = per_station_hour;
        let draw = Draw::new(1);
        let profile = Profile::draw(&kitchens, draw, "v", "o");
        let crowd = Crowd { draw, kitchens: &kitchens, profile, vendor: "v", outlet_id: "o" };
        let mut queue = Queue::new(stations, NOON_MS);
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let mut words = line.split(' ');
            let at_s: u64 = words.next().expect("a time").parse().expect("seconds");
            let now_ms = NOON_MS + at_s * 1_000;
            let what = words.next().expect("what happens");
            let mut number = || words.next().expect("a number").parse::<u64>().expect("a number");
            match what {
                "join" => {
                    let from_ms = NOON_MS + number() * 1_000;
                    queue.join(from_ms, u32::try_from(number()).expect("small"), now_ms);
                }
                "leave" => {
                    let from_ms = NOON_MS + number() * 1_000;
                    queue.leave(from_ms, u32::try_from(number()).expect("small"));
                }
                "release" => {
                    queue.release(usize::try_from(number()).expect("small"), now_ms);
                }
                _ => {
                    let looked = queue.look(now_ms, crowd, |ticket| u64::from(ticket) * 1_000);
                    let second = |ms: u64| ms.saturating_sub(NOON_MS) / 1_000;
                    let mut said: Vec<String> = looked
                        .taken
                        .iter()
                        .map(|taken| {
                            let (from, until) = (second(taken.from_ms), second(taken.until_ms));
                            format!("{}@{}:{from}-{until}", taken.ticket, taken.station)
                        })
                        .collect();
                    said.extend(looked.again_ms.map(|ms| format!("again {}", second(ms))));
                    let expected = line.split_once("-> ").map_or("", |(_, expected)| expected);
                    assert_eq!(said.join(" "), expected, "{line}");
                }
            }
        }
    }

    #[test]
    fn stations_take_whoever_came_first() {
        check(
            2,
            0.0,
            "
            0 join 0 60
            0 join 0 90
            0 join 0 30
            0 look -> 30@0:0-30 60@1:0-60 again 30
            30 look -> 90@0:30-120
            40 join 40 10
            40 look -> again 60
            75 look -> 10@1:60-70
            ",
        );
    }

    #[test]
    fn nothing_is_begun_before_its_time_and_what_left_is_not_begun() {
        check(
            1,
            0.0,
            "
            0 join 100 20
            0 join 50 30
            0 look -> again 50
            50 leave 50 30
            50 look -> again 100
            100 look -> 20@0:100-120
            105 join 105 40
            105 look -> again 120
            107 release 0
            107 look -> 40@0:107-147
            ",
        );
    }

    #[test]
    fn walk_ins_stand_in_the_same_queue() {
        let crowded = |per_station_hour: f64| {
            let mut kitchens = kitchens();
            kitchens.walk_ins.per_station_hour = per_station_hour;
            let draw = Draw::new(1);
            let profile = Profile::draw(&kitchens, draw, "v", "o");
            let crowd = Crowd { draw, kitchens: &kitchens, profile, vendor: "v", outlet_id: "o" };
            let mut queue = Queue::new(profile.stations, NOON_MS);
            queue.join(NOON_MS, 1, NOON_MS);
            let mut now_ms = NOON_MS;
            loop {
                let looked = queue.look(now_ms, crowd, |_| 1);
                match looked.again_ms {
                    Some(again_ms) => now_ms = again_ms,
                    None => return looked.taken[0].from_ms - NOON_MS,
                }
            }
        };
        assert_eq!(crowded(0.0), 0);
        assert!(crowded(60.0) > 10 * 60_000, "{}", crowded(60.0));
        assert!(crowded(60.0) > crowded(30.0));
    }
}
