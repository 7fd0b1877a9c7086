//! What a gate counts about itself.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::routes::ROUTES;

/// A number that one thread changes and others read: no read-modify-write is needed.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(more), Relaxed);
    }

    pub(crate) fn sub(&self, less: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(less), Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// One worker's counts; only that worker changes them.
#[derive(Debug)]
pub(crate) struct Stats {
    /// By route, the last for those that fit none, and by the status's first digit.
    requests: Vec<[Count; 6]>,
    pub(crate) in_flight: Count,
    pub(crate) connections: Count,
    pub(crate) turned_away: Count,
    pub(crate) forged_codes: Count,
    read_bytes: Count,
    written_bytes: Count,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            requests: ROUTES
                .iter()
                .map(|_| Default::default())
                .chain([Default::default()])
                .collect(),
            in_flight: Count::default(),
            connections: Count::default(),
            turned_away: Count::default(),
            forged_codes: Count::default(),
            read_bytes: Count::default(),
            written_bytes: Count::default(),
        }
    }
}

impl Stats {
    pub(crate) fn count(&self, route: usize, status: u16) {
        self.requests[route][usize::from(status / 100).min(5)].add(1);
    }

    pub(crate) fn add_read(&self, bytes: usize) {
        self.read_bytes.add(bytes as u64);
    }

    pub(crate) fn add_written(&self, bytes: usize) {
        self.written_bytes.add(bytes as u64);
    }
}

/// The campaigns' money as last asked for.
#[derive(Debug, Default)]
pub(crate) struct MoneyCache;
