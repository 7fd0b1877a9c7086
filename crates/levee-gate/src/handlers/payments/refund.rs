//! What providers say of refunds. It comes before or after the connector's own answer, and again.

use levee_api::port::{Answer as Found, Priority, Query, Reply as Said};
use levee_api::problem::Code;
use levee_api::types::{
    Action, Command, NameHash, OrderNo, Outcome, RecordRefund, RefundResult, Refusal,
};
use levee_pay::{Money, Notification, State};

use crate::call::{Call, unexpected};
use crate::config::Wire;
use crate::reply::{Answer, Reply};
use crate::trouble::Trouble;

pub(super) async fn take(
    call: &Call,
    wire: &Wire,
    read: &Notification,
    (order, refund): (OrderNo, u32),
    success: Reply,
) -> Answer {
    let result = match read.state {
        State::Refunded => RefundResult::Done,
        State::Failed => RefundResult::Failed,
        // It is on its way; whoever has sent it asks on.
        _ => return Ok(success),
    };
    check(call, wire, read, (order, refund)).await?;
    let record = RecordRefund { order, refund, result };
    match call.command(Priority::Callback, Command::RecordRefund(record)).await? {
        Said::Done { repeated, outcome, .. } => {
            let occurred_ms = read.occurred_s.map(|at_s| at_s.saturating_mul(1_000));
            super::count_lag(call, occurred_ms.filter(|_| !repeated));
            // It was said to have gone the other way before: somebody must look.
            if outcome == Outcome::PaymentDisputed && !repeated {
                call.worker.lane().stats.disputed.add(1);
                let payment = &read.out_trade_no;
                tracing::warn!(
                    provider = wire.name,
                    payment,
                    refund,
                    ?result,
                    "a refund is disputed"
                );
            }
            Ok(success.repeated(repeated))
        }
        Said::Refused(Refusal::OrderNotFound) => Err(Trouble::new(Code::PaymentNotFound)),
        Said::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
}

/// The number that connectors have made a refund's number of; none where it is not of this order.
pub(super) fn number(call: &Call, order: OrderNo, out_refund_no: &str) -> Option<u32> {
    let (payment, refund) = out_refund_no.rsplit_once('_')?;
    let number = refund.parse().ok().filter(|number: &u32| number.to_string() == refund)?;
    let codes = &call.worker.hub.ports.codes;
    (codes.parse_payment(payment) == Some(order)).then_some(number)
}

/// A refund that is under way has the amount of which the notification speaks, and is this
/// provider's. Of one that is over the rules know the answer.
async fn check(
    call: &Call,
    wire: &Wire,
    read: &Notification,
    (order, number): (OrderNo, u32),
) -> Result<(), Trouble> {
    let view = match call.query(Priority::Callback, Query::Order(order)).await? {
        Found::Order(view) => view.ok_or_else(|| Trouble::new(Code::PaymentNotFound))?,
        other => return Err(unexpected(&other)),
    };
    let is_here = view.trade.is_some_and(|(name, _)| name == NameHash::of(&wire.name));
    if !is_here {
        let detail = format!("{} was not paid at {}.", read.out_trade_no, wire.name);
        return Err(conflict(call, wire, detail));
    }
    let under_way = view.actions.iter().find_map(|action| match action {
        Action::Refund { refund, amount_minor, .. } if *refund == number => Some(*amount_minor),
        _ => None,
    });
    let Some(amount_minor) = under_way else { return Ok(()) };
    let before_minor = if read.is_sum { view.refunded_minor } else { 0 };
    let amount_minor = amount_minor + before_minor;
    if read.money == (Money { amount_minor, currency: wire.currency }) {
        return Ok(());
    }
    let detail = format!(
        "Refund {number} of {} is over {amount_minor} {}, not {} {}.",
        read.out_trade_no, wire.currency, read.money.amount_minor, read.money.currency
    );
    Err(conflict(call, wire, detail))
}

fn conflict(call: &Call, wire: &Wire, detail: String) -> Trouble {
    call.worker.lane().stats.conflicting.add(1);
    tracing::warn!(provider = wire.name, detail, "a refund is not taken as it is said to be");
    Trouble::new(Code::TradeConflict).with_detail(detail)
}
