//! For those who watch: health and readiness.

use bytes::Bytes;
use levee_api::vitals::Phase;
use levee_api::wire::ReadyBody;
use std::sync::atomic::Ordering::Relaxed;

use crate::call::Call;
use crate::reply::{JSON, Reply};

/// `GET /healthz`: the process lives.
pub(crate) fn health() -> Reply {
    Reply::bytes(200, JSON, Bytes::from_static(b"{\"alive\":true}"))
}

/// `GET /readyz`: commands are taken.
pub(crate) fn ready(call: &Call) -> Reply {
    let hub = &call.worker.hub;
    let vitals = hub.ports.submit.vitals();
    let phase = vitals.phase();
    let ready = phase == Phase::Ready && !hub.draining.load(Relaxed);
    let name = match phase {
        Phase::Recovering => "recovering",
        Phase::Ready => "ready",
        Phase::Stopping => "stopping",
        Phase::Failed => "failed",
    };
    let body = ReadyBody {
        ready,
        phase: name.to_owned(),
        replayed: vitals.replayed.load(Relaxed),
        durable_seq: vitals.durable_seq.load(Relaxed),
    };
    Reply::json(if ready { 200 } else { 503 }, &body)
}
