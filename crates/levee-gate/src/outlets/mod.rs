//! The outlets that a gate knows: one directory for all of its workers, by id, by number and by
//! place.
//!
//! | file | what is there |
//! |---|---|
//! | `listing.rs` | what is kept of one outlet; places and distances |
//! | `shared.rs` | menus, hours and brands, each kept once |
//! | `places.rs` | the trees that are searched for what is near |
//! | `feed.rs` | the thread that fills the directory and keeps it fresh |
//!
//! It is a copy: the engine has the outlets, and every command that relies on one names the version
//! of its document. Whether an outlet is paused, and how busy its kitchen is, only the engine knows.

mod feed;
mod listing;
mod places;
mod shared;

#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hashbrown::HashTable;
use levee_api::outlet::OutletDocument;
use levee_api::strict::{Malformed, parse};
use levee_api::types::{NameHash, OutletId, OutletNo};

use self::places::Places;
use self::shared::Shared;

pub(crate) use feed::Feed;
pub use listing::{Item, Listing, Menu, Place, is_open_at};

/// Most outlets that one search looks at: where hardly any is open, the rest is not worth the time
/// that all who ask would wait.
pub const LOOKED_AT_MAX: usize = 2_000;

/// An outlet near a place.
#[derive(Clone, Debug)]
pub struct Near {
    /// Which.
    pub listing: Arc<Listing>,
    /// Along the great circle, in metres.
    pub distance_m: u32,
}

/// The directory. Readers never wait for more than one outlet's change.
#[derive(Debug, Default)]
pub struct Outlets {
    tables: RwLock<Tables>,
    shared: Mutex<Shared>,
    /// Everything that the engine has is here, but for the latest changes.
    filled: AtomicBool,
}

#[derive(Debug, Default)]
struct Tables {
    /// By number. A gap is an outlet that this gate has not heard of yet.
    listings: Vec<Option<Arc<Listing>>>,
    /// Numbers by id; the ids themselves stand in the listings.
    by_id: HashTable<u32>,
    hasher: RandomState,
    places: Places,
}

impl Outlets {
    /// Whether every outlet that the engine had some moments ago can be found here.
    #[must_use]
    pub fn is_filled(&self) -> bool {
        self.filled.load(Acquire)
    }

    /// An outlet by the operator's name for it, if it is known here.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<Arc<Listing>> {
        self.read().find(id).cloned()
    }

    /// An outlet by its number, if it is known here.
    #[must_use]
    pub fn by_number(&self, number: OutletNo) -> Option<Arc<Listing>> {
        self.read().listings.get(number.index())?.clone()
    }

    /// How many outlets are known.
    #[must_use]
    pub fn count(&self) -> usize {
        self.read().by_id.len()
    }

    /// Up to `limit` outlets, the nearest first; of one brand, if it is given.
    #[must_use]
    pub fn near(&self, place: Place, brand: Option<NameHash>, limit: usize) -> Vec<Near> {
        self.near_if(place, brand, limit, |_| true)
    }

    /// As [`Self::near`], of those that are wanted. At most [`LOOKED_AT_MAX`] are looked at.
    #[must_use]
    pub fn near_if(
        &self,
        place: Place,
        brand: Option<NameHash>,
        limit: usize,
        is_wanted: impl Fn(&Listing) -> bool,
    ) -> Vec<Near> {
        let tables = self.read();
        let nearest = tables.places.nearest(place, brand).take(LOOKED_AT_MAX);
        let listings = nearest.filter_map(|number| tables.listings[number.index()].as_ref());
        let wanted = listings.filter(|listing| is_wanted(listing)).take(limit);
        let mut near: Vec<Near> = wanted
            .map(|listing| Near {
                listing: Arc::clone(listing),
                distance_m: listing.place.distance_m(place),
            })
            .collect();
        drop(tables);
        // The tree's places are rounded to half a metre.
        near.sort_by_key(|near| (near.distance_m, near.listing.number));
        near
    }

    /// Takes an outlet in as a document says it, unless a later version is known.
    ///
    /// # Errors
    /// The document is of another build, whose documents this one does not understand.
    pub fn put(
        &self,
        number: OutletNo,
        version: u32,
        id: OutletId,
        document: &OutletDocument,
    ) -> Result<(), Malformed> {
        if self.knows(number, version) {
            return Ok(());
        }
        let listing = self.listing(number, version, id, document)?;
        self.take(Arc::new(listing));
        Ok(())
    }

    fn take(&self, listing: Arc<Listing>) {
        self.write().put(listing);
    }

    /// Whether this version of an outlet, or a later one, is here.
    #[must_use]
    pub fn knows(&self, number: OutletNo, version: u32) -> bool {
        let tables = self.read();
        let known = tables.listings.get(number.index()).and_then(Option::as_ref);
        known.is_some_and(|listing| listing.version >= version)
    }

    /// Takes all outlets in at once; what is here and later stays.
    fn fill(&self, listings: Vec<Arc<Listing>>) {
        let mut tables = Tables::default();
        listings.into_iter().for_each(|listing| tables.list(listing));
        let mut before = self.write();
        before.listings.iter().flatten().for_each(|listing| tables.list(Arc::clone(listing)));
        let known = tables.listings.iter().flatten();
        tables.places = Places::of(known.map(AsRef::as_ref));
        *before = tables;
        drop(before);
        self.filled.store(true, Release);
    }

    fn listing(
        &self,
        number: OutletNo,
        version: u32,
        id: OutletId,
        document: &OutletDocument,
    ) -> Result<Listing, Malformed> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let opening = shared.opening(document)?;
        let menu = shared.menu(Menu::of(document));
        let brand = shared.brand(document.brand.as_str());
        drop(shared);
        Ok(Listing::of(number, version, id, document, opening, menu, brand))
    }

    /// As the engine keeps it.
    fn listing_of_json(
        &self,
        number: OutletNo,
        version: u32,
        id: OutletId,
        json: &[u8],
    ) -> Result<Listing, Malformed> {
        self.listing(number, version, id, &parse(json)?)
    }

    fn read(&self) -> RwLockReadGuard<'_, Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Tables> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn find(&self, id: &str) -> Option<&Arc<Listing>> {
        let is_it = |number: &u32| self.at(*number).is_some_and(|other| other.id.as_str() == id);
        self.at(*self.by_id.find(self.hasher.hash_one(id), is_it)?)
    }

    fn at(&self, number: u32) -> Option<&Arc<Listing>> {
        self.listings.get(number as usize)?.as_ref()
    }

    /// Puts one in its place and into the trees.
    fn put(&mut self, listing: Arc<Listing>) {
        let before = self.at(listing.number.0).cloned();
        if before.as_ref().is_some_and(|before| before.version >= listing.version) {
            return;
        }
        if let Some(before) = &before {
            self.places.remove(before);
        }
        self.places.add(&listing);
        self.list(listing);
    }

    /// Puts one in its place, unless a later one is there.
    fn list(&mut self, listing: Arc<Listing>) {
        let number = listing.number.0;
        let place = listing.number.index();
        if self.listings.len() <= place {
            self.listings.resize(place + 1, None);
        }
        match &mut self.listings[place] {
            Some(before) if before.version >= listing.version => {}
            // An outlet keeps its id.
            Some(before) => *before = listing,
            empty => {
                let hash = self.hasher.hash_one(listing.id.as_str());
                *empty = Some(listing);
                let listings = &self.listings;
                let hash_of = |number: &u32| {
                    let listing = listings[*number as usize].as_ref().expect("listed by its id");
                    self.hasher.hash_one(listing.id.as_str())
                };
                self.by_id.insert_unique(hash, number, hash_of);
            }
        }
    }
}
