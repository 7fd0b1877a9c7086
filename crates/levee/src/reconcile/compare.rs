//! What a bill says and what the journal says, side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::civil::Date;
use jiff::tz::{TimeZone, offset};
use jiff::{Timestamp, ToSpan};
use levee_api::code::Codes;
use levee_api::types::OrderNo;
use levee_pay::{BillKind, BillLine, BillOf, Currency};
use serde::Serialize;

use super::books::{Books, Moved};

/// What is recorded so soon after midnight may have happened before it: a notification takes a while,
/// and a question comes after seconds.
const NEAR_MIDNIGHT_MS: u64 = 10 * 60 * 1_000;

/// A day of a bill.
#[derive(Clone, Copy, Debug)]
pub(super) struct Day(pub(super) Date);

impl Day {
    /// That of an instant, in seconds since 1970.
    pub(super) fn of(of: BillOf, at_s: u64) -> Self {
        let at = i64::try_from(at_s).ok().and_then(|at_s| Timestamp::from_second(at_s).ok());
        Self(at.unwrap_or_default().to_zoned(zone(of)).date())
    }

    pub(super) fn span(self, of: BillOf) -> Span {
        let begin_ms = |date: Date| {
            let begin = date.to_zoned(zone(of)).map(|begin| begin.timestamp().as_millisecond());
            begin.ok().and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0)
        };
        let next = self.0.checked_add(1.day()).unwrap_or(self.0);
        Span { from_ms: begin_ms(self.0), until_ms: begin_ms(next) }
    }
}

fn zone(of: BillOf) -> TimeZone {
    let hours = i8::try_from(of.ahead_s() / 3_600).expect("less than a day");
    TimeZone::fixed(offset(hours))
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// From one midnight to the next, in milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    from_ms: u64,
    until_ms: u64,
}

impl Span {
    pub(super) fn holds_ms(&self, at_ms: u64) -> bool {
        (self.from_ms..self.until_ms).contains(&at_ms)
    }

    pub(super) fn holds_s(&self, at_s: u64) -> bool {
        self.holds_ms(at_s.saturating_mul(1_000))
    }

    fn is_near_its_begin(&self, at_ms: u64) -> bool {
        at_ms < self.from_ms + NEAR_MIDNIGHT_MS
    }
}

/// A line of the bill, of which there are millions.
#[derive(Clone, Copy, Debug)]
struct Line {
    place: u64,
    minor: u64,
}

/// All lines that say the same, of which there should be one.
#[derive(Debug)]
struct Lines {
    first: Line,
    more: Vec<Line>,
}

impl Lines {
    fn all(&self) -> impl Iterator<Item = &Line> {
        std::iter::once(&self.first).chain(&self.more)
    }
}

/// What stands in the bill about Levee's orders.
#[derive(Debug, Default)]
pub(super) struct Bill {
    of: Option<BillOf>,
    /// That of the first line.
    currency: Option<Currency>,
    paid: BTreeMap<OrderNo, Lines>,
    /// By order and number.
    refunded: BTreeMap<(OrderNo, u32), Lines>,
    /// Those with a number that Levee did not give.
    refunded_by_hand: Vec<(OrderNo, String, Line)>,
    other_currency: Vec<(OrderNo, Line)>,
    counts: [u64; 2],
    foreign_count: u64,
}

impl Bill {
    pub(super) fn add(&mut self, of: BillOf, line: BillLine, codes: &Codes) {
        self.of = Some(of);
        let Some(order) = codes.parse_payment(&line.out_trade_no) else {
            self.foreign_count += 1;
            return;
        };
        self.counts[usize::from(line.kind == BillKind::Refunded)] += 1;
        let one = Line { place: line.place, minor: line.money.amount_minor };
        if *self.currency.get_or_insert(line.money.currency) != line.money.currency {
            self.other_currency.push((order, one));
            return;
        }
        let add = |lines: &mut Lines| lines.more.push(one);
        let new = || Lines { first: one, more: Vec::new() };
        match line.kind {
            BillKind::Paid => {
                self.paid.entry(order).and_modify(add).or_insert_with(new);
            }
            BillKind::Refunded => {
                let number = line.out_refund_no.rsplit_once('_');
                let number = number
                    .filter(|(payment, _)| codes.parse_payment(payment) == Some(order))
                    .and_then(|(_, number)| number.parse().ok());
                match number {
                    Some(number) => {
                        self.refunded.entry((order, number)).and_modify(add).or_insert_with(new);
                    }
                    None => self.refunded_by_hand.push((order, line.out_refund_no, one)),
                }
            }
        }
    }

    /// What the lines about Levee's orders are in; none where there are none.
    pub(super) fn currency(&self) -> Option<Currency> {
        self.currency
    }

    /// Its end was read.
    pub(super) fn ends(&mut self, of: BillOf) {
        self.of = Some(of);
    }

    pub(super) fn of(&self) -> BillOf {
        self.of.expect("its end was read")
    }

    pub(super) fn orders(&self) -> BTreeSet<OrderNo> {
        let refunded = self.refunded.keys().map(|(order, _)| *order);
        let by_hand = self.refunded_by_hand.iter().map(|(order, ..)| *order);
        self.paid.keys().copied().chain(refunded).chain(by_hand).collect()
    }

    pub(super) fn paid_count(&self) -> u64 {
        self.counts[0]
    }

    pub(super) fn refunded_count(&self) -> u64 {
        self.counts[1]
    }

    pub(super) fn foreign_count(&self) -> u64 {
        self.foreign_count
    }
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Wrong {
    PaidThereOnly,
    PaidHereOnly,
    PaidAmount,
    PaidTwice,
    Disputed,
    RefundedThereOnly,
    RefundedHereOnly,
    RefundAmount,
    RefundedTwice,
    OtherCurrency,
}

impl Wrong {
    fn what_to_do(self) -> &'static str {
        match self {
            Self::PaidThereOnly => {
                "the user has paid and the order does not know: see GET /v1/payments/{id}; Levee asks \
                 for it within a minute of a start; if it stays so, give the money back on the \
                 provider's page"
            }
            Self::PaidHereOnly => {
                "the order counts as paid and the bill has no such payment: look for its number on \
                 the provider's page, and in the bills of the days beside it, before anything else is \
                 sold on it"
            }
            Self::PaidAmount => {
                "another amount was taken than the order was over: give the difference back on the \
                 provider's page, or ask for it"
            }
            Self::PaidTwice => {
                "the user has paid the same order more than once: give all but one back on the \
                 provider's page"
            }
            Self::Disputed => {
                "the order does not count this payment: give it back on the provider's page, then \
                 settle the dispute with POST /v1/orders/{id}/settle-dispute"
            }
            Self::RefundedThereOnly => {
                "money went back that Levee did not send, or of which it has no answer yet: see \
                 GET /v1/payments/{id}; if somebody sent it on the provider's page, do not send it \
                 again"
            }
            Self::RefundedHereOnly => {
                "the refund counts as done and the bill does not have it: look for its number in the \
                 bill of the day on which it was asked for, and on the provider's page; only if it is \
                 not there, send it there by hand"
            }
            Self::RefundAmount => {
                "another amount went back than was asked for: settle the difference by hand"
            }
            Self::RefundedTwice => {
                "the same refund went back more than once: the user owes one, write to the provider"
            }
            Self::OtherCurrency => {
                "it is in another currency than the first line: orders are paid in one; give it back \
                 on the provider's page"
            }
        }
    }
}

/// One exception.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Difference {
    pub(super) wrong: Wrong,
    pub(super) payment: String,
    /// The refund's number as the provider has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refund: Option<String>,
    pub(super) there_minor: u64,
    pub(super) here_minor: u64,
    /// In the bill.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) lines: Vec<u64>,
    pub(super) what_to_do: &'static str,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.wrong {
            Wrong::PaidThereOnly => "paid there, not here",
            Wrong::PaidHereOnly => "paid here, not there",
            Wrong::PaidAmount => "another amount paid",
            Wrong::PaidTwice => "paid more than once",
            Wrong::Disputed => "paid there, disputed here",
            Wrong::RefundedThereOnly => "refunded there, not here",
            Wrong::RefundedHereOnly => "refunded here, not there",
            Wrong::RefundAmount => "another amount refunded",
            Wrong::RefundedTwice => "refunded more than once",
            Wrong::OtherCurrency => "another currency",
        };
        write!(f, "{name}: {}", self.payment)?;
        if let Some(refund) = &self.refund {
            write!(f, " refund {refund}")?;
        }
        write!(f, ", {} there, {} here", self.there_minor, self.here_minor)?;
        if !self.lines.is_empty() {
            let lines: Vec<String> = self.lines.iter().map(u64::to_string).collect();
            write!(f, " (line {})", lines.join(", "))?;
        }
        write!(f, ": {}", self.what_to_do)
    }
}

/// Exceptions, and what may belong to the day before. `show` is how an order's payment looks outside.
pub(super) fn compare(
    bill: &Bill,
    books: &Books,
    span: &Span,
    show: &dyn Fn(OrderNo) -> String,
) -> (Vec<Difference>, Vec<Difference>) {
    let (mut exceptions, mut near_midnight) = (Vec::new(), Vec::new());
    let new = |wrong: Wrong, order, refund, lines: &[&Line], here: Option<Moved>| Difference {
        wrong,
        payment: show(order),
        refund,
        there_minor: lines.iter().map(|line| line.minor).sum(),
        here_minor: here.map_or(0, |moved| moved.minor),
        lines: lines.iter().map(|line| line.place).collect(),
        what_to_do: wrong.what_to_do(),
    };
    for (order, lines) in &bill.paid {
        let payment = books.0.get(order);
        let here = payment.and_then(|payment| payment.captured);
        let disputed = payment.is_some_and(|payment| !payment.disputed().is_empty());
        let wrong = match here {
            _ if !lines.more.is_empty() => Wrong::PaidTwice,
            None if disputed => Wrong::Disputed,
            None => Wrong::PaidThereOnly,
            Some(here) if here.minor != lines.first.minor => Wrong::PaidAmount,
            Some(_) => continue,
        };
        exceptions.push(new(wrong, *order, None, &lines.all().collect::<Vec<_>>(), here));
    }
    for ((order, number), lines) in &bill.refunded {
        let here = books.0.get(order).and_then(|payment| payment.refunds().get(number).copied());
        let wrong = match here {
            _ if !lines.more.is_empty() => Wrong::RefundedTwice,
            None => Wrong::RefundedThereOnly,
            Some(here) if here.minor != lines.first.minor => Wrong::RefundAmount,
            Some(_) => continue,
        };
        let refund = Some(format!("{}_{number}", show(*order)));
        exceptions.push(new(wrong, *order, refund, &lines.all().collect::<Vec<_>>(), here));
    }
    for (order, refund, line) in &bill.refunded_by_hand {
        let wrong = Wrong::RefundedThereOnly;
        exceptions.push(new(wrong, *order, Some(refund.clone()), &[line], None));
    }
    for (order, line) in &bill.other_currency {
        exceptions.push(new(Wrong::OtherCurrency, *order, None, &[line], None));
    }
    for (order, payment) in &books.0 {
        let captured = payment.captured.filter(|moved| span.holds_ms(moved.at_ms));
        if let Some(here) = captured.filter(|_| !bill.paid.contains_key(order)) {
            let is_near = span.is_near_its_begin(here.at_ms);
            let missing = new(Wrong::PaidHereOnly, *order, None, &[], Some(here));
            if is_near { &mut near_midnight } else { &mut exceptions }.push(missing);
        }
        for (number, here) in payment.refunds() {
            let is_there = bill.refunded.contains_key(&(*order, *number));
            if is_there || !span.holds_ms(here.at_ms) {
                continue;
            }
            let refund = Some(format!("{}_{number}", show(*order)));
            let is_near = span.is_near_its_begin(here.at_ms);
            let missing = new(Wrong::RefundedHereOnly, *order, refund, &[], Some(*here));
            if is_near { &mut near_midnight } else { &mut exceptions }.push(missing);
        }
    }
    (exceptions, near_midnight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::books::Payment;

    /// Noon of the bill's day, and its first midnight in Beijing.
    const NOON_MS: u64 = 1_770_350_400_000;
    const MIDNIGHT_MS: u64 = 1_770_307_200_000;

    #[test]
    fn a_day_begins_where_its_provider_is() {
        for (of, at_s, day, from_ms) in [
            (BillOf::Alipay, 1_770_307_200, "2026-02-06", MIDNIGHT_MS),
            (BillOf::Wechat, 1_770_307_199, "2026-02-05", MIDNIGHT_MS - 86_400_000),
            (BillOf::Stripe, 1_770_307_200, "2026-02-05", 1_770_249_600_000),
        ] {
            let known = Day::of(of, at_s);
            assert_eq!(known.to_string(), day, "{of:?}");
            let span = known.span(of);
            assert_eq!((span.from_ms, span.until_ms), (from_ms, from_ms + 86_400_000), "{of:?}");
            assert!(span.holds_s(at_s));
            assert!(!span.holds_ms(span.until_ms));
        }
    }

    /// Nothing in the bill, and a payment that was recorded at this time, and given back then.
    #[track_caller]
    fn check(captured_ms: u64, refunded_ms: u64, expected: [&[Wrong]; 2]) {
        let captured = Moved { at_ms: captured_ms, minor: 3_800 };
        let refunded = Moved { at_ms: refunded_ms, minor: 700 };
        let payment = Payment::of(captured, &[(1, refunded)]);
        let books = Books(BTreeMap::from([(OrderNo(7), payment)]));
        let mut bill = Bill::default();
        bill.ends(BillOf::Alipay);
        let span = Day::of(BillOf::Alipay, NOON_MS / 1_000).span(BillOf::Alipay);
        let (exceptions, near) = compare(&bill, &books, &span, &|order| format!("pay_{order}"));
        let wrong = |all: &[Difference]| all.iter().map(|one| one.wrong).collect::<Vec<_>>();
        assert_eq!([wrong(&exceptions), wrong(&near)], expected.map(<[Wrong]>::to_vec));
    }

    #[test]
    fn what_the_bill_of_another_day_may_have_is_no_exception() {
        use Wrong::{PaidHereOnly, RefundedHereOnly};
        let day_ms = 86_400_000;
        check(NOON_MS, NOON_MS, [&[PaidHereOnly, RefundedHereOnly], &[]]);
        check(NOON_MS, NOON_MS + day_ms, [&[PaidHereOnly], &[]]);
        check(NOON_MS - day_ms, NOON_MS, [&[RefundedHereOnly], &[]]);
        check(NOON_MS - day_ms, NOON_MS + day_ms, [&[], &[]]);
        check(MIDNIGHT_MS, NOON_MS, [&[RefundedHereOnly], &[PaidHereOnly]]);
        check(MIDNIGHT_MS - 1, MIDNIGHT_MS + 599_999, [&[], &[RefundedHereOnly]]);
        check(MIDNIGHT_MS + 600_000, NOON_MS, [&[PaidHereOnly, RefundedHereOnly], &[]]);
    }
}
