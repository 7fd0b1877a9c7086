//! HTTP as bytes, so that tests can say it wrongly.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        header.map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn replayed(&self) -> bool {
        self.header("idempotent-replayed") == Some("true")
    }

    /// Status, code and field, as tables of expectations have them.
    #[track_caller]
    pub(crate) fn brief(&self) -> String {
        if self.body.is_empty() || !self.header("content-type").is_some_and(|t| t.contains("json"))
        {
            return self.status.to_string();
        }
        let json = self.json();
        let texts = ["code", "field"].iter().filter_map(|name| json[*name].as_str());
        texts.fold(self.status.to_string(), |brief, text| format!("{brief} {text}"))
    }
}

/// One connection.
pub(crate) struct Wire(pub(crate) BufReader<TcpStream>);

impl Wire {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the gate listens");
        // A test that hangs says nothing; no answer takes this long.
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    pub(crate) fn send(&mut self, bytes: &str) {
        // A gate that refuses early stops reading: what it says is what counts.
        let _ = self.0.get_mut().write_all(bytes.as_bytes());
    }

    /// The next answer; `None` when the gate closed the connection before one.
    pub(crate) fn receive(&mut self) -> Option<Got> {
        self.receive_to("GET")
    }

    pub(crate) fn receive_to(&mut self, method: &str) -> Option<Got> {
        let (status, headers) = self.head_if_any()?;
        let mut got = Got { status, headers, body: String::new() };
        if method == "HEAD" {
            return Some(got);
        }
        if let Some(len) = got.header("content-length") {
            let mut body = vec![0; len.parse().expect("a length")];
            self.0.read_exact(&mut body).expect("a whole body");
            got.body = String::from_utf8(body).expect("UTF-8");
        } else if got.header("transfer-encoding") == Some("chunked") {
            loop {
                let chunk = self.chunk();
                if chunk.is_empty() {
                    break;
                }
                got.body += &chunk;
            }
        }
        Some(got)
    }

    /// Status and headers alone.
    pub(crate) fn head(&mut self) -> (u16, Vec<(String, String)>) {
        self.head_if_any().expect("a head")
    }

    fn head_if_any(&mut self) -> Option<(u16, Vec<(String, String)>)> {
        let line = self.line()?;
        let status = line.split(' ').nth(1)?.parse().expect("a status");
        let mut headers = Vec::new();
        loop {
            let line = self.line().expect("a whole head");
            if line.is_empty() {
                return Some((status, headers));
            }
            let (name, value) = line.split_once(": ").expect("a header");
            headers.push((name.to_owned(), value.to_owned()));
        }
    }

    /// One chunk of a body; the last is empty.
    pub(crate) fn chunk(&mut self) -> String {
        let line = self.line().expect("a chunk");
        let mut chunk = vec![0; usize::from_str_radix(&line, 16).expect("a chunk's size")];
        self.0.read_exact(&mut chunk).expect("a whole chunk");
        assert_eq!(self.line().as_deref(), Some(""), "a chunk's end");
        String::from_utf8(chunk).expect("UTF-8")
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(line.trim_end_matches(['\r', '\n']).to_owned()),
            // Closed with something of ours unread.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("reading an answer: {error}"),
        }
    }

    /// Whether the gate closed the connection.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.line().is_none()
    }
}
