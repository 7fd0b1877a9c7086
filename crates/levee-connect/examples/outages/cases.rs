//! What is played: a town in which a few outlets' systems misbehave, and a country in which all outlets
//! of one vendor are dark.

use fastrand::Rng;
use levee_api::scenario::{
    Callbacks, Dark, Flapping, Kitchens, Lasting, Late, OutletFaults, Payments, Pending, Slow,
    Stations, WalkIns,
};

use crate::play::{Place, Plan, STARTS_AT_MS, Wish};

const MINUTE_MS: u64 = 60_000;

/// The vendor that goes dark, and the one that does not.
pub(crate) const DARK: &str = "till";
const BRIGHT: &str = "other";

/// When it does, and for how long, in minutes.
pub(crate) const DARK_FROM: u64 = 30;
pub(crate) const DARK_FOR: u64 = 40;

/// An order for later is wanted within so much.
const LATER_MS: u64 = 180 * MINUTE_MS;

fn exactly(median_s: f64) -> Lasting {
    Lasting { median_s, sigma: 0.0 }
}

/// Nothing goes wrong, and everything of one kind takes the same: what differs between two runs then
/// is what faults have done.
pub(crate) fn kitchens() -> Kitchens {
    Kitchens {
        stations: vec![Stations { count: 2, share: 1.0 }],
        unit: Lasting { median_s: 60.0, sigma: 0.25 },
        making_sigma: 0.0,
        accept_after: exactly(12.0),
        collect_after: exactly(240.0),
        ahead_minutes: 15.0,
        rejected: 0.0,
        ignored: 0.0,
        walk_ins: WalkIns { per_station_hour: 0.0, units: 1.0 },
        faults: OutletFaults {
            slow: Slow { share: 0.0, answer_after_s: 20.0 },
            failing: 0.0,
            flapping: Flapping { share: 0.0, period_minutes: 6.0, down: 0.4 },
            black_hole: 0.0,
        },
        dark: Vec::new(),
    }
}

pub(crate) fn payments() -> Payments {
    Payments {
        think: exactly(20.0),
        never: 0.0,
        failed: 0.0,
        pending: Pending { share: 0.0, lasting: exactly(1.0) },
        refund_failed: 0.0,
        callbacks: Callbacks {
            delay: exactly(0.5),
            lost: 0.0,
            lost_for_good: 0.0,
            doubled: 0.0,
            late: Late { share: 0.0, by: exactly(1.0) },
            repeat_after_s: vec![15.0, 30.0, 60.0],
            peaks: Vec::new(),
        },
        outages: Vec::new(),
    }
}

fn place(number: usize, vendor: &str, accept_within_minutes: u64) -> Place {
    Place {
        id: format!("outlet-{number}"),
        vendor: vendor.to_owned(),
        stations: 2,
        unit_ms: 60_000,
        accept_within_ms: accept_within_minutes * MINUTE_MS,
    }
}

/// Users of one outlet come at random, so many minutes after each other on average.
fn arrivals(rng: &mut Rng, every_minutes: f64, minutes: f64) -> Vec<u64> {
    let (mut at, mut all) = (0.0, Vec::new());
    loop {
        at += -every_minutes * (1.0 - rng.f64()).ln();
        if at >= minutes {
            return all;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "minutes")]
        all.push(STARTS_AT_MS + (at * 60_000.0) as u64);
    }
}

/// An hour at outlets that are busy for six tenths of it. One in a hundred is a black hole, answers
/// after 20 s, or is up and down in turns; or none.
pub(crate) fn town(outlets: usize, seed: u64, with_faults: bool) -> Plan {
    let mut rng = Rng::with_seed(seed);
    let mut wishes = Vec::new();
    for place in 0..outlets {
        wishes.extend(arrivals(&mut rng, 50.0 / 60.0, 60.0).into_iter().map(|at_ms| Wish {
            at_ms,
            place,
            work: 1_000,
            within_ms: 60 * MINUTE_MS,
            moves: false,
        }));
    }
    wishes.sort_by_key(|wish| (wish.at_ms, wish.place));
    let mut kitchens = kitchens();
    if with_faults {
        let share = 0.01;
        kitchens.faults.black_hole = share;
        kitchens.faults.slow.share = share;
        kitchens.faults.flapping.share = share;
    }
    Plan {
        seed,
        places: (0..outlets).map(|number| place(number, BRIGHT, 10)).collect(),
        wishes,
        kitchens,
        payments: payments(),
        ends_at_ms: STARTS_AT_MS + 130 * MINUTE_MS,
        kills_ms: Vec::new(),
    }
}

/// One outlet in four has another vendor, and may make what its neighbours cannot. When the vendor goes
/// dark, everybody wants something at one outlet in a hundred, for later. Callbacks are lost, doubled
/// and late, and refunds fail now and then.
pub(crate) fn country(dark: usize, seed: u64, kills: usize) -> Plan {
    let mut rng = Rng::with_seed(seed);
    let outlets = dark.div_ceil(3) * 4;
    let vendor = |place: usize| if place % 4 == 3 { BRIGHT } else { DARK };
    let mut wishes = Vec::new();
    for place in 0..outlets {
        let moves = rng.bool();
        wishes.extend(arrivals(&mut rng, 12.0, 100.0).into_iter().map(|at_ms| Wish {
            at_ms,
            place,
            work: 1_000,
            within_ms: 60 * MINUTE_MS,
            moves,
        }));
    }
    for place in (0..outlets).step_by(104).filter(|place| vendor(*place) == DARK) {
        wishes.extend((0..40).map(|_| Wish {
            at_ms: STARTS_AT_MS + DARK_FROM * MINUTE_MS - 25_000 + rng.u64(..20_000),
            place,
            work: rng.u32(1..=3) * 1_000,
            within_ms: LATER_MS,
            moves: false,
        }));
    }
    wishes.sort_by_key(|wish| (wish.at_ms, wish.place));
    let mut kitchens = kitchens();
    kitchens.making_sigma = 0.3;
    let minutes = |minutes: u64| f64::from(u32::try_from(minutes).expect("a day")) / 60.0;
    let (from_hour, hours) = (minutes(DARK_FROM), minutes(DARK_FOR));
    kitchens.dark = vec![Dark { vendor: DARK.to_owned(), from_hour, hours }];
    let mut payments = payments();
    payments.refund_failed = 0.02;
    payments.callbacks.lost = 0.05;
    payments.callbacks.lost_for_good = 0.01;
    payments.callbacks.doubled = 0.05;
    payments.callbacks.late = Late { share: 0.05, by: exactly(90.0) };
    let mut kills_ms: Vec<u64> = (0..kills)
        .map(|_| {
            STARTS_AT_MS
                + rng.u64((DARK_FROM - 2) * MINUTE_MS..(DARK_FROM + DARK_FOR + 15) * MINUTE_MS)
        })
        .collect();
    kills_ms.sort_unstable();
    Plan {
        seed,
        // Of every two neighbourhoods one waits until the vendor is back.
        places: (0..outlets)
            .map(|number| place(number, vendor(number), if number / 4 % 2 == 0 { 60 } else { 5 }))
            .collect(),
        wishes,
        kitchens,
        payments,
        ends_at_ms: STARTS_AT_MS + 420 * MINUTE_MS,
        kills_ms,
    }
}
