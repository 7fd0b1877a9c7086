//! When a client repeats a request, after how long, and how often at most.
//!
//! Clients that all repeat what fails turn a short overload into a long one. So repeats are few (a
//! tenth of all requests over time, by one budget for all connections of a client), they come later
//! and later, at random moments, and never before the server said. Only what does the same when it
//! is done twice is repeated at all. Polls from the waiting room are no repeats: the server asked
//! for them, and says when.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use hyper::header::RETRY_AFTER;

use crate::client::{Client, ClientError, Raw};
use crate::problem::{Code, Problem};

/// Most tries of one request, the first included; polls from the waiting room do not count.
pub const TRIES_MAX: u32 = 5;

/// Most polls from the waiting room for one request.
pub const POLLS_MAX: u32 = 1_000;

/// So many requests earn one repeat.
const REQUESTS_PER_REPEAT: u64 = 10;

/// Repeats that a new client has earned already, and most that it can save up.
const REPEATS_AT_START: u64 = 10;
const REPEATS_MAX: u64 = 100;

/// The random part of the pause before the first repeat is below this; it doubles with each.
const PAUSE_MS_FIRST: u64 = 50;
const PAUSE_MS_MAX: u64 = 10_000;

/// Whoever is told to come back later than this gets the answer instead.
const FLOOR_MS_MAX: u64 = 60_000;

/// The header of a pass.
const PASS: &str = "levee-pass";

/// The budget for repeats, shared by all connections of a client.
#[derive(Debug)]
pub(crate) struct Retries {
    /// What is left, as the number of requests that earn it.
    earned: AtomicU64,
}

impl Default for Retries {
    fn default() -> Self {
        Self { earned: AtomicU64::new(REPEATS_AT_START * REQUESTS_PER_REPEAT) }
    }
}

impl Retries {
    fn earn(&self) {
        let most = REPEATS_MAX * REQUESTS_PER_REPEAT;
        let more = |earned: u64| Some((earned + 1).min(most));
        let _ = self.earned.fetch_update(Relaxed, Relaxed, more);
    }

    /// Whether a repeat may be made; it is paid for.
    fn spend(&self) -> bool {
        let less = |earned: u64| earned.checked_sub(REQUESTS_PER_REPEAT);
        self.earned.fetch_update(Relaxed, Relaxed, less).is_ok()
    }
}

/// What follows on a try.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Its answer is the answer.
    Done,
    /// Another may come to something, not before so many milliseconds.
    Repeat { floor_ms: u64 },
    /// The waiting room: ask again with this pass, after so many milliseconds.
    Poll { pass: String, after_ms: u64 },
}

fn next(outcome: &Result<Raw, ClientError>) -> Next {
    let raw = match outcome {
        Ok(raw) if matches!(raw.status, 429 | 503) => raw,
        Err(ClientError::Connection { .. }) => return Next::Repeat { floor_ms: 0 },
        _ => return Next::Done,
    };
    let seconds = raw.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let mut floor_ms = seconds.unwrap_or(0_u64).saturating_mul(1_000);
    // Whatever stands before Levee may answer so too, with a body of its own.
    if let Ok(problem) = serde_json::from_slice::<Problem>(&raw.body) {
        if let (Code::Waiting, Some(place)) = (problem.code, problem.place) {
            // Its Retry-After is the same, rounded up to whole seconds.
            return Next::Poll { pass: place.pass, after_ms: place.poll_after_ms };
        }
        // The header is the same in whole seconds.
        floor_ms = problem.retry_after_ms.unwrap_or(floor_ms);
    }
    Next::Repeat { floor_ms }
}

/// Whether a request does the same when it is done twice.
fn is_repeatable(method: &Method, path: &str, headers: &[(&'static str, &str)]) -> bool {
    let has_key = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("idempotency-key"));
    // A claim where a user may have several is refused without a key.
    method.is_idempotent() || has_key || *method == Method::POST && path.ends_with("/claims")
}

/// "Full jitter": anything from nothing to the whole pause, so that those who failed together do not
/// come back together.
fn jitter_ms(repeat: u32) -> u64 {
    let most = (PAUSE_MS_FIRST << (repeat - 1).min(16)).min(PAUSE_MS_MAX);
    // Its keys are the system's randomness, and others each time.
    RandomState::new().hash_one(repeat) % (most + 1)
}

impl Client {
    /// As [`Self::send`], and again where that is harmless and may help: after 429, 503 and broken
    /// connections, at most [`TRIES_MAX`] times and within the budget that all connections of this
    /// client share; not before the server said. Goes through the waiting room, for at most
    /// [`POLLS_MAX`] polls. Whether a request may be repeated is told by its method, an
    /// `Idempotency-Key`, or its being a claim.
    ///
    /// # Errors
    /// As [`Self::send`], by the last try.
    pub async fn send_with_retries(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Bytes,
    ) -> Result<Raw, ClientError> {
        self.retries().earn();
        let repeatable = is_repeatable(&method, path, headers);
        let (mut tries, mut polls, mut pass) = (1, 0, None::<String>);
        loop {
            let mut headers = headers.to_vec();
            if let Some(pass) = &pass {
                headers.retain(|(name, _)| !name.eq_ignore_ascii_case(PASS));
                headers.push((PASS, pass));
            }
            let outcome = match self.reconnect().await {
                Ok(()) => self.send(method.clone(), path, &headers, body.clone()).await,
                Err(error) => Err(error),
            };
            let pause_ms = match next(&outcome) {
                Next::Poll { pass: place, after_ms } if repeatable && polls < POLLS_MAX => {
                    polls += 1;
                    pass = Some(place);
                    after_ms
                }
                Next::Repeat { floor_ms }
                    if repeatable
                        && tries < TRIES_MAX
                        && floor_ms <= FLOOR_MS_MAX
                        && self.retries().spend() =>
                {
                    tries += 1;
                    floor_ms + jitter_ms(tries - 1)
                }
                _ => return outcome,
            };
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        }
    }
}

#[cfg(test)]
mod tests;
