//! Texts, menus and hours that many outlets have in common, each kept once.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use levee_api::outlet::{OutletDocument, opening};
use levee_api::strict::Malformed;
use levee_api::types::Opening;

use super::listing::Menu;

/// Sets are swept when they have grown to this and to twice what the last sweep left.
const SWEEP_FROM: usize = 1_024;

/// What listings share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    menus: Kept<Menu>,
    brands: Kept<str>,
    /// By time zone and hours as they stand in documents.
    openings: HashMap<(String, Vec<String>), Arc<Opening>>,
    openings_swept: usize,
}

impl Shared {
    pub(super) fn menu(&mut self, menu: Menu) -> Arc<Menu> {
        self.menus.keep(menu)
    }

    #[cfg(test)]
    pub(super) fn menus_len(&self) -> usize {
        self.menus.values.len()
    }

    pub(super) fn brand(&mut self, brand: &str) -> Arc<str> {
        self.brands.keep(brand)
    }

    /// # Errors
    /// The document has hours or a time zone that this build does not understand.
    pub(super) fn opening(&mut self, document: &OutletDocument) -> Result<Arc<Opening>, Malformed> {
        let hours = &document.hours;
        let zone = if hours.is_empty() { String::new() } else { document.time_zone.clone() };
        let key = (zone, hours.clone());
        if let Some(opening) = self.openings.get(&key) {
            return Ok(Arc::clone(opening));
        }
        if self.openings.len() >= SWEEP_FROM.max(2 * self.openings_swept) {
            self.openings.retain(|_, opening| Arc::strong_count(opening) > 1);
            self.openings_swept = self.openings.len();
        }
        let opening = Arc::new(opening(document)?);
        self.openings.insert(key, Arc::clone(&opening));
        Ok(opening)
    }
}

/// Values that are kept once, for as long as somebody has them.
#[derive(Debug)]
struct Kept<T: ?Sized> {
    values: HashSet<Arc<T>>,
    /// How many the last sweep left.
    swept: usize,
}

impl<T: ?Sized> Default for Kept<T> {
    fn default() -> Self {
        Self { values: HashSet::new(), swept: 0 }
    }
}

impl<T: Hash + Eq + ?Sized> Kept<T> {
    fn keep<V: AsRef<T> + Into<Arc<T>>>(&mut self, value: V) -> Arc<T> {
        if let Some(kept) = self.values.get(value.as_ref()) {
            return Arc::clone(kept);
        }
        if self.values.len() >= SWEEP_FROM.max(2 * self.swept) {
            self.values.retain(|value| Arc::strong_count(value) > 1);
            self.swept = self.values.len();
        }
        let kept: Arc<T> = value.into();
        self.values.insert(Arc::clone(&kept));
        kept
    }
}

impl AsRef<Self> for Menu {
    fn as_ref(&self) -> &Self {
        self
    }
}
