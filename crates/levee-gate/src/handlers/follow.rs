//! Streams of one order, and of what one outlet has to make.

use std::sync::atomic::Ordering::Relaxed;

use hyper::header::HeaderValue;
use levee_api::port::Failure;

use crate::call::Call;
use crate::follow::{Seen, Topic};
use crate::handlers::orders::{order_seen, sees_codes};
use crate::handlers::outlets::own_listing;
use crate::reply::{Answer, Reply};

pub(super) const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");

/// `GET /v1/orders/{id}/events`
pub(crate) async fn order(call: &mut Call) -> Answer {
    let view = order_seen(call).await?;
    let topic = Topic::Order { number: view.number, with_codes: sees_codes(call) };
    let seen = Seen::of_order(&call.worker, &view, sees_codes(call)).await?;
    listen(call, topic, seen)
}

/// `GET /v1/outlets/{id}/tickets/events`
pub(crate) async fn tickets(call: &mut Call) -> Answer {
    let outlet = own_listing(call).await?.number;
    let seen = Seen::of_tickets(&call.worker, outlet).await?;
    listen(call, Topic::Tickets(outlet), seen)
}

fn listen(call: &Call, topic: Topic, seen: Seen) -> Answer {
    if call.worker.hub.draining.load(Relaxed) {
        return Err(Failure::Stopping.into());
    }
    Ok(Reply::stream(EVENTS, call.worker.follow.listen(topic, seen, call.key.clone())?))
}
