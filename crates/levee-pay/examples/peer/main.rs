//! A small real server and client around [`levee_pay`], for the providers' own libraries to talk to
//! (`cargo xtask sdk`): `peer CONFIG.json` prints where it listens and ends when its input does.
//!
//! | request | does |
//! |---|---|
//! | `POST /notify/{provider}` | verifies a notification; acknowledges it as the provider wants, or 401 with the reason's name. `Levee-Read` says what was read |
//! | `POST /ask/{provider}/{op}` | sends a request to the provider's gateway; answers what came of it as JSON |

mod ask;
mod config;
mod show;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::error::Error;
use std::io::Read;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use levee_pay::{BODY_LEN_MAX, NotifyError, Provider};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::LocalSet;

pub(crate) type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;
type Providers = BTreeMap<String, Box<dyn Provider>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let file = std::env::args().nth(1).ok_or("usage: peer CONFIG.json")?;
    let providers = Rc::new(config::load(file.as_ref())?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);
    let local = LocalSet::new();
    let serve = async {
        loop {
            let (stream, _) = listener.accept().await?;
            let providers = Rc::clone(&providers);
            tokio::task::spawn_local(async move {
                let service = service_fn(move |request| {
                    let providers = Rc::clone(&providers);
                    async move { Ok::<_, Infallible>(answer(&providers, request).await) }
                });
                // A connection that breaks is the other side's concern.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    };
    let (ended, ends) = oneshot::channel();
    std::thread::spawn(move || {
        // Whoever started this is gone, or wants it to end, whatever was read.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = ended.send(());
    });
    local
        .run_until(async {
            tokio::select! {
                done = serve => done,
                _ = ends => Ok(()),
            }
        })
        .await
}

async fn answer(providers: &Providers, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_LEN_MAX).collect().await else { return text(413, "") };
    let body = body.to_bytes();
    let path: Vec<&str> = head.uri.path().trim_start_matches('/').split('/').collect();
    match path[..] {
        ["notify", name] if providers.contains_key(name) => {
            notify(providers[name].as_ref(), &head.headers, &body)
        }
        ["ask", name, op] if providers.contains_key(name) => {
            match ask::ask(providers[name].as_ref(), op, &body).await {
                Ok(answer) => text(200, &answer.to_string()),
                Err(error) => text(500, &error.to_string()),
            }
        }
        _ => text(404, ""),
    }
}

fn notify(
    provider: &dyn Provider,
    headers: &http::HeaderMap,
    body: &[u8],
) -> Response<Full<Bytes>> {
    let read = provider.verify(headers, body, now_s());
    let shown = match &read {
        Ok(notification) => show::notification(notification).to_string(),
        Err(error) => error.name().to_owned(),
    };
    let mut response = match read {
        Ok(_) | Err(NotifyError::OtherEvent(_)) => {
            let success = provider.success_reply();
            text(success.status, success.body)
        }
        Err(NotifyError::Distrust(distrust)) => text(401, distrust.name()),
    };
    if let Ok(shown) = shown.parse() {
        response.headers_mut().insert("levee-read", shown);
    }
    response
}

fn text(status: u16, body: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body.to_owned()));
    *response.status_mut() = http::StatusCode::from_u16(status).expect("a status");
    response
}

pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
