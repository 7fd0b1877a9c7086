//! Connections, no more than a limit of them at the same time.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Duration, sleep};
use tonic::transport::server::{Connected, TcpConnectInfo};

/// Connections at the same time; further ones wait in the system's queue.
const CONNECTIONS_MAX: usize = 64;

/// After an error of `accept`, mostly for want of files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A connection, and its place among those that may be open.
pub(crate) struct Socket {
    stream: TcpStream,
    _place: OwnedSemaphorePermit,
}

/// Takes connections as long as somebody wants them.
pub(crate) async fn accept(listener: TcpListener, to: mpsc::Sender<io::Result<Socket>>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let stream = tokio::select! {
            () = to.closed() => return,
            taken = listener.accept() => match taken {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "the scaler cannot take a connection");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        if to.send(Ok(Socket { stream, _place: place })).await.is_err() {
            return;
        }
    }
}

impl Connected for Socket {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
