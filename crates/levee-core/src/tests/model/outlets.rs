//! The model's opinion on outlets and quotes. Kitchens estimate and learn as they do in the rules;
//! who has their capacity is a list of its own.

use super::*;
use crate::RuleBook;
use crate::pacing::{Ask, Kitchen, Pace, Ticket, Work};

const MINUTE_MS: u64 = 60_000;

pub(crate) struct Outlet {
    pub put: PutOutlet,
    pub version: u32,
    pub put_seq: u64,
    /// All that it had, by the sequence number of the command.
    pub documents: Vec<(u64, Vec<u8>)>,
    /// Until when, where that ends by itself, and why.
    pub pause: Option<(Option<u64>, String)>,
    pub kitchen: Kitchen,
}

/// Who has capacity of a kitchen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    Order(u32),
    Offer(u32, u8),
}

/// Capacity of a kitchen: promised, and since when it is being made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Promised {
    pub holder: Holder,
    pub outlet: usize,
    pub ticket: Ticket,
    pub begun_ms: Option<u64>,
}

pub(crate) struct Quote {
    user: Option<UserKey>,
    work: u32,
    to_pay: bool,
    made_ms: u64,
    until_ms: u64,
    offers: Vec<Offer>,
    pub over: bool,
    /// Nobody knows it any more.
    forgotten: bool,
}

/// By the clocks as they are then.
fn is_open(opening: &Opening, at_ms: u64) -> bool {
    let offset = opening.offsets.iter().rev().find(|offset| offset.from_ms <= at_ms);
    let minutes = at_ms / MINUTE_MS + 1_440 * 2;
    let local = minutes.saturating_add_signed(offset.map_or(0, |offset| offset.minutes.into()));
    let minute = local % 1_440;
    opening.hours.is_empty()
        || opening.hours.iter().any(|part| {
            let (from, until) = (u64::from(part.from_minute), u64::from(part.until_minute));
            if from < until {
                from <= minute && minute < until
            } else {
                minute >= from || minute < until
            }
        })
}

/// An instant and every tenth minute after it, for three days: hours and clocks of these outlets
/// change at no others.
fn minutes_from(at_ms: u64) -> impl Iterator<Item = u64> {
    let later = (1..3 * 144).map(move |step| (at_ms / (10 * MINUTE_MS) + step) * 10 * MINUTE_MS);
    [at_ms].into_iter().chain(later)
}

fn opens(opening: &Opening, at_ms: u64) -> u64 {
    minutes_from(at_ms).find(|at_ms| is_open(opening, *at_ms)).expect("once a day")
}

fn closes(opening: &Opening, at_ms: u64) -> Option<u64> {
    minutes_from(at_ms).find(|at_ms| !is_open(opening, *at_ms))
}

/// Some of the minute may be over when the kitchen opens.
fn later_by(ask: Ask, ms: u64) -> Ask {
    Ask { begins_after_ms: ask.begins_after_ms - ask.begins_after_ms.min(ms), ..ask }
}

/// Work of an order that is placed so much later, and whose payment takes its minute.
pub(super) fn asked(work: u32, placed_after_ms: u64, to_pay: bool) -> Ask {
    let begins_after_ms = placed_after_ms + if to_pay { MINUTE_MS } else { 0 };
    Ask { work: Work(work), begins_after_ms }
}

impl Model {
    /// With what kitchens have taught.
    pub(super) fn pace(&self) -> Pace {
        (RuleBook::RELEASED.first().pace)(self.experience)
    }

    /// What was promised counts on the minute after the placing, so an order that is paid later is
    /// promised from then on, if that is later.
    pub(super) fn promise_again(&mut self, now: u64, number: u32, order: &Order) -> Option<u64> {
        if now <= order.placed_ms + MINUTE_MS {
            return None;
        }
        let (holder, outlet, told) =
            (Holder::Order(number), order.outlet.index(), order.promised_ms);
        self.take_back(now, holder);
        let Outlet { put, kitchen, .. } = &self.outlets[outlet];
        let from = opens(&put.opening, now);
        let ready = from + kitchen.eta_ms(from, asked(order.place.work, 0, false), &self.pace());
        // An order's record reaches no further.
        let ready = ready.min(order.placed_ms + u64::from(u32::MAX)).max(told);
        self.promise(now, holder, outlet, order.place.work, ready);
        (ready > told).then_some(ready)
    }

    fn outlet(&self, id: &OutletId) -> Option<usize> {
        self.outlets.iter().position(|outlet| outlet.put.id == *id)
    }

    pub(crate) fn pause_at(&self, now: u64, outlet: usize) -> Option<&(Option<u64>, String)> {
        let pause = self.outlets[outlet].pause.as_ref();
        pause.filter(|(until, _)| until.is_none_or(|until| until > now))
    }

    pub(super) fn put_outlet(&mut self, put: &PutOutlet) -> Came {
        let accept = 1..=ACCEPT_WITHIN_MS_MAX;
        for (right, field) in [
            (put.document.len() <= DOCUMENT_LEN_MAX, "document"),
            (put.stations > 0 && put.stations <= STATIONS_MAX, "stations"),
            (put.unit_ms > 0 && put.unit_ms <= UNIT_MS_MAX, "minutes_per_unit"),
            (accept.contains(&put.accept_within_ms), "accept_within"),
            (put.ready_within_ms > 0 && put.ready_within_ms <= READY_WITHIN_MS_MAX, "ready_within"),
        ] {
            if !right {
                return Err(Refusal::InvalidField(field));
            }
        }
        let number = self.outlet(&put.id).unwrap_or(self.outlets.len());
        let put_seq = self.seq + 1;
        match self.outlets.get_mut(number) {
            Some(outlet) if outlet.put == *put => return Err(Refusal::Unchanged),
            Some(outlet) => {
                // A figure that stays as it was says nothing new.
                if outlet.put.stations != put.stations {
                    outlet.kitchen.set_stations(put.stations);
                }
                if outlet.put.unit_ms != put.unit_ms {
                    outlet.kitchen.set_unit_ms(put.unit_ms);
                }
                outlet.put = put.clone();
                outlet.version += 1;
                outlet.put_seq = put_seq;
                outlet.documents.push((put_seq, put.document.clone()));
            }
            None => self.outlets.push(Outlet {
                put: put.clone(),
                version: 1,
                put_seq,
                documents: vec![(put_seq, put.document.clone())],
                pause: None,
                kitchen: Kitchen::new(put.stations, put.unit_ms),
            }),
        }
        let version = self.outlets[number].version;
        Ok(Ok(Outcome::OutletPut { outlet: OutletNo(count(number)), version }))
    }

    pub(super) fn pause(&mut self, now: u64, ask: &PauseOutlet) -> Came {
        if ask.reason.is_empty() || ask.reason.len() > REASON_LEN_MAX {
            return Err(Refusal::InvalidField("reason"));
        }
        if ask.until_ms.is_some_and(|until| until <= now || until - now > DURATION_MS_MAX) {
            return Err(Refusal::InvalidField("until"));
        }
        let number = self.outlet(&ask.outlet).ok_or(Refusal::OutletNotFound)?;
        if self.pause_at(now, number).is_some_and(|(until, _)| *until == ask.until_ms) {
            return Err(Refusal::Unchanged);
        }
        self.outlets[number].pause = Some((ask.until_ms, ask.reason.clone()));
        Ok(Ok(Outcome::OutletPaused))
    }

    pub(super) fn resume_outlet(&mut self, now: u64, ask: &ResumeOutlet) -> Came {
        if ask.reason.is_empty() || ask.reason.len() > REASON_LEN_MAX {
            return Err(Refusal::InvalidField("reason"));
        }
        let number = self.outlet(&ask.outlet).ok_or(Refusal::OutletNotFound)?;
        if self.pause_at(now, number).is_none() {
            return Err(Refusal::Unchanged);
        }
        self.outlets[number].pause = None;
        Ok(Ok(Outcome::OutletResumed))
    }

    pub(super) fn change_breaker(&mut self, now: u64, ask: &ChangeBreaker) -> Came {
        let ChangeBreaker { of, state, by_hand, .. } = ask.clone();
        if ask.reason.is_empty() || ask.reason.len() > REASON_LEN_MAX {
            return Err(Refusal::InvalidField("reason"));
        }
        if by_hand && ask.request.is_none() {
            return Err(Refusal::IdempotencyKeyMissing);
        }
        if !by_hand && state == BreakerState::Draining {
            return Err(Refusal::InvalidField("state"));
        }
        match &of {
            BreakerOf::Outlet(outlet) if outlet.index() >= self.outlets.len() => {
                return Err(Refusal::OutletNotFound);
            }
            BreakerOf::Vendor(vendor) if vendor.is_empty() || vendor.len() > VENDOR_LEN_MAX => {
                return Err(Refusal::InvalidField("vendor"));
            }
            _ => {}
        }
        let place = self.breakers.iter().position(|(other, _)| *other == of);
        let now_is = place.map(|place| &self.breakers[place].1);
        let before = now_is.map_or(BreakerState::Closed, |breaker| breaker.state);
        match now_is {
            Some(breaker) if breaker.by_hand && !by_hand => return Err(Refusal::BreakerByHand),
            Some(breaker) if breaker.state == state && breaker.by_hand == by_hand => {
                return Err(Refusal::Unchanged);
            }
            None if state == BreakerState::Closed => return Err(Refusal::Unchanged),
            _ => {}
        }
        place.map(|place| self.breakers.remove(place));
        if state != BreakerState::Closed {
            let reason = ask.reason.clone();
            self.breakers.push((of, Breaker { state, by_hand, since_ms: now, reason }));
        }
        Ok(Ok(Outcome::BreakerChanged { before }))
    }

    pub(crate) fn breaker(&self, of: &BreakerOf) -> Option<&Breaker> {
        self.breakers.iter().find(|(other, _)| other == of).map(|(_, breaker)| breaker)
    }

    pub(crate) fn breaker_of_vendor(&self, vendor: NameHash) -> Option<&Breaker> {
        let is_it =
            |of: &BreakerOf| matches!(of, BreakerOf::Vendor(name) if NameHash::of(name) == vendor);
        self.breakers.iter().find(|(of, _)| is_it(of)).map(|(_, breaker)| breaker)
    }

    /// Whether an outlet's own breaker or its vendor's keeps orders away.
    pub(super) fn is_broken(&self, number: usize) -> bool {
        let vendor = self.outlets[number].put.vendor;
        let own = BreakerOf::Outlet(OutletNo(count(number)));
        self.breaker(&own).or(self.breaker_of_vendor(vendor)).is_some()
    }

    /// Until when an order's outlet may accept it that does not have the ticket yet.
    pub(super) fn accepts_until(&self, now: u64, outlet: OutletNo, promised_ms: u64) -> u64 {
        let Outlet { put, .. } = &self.outlets[outlet.index()];
        let (accept, ready) = (put.accept_within_ms, put.ready_within_ms);
        if promised_ms > now + accept + ready { promised_ms - ready } else { now + accept }
    }

    pub(super) fn staff(&mut self, ask: SetStaffing) -> Came {
        if ask.stations == 0 || ask.stations > STATIONS_MAX {
            return Err(Refusal::InvalidField("stations"));
        }
        let outlet = self.outlets.get_mut(ask.outlet.index()).ok_or(Refusal::OutletNotFound)?;
        outlet.kitchen.set_stations(ask.stations);
        Ok(Ok(Outcome::StaffingSet))
    }

    pub(super) fn walk_ins(&mut self, now: u64, ask: RecordWalkIns) -> Came {
        if ask.work == 0 || ask.work > WORK_MAX {
            return Err(Refusal::InvalidField("work"));
        }
        let pace = self.pace();
        let outlet = self.outlets.get_mut(ask.outlet.index()).ok_or(Refusal::OutletNotFound)?;
        outlet.kitchen.walk_in(now, Work(ask.work), &pace);
        Ok(Ok(Outcome::WalkInsRecorded))
    }

    // Quotes.

    /// When an outlet has so much work ready, if by a time or by its own; none while it is paused.
    pub(super) fn ready(&self, now: u64, number: usize, ask: Ask, by: Option<u64>) -> Option<u64> {
        if self.pause_at(now, number).is_some() || self.is_broken(number) {
            return None;
        }
        let by = by.unwrap_or(now + self.outlets[number].put.ready_within_ms);
        self.ready_of(&self.outlets[number].kitchen, now, number, ask, by)
    }

    fn ready_of(
        &self,
        kitchen: &Kitchen,
        now: u64,
        number: usize,
        ask: Ask,
        by: u64,
    ) -> Option<u64> {
        let put = &self.outlets[number].put;
        let from = opens(&put.opening, now);
        let ask = later_by(ask, from - now);
        let ready = from + kitchen.eta_within(from, ask, by.checked_sub(from)?, &self.pace())?;
        let closes = closes(&put.opening, from).unwrap_or(u64::MAX);
        (ready <= by.min(closes)).then_some(ready)
    }

    /// When so much work that is ordered now, and is to be paid, is ready.
    pub(crate) fn eta(&self, now: u64, number: usize, work: u32) -> Option<u64> {
        let within = self.pace().horizon_ms.max(self.outlets[number].put.ready_within_ms);
        self.ready(now, number, asked(work, 0, true), Some(now + within)).map(|at| at - now)
    }

    pub(super) fn is_open_at(&self, number: usize, at_ms: u64) -> bool {
        is_open(&self.outlets[number].put.opening, at_ms)
    }

    fn slot(&self, now: u64, number: usize, ask: Ask) -> Option<u64> {
        if self.pause_at(now, number).is_some() || self.is_broken(number) {
            return None;
        }
        let Outlet { put, kitchen, .. } = &self.outlets[number];
        let mut from = opens(&put.opening, now);
        for _ in ["these hours", "the next"] {
            let slot = kitchen.slot_at(from, later_by(ask, from - now), from, &self.pace());
            let Some(closes) = closes(&put.opening, from) else { return slot };
            if slot.is_some_and(|slot| slot <= closes) {
                return slot;
            }
            from = opens(&put.opening, closes);
        }
        None
    }

    pub(super) fn promise(
        &mut self,
        now: u64,
        holder: Holder,
        outlet: usize,
        work: u32,
        ready_at_ms: u64,
    ) {
        let pace = self.pace();
        let kitchen = &mut self.outlets[outlet].kitchen;
        let ticket = kitchen.promise(now, Work(work), ready_at_ms, &pace);
        self.promised.push(Promised { holder, outlet, ticket, begun_ms: None });
    }

    pub(super) fn promised_to(&self, holder: Holder) -> Option<usize> {
        self.promised.iter().position(|promised| promised.holder == holder)
    }

    pub(super) fn take_back(&mut self, now: u64, holder: Holder) {
        let place = self.promised_to(holder).expect("it has capacity");
        let Promised { outlet, ticket, begun_ms, .. } = self.promised.remove(place);
        assert_eq!(begun_ms, None, "nobody has begun");
        let pace = self.pace();
        self.outlets[outlet].kitchen.take_back(now, ticket, &pace);
    }

    pub(super) fn quote(&mut self, now: u64, ask: &QuoteOrder) -> Came {
        let outlets: Vec<usize> = ask.candidates.iter().map(|c| c.outlet.index()).collect();
        let mut once = outlets.clone();
        once.sort_unstable();
        once.dedup();
        let near = ask.candidates.iter().all(|candidate| candidate.travel_ms <= TRAVEL_MS_MAX);
        let few = (1..=QUOTE_OUTLETS_MAX).contains(&outlets.len());
        let by = |by: u64| by >= now && by <= now + PROMISED_AHEAD_MS_MAX;
        for (right, field) in [
            (ask.total_minor > 0 && ask.total_minor <= BILL_MINOR_MAX, "total_minor"),
            (ask.discount_minor <= ask.total_minor, "total_minor"),
            (ask.work > 0 && ask.work <= WORK_MAX, "work"),
            (few && near && once.len() == outlets.len(), "candidates"),
            (ask.ready_by_ms.is_none_or(by), "pickup_by"),
            (ask.hold_ms > 0 && ask.hold_ms <= HOLD_MS_MAX, "hold"),
        ] {
            if !right {
                return Err(Refusal::InvalidField(field));
            }
        }
        if outlets.iter().any(|outlet| *outlet >= self.outlets.len()) {
            return Err(Refusal::OutletNotFound);
        }
        if self.outlets[outlets[0]].version != ask.outlet_version {
            return Err(Refusal::OutletChanged);
        }
        let until_ms = now + ask.hold_ms;
        let to_pay = ask.total_minor > ask.discount_minor;
        // Whoever takes an offer may do so when its time ends.
        let asked = asked(ask.work, ask.hold_ms, to_pay);
        let in_time = |candidate: &Candidate| {
            let Candidate { outlet, travel_ms } = *candidate;
            let by = ask.ready_by_ms;
            let ready_at_ms = self.ready(now, outlet.index(), asked, by)?;
            Some(Offer { outlet, ready_at_ms, travel_ms })
        };
        let mut offers = Vec::new();
        if let Some(offer) = in_time(&ask.candidates[0]) {
            offers.push(offer);
        } else {
            let slot = self.slot(now, outlets[0], asked);
            let others = ask.candidates[1..].iter();
            let mut all: Vec<(u64, Offer)> = others
                .filter_map(|candidate| {
                    let offer = in_time(candidate)?;
                    Some((offer.ready_at_ms + u64::from(candidate.travel_ms), offer))
                })
                .collect();
            let by_there = |(there, offer): &(u64, Offer)| (*there, offer.outlet);
            all.sort_by_key(by_there);
            all.truncate(2);
            if let Some(ready_at_ms) = slot {
                let Candidate { outlet, travel_ms } = ask.candidates[0];
                let offer = Offer { outlet, ready_at_ms, travel_ms };
                all.push((ready_at_ms + u64::from(travel_ms), offer));
            }
            all.sort_by_key(by_there);
            offers.extend(all.iter().map(|(_, offer)| *offer));
        }
        if offers.is_empty() {
            return Err(Refusal::NoOffers);
        }
        let number = count(self.quotes.len());
        for (place, offer) in (0..).zip(&offers) {
            let holder = Holder::Offer(number, place);
            self.promise(now, holder, offer.outlet.index(), ask.work, offer.ready_at_ms);
        }
        let theirs = |(_, quote): &(&u32, &Quote)| ask.user.is_some() && quote.user == ask.user;
        let theirs = self.quotes.iter().filter(theirs).filter(|(_, quote)| !quote.over);
        let mut theirs: Vec<u32> = theirs.map(|(number, _)| *number).collect();
        theirs.sort_unstable();
        let over = theirs.iter().find(|number| self.quote_end(&self.quotes[number]) <= now);
        let first = over.or(theirs.first()).copied();
        let released = first.filter(|_| theirs.len() == QUOTES_HELD_MAX);
        if let Some(released) = released {
            self.end_quote(now, released, None);
        }
        let (over, forgotten) = (false, false);
        let made = Quote {
            user: ask.user,
            work: ask.work,
            to_pay,
            made_ms: now,
            until_ms,
            offers: offers.clone(),
            over,
            forgotten,
        };
        self.quotes.insert(number, made);
        let QuoteOrder { total_minor, discount_minor, .. } = *ask;
        let quote = QuoteNo(number);
        let released = released.map(QuoteNo);
        let quoted = Quoted { quote, until_ms, total_minor, discount_minor, offers, released };
        Ok(Ok(Outcome::Quoted(Box::new(quoted))))
    }

    /// A repeat of a quote that nobody knows any more is refused.
    pub(super) fn said_again(&self, said: &Said) -> Result<Said, Refusal> {
        match &said.outcome {
            Outcome::Quoted(quoted) if self.quotes[&quoted.quote.0].forgotten => {
                Err(Refusal::OfferExpired)
            }
            _ => Ok(said.clone()),
        }
    }

    pub(super) fn quote_end(&self, quote: &Quote) -> u64 {
        self.graced(quote.made_ms, quote.until_ms)
    }

    /// When the offer that an order takes was to have it ready, and when it has.
    pub(super) fn offer(
        &self,
        now: u64,
        place: &PlaceOrder,
        asked: Ask,
    ) -> Result<Option<(u64, u64)>, Refusal> {
        let Some(taken) = place.offer else { return Ok(None) };
        let quote = self.quotes.get(&taken.quote.0).filter(|quote| !quote.over);
        let quote = quote.filter(|quote| self.quote_end(quote) > now);
        let offer =
            quote.and_then(|quote| Some((quote, quote.offers.get(usize::from(taken.place))?)));
        let (quote, offer) = offer.ok_or(Refusal::OfferExpired)?;
        let anothers = quote.user.is_some_and(|user| user != place.user);
        let sooner = asked.begins_after_ms > 0 && !quote.to_pay;
        if anothers || sooner || offer.outlet != place.outlet || quote.work != place.work {
            return Err(Refusal::OfferOfAnotherOrder);
        }
        let told = offer.ready_at_ms;
        if self.quote_end(quote) == quote.until_ms {
            return Ok(Some((told, told)));
        }
        // It counts on being taken by the end that the quote had before an outage.
        let at = offer.outlet.index();
        let holder = Holder::Offer(taken.quote.0, taken.place);
        let held = self.promised[self.promised_to(holder).expect("it is held")];
        let mut kitchen = self.outlets[at].kitchen.clone();
        kitchen.take_back(now, held.ticket, &self.pace());
        let ready = self.ready_of(&kitchen, now, at, asked, now + PROMISED_AHEAD_MS_MAX);
        let ready = ready.filter(|_| told >= now || self.is_open_at(at, now));
        Ok(Some((told, told.max(ready.ok_or(Refusal::OfferExpired)?))))
    }

    /// What an offer is for: where, how much work, and for whom.
    pub(crate) fn quoted(&self, offer: OfferNo) -> Option<(OutletNo, u32, Option<UserKey>)> {
        let quote = self.quotes.get(&offer.quote.0)?;
        Some((quote.offers.get(usize::from(offer.place))?.outlet, quote.work, quote.user))
    }

    /// All offers are let go, but for one that an order has.
    pub(super) fn end_quote(&mut self, now: u64, number: u32, taken: Option<u8>) {
        let quote = self.quotes.get_mut(&number).expect("known");
        quote.over = true;
        for place in (0..).take(quote.offers.len()) {
            if Some(place) != taken {
                self.take_back(now, Holder::Offer(number, place));
            }
        }
    }

    /// Held quotes whose time is over.
    pub(super) fn quotes_due(&self, now: u64) -> Vec<u32> {
        let held = self.quotes.iter().filter(|(_, quote)| !quote.over);
        let mut due: Vec<(u64, u32)> =
            held.map(|(number, quote)| (self.quote_end(quote), *number)).collect();
        due.retain(|(end, _)| *end <= now);
        due.sort_unstable();
        due.into_iter().map(|(_, number)| number).collect()
    }

    pub(super) fn forget_quotes(&mut self, limit: usize) {
        let known = self.quotes.values_mut().filter(|quote| !quote.forgotten);
        let oldest = known.take(limit).take_while(|quote| quote.over);
        oldest.for_each(|quote| quote.forgotten = true);
    }
}
