//! Where requests begin and end in what a connection sends, seen independently of hyper.
//!
//! hyper drops what proxies in front may have understood differently: a Content-Length beside a
//! Transfer-Encoding, a repeated Content-Length. A request that carries such a thing must be
//! refused, so this reads along, line by line, and remembers the first one. It must never be laxer
//! than hyper about where a body ends; where it loses the thread, the connection ends.

/// Longest line whose beginning is looked at, when it arrives in pieces: name and value of any
/// header that matters here fit.
const LINE_KEPT_MAX: usize = 96;

/// What is wrong with a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Smuggling {
    /// Both say where the body ends.
    LengthBesideEncoding,
    /// More than one Content-Length.
    SeveralLengths,
    /// More than one Transfer-Encoding.
    SeveralEncodings,
    /// More than one Host.
    SeveralHosts,
    /// HTTP/1.1 without Host.
    NoHost,
    /// Something that cannot be followed.
    Unclear,
}

impl Smuggling {
    pub(crate) fn detail(self) -> &'static str {
        match self {
            Self::LengthBesideEncoding => "Content-Length and Transfer-Encoding exclude each other",
            Self::SeveralLengths => "there must be one Content-Length",
            Self::SeveralEncodings => "there must be one Transfer-Encoding",
            Self::SeveralHosts => "there must be one Host",
            Self::NoHost => "HTTP/1.1 needs a Host",
            Self::Unclear => "it is not clear where this request ends",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Head,
    Body { left: u64 },
    ChunkSize,
    Chunk { left: u64 },
    ChunkEnd,
    Trailers,
    Lost,
}

#[derive(Clone, Copy, Debug, Default)]
struct Head {
    started: bool,
    http_11: bool,
    hosts: u8,
    lengths: u8,
    encodings: u8,
    length: u64,
    unclear: bool,
}

/// Follows one connection.
#[derive(Debug)]
pub(crate) struct Framing {
    place: Place,
    head: Head,
    /// The beginning of a line whose end is still to come.
    line: Vec<u8>,
    heads: u64,
    refused: Option<(u64, Smuggling)>,
}

impl Framing {
    pub(crate) fn new() -> Self {
        Self {
            place: Place::Head,
            head: Head::default(),
            line: Vec::new(),
            heads: 0,
            refused: None,
        }
    }

    /// Whether a head has begun and is not complete.
    pub(crate) fn in_head(&self) -> bool {
        self.place == Place::Head && (self.head.started || !self.line.is_empty())
    }

    /// Whether something of a body is still to come.
    pub(crate) fn in_body(&self) -> bool {
        !matches!(self.place, Place::Head)
    }

    /// What is wrong with the request that is the `ordinal`th of this connection, from 1.
    pub(crate) fn wrong(&self, ordinal: u64) -> Option<Smuggling> {
        match self.refused {
            Some((refused, wrong)) if refused <= ordinal => Some(wrong),
            _ if ordinal > self.heads => Some(Smuggling::Unclear),
            _ => None,
        }
    }

    /// Takes in what was read.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self.place {
                Place::Lost => return,
                Place::Body { left } | Place::Chunk { left } => {
                    let taken = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    bytes = &bytes[taken..];
                    let left = left - taken as u64;
                    self.place = match self.place {
                        Place::Body { .. } if left == 0 => self.next_head(),
                        Place::Chunk { .. } if left == 0 => Place::ChunkEnd,
                        Place::Body { .. } => Place::Body { left },
                        _ => Place::Chunk { left },
                    };
                }
                Place::Head | Place::ChunkSize | Place::ChunkEnd | Place::Trailers => {
                    let Some(end) = memchr::memchr(b'\n', bytes) else {
                        self.keep(bytes);
                        return;
                    };
                    let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
                    bytes = rest;
                    if self.line.is_empty() {
                        self.line_over(line);
                    } else {
                        self.keep(line);
                        let kept = std::mem::take(&mut self.line);
                        self.line_over(&kept);
                    }
                }
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LINE_KEPT_MAX - self.line.len().min(LINE_KEPT_MAX);
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn line_over(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.place = match self.place {
            Place::Head if !self.head.started => {
                // hyper skips empty lines before a request.
                if !line.is_empty() {
                    self.head.started = true;
                    self.head.http_11 = !line.ends_with(b"HTTP/1.0");
                }
                Place::Head
            }
            Place::Head if line.is_empty() => self.head_over(),
            Place::Head => {
                self.header(line);
                Place::Head
            }
            // Its end was not kept: what it says is not known.
            Place::ChunkSize if line.len() >= LINE_KEPT_MAX => Place::Lost,
            Place::ChunkSize => match chunk_size(line) {
                Some(0) => Place::Trailers,
                Some(left) => Place::Chunk { left },
                None => Place::Lost,
            },
            Place::ChunkEnd if line.is_empty() => Place::ChunkSize,
            Place::Trailers if line.is_empty() => self.next_head(),
            Place::Trailers => Place::Trailers,
            _ => Place::Lost,
        };
    }

    fn header(&mut self, line: &[u8]) {
        // Nearly all headers are none of these, by their first letter.
        let head = &mut self.head;
        match line[0] | 0x20 {
            b'h' if value_of(line, b"host").is_some() => head.hosts = head.hosts.saturating_add(1),
            b't' if value_of(line, b"transfer-encoding").is_some() => {
                head.encodings = head.encodings.saturating_add(1);
            }
            b'c' => {
                if let Some(value) = value_of(line, b"content-length") {
                    head.lengths = head.lengths.saturating_add(1);
                    match decimal(value) {
                        Some(length) if line.len() < LINE_KEPT_MAX => head.length = length,
                        _ => head.unclear = true,
                    }
                }
            }
            _ => {}
        }
    }

    fn head_over(&mut self) -> Place {
        self.heads += 1;
        let head = self.head;
        let wrong = if head.encodings > 0 && head.lengths > 0 {
            Some(Smuggling::LengthBesideEncoding)
        } else if head.lengths > 1 {
            Some(Smuggling::SeveralLengths)
        } else if head.encodings > 1 {
            Some(Smuggling::SeveralEncodings)
        } else if head.hosts > 1 {
            Some(Smuggling::SeveralHosts)
        } else if head.hosts == 0 && head.http_11 {
            Some(Smuggling::NoHost)
        } else {
            head.unclear.then_some(Smuggling::Unclear)
        };
        if let Some(wrong) = wrong {
            self.refused.get_or_insert((self.heads, wrong));
        }
        if head.unclear {
            Place::Lost
        } else if head.encodings > 0 {
            Place::ChunkSize
        } else if head.length > 0 {
            Place::Body { left: head.length }
        } else {
            self.next_head()
        }
    }

    fn next_head(&mut self) -> Place {
        self.head = Head::default();
        Place::Head
    }
}

fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = line.split_at_checked(name.len())?;
    let value = rest.strip_prefix(b":")?;
    start.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

fn decimal(digits: &[u8]) -> Option<u64> {
    let all = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    all.then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten()
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii();
    let all = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    all.then(|| u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the text at once and byte by byte; expects so many heads, this fault at that request,
    /// and to be done with all bodies.
    #[track_caller]
    fn check(text: &str, heads: u64, refused: Option<(u64, Smuggling)>) {
        for piece in [text.len(), 1, 7] {
            let mut framing = Framing::new();
            for bytes in text.as_bytes().chunks(piece) {
                framing.feed(bytes);
            }
            assert_eq!((framing.heads, framing.refused), (heads, refused), "{text:?} by {piece}");
            assert!(refused.is_some() || !framing.in_body(), "{text:?} by {piece}");
            assert!(!framing.in_head(), "{text:?} by {piece}");
        }
    }

    #[test]
    fn requests_are_followed() {
        check("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1, None);
        check("\r\n\nGET / HTTP/1.1\nHost: a\n\nGET / HTTP/1.0\r\n\r\n", 2, None);
        check("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\nHost: b", 1, None);
        check(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}\
             POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n\r\n\
             a;x=y\r\n0123456789\r\n1\r\n\n\r\n0\r\nTrailer: x\r\n\r\n\
             GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            3,
            None,
        );
    }

    #[test]
    fn a_chunk_size_that_was_not_kept_whole_loses_the_thread() {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let size = format!("{}2\r\n", "0".repeat(110));
        for cut in 1..size.len() {
            let mut framing = Framing::new();
            framing.feed(head.as_bytes());
            framing.feed(&size.as_bytes()[..cut]);
            framing.feed(&size.as_bytes()[cut..]);
            framing.feed(b"{}\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
            // Either all of it was understood, or the next request is refused.
            assert!(framing.heads == 2 || framing.wrong(2).is_some(), "cut at {cut}");
            assert_eq!(framing.wrong(1), None, "cut at {cut}");
        }
    }

    #[test]
    fn what_proxies_disagree_about_is_seen() {
        let head = "GET / HTTP/1.1\r\nHost: a\r\n";
        for (headers, wrong) in [
            ("Content-Length: 3\r\nTransfer-Encoding: chunked", Smuggling::LengthBesideEncoding),
            ("transfer-encoding: chunked\r\ncontent-length: 3", Smuggling::LengthBesideEncoding),
            ("Content-Length: 0\r\nContent-Length: 0", Smuggling::SeveralLengths),
            ("Transfer-Encoding: x\r\nTransfer-Encoding: chunked", Smuggling::SeveralEncodings),
            ("HOST: a", Smuggling::SeveralHosts),
            ("Content-Length: +3", Smuggling::Unclear),
            ("Content-Length: 3, 3", Smuggling::Unclear),
        ] {
            check(&format!("{head}{headers}\r\n\r\n"), 1, Some((1, wrong)));
        }
        check("GET / HTTP/1.1\r\n\r\n", 1, Some((1, Smuggling::NoHost)));
    }
}
