//! A peer that Levee is measured beside: what a good engineer builds in a day with axum and Redis.
//!
//! One claim a request: bearer key, JSON body, one Lua function in Redis, and no answer before Redis
//! has answered. Connections to Redis are multiplexed, so claims that wait together travel
//! together; how many connections and threads there are is for whoever measures to choose.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use axum::Router;
use axum::extract::{Json, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::serve::ListenerExt;
use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use serde::Deserialize;

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// What all handlers share.
struct Shared {
    connections: Vec<MultiplexedConnection>,
    /// Whose turn it is.
    next: AtomicUsize,
}

#[derive(Deserialize)]
struct Claim {
    user_id: String,
}

/// Arguments: the address of Redis as a URL, connections, threads.
fn main() -> Result<(), Fault> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [redis, connections, threads] = arguments.as_slice() else {
        return Err("usage: axum-redis REDIS_URL CONNECTIONS THREADS".into());
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads.parse()?)
        .enable_all()
        .build()?;
    runtime.block_on(serve(redis, connections.parse()?))
}

async fn serve(redis: &str, count: usize) -> Result<(), Fault> {
    let client = redis::Client::open(redis)?;
    // A slow disk is no reason to give up, and a timer for every claim costs something.
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count.max(1) {
        connections.push(client.get_multiplexed_async_connection_with_config(&config).await?);
    }
    let shared = Shared { connections, next: AtomicUsize::new(0) };
    let routes = Router::new()
        .route("/v1/campaigns/bench/claims", post(claim))
        .layer(from_fn(with_key))
        .with_state(Arc::new(shared));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("axum-redis listens on http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| {
        // A connection that is gone already fails at its first read as well.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, routes).await?;
    Ok(())
}

/// Whoever has no key is turned away before the body is read.
async fn with_key(request: Request, next: Next) -> Response {
    let key = request.headers().get(header::AUTHORIZATION);
    if key.is_none_or(|key| key != "Bearer dev-app") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    next.run(request).await
}

async fn claim(State(shared): State<Arc<Shared>>, Json(claim): Json<Claim>) -> Response {
    let turn = shared.next.fetch_add(1, Relaxed) % shared.connections.len();
    let mut connection = shared.connections[turn].clone();
    let mut command = redis::cmd("FCALL");
    command.arg("claim").arg(2).arg("users").arg("budget").arg(&claim.user_id).arg(1);
    let answer: Result<i64, _> = command.query_async(&mut connection).await;
    let (status, body) = match answer {
        Ok(0) => (StatusCode::CONFLICT, r#"{"code":"budget_exhausted"}"#.to_owned()),
        Ok(number) if number < 0 => (StatusCode::OK, voucher(-number)),
        Ok(number) => (StatusCode::CREATED, voucher(number)),
        Err(error) => {
            eprintln!("Redis did not take a claim: {error}");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    };
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn voucher(number: i64) -> String {
    format!(r#"{{"voucher":{number},"face_minor":1}}"#)
}
