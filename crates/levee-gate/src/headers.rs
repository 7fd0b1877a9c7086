//! Maps for headers, with the memory that they had for earlier requests.

use std::cell::RefCell;

use hyper::header::HeaderMap;

/// So many are kept: with as many requests under way at once, none is made anew. Each takes a kilobyte
/// or two.
const KEPT_MAX: usize = 256;

/// Empty maps.
#[derive(Default)]
pub(crate) struct HeaderMaps(RefCell<Vec<HeaderMap>>);

impl HeaderMaps {
    /// An empty map.
    pub(crate) fn take(&self) -> HeaderMap {
        self.0.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes one back that has served.
    pub(crate) fn keep(&self, mut map: HeaderMap) {
        map.clear();
        let mut kept = self.0.borrow_mut();
        if kept.len() < KEPT_MAX {
            kept.push(map);
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::{ALLOW, HeaderValue};

    use super::*;

    #[test]
    fn maps_come_back_empty_and_no_more_than_so_many_are_kept() {
        let maps = HeaderMaps::default();
        for _ in 0..KEPT_MAX + 10 {
            let mut map = HeaderMap::new();
            map.append(ALLOW, HeaderValue::from_static("GET"));
            map.append(ALLOW, HeaderValue::from_static("POST"));
            maps.keep(map);
        }
        assert_eq!(maps.0.borrow().len(), KEPT_MAX);
        let map = maps.take();
        assert!(map.is_empty() && map.capacity() > 0, "{map:?}");
    }
}
