//! Outlets: their documents, pauses, and who works there.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;

use levee_core::types::{
    ACCEPT_WITHIN_MS_MAX, BreakerOf, BreakerState, ChangeBreaker, DOCUMENT_LEN_MAX,
    DURATION_MS_MAX, NameHash, Opening, OutletId, OutletNo, PauseOutlet, PutOutlet,
    READY_WITHIN_MS_MAX, RecordWalkIns, ResumeOutlet, STATIONS_MAX, SetStaffing, Terms,
    UNIT_MS_MAX, VENDOR_LEN_MAX, WORK_MAX,
};

use super::hours::Hours;
use super::recount::Recount;

/// One outlet.
#[derive(Debug)]
pub(super) struct Outlet {
    pub(super) brand: NameHash,
    vendor: NameHash,
    pub(super) accept_within_ms: u64,
    pub(super) ready_within_ms: u64,
    pub(super) hours: Hours,
    version: u32,
    /// Of all that was put.
    hash: u64,
    /// `Some(None)`: until somebody resumes it.
    pause: Option<Option<u64>>,
}

impl Outlet {
    /// When its time to accept an order began whose ticket it does not have yet, and its end: its
    /// ordinary time after that, or when the order would be one for now, whichever is later.
    pub(super) fn accepts_until(&self, now_ms: u64, promised_at_ms: u64) -> (u64, u64) {
        let now_from_ms = promised_at_ms.saturating_sub(self.ready_within_ms);
        (now_ms, now_ms.saturating_add(self.accept_within_ms).max(now_from_ms))
    }

    /// Whether it takes no orders; a pause that is over is none, whether or not a tick said so.
    pub(super) fn is_paused_at(&self, now_ms: u64) -> bool {
        self.pause.is_some_and(|until_ms| until_ms.is_none_or(|until_ms| until_ms > now_ms))
    }

    /// Some of each of its cache lines: reading them brings it near.
    pub(super) fn glance(&self) -> u64 {
        let pause = self.pause.flatten().unwrap_or(0);
        self.accept_within_ms ^ pause ^ self.hash ^ u64::from(self.version ^ self.brand.0)
    }
}

/// All of them by number, and their numbers by name.
#[derive(Debug, Default)]
pub(super) struct Outlets {
    list: Vec<Outlet>,
    by_id: BTreeMap<OutletId, u32>,
    /// Breakers that are not closed, and whether an operator holds them.
    breakers: BTreeMap<BreakerOf, (BreakerState, bool)>,
    /// The vendors among them.
    broken_vendors: BTreeSet<NameHash>,
    hasher: RandomState,
}

impl Outlets {
    pub(super) fn get(&self, number: OutletNo) -> Option<&Outlet> {
        self.list.get(number.index())
    }

    /// Why it takes no orders now, if it does not.
    pub(super) fn turns_away(&self, number: OutletNo, now_ms: u64) -> Option<&'static str> {
        let outlet = self.get(number)?;
        let own = BreakerOf::Outlet(number);
        if outlet.is_paused_at(now_ms) {
            Some("is paused")
        } else {
            let is_broken =
                self.breakers.contains_key(&own) || self.broken_vendors.contains(&outlet.vendor);
            is_broken.then_some("cannot be reached")
        }
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    fn number(&self, id: &OutletId) -> Option<OutletNo> {
        self.by_id.get(id).copied().map(OutletNo)
    }

    /// Of all that a command puts, by keys that are drawn anew in every run.
    fn hash(&self, put: &PutOutlet) -> u64 {
        let hours = put.opening.hours.iter().map(|part| (part.from_minute, part.until_minute));
        let offsets = put.opening.offsets.iter().map(|offset| (offset.from_ms, offset.minutes));
        self.hasher.hash_one((
            &put.document,
            (put.brand, put.vendor, put.stations, put.unit_ms),
            (put.accept_within_ms, put.ready_within_ms),
            (hours.collect::<Vec<_>>(), offsets.collect::<Vec<_>>()),
        ))
    }
}

impl Recount {
    pub(super) fn put_outlet(&mut self, ask: &PutOutlet, number: OutletNo, version: u32) {
        self.check_document(ask);
        let (book, notes) = (&mut self.outlets, &mut self.notes);
        let known = book.by_id.get(&ask.id).copied();
        let expected = known.map_or(book.list.len(), |known| OutletNo(known).index());
        notes.check(number.index() == expected, || {
            format!("outlet {number} stands where {expected} follows")
        });
        let hash = book.hash(ask);
        let before = known.and_then(|known| book.list.get(OutletNo(known).index()));
        let after = Outlet {
            brand: ask.brand,
            vendor: ask.vendor,
            accept_within_ms: ask.accept_within_ms,
            ready_within_ms: ask.ready_within_ms,
            hours: Hours::of(&ask.opening),
            version: before.map_or(0, |before| before.version) + 1,
            hash,
            pause: before.and_then(|before| before.pause),
        };
        notes.check(version == after.version, || {
            format!("version {version} of outlet {}, where {} follows", ask.id, after.version)
        });
        notes.check(before.is_none_or(|before| before.hash != hash), || {
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

    fn check_document(&mut self, ask: &PutOutlet) {
        let (len, stations, unit_ms) = (ask.document.len(), ask.stations, ask.unit_ms);
        let (accept_ms, ready_ms) = (ask.accept_within_ms, ask.ready_within_ms);
        let notes = &mut self.notes;
        notes.check(len <= DOCUMENT_LEN_MAX, || format!("a document of {len} bytes"));
        notes.check((1..=STATIONS_MAX).contains(&stations), || format!("{stations} stations"));
        notes.check((1..=UNIT_MS_MAX).contains(&unit_ms), || format!("{unit_ms} ms for a unit"));
        notes.check((1..=ACCEPT_WITHIN_MS_MAX).contains(&accept_ms), || {
            format!("an outlet that accepts within {accept_ms} ms")
        });
        notes.check((1..=READY_WITHIN_MS_MAX).contains(&ready_ms), || {
            format!("an outlet that is ready within {ready_ms} ms")
        });
        notes.check(can_be_read(&ask.opening), || format!("opening hours {:?}", ask.opening));
    }

    /// A breaker changes, from what it was.
    pub(super) fn change_breaker(&mut self, ask: &ChangeBreaker, said: BreakerState) {
        self.check_reason(&ask.reason);
        let ChangeBreaker { of, state, by_hand, .. } = ask;
        let (state, by_hand) = (*state, *by_hand);
        let (outlets, notes) = (&mut self.outlets, &mut self.notes);
        match of {
            BreakerOf::Outlet(outlet) => {
                let is_known = outlets.get(*outlet).is_some();
                notes.check(is_known, || format!("there is no outlet {outlet}"));
            }
            BreakerOf::Vendor(vendor) => {
                let len = vendor.len();
                notes.check((1..=VENDOR_LEN_MAX).contains(&len), || {
                    format!("a vendor with a name of {len} bytes")
                });
            }
        }
        let (before, was_by_hand) = outlets.breakers.get(of).copied().unwrap_or_default();
        notes.check(said == before, || {
            format!("the breaker of {of:?} was {before:?}, not {said:?}")
        });
        notes.check(by_hand || !was_by_hand, || {
            format!("a connector changes the breaker of {of:?}, which an operator holds")
        });
        notes.check(by_hand || state != BreakerState::Draining, || {
            format!("a connector drains {of:?}")
        });
        let takes_over = by_hand && !was_by_hand && state != BreakerState::Closed;
        notes.check(state != before || takes_over, || {
            format!("the breaker of {of:?} is {state:?} already")
        });
        match state {
            BreakerState::Closed => outlets.breakers.remove(of),
            _ => outlets.breakers.insert(of.clone(), (state, by_hand)),
        };
        if let BreakerOf::Vendor(vendor) = of {
            let vendor = NameHash::of(vendor);
            match state {
                BreakerState::Closed => outlets.broken_vendors.remove(&vendor),
                _ => outlets.broken_vendors.insert(vendor),
            };
        }
        self.tally.breakers_opened += u64::from(state != BreakerState::Closed);
    }

    /// Price, work and lines are those of the outlet's latest document.
    pub(super) fn check_version(&mut self, number: OutletNo, version: u32) {
        let Some(latest) = self.outlets.get(number).map(|outlet| outlet.version) else { return };
        self.notes.check(version == latest, || {
            format!("priced by version {version} of outlet {number}, where {latest} is the latest")
        });
    }

    pub(super) fn set_staffing(&mut self, ask: SetStaffing) {
        let SetStaffing { outlet, stations, .. } = ask;
        let notes = &mut self.notes;
        notes.check((1..=STATIONS_MAX).contains(&stations), || format!("{stations} stations"));
        let is_known = self.outlets.get(outlet).is_some();
        notes.check(is_known, || format!("there is no outlet {outlet}"));
        self.tally.staffing_changes += 1;
    }

    pub(super) fn walk_ins(&mut self, ask: RecordWalkIns) {
        let RecordWalkIns { outlet, work, .. } = ask;
        let notes = &mut self.notes;
        notes.check((1..=WORK_MAX).contains(&work), || format!("walk-ins with work {work}"));
        let is_known = self.outlets.get(outlet).is_some();
        notes.check(is_known, || format!("there is no outlet {outlet}"));
        self.tally.walk_in_work += u64::from(work);
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
        if let (Some(until_ms), Some(number)) = (ask.until_ms, self.outlets.number(&ask.outlet)) {
            self.pauses.push(number.0, until_ms);
        }
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

    /// When a pause ends by itself, if there is one that does.
    pub(super) fn pause_ends_ms(&self, number: OutletNo) -> Option<u64> {
        self.outlets.get(number)?.pause.flatten()
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

/// Whether opening hours are such that they mean something: offsets in order and of at most a day,
/// parts of the day that are not empty, and lists of bounded length.
fn can_be_read(opening: &Opening) -> bool {
    let Opening { offsets, hours } = opening;
    offsets.len() <= Terms::LIST_MAX
        && hours.len() <= Terms::LIST_MAX
        && offsets.is_sorted_by(|one, next| one.from_ms < next.from_ms)
        && offsets.iter().all(|offset| offset.minutes.unsigned_abs() <= 24 * 60)
        && hours.iter().all(|part| {
            let (from, until) = (part.from_minute, part.until_minute);
            from < 24 * 60 && until <= 24 * 60 && from != until
        })
}
