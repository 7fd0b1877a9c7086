//! Outlets: their documents and pauses.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use levee_core::types::{
    ACCEPT_WITHIN_MS_MAX, DOCUMENT_LEN_MAX, DURATION_MS_MAX, NameHash, OutletId, OutletNo,
    PauseOutlet, PutOutlet, ResumeOutlet, STATIONS_MAX,
};

use super::recount::Recount;

/// One outlet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outlet {
    pub(super) brand: NameHash,
    pub(super) accept_within_ms: u64,
    stations: u16,
    version: u32,
    /// Of its document.
    hash: u64,
    /// `Some(None)`: until somebody resumes it.
    pause: Option<Option<u64>>,
}

impl Outlet {
    /// Whether it takes no orders; a pause that is over is none, whether or not a tick said so.
    pub(super) fn is_paused_at(&self, now_ms: u64) -> bool {
        self.pause.is_some_and(|until_ms| until_ms.is_none_or(|until_ms| until_ms > now_ms))
    }
}

/// All of them by number, and their numbers by name.
#[derive(Debug, Default)]
pub(super) struct Outlets {
    list: Vec<Outlet>,
    by_id: BTreeMap<OutletId, u32>,
    hasher: RandomState,
}

impl Outlets {
    pub(super) fn get(&self, number: OutletNo) -> Option<&Outlet> {
        self.list.get(number.index())
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }
}

impl Recount {
    pub(super) fn put_outlet(&mut self, ask: &PutOutlet, number: OutletNo, version: u32) {
        let (len, stations, within_ms) = (ask.document.len(), ask.stations, ask.accept_within_ms);
        let notes = &mut self.notes;
        notes.check(len <= DOCUMENT_LEN_MAX, || format!("a document of {len} bytes"));
        notes.check((1..=STATIONS_MAX).contains(&stations), || format!("{stations} stations"));
        notes.check((1..=ACCEPT_WITHIN_MS_MAX).contains(&within_ms), || {
            format!("an outlet that accepts within {within_ms} ms")
        });
        let book = &mut self.outlets;
        let known = book.by_id.get(&ask.id).copied();
        let expected = known.map_or(book.list.len(), |known| OutletNo(known).index());
        notes.check(number.index() == expected, || {
            format!("outlet {number} stands where {expected} follows")
        });
        let before = known.and_then(|known| book.list.get(OutletNo(known).index())).copied();
        let after = Outlet {
            brand: ask.brand,
            accept_within_ms: within_ms,
            stations,
            version: before.map_or(0, |before| before.version) + 1,
            hash: book.hasher.hash_one(&ask.document),
            pause: before.and_then(|before| before.pause),
        };
        notes.check(version == after.version, || {
            format!("version {version} of outlet {}, where {} follows", ask.id, after.version)
        });
        let says =
            |outlet: &Outlet| (outlet.brand, outlet.accept_within_ms, outlet.stations, outlet.hash);
        notes.check(before.is_none_or(|before| says(&before) != says(&after)), || {
            format!("outlet {} is put as it is already", ask.id)
        });
        match book.list.get_mut(expected) {
            Some(outlet) => *outlet = after,
            None => {
                let place = u32::try_from(expected).expect("fewer outlets than commands");
                book.by_id.insert(ask.id.clone(), place);
                book.list.push(after);
            }
        }
    }

    /// The outlet that a command names; a difference when there is none.
    fn outlet_named(&mut self, id: &OutletId) -> Option<&mut Outlet> {
        let number = self.outlets.by_id.get(id).copied();
        self.notes.check(number.is_some(), || format!("there is no outlet {id}"));
        self.outlets.list.get_mut(OutletNo(number?).index())
    }

    pub(super) fn pause_outlet(&mut self, ask: &PauseOutlet) {
        self.check_reason(&ask.reason);
        let now_ms = self.now_ms;
        let ends = now_ms.saturating_add(1)..=now_ms.saturating_add(DURATION_MS_MAX);
        self.notes.check(ask.until_ms.is_none_or(|until_ms| ends.contains(&until_ms)), || {
            format!("a pause until {:?}", ask.until_ms)
        });
        let Some(outlet) = self.outlet_named(&ask.outlet) else { return };
        let is_same = outlet.is_paused_at(now_ms) && outlet.pause == Some(ask.until_ms);
        outlet.pause = Some(ask.until_ms);
        self.notes.check(!is_same, || format!("outlet {} is paused as it is already", ask.outlet));
    }

    pub(super) fn resume_outlet(&mut self, ask: &ResumeOutlet) {
        self.check_reason(&ask.reason);
        let now_ms = self.now_ms;
        let Some(outlet) = self.outlet_named(&ask.outlet) else { return };
        let was_paused = outlet.is_paused_at(now_ms);
        outlet.pause = None;
        self.notes
            .check(was_paused, || format!("outlet {} is resumed, and was not paused", ask.outlet));
    }

    /// A tick says that a pause is over.
    pub(super) fn sweep_pause(&mut self, number: OutletNo) {
        let now_ms = self.now_ms;
        let Some(outlet) = self.outlets.list.get_mut(number.index()) else {
            self.notes.note(format!("there is no outlet {number}"));
            return;
        };
        match outlet.pause.take() {
            Some(Some(until_ms)) => self.check_due("the pause of outlet", number.0, until_ms),
            other => self.notes.note(format!(
                "the pause of outlet {number} is over at {now_ms}, though it was {other:?}"
            )),
        }
    }
}
