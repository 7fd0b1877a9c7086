//! Where replies go: the places that gates have made known.
//!
//! Numbers are never given away again: a reply to a gate that is gone can then never reach the next
//! one. The thread that delivers keeps a copy and looks at one number a batch whether it still holds.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use levee_api::port::{Deliver, Origin};

type Places = BTreeMap<Origin, Arc<dyn Deliver>>;

/// All origins that are registered.
#[derive(Default)]
pub(crate) struct Origins {
    /// The number of the next one, and those that are there.
    places: Mutex<(u32, Places)>,
    changes: AtomicU64,
}

/// One thread's copy.
#[derive(Default)]
pub(crate) struct KnownOrigins {
    places: Places,
    changes: u64,
}

impl Origins {
    pub(crate) fn register(&self, deliver: Arc<dyn Deliver>) -> Origin {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let origin = Origin(places.0);
        places.0 = places.0.checked_add(1).expect("four billion gates have not come and gone");
        places.1.insert(origin, deliver);
        self.changes.fetch_add(1, Relaxed);
        origin
    }

    pub(crate) fn release(&self, origin: Origin) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.1.remove(&origin);
        self.changes.fetch_add(1, Relaxed);
    }

    /// Brings a copy up to date. What was registered before an ask was handed over is in the copy
    /// that is made after the ask was taken: both go through a lock.
    pub(crate) fn look(&self, known: &mut KnownOrigins) {
        let changes = self.changes.load(Relaxed);
        if changes != known.changes {
            known.places = self.places.lock().unwrap_or_else(PoisonError::into_inner).1.clone();
            known.changes = changes;
        }
    }
}

impl KnownOrigins {
    pub(crate) fn get(&self, origin: Origin) -> Option<&Arc<dyn Deliver>> {
        self.places.get(&origin)
    }
}

#[cfg(test)]
mod tests {
    use levee_api::port::Reply;

    use super::*;

    struct Nobody;

    impl Deliver for Nobody {
        fn deliver(&self, _: Vec<(u64, Reply)>) {}
    }

    #[test]
    fn who_is_released_is_forgotten_and_its_number_never_used_again() {
        let (origins, mut known) = (Origins::default(), KnownOrigins::default());
        let first: Arc<dyn Deliver> = Arc::new(Nobody);
        let gone = origins.register(Arc::clone(&first));
        origins.look(&mut known);
        assert!(known.get(gone).is_some());
        origins.release(gone);
        origins.release(gone);
        let next = origins.register(Arc::new(Nobody));
        origins.look(&mut known);
        assert!(known.get(gone).is_none() && known.get(next).is_some());
        assert_ne!(gone, next);
        // Nothing of it is kept.
        assert_eq!(Arc::strong_count(&first), 1);
    }
}
