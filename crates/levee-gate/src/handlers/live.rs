//! What the installation does, as it does it.

use std::sync::atomic::Ordering::Relaxed;

use levee_api::port::Failure;
use levee_api::problem::Code;

use crate::call::Call;
use crate::handlers::follow::EVENTS;
use crate::reply::{Answer, Reply};
use crate::trouble::Trouble;

/// `GET /v1/live`
pub(crate) fn listen(call: &Call) -> Answer {
    let hub = &call.worker.hub;
    if hub.draining.load(Relaxed) {
        return Err(Failure::Stopping.into());
    }
    let Some(listener) = hub.live.listen() else {
        let detail = "As many listen as this gate takes.";
        return Err(Trouble::new(Code::Overloaded).with_detail(detail));
    };
    Ok(Reply::stream(EVENTS, listener.events(&call.worker, call.key.clone())))
}
