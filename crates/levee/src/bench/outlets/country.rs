//! A country of outlets that looks like one: towns of very different sizes, chains with one menu,
//! and users where the outlets are.

use fastrand::Rng;
use levee_api::outlet::{Degrees, OutletDocument};
use levee_api::types::NameHash;
use levee_gate::outlets::Place;
use serde_json::json;

/// Towns; the n-th largest has a share of outlets in proportion to 1/n.
const TOWNS: usize = 400;

/// Chains; likewise.
const BRANDS: usize = 60;

/// Half of a town's outlets are within so many degrees of its middle.
const TOWN_DEGREES: f64 = 0.15;

/// Whose menus differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Menus {
    /// One for a chain.
    OfBrands,
    /// One for every outlet.
    OfOutlets,
}

pub(super) struct Country {
    rng: Rng,
    menus: Menus,
    towns: Vec<(f64, f64)>,
}

/// The operator's name of an outlet.
pub(super) fn id(number: u32) -> String {
    format!("outlet-{number:06}")
}

impl Country {
    pub(super) fn new(seed: u64, menus: Menus) -> Self {
        let mut rng = Rng::with_seed(seed);
        let towns = (0..TOWNS).map(|_| (20.0 + rng.f64() * 25.0, 100.0 + rng.f64() * 25.0));
        Self { towns: towns.collect(), rng, menus }
    }

    /// A rank below `count`, drawn by Zipf's law.
    fn rank(&mut self, count: usize) -> usize {
        #[expect(clippy::cast_precision_loss, reason = "some hundred")]
        let drawn = (count as f64 + 1.0).powf(self.rng.f64()) - 1.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below count")]
        let rank = drawn as usize;
        rank.min(count - 1)
    }

    /// In some town.
    pub(super) fn place(&mut self) -> Place {
        let town = self.rank(TOWNS);
        let (lat, lng) = self.towns[town];
        // The sum of three is nearly normal.
        let mut off = || {
            let sum = self.rng.f64() + self.rng.f64() + self.rng.f64() - 1.5;
            sum * 2.0 * TOWN_DEGREES
        };
        let (lat, lng) = (lat + off(), lng + off());
        Place {
            lat: Degrees::new(lat).expect("within the country"),
            lng: Degrees::new(lng).expect("within the country"),
        }
    }

    pub(super) fn brand(&mut self) -> NameHash {
        let rank = self.rank(BRANDS);
        NameHash::of(&format!("brand-{rank}"))
    }

    /// Of the next outlet; the same seed makes the same ones.
    pub(super) fn document(&mut self, number: u32) -> OutletDocument {
        let brand = self.rank(BRANDS);
        let place = self.place();
        let own = if self.menus == Menus::OfOutlets { number } else { 0 };
        let item = |item: u32| {
            json!({
                "sku": format!("drink-{item}"), "name": format!("Drink of chain {brand}, no. {item}"),
                "category": if item < 7 { "milk-tea" } else { "coffee" },
                "price_minor": 1_500 + 100 * item + own, "work": 1.0,
            })
        };
        let document = json!({
            "brand": format!("brand-{brand}"), "vendor": format!("vendor-{}", brand % 8),
            "name": format!("Chain {brand}, outlet {number}"), "lat": place.lat, "lng": place.lng,
            "stations": 1 + number % 4, "minutes_per_unit": 1.5,
            "menu": (0..10).map(item).collect::<Vec<_>>(),
            "pos": {"sandbox": true}, "fulfilment": ["pickup", "delivery"],
        });
        serde_json::from_value(document).expect("a good document")
    }
}
