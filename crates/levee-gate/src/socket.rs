//! A connection's socket as hyper sees it: what passes is counted and followed, and what hyper
//! answers by itself becomes a problem document.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use levee_api::problem::Code;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connection::Connection;
use crate::trouble::Trouble;
use crate::worker::Worker;

/// One socket.
pub(crate) struct Socket {
    connection: Rc<Connection>,
    worker: Rc<Worker>,
    /// Read before hyper came.
    read: Bytes,
}

impl Socket {
    pub(crate) fn new(connection: Rc<Connection>, worker: Rc<Worker>, read: Bytes) -> Self {
        Self { connection, worker, read }
    }

    /// The problem document for a head that hyper refused without asking anyone. It closes the
    /// connection after that, and nothing of ours looks like it: our errors have bodies.
    fn refusal(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        // "HTTP/1.1 4": this is all that other answers cost.
        if bytes.get(9) != Some(&b'4') || !bytes.ends_with(b"\r\n\r\n") {
            return None;
        }
        let head = str::from_utf8(bytes).ok().filter(|head| head.starts_with("HTTP/1."))?;
        head.contains("\r\ncontent-length: 0\r\n").then_some(())?;
        let code =
            if head[9..].starts_with("431") { Code::HeadersTooLarge } else { Code::BadRequest };
        let trouble = Trouble::new(code).with_detail("The request's head cannot be read.");
        let body = trouble.body(self.worker.request_id());
        let mut answer = self.refusal_head(code, body.len()).into_bytes();
        answer.extend_from_slice(&body);
        Some(answer)
    }

    fn refusal_head(&self, code: Code, len: usize) -> String {
        let stats = &self.worker.lane().stats;
        stats.count_unrouted(code.status());
        let reason = match code {
            Code::HeadersTooLarge => "Request Header Fields Too Large",
            _ => "Bad Request",
        };
        format!(
            "HTTP/1.1 {} {reason}\r\ncontent-type: application/problem+json\r\n\
             connection: close\r\ncontent-length: {len}\r\n\r\n",
            code.status()
        )
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.read.is_empty() {
            let len = self.read.len().min(buffer.remaining());
            let piece = self.read.split_to(len);
            buffer.put_slice(&piece);
            self.connection.has_read(&piece, &self.worker);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut *self.connection.stream.borrow_mut()).poll_read(cx, buffer);
        let new = &buffer.filled()[before..];
        if !new.is_empty() {
            self.connection.has_read(new, &self.worker);
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut stream = self.connection.stream.borrow_mut();
        let stream = Pin::new(&mut *stream);
        if let [piece] = pieces
            && let Some(refusal) = self.refusal(piece)
        {
            // A connection's last bytes, into a socket that has room for them.
            self.connection.has_written(ready!(stream.poll_write(cx, &refusal))?, &self.worker);
            return Poll::Ready(Ok(piece.len()));
        }
        let written = stream.poll_write_vectored(cx, pieces);
        match &written {
            Poll::Ready(Ok(len)) => self.connection.has_written(*len, &self.worker),
            Poll::Pending => self.connection.is_stalled(&self.worker),
            Poll::Ready(Err(_)) => {}
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.connection.stream.borrow_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.connection.stream.borrow_mut()).poll_shutdown(cx)
    }
}
