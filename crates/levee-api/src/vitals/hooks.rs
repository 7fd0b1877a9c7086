//! What delivery of webhooks counts and measures.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use levee_core::types::{WEBHOOKS_MAX, WebhookId};

/// What delivery of webhooks counts, each in a place of its own.
#[derive(Debug, Default)]
pub struct HooksVitals([Arc<HookVitals>; WEBHOOKS_MAX]);

impl HooksVitals {
    /// The place of a webhook, with the counts of nothing where it is new. Beyond
    /// [`WEBHOOKS_MAX`] of them it is one that nobody sees.
    #[must_use]
    pub fn of(&self, id: &WebhookId) -> Arc<HookVitals> {
        let place = |name: &str| self.0.iter().find(|hook| hook.name() == name);
        if let Some(known) = place(id.as_str()) {
            return Arc::clone(known);
        }
        let Some(free) = place("") else { return Arc::default() };
        free.numbers().for_each(|number| number.store(0, Relaxed));
        free.set_name(id.as_str());
        Arc::clone(free)
    }

    /// It is gone, and another one may have its place.
    pub fn forget(&self, id: &WebhookId) {
        self.0.iter().filter(|hook| hook.name() == id.as_str()).for_each(|hook| hook.set_name(""));
    }

    pub(super) fn cells(&self) -> impl Iterator<Item = &AtomicU64> {
        self.0.iter().flat_map(|hook| hook.name.iter().chain(hook.numbers()))
    }

    /// All that there are, each with its id.
    pub fn all(&self) -> impl Iterator<Item = (String, &HookVitals)> {
        let named = self.0.iter().map(|hook| (hook.name(), &**hook));
        named.filter(|(name, _)| !name.is_empty())
    }
}

/// What delivery of one webhook counts.
#[derive(Debug, Default)]
pub struct HookVitals {
    /// Its id as bytes, so that mirrors have it: they are kept by numbers alone.
    name: [AtomicU64; WebhookId::LEN_MAX / 8],
    /// Events that its receiver took, repeats included.
    pub delivered: AtomicU64,
    /// Tries that failed.
    pub failed: AtomicU64,
    /// Events that became dead letters.
    pub dead: AtomicU64,
    /// Commands that were passed over, since the journal does not reach back to them any more.
    pub passed_over: AtomicU64,
    /// Events that wait or are under way.
    pub waiting: AtomicU64,
    /// Commands in the journal that it has not read yet.
    pub unread: AtomicU64,
    /// How long ago by journal time the oldest event was that waits or is under way, in
    /// milliseconds; 0 where there is none.
    pub lag_ms: AtomicU64,
    /// 1 while its receiver takes nothing at all.
    pub down: AtomicU64,
}

impl HookVitals {
    fn name(&self) -> String {
        let bytes = self.name.iter().flat_map(|cell| cell.load(Relaxed).to_be_bytes());
        let letters = bytes.take_while(|byte| *byte != 0).map(char::from);
        letters.collect()
    }

    fn set_name(&self, name: &str) {
        let mut bytes = name.bytes();
        for cell in &self.name {
            let part = std::array::from_fn(|_| bytes.next().unwrap_or(0));
            cell.store(u64::from_be_bytes(part), Relaxed);
        }
    }

    fn numbers(&self) -> impl Iterator<Item = &AtomicU64> {
        let Self { name: _, delivered, failed, dead, passed_over, waiting, unread, lag_ms, down } =
            self;
        [delivered, failed, dead, passed_over, waiting, unread, lag_ms, down].into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vitals::Vitals;

    #[test]
    fn webhooks_have_places_that_mirrors_show() {
        let [vitals, mirror] = [(); 2].map(|()| Vitals::default());
        let id = |text: &str| WebhookId::new(text).expect("an id");
        let long = "a".repeat(WebhookId::LEN_MAX);
        vitals.hooks.of(&id("app")).delivered.store(3, Relaxed);
        vitals.hooks.of(&id(&long)).lag_ms.store(5, Relaxed);
        assert_eq!(vitals.hooks.of(&id("app")).delivered.load(Relaxed), 3);
        for (place, number) in vitals.numbers().into_iter().enumerate() {
            assert!(mirror.set_number(place, number));
        }
        let seen = |vitals: &Vitals| -> Vec<(String, u64, u64)> {
            let all = vitals.hooks.all();
            all.map(|(id, hook)| (id, hook.delivered.load(Relaxed), hook.lag_ms.load(Relaxed)))
                .collect()
        };
        assert_eq!(seen(&mirror), [("app".to_owned(), 3, 0), (long.clone(), 0, 5)]);
        vitals.hooks.forget(&id("app"));
        assert_eq!(seen(&vitals), [(long.clone(), 0, 5)]);
        // Its counts go with it.
        let _ = vitals.hooks.of(&id("back"));
        assert_eq!(seen(&vitals)[0], ("back".to_owned(), 0, 0));
    }
}
