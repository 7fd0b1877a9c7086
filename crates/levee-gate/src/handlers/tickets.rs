//! Tickets: what outlets do with them, and what an outlet has to make.

use std::sync::Arc;

use levee_api::outlet::ItemDocument;
use levee_api::port::{
    Answer as EngineAnswer, OrderView, OutletView, Priority, Query, Reply as Said,
};
use levee_api::problem::Code;
use levee_api::strict::parse;
use levee_api::types::{
    Command, MoveTicket, OrderLine, OrderNo, OrderState, Outcome, OutletId, OutletNo, Refusal,
    TicketStep,
};
use levee_api::wire::{
    Page, TicketBody, TicketLineBody, TicketNow, TicketStepBody, TicketStepRequest, Units,
    order_state,
};

use crate::call::{Call, unexpected};
use crate::handlers::next_of_page;
use crate::handlers::orders::instant;
use crate::handlers::outlets::{check_brand, document_of, own_listing};
use crate::handlers::vouchers::forged;
use crate::outlets::Listing;
use crate::reply::{Answer, Reply};
use crate::routes::Handler;
use crate::signed::{LEVEE_OUTLET, check_signature, unsigned};
use crate::trouble::Trouble;
use crate::worker::Worker;

/// `POST /v1/tickets/{id}/accept`, `/reject`, `/start`, `/ready` and `/collect`
pub(crate) async fn step(call: &mut Call, handler: Handler) -> Answer {
    let raw = call.bytes().await?;
    let signer = match call.key {
        Some(_) => None,
        None => Some(signer(call, &raw).await?),
    };
    let body: TicketStepRequest = parse(&raw)?;
    let listing = acts_for(call, signer, &body.outlet_id).await?;
    let codes = &call.worker.hub.ports.codes;
    let order = codes.parse_ticket(call.param());
    let order = order.ok_or_else(|| forged(call, Code::TicketNotFound))?;
    let step = match handler {
        Handler::AcceptTicket => TicketStep::Accept,
        Handler::RejectTicket => TicketStep::Reject,
        Handler::StartTicket => TicketStep::Start,
        Handler::FinishTicket => TicketStep::Ready,
        _ => TicketStep::Collect,
    };
    if let Some(reason) = &body.reason {
        let ticket = codes.ticket(order);
        tracing::info!(%ticket, outlet = %listing.id, ?step, reason = reason.as_str(), "a ticket");
    }
    let ask = MoveTicket { order, outlet: listing.number, version: body.version, step };
    let (state, version, seq, repeated) =
        match call.command(Priority::Callback, Command::MoveTicket(ask)).await? {
            Said::Done { seq, outcome: Outcome::OrderChanged(change), repeated, .. } => {
                (change.state, change.version, seq, repeated)
            }
            // Another outlet makes it; for this one it is over.
            Said::Done { seq, outcome: Outcome::OrderMoved(moved), repeated, .. } => {
                (OrderState::Rejected, moved.version, seq, repeated)
            }
            Said::Refused(refusal) => {
                return Err(refused(call, order, listing.number, refusal).await);
            }
            other => return Err(unexpected(&other)),
        };
    let ticket = TicketNow { id: codes.ticket(order), state: order_state(state), version };
    Ok(Reply::json(200, &TicketStepBody { ticket, seq }).repeated(repeated))
}

/// The outlet whose signature it is. Who is not known is told no more than who signs wrongly.
async fn signer(call: &Call, body: &[u8]) -> Result<Arc<Listing>, Trouble> {
    let unnamed = || unsigned("The header Levee-Outlet must name the outlet that signs.");
    let id = call.header(&LEVEE_OUTLET)?.and_then(|value| str::from_utf8(value).ok());
    let id = id.and_then(OutletId::new).ok_or_else(unnamed)?;
    let outlets = call.worker.outlets();
    let listing = match outlets.by_id(id.as_str()) {
        Some(listing) => Some(listing),
        // Whoever guesses ids of outlets must not keep the engine busy.
        None if outlets.is_filled() => None,
        None => call.worker.outlet(&id).await.ok(),
    };
    let unknown = || unsigned("It is not taken, since webhook-signature does not match.");
    let listing = listing.ok_or_else(unknown)?;
    let secret = match &listing.secret {
        Some(secret) => Some(secret.webhook()),
        None => call.worker.hub.config.signers.sandbox_outlets.clone(),
    };
    check_signature(call, &secret.ok_or_else(unknown)?, body)?;
    Ok(listing)
}

/// The outlet that a step is of, if whoever asks may speak for it.
async fn acts_for(
    call: &Call,
    signer: Option<Arc<Listing>>,
    outlet_id: &str,
) -> Result<Arc<Listing>, Trouble> {
    if let Some(signer) = signer {
        if signer.id.as_str() != outlet_id {
            return Err(Trouble::field("outlet_id", "must be the outlet in Levee-Outlet"));
        }
        return Ok(signer);
    }
    let id = OutletId::new(outlet_id).ok_or_else(|| Trouble::new(Code::OutletNotFound))?;
    let listing = call.worker.outlet(&id).await?;
    check_brand(call, &listing.brand)?;
    Ok(listing)
}

/// Why a step is refused. A ticket that was taken away from this outlet has another version by now,
/// as has one that was cancelled: the outlet drops both.
async fn refused(call: &Call, order: OrderNo, outlet: OutletNo, refusal: Refusal) -> Trouble {
    match refusal {
        Refusal::OrderNotFound => Trouble::new(Code::TicketNotFound),
        Refusal::OrderOfAnotherOutlet => {
            match call.worker.order_view(Priority::Callback, order).await {
                Ok(view) if view.moved_from == Some(outlet) => {
                    let detail = "Another outlet makes it now.";
                    Trouble::new(Code::TicketVersionConflict).with_detail(detail)
                }
                _ => refusal.into(),
            }
        }
        _ => refusal.into(),
    }
}

/// `GET /v1/outlets/{id}/tickets`
pub(crate) async fn list(call: &mut Call) -> Answer {
    let outlet = own_listing(call).await?.number;
    let (limit, after) = call.page()?;
    let codes = &call.worker.hub.ports.codes;
    let cursor =
        |id: &str| codes.parse_ticket(id).ok_or_else(|| Trouble::field("after", "is no ticket id"));
    let after = after.as_deref().map(cursor).transpose()?;
    let worker = &call.worker;
    let views = worker.open_orders(outlet, after, limit).await?;
    let last = views.last().map(|view| view.number);
    let next = next_of_page(views.len(), limit, last, async |last| {
        let more = worker.open_orders(outlet, Some(last), 1).await?;
        Ok((!more.is_empty()).then(|| codes.ticket(last)))
    })
    .await?;
    let items = worker.ticket_bodies(outlet, &views).await?;
    Ok(Reply::json(200, &Page::<TicketBody> { items, next }))
}

impl Worker {
    /// What an outlet has to make, oldest first.
    pub(crate) async fn open_orders(
        &self,
        outlet: OutletNo,
        after: Option<OrderNo>,
        limit: u32,
    ) -> Result<Vec<OrderView>, Trouble> {
        let query = Query::OpenOrders { outlet, after, limit };
        match self.query(Priority::Callback, query).await? {
            EngineAnswer::Orders(views) => Ok(views),
            other => Err(unexpected(&other)),
        }
    }

    /// Tickets of an outlet as replies have them, with the names of the menus by which they were
    /// ordered.
    pub(crate) async fn ticket_bodies(
        &self,
        outlet: OutletNo,
        views: &[OrderView],
    ) -> Result<Vec<TicketBody>, Trouble> {
        if views.is_empty() {
            return Ok(Vec::new());
        }
        let outlet: Box<OutletView> = self.outlet_view_numbered(Priority::Callback, outlet).await?;
        let menu = document_of(&outlet)?.menu;
        let mut bodies = Vec::with_capacity(views.len());
        for view in views {
            let is_latest = view.outlet_version == Some(outlet.version);
            bodies.push(if view.moved_from.is_none() && is_latest {
                ticket_body(self, view, &menu)
            } else {
                let earlier = self.document_of(Priority::Callback, view.number).await?;
                ticket_body(self, view, &earlier.menu)
            });
        }
        Ok(bodies)
    }
}

fn ticket_body(worker: &Worker, view: &OrderView, menu: &[ItemDocument]) -> TicketBody {
    let codes = &worker.hub.ports.codes;
    TicketBody {
        id: codes.ticket(view.number),
        version: view.version,
        state: order_state(view.state),
        order: codes.order(view.number),
        items: view.lines.iter().map(|line| line_body(line, menu)).collect(),
        units: Units::of_thousandths(view.work).expect("any number"),
        placed_at: instant(view.placed_at_ms),
        ready_at: instant(view.promised_at_ms),
        courier_at: view.courier_at_ms.map(instant),
        accept_by: view.due_ms.filter(|_| view.state < OrderState::Accepted).map(instant),
    }
}

fn line_body(line: &OrderLine, menu: &[ItemDocument]) -> TicketLineBody {
    let item = menu.get(usize::from(line.item));
    TicketLineBody {
        sku: item.map(|item| item.sku.as_str().to_owned()),
        name: item.map(|item| item.name.clone()),
        quantity: line.quantity,
    }
}
