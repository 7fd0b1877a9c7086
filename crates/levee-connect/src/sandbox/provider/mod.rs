//! A payment provider and the users who pay there.
//!
//! Told the time, does no I/O. It keeps every payment, so that what it captured and gave back can be
//! compared with what Levee believes.

mod callbacks;
mod record;
mod stats;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use levee_api::scenario::{Payments as Terms, Peak};

pub(super) use callbacks::Sending;
pub use record::PaymentLine;
use record::{REFUNDS_MAX, Record, Refund};
pub use stats::{CallbackStats, PaymentStats};

use super::day::Window;
use super::draw::Draw;
use super::effects::{Due, Effects};
use crate::wire::pay::{
    CreatePayment, PaymentCreated, PaymentEvent, PaymentNow, PaymentState, RefundReply,
    RefundRequest, RefundState,
};

/// Most payments that are remembered; about 250 bytes each.
const PAYMENTS_MAX: usize = 10_000_000;

/// Why the provider does not do what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unwilling {
    /// The id is known with another amount, currency or address.
    #[error("payment_reused")]
    Reused,
    /// Nobody made it.
    #[error("payment_not_found")]
    NotFound,
    /// It is over.
    #[error("payment_not_open")]
    NotOpen,
    /// The number is known with another amount.
    #[error("refund_reused")]
    RefundReused,
    /// More than is left of what was paid.
    #[error("refund_exceeds_captured")]
    RefundExceeds,
    /// There are too many already.
    #[error("sandbox_full")]
    Full,
}

/// The provider.
#[derive(Debug)]
pub(super) struct Provider {
    draw: Draw,
    terms: Terms,
    day_starts_at_ms: u64,
    /// Each with whether it stops more than callbacks.
    outages: Vec<(Window, bool)>,
    peaks: Vec<(Window, Peak)>,
    /// Where this sandbox is reached, for `pay_url`.
    own_url: String,
    payments: Vec<Record>,
    by_id: HashMap<Box<str>, u32>,
    stats: PaymentStats,
}

impl Provider {
    pub(super) fn new(draw: Draw, terms: Terms, day_starts_at_ms: u64, own_url: String) -> Self {
        let outages = terms.outages.iter();
        let peaks = terms.callbacks.peaks.iter();
        let peaks = peaks.map(|peak| (Window::new(peak.from_hour, peak.hours), *peak));
        let outages = outages.map(|one| (Window::new(one.from_hour, one.hours), one.api));
        Self {
            draw,
            day_starts_at_ms,
            outages: outages.collect(),
            peaks: peaks.collect(),
            terms,
            own_url,
            payments: Vec::new(),
            by_id: HashMap::new(),
            stats: PaymentStats::default(),
        }
    }

    /// When the outage of this moment is over, if there is one: of everything, or of callbacks.
    pub(super) fn outage_over_ms(&self, now_ms: u64, everything: bool) -> Option<u64> {
        let outages = self.outages.iter().filter(|(_, api)| *api || !everything);
        outages.filter_map(|(window, _)| window.over_ms(self.day_starts_at_ms, now_ms)).max()
    }

    /// What goes wrong more often at this moment, if it does.
    fn peak(&self, now_ms: u64) -> Option<Peak> {
        let is_now = |window: &Window| window.over_ms(self.day_starts_at_ms, now_ms).is_some();
        self.peaks.iter().find(|(window, _)| is_now(window)).map(|(_, peak)| *peak)
    }

    pub(super) fn stats(&self) -> PaymentStats {
        self.stats
    }

    /// Payments that can still be paid.
    pub(super) fn open_count(&self) -> u64 {
        self.payments.iter().filter(|record| record.is_open()).count() as u64
    }

    /// The payments from a number on, in the order in which they were made.
    pub(super) fn lines(&self, from: usize) -> impl Iterator<Item = PaymentLine<'_>> {
        self.payments.iter().skip(from).map(|record| {
            let in_state =
                |state| record.refunds.iter().filter(|refund| refund.state == state).count() as u64;
            PaymentLine {
                payment: &record.id,
                trade: self.trade(&record.id),
                state: record.state,
                currency: &record.currency,
                amount_minor: record.amount_minor,
                captured_minor: record.captured_minor(),
                refunded_minor: record.refunded_minor(),
                refunds_done: in_state(RefundState::Done),
                refunds_failed: in_state(RefundState::Failed),
            }
        })
    }

    /// The provider's own number of a payment.
    fn trade(&self, id: &str) -> String {
        format!("trd_{:016x}", self.draw.hash("trade", &[id]))
    }

    fn find(&self, id: &str) -> Result<u32, Unwilling> {
        self.by_id.get(id).copied().ok_or(Unwilling::NotFound)
    }

    fn keep(&mut self, record: Record) -> Result<u32, Unwilling> {
        if self.payments.len() >= PAYMENTS_MAX {
            return Err(Unwilling::Full);
        }
        let number = u32::try_from(self.payments.len()).expect("bounded by PAYMENTS_MAX");
        self.by_id.insert(record.id.clone(), number);
        self.payments.push(record);
        Ok(number)
    }

    /// Makes a payment. Whether it is new, and what it is now.
    pub(super) fn create(
        &mut self,
        effects: &mut Effects,
        now_ms: u64,
        ask: &CreatePayment,
    ) -> Result<(bool, PaymentCreated), Unwilling> {
        let (new, number) = match self.by_id.get(ask.payment.as_str()) {
            Some(number) => (false, *number),
            None => (true, self.make(effects, now_ms, ask)?),
        };
        let record = &mut self.payments[at(number)];
        if !new {
            // What was closed before it came can be asked for, and stays closed.
            if record.amount_minor == 0 {
                record.amount_minor = ask.amount_minor;
                record.currency = ask.currency.as_str().into();
                record.notify_url = ask.notify_url.as_str().into();
            }
            let same = record.amount_minor == ask.amount_minor
                && *record.currency == ask.currency
                && *record.notify_url == ask.notify_url;
            if !same {
                return Err(Unwilling::Reused);
            }
            self.stats.repeated += 1;
        }
        let record = &self.payments[at(number)];
        let created = PaymentCreated {
            payment: record.id.to_string(),
            trade: self.trade(&record.id),
            state: record.state,
            pay_url: format!("{}/pay/payments/{}/pay", self.own_url, record.id),
        };
        Ok((new, created))
    }

    fn make(
        &mut self,
        effects: &mut Effects,
        now_ms: u64,
        ask: &CreatePayment,
    ) -> Result<u32, Unwilling> {
        let number = self.keep(Record {
            id: ask.payment.as_str().into(),
            currency: ask.currency.as_str().into(),
            amount_minor: ask.amount_minor,
            notify_url: ask.notify_url.as_str().into(),
            state: PaymentState::Created,
            refunds: Vec::new(),
        })?;
        self.stats.created += 1;
        if self.draw.about("user", &[&ask.payment]).f64() >= self.terms.never {
            let after_ms = self.draw.lasting_ms(self.terms.think, "think", &[&ask.payment]);
            effects.agenda.put(now_ms + after_ms, Due::Think { payment: number });
        }
        Ok(number)
    }

    /// What a payment is now.
    pub(super) fn now(&self, id: &str) -> Result<PaymentNow, Unwilling> {
        let record = &self.payments[at(self.find(id)?)];
        Ok(PaymentNow {
            payment: record.id.to_string(),
            trade: self.trade(&record.id),
            state: record.state,
            captured_minor: record.captured_minor(),
            refunded_minor: record.refunded_minor(),
        })
    }

    /// Closes a payment that is not paid yet, or was never made.
    pub(super) fn close(
        &mut self,
        effects: &mut Effects,
        now_ms: u64,
        id: &str,
    ) -> Result<PaymentNow, Unwilling> {
        match self.find(id) {
            Ok(number) => {
                let record = &mut self.payments[at(number)];
                let failed = record.state == PaymentState::Failed;
                if record.is_open() || failed {
                    record.state = PaymentState::Closed;
                    self.stats.closed += 1;
                    self.announce(effects, now_ms, number, PaymentEvent::Closed);
                }
            }
            Err(_) => {
                self.keep(Record {
                    id: id.into(),
                    currency: "".into(),
                    amount_minor: 0,
                    notify_url: "".into(),
                    state: PaymentState::Closed,
                    refunds: Vec::new(),
                })?;
                self.stats.closed += 1;
            }
        }
        self.now(id)
    }

    /// Gives something back.
    pub(super) fn refund(
        &mut self,
        id: &str,
        ask: RefundRequest,
    ) -> Result<RefundReply, Unwilling> {
        let number = self.find(id)?;
        let record = &mut self.payments[at(number)];
        if let Some(known) = record.refunds.iter().find(|known| known.number == ask.refund) {
            if known.amount_minor != ask.amount_minor {
                return Err(Unwilling::RefundReused);
            }
            return Ok(RefundReply { refund: known.number, state: known.state });
        }
        if record.refunds.len() >= REFUNDS_MAX {
            return Err(Unwilling::Full);
        }
        if ask.amount_minor > record.captured_minor() - record.refunded_minor() {
            self.stats.refunds_refused += 1;
            return Err(Unwilling::RefundExceeds);
        }
        let ids = [id, &ask.refund.to_string()];
        let state = if self.draw.falls_into(self.terms.refund_failed, "refund", &ids) {
            self.stats.refunds_failed += 1;
            RefundState::Failed
        } else {
            self.stats.refunds_done += 1;
            self.stats.refunded_minor += ask.amount_minor;
            RefundState::Done
        };
        record.refunds.push(Refund { number: ask.refund, amount_minor: ask.amount_minor, state });
        Ok(RefundReply { refund: ask.refund, state })
    }

    /// A person pays by hand.
    pub(super) fn pay(
        &mut self,
        effects: &mut Effects,
        now_ms: u64,
        id: &str,
    ) -> Result<PaymentNow, Unwilling> {
        let number = self.find(id)?;
        let record = &self.payments[at(number)];
        if record.is_open() {
            self.settle(effects, now_ms, number, true);
        } else if record.state != PaymentState::Succeeded {
            return Err(Unwilling::NotOpen);
        }
        self.now(id)
    }

    /// Does what is due, at the moment at which it was.
    pub(super) fn due(&mut self, effects: &mut Effects, now_ms: u64, due: Due) {
        match due {
            Due::Think { payment } => self.think(effects, now_ms, payment),
            Due::Settle { payment } => {
                let good = self.is_good(payment);
                self.settle(effects, now_ms, payment, good);
            }
            Due::Callback(what) => self.call_back(effects, now_ms, what),
            Due::Answer(_) | Due::Look { .. } | Due::Made(_) | Due::Fetched(_) | Due::Tell(_) => {}
        }
    }

    fn think(&mut self, effects: &mut Effects, now_ms: u64, payment: u32) {
        if let Some(over_ms) = self.outage_over_ms(now_ms, true) {
            effects.agenda.put(over_ms, Due::Think { payment });
            return;
        }
        let id = &self.payments[at(payment)].id;
        let pending = self.terms.pending;
        if self.payments[at(payment)].state == PaymentState::Created
            && self.draw.falls_into(pending.share, "pending", &[id])
        {
            let after_ms = self.draw.lasting_ms(pending.lasting, "settle", &[id]);
            effects.agenda.put(now_ms + after_ms, Due::Settle { payment });
            self.payments[at(payment)].state = PaymentState::Pending;
            self.announce(effects, now_ms, payment, PaymentEvent::Pending);
            return;
        }
        let good = self.is_good(payment);
        self.settle(effects, now_ms, payment, good);
    }

    /// Whether the user's bank says yes; those who never pay do not get here.
    fn is_good(&self, payment: u32) -> bool {
        let at = self.draw.about("user", &[&self.payments[at(payment)].id]).f64();
        at >= self.terms.never + self.terms.failed
    }

    /// The result of a payment that is still open.
    fn settle(&mut self, effects: &mut Effects, now_ms: u64, payment: u32, good: bool) {
        let record = &mut self.payments[at(payment)];
        if !record.is_open() {
            return;
        }
        let event = if good {
            record.state = PaymentState::Succeeded;
            self.stats.paid += 1;
            self.stats.captured_minor += record.amount_minor;
            PaymentEvent::Succeeded
        } else {
            record.state = PaymentState::Failed;
            self.stats.failed += 1;
            PaymentEvent::Failed
        };
        self.announce(effects, now_ms, payment, event);
    }
}

/// Numbers of records as places.
fn at(number: u32) -> usize {
    usize::try_from(number).expect("numbers are places of a list")
}
