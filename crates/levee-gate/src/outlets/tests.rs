//! The directory against a plain list of the same outlets.

use levee_api::outlet::Degrees;
use serde_json::json;

use super::*;

/// A sequence that looks random: Steele, Lea, Flood, "Fast splittable pseudorandom number
/// generators", 2014.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// Anywhere, or with all others in a square of ten kilometres.
    fn place(&mut self, is_in_town: bool) -> (f64, f64) {
        let (lat, lng, span) = if is_in_town { (31.2, 121.4, 0.1) } else { (-90.0, -180.0, 180.0) };
        #[expect(clippy::cast_precision_loss, reason = "a million parts")]
        let mut part = || self.below(1_000_000) as f64 / 1_000_000.0;
        (lat + part() * span, lng + part() * span * 2.0)
    }
}

const BRANDS: [&str; 3] = ["heytea", "luckin", "mixue"];

fn document(brand: &str, (lat, lng): (f64, f64), price_minor: u32) -> OutletDocument {
    let document = json!({
        "brand": brand, "vendor": "v", "name": "n", "lat": lat, "lng": lng, "stations": 1,
        "minutes_per_unit": 1, "pos": {"sandbox": true}, "hours": ["09:00-21:00"],
        "menu": [{"sku": "a", "name": "A", "category": "tea", "price_minor": price_minor}],
    });
    serde_json::from_value(document).expect("a document")
}

fn id_of(number: u32) -> OutletId {
    OutletId::new(&format!("o-{number}")).expect("an id")
}

fn put(outlets: &Outlets, number: u32, version: u32, document: &OutletDocument) {
    outlets.put(OutletNo(number), version, id_of(number), document).expect("a good document");
}

fn at((lat, lng): (f64, f64)) -> Place {
    let degrees = (Degrees::new(lat), Degrees::new(lng));
    Place { lat: degrees.0.expect("within"), lng: degrees.1.expect("within") }
}

/// Puts 500 outlets, moves some of them twice, and compares searches with all distances.
#[track_caller]
fn check(seed: u64, is_in_town: bool, is_filled_at_once: bool) {
    let mut draw = Draw(seed);
    let outlets = Outlets::default();
    let mut now = Vec::new();
    for version in 1..=3 {
        for number in 0..500_u32 {
            if version > 1 && draw.below(4) > 0 {
                continue;
            }
            let brand = BRANDS[usize::try_from(draw.below(3)).expect("below 3")];
            let document = document(brand, draw.place(is_in_town), 100);
            put(&outlets, number, version, &document);
            now.resize(now.len().max(number as usize + 1), None);
            now[number as usize] =
                Some((brand, at((document.lat.degrees(), document.lng.degrees()))));
        }
    }
    if is_filled_at_once {
        // What is there already is later than what is filled in.
        let stale = document("heytea", (0.0, 0.0), 100);
        let listing = |number| outlets.listing(OutletNo(number), 1, id_of(number), &stale);
        let listings = (0..500).map(|number| Arc::new(listing(number).expect("good"))).collect();
        let kept: Vec<_> = (0..500).map(|number| outlets.by_number(OutletNo(number))).collect();
        outlets.fill(listings);
        for (number, kept) in (0..).zip(kept) {
            let kept = kept.expect("there");
            let now = outlets.by_number(OutletNo(number)).expect("there");
            assert_eq!(now.version, kept.version.max(1));
        }
        // Those of version 1 say the same in both, or moved to where the fill has them.
        for (number, place) in now.iter_mut().enumerate() {
            let number = OutletNo(u32::try_from(number).expect("small"));
            let listing = outlets.by_number(number).expect("there");
            *place = Some((
                BRANDS.iter().find(|b| ***b == *listing.brand).expect("one of them"),
                listing.place,
            ));
        }
    }
    for _ in 0..50 {
        let from = at(draw.place(is_in_town));
        let brand = [None, Some("heytea")][usize::try_from(draw.below(2)).expect("below 2")];
        let mut expected: Vec<(u32, OutletNo)> = now
            .iter()
            .zip(0..)
            .filter_map(|(place, number)| place.map(|place| (place, OutletNo(number))))
            .filter(|((other, _), _)| brand.is_none_or(|brand| *other == brand))
            .map(|((_, place), number)| (place.distance_m(from), number))
            .collect();
        expected.sort_unstable();
        let near = outlets.near(from, brand.map(NameHash::of), 20);
        let got: Vec<u32> = near.iter().map(|near| near.distance_m).collect();
        // The tree knows places to half a metre, so the last of them may be another one.
        for ((expected_m, _), got_m) in expected.iter().zip(&got) {
            assert!(expected_m.abs_diff(*got_m) <= 2, "seed {seed}: {expected_m} m, not {got_m} m");
        }
        assert_eq!(got.len(), expected.len().min(20), "seed {seed}");
        assert!(got.is_sorted(), "seed {seed}");
    }
}

#[test]
fn searches_find_what_is_nearest() {
    for seed in 0..5 {
        check(seed, true, false);
        check(seed, false, false);
        check(seed, true, true);
    }
}

#[test]
fn distances_are_those_of_the_earth() {
    for (from, to, expected_m) in [
        // Shanghai to Beijing, and over the line where longitudes begin again.
        ((31.22222, 121.45806), (39.9075, 116.39723), 1_066_000..1_069_000),
        ((0.0, 179.999), (0.0, -179.999), 222..223),
        ((90.0, 0.0), (90.0, 120.0), 0..1),
        ((0.0, 0.0), (0.0, 180.0), 20_015_000..20_016_000),
    ] {
        let m = at(from).distance_m(at(to));
        assert!(expected_m.contains(&m), "{m} m from {from:?} to {to:?}");
    }
}

#[test]
fn across_the_date_line_is_near() {
    let outlets = Outlets::default();
    put(&outlets, 0, 1, &document("heytea", (0.0, 179.99), 1));
    put(&outlets, 1, 1, &document("heytea", (0.0, 178.0), 1));
    let near = outlets.near(at((0.0, -179.99)), None, 1);
    assert_eq!(near[0].listing.number, OutletNo(0));
    assert!((2_000..2_500).contains(&near[0].distance_m), "{}", near[0].distance_m);
}

#[test]
fn outlets_are_found_by_id_and_by_number_and_later_ones_stay() {
    let outlets = Outlets::default();
    let place = (31.2, 121.4);
    // Numbers come in any order when two gates put at the same time.
    put(&outlets, 2, 1, &document("heytea", place, 100));
    put(&outlets, 0, 3, &document("luckin", place, 300));
    put(&outlets, 0, 2, &document("heytea", place, 200));
    let found = outlets.by_id("o-0").expect("there");
    assert_eq!((found.version, &*found.brand, found.menu.0[0].price_minor), (3, "luckin", 300));
    assert_eq!(found.brand_hash, NameHash::of("luckin"));
    assert_eq!(outlets.by_number(OutletNo(2)).expect("there").id, id_of(2));
    for none in ["o-1", "o-3", ""] {
        assert!(outlets.by_id(none).is_none(), "{none}");
    }
    assert!(outlets.by_number(OutletNo(1)).is_none());
    assert!(outlets.by_number(OutletNo(9)).is_none());
    assert_eq!(outlets.count(), 2);
    // It moved from one brand to another, and is found under one.
    let ids = |brand| outlets.near(at(place), Some(NameHash::of(brand)), 9).len();
    assert_eq!((ids("heytea"), ids("luckin"), ids("mixue")), (1, 1, 0));
}

#[test]
fn what_outlets_have_in_common_is_kept_once_and_no_longer_than_needed() {
    let outlets = Outlets::default();
    let place = (31.2, 121.4);
    put(&outlets, 0, 1, &document("heytea", place, 100));
    put(&outlets, 1, 1, &document("heytea", place, 100));
    put(&outlets, 2, 1, &document("heytea", place, 200));
    let [one, other, third] = [0, 1, 2].map(|n| outlets.by_number(OutletNo(n)).expect("there"));
    assert!(Arc::ptr_eq(&one.menu, &other.menu) && !Arc::ptr_eq(&one.menu, &third.menu));
    assert!(Arc::ptr_eq(&one.opening, &third.opening) && Arc::ptr_eq(&one.brand, &third.brand));
    // One outlet whose menu changes all the time leaves no menus behind.
    for version in 2..10_000 {
        put(&outlets, 2, version, &document("heytea", place, version + 1_000));
    }
    let kept = outlets.shared.lock().expect("no panic").menus_len();
    assert!(kept <= 2_048, "{kept} menus are kept");
}

#[test]
fn a_search_goes_on_past_what_is_not_wanted_and_has_an_end() {
    let outlets = Outlets::default();
    for number in 0..3_000 {
        put(&outlets, number, 1, &document("heytea", (0.0, f64::from(number) / 100.0), 1));
    }
    let from = at((0.0, 0.0));
    let is_even = |listing: &Listing| listing.number.0.is_multiple_of(2);
    let numbers =
        |near: Vec<Near>| near.iter().map(|near| near.listing.number.0).collect::<Vec<_>>();
    assert_eq!(numbers(outlets.near_if(from, None, 3, is_even)), [0, 2, 4]);
    let last = u32::try_from(LOOKED_AT_MAX).expect("small") - 1;
    let found = outlets.near_if(from, None, 9, |listing| listing.number.0 >= last);
    assert_eq!(numbers(found), [last]);
}
