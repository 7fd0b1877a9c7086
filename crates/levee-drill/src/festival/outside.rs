//! The other side's account: what the sandbox's payment provider and outlets say happened, and where
//! that is not what the journal says. What both sides were sent and said crossed real sockets, with
//! losses and repeats, so only the ends can be compared: money by payment, and making by order.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use levee_api::code::Codes;
use levee_api::time::Instant;
use levee_api::types::OrderState;
use serde::{Deserialize, Serialize};

use super::book::Book;

/// Differences that are kept in words; all are counted.
const WORDS_MAX: usize = 20;

/// Longest line of the sandbox's that is taken, in bytes.
const LINE_LEN_MAX: usize = 4_096;

/// A payment, as the provider has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PaymentThere {
    /// Levee's id.
    pub payment: String,
    /// What was paid.
    pub captured_minor: u64,
    /// What was given back.
    pub refunded_minor: u64,
}

/// A ticket, as an outlet has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TicketThere {
    /// Levee's id of the order; empty where only the ticket's cancellation came.
    pub order: String,
    /// How many times a station began it.
    pub begun_count: u32,
    /// How many times it was made.
    pub made_count: u32,
    /// When its courier is called, where one takes it.
    pub courier_at: Option<Instant>,
}

/// What stations of one class of outlets did.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct ClassThere {
    /// How the systems of these outlets behave.
    pub class: String,
    /// Those that had a ticket.
    pub outlets: u64,
    /// Their stations.
    pub stations: u64,
    /// Station time that went into tickets, in milliseconds of the day.
    pub busy_ms: u64,
}

/// Counts of tickets that matter here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct TicketCounts {
    /// Taken away when somebody had begun to make them.
    pub made_for_nothing: u64,
    /// Begun although their order had been begun before.
    pub double_made: u64,
}

/// The sandbox's counts, as far as they matter here.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct StatsThere {
    /// Of tickets.
    pub tickets: TicketCounts,
    /// Of stations.
    pub kitchens: Vec<ClassThere>,
}

/// All that the sandbox says.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    /// Its counts.
    pub stats: StatsThere,
    /// Its payments.
    pub payments: Vec<PaymentThere>,
    /// Its tickets.
    pub tickets: Vec<TicketThere>,
}

impl Outside {
    /// Reads `/stats` and the two streams of records.
    ///
    /// # Errors
    /// Something cannot be read, or is not what the sandbox writes.
    pub fn read(stats: &[u8], payments: impl BufRead, tickets: impl BufRead) -> io::Result<Self> {
        Ok(Self {
            stats: serde_json::from_slice(stats)?,
            payments: lines(payments)?,
            tickets: lines(tickets)?,
        })
    }
}

fn lines<T: serde::de::DeserializeOwned>(mut from: impl BufRead) -> io::Result<Vec<T>> {
    let (mut all, mut line) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        let limit = u64::try_from(LINE_LEN_MAX).expect("small");
        if io::Read::take(&mut from, limit).read_until(b'\n', &mut line)? == 0 {
            return Ok(all);
        }
        all.push(serde_json::from_slice(&line)?);
    }
}

/// Where both sides differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Differences {
    /// Payments of which one side says that it was paid, or how much, and the other does not.
    pub captured: u64,
    /// Payments of which one side gave back another amount than the other.
    pub refunded: u64,
    /// Payments of which more was given back than was paid.
    pub overpaid: u64,
    /// Orders that were made twice.
    pub made_twice: u64,
    /// Paid orders that no outlet was ever sent, and that did not end.
    pub forgotten: u64,
    /// Payments and tickets that the journal does not know.
    pub unknown: u64,
    /// The first of them in words.
    pub words: Vec<String>,
}

impl Differences {
    /// Each kind's count, and what it means.
    #[must_use]
    pub fn counts(&self) -> [(u64, &'static str); 6] {
        [
            (self.captured, "payments are paid on one side and not alike on the other"),
            (self.refunded, "payments were given back on one side and not alike on the other"),
            (self.overpaid, "payments were given back more than was paid"),
            (self.made_twice, "orders were made twice"),
            (self.forgotten, "paid orders were neither sent to an outlet nor ended"),
            (self.unknown, "payments or tickets outside are none of the journal's"),
        ]
    }

    fn say(&mut self, words: String) {
        if self.words.len() < WORDS_MAX {
            self.words.push(words);
        }
    }
}

/// Compares both sides.
#[must_use]
pub fn compare(book: &Book<'_>, outside: &Outside, codes: &Codes) -> Differences {
    let mut found = Differences::default();
    compare_payments(book, outside, codes, &mut found);
    compare_tickets(book, outside, codes, &mut found);
    found
}

fn compare_payments(book: &Book<'_>, outside: &Outside, codes: &Codes, found: &mut Differences) {
    let mut there = vec![(0, 0); book.orders.len()];
    for payment in &outside.payments {
        let order = codes.parse_payment(&payment.payment);
        let Some(sums) = order.and_then(|order| there.get_mut(order.index())) else {
            found.unknown += 1;
            found.say(format!("the provider has a payment {} of no order", payment.payment));
            continue;
        };
        sums.0 += payment.captured_minor;
        sums.1 += payment.refunded_minor;
    }
    for (number, (story, (captured, refunded))) in book.orders.iter().zip(there).enumerate() {
        // What is disputed is on record, and a person looks at it.
        if story.disputed {
            continue;
        }
        if captured != story.captured_minor {
            found.captured += 1;
            let here = story.captured_minor;
            found.say(format!("order {number}: paid {captured} there, {here} in the journal"));
        }
        if refunded != story.refunded_minor {
            found.refunded += 1;
            let here = story.refunded_minor;
            found
                .say(format!("order {number}: given back {refunded} there, {here} in the journal"));
        }
        if refunded > captured {
            found.overpaid += 1;
            found.say(format!("order {number}: given back {refunded} of {captured}"));
        }
    }
}

fn compare_tickets(book: &Book<'_>, outside: &Outside, codes: &Codes, found: &mut Differences) {
    // By order: the most that one outlet made it, and the sum.
    let mut made = BTreeMap::<usize, (u32, u32)>::new();
    for ticket in outside.tickets.iter().filter(|ticket| !ticket.order.is_empty()) {
        let order = codes.parse_order(&ticket.order).map(levee_core::types::OrderNo::index);
        let Some(order) = order.filter(|order| *order < book.orders.len()) else {
            found.unknown += 1;
            found.say(format!("an outlet has a ticket of no order, {}", ticket.order));
            continue;
        };
        let (most, sum) = made.entry(order).or_default();
        *most = (*most).max(ticket.made_count);
        *sum += ticket.made_count;
    }
    for (order, (most, sum)) in &made {
        // An outlet that was silent while its order went to another may have made it by then: nobody
        // could tell it, so that is no fault of either.
        if *most > 1 || (*sum > 1 && !book.orders[*order].moved) {
            found.made_twice += 1;
            found.say(format!("order {order} was made {sum} times"));
        }
    }
    for (order, story) in book.orders.iter().enumerate() {
        let is_sent = made.contains_key(&order);
        let believed_sent = matches!(
            story.state,
            OrderState::Sent
                | OrderState::Accepted
                | OrderState::Making
                | OrderState::Ready
                | OrderState::Collected
        );
        let forgotten = story.state == OrderState::Paid || (believed_sent && !is_sent);
        if forgotten && story.is_paid() {
            found.forgotten += 1;
            let state = story.state.name();
            found.say(format!("order {order} is {state}, and no outlet knows of it"));
        }
    }
}

/// When couriers are called for orders, in milliseconds since 1970, by the orders' numbers.
pub(super) fn couriers(outside: &Outside, codes: &Codes) -> BTreeMap<usize, u64> {
    let tickets = outside.tickets.iter();
    let called = tickets.filter_map(|ticket| {
        Some((codes.parse_order(&ticket.order)?.index(), ticket.courier_at?.ms))
    });
    called.collect()
}

#[cfg(test)]
mod tests;
