//! Signs and verifies webhooks for the libraries of Standard Webhooks to check (`cargo xtask sdk`):
//! a line of JSON in, a line of JSON out.
//!
//! | in | out |
//! |---|---|
//! | `{"secrets", "body", "id"}` | `{"webhook-id", "webhook-timestamp", "webhook-signature"}`, signed now |
//! | `{"secrets", "body", "headers"}` | `{"id"}`, or `{"error"}` |

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{Write, stdin, stdout};
use std::time::{SystemTime, UNIX_EPOCH};

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use levee_api::webhook::{REPLAY_WINDOW_S, WebhookSecrets};
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    secrets: String,
    body: String,
    /// Sign it under this id.
    id: Option<String>,
    /// Verify it with these.
    headers: Option<BTreeMap<String, String>>,
}

fn main() -> Result<(), Box<dyn Error>> {
    for line in stdin().lines() {
        let line: Line = serde_json::from_str(&line?)?;
        println!("{}", answer(&line)?);
        stdout().flush()?;
    }
    Ok(())
}

fn answer(line: &Line) -> Result<Value, Box<dyn Error>> {
    let secrets = WebhookSecrets::from_text(&line.secrets)?;
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let body = line.body.as_bytes();
    if let Some(id) = &line.id {
        let headers = secrets.headers(id, now_s, body).into_iter();
        let headers = headers.map(|(name, value)| (name.to_owned(), Value::String(value)));
        return Ok(Value::Object(headers.collect::<Map<_, _>>()));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in line.headers.iter().flatten() {
        headers.append(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?);
    }
    Ok(match secrets.verify(&headers, body, now_s, REPLAY_WINDOW_S) {
        Ok(id) => json!({ "id": id }),
        Err(error) => json!({ "error": error.to_string() }),
    })
}
