//! Memory for tables, made ready in another thread: the deciding thread never waits for the system
//! to find and clear a page that it touches for the first time.

#![allow(unsafe_code, reason = "advice to the system about memory has no safe form")]

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use levee_core::{CHUNK_BYTES, Chunk};
use rustix::mm::{Advice, madvise};

use crate::StartError;

/// Chunks that stand ready: 16 MiB, a quarter of a second's growth at a million claims a second.
const READY: usize = 8;

/// A chunk whose memory is there, as one huge page where the system has one.
pub(crate) fn ready_chunk() -> Chunk {
    Chunk::new_advised(|start| {
        // SAFETY: the range is a whole allocation, aligned to its size, and stays allocated during the
        // call. The advice keeps what is in it; it chooses the size of its pages. Where the system
        // does not take it, they are small.
        let _ = unsafe { madvise(start.cast(), CHUNK_BYTES, Advice::LinuxHugepage) };
    })
}

/// Starts the thread. It ends when nobody takes chunks any more.
pub(crate) fn start() -> Result<(Receiver<Chunk>, JoinHandle<()>), StartError> {
    let (ready, chunks) = sync_channel(READY);
    let thread = std::thread::Builder::new()
        .name("levee-memory".into())
        .spawn(move || while ready.send(ready_chunk()).is_ok() {})
        .map_err(|cause| StartError::File { path: "thread memory".into(), cause })?;
    Ok((chunks, thread))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ready_chunk_is_zeros() {
        let mut chunk = ready_chunk();
        assert!(chunk.bytes_mut().iter().all(|byte| *byte == 0));
        chunk.bytes_mut().fill(1);
        assert!(ready_chunk().bytes_mut().iter().all(|byte| *byte == 0));
    }
}
