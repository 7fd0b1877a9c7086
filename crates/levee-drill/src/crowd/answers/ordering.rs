//! What answers about orders mean, and what their users do next: who finds the outlet busy asks for
//! a quote and takes what it offers, or keeps the voucher and tries once more.

use serde::Deserialize;

use super::{After, Answers, not_before};
use crate::crowd::Op;
use crate::crowd::connection::{Reply, number_field, text_field};
use crate::crowd::generator::Work;
use crate::crowd::requests::{Requests, Wish};
use crate::ledger::{Code, Noted, OrderAck};
use crate::numbers::{narrow, real, whole};
use crate::plan::OrderScript;

/// From an answer to what its user does about it, in milliseconds of the day: a look at the screen
/// and a tap.
const THINKS_MS: f64 = 6_000.0;

/// Quotes that a user asks for before giving up, where offers run out meanwhile.
const QUOTES_MAX: u8 = 2;

/// A user who orders, as the app keeps it.
#[derive(Debug, Default)]
pub(super) struct Ordering {
    /// Counts what was asked for anew: an answer to an older step changes nothing.
    step: u8,
    /// Copies of it that are under way. One may be taken after another was refused, so nothing follows
    /// from a refusal before the last of them.
    under_way_count: u8,
    /// Comes for the second time, after keeping the voucher.
    again: bool,
    /// Quotes that were asked for since.
    quotes_count: u8,
    /// Wanted by then, in milliseconds since 1970: fixed at the first request.
    pickup_by_ms: Option<u64>,
    /// The offer that is taken, and its outlet.
    offer: Option<(Box<str>, Box<str>)>,
    /// Has looked before, and found nothing ready.
    looked: bool,
}

impl Ordering {
    /// What follows is another request.
    fn ask_anew(&mut self) {
        self.step += 1;
        self.under_way_count = 0;
    }
}

#[derive(Deserialize)]
struct Quote {
    offers: Vec<Offer>,
}

#[derive(Deserialize)]
struct Offer {
    offer: Box<str>,
    outlet_id: Box<str>,
    ready_at: levee_api::time::Instant,
}

impl Answers {
    /// How often this user has asked for something new.
    pub(crate) fn step(&self, user: u32) -> u8 {
        self.orderings.get(&user).map_or(0, |ordering| ordering.step)
    }

    /// A user got a voucher and will order.
    pub(super) fn will_order(&mut self, user: u32, script: &OrderScript, now_us: u64) -> After {
        self.orderings.insert(user, Ordering::default());
        let meant_us = self.plan.arrival_us(user).saturating_add(script.after_us);
        let at_us = not_before(meant_us, now_us);
        let mut after = After::default();
        after.next.push((if script.quotes_first { Op::Quote } else { Op::Order }, at_us));
        if script.repeated && !script.quotes_first {
            after.next.push((Op::Order, at_us));
        }
        after
    }

    /// The bytes of a request about an order; `None` where it has lost its meaning.
    pub(super) fn build_order<'a>(
        &mut self,
        work: &Work,
        script: &OrderScript,
        requests: &'a mut Requests,
    ) -> Option<&'a [u8]> {
        let user = work.user;
        let voucher = self.ledger.claims.get(&user)?.code;
        let ordering = self.orderings.get_mut(&user)?;
        let order = self.ledger.orders.placed.get(&user).map(|ack| ack.id);
        if matches!(work.op, Op::Look | Op::Cancel) {
            order?;
        } else if work.step != ordering.step {
            return None;
        } else {
            ordering.under_way_count = ordering.under_way_count.saturating_add(1);
            self.ledger.orders.wanted.entry(user).or_insert(work.intended_us);
            let wish_ms = script.pickup_after_ms;
            let placed_ms = self.plan.instant_at(work.intended_us).ms;
            let by_ms = wish_ms.map(|after_ms| placed_ms.saturating_add(after_ms));
            ordering.pickup_by_ms = ordering.pickup_by_ms.or(by_ms);
        }
        let wish = Wish {
            voucher,
            step: ordering.step,
            pickup_by_ms: ordering.pickup_by_ms,
            offer: ordering.offer.as_ref().map(|(offer, outlet)| (&**offer, &**outlet)),
            order,
        };
        Some(requests.order(work.op, &self.plan, user, script, &wish))
    }

    /// A request of an order or a quote has come back, or never will.
    pub(super) fn order_landed(&mut self, work: &Work) {
        if let Some(ordering) = self.orderings.get_mut(&work.user)
            && matches!(work.op, Op::Order | Op::Quote)
            && work.step == ordering.step
        {
            ordering.under_way_count = ordering.under_way_count.saturating_sub(1);
        }
    }

    /// A good answer about an order; `None` where it is not what the interface says.
    pub(super) fn order_succeeded(
        &mut self,
        work: &Work,
        reply: &Reply<'_>,
        now_us: u64,
    ) -> Option<(Noted, After)> {
        match work.op {
            Op::Order => self.placed(work, reply, now_us),
            Op::Quote => self.quoted(work, reply, now_us),
            Op::Look => self.looked(work, reply, now_us),
            _ => {
                let seq = number_field(reply.body, "seq")?;
                Some((self.ledger.orders.cancel(work.user, seq), After::default()))
            }
        }
    }

    fn placed(&mut self, work: &Work, reply: &Reply<'_>, now_us: u64) -> Option<(Noted, After)> {
        let text = |name| std::str::from_utf8(text_field(reply.body, name)?).ok();
        let ready_at = levee_api::time::Instant::try_from(text("ready_at")?.to_owned()).ok()?;
        let ack = OrderAck {
            seq: number_field(reply.body, "seq")?,
            id: Code::new(text("id")?.strip_prefix("ord_")?.as_bytes())?,
            total_minor: number_field(reply.body, "total_minor")?,
            discount_minor: number_field(reply.body, "discount_minor")?,
            payable_minor: number_field(reply.body, "payable_minor")?,
            ready_at_ms: ready_at.ms,
        };
        let noted = self.ledger.orders.place(work.user, ack);
        let mut after = After::default();
        if noted == Noted::First {
            let bucket = self.bucket(now_us);
            self.tally.buckets[bucket].orders_acked += 1;
            let ordering = self.orderings.entry(work.user).or_default();
            self.tally.orders.offers_taken += u64::from(ordering.offer.is_some());
            let script = self.plan.script(work.user).order?;
            if let Some(after_us) = script.cancels_after_us {
                after.next.push((Op::Cancel, narrow(now_us).saturating_add(after_us)));
            }
            if script.looks {
                after.next.push((Op::Look, not_before(self.plan.us_at(ready_at.ms), now_us)));
            }
        }
        Some((noted, after))
    }

    fn quoted(&mut self, work: &Work, reply: &Reply<'_>, now_us: u64) -> Option<(Noted, After)> {
        let quote: Quote = serde_json::from_slice(reply.body).ok()?;
        let script = self.plan.script(work.user).order?;
        let ordering = self.orderings.get_mut(&work.user)?;
        if work.step != ordering.step {
            return Some((Noted::Same, After::default()));
        }
        self.tally.orders.offers += quote.offers.len() as u64;
        let scenario = self.plan.scenario();
        let after_ms = |minutes: f64| {
            let now_ms = self.plan.instant_at(narrow(now_us)).ms;
            now_ms.saturating_add(whole(minutes * 60_000.0))
        };
        let within_minutes = scenario.outlets.as_ref()?.ready_within_minutes;
        let by_ms = ordering.pickup_by_ms.unwrap_or_else(|| after_ms(within_minutes));
        let waits_minutes = scenario.orders.as_ref()?.patience.waits_minutes;
        let waits_ms = by_ms.max(after_ms(waits_minutes));
        let outlet = &self.plan.market()?.outlets()[script.outlet].id;
        // The soonest comes first, but it may be too late.
        let takes = |offer: &Offer| {
            let in_time = *outlet == *offer.outlet_id && offer.ready_at.ms <= by_ms;
            in_time || (script.takes_offer && offer.ready_at.ms <= waits_ms)
        };
        let Some(best) = quote.offers.into_iter().find(takes) else {
            return Some((Noted::First, self.keeps_voucher(work.user, &script, now_us)));
        };
        ordering.offer = Some((best.offer, best.outlet_id));
        ordering.ask_anew();
        let at_us = self.thinks(now_us);
        Some((Noted::First, After { next: vec![(Op::Order, at_us)], ..After::default() }))
    }

    fn looked(&mut self, work: &Work, reply: &Reply<'_>, now_us: u64) -> Option<(Noted, After)> {
        let state = text_field(reply.body, "state")?;
        let ordering = self.orderings.get_mut(&work.user)?;
        let waits = [&b"awaiting_payment"[..], b"paid", b"sent", b"accepted"].contains(&state);
        let mut after = After::default();
        if waits || state == b"making" {
            self.tally.orders.looked_in_vain += 1;
            if !ordering.looked {
                ordering.looked = true;
                let minutes = self.plan.scenario().orders.as_ref()?.looks.gives_up_minutes;
                let after_us = narrow(whole(minutes * 60e6 / self.plan.speed()));
                after.next.push((Op::Look, narrow(now_us).saturating_add(after_us)));
            } else if waits {
                after.next.push((Op::Cancel, self.thinks(now_us)));
            }
        }
        Some((Noted::First, after))
    }

    /// An order or a quote was turned down with this code.
    pub(super) fn order_refused(&mut self, work: &Work, code: &str, now_us: u64) -> After {
        let about_kitchen = [
            "outlet_busy",
            "outlet_paused",
            "outlet_unreachable",
            "outlet_changed",
            "no_offers",
            "offer_expired",
        ];
        let is_open = !self.ledger.orders.placed.contains_key(&work.user);
        let (Some(script), true) = (self.plan.script(work.user).order, is_open) else {
            return After::default();
        };
        let Some(ordering) = self.orderings.get_mut(&work.user) else { return After::default() };
        let stale = work.step != ordering.step || ordering.under_way_count > 0;
        if !about_kitchen.contains(&code) || stale {
            return After::default();
        }
        let asks = work.op == Op::Order && script.takes_offer && ordering.quotes_count < QUOTES_MAX;
        if !asks {
            return self.keeps_voucher(work.user, &script, now_us);
        }
        ordering.ask_anew();
        ordering.offer = None;
        ordering.quotes_count += 1;
        After { next: vec![(Op::Quote, self.thinks(now_us))], ..After::default() }
    }

    /// Tries once more, and then no more.
    fn keeps_voucher(&mut self, user: u32, script: &OrderScript, now_us: u64) -> After {
        let ordering = self.orderings.entry(user).or_default();
        ordering.ask_anew();
        ordering.offer = None;
        ordering.quotes_count = 0;
        self.tally.orders.kept_voucher += 1;
        let mut after = After::default();
        if !ordering.again {
            ordering.again = true;
            // What was wanted by then is over by then.
            ordering.pickup_by_ms = None;
            let at_us = narrow(now_us).saturating_add(script.again_after_us);
            after.next.push((Op::Order, at_us));
        }
        after
    }

    fn thinks(&self, now_us: u64) -> u32 {
        narrow(whole(real(now_us) + THINKS_MS * 1_000.0 / self.plan.speed()))
    }
}
