//! Sockets: connections come in, each is served to its end.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::routes;
use super::world::Shared;

/// How long a head may take, in real time.
const HEAD_MAX: Duration = Duration::from_secs(10);

/// A pause after a connection could not be accepted: mostly files have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Takes connections in for as long as the sandbox runs.
pub(super) async fn serve(shared: Arc<Shared>, listener: TcpListener, connections_max: usize) {
    let places = Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS)));
    loop {
        // More wait in the system's own queue.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    speak(shared, stream).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn speak(shared: Arc<Shared>, stream: TcpStream) {
    // Without it small answers wait; a failure costs only that.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| routes::answer(Arc::clone(&shared), request));
    let ended = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}
