//! The journal for a gate's own clients: read only as fast as they take it.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use levee_api::port::Export;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::Hall;
use super::service::Frames;
use crate::limits::{CHUNKS_WAITING_MAX, EXPORTS_MAX};
use crate::message::{ExportRequest, read_one};

/// Counts an export for as long as it reads.
struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Begins to read, for who shows the token of a session that lasts.
pub(super) async fn begin(hall: &Arc<Hall>, request: &[u8]) -> Result<Frames, Status> {
    let request: ExportRequest =
        read_one(request).map_err(|error| Status::invalid_argument(error.to_string()))?;
    let count = {
        let sessions = hall.exports.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.get(&request.token).cloned()
    };
    let count = count.ok_or_else(|| Status::unauthenticated("there is no such session"))?;
    let before = count.fetch_add(1, Relaxed);
    let running = Running(count);
    if before >= EXPORTS_MAX {
        return Err(Status::resource_exhausted("too many exports are under way"));
    }
    let (chunks, frames) = mpsc::channel(CHUNKS_WAITING_MAX);
    let (begun, beginning) = oneshot::channel();
    let export = Arc::clone(&hall.export);
    tokio::task::spawn_blocking(move || {
        let _running = running;
        read(&*export, request.after_seq, begun, &chunks);
    });
    match beginning.await {
        Ok(Ok(())) => Ok(ReceiverStream::new(frames)),
        Ok(Err(error)) => {
            tracing::error!(%error, "the journal cannot be exported");
            Err(Status::internal(error.to_string()))
        }
        Err(_) => Err(Status::unavailable("the engine's side is stopping")),
    }
}

fn read(
    export: &dyn Export,
    after_seq: u64,
    begun: oneshot::Sender<io::Result<()>>,
    chunks: &mpsc::Sender<Result<Bytes, Status>>,
) {
    let journal = match export.export(after_seq) {
        Ok(journal) => journal,
        Err(error) => {
            let _ = begun.send(Err(error));
            return;
        }
    };
    if begun.send(Ok(())).is_err() {
        return;
    }
    for chunk in journal {
        let chunk = chunk.map(Bytes::from).map_err(|error| {
            tracing::error!(%error, "an export of the journal broke off");
            Status::data_loss(error.to_string())
        });
        let broken = chunk.is_err();
        // Waits for a slow gate; fails when it is gone.
        if chunks.blocking_send(chunk).is_err() || broken {
            return;
        }
    }
}
