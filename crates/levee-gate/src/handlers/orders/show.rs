//! An order, a user's orders, a payment.

use levee_api::port::{Answer as EngineAnswer, OrderView, Priority, Query};
use levee_api::problem::Code;
use levee_api::types::{OrderNo, UserKey};
use levee_api::wire::{OrderBody, Page, PaymentBody};

use super::words::{order_body, payment_ref};
use super::{check_user, order_seen, sees_codes, user_if_app};
use crate::call::{Call, unexpected};
use crate::handlers::next_of_page;
use crate::handlers::vouchers::{forged, user_in_header};
use crate::reply::{Answer, Reply};
use crate::trouble::Trouble;

/// `GET /v1/orders/{id}`
pub(crate) async fn get(call: &mut Call) -> Answer {
    let view = order_seen(call).await?;
    Ok(Reply::json(200, &order_body(&call.worker, &view, sees_codes(call)).await?))
}

/// `GET /v1/orders`
pub(crate) async fn list(call: &mut Call) -> Answer {
    let user = user_in_header(call)?;
    let (limit, after) = call.page()?;
    call.worker.admit_user(Priority::Browse, user)?;
    let codes = &call.worker.hub.ports.codes;
    let cursor =
        |id: &str| codes.parse_order(id).ok_or_else(|| Trouble::field("after", "is no order id"));
    let before = after.as_deref().map(cursor).transpose()?;
    let views = orders_of(call, user, before, limit).await?;
    let last = views.last().map(|view| view.number);
    let next = next_of_page(views.len(), limit, last, async |last| {
        let more = orders_of(call, user, Some(last), 1).await?;
        Ok((!more.is_empty()).then(|| codes.order(last)))
    })
    .await?;
    let mut items = Vec::with_capacity(views.len());
    for view in &views {
        items.push(order_body(&call.worker, view, true).await?);
    }
    Ok(Reply::json(200, &Page::<OrderBody> { items, next }))
}

async fn orders_of(
    call: &Call,
    user: UserKey,
    before: Option<OrderNo>,
    limit: u32,
) -> Result<Vec<OrderView>, Trouble> {
    match call.query(Priority::Browse, Query::Orders { user, before, limit }).await? {
        EngineAnswer::Orders(views) => Ok(views),
        other => Err(unexpected(&other)),
    }
}

/// `GET /v1/payments/{id}`
pub(crate) async fn payment(call: &mut Call) -> Answer {
    let codes = &call.worker.hub.ports.codes;
    let number = codes.parse_payment(call.param());
    let number = number.ok_or_else(|| forged(call, Code::PaymentNotFound))?;
    let user = user_if_app(call)?;
    let not_found = || Trouble::new(Code::PaymentNotFound);
    let view = match call.query(Priority::Status, Query::Order(number)).await? {
        EngineAnswer::Order(view) => view.ok_or_else(not_found)?,
        other => return Err(unexpected(&other)),
    };
    check_user(user, &view)?;
    let payment = payment_ref(&call.worker, &view, sees_codes(call)).ok_or_else(not_found)?;
    let body = PaymentBody {
        id: payment.id,
        order: codes.order(number),
        provider: payment.provider,
        state: payment.state,
        pay_url: payment.pay_url,
        client_secret: payment.client_secret,
        amount_minor: view.payable_minor,
        captured_minor: view.captured_minor,
        refund_asked_minor: view.refund_asked_minor,
        refunded_minor: view.refunded_minor,
        disputed: view.disputed,
    };
    Ok(Reply::json(200, &body))
}
