//! The outlets of a neighbourhood as they really are, and as their figures say.

use fastrand::Rng;

use super::draw::{about_one, among, whole};
use super::{HOUR_MS, MINUTE_MS};

/// Outlets that are near each other; demand moves between them and no further.
pub(super) const NEIGHBOURS: u32 = 8;

/// Stations of an outlet, from one up, by share of outlets.
const STATIONS: [f64; 5] = [0.45, 0.30, 0.14, 0.07, 0.04];

/// True making time of a unit: log-normal, mean and sigma of the logarithm, and where it ends.
const UNIT_MINUTES_MEAN: f64 = 4.0;
const UNIT_SIGMA: f64 = 0.3;
const UNIT_MINUTES: std::ops::RangeInclusive<f64> = 1.5..=9.0;

/// What every outlet is said to need for a unit.
const UNIT_MS_STATED: u32 = 4 * 60_000;

/// Spread of the making times of one outlet, as a share of their mean: uniform between these.
const CV: (f64, f64) = (0.25, 0.55);

/// Share of outlets whose figure of stations is one too high, and of those with more than one
/// station whose figure is one too low.
const STATED_TOO_HIGH: f64 = 0.25;
const STATED_TOO_LOW: f64 = 0.15;

/// Usual demand of the app's users over the day, as a share of what the outlet can make: log-normal,
/// so that at five times as much half of the outlets are asked for more than 65% of what they can
/// make, three in ten for more than all of it, and one in twelve for more than twice as much. More of
/// it comes in some hours than in others.
const USUAL_LOAD: f64 = 0.18;
const LOAD_SIGMA: f64 = 0.8;

/// Walk-ins, as a share of what the outlet can make: uniform up to this. Half of the outlets report
/// them.
const WALK_INS_MAX: f64 = 0.2;
const REPORTED: f64 = 0.5;

/// Share of outlets that pause once, between these hours, for this long; the pause ends by itself.
const PAUSED: f64 = 0.3;
const PAUSE_HOURS: (f64, f64) = (1.0, 8.0);
pub(super) const PAUSE_MS: u64 = 15 * MINUTE_MS;

/// Units of an order, from one up, by share of orders.
pub(super) const UNITS: [f64; 4] = [0.60, 0.25, 0.10, 0.05];

/// One outlet.
#[derive(Clone, Debug)]
pub(super) struct Outlet {
    pub(super) stations: u16,
    pub(super) stations_stated: u16,
    pub(super) unit_ms: f64,
    pub(super) unit_ms_stated: u32,
    /// Sigma of the logarithm of a making time.
    pub(super) unit_sigma: f64,
    /// Orders that the app's users want from it over the day.
    pub(super) orders: f64,
    /// Walk-ins over the day, of one unit each.
    pub(super) walk_ins: f64,
    pub(super) reports_walk_ins: bool,
    /// Takes no orders from then on, for [`PAUSE_MS`].
    pub(super) pauses_at_ms: Option<u64>,
}

impl Outlet {
    /// At `times` the usual demand, over a day of so many hours; times are counted from `start_ms`.
    pub(super) fn draw(rng: &mut Rng, times: f64, hours: f64, start_ms: u64) -> Self {
        let stations = u16::try_from(among(&STATIONS, rng.f64()) + 1).expect("few");
        let stated = rng.f64();
        let stations_stated = if stated < STATED_TOO_HIGH {
            stations + 1
        } else if stated < STATED_TOO_HIGH + STATED_TOO_LOW {
            (stations - 1).max(1)
        } else {
            stations
        };
        let unit_minutes = (UNIT_MINUTES_MEAN * about_one(rng, UNIT_SIGMA))
            .clamp(*UNIT_MINUTES.start(), *UNIT_MINUTES.end());
        let cv = CV.0 + (CV.1 - CV.0) * rng.f64();
        let capacity = f64::from(stations) * hours * 60.0 / unit_minutes;
        let units_mean: f64 = (1..).zip(UNITS).map(|(units, share)| f64::from(units) * share).sum();
        let load = USUAL_LOAD * about_one(rng, LOAD_SIGMA) * times;
        let walk_ins = capacity * WALK_INS_MAX * rng.f64();
        let reports_walk_ins = rng.f64() < REPORTED;
        let pauses = rng.f64() < PAUSED;
        let pause_hour = PAUSE_HOURS.0 + (PAUSE_HOURS.1 - PAUSE_HOURS.0) * rng.f64();
        let pauses_at_ms = start_ms + whole(pause_hour * HOUR_MS as f64);
        Self {
            stations,
            stations_stated,
            unit_ms: unit_minutes * MINUTE_MS as f64,
            unit_ms_stated: UNIT_MS_STATED,
            unit_sigma: (1.0 + cv * cv).ln().sqrt(),
            orders: capacity * load / units_mean,
            walk_ins,
            reports_walk_ins,
            pauses_at_ms: pauses.then_some(pauses_at_ms),
        }
    }

    pub(super) fn is_paused(&self, now_ms: u64) -> bool {
        self.pause_end_ms(now_ms).is_some()
    }

    /// The end of the pause that it is in.
    pub(super) fn pause_end_ms(&self, now_ms: u64) -> Option<u64> {
        let at_ms = self.pauses_at_ms?;
        (at_ms..at_ms + PAUSE_MS).contains(&now_ms).then_some(at_ms + PAUSE_MS)
    }
}
