//! Keep-alive connections of the crowd, on one thread, one request at a time on each.
//!
//! A request that its user no longer waits for keeps its connection until the answer is there: what
//! the server holds on to is not offered to it once more.

use std::io::{ErrorKind, Read, Write};
use std::os::unix;
use std::time::Duration;
use std::{io, net};

use anyhow::{Context, Result, bail};
use levee_api::stream::socket_path;
use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Events, Interest, Poll, Token};

use super::super::load::whole;

/// Longest answer that is taken.
const ANSWER_BYTES_MAX: usize = 8 * 1_024;

/// Events taken in one look.
const EVENTS: usize = 1_024;

/// How often a request that could not be written is tried on a new connection.
const SEND_TRIES: u32 = 3;

/// A request under way. Its moments are microseconds on the crowd's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) user: u32,
    pub(super) due_us: u32,
    /// With a pass.
    pub(super) with_pass: bool,
    /// When it was sent, this was the latest moment at which a user who had been admitted with a
    /// pass had come for the first time.
    pub(super) admitted_us: u32,
    /// Its user waits no longer.
    pub(super) abandoned: bool,
}

/// A socket of either kind.
#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

#[derive(Debug)]
struct Connection {
    stream: Stream,
    sent: Option<Sent>,
    /// The beginning of an answer.
    partial: Vec<u8>,
}

/// All connections to one server.
#[derive(Debug)]
pub(super) struct Pool {
    address: String,
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
    idle: Vec<usize>,
    scratch: Vec<u8>,
}

impl Pool {
    pub(super) fn open(address: &str, count: usize) -> Result<Self> {
        let poll = Poll::new()?;
        let connections = (0..count)
            .map(|token| {
                let stream = connect(&poll, address, token)?;
                Ok(Connection { stream, sent: None, partial: Vec::new() })
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            address: address.to_owned(),
            poll,
            events: Events::with_capacity(EVENTS),
            connections,
            idle: (0..count).collect(),
            scratch: vec![0; ANSWER_BYTES_MAX],
        })
    }

    pub(super) fn has_idle(&self) -> bool {
        !self.idle.is_empty()
    }

    /// Requests under way.
    pub(super) fn under_way(&self) -> usize {
        self.connections.len() - self.idle.len()
    }

    /// Sends on an idle connection; there must be one.
    pub(super) fn send(&mut self, request: &[u8], sent: Sent) -> Result<()> {
        let token = self.idle.pop().context("no connection is idle")?;
        for _ in 0..SEND_TRIES {
            let connection = &mut self.connections[token];
            // Nothing else is in its buffers, so a request always fits.
            match connection.stream.write(request) {
                Ok(len) if len == request.len() => {
                    connection.sent = Some(sent);
                    return Ok(());
                }
                // The server may have closed it while it was idle.
                Ok(_) | Err(_) => self.renew(token)?,
            }
        }
        bail!("cannot send to {} on {SEND_TRIES} new connections", self.address)
    }

    /// Hands over what has come: answers, and None for requests whose connection broke.
    pub(super) fn take(&mut self, mut on_answer: impl FnMut(Sent, Option<&[u8]>)) -> Result<()> {
        match self.poll.poll(&mut self.events, Some(Duration::ZERO)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        let mut broken = Vec::new();
        for event in &self.events {
            let token = event.token().0;
            let connection = &mut self.connections[token];
            match connection.read(&mut self.scratch) {
                Reading::Whole(len) => {
                    let answer = match connection.partial.is_empty() {
                        true => &self.scratch[..len],
                        false => &connection.partial[..],
                    };
                    if let Some(sent) = connection.sent.take() {
                        on_answer(sent, Some(answer));
                        self.idle.push(token);
                    }
                    connection.partial.clear();
                }
                Reading::More => {}
                Reading::Broken => broken.push(token),
            }
        }
        for token in broken {
            let sent = self.connections[token].sent.take();
            self.renew(token)?;
            // An idle one is in the list of the idle already.
            if let Some(sent) = sent {
                on_answer(sent, None);
                self.idle.push(token);
            }
        }
        Ok(())
    }

    /// Those whose users wait still, and were due before this moment, are abandoned.
    pub(super) fn abandon(&mut self, due_before_us: u32, mut on_abandoned: impl FnMut(Sent)) {
        for connection in &mut self.connections {
            if let Some(sent) = &mut connection.sent
                && !sent.abandoned
                && sent.due_us < due_before_us
            {
                sent.abandoned = true;
                on_abandoned(*sent);
            }
        }
    }

    fn renew(&mut self, token: usize) -> Result<()> {
        let stream = connect(&self.poll, &self.address, token)?;
        let connection = &mut self.connections[token];
        // Gone with its descriptor, should this fail.
        let _ = self.poll.registry().deregister(connection.stream.source());
        connection.stream = stream;
        connection.partial.clear();
        Ok(())
    }
}

enum Reading {
    /// One answer, of this length in the scratch if the partial one is empty.
    Whole(usize),
    More,
    Broken,
}

impl Connection {
    fn read(&mut self, scratch: &mut [u8]) -> Reading {
        loop {
            match self.stream.read(scratch) {
                Ok(0) => return Reading::Broken,
                Ok(len) => {
                    let read = &scratch[..len];
                    let so_far = match self.partial.is_empty() {
                        true => read,
                        false => {
                            self.partial.extend_from_slice(read);
                            &self.partial
                        }
                    };
                    match whole(so_far) {
                        Some(whole) if whole == so_far.len() => return Reading::Whole(len),
                        Some(_) => return Reading::Broken,
                        None if so_far.len() >= ANSWER_BYTES_MAX => return Reading::Broken,
                        None if self.partial.is_empty() => self.partial.extend_from_slice(read),
                        None => {}
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Reading::More,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Reading::Broken,
            }
        }
    }
}

impl Stream {
    fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp(stream) => stream,
            Self::Unix(stream) => stream,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn connect(poll: &Poll, address: &str, token: usize) -> Result<Stream> {
    let mut stream = open(address).with_context(|| format!("cannot reach {address}"))?;
    poll.registry().register(stream.source(), Token(token), Interest::READABLE)?;
    Ok(stream)
}

/// On this machine it does not wait while the server's queue has room: the system takes a connection before
/// the server does.
fn open(address: &str) -> io::Result<Stream> {
    if let Some(path) = socket_path(address) {
        let stream = unix::net::UnixStream::connect(path)?;
        stream.set_nonblocking(true)?;
        return Ok(Stream::Unix(UnixStream::from_std(stream)));
    }
    let stream = net::TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(Stream::Tcp(TcpStream::from_std(stream)))
}
