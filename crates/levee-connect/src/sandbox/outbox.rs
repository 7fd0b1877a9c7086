//! Calls to Levee: a bounded number at once, over connections that are kept.
//!
//! Steps and callbacks have callers of their own, so that an address that never answers one kind
//! does not keep the other from being said.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use levee_api::webhook::WebhookSecret;

use super::effects::Life;
use super::kitchens::{Heard, Telling};
use super::provider::Sending;
use super::world::{Shared, unix_now};
use crate::wire::pay::ACKNOWLEDGED;
use crate::wire::pos::{OUTLET_HEADER, StepReply, StepRequest};

/// Calls of one kind that are under way at once.
pub(super) const CALLS_MAX: usize = 64;

/// Longest call, in real time.
const CALL_MAX: Duration = Duration::from_secs(10);

/// Longest wait for a connection, in real time.
const CONNECT_MAX: Duration = Duration::from_secs(3);

/// Longest answer that is read.
const ANSWER_LEN_MAX: usize = 64 * 1024;

/// The pause before a step is said again is about this in real time, and doubles with each.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Whoever asks for a longer pause is asked again all the same.
const PAUSE_ASKED_S_MAX: u64 = 60;

type Http = Client<HttpConnector, Full<Bytes>>;

/// What came back.
struct Answer {
    status: u16,
    retry_after: Duration,
    body: Bytes,
}

pub(super) fn client() -> Http {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_MAX));
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_max_idle_per_host(CALLS_MAX)
        .build(connector)
}

/// Says steps, one after the other, for as long as the sandbox runs.
pub(super) async fn say_steps(shared: Arc<Shared>, http: Http) {
    loop {
        let taken = shared.with(|world, _| {
            let life = world.effects.steps.pop_front()?;
            Some(world.kitchens.telling(life))
        });
        match taken {
            Some(Some(telling)) => say_step(&shared, &http, telling).await,
            Some(None) => {}
            None => shared.steps.notified().await,
        }
    }
}

async fn say_step(shared: &Shared, http: &Http, telling: Telling) {
    let Telling { life, step, ticket, outlet_id, version } = telling;
    let url = format!("{}/v1/tickets/{ticket}/{}", shared.levee, step.name());
    let version_text = version.to_string();
    let ids = [ticket.as_str(), outlet_id.as_str(), version_text.as_str()];
    let message = format!("msg_{:016x}", shared.draw.hash(step.name(), &ids));
    let outlet = [(OUTLET_HEADER, outlet_id.clone())];
    let body = json(&StepRequest { outlet_id, version });
    let answer = call(http, &url, &shared.secrets.outlets, &message, &outlet, body).await;
    let heard = hear(shared, life, &ticket, answer.as_ref());
    shared.with(|world, now_ms| {
        world.kitchens.heard(&mut world.effects, now_ms, (life, step), heard);
    });
}

/// What an answer to a step means.
fn hear(shared: &Shared, life: Life, ticket: &str, answer: Option<&Answer>) -> Heard {
    match answer {
        Some(answer) if answer.status < 300 => {
            match serde_json::from_slice::<StepReply>(&answer.body) {
                Ok(reply) => Heard::Agreed { version: reply.ticket.version },
                Err(error) => {
                    tracing::debug!(ticket, %error, "an answer to a step is none");
                    Heard::Refused
                }
            }
        }
        Some(answer) if answer.status == 409 => Heard::Taken,
        Some(answer) if answer.status != 429 && answer.status < 500 => {
            let said = String::from_utf8_lossy(&answer.body[..answer.body.len().min(300)]);
            tracing::debug!(ticket, answer.status, %said, "a step was refused");
            Heard::Refused
        }
        _ => {
            let tries = shared.with(|world, _| world.kitchens.tries_count(life));
            let asked = answer.map_or(Duration::ZERO, |answer| answer.retry_after);
            let chance = shared.draw.hash("pause", &[ticket, &tries.to_string()]);
            Heard::Again { after_ms: shared.clock.of_real(pause(tries, chance).max(asked)) }
        }
    }
}

/// Half to the whole of a pause that doubles with each try, so that those who failed together do not
/// come back together.
fn pause(tries: u32, chance: u64) -> Duration {
    let whole = PAUSE_FIRST.saturating_mul(1 << tries.min(20)).min(PAUSE_MAX);
    let half_us = u64::try_from(whole.as_micros() / 2).expect("below PAUSE_MAX");
    Duration::from_micros(half_us + chance % (half_us + 1))
}

/// Sends callbacks, one after the other, for as long as the sandbox runs.
pub(super) async fn send_callbacks(shared: Arc<Shared>, http: Http) {
    loop {
        let taken = shared.with(|world, _| {
            let what = world.effects.callbacks.pop_front()?;
            Some(world.provider.sending(what))
        });
        match taken {
            Some(sending) => send_callback(&shared, &http, sending).await,
            None => shared.callbacks.notified().await,
        }
    }
}

async fn send_callback(shared: &Shared, http: &Http, sending: Sending) {
    let Sending { what, notify_url, body } = sending;
    // The same on every repeat.
    let message = shared.draw.hash("message", &[&body.payment, body.event.name()]);
    let message = format!("msg_{message:016x}");
    let body = json(&body);
    let answer = call(http, &notify_url, &shared.secrets.payments, &message, &[], body).await;
    let acknowledged = answer
        .is_some_and(|answer| answer.status == 200 && answer.body.trim_ascii() == ACKNOWLEDGED);
    shared.with(|world, now_ms| {
        world.provider.called_back(&mut world.effects, now_ms, what, acknowledged);
    });
}

/// One signed request; nothing where no whole answer came.
async fn call(
    http: &Http,
    url: &str,
    secret: &WebhookSecret,
    message: &str,
    further: &[(&'static str, String)],
    body: Vec<u8>,
) -> Option<Answer> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(url)
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let signed = secret.headers(message, unix_now().as_secs(), &body);
    for (name, value) in signed.iter().chain(further) {
        request = request.header(*name, value);
    }
    let request = request.body(Full::new(Bytes::from(body))).ok()?;
    let exchange = async {
        let (head, body) = http.request(request).await.ok()?.into_parts();
        let body = Limited::new(body, ANSWER_LEN_MAX).collect().await.ok()?.to_bytes();
        let asked = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let asked_s = asked.and_then(|text| text.parse().ok()).unwrap_or(0_u64);
        let retry_after = Duration::from_secs(asked_s.min(PAUSE_ASKED_S_MAX));
        Some(Answer { status: head.status.as_u16(), retry_after, body })
    };
    tokio::time::timeout(CALL_MAX, exchange).await.ok()?
}

fn json(body: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("wire types have only string keys")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_end() {
        for (tries, least_ms, most_ms) in
            [(0, 50, 100), (1, 100, 200), (3, 400, 800), (7, 5_000, 10_000), (199, 5_000, 10_000)]
        {
            for chance in [0, 1, 12_345, u64::MAX / 3, u64::MAX] {
                let pause = pause(tries, chance);
                let range = Duration::from_millis(least_ms)..=Duration::from_millis(most_ms);
                assert!(range.contains(&pause), "{pause:?} at try {tries}");
            }
        }
    }
}
