//! How the provider tells Levee: late, lost, doubled, out of order, and again until it is heard.

use levee_api::time::Instant;

use super::Provider;
use super::record::Record;
use crate::sandbox::draw::{lasting_ms, whole};
use crate::sandbox::effects::{CallbackTry, Due, Effects};
use crate::wire::pay::{Callback, PaymentEvent};

/// A callback as it is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sandbox) struct Sending {
    pub(in crate::sandbox) what: CallbackTry,
    pub(in crate::sandbox) notify_url: String,
    pub(in crate::sandbox) body: Callback,
}

impl Provider {
    /// Something happened that Levee is to be told.
    pub(super) fn announce(
        &mut self,
        effects: &mut Effects,
        now_ms: u64,
        payment: u32,
        event: PaymentEvent,
    ) {
        let peak = self.peak(now_ms);
        let record = &self.payments[super::at(payment)];
        if record.notify_url.is_empty() {
            return;
        }
        let terms = &self.terms.callbacks;
        let stats = &mut self.stats.callbacks;
        stats.events += 1;
        if self.draw.falls_into(terms.lost_for_good, "lost for good", &[&record.id]) {
            stats.lost += 1;
            return;
        }
        let mut random = self.draw.about("callback", &[&record.id, event.name()]);
        let mut after_ms = lasting_ms(&mut random, terms.delay);
        if random.f64() < terms.late.share {
            stats.late += 1;
            after_ms += lasting_ms(&mut random, terms.late.by);
        }
        if let Some(peak) = peak.filter(|peak| peak.late_minutes > 0.0) {
            stats.late += 1;
            after_ms += whole(peak.late_minutes * 60_000.0);
        }
        let first = CallbackTry { payment, event, at_ms: now_ms, attempt: 0, copy: false };
        effects.agenda.put(now_ms + after_ms, Due::Callback(first));
    }

    /// A try is due.
    pub(super) fn call_back(&mut self, effects: &mut Effects, now_ms: u64, what: CallbackTry) {
        if let Some(over_ms) = self.outage_over_ms(now_ms, false) {
            effects.agenda.put(over_ms, Due::Callback(what));
            return;
        }
        let record = &self.payments[super::at(what.payment)];
        let attempt = what.attempt.to_string();
        let mut random = self.draw.about("send", &[&record.id, what.event.name(), &attempt]);
        let (lost_at, doubled_at) = (random.f64(), random.f64());
        let terms = &self.terms.callbacks;
        let (lost, doubled) = match self.peak(now_ms) {
            Some(peak) => (peak.lost, peak.doubled),
            None => (terms.lost, terms.doubled),
        };
        if lost_at < lost {
            self.stats.callbacks.lost += 1;
            self.repeat(effects, now_ms, what);
            return;
        }
        effects.callbacks.push_back(what);
        if doubled_at < doubled {
            self.stats.callbacks.doubled += 1;
            effects.callbacks.push_back(CallbackTry { copy: true, ..what });
        }
    }

    fn repeat(&mut self, effects: &mut Effects, now_ms: u64, what: CallbackTry) {
        let pauses = &self.terms.callbacks.repeat_after_s;
        match pauses.get(super::at(what.attempt)) {
            Some(after_s) => {
                let next = CallbackTry { attempt: what.attempt + 1, ..what };
                effects.agenda.put(now_ms + whole(after_s * 1_000.0), Due::Callback(next));
            }
            None => self.stats.callbacks.gave_up += 1,
        }
    }

    /// What is to be sent.
    pub(in crate::sandbox) fn sending(&mut self, what: CallbackTry) -> Sending {
        self.stats.callbacks.sent += 1;
        let record = &self.payments[super::at(what.payment)];
        let captured = (what.event == PaymentEvent::Succeeded).then(|| record.captured_minor());
        let Record { id, notify_url, .. } = record;
        Sending {
            what,
            notify_url: notify_url.to_string(),
            body: Callback {
                payment: id.to_string(),
                trade: self.trade(id),
                event: what.event,
                captured_minor: captured,
                occurred_at: Instant { ms: what.at_ms },
            },
        }
    }

    /// Whether it was heard.
    pub(in crate::sandbox) fn called_back(
        &mut self,
        effects: &mut Effects,
        now_ms: u64,
        what: CallbackTry,
        acknowledged: bool,
    ) {
        if acknowledged {
            self.stats.callbacks.acknowledged += 1;
            return;
        }
        self.stats.callbacks.unacknowledged += 1;
        if !what.copy {
            self.repeat(effects, now_ms, what);
        }
    }
}
