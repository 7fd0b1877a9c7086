//! KEDA's external scaler: says how many gates should run.
//!
//! KEDA asks over gRPC and hands the answer to Kubernetes' autoscaler, which divides it by a target
//! of 1 for each replica: what is answered is the number of gates itself. How it is found is in
//! `need.rs`; that it rises at once and falls slowly, in `held.rs`.
//!
//! Plain gRPC without keys: the numbers are no secret, nothing can be changed, and it listens where
//! only the cluster can reach it.

mod desk;
mod held;
mod need;
mod rpc;
mod sockets;
mod targets;
#[cfg(test)]
mod tests;
mod wire;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use levee_api::intake::Intake;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;

use self::desk::Desk;
use self::rpc::ExternalScaler;

/// Between two readings of the gates.
const READ_EVERY: Duration = Duration::from_secs(1);

/// Calls under way on one connection.
const CALLS_MAX: u32 = 64;

/// A peer is asked for a sign of life so often, and has so long to give it.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_WAIT: Duration = Duration::from_secs(10);

/// For calls under way when the scaler stops.
const STOP_WAIT: Duration = Duration::from_secs(2);

/// A scaler that runs, on a thread of its own.
#[derive(Debug)]
pub struct Scaler {
    address: SocketAddr,
    /// Dropped to stop.
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Scaler {
    /// Starts to read what gates report to `intake`, and to answer on `listener`.
    ///
    /// # Errors
    /// The listener cannot be used, or the system gives no thread.
    pub fn start(listener: TcpListener, intake: Arc<Intake>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("levee-scaler".to_owned()).spawn(move || {
            if let Err(error) = runtime.block_on(run(listener, intake, stopped)) {
                tracing::error!(%error, "the scaler has ended; autoscaling stands still");
            }
        })?;
        Ok(Self { address, stop, thread })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Ends it; calls under way have two seconds.
    pub fn stop(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the scaler's thread has panicked");
        }
    }
}

async fn run(
    listener: TcpListener,
    intake: Arc<Intake>,
    stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let desk = Desk::new(intake);
    let (sender, sockets) = mpsc::channel(1);
    let accepting = tokio::spawn(sockets::accept(listener, sender));
    let reading = tokio::spawn(read(desk.clone()));
    let (stop, ended) = oneshot::channel::<()>();
    let closing = desk.clone();
    let server = Server::builder()
        .max_concurrent_streams(CALLS_MAX)
        .http2_keepalive_interval(Some(PING_EVERY))
        .http2_keepalive_timeout(Some(PING_WAIT))
        .add_service(ExternalScaler(desk))
        .serve_with_incoming_shutdown(ReceiverStream::new(sockets), async {
            let _ = ended.await;
        });
    tokio::pin!(server);
    let result = tokio::select! {
        ended = &mut server => ended,
        _ = stopped => {
            drop(stop);
            closing.close();
            // Who does not take the end of a stream is not waited for.
            timeout(STOP_WAIT, server).await.unwrap_or(Ok(()))
        }
    };
    accepting.abort();
    reading.abort();
    result.map_err(io::Error::other)
}

async fn read(desk: Desk) {
    let start = Instant::now();
    let mut ticks = interval(READ_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        desk.read(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX));
    }
}
