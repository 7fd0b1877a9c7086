//! A small server that plays Levee: it keeps the version of each ticket, as Levee does, checks every
//! signature, and can be in a bad mood.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use levee_api::webhook::REPLAY_WINDOW_S;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::sandbox::Secrets;
use crate::sandbox::world::unix_now;
use crate::wire::pos::OUTLET_HEADER;

/// What it does instead of answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    /// Answers with a status.
    Says(u16),
    /// Closes the connection.
    BreaksOff,
}

/// What it has seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// For the next requests, in order.
    pub(super) moods: VecDeque<Mood>,
    /// Tickets that are not the outlet's any more, by the step that says so first.
    pub(super) taken: BTreeMap<String, &'static str>,
    /// Steps that it agreed to, by ticket.
    pub(super) steps: BTreeMap<String, Vec<String>>,
    /// Versions, by ticket.
    versions: BTreeMap<String, u64>,
    /// Callbacks that it acknowledged, with their message's id.
    pub(super) callbacks: Vec<(String, Value)>,
    /// Requests whose signature was wrong.
    pub(super) unsigned: usize,
    pub(super) requests: usize,
}

/// It listens for as long as the test's runtime lives.
#[derive(Clone)]
pub(super) struct Levee {
    pub(super) url: String,
    seen: Arc<Mutex<Seen>>,
}

impl Levee {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let levee = Self { url, seen: Arc::default() };
        let serving = levee.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                let levee = serving.clone();
                tokio::spawn(async move {
                    let service = service_fn(|request| levee.answer(request));
                    // A connection that was broken off on purpose.
                    let _ =
                        http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        levee
    }

    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Seen) -> T) -> T {
        act(&mut self.seen.lock().expect("no test panics while it holds it"))
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Broken> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
        let path = head.uri.path().to_owned();
        let secrets = Secrets::dev();
        let callback = path.ends_with("/notify");
        let secret = if callback { &secrets.payments } else { &secrets.outlets };
        let now_s = unix_now().as_secs();
        let message = secret.verify(&head.headers, &body, now_s, REPLAY_WINDOW_S);
        let (status, body) = self.with(|seen| {
            seen.requests += 1;
            match seen.moods.pop_front() {
                Some(Mood::Says(status)) => return Ok((status, String::new())),
                Some(Mood::BreaksOff) => return Err(Broken),
                None => {}
            }
            let Ok(message) = message else {
                seen.unsigned += 1;
                return Ok((401, String::new()));
            };
            let body: Value = serde_json::from_slice(&body).expect("JSON");
            if callback {
                seen.callbacks.push((message.to_owned(), body));
                return Ok((200, "success".to_owned()));
            }
            assert_eq!(head.headers[OUTLET_HEADER], body["outlet_id"].as_str().expect("text"));
            Ok(seen.step(&path, &body))
        })?;
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status.try_into().expect("a status");
        Ok(response)
    }
}

impl Seen {
    fn step(&mut self, path: &str, body: &Value) -> (u16, String) {
        let parts: Vec<&str> = path.split('/').collect();
        let ["", "v1", "tickets", ticket, step] = parts.as_slice() else {
            return (404, String::new());
        };
        let known = self.versions.entry((*ticket).to_owned()).or_insert(1);
        if self.taken.get(*ticket).is_some_and(|first| first == step) || body["version"] != *known {
            return (409, String::new());
        }
        *known += 1;
        let now = json!({ "id": ticket, "state": step, "version": *known });
        self.steps.entry((*ticket).to_owned()).or_default().push((*step).to_owned());
        (200, json!({ "ticket": now, "seq": self.requests }).to_string())
    }
}

/// Closes the connection.
#[derive(Debug, thiserror::Error)]
#[error("in a bad mood")]
pub(super) struct Broken;

impl From<Infallible> for Broken {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
