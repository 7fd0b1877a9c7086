//! The record of a quote: what is held for it, and for how long.

use alloc::vec::Vec;

use bytemuck::{Pod, Zeroable};

use crate::pacing::{Ticket, Work};
use crate::types::{OFFERS_MAX, Offer, OutletNo, QuoteOrder, UserKey};

/// One quote.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Quote {
    /// Its offers are held until then. Moved by outages: grace included.
    pub until_ms: u64,
    ready_at_ms: [u64; OFFERS_MAX],
    /// What a repeat is told again.
    pub total_minor: u64,
    pub discount_minor: u64,
    outlets: [OutletNo; OFFERS_MAX],
    deltas_ms: [i32; OFFERS_MAX],
    travels_ms: [u32; OFFERS_MAX],
    pub work: u32,
    len: u8,
    /// Nothing is held any more: it is over, or an order took an offer.
    is_over: u8,
    /// Whether the app said whose it is.
    has_user: u8,
    /// Held for longer than was said, after an outage of ours.
    is_graced: u8,
    user: UserKey,
}

impl Quote {
    /// One that holds these offers, at most [`OFFERS_MAX`], by a ticket each.
    pub(crate) fn held(
        ask: &QuoteOrder,
        until_ms: u64,
        offers: &[Offer],
        tickets: &[Ticket],
    ) -> Self {
        let QuoteOrder { work, total_minor, discount_minor, user, .. } = *ask;
        let mut quote = Self { work, until_ms, total_minor, discount_minor, ..Self::zeroed() };
        quote.has_user = user.is_some().into();
        quote.user = user.unwrap_or(UserKey::zeroed());
        quote.len = u8::try_from(offers.len()).expect("at most OFFERS_MAX");
        for (place, (offer, ticket)) in offers.iter().zip(tickets).enumerate() {
            quote.outlets[place] = offer.outlet;
            quote.travels_ms[place] = offer.travel_ms;
            quote.ready_at_ms[place] = ticket.ready_at_ms;
            quote.deltas_ms[place] = ticket.delta_ms;
        }
        quote
    }

    /// Whose it is, where the app said so.
    pub(crate) fn user(&self) -> Option<UserKey> {
        (self.has_user != 0).then_some(self.user)
    }

    /// What is or was held at outlets' kitchens.
    pub(crate) fn tickets(&self) -> impl Iterator<Item = (OutletNo, Ticket)> {
        (0..usize::from(self.len)).map(|place| {
            let (work, ready_at_ms) = (Work(self.work), self.ready_at_ms[place]);
            (self.outlets[place], Ticket { work, ready_at_ms, delta_ms: self.deltas_ms[place] })
        })
    }

    pub(crate) fn offers(&self) -> Vec<Offer> {
        let offers = self.tickets().zip(self.travels_ms).map(|((outlet, ticket), travel_ms)| {
            Offer { outlet, ready_at_ms: ticket.ready_at_ms, travel_ms }
        });
        offers.collect()
    }

    /// Whether kitchens still hold its offers, whatever the clock says.
    pub(crate) fn is_held(&self) -> bool {
        self.is_over == 0
    }

    /// Whether what it offers counts on a payment.
    pub(crate) fn is_to_be_paid(&self) -> bool {
        self.total_minor > self.discount_minor
    }

    /// Whether it is held for longer than its offers count on.
    pub(crate) fn is_graced(&self) -> bool {
        self.is_graced != 0
    }

    /// It is held for longer, after an outage of ours.
    pub(crate) fn grace_until(&mut self, until_ms: u64) {
        (self.until_ms, self.is_graced) = (until_ms, 1);
    }

    pub(crate) fn set_over(&mut self) {
        self.is_over = 1;
    }

    /// All of it: its bytes are the same for equal quotes, and on every build.
    pub(crate) fn put_digest(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(bytemuck::bytes_of(self));
    }
}
