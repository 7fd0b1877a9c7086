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
        self.0.get_mut().write_all(bytes.as_bytes()).expect("the connection is open");
    }

    /// The next answer; `None` when the gate closed the connection before one.
    pub(crate) fn receive(&mut self) -> Option<Got> {
        self.receive_to("GET")
    }

    pub(crate) fn receive_to(&mut self, method: &str) -> Option<Got> {
        let line = self.line()?;
        let status = line.split(' ').nth(1)?.parse().expect("a status");
        let mut headers = Vec::new();
        loop {
            let line = self.line().expect("a whole head");
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(": ").expect("a header");
            headers.push((name.to_owned(), value.to_owned()));
        }
        let mut got = Got { status, headers, body: String::new() };
        if method == "HEAD" {
            return Some(got);
        }
        let mut body = Vec::new();
        if let Some(len) = got.header("content-length") {
            body.resize(len.parse().expect("a length"), 0);
            self.0.read_exact(&mut body).expect("a whole body");
        } else if got.header("transfer-encoding") == Some("chunked") {
            loop {
                let line = self.line().expect("a chunk");
                let len = usize::from_str_radix(&line, 16).expect("a chunk's size");
                let start = body.len();
                body.resize(start + len, 0);
                self.0.read_exact(&mut body[start..]).expect("a whole chunk");
                assert_eq!(self.line().as_deref(), Some(""), "a chunk's end");
                if len == 0 {
                    break;
                }
            }
        }
        got.body = String::from_utf8(body).expect("UTF-8");
        Some(got)
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
