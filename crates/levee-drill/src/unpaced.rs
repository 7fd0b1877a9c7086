//! The same users at the same kitchens without pacing: what the day would have been.
//!
//! A plain simulation, not Levee: every order is taken at once at the outlet that is wanted, and
//! promised within the outlet's `ready_within` (or when its user wants it), whatever waits there
//! already. Outlets make what was ordered and what walk-ins ask for in the order in which they came,
//! as soon as a station is free; only what is wanted at a time of its own is begun no earlier than
//! `ahead_minutes` before it, as the sandbox has it. Making times vary as there. Users cancel as they do in the drill, and those who look give up as they
//! do there: in both days an order that is being made is waited for. What is not begun two hours
//! after its promise is over, as it is with Levee.
//!
//! It flatters the day without pacing: all systems work and answer at once, nobody is turned down,
//! everybody pays, and who gives up costs the kitchen nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use fastrand::Rng;
use levee_api::scenario::Kitchens;
use levee_api::types::MADE_WITHIN_MS;

use crate::load::Load;
use crate::market::Kitchen;
use crate::numbers::{real, whole};
use crate::plan::{mix, normal};

/// Somebody wants something. Times are in milliseconds since the day's start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wish {
    /// Draws the making time.
    pub user: u32,
    /// The earliest moment at which a station may begin.
    pub from_ms: u64,
    /// Place of the outlet.
    pub outlet: usize,
    /// In thousandths of a unit.
    pub work: u64,
    /// When it is promised.
    pub promised_ms: u64,
    /// Its user cancels then, unless it is being made.
    pub cancels_ms: Option<u64>,
    /// Its user gives up then, unless it is being made.
    pub gives_up_ms: Option<u64>,
}

/// What the day is like.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// How kitchens work.
    pub kitchens: &'a Kitchens,
    /// How long the day is.
    pub hours: f64,
    /// Draws walk-ins and making times.
    pub seed: u64,
}

/// How the day went.
#[derive(Clone, Debug)]
pub struct Unpaced {
    /// Cancelled in time, before anybody began.
    pub cancelled: u64,
    /// Given up by those who looked.
    pub given_up: u64,
    /// Not begun two hours after the promise.
    pub not_made: u64,
    /// How long after its promise each was made, in milliseconds, below 0 for earlier, in no order;
    /// those that ended after their promise count as late until then.
    pub late_ms: Vec<i64>,
    /// When stations worked for orders.
    pub made: Load,
}

/// Plays the day. `kitchens` are the outlets', in their order; wishes in any order.
#[must_use]
pub fn play(kitchens: &[Kitchen], mut wishes: Vec<Wish>, terms: Terms<'_>) -> Unpaced {
    let mut day = Unpaced {
        cancelled: 0,
        given_up: 0,
        not_made: 0,
        late_ms: Vec::with_capacity(wishes.len()),
        made: Load::new(kitchens.len(), terms.hours),
    };
    wishes.sort_by_key(|wish| (wish.outlet, wish.from_ms, wish.user));
    for wishes in wishes.chunk_by(|a, b| a.outlet == b.outlet) {
        play_outlet(kitchens[wishes[0].outlet], wishes, terms, &mut day);
    }
    day
}

impl Wish {
    /// When its user leaves, or the order is over, if nobody has begun; and which of them.
    fn leaves(&self) -> (u64, Leaves) {
        let over = (self.promised_ms.saturating_add(MADE_WITHIN_MS), Leaves::NotMade);
        let cancels =
            self.cancels_ms.map_or((u64::MAX, Leaves::Cancels), |ms| (ms, Leaves::Cancels));
        let gives_up =
            self.gives_up_ms.map_or((u64::MAX, Leaves::GivesUp), |ms| (ms, Leaves::GivesUp));
        [cancels, gives_up, over].into_iter().min_by_key(|(ms, _)| *ms).expect("three of them")
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaves {
    Cancels,
    GivesUp,
    NotMade,
}

fn play_outlet(kitchen: Kitchen, wishes: &[Wish], terms: Terms<'_>, day: &mut Unpaced) {
    let outlet = wishes[0].outlet;
    let mut walk_ins = WalkIns::new(kitchen, outlet, terms);
    let mut stations = Stations::new(kitchen.stations);
    for wish in wishes {
        let from_ms = wish.from_ms;
        while let Some((at_ms, making_ms)) = walk_ins.until(from_ms) {
            stations.take(at_ms, making_ms);
        }
        let (leaves_ms, leaves) = wish.leaves();
        if leaves_ms <= stations.free_from(from_ms) {
            match leaves {
                Leaves::Cancels => day.cancelled += 1,
                Leaves::GivesUp => day.given_up += 1,
                Leaves::NotMade => day.not_made += 1,
            }
            if leaves_ms > wish.promised_ms {
                day.late_ms.push(after(leaves_ms, wish.promised_ms));
            }
            continue;
        }
        let mut random = Rng::with_seed(mix(terms.seed ^ 0x6d61_6b69_6e67, wish.user));
        let mean_ms = real(wish.work) / 1_000.0 * real(kitchen.unit_ms);
        let making_ms = spread_ms(mean_ms, terms.kitchens.making_sigma, &mut random);
        let start_ms = stations.take(from_ms, making_ms);
        day.made.add(outlet, start_ms, start_ms + making_ms);
        day.late_ms.push(after(start_ms + making_ms, wish.promised_ms));
    }
}

/// How long after another moment this one is, in milliseconds; below 0 if it is before.
pub(crate) fn after(this_ms: u64, other_ms: u64) -> i64 {
    this_ms.cast_signed().saturating_sub(other_ms.cast_signed())
}

/// A log-normal draw around a median, in milliseconds.
fn spread_ms(median_ms: f64, sigma: f64, random: &mut Rng) -> u64 {
    whole(median_ms * (normal(random) * sigma).exp()).max(1)
}

/// When each station is free.
struct Stations(BinaryHeap<Reverse<u64>>);

impl Stations {
    fn new(count: u32) -> Self {
        Self((0..count.max(1)).map(|_| Reverse(0)).collect())
    }

    /// The first moment from then on at which one is free.
    fn free_from(&self, from_ms: u64) -> u64 {
        self.0.peek().map_or(from_ms, |Reverse(free_ms)| from_ms.max(*free_ms))
    }

    /// Lets the first one that is free work for so long; when it begins.
    fn take(&mut self, from_ms: u64, making_ms: u64) -> u64 {
        let start_ms = self.free_from(from_ms);
        self.0.pop();
        self.0.push(Reverse(start_ms + making_ms));
        start_ms
    }
}

/// Customers at one outlet's counter: independent arrivals, in order.
struct WalkIns {
    random: Rng,
    per_ms: f64,
    mean_ms: f64,
    sigma: f64,
    /// The next one; none ever where the rate is 0.
    next_ms: f64,
}

impl WalkIns {
    fn new(kitchen: Kitchen, outlet: usize, terms: Terms<'_>) -> Self {
        let walk_ins = terms.kitchens.walk_ins;
        let outlet = crate::numbers::narrow(outlet as u64);
        let mut all = Self {
            random: Rng::with_seed(mix(terms.seed ^ 0x7761_6c6b, outlet)),
            per_ms: walk_ins.per_station_hour * f64::from(kitchen.stations) / 3_600_000.0,
            mean_ms: walk_ins.units * real(kitchen.unit_ms),
            sigma: terms.kitchens.making_sigma,
            next_ms: 0.0,
        };
        all.advance();
        all
    }

    fn advance(&mut self) {
        // A rate of 0 makes it infinite.
        self.next_ms += -(1.0 - self.random.f64()).ln() / self.per_ms;
    }

    /// The next one's arrival and making time, if it comes by then.
    fn until(&mut self, until_ms: u64) -> Option<(u64, u64)> {
        if self.per_ms <= 0.0 || self.next_ms > real(until_ms) {
            return None;
        }
        let at_ms = whole(self.next_ms);
        self.advance();
        Some((at_ms, spread_ms(self.mean_ms, self.sigma, &mut self.random)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Utilisation;
    use crate::scenario::Scenario;

    const MINUTE_MS: u64 = 60_000;

    fn kitchens(per_station_hour: f64) -> Kitchens {
        let mut kitchens = Scenario::reference().kitchens.expect("has kitchens");
        kitchens.walk_ins.per_station_hour = per_station_hour;
        kitchens.making_sigma = 0.0;
        kitchens
    }

    fn wish(user: u32, minute: u64) -> Wish {
        Wish {
            user,
            from_ms: minute * MINUTE_MS,
            outlet: 0,
            work: 1_000,
            promised_ms: (minute + 30) * MINUTE_MS,
            cancels_ms: None,
            gives_up_ms: None,
        }
    }

    /// Orders of ten minutes each at one outlet with so many stations; how late they are in
    /// minutes, and how many were cancelled, given up and never begun.
    #[track_caller]
    fn check(stations: u32, wishes: Vec<Wish>, late: &[u64], ended: [u64; 3]) {
        let kitchens = kitchens(0.0);
        let kitchen = Kitchen { stations, unit_ms: 10 * MINUTE_MS };
        let day = play(&[kitchen], wishes, Terms { kitchens: &kitchens, hours: 9.0, seed: 1 });
        let minutes = |late_ms: &i64| u64::try_from(*late_ms).unwrap_or(0) / MINUTE_MS;
        let found: Vec<u64> = day.late_ms.iter().map(minutes).collect();
        assert_eq!(found, late);
        assert_eq!([day.cancelled, day.given_up, day.not_made], ended);
    }

    #[test]
    fn everything_is_taken_and_made_in_order() {
        let at_once = |count| (0..count).map(|user| wish(user, 0)).collect::<Vec<_>>();
        check(1, at_once(5), &[0, 0, 0, 10, 20], [0; 3]);
        check(2, at_once(8), &[0, 0, 0, 0, 0, 0, 10, 10], [0; 3]);
        // The sixteenth would be begun at minute 150, when it is over.
        let late: Vec<u64> =
            [0, 0].into_iter().chain((0..13).map(|n| n * 10)).chain([120, 120]).collect();
        check(1, at_once(17), &late, [0, 0, 2]);
        // What is for later lets others go first: it is begun at minute 90, and is late.
        let mut later = wish(0, 0);
        later.from_ms = 85 * MINUTE_MS;
        check(1, vec![later, wish(1, 80)], &[0, 70], [0; 3]);
    }

    #[test]
    fn who_leaves_before_anybody_began_is_not_made_for() {
        let cancels = |user, minute| Wish { cancels_ms: Some(minute * MINUTE_MS), ..wish(user, 0) };
        let gives_up =
            |user, minute| Wish { gives_up_ms: Some(minute * MINUTE_MS), ..wish(user, 0) };
        // The second leaves, so the third is begun earlier.
        check(1, vec![wish(0, 0), cancels(1, 5), wish(2, 0), wish(3, 0)], &[0, 0, 0], [1, 0, 0]);
        // Being made already, it is waited for.
        check(1, vec![cancels(0, 5)], &[0], [0; 3]);
        let four = vec![wish(0, 0), wish(1, 0), wish(2, 0), wish(3, 0), gives_up(4, 40)];
        check(1, four, &[0, 0, 0, 10, 10], [0, 1, 0]);
    }

    #[test]
    fn walk_ins_stand_in_the_same_queue_and_take_their_part() {
        let mean_late = |per_station_hour| {
            let kitchens = kitchens(per_station_hour);
            let kitchen = Kitchen { stations: 2, unit_ms: 2 * MINUTE_MS };
            let wishes: Vec<Wish> = (0..400).map(|user| wish(user, u64::from(user))).collect();
            let mut wanted = Load::new(1, 9.0);
            wishes.iter().for_each(|w| wanted.add_at(0, w.from_ms, real(2 * MINUTE_MS)));
            let day = play(&[kitchen], wishes, Terms { kitchens: &kitchens, hours: 9.0, seed: 1 });
            let found = Utilisation::of(&[kitchen], &kitchens.walk_ins, &wanted, &day.made);
            (
                day.late_ms.iter().map(|ms| (*ms).max(0).unsigned_abs()).sum::<u64>() / 400,
                found.all.utilisation(),
            )
        };
        let ((none, half), (some, most)) = (mean_late(0.0), mean_late(18.0));
        assert_eq!(none, 0);
        assert!(some > 20 * MINUTE_MS, "{some}");
        // 800 of 1,080 minutes; with walk-ins about as much as they leave: 54 minutes of each hour.
        assert!((half - 800.0 / 1_080.0).abs() < 1e-6, "{half}");
        assert!(most > 0.9, "{most}");
    }
}
