//! Where and when an order can be made: kitchens asked within opening hours, and offers held.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::check_fields;
use crate::pacing::{Ask, Kitchen, Ticket, Work};
use crate::state::{Effect, State};
use crate::tables::Quote;
use crate::types::{
    BILL_MINOR_MAX, Candidate, HOLD_MS_MAX, Offer, Outcome, OutletNo, PROMISED_AHEAD_MS_MAX,
    PlaceOrder, QUOTE_OUTLETS_MAX, QuoteNo, QuoteOrder, Quoted, Refusal, TRAVEL_MS_MAX, WORK_MAX,
};

/// Offers at other outlets, besides the one at the outlet that was asked for.
const OFFERS_ELSEWHERE_MAX: usize = 2;

impl Candidate {
    fn offer(&self, ready_at_ms: u64) -> Offer {
        Offer { outlet: self.outlet, ready_at_ms, travel_ms: self.travel_ms }
    }

    /// When the user has it, and the offer.
    fn there(&self, ready_at_ms: u64) -> (u64, Offer) {
        (ready_at_ms.saturating_add(u64::from(self.travel_ms)), self.offer(ready_at_ms))
    }
}

impl State {
    /// Offers the outlet that is wanted if that is in time; else its first free slot, and the other
    /// outlets at which the user has the order first, way included. Those come first at which the user
    /// has it first. What is offered is held, and the user's oldest offers no longer, if that is one too
    /// many; those first that are over by the clock.
    pub(crate) fn quote_order(&mut self, now_ms: u64, ask: &QuoteOrder) -> Result<Effect, Refusal> {
        self.check_quote(now_ms, ask)?;
        // Who takes an offer at the last moment, and pays a minute later, still gets what was offered.
        let asked = Ask::of(Work(ask.work), ask.total_minor > ask.discount_minor).held(ask.hold_ms);
        let (wanted, others) = ask.candidates.split_first().expect("checked: one at least");
        let mut offers = Vec::new();
        let until_ms = now_ms.saturating_add(ask.hold_ms);
        let in_time = |outlet| self.ready_in_time(now_ms, outlet, asked, ask.ready_by_ms);
        if let Some(ready_at_ms) = in_time(wanted.outlet) {
            offers.push(wanted.offer(ready_at_ms));
        } else {
            let soonest = |(there_ms, offer): &(u64, Offer)| (*there_ms, offer.outlet);
            let elsewhere =
                others.iter().filter_map(|other| Some(other.there(in_time(other.outlet)?)));
            let mut all = elsewhere.collect::<Vec<_>>();
            all.sort_by_key(soonest);
            all.truncate(OFFERS_ELSEWHERE_MAX);
            // The slot may be tomorrow's.
            let slot_ms = self.slot_at(now_ms, wanted.outlet, asked);
            all.extend(slot_ms.map(|ready_at_ms| wanted.there(ready_at_ms)));
            all.sort_by_key(soonest);
            offers.extend(all.into_iter().map(|(_, offer)| offer));
        }
        if offers.is_empty() {
            return Err(Refusal::NoOffers);
        }

        let mut tickets = Vec::new();
        for Offer { outlet, ready_at_ms, .. } in &offers {
            let promise = self.promise(now_ms, *outlet, asked.work, *ready_at_ms);
            tickets.push(promise);
        }
        let released = ask.user.and_then(|user| self.quotes.in_the_way_of(user, now_ms));
        if let Some(oldest) = released {
            self.end_quote(now_ms, oldest, None);
        }
        let quote = Quote::held(ask, until_ms, &offers, &tickets);
        let quote = self.quotes.push(quote, &mut self.store);
        let QuoteOrder { total_minor, discount_minor, .. } = *ask;
        let quoted = Quoted { quote, until_ms, total_minor, discount_minor, offers, released };
        Ok(Effect::Done(Outcome::Quoted(Box::new(quoted))))
    }

    fn check_quote(&self, now_ms: u64, ask: &QuoteOrder) -> Result<(), Refusal> {
        let len = ask.candidates.len();
        let twice = (1..len).any(|place| {
            let (before, this) = (&ask.candidates[..place], ask.candidates[place].outlet);
            before.iter().any(|candidate| candidate.outlet == this)
        });
        let near = ask.candidates.iter().all(|candidate| candidate.travel_ms <= TRAVEL_MS_MAX);
        let ahead = now_ms..=now_ms.saturating_add(PROMISED_AHEAD_MS_MAX);
        check_fields([
            ((1..=BILL_MINOR_MAX).contains(&ask.total_minor), "total_minor"),
            (ask.discount_minor <= ask.total_minor, "total_minor"),
            ((1..=WORK_MAX).contains(&ask.work), "work"),
            ((1..=QUOTE_OUTLETS_MAX).contains(&len) && !twice && near, "candidates"),
            (ask.ready_by_ms.is_none_or(|by_ms| ahead.contains(&by_ms)), "pickup_by"),
            ((1..=HOLD_MS_MAX).contains(&ask.hold_ms), "hold"),
        ])?;
        let known = |candidate: &Candidate| self.outlets.get(candidate.outlet).is_some();
        if !ask.candidates.iter().all(known) {
            return Err(Refusal::OutletNotFound);
        }
        self.check_version(ask.candidates[0].outlet, ask.outlet_version)
    }

    /// Whether a gate has priced by the outlet's latest document.
    pub(super) fn check_version(&self, number: OutletNo, version: u32) -> Result<(), Refusal> {
        let outlet = self.outlets.get(number).ok_or(Refusal::OutletNotFound)?;
        if outlet.version == version { Ok(()) } else { Err(Refusal::OutletChanged) }
    }

    /// When an order can be ready at an outlet that takes orders now, if that is by the wanted time, or,
    /// without one, within the outlet's own.
    pub(super) fn ready_in_time(
        &self,
        now_ms: u64,
        number: OutletNo,
        asked: Ask,
        by_ms: Option<u64>,
    ) -> Option<u64> {
        let outlet = self.outlet_taking_orders(now_ms, number).ok()?;
        let by_ms = by_ms.unwrap_or_else(|| now_ms.saturating_add(outlet.ready_within_ms));
        self.ready_by(now_ms, number, asked, by_ms)
    }

    /// When an order can be ready at an outlet, if that is by a time and within opening hours. A kitchen
    /// that is closed begins when it opens.
    pub(crate) fn ready_by(
        &self,
        now_ms: u64,
        number: OutletNo,
        asked: Ask,
        by_ms: u64,
    ) -> Option<u64> {
        self.ready_of(self.outlets.kitchen(number), now_ms, number, asked, by_ms)
    }

    /// As [`Self::ready_by`], by an outlet's kitchen as it would be.
    fn ready_of(
        &self,
        kitchen: &Kitchen,
        now_ms: u64,
        number: OutletNo,
        asked: Ask,
        by_ms: u64,
    ) -> Option<u64> {
        let outlet = self.outlets.get(number)?;
        let opening = outlet.opening(&self.outlets.texts);
        let from_ms = opening.open_from_ms(now_ms);
        let within_ms = by_ms.checked_sub(from_ms)?;
        let asked = asked.after(from_ms - now_ms);
        let ready_at_ms = from_ms + kitchen.eta_within(from_ms, asked, within_ms, &self.pace())?;
        let closes_ms = opening.open_until_ms(from_ms);
        closes_ms.is_none_or(|closes_ms| ready_at_ms <= closes_ms).then_some(ready_at_ms)
    }

    /// Whether an outlet is open then.
    pub(super) fn is_open_at(&self, number: OutletNo, at_ms: u64) -> bool {
        let outlet = self.outlets.get(number);
        outlet
            .is_some_and(|outlet| outlet.opening(&self.outlets.texts).open_from_ms(at_ms) == at_ms)
    }

    /// The first free slot of an outlet that takes orders now, in these opening hours or the next.
    fn slot_at(&self, now_ms: u64, number: OutletNo, asked: Ask) -> Option<u64> {
        let outlet = self.outlet_taking_orders(now_ms, number).ok()?;
        let opening = outlet.opening(&self.outlets.texts);
        let (kitchen, pace) = (self.outlets.kitchen(number), self.pace());
        let mut from_ms = opening.open_from_ms(now_ms);
        for _ in 0..2 {
            let slot_ms = kitchen.slot_at(from_ms, asked.after(from_ms - now_ms), from_ms, &pace);
            let Some(closes_ms) = opening.open_until_ms(from_ms) else { return slot_ms };
            if slot_ms.is_some_and(|slot_ms| slot_ms <= closes_ms) {
                return slot_ms;
            }
            from_ms = opening.open_from_ms(closes_ms);
        }
        None
    }

    /// Takes capacity of a kitchen.
    pub(super) fn promise(
        &mut self,
        now_ms: u64,
        outlet: OutletNo,
        work: Work,
        ready_at_ms: u64,
    ) -> Ticket {
        let pace = self.pace();
        self.outlets
            .with_kitchen(outlet, |kitchen| kitchen.promise(now_ms, work, ready_at_ms, &pace))
    }

    /// Gives back what was promised and will not be begun.
    pub(super) fn take_back(&mut self, now_ms: u64, outlet: OutletNo, ticket: Ticket) {
        let pace = self.pace();
        self.outlets.with_kitchen(outlet, |kitchen| kitchen.take_back(now_ms, ticket, &pace));
    }

    /// The offer that an order takes, if it is held for such an order, and when that is ready: as
    /// offered, but for what an outage of ours made older.
    pub(super) fn offer_for(
        &self,
        now_ms: u64,
        place: &PlaceOrder,
        asked: Ask,
    ) -> Result<Option<(Ticket, u64)>, Refusal> {
        let Some(offer) = place.offer else { return Ok(None) };
        let quote = self.quotes.get(offer.quote).ok_or(Refusal::OfferExpired)?;
        if !quote.is_held() || quote.until_ms <= now_ms {
            return Err(Refusal::OfferExpired);
        }
        let (outlet, ticket) =
            quote.tickets().nth(offer.place.into()).ok_or(Refusal::OfferExpired)?;
        let is_theirs = quote.user().is_none_or(|user| user == place.user);
        // What was offered without a payment is too early for an order that has to be paid.
        let counts_on_it = quote.is_to_be_paid() || asked.begins_after_ms == 0;
        if !is_theirs || !counts_on_it || outlet != place.outlet || ticket.work != asked.work {
            return Err(Refusal::OfferOfAnotherOrder);
        }
        if !quote.is_graced() {
            return Ok(Some((ticket, ticket.ready_at_ms)));
        }
        let ready_at_ms = self.ready_after_outage(now_ms, outlet, asked, ticket);
        Ok(Some((ticket, ready_at_ms.ok_or(Refusal::OfferExpired)?)))
    }

    /// When an order is ready whose offer is held for longer than its time counts on: its kitchen is
    /// asked again, as if nothing was held for it. Never before what was offered, nor once the outlet
    /// has closed since.
    fn ready_after_outage(
        &self,
        now_ms: u64,
        outlet: OutletNo,
        asked: Ask,
        offered: Ticket,
    ) -> Option<u64> {
        if offered.ready_at_ms < now_ms && !self.is_open_at(outlet, now_ms) {
            return None;
        }
        let mut kitchen = self.outlets.kitchen(outlet).clone();
        kitchen.take_back(now_ms, offered, &self.pace());
        let latest_ms = now_ms.saturating_add(PROMISED_AHEAD_MS_MAX);
        let ready_at_ms = self.ready_of(&kitchen, now_ms, outlet, asked, latest_ms)?;
        Some(ready_at_ms.max(offered.ready_at_ms))
    }

    /// A quote's offers are held no longer, but for the one that an order takes.
    pub(super) fn end_quote(&mut self, now_ms: u64, number: QuoteNo, taken: Option<u8>) {
        let quote = *self.quotes.get(number).expect("it is held");
        self.quotes.end(number);
        for (place, (outlet, ticket)) in (0_u8..).zip(quote.tickets()) {
            if Some(place) != taken {
                self.take_back(now_ms, outlet, ticket);
            }
        }
    }
}
