//! Quotes: what may be offered, which offer an order takes, and when the others are free again.

use std::collections::btree_map::Entry;

use levee_core::types::{
    BILL_MINOR_MAX, Candidate, HOLD_MS_MAX, OFFERS_MAX, Offer, OfferNo, PAID_WITHIN_MS,
    PROMISED_AHEAD_MS_MAX, PlaceOrder, QUOTE_OUTLETS_MAX, QUOTES_HELD_MAX, QuoteNo, QuoteOrder,
    Quoted, TRAVEL_MS_MAX, UserKey, WORK_MAX,
};

use crate::audit::recount::Recount;

/// One quote.
#[derive(Clone, Copy, Debug)]
pub(in crate::audit) struct Quote {
    offers: [Option<Offer>; OFFERS_MAX],
    user: Option<UserKey>,
    work: u32,
    /// Whether what it offers counts on a payment.
    is_to_be_paid: bool,
    at_ms: u64,
    /// Without grace.
    until_ms: u64,
    /// Taken by an order, or released by a tick.
    is_over: bool,
}

/// When an order that is placed then can be begun: paid a minute later, if it is to be paid.
fn begins_ms(placed_ms: u64, is_to_be_paid: bool) -> u64 {
    placed_ms.saturating_add(if is_to_be_paid { PAID_WITHIN_MS } else { 0 })
}

impl Recount {
    pub(in crate::audit) fn quote(&mut self, ask: &QuoteOrder, quoted: &Quoted) {
        let Quoted { quote: number, until_ms, total_minor, discount_minor, offers, released } =
            quoted;
        if let Some(what) = self.quotes.misnumbered(number.0) {
            self.notes.note(what);
        }
        self.check_quote(ask);
        let expected_ms = self.now_ms.saturating_add(ask.hold_ms);
        self.notes.check(*until_ms == expected_ms, || {
            format!("offers are held until {until_ms}, asked for was {expected_ms}")
        });
        let (prices, expected) =
            ((*total_minor, *discount_minor), (ask.total_minor, ask.discount_minor));
        self.notes.check(prices == expected, || {
            format!("a quote of {prices:?} minor units where {expected:?} was asked")
        });
        let count = offers.len();
        self.notes.check((1..=OFFERS_MAX).contains(&count), || format!("{count} offers"));
        self.check_offers(ask, offers);
        self.make_room(ask.user, *number, *released);
        let mut kept = [None; OFFERS_MAX];
        kept.iter_mut().zip(offers).for_each(|(place, offer)| *place = Some(*offer));
        let quote = Quote {
            offers: kept,
            user: ask.user,
            work: ask.work,
            is_to_be_paid: ask.total_minor > ask.discount_minor,
            at_ms: self.now_ms,
            until_ms: *until_ms,
            is_over: false,
        };
        self.tally.offers += count as u64;
        self.held_quotes.push(number.0, self.quote_end_ms(&quote));
        self.quotes.put(number.0, Some(quote));
    }

    /// The user's oldest quote is released where that is one too many, and none otherwise; one that is
    /// over by the clock before all others.
    fn make_room(&mut self, user: Option<UserKey>, number: QuoteNo, released: Option<QuoteNo>) {
        let Some(user) = user else {
            self.notes.check(released.is_none(), || "a quote of nobody released another".into());
            return;
        };
        let held = self.quotes_of.get(&user);
        let full = held.filter(|held| held.len() >= QUOTES_HELD_MAX);
        let expected = full.map(|held| {
            let ends_ms = |number: &QuoteNo| self.quote_ends_ms(number.0);
            let over =
                held.iter().find(|number| ends_ms(number).is_some_and(|ms| ms <= self.now_ms));
            *over.unwrap_or(&held[0])
        });
        self.notes.check(released == expected, || {
            format!("a quote released {released:?} where {expected:?} follows")
        });
        if let Some(released) = released {
            self.end_quote(released);
        }
        self.quotes_of.entry(user).or_default().push(number);
    }

    /// A quote holds nothing any more.
    fn end_quote(&mut self, number: QuoteNo) {
        let Some(quote) = self.quotes.get_mut(number.0) else { return };
        quote.is_over = true;
        let Some(user) = quote.user else { return };
        if let Entry::Occupied(mut held) = self.quotes_of.entry(user) {
            held.get_mut().retain(|other| *other != number);
            if held.get().is_empty() {
                held.remove();
            }
        }
    }

    fn check_quote(&mut self, ask: &QuoteOrder) {
        let (count, now_ms) = (ask.candidates.len(), self.now_ms);
        let near = ask.candidates.iter().all(|candidate| candidate.travel_ms <= TRAVEL_MS_MAX);
        let ahead = now_ms..=now_ms.saturating_add(PROMISED_AHEAD_MS_MAX);
        for (holds, what) in [
            ((1..=BILL_MINOR_MAX).contains(&ask.total_minor), "a total"),
            (ask.discount_minor <= ask.total_minor, "a discount"),
            ((1..=WORK_MAX).contains(&ask.work), "work"),
            ((1..=QUOTE_OUTLETS_MAX).contains(&count) && near, "candidates"),
            (ask.ready_by_ms.is_none_or(|by_ms| ahead.contains(&by_ms)), "a wanted time"),
            ((1..=HOLD_MS_MAX).contains(&ask.hold_ms), "a time to hold"),
        ] {
            self.notes.check(holds, || format!("a quote with {what} out of bounds"));
        }
        if let Some(wanted) = ask.candidates.first() {
            self.check_version(wanted.outlet, ask.outlet_version);
        }
        let mut outlets = ask.candidates.iter().map(|candidate| candidate.outlet);
        while let Some(outlet) = outlets.next() {
            let is_known = self.outlets.get(outlet).is_some();
            self.notes.check(is_known, || format!("there is no outlet {outlet}"));
            let is_once = outlets.clone().all(|other| other != outlet);
            self.notes.check(is_once, || format!("outlet {outlet} is asked twice"));
        }
    }

    /// The wanted outlet alone, where it is in time. Else its first free slot in these opening hours
    /// or the next, and other outlets that are in time; the soonest at hand first. What a kitchen
    /// could have had ready is not recomputed; see `place.rs`.
    fn check_offers(&mut self, ask: &QuoteOrder, offers: &[Offer]) {
        let Some(wanted) = ask.candidates.first() else { return };
        let now_ms = self.now_ms;
        // Who takes it last, and pays a minute later, still gets it.
        let until_ms = now_ms.saturating_add(ask.hold_ms);
        let begins_ms = begins_ms(until_ms, ask.total_minor > ask.discount_minor);
        for offer in offers {
            let ready_ms = offer.ready_at_ms;
            self.notes.check(ready_ms > begins_ms, || {
                format!("an offer for {ready_ms} of what may be begun at {begins_ms} only")
            });
            let way = ask.candidates.iter().find(|candidate| candidate.outlet == offer.outlet);
            self.notes.check(way.is_none_or(|way| way.travel_ms == offer.travel_ms), || {
                format!("an offer of outlet {} with another way", offer.outlet)
            });
            if let Some(why) = self.outlets.turns_away(offer.outlet, now_ms) {
                self.notes.note(format!("an offer of outlet {}, which {why}", offer.outlet));
            }
        }
        let own = offers.iter().find(|offer| offer.outlet == wanted.outlet);
        if let Some(own) = own {
            let is_alone = offers.len() == 1;
            if self.is_in_time(ask, own) {
                self.notes.check(is_alone, || "offers besides one that is as wanted".into());
            } else {
                self.check_slot(own);
            }
        }
        let mut before = None;
        for (place, offer) in offers.iter().enumerate() {
            let mut candidates = ask.candidates.iter();
            let candidate = candidates.find(|candidate| candidate.outlet == offer.outlet);
            let Some(Candidate { travel_ms, .. }) = candidate else {
                self.notes.note(format!("an offer of outlet {}, which nobody asked", offer.outlet));
                continue;
            };
            let is_once = offers[..place].iter().all(|other| other.outlet != offer.outlet);
            let is_in_time = own == Some(offer) || self.is_in_time(ask, offer);
            self.notes.check(is_once && is_in_time, || {
                format!("an offer of outlet {} for {}", offer.outlet, offer.ready_at_ms)
            });
            let there = (offer.ready_at_ms.saturating_add((*travel_ms).into()), offer.outlet);
            self.notes.check(before.is_none_or(|before| before < there), || {
                format!("the offer of outlet {} is not the next best", offer.outlet)
            });
            before = Some(there);
        }
    }

    /// Whether an offer is as wanted: by the wanted time, or else within the outlet's own, and
    /// without a break in its opening hours before.
    fn is_in_time(&self, ask: &QuoteOrder, offer: &Offer) -> bool {
        let Some(outlet) = self.outlets.get(offer.outlet) else { return false };
        let own_ms = self.now_ms.saturating_add(outlet.ready_within_ms);
        let by_ms = ask.ready_by_ms.unwrap_or(own_ms);
        let (from_ms, until_ms) = outlet.hours.stretch_from(self.now_ms);
        let latest_ms = until_ms.map_or(by_ms, |until_ms| by_ms.min(until_ms));
        (from_ms..=latest_ms).contains(&offer.ready_at_ms)
    }

    fn check_slot(&mut self, offer: &Offer) {
        let (number, ready_ms, now_ms) = (offer.outlet, offer.ready_at_ms, self.now_ms);
        let most_ms = now_ms.saturating_add(PROMISED_AHEAD_MS_MAX);
        self.notes.check(ready_ms <= most_ms, || format!("an offer for {ready_ms}"));
        let Some(outlet) = self.outlets.get(number) else { return };
        let (from_ms, until_ms) = outlet.hours.stretch_from(now_ms);
        let is_open = ready_ms >= from_ms
            && until_ms.is_none_or(|closes_ms| {
                let (from_ms, until_ms) = outlet.hours.stretch_from(closes_ms);
                let is_next = until_ms.is_none_or(|until_ms| ready_ms <= until_ms);
                ready_ms <= closes_ms || (ready_ms >= from_ms && is_next)
            });
        self.notes.check(is_open, || {
            format!("an offer for {ready_ms}, when outlet {number} is closed or has been")
        });
    }

    /// An order takes an offer: one that is still held, of its outlet and for its work, and that counts
    /// on a payment where there is one. It is promised what was offered. With that the quote is over.
    pub(super) fn take_offer(
        &mut self,
        ask: &PlaceOrder,
        taken: OfferNo,
        promised_ms: u64,
        is_to_be_paid: bool,
    ) {
        let OfferNo { quote: number, place } = taken;
        let Some(quote) = self.quotes.get(number.0).copied() else {
            self.notes.note(format!("there is no quote {number}"));
            return;
        };
        let is_held = !quote.is_over && self.quote_end_ms(&quote) > self.now_ms;
        self.notes.check(is_held, || format!("quote {number} holds nothing any more"));
        let Some(offer) = quote.offers.get(usize::from(place)).copied().flatten() else {
            self.notes.note(format!("quote {number} has no offer {place}"));
            return;
        };
        let is_users = quote.user.is_none_or(|user| user == ask.user);
        self.notes.check(is_users, || format!("quote {number} is of another user"));
        let is_theirs = (offer.outlet, quote.work) == (ask.outlet, ask.work);
        self.notes.check(is_theirs, || {
            format!("offer {place} of quote {number} is for {:?} and {}", offer.outlet, quote.work)
        });
        self.notes.check(quote.is_to_be_paid || !is_to_be_paid, || {
            format!("quote {number} counts on no payment, and its order has one")
        });
        let offered_ms = offer.ready_at_ms;
        // After an outage of ours it may be held for longer than it counts on: what is too early by then
        // is promised for later.
        let begins_ms = begins_ms(self.now_ms, is_to_be_paid);
        let is_graced = self.quote_end_ms(&quote) > quote.until_ms;
        let is_later = is_graced && promised_ms > offered_ms;
        if is_later {
            self.check_promise(ask.outlet, promised_ms, u64::MAX);
        }
        let is_right = promised_ms == offered_ms || is_later;
        self.notes.check(is_right && promised_ms > begins_ms, || {
            format!("{promised_ms} is promised where {offered_ms} was offered")
        });
        self.tally.offers_taken += 1;
        self.end_quote(number);
    }

    /// A tick says that a quote's offers are held no longer.
    pub(super) fn release_quote(&mut self, number: QuoteNo) {
        let Some(quote) = self.quotes.get(number.0).copied() else {
            self.notes.note(format!("there is no quote {number}"));
            return;
        };
        self.notes.check(!quote.is_over, || format!("quote {number} held nothing any more"));
        self.check_due("quote", number.0, self.quote_end_ms(&quote));
        self.end_quote(number);
    }

    /// When the offers of a quote are no longer held by the clock; `None` once they are not.
    pub(super) fn quote_ends_ms(&self, number: u32) -> Option<u64> {
        let quote = self.quotes.get(number).filter(|quote| !quote.is_over)?;
        Some(self.quote_end_ms(quote))
    }

    fn quote_end_ms(&self, quote: &Quote) -> u64 {
        self.graced_ms(quote.at_ms, quote.until_ms)
    }
}
