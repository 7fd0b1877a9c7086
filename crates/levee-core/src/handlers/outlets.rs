//! Outlets: their documents, whether they take orders, and who works there.

use super::{check_fields, check_reason};
use crate::pacing::Work;
use crate::state::{Effect, State};
use crate::tables::Outlet;
use crate::types::{
    ACCEPT_WITHIN_MS_MAX, DOCUMENT_LEN_MAX, DURATION_MS_MAX, Outcome, OutletId, OutletNo,
    PauseOutlet, PutOutlet, READY_WITHIN_MS_MAX, RecordWalkIns, Refusal, ResumeOutlet,
    STATIONS_MAX, SetStaffing, UNIT_MS_MAX, WORK_MAX,
};

/// Most outlets of one installation; a name leads to each, in ordinary memory.
const OUTLETS_MAX: u32 = 1 << 20;

impl State {
    pub(crate) fn put_outlet(&mut self, seq: u64, put: &PutOutlet) -> Result<Effect, Refusal> {
        if put.document.len() > DOCUMENT_LEN_MAX {
            return Err(Refusal::InvalidField("document"));
        }
        check_fields([
            ((1..=STATIONS_MAX).contains(&put.stations), "stations"),
            ((1..=UNIT_MS_MAX).contains(&put.unit_ms), "minutes_per_unit"),
            ((1..=ACCEPT_WITHIN_MS_MAX).contains(&put.accept_within_ms), "accept_within"),
            ((1..=READY_WITHIN_MS_MAX).contains(&put.ready_within_ms), "ready_within"),
            (put.opening.is_sound(), "hours"),
        ])?;
        let book = &mut self.outlets;
        let known = book.number(&put.id);
        let before = known.and_then(|number| book.get(number)).copied();
        if before.is_some_and(|before| before.is_as(put, &book.texts)) {
            return Err(Refusal::Unchanged);
        }
        if known.is_none() && book.rows.len() >= OUTLETS_MAX {
            return Err(Refusal::OutletLimitReached);
        }

        let outlet = Outlet::of(put, seq, before.as_ref(), &mut book.texts, &mut self.store);
        let number = match known {
            Some(number) => {
                book.set(number, outlet);
                // What was learned or told stays, as long as the figures that it began with do.
                book.with_kitchen(number, |kitchen| {
                    if before.is_some_and(|before| before.stations != put.stations) {
                        kitchen.set_stations(put.stations);
                    }
                    if before.is_some_and(|before| before.unit_ms != put.unit_ms) {
                        kitchen.set_unit_ms(put.unit_ms);
                    }
                });
                number
            }
            None => book.push(outlet, &mut self.store),
        };
        Ok(Effect::Done(Outcome::OutletPut { outlet: number, version: outlet.version }))
    }

    pub(crate) fn pause_outlet(
        &mut self,
        now_ms: u64,
        pause: &PauseOutlet,
    ) -> Result<Effect, Refusal> {
        check_reason(&pause.reason)?;
        let ends = now_ms + 1..=now_ms.saturating_add(DURATION_MS_MAX);
        if pause.until_ms.is_some_and(|until_ms| !ends.contains(&until_ms)) {
            return Err(Refusal::InvalidField("until"));
        }
        let (number, mut outlet) = self.outlet_named(&pause.outlet)?;
        if outlet.is_paused_at(now_ms) && outlet.pause_ends_ms() == pause.until_ms {
            return Err(Refusal::Unchanged);
        }

        let texts = &mut self.outlets.texts;
        outlet.pause(pause.until_ms, &pause.reason, texts, &mut self.store);
        self.outlets.set(number, outlet);
        Ok(Effect::Done(Outcome::OutletPaused))
    }

    pub(crate) fn resume_outlet(
        &mut self,
        now_ms: u64,
        resume: &ResumeOutlet,
    ) -> Result<Effect, Refusal> {
        check_reason(&resume.reason)?;
        let (number, mut outlet) = self.outlet_named(&resume.outlet)?;
        if !outlet.is_paused_at(now_ms) {
            return Err(Refusal::Unchanged);
        }

        outlet.resume();
        self.outlets.set(number, outlet);
        Ok(Effect::Done(Outcome::OutletResumed))
    }

    pub(crate) fn set_staffing(&mut self, staffing: SetStaffing) -> Result<Effect, Refusal> {
        let SetStaffing { outlet, stations, .. } = staffing;
        if !(1..=STATIONS_MAX).contains(&stations) {
            return Err(Refusal::InvalidField("stations"));
        }
        self.outlets.get(outlet).ok_or(Refusal::OutletNotFound)?;
        self.outlets.with_kitchen(outlet, |kitchen| kitchen.set_stations(stations));
        Ok(Effect::Done(Outcome::StaffingSet))
    }

    pub(crate) fn record_walk_ins(
        &mut self,
        now_ms: u64,
        record: RecordWalkIns,
    ) -> Result<Effect, Refusal> {
        let RecordWalkIns { outlet, work, .. } = record;
        if !(1..=WORK_MAX).contains(&work) {
            return Err(Refusal::InvalidField("work"));
        }
        self.outlets.get(outlet).ok_or(Refusal::OutletNotFound)?;
        let pace = self.pace();
        self.outlets.with_kitchen(outlet, |kitchen| kitchen.walk_in(now_ms, Work(work), &pace));
        Ok(Effect::Done(Outcome::WalkInsRecorded))
    }

    fn outlet_named(&self, id: &OutletId) -> Result<(OutletNo, Outlet), Refusal> {
        let number = self.outlets.number(id).ok_or(Refusal::OutletNotFound)?;
        let outlet = self.outlets.get(number).ok_or(Refusal::OutletNotFound)?;
        Ok((number, *outlet))
    }
}
