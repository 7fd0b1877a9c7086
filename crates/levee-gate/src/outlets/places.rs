//! Where outlets are: which are nearest to a place, of all brands or of one.

use std::collections::HashMap;

use levee_api::types::{NameHash, OutletNo};
use rstar::{AABB, PointDistance, RTree, RTreeObject};

use super::listing::{Listing, Place};

/// An outlet's number at its place on the unit sphere.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spot {
    at: [f32; 3],
    number: u32,
}

impl Spot {
    fn of(listing: &Listing) -> Self {
        Self { at: listing.place.on_sphere(), number: listing.number.0 }
    }
}

impl RTreeObject for Spot {
    type Envelope = AABB<[f32; 3]>;

    fn envelope(&self) -> Self::Envelope {
        AABB::from_point(self.at)
    }
}

impl PointDistance for Spot {
    fn distance_2(&self, point: &[f32; 3]) -> f32 {
        self.at.iter().zip(point).map(|(a, b)| (a - b) * (a - b)).sum()
    }
}

/// Trees of places. Each brand has one of its own: the nearest of a small brand may be the
/// thousandth of all.
#[derive(Debug, Default)]
pub(super) struct Places {
    all: RTree<Spot>,
    by_brand: HashMap<NameHash, RTree<Spot>>,
}

impl Places {
    /// Of many outlets at once, which is faster than one by one and leaves better trees.
    pub(super) fn of<'l>(listings: impl Iterator<Item = &'l Listing>) -> Self {
        let mut all = Vec::new();
        let mut by_brand: HashMap<NameHash, Vec<Spot>> = HashMap::new();
        for listing in listings {
            let spot = Spot::of(listing);
            all.push(spot);
            by_brand.entry(listing.brand_hash).or_default().push(spot);
        }
        let trees = by_brand.into_iter().map(|(brand, spots)| (brand, RTree::bulk_load(spots)));
        Self { by_brand: trees.collect(), all: RTree::bulk_load(all) }
    }

    pub(super) fn add(&mut self, listing: &Listing) {
        let spot = Spot::of(listing);
        self.all.insert(spot);
        self.by_brand.entry(listing.brand_hash).or_default().insert(spot);
    }

    pub(super) fn remove(&mut self, listing: &Listing) {
        let spot = Spot::of(listing);
        self.all.remove(&spot);
        if let Some(tree) = self.by_brand.get_mut(&listing.brand_hash) {
            tree.remove(&spot);
        }
    }

    /// Numbers of outlets, the nearest first.
    pub(super) fn nearest(
        &self,
        place: Place,
        brand: Option<NameHash>,
    ) -> impl Iterator<Item = OutletNo> + '_ {
        let tree = match brand {
            None => Some(&self.all),
            Some(brand) => self.by_brand.get(&brand),
        };
        let spots = tree.map(|tree| tree.nearest_neighbor_iter(place.on_sphere()));
        spots.into_iter().flatten().map(|spot| OutletNo(spot.number))
    }
}
