//! What a gate keeps of one outlet: what ordering needs at once. Names and hours for people are in
//! its document, which the engine has.

use std::sync::Arc;

use levee_api::outlet::{Degrees, Fulfilment, ItemDocument, OutletDocument, Secret};
use levee_api::types::{NameHash, Opening, OutletId, OutletNo};

/// One outlet, as of some version of its document.
#[derive(Debug)]
pub struct Listing {
    /// The engine's number for it.
    pub number: OutletNo,
    /// The document's; counts up from 1.
    pub version: u32,
    /// The operator's name for it.
    pub id: OutletId,
    /// The name, which keys are compared with.
    pub brand: Arc<str>,
    /// The hash, which vouchers are compared with.
    pub brand_hash: NameHash,
    /// For people.
    pub name: Box<str>,
    /// What it makes.
    pub menu: Arc<Menu>,
    /// When it is open.
    pub opening: Arc<Opening>,
    /// Where it is.
    pub place: Place,
    /// Users may pick up here.
    pub picks_up: bool,
    /// Couriers come here.
    pub delivers: bool,
    /// An order without a time of its own is taken if it can be ready within this.
    pub ready_within_ms: u32,
    /// From the call for a courier to its arrival.
    pub courier_travel_ms: u32,
    /// What its point-of-sale system signs with; none where the sandbox stands in for it.
    pub secret: Option<Secret>,
}

impl Listing {
    pub(super) fn of(
        number: OutletNo,
        version: u32,
        id: OutletId,
        document: &OutletDocument,
        opening: Arc<Opening>,
        menu: Arc<Menu>,
        brand: Arc<str>,
    ) -> Self {
        let ms = |duration: levee_api::time::Duration| u32::try_from(duration.ms);
        Self {
            number,
            version,
            id,
            brand_hash: NameHash::of(&brand),
            brand,
            name: document.name.as_str().into(),
            menu,
            opening,
            place: Place { lat: document.lat, lng: document.lng },
            picks_up: document.fulfilment.contains(&Fulfilment::Pickup),
            delivers: document.fulfilment.contains(&Fulfilment::Delivery),
            ready_within_ms: ms(document.ready_within).unwrap_or(u32::MAX),
            courier_travel_ms: ms(document.courier_travel).unwrap_or(u32::MAX),
            secret: document.pos.secret.clone(),
        }
    }
}

/// Whether an outlet of these hours is open at an instant, in milliseconds since 1970.
#[must_use]
pub fn is_open_at(opening: &Opening, at_ms: u64) -> bool {
    opening.open_from_ms(at_ms) == at_ms
}

/// A menu, which all outlets of a chain may share. An item's place in it is what orders name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Menu(
    /// In the order of the document.
    pub Box<[Item]>,
);

/// One thing on a menu.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    /// The outlet's own name of it.
    pub sku: Box<str>,
    /// In minor units.
    pub price_minor: u32,
    /// In thousandths of a unit.
    pub work: u32,
    /// Vouchers may be for some only.
    pub category: NameHash,
}

impl Menu {
    pub(crate) fn of(document: &OutletDocument) -> Self {
        let item = |item: &ItemDocument| Item {
            sku: item.sku.as_str().into(),
            price_minor: item.price_minor,
            work: item.work.thousandths(),
            category: NameHash::of(item.category.as_str()),
        };
        Self(document.menu.iter().map(item).collect())
    }
}

/// A place on the earth in degrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// North.
    pub lat: Degrees<90>,
    /// East.
    pub lng: Degrees<180>,
}

/// The earth's mean radius in metres.
const RADIUS_M: f64 = 6_371_008.8;

impl Place {
    fn radians(self) -> (f64, f64) {
        (self.lat.degrees().to_radians(), self.lng.degrees().to_radians())
    }

    /// To another place along the great circle, in metres (haversine formula).
    #[must_use]
    pub fn distance_m(self, other: Self) -> u32 {
        let ((from, east), (to, other_east)) = (self.radians(), other.radians());
        let half_lat = ((to - from) / 2.0).sin();
        let half_lng = ((other_east - east) / 2.0).sin();
        let chord = half_lat * half_lat + from.cos() * to.cos() * half_lng * half_lng;
        let distance_m = 2.0 * RADIUS_M * chord.sqrt().min(1.0).asin();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most half of the earth's circumference"
        )]
        let distance_m = distance_m.round() as u32;
        distance_m
    }

    /// On the unit sphere, where what is near is near: around the poles and where longitudes begin
    /// again, too.
    pub(super) fn on_sphere(self) -> [f32; 3] {
        let (lat, lng) = self.radians();
        #[expect(clippy::cast_possible_truncation, reason = "half a metre, on the unit sphere")]
        [lat.cos() * lng.cos(), lat.cos() * lng.sin(), lat.sin()].map(|x: f64| x as f32)
    }
}
