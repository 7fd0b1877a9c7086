//! Where a gate takes connections, and how one gets from a worker to another.

use std::os::unix;
use std::{io, net};

use levee_api::stream::{Stream, UnixSocket};
use tokio::net::{TcpListener, TcpStream, UnixListener};

/// A bound socket that clients connect to.
#[derive(Debug)]
pub enum Listener {
    /// For anyone who reaches the port.
    Tcp(net::TcpListener),
    /// For this machine: a proxy in front, mostly. Whoever binds it removes it.
    Unix(unix::net::UnixListener),
}

impl Listener {
    pub(crate) fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => listener.set_nonblocking(true),
            Self::Unix(listener) => listener.set_nonblocking(true),
        }
    }

    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(listener) => listener.try_clone().map(Self::Tcp),
            Self::Unix(listener) => listener.try_clone().map(Self::Unix),
        }
    }

    /// For the event loop that it is called in.
    pub(crate) fn incoming(self) -> io::Result<Incoming> {
        match self {
            Self::Tcp(listener) => TcpListener::from_std(listener).map(Incoming::Tcp),
            Self::Unix(listener) => UnixListener::from_std(listener).map(Incoming::Unix),
        }
    }
}

/// A listener as an event loop has it.
pub(crate) enum Incoming {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Incoming {
    pub(crate) async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => Ok(listener.accept().await?.0.into()),
            Self::Unix(listener) => {
                let socket = listener.accept().await?.0.into_std()?;
                UnixSocket::new(socket).map(Stream::Unix)
            }
        }
    }
}

/// A connection on its way from one event loop to another.
#[derive(Debug)]
pub(crate) enum Moving {
    Tcp(net::TcpStream),
    Unix(unix::net::UnixStream),
}

impl Moving {
    /// Out of the loop that it is in.
    pub(crate) fn out(stream: Stream) -> io::Result<Self> {
        match stream {
            Stream::Tcp(stream) => stream.into_std().map(Self::Tcp),
            Stream::Unix(stream) => stream.into_std().map(Self::Unix),
        }
    }

    /// Into the loop that it is called in.
    pub(crate) fn into_stream(self) -> io::Result<Stream> {
        match self {
            Self::Tcp(stream) => TcpStream::from_std(stream).map(Stream::Tcp),
            Self::Unix(stream) => UnixSocket::new(stream).map(Stream::Unix),
        }
    }
}
