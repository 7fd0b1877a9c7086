//! The engine's journal for this gate's clients.

use std::io;

use bytes::Bytes;
use levee_api::port::ExportChunks;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};

use crate::framing::{EXPORT, Opaque};
use crate::limits::{CHUNKS_WAITING_MAX, FRAME_TO_GATE_LEN_MAX, SILENCE_MAX};
use crate::message::{ExportRequest, bytes_of};
use crate::proof::Nonce;

/// What the link's thread passes on; empty at first, when the engine has begun.
type Chunk = Result<Vec<u8>, Status>;

/// Asks for the journal; blocks until the engine has begun to read it.
pub(super) fn begin(
    runtime: &Handle,
    channel: Channel,
    token: Nonce,
    after_seq: u64,
) -> io::Result<ExportChunks> {
    let (taken, mut chunks) = mpsc::channel::<Chunk>(CHUNKS_WAITING_MAX);
    runtime.spawn(async move {
        let request = bytes_of(&ExportRequest { token, after_seq });
        let outcome = pass_on(channel, request.into(), &taken).await;
        if let Err(status) = outcome {
            // Whoever is gone need not be told.
            let _ = taken.send(Err(status)).await;
        }
    });
    let broke = |status: Status| io::Error::other(status.message().to_owned());
    let ended = || io::Error::other("the connection to the engine broke");
    chunks.blocking_recv().ok_or_else(ended)?.map_err(broke)?;
    let mut over = false;
    Ok(Box::new(std::iter::from_fn(move || {
        if over {
            return None;
        }
        // The task ends with an empty chunk or an error; without either, the link's thread is gone.
        let chunk = chunks.blocking_recv().ok_or_else(ended).and_then(|chunk| chunk.map_err(broke));
        over = chunk.as_ref().map_or(true, Vec::is_empty);
        match chunk {
            Ok(chunk) if chunk.is_empty() => None,
            chunk => Some(chunk),
        }
    })))
}

async fn pass_on(
    channel: Channel,
    request: Bytes,
    taken: &mpsc::Sender<Chunk>,
) -> Result<(), Status> {
    let mut grpc = Grpc::new(channel).max_decoding_message_size(FRAME_TO_GATE_LEN_MAX);
    let unready = |error| Status::unavailable(format!("{error}"));
    grpc.ready().await.map_err(unready)?;
    let path = PathAndQuery::from_static(EXPORT);
    let asked = grpc.server_streaming(Request::new(request), path, Opaque);
    let answer = tokio::time::timeout(SILENCE_MAX, asked).await;
    let answer = answer.map_err(|_| Status::deadline_exceeded("the engine does not answer"))?;
    let mut frames: Streaming<Bytes> = answer?.into_inner();
    let mut passed = taken.send(Ok(Vec::new())).await;
    while passed.is_ok() {
        let Some(frame) = frames.message().await? else {
            // Its end, in order.
            let _ = taken.send(Ok(Vec::new())).await;
            return Ok(());
        };
        if !frame.is_empty() {
            passed = taken.send(Ok(frame.into())).await;
        }
    }
    Ok(())
}
