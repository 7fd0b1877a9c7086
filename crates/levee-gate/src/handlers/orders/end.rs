//! Cancellation, refunds, disputes.

use levee_api::port::{Priority, Reply as Said};
use levee_api::types::{CancelOrder, Command, OrderNo, Outcome, Party, RefundOrder, SettleDispute};
use levee_api::wire::{
    CancelRequest, CancelledBody, DisputeBody, ReasonRequest, RefundBody, RefundRequest,
};

use super::order_in_path;
use super::words::order_now;
use crate::call::{Call, unexpected};
use crate::handlers::outlets::check_brand;
use crate::handlers::vouchers::{pseudonym, reference};
use crate::keys::Role;
use crate::reply::{Answer, Reply};
use crate::trouble::Trouble;

/// `POST /v1/orders/{id}/cancel`
pub(crate) async fn cancel(call: &mut Call) -> Answer {
    let request = call.request_key()?;
    let number = order_in_path(call)?;
    let CancelRequest { user_id, reason } = call.json().await?;
    let is_app = call.key.as_ref().is_some_and(|key| key.role == Role::App);
    let by = match (is_app, user_id) {
        (true, Some(user)) => Party::User(pseudonym(call, &user)),
        (true, None) => {
            return Err(Trouble::field("user_id", "is needed: an app cancels for a user"));
        }
        (false, Some(_)) => {
            return Err(Trouble::field("user_id", "belongs to apps, which cancel for a user"));
        }
        (false, None) => party(call, number).await?,
    };
    if let Party::User(user) = by {
        call.worker.admit_user(Priority::Status, user)?;
    }
    let cancel = CancelOrder { request, order: number, by, reason: reason.into() };
    match call.command(Priority::Status, Command::CancelOrder(Box::new(cancel))).await? {
        Said::Done { seq, outcome: Outcome::OrderChanged(change), repeated, .. } => {
            let order = order_now(&call.worker, number, &change);
            Ok(Reply::json(200, &CancelledBody { order, seq }).repeated(repeated))
        }
        Said::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
}

/// `POST /v1/orders/{id}/refunds`
pub(crate) async fn refund(call: &mut Call) -> Answer {
    let request = call.request_key()?;
    let number = order_in_path(call)?;
    let RefundRequest { amount_minor, reason, reference: text } = call.json().await?;
    if amount_minor == 0 {
        return Err(Trouble::field("amount_minor", "must be at least 1"));
    }
    let refund = RefundOrder {
        request,
        order: number,
        by: party(call, number).await?,
        reference: reference(text.as_str())?,
        amount_minor,
        reason: reason.into(),
    };
    match call.command(Priority::Status, Command::RefundOrder(Box::new(refund))).await? {
        Said::Done { seq, outcome: Outcome::OrderChanged(change), repeated, .. } => {
            let order = order_now(&call.worker, number, &change);
            let body = RefundBody { order, amount_minor, reference: text.into(), seq };
            Ok(Reply::json(201, &body).repeated(repeated))
        }
        Said::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
}

/// `POST /v1/orders/{id}/settle-dispute`
pub(crate) async fn settle_dispute(call: &mut Call) -> Answer {
    let request = call.request_key()?;
    let number = order_in_path(call)?;
    let ReasonRequest { reason } = call.json().await?;
    let settle = SettleDispute { request, order: number, reason: reason.into() };
    match call.command(Priority::Status, Command::SettleDispute(Box::new(settle))).await? {
        Said::Done { seq, outcome: Outcome::DisputeSettled, repeated, .. } => {
            let order = call.worker.hub.ports.codes.order(number);
            let body = DisputeBody { order, disputed: false, seq };
            Ok(Reply::json(200, &body).repeated(repeated))
        }
        Said::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
}

/// Who acts, where it is no app: an operator, or the outlet that makes the order, if the key is for
/// its brand. That it still is this outlet's when the engine decides, the engine checks.
async fn party(call: &Call, number: OrderNo) -> Result<Party, Trouble> {
    if call.key.as_ref().is_none_or(|key| key.role != Role::Outlet) {
        return Ok(Party::Operator);
    }
    let view = call.worker.order_view(Priority::Status, number).await?;
    let listing = call.worker.outlet_numbered(Priority::Status, view.outlet).await?;
    check_brand(call, &listing.brand)?;
    Ok(Party::Outlet(view.outlet))
}
