//! Payments and refunds of a day as the journal has them, read twice: which orders the day is about,
//! and then these alone, so that memory does not grow with the journal.
//!
//! A refund's amount stands in no command of its own. It follows from what was asked for: what is
//! asked while one is under way is the next one, what failed is asked for again with it, and one after
//! which all is back was over all that was left.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use levee_api::types::{
    BatchReader, Command, NameHash, OrderNo, Outcome, PaymentEvent, RecordPayment, RecordRefund,
    RefundResult,
};
use levee_journal::{Kind, Reader};

use super::compare::Span;

/// What happened, and when: milliseconds since 1970, and minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moved {
    pub(super) at_ms: u64,
    pub(super) minor: u64,
}

/// One order's payment. Of most nothing more is known than that it was paid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Payment {
    /// At this provider.
    pub(super) captured: Option<Moved>,
    more: Option<Box<More>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct More {
    disputed: Vec<Moved>,
    refunds: BTreeMap<u32, Moved>,
}

/// By order.
#[derive(Debug, Default)]
pub(super) struct Books(pub(super) BTreeMap<OrderNo, Payment>);

impl Books {
    /// Those orders, and all others for which something was recorded within the span.
    pub(super) fn read(
        data: &Path,
        provider: NameHash,
        span: &Span,
        orders: &BTreeSet<OrderNo>,
    ) -> Result<Self> {
        let mut wanted = orders.clone();
        each(data, |at_ms, command, outcome| {
            if span.holds_ms(at_ms) {
                wanted.extend(moved_by(command, outcome));
            }
        })?;
        let mut books = Self::default();
        each(data, |at_ms, command, outcome| {
            if order_of(command).is_some_and(|order| wanted.contains(&order)) {
                books.take(at_ms, provider, command, outcome);
            }
        })?;
        Ok(books)
    }

    fn take(&mut self, at_ms: u64, provider: NameHash, command: &Command, outcome: &Outcome) {
        match command {
            Command::RecordPayment(RecordPayment {
                order,
                provider: by,
                event: PaymentEvent::Succeeded { captured_minor },
                ..
            }) if *by == provider => {
                let payment = self.0.entry(*order).or_default();
                let moved = Moved { at_ms, minor: *captured_minor };
                match outcome {
                    Outcome::PaymentDisputed => payment.more().disputed.push(moved),
                    _ => payment.captured = Some(moved),
                }
            }
            Command::RecordRefund(RecordRefund { order, refund, result: RefundResult::Done }) => {
                let Outcome::RefundEnded { amount_minor: minor, .. } = *outcome else { return };
                if let Some(payment) = self.0.get_mut(order) {
                    payment.more().refunds.insert(*refund, Moved { at_ms, minor });
                }
            }
            _ => {}
        }
    }
}

impl Payment {
    /// What this provider took and should not have.
    pub(super) fn disputed(&self) -> &[Moved] {
        self.more.as_deref().map_or(&[], |more| &more.disputed)
    }

    /// Refunds that are done, by number.
    pub(super) fn refunds(&self) -> &BTreeMap<u32, Moved> {
        static NONE: BTreeMap<u32, Moved> = BTreeMap::new();
        self.more.as_deref().map_or(&NONE, |more| &more.refunds)
    }

    fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    #[cfg(test)]
    pub(super) fn of(captured: Moved, refunds: &[(u32, Moved)]) -> Self {
        let more = More { disputed: Vec::new(), refunds: refunds.iter().copied().collect() };
        Self { captured: Some(captured), more: Some(Box::new(more)) }
    }
}

/// The order whose money moved by this.
fn moved_by(command: &Command, outcome: &Outcome) -> Option<OrderNo> {
    match (command, outcome) {
        (_, Outcome::PaymentDisputed) => None,
        (
            Command::RecordPayment(RecordPayment {
                order,
                event: PaymentEvent::Succeeded { .. },
                ..
            })
            | Command::RecordRefund(RecordRefund { order, result: RefundResult::Done, .. }),
            _,
        ) => Some(*order),
        _ => None,
    }
}

fn order_of(command: &Command) -> Option<OrderNo> {
    match command {
        Command::RecordPayment(record) => Some(record.order),
        Command::RecordRefund(record) => Some(record.order),
        _ => None,
    }
}

/// Every command of a journal with its time and what came of it.
fn each(data: &Path, mut visit: impl FnMut(u64, &Command, &Outcome)) -> Result<()> {
    let mut reader = Reader::open(data)?;
    let mut is_first = true;
    while let Some(record) = reader.next_record()? {
        if is_first && record.kind != Kind::Genesis {
            anyhow::bail!(
                "{} begins at sequence number {}: put its archive back, or orders of before seem \
                 to be missing",
                data.display(),
                record.first_seq
            );
        }
        is_first = false;
        if record.kind != Kind::Batch || record.payload.is_empty() {
            continue;
        }
        let undecodable = || format!("the record of sequence number {}", record.first_seq);
        for entry in BatchReader::new(record.payload).with_context(undecodable)? {
            let (command, outcome) = entry.with_context(undecodable)?;
            visit(record.time_ms, &command, &outcome);
        }
    }
    Ok(())
}
