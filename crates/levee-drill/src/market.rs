//! The outlets of a drill: drawn from the scenario and the seed, and described as their operators
//! would describe them.

use fastrand::Rng;
use serde_json::{Value, json};

use crate::numbers::{narrow, real, whole};
use crate::plan::{mix, normal};
use crate::scenario::{Brand, Hours, Outlets, Scenario};

/// Kilometres of one degree of latitude.
const KM_PER_DEGREE: f64 = 111.32;

/// What an operator may state as the time of a unit, in thousandths of a minute.
const STATED_MIN: u64 = 100;
const STATED_MAX: u64 = 60_000;

/// How an outlet's kitchen works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kitchen {
    /// Staff or machines that make at the same time, from 1.
    pub stations: u32,
    /// What one of them really needs for a unit of work, in milliseconds of the day, from 1.
    pub unit_ms: u64,
}

/// One outlet.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlet {
    /// `[a-z0-9-]{1,64}`.
    pub id: String,
    /// Place in the scenario's brands.
    pub brand: usize,
    /// Place in the scenario's vendors.
    pub vendor: usize,
    /// Place in the scenario's towns.
    pub town: usize,
    /// Place in the scenario's opening hours.
    pub hours: usize,
    /// Degrees.
    pub lat: f64,
    /// Degrees.
    pub lng: f64,
    /// How it really works.
    pub kitchen: Kitchen,
    /// What its operator says that a unit takes, in thousandths of a minute.
    pub stated: u32,
}

/// All outlets, and how many users want each.
#[derive(Clone, Debug)]
pub struct Market {
    outlets: Vec<Outlet>,
    /// The share of users who want one of the outlets up to each.
    wanted_until: Vec<f64>,
}

impl Market {
    /// Draws the outlets for a crowd that is `scale` of the day's, at least as many as the scenario
    /// asks for. `kitchen` says how the one of this vendor and id works. `None` where the scenario
    /// has no outlets.
    #[must_use]
    pub fn draw(
        scenario: &Scenario,
        scale: f64,
        seed: u64,
        kitchen: &dyn Fn(&str, &str) -> Kitchen,
    ) -> Option<Self> {
        let terms = scenario.outlets.as_ref()?;
        let count = narrow(whole(f64::from(terms.count) * scale)).clamp(terms.least, terms.count);
        let mut outlets = Vec::new();
        let mut wanted_until = Vec::new();
        let mut sum = 0.0;
        for number in 0..count {
            let mut random = Rng::with_seed(mix(seed ^ 0x6f75_746c_6574, number));
            sum += (normal(&mut random) * terms.popularity_sigma).exp();
            wanted_until.push(sum);
            outlets.push(outlet(terms, number, &mut random, kitchen));
        }
        wanted_until.iter_mut().for_each(|until| *until /= sum);
        Some(Self { outlets, wanted_until })
    }

    /// All of them, in the order of their import.
    #[must_use]
    pub fn outlets(&self) -> &[Outlet] {
        &self.outlets
    }

    /// The place of the outlet that a user wants whose draw is this, from 0 to below 1.
    #[must_use]
    pub fn wanted(&self, draw: f64) -> usize {
        let place = self.wanted_until.partition_point(|until| *until <= draw);
        place.min(self.outlets.len() - 1)
    }

    /// The share of users who want this one.
    #[must_use]
    pub fn popularity(&self, place: usize) -> f64 {
        let before = place.checked_sub(1).map_or(0.0, |before| self.wanted_until[before]);
        self.wanted_until[place] - before
    }

    /// The place of the outlet of this id.
    #[must_use]
    pub fn place_of(&self, id: &str) -> Option<usize> {
        // Ids end with the outlet's number.
        let place: usize = id.rsplit('-').next()?.parse().ok()?;
        (self.outlets.get(place)?.id == id).then_some(place)
    }

    /// The outlet's document, as its operator imports it.
    #[must_use]
    pub fn document(&self, scenario: &Scenario, place: usize) -> Value {
        let terms = scenario.outlets.as_ref().expect("drawn from them");
        let outlet = &self.outlets[place];
        let (brand, town) = (&terms.brands[outlet.brand], &terms.towns[outlet.town]);
        let Hours { parts, .. } = &terms.hours[outlet.hours];
        let seconds = |minutes: f64| format!("PT{}S", whole(minutes * 60.0));
        json!({
            "id": outlet.id,
            "brand": brand.name,
            "vendor": terms.vendors[outlet.vendor].name,
            "name": format!("{} {} {place}", brand.name, town.name),
            "region": town.region,
            "city_tier": town.tier,
            "lat": outlet.lat,
            "lng": outlet.lng,
            "stations": outlet.kitchen.stations,
            "minutes_per_unit": f64::from(outlet.stated) / 1_000.0,
            "menu": menu(brand),
            "pos": {"sandbox": true},
            "hours": parts,
            "time_zone": terms.time_zone,
            "fulfilment": ["pickup", "delivery"],
            "accept_within": seconds(terms.accept_within_minutes),
            "ready_within": seconds(terms.ready_within_minutes),
            "courier_travel": seconds(terms.courier_minutes),
        })
    }
}

fn menu(brand: &Brand) -> Vec<Value> {
    let items = brand.menu.iter();
    items
        .map(|item| {
            json!({"sku": item.sku, "name": item.name, "category": item.category,
                "price_minor": item.price_minor, "work": item.work})
        })
        .collect()
}

/// The place of a draw from 0 to below 1 among shares that add up to 1.
pub(crate) fn pick(shares: impl ExactSizeIterator<Item = f64>, draw: f64) -> usize {
    let last = shares.len() - 1;
    let mut until = 0.0;
    let mut places = shares.enumerate();
    let found = places.find(|(_, share)| {
        until += share;
        draw < until
    });
    found.map_or(last, |(place, _)| place)
}

fn outlet(
    terms: &Outlets,
    number: u32,
    random: &mut Rng,
    kitchen: &dyn Fn(&str, &str) -> Kitchen,
) -> Outlet {
    let brand = pick(terms.brands.iter().map(|brand| brand.share), random.f64());
    let vendor = pick(terms.vendors.iter().map(|vendor| vendor.share), random.f64());
    let town = pick(terms.towns.iter().map(|town| town.share), random.f64());
    let hours = pick(terms.hours.iter().map(|hours| hours.share), random.f64());
    let middle = &terms.towns[town];
    let lat = middle.lat + normal(random) * middle.radius_km / KM_PER_DEGREE;
    let km_per_degree = KM_PER_DEGREE * middle.lat.to_radians().cos();
    let lng = middle.lng + normal(random) * middle.radius_km / km_per_degree;
    let id = format!("{}-{number:06}", middle.name);
    let kitchen = kitchen(&terms.vendors[vendor].name, &id);
    let wrong = terms.stated.times * (normal(random) * terms.stated.sigma).exp();
    // A thousandth of a minute has 60 ms.
    let stated = whole(real(kitchen.unit_ms) * wrong / 60.0).clamp(STATED_MIN, STATED_MAX);
    // As many decimals as a document keeps.
    let rounded = |degrees: f64| (degrees * 1e7).round() / 1e7;
    Outlet {
        id,
        brand,
        vendor,
        town,
        hours,
        lat: rounded(lat),
        lng: rounded(lng),
        kitchen,
        stated: narrow(stated),
    }
}

/// Kitchens of which none is like another, for tests.
#[cfg(test)]
pub(crate) fn any_kitchen(_: &str, id: &str) -> Kitchen {
    let number: u64 = id.rsplit('-').next().and_then(|digits| digits.parse().ok()).unwrap_or(0);
    Kitchen { stations: 1 + narrow(number % 3), unit_ms: 40_000 + number % 7 * 5_000 }
}

#[cfg(test)]
mod tests {
    use levee_api::outlet::{OutletDocument, compile};
    use levee_api::types::OutletId;

    use super::*;

    fn market(seed: u64, scale: f64) -> Market {
        Market::draw(&Scenario::reference(), scale, seed, &any_kitchen).expect("has outlets")
    }

    #[test]
    fn outlets_are_the_seeds_and_as_many_as_the_crowd_needs() {
        assert_eq!(market(1, 0.01).outlets, market(1, 0.01).outlets);
        assert_ne!(market(1, 0.01).outlets, market(2, 0.01).outlets);
        for (scale, count) in [(1e-7, 60), (0.01, 3_000), (1.0, 300_000)] {
            assert_eq!(market(1, scale).outlets.len(), count, "{scale}");
        }
        let mut scenario = Scenario::reference();
        scenario.outlets = None;
        assert!(Market::draw(&scenario, 1.0, 1, &any_kitchen).is_none());
    }

    #[test]
    fn few_outlets_are_wanted_by_many() {
        let market = market(1, 0.05);
        let count = market.outlets.len();
        let mut shares: Vec<f64> = (0..count).map(|place| market.popularity(place)).collect();
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        shares.sort_by(f64::total_cmp);
        let most: f64 = shares[count - count / 100..].iter().sum();
        // A log-normal's hundredth at the top has the normal distribution's share beyond 2.33 - 1.8.
        assert!((0.24..0.36).contains(&most), "{most}");
        let mut random = Rng::with_seed(1);
        let first = (0..100_000).filter(|_| market.wanted(random.f64()) == 0).count();
        let expected = market.popularity(0) * 100_000.0;
        assert!((real(first as u64) - expected).abs() < 5.0 * expected.sqrt() + 5.0, "{first}");
        assert_eq!(market.wanted(0.999_999_999_999), count - 1);
    }

    #[test]
    fn documents_are_what_the_interface_takes() {
        let scenario = Scenario::reference();
        let market = market(3, 0.01);
        let terms = scenario.outlets.as_ref().expect("has outlets");
        let mut stated_less = 0;
        for (place, outlet) in market.outlets.iter().enumerate() {
            let text = market.document(&scenario, place).to_string();
            let document: OutletDocument = levee_api::strict::parse(text.as_bytes()).expect(&text);
            let id = OutletId::new(&outlet.id).expect("an id");
            let put = compile(&id, document).expect(&text);
            assert_eq!(u32::from(put.stations), outlet.kitchen.stations);
            assert_eq!((put.accept_within_ms, put.ready_within_ms), (600_000, 1_800_000));
            stated_less += usize::from(u64::from(put.unit_ms) < outlet.kitchen.unit_ms);
            assert_eq!(market.place_of(&outlet.id), Some(place));
            let town = &terms.towns[outlet.town];
            assert!((outlet.lat - town.lat).abs() * KM_PER_DEGREE < 6.0 * town.radius_km);
        }
        // 0.85 is 0.8 sigmas below 1.
        let share = real(stated_less as u64) / real(market.outlets.len() as u64);
        assert!((share - 0.79).abs() < 0.03, "{share}");
        assert_eq!((market.place_of("shanghai-999999"), market.place_of("")), (None, None));
        assert_eq!(market.place_of(&format!("x{}", market.outlets[0].id)), None);
    }
}
