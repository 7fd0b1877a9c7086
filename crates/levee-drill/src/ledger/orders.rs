//! What users were told of their orders, and its comparison with what the journal holds.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use levee_api::code::Codes;
use levee_api::pseudonym::PseudonymKey;
use levee_api::types::{Command, Outcome, PlaceOrder, UserKey};
use serde::Serialize;

use super::{Code, FINDINGS_MAX, Noted};
use crate::audit::Fact;

/// An order's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderAck {
    /// Place in the journal.
    pub seq: u64,
    /// The order, without `ord_`.
    pub id: Code,
    /// Price of all items.
    pub total_minor: u64,
    /// Taken off by the voucher.
    pub discount_minor: u64,
    /// Left to pay.
    pub payable_minor: u64,
    /// When it was promised, in milliseconds since 1970.
    pub ready_at_ms: u64,
}

/// Every good answer about orders, by user.
#[derive(Clone, Debug, Default)]
pub struct OrderLedger {
    /// When each user first wanted to order, in real microseconds after the start, whatever came of
    /// it.
    pub wanted: HashMap<u32, u32>,
    /// The order that each user was first told of.
    pub placed: HashMap<u32, OrderAck>,
    /// The place of the cancellation that each user was first told of.
    pub cancelled: HashMap<u32, u64>,
    /// Users who were told of two different orders or cancellations.
    pub different: u64,
}

impl OrderLedger {
    /// Writes down an order's answer. A repeat may tell of it as it is by now, but at the same place
    /// and under the same id.
    pub fn place(&mut self, user: u32, ack: OrderAck) -> Noted {
        match self.placed.entry(user) {
            Entry::Vacant(entry) => {
                entry.insert(ack);
                Noted::First
            }
            Entry::Occupied(entry) if (entry.get().seq, entry.get().id) == (ack.seq, ack.id) => {
                Noted::Same
            }
            Entry::Occupied(_) => {
                self.different += 1;
                Noted::Different
            }
        }
    }

    /// Writes down a cancellation's answer.
    pub fn cancel(&mut self, user: u32, seq: u64) -> Noted {
        super::note(&mut self.cancelled, user, seq, &mut self.different)
    }

    /// Takes in the answers of other users.
    pub fn merge(&mut self, other: Self) {
        self.wanted.extend(other.wanted);
        self.placed.extend(other.placed);
        self.cancelled.extend(other.cancelled);
        self.different += other.different;
    }
}

/// What a comparison of orders found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OrderFindings {
    /// Acknowledged orders and cancellations that the journal does not hold.
    pub lost: u64,
    /// Acknowledged orders that the journal holds with other amounts or another promise.
    pub wrong: u64,
    /// Users with two orders, or orders cancelled twice, in their answers or in the journal.
    pub doubled: u64,
    /// Effects in the journal of which no answer arrived: of requests that broke off.
    pub unacknowledged: u64,
    /// The first of them in words.
    pub words: Vec<String>,
}

impl OrderFindings {
    fn say(&mut self, words: String) {
        if self.words.len() < FINDINGS_MAX {
            self.words.push(words);
        }
    }
}

#[derive(Clone, Copy)]
enum Expected {
    Order(u32),
    Cancellation(u32),
}

/// How an acknowledged effect stands in the journal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    AsTold,
    Otherwise,
    Not,
}

/// Goes through a journal beside an order ledger. Show it every fact, then ask what it found.
pub struct OrderComparison<'a> {
    ledger: &'a OrderLedger,
    codes: &'a Codes,
    users: HashMap<u32, UserKey>,
    /// Of every acknowledged effect, by place in the journal, ascending.
    expected: Vec<(u64, Expected)>,
    next: usize,
    ordered: HashSet<UserKey>,
    cancelled: HashSet<u32>,
    effects_count: u64,
    findings: OrderFindings,
}

impl<'a> OrderComparison<'a> {
    /// Of a crowd's answers. `user_id` gives a user's name as it was sent.
    #[must_use]
    pub fn new(
        ledger: &'a OrderLedger,
        user_id: impl Fn(u32) -> String,
        codes: &'a Codes,
        pseudonyms: &PseudonymKey,
    ) -> Self {
        let placed = ledger.placed.iter().map(|(user, ack)| (ack.seq, Expected::Order(*user)));
        let cancelled = ledger.cancelled.iter();
        let cancelled = cancelled.map(|(user, seq)| (*seq, Expected::Cancellation(*user)));
        let mut expected: Vec<_> = placed.chain(cancelled).collect();
        expected.sort_unstable_by_key(|(seq, _)| *seq);
        let users = ledger.placed.keys();
        Self {
            ledger,
            codes,
            users: users.map(|user| (*user, pseudonyms.of(&user_id(*user)))).collect(),
            expected,
            next: 0,
            ordered: HashSet::new(),
            cancelled: HashSet::new(),
            effects_count: 0,
            findings: OrderFindings { doubled: ledger.different, ..OrderFindings::default() },
        }
    }

    /// Takes in the next fact of the journal.
    pub fn visit(&mut self, fact: &Fact<'_>) {
        while let Some((seq, expected)) = self.expected.get(self.next).copied() {
            if seq > fact.seq {
                break;
            }
            self.next += 1;
            let found = if seq == fact.seq { self.find(expected, fact) } else { Found::Not };
            self.note(seq, expected, found);
        }
        self.count(fact);
    }

    /// What was found, once the journal has no more.
    #[must_use]
    pub fn finish(mut self) -> OrderFindings {
        for (seq, expected) in self.expected.split_off(self.next) {
            self.note(seq, expected, Found::Not);
        }
        let acked = self.ledger.placed.len() + self.ledger.cancelled.len();
        self.findings.unacknowledged = self.effects_count.saturating_sub(acked as u64);
        self.findings
    }

    fn note(&mut self, seq: u64, expected: Expected, found: Found) {
        let (what, user) = match expected {
            Expected::Order(user) => ("order", user),
            Expected::Cancellation(user) => ("cancellation", user),
        };
        match found {
            Found::AsTold => {}
            Found::Not => {
                self.findings.lost += 1;
                self.findings.say(format!(
                    "the journal has not at {seq} the {what} that user {user} was told"
                ));
            }
            Found::Otherwise => {
                self.findings.wrong += 1;
                self.findings
                    .say(format!("the {what} at {seq} is not what user {user} was told of it"));
            }
        }
    }

    fn find(&self, expected: Expected, fact: &Fact<'_>) -> Found {
        match (expected, fact.command, fact.outcome) {
            (Expected::Order(user), Command::PlaceOrder(place), Outcome::OrderPlaced { .. }) => {
                self.find_order(user, place, fact.outcome)
            }
            (
                Expected::Cancellation(user),
                Command::CancelOrder(cancel),
                Outcome::OrderChanged(_),
            ) => {
                let ack = self.ledger.placed.get(&user);
                let told = ack.and_then(|ack| parse_order(self.codes, &ack.id));
                if told == Some(cancel.order) { Found::AsTold } else { Found::Not }
            }
            _ => Found::Not,
        }
    }

    fn find_order(&self, user: u32, place: &PlaceOrder, outcome: &Outcome) -> Found {
        let ack = &self.ledger.placed[&user];
        let Outcome::OrderPlaced { order, promised_at_ms, subsidy_minor, .. } = outcome else {
            return Found::Not;
        };
        if self.users.get(&user) != Some(&place.user)
            || parse_order(self.codes, &ack.id) != Some(*order)
        {
            return Found::Not;
        }
        let subsidy_minor = u64::from(*subsidy_minor);
        let payable_minor = place.total_minor - place.merchant_discount_minor - subsidy_minor;
        let told = (ack.total_minor, ack.discount_minor, ack.payable_minor, ack.ready_at_ms);
        let held = (place.total_minor, subsidy_minor, payable_minor, *promised_at_ms);
        if told == held { Found::AsTold } else { Found::Otherwise }
    }

    /// Counts effects, and finds those that happened twice: a user of a crowd orders once.
    fn count(&mut self, fact: &Fact<'_>) {
        let seq = fact.seq;
        match (fact.command, fact.outcome) {
            (Command::PlaceOrder(place), Outcome::OrderPlaced { .. }) => {
                self.effects_count += 1;
                if !self.ordered.insert(place.user) {
                    self.findings.doubled += 1;
                    self.findings.say(format!("a second order of one user at {seq}"));
                }
            }
            (Command::CancelOrder(cancel), Outcome::OrderChanged(_)) => {
                self.effects_count += 1;
                if !self.cancelled.insert(cancel.order.0) {
                    self.findings.doubled += 1;
                    self.findings.say(format!("an order cancelled again at {seq}"));
                }
            }
            _ => {}
        }
    }
}

fn parse_order(codes: &Codes, id: &Code) -> Option<levee_api::types::OrderNo> {
    codes.parse_order(&format!("ord_{}", id.as_str()))
}

#[cfg(test)]
mod tests;
