//! What an outlet is due for one day.

use std::iter::Sum;

use levee_api::port::{Answer as EngineAnswer, LIST_MAX, OrderView, Priority, Query};
use levee_api::time::day_ms;
use levee_api::types::{OrderNo, OrderState, OutletNo};
use levee_api::wire::{StatementBody, StatementCounts, StatementLine, StatementSums, order_state};

use std::ops::Range;

use crate::call::{Call, PAGE_DEFAULT, number_within, unexpected};
use crate::handlers::orders::instant;
use crate::handlers::outlets::{document_of, own_listing};
use crate::reply::{Answer, Reply};
use crate::trouble::Trouble;

/// Most orders of one statement: what the largest kitchen makes in a day, several times over. Totals
/// of a part would be worse than none.
const ORDERS_MAX: usize = 20_000;

/// `GET /v1/outlets/{id}/statement`
pub(crate) async fn get(call: &mut Call) -> Answer {
    let listing = own_listing(call).await?;
    let mut queries = call.queries()?;
    let day = queries.take("day").ok_or_else(|| Trouble::field("day", "is needed"))?;
    let limit = number_within("limit", queries.take("limit").as_deref(), PAGE_DEFAULT, LIST_MAX)?;
    let codes = &call.worker.hub.ports.codes;
    let cursor = |id: String| {
        codes.parse_order(&id).ok_or_else(|| Trouble::field("after", "is no order id"))
    };
    let before = queries.take("after").map(cursor).transpose()?;
    let view = call.worker.outlet_view_numbered(Priority::Browse, listing.number).await?;
    let time_zone = document_of(&view)?.time_zone;
    let placed = day_ms(&time_zone, &day).map_err(|detail| Trouble::field("day", detail))?;

    let views = orders_placed(call, listing.number, &placed).await?;
    let later = before.map_or(0, |before| views.partition_point(|view| view.number >= before));
    let page: Vec<&OrderView> = views[later..].iter().take(limit as usize).collect();
    let has_more = later + page.len() < views.len();
    let next = page.last().filter(|_| has_more).map(|view| codes.order(view.number));
    let line = |view: &OrderView| StatementLine {
        order: codes.order(view.number),
        placed_at: instant(view.placed_at_ms),
        state: order_state(view.state),
        end: view.end.map(|end| end.name().to_owned()),
        sums: Sums::of(view).body(),
    };
    let body = StatementBody {
        outlet_id: listing.id.to_string(),
        day,
        time_zone,
        from: instant(placed.start),
        until: instant(placed.end),
        orders: counts(&views),
        totals: views.iter().map(Sums::of).sum::<Sums>().body(),
        items: page.into_iter().map(line).collect(),
        next,
    };
    Ok(Reply::json(200, &body))
}

/// All orders of the outlet that were placed within this time, newest first.
async fn orders_placed(
    call: &Call,
    outlet: OutletNo,
    placed: &Range<u64>,
) -> Result<Vec<OrderView>, Trouble> {
    let mut views: Vec<OrderView> = Vec::new();
    loop {
        let before: Option<OrderNo> = views.last().map(|view| view.number);
        let (from_ms, until_ms) = (placed.start, placed.end);
        let query = Query::Statement { outlet, from_ms, until_ms, before, limit: LIST_MAX };
        let page = match call.query(Priority::Browse, query).await? {
            EngineAnswer::Orders(page) => page,
            other => return Err(unexpected(&other)),
        };
        let is_last = page.len() < LIST_MAX as usize;
        views.extend(page);
        if is_last {
            return Ok(views);
        }
        if views.len() >= ORDERS_MAX {
            let detail = format!("The day has over {ORDERS_MAX} orders: a statement has fewer.");
            return Err(Trouble::field("day", detail));
        }
    }
}

fn counts(views: &[OrderView]) -> StatementCounts {
    let count =
        |is_so: fn(&OrderView) -> bool| views.iter().filter(|view| is_so(view)).count() as u64;
    StatementCounts {
        placed: views.len() as u64,
        awaiting_payment: count(|view| view.state == OrderState::AwaitingPayment),
        open: count(|view| view.state.is_open()),
        collected: count(|view| view.state == OrderState::Collected),
        ended: count(|view| view.end.is_some()),
    }
}

/// One order's money, or the sum of many; in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    gross_minor: u64,
    merchant_discount_minor: u64,
    subsidy_minor: u64,
    captured_minor: u64,
    refund_minor: u64,
    adjusted_minor: u64,
    compensation_minor: u64,
}

impl Sums {
    /// Prices and subsidy count for what was paid and did not end; what users paid counts in any
    /// case, and what is given back of it, too.
    fn of(view: &OrderView) -> Self {
        let has_ended = view.end.is_some();
        let counts = !has_ended && view.state != OrderState::AwaitingPayment;
        let if_counts = |minor: u64| if counts { minor } else { 0 };
        let asked_minor = view.refund_asked_minor;
        Self {
            gross_minor: if_counts(view.total_minor),
            merchant_discount_minor: if_counts(view.merchant_discount_minor),
            subsidy_minor: if_counts(view.subsidy_minor.into()),
            captured_minor: view.captured_minor,
            refund_minor: if has_ended { asked_minor } else { 0 },
            adjusted_minor: if has_ended { 0 } else { asked_minor },
            compensation_minor: view.outlet_paid_minor,
        }
    }

    fn body(&self) -> StatementSums {
        // Bills are below 2^48, and a statement has some thousands of them.
        let signed = |minor: u64| i64::try_from(minor).expect("far below 2^63");
        let due_minor = self.subsidy_minor + self.captured_minor + self.compensation_minor;
        StatementSums {
            gross_minor: self.gross_minor,
            merchant_discount_minor: self.merchant_discount_minor,
            subsidy_minor: self.subsidy_minor,
            captured_minor: self.captured_minor,
            refund_minor: self.refund_minor,
            adjustment_minor: -signed(self.adjusted_minor),
            compensation_minor: self.compensation_minor,
            net_due_minor: signed(due_minor)
                - signed(self.refund_minor)
                - signed(self.adjusted_minor),
        }
    }
}

impl Sum for Sums {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            gross_minor: sum.gross_minor + one.gross_minor,
            merchant_discount_minor: sum.merchant_discount_minor + one.merchant_discount_minor,
            subsidy_minor: sum.subsidy_minor + one.subsidy_minor,
            captured_minor: sum.captured_minor + one.captured_minor,
            refund_minor: sum.refund_minor + one.refund_minor,
            adjusted_minor: sum.adjusted_minor + one.adjusted_minor,
            compensation_minor: sum.compensation_minor + one.compensation_minor,
        })
    }
}
