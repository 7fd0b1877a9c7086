//! Writes one snapshot, in pieces that are each waited for.

use std::path::PathBuf;
use std::sync::Arc;

use super::error::io_error;
use super::format::{
    BLOCK_BYTES_MAX, BLOCK_HEAD, BlockHead, BlockKind, END_BYTES, GENESIS_BYTES_MAX,
    encode_block_head, encode_end, encode_head,
};
use super::{SnapshotError, SnapshotHead};
use crate::disk::{Access, Disk, DiskFile};

/// How much is written at a time. Each piece is waited for before the next, because writing at
/// full speed would hold up the journal's appends for up to a second.
const PIECE_BYTES: usize = 256 * 1024;

/// A snapshot in the making. Dropped before it is finished, its file is deleted.
#[derive(Debug)]
pub struct SnapshotWriter {
    disk: Arc<dyn Disk>,
    file: Box<dyn DiskFile>,
    unfinished: PathBuf,
    finished: PathBuf,
    /// What was gathered and not yet written.
    piece: Vec<u8>,
    /// Where the piece goes.
    at: u64,
    /// Checksum of the head, with which each block's begins.
    head_crc: u32,
    blocks: u64,
    /// A call failed, so that the file has a gap, or may have one.
    has_failed: bool,
    /// The temporary name is gone.
    is_renamed: bool,
}

impl SnapshotWriter {
    pub(super) fn create(
        disk: Arc<dyn Disk>,
        unfinished: PathBuf,
        finished: PathBuf,
        head: &SnapshotHead,
        bytes_expected: u64,
    ) -> Result<Self, SnapshotError> {
        let genesis_bytes = match u32::try_from(head.genesis.len()) {
            Ok(bytes) if bytes as usize <= GENESIS_BYTES_MAX => bytes,
            _ => {
                let (bytes, bytes_max) = (head.genesis.len() as u64, GENESIS_BYTES_MAX as u64);
                return Err(SnapshotError::GenesisTooLarge { bytes, bytes_max });
            }
        };
        let file =
            disk.open(&unfinished, Access::Create).map_err(io_error("create", &unfinished))?;
        let (mut piece, head_crc) = encode_head(head, genesis_bytes);
        piece.reserve(PIECE_BYTES);
        let writer = Self {
            disk,
            file,
            unfinished,
            finished,
            piece,
            at: 0,
            head_crc,
            blocks: 0,
            has_failed: false,
            is_renamed: false,
        };
        if bytes_expected > 0 {
            let allocated = writer.file.allocate(bytes_expected);
            allocated.map_err(io_error("allocate", &writer.unfinished))?;
        }
        Ok(writer)
    }

    /// Adds one block; its payload is the pieces, one behind the other. When enough is gathered it
    /// is written, and the call returns when the disk has it: pacing beyond that is the caller's.
    ///
    /// # Errors
    /// [`SnapshotError::BlockTooLarge`] above [`BLOCK_BYTES_MAX`] leaves all as it was. After
    /// [`SnapshotError::NoSpace`] or [`SnapshotError::Io`] every further call fails: drop the
    /// writer.
    pub fn block(&mut self, tag: u32, pieces: &[&[u8]]) -> Result<(), SnapshotError> {
        let bytes = pieces.iter().fold(0_u64, |sum, piece| sum.saturating_add(piece.len() as u64));
        let payload_bytes = match u32::try_from(bytes) {
            Ok(payload_bytes) if payload_bytes as usize <= BLOCK_BYTES_MAX => payload_bytes,
            _ => {
                let bytes_max = BLOCK_BYTES_MAX as u64;
                return Err(SnapshotError::BlockTooLarge { bytes, bytes_max });
            }
        };
        self.put(BlockKind::Data, tag, payload_bytes, pieces)?;
        self.blocks += 1;
        Ok(())
    }

    /// Bytes so far, headers included; those not yet written too.
    #[must_use]
    pub fn written_bytes(&self) -> u64 {
        self.at + self.piece.len() as u64
    }

    /// Makes the snapshot durable under its final name and returns the length of its file in
    /// bytes.
    ///
    /// # Errors
    /// [`SnapshotError::NoSpace`], [`SnapshotError::Io`] or [`SnapshotError::Failed`]; there is no
    /// snapshot then, or, when even deleting it failed, one that may not outlast a crash.
    pub fn finish(mut self) -> Result<u64, SnapshotError> {
        let file_bytes = self.written_bytes() + (BLOCK_HEAD + END_BYTES) as u64;
        let end = encode_end(self.blocks, file_bytes);
        self.put(BlockKind::End, 0, u32::try_from(END_BYTES).expect("16"), &[&end])?;
        let rest = self.piece.len();
        self.write(rest)?;
        // Gives back what was allocated and not needed.
        self.file.set_bytes(file_bytes).map_err(io_error("cut", &self.unfinished))?;
        self.file.sync_all().map_err(io_error("sync", &self.unfinished))?;

        let renamed = self.disk.rename(&self.unfinished, &self.finished);
        renamed.map_err(io_error("rename a new snapshot to", &self.finished))?;
        self.is_renamed = true;
        let dir = self.finished.parent().expect("a snapshot's path has a folder");
        if let Err(source) = self.disk.sync_dir(dir) {
            // Nobody may count on it; left in place it would be counted on.
            let _ = self.disk.remove(&self.finished);
            return Err(io_error("sync the folder", dir)(source));
        }
        Ok(file_bytes)
    }

    fn put(
        &mut self,
        kind: BlockKind,
        tag: u32,
        payload_bytes: u32,
        pieces: &[&[u8]],
    ) -> Result<(), SnapshotError> {
        if self.has_failed {
            return Err(SnapshotError::Failed { file: self.unfinished.clone() });
        }
        let head = BlockHead { kind, tag, payload_bytes, ordinal: self.blocks };
        let head = encode_block_head(&head, self.head_crc, pieces);
        self.piece.extend_from_slice(&head);
        for piece in pieces {
            self.piece.extend_from_slice(piece);
        }
        while self.piece.len() >= PIECE_BYTES {
            self.write(PIECE_BYTES)?;
            let synced = self.file.sync_data();
            self.has_failed = synced.is_err();
            synced.map_err(io_error("sync", &self.unfinished))?;
        }
        Ok(())
    }

    /// Writes the first bytes of what was gathered.
    fn write(&mut self, bytes: usize) -> Result<(), SnapshotError> {
        let written = self.file.write_all_at(&self.piece[..bytes], self.at);
        self.has_failed = written.is_err();
        written.map_err(io_error("write", &self.unfinished))?;
        self.piece.drain(..bytes);
        self.at += bytes as u64;
        Ok(())
    }
}

impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        if !self.is_renamed {
            // What cannot be deleted now is deleted when snapshots are pruned.
            let _ = self.disk.remove(&self.unfinished);
        }
    }
}
