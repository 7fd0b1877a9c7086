//! How clients and gates reach each other: over TCP, or over a Unix socket on one machine.
//!
//! A Unix socket costs both sides less than TCP over loopback does, which makes segments,
//! acknowledges them and passes them through its queues. It is how a proxy on the same host reaches
//! a gate.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// What addresses of Unix sockets begin with.
const UNIX: &str = "unix:";

/// The path of the socket that an address names, if it names one.
#[must_use]
pub fn socket_path(address: &str) -> Option<&str> {
    address.strip_prefix(UNIX)
}

/// What requests to an address say in `Host`.
#[must_use]
pub fn host_of(address: &str) -> &str {
    if socket_path(address).is_some() { "localhost" } else { address }
}

/// One connection.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixSocket),
}

impl Stream {
    /// Connects to `HOST:PORT` or `unix:PATH`.
    ///
    /// # Errors
    /// Nobody listens there, or may not be reached.
    pub async fn connect(address: &str) -> io::Result<Self> {
        match socket_path(address) {
            Some(path) => {
                let socket = UnixStream::connect(path).await?.into_std()?;
                UnixSocket::new(socket).map(Self::Unix)
            }
            None => Ok(Self::from(TcpStream::connect(address).await?)),
        }
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        // Without it the kernel would hold small pieces back for up to 40 ms. It fails where the
        // connection has ended, as the next read will.
        let _ = stream.set_nodelay(true);
        Self::Tcp(stream)
    }
}

/// A Unix socket in an event loop that is told of room for writing only once a write has found none.
///
/// Linux tells of room whenever the other side has read something (TCP: only if a write has found none
/// before). A loop that asks to be told, as that of a tokio stream does, is woken once more by every
/// answer that is read, for nothing.
///
/// Reading and writing belong to one task: who waits to read is woken through the writer when the
/// interest changes.
#[derive(Debug)]
pub struct UnixSocket {
    /// None only after it could not be registered again.
    socket: Option<AsyncFd<unix::net::UnixStream>>,
    /// Whether the loop is told of room.
    told_of_room: bool,
}

impl UnixSocket {
    /// A socket that does not block, for the event loop that it is called in.
    ///
    /// # Errors
    /// The loop does not take it.
    pub fn new(socket: unix::net::UnixStream) -> io::Result<Self> {
        let socket = Some(register(socket, Interest::READABLE)?);
        Ok(Self { socket, told_of_room: false })
    }

    /// Out of its event loop.
    ///
    /// # Errors
    /// It is in none.
    pub fn into_std(self) -> io::Result<unix::net::UnixStream> {
        self.socket.map(AsyncFd::into_inner).ok_or_else(not_registered)
    }

    fn socket(&self) -> io::Result<&AsyncFd<unix::net::UnixStream>> {
        self.socket.as_ref().ok_or_else(not_registered)
    }

    fn poll_write_with(
        &mut self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&unix::net::UnixStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        if !self.told_of_room {
            match write(self.socket()?.get_ref()) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
            let socket = self.socket.take().ok_or_else(not_registered)?.into_inner();
            self.socket = Some(register(socket, Interest::READABLE | Interest::WRITABLE)?);
            self.told_of_room = true;
            // Whoever waits for something to read is to ask again.
            cx.waker().wake_by_ref();
        }
        loop {
            let mut ready = ready!(self.socket()?.poll_write_ready(cx))?;
            if let Ok(done) = ready.try_io(|socket| write(socket.get_ref())) {
                return Poll::Ready(done);
            }
        }
    }
}

#[allow(unsafe_code, reason = "tokio has no safe way to ask for one of the two interests")]
fn register(
    socket: unix::net::UnixStream,
    interest: Interest,
) -> io::Result<AsyncFd<unix::net::UnixStream>> {
    // SAFETY: the descriptor is the stream's own and open for as long as the stream is, which is inside
    // the registration from here on. Nobody else gets hold of it but by reference, and through one its
    // descriptor cannot be exchanged.
    Ok(unsafe { AsyncFd::register_with_interest(socket, interest) }?)
}

fn not_registered() -> io::Error {
    ErrorKind::NotConnected.into()
}

impl AsyncRead for UnixSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let socket = self.socket()?;
        loop {
            let mut ready = ready!(socket.poll_read_ready(cx))?;
            let room = buffer.initialize_unfilled();
            let Ok(read) = ready.try_io(|socket| socket.get_ref().read(room)) else { continue };
            let len = read?;
            // That was all: the loop tells of more, and nobody need ask for it in vain.
            if 0 < len && len < room.len() {
                ready.clear_ready();
            }
            buffer.advance(len);
            return Poll::Ready(Ok(()));
        }
    }
}

impl AsyncWrite for UnixSocket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write_with(cx, |mut socket| socket.write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write_with(cx, |mut socket| socket.write_vectored(pieces))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.socket()?.get_ref().shutdown(Shutdown::Write))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::runtime::Builder;

    use super::*;

    fn run(test: impl Future<Output = ()>) {
        Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(test);
    }

    /// Both ends of one connection: ours in the loop, and the other side's, which blocks.
    fn pair() -> (UnixSocket, unix::net::UnixStream) {
        let (ours, theirs) = unix::net::UnixStream::pair().expect("two sockets");
        ours.set_nonblocking(true).expect("a socket");
        (UnixSocket::new(ours).expect("registered"), theirs)
    }

    #[test]
    fn what_comes_after_a_short_read_is_read() {
        run(async {
            let (mut ours, mut theirs) = pair();
            let mut buffer = [0; 64];
            for text in ["one", "two", "three"] {
                // Nothing is there yet when it is looked for.
                let sent = std::thread::spawn({
                    let mut theirs = theirs.try_clone().expect("a descriptor");
                    move || theirs.write_all(text.as_bytes())
                });
                let len = ours.read(&mut buffer).await.expect("open");
                assert_eq!(&buffer[..len], text.as_bytes());
                sent.join().expect("no panic").expect("sent");
            }
            theirs.write_all(&[7; 100]).expect("sent");
            drop(theirs);
            let mut rest = Vec::new();
            ours.read_to_end(&mut rest).await.expect("closed in order");
            assert_eq!(rest, [7; 100]);
        });
    }

    #[test]
    fn a_full_socket_is_written_when_it_is_read_and_then_serves_on() {
        run(async {
            let (mut ours, mut theirs) = pair();
            let long = vec![7; 4 << 20];
            let read = std::thread::spawn({
                let mut theirs = theirs.try_clone().expect("a descriptor");
                let mut into = long.clone();
                move || theirs.read_exact(&mut into).map(|()| into)
            });
            ours.write_all(&long).await.expect("open");
            assert!(ours.told_of_room);
            assert_eq!(read.join().expect("no panic").expect("whole"), long);
            // Both ways after the change, and out of one loop into another.
            for _ in 0..2 {
                theirs.write_all(b"ask").expect("open");
                let mut ask = [0; 3];
                ours.read_exact(&mut ask).await.expect("open");
                ours.write_all(b"answer").await.expect("open");
                let mut answer = [0; 6];
                theirs.read_exact(&mut answer).expect("open");
                assert_eq!((&ask, &answer), (b"ask", b"answer"));
                ours = UnixSocket::new(ours.into_std().expect("registered")).expect("registered");
            }
        });
    }

    #[test]
    fn who_waits_to_read_is_woken_also_after_a_write_has_begun_to_wait() {
        run(async {
            let (mut ours, mut theirs) = pair();
            let mut buffer = [0; 3];
            let mut read = ReadBuf::new(&mut buffer);
            let mut waits = false;
            let mut never = std::pin::pin!(tokio::time::sleep(Duration::from_secs(10)));
            let came = std::future::poll_fn(|cx| {
                assert!(never.as_mut().poll(cx).is_pending(), "not woken");
                if !std::mem::replace(&mut waits, true) {
                    // Waits to read, then fills the socket, which nobody reads, both in one task.
                    assert!(Pin::new(&mut ours).poll_read(cx, &mut read).is_pending());
                    while Pin::new(&mut ours).poll_write(cx, &[7; 1 << 16]).is_ready() {}
                    theirs.write_all(b"ask").expect("open");
                    return Poll::Pending;
                }
                Pin::new(&mut ours).poll_read(cx, &mut read)
            });
            came.await.expect("open");
            assert_eq!(read.filled(), b"ask");
        });
    }

    #[test]
    fn whoever_is_gone_ends_a_write_that_waits() {
        run(async {
            let (mut ours, theirs) = pair();
            let mut theirs = Some(theirs);
            let ended = std::future::poll_fn(|cx| {
                loop {
                    match Pin::new(&mut ours).poll_write(cx, &[7; 1 << 16]) {
                        Poll::Ready(Ok(_)) => {}
                        Poll::Ready(Err(error)) => return Poll::Ready(error),
                        Poll::Pending => break,
                    }
                }
                // It waits.
                drop(theirs.take());
                Poll::Pending
            });
            assert_eq!(ended.await.kind(), ErrorKind::BrokenPipe);
        });
    }
}
