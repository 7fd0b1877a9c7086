//! Single requests, for setting up and for checking; the load has its own generator.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

const LIMIT: Duration = Duration::from_secs(10);

pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    /// The bearer key, if any.
    pub(super) key: Option<&'a str>,
    /// The path is the request's own key too: it is posted to once.
    pub(super) once: bool,
    pub(super) body: &'a str,
}

/// Sends one request on a connection of its own; returns status and body.
pub(super) fn send(address: &str, request: &Request<'_>) -> Result<(u16, String)> {
    let Request { method, path, key, once, body } = request;
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    if let Some(key) = key {
        text.push_str(&format!("authorization: Bearer {key}\r\n"));
    }
    if *once {
        text.push_str(&format!("idempotency-key: {path}\r\n"));
    }
    if *method == "POST" {
        let len = body.len();
        text.push_str(&format!("content-type: application/json\r\ncontent-length: {len}\r\n"));
    }
    text.push_str(&format!("\r\n{body}"));
    let ask = || -> Result<(u16, String)> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        stream.write_all(text.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        parse(&String::from_utf8_lossy(&answer))
    };
    ask().with_context(|| format!("{method} http://{address}{path}"))
}

fn parse(answer: &str) -> Result<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n").context("no whole answer")?;
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding");
    ensure!(!chunked, "an answer in chunks, which the load would not understand either");
    Ok((status.context("no status")?, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let (status, body) = parse("HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}").unwrap();
        assert_eq!((status, body.as_str()), (201, "{}"));
        assert!(parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").is_err());
        assert!(parse("").is_err());
    }
}
