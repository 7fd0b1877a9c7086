//! Calls to Levee: a bounded number at once, over connections that are kept.
//!
//! Steps and callbacks have callers of their own, so that an address that never answers one kind
//! does not keep the other from being said.

use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use levee_api::webhook::WebhookSecrets;

use super::effects::Life;
use super::kitchens::{Heard, Telling};
use super::provider::Sending;
use super::world::{Shared, unix_now};
use crate::backoff::pause;
use crate::http::{Answer, Http};
use crate::wire::pay::ACKNOWLEDGED;
use crate::wire::pos::{OUTLET_HEADER, StepReply, StepRequest};

/// Calls of one kind that are under way at once.
pub(super) const CALLS_MAX: usize = 64;

/// The pause before a step is said again is about this in real time, and doubles with each.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);

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
            let drawn = shared.draw.about("pause", &[ticket, &tries.to_string()]).f64();
            let pause = pause(PAUSE_FIRST, PAUSE_MAX, tries, drawn).max(asked);
            Heard::Again { after_ms: shared.clock.of_real(pause) }
        }
    }
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
    secret: &WebhookSecrets,
    message: &str,
    further: &[(&'static str, String)],
    body: Vec<u8>,
) -> Option<Answer> {
    let mut headers = secret.headers(message, unix_now().as_secs(), &body).to_vec();
    headers.extend_from_slice(further);
    http.exchange(Method::POST, url, &headers, body.into()).await.ok()
}

fn json(body: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("wire types have only string keys")
}
