//! The journal for those who want to check it, streamed from a thread that may wait for the disk.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use levee_api::port::Failure;
use levee_api::problem::Code;
use levee_api::vitals::Phase;
use tokio::sync::{mpsc, oneshot};

use crate::call::Call;
use crate::reply::{Answer, NDJSON, Reply};
use crate::trouble::Trouble;
use crate::worker::Hub;

/// Most exports of one gate at the same time: each reads the disk that the journal is written to.
const EXPORTS_MAX: usize = 4;

/// Chunks that wait for the client; then the disk does.
const CHUNKS_WAITING_MAX: usize = 4;

/// `GET /v1/audit/export`
pub(crate) async fn export(call: &mut Call) -> Answer {
    let after_seq = match call.queries()?.take("after") {
        None => 0,
        Some(text) => {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            let seq = text.parse().ok().filter(|_| digits);
            seq.ok_or_else(|| Trouble::field("after", "must be a seq"))?
        }
    };
    let hub = Arc::clone(&call.worker.hub);
    match hub.ports.submit.vitals().phase() {
        // What is durable is not known yet: an empty answer would say that nothing is.
        Phase::Recovering => return Err(Failure::Recovering.into()),
        Phase::Unreachable => return Err(Failure::Unreachable.into()),
        Phase::Ready | Phase::Stopping | Phase::Failed => {}
    }
    if hub.exports.fetch_add(1, Relaxed) >= EXPORTS_MAX {
        hub.exports.fetch_sub(1, Relaxed);
        return Err(Trouble::new(Code::Overloaded).with_detail("Too many exports are under way."));
    }
    let running = Running(hub);
    let (chunks, answer) = mpsc::channel(CHUNKS_WAITING_MAX);
    let (begun, beginning) = oneshot::channel();
    tokio::task::spawn_blocking(move || read(&running, after_seq, begun, &chunks));
    match beginning.await {
        Ok(Ok(())) => Ok(Reply::stream(NDJSON, answer)),
        Ok(Err(error)) => {
            tracing::error!(%error, "the journal cannot be exported");
            Err(Trouble::new(Code::InternalError).with_detail("The journal cannot be read."))
        }
        Err(_) => Err(Trouble::new(Code::Unavailable)),
    }
}

/// Counts an export for as long as it reads.
struct Running(Arc<Hub>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.exports.fetch_sub(1, Relaxed);
    }
}

fn read(
    running: &Running,
    after_seq: u64,
    begun: oneshot::Sender<io::Result<()>>,
    chunks: &mpsc::Sender<io::Result<Bytes>>,
) {
    let journal = match running.0.ports.export.export(after_seq) {
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
        if let Err(error) = &chunk {
            // The answer breaks off without its end, so that nobody takes it for whole.
            tracing::error!(%error, "an export of the journal broke off");
        }
        let broken = chunk.is_err();
        // Waits for a slow client; fails when the client is gone.
        if chunks.blocking_send(chunk.map(Bytes::from)).is_err() || broken {
            return;
        }
    }
}
