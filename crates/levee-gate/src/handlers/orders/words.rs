//! Orders as replies have them.

use levee_api::outlet::Fulfilment;
use levee_api::port::{Answer as EngineAnswer, OrderView, PayBy, Priority, Query};
use levee_api::time::Instant;
use levee_api::types::{NameHash, OrderChange, OrderNo, OrderState, PaymentState};
use levee_api::wire::{
    CompensationBody, OrderBody, OrderNow, PaymentRef, TicketRef, order_state, voucher_state,
};

use super::cart::line_bodies;
use crate::call::unexpected;
use crate::trouble::Trouble;
use crate::worker::Worker;

/// An instant, from milliseconds since 1970.
pub(crate) fn instant(ms: u64) -> Instant {
    Instant { ms }
}

/// An order as it is. Codes of vouchers are for those who may use them.
pub(crate) async fn order_body(
    worker: &Worker,
    view: &OrderView,
    with_codes: bool,
) -> Result<OrderBody, Trouble> {
    let codes = &worker.hub.ports.codes;
    let listing = worker.outlet_numbered(Priority::Status, view.outlet).await?;
    let menu = worker.menu_of(Priority::Status, view).await?;
    let moved_from = match view.moved_from {
        Some(left) => Some(worker.outlet_numbered(Priority::Status, left).await?.id.to_string()),
        None => None,
    };
    let voucher_code = view.voucher.filter(|_| with_codes).map(|number| codes.voucher(number));
    let [accepted_at, started_at, made_at, collected_at] =
        view.stages_at_ms.map(|ms| ms.map(instant));
    Ok(OrderBody {
        id: codes.order(view.number),
        state: order_state(view.state),
        end: view.end.map(|end| end.name().to_owned()),
        outlet_id: listing.id.to_string(),
        items: line_bodies(&view.lines, &menu),
        fulfilment: way_of(view),
        total_minor: view.total_minor,
        merchant_discount_minor: view.merchant_discount_minor,
        discount_minor: view.subsidy_minor.into(),
        payable_minor: view.payable_minor,
        captured_minor: view.captured_minor,
        refunded_minor: view.refunded_minor,
        payment: payment_ref(worker, view, with_codes),
        voucher_code,
        placed_at: instant(view.placed_at_ms),
        ready_at: instant(view.promised_at_ms),
        courier_at: view.courier_at_ms.map(instant),
        due_at: view.due_ms.map(instant),
        accepted_at,
        started_at,
        made_at,
        collected_at,
        ticket: ticket_ref(worker, view.number, view.version),
        moved_from,
        disputed: view.disputed,
        compensation: compensation(worker, view, with_codes).await?,
    })
}

/// How an order leaves its outlet: a courier is called for what leaves with one, and for nothing else.
pub(super) fn way_of(view: &OrderView) -> Fulfilment {
    if view.courier_at_ms.is_some() { Fulfilment::Delivery } else { Fulfilment::Pickup }
}

/// `None` where nothing is to be paid. Secrets are for those who may see codes.
pub(super) fn payment_ref(
    worker: &Worker,
    view: &OrderView,
    with_secrets: bool,
) -> Option<PaymentRef> {
    let state = view.payment?;
    let id = worker.hub.ports.codes.payment(view.number);
    let provider = provider_of(worker, view);
    // There is a way to pay once the provider has said that it knows the payment.
    let may_pay =
        matches!(state, PaymentState::Created | PaymentState::Pending | PaymentState::Failed)
            && view.trade.is_some();
    let page = provider.and_then(|(_, url)| url).map(|url| format!("{url}/payments/{id}/pay"));
    let (pay_url, client_secret) = match view.pay_by.clone().filter(|_| may_pay) {
        Some(PayBy::Link(link)) => (Some(link), None),
        Some(PayBy::ClientSecret(secret)) => (None, Some(secret).filter(|_| with_secrets)),
        None => (page.filter(|_| may_pay), None),
    };
    Some(PaymentRef {
        pay_url,
        client_secret,
        id,
        provider: provider.map(|(name, _)| name.to_owned()),
        state: state.name().to_owned(),
    })
}

/// Where an order is paid: at the provider that has spoken of it, or at the one for new orders. Its
/// name and, if pages for payments are known there, its address.
fn provider_of<'w>(worker: &'w Worker, view: &OrderView) -> Option<(&'w str, Option<&'w str>)> {
    let signers = &worker.hub.config.signers;
    let with_pages = signers.providers.iter().map(|one| (one.name.as_str(), Some(&*one.url)));
    let mut all = with_pages.chain(signers.wires.iter().map(|wire| (wire.name.as_str(), None)));
    match view.trade {
        Some((name, _)) => all.find(|(known, _)| NameHash::of(known) == name),
        None => all.find(|(known, _)| Some(*known) == signers.new_orders.as_deref()),
    }
}

fn ticket_ref(worker: &Worker, number: OrderNo, version: u32) -> Option<TicketRef> {
    let id = || worker.hub.ports.codes.ticket(number);
    (version > 0).then(|| TicketRef { id: id(), version })
}

async fn compensation(
    worker: &Worker,
    view: &OrderView,
    with_codes: bool,
) -> Result<Option<CompensationBody>, Trouble> {
    let Some(voucher) = view.apology else { return Ok(None) };
    let face_minor = match worker.query(Priority::Status, Query::Voucher(voucher)).await? {
        EngineAnswer::Voucher(Some(view)) => view.face_minor,
        other => return Err(unexpected(&other)),
    };
    let code = with_codes.then(|| worker.hub.ports.codes.voucher(voucher));
    Ok(Some(CompensationBody { voucher_code: code, face_minor }))
}

/// What became of an order, from the outcome alone.
pub(super) fn order_now(worker: &Worker, number: OrderNo, change: &OrderChange) -> OrderNow {
    OrderNow {
        id: worker.hub.ports.codes.order(number),
        state: order_state(change.state),
        payment_state: change.payment.map(|state| state.name().to_owned()),
        ticket_version: (change.version > 0).then_some(change.version),
        voucher_state: change.voucher.map(voucher_state),
    }
}

/// Whether nothing more is to become of an order, save refunds that somebody asks for later. A
/// payment whose end is not known may still succeed, and be given back.
pub(crate) fn is_over(view: &OrderView) -> bool {
    use OrderState::{Cancelled, Collected, Expired, Refunded, Rejected};
    let is_end = matches!(view.state, Collected | Expired | Cancelled | Rejected | Refunded);
    let is_settled = !matches!(view.payment, Some(PaymentState::Unknown | PaymentState::Refunding));
    is_end && is_settled
}
