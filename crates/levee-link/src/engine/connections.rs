//! Accepting connections, never more than a limit at the same time: whoever may connect could
//! otherwise take all files of the engine's process. One on which nobody has proved to be a gate in time
//! is closed, or idle strangers would hold all places.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Sleep, sleep};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

use crate::limits::{CONNECTION_PROVEN_MAX, CONNECTIONS_MAX};

/// Something that connections come from.
pub(super) trait Accept: Send + Sync + 'static {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    fn next(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

impl Accept for UnixListener {
    type Stream = UnixStream;

    async fn next(&self) -> io::Result<UnixStream> {
        Ok(self.accept().await?.0)
    }
}

impl Accept for TcpListener {
    type Stream = TcpStream;

    async fn next(&self) -> io::Result<TcpStream> {
        let (stream, _) = self.accept().await?;
        // Without it the kernel would hold small frames back for up to 40 ms.
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// Whether somebody on a connection has proved to be a gate.
#[derive(Clone, Debug, Default)]
pub(super) struct Proven(Arc<AtomicBool>);

impl Proven {
    pub(super) fn set(&self) {
        self.0.store(true, Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// A connection that has one of the places.
pub(super) struct Placed<S> {
    stream: S,
    proven: Proven,
    /// Until somebody has proved to be a gate.
    until: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

impl<S> Placed<S> {
    fn new(stream: S, place: OwnedSemaphorePermit) -> Self {
        let until = Some(Box::pin(sleep(CONNECTION_PROVEN_MAX)));
        Self { stream, proven: Proven::default(), until, _place: place }
    }

    fn is_overdue(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(until) = &mut self.until else { return false };
        let is_over = until.as_mut().poll(cx).is_ready();
        let is_proven = self.proven.is_set();
        if is_proven {
            self.until = None;
        }
        is_over && !is_proven
    }
}

/// Accepts for as long as somebody takes the connections.
pub(super) fn accept<A: Accept>(listener: A) -> ReceiverStream<io::Result<Placed<A::Stream>>> {
    let (taken, incoming) = mpsc::channel(1);
    tokio::spawn(async move {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            let accepted = tokio::select! {
                accepted = listener.next() => accepted,
                () = taken.closed() => return,
            };
            match accepted {
                Ok(stream) => {
                    if taken.send(Ok(Placed::new(stream, place))).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    // Out of file descriptors, for one: leave the rest in the backlog a moment.
                    tracing::warn!(%error, "accepting a gate failed; trying again in a second");
                    sleep(Duration::from_secs(1)).await;
                }
            }
        }
    });
    ReceiverStream::new(incoming)
}

impl<S> Connected for Placed<S> {
    type ConnectInfo = Proven;

    fn connect_info(&self) -> Proven {
        self.proven.clone()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Placed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_overdue(cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Placed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
