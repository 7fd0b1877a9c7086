//! A lean HTTP/1.1 connection: prebuilt bytes out, one reply in.
//!
//! The crowd shares its machine with the server that it measures, so what a request costs here is
//! taken from there. It reads only what Levee's own server sends: a status line, headers, and a
//! body of a stated length.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Largest reply that is taken.
const REPLY_LEN_MAX: usize = 64 * 1024;

/// One keep-alive connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A whole reply.
pub(crate) struct Reply<'a> {
    pub(crate) status: u16,
    pub(crate) replayed: bool,
    pub(crate) body: &'a [u8],
}

struct Head {
    status: u16,
    replayed: bool,
    len: usize,
    body_len: usize,
    closes: bool,
}

impl Connection {
    pub(crate) async fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(2_048) })
    }

    /// Whether the server has closed it meanwhile.
    pub(crate) fn is_over(&self) -> bool {
        let mut byte = [0];
        !matches!(self.stream.try_read(&mut byte), Err(e) if e.kind() == io::ErrorKind::WouldBlock)
    }

    /// Sends a request and reads its reply. After an error, and where the second value says that
    /// the server closes, the connection is of no more use.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> io::Result<(Reply<'_>, bool)> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let head = loop {
            self.more().await?;
            if let Some(head) = parse_head(&self.buffer)? {
                break head;
            }
        };
        let end = head.len + head.body_len;
        if end > REPLY_LEN_MAX {
            return Err(bad("a reply that is too long"));
        }
        while self.buffer.len() < end {
            self.more().await?;
        }
        let body = &self.buffer[head.len..end];
        Ok((Reply { status: head.status, replayed: head.replayed, body }, head.closes))
    }

    async fn more(&mut self) -> io::Result<()> {
        if self.buffer.len() > REPLY_LEN_MAX {
            return Err(bad("a reply that is too long"));
        }
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// `None` as long as the head is not whole.
fn parse_head(bytes: &[u8]) -> io::Result<Option<Head>> {
    let Some(len) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let mut lines = bytes[..len].split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let first = lines.next().unwrap_or_default();
    let status = first.strip_prefix(b"HTTP/1.1 ").and_then(|rest| number(rest.get(..3)?));
    let status = status.ok_or_else(|| bad("no HTTP/1.1 reply"))?;
    let status = u16::try_from(status).expect("three digits");
    let mut head = Head { status, replayed: false, len: len + 4, body_len: 0, closes: false };
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            head.body_len = number(value).ok_or_else(|| bad("no length"))?;
        } else if name.eq_ignore_ascii_case(b"idempotent-replayed") {
            head.replayed = value == b"true";
        } else if name.eq_ignore_ascii_case(b"connection") {
            head.closes = value.eq_ignore_ascii_case(b"close");
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            return Err(bad("a reply without a stated length"));
        }
    }
    Ok(Some(head))
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The text after `"name":"`, up to the next quote.
pub(crate) fn text_field<'a>(body: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let rest = after(body, name)?.strip_prefix(b"\"")?;
    rest.split(|byte| *byte == b'"').next()
}

/// The whole number after `"name":`.
pub(crate) fn number_field(body: &[u8], name: &str) -> Option<u64> {
    let rest = after(body, name)?;
    let end = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    std::str::from_utf8(&rest[..end]).ok()?.parse().ok()
}

/// What follows the first field of this name. Replies hold no text of others before the fields
/// that are looked for, so no text can pass for a field.
fn after<'a>(body: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let len = name.len();
    let starts = body.windows(len + 2).position(|part| {
        part[0] == b'"' && part[len + 1] == b'"' && &part[1..=len] == name.as_bytes()
    })?;
    body[starts + len + 2..].trim_ascii_start().strip_prefix(b":").map(<[u8]>::trim_ascii_start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_when_it_is_whole() {
        let reply =
            b"HTTP/1.1 201 Created\r\nContent-Length: 12\r\nIdempotent-Replayed: true\r\n\r\n";
        for cut in 0..reply.len() {
            assert!(parse_head(&reply[..cut]).expect("not wrong").is_none(), "{cut}");
        }
        let head = parse_head(reply).expect("right").expect("whole");
        assert_eq!((head.status, head.replayed, head.body_len), (201, true, 12));
        assert_eq!((head.len, head.closes), (reply.len(), false));
        for wrong in [
            "HTTP/2 200\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        ] {
            assert!(parse_head(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn fields_are_found() {
        let body = br#"{"voucher":{"code":"ABCD-EFGH-JKMN-PQ","face_minor":2500}, "seq" : 42}"#;
        assert_eq!(text_field(body, "code"), Some(&b"ABCD-EFGH-JKMN-PQ"[..]));
        assert_eq!(number_field(body, "face_minor"), Some(2_500));
        assert_eq!(number_field(body, "seq"), Some(42));
        assert_eq!(text_field(body, "seq"), None);
        assert_eq!(number_field(body, "face"), None);
        assert_eq!(number_field(b"\"seq", "seq"), None);
    }
}
