//! The client's side of an import: a file of outlets goes up while its answers come down, neither
//! of which is ever in memory whole.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::{Body, Frame};
use hyper::client::conn::http1::handshake;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc::Receiver;

use crate::client::ClientError;
use crate::stream::{Stream, host_of};
use crate::wire::ImportLineBody;

/// Longest line of an answer that is taken.
const LINE_LEN_MAX: usize = 64 * 1024;

/// How a file of outlets is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportFormat {
    /// A document a line.
    Ndjson,
    /// A spreadsheet: a header row, a row a document.
    Csv,
}

impl ImportFormat {
    fn content_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv",
        }
    }
}

/// A file as it is read.
struct Pieces(Receiver<io::Result<Bytes>>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

/// Sends a file, in pieces of any size, to `HOST:PORT` or `unix:PATH`, and hands over what became of each line as
/// the server says it.
///
/// # Errors
/// Nobody listens there, the server refused the import as a whole, or the connection broke: what was
/// handed over until then has been done, and running the import again does the rest.
pub async fn import(
    address: &str,
    key: &str,
    format: ImportFormat,
    pieces: Receiver<io::Result<Bytes>>,
    mut each: impl FnMut(ImportLineBody),
) -> Result<(), ClientError> {
    let broken = |cause: String| ClientError::Connection { address: address.to_owned(), cause };
    let stream = Stream::connect(address).await.map_err(|error| broken(error.to_string()))?;
    let (mut sender, connection) =
        handshake(TokioIo::new(stream)).await.map_err(|error| broken(error.to_string()))?;
    // Ends with the sender or the peer; how it ends shows in the answer.
    tokio::spawn(connection);
    let request = Request::post("/v1/outlets/import")
        .header(HOST, host_of(address))
        .header(AUTHORIZATION, format!("Bearer {key}"))
        .header(CONTENT_TYPE, format.content_type())
        .body(Pieces(pieces))
        .map_err(|error| broken(error.to_string()))?;
    let answer = sender.send_request(request).await.map_err(|error| broken(error.to_string()))?;
    let (head, mut body) = answer.into_parts();
    let status = head.status.as_u16();
    let unexpected = |line: &[u8]| {
        let shown = String::from_utf8_lossy(&line[..line.len().min(200)]).into_owned();
        ClientError::Unexpected { status, body: shown }
    };
    if status != 200 {
        let all = body.collect().await.map_err(|error| broken(error.to_string()))?.to_bytes();
        let problem = serde_json::from_slice(&all).map(Box::new).map(ClientError::Refused);
        return Err(problem.unwrap_or_else(|_| unexpected(&all)));
    }
    let mut rest: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(error.to_string()))?;
        let Ok(piece) = frame.into_data() else { continue };
        rest.extend_from_slice(&piece);
        let mut start = 0;
        while let Some(end) = rest[start..].iter().position(|byte| *byte == b'\n') {
            let line = &rest[start..start + end];
            each(serde_json::from_slice(line).map_err(|_| unexpected(line))?);
            start += end + 1;
        }
        rest.drain(..start);
        if rest.len() > LINE_LEN_MAX {
            return Err(unexpected(&rest));
        }
    }
    // An answer without its last line end broke off.
    if rest.is_empty() { Ok(()) } else { Err(unexpected(&rest)) }
}
