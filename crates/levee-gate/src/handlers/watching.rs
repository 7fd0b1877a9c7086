//! For those who watch: health, readiness, numbers, and the interface's own description.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{
    ACCEPT, ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue,
    X_CONTENT_TYPE_OPTIONS,
};
use levee_api::pass::Pass;
use levee_api::port::{Answer as EngineAnswer, CampaignView, LIST_MAX, Priority, Query};
use levee_api::problem::Code;
use levee_api::vitals::Phase;
use levee_api::wire::{ReadyBody, RecoveryProgress};
use tokio::time::{Instant, timeout};

use crate::admission::{html, standing};
use crate::call::Call;
use crate::keys::Role;
use crate::metrics;
use crate::reply::{Answer, JSON, Reply};
use crate::serve;
use crate::trouble::Trouble;
use crate::worker::Worker;

/// How old the campaigns' part of the metrics may be.
const MONEY_AGE_MAX: Duration = Duration::from_secs(1);

/// How long the metrics wait for it; then the last one is shown again.
const MONEY_WAIT_MAX: Duration = Duration::from_secs(1);

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const METRICS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

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
    let body = ReadyBody {
        ready,
        phase: metrics::phase_name(phase).to_owned(),
        progress: RecoveryProgress {
            restored_bytes: vitals.restored_bytes.load(Relaxed),
            restore_bytes: vitals.restore_bytes.load(Relaxed),
            replayed: vitals.replayed.load(Relaxed),
        },
        durable_seq: vitals.durable_seq.load(Relaxed),
    };
    Reply::json(if ready { 200 } else { 503 }, &body)
}

/// `GET /metrics`
pub(crate) async fn metrics(call: &Call) -> Reply {
    let worker = &call.worker;
    let mut text = metrics::engine(worker.hub.ports.submit.vitals());
    text += &metrics::gate(&worker.hub.lanes);
    text += &metrics::intake(worker.hub.ports.submit.intake());
    // How it runs is for every scraper; whose money is where is not.
    let may_see = [Role::Operator, Role::Viewer];
    if serve::authenticate(call).is_ok_and(|key| may_see.contains(&key.role)) {
        text += &money(worker).await;
    }
    Reply::bytes(200, METRICS, text.into())
}

async fn money(worker: &Worker) -> String {
    let cache = &worker.money;
    let fresh = cache.read_at.get().is_some_and(|at| at.elapsed() < MONEY_AGE_MAX);
    if !fresh && worker.hub.ports.submit.vitals().phase() == Phase::Ready {
        // Also when it fails: an engine in trouble is not asked once a scrape.
        cache.read_at.set(Some(Instant::now()));
        let query = Query::Campaigns { after: None, limit: LIST_MAX };
        let answer = timeout(MONEY_WAIT_MAX, worker.query(Priority::Browse, query)).await;
        if let Ok(Ok(EngineAnswer::Campaigns(views))) = answer {
            let shown = views.iter().filter(|view: &&CampaignView| view.money.funded_minor > 0);
            *cache.text.borrow_mut() = metrics::campaigns(shown.take(metrics::CAMPAIGNS_SHOWN_MAX));
        }
    }
    cache.text.borrow().clone()
}

/// `GET /wait/{pass}`
pub(crate) fn wait(call: &Call) -> Answer {
    let pass = Pass::peek(call.param()).ok_or_else(|| Trouble::new(Code::PassNotFound))?;
    let intake = call.worker.hub.ports.submit.intake();
    let body = standing(intake, &call.worker.door.places, &pass);
    if text(call, &ACCEPT)?.contains("application/json") {
        return Ok(Reply::json(200, &body));
    }
    let languages = text(call, &ACCEPT_LANGUAGE)?;
    Ok(page(html(&body, languages).into()))
}

/// A header that may be left out, or be anything.
fn text<'c>(call: &'c Call, name: &HeaderName) -> Result<&'c str, Trouble> {
    Ok(str::from_utf8(call.header(name)?.unwrap_or_default()).unwrap_or_default())
}

/// `GET /openapi.json`
pub(crate) fn openapi(call: &Call) -> Reply {
    Reply::bytes(200, JSON, call.worker.hub.openapi.clone())
        .with(CACHE_CONTROL, HeaderValue::from_static("no-cache"))
}

/// `GET /docs`
pub(crate) fn docs(call: &Call) -> Reply {
    page(call.worker.hub.docs.clone())
}

/// `GET /`
pub(crate) fn home() -> Reply {
    page(Bytes::from_static(
        b"<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Levee</title>\
          </head><body><h1>Levee</h1><p>This is a gate. Its interface: <a href=\"/docs\">/docs</a>, \
          <a href=\"/openapi.json\">/openapi.json</a>. Its state: <a href=\"/readyz\">/readyz</a>, \
          <a href=\"/metrics\">/metrics</a>.</p></body></html>",
    ))
}

fn page(html: Bytes) -> Reply {
    const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; \
                          base-uri 'none'; form-action 'none'";
    Reply::bytes(200, HTML, html)
        .with(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY))
        .with(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))
        .with(CACHE_CONTROL, HeaderValue::from_static("no-cache"))
}
