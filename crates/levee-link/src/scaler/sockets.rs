//! Connections, no more than a limit of them at the same time.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Duration, Instant, Sleep, sleep};
use tonic::transport::server::{Connected, TcpConnectInfo};

/// Connections at the same time; further ones wait in the system's queue.
const CONNECTIONS_MAX: usize = 64;

/// After an error of `accept`, mostly for want of files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A peer that sends nothing for so long is gone, or holds a place for nothing: whoever lives
/// answers the server's pings, which come more often.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// A connection, and its place among those that may be open.
pub(crate) struct Socket {
    stream: TcpStream,
    silence: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Socket {
    fn new(stream: TcpStream, place: OwnedSemaphorePermit) -> Self {
        Self { stream, silence: Box::pin(sleep(SILENCE_MAX)), _place: place }
    }
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
        if to.send(Ok(Socket::new(stream, place))).await.is_err() {
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
        let read = Pin::new(&mut self.stream).poll_read(context, into);
        if read.is_ready() {
            self.silence.as_mut().reset(Instant::now() + SILENCE_MAX);
        } else if self.silence.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn places_are_limited_and_given_back() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (sender, mut sockets) = mpsc::channel(1);
        let accepting = tokio::spawn(accept(listener, sender));
        let mut peers = Vec::new();
        let mut taken = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            peers.push(TcpStream::connect(address).await.expect("it listens"));
            taken.push(sockets.recv().await.expect("it accepts").expect("a socket"));
        }
        peers.push(TcpStream::connect(address).await.expect("the system's queue"));
        for _ in 0..100 {
            tokio::task::yield_now().await;
            assert!(sockets.try_recv().is_err(), "no place is free");
        }
        drop(taken.pop());
        sockets.recv().await.expect("it accepts").expect("the place of the one that left");
        drop(sockets);
        accepting.await.expect("it ends with who wants sockets");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_peer_loses_its_place() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let mut peer = TcpStream::connect(address).await.expect("it listens");
        let (stream, _) = listener.accept().await.expect("a connection");
        let places = Arc::new(Semaphore::new(1));
        let place = Arc::clone(&places).try_acquire_owned().expect("the place");
        let mut socket = Socket::new(stream, place);

        peer.write_all(b"PRI").await.expect("it is there");
        socket.stream.readable().await.expect("bytes");
        let mut bytes = [0; 3];
        socket.read_exact(&mut bytes).await.expect("the beginning of a hello");
        // The clock stands until nothing else is to be done, then goes to the end of the silence.
        let error = socket.read_exact(&mut bytes).await.expect_err("and no more");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(socket);
        assert_eq!(places.available_permits(), 1);
    }
}
